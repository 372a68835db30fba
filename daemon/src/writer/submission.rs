//! Submissions to the writer, and their queue, which is bounded in submissions and in bytes.
//!
//! Must not know how a submission is carried out.
//!
//! Invariant: an operator's call never waits for room; it fails with `Busy` at once. A link waits for room, so its peer stops sending.

use std::sync::Arc;

use prost::Message;
use sinergi_proto::admission::received::Received;
use sinergi_proto::base::cursor::Cursor;
use sinergi_proto::base::ids::{AgencyId, Epoch, LedgerIndex};
use sinergi_proto::engine::{
    Act, Acted, Answer, CommandError, Delivery, Input, ItemKey, KeptItem, Lodge, Lodged, ReceiptHeader, Retried,
    SeenHeader,
};
use sinergi_proto::receipt::ItemResult;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::base::node_limits;
use crate::storage::ledger::Position;
use crate::storage::store::Counts;

/// The result of a delivery. The accepted items are durable.
pub struct Delivered {
    /// One result per item, in order.
    pub results: Vec<ItemResult>,
    /// A signed checkpoint that covers the accepted items.
    pub checkpoint: Arc<[u8]>,
}

/// The channel for the answer to a command.
type AnswerTo<T> = oneshot::Sender<Result<T, CommandError>>;

/// A task for the writer.
pub enum Submission {
    /// Lodge a complaint.
    Lodge(Box<Lodge>, AnswerTo<Lodged>),
    /// Write an entry of a complaint.
    Act(Box<Act>, AnswerTo<Acted>),
    /// Take what a peer delivered. Dropped without an answer if this node may not sign.
    Delivery(Delivery, oneshot::Sender<Delivered>),
    /// Store a peer's receipt; the bytes are the `Ack`.
    Receipt(ReceiptHeader, Vec<u8>),
    /// Keep a checkpoint that a peer showed; the bytes are the note.
    Seen(SeenHeader, Vec<u8>),
    /// Keep checkpoints that were seen of others' ledgers, each a note, and commit to the newest of all.
    Witness(Vec<(AgencyId, Vec<u8>)>, AnswerTo<()>),
    /// Judge again refused and deferred items that an operator selected.
    RetryItems(Vec<KeptItem>, AnswerTo<Vec<Retried>>),
    /// Judge again deferred items whose signatures were checked again.
    Rechecked(Vec<(ItemKey, Received)>),
    /// Judge again all deferred items: time has passed, or a charter was adopted.
    Retry,
    /// Finish what was submitted before, then stop.
    Stop,
}

impl Submission {
    /// The engine's input, and the channel for the answer. `None` if there is no input.
    pub(super) fn parts(self) -> Option<(Input, Option<Reply>)> {
        Some(match self {
            Self::Lodge(lodge, to) => (Input::Lodge(lodge), Some(Reply::Lodged(to))),
            Self::Act(act, to) => (Input::Act(act), Some(Reply::Acted(to))),
            Self::Delivery(delivery, to) => (Input::Deliver(delivery), Some(Reply::Delivered(to))),
            Self::Receipt(header, ack) => (Input::Receipt(header, ack), None),
            Self::Seen(header, note) => (Input::Seen(header, note), None),
            Self::Witness(newer, to) => (Input::Witness(newer), Some(Reply::Witnessed(to))),
            Self::RetryItems(items, to) => (Input::Retry(items), Some(Reply::Retried(to))),
            Self::Rechecked(checked) => (Input::Rechecked(checked), None),
            Self::Retry => (Input::Tick, None),
            Self::Stop => return None,
        })
    }
}

/// The channel for an answer, by the kind of the input.
pub(super) enum Reply {
    Lodged(AnswerTo<Lodged>),
    Acted(AnswerTo<Acted>),
    Delivered(oneshot::Sender<Delivered>),
    Witnessed(AnswerTo<()>),
    Retried(AnswerTo<Vec<Retried>>),
}

impl Reply {
    /// Sends the answer; `checkpoint` covers the leaves that it names. If the waiter has gone away, the answer is dropped.
    pub(super) fn give(self, answer: Answer, checkpoint: &Arc<[u8]>) {
        match (self, answer) {
            (Self::Lodged(to), Answer::Lodged(result)) => drop(to.send(result)),
            (Self::Acted(to), Answer::Acted(result)) => drop(to.send(result)),
            (Self::Witnessed(to), Answer::Witnessed(result)) => drop(to.send(result)),
            (Self::Retried(to), Answer::Retried(result)) => drop(to.send(result)),
            (Self::Delivered(to), Answer::Delivered(result)) => {
                // Without an answer the link ends, and the peer sends the frame again.
                if let Ok(results) = result {
                    drop(to.send(Delivered { results, checkpoint: checkpoint.clone() }));
                }
            }
            (_, answer) => unreachable!("the engine answers {answer:?} to another input"),
        }
    }
}

