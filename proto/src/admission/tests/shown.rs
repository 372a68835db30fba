//! The receipt that a `Proven` shows: it counts only if the receiver signed all of it.

use super::*;
use crate::base::ids::Epoch;
use crate::entry::Body;
use crate::fixture::MEMBERS;
use crate::fixture::ledger::Ledger;
use crate::receipt::{ItemOutcome, ItemResult, Receipt, item_receipt};
use crate::tlog::checkpoint::CheckpointSigner;

const RECEIVER: &str = "ombudsman";

/// The verdict on a `Proven` of `federation` that shows this receipt for the offer of a complaint.
fn verdict(federation: &Federation, shown: impl FnOnce(EntryId) -> wire::ItemReceipt) -> Verdict {
    let mut case = federation.case_at("ksp");
    let offer = case.take(federation.node("ksp").forwards(&case).to("kominfo"));
    let mut writing = federation.node("ksp").proves(&case, offer, RECEIVER, START);
    if let wire::entry::Body::Proven(body) = &mut writing.draft.body {
        body.receipt = Some(shown(offer));
    }
    let entry = writing.entry();
    assert!(matches!(&entry.body, Body::Proven(proven) if proven.entry == offer));
    let known = VerifiedBatches::default();
    authenticate(&[entry], &federation.charters, &known, rng()).remove(0)
}

/// A receipt of the receiver after `change`.
fn changed(offer: EntryId, change: impl FnOnce(&mut Receipt)) -> wire::ItemReceipt {
    let ack = Ledger::filled(8).acknowledges(RECEIVER, offer, 7, START, 1);
    let mut receipt = Receipt::parse(&ack).expect("a receipt");
    change(&mut receipt);
    item_receipt(&receipt.sign(&entry_key(RECEIVER)), 0).expect("one item")
}

const BAD: Option<u32> = Some(RefusalCode::BadShownReceipt as u32);

#[test]
fn a_receipt_that_the_receiver_signed_is_good_whoever_shows_it() {
    let federation = Federation::new();
    assert_eq!(verdict(&federation, |offer| changed(offer, |_| ())), Verdict::Admit);
}

#[test]
fn a_receipt_under_another_key_or_with_changed_bytes_is_refused() {
    let federation = Federation::new();
    for other in MEMBERS.into_iter().filter(|id| *id != RECEIVER) {
        let forged = |offer| {
            let ack = Ledger::filled(8).acknowledges(RECEIVER, offer, 7, START, 1);
            let receipt = Receipt::parse(&ack).expect("a receipt");
            item_receipt(&receipt.sign(&entry_key(other)), 0).expect("one item")
        };
        assert_eq!(code(&verdict(&federation, forged)), BAD, "{other} signs in its name");
        let named = |offer| changed(offer, |receipt| receipt.key_id = Receipt::key_id_of(&entry_key(other)));
        assert_eq!(code(&verdict(&federation, named)), BAD, "it names a key of {other}");
    }
    let spoiled = |offer| {
        let mut shown = changed(offer, |_| ());
        shown.signature[7] ^= 1;
        shown
    };
    assert_eq!(code(&verdict(&federation, spoiled)), BAD);
}

#[test]
fn a_receipt_of_another_federation_is_refused() {
    let federation = Federation::new();
    let elsewhere = |offer| {
        changed(offer, |receipt| {
            receipt.federation = "other.example".to_owned();
            let keys = ["checkpoint", "time"].map(|name| key(&format!("{RECEIVER} {name}")));
            let [statement, time] = keys;
            let signer = CheckpointSigner::new("other.example", &receipt.receiver, Epoch::FIRST, statement, time);
            receipt.checkpoint = signer.sign(8, [9; 32], START / 1000);
        })
    };
    assert_eq!(code(&verdict(&federation, elsewhere)), BAD);
}

/// A checkpoint of the receiver with its statement and time lines under these keys.
fn checkpoint(statement: &str, time: &str, size: u64) -> Vec<u8> {
    let receiver = RECEIVER.parse().expect("an id");
    CheckpointSigner::new(FEDERATION, &receiver, Epoch::FIRST, key(statement), key(time)).sign(
        size,
        [9; 32],
        START / 1000,
    )
}

