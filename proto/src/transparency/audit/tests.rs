//! Each finding about an agency that lies, and none about one that is honest and looks alike.
//!
//! The scene: a ministry offers a complaint to a province, which accepts it and works on it. Then somebody audits the province.

use std::convert::Infallible;

use proptest::prelude::*;

use super::holdings::Assignment;
use super::*;
use crate::fixture::ledger::Ledger;
use crate::fixture::{Case, DAY, Federation, MINUTE, START, agency, member_of};
use crate::routing::cursor::Cursor;

const MINISTRY: &str = "kemendagri";
const PROVINCE: &str = "prov-jabar";
const OVERSIGHT: &str = "ksp";
/// When the audit begins.
const LATER: u64 = START + 2 * DAY;
/// The leaves of the province's ledger.
const LODGED: u64 = 3;
const OFFER: u64 = 4;
const ACCEPTED: u64 = 5;
const PROGRESSED: u64 = 6;

/// An auditor's own records.
#[derive(Clone, Default)]
struct Memory {
    /// The own ledger, with the time at which each leaf was written.
    leaves: Vec<(Entry, u64)>,
    receipts: Vec<(Vec<u8>, u64)>,
    cases: Vec<HeldCase>,
}

impl Records for Memory {
    type Error = Infallible;

    fn entry(&self, leaf: LedgerIndex) -> Result<Vec<u8>, Infallible> {
        Ok(self.leaves[usize::try_from(leaf.0).expect("small")].0.signed.to_vec())
    }

    fn receipt(&self, receipt: ReceiptRef) -> Result<Vec<u8>, Infallible> {
        Ok(self.receipts[usize::try_from(receipt.0).expect("small")].0.clone())
    }

    fn held_by(&self, _: &AgencyId) -> Result<Vec<ComplaintId>, Infallible> {
        Ok(self.cases.iter().map(|case| case.complaint.id()).collect())
    }

    fn case(&self, complaint: &ComplaintId) -> Result<Option<HeldCase>, Infallible> {
        Ok(self.cases.iter().find(|case| case.complaint.id() == *complaint).cloned())
    }
}

/// What an auditor has, and what the province shows it.
#[derive(Clone)]
struct Scene<'f> {
    federation: &'f Federation,
    case: Case<'f>,
    auditor: &'static str,
    scope: Scope,
    own: Memory,
    /// Checkpoint notes of the province that the auditor has seen.
    seen: Vec<Vec<u8>>,
    turned_away: Vec<EntryId>,
    received: Option<Cursor>,
    /// The province's ledger as it shows it.
    shown: Ledger,
    epoch: Epoch,
    /// When it signs what it shows.
    signs_at: u64,
}

impl<'f> Scene<'f> {
    /// Everybody is honest, and the ministry audits.
    fn honest(federation: &'f Federation) -> Self {
        let lodged = federation.node(MINISTRY).lodges().at_leaf(0).entry();
        let case = Case::lodged(federation, &lodged);
        let mut scene = Self {
            federation,
            case,
            auditor: MINISTRY,
            scope: Scope::default(),
            own: Memory::default(),
            seen: Vec::new(),
            turned_away: Vec::new(),
            received: Some(Cursor::end(Epoch::FIRST, LedgerIndex(8), 0)),
            shown: Ledger::filled(3),
            epoch: Epoch::FIRST,
            signs_at: LATER,
        };
        scene.own.leaves.push((lodged.clone(), START));
        scene.shown.push(&lodged.signed);
        let offer = federation.node(MINISTRY).forwards(&scene.case).to(PROVINCE).answer_by(START + DAY).at_leaf(1);
        scene.has(&offer.entry());
        scene.shown.push(&offer.entry().signed);
        scene.has_receipt(&lodged, LODGED, START + MINUTE);
        scene.has_receipt(&offer.entry(), OFFER, START + MINUTE);
        scene.case.later(5 * MINUTE);
        let accepted = federation.node(PROVINCE).accepts(&scene.case).at_leaf(ACCEPTED).entry();
        scene.has(&accepted);
        scene.shown.push(&accepted.signed);
        scene.seen.push(scene.shown.signed(PROVINCE, START + 6 * MINUTE));
        scene.case.later(5 * MINUTE);
        let progressed = federation.node(PROVINCE).progresses(&scene.case).at_leaf(PROGRESSED).entry();
        scene.has(&progressed);
        scene.shown.push(&progressed.signed);
        scene.shown.push(b"leaf 7");
        scene.seen.push(scene.shown.signed(PROVINCE, START + 30 * MINUTE));
        scene.case.later(30 * MINUTE);
        scene
    }

