//! A ledger that was set back or lost. The node notices that before it signs, and recovers with the entries that its peers hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sinergi_cli::commands::init::Kind;
use sinergi_cli::demo::federation::Agency;
use sinergi_cli::demo::wait;
use sinergi_config::defaults::FILE;
use sinergi_daemon::rollback_guard;
use sinergi_proto::base::ids::{ComplaintId, EntryId, Epoch};
use sinergi_proto::base::refusal::{DeferralCode, FaultCode};
use sinergi_proto::entry::CharterName;
use sinergi_proto::operator_api;
use sinergi_proto::operator_api::NodeStatus;
use sinergi_proto::operator_api::act_request::Act;
use sinergi_proto::receipt::ItemOutcome;
use sinergi_proto::tlog::checkpoint::CheckpointSigner;
use sinergi_proto::wire;
use sinergi_tests::disk::{Disk, NO_SPACE, Op};
use sinergi_tests::federation::{
    Lodged, PATIENCE, TestFederation, TestNode, agency, complaint_about, province_and_city,
};
use sinergi_tests::folder;
use sinergi_tests::peer::Impostor;
use sinergi_tests::program::{Said, run_on};
use sinergi_tests::stage::Stage;
use tonic::{Code, Status};

const LODGE: [&str; 8] = ["complaint", "lodge", "--category", "road", "--title", "Baru", "--text", "rusak"];

/// A ministry, a province under it, and a city under the province. The city has no link to the ministry.
fn chain() -> TestFederation {
    let agencies = vec![
        Agency::new(agency("kemendagri"), Kind::Ministry),
        Agency::new(agency("prov-jabar"), Kind::Province).under(agency("kemendagri")),
        Agency::new(agency("kota-bandung"), Kind::City).under(agency("prov-jabar")),
    ];
    TestFederation::make_with_links(agencies, &[("prov-jabar", "kemendagri"), ("kota-bandung", "prov-jabar")])
}

async fn start_all(federation: &mut TestFederation, ids: &[&str]) {
    for id in ids {
        federation.start_node(id).await;
    }
    federation.linked().await;
}

/// The parts of a node's folder that belong to its ledger.
const DATA: [&str; 2] = ["ledger", "store"];

/// The ledger's mark, in the node's folder and in a copy.
const MARK: [&str; 2] = ["keys/ledger-mark", "ledger-mark"];

/// Copies a stopped node's data with the mark, and returns the path of the copy.
fn copy_of(federation: &TestFederation, id: &str) -> PathBuf {
    let to = federation.folder().join(format!("copy-of-{id}"));
    for part in DATA {
        folder::copy(&federation.folder_of(id).join(part), &to.join(part));
    }
    fs::copy(federation.folder_of(id).join(MARK[0]), to.join(MARK[1])).expect("the mark");
    to
}

/// Replaces a stopped node's data by a copy. The mark comes back with it, so only peers can tell that the ledger is old.
fn restore(federation: &TestFederation, id: &str, copy: &Path) {
    fs::copy(copy.join(MARK[1]), federation.folder_of(id).join(MARK[0])).expect("the mark");
    restore_but_the_mark(federation, id, copy);
}

/// Replaces a stopped node's data by a copy. The mark stays, because it is where the backup does not reach.
fn restore_but_the_mark(federation: &TestFederation, id: &str, copy: &Path) {
    let folder = federation.folder_of(id);
    for part in DATA {
        fs::remove_dir_all(folder.join(part)).expect("the node's data");
        folder::copy(&copy.join(part), &folder.join(part));
    }
}

/// Loses the whole folder of a stopped node, with the mark. The new folder has only the files that an operator keeps elsewhere: keys, configuration,
/// the first charter.
fn lose(federation: &TestFederation, id: &str) {
    let folder = federation.folder_of(id);
    let lost = federation.folder().join(format!("lost-{id}"));
    fs::rename(&folder, &lost).expect("the node's folder");
    fs::create_dir_all(folder.join("charter")).expect("a new folder");
    folder::copy(&lost.join("keys"), &folder.join("keys"));
    fs::remove_file(folder.join(MARK[0])).expect("the mark");
    for file in [FILE, "charter/00000001.note"] {
        fs::copy(lost.join(file), folder.join(file)).expect("a file that is kept elsewhere");
    }
}

/// Waits until the node's status is as expected.
async fn status_of(node: &TestNode, expected: impl Fn(&NodeStatus) -> bool) -> NodeStatus {
    let mut last = None;
    let seen = wait::until(PATIENCE, async || {
        let status = node.status().await;
        last = Some(status.clone());
        Ok::<_, Status>(Some(status).filter(&expected))
    });
    seen.await.expect("the node answers").unwrap_or_else(|| panic!("{} is {last:#?}", node.id))
}

fn has_alarm(status: &NodeStatus, words: &[&str]) -> bool {
    status.alarms.iter().any(|alarm| words.iter().all(|word| alarm.text.contains(word)))
}

/// Each complaint with the digest over its entries and its holder.
async fn digests(node: &TestNode) -> BTreeMap<Vec<u8>, (Vec<u8>, String)> {
    node.lists().await.into_iter().map(|row| (row.complaint, (row.digest, row.holder))).collect()
}

/// Waits until a node has every complaint as it was before.
async fn has_all_again(node: &TestNode, before: &BTreeMap<Vec<u8>, (Vec<u8>, String)>) {
    let mut missing = Vec::new();
    let all = wait::until(PATIENCE, async || {
        let now = digests(node).await;
        missing = before.iter().filter(|(id, state)| now.get(*id) != Some(state)).map(|(id, _)| id.clone()).collect();
        Ok::<_, Status>(missing.is_empty().then_some(()))
    });
    assert!(all.await.expect("the node answers").is_some(), "{} lacks {} of {}", node.id, missing.len(), before.len());
}

/// Waits until all nodes have the same entries of the same complaints.
async fn agree(nodes: &[&TestNode]) {
    let mut last = Vec::new();
    let agreed = wait::until(PATIENCE, async || {
        last.clear();
        for node in nodes {
            last.push(digests(node).await);
        }
        Ok::<_, Status>(last.windows(2).all(|pair| pair[0] == pair[1]).then_some(()))
    });
    let counts = |last: &[BTreeMap<_, _>]| last.iter().map(BTreeMap::len).collect::<Vec<_>>();
    assert!(agreed.await.expect("the nodes answer").is_some(), "the nodes differ, with {:?} complaints", counts(&last));
}

