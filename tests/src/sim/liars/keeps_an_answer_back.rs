//! The liar accepts an offer in time, but sends its answer only when no witness can have it in time any more: after the holder has withdrawn the
//! offer.
//!
//! A withdrawal that reached a witness stands. The late answer stays visible and undoes nothing.

use std::collections::{BTreeMap, BTreeSet};

use sinergi_proto::base::ids::{AgencyId, EntryId};
use sinergi_proto::complaint::{Command, Complaint, Standing};
use sinergi_proto::entry::{Body, CustodyAct, Entry};
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::{Broken, Detection, HonestNodes, LiarAction, Lie, LieKind, any_agency};
use crate::sim::node::Node;
use crate::sim::topology::FEDERATION;

pub(super) const KIND: LieKind = LieKind {
    name: "keeps_an_answer_back",
    detection: Detection::Harmless,
    can_tell: any_agency,
    passes_everything_on: false,
    begin: || Box::new(KeepsBack::default()),
};

/// Time for which an answer is kept back, in milliseconds: longer than an offer lasts, and than a witness has time.
const KEPT: u64 = 80 * 60 * 1000;

#[derive(Default)]
struct KeepsBack {
    /// The liar's clock, in milliseconds since 1970.
    now: u64,
    /// The answers that were kept back, with their clocks.
    answers: BTreeMap<EntryId, u64>,
    /// Peers that get no more frames on the link that is up, because the next frame comes after an answer that is kept back.
    blocked: BTreeSet<AgencyId>,
}

impl KeepsBack {
    /// Whether an item is an answer that is still kept back.
    fn is_kept_back(&mut self, liar: &Node, item: &wire::Item) -> bool {
        let Ok(entry) = Entry::parse(item.signed_entry.clone(), FEDERATION) else { return false };
        let accepts = matches!(entry.body, Body::Custody { act: CustodyAct::Accepted, .. });
        accepts && entry.author == liar.id && {
            let dated = entry.clock.millis();
            *self.answers.entry(entry.id).or_insert(dated) + KEPT > self.now
        }
    }

    /// The answers that the liar sends now, long after it gave them.
    fn sent_late(&self) -> impl Iterator<Item = &EntryId> {
        self.answers.iter().filter(|(_, dated)| **dated + KEPT <= self.now).map(|(id, _)| id)
    }
}

impl Lie for KeepsBack {
    fn on_tick(&mut self, liar: &Node, now: u64) -> LiarAction {
        self.now = liar.wall(now);
        let is_offered =
            |complaint: &&Complaint| complaint.custody().offer.as_ref().is_some_and(|offer| offer.to == liar.id);
        let offered = liar.ledger.cases.values().map(|case| &case.complaint).find(is_offered);
        offered.map_or(LiarAction::Nothing, |complaint| LiarAction::Command(complaint.id(), Command::Accept))
    }

    fn on_send(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        match &frame.kind {
            Some(Kind::Hello(_)) => {
                self.blocked.remove(to);
                vec![frame]
            }
            Some(Kind::Deliver(deliver)) => {
                let mut kept = deliver.items.iter().map(|item| self.is_kept_back(liar, item));
                if kept.any(|kept| kept) {
                    self.blocked.insert(to.clone());
                }
                if self.blocked.contains(to) { Vec::new() } else { vec![frame] }
            }
            _ => vec![frame],
        }
    }

    fn must_find<'a>(&self, _: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let has = |node: &Node| self.sent_late().any(|answer| node.ledger.leaf_of(answer).is_some());
        honest.all().filter(|node| has(node)).collect()
    }

    fn must_hold(&self, liar: &Node, honest: &HonestNodes<'_>) -> Result<(), Broken> {
        for node in honest.all() {
            for complaint in node.ledger.cases.values().map(|case| &case.complaint) {
                if let Some(answer) = self.answers.keys().find(|answer| complaint.is_witnessed(answer)) {
                    let what = format!("at {}, {answer} of {} has a witness", node.id, liar.id);
                    return Err(("an_answer_that_was_kept_back_loses", what));
                }
                for (entry, known) in complaint.timeline() {
                    let withdrawn = matches!(known.body, Body::Custody { act: CustodyAct::Withdrawn, .. });
                    let Some(Standing::Superseded { by }) = complaint.standing(&entry).filter(|_| withdrawn) else {
                        continue;
                    };
                    if self.answers.contains_key(&by) && complaint.is_witnessed(&entry) {
                        let what = format!("at {}, {by} of {} came late and undid {entry}", node.id, liar.id);
                        return Err(("an_answer_that_was_kept_back_loses", what));
                    }
                }
            }
        }
        Ok(())
    }
}
