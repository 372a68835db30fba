//! What the sessions' jobs come to: reads of the ledger, and the product's checks and signatures.

use std::convert::Infallible;
use std::sync::Arc;

use sinergi_proto::base::cursor::Cursor;
use sinergi_proto::base::ids::{AgencyId, Epoch, LedgerIndex};
use sinergi_proto::base::limits;
use sinergi_proto::receipt::{ItemResult, ReceiptSigner};
use sinergi_proto::routing::outbox::{GiveBack, Prepared, prepare};
use sinergi_proto::sync::{
    CheckedAck, CheckedCheckpoints, CheckpointAccess, Done, End, GiveBackRange, Job, KeysOf, StoredPeer,
};
use sinergi_proto::tlog::checkpoint::Checkpoint;
use sinergi_proto::transparency::rollback_guard::{Extent, OwnTree, Sighting, Signer};
use sinergi_proto::transparency::watch::{Taken, VerifiedCheckpoint};
use sinergi_proto::wire::{self, accusation::Finding};

use super::{Effect, Node};
use crate::sim::ledger::ROOM;
use crate::sim::topology::FEDERATION;

impl Node {
    /// What a job comes to.
    pub(super) fn done(&mut self, peer: &AgencyId, job: Job, now: u64) -> Done {
        match job {
            Job::LoadPeer => Done::PeerLoaded(Box::new(self.stored_peer(peer))),
            Job::Compare { checkpoint, entry } => Done::Compared(self.conflict(peer, checkpoint, &entry, now)),
            Job::CheckCheckpoints { notes } => Done::CheckpointsChecked(self.check_checkpoints(peer, notes, now)),
            Job::Gossip { after } => {
                let (notes, reached) = self.watch.newer_than(after, peer, limits::GOSSIP_CHECKPOINTS);
                let own = self.newest_signed().expect("a link is up only after a checkpoint was signed");
                Done::Gossip { own, notes, reached }
            }
            Job::Reserve { .. } => Done::Reserved,
            Job::Check { items } => Done::Checked(self.checks.items(items, &self.charters)),
            Job::SignAck { cursor, results, checkpoint } => {
                Done::Acknowledged(self.sign_receipt(peer, cursor, results, checkpoint))
            }
            Job::CheckAck(ack) => Done::CheckedAck(self.check_receipt(peer, ack, now).map(Box::new)),
            Job::Read { from, end, give_back } => Done::Read(self.read(peer, from, end, give_back)),
            Job::Prove(prove) => Done::Proved(self.answer_question(peer, &prove)),
            Job::Adopt { note, list } => Done::Adopted(self.adopt(&note, list, now)),
            // It is given to the writer.
            Job::Commit { .. } => Done::Failed(End::Stopped),
        }
    }

    fn stored_peer(&self, peer: &AgencyId) -> StoredPeer {
        let memory = self.peers.get(peer);
        StoredPeer {
            received: self.ledger.received.get(peer).copied(),
            receipted: self.ledger.receipted.get(peer).copied(),
            receipted_in: self.ledger.receipted_in.get(peer).copied().flatten(),
            entry: self.ledger.newest_of(peer).map(|leaf| leaf.entry.signed()).unwrap_or_default(),
            reset: self.ledger.reset_of(peer),
            checkpoint: self.watch.newest(peer).cloned(),
            gossiped: memory.map(|memory| memory.gossiped).unwrap_or_default(),
            passed_on: memory.and_then(|memory| memory.passed_on),
            gave_back: memory.map(|memory| memory.gave_back.clone()).unwrap_or_default(),
        }
    }

    /// What a peer shows of this node's ledger is compared with the ledger.
    fn conflict(&mut self, peer: &AgencyId, checkpoint: Vec<u8>, entry: &[u8], now: u64) -> Option<String> {
        if !self.obeys_rollback_guard() {
            return None;
        }
        let signer = Signer { agency: &self.id, charters: &self.charters };
        let Ok(conflicts) = Sighting::conflicts_shown_by(peer, self.wall(now), checkpoint, entry, signer, &self.ledger);
        let mut found = None;
        for (sighting, compared) in conflicts {
            found.get_or_insert(sighting.describe(&compared, OwnTree::extent(&self.ledger)));
            self.set_back(sighting, now);
            self.ledger.is_contradicted = true;
        }
        found
    }

