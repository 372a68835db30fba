//! Audits of honest nodes and of a member that lies: the findings, and the evidence, which convinces a stranger who has only the charter.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sinergi_cli::commands::init::Kind as AgencyKind;
use sinergi_cli::demo::federation::Agency;
use sinergi_cli::demo::wait;
use sinergi_proto::base::ids::{ComplaintId, Epoch};
use sinergi_proto::entry::Entry;
use sinergi_proto::operator_api;
use sinergi_proto::operator_api::act_request::Act;
use sinergi_proto::transparency::evidence::HELD;
use sinergi_proto::wire::{self, entry::Body, frame::Kind};
use sinergi_tests::dishonest::{ShownLedger, answer_questions, filling, leaf_of};
use sinergi_tests::federation::{NAME, PATIENCE, TestFederation, agency, province_and_city, text};
use sinergi_tests::peer::{Connection, Impostor, Made};
use sinergi_tests::program::{Said, run_on};
use sinergi_tests::stage::Stage;
use sinergi_tests::stranger::convinces_a_stranger;

const CITY: &str = "kota-bandung";
const PROVINCE: &str = "prov-jabar";
const LIAR: &str = "kominfo";

fn findings(said: &Said) -> Vec<(String, bool)> {
    let audits: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    let audits = audits.as_array().expect("a list").clone();
    let all = audits.iter().flat_map(|audit| audit["findings"].as_array().expect("findings").clone());
    all.map(|finding| {
        (finding["finding"].as_str().expect("a name").to_owned(), finding["proven"].as_bool().expect("a bool"))
    })
    .collect()
}

fn seconds() -> u64 {
    sinergi_daemon::base::time::now_millis() / 1000
}

#[tokio::test(flavor = "multi_thread")]
async fn audits_of_honest_agencies_find_nothing_and_prove_every_acknowledged_entry() {
    let mut federation = TestFederation::start(province_and_city()).await;
    federation.linked().await;
    let (city, province) = (federation.node(CITY).await, federation.node(PROVINCE).await);
    for number in 0..20 {
        let lodged = city.lodges(&format!("Lampu jalan {number}")).await;
        city.forwards(lodged.complaint, PROVINCE).await;
        province.accepts(lodged.complaint).await;
    }
    city.keeps_its_receipts().await;
    province.keeps_its_receipts().await;
    for (auditor, leaves) in [(CITY, 60), (PROVINCE, 40)] {
        let said = run_on(&federation.folder_of(auditor), &["audit", "--all", "--output", "json"]);
        assert_eq!((said.code, findings(&said)), (0, vec![]), "{said:?}");
        let audits: Value = serde_json::from_str(&said.out).expect("JSON");
        assert!(audits[0]["checked"].as_u64() >= Some(leaves), "{audits}");
    }
    let stranger = run_on(&federation.folder_of(CITY), &["audit", "kemendagri"]);
    assert_eq!(stranger.code, 1, "{stranger:?}");
    assert!(stranger.err.contains("no adjacent peer"), "{stranger:?}");
}

