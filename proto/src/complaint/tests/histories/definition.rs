//! The definitions of path, case, participants and custody, computed from the whole set of entries at once.
//!
//! The fold computes the same step by step. Its random histories are checked against these definitions.

use super::*;
use crate::charter::MemberStatus;
use crate::complaint::known_entry::Judged;
use crate::complaint::{KnownEntry, Phase};
use crate::fixture::DAY;

/// Checks path, case and participants against their definitions, which are computed here from the whole set and not step by step.
pub(super) fn check_by_definition(complaint: &Complaint) {
    let act = |id: &EntryId| {
        let known = complaint.entry(id).expect("here");
        let Body::Custody { basis, act } = &known.body else { return None };
        let rank = match act {
            CustodyAct::Reassigned { .. } => 1,
            CustodyAct::Accepted | CustodyAct::Returned { .. } => 2,
            CustodyAct::Withdrawn => 3,
            CustodyAct::Forwarded { .. } => 4,
        };
        Some((*basis, (!is_witnessed(complaint, id), rank, known.author.clone(), known.place, *id)))
    };
    let effective: Vec<EntryId> =
        complaint.timeline().filter(|(_, known)| known.custody().is_some()).map(|(id, _)| id).collect();
    // Parents come before their children in the timeline.
    let mut below: BTreeMap<EntryId, BTreeSet<EntryId>> = BTreeMap::new();
    for (id, known) in complaint.timeline() {
        let mut ancestors: BTreeSet<EntryId> = known.parents.iter().copied().collect();
        ancestors.extend(known.parents.iter().flat_map(|parent| &below[parent]));
        let basis = known.body.basis().filter(|basis| effective.contains(basis));
        let acts_on_basis = |other: &EntryId| basis.is_some() && act(other).map(|(basis, _)| basis) == basis;
        let knew_other_act = effective.iter().any(|other| ancestors.contains(other) && acts_on_basis(other));
        let judged_so = complaint.standing(&id) == Some(Standing::WithoutEffect(NoEffect::BasisActedOn));
        assert_eq!(judged_so, knew_other_act, "{id:?}");
        below.insert(id, ancestors);
    }
    let mut path = vec![*effective.first().expect("Lodged")];
    loop {
        let at = path[path.len() - 1];
        let children =
            effective.iter().filter_map(|id| act(id).filter(|(basis, _)| *basis == at).map(|(_, order)| order));
        match children.min() {
            Some((.., child)) => path.push(child),
            None => break,
        }
    }
    assert_eq!(complaint.tip(), path[path.len() - 1]);
    for id in &effective {
        let on_path = path.contains(id);
        assert_eq!(complaint.standing(id) == Some(Standing::Effective), on_path, "{id:?}");
        if let Some(Standing::Superseded { by }) = complaint.standing(id) {
            assert!(path.contains(&by));
        }
    }
    let offers = path.iter().filter_map(|id| complaint.entry(id)?.custody()?.offer.as_ref()).map(|offer| offer.entry);
    let open: Vec<EntryId> = offers.filter(|offer| path.last() == Some(offer)).collect();
    assert_eq!(open.first().copied(), complaint.custody().offer.as_ref().map(|offer| offer.entry));

    check_case(complaint, &path);
    let mut participants = BTreeSet::from([complaint.intake().clone()]);
    participants.extend(effective.iter().filter_map(|id| match &complaint.entry(id)?.body {
        Body::Custody { act, .. } => act.offers_to().cloned(),
        _ => None,
    }));
    assert_eq!(complaint.participants(), &participants);
}

/// Checks the case against its definition: which work has effect and which closing is true, from the whole set and the whole path.
fn check_case(complaint: &Complaint, path: &[EntryId]) {
    let mut case = CaseState::new(complaint.lodged());
    let mut talk = Talk::default();
    for (id, known) in complaint.timeline() {
        let (Body::Case { basis, act }, Judged::Case) = (&known.body, &known.judged) else { continue };
        let standing = complaint.standing(&id).expect("here");
        let reason = match act {
            act if needs_custody(act) => why_no_work(complaint, path, id, basis),
            CaseAct::Closed { cause, ground } => talk.why_not_closed(case.phase, *cause, *ground, known, complaint),
            CaseAct::Replied(reply) if reply.signature.is_some() => talk.why_not_heard(reply, complaint),
            _ => None,
        };
        if let Some(reason) = reason {
            assert_eq!(standing, Standing::WithoutEffect(reason), "{id:?}");
            continue;
        }
        let (clock, on_path) = (known.clock, path.contains(basis));
        let (author, basis, rules) = (&known.author, *basis, known.charter.rules);
        let answer = answer_of(complaint, act);
        let entry = CaseEntry { id, author, clock, basis, answer, on_path, crossed_by: None, rules, act };
        let before = case.clone();
        match case.after(entry, complaint.intake()) {
            Ok(after) => case = after,
            Err(reason) => {
                let settled_by_rules_above = matches!(act, CaseAct::Closed { .. });
                assert!(!settled_by_rules_above, "{id:?}: {reason}");
                assert_eq!(standing, Standing::WithoutEffect(reason), "{id:?}");
                continue;
            }
        }
        // The first escalation of a deadline counts. The notices are checked elsewhere, and do not change the case.
        let is_escalation = matches!(act, CaseAct::Escalated { .. });
        assert!(is_escalation || standing == Standing::Effective, "{id:?}: {standing:?}");
        talk.goes_on(&before, complaint, id, known, act);
    }
    assert_eq!(complaint.case(), &case);
    assert_eq!(case.answer.map(|(answer, _)| answer), talk.answer_without_reply());
    assert_eq!(case.citizens_word, talk.word(complaint));
    assert_eq!(case.self_closed, talk.closed_by_own_word);
}

