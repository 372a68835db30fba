//! The files that an operator writes. If one is wrong, the node does not start, and it names the file, the field and what to do.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use hyper_util::rt::TokioIo;
use serde_json::Value;
use sinergi_cli::commands::init::Kind;
use sinergi_cli::demo::federation::Agency;
use sinergi_config::Config;
use sinergi_tests::federation::{NAME, PATIENCE, TestFederation, agency, province_and_city};
use sinergi_tests::program::{Said, run_on, sinergid};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

/// The documented example.
const EXAMPLE: &str = include_str!("../../config/examples/sinergid.toml");

/// The output of a daemon that must not start on this folder.
async fn does_not_start(folder: &Path) -> Said {
    let mut daemon = tokio::process::Command::new(sinergid());
    daemon.arg("--node").arg(folder).kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, daemon.stdin(Stdio::null()).output()).await;
    let ended = ended.unwrap_or_else(|_| panic!("the node in {} runs", folder.display())).expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = Said { code: ended.status.code().unwrap_or(-1), out: text(&ended.stdout), err: text(&ended.stderr) };
    assert_eq!(said.code, 1, "{said:?}");
    assert!(!said.err.contains("the node is up"), "{said:?}");
    said
}

/// The problems that `config check` finds in this folder. It must end with exit code 1.
fn problems_in(folder: &Path) -> Vec<String> {
    let said = run_on(folder, &["config", "check", "--output", "json"]);
    assert_eq!(said.code, 1, "{said:?}");
    let findings: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    let problems = findings["problems"].as_array().expect("an array");
    problems.iter().map(|problem| problem.as_str().expect("a text").to_owned()).collect()
}

/// Changes the configuration in this folder. Returns the changed line, counted from 1.
fn rewrite(folder: &Path, from: &str, to: &str) -> usize {
    let file = folder.join("sinergid.toml");
    let text = std::fs::read_to_string(&file).expect("a configuration");
    let at = text.find(from).unwrap_or_else(|| panic!("no {from} in {text}"));
    std::fs::write(&file, text.replacen(from, to, 1)).expect("written");
    text[..at].matches('\n').count() + 1
}

/// Asserts that `config check` and the daemon both say all these words, and that the daemon does not start.
async fn is_refused(folder: &Path, words: &[&str]) {
    let found = problems_in(folder).join("\n");
    let said = does_not_start(folder).await;
    for word in words {
        assert!(found.contains(word), "config check does not say {word}: {found}");
        assert!(said.err.contains(word), "the daemon does not say {word}: {}", said.err);
    }
    assert!(!folder.join("sinergid.sock").exists(), "no operator API of a node that does not run");
}

#[tokio::test]
async fn a_configuration_with_a_typo_is_refused_with_file_line_and_field() {
    let federation = TestFederation::make(province_and_city());
    let folder = federation.folder_of("prov-jabar");
    let file = folder.join("sinergid.toml");
    let line = rewrite(&folder, "agency = ", "agenzy = ");
    is_refused(&folder, &[&format!("{}:{line}: ", file.display()), "agenzy"]).await;
    rewrite(&folder, "agenzy = ", "agency = ");
    assert_eq!(run_on(&folder, &["config", "check"]).code, 0, "the typo was the only problem");

    let line = rewrite(&folder, "# cache_mib = 64", "cache_mib = 5");
    is_refused(&folder, &[&format!("{}:{line}: ", file.display()), "store.cache_mib", "5", "16 to 4096"]).await;
}

#[tokio::test]
async fn all_problems_of_a_configuration_are_reported_at_once() {
    let federation = TestFederation::make(province_and_city());
    let folder = federation.folder_of("prov-jabar");
    rewrite(&folder, "# drain_seconds = 10", "drain_seconds = 0");
    rewrite(&folder, "# answer_by_hours = 72", "answer_by_hours = 90000");
    is_refused(&folder, &["shutdown.drain_seconds", "1 to 300", "forward.answer_by_hours", "1 to 8784"]).await;
    assert_eq!(problems_in(&folder).len(), 2);
}

