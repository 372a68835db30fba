//! Runs this node's rollback guard: it stores sightings that contradict the ledger in a file, ends the wait for peers, and tells writer, links
//! and operators whether this node may sign.
//!
//! Must not decide anything: [`sinergi_proto::transparency::rollback_guard`] does.
//!
//! Invariants:
//! - before the state is `Clear`, nothing is appended and nothing is signed, not even a checkpoint. Peers get the newest recorded checkpoint;
//! - when the state leaves `Clear`, the engine takes no more work. Decisions that were made before are still committed;
//! - `SetBack` survives a restart. It ends when the ledger holds again what was seen, or when a new epoch has begun.

mod own_ledger;
mod stored;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::transparency::rollback_guard::{Begun, GuardState, Known, RollbackGuard, Settled};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::base::alarms::{AlarmKind, Alarms};
use crate::base::node_limits;
use crate::base::time::now_millis;
use crate::storage::complaint_loader::OwnDataError;

pub use own_ledger::{OwnKeys, OwnLedger};
pub use sinergi_proto::transparency::rollback_guard::{Compared, Proof, Sighting};
pub use stored::{SightingsError, file, keep, load};

/// The topic of the alarm that the ledger may be an old copy.
const UNCONFIRMED: &str = AlarmKind::LedgerUnconfirmed.word();

/// Runs the rollback guard of this node. The writer, the links and the operator API share it; clones are cheap.
#[derive(Clone)]
pub struct GuardService(Arc<Inner>);

struct Inner {
    ledger: OwnLedger,
    file: PathBuf,
    alarms: Alarms,
    /// The guard's state, for tasks that wait for a change.
    state: watch::Sender<GuardState>,
    began: Instant,
    guard: Mutex<RollbackGuard>,
    heard: Notify,
}

/// The rollback guard cannot start.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The stored sightings cannot be read or written.
    #[error(transparent)]
    Sightings(#[from] SightingsError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] OwnDataError),
}

impl GuardService {
    /// Starts the guard of a node. `local` are proofs from the node's own files that its ledger was longer. `may_be_old` says that nothing shows that
    /// the ledger is no old copy. Blocks.
    ///
    /// # Errors
    /// The ledger or the stored sightings cannot be read.
    pub fn begin(
        ledger: OwnLedger,
        data: &Path,
        peers: impl IntoIterator<Item = AgencyId>,
        (local, may_be_old): (Vec<Proof>, bool),
        alarms: Alarms,
    ) -> Result<Self, GuardError> {
        let file = file(data);
        let local = local.into_iter().map(|proof| Sighting { by: None, at: now_millis(), proof }).collect();
        let known = Known { stored: load(&file)?, local, may_be_old };
        let charters = ledger.keys.charter_store.charters();
        let signer = ledger.keys.signer(&charters);
        let Begun { guard, must_store, is_mended } =
            RollbackGuard::begin(peers, node_limits::HEARING_TIME, known, signer, &ledger)?;
        if is_mended {
            tracing::info!("the ledger holds again what was seen of it, or has begun a new epoch");
        }
        if must_store {
            keep(&file, guard.sightings())?;
        }
        let service = Self::new(ledger, file, alarms, guard);
        for sighting in service.guard().sightings() {
            service.raise(sighting)?;
        }
        if service.state() == GuardState::Unconfirmed {
            service.ask_for_a_word();
        }
        Ok(service)
    }

    /// A guard that is `Clear` from the start: for `sinergi recover`, which begins an epoch that nobody has seen.
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

    /// The present state: it says whether this node may sign.
    pub fn state(&self) -> GuardState {
        *self.0.state.borrow()
    }

    /// A receiver of the state.
    pub fn watch(&self) -> watch::Receiver<GuardState> {
        self.0.state.subscribe()
    }

    /// Waits until the state is no longer `Waiting`, and returns it.
    pub async fn settled(&self) -> GuardState {
        let mut state = self.watch();
        let settled = state.wait_for(|state| *state != GuardState::Waiting).await;
        *settled.expect("the sender lives as long as this")
    }

    /// This node's ledger, for comparing it with sightings.
    pub fn ledger(&self) -> &OwnLedger {
        &self.0.ledger
    }

