//! The whole life of a complaint on the command line: every command, on a small federation of real nodes.

use std::path::Path;

use serde_json::Value;
use sinergi_cli::commands::init::Kind;
use sinergi_cli::demo::federation::Agency;
use sinergi_cli::demo::wait;
use sinergi_proto::base::ids::ComplaintId;
use sinergi_proto::base::refusal::RefusalCode;
use sinergi_proto::operator_api;
use sinergi_proto::receipt::ItemOutcome;
use sinergi_proto::wire::frame::Kind as FrameKind;
use sinergi_tests::federation::{
    Lodged, PATIENCE, TestFederation, TestNode, acts_of, agency, complaint_about, province_and_city,
};
use sinergi_tests::folder::files_with;
use sinergi_tests::program::{Said, run_on};
use sinergi_tests::stage::Stage;
use sinergi_tests::terminal::answered_on;

const CITY: &str = "kota-bandung";
const PROVINCE: &str = "prov-jabar";
const OMBUDSMAN: &str = "ombudsman";

/// A city, the province that supervises it, and the Ombudsman. All are linked with each other.
struct Agencies {
    federation: TestFederation,
}

impl Agencies {
    async fn start() -> Self {
        let mut agencies = province_and_city();
        agencies.push(Agency::new(agency(OMBUDSMAN), Kind::Institution).oversight());
        Self { federation: TestFederation::start(agencies).await }
    }

    async fn node(&self, id: &str) -> TestNode {
        self.federation.node(id).await
    }

    fn run(&self, id: &str, arguments: &[&str]) -> Said {
        run_on(&self.federation.folder_of(id), arguments)
    }

    /// Runs a `complaint` command that must succeed. Returns its output without line breaks.
    fn does(&self, id: &str, arguments: &[&str]) -> String {
        let said = self.run(id, &[&["complaint"], arguments].concat());
        assert_eq!(said.code, 0, "{id}: {arguments:?}: {said:?}");
        said.out.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Runs a `complaint` command that must succeed. Returns its answer as JSON.
    fn json(&self, id: &str, arguments: &[&str]) -> Value {
        let said = self.run(id, &[&["complaint"], arguments, &["--output", "json"]].concat());
        assert_eq!(said.code, 0, "{id}: {arguments:?}: {said:?}");
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said:?}"))
    }

    /// Runs a command on a complaint. It must be refused with these words, and add no entry.
    async fn is_refused(&self, id: &str, arguments: &[&str], words: &str) {
        let (node, complaint) = (self.node(id).await, arguments[1].parse().expect("a complaint"));
        let acts = async || acts_of(&node.shows(complaint).await.expect("it is here")).count();
        let before = acts().await;
        let said = self.run(id, &[&["complaint"], arguments].concat());
        assert_eq!((said.code, said.out.as_str()), (4, ""), "{id}: {arguments:?}: {said:?}");
        assert!(said.err.contains(words) && said.err.contains("help: "), "{id}: {arguments:?}: {said:?}");
        assert_eq!(acts().await, before, "nothing was added");
    }

    /// Waits until a node has `acts` acts of a complaint.
    async fn has(&self, id: &str, complaint: ComplaintId, acts: usize) {
        self.node(id).await.has_acts(complaint, acts).await;
    }

    /// Waits until a node has a text of an entry.
    async fn has_text(&self, id: &str, lodged: &Lodged, body: &str) {
        self.has_texts(id, lodged, body, |texts| texts.iter().any(|text| text == "here")).await;
    }

    /// Waits until a node has erased all texts of an entry.
    async fn has_erased(&self, id: &str, lodged: &Lodged, body: &str) {
        self.has_texts(id, lodged, body, |texts| !texts.is_empty() && texts.iter().all(|text| text == "erased")).await;
    }

