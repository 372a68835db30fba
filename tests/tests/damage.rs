//! Damage: a flipped bit or a cut file, anywhere in a node's data.
//!
//! Claims: the node finds the damage, and names the file, the place and what to do. Derived files are rebuilt. No acknowledged entry is
//! lost without a message. The ledger's unit tests show how the ledger handles damaged records; these tests show how the node does.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sinergi_cli::demo::node::NotUp;
use sinergi_config::Config;
use sinergi_daemon::node::rebuild;
use sinergi_daemon::rollback_guard;
use sinergi_proto::base::ids::ComplaintId;
use sinergi_proto::operator_api;
use sinergi_proto::transparency::rollback_guard::GuardState;
use sinergi_proto::wire;
use sinergi_tests::disk::crash::{self, Image};
use sinergi_tests::disk::reopen::{Reopened, judge_all, temp_folder};
use sinergi_tests::federation::{PATIENCE, TestFederation, complaint_about, ended_with_1, province_and_city};
use sinergi_tests::program::run_on;
use tokio::task::JoinSet;

const CITY: &str = "kota-bandung";
const PROVINCE: &str = "prov-jabar";
const SEALED: &str = "ledger/00000001.seg";
/// Bytes of a segment's header.
const HEADER_BYTES: usize = 80;

/// A stopped city with several segments and a store of several parts.
async fn city_with_work(complaints: usize) -> TestFederation {
    const CLIENTS: usize = 32;
    let mut federation = TestFederation::make(province_and_city());
    let file = federation.folder_of(CITY).join("sinergid.toml");
    let text = fs::read_to_string(&file).expect("a configuration");
    fs::write(&file, text.replace("# segment_mib = 64", "segment_mib = 1")).expect("written");
    for id in [PROVINCE, CITY] {
        federation.start_node(id).await;
    }
    federation.linked().await;
    let city = federation.node(CITY).await;
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let city = city.clone();
        clients.spawn(async move {
            for number in (client..complaints).step_by(CLIENTS) {
                let mut request = complaint_about(&format!("Laporan {number}"));
                if let Some(text) = request.text.as_mut().filter(|_| number % 40 == 0) {
                    text.body = "Jalan rusak. ".repeat(9000);
                }
                let reason = wire::ForwardReason::Competence.into();
                request.forward = Some(operator_api::Forward { to: PROVINCE.to_owned(), reason, answer_by: 0 });
                city.lodges_request(request).await.expect("lodged");
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.expect("a client ends");
    }
    city.has_an_empty_outbox().await;
    // sled makes a snapshot when it is opened.
    federation.stop_node(CITY).await;
    federation.start_node(CITY).await;
    for id in [PROVINCE, CITY] {
        federation.stop_node(id).await;
    }
    federation
}

/// A stopped node's folder, the contents of its store, and the path of the newest segment.
struct Kept {
    image: Image,
    store: String,
    newest: PathBuf,
}

/// The folder of a stopped city with 1000 complaints. It is made once for all tests.
fn kept() -> &'static Kept {
    static KEPT: OnceLock<Kept> = OnceLock::new();
    KEPT.get_or_init(|| {
        let make = || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            crash::read(&runtime.block_on(city_with_work(1000)).folder_of(CITY))
        };
        // On a thread of its own, because the caller may be in a runtime.
        let image = std::thread::spawn(make).join().expect("a node at work");
        let folder = temp_folder();
        crash::write(&image, folder.path());
        let store = Reopened::open(folder.path()).expect("a sound folder").store().expect("a sound store");
        let newest = image.keys().rfind(|path| is_segment(path)).expect("a segment").clone();
        assert_ne!(newest, Path::new(SEALED));
        Kept { image, store, newest }
    })
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "seg")
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    Flip(usize),
    Cut(usize),
}

/// A damaged folder.
#[derive(Debug)]
struct Case {
    path: PathBuf,
    damage: Damage,
}

impl Case {
    fn made(&self) -> tempfile::TempDir {
        let mut image = kept().image.clone();
        damage(&mut image, &self.path, self.damage);
        let folder = temp_folder();
        crash::write(&image, folder.path());
        let file = folder.path().join("sinergid.toml");
        let text = fs::read_to_string(&file).expect("a configuration");
        // The log of a node that is only opened would fill the output of these tests.
        fs::write(&file, text.replace("# filter = \"info\"", "filter = \"off\"")).expect("written");
        folder
    }
}

