//! Tests of delivered items: known, refused, deferred, admitted, and judged again.

use prost::Message;
use sha2::{Digest, Sha256};

use super::*;
use crate::base::refusal::{DeferralCode, Refusal, RefusalCode};
use crate::fixture::MINUTE;
use crate::routing::unsettled::UnsettledItem;

const LEAF_0: ItemOutcome = ItemOutcome::Leaf(LedgerIndex(0));
const MISSING_PARENT: ItemOutcome = ItemOutcome::Deferred(Deferral { code: 601, kept: true, copy: None });

#[test]
fn a_known_entry_is_answered_from_the_ledger_and_written_once() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung"]);
    let lodged = federation.node("kota-bandung").lodges();
    assert_eq!(node.deliver("kota-bandung", vec![item(&lodged), item(&lodged)]), [LEAF_0, LEAF_0]);
    assert_eq!(node.apply(), ["leaf Lodged -> ", "cursor of kota-bandung"]);
    for _ in 0..3 {
        assert_eq!(node.deliver("kota-bandung", vec![item(&lodged)]), [LEAF_0]);
        assert_eq!(node.apply(), [""; 0], "frames that bring nothing new leave no record");
    }
    node.give(Input::Tick);
    assert_eq!(node.apply(), ["cursor of kota-bandung"]);
    node.give(Input::Tick);
    assert_eq!(node.apply(), [""; 0]);
}

#[test]
fn an_entry_is_deferred_until_its_parent_is_here_and_judged_again_when_the_view_shows_both() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung"]);
    let lodged = federation.node("kota-bandung").lodges();
    let case = federation.case_at("kota-bandung");
    let offer = federation.node("kota-bandung").forwards(&case).to("prov-jabar");
    assert_eq!(node.deliver("kota-bandung", vec![item(&offer)]), [MISSING_PARENT]);
    let (number, waiting) = node.close();
    assert_eq!(node.deliver("kota-bandung", vec![item(&lodged)]), [LEAF_0]);
    assert!(!node.engine.has_backlog() && node.engine.awaits_applied(), "the view does not show the waiting item yet");
    node.apply_batch(number.expect("a batch"), waiting);
    assert!(node.engine.has_backlog());
    node.give(Input::Work);
    assert_eq!(node.batch.recheck.len(), 1, "its signature is checked elsewhere");
    let written = node.apply();
    let expected = ["leaf Lodged -> ", "cursor of kota-bandung", "deferred done", "leaf Forwarded -> "];
    assert_eq!(written, expected);
    assert!(node.engine.deferred().is_empty());
    assert!(!node.engine.has_backlog() && !node.engine.awaits_applied());
}

#[test]
fn an_item_that_stays_deferred_when_it_is_judged_again_is_not_recorded_again() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung"]);
    let early = federation.node("kota-bandung").lodges().at(START + 6 * MINUTE);
    let ahead = ItemOutcome::Deferred(Deferral::kept(DeferralCode::ClockAhead.number()));
    assert_eq!(node.deliver("kota-bandung", vec![item(&early)]), [ahead]);
    node.apply();
    node.give(Input::Tick);
    assert!(node.apply().is_empty());
    assert_eq!(node.engine.deferred().len(), 1);
    node.now += 2 * MINUTE;
    node.give(Input::Tick);
    assert_eq!(node.apply(), ["deferred done", "leaf Lodged -> "]);
}

/// An item as a peer delivers it, with a bit of its signature changed.
fn spoiled(writing: &Writing) -> wire::Item {
    let mut signed = wire::SignedEntry::decode(writing.signed().bytes).expect("a signed entry");
    let envelope = signed.envelope.as_mut().expect("an envelope");
    let mut signature = envelope.signature.to_vec();
    signature[5] ^= 1;
    envelope.signature = signature.into();
    wire::Item { signed_entry: signed.encode_to_vec().into(), ..Default::default() }
}