/// Starts a province and a city. The city has handed `complaints` complaints over to the province and has the receipts. Also returns the city.
async fn delivered(complaints: usize) -> (TestFederation, TestNode) {
    let federation = TestFederation::start(province_and_city()).await;
    let city = federation.node("kota-bandung").await;
    lodge_and_forward(&city, "prov-jabar", complaints).await;
    city.has_an_empty_outbox().await;
    (federation, city)
}

/// Lodges and forwards `count` complaints.
async fn lodge_and_forward(node: &TestNode, to: &str, count: usize) -> Vec<Lodged> {
    let mut all = Vec::new();
    for number in 0..count {
        let lodged = node.lodges(&format!("Laporan {number}")).await;
        node.forwards(lodged.complaint, to).await;
        all.push(lodged);
    }
    all
}

/// Starts the city's node, hands `complaints` more complaints over to the province, and stops it. Returns the digests that it has then.
async fn hands_over_and_is_stopped(
    federation: &mut TestFederation,
    complaints: usize,
) -> BTreeMap<Vec<u8>, (Vec<u8>, String)> {
    federation.start_node("kota-bandung").await;
    federation.linked().await;
    let city = federation.node("kota-bandung").await;
    lodge_and_forward(&city, "prov-jabar", complaints).await;
    city.has_an_empty_outbox().await;
    let has = digests(&city).await;
    federation.stop_node("kota-bandung").await;
    has
}

/// Asserts that the city's operator sees that the ledger was set back, and that the node signs nothing.
async fn stops_signing(federation: &TestFederation, size: u64, by: &str) {
    let city = federation.node("kota-bandung").await;
    let status = status_of(&city, |status| has_alarm(status, &["set back", "sinergi recover", by])).await;
    assert_eq!((status.ledger_size, status.epoch), (size, 1), "nothing was written");
    let folder = federation.folder_of("kota-bandung");
    let refused = run_on(&folder, &LODGE);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.err.contains("set back") && refused.err.contains("sinergi recover"), "{refused:?}");
    assert_eq!(run_on(&folder, &["ledger", "checkpoint"]).code, 4, "no checkpoint is signed either");
    let audit = run_on(&folder, &["audit", "--all"]);
    assert!(audit.code == 4 && audit.err.contains("accuses nobody"), "{audit:?}");
    assert!(!folder.join("evidence").exists(), "a node that lacks its own entries accuses nobody");
    let check = run_on(&folder, &["status", "--check"]);
    assert!(check.code == 5 && check.out.contains("set back"), "{check:?}");
    assert_eq!(city.status().await.ledger_size, size, "nothing was written");
    let log = federation.log_of("kota-bandung");
    assert!(log.contains("set back") && log.contains("sinergi recover"), "{log}");
}

/// Begins epoch 2 of a stopped node that knows that its ledger was set back.
fn recovers(federation: &TestFederation, id: &str, reason: &str) -> Said {
    begins_epoch(2, federation, id, &["recover", "--reason", reason])
}

/// Begins epoch 2 of a stopped node that has heard nothing of it from any peer.
fn recovers_without_peers(federation: &TestFederation, id: &str, reason: &str) -> Said {
    begins_epoch(2, federation, id, &["recover", "--epoch", "2", "--reason", reason])
}

fn begins_epoch(epoch: u32, federation: &TestFederation, id: &str, command: &[&str]) -> Said {
    let folder = federation.folder_of(id);
    let asked = run_on(&folder, command);
    assert_eq!(asked.code, 4, "it asks before it does anything: {asked:?}");
    let question = format!("Epoch {epoch} will begin");
    assert!(asked.err.contains(&question) && asked.err.contains("--yes"), "{asked:?}");
    let said = run_on(&folder, &[command, &["--yes"]].concat());
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains(&format!("has begun epoch {epoch}")), "{said:?}");
    said
}

