//! The place of the next group. It is known before the groups before it are on the disk, so the next group is built while they are written.
//!
//! It must not write anything.
//!
//! Invariant: a tip that followed each group in turn gives the positions and indexes that commit will give, if all are committed in that
//! order; commit refuses a group that was begun elsewhere.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::files::Files;
use super::group::{Group, LastGroup};
use super::segment::SEGMENT_HEADER_BYTES;
use super::{HEADER_BYTES_MAX, NOTE_BYTES_MAX, Position};

/// The place at which the next group begins.
pub struct Tip {
    pub(super) files: Arc<Files>,
    pub(super) signed: Signed,
    pub(super) position: Position,
    pub(super) seed: u32,
    pub(super) next_leaf: u64,
    pub(super) segment_bytes: u32,
    /// Bytes of the group before: as many will be needed.
    pub(super) capacity: usize,
    /// The group that was followed last: it may not be on the disk yet.
    pub(super) last: LastGroup,
}

impl Tip {
    /// Begins a group here. Follow it before the next one is begun. All groups but the one that was followed last must be on the disk when
    /// contents of earlier leaves are added to it.
    pub fn begin(&self) -> Group {
        let (start, seed) = if self.position.offset >= self.segment_bytes {
            (Position { segment: self.position.segment + 1, offset: SEGMENT_HEADER_BYTES }, rand::random())
        } else {
            (self.position, self.seed)
        };
        let bytes = Vec::with_capacity(self.capacity);
        let last = self.last.clone();
        Group::new(Arc::clone(&self.files), last, start, seed, self.next_leaf, self.signed.room(), bytes)
    }

    /// Moves to the end of a group that will be committed. An empty group changes nothing.
    pub fn follow(&mut self, group: &Group) {
        if !group.is_empty() {
            let (start, contents) = (self.position, Arc::clone(&group.newest_content));
            self.last = LastGroup { start, first_leaf: group.first_leaf, contents };
            (self.position, self.seed) = (group.end(), group.seed);
            self.next_leaf = group.next_index().0;
            self.capacity = group.length();
        }
    }
}

/// The newest checkpoint known signed, as the ledger and its tips share it.
#[derive(Clone)]
pub(super) struct Signed(Arc<Mutex<Newest>>);

pub(super) struct Newest {
    /// Its size, recorded or not, in leaves.
    pub(super) size: u64,
    /// Its note, until a group has recorded it.
    pub(super) unrecorded: Option<Vec<u8>>,
    /// Bytes of the longest note so far.
    longest: usize,
}

impl Signed {
    /// Room for a note where none was seen yet, and by how much a note may outgrow the ones before it (by the digits of its size).
    const ROOM: usize = 512;
    const GROWTH: usize = 32;

    /// Recorded, of this size; with the note, if there is one.
    pub(super) fn recorded(size: u64, note: Option<&[u8]>) -> Self {
        let longest = note.map_or(0, <[u8]>::len);
        Self(Arc::new(Mutex::new(Newest { size, unrecorded: None, longest })))
    }

    pub(super) fn newest(&self) -> MutexGuard<'_, Newest> {
        self.0.lock()
    }

    /// Bytes that a group keeps free in its head for the note that is the newest when it is committed.
    fn room(&self) -> usize {
        (self.newest().longest + Self::GROWTH).clamp(Self::ROOM, HEADER_BYTES_MAX)
    }

    /// A larger one. A note over [`NOTE_BYTES_MAX`] is left out.
    pub(super) fn note(&self, size: u64, note: &[u8]) {
        let note = note.get(..NOTE_BYTES_MAX + 1).map_or(note, |_| &[]).to_vec();
        let mut newest = self.newest();
        let longest = newest.longest.max(note.len());
        *newest = Newest { size, unrecorded: Some(note), longest };
    }

    /// A group that is durable recorded the newest.
    pub(super) fn was_recorded(&self) {
        self.newest().unrecorded = None;
    }
}

#[cfg(test)]
mod tests {
    use sinergi_proto::base::ids::LedgerIndex;

    use super::super::fixture::{Fixture, assert_holds};
    use super::super::{AppendError, Fatal, Ledger, ReadError};
    use super::*;

    fn opened(fixture: &Fixture) -> (Ledger, Tip) {
        let (ledger, _) = fixture.open();
        let tip = ledger.tip();
        (ledger, tip)
    }

    /// A group after the tip, which follows it.
    fn next(tip: &mut Tip, leaves: u64) -> Group {
        let group = group_of(tip, leaves);
        tip.follow(&group);
        group
    }

