//! A false ledger that a liar shows: its own, with some leaves replaced. Also the checkpoints and receipts that the liar signs for it.

use std::collections::BTreeMap;
use std::convert::Infallible;

use bytes::Bytes;
use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::{AgencyId, Epoch, LedgerIndex};
use sinergi_proto::entry::{EntryDraft, Place, id_in};
use sinergi_proto::receipt::Receipt;
use sinergi_proto::tlog::checkpoint::Checkpoint;
use sinergi_proto::transparency::proofs::{OwnLeaves, SignedTree, prove};
use sinergi_proto::wire::entry::Body;
use sinergi_proto::wire::frame::Kind;
use sinergi_proto::wire::{self, Frame};
use tlog_tiles::{Error as TreeError, Hash, HashReader};

use crate::sim::node::Node;
use crate::sim::topology::FEDERATION;

/// A ledger that is shown instead of the liar's own.
#[derive(Default)]
pub(super) struct Facade {
    epoch: Option<Epoch>,
    replaced: BTreeMap<u64, Bytes>,
    leaves: Vec<Bytes>,
    hashes: Vec<Hash>,
}

impl Facade {
    /// Number of leaves shown.
    pub(super) fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// Replaces a leaf by an entry of the liar without meaning.
    pub(super) fn replace(&mut self, liar: &Node, index: LedgerIndex) {
        self.replaced.insert(index.0, harmless(liar, index));
        if index.0 < self.size() {
            (self.leaves, self.hashes) = (Vec::new(), Vec::new());
        }
    }

    /// Shows another entry instead of a leaf that was not shown yet.
    pub(super) fn show_instead(&mut self, index: LedgerIndex, signed: Bytes) {
        self.replaced.insert(index.0, signed);
    }

    /// The replaced leaves.
    pub(super) fn replaced(&self) -> impl Iterator<Item = LedgerIndex> {
        self.replaced.keys().copied().map(LedgerIndex)
    }

    /// Adds the new leaves of the liar's ledger.
    pub(super) fn follow(&mut self, liar: &Node) {
        self.epoch = Some(liar.ledger.epoch);
        let known = self.leaves.len();
        for (index, leaf) in (self.size()..).zip(liar.ledger.leaves.get(known..).unwrap_or_default()) {
            let shown = self.replaced.get(&index).cloned().unwrap_or_else(|| leaf.entry.signed());
            let id = id_in(&shown).expect("a signed entry");
            let hashes = tlog_tiles::stored_hashes_for_record_hash(index, Hash(id.0), &*self);
            let hashes = hashes.expect("a tree in memory is readable");
            self.hashes.extend(hashes);
            self.leaves.push(shown);
        }
    }

    /// Replaces the liar's checkpoints in a frame by checkpoints over this ledger.
    pub(super) fn in_frame(&mut self, liar: &Node, frame: Frame) -> Frame {
        self.follow(liar);
        let kind = frame.kind.map(|kind| match kind {
            Kind::Ready(ready) => {
                Kind::Ready(wire::Ready { checkpoint: self.checkpoint_like(liar, &ready.checkpoint) })
            }
            Kind::Checkpoints(gossip) => {
                let notes = gossip.notes.iter().map(|note| self.checkpoint_like(liar, note)).collect();
                Kind::Checkpoints(wire::CheckpointNotes { notes })
            }
            Kind::Ack(ack) => Kind::Ack(with_receipt(liar, &ack, |receipt| {
                receipt.checkpoint = self.checkpoint_like(liar, &receipt.checkpoint);
            })),
            other => other,
        });
        Frame { kind }
    }

    /// The answer to a question, with proofs for this ledger.
    pub(super) fn answer(&mut self, liar: &Node, asker: &AgencyId, question: &wire::Prove) -> wire::Proof {
        self.follow(liar);
        let note = liar.signed().map(|signed| self.checkpoint_like(liar, &signed.note)).unwrap_or_default();
        let size = liar.signed().map(|signed| signed.seen.size).unwrap_or_default();
        let signed = (!note.is_empty()).then_some(SignedTree { size, note: &note });
        prove(self, signed, liar.charter(), asker, question).unwrap_or_else(|refusal| {
            let (number, refusal) = (question.number, refusal.to_string());
            wire::Proof { number, refusal, ..Default::default() }
        })
    }

