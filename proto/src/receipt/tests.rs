//! Receipts are read back as they were signed, and changed ones are refused.

use proptest::prelude::*;
use prost::Message;

use super::{Deferral, ItemOutcome, ItemResult, Receipt, ReceiptError, item_receipt};
use crate::base::cursor::Cursor;
use crate::base::ids::{EntryId, Epoch, LedgerIndex};
use crate::base::key::SigningKey;
use crate::fixture::{FEDERATION, Federation, agency, entry_key};
use crate::tlog::checkpoint::Checkpoint;
use crate::tlog::tree::leaf_hash;
use crate::wire;

pub(crate) fn receipt() -> Receipt {
    let unsigned = Deferral { code: 605, kept: false, copy: Some([0x4c; 32]) };
    let outcomes = [
        (ItemOutcome::Leaf(LedgerIndex(41)), 0b101),
        (ItemOutcome::Refused(202), 0),
        (ItemOutcome::Deferred(Deferral::kept(601)), 0),
        (ItemOutcome::Deferred(unsigned), 0),
    ];
    let result = |(index, (outcome, contents))| ItemResult { entry: EntryId([index as u8; 32]), outcome, contents };
    Receipt {
        federation: FEDERATION.to_owned(),
        receiver: agency("kota-bandung"),
        sender: agency("prov-jabar"),
        key_id: Receipt::key_id_of(&entry_key("kota-bandung")),
        charter_version: 1,
        cursor: Cursor { epoch: Epoch(1), index: LedgerIndex(77), part: 2 },
        results: outcomes.into_iter().enumerate().map(result).collect(),
        checkpoint: b"a checkpoint".to_vec(),
    }
}

/// The receipt message after `change`, unsigned.
fn edited(change: impl FnOnce(&mut wire::Receipt)) -> Result<Receipt, ReceiptError> {
    let mut ack = receipt().sign(&entry_key("kota-bandung"));
    let mut message = wire::Receipt::decode(ack.receipt.as_slice()).expect("a receipt");
    change(&mut message);
    ack.receipt = message.encode_to_vec();
    Receipt::parse(&ack)
}

fn malformed(what: &str) -> Result<Receipt, ReceiptError> {
    Err(ReceiptError::Malformed(what.to_owned()))
}

#[test]
fn a_receipt_reads_back_what_was_signed() {
    let key = entry_key("kota-bandung");
    let ack = receipt().sign(&key);
    let parsed = Receipt::parse(&ack).expect("a receipt");
    assert_eq!(parsed, receipt());
    assert_eq!(parsed.verify(&ack.receipt, &ack.signature, &key.verification_key()), Ok(()));
}

#[test]
fn a_receipt_counts_only_under_a_checkpoint_that_opens_and_has_all_leaves_that_it_names() {
    let of_size = |size| Checkpoint { epoch: Epoch(1), size, root: [9; 32], seconds: None };
    let (beyond, covered) = (of_size(41), of_size(42));
    let error = ReceiptError::BeyondCheckpoint { leaf: LedgerIndex(41), size: 41 };
    assert_eq!(receipt().checkpoint(|_| None), Err(ReceiptError::BadCheckpoint(agency("kota-bandung"))));
    assert_eq!(receipt().checkpoint(|_| Some(beyond)), Err(error));
    assert_eq!(receipt().checkpoint(|note| (note == b"a checkpoint").then_some(covered.clone())), Ok(covered));
}

#[test]
fn a_leaf_of_index_zero_is_an_outcome() {
    let mut first = receipt();
    first.results = vec![ItemResult::without_contents(EntryId([1; 32]), ItemOutcome::Leaf(LedgerIndex(0)))];
    let ack = first.sign(&entry_key("kota-bandung"));
    assert_eq!(Receipt::parse(&ack).expect("a receipt").results, first.results);
}

#[test]
fn a_receipt_binds_the_receiver_to_the_hash_of_each_leaf_that_it_names() {
    let entry = Federation::new().node("prov-jabar").lodges().entry();
    let mut stored = receipt();
    stored.results[0].entry = entry.id;
    let ack = stored.sign(&entry_key("kota-bandung"));
    let leaves: Vec<_> = Receipt::parse(&ack).expect("a receipt").leaves().collect();
    assert_eq!(leaves, [(EntryId(leaf_hash(&entry.bytes)), LedgerIndex(41))]);
}

#[test]
fn a_deferral_names_the_copy_by_a_whole_hash_or_not_at_all() {
    let with_copy = |copy: Vec<u8>| {
        let deferral = wire::Deferral { code: 605, kept: false, copy };
        let result = Some(wire::item_result::Result::Deferred(deferral));
        let result = wire::ItemResult { entry_id: vec![1; 32], contents: 0, result }.encode_to_vec();
        super::parse_result(&result).map(|result| result.outcome)
    };
    let unsigned = |copy| Ok(ItemOutcome::Deferred(Deferral { code: 605, kept: false, copy }));
    assert_eq!(with_copy(Vec::new()), unsigned(None));
    assert_eq!(with_copy(vec![7; 32]), unsigned(Some([7; 32])));
    for length in [1, 31, 33] {
        let malformed = Err(ReceiptError::Malformed("result".to_owned()));
        assert_eq!(with_copy(vec![7; length]), malformed, "{length} bytes");
    }
}

