//! One agency of the simulation: the shell around the code that decides, as thin as it can be.
//!
//! ```text
//! node        what it is made of, its start and its end
//!   |-- session   greeting, frames in and out            (daemon: link/session)
//!   |-- commit    the group commit                       (daemon: writer)
//!   |-- author    own entries and duties                 (daemon: writer/author, writer/duties)
//!   `-- recovery  a new epoch                            (daemon: recover)
//! ```
//!
//! Invariants:
//! - the ledger changes in [`Node::commit`] and [`Node::recover`] alone, all of a group or nothing: what waits for it is lost in a crash;
//! - nobody is answered before the commit; nothing is committed while peers may have seen another ledger.

mod author;
mod commit;
mod recovery;
mod session;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::StdRng;
use sinergi_proto::admission::Verdict;
use sinergi_proto::charter::{Charter, Charters};
use sinergi_proto::clock::HybridClock;
use sinergi_proto::complaint::Complaint;
use sinergi_proto::content::Content;
use sinergi_proto::dossier::Dossier;
use sinergi_proto::entry::{ContentClass, Entry};
use sinergi_proto::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::intake::{Received, receive_items};
use sinergi_proto::key::SigningKey;
use sinergi_proto::link::Cursor;
use sinergi_proto::route::Standpoint;
use sinergi_proto::transparency::rollback_guard::PeerWait as Guard;
use sinergi_proto::wire::{self, act_request::Act};

use super::ledger::{Leaf, Ledger, Receipt, Seen};
use super::link::{Frame, Link};
use super::topology::{FEDERATION, Topology};

/// How long an addressee has to answer: shorter than many faults, so that custody forks.
pub const ANSWER_WITHIN: u64 = 20 * 60 * 1000;

/// Whether a node works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does not run.
    Down,
    /// It has started and hears what its peers saw.
    Hearing,
    /// It works.
    Clear,
    /// Its ledger was set back: it waits for its operator.
    SetBack,
}

/// What waits for the group commit.
enum Submission {
    Lodge(wire::Lodged, Vec<(Content, ContentClass)>),
    Act(ComplaintId, Act, Option<(Content, ContentClass)>),
    /// A dishonest operator acts on custody as it was once.
    GoBack(ComplaintId, EntryId, AgencyId),
    Delivery {
        peer: AgencyId,
        connection: u64,
        cursor: Cursor,
        items: Vec<Received>,
    },
    Receipt(AgencyId, Cursor, Vec<Receipt>),
    Seen(AgencyId, Seen),
    Retry,
}

/// What the world must do for a node, or know of it.
pub enum Effect {
    /// Put a frame on a connection.
    Send(u64, AgencyId, Frame),
    /// End a connection.
    Close(u64, String),
    /// The node's operator was told that the entry is written.
    Acknowledged(EntryId),
    /// The same, of an entry that acts on custody as it was once.
    WentBack(EntryId),
}

/// One agency.
pub struct Node {
    /// Its id.
    pub id: AgencyId,
    /// Whether it works.
    pub state: State,
    /// What a crash leaves.
    pub ledger: Ledger,
    /// Derived from the ledger.
    pub cases: BTreeMap<ComplaintId, Dossier>,
    /// Its ends of the connections that are up.
    pub links: BTreeMap<AgencyId, Link>,
    /// By how much its clock is off, in milliseconds.
    pub clock_error: i64,
    adjacent: BTreeSet<AgencyId>,
    charters: Arc<Charters>,
    key: SigningKey,
    queue: VecDeque<Submission>,
    /// The newest checkpoint of each peer that is known in this run of the program.
    seen: BTreeMap<AgencyId, Seen>,
    /// The newest epoch that contradicted its ledger.
    sighted: Epoch,
    /// Complaints about which it has to do something by itself.
    duties: BTreeSet<ComplaintId>,
    /// The last own clock.
    clock: HybridClock,
    /// The newest time that was cosigned, in seconds since 1970, as far as this run of the program knows.
    cosigned: u64,
    /// The newest checkpoint of this run of the program.
    signed: Option<Seen>,
    /// The newest checkpoint over more leaves than those before, until a group records it.
    unrecorded: Option<Seen>,
    guard: Guard,
    started: u64,
    salt: u64,
    effects: Vec<Effect>,
}

