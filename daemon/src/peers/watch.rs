//! The watch over other agencies' ledgers. It collects their checkpoints from all peers, to find an agency that shows different ledgers to
//! different peers, or whose ledger does more than grow.
//!
//! Must not decide what a contradiction is: [`sinergi_proto::transparency::watch`] does.
//!
//! ```text
//! sessions: Ready, receipts, Checkpoints --> take --+--> audit/checkpoints.rs   asks the agency to prove that its tree contains them
//!                                                   +--> a contradiction: evidence and an alarm; the link goes on
//! audit/witness.rs          at regular intervals: stores new checkpoints in this node's own ledger and commits to them
//! sinergi_proto::sync       the sessions pass new checkpoints on to peers
//! ```
//!
//! Invariants:
//! - only checkpoints that the agency signed count;
//! - checkpoints survive a restart: those of peers are stored with receipts and greetings, all others with the next `Witnessed`.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use prost::Message;
use sinergi_proto::base::ids::{AgencyId, Epoch};
use sinergi_proto::charter::Charters;
use sinergi_proto::receipt::Receipt;
use sinergi_proto::tlog::checkpoint::Checkpoint;
use sinergi_proto::transparency::watch::{Prefix, Taken, VerifiedCheckpoint, WatchedLedgers};
use sinergi_proto::wire::{self, accusation::Finding};
use tokio::sync::{Notify, watch};

use crate::base::alarms::{AlarmKind, Alarms};
use crate::storage::charters::CharterStore;
use crate::storage::complaint_loader::OwnDataError;
use crate::storage::outbox::Outbox;
use crate::storage::store::CheckpointSource;

/// The checkpoints of other agencies. The sessions and the checks share them; clones are cheap.
#[derive(Clone)]
pub struct Watch(Arc<Inner>);

struct Inner {
    alarms: Alarms,
    ledgers: Mutex<WatchedLedgers>,
    /// Counts the checkpoints that became the newest of their agency.
    version: watch::Sender<u64>,
    /// Contradictions that are not kept as evidence yet, one for each agency and epoch.
    found: Mutex<Vec<(AgencyId, Finding)>>,
    work: Notify,
}

impl Watch {
    /// A watch without checkpoints.
    pub fn new(alarms: Alarms) -> Self {
        let (ledgers, version) = (Mutex::default(), watch::Sender::new(0));
        Self(Arc::new(Inner { alarms, ledgers, version, found: Mutex::default(), work: Notify::new() }))
    }

    /// Loads the checkpoints of other agencies from the own ledger. Blocks.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn load(alarms: Alarms, outbox: &Outbox, charter_store: &CharterStore) -> Result<Self, OwnDataError> {
        let watch = Self::new(alarms);
        let charters = charter_store.charters();
        for source in [CheckpointSource::Shown, CheckpointSource::Receipt] {
            for (agency, position) in outbox.store().checkpoint_records(source)? {
                let body = outbox.reader().record(position)?.body;
                let note = match source {
                    CheckpointSource::Shown => body,
                    CheckpointSource::Receipt => {
                        receipt_in(&body).map(|receipt| receipt.checkpoint).unwrap_or_default()
                    }
                };
                // The checkpoint was verified when it came, but its key may have been revoked since.
                let Ok(checkpoint) = charters.open_checkpoint(&note, &agency) else { continue };
                let stored = VerifiedCheckpoint { checkpoint, note };
                let is_own_record = source == CheckpointSource::Shown;
                match watch.change(|ledgers| ledgers.restore(&agency, stored, is_own_record)) {
                    Taken::Newest => watch.look_again(),
                    Taken::Contradicts(finding) => watch.found(&agency, *finding),
                    // The alarm was stored when the checkpoint came. The operator may have confirmed it since.
                    Taken::Back | Taken::Nothing => {}
                }
            }
        }
        Ok(watch)
    }

    /// The newest checkpoint of an agency that does not contradict an earlier one.
    pub fn newest(&self, agency: &AgencyId) -> Option<VerifiedCheckpoint> {
        self.ledgers().newest(agency).cloned()
    }

    /// Takes a verified checkpoint of an agency, no matter which peer showed it. Returns whether it is newer than the known ones.
    pub(crate) fn take(&self, agency: &AgencyId, shown: VerifiedCheckpoint) -> bool {
        let extent = shown.extent();
        match self.change(|ledgers| ledgers.take(agency, shown)) {
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
        self.0.alarms.raise(AlarmKind::Moved.about(agency), text);
    }

    /// Takes an agency's present tree, and the smaller trees of which it has proven that its tree begins with them.
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

    /// Notes that the own ledger holds this checkpoint.
    pub(crate) fn kept(&self, agency: &AgencyId, checkpoint: Checkpoint) {
        self.ledgers().witnessed(agency, checkpoint);
    }

    /// A receiver of the version, which grows with every checkpoint that becomes the newest of its agency.
    pub(crate) fn versions(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// The notes that became the newest after `version`, of all agencies except `but`, oldest change first, at most `most`. Also returns the
    /// version that a peer with these notes has.
    pub(crate) fn newer_than(&self, version: u64, but: &AgencyId, most: usize) -> (Vec<Vec<u8>>, u64) {
        self.ledgers().newer_than(version, but, most)
    }

    /// Changes the watched ledgers, and sends the new version to the receivers of [`Self::versions`].
    fn change<T>(&self, change: impl FnOnce(&mut WatchedLedgers) -> T) -> T {
        let mut ledgers = self.ledgers();
        let changed = change(&mut ledgers);
        let version = ledgers.version();
        self.0.version.send_if_modified(|known| std::mem::replace(known, version) != version);
        changed
    }

    /// Forgets what was seen under keys that the newest of these charters revokes and the one before does not.
    pub(crate) fn forget_revoked(&self, charters: &Charters) {
        for agency in charters.newly_revoked_agencies() {
            self.change(|ledgers| ledgers.reopen(agency, |note| charters.open_checkpoint(note, agency).ok()));
        }
    }

    /// The linked agencies that must prove something, each with the sizes of the trees that it is asked about.
    pub(crate) fn to_ask(&self, linked: impl IntoIterator<Item = AgencyId>) -> Vec<(AgencyId, Vec<u64>)> {
        self.ledgers().to_ask(linked)
    }

    /// At most `most` of the newest checkpoints that the own ledger does not commit to yet.
    pub(crate) fn to_witness(&self, most: usize) -> Vec<(AgencyId, VerifiedCheckpoint)> {
        self.ledgers().to_witness(most)
    }

    /// Takes the contradictions that were not taken yet.
    pub(crate) fn take_found(&self) -> Vec<(AgencyId, Finding)> {
        std::mem::take(&mut *self.lock_found())
    }

    /// Waits until there may be a question to ask, or a contradiction was found.
    pub(crate) async fn work(&self) {
        self.0.work.notified().await;
    }

    /// Makes [`Self::work`] return once more, so that its caller looks for questions again.
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

/// The receipt in a stored record. `None` if the record holds none.
pub(crate) fn receipt_in(record: &[u8]) -> Option<Receipt> {
    wire::Ack::decode(record).ok().and_then(|ack| Receipt::parse(&ack).ok())
}
