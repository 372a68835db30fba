//! The later life of a complaint: reopening, silence, escalation, remarks, links, disclosure, and hand-overs that go wrong.

use super::{MARGIN, answer_by, offered, without_effect};
use crate::admission::Verdict;
use crate::base::ids::EntryId;
use crate::base::refusal::RefusalCode;
use crate::charter::MemberStatus;
use crate::complaint::{NoEffect, Phase, Standing};
use crate::entry::ContentClass;
use crate::entry::content::Content;
use crate::fixture::{ANSWER_WITHIN, Case, DAY, Federation, MINUTE, REPLY_CODE, Writing, agency, member_of};
use crate::wire::{self, CloseCause, ReplyWord, entry::Body as Wire};

fn resolved<'f>(federation: &'f Federation) -> Case<'f> {
    let mut case = federation.case_held_by("kota-bandung", "kominfo");
    case.take(federation.node("kominfo").resolves(&case));
    case
}

// Reopening.

#[test]
fn a_closed_complaint_is_reopened_at_the_agency_that_resolved_it() {
    let federation = Federation::new();
    let mut case = resolved(&federation);
    case.take(federation.node("kota-bandung").replies(&case, ReplyWord::Satisfied, REPLY_CODE));
    case.take(federation.node("kota-bandung").closes(&case, CloseCause::Reply));
    assert!(!case.complaint.case().self_closed);
    case.later(30 * DAY);
    let id = case.complaint.id();
    case.take(federation.node("kota-bandung").replies(&case, ReplyWord::Dissatisfied, REPLY_CODE));
    let state = case.complaint.case();
    assert_eq!((state.phase, state.reopened, case.holder()), (Phase::Reopened, 1, "kominfo"));
    assert_eq!(state.resolved_by, Some(agency("kominfo")));
    assert_eq!(case.complaint.id(), id, "it is the same complaint, with its lodging time and its chain");
}

#[test]
fn supervisor_and_oversight_reopen_a_case_closed_without_the_citizen_s_word() {
    let federation = Federation::new();
    for overseer in ["prov-jabar", "ombudsman"] {
        let mut case = resolved(&federation);
        let early = federation.node(overseer).replies(&case, ReplyWord::Dissatisfied, "");
        assert_eq!(without_effect(&mut case, early), NoEffect::NotSelfClosed);
        case.take(federation.node("kota-bandung").closes(&case, CloseCause::OwnWord));
        assert!(case.complaint.case().self_closed);
        let satisfied = federation.node(overseer).replies(&case, ReplyWord::Satisfied, "");
        assert_eq!(without_effect(&mut case, satisfied), NoEffect::NotIntake { intake: agency("kota-bandung") });
        case.take(federation.node(overseer).replies(&case, ReplyWord::Dissatisfied, ""));
        assert_eq!((case.complaint.case().phase, case.holder()), (Phase::Reopened, "kominfo"));
    }
}

#[test]
fn a_case_closed_on_the_citizen_s_word_is_reopened_by_nobody_else() {
    let federation = Federation::new();
    let mut case = resolved(&federation);
    case.take(federation.node("kota-bandung").replies(&case, ReplyWord::Satisfied, REPLY_CODE));
    case.take(federation.node("kota-bandung").closes(&case, CloseCause::Reply));
    let reopens = federation.node("ombudsman").replies(&case, ReplyWord::Dissatisfied, "");
    assert_eq!(without_effect(&mut case, reopens), NoEffect::NotSelfClosed);
}

// Escalation, arrival, remarks, links.

fn escalates(federation: &Federation, case: &Case<'_>, by: &str, deadline: i32, due: u64) -> Writing {
    federation.node(by).says(case, Wire::Escalated(wire::Escalated { deadline, due, ..Default::default() }))
}

#[test]
fn the_first_escalation_of_a_deadline_counts() {
    let federation = Federation::new();
    let (mut case, offer) = offered(&federation, "kota-bandung", "kominfo");
    let due = answer_by(&case);
    let early = escalates(&federation, &case, "prov-jabar", 1, due);
    assert_eq!(without_effect(&mut case, early), NoEffect::NotYetDue { due: due + MARGIN });
    case.later(ANSWER_WITHIN + MARGIN);
    let other = escalates(&federation, &case, "prov-jabar", 1, due - 1);
    assert_eq!(without_effect(&mut case, other), NoEffect::OtherDue { due: due - 1, answer_by: due });
    let before = case.complaint.parents_of_next();
    let second = case.take(escalates(&federation, &case, "kota-bandung", 1, due).at(case.now + 5 * MINUTE));
    assert_eq!(case.standing(second), Standing::Effective);
    let first = case.take(escalates(&federation, &case, "ombudsman", 1, due).after(&before).at(case.now + MINUTE));
    assert_eq!(case.standing(first), Standing::Effective);
    let already = Standing::WithoutEffect(NoEffect::AlreadyEscalated { by: first });
    assert_eq!(case.standing(second), already, "the order of their clocks decides, not that of arrival");
    assert_eq!(case.complaint.escalations().collect::<Vec<_>>(), [(1, offer, first)]);
}

