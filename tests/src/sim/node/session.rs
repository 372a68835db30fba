//! Connections: the greeting, and what the two state machines say.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use sinergi_proto::cursor::Cursor;
use sinergi_proto::engine::{Delivery, GuardState, Input, ReceiptHeader, SeenHeader};
use sinergi_proto::entry::Place;
use sinergi_proto::ids::{AgencyId, EntryId, Epoch};
use sinergi_proto::outbox::{GiveBack, prepare};
use sinergi_proto::receipt::{ItemOutcome, ItemResult};
use sinergi_proto::refusal::FaultCode;
use sinergi_proto::sync::{Receiver, ReceiverEvent, ReceiverOutput, Sender, SenderEvent, SenderOutput};
use sinergi_proto::transparency::rollback_guard::{Extent, Standing};
use sinergi_proto::wire;

use super::disk::Waiter;
use super::{Effect, Node, State};
use crate::sim::ledger::{ROOM, Receipt, Seen};
use crate::sim::link::{Frame, Hello, Link, Session};

impl Node {
    /// A connection is up: the node greets.
    pub fn connected(&mut self, connection: u64, peer: &AgencyId) {
        let (have, receipted) = (self.ledger.received.get(peer).copied(), self.ledger.receipted.get(peer).copied());
        let (hello, session, unread) = (None, None, VecDeque::new());
        let link = Link { connection, peer: peer.clone(), have, receipted, hello, session, unread };
        self.links.insert(peer.clone(), link);
        let hello = Hello {
            have,
            seen_of_you: self.seen.get(peer).copied(),
            newest_of_you: self.ledger.newest_of(peer),
            delivered_of_you: self.ledger.newest_delivered_by(peer),
            checkpoint: if self.state == State::Clear { self.signed } else { self.ledger.recorded },
        };
        self.effects.push(Effect::Send(connection, peer.clone(), Frame::Hello(Box::new(hello))));
    }

    /// A connection has ended.
    pub fn disconnected(&mut self, connection: u64, peer: &AgencyId) {
        if self.links.get(peer).is_some_and(|link| link.connection == connection) {
            self.links.remove(peer);
        }
    }

    /// A frame has come.
    pub fn receive(&mut self, connection: u64, peer: &AgencyId, frame: Frame, now: u64) {
        let Some(link) = self.links.get_mut(peer).filter(|link| link.connection == connection) else { return };
        match frame {
            Frame::Hello(_) if link.hello.is_some() => self.fault(peer, FaultCode::UnexpectedFrame, "a second Hello"),
            Frame::Hello(hello) => self.greeted(peer, *hello, now),
            frame if link.session.is_none() => link.unread.push_back(frame),
            frame => self.read(peer, frame, now),
        }
    }

    fn greeted(&mut self, peer: &AgencyId, hello: Hello, now: u64) {
        if let Some(epoch) = self.set_back_by(&hello) {
            self.sighted = epoch.max(self.sighted);
            self.state = State::SetBack;
            self.held.clear();
            self.decide(Input::Guard(GuardState::SetBack), Waiter::Nobody, now);
            let links = std::mem::take(&mut self.links).into_values();
            return self.effects.extend(links.map(|link| Effect::Close(link.connection, "set back".to_owned())));
        }
        let (epoch, size) = (self.ledger.epoch, self.ledger.next_index());
        if hello.have.is_some_and(|have| have.is_beyond(epoch, size)) {
            return self.fault(peer, FaultCode::AheadOfLedger, "the peer claims more than there is");
        }
        if let Some(link) = self.links.get_mut(peer) {
            link.hello = Some(hello);
        }
        self.guard.heard(peer, Duration::from_millis(now.saturating_sub(self.started)));
        self.tick(now);
        self.begin_sessions(now);
    }