fn damage(image: &mut Image, path: &Path, damage: Damage) {
    let bytes = image.get_mut(path).expect("it is there").as_mut().expect("a file");
    match damage {
        Damage::Flip(offset) => bytes[offset] ^= 1 << (offset % 8),
        Damage::Cut(offset) => bytes.truncate(offset),
    }
}

/// Flips and cuts spread over a file, its beginning and its end included.
fn cases(path: &Path, count: usize) -> Vec<Case> {
    let length = kept().image[path].as_ref().expect("a file").len();
    // An odd step, so that the offsets are no multiples of the sizes of records and pages.
    let step = (length / count).max(1) | 1;
    let offsets = (0..length).step_by(step).chain([length - 1]);
    offsets
        .flat_map(|offset| [Damage::Flip(offset), Damage::Cut(offset)])
        .map(|damage| Case { path: path.to_owned(), damage })
        .collect()
}

fn all_hold(cases: &[Case], judge: impl Fn(&Case) -> Result<(), String> + Sync) {
    let wrong = judge_all(cases, |case| judge(case).map_err(|problem| format!("{case:?}: {problem}")));
    assert!(
        wrong.is_empty(),
        "{} of {} are wrong:\n{}",
        wrong.len(),
        cases.len(),
        wrong[..wrong.len().min(8)].join("\n")
    );
}

/// Asserts that the next start rebuilds the store, or that each reader of the damage gets an error that says to rebuild it. No wrong data
/// is ever read.
fn store_is_healed(case: &Case) -> Result<(), String> {
    let folder = case.made();
    let open = || Reopened::open(folder.path()).map_err(|error| format!("the node does not open: {error}"));
    let mut node = open()?;
    if let Err(error) = node.store() {
        let text = error.to_string();
        if !(error.is_damage() && text.contains("makes a new store of the ledger")) {
            return Err(text);
        }
        drop(node);
        let config = Config::load(folder.path()).expect("a configuration");
        rebuild(&config).map_err(|error| format!("it cannot be built anew: {error}"))?;
        node = open()?;
    }
    if node.store().map_err(|error| error.to_string())? != kept().store {
        return Err("the store has other contents".to_owned());
    }
    match node.findings() {
        findings if findings.is_empty() => Ok(()),
        findings => Err(format!("{findings:?}")),
    }
}

#[test]
fn a_store_that_is_damaged_anywhere_is_rebuilt_or_the_error_says_what_to_do() {
    let in_store = kept().image.iter().filter(|(path, bytes)| path.starts_with("store") && bytes.is_some());
    let all: Vec<Case> = in_store
        .flat_map(|(path, bytes)| {
            cases(path, if bytes.as_ref().is_some_and(|bytes| bytes.len() > 1000) { 12 } else { 5 })
        })
        .collect();
    all_hold(&all, store_is_healed);
}

#[test]
#[ignore = "slow: opens a node a thousand times"]
fn a_store_that_is_damaged_at_any_of_very_many_places_is_rebuilt_or_the_error_says_what_to_do() {
    let in_store = kept().image.iter().filter(|(path, bytes)| path.starts_with("store") && bytes.is_some());
    let all: Vec<Case> = in_store.flat_map(|(path, _)| cases(path, 400)).collect();
    all_hold(&all, store_is_healed);
}

#[test]
fn a_damaged_tree_or_position_is_healed_or_found_and_named_and_nothing_is_lost() {
    let all: Vec<Case> =
        ["ledger/hashes", "ledger/positions"].iter().flat_map(|name| cases(Path::new(name), 12)).collect();
    all_hold(&all, |case| {
        let folder = case.made();
        let node = Reopened::open(folder.path()).map_err(|error| format!("the node does not open: {error}"))?;
        if node.store().map_err(|error| error.to_string())? != kept().store {
            return Err("the store has other contents".to_owned());
        }
        let findings = node.findings();
        let named = |finding: &sinergi_daemon::storage::ledger::Finding| {
            finding.file == folder.path().join(&case.path) && finding.advice.contains("sinergid rebuild")
        };
        if !findings.iter().all(named) {
            return Err(format!("{findings:?}"));
        }
        match case.damage {
            Damage::Cut(_) if !findings.is_empty() => Err("a cut derived file is built anew at open".to_owned()),
            _ => Ok(()),
        }
    });
}