    /// A checkpoint over this ledger with the same size and time. Checkpoints of other agencies stay unchanged.
    fn checkpoint_like(&self, liar: &Node, note: &[u8]) -> Vec<u8> {
        let Some(Checkpoint { epoch, size, seconds, .. }) = own_checkpoint(liar, note) else { return note.to_vec() };
        let root = tlog_tiles::tree_hash(size, self).expect("a checkpoint covers at most the whole ledger").0;
        liar.checkpoint_signer(epoch).sign(size, root, seconds)
    }
}

impl HashReader for Facade {
    fn read_hashes(&self, numbers: &[u64]) -> Result<Vec<Hash>, TreeError> {
        let hash = |number: &u64| usize::try_from(*number).ok().and_then(|number| self.hashes.get(number).copied());
        numbers.iter().map(|number| hash(number).ok_or(TreeError::IndexesNotInTree)).collect()
    }
}

impl OwnLeaves for Facade {
    type Error = Infallible;

    fn epoch(&self) -> Epoch {
        self.epoch.unwrap_or(Epoch::FIRST)
    }

    fn nodes(&self, numbers: &[u64]) -> Result<Vec<[u8; 32]>, Infallible> {
        Ok(self.read_hashes(numbers).expect("the numbers are within the tree").into_iter().map(|hash| hash.0).collect())
    }

    fn locate(&self, _: &wire::EntryName) -> Result<Option<LedgerIndex>, Infallible> {
        Ok(None)
    }

    fn leaf_hashes(&self, first: LedgerIndex, count: usize) -> Result<Vec<[u8; 32]>, Infallible> {
        let first = usize::try_from(first.0).expect("a ledger in memory fits into usize");
        let leaves = self.leaves.iter().skip(first).take(count);
        Ok(leaves.map(|leaf| id_in(leaf).expect("a signed entry").0).collect())
    }

    fn signed_leaf(&self, index: LedgerIndex) -> Result<Vec<u8>, Infallible> {
        Ok(self.leaves[usize::try_from(index.0).expect("a ledger in memory fits into usize")].to_vec())
    }
}

/// Opens a note with a checkpoint of the liar. `None` if it is another agency's.
pub(super) fn own_checkpoint(liar: &Node, note: &[u8]) -> Option<Checkpoint> {
    let is_own = Checkpoint::ledger_of(note, FEDERATION).is_some_and(|(agency, _)| agency == liar.id);
    is_own.then(|| liar.open_checkpoint(note, &liar.id))?
}

/// Changes a receipt of the liar and signs it again.
fn with_receipt(liar: &Node, ack: &wire::Ack, change: impl FnOnce(&mut Receipt)) -> wire::Ack {
    let mut receipt = Receipt::parse(ack).expect("a session sends well-formed receipts");
    change(&mut receipt);
    receipt.sign(liar.entry_key())
}

/// If a frame of the liar is a receipt, changes it and signs it again.
pub(super) fn in_receipt(liar: &Node, frame: Frame, change: impl FnOnce(&mut Receipt)) -> Frame {
    let kind = frame.kind.map(|kind| match kind {
        Kind::Ack(ack) => Kind::Ack(with_receipt(liar, &ack, change)),
        other => other,
    });
    Frame { kind }
}

/// An entry of the liar for this leaf, without meaning.
fn harmless(liar: &Node, index: LedgerIndex) -> Bytes {
    let at = liar.ledger.leaf(index).entry.clock.millis();
    let draft = EntryDraft {
        federation: FEDERATION.to_owned(),
        author: liar.id.clone(),
        charter: liar.charter().name(),
        place: Place { epoch: liar.ledger.epoch, index },
        complaint: None,
        parents: Vec::new(),
        clock: HybridClock::new(at, 0),
        content: Vec::new(),
        body: Body::Witnessed(wire::Witnessed { root: vec![0; 32], peers: 0 }),
    };
    draft.sign(liar.entry_key()).bytes
}
