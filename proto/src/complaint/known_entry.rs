//! An entry as the fold keeps it, with its judgement.
//!
//! Must not know other entries.

use std::sync::Arc;

use super::NoEffect;
use super::custody::CustodyState;
use crate::base::clock::HybridClock;
use crate::base::ids::{AgencyId, EntryId};
use crate::charter::Charter;
use crate::entry::{Body, Commitment, Entry, Place};

/// An entry as the fold keeps it.
#[derive(Clone, Debug)]
pub struct KnownEntry {
    /// The entry's author.
    pub author: AgencyId,
    /// The entry's clock.
    pub clock: HybridClock,
    /// The leaf that it takes in its author's ledger.
    pub place: Place,
    /// The number of its author's key that signed it.
    pub key_id: u32,
    /// The charter that it names.
    pub charter: Arc<Charter>,
    /// The entry's parents.
    pub parents: Vec<EntryId>,
    /// The entry's body.
    pub body: Body,
    /// The commitments to its contents.
    pub commitments: Vec<Commitment>,
    /// The judgement on the state that its basis left. It changes only with the charters.
    pub(super) judged: Judged,
    /// The custody entries with effect that act on it, in the order in which they win.
    pub(super) children: Vec<EntryId>,
    /// Whether a receipt shows that it was made when it says.
    pub(super) is_witnessed: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Judged {
    /// A custody entry with effect: the state after it, and its depth in the tree of bases.
    Custody { state: CustodyState, depth: usize },
    /// A case entry that its author was allowed to make.
    Case,
    /// A receipt that makes a custody entry witnessed.
    Witness,
    /// An entry without effect.
    NoEffect(NoEffect),
    /// An entry whose body this version does not act on.
    Kept,
}

impl KnownEntry {
    /// The memory that it takes in a complaint, in bytes. Approximate: its texts are short, and its contents are elsewhere.
    pub(super) fn bytes(&self) -> usize {
        /// Its strings, and its places in the complaint's lists.
        const BESIDE: usize = 256;
        size_of::<Self>()
            + BESIDE
            + self.parents.len() * size_of::<EntryId>()
            + self.commitments.len() * size_of::<Commitment>()
    }

    /// The custody after this entry, if it is a custody entry with effect.
    pub fn custody(&self) -> Option<&CustodyState> {
        match &self.judged {
            Judged::Custody { state, .. } => Some(state),
            _ => None,
        }
    }
}

/// An entry that the fold reads: one that arrives, or one that it kept.
#[derive(Clone, Copy)]
pub(super) struct EntryView<'a> {
    pub(super) id: EntryId,
    pub(super) author: &'a AgencyId,
    pub(super) clock: HybridClock,
    pub(super) place: Place,
    pub(super) key_id: u32,
    pub(super) parents: &'a [EntryId],
    pub(super) body: &'a Body,
    pub(super) commitments: &'a [Commitment],
}

impl<'a> EntryView<'a> {
    pub(super) fn of(entry: &'a Entry) -> Self {
        let Entry { id, author, clock, place, key_id, parents, body, commitments, .. } = entry;
        Self { id: *id, author, clock: *clock, place: *place, key_id: *key_id, parents, body, commitments }
    }

    pub(super) fn of_known(id: EntryId, known: &'a KnownEntry) -> Self {
        let KnownEntry { author, clock, place, key_id, parents, body, commitments, .. } = known;
        Self { id, author, clock: *clock, place: *place, key_id: *key_id, parents, body, commitments }
    }

    pub(super) fn judged_as(self, judged: Judged, charter: &Arc<Charter>) -> KnownEntry {
        KnownEntry {
            author: self.author.clone(),
            clock: self.clock,
            place: self.place,
            key_id: self.key_id,
            charter: Arc::clone(charter),
            parents: self.parents.to_vec(),
            body: match self.body {
                Body::Proven(proven) => Body::Proven(Arc::new(proven.without_receipt())),
                body => body.clone(),
            },
            commitments: self.commitments.to_vec(),
            judged,
            children: Vec::new(),
            is_witnessed: false,
        }
    }
}
