//! The rules of the findings about answers to a delivery: an entry was refused against the rules, or deferred for ever.
//!
//! Must not know how an accusation was found.
//!
//! A refusal depends only on the entry's bytes, its ancestors and the charter that it names. So the judge comes to the same verdict as the accused had
//! to, and an honest agency is never accused. A deferral may have a reason that nobody else can see, so it is only stated.

use sha2::{Digest, Sha256};

use super::custody::fold;
use super::finding_id::Subject;
use super::parts::{Judge, NotProven, complaint_text, named, no_contradiction};
use super::{Finding, Statement};
use crate::admission::{Verdict, admit, check_shown, signing_key};
use crate::base::clock::rfc3339 as time;
use crate::base::ids::{AgencyId, EntryId};
use crate::base::limits;
use crate::base::refusal::{DeferralCode, RefusalCode};
use crate::entry::Entry;
use crate::receipt::{Deferral, ItemOutcome, Receipt};
use crate::tlog::checkpoint::Checkpoint;
use crate::wire;

/// Judges `refused_wrongly`: the accused refused an entry, and the rules do not refuse it.
pub(super) fn refused_wrongly(
    judge: &Judge<'_>,
    accused: &AgencyId,
    refused: &wire::RefusedWrongly,
) -> Result<Statement, NotProven> {
    let entry = judge.unsigned_entry("entry", &refused.entry)?;
    let receipt = judge.item_receipt(refused.refusal.as_ref(), accused)?;
    let ItemOutcome::Refused(code) = result_for(&receipt, &entry.id)? else {
        return Err(no_contradiction("the receipt does not refuse the entry"));
    };
    check_rules(judge, &entry, &refused.ancestors)?;
    let name = RefusalCode::from_number(code).map_or("a code that this version does not know", RefusalCode::name);
    let text = format!(
        "{accused} refused {} by {} with code {code} ({name}), in a receipt for {}. The entry, its ancestors and the charter that it names give no \
         reason to refuse it.",
        named(&entry),
        entry.author,
        receipt.sender,
    );
    let complaint = complaint_text(entry.complaint);
    Ok(Statement::of(accused, Finding::RefusedWrongly, Subject::Entry(entry.id), complaint, text))
}

/// Checks that an entry is admitted by the rules, whoever judges it.
fn check_rules(judge: &Judge<'_>, entry: &Entry, ancestors: &[Vec<u8>]) -> Result<(), NotProven> {
    let unless_refused = |verdict: Verdict| match verdict {
        Verdict::Admit => Ok(()),
        Verdict::Refuse(refusal) => Err(no_contradiction(format!("the rules refuse it: {refusal}"))),
        Verdict::Defer { detail, .. } => {
            Err(NotProven::Unreadable { part: "entry", problem: format!("it cannot be judged: {detail}") })
        }
    };
    signing_key(entry, judge.charters).map(drop).or_else(unless_refused)?;
    check_shown(entry, judge.charters).or_else(unless_refused)?;
    let charter = judge.charters.named(&entry.charter).ok_or_else(|| no_contradiction("it names another charter"))?;
    let past = judge.past_of(entry, ancestors)?;
    let complaint = if past.is_empty() { None } else { Some(fold(judge, &past)?) };
    if complaint.as_ref().is_some_and(|complaint| Some(complaint.id()) != entry.complaint) {
        return Err(no_contradiction("its ancestors are of another complaint"));
    }
    unless_refused(admit(entry, complaint.as_ref(), charter, entry.clock.millis()))
}

