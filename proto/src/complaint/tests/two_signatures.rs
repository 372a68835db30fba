//! Archiving and erasing need two signatures.

use super::{MARGIN, answer_by, offered, without_effect};
use crate::base::ids::EntryId;
use crate::complaint::{NoEffect, Phase, Standing};
use crate::fixture::{ANSWER_WITHIN, Case, DAY, Federation, MINUTE, REPLY_CODE, Writing, agency};
use crate::wire::{self, ReplyWord, entry::Body as Wire};

fn proposes_archive(federation: &Federation, case: &Case<'_>, by: &str) -> Writing {
    federation.node(by).says(case, Wire::ArchiveProposed(wire::ArchiveProposed { reason: 1, ..Default::default() }))
}

fn approves_archive(federation: &Federation, case: &Case<'_>, by: &str, proposal: EntryId) -> Writing {
    let proposal = proposal.0.to_vec();
    federation.node(by).says(case, Wire::ArchiveApproved(wire::ArchiveApproved { proposal, ..Default::default() }))
}

fn refuses_archive(federation: &Federation, case: &Case<'_>, by: &str, proposal: EntryId) -> Writing {
    let proposal = proposal.0.to_vec();
    federation.node(by).says(case, Wire::ArchiveRefused(wire::ArchiveRefused { proposal, ..Default::default() }))
}

fn proposes_erasure(federation: &Federation, case: &Case<'_>, by: &str, entries: &[EntryId]) -> Writing {
    let entries = entries.iter().map(|id| id.0.to_vec()).collect();
    federation
        .node(by)
        .says(case, Wire::EraseProposed(wire::EraseProposed { ground: 1, entries, ..Default::default() }))
}

fn erases(federation: &Federation, case: &Case<'_>, by: &str, proposal: EntryId) -> Writing {
    let proposal = proposal.0.to_vec();
    federation.node(by).says(case, Wire::Erased(wire::Erased { proposal, ground: 1, ..Default::default() }))
}

#[test]
fn a_complaint_is_archived_when_the_intake_agency_agrees_with_the_holder() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kominfo");
    let proposal = case.take(proposes_archive(&federation, &case, "kominfo"));
    assert_eq!(case.complaint.case().phase, Phase::Received, "one signature changes nothing");
    case.take(approves_archive(&federation, &case, "ombudsman", proposal));
    assert_eq!((case.complaint.case().phase, case.holder()), (Phase::Archived, "kominfo"));
}

#[test]
fn only_the_holder_proposes_to_archive_and_nobody_approves_its_own_proposal() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("kota-bandung", "kominfo");
    let by_intake = proposes_archive(&federation, &case, "kota-bandung");
    assert_eq!(without_effect(&mut case, by_intake), NoEffect::NotHolder { holder: agency("kominfo") });
    let proposal = case.take(proposes_archive(&federation, &case, "kominfo"));
    for other in ["kominfo", "prov-jabar", "ombudsman"] {
        let approves = approves_archive(&federation, &case, other, proposal);
        assert_eq!(without_effect(&mut case, approves), NoEffect::NotIntake { intake: agency("kota-bandung") });
    }
}

#[test]
fn a_holder_that_is_the_intake_agency_needs_its_supervisor() {
    let federation = Federation::new();
    let mut case = federation.case_at("kota-bandung");
    let proposal = case.take(proposes_archive(&federation, &case, "kota-bandung"));
    for other in ["kota-bandung", "ombudsman"] {
        let approves = approves_archive(&federation, &case, other, proposal);
        assert_eq!(without_effect(&mut case, approves), NoEffect::NotSupervisor { agency: agency("kota-bandung") });
    }
    case.take(approves_archive(&federation, &case, "prov-jabar", proposal));
    assert_eq!(case.complaint.case().phase, Phase::Archived);

    let mut top = federation.case_at("kominfo");
    let proposal = top.take(proposes_archive(&federation, &top, "kominfo"));
    top.take(approves_archive(&federation, &top, "ksp", proposal));
    assert_eq!(top.complaint.case().phase, Phase::Archived, "oversight stands in for a supervisor that is not there");

    let mut oversight = federation.case_at("ombudsman");
    let proposal = oversight.take(proposes_archive(&federation, &oversight, "ombudsman"));
    let own = approves_archive(&federation, &oversight, "ombudsman", proposal);
    let not_itself = NoEffect::NotSupervisor { agency: agency("ombudsman") };
    assert_eq!(without_effect(&mut oversight, own), not_itself);
}

#[test]
fn a_refused_proposal_is_settled_and_may_be_made_again() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kominfo");
    let first = case.take(proposes_archive(&federation, &case, "kominfo"));
    case.take(refuses_archive(&federation, &case, "ombudsman", first));
    assert_eq!(case.complaint.case().archive_proposal, None);
    let late = approves_archive(&federation, &case, "ombudsman", first);
    assert_eq!(without_effect(&mut case, late), NoEffect::NoProposal);
    let second = case.take(proposes_archive(&federation, &case, "kominfo"));
    case.take(approves_archive(&federation, &case, "ombudsman", second));
    assert_eq!(case.complaint.case().phase, Phase::Archived);
}

#[test]
fn an_agency_that_has_not_seen_the_proposal_cannot_approve_it() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kominfo");
    let before = case.complaint.parents_of_next();
    let proposal = case.take(proposes_archive(&federation, &case, "kominfo"));
    let approves = approves_archive(&federation, &case, "ombudsman", proposal).after(&before);
    assert_eq!(without_effect(&mut case, approves), NoEffect::NoProposal);
}

