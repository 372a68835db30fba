//! Tests of `sinergi init`.

use std::os::unix::fs::PermissionsExt;

use clap::Parser;
use sinergi_daemon::transport::tls::Credentials;
use sinergi_proto::charter::MemberText;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: InitArgs,
}

fn args(more: &str) -> InitArgs {
    let line = format!("init --agency kota-bandung --federation lapor.go.id {more}");
    Line::try_parse_from(line.split_whitespace()).expect("a command line").args
}

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().expect("a time")
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it exists").permissions().mode() & 0o777
}

#[derive(serde::Deserialize)]
struct Block {
    member: Vec<MemberText>,
}

#[test]
fn a_new_node_has_a_configuration_keys_a_certificate_and_a_block_for_the_charter() {
    let directory = tempfile::tempdir().expect("a directory");
    let folder = directory.path().join("node");
    let line = "--listen 0.0.0.0:7443 --endpoint sinergi.bandung.go.id:7443 --peer prov-jabar=10.0.0.1:7443 --peer kab-bogor --parent prov-jabar";
    let node = create(&folder, &args(line), now()).expect("a node");

    let config = Config::load(&folder).expect("a configuration");
    assert_eq!(config.peers.len(), 2);
    assert_eq!(config.charter.pin, None);
    let keys = SigningKeys::load(&config.keys).expect("three keys");
    let credentials = Credentials::load(&config.tls).expect("a certificate");
    credentials.check(&config.federation, &config.agency, now()).expect("the node's own");
    for secret in [&config.keys.entry, &config.keys.time, &config.tls.key, &folder.join("keys/ca.key")] {
        assert_eq!(mode(secret), 0o600, "{}", secret.display());
    }
    assert_eq!((mode(&folder), mode(&folder.join("keys"))), (0o700, 0o700));

    let block: Block = toml::from_str(&std::fs::read_to_string(&node.member).expect("member.toml")).expect("a block");
    let member = &block.member[0];
    assert_eq!((member.id.as_str(), member.endpoints[0].as_str()), ("kota-bandung", "sinergi.bandung.go.id:7443"));
    assert_eq!(member.kind, sinergi_proto::charter::MemberKind::City);
    assert_eq!(member.key[0].valid_from, "2026-02-28T00:00:00Z");
    let public = keys.entry.verification_key();
    assert_eq!(member.key[0].public, data_encoding::BASE64.encode(public.as_ref()));
    assert_eq!(member.authorities.len(), 1);
}

#[test]
fn an_existing_node_is_not_overwritten() {
    let directory = tempfile::tempdir().expect("a directory");
    create(directory.path(), &args(""), now()).expect("a node in a folder that was there");
    let before = std::fs::read(directory.path().join("keys/entry.pem")).expect("a key");
    let failure = create(directory.path(), &args(""), now()).expect_err("a second one");
    assert!(failure.message().contains("exists already"), "{}", failure.message());
    std::fs::remove_file(directory.path().join(defaults::FILE)).expect("removed");
    create(directory.path(), &args(""), now()).expect_err("its keys are still there");
    assert_eq!(std::fs::read(directory.path().join("keys/entry.pem")).expect("a key"), before);
}

#[test]
fn arguments_that_would_give_an_invalid_configuration_write_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let folder = directory.path().join("node");
    for wrong in ["--peer kota-bandung", "--peer ksp --peer ksp", "--charter /nonexistent"] {
        create(&folder, &args(wrong), now()).expect_err(wrong);
        assert!(!folder.exists(), "{wrong}");
    }
}

#[test]
fn an_agency_with_its_own_authority_gets_no_certificates() {
    let directory = tempfile::tempdir().expect("a directory");
    create(directory.path(), &args("--no-pki"), now()).expect("a node");
    let mut names: Vec<_> = std::fs::read_dir(directory.path().join("keys"))
        .expect("a folder")
        .map(|f| f.expect("a file").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["checkpoint.pem", "entry.pem", "ledger-mark", "time.pem"]);
}

#[test]
fn a_peer_is_an_agency_with_or_without_an_endpoint() {
    assert!("prov-jabar".parse::<PeerArg>().expect("waited for").0.endpoint.is_none());
    assert!("prov-jabar=[::1]:7443".parse::<PeerArg>().expect("dialled").0.endpoint.is_some());
    for wrong in ["", "Prov", "prov-jabar=", "prov-jabar=host"] {
        wrong.parse::<PeerArg>().expect_err(wrong);
    }
}