    /// The epoch of what a peer shows, if this node signed it and it is no part of its ledger.
    fn set_back_by(&self, hello: &Hello) -> Option<Epoch> {
        let ours = Extent { epoch: self.ledger.epoch, size: self.ledger.next_index().0 };
        let conflicts = |epoch: Epoch, size: u64, same: bool| {
            let Ok(standing) = Standing::of(ours, Extent { epoch, size }, || Ok::<_, Infallible>(same));
            standing.is_conflict().then_some(epoch)
        };
        let by_checkpoint = hello.seen_of_you.and_then(|seen| conflicts(seen.epoch, seen.size, self.ledger.had(&seen)));
        let by_entry = |shown: Option<(Place, EntryId)>| {
            let (place, entry) = shown?;
            conflicts(place.epoch, place.index.0 + 1, self.ledger.leaf_of(&entry) == Some(place.index))
        };
        by_checkpoint.max(by_entry(hello.newest_of_you)).max(by_entry(hello.delivered_of_you))
    }

    /// Begins the sessions of all that have greeted, if this node may sign.
    pub(super) fn begin_sessions(&mut self, now: u64) {
        if self.state != State::Clear {
            return;
        }
        let ready = |link: &&Link| link.session.is_none() && link.hello.is_some();
        let peers: Vec<AgencyId> = self.links.values().filter(ready).map(|link| link.peer.clone()).collect();
        for peer in peers {
            self.begin_session(&peer, now);
        }
    }

    fn begin_session(&mut self, peer: &AgencyId, now: u64) {
        let Some(hello) = self.links.get(peer).and_then(|link| link.hello) else { return };
        if let Some(checkpoint) = hello.checkpoint {
            self.note_seen(peer, checkpoint, now);
        }
        let shown = self.seen.get(peer).map(|seen| seen.epoch);
        let owed = GiveBack::owed(shown, self.ledger.reset_of(peer), self.ledger.next_index());
        let give_back = owed.map(|(epoch, before)| GiveBack {
            epoch,
            before,
            own: self.id.clone(),
            adjacent: self.adjacent.clone(),
            charters: Arc::clone(&self.charters),
        });
        let Some(link) = self.links.get_mut(peer) else { return };
        let (sender, receiver) = (Sender::new(self.ledger.end()), Receiver::new(link.have));
        link.session = Some(Session { sender, receiver, give_back });
        let (receipted, unread) = (link.receipted, std::mem::take(&mut link.unread));
        self.send(peer, SenderEvent::Linked { have: hello.have, receipted }, now);
        for frame in unread {
            self.read(peer, frame, now);
        }
    }

    fn note_seen(&mut self, peer: &AgencyId, shown: Seen, now: u64) {
        let is_news = |seen: &Seen| (seen.epoch, seen.size) < (shown.epoch, shown.size);
        if self.seen.get(peer).is_none_or(is_news) {
            self.seen.insert(peer.clone(), shown);
            let header = SeenHeader { at: self.wall(now), peer: peer.clone() };
            self.decide(Input::Seen(header, shown.to_bytes()), Waiter::Nobody, now);
        }
    }

    fn read(&mut self, peer: &AgencyId, frame: Frame, now: u64) {
        match frame {
            Frame::Hello(_) => {}
            Frame::Deliver(deliver) => self.delivered(peer, deliver, now),
            Frame::Ack { cursor, results, checkpoint } => {
                let receipt = |result: &ItemResult| match result.outcome {
                    ItemOutcome::Leaf(leaf) => {
                        let (by, epoch, entry) = (peer.clone(), checkpoint.epoch, result.entry);
                        Some(Receipt { by, epoch, entry, leaf })
                    }
                    ItemOutcome::Refused(_) | ItemOutcome::Deferred(_) => None,
                };
                let receipts = results.iter().filter_map(receipt).map(|receipt| receipt.to_bytes()).collect::<Vec<_>>();
                self.note_seen(peer, checkpoint, now);
                self.receipted(peer, SenderEvent::Acknowledged { cursor, results }, receipts.concat(), now);
            }
        }
    }