    /// Waits until the availabilities of an entry's texts at a node are as expected.
    async fn has_texts(&self, id: &str, lodged: &Lodged, body: &str, expected: impl Fn(&[String]) -> bool) {
        let node = self.node(id).await;
        let mut last = Vec::new();
        let reached = wait::until(PATIENCE, async || {
            let detail = node.shows(lodged.complaint).await;
            let rows = detail.iter().flat_map(|detail| &detail.timeline).filter(|row| row.body == body);
            last = rows.flat_map(|row| &row.content).map(|content| content.availability.clone()).collect();
            Ok::<_, ()>(expected(&last).then_some(()))
        });
        assert_eq!(reached.await, Ok(Some(())), "{id}: the texts of {body} are {last:?}");
    }
}

/// A complaint with a reporter's name.
fn with_reporter(title: &str) -> operator_api::LodgeRequest {
    let mut request = complaint_about(title);
    if let Some(text) = &mut request.text {
        text.reporter = "Siti Nurhaliza".to_owned();
    }
    request
}

/// Waits until no file of a folder contains these bytes. A text is shown as erased a moment before it is overwritten.
async fn holds_nothing_of(folder: &Path, bytes: &[u8]) {
    let mut found = Vec::new();
    let gone = wait::until(PATIENCE, async || {
        found = files_with(folder, bytes);
        Ok::<_, ()>(found.is_empty().then_some(()))
    });
    assert_eq!(gone.await, Ok(Some(())), "it is still in {found:?}");
}

#[tokio::test]
async fn a_complaint_is_archived_on_two_signatures_and_not_on_a_refused_one() {
    let agencies = Agencies::start().await;
    let lodged = agencies.node(CITY).await.lodges("Laporan kosong").await;
    let id = lodged.complaint.to_string();
    let said = agencies.does(CITY, &["archive", &id, "--reason", "incomplete", "--text", "tanpa alamat"]);
    assert!(said.contains("proposed to archive it as incomplete"), "{said}");
    assert!(said.contains("prov-jabar can, with `sinergi complaint"), "{said}");
    let page = agencies.does(CITY, &["show", &id]);
    assert!(page.contains("the approval of prov-jabar to archive it (incomplete)"), "{page}");
    agencies.is_refused(CITY, &["approve", &id], "only the supervisor of kota-bandung").await;

    agencies.has(PROVINCE, lodged.complaint, 2).await;
    agencies.does(PROVINCE, &["refuse", &id, "--text", "tanyakan alamatnya"]);
    agencies.has(CITY, lodged.complaint, 3).await;
    let shown = agencies.json(CITY, &["show", &id]);
    assert_eq!((&shown["proposals"], &shown["complaint"]["phase"]), (&Value::Array(vec![]), &"received".into()));
    agencies.is_refused(PROVINCE, &["approve", &id], "no such proposal").await;

    let proposed = agencies.json(CITY, &["archive", &id, "--reason", "out-of-scope"]);
    assert_eq!(proposed["second"], serde_json::json!(["prov-jabar"]));
    let proposal = proposed["entry_id"].as_str().expect("an id");
    for node in [PROVINCE, OMBUDSMAN] {
        agencies.has(node, lodged.complaint, 4).await;
    }
    agencies.is_refused(OMBUDSMAN, &["approve", &id], "only the supervisor of kota-bandung").await;
    let said = agencies.does(PROVINCE, &["approve", &id, "--proposal", &proposal[..8]]);
    assert!(said.contains("approved, the complaint is archived"), "{said}");
    for node in [CITY, OMBUDSMAN] {
        agencies.has(node, lodged.complaint, 5).await;
        let archived = agencies.json(node, &["list", "--phase", "archived"]);
        assert_eq!(archived[0]["id"], id.as_str(), "{node}: {archived}");
    }
    agencies.is_refused(CITY, &["forward", &id, "--to", PROVINCE], "archived").await;
}