    fn group_of(tip: &Tip, leaves: u64) -> Group {
        let mut group = tip.begin();
        for _ in 0..leaves {
            let index = group.next_index();
            group.content(index, b"content", format!("text {index}").as_bytes()).expect("room");
            group.leaf(b"local", &super::super::fixture::leaf_bytes(index.0)).expect("room");
        }
        group
    }

    fn size(ledger: &Ledger) -> u64 {
        ledger.reader().size()
    }

    #[test]
    fn groups_that_are_built_ahead_lie_where_their_tip_said_across_segments_too() {
        let fixture = Fixture::with_segments_of(1000);
        let (mut ledger, mut tip) = opened(&fixture);
        let mut waiting = Vec::new();
        for round in 0..30 {
            let group = next(&mut tip, round % 4);
            waiting.push(group);
            if round % 3 == 2 {
                for group in waiting.drain(..) {
                    let (end, is_empty) = (group.end(), group.is_empty());
                    let committed = ledger.commit(group).expect("a commit").end;
                    assert!(is_empty || committed == end, "{committed} {end}");
                    ledger.signed(size(&ledger), b"note");
                }
            }
        }
        assert!(ledger.end().segment > 3, "{} segments", ledger.end().segment);
        let leaves = size(&ledger);
        drop(ledger);
        let (ledger, opened) = fixture.open();
        assert!(opened.cut.is_none() && opened.rebuilt_from.is_none());
        assert_holds(&ledger, leaves);
    }

    #[test]
    fn groups_are_committed_in_the_order_in_which_they_were_begun_only() {
        let fixture = Fixture::new();
        let (mut ledger, mut tip) = opened(&fixture);
        next(&mut tip, 1);
        let second = group_of(&tip, 1);
        assert!(matches!(ledger.commit(second), Err(Fatal::WrongGroup { .. })));
    }

    #[test]
    fn a_later_content_of_a_leaf_of_the_group_before_is_taken_before_that_is_durable() {
        let fixture = Fixture::new();
        let (mut ledger, mut tip) = opened(&fixture);
        let first = next(&mut tip, 2);
        let mut second = tip.begin();
        second.content(LedgerIndex(0), b"content", b"text 0").expect("its leaf is in the group before");
        ledger.commit(first).expect("a commit");
        ledger.commit(second).expect("a commit");
        assert_eq!(ledger.reader().contents(LedgerIndex(0)).expect("contents").len(), 2);
        assert_eq!(ledger.reader().contents(LedgerIndex(1)).expect("contents").len(), 1);
        assert_holds(&ledger, 2);
    }

    #[test]
    fn a_later_content_of_a_leaf_further_back_is_refused_until_that_is_durable() {
        let fixture = Fixture::new();
        let (mut ledger, mut tip) = opened(&fixture);
        let first = next(&mut tip, 1);
        let second = next(&mut tip, 1);
        let mut third = tip.begin();
        let early = third.content(LedgerIndex(0), b"content", b"another");
        assert!(matches!(early, Err(AppendError::Read(ReadError::BeyondEnd { .. }))), "{early:?}");
        ledger.commit(first).expect("a commit");
        third.content(LedgerIndex(0), b"content", b"text 0").expect("its leaf is durable");
        ledger.commit(second).expect("a commit");
        ledger.commit(third).expect("a commit");
        assert_eq!(ledger.reader().contents(LedgerIndex(0)).expect("contents").len(), 2);
        assert_holds(&ledger, 2);
    }

    #[test]
    fn a_checkpoint_is_recorded_by_the_group_that_follows_it_though_that_was_begun_before() {
        let fixture = Fixture::new();
        let (mut ledger, mut tip) = opened(&fixture);
        let first = next(&mut tip, 2);
        let second = next(&mut tip, 1);
        ledger.commit(first).expect("a commit");
        ledger.signed(2, b"note 2");
        ledger.commit(second).expect("a commit");
        let recorded = fixture.copy().open().1;
        assert_eq!((recorded.signed_size, recorded.signed_note.as_deref()), (2, Some(&b"note 2"[..])));
        assert_holds(&fixture.copy().open().0, 3);
    }

    #[test]
    fn a_note_that_the_head_has_no_room_for_is_recorded_by_its_size_and_the_next_one_whole() {
        let fixture = Fixture::new();
        let (mut ledger, mut tip) = opened(&fixture);
        for leaves in [2, 1] {
            let early = next(&mut tip, leaves);
            let size = ledger.commit(early).expect("a commit").size;
            let begun_before = next(&mut tip, 1);
            let long = vec![b'n'; 2000 + size as usize];
            ledger.signed(size, &long);
            ledger.commit(begun_before).expect("a commit");
            let recorded = fixture.copy().open().1;
            let expected = (leaves == 1).then_some(long);
            assert_eq!((recorded.signed_size, recorded.signed_note), (size, expected));
        }
    }
}
