//! A disk that is full, fails, hangs, becomes read-only or goes away, while a node runs and while it starts.
//!
//! Claims about every fault: the node names the file and says what to do. When the disk works again, nothing acknowledged is missing.

use std::collections::BTreeSet;
use std::path::PathBuf;

use sinergi_cli::demo::wait;
use sinergi_daemon::base::node_limits;
use sinergi_proto::base::ids::ComplaintId;
use sinergi_proto::base::limits;
use sinergi_proto::operator_api;
use sinergi_proto::operator_api::act_request::Act;
use sinergi_proto::receipt::{ItemOutcome, ItemResult, Receipt};
use sinergi_proto::wire;
use sinergi_proto::wire::frame::Kind;
use sinergi_tests::disk::{CHANGES, Disk, Fault, IO_ERROR, Op, READ_ONLY};
use sinergi_tests::federation::{PATIENCE, TestFederation, TestNode, complaint_about, ended_with_1, province_and_city};
use sinergi_tests::folder::{self, files_with};
use sinergi_tests::program::{Said, run_on};
use sinergi_tests::stage::Stage;
use tokio::task::JoinSet;
use tonic::{Code, Status};

const CITY: &str = "kota-bandung";
const PROVINCE: &str = "prov-jabar";

/// A city and a province, one of them on a disk that the test controls.
struct Scene {
    federation: TestFederation,
    /// The agency whose disk the test controls.
    sick: &'static str,
    disk: Disk,
    acknowledged: BTreeSet<ComplaintId>,
}

impl Scene {
    /// Starts both nodes, the city on the controlled disk. The city has lodged some complaints.
    async fn set() -> Self {
        Self::set_with(CITY).await
    }

    /// Like [`Self::set`], with this node on the controlled disk.
    async fn set_with(sick: &'static str) -> Self {
        let mut federation = TestFederation::make(province_and_city());
        let disk = Disk::below(&federation.folder_of(sick));
        federation.process_mut(sick).set_environment(disk.environment());
        for id in [PROVINCE, CITY] {
            federation.start_node(id).await;
        }
        federation.linked().await;
        let mut scene = Self { federation, sick, disk, acknowledged: BTreeSet::new() };
        scene.lodges(5).await;
        scene
    }

    async fn city(&self) -> TestNode {
        self.federation.node(CITY).await
    }

    async fn lodges(&mut self, count: usize) {
        let city = self.city().await;
        for number in 0..count {
            self.acknowledged.insert(city.lodges(&format!("Laporan {number}")).await.complaint);
        }
    }

    /// Restarts the city's node with this `drain_seconds`.
    async fn has_to_stop_within(&mut self, seconds: u64) {
        self.federation
            .configure(CITY, |text| text.replace("# drain_seconds = 10", &format!("drain_seconds = {seconds}")));
        self.federation.stop_node(CITY).await;
        self.federation.start_node(CITY).await;
        self.federation.linked().await;
    }

    /// Lodges until the node no longer answers. Returns the last error. The client must connect before the fault is set, because the node's
    /// own writes may end the node at any moment after that.
    async fn lodges_until_it_fails(&mut self, city: &TestNode) -> Status {
        let mut heard = None;
        let failed = wait::until(PATIENCE, async || {
            let mut request = complaint_about("Laporan");
            request.text.as_mut().expect("a text").body = "Jalan rusak. ".repeat(1000);
            match city.lodges_request(request).await {
                Ok(lodged) => drop(self.acknowledged.insert(lodged.complaint)),
                Err(status) => heard = Some(status),
            }
            Ok::<_, ()>(heard.clone())
        });
        failed.await.expect("no error").expect("the fault reaches the client")
    }

    /// Waits until the node on the controlled disk has ended by itself with exit code 1. Returns the end of its log in one line.
    async fn ends_by_itself(&mut self) -> String {
        let ended = tokio::time::timeout(PATIENCE, self.federation.process_mut(self.sick).ended()).await;
        ended_with_1(&ended.expect("the node ends"))
    }