/// The answer to an item with this `SignedEntry`, whose envelope does not verify.
fn unsigned(item: &wire::Item) -> ItemOutcome {
    let copy = Some(Sha256::digest(&item.signed_entry).into());
    ItemOutcome::Deferred(Deferral { code: DeferralCode::Unsigned.number(), kept: false, copy })
}

#[test]
fn nothing_of_an_unsigned_copy_is_kept_and_a_good_copy_of_another_peer_is_admitted() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung", "ksp"]);
    let lodged = federation.node("kota-bandung").lodges();
    let (spoiled, id) = (spoiled(&lodged), lodged.signed().id);
    let bare = crate::entry::signed_bytes(lodged.entry().bytes, None);
    let bare = wire::Item { signed_entry: bare, ..Default::default() };
    let told = Warning::Unsigned(agency("kota-bandung"), id);
    // The operator is told once of a peer until the next tick.
    for (copy, warnings) in [(&spoiled, vec![told]), (&bare, vec![]), (&spoiled, vec![])] {
        let received = checked_item(copy.clone(), &federation.charters);
        let result = ItemResult::without_contents(id, unsigned(copy));
        assert_eq!(node.results("kota-bandung", vec![received]), [result]);
        assert_eq!(node.batch.warnings, warnings);
        assert!(node.batch.touched.is_empty());
        assert_eq!(node.apply(), [""; 0]);
    }
    assert!(node.engine.deferred().is_empty());
    assert_ne!(unsigned(&spoiled), unsigned(&bare), "the answer names the copy");
    let good = wire::Item { signed_entry: lodged.signed().bytes, ..Default::default() };
    assert_eq!(node.deliver("ksp", vec![checked_item(good, &federation.charters)]), [LEAF_0]);
    assert_eq!(node.apply(), ["leaf Lodged -> ", "cursor of kota-bandung", "cursor of ksp"]);
}

#[test]
fn a_deferred_item_that_turns_out_to_be_unsigned_is_dropped_without_a_refusal() {
    let (first, mut node) = TestNode::ready("prov-jabar", &["kota-bandung", "ksp"]);
    let second = Federation::changed(|_| ());
    let lodged = second.node("kota-bandung").lodges();
    let id = lodged.signed().id;
    // Without the second charter, the node cannot tell the copies apart.
    let copy = spoiled(&lodged);
    let good = wire::Item { signed_entry: lodged.signed().bytes, ..Default::default() };
    for (peer, item) in [("kota-bandung", &copy), ("ksp", &good)] {
        let missing = ItemOutcome::Deferred(Deferral::kept(DeferralCode::MissingCharter.number()));
        assert_eq!(node.deliver(peer, vec![checked_item(item.clone(), &first.charters)]), [missing]);
    }
    node.apply();
    assert_eq!(node.engine.deferred().len(), 2);
    node.give(Input::Charters(Arc::new(second.charters.clone())));
    node.view.learn(&second.charters);
    node.give(Input::Work);
    let (number, batch) = node.close();
    assert_eq!(batch.recheck.len(), 2);
    node.apply_batch(number.expect("a batch"), batch);
    assert_eq!(node.batch.warnings, [Warning::Unsigned(agency("kota-bandung"), id)]);
    let spoiled_key = record::item_key(&agency("kota-bandung"), &copy.encode_to_vec());
    assert!(node.batch.destroy.contains(&Destroy::DeferredItem(spoiled_key)), "a content may be in it");
    let mut written = node.apply();
    // The items are checked in the order of their hashes.
    written.sort();
    assert_eq!(written, ["deferred done", "deferred done", "leaf Lodged -> "]);
    assert!(node.engine.deferred().is_empty());
}

#[test]
fn an_entry_of_a_later_version_waits_for_a_program_that_can_read_it() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung"]);
    let later = federation.node("kota-bandung").lodges().edited(|entry| entry.version += 1);
    let item = wire::Item { signed_entry: later, ..Default::default() };
    let waits = ItemOutcome::Deferred(Deferral::kept(DeferralCode::LaterVersion.number()));
    assert_eq!(node.deliver("kota-bandung", vec![checked_item(item, &federation.charters)]), [waits]);
    assert_eq!(node.apply(), ["deferred 604", "cursor of kota-bandung"]);
    node.give(Input::Tick);
    assert_eq!(node.apply(), Vec::<String>::new(), "this program still cannot read it");
    assert_eq!(node.engine.deferred().len(), 1);
}

