//! Tests of whole sessions, event by event. Each compares all actions and frames of a session.

mod charters;
mod flow;
mod gossip;
mod greeting;
mod handshake;
mod keepalive;
mod pair;
mod proofs;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::session::CHARTERS_WITHIN;
use super::*;
use crate::base::clock::Now;
use crate::base::cursor::Cursor;
use crate::base::ids::{EntryId, Epoch, LedgerIndex};
use crate::charter::Charters;
use crate::fixture::{FEDERATION, Federation, START, agency};
use crate::routing::outbox::{FrameSummary, Prepared, SentEntry};
use crate::tlog::checkpoint::Checkpoint;
use crate::transparency::rollback_guard::GuardState;
use crate::wire::{self, Frame, frame::Kind};

const OWN: &str = "prov-jabar";
const PEER: &str = "kota-bandung";
/// The idle timeout of these links.
const IDLE: Duration = Duration::from_secs(60);
/// The checkpoint of the session's node.
const CHECKPOINT: &[u8] = b"our checkpoint";
/// The checkpoint of the peer.
const THEIRS: &[u8] = b"their checkpoint";

/// One side of a link, driven by hand.
#[derive(Clone)]
struct Side {
    session: Session,
    now: Now,
}

fn cursor(index: u64) -> Cursor {
    Cursor { epoch: Epoch(1), index: LedgerIndex(index), part: 0 }
}

fn entry(number: u8) -> EntryId {
    EntryId([number; 32])
}

/// A node with ten leaves that may sign.
fn config(charters: &Charters) -> SessionConfig {
    SessionConfig {
        own: agency(OWN),
        peer: agency(PEER),
        federation: FEDERATION.to_owned(),
        idle: IDLE,
        window: Window::default(),
        charters: Arc::new(charters.clone()),
        end: cursor(10),
        signed: Some(Signed { size: LedgerIndex(10), note: Arc::from(CHECKPOINT) }),
        guard: GuardState::Clear,
    }
}

/// The Hello of a peer that goes by the same charter.
fn hello(charters: &Charters) -> wire::Hello {
    wire::Hello {
        protocol_min: crate::sync::PROTOCOL_MIN,
        protocol_max: crate::sync::PROTOCOL_MAX,
        federation: FEDERATION.to_owned(),
        agency: PEER.to_owned(),
        charter_version: charters.newest().version,
        charter_hash: charters.newest().hash.to_vec(),
        have_cursor: Some(cursor(10).to_wire()),
        now: START,
        ..Default::default()
    }
}

/// The peer's Ready.
fn ready() -> Kind {
    Kind::Ready(wire::Ready { checkpoint: THEIRS.to_vec() })
}

/// A checkpoint of the peer, without a time.
fn checkpoint_of_peer(epoch: u32, size: u64) -> Checkpoint {
    Checkpoint { epoch: Epoch(epoch), size, root: [3; 32], seconds: None }
}

/// The result of the check of a frame with one checkpoint of the peer.
fn checked(checkpoint: Checkpoint) -> Done {
    let own = vec![OwnShown { checkpoint: Some(checkpoint), confirmed: None }];
    Done::CheckpointsChecked(CheckedCheckpoints { news: Vec::new(), own })
}

/// The peer has everything, and its receipts are here.
fn stored_peer() -> StoredPeer {
    StoredPeer { received: Some(cursor(5)), receipted: Some(cursor(10)), ..StoredPeer::default() }
}

fn start(job: u64, what: Job) -> Action {
    Action::Start(JobId(job), what)
}

fn ping(nonce: u64, reply: bool) -> Kind {
    Kind::Ping(wire::Ping { nonce, reply, now: START })
}

/// The result of a read of gossip: no newer checkpoint of this node, and these of others.
fn gossip(job: u64, notes: &[&[u8]], reached: u64) -> Event {
    gossip_with(job, (10, CHECKPOINT), notes, reached)
}

