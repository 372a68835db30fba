//! Everything that was ever shown to anybody, kept beyond crashes and restores: what the most careful accuser could have.
//!
//! Must not know what is right: it keeps, and [`super::accuser`] makes accusations of it.

use std::collections::{BTreeMap, BTreeSet};

use sinergi_proto::cursor::Cursor;
use sinergi_proto::entry::Entry;
use sinergi_proto::ids::{AgencyId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::receipt::{ItemOutcome, ItemResult};
use sinergi_proto::tree::leaf_hash;

use super::ledger::{Ledger, Seen};
use super::link::Frame;
use super::node::{Node, State};

/// A receipt as it was given.
pub struct Given {
    /// To whom.
    pub to: AgencyId,
    /// For which delivery.
    pub cursor: Cursor,
    /// What became of each item.
    pub results: Vec<ItemResult>,
    /// Of the leaves that the results name.
    pub leaf_hashes: Vec<[u8; 32]>,
    /// The checkpoint in it.
    pub checkpoint: Seen,
}

impl Given {
    /// The leaves that it names.
    pub fn leaves(&self) -> impl Iterator<Item = (EntryId, LedgerIndex)> {
        self.results.iter().filter_map(|result| match result.outcome {
            ItemOutcome::Leaf(index) => Some((result.entry, index)),
            ItemOutcome::Refused(_) | ItemOutcome::Deferred(_) => None,
        })
    }
}

/// What was shown.
#[derive(Default)]
pub struct Archive {
    /// Every entry that was in a ledger which is not there any more.
    pub entries: BTreeMap<EntryId, Entry>,
    /// Ledgers whose epoch is over, as they were then.
    pub ledgers: BTreeMap<(AgencyId, Epoch), Ledger>,
    /// Checkpoints, by who signed them.
    pub checkpoints: BTreeMap<AgencyId, BTreeSet<Seen>>,
    /// Receipts, by who gave them.
    pub receipts: BTreeMap<AgencyId, Vec<Given>>,
    /// Epochs that an agency went on with after its folder was set back, because nobody who knew better was heard in time.
    pub undeclared: BTreeSet<(AgencyId, Epoch)>,
    set_back: BTreeMap<AgencyId, Epoch>,
}

impl Archive {
    /// A node sends a frame.
    pub fn sent(&mut self, node: &Node, to: &AgencyId, frame: &Frame) {
        match frame {
            Frame::Deliver(_) => {}
            Frame::Hello(hello) => self.checkpoints.entry(node.id.clone()).or_default().extend(hello.checkpoint),
            Frame::Ack { cursor, results, checkpoint } => {
                let (results, leaf_hashes, checkpoint) = (results.clone(), Vec::new(), *checkpoint);
                let mut given = Given { to: to.clone(), cursor: *cursor, results, leaf_hashes, checkpoint };
                let hash = |(_, index)| leaf_hash(&node.ledger.leaf(index).entry.signed);
                given.leaf_hashes = given.leaves().map(hash).collect();
                self.checkpoints.entry(node.id.clone()).or_default().insert(checkpoint);
                self.receipts.entry(node.id.clone()).or_default().push(given);
            }
        }
    }

    /// A node's folder is replaced by an older copy.
    pub fn set_back(&mut self, node: &Node, copy: &Ledger) {
        self.entries.extend(node.ledger.leaves.iter().map(|leaf| (leaf.entry.id, leaf.entry.clone())));
        if (copy.epoch, copy.leaves.len()) < (node.ledger.epoch, node.ledger.leaves.len()) {
            self.set_back.insert(node.id.clone(), copy.epoch);
        }
    }

    /// A node has heard or waited long enough, and goes on.
    pub fn goes_on(&mut self, node: &Node) {
        if node.state == State::Clear && self.set_back.get(&node.id) == Some(&node.ledger.epoch) {
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
