//! Selects the parts of an old ledger that the new one takes over, in order.
//!
//! Must not know how records are encoded: the caller reads them.
//!
//! Invariants:
//! - memory does not grow with the ledger;
//! - a damaged record loses only itself.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;

use crate::base::cursor::Cursor;
use crate::base::ids::{AgencyId, LedgerIndex};
use crate::base::limits;
use crate::wire;

/// A record of the old ledger. `N` is the caller's note beside a leaf, which comes back with it. `R` is the position of a deferred item, by
/// which the caller finds it again.
#[derive(Clone, Debug)]
pub enum OldRecord<N, R> {
    /// A leaf.
    Leaf {
        /// The leaf's index in the old ledger.
        leaf: LedgerIndex,
        /// The `SignedEntry` bytes.
        signed_entry: Bytes,
        /// The number of agencies that passed the entry on, as in the old ledger. It counts this node, if the entry came from a peer.
        relays: u32,
        /// The contents of the entry.
        contents: LeafContents,
        /// The caller's note.
        note: N,
    },
    /// A content of this leaf.
    Content(LedgerIndex, OldContent),
    /// The position up to which the node had a peer's ledger.
    Cursor(AgencyId, Cursor),
    /// An item that was deferred.
    Deferred {
        /// The item's key.
        item: [u8; 32],
        /// The peer that delivered the item.
        peer: AgencyId,
        /// The item's position.
        at: R,
    },
    /// The item with this key is not deferred any more.
    Settled([u8; 32]),
    /// A record of a kind that is not taken over.
    Other,
    /// A record that cannot be read.
    Unreadable,
}

/// The contents of a leaf.
#[derive(Clone, Debug)]
pub enum LeafContents {
    /// All contents that the ledger has.
    Found(Vec<OldContent>),
    /// Some contents cannot be read. The entry itself is whole.
    Unreadable,
    /// The contents came before the leaf as [`OldRecord::Content`], because a damaged ledger has no index to look them up.
    CameBefore,
}

/// A content in the old ledger.
#[derive(Clone, Debug)]
pub struct OldContent {
    /// The content.
    pub content: wire::Content,
    /// Whether the content was erased, so that its bytes are gone.
    pub is_erased: bool,
}

/// An entry for the new ledger, in the form in which a peer would deliver it.
#[derive(Clone, Debug, PartialEq)]
pub struct OldEntry<N> {
    /// The entry with its contents.
    pub item: wire::Item,
    /// The caller's note.
    pub note: N,
}

/// The result of a takeover.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenOver {
    /// The number of entries that are leaves of the new ledger.
    pub entries: u64,
    /// The number of entries that were not taken, and of records that cannot be read. They remain in the old ledger.
    pub left_behind: u64,
    /// The positions up to which the node had its peers' ledgers; empty if anything was lost.
    pub cursors: Vec<(AgencyId, Cursor)>,
}

/// Takes over an old ledger, record by record.
#[derive(Debug)]
pub struct TakeOver<N, R> {
    is_whole: bool,
    /// In a damaged ledger: contents whose leaf has not come yet.
    early: BTreeMap<LedgerIndex, Vec<wire::Content>>,
    group: Vec<OldEntry<N>>,
    group_bytes: usize,
    full_group_bytes: usize,
    deferred: BTreeMap<[u8; 32], (AgencyId, R)>,
    cursors: BTreeMap<AgencyId, Cursor>,
    given: u64,
    taken_over: u64,
    unreadable: u64,
}

impl<N, R> TakeOver<N, R> {
    /// Starts a takeover. `is_whole` says that the old ledger opens, so that each leaf comes with its contents ([`LeafContents::Found`]).
    /// A group of entries is handed over from a size of `full_group_bytes` on.
    pub fn new(is_whole: bool, full_group_bytes: usize) -> Self {
        Self {
            is_whole,
            early: BTreeMap::new(),
            group: Vec::new(),
            group_bytes: 0,
            full_group_bytes,
            deferred: BTreeMap::new(),
            cursors: BTreeMap::new(),
            given: 0,
            taken_over: 0,
            unreadable: 0,
        }
    }

    /// Takes the next record, in the old ledger's order.
    pub fn read(&mut self, record: OldRecord<N, R>) {
        match record {
            OldRecord::Leaf { leaf, signed_entry, relays, contents, note } => {
                // The new ledger will count this node again.
                let relays = relays.saturating_sub(1);
                let item = wire::Item { signed_entry, content: self.contents(leaf, contents), relays };
                self.group_bytes += item.encoded_len();
                self.group.push(OldEntry { item, note });
            }
            OldRecord::Content(leaf, content) if !self.is_whole => {
                add_content(self.early.entry(leaf).or_default(), content);
            }
            OldRecord::Cursor(peer, cursor) => {
                let newest = self.cursors.entry(peer).or_insert(cursor);
                *newest = cursor.max(*newest);
            }
            OldRecord::Deferred { item, peer, at } => drop(self.deferred.insert(item, (peer, at))),
            OldRecord::Settled(item) => drop(self.deferred.remove(&item)),
            OldRecord::Unreadable => self.unreadable += 1,
            OldRecord::Content(..) | OldRecord::Other => {}
        }
    }

    /// Whether [`TakeOver::take_group`] is due.
    pub fn is_full(&self) -> bool {
        self.group.len() >= limits::FRAME_ITEMS || self.group_bytes >= self.full_group_bytes
    }

    /// Takes the entries that were read since the last group. The caller writes them and calls [`Self::became_leaves`].
    pub fn take_group(&mut self) -> Vec<OldEntry<N>> {
        self.group_bytes = 0;
        self.given += self.group.len() as u64;
        std::mem::take(&mut self.group)
    }

    /// Counts how many entries of the last group became leaves.
    pub fn became_leaves(&mut self, leaves: u64) {
        self.taken_over += leaves;
    }

    /// The number of entries that were handed over.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// After the last group: takes the items that are still deferred, each with the peer that delivered it. The caller writes them, and
    /// reports each that it cannot find as [`OldRecord::Unreadable`].
    pub fn take_deferred(&mut self) -> Vec<(AgencyId, R)> {
        std::mem::take(&mut self.deferred).into_values().collect()
    }

    /// After all entries: ends the takeover and returns its result.
    pub fn end(self) -> TakenOver {
        let has_all = self.is_whole && self.unreadable == 0;
        TakenOver {
            entries: self.taken_over,
            left_behind: self.given.saturating_sub(self.taken_over) + self.unreadable,
            // A node that has lost anything takes no cursors, so that its peers send everything once more.
            cursors: if has_all { self.cursors.into_iter().collect() } else { Vec::new() },
        }
    }

    fn contents(&mut self, leaf: LedgerIndex, contents: LeafContents) -> Vec<wire::Content> {
        match contents {
            LeafContents::Found(found) => {
                let mut contents = Vec::new();
                found.into_iter().for_each(|content| add_content(&mut contents, content));
                contents
            }
            LeafContents::Unreadable => {
                self.unreadable += 1;
                Vec::new()
            }
            LeafContents::CameBefore => {
                let contents = self.early.remove(&leaf).unwrap_or_default();
                // Drops contents whose leaf was damaged, or was read before them.
                self.early = self.early.split_off(&leaf);
                contents
            }
        }
    }
}

/// Adds a content, unless it was erased or another content of its commitment is there.
fn add_content(contents: &mut Vec<wire::Content>, OldContent { content, is_erased }: OldContent) {
    if !is_erased && contents.iter().all(|other| other.commitment != content.commitment) {
        contents.push(content);
    }
}
