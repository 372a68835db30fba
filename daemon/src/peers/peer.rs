//! The state of each peer, for operators, and the slot that one session at a time holds.
//!
//! Must not know connections.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use sinergi_config::Endpoint;
use sinergi_proto::base::cursor::Cursor;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::limits;
use sinergi_proto::sync::{GiveBacks, PeerChange};
use sinergi_proto::wire;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::base::node_limits;
use crate::base::own_clock::SharedClock;
use crate::base::time::now_millis;

/// The adjacent peers, as configured.
#[derive(Clone, Default)]
pub struct Peers(Arc<BTreeMap<AgencyId, Arc<Peer>>>);

/// One adjacent peer.
pub struct Peer {
    /// The agency.
    pub agency: AgencyId,
    /// The address to dial; `None` if the peer dials us.
    pub endpoint: Option<Endpoint>,
    state: Mutex<PeerSnapshot>,
    /// This node's clock, which all peers' clocks are compared with.
    clock: SharedClock,
    slot: Mutex<Option<Holder>>,
    linked: watch::Sender<bool>,
    /// Room for its connections.
    pub(super) connections: Arc<Semaphore>,
    /// Bounds the peer's questions that are being answered.
    pub(super) proving: Arc<Semaphore>,
}

/// The state of a peer. Times are in milliseconds since 1970; 0 means none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerSnapshot {
    /// When the link came up.
    pub linked_since: u64,
    /// When the Hellos of the present connection were exchanged, while the link is not up: both sides must still show a checkpoint.
    pub greeted_since: u64,
    /// Since when connections come up and links do not.
    pub not_ready_since: u64,
    /// Since when it shows checkpoints without a time.
    pub without_time_since: u64,
    /// The last time at which a link ended because it showed no valid checkpoint, and the problem in words.
    pub no_checkpoint: Option<(u64, String)>,
    /// Whether a connection is being made.
    pub connecting: bool,
    /// When the peer's application last answered.
    pub last_success: u64,
    /// When the first failure after that answer happened.
    pub first_failure: u64,
    /// The last failure, in words.
    pub last_error: String,
    /// When it will be dialled again.
    pub next_retry: u64,
    /// The cursor of the last frame sent to it.
    pub sent: Option<Cursor>,
    /// The cursor up to which it has acknowledged our ledger.
    pub acknowledged: Option<Cursor>,
    /// When its certificate expires.
    pub certificate_expires: u64,
    /// The negotiated protocol version.
    pub protocol: u32,
    /// Its charter version.
    pub charter_version: u64,
    /// Entries sent in this run of the program.
    pub sent_entries: u64,
    /// Entries received in this run of the program.
    pub received_entries: u64,
    /// How far its clock is ahead of ours, in milliseconds, by its last message.
    pub clock_offset: Option<i64>,
    /// Items refused in either direction in this run of the program.
    pub refused: u64,
    /// The version of the watch up to which it has received others' checkpoints.
    pub gossiped: u64,
    /// The hash of a rival charter that it has, and the version up to which our charters were passed on because of that.
    pub passed_on: Option<([u8; 32], u64)>,
    /// When this node began to give entries back to it, in this run of the program.
    pub gave_back: GiveBacks,
}

/// The side that dialled a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// This node.
    Dialled,
    /// The peer.
    Accepted,
}

struct Holder {
    direction: Direction,
    superseded: CancellationToken,
    number: u64,
    link: Link,
}

/// The channels to the session that holds a peer's slot.
#[derive(Clone)]
pub(super) struct Link {
    /// Requests for a `Ping`. Each is answered when the reply comes.
    pub(super) pings: mpsc::Sender<oneshot::Sender<()>>,
    /// Questions about the peer's ledger, each with the channel that tells when the session took it.
    pub(super) questions: mpsc::Sender<(Question, oneshot::Sender<Instant>)>,
}

/// A question about a peer's ledger, and the channel for the answer.
pub(super) struct Question {
    /// The question. The session sets its number.
    pub(super) prove: wire::Prove,
    /// The channel for the answer.
    pub(super) answer: oneshot::Sender<wire::Proof>,
}

/// The questions that wait for a session.
pub(super) struct Questions(mpsc::Receiver<(Question, oneshot::Sender<Instant>)>);

impl Questions {
    /// The next question whose caller still waits, which is told that the session takes it now. `None` if there can be no more. Can be dropped and
    /// called again.
    pub(super) async fn recv(&mut self) -> Option<Question> {
        loop {
            let (question, taken) = self.0.recv().await?;
            if taken.send(Instant::now()).is_ok() {
                return Some(question);
            }
        }
    }
}

/// A session's hold of its peer's slot. Dropping it frees the slot.
pub struct Hold {
    peer: Arc<Peer>,
    number: u64,
    /// Cancelled when another session takes the slot.
    pub superseded: CancellationToken,
    /// Requests for a `Ping`. Each is answered when the reply comes.
    pub pings: mpsc::Receiver<oneshot::Sender<()>>,
    /// Questions about the peer's ledger.
    pub(super) questions: Questions,
}

impl Peers {
    /// These peers. Their clocks are noted in `clock`.
    pub fn new(configured: &[sinergi_config::Peer], clock: &SharedClock) -> Self {
        let peer = |peer: &sinergi_config::Peer| {
            let state = Mutex::new(PeerSnapshot::default());
            let (agency, endpoint) = (peer.agency.clone(), peer.endpoint.clone());
            let linked = watch::Sender::new(false);
            let slot = Mutex::new(None);
            let connections = Arc::new(Semaphore::new(node_limits::CONNECTIONS_PER_PEER));
            let proving = Arc::new(Semaphore::new(limits::PROVES_OPEN));
            let clock = clock.clone();
            (agency.clone(), Arc::new(Peer { agency, endpoint, state, clock, slot, linked, connections, proving }))
        };
        Self(Arc::new(configured.iter().map(peer).collect()))
    }