#[test]
fn the_checkpoint_in_a_receipt_is_the_receiver_s_with_its_time_and_covers_the_leaf() {
    let federation = Federation::new();
    let (statement, time) = (format!("{RECEIVER} checkpoint"), format!("{RECEIVER} time"));
    let with = |note: Vec<u8>| code(&verdict(&federation, |offer| changed(offer, |receipt| receipt.checkpoint = note)));
    assert_eq!(with(checkpoint(&statement, &time, 8)), None);
    assert_eq!(with(checkpoint("ksp checkpoint", &time, 8)), BAD, "another agency's statement");
    assert_eq!(with(checkpoint(&statement, "ksp time", 8)), BAD, "another agency's time");
    assert_eq!(with(checkpoint(&statement, &statement, 8)), BAD, "one key has one use");
    assert_eq!(with(checkpoint(&statement, &time, 7)), BAD, "leaf 7 is not in it");
    // A time line that was not made for this tree, before the good one.
    let text = |note: Vec<u8>| String::from_utf8(note).expect("a note is text");
    let (good, other) = (text(checkpoint(&statement, &time, 8)), text(checkpoint(&statement, &time, 9)));
    let foreign = other.lines().find(|line| line.contains("/time ")).expect("a time line");
    let spliced = good.replacen("\n\n", &format!("\n\n{foreign}\n"), 1);
    assert_eq!(with(spliced.into_bytes()), BAD);
}

#[test]
fn a_receipt_without_a_time_or_a_leaf_for_the_entry_is_malformed() {
    let federation = Federation::new();
    let mut case = federation.case_at("ksp");
    let offer = case.take(federation.node("ksp").forwards(&case).to("kominfo"));
    let malformed = |shown: Option<wire::ItemReceipt>| {
        let proves = federation.node("ksp").proves(&case, offer, RECEIVER, START);
        let bytes = proves.edited(|entry| {
            if let Some(wire::entry::Body::Proven(body)) = &mut entry.body {
                body.receipt = shown;
            }
        });
        match Entry::parse(bytes, FEDERATION) {
            Err(crate::entry::ParseError::Refused(refusal)) => refusal.code == RefusalCode::Malformed,
            _ => false,
        }
    };
    assert!(!malformed(Some(changed(offer, |_| ()))));
    assert!(malformed(None));
    assert!(malformed(Some(wire::ItemReceipt::default())));
    let other = EntryId([3; 32]);
    assert!(malformed(Some(changed(other, |_| ()))), "a receipt for another entry");
    let refused = ItemResult::without_contents(offer, ItemOutcome::Refused(205));
    assert!(malformed(Some(changed(offer, |receipt| receipt.results = vec![refused]))), "a refusal");
    let untimed = |receipt: &mut Receipt| {
        let note = String::from_utf8(receipt.checkpoint.clone()).expect("a note is text");
        let lines = note.split_inclusive('\n').filter(|line| !line.contains("/time "));
        receipt.checkpoint = lines.collect::<String>().into_bytes();
    };
    assert!(malformed(Some(changed(offer, untimed))), "no time line");
}

#[test]
fn only_charters_up_to_the_one_that_the_entry_names_count() {
    let federation = Federation::changed(|_| ());
    let named = |version: u64, receipt_version: u64| {
        let case = Case::lodged(&federation, &federation.node("ksp").lodges().under_charter(1).entry());
        let mut writing = federation.node("ksp").proves(&case, case.complaint.tip(), RECEIVER, START);
        if let wire::entry::Body::Proven(body) = &mut writing.draft.body {
            let shown = changed(case.complaint.tip(), |receipt| receipt.charter_version = receipt_version);
            body.receipt = Some(shown);
        }
        authenticated(&federation, writing.under_charter(version).entry())
    };
    assert_eq!(named(1, 1), None);
    assert_eq!(named(2, 1), None);
    assert_eq!(named(2, 2), None);
    assert_eq!(named(1, 2), BAD, "whoever has the newer charter must not judge otherwise");
}

#[test]
fn the_receiver_s_key_was_valid_when_it_gave_the_receipt() {
    let federation = Federation::changed(|text| {
        let ends = "2025-11-24T16:00:00Z".to_owned();
        let keys = member_of(text, RECEIVER).key.iter_mut();
        keys.filter(|key| key.key_use == crate::charter::KeyUse::Entry).for_each(|key| key.valid_until = ends.clone());
    });
    let at =
        |version: u64| verdict(&federation, move |offer| changed(offer, |receipt| receipt.charter_version = version));
    assert_eq!(at(1), Verdict::Admit);
    assert_eq!(code(&at(2)), BAD, "{START} is the end of its validity");
}