    /// The same, audited by an oversight agency, which was sent every entry and got no receipts.
    fn overseen(federation: &'f Federation) -> Self {
        let mut scene = Self::honest(federation);
        (scene.auditor, scene.own.receipts) = (OVERSIGHT, Vec::new());
        scene
    }

    /// The auditor has an entry of the complaint.
    fn has(&mut self, entry: &Entry) {
        self.case.learn(entry);
        self.own.leaves.push((entry.clone(), entry.clock.millis()));
    }

    /// The auditor has an entry of the complaint in its ledger that the scene's own view of it does not follow.
    fn has_beside(&mut self, entry: &Entry) {
        self.own.leaves.push((entry.clone(), entry.clock.millis()));
    }

    /// The auditor got the province's receipt for this leaf of its present ledger.
    fn has_receipt(&mut self, entry: &Entry, index: u64, at: u64) {
        self.own.receipts.push((self.shown.receipts(PROVINCE, entry, index, at), at));
    }

    fn entry(&self, leaf: usize) -> Entry {
        self.own.leaves[leaf].0.clone()
    }

    /// The province shows another leaf in this place.
    fn rewrites(&mut self, index: u64, leaf: &[u8]) {
        self.shown.leaves[usize::try_from(index).expect("small")] = leaf.to_vec();
        self.shown = Ledger::of(&self.shown.leaves);
    }

    fn holdings(&self) -> Holdings {
        let assignment = Assignment {
            auditor: agency(self.auditor),
            agency: agency(PROVINCE),
            scope: self.scope.clone(),
            received: self.received,
            now: LATER,
        };
        let mut holdings = Holdings::new(assignment, &self.federation.charters);
        for (leaf, (entry, at)) in (0..).map(LedgerIndex).zip(&self.own.leaves) {
            holdings.add_entry(entry, leaf, *at);
        }
        for (receipt, (ack, at)) in (0..).map(ReceiptRef).zip(&self.own.receipts) {
            holdings.add_receipt(&agency(PROVINCE), ack, receipt, *at);
        }
        self.seen.iter().for_each(|note| holdings.add_checkpoint(&agency(PROVINCE), note));
        self.turned_away.iter().for_each(|entry| holdings.add_turned_away(*entry));
        holdings
    }

    /// Asks the province everything, and concludes.
    fn audited(&self) -> Audited {
        let mut audit = Audit::new(self.holdings(), LATER);
        while let Some(question) = audit.question() {
            audit.answer(self.answers(&question), &self.federation.charters);
        }
        self.concluded(audit)
    }

    fn concluded(&self, audit: Audit) -> Audited {
        let Ok(audited) = audit.conclude(&self.own, &self.federation.charters, LATER);
        audited
    }

    fn answers(&self, question: &wire::Prove) -> wire::Proof {
        self.shown.answers(question, PROVINCE, self.epoch, self.signs_at)
    }

    /// The kinds of findings, in their order.
    fn finds(&self, expected: &[Finding]) {
        let audited = self.audited();
        let mut found = kinds(&audited);
        found.dedup();
        assert_eq!(found, expected, "{:#?}", audited.findings.iter().map(|(_, said)| &said.text).collect::<Vec<_>>());
        assert!(audited.findings.iter().all(|(_, statement)| statement.accused == agency(PROVINCE)));
    }
}

fn kinds(audited: &Audited) -> Vec<Finding> {
    audited.findings.iter().map(|(_, statement)| statement.finding).collect()
}

