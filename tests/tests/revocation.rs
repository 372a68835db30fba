//! Revoked keys: oversight makes the list, the managers revoke, links carry charter and list, and the owner goes on under new keys.

use std::path::{Path, PathBuf};

use sinergi_cli::charter;
use sinergi_proto::charter::TrustedList;
use sinergi_proto::operator_api::NodeStatus;
use sinergi_tests::federation::{NAME, TestFederation, hierarchy};
use sinergi_tests::program::{Said, run_on};

const CITY: &str = "kota-bandung";
const PROVINCE: &str = "prov-jabar";
const MINISTRY: &str = "kemendagri";
const OMBUDSMAN: &str = "ombudsman";

/// Runs `sinergi ARGUMENTS` on a node, and expects success.
fn done(folder: &Path, arguments: &[&str]) -> Said {
    let said = run_on(folder, arguments);
    assert_eq!(said.code, 0, "{arguments:?}: {}{}", said.out, said.err);
    said
}

/// Makes new keys for an agency with `sinergi init`, as its operator would. Returns the folder with them.
fn new_keys(federation: &TestFederation, id: &str) -> PathBuf {
    let folder = federation.folder().join(format!("{id}-new"));
    let name = NAME.to_owned();
    let arguments = [
        "init",
        "--agency",
        id,
        "--federation",
        &name,
        "--kind",
        "city",
        "--name",
        "Kota Bandung",
        "--parent",
        PROVINCE,
    ];
    done(&folder, &arguments);
    folder
}

/// The charter that revokes the city's keys by this list and lists its new ones, signed.
fn revoking(federation: &TestFederation, list: &TrustedList, new: &Path) -> Vec<u8> {
    let block = std::fs::read_to_string(new.join("member.toml")).expect("the block of the member");
    let fresh = charter::member_blocks(&block).expect("a block").remove(0);
    federation.next_charter(|text| {
        assert_eq!(charter::revoke(text, list), 0, "the list is about all keys of the city");
        let member = text.member.iter_mut().find(|member| member.id.as_str() == CITY).expect("the city");
        member.key = fresh.key;
    })
}

