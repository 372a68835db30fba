//! A peer under the test's control: a member with valid keys and a valid certificate that sends whatever the test wants.
//!
//! It speaks the wire protocol over real mutual TLS, with none of the daemon's link code. It builds on [`Member`], which only dials, and also
//! listens at its node's address ([`Listening`]).

mod listening;

pub use listening::{Dialled, Listening};

use std::collections::VecDeque;
use std::path::Path;

use crate::member::{self, DialError, Member};
use bytes::{BufMut, Bytes};
use prost::Message;
use sinergi_daemon::base::error_chain::one_line;
use sinergi_daemon::transport::tls::{self, Authorities, Credentials, SharedAuthorities};
use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::cursor::Cursor;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::entry::content::{Content, TextRole, serialise_text};
use sinergi_proto::entry::{ContentClass, Entry, EntryDraft, OwnBatch, Place, signed_bytes};
use sinergi_proto::receipt::{ItemOutcome, ItemResult, Receipt};
use sinergi_proto::tlog::checkpoint::CheckpointSigner;
use sinergi_proto::wire::entry::Body;
use sinergi_proto::wire::{self, Frame, frame::Kind};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::client::TlsStream as ClientStream;
use tokio_rustls::server::TlsStream as ServerStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codec::{Codec, EncodeBuf, Encoder};
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::federation::PATIENCE;

/// Messages that wait to be sent on a stream of raw bytes.
const LATER_MESSAGES: usize = 64;

/// A member whose node does not run. The test plays the node.
pub struct Impostor {
    /// The member.
    pub member: Member,
    /// The leaf index of its next entry.
    pub next_place: u64,
}

impl Impostor {
    /// Takes over the node in this folder.
    pub fn of(folder: &Path) -> Self {
        Self { member: Member::of(folder).expect("a member's folder"), next_place: 0 }
    }

    /// The member's Hello.
    pub fn hello(&self) -> wire::Hello {
        self.member.hello()
    }

    /// Dials a node.
    ///
    /// # Errors
    /// Nothing listens there, or the node refuses the member.
    pub async fn dial(&self, agency: &AgencyId, address: &str) -> Result<Connection, DialError> {
        self.member.dial(agency, address).await.map(Connection::over)
    }

    /// Dials a node with another certificate.
    ///
    /// # Errors
    /// Nothing listens there, or the node refuses the member.
    pub async fn dial_with(
        &self,
        credentials: &Credentials,
        agency: &AgencyId,
        address: &str,
    ) -> Result<Connection, DialError> {
        self.member.dial_with(credentials, agency, address).await.map(Connection::over)
    }

    /// Dials a node and completes the TLS handshake, without any byte of HTTP/2.
    ///
    /// # Errors
    /// The connection or the TLS handshake fails.
    pub async fn shake_hands(&self, agency: &AgencyId, address: &str) -> std::io::Result<ClientStream<TcpStream>> {
        let credentials = Credentials::load(&self.member.config.tls).expect("the folder's certificate");
        let (authorities, _) =
            Authorities::of_charter(self.member.config.federation.clone(), &self.member.charter_store.newest());
        let tls = tls::client_config(&credentials, SharedAuthorities::new(authorities), agency.clone());
        TlsConnector::from(tls).connect(tls::server_name(), TcpStream::connect(address).await?).await
    }

    /// Completes the TLS handshake with a node that dialled, without any byte of HTTP/2.
    ///
    /// # Errors
    /// The TLS handshake fails.
    pub async fn answer(&self, dialled: TcpStream) -> std::io::Result<ServerStream<TcpStream>> {
        let credentials = Credentials::load(&self.member.config.tls).expect("the folder's certificate");
        let (authorities, _) =
            Authorities::of_charter(self.member.config.federation.clone(), &self.member.charter_store.newest());
        let tls = tls::server_config(&credentials, SharedAuthorities::new(authorities));
        TlsAcceptor::from(tls).accept(dialled).await
    }

    /// Dials a node and sends these bytes as messages, and then those that the caller sends to the returned channel. The stream stays open until the
    /// node ends it, or the channel is dropped.
    ///
    /// # Errors
    /// Nothing listens there, or the node refuses the call.
    pub async fn dial_and_send(
        &self,
        agency: &AgencyId,
        address: &str,
        messages: Vec<Bytes>,
    ) -> Result<(Streaming<Frame>, mpsc::Sender<Bytes>), DialError> {
        let credentials = Credentials::load(&self.member.config.tls)?;
        let channel = self.member.channel(&credentials, agency, address).await?;
        let mut grpc = tonic::client::Grpc::new(channel);
        grpc.ready().await.map_err(|error| DialError::Refused(one_line(&error)))?;
        let path = http::uri::PathAndQuery::from_static("/sinergi.v2.Federation/Sync");
        let (later, rest) = mpsc::channel(LATER_MESSAGES);
        let messages = tokio_stream::iter(messages).chain(ReceiverStream::new(rest));
        let response = grpc.streaming(Request::new(messages), path, AsIs).await;
        Ok((response.map_err(|status| DialError::Refused(one_line(&status)))?.into_inner(), later))
    }

