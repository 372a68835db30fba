//! The life of a complaint between agencies, with real nodes.

use prost::Message;
use sinergi_daemon::storage::ledger::{Ledger, LedgerOptions, RecordKind};
use sinergi_proto::base::ids::LedgerIndex;
use sinergi_proto::charter::Charters;
use sinergi_proto::operator_api;
use sinergi_proto::receipt::{ItemOutcome, Receipt};
use sinergi_proto::wire::{self, ReplyWord};
use sinergi_tests::federation::{TestFederation, complaint_about, hierarchy, province_and_city};

#[tokio::test]
async fn a_complaint_is_forwarded_accepted_resolved_and_closed_on_the_citizen_s_word() {
    let federation = TestFederation::start(hierarchy()).await;
    let (city, province) = (federation.node("kota-bandung").await, federation.node("prov-jabar").await);
    let lodged = city.lodges("Jalan rusak").await;
    city.forwards(lodged.complaint, "prov-jabar").await;
    province.accepts(lodged.complaint).await;
    province.resolves(lodged.complaint).await;
    city.sees(lodged.complaint, |seen| seen.holder == "prov-jabar" && seen.phase == "resolved").await;
    city.replies(&lodged, ReplyWord::Satisfied).await;
    city.closes(lodged.complaint).await;

    for id in ["prov-jabar", "kemendagri", "ombudsman"] {
        let party = federation.node(id).await;
        party.sees(lodged.complaint, |seen| seen.phase == "closed" && !seen.self_closed).await;
        party.has_acts(lodged.complaint, 6).await;
        party.agrees_with(&city).await;
    }
}

#[tokio::test]
async fn a_returned_complaint_goes_back_to_its_holder_and_on_to_the_suggested_agency() {
    let federation = TestFederation::start(hierarchy()).await;
    let (city, province) = (federation.node("kota-bandung").await, federation.node("prov-jabar").await);
    let ministry = federation.node("kemendagri").await;
    let lodged = city.lodges("Listrik padam").await;
    city.forwards(lodged.complaint, "prov-jabar").await;
    province.returns(lodged.complaint, "kemendagri").await;
    let detail = city.sees(lodged.complaint, |seen| seen.holder == "kota-bandung" && seen.offered_to.is_empty()).await;
    let returned = detail.timeline.last().expect("a timeline");
    assert_eq!((returned.body.as_str(), returned.suggestion.as_str()), ("Returned", "kemendagri"));
    city.forwards(lodged.complaint, "kemendagri").await;
    ministry.accepts(lodged.complaint).await;
    let seen = province.sees(lodged.complaint, |seen| seen.holder == "kemendagri").await;
    assert!(seen.timeline.iter().all(|row| row.standing == "effective"), "{:#?}", seen.timeline);
}

#[tokio::test]
async fn observers_see_every_entry_and_no_content_and_identity_never_leaves_the_intake_agency() {
    let federation = TestFederation::start(hierarchy()).await;
    let city = federation.node("kota-bandung").await;
    let mut request = complaint_about("Pungutan liar");
    if let Some(text) = &mut request.text {
        text.reporter = "Siti".to_owned();
    }
    let lodged = city.lodges_request(request).await.expect("lodged");
    city.forwards(lodged.complaint, "prov-jabar").await;

    let at_observer = federation.node("ombudsman").await.has_acts(lodged.complaint, 2).await;
    let contents = at_observer.timeline.iter().flat_map(|row| &row.content);
    assert!(contents.clone().count() >= 3, "the observer sees the commitments");
    assert!(contents.into_iter().all(|content| content.availability == "withheld" && content.text.is_none()));

    // The entry may come over a relay before the text does.
    let availabilities = |detail: &operator_api::ComplaintDetail| -> Vec<_> {
        detail.timeline[0].content.iter().map(|content| content.availability.clone()).collect()
    };
    let province = federation.node("prov-jabar").await;
    let at_participant = province.sees_whole(lodged.complaint, |detail| availabilities(detail)[0] == "here").await;
    assert_eq!(availabilities(&at_participant), ["here", "withheld"], "the text is here, the reporter is not");
    let at_intake = city.shows(lodged.complaint).await.expect("lodged here");
    let reporter = at_intake.timeline[0].content[1].text.as_ref().map(|text| text.reporter.as_str());
    assert_eq!(reporter, Some("Siti"));
}