#[test]
fn a_result_names_the_contents_of_the_item_that_are_here_now() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung"]);
    let (title, text) = (content("jalan rusak"), Content { commitment: 1, ..content("di depan pasar") });
    let lodged = federation.node("kota-bandung").lodges();
    let lodged = lodged.committing(&title, ContentClass::Public).committing(&text, ContentClass::Public);
    let with = |contents: &[&Content]| {
        received(lodged.signed().bytes, contents.iter().map(|content| content.to_wire()).collect())
    };
    let garbled = Content { commitment: 0, ..content("jalan bagus") };
    let rows: [(&[&Content], u32); 5] =
        [(&[&text], 0b10), (&[], 0), (&[&garbled], 0), (&[&title], 0b01), (&[&title, &text], 0b11)];
    for (contents, expected) in rows {
        let [result] = node.results("kota-bandung", vec![with(contents)])[..] else { panic!("one result") };
        assert_eq!((result.outcome, result.contents), (LEAF_0, expected));
        node.apply();
    }
}

#[test]
fn an_item_is_given_out_once_and_again_only_if_it_was_unblocked_during_the_check() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung"]);
    let early = federation.node("kota-bandung").lodges().at(START + 6 * MINUTE);
    node.deliver("kota-bandung", vec![item(&early)]);
    node.apply();
    let mut given_out = Vec::new();
    for _ in 0..1000 {
        node.give(Input::Tick);
        node.give(Input::Work);
        given_out.append(&mut node.batch.recheck);
    }
    assert_eq!(given_out.len(), 1);
    let Some(Recheck { key, item: kept }) = given_out.pop() else { panic!("one item") };
    node.give(Input::Rechecked(vec![(key, received(kept.signed_entry, kept.content))]));
    node.give(Input::Work);
    assert_eq!(node.batch.recheck.len(), 1, "a tick came while it was checked");
}

#[test]
fn no_more_items_are_given_out_than_can_be_checked_at_a_time() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung"]);
    let waits = |number: u64| item(&federation.node("kota-bandung").lodges().at(START + 6 * MINUTE).at_leaf(number));
    node.deliver("kota-bandung", (0..300).map(waits).collect());
    node.apply();
    for _ in 0..3 {
        node.give(Input::Tick);
        node.give(Input::Work);
    }
    assert_eq!(node.batch.recheck.len(), 256);
    assert!(!node.engine.has_backlog(), "it waits for results");
    let checked = std::mem::take(&mut node.batch.recheck).into_iter();
    let check = |Recheck { key, item }| (key, received(item.signed_entry, item.content));
    node.give(Input::Rechecked(checked.map(check).collect()));
    node.give(Input::Work);
    assert!(node.batch.recheck.len() >= 44, "the others have their turn");
}

#[test]
fn duplicates_of_a_complaint_with_erasures_order_no_destruction() {
    let federation = Federation::new();
    let mut node = TestNode::of(&federation, "kemendagri", &["prov-jabar"]);
    let (_, erased) = node.erased();
    node.deliver("prov-jabar", vec![received(erased.clone(), Vec::new())]);
    assert!(!node.batch.destroy.is_empty());
    node.apply();
    node.deliver("prov-jabar", vec![received(erased.clone(), Vec::new()), received(erased, Vec::new())]);
    assert!(node.batch.destroy.is_empty());
}

#[test]
fn deferred_items_are_tried_after_a_restart() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung"]);
    let early = federation.node("kota-bandung").lodges().at(START + 6 * MINUTE);
    node.deliver("kota-bandung", vec![item(&early)]);
    node.apply();
    let mut again = TestNode::starting(&federation, "prov-jabar", &["kota-bandung"], node.view);
    again.now += 2 * MINUTE;
    again.give(Input::Guard(GuardState::Clear));
    assert_eq!(again.apply(), ["deferred done", "leaf Lodged -> "]);
}