    /// Takes the checkpoints that verify.
    fn check_checkpoints(&mut self, peer: &AgencyId, notes: Vec<Vec<u8>>, now: u64) -> CheckedCheckpoints {
        let (own, confirmed) = (self.id.clone(), self.own_clock.confirmed_time(self.clocks(now)));
        let mut access = Access { node: self, now };
        CheckedCheckpoints::of_frame(notes, [&own, peer], FEDERATION, confirmed, &mut access)
    }

    /// A checkpoint that verified; whether it shows more than was known.
    pub(super) fn watch_takes(&mut self, agency: &AgencyId, noted: VerifiedCheckpoint, now: u64) -> bool {
        let epoch = noted.checkpoint.epoch;
        let taken = self.watch.take(agency, noted);
        self.took(agency, epoch, taken, now)
    }

    /// Reports what the watch took. Returns whether the checkpoint shows more than was known.
    pub(super) fn took(&mut self, agency: &AgencyId, epoch: Epoch, taken: Taken, now: u64) -> bool {
        match taken {
            Taken::Newest => true,
            Taken::Nothing | Taken::Back => false,
            Taken::Contradicts(finding) => {
                self.found(agency, epoch, *finding, now);
                false
            }
        }
    }

    /// What the watch found of an agency is kept, and told to the world.
    pub(super) fn found(&mut self, agency: &AgencyId, epoch: Epoch, finding: Finding, now: u64) {
        self.keep_found(agency, finding.clone(), now);
        self.effects.push(Effect::Accuse(agency.clone(), epoch, Box::new(finding)));
    }

    fn sign_receipt(
        &self,
        peer: &AgencyId,
        cursor: Cursor,
        results: Vec<ItemResult>,
        checkpoint: Vec<u8>,
    ) -> wire::Ack {
        let signer = ReceiptSigner {
            federation: FEDERATION,
            receiver: &self.id,
            key: &self.key,
            charter_version: self.charters.newest().version,
        };
        signer.sign(peer, cursor, results, checkpoint)
    }

    fn check_receipt(&mut self, peer: &AgencyId, ack: wire::Ack, now: u64) -> Result<CheckedAck, String> {
        let confirmed = self.own_clock.confirmed_time(self.clocks(now));
        let open = |note: &[u8]| self.checks.open_with_any_keys(note, peer, &self.charters);
        let checked = CheckedAck::open(ack, [&self.id, peer], FEDERATION, &self.charters, confirmed, open);
        checked.map_err(|error| error.to_string())
    }

    fn read(&self, peer: &AgencyId, from: Cursor, end: Cursor, owed: Option<GiveBackRange>) -> Prepared {
        let give_back = owed.map(|GiveBackRange { epoch, before }| GiveBack {
            epoch,
            before,
            own: self.id.clone(),
            adjacent: self.adjacent.clone(),
            charters: Arc::clone(&self.charters),
        });
        let Ok(prepared) = prepare(&self.ledger, peer, from, self.head.max(end), give_back.as_ref(), ROOM);
        prepared
    }
}

/// A node that checks checkpoints at this time.
struct Access<'a> {
    node: &'a mut Node,
    now: u64,
}

impl CheckpointAccess for Access<'_> {
    fn newest(&self, agency: &AgencyId) -> Option<VerifiedCheckpoint> {
        self.node.watch.newest(agency).cloned()
    }

    fn open(&self, note: &[u8], agency: &AgencyId, keys: KeysOf) -> Option<Checkpoint> {
        let Node { checks, charters, .. } = &*self.node;
        match keys {
            KeysOf::AnyCharter => checks.open_with_any_keys(note, agency, charters),
            KeysOf::NewestCharter => checks.open_with_newest_keys(note, agency, charters),
        }
    }

    fn take(&mut self, agency: &AgencyId, shown: VerifiedCheckpoint) -> bool {
        self.node.watch_takes(agency, shown, self.now)
    }
}

impl OwnTree for crate::sim::ledger::Ledger {
    type Error = Infallible;

    fn extent(&self) -> Extent {
        Extent { epoch: self.epoch, size: self.next_index().0 }
    }

    fn end(&self) -> u64 {
        self.next_index().0
    }

    fn root_at(&self, size: u64) -> Result<[u8; 32], Infallible> {
        Ok(tlog_tiles::tree_hash(size, self).expect("a tree in memory").0)
    }

    fn entry_at(&self, leaf: LedgerIndex) -> Result<sinergi_proto::base::ids::EntryId, Infallible> {
        Ok(self.leaf(leaf).entry.id)
    }
}