#[tokio::test]
async fn erased_contents_are_gone_on_every_node_also_on_one_that_was_stopped_meanwhile() {
    const SECRET: &str = "Nomor rekam medis 4711-0815";
    let mut agencies = Agencies::start().await;
    let mut request = with_reporter("Data pribadi");
    if let Some(text) = &mut request.text {
        text.body = SECRET.to_owned();
    }
    let lodged = agencies.node(CITY).await.lodges_request(request).await.expect("lodged");
    let id = lodged.complaint.to_string();
    agencies.does(CITY, &["forward", &id, "--to", PROVINCE]);
    agencies.has_text(PROVINCE, &lodged, "Lodged").await;
    let folders = [CITY, PROVINCE].map(|node| agencies.federation.folder_of(node));
    for folder in &folders {
        assert!(!files_with(&folder.join("ledger"), SECRET.as_bytes()).is_empty(), "it is there to be erased");
    }
    agencies.is_refused(PROVINCE, &["erase", &id, "--ground", "court-order"], "only the intake agency").await;
    let said = agencies.does(CITY, &["erase", &id, "--ground", "subject-request"]);
    assert!(said.contains("destroyed on every node") && said.contains("prov-jabar"), "{said}");
    assert!(said.contains("ombudsman") && said.contains("complaint approve"), "{said}");
    for node in [PROVINCE, OMBUDSMAN] {
        agencies.has(node, lodged.complaint, 3).await;
    }
    agencies.is_refused(CITY, &["approve", &id, "--yes"], "only the supervisor of kota-bandung").await;
    agencies.is_refused(OMBUDSMAN, &["approve", &id], "not confirmed: nothing was changed").await;

    agencies.federation.stop_node(PROVINCE).await;
    let said = agencies.does(OMBUDSMAN, &["approve", &id, "--yes"]);
    assert!(said.contains("erasure approved"), "{said}");
    agencies.has_erased(CITY, &lodged, "Lodged").await;
    holds_nothing_of(&folders[0], SECRET.as_bytes()).await;
    // The reporter's name is gone, too.
    holds_nothing_of(&folders[0], b"Siti Nurhaliza").await;
    assert!(!files_with(&folders[1].join("ledger"), SECRET.as_bytes()).is_empty(), "the stopped node still has it");

    agencies.federation.start_node(PROVINCE).await;
    agencies.has_erased(PROVINCE, &lodged, "Lodged").await;
    holds_nothing_of(&folders[1], SECRET.as_bytes()).await;
    for node in [CITY, PROVINCE] {
        let page = agencies.does(node, &["show", &id]);
        assert!(page.contains("(its text was erased)") && page.contains("erased on two signatures"), "{node}: {page}");
        assert!(agencies.does(node, &["verify", &id]).contains("is sound"), "{node}");
        assert_eq!(agencies.run(node, &["ledger", "verify"]).code, 0, "{node}");
    }
    let timeline = agencies.does(CITY, &["timeline", &id]);
    assert!(timeline.contains("erased: it was erased on two signatures]"), "{timeline}");
}

#[tokio::test]
async fn only_the_texts_of_the_named_entry_are_erased() {
    let agencies = Agencies::start().await;
    let lodged = agencies.node(CITY).await.lodges("Jalan rusak").await;
    let id = lodged.complaint.to_string();
    let answer = agencies.json(CITY, &["respond", &id, "--text", "Pelapor tinggal di Jalan Dago 12"]);
    let entry = answer["entry_id"].as_str().expect("an id");
    agencies.is_refused(CITY, &["erase", &id, "--ground", "court-order", "--entry", "abcdef"], "no entry abcdef").await;
    agencies.does(CITY, &["erase", &id, "--ground", "court-order", "--entry", &entry[..6].to_uppercase()]);
    agencies.has(PROVINCE, lodged.complaint, 3).await;
    let approve = ["complaint", "approve", &id];
    let (code, text) = answered_on(&agencies.federation.folder_of(PROVINCE), &approve, "n");
    assert!(code == Some(4) && text.contains("Destroy them [y/N]?") && text.contains("not confirmed"), "{text}");
    assert_eq!(agencies.json(PROVINCE, &["show", &id])["complaint"]["entries"], 3, "nothing was done");
    let (code, text) = answered_on(&agencies.federation.folder_of(PROVINCE), &approve, "y");
    assert!(code == Some(0) && text.contains("erasure approved"), "{text}");
    agencies.has_erased(CITY, &lodged, "Responded").await;
    agencies.has_text(CITY, &lodged, "Lodged").await;
}

