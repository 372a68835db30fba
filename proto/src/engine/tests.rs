//! Tests of the engine over a view in memory. Each compares the records or the whole batch of a decision.

mod memory;
mod own;
mod peers;
mod pipeline;
mod witness;

use memory::Memory;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::admission::VerifiedBatches;
use crate::admission::received::{Authentic, Received, receive_items};
use crate::base::cursor::Cursor;
use crate::base::ids::EntryId;
use crate::complaint::{Command, NewOffer};
use crate::entry::content::Content;
use crate::entry::{ContentClass, Entry, EntryDraft, Place};
use crate::fixture::{FEDERATION, Federation, QUOTAS, REPLY_CODE, START, Writing, agency, code, entry_key};
use crate::receipt::{Deferral, ItemOutcome, ItemResult};

/// A node under test: the engine, what its view shows, and the batch that is open.
struct TestNode {
    engine: Engine,
    view: Memory,
    batch: Batch,
    now: u64,
}

impl TestNode {
    /// A node of the federation that may sign, linked with these peers.
    fn of(federation: &Federation, own: &str, peers: &[&str]) -> Self {
        let mut node = Self::starting(federation, own, peers, Memory::new(&federation.charters));
        assert!(matches!(node.give(Input::Guard(GuardState::Clear)), Answer::Nothing));
        node
    }

    /// A node like [`Self::of`], in a new federation, after it has finished its start.
    fn ready(own: &str, peers: &[&str]) -> (Federation, Self) {
        let federation = Federation::new();
        let mut node = Self::of(&federation, own, peers);
        node.apply();
        (federation, node)
    }

    /// A node that starts with these durable records. Its rollback guard is not clear yet.
    fn starting(federation: &Federation, own: &str, peers: &[&str], view: Memory) -> Self {
        let config = EngineConfig {
            own: agency(own),
            federation: FEDERATION.to_owned(),
            key: entry_key(own),
            adjacent: peers.iter().map(|peer| agency(peer)).collect(),
            answer_within_millis: crate::fixture::ANSWER_WITHIN,
            batch_bytes: 1 << 20,
            cases: CaseCacheLimits { complaints: 1, bytes: 1 },
            quotas: QUOTAS,
        };
        let snapshot = view.snapshot(&config);
        let engine = Engine::open(snapshot, config, Arc::new(federation.charters.clone()));
        Self { engine, view, batch: Batch::default(), now: START }
    }

    fn give(&mut self, input: Input) -> Answer {
        self.try_give(input).expect("the view can be read")
    }

    fn try_give(&mut self, input: Input) -> Result<Answer, memory::Unreadable> {
        let now = Now { wall_millis: self.now, mono_nanos: 0 };
        Ok(self.engine.handle(input, now, &mut self.view, &mut self.batch)?.until_applied())
    }

    /// Closes the open batch without applying it, so that the view does not show it.
    fn close(&mut self) -> (Option<BatchNumber>, Batch) {
        let Closed { number, .. } = self.engine.close(&mut self.batch);
        (number, std::mem::take(&mut self.batch))
    }

    /// Closes and applies the open batch. Returns the time that its checkpoint carries, and the ceilings that it records, both in seconds.
    fn close_at(&mut self) -> (Option<u64>, Vec<u64>) {
        let Closed { number, seconds } = self.engine.close(&mut self.batch);
        let batch = std::mem::take(&mut self.batch);
        let ceiling = |record: &Record| match record {
            Record::Ceiling(header) => Some(header.seconds),
            _ => None,
        };
        let ceilings = batch.records.iter().filter_map(ceiling).collect();
        if let Some(number) = number {
            self.apply_batch(number, batch);
        }
        (seconds, ceilings)
    }

    /// Applies the open batch and all backlog. Returns the records that were written.
    fn apply(&mut self) -> Vec<String> {
        let mut written = Vec::new();
        loop {
            assert!(matches!(self.give(Input::Work), Answer::Nothing));
            let (Some(number), batch) = self.close() else { return written };
            written.extend(self.apply_batch(number, batch));
        }
    }

    fn apply_batch(&mut self, number: BatchNumber, batch: Batch) -> Vec<String> {
        let written = batch.records.iter().map(shown).collect();
        self.view.apply(batch.records);
        self.view.destroy(&batch.destroy);
        assert!(matches!(self.give(Input::Applied(number)), Answer::Nothing));
        let charters = Arc::clone(self.engine.charters());
        let check = |Recheck { key, item }| (key, checked_item(item, &charters));
        let checked: Vec<_> = batch.recheck.into_iter().map(check).collect();
        if !checked.is_empty() {
            assert!(matches!(self.give(Input::Rechecked(checked)), Answer::Nothing));
        }
        written
    }

    fn lodge(&mut self, text: &str, external: Option<External>, forward: Option<&str>) -> Result<Lodged, CommandError> {
        let forward = forward.map(|to| NewOffer { to: agency(to), reason: 1, answer_by: None });
        let contents = vec![(content(text), ContentClass::Public)];
        let body = wire::Lodged {
            kind: wire::ComplaintKind::Complaint.into(),
            category: "jalan".to_owned(),
            area: String::new(),
            class: wire::ContentClass::Public.into(),
            citizen_key: code(REPLY_CODE).public().to_vec(),
            key_origin: wire::KeyOrigin::Drawn.into(),
        };
        match self.give(Input::Lodge(Box::new(Lodge { body, contents, external, forward }))) {
            Answer::Lodged(lodged) => lodged,
            other => panic!("{other:?}"),
        }
    }

