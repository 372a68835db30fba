//! Commands on the case.

use super::{Author, Declined, actor, code, parse_agency};
use crate::complaint::{CaseEntry, Complaint, NoEffect};
use crate::content::reply_code_hash;
use crate::entry::{CaseAct, ContentClass, clip};
use crate::ids::{ComplaintId, EntryId};
use crate::limits;
use crate::wire::{self, CloseCause, act_request::Act, entry::Body as Wire};

pub(super) fn decide_case(complaint: &Complaint, act: &Act, author: Author<'_>) -> Result<Wire, Declined> {
    let basis = complaint.tip().0.to_vec();
    let (case, body) = match act {
        Act::Recall(_) => (CaseAct::Recalled, Wire::Recalled(wire::Recalled { basis })),
        Act::Verify(verify) => {
            check_code("category", &verify.category, limits::CATEGORY_BYTES)?;
            let (category, priority, handling) = (verify.category.clone(), verify.priority, verify.handling);
            let class = complaint.lodged().class.to_wire().into();
            let body = wire::Verified { basis, category: category.clone(), priority, class, handling };
            (CaseAct::Verified { category, priority, handling }, Wire::Verified(body))
        }
        Act::Progress(progress) => {
            let state = code("state", progress.state)?;
            (CaseAct::Progressed { state }, Wire::Progressed(wire::Progressed { basis, state }))
        }
        Act::Respond(_) => (CaseAct::Responded, Wire::Responded(wire::Responded { basis })),
        Act::Resolve(resolve) => {
            let outcome = code("outcome", resolve.outcome)?;
            (CaseAct::Resolved { outcome }, Wire::Resolved(wire::Resolved { basis, outcome }))
        }
        Act::Reply(reply) => decide_reply(complaint, reply, basis)?,
        Act::Close(close) => decide_close(complaint, *close, basis, author)?,
        Act::Archive(archive) => {
            let reason = code("reason", archive.reason)?;
            (CaseAct::ArchiveProposed { reason }, Wire::ArchiveProposed(wire::ArchiveProposed { basis, reason }))
        }
        Act::Approve(approve) => decide_approval(complaint, approve, basis, author)?,
        Act::RefuseArchive(_) => {
            let proposal =
                complaint.case().archive_proposal.map(|open| open.entry).ok_or_else(|| no_proposal(complaint))?;
            let body = wire::ArchiveRefused { basis, proposal: proposal.0.to_vec() };
            (CaseAct::ArchiveRefused { proposal }, Wire::ArchiveRefused(body))
        }
        Act::Erase(erase) => decide_erasure(complaint, erase, basis)?,
        Act::Link(link) => {
            let duplicate_of: ComplaintId = link.duplicate_of.parse().map_err(|_| Declined::Field {
                field: "duplicate-of",
                value: clip(&link.duplicate_of),
                problem: "is no complaint id".to_owned(),
            })?;
            if duplicate_of == complaint.id() {
                return Err(no_effect(complaint, NoEffect::DuplicateOfItself));
            }
            let body = wire::Linked { basis, duplicate_of: duplicate_of.0.to_vec() };
            (CaseAct::Linked { duplicate_of }, Wire::Linked(body))
        }
        Act::Disclose(disclose) => decide_disclosure(complaint, disclose, basis, author)?,
        Act::Remark(_) => (CaseAct::Remarked, Wire::Remarked(wire::Remarked { basis })),
        Act::Forward(_) | Act::Reassign(_) | Act::Accept(_) | Act::Return(_) | Act::Withdraw(_) => {
            unreachable!("a custody act")
        }
    };
    check_case(complaint, &case, author)?;
    Ok(body)
}

/// The rules of the fold, for an entry that is the newest and was made under the custody that counts.
fn check_case(complaint: &Complaint, act: &CaseAct, author: Author<'_>) -> Result<(), Declined> {
    let (agency, millis, basis) = (author.agency, author.millis, complaint.tip());
    let allowed = complaint.custody().allows(act, complaint.intake(), actor(author));
    let entry = CaseEntry { id: EntryId([0; 32]), author: agency, millis, basis, on_path: true, act };
    allowed
        .and_then(|()| complaint.case().after(entry, complaint.intake(), complaint.lodged()))
        .map(drop)
        .map_err(|reason| no_effect(complaint, reason))
}

fn decide_reply(complaint: &Complaint, reply: &wire::Reply, basis: Vec<u8>) -> Result<(CaseAct, Wire), Declined> {
    let word = code("word", reply.word)?;
    let right = reply_code_hash(&reply.reply_code) == complaint.lodged().reply_code_hash;
    if !reply.reply_code.is_empty() && !right {
        return Err(Declined::WrongReplyCode { complaint: complaint.id().short() });
    }
    check_code("reply code", &reply.reply_code, limits::REPLY_CODE_BYTES)?;
    let case = CaseAct::Replied { word: reply.word(), reply_code: reply.reply_code.clone() };
    Ok((case, Wire::Replied(wire::Replied { basis, word, reply_code: reply.reply_code.clone() })))
}

fn decide_close(
    complaint: &Complaint,
    close: wire::Close,
    basis: Vec<u8>,
    author: Author<'_>,
) -> Result<(CaseAct, Wire), Declined> {
    let (cause, silence_working_days) = (code("cause", close.cause)?, close.silence_working_days);
    let silent = complaint.case().silence_lasted(silence_working_days, author.millis);
    if close.cause() == CloseCause::Silence && !silent {
        let since = match complaint.case().answered_at.and_then(|millis| i64::try_from(millis).ok()) {
            Some(millis) => jiff::Timestamp::from_millisecond(millis)
                .map_or_else(|_| String::new(), |t| format!("that was given at {t}")),
            None => "the citizen has replied to it".to_owned(),
        };
        return Err(Declined::NotSilent {
            complaint: complaint.id().short(),
            working_days: silence_working_days,
            since,
        });
    }
    Ok((
        CaseAct::Closed { cause, silence_working_days },
        Wire::Closed(wire::Closed { basis, cause, silence_working_days }),
    ))
}

