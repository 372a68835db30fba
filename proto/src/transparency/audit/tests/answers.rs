//! The questions of an audit, and answers that are missing, wrong or of a ledger that changes meanwhile.

use super::*;
use crate::base::limits;
use crate::entry::{open, signed_bytes};

#[test]
fn an_agency_that_does_not_answer_is_unresponsive_and_its_earlier_answers_count() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    let mut silent = Audit::new(scene.holdings(), LATER);
    silent.unanswered(NoAnswer::Peer("prov-jabar did not answer within 30 s".to_owned()));
    assert_eq!(silent.question(), None);
    let audited = scene.concluded(silent);
    assert_eq!((audited.size, audited.no_answer.is_some(), audited.checked), (None, true, 0));
    let [(accusation, statement)] = &audited.findings[..] else { panic!("{:?}", kinds(&audited)) };
    assert_eq!(statement.finding, Finding::Unresponsive);
    let Some(Kind::Unresponsive(said)) = &accusation.finding else { panic!("{accusation:?}") };
    assert_eq!((said.asked_at, said.answer.as_str()), (LATER, "prov-jabar did not answer within 30 s"));

    scene.shown.push(b"leaf 8");
    scene.rewrites(0, b"another");
    scene.scope.complaint = Some(scene.case.complaint.id());
    let found = |reason| {
        let mut audit = Audit::new(scene.holdings(), LATER);
        for _ in 0..2 {
            let question = audit.question().expect("a question");
            audit.answer(scene.answers(&question), &federation.charters, &scene.own).expect("read");
        }
        audit.unanswered(reason);
        kinds(&scene.concluded(audit))
    };
    assert_eq!(found(NoAnswer::Peer("no more".to_owned())), [Finding::Forked, Finding::Unresponsive]);
    assert_eq!(found(NoAnswer::Own("the link ended".to_owned())), [Finding::Forked], "the link says nothing of it");
}

#[test]
fn an_agency_that_could_not_be_asked_is_accused_of_nothing() {
    let federation = Federation::new();
    // An offer to it was not answered, and two of its checkpoints contradict each other.
    let mut scene = Scene::honest(&federation);
    scene.own.leaves.truncate(2);
    scene.own.receipts.truncate(1);
    scene.seen.push(Ledger::filled(8).signed(PROVINCE, START + 40 * MINUTE));
    let audited = |reason| {
        let mut audit = Audit::new(scene.holdings(), LATER);
        audit.unanswered(reason);
        scene.concluded(audit)
    };
    let silent = kinds(&audited(NoAnswer::Peer("nothing".to_owned())));
    assert_eq!(silent, [Finding::Forked, Finding::Undelivered, Finding::Unresponsive]);
    let unreached = audited(NoAnswer::Own("no link is up".to_owned()));
    assert_eq!(kinds(&unreached), []);
    assert_eq!(unreached.no_answer, Some(NoAnswer::Own("no link is up".to_owned())));
}

#[test]
fn an_answer_that_proves_nothing_ends_the_audit_with_the_reason() {
    let federation = Federation::new();
    let scene = Scene::honest(&federation);
    let scope = Scope { complaint: Some(scene.case.complaint.id()), since: 0 };
    let of_one_complaint = Scene { scope, ..scene.clone() };
    let said_in = |scene: &Scene<'_>, change: &dyn Fn(usize, &wire::Prove, &mut wire::Proof)| {
        let mut audit = Audit::new(scene.holdings(), LATER);
        let mut number = 0;
        while let Some(question) = audit.question() {
            let mut proof = scene.answers(&question);
            change(number, &question, &mut proof);
            audit.answer(proof, &federation.charters, &scene.own).expect("read");
            number += 1;
        }
        let audited = scene.concluded(audit);
        assert!(matches!(audited.no_answer, Some(NoAnswer::Peer(_))));
        let [(accusation, _)] = &audited.findings[..] else { panic!("{:?}", kinds(&audited)) };
        let Some(Kind::Unresponsive(said)) = &accusation.finding else { panic!("{accusation:?}") };
        said.answer.clone()
    };
    let said = |change: &dyn Fn(usize, &wire::Prove, &mut wire::Proof)| said_in(&scene, change);
    let nothing = said(&|_, _, proof| proof.checkpoint.clear());
    assert!(nothing.contains("checkpoint in its answer does not verify"), "{nothing}");
    let of_another = said(&|_, _, proof| proof.checkpoint = scene.shown.signed(MINISTRY, LATER));
    assert!(of_another.contains("does not verify"), "{of_another}");
    let too_long = said(&|_, _, proof| proof.checkpoint = vec![b'a'; 5000]);
    assert!(too_long.contains("5000 bytes"), "{too_long}");
    let no_nodes = said_in(&of_one_complaint, &|number, _, proof| proof.nodes.retain(|_| number == 0));
    assert!(no_nodes.contains("proves nothing"), "{no_nodes}");
    let only_sizes =
        said_in(&of_one_complaint, &|_, question, proof| proof.nodes.retain(|_| question.leaves.is_empty()));
    assert!(only_sizes.contains("proves nothing"), "{only_sizes}");
    let too_few = said(&|_, _, proof| _ = proof.hashes.pop());
    assert!(too_few.contains("255 bytes of hashes, asked for 256"), "{too_few}");
    let others = said(&|_, _, proof| proof.hashes.iter_mut().for_each(|byte| *byte ^= 1));
    assert!(others.contains("do not give the root of its first 8 leaves"), "{others}");
}

