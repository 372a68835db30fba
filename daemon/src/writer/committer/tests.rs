//! Tests of the order in which groups are committed, shown and answered.

use std::time::Duration;

use futures_util::FutureExt;
use sinergi_proto::base::ids::Epoch;
use tokio::sync::{Semaphore, oneshot};

use super::super::{Delivered, Submission, WriterHandle};
use super::*;
use crate::storage::keys::{self, SigningKeys};
use crate::storage::ledger::{LedgerOptions, Position, RecordKind, Tip};
use crate::storage::store;

struct Stage {
    committer: Committer,
    tip: Tip,
    store: Store,
    head: watch::Receiver<Head>,
    guard: watch::Sender<GuardState>,
    handle: WriterHandle,
    _folder: tempfile::TempDir,
}

fn stage() -> (Stage, tokio::sync::mpsc::Receiver<super::super::submission::Queued>) {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, _) = store::open(&folder.path().join("store"), 16 << 20).expect("a store");
    let (ledger, _) = Ledger::open(&folder.path().join("ledger"), LedgerOptions::default()).expect("a ledger");
    let tip = ledger.tip();
    let (size, root, counts) = (LedgerIndex(0), [0; 32], Counts::default());
    let first = Head { epoch: Epoch::FIRST, size, owed: 0, root, checkpoint: Arc::from([]), is_signed: false, counts };
    let (sender, head) = watch::channel(first);
    let (handle, queue) = WriterHandle::new(head.clone());
    let own: AgencyId = "kota-bandung".parse().expect("an id");
    let key = || keys::generate().expect("a key");
    let keys = SigningKeys { entry: key(), checkpoint: key(), time: key() };
    let (guard, guard_watch) = watch::channel(GuardState::Waiting);
    let commit_thread = CommitThread {
        checkpoints: Checkpoints::new("lapor.example", &own, Epoch::FIRST, &keys),
        leaf_cache: LeafCache::default(),
        store: store.clone(),
        own,
        counts,
        head: sender,
        guard: guard_watch,
        tell: Box::new(|_| ()),
    };
    let committer = Committer::start(commit_thread, ledger, handle.stop()).expect("a thread");
    (Stage { committer, tip, store, head, guard, handle, _folder: folder }, queue)
}

impl Stage {
    /// A group with a leaf, on the end of the one before; and where it ends.
    fn decided(&mut self) -> (Option<Decided>, Position) {
        let mut group = self.tip.begin();
        group.leaf(b"local", b"an entry").expect("room");
        self.tip.follow(&group);
        let (changes, leaves, end) = (Changes::default(), vec![None], group.end());
        (Some(Decided { group, changes, leaves, late_content: false, owed: 0 }), end)
    }

    fn watermark(&self) -> Option<Position> {
        self.store.watermark().expect("readable")
    }
}

fn delivered() -> ((Reply, Answer), oneshot::Receiver<Delivered>) {
    let (to, answer) = oneshot::channel();
    ((Reply::Delivered(to), Answer::Delivered(Ok(Vec::new()))), answer)
}

#[test]
fn who_is_answered_finds_ledger_store_and_head_as_the_answer_says() {
    let (mut stage, _queue) = stage();
    for group in 1..=50 {
        let (answer, answered) = delivered();
        let (decided, end) = stage.decided();
        stage
            .committer
            .hand_over(Handover { decided, answers: vec![answer], ..Handover::default() })
            .expect("the disk works");
        let answered = answered.blocking_recv().expect("an answer");
        assert_eq!(stage.watermark(), Some(end));
        let head = stage.head.borrow().clone();
        assert_eq!((head.size.0, head.is_signed), (group, true));
        let note = String::from_utf8(answered.checkpoint.to_vec()).expect("text");
        assert!(note.lines().any(|line| line == group.to_string()), "{note}");
        assert_eq!(answered.checkpoint, head.checkpoint);
        stage.committer.settle().expect("the disk works");
        let ledger = stage.committer.ledger.lock();
        assert_eq!((ledger.end(), ledger.size(), ledger.root().0), (end, group, head.root));
    }
}

#[test]
fn who_waits_until_all_is_committed_finds_it_in_ledger_and_store() {
    let (mut stage, _queue) = stage();
    for _ in 0..50 {
        let (decided, end) = stage.decided();
        stage.committer.hand_over(Handover { decided, ..Handover::default() }).expect("the disk works");
        stage.committer.settle().expect("the disk works");
        assert_eq!(stage.watermark(), Some(end));
    }
}

#[test]
fn what_was_handed_over_is_committed_before_the_end_and_takes_its_room_until_then() {
    let (mut stage, _queue) = stage();
    let room = Arc::new(Semaphore::new(1));
    let taken = Arc::clone(&room).try_acquire_owned().expect("room");
    let (answer, answered) = delivered();
    let (decided, end) = stage.decided();
    stage
        .committer
        .hand_over(Handover { decided, answers: vec![answer], rooms: vec![taken], ..Handover::default() })
        .expect("the disk works");
    assert_eq!(stage.committer.end().expect("no failure").1.segment, end.segment);
    assert!(stage.store.watermark().expect("readable") >= Some(end));
    assert!(answered.blocking_recv().is_ok() && room.available_permits() == 1);
}

