//! Tests of `sinergi config check`, on a node made by `init` with a charter that lists it.

use std::fs::Permissions;

use clap::Parser;
use sinergi_daemon::storage::keys;
use sinergi_proto::tlog::note::{NoteKey, NoteKeyUse, sign_statement};

use super::*;
use crate::commands::init::{InitArgs, MEMBER_FILE, adopt_first_charter, create};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: InitArgs,
}

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().expect("a time")
}

/// A node of kota-bandung without a charter.
fn node(more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).expect("closed");
    let line = format!("init --agency kota-bandung --federation lapor.go.id {more}");
    let args = Line::try_parse_from(line.split_whitespace()).expect("a command line").args;
    create(folder.path(), &args, now()).expect("a node");
    folder
}

/// A first charter of one manager with these members.
fn charter(members: &[&tempfile::TempDir]) -> Vec<u8> {
    let key = keys::generate().expect("a key");
    let manager = NoteKey::new("kemendagri", NoteKeyUse::Statement, key.verification_key());
    let mut text = format!(
        "federation = \"lapor.go.id\"\nversion = 1\nvalid_from = \"2026-01-01T00:00:00Z\"\nvalid_until = \"2027-01-01T00:00:00Z\"\n\
         grace_days = 30\nthreshold = 1\n\n[[manager]]\nname = \"Kemendagri\"\nkeys = [\"{manager}\"]\n"
    );
    for member in members {
        text.push_str(&std::fs::read_to_string(member.path().join(MEMBER_FILE)).expect("member.toml"));
    }
    let signature = sign_statement("kemendagri", &key, text.as_bytes()).expect("a signature");
    [text.as_bytes(), b"\n", &signature.to_bytes()].concat()
}

fn problems(node: &tempfile::TempDir) -> String {
    check(node.path(), now()).problems.join("\n")
}

#[test]
fn a_node_that_its_charter_lists_has_no_problems() {
    let node = node("");
    assert!(problems(&node).starts_with("charter.pin is missing"), "{}", problems(&node));
    adopt_first_charter(node.path(), &charter(&[&node])).expect("adopted");
    let findings = check(node.path(), now());
    assert_eq!((findings.problems, findings.warnings), (vec![], vec![]));
    assert_eq!(findings.certificate_expires.map(|end| end.to_string()), Some("2027-03-01T12:00:00Z".to_owned()));
}

#[test]
fn a_charter_given_to_init_is_pinned() {
    let other = node("");
    let file = other.path().join("charter.note");
    std::fs::write(&file, charter(&[&other])).expect("written");
    let node = node(&format!("--charter {}", file.display()));
    let found = problems(&node);
    assert!(found.contains("entry.pem is none of the entry keys that charter version 1 lists"), "{found}");
    assert!(found.contains("none of the authorities that the charter lists for kota-bandung"), "{found}");
}

#[test]
fn a_pinned_charter_stays_the_first() {
    let node = node("");
    let first = charter(&[&node]);
    adopt_first_charter(node.path(), &first).expect("adopted");
    adopt_first_charter(node.path(), &charter(&[&node])).expect_err("pinned already");
    let file = node.path().join("charter/00000001.note");
    std::fs::write(file, charter(&[&node])).expect("replaced");
    assert!(problems(&node).contains("this node pins"), "{}", problems(&node));
}

#[test]
fn all_problems_are_reported_at_once() {
    let node = node("--peer prov-jabar");
    adopt_first_charter(node.path(), &charter(&[&node])).expect("adopted");
    let keys = node.path().join("keys");
    std::fs::set_permissions(keys.join("entry.pem"), Permissions::from_mode(0o644)).expect("opened");
    std::fs::remove_file(keys.join("time.pem")).expect("removed");
    std::fs::remove_file(keys.join("tls.crt")).expect("removed");
    let found = problems(&node);
    for words in
        ["entry.pem has mode 0644", "time.pem does not exist", "tls.crt does not exist", "peer prov-jabar is no member"]
    {
        assert!(found.contains(words), "{words}:\n{found}");
    }
}

#[test]
fn a_folder_that_every_user_can_read_gives_a_warning() {
    let node = node("");
    std::fs::set_permissions(node.path(), Permissions::from_mode(0o755)).expect("opened");
    let warnings = check(node.path(), now()).warnings;
    assert!(matches!(warnings.as_slice(), [one] if one.contains("has mode 0755")), "{warnings:?}");
}

#[test]
fn a_certificate_that_ends_is_a_warning_and_then_a_problem() {
    let node = node("");
    adopt_first_charter(node.path(), &charter(&[&node])).expect("adopted");
    let at = |time: &str| check(node.path(), time.parse().expect("a time"));
    assert_eq!(at("2026-12-31T00:00:00Z").warnings, Vec::<String>::new());
    assert!(at("2027-02-20T00:00:00Z").warnings.iter().any(|warning| warning.contains("sinergi pki renew")));
    let over = at("2027-03-02T00:00:00Z");
    assert_eq!(over.problems.len(), 1, "{:?}", over.problems);
    assert!(over.problems[0].contains("it expired at 2027-03-01T12:00:00Z"), "{:?}", over.problems);
}

#[test]
fn a_wrong_configuration_is_shown_problem_by_problem() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(defaults::FILE), "agency = \"K\"\n[store]\ncache_mib = 1\n").expect("written");
    let findings = check(folder.path(), now());
    assert_eq!(findings.problems.len(), 3, "{:?}", findings.problems);
    let screen = screen(&Output::fixed(now()), &findings);
    assert!(screen.lines().all(|line| line.starts_with("! ") || line.starts_with("  ")), "{screen}");
}