#[test]
fn results_that_the_receiver_did_not_sign_are_no_receipt() {
    let ack = receipt().sign(&entry_key("kota-bandung"));
    assert_eq!(Receipt::parse(&ack), Ok(receipt()));
    let refused = |change: fn(&mut Vec<Vec<u8>>)| {
        let mut ack = ack.clone();
        change(&mut ack.results);
        assert_eq!(Receipt::parse(&ack), Err(ReceiptError::OtherResults));
    };
    refused(|results| results.truncate(3));
    refused(|results| results.swap(0, 1));
    refused(|results| results.push(results[0].clone()));
    refused(|results| results[2].extend([0x50, 1]));
}

#[test]
fn one_result_of_a_receipt_can_be_shown_without_the_others() {
    let key = entry_key("kota-bandung");
    let ack = receipt().sign(&key);
    for (index, result) in receipt().results.into_iter().enumerate() {
        let shown = item_receipt(&ack, index).expect("an item");
        let parsed = Receipt::parse_item(&shown).expect("a result of the receipt");
        assert_eq!(parsed, Receipt { results: vec![result], ..receipt() });
        assert_eq!(parsed.verify(&shown.receipt, &shown.signature, &key.verification_key()), Ok(()));
        let refused = |change: fn(&mut wire::ItemReceipt)| {
            let mut shown = shown.clone();
            change(&mut shown);
            assert_eq!(Receipt::parse_item(&shown), Err(ReceiptError::OtherResults));
        };
        refused(|shown| shown.index += 1);
        refused(|shown| shown.path.push(0));
        refused(|shown| shown.path.truncate(32));
        refused(|shown| shown.result.extend([0x50, 1]));
    }
    assert_eq!(item_receipt(&ack, 4), None);
}

#[test]
fn a_wrong_signature_is_refused() {
    let key = entry_key("kota-bandung");
    let ack = receipt().sign(&key);
    let bad = Err(ReceiptError::BadSignature(receipt().key_id));
    let verified =
        |ack: &wire::Ack, key: &SigningKey| receipt().verify(&ack.receipt, &ack.signature, &key.verification_key());
    assert_eq!(verified(&ack, &entry_key("prov-jabar")), bad);
    let mut flipped = ack.clone();
    flipped.signature[9] ^= 1;
    assert_eq!(verified(&flipped, &key), bad);
    let mut short = ack.clone();
    short.signature.pop();
    assert_eq!(verified(&short, &key), bad);
    let mut changed = ack;
    changed.receipt[5] ^= 1;
    assert_eq!(verified(&changed, &key), bad);
}

#[test]
fn a_signature_of_an_entry_is_no_signature_of_a_receipt() {
    let key = entry_key("kota-bandung");
    let mut ack = receipt().sign(&key);
    ack.signature = key.sign(&[b"sinergi/entries/v2\0", ack.receipt.as_slice()].concat()).to_bytes().to_vec();
    assert!(receipt().verify(&ack.receipt, &ack.signature, &key.verification_key()).is_err());
}

#[test]
fn a_malformed_receipt_is_refused_and_the_field_is_named() {
    assert!(matches!(
        Receipt::parse(&wire::Ack { receipt: vec![0xff], ..Default::default() }),
        Err(ReceiptError::Malformed(_))
    ));
    assert_eq!(edited(|receipt| receipt.receiver.clear()), malformed("receiver"));
    assert_eq!(edited(|receipt| receipt.sender = "X".to_owned()), malformed("sender"));
    assert_eq!(edited(|receipt| receipt.cursor = None), malformed("no cursor"));
    assert_eq!(edited(|receipt| receipt.results_root.truncate(31)), malformed("results root"));
    let result = |entry_id: Vec<u8>, outcome| {
        let result = wire::ItemResult { entry_id, result: outcome, contents: 0 }.encode_to_vec();
        super::parse_result(&result).map(drop)
    };
    let leaf = Some(wire::item_result::Result::LeafIndex(1));
    let wrong = Err(ReceiptError::Malformed("result".to_owned()));
    assert_eq!(result(vec![1; 32], leaf.clone()), Ok(()));
    assert_eq!(result(vec![1; 31], leaf), wrong);
    assert_eq!(result(vec![1; 32], None), wrong);
    // A delivery of no items only moves the cursor.
    let empty = Receipt { results: Vec::new(), ..receipt() };
    assert_eq!(Receipt::parse(&empty.sign(&entry_key("kota-bandung"))), Ok(empty));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), signature in prop::collection::vec(any::<u8>(), 0..80)) {
        let ack = wire::Ack { receipt: bytes.clone(), signature: signature.clone(), results: vec![bytes.clone()] };
        if let Ok(parsed) = Receipt::parse(&ack) {
            prop_assert!(parsed.verify(&ack.receipt, &ack.signature, &entry_key("ksp").verification_key()).is_err());
        }
        let path = signature.clone();
        let item = wire::ItemReceipt { receipt: bytes.clone(), signature, result: bytes, index: 0, path };
        prop_assert!(Receipt::parse_item(&item).is_err());
    }
}
