//! The order in which groups are shown and answered.

use sinergi_proto::ids::Epoch;
use tokio::sync::Semaphore;

use super::super::{Submission, WriterHandle};
use super::*;
use crate::ledger::Position;
use crate::store;

struct Stage {
    publisher: Publisher,
    store: Store,
    head: watch::Receiver<Head>,
    handle: WriterHandle,
    _folder: tempfile::TempDir,
}

fn stage() -> (Stage, tokio::sync::mpsc::Receiver<super::super::submission::Queued>) {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, _) = store::open(&folder.path().join("store"), 16 << 20).expect("a store");
    let (size, root, counts) = (LedgerIndex(0), [0; 32], Counts::default());
    let first = Head { epoch: Epoch::FIRST, size, owed: 0, root, checkpoint: Arc::from([]), is_signed: false, counts };
    let (sender, head) = watch::channel(first);
    let (handle, queue) = WriterHandle::new(head.clone());
    let own = "kota-bandung".parse().expect("an id");
    let publisher = Publisher::start(store.clone(), own, counts, Arc::new(sender), handle.stop()).expect("a thread");
    (Stage { publisher, store, head, handle, _folder: folder }, queue)
}

fn end(group: u32) -> Position {
    Position { segment: 1, offset: 100 * (group + 1) }
}

fn durable(group: u32) -> Option<Durable> {
    let size = LedgerIndex(u64::from(group) + 1);
    let checkpoint = Arc::from(group.to_be_bytes());
    Some(Durable { changes: Changes::default(), end: end(group), size, owed: 0, root: [1; 32], checkpoint })
}

fn delivered() -> (Answer, oneshot::Receiver<Delivered>) {
    let (to, answer) = oneshot::channel();
    (Answer::Delivered(to, Some(Vec::new())), answer)
}

#[test]
fn who_is_answered_finds_the_store_and_the_head_as_the_answer_says() {
    let (mut stage, _queue) = stage();
    for group in 0..50 {
        let (answer, answered) = delivered();
        stage
            .publisher
            .publish(Publication { durable: durable(group), answers: vec![answer], rooms: Vec::new() })
            .expect("published");
        let answered = answered.blocking_recv().expect("an answer");
        assert_eq!(*answered.checkpoint, group.to_be_bytes());
        assert_eq!(stage.store.watermark().expect("readable"), Some(end(group)));
        let head = stage.head.borrow();
        assert_eq!((head.size.0, head.is_signed), (u64::from(group) + 1, true));
    }
}

#[test]
fn who_waits_until_all_is_published_finds_it_in_the_store() {
    let (mut stage, _queue) = stage();
    for group in 0..50 {
        stage.publisher.publish(Publication { durable: durable(group), ..Publication::default() }).expect("published");
        stage.publisher.settle().expect("published");
        assert_eq!(stage.store.watermark().expect("readable"), Some(end(group)));
    }
}

#[test]
fn what_was_handed_over_is_published_before_the_end_and_takes_its_room_until_then() {
    let (mut stage, _queue) = stage();
    let room = Arc::new(Semaphore::new(1));
    let taken = Arc::clone(&room).try_acquire_owned().expect("room");
    let (answer, answered) = delivered();
    stage
        .publisher
        .publish(Publication { durable: durable(7), answers: vec![answer], rooms: vec![taken] })
        .expect("published");
    stage.publisher.end().expect("no failure");
    assert_eq!(stage.store.watermark().expect("readable"), Some(end(7)));
    assert!(answered.blocking_recv().is_ok() && room.available_permits() == 1);
}

#[test]
fn a_writer_that_waits_for_work_is_woken_to_end() {
    let (stage, mut queue) = stage();
    stage.handle.stop().raise();
    assert!(matches!(queue.try_recv().map(|queued| queued.submission), Ok(Submission::Stop)));
    let stop = stage.handle.stop();
    drop(stage);
    stop.raise();
    assert!(queue.try_recv().is_err(), "nobody is there any more to be woken");
}