#[test]
fn a_flipped_bit_in_the_newest_segment_stops_the_node_with_file_offset_and_what_to_do() {
    let newest = &kept().newest;
    let flips = |case: &Case| matches!(case.damage, Damage::Flip(at) if at < end_of_acknowledged());
    let all: Vec<Case> = cases(newest, 40).into_iter().filter(flips).collect();
    assert!(all.len() > 30);
    all_hold(&all, |case| {
        let folder = case.made();
        let Damage::Flip(at) = case.damage else { return Err("no flip".to_owned()) };
        let mut expected = kept().image.clone();
        damage(&mut expected, &case.path, case.damage);
        // In half of the cases, only the segment itself can show the damage.
        for name in ["ledger/hashes", "ledger/positions"].iter().filter(|_| at % 2 == 0) {
            fs::remove_file(folder.path().join(name)).expect("a file");
            expected.insert(PathBuf::from(name), Some(Vec::new()));
        }
        let text = match Reopened::open(folder.path()) {
            Ok(node) => return Err(format!("the node opens, with {} leaves", node.data.ledger.size())),
            Err(error) => error.to_string(),
        };
        for word in [newest.to_str().expect("a name"), "put the file back from a backup or run `sinergi recover`"] {
            if !text.contains(word) {
                return Err(format!("{word:?} is missing in: {text}"));
            }
        }
        let named = text.split("offset ").nth(1).and_then(|rest| rest.split([':', ')', ';']).next()?.parse().ok());
        if named.is_none_or(|offset: usize| offset > at) {
            return Err(format!("not the place of the damage: {text}"));
        }
        let left = crash::read(folder.path());
        let is_ledger = |path: &&PathBuf| path.starts_with("ledger") && !path.ends_with("lock");
        match left.keys().filter(is_ledger).find(|path| left[*path] != expected[*path]) {
            Some(path) => Err(format!("{} was changed", path.display())),
            None => Ok(()),
        }
    });
}

#[test]
fn a_newest_segment_that_was_cut_anywhere_is_not_signed_over_and_its_rest_is_kept() {
    let cuts = |case: &Case| matches!(case.damage, Damage::Cut(at) if at < end_of_acknowledged());
    let all: Vec<Case> = cases(&kept().newest, 40).into_iter().filter(cuts).collect();
    assert!(all.len() > 30);
    all_hold(&all, |case| {
        let folder = case.made();
        let mut expected = kept().image.clone();
        damage(&mut expected, &case.path, case.damage);
        let opened = match Reopened::open(folder.path()) {
            Ok(node) if node.data.guard.state() == GuardState::SetBack => true,
            Ok(node) => return Err(format!("it may sign over {} leaves", node.data.ledger.size())),
            Err(error) if error.to_string().contains("sinergi recover") => false,
            Err(error) => return Err(format!("it does not say what to do: {error}")),
        };
        let (mut all, cut) = (crash::read(folder.path()), expected[&case.path].clone().expect("a file"));
        let left = all.remove(&case.path).flatten().ok_or("it is gone")?;
        // A cut group without leaves looks like a torn write. Its rest may be removed, because the store still knows that the group
        // existed.
        let last = group_heads().iter().copied().rfind(|head| *head <= cut.len()).unwrap_or(0);
        let is_left = left == cut || (opened && left.len() >= last && cut.starts_with(&left));
        if is_left { Ok(()) } else { Err("what is left of it was changed".to_owned()) }
    });
}

/// The offset of the last group in the newest segment. At an orderly end a node writes only its newest checkpoint there, which it has sent
/// to nobody.
fn end_of_acknowledged() -> usize {
    *group_heads().last().expect("a group")
}

