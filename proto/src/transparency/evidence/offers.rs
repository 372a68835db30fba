//! The rules of the findings that something did not happen. The accuser states the omission; everything else is proved.
//!
//! Must not know how an accusation was found.

use super::finding_id::Subject;
use super::ledger::signed_at;
use super::parts::{Judge, NotProven, complaint_text, named, no_contradiction};
use super::{Finding, Statement};
use crate::base::clock::rfc3339 as time;
use crate::base::ids::AgencyId;
use crate::entry::{Body, CaseAct, Entry};
use crate::wire::{self, unanswered::ReachedBy};

/// Judges `withheld`: the accused's ledger holds an entry that the accuser should have got.
pub(super) fn withheld(
    judge: &Judge<'_>,
    accused: &AgencyId,
    withheld: &wire::Withheld,
) -> Result<Statement, NotProven> {
    // Its envelope does not count: the accused's checkpoint covers the entry, and the accused could show it without an envelope.
    let entry = judge.unsigned_entry("entry", &withheld.entry)?;
    let leaf = judge.leaf(withheld.leaf.as_ref(), accused)?;
    if leaf.hash != entry.id.0 {
        return Err(no_contradiction("the leaf is another entry"));
    }
    let text = format!(
        "{accused} holds {} by {} as leaf {} of its ledger{}. The accuser is entitled to it and states that {accused} left it out and sent \
         later leaves.",
        named(&entry),
        entry.author,
        leaf.index,
        signed_at(&leaf.checkpoint),
    );
    let complaint = complaint_text(entry.complaint);
    Ok(Statement::of(accused, Finding::Withheld, Subject::Entry(entry.id), complaint, text))
}

/// Judges `unsigned`: the accused's ledger holds an entry, and the envelope that is shown with it does not verify. The accuser states that the accused
/// showed this envelope.
pub(super) fn unsigned(judge: &Judge<'_>, accused: &AgencyId, shown: &wire::Unsigned) -> Result<Statement, NotProven> {
    let entry = judge.unsigned_entry("entry", &shown.entry)?;
    let leaf = judge.leaf(shown.leaf.as_ref(), accused)?;
    if leaf.hash != entry.id.0 {
        return Err(no_contradiction("the leaf is another entry"));
    }
    if judge.is_signed(&entry)? {
        return Err(no_contradiction(format!("{} signed it", entry.author)));
    }
    let text = format!(
        "{accused} holds {} by {} as leaf {} of its ledger{}. The accuser states that {accused} showed it without a signature of {} that \
         verifies: the entry says nothing about {}.",
        named(&entry),
        entry.author,
        leaf.index,
        signed_at(&leaf.checkpoint),
        entry.author,
        entry.author,
    );
    let complaint = complaint_text(entry.complaint);
    Ok(Statement::of(accused, Finding::Unsigned, Subject::Entry(entry.id), complaint, text))
}

/// Judges `undelivered`: an offer did not arrive in time.
pub(super) fn undelivered(
    judge: &Judge<'_>,
    accused: &AgencyId,
    undelivered: &wire::Undelivered,
    made_at: u64,
) -> Result<Statement, NotProven> {
    let (offer, answer_by) = offer_to(judge, accused, &undelivered.offer)?;
    if answer_by >= made_at {
        return Err(no_contradiction("there is still time"));
    }
    let text = format!(
        "{} offered complaint {} to {accused} at {}, to be answered by {}. The accuser states that no receipt of {accused} for it came.",
        offer.author,
        offer.complaint.map(|id| id.short()).unwrap_or_default(),
        time(offer.clock.millis()),
        time(answer_by),
    );
    let complaint = complaint_text(offer.complaint);
    Ok(Statement::of(accused, Finding::Undelivered, Subject::Entry(offer.id), complaint, text))
}

/// Judges `unanswered`: an offer arrived and was not answered in time.
pub(super) fn unanswered(
    judge: &Judge<'_>,
    accused: &AgencyId,
    unanswered: &wire::Unanswered,
    made_at: u64,
) -> Result<Statement, NotProven> {
    let (offer, answer_by) = offer_to(judge, accused, &unanswered.offer)?;
    if answer_by >= made_at {
        return Err(no_contradiction("there is still time"));
    }
    let reached = match &unanswered.reached_by {
        Some(ReachedBy::Receipt(ack)) => {
            let receipt = judge.receipt(ack, accused)?;
            if !receipt.leaves().any(|(id, _)| id == offer.id) {
                return Err(no_contradiction("the receipt names another entry"));
            }
            let no_time = || no_contradiction("the receipt proves no time");
            judge.checkpoint_in(&receipt)?.seconds.ok_or_else(no_time)?.saturating_mul(1000)
        }
        Some(ReachedBy::Arrived(signed)) => {
            let arrived = judge.entry_by("notice of arrival", signed, accused)?;
            if !matches!(&arrived.body, Body::Case { basis, act: CaseAct::Arrived } if *basis == offer.id) {
                return Err(no_contradiction("the notice is of another offer"));
            }
            arrived.clock.millis()
        }
        None => return Err(no_contradiction("nothing shows that the offer arrived")),
    };
    if reached > answer_by {
        return Err(no_contradiction("the offer arrived too late to be answered"));
    }
    let text = format!(
        "{accused} had the offer of complaint {} by {} at {}, to be answered by {}. The accuser states that no answer of {accused} came.",
        offer.complaint.map(|id| id.short()).unwrap_or_default(),
        offer.author,
        time(reached),
        time(answer_by),
    );
    let complaint = complaint_text(offer.complaint);
    Ok(Statement::of(accused, Finding::Unanswered, Subject::Entry(offer.id), complaint, text))
}

/// Judges `unresponsive`: the accused gave no proof.
pub(super) fn unresponsive(
    judge: &Judge<'_>,
    accused: &AgencyId,
    silence: &wire::Unresponsive,
) -> Result<Statement, NotProven> {
    if judge.charters.newest().member(accused).is_none() {
        return Err(no_contradiction(format!("{accused} is no member")));
    }
    let answer = match silence.answer.as_str() {
        "" => "gave no answer".to_owned(),
        said => format!("answered {said:?}"),
    };
    let text = format!(
        "The accuser states that it asked {accused} at {} for proofs about its ledger. {accused} {answer}.",
        time(silence.asked_at)
    );
    Ok(Statement::of(accused, Finding::Unresponsive, Subject::Agency, None, text))
}

/// An offer to the accused, with its `answer_by` in milliseconds since 1970.
fn offer_to(judge: &Judge<'_>, accused: &AgencyId, signed: &[u8]) -> Result<(Entry, u64), NotProven> {
    let offer = judge.entry("offer", signed)?;
    let found = match &offer.body {
        Body::Custody { act, .. } if act.offers_to() == Some(accused) => act.answer_by(),
        _ => None,
    };
    let answer_by = found.ok_or_else(|| no_contradiction(format!("it is no offer to {accused}")))?;
    Ok((offer, answer_by))
}
