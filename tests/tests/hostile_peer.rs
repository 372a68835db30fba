//! A member that sends bad frames and items. Nothing is lost, other links are not affected, and both operators see the reason.

use bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};
use sinergi_cli::demo::wait;
use sinergi_daemon::base::node_limits;
use sinergi_daemon::storage::ledger::RecordKind;
use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::cursor::Cursor;
use sinergi_proto::base::ids::{EntryId, Epoch, LedgerIndex};
use sinergi_proto::base::limits;
use sinergi_proto::base::refusal::{DeferralCode, FaultCode, RefusalCode};
use sinergi_proto::entry::content::Content;
use sinergi_proto::entry::{CharterName, ContentClass, signed_bytes};
use sinergi_proto::operator_api;
use sinergi_proto::receipt::{Deferral, ItemOutcome, ItemResult, Receipt};
use sinergi_proto::tlog::checkpoint::CheckpointSigner;
use sinergi_proto::wire::{self, frame::Kind as FrameKind};
use sinergi_tests::disk::reopen::Reopened;
use sinergi_tests::federation::{PATIENCE, TestNode, agency};
use sinergi_tests::peer::{Impostor, Made};
use sinergi_tests::stage::Stage;

/// Bytes that no message begins with.
const GARBLED: &[u8] = b"\xff\xff\xff no protobuf";

fn outcome(receipt: &Receipt) -> ItemOutcome {
    receipt.results[0].outcome
}

fn cursor(epoch: u32, index: u64) -> Cursor {
    Cursor { epoch: Epoch(epoch), index: LedgerIndex(index), part: 0 }
}

/// A delivery of one item that continues from `after`.
fn delivery(after: Option<Cursor>, cursor: Cursor, item: wire::Item) -> wire::Deliver {
    let (cursor, after) = (Some(cursor.to_wire()), after.map(Cursor::to_wire));
    wire::Deliver { cursor, items: vec![item], after }
}

fn bytes_of(kind: FrameKind) -> Bytes {
    wire::Frame { kind: Some(kind) }.encode_to_vec().into()
}

