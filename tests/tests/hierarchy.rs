//! Complaints that travel through provinces and ministries, with real nodes. A city that can only dial its province reaches every ministry.

use std::collections::BTreeSet;

use sinergi_cli::commands::init::Kind;
use sinergi_cli::demo::federation::Agency;
use sinergi_proto::base::ids::ComplaintId;
use sinergi_proto::operator_api;
use sinergi_proto::operator_api::ComplaintDetail;
use sinergi_proto::operator_api::act_request::Act;
use sinergi_proto::wire::{ContentClass, ReplyWord};
use sinergi_tests::federation::{Lodged, TestFederation, TestNode, agency, complaint_about, text};

const CITY: &str = "kota-bandung";
const PROVINCE: &str = "prov-jabar";
const HUB: &str = "kemendagri";
const MINISTRY: &str = "kemenpanrb";
const OTHER: &str = "kominfo";
const OVERSIGHT: &str = "ombudsman";

/// The city dials only its province. The province and all other agencies dial the ministry of the interior.
async fn chain() -> TestFederation {
    let agencies = vec![
        Agency::new(agency(HUB), Kind::Ministry),
        Agency::new(agency(MINISTRY), Kind::Ministry),
        Agency::new(agency(OTHER), Kind::Ministry),
        Agency::new(agency(OVERSIGHT), Kind::Institution).oversight(),
        Agency::new(agency(PROVINCE), Kind::Province).under(agency(HUB)),
        Agency::new(agency(CITY), Kind::City).under(agency(PROVINCE)).dials_only(),
    ];
    let links = [(CITY, PROVINCE), (PROVINCE, HUB), (MINISTRY, HUB), (OTHER, HUB), (OTHER, MINISTRY), (OVERSIGHT, HUB)];
    let mut federation = TestFederation::make_with_links(agencies, &links);
    federation.start_all().await;
    federation
}

/// The parts of a timeline that must be equal at all nodes.
fn essence(detail: &ComplaintDetail) -> Vec<(String, String, String, String, String)> {
    let row = |row: &operator_api::TimelineRow| {
        (row.body.clone(), row.author.clone(), row.standing.clone(), row.code.clone(), row.to.clone())
    };
    detail.timeline.iter().map(row).collect()
}

/// The availabilities of all contents of a class.
fn availabilities(detail: &ComplaintDetail, class: ContentClass) -> BTreeSet<String> {
    let contents = detail.timeline.iter().flat_map(|row| &row.content);
    contents.filter(|content| content.class() == class).map(|content| content.availability.clone()).collect()
}

async fn has_phase(node: &TestNode, complaint: ComplaintId, phase: &str) -> ComplaintDetail {
    node.sees(complaint, |seen| seen.phase == phase).await
}

async fn lodges(city: &TestNode, class: ContentClass) -> Lodged {
    let request =
        operator_api::LodgeRequest { class: class.into(), ..complaint_about("Aplikasi pengaduan tidak bisa dibuka") };
    city.lodges_request(request).await.expect("a good complaint is lodged")
}

#[tokio::test]
async fn a_city_that_only_dials_its_province_reaches_every_ministry_and_all_see_the_same() {
    let federation = chain().await;
    let (city, province, hub) =
        (federation.node(CITY).await, federation.node(PROVINCE).await, federation.node(HUB).await);
    let (ministry, other) = (federation.node(MINISTRY).await, federation.node(OTHER).await);
    let oversight = federation.node(OVERSIGHT).await;

    let lodged = lodges(&city, ContentClass::Public).await;
    let complaint = lodged.complaint;
    city.forwards(complaint, MINISTRY).await;
    ministry.returns(complaint, OTHER).await;
    let back = city.sees(complaint, |seen| seen.offered_to.is_empty() && seen.entries >= 4).await;
    let returned = back.timeline.iter().find(|row| row.body == "Returned").expect("it was returned");
    assert_eq!((returned.suggestion.as_str(), returned.code.as_str()), (OTHER, "not_competent"));
    assert!(back.timeline.iter().any(|row| row.body == "Arrived" && row.author == MINISTRY), "it arrived over relays");

    city.forwards(complaint, OTHER).await;
    other.accepts(complaint).await;
    other.resolves(complaint).await;
    has_phase(&city, complaint, "resolved").await;
    city.replies(&lodged, ReplyWord::Dissatisfied).await;
    let reopened = has_phase(&other, complaint, "reopened").await;
    assert_eq!((reopened.reopened, reopened.resolved_by.as_str()), (1, OTHER));
    other.resolves(complaint).await;
    has_phase(&city, complaint, "resolved").await;
    city.replies(&lodged, ReplyWord::Satisfied).await;
    city.closes(complaint).await;

    let at_city = city.sees(complaint, |seen| seen.phase == "closed" && !seen.self_closed).await;
    let entries = at_city.timeline.len() as u64;
    for node in [&ministry, &other, &province, &hub, &oversight] {
        let detail = node.sees(complaint, |seen| seen.entries == entries && seen.phase == "closed").await;
        assert_eq!(essence(&detail), essence(&at_city), "{} shows the same timeline", node.id);
        let digest = |detail: &ComplaintDetail| detail.summary.as_ref().map(|summary| summary.digest.clone());
        assert_eq!(digest(&detail), digest(&at_city));
        let public = availabilities(&detail, ContentClass::Public);
        match node.id.as_str() {
            MINISTRY | OTHER => assert_eq!(public, ["here".to_owned()].into(), "{} takes part", node.id),
            OVERSIGHT => assert_eq!(public, ["withheld".to_owned()].into(), "{} observes", node.id),
            // Relays carry public contents.
            _ => assert!(!public.contains("awaited"), "{}: {public:?}", node.id),
        }
    }
    let at_oversight = oversight.shows(complaint).await.expect("it is here");
    let why: BTreeSet<&str> =
        at_oversight.timeline.iter().flat_map(|row| &row.content).map(|c| c.why.as_str()).collect();
    assert_eq!(why, ["observers and relays get entries; contents go to participants"].into());
    assert_eq!(at_city.custody.iter().map(|span| span.holder.as_str()).collect::<Vec<_>>(), [CITY, OTHER]);
}