    /// The peer with this id.
    pub fn get(&self, agency: &AgencyId) -> Option<&Arc<Peer>> {
        self.0.get(agency)
    }

    /// All peers, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Peer>> {
        self.0.values()
    }

    /// The peers whose link is up now.
    pub fn linked(&self) -> impl Iterator<Item = AgencyId> {
        self.iter().filter(|peer| peer.state().linked_since > 0).map(|peer| peer.agency.clone())
    }
}

impl Peer {
    /// Its present state.
    pub fn snapshot(&self) -> PeerSnapshot {
        self.state().clone()
    }

    /// Changes its state.
    pub fn note(&self, change: impl FnOnce(&mut PeerSnapshot)) {
        change(&mut self.state());
    }

    /// Applies a change that its session reports.
    pub(super) fn apply(&self, change: &PeerChange) {
        let (mut state, now) = (self.state(), now_millis());
        match *change {
            PeerChange::Heard => {}
            PeerChange::Greeted { protocol, charter_version } => {
                (state.protocol, state.charter_version) = (protocol, charter_version);
                // The connection may have taken over from another one.
                state.linked_since = 0;
                (state.greeted_since, state.last_success) = (now, now);
                if state.not_ready_since == 0 {
                    state.not_ready_since = now;
                }
                (state.connecting, state.next_retry) = (false, 0);
            }
            PeerChange::Linked => {
                (state.linked_since, state.greeted_since, state.not_ready_since) = (now, 0, 0);
                (state.first_failure, state.last_error) = (0, String::new());
            }
            PeerChange::Shown { has_time: true } => state.without_time_since = 0,
            PeerChange::Shown { has_time: false } if state.without_time_since == 0 => state.without_time_since = now,
            PeerChange::Shown { has_time: false } => {}
            PeerChange::ClockOffset(offset) => {
                state.clock_offset = Some(offset);
                self.clock.heard(&self.agency, offset);
            }
            PeerChange::Answered => state.last_success = now,
            PeerChange::Progress { sent, acknowledged } => {
                (state.sent, state.acknowledged) = (Some(sent), Some(acknowledged));
            }
            PeerChange::SentEntries(count) => state.sent_entries += count,
            PeerChange::ReceivedEntries(count) => state.received_entries += count,
            PeerChange::Refused(count) => state.refused += count,
            PeerChange::GivesBack(reason) => state.gave_back.begin(reason, now),
            PeerChange::Gossiped(0) => state.gossiped = 0,
            PeerChange::Gossiped(version) => state.gossiped = state.gossiped.max(version),
            PeerChange::PassedOn(passed_on) => state.passed_on = passed_on,
        }
    }

    /// Notes a failure, and logs it if it differs from the one before.
    pub fn failed(&self, error: &dyn std::fmt::Display) {
        let text = error.to_string();
        let mut state = self.state();
        if state.last_error != text {
            tracing::warn!(peer = %self.agency, "{text}");
        }
        if state.first_failure == 0 {
            state.first_failure = now_millis();
        }
        // The node is not waiting: its connections fail.
        state.not_ready_since = 0;
        state.last_error = text;
    }

    /// Takes the slot for a new connection. `None` if the connection must be turned away.
    ///
    /// Both sides use the same rule. If both dialled at once, the connection that the smaller agency id dialled stays. Otherwise the newer
    /// connection replaces the older one, which may be dead without this node having noticed.
    pub fn take_slot(self: &Arc<Self>, own: &AgencyId, direction: Direction) -> Option<Hold> {
        let mut slot = self.slot.lock();
        if let Some(holder) = &*slot
            && holder.direction != direction
        {
            let ours_stays = *own < self.agency;
            let dialled_is_ours = holder.direction == Direction::Dialled;
            // Both directions exist: keep the one dialled by the smaller id.
            if ours_stays == dialled_is_ours {
                return None;
            }
        }
        let number = slot.as_ref().map_or(1, |holder| holder.number + 1);
        if let Some(holder) = slot.take() {
            holder.superseded.cancel();
        }
        let superseded = CancellationToken::new();
        let (pings, asked) = mpsc::channel(1);
        let (questions, questioned) = mpsc::channel(1);
        let link = Link { pings, questions };
        *slot = Some(Holder { direction, superseded: superseded.clone(), number, link });
        self.linked.send_replace(true);
        let questions = Questions(questioned);
        Some(Hold { peer: Arc::clone(self), number, superseded, pings: asked, questions })
    }

    /// A receiver that says whether a session holds the slot.
    pub fn linked(&self) -> watch::Receiver<bool> {
        self.linked.subscribe()
    }

    /// The channel for `Ping` requests, if a session is up.
    pub fn pings(&self) -> Option<mpsc::Sender<oneshot::Sender<()>>> {
        self.link().map(|link| link.pings)
    }

    /// The channels to its session, if one is up.
    pub(super) fn link(&self) -> Option<Link> {
        self.slot.lock().as_ref().map(|holder| holder.link.clone())
    }

    fn state(&self) -> MutexGuard<'_, PeerSnapshot> {
        self.state.lock()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut slot = self.peer.slot.lock();
        if slot.as_ref().is_some_and(|holder| holder.number == self.number) {
            *slot = None;
            self.peer.note(|state| (state.linked_since, state.greeted_since, state.clock_offset) = (0, 0, None));
            self.peer.linked.send_replace(false);
        }
    }
}
