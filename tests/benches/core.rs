//! The cost of single steps: `cargo bench -p sinergi-tests`.
//!
//! append: a group of 128 entries of 1 KiB made durable. verify: 128 signatures as a batch. fold: the entries of one complaint's life.
//! case: a new complaint where it was lodged, and where it is forwarded to.
//! sender, receiver: the link's state machines over one frame. watch: one frame of third parties' checkpoints, opened and taken.

use std::collections::{BTreeSet, VecDeque};
use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ed25519_zebra::{VerificationKeyBytes, batch};
use sinergi_daemon::storage::ledger::{Ledger, LedgerOptions};
use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::cursor::Cursor;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::base::limits;
use sinergi_proto::charter::Charters;
use sinergi_proto::complaint::Complaint;
use sinergi_proto::engine::{Case, LeafHeader};
use sinergi_proto::entry::{CharterName, Entry, EntryDraft, OwnBatch, Place};
use sinergi_proto::receipt::{ItemOutcome, ItemResult};
use sinergi_proto::routing::outbox::{FrameSummary, SentEntry};
use sinergi_proto::routing::route::{DeliveredBy, RoutingContext};
use sinergi_proto::sync::{Receiver, ReceiverEvent, Sender, SenderEvent, Window};
use sinergi_proto::tlog::checkpoint::{Checkpoint, CheckpointKeys, CheckpointSigner};
use sinergi_proto::transparency::watch::{VerifiedCheckpoint, Watched};
use sinergi_proto::wire::{self, entry::Body};

/// The programs' allocator, because allocation is a large part of these costs.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const FEDERATION: &str = "lapor.example";
const GROUP: usize = 128;
const CHARTER: CharterName = CharterName { version: 1, hash: 0 };
const NOW: u64 = 1_790_000_000_000;
/// The number of complaints that a node keeps in memory, so that each dropped one was not used for a while.
const KEPT: usize = 4096;

fn key() -> SigningKey {
    SigningKey::from([7; 32])
}

fn sign(complaint: Option<ComplaintId>, parents: Vec<EntryId>, millis: u64, body: Body) -> Entry {
    let author: AgencyId = "kota-bandung".parse().expect("an id");
    let place = Place { epoch: Epoch::FIRST, index: LedgerIndex(0) };
    let clock = HybridClock::new(millis, 0);
    let (federation, content) = (FEDERATION.to_owned(), Vec::new());
    let draft = EntryDraft { federation, author, charter: CHARTER, place, complaint, parents, clock, content, body };
    Entry::parse(draft.sign(&key()).bytes, FEDERATION).expect("a good entry")
}

fn lodged(millis: u64) -> Entry {
    let body = wire::Lodged {
        kind: 1,
        category: "road".to_owned(),
        area: "32.73".to_owned(),
        class: 1,
        citizen_key: vec![1; 32],
        key_origin: 1,
    };
    sign(None, Vec::new(), millis, Body::Lodged(body))
}

fn append(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut ledger, _) = Ledger::open(folder.path(), LedgerOptions::default()).expect("a new ledger");
    let (entry, content) = (lodged(NOW).bytes, [1; 1024]);
    let mut group = c.benchmark_group("append");
    group.throughput(Throughput::Elements(GROUP as u64));
    group.bench_function("128 entries with 1 KiB of content, one fdatasync", |b| {
        b.iter(|| {
            let mut records = ledger.begin();
            for _ in 0..GROUP {
                records.content(records.next_index(), b"header", &content).expect("it fits");
                records.leaf(b"header", &entry).expect("it fits");
            }
            ledger.commit(records).expect("the disk works")
        });
    });
    group.finish();
}