/// The offsets of the groups in the newest segment.
fn group_heads() -> &'static [usize] {
    static HEADS: OnceLock<Vec<usize>> = OnceLock::new();
    HEADS.get_or_init(|| {
        let folder = temp_folder();
        crash::write(&kept().image, folder.path());
        let node = Reopened::open(folder.path()).expect("a sound folder");
        let reader = node.data.ledger.reader();
        let records = reader.records_from(reader.start()).map(|record| record.expect("a sound ledger"));
        let heads: Vec<_> = records.filter(|record| record.signed_size().is_some()).map(|head| head.position).collect();
        let newest = heads.last().expect("a group").segment;
        heads.iter().filter(|head| head.segment == newest).map(|head| head.offset as usize).collect()
    })
}

#[test]
fn a_damaged_sealed_segment_is_found_and_named_by_a_check() {
    let all = cases(Path::new(SEALED), 12);
    all_hold(&all, |case| {
        let folder = case.made();
        let at = match case.damage {
            Damage::Flip(offset) | Damage::Cut(offset) => offset,
        };
        let node = match Reopened::open(folder.path()) {
            Ok(node) => node,
            Err(error) if at < HEADER_BYTES => {
                let text = error.to_string();
                return if text.contains("00000001.seg") { Ok(()) } else { Err(text) };
            }
            Err(error) => return Err(format!("a sealed segment is not read at open: {error}")),
        };
        let findings = node.findings();
        let named = findings.first().is_some_and(|first| {
            first.file == folder.path().join(SEALED) && first.offset <= at as u64 && first.advice.contains("recover")
        });
        if named { Ok(()) } else { Err(format!("{findings:?}")) }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_a_running_node_names_each_damaged_record_and_ends_with_code_5() {
    let mut federation = city_with_work(200).await;
    federation.start_node(CITY).await;
    let folder = federation.folder_of(CITY);
    let sound = run_on(&folder, &["ledger", "verify"]);
    assert_eq!(sound.code, 0, "{sound:?}");
    let newest = crash::read(&folder).keys().rfind(|path| is_segment(path)).expect("a segment").clone();
    for path in [PathBuf::from(SEALED), newest.clone(), "ledger/hashes".into(), "ledger/positions".into()] {
        let file = folder.join(&path);
        let bytes = fs::read(&file).expect("the file");
        let mut damaged = bytes.clone();
        let at = bytes.len() / 2;
        damaged[at] ^= 4;
        fs::write(&file, damaged).expect("written");
        let said = run_on(&folder, &["--output", "json", "ledger", "verify"]);
        assert_eq!(said.code, 5, "{said:?}");
        let told: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
        let finding = &told["findings"][0];
        assert_eq!(finding["file"].as_str().map(Path::new), Some(file.as_path()), "{told}");
        assert!(finding["offset"].as_u64().is_some_and(|offset| offset <= at as u64), "{told}");
        let advice = finding["advice"].as_str().expect("advice");
        assert!(advice.contains(if is_segment(&path) { "recover" } else { "sinergid rebuild" }), "{told}");
        fs::write(&file, bytes).expect("written");
    }
    assert_eq!(run_on(&folder, &["ledger", "verify"]).code, 0, "everything is as it was");
    federation.stop_node(CITY).await;
    let stopped = run_on(&folder, &["ledger", "verify"]);
    assert_eq!(stopped.code, 3, "a stopped node cannot answer: {stopped:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_error_names_the_damage_and_the_remedy_and_a_repaired_node_goes_on() {
    let mut federation = city_with_work(200).await;
    let folder = federation.folder_of(CITY);
    let newest = folder.join(crash::read(&folder).keys().rfind(|path| is_segment(path)).expect("a segment"));
    let bytes = fs::read(&newest).expect("the file");
    let mut damaged = bytes.clone();
    damaged[HEADER_BYTES + 100] ^= 1;
    fs::write(&newest, damaged).expect("written");
    let said = federation.does_not_start(CITY).await;
    for word in
        [newest.to_str().expect("a path"), "is damaged at offset", "put the file back from a backup", "sinergi recover"]
    {
        assert!(said.contains(word), "{word:?} is missing in: {said}");
    }
    fs::write(&newest, bytes).expect("put back");

    // sled does not open a store with an unfinished snapshot.
    let stray = folder.join("store/snap.0000000000000000.generating");
    fs::write(&stray, b"half of it").expect("written");
    federation.start_node(CITY).await;
    assert!(!stray.exists() && !folder.join("store.damaged-1").exists());
    assert!(federation.log_of(CITY).contains("removed a snapshot that was never finished"));
    assert_eq!(federation.node(CITY).await.status().await.complaints, 200);
    federation.is_bounded_in_memory(CITY);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_of_the_store_that_a_reader_finds_stops_the_node_and_the_next_start_repairs_it() {
    let (mut federation, ids) = with_late_damage().await;
    let listed = run_on(&federation.folder_of(CITY), &["complaint", "list", "--limit", "5000"]);
    assert_eq!(listed.code, 1, "{listed:?}");
    assert!(listed.err.replace('\n', " ").contains("makes a new store of the ledger"), "{listed:?}");
    ends_and_is_whole_again(&mut federation, &ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_of_the_store_that_the_writer_finds_stops_the_node_and_the_next_start_repairs_it() {
    let (mut federation, ids) = with_late_damage().await;
    federation.start_node(PROVINCE).await;
    let province = federation.node(PROVINCE).await;
    // The city's writer is the first to read its store, when the province's acceptances arrive.
    for id in &ids {
        province.accepts(*id).await;
    }
    ends_and_is_whole_again(&mut federation, &ids).await;
}

/// The city runs with a damaged store. Opening the store does not show the damage, but reading all complaints does.
async fn with_late_damage() -> (TestFederation, Vec<ComplaintId>) {
    let mut federation = city_with_work(1000).await;
    let folder = federation.folder_of(CITY);
    let image = crash::read(&folder);
    let db = Path::new("store/db");
    let ids: Vec<ComplaintId> = {
        let place = temp_folder();
        crash::write(&image, place.path());
        let node = Reopened::open(place.path()).expect("a sound folder");
        node.data.derivation.store().complaints().map(|item| item.expect("a sound store").0).collect()
    };
    let bytes = image[db].clone().expect("a file");
    let shows_late = |offset: &usize| {
        let mut image = image.clone();
        damage(&mut image, db, Damage::Flip(*offset));
        let place = temp_folder();
        crash::write(&image, place.path());
        let node = Reopened::open(place.path()).expect("it opens");
        node.data.derivation.store().complaints().any(|item| item.is_err())
    };
    let offset = (0..bytes.len()).step_by(bytes.len() / 300 + 1).find(shows_late).expect("a place that is read late");
    let mut image = image.clone();
    damage(&mut image, db, Damage::Flip(offset));
    fs::write(folder.join(db), image[db].as_ref().expect("a file")).expect("written");
    federation.start_node(CITY).await;
    (federation, ids)
}

async fn ends_and_is_whole_again(federation: &mut TestFederation, ids: &[ComplaintId]) {
    let ended = tokio::time::timeout(PATIENCE, federation.process_mut(CITY).ended()).await;
    let ended = ended.unwrap_or_else(|_| panic!("the node goes on: {}", federation.log_of(CITY)));
    let said = ended_with_1(&ended);
    for word in ["moved the damaged store aside", "/store", "the store is damaged", "nothing acknowledged is lost"] {
        assert!(said.contains(word), "{word:?} is missing in: {said}");
    }
    federation.start_node(CITY).await;
    assert_eq!(federation.node(CITY).await.lists().await.len(), ids.len());
    assert!(federation.folder_of(CITY).join("store.damaged-1").exists(), "it is kept");
    federation.is_bounded_in_memory(CITY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_of_checkpoints_from_peers_keeps_the_node_from_starting_and_the_error_says_what_to_do() {
    let mut federation = TestFederation::start(province_and_city()).await;
    federation.node(CITY).await.lodges("Laporan").await;
    federation.stop_node(CITY).await;
    let folder = federation.folder_of(CITY);
    let kept = rollback_guard::file(&folder);
    for damaged in [&b""[..], b"[{\"by\":", b"\xff\x00"] {
        fs::write(&kept, damaged).expect("written");
        let said = federation.does_not_start(CITY).await;
        for word in ["set-back.json", "is damaged", "from a backup", "move it away", "show it again"] {
            assert!(said.contains(word), "{word:?} is missing in: {said}");
        }
        let recover = run_on(&folder, &["recover", "--yes"]);
        assert!(recover.code == 1 && recover.err.contains("move it away"), "{recover:?}");
        assert_eq!(fs::read(&kept).expect("the file"), damaged, "the file was changed");
    }
    fs::remove_file(&kept).expect("moved away");
    federation.start_node(CITY).await;
    assert_eq!(federation.node(CITY).await.lists().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newest_group_that_was_damaged_cut_off_or_removed_is_not_mistaken_for_a_torn_write() {
    let flipped = not_a_torn_write(|bytes, _| {
        let last = bytes.len() - 10;
        bytes[last] ^= 1;
    });
    let cut = not_a_torn_write(|bytes, _| bytes.truncate(bytes.len() - 10));
    let removed = not_a_torn_write(|bytes, group| bytes.truncate(group));
    let halved = not_a_torn_write(|bytes, group| bytes.truncate(group / 2));
    let emptied = not_a_torn_write(|bytes, _| bytes.clear());
    tokio::join!(flipped, cut, removed, halved, emptied);
}

/// Kills a node, damages its newest group, and starts it twice. The node must never sign over the leaves that are left.
async fn not_a_torn_write(damage: impl FnOnce(&mut Vec<u8>, usize)) {
    let mut federation = TestFederation::make(province_and_city());
    let file = federation.folder_of(CITY).join(SEALED);
    for id in [PROVINCE, CITY] {
        federation.start_node(id).await;
    }
    federation.linked().await;
    // From here on, no other node sees the city's ledger.
    federation.stop_node(PROVINCE).await;
    federation.node(CITY).await.lodges("Pertama").await;
    let newest_group = fs::read(&file).expect("the file").len();
    federation.node(CITY).await.lodges("Terakhir").await;
    federation.process_mut(CITY).kill().await;
    let mut bytes = fs::read(&file).expect("the file");
    damage(&mut bytes, newest_group);
    fs::write(&file, &bytes).expect("written");
    for _ in 0..2 {
        let node = federation.process_mut(CITY);
        node.start().expect("the program starts");
        let said = match node.up().await {
            Err(NotUp::Failed(failure)) => ended_with_1(&failure),
            Err(other) => panic!("{other:?}"),
            Ok(_) => {
                let refused = federation.node(CITY).await.lodges_request(complaint_about("Berikutnya")).await;
                let status = refused.expect_err("nothing is signed over a ledger that has lost what it had");
                federation.process_mut(CITY).kill().await;
                status.message().to_owned()
            }
        };
        assert!(said.contains("sinergi recover"), "{said}");
        assert_eq!(fs::read(&file).unwrap_or_default(), bytes, "the rest of the file is not changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_charter_or_key_keeps_the_node_from_starting_and_is_named() {
    let mut federation = TestFederation::make(province_and_city());
    let folder = federation.folder_of(CITY);
    for (name, named) in [
        ("charter/00000001.note", "charter/00000001.note"),
        ("keys/entry.pem", "entry"),
        ("keys/checkpoint.pem", "checkpoint"),
        ("keys/time.pem", "time"),
        ("keys/tls.key", "keys/tls.key"),
        ("keys/tls.crt", "keys/tls.crt"),
    ] {
        let file = folder.join(name);
        let bytes = fs::read(&file).expect("the file");
        for damage in [Damage::Flip(bytes.len() / 2), Damage::Flip(3), Damage::Cut(bytes.len() / 3), Damage::Cut(0)] {
            let mut damaged = bytes.clone();
            match damage {
                Damage::Flip(at) => damaged[at] ^= 1,
                Damage::Cut(at) => damaged.truncate(at),
            }
            fs::write(&file, damaged).expect("written");
            let said = federation.does_not_start(CITY).await;
            let said = said.rsplit("error: the node").next().expect("an error");
            assert!(said.contains(named), "{name} {damage:?}: {said}");
        }
        fs::write(&file, bytes).expect("put back");
    }
    federation.start_node(CITY).await;
}
