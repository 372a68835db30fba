//! An audit finds every lie of an agency, and nothing about an honest agency that looks similar.
//!
//! The scene: a ministry offers a complaint to a province, which accepts it and works on it. Then the ministry or an oversight agency audits the
//! province.

mod answers;
mod custody;
mod ledger;
mod offers;
mod refusals;
mod resumed;

use std::convert::Infallible;

use proptest::prelude::*;

use super::holdings::Assignment;
use super::resume::RecordsUpTo;
use super::*;
use crate::base::cursor::Cursor;
use crate::base::ids::{EntryId, Epoch};
use crate::entry::signed_bytes;
use crate::fixture::ledger::Ledger;
use crate::fixture::{Case, DAY, Federation, MINUTE, START, agency, member_of};
use crate::routing::route::{Access, Route};

const MINISTRY: &str = "kemendagri";
const PROVINCE: &str = "prov-jabar";
const OVERSIGHT: &str = "ksp";
/// Time at which the audit begins.
const LATER: u64 = START + 2 * DAY;
/// The leaves of the province's ledger.
const LODGED: u64 = 3;
const OFFER: u64 = 4;
const ACCEPTED: u64 = 5;
const PROGRESSED: u64 = 6;

/// The auditor's own records.
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
        Ok(self.leaves[usize::try_from(leaf.0).expect("small")].0.signed().to_vec())
    }

    fn receipt(&self, receipt: ReceiptRef) -> Result<Vec<u8>, Infallible> {
        Ok(self.receipts[usize::try_from(receipt.0).expect("small")].0.clone())
    }

    fn held_by(&self, _: &AgencyId) -> Result<Vec<ComplaintId>, Infallible> {
        Ok(self.cases.iter().map(|case| case.complaint.id()).collect())
    }

    fn has(&self, entry: &Entry) -> Result<bool, Infallible> {
        Ok(self.leaves.iter().any(|(own, _)| own.id == entry.id))
    }

    fn entries_before(
        &self,
        complaint: &ComplaintId,
        leaf: LedgerIndex,
    ) -> Result<Vec<(LedgerIndex, Entry)>, Infallible> {
        let before = (0..leaf.0).map(LedgerIndex).zip(&self.leaves);
        let of_complaint = before.filter(|(_, (entry, _))| entry.complaint == Some(*complaint));
        Ok(of_complaint.map(|(leaf, (entry, _))| (leaf, entry.clone())).collect())
    }

    fn receipts_for(&self, _: &AgencyId, _: LedgerIndex) -> Result<Vec<(ReceiptRef, Vec<u8>)>, Infallible> {
        let receipts = (0..).map(ReceiptRef).zip(&self.receipts);
        Ok(receipts.map(|(receipt, (ack, _))| (receipt, ack.clone())).collect())
    }

    fn case(&self, complaint: &ComplaintId) -> Result<Option<HeldCase>, Infallible> {
        Ok(self.cases.iter().find(|case| case.complaint.id() == *complaint).cloned())
    }
}

/// The records of the auditor, and the ledger that the province shows.
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
    /// Time at which the province signs the shown ledger.
    signs_at: u64,
    /// Whether the auditor's entries go to the province through another agency.
    is_relayed: bool,
}

