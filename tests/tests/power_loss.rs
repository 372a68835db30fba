//! Power loss. A node's file operations are recorded while it works. Then the node is opened on the possible contents of its disk after a power
//! failure at any moment.
//!
//! Claims about every such state: the node opens; everything that it acknowledged is there; its tree has the root of every checkpoint that it
//! showed; the ledger is sound; the store equals a rebuilt one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rustix::process::Signal;
use sha2::{Digest, Sha256};
use sinergi_cli::demo::wait;
use sinergi_proto::base::ids::ComplaintId;
use sinergi_proto::operator_api;
use sinergi_proto::operator_api::act_request::Act;
use sinergi_proto::receipt::ItemOutcome;
use sinergi_proto::transparency::rollback_guard::GuardState;
use sinergi_proto::wire::{self, frame::Kind};
use sinergi_tests::disk::crash::{self, Before, Image, Trace, Unsynced};
use sinergi_tests::disk::reopen::{Reopened, judge_all, temp_folder};
use sinergi_tests::disk::trace::{self, Operation};
use sinergi_tests::disk::{Disk, IO_ERROR, Op};
use sinergi_tests::federation::{NAME, PATIENCE, TestFederation, TestNode, complaint_about, province_and_city};
use sinergi_tests::folder;
use sinergi_tests::process_table::send;
use sinergi_tests::program::{run_on, said, sinergi, sinergid};
use sinergi_tests::stage::Stage;
use tokio::task::JoinSet;
use tokio::time::Instant;

const CITY: &str = "kota-bandung";
const PROVINCE: &str = "prov-jabar";
/// The number of calls at a time.
const CLIENTS: usize = 4;
/// A text that is destroyed while the node is recorded.
const SECRET: &str = "Nomor rekam medis 4711-0815";

/// The record of a node's life: its disk operations, and its answers.
struct Life {
    agency: &'static str,
    trace: Trace,
    /// The content of the folder at the end.
    left: Image,
    seen: Seen,
    /// The content of a rebuilt store, by the content of the segments.
    rebuilt: Mutex<HashMap<Vec<u8>, String>>,
    /// Moments when a segment had bytes that were written and not synced.
    within_groups: Vec<u64>,
    /// The erasures in segments.
    erased: Vec<Erased>,
}

/// A write of an erasure in a segment: zeros over a text, or the checksum of those zeros, which is the mark of the erasure.
#[derive(Debug)]
struct Erased {
    bytes: usize,
    /// Whether the next operation on the file was a sync that succeeded.
    was_synced: bool,
}

/// The size of a checksum in bytes.
const MARK: usize = 4;

impl Erased {
    /// All erasures among the operations of a life. Other writes within a segment, which a start may repeat, are longer and not zero.
    fn of(operations: &[Operation]) -> Vec<Self> {
        let mut ends: HashMap<u64, u64> = HashMap::new();
        let mut erased = Vec::new();
        for (number, operation) in operations.iter().enumerate().filter(|(_, operation)| is_segment(&operation.path)) {
            let end = ends.entry(operation.inode).or_default();
            let bytes = operation.data.len();
            match operation.op {
                Op::Truncate => *end = operation.offset,
                Op::Write if operation.offset >= *end => *end = operation.offset + bytes as u64,
                Op::Write if bytes == MARK || operation.data.iter().all(|byte| *byte == 0) => {
                    let later = operations[number + 1..].iter().filter(|next| next.inode == operation.inode);
                    let changes = later.filter(|next| !matches!(next.op, Op::Open | Op::Read));
                    let next_two: Vec<_> = changes.take(2).map(|next| (next.op, next.error)).collect();
                    let was_synced = next_two == [(Op::Sync, 0), (Op::Synced, 0)];
                    erased.push(Self { bytes, was_synced });
                }
                _ => {}
            }
        }
        erased
    }
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "seg")
}

impl Life {
    /// The content of a store that is built from the ledger in this node's folder. Ledgers with equal segments are built once.
    fn rebuilt(&self, folder: &Path, build: impl FnOnce() -> Result<String, String>) -> Result<String, String> {
        let segments: Vec<Vec<u8>> = crash::read(folder)
            .into_iter()
            .filter(|(path, _)| is_segment(path))
            .filter_map(|(_, bytes)| bytes)
            .collect();
        let name = Sha256::digest(segments.concat()).to_vec();
        let known = self.rebuilt.lock().get(&name).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let built = build()?;
        self.rebuilt.lock().insert(name, built.clone());
        Ok(built)
    }
}

