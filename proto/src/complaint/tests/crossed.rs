//! Work that crossed with an acceptance: it has effect only if the agency that accepted custody knew of it.

use super::*;
use crate::admission::Verdict;
use crate::entry::Entry;
use crate::fixture::Node;
use crate::wire;

/// The six kinds of work, as one author writes them.
fn works(node: &Node<'_>, view: &Case<'_>) -> [Writing; 6] {
    [
        node.verifies(view, "air"),
        node.progresses(view),
        node.responds(view),
        node.resolves(view),
        node.proposes_archive(view),
        node.links(view),
    ]
}

/// All orders of these numbers.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let insert = |shorter: Vec<usize>| {
        (0..count).map(move |at| {
            let mut order = shorter.clone();
            order.insert(at, count - 1);
            order
        })
    };
    permutations(count - 1).into_iter().flat_map(insert).collect()
}

/// The views of nodes that got the entries in every order. An entry waits for its parents. All views are equal, so the last one is returned.
fn in_every_order<'f>(begin: &Case<'f>, entries: &[Entry]) -> Case<'f> {
    let all = |case: &Case<'f>| {
        let standings: Vec<Standing> = entries.iter().map(|entry| case.standing(entry.id)).collect();
        let complaint = &case.complaint;
        (complaint.custody().clone(), complaint.case().clone(), complaint.tip(), complaint.digest(), standings)
    };
    let mut first = None;
    let mut last = begin.clone();
    for order in permutations(entries.len()) {
        let mut case = begin.clone();
        let mut waiting: Vec<&Entry> = Vec::new();
        for index in &order {
            waiting.push(&entries[*index]);
            while let Some(at) = waiting.iter().position(|entry| case.judges(entry) == Verdict::Admit) {
                case.learn(waiting.remove(at));
            }
        }
        assert!(waiting.is_empty(), "{order:?}");
        assert_eq!(*first.get_or_insert_with(|| all(&case)), all(&case), "{order:?}");
        last = case;
    }
    last
}

fn crossed(by: EntryId) -> Standing {
    Standing::WithoutEffect(NoEffect::Crossed { by })
}

#[test]
fn permutations_are_all_orders() {
    assert_eq!(permutations(3).len(), 6);
    assert_eq!(permutations(3).into_iter().collect::<std::collections::BTreeSet<_>>().len(), 6);
}

#[test]
fn a_former_holder_s_work_that_hides_the_hand_over_has_no_effect_in_every_order() {
    let federation = Federation::new();
    let (former, next) = (federation.node("ombudsman"), federation.node("kominfo"));
    let lodged_alone = federation.case_at("ombudsman");
    let mut offered = lodged_alone.clone();
    let offer = former.forwards(&offered).to("kominfo").entry();
    offered.learn(&offer);
    offered.later(MINUTE);
    let mut taken = offered.clone();
    let accepts = next.accepts(&taken).entry();
    taken.learn(&accepts);
    taken.later(MINUTE);
    let resolves = next.resolves(&taken).entry();
    // The clock before the acceptance, and after the new holder's work. The basis before the offer, and the offer.
    for at in [START + 10_000, START + DAY] {
        for view in [&lodged_alone, &offered] {
            for old in works(&former, view) {
                let old = old.at(at.max(view.now + 10_000)).entry();
                let entries = [offer.clone(), accepts.clone(), resolves.clone(), old.clone()];
                let case = in_every_order(&lodged_alone, &entries);
                let name = old.body.name();
                assert_eq!(case.standing(old.id), crossed(accepts.id), "{name}");
                assert_eq!(case.standing(resolves.id), Standing::Effective, "{name}");
                let state = case.complaint.case();
                assert_eq!((state.phase, &state.resolved_by), (Phase::Resolved, &Some(agency("kominfo"))), "{name}");
                assert_eq!(state.answer.map(|(answer, _)| answer), Some(resolves.id), "{name}");
                assert_eq!((state.archive_proposal, state.duplicate_of), (None, None), "{name}");
                assert_eq!((state.category.as_str(), case.holder()), ("jalan", "kominfo"), "{name}");
            }
        }
    }
}

#[test]
fn nobody_archives_with_a_proposal_that_crossed() {
    let federation = Federation::new();
    let old = federation.case_held_by("ombudsman", "kota-bandung");
    let mut case = old.clone();
    case.take(federation.node("kota-bandung").forwards(&case).to("kominfo"));
    let accepts = case.take(federation.node("kominfo").accepts(&case));
    let proposal = case.take(federation.node("kota-bandung").proposes_archive(&old).at(case.now + MINUTE));
    assert_eq!(case.standing(proposal), crossed(accepts));
    let body = crate::wire::ArchiveApproved { proposal: proposal.0.to_vec(), ..Default::default() };
    let approves = federation.node("ombudsman").says(&case, crate::wire::entry::Body::ArchiveApproved(body));
    assert_eq!(without_effect(&mut case, approves), NoEffect::NoProposal);
}

