//! `sinergi demo` runs a whole federation with one command. It leaves no process and no folder behind, however it ends.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use sinergi_cli::demo::wait;
use sinergi_tests::federation::{TestFederation, province_and_city};
use sinergi_tests::process_table::{no_process_names, nodes_in, nodes_run, send};
use sinergi_tests::program::{run_in, run_on, said, sinergi};
use tokio::process::{Child, Command};

/// Agencies of the demo.
const AGENCIES: usize = 7;
/// The most time that a whole demo may take on a small, busy machine.
const WHOLE: Duration = Duration::from_secs(300);

/// Starts a demo in a folder.
fn begin(folder: &Path, options: &[&str]) -> Child {
    let mut command = Command::new(sinergi());
    command.args(["demo", "--output", "json", "--dir"]).arg(folder).args(options);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().expect("the program starts")
}

/// Waits for the end of a demo. Returns its exit code, standard output and standard error.
async fn end(demo: Child) -> (Option<i32>, String, String) {
    let ended = tokio::time::timeout(WHOLE, demo.wait_with_output()).await;
    let ended = ended.expect("a demo ends in time").expect("its output is read");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (ended.status.code(), text(&ended.stdout), text(&ended.stderr))
}

#[tokio::test]
async fn seven_agencies_converge_lose_nothing_and_verify_and_no_process_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let federation = folder.path().join("federation");
    let (code, out, err) = end(begin(&federation, &["--complaints", "30"])).await;
    assert_eq!(code, Some(0), "{out}{err}");
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
    for (field, expected) in [
        ("agencies", Value::from(AGENCIES)),
        ("complaints", 30.into()),
        ("converged", true.into()),
        ("lost", 0.into()),
        ("ledgers_verified", true.into()),
    ] {
        assert_eq!(report[field], expected, "{field}: {report:#}");
    }
    assert!(report["entries"].as_u64() > Some(60), "complaints are handed over: {report:#}");
    let links = report["links"].as_array().expect("an array");
    assert!(links.len() >= AGENCIES - 1, "everybody is linked: {report:#}");
    assert!(links.iter().all(|link| link["state"] == "linked"), "{report:#}");
    assert_eq!(nodes_in(&federation), [0; 0]);
    let kept = run_in(&federation, &["--node", "kota-bandung", "config", "check"]);
    assert_eq!(kept.code, 0, "the folder that the user named stays, and is in order: {kept:?}");
}

#[tokio::test]
async fn the_ombudsman_finds_a_cover_up_and_its_evidence_convinces_a_stranger_with_the_charter() {
    let folder = tempfile::tempdir().expect("a folder");
    let federation = folder.path().join("federation");
    let (code, out, err) = end(begin(&federation, &["--complaints", "12", "--cover-up"])).await;
    assert_eq!(code, Some(0), "{out}{err}");
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
    let story = &report["cover_up"];
    let findings = |of: &Value| of.as_array().expect("findings").clone();
    assert_eq!(findings(&story["audit_before"]["findings"]), [Value::Null; 0], "honest until then: {story:#}");
    let omitted = |all: Vec<Value>| {
        let is_it = |found: &Value| found["finding"] == "omitted" && found["complaint"] == story["complaint"];
        all.iter().any(|found| is_it(found) && found["proven"] == true && found["accused"] == "prov-jabar")
    };
    assert!(omitted(findings(&story["audit"]["findings"])), "the audit finds it: {story:#}");
    assert!(story["dropped"].as_u64() > Some(0), "{story:#}");

    // A stranger verifies in another folder, which has only these two files.
    let elsewhere = tempfile::tempdir().expect("a folder");
    for (kept, name) in [("evidence", "bukti"), ("charter", "piagam")] {
        let kept = story[kept].as_str().unwrap_or_else(|| panic!("the {kept} stays: {story:#}"));
        std::fs::copy(kept, elsewhere.path().join(name)).expect("copied");
    }
    drop(folder);
    let verify = ["evidence", "verify", "bukti", "--charter", "piagam", "--output", "json"];
    let verified = run_in(elsewhere.path(), &verify);
    assert_eq!(verified.code, 0, "{verified:?}");
    let proven: Value = serde_json::from_str(&verified.out).expect("JSON");
    assert_eq!(proven, story["verified"], "the demo and the file say the same");
    assert!(omitted(findings(&proven)), "{proven:#}");
}

