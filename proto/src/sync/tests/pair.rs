//! Two sessions over a pipe, with all events in a random order that a shell allows: every entry arrives once and in order, and then both
//! sessions are quiet.

use std::collections::VecDeque;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::admission::received::Received;
use crate::base::limits;
use crate::base::refusal::DeferralCode;
use crate::fixture::entry_key;
use crate::receipt::{Deferral, ItemOutcome, ItemResult, Receipt};

/// A node with one session. Its entries are numbers.
struct Node {
    side: Side,
    own: &'static str,
    peer: &'static str,
    /// The entries to send.
    ledger: Vec<u64>,
    /// The number of durable entries.
    durable: u64,
    /// The received entries, in the order in which the writer took them.
    taken: Vec<u64>,
    receipted: Option<Cursor>,
    shown: Vec<Vec<u8>>,
    answered: usize,
    /// Results of jobs that were not passed to the session yet.
    ended: Vec<Event>,
    /// Submissions for which `Taken` was not passed yet.
    submitted: VecDeque<()>,
    rooms: Vec<JobId>,
    close: Option<Close>,
}

/// The version of the watch, with one newer checkpoint of a third party.
const NEWS: u64 = 3;

fn id_of(number: u64) -> EntryId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    EntryId(id)
}

fn number_of(item: &wire::Item) -> u64 {
    u64::from_be_bytes(item.signed_entry[..8].try_into().expect("an item of this test"))
}

impl Node {
    fn new(charters: &Charters, own: &'static str, peer: &'static str, entries: u64) -> Self {
        let config = SessionConfig {
            own: agency(own),
            peer: agency(peer),
            end: cursor(0),
            signed: Some(Signed { size: LedgerIndex(0), note: Arc::from(own.as_bytes()) }),
            ..config(charters)
        };
        let (side, actions) = Side::open(config);
        let mut node = Self {
            side,
            own,
            peer,
            ledger: (0..entries).collect(),
            durable: 0,
            taken: Vec::new(),
            receipted: None,
            shown: Vec::new(),
            answered: 0,
            ended: Vec::new(),
            submitted: VecDeque::new(),
            rooms: Vec::new(),
            close: None,
        };
        node.perform(actions, charters);
        node
    }

    fn event(&mut self, event: Event, charters: &Charters) {
        let actions = self.side.does(event);
        self.perform(actions, charters);
    }

    fn perform(&mut self, actions: Vec<Action>, charters: &Charters) {
        for action in actions {
            match action {
                Action::Start(id, job) => {
                    let done = self.work(id, job, charters);
                    self.ended.push(Event::Done(id, done));
                }
                Action::Store(record) => {
                    self.submitted.push_back(());
                    match record {
                        SideRecord::Receipt { answer, .. } => self.receipted = Some(answer.cursor),
                        SideRecord::Seen { note, .. } => self.shown.push(note),
                    }
                }
                Action::Release(room) => {
                    let held = self.rooms.iter().position(|held| *held == room).expect("a room that was taken");
                    self.rooms.remove(held);
                }
                Action::Answer(_, reply) => {
                    assert!(!matches!(reply, Reply::TimedOut));
                    self.answered += 1;
                }
                Action::Close(close) => self.close = Some(close),
                Action::Saw(_) | Action::Warn(_) | Action::Peer(_) => {}
            }
        }
    }

    /// The newest checkpoint.
    fn signed(&self) -> Signed {
        Signed { size: LedgerIndex(self.durable), note: Arc::from(self.own.as_bytes()) }
    }