#[test]
fn work_that_the_accepting_agency_knew_keeps_its_effect() {
    let federation = Federation::new();
    let (holder, next) = (federation.node("ombudsman"), federation.node("kominfo"));
    for on_offer in [false, true] {
        for number in 0..6 {
            let begin = federation.case_at("ombudsman");
            let mut case = begin.clone();
            let mut entries = Vec::new();
            // A remark that the accepting agency does not know. So the acceptance does not descend from everything.
            let remark = federation.node("ksp").remarks(&begin).at(START + 10 * MINUTE).entry();
            let mut write = |case: &mut Case<'_>, writing: Writing| {
                entries.push(writing.entry());
                case.learn(&writing.entry());
                case.later(MINUTE);
            };
            if on_offer {
                let offer = holder.forwards(&case).to("kominfo");
                write(&mut case, offer);
            }
            let [work] = [works(&holder, &case)[number].clone()];
            write(&mut case, work.clone());
            if !on_offer {
                let offer = holder.forwards(&case).to("kominfo");
                write(&mut case, offer);
            }
            let before = case.complaint.case().clone();
            let accepts = next.accepts(&case);
            write(&mut case, accepts);
            entries.push(remark);
            let after = in_every_order(&begin, &entries);
            assert_eq!(after.holder(), "kominfo");
            assert_eq!(after.standing(work.entry().id), Standing::Effective, "{}", work.entry().body.name());
            assert_eq!(after.complaint.case(), &before);
        }
    }
}

#[test]
fn a_flood_of_remarks_does_not_hide_work_from_the_acceptance() {
    let federation = Federation::new();
    let (mut case, offer) = offered(&federation, "ombudsman", "kominfo");
    case.later(MINUTE);
    let work = case.take(federation.node("ombudsman").responds(&case));
    for leaf in 0..40 {
        case.take(federation.node("ksp").remarks(&case).after(&[offer]).at(case.now + MINUTE).at_leaf(leaf));
    }
    case.later(2 * MINUTE);
    let accepts = federation.node("kominfo").accepts(&case);
    assert_eq!(accepts.draft.parents.len(), limits::PARENTS);
    case.take(accepts);
    assert_eq!((case.holder(), case.standing(work)), ("kominfo", Standing::Effective));
}

#[test]
fn the_next_acceptance_decides_and_no_later_one() {
    let federation = Federation::new();
    let begin = federation.case_at("ombudsman");
    let work = federation.node("ombudsman").progresses(&begin).at(begin.now + MINUTE).entry();
    let mut case = begin.clone();
    let offer = federation.node("ombudsman").forwards(&case).to("kominfo").entry();
    case.learn(&offer);
    let first = federation.node("kominfo").accepts(&case).entry();
    case.learn(&first);
    case.learn(&work);
    assert_eq!(case.standing(work.id), crossed(first.id));
    case.later(2 * MINUTE);
    let back = federation.node("kominfo").forwards(&case).to("ombudsman").entry();
    case.learn(&back);
    let second = federation.node("ombudsman").accepts(&case).entry();
    case.learn(&second);
    assert!(case.complaint.ancestors(&[second.id]).contains(&work.id));
    assert_eq!(case.standing(work.id), crossed(first.id), "the second acceptance knew it, the first did not");
    // A remark that the second acceptance does not know lets it judge all work again.
    let remark = federation.node("ksp").remarks(&begin).at(begin.now + MINUTE).entry();
    let again = in_every_order(&begin, &[offer.clone(), first.clone(), work.clone(), back, second, remark]);
    assert_eq!(again.standing(work.id), crossed(first.id));
    // A return takes custody from nobody, so it crosses with nothing.
    let mut returned = federation.case_at("ombudsman");
    returned.take(federation.node("ombudsman").forwards(&returned).to("kominfo"));
    assert_eq!(returned.complaint.tip(), offer.id);
    returned.take(federation.node("kominfo").returns(&returned));
    returned.learn(&work);
    assert_eq!(returned.standing(work.id), Standing::Effective);
}

#[test]
fn work_that_crossed_comes_back_if_the_acceptance_loses_to_a_return() {
    let federation = Federation::new();
    let (begin, _) = offered(&federation, "ombudsman", "kominfo");
    let work = federation.node("ombudsman").responds(&begin).at(START + MINUTE).entry();
    let (mut back, mut away) = (0, 0);
    for leaf in (1..17).filter(|leaf| *leaf != 9) {
        let accepts = federation.node("kominfo").accepts(&begin).at_leaf(9).entry();
        let returns = federation.node("kominfo").returns(&begin).at_leaf(leaf).entry();
        let case = in_every_order(&begin, &[work.clone(), accepts.clone(), returns.clone()]);
        if leaf < 9 {
            assert_eq!((case.standing(work.id), case.holder()), (Standing::Effective, "ombudsman"));
            assert_eq!(case.complaint.case().answer, Some((work.id, work.clock.millis())));
            back += 1;
        } else {
            assert_eq!((case.standing(work.id), case.holder()), (crossed(accepts.id), "kominfo"));
            assert_eq!((case.complaint.case().phase, case.complaint.case().answer), (Phase::Received, None));
            away += 1;
        }
    }
    assert!(back > 0 && away > 0, "{back} came back, {away} did not");
}