#[test]
fn the_addressee_says_that_an_offer_arrived() {
    let federation = Federation::new();
    let (mut case, offer) = offered(&federation, "kota-bandung", "kominfo");
    let arrived = || Wire::Arrived(wire::Arrived::default());
    let other = federation.node("prov-jabar").says(&case, arrived());
    assert_eq!(without_effect(&mut case, other), NoEffect::NotAddressee { to: agency("kominfo") });
    assert!(!case.complaint.has_arrived(&offer));
    case.take(federation.node("kominfo").says(&case, arrived()));
    assert!(case.complaint.has_arrived(&offer));
    assert_eq!((case.holder(), case.offered_to()), ("kota-bandung", Some("kominfo")));
}

#[test]
fn supervisors_and_oversight_remark_and_nobody_else() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("kota-bandung", "kominfo");
    for overseer in ["prov-jabar", "ombudsman", "ksp"] {
        let remark = case.take(federation.node(overseer).remarks(&case));
        assert_eq!(case.standing(remark), Standing::Effective);
    }
    let own = federation.node("kominfo").remarks(&case);
    assert_eq!(without_effect(&mut case, own), NoEffect::NotOverseer);
}

#[test]
fn a_flood_of_remarks_by_one_member_does_not_block_a_complaint() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("kota-bandung", "kominfo");
    let root = case.complaint.tip();
    for leaf in 0..400 {
        let remark = federation.node("ksp").remarks(&case).after(&[root]).at(case.now + MINUTE).at_leaf(leaf).entry();
        case.complaint.insert(&remark, &federation.charters);
    }
    case.later(2 * MINUTE);
    case.take(federation.node("kominfo").responds(&case));
    case.take(federation.node("kominfo").resolves(&case));
    case.take(federation.node("kota-bandung").replies(&case, ReplyWord::Satisfied, REPLY_CODE));
    case.take(federation.node("kota-bandung").closes(&case, CloseCause::Reply));
    assert_eq!((case.complaint.case().phase, case.complaint.case().self_closed), (Phase::Closed, false));
}

#[test]
fn the_holder_links_a_duplicate_to_the_other_complaint() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("kota-bandung", "kominfo");
    let other = crate::base::ids::ComplaintId([9; 32]);
    let links = |case: &Case<'_>, by: &str, of: crate::base::ids::ComplaintId| {
        federation.node(by).says(case, Wire::Linked(wire::Linked { duplicate_of: of.0.to_vec(), ..Default::default() }))
    };
    let itself = links(&case, "kominfo", case.complaint.id());
    assert_eq!(without_effect(&mut case, itself), NoEffect::DuplicateOfItself);
    let by_intake = links(&case, "kota-bandung", other);
    assert_eq!(without_effect(&mut case, by_intake), NoEffect::NotHolder { holder: agency("kominfo") });
    let link = links(&case, "kominfo", other);
    case.take(link);
    assert_eq!(case.complaint.case().duplicate_of, Some(other));
}

// Disclosure.

fn content(text: &str) -> Content {
    Content { commitment: 0, salt: [5; 32], data: text.as_bytes().to_vec().into() }
}

/// A complaint with a text and a reporter, held by kominfo.
fn with_reporter(federation: &Federation) -> Case<'_> {
    let lodged = federation.node("kota-bandung").lodges();
    let lodged = lodged.committing(&content("Jalan rusak"), ContentClass::Public);
    let lodged = lodged.committing(&content("Budi"), ContentClass::Identity).entry();
    let mut case = Case::lodged(federation, &lodged);
    case.take(federation.node("kota-bandung").forwards(&case).to("kominfo"));
    case.take(federation.node("kominfo").accepts(&case));
    case
}

fn discloses(federation: &Federation, case: &Case<'_>, by: &str, of: (EntryId, u32), to: &str) -> Writing {
    let (entry, commitment) = (of.0.0.to_vec(), of.1);
    let body = wire::Disclosed { entry, commitment, to: to.to_owned(), ..Default::default() };
    federation.node(by).says(case, Wire::Disclosed(body))
}

#[test]
fn the_intake_agency_discloses_the_reporter_and_the_entry_shows_it() {
    let federation = Federation::new();
    let mut case = with_reporter(&federation);
    let identity = (case.complaint.lodged_entry(), 1);
    let by_intake = discloses(&federation, &case, "kota-bandung", identity, "kemendagri");
    let disclosed = case.take(by_intake.committing(&content("Budi"), ContentClass::Identity));
    assert_eq!(case.standing(disclosed), Standing::Effective);
    assert!(case.complaint.readers().disclosed_to.contains(&agency("kemendagri")));
    assert!(!case.complaint.participants().contains(&agency("kemendagri")), "it reads, and holds no part");
}