#[test]
fn an_honest_agency_is_found_in_order_whoever_audits_it_and_within_which_scope() {
    let federation = Federation::new();
    let scene = Scene::honest(&federation);
    let audited = scene.audited();
    assert_eq!((audited.size, audited.is_whole, audited.checked, audited.of_earlier_epochs), (Some(8), true, 4, 0));
    scene.finds(&[]);
    let overseen = Scene::overseen(&federation);
    assert_eq!((overseen.audited().checked, overseen.audited().is_whole), (8, true), "it reads all leaves");
    overseen.finds(&[]);
    for since in [START, START + 2 * MINUTE, START + 20 * MINUTE, LATER] {
        for complaint in [None, Some(scene.case.complaint.id())] {
            Scene { scope: Scope { complaint, since }, ..scene.clone() }.finds(&[]);
            Scene { scope: Scope { complaint, since }, ..overseen.clone() }.finds(&[]);
        }
    }
}

#[test]
fn a_ledger_that_grew_or_was_signed_again_is_found_in_order() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    scene.seen.push(scene.shown.signed(PROVINCE, START + 31 * MINUTE));
    scene.seen.push(scene.shown.signed(PROVINCE, START + 32 * MINUTE));
    for number in 8..600 {
        scene.shown.push(format!("leaf {number}").as_bytes());
        if number % 50 == 0 {
            scene.seen.push(scene.shown.signed(PROVINCE, START + DAY + number));
        }
    }
    // A checkpoint of a later size that the audit has not been shown yet.
    let mut grown = scene.shown.clone();
    grown.push(b"more");
    scene.seen.push(grown.signed(PROVINCE, LATER + MINUTE));
    scene.finds(&[]);
    scene.auditor = OVERSIGHT;
    scene.finds(&[]);
}

#[test]
fn a_clock_that_was_set_by_less_than_the_margin_accuses_nobody() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    scene.signs_at = START + 21 * MINUTE;
    scene.finds(&[]);
    scene.shown = Ledger::of(&scene.shown.leaves[..7]);
    scene.signs_at = START + 40 * MINUTE;
    scene.finds(&[]);
    scene.signs_at = START + 41 * MINUTE;
    scene.finds(&[Finding::RolledBack]);
}

#[test]
fn two_entries_in_one_place_are_forked_and_the_same_entry_twice_is_not() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    let other = federation.node(PROVINCE).responds(&scene.case).at_leaf(PROGRESSED).entry();
    let honest = federation.node(PROVINCE).responds(&scene.case).at_leaf(8).entry();
    scene.has_beside(&honest);
    scene.shown.push(&honest.signed);
    scene.finds(&[]);
    scene.has_beside(&other);
    scene.finds(&[Finding::Forked]);
    // One accusation shows both entries, another that the second is not what the ledger holds there.
    assert_eq!(scene.audited().findings.len(), 2);
}

#[test]
fn two_trees_of_one_size_are_forked() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    let mut other = Ledger::filled(8);
    scene.seen.push(other.signed(PROVINCE, START + 40 * MINUTE));
    scene.finds(&[Finding::Forked]);
    // Of a ledger that another agency signs, nothing is said.
    let mut scene = Scene::honest(&federation);
    other.push(b"more");
    scene.seen.push(other.signed(MINISTRY, START + 40 * MINUTE));
    scene.finds(&[]);
}

#[test]
fn a_tree_that_does_not_begin_with_what_was_signed_is_forked() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    scene.shown.push(b"leaf 8");
    scene.finds(&[]);
    scene.rewrites(0, b"another");
    scene.finds(&[Finding::Forked]);
}

#[test]
fn a_ledger_that_shrank_is_rolled_back() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    scene.shown = Ledger::of(&scene.shown.leaves[..5]);
    // And it wrote leaves before the time at which it says that it has none there.
    scene.finds(&[Finding::RolledBack, Finding::BackDated]);
}

/// The province's ledger begins anew with this leaf, and gets back what it had.
fn begins_anew<'f>(scene: &Scene<'f>, first: &[u8]) -> Scene<'f> {
    let mut scene = scene.clone();
    scene.shown.leaves.insert(0, first.to_vec());
    scene.shown = Ledger::of(&scene.shown.leaves);
    scene.epoch = Epoch(2);
    scene
}

fn declaration(federation: &Federation) -> Entry {
    let mut writing = federation.node(PROVINCE).witnesses().at_leaf(0);
    writing.draft.place.epoch = Epoch(2);
    let reason = wire::ResetReason::DiskLost.into();
    writing.draft.body =
        wire::entry::Body::LedgerReset(wire::LedgerReset { old_epoch: 1, reason, ..Default::default() });
    writing.entry()
}