#[tokio::test]
async fn the_reporter_is_disclosed_only_by_the_intake_agency_and_only_to_the_addressee() {
    let agencies = Agencies::start().await;
    let lodged = agencies.node(CITY).await.lodges_request(with_reporter("Pungutan liar")).await.expect("lodged");
    let id = lodged.complaint.to_string();
    agencies.does(CITY, &["forward", &id, "--to", PROVINCE]);
    agencies.node(PROVINCE).await.accepts(lodged.complaint).await;
    agencies
        .is_refused(PROVINCE, &["disclose", &id, "--reporter", "--to", OMBUDSMAN], "only kota-bandung discloses")
        .await;
    agencies.has(CITY, lodged.complaint, 3).await;
    let said = agencies.does(CITY, &["disclose", &id, "--reporter", "--to", PROVINCE]);
    assert!(said.contains("goes to prov-jabar"), "{said}");
    agencies.has_text(PROVINCE, &lodged, "Disclosed").await;
    let page = agencies.does(PROVINCE, &["timeline", &id]);
    assert!(page.contains("who: Siti Nurhaliza"), "{page}");
    agencies.has(OMBUDSMAN, lodged.complaint, 4).await;
    let page = agencies.does(OMBUDSMAN, &["timeline", &id]);
    assert!(!page.contains("Siti") && page.contains("Disclosed to prov-jabar"), "{page}");
    assert!(page.contains("withheld: it was disclosed to prov-jabar"), "{page}");
    assert_eq!(agencies.json(CITY, &["show", &id])["disclosed_to"], serde_json::json!(["prov-jabar"]));

    // The complaint's text is disclosed to an agency that only observes.
    agencies.does(CITY, &["disclose", &id, "--to", OMBUDSMAN]);
    agencies.has_text(OMBUDSMAN, &lodged, "Disclosed").await;
    assert!(agencies.does(OMBUDSMAN, &["timeline", &id]).contains("Pungutan liar: details"));
}

#[tokio::test]
async fn a_supervisor_s_remark_stays_and_others_may_not_remark() {
    let agencies = Agencies::start().await;
    let lodged = agencies.node(CITY).await.lodges("Lampu mati").await;
    let id = lodged.complaint.to_string();
    agencies.has(PROVINCE, lodged.complaint, 1).await;
    let words = "only supervisors and oversight agencies may do this";
    agencies.is_refused(CITY, &["remark", &id, "--text", "cepat"], words).await;
    agencies.does(PROVINCE, &["remark", &id, "--text", "Sudah dua minggu."]);
    agencies.has_text(CITY, &lodged, "Remarked").await;
    assert!(agencies.does(CITY, &["timeline", &id]).contains("Sudah dua minggu."));
    let missing = agencies.run(PROVINCE, &["complaint", "remark", &id]);
    assert!(missing.code == 2 && missing.err.contains("the text is missing"), "{missing:?}");
}

#[tokio::test]
async fn a_complaint_is_classified_and_linked_to_the_one_that_it_is_handled_with() {
    let agencies = Agencies::start().await;
    let city = agencies.node(CITY).await;
    let (first, second) = (city.lodges("Jalan rusak").await, city.lodges("Jalan yang sama").await);
    let (first, id) = (first.complaint.to_string(), second.complaint.to_string());
    let options = ["--category", "road_surface", "--priority", "urgent", "--handling", "without-supervision"];
    let said = agencies.does(CITY, &[&["classify", &id], &options[..]].concat());
    assert!(said.contains("classified as road_surface, priority urgent, handling without-supervision"), "{said}");
    agencies.does(CITY, &["link", &id, "--duplicate-of", &first[first.len() - 10..]]);
    let shown = agencies.json(CITY, &["show", &id]);
    assert_eq!((&shown["duplicate_of"], &shown["complaint"]["phase"]), (&first.as_str().into(), &"verified".into()));
    let page = agencies.does(CITY, &["show", &id]);
    assert!(page.contains(&format!("Linked to {}", &first[first.len() - 10..])), "{page}");
    assert!(page.contains("Verified (road_surface)"), "{page}");
    agencies.is_refused(CITY, &["link", &id, "--duplicate-of", &id], "no duplicate of itself").await;
    agencies.has(PROVINCE, second.complaint, 3).await;
    agencies.is_refused(PROVINCE, &["classify", &id, "--category", "x"], "only the holder may do this").await;
}

