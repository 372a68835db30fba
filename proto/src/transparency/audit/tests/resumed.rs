//! An audit that goes on from an earlier one finds what one from the start finds.

use super::*;
use crate::receipt::Receipt;

/// The scene at an earlier time: the auditor had this many leaves, and the province's ledger too.
fn earlier<'f>(scene: &Scene<'f>, own: usize, shown: usize) -> Scene<'f> {
    let mut before = scene.clone();
    before.own.leaves.truncate(own);
    let has = |ack: &Vec<u8>| {
        let ack = <wire::Ack as prost::Message>::decode(ack.as_slice()).expect("an ack");
        let receipt = Receipt::parse(&ack).expect("a receipt");
        receipt.results.iter().all(|result| before.own.leaves.iter().any(|(entry, _)| entry.id == result.entry))
    };
    let receipts = before.own.receipts.iter().take_while(|(ack, _)| has(ack)).count();
    before.own.receipts.truncate(receipts);
    before.shown = before.shown.cut_to(shown);
    // It has shown nothing of the leaves that it does not have.
    let seen = before.seen.iter().take_while(|note| {
        let opened = scene.federation.charters.open_checkpoint(note, &agency(PROVINCE));
        opened.is_ok_and(|opened| opened.size <= shown as u64)
    });
    before.seen.truncate(seen.count());
    before.received =
        before.received.map(|received| Cursor { index: received.index.min(LedgerIndex(shown as u64)), ..received });
    before
}

/// The audit of a scene that goes on from an audit of an earlier time. `None` if the earlier audit left nothing to go on from.
fn goes_on<'f>(scene: &Scene<'f>, own: usize, shown: usize) -> Option<Audited> {
    let before = earlier(scene, own, shown);
    let resume = before.concluded(before.asked(before.holdings(), true)).resume?;
    let holdings = Holdings::resumed(scene.assignment(), &scene.federation.charters, resume);
    let audit = scene.asked(scene.filled(holdings, &before.own, before.seen.len()), false);
    Some(if audit.must_begin_anew() { scene.audited() } else { scene.concluded(audit) })
}

#[test]
fn an_audit_that_goes_on_asks_only_for_what_is_new() {
    let federation = Federation::new();
    for overseen in [false, true] {
        let mut scene = if overseen { Scene::overseen(&federation) } else { Scene::honest(&federation) };
        scene.received = Some(Cursor::end(Epoch::FIRST, LedgerIndex(8), 0));
        let first = scene.audited();
        assert_eq!((first.checked, first.checked_before), (8, 0));
        let resume = first.resume.expect("nothing was found");
        // The offer and the lodging were not acknowledged to the overseer, so it looks at them again: it may be told so later.
        assert_eq!(resume.carried().count(), if overseen { 2 } else { 0 });
        let before = scene.own.clone();
        scene.case.later(3 * DAY);
        scene.signs_at = START + 5 * DAY;
        scene.shown.push(b"leaf 8");
        let responded = federation.node(PROVINCE).responds(&scene.case).at_leaf(9).entry();
        scene.has(&responded);
        scene.shown.push_entry(&responded);
        let holdings = Holdings::resumed(scene.assignment(), &federation.charters, resume.clone());
        let mut audit = Audit::new(scene.filled(holdings, &before, scene.seen.len()), LATER);
        let mut asked = Vec::new();
        while let Some(question) = audit.question() {
            asked.push((question.first_hash, question.hash_count, question.leaves.clone()));
            let Ok(()) = audit.answer(scene.answers(&question), &federation.charters, &scene.own);
        }
        let lacking = if overseen { vec![(0, 0, vec![8])] } else { vec![] };
        assert_eq!(asked, [vec![(0, 0, vec![]), (8, 2, vec![])], lacking].concat());
        let audited = scene.concluded(audit);
        assert_eq!((audited.checked, audited.checked_before, audited.findings.len()), (2, 8, 0));
        assert_eq!(audited.resume.expect("nothing was found").size, if overseen { 8 } else { 10 });
    }
}

#[test]
fn what_only_a_comparison_finds_is_found_by_each_audit_and_what_is_carried_as_well() {
    let federation = Federation::new();
    // The same checkpoints contradict each other in every audit.
    let mut scene = Scene::honest(&federation);
    scene.seen.push(Ledger::filled(8).signed(PROVINCE, START + 40 * MINUTE));
    assert!(scene.audited().resume.is_none());
    // An offer without an answer is carried as long as there is none.
    let mut scene = Scene::honest(&federation);
    let accepted = scene.entry(2);
    scene.own.leaves.truncate(2);
    scene.seen.clear();
    scene.shown = scene.shown.cut_to(5);
    for _ in 0..3 {
        let audited = goes_on(&scene, 2, 5).expect("a point to go on from");
        assert_eq!(kinds(&audited), [Finding::Unanswered]);
    }
    scene.has_beside(&accepted);
    scene.shown.push_entry(&accepted);
    assert_eq!(kinds(&goes_on(&scene, 2, 5).expect("a point to go on from")), []);
}