#[test]
fn an_honest_holder_s_work_comes_back_and_goes_again_as_the_path_changes() {
    let federation = Federation::new();
    let begin = federation.case_held_by("ombudsman", "kota-bandung");
    // The holder works while its supervisor reassigns the complaint. The addressee accepts without knowing of the work.
    let work = federation.node("kota-bandung").resolves(&begin).at(begin.now + MINUTE).entry();
    let reassigns = federation.node("prov-jabar").reassigns(&begin).to("kominfo").at_leaf(5).entry();
    let mut first = begin.clone();
    first.learn(&reassigns);
    let accepts = federation.node("kominfo").accepts(&first).entry();
    first.learn(&accepts);
    assert!(first.learn(&work).path_changed_from.is_none());
    assert_eq!(first.standing(work.id), crossed(accepts.id));
    assert_eq!(first.complaint.case().phase, Phase::Received);

    // Another reassignment on the same basis wins by its place.
    let other = federation.node("prov-jabar").reassigns(&begin).to("ksp").at_leaf(4).entry();
    let mut second = first.clone();
    assert_eq!(second.learn(&other).path_changed_from, Some(accepts.id));
    assert_eq!((second.standing(work.id), second.holder()), (Standing::Effective, "kota-bandung"));
    assert_eq!(second.complaint.case().phase, Phase::Resolved);

    // Its addressee accepts: without knowing of the work, or knowing of it.
    let mut ignorant = begin.clone();
    ignorant.learn(&other);
    let unknowing = federation.node("ksp").accepts(&ignorant).entry();
    let mut aware = ignorant.clone();
    aware.learn(&work);
    let knowing = federation.node("ksp").accepts(&aware).entry();
    let common = [work.clone(), reassigns, accepts, other];
    for (last, standing, phase) in
        [(unknowing.clone(), crossed(unknowing.id), Phase::Received), (knowing, Standing::Effective, Phase::Resolved)]
    {
        let mut third = second.clone();
        assert_eq!(third.learn(&last).path_changed_from, None, "the path only grew");
        let entries: Vec<Entry> = common.iter().cloned().chain([last]).collect();
        let fourth = in_every_order(&begin, &entries);
        for case in [&third, &fourth] {
            assert_eq!((case.standing(work.id), case.complaint.case().phase), (standing.clone(), phase));
            assert_eq!(case.holder(), "ksp");
        }
    }
}

#[test]
fn only_work_crosses_and_the_intake_agency_and_the_overseers_speak_at_any_time() {
    let federation = Federation::new();
    let old = federation.case_held_by("ombudsman", "kominfo");
    let mut case = old.clone();
    case.take(federation.node("kominfo").forwards(&case).to("kemendagri"));
    case.take(federation.node("kemendagri").accepts(&case));
    let reply = federation.node("ombudsman").replies(&old, ReplyWord::Information, REPLY_CODE);
    let remark = federation.node("ksp").remarks(&old);
    let closes = federation.node("ombudsman").closes(&old, CloseCause::OwnWord);
    for writing in [reply, remark, closes] {
        let id = case.take(writing.at(case.now + MINUTE));
        case.later(MINUTE);
        assert_eq!(case.standing(id), Standing::Effective);
    }
}

#[test]
fn an_approval_that_the_next_holder_did_not_know_archives_nothing() {
    let federation = Federation::new();
    let mut case = federation.case_at("kota-bandung");
    let custody = case.complaint.tip();
    let proposal = federation.node("kota-bandung").proposes_archive(&case).entry();
    case.learn(&proposal);
    case.later(MINUTE);
    let offer = federation.node("kota-bandung").forwards(&case).to("kominfo").entry();
    case.learn(&offer);
    case.later(MINUTE);
    let accepted = federation.node("kominfo").accepts(&case).entry();
    case.learn(&accepted);
    case.later(MINUTE);
    let act = wire::ArchiveApproved { basis: custody.0.to_vec(), proposal: proposal.id.0.to_vec() };
    let approval = federation.node("prov-jabar").says(&case, wire::entry::Body::ArchiveApproved(act));
    let approval = approval.on(custody).after(&[proposal.id]).entry();
    case.learn(&approval);
    let crossed = NoEffect::Crossed { by: accepted.id };
    assert_eq!(case.complaint.standing(&approval.id), Some(Standing::WithoutEffect(crossed)));
    assert_ne!(case.complaint.case().phase, Phase::Archived);
}