    /// Notes that a peer has shown what it saw of this ledger, and that nothing contradicts the ledger.
    pub fn heard(&self, peer: &AgencyId) {
        self.settles(|guard, elapsed| guard.heard(peer, elapsed));
        self.0.heard.notify_one();
    }

    /// Notes that the operator says that no newer copy of the ledger was ever used. Returns whether the node waited for that.
    pub fn confirm(&self) -> bool {
        let mut guard = self.guard();
        let is_awaited = guard.confirm();
        if is_awaited {
            self.0.state.send_replace(guard.state());
            self.0.alarms.settle(UNCONFIRMED);
            self.0.heard.notify_one();
        }
        is_awaited
    }

    /// Notes that a charter revokes a key of this node, so that nothing is signed any more.
    pub fn key_revoked(&self, charter_version: u64) {
        let mut guard = self.guard();
        guard.key_revoked();
        self.0.state.send_replace(guard.state());
        self.0.alarms.settle(UNCONFIRMED);
        let text = format!(
            "charter version {charter_version} revokes a key of this node, which signs nothing any more: put the new keys in place of the old ones and restart the node"
        );
        self.0.alarms.raise(AlarmKind::KeyRevoked.word(), text);
    }

    /// Takes a sighting that contradicts the ledger: the ledger is shorter than what was seen, or differs from it. Blocks.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn set_back(&self, sighting: Sighting) -> Result<(), OwnDataError> {
        let mut guard = self.guard();
        let must_store = guard.set_back(sighting.clone());
        self.0.state.send_replace(guard.state());
        self.0.alarms.settle(UNCONFIRMED);
        if must_store && let Err(error) = keep(&self.0.file, guard.sightings()) {
            // Not fatal: peers show it again after a restart.
            tracing::error!("{error}");
        }
        self.raise(&sighting)
    }

    /// Ends the wait for peers when its time is over. Returns when the guard waits for nobody any more, or at `stop`.
    pub async fn run(&self, stop: &CancellationToken) {
        loop {
            let (timeout, state) = (self.guard().next_timeout(), self.state());
            match timeout {
                Some(timeout) => tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.0.heard.notified() => {}
                    () = tokio::time::sleep_until(self.0.began + timeout) => self.settles(RollbackGuard::timeout),
                },
                None if state == GuardState::Unconfirmed => tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.0.heard.notified() => {}
                },
                None => return,
            }
        }
    }

    fn settles(&self, event: impl FnOnce(&mut RollbackGuard, std::time::Duration) -> Option<Settled>) {
        let mut guard = self.guard();
        let settled = event(&mut guard, self.0.began.elapsed());
        self.0.state.send_if_modified(|state| std::mem::replace(state, guard.state()) != guard.state());
        match guard.state() {
            GuardState::Unconfirmed => self.ask_for_a_word(),
            _ => self.0.alarms.settle(UNCONFIRMED),
        }
        if settled == Some(Settled::TimeOver) {
            tracing::warn!(
                seconds = self.0.began.elapsed().as_secs(),
                "not all peers could be asked what they saw of this node's ledger; it goes on with the ones that were"
            );
        }
    }

    fn ask_for_a_word(&self) {
        let text = "nothing shows that this node's ledger is not an old copy (its mark beside the keys is missing, or its end was cut off), and no peer \
                    was heard: nothing is signed until a peer is heard. If no newer copy of the ledger was ever used, run `sinergi confirm ledger`";
        self.0.alarms.raise(UNCONFIRMED, text);
    }

    fn raise(&self, sighting: &Sighting) -> Result<(), OwnDataError> {
        let ledger = &self.0.ledger;
        let Some(compared) = ledger.compare(&sighting.proof)? else { return Ok(()) };
        let found = sighting.describe(&compared, ledger.extent());
        let by = match (&sighting.by, &sighting.proof) {
            (Some(peer), _) => peer.as_str(),
            (None, Proof::Mark { .. }) => "mark",
            (None, _) => "own files",
        };
        let text = format!(
            "{found}: the ledger was set back or lost, and nothing is signed. Stop the node, and put back the newest copy of its folder or \
             run `sinergi recover`"
        );
        self.0.alarms.raise(AlarmKind::SetBack.about(by), text);
        Ok(())
    }

    fn guard(&self) -> MutexGuard<'_, RollbackGuard> {
        self.0.guard.lock()
    }
}
