//! The citizen's receipt. The intake agency's node gives it, and anybody can check it with a charter and without a node.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sinergi_proto::base::limits;
use sinergi_tests::federation::{Lodged, TestFederation, province_and_city};
use sinergi_tests::program::{Said, run_in, run_on};

const CITY: &str = "kota-bandung";
const PROVINCE: &str = "prov-jabar";

/// A city and its province. The city lodged a complaint, then some others, and forwarded the first one to the province.
struct Scene {
    federation: TestFederation,
    lodged: Lodged,
    charter: PathBuf,
}

impl Scene {
    async fn set() -> Self {
        let federation = TestFederation::start(province_and_city()).await;
        let city = federation.node(CITY).await;
        let lodged = city.lodges("Jalan berlubang").await;
        for other in 0..5 {
            city.lodges(&format!("Laporan {other}")).await;
        }
        city.forwards(lodged.complaint, PROVINCE).await;
        federation.node(PROVINCE).await.sees(lodged.complaint, |seen| seen.entries == 2).await;
        let charter = federation.folder().join("charter.note");
        std::fs::write(&charter, federation.charter()).expect("written");
        Self { federation, lodged, charter }
    }

    /// Asks a node for the receipt.
    fn asks(&self, id: &str, more: &[&str]) -> Said {
        let complaint = self.lodged.complaint.to_string();
        run_on(&self.federation.folder_of(id), &[&["receipt", complaint.as_str()], more].concat())
    }

    /// Checks a file as somebody without a node does.
    fn verifies(&self, file: &Path, more: &[&str]) -> Said {
        let (file, charter) = (file.to_str().expect("a path"), self.charter.to_str().expect("a path"));
        let arguments = [&["receipt", "--verify", file, "--charter", charter], more].concat();
        run_in(self.federation.folder(), &arguments)
    }
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

#[tokio::test]
async fn a_receipt_proves_the_lodging_although_no_node_runs_any_more() {
    let mut taken = Scene::set().await;
    let file = taken.federation.folder().join("warga.tlog-proof");
    let path = file.to_str().expect("a path");
    let code = taken.lodged.code.to_string();
    let given = taken.asks(CITY, &["--to", path, "--code", &code]);
    assert!(given.code == 0 && given.out.contains("reply code"), "{given:?}");
    let written = std::fs::read_to_string(&file).expect("text");
    assert!(!written.contains(&code), "only the citizen has the code");
    let again = taken.asks(CITY, &["--to", path]);
    assert!(again.code == 1 && again.err.contains("exists already"), "{again:?}");
    taken.federation.stop_node(CITY).await;
    taken.federation.stop_node(PROVINCE).await;

    let said = taken.verifies(&file, &["--code", &code, "--output", "json"]);
    assert_eq!(said.code, 0, "{said:?}");
    let document = json(&said);
    assert_eq!((&document["problem"], &document["reply_code_fits"]), (&Value::Null, &Value::Bool(true)));
    let proven = &document["proven"];
    assert_eq!(proven["agency"], CITY);
    assert_eq!(proven["complaint"], taken.lodged.complaint.to_string());
    assert_eq!((&proven["kind"], proven["leaf_index"].as_u64()), (&Value::from("complaint"), Some(0)));
    assert!(proven["lodged_at"].is_string() && proven["in_ledger_at"].is_string(), "{proven}");
    let words = taken.verifies(&file, &[]);
    assert!(words.code == 0 && words.out.replace('\n', " ").contains("signed that complaint"), "{words:?}");
}

#[tokio::test]
async fn a_receipt_that_does_not_verify_is_exit_code_5_with_the_reason() {
    let taken = Scene::set().await;
    let file = taken.federation.folder().join("warga.tlog-proof");
    let given = taken.asks(CITY, &[]);
    assert!(given.code == 0 && given.out.starts_with("c2sp.org/tlog-proof@v1\nextra "), "{given:?}");
    std::fs::write(&file, &given.out).expect("written");
    assert_eq!(taken.verifies(&file, &[]).code, 0);

    let wrong = taken.verifies(&file, &["--code", "0000-0000-0000-0000-0000-0000-002x"]);
    assert!(
        wrong.code == 5 && wrong.out.replace('\n', " ").contains("the reply code does not belong to this complaint"),
        "{wrong:?}"
    );

    let hash = given.out.lines().nth(3).expect("a hash of the path").to_owned();
    for (from, to, words) in [
        (hash.as_str(), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "the hashes do not lead"),
        ("index 0", "index 1", "the proof is of leaf 1"),
        ("extra ", "Extra ", "line 2 is"),
    ] {
        std::fs::write(&file, given.out.replacen(from, to, 1)).expect("written");
        let said = taken.verifies(&file, &[]);
        assert!(
            said.code == 5 && said.out.replace('\n', " ").contains(words) && said.err.contains("help: "),
            "{said:?}"
        );
        let document = json(&taken.verifies(&file, &["--output", "json"]));
        assert!(document["proven"].is_null() && document["problem"].is_string(), "{document}");
    }
    std::fs::write(&file, vec![b'x'; limits::TLOG_PROOF_BYTES + 1]).expect("written");
    assert_eq!(taken.verifies(&file, &[]).code, 5);

    // Another federation's charter does not list this agency's checkpoint keys.
    let other = TestFederation::make(province_and_city());
    std::fs::write(&file, &given.out).expect("written");
    std::fs::write(&taken.charter, other.charter()).expect("written");
    let said = taken.verifies(&file, &[]);
    assert!(
        said.code == 5 && said.out.replace('\n', " ").contains("the checkpoint is none of kota-bandung"),
        "{said:?}"
    );
}

#[tokio::test]
async fn only_the_intake_agency_gives_the_receipt_and_not_for_a_wrong_code() {
    let taken = Scene::set().await;
    let said = taken.asks(PROVINCE, &[]);
    assert!(said.code == 4 && said.err.contains("was lodged at kota-bandung"), "{said:?}");
    let said = taken.asks(CITY, &["--code", "0000-0000-0000-0000-0000-0000-002x"]);
    assert!(said.code == 4 && said.out.is_empty() && said.err.contains("the reply code does not belong"), "{said:?}");
    let said = run_on(&taken.federation.folder_of(CITY), &["receipt", "0000000000"]);
    assert!(said.code == 4 && said.err.contains("there is no complaint"), "{said:?}");
}
