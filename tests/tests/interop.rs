//! Checks the checkpoints, receipts, proofs and tiles of real nodes with Go's transparency-log packages, which share no code with Sinergi.
//! [`sinergi_tests::go`] lists the programs that this needs.

use std::collections::BTreeSet;
use std::path::Path;

use data_encoding::{BASE64, HEXLOWER};
use serde_json::json;
use sinergi_config::Config;
use sinergi_daemon::storage::keys::SigningKeys;
use sinergi_daemon::storage::ledger::{Ledger, LedgerOptions, LedgerReader};
use sinergi_daemon::tiles::Resource;
use sinergi_proto::base::ids::{Epoch, LedgerIndex};
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::tlog::checkpoint::{CheckpointSigner, origin};
use sinergi_proto::tlog::note::{NoteKey, NoteKeyUse};
use sinergi_proto::transparency::lodging_proof;
use sinergi_tests::federation::{NAME, TestFederation, TestNode, agency, province_and_city};
use sinergi_tests::go::GoProgram;
use sinergi_tests::program::{Said, run_on};
use tempfile::TempDir;

/// The Go program that checks checkpoints, built for this test.
struct Checker(GoProgram);

impl Checker {
    fn build() -> Option<Self> {
        GoProgram::build("checkpoint").map(Self)
    }

    /// Runs the Go program on a checkpoint over these leaves.
    fn check(&self, key: &str, note: &str, leaves: &[String]) -> Said {
        let (note, leaves) = (self.0.file("note", note), self.0.file("leaves", leaves.join("\n")));
        self.0.run([key.as_ref(), note.as_os_str(), leaves.as_os_str()])
    }

    /// Asserts that Go accepts the note as a checkpoint of this size.
    fn accepts(&self, key: &str, note: &str, leaves: &[String], size: u64) {
        let said = self.check(key, note, leaves);
        let expected = format!("ok: {NAME}/prov-jabar/1, {size} leaves\n");
        assert_eq!((said.code, said.out.as_str()), (0, expected.as_str()), "{said:?}");
    }

    /// Asserts that Go refuses it for this reason.
    fn refuses(&self, key: &str, note: &str, leaves: &[String], reason: &str) {
        let said = self.check(key, note, leaves);
        assert!(said.code == 1 && said.err.contains(reason), "{said:?} does not say {reason}");
    }
}

/// A node's ledger as others see it.
struct Published {
    /// The verifier key of its checkpoints.
    key: String,
    /// Sizes and checkpoints, as `sinergi ledger checkpoint` printed them.
    notes: Vec<(u64, String)>,
    /// All leaves, in hex.
    leaves: Vec<String>,
}

/// Grows a node's ledger, and takes a checkpoint at each of these sizes.
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
        assert_eq!(told, Some(size), "the checkpoint has another size: {said:?}");
        notes.push((size, said.out));
    }
    federation.stop_node("prov-jabar").await;
    let config = Config::load(&folder).expect("a configuration");
    let (ledger, _) = Ledger::open(&config.data.join("ledger"), LedgerOptions::default()).expect("a sound ledger");
    let leaves = ledger.reader().leaves_from(LedgerIndex(0)).expect("from the start");
    let leaves = leaves.map(|leaf| HEXLOWER.encode(&leaf.expect("a sound leaf").body)).collect();
    Published { key: verifier_key(&folder), notes, leaves }
}

/// The verifier key of a node's checkpoints.
fn verifier_key(folder: &Path) -> String {
    let config = Config::load(folder).expect("a configuration");
    let keys = SigningKeys::load(&config.keys).expect("keys");
    let name = format!("{NAME}/prov-jabar/1");
    NoteKey::new(name, NoteKeyUse::Statement, keys.checkpoint.verification_key()).to_string()
}