/// The second signature: to the proposal that is named, or to the only one that this agency may approve.
fn decide_approval(
    complaint: &Complaint,
    approve: &wire::Approve,
    basis: Vec<u8>,
    author: Author<'_>,
) -> Result<(CaseAct, Wire), Declined> {
    let archive = complaint.case().archive_proposal.map(|open| open.entry);
    let archive = archive.into_iter().map(|proposal| CaseAct::ArchiveApproved { proposal });
    let erase = complaint
        .erase_proposals()
        .into_iter()
        .map(|proposal| CaseAct::Erased { proposal, ground: ground_of(complaint, &proposal) });
    let named =
        |act: &CaseAct| approve.proposal.is_empty() || proposal_of(act).is_some_and(|id| id.0[..] == *approve.proposal);
    let open: Vec<CaseAct> = archive.chain(erase).filter(named).collect();
    let mine = |act: &&CaseAct| check_case(complaint, act, author).is_ok();
    let act = match (&open[..], &open.iter().filter(mine).collect::<Vec<_>>()[..]) {
        (_, [one]) => (*one).clone(),
        ([], _) => return Err(no_proposal(complaint)),
        // What stands in the way of the first says more than that there is none.
        ([first, ..], []) => first.clone(),
        _ => {
            let problem = "several proposals are open: name the one to approve by its entry".to_owned();
            return Err(Declined::Proposal { complaint: complaint.id().short(), problem });
        }
    };
    let body = match &act {
        CaseAct::Erased { proposal, ground } => {
            Wire::Erased(wire::Erased { basis, proposal: proposal.0.to_vec(), ground: *ground })
        }
        _ => {
            let proposal = proposal_of(&act).map(|id| id.0.to_vec()).unwrap_or_default();
            Wire::ArchiveApproved(wire::ArchiveApproved { basis, proposal })
        }
    };
    Ok((act, body))
}

fn proposal_of(act: &CaseAct) -> Option<&EntryId> {
    match act {
        CaseAct::ArchiveApproved { proposal } | CaseAct::Erased { proposal, .. } => Some(proposal),
        _ => None,
    }
}

fn ground_of(complaint: &Complaint, proposal: &EntryId) -> i32 {
    use crate::entry::Body;
    match complaint.entry(proposal).map(|known| &known.body) {
        Some(Body::Case { act: CaseAct::EraseProposed { ground, .. }, .. }) => *ground,
        _ => 0,
    }
}

fn decide_erasure(complaint: &Complaint, erase: &wire::Erase, basis: Vec<u8>) -> Result<(CaseAct, Wire), Declined> {
    let ground = code("ground", erase.ground)?;
    let mut entries = Vec::with_capacity(erase.entries.len());
    for bytes in &erase.entries {
        entries.push(entry_of(complaint, "entry", bytes)?);
    }
    let body = wire::EraseProposed { basis, ground, entries: erase.entries.clone() };
    Ok((CaseAct::EraseProposed { ground, entries }, Wire::EraseProposed(body)))
}

fn decide_disclosure(
    complaint: &Complaint,
    disclose: &wire::Disclose,
    basis: Vec<u8>,
    author: Author<'_>,
) -> Result<(CaseAct, Wire), Declined> {
    let entry = match disclose.entry.as_slice() {
        [] => complaint.lodged_entry(),
        bytes => entry_of(complaint, "entry", bytes)?,
    };
    let commitments = complaint.entry(&entry).map(|known| known.commitments.as_slice()).unwrap_or_default();
    let Some(commitment) = commitments.get(disclose.commitment as usize) else {
        let problem = format!("the entry has {} contents, counted from 0", commitments.len());
        return Err(Declined::Field { field: "content", value: disclose.commitment.to_string(), problem });
    };
    if commitment.class == ContentClass::Identity && author.agency != complaint.intake() {
        return Err(no_effect(complaint, NoEffect::IdentityOfIntake { intake: complaint.intake().clone() }));
    }
    let to = parse_agency("to", &disclose.to)?;
    let (commitment, named) = (disclose.commitment, entry.0.to_vec());
    let body = wire::Disclosed { basis, entry: named, commitment, to: disclose.to.clone() };
    Ok((CaseAct::Disclosed { entry, commitment, to }, Wire::Disclosed(body)))
}

/// An entry of the complaint.
fn entry_of(complaint: &Complaint, field: &'static str, bytes: &[u8]) -> Result<EntryId, Declined> {
    EntryId::from_slice(bytes).filter(|id| complaint.contains(id)).ok_or_else(|| Declined::Field {
        field,
        value: data_encoding::HEXLOWER.encode(&bytes[..bytes.len().min(32)]),
        problem: "is no entry of the complaint here".to_owned(),
    })
}

fn no_proposal(complaint: &Complaint) -> Declined {
    let problem = "there is no such open proposal to archive or to erase".to_owned();
    Declined::Proposal { complaint: complaint.id().short(), problem }
}

fn no_effect(complaint: &Complaint, reason: NoEffect) -> Declined {
    Declined::NoEffect { complaint: complaint.id().short(), reason }
}

/// The bounds of a code in an entry: a node that signed more would be refused by every other.
fn check_code(field: &'static str, text: &str, bytes: usize) -> Result<(), Declined> {
    crate::entry::bounded(field, text, bytes).map_err(|_| Declined::Field {
        field,
        value: crate::entry::clip(text),
        problem: format!("must be at most {bytes} bytes, without control characters"),
    })
}
