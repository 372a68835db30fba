//! The greeting: who is there, which version both speak, and what each has of the other's ledger.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::stream::FuturesOrdered;
use sinergi_proto::checkpoint::Checkpoint;
use sinergi_proto::link::{Cursor, PROTOCOL_MAX, PROTOCOL_MIN, Receiver, Sender, SenderEvent, common_version};
use sinergi_proto::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Streaming;

use super::{LinkError, Links, Session, frame, health, unexpected};
use crate::case::CaseError;
use crate::link::dial;
use crate::link::intake::check_checkpoint;
use crate::link::peer::{Hold, Peer, PeerSnapshot};
use crate::link::silence::GREETING;
use crate::store::PeerCursor;
use crate::time::now_millis;

/// How far each has the other's ledger, by our own records.
struct Cursors {
    /// How far we have theirs.
    received: Option<Cursor>,
    /// Up to where we hold their receipts for ours.
    receipted: Option<Cursor>,
}

impl<'a> Session<'a> {
    /// Says hello, waits for the peer's, and makes the session.
    pub(super) async fn greet(
        links: &'a Links,
        peer: &'a Arc<Peer>,
        inbound: &mut Streaming<Frame>,
        outbound: mpsc::Sender<Frame>,
        hold: &Hold,
    ) -> Result<Self, LinkError> {
        let cursors = read_cursors(links, peer).await?;
        let hello = own_hello(links, peer, cursors.received);
        outbound.send(frame(Kind::Hello(hello))).await.map_err(|_| LinkError::Broken("the peer left".to_owned()))?;
        let theirs = tokio::select! {
            () = links.stop.cancelled() => return Err(LinkError::Stopped),
            () = hold.superseded.cancelled() => return Err(superseded()),
            first = tokio::time::timeout(GREETING, inbound.message()) => match first {
                Ok(message) => read_hello(message)?,
                Err(_) => return Err(LinkError::Fault(FaultCode::Idle, format!("no Hello within {} s", GREETING.as_secs()))),
            },
        };
        let protocol = check_hello(links, peer, &theirs)?;
        check_seen(links, peer, theirs.seen_of_you.clone()).await?;
        let (shown, agency) = (theirs.checkpoint.clone(), peer.agency.clone());
        let (charters, federation) = (links.directory.charters(), links.federation.clone());
        let check = move || check_checkpoint(&shown, &agency, federation.as_str(), &charters);
        let shown = tokio::task::spawn_blocking(check).await.map_err(|error| LinkError::Broken(error.to_string()))?;
        let mut session = Self::new(links, peer, outbound, theirs.charter_version);
        session.linked(&theirs, protocol);
        session.note_checkpoint(shown, theirs.checkpoint);
        session.pass_on_charters()?;
        let have = theirs.have_cursor.map(Cursor::from_wire);
        let outputs = session.sender.handle(SenderEvent::Linked { have, receipted: cursors.receipted });
        session.perform_sending(outputs)?;
        Ok(session)
    }

    fn new(links: &'a Links, peer: &'a Arc<Peer>, outbound: mpsc::Sender<Frame>, peer_charter: u64) -> Self {
        let head = links.writer.head();
        let (epoch, size) = (head.borrow().epoch, head.borrow().size);
        let now = Instant::now();
        Self {
            links,
            peer,
            began: now,
            moved: false,
            sender: Sender::new(epoch, size),
            reading: None,
            prepared: None,
            in_flight: VecDeque::new(),
            acks: FuturesOrdered::new(),
            receiver: Receiver::new(),
            authenticating: FuturesOrdered::new(),
            committing: FuturesOrdered::new(),
            paused: false,
            outbound,
            out: VecDeque::new(),
            ping_due: false,
            pong_due: false,
            pinged: Vec::new(),
            last_heard: now,
            last_said: now,
            last_progress: now,
            head,
            charter: links.directory.version(),
            peer_charter,
        }
    }

    /// The peer has answered: that is success.
    fn linked(&self, theirs: &wire::Hello, protocol: u32) {
        let now = now_millis();
        self.peer.note(|state| {
            *state = PeerSnapshot {
                linked_since: now,
                last_success: now,
                first_failure: 0,
                last_error: String::new(),
                next_retry: 0,
                connecting: false,
                protocol,
                charter_version: theirs.charter_version,
                clock_offset: Some(health::offset(theirs.now)),
                ..std::mem::take(state)
            };
        });
        tracing::info!(peer = %self.peer.agency, protocol, "linked");
        self.links.check_clock();
    }
}

async fn read_cursors(links: &Links, peer: &Arc<Peer>) -> Result<Cursors, LinkError> {
    let (store, agency) = (links.outbox.store().clone(), peer.agency.clone());
    let read = move || -> Result<Cursors, CaseError> {
        let received = store.cursor(PeerCursor::Received, &agency)?;
        Ok(Cursors { received, receipted: store.cursor(PeerCursor::Acknowledged, &agency)? })
    };
    let cursors = tokio::task::spawn_blocking(read).await;
    Ok(cursors.map_err(|error| LinkError::Broken(error.to_string()))??)
}