/// Asserts that after the recovery new complaints go both ways, and that the province knows of the new epoch.
async fn works_in_the_new_epoch(federation: &mut TestFederation, reason: &str) {
    let (city, province) = (federation.node("kota-bandung").await, federation.node("prov-jabar").await);
    let lodged = city.lodges("Sesudahnya").await;
    city.forwards(lodged.complaint, "prov-jabar").await;
    province.accepts(lodged.complaint).await;
    let other = province.lodges("Kembali").await;
    province.forwards(other.complaint, "kota-bandung").await;
    city.accepts(other.complaint).await;
    city.resolves(other.complaint).await;
    province.sees(other.complaint, |seen| seen.phase == "resolved").await;
    let declared = ["kota-bandung declares", "epoch 2", reason];
    status_of(&province, |status| has_alarm(status, &declared)).await;
    let peer = province.peer("kota-bandung").await;
    assert_eq!((peer.peer_epoch, peer.reset_reason.as_str()), (2, reason), "{peer:?}");
    assert!(peer.reset_at > 0);
    assert_eq!(city.status().await.epoch, 2);
    city.has_a_sound_ledger().await;
    province.has_a_sound_ledger().await;
    for node in ["kota-bandung", "prov-jabar"] {
        federation.is_bounded_in_memory(node);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_restored_from_an_older_copy_is_stopped_before_it_signs_and_gets_everything_back() {
    const ALL: [&str; 3] = ["kemendagri", "prov-jabar", "kota-bandung"];
    let mut federation = chain();
    start_all(&mut federation, &ALL).await;
    let (city, province) = (federation.node("kota-bandung").await, federation.node("prov-jabar").await);
    let early = lodge_and_forward(&city, "prov-jabar", 4).await;
    province.accepts(early[0].complaint).await;
    let from_above = province.lodges("Dari provinsi").await;
    province.forwards(from_above.complaint, "kota-bandung").await;
    city.sees(from_above.complaint, |_| true).await;
    city.has_an_empty_outbox().await;
    federation.stop_node("kota-bandung").await;
    let copy = copy_of(&federation, "kota-bandung");
    federation.start_node("kota-bandung").await;
    federation.linked().await;

    // After the copy: new complaints, answers to old ones, and hand-overs to and from the city, one of them through the province to the
    // ministry.
    let city = federation.node("kota-bandung").await;
    let size_of_copy = city.status().await.ledger_size;
    let late = lodge_and_forward(&city, "prov-jabar", 5).await;
    province.accepts(late[0].complaint).await;
    province.returns(late[1].complaint, "kemendagri").await;
    city.sees(late[1].complaint, |seen| seen.offered_to.is_empty()).await;
    city.forwards(late[1].complaint, "kemendagri").await;
    federation.node("kemendagri").await.accepts(late[1].complaint).await;
    city.sees(late[1].complaint, |seen| seen.holder == "kemendagri").await;
    city.accepts(from_above.complaint).await;
    city.resolves(from_above.complaint).await;
    city.has_an_empty_outbox().await;
    province.has_an_empty_outbox().await;
    let before = digests(&city).await;
    agree(&[&city, &province]).await;
    assert!(city.status().await.ledger_size > size_of_copy + 10);

    // The province, which has seen more, is itself restarted meanwhile.
    federation.stop_node("kota-bandung").await;
    restore(&federation, "kota-bandung", &copy);
    federation.stop_node("prov-jabar").await;
    federation.start_node("prov-jabar").await;
    federation.start_node("kota-bandung").await;
    stops_signing(&federation, size_of_copy, "prov-jabar").await;
    let province = federation.node("prov-jabar").await;
    let peer = province.sees_peer("kota-bandung", |peer| peer.last_error.contains("ahead-of-ledger")).await;
    assert!(peer.peer_size > size_of_copy && peer.received_entries == 0 && peer.linked_since == 0, "{peer:?}");

    // The node stays stopped, also if it starts before the province.
    federation.stop_node("prov-jabar").await;
    federation.stop_node("kota-bandung").await;
    federation.start_node("kota-bandung").await;
    stops_signing(&federation, size_of_copy, "prov-jabar").await;
    federation.stop_node("kota-bandung").await;
    federation.start_node("prov-jabar").await;

    let said = recovers(&federation, "kota-bandung", "restored");
    assert!(said.out.contains(&format!("{size_of_copy} entries were taken over")), "{said:?}");
    assert!(federation.folder_of("kota-bandung").join("ledger.epoch-1").is_dir(), "the old ledger is kept: {said:?}");
    federation.start_node("kota-bandung").await;
    federation.linked().await;
    let city = federation.node("kota-bandung").await;
    has_all_again(&city, &before).await;
    assert_eq!(city.status().await.alarms, Vec::new());
    let text = city.shows(late[0].complaint).await.expect("it is back").summary.expect("a summary").title;
    assert_eq!(text, "Laporan 0", "with its text");
    works_in_the_new_epoch(&mut federation, "restored").await;
    let (city, province) = (federation.node("kota-bandung").await, federation.node("prov-jabar").await);
    let ministry = federation.node("kemendagri").await;
    agree(&[&city, &province, &ministry]).await;
    status_of(&ministry, |status| has_alarm(status, &["kota-bandung declares", "epoch 2"])).await;
    assert!(city.refused().await.is_empty() && province.refused().await.is_empty());
    assert!(city.deferred().await.is_empty() && province.deferred().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lost_its_whole_folder_is_stopped_before_it_signs_and_gets_everything_back() {
    let mut federation = TestFederation::start(province_and_city()).await;
    let (city, province) = (federation.node("kota-bandung").await, federation.node("prov-jabar").await);
    let lodged = lodge_and_forward(&city, "prov-jabar", 20).await;
    province.accepts(lodged[3].complaint).await;
    province.resolves(lodged[3].complaint).await;
    let from_above = province.lodges("Dari provinsi").await;
    province.forwards(from_above.complaint, "kota-bandung").await;
    city.accepts(from_above.complaint).await;
    city.sees(lodged[3].complaint, |seen| seen.phase == "resolved").await;
    city.has_an_empty_outbox().await;
    province.has_an_empty_outbox().await;
    let before = digests(&city).await;
    federation.stop_node("kota-bandung").await;
    lose(&federation, "kota-bandung");

    // Before it hears from a peer, the node does not know its last epoch.
    let folder = federation.folder_of("kota-bandung");
    let too_early = run_on(&folder, &["recover", "--yes"]);
    assert_eq!(too_early.code, 4, "{too_early:?}");
    assert!(too_early.err.contains("no peer has said") && too_early.err.contains("--epoch"), "{too_early:?}");

    federation.start_node("kota-bandung").await;
    stops_signing(&federation, 0, "prov-jabar").await;
    let running = run_on(&folder, &["recover", "--yes"]);
    assert!(running.code == 4 && running.err.contains("stop it first"), "{running:?}");
    federation.stop_node("kota-bandung").await;
    recovers(&federation, "kota-bandung", "disk-lost");
    federation.start_node("kota-bandung").await;
    federation.linked().await;
    let city = federation.node("kota-bandung").await;
    has_all_again(&city, &before).await;
    assert_eq!(city.status().await.alarms, Vec::new());
    works_in_the_new_epoch(&mut federation, "disk_lost").await;
    agree(&[&city, &province]).await;

    // An ordinary restart in the new epoch raises no alarm.
    federation.stop_node("kota-bandung").await;
    federation.start_node("kota-bandung").await;
    federation.linked().await;
    assert_eq!(federation.node("kota-bandung").await.status().await.alarms, Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_shown_by_a_peer_stops_the_node_even_if_it_cannot_be_stored_or_was_lost_since() {
    const CITY: &str = "kota-bandung";
    let mut federation = TestFederation::make(province_and_city());
    let folder = federation.folder_of(CITY);
    let disk = Disk::below(&folder);
    federation.process_mut(CITY).set_environment(disk.environment());
    federation.start_node("prov-jabar").await;
    let before = hands_over_and_is_stopped(&mut federation, 3).await;
    DATA.iter().for_each(|part| fs::remove_dir_all(folder.join(part)).expect("the node's data"));
    fs::remove_file(folder.join(MARK[0])).expect("the mark");
    let kept = rollback_guard::file(&folder);

    let full = disk.on(&[Op::Create, Op::Write], "set-back").fails(NO_SPACE);
    federation.start_node(CITY).await;
    stops_signing(&federation, 0, "prov-jabar").await;
    let log = federation.log_of(CITY);
    assert!(log.contains("ERROR") && log.contains("set-back.json") && log.contains("No space left"), "{log}");
    federation.stop_node(CITY).await;
    assert!(full.hits() > 0 && !kept.exists());
    full.ends();

    // Peers show the checkpoint again, even if an operator has moved the kept file away.
    for _ in 0..2 {
        federation.start_node(CITY).await;
        stops_signing(&federation, 0, "prov-jabar").await;
        federation.stop_node(CITY).await;
        fs::rename(&kept, folder.join("moved-away")).expect("it was kept this time");
    }
    fs::rename(folder.join("moved-away"), &kept).expect("it is put back");
    recovers(&federation, CITY, "disk-lost");
    federation.start_node(CITY).await;
    federation.linked().await;
    has_all_again(&federation.node(CITY).await, &before).await;
    works_in_the_new_epoch(&mut federation, "disk_lost").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_has_no_receipt_warns_with_the_entries_that_it_holds() {
    // At the greeting the province had seen no checkpoint of the city. It holds only entries, and has no receipt, because it has sent
    // nothing.
    let (mut federation, _) = delivered(3).await;
    federation.stop_node("kota-bandung").await;
    federation.stop_node("prov-jabar").await;
    lose(&federation, "kota-bandung");
    federation.start_node("prov-jabar").await;
    assert_eq!(federation.node("prov-jabar").await.peer("kota-bandung").await.sent_entries, 0);
    federation.start_node("kota-bandung").await;
    stops_signing(&federation, 0, "our entry at leaf 5 of epoch 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_restart_is_not_mistaken_for_a_loss_with_the_peer_up_or_down() {
    let mut federation = TestFederation::start(province_and_city()).await;
    let city = federation.node("kota-bandung").await;
    lodge_and_forward(&city, "prov-jabar", 3).await;
    // First a clean stop, then a kill.
    for kill in [false, true] {
        if kill {
            federation.process_mut("kota-bandung").kill().await;
        } else {
            federation.stop_node("kota-bandung").await;
        }
        federation.start_node("kota-bandung").await;
        let city = federation.node("kota-bandung").await;
        let lodged = city.lodges("Sesudah mulai lagi").await;
        city.forwards(lodged.complaint, "prov-jabar").await;
        federation.node("prov-jabar").await.accepts(lodged.complaint).await;
        let status = city.status().await;
        assert_eq!((status.alarms, status.epoch), (Vec::new(), 1));
    }
    // Without any peer to ask, the node continues after a bounded time, and says so.
    federation.stop_node("prov-jabar").await;
    federation.stop_node("kota-bandung").await;
    federation.start_node("kota-bandung").await;
    let city = federation.node("kota-bandung").await;
    let lodged = city.lodges("Tanpa provinsi").await;
    city.forwards(lodged.complaint, "prov-jabar").await;
    assert!(federation.log_of("kota-bandung").contains("not all peers could be asked"));
    federation.start_node("prov-jabar").await;
    federation.linked().await;
    federation.node("prov-jabar").await.accepts(lodged.complaint).await;
    assert_eq!(city.status().await.alarms, Vec::new());
    let row = |all: &BTreeMap<Vec<u8>, (Vec<u8>, String)>| all.get(&lodged.complaint.0[..]).cloned();
    city.sees(lodged.complaint, |seen| seen.holder == "prov-jabar").await;
    let (city, province) = (digests(&city).await, digests(&federation.node("prov-jabar").await).await);
    assert_eq!(row(&city), row(&province));
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_only_the_old_ledger_had_survive_the_recovery() {
    let (mut federation, city) = delivered(3).await;
    federation.stop_node("prov-jabar").await;
    // No other node ever got these.
    let offered = lodge_and_forward(&city, "prov-jabar", 3).await;
    let mut request = complaint_about("Dari sistem lain");
    let external = operator_api::ExternalReference { source: "lama".to_owned(), id: "7".to_owned() };
    request.external = Some(external.clone());
    let kept = city.lodges_request(request).await.expect("lodged");
    let before = digests(&city).await;
    federation.stop_node("kota-bandung").await;
    recovers_without_peers(&federation, "kota-bandung", "restored");
    federation.start_node("kota-bandung").await;
    federation.start_node("prov-jabar").await;
    federation.linked().await;
    let (city, province) = (federation.node("kota-bandung").await, federation.node("prov-jabar").await);
    assert_eq!(digests(&city).await, before);
    let row = city.shows(kept.complaint).await.expect("it is here").summary.expect("a summary");
    assert_eq!((row.title.as_str(), row.external), ("Dari sistem lain", Some(external)));
    for lodged in &offered {
        province.accepts(lodged.complaint).await;
    }
    let given = province.shows(offered[0].complaint).await.expect("it arrived").summary.expect("a summary");
    assert_eq!(given.title, "Laporan 0", "with its text");
    works_in_the_new_epoch(&mut federation, "restored").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_wait_for_a_parent_or_a_charter_survive_the_recovery_and_are_accepted_when_the_parent_comes() {
    let mut stage = Stage::set().await;
    let lodged = stage.impostor.lodge("Tanpa induk");
    let offer = stage.impostor.forward(lodged.complaint, lodged.id, "kota-bandung");
    let mut draft = stage.impostor.draft_of_lodged();
    draft.charter = CharterName { version: 7, hash: 7 };
    let uncharted = stage.impostor.sign(draft, Vec::new());
    stage.link().await.deliver(3, vec![offer.item, uncharted.item]).await;
    let waits = async |federation: &TestFederation| {
        let rows = federation.node("kota-bandung").await.deferred().await;
        rows.into_iter().map(|row| (row.entry_id, row.peer, row.code)).collect::<BTreeSet<_>>()
    };
    let before = waits(&stage.federation).await;
    let deferred = |id: EntryId, code: DeferralCode| (id.0.to_vec(), "kominfo".to_owned(), code.number());
    let expected =
        [deferred(offer.id, DeferralCode::MissingParent), deferred(uncharted.id, DeferralCode::MissingCharter)];
    assert_eq!(before, BTreeSet::from(expected.clone()));
    // The old epoch has an entry.
    stage.federation.node("kota-bandung").await.lodges("Sebelumnya").await;
    stage.federation.stop_node("kota-bandung").await;
    recovers_without_peers(&stage.federation, "kota-bandung", "restored");
    stage.federation.start_node("kota-bandung").await;
    let city = stage.federation.node("kota-bandung").await;
    assert_eq!((city.status().await.epoch, waits(&stage.federation).await), (2, before));
    // The answer comes when the node has heard its peers.
    city.lodges("Sesudahnya").await;
    let receipt = stage.link().await.deliver(4, vec![lodged.item]).await;
    assert!(matches!(receipt.results[0].outcome, ItemOutcome::Leaf(_)), "{receipt:?}");
    city.sees(lodged.complaint, |seen| seen.entries == 2 && seen.offered_to == "kota-bandung").await;
    assert_eq!(waits(&stage.federation).await, BTreeSet::from([expected[1].clone()]));
    city.has_a_sound_ledger().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_was_deleted_under_its_store_is_noticed_without_any_peer() {
    let (mut federation, city) = delivered(3).await;
    let before = digests(&city).await;
    federation.stop_node("prov-jabar").await;
    federation.stop_node("kota-bandung").await;
    let ledger = federation.folder_of("kota-bandung").join("ledger");
    let newest = federation.folder_of("kota-bandung").join("newest");
    fs::rename(&ledger, &newest).expect("the ledger is a folder");
    for _ in 0..2 {
        // At the second start the store is new. The first finding is kept.
        federation.start_node("kota-bandung").await;
        stops_signing(&federation, 0, "the store was made of a ledger that was longer").await;
        federation.stop_node("kota-bandung").await;
    }
    // Putting the newest copy back ends the stop.
    fs::remove_dir_all(&ledger).expect("an empty ledger");
    fs::rename(&newest, &ledger).expect("the newest ledger");
    federation.start_node("prov-jabar").await;
    federation.start_node("kota-bandung").await;
    federation.linked().await;
    let city = federation.node("kota-bandung").await;
    assert_eq!((digests(&city).await, city.status().await.alarms), (before, Vec::new()));
    city.lodges("Masih epoch 1").await;
    assert_eq!(city.status().await.epoch, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_that_was_interrupted_is_finished_by_the_next_start() {
    let (mut federation, city) = delivered(3).await;
    let before = digests(&city).await;
    federation.stop_node("kota-bandung").await;
    let folder = federation.folder_of("kota-bandung");
    // Interrupted before the new ledger is complete: the recovery starts again.
    fs::create_dir_all(folder.join("ledger.recovering")).expect("a folder");
    fs::write(folder.join("ledger.recovering").join("00000001.seg"), b"half a ledger").expect("a file");
    recovers_without_peers(&federation, "kota-bandung", "disk-lost");
    // Interrupted between the two renames.
    fs::rename(folder.join("ledger"), folder.join("ledger.recovering")).expect("the new ledger");
    federation.start_node("kota-bandung").await;
    federation.linked().await;
    let city = federation.node("kota-bandung").await;
    assert_eq!((digests(&city).await, city.status().await.epoch), (before, 2));
    works_in_the_new_epoch(&mut federation, "disk_lost").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_no_peer_could_warn_at_its_start_is_stopped_by_the_first_that_can_and_keeps_both_histories() {
    let mut federation = TestFederation::start(province_and_city()).await;
    hands_over_and_is_stopped(&mut federation, 2).await;
    let copy = copy_of(&federation, "kota-bandung");
    let mut before = hands_over_and_is_stopped(&mut federation, 3).await;
    federation.stop_node("prov-jabar").await;
    restore(&federation, "kota-bandung", &copy);
    // The only peer that could warn the node is down. The outage of a peer must not stop the node.
    federation.start_node("kota-bandung").await;
    let city = federation.node("kota-bandung").await;
    lodge_and_forward(&city, "prov-jabar", 4).await;
    before.extend(digests(&city).await);
    assert_eq!(before.len(), 9);
    federation.start_node("prov-jabar").await;
    stops_signing(&federation, 12, "prov-jabar").await;
    federation.stop_node("kota-bandung").await;
    recovers(&federation, "kota-bandung", "restored");
    federation.start_node("kota-bandung").await;
    federation.linked().await;
    let (city, province) = (federation.node("kota-bandung").await, federation.node("prov-jabar").await);
    has_all_again(&city, &before).await;
    has_all_again(&province, &before).await;
    works_in_the_new_epoch(&mut federation, "restored").await;
    agree(&[&city, &province]).await;
}

/// Overwrites some bytes of a file.
fn damage(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("a file");
    bytes[at..at + 8].copy_from_slice(b"DAMAGED!");
    fs::write(path, bytes).expect("a file");
}

#[tokio::test(flavor = "multi_thread")]
async fn readable_entries_of_a_damaged_ledger_survive_the_recovery() {
    let (mut federation, city) = delivered(10).await;
    federation.stop_node("prov-jabar").await;
    // No other node ever got these.
    let mut alone = Vec::new();
    for number in 0..20 {
        alone.push(city.lodges(&format!("Hanya di sini {number}")).await.complaint);
    }
    let before = digests(&city).await;
    federation.stop_node("kota-bandung").await;
    let segment = federation.folder_of("kota-bandung").join("ledger").join("00000001.seg");
    let bytes = fs::read(&segment).expect("the segment");
    // Damages records that the province has as well: one in a text, one in the head of a record.
    let text = |title: &[u8]| bytes.windows(title.len()).position(|window| window == title).expect("a text");
    damage(&segment, text(b"Laporan 3"));
    damage(&segment, text(b"Laporan 6") - 90);

    let folder = federation.folder_of("kota-bandung");
    federation.process_mut("kota-bandung").start().expect("the program starts");
    assert!(federation.process_mut("kota-bandung").up().await.is_err(), "a damaged ledger is not served");
    let log = federation.log_of("kota-bandung");
    assert!(log.contains("00000001.seg") && log.contains("sinergi recover"), "{log}");
    let said = run_on(&folder, &["recover", "--yes"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("could not be read"), "{said:?}");
    federation.start_node("kota-bandung").await;
    let city = federation.node("kota-bandung").await;
    for (number, complaint) in alone.iter().enumerate() {
        let row = city.shows(*complaint).await.expect("it survived").summary.expect("a summary");
        assert_eq!(row.title, format!("Hanya di sini {number}"), "with its text");
    }
    federation.start_node("prov-jabar").await;
    federation.linked().await;
    has_all_again(&city, &before).await;
    let mut titles = BTreeSet::new();
    let all = wait::until(PATIENCE, async || {
        titles = city.lists().await.into_iter().map(|row| row.title).collect();
        let is_back = |number| titles.contains(&format!("Laporan {number}"));
        Ok::<_, Status>((0..10).all(is_back).then_some(()))
    });
    assert!(all.await.expect("the node answers").is_some(), "the texts are not back: {titles:?}");
    works_in_the_new_epoch(&mut federation, "disk_lost").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_whose_only_segment_was_deleted_is_not_served_and_recovers_into_the_named_epoch() {
    let (mut federation, city) = delivered(3).await;
    let before = digests(&city).await;
    federation.stop_node("kota-bandung").await;
    let folder = federation.folder_of("kota-bandung");
    fs::remove_file(folder.join("ledger").join("00000001.seg")).expect("the segment");
    federation.process_mut("kota-bandung").start().expect("the program starts");
    assert!(federation.process_mut("kota-bandung").up().await.is_err(), "it is not served as if it were new");
    let log = federation.log_of("kota-bandung");
    assert!(log.contains("00000001.seg is missing") && log.contains("sinergi recover"), "{log}");
    let unknown = run_on(&folder, &["recover", "--yes"]);
    assert!(
        unknown.code == 4 && unknown.err.contains("--epoch") && unknown.err.contains("sinergi peer show"),
        "{unknown:?}"
    );
    let shown = run_on(&federation.folder_of("prov-jabar"), &["peer", "show", "kota-bandung"]);
    assert!(shown.out.contains("in epoch 1"), "{shown:?}");
    let said = run_on(&folder, &["recover", "--yes", "--epoch", "2"]);
    assert_eq!(said.code, 0, "{said:?}");
    federation.start_node("kota-bandung").await;
    federation.linked().await;
    has_all_again(&federation.node("kota-bandung").await, &before).await;
    works_in_the_new_epoch(&mut federation, "disk_lost").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_that_is_known_already_is_not_begun_again() {
    let mut federation = TestFederation::start(province_and_city()).await;
    let city = federation.node("kota-bandung").await;
    city.lodges("Satu").await;
    federation.stop_node("kota-bandung").await;
    let folder = federation.folder_of("kota-bandung");
    let known = run_on(&folder, &["recover", "--yes", "--epoch", "1"]);
    assert_eq!(known.code, 2, "{known:?}");
    recovers_without_peers(&federation, "kota-bandung", "restored");
    let known = run_on(&folder, &["recover", "--yes", "--epoch", "2"]);
    assert!(known.code == 2 && known.err.contains("at least 3"), "{known:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_from_before_a_recovery_does_not_begin_the_same_epoch_again() {
    let mut federation = TestFederation::start(province_and_city()).await;
    hands_over_and_is_stopped(&mut federation, 2).await;
    let copy = copy_of(&federation, "kota-bandung");
    recovers_without_peers(&federation, "kota-bandung", "disk-lost");
    let before = hands_over_and_is_stopped(&mut federation, 3).await;
    restore(&federation, "kota-bandung", &copy);
    // The copy is whole, is of epoch 1, and knows nothing of epoch 2, which it would begin a second time.
    let unheard = run_on(&federation.folder_of("kota-bandung"), &["recover", "--yes"]);
    assert!(unheard.code == 4 && unheard.err.contains("--epoch"), "{unheard:?}");
    federation.start_node("kota-bandung").await;
    let city = federation.node("kota-bandung").await;
    status_of(&city, |status| has_alarm(status, &["set back", "sinergi recover", "prov-jabar"])).await;
    federation.stop_node("kota-bandung").await;
    begins_epoch(3, &federation, "kota-bandung", &["recover", "--reason", "restored"]);
    federation.start_node("kota-bandung").await;
    federation.linked().await;
    let (city, province) = (federation.node("kota-bandung").await, federation.node("prov-jabar").await);
    has_all_again(&city, &before).await;
    agree(&[&city, &province]).await;
    let audited = run_on(&federation.folder_of("prov-jabar"), &["audit", "kota-bandung"]);
    assert_eq!(audited.code, 0, "an audit accuses the city: {audited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_while_its_peers_return_its_entries_gets_all_of_them() {
    const COMPLAINTS: usize = 800;
    let mut federation = TestFederation::start(province_and_city()).await;
    let city = federation.node("kota-bandung").await;
    let clients = (0..8).map(|_| lodge_and_forward(&city, "prov-jabar", COMPLAINTS / 8));
    futures_util::future::join_all(clients).await;
    city.has_an_empty_outbox().await;
    let before = digests(&city).await;
    federation.stop_node("kota-bandung").await;
    lose(&federation, "kota-bandung");
    federation.start_node("kota-bandung").await;
    stops_signing(&federation, 0, "prov-jabar").await;
    federation.stop_node("kota-bandung").await;
    recovers(&federation, "kota-bandung", "disk-lost");
    for share in [10, 300, 550] {
        federation.start_node("kota-bandung").await;
        federation.node("kota-bandung").await.has_complaints(share).await;
        federation.process_mut("kota-bandung").kill().await;
    }
    federation.start_node("kota-bandung").await;
    federation.linked().await;
    let (city, province) = (federation.node("kota-bandung").await, federation.node("prov-jabar").await);
    has_all_again(&city, &before).await;
    works_in_the_new_epoch(&mut federation, "disk_lost").await;
    agree(&[&city, &province]).await;
}

/// A hub is set back. One of its peers has seen everything, the other nothing newer than the copy.
#[tokio::test(flavor = "multi_thread")]
async fn a_hub_is_stopped_by_the_one_peer_that_saw_more() {
    let agencies = vec![
        Agency::new(agency("prov-jabar"), Kind::Province),
        Agency::new(agency("kota-bandung"), Kind::City).under(agency("prov-jabar")),
        Agency::new(agency("kota-bekasi"), Kind::City).under(agency("prov-jabar")),
    ];
    // The hub dials both, so that it hears both soon.
    let links = [("prov-jabar", "kota-bandung"), ("prov-jabar", "kota-bekasi")];
    let mut federation = TestFederation::make_with_links(agencies, &links);
    start_all(&mut federation, &["prov-jabar", "kota-bandung", "kota-bekasi"]).await;
    let province = federation.node("prov-jabar").await;
    lodge_and_forward(&province, "kota-bandung", 2).await;
    province.has_an_empty_outbox().await;
    federation.stop_node("prov-jabar").await;
    let copy = copy_of(&federation, "prov-jabar");
    // Only one city sees entries from after the copy.
    federation.stop_node("kota-bandung").await;
    federation.start_node("prov-jabar").await;
    let province = federation.node("prov-jabar").await;
    lodge_and_forward(&province, "kota-bekasi", 2).await;
    federation.node("kota-bekasi").await.has_complaints(2).await;
    federation.stop_node("prov-jabar").await;
    restore(&federation, "prov-jabar", &copy);
    federation.start_node("kota-bandung").await;
    federation.start_node("prov-jabar").await;
    let province = federation.node("prov-jabar").await;
    let refused = province.lodges_request(complaint_about("Tidak boleh")).await.expect_err("nothing is signed");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let status = status_of(&province, |status| has_alarm(status, &["kota-bekasi", "set back"])).await;
    assert_eq!(status.ledger_size, 4, "nothing was written");
    let here: BTreeSet<ComplaintId> =
        province.lists().await.iter().filter_map(|row| ComplaintId::from_slice(&row.complaint)).collect();
    assert_eq!(here.len(), 2);
}

/// A checkpoint that the node in this folder could have signed over a ledger that is lost.
fn checkpoint_of(folder: &Path, size: u64) -> Vec<u8> {
    let owner = Impostor::of(folder);
    let (federation, agency) = (owner.member.config.federation.to_string(), owner.member.config.agency.clone());
    let signer =
        CheckpointSigner::new(&federation, &agency, Epoch::FIRST, owner.member.keys.checkpoint, owner.member.keys.time);
    signer.sign(size, [9; 32], 1_790_000_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_signed_after_hearing_one_peer_while_another_may_still_show_more() {
    let mut agencies = province_and_city();
    agencies.push(Agency::new(agency("kominfo"), Kind::Ministry).dials_only());
    let mut federation = TestFederation::make(agencies);
    // The test plays the nodes of both peers.
    let province = Impostor::of(&federation.folder_of("prov-jabar"));
    let ministry = Impostor::of(&federation.folder_of("kominfo"));
    federation.start_node("kota-bandung").await;
    let (city, address) = (federation.node("kota-bandung").await, federation.address_of("kota-bandung"));
    let dialled = agency("kota-bandung");
    let mut from_province = province.dial(&dialled, &address).await.expect("a member");
    let mut from_ministry = ministry.dial(&dialled, &address).await.expect("a member");

    let calling = city.clone();
    let mut call = Box::pin(async move { calling.lodges_request(complaint_about("Menunggu")).await });
    let held = Duration::from_millis(200);
    assert!(tokio::time::timeout(held, &mut call).await.is_err(), "the call was answered before a peer was heard");
    from_ministry.says_hello(ministry.hello()).await;
    assert!(
        tokio::time::timeout(held, &mut call).await.is_err(),
        "the call was answered after one of two peers was heard"
    );
    let seen_of_you = checkpoint_of(&federation.folder_of("kota-bandung"), 1000);
    from_province.says_hello(wire::Hello { seen_of_you, ..province.hello() }).await;
    let refused = call.await.expect_err("nothing is signed");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let alarm = ["prov-jabar", "1000 leaves", "set back", "sinergi recover"];
    let status = status_of(&city, |status| has_alarm(status, &alarm)).await;
    assert_eq!(status.ledger_size, 0, "nothing was written");
    // The city ends both links with the reason. It has shown no checkpoint before: not even one of nothing is signed.
    for link in [&mut from_province, &mut from_ministry] {
        assert_eq!(link.fault().await.0, FaultCode::AheadOfLedger.number());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smaller_ledger_than_signed_before_is_a_finding_and_an_unproven_claim_is_only_an_alarm() {
    let mut agencies = province_and_city();
    agencies.push(Agency::new(agency("kominfo"), Kind::Ministry).dials_only());
    let mut federation = TestFederation::make(agencies);
    let ministry = Impostor::of(&federation.folder_of("kominfo"));
    federation.start_node("kota-bandung").await;
    let (city, address) = (federation.node("kota-bandung").await, federation.address_of("kota-bandung"));
    let dialled = agency("kota-bandung");

    let claim = wire::Cursor { epoch: 1, index: 7, part: 0 };
    let mut link = ministry.dial(&dialled, &address).await.expect("a member");
    link.greet_with(wire::Hello { have_cursor: Some(claim), ..ministry.hello() }, ministry.checkpoint()).await;
    assert_eq!(link.fault().await.0, FaultCode::AheadOfLedger.number());
    let status = city.status().await;
    assert!(has_alarm(&status, &["kominfo", "1:7", "does not prove it"]), "{status:?}");

    let (name, own) = (ministry.member.config.federation.to_string(), ministry.member.config.agency.clone());
    let (key, time_key) = (ministry.member.keys.checkpoint.clone(), ministry.member.keys.time.clone());
    let signer = |epoch| CheckpointSigner::new(&name, &own, Epoch(epoch), key.clone(), time_key.clone());
    let seconds = sinergi_daemon::base::time::now_millis() / 1000;
    let less = Some(["kominfo has signed 900 leaves", "later signed less"]);
    let forked = Some(["kominfo forked", "sinergi evidence export kominfo-forked-"]);
    let begun = Some(["kominfo has begun epoch 2", "has not declared why"]);
    for (note, links, alarm) in [
        (signer(1).sign(900, [1; 32], seconds), true, None),
        (signer(1).sign(800, [2; 32], seconds - 5), false, None),
        (signer(1).sign(800, [2; 32], seconds + 5), false, less),
        (signer(1).sign(900, [3; 32], seconds + 6), true, forked),
        (signer(2).sign(1, [4; 32], seconds + 7), true, begun),
    ] {
        let mut link = ministry.dial(&dialled, &address).await.expect("a member");
        link.greet_with(ministry.hello(), note).await;
        if links {
            city.sees_peer("kominfo", |peer| peer.state == "linked").await;
        } else {
            assert_eq!(link.fault().await.0, FaultCode::NoCheckpoint.number(), "it shows less than before");
        }
        match alarm {
            Some(words) => drop(status_of(&city, |status| has_alarm(status, &words)).await),
            None => assert!(!has_alarm(&city.status().await, &["kominfo has signed"])),
        }
        drop(link);
        city.sees_peer("kominfo", |peer| peer.state != "linked").await;
    }
    assert_eq!(city.peer("kominfo").await.peer_epoch, 2);
}

#[tokio::test]
async fn an_old_copy_is_noticed_by_the_mark_although_no_peer_can_be_reached() {
    let mut federation = TestFederation::make(province_and_city());
    federation.start_node("kota-bandung").await;
    let city = federation.node("kota-bandung").await;
    city.lodges("Sebelumnya").await;
    federation.stop_node("kota-bandung").await;
    let copy = copy_of(&federation, "kota-bandung");
    federation.start_node("kota-bandung").await;
    let city = federation.node("kota-bandung").await;
    city.lodges("Sesudahnya").await;
    federation.stop_node("kota-bandung").await;

    restore_but_the_mark(&federation, "kota-bandung", &copy);
    federation.start_node("kota-bandung").await;
    let city = federation.node("kota-bandung").await;
    status_of(&city, |status| has_alarm(status, &["the mark beside the keys says 2 leaves in epoch 1", "recover"]))
        .await;
    let refused = city.lodges_request(complaint_about("Ditolak")).await.expect_err("the ledger is old");
    assert!(refused.code() == Code::FailedPrecondition && refused.message().contains("set back"), "{refused:?}");
    let folder = federation.folder_of("kota-bandung");
    let said = run_on(&folder, &["confirm", "ledger", "--yes"]);
    assert!(said.code == 4 && said.err.contains("set back"), "a proof counts more than a word: {said:?}");

    // A killed node's mark is at most a second old, and a new epoch is known by it at once.
    federation.stop_node("kota-bandung").await;
    let said = run_on(&folder, &["recover", "--yes"]);
    assert!(said.code == 4 && said.err.contains("--epoch"), "the mark may be old as well: {said:?}");
    let said = run_on(&folder, &["recover", "--yes", "--epoch", "2"]);
    assert_eq!(said.code, 0, "{said:?}");
    restore_but_the_mark(&federation, "kota-bandung", &copy);
    let said = run_on(&folder, &["recover", "--yes", "--epoch", "2"]);
    assert!(said.code == 2 && said.err.contains("at least 3"), "it has begun, although nobody saw it: {said:?}");
    let said = run_on(&folder, &["recover", "--yes", "--epoch", "3"]);
    assert_eq!(said.code, 0, "{said:?}");
    federation.start_node("kota-bandung").await;
    let city = federation.node("kota-bandung").await;
    city.lodges("Lagi").await;
    city.has_a_sound_ledger().await;
}

#[tokio::test]
async fn a_node_without_its_mark_waits_for_a_peer_or_its_operator() {
    let mut federation = TestFederation::make(province_and_city());
    federation.start_node("kota-bandung").await;
    federation.node("kota-bandung").await.lodges("Sebelumnya").await;
    federation.stop_node("kota-bandung").await;
    let folder = federation.folder_of("kota-bandung");
    let mark = folder.join(MARK[0]);
    fs::remove_file(&mark).expect("the mark is there");
    federation.start_node("kota-bandung").await;
    let city = federation.node("kota-bandung").await;
    // The call is held while the node asks its peers.
    let refused = city.lodges_request(complaint_about("Ditolak")).await.expect_err("nobody can tell");
    assert!(refused.message().contains("sinergi confirm ledger"), "{refused:?}");
    status_of(&city, |status| has_alarm(status, &["not an old copy", "sinergi confirm ledger"])).await;
    let said = run_on(&folder, &["confirm", "ledger"]);
    assert!(said.code == 4 && said.err.contains("--yes"), "without a terminal there is no question: {said:?}");
    let said = run_on(&folder, &["confirm", "ledger", "--yes"]);
    assert!(said.code == 0 && said.out.contains("with 1 leaves in epoch 1"), "{said:?}");
    city.lodges("Sesudahnya").await;
    assert!(city.status().await.alarms.iter().all(|alarm| !alarm.text.contains("old copy")));
    let said = run_on(&folder, &["confirm", "ledger", "--yes"]);
    assert!(said.code == 4 && said.err.contains("does not wait"), "{said:?}");

    federation.stop_node("kota-bandung").await;
    fs::remove_file(&mark).expect("it was written again");
    federation.start_all().await;
    let city = federation.node("kota-bandung").await;
    city.lodges("Dengan tetangga").await;
    let written = wait::until(PATIENCE, async || Ok::<_, Status>(mark.exists().then_some(())));
    assert!(written.await.expect("no error").is_some(), "the node may sign, so its mark counts again");
}

#[tokio::test]
async fn a_text_is_erased_in_the_ledger_of_an_earlier_epoch_too_also_at_the_next_start_after_a_crash() {
    const SECRET: &str = "Nomor rekam medis 4711-0815";
    let mut federation = TestFederation::start(province_and_city()).await;
    let (city, province) = (federation.node("kota-bandung").await, federation.node("prov-jabar").await);
    let lodged = city.lodges(SECRET).await;
    city.forwards(lodged.complaint, "prov-jabar").await;
    province.accepts(lodged.complaint).await;
    let folder = federation.folder_of("prov-jabar");
    federation.stop_node("prov-jabar").await;
    recovers_without_peers(&federation, "prov-jabar", "disk-lost");
    let earlier = folder.join("ledger.epoch-1");
    assert!(!folder::files_with(&earlier, SECRET.as_bytes()).is_empty(), "it is there to be erased");
    let copy = federation.folder().join("copy-of-epoch-1");
    folder::copy(&earlier, &copy);
    federation.start_node("prov-jabar").await;

    let erase =
        Act::Erase(operator_api::Erase { ground: wire::EraseGround::SubjectRequest.into(), entries: Vec::new() });
    city.acts(lodged.complaint, erase, None).await.expect("the intake agency proposes");
    let province = federation.node("prov-jabar").await;
    province.has_acts(lodged.complaint, 4).await;
    let approve = Act::Approve(operator_api::Approve { proposal: Vec::new() });
    province.acts(lodged.complaint, approve, None).await.expect("the supervisor approves");
    assert_eq!(folder::files_with(&folder, SECRET.as_bytes()), Vec::<PathBuf>::new(), "before the call is answered");

    // A crash before the work was done leaves the old ledger as it was.
    federation.stop_node("prov-jabar").await;
    fs::remove_dir_all(&earlier).expect("the old ledger");
    folder::copy(&copy, &earlier);
    federation.start_node("prov-jabar").await;
    let gone = wait::until(PATIENCE, async || {
        Ok::<_, Status>(folder::files_with(&folder, SECRET.as_bytes()).is_empty().then_some(()))
    });
    assert_eq!(gone.await.expect("no error"), Some(()), "the next start destroys it");
    federation.linked().await;
    let said = run_on(&folder, &["complaint", "verify", &lodged.complaint.to_string()]);
    assert_eq!(said.code, 0, "{said:?}");
}