#[test]
fn nothing_is_signed_before_the_node_may_and_what_is_there_at_the_first_handover_then() {
    let (mut stage, _queue) = stage();
    stage.committer.settle().expect("nothing to do");
    assert!(!stage.head.borrow().is_signed);
    stage.committer.hand_over(Handover::default()).expect("the disk works");
    stage.committer.settle().expect("the disk works");
    assert!(!stage.head.borrow().is_signed, "the rollback guard waits");
    for (state, is_signed) in [(GuardState::SetBack, false), (GuardState::Clear, true)] {
        stage.guard.send_replace(state);
        stage.committer.hand_over(Handover::default()).expect("the disk works");
        stage.committer.settle().expect("the disk works");
        assert_eq!(stage.head.borrow().is_signed, is_signed, "{state:?}");
    }
    let head = stage.head.borrow();
    assert!(head.is_signed && head.size.0 == 0 && !head.checkpoint.is_empty());
}

#[test]
fn a_ledger_that_fails_ends_the_writer_and_answers_nobody() {
    let (mut stage, mut queue) = stage();
    let mut stray = stage.tip.begin();
    stray.record(RecordKind::Receipt, b"", b"").expect("room");
    stage.tip.follow(&stray);
    let (decided, _) = stage.decided();
    let (answer, answered) = delivered();
    // Whatever the writer hands over when it hears of it, it learns why.
    let handed_over = stage.committer.hand_over(Handover { decided, answers: vec![answer], ..Handover::default() });
    assert!(answered.blocking_recv().is_err(), "nothing is durable");
    let woken = queue.blocking_recv().map(|queued| queued.submission);
    assert!(matches!(woken, Some(Submission::Stop)), "a writer that waits for work is woken");
    let failed = handed_over.and_then(|()| stage.committer.settle());
    assert!(matches!(failed, Err(WriterError::Ledger(_))), "{failed:?}");
    assert_eq!((stage.head.borrow().size.0, stage.watermark()), (0, None));
}

#[test]
fn the_writer_goes_on_while_a_group_is_committed_and_hands_over_the_next_when_it_is() {
    let (mut stage, _queue) = stage();
    let ledger = Arc::clone(&stage.committer.ledger);
    let disk = ledger.lock();
    let (decided, first) = stage.decided();
    // Returns, though the disk has nothing of it.
    stage.committer.hand_over(Handover { decided, ..Handover::default() }).expect("the disk works");
    let (decided, second) = stage.decided();
    assert!(stage.committer.until_free().now_or_never().is_none() && stage.watermark().is_none());
    let (store, (told, hears)) = (stage.store.clone(), channel());
    let writer = std::thread::spawn(move || {
        stage.committer.hand_over(Handover { decided, ..Handover::default() }).expect("the disk works");
        told.send(store.watermark().expect("readable")).expect("the test hears");
        stage
    });
    assert!(hears.recv_timeout(Duration::from_millis(100)).is_err(), "the group before is not committed");
    drop(disk);
    assert!(hears.recv().expect("handed over") >= Some(first));
    let mut stage = writer.join().expect("no panic");
    stage.committer.settle().expect("the disk works");
    assert_eq!(stage.watermark(), Some(second));
}

#[test]
fn after_a_failure_nothing_counts_as_committed_however_often_it_is_asked() {
    let (mut stage, _queue) = stage();
    let _ = stage.decided();
    let (stray, _) = stage.decided();
    let _ = stage.committer.hand_over(Handover { decided: stray, ..Handover::default() });
    for _ in 0..3 {
        assert!(matches!(stage.committer.settle(), Err(WriterError::Ledger(_))));
        assert!(stage.committer.hand_over(Handover::default()).is_err());
    }
    assert!(stage.committer.end().is_err());
}

#[test]
fn a_thread_that_panics_ends_the_writer_too() {
    let (stage, mut queue) = stage();
    let turn = Arc::new(Semaphore::new(0));
    let permits = CommitPermits { turn: Arc::clone(&turn), stop: Some(stage.handle.stop()) };
    let panicked = std::thread::spawn(move || {
        let _permits = permits;
        panic!("as a broken disk may make sled do");
    });
    assert!(panicked.join().is_err());
    assert!(turn.is_closed());
    assert!(matches!(queue.try_recv().map(|queued| queued.submission), Ok(Submission::Stop)));
}

#[test]
fn a_writer_that_waits_for_work_is_woken_to_end() {
    let (stage, mut queue) = stage();
    stage.handle.stop().raise();
    assert!(matches!(queue.try_recv().map(|queued| queued.submission), Ok(Submission::Stop)));
    let stop = stage.handle.stop();
    drop(stage);
    assert!(matches!(queue.try_recv().map(|queued| queued.submission), Ok(Submission::Stop)), "the thread has ended");
    stop.raise();
    assert!(queue.try_recv().is_err(), "nobody is there any more to be woken");
}
