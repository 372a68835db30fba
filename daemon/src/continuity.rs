//! Whether this node may sign: not before its peers had a chance to say what they saw of its ledger, and not at all when they saw more, or
//! something else.
//!
//! Executes what [`sinergi_proto::continuity`] decides.
//!
//! ```text
//! start -> Waiting --all peers heard, or time--> Clear
//!             |                                    |
//!             +------ somebody saw more -----------+--> SetBack: nothing is taken, signed or sent; links only greet
//! ```
//!
//! Invariants:
//! - before it is `Clear` nothing is appended and nothing is signed, not even a checkpoint: peers are shown the last one that was recorded;
//! - when it is no longer, nothing more is decided: what was decided is finished;
//! - `SetBack` outlasts a restart, until the ledger holds again what was seen, or a new epoch has begun.

mod sighting;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sinergi_proto::continuity::Guard;
use sinergi_proto::ids::AgencyId;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::alarms::Alarms;
use crate::case::CaseError;
use crate::time::now_millis;

pub use sighting::{Compared, OwnKeys, OwnLedger, Proof, Shown, Sighting, SightingsError, keep, load};

/// Whether this node may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not yet: peers are being heard.
    Waiting,
    /// It may.
    Clear,
    /// Its ledger was set back or lost: only its operator can help.
    SetBack,
}

/// The state, shared by the writer, the links and the operator API.
#[derive(Clone)]
pub struct Continuity(Arc<Inner>);

struct Inner {
    ledger: OwnLedger,
    file: PathBuf,
    alarms: Alarms,
    state: watch::Sender<State>,
    began: Instant,
    guard: Mutex<Guard>,
    heard: Notify,
    sightings: Mutex<Vec<Sighting>>,
}

/// Where a node keeps what contradicts its ledger.
pub fn file(data: &Path) -> PathBuf {
    data.join("set-back.json")
}

/// Why the state cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum ContinuityError {
    /// The kept sightings.
    #[error(transparent)]
    Sightings(#[from] SightingsError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] CaseError),
}

impl Continuity {
    /// The state of a node that starts: `local` is what its own files show. Blocks.
    ///
    /// # Errors
    /// When the ledger or the kept sightings cannot be read.
    pub fn begin(
        ledger: OwnLedger,
        data: &Path,
        peers: impl IntoIterator<Item = AgencyId>,
        local: Vec<Proof>,
        alarms: Alarms,
    ) -> Result<Self, ContinuityError> {
        let file = file(data);
        let mut sightings = load(&file)?;
        let kept = sightings.len();
        sightings.extend(local.into_iter().map(|proof| Sighting { by: None, at: now_millis(), proof }));
        let mut conflicts = Vec::new();
        for sighting in sightings {
            if ledger.compare(&sighting.proof)?.is_some_and(|compared| compared.standing.is_conflict()) {
                conflicts.push(sighting);
            }
        }
        if kept > 0 && conflicts.is_empty() {
            tracing::info!("the ledger holds again what was seen of it, or has begun a new epoch");
        }
        if kept > 0 || !conflicts.is_empty() {
            keep(&file, &conflicts)?;
        }
        let guard = Guard::new(peers);
        let state = match () {
            () if !conflicts.is_empty() => State::SetBack,
            () if guard.ends().is_zero() => State::Clear,
            () => State::Waiting,
        };
        let continuity = Self(Arc::new(Inner {
            ledger,
            file,
            alarms,
            state: watch::Sender::new(state),
            began: Instant::now(),
            guard: Mutex::new(guard),
            heard: Notify::new(),
            sightings: Mutex::new(Vec::new()),
        }));
        for sighting in conflicts {
            continuity.raise(&sighting)?;
            continuity.lock_sightings().push(sighting);
        }
        Ok(continuity)
    }

    /// A node that may sign at once: `sinergi recover`, which begins an epoch that nobody has seen.
    pub(crate) fn clear(ledger: OwnLedger, data: &Path) -> Self {
        Self(Arc::new(Inner {
            ledger,
            file: file(data),
            alarms: Alarms::default(),
            state: watch::Sender::new(State::Clear),
            began: Instant::now(),
            guard: Mutex::new(Guard::new([])),
            heard: Notify::new(),
            sightings: Mutex::new(Vec::new()),
        }))
    }

    /// Whether this node may sign.
    pub fn state(&self) -> State {
        *self.0.state.borrow()
    }

    /// The state, now and as it changes.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    /// Waits until the peers were heard; `Clear` or `SetBack`.
    pub async fn settled(&self) -> State {
        let mut state = self.watch();
        let settled = state.wait_for(|state| *state != State::Waiting).await;
        *settled.expect("the sender lives as long as this")
    }

    /// The ledger, to be compared with what is seen of it.
    pub fn ledger(&self) -> &OwnLedger {
        &self.0.ledger
    }

    /// A peer showed what it saw, and nothing contradicts the ledger.
    pub fn heard(&self, peer: &AgencyId) {
        self.lock_guard().heard(peer, self.0.began.elapsed());
        self.settle_if_due();
        self.0.heard.notify_one();
    }

    /// Somebody saw more of this ledger than there is, or something else. Blocks.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn set_back(&self, sighting: Sighting) -> Result<(), CaseError> {
        self.0.state.send_replace(State::SetBack);
        self.raise(&sighting)?;
        let mut sightings = self.lock_sightings();
        let is_same = |old: &Sighting| {
            old.by == sighting.by && std::mem::discriminant(&old.proof) == std::mem::discriminant(&sighting.proof)
        };
        if sightings.iter().any(|old| is_same(old) && old.proof == sighting.proof) {
            return Ok(());
        }
        sightings.retain(|old| !is_same(old));
        sightings.push(sighting);
        if let Err(error) = keep(&self.0.file, &sightings) {
            // Peers show it again after a restart.
            tracing::error!("{error}");
        }
        Ok(())
    }

    /// Ends the wait when it is time; returns when there is nothing to wait for any more.
    pub async fn run(&self, stop: &CancellationToken) {
        while self.state() == State::Waiting {
            let ends = self.0.began + self.lock_guard().ends();
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.heard.notified() => {}
                () = tokio::time::sleep_until(ends) => self.settle_if_due(),
            }
        }
    }

    fn settle_if_due(&self) {
        let ends = self.lock_guard().ends();
        if self.0.began.elapsed() < ends {
            return;
        }
        let cleared = self.0.state.send_if_modified(|state| {
            let waited = *state == State::Waiting;
            if waited {
                *state = State::Clear;
            }
            waited
        });
        if cleared && !ends.is_zero() {
            tracing::warn!(
                seconds = self.0.began.elapsed().as_secs(),
                "not all peers could be asked what they saw of this node's ledger; it goes on with the ones that were"
            );
        }
    }

    fn raise(&self, sighting: &Sighting) -> Result<(), CaseError> {
        let ledger = &self.0.ledger;
        let Some(compared) = ledger.compare(&sighting.proof)? else { return Ok(()) };
        let found = sighting.describe(&compared, ledger.extent());
        let by = sighting.by.as_ref().map_or("own files", AgencyId::as_str);
        let text = format!(
            "{found}: the ledger was set back or lost, and nothing is signed. Stop the node, and put back the newest copy of its folder or \
             run `sinergi recover`"
        );
        self.0.alarms.raise(format!("set-back {by}"), text);
        Ok(())
    }

    fn lock_guard(&self) -> MutexGuard<'_, Guard> {
        self.0.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_sightings(&self) -> MutexGuard<'_, Vec<Sighting>> {
        self.0.sightings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
