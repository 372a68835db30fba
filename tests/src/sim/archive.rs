//! Everything that was ever shown to anybody, kept beyond crashes and restores: what the most careful accuser could have.
//!
//! Must not know what is right: it keeps, and [`super::accuser`] makes accusations of it.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use sinergi_proto::base::ids::{AgencyId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::entry::Entry;
use sinergi_proto::tlog::checkpoint::Checkpoint;
use sinergi_proto::transparency::receipt::Receipt;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::ledger::{Ledger, Seen};
use super::node::{Node, State};
use super::topology::FEDERATION;

/// A receipt as it was given.
pub struct Given {
    /// What was signed.
    pub ack: Vec<u8>,
    /// What it says.
    pub receipt: Receipt,
    /// The checkpoint in it.
    pub checkpoint: Seen,
}

impl Given {
    /// The leaves that it names.
    pub fn leaves(&self) -> impl Iterator<Item = (EntryId, LedgerIndex)> {
        self.receipt.leaves()
    }
}

/// What was shown.
#[derive(Default)]
pub struct Archive {
    /// Every entry that was in a ledger which is not there any more.
    pub entries: BTreeMap<EntryId, Entry>,
    /// Ledgers whose epoch is over, as they were then.
    pub ledgers: BTreeMap<(AgencyId, Epoch), Ledger>,
    /// Checkpoints with their notes, by who signed them.
    pub checkpoints: BTreeMap<AgencyId, BTreeMap<Seen, Vec<u8>>>,
    /// Receipts, by who gave them.
    pub receipts: BTreeMap<AgencyId, Vec<Given>>,
    /// The entries that went over each link, by sender and receiver.
    pub delivered: BTreeMap<(AgencyId, AgencyId), BTreeSet<EntryId>>,
    /// Epochs that an agency went on with after its folder was set back, because nobody who knew better was heard in time.
    pub undeclared: BTreeSet<(AgencyId, Epoch)>,
    set_back: BTreeMap<AgencyId, Epoch>,
    /// What the notes of the checkpoints say.
    opened: BTreeMap<Vec<u8>, Seen>,
}

impl Archive {
    /// A node sends a frame.
    pub fn sent(&mut self, node: &Node, to: &AgencyId, frame: &Frame) {
        match &frame.kind {
            Some(Kind::Deliver(deliver)) => {
                let parsed = |item: &wire::Item| Entry::parse(item.signed_entry.clone(), FEDERATION);
                let entries = deliver.items.iter().filter_map(|item| Some(parsed(item).ok()?.id));
                self.delivered.entry((node.id.clone(), to.clone())).or_default().extend(entries);
            }
            Some(Kind::Hello(hello)) => self.shown(node, &hello.checkpoint),
            Some(Kind::Proof(proof)) => self.shown(node, &proof.checkpoint),
            Some(Kind::Checkpoints(told)) => told.notes.iter().for_each(|note| self.shown(node, note)),
            Some(Kind::Ack(ack)) => self.receipt(node, ack),
            _ => {}
        }
    }

    /// Keeps a checkpoint of the node that shows it. What a node passes on of others was shown before.
    fn shown(&mut self, node: &Node, note: &[u8]) {
        if Checkpoint::ledger_of(note, FEDERATION).is_some_and(|(agency, _)| agency == node.id) {
            self.keep_checkpoint(node, note);
        }
    }

    fn keep_checkpoint(&mut self, node: &Node, note: &[u8]) -> Seen {
        if let Some(seen) = self.opened.get(note) {
            return *seen;
        }
        let keys = node.charters().checkpoint_keys(&node.id).expect("a member");
        let opened = Checkpoint::open(note, FEDERATION, &node.id, &keys).expect("what a node signs verifies");
        let seen = Seen::from(&opened);
        let known = self.checkpoints.entry(node.id.clone()).or_default();
        known.entry(seen).or_insert_with(|| note.to_vec());
        self.opened.insert(note.to_vec(), seen);
        seen
    }

    fn receipt(&mut self, node: &Node, ack: &wire::Ack) {
        let receipt = Receipt::parse(ack).expect("what a node signs is a receipt");
        let checkpoint = self.keep_checkpoint(node, &receipt.checkpoint);
        let given = Given { ack: ack.encode_to_vec(), receipt, checkpoint };
        self.receipts.entry(node.id.clone()).or_default().push(given);
    }

    /// A node's folder is replaced by an older copy.
    pub fn set_back(&mut self, node: &Node, copy: &Ledger) {
        self.entries.extend(node.ledger.leaves.iter().map(|leaf| (leaf.entry.id, leaf.entry.clone())));
        if (copy.epoch, copy.leaves.len()) < (node.ledger.epoch, node.ledger.leaves.len()) {
            self.set_back.insert(node.id.clone(), copy.epoch);
        }
    }

    /// Whether an agency's folder was set back, and its operators have not begun a new epoch since.
    pub fn is_set_back(&self, agency: &AgencyId) -> bool {
        self.set_back.contains_key(agency)
    }

    /// A node has heard or waited long enough, and goes on. One that did not ask its peers has no excuse.
    pub fn goes_on(&mut self, node: &Node, now: u64) {
        let is_set_back = self.set_back.get(&node.id) == Some(&node.ledger.epoch);
        if node.state == State::Clear && is_set_back && node.has_asked_its_peers(now) {
            self.undeclared.insert((node.id.clone(), node.ledger.epoch));
        }
    }

    /// A node's epoch is over.
    pub fn ends_epoch(&mut self, node: &Node) {
        self.set_back.remove(&node.id);
        self.entries.extend(node.ledger.leaves.iter().map(|leaf| (leaf.entry.id, leaf.entry.clone())));
        self.ledgers.insert((node.id.clone(), node.ledger.epoch), node.ledger.clone());
    }
}