/// The answer that a reply names, with its clock.
fn answer_of(complaint: &Complaint, act: &CaseAct) -> Option<(HybridClock, EntryId)> {
    let answer = act.answer()?;
    complaint.entry(&answer).map(|known| (known.clock, answer))
}

/// Whether a receipt in the complaint shows that a witness had the act within an hour of its clock.
fn is_witnessed(complaint: &Complaint, id: &EntryId) -> bool {
    let act = complaint.entry(id).expect("here");
    let Some(basis) = act.body.basis().and_then(|basis| complaint.entry(&basis)) else { return false };
    let Some(CustodyState { holder, offer }) = basis.custody() else { return false };
    assert!(basis.charter.members().all(|member| member.status != MemberStatus::Retired), "none has left");
    let mut witnesses: BTreeSet<&AgencyId> = BTreeSet::from([holder]);
    let parties = [Some(holder), offer.as_ref().map(|offer| &offer.to)].into_iter().flatten();
    witnesses.extend(parties.filter_map(|party| basis.charter.parent(party)));
    witnesses.extend(basis.charter.mediator.as_ref());
    witnesses.extend(basis.charter.members().filter(|member| member.oversight).map(|member| &member.id));
    witnesses.remove(&act.author);
    complaint.timeline().any(|(_, known)| match &known.body {
        Body::Proven(proven) => {
            let (seen, dated) = (proven.seconds * 1000, act.clock.millis());
            let is_newer = proven.charter_version >= act.charter.version;
            proven.entry == *id
                && is_newer
                && witnesses.contains(&proven.receiver)
                && seen.abs_diff(dated) <= 60 * MINUTE
        }
        _ => false,
    })
}

/// Work, and the second signature under a proposal to archive.
fn needs_custody(act: &CaseAct) -> bool {
    matches!(
        act,
        CaseAct::Verified { .. }
            | CaseAct::Progressed { .. }
            | CaseAct::Responded
            | CaseAct::Resolved { .. }
            | CaseAct::ArchiveProposed { .. }
            | CaseAct::Linked { .. }
            | CaseAct::ArchiveApproved { .. }
            | CaseAct::ArchiveRefused { .. }
    )
}

/// Work counts if its basis is on the path, and the next acceptance on the path has it among all its ancestors.
fn why_no_work(complaint: &Complaint, path: &[EntryId], id: EntryId, basis: &EntryId) -> Option<NoEffect> {
    let Some(place) = path.iter().position(|on_path| on_path == basis) else {
        return Some(NoEffect::BasisSuperseded);
    };
    let is_accepted = |id: &&EntryId| {
        let body = &complaint.entry(id).expect("here").body;
        matches!(body, Body::Custody { act: CustodyAct::Accepted, .. })
    };
    let by = *path.iter().skip(place + 1).find(is_accepted)?;
    (!complaint.ancestors(&[by]).contains(&id)).then_some(NoEffect::Crossed { by })
}

/// What the holder and the citizen said, in the order of the timeline.
#[derive(Default)]
struct Talk {
    said: Vec<Said>,
    closed_by_own_word: bool,
}

enum Said {
    Answer {
        entry: EntryId,
        millis: u64,
    },
    /// The citizen's signed word. It is satisfied with this answer, if there is one.
    Word {
        entry: EntryId,
        number: u64,
        satisfied_with: Option<(HybridClock, EntryId)>,
    },
    Reopening {
        at: (HybridClock, EntryId),
    },
    Note,
}

impl Talk {
    fn goes_on(&mut self, before: &CaseState, complaint: &Complaint, id: EntryId, known: &KnownEntry, act: &CaseAct) {
        let ended = matches!(before.phase, Phase::Closed | Phase::Archived);
        let resolved_it = before.phase == Phase::Resolved && before.resolved_by.as_ref() == Some(&known.author);
        match act {
            CaseAct::Resolved { .. } if !ended => self.answered(id, known),
            CaseAct::Responded if !ended && !resolved_it => self.answered(id, known),
            CaseAct::Replied(reply) => {
                let number = reply.word.number;
                let satisfied_with = answer_of(complaint, act).filter(|_| reply.word.says == ReplyWord::Satisfied);
                self.said.push(match reply.signature {
                    Some(_) => Said::Word { entry: id, number, satisfied_with },
                    None => Said::Note,
                });
                if reply.word.says == ReplyWord::Dissatisfied {
                    self.said.push(Said::Reopening { at: (known.clock, id) });
                    self.closed_by_own_word = false;
                }
            }
            CaseAct::Closed { cause, .. } => self.closed_by_own_word = *cause == i32::from(CloseCause::OwnWord),
            _ => {}
        }
    }