#[tokio::test]
async fn a_copy_of_an_entry_with_a_bad_signature_is_not_kept_and_a_good_copy_is_taken_afterwards() {
    let mut stage = Stage::set().await;
    let good = stage.impostor.lodge("Palsu");
    let broken = good.with_a_broken_signature();
    let mut link = stage.link().await;
    let receipt = link.deliver(1, vec![broken.item.clone()]).await;
    let copy = Some(Sha256::digest(&broken.item.signed_entry).into());
    let unsigned = Deferral { code: DeferralCode::Unsigned.number(), kept: false, copy };
    assert_eq!(receipt.results[0], ItemResult::without_contents(good.id, ItemOutcome::Deferred(unsigned)));
    let city = stage.federation.node("kota-bandung").await;
    let status = city.status().await;
    assert!(status.alarms.iter().any(|alarm| alarm.text.contains("whose signature does not verify")), "{status:?}");
    assert_eq!((status.deferred, city.refused().await.len()), (0, 0));
    link.deliver(2, vec![good.item.clone()]).await;
    city.sees(good.complaint, |seen| seen.entries == 1).await;
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn an_entry_that_names_another_author_than_its_signer_is_refused() {
    let mut stage = Stage::set().await;
    let mut draft = stage.impostor.draft(None, Vec::new(), lodged_body());
    draft.author = agency("prov-jabar");
    let forged = stage.impostor.sign(draft, Vec::new());
    stage.is_refused(forged.item, RefusalCode::UnknownKey).await;
}

fn lodged_body() -> wire::entry::Body {
    wire::entry::Body::Lodged(wire::Lodged {
        kind: 1,
        category: "road".to_owned(),
        area: String::new(),
        class: 1,
        citizen_key: vec![1; 32],
        key_origin: 1,
    })
}

#[tokio::test]
async fn bytes_that_are_no_entry_are_refused() {
    let mut stage = Stage::set().await;
    let item = wire::Item { signed_entry: Bytes::from_static(b"\xff\xffgarbage"), ..Default::default() };
    stage.is_refused(item, RefusalCode::Undecodable).await;
}

#[tokio::test]
async fn an_entry_of_a_later_version_waits_with_its_contents_and_one_of_an_earlier_version_is_refused() {
    let mut stage = Stage::set().await;
    let mut of_version = |version: u32| {
        let draft = stage.impostor.draft_of_lodged();
        stage.impostor.sign_changed(draft, |entry| wire::Entry { version, ..entry }.encode_to_vec())
    };
    let (earlier, later) = (of_version(1), of_version(3));
    let text = wire::Content { commitment: 0, salt: vec![1; 32], data: Bytes::from_static(b"a text") };
    let item = wire::Item { content: vec![text], ..later.item };
    stage.is_refused(earlier.item, RefusalCode::UnsupportedVersion).await;
    let receipt = stage.link().await.deliver(2, vec![item.clone()]).await;
    let waits = ItemOutcome::Deferred(Deferral::kept(DeferralCode::LaterVersion.number()));
    assert_eq!((receipt.results[0].entry, outcome(&receipt)), (later.id, waits));
    stage.federation.stop_node("kota-bandung").await;
    stage.federation.start_node("kota-bandung").await;
    let waiting = stage.federation.node("kota-bandung").await.deferred().await;
    assert_eq!(waiting.iter().map(|row| row.code).collect::<Vec<_>>(), [DeferralCode::LaterVersion.number()]);
    stage.federation.stop_node("kota-bandung").await;
    let node = Reopened::open(&stage.federation.folder_of("kota-bandung")).expect("a whole folder");
    let reader = node.data.ledger.reader();
    let records = reader.records_from(reader.start()).map(|record| record.expect("a sound ledger"));
    let kept: Vec<_> = records.filter(|record| record.kind == RecordKind::Deferred).map(|record| record.body).collect();
    assert_eq!(kept, [item.encode_to_vec()]);
}

#[tokio::test]
async fn a_body_of_a_later_version_is_kept_without_effect_and_passed_on_unchanged() {
    let mut stage = Stage::set().await;
    let lodged = stage.impostor.lodge("Jenis baru");
    let offer = stage.impostor.forward(lodged.complaint, lodged.id, "prov-jabar");
    let draft = stage.impostor.draft(Some(lodged.complaint), vec![offer.id], lodged_body());
    // Body number 60, which the schema does not have: an empty message.
    let later = |entry| [wire::Entry { body: None, ..entry }.encode_to_vec(), vec![0xe2, 0x03, 0x00]].concat();
    let unknown = stage.impostor.sign_changed(draft, later);
    let receipt = stage.link().await.deliver(1, vec![lodged.item, offer.item, unknown.item]).await;
    assert!(receipt.results.iter().all(|result| matches!(result.outcome, ItemOutcome::Leaf(_))), "{receipt:?}");
    let city = stage.federation.node("kota-bandung").await;
    let province = stage.federation.node("prov-jabar").await;
    for node in [&city, &province] {
        let seen = node.has_acts(lodged.complaint, 3).await;
        let row = seen.timeline.iter().find(|row| row.entry_id == unknown.id.0).expect("the entry is here");
        assert_eq!((row.body.as_str(), row.standing.as_str()), ("Unknown", "kept"));
        assert_eq!(seen.summary.expect("a summary").offered_to, "prov-jabar");
    }
    province.accepts(lodged.complaint).await;
    province.sees(lodged.complaint, |seen| seen.holder == "prov-jabar").await;
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn an_entry_over_its_limit_is_refused() {
    let mut stage = Stage::set().await;
    let mut good = stage.impostor.lodge("Besar").item;
    let entry = wire::Entry { version: 2, federation: "x".repeat(limits::ENTRY_BYTES), ..Default::default() };
    good.signed_entry = signed_bytes(entry.encode_to_vec().into(), None);
    stage.is_refused(good, RefusalCode::TooLarge).await;
}

#[tokio::test]
async fn contents_over_a_limit_are_refused_alone_and_say_nothing_about_their_entry() {
    let mut stage = Stage::set().await;
    let lodged = stage.impostor.lodge("Banyak");
    let mut item = lodged.item.clone();
    item.content = vec![wire::Content { data: vec![0; limits::CONTENT_BYTES + 1].into(), ..Default::default() }];
    item.content.extend(vec![wire::Content::default(); 5000]);
    let mut link = stage.link().await;
    assert!(matches!(outcome(&link.deliver(2, vec![item]).await), ItemOutcome::Leaf(_)));
    let city = stage.federation.node("kota-bandung").await;
    let refused = city.refused().await;
    assert_eq!((refused.len(), refused[0].code), (1, RefusalCode::ContentMismatch.number()), "{refused:#?}");
    assert!(
        matches!(outcome(&link.deliver(3, vec![lodged.item]).await), ItemOutcome::Leaf(_)),
        "the contents may still come"
    );
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn an_entry_on_somebody_else_s_complaint_is_refused() {
    let mut stage = Stage::set().await;
    let city = stage.federation.node("kota-bandung").await;
    let lodged = city.lodges("Bukan urusanmu").await;
    let detail = city.shows(lodged.complaint).await.expect("lodged");
    let lodged_entry = EntryId::from_slice(&detail.timeline[0].entry_id).expect("an id");
    let forged = stage.impostor.forward(lodged.complaint, lodged_entry, "kominfo");
    stage.is_refused(forged.item, RefusalCode::NoRole).await;
    let after = city.shows(lodged.complaint).await.expect("lodged").summary.expect("a summary");
    assert_eq!((after.holder.as_str(), after.entries), ("kota-bandung", 1));
}

#[tokio::test]
async fn a_content_that_does_not_match_is_refused_and_its_entry_is_accepted() {
    let mut stage = Stage::set().await;
    let mut made = stage.impostor.lodge("Isi lain");
    made.item.content[0].data = Bytes::from_static(b"something else");
    let receipt = stage.link().await.deliver(1, vec![made.item.clone()]).await;
    assert!(matches!(outcome(&receipt), ItemOutcome::Leaf(_)));
    let city = stage.federation.node("kota-bandung").await;
    let refused = city.refused().await;
    assert_eq!(refused[0].code, RefusalCode::ContentMismatch.number());
    assert!(city.shows(made.complaint).await.expect("the entry is here").timeline[0].content[0].text.is_none());
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn entries_with_a_future_clock_an_unknown_parent_or_an_unknown_charter_wait_and_are_listed() {
    let mut stage = Stage::set().await;
    let now = sinergi_daemon::base::time::now_millis();
    let mut draft = stage.impostor.draft(None, Vec::new(), lodged_body());
    draft.clock = HybridClock::new(now + 3_600_000, 0);
    let future = stage.impostor.sign(draft, Vec::new());
    let lodged = stage.impostor.lodge("Tanpa induk");
    let orphan = stage.impostor.forward(lodged.complaint, lodged.id, "kota-bandung");
    let mut draft = stage.impostor.draft(None, Vec::new(), lodged_body());
    draft.charter = CharterName { version: 7, hash: 7 };
    let uncharted = stage.impostor.sign(draft, Vec::new());

    let mut link = stage.link().await;
    let receipt = link.deliver(3, vec![future.item, orphan.item.clone(), uncharted.item]).await;
    let outcomes: Vec<_> = receipt.results.iter().map(|result| result.outcome).collect();
    let expected = [DeferralCode::ClockAhead, DeferralCode::MissingParent, DeferralCode::MissingCharter];
    assert_eq!(outcomes, expected.map(|code| ItemOutcome::Deferred(Deferral::kept(code.number()))));
    let city = stage.federation.node("kota-bandung").await;
    assert_eq!((city.deferred().await.len(), city.status().await.deferred), (3, 3));

    // A second copy changes nothing, and deferred items survive a restart.
    link.deliver(4, vec![orphan.item.clone()]).await;
    assert_eq!(city.deferred().await.len(), 3);
    stage.federation.stop_node("kota-bandung").await;
    stage.federation.start_node("kota-bandung").await;
    let city = stage.federation.node("kota-bandung").await;
    assert_eq!(city.deferred().await.len(), 3);

    // When the parent comes, its child is accepted automatically.
    stage.link().await.deliver(5, vec![lodged.item.clone()]).await;
    city.sees(lodged.complaint, |seen| seen.entries == 2 && seen.offered_to == "kota-bandung").await;
    assert_eq!(city.deferred().await.len(), 2);
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_long_chain_that_waits_for_its_first_entry_is_accepted_completely_when_it_comes() {
    const CHAIN: usize = 900;
    let mut stage = Stage::set().await;
    let lodged = stage.impostor.lodge("Rantai");
    let mut chain: Vec<Made> = Vec::new();
    for number in 0..CHAIN {
        let parent = chain.last().map_or(lodged.id, |made| made.id);
        let body = wire::entry::Body::Progressed(wire::Progressed { basis: lodged.id.0.to_vec(), state: 1 });
        let mut draft = stage.impostor.draft(Some(lodged.complaint), vec![parent], body);
        let counter = u16::try_from(number + 2).expect("it fits");
        draft.clock = HybridClock::new(lodged.parsed("lapor.example").clock.millis() + 1, counter);
        chain.push(stage.impostor.sign(draft, Vec::new()));
    }
    let mut link = stage.link().await;
    for (index, part) in (1..).zip(chain.chunks(limits::FRAME_ITEMS)) {
        link.deliver(index, part.iter().map(|made| made.item.clone()).collect()).await;
    }
    let city = stage.federation.node("kota-bandung").await;
    assert_eq!(city.status().await.deferred, CHAIN as u64);
    link.deliver(99, vec![lodged.item.clone()]).await;
    city.sees(lodged.complaint, |seen| seen.entries == CHAIN as u64 + 1).await;
    assert_eq!(city.status().await.deferred, 0);
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn two_copies_of_a_waiting_entry_are_judged_each_by_itself() {
    let mut stage = Stage::set().await;
    let lodged = stage.impostor.lodge("Dua salinan");
    let mut draft = stage.impostor.draft(None, Vec::new(), lodged_body());
    draft.charter = CharterName { version: 2, hash: 2 };
    let uncharted = stage.impostor.sign(draft, Vec::new());
    let mut link = stage.link().await;
    // Nobody can check a signature under a charter that is not here, so the bad copy must not keep the good one out.
    let items = vec![uncharted.with_a_broken_signature().item, uncharted.item.clone(), lodged.item];
    link.deliver(1, items).await;
    assert_eq!(stage.federation.node("kota-bandung").await.deferred().await.len(), 2);
}

#[tokio::test]
async fn a_duplicate_with_content_adds_the_content_that_the_first_copy_lacked() {
    let mut stage = Stage::set().await;
    let made = stage.impostor.lodge("Isi menyusul");
    let bare = wire::Item { content: Vec::new(), ..made.item.clone() };
    let mut link = stage.link().await;
    // Both copies are in one frame, and so in one group. Only the second copy brings the content.
    link.deliver(1, vec![bare, made.item.clone()]).await;
    let city = stage.federation.node("kota-bandung").await;
    let detail = city.shows(made.complaint).await.expect("here");
    assert_eq!(detail.timeline[0].content[0].availability, "here");
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_cursor_that_goes_back_ends_the_link_and_only_the_link() {
    let mut stage = Stage::set().await;
    let made = stage.impostor.lodge("Maju");
    let mut link = stage.link().await;
    link.deliver(5, vec![made.item.clone()]).await;
    link.send_items(4, vec![made.item.clone()]).await;
    let (code, reason) = link.fault().await;
    assert_eq!(code, FaultCode::BadCursor.number());
    assert!(reason.contains("1:5") && reason.contains("1:4"), "{reason}");
    let city = stage.federation.node("kota-bandung").await;
    city.sees_peer("kominfo", |peer| peer.last_error.contains("bad-cursor") && peer.first_failure > 0).await;
    stage.others_are_unaffected().await;
}

/// Asserts that the city ends the link with `bad-cursor` when it gets `wrong`, stores nothing of it, and accepts the same item in `right`
/// on the next link.
async fn is_accepted_on_the_next_link(stage: &mut Stage, wrong: wire::Deliver, right: wire::Deliver) {
    let fault = FaultCode::BadCursor;
    let city = stage.federation.node("kota-bandung").await;
    let (received, complaints) = (city.peer("kominfo").await.received, city.status().await.complaints);
    let mut link = stage.link().await;
    link.say(FrameKind::Deliver(wrong)).await;
    let (code, reason) = link.fault().await;
    assert_eq!(code, fault.number(), "{reason}");
    drop(link);
    let peer = city.sees_peer("kominfo", |peer| peer.last_error.contains(&fault.to_string())).await;
    assert_eq!((peer.received, city.status().await.complaints), (received, complaints));
    let mut link = stage.link().await;
    link.say(FrameKind::Deliver(right)).await;
    assert!(matches!(outcome(&link.receipt().await), ItemOutcome::Leaf(_)));
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_delivery_that_leaves_a_gap_ends_the_link_and_nothing_of_it_is_stored() {
    let mut stage = Stage::set().await;
    let (first, second) = (stage.impostor.lodge("Berlubang").item, stage.impostor.lodge("Epok lain").item);
    let gap = delivery(Some(cursor(1, 7)), cursor(1, 8), first.clone());
    let whole = delivery(Some(cursor(1, 0)), cursor(1, 1), first);
    is_accepted_on_the_next_link(&mut stage, gap, whole).await;
    // A later epoch begins at index 0, so the items between 0 and this frame are missing.
    let gap = delivery(Some(cursor(2, 3)), cursor(2, 4), second.clone());
    let whole = delivery(Some(cursor(2, 0)), cursor(2, 1), second);
    is_accepted_on_the_next_link(&mut stage, gap, whole).await;
}

#[tokio::test]
async fn a_cursor_of_an_earlier_epoch_ends_the_link_and_only_the_link() {
    let mut stage = Stage::set().await;
    let (first, second) = (stage.impostor.lodge("Epok kedua"), stage.impostor.lodge("Epok pertama"));
    let mut link = stage.link().await;
    link.say(FrameKind::Deliver(delivery(None, cursor(2, 1), first.item))).await;
    assert!(matches!(outcome(&link.receipt().await), ItemOutcome::Leaf(_)));
    link.say(FrameKind::Deliver(delivery(None, cursor(1, 9), second.item.clone()))).await;
    let (code, reason) = link.fault().await;
    assert_eq!(code, FaultCode::BadCursor.number());
    assert!(reason.contains("2:1") && reason.contains("1:9"), "{reason}");
    let mut link = stage.connect().await;
    let theirs = link.greet_with(stage.impostor.hello(), stage.impostor.checkpoint_in(Epoch(2))).await;
    assert_eq!(theirs.have_cursor, Some(cursor(2, 1).to_wire()));
    assert!(stage.federation.node("kota-bandung").await.shows(second.complaint).await.is_none());
    link.say(FrameKind::Deliver(delivery(Some(cursor(2, 1)), cursor(2, 2), second.item))).await;
    assert!(matches!(outcome(&link.receipt().await), ItemOutcome::Leaf(_)));
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_frame_over_the_limit_ends_the_link_and_only_the_link() {
    let mut stage = Stage::set().await;
    let mut link = stage.link().await;
    let item = wire::Item { signed_entry: Bytes::from(vec![7; limits::FRAME_BYTES]), ..Default::default() };
    link.send_items(1, vec![item]).await;
    assert_eq!(link.fault().await.0, FaultCode::LimitExceeded.number());
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_frame_with_too_many_items_ends_the_link_and_only_the_link() {
    let mut stage = Stage::set().await;
    let made = stage.impostor.lodge("Banyak sekali");
    let mut link = stage.link().await;
    link.send_items(1, vec![made.item; limits::FRAME_ITEMS + 1]).await;
    assert_eq!(link.fault().await.0, FaultCode::LimitExceeded.number());
    stage.others_are_unaffected().await;
}

/// Asserts that the city has ended the link with this fault, that its operator sees it, and that other links are not affected.
async fn ends_the_link(stage: &mut Stage, said: &[FrameKind], fault: FaultCode) {
    let (code, reason) = fault_in(said);
    assert_eq!(code, fault.number(), "{reason}");
    let city = stage.federation.node("kota-bandung").await;
    let reads =
        |peer: &operator_api::PeerStatus| peer.last_error.contains(&fault.to_string()) && peer.first_failure > 0;
    city.sees_peer("kominfo", reads).await;
    stage.others_are_unaffected().await;
}

/// The code and reason of the fault with which the city ended the link.
fn fault_in(said: &[FrameKind]) -> (u32, &str) {
    match said.last() {
        Some(FrameKind::Fault(fault)) => (fault.code, &fault.reason),
        other => panic!("the link was not ended with a fault: {other:?}"),
    }
}

/// Asserts that an item is delivered and receipted after these messages in the same stream.
async fn is_accepted_after(mut stage: Stage, before: Vec<Bytes>) {
    let honest = stage.impostor.lodge("Tetap diambil");
    let frame = bytes_of(FrameKind::Deliver(delivery(None, cursor(1, 1), honest.item.clone())));
    let said = stage.says([before, vec![frame]].concat()).await;
    assert!(matches!(said.last(), Some(FrameKind::Ack(_))), "{said:?}");
    let city = stage.federation.node("kota-bandung").await;
    city.sees(honest.complaint, |seen| seen.intake == "kominfo").await;
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_garbled_frame_ends_the_link_and_only_the_link() {
    let mut stage = Stage::set().await;
    let said = stage.says(vec![Bytes::from_static(GARBLED)]).await;
    ends_the_link(&mut stage, &said, FaultCode::UnexpectedFrame).await;
}

#[tokio::test]
async fn a_garbled_frame_in_place_of_hello_ends_the_link_as_a_later_one_does() {
    let mut stage = Stage::set().await;
    let said = stage.says_without_greeting(vec![Bytes::from_static(GARBLED)]).await;
    ends_the_link(&mut stage, &said, FaultCode::UnexpectedFrame).await;
}

#[tokio::test]
async fn a_frame_over_the_limit_in_place_of_hello_ends_the_link_as_a_later_one_does() {
    let mut stage = Stage::set().await;
    let said = stage.says_without_greeting(vec![Bytes::from(vec![7; limits::FRAME_BYTES + 1])]).await;
    ends_the_link(&mut stage, &said, FaultCode::LimitExceeded).await;
}

#[tokio::test]
async fn an_empty_frame_is_ignored_and_the_link_goes_on() {
    is_accepted_after(Stage::set().await, vec![Bytes::new()]).await;
}

#[tokio::test]
async fn a_frame_of_an_unknown_kind_is_ignored_and_the_link_goes_on() {
    // Field 99 of Frame, as a later version may have it: a message of three bytes.
    is_accepted_after(Stage::set().await, vec![Bytes::from_static(b"\x9a\x06\x03\x08\x96\x01")]).await;
}

#[tokio::test]
async fn a_content_over_its_limit_is_refused() {
    let mut stage = Stage::set().await;
    let content = Content { commitment: 0, salt: [1; 32], data: Bytes::from(vec![b'x'; limits::CONTENT_BYTES + 1]) };
    let mut draft = stage.impostor.draft(None, Vec::new(), lodged_body());
    draft.content = vec![content.commit(ContentClass::Public)];
    let made = stage.impostor.sign(draft, vec![content]);
    stage.is_refused(made.item, RefusalCode::TooLarge).await;
}

#[tokio::test]
async fn an_entry_with_too_many_parents_is_refused() {
    let mut stage = Stage::set().await;
    let lodged = stage.impostor.lodge("Banyak induk");
    let forward =
        wire::Forwarded { basis: lodged.id.0.to_vec(), to: "kota-bandung".to_owned(), reason: 1, answer_by: 0 };
    let parents = (0..=limits::PARENTS).map(|number| EntryId([number as u8; 32])).collect();
    let draft = stage.impostor.draft(Some(lodged.complaint), parents, wire::entry::Body::Forwarded(forward));
    let made = stage.impostor.sign(draft, Vec::new());
    stage.is_refused(made.item, RefusalCode::TooLarge).await;
}

#[tokio::test]
async fn an_author_s_entries_of_a_complaint_over_their_limit_are_refused() {
    let mut stage = Stage::set().await;
    let lodged = stage.impostor.lodge("Membanjiri");
    let mut link = stage.link().await;
    link.deliver(1, vec![lodged.item.clone()]).await;
    let mut parent = lodged.id;
    let mut outcomes = Vec::new();
    // `Lodged` is the first of the author's entries.
    let numbers: Vec<usize> = (1..=limits::ENTRIES_PER_AUTHOR).collect();
    for (frame, numbers) in numbers.chunks(limits::FRAME_ITEMS).enumerate() {
        let mut items = Vec::new();
        for _ in numbers {
            let made = stage.impostor.forward(lodged.complaint, parent, "kota-bandung");
            parent = made.id;
            items.push(made.item);
        }
        let receipt = link.deliver(2 + frame as u64, items).await;
        outcomes.extend(receipt.results.iter().map(|result| result.outcome));
    }
    let taken = outcomes.iter().take_while(|outcome| matches!(outcome, ItemOutcome::Leaf(_))).count();
    assert_eq!(taken, limits::ENTRIES_PER_AUTHOR - 1);
    assert_eq!(outcomes[taken..], [ItemOutcome::Refused(RefusalCode::AuthorQuota.number())]);
    let city = stage.federation.node("kota-bandung").await;
    assert_eq!(city.refused().await[0].code, RefusalCode::AuthorQuota.number());
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_cursor_of_the_largest_possible_index_harms_only_its_sender() {
    let mut stage = Stage::set().await;
    let (first, second) = (stage.impostor.lodge("Pertama"), stage.impostor.lodge("Kedua"));
    let mut link = stage.link().await;
    let receipt = link.deliver(u64::MAX, vec![first.item.clone()]).await;
    assert!(matches!(outcome(&receipt), ItemOutcome::Leaf(_)));
    link.send_items(u64::MAX, vec![second.item.clone()]).await;
    assert_eq!(link.fault().await.0, FaultCode::BadCursor.number());
    // It lied about its own ledger. The city shows it the false cursor, and no checkpoint can cover so many leaves.
    let mut again = stage.connect().await;
    let theirs = again.greet(&stage.impostor).await;
    assert_eq!(theirs.have_cursor.expect("something is here").index, u64::MAX);
    assert_eq!(again.fault().await.0, FaultCode::NoCheckpoint.number());
    // A new epoch begins anew.
    let mut new = stage.connect().await;
    new.greet_with(stage.impostor.hello(), stage.impostor.checkpoint_in(Epoch(2))).await;
    new.say(FrameKind::Deliver(delivery(None, cursor(2, 1), second.item))).await;
    assert!(matches!(outcome(&new.receipt().await), ItemOutcome::Leaf(_)));
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_name_that_is_not_the_certificate_s_ends_the_link() {
    let mut stage = Stage::set().await;
    let mut connection = stage.connect().await;
    let hello = wire::Hello { agency: "prov-jabar".to_owned(), ..stage.impostor.hello() };
    connection.say(FrameKind::Hello(hello)).await;
    assert_eq!(connection.fault().await.0, FaultCode::IdentityMismatch.number());
    stage.others_are_unaffected().await;
}

/// Asserts that the entry is still delivered after all lies, and that it leaves the outbox after an honest receipt.
async fn an_honest_receipt_is_accepted(stage: &mut Stage, city: &TestNode) {
    let mut link = stage.link().await;
    let delivered = link.delivery().await;
    link.say(FrameKind::Ack(stage.impostor.receipt_for(&delivered, "kota-bandung"))).await;
    city.sees_peer("kominfo", |peer| peer.queue_depth == 0).await;
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_receipt_that_does_not_match_the_delivery_or_the_peer_ends_the_link_and_nothing_leaves_the_outbox() {
    type Lie = fn(&Impostor, Receipt) -> wire::Ack;
    let lies: [(&str, Lie); 7] = [
        ("or other entries", |impostor, mut receipt| {
            receipt.results[0].entry.0[0] ^= 1;
            receipt.sign(&impostor.member.keys.entry)
        }),
        ("or other entries", |impostor, mut receipt| {
            receipt.results.pop();
            receipt.sign(&impostor.member.keys.entry)
        }),
        ("items at 1:999, expected", |impostor, mut receipt| {
            receipt.cursor.index = LedgerIndex(999);
            receipt.sign(&impostor.member.keys.entry)
        }),
        ("signature does not verify", |impostor, receipt| {
            let mut ack = receipt.sign(&impostor.member.keys.entry);
            ack.signature[0] ^= 1;
            ack
        }),
        ("the receipt is of prov-jabar to kominfo", |impostor, receipt| {
            Receipt { sender: agency("prov-jabar"), ..receipt }.sign(&impostor.member.keys.entry)
        }),
        ("checkpoint does not verify as one of kominfo", |impostor, receipt| {
            Receipt { checkpoint: Vec::new(), ..receipt }.sign(&impostor.member.keys.entry)
        }),
        ("names leaf 1048576, and its checkpoint has 1048576 leaves", |impostor, mut receipt| {
            receipt.results[0].outcome = ItemOutcome::Leaf(LedgerIndex(1 << 20));
            receipt.sign(&impostor.member.keys.entry)
        }),
    ];
    let mut stage = Stage::set().await;
    let city = stage.federation.node("kota-bandung").await;
    let lodged = city.lodges("Tanda terima palsu").await;
    city.forwards(lodged.complaint, "kominfo").await;
    let queued = city.sees_peer("kominfo", |peer| peer.queue_depth > 0).await.queue_depth;
    let mut first = None;
    for (reason, lie) in lies {
        let mut link = stage.link().await;
        let delivered = link.delivery().await;
        let honest = Receipt::parse(&stage.impostor.receipt_for(&delivered, "kota-bandung")).expect("a receipt");
        assert_eq!(*first.get_or_insert(delivered.items.clone()), delivered.items, "sent again");
        link.say(FrameKind::Ack(lie(&stage.impostor, honest))).await;
        let (code, told) = link.fault().await;
        assert_eq!(code, FaultCode::BadReceipt.number(), "{told}");
        assert!(told.contains(reason), "{told}");
        drop(link);
        let fault = FaultCode::BadReceipt.to_string();
        let reads =
            |peer: &operator_api::PeerStatus| peer.last_error.contains(&fault) && peer.last_error.contains(reason);
        assert_eq!(city.sees_peer("kominfo", reads).await.queue_depth, queued, "{told}");
    }
    an_honest_receipt_is_accepted(&mut stage, &city).await;
}

#[tokio::test]
async fn a_receipt_that_is_larger_than_any_honest_one_ends_the_link_and_is_not_kept() {
    let mut stage = Stage::set().await;
    let city = stage.federation.node("kota-bandung").await;
    let lodged = city.lodges("Tanda terima besar").await;
    city.forwards(lodged.complaint, "kominfo").await;
    // A checkpoint that verifies, with a signature line of a stranger whose name is too long.
    let stranger = format!("\u{2014} {} AAAAAAAA\n", "x".repeat(limits::CHECKPOINT_BYTES));
    let padded = [stage.impostor.checkpoint(), stranger.into_bytes()].concat();
    for (checkpoint, named) in [(padded, "a receipt whose checkpoint has"), (vec![b'x'; 1 << 20], "a receipt of")] {
        let mut link = stage.link().await;
        let delivered = link.delivery().await;
        let good = Receipt::parse(&stage.impostor.receipt_for(&delivered, "kota-bandung")).expect("a receipt");
        let large = Receipt { checkpoint, ..good };
        link.say(FrameKind::Ack(large.sign(&stage.impostor.member.keys.entry))).await;
        let (code, reason) = link.fault().await;
        assert_eq!(code, FaultCode::LimitExceeded.number(), "{reason}");
        assert!(reason.contains(named) && reason.contains("bytes, at most"), "{reason}");
        city.sees_peer("kominfo", |peer| peer.queue_depth > 0 && peer.last_error.contains(named)).await;
    }
    an_honest_receipt_is_accepted(&mut stage, &city).await;
}

#[tokio::test]
async fn refusals_of_a_peer_s_items_beyond_its_daily_quota_are_reported_and_counted_and_not_kept() {
    const FRAMES: usize = 5;
    const IN_A_FRAME: usize = 210;
    let mut stage = Stage::set().await;
    let mut link = stage.link().await;
    let item = wire::Item { signed_entry: Bytes::from(vec![0xff; limits::ENTRY_BYTES]), ..Default::default() };
    for frame in 1..=FRAMES {
        let receipt = link.deliver(frame as u64, vec![item.clone(); IN_A_FRAME]).await;
        let refused = ItemOutcome::Refused(RefusalCode::Undecodable.number());
        assert!(
            receipt.results.iter().all(|result| result.outcome == refused),
            "the receipt refuses each item: {receipt:?}"
        );
    }
    let city = stage.federation.node("kota-bandung").await;
    let kept = node_limits::PEER_QUOTAS.refused_bytes_a_day / limits::ENTRY_BYTES;
    assert!(kept < FRAMES * IN_A_FRAME);
    let status = city.status().await;
    assert_eq!(status.refused_by_us, kept as u64);
    let told = |alarm: &operator_api::Alarm| alarm.text.contains("kominfo delivers more that is refused than is kept");
    assert!(status.alarms.iter().any(told), "{:?}", status.alarms);
    // The link stays up, and good entries are accepted.
    let honest = stage.impostor.lodge("Laporan jujur");
    link.deliver(1 + FRAMES as u64, vec![honest.item]).await;
    city.sees(honest.complaint, |seen| seen.intake == "kominfo").await;
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_peer_that_sends_more_checkpoints_than_an_honest_one_loses_its_link_and_few_of_them_are_kept() {
    let mut stage = Stage::set().await;
    let (config, keys) = (&stage.impostor.member.config, &stage.impostor.member.keys);
    let (name, own) = (config.federation.to_string(), config.agency.clone());
    let signer = CheckpointSigner::new(&name, &own, Epoch::FIRST, keys.checkpoint.clone(), keys.time.clone());
    let note = |size| signer.sign(size, [1; 32], sinergi_daemon::base::time::now_millis() / 1000);
    let mut link = stage.connect().await;
    link.greet_with(stage.impostor.hello(), note(1)).await;
    let most = limits::GOSSIP_BURST_FRAMES;
    for size in 2..2 + most {
        link.say(FrameKind::Checkpoints(wire::CheckpointNotes { notes: vec![note(size)] })).await;
    }
    let city = stage.federation.node("kota-bandung").await;
    city.sees_peer("kominfo", |peer| peer.peer_size == most + 1).await;
    stage.others_are_unaffected().await;
    // Each frame costs signature checks, so a peer that sends more frames than an honest one loses its link.
    for size in 100..100 + 2 * most {
        link.say(FrameKind::Checkpoints(wire::CheckpointNotes { notes: vec![note(size)] })).await;
    }
    let (code, reason) = link.fault().await;
    assert_eq!(code, FaultCode::LimitExceeded.number(), "{reason}");
    assert!(reason.contains("too many frames of checkpoints"), "{reason}");
    stage.others_are_unaffected().await;
    stage.federation.stop_node("kota-bandung").await;
    let node = Reopened::open(&stage.federation.folder_of("kota-bandung")).expect("a whole folder");
    let reader = node.data.ledger.reader();
    let kept = reader.records_from(reader.start()).filter(|record| {
        let record = record.as_ref().expect("a sound ledger");
        record.kind == RecordKind::Seen && record.body.starts_with(format!("{name}/{own}/").as_bytes())
    });
    assert_eq!(kept.count(), 2);
}

fn receipt(impostor: &Impostor, index: u64, results: Vec<ItemResult>) -> Receipt {
    Receipt {
        federation: impostor.member.config.federation.to_string(),
        receiver: impostor.member.config.agency.clone(),
        sender: agency("kota-bandung"),
        key_id: Receipt::key_id_of(&impostor.member.keys.entry),
        charter_version: 1,
        cursor: Cursor { epoch: sinergi_proto::base::ids::Epoch::FIRST, index: LedgerIndex(index), part: 0 },
        results,
        checkpoint: impostor.checkpoint(),
    }
}

#[tokio::test]
async fn the_sender_s_operator_sees_items_that_a_peer_refuses_and_the_link_goes_on() {
    let stage = Stage::set().await;
    let city = stage.federation.node("kota-bandung").await;
    let first = city.lodges("Ditolak").await;
    city.forwards(first.complaint, "kominfo").await;
    let mut link = stage.link().await;
    let delivered = link.delivery().await;
    let results = delivered.items.iter().map(|item| {
        let entry = sinergi_proto::entry::Entry::parse(item.signed_entry.clone(), "lapor.example").expect("an entry");
        let outcome = ItemOutcome::Refused(RefusalCode::Malformed.number());
        ItemResult::without_contents(entry.id, outcome)
    });
    let cursor = delivered.cursor.expect("a cursor");
    let ack = receipt(&stage.impostor, cursor.index, results.collect()).sign(&stage.impostor.member.keys.entry);
    link.say(FrameKind::Ack(ack)).await;
    let refused = wait::until(PATIENCE, async || {
        let refused = city.refused().await;
        Ok::<_, ()>((refused.len() == delivered.items.len()).then_some(refused))
    });
    let refused = refused.await.expect("no error").expect("the refusals are listed");
    assert!(refused.iter().all(|row| row.direction == "by_peer" && row.peer == "kominfo"));
    let second = city.lodges("Berikutnya").await;
    city.forwards(second.complaint, "kominfo").await;
    assert!(!link.delivery().await.items.is_empty(), "the link stays up");
}

#[tokio::test]
async fn a_peer_that_claims_more_of_the_ledger_than_there_is_loses_its_link_and_cannot_stop_the_signing() {
    let mut stage = Stage::set().await;
    let city = stage.federation.node("kota-bandung").await;
    let mut connection = stage.connect().await;
    let have = Cursor { epoch: sinergi_proto::base::ids::Epoch::FIRST, index: LedgerIndex(1000), part: 0 };
    let hello = wire::Hello { have_cursor: Some(have.to_wire()), ..stage.impostor.hello() };
    connection.say(FrameKind::Hello(hello)).await;
    assert_eq!(connection.fault().await.0, FaultCode::AheadOfLedger.number());
    let alarms = city.status().await.alarms;
    assert!(alarms.iter().any(|alarm| alarm.text.contains("1:1000") && alarm.text.contains("restored")), "{alarms:?}");
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_peer_that_shows_a_signed_checkpoint_of_another_ledger_stops_all_signing() {
    let stage = Stage::set().await;
    let city = stage.federation.node("kota-bandung").await;
    // A checkpoint that this node could have signed before its ledger was set back: its own keys, and a tree that is not here.
    let owner = Impostor::of(&stage.federation.folder_of("kota-bandung"));
    let (federation, agency) = (owner.member.config.federation.to_string(), owner.member.config.agency.clone());
    let (key, time_key) = (owner.member.keys.checkpoint, owner.member.keys.time);
    let epoch = sinergi_proto::base::ids::Epoch::FIRST;
    let signer = sinergi_proto::tlog::checkpoint::CheckpointSigner::new(&federation, &agency, epoch, key, time_key);
    let mut connection = stage.connect().await;
    let seen_of_you = signer.sign(1000, [9; 32], 1_790_000_000);
    connection.say(FrameKind::Hello(wire::Hello { seen_of_you, ..stage.impostor.hello() })).await;
    assert_eq!(connection.fault().await.0, FaultCode::AheadOfLedger.number());
    let request = sinergi_tests::federation::complaint_about("Tidak boleh");
    let refused = city.lodges_request(request).await.expect_err("nothing is signed");
    assert!(refused.message().contains("set back"), "{refused}");
    let alarms = city.status().await.alarms;
    assert!(alarms.iter().any(|alarm| alarm.text.contains("set back")), "{alarms:?}");
}

#[tokio::test]
async fn a_peer_s_own_backlog_is_never_refused_however_much_of_it_waits() {
    const BACKLOG: usize = node_limits::PEER_QUOTAS.deferred_items_of_author + 200;
    let mut stage = Stage::set().await;
    let lodged = stage.impostor.lodge("Banyak menunggu");
    let mut link = stage.link().await;
    let base = lodged.parsed("lapor.example").clock.millis() + 1;
    let mut waiting = Vec::new();
    for number in 0..BACKLOG {
        let body = wire::entry::Body::Progressed(wire::Progressed { basis: lodged.id.0.to_vec(), state: 1 });
        let mut draft = stage.impostor.draft(Some(lodged.complaint), vec![lodged.id], body);
        draft.clock = HybridClock::new(base, u16::try_from(number).expect("it fits"));
        waiting.push(stage.impostor.sign(draft, Vec::new()).item);
    }
    for (index, part) in (1..).zip(waiting.chunks(limits::FRAME_ITEMS)) {
        let receipt = link.deliver(index, part.to_vec()).await;
        assert!(receipt.results.iter().all(|result| matches!(result.outcome, ItemOutcome::Deferred(_))));
    }
    link.deliver(99, vec![lodged.item.clone()]).await;
    let city = stage.federation.node("kota-bandung").await;
    city.sees(lodged.complaint, |seen| seen.entries == BACKLOG as u64 + 1).await;
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn of_a_peer_with_too_many_deferred_items_no_more_are_kept_until_their_parents_come() {
    /// Entries with as much content as they may have that fill a peer's room.
    const FILL: usize = node_limits::PEER_QUOTAS.deferred_bytes / (limits::COMMITMENTS * limits::CONTENT_BYTES);
    let mut stage = Stage::set().await;
    let lodged = stage.impostor.lodge("Antrean penuh");
    let offer = stage.impostor.forward(lodged.complaint, lodged.id, "kota-bandung");
    let content = |commitment: usize| Content {
        commitment: commitment as u32,
        salt: [commitment as u8; 32],
        data: Bytes::from(vec![b'x'; limits::CONTENT_BYTES]),
    };
    let contents: Vec<Content> = (0..limits::COMMITMENTS).map(content).collect();
    let commitments: Vec<_> = contents.iter().map(|content| content.commit(ContentClass::Public)).collect();
    let mut items = Vec::new();
    for _ in 0..=FILL {
        let body = wire::entry::Body::Progressed(wire::Progressed { basis: lodged.id.0.to_vec(), state: 1 });
        let mut draft = stage.impostor.draft(Some(lodged.complaint), vec![lodged.id], body);
        draft.content.clone_from(&commitments);
        items.push(stage.impostor.sign(draft, contents.clone()).item);
    }
    let rest = items.pop().expect("one more than fill it");
    let mut link = stage.link().await;
    for (index, item) in (1..).zip(items) {
        let waits = ItemOutcome::Deferred(Deferral::kept(DeferralCode::MissingParent.number()));
        assert_eq!(outcome(&link.deliver(index, vec![item]).await), waits);
    }
    let not_kept = Deferral { code: DeferralCode::OverShare.number(), kept: false, copy: None };
    assert_eq!(outcome(&link.deliver(99, vec![rest.clone()]).await), ItemOutcome::Deferred(not_kept));
    let city = stage.federation.node("kota-bandung").await;
    let status = city.status().await;
    let is_told = status.alarms.iter().any(|alarm| alarm.text.contains("so no more of it is kept"));
    assert!(is_told && status.deferred == FILL as u64, "{status:?}");
    stage.others_are_unaffected().await;

    // The line goes on: the peer itself brings the parent.
    link.deliver(100, vec![lodged.item, offer.item]).await;
    city.sees_status(|status| status.deferred == 0).await;
    assert!(matches!(outcome(&link.deliver(101, vec![rest]).await), ItemOutcome::Leaf(_)));
    let is_settled = |status: &operator_api::NodeStatus| {
        status.alarms.iter().all(|alarm| !alarm.text.contains("no more of it is kept"))
    };
    city.sees_status(is_settled).await;
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn an_item_that_was_passed_on_too_often_still_reaches_its_reader() {
    let mut stage = Stage::set().await;
    let lodged = stage.impostor.lodge("Jauh");
    let offer = stage.impostor.forward(lodged.complaint, lodged.id, "prov-jabar");
    let far = |made: &Made| wire::Item { relays: 255, ..made.item.clone() };
    stage.link().await.deliver(2, vec![far(&lodged), far(&offer)]).await;
    stage.federation.node("prov-jabar").await.sees(lodged.complaint, |seen| seen.offered_to == "prov-jabar").await;
}

#[tokio::test]
async fn confidential_contents_go_to_the_addressee_and_not_to_an_observer() {
    let mut stage = Stage::set().await;
    let city = stage.federation.node("kota-bandung").await;
    let mut request = sinergi_tests::federation::complaint_about("Rahasia");
    request.class = wire::ContentClass::Confidential.into();
    let lodged = city.lodges_request(request).await.expect("lodged");
    city.forwards(lodged.complaint, "kominfo").await;
    // Over the direct link to the addressee, confidential contents are sent.
    let delivered = stage.link().await.delivery().await;
    let contents: Vec<Content> = delivered
        .items
        .iter()
        .flat_map(|item| {
            let entry =
                sinergi_proto::entry::Entry::parse(item.signed_entry.clone(), "lapor.example").expect("an entry");
            item.content
                .iter()
                .map(move |content| Content::parse(content.clone(), &entry.commitments).expect("it fits"))
        })
        .collect();
    assert_eq!(contents.len(), 2, "the text and the reason");
    // The province, an observer, gets only the entries.
    let province = stage.federation.node("prov-jabar").await;
    let seen = province.sees(lodged.complaint, |seen| seen.entries == 2).await;
    assert!(seen.timeline.iter().flat_map(|row| &row.content).all(|content| content.availability == "withheld"));
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn relayed_entries_above_their_author_s_bound_are_not_kept_and_the_link_goes_on() {
    const FLOOD: usize = node_limits::PEER_QUOTAS.deferred_items_of_author + 10;
    let mut stage = Stage::set().await;
    // The ministry passes on orphans that the province has signed.
    let mut author = Impostor::of(&stage.federation.folder_of("prov-jabar"));
    let lodged = author.lodge("Banjir");
    let mut link = stage.link().await;
    let mut outcomes = Vec::new();
    let orphans: Vec<wire::Item> =
        (0..FLOOD).map(|_| author.forward(lodged.complaint, lodged.id, "kota-bandung").item).collect();
    for (index, part) in (1..).zip(orphans.chunks(limits::FRAME_ITEMS)) {
        outcomes.extend(link.deliver(index, part.to_vec()).await.results.into_iter().map(|result| result.outcome));
    }
    let not_kept = Deferral { code: DeferralCode::OverShare.number(), kept: false, copy: None };
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == ItemOutcome::Deferred(not_kept)).count(), 10);
    let honest = stage.impostor.lodge("Di belakang banjir");
    assert!(matches!(outcome(&link.deliver(99, vec![honest.item]).await), ItemOutcome::Leaf(_)));
    stage.others_are_unaffected().await;
}
