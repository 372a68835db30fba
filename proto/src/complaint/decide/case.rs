//! Decides the commands on the case: it makes their acts and checks them.
//!
//! Must not know custody commands.

use super::{Author, Declined, no_effect};
use crate::base::clock::{HybridClock, rfc3339 as time};
use crate::base::ids::{AgencyId, ComplaintId, EntryId};
use crate::complaint::{CaseEntry, Complaint, NoEffect};
use crate::entry::{Body, CaseAct, ContentClass};
use crate::wire::{CloseCause, entry::Body as Wire};

/// The body of an act, if the act has effect.
pub(super) fn carry_out(complaint: &Complaint, act: &CaseAct, author: Author<'_>) -> Result<Wire, Declined> {
    check(complaint, act, author).map(|()| act.to_wire(complaint.tip()))
}

/// Checks an act by the rules of the fold, as the newest entry, on the tip of the custody path.
fn check(complaint: &Complaint, act: &CaseAct, author: Author<'_>) -> Result<(), Declined> {
    let allowed = complaint.custody().allows(act, complaint.intake(), author.actor());
    let entry = CaseEntry {
        id: EntryId([0; 32]),
        author: author.agency,
        clock: HybridClock::new(author.millis, u16::MAX),
        basis: complaint.tip(),
        answer: complaint.answer_named_by(act),
        on_path: true,
        crossed_by: None,
        rules: author.charters.newest().rules,
        act,
    };
    allowed
        .and_then(|()| match act {
            // The new entry descends from every entry that is here.
            CaseAct::Replied(reply) => complaint.check_word(reply, |_| true),
            _ => Ok(()),
        })
        .and_then(|()| complaint.case().after(entry, complaint.intake()))
        .map(drop)
        .map_err(|reason| no_effect(complaint, reason))
}

/// The end of the case, with the entry that makes its cause true.
pub(super) fn close(complaint: &Complaint, cause: i32, author: Author<'_>) -> Result<CaseAct, Declined> {
    let (case, rules) = (complaint.case(), author.charters.newest().rules);
    let name = || complaint.id().short();
    if author.agency != complaint.intake() {
        return Err(no_effect(complaint, NoEffect::NotIntake { intake: complaint.intake().clone() }));
    }
    let ground = match CloseCause::try_from(cause) {
        Ok(CloseCause::Reply) => Some(case.citizens_word.ok_or_else(|| Declined::NoReply { complaint: name() })?),
        Ok(CloseCause::Silence) => {
            let silence_ends = case.answer.map(|(_, millis)| millis.saturating_add(rules.silence_millis()));
            let not_silent = |since: String| Declined::NotSilent {
                complaint: name(),
                version: author.charters.newest().version,
                working_days: rules.silence_working_days,
                since,
            };
            match (case.answer, silence_ends) {
                (Some((answer, _)), Some(ends)) if author.millis >= ends => Some(answer),
                (_, Some(ends)) => return Err(not_silent(format!("that is over at {}", time(ends)))),
                _ => return Err(not_silent("the citizen has replied to the last one".to_owned())),
            }
        }
        _ => None,
    };
    Ok(CaseAct::Closed { cause, ground })
}

/// The second signature under the named proposal, or under the only one that this agency may approve.
pub(super) fn approval(complaint: &Complaint, named: Option<EntryId>, author: Author<'_>) -> Result<CaseAct, Declined> {
    let archive = complaint.case().archive_proposal.map(|open| open.entry);
    let archive = archive.into_iter().map(|proposal| (proposal, CaseAct::ArchiveApproved { proposal }));
    let erase = complaint
        .erase_proposals()
        .into_iter()
        .map(|proposal| (proposal, CaseAct::Erased { proposal, ground: ground_of(complaint, &proposal) }));
    let is_meant = |proposal: &EntryId| named.is_none_or(|named| named == *proposal);
    let open: Vec<CaseAct> =
        archive.chain(erase).filter(|(proposal, _)| is_meant(proposal)).map(|(_, act)| act).collect();
    let mine = |act: &&CaseAct| check(complaint, act, author).is_ok();
    match (&open[..], &open.iter().filter(mine).collect::<Vec<_>>()[..]) {
        (_, [one]) => Ok((*one).clone()),
        ([], _) => Err(no_proposal(complaint)),
        // The agency may approve none of them. The reason for the first says more than "there is no proposal".
        ([first, ..], []) => Ok(first.clone()),
        _ => {
            let problem = "several proposals are open: name the one to approve by its entry".to_owned();
            Err(Declined::Proposal { complaint: complaint.id().short(), problem })
        }
    }
}

fn ground_of(complaint: &Complaint, proposal: &EntryId) -> i32 {
    match complaint.entry(proposal).map(|known| &known.body) {
        Some(Body::Case { act: CaseAct::EraseProposed { ground, .. }, .. }) => *ground,
        _ => 0,
    }
}

pub(super) fn archive_refusal(complaint: &Complaint) -> Result<CaseAct, Declined> {
    let open = complaint.case().archive_proposal.ok_or_else(|| no_proposal(complaint))?;
    Ok(CaseAct::ArchiveRefused { proposal: open.entry })
}

pub(super) fn erasure(complaint: &Complaint, ground: i32, entries: &[EntryId]) -> Result<CaseAct, Declined> {
    match entries.iter().find(|entry| !complaint.contains(entry)) {
        Some(entry) => Err(Declined::NoSuchEntry { entry: *entry }),
        None => Ok(CaseAct::EraseProposed { ground, entries: entries.to_vec() }),
    }
}

pub(super) fn link(complaint: &Complaint, duplicate_of: ComplaintId) -> Result<CaseAct, Declined> {
    if duplicate_of == complaint.id() {
        return Err(no_effect(complaint, NoEffect::DuplicateOfItself));
    }
    Ok(CaseAct::Linked { duplicate_of })
}

pub(super) fn disclosure(
    complaint: &Complaint,
    entry: Option<EntryId>,
    commitment: u32,
    to: &AgencyId,
    author: Author<'_>,
) -> Result<CaseAct, Declined> {
    let entry = entry.unwrap_or_else(|| complaint.lodged_entry());
    let known = complaint.entry(&entry).ok_or(Declined::NoSuchEntry { entry })?;
    let Some(committed) = known.commitments.get(commitment as usize) else {
        return Err(Declined::NoSuchContent { number: commitment, contents: known.commitments.len() });
    };
    if committed.class == ContentClass::Identity && author.agency != complaint.intake() {
        return Err(no_effect(complaint, NoEffect::IdentityOfIntake { intake: complaint.intake().clone() }));
    }
    Ok(CaseAct::Disclosed { entry, commitment, to: to.clone() })
}

fn no_proposal(complaint: &Complaint) -> Declined {
    let problem = "no such proposal to archive or to erase is open".to_owned();
    Declined::Proposal { complaint: complaint.id().short(), problem }
}