fn verify(c: &mut Criterion) {
    let entries: Vec<Entry> = (0..GROUP as u64).map(|n| lodged(NOW + n)).collect();
    let public = VerificationKeyBytes::from(&key());
    let mut group = c.benchmark_group("verify");
    group.throughput(Throughput::Elements(GROUP as u64));
    group.bench_function("128 entries that were signed one by one", |b| {
        b.iter(|| {
            let mut batch = batch::Verifier::new();
            for entry in &entries {
                let envelope = entry.envelope.as_ref().expect("a signed entry");
                let (message, signature) = (envelope.batch_of(&entry.id).message(), *envelope.signature());
                batch.queue((public, signature.into(), message.as_slice()));
            }
            batch.verify(rand::rng()).expect("good signatures");
        });
    });
    let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
    group.bench_function("sign 128 entries together", |b| b.iter(|| black_box(OwnBatch::sign(&ids, &key()))));
    group.bench_function("128 entries that were signed together", |b| {
        let batch = OwnBatch::sign(&ids, &key());
        let envelopes: Vec<_> = (0..GROUP).map(|number| batch.envelope(number)).collect();
        b.iter(|| {
            let batches = ids.iter().zip(&envelopes).map(|(id, envelope)| envelope.batch_of(id));
            let distinct: BTreeSet<_> = batches.collect();
            for batch in distinct {
                assert!(key().verification_key().verifies(&batch.message(), envelopes[0].signature()));
            }
        });
    });
    group.bench_function("parse 128 entries", |b| {
        let bytes: Vec<Bytes> = entries.iter().map(|entry| entry.signed()).collect();
        b.iter(|| {
            for entry in &bytes {
                black_box(Entry::parse(entry.clone(), FEDERATION).expect("a good entry"));
            }
        });
    });
    group.finish();
}

fn fold(c: &mut Criterion) {
    let federation = sinergi_tests::federation::TestFederation::make(sinergi_tests::federation::province_and_city());
    let charters = Charters::self_signed(federation.charter()).expect("a charter");
    let first = lodged(NOW);
    let complaint = first.complaint.expect("a complaint");
    let mut life = Vec::new();
    let mut parent = first.id;
    for step in 1..=8 {
        let body = Body::Progressed(wire::Progressed { basis: first.id.0.to_vec(), state: 1 });
        let entry = sign(Some(complaint), vec![parent], NOW + step, body);
        parent = entry.id;
        life.push(entry);
    }
    c.bench_function("fold/a complaint of 9 entries", |b| {
        b.iter(|| {
            let mut complaint = Complaint::lodge(&first, &charters).expect("Lodged");
            for entry in &life {
                black_box(complaint.insert(entry, &charters));
            }
            complaint
        });
    });
}

/// A complaint and its offer to the province, signed.
fn offered(millis: u64) -> [Bytes; 2] {
    let first = lodged(millis);
    let forwarded = wire::Forwarded {
        basis: first.id.0.to_vec(),
        to: "prov-jabar".to_owned(),
        reason: 1,
        answer_by: millis + 3 * 24 * 60 * 60 * 1000,
    };
    let offer = sign(first.complaint, vec![first.id], millis + 1, Body::Forwarded(forwarded));
    [first.signed(), offer.signed()]
}

/// Takes a complaint in as a node's writer does: each entry into the fold, routed, and placed.
fn take(
    entries: &[Entry; 2],
    delivered_by: Option<DeliveredBy<'_>>,
    node: RoutingContext<'_>,
    charters: &Charters,
) -> Case {
    let mut case = Case::lodge(&entries[0], charters).expect("Lodged");
    for (index, entry) in (0..).map(LedgerIndex).zip(entries) {
        case.fold(entry, charters);
        let (routes, unreachable) = case.routes_of(entry, delivered_by, node);
        if let Some(delivered_by) = delivered_by {
            let (raised, _) = case.routes_of_raised(entry, delivered_by, node);
            case.note_owed(&raised);
        }
        let (from, relays) = (delivered_by.map(|by| by.peer.clone()), delivered_by.map_or(0, |by| by.relays));
        let header = LeafHeader { at: 0, from, relays, routes, unreachable, external: None };
        case.place(index, entry, &header);
    }
    black_box(case.duties(node.own));
    case
}