#[test]
fn whole_leaves_count_only_if_they_are_in_the_tree() {
    let federation = Federation::new();
    let (scene, lodged) = keeps_back(&federation);
    let shown = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut audit = Audit::new(scene.holdings(), LATER);
        while let Some(question) = audit.question() {
            let mut proof = scene.answers(&question);
            change(&mut proof.leaves);
            audit.answer(proof, &federation.charters, &scene.own).expect("read");
        }
        kinds(&scene.concluded(audit))
    };
    assert_eq!(shown(&|_| {}), [Finding::Withheld]);
    assert_eq!(shown(&Vec::clear), [Finding::Unresponsive]);
    let forged = shown(&|leaves| {
        if let Some(last) = leaves.last_mut().filter(|leaf| **leaf == lodged.signed()) {
            last[0] ^= 1;
        }
    });
    assert_eq!(forged, [Finding::Unresponsive], "the other leaves are here already");
    assert_eq!(shown(&|leaves| leaves.truncate(1)), [Finding::Unresponsive], "more than one fits");
    let stripped = shown(&|leaves| {
        for leaf in leaves {
            let (entry, _) = open(leaf.clone().into()).expect("a signed entry");
            *leaf = signed_bytes(entry, None).into();
        }
    });
    let expected = [Finding::Withheld, Finding::Unsigned];
    assert_eq!(stripped, expected, "a ledger without envelopes hides nothing, and states nothing about the authors");
}

/// The questions of an audit. Of each: the number of sizes, the first hash, the number of hashes, the number of leaves.
fn asked(scene: &Scene<'_>) -> (Vec<(usize, u64, u64, usize)>, Progress) {
    let mut audit = Audit::new(scene.holdings(), LATER);
    let mut asked = Vec::new();
    while let Some(question) = audit.question() {
        asked.push((question.sizes.len(), question.first_hash, question.hash_count, question.leaves.len()));
        audit.answer(scene.answers(&question), &scene.federation.charters, &scene.own).expect("read");
        let progress = audit.progress();
        assert!(progress.checked <= progress.total);
    }
    let progress = audit.progress();
    assert!(scene.concluded(audit).findings.is_empty());
    (asked, progress)
}

#[test]
fn each_question_is_bounded_and_asks_that_the_tree_begins_with_the_one_before() {
    let federation = Federation::new();
    let mut scene = Scene::overseen(&federation);
    for number in 8..1_300 {
        scene.shown.push(format!("leaf {number}").as_bytes());
        if number < 310 {
            scene.seen.push(scene.shown.signed(PROVINCE, START + DAY + number));
        }
    }
    // Of 1,300 leaves the auditor lacks 1,296.
    let whole = [(0, 0, 0, 0), (2, 0, 1_300, 0), (1, 0, 0, 512), (1, 0, 0, 512), (1, 0, 0, 272)];
    assert_eq!(asked(&scene), (whole.to_vec(), Progress { checked: 1_300, total: 1_300 }));
    scene.scope.complaint = Some(scene.case.complaint.id());
    let of_one_complaint = [(0, 0, 0, 0), (257, 0, 0, 0), (49, 0, 0, 0), (1, 0, 0, 2)];
    assert_eq!(asked(&scene), (of_one_complaint.to_vec(), Progress { checked: 2, total: 2 }));
}

#[test]
fn the_hashes_of_a_large_ledger_come_in_ranges() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    let most = limits::PROVE_HASHES as u64;
    (8..most + 2).for_each(|number| _ = scene.shown.push(&number.to_le_bytes()));
    let expected = [(0, 0, 0, 0), (2, 0, most, 0), (2, most, 2, 0)];
    assert_eq!(asked(&scene), (expected.to_vec(), Progress { checked: most + 2, total: most + 2 }));
    // The last leaf of the first range, and the first of the second, are not those of receipts.
    let other = federation.node(MINISTRY).lodges().at(START + 40 * MINUTE).at_leaf(4).entry();
    scene.has_beside(&other);
    for index in [most - 1, most] {
        let mut scene = scene.clone();
        scene.has_receipt(&other, index, START + 41 * MINUTE);
        scene.finds(&[Finding::Omitted]);
    }
}