    /// A checkpoint of this member over more leaves than any test delivers, signed now.
    pub fn checkpoint(&self) -> Vec<u8> {
        self.checkpoint_in(Epoch::FIRST)
    }

    /// Like [`Self::checkpoint`], in this epoch.
    pub fn checkpoint_in(&self, epoch: Epoch) -> Vec<u8> {
        const LEAVES: u64 = 1 << 20;
        let (federation, agency) = (self.member.config.federation.as_str(), &self.member.config.agency);
        let (key, time_key) = (self.member.keys.checkpoint.clone(), self.member.keys.time.clone());
        let now = sinergi_daemon::base::time::now_millis() / 1000;
        CheckpointSigner::new(federation, agency, epoch, key, time_key).sign(LEAVES, [7; 32], now)
    }

    /// This member's receipt for a frame. Each item counts as stored at the leaf with its number in the frame.
    pub fn receipt_for(&self, delivered: &wire::Deliver, sender: &str) -> wire::Ack {
        self.receipt_with(delivered, sender, |leaf| ItemOutcome::Leaf(LedgerIndex(leaf)))
    }

    /// This member's receipt for a frame. `outcome` gives the outcome of an item by its number in the frame.
    pub fn receipt_with(
        &self,
        delivered: &wire::Deliver,
        sender: &str,
        outcome: impl Fn(u64) -> ItemOutcome,
    ) -> wire::Ack {
        let results = delivered.items.iter().zip(0..).map(|(item, number)| {
            let entry =
                Entry::parse(item.signed_entry.clone(), self.member.config.federation.as_str()).expect("an entry");
            ItemResult::without_contents(entry.id, outcome(number))
        });
        let receipt = Receipt {
            federation: self.member.config.federation.to_string(),
            receiver: self.member.config.agency.clone(),
            sender: sender.parse().expect("an agency id"),
            key_id: Receipt::key_id_of(&self.member.keys.entry),
            charter_version: self.member.charter_store.newest().version,
            cursor: Cursor::from_wire(delivered.cursor.expect("a cursor")),
            results: results.collect(),
            checkpoint: self.checkpoint(),
        };
        receipt.sign(&self.member.keys.entry)
    }

    /// A draft of an entry by this member, for the next leaf of its ledger.
    pub fn draft(&mut self, complaint: Option<ComplaintId>, parents: Vec<EntryId>, body: Body) -> EntryDraft {
        let index = LedgerIndex(self.next_place);
        self.next_place += 1;
        let now = HybridClock::new(sinergi_daemon::base::time::now_millis(), u16::try_from(index.0).unwrap_or(0));
        EntryDraft {
            federation: self.member.config.federation.to_string(),
            author: self.member.config.agency.clone(),
            charter: self.member.charter_store.newest().name(),
            place: Place { epoch: Epoch::FIRST, index },
            complaint,
            parents,
            clock: now,
            content: Vec::new(),
            body,
        }
    }

    /// A draft of a `Lodged` entry without a text. A test may change it before it signs it.
    pub fn draft_of_lodged(&mut self) -> EntryDraft {
        let body = Body::Lodged(wire::Lodged {
            kind: wire::ComplaintKind::Complaint.into(),
            category: "road".to_owned(),
            area: String::new(),
            class: wire::ContentClass::Public.into(),
            citizen_key: vec![1; 32],
            key_origin: wire::KeyOrigin::Device.into(),
        });
        self.draft(None, Vec::new(), body)
    }

    /// A complaint that every node refuses: it is signed with a key that the charter does not list.
    pub fn lodge_under_an_unknown_key(&mut self) -> Made {
        let draft = self.draft_of_lodged();
        Made::new(draft, &SigningKey::from([0x55; 32]), Vec::new())
    }

    /// A complaint lodged by this member, with a public text.
    pub fn lodge(&mut self, title: &str) -> Made {
        let text = wire::Text { title: title.to_owned(), body: format!("{title}: details"), ..Default::default() };
        let data = serialise_text(&text, TextRole::Complaint).expect("a good text");
        let content = Content { commitment: 0, salt: [3; 32], data };
        let mut draft = self.draft_of_lodged();
        draft.content = vec![content.commit(ContentClass::Public)];
        self.sign(draft, vec![content])
    }