#[test]
fn a_new_epoch_is_in_order_if_it_is_declared_and_rolled_back_if_not() {
    let federation = Federation::new();
    let honest = Scene::honest(&federation);
    let declared = begins_anew(&honest, &declaration(&federation).signed);
    declared.finds(&[]);
    let audited = declared.audited();
    assert_eq!((audited.of_earlier_epochs, audited.checked, audited.is_whole), (2, 1, true));
    begins_anew(&Scene::overseen(&federation), &declaration(&federation).signed).finds(&[]);
    begins_anew(&honest, b"anything").finds(&[Finding::RolledBack]);
}

#[test]
fn an_acknowledged_entry_that_is_not_where_the_receipt_says_is_omitted() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    let other = federation.node(MINISTRY).lodges().at(START + 40 * MINUTE).at_leaf(4).entry();
    scene.has_beside(&other);
    let mut dropped = scene.clone();
    scene.shown.push(&other.signed);
    scene.has_receipt(&other, 8, START + 41 * MINUTE);
    scene.finds(&[]);
    dropped.shown.push(b"something else");
    dropped.own = scene.own;
    // The checkpoint in the receipt shows the old tree.
    dropped.finds(&[Finding::Forked, Finding::Omitted]);
    // A receipt that the audit's scope leaves out is not looked at.
    dropped.scope.since = START + DAY;
    dropped.finds(&[]);
}

#[test]
fn an_own_entry_that_is_not_in_its_place_is_forked() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    scene.seen.clear();
    scene.rewrites(PROGRESSED, b"something milder");
    scene.finds(&[Finding::Forked]);
}

#[test]
fn an_entry_after_a_cosigned_size_is_back_dated_if_it_is_dated_well_before_and_not_within_the_margin() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    scene.seen.push(scene.shown.signed(PROVINCE, START + DAY));
    let answer = federation.node(PROVINCE).responds(&scene.case).at_leaf(8);
    for (before, expected) in [(9, vec![]), (10, vec![]), (11, vec![Finding::BackDated])] {
        let mut scene = scene.clone();
        let entry = answer.clone().at(START + DAY - before * MINUTE).entry();
        scene.has_beside(&entry);
        scene.shown.push(&entry.signed);
        scene.finds(&expected);
    }
    // A time that was cosigned before the entry's leaf was reached, in another epoch, says nothing.
    scene.seen.push(scene.shown.signed_in(PROVINCE, Epoch(9), START + DAY));
    let entry = answer.at(START + DAY - 5 * MINUTE).entry();
    scene.has_beside(&entry);
    scene.shown.push(&entry.signed);
    scene.finds(&[]);
}

/// The ministry takes the offered complaint away from the province before the province accepts: the reassignment is the province's leaf
/// `reassigned`, the acceptance its leaf 9.
fn reassigned<'f>(federation: &'f Federation, auditor: &'static str, leaf: u64, names_it: bool) -> Scene<'f> {
    let lodged = federation.node("kota-bandung").lodges().at_leaf(0).entry();
    let mut case = Case::lodged(federation, &lodged);
    let mut scene = Scene { auditor, case: case.clone(), ..Scene::honest(federation) };
    (scene.own, scene.seen, scene.shown) = (Memory::default(), Vec::new(), Ledger::filled(2));
    case.later(MINUTE);
    let offer = federation.node("kota-bandung").forwards(&case).to(PROVINCE).at_leaf(1).entry();
    case.complaint.insert(&offer, federation.charter());
    case.later(MINUTE);
    let reassigned = federation.node(MINISTRY).reassigns(&case).to("kominfo").at_leaf(1).entry();
    case.later(MINUTE);
    let accepted = federation.node(PROVINCE).accepts(&case).at_leaf(9);
    let tip = case.complaint.tip();
    let accepted = if names_it { accepted.after(&[tip, reassigned.id]) } else { accepted };
    let accepted = accepted.entry();
    for number in 2..12 {
        match number {
            9 => scene.shown.push(&accepted.signed),
            number if number == leaf => scene.shown.push(&reassigned.signed),
            number => scene.shown.push(format!("leaf {number}").as_bytes()),
        };
    }
    [lodged, offer, reassigned.clone(), accepted].iter().for_each(|entry| scene.has_beside(entry));
    if auditor == MINISTRY {
        scene.has_receipt(&reassigned, leaf, START + 2 * MINUTE);
    }
    scene
}

