//! Charters: newer versions spread over the links, rival versions are kept and reported, bad charters are refused.

use std::path::PathBuf;

use data_encoding::{BASE64, HEXLOWER};
use sinergi_cli::demo::wait;
use sinergi_config::Config;
use sinergi_daemon::base::node_limits;
use sinergi_daemon::storage::charters::{CharterStore, CharterStoreError};
use sinergi_proto::base::limits;
use sinergi_proto::base::refusal::{DeferralCode, FaultCode};
use sinergi_proto::charter::{Charter, MemberStatus};
use sinergi_proto::operator_api::NodeStatus;
use sinergi_proto::receipt::{Deferral, ItemOutcome};
use sinergi_proto::wire::{self, frame::Kind as FrameKind};
use sinergi_tests::disk::{NO_SPACE, Op};
use sinergi_tests::federation::{PATIENCE, TestFederation, TestNode, agency, province_and_city};
use sinergi_tests::peer::Connection;
use sinergi_tests::stage::Stage;

const CITY: &str = "kota-bandung";
const PROVINCE: &str = "prov-jabar";

async fn has_charter(node: &TestNode, version: u64) {
    let adopted =
        wait::until(PATIENCE, async || Ok::<_, ()>((node.status().await.charter_version == version).then_some(())));
    assert!(adopted.await.expect("no error").is_some(), "{} does not adopt charter version {version}", node.id);
}

/// The ministry sends a charter to the city. Returns the link.
async fn brings(stage: &Stage, note: &[u8]) -> Connection {
    let link = stage.link().await;
    link.say(FrameKind::Charter(wire::CharterNote { note: note.to_vec() })).await;
    link
}

/// The city adopts version 2 from the ministry, and ends the link in order to renew it.
async fn is_adopted(stage: &Stage, second: &[u8]) {
    let mut link = brings(stage, second).await;
    assert_eq!(link.fault().await.0, FaultCode::Superseded.number());
    has_charter(&stage.federation.node(CITY).await, 2).await;
}

#[tokio::test]
async fn a_newer_charter_reaches_every_node_over_the_links_and_entries_that_waited_for_it_are_accepted() {
    let Stage { mut federation, mut impostor } = Stage::set().await;
    let (city, province) = (federation.node(CITY).await, federation.node(PROVINCE).await);
    let note = federation.next_charter(|text| text.grace_days = 60);
    let address = federation.address_of(CITY);
    let mut link = impostor.dial(&agency(CITY), &address).await.expect("a member");
    link.greet(&impostor).await;

    let lodged_under_it = {
        let mut draft = impostor.draft_of_lodged();
        draft.charter = Charter::parse(&note).expect("a charter").name();
        impostor.sign(draft, Vec::new())
    };
    let receipt = link.deliver(1, vec![lodged_under_it.item.clone()]).await;
    let waits = ItemOutcome::Deferred(Deferral::kept(DeferralCode::MissingCharter.number()));
    assert_eq!(receipt.results[0].outcome, waits);

    link.say(FrameKind::Charter(wire::CharterNote { note })).await;
    has_charter(&city, 2).await;
    has_charter(&province, 2).await;
    city.sees(lodged_under_it.complaint, |seen| seen.intake == "kominfo").await;
    city.sees_status(|status| status.deferred == 0).await;

    // The adopted charter is kept across a restart, and work goes on under it.
    federation.stop_node(CITY).await;
    assert_eq!(federation.start_node(CITY).await.charter_version, 2);
    let city = federation.node(CITY).await;
    let lodged = city.lodges("Di bawah piagam baru").await;
    city.forwards(lodged.complaint, PROVINCE).await;
    province.accepts(lodged.complaint).await;
}

