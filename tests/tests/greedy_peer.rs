//! A member that sends questions or items and does not read the answers. The number of waiting answers is bounded, the link ends with a
//! reason, and no other link is affected.

use sinergi_cli::demo::wait;
use sinergi_proto::base::limits;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::operator_api;
use sinergi_proto::receipt::ItemOutcome;
use sinergi_proto::wire::{self, frame::Kind};
use sinergi_tests::disk::Op;
use sinergi_tests::federation::PATIENCE;
use sinergi_tests::peer::Connection;
use sinergi_tests::stage::Stage;

const CITY: &str = "kota-bandung";
const MINISTRY: &str = "kominfo";

/// The most frames that may wait for a peer to read them: those of both windows, and some for charters.
const ANSWERS: u64 = 2 * WINDOW + 64;
const WINDOW: u64 = limits::LINK_WINDOW_FRAMES as u64;
/// The most receipts that the transport takes while the peer reads nothing.
const UNDER_WAY: u64 = 64;

#[tokio::test]
async fn a_peer_that_delivers_and_never_reads_loses_its_link_when_too_many_answers_wait() {
    let mut stage = Stage::set_with_the_ministry_dialled().await;
    // Room for a greeting and a few receipts.
    let mut listening = stage.impostor.listen().await.with_window(4096);
    let city = stage.federation.node(CITY).await;
    let mut link = listening.dialled().await;
    link.connection.greet(&stage.impostor).await;
    // From here on the ministry reads nothing.
    for index in 1..=ANSWERS / 2 {
        link.connection.send_items(index, Vec::new()).await;
    }
    let taken = |peer: &operator_api::PeerStatus| peer.received.is_some_and(|cursor| cursor.index == ANSWERS / 2);
    city.sees_peer(MINISTRY, taken).await;
    stage.others_are_unaffected().await;
    assert_eq!(city.peer(MINISTRY).await.state, "linked", "the answers wait");
    for index in ANSWERS / 2 + 1..=6 * ANSWERS {
        link.connection.send_items(index, Vec::new()).await;
    }
    let told = format!("ended the link: {}: {ANSWERS} frames wait for the peer to read", FaultCode::LimitExceeded);
    let peer = city.sees_peer(MINISTRY, |peer| peer.last_error == told).await;
    // Besides the waiting answers, one window of frames is on its way to the disk, and the receipts of another are being signed.
    let most = ANSWERS + UNDER_WAY + 2 * WINDOW;
    assert!(peer.received.is_some_and(|cursor| cursor.index <= most), "at most {most}: {peer:?}");
    assert!(stage.federation.log_of(CITY).contains(&told));
    stage.others_are_unaffected().await;
    drop(link);

    let mut link = listening.dialled().await;
    let theirs = link.connection.greet(&stage.impostor).await;
    let have = theirs.have_cursor.expect("the accepted items stay accepted").index;
    let honest = stage.impostor.lodge("Laporan jujur");
    let receipt = link.connection.deliver(have + 1, vec![honest.item]).await;
    assert!(matches!(receipt.results[0].outcome, ItemOutcome::Leaf(_)), "{receipt:?}");
}

/// Asks for the proof that the first leaf is in the tree.
async fn ask(link: &Connection, number: u64) {
    link.say(Kind::Prove(wire::Prove { number, leaves: vec![0], ..Default::default() })).await;
}

/// The node's next proof.
async fn proof(link: &mut Connection) -> wire::Proof {
    link.hears("a proof", |kind| if let Kind::Proof(proof) = kind { Some(proof) } else { None }).await
}

#[tokio::test]
async fn a_peer_with_too_many_open_questions_loses_its_link_and_is_answered_on_the_next_one() {
    const MOST: u64 = limits::PROVES_OPEN as u64;
    let (mut stage, disk) = Stage::set_on_a_disk().await;
    let city = stage.federation.node(CITY).await;
    city.lodges("Pertama").await;

    let mut link = stage.link().await;
    let hang = disk.on(&[Op::Read], "/hashes").hangs();
    for number in 1..=MOST {
        ask(&link, number).await;
    }
    let asked = wait::until(PATIENCE, async || Ok::<_, ()>((hang.hits() >= MOST).then_some(())));
    assert_eq!(asked.await, Ok(Some(())), "the node works on the most questions that it allows");
    assert_eq!(city.peer(MINISTRY).await.state, "linked");
    ask(&link, MOST + 1).await;
    let (code, reason) = link.fault().await;
    assert_eq!(code, FaultCode::LimitExceeded.number(), "{reason}");
    assert_eq!(reason, format!("more than {MOST} questions about our ledger at a time"));
    let reads = |peer: &operator_api::PeerStatus| peer.last_error.contains(&reason) && peer.first_failure > 0;
    city.sees_peer(MINISTRY, reads).await;

    // Open questions still count after their link has ended, however many links follow.
    for _ in 0..3 {
        link = stage.link().await;
        for number in 1..=MOST {
            ask(&link, number).await;
        }
        link.is_heard().await;
    }
    city.lodges("Kedua").await;
    // The honest province may have asked questions in the meantime.
    assert!(hang.hits() < 2 * MOST, "{} questions are being answered", hang.hits());
    hang.ends();
    for number in 1..=MOST {
        let proof = proof(&mut link).await;
        assert_eq!((proof.number, proof.refusal.as_str(), proof.nodes.is_empty()), (number, "", false), "{proof:?}");
    }
    stage.others_are_unaffected().await;
}
