//! The watch over other agencies' ledgers: their newest checkpoints, whoever shows them, and whether all are of one ledger that only grows.
//!
//! Executes what [`sinergi_proto::transparency::watch`] decides.
//!
//! ```text
//! sessions: Hello, receipts, Checkpoints --> take --+--> asking.rs    the agency is asked whether its tree begins with them
//!                                                   +--> what contradicts: evidence and an alarm; the link goes on
//! witness.rs   at most once in a while: what was seen is kept, and committed to in this node's own ledger
//! told to peers by the sessions (sinergi_proto::sync)
//! ```
//!
//! Invariants:
//! - only what an agency signed counts;
//! - what was seen outlasts a restart: peers' checkpoints with their receipts and greetings, all others with the next `Witnessed`.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use prost::Message;
use sinergi_proto::base::ids::{AgencyId, Epoch};
use sinergi_proto::tlog::checkpoint::Checkpoint;
use sinergi_proto::transparency::receipt::Receipt;
use sinergi_proto::transparency::watch::{Prefix, Taken, VerifiedCheckpoint, WatchedLedgers};
use sinergi_proto::wire::{self, accusation::Finding};
use tokio::sync::{Notify, watch};

use crate::base::alarms::Alarms;
use crate::storage::case::CaseError;
use crate::storage::charters::Directory;
use crate::storage::outbox::Outbox;
use crate::storage::store::Sight;

/// What was seen of other agencies' ledgers, shared by the sessions and those who ask.
#[derive(Clone)]
pub struct Watch(Arc<Inner>);

struct Inner {
    alarms: Alarms,
    ledgers: Mutex<WatchedLedgers>,
    /// Counts what became the newest.
    version: watch::Sender<u64>,
    /// What contradicts and is not kept yet: one for an agency and epoch.
    found: Mutex<Vec<(AgencyId, Finding)>>,
    work: Notify,
}

impl Watch {
    /// Nothing was seen yet.
    pub fn new(alarms: Alarms) -> Self {
        let (ledgers, version) = (Mutex::default(), watch::Sender::new(0));
        Self(Arc::new(Inner { alarms, ledgers, version, found: Mutex::default(), work: Notify::new() }))
    }