#[tokio::test]
async fn a_charter_that_too_few_signed_is_not_adopted() {
    let Stage { federation, mut impostor } = Stage::set().await;
    let city = federation.node(CITY).await;
    let note = federation.next_charter(|text| text.grace_days = 60);
    let text = String::from_utf8(note.clone()).expect("text");
    // Only one signature line of the several that a charter needs.
    let (body, lines) = text.rsplit_once("\n\n").expect("a signed note");
    let one = lines.lines().next().expect("a signature");
    let below = format!("{body}\n\n{one}\n").into_bytes();
    let address = federation.address_of(CITY);
    let mut link = impostor.dial(&agency(CITY), &address).await.expect("a member");
    link.greet(&impostor).await;
    // After a refused charter, a good one over the same link is not adopted either.
    for note in [&below, &note] {
        link.say(FrameKind::Charter(wire::CharterNote { note: note.clone() })).await;
    }
    // The node reads frames in order: its receipt for this item shows that it has read both charters.
    let made = impostor.lodge("Sesudah piagam palsu");
    link.deliver(1, vec![made.item]).await;
    assert_eq!(city.status().await.charter_version, 1);
    let mut link = impostor.dial(&agency(CITY), &address).await.expect("a member");
    link.greet(&impostor).await;
    link.say(FrameKind::Charter(wire::CharterNote { note })).await;
    has_charter(&city, 2).await;
}

#[tokio::test]
async fn a_charter_that_cannot_be_stored_is_reported_to_the_operator_and_adopted_when_it_can_be() {
    let (mut stage, disk) = Stage::set_on_a_disk().await;
    let city = stage.federation.node(CITY).await;
    let [note, rival] = [60, 90].map(|days| stage.federation.next_charter(|text| text.grace_days = days));
    let full = disk.on(&[Op::Create, Op::Write], "charter/00000002").fails(NO_SPACE);
    let mut link = stage.link().await;
    link.say(FrameKind::Charter(wire::CharterNote { note: note.clone() })).await;
    full.strikes().await;
    let honest = stage.impostor.lodge("Sesudah disk penuh");
    link.deliver(1, vec![honest.item]).await;
    assert_eq!(city.status().await.charter_version, 1);
    let log = stage.federation.log_of(CITY);
    let told = log.lines().find(|line| line.contains("cannot keep a charter")).unwrap_or_else(|| panic!("{log}"));
    for word in ["ERROR", "kominfo", "/charter/00000002.note", "No space left on device"] {
        assert!(told.contains(word), "{word:?} is missing in: {told}");
    }
    full.ends();
    // The peer sends the charter again on the next link.
    is_adopted(&stage, &note).await;

    let full = disk.on(&[Op::Create, Op::Write], "charter/00000002.rival").fails(NO_SPACE);
    let _link = brings(&stage, &rival).await;
    let unkept =
        |status: &NodeStatus| status.alarms.iter().any(|alarm| alarm.text.contains("the other could not be kept"));
    city.sees_status(unkept).await;
    full.ends();
    let _link = brings(&stage, &rival).await;
    has_a_rival(&stage.federation, CITY, &note, &rival).await;
    stage.others_are_unaffected().await;
}

/// Waits until a node's operator sees that the managers signed two charters of version 2. Returns the path of the other one.
async fn has_a_rival(federation: &TestFederation, id: &str, trusted: &[u8], rival: &[u8]) -> PathBuf {
    let hash = |note: &[u8]| HEXLOWER.encode(&Charter::parse(note).expect("a charter").hash);
    let kept = federation.folder_of(id).join(format!("charter/00000002.rival-{}.note", hash(rival)));
    let words = [
        format!("two charters of version 2: {} is trusted here, {} is not. Ask", hash(trusted), hash(rival)),
        format!("the other is kept in {}: move it away", kept.display()),
    ];
    let told =
        |status: &NodeStatus| status.alarms.iter().any(|alarm| words.iter().all(|word| alarm.text.contains(word)));
    federation.node(id).await.sees_status(told).await;
    assert!(std::fs::read(&kept).expect("it is kept") == rival, "the kept file has the same bytes");
    kept
}