#[test]
fn an_acceptance_that_leaves_out_what_its_ledger_had_is_concealed_by_receipt_or_by_leaf() {
    let federation = Federation::new();
    for auditor in [MINISTRY, OVERSIGHT] {
        reassigned(&federation, auditor, 8, false).finds(&[Finding::Concealed]);
        // It names what it knew, or came to know it later.
        reassigned(&federation, auditor, 8, true).finds(&[]);
        reassigned(&federation, auditor, 10, false).finds(&[]);
    }
    // Without receipt and without leaves, nothing shows what it knew.
    let mut unknown = reassigned(&federation, MINISTRY, 8, false);
    unknown.own.receipts.clear();
    unknown.finds(&[]);
}

#[test]
fn who_hides_an_own_entry_from_its_next_one_conceals() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    // A second answer to the same offer, as if there had been none.
    let offer = scene.entry(1);
    let denied = federation.node(PROVINCE).returns(&scene.case).on(offer.id).after(&[offer.id]).at_leaf(8).entry();
    scene.has_beside(&denied);
    scene.shown.push(&denied.signed);
    scene.finds(&[Finding::Concealed]);
}

/// The province holds a complaint that the oversight agency does not have, in its leaf 8.
fn keeps_back(federation: &Federation) -> (Scene<'_>, Entry) {
    let mut scene = Scene::overseen(federation);
    let lodged = federation.node(PROVINCE).lodges().at(START + 40 * MINUTE).at_leaf(8).entry();
    scene.shown.push(&lodged.signed);
    scene.received = Some(Cursor::end(Epoch::FIRST, LedgerIndex(9), 0));
    (scene, lodged)
}

#[test]
fn what_an_oversight_agency_was_not_sent_is_withheld_once_the_agency_went_on() {
    let federation = Federation::new();
    let (scene, lodged) = keeps_back(&federation);
    scene.finds(&[Finding::Withheld]);
    let upto = |index| Some(Cursor::end(Epoch::FIRST, LedgerIndex(index), 0));
    // It may still be on its way.
    Scene { received: upto(8), ..scene.clone() }.finds(&[]);
    Scene { received: None, ..scene.clone() }.finds(&[]);
    Scene { received: Some(Cursor::end(Epoch(2), LedgerIndex(9), 0)), ..scene.clone() }.finds(&[]);
    // It came, and was refused or waits.
    Scene { turned_away: vec![lodged.id], ..scene.clone() }.finds(&[]);
    // It came.
    let mut has = scene.clone();
    has.has_beside(&lodged);
    has.finds(&[]);
    // Who is no oversight agency is not shown it, and is not entitled to it.
    Scene { auditor: MINISTRY, ..scene }.finds(&[]);
}

#[test]
fn what_was_written_before_the_auditor_became_an_overseer_is_not_withheld_from_it() {
    let before = Federation::new();
    let after = Federation::changed(|text| member_of(text, MINISTRY).oversight = true);
    let (scene, _) = keeps_back(&before);
    Scene { federation: &after, auditor: MINISTRY, ..scene }.finds(&[]);
    let (scene, _) = keeps_back(&after);
    Scene { auditor: MINISTRY, ..scene }.finds(&[Finding::Withheld]);
}

#[test]
fn an_entry_of_no_complaint_is_withheld_from_nobody() {
    let federation = Federation::new();
    let mut scene = Scene::overseen(&federation);
    scene.shown.push(&federation.node(PROVINCE).witnesses().at_leaf(8).entry().signed);
    scene.received = Some(Cursor::end(Epoch::FIRST, LedgerIndex(9), 0));
    scene.finds(&[]);
}