    /// What the own ledger holds of others'. Blocks.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(alarms: Alarms, outbox: &Outbox, directory: &Directory) -> Result<Self, CaseError> {
        let watch = Self::new(alarms);
        let charters = directory.charters();
        for which in [Sight::Shown, Sight::Receipt] {
            for (agency, position) in outbox.store().sights(which)? {
                let body = outbox.reader().record(position)?.body;
                let note = match which {
                    Sight::Shown => body,
                    Sight::Receipt => checkpoint_in(&body),
                };
                let opened = charters.checkpoint_keys(&agency).and_then(|keys| {
                    // It was checked when it came; a key may have been retired since.
                    let checkpoint = Checkpoint::open(&note, outbox.federation(), &agency, &keys).ok()?;
                    checkpoint.seconds.is_some().then_some(VerifiedCheckpoint { checkpoint, note })
                });
                let Some(noted) = opened else { continue };
                if which == Sight::Shown {
                    watch.kept(&agency, noted.checkpoint.clone());
                }
                watch.take(&agency, noted);
            }
        }
        Ok(watch)
    }

    /// The newest checkpoint of an agency that contradicts none.
    pub fn newest(&self, agency: &AgencyId) -> Option<VerifiedCheckpoint> {
        self.ledgers().newest(agency).cloned()
    }

    /// Whether this very note is known already.
    pub(crate) fn knows(&self, agency: &AgencyId, note: &[u8]) -> bool {
        self.ledgers().newest(agency).is_some_and(|newest| newest.note == note)
    }

    /// A checkpoint of an agency that verified, from whoever showed it; whether it shows more than was known.
    pub(crate) fn take(&self, agency: &AgencyId, shown: VerifiedCheckpoint) -> bool {
        let extent = shown.extent();
        let taken = self.change(|ledgers| ledgers.take(agency, shown));
        match taken {
            Taken::Newest => {
                self.0.work.notify_one();
                return true;
            }
            Taken::Nothing => {}
            Taken::Back => self.alarm_back(agency, extent),
            Taken::Contradicts(finding) => self.found(agency, *finding),
        }
        false
    }

    fn alarm_back(&self, agency: &AgencyId, (epoch, size): (Epoch, u64)) {
        let seen = self.newest(agency).map(|newest| newest.extent());
        let (before, leaves) = seen.unwrap_or((epoch, size));
        let text = format!(
            "{agency} has signed {leaves} leaves in epoch {before}, and later signed less, without declaring a new epoch ({size} leaves in \
             epoch {epoch}): its ledger was set back, or its clock was. Ask it; if it was restored from a copy, it has to run `sinergi recover`"
        );
        self.0.alarms.raise(format!("moved {agency}"), text);
    }

    /// An agency's present tree, and what it begins with; its proofs hold.
    pub(crate) fn answered(&self, agency: &AgencyId, tree: VerifiedCheckpoint, beginnings: Vec<Prefix>) {
        let finding = self.change(|ledgers| ledgers.answered(agency, tree, beginnings));
        if let Some(finding) = finding {
            self.found(agency, finding);
        }
    }

    fn found(&self, agency: &AgencyId, finding: Finding) {
        self.lock_found().push((agency.clone(), finding));
        self.0.work.notify_one();
    }

    /// The own ledger holds this one.
    pub(crate) fn kept(&self, agency: &AgencyId, checkpoint: Checkpoint) {
        self.ledgers().witnessed(agency, checkpoint);
    }

    /// Grows with everything that becomes the newest: now and as it changes.
    pub(crate) fn versions(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// The notes that became the newest after this version, of all agencies but one, oldest change first and so many at most; and the version
    /// that they lead to.
    pub(crate) fn newer_than(&self, version: u64, but: &AgencyId, most: usize) -> (Vec<Vec<u8>>, u64) {
        self.ledgers().newer_than(version, but, most)
    }

    /// Changes what is known, and tells those who follow [`Self::versions`].
    fn change<T>(&self, change: impl FnOnce(&mut WatchedLedgers) -> T) -> T {
        let mut ledgers = self.ledgers();
        let changed = change(&mut ledgers);
        let version = ledgers.version();
        self.0.version.send_if_modified(|known| std::mem::replace(known, version) != version);
        changed
    }

    /// The agencies of these that are to prove something, and the sizes that they are asked about.
    pub(crate) fn to_ask(&self, linked: impl IntoIterator<Item = AgencyId>) -> Vec<(AgencyId, Vec<u64>)> {
        self.ledgers().to_ask(linked)
    }

    /// At most `most` of the newest checkpoints that the own ledger does not commit to yet.
    pub(crate) fn to_witness(&self, most: usize) -> Vec<(AgencyId, VerifiedCheckpoint)> {
        self.ledgers().to_witness(most)
    }

    /// What contradicts and was not taken yet.
    pub(crate) fn take_found(&self) -> Vec<(AgencyId, Finding)> {
        std::mem::take(&mut *self.lock_found())
    }

    /// Waits until there may be something to ask, or something was found.
    pub(crate) async fn work(&self) {
        self.0.work.notified().await;
    }

    /// Has [`Self::work`] end once more.
    pub(crate) fn look_again(&self) {
        self.0.work.notify_one();
    }

    fn ledgers(&self) -> MutexGuard<'_, WatchedLedgers> {
        self.0.ledgers.lock()
    }

    fn lock_found(&self) -> MutexGuard<'_, Vec<(AgencyId, Finding)>> {
        self.0.found.lock()
    }
}

/// The checkpoint in a stored receipt; empty: there is none.
fn checkpoint_in(receipt: &[u8]) -> Vec<u8> {
    let receipt = wire::Ack::decode(receipt).ok().and_then(|ack| Receipt::parse(&ack).ok());
    receipt.map(|receipt| receipt.checkpoint).unwrap_or_default()
}