fn own_hello(links: &Links, peer: &Peer, have: Option<Cursor>) -> wire::Hello {
    wire::Hello {
        protocol_min: PROTOCOL_MIN,
        protocol_max: PROTOCOL_MAX,
        federation: links.federation.to_string(),
        agency: links.own.to_string(),
        charter_version: links.directory.newest().version,
        have_cursor: have.map(Cursor::to_wire),
        checkpoint: links.writer.head().borrow().checkpoint.to_vec(),
        seen_of_you: peer.snapshot().checkpoint.map(|(_, note)| note).unwrap_or_default(),
        now: now_millis(),
    }
}

fn read_hello(message: Result<Option<Frame>, tonic::Status>) -> Result<wire::Hello, LinkError> {
    match message {
        Ok(Some(Frame { kind: Some(Kind::Hello(hello)) })) => Ok(hello),
        Ok(Some(Frame { kind: Some(Kind::Fault(fault)) })) => Err(by_peer(&fault)),
        Ok(Some(_)) => Err(unexpected("another frame before Hello")),
        Ok(None) => Err(LinkError::Broken("the peer closed it before its Hello".to_owned())),
        Err(status) => Err(LinkError::Broken(dial::explain_status(&status))),
    }
}

/// The name in Hello must be the certificate's; the versions must meet. The negotiated version.
fn check_hello(links: &Links, peer: &Peer, hello: &wire::Hello) -> Result<u32, LinkError> {
    if hello.agency != peer.agency.as_str() || hello.federation != links.federation.as_str() {
        let (named, federation): (String, String) =
            (hello.agency.chars().take(80).collect(), hello.federation.chars().take(80).collect());
        let reason = format!(
            "Hello of {named:?} in {federation:?} on the connection of {} in {}",
            peer.agency, links.federation
        );
        return Err(LinkError::Fault(FaultCode::IdentityMismatch, reason));
    }
    common_version(hello.protocol_min, hello.protocol_max).ok_or_else(|| {
        let reason = format!(
            "the peer speaks versions {} to {}, this node {PROTOCOL_MIN} to {PROTOCOL_MAX}",
            hello.protocol_min, hello.protocol_max
        );
        LinkError::Fault(FaultCode::NoCommonVersion, reason)
    })
}

/// What the peer has seen of our ledger must be a part of it. If it is more, or another, the ledger was set back: nothing may be signed
/// any more.
async fn check_seen(links: &Links, peer: &Peer, note: Vec<u8>) -> Result<(), LinkError> {
    let charter = links.directory.newest();
    let Some(keys) = charter.checkpoint_keys(&links.own) else { return Ok(()) };
    let Ok(seen) = Checkpoint::open(&note, links.federation.as_str(), &links.own, &keys) else { return Ok(()) };
    let reader = links.outbox.reader().clone();
    let is_ours = move || -> Result<bool, CaseError> {
        let same_epoch = seen.epoch == reader.epoch();
        Ok(!same_epoch || (seen.size <= reader.size() && reader.root_at(seen.size)?.0 == seen.root))
    };
    let is_ours =
        tokio::task::spawn_blocking(is_ours).await.map_err(|error| LinkError::Broken(error.to_string()))??;
    if is_ours {
        return Ok(());
    }
    let reason = format!("the peer holds our checkpoint of {} leaves, which is not of this ledger", seen.size);
    links.set_back(peer, &reason);
    Err(LinkError::Fault(FaultCode::AheadOfLedger, reason))
}

impl Links {
    /// A peer says, without proof, that it has more of this ledger than there is. Only a checkpoint that we signed stops the signing.
    pub(in crate::link) fn raise_ahead(&self, peer: &Peer, reason: &str) {
        let text = format!(
            "{}: {reason}. If this node's folder was restored from a copy, stop it and put back the newest one; otherwise the peer is wrong",
            peer.agency
        );
        self.alarms.raise(format!("ahead {}", peer.agency), text);
    }

    /// A peer has seen more of this ledger than there is: nothing may be signed any more.
    pub(in crate::link) fn set_back(&self, peer: &Peer, reason: &str) {
        self.set_back.store(true, Ordering::Relaxed);
        let text = format!(
            "{}: {reason}. This ledger was set back and signs nothing any more: stop the node and put back the newest copy of its folder",
            peer.agency
        );
        self.alarms.raise(format!("set-back {}", peer.agency), text);
    }
}

pub(super) fn superseded() -> LinkError {
    LinkError::Fault(FaultCode::Superseded, "another connection of this pair took over".to_owned())
}

pub(super) fn by_peer(fault: &wire::Fault) -> LinkError {
    LinkError::ByPeer { code: fault.code, reason: fault.reason.chars().take(500).collect() }
}