#[tokio::test]
async fn a_folder_without_configuration_is_refused_with_how_to_make_one() {
    let folder = tempfile::tempdir().expect("a folder");
    is_refused(folder.path(), &["sinergid.toml", "sinergi init"]).await;
}

#[tokio::test]
async fn a_key_that_is_missing_or_garbage_is_refused_by_name() {
    let federation = TestFederation::make(province_and_city());
    let folder = federation.folder_of("prov-jabar");
    let (entry, time) = (folder.join("keys/entry.pem"), folder.join("keys/time.pem"));
    let key = std::fs::read(&entry).expect("a key");
    std::fs::remove_file(&entry).expect("removed");
    is_refused(&folder, &[&format!("{} does not exist", entry.display())]).await;
    std::fs::write(&time, "garbage").expect("written");
    // Both are reported at once, so that the operator does not find them one by one.
    is_refused(&folder, &[&entry.display().to_string(), &format!("{} is not an Ed25519 private key", time.display())])
        .await;
    std::fs::create_dir(&entry).expect("made");
    is_refused(&folder, &[&entry.display().to_string()]).await;
    std::fs::remove_dir(&entry).expect("removed");
    std::fs::write(&entry, key).expect("written");
    let certificate = folder.join("keys/tls.crt");
    std::fs::remove_file(&time).expect("removed");
    std::fs::copy(folder.join("keys/checkpoint.pem"), &time).expect("copied");
    is_refused(&folder, &["hold the same key"]).await;
    std::fs::write(&certificate, "garbage").expect("written");
    assert!(problems_in(&folder).iter().any(|problem| problem.contains(&certificate.display().to_string())));
}

#[tokio::test]
async fn a_key_that_others_can_read_is_refused_with_path_mode_and_remedy() {
    let mut federation = TestFederation::make(province_and_city());
    let folder = federation.folder_of("prov-jabar");
    for name in ["entry.pem", "checkpoint.pem", "time.pem", "tls.key"] {
        let path = folder.join("keys").join(name);
        let allow =
            |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("our own file");
        for mode in [0o640, 0o604] {
            allow(mode);
            let said = format!("{} has mode {mode:04o}", path.display());
            is_refused(&folder, &[&said, &format!("chmod 600 {}", path.display())]).await;
        }
        allow(0o600);
    }
    federation.start_node("prov-jabar").await;
}

#[tokio::test]
async fn a_certificate_of_another_agency_is_refused_before_any_peer_refuses_it() {
    let federation = TestFederation::make(province_and_city());
    let (folder, other) = (federation.folder_of("prov-jabar"), federation.folder_of("kota-bandung"));
    for name in ["tls.crt", "tls.key"] {
        std::fs::copy(other.join("keys").join(name), folder.join("keys").join(name)).expect("copied");
    }
    is_refused(&folder, &["kota-bandung", "prov-jabar"]).await;
}

#[tokio::test]
async fn a_folder_whose_keys_the_charter_does_not_list_for_its_agency_does_not_run() {
    let federation = TestFederation::make(province_and_city());
    let (folder, other) = (federation.folder_of("prov-jabar"), federation.folder_of("kota-bandung"));
    for name in ["entry.pem", "checkpoint.pem", "time.pem"] {
        std::fs::copy(other.join("keys").join(name), folder.join("keys").join(name)).expect("copied");
    }
    let said = does_not_start(&folder).await;
    assert!(said.err.contains("does not list this node's entry key for prov-jabar"), "{said:?}");
    assert!(said.err.contains("is it another node's folder?"), "{said:?}");
    assert!(!folder.join("ledger").exists(), "nothing was written for another agency");
    let found = problems_in(&folder).join("\n");
    assert!(found.contains("none of the entry keys that charter version 1 lists for prov-jabar"), "{found}");
}

