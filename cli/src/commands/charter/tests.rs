//! Claims about the commands of charters, from keys to a trusted note.

use std::path::{Path, PathBuf};

use clap::Parser;
use jiff::Timestamp;
use sinergi_proto::charter::Charters;

use crate::command_line::{Cli, Command as Any};
use crate::failure::{Exit, Failure};
use crate::options::{Context, Target};
use crate::output::{Format, Output};

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs a line; `@name` is a file on the desk.
    fn run(&self, line: &str) -> Result<(), Failure> {
        let folder = format!("{}/", self.0.path().display());
        let words = line.split_whitespace().map(|word| match word.strip_prefix('@') {
            Some(name) => format!("{folder}{name}"),
            None => word.to_owned(),
        });
        let cli = Cli::try_parse_from(std::iter::once("sinergi".to_owned()).chain(words)).expect(line);
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().expect("a time");
        let output = Output { format: Format::Json, ..Output::fixed(now) };
        let context = Context { target: Target::Folder(self.path("node")), output };
        match cli.command {
            Any::Charter(command) => crate::command_line::block_on(super::run(command, &context)),
            Any::Init(mut args) => {
                args.member.name = Some("Kota Bandung".to_owned());
                crate::commands::init::create(&self.path("node"), &args, now).map(drop)
            }
            _ => unreachable!("a command of this test"),
        }
    }

    fn refused(&self, line: &str) -> Failure {
        self.run(line).expect_err(line)
    }

    fn verifier(&self, name: &str) -> String {
        let key = sinergi_daemon::storage::keys::load(&self.path(&format!("{name}.pem"))).expect("a key");
        crate::charter::verifier_key(&format!("lapor.go.id/manager/{name}"), &key).to_string()
    }

    /// A draft of two managers, both of whom must sign.
    fn draft(&self) {
        for name in ["ksp", "ombudsman"] {
            self.run(&format!("charter key --name lapor.go.id/manager/{name} --out @{name}.pem")).expect("a key");
        }
        self.run(&format!(
            "charter new --federation lapor.go.id --threshold 2 --out @c --manager ksp={} --manager ombudsman={}",
            self.verifier("ksp"),
            self.verifier("ombudsman")
        ))
        .expect("a draft");
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("a file")
}

#[test]
fn keys_draft_members_and_signatures_make_a_charter_that_verifies() {
    let desk = Desk::new();
    desk.draft();
    desk.run("init --agency kota-bandung --federation lapor.go.id").expect("a node");
    desk.run("charter add @c @node/member.toml").expect("added");
    desk.run("charter sign @c --name ksp --key @ksp.pem").expect("signed");
    let failure = desk.refused("charter verify @c");
    assert_eq!(failure.exit(), Exit::Findings);
    desk.run("charter sign @c --name ombudsman --key @ombudsman.pem --out @c.note").expect("signed");
    desk.run("charter verify @c.note").expect("enough");
    desk.run("charter show @c.note").expect("shown");
    let charters = Charters::self_signed(&read(&desk.path("c.note"))).expect("trusted");
    assert_eq!(charters.newest().members().count(), 1);
    assert_eq!(desk.refused("charter verify @c").exit(), Exit::Findings, "the other file is as it was");
    desk.refused("charter adopt @c");
    desk.run("charter adopt @c.note").expect("adopted");
    let findings = crate::commands::config::check(&desk.path("node"), "2026-03-01T12:00:00Z".parse().expect("a time"));
    assert_eq!(findings.problems, Vec::<String>::new());
}

#[test]
fn a_successor_is_verified_with_the_versions_before_it() {
    let desk = Desk::new();
    desk.draft();
    let failure = desk.refused("charter new --successor-of @c --out @c2");
    assert!(failure.report().contains("cannot be followed"), "{}", failure.report());
    for name in ["ksp", "ombudsman"] {
        desk.run(&format!("charter sign @c --key @{name}.pem")).expect("signed");
    }
    desk.run("charter new --successor-of @c --out @c2").expect("a successor");
    desk.run("charter sign @c2 --key @ksp.pem").expect("signed");
    assert_eq!(desk.refused("charter verify @c2").exit(), Exit::Usage);
    assert_eq!(desk.refused("charter verify @c2 --predecessor @c").exit(), Exit::Findings);
    desk.run("charter sign @c2 --key @ombudsman.pem").expect("signed");
    desk.run("charter verify @c2 --predecessor @c").expect("a chain");
}

#[test]
fn a_signed_charter_is_not_changed() {
    let desk = Desk::new();
    desk.draft();
    desk.run("init --agency kota-bandung --federation lapor.go.id").expect("a node");
    desk.run("charter sign @c --key @ksp.pem").expect("signed");
    let before = read(&desk.path("c"));
    let failure = desk.refused("charter add @c @node/member.toml");
    assert!(failure.report().contains("--successor-of"), "{}", failure.report());
    assert_eq!(read(&desk.path("c")), before);
}

#[test]
fn no_file_is_written_over_another() {
    let desk = Desk::new();
    desk.draft();
    let before = read(&desk.path("c"));
    for line in [
        &format!("charter new --federation lapor.go.id --threshold 1 --out @c --manager ksp={}", desk.verifier("ksp")),
        "charter key --name ksp --federation lapor.go.id --out @ksp.pem",
        "charter sign @c --key @ksp.pem --out @ombudsman.pem",
    ] {
        assert!(desk.refused(line).report().contains("exists already"), "{line}");
    }
    assert_eq!(read(&desk.path("c")), before);
}

#[test]
fn a_member_whose_parent_is_missing_changes_nothing_and_is_named() {
    let desk = Desk::new();
    desk.draft();
    desk.run("init --agency kota-bandung --federation lapor.go.id --parent prov-jabar").expect("a node");
    let before = read(&desk.path("c"));
    let report = desk.refused("charter add @c @node/member.toml").report();
    assert!(report.contains("member kota-bandung: parent: prov-jabar is no member"), "{report}");
    assert_eq!(read(&desk.path("c")), before);
}

#[test]
fn a_charter_that_has_ended_or_not_begun_does_not_verify() {
    for (validity, trusted) in [
        ("--valid-from 2025-01-01T00:00:00Z --valid-until 2026-01-01T00:00:00Z --grace-days 10", false),
        ("--valid-from 2025-01-01T00:00:00Z --valid-until 2026-02-20T00:00:00Z --grace-days 10", true),
        ("--valid-from 2027-01-01T00:00:00Z", false),
    ] {
        let desk = Desk::new();
        desk.run("charter key --name lapor.go.id/manager/ksp --out @ksp.pem").expect("a key");
        let managers = format!("--threshold 1 --manager ksp={}", desk.verifier("ksp"));
        desk.run(&format!("charter new --federation lapor.go.id --out @c {managers} {validity}")).expect("a draft");
        desk.run("charter sign @c --key @ksp.pem").expect("signed");
        let result = desk.run("charter verify @c");
        let expected = if trusted { Ok(()) } else { Err(Exit::Findings) };
        assert_eq!(result.map_err(|failure| failure.exit()), expected, "{validity}");
    }
}

#[test]
fn a_manager_is_named_with_the_federation() {
    let desk = Desk::new();
    assert_eq!(desk.refused("charter key --name ksp --out @k").exit(), Exit::Usage);
    assert_eq!(desk.refused("charter key --name a/b --federation f --out @k").exit(), Exit::Usage);
    assert_eq!(desk.refused("charter key --name a+b/c --out @k").exit(), Exit::Usage);
    assert!(!desk.path("k").exists());
    desk.run("charter key --name ksp --federation f --out @k").expect("a key");
}