    /// Does a job at once. The session gets the result later.
    fn work(&mut self, id: JobId, job: Job, charters: &Charters) -> Done {
        match job {
            Job::LoadPeer => Done::PeerLoaded(Box::default()),
            Job::Compare { .. } => Done::Compared(None),
            Job::CheckCheckpoints { notes } => {
                let own = vec![OwnShown { checkpoint: Some(checkpoint_of_peer(1, 0)), confirmed: None }];
                Done::CheckpointsChecked(CheckedCheckpoints { news: notes, own })
            }
            Job::Gossip { after } => {
                let news = (after < NEWS).then(|| b"of a third".to_vec());
                Done::Gossip { own: self.signed(), notes: news.into_iter().collect(), reached: NEWS }
            }
            Job::Reserve { .. } => {
                self.rooms.push(id);
                Done::Reserved
            }
            Job::Check { items } => {
                let received = |item: wire::Item| Received::Deferred {
                    entry: id_of(number_of(&item)),
                    code: DeferralCode::MissingParent,
                    detail: String::new(),
                    item,
                };
                Done::Checked(items.into_iter().map(received).collect())
            }
            Job::Commit { items, .. } => {
                self.submitted.push_back(());
                let result = |received: &Received| {
                    let Received::Deferred { entry, item, .. } = received else { panic!("{received:?}") };
                    self.taken.push(number_of(item));
                    ItemResult::without_contents(*entry, ItemOutcome::Deferred(Deferral::kept(601)))
                };
                Done::Committed { results: items.iter().map(result).collect(), checkpoint: Arc::from(CHECKPOINT) }
            }
            Job::SignAck { cursor, results, checkpoint } => {
                let key = entry_key(self.own);
                let receipt = Receipt {
                    federation: FEDERATION.to_owned(),
                    receiver: agency(self.own),
                    sender: agency(self.peer),
                    key_id: Receipt::key_id_of(&key),
                    charter_version: 1,
                    cursor,
                    results,
                    checkpoint,
                };
                Done::Acknowledged(receipt.sign(&key))
            }
            Job::CheckAck(ack) => {
                let opened = Receipt::open(&ack, &agency(self.own), &agency(self.peer), FEDERATION, charters);
                let checkpoint = checkpoint_of_peer(1, 0);
                let checked = |receipt| Box::new(CheckedAck { receipt, ack, checkpoint, confirmed: None });
                Done::CheckedAck(opened.map(checked).map_err(|error| error.to_string()))
            }
            Job::Read { from, end, give_back } => {
                assert_eq!(give_back, None);
                self.rooms.push(id);
                Done::Read(self.read(from.index.0, end.index.0))
            }
            Job::Prove(prove) => Done::Proved(wire::Proof { number: prove.number, ..Default::default() }),
            Job::Adopt { .. } => Done::Adopted(Adoption::InForce),
        }
    }

    /// Reads a few entries. Every third one is not for this link.
    fn read(&self, from: u64, end: u64) -> Prepared {
        let until = end.min(from + 5);
        let numbers: Vec<u64> = (from..until).filter(|number| number % 3 != 0).collect();
        let item =
            |number: &u64| wire::Item { signed_entry: Bytes::copy_from_slice(&id_of(*number).0), ..Default::default() };
        let frame = wire::Deliver {
            cursor: Some(cursor(until).to_wire()),
            items: numbers.iter().map(item).collect(),
            after: None,
        };
        let entries: Vec<SentEntry> = numbers.iter().map(|number| sent(id_of(*number), *number)).collect();
        Prepared { summary: FrameSummary { cursor: cursor(until), bytes: 100 * entries.len(), entries }, frame }
    }

    /// Whether nothing moves any more.
    fn is_quiet(&self) -> bool {
        let has_grown = self.durable == self.ledger.len() as u64;
        has_grown && self.ended.is_empty() && self.submitted.is_empty() && !self.side.session.has_frame()
    }

    fn sent(&self) -> Vec<u64> {
        self.ledger.iter().copied().filter(|number| number % 3 != 0).collect()
    }
}

/// Does one random thing at a random node, if it is possible.
fn happens(nodes: &mut [Node; 2], pipes: &mut [VecDeque<Frame>; 2], charters: &Charters, rng: &mut StdRng) {
    let who = rng.random_range(0..2_usize);
    let other = 1 - who;
    let node = &mut nodes[who];
    match rng.random_range(0..7_u8) {
        0 | 1 if !node.ended.is_empty() => {
            let event = node.ended.swap_remove(rng.random_range(0..node.ended.len()));
            node.event(event, charters);
        }
        2 if node.submitted.pop_front().is_some() => node.event(Event::Taken, charters),
        3 if node.side.session.has_frame() && pipes[other].len() < 4 => {
            pipes[other].extend(node.side.session.next_frame(node.side.now));
        }
        4 if node.side.session.reads() => {
            if let Some(frame) = pipes[who].pop_front() {
                node.event(Event::Frame(frame), charters);
            }
        }
        5 if node.durable < node.ledger.len() as u64 => {
            let left = node.ledger.len() as u64 - node.durable;
            node.durable += rng.random_range(1..=left.min(7));
            let grown = cursor(node.durable);
            node.event(Event::Grown(grown), charters);
            node.event(Event::Signed(node.signed()), charters);
        }
        6 => {
            let next = node.side.now.mono_nanos + rng.random_range(0..20_000_000);
            node.side.turn_to(next);
            if node.side.session.next_timeout().is_some_and(|timeout| timeout <= next) {
                node.event(Event::Timeout, charters);
            }
        }
        _ => {}
    }
}