#[test]
fn a_read_that_fails_leaves_the_items_before_it_taken() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung"]);
    let other = federation.node("kota-bandung").lodges().at_leaf(1);
    node.view.damaged = other.entry().complaint;
    let items = vec![item(&federation.node("kota-bandung").lodges()), item(&other)];
    let failed = node.try_give(Input::Deliver(delivery("kota-bandung", items)));
    assert!(failed.is_err());
    let written: Vec<String> = node.batch.records.iter().map(shown).collect();
    assert_eq!(written, ["leaf Lodged -> "], "and no cursor: the peer sends the frame again");
    node.view.damaged = None;
    assert_eq!(node.deliver("kota-bandung", vec![item(&other)]), [ItemOutcome::Leaf(LedgerIndex(1))]);
}

#[test]
fn a_late_content_is_taken_once_and_goes_on_to_the_agencies_that_may_have_it() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kemendagri", "kota-bandung"]);
    let text = content("jalan rusak");
    let lodged = federation.node("kota-bandung").lodges().committing(&text, ContentClass::Public);
    let case = crate::fixture::Case::lodged(&federation, &lodged.entry());
    let offer = federation.node("kota-bandung").forwards(&case).to("kemendagri");
    node.deliver("kota-bandung", vec![item(&lodged), item(&offer)]);
    let with_text = || received(lodged.signed().bytes, vec![text.to_wire()]);
    node.deliver("kota-bandung", vec![with_text()]);
    let late = ["content of 0", "0 again -> kemendagri", "cursor of kota-bandung"];
    assert_eq!(node.batch.records[node.batch.records.len() - 3..].iter().map(shown).collect::<Vec<_>>(), late);
    let on_its_way = node.close();
    node.deliver("kota-bandung", vec![with_text()]);
    assert!(node.batch.records.is_empty(), "not applied yet");
    node.apply_batch(on_its_way.0.expect("a batch"), on_its_way.1);
    node.deliver("kota-bandung", vec![with_text()]);
    assert_eq!(node.apply(), [""; 0]);
}

#[test]
fn a_content_that_is_not_what_the_entry_committed_to_is_refused_alone() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung"]);
    let lodged = federation.node("kota-bandung").lodges().committing(&content("jalan rusak"), ContentClass::Public);
    let garbled = received(lodged.signed().bytes, vec![content("jalan bagus").to_wire()]);
    assert_eq!(node.deliver("kota-bandung", vec![garbled]), [LEAF_0]);
    assert_eq!(node.apply(), ["refused 401", "leaf Lodged -> ", "cursor of kota-bandung"]);
}

