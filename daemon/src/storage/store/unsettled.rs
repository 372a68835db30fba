//! The items that peers did not take, and when each is sent again.
//!
//! Two trees: `unsettled` has a row for each item, and `send_again` a key for each item that is not on its way, in the order of the times.
//!
//! Invariants:
//! - applying the same changes twice gives the same rows. The last change of an item decides, except for the time of the first answer, which the row has
//!   already when a change is applied again;
//! - each key of `send_again` is that of a row, also after a crash between two writes: the key of the old time goes first, then the row changes, then the
//!   key of the new time comes.

use sinergi_proto::base::ids::{AgencyId, LedgerIndex};
use sinergi_proto::engine::ReceiptHeader;
use sinergi_proto::routing::unsettled::{Unsettled, UnsettledItem};

use super::tree::encode;
use super::{Counts, RefusedRow, Store, StoreError, keys};
use crate::storage::ledger::Position;

/// A change of an unsettled item.
pub(super) enum UnsettledChange {
    /// The peer did not take it.
    Answered(Answered),
    /// It is on its way to the peer again, for the time with this number.
    SentAgain(AgencyId, LedgerIndex, u32),
    /// The peer has taken it.
    Settled(AgencyId, LedgerIndex),
}

/// An answer of a peer to one item.
pub(super) struct Answered {
    peer: AgencyId,
    item: UnsettledItem,
    /// The time of the answer, in milliseconds since 1970.
    at: u64,
    /// The record of the receipt, and the number of the answer in it.
    record: (Position, u32),
}

impl UnsettledChange {
    /// The changes that a receipt makes. Its record lies at `position`.
    pub(super) fn of_receipt(receipt: &ReceiptHeader, position: Position) -> impl Iterator<Item = Self> + '_ {
        let ReceiptHeader { at, peer, unsettled, settled, .. } = receipt;
        let settled = settled.iter().map(|leaf| Self::Settled(peer.clone(), *leaf));
        let unsettled = (0..).zip(unsettled).map(move |(number, item)| {
            Self::Answered(Answered { peer: peer.clone(), item: *item, at: *at, record: (position, number) })
        });
        settled.chain(unsettled)
    }
}

impl Store {
    /// At most `most` items that are due to be sent to a peer again at `now`, in milliseconds since 1970.
    pub fn unsettled_due(&self, peer: &AgencyId, now: u64, most: usize) -> Result<Vec<Unsettled>, StoreError> {
        let malformed = || StoreError::Malformed { tree: "send_again" };
        let after = |time: u64| keys::send_again(peer, time.saturating_add(1), LedgerIndex::default());
        let due = self.send_again.range(keys::of_peer(peer)..after(now)).keys();
        // A clock that was wrong may have given later times. They are the latest ones.
        let late = self.send_again.range(after(now)..=after(u64::MAX)).keys().rev();
        let mut found = Vec::new();
        for key in due.chain(late) {
            let leaf = keys::last_leaf(&key?).ok_or_else(malformed)?;
            let row = self.unsettled_row(&keys::unsettled(peer, leaf))?;
            match row.filter(|row| row.is_due(now)) {
                Some(row) if found.len() < most => found.push(row),
                _ => break,
            }
        }
        Ok(found)
    }

    /// All items that a peer did not take, in the order of their leaves.
    pub fn unsettled(&self, peer: &AgencyId) -> impl Iterator<Item = Result<Unsettled, StoreError>> + use<> {
        self.unsettled.scan_prefix(keys::of_peer(peer)).map(|row| parse(&row?.1))
    }

