//! The greeting: who is there, which version both speak, and what each has of the other's ledger.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use futures_util::stream::FuturesOrdered;
use sinergi_proto::link::{Cursor, PROTOCOL_MAX, PROTOCOL_MIN, Receiver, Sender, SenderEvent, common_version};
use sinergi_proto::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Streaming;

use super::seen::{self, Hearing, Held};
use super::telling::Telling;
use super::to_writer::ToWriter;
use super::{LinkError, Links, Session, frame, health, heard, unexpected};
use crate::continuity::State;
use crate::link::peer::{Hold, Peer, PeerSnapshot};
use crate::link::silence::GREETING;
use crate::time::now_millis;

impl<'a> Session<'a> {
    /// Says hello, waits for the peer's, and makes the session.
    pub(super) async fn greet(
        links: &'a Links,
        peer: &'a Arc<Peer>,
        inbound: &mut Streaming<Frame>,
        outbound: mpsc::Sender<Frame>,
        hold: &Hold,
    ) -> Result<Self, LinkError> {
        let held = seen::read_held(links, peer).await?;
        let hello = own_hello(links, peer, &held);
        let shown = hello.checkpoint.clone();
        outbound.send(frame(Kind::Hello(hello))).await.map_err(|_| LinkError::Broken("the peer left".to_owned()))?;
        let theirs = tokio::select! {
            () = links.stop.cancelled() => return Err(LinkError::Stopped),
            () = hold.superseded.cancelled() => return Err(superseded()),
            first = tokio::time::timeout(GREETING, inbound.message()) => match first {
                Ok(message) => read_hello(message)?,
                Err(_) => return Err(LinkError::Fault(FaultCode::Idle, format!("no Hello within {} s", GREETING.as_secs()))),
            },
        };
        let (protocol, clock_offset) = (check_hello(links, peer, &theirs)?, health::offset(theirs.now));
        seen::check_seen(links, peer, &theirs).await?;
        let have = theirs.have_cursor.map(Cursor::from_wire);
        seen::check_claim(links, peer, have)?;
        // Before anything is signed: a clock that is off must not date it.
        peer.note(|state| state.clock_offset = Some(clock_offset));
        links.check_clock();
        links.continuity.heard(&peer.agency);
        // Other peers may have seen more: nothing is taken, and no receipt signed, before they were heard.
        tokio::select! {
            () = links.stop.cancelled() => return Err(LinkError::Stopped),
            () = hold.superseded.cancelled() => return Err(superseded()),
            may_sign = may_sign(links) => if !may_sign? { return Err(seen::set_back()) },
        }
        let mut session = Self::new(links, peer, outbound, held.received);
        session.linked(&theirs, protocol, clock_offset);
        session.shown(vec![theirs.checkpoint.clone()]).await?;
        session.give_back = seen::give_back(links, peer, held.reset).map(Arc::new);
        session.pass_on_charters(&theirs)?;
        session.show_newer_than(&shown)?;
        let outputs = session.sender.handle(SenderEvent::Linked { have, receipted: held.receipted });
        session.perform_sending(outputs)?;
        Ok(session)
    }

    /// Shows our checkpoint, if there is a newer one than Hello could show.
    fn show_newer_than(&mut self, shown: &[u8]) -> Result<(), LinkError> {
        let newest = self.head.borrow().checkpoint.to_vec();
        if newest.is_empty() || newest == shown {
            return Ok(());
        }
        self.say(Kind::Checkpoints(wire::CheckpointNotes { notes: vec![newest] }))
    }

    fn new(links: &'a Links, peer: &'a Arc<Peer>, outbound: mpsc::Sender<Frame>, received: Option<Cursor>) -> Self {
        let head = links.writer.head();
        let (end, size) = (head.borrow().end(), head.borrow().size);
        let now = Instant::now();
        Self {
            links,
            peer,
            began: now,
            moved: false,
            sender: Sender::new(end),
            reading: None,
            prepared: None,
            in_flight: VecDeque::new(),
            acks: FuturesOrdered::new(),
            receiver: Receiver::new(received),
            admitting: None,
            held: VecDeque::new(),
            authenticating: FuturesOrdered::new(),
            committing: FuturesOrdered::new(),
            receipting: FuturesOrdered::new(),
            paused: false,
            to_writer: ToWriter::new(links.writer.clone()),
            outbound,
            out: VecDeque::new(),
            ping_due: false,
            pong_due: None,
            pinged: Vec::new(),
            proving: FuturesOrdered::new(),
            questions: BTreeMap::new(),
            asked: 0,
            last_heard: now,
            last_said: now,
            last_progress: now,
            head,
            charter: links.directory.version(),
            charters_end: false,
            shown: 0,
            hearing: Hearing::from(now),
            telling: Telling::after_greeting(peer.snapshot().told, size, now),
            continuity: links.continuity.watch(),
            give_back: None,
        }
    }

    /// The peer has answered: that is success.
    fn linked(&self, theirs: &wire::Hello, protocol: u32, clock_offset: i64) {
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
                clock_offset: Some(clock_offset),
                ..std::mem::take(state)
            };
        });
        tracing::info!(peer = %self.peer.agency, protocol, "linked");
        self.links.check_clock();
    }
}

/// Waits until the peers were heard; whether this node may sign, and then has signed its checkpoint.
async fn may_sign(links: &Links) -> Result<bool, LinkError> {
    if links.continuity.settled().await == State::SetBack {
        return Ok(false);
    }
    let mut head = links.writer.head();
    head.wait_for(|head| head.is_signed).await.map_err(|_| LinkError::Stopped)?;
    Ok(true)
}

fn own_hello(links: &Links, peer: &Peer, held: &Held) -> wire::Hello {
    let charter = links.directory.newest();
    wire::Hello {
        protocol_min: PROTOCOL_MIN,
        protocol_max: PROTOCOL_MAX,
        federation: links.federation.to_string(),
        agency: links.own.to_string(),
        charter_version: charter.version,
        have_cursor: held.received.map(Cursor::to_wire),
        checkpoint: links.writer.head().borrow().checkpoint.to_vec(),
        seen_of_you: links.watch.newest(&peer.agency).map(|newest| newest.note).unwrap_or_default(),
        now: now_millis(),
        entry_of_you: held.entry.to_vec(),
        charter_hash: charter.hash.to_vec(),
    }
}

fn read_hello(message: Result<Option<Frame>, tonic::Status>) -> Result<wire::Hello, LinkError> {
    match heard(message)? {
        Some(Frame { kind: Some(Kind::Hello(hello)) }) => Ok(hello),
        Some(Frame { kind: Some(Kind::Fault(fault)) }) => Err(by_peer(&fault)),
        Some(_) => Err(unexpected("another frame before Hello")),
        None => Err(LinkError::Broken("the peer closed it before its Hello".to_owned())),
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

impl Links {
    /// A peer says, without proof, that it has more of this ledger than there is. Only a checkpoint that we signed stops the signing.
    pub(in crate::link) fn raise_ahead(&self, peer: &Peer, reason: &str) {
        let text = format!(
            "{}: {reason}, and does not prove it. If this node's folder was restored from a copy, stop it and put back the newest one, or run `sinergi recover`; otherwise the peer is wrong",
            peer.agency
        );
        self.alarms.raise(format!("ahead {}", peer.agency), text);
    }
}

pub(super) fn superseded() -> LinkError {
    LinkError::Fault(FaultCode::Superseded, "another connection of this pair took over".to_owned())
}

pub(super) fn by_peer(fault: &wire::Fault) -> LinkError {
    LinkError::ByPeer { code: fault.code, reason: fault.reason.chars().take(500).collect() }
}