/// A submission was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The queue is full. Nothing was done.
    #[error("busy: {queued} submissions wait for the disk; nothing was done, try again")]
    Busy {
        /// Number of submissions in the queue.
        queued: usize,
    },
    /// The node is stopping or has stopped.
    #[error("the node is stopping; nothing was done")]
    Stopped,
    /// There is no such refused or deferred item.
    #[error("there is no item {}-{}-0 that this node refused or that waits here: see `sinergi refused list`", .0.segment, .0.offset)]
    NoItem(Position),
    /// The engine refuses the command.
    #[error(transparent)]
    CommandError(#[from] CommandError),
}

/// The durable state of the ledger, published after each commit.
#[derive(Clone, Debug)]
pub struct Head {
    /// The epoch of the ledger.
    pub epoch: Epoch,
    /// Number of durable leaves.
    pub size: LedgerIndex,
    /// Number of routing records after the last leaf.
    pub owed: u32,
    /// Root of the tree of the durable leaves.
    pub root: [u8; 32],
    /// The newest signed checkpoint, as a note.
    pub checkpoint: Arc<[u8]>,
    /// Whether the checkpoint covers all durable leaves. `false` until this node may sign, see [`crate::rollback_guard`].
    pub is_signed: bool,
    /// Figures over all complaints.
    pub counts: Counts,
}

impl Head {
    /// The durable end, as a cursor of links.
    pub fn end(&self) -> Cursor {
        Cursor::end(self.epoch, self.size, self.owed)
    }
}

/// A submission in the queue, with the room that it takes.
pub(super) struct Queued {
    pub(super) submission: Submission,
    pub(super) weight: usize,
    pub(super) room: OwnedSemaphorePermit,
}

/// Room is counted in KiB: a semaphore holds fewer permits than 64 MiB has bytes on small platforms.
const ROOM_UNIT: usize = 1024;
/// Bytes that the local headers of an item may take: enough for routes to about 90 peers.
const ITEM_HEADERS: usize = 2048;
/// Bytes that a submission takes beside its data.
const SUBMISSION_OVERHEAD: usize = 512;

/// The handle for submissions. Cheap to clone.
#[derive(Clone)]
pub struct WriterHandle {
    queue: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    head: watch::Receiver<Head>,
}

impl WriterHandle {
    pub(super) fn new(head: watch::Receiver<Head>) -> (Self, mpsc::Receiver<Queued>) {
        let (queue, receiver) = mpsc::channel(node_limits::WRITER_QUEUE_SUBMISSIONS);
        let room = Arc::new(Semaphore::new(node_limits::WRITER_QUEUE_BYTES / ROOM_UNIT));
        (Self { queue, room, head }, receiver)
    }

    pub(super) fn stop(&self) -> WriterStop {
        WriterStop { queue: self.queue.downgrade(), room: Arc::clone(&self.room) }
    }

    /// A receiver of the durable state of the ledger.
    pub fn head(&self) -> watch::Receiver<Head> {
        self.head.clone()
    }

    /// Number of submissions in the queue.
    pub fn queued(&self) -> usize {
        node_limits::WRITER_QUEUE_SUBMISSIONS - self.queue.capacity()
    }

    /// Submits if there is room now: for operators.
    ///
    /// # Errors
    /// `Busy` if there is no room, `Stopped` if the writer has ended.
    pub fn try_submit(&self, submission: Submission) -> Result<(), SubmitError> {
        let weight = weight_of(&submission);
        let busy = || SubmitError::Busy { queued: self.queued() };
        let room = Arc::clone(&self.room).try_acquire_many_owned(units(weight)).map_err(|_| busy())?;
        let queued = Queued { submission, weight, room };
        self.queue.try_send(queued).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => busy(),
            mpsc::error::TrySendError::Closed(_) => SubmitError::Stopped,
        })
    }

    /// Submits, waiting for room: for links.
    ///
    /// # Errors
    /// `Stopped` if the writer has ended.
    pub async fn submit(&self, submission: Submission) -> Result<(), SubmitError> {
        let weight = weight_of(&submission);
        let room = Arc::clone(&self.room).acquire_many_owned(units(weight)).await.map_err(|_| SubmitError::Stopped)?;
        let queued = Queued { submission, weight, room };
        self.queue.send(queued).await.map_err(|_| SubmitError::Stopped)
    }
}