fn has_alarm(topic: &'static str) -> impl Fn(&NodeStatus) -> bool {
    move |status| status.alarms.iter().any(|alarm| alarm.topic == topic)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_key_is_revoked_everywhere_and_what_the_oversight_agency_had_before_stays() {
    let mut federation = TestFederation::start(hierarchy()).await;
    let (city, province) = (federation.node(CITY).await, federation.node(PROVINCE).await);
    let before = city.lodges("Sebelum kunci dicuri").await;
    city.forwards(before.complaint, PROVINCE).await;
    province.accepts(before.complaint).await;
    federation.node(OMBUDSMAN).await.has_acts(before.complaint, 3).await;

    // The operator of the oversight agency makes the list, and the city's own operator checks it.
    let desk = federation.folder().join("stolen.list");
    let desk_name = desk.display().to_string();
    done(&federation.folder_of(OMBUDSMAN), &["charter", "trusted", "make", CITY, &desk_name]);
    let list = TrustedList::parse(std::fs::read(&desk).expect("the list")).expect("a list");
    assert_eq!(list.entries().len(), 2, "the lodging and the offer");
    let checked = done(&federation.folder_of(CITY), &["--output", "json", "charter", "trusted", "check", &desk_name]);
    assert_eq!(checked.json()["disputed"], serde_json::json!([]));

    // The thief offers a complaint that the list does not name. Here the city does it itself.
    let after = city.lodges("Sesudah kunci dicuri").await;
    city.forwards(after.complaint, PROVINCE).await;
    province.accepts(after.complaint).await;
    federation.node(OMBUDSMAN).await.has_acts(after.complaint, 3).await;
    let checked =
        done(&federation.folder_of(OMBUDSMAN), &["--output", "json", "charter", "trusted", "check", &desk_name]);
    assert_eq!(checked.json()["disputed"].as_array().map(Vec::len), Some(2));

    // The charter needs the list. It comes to one node by hand, and to the others over the links.
    let new = new_keys(&federation, CITY);
    let note = federation.folder().join("00000002.note");
    std::fs::write(&note, revoking(&federation, &list, &new)).expect("written");
    let note = note.display().to_string();
    federation.stop_node(OMBUDSMAN).await;
    let without = run_on(&federation.folder_of(OMBUDSMAN), &["charter", "adopt", &note]);
    assert!(without.code == 1 && without.err.contains("--list FILE"), "{}", without.err);
    done(&federation.folder_of(OMBUDSMAN), &["charter", "adopt", &note, "--list", &desk_name]);
    federation.start_node(OMBUDSMAN).await;
    for id in [OMBUDSMAN, MINISTRY, PROVINCE, CITY] {
        federation.node(id).await.sees_status(|status| status.charter_version == 2).await;
    }

    // Everybody takes the thief's offer back, whoever had accepted it. What the list names stays.
    for id in [OMBUDSMAN, MINISTRY, PROVINCE, CITY] {
        let node = federation.node(id).await;
        node.sees(after.complaint, |seen| seen.holder == CITY).await;
        node.sees(before.complaint, |seen| seen.holder == PROVINCE).await;
    }
    province.sees_status(has_alarm("judged-again 2")).await;

    // The city signs nothing until it has its new keys.
    city.sees_status(has_alarm("key-revoked")).await;
    let refused =
        run_on(&federation.folder_of(CITY), &["complaint", "forward", &after.complaint.to_string(), "--to", PROVINCE]);
    assert!(refused.code == 4 && refused.err.contains("put new keys in place"), "{} {}", refused.code, refused.err);
    federation.stop_node(CITY).await;
    let failure = federation.does_not_start(CITY).await;
    assert!(failure.contains("charter version 2"), "{failure}");
    for key in ["entry.pem", "checkpoint.pem", "time.pem"] {
        std::fs::copy(new.join("keys").join(key), federation.folder_of(CITY).join("keys").join(key)).expect("copied");
    }
    federation.start_node(CITY).await;
    let city = federation.node(CITY).await;
    city.sees_peer(PROVINCE, |peer| peer.state == "linked").await;
    city.forwards(after.complaint, PROVINCE).await;
    province.accepts(after.complaint).await;
    for id in [OMBUDSMAN, MINISTRY, PROVINCE, CITY] {
        federation.node(id).await.sees(after.complaint, |seen| seen.holder == PROVINCE).await;
    }
    let later = city.lodges("Dengan kunci baru").await;
    federation.node(OMBUDSMAN).await.has_acts(later.complaint, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_leaves_out_what_it_says_to_contain_is_noticed_by_the_agency_whose_ledger_it_names() {
    let federation = TestFederation::start(hierarchy()).await;
    let city = federation.node(CITY).await;
    let province = federation.node(PROVINCE).await;
    let lodged = city.lodges("Harus tetap dipercaya").await;
    city.forwards(lodged.complaint, PROVINCE).await;
    province.accepts(lodged.complaint).await;
    city.has_acts(lodged.complaint, 3).await;
    province.has_an_empty_outbox().await;
    let folder = federation.folder_of(PROVINCE);
    let file = |name: &str| federation.folder().join(name).display().to_string();
    done(&folder, &["charter", "trusted", "make", CITY, &file("whole.list")]);
    done(&folder, &["charter", "trusted", "check", &file("whole.list")]);
    let whole = TrustedList::parse(std::fs::read(file("whole.list")).expect("the list")).expect("a list");
    let write = |name: &str, change: &dyn Fn(&mut sinergi_proto::charter::TrustedListDraft)| {
        let mut draft = whole.to_draft();
        change(&mut draft);
        std::fs::write(file(name), draft.write()).expect("written");
        let said = run_on(&folder, &["charter", "trusted", "check", &file(name)]);
        (said.code, said.out)
    };
    let (code, out) = write("short.list", &|draft| draft.entries.clear());
    assert!(code == 5 && out.contains("it leaves out 2 entries"), "{code} {out}");
    assert!(whole.receipts().len() > 0, "the city has given receipts");
    let (code, out) = write("without-receipts.list", &|draft| draft.receipts.clear());
    assert!(code == 5 && out.contains("receipts that this node had"), "{code} {out}");
    let (code, out) = write("false.list", &|draft| {
        draft.anchors = draft
            .anchors
            .iter()
            .cloned()
            .map(|anchor| sinergi_proto::charter::Anchor { root: [7; 32], ..anchor })
            .collect();
    });
    assert!(code == 5 && out.contains("another root"), "{code} {out}");
    let unknown = run_on(&folder, &["charter", "trusted", "make", CITY, &file("x.list"), "--key", "00000001"]);
    assert!(unknown.code == 2 && unknown.err.contains("has no key 00000001"), "{}", unknown.err);
    let nobody = run_on(&folder, &["charter", "trusted", "make", "kota-cimahi", &file("y.list")]);
    assert!(nobody.code != 0 && nobody.err.contains("kota-cimahi"), "{}", nobody.err);
}
