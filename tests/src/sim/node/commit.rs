//! The group commit: what waits is decided and written, all or nothing; then everybody is answered.

use rand::SeedableRng;
use rand::rngs::StdRng;
use sinergi_proto::admission::{Verdict, admit};
use sinergi_proto::content::Content;
use sinergi_proto::entry::Entry;
use sinergi_proto::ids::{AgencyId, EntryId, LedgerIndex};
use sinergi_proto::intake::{Authentic, Received, receive_items};
use sinergi_proto::link::SenderEvent;
use sinergi_proto::receipt::{ItemOutcome, ItemResult};
use sinergi_proto::refusal::FaultCode;
use sinergi_proto::route::{Origin, Route, routes_of_node_entry};
use sinergi_proto::waiting::item_key;
use sinergi_proto::wire::{self, entry::Body as Wire};

use super::{Effect, Node, State, Submission, fold, place};
use crate::sim::ledger::Leaf;
use crate::sim::topology::FEDERATION;

/// Submissions of one group.
const GROUP: usize = 16;

impl Node {
    /// Decides and writes what waits, all or nothing, and answers.
    pub fn commit(&mut self, now: u64) {
        if self.state != State::Clear {
            return;
        }
        let group: Vec<Submission> = self.queue.drain(..self.queue.len().min(GROUP)).collect();
        let mut answers = Vec::new();
        let before = self.ledger.next_index();
        let mut writes = group.iter().any(|submission| !matches!(submission, Submission::Retry));
        for submission in group {
            match submission {
                Submission::Lodge(body, contents) => {
                    let written = self.write(None, Wire::Lodged(body), contents, now);
                    self.effects.extend(written.map(Effect::Acknowledged));
                }
                Submission::Act(complaint, command, text) => {
                    let written = self.carry_out(complaint, &command, text, now);
                    self.effects.extend(written.map(Effect::Acknowledged));
                }
                Submission::GoBack(complaint, basis, to) => self.write_from_the_past(complaint, basis, &to, now),
                Submission::Delivery { peer, .. } if self.ledger.waiting.is_full(&peer) => {
                    self.fault(&peer, FaultCode::TooMuchDeferred, "too much waits");
                }
                Submission::Delivery { peer, connection, cursor, items } => {
                    let results = items.into_iter().map(|item| self.take(&peer, item, now)).collect();
                    let newest = self.ledger.received.entry(peer.clone()).or_insert(cursor);
                    *newest = cursor.max(*newest);
                    answers.push((peer, connection, results));
                }
                Submission::Receipt(peer, cursor, receipts) => {
                    self.ledger.receipted.insert(peer, cursor);
                    self.ledger.receipts.extend(receipts);
                }
                Submission::Seen(peer, seen) => drop(self.ledger.seen.insert(peer, seen)),
                Submission::Retry => {
                    self.ledger.waiting.time_passed();
                    self.do_duties(now);
                }
            }
        }
        self.try_unblocked(now);
        self.erase_contents();
        writes |= self.ledger.next_index() != before;
        if writes {
            self.ledger.recorded = self.unrecorded.take().or(self.ledger.recorded);
            self.sign_checkpoint(now);
        }
        for (peer, connection, results) in answers {
            self.acknowledge(&peer, connection, results);
        }
        let end = self.ledger.end();
        for peer in self.links.keys().cloned().collect::<Vec<_>>() {
            self.send(&peer, SenderEvent::Grown { end });
        }
    }

    /// Takes one delivered item; what became of it.
    pub(super) fn take(&mut self, peer: &AgencyId, item: Received, now: u64) -> ItemResult {
        let Authentic { entry, item } = match item {
            Received::Refused { entry, refusal, .. } => return self.refuse(peer, entry, refusal.code.number()),
            Received::Deferred { entry, code, item, .. } => return self.defer(peer, entry, code, &item),
            Received::Authentic(authentic) => *authentic,
        };
        if let Some(leaf) = self.ledger.leaf_of(&entry.id) {
            self.take_late_contents(peer, leaf, &entry, item.content);
            self.react(&entry, now);
            return ItemResult { entry: entry.id, outcome: ItemOutcome::Leaf(leaf) };
        }
        match self.judge(&entry, now) {
            Verdict::Refuse(refusal) => self.refuse(peer, entry.id, refusal.code.number()),
            Verdict::Defer { code, .. } => self.defer(peer, entry.id, code.number(), &item),
            Verdict::Admit => {
                let contents = self.good_contents(&entry, item.content);
                let origin = Origin { peer, relays: item.relays.saturating_add(1) };
                let leaf = self.append(&entry, contents, Some(origin));
                self.react(&entry, now);
                ItemResult { entry: entry.id, outcome: ItemOutcome::Leaf(leaf) }
            }
        }
    }

    pub(super) fn judge(&self, entry: &Entry, now: u64) -> Verdict {
        admit(entry, self.complaint_of(entry), self.charters.newest(), self.wall(now))
    }

    fn refuse(&mut self, peer: &AgencyId, entry: EntryId, code: u32) -> ItemResult {
        self.ledger.refused.push((peer.clone(), entry, code));
        ItemResult { entry, outcome: ItemOutcome::Refused(code) }
    }