    fn delivered(&mut self, peer: &AgencyId, deliver: wire::Deliver, now: u64) {
        let bytes = deliver.encoded_len();
        let wire::Deliver { cursor, mut items, after } = deliver;
        let cursor = Cursor::from_wire(cursor.expect("the simulation sends a cursor"));
        let after = after.map(Cursor::from_wire);
        let Some(link) = self.links.get_mut(peer) else { return };
        let Some(session) = &mut link.session else { return };
        let connection = link.connection;
        for output in session.receiver.handle(ReceiverEvent::Delivered { after, cursor, items: items.len(), bytes }) {
            match output {
                ReceiverOutput::Submit { cursor } => {
                    let items = self.authenticate(std::mem::take(&mut items));
                    let delivery = Delivery { peer: peer.clone(), cursor, items };
                    self.decide(Input::Deliver(delivery), Waiter::Peer(peer.clone(), connection), now);
                }
                ReceiverOutput::Fault(code, reason) => return self.fault(peer, code, &reason),
                // The window is larger than a run.
                _ => {}
            }
        }
    }

    /// Gives the sender an event and does what it says, reading the ledger at once.
    pub(super) fn send(&mut self, peer: &AgencyId, event: SenderEvent, now: u64) {
        self.receipted(peer, event, Vec::new(), now);
    }

    /// The same; `receipts`: what a receipt says that comes with the event.
    fn receipted(&mut self, peer: &AgencyId, event: SenderEvent, receipts: Vec<u8>, now: u64) {
        let Some(link) = self.links.get_mut(peer) else { return };
        let Some(session) = &mut link.session else { return };
        let mut outputs: VecDeque<SenderOutput> = session.sender.handle(event).into();
        let (mut prepared, mut acknowledged) = (None, None);
        while let Some(output) = outputs.pop_front() {
            match output {
                SenderOutput::Read { from } => {
                    let give_back = session.give_back.as_ref();
                    let Ok(read) = prepare(&self.ledger, peer, from, self.ledger.end(), give_back, ROOM);
                    prepared = Some(read.frame);
                    outputs.extend(session.sender.handle(SenderEvent::Prepared(read.batch)));
                }
                SenderOutput::Deliver { after, .. } => {
                    if let Some(frame) = prepared.take() {
                        let frame = wire::Deliver { after: Some(after.to_wire()), ..frame };
                        self.effects.push(Effect::Send(link.connection, peer.clone(), Frame::Deliver(frame)));
                    }
                }
                SenderOutput::Store { cursor, .. } => acknowledged = Some(cursor),
                SenderOutput::Fault(code, reason) => return self.fault(peer, code, &reason),
            }
        }
        if let Some(cursor) = acknowledged {
            let header = ReceiptHeader { at: self.wall(now), peer: peer.clone(), cursor, refused: Vec::new() };
            self.decide(Input::Receipt(header, receipts), Waiter::Nobody, now);
        }
    }

    /// Answers a frame that is durable.
    pub(super) fn acknowledge(&mut self, peer: &AgencyId, connection: u64, results: Vec<ItemResult>) {
        let Some(checkpoint) = self.signed else { return };
        let Some(link) = self.links.get_mut(peer).filter(|link| link.connection == connection) else { return };
        let Some(session) = &mut link.session else { return };
        for output in session.receiver.handle(ReceiverEvent::Committed { results, checkpoint: Vec::new() }) {
            if let ReceiverOutput::Acknowledge { cursor, results, .. } = output {
                let ack = Frame::Ack { cursor, results, checkpoint };
                self.effects.push(Effect::Send(connection, peer.clone(), ack));
            }
        }
    }

    pub(super) fn fault(&mut self, peer: &AgencyId, code: FaultCode, reason: &str) {
        if let Some(link) = self.links.get(peer) {
            self.effects.push(Effect::Close(link.connection, format!("{code}: {reason}")));
        }
    }
}