    /// An offer of custody to `to`. `basis` is also its only parent.
    pub fn forward(&mut self, complaint: ComplaintId, basis: EntryId, to: &str) -> Made {
        let answer_by = sinergi_daemon::base::time::now_millis() + 3_600_000;
        let reason = wire::ForwardReason::Competence.into();
        let body = Body::Forwarded(wire::Forwarded { basis: basis.0.to_vec(), to: to.to_owned(), reason, answer_by });
        let draft = self.draft(Some(complaint), vec![basis], body);
        self.sign(draft, Vec::new())
    }

    /// Signs a draft with this member's key.
    pub fn sign(&self, draft: EntryDraft, contents: Vec<Content>) -> Made {
        Made::new(draft, &self.member.keys.entry, contents)
    }

    /// Signs the bytes that `change` makes of a draft, for entries that this version of the schema cannot write.
    pub fn sign_changed(&self, draft: EntryDraft, change: impl FnOnce(wire::Entry) -> Vec<u8>) -> Made {
        let (named, clock) = (draft.complaint, draft.clock);
        let signed = draft.sign(&self.member.keys.entry).bytes;
        let entry = wire::SignedEntry::decode(signed).expect("a signed entry").entry;
        let entry = change(wire::Entry::decode(entry).expect("an entry"));
        let id = EntryId::of(&entry);
        let envelope = OwnBatch::sign(&[id], &self.member.keys.entry).envelope(0);
        let complaint = named.unwrap_or_else(|| ComplaintId::of_lodged(clock, &id));
        let signed_entry = signed_bytes(entry.into(), Some(&envelope));
        Made { id, complaint, item: wire::Item { signed_entry, ..Default::default() } }
    }
}

/// A signed entry that a test made, ready to be delivered.
#[derive(Clone, Debug)]
pub struct Made {
    /// Its id.
    pub id: EntryId,
    /// Its complaint. A `Lodged` entry begins a new one.
    pub complaint: ComplaintId,
    /// The item that carries it.
    pub item: wire::Item,
}

impl Made {
    /// Signs a draft with any key.
    pub fn new(draft: EntryDraft, key: &SigningKey, contents: Vec<Content>) -> Self {
        let (named, clock) = (draft.complaint, draft.clock);
        let signed = draft.sign(key);
        let complaint = named.unwrap_or_else(|| ComplaintId::of_lodged(clock, &signed.id));
        let content = contents.iter().map(Content::to_wire).collect();
        Self { id: signed.id, complaint, item: wire::Item { signed_entry: signed.bytes, content, relays: 0 } }
    }

    /// The same entry with one bit of its signature changed.
    pub fn with_a_broken_signature(&self) -> Self {
        let mut envelope = wire::SignedEntry::decode(self.item.signed_entry.clone()).expect("a signed entry");
        let signed = envelope.envelope.as_mut().expect("a test signs its entries");
        signed.signature = signed.signature.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 0)).collect();
        let item = wire::Item { signed_entry: Bytes::from(envelope.encode_to_vec()), ..self.item.clone() };
        Self { item, ..self.clone() }
    }

    /// The entry, parsed as a node parses it.
    pub fn parsed(&self, federation: &str) -> Entry {
        Entry::parse(self.item.signed_entry.clone(), federation).expect("a test's entry parses")
    }
}

/// Sends bytes as they are, and reads frames.
#[derive(Clone, Copy)]
struct AsIs;

impl Codec for AsIs {
    type Encode = Bytes;
    type Decode = Frame;
    type Encoder = Self;
    type Decoder = <ProstCodec<Frame, Frame> as Codec>::Decoder;

    fn encoder(&mut self) -> Self::Encoder {
        *self
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<Frame, Frame>::default().decoder()
    }
}

impl Encoder for AsIs {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

/// A stream of frames with a node.
pub struct Connection {
    /// The stream, as any member has it.
    pub stream: member::Connection,
    /// Frames that came during the greeting and were not looked at.
    heard: VecDeque<Kind>,
}

impl Connection {
    /// A connection over this stream.
    pub fn over(stream: member::Connection) -> Self {
        Self { stream, heard: VecDeque::new() }
    }

    /// Sends a frame.
    pub async fn say(&self, kind: Kind) {
        self.stream.say(kind).await;
    }

    /// The node's next frame that is not a ping; `Ok(None)` if the node has closed the stream.
    ///
    /// # Errors
    /// The link broke, or the node sent nothing for a long time.
    pub async fn next(&mut self) -> Result<Option<Kind>, Status> {
        match self.heard.pop_front() {
            Some(kind) => Ok(Some(kind)),
            None => self.stream.next().await,
        }
    }

    /// The node's next frame, of any kind, as soon as it comes.
    pub async fn next_frame(&mut self) -> Result<Option<Frame>, Status> {
        self.stream.inbound.message().await
    }

    /// A sender of frames to the node.
    pub fn sender(&self) -> mpsc::Sender<Frame> {
        self.stream.outbound.clone()
    }