    fn answered(&mut self, entry: EntryId, known: &KnownEntry) {
        self.said.push(Said::Answer { entry, millis: known.clock.millis() });
    }

    /// The last thing that was said, if it is an answer.
    fn answer_without_reply(&self) -> Option<EntryId> {
        match self.said.last() {
            Some(Said::Answer { entry, .. }) => Some(*entry),
            _ => None,
        }
    }

    /// The last satisfied word on an answer after which nobody answered, and nobody reopened the case.
    fn word(&self, complaint: &Complaint) -> Option<EntryId> {
        self.said.iter().rev().find_map(|said| match said {
            Said::Word { entry, satisfied_with: Some(answer), .. } => self.is_last(answer, complaint).then_some(*entry),
            _ => None,
        })
    }

    fn is_last(&self, answer: &(HybridClock, EntryId), complaint: &Complaint) -> bool {
        self.said.iter().all(|said| match said {
            Said::Answer { entry, .. } => (complaint.entry(entry).expect("here").clock, *entry) <= *answer,
            Said::Reopening { at } => at < answer,
            Said::Word { .. } | Said::Note => true,
        })
    }

    /// Why a signed word has no effect: one with its number or a higher one was heard before. The fold has checked its signature already.
    fn why_not_heard(&self, reply: &Reply, complaint: &Complaint) -> Option<NoEffect> {
        let key = complaint.lodged().citizen_key.expect("a key, or no signed word passes");
        assert!(reply.verifies(&complaint.id(), &key));
        let heard = |said: &Said| if let Said::Word { number, .. } = said { *number } else { 0 };
        let (number, highest) = (reply.word.number, self.said.iter().map(heard).max().unwrap_or_default());
        (number <= highest).then_some(NoEffect::NotHeard(NotHeard::Outdated { number, highest }))
    }

    fn why_not_closed(
        &self,
        phase: Phase,
        cause: i32,
        ground: Option<EntryId>,
        known: &KnownEntry,
        complaint: &Complaint,
    ) -> Option<NoEffect> {
        if matches!(phase, Phase::Closed | Phase::Archived) {
            return Some(NoEffect::CaseEnded { phase });
        }
        let silence = u64::from(known.charter.rules.silence_working_days) * DAY;
        let is_true = match (cause, self.said.last(), ground) {
            (1, _, Some(ground)) => self.word(complaint) == Some(ground),
            (2, Some(Said::Answer { entry, millis }), Some(ground)) => {
                matches!(phase, Phase::Responded | Phase::Resolved)
                    && *entry == ground
                    && known.clock.millis().checked_sub(*millis).is_some_and(|since| since >= silence)
            }
            (3, _, None) => {
                let turn = |said: &&Said| matches!(said, Said::Answer { .. } | Said::Reopening { .. });
                !matches!(self.said.iter().rev().find(turn), Some(Said::Reopening { .. }))
            }
            _ => false,
        };
        (!is_true).then_some(NoEffect::UntrueCause)
    }
}

/// Checks the path: an agency gets custody only by accepting an offer of the holder or of the holder's supervisor, and only holder, addressee
/// and supervisor move custody. Hostile clocks, parents and bases make no difference.
pub(super) fn check_that_only_the_entitled_moved_custody(complaint: &Complaint, federation: &Federation) {
    let (mut holder, mut offered_to) = (complaint.intake().clone(), None);
    for (id, known) in complaint.path().skip(1) {
        let Body::Custody { act, .. } = &known.body else { panic!("{id:?} is no custody entry") };
        let author = &known.author;
        match act {
            CustodyAct::Forwarded { to, .. } => {
                assert_eq!((author, &offered_to), (&holder, &None), "{id:?}");
                offered_to = Some(to.clone());
            }
            CustodyAct::Reassigned { to, .. } => {
                assert!(federation.charter().supervises(author, &holder), "{author} reassigned what {holder} held");
                offered_to = Some(to.clone());
            }
            CustodyAct::Accepted => {
                assert_eq!(Some(author), offered_to.as_ref(), "{id:?}");
                (holder, offered_to) = (author.clone(), None);
            }
            CustodyAct::Returned { .. } => {
                assert_eq!(Some(author), offered_to.as_ref(), "{id:?}");
                offered_to = None;
            }
            CustodyAct::Withdrawn => {
                assert_eq!((author, offered_to.is_some()), (&holder, true), "{id:?}");
                offered_to = None;
            }
        }
    }
    assert_eq!(complaint.custody().holder, holder);
}
