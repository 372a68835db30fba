//! Watching other agencies' ledgers. If a member shows different ledgers to two nodes, they find it when they exchange checkpoints, without an audit.

use std::collections::BTreeMap;
use std::path::Path;

use sinergi_cli::demo::wait;
use sinergi_daemon::storage::ledger::{Ledger, LedgerOptions, RecordKind};
use sinergi_daemon::storage::record_codec::Header;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::entry::{Body, Entry};
use sinergi_proto::tlog::checkpoint::Checkpoint;
use sinergi_proto::tlog::tree::root_of;
use sinergi_proto::wire::{self, frame::Kind};
use sinergi_tests::dishonest::{ShownLedger, answer_questions, filling};
use sinergi_tests::disk::crash;
use sinergi_tests::disk::reopen::temp_folder;
use sinergi_tests::federation::{NAME, PATIENCE, TestFederation, TestNode};
use sinergi_tests::peer::{Connection, Impostor};
use sinergi_tests::program::run_on;
use sinergi_tests::stage::Stage;
use sinergi_tests::stranger::convinces_a_stranger;

const CITY: &str = "kota-bandung";
const PROVINCE: &str = "prov-jabar";
const LIAR: &str = "kominfo";

fn seconds() -> u64 {
    sinergi_daemon::base::time::now_millis() / 1000
}

/// A ledger with these leaves.
fn ledger(leaves: impl IntoIterator<Item = u64>) -> ShownLedger {
    let mut ledger = ShownLedger::default();
    ledger.fill(leaves);
    ledger
}

fn configured(federation: &TestFederation, id: &str, old: &str, new: &str) {
    federation.configure(id, |text| {
        let changed = text.replace(old, new);
        assert_ne!(changed, text, "{old:?} is not in the configuration");
        changed
    });
}

async fn linked(stage: &Stage, honest: &str, checkpoint: Vec<u8>) -> Connection {
    let mut link = stage.connect_with(honest).await;
    link.greet_with(stage.impostor.hello(), checkpoint).await;
    link
}

async fn sees_alarm(node: &TestNode, words: &[&str]) {
    node.sees_status(|status| status.alarms.iter().any(|alarm| words.iter().all(|word| alarm.text.contains(word))))
        .await;
}