    fn act(&mut self, complaint: ComplaintId, command: Command) -> Result<Acted, CommandError> {
        match self.give(Input::Act(Box::new(Act { complaint, command, text: None }))) {
            Answer::Acted(acted) => acted,
            other => panic!("{other:?}"),
        }
    }

    /// Lodges a complaint and proposes to erase it; both are durable. Returns the complaint, and an oversight agency's approval, which is not
    /// delivered yet.
    fn erased(&mut self) -> (Lodged, bytes::Bytes) {
        let lodged = self.lodge("a name", None, None).expect("lodged");
        self.apply();
        let proposal = self.act(lodged.complaint, Command::Erase { ground: 1, entries: Vec::new() }).expect("proposed");
        self.apply();
        let case = self.view.case(&lodged.complaint).expect("readable").expect("here");
        let (basis, proposal) = (case.complaint.tip().0.to_vec(), proposal.entry.0.to_vec());
        let draft = EntryDraft {
            federation: FEDERATION.to_owned(),
            author: agency("ksp"),
            charter: self.engine.charters().newest().name(),
            place: Place { epoch: Epoch::FIRST, index: LedgerIndex(0) },
            complaint: Some(lodged.complaint),
            parents: case.complaint.parents_of_next(),
            clock: HybridClock::tick(START, case.complaint.newest_clock()).expect("a clock"),
            content: Vec::new(),
            body: Body::Erased(wire::Erased { basis, proposal, ground: 1 }),
        };
        (lodged, draft.sign(&entry_key("ksp")).bytes)
    }

    /// Delivers items as one frame of a peer. Returns their outcomes.
    fn deliver(&mut self, peer: &str, items: Vec<Received>) -> Vec<ItemOutcome> {
        self.results(peer, items).into_iter().map(|result| result.outcome).collect()
    }

    /// Delivers items as one frame of a peer. Returns the results that the receipt names.
    fn results(&mut self, peer: &str, items: Vec<Received>) -> Vec<ItemResult> {
        match self.give(Input::Deliver(delivery(peer, items))) {
            Answer::Delivered(Ok(results)) => results,
            other => panic!("{other:?}"),
        }
    }
}

fn delivery(peer: &str, items: Vec<Received>) -> Delivery {
    Delivery { peer: agency(peer), cursor: Cursor::end(Epoch::FIRST, LedgerIndex(9), 0), items }
}

fn content(text: &str) -> Content {
    Content { commitment: 0, salt: [3; 32], data: text.as_bytes().to_vec().into() }
}

/// An entry as a peer delivers it, its signature checked.
fn item(writing: &Writing) -> Received {
    received(writing.signed().bytes, Vec::new())
}

fn received(signed_entry: bytes::Bytes, content: Vec<wire::Content>) -> Received {
    let entry = Entry::parse(signed_entry.clone(), FEDERATION).expect("a well-formed entry");
    Received::Authentic(Box::new(Authentic { entry, item: wire::Item { signed_entry, content, relays: 0 } }))
}

/// An item as a peer delivers it, after the checks that a node makes under these charters.
fn checked_item(item: wire::Item, charters: &Charters) -> Received {
    let (known, rng) = (VerifiedBatches::default(), StdRng::seed_from_u64(7));
    receive_items(vec![item], FEDERATION, charters, &known, rng).pop().expect("one result an item")
}

/// A record in few words, for comparison.
fn shown(record: &Record) -> String {
    match record {
        Record::Leaf { header, entry } => {
            let to: Vec<&str> = header.routes.iter().map(|route| route.to.as_str()).collect();
            format!("leaf {} -> {}", entry.body.name(), to.join(","))
        }
        Record::Signature { leaves, .. } => {
            let leaves: Vec<String> = leaves.iter().map(|leaf| leaf.to_string()).collect();
            format!("signature of {}", leaves.join(","))
        }
        Record::Content { leaf, .. } => format!("content of {leaf}"),
        Record::Receipt { header, .. } => format!("receipt of {}", header.peer),
        Record::Cursor(header) => format!("cursor of {}", header.peer),
        Record::Seen { header, .. } => format!("seen of {}", header.peer),
        Record::Refused { header, .. } => format!("refused {}", header.code),
        Record::Deferred { header, .. } => format!("deferred {}", header.code),
        Record::DeferredDone(_) => "deferred done".to_owned(),
        Record::Routing(RoutingHeader::Leaf { leaf, routes }) => format!("{leaf} again -> {}", routes[0].to),
        Record::Routing(RoutingHeader::Again { leaf, route, .. }) => {
            format!("{leaf} once more -> {} {:?}", route.to, route.access)
        }
        Record::Routing(RoutingHeader::BackfillDone { peer }) => format!("backfilled {peer}"),
        Record::Ceiling(header) => format!("ceiling {}", header.seconds),
        Record::PutOff(header) => format!("put off of {}", header.peer),
        Record::Judged(header) => format!("judged under {}", header.version),
    }
}
