//! One agency of the simulation: the shell around the code that decides, as thin as it can be.
//!
//! Invariants:
//! - the ledger changes in [`Node::commit`] alone, all of a group or nothing: what waits for it is lost in a crash;
//! - nobody is answered before the commit; nothing is committed while peers may have seen another ledger.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use sinergi_proto::admission::{Verdict, admit, authenticate};
use sinergi_proto::charter::{Charter, Charters};
use sinergi_proto::clock::HybridClock;
use sinergi_proto::complaint::Complaint;
use sinergi_proto::content::Content;
use sinergi_proto::continuity::{Extent, Guard, Standing};
use sinergi_proto::decide::{self, Author};
use sinergi_proto::entry::{Body, ContentClass, Entry, EntryDraft, Place};
use sinergi_proto::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::key::SigningKey;
use sinergi_proto::limits;
use sinergi_proto::link::{Cursor, Receiver, ReceiverEvent, ReceiverOutput, Sender, SenderEvent, SenderOutput};
use sinergi_proto::receipt::{ItemOutcome, ItemResult};
use sinergi_proto::route::{Access, Reach, Route, routes};
use sinergi_proto::wire::{self, act_request::Act, entry::Body as Wire};

use super::ledger::{GiveBack, Leaf, Ledger, Seen, Waiting};
use super::link::{Frame, Link};
use super::topology::{FEDERATION, Topology};

/// How long an addressee has to answer: shorter than many faults, so that custody forks.
pub const ANSWER_WITHIN: u64 = 20 * 60 * 1000;
/// Submissions of one group.
const GROUP: usize = 16;

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
    Delivery { peer: AgencyId, connection: u64, cursor: Cursor, items: Vec<wire::Item> },
}

/// What the world must do for a node, or know of it.
pub enum Effect {
    /// Put a frame on a connection.
    Send(u64, AgencyId, Frame),
    /// End a connection.
    Close(u64, String),
    /// The node's operator was told that the entry is written.
    Acknowledged(EntryId),
    /// The node holds the receipt of a peer: the entry is at this leaf of the peer's ledger in this epoch.
    Receipt(AgencyId, Epoch, EntryId, LedgerIndex),
    /// An admitted entry, or one that was refused for good.
    Judged(EntryId, Option<u32>),
}

/// A complaint as a node has it.
pub struct Case {
    /// The fold.
    pub complaint: Complaint,
    routed: BTreeMap<AgencyId, Access>,
    /// Offers that came through a relay.
    relayed: BTreeSet<EntryId>,
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
    pub cases: BTreeMap<ComplaintId, Case>,
    /// Its ends of the connections that are up.
    pub links: BTreeMap<AgencyId, Link>,
    /// By how much its clock is off, in milliseconds.
    pub clock_error: i64,
    adjacent: BTreeSet<AgencyId>,
    charters: Arc<Charters>,
    key: SigningKey,
    queue: VecDeque<Submission>,
    guard: Guard,
    started: u64,
    salt: u64,
}