/// The ministry offered the complaint, and the province has not answered.
fn open_offer<'f>(federation: &'f Federation, is_receipted: bool) -> Scene<'f> {
    let mut scene = Scene::honest(federation);
    scene.own.leaves.truncate(2);
    scene.own.receipts.truncate(if is_receipted { 2 } else { 1 });
    (scene.seen, scene.shown) = (Vec::new(), Ledger::of(&scene.shown.leaves[..5]));
    (5..8).for_each(|number| _ = scene.shown.push(format!("leaf {number}").as_bytes()));
    scene
}

#[test]
fn an_offer_that_arrived_and_was_not_answered_in_time_is_unanswered() {
    let federation = Federation::new();
    let scene = open_offer(&federation, true);
    scene.finds(&[Finding::Unanswered]);
    // An older receipt counts in a narrower audit: the offer arrived.
    Scene { scope: Scope { since: START + 20 * MINUTE, ..Scope::default() }, ..scene.clone() }
        .finds(&[Finding::Unanswered]);
    // The time to answer ended before the scope begins.
    Scene { scope: Scope { since: START + DAY + 1, ..Scope::default() }, ..scene.clone() }.finds(&[]);
    // It answered with no.
    let mut returned = scene.clone();
    let answer = federation.node(PROVINCE).returns(&scene.case).on(scene.entry(1).id).at_leaf(ACCEPTED).entry();
    returned.own.leaves.push((answer.clone(), START + 5 * MINUTE));
    returned.rewrites(ACCEPTED, &answer.signed);
    returned.finds(&[]);
}

#[test]
fn an_offer_without_any_receipt_is_undelivered_for_its_author_alone() {
    let federation = Federation::new();
    let scene = open_offer(&federation, false);
    scene.finds(&[Finding::Undelivered]);
    // Others cannot know what the author received.
    Scene { auditor: OVERSIGHT, own: Memory { receipts: Vec::new(), ..scene.own.clone() }, ..scene }.finds(&[]);
}

#[test]
fn an_offer_that_says_that_it_arrived_through_a_relay_is_unanswered_without_a_receipt() {
    let federation = Federation::new();
    let mut scene = open_offer(&federation, false);
    let offer = scene.entry(1);
    let arrived = wire::entry::Body::Arrived(wire::Arrived::default());
    let arrived = federation.node(PROVINCE).says(&scene.case, arrived).on(offer.id).at_leaf(8).entry();
    scene.has_beside(&arrived);
    scene.shown.push(&arrived.signed);
    scene.finds(&[Finding::Unanswered]);
}

#[test]
fn an_offer_whose_time_is_not_over_accuses_nobody() {
    let federation = Federation::new();
    let mut scene = open_offer(&federation, false);
    let lodged = scene.entry(0);
    let case = Case::lodged(&federation, &lodged);
    let offer = federation.node(MINISTRY).forwards(&case).to(PROVINCE).answer_by(LATER).at_leaf(1).entry();
    scene.own.leaves[1].0 = offer;
    scene.finds(&[]);
}

#[test]
fn a_published_number_is_misreported_if_it_is_below_what_its_own_entries_say() {
    let federation = Federation::new();
    let published = |held: u64| {
        let mut scene = Scene::honest(&federation);
        let mut writing = federation.node(PROVINCE).witnesses().at(START + 31 * MINUTE).at_leaf(8);
        let figures = vec![wire::Figure { name: crate::transparency::evidence::HELD.to_owned(), value: held }];
        writing.draft.body =
            wire::entry::Body::Published(wire::Published { ledger_size: 8, profile: String::new(), figures });
        let published = writing.entry();
        scene.has_beside(&published);
        scene.shown.push(&published.signed);
        let entries = scene.own.leaves.iter().take(4).map(|(entry, _)| entry.clone()).collect();
        scene.own.cases = vec![HeldCase { complaint: scene.case.complaint.clone(), entries }];
        scene
    };
    published(1).finds(&[]);
    published(0).finds(&[Finding::Misreported]);
    // What it wrote before the publication and has not sent yet could have ended the complaint.
    Scene { received: Some(Cursor::end(Epoch::FIRST, LedgerIndex(7), 0)), ..published(0) }.finds(&[]);
    Scene { received: None, ..published(0) }.finds(&[]);
}