#[test]
fn a_proposal_lapses_when_custody_moves_on() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kominfo");
    let proposal = case.take(proposes_archive(&federation, &case, "kominfo"));
    case.take(federation.node("kominfo").forwards(&case).to("kemendagri"));
    case.take(federation.node("kemendagri").accepts(&case));
    let approves = approves_archive(&federation, &case, "ombudsman", proposal);
    assert_eq!(without_effect(&mut case, approves), NoEffect::ProposalOutdated);
}

#[test]
fn an_archiving_on_a_superseded_basis_has_no_effect() {
    let federation = Federation::new();
    let (mut case, _) = offered(&federation, "ombudsman", "kominfo");
    let in_time = federation.node("kominfo").accepts(&case).entry();
    case.later(ANSWER_WITHIN + MARGIN);
    case.take(federation.node("ombudsman").withdraws(&case));
    let proposal = case.take(proposes_archive(&federation, &case, "ombudsman"));
    let approval = case.take(approves_archive(&federation, &case, "ksp", proposal));
    assert_eq!(case.complaint.case().phase, Phase::Archived);
    assert!(case.learn(&in_time).path_changed_from.is_some(), "the answer was given in time and came late");
    assert_eq!((case.holder(), case.complaint.case().phase), ("kominfo", Phase::Received));
    for signature in [proposal, approval] {
        assert_eq!(case.standing(signature), Standing::WithoutEffect(NoEffect::BasisSuperseded));
    }
}

#[test]
fn the_citizen_reopens_an_archived_complaint() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ombudsman", "kominfo");
    let proposal = case.take(proposes_archive(&federation, &case, "kominfo"));
    case.take(approves_archive(&federation, &case, "ombudsman", proposal));
    let again = proposes_archive(&federation, &case, "kominfo");
    assert_eq!(without_effect(&mut case, again), NoEffect::CaseEnded { phase: Phase::Archived });
    case.take(federation.node("ombudsman").replies(&case, ReplyWord::Dissatisfied, REPLY_CODE));
    assert_eq!((case.complaint.case().phase, case.holder()), (Phase::Reopened, "kominfo"));
}

#[test]
fn contents_are_erased_when_supervisor_or_oversight_agrees_with_the_intake_agency() {
    let federation = Federation::new();
    for second in ["prov-jabar", "ombudsman"] {
        let mut case = federation.case_held_by("kota-bandung", "kominfo");
        let lodged = case.complaint.lodged_entry();
        let answer = case.take(federation.node("kominfo").responds(&case));
        let proposal = case.take(proposes_erasure(&federation, &case, "kota-bandung", &[]));
        assert!(!case.complaint.has_erasures(), "one signature destroys nothing");
        assert_eq!(case.complaint.erase_proposals(), [proposal].into());
        let erased = case.take(erases(&federation, &case, second, proposal));
        assert!([lodged, answer].iter().all(|id| case.complaint.is_erased(id)));
        assert_eq!(case.complaint.erase_proposals(), [].into());
        assert_eq!(case.standing(erased), Standing::Effective);
        let later = case.take(federation.node("kominfo").responds(&case));
        assert!(!case.complaint.is_erased(&later), "an entry that was written after it is not touched");
    }
}

#[test]
fn nobody_erases_alone() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("kota-bandung", "kominfo");
    let by_holder = proposes_erasure(&federation, &case, "kominfo", &[]);
    assert_eq!(without_effect(&mut case, by_holder), NoEffect::NotIntake { intake: agency("kota-bandung") });
    let proposal = case.take(proposes_erasure(&federation, &case, "kota-bandung", &[]));
    for other in ["kota-bandung", "kominfo"] {
        let erases = erases(&federation, &case, other, proposal);
        assert_eq!(without_effect(&mut case, erases), NoEffect::NotSupervisor { agency: agency("kota-bandung") });
    }
    // An oversight agency that took the complaint in is no second to itself.
    let mut own = federation.case_at("ombudsman");
    let proposal = own.take(proposes_erasure(&federation, &own, "ombudsman", &[]));
    let alone = erases(&federation, &own, "ombudsman", proposal);
    assert_eq!(without_effect(&mut own, alone), NoEffect::NotSupervisor { agency: agency("ombudsman") });
    assert!(!own.complaint.has_erasures());
}

#[test]
fn only_the_named_contents_are_erased_and_copies_of_them() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("kota-bandung", "kominfo");
    let (first, second) =
        (case.take(federation.node("kominfo").responds(&case)), case.take(federation.node("kominfo").responds(&case)));
    let proposal = case.take(proposes_erasure(&federation, &case, "kota-bandung", &[first]));
    case.take(erases(&federation, &case, "prov-jabar", proposal));
    assert!(case.complaint.is_erased(&first) && !case.complaint.is_erased(&second));
}

#[test]
fn an_erasure_is_never_taken_back() {
    let federation = Federation::new();
    let mut case = federation.case_at("kota-bandung");
    let lodged = case.complaint.lodged_entry();
    let concurrent = federation.node("kota-bandung").forwards(&case).to("kominfo").entry();
    let proposal = case.take(proposes_erasure(&federation, &case, "kota-bandung", &[]));
    case.take(erases(&federation, &case, "ombudsman", proposal));
    case.learn(&concurrent);
    case.later(DAY);
    case.take(federation.node("kota-bandung").replies(&case, ReplyWord::Dissatisfied, ""));
    assert!(case.complaint.is_erased(&lodged));
    assert!(case.now < answer_by(&case) + MINUTE);
}