#[tokio::test]
async fn confidential_content_passes_through_no_relay_and_the_timeline_says_why_it_is_withheld() {
    let federation = chain().await;
    let (city, ministry, hub) =
        (federation.node(CITY).await, federation.node(MINISTRY).await, federation.node(HUB).await);
    let lodged = lodges(&city, ContentClass::Confidential).await;
    city.forwards(lodged.complaint, MINISTRY).await;
    let at_ministry = ministry.sees(lodged.complaint, |seen| seen.offered_to == MINISTRY).await;
    assert_eq!(availabilities(&at_ministry, ContentClass::Confidential), ["withheld".to_owned()].into());
    let why = "confidential contents come over a direct link to a participant only, and this node has none";
    assert!(at_ministry.timeline.iter().flat_map(|row| &row.content).all(|content| content.why == why));
    let at_hub = hub.sees(lodged.complaint, |seen| seen.offered_to == MINISTRY).await;
    assert_eq!(availabilities(&at_hub, ContentClass::Confidential), ["withheld".to_owned()].into());
}

#[tokio::test]
async fn an_agency_that_is_offered_a_complaint_gets_the_history_before_the_offer() {
    let federation = chain().await;
    let (city, ministry) = (federation.node(CITY).await, federation.node(MINISTRY).await);
    let lodged = lodges(&city, ContentClass::Public).await;
    for step in 0..5 {
        let act = Act::Progress(operator_api::Progress { state: 1 });
        city.acts(lodged.complaint, act, text(&format!("step {step}"))).await.expect("the holder works");
    }
    assert!(ministry.shows(lodged.complaint).await.is_none(), "the ministry is not involved yet");
    city.forwards(lodged.complaint, MINISTRY).await;
    let seen = ministry.sees(lodged.complaint, |seen| seen.offered_to == MINISTRY && seen.entries >= 7).await;
    assert_eq!(availabilities(&seen, ContentClass::Public), ["here".to_owned()].into());
    assert_eq!(ministry.deferred().await, [], "no entry arrived before its parents");
}

#[tokio::test]
async fn the_reporter_is_disclosed_to_one_agency_on_the_record() {
    let federation = chain().await;
    let (city, province, hub) =
        (federation.node(CITY).await, federation.node(PROVINCE).await, federation.node(HUB).await);
    let mut request = complaint_about("Pungutan liar");
    if let Some(text) = &mut request.text {
        text.reporter = "Budi Santoso".to_owned();
    }
    let lodged = city.lodges_request(request).await.expect("a good complaint is lodged");
    city.forwards(lodged.complaint, HUB).await;
    hub.accepts(lodged.complaint).await;
    city.sees(lodged.complaint, |seen| seen.holder == HUB).await;
    let disclose =
        |to: &str| Act::Disclose(operator_api::Disclose { entry: Vec::new(), commitment: 1, to: to.to_owned() });
    let far = city.acts(lodged.complaint, disclose(HUB), None).await.expect_err("there is no direct link");
    assert!(far.message().contains("no direct link to kemendagri"), "{far}");
    city.acts(lodged.complaint, disclose(PROVINCE), None).await.expect("the intake agency discloses");
    let reporter = |detail: &ComplaintDetail| {
        let row = detail.timeline.iter().find(|row| row.body == "Disclosed")?;
        row.content[0].text.as_ref().map(|text| text.reporter.clone())
    };
    let disclosed = |detail: &ComplaintDetail| detail.timeline.iter().any(|row| row.body == "Disclosed");
    let entries = city.shows(lodged.complaint).await.expect("it is here").timeline.len() as u64;
    let at_province = province.sees(lodged.complaint, |seen| seen.entries == entries).await;
    assert_eq!(reporter(&at_province).as_deref(), Some("Budi Santoso"));
    let at_hub = hub.sees(lodged.complaint, |seen| seen.entries == entries).await;
    assert!(
        disclosed(&at_hub) && reporter(&at_hub).is_none(),
        "the disclosure is on the record, and its content goes to nobody else"
    );
}

