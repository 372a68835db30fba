//! The citizen's word on the command line: a reply code, an own key, a word that was signed elsewhere, and agencies that carry it.

use serde_json::Value;
use sinergi_cli::citizen;
use sinergi_cli::commands::init::Kind;
use sinergi_cli::demo::federation::Agency;
use sinergi_tests::federation::{TestFederation, agency, province_and_city};
use sinergi_tests::folder::files_with;
use sinergi_tests::program::{Said, run_in, run_on};

const CITY: &str = "kota-bandung";
const PROVINCE: &str = "prov-jabar";
const OMBUDSMAN: &str = "ombudsman";
const LODGES: [&str; 8] = ["complaint", "lodge", "--title", "Banjir", "--text", "Sejak pagi", "--category", "flood"];

/// A city, the province that supervises it, and the Ombudsman.
struct Scene {
    federation: TestFederation,
}

impl Scene {
    async fn set() -> Self {
        let mut agencies = province_and_city();
        agencies.push(Agency::new(agency(OMBUDSMAN), Kind::Institution).oversight());
        Self { federation: TestFederation::start(agencies).await }
    }

    fn run(&self, id: &str, arguments: &[&str]) -> Said {
        run_on(&self.federation.folder_of(id), arguments)
    }

    fn json(&self, id: &str, arguments: &[&str]) -> Value {
        let said = self.run(id, &[arguments, &["--output", "json"]].concat());
        assert_eq!(said.code, 0, "{id}: {arguments:?}: {said:?}");
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said:?}"))
    }

    /// Runs a command of a citizen, who has no node.
    fn at_home(&self, arguments: &[&str]) -> Value {
        let said = run_in(self.federation.folder(), &[&["citizen"], arguments, &["--output", "json"]].concat());
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said:?}"))
    }

    /// A complaint that the city resolved: its id, its reply code if one was drawn, and the id of the answer.
    fn resolved(&self, lodging: &[&str]) -> (String, Option<String>, String) {
        let lodged = self.json(CITY, &[&LODGES[..], lodging].concat());
        let id = lodged["complaint"].as_str().expect("an id").to_owned();
        let resolved = self.json(CITY, &["complaint", "resolve", &id, "--outcome", "fixed", "--text", "Sudah."]);
        let answer = resolved["entry_id"].as_str().expect("an id").to_owned();
        (id, lodged["reply_code"].as_str().map(str::to_owned), answer)
    }

    async fn has_phase(&self, id: &str, complaint: &str, phase: &str) {
        let node = self.federation.node(id).await;
        node.sees(complaint.parse().expect("an id"), |seen| seen.phase == phase).await;
    }
}

#[tokio::test]
async fn a_word_is_signed_with_the_reply_code_and_the_code_is_nowhere_on_the_node() {
    let scene = Scene::set().await;
    let (id, code, answer) = scene.resolved(&[]);
    let code = code.expect("a code was drawn");
    let mistyped = format!("{}u", &code[..code.len() - 1]);
    let wrong = scene.run(CITY, &["complaint", "reply", &id, "--word", "satisfied", "--code", &mistyped]);
    assert!(wrong.code == 2 && wrong.err.contains("without u"), "{wrong:?}");
    let last = if code.ends_with('0') { '1' } else { '0' };
    let mistyped = format!("{}{last}", &code[..code.len() - 1]);
    let wrong = scene.run(CITY, &["complaint", "reply", &id, "--word", "satisfied", "--code", &mistyped]);
    assert!(wrong.code == 2 && wrong.err.contains("the reply code is mistyped"), "{wrong:?}");
    let other = citizen::draw().to_string();
    let wrong = scene.run(CITY, &["complaint", "reply", &id, "--word", "satisfied", "--code", &other]);
    assert!(wrong.code == 4 && wrong.err.contains("not the one of this complaint's citizen"), "{wrong:?}");

    let typed = code.to_uppercase().replace('-', " ").replace('0', "O");
    let said = ["complaint", "reply", &id, "--word", "satisfied", "--score", "4", "--code", &typed];
    assert_eq!(scene.run(CITY, &said).code, 0);
    let shown = scene.json(CITY, &["complaint", "show", &id]);
    let reply = shown["timeline"].as_array().and_then(|rows| rows.last()).expect("a reply");
    assert_eq!((&reply["body"], &reply["answer"], &reply["score"]), (&"Replied".into(), &answer.into(), &4.into()));
    assert_eq!(reply["word_number"], shown["word_number"]);
    assert_eq!(shown["citizen_key_origin"], "drawn");
    let closed = scene.run(CITY, &["complaint", "close", &id]);
    assert!(closed.code == 0 && closed.out.contains("closed by the citizen's word"), "{closed:?}");
    for written in [code.as_bytes(), code.replace('-', "").as_bytes(), typed.as_bytes()] {
        let found = files_with(&scene.federation.folder_of(CITY), written);
        assert!(found.is_empty(), "the code is in {found:?}");
    }
}