    /// Starts the city's node, and asserts that it has everything that it acknowledged, works, and agrees with the province.
    async fn starts_whole(&mut self) {
        self.federation.start_node(CITY).await;
        self.is_whole().await;
    }

    async fn is_whole(&mut self) {
        self.federation.linked().await;
        let (city, province) = (self.city().await, self.federation.node(PROVINCE).await);
        let here: BTreeSet<_> =
            city.lists().await.iter().map(|row| ComplaintId::from_slice(&row.complaint).expect("an id")).collect();
        let missing = self.acknowledged.difference(&here).count();
        assert_eq!(missing, 0, "of {} acknowledged complaints are missing", self.acknowledged.len());
        for complaint in here {
            city.forwards(complaint, PROVINCE).await;
        }
        city.has_an_empty_outbox().await;
        city.agrees_with(&province).await;
        city.has_a_sound_ledger().await;
        for node in [CITY, PROVINCE] {
            self.federation.is_bounded_in_memory(node);
        }
    }

    /// While a sync hangs, `clients` clients lodge texts of `text_bytes` bytes at the same time. The node can take at most `fit` of them. It must
    /// answer the others, and the command line, with Busy before the sync ends. `late` more clients fill the room that the writer makes if it takes
    /// a group late.
    async fn is_overfilled(&mut self, clients: usize, late: usize, text_bytes: usize, fit: usize) {
        let (city, province) = (self.city().await, self.federation.node(PROVINCE).await);
        let linked_since = city.peer(PROVINCE).await.linked_since;
        let hang = self.disk.on(&[Op::Sync], ".seg").hangs();
        let mut calls = JoinSet::new();
        let call = |calls: &mut JoinSet<_>, title: String| {
            let (city, mut request) = (city.clone(), complaint_about(&title));
            request.text.as_mut().expect("a text").body = "x".repeat(text_bytes);
            calls.spawn(async move { city.lodges_request(request).await.map(|lodged| lodged.complaint) });
        };
        call(&mut calls, "Pertama".to_owned());
        hang.strikes().await;
        (0..clients).for_each(|number| call(&mut calls, format!("Laporan {number}")));
        let mut busy = 0;
        while busy < clients - fit {
            let heard = tokio::time::timeout(PATIENCE, calls.join_next()).await.unwrap_or_else(|_| {
                panic!("while the disk hangs, {busy} of {clients} calls have heard Busy, at most {fit} can wait")
            });
            is_busy(
                &heard.expect("calls wait").expect("a call ends").expect_err("acknowledged before it was on the disk"),
            );
            busy += 1;
        }
        (0..late).for_each(|number| call(&mut calls, format!("Menyusul {number}")));
        let said = self.command_line_lodges(text_bytes).await;
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
        let lines: Vec<_> = said.err.lines().collect();
        assert_eq!(lines.len(), 2, "{said:?}");
        says(lines[0], &["error: the node is too busy to lodge", "wait for the disk", "nothing was done"]);
        says(lines[1], &["help:", "repeat the command in a moment"]);
        // The city has no room for the province's offer either, so the offer waits. Their link stays up.
        let sent = province.peer(CITY).await.sent_entries;
        let from_province = province.lodges("Dari provinsi").await.complaint;
        province.forwards(from_province, CITY).await;
        province.sees_peer(CITY, |peer| peer.sent_entries >= sent + 2).await;
        self.pings().await;
        hang.ends();
        while let Some(heard) = calls.join_next().await {
            match heard.expect("a call ends") {
                Ok(complaint) => drop(self.acknowledged.insert(complaint)),
                Err(status) => {
                    is_busy(&status);
                    busy += 1;
                }
            }
        }
        assert_eq!(self.acknowledged.len() + busy, 5 + 1 + clients + late, "every call was answered");
        city.accepts(from_province).await;
        let here = city.lists().await.into_iter().map(|row| ComplaintId::from_slice(&row.complaint).expect("an id"));
        let own: BTreeSet<_> = here.filter(|complaint| *complaint != from_province).collect();
        assert!(own == self.acknowledged, "{} are here, {} were acknowledged", own.len(), self.acknowledged.len());
        assert_eq!(city.peer(PROVINCE).await.linked_since, linked_since, "the link has gone on");
        city.has_a_sound_ledger().await;
        self.federation.is_bounded_in_memory(CITY);
    }