#[tokio::test]
async fn go_accepts_checkpoints_of_trees_of_every_shape() {
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

/// The Go program that checks receipts, consistency proofs and tiles, and its input.
struct Verifier {
    program: GoProgram,
    jobs: Vec<serde_json::Value>,
}

impl Verifier {
    fn build() -> Option<Self> {
        GoProgram::build("ledger").map(|program| Self { program, jobs: Vec::new() })
    }

    /// The folder of the tiles.
    fn tiles(&self) -> std::path::PathBuf {
        self.program.folder().join("tiles")
    }

    fn run(&self, key: &str) -> Said {
        let jobs: String = self.jobs.iter().map(|job| format!("{job}\n")).collect();
        let jobs = self.program.file("jobs", jobs);
        self.program.run([key.as_ref(), jobs.as_os_str(), self.tiles().as_os_str()])
    }

    /// Asserts that Go accepts all jobs.
    fn accepts(&self, key: &str) {
        let count =
            |field: &str| self.jobs.iter().map(|job| job[field].as_array().expect("a list").len()).sum::<usize>();
        let (receipts, proofs) = (count("receipts"), count("consistency"));
        assert!(receipts > 0, "nothing would be checked");
        let expected = format!("ok: {} sizes, {receipts} receipts, {proofs} consistency proofs\n", self.jobs.len());
        let said = self.run(key);
        assert_eq!((said.code, said.out.as_str()), (0, expected.as_str()), "{said:?}");
    }

    /// Asserts that Go refuses it for this reason.
    fn refuses(&self, key: &str, reason: &str) {
        let said = self.run(key);
        assert!(said.code == 1 && said.err.contains(reason), "{said:?} does not say {reason}");
    }
}

/// A ledger of the daemon, whose leaves are not entries, and the signer of its checkpoints.
struct Written {
    reader: LedgerReader,
    signer: CheckpointSigner,
    key: String,
    _ledger: (Ledger, TempDir),
}

impl Written {
    fn of(leaves: u64) -> Self {
        const GROUP: u64 = 10_000;
        let folder = tempfile::tempdir().expect("a folder");
        let (mut ledger, _) = Ledger::open(folder.path(), LedgerOptions::default()).expect("a new ledger");
        while ledger.size() < leaves {
            let mut group = ledger.begin();
            for index in ledger.size()..leaves.min(ledger.size() + GROUP) {
                let leaf = format!("leaf {index} {}", "x".repeat((index % 50).try_into().expect("small")));
                group.leaf(b"", leaf.as_bytes()).expect("room");
            }
            ledger.commit(group).expect("a commit");
        }
        let (checkpoint, time) = (SigningKey::from([1; 32]), SigningKey::from([2; 32]));
        let name = origin(NAME, &agency("prov-jabar"), Epoch::FIRST);
        let key = NoteKey::new(name, NoteKeyUse::Statement, checkpoint.verification_key()).to_string();
        let signer = CheckpointSigner::new(NAME, &agency("prov-jabar"), Epoch::FIRST, checkpoint, time);
        Self { reader: ledger.reader(), signer, key, _ledger: (ledger, folder) }
    }

    /// Adds the tiles of a size to a folder. Tiles of other sizes stay there.
    fn write_tiles(&self, size: u64, folder: &Path) {
        for resource in Resource::between(0, size) {
            let path = folder.join(resource.to_string());
            if !path.exists() {
                let bytes = resource.read(&self.reader, size).expect("readable").expect("in the tree");
                std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
                std::fs::write(path, bytes).expect("written");
            }
        }
    }

    /// A job with the receipts of some leaves at a size, and consistency proofs from some smaller sizes.
    fn job(&self, size: u64) -> serde_json::Value {
        let root = self.reader.root_at(size).expect("a root");
        let note = self.signer.sign(size, root.0, 1_764_000_000);
        let receipt = |index: u64| {
            let leaf = self.reader.leaf(LedgerIndex(index)).expect("a leaf").body;
            let path = tlog_tiles::prove_record(size, index, &self.reader).expect("a proof");
            String::from_utf8(lodging_proof::receipt(&leaf, LedgerIndex(index), path, &note)).expect("text")
        };
        let consistency = |old: u64| {
            let path = tlog_tiles::prove_tree(size, old, &self.reader).expect("a proof");
            let path: Vec<String> = path.iter().map(|hash| BASE64.encode(&hash.0)).collect();
            let root = BASE64.encode(&self.reader.root_at(old).expect("a root").0);
            json!({ "old": old, "root": root, "path": path })
        };
        let leaves = BTreeSet::from([0, size / 3, size / 2, (size * 7919 + 13) % size, size - 1]);
        let olds = BTreeSet::from([1, size.div_ceil(3), size.div_ceil(2), 1 << (size.ilog2()), size]);
        json!({
            "size": size,
            "receipts": leaves.into_iter().map(receipt).collect::<Vec<_>>(),
            "consistency": olds.into_iter().map(consistency).collect::<Vec<_>>(),
        })
    }
}

#[test]
fn go_accepts_receipts_consistency_proofs_and_tiles_of_every_size_up_to_1000_and_of_large_ones() {
    const LARGE: [u64; 8] = [1_023, 1_024, 1_025, 4_096, 65_535, 65_536, 65_537, 70_000];
    let Some(mut verifier) = Verifier::build() else { return };
    let ledger = Written::of(LARGE[7]);
    for size in (1..=1000).chain(LARGE) {
        ledger.write_tiles(size, &verifier.tiles());
        verifier.jobs.push(ledger.job(size));
    }
    verifier.accepts(&ledger.key);
}

#[test]
fn go_refuses_receipts_consistency_proofs_and_tiles_that_were_changed() {
    let Some(mut verifier) = Verifier::build() else { return };
    let ledger = Written::of(600);
    ledger.write_tiles(600, &verifier.tiles());
    let good = ledger.job(600);
    let zero = BASE64.encode(&[0; 32]);
    verifier.jobs = vec![good.clone()];
    verifier.accepts(&ledger.key);
    verifier.refuses(&Written::of(1).key.replace("prov-jabar", "prov-jateng"), "verifier");

    let mut bad = good.clone();
    let receipt = bad["receipts"][1].as_str().expect("a receipt");
    let hash = receipt.lines().nth(3).expect("a hash").to_owned();
    bad["receipts"][1] = receipt.replacen(&hash, &zero, 1).into();
    verifier.jobs = vec![bad];
    verifier.refuses(&ledger.key, "invalid transparency proof");
    let mut bad = good.clone();
    bad["consistency"][1]["path"][0] = zero.into();
    verifier.jobs = vec![bad];
    verifier.refuses(&ledger.key, "invalid transparency proof");

    verifier.jobs = vec![good];
    // Go's TileHashReader does not check every full tile against its parent. The proof in the receipt shows the difference.
    for (tile, reason) in [("tile/0/000", "tiles give another proof"), ("tile/entries/000", "another entry")] {
        let path = verifier.tiles().join(tile);
        let sound = std::fs::read(&path).expect("a tile");
        let mut damaged = sound.clone();
        damaged[2] ^= 1;
        std::fs::write(&path, damaged).expect("written");
        verifier.refuses(&ledger.key, reason);
        std::fs::write(&path, sound).expect("written");
    }
    verifier.accepts(&ledger.key);
}

/// Exports a node's ledger into a folder.
fn export(node: &Path, tiles: &Path) -> serde_json::Value {
    let said = run_on(node, &["ledger", "export", "--tiles", tiles.to_str().expect("a path"), "--output", "json"]);
    assert_eq!(said.code, 0, "{said:?}");
    serde_json::from_str(&said.out).expect("JSON")
}

/// Lodges a complaint at a node. Returns its receipt.
async fn receipt_of_new(node: &TestNode, folder: &Path, title: &str) -> String {
    let lodged = node.lodges(title).await;
    let said = run_on(folder, &["receipt", &lodged.complaint.to_string()]);
    assert_eq!(said.code, 0, "{said:?}");
    said.out
}

#[tokio::test]
async fn go_accepts_a_node_s_exported_tiles_and_its_receipts() {
    let Some(mut verifier) = Verifier::build() else { return };
    let mut federation = TestFederation::make(province_and_city());
    federation.start_node("prov-jabar").await;
    let folder = federation.folder_of("prov-jabar");
    let node = federation.node("prov-jabar").await;
    let key = verifier_key(&folder);
    for leaves in [1, 3, 260] {
        for number in node.status().await.ledger_size + 1..leaves {
            node.lodges(&format!("Laporan {number}")).await;
        }
        let receipt = receipt_of_new(&node, &folder, "Jalan berlubang").await;
        let exported = export(&folder, &verifier.tiles());
        assert_eq!(exported["checkpoint"]["size"], leaves, "{exported}");
        assert!(receipt.contains(&format!("{NAME}/prov-jabar/1\n{leaves}\n")), "{receipt}");
        verifier.jobs = vec![json!({ "size": leaves, "receipts": [receipt], "consistency": [] })];
        verifier.accepts(&key);
    }
    let again = export(&folder, &verifier.tiles());
    assert_eq!((&again["files_written"], &again["files_kept"]), (&0.into(), &0.into()), "nothing has grown");
}