#[tokio::test]
async fn a_complaint_is_lodged_and_offered_in_one_call_or_not_lodged_at_all() {
    let federation = TestFederation::start(province_and_city()).await;
    let (city, province) = (federation.node("kota-bandung").await, federation.node("prov-jabar").await);
    let forward = |to: &str| Some(operator_api::Forward { to: to.to_owned(), reason: 1, answer_by: 0 });
    let mut request = complaint_about("Sekali panggil");
    request.forward = forward("prov-jabar");
    let lodged = city.lodges_request(request.clone()).await.expect("lodged and forwarded");
    province.accepts(lodged.complaint).await;

    for (wrong, reason) in [("kota-bandung", "offered to the agency that holds it"), ("kota-bandug", "kota-bandug")] {
        request.forward = forward(wrong);
        let declined = city.api.clone().lodge(request.clone()).await.expect_err("an impossible offer");
        assert_eq!(declined.code(), tonic::Code::FailedPrecondition, "{declined:?}");
        assert!(declined.message().starts_with("nothing was lodged"), "{declined:?}");
        assert!(declined.message().contains(reason), "{declined:?}");
    }
    assert_eq!(city.lists().await.len(), 1, "nothing more is lodged");
}

#[tokio::test]
async fn a_complaint_lodged_and_offered_at_once_is_sent_as_two_items_from_memory_or_from_disk() {
    let mut federation = TestFederation::start(province_and_city()).await;
    let city = federation.node("kota-bandung").await;
    let forward = Some(operator_api::Forward { to: "prov-jabar".to_owned(), reason: 1, answer_by: 0 });
    let request = operator_api::LodgeRequest { forward, ..complaint_about("Dua surat") };
    let arrives = async |federation: &TestFederation, lodged: sinergi_proto::base::ids::ComplaintId| {
        let province = federation.node("prov-jabar").await;
        // As the supervisor, the province may get the `Lodged` entry first, and its text only with the offer.
        province.sees(lodged, |seen| seen.offered_to == "prov-jabar" && seen.title == "Dua surat").await;
        federation.node("kota-bandung").await.has_an_empty_outbox().await;
        province.peer("kota-bandung").await.received_entries
    };
    let lodged = city.lodges_request(request.clone()).await.expect("lodged").complaint;
    assert_eq!(arrives(&federation, lodged).await, 2);

    federation.stop_node("prov-jabar").await;
    let lodged = city.lodges_request(request).await.expect("lodged").complaint;
    federation.stop_node("kota-bandung").await;
    federation.start_node("kota-bandung").await;
    federation.start_node("prov-jabar").await;
    assert_eq!(arrives(&federation, lodged).await, 2);
}

#[tokio::test]
async fn the_sender_s_ledger_holds_the_receiver_s_signed_receipt_for_every_entry() {
    let mut federation = TestFederation::start(province_and_city()).await;
    let city = federation.node("kota-bandung").await;
    let lodged = city.lodges("Tanda terima").await;
    city.forwards(lodged.complaint, "prov-jabar").await;
    let province = federation.node("prov-jabar").await;
    let received = province.has_acts(lodged.complaint, 2).await;
    city.has_an_empty_outbox().await;
    federation.stop_node("kota-bandung").await;

    let charters = Charters::self_signed(federation.charter()).expect("the charter");
    let ledger = federation.folder_of("kota-bandung").join("ledger");
    let (ledger, _) = Ledger::open(&ledger, LedgerOptions::default()).expect("the stopped node's ledger");
    let reader = ledger.reader();
    let mut receipted = std::collections::BTreeMap::new();
    for record in reader.records_from(reader.start()) {
        let record = record.expect("a sound ledger");
        if record.kind != RecordKind::Receipt {
            continue;
        }
        let ack = wire::Ack::decode(record.body.as_slice()).expect("an acknowledgement");
        let receipt = Receipt::parse(&ack).expect("a receipt");
        let key = charters.newest().entry_key(&receipt.receiver, receipt.key_id).expect("the province's key");
        receipt.verify(&ack.receipt, &ack.signature, &key.public).expect("the province has signed it");
        receipted.extend(receipt.results.into_iter().map(|result| (result.entry.0.to_vec(), result.outcome)));
    }
    for row in received.timeline {
        let leaf = ItemOutcome::Leaf(LedgerIndex(row.leaf_index));
        assert_eq!(receipted.get(&row.entry_id), Some(&leaf), "{} is receipted at its leaf", row.body);
    }
}