#[tokio::test]
async fn a_charter_that_is_not_the_pinned_one_is_refused() {
    let federation = TestFederation::make(province_and_city());
    let folder = federation.folder_of("prov-jabar");
    let other = TestFederation::make(province_and_city());
    let note = folder.join("charter/00000001.note");
    std::fs::copy(other.folder_of("prov-jabar").join("charter/00000001.note"), &note).expect("copied");
    is_refused(&folder, &[&note.display().to_string(), "pin"]).await;
}

#[tokio::test]
async fn a_second_daemon_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let mut federation = TestFederation::make(province_and_city());
    federation.start_node("prov-jabar").await;
    let first = federation.node("prov-jabar").await;
    let lodged = first.lodges("Jalan rusak").await;
    let folder = federation.folder_of("prov-jabar");
    let said = does_not_start(&folder).await;
    assert!(said.err.contains("is locked: another sinergid uses this ledger; stop it first"), "{said:?}");
    let by_hand = run_on(&folder, &["run"]);
    assert!(by_hand.code == 1 && by_hand.err.contains("is locked"), "{by_hand:?}");

    first.lodges("Lampu mati").await;
    let again = federation.node("prov-jabar").await;
    assert!(again.shows(lodged.complaint).await.is_some(), "the first daemon still has its socket");
    assert_eq!(again.status().await.complaints, 2);
    again.has_a_sound_ledger().await;
}

#[tokio::test]
async fn a_rebuild_while_the_node_runs_is_refused_and_touches_nothing() {
    let mut federation = TestFederation::make(province_and_city());
    federation.start_node("prov-jabar").await;
    let node = federation.node("prov-jabar").await;
    let lodged = node.lodges("Jalan rusak").await;
    let mut rebuild = std::process::Command::new(sinergid());
    rebuild.arg("--node").arg(federation.folder_of("prov-jabar")).arg("rebuild");
    let said = sinergi_tests::program::said(&mut rebuild);
    assert!(said.code == 1 && said.err.contains("is locked"), "{said:?}");
    assert!(node.shows(lodged.complaint).await.is_some());
}

#[tokio::test]
async fn only_its_owner_can_use_the_operator_socket_and_it_is_removed_with_the_node() {
    let mut federation = TestFederation::make(province_and_city());
    federation.start_node("prov-jabar").await;
    let socket = federation.folder_of("prov-jabar").join("sinergid.sock");
    let mode = std::fs::metadata(&socket).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    federation.stop_node("prov-jabar").await;
    assert!(!socket.exists());
}

#[tokio::test]
async fn the_documented_example_runs_a_node_that_links_with_its_province() {
    let agencies = vec![
        Agency::new(agency("prov-jabar"), Kind::Province),
        Agency::new(agency("kab-bandung"), Kind::Regency).dials_only(),
        Agency::new(agency("kota-bandung"), Kind::City),
    ];
    let links = [("kota-bandung", "prov-jabar"), ("kab-bandung", "kota-bandung")];
    let mut federation = TestFederation::make_with_links(agencies, &links);
    let folder = federation.folder_of("kota-bandung");
    let own = Config::load(&folder).expect("the folder's configuration");
    let example = Config::parse(EXAMPLE, Path::new("example")).expect("the example is right");
    let mut text = EXAMPLE.to_owned();
    // Replaces the values that belong to another federation. Everything else stays as documented.
    for (from, to) in [
        (example.federation.to_string(), NAME.to_owned()),
        (example.listen.expect("shown").to_string(), federation.address_of("kota-bandung")),
        (example.charter.pin.expect("shown").to_string(), own.charter.pin.expect("adopted").to_string()),
        (example.peers[0].endpoint.clone().expect("shown").to_string(), federation.address_of("prov-jabar")),
    ] {
        assert!(text.contains(&from), "{from}");
        text = text.replace(&from, &to);
    }
    std::fs::write(folder.join("sinergid.toml"), text).expect("written");
    let check = run_on(&folder, &["config", "check"]);
    assert_eq!(check.code, 0, "{check:?}");
    for id in ["prov-jabar", "kota-bandung", "kab-bandung"] {
        federation.start_node(id).await;
    }
    let city = federation.node("kota-bandung").await;
    for peer in ["prov-jabar", "kab-bandung"] {
        city.sees_peer(peer, |peer| peer.state == "linked").await;
    }
}