    fn defer(&mut self, peer: &AgencyId, entry: EntryId, code: u32, item: &wire::Item) -> ItemResult {
        let bytes = prost::Message::encode_to_vec(item);
        let key = item_key(peer, &bytes);
        if !self.ledger.waiting.contains(&key) {
            if let Some(refusal) = self.ledger.waiting.refuses(peer, item, FEDERATION, "") {
                return self.refuse(peer, entry, refusal.code.number());
            }
            self.ledger.waiting.add(key, peer, code, item.clone(), &bytes, FEDERATION);
        }
        ItemResult { entry, outcome: ItemOutcome::Deferred(code) }
    }

    /// Tries what may be possible now.
    fn try_unblocked(&mut self, now: u64) {
        while let Some(key) = self.ledger.waiting.next_unblocked() {
            let found = self.ledger.waiting.iter().find(|(other, ..)| **other == key);
            let Some((_, peer, item)) = found.map(|(key, peer, item)| (key, peer.clone(), item.clone())) else {
                continue;
            };
            let rng = StdRng::seed_from_u64(0);
            let Some(received) = receive_items(vec![item], FEDERATION, &self.charters, rng).pop() else { continue };
            let waits_on = match &received {
                Received::Deferred { .. } => true,
                Received::Refused { .. } => false,
                Received::Authentic(authentic) => matches!(self.judge(&authentic.entry, now), Verdict::Defer { .. }),
            };
            if !waits_on {
                self.ledger.waiting.remove(&key);
                self.take(&peer, received, now);
            }
        }
    }

    /// Appends an admitted entry with its contents, routed to whoever should have it.
    pub(super) fn append(&mut self, entry: &Entry, contents: Vec<Content>, origin: Option<Origin<'_>>) -> LedgerIndex {
        fold(&mut self.cases, entry, self.charters.newest());
        let routes = self.routes_of(entry, origin);
        self.pass_on_to_raised(entry, origin);
        let from = origin.map(|origin| origin.peer.clone());
        let relays = origin.map_or(0, |origin| origin.relays);
        let leaf = Leaf { entry: entry.clone(), from, relays, routes, contents };
        place(&mut self.cases, self.ledger.next_index(), &leaf);
        self.ledger.waiting.arrived(&entry.id);
        self.ledger.append(leaf)
    }

    fn routes_of(&self, entry: &Entry, origin: Option<Origin<'_>>) -> Vec<Route> {
        let Some(complaint) = &entry.complaint else {
            let known = self.ledger.reset_of(&entry.author).map(|(epoch, _)| epoch);
            return routes_of_node_entry(entry, origin, known, &self.adjacent);
        };
        let Some(case) = self.cases.get(complaint) else { return Vec::new() };
        case.routes_of(entry, origin, self.standpoint()).0
    }

    fn pass_on_to_raised(&mut self, entry: &Entry, origin: Option<Origin<'_>>) {
        let (Some(origin), Some(complaint)) = (origin, &entry.complaint) else { return };
        let Some(case) = self.cases.get(complaint) else { return };
        let (raised, leaves) = case.routes_of_raised(entry, origin, self.standpoint());
        for leaf in leaves {
            self.ledger.route_again(leaf, raised.clone());
        }
        if let Some(case) = self.cases.get_mut(complaint) {
            case.note_owed(&raised);
        }
    }

    /// The contents that are what the entry committed to, if they were not erased.
    pub(super) fn good_contents(&self, entry: &Entry, contents: Vec<wire::Content>) -> Vec<Content> {
        if self.complaint_of(entry).is_some_and(|complaint| complaint.erases(entry)) {
            return Vec::new();
        }
        contents.into_iter().filter_map(|content| Content::parse(content, &entry.commitments).ok()).collect()
    }

    /// A duplicate may bring a content that was lacking; it goes on to whom it would have gone with its entry.
    fn take_late_contents(&mut self, peer: &AgencyId, leaf: LedgerIndex, entry: &Entry, contents: Vec<wire::Content>) {
        let held: Vec<u32> = self.ledger.leaf(leaf).contents.iter().map(|content| content.commitment).collect();
        let mut late = self.good_contents(entry, contents);
        late.retain(|content| !held.contains(&content.commitment));
        let Some(case) = entry.complaint.and_then(|id| self.cases.get(&id)).filter(|_| !late.is_empty()) else {
            return;
        };
        let commitments: Vec<_> = late.iter().map(|content| &entry.commitments[content.commitment as usize]).collect();
        let routes = case.routes_of_late(entry, &commitments, peer, self.standpoint());
        self.ledger.leaf_mut(leaf).contents.extend(late);
        if !routes.is_empty() {
            self.ledger.route_again(leaf, routes);
        }
    }

    /// Destroys what the entries order to be destroyed.
    fn erase_contents(&mut self) {
        for case in self.cases.values().filter(|case| case.complaint.has_erasures()) {
            for leaf in case.erased_leaves() {
                self.ledger.leaf_mut(leaf).contents.clear();
            }
        }
    }
}