#[tokio::test]
async fn a_peer_that_is_configured_later_gets_the_earlier_entries() {
    let agencies = vec![
        Agency::new(agency(HUB), Kind::Ministry),
        Agency::new(agency(OVERSIGHT), Kind::Institution).oversight(),
        Agency::new(agency(OTHER), Kind::Ministry),
    ];
    let mut federation = TestFederation::make_with_links(agencies, &[(OTHER, HUB), (OVERSIGHT, HUB)]);
    let whole = std::fs::read_to_string(federation.folder_of(HUB).join("sinergid.toml")).expect("a configuration");
    federation.configure(HUB, |text| without_peer(text, OVERSIGHT));
    federation.start_node(HUB).await;
    federation.start_node(OTHER).await;
    let (hub, other) = (federation.node(HUB).await, federation.node(OTHER).await);
    let mut complaints = Vec::new();
    for number in 0..100 {
        let lodged = hub.lodges(&format!("Laporan {number}")).await;
        hub.forwards(lodged.complaint, OTHER).await;
        complaints.push(lodged.complaint);
    }
    other.has_complaints(100).await;
    federation.stop_node(HUB).await;
    federation.configure(HUB, |_| whole.clone());
    federation.start_node(HUB).await;
    federation.start_node(OVERSIGHT).await;
    let oversight = federation.node(OVERSIGHT).await;
    oversight.has_complaints(100).await;
    for complaint in complaints {
        oversight.sees(complaint, |seen| seen.entries == 2 && seen.offered_to == OTHER).await;
    }
    assert_eq!(oversight.deferred().await, [], "no entry arrived before its parents");
}

#[tokio::test]
async fn a_supervisor_that_takes_part_by_its_own_entry_gets_the_contents_of_the_earlier_ones() {
    let federation = chain().await;
    let (city, province) = (federation.node(CITY).await, federation.node(PROVINCE).await);
    let lodged = lodges(&city, ContentClass::Public).await;
    let at_province = province.sees(lodged.complaint, |seen| seen.entries == 1).await;
    assert_eq!(availabilities(&at_province, ContentClass::Public), ["withheld".to_owned()].into(), "it observes");
    let reassign = Act::Reassign(operator_api::Reassign { to: PROVINCE.to_owned(), reason: 4, answer_by: 0 });
    province.acts(lodged.complaint, reassign, None).await.expect("the supervisor takes it");
    let seen = sinergi_cli::demo::wait::until(sinergi_tests::federation::PATIENCE, async || {
        let detail = province.shows(lodged.complaint).await;
        let here =
            |detail: &ComplaintDetail| availabilities(detail, ContentClass::Public) == ["here".to_owned()].into();
        Ok::<_, tonic::Status>(detail.filter(here))
    });
    assert!(seen.await.expect("the node answers").is_some(), "the province still lacks the text");
}

#[tokio::test]
async fn a_complaint_that_goes_back_and_forth_alarms_the_holder_and_its_supervisor() {
    let agencies = vec![
        Agency::new(agency(PROVINCE), Kind::Province),
        Agency::new(agency(CITY), Kind::City).under(agency(PROVINCE)),
        Agency::new(agency(OTHER), Kind::Ministry),
    ];
    let federation = TestFederation::start(agencies).await;
    let (city, province, other) =
        (federation.node(CITY).await, federation.node(PROVINCE).await, federation.node(OTHER).await);
    let lodged = lodges(&city, ContentClass::Public).await;
    for _ in 0..2 {
        city.forwards(lodged.complaint, OTHER).await;
        other.returns(lodged.complaint, CITY).await;
        city.sees(lodged.complaint, |seen| seen.offered_to.is_empty()).await;
    }
    let quiet = city.status().await.alarms;
    assert!(!quiet.iter().any(|alarm| alarm.text.contains("was offered")), "two times are no alarm: {quiet:?}");
    city.forwards(lodged.complaint, OTHER).await;
    let told = |alarms: &[operator_api::Alarm]| {
        alarms.iter().any(|alarm| {
            alarm.text.contains("was offered 3 times")
                && alarm.text.contains("(prov-jabar)")
                && alarm.text.contains("complaint reassign")
        })
    };
    for node in [&city, &province] {
        node.sees_status(|status| told(&status.alarms)).await;
    }
    // The alarm is raised a moment before the offer can be read. The six acts: Lodged, two offers and returns, and the third offer.
    let shown = province.has_acts(lodged.complaint, 6).await;
    assert_eq!((shown.offers, shown.goes_back_and_forth), (3, true));
    assert_eq!(shown.supervisors, [PROVINCE]);
}

/// A configuration without one of its peers.
fn without_peer(text: &str, peer: &str) -> String {
    let mut blocks: Vec<&str> = text.split("[[peer]]").collect();
    let before = blocks.len();
    blocks.retain(|block| !block.contains(&format!("agency = \"{peer}\"")));
    assert_eq!(blocks.len() + 1, before, "{peer} is no peer in {text}");
    blocks.join("[[peer]]")
}