/// Everything that a node has shown to others, each with the latest moment at which the node can have shown it.
#[derive(Clone, Default)]
struct Seen {
    /// Complaints, each with the number of its acknowledged entries.
    acknowledged: Vec<(u64, ComplaintId, u64)>,
    /// Sizes and roots of checkpoints.
    checkpoints: Vec<(u64, u64, String)>,
    /// The numbers of refused items that the node showed.
    refused: Vec<(u64, usize)>,
    /// Texts that the node showed as erased.
    destroyed: Vec<(u64, &'static str)>,
    /// The charter versions that it showed as adopted.
    charters: Vec<(u64, u64)>,
}

impl Seen {
    /// The moments at which the node has shown decisions.
    fn decisions(&self) -> impl Iterator<Item = u64> {
        let refused = self.refused.iter().map(|(at, _)| *at);
        let destroyed = self.destroyed.iter().map(|(at, _)| *at);
        refused.chain(destroyed).chain(self.charters.iter().map(|(at, _)| *at))
    }

    /// Everything that was shown up to `moment`, with the moment 0.
    fn until(&self, moment: u64) -> Self {
        fn told<T: Clone>(all: &[T], moment: u64, at: impl Fn(&mut T) -> &mut u64) -> Vec<T> {
            let mut all = all.to_vec();
            all.retain_mut(|told| std::mem::take(at(told)) <= moment);
            all
        }
        Self {
            acknowledged: told(&self.acknowledged, moment, |(at, ..)| at),
            checkpoints: told(&self.checkpoints, moment, |(at, ..)| at),
            refused: told(&self.refused, moment, |(at, ..)| at),
            destroyed: told(&self.destroyed, moment, |(at, ..)| at),
            charters: told(&self.charters, moment, |(at, ..)| at),
        }
    }
}

/// A node that is being recorded.
#[derive(Clone)]
struct Watched {
    disk: Arc<Disk>,
    seen: Arc<Mutex<Seen>>,
}

impl Watched {
    fn node(federation: &mut TestFederation, id: &str) -> (Self, Before) {
        let folder = federation.folder_of(id);
        // Segments of a mebibyte, so that some are sealed.
        let file = folder.join("sinergid.toml");
        let text = std::fs::read_to_string(&file).expect("a configuration");
        let smaller = text.replace("# segment_mib = 64", "segment_mib = 1");
        assert_ne!(smaller, text);
        std::fs::write(&file, smaller).expect("written");
        let disk = Disk::recorded_below(&folder);
        federation.process_mut(id).set_environment(disk.environment());
        let before = Before::of(&folder);
        (Self { disk: Arc::new(disk), seen: Arc::default() }, before)
    }

    fn acknowledged(&self, complaint: ComplaintId, entries: u64) {
        self.tells(|seen, at| seen.acknowledged.push((at, complaint, entries)));
    }

    /// Records that the node has shown something. The current moment is the latest possible.
    fn tells(&self, told: impl FnOnce(&mut Seen, u64)) {
        let at = self.disk.now();
        told(&mut self.seen.lock(), at);
    }

    async fn shows_its_checkpoint(&self, node: &TestNode) -> u64 {
        let reply = node.api.clone().get_checkpoint(operator_api::GetCheckpointRequest {}).await;
        // A node that was killed meanwhile has shown no checkpoint.
        let Ok(reply) = reply else { return 0 };
        let at = self.disk.now();
        let note = String::from_utf8(reply.into_inner().note).expect("a note is text");
        let mut lines = note.lines().skip(1);
        let size = lines.next().and_then(|size| size.parse().ok()).expect("a size");
        let root = lines.next().expect("a root").to_owned();
        self.seen.lock().checkpoints.push((at, size, root));
        size
    }