impl Node {
    /// A node that does not run yet.
    pub fn new(id: &AgencyId, topology: &Topology) -> Self {
        let adjacent = topology.adjacent[id].clone();
        Self {
            id: id.clone(),
            state: State::Down,
            ledger: Ledger::new(Epoch::FIRST),
            cases: BTreeMap::new(),
            links: BTreeMap::new(),
            clock_error: 0,
            guard: Guard::new(adjacent.iter().cloned()),
            adjacent,
            charters: Arc::clone(&topology.charters),
            key: topology.key(id).clone(),
            queue: VecDeque::new(),
            seen: BTreeMap::new(),
            sighted: Epoch::FIRST,
            duties: BTreeSet::new(),
            clock: HybridClock::default(),
            cosigned: 0,
            signed: None,
            unrecorded: None,
            started: 0,
            salt: 0,
            effects: Vec::new(),
        }
    }

    /// The charter in force.
    pub fn charter(&self) -> &Charter {
        self.charters.newest()
    }

    /// Whether something waits for the group commit.
    pub fn has_work(&self) -> bool {
        self.state == State::Clear && (!self.queue.is_empty() || self.ledger.waiting.is_unblocked())
    }

    /// What the world must do, or know of.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Starts: everything but the ledger is derived anew.
    pub fn start(&mut self, now: u64) {
        self.state = State::Hearing;
        self.started = now;
        self.guard = Guard::new(self.adjacent.iter().cloned());
        self.cases = self.folded_from_nothing();
        self.seen = self.ledger.seen.clone();
        self.ledger.waiting.started();
        let own = self.ledger.leaves.iter().filter(|leaf| leaf.entry.author == self.id);
        self.clock = own.map(|leaf| leaf.entry.clock).max().unwrap_or_default();
        self.duties = self.cases.keys().copied().collect();
        let recorded = self.ledger.recorded.filter(|recorded| recorded.epoch == self.ledger.epoch);
        self.cosigned = recorded.map(|recorded| recorded.seconds).unwrap_or_default();
        (self.signed, self.unrecorded) = (None, None);
        self.queue.push_back(Submission::Retry);
    }

    /// Stops at once: what was not committed is lost.
    pub fn crash(&mut self) {
        self.state = State::Down;
        self.links.clear();
        self.queue.clear();
        self.cases.clear();
        self.effects.clear();
    }

    /// The complaints of the ledger's leaves, from the first.
    pub fn folded_from_nothing(&self) -> BTreeMap<ComplaintId, Dossier> {
        let mut cases = BTreeMap::new();
        for (index, leaf) in (0..).map(LedgerIndex).zip(&self.ledger.leaves) {
            fold(&mut cases, &leaf.entry, self.charters.newest());
            place(&mut cases, index, leaf);
        }
        cases
    }

    /// When the node may sign, if nobody else is heard; `None`: it may, or it may not at all.
    pub fn clear_at(&self) -> Option<u64> {
        let ends = u64::try_from(self.guard.ends().as_millis()).unwrap_or(u64::MAX);
        (self.state == State::Hearing).then(|| self.started.saturating_add(ends))
    }

    /// Time has passed: the wait for peers may be over.
    pub fn tick(&mut self, now: u64) {
        if self.clear_at().is_some_and(|at| at <= now) {
            self.state = State::Clear;
            self.sign_checkpoint(now);
            self.begin_sessions();
        }
    }

