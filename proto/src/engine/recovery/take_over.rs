//! What of an old ledger is taken over, and in which order.
//!
//! Invariants: memory does not grow with the ledger; one damaged record costs itself alone.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;

use crate::base::ids::{AgencyId, LedgerIndex};
use crate::base::limits;
use crate::routing::cursor::Cursor;
use crate::wire;

/// Bytes of entries and contents that are handed over at once.
const GROUP_BYTES: usize = limits::BATCH_BYTES / 4;

/// A record of the old ledger. `N`: what the caller noted beside a leaf and needs back with it; `R`: where the caller finds an item that waits.
#[derive(Clone, Debug)]
pub enum OldRecord<N, R> {
    /// A leaf.
    Leaf {
        /// Its index in the old ledger.
        leaf: LedgerIndex,
        /// The `SignedEntry` bytes.
        signed_entry: Bytes,
        /// How many agencies passed it on, as the old ledger noted it: this node included, if it came from a peer.
        relays: u32,
        /// Its contents.
        contents: LeafContents,
        /// The caller's note.
        note: N,
    },
    /// A content of this leaf.
    Content(LedgerIndex, OldContent),
    /// How far a peer's ledger was had.
    Cursor(AgencyId, Cursor),
    /// An item that began to wait.
    Deferred {
        /// Its name among what waits.
        item: [u8; 32],
        /// Who delivered it.
        peer: AgencyId,
        /// Where it is.
        at: R,
    },
    /// The item with this name does not wait any more.
    Settled([u8; 32]),
    /// A record of a kind that is not taken over.
    Other,
    /// A record that cannot be read.
    Unreadable,
}

/// The contents of a leaf.
#[derive(Clone, Debug)]
pub enum LeafContents {
    /// All that the ledger has.
    Found(Vec<OldContent>),
    /// Some of them cannot be read. The entry itself is whole.
    Unreadable,
    /// Those that lay before the leaf, as [`OldRecord::Content`]: a damaged ledger has no index to look them up.
    LyingBefore,
}

/// A content as the ledger holds it.
#[derive(Clone, Debug)]
pub struct OldContent {
    /// The content.
    pub content: wire::Content,
    /// It was erased: nothing of it is left.
    pub is_erased: bool,
}

/// An entry to be written to the new ledger, as if a peer delivered it.
#[derive(Clone, Debug, PartialEq)]
pub struct OldEntry<N> {
    /// The entry with its contents.
    pub item: wire::Item,
    /// The caller's note.
    pub note: N,
}

/// What a recovery took over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenOver {
    /// Entries that are leaves of the new ledger.
    pub entries: u64,
    /// Entries that were not taken and records that cannot be read: they lie in the old ledger.
    pub left_behind: u64,
    /// How far peers' ledgers were had; empty if anything was lost.
    pub cursors: Vec<(AgencyId, Cursor)>,
}

/// Takes over an old ledger, record by record.
#[derive(Debug)]
pub struct TakeOver<N, R> {
    is_whole: bool,
    /// Of a damaged ledger: contents whose leaf comes next.
    early: BTreeMap<LedgerIndex, Vec<wire::Content>>,
    group: Vec<OldEntry<N>>,
    group_bytes: usize,
    waiting: BTreeMap<[u8; 32], (AgencyId, R)>,
    cursors: BTreeMap<AgencyId, Cursor>,
    given: u64,
    taken_over: u64,
    unreadable: u64,
}

impl<N, R> TakeOver<N, R> {
    /// Begins. `is_whole`: the old ledger opens, so that [`LeafContents::Found`] comes with each leaf.
    pub fn new(is_whole: bool) -> Self {
        Self {
            is_whole,
            early: BTreeMap::new(),
            group: Vec::new(),
            group_bytes: 0,
            waiting: BTreeMap::new(),
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
                // The new ledger counts this node again.
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
            OldRecord::Deferred { item, peer, at } => drop(self.waiting.insert(item, (peer, at))),
            OldRecord::Settled(item) => drop(self.waiting.remove(&item)),
            OldRecord::Unreadable => self.unreadable += 1,
            OldRecord::Content(..) | OldRecord::Other => {}
        }
    }

    /// Whether [`TakeOver::take_group`] is due.
    pub fn is_full(&self) -> bool {
        self.group.len() >= limits::FRAME_ITEMS || self.group_bytes >= GROUP_BYTES
    }

    /// The entries that were read since the last group: write them, and say how many became leaves.
    pub fn take_group(&mut self) -> Vec<OldEntry<N>> {
        self.group_bytes = 0;
        self.given += self.group.len() as u64;
        std::mem::take(&mut self.group)
    }

    /// So many of the last group became leaves.
    pub fn became_leaves(&mut self, leaves: u64) {
        self.taken_over += leaves;
    }

    /// How many entries were handed over.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// After the last group: the items that still wait, and who delivered them. Write them; say [`OldRecord::Unreadable`] for one that is not there.
    pub fn take_waiting(&mut self) -> Vec<(AgencyId, R)> {
        std::mem::take(&mut self.waiting).into_values().collect()
    }

    /// After all entries: what is left to write, and what it came to.
    pub fn end(self) -> TakenOver {
        let has_all = self.is_whole && self.unreadable == 0;
        TakenOver {
            entries: self.taken_over,
            left_behind: self.given.saturating_sub(self.taken_over) + self.unreadable,
            // Who has lost something must be sent everything once more.
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
            LeafContents::LyingBefore => {
                let contents = self.early.remove(&leaf).unwrap_or_default();
                // Of leaves that are damaged, or that came before.
                self.early = self.early.split_off(&leaf);
                contents
            }
        }
    }
}

/// Adds a content that was not erased, once for a commitment.
fn add_content(contents: &mut Vec<wire::Content>, OldContent { content, is_erased }: OldContent) {
    if !is_erased && contents.iter().all(|other| other.commitment != content.commitment) {
        contents.push(content);
    }
}
