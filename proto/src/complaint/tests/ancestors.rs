//! The parents of the next entry, ancestors, and the digest of a set.

use super::*;

#[test]
fn the_next_entry_s_parents_are_the_newest_entries_and_lead_to_the_tip() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let root = case.complaint.tip();
    case.later(MINUTE);
    let tip = case.take(federation.node("ombudsman").forwards(&case).to("kominfo"));
    // More concurrent entries than an entry has parents, all newer than the tip.
    for leaf in 0..40 {
        case.take(federation.node("ksp").remarks(&case).on(root).after(&[root]).at(case.now + MINUTE).at_leaf(leaf));
    }
    let parents = case.complaint.parents_of_next();
    assert_eq!(parents.len(), limits::PARENTS);
    assert!(parents.contains(&tip));
    let accepts = federation.node("kominfo").accepts(&case).entry();
    case.learn(&accepts);
    assert_eq!(case.holder(), "kominfo");
    assert!(case.complaint.parents_of_next().contains(&accepts.id));
}

#[test]
fn the_parents_suffice_when_the_tip_is_no_newest_entry() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let root = case.complaint.tip();
    let tip = case.take(federation.node("ombudsman").forwards(&case).to("kominfo"));
    case.take(federation.node("ombudsman").progresses(&case));
    for leaf in 0..40 {
        case.take(federation.node("ksp").remarks(&case).on(root).after(&[root]).at(case.now + MINUTE).at_leaf(leaf));
    }
    case.later(DAY);
    let accepts = federation.node("kominfo").accepts(&case).entry();
    assert_eq!(accepts.body.basis(), Some(tip));
    case.learn(&accepts);
    assert_eq!(case.holder(), "kominfo");
}

#[test]
fn ancestors_are_all_entries_that_parents_lead_to() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let root = case.complaint.tip();
    let left = case.take(federation.node("ombudsman").responds(&case));
    let right = case.take(federation.node("ksp").remarks(&case).after(&[root]));
    assert_eq!(case.complaint.ancestors(&[left]), [root, left].into());
    assert_eq!(case.complaint.ancestors(&[]), [].into());
    assert!(case.complaint.are_heads(&[right, left]));
    assert!(!case.complaint.are_heads(&[left]));
    assert!(!case.complaint.are_heads(&[left, left]));
    let both = case.take(federation.node("ombudsman").progresses(&case));
    assert_eq!(case.complaint.ancestors(&[both]).len(), 4);
    assert!(case.complaint.are_heads(&[both]));
}

#[test]
fn the_walk_to_the_ancestors_visits_each_once_however_many_ways_lead_there() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    // Each pair of entries descends from both entries of the pair before: twice as many ways with each pair.
    for pair in 0..40 {
        let parents = case.complaint.parents_of_next();
        for author in ["ombudsman", "ksp"] {
            let entry =
                federation.node(author).remarks(&case).after(&parents).at(case.now + MINUTE).at_leaf(pair).entry();
            case.learn(&entry);
        }
        case.later(2 * MINUTE);
    }
    let (mut visits, heads) = (0, case.complaint.parents_of_next());
    case.complaint.walk_ancestors(&heads, |_, _| visits += 1);
    assert_eq!((heads.len(), visits, case.complaint.len()), (2, 81, 81));
}

#[test]
fn a_complaint_s_memory_is_counted_in_bytes() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let before = case.complaint.bytes();
    case.take(federation.node("ombudsman").forwards(&case).to("kominfo"));
    let offered = case.complaint.bytes();
    assert!((200..4096).contains(&before) && (200..4096).contains(&(offered - before)), "{before}, {offered}");
    assert_eq!(case.complaint.under(&federation.charters).bytes(), offered);
}

#[test]
fn equal_sets_have_equal_digests_and_different_sets_have_different_ones() {
    let federation = Federation::new();
    let case = federation.case_at("ombudsman");
    let one = federation.node("ombudsman").responds(&case).entry();
    let two = federation.node("ksp").remarks(&case).entry();
    let (mut first, mut second) = (case.clone(), case.clone());
    first.learn(&one);
    assert_ne!(first.complaint.digest(), case.complaint.digest());
    first.learn(&two);
    second.learn(&two);
    assert_ne!(first.complaint.digest(), second.complaint.digest());
    second.learn(&one);
    assert_eq!(first.complaint.digest(), second.complaint.digest());
}

#[test]
fn a_reason_in_words_names_its_values() {
    let reasons = [
        (
            NoEffect::AfterAnswerBy { answer_by: START, holder: agency("kominfo") },
            "the time to answer ended at 2025-11-24T16:00:00Z; from 2025-11-24T16:10:00Z on kominfo can withdraw \
             the offer, and a supervisor of kominfo can reassign the complaint",
        ),
        (
            NoEffect::OfferOpen { to: agency("ksp"), answer_by: START },
            "an offer to ksp is open: ksp can accept or return it until 2025-11-24T16:00:00Z, \
             and from 2025-11-24T16:10:00Z on the holder can withdraw it",
        ),
        (
            NoEffect::BeforeMargin { to: agency("ksp"), answer_by: START },
            "ksp can answer the offer until 2025-11-24T16:00:00Z, and its answer may be on its way until \
             2025-11-24T16:10:00Z; from then on the holder can withdraw the offer, and a supervisor can reassign \
             the complaint",
        ),
        (
            NoEffect::AnswerByOutOfRange { answer_by: u64::MAX, days: 14 },
            "answer-by 18446744073709551615 ms is not within 14 days after the offer, as the charter demands",
        ),
        (
            NoEffect::CharterExpired { ended: START },
            "the charter that it names expired, and offers under it ended at 2025-11-24T16:00:00Z",
        ),
        (NoEffect::UnknownDeadline { deadline: 4 }, "deadline 4 has no date"),
    ];
    for (reason, words) in reasons {
        assert_eq!(reason.to_string(), words);
    }
}