impl<'f> Scene<'f> {
    /// All agencies are honest, and the ministry audits.
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
            is_relayed: false,
        };
        scene.own.leaves.push((lodged.clone(), START));
        scene.shown.push_entry(&lodged);
        let offer = federation.node(MINISTRY).forwards(&scene.case).to(PROVINCE).answer_by(START + DAY).at_leaf(1);
        scene.has(&offer.entry());
        scene.shown.push_entry(&offer.entry());
        scene.has_receipt(&lodged, LODGED, START + MINUTE);
        scene.has_receipt(&offer.entry(), OFFER, START + MINUTE);
        scene.case.later(5 * MINUTE);
        let accepted = federation.node(PROVINCE).accepts(&scene.case).at_leaf(ACCEPTED).entry();
        scene.has(&accepted);
        scene.shown.push_entry(&accepted);
        scene.seen.push(scene.shown.signed(PROVINCE, START + 6 * MINUTE));
        scene.case.later(5 * MINUTE);
        let progressed = federation.node(PROVINCE).progresses(&scene.case).at_leaf(PROGRESSED).entry();
        scene.has(&progressed);
        scene.shown.push_entry(&progressed);
        scene.shown.push(b"leaf 7");
        scene.seen.push(scene.shown.signed(PROVINCE, START + 30 * MINUTE));
        scene.case.later(30 * MINUTE);
        scene
    }

    /// The same, audited by an oversight agency. It got every entry, and no receipts.
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
        self.shown = self.shown.rewritten(index, leaf);
    }

    fn assignment(&self) -> Assignment {
        Assignment {
            auditor: agency(self.auditor),
            agency: agency(PROVINCE),
            scope: self.scope.clone(),
            received: self.received,
            now: LATER.max(self.signs_at),
            records: RecordsUpTo {
                epoch: Epoch::FIRST,
                leaves: self.own.leaves.len() as u64,
                end: self.own.receipts.len() as u64,
            },
        }
    }

    fn holdings(&self) -> Holdings {
        self.filled(Holdings::new(self.assignment(), &self.federation.charters), &Memory::default(), 0)
    }

    /// Adds the own records after those of an earlier audit, which had seen this many checkpoints.
    fn filled(&self, mut holdings: Holdings, before: &Memory, seen: usize) -> Holdings {
        let to = if self.is_relayed { OVERSIGHT } else { PROVINCE };
        let routes = [Route { to: agency(to), access: Access::Public, history: false }];
        let carried: Vec<LedgerIndex> =
            holdings.resume.as_ref().map(|resume| resume.carried().collect()).unwrap_or_default();
        let new = (before.leaves.len() as u64..self.own.leaves.len() as u64).map(LedgerIndex);
        for leaf in carried.into_iter().chain(new) {
            let (entry, at) = &self.own.leaves[usize::try_from(leaf.0).expect("small")];
            let Ok(()) = holdings.add_past(&self.own, entry);
            holdings.add_entry(entry, leaf, *at, &routes);
        }
        for (receipt, (ack, at)) in (0..).map(ReceiptRef).zip(&self.own.receipts).skip(before.receipts.len()) {
            holdings.add_receipt(&agency(PROVINCE), ack, receipt, *at);
        }
        self.seen.iter().skip(seen).for_each(|note| holdings.add_checkpoint(&agency(PROVINCE), note));
        self.turned_away.iter().for_each(|entry| holdings.add_turned_away(*entry));
        holdings
    }

    /// Asks the province everything, and concludes.
    fn audited(&self) -> Audited {
        self.concluded(self.asked(self.holdings(), false))
    }

    fn asked(&self, holdings: Holdings, is_untimed: bool) -> Audit {
        let mut audit = Audit::new(holdings, LATER);
        while let Some(question) = audit.question() {
            let mut proof = self.answers(&question);
            if is_untimed {
                proof.checkpoint = self.shown.signed_without_time(PROVINCE, self.epoch);
            }
            let Ok(()) = audit.answer(proof, &self.federation.charters, &self.own);
        }
        audit
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
        resumed::finds_the_same(self, &found);
    }
}

fn kinds(audited: &Audited) -> Vec<Finding> {
    audited.findings.iter().map(|(_, statement)| statement.finding).collect()
}

/// The province's ledger begins anew with the entry in this `SignedEntry`, and gets back what it had.
fn begins_anew<'f>(scene: &Scene<'f>, first: &[u8]) -> Scene<'f> {
    let mut scene = scene.clone();
    scene.shown = scene.shown.preceded_by(first);
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

/// The province holds a complaint that the oversight agency does not have, in its leaf 8.
fn keeps_back(federation: &Federation) -> (Scene<'_>, Entry) {
    let mut scene = Scene::overseen(federation);
    let lodged = federation.node(PROVINCE).lodges().at(START + 40 * MINUTE).at_leaf(8).entry();
    scene.shown.push_entry(&lodged);
    scene.received = Some(Cursor::end(Epoch::FIRST, LedgerIndex(9), 0));
    (scene, lodged)
}

#[test]
fn an_honest_agency_is_in_order_for_every_auditor_and_every_scope() {
    let federation = Federation::new();
    let scene = Scene::honest(&federation);
    let audited = scene.audited();
    assert_eq!(
        (audited.size, audited.no_answer.clone(), audited.checked, audited.of_earlier_epochs),
        (Some(8), None, 8, 0)
    );
    scene.finds(&[]);
    let overseen = Scene::overseen(&federation);
    assert_eq!((overseen.audited().checked, overseen.audited().no_answer), (8, None));
    let scope = Scope { complaint: Some(scene.case.complaint.id()), since: 0 };
    let of_one_complaint = Scene { scope, ..scene.clone() }.audited();
    assert_eq!((of_one_complaint.checked, of_one_complaint.no_answer), (4, None), "each expected leaf is proved");
    overseen.finds(&[]);
    for since in [START, START + 2 * MINUTE, START + 20 * MINUTE, LATER] {
        for complaint in [None, Some(scene.case.complaint.id())] {
            Scene { scope: Scope { complaint, since }, ..scene.clone() }.finds(&[]);
            Scene { scope: Scope { complaint, since }, ..overseen.clone() }.finds(&[]);
        }
    }
}

#[test]
fn a_ledger_that_grew_or_was_signed_again_is_in_order() {
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
fn a_clock_that_was_corrected_within_the_margin_accuses_nobody() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    scene.signs_at = START + 21 * MINUTE;
    scene.finds(&[]);
    scene.shown = scene.shown.cut_to(7);
    scene.signs_at = START + 40 * MINUTE;
    scene.finds(&[]);
    scene.signs_at = START + 41 * MINUTE;
    scene.finds(&[Finding::RolledBack]);
}