#[test]
fn refused_items_over_the_quota_get_no_record() {
    let (_federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung"]);
    let refused = |number: u64| Received::Refused {
        entry: EntryId([7; 32]),
        refusal: Refusal::new(RefusalCode::UnknownKey, "a test"),
        bytes: number.to_be_bytes().to_vec().into(),
    };
    let most = QUOTAS.refused_records_a_day as u64;
    node.deliver("kota-bandung", (0..most).map(refused).collect());
    node.apply();
    let outcome = ItemOutcome::Refused(RefusalCode::UnknownKey.number());
    assert_eq!(node.deliver("kota-bandung", vec![refused(most)]), [outcome]);
    assert_eq!(node.batch.warnings, [Warning::RefusedUnkept(agency("kota-bandung"), 1)]);
    assert_eq!(node.apply(), [""; 0]);
}

/// The outcome of an item that is put off.
const PUT_OFF: ItemOutcome = ItemOutcome::Deferred(Deferral { code: 606, kept: false, copy: None });

#[test]
fn entries_over_their_author_s_share_are_put_off_and_others_are_taken() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung", "ksp"]);
    let large = vec![content(&"x".repeat(limits::CONTENT_BYTES)).to_wire()];
    let lodged = |number: u64| {
        let text = content(&"x".repeat(limits::CONTENT_BYTES));
        federation.node("kota-bandung").lodges().committing(&text, ContentClass::Public).at_leaf(number)
    };
    let with_text = |number: u64| received(lodged(number).signed().bytes, large.clone());
    let fit = QUOTAS.share_bytes_a_week / limits::CONTENT_BYTES as u64;
    let mut outcomes = Vec::new();
    for number in 0..=fit {
        outcomes.extend(node.deliver("kota-bandung", vec![with_text(number)]));
    }
    let put_off = outcomes.iter().filter(|outcome| **outcome == PUT_OFF).count();
    assert!((1..4).contains(&put_off), "{put_off} of {fit}");
    assert_eq!(outcomes.last(), Some(&PUT_OFF));
    let share = Some(QUOTAS.share_bytes_a_week);
    assert_eq!(node.batch.warnings, [Warning::OverShare(agency("kota-bandung"), share)], "once");
    let of_another = federation.node("ksp").lodges();
    assert!(matches!(node.deliver("kota-bandung", vec![item(&of_another)])[..], [ItemOutcome::Leaf(_)]));
    node.apply();
    node.now += 2 * crate::fixture::DAY;
    assert!(matches!(node.deliver("kota-bandung", vec![with_text(fit)])[..], [ItemOutcome::Leaf(_)]));
    node.apply();
    node.give(Input::Tick);
    assert_eq!(node.batch.warnings, [Warning::OverShare(agency("kota-bandung"), None)]);
}

#[test]
fn contents_that_come_after_their_entry_count_and_contents_that_nobody_committed_to_do_not() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung"]);
    let text = content(&"x".repeat(limits::CONTENT_BYTES));
    let junk = content(&"y".repeat(limits::CONTENT_BYTES)).to_wire();
    let lodged = |leaf: u64| {
        federation.node("kota-bandung").lodges().committing(&text, ContentClass::Public).at_leaf(leaf).signed().bytes
    };
    let fit = QUOTAS.share_bytes_a_week / limits::CONTENT_BYTES as u64;
    let junk = || (0..8).map(|number| wire::Content { commitment: number, ..junk.clone() }).skip(1).collect::<Vec<_>>();
    for number in 0..2 * fit {
        let outcomes = node.deliver("kota-bandung", vec![received(lodged(number), junk())]);
        assert!(matches!(outcomes[..], [ItemOutcome::Leaf(_)]), "a relay uses up nobody's share: {number}");
    }
    node.apply();
    let late = |number: u64| received(lodged(number), vec![text.to_wire()]);
    let outcomes: Vec<_> = (0..2 * fit).flat_map(|number| node.deliver("kota-bandung", vec![late(number)])).collect();
    let put_off = outcomes.iter().filter(|outcome| **outcome == PUT_OFF).count() as u64;
    assert!((fit..fit + 8).contains(&put_off), "{put_off} of {}", 2 * fit);
    assert!(node.deliver("kota-bandung", vec![late(0)]) != [PUT_OFF], "what is here costs nothing");
}

#[test]
fn while_the_disk_is_nearly_full_nothing_of_peers_is_kept_and_own_work_goes_on() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung"]);
    let text = content("jalan rusak");
    let known = federation.node("kota-bandung").lodges().committing(&text, ContentClass::Public);
    node.deliver("kota-bandung", vec![item(&known)]);
    node.apply();
    node.give(Input::Space(DiskSpace { free: 1 << 40, is_low: true }));
    let new = federation.node("kota-bandung").lodges().at_leaf(1);
    let waits = federation.node("kota-bandung").lodges().at_leaf(2).at(START + 6 * MINUTE);
    let late = received(known.signed().bytes, vec![text.to_wire()]);
    let outcomes = node.deliver("kota-bandung", vec![item(&new), item(&waits), late, item(&known)]);
    assert_eq!(outcomes, [PUT_OFF, PUT_OFF, PUT_OFF, LEAF_0]);
    node.lodge("Jalan berlubang", None, None).expect("own work goes on");
    let own = ["content of 1", "leaf Lodged -> ", "signature of 1"];
    assert_eq!(node.apply(), [&["put off of kota-bandung", "cursor of kota-bandung"], &own[..]].concat());
    node.give(Input::Space(DiskSpace { free: 1 << 40, is_low: false }));
    let late = received(known.signed().bytes, vec![text.to_wire()]);
    let outcomes = node.deliver("kota-bandung", vec![item(&new), item(&waits), late]);
    assert!(!outcomes.contains(&PUT_OFF), "{outcomes:?}");
}