    fn life(self, agency: &'static str, before: Before) -> Life {
        let operations = trace::read(&self.disk);
        let is_written = |operation: &&Operation| operation.op == Op::Write && is_segment(&operation.path);
        let within_groups = operations.iter().filter(is_written).map(|operation| operation.at).collect();
        let left = crash::read(self.disk.root());
        let seen = self.seen.lock().clone();
        let trace = before.then(self.disk.root(), &operations);
        let erased = Erased::of(&operations);
        Life { agency, trace, left, seen, rebuilt: Mutex::default(), within_groups, erased }
    }
}

/// Lodges and forwards `count` complaints with some clients at once. At most twenty of them are long. Ends when the node ends.
async fn lodge_and_forward(city: &TestNode, watched: &Watched, round: usize, count: usize) {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (city, watched) = (city.clone(), watched.clone());
        clients.spawn(async move {
            for number in (client..count).step_by(CLIENTS) {
                let mut request = complaint_about(&format!("Laporan {round}/{number}"));
                if let Some(text) = request.text.as_mut().filter(|_| number % 3 == 0 && number < 60) {
                    text.body = "Jalan rusak. ".repeat(5000);
                }
                request.forward = Some(operator_api::Forward {
                    to: PROVINCE.to_owned(),
                    reason: wire::ForwardReason::Competence.into(),
                    answer_by: 0,
                });
                let Ok(lodged) = city.lodges_request(request).await else { return };
                watched.acknowledged(lodged.complaint, 2);
                watched.shows_its_checkpoint(&city).await;
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.expect("a client ends");
    }
}

/// Waits until a node has ended by itself, and starts it again.
async fn starts_again(federation: &mut TestFederation, id: &str) {
    let ended = wait::until(PATIENCE, async || Ok::<_, ()>((!federation.process_mut(id).is_running()).then_some(())));
    assert_eq!(ended.await, Ok(Some(())), "{id} should have ended");
    federation.start_node(id).await;
}

/// The rarer decisions of a node: it refuses an entry, destroys a text on two signatures, and adopts a charter.
async fn decide(stage: &mut Stage, city: &Watched, province: &Watched) {
    let (city_node, province_node) = (stage.federation.node(CITY).await, stage.federation.node(PROVINCE).await);
    let bad = stage.impostor.lodge_under_an_unknown_key();
    let honest = stage.impostor.lodge("Laporan jujur");
    let mut link = stage.link().await;
    let receipt = link.deliver(2, vec![bad.item, honest.item]).await;
    assert!(matches!(receipt.results[0].outcome, ItemOutcome::Refused(_)), "{receipt:?}");
    city.tells(|seen, at| seen.refused.push((at, 1)));
    city.acknowledged(honest.complaint, 1);

    let mut request = complaint_about("Data pribadi");
    request.text.as_mut().expect("a text").body = SECRET.to_owned();
    let lodged = city_node.lodges_request(request).await.expect("lodged").complaint;
    city.acknowledged(lodged, 1);
    city_node.forwards(lodged, PROVINCE).await;
    province_node.accepts(lodged).await;
    city_node.sees(lodged, |seen| seen.holder == PROVINCE).await;
    let erase =
        Act::Erase(operator_api::Erase { ground: wire::EraseGround::SubjectRequest.into(), entries: Vec::new() });
    city_node.acts(lodged, erase, None).await.expect("the intake agency proposes");
    city.acknowledged(lodged, 4);
    province_node.sees(lodged, |seen| seen.entries == 4).await;
    let approved = province_node.acts(lodged, Act::Approve(operator_api::Approve::default()), None).await;
    approved.expect("the supervisor approves");
    province.tells(|seen, at| seen.destroyed.push((at, SECRET)));
    province.acknowledged(lodged, 5);
    province_node.has_an_empty_outbox().await;
    city.tells(|seen, at| seen.destroyed.push((at, SECRET)));
    city.acknowledged(lodged, 5);

    let note = stage.federation.next_charter(|text| text.grace_days = 60);
    link.say(Kind::Charter(wire::CharterNote { note })).await;
    for (node, watched) in [(&city_node, city), (&province_node, province)] {
        node.sees_status(|status| status.charter_version == 2).await;
        watched.tells(|seen, at| seen.charters.push((at, 2)));
    }
    // Nodes renew their links under the new charter.
    let after = city_node.lodges("Di bawah piagam baru").await.complaint;
    city_node.forwards(after, PROVINCE).await;
    city.acknowledged(after, 2);
    city_node.has_an_empty_outbox().await;
    province.acknowledged(after, 2);
}

/// Records a city and its province at work: complaints, answers, sealed segments, a clean restart, a kill within a group, a failed sync, and the
/// rarer decisions. `times` multiplies the work.
async fn live(times: usize) -> [Life; 2] {
    let mut stage = Stage::make();
    let federation = &mut stage.federation;
    let (city, city_before) = Watched::node(federation, CITY);
    let (province, province_before) = Watched::node(federation, PROVINCE);
    for id in [PROVINCE, CITY] {
        federation.start_node(id).await;
    }
    federation.node(CITY).await.sees_peer(PROVINCE, |peer| peer.state == "linked").await;

    lodge_and_forward(&federation.node(CITY).await, &city, 0, 24 * times).await;
    federation.stop_node(CITY).await;
    federation.start_node(CITY).await;
    lodge_and_forward(&federation.node(CITY).await, &city, 1, 16 * times).await;

    let kill = city.disk.on(&[Op::Sync], ".seg").after(4).kills();
    lodge_and_forward(&federation.node(CITY).await, &city, 2, 1000).await;
    kill.ends();
    starts_again(federation, CITY).await;
    let size = city.shows_its_checkpoint(&federation.node(CITY).await).await;
    assert!(size > 0, "the node must sign a checkpoint over entries that only the page cache had");

    let failure = city.disk.on(&[Op::Sync], ".seg").after(6).once().fails(IO_ERROR);
    lodge_and_forward(&federation.node(CITY).await, &city, 3, 1000).await;
    failure.ends();
    starts_again(federation, CITY).await;
    assert!(city.shows_its_checkpoint(&federation.node(CITY).await).await > size);
    lodge_and_forward(&federation.node(CITY).await, &city, 4, 24 * times).await;

    // The province has acknowledged every entry for which the city has its receipt.
    let (city_node, province_node) = (federation.node(CITY).await, federation.node(PROVINCE).await);
    city_node.has_an_empty_outbox().await;
    for row in city_node.lists().await {
        province.acknowledged(ComplaintId::from_slice(&row.complaint).expect("an id"), row.entries);
    }
    for row in province_node.lists().await.into_iter().take(12) {
        let complaint = ComplaintId::from_slice(&row.complaint).expect("an id");
        province_node.accepts(complaint).await;
        province.acknowledged(complaint, 3);
        province.shows_its_checkpoint(&province_node).await;
    }
    province_node.has_an_empty_outbox().await;
    for (_, complaint, entries) in province.seen.lock().acknowledged.clone() {
        city.acknowledged(complaint, entries);
    }
    decide(&mut stage, &city, &province).await;
    city.shows_its_checkpoint(&city_node).await;
    for id in [PROVINCE, CITY] {
        stage.federation.stop_node(id).await;
    }
    [city.life(CITY, city_before), province.life(PROVINCE, province_before)]
}

/// The lives of city and province, recorded on a thread that lives as long as the nodes.
fn recorded(times: usize) -> [Life; 2] {
    let recorded = std::thread::spawn(move || tokio::runtime::Runtime::new().expect("a runtime").block_on(live(times)));
    recorded.join().expect("the nodes do their work")
}

/// Short lives, recorded once for all tests.
fn lives() -> &'static [Life; 2] {
    static LIVES: OnceLock<[Life; 2]> = OnceLock::new();
    LIVES.get_or_init(|| recorded(1))
}

/// Judges one state. The error names the problem.
fn judge(life: &Life, moment: u64, unsynced: Unsynced) -> Result<(), String> {
    let folder = temp_folder();
    crash::write(&life.trace.state(moment, unsynced), folder.path());
    // Checked before the node is started, because nobody may ever read the text again.
    for (_, text) in life.seen.destroyed.iter().filter(|(at, _)| *at <= moment) {
        let found = folder::files_with(folder.path(), text.as_bytes());
        if !found.is_empty() {
            return Err(format!("{text:?} was destroyed and is in {found:?}"));
        }
    }
    let node = Reopened::open(folder.path()).map_err(|error| format!("the node does not open: {error:?}"))?;
    let reader = node.data.ledger.reader();
    for (_, size, root) in life.seen.checkpoints.iter().filter(|(at, ..)| *at <= moment) {
        let found = if *size > reader.size() {
            "nothing".to_owned()
        } else {
            reader.root_at(*size).expect("a root").to_string()
        };
        if found != *root {
            return Err(format!(
                "a checkpoint of size {size} was given out, the ledger has {} leaves, root {found}",
                reader.size()
            ));
        }
        // The size is recorded with the next group, so that no leaf below it is ever mistaken for a torn write.
        let recorded = node.data.ledger.signed_size();
        if reader.size() > *size && recorded < *size {
            return Err(format!(
                "a checkpoint of size {size} was given out and leaves followed it, {recorded} is recorded"
            ));
        }
    }
    for (_, complaint, entries) in life.seen.acknowledged.iter().filter(|(at, ..)| *at <= moment) {
        let here = node.data.derivation.store().timeline(complaint).expect("a timeline").len();
        if (here as u64) < *entries {
            return Err(format!("{complaint}: {entries} entries were acknowledged, {here} are here"));
        }
    }
    let refused = node.data.derivation.store().refused().count();
    for (_, expected) in life.seen.refused.iter().filter(|(at, _)| *at <= moment) {
        if refused < *expected {
            return Err(format!("{expected} items were refused, {refused} are listed"));
        }
    }
    for (_, version) in life.seen.charters.iter().filter(|(at, _)| *at <= moment) {
        let newest = node.charter_version();
        if newest < *version {
            return Err(format!("charter version {version} was adopted, the newest is {newest}"));
        }
    }
    if node.data.guard.state() == GuardState::SetBack {
        return Err("a power failure is mistaken for a ledger that was set back".to_owned());
    }
    let findings = node.findings();
    if !findings.is_empty() {
        return Err(format!("the ledger is not sound: {findings:?}"));
    }

    let rebuilt = || node.rebuilt_store().map_err(|error| format!("the store cannot be built anew: {error}"));
    let found = node.store().map_err(|error| error.to_string())?;
    let expected = life.rebuilt(folder.path(), rebuilt)?;
    if found != expected {
        let differ = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
        let lines = (found.lines().count(), expected.lines().count());
        return Err(format!("the store is not the one that a rebuild gives: {lines:?} lines, {differ:?}"));
    }
    Ok(())
}

/// Judges these states on all processors. Fails with the first few wrong ones, each with the arguments that repeat it.
fn all_hold(life: &Life, states: &[(u64, Unsynced)]) {
    let wrong = judge_all(states, |(moment, unsynced)| {
        let open = life.trace.unsynced_at(*moment);
        let named = |problem| {
            format!("{}: power lost at {moment}, {open} changes not synced, {unsynced:?}: {problem}", life.agency)
        };
        catch_unwind(AssertUnwindSafe(|| judge(life, *moment, *unsynced)))
            .unwrap_or_else(|_| Err("it panics (see above)".to_owned()))
            .map_err(named)
    });
    assert!(
        wrong.is_empty(),
        "{} of {} states are wrong:\n{}",
        wrong.len(),
        states.len(),
        wrong[..wrong.len().min(8)].join("\n")
    );
}

/// Every `step`th moment of a life, and the few moments at which a decision was shown.
fn every(life: &Life, step: usize) -> impl Iterator<Item = u64> {
    life.trace.moments().iter().copied().step_by(step).chain(life.seen.decisions())
}

#[test]
fn replaying_the_recorded_operations_gives_the_folder_that_the_node_left() {
    for life in lives() {
        let told = life.trace.state(u64::MAX, Unsynced::Kept);
        let names = |image: &Image| image.keys().cloned().collect::<BTreeSet<PathBuf>>();
        assert_eq!(names(&told), names(&life.left));
        let differ: BTreeMap<_, _> = told.iter().filter(|(path, bytes)| life.left[*path] != **bytes).collect();
        assert!(differ.is_empty(), "{}: {:?} differ", life.agency, differ.keys());
        let segments = told.keys().filter(|path| is_segment(path)).count();
        assert!(segments > 1, "no segment was sealed");
    }
}

#[test]
fn a_destroyed_text_and_its_mark_are_synced_before_the_next_change_to_the_file() {
    for life in lives() {
        let Life { agency, erased, .. } = life;
        let is_marked_first = |pair: &[Erased]| matches!(pair, [mark, text] if mark.bytes == MARK && text.bytes > MARK);
        assert!(erased.iter().any(|erased| erased.bytes >= SECRET.len()), "{agency}: {erased:?}");
        assert!(erased.chunks(2).all(is_marked_first), "{agency}: {erased:?}");
        let unsynced: Vec<_> = erased.iter().filter(|erased| !erased.was_synced).collect();
        assert!(unsynced.is_empty(), "{agency}: {unsynced:?}");
    }
}

#[test]
fn a_node_opens_whole_after_a_power_failure_that_kept_or_lost_all_unsynced_changes() {
    for (life, step) in lives().iter().zip([8, 16]) {
        let states: Vec<_> =
            every(life, step).flat_map(|moment| [(moment, Unsynced::Kept), (moment, Unsynced::Lost)]).collect();
        all_hold(life, &states);
    }
}

#[test]
fn a_node_opens_whole_after_a_power_failure_that_tore_and_reordered_unsynced_changes() {
    for (life, step) in lives().iter().zip([8, 16]) {
        let states: Vec<_> =
            every(life, step).enumerate().map(|(nth, moment)| (moment, Unsynced::Seed(nth as u64))).collect();
        all_hold(life, &states);
    }
}

#[test]
#[ignore = "slow: opens a node some ten thousand times"]
fn a_node_opens_whole_after_a_power_failure_at_every_moment_and_in_many_orders() {
    const SEEDS: u64 = 8;
    for life in lives() {
        let states = every(life, 1).enumerate().flat_map(|(nth, moment)| {
            let seeds = (0..SEEDS).map(move |seed| Unsynced::Seed(nth as u64 * SEEDS + seed));
            [Unsynced::Kept, Unsynced::Lost].into_iter().chain(seeds).map(move |unsynced| (moment, unsynced))
        });
        all_hold(life, &states.collect::<Vec<_>>());
    }
}

#[test]
#[ignore = "slow: opens a node with thousands of complaints a thousand times"]
fn a_node_with_a_large_store_opens_whole_after_a_power_failure() {
    for life in &recorded(60) {
        let step = life.trace.moments().len().div_ceil(170);
        let states = every(life, step).enumerate().flat_map(|(nth, moment)| {
            [Unsynced::Kept, Unsynced::Lost, Unsynced::Seed(nth as u64)].map(|unsynced| (moment, unsynced))
        });
        all_hold(life, &states.collect::<Vec<_>>());
    }
}

/// A node's process in a folder outside of a federation. Dropping it kills the process.
struct Daemon(std::process::Child);

impl Daemon {
    /// Starts it and waits until it answers.
    fn starts(folder: &Path, environment: Vec<(String, OsString)>) -> Self {
        let log = || File::options().create(true).append(true).open(folder.join("sinergid.log")).expect("a log");
        let mut command = Command::new(sinergid());
        command.arg("--node").arg(folder).envs(environment).stdout(log()).stderr(log());
        let mut daemon = Self(command.spawn().expect("the program starts"));
        let until = Instant::now() + PATIENCE;
        while run_on(folder, &["status"]).code != 0 {
            let log = || std::fs::read_to_string(folder.join("sinergid.log")).unwrap_or_default();
            assert!(daemon.0.try_wait().expect("a child").is_none(), "it ended: {}", log());
            assert!(Instant::now() < until, "it does not answer: {}", log());
        }
        daemon
    }

    fn stops(mut self) {
        send(self.0.id(), Signal::TERM);
        assert!(self.0.wait().expect("a child").success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Removes the listen address, because another process may use the port by now.
fn listens_nowhere(folder: &Path) {
    let file = folder.join("sinergid.toml");
    let text = std::fs::read_to_string(&file).expect("a configuration");
    std::fs::write(&file, text.replace("\nlisten = ", "\n# listen = ")).expect("written");
}

/// One in `one_in` of the moments when a group was partly or completely written, and not synced.
fn moments_within_groups(life: &Life, one_in: usize) -> Vec<u64> {
    life.within_groups.iter().copied().step_by(one_in).collect()
}

#[test]
fn the_real_program_starts_after_a_power_failure_and_shows_everything_it_had_acknowledged() {
    let life = &lives()[0];
    let moments = moments_within_groups(life, life.within_groups.len().div_ceil(4));
    for (seed, moment) in (0..).zip(moments) {
        let folder = temp_folder();
        crash::write(&life.trace.state(moment, Unsynced::Seed(seed)), folder.path());
        listens_nowhere(folder.path());
        let daemon = Daemon::starts(folder.path(), Vec::new());
        let listed = run_on(folder.path(), &["--output", "json", "complaint", "list", "--limit", "10000"]);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&listed.out).expect("JSON");
        let here: BTreeSet<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
        for (_, complaint, _) in life.seen.acknowledged.iter().filter(|(at, ..)| *at <= moment) {
            assert!(here.contains(complaint.to_string().as_str()), "{complaint} is missing at {moment}, seed {seed}");
        }
        assert_eq!(run_on(folder.path(), &["ledger", "verify"]).code, 0);
        daemon.stops();
    }
}

#[test]
fn a_power_failure_while_a_node_recovers_from_a_power_failure_loses_nothing_either() {
    let life = &lives()[0];
    let moments = moments_within_groups(life, life.within_groups.len().div_ceil(3));
    for (seed, moment) in (100..).zip(moments) {
        let folder = temp_folder();
        crash::write(&life.trace.state(moment, Unsynced::Seed(seed)), folder.path());
        listens_nowhere(folder.path());
        let disk = Disk::recorded_below(folder.path());
        let before = Before::of(folder.path());
        Daemon::starts(folder.path(), disk.environment()).stops();
        let trace = before.then(disk.root(), &trace::read(&disk));
        // The restarted node has acknowledged nothing new.
        let seen = life.seen.until(moment);
        let left = crash::read(folder.path());
        let again = Life {
            trace,
            left,
            seen,
            rebuilt: Mutex::default(),
            within_groups: Vec::new(),
            erased: Vec::new(),
            agency: life.agency,
        };
        let states =
            again.trace.moments().iter().enumerate().flat_map(|(nth, moment)| {
                [Unsynced::Lost, Unsynced::Seed(nth as u64)].map(|unsynced| (*moment, unsynced))
            });
        all_hold(&again, &states.collect::<Vec<_>>());
    }
}

#[test]
fn a_new_node_folder_is_whole_after_a_power_failure() {
    let place = temp_folder();
    let disk = Disk::recorded_below(place.path());
    let before = Before::of(place.path());
    let folder = place.path().join("nodes/city");
    let mut init = Command::new(sinergi());
    init.envs(disk.environment()).arg("--node").arg(&folder);
    init.args(["init", "--agency", CITY, "--federation", NAME, "--kind", "city", "--name", "Kota Bandung"]);
    let made = said(&mut init);
    assert_eq!(made.code, 0, "{}", made.err);
    let trace = before.then(disk.root(), &trace::read(&disk));
    let (told, left) = (trace.state(u64::MAX, Unsynced::Lost), crash::read(place.path()));
    let missing: Vec<_> = left.keys().filter(|path| told.get(*path) != left.get(*path)).collect();
    assert!(missing.is_empty(), "`sinergi init` reported success, and these files are not on the disk: {missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_that_the_first_start_made_is_there_after_a_power_failure() {
    let mut federation = TestFederation::make(province_and_city());
    let folder = federation.folder_of(CITY);
    let file = folder.join("sinergid.toml");
    let mut text = std::fs::read_to_string(&file).expect("a configuration");
    for (name, path) in [
        ("directory", "charter"),
        ("entry", "keys/entry.pem"),
        ("checkpoint", "keys/checkpoint.pem"),
        ("time", "keys/time.pem"),
        ("certificate", "keys/tls.crt"),
        ("key", "keys/tls.key"),
        ("socket", "sinergid.sock"),
    ] {
        let line = format!("# {name} = \"{path}\"");
        assert!(text.contains(&line), "{line} is missing in {text}");
        text = text.replace(&line, &format!("{name} = \"{}\"", folder.join(path).display()));
    }
    std::fs::write(&file, format!("data = \"var/lib\"\n{text}")).expect("written");
    let disk = Disk::recorded_below(&folder);
    federation.process_mut(CITY).set_environment(disk.environment());
    let before = Before::of(&folder);
    federation.start_node(PROVINCE).await;
    federation.start_node(CITY).await;
    let lodged = federation.node(CITY).await.lodges("Pertama").await;
    let acknowledged = disk.now();
    federation.stop_node(CITY).await;

    let trace = before.then(disk.root(), &trace::read(&disk));
    let place = temp_folder();
    crash::write(&trace.state(acknowledged, Unsynced::Lost), place.path());
    assert!(place.path().join("var/lib/ledger").is_dir(), "the ledger has lost its name");
    let node = Reopened::open(place.path()).expect("it opens");
    assert!(node.data.derivation.store().summary(&lodged.complaint).expect("a store").is_some(), "it was acknowledged");
}
