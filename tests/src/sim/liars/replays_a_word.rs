//! The liar gets a satisfied word of the citizen, and then a dissatisfied one. After the case was reopened, it shows the satisfied word again and closes
//! the case with it.
//!
//! The word that was shown again has no effect, and the case stays open.

use std::collections::BTreeSet;

use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::{ComplaintId, EntryId};
use sinergi_proto::complaint::{Command, Complaint, Phase, Standing};
use sinergi_proto::entry::{Body, CaseAct};
use sinergi_proto::wire::{self, CloseCause, ReplyWord};

use super::forgery::{id_of, kept, signed_entry};
use super::{Broken, Detection, HonestNodes, LiarAction, Lie, LieKind, any_agency};
use crate::sim::node::Node;
use crate::sim::operations::{lodged, next_word, signed};

pub(super) const KIND: LieKind = LieKind {
    name: "replays_a_word",
    detection: Detection::Harmless,
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Replays::default()),
};

/// Number of complaints that the liar lodges.
const LODGED: u32 = 4;

#[derive(Default)]
struct Replays {
    lodged: u32,
    /// The replies that show a word again.
    replays: BTreeSet<EntryId>,
    /// The closings that name them.
    closings: BTreeSet<EntryId>,
    done: BTreeSet<ComplaintId>,
}

impl Replays {
    /// Shows the satisfied word again, and then closes the case with it.
    fn replay(&mut self, liar: &Node, complaint: &Complaint, now: u64) -> Option<LiarAction> {
        let (tip, parents) = (complaint.tip(), complaint.parents_of_next());
        let clock = HybridClock::tick(liar.wall(now), complaint.newest_clock());
        let shown = complaint.timeline().map(|(id, _)| id).find(|id| self.replays.contains(id));
        let body = match shown {
            None => satisfied_word(complaint)?.to_wire(tip),
            Some(ground) => {
                let (cause, ground) = (CloseCause::Reply.into(), Some(ground));
                CaseAct::Closed { cause, ground }.to_wire(tip)
            }
        };
        let written = signed_entry(liar, complaint, parents, clock, body)?;
        if shown.is_some() {
            self.closings.insert(id_of(&written));
            self.done.insert(complaint.id());
        } else {
            self.replays.insert(id_of(&written));
        }
        Some(LiarAction::WriteEntry(written))
    }
}

impl Lie for Replays {
    fn on_tick(&mut self, liar: &Node, now: u64) -> LiarAction {
        if self.lodged < LODGED {
            self.lodged += 1;
            return LiarAction::Lodge(lodged(wire::ContentClass::Public));
        }
        for complaint in kept(liar) {
            let case = complaint.case();
            let says = |says| Command::Reply(signed(complaint, next_word(complaint, says)));
            let command = match (case.phase, case.citizens_word) {
                _ if self.done.contains(&complaint.id()) => continue,
                (Phase::Received, _) => Command::Resolve { outcome: 1 },
                (Phase::Resolved, None) => says(ReplyWord::Satisfied),
                (Phase::Resolved, Some(_)) => says(ReplyWord::Dissatisfied),
                (Phase::Reopened, _) => match self.replay(liar, complaint, now) {
                    Some(written) => return written,
                    None => continue,
                },
                _ => continue,
            };
            return LiarAction::Command(complaint.id(), command);
        }
        LiarAction::Nothing
    }

    fn must_find<'a>(&self, _: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let has = |node: &&Node| self.closings.iter().any(|closing| node.ledger.leaf_of(closing).is_some());
        honest.all().filter(has).collect()
    }

    fn must_hold(&self, liar: &Node, honest: &HonestNodes<'_>) -> Result<(), Broken> {
        for node in honest.all() {
            for complaint in node.ledger.cases.values().map(|case| &case.complaint) {
                let has_effect = |id: &&EntryId| complaint.standing(id) == Some(Standing::Effective);
                if let Some(entry) = self.replays.iter().chain(&self.closings).find(has_effect) {
                    let what = format!("{entry} of {} has effect at {}", liar.id, node.id);
                    return Err(("a_word_counts_once", what));
                }
            }
        }
        Ok(())
    }
}

/// The satisfied word of the citizen that is in the complaint.
fn satisfied_word(complaint: &Complaint) -> Option<CaseAct> {
    let is_satisfied = |act: &CaseAct| matches!(act, CaseAct::Replied(reply) if reply.signature.is_some() && reply.word.says == ReplyWord::Satisfied);
    complaint.timeline().find_map(|(_, known)| match &known.body {
        Body::Case { act, .. } if is_satisfied(act) => Some(act.clone()),
        _ => None,
    })
}
