//! Checkpoints of real nodes, checked with Go's own transparency-log packages, which share no code with Sinergi.
//!
//! Needs `go` and Debian's `golang-golang-x-mod-dev`. Where they are missing the tests say so and check nothing, unless
//! `SINERGI_REQUIRE_GO=1` says that they must be there, as in CI.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::HEXLOWER;
use sinergi_config::Config;
use sinergi_daemon::keys::SigningKeys;
use sinergi_daemon::ledger::{Ledger, LedgerOptions};
use sinergi_proto::ids::LedgerIndex;
use sinergi_proto::note::{NoteKey, NoteKeyUse};
use sinergi_tests::federation::{NAME, TestFederation, province_and_city};
use sinergi_tests::program::{Said, run_on, said};
use tempfile::TempDir;

/// The Go program.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/checkpoint.go");
/// Where Debian puts the sources of Go packages.
const PACKAGES: &str = "/usr/share/gocode";

/// The Go program, built for this test.
struct Checker {
    program: PathBuf,
    folder: TempDir,
}

impl Checker {
    /// `None`: Go or its package is not installed here, which was said aloud.
    fn build() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("checkpoint");
        let there = Command::new("go").arg("version").output().is_ok_and(|output| output.status.success())
            && Path::new(PACKAGES).join("src/golang.org/x/mod/sumdb/note").is_dir();
        if !there {
            let required = std::env::var("SINERGI_REQUIRE_GO").is_ok_and(|value| value == "1");
            assert!(!required, "SINERGI_REQUIRE_GO=1, and go or {PACKAGES}/src/golang.org/x/mod is missing");
            // Not by `eprintln!`, which is kept from whoever runs the tests.
            let _ = writeln!(
                std::io::stderr(),
                "NOT CHECKED against Go: install golang-go and golang-golang-x-mod-dev; SINERGI_REQUIRE_GO=1 insists"
            );
            return None;
        }
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(&program).arg(SOURCE).env("GO111MODULE", "off").env("GOPATH", PACKAGES);
        build.env("GOFLAGS", "").env("GOCACHE", folder.path().join("cache"));
        let built = said(&mut build);
        assert_eq!(built.code, 0, "{built:?}");
        Some(Self { program, folder })
    }

    /// What Go says of a checkpoint over these leaves.
    fn check(&self, key: &str, note: &str, leaves: &[String]) -> Said {
        let (note_file, leaves_file) = (self.folder.path().join("note"), self.folder.path().join("leaves"));
        std::fs::write(&note_file, note).expect("written");
        std::fs::write(&leaves_file, leaves.join("\n")).expect("written");
        said(Command::new(&self.program).arg(key).arg(note_file).arg(leaves_file))
    }

    /// Go accepts it as a checkpoint of this size.
    fn accepts(&self, key: &str, note: &str, leaves: &[String], size: u64) {
        let said = self.check(key, note, leaves);
        let expected = format!("ok: {NAME}/prov-jabar/1, {size} leaves\n");
        assert_eq!((said.code, said.out.as_str()), (0, expected.as_str()), "{said:?}");
    }

    /// Go refuses it, for this reason.
    fn refuses(&self, key: &str, note: &str, leaves: &[String], reason: &str) {
        let said = self.check(key, note, leaves);
        assert!(said.code == 1 && said.err.contains(reason), "{said:?} does not say {reason}");
    }
}

/// A node's ledger as others see it.
struct Published {
    /// Its verifier key, as the charter's readers know it.
    key: String,
    /// Checkpoints by size, as `sinergi ledger checkpoint` gave them.
    notes: Vec<(u64, String)>,
    /// All leaves, in hex.
    leaves: Vec<String>,
}

/// Lets a node's ledger grow, and takes a checkpoint at each of these sizes.
async fn publish(sizes: &[u64]) -> Published {
    let mut federation = TestFederation::make(province_and_city());
    federation.start_node("prov-jabar").await;
    let folder = federation.folder_of("prov-jabar");
    let node = federation.node("prov-jabar").await;
    let mut notes = Vec::new();
    for &size in sizes {
        for number in node.status().await.ledger_size..size {
            node.lodges(&format!("Laporan {number}")).await;
        }
        let said = run_on(&folder, &["ledger", "checkpoint"]);
        assert_eq!(said.code, 0, "{said:?}");
        let told = said.out.lines().nth(1).and_then(|line| line.parse::<u64>().ok());
        assert_eq!(told, Some(size), "the size that was asked for: {said:?}");
        notes.push((size, said.out));
    }
    federation.stop_node("prov-jabar").await;
    let config = Config::load(&folder).expect("a configuration");
    let keys = SigningKeys::load(&config.keys).expect("keys");
    let name = format!("{NAME}/prov-jabar/1");
    let key = NoteKey::new(name, NoteKeyUse::Statement, keys.checkpoint.verification_key()).to_string();
    let (ledger, _) = Ledger::open(&config.data.join("ledger"), LedgerOptions::default()).expect("a sound ledger");
    let leaves = ledger.reader().leaves_from(LedgerIndex(0)).expect("from the start");
    let leaves = leaves.map(|leaf| HEXLOWER.encode(&leaf.expect("a sound leaf").body)).collect();
    Published { key, notes, leaves }
}

#[tokio::test]
async fn go_accepts_checkpoints_of_every_shape_of_tree() {
    let Some(checker) = Checker::build() else { return };
    let Published { key, notes, leaves } = publish(&[1, 2, 3, 5, 8, 300]).await;
    assert_eq!(leaves.len(), 300);
    for (size, note) in &notes {
        checker.accepts(&key, note, &leaves, *size);
    }
}

#[tokio::test]
async fn go_refuses_a_checkpoint_that_was_tampered_with_or_is_of_other_leaves() {
    let Some(checker) = Checker::build() else { return };
    let Published { key, notes, mut leaves } = publish(&[4, 7]).await;
    let (earlier, (size, note)) = (&notes[0].1, notes[1].clone());
    checker.accepts(&key, &note, &leaves, size);

    let line = |note: &str, number: usize| note.lines().nth(number).expect("a line").to_owned();
    let other_root = note.replacen(&line(&note, 2), &line(earlier, 2), 1);
    checker.refuses(&key, &other_root, &leaves, "invalid signature");
    checker.refuses(&key, &note.replacen("\n7\n", "\n6\n", 1), &leaves, "invalid signature");
    let other_key = publish(&[1]).await.key;
    checker.refuses(&other_key, &note, &leaves, "verifiable signature");

    let good = leaves.clone();
    leaves.swap(2, 3);
    checker.refuses(&key, &note, &leaves, "the checkpoint says");
    leaves = good[..6].to_vec();
    checker.refuses(&key, &note, &leaves, "the file holds 6");
    leaves = good;
    let last = leaves[5].pop().expect("a leaf has bytes");
    leaves[5].push(if last == '0' { '1' } else { '0' });
    checker.refuses(&key, &note, &leaves, "the checkpoint says");
}