#[tokio::test]
async fn a_supervisor_reassigns_a_complaint_only_while_it_is_not_offered() {
    let agencies = Agencies::start().await;
    let lodged = agencies.node(CITY).await.lodges("Tidak ada yang menjawab").await;
    let id = lodged.complaint.to_string();
    for node in [PROVINCE, OMBUDSMAN] {
        agencies.has(node, lodged.complaint, 1).await;
    }
    agencies.is_refused(CITY, &["reassign", &id, "--to", OMBUDSMAN], "only the supervisor of kota-bandung").await;
    let said = agencies.does(PROVINCE, &["reassign", &id, "--to", OMBUDSMAN, "--answer-within", "2d"]);
    assert!(said.contains("offered to ombudsman in the holder's place"), "{said}");
    agencies.is_refused(PROVINCE, &["reassign", &id, "--to", PROVINCE], "can answer the offer until").await;
    agencies.node(OMBUDSMAN).await.accepts(lodged.complaint).await;
    agencies.has(CITY, lodged.complaint, 3).await;
    let picture = agencies.does(CITY, &["timeline", &id]);
    assert!(picture.contains("kota-bandung held it for "), "{picture}");
    assert!(
        picture.contains("→ ombudsman, offered ")
            && picture.contains("by prov-jabar as the supervisor: accepted after "),
        "{picture}"
    );
    assert!(picture.contains("ombudsman holds it for "), "{picture}");
}

#[tokio::test]
async fn the_supervisor_reopens_a_complaint_only_if_it_was_closed_without_the_citizen_s_word() {
    let agencies = Agencies::start().await;
    let city = agencies.node(CITY).await;
    for with_code in [false, true] {
        let lodged = city.lodges("Sudah selesai?").await;
        let id = lodged.complaint.to_string();
        agencies.does(CITY, &["resolve", &id, "--outcome", "fixed", "--text", "sudah"]);
        let text = lodged.code.to_string();
        let code = ["--code", text.as_str()];
        let code = if with_code { &code[..] } else { &[] };
        agencies.does(CITY, &[&["reply", &id, "--word", "satisfied"], code].concat());
        if with_code {
            agencies.does(CITY, &["close", &id]);
        } else {
            agencies.is_refused(CITY, &["close", &id], "no satisfied word signed by the citizen").await;
            agencies.is_refused(CITY, &["close", &id, "--silence"], "the citizen has replied").await;
            let closed = agencies.does(CITY, &["close", &id, "--own-word"]);
            assert!(closed.contains("closed on the agency's own word"), "{closed}");
        }
        agencies.has(PROVINCE, lodged.complaint, 4).await;
        let reopen = ["reply", &id, "--word", "dissatisfied"];
        if with_code {
            agencies.is_refused(PROVINCE, &reopen, "closed without the citizen's word").await;
            continue;
        }
        assert!(agencies.does(PROVINCE, &["show", &id]).contains("self-closed"));
        agencies.does(PROVINCE, &reopen);
        agencies.node(CITY).await.sees(lodged.complaint, |seen| seen.phase == "reopened").await;
        let page = agencies.does(CITY, &["show", &id]);
        assert!(page.contains("resolved by") && page.contains("reopened"), "{page}");
        assert_eq!(agencies.json(CITY, &["show", &id])["reopened"], 1);
    }
}