#[test]
fn an_agency_that_does_not_answer_is_unresponsive_and_what_it_showed_before_counts() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    let mut silent = Audit::new(scene.holdings(), LATER);
    silent.unanswered("prov-jabar did not answer within 30 s".to_owned());
    assert_eq!(silent.question(), None);
    let audited = scene.concluded(silent);
    assert_eq!((audited.size, audited.is_whole, audited.checked), (None, false, 0));
    let [(accusation, statement)] = &audited.findings[..] else { panic!("{:?}", kinds(&audited)) };
    assert_eq!(statement.finding, Finding::Unresponsive);
    let Some(Kind::Unresponsive(said)) = &accusation.finding else { panic!("{accusation:?}") };
    assert_eq!((said.asked_at, said.answer.as_str()), (LATER, "prov-jabar did not answer within 30 s"));

    scene.shown.push(b"leaf 8");
    scene.rewrites(0, b"another");
    let mut audit = Audit::new(scene.holdings(), LATER);
    for _ in 0..2 {
        let question = audit.question().expect("a question");
        audit.answer(scene.answers(&question), &federation.charters);
    }
    audit.unanswered("no more".to_owned());
    let found = kinds(&scene.concluded(audit));
    assert_eq!(found, [Finding::Forked, Finding::Unresponsive]);
}

#[test]
fn an_answer_that_proves_nothing_ends_the_audit_and_says_why() {
    let federation = Federation::new();
    let scene = Scene::honest(&federation);
    let said = |change: &dyn Fn(usize, &wire::Prove, &mut wire::Proof)| {
        let mut audit = Audit::new(scene.holdings(), LATER);
        let mut number = 0;
        while let Some(question) = audit.question() {
            let mut proof = scene.answers(&question);
            change(number, &question, &mut proof);
            audit.answer(proof, &federation.charters);
            number += 1;
        }
        let audited = scene.concluded(audit);
        assert!(!audited.is_whole);
        let [(accusation, _)] = &audited.findings[..] else { panic!("{:?}", kinds(&audited)) };
        let Some(Kind::Unresponsive(said)) = &accusation.finding else { panic!("{accusation:?}") };
        said.answer.clone()
    };
    let nothing = said(&|_, _, proof| proof.checkpoint.clear());
    assert!(nothing.contains("checkpoint in its answer does not verify"), "{nothing}");
    let of_another = said(&|_, _, proof| proof.checkpoint = scene.shown.signed(MINISTRY, LATER));
    assert!(of_another.contains("does not verify"), "{of_another}");
    let too_long = said(&|_, _, proof| proof.checkpoint = vec![b'a'; 5000]);
    assert!(too_long.contains("5000 bytes"), "{too_long}");
    let no_nodes = said(&|number, _, proof| proof.nodes.retain(|_| number == 0));
    assert!(no_nodes.contains("proves nothing"), "{no_nodes}");
    let only_sizes = said(&|_, question, proof| proof.nodes.retain(|_| question.leaves.is_empty()));
    assert!(only_sizes.contains("proves nothing"), "{only_sizes}");
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
            audit.answer(proof, &federation.charters);
        }
        kinds(&scene.concluded(audit))
    };
    assert_eq!(shown(&|_| {}), [Finding::Withheld]);
    assert_eq!(shown(&Vec::clear), [Finding::Unresponsive]);
    let forged = shown(&|leaves| {
        if let Some(last) = leaves.last_mut().filter(|leaf| **leaf == lodged.signed) {
            last[0] ^= 1;
        }
    });
    assert_eq!(forged, [Finding::Unresponsive], "the other leaves are here already");
    assert_eq!(shown(&|leaves| leaves.truncate(1)), [Finding::Withheld], "a few at a time are enough");
}

#[test]
fn questions_are_cut_to_what_fits_into_an_answer_and_each_tree_must_begin_with_the_one_before() {
    let federation = Federation::new();
    let mut scene = Scene::overseen(&federation);
    for number in 8..1_300 {
        scene.shown.push(format!("leaf {number}").as_bytes());
        if number < 310 {
            scene.seen.push(scene.shown.signed(PROVINCE, START + DAY + number));
        }
    }
    let mut audit = Audit::new(scene.holdings(), LATER);
    let mut asked = Vec::new();
    while let Some(question) = audit.question() {
        asked.push((question.sizes.len(), question.first_leaf, question.leaf_count));
        audit.answer(scene.answers(&question), &federation.charters);
        let progress = audit.progress();
        assert!(progress.total == 1_300 && progress.checked <= 1_300);
    }
    let expected = [(0, 0, 0), (257, 0, 0), (49, 0, 0), (1, 0, 512), (1, 512, 512), (1, 1024, 276)];
    assert_eq!(asked, expected);
    assert_eq!(audit.progress(), Progress { checked: 1_300, total: 1_300 });
    assert!(scene.concluded(audit).findings.is_empty());
}