#[tokio::test]
async fn an_intake_agency_cannot_withhold_a_word_that_the_citizen_signed_at_home() {
    let scene = Scene::set().await;
    for carrier in [PROVINCE, OMBUDSMAN] {
        let key = scene.at_home(&["key"]);
        let (code, public) = (key["reply_code"].as_str().expect("a code"), key["citizen_key"].as_str().expect("a key"));
        let (id, drawn, answer) = scene.resolved(&["--citizen-key", public]);
        assert_eq!(drawn, None, "the agency has no secret of this citizen");
        assert_eq!(scene.json(CITY, &["complaint", "show", &id])["citizen_key_origin"], "device");
        let sign = |word: &str| {
            let signed = scene.at_home(&["sign", &id, "--word", word, "--answer", &answer, "--code", code]);
            signed["word"].as_str().expect("a word").to_owned()
        };
        // The city holds the complaint itself, and closes it. The citizen goes to another agency.
        let closed = scene.run(CITY, &["complaint", "close", &id, "--own-word"]);
        assert_eq!(closed.code, 0, "{closed:?}");
        scene.has_phase(carrier, &id, "closed").await;
        let word = sign("dissatisfied");
        let file = scene.federation.folder().join("word.txt");
        std::fs::write(&file, &word).expect("written");
        let path = file.to_str().expect("a path");
        let carried = scene.run(carrier, &["complaint", "reply", &id, "--signed", path]);
        assert!(carried.code == 0 && carried.out.contains("signed word is dissatisfied"), "{carried:?}");
        scene.has_phase(CITY, &id, "reopened").await;

        let again = scene.run(CITY, &["complaint", "reply", &id, "--signed", &word]);
        assert!(again.code == 4 && again.err.contains("counts already"), "{again:?}");
        let (other, ..) = scene.resolved(&[]);
        let foreign = scene.run(CITY, &["complaint", "reply", &other, "--signed", &word]);
        assert!(foreign.code == 4 && foreign.err.contains("the word is for complaint"), "{foreign:?}");
    }
}

#[tokio::test]
async fn what_an_agency_notes_itself_never_counts_as_the_citizen_s_word() {
    let scene = Scene::set().await;
    let (id, ..) = scene.resolved(&[]);
    let noted = scene.run(CITY, &["complaint", "reply", &id, "--word", "satisfied"]);
    assert!(noted.code == 0 && noted.out.contains("noted in the agency's own name"), "{noted:?}");
    let closes = scene.run(CITY, &["complaint", "close", &id]);
    assert!(closes.code == 4 && closes.err.contains("no satisfied word signed by the citizen"), "{closes:?}");
    let wrong = run_in(scene.federation.folder(), &["citizen", "sign", &id, "--word", "satisfied", "--code", "0"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    let unsigned = citizen::draw().to_string();
    let wrong = ["citizen", "sign", &id, "--word", "satisfied", "--code", &unsigned];
    let wrong = run_in(scene.federation.folder(), &wrong);
    assert!(wrong.code == 2 && wrong.err.contains("--answer ENTRY"), "{wrong:?}");
}