#[test]
fn a_deferred_item_over_its_author_s_share_stays_deferred_until_there_is_room() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung"]);
    let case = federation.case_at("kota-bandung");
    let offer = federation.node("kota-bandung").forwards(&case).to("prov-jabar");
    node.deliver("kota-bandung", vec![item(&offer)]);
    node.deliver("kota-bandung", vec![item(&federation.node("kota-bandung").lodges())]);
    let (number, batch) = node.close();
    node.give(Input::Space(DiskSpace { free: 0, is_low: true }));
    node.apply_batch(number.expect("a batch"), batch);
    node.apply();
    assert_eq!(node.engine.deferred().len(), 1);
    node.give(Input::Space(DiskSpace::default()));
    node.give(Input::Tick);
    assert!(node.apply().contains(&"leaf Forwarded -> ".to_owned()));
    assert!(node.engine.deferred().is_empty());
}

#[test]
fn of_a_peer_with_too_many_deferred_items_no_more_are_kept_and_the_operator_is_warned_once() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung"]);
    let waits = |number: u64| item(&federation.node("kota-bandung").lodges().at(START + 6 * MINUTE).at_leaf(number));
    let most = QUOTAS.deferred_items as u64;
    node.deliver("kota-bandung", (0..most).map(waits).collect());
    let peer = agency("kota-bandung");
    let not_kept = Deferral { code: DeferralCode::OverShare.number(), kept: false, copy: None };
    for warnings in [vec![Warning::TooMuchDeferred(peer.clone(), true)], Vec::new()] {
        node.batch.warnings.clear();
        let good = item(&federation.node("kota-bandung").lodges().at_leaf(most + 1 + warnings.len() as u64));
        let outcomes = node.deliver("kota-bandung", vec![waits(most), good]);
        assert_eq!(outcomes[0], ItemOutcome::Deferred(not_kept));
        assert!(matches!(outcomes[1], ItemOutcome::Leaf(_)), "the line goes on");
        assert_eq!(node.batch.warnings, warnings);
    }
    assert_eq!(node.engine.deferred().len(), QUOTAS.deferred_items);
    node.now += 2 * MINUTE;
    node.apply();
    node.give(Input::Tick);
    node.apply();
    node.give(Input::Tick);
    assert_eq!(node.batch.warnings, [Warning::TooMuchDeferred(peer, false)]);
}

#[test]
fn an_item_that_a_peer_did_not_take_is_sent_again_until_it_is_taken() {
    let (_, mut node) = TestNode::ready("kota-bandung", &["prov-jabar"]);
    let lodged = node.lodge("Jalan berlubang", None, Some("prov-jabar")).expect("lodged");
    node.apply();
    let (leaf, complaint) = (LedgerIndex(1), Some(lodged.complaint));
    let item = UnsettledItem { entry: EntryId([7; 32]), leaf, complaint, code: 205, is_refused: true };
    let receipt = |at, unsettled, settled| {
        let cursor = Cursor::end(Epoch::FIRST, LedgerIndex(2), 0);
        Input::Receipt(ReceiptHeader { at, peer: agency("prov-jabar"), cursor, unsettled, settled }, Vec::new())
    };
    node.give(receipt(node.now, vec![item], vec![]));
    node.apply();
    let tick = |node: &mut TestNode, after: u64| {
        node.now += after;
        node.give(Input::Tick);
        node.apply()
    };
    assert_eq!(tick(&mut node, 9_999), [""; 0]);
    assert_eq!(tick(&mut node, 1), ["1 once more -> prov-jabar Confidential"]);
    assert_eq!(tick(&mut node, 60 * MINUTE), [""; 0], "it is on its way");
    node.give(receipt(node.now, vec![item], vec![]));
    node.apply();
    assert_eq!(tick(&mut node, 10_000), [""; 0], "the pause grows");
    assert_eq!(tick(&mut node, 2_500), ["1 once more -> prov-jabar Confidential"]);
    node.give(receipt(node.now, vec![], vec![leaf]));
    node.apply();
    assert_eq!(tick(&mut node, 10_000 * MINUTE), [""; 0]);
}