    pub(super) fn write_unsettled(&self, changes: &[UnsettledChange], counts: &mut Counts) -> Result<(), StoreError> {
        for change in changes {
            match change {
                UnsettledChange::Answered(answered) => self.write_answer(answered, counts)?,
                UnsettledChange::SentAgain(peer, leaf, number) => {
                    let key = keys::unsettled(peer, *leaf);
                    if let Some(old) = self.unsettled_row(&key)? {
                        self.put_unsettled(&key, peer, Some(&old), old.sent_again(*number))?;
                    }
                }
                UnsettledChange::Settled(peer, leaf) => {
                    let key = keys::unsettled(peer, *leaf);
                    if let Some(old) = self.unsettled_row(&key)? {
                        self.unplan(peer, &old)?;
                        self.unsettled.remove(&key)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn write_answer(&self, answered: &Answered, counts: &mut Counts) -> Result<(), StoreError> {
        let Answered { peer, item, at, record: (position, number) } = answered;
        let key = keys::unsettled(peer, item.leaf);
        let old = self.unsettled_row(&key)?;
        // An item that is refused again and again is listed once.
        if item.is_refused && old.is_none_or(|old| !old.was_refused) {
            let (peer, entry, detail) = (peer.clone(), item.entry.0, String::new());
            let row = RefusedRow { peer, by_us: false, entry, code: item.code, detail, at: *at };
            let is_new = self.refused.insert(keys::refused(*position, *number), encode(&row))?.is_none();
            counts.refused_by_peers += u64::from(is_new);
        }
        self.put_unsettled(&key, peer, old.as_ref(), Unsettled::answered(old.as_ref(), *item, *at))
    }

    fn put_unsettled(
        &self,
        key: &[u8],
        peer: &AgencyId,
        old: Option<&Unsettled>,
        new: Unsettled,
    ) -> Result<(), StoreError> {
        if let Some(old) = old.filter(|old| old.due() != new.due()) {
            self.unplan(peer, old)?;
        }
        self.unsettled.insert(key, encode(&new))?;
        if let Some(due) = new.due() {
            self.send_again.insert(keys::send_again(peer, due, new.item.leaf), &[])?;
        }
        Ok(())
    }

    /// Removes the time at which an item is sent again.
    fn unplan(&self, peer: &AgencyId, old: &Unsettled) -> Result<(), StoreError> {
        if let Some(due) = old.due() {
            self.send_again.remove(keys::send_again(peer, due, old.item.leaf))?;
        }
        Ok(())
    }

    fn unsettled_row(&self, key: &[u8]) -> Result<Option<Unsettled>, StoreError> {
        self.unsettled.get(key)?.map(|value| parse(&value)).transpose()
    }
}

fn parse(value: &[u8]) -> Result<Unsettled, StoreError> {
    postcard::from_bytes(value).map_err(|_| StoreError::Malformed { tree: "unsettled" })
}

#[cfg(test)]
mod tests {
    use sinergi_proto::base::cursor::Cursor;
    use sinergi_proto::base::ids::{EntryId, Epoch};

    use super::*;
    use crate::storage::store::{Changes, open};

    const MINUTE: u64 = 60_000;
    /// The first pause.
    const PAUSE: u64 = 10_000;

    fn item(leaf: u64, code: u32) -> UnsettledItem {
        let (entry, leaf) = (EntryId([leaf as u8; 32]), LedgerIndex(leaf));
        UnsettledItem { entry, leaf, complaint: None, code, is_refused: code < 600 }
    }

    fn receipt(at: u64, unsettled: Vec<UnsettledItem>, settled: Vec<u64>) -> ReceiptHeader {
        let settled = settled.into_iter().map(LedgerIndex).collect();
        ReceiptHeader { at, peer: ksp(), cursor: Cursor::start(Epoch::FIRST), unsettled, settled }
    }

    fn ksp() -> AgencyId {
        "ksp".parse().expect("an id")
    }

    fn write(store: &Store, counts: &mut Counts, change: impl Fn(&mut Changes)) {
        // Twice, as after a crash.
        for _ in 0..2 {
            let mut changes = Changes::default();
            change(&mut changes);
            store.write(changes, Position { segment: 1, offset: 64 }, &ksp(), counts).expect("writable");
        }
    }

    fn due(store: &Store, now: u64) -> Vec<u64> {
        let due = store.unsettled_due(&ksp(), now, 10).expect("readable");
        due.iter().map(|unsettled| unsettled.item.leaf.0).collect()
    }

    #[test]
    fn an_item_is_due_after_each_answer_and_listed_as_refused_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, _) = open(folder.path(), 1 << 20).expect("a store");
        let mut counts = Counts::default();
        let position = |offset| Position { segment: 1, offset };
        let first = receipt(0, vec![item(3, 205), item(4, 601)], vec![]);
        write(&store, &mut counts, |changes| changes.answered(&first, position(64)));
        assert_eq!((due(&store, PAUSE - 1), due(&store, PAUSE)), (vec![], vec![3, 4]));
        assert_eq!(store.unsettled_due(&"ks".parse().expect("an id"), MINUTE, 10).expect("readable"), []);
        write(&store, &mut counts, |changes| {
            changes.sent_again(&ksp(), LedgerIndex(3), 1);
            changes.sent_again(&ksp(), LedgerIndex(4), 1);
        });
        assert_eq!(due(&store, 1_000 * MINUTE), [0; 0]);
        let second = receipt(2 * MINUTE, vec![item(3, 205)], vec![4]);
        write(&store, &mut counts, |changes| changes.answered(&second, position(128)));
        let pause = PAUSE * 5 / 4;
        assert_eq!((due(&store, 2 * MINUTE + pause - 1), due(&store, 2 * MINUTE + pause)), (vec![], vec![3]));
        assert_eq!((store.unsettled(&ksp()).count(), store.refused().count()), (1, 1));
        assert_eq!((counts.refused_by_peers, counts.refused_by_us), (1, 0));
        write(&store, &mut counts, |changes| changes.answered(&receipt(MINUTE, vec![], vec![3]), position(256)));
        assert_eq!((due(&store, u64::MAX), store.unsettled(&ksp()).count()), (vec![], 0));
        let late = receipt(1_000_000 * MINUTE, vec![item(5, 601)], vec![]);
        write(&store, &mut counts, |changes| changes.answered(&late, position(512)));
        assert_eq!(due(&store, MINUTE), [5], "the clock was wrong when the answer came");
    }

    #[test]
    fn receipts_for_leaves_that_were_sent_again_are_found_by_their_leaf() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, _) = open(folder.path(), 1 << 20).expect("a store");
        let position = |offset| Position { segment: 1, offset };
        write(&store, &mut Counts::default(), |changes| {
            for (leaf, offset) in [(3, 128), (3, 64), (4, 256)] {
                changes.receipt_of_leaf(&ksp(), LedgerIndex(leaf), position(offset));
            }
        });
        let found = |leaf, most| store.receipts_of_leaf(&ksp(), LedgerIndex(leaf), most).expect("readable");
        assert_eq!(found(3, 9), [position(64), position(128)]);
        assert_eq!(found(3, 1), [position(64)]);
        assert_eq!((found(4, 9), found(5, 9)), (vec![position(256)], vec![]));
    }
}