#[tokio::test]
async fn a_sound_complaint_verifies_with_exit_code_0_and_one_with_a_damaged_text_with_5() {
    let agencies = Agencies::start().await;
    let lodged = agencies.node(CITY).await.lodges("Jalan berlubang").await;
    let id = lodged.complaint.to_string();
    agencies.does(CITY, &["progress", &id, "--state", "started"]);
    let verified = agencies.json(CITY, &["verify", &id]);
    assert_eq!((&verified["sound"], &verified["problem"]), (&true.into(), &Value::Null), "{verified}");
    let bodies: Vec<_> = verified["entries"].as_array().expect("entries").iter().map(|entry| &entry["body"]).collect();
    assert_eq!(bodies, ["Lodged", "Progressed"]);
    let page = agencies.does(CITY, &["verify", &id]);
    assert!(page.contains("holds") && page.contains("of 2 entries hold"), "{page}");

    let segment = agencies.federation.folder_of(CITY).join("ledger/00000001.seg");
    let mut bytes = std::fs::read(&segment).expect("a segment");
    let text = b"Jalan berlubang: details";
    let at = bytes.windows(text.len()).position(|window| window == text).expect("the text lies there");
    bytes[at] ^= 1;
    std::fs::write(&segment, &bytes).expect("written");
    let said = agencies.run(CITY, &["complaint", "verify", &id]);
    assert_eq!(said.code, 5, "{said:?}");
    assert!(said.out.contains("does not hold") && said.err.contains("has 1 entry that does not hold"), "{said:?}");
    let json = agencies.run(CITY, &["complaint", "verify", &id, "--output", "json"]);
    let verified: Value = serde_json::from_str(&json.out).unwrap_or_else(|error| panic!("{error}: {json:?}"));
    assert_eq!((json.code, &verified["sound"]), (5, &false.into()));
    assert_eq!(verified["entries"][0]["problems"].as_array().map(Vec::len), Some(1), "{verified}");
    assert_eq!(verified["entries"][1]["problems"], Value::Array(vec![]), "{verified}");
}

#[tokio::test]
async fn a_complaint_with_a_damaged_entry_does_not_verify() {
    let agencies = Agencies::start().await;
    let lodged = agencies.node(CITY).await.lodges("Jalan berlubang").await;
    let id = lodged.complaint.to_string();
    let segment = agencies.federation.folder_of(CITY).join("ledger/00000001.seg");
    let mut bytes = std::fs::read(&segment).expect("a segment");
    // The category is in the entry, and nowhere else in the segment.
    let at = bytes.windows(4).position(|window| window == b"road").expect("the entry lies there");
    bytes[at] ^= 1;
    std::fs::write(&segment, &bytes).expect("written");
    let said = agencies.run(CITY, &["complaint", "verify", &id]);
    assert_eq!(said.code, 5, "{said:?}");
    assert!(said.out.starts_with("As a whole: ") && said.out.contains("is damaged at"), "{said:?}");
}

#[tokio::test]
async fn entries_written_without_knowledge_of_each_other_are_marked_in_the_timeline() {
    let mut agencies = Agencies::start().await;
    let lodged = agencies.node(CITY).await.lodges("Sungai meluap").await;
    let id = lodged.complaint.to_string();
    agencies.has(PROVINCE, lodged.complaint, 1).await;
    agencies.has(OMBUDSMAN, lodged.complaint, 1).await;
    agencies.federation.stop_at_once(&[PROVINCE, OMBUDSMAN]).await;
    agencies.does(CITY, &["progress", &id, "--state", "started"]);
    agencies.federation.stop_node(CITY).await;
    agencies.federation.start_node(PROVINCE).await;
    agencies.does(PROVINCE, &["remark", &id, "--text", "Ada kabar?"]);
    agencies.federation.start_node(CITY).await;
    agencies.has(CITY, lodged.complaint, 3).await;
    agencies.does(CITY, &["respond", &id, "--text", "Tim di lokasi"]);
    let picture = agencies.does(CITY, &["timeline", &id]);
    assert_eq!(picture.matches("its author did not know of entry 2").count(), 1, "only the remark: {picture}");
    let rows = agencies.json(CITY, &["timeline", &id]);
    let parents: Vec<_> = (0..4).map(|row| rows[row]["parents"].as_array().map(Vec::len)).collect();
    assert_eq!(parents, [0, 1, 1, 2].map(Some), "the last entry knows both: {rows}");
}