#[tokio::test]
async fn a_rival_of_a_trusted_charter_is_kept_and_reported_to_the_operator_until_it_is_moved_away() {
    let mut stage = Stage::set().await;
    let city = stage.federation.node(CITY).await;
    let [trusted, rival] = [60, 90].map(|days| stage.federation.next_charter(|text| text.grace_days = days));
    is_adopted(&stage, &trusted).await;
    // Like a node of an earlier release: its greeting does not say which charter of version 2 it has.
    let mut link = stage.connect().await;
    link.greet_with(
        wire::Hello { charter_version: 2, charter_hash: Vec::new(), ..stage.impostor.hello() },
        stage.impostor.checkpoint(),
    )
    .await;
    link.say(FrameKind::Charter(wire::CharterNote { note: rival.clone() })).await;
    assert!(link.charter().await == trusted, "the peer that sent the rival gets the trusted charter");
    let kept = has_a_rival(&stage.federation, CITY, &trusted, &rival).await;
    let honest = stage.impostor.lodge("Sesudah piagam kedua");
    let receipt = link.deliver(1, vec![honest.item]).await;
    assert!(matches!(receipt.results[0].outcome, ItemOutcome::Leaf(_)), "the link goes on: {receipt:?}");
    assert_eq!(city.status().await.charter_version, 2);

    stage.federation.stop_node(CITY).await;
    assert_eq!(stage.federation.start_node(CITY).await.charter_version, 2);
    has_a_rival(&stage.federation, CITY, &trusted, &rival).await;
    stage.federation.stop_node(CITY).await;
    std::fs::remove_file(&kept).expect("it was there");
    let started = stage.federation.start_node(CITY).await;
    assert_eq!((started.charter_version, started.alarms), (2, Vec::new()));
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_peer_with_another_charter_in_force_is_sent_ours_once() {
    let mut stage = Stage::set().await;
    let trusted = stage.federation.next_charter(|text| text.grace_days = 60);
    is_adopted(&stage, &trusted).await;
    let hello = stage.impostor.hello();
    let goes_by = |hash: Vec<u8>| wire::Hello { charter_version: 2, charter_hash: hash, ..hello.clone() };
    // Waits for the charter: a link that ends at once may end before the charter arrives.
    let mut link = stage.connect().await;
    link.greet_with(goes_by(vec![7; 32]), stage.impostor.checkpoint()).await;
    assert!(link.charter().await == trusted);
    drop(link);
    stage.federation.node(CITY).await.sees_peer("kominfo", |peer| peer.state != "linked").await;
    let mut passed_on = Vec::new();
    for (index, hash) in (1..).zip([vec![7; 32], vec![7; 32], vec![8; 32], vec![9; 31], Vec::new()]) {
        let mut link = stage.connect().await;
        link.greet_with(goes_by(hash), stage.impostor.checkpoint()).await;
        let honest = stage.impostor.lodge("Dengan piagam lain");
        link.send_items(index, vec![honest.item]).await;
        let mut charters = Vec::new();
        let receipt = |kind| match kind {
            FrameKind::Charter(charter) => {
                charters.push(charter.note);
                None
            }
            FrameKind::Ack(_) => Some(()),
            _ => None,
        };
        link.hears("a receipt", receipt).await;
        assert!(charters.iter().all(|note| *note == trusted));
        passed_on.push(charters.len());
    }
    assert_eq!(passed_on, [1, 0, 1, 0, 0], "once for each other charter that a peer names");
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_charter_in_the_folder_that_the_node_has_not_read_yet_is_not_overwritten() {
    let mut stage = Stage::set().await;
    let file = stage.federation.folder_of(CITY).join("charter/00000002.note");
    let [dropped, brought] = [60, 90].map(|days| stage.federation.next_charter(|text| text.grace_days = days));
    std::fs::write(&file, &dropped).expect("written");
    let mut link = brings(&stage, &brought).await;
    let honest = stage.impostor.lodge("Sesudah piagam");
    link.deliver(1, vec![honest.item]).await;
    // The charter may still be on its way into the folder when the receipt comes.
    let told = wait::until(PATIENCE, async || {
        let log = stage.federation.log_of(CITY);
        Ok::<_, ()>(log.lines().find(|line| line.contains("cannot keep a charter")).map(str::to_owned))
    });
    let told = told.await.expect("no error").expect("the operator is told");
    for word in
        ["ERROR", "kominfo", "/charter/00000002.note", "start the node again to adopt that file, or move it away"]
    {
        assert!(told.contains(word), "{word:?} is missing in: {told}");
    }
    assert!(std::fs::read(&file).expect("the file") == dropped, "the file was changed");

    stage.federation.stop_node(CITY).await;
    assert_eq!(stage.federation.start_node(CITY).await.charter_version, 2);
    let _link = brings(&stage, &brought).await;
    has_a_rival(&stage.federation, CITY, &dropped, &brought).await;
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_few_rivals_of_a_version_are_kept_and_other_files_are_ignored() {
    let federation = TestFederation::make(province_and_city());
    let folder = federation.folder_of(CITY);
    let config = Config::load(&folder).expect("a configuration");
    let charter_store = CharterStore::load(&config.charter).expect("the first charter");
    charter_store.adopt(&federation.next_charter(|text| text.grace_days = 60), None).expect("a successor");
    let rivals: Vec<_> = (90..94).map(|days| federation.next_charter(|text| text.grace_days = days)).collect();
    let keep = |rival: &[u8]| match charter_store.adopt(rival, None) {
        Err(CharterStoreError::Rival(found)) => found.kept,
        other => panic!("expected a rival, got {other:?}"),
    };
    let kept: Vec<_> = rivals.iter().map(|rival| keep(rival)).collect();
    assert!(
        kept[..node_limits::RIVAL_CHARTERS].iter().all(Option::is_some)
            && kept[node_limits::RIVAL_CHARTERS..] == [None]
    );
    assert_eq!(charter_store.rivals().len(), node_limits::RIVAL_CHARTERS);

    // A damaged file is no rival. When the rival comes again, it is stored again.
    let damaged = kept[0].as_ref().expect("a file");
    std::fs::write(damaged, b"garbage").expect("written");
    assert_eq!(charter_store.rivals().len(), node_limits::RIVAL_CHARTERS - 1);
    assert_eq!(keep(&rivals[0]).as_ref(), Some(damaged));
    assert_eq!(charter_store.rivals().len(), node_limits::RIVAL_CHARTERS);

    // A copy of the trusted charter is no rival, and a folder is none. The node starts in spite of both.
    let trusted = config.charter.file(2);
    std::fs::copy(&trusted, trusted.with_file_name("00000002.rival-copy.note")).expect("copied");
    std::fs::create_dir(trusted.with_file_name("00000002.rival-folder.note")).expect("made");
    assert_eq!(charter_store.rivals().len(), node_limits::RIVAL_CHARTERS);
    let mut federation = federation;
    assert_eq!(federation.start_node(CITY).await.charter_version, 2);
}

#[tokio::test]
async fn nodes_with_different_charters_in_force_warn_both_operators_whichever_has_more_versions() {
    for (province_has, city_has) in [(2, 2), (3, 2), (2, 3)] {
        let mut federation = TestFederation::make(province_and_city());
        let seconds = [60, 90].map(|days| federation.next_charter(|text| text.grace_days = days));
        for ((id, second), newest) in [PROVINCE, CITY].into_iter().zip(&seconds).zip([province_has, city_has]) {
            let mut charters = vec![second.clone()];
            if newest == 3 {
                charters.push(federation.charter_after(second, |_| ()));
            }
            for (version, note) in (2..).zip(charters) {
                let file = federation.folder_of(id).join(format!("charter/{version:08}.note"));
                std::fs::write(file, note).expect("written");
            }
        }
        federation.start_all().await;
        has_a_rival(&federation, PROVINCE, &seconds[0], &seconds[1]).await;
        has_a_rival(&federation, CITY, &seconds[1], &seconds[0]).await;
        for (id, newest) in [(PROVINCE, province_has), (CITY, city_has)] {
            let log = federation.log_of(id);
            assert!(log.contains("did not adopt a charter from the peer: the managers have signed two"), "{id}: {log}");
            assert_eq!(federation.node(id).await.status().await.charter_version, newest, "{id} keeps its own charters");
        }
    }
}

/// The same note with one bit of its last signature changed.
fn with_a_broken_signature(note: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(note).expect("text").trim_end();
    let (before, last) = text.rsplit_once(' ').expect("a signature");
    let mut signature = BASE64.decode(last.as_bytes()).expect("base64");
    *signature.last_mut().expect("a signature") ^= 1;
    format!("{before} {}\n", BASE64.encode(&signature)).into_bytes()
}

#[tokio::test]
async fn a_charter_that_no_honest_peer_passes_on_is_reported_once_per_link_and_the_link_goes_on() {
    let mut stage = Stage::set().await;
    let city = stage.federation.node(CITY).await;
    let good = stage.federation.next_charter(|text| text.grace_days = 60);
    let large = [b"#".repeat(limits::CHARTER_BYTES).as_slice(), b"\n", &good].concat();
    // An error in a TOML text shows the place on several lines.
    let no_charter =
        [b"version = 'two'\n\n", good.rsplit(|byte| *byte == b'\n').nth(1).expect("a signature"), b"\n"].concat();
    let first = std::str::from_utf8(stage.federation.charter()).expect("text");
    let another_first = first.replacen("grace_days = 30", "grace_days = 31", 1).into_bytes();
    assert_ne!(another_first, first.as_bytes());
    let notes = [
        (large, "no signed note of at most 1000000 bytes"),
        (b"\xff\xff no charter".to_vec(), "no signed note"),
        (no_charter, "the charter's text"),
        (with_a_broken_signature(&good), "a signature on charter version 2 does not verify"),
        (another_first, "version"),
    ];
    for (index, (note, reason)) in (1..).zip(notes) {
        let mut link = stage.link().await;
        // The charter that is here already comes first, because honest peers send it, too.
        for note in [stage.federation.charter(), &note, &note] {
            link.say(FrameKind::Charter(wire::CharterNote { note: note.to_vec() })).await;
        }
        let honest = stage.impostor.lodge("Sesudah piagam itu");
        let receipt = link.deliver(index, vec![honest.item]).await;
        assert!(matches!(receipt.results[0].outcome, ItemOutcome::Leaf(_)), "the link goes on: {receipt:?}");
        let log = stage.federation.log_of(CITY);
        let told: Vec<_> = log.lines().filter(|line| line.contains("did not adopt a charter")).collect();
        assert_eq!(told.len() as u64, index, "{log}");
        let last = told.last().expect("a line");
        assert!(last.contains("WARN") && last.contains("kominfo") && last.contains(reason), "{last}");
        assert_eq!(city.status().await.charter_version, 1);
    }
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_member_that_a_newer_charter_retires_loses_its_link() {
    let Stage { federation, impostor } = Stage::set().await;
    let address = federation.address_of(CITY);
    let retired = |text: &mut sinergi_proto::charter::CharterText| {
        let member = text.member.iter_mut().find(|member| member.id == agency("kominfo")).expect("a member");
        member.status = MemberStatus::Retired;
    };
    let note = federation.next_charter(retired);
    let mut link = impostor.dial(&agency(CITY), &address).await.expect("a member still");
    link.greet(&impostor).await;
    link.say(FrameKind::Charter(wire::CharterNote { note })).await;
    assert_eq!(link.fault().await.0, FaultCode::NotPermitted.number());
    let again = impostor.dial(&agency(CITY), &address).await;
    assert!(again.is_err(), "its certificate is no longer accepted");
}