/// Like [`gossip`], with this newest checkpoint of this node.
fn gossip_with(job: u64, (size, own): (u64, &[u8]), notes: &[&[u8]], reached: u64) -> Event {
    let own = Signed { size: LedgerIndex(size), note: Arc::from(own) };
    done(job, Done::Gossip { own, notes: notes.iter().map(|note| note.to_vec()).collect(), reached })
}

fn done(job: u64, done: Done) -> Event {
    Event::Done(JobId(job), done)
}

fn frame(kind: Kind) -> Event {
    Event::Frame(Frame { kind: Some(kind) })
}

/// Whether the last action closes the session with this fault.
fn ends_with(actions: &[Action], code: crate::base::refusal::FaultCode) -> bool {
    matches!(actions, [.., Action::Close(Close { end: End::Fault(found, _), .. })] if *found == code)
}

impl Side {
    fn open(config: SessionConfig) -> (Self, Vec<Action>) {
        let (now, mut actions) = (Now { wall_millis: START, mono_nanos: 0 }, Vec::new());
        let session = Session::open(config, now, &mut actions);
        (Self { session, now }, actions)
    }

    /// A linked session with nothing left to send. It has used the jobs 1 to 4.
    fn linked() -> Self {
        let federation = Federation::new();
        Self::linked_with(config(&federation.charters), stored_peer(), hello(&federation.charters))
    }

    fn linked_with(config: SessionConfig, stored_peer: StoredPeer, hello: wire::Hello) -> Self {
        let (mut side, _) = Self::open(config);
        side.does(done(1, Done::PeerLoaded(Box::new(stored_peer))));
        side.does(frame(Kind::Hello(hello)));
        side.does(done(2, Done::Compared(None)));
        side.does(frame(ready()));
        side.does(done(3, checked(checkpoint_of_peer(1, 20))));
        side.says();
        // There is no new checkpoint of a third party.
        side.does(gossip(4, &[], 0));
        side
    }

    /// Passes an event. Returns the session's actions.
    fn does(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.session.handle(event, self.now, &mut actions);
        actions
    }

    /// Takes all frames that can leave.
    fn says(&mut self) -> Vec<Kind> {
        let mut said = Vec::new();
        while self.session.has_frame() {
            said.extend(self.session.next_frame(self.now).and_then(|frame| frame.kind));
        }
        said
    }

    /// Lets time pass, with a timeout event whenever a timer expires. Returns the session's actions and frames.
    fn waits(&mut self, wait: Duration) -> (Vec<Action>, Vec<Kind>) {
        let until = self.now.after(wait);
        let (mut actions, mut said) = (Vec::new(), Vec::new());
        while let Some(next) = self.session.next_timeout().filter(|next| *next <= until) {
            self.turn_to(next);
            actions.extend(self.does(Event::Timeout));
            said.extend(self.says());
        }
        self.turn_to(until);
        (actions, said)
    }

    fn turn_to(&mut self, mono_nanos: u64) {
        let passed = (mono_nanos - self.now.mono_nanos) / 1_000_000;
        self.now = Now { wall_millis: self.now.wall_millis + passed, mono_nanos };
    }

    /// Passes a frame of the peer. Returns the session's actions.
    fn hears(&mut self, kind: Kind) -> Vec<Action> {
        self.does(frame(kind))
    }
}

/// A frame with these entries that ends at a cursor, as read from the ledger.
fn prepared(index: u64, entries: &[u8]) -> Prepared {
    let items = entries.iter().map(|number| item(*number)).collect();
    let frame = wire::Deliver { cursor: Some(cursor(index).to_wire()), items, after: None };
    let summary = FrameSummary {
        cursor: cursor(index),
        entries: entries.iter().map(|number| sent(entry(*number), index - 1)).collect(),
        bytes: 100 * entries.len(),
    };
    Prepared { summary, frame }
}

fn sent(id: EntryId, leaf: u64) -> SentEntry {
    SentEntry { id, leaf: LedgerIndex(leaf), complaint: None, is_again: false }
}

fn item(number: u8) -> wire::Item {
    wire::Item { signed_entry: Bytes::copy_from_slice(&[number; 32]), ..Default::default() }
}