#[test]
fn the_liar_is_a_separate_program_and_a_demo_without_it_says_how_to_build_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let alone = folder.path().join("sinergi");
    std::fs::copy(sinergi(), &alone).expect("copied");
    let demo = said(std::process::Command::new(alone).args(["demo", "--cover-up"]).env("TMPDIR", folder.path()));
    assert_eq!((demo.code, demo.out.as_str()), (1, ""), "{demo:?}");
    assert!(demo.err.contains("cargo build --release --bin sinergi --bin sinergi-liar"), "{demo:?}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 1, "nothing was made");
}

#[tokio::test]
async fn every_audit_finds_a_cover_up_while_it_lasts() {
    let folder = tempfile::tempdir().expect("a folder");
    let demo = begin(folder.path(), &["--complaints", "5", "--cover-up", "--hold"]);
    let told = folder.path().join("stranger/cover-up.evidence");
    let evidence = async || Ok::<_, ()>(told.exists().then_some(()));
    assert_eq!(wait::until(WHOLE, evidence).await, Ok(Some(())), "the demo writes its evidence");
    for (audited, code) in [("prov-jabar", 5), ("kota-bandung", 0)] {
        let audit = run_on(&folder.path().join("ombudsman"), &["audit", audited]);
        assert_eq!(audit.code, code, "{audited}: {audit:?}");
    }
    send(demo.id().expect("it runs"), Signal::TERM);
    end(demo).await;
    // The liar's process has ended, too.
    no_process_names(folder.path()).await;
}

#[tokio::test]
async fn a_demo_without_a_folder_leaves_none_behind() {
    let temporary = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(sinergi());
    command.args(["demo", "--complaints", "5"]).env("TMPDIR", temporary.path()).kill_on_drop(true);
    let demo = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let (code, out, err) = end(demo).await;
    assert_eq!(code, Some(0), "{out}{err}");
    let headline = out.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["5 complaints", "7 agencies", "all parties agree", "nothing is missing", "all ledgers verify"] {
        assert!(headline.contains(words), "{words}: {out}");
    }
    assert!(out.lines().all(|line| line.chars().count() <= 80) && !out.contains('\u{1b}'), "{out}");
    assert_eq!(std::fs::read_dir(temporary.path()).expect("it is there").count(), 0, "the nodes' folders are removed");
}

#[tokio::test]
async fn ctrl_c_and_sigterm_in_the_middle_leave_no_process_and_a_failure() {
    for signal in [Signal::INT, Signal::TERM] {
        let folder = tempfile::tempdir().expect("a folder");
        let demo = begin(folder.path(), &["--complaints", "5000"]);
        nodes_run(folder.path(), AGENCIES).await;
        send(demo.id().expect("it runs"), signal);
        let (code, out, err) = end(demo).await;
        assert!(code.is_some_and(|code| code != 0) && out.is_empty(), "{signal:?}: {code:?} {out}{err}");
        assert!(err.contains("interrupted"), "{signal:?}: {err}");
        assert_eq!(nodes_in(folder.path()), [0; 0], "{signal:?}");
    }
}

#[tokio::test]
async fn a_demo_that_is_killed_leaves_no_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut demo = begin(folder.path(), &["--complaints", "5000"]);
    nodes_run(folder.path(), AGENCIES).await;
    demo.kill().await.expect("killed");
    nodes_run(folder.path(), 0).await;
}

#[tokio::test]
async fn a_demo_whose_node_dies_fails_and_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let demo = begin(folder.path(), &["--complaints", "5000"]);
    nodes_run(folder.path(), AGENCIES).await;
    let victim = nodes_in(&folder.path().join("ombudsman"));
    send(victim[0], Signal::KILL);
    let (code, out, err) = end(demo).await;
    assert!(code == Some(1) && out.is_empty(), "{code:?} {out}{err}");
    assert!(err.contains("ombudsman"), "{err}");
    assert_eq!(nodes_in(folder.path()), [0; 0]);
}

#[tokio::test]
async fn a_folder_that_holds_a_federation_already_is_refused_and_left_as_it_is() {
    let federation = TestFederation::make(province_and_city());
    let key = federation.folder_of("prov-jabar").join("keys/entry.pem");
    let before = std::fs::read(&key).expect("a key");
    let (code, out, err) = end(begin(federation.folder(), &[])).await;
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
    let folder = federation.folder().display().to_string();
    assert!(err.contains(&folder) && err.contains("is not empty") && err.contains("help: "), "{err}");
    assert_eq!(std::fs::read(&key).expect("there still"), before);
}