/// Judges a stated deferral: the accused deferred an entry for a long time, although the reason that it gave does not hold.
pub(super) fn deferred(
    judge: &Judge<'_>,
    accused: &AgencyId,
    deferred: &wire::EndlessDeferral,
) -> Result<Statement, NotProven> {
    let entry = judge.entry("entry", &deferred.entry)?;
    let answer = |receipt: &Option<wire::ItemReceipt>| {
        let receipt = judge.item_receipt(receipt.as_ref(), accused)?;
        let ItemOutcome::Deferred(deferral) = result_for(&receipt, &entry.id)? else {
            return Err(no_contradiction("the receipt does not defer the entry"));
        };
        let checkpoint = judge.checkpoint_in(&receipt)?;
        let seconds = checkpoint.seconds.ok_or_else(|| no_contradiction("the receipt proves no time"))?;
        Ok((receipt, deferral, checkpoint, seconds))
    };
    let (_, _, then, began) = answer(&deferred.first)?;
    let (_, deferral, checkpoint, seconds) = answer(&deferred.last)?;
    if then.epoch != checkpoint.epoch {
        return Err(no_contradiction("its ledger has begun a new epoch since"));
    }
    if seconds < began.saturating_add(limits::DEFERRED_TOO_LONG.as_secs()) {
        let days = limits::DEFERRED_TOO_LONG.as_secs() / (24 * 3600);
        return Err(no_contradiction(format!("it was deferred for less than {days} days")));
    }
    let refuted = match DeferralCode::ALL.iter().find(|code| code.number() == deferral.code) {
        Some(DeferralCode::MissingParent) => {
            for parent in &entry.parents {
                check_taken(judge, accused, parent, &deferred.parents, &then)?;
                check_complaint(judge, &entry, parent, &deferred.parent_entries)?;
            }
            "its ledger had all parents of the entry before the first of these answers"
        }
        Some(DeferralCode::ClockAhead) if seconds.saturating_mul(1000) >= entry.clock.millis() => {
            "its own clock had passed the entry's"
        }
        Some(DeferralCode::Unsigned) if is_of_this_copy(&deferral, &deferred.entry) => {
            "this copy of the entry is signed"
        }
        _ => return Err(no_contradiction(format!("nothing refutes the reason with code {}", deferral.code))),
    };
    let text = format!(
        "{accused} deferred {} by {} from {} to {}, the last time with code {}. The accuser states that {accused} never took it, although {refuted}.",
        named(&entry),
        entry.author,
        time(began.saturating_mul(1000)),
        time(seconds.saturating_mul(1000)),
        deferral.code,
    );
    let complaint = complaint_text(entry.complaint);
    Ok(Statement::of(accused, Finding::Unresponsive, Subject::Entry(entry.id), complaint, text))
}

/// Checks that one of these receipts names a leaf for an entry in the tree `then`.
fn check_taken(
    judge: &Judge<'_>,
    accused: &AgencyId,
    entry: &EntryId,
    receipts: &[wire::ItemReceipt],
    then: &Checkpoint,
) -> Result<(), NotProven> {
    for shown in receipts {
        let receipt = judge.item_receipt(Some(shown), accused)?;
        let was_there = receipt.leaves().any(|(id, leaf)| id == *entry && leaf.0 < then.size);
        if was_there && judge.checkpoint_in(&receipt)?.epoch == then.epoch {
            return Ok(());
        }
    }
    Err(no_contradiction(format!("nothing shows that it had the parent {entry} then")))
}

/// Checks that a parent is of the same complaint. A parent of another one is missing for ever.
fn check_complaint(judge: &Judge<'_>, entry: &Entry, parent: &EntryId, shown: &[Vec<u8>]) -> Result<(), NotProven> {
    for signed in shown {
        let known = judge.unsigned_entry("parent", signed)?;
        if known.id == *parent && known.complaint == entry.complaint {
            return Ok(());
        }
    }
    Err(no_contradiction(format!("nothing shows that the parent {parent} is of the same complaint")))
}

fn is_of_this_copy(deferral: &Deferral, signed: &[u8]) -> bool {
    deferral.copy.is_some_and(|copy| copy == <[u8; 32]>::from(Sha256::digest(signed)))
}

fn result_for(receipt: &Receipt, entry: &EntryId) -> Result<ItemOutcome, NotProven> {
    let result = receipt.results.iter().find(|result| result.entry == *entry);
    result.map(|result| result.outcome).ok_or_else(|| no_contradiction("the receipt names another entry"))
}