#[test]
fn a_disclosed_content_is_the_one_that_was_committed_to_first() {
    let federation = Federation::new();
    let mut case = with_reporter(&federation);
    let lodged = case.complaint.lodged_entry();
    let other = discloses(&federation, &case, "kota-bandung", (lodged, 1), "kemendagri");
    let forged = other.clone().committing(&content("Siti"), ContentClass::Identity);
    let weaker = other.clone().committing(&content("Budi"), ContentClass::Public);
    let two = other.clone().committing(&content("Budi"), ContentClass::Identity);
    let two = two.committing(&content("Jalan rusak"), ContentClass::Public);
    let absent = discloses(&federation, &case, "kota-bandung", (lodged, 7), "kemendagri");
    let absent = absent.committing(&content("Budi"), ContentClass::Identity);
    for (leaf, bad) in (0..).zip([other, forged, weaker, two, absent]) {
        assert_eq!(without_effect(&mut case, bad.at_leaf(leaf)), NoEffect::NotDisclosed);
    }
    assert!(case.complaint.readers().disclosed_to.is_empty());
}

#[test]
fn the_holder_discloses_the_text_and_never_the_reporter() {
    let federation = Federation::new();
    let mut case = with_reporter(&federation);
    let lodged = case.complaint.lodged_entry();
    let identity = discloses(&federation, &case, "kominfo", (lodged, 1), "kemendagri");
    let identity = identity.committing(&content("Budi"), ContentClass::Identity);
    assert_eq!(without_effect(&mut case, identity), NoEffect::IdentityOfIntake { intake: agency("kota-bandung") });
    let text = discloses(&federation, &case, "kominfo", (lodged, 0), "kemendagri");
    let text = case.take(text.committing(&content("Jalan rusak"), ContentClass::Public));
    assert_eq!(case.standing(text), Standing::Effective);
    let stranger = discloses(&federation, &case, "ombudsman", (lodged, 0), "kemendagri");
    let stranger = stranger.committing(&content("Jalan rusak"), ContentClass::Public);
    assert_eq!(without_effect(&mut case, stranger), NoEffect::NotHolder { holder: agency("kominfo") });
}

#[test]
fn a_disclosed_copy_is_erased_with_its_original() {
    let federation = Federation::new();
    let mut case = with_reporter(&federation);
    let lodged = case.complaint.lodged_entry();
    let copy = discloses(&federation, &case, "kota-bandung", (lodged, 1), "kemendagri");
    let copy = copy.committing(&content("Budi"), ContentClass::Identity).entry();
    let body = wire::EraseProposed { ground: 1, entries: vec![lodged.0.to_vec()], ..Default::default() };
    let proposal = case.take(federation.node("kota-bandung").says(&case, Wire::EraseProposed(body)));
    let erased = wire::Erased { proposal: proposal.0.to_vec(), ground: 1, ..Default::default() };
    case.take(federation.node("ombudsman").says(&case, Wire::Erased(erased)));
    case.learn(&copy);
    assert!(case.complaint.is_erased(&copy.id), "also one that comes after the erasure");
}

// Hand-overs that go wrong.

#[test]
fn offers_back_and_forth_are_counted() {
    let federation = Federation::new();
    let mut case = federation.case_at("kominfo");
    for (round, addressee) in ["kemendagri", "ksp", "kemendagri"].into_iter().enumerate() {
        case.take(federation.node("kominfo").forwards(&case).to(addressee));
        assert_eq!(case.complaint.offers(), round + 1);
        case.take(federation.node(addressee).returns(&case));
    }
    assert_eq!(federation.charter().rules.offers_before_mediation, 3, "the third offer raises the alarm");
    let strict = Federation::changed(|text| text.rules.offers_before_mediation = Some(2));
    assert_eq!(strict.charter().rules.offers_before_mediation, 2);
}

#[test]
fn an_addressee_that_was_suspended_meanwhile_may_accept_the_offer() {
    let federation = Federation::changed(|text| member_of(text, "kominfo").status = MemberStatus::Suspended);
    let lodged = federation.node("ombudsman").lodges().under_charter(1).entry();
    let mut case = Case::lodged(&federation, &lodged);
    case.take(federation.node("ombudsman").forwards(&case).to("kominfo").under_charter(1));
    let accepts = case.take(federation.node("kominfo").accepts(&case));
    assert_eq!((case.standing(accepts), case.holder()), (Standing::Effective, "kominfo"));
}