impl Case {
    fn note_given(&mut self, routes: &[Route]) {
        for route in routes {
            let given = self.routed.entry(route.to.clone()).or_insert(route.access);
            *given = route.access.max(*given);
        }
    }
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
            started: 0,
            salt: 0,
        }
    }

    /// The charter in force.
    pub fn charter(&self) -> &Charter {
        self.charters.newest()
    }

    /// Whether something waits for the group commit.
    pub fn has_work(&self) -> bool {
        self.state == State::Clear && !self.queue.is_empty()
    }

    /// Starts: everything but the ledger is derived anew.
    pub fn start(&mut self, now: u64) {
        self.state = State::Hearing;
        self.started = now;
        self.guard = Guard::new(self.adjacent.iter().cloned());
        self.cases = self.folded_from_nothing();
    }

    /// Stops at once: what was not committed is lost.
    pub fn crash(&mut self) {
        self.state = State::Down;
        self.links.clear();
        self.queue.clear();
        self.cases.clear();
    }

    /// The folds of the ledger's leaves, from the first.
    pub fn folded_from_nothing(&self) -> BTreeMap<ComplaintId, Case> {
        let mut cases = BTreeMap::new();
        for leaf in &self.ledger.leaves {
            fold(&mut cases, &leaf.entry, self.charters.newest());
            place(&mut cases, leaf);
        }
        cases
    }

    /// When the node may sign, if nobody else is heard; `None`: it may, or it may not at all.
    pub fn clear_at(&self) -> Option<u64> {
        let ends = u64::try_from(self.guard.ends().as_millis()).unwrap_or(u64::MAX);
        (self.state == State::Hearing).then(|| self.started.saturating_add(ends))
    }

    /// Time has passed.
    pub fn tick(&mut self, now: u64) {
        if self.clear_at().is_some_and(|at| at <= now) {
            self.state = State::Clear;
        }
    }

    fn wall(&self, now: u64) -> u64 {
        now.saturating_add_signed(self.clock_error)
    }

    /// An operator lodges a complaint.
    pub fn lodge(&mut self, body: wire::Lodged, contents: Vec<(Content, ContentClass)>) {
        self.queue.push_back(Submission::Lodge(body, contents));
    }

    /// An operator does something to a complaint.
    pub fn act(&mut self, complaint: ComplaintId, act: Act, text: Option<(Content, ContentClass)>) {
        self.queue.push_back(Submission::Act(complaint, act, text));
    }

    // Connections.

    /// A connection is up: the node greets.
    pub fn connected(&mut self, connection: u64, peer: &AgencyId) -> Vec<Effect> {
        let link = Link {
            connection,
            peer: peer.clone(),
            sender: Sender::new(self.ledger.end()),
            receiver: Receiver::new(),
            greeted: false,
            give_back: None,
            submitted: VecDeque::new(),
            epoch: Epoch::FIRST,
        };
        self.links.insert(peer.clone(), link);
        let have = self.ledger.received.get(peer).copied();
        let seen_of_you = self.ledger.seen.get(peer).copied();
        let newest_of_you = self.ledger.newest_of(peer);
        let hello = Frame::Hello { have, seen_of_you, newest_of_you, checkpoint: self.ledger.checkpoint() };
        vec![Effect::Send(connection, peer.clone(), hello)]
    }

    /// A connection has ended.
    pub fn disconnected(&mut self, connection: u64, peer: &AgencyId) {
        if self.links.get(peer).is_some_and(|link| link.connection == connection) {
            self.links.remove(peer);
        }
    }

    /// A frame has come.
    pub fn receive(&mut self, connection: u64, peer: &AgencyId, frame: Frame, now: u64) -> Vec<Effect> {
        if self.links.get(peer).is_none_or(|link| link.connection != connection) {
            return Vec::new();
        }
        match frame {
            Frame::Hello { have, seen_of_you, newest_of_you, checkpoint } => {
                if self.conflicts(seen_of_you, newest_of_you) {
                    return self.stop_signing();
                }
                self.greeted(peer, have, checkpoint, now)
            }
            Frame::Deliver(deliver) => self.delivered(connection, peer, deliver),
            Frame::Ack { cursor, results, checkpoint } => {
                self.note_seen(peer, checkpoint);
                let taken = results.iter().filter_map(|result| match result.outcome {
                    ItemOutcome::Leaf(leaf) => Some((result.entry, leaf)),
                    ItemOutcome::Refused(_) | ItemOutcome::Deferred(_) => None,
                });
                let receipt = |(entry, leaf)| Effect::Receipt(peer.clone(), checkpoint.epoch, entry, leaf);
                let mut effects: Vec<Effect> = taken.map(receipt).collect();
                effects.extend(self.send(peer, SenderEvent::Acknowledged { cursor, results }));
                effects
            }
        }
    }

    /// Whether a peer shows something that this node signed and that is no part of its ledger.
    fn conflicts(&self, checkpoint: Option<Seen>, newest: Option<(Place, EntryId)>) -> bool {
        let ours = Extent { epoch: self.ledger.epoch, size: self.ledger.leaves.len() as u64 };
        let stands = |epoch, size, same: bool| {
            let Ok(standing) = Standing::of(ours, Extent { epoch, size }, || Ok::<_, std::convert::Infallible>(same));
            standing.is_conflict()
        };
        let by_checkpoint = checkpoint.is_some_and(|seen| {
            let same = seen.size <= self.ledger.leaves.len() && self.ledger.had(&seen);
            stands(seen.epoch, seen.size as u64, same)
        });
        let by_entry = newest.is_some_and(|(place, entry)| {
            let same = self.ledger.leaf_of(&entry).is_some_and(|leaf| leaf as u64 == place.index.0);
            stands(place.epoch, place.index.0 + 1, same)
        });
        by_checkpoint || by_entry
    }

    fn stop_signing(&mut self) -> Vec<Effect> {
        self.state = State::SetBack;
        self.queue.clear();
        let links = std::mem::take(&mut self.links);
        links.into_values().map(|link| Effect::Close(link.connection, "set back".to_owned())).collect()
    }

    fn greeted(&mut self, peer: &AgencyId, have: Option<Cursor>, checkpoint: Seen, now: u64) -> Vec<Effect> {
        self.guard.heard(peer, Duration::from_millis(now.saturating_sub(self.started)));
        self.tick(now);
        self.note_seen(peer, checkpoint);
        let give_back = self.give_back(peer, checkpoint.epoch);
        let receipted = self.ledger.receipted.get(peer).copied();
        let Some(link) = self.links.get_mut(peer) else { return Vec::new() };
        (link.greeted, link.give_back, link.epoch) = (true, give_back, checkpoint.epoch);
        self.send(peer, SenderEvent::Linked { have, receipted })
    }

    fn give_back(&mut self, peer: &AgencyId, epoch: Epoch) -> Option<GiveBack> {
        if epoch == Epoch::FIRST {
            return None;
        }
        let size = self.ledger.leaves.len();
        let known = self.ledger.resets.get(peer).copied().filter(|(known, _)| *known >= epoch);
        let (epoch, before) = known.unwrap_or((epoch, size));
        self.ledger.resets.insert(peer.clone(), (epoch, before));
        Some(GiveBack { epoch, before })
    }

    fn note_seen(&mut self, peer: &AgencyId, shown: Seen) {
        let newest = self.ledger.seen.entry(peer.clone()).or_insert(shown);
        if (newest.epoch, newest.size) < (shown.epoch, shown.size) {
            *newest = shown;
        }
    }

    fn delivered(&mut self, connection: u64, peer: &AgencyId, deliver: wire::Deliver) -> Vec<Effect> {
        let wire::Deliver { cursor, items } = deliver;
        let cursor = Cursor::from_wire(cursor.expect("the simulation sends a cursor"));
        let Some(link) = self.links.get_mut(peer).filter(|link| link.greeted) else {
            return vec![Effect::Close(connection, "a delivery before Hello".to_owned())];
        };
        let event = ReceiverEvent::Delivered { cursor, items: items.len(), bytes: items.len() };
        let mut items = Some(items);
        for output in link.receiver.handle(event) {
            match output {
                ReceiverOutput::Submit { cursor } => {
                    let items = items.take().unwrap_or_default();
                    link.submitted.push_back(cursor);
                    self.queue.push_back(Submission::Delivery { peer: peer.clone(), connection, cursor, items });
                }
                ReceiverOutput::Fault(code, reason) => {
                    return vec![Effect::Close(connection, format!("{code}: {reason}"))];
                }
                _ => {}
            }
        }
        Vec::new()
    }

    /// Gives the sender an event and does what it says, reading the ledger at once.
    fn send(&mut self, peer: &AgencyId, event: SenderEvent) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Some(link) = self.links.get_mut(peer) else { return effects };
        let mut outputs: VecDeque<SenderOutput> = link.sender.handle(event).into();
        let mut prepared = None;
        let (id, adjacent, charter, cases) = (&self.id, &self.adjacent, self.charters.newest(), &self.cases);
        let access_of = |entry: &Entry| {
            let case = entry.complaint.and_then(|complaint| cases.get(&complaint));
            let found = case.map(|case| routes(id, adjacent, case.complaint.readers(), charter, Reach::Relayed));
            found.and_then(|found| found.links.get(peer).copied()).unwrap_or(Access::Entries)
        };
        while let Some(output) = outputs.pop_front() {
            match output {
                SenderOutput::Read { from } => {
                    let (batch, frame) = self.ledger.prepare(peer, from, link.give_back, &access_of);
                    prepared = Some(frame);
                    outputs.extend(link.sender.handle(SenderEvent::Prepared(batch)));
                }
                SenderOutput::Deliver { .. } => {
                    if let Some(frame) = prepared.take() {
                        effects.push(Effect::Send(link.connection, peer.clone(), Frame::Deliver(frame)));
                    }
                }
                SenderOutput::Store { cursor, .. } => drop(self.ledger.receipted.insert(peer.clone(), cursor)),
                SenderOutput::Fault(code, reason) => {
                    effects.push(Effect::Close(link.connection, format!("{code}: {reason}")));
                    break;
                }
            }
        }
        effects
    }

    // The group commit.

    /// Decides and writes what waits, all or nothing, and answers.
    pub fn commit(&mut self, now: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.state != State::Clear {
            return effects;
        }
        let group: Vec<Submission> = self.queue.drain(..self.queue.len().min(GROUP)).collect();
        let mut answers = Vec::new();
        for submission in group {
            match submission {
                Submission::Lodge(body, contents) => {
                    let written = self.write(None, Wire::Lodged(body), contents, now);
                    effects.extend(written.map(Effect::Acknowledged));
                }
                Submission::Act(complaint, act, text) => {
                    let written = self.carry_out(complaint, &act, text, now);
                    effects.extend(written.map(Effect::Acknowledged));
                }
                Submission::Delivery { peer, connection, cursor, items } => {
                    let results = items.into_iter().map(|item| self.take(&peer, item, now, &mut effects)).collect();
                    let newest = self.ledger.received.entry(peer.clone()).or_insert(cursor);
                    *newest = cursor.max(*newest);
                    answers.push((peer, connection, results));
                }
            }
        }
        self.retry_waiting(now, &mut effects);
        for (peer, connection, results) in answers {
            effects.extend(self.acknowledge(&peer, connection, results));
        }
        let end = self.ledger.end();
        for peer in self.links.keys().cloned().collect::<Vec<_>>() {
            if self.links[&peer].greeted {
                effects.extend(self.send(&peer, SenderEvent::Grown { end }));
            }
        }
        effects
    }

    fn acknowledge(&mut self, peer: &AgencyId, connection: u64, results: Vec<ItemResult>) -> Vec<Effect> {
        let checkpoint = self.ledger.checkpoint();
        let Some(link) = self.links.get_mut(peer).filter(|link| link.connection == connection) else {
            return Vec::new();
        };
        link.submitted.pop_front();
        let mut effects = Vec::new();
        for output in link.receiver.handle(ReceiverEvent::Committed { results, checkpoint: Vec::new() }) {
            if let ReceiverOutput::Acknowledge { cursor, results, .. } = output {
                effects.push(Effect::Send(connection, peer.clone(), Frame::Ack { cursor, results, checkpoint }));
            }
        }
        effects
    }

    /// Writes what an operator commands, if it is not declined.
    fn carry_out(
        &mut self,
        complaint: ComplaintId,
        act: &Act,
        text: Option<(Content, ContentClass)>,
        now: u64,
    ) -> Option<EntryId> {
        let case = self.cases.get(&complaint)?;
        let clock = self.next_clock(case.complaint.newest_clock(), now)?;
        let author = Author {
            agency: &self.id,
            millis: clock.millis(),
            charter: self.charters.newest(),
            answer_within_millis: ANSWER_WITHIN,
        };
        let body = decide::decide(&case.complaint, act, author).ok()?;
        self.write(Some(complaint), body, text.into_iter().collect(), now)
    }

    fn next_clock(&self, parents: HybridClock, now: u64) -> Option<HybridClock> {
        let wall = self.wall(now);
        let last = if self.ledger.clock.is_ahead_of(wall) { parents } else { parents.max(self.ledger.clock) };
        HybridClock::tick(wall, last)
    }

    /// Signs a body and takes it as any entry.
    fn write(
        &mut self,
        complaint: Option<ComplaintId>,
        body: Wire,
        contents: Vec<(Content, ContentClass)>,
        now: u64,
    ) -> Option<EntryId> {
        let case = complaint.and_then(|id| self.cases.get(&id)).map(|case| &case.complaint);
        let parents = case.map(Complaint::parents_of_next).unwrap_or_default();
        let clock = self.next_clock(case.map(Complaint::newest_clock).unwrap_or_default(), now)?;
        let draft = EntryDraft {
            federation: FEDERATION.to_owned(),
            author: self.id.clone(),
            charter_version: self.charters.newest().version,
            place: Place { epoch: self.ledger.epoch, index: LedgerIndex(self.ledger.leaves.len() as u64) },
            complaint,
            parents,
            clock,
            content: contents.iter().map(|(content, class)| content.commit(*class)).collect(),
            body,
        };
        let entry = Entry::parse(draft.sign(&self.key).bytes, FEDERATION).expect("an own entry is well-formed");
        self.ledger.clock = clock;
        let contents = contents.into_iter().map(|(content, _)| content).collect();
        self.append(&entry, contents, None);
        self.do_duties(&entry, now);
        Some(entry.id)
    }

    /// Takes one delivered item.
    fn take(&mut self, peer: &AgencyId, item: wire::Item, now: u64, effects: &mut Vec<Effect>) -> ItemResult {
        let entry = match Entry::parse(item.signed_entry.clone(), FEDERATION) {
            Ok(entry) => entry,
            Err(refusal) => return self.refuse(peer, EntryId([0; 32]), refusal.code.number(), effects),
        };
        let authentic = authenticate(std::slice::from_ref(&entry), &self.charters, StdRng::seed_from_u64(0)).remove(0);
        if let Verdict::Refuse(refusal) = authentic {
            return self.refuse(peer, entry.id, refusal.code.number(), effects);
        }
        if let Some(leaf) = self.ledger.leaf_of(&entry.id) {
            self.take_late_contents(peer, leaf, &item);
            self.do_duties(&entry, now);
            return ItemResult { entry: entry.id, outcome: ItemOutcome::Leaf(LedgerIndex(leaf as u64)) };
        }
        match self.judge(&entry, now) {
            Verdict::Refuse(refusal) => self.refuse(peer, entry.id, refusal.code.number(), effects),
            Verdict::Defer { code, .. } => {
                let known = |waiting: &Waiting| waiting.peer == *peer && waiting.item == item;
                if !self.ledger.waiting.iter().any(known) {
                    self.ledger.waiting.push(Waiting { peer: peer.clone(), item });
                }
                ItemResult { entry: entry.id, outcome: ItemOutcome::Deferred(code.number()) }
            }
            Verdict::Admit => {
                effects.push(Effect::Judged(entry.id, None));
                let contents = good_contents(&item, &entry);
                let leaf = self.append(&entry, contents, Some((peer, item.relays + 1)));
                self.do_duties(&entry, now);
                ItemResult { entry: entry.id, outcome: ItemOutcome::Leaf(LedgerIndex(leaf as u64)) }
            }
        }
    }

    fn judge(&self, entry: &Entry, now: u64) -> Verdict {
        let case = entry.complaint.and_then(|id| self.cases.get(&id));
        admit(entry, case.map(|case| &case.complaint), self.charters.newest(), self.wall(now))
    }

    fn refuse(&mut self, peer: &AgencyId, entry: EntryId, code: u32, effects: &mut Vec<Effect>) -> ItemResult {
        self.ledger.refused.push((peer.clone(), entry, code));
        effects.push(Effect::Judged(entry, Some(code)));
        ItemResult { entry, outcome: ItemOutcome::Refused(code) }
    }

    /// Tries what waits, as long as something becomes possible.
    fn retry_waiting(&mut self, now: u64, effects: &mut Vec<Effect>) {
        loop {
            let waiting = std::mem::take(&mut self.ledger.waiting);
            let before = waiting.len();
            for Waiting { peer, item } in waiting {
                self.take(&peer, item, now, effects);
            }
            if self.ledger.waiting.len() == before {
                break;
            }
        }
    }

    fn append(&mut self, entry: &Entry, contents: Vec<Content>, origin: Option<(&AgencyId, u32)>) -> usize {
        fold(&mut self.cases, entry, self.charters.newest());
        let relays = origin.map_or(0, |(_, relays)| relays);
        self.pass_on_to_raised(entry, origin);
        let leaf = Leaf {
            entry: entry.clone(),
            from: origin.map(|(peer, _)| peer.clone()),
            relays,
            routes: self.routes(entry, origin),
            contents,
        };
        place(&mut self.cases, &leaf);
        self.ledger.append(leaf)
    }

    fn routes(&self, entry: &Entry, origin: Option<(&AgencyId, u32)>) -> Vec<Route> {
        let source = origin.map(|(peer, _)| peer);
        let Some(case) = entry.complaint.and_then(|id| self.cases.get(&id)) else {
            // A reset goes to all neighbours, once.
            let known = self.ledger.leaves.iter().any(|leaf| {
                leaf.entry.author == entry.author
                    && leaf.entry.complaint.is_none()
                    && leaf.entry.place.epoch >= entry.place.epoch
            });
            let to = self.adjacent.iter().filter(|to| !known && **to != entry.author && Some(*to) != source);
            return to.map(|to| Route { to: to.clone(), access: Access::Entries, history: false }).collect();
        };
        let spent = origin.is_some_and(|(_, relays)| relays >= limits::RELAYS);
        let reach = if spent { Reach::Adjacent } else { Reach::Relayed };
        let found = routes(&self.id, &self.adjacent, case.complaint.readers(), self.charters.newest(), reach);
        found.of_entry(&entry.author, source, &case.routed, case.complaint.len() > 1)
    }

    fn pass_on_to_raised(&mut self, entry: &Entry, origin: Option<(&AgencyId, u32)>) {
        let (Some((peer, _)), Some(id)) = (origin, entry.complaint) else { return };
        let Some(case) = self.cases.get_mut(&id) else { return };
        let found = routes(&self.id, &self.adjacent, case.complaint.readers(), self.charters.newest(), Reach::Relayed);
        let raised = found.raised(&entry.author, Some(peer), &case.routed);
        case.note_given(&raised);
        if raised.is_empty() {
            return;
        }
        for index in 0..self.ledger.leaves.len() {
            let leaf = &self.ledger.leaves[index];
            let lacks = |route: &&Route| leaf.from.as_ref() != Some(&route.to);
            let lacking: Vec<Route> = raised.iter().filter(lacks).cloned().collect();
            if leaf.entry.complaint == Some(id) && !lacking.is_empty() {
                self.ledger.route_again(index, lacking);
            }
        }
    }

    /// A duplicate may bring a content that was lacking; it goes on to whom it would have gone with its entry.
    fn take_late_contents(&mut self, peer: &AgencyId, leaf: usize, item: &wire::Item) {
        let entry = self.ledger.leaves[leaf].entry.clone();
        let held: Vec<u32> = self.ledger.leaves[leaf].contents.iter().map(|content| content.commitment).collect();
        let mut late = good_contents(item, &entry);
        late.retain(|content| !held.contains(&content.commitment));
        let Some(case) = entry.complaint.and_then(|id| self.cases.get(&id)) else { return };
        if late.is_empty() {
            return;
        }
        let found = routes(&self.id, &self.adjacent, case.complaint.readers(), self.charters.newest(), Reach::Relayed);
        let may_have = |to: &AgencyId, access: Access| {
            late.iter().any(|content| access.allows_of(&entry, &entry.commitments[content.commitment as usize], to))
        };
        let links =
            found.links.into_iter().filter(|(to, access)| *to != *peer && *to != entry.author && may_have(to, *access));
        let again: Vec<Route> = links.map(|(to, access)| Route { to, access, history: false }).collect();
        self.ledger.leaves[leaf].contents.extend(late);
        if !again.is_empty() {
            self.ledger.route_again(leaf, again);
        }
    }

    /// What the node does by itself.
    fn do_duties(&mut self, entry: &Entry, now: u64) {
        let Some(id) = entry.complaint else { return };
        let Some(case) = self.cases.get(&id) else { return };
        let offer = case.complaint.custody().offer.as_ref().map(|offer| offer.entry);
        let relayed = offer.filter(|offer| case.relayed.contains(offer));
        let arrival = relayed.and_then(|offer| decide::arrival(&case.complaint, &offer, &self.id));
        if let Some(body) = arrival {
            self.write(Some(id), body, Vec::new(), now);
        }
        if self.cases.get(&id).is_some_and(|case| decide::recall_to_answer(&case.complaint, &self.id).is_some()) {
            let reason = wire::ReturnReason::Recalled.into();
            let give_back = Act::Return(wire::Return { reason, suggestion: String::new() });
            self.carry_out(id, &give_back, None, now);
        }
    }

    // Recovery.

    /// The operator begins a new epoch: everything that is here is taken over, peers give back the rest.
    pub fn recover(&mut self, newest_seen: Epoch, now: u64) {
        let old_epoch = newest_seen.max(self.ledger.epoch);
        let old = std::mem::replace(&mut self.ledger, Ledger::new(Epoch(old_epoch.0 + 1)));
        self.ledger.seen = old.seen;
        self.ledger.resets = old.resets;
        self.ledger.waiting = old.waiting;
        self.ledger.clock = old.clock;
        self.cases.clear();
        let reset = wire::LedgerReset {
            old_epoch: old_epoch.0,
            reason: wire::ResetReason::Restored.into(),
            ..Default::default()
        };
        self.write(None, Wire::LedgerReset(reset), Vec::new(), now);
        for leaf in old.leaves {
            let origin = leaf.from.as_ref().map(|from| (from, leaf.relays));
            self.append(&leaf.entry, leaf.contents, origin);
        }
        self.start(now);
    }

    /// A salt that no other content of the node has.
    pub fn next_salt(&mut self) -> [u8; 32] {
        self.salt += 1;
        let mut salt = [0; 32];
        salt[..8].copy_from_slice(&self.salt.to_be_bytes());
        salt
    }
}

fn good_contents(item: &wire::Item, entry: &Entry) -> Vec<Content> {
    item.content.iter().filter_map(|content| Content::parse(content.clone(), &entry.commitments).ok()).collect()
}

fn fold(cases: &mut BTreeMap<ComplaintId, Case>, entry: &Entry, charter: &Charter) {
    let Some(id) = entry.complaint else { return };
    if let Some(case) = cases.get_mut(&id) {
        case.complaint.insert(entry, charter);
        case.complaint.check_invariants();
    } else if let Some(complaint) = Complaint::lodge(entry) {
        cases.insert(id, Case { complaint, routed: BTreeMap::new(), relayed: BTreeSet::new() });
    }
}

fn place(cases: &mut BTreeMap<ComplaintId, Case>, leaf: &Leaf) {
    let Some(case) = leaf.entry.complaint.and_then(|id| cases.get_mut(&id)) else { return };
    case.note_given(&leaf.routes);
    if let Body::Custody { act, .. } = &leaf.entry.body
        && act.offers_to().is_some()
        && leaf.from.as_ref().is_some_and(|from| *from != leaf.entry.author)
    {
        case.relayed.insert(leaf.entry.id);
    }
}