/// Stops an engine thread that waits for submissions, when the commit thread has ended. It does not count as a handle that keeps the queue open.
pub(super) struct WriterStop {
    queue: mpsc::WeakSender<Queued>,
    room: Arc<Semaphore>,
}

impl WriterStop {
    /// Submits `Stop`. If the queue is full, nothing is needed: the engine thread is not waiting, and its next hand-over fails.
    pub(super) fn raise(self) {
        if let (Some(queue), Ok(room)) = (self.queue.upgrade(), self.room.try_acquire_many_owned(0)) {
            let _ = queue.try_send(Queued { submission: Submission::Stop, weight: 0, room });
        }
    }
}

fn units(weight: usize) -> u32 {
    u32::try_from(weight.div_ceil(ROOM_UNIT)).unwrap_or(u32::MAX)
}

/// Bytes that a submission takes in the queue and in a group.
fn weight_of(submission: &Submission) -> usize {
    let bytes = match submission {
        Submission::Lodge(lodge, _) => lodge.contents.iter().map(|(content, _)| content.data.len()).sum(),
        Submission::Act(act, _) => act.text.as_ref().map_or(0, |(content, _)| content.data.len()),
        Submission::Delivery(delivery, _) => delivery.items.iter().map(weight_of_received).sum(),
        Submission::Receipt(_, bytes) | Submission::Seen(_, bytes) => bytes.len(),
        Submission::Witness(newer, _) => newer.iter().map(|(_, note)| note.len()).sum(),
        Submission::RetryItems(items, _) => items.iter().map(|item| weight_of_received(&item.received)).sum(),
        Submission::Rechecked(checked) => checked.iter().map(|(_, received)| weight_of_received(received)).sum(),
        Submission::Retry | Submission::Stop => 0,
    };
    bytes + SUBMISSION_OVERHEAD
}

/// Largest number of bytes that a received item takes in a group. It can be written twice (a leaf, and the record of its refused content), and
/// its local header names the peers that it goes to.
fn weight_of_received(item: &Received) -> usize {
    let bytes = match item {
        Received::Refused { bytes, .. } => bytes.len(),
        Received::Deferred { item, .. } => item.encoded_len(),
        Received::Authentic(authentic) => authentic.item.encoded_len() + authentic.item.signed_entry.len(),
    };
    bytes + ITEM_HEADERS
}

#[cfg(test)]
mod tests {
    use super::*;
    use sinergi_proto::base::limits;

    fn handle() -> (WriterHandle, mpsc::Receiver<Queued>, watch::Sender<Head>) {
        let (size, root, counts) = (LedgerIndex(0), [0; 32], Counts::default());
        let head =
            Head { epoch: Epoch::FIRST, size, owed: 0, root, checkpoint: Arc::from([]), is_signed: false, counts };
        let (head, receiver) = watch::channel(head);
        let (handle, queue) = WriterHandle::new(receiver);
        (handle, queue, head)
    }

    #[test]
    fn a_full_queue_answers_busy_at_once_and_takes_again_when_there_is_room() {
        let (handle, mut queue, _head) = handle();
        for _ in 0..node_limits::WRITER_QUEUE_SUBMISSIONS {
            handle.try_submit(Submission::Retry).expect("there is room");
        }
        let refused = handle.try_submit(Submission::Retry);
        assert!(
            matches!(refused, Err(SubmitError::Busy { queued: node_limits::WRITER_QUEUE_SUBMISSIONS })),
            "{refused:?}"
        );
        drop(queue.try_recv().expect("the oldest"));
        handle.try_submit(Submission::Retry).expect("there is room again");
    }

    #[test]
    fn a_queue_full_of_bytes_answers_busy_too() {
        let (handle, _queue, _head) = handle();
        let header = || ReceiptHeader {
            at: 0,
            peer: "ksp".parse().expect("an id"),
            cursor: Cursor::start(Epoch::FIRST),
            unsettled: Vec::new(),
            settled: Vec::new(),
        };
        let big = || Submission::Receipt(header(), vec![0; limits::FRAME_BYTES]);
        let fits = (0..).take_while(|_| handle.try_submit(big()).is_ok()).count();
        assert!((1..=node_limits::WRITER_QUEUE_BYTES / limits::FRAME_BYTES).contains(&fits), "{fits} frames");
        assert!(matches!(handle.try_submit(big()), Err(SubmitError::Busy { .. })));
        handle.try_submit(Submission::Retry).expect("something small still fits");
    }

    #[test]
    fn a_writer_that_has_ended_takes_nothing() {
        let (handle, queue, _head) = handle();
        drop(queue);
        assert!(matches!(handle.try_submit(Submission::Retry), Err(SubmitError::Stopped)));
    }
}
