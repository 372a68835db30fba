//! Everything that nodes ever showed to others, kept across crashes and restores. It is the most that an accuser could know.
//!
//! Must not know what is right: [`super::accuser`] makes the accusations.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use sinergi_proto::base::ids::{AgencyId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::entry::Entry;
use sinergi_proto::receipt::Receipt;
use sinergi_proto::tlog::checkpoint::Checkpoint;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::ledger::{Ledger, Seen};
use super::node::{Node, State};
use super::topology::FEDERATION;

/// A receipt that a node gave.
pub struct GivenReceipt {
    /// The encoded `Ack`.
    pub ack: Vec<u8>,
    /// The parsed receipt.
    pub receipt: Receipt,
    /// The checkpoint in the receipt.
    pub checkpoint: Seen,
}

impl GivenReceipt {
    /// The entries that the receipt names, each with its leaf.
    pub fn leaves(&self) -> impl Iterator<Item = (EntryId, LedgerIndex)> {
        self.receipt.leaves()
    }
}

/// The archive of a run.
#[derive(Default)]
pub struct Archive {
    /// Every entry of the ledgers that were replaced.
    pub entries: BTreeMap<EntryId, Entry>,
    /// Ledgers whose epoch is over, as they were at its end.
    pub ledgers: BTreeMap<(AgencyId, Epoch), Ledger>,
    /// Checkpoints with their notes, by signer.
    pub checkpoints: BTreeMap<AgencyId, BTreeMap<Seen, Vec<u8>>>,
    /// Receipts, by the agency that gave them.
    pub receipts: BTreeMap<AgencyId, Vec<GivenReceipt>>,
    /// The entries sent over each link, by sender and receiver.
    pub delivered: BTreeMap<(AgencyId, AgencyId), BTreeSet<EntryId>>,
    /// Epochs in which an agency continued to sign after its folder was set back, because it heard in time from no peer that had seen more.
    pub undeclared: BTreeSet<(AgencyId, Epoch)>,
    set_back: BTreeMap<AgencyId, Epoch>,
    /// Cache of the opened notes.
    opened: BTreeMap<Vec<u8>, Seen>,
}

impl Archive {
    /// Adds everything that a frame of this node shows.
    pub fn add_frame(&mut self, node: &Node, to: &AgencyId, frame: &Frame) {
        match &frame.kind {
            Some(Kind::Deliver(deliver)) => {
                let parsed = |item: &wire::Item| Entry::parse(item.signed_entry.clone(), FEDERATION);
                let entries = deliver.items.iter().filter_map(|item| Some(parsed(item).ok()?.id));
                self.delivered.entry((node.id.clone(), to.clone())).or_default().extend(entries);
            }
            Some(Kind::Ready(ready)) => self.add_if_own(node, &ready.checkpoint),
            Some(Kind::Proof(proof)) => self.add_if_own(node, &proof.checkpoint),
            Some(Kind::Checkpoints(gossip)) => gossip.notes.iter().for_each(|note| self.add_if_own(node, note)),
            Some(Kind::Ack(ack)) => self.add_receipt(node, ack),
            _ => {}
        }
    }

    /// Keeps a checkpoint if it is the node's own. A checkpoint of another agency was added when that agency showed it.
    fn add_if_own(&mut self, node: &Node, note: &[u8]) {
        if Checkpoint::ledger_of(note, FEDERATION).is_some_and(|(agency, _)| agency == node.id) {
            self.keep_checkpoint(node, note);
        }
    }

    fn keep_checkpoint(&mut self, node: &Node, note: &[u8]) -> Seen {
        if let Some(seen) = self.opened.get(note) {
            return *seen;
        }
        let keys = node.charters().checkpoint_keys(&node.id).expect("a member");
        let opened = Checkpoint::open(note, FEDERATION, &node.id, &keys).expect("a node's own checkpoint verifies");
        let seen = Seen::from(&opened);
        let known = self.checkpoints.entry(node.id.clone()).or_default();
        known.entry(seen).or_insert_with(|| note.to_vec());
        self.opened.insert(note.to_vec(), seen);
        seen
    }

    fn add_receipt(&mut self, node: &Node, ack: &wire::Ack) {
        let receipt = Receipt::parse(ack).expect("a node signs well-formed receipts");
        let checkpoint = self.keep_checkpoint(node, &receipt.checkpoint);
        let given = GivenReceipt { ack: ack.encode_to_vec(), receipt, checkpoint };
        self.receipts.entry(node.id.clone()).or_default().push(given);
    }

    /// Notes that a node's folder is replaced by an older copy.
    pub fn note_set_back(&mut self, node: &Node, copy: &Ledger) {
        self.entries.extend(node.ledger.leaves.iter().map(|leaf| (leaf.entry.id, leaf.entry.clone())));
        if (copy.epoch, copy.leaves.len()) < (node.ledger.epoch, node.ledger.leaves.len()) {
            self.set_back.insert(node.id.clone(), copy.epoch);
        }
    }

    /// Whether an agency's folder was set back and its operators have not begun a new epoch since.
    pub fn is_set_back(&self, agency: &AgencyId) -> bool {
        self.set_back.contains_key(agency)
    }

    /// Excuses a node that signs although its folder was set back, if it has asked its peers first and none of them knew better.
    pub fn note_undeclared(&mut self, node: &Node, now: u64) {
        let is_set_back = self.set_back.get(&node.id) == Some(&node.ledger.epoch);
        if node.state == State::Clear && is_set_back && node.has_asked_its_peers(now) && !node.ledger.is_contradicted {
            self.undeclared.insert((node.id.clone(), node.ledger.epoch));
        }
    }

    /// Adds a ledger whose epoch ends.
    pub fn end_epoch(&mut self, node: &Node) {
        self.set_back.remove(&node.id);
        self.entries.extend(node.ledger.leaves.iter().map(|leaf| (leaf.entry.id, leaf.entry.clone())));
        self.ledgers.insert((node.id.clone(), node.ledger.epoch), node.ledger.clone());
    }
}