#[test]
fn the_arrival_of_a_relayed_offer_is_confirmed_and_a_recalled_offer_is_returned_automatically() {
    let (federation, mut node) = TestNode::ready("kota-bandung", &["prov-jabar"]);
    let mut case = federation.case_at("kemendagri");
    let lodged = federation.node("kemendagri").lodges();
    let offer = federation.node("kemendagri").forwards(&case).to("kota-bandung");
    case.take(offer.clone());
    let recall = federation.node("kemendagri").recalls(&case);
    node.deliver("prov-jabar", vec![item(&lodged), item(&offer)]);
    let leaves =
        |written: Vec<String>| written.into_iter().filter(|record| record.starts_with("leaf")).collect::<Vec<_>>();
    let expected = ["leaf Lodged -> ", "leaf Forwarded -> ", "leaf Arrived -> prov-jabar"];
    assert_eq!(leaves(node.apply()), expected);
    node.deliver("prov-jabar", vec![item(&recall)]);
    assert_eq!(leaves(node.apply()), ["leaf Recalled -> ", "leaf Returned -> prov-jabar"]);
}

#[test]
fn an_automatic_action_is_put_off_until_the_node_may_sign() {
    let (federation, mut node) = TestNode::ready("kota-bandung", &["prov-jabar"]);
    let problem = Some(ClockProblem::Jumped { by: 301 });
    node.give(Input::Clock(ClockState { is_confirmed: false, problem }));
    let case = federation.case_at("kemendagri");
    let offer = federation.node("kemendagri").forwards(&case).to("kota-bandung");
    node.deliver("prov-jabar", vec![item(&federation.node("kemendagri").lodges()), item(&offer)]);
    assert!(matches!(&node.batch.warnings[..], [Warning::PutOff(_, CommandError::Clock(_))]));
    node.apply();
    node.give(Input::Clock(ClockState::default()));
    node.give(Input::Tick);
    assert_eq!(node.apply(), ["leaf Arrived -> prov-jabar", "signature of 2"]);
}

#[test]
fn a_retry_admits_an_item_that_is_good_now_and_does_not_record_a_refusal_twice() {
    let (federation, mut node) = TestNode::ready("prov-jabar", &["kota-bandung"]);
    let good = federation.node("kota-bandung").lodges();
    let kept = |number, kept, received| {
        let (peer, entry) = (agency("kota-bandung"), EntryId([number as u8; 32]));
        KeptItem { number, peer, entry, kept, received }
    };
    let still = Received::Refused {
        entry: EntryId([2; 32]),
        refusal: Refusal::new(RefusalCode::UnknownKey, "no such key"),
        bytes: Vec::new().into(),
    };
    let items = vec![
        kept(1, KeptAs::Refused("it was unknown".to_owned()), item(&good)),
        kept(2, KeptAs::Refused("it was unknown".to_owned()), still),
    ];
    let Answer::Retried(Ok(retried)) = node.give(Input::Retry(items)) else { panic!("an answer") };
    let outcomes: Vec<_> = retried.iter().map(|item| (item.number, item.outcome, item.reason.as_str())).collect();
    let refused = ItemOutcome::Refused(RefusalCode::UnknownKey.number());
    assert_eq!(outcomes, [(1, LEAF_0, ""), (2, refused, "no such key")]);
    assert_eq!(node.apply(), ["leaf Lodged -> "]);
}