    /// Greets a node as this member: says Hello, and shows a checkpoint. Returns the node's Hello. Afterwards both sides are ready.
    pub async fn greet(&mut self, member: &Impostor) -> wire::Hello {
        self.greet_with(member.hello(), member.checkpoint()).await
    }

    /// Greets a node with this Hello and this checkpoint. Returns the node's Hello. Frames that came before the node's Ready, and its fault if it
    /// does not get ready, are the next ones.
    pub async fn greet_with(&mut self, hello: wire::Hello, checkpoint: Vec<u8>) -> wire::Hello {
        let (theirs, before) = self.stream.greet(hello, checkpoint).await.expect("the node greets");
        self.heard.extend(before);
        theirs.unwrap_or_else(|| panic!("expected a Hello, got {:?}", self.heard))
    }

    /// Says Hello, and shows no checkpoint. Returns the node's Hello.
    pub async fn says_hello(&mut self, hello: wire::Hello) -> wire::Hello {
        self.say(Kind::Hello(hello)).await;
        match self.next().await {
            Ok(Some(Kind::Hello(theirs))) => theirs,
            other => panic!("expected a Hello, got {other:?}"),
        }
    }

    /// Delivers items at a cursor, and waits for the receipt.
    pub async fn deliver(&mut self, index: u64, items: Vec<wire::Item>) -> Receipt {
        self.send_items(index, items).await;
        self.receipt().await
    }

    /// The node's next frame that `of` accepts. Other frames before it are dropped.
    ///
    /// # Panics
    /// If the link ends before it.
    pub async fn hears<T>(&mut self, expected: &str, mut of: impl FnMut(Kind) -> Option<T>) -> T {
        loop {
            let kind = match self.next().await {
                Ok(Some(kind)) => kind,
                other => panic!("expected {expected}, got {other:?}"),
            };
            let fault = if let Kind::Fault(fault) = &kind { Some(fault.clone()) } else { None };
            match (of(kind), fault) {
                (Some(heard), _) => return heard,
                (None, Some(fault)) => panic!("expected {expected}, the node ended the link: {fault:?}"),
                (None, None) => {}
            }
        }
    }

    /// The node's next frame, even if it is a ping.
    pub async fn says(&mut self) -> Kind {
        let frame = tokio::time::timeout(PATIENCE, self.next_frame()).await.expect("the node says something");
        frame.expect("the link is up").expect("the node goes on").kind.expect("a known kind")
    }

    /// The node's next ping or, with `reply`, its next answer to a ping. Other frames before it are dropped.
    pub async fn ping(&mut self, reply: bool) -> wire::Ping {
        loop {
            match self.says().await {
                Kind::Ping(ping) if ping.reply == reply => return ping,
                Kind::Fault(fault) => panic!("expected a ping, the node ended the link: {fault:?}"),
                _ => {}
            }
        }
    }

    /// Waits until the node has read all frames so far, by pinging it after them. Frames of the node before its answer are dropped.
    pub async fn is_heard(&mut self) {
        const NONCE: u64 = 7;
        let now = sinergi_daemon::base::time::now_millis();
        self.say(Kind::Ping(wire::Ping { nonce: NONCE, reply: false, now })).await;
        assert_eq!(self.ping(true).await.nonce, NONCE);
    }

    /// The node's next receipt.
    pub async fn receipt(&mut self) -> Receipt {
        let ack = self.hears("a receipt", |kind| if let Kind::Ack(ack) = kind { Some(ack) } else { None }).await;
        Receipt::parse(&ack).expect("a node's receipt")
    }

    /// Delivers items at a cursor, and does not wait for the receipt.
    pub async fn send_items(&self, index: u64, items: Vec<wire::Item>) {
        let cursor = Cursor { epoch: Epoch::FIRST, index: LedgerIndex(index), part: 0 };
        self.say(Kind::Deliver(wire::Deliver { cursor: Some(cursor.to_wire()), items, after: None })).await;
    }

    /// The code and reason of the fault with which the node ends the link.
    pub async fn fault(&mut self) -> (u32, String) {
        let fault = |kind| if let Kind::Fault(fault) = kind { Some((fault.code, fault.reason)) } else { None };
        self.hears("a fault", fault).await
    }

    /// The next delivery of the node.
    pub async fn delivery(&mut self) -> wire::Deliver {
        let delivery = |kind| if let Kind::Deliver(delivery) = kind { Some(delivery) } else { None };
        self.hears("a delivery", delivery).await
    }

    /// The next charter that the node passes on, as a signed note.
    pub async fn charter(&mut self) -> Vec<u8> {
        self.hears("a charter", |kind| if let Kind::Charter(charter) = kind { Some(charter.note) } else { None }).await
    }
}