fn run(seed: u64, entries: [u64; 2]) {
    let federation = Federation::new();
    let charters = &federation.charters;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut nodes = [Node::new(charters, OWN, PEER, entries[0]), Node::new(charters, PEER, OWN, entries[1])];
    let mut pipes = [VecDeque::new(), VecDeque::new()];
    let (mut steps, mut asked) = (0, 0);
    loop {
        happens(&mut nodes, &mut pipes, charters, &mut rng);
        if let Some(close) = nodes.iter().find_map(|node| node.close.as_ref()) {
            panic!("seed {seed}: a link ended: {}", close.end);
        }
        if asked < 6 && nodes[0].side.session.takes_proof_questions() {
            asked += 1;
            let question = if asked % 2 == 0 { Question::Alive } else { Question::Prove(wire::Prove::default()) };
            nodes[0].event(Event::Ask(AskId(asked), question), charters);
        }
        let is_quiet = nodes.iter().all(Node::is_quiet) && pipes.iter().all(VecDeque::is_empty);
        if is_quiet && nodes[0].answered == 6 {
            break;
        }
        steps += 1;
        assert!(steps < 200_000, "seed {seed}: it does not come to an end");
    }
    for who in 0..2 {
        let (node, other) = (&nodes[who], &nodes[1 - who]);
        assert_eq!(node.taken, other.sent(), "seed {seed}: in order and once");
        assert_eq!(node.rooms, [], "seed {seed}: every room was given back");
        let acknowledged = node.sent().last().map(|last| last / 5 * 5);
        assert!(node.receipted.map(|cursor| cursor.index.0) >= acknowledged, "seed {seed}: and receipted");
        let timeout = node.side.session.next_timeout().expect("keep-alive");
        assert!(timeout > node.side.now.mono_nanos || node.side.now.mono_nanos - timeout < 20_000_000);
    }
    goes_quiet(&mut nodes, &mut pipes, charters);
}

/// Lets an hour pass: only pings and pongs are sent, and no timer expires more often than it must.
fn goes_quiet(nodes: &mut [Node; 2], pipes: &mut [VecDeque<Frame>; 2], charters: &Charters) {
    let (mut expired, mut said) = (0, 0);
    let start = nodes.iter().map(|node| node.side.now.mono_nanos).max().expect("two nodes");
    nodes.iter_mut().for_each(|node| node.side.turn_to(start));
    let end = start + 3_600_000_000_000;
    loop {
        for who in 0..2 {
            while nodes[who].side.session.has_frame() || !nodes[who].ended.is_empty() {
                let node = &mut nodes[who];
                node.ended.sort_by_key(|event| if let Event::Done(job, _) = event { job.0 } else { 0 });
                for event in std::mem::take(&mut node.ended) {
                    node.event(event, charters);
                }
                let frame = node.side.session.next_frame(node.side.now);
                said += usize::from(frame.is_some());
                pipes[1 - who].extend(frame);
            }
            while let Some(frame) = pipes[who].pop_front() {
                nodes[who].event(Event::Frame(frame), charters);
                while nodes[who].submitted.pop_front().is_some() {
                    nodes[who].event(Event::Taken, charters);
                }
            }
        }
        if nodes.iter().any(|node| node.side.session.has_frame() || !node.ended.is_empty()) {
            continue;
        }
        let next = nodes.iter().filter_map(|node| node.side.session.next_timeout()).min().expect("keep-alive");
        if next > end {
            break;
        }
        for node in nodes.iter_mut() {
            node.side.turn_to(next.max(node.side.now.mono_nanos));
            if node.side.session.next_timeout().is_some_and(|timeout| timeout <= next) {
                expired += 1;
                node.event(Event::Timeout, charters);
            }
        }
    }
    assert!(nodes.iter().all(|node| node.close.is_none()), "they are still linked");
    // Every 20 s each side sends a ping and a pong, and checks the idle timeout.
    let pings = 3600 / 20 * 2;
    assert!(said <= 2 * pings + 16 && expired <= 2 * pings + 16, "{said} frames, {expired} timers in an hour");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn two_sessions_deliver_everything_once_and_in_order_and_go_quiet(seed: u64, here in 0..60_u64, there in 0..60_u64) {
        run(seed, [here, there]);
    }
}

#[test]
fn the_windows_hold_whatever_is_waiting() {
    // More than a window of frames of one side.
    run(7, [3 * limits::LINK_WINDOW_FRAMES as u64, 0]);
}