    /// What waits for its time is tried, and what is to be done by itself.
    pub fn retry(&mut self) {
        if self.state == State::Clear && (!self.ledger.waiting.is_empty() || !self.duties.is_empty()) {
            self.queue.push_back(Submission::Retry);
        }
    }

    /// An operator lodges a complaint.
    pub fn lodge(&mut self, body: wire::Lodged, contents: Vec<(Content, ContentClass)>) {
        self.queue.push_back(Submission::Lodge(body, contents));
    }

    /// An operator does something to a complaint.
    pub fn act(&mut self, complaint: ComplaintId, act: Act, text: Option<(Content, ContentClass)>) {
        self.queue.push_back(Submission::Act(complaint, act, text));
    }

    /// A dishonest operator offers a complaint to another from where custody was once.
    pub fn go_back(&mut self, complaint: ComplaintId, basis: EntryId, to: AgencyId) {
        self.queue.push_back(Submission::GoBack(complaint, basis, to));
    }

    /// The adjacent peers.
    pub fn adjacent(&self) -> &BTreeSet<AgencyId> {
        &self.adjacent
    }

    /// What it would make of an item: taken, or refused with a code; `None`: it would wait, or the node does not run.
    pub fn verdict_on(&self, item: &wire::Item, now: u64) -> Option<Result<(), u32>> {
        if matches!(self.state, State::Down | State::SetBack) {
            return None;
        }
        let rng = StdRng::seed_from_u64(0);
        match receive_items(vec![item.clone()], FEDERATION, &self.charters, rng).pop()? {
            Received::Refused { refusal, .. } => Some(Err(refusal.code.number())),
            Received::Deferred { .. } => None,
            Received::Authentic(authentic) => match self.judge(&authentic.entry, now) {
                Verdict::Admit => Some(Ok(())),
                Verdict::Refuse(refusal) => Some(Err(refusal.code.number())),
                Verdict::Defer { .. } => None,
            },
        }
    }

    /// A salt that no other content of the node has.
    pub fn next_salt(&mut self) -> [u8; 32] {
        self.salt += 1;
        let mut salt = [0; 32];
        salt[..8].copy_from_slice(&self.salt.to_be_bytes());
        salt
    }

    /// The newest checkpoint of this run of the program.
    pub fn signed(&self) -> Option<Seen> {
        self.signed
    }

    /// Signs a checkpoint over all leaves. Its time never goes back, as far as this run of the program knows.
    fn sign_checkpoint(&mut self, now: u64) {
        self.cosigned = self.cosigned.max(self.wall(now) / 1000);
        let checkpoint = self.ledger.checkpoint(self.cosigned);
        if self.ledger.recorded.max(self.unrecorded).is_none_or(|largest| largest.size < checkpoint.size) {
            self.unrecorded = Some(checkpoint);
        }
        self.signed = Some(checkpoint);
    }

    fn wall(&self, now: u64) -> u64 {
        now.saturating_add_signed(self.clock_error)
    }

    fn standpoint(&self) -> Standpoint<'_> {
        Standpoint { own: &self.id, adjacent: &self.adjacent, charter: self.charters.newest() }
    }

    fn complaint_of(&self, entry: &Entry) -> Option<&Complaint> {
        self.cases.get(&entry.complaint?).map(|case| &case.complaint)
    }
}

fn fold(cases: &mut BTreeMap<ComplaintId, Dossier>, entry: &Entry, charter: &Charter) {
    let Some(id) = entry.complaint else { return };
    if let Some(case) = cases.get_mut(&id) {
        case.complaint.insert(entry, charter);
    } else if let Some(case) = Dossier::lodge(entry) {
        cases.insert(id, case);
    }
}

fn place(cases: &mut BTreeMap<ComplaintId, Dossier>, index: LedgerIndex, leaf: &Leaf) {
    if let Some(case) = leaf.entry.complaint.and_then(|id| cases.get_mut(&id)) {
        case.place(index, &leaf.entry, leaf.from.as_ref(), &leaf.routes);
    }
}
