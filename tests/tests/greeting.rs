//! The greeting of links between real nodes: a peer that shows no valid checkpoint of its ledger, one with a wrong clock, and one that is not ready.

use sinergi_proto::base::ids::{AgencyId, Epoch};
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::tlog::checkpoint::CheckpointSigner;
use sinergi_proto::wire::{self, frame::Kind};
use sinergi_tests::federation::{TestNode, agency};
use sinergi_tests::peer::Impostor;
use sinergi_tests::program::run_on;
use sinergi_tests::stage::Stage;

const CITY: &str = "kota-bandung";
const PEER: &str = "kominfo";
/// The topic of the alarm about the peer's checkpoints.
const TOPIC: &str = "checkpoint kominfo";

async fn sees_alarm(city: &TestNode, is_raised: bool) {
    city.sees_status(|status| status.alarms.iter().any(|alarm| alarm.topic == TOPIC) == is_raised).await;
}

/// A checkpoint of the member with a time that differs from now by so many seconds.
fn checkpoint_at(member: &Impostor, apart: i64) -> Vec<u8> {
    checkpoint_of(&member.member.config.agency, member, apart)
}

/// Like [`checkpoint_at`], over the ledger of an agency.
fn checkpoint_of(agency: &AgencyId, member: &Impostor, apart: i64) -> Vec<u8> {
    let (config, keys) = (&member.member.config, &member.member.keys);
    let (key, time) = (keys.checkpoint.clone(), keys.time.clone());
    let signer = CheckpointSigner::new(config.federation.as_str(), agency, Epoch::FIRST, key, time);
    let now = sinergi_daemon::base::time::now_millis() / 1000;
    signer.sign(1, [7; 32], now.saturating_add_signed(apart))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_shows_no_valid_checkpoint_is_told_why_and_counts_as_unresponsive_until_it_shows_one() {
    let mut stage = Stage::set().await;
    let city = stage.federation.node(CITY).await;
    let of_another = checkpoint_of(&agency("prov-jabar"), &stage.impostor, 0);
    for shown in [Vec::new(), b"no note".to_vec(), of_another] {
        let mut link = stage.connect().await;
        link.greet_with(stage.impostor.hello(), shown).await;
        let (code, reason) = link.fault().await;
        assert_eq!(code, FaultCode::NoCheckpoint.number(), "{reason}");
        sees_alarm(&city, true).await;
    }
    let folder = stage.federation.folder_of(CITY);
    let audit = tokio::task::spawn_blocking(move || run_on(&folder, &["audit", PEER])).await.expect("no panic");
    assert_eq!(audit.code, 5, "{audit:?}");
    assert!(audit.out.contains("unresponsive"), "{audit:?}");
    stage.link().await;
    sees_alarm(&city, false).await;
    stage.others_are_unaffected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_with_a_wrong_time_ends_the_link_and_accuses_nobody() {
    let stage = Stage::set().await;
    let city = stage.federation.node(CITY).await;
    // The clocks of the greeting agree, so the city's clock is confirmed.
    city.sees_status(|status| status.clock_confirmed).await;
    for apart in [-3600, 3600] {
        let mut link = stage.connect().await;
        link.greet_with(stage.impostor.hello(), checkpoint_at(&stage.impostor, apart)).await;
        let (code, reason) = link.fault().await;
        assert_eq!(code, FaultCode::CheckpointTime.number(), "{reason}");
        sees_alarm(&city, true).await;
    }
    let folder = stage.federation.folder_of(CITY);
    let audit = tokio::task::spawn_blocking(move || run_on(&folder, &["audit", PEER])).await.expect("no panic");
    assert_eq!(audit.code, 1, "{audit:?}");
    let evidence = run_on(&stage.federation.folder_of(CITY), &["evidence", "list"]);
    assert!(!evidence.out.contains(PEER), "{evidence:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_not_ready_is_connected_and_nothing_is_delivered() {
    let mut stage = Stage::set().await;
    let city = stage.federation.node(CITY).await;
    let mut link = stage.connect().await;
    link.says_hello(stage.impostor.hello()).await;
    city.sees_peer(PEER, |peer| peer.state == "greeting").await;
    // Pings and charters pass all the same.
    link.say(Kind::Ping(wire::Ping { nonce: 7, reply: false, now: stage.impostor.hello().now })).await;
    assert_eq!(link.ping(true).await.nonce, 7);
    link.say(Kind::Charter(wire::CharterNote { note: b"no charter".to_vec() })).await;
    link.send_items(1, vec![stage.impostor.lodge("Terlalu dini").item]).await;
    assert_eq!(link.fault().await.0, FaultCode::UnexpectedFrame.number());
    assert_eq!(city.status().await.complaints, 0);
}