#[test]
fn a_ledger_that_grows_during_the_audit_is_in_order_and_one_that_shrinks_ends_it() {
    let federation = Federation::new();
    let scene = Scene::honest(&federation);
    let mut audit = Audit::new(scene.holdings(), LATER);
    let mut shown = scene.shown.clone();
    while let Some(question) = audit.question() {
        audit
            .answer(shown.answers(&question, PROVINCE, Epoch::FIRST, LATER), &federation.charters, &scene.own)
            .expect("read");
        shown.push(b"one more");
    }
    let audited = scene.concluded(audit);
    assert_eq!((audited.no_answer, audited.size, audited.findings.len()), (None, Some(9), 0));

    let mut audit = Audit::new(scene.holdings(), LATER);
    let question = audit.question().expect("a question");
    audit.answer(scene.answers(&question), &federation.charters, &scene.own).expect("read");
    audit
        .answer(
            Ledger::filled(3).answers(&wire::Prove::default(), PROVINCE, Epoch::FIRST, LATER),
            &federation.charters,
            &scene.own,
        )
        .expect("read");
    assert_eq!(audit.question(), None);
    let found = kinds(&scene.concluded(audit));
    assert_eq!(found, [Finding::RolledBack, Finding::BackDated, Finding::BackDated, Finding::Unresponsive]);
}

#[test]
fn an_epoch_that_begins_during_the_audit_accuses_nobody_because_of_old_leaves() {
    let federation = Federation::new();
    let scene = Scene::overseen(&federation);
    let anew = begins_anew(&scene, &declaration(&federation).signed());
    let mut audit = Audit::new(scene.holdings(), LATER);
    let mut number = 0;
    while let Some(question) = audit.question() {
        let of = if number < 2 { &scene } else { &anew };
        audit.answer(of.answers(&question), &federation.charters, &scene.own).expect("read");
        number += 1;
    }
    let audited = scene.concluded(audit);
    assert!(audited.findings.is_empty(), "{:?}", kinds(&audited));
}

#[test]
fn an_entry_that_was_lost_with_an_old_epoch_is_not_withheld_in_the_new_one() {
    let federation = Federation::new();
    let (mut scene, _) = keeps_back(&federation);
    // More than one question's leaves, so that the epoch can begin between two of them.
    (9..600).for_each(|number| _ = scene.shown.push(format!("leaf {number}").as_bytes()));
    scene.received = Some(Cursor::end(Epoch(2), LedgerIndex(20), 0));
    let anew = begins_anew(&scene, &declaration(&federation).signed());
    let mut audit = Audit::new(scene.holdings(), LATER);
    let mut asked_for_leaves = 0;
    while let Some(question) = audit.question() {
        asked_for_leaves += u32::from(question.whole);
        let of = if asked_for_leaves < 2 { &scene } else { &anew };
        audit.answer(of.answers(&question), &federation.charters, &scene.own).expect("read");
    }
    assert_eq!(asked_for_leaves, 2);
    let audited = scene.concluded(audit);
    assert_eq!((kinds(&audited), audited.checked), (vec![], 600));
    let Some(NoAnswer::Own(reason)) = audited.no_answer else { panic!("{:?}", audited.no_answer) };
    assert!(reason.contains("began epoch 2 meanwhile"), "{reason}");
}

#[test]
fn the_same_audit_gives_the_same_findings_in_the_same_order() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    for number in 9..30 {
        scene.shown.push(b"something else");
        scene.has_beside(
            &federation.node(PROVINCE).witnesses().at_leaf(number - 1).at(START + 40 * MINUTE + number).entry(),
        );
    }
    let (one, other) = (scene.audited(), scene.audited());
    assert_eq!(one.findings.len(), 21);
    assert!(one.findings == other.findings);
}

#[test]
fn the_findings_of_one_kind_are_bounded() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    for number in 8..200 {
        scene.shown.push(b"something else");
        scene.has_beside(
            &federation.node(PROVINCE).witnesses().at_leaf(number).at(START + 40 * MINUTE + number).entry(),
        );
    }
    assert_eq!(scene.audited().findings.len(), FINDINGS_OF_A_KIND);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_audit_ends_without_a_panic_on_any_answers(
        answers in proptest::collection::vec((any::<u8>(), any::<u64>(), proptest::collection::vec(any::<u8>(), 0..40)), 1..6),
    ) {
        let federation = Federation::new();
        let scene = Scene::overseen(&federation);
        let mut audit = Audit::new(scene.holdings(), LATER);
        let mut answers = answers.into_iter().cycle();
        for _ in 0..100 {
            let Some(question) = audit.question() else { break };
            let mut proof = scene.answers(&question);
            let (part, number, bytes) = answers.next().expect("a cycle");
            match part % 7 {
                0 => proof.nodes.push(wire::TreeNode { number, hash: bytes }),
                1 => proof.leaves.push(bytes),
                2 => proof.checkpoint = bytes,
                3 => drop(proof.nodes.pop()),
                4 => proof.leaves.clear(),
                5 => proof.hashes.extend(bytes),
                _ => {}
            }
            audit.answer(proof, &federation.charters, &scene.own).expect("read");
        }
        prop_assert!(audit.question().is_none());
        let audited = scene.concluded(audit);
        let accused = audited.findings.iter().any(|(_, said)| said.finding != Finding::Unresponsive);
        prop_assert!(!accused, "{:?}", kinds(&audited));
    }
}
