//! A member that lies to a node that dialled it. The node ends only that link, says why, loses nothing, and dials again.

use bytes::Bytes;
use prost::Message;
use sinergi_proto::base::cursor::Cursor;
use sinergi_proto::base::ids::{Epoch, LedgerIndex};
use sinergi_proto::base::limits;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::operator_api;
use sinergi_proto::receipt::{ItemOutcome, Receipt};
use sinergi_proto::wire::{self, frame::Kind};
use sinergi_tests::peer::{Dialled, Impostor, Listening};
use sinergi_tests::stage::Stage;
use tonic::Status;

const CITY: &str = "kota-bandung";
const MINISTRY: &str = "kominfo";
/// Bytes that no message begins with.
const GARBLED: &[u8] = b"\xff\xff\xff no protobuf";

/// The city dials the ministry. The test plays the ministry's node.
struct Line {
    stage: Stage,
    listening: Listening,
    /// The leaf index of the next item that the ministry delivers.
    next: u64,
}

impl Line {
    async fn set() -> Self {
        let stage = Stage::set_with_the_ministry_dialled().await;
        let listening = stage.impostor.listen().await;
        Self { stage, listening, next: 1000 }
    }

    /// Accepts the next link that the city dials, and greets.
    async fn link(&mut self) -> Dialled {
        let mut link = self.listening.dialled().await;
        link.connection.greet(&self.stage.impostor).await;
        link
    }

    /// Gives the city an entry that it must deliver to the ministry.
    async fn hands_over(&self) {
        let city = self.stage.federation.node(CITY).await;
        let lodged = city.lodges("Titipan").await;
        city.forwards(lodged.complaint, MINISTRY).await;
    }

    /// Asserts that the city ends the link with this fault, that its operator sees the reason, and that the city links again.
    async fn is_ended(&mut self, mut link: Dialled, fault: FaultCode) {
        let (code, reason) = link.connection.fault().await;
        assert_eq!(code, fault.number(), "{reason}");
        let told = format!("ended the link: {fault}: {reason}");
        let reads = |peer: &operator_api::PeerStatus| peer.last_error == told && peer.first_failure > 0;
        let city = self.stage.federation.node(CITY).await;
        assert!(city.sees_peer(MINISTRY, reads).await.queue_depth > 0, "unreceipted items stay in the outbox");
        let log = self.stage.federation.log_of(CITY);
        assert!(log.contains(&told), "{log}");
        drop(link);
        self.goes_on().await;
    }

    /// Asserts that the city dials again and that entries of both sides arrive.
    async fn goes_on(&mut self) {
        let mut link = self.link().await;
        let delivered = link.connection.delivery().await;
        link.connection.say(Kind::Ack(self.stage.impostor.receipt_for(&delivered, CITY))).await;
        let honest = self.stage.impostor.lodge("Laporan jujur");
        let receipt = link.connection.deliver(self.next, vec![honest.item]).await;
        assert!(matches!(receipt.results[0].outcome, ItemOutcome::Leaf(_)), "{receipt:?}");
        self.next += 1;
        let city = self.stage.federation.node(CITY).await;
        city.sees_peer(MINISTRY, |peer| peer.queue_depth == 0 && peer.last_error.is_empty()).await;
    }

    /// Sends a message on a link that the city has dialled, and asserts that the city ends it with this fault.
    async fn ends_the_link(&mut self, greets: bool, message: Bytes, fault: FaultCode) {
        self.hands_over().await;
        let link = if greets { self.link().await } else { self.listening.dialled().await };
        link.say_bytes(message).await;
        self.is_ended(link, fault).await;
    }
}

fn bytes_of(kind: Kind) -> Bytes {
    wire::Frame { kind: Some(kind) }.encode_to_vec().into()
}

fn over_the_limit() -> Bytes {
    vec![7; limits::FRAME_BYTES + 1].into()
}

#[tokio::test]
async fn a_garbled_frame_of_the_dialled_side_ends_only_its_link() {
    let mut line = Line::set().await;
    line.ends_the_link(true, Bytes::from_static(GARBLED), FaultCode::UnexpectedFrame).await;
    line.stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_frame_over_the_limit_of_the_dialled_side_ends_only_its_link() {
    let mut line = Line::set().await;
    line.ends_the_link(true, over_the_limit(), FaultCode::LimitExceeded).await;
    line.stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_first_frame_of_the_dialled_side_that_is_no_hello_ends_the_link_and_is_not_stored() {
    let mut line = Line::set().await;
    let early = line.stage.impostor.lodge("Tanpa salam");
    let cursor = Cursor { epoch: Epoch::FIRST, index: LedgerIndex(1), part: 0 };
    let deliver = wire::Deliver { cursor: Some(cursor.to_wire()), items: vec![early.item], after: None };
    let messages = [
        (Bytes::from_static(GARBLED), FaultCode::UnexpectedFrame),
        (over_the_limit(), FaultCode::LimitExceeded),
        (bytes_of(Kind::Deliver(deliver)), FaultCode::UnexpectedFrame),
        (bytes_of(Kind::Ping(wire::Ping::default())), FaultCode::UnexpectedFrame),
        (Bytes::new(), FaultCode::UnexpectedFrame),
    ];
    for (message, fault) in messages {
        line.ends_the_link(false, message, fault).await;
    }
    assert!(line.stage.federation.node(CITY).await.shows(early.complaint).await.is_none());
    line.stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_hello_of_another_agency_than_the_dialled_one_ends_only_its_link() {
    let mut line = Line::set().await;
    let hello = wire::Hello { agency: "prov-jabar".to_owned(), ..line.stage.impostor.hello() };
    line.ends_the_link(false, bytes_of(Kind::Hello(hello)), FaultCode::IdentityMismatch).await;
    line.stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_false_receipt_of_the_dialled_side_ends_the_link_and_nothing_leaves_the_outbox() {
    type Lie = fn(&Impostor, Receipt) -> wire::Ack;
    let lies: [Lie; 3] = [
        |impostor, mut receipt| {
            receipt.results[0].entry.0[0] ^= 1;
            receipt.sign(&impostor.member.keys.entry)
        },
        |impostor, mut receipt| {
            receipt.cursor.index = LedgerIndex(999);
            receipt.sign(&impostor.member.keys.entry)
        },
        |impostor, receipt| {
            let mut ack = receipt.sign(&impostor.member.keys.entry);
            ack.signature[0] ^= 1;
            ack
        },
    ];
    let mut line = Line::set().await;
    for lie in lies {
        line.hands_over().await;
        let mut link = line.link().await;
        let delivered = link.connection.delivery().await;
        let honest = line.stage.impostor.receipt_for(&delivered, CITY);
        let honest = Receipt::parse(&honest).expect("a receipt");
        link.connection.say(Kind::Ack(lie(&line.stage.impostor, honest))).await;
        line.is_ended(link, FaultCode::BadReceipt).await;
    }
    line.stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_call_that_the_peer_ends_with_an_error_is_not_reported_as_a_bad_frame() {
    let mut line = Line::set().await;
    let city = line.stage.federation.node(CITY).await;
    for status in [Status::internal("rusak"), Status::out_of_range("terlalu besar")] {
        line.hands_over().await;
        let message = status.message().to_owned();
        line.link().await.end_with(status).await;
        let told = format!("the connection ended: the peer ended the call: {message}");
        city.sees_peer(MINISTRY, |peer| peer.last_error == told).await;
        line.goes_on().await;
    }
    line.stage.others_are_unaffected().await;
}