#[test]
fn a_recall_that_crosses_an_acceptance_stays_a_wish() {
    let federation = Federation::new();
    let (mut case, offer) = offered(&federation, "ombudsman", "kominfo");
    let recall = federation.node("ombudsman").recalls(&case).entry();
    case.take(federation.node("kominfo").accepts(&case));
    case.learn(&recall);
    assert_eq!((case.holder(), case.offered_to()), ("kominfo", None));
    assert_eq!(case.standing(recall.id), Standing::Effective, "it is shown as the holder's wish");
    assert!(case.complaint.is_recalled(&offer));
}

#[test]
fn a_reassignment_wins_over_the_holder_s_own_forward_that_it_crossed() {
    let federation = Federation::new();
    let case = federation.case_held_by("ombudsman", "kota-bandung");
    let reassigns = federation.node("prov-jabar").reassigns(&case).to("kominfo").entry();
    let forwards = federation.node("kota-bandung").forwards(&case).to("kemendagri").entry();
    for order in [[&reassigns, &forwards], [&forwards, &reassigns]] {
        let mut view = case.clone();
        for entry in order {
            view.learn(entry);
        }
        assert_eq!((view.holder(), view.offered_to()), ("kota-bandung", Some("kominfo")));
        assert_eq!(view.standing(forwards.id), Standing::Superseded { by: reassigns.id });
    }
}

#[test]
fn the_charter_that_an_entry_names_says_who_supervises() {
    let federation = Federation::changed(|text| {
        text.valid_from = "2025-11-24T00:00:00Z".to_owned();
        member_of(text, "kota-bandung").parent = Some(agency("kominfo"));
    });
    let lodged = federation.node("kota-bandung").lodges().under_charter(1).entry();
    let case = Case::lodged(&federation, &lodged);
    let reassigns = |by: &str, version| federation.node(by).reassigns(&case).to("ksp").under_charter(version);
    for (by, version, in_force) in [("prov-jabar", 1, true), ("prov-jabar", 2, false), ("kominfo", 2, true)] {
        let mut view = case.clone();
        let entry = reassigns(by, version).entry();
        if view.judges(&entry) == Verdict::Admit {
            view.learn(&entry);
        }
        assert_eq!(view.complaint.custody().offer.is_some(), in_force, "{by} under charter {version}");
    }
    // An author that has seen an entry under the new charter cannot go back to the old one.
    let mut view = case.clone();
    view.take(federation.node("kota-bandung").progresses(&view));
    let back = federation.node("prov-jabar").reassigns(&view).to("ksp").under_charter(1).entry();
    assert!(matches!(view.judges(&back), Verdict::Refuse(refusal) if refusal.code == RefusalCode::OlderCharter));
}

#[test]
fn of_two_honest_acceptances_one_wins_on_every_node_and_only_its_work_has_effect() {
    let federation = Federation::new();
    let (common, _) = offered(&federation, "ombudsman", "kominfo");
    let mut cut_off = common.clone();
    let mut first = vec![federation.node("kominfo").accepts(&cut_off).entry()];
    cut_off.learn(&first[0]);
    first.push(federation.node("kominfo").responds(&cut_off).entry());
    cut_off.learn(&first[1]);

    let mut others = common.clone();
    others.later(ANSWER_WITHIN + MARGIN);
    let mut second = Vec::new();
    let mut write = |case: &mut Case<'_>, writing: Writing| {
        second.push(writing.entry());
        case.learn(&writing.entry());
    };
    let withdraws = federation.node("ombudsman").withdraws(&others);
    write(&mut others, withdraws);
    let forwards = federation.node("ombudsman").forwards(&others).to("kemendagri");
    write(&mut others, forwards);
    let accepts = federation.node("kemendagri").accepts(&others);
    write(&mut others, accepts);
    let responds = federation.node("kemendagri").responds(&others);
    write(&mut others, responds);
    assert_eq!((cut_off.holder(), others.holder()), ("kominfo", "kemendagri"));

    assert_eq!(second.iter().filter(|entry| cut_off.learn(entry).path_changed_from.is_some()).count(), 0);
    assert_eq!(first.iter().filter(|entry| others.learn(entry).path_changed_from.is_some()).count(), 1);
    for view in [&cut_off, &others] {
        assert_eq!(view.holder(), "kominfo", "the answer in time wins everywhere");
        assert_eq!(view.standing(second[2].id), Standing::Superseded { by: first[0].id });
        assert_eq!(view.standing(first[1].id), Standing::Effective);
        let superseded = Standing::WithoutEffect(NoEffect::BasisSuperseded);
        assert_eq!(view.standing(second[3].id), superseded, "it is shown, with the reason");
        assert_eq!(view.complaint.case().answer.map(|(answer, _)| answer), Some(first[1].id));
        assert!(view.complaint.participants().contains(&agency("kemendagri")), "both get what happens from now on");
    }
    assert_eq!(cut_off.complaint.digest(), others.complaint.digest());
}