/// A channel to the operator socket, as any gRPC tool makes one.
async fn channel(folder: &Path) -> Channel {
    let socket = folder.join("sinergid.sock");
    let connect = tower::service_fn(move |_| {
        let socket = socket.clone();
        async move { UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    Endpoint::from_static("http://node.invalid").connect_with_connector(connect).await.expect("the socket answers")
}

#[tokio::test]
async fn grpc_health_on_the_operator_socket_says_that_the_node_serves() {
    let mut federation = TestFederation::make(province_and_city());
    federation.start_node("prov-jabar").await;
    let mut health = HealthClient::new(channel(&federation.folder_of("prov-jabar")).await);
    for service in ["", "sinergi.v2.Operator"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let HealthCheckResponse { status } = health.check(request).await.expect("an answer").into_inner();
        assert_eq!(status, i32::from(ServingStatus::Serving), "{service}");
    }
    let unknown = health.check(HealthCheckRequest { service: "sinergi.v2.Nothing".to_owned() }).await;
    assert_eq!(unknown.expect_err("no such service").code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn grpc_reflection_on_the_operator_socket_describes_the_operator_api() {
    let mut federation = TestFederation::make(province_and_city());
    federation.start_node("prov-jabar").await;
    let mut reflection = ServerReflectionClient::new(channel(&federation.folder_of("prov-jabar")).await);
    let requests = [
        MessageRequest::ListServices(String::new()),
        MessageRequest::FileContainingSymbol("sinergi.v2.Operator.Lodge".to_owned()),
    ];
    let requests =
        requests.map(|request| ServerReflectionRequest { host: String::new(), message_request: Some(request) });
    let answers = reflection.server_reflection_info(tokio_stream::iter(requests)).await;
    let mut answers = answers.expect("a stream").into_inner();
    let mut next = async || {
        let answer: Option<ServerReflectionResponse> = answers.message().await.expect("an answer");
        answer.and_then(|answer| answer.message_response).expect("an answer")
    };
    let MessageResponse::ListServicesResponse(listed) = next().await else { panic!("not a list") };
    let names: Vec<String> = listed.service.into_iter().map(|service| service.name).collect();
    assert!(names.iter().any(|name| name == "sinergi.v2.Operator"), "{names:?}");
    let MessageResponse::FileDescriptorResponse(files) = next().await else { panic!("not a description") };
    let described = files
        .file_descriptor_proto
        .iter()
        .any(|file| file.windows(b"LodgeRequest".len()).any(|window| window == b"LodgeRequest"));
    assert!(described, "the description contains the schema of a call");
}

#[tokio::test]
async fn logs_in_json_are_one_object_a_line_with_time_level_and_message_and_without_any_text_of_a_complaint() {
    let mut federation = TestFederation::make(province_and_city());
    rewrite(&federation.folder_of("prov-jabar"), "# format = \"text\"", "format = \"json\"");
    federation.start_node("prov-jabar").await;
    federation.node("prov-jabar").await.lodges("Tidak untuk catatan").await;
    federation.stop_node("prov-jabar").await;
    let log = federation.log_of("prov-jabar");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let says = |message: &str| lines.iter().any(|line| line["fields"]["message"] == message);
    assert!(says("the node is up") && says("stopped"), "{log}");
    assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()), "{log}");
    assert!(!log.contains("Tidak untuk catatan"), "{log}");
}