/// Runs a retry, and returns its answer for the only item.
fn retried(folder: &Path, arguments: &[&str]) -> Value {
    let said = run_on(folder, &[&["refused", "retry"], arguments, &["--output", "json"]].concat());
    assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
    let items: Vec<Value> = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    assert_eq!(items.len(), 1, "{arguments:?}: {items:?}");
    items[0].clone()
}

#[tokio::test]
async fn deferred_and_refused_items_are_retried_and_each_outcome_is_shown() {
    let mut stage = Stage::set().await;
    let city = stage.federation.folder_of(CITY);
    let lodged = stage.impostor.lodge("Tanpa induk");
    let orphan = stage.impostor.forward(lodged.complaint, lodged.id, CITY);
    let mut link = stage.link().await;
    link.deliver(1, vec![orphan.item.clone()]).await;
    let waits = retried(&city, &["--all"]);
    assert_eq!((&waits["outcome"], &waits["code"]), (&"waits".into(), &601.into()), "{waits}");
    let number = waits["number"].as_str().expect("a number").to_owned();
    assert_eq!(retried(&city, &[&number])["outcome"], "waits");
    let nothing = run_on(&city, &["refused", "retry", "--all", "--peer", PROVINCE]);
    assert!(nothing.code == 0 && nothing.out.contains("Nothing waits"), "{nothing:?}");

    // The parent comes, and the child is taken automatically, so the number is gone.
    link.deliver(2, vec![lodged.item.clone()]).await;
    stage.federation.node(CITY).await.has_acts(lodged.complaint, 2).await;
    let gone = run_on(&city, &["refused", "retry", &number]);
    assert!(gone.code == 4 && gone.err.contains("refused list --deferred"), "{gone:?}");

    let broken = stage.impostor.lodge_under_an_unknown_key();
    link.deliver(3, vec![broken.item]).await;
    let refused = retried(&city, &["--all", "--peer", "kominfo"]);
    assert_eq!((&refused["outcome"], &refused["code"]), (&"refused".into(), &202.into()), "{refused}");
    assert_eq!(stage.federation.node(CITY).await.refused().await.len(), 1, "a refusal that stands is not listed twice");
    for (arguments, words) in
        [(&["refused", "retry"][..], "<NUMBER|--all>"), (&["refused", "retry", "x"], "must be one")]
    {
        let wrong = run_on(&city, arguments);
        assert!(wrong.code == 2 && wrong.err.contains(words), "{wrong:?}");
    }
}

#[tokio::test]
async fn only_the_operator_of_the_peer_that_refused_an_item_can_retry_it() {
    let stage = Stage::set().await;
    let city = stage.federation.node(CITY).await;
    let lodged = city.lodges("Ditolak").await;
    city.forwards(lodged.complaint, "kominfo").await;
    let mut link = stage.link().await;
    let delivered = link.delivery().await;
    let refused = ItemOutcome::Refused(RefusalCode::Malformed.number());
    link.say(FrameKind::Ack(stage.impostor.receipt_with(&delivered, CITY, |_| refused))).await;
    let listed = wait::until(PATIENCE, async || {
        let refused = city.refused().await;
        Ok::<_, ()>((refused.len() == delivered.items.len()).then_some(refused))
    });
    let listed = listed.await.expect("no error").expect("the refusals are listed");
    let folder = stage.federation.folder_of(CITY);
    let one = run_on(&folder, &["refused", "retry", &listed[0].number]);
    assert!(
        one.code == 4 && one.err.contains("kominfo refused") && one.err.contains("`sinergi refused retry`"),
        "{one:?}"
    );
    let all = run_on(&folder, &["refused", "retry", "--all"]);
    assert!(all.code == 0 && all.err.contains("refused by kominfo: only the operators there can retry"), "{all:?}");
}