    /// Runs `sinergi complaint lodge` with a text of `text_bytes` bytes.
    async fn command_line_lodges(&self, text_bytes: usize) -> Said {
        let file = self.federation.folder().join("text");
        std::fs::write(&file, "x".repeat(text_bytes)).expect("written");
        let folder = self.federation.folder_of(CITY);
        let lodge = move || {
            let text = file.to_str().expect("a path");
            run_on(&folder, &["complaint", "lodge", "--category", "road", "--title", "Jalan", "--text-file", text])
        };
        let said = tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(lodge)).await;
        said.expect("the command line ends at once").expect("it runs")
    }

    /// Asserts that city and province answer each other over their link.
    async fn pings(&self) {
        for (from, to) in [(CITY, PROVINCE), (PROVINCE, CITY)] {
            let request = operator_api::PingPeerRequest { agency: to.to_owned() };
            self.federation.node(from).await.api.ping_peer(request).await.expect("an answer over the link");
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.federation.folder_of(CITY).join(name)
    }
}

fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
}

/// Asserts that the node ended before or during its answer.
fn is_cut_off(status: &Status) {
    // A connection that is closed in the middle of a call may read as an internal error of HTTP/2.
    let is_closed = status.code() == Code::Internal && status.message().contains("h2 protocol error");
    assert!(is_closed || matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled), "{status}");
}