/// The leaves that the city's audit of the province compared, and those before them.
fn compared(federation: &TestFederation, options: &[&str]) -> [u64; 2] {
    let command = [&["audit", PROVINCE, "--output", "json"], options].concat();
    let said = run_on(&federation.folder_of(CITY), &command);
    assert_eq!((said.code, findings(&said)), (0, vec![]), "{said:?}");
    let audits: Value = serde_json::from_str(&said.out).expect("JSON");
    ["checked", "checked_before"].map(|name| audits[0][name].as_u64().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_goes_on_where_the_last_one_ended_also_after_a_restart_and_a_damaged_point_means_the_start() {
    let mut federation = TestFederation::start(province_and_city()).await;
    federation.linked().await;
    let (city, province) = (federation.node(CITY).await, federation.node(PROVINCE).await);
    for number in 0..5 {
        let lodged = city.lodges(&format!("Lampu jalan {number}")).await;
        city.forwards(lodged.complaint, PROVINCE).await;
        province.accepts(lodged.complaint).await;
    }
    city.keeps_its_receipts().await;
    province.keeps_its_receipts().await;
    let [first, before] = compared(&federation, &[]);
    assert!(first >= 15 && before == 0, "{first} {before}");
    let lodged = city.lodges("Jalan berlubang").await;
    city.forwards(lodged.complaint, PROVINCE).await;
    province.accepts(lodged.complaint).await;
    city.keeps_its_receipts().await;
    federation.stop_node(CITY).await;
    federation.start_node(CITY).await;
    federation.linked().await;
    let [second, before] = compared(&federation, &[]);
    assert!((1..10).contains(&second) && before == first, "{second} {before}");
    let [whole, before] = compared(&federation, &["--whole"]);
    assert!(whole >= first + second && before == 0, "{whole} {before}");
    let point = federation.folder_of(CITY).join("audits").join(PROVINCE);
    let mut bytes = std::fs::read(&point).expect("the point of the last audit");
    *bytes.last_mut().expect("bytes") ^= 1;
    std::fs::write(&point, bytes).expect("written");
    let [again, before] = compared(&federation, &[]);
    assert!(again >= whole && before == 0, "{again} {before}");
}

/// The city has offered a complaint to the liar. The liar has acknowledged the offer and stored it in its ledger.
struct Scene {
    stage: Stage,
    link: Connection,
    ledger: ShownLedger,
    offer: wire::Item,
}

/// A time in the near future: late enough for an offer and a whole audit to finish before it.
fn soon() -> u64 {
    sinergi_daemon::base::time::now_millis() + 30_000
}

impl Scene {
    async fn set() -> Self {
        Self::set_with_answer_by(Stage::set().await, 0).await
    }

    /// Like [`Self::set`], with an offer that must be answered by this time in milliseconds. 0 means the node's default.
    async fn set_with_answer_by(stage: Stage, answer_by: u64) -> Self {
        let (mut scene, offered) = Self::set_unacknowledged(stage, answer_by).await;
        scene.acknowledges(&offered).await;
        scene.stage.federation.node(CITY).await.keeps_its_receipts().await;
        scene.ledger.fill(7..12);
        scene
    }

    /// Like [`Self::set`], but the liar has not acknowledged the offer.
    async fn set_unacknowledged(stage: Stage, answer_by: u64) -> (Self, wire::Deliver) {
        let city = stage.federation.node(CITY).await;
        let lodged = city.lodges("Jembatan retak").await;
        Self::set_with_lodged(stage, lodged.complaint, answer_by).await
    }

    async fn set_with_lodged(stage: Stage, complaint: ComplaintId, answer_by: u64) -> (Self, wire::Deliver) {
        let city = stage.federation.node(CITY).await;
        let reason = wire::ForwardReason::Competence.into();
        let offer = Act::Forward(operator_api::Forward { to: LIAR.to_owned(), reason, answer_by });
        city.acts(complaint, offer, text("Jembatan ini milik pusat")).await.expect("the holder may offer");
        let mut link = stage.connect().await;
        let mut ledger = ShownLedger::default();
        ledger.fill(0..7);
        link.greet_with(stage.impostor.hello(), ledger.signed(&stage.impostor.member, None)).await;
        let offered = link.delivery().await;
        let offer = offered.items.last().expect("the offer").clone();
        (Self { stage, link, ledger, offer }, offered)
    }

    /// The liar stores the delivered items as its next leaves, and dates its checkpoint 20 minutes ago.
    async fn acknowledges(&mut self, delivered: &wire::Deliver) {
        let ack = self.ledger.takes(&self.stage.impostor.member, delivered, CITY, seconds() - 1200);
        self.link.say(Kind::Ack(ack)).await;
    }

    fn folder(&self) -> PathBuf {
        self.stage.federation.folder_of(CITY)
    }

    /// The liar acts on the offer with leaf `place` of its ledger. The offer is the only parent.
    fn acts(&mut self, place: u64, body: impl FnOnce(Vec<u8>) -> Body) -> Made {
        let offer = Entry::parse(self.offer.signed_entry.clone(), NAME).expect("an entry");
        let impostor = &mut self.stage.impostor;
        impostor.next_place = place;
        let draft = impostor.draft(offer.complaint, vec![offer.id], body(offer.id.0.to_vec()));
        impostor.sign(draft, Vec::new())
    }

    /// The liar delivers an entry to the city.
    async fn delivers(&mut self, made: &Made, cursor: u64) {
        self.link.deliver(cursor, vec![made.item.clone()]).await;
    }

    /// The city audits the liar, which answers from `shown`, or refuses if it is `None`.
    async fn is_audited(&mut self, shown: Option<&ShownLedger>) -> Vec<(String, bool)> {
        audited_by(self.folder(), &mut self.link, &self.stage.impostor, shown).await
    }

    /// The evidence convinces a stranger who has the charter, and a changed file convinces no one.
    fn convinces(&self, finding: &str) {
        convinces_a_stranger(&self.stage.federation, CITY, finding, LIAR);
    }
}

/// A node audits the liar, which answers from `shown` on its link, or refuses if it is `None`.
async fn audited_by(
    folder: PathBuf,
    link: &mut Connection,
    liar: &Impostor,
    shown: Option<&ShownLedger>,
) -> Vec<(String, bool)> {
    let audit = tokio::task::spawn_blocking(move || run_on(&folder, &["audit", LIAR, "--output", "json"]));
    let said = tokio::select! {
        said = audit => said.expect("no panic"),
        () = answer_questions(&mut link.stream, &liar.member, shown, seconds()) => panic!("the node ended the link"),
    };
    let found = findings(&said);
    assert_eq!(said.code, if found.is_empty() { 0 } else { 5 }, "{said:?}");
    found
}

fn proven(finding: &str) -> (String, bool) {
    (finding.to_owned(), true)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_of_a_ledger_with_all_acknowledged_entries_finds_nothing() {
    let mut scene = Scene::set().await;
    let ledger = scene.ledger.clone();
    assert_eq!(scene.is_audited(Some(&ledger)).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_was_dropped_after_it_was_acknowledged_is_found_and_proven() {
    let mut scene = Scene::set().await;
    let at = (0..scene.ledger.size()).find(|index| scene.ledger.cut_to(index + 1).ends_with(&leaf_of(&scene.offer)));
    let dropped = scene.ledger.with_another(sinergi_proto::base::ids::LedgerIndex(at.expect("the offer")), filling(99));
    let found = scene.is_audited(Some(&dropped)).await;
    assert!(found.contains(&proven("omitted")) && found.contains(&proven("forked")), "{found:?}");
    scene.convinces("omitted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_was_set_back_is_found_and_proven() {
    let mut scene = Scene::set().await;
    let old = scene.ledger.cut_to(3);
    let found = scene.is_audited(Some(&old)).await;
    assert!(found.contains(&proven("rolled_back")), "{found:?}");
    scene.convinces("rolled_back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_epoch_that_nobody_declared_is_found_and_proven() {
    let mut scene = Scene::set().await;
    let mut anew = ShownLedger::of_epoch(Epoch(2));
    anew.fill(0..3);
    let found = scene.is_audited(Some(&anew)).await;
    assert_eq!(found, [proven("rolled_back")]);
    scene.convinces("rolled_back");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_entries_in_one_place_and_an_own_entry_that_is_not_there_are_one_finding_and_proven() {
    let mut scene = Scene::set().await;
    let lodged = scene.stage.impostor.lodge("Satu");
    scene.stage.impostor.next_place -= 1;
    let other = scene.stage.impostor.lodge("Dua");
    scene.delivers(&lodged, 1).await;
    scene.delivers(&other, 2).await;
    let ledger = scene.ledger.clone();
    let found = scene.is_audited(Some(&ledger)).await;
    // The two entries prove it, and so does the leaf that the ledger holds in their place.
    assert_eq!(found, [proven("forked")]);
    scene.convinces("forked");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_with_a_clock_from_before_a_signed_size_is_found_and_proven() {
    let mut scene = Scene::set().await;
    scene.stage.impostor.next_place = 20;
    let mut draft = scene.stage.impostor.draft_of_lodged();
    draft.clock = sinergi_proto::base::clock::HybridClock::new(sinergi_daemon::base::time::now_millis() - 3_600_000, 0);
    let dated = scene.stage.impostor.sign(draft, Vec::new());
    scene.delivers(&dated, 1).await;
    let ledger = scene.ledger.clone();
    let found = scene.is_audited(Some(&ledger)).await;
    assert_eq!(found, [proven("back_dated")]);
    scene.convinces("back_dated");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_that_hides_its_own_acceptance_is_found_and_proven() {
    let mut scene = Scene::set().await;
    let accepted = scene.acts(20, |basis| Body::Accepted(wire::Accepted { basis }));
    let reason = wire::ReturnReason::NotCompetent.into();
    let returned = scene.acts(21, |basis| Body::Returned(wire::Returned { basis, reason, suggestion: String::new() }));
    scene.delivers(&accepted, 1).await;
    scene.delivers(&returned, 2).await;
    let ledger = scene.ledger.clone();
    let found = scene.is_audited(Some(&ledger)).await;
    assert_eq!(found, [proven("concealed")]);
    scene.convinces("concealed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acceptance_that_hides_a_known_reassignment_is_found_and_proven() {
    let mut stage = Stage::set().await;
    let (city, province) = (stage.federation.node(CITY).await, stage.federation.node(PROVINCE).await);
    let complaint = city.lodges("Jembatan retak").await.complaint;
    province.sees(complaint, |seen| seen.intake == CITY).await;
    // Each acts while the other is away: the supervisor reassigns the complaint to itself, and the holder offers it to the liar.
    stage.federation.stop_node(CITY).await;
    let reason = wire::ForwardReason::Competence.into();
    let reassign = Act::Reassign(operator_api::Reassign { to: PROVINCE.to_owned(), reason, answer_by: 0 });
    province.acts(complaint, reassign, text("Kami ambil alih")).await.expect("the supervisor may reassign");
    stage.federation.stop_node(PROVINCE).await;
    stage.federation.start_node(CITY).await;
    let (mut scene, offered) = Scene::set_with_lodged(stage, complaint, 0).await;
    scene.acknowledges(&offered).await;
    scene.stage.federation.start_node(PROVINCE).await;
    city.sees_peer(PROVINCE, |peer| peer.state == "linked").await;
    let reassigned = scene.link.delivery().await;
    let is_reassigned = |item: &wire::Item| {
        let entry = Entry::parse(item.signed_entry.clone(), NAME).expect("an entry");
        entry.author.as_str() == PROVINCE && entry.body.name() == "Reassigned"
    };
    assert!(reassigned.items.iter().any(is_reassigned), "{reassigned:?}");
    scene.acknowledges(&reassigned).await;
    scene.stage.federation.node(CITY).await.keeps_its_receipts().await;
    let ledger = scene.ledger.clone();
    assert_eq!(scene.is_audited(Some(&ledger)).await, [], "knowing of the reassignment is allowed");
    let accepted = scene.acts(20, |basis| Body::Accepted(wire::Accepted { basis }));
    scene.delivers(&accepted, 21).await;
    assert_eq!(scene.is_audited(Some(&ledger)).await, [proven("concealed")]);
    scene.convinces("concealed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_finds_a_complaint_that_is_withheld_from_an_oversight_agency() {
    const AUDITOR: &str = "ombudsman";
    let mut federation = TestFederation::make(vec![
        Agency::new(agency(AUDITOR), AgencyKind::Institution).oversight(),
        Agency::new(agency(LIAR), AgencyKind::Ministry).dials_only(),
    ]);
    federation.start_node(AUDITOR).await;
    let impostor = Impostor::of(&federation.folder_of(LIAR));
    let mut stage = Stage { federation, impostor };
    let mut link = stage.connect_with(AUDITOR).await;
    let mut ledger = ShownLedger::default();
    link.greet_with(stage.impostor.hello(), ledger.signed(&stage.impostor.member, None)).await;
    let (shared, kept) = (stage.impostor.lodge("Boleh dilihat"), stage.impostor.lodge("Jangan dilihat"));
    ledger.push(leaf_of(&shared.item));
    // An entry after the cursor may still be on its way.
    ledger.push(leaf_of(&kept.item));
    link.deliver(1, vec![shared.item.clone()]).await;
    let folder = stage.federation.folder_of(AUDITOR);
    assert_eq!(audited_by(folder.clone(), &mut link, &stage.impostor, Some(&ledger)).await, []);
    // The cursor moves past the entry without it.
    let later = stage.impostor.lodge("Sesudahnya");
    ledger.push(leaf_of(&later.item));
    link.deliver(3, vec![later.item.clone()]).await;
    let found = audited_by(folder, &mut link, &stage.impostor, Some(&ledger)).await;
    assert_eq!(found, [("withheld".to_owned(), false)]);
    convinces_a_stranger(&stage.federation, AUDITOR, "withheld", LIAR);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_nobody_acknowledged_in_time_is_found() {
    let stage = Stage::set().await;
    let answer_by = soon();
    let (mut scene, _) = Scene::set_unacknowledged(stage, answer_by).await;
    let ledger = scene.ledger.clone();
    assert_eq!(scene.is_audited(Some(&ledger)).await, [], "there is still time");
    let over = async || Ok::<_, ()>((sinergi_daemon::base::time::now_millis() > answer_by).then_some(()));
    assert_eq!(wait::until(PATIENCE, over).await, Ok(Some(())));
    // While the link is down, the agency could not have got it, and is accused of nothing.
    let city = scene.stage.federation.node(CITY).await;
    let folder = scene.folder();
    let Scene { stage, link, ledger: _, offer } = scene;
    drop(link);
    city.sees_peer(LIAR, |peer| peer.state != "linked").await;
    is_not_audited(&folder, LIAR);
    let link = stage.link().await;
    let mut scene = Scene { stage, link, ledger: ledger.clone(), offer };
    assert_eq!(scene.is_audited(Some(&ledger)).await, [("undelivered".to_owned(), false)]);
    scene.convinces("undelivered");
}

/// A node that has no link with the agency audits it: the command fails, and there is no evidence.
fn is_not_audited(folder: &Path, agency: &str) {
    let said = run_on(folder, &["audit", agency]);
    assert_eq!(said.code, 1, "{said:?}");
    let expected =
        [format!("{agency} was not audited"), format!("no link with {agency} is up: see `sinergi peer show")];
    assert!(expected.iter().all(|words| said.err.contains(words)), "{said:?}");
    let listed = run_on(folder, &["evidence", "list", "--output", "json"]);
    assert_eq!((listed.code, listed.out.trim()), (0, "[]"), "{listed:?}");
    let files = folder.join("evidence").read_dir().map(Iterator::count);
    assert_eq!(files.unwrap_or_default(), 0, "no evidence file");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_that_is_down_is_accused_of_nothing() {
    let mut federation = TestFederation::start(province_and_city()).await;
    federation.linked().await;
    let city = federation.node(CITY).await;
    let lodged = city.lodges("Lampu jalan").await;
    city.forwards(lodged.complaint, PROVINCE).await;
    city.keeps_its_receipts().await;
    federation.stop_node(PROVINCE).await;
    city.sees_peer(PROVINCE, |peer| peer.state != "linked").await;
    is_not_audited(&federation.folder_of(CITY), PROVINCE);
    assert_eq!(run_on(&federation.folder_of(CITY), &["status", "--check"]).code, 0, "and there is no alarm");
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_that_leave_out_an_accepted_complaint_are_found() {
    let mut scene = Scene::set().await;
    let accepted = scene.acts(20, |basis| Body::Accepted(wire::Accepted { basis }));
    scene.delivers(&accepted, 21).await;
    let figures = vec![wire::Figure { name: HELD.to_owned(), value: 0 }];
    let published = wire::Published { ledger_size: 21, profile: "sp4n-lapor".to_owned(), figures };
    let published = {
        let impostor = &mut scene.stage.impostor;
        let draft = impostor.draft(None, Vec::new(), Body::Published(published));
        impostor.sign(draft, Vec::new())
    };
    scene.delivers(&published, 22).await;
    let ledger = scene.ledger.clone();
    assert_eq!(scene.is_audited(Some(&ledger)).await, [("misreported".to_owned(), false)]);
    scene.convinces("misreported");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_arrived_and_was_not_answered_in_time_is_found() {
    let stage = Stage::set().await;
    let answer_by = soon();
    let mut scene = Scene::set_with_answer_by(stage, answer_by).await;
    let ledger = scene.ledger.clone();
    assert_eq!(scene.is_audited(Some(&ledger)).await, [], "there is still time");
    let over = async || Ok::<_, ()>((sinergi_daemon::base::time::now_millis() > answer_by).then_some(()));
    assert_eq!(wait::until(PATIENCE, over).await, Ok(Some(())));
    assert_eq!(scene.is_audited(Some(&ledger)).await, [("unanswered".to_owned(), false)]);
    scene.convinces("unanswered");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_auditor_states_a_finding_about_an_agency_that_refuses_an_audit() {
    let mut scene = Scene::set().await;
    assert_eq!(scene.is_audited(None).await, [("unresponsive".to_owned(), false)]);
    scene.convinces("unresponsive");
}
