//! Unsettled items: entries that a peer answered and did not take, because it refused or deferred them. They are sent again until a receipt names their
//! leaf in the peer's ledger.
//!
//! A refusal depends only on an entry, its ancestors and the charter that it names, and this node admitted the entry by the same rules. So a refusal of
//! it is wrong, and the next answer may be right. A deferral ends some time, and only a new answer shows it. An item that the peer did not keep must
//! come again in any case.
//!
//! Must not know where the items are kept. The engine sends them again.
//!
//! Invariants:
//! - an item stays unsettled until the peer takes it, however long that takes;
//! - the pauses grow by a quarter each time, from [`limits::SEND_AGAIN_AFTER`] to [`limits::SEND_AGAIN_WITHIN`]. So an item that a peer never takes is
//!   sent 34 times on the first day, and once a day from the second week on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::outbox::{FrameSummary, SentEntry};
use crate::base::cursor::Cursor;
use crate::base::ids::{ComplaintId, EntryId, LedgerIndex};
use crate::base::limits;
use crate::receipt::{ItemOutcome, ItemResult};

/// An item that a peer did not take, as its receipt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsettledItem {
    /// The entry.
    pub entry: EntryId,
    /// Its leaf in this node's ledger.
    pub leaf: LedgerIndex,
    /// Its complaint. `None` for an entry of a node.
    pub complaint: Option<ComplaintId>,
    /// The peer's refusal code or deferral code.
    pub code: u32,
    /// Whether the peer refused it. Otherwise the peer deferred it.
    pub is_refused: bool,
}

/// The answer of a peer to a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameAnswer {
    /// The cursor of the frame.
    pub cursor: Cursor,
    /// The items that the peer did not take.
    pub unsettled: Vec<UnsettledItem>,
    /// The leaves that the peer took now and had not taken before.
    pub settled: Vec<LedgerIndex>,
}

impl FrameAnswer {
    /// The answer to a frame that these results give, one for each entry.
    pub fn of(frame: &FrameSummary, results: &[ItemResult]) -> Self {
        let mut answer = Self { cursor: frame.cursor, unsettled: Vec::new(), settled: Vec::new() };
        for (sent, result) in frame.entries.iter().zip(results) {
            let SentEntry { id: entry, leaf, complaint, is_again } = *sent;
            let (code, is_refused) = match result.outcome {
                ItemOutcome::Leaf(_) => {
                    answer.settled.extend(is_again.then_some(leaf));
                    continue;
                }
                ItemOutcome::Refused(code) => (code, true),
                ItemOutcome::Deferred(deferral) => (deferral.code, false),
            };
            answer.unsettled.push(UnsettledItem { entry, leaf, complaint, code, is_refused });
        }
        answer
    }
}

/// An unsettled item with its next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsettled {
    /// The item.
    pub item: UnsettledItem,
    /// The time of the first answer, in milliseconds since 1970.
    pub since: u64,
    /// How often the item was sent again.
    pub sent_again: u32,
    /// Whether the peer ever refused it.
    pub was_refused: bool,
    /// The time at which the item is sent again, in milliseconds since 1970. `None` while it is on its way.
    due: Option<u64>,
}

impl Unsettled {
    /// The item after an answer that came at `at`, in milliseconds since 1970. `old` is the item before.
    pub fn answered(old: Option<&Self>, item: UnsettledItem, at: u64) -> Self {
        let (since, sent_again) = old.map_or((at, 0), |old| (old.since, old.sent_again));
        let was_refused = item.is_refused || old.is_some_and(|old| old.was_refused);
        Self { item, since, sent_again, was_refused, due: Some(at.saturating_add(pause_after(sent_again))) }
    }

    /// The item when it is on its way again, for the time with this number, counted from 1.
    pub fn sent_again(self, number: u32) -> Self {
        Self { sent_again: number, due: None, ..self }
    }

    /// The time at which the item is sent again, in milliseconds since 1970. `None` while it is on its way.
    pub fn due(&self) -> Option<u64> {
        self.due
    }

    /// Whether the item is to be sent again at `now`, in milliseconds since 1970. A time that is further ahead than its pause is of a clock that was
    /// wrong.
    pub fn is_due(&self, now: u64) -> bool {
        self.due.is_some_and(|due| due <= now || due > now.saturating_add(pause_after(self.sent_again)))
    }
}

/// The pause after an item was sent again so often, in milliseconds.
fn pause_after(sent_again: u32) -> u64 {
    let (mut pause, most) = (millis(limits::SEND_AGAIN_AFTER), millis(limits::SEND_AGAIN_WITHIN));
    for _ in 0..sent_again {
        pause += pause / 4;
        if pause >= most {
            return most;
        }
    }
    pause
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;
    const DAY: u64 = 24 * 60 * MINUTE;

    fn item(code: u32) -> UnsettledItem {
        UnsettledItem { entry: EntryId([7; 32]), leaf: LedgerIndex(3), complaint: None, code, is_refused: code < 600 }
    }

    #[test]
    fn the_pauses_grow_from_seconds_to_a_day() {
        let mut unsettled = Unsettled::answered(None, item(601), 0);
        let (mut now, mut pauses) = (0, Vec::new());
        for number in 1..=100 {
            let due = unsettled.due().expect("it was answered");
            pauses.push(due - now);
            now = due;
            assert!(unsettled.is_due(now) && !unsettled.is_due(now - 1));
            let on_its_way = unsettled.sent_again(number);
            assert!(!on_its_way.is_due(now + DAY));
            unsettled = Unsettled::answered(Some(&on_its_way), item(601), now);
            assert_eq!((unsettled.since, unsettled.sent_again), (0, number));
        }
        assert_eq!(pauses[..4], [10_000, 12_500, 15_625, 19_531]);
        assert!(pauses.is_sorted());
        assert_eq!(pauses.last(), Some(&DAY));
        let sent_by = |time: u64| {
            pauses
                .iter()
                .scan(0, |sum, pause| {
                    *sum += pause;
                    Some(*sum)
                })
                .filter(|at| *at < time)
                .count()
        };
        assert_eq!((sent_by(DAY / 24), sent_by(DAY), sent_by(30 * DAY)), (20, 34, 66));
    }

    #[test]
    fn an_item_whose_time_a_wrong_clock_gave_is_due() {
        let old = Unsettled::answered(None, item(202), 10 * DAY);
        assert!(!old.is_due(10 * DAY));
        assert!(old.is_due(10 * DAY - 1) && old.is_due(5 * DAY) && old.is_due(20 * DAY));
    }

    #[test]
    fn an_item_that_was_refused_once_is_known_to_have_been() {
        let refused = Unsettled::answered(None, item(205), 0);
        assert!(refused.was_refused && !Unsettled::answered(None, item(601), 0).was_refused);
        assert!(Unsettled::answered(Some(&refused.sent_again(1)), item(601), MINUTE).was_refused);
    }
}
