//! The liar restores an older copy of its ledger and continues, whatever its peers saw. It declares no new epoch.
//!
//! A node that has seen the ledger before sees fewer leaves at a later time, or different leaves at the same indexes.

use sinergi_proto::base::cursor::Cursor;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::limits;
use sinergi_proto::wire::{self, Frame, accusation::Finding, frame::Kind};

use super::forgery::{place_in, size_in};
use super::proofs_held::checkpoints;
use super::{Detection, HonestNodes, LiarAction, Lie, LieKind, Sign, any_agency};
use crate::sim::ledger::Ledger;
use crate::sim::node::Node;

pub(super) const KIND: LieKind = LieKind {
    name: "sets_itself_back",
    detection: Detection::Evidence(&["forked", "rolled_back"]),
    can_tell: any_agency,
    passes_everything_on: false,
    begin: || Box::new(SetsBack::default()),
};

/// The call of the lie at which the copy is made.
const COPIED: u32 = 60;
/// Number of calls of the lie after which the copy is restored.
const BACK: u32 = 200;
/// The least number of leaves that the restore loses.
const LOST: u64 = 4;

#[derive(Default)]
struct SetsBack {
    ticks: u32,
    copy: Option<Box<Ledger>>,
    /// The time of the restore, in milliseconds since 1970, and the number of leaves of the copy.
    went: Option<(u64, u64)>,
}

impl Lie for SetsBack {
    fn on_tick(&mut self, liar: &Node, now: u64) -> LiarAction {
        self.ticks += 1;
        if self.ticks == COPIED {
            self.copy = Some(Box::new(liar.ledger.clone()));
        }
        let loses = |copy: &mut Box<Ledger>| copy.next_index().0 + LOST <= liar.ledger.next_index().0;
        if self.ticks > BACK
            && let Some(copy) = self.copy.take_if(loses)
        {
            self.went = Some((liar.wall(now), copy.next_index().0));
            return LiarAction::RestoreCopy(copy);
        }
        LiarAction::Nothing
    }

    fn on_receive(&mut self, liar: &Node, _: &AgencyId, frame: Frame) -> Frame {
        let kind = frame.kind.map(|kind| match kind {
            Kind::Hello(hello) => {
                let is_more = |have: &wire::Cursor| {
                    Cursor::from_wire(*have).is_beyond(liar.ledger.epoch, liar.ledger.next_index())
                };
                let have_cursor = hello.have_cursor.filter(|have| !is_more(have));
                Kind::Hello(wire::Hello { have_cursor, ..hello })
            }
            other => other,
        });
        Frame { kind }
    }

    fn obeys_rollback_guard(&self) -> bool {
        false
    }

    fn must_find<'a>(&self, liar: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let Some((at, leaves)) = self.went else { return Vec::new() };
        // Clocks may be wrong by minutes.
        let before = (at / 1000).saturating_sub(limits::COSIGNED_BACK_BY.as_secs());
        let had_more = |node: &&Node| {
            let shown = checkpoints(node, &liar.id);
            shown.iter().any(|shown| shown.size > leaves && shown.seconds.is_some_and(|seconds| seconds < before))
        };
        honest.auditors().filter(had_more).collect()
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        let Some((_, leaves)) = self.went else { return false };
        let is_lost = |entry: &[u8]| place_in(entry).is_some_and(|index| index.0 >= leaves);
        match sign {
            Sign::Finding(Finding::RolledBack(shown)) => size_in(&shown.earlier) > Some(leaves),
            Sign::Finding(Finding::ForkedTrees(shown)) => size_in(&shown.larger) > Some(leaves),
            Sign::Finding(Finding::ForkedLeaf(shown)) => is_lost(&shown.entry),
            Sign::Finding(Finding::ForkedEntries(shown)) => is_lost(&shown.one),
            _ => false,
        }
    }
}