/// Runs `scene` while the liar answers questions on both links.
async fn while_it_answers<T>(
    liar: &Impostor,
    links: [(&mut Connection, &ShownLedger); 2],
    scene: impl Future<Output = T>,
) -> T {
    let [(one, shown_to_one), (other, shown_to_other)] = links;
    tokio::select! {
        end = scene => end,
        () = answer_questions(&mut one.stream, &liar.member, Some(shown_to_one), seconds()) => panic!("the node ended the link"),
        () = answer_questions(&mut other.stream, &liar.member, Some(shown_to_other), seconds()) => panic!("the node ended the link"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_ledgers_of_one_size_are_found_when_two_nodes_that_saw_them_exchange_checkpoints() {
    let stage = Stage::set().await;
    let (one, other) = (ledger(0..5), ledger([0, 1, 2, 3, 99]));
    let _city = linked(&stage, CITY, one.signed(&stage.impostor.member, seconds() - 60)).await;
    let province = stage.federation.node(PROVINCE).await;
    // The city passes on the first checkpoint before the province is shown the other one.
    province.sees_peer(LIAR, |peer| peer.peer_size == 5).await;
    let _province = linked(&stage, PROVINCE, other.signed(&stage.impostor.member, seconds() - 60)).await;
    sees_alarm(&province, &[LIAR, "forked", "evidence export"]).await;
    convinces_a_stranger(&stage.federation, PROVINCE, "forked", LIAR);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_is_an_alarm_over_restarts_until_the_operator_confirms_it_and_not_again() {
    const TOPIC: &str = "audit kominfo forked";
    let mut stage = Stage::set().await;
    let (one, other) = (ledger(0..5), ledger([0, 1, 2, 3, 99]));
    let first = linked(&stage, PROVINCE, one.signed(&stage.impostor.member, seconds() - 60)).await;
    let province = stage.federation.node(PROVINCE).await;
    province.sees_peer(LIAR, |peer| peer.peer_size == 5).await;
    let second = linked(&stage, PROVINCE, other.signed(&stage.impostor.member, seconds() - 60)).await;
    sees_alarm(&province, &[LIAR, "forked", "evidence export"]).await;
    drop((first, second));
    let folder = stage.federation.folder_of(PROVINCE);
    let has_alarm = || {
        let said = run_on(&folder, &["status", "--check", "--output", "json"]);
        let status: serde_json::Value =
            serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
        let alarms = status["alarms"].as_array().expect("a list").clone();
        let found = alarms.iter().find(|alarm| alarm["topic"] == TOPIC).cloned();
        assert_eq!(said.code, if alarms.is_empty() { 0 } else { 5 }, "{said:?}");
        found
    };
    let before = has_alarm().expect("it was raised");
    assert_eq!(before["severity"], "critical");
    assert!(before["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{before}");
    stage.federation.stop_node(PROVINCE).await;
    stage.federation.start_node(PROVINCE).await;
    assert_eq!(has_alarm(), Some(before), "it is the same alarm");
    let confirm = |topic| run_on(&folder, &["confirm", "alarm", topic]);
    let unknown = confirm("audit kominfo omitted");
    assert!(unknown.code == 4 && unknown.err.contains("there is no alarm \"audit kominfo omitted\""), "{unknown:?}");
    let confirmed = confirm(TOPIC);
    assert!(confirmed.code == 0 && has_alarm().is_none(), "{confirmed:?}");
    // An audit after a restart finds it again, by the other ledger, and it is kept already.
    stage.federation.stop_node(PROVINCE).await;
    stage.federation.start_node(PROVINCE).await;
    let mut link = linked(&stage, PROVINCE, one.signed(&stage.impostor.member, seconds() - 60)).await;
    let auditing = folder.clone();
    let audit = tokio::task::spawn_blocking(move || run_on(&auditing, &["audit", LIAR]));
    let audited = tokio::select! {
        audited = audit => audited.expect("no panic"),
        () = answer_questions(&mut link.stream, &stage.impostor.member, Some(&other), seconds()) => panic!("the node ended the link"),
    };
    assert!(audited.code == 5 && audited.out.contains("forked by kominfo (proven)"), "{audited:?}");
    assert_eq!(has_alarm(), None);
    convinces_a_stranger(&stage.federation, PROVINCE, "forked", LIAR);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_ledgers_of_different_sizes_are_found_by_asking_their_owner_for_a_proof() {
    let stage = Stage::set().await;
    let (short, long) = (ledger(0..5), ledger([0, 1, 2, 77, 4, 5, 6, 7]));
    let mut city = linked(&stage, CITY, short.signed(&stage.impostor.member, None)).await;
    stage.federation.node(PROVINCE).await.sees_peer(LIAR, |peer| peer.peer_size == 5).await;
    let mut province = linked(&stage, PROVINCE, long.signed(&stage.impostor.member, None)).await;
    let links = [(&mut city, &short), (&mut province, &long)];
    let found = async {
        sees_alarm(&stage.federation.node(PROVINCE).await, &[LIAR, "forked", "evidence export"]).await;
    };
    while_it_answers(&stage.impostor, links, found).await;
    convinces_a_stranger(&stage.federation, PROVINCE, "forked", LIAR);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewritten_ledger_is_found_at_its_next_checkpoint_and_complaints_still_flow() {
    let mut stage = Stage::set().await;
    let (before, after) = (ledger(0..5), ledger([0, 1, 98, 3, 4, 5]));
    let mut link = linked(&stage, CITY, before.signed(&stage.impostor.member, seconds() - 60)).await;
    let notes = vec![after.signed(&stage.impostor.member, seconds())];
    link.say(Kind::Checkpoints(wire::CheckpointNotes { notes })).await;
    let city = stage.federation.node(CITY).await;
    tokio::select! {
        () = sees_alarm(&city, &[LIAR, "forked", "evidence export"]) => {}
        () = answer_questions(&mut link.stream, &stage.impostor.member, Some(&after), seconds()) => panic!("the node ended the link"),
    }
    convinces_a_stranger(&stage.federation, CITY, "forked", LIAR);
    let lodged = stage.impostor.lodge("Tetap diterima");
    link.deliver(1, vec![lodged.item.clone()]).await;
    city.sees(lodged.complaint, |seen| seen.intake == LIAR).await;
    // The rewritten ledger is not accepted. The city keeps the checkpoint that the liar signed first.
    let peer = city.peer(LIAR).await;
    assert_eq!((peer.state.as_str(), peer.peer_size), ("linked", 5), "{peer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_was_set_back_is_found_at_the_next_greeting_and_stays_found() {
    let stage = Stage::set().await;
    let ledger = ledger(0..5);
    let first = linked(&stage, CITY, ledger.cut_to(4).signed(&stage.impostor.member, None)).await;
    let notes = vec![ledger.signed(&stage.impostor.member, seconds() - 1200)];
    first.say(Kind::Checkpoints(wire::CheckpointNotes { notes })).await;
    let city = stage.federation.node(CITY).await;
    city.sees_peer(LIAR, |peer| peer.peer_size == 5).await;
    let mut again = linked(&stage, CITY, ledger.cut_to(3).signed(&stage.impostor.member, seconds())).await;
    assert_eq!(again.fault().await.0, FaultCode::NoCheckpoint.number());
    sees_alarm(&city, &[LIAR, "rolled_back", "5 leaves", "only 3", "evidence export"]).await;
    convinces_a_stranger(&stage.federation, CITY, "rolled_back", LIAR);
    assert_eq!(city.peer(LIAR).await.peer_size, 4, "the newest that contradicts no other");
}

#[tokio::test(flavor = "multi_thread")]
async fn late_or_repeated_checkpoints_of_a_growing_ledger_accuse_nobody() {
    let stage = Stage::set().await;
    let (old, new) = (ledger(0..5), ledger(0..9));
    let notes =
        [old.signed(&stage.impostor.member, seconds() - 90), new.signed(&stage.impostor.member, seconds() - 60)];
    let mut city = linked(&stage, CITY, notes[1].clone()).await;
    let mut province = linked(&stage, PROVINCE, notes[0].clone()).await;
    for note in [&notes[0], &notes[0], &notes[1], &notes[0]] {
        city.say(Kind::Checkpoints(wire::CheckpointNotes { notes: vec![note.clone()] })).await;
    }
    // When both nodes show the larger size, both have received both checkpoints and the answers to their questions.
    let links = [(&mut city, &new), (&mut province, &new)];
    let heard = async {
        for honest in [CITY, PROVINCE] {
            let node = stage.federation.node(honest).await;
            node.sees_peer(LIAR, |peer| peer.peer_size == 9).await;
        }
        // An audit checks all checkpoints that the node has seen.
        for honest in [CITY, PROVINCE] {
            let folder = stage.federation.folder_of(honest);
            let audit = tokio::task::spawn_blocking(move || run_on(&folder, &["audit", LIAR])).await.expect("no panic");
            assert_eq!(audit.code, 0, "{audit:?}");
        }
    };
    while_it_answers(&stage.impostor, links, heard).await;
    for honest in [CITY, PROVINCE] {
        let status = stage.federation.node(honest).await.status().await;
        assert!(!status.alarms.iter().any(|alarm| alarm.text.contains(LIAR)), "{:?}", status.alarms);
    }
}

/// Waits for the next frame of checkpoints, the node's own or others'. Returns the checkpoints by agency.
async fn next_checkpoints(link: &mut Connection) -> BTreeMap<String, Vec<u8>> {
    let told =
        link.hears("checkpoints", |kind| if let Kind::Checkpoints(told) = kind { Some(told) } else { None }).await;
    let by_agency = |note: Vec<u8>| Some((Checkpoint::ledger_of(&note, NAME)?.0.to_string(), note));
    told.notes.into_iter().filter_map(by_agency).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn gossip_that_a_short_link_may_have_lost_is_repeated_once_on_the_next_link() {
    let stage = Stage::set_with_idle(12).await;
    let city = stage.federation.node(CITY).await;
    city.sees_peer(PROVINCE, |peer| peer.state == "linked").await;
    let mut short = stage.link().await;
    let lost = next_checkpoints(&mut short).await;
    assert!(lost.contains_key(PROVINCE), "{:?}", lost.keys());
    // The peer does not answer the ping that follows, so it may not have received the checkpoints.
    drop(short);
    let mut short = stage.link().await;
    assert_eq!(next_checkpoints(&mut short).await.get(PROVINCE), lost.get(PROVINCE));
    let asked = short.ping(false).await;
    short.say(Kind::Ping(wire::Ping { reply: true, ..asked })).await;
    short.is_heard().await;
    drop(short);
    let mut short = stage.link().await;
    let Kind::Ping(alive) = short.says().await else { panic!("there is nothing new to send") };
    assert!(!alive.reply && alive.nonce == 0, "a sign of life after some silence: {alive:?}");
}

/// Checks each `Witnessed` entry of a ledger that no node has open. Returns the number of other ledgers that each entry commits to.
fn witnessed(ledger: &Path) -> Result<Vec<u64>, String> {
    let (ledger, _) = Ledger::open(ledger, LedgerOptions::default()).map_err(|error| error.to_string())?;
    let reader = ledger.reader();
    let (mut seen, mut witnessed) = (BTreeMap::new(), Vec::new());
    for record in reader.records_from(reader.start()) {
        let record = record.map_err(|error| error.to_string())?;
        match record.kind {
            RecordKind::Seen => {
                let Header::Seen(header) = Header::of(&record).expect("a header") else { continue };
                seen.insert(header.peer, record.body);
            }
            RecordKind::Leaf => {
                let entry = Entry::parse_bare(record.body.into(), None, NAME).expect("an entry");
                let Body::Node(body) = entry.body else { continue };
                let wire::entry::Body::Witnessed(body) = *body else { continue };
                assert_eq!(
                    body.root,
                    root_of(seen.values().map(Vec::as_slice)),
                    "it commits to the checkpoints that were seen before it"
                );
                assert_eq!(body.peers, seen.len() as u64);
                witnessed.push(body.peers);
            }
            _ => {}
        }
    }
    Ok(witnessed)
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_of_others_are_committed_to_once_and_survive_a_restart() {
    let mut stage = Stage::set_with(|federation| {
        configured(federation, CITY, "# witness_seconds = 3600", "witness_seconds = 1");
    })
    .await;
    let (one, other) = (ledger(0..5), ledger([0, 1, 2, 3, 99]));
    let link = linked(&stage, PROVINCE, one.signed(&stage.impostor.member, seconds() - 60)).await;
    let city = stage.federation.node(CITY).await;
    // The city hears of the liar only from the province.
    city.sees_peer(LIAR, |peer| peer.peer_size == 5).await;
    // An earlier commitment may have covered only the province.
    let ledger = stage.federation.folder_of(CITY).join("ledger");
    let committed = wait::until(PATIENCE, async || {
        let copy = temp_folder();
        crash::write(&crash::read(&ledger), copy.path());
        // A ledger that was copied during a write cannot be read.
        let witnessed = witnessed(copy.path()).unwrap_or_default();
        Ok::<_, ()>((witnessed.last() == Some(&2)).then_some(()))
    });
    assert_eq!(committed.await, Ok(Some(())), "no commitment covers both the province and the liar");
    drop(link);
    stage.federation.stop_node(PROVINCE).await;
    stage.federation.stop_node(CITY).await;
    let commitments = witnessed(&ledger).expect("the stopped node's ledger");
    assert!(
        commitments.is_sorted_by(|one, next| one < next),
        "each commitment must cover more than the one before: {commitments:?}"
    );
    stage.federation.start_node(CITY).await;
    let _link = linked(&stage, CITY, other.signed(&stage.impostor.member, seconds() - 60)).await;
    sees_alarm(&stage.federation.node(CITY).await, &[LIAR, "forked", "evidence export"]).await;
    convinces_a_stranger(&stage.federation, CITY, "forked", LIAR);
}

#[tokio::test(flavor = "multi_thread")]
async fn scheduled_audits_find_the_same_as_an_operator_s_audit() {
    let stage = Stage::set_with(|federation| {
        configured(federation, CITY, "# audit_seconds = 86400", "audit_seconds = 2");
    })
    .await;
    let city = stage.federation.node(CITY).await;
    let mut honest = ledger(0..3);
    let mut link = linked(&stage, CITY, honest.signed(&stage.impostor.member, seconds() - 120)).await;
    let lodged = city.lodges("Sumur kering").await;
    city.forwards(lodged.complaint, LIAR).await;
    let delivered = link.delivery().await;
    let ack = honest.takes(&stage.impostor.member, &delivered, CITY, seconds() - 60);
    link.say(Kind::Ack(ack)).await;
    let dropped = honest.with_another(sinergi_proto::base::ids::LedgerIndex(honest.size() - 1), filling(99));
    tokio::select! {
        () = sees_alarm(&city, &[LIAR, "omitted", "evidence export"]) => {}
        () = answer_questions(&mut link.stream, &stage.impostor.member, Some(&dropped), seconds()) => panic!("the node ended the link"),
    }
    convinces_a_stranger(&stage.federation, CITY, "omitted", LIAR);
}