fn case(c: &mut Criterion) {
    let federation = sinergi_tests::federation::TestFederation::make(sinergi_tests::federation::hierarchy());
    let charters = Charters::self_signed(federation.charter()).expect("a charter");
    let charter = charters.newest();
    let [city, province] = ["kota-bandung", "prov-jabar"].map(sinergi_tests::federation::agency);
    let beside_city = BTreeSet::from([province.clone()]);
    let beside_province = BTreeSet::from(["kemendagri", "kota-bandung"].map(sinergi_tests::federation::agency));
    let signed: Vec<[Bytes; 2]> = (0..2 * KEPT as u64).map(|n| offered(NOW + 2 * n)).collect();
    let mut measure = |name: &str, delivered_by: Option<DeliveredBy<'_>>, node: RoutingContext<'_>| {
        let (mut next, mut kept) = (signed.iter().cycle(), VecDeque::with_capacity(KEPT + 1));
        let parse = |bytes: &Bytes| Entry::parse(bytes.clone(), FEDERATION).expect("a good entry");
        c.bench_function(name, |b| {
            b.iter_batched(
                // Each complaint has entries of its own, as they come off the wire.
                || next.next().expect("it begins again").each_ref().map(parse),
                |entries| {
                    kept.push_back(take(&entries, delivered_by, node, &charters));
                    if kept.len() > KEPT {
                        kept.pop_front();
                    }
                    entries
                },
                BatchSize::SmallInput,
            );
        });
    };
    let at_city = RoutingContext { own: &city, adjacent: &beside_city, charter };
    measure("case/a complaint lodged and forwarded here: folded, routed, dropped", None, at_city);
    let (from_city, at_province) = (
        DeliveredBy { peer: &city, relays: 1 },
        RoutingContext { own: &province, adjacent: &beside_province, charter },
    );
    measure("case/a complaint received with its offer: folded, routed, dropped", Some(from_city), at_province);
}

fn machines(c: &mut Criterion) {
    let entries: Vec<EntryId> = (0..GROUP).map(|n| EntryId([n as u8; 32])).collect();
    let cursor = Cursor { epoch: Epoch::FIRST, index: LedgerIndex(GROUP as u64), part: 0 };
    let results: Vec<ItemResult> =
        entries.iter().map(|entry| ItemResult::without_contents(*entry, ItemOutcome::Leaf(LedgerIndex(0)))).collect();
    let sent: Vec<SentEntry> = entries
        .iter()
        .map(|id| SentEntry { id: *id, leaf: LedgerIndex(0), complaint: None, is_again: false })
        .collect();
    let linked = || {
        let mut sender = Sender::new(Cursor::end(Epoch::FIRST, LedgerIndex(GROUP as u64), 0), Window::default());
        sender.handle(SenderEvent::Linked { have: None, receipted: None });
        sender
    };
    c.bench_function("sender/a frame of 128 items, delivered and acknowledged", |b| {
        b.iter_batched(
            linked,
            |mut sender| {
                let summary = FrameSummary { cursor, entries: sent.clone(), bytes: 200_000 };
                let delivered = sender.handle(SenderEvent::Prepared(summary));
                let stored = sender.handle(SenderEvent::Acknowledged { cursor, results: results.clone() });
                (delivered, stored)
            },
            BatchSize::SmallInput,
        );
    });
    c.bench_function("receiver/a frame of 128 items, submitted and acknowledged", |b| {
        b.iter_batched(
            || Receiver::new(None, Window::default()),
            |mut receiver| {
                let submitted =
                    receiver.handle(ReceiverEvent::Delivered { after: None, cursor, items: GROUP, bytes: 200_000 });
                let event = ReceiverEvent::Committed { results: results.clone(), checkpoint: vec![0; 400] };
                (submitted, receiver.handle(event))
            },
            BatchSize::SmallInput,
        );
    });
}

fn watch(c: &mut Criterion) {
    let agency: AgencyId = "kota-bandung".parse().expect("an id");
    let (statement, time) = (key(), SigningKey::from([8; 32]));
    let keys = CheckpointKeys { statement: vec![statement.verification_key()], time: vec![time.verification_key()] };
    let signer = CheckpointSigner::new(FEDERATION, &agency, Epoch::FIRST, statement, time);
    let notes: Vec<Vec<u8>> =
        (1..=limits::GOSSIP_CHECKPOINTS as u64).map(|size| signer.sign(size, [7; 32], NOW / 1000)).collect();
    let mut group = c.benchmark_group("watch");
    group.throughput(Throughput::Bytes(notes.iter().map(|note| note.len() as u64).sum()));
    group.bench_function("a frame of 16 checkpoints, two signatures each", |b| {
        b.iter(|| {
            let mut watched = Watched::default();
            for note in &notes {
                let checkpoint = Checkpoint::open(note, FEDERATION, &agency, &keys).expect("its own");
                black_box(watched.take(VerifiedCheckpoint { checkpoint, note: note.clone() }));
            }
        });
    });
}

criterion_group!(benches, append, verify, fold, case, machines, watch);
criterion_main!(benches);