#[test]
fn a_ledger_that_grows_during_the_audit_is_in_order_and_one_that_shrinks_says_nothing_more() {
    let federation = Federation::new();
    let scene = Scene::honest(&federation);
    let mut audit = Audit::new(scene.holdings(), LATER);
    let mut shown = scene.shown.clone();
    while let Some(question) = audit.question() {
        audit.answer(shown.answers(&question, PROVINCE, Epoch::FIRST, LATER), &federation.charters);
        shown.push(b"one more");
    }
    let audited = scene.concluded(audit);
    assert_eq!((audited.is_whole, audited.size, audited.findings.len()), (true, Some(10), 0));

    let mut audit = Audit::new(scene.holdings(), LATER);
    let question = audit.question().expect("a question");
    audit.answer(scene.answers(&question), &federation.charters);
    audit.answer(
        Ledger::filled(3).answers(&wire::Prove::default(), PROVINCE, Epoch::FIRST, LATER),
        &federation.charters,
    );
    assert_eq!(audit.question(), None);
    let found = kinds(&scene.concluded(audit));
    assert_eq!(found, [Finding::RolledBack, Finding::BackDated, Finding::BackDated, Finding::Unresponsive]);
}

#[test]
fn an_epoch_that_begins_during_the_audit_accuses_nobody_of_what_its_old_leaves_were() {
    let federation = Federation::new();
    let scene = Scene::overseen(&federation);
    let anew = begins_anew(&scene, &declaration(&federation).signed);
    let mut audit = Audit::new(scene.holdings(), LATER);
    let mut number = 0;
    while let Some(question) = audit.question() {
        let of = if number < 2 { &scene } else { &anew };
        audit.answer(of.answers(&question), &federation.charters);
        number += 1;
    }
    let audited = scene.concluded(audit);
    assert!(audited.findings.is_empty(), "{:?}", kinds(&audited));
}

#[test]
fn what_was_lost_with_an_old_epoch_before_it_was_sent_is_not_withheld_in_the_new_one() {
    let federation = Federation::new();
    let (mut scene, _) = keeps_back(&federation);
    // More than one question's leaves, so that the epoch can begin between two of them.
    (9..600).for_each(|number| _ = scene.shown.push(format!("leaf {number}").as_bytes()));
    scene.received = Some(Cursor::end(Epoch(2), LedgerIndex(20), 0));
    let anew = begins_anew(&scene, &declaration(&federation).signed);
    let mut audit = Audit::new(scene.holdings(), LATER);
    while let Some(question) = audit.question() {
        let of = if question.first_leaf == 0 { &scene } else { &anew };
        audit.answer(of.answers(&question), &federation.charters);
    }
    let audited = scene.concluded(audit);
    assert_eq!((kinds(&audited), audited.is_whole, audited.checked), (vec![], true, 600));
}

#[test]
fn the_same_audit_finds_the_same_in_the_same_order() {
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
fn more_findings_of_one_kind_than_are_useful_are_left_out() {
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
    fn no_answer_makes_it_panic_or_keeps_it_from_ending(
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
            match part % 6 {
                0 => proof.nodes.push(wire::TreeNode { number, hash: bytes }),
                1 => proof.leaves.push(bytes),
                2 => proof.checkpoint = bytes,
                3 => drop(proof.nodes.pop()),
                4 => proof.leaves.clear(),
                _ => {}
            }
            audit.answer(proof, &federation.charters);
        }
        prop_assert!(audit.question().is_none());
        let audited = scene.concluded(audit);
        let accused = audited.findings.iter().any(|(_, said)| said.finding != Finding::Unresponsive);
        prop_assert!(!accused, "{:?}", kinds(&audited));
    }
}