fn is_busy(status: &Status) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    says(status.message(), &["busy", "wait for the disk", "nothing was done, try again"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_the_node_which_names_the_file_and_acknowledges_nothing_more() {
    let mut scene = Scene::set().await;
    let city = scene.city().await;
    // Room for some groups and a part of one more: the last write is short.
    let full = scene.disk.on(&[Op::Write], "/ledger/").has_room_for(50_000);
    let heard = scene.lodges_until_it_fails(&city).await;
    is_cut_off(&heard);
    let said = scene.ends_by_itself().await;
    says(&said, &["00000001.seg", "No space left on device", "space", "start again", "nothing acknowledged is lost"]);
    full.ends();
    scene.starts_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_finds_no_room_when_it_starts_says_for_which_file_and_moves_nothing_aside() {
    let mut scene = Scene::set().await;
    scene.federation.stop_node(CITY).await;
    // A start rebuilds the derived files, and so needs room for them.
    for (lost, named) in
        [("ledger/hashes", "hashes and positions"), ("ledger/positions", "hashes and positions"), ("store", "store")]
    {
        let path = scene.path(lost);
        let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.expect("a derived part");
        let full = scene.disk.on(&[Op::Write, Op::Create, Op::MakeFolder], &format!("/{lost}")).has_room_for(0);
        says(&scene.federation.does_not_start(CITY).await, &[named, "No space left on device", "start"]);
        assert!(!scene.path("store.damaged-1").exists(), "a full disk is no damage");
        full.ends();
    }
    scene.starts_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_starts_on_a_full_disk_acknowledges_nothing_and_has_everything_when_there_is_room() {
    let mut scene = Scene::set().await;
    scene.federation.process_mut(CITY).kill().await;
    let full = scene.disk.on(&[Op::Write], "/ledger/").has_room_for(0);
    scene.federation.process_mut(CITY).start().expect("the program starts");
    // The node writes as soon as it hears from the province, or when a client lodges.
    if scene.federation.process_mut(CITY).up().await.is_ok() {
        if let Ok(api) = scene.federation.process(CITY).client().await {
            let heard = scene.lodges_until_it_fails(&TestNode { id: CITY.to_owned(), api }).await;
            is_cut_off(&heard);
        }
        says(&scene.ends_by_itself().await, &["00000001.seg", "No space left on device", "space", "start again"]);
    }
    full.ends();
    scene.starts_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_finds_no_room_stops_the_node_and_the_ledger_has_everything() {
    let mut scene = Scene::set().await;
    let city = scene.city().await;
    let full = scene.disk.on(&[Op::Write], "/store/").has_room_for(0);
    let heard = scene.lodges_until_it_fails(&city).await;
    is_cut_off(&heard);
    says(
        &scene.ends_by_itself().await,
        &["/store", "No space left on device", "mend the disk (space", "nothing acknowledged is lost"],
    );
    full.ends();
    scene.starts_whole().await;
    assert!(!scene.path("store.damaged-1").exists(), "a full disk is no damage");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_whose_disk_fails_stops_and_the_sender_keeps_the_items_until_the_disk_works_again() {
    type Strike = fn(&Disk) -> Fault;
    let faults: [(Strike, &str); 2] = [
        (|disk| disk.on(&[Op::Sync], ".seg").fails(IO_ERROR), "Input/output error"),
        (|disk| disk.on(&[Op::Write], "/ledger/").has_room_for(0), "No space left on device"),
    ];
    for (strikes, says_the_system) in faults {
        let mut scene = Scene::set_with(PROVINCE).await;
        let city = scene.city().await;
        // The province, as the supervisor, has got the complaints already. Only the offers cannot arrive.
        city.has_an_empty_outbox().await;
        let fault = strikes(&scene.disk);
        for complaint in &scene.acknowledged {
            city.forwards(*complaint, PROVINCE).await;
        }
        says(&scene.ends_by_itself().await, &["00000001.seg at offset", says_the_system, "start again"]);
        let peer = city.sees_peer(PROVINCE, |peer| peer.state != "linked").await;
        assert_eq!(
            peer.queue_depth,
            scene.acknowledged.len() as u64,
            "without a receipt nothing has arrived: {peer:?}"
        );
        fault.ends();

        scene.federation.start_node(PROVINCE).await;
        scene.federation.linked().await;
        city.has_an_empty_outbox().await;
        let province = scene.federation.node(PROVINCE).await;
        province.has_complaints(scene.acknowledged.len()).await;
        city.agrees_with(&province).await;
        province.has_a_sound_ledger().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_error_stops_the_node_which_names_file_and_offset() {
    let mut scene = Scene::set().await;
    let city = scene.city().await;
    let failure = scene.disk.on(&[Op::Write], ".seg").after(3).fails(IO_ERROR);
    let heard = scene.lodges_until_it_fails(&city).await;
    is_cut_off(&heard);
    says(
        &scene.ends_by_itself().await,
        &["cannot write", "00000001.seg at offset", "Input/output error", "repair the disk"],
    );
    failure.ends();
    scene.starts_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_is_the_end_even_if_the_next_one_would_succeed() {
    let mut scene = Scene::set().await;
    // Once, as operating systems do: they report the error once, and the next sync succeeds.
    let failure = scene.disk.on(&[Op::Sync], ".seg").after(3).once().fails(IO_ERROR);
    let city = scene.city().await;
    let heard = loop {
        let has_failed = failure.hits() > 0;
        match city.lodges_request(complaint_about("Laporan")).await {
            Ok(_) if has_failed => panic!("acknowledged after a sync had failed"),
            Ok(lodged) => drop(scene.acknowledged.insert(lodged.complaint)),
            Err(heard) => break heard,
        }
    };
    is_cut_off(&heard);
    says(
        &scene.ends_by_itself().await,
        &["cannot sync", "00000001.seg at offset", "Input/output error", "repair the disk"],
    );
    failure.ends();
    scene.starts_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_a_derived_file_stops_the_node_and_the_next_start_rebuilds_the_file() {
    for file in ["hashes", "positions"] {
        let mut scene = Scene::set().await;
        let city = scene.city().await;
        let failure = scene.disk.on(&[Op::Write], &format!("ledger/{file}")).after(2).fails(IO_ERROR);
        scene.lodges_until_it_fails(&city).await;
        says(&scene.ends_by_itself().await, &["cannot write", &format!("ledger/{file}"), "Input/output error"]);
        failure.ends();
        scene.starts_whole().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_to_write_stops_the_node_and_the_ledger_has_everything() {
    let mut scene = Scene::set().await;
    let city = scene.city().await;
    let failure = scene.disk.on(&[Op::Write, Op::RangeSync], "/store/").fails(IO_ERROR);
    scene.lodges_until_it_fails(&city).await;
    says(&scene.ends_by_itself().await, &["/store", "Input/output error", "nothing acknowledged is lost"]);
    failure.ends();
    scene.starts_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_that_becomes_read_only_stops_the_node_and_keeps_it_from_starting() {
    let mut scene = Scene::set().await;
    let city = scene.city().await;
    // The log is not on the read-only disk, because an operator's log goes to the journal.
    let ledger = scene.disk.on(&CHANGES, "/ledger").fails(READ_ONLY);
    let store = scene.disk.on(&CHANGES, "/store").fails(READ_ONLY);
    scene.lodges_until_it_fails(&city).await;
    says(&scene.ends_by_itself().await, &["00000001.seg", "Read-only file system", "repair the disk"]);
    says(&scene.federation.does_not_start(CITY).await, &["/ledger", "Read-only file system"]);
    ledger.ends();
    drop(store);
    let store = scene.disk.on(&CHANGES, "/store").fails(READ_ONLY);
    says(&scene.federation.does_not_start(CITY).await, &["/store", "Read-only file system"]);
    store.ends();
    assert!(!scene.path("store.damaged-1").exists(), "a read-only disk is no damage");
    scene.starts_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_sync_hangs_nothing_is_acknowledged_or_signed_and_questions_are_answered() {
    let mut scene = Scene::set().await;
    let city = scene.city().await;
    let before = city.status().await;
    let hang = scene.disk.on(&[Op::Sync], ".seg").hangs();
    let (mut waiting, client) = (JoinSet::new(), city.clone());
    waiting.spawn(async move { client.lodges("Menunggu").await.complaint });
    hang.strikes().await;
    let during = city.status().await;
    assert_eq!((during.ledger_size, during.complaints), (before.ledger_size, before.complaints));
    assert_eq!(during.ledger_root, before.ledger_root, "a checkpoint covers entries that are not on the disk");
    assert_eq!(city.lists().await.len(), 5);
    assert_eq!(city.peer(PROVINCE).await.state, "linked");
    city.has_a_sound_ledger().await;
    assert!(waiting.try_join_next().is_none(), "acknowledged before it was on the disk");
    hang.ends();
    let answered = waiting.join_next().await.expect("one waits").expect("answered when the disk goes on");
    scene.acknowledged.insert(answered);
    scene.is_whole().await;
}

/// A stage with the city on a controlled disk. The city has begun to sign.
async fn stage_on_a_disk() -> (Stage, Disk) {
    let (stage, disk) = Stage::set_on_a_disk().await;
    stage.federation.node(CITY).await.lodges("Sudah boleh menandatangani").await;
    (stage, disk)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_receipt_is_given_for_an_item_that_is_still_being_synced() {
    let (mut stage, disk) = stage_on_a_disk().await;
    let made = stage.impostor.lodge("Belum tersimpan");
    let mut link = stage.link().await;
    let hang = disk.on(&[Op::Sync], ".seg").hangs();
    link.send_items(1, vec![made.item]).await;
    hang.strikes().await;
    // The link stays up meanwhile. A receipt that is given too early would come between these answers.
    for _ in 0..200 {
        link.say(Kind::Ping(wire::Ping::default())).await;
        loop {
            match link.next_frame().await.expect("the link holds").expect("the link holds").kind {
                Some(Kind::Ping(ping)) if ping.reply => break,
                Some(Kind::Ack(ack)) => panic!("before it is on the disk: {ack:?}"),
                _ => {}
            }
        }
    }
    hang.ends();
    let receipt = link.receipt().await;
    assert!(matches!(receipt.results[..], [ItemResult { outcome: ItemOutcome::Leaf(_), .. }]), "{receipt:?}");
    stage.others_are_unaffected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_destroyed_only_after_the_order_to_erase_it_is_on_the_disk() {
    const SECRET: &str = "Nomor rekam medis 4711-0815";
    let mut scene = Scene::set().await;
    let (city, province) = (scene.city().await, scene.federation.node(PROVINCE).await);
    let mut request = complaint_about("Data pribadi");
    request.text.as_mut().expect("a text").body = SECRET.to_owned();
    let lodged = city.lodges_request(request).await.expect("lodged").complaint;
    scene.acknowledged.insert(lodged);
    let erase = Act::Erase(operator_api::Erase { ground: wire::EraseGround::CourtOrder.into(), entries: Vec::new() });
    city.acts(lodged, erase, None).await.expect("the intake agency proposes");
    province.sees(lodged, |seen| seen.entries == 2).await;
    city.has_an_empty_outbox().await;
    let text_of = async || city.shows(lodged).await.expect("it is here").timeline[0].content[0].availability.clone();
    let ledger = scene.path("ledger");

    let hang = scene.disk.on(&[Op::Sync], ".seg").hangs();
    province.acts(lodged, Act::Approve(operator_api::Approve::default()), None).await.expect("the supervisor approves");
    hang.strikes().await;
    for _ in 0..50 {
        assert_eq!(text_of().await, "here");
    }
    assert!(!files_with(&ledger, SECRET.as_bytes()).is_empty(), "destroyed before the order for it is on the disk");
    assert!(province.peer(CITY).await.queue_depth > 0, "the order is receipted only after it is carried out");
    hang.ends();
    province.has_an_empty_outbox().await;
    assert!(files_with(&ledger, SECRET.as_bytes()).is_empty(), "receipted before the text was destroyed");
    assert_eq!(text_of().await, "erased");
    scene.is_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_that_need_items_that_are_still_being_synced_do_not_wait_for_the_sync() {
    let (mut stage, disk) = stage_on_a_disk().await;
    let city = stage.federation.node(CITY).await;
    let parent = stage.impostor.lodge("Induk menyusul");
    let orphan = stage.impostor.forward(parent.complaint, parent.id, CITY);
    let whole = stage.impostor.lodge("Isi menyusul");
    let bare = wire::Item { content: Vec::new(), ..whole.item.clone() };

    // First everything is written that the start of the link and its receipts cause, so that nothing else is being written when the disk
    // hangs.
    let mut link = stage.link().await;
    let before = stage.impostor.lodge("Pembuka");
    link.deliver(1, vec![before.item]).await;
    city.keeps_its_receipts().await;
    let hang = disk.on(&[Op::Sync], ".seg").hangs();
    link.send_items(2, vec![orphan.item, bare]).await;
    hang.strikes().await;
    // The parent releases the waiting orphan, and the whole item brings the content of a leaf. Both need items that are not on the disk
    // yet.
    link.send_items(4, vec![parent.item, whole.item]).await;
    // The engine does not wait for the disk, so other submissions leave the queue.
    let mut lodging = JoinSet::new();
    for _ in 0..3 {
        let client = city.clone();
        lodging.spawn(async move { client.lodges("Antre").await.complaint });
    }
    let decided = wait::until(PATIENCE, async || Ok::<_, ()>((city.status().await.writer_queue == 0).then_some(())));
    assert!(decided.await.expect("no error").is_some(), "the queue waits for the sync");
    hang.ends();
    while let Some(lodged) = lodging.join_next().await {
        lodged.expect("answered when the disk goes on");
    }

    let outcomes = |receipt: Receipt| receipt.results.iter().map(|result| result.outcome).collect::<Vec<_>>();
    let (first, second) = (outcomes(link.receipt().await), outcomes(link.receipt().await));
    assert!(matches!(first[..], [ItemOutcome::Deferred(_), ItemOutcome::Leaf(_)]), "{first:?}");
    assert!(matches!(second[..], [ItemOutcome::Leaf(_), ItemOutcome::Leaf(_)]), "{second:?}");
    assert_eq!(second[1], first[1], "it is the same leaf");
    city.sees(parent.complaint, |seen| seen.entries >= 2 && seen.offered_to == CITY).await;
    let detail = city.shows(whole.complaint).await.expect("it is here");
    assert_eq!(detail.timeline[0].content[0].availability, "here");
    city.has_a_sound_ledger().await;
    stage.others_are_unaffected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_that_are_disclosed_all_at_once_are_spread_over_several_groups() {
    let mut scene = Scene::set().await;
    let city = scene.city().await;
    let mut request = complaint_about("Lampiran");
    request.text.as_mut().expect("a text").body = "x".repeat(200 * 1024);
    let complaint = city.lodges_request(request).await.expect("a good complaint is lodged").complaint;
    scene.acknowledged.insert(complaint);
    let mut waiting = JoinSet::new();
    let mut disclose = || {
        let (client, to) = (city.clone(), PROVINCE.to_owned());
        let disclose = Act::Disclose(operator_api::Disclose { entry: Vec::new(), commitment: 0, to });
        waiting.spawn(async move { client.acts(complaint, disclose, None).await });
    };
    let hang = scene.disk.on(&[Op::Sync], ".seg").hangs();
    disclose();
    hang.strikes().await;
    // While the disk hangs, the engine decides the next group until it is full. The others wait in the queue.
    (1..100).for_each(|_| disclose());
    let rest_waits =
        wait::until(PATIENCE, async || Ok::<_, ()>((city.status().await.writer_queue >= 60).then_some(())));
    assert!(rest_waits.await.expect("no error").is_some(), "a group takes no more than it has room for");
    hang.ends();
    while let Some(done) = waiting.join_next().await {
        done.expect("the client ends").expect("disclosed");
    }
    let province = scene.federation.node(PROVINCE).await;
    province.sees(complaint, |seen| seen.entries == 101).await;
    scene.is_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_node_answers_busy_at_once_and_loses_nothing() {
    let mut scene = Scene::set().await;
    // The submissions in the queue, and those that were taken for the next group.
    let fit = node_limits::WRITER_QUEUE_SUBMISSIONS + node_limits::BATCH_SUBMISSIONS;
    scene.is_overfilled(fit + 200, node_limits::BATCH_SUBMISSIONS, 100, fit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_full_of_large_texts_answers_busy_at_once_and_loses_nothing() {
    let mut scene = Scene::set().await;
    let fit = node_limits::WRITER_QUEUE_BYTES / limits::BODY_BYTES;
    scene.is_overfilled(fit + 20, 0, limits::BODY_BYTES, fit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_told_to_stop_while_a_sync_hangs_ends_in_time_and_says_that_the_disk_hangs() {
    let mut scene = Scene::set().await;
    scene.has_to_stop_within(2).await;
    let city = scene.city().await;
    let hang = scene.disk.on(&[Op::Sync], ".seg").hangs();
    let (mut waiting, client) = (JoinSet::new(), city.clone());
    waiting
        .spawn(async move { client.lodges_request(complaint_about("Menunggu")).await.map(|lodged| lodged.complaint) });
    hang.strikes().await;
    // The harness kills a node that does not end within 20 s.
    scene.federation.stop_node(CITY).await;
    says(&scene.federation.log_of(CITY), &["the disk hangs", "nothing acknowledged is lost"]);
    waiting.join_next().await.expect("one waits").expect("the client ends").expect_err("not acknowledged");
    hang.ends();
    scene.starts_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_told_to_stop_with_a_full_queue_ends_in_time_and_keeps_all_that_it_acknowledged() {
    let mut scene = Scene::set().await;
    // Enough time for a slow machine, because the disk hangs only for a while.
    scene.has_to_stop_within(PATIENCE.as_secs()).await;
    let city = scene.city().await;
    let hang = scene.disk.on(&[Op::Sync], ".seg").hangs();
    let clients = node_limits::WRITER_QUEUE_SUBMISSIONS + node_limits::BATCH_SUBMISSIONS + 200;
    let mut calls = JoinSet::new();
    let mut call = |title: String| {
        let (city, request) = (city.clone(), complaint_about(&title));
        calls.spawn(async move { city.lodges_request(request).await.map(|lodged| lodged.complaint) });
    };
    call("Pertama".to_owned());
    hang.strikes().await;
    (0..clients).for_each(|number| call(format!("Laporan {number}")));
    let busy = tokio::time::timeout(PATIENCE, calls.join_next()).await.expect("the queue is full");
    is_busy(&busy.expect("calls wait").expect("a call ends").expect_err("acknowledged before it was on the disk"));
    scene.federation.process(CITY).terminate();
    hang.ends();
    while let Some(heard) = calls.join_next().await {
        match heard.expect("a call ends") {
            Ok(complaint) => drop(scene.acknowledged.insert(complaint)),
            // It may have been done or not.
            Err(status) if status.code() != Code::ResourceExhausted => is_cut_off(&status),
            Err(status) => is_busy(&status),
        }
    }
    let ends =
        wait::until(PATIENCE, async || Ok::<_, ()>((!scene.federation.process_mut(CITY).is_running()).then_some(())));
    assert_eq!(ends.await, Ok(Some(())), "it ends in time");
    let log = scene.federation.log_of(CITY);
    assert!(!log.contains("the disk hangs"), "{log}");

    scene.federation.start_node(CITY).await;
    let city = scene.city().await;
    let here = city.lists().await.into_iter().map(|row| ComplaintId::from_slice(&row.complaint).expect("an id"));
    let here: BTreeSet<_> = here.collect();
    let missing = scene.acknowledged.difference(&here).count();
    assert!(scene.acknowledged.len() > 5 && missing == 0, "{missing} of {} are missing", scene.acknowledged.len());
    city.has_a_sound_ledger().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_folder_that_is_moved_away_stops_the_node_which_has_everything_when_it_is_put_back() {
    let mut scene = Scene::set().await;
    let (ledger, away) = (scene.path("ledger"), scene.path("elsewhere"));
    let city = scene.city().await;
    std::fs::rename(&ledger, &away).expect("moved away");
    let heard = city.lodges_request(complaint_about("Laporan")).await.expect_err("not acknowledged");
    is_cut_off(&heard);
    says(&scene.ends_by_itself().await, &["00000001.seg", "removed or moved away", "put it back", "start again"]);
    std::fs::rename(&away, &ledger).expect("put back");
    scene.starts_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_folder_that_is_deleted_stops_the_node_before_anything_more_is_acknowledged() {
    let mut scene = Scene::set().await;
    let (ledger, backup) = (scene.path("ledger"), scene.path("backup"));
    scene.federation.stop_node(CITY).await;
    folder::copy(&ledger, &backup);
    scene.federation.start_node(CITY).await;
    std::fs::remove_dir_all(&ledger).expect("removed");
    let heard = scene.city().await.lodges_request(complaint_about("Laporan")).await.expect_err("not acknowledged");
    is_cut_off(&heard);
    says(&scene.ends_by_itself().await, &["00000001.seg", "removed or moved away", "a backup", "sinergi recover"]);
    std::fs::rename(&backup, &ledger).expect("put back");
    scene.starts_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_folder_that_disappears_is_rebuilt_at_the_next_start() {
    let mut scene = Scene::set().await;
    std::fs::remove_dir_all(scene.path("store")).expect("removed");
    // sled continues in its open file, or the node stops. In both cases nothing acknowledged is lost.
    let city = scene.city().await;
    for number in 0..20 {
        match city.lodges_request(complaint_about(&format!("Laporan {number}"))).await {
            Ok(lodged) => drop(scene.acknowledged.insert(lodged.complaint)),
            Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status}"),
        }
    }
    scene.federation.process_mut(CITY).kill().await;
    scene.starts_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: an idle node looks after its store twice a minute"]
async fn an_idle_node_stops_as_well_when_its_store_has_failed() {
    let mut scene = Scene::set().await;
    let failure = scene.disk.on(&[Op::Write, Op::RangeSync], "/store/").fails(IO_ERROR);
    // One more complaint, so that there is something to flush.
    scene.lodges(1).await;
    failure.strikes().await;
    says(&scene.ends_by_itself().await, &["/store", "Input/output error", "nothing acknowledged is lost"]);
    failure.ends();
    scene.starts_whole().await;
}
