//! Revoked keys: what a thief wrote has no effect, what the list names stays, and nobody gets rid of its own acts.

use super::*;
use crate::admission::Verdict;
use crate::charter::TrustedListDraft;
use crate::complaint::Complaint;
use crate::entry::Entry;
use crate::fixture::ledger::Ledger;
use crate::receipt::{item_receipt, receipt_id};
use crate::wire;

/// A complaint that `kota-bandung` lodged, that somebody with its key offered to `kominfo`, and that `kominfo` honestly accepted.
struct Theft {
    entries: Vec<Entry>,
}

impl Theft {
    fn new() -> Self {
        let federation = Federation::new();
        let lodged = federation.node("kota-bandung").lodges().entry();
        let mut case = Case::lodged(&federation, &lodged);
        let mut entries = vec![lodged];
        let mut take = |case: &mut Case<'_>, writing: Writing| {
            case.later(MINUTE);
            let entry = writing.at(case.now).entry();
            case.learn(&entry);
            entries.push(entry);
        };
        let offer = federation.node("kota-bandung").forwards(&case).to("kominfo");
        take(&mut case, offer);
        let acceptance = federation.node("kominfo").accepts(&case);
        take(&mut case, acceptance);
        let work = federation.node("kominfo").progresses(&case);
        take(&mut case, work);
        Self { entries }
    }

    fn ids(&self) -> Vec<EntryId> {
        self.entries.iter().map(|entry| entry.id).collect()
    }

    /// The complaint at a node that has the charter before the entries.
    fn under<'f>(&self, federation: &'f Federation) -> Case<'f> {
        let mut case = Case::lodged(federation, &self.entries[0]);
        for entry in &self.entries[1..] {
            case.learn(entry);
        }
        case
    }
}

fn disputed(author: &str) -> Standing {
    let key = crate::fixture::entry_key(author).id();
    Standing::WithoutEffect(NoEffect::Disputed { author: agency(author), key })
}

fn state(complaint: &Complaint, entries: &[EntryId]) -> impl PartialEq + std::fmt::Debug + use<> {
    let standings: Vec<_> = entries.iter().map(|id| complaint.standing(id)).collect();
    (
        complaint.custody().clone(),
        complaint.case().clone(),
        complaint.tip(),
        complaint.participants().clone(),
        standings,
    )
}

#[test]
fn what_a_thief_offered_and_another_accepted_has_no_effect_whether_the_charter_comes_before_or_after() {
    let theft = Theft::new();
    let ids = theft.ids();
    let (before, after) = (Federation::new(), Federation::after_theft("kota-bandung", |_| {}));
    let late = theft.under(&before);
    assert_eq!(late.holder(), "kominfo");
    let again = late.complaint.under(&after.charters);
    again.check_invariants();
    let early = theft.under(&after);
    assert_eq!(state(&again, &ids), state(&early.complaint, &ids));
    assert_eq!(early.holder(), "kota-bandung", "a Lodged keeps its effect");
    assert_eq!(early.standing(ids[1]), disputed("kota-bandung"));
    assert_eq!(early.standing(ids[2]), Standing::WithoutEffect(NoEffect::BasisWithoutEffect));
    assert_eq!(early.complaint.len(), 4, "nothing disappears");
}

#[test]
fn what_the_list_names_stays_and_the_agency_cannot_take_it_back() {
    let theft = Theft::new();
    let ids = theft.ids();
    let reported = Federation::after_theft("kota-bandung", |list| list.entries.extend(&ids));
    let case = theft.under(&reported);
    assert_eq!(case.holder(), "kominfo");
    assert!(ids.iter().all(|id| case.standing(*id) == Standing::Effective));
    // An agency that reports the key stolen under which it accepted.
    let accepted = theft.ids()[2];
    let gets_rid = Federation::after_theft("kominfo", |list| list.entries.extend([accepted]));
    let case = theft.under(&gets_rid);
    assert_eq!((case.holder(), case.standing(accepted)), ("kominfo", Standing::Effective));
    assert_eq!(case.standing(ids[3]), disputed("kominfo"), "its work since then is not on the list");
}

#[test]
fn an_entry_that_descends_from_a_disputed_one_is_taken_by_everybody() {
    let theft = Theft::new();
    let after = Federation::after_theft("kota-bandung", |_| {});
    let mut case = theft.under(&after);
    case.later(MINUTE);
    let more = after.node("kominfo").progresses(&case).on(theft.ids()[2]).entry();
    assert_eq!(case.judges(&more), Verdict::Admit, "the offer names its author, with effect or not");
    let supervisor_of_named = after.node("kemendagri").remarks(&case).under_charter(1).entry();
    assert_eq!(case.judges(&supervisor_of_named), theft.under(&Federation::new()).judges(&supervisor_of_named));
}

#[test]
fn the_owner_of_the_stolen_key_goes_on_under_its_new_one() {
    let theft = Theft::new();
    let after = Federation::after_theft("kota-bandung", |_| {});
    let mut case = theft.under(&after);
    case.later(MINUTE);
    let own = after.node("kota-bandung").forwards(&case).to("ksp");
    let forwards = case.take(own.signed_with(crate::fixture::renewed_key("kota-bandung")));
    assert_eq!(case.standing(forwards), Standing::Effective);
    let under_the_old =
        after.node("kota-bandung").progresses(&case).signed_with(crate::fixture::entry_key("kota-bandung"));
    assert_eq!(without_effect_of(&mut case, under_the_old.under_charter(1)), disputed("kota-bandung"));
}

fn without_effect_of(case: &mut Case<'_>, writing: Writing) -> Standing {
    // The entry names the older charter, so its parents must as well.
    let lodged = case.complaint.lodged_entry();
    let entry = writing.after(&[lodged]).on(lodged).entry();
    case.learn(&entry);
    case.standing(entry.id)
}

#[test]
fn a_receipt_under_a_revoked_key_makes_no_witness_unless_the_list_names_it() {
    let before = Federation::new();
    let mut case = before.case_held_by("ksp", "kota-bandung");
    case.take(before.node("kota-bandung").forwards(&case).to("kominfo"));
    let accepts = before.node("kominfo").accepts(&case).entry();
    case.learn(&accepts);
    let ack = Ledger::filled(8).acknowledges("ombudsman", accepts.id, 7, accepts.clock.millis(), 1);
    let name = receipt_id(&ack.receipt);
    let receipt = item_receipt(&ack, 0);
    let body = wire::Proven { entry: accepts.id.0.to_vec(), receipt };
    let proof = case.take(before.node("kominfo").says(&case, wire::entry::Body::Proven(body)));
    assert_eq!(case.standing(proof), Standing::Effective);
    let standing_when = |list: fn(&mut TrustedListDraft, [u8; 32])| {
        let after = Federation::after_theft("ombudsman", |draft| list(draft, name));
        case.complaint.under(&after.charters).standing(&proof).expect("it is here")
    };
    let key = crate::fixture::entry_key("ombudsman").id();
    let disputed = NotWitnessed::Disputed { agency: agency("ombudsman"), key };
    assert_eq!(standing_when(|_, _| {}), Standing::WithoutEffect(NoEffect::NotWitnessed(disputed)));
    assert_eq!(standing_when(|draft, name| draft.receipts.extend([name])), Standing::Effective);
}
