//! Runs this node's rollback guard: keeps what contradicts the ledger in a file, ends the wait for peers, and tells writer, links and operators
//! whether this node may sign.
//!
//! Executes what [`sinergi_proto::transparency::rollback_guard`] decides.
//!
//! Invariants:
//! - before the state is `Clear` nothing is appended and nothing is signed, not even a checkpoint: peers are shown the last one that was recorded;
//! - when it is no longer, nothing more is decided: what was decided is finished;
//! - `SetBack` outlasts a restart, until the ledger holds again what was seen, or a new epoch has begun.

mod own_ledger;
mod stored;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::transparency::rollback_guard::{Begun, GuardState, RollbackGuard, Settled};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::base::alarms::Alarms;
use crate::base::node_limits;
use crate::base::time::now_millis;
use crate::storage::case::CaseError;

pub use own_ledger::{OwnKeys, OwnLedger};
pub use sinergi_proto::transparency::rollback_guard::{Compared, Proof, Sighting};
pub use stored::{SightingsError, file, keep, load};

/// The state, shared by the writer, the links and the operator API.
#[derive(Clone)]
pub struct Continuity(Arc<Inner>);

struct Inner {
    ledger: OwnLedger,
    file: PathBuf,
    alarms: Alarms,
    /// The guard's state, for those who wait for it.
    state: watch::Sender<GuardState>,
    began: Instant,
    guard: Mutex<RollbackGuard>,
    heard: Notify,
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
        let local = local.into_iter().map(|proof| Sighting { by: None, at: now_millis(), proof }).collect();
        let charters = ledger.keys.directory.charters();
        let signer = ledger.keys.signer(&charters);
        let Begun { guard, must_store, is_mended } =
            RollbackGuard::begin(peers, node_limits::HEARING_TIME, load(&file)?, local, signer, &ledger)?;
        if is_mended {
            tracing::info!("the ledger holds again what was seen of it, or has begun a new epoch");
        }
        if must_store {
            keep(&file, guard.sightings())?;
        }
        let continuity = Self::new(ledger, file, alarms, guard);
        for sighting in continuity.guard().sightings() {
            continuity.raise(sighting)?;
        }
        Ok(continuity)
    }

    /// A node that may sign at once: `sinergi recover`, which begins an epoch that nobody has seen.
    pub(crate) fn clear(ledger: OwnLedger, data: &Path) -> Self {
        Self::new(ledger, file(data), Alarms::default(), RollbackGuard::clear())
    }

    fn new(ledger: OwnLedger, file: PathBuf, alarms: Alarms, guard: RollbackGuard) -> Self {
        Self(Arc::new(Inner {
            ledger,
            file,
            alarms,
            state: watch::Sender::new(guard.state()),
            began: Instant::now(),
            guard: Mutex::new(guard),
            heard: Notify::new(),
        }))
    }

    /// Whether this node may sign.
    pub fn state(&self) -> GuardState {
        *self.0.state.borrow()
    }

    /// The state, now and as it changes.
    pub fn watch(&self) -> watch::Receiver<GuardState> {
        self.0.state.subscribe()
    }

    /// Waits until the peers were heard; `Clear` or `SetBack`.
    pub async fn settled(&self) -> GuardState {
        let mut state = self.watch();
        let settled = state.wait_for(|state| *state != GuardState::Waiting).await;
        *settled.expect("the sender lives as long as this")
    }

    /// The ledger, to be compared with what is seen of it.
    pub fn ledger(&self) -> &OwnLedger {
        &self.0.ledger
    }

    /// A peer showed what it saw, and nothing contradicts the ledger.
    pub fn heard(&self, peer: &AgencyId) {
        self.settles(|guard, elapsed| guard.heard(peer, elapsed));
        self.0.heard.notify_one();
    }

    /// Somebody saw more of this ledger than there is, or something else. Blocks.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn set_back(&self, sighting: Sighting) -> Result<(), CaseError> {
        let mut guard = self.guard();
        let must_store = guard.set_back(sighting.clone());
        self.0.state.send_replace(guard.state());
        if must_store && let Err(error) = keep(&self.0.file, guard.sightings()) {
            // Peers show it again after a restart.
            tracing::error!("{error}");
        }
        self.raise(&sighting)
    }

    /// Ends the wait when it is time; returns when there is nothing to wait for any more.
    pub async fn run(&self, stop: &CancellationToken) {
        loop {
            let Some(timeout) = self.guard().next_timeout() else { return };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.heard.notified() => {}
                () = tokio::time::sleep_until(self.0.began + timeout) => self.settles(RollbackGuard::timeout),
            }
        }
    }

    fn settles(&self, event: impl FnOnce(&mut RollbackGuard, std::time::Duration) -> Option<Settled>) {
        let mut guard = self.guard();
        let settled = event(&mut guard, self.0.began.elapsed());
        if settled.is_some() {
            self.0.state.send_replace(guard.state());
        }
        if settled == Some(Settled::TimeOver) {
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

    fn guard(&self) -> MutexGuard<'_, RollbackGuard> {
        self.0.guard.lock()
    }
}