#[test]
fn a_ledger_that_is_not_the_one_that_was_compared_is_audited_anew() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    scene.seen.clear();
    let resume = scene.audited().resume.expect("nothing was found");
    let begins_anew = |scene: &Scene<'_>| {
        let holdings = Holdings::resumed(scene.assignment(), &federation.charters, resume.clone());
        scene.asked(scene.filled(holdings, &scene.own, 0), false).must_begin_anew()
    };
    assert!(!begins_anew(&scene));
    let mut other = scene.clone();
    other.rewrites(2, b"another");
    assert!(begins_anew(&other), "of the same size");
    other.shown.push(b"more");
    assert!(begins_anew(&other), "a larger one");
    let shorter = Scene { shown: scene.shown.cut_to(7), ..scene.clone() };
    assert!(begins_anew(&shorter));
    assert!(begins_anew(&begins_anew_in_a_later_epoch(&scene, &federation)));
}

fn begins_anew_in_a_later_epoch<'f>(scene: &Scene<'f>, federation: &Federation) -> Scene<'f> {
    begins_anew(scene, &declaration(federation).signed())
}

#[test]
fn a_receipt_for_an_entry_that_was_sent_later_than_it_was_written_counts() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    scene.own.receipts.clear();
    scene.is_relayed = true;
    let resume = scene.audited().resume.expect("nothing was found");
    let before = scene.own.clone();
    // The complaint is sent to the province now. It acknowledges the lodging as a leaf that is another entry.
    scene.has_receipt(&scene.entry(0), 1, LATER);
    let audit = |scene: &Scene<'_>| {
        let holdings = Holdings::resumed(scene.assignment(), &federation.charters, resume.clone());
        scene.asked(scene.filled(holdings, &before, scene.seen.len()), false)
    };
    assert!(audit(&scene).must_begin_anew(), "the entry is not among the new records");
    scene.finds(&[Finding::Omitted]);
    // A new entry of the complaint brings the older ones with it.
    scene.case.later(3 * DAY);
    scene.has(&federation.node(MINISTRY).remarks(&scene.case).at_leaf(9).entry());
    let audit = audit(&scene);
    assert!(!audit.must_begin_anew());
    assert_eq!(kinds(&scene.concluded(audit)), [Finding::Omitted]);
}

#[test]
fn the_checkpoints_of_an_audit_from_which_the_next_does_not_go_on_still_count() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    scene.seen.clear();
    let resume = scene.audited().resume.expect("nothing was found");
    // Only the first audit has seen this tree.
    scene.rewrites(7, b"another");
    scene.shown.push(b"more");
    let mut holdings = scene.holdings();
    holdings.add_earlier(&resume);
    assert_eq!(kinds(&scene.concluded(scene.asked(holdings, false))), [Finding::Forked]);
}

#[test]
fn a_point_counts_for_its_charter_its_own_ledger_and_undamaged() {
    let federation = Federation::new();
    let scene = Scene::honest(&federation);
    let mut resume = scene.audited().resume.expect("nothing was found");
    let (name, epoch) = (federation.charters.newest().name(), Epoch::FIRST);
    resume.records.end = 40;
    assert!(resume.fits(&name, epoch, 40, LATER));
    assert!(!resume.fits(&name, epoch, 39, LATER), "the own ledger was cut");
    assert!(!resume.fits(&name, Epoch(2), 40, LATER));
    assert!(!resume.fits(&crate::entry::CharterName { version: name.version + 1, ..name }, epoch, 40, LATER));
    assert!(!resume.fits(&name, epoch, 40, LATER + 8 * DAY), "an audit from the start is due");
    resume.root[0] ^= 1;
    assert!(!resume.fits(&name, epoch, 40, LATER));
}

#[test]
fn of_older_checkpoints_fewer_are_kept() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    for (number, minutes) in
        [0, 1, 100 * 24 * 60, 100 * 24 * 60 + 59, 139 * 24 * 60, 140 * 24 * 60].into_iter().enumerate()
    {
        scene.shown.push(&[7, u8::try_from(number).expect("small")]);
        scene.seen.push(scene.shown.signed(PROVINCE, START + DAY + minutes * MINUTE));
    }
    scene.signs_at = START + 141 * DAY;
    let kept = scene.audited().resume.expect("nothing was found").checkpoints;
    let mut minutes: Vec<u64> =
        kept.iter().filter_map(|kept| kept.checkpoint.seconds).map(|s| (s * 1000 - START) / MINUTE).collect();
    minutes.sort_unstable();
    let day = 24 * 60;
    assert_eq!(minutes, [1, day + 1, 101 * day + 59, 140 * day, 141 * day, 141 * day]);
}

/// Asserts that audits that go on from several earlier times find these kinds.
pub(super) fn finds_the_same(scene: &Scene<'_>, expected: &[Finding]) {
    if scene.scope != Scope::default() {
        return;
    }
    let (leaves, size) = (scene.own.leaves.len(), usize::try_from(scene.shown.size()).expect("small"));
    for (own, shown) in [
        (leaves, size),
        (leaves, size - 1),
        (leaves - 1, size - 1),
        (leaves / 2, size / 2),
        (1, 4),
        (2, 5),
        (3, 6),
        (0, 3),
    ] {
        let Some(audited) = goes_on(scene, own.min(leaves), shown.min(size)) else { continue };
        let mut found = kinds(&audited);
        found.dedup();
        assert_eq!(found, expected, "after an audit with {own} own leaves and {shown} leaves shown");
    }
}
