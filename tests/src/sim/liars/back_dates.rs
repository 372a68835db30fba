//! The liar gives an entry an earlier date than the time at which it writes it. A late answer could look timely that way.
//!
//! A node finds the lie if it has the entry, and a checkpoint that was signed after the date and does not cover the entry.

use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::limits;
use sinergi_proto::entry::Entry;
use sinergi_proto::wire::{self, accusation::Finding, entry::Body};

use super::forgery::{id_in, signed_entry};
use super::proofs_held::checkpoints;
use super::{Detection, HonestNodes, LiarAction, Lie, LieKind, Sign, any_agency};
use crate::sim::node::Node;
use crate::sim::topology::FEDERATION;

pub(super) const KIND: LieKind = LieKind {
    name: "back_dates",
    detection: Detection::Evidence(&["back_dated"]),
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(BackDates::default()),
};

/// How long the complaint must have had no new entry, in milliseconds.
const QUIET: u64 = 40 * 60 * 1000;
/// Number of backdated entries.
const WRITTEN: usize = 3;

#[derive(Default)]
struct BackDates {
    written: Vec<Entry>,
}

impl Lie for BackDates {
    fn on_tick(&mut self, liar: &Node, now: u64) -> LiarAction {
        let is_quiet = |newest: HybridClock| newest.millis() + QUIET < liar.wall(now);
        let holds = |case: &&sinergi_proto::engine::Case| {
            let custody = case.complaint.custody();
            custody.holder == liar.id && custody.offer.is_none() && is_quiet(case.complaint.newest_clock())
        };
        let Some(case) = liar.ledger.cases.values().find(holds).filter(|_| self.written.len() < WRITTEN) else {
            return LiarAction::Nothing;
        };
        let complaint = &case.complaint;
        let body = Body::Progressed(wire::Progressed { basis: complaint.tip().0.to_vec(), state: 1 });
        let clock = HybridClock::tick(0, complaint.newest_clock());
        let Some(signed) = signed_entry(liar, complaint, complaint.parents_of_next(), clock, body) else {
            return LiarAction::Nothing;
        };
        self.written.push(Entry::parse(signed.clone(), FEDERATION).expect("it was just signed"));
        LiarAction::WriteEntry(signed)
    }

    fn must_find<'a>(&self, liar: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let margin = u64::try_from(limits::BACK_DATED_BY.as_millis()).unwrap_or(u64::MAX);
        let can_prove = |node: &&Node| {
            let shown = checkpoints(node, &liar.id);
            let written = self.written.iter().filter(|entry| node.ledger.leaf_of(&entry.id).is_some());
            written.into_iter().any(|entry| {
                let (place, at) = (entry.place, entry.clock.millis());
                let before = shown.iter().filter(|c| c.epoch == place.epoch && c.size <= place.index.0);
                before.into_iter().any(|c| c.seconds.is_some_and(|seconds| seconds * 1000 > at + margin))
            })
        };
        honest.auditors().filter(can_prove).collect()
    }

    fn shows(&self, _: &Node, sign: Sign<'_>) -> bool {
        let is_written = |entry: &[u8]| self.written.iter().any(|written| Some(written.id) == id_in(entry));
        matches!(sign, Sign::Finding(Finding::BackDated(shown)) if is_written(&shown.entry))
    }
}
