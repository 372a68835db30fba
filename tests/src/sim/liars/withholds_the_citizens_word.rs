//! The liar lodges complaints, holds and resolves them itself, and closes them on its own word. It never carries a word of the citizen. When another
//! agency carries a dissatisfied one, the liar closes the case again at once, as if it had not seen it.
//!
//! The case stays open until the liar answers again.

use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::EntryId;
use sinergi_proto::complaint::{Command, Complaint, KnownEntry, Phase, Standing};
use sinergi_proto::entry::{Body, CaseAct};
use sinergi_proto::wire::{self, CloseCause, ReplyWord};

use super::forgery::{kept, signed_entry};
use super::{Broken, Detection, HonestNodes, LiarAction, Lie, LieKind, any_agency};
use crate::sim::node::Node;
use crate::sim::operations::lodged;

pub(super) const KIND: LieKind = LieKind {
    name: "withholds_the_citizens_word",
    detection: Detection::Harmless,
    can_tell: any_agency,
    passes_everything_on: true,
    begin: || Box::new(Withholds::default()),
};

/// Number of complaints that the liar lodges.
const LODGED: u32 = 6;
/// Number of closings that the liar forges.
const FORGED: u32 = 12;

#[derive(Default)]
struct Withholds {
    lodged: u32,
    forged: u32,
}

impl Withholds {
    /// Closes a reopened case. Every second entry pretends that the liar has not seen the word.
    fn close_again(&mut self, liar: &Node, complaint: &Complaint, now: u64) -> Option<LiarAction> {
        let parents = if self.forged.is_multiple_of(2) { complaint.parents_of_next() } else { vec![complaint.tip()] };
        let cause = CloseCause::OwnWord.into();
        let body = wire::Closed { basis: complaint.tip().0.to_vec(), cause, ground: Vec::new() };
        let clock = HybridClock::tick(liar.wall(now), complaint.newest_clock());
        let signed = signed_entry(liar, complaint, parents, clock, wire::entry::Body::Closed(body))?;
        self.forged += 1;
        Some(LiarAction::WriteEntry(signed))
    }
}

impl Lie for Withholds {
    fn on_tick(&mut self, liar: &Node, now: u64) -> LiarAction {
        if self.lodged < LODGED {
            self.lodged += 1;
            return LiarAction::Lodge(lodged(wire::ContentClass::Public));
        }
        for complaint in kept(liar) {
            match complaint.case().phase {
                Phase::Received => return LiarAction::Command(complaint.id(), Command::Resolve { outcome: 1 }),
                Phase::Resolved | Phase::Responded => {
                    let cause = CloseCause::OwnWord.into();
                    return LiarAction::Command(complaint.id(), Command::Close { cause });
                }
                Phase::Reopened if self.forged < FORGED => {
                    if let Some(closes) = self.close_again(liar, complaint, now) {
                        return closes;
                    }
                }
                _ => {}
            }
        }
        LiarAction::Nothing
    }

    fn must_find<'a>(&self, liar: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node> {
        let has_closed_after_a_word = |complaint: &Complaint| {
            let word = last(complaint, |known| known.author != liar.id && is_dissatisfied(known));
            let closed = complaint.timeline().filter(|(_, known)| is_closing(known)).last().map(|(id, _)| id);
            *complaint.intake() == liar.id
                && word.is_some()
                && closed.is_some_and(|closed| is_after(complaint, closed, word))
        };
        let has = |node: &&Node| node.ledger.cases.values().any(|case| has_closed_after_a_word(&case.complaint));
        honest.all().filter(has).collect()
    }

    fn must_hold(&self, liar: &Node, honest: &HonestNodes<'_>) -> Result<(), Broken> {
        for node in honest.all() {
            for complaint in node.ledger.cases.values().map(|case| &case.complaint) {
                let word = last(complaint, is_dissatisfied);
                let answer = last(complaint, |known| {
                    matches!(&known.body, Body::Case { act: CaseAct::Responded | CaseAct::Resolved { .. }, .. })
                });
                let is_answered = answer.is_some_and(|answer| is_after(complaint, answer, word));
                if word.is_some() && !is_answered && complaint.case().phase == Phase::Closed {
                    let what = format!("at {}, {} is closed over the citizen's word", node.id, complaint.id().short());
                    return Err(("nobody_closes_over_the_citizens_word", format!("{} lied: {what}", liar.id)));
                }
            }
        }
        Ok(())
    }
}

/// The last entry of this kind that has effect.
fn last(complaint: &Complaint, is_meant: impl Fn(&KnownEntry) -> bool) -> Option<EntryId> {
    let has_effect = |id: &EntryId| complaint.standing(id) == Some(Standing::Effective);
    complaint.timeline().filter(|(id, known)| is_meant(known) && has_effect(id)).last().map(|(id, _)| id)
}

fn is_dissatisfied(known: &KnownEntry) -> bool {
    matches!(&known.body, Body::Case { act: CaseAct::Replied(reply), .. }
        if reply.signature.is_some() && reply.word.says == ReplyWord::Dissatisfied)
}

fn is_closing(known: &KnownEntry) -> bool {
    matches!(&known.body, Body::Case { act: CaseAct::Closed { .. }, .. })
}

/// Whether an entry comes after another one in the timeline.
fn is_after(complaint: &Complaint, entry: EntryId, other: Option<EntryId>) -> bool {
    let place = |wanted: EntryId| complaint.timeline().position(|(id, _)| id == wanted);
    other.is_some_and(|other| place(entry) > place(other))
}
