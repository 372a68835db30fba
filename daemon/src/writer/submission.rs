//! What is given to the writer, and how: a queue bounded in submissions and in bytes.
//!
//! Invariant: an operator's call never waits for room (it hears Busy, at once), a link always does (its peer stops sending).

use std::sync::Arc;

use prost::Message;
use sinergi_proto::complaint::{Command, Declined, NewOffer};
use sinergi_proto::content::Content;
use sinergi_proto::entry::ContentClass;
use sinergi_proto::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::intake::Received;
use sinergi_proto::limits;
use sinergi_proto::link::Cursor;
use sinergi_proto::receipt::{ItemOutcome, ItemResult};
use sinergi_proto::refusal::Refusal;
use sinergi_proto::wire;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::headers::{External, ReceiptHeader, SeenHeader};
use crate::ledger::Position;
use crate::store::Counts;

/// A new complaint.
pub struct Lodge {
    /// The body.
    pub body: wire::Lodged,
    /// Its contents, with their classes.
    pub contents: Vec<(Content, ContentClass)>,
    /// The record of another system that it comes from.
    pub external: Option<External>,
    /// The offer to make at once.
    pub forward: Option<NewOffer>,
}

/// What became of a new complaint.
#[derive(Debug)]
pub struct Lodged {
    /// Its id.
    pub complaint: ComplaintId,
    /// It was lodged before; nothing was added.
    pub existed: bool,
    /// Why it was lodged but not forwarded.
    pub forward_declined: Option<SubmitError>,
}

/// Something done to a complaint.
pub struct Act {
    /// The complaint.
    pub complaint: ComplaintId,
    /// What is done.
    pub command: Command,
    /// The text that goes with it; without a class it gets the complaint's.
    pub text: Option<(Content, Option<ContentClass>)>,
}

/// The entry that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acted {
    /// Its id.
    pub entry: EntryId,
    /// Its leaf.
    pub leaf: LedgerIndex,
}

/// A frame from a peer, decoded and authenticated.
pub struct Delivery {
    /// Who sent it.
    pub peer: AgencyId,
    /// The position of the peer's ledger after it.
    pub cursor: Cursor,
    /// Its items.
    pub items: Vec<Received>,
}

/// What became of a delivery; what was taken is durable.
pub struct Delivered {
    /// One an item, in order; `None`: the frame was not taken, because too much of this peer waits.
    pub results: Option<Vec<ItemResult>>,
    /// The signed checkpoint that covers them.
    pub checkpoint: Arc<[u8]>,
}

/// Something for the writer.
pub enum Submission {
    /// Lodge a complaint.
    Lodge(Box<Lodge>, oneshot::Sender<Result<Lodged, SubmitError>>),
    /// Write an entry of a complaint.
    Act(Box<Act>, oneshot::Sender<Result<Acted, SubmitError>>),
    /// Take what a peer delivered.
    Delivery(Delivery, oneshot::Sender<Delivered>),
    /// Store a peer's receipt; the bytes are the `Ack`.
    Receipt(ReceiptHeader, Vec<u8>),
    /// Keep a checkpoint that a peer showed; the bytes are the note.
    Seen(SeenHeader, Vec<u8>),
    /// Keep checkpoints that were seen of others' ledgers, each a note, and commit to the newest of all.
    Witness(Vec<(AgencyId, Vec<u8>)>, oneshot::Sender<Result<(), SubmitError>>),
    /// Judge again what an operator selects of what was refused or waits.
    RetryItems(Selection, oneshot::Sender<Result<Vec<Retried>, SubmitError>>),
    /// Judge again what waits: time has passed, or a charter came.
    Retry,
    /// Finish what was submitted before, then stop.
    Stop,
}

/// Items that this node refused, or that wait.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The one whose record lies here; `None`: all.
    pub position: Option<Position>,
    /// Only what came from this peer.
    pub peer: Option<AgencyId>,
}

/// What became of an item that was judged again.
#[derive(Clone, Debug)]
pub struct Retried {
    /// Where its record lies.
    pub position: Position,
    /// Its entry.
    pub entry: EntryId,
    /// Whether it is here now.
    pub outcome: ItemOutcome,
    /// Why not, in words.
    pub reason: String,
}

/// Why a submission was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The queue is full. Nothing was done.
    #[error("busy: {queued} submissions wait for the disk; nothing was done, try again")]
    Busy {
        /// Submissions that wait.
        queued: usize,
    },
    /// The node is stopping or has stopped.
    #[error("the node is stopping; nothing was done")]
    Stopped,
    /// Declined by authority or state.
    #[error(transparent)]
    Declined(#[from] Declined),
    /// No such item.
    #[error("there is no item {}-{}-0 that this node refused or that waits here: see `sinergi refused list`", .0.segment, .0.offset)]
    NoItem(Position),
    /// No such complaint.
    #[error("there is no complaint {0} here")]
    NoComplaint(ComplaintId),
    /// The entry would be larger than an entry may be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Peers would not accept what this node signs.
    #[error("this node may not sign now: {0}; see `sinergi charter show`")]
    OwnKey(String),
    /// A peer has seen more of this ledger than there is.
    #[error(
        "this node's ledger was set back or lost: a peer has seen more of it, see `sinergi status`. Nothing may be signed until the newest \
         copy of its folder is put back or `sinergi recover` has begun a new epoch"
    )]
    SetBack,
    /// The node has just started.
    #[error(
        "this node has just started and still asks its peers what they saw of its ledger; nothing was done, try again"
    )]
    Unheard,
    /// No link leads to the addressee.
    #[error("no link leads to {0}: add a [[peer]] toward it to sinergid.toml and restart the node; nothing was done")]
    NoRoute(AgencyId),
    /// A content is handed over a direct link only.
    #[error(
        "there is no direct link to {0}, and what is disclosed passes through nobody: add a [[peer]] for it to sinergid.toml and restart the \
         node; nothing was done"
    )]
    NoDirectLink(AgencyId),
    /// The content to be disclosed is not here.
    #[error(
        "the content is not on this node: it was withheld from it, has not arrived, or was erased; nothing was done"
    )]
    ContentNotHere,
    /// The clock cannot be trusted.
    #[error(
        "this node's clock differs by {offset_seconds} s from most of its peers', at most {} s: set the clock (NTP), nothing was signed",
        limits::CLOCK_AHEAD.as_secs()
    )]
    Clock {
        /// By how much the peers' clocks are ahead, in seconds.
        offset_seconds: i64,
    },
}

/// What the writer has made durable, and what it knows.
#[derive(Clone, Debug)]
pub struct Head {
    /// The epoch of the ledger.
    pub epoch: Epoch,
    /// Durable leaves.
    pub size: LedgerIndex,
    /// Routing records behind the last leaf.
    pub owed: u32,
    /// Root of their tree.
    pub root: [u8; 32],
    /// The signed checkpoint over them.
    pub checkpoint: Arc<[u8]>,
    /// Whether it covers all of them: not until this node may sign, see [`crate::continuity`].
    pub is_signed: bool,
    /// Figures over all complaints.
    pub counts: Counts,
}

impl Head {
    /// The durable end, as links count.
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
/// What the local headers of an item take: routes to some 90 peers.
const ITEM_HEADERS: usize = 2048;
/// What a submission takes beside its bytes.
const SUBMISSION_OVERHEAD: usize = 512;

/// Where submissions go. Cheap to clone.
#[derive(Clone)]
pub struct WriterHandle {
    queue: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    head: watch::Receiver<Head>,
}

impl WriterHandle {
    pub(super) fn new(head: watch::Receiver<Head>) -> (Self, mpsc::Receiver<Queued>) {
        let (queue, receiver) = mpsc::channel(limits::WRITER_QUEUE_SUBMISSIONS);
        let room = Arc::new(Semaphore::new(limits::WRITER_QUEUE_BYTES / ROOM_UNIT));
        (Self { queue, room, head }, receiver)
    }

    pub(super) fn stop(&self) -> WriterStop {
        WriterStop { queue: self.queue.downgrade(), room: Arc::clone(&self.room) }
    }

    /// What is durable, now and as it grows.
    pub fn head(&self) -> watch::Receiver<Head> {
        self.head.clone()
    }

    /// Submissions that wait.
    pub fn queued(&self) -> usize {
        limits::WRITER_QUEUE_SUBMISSIONS - self.queue.capacity()
    }

    /// Submits if there is room now: for operators.
    ///
    /// # Errors
    /// `Busy` when there is none, `Stopped` when the writer has ended.
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
    /// `Stopped` when the writer has ended.
    pub async fn submit(&self, submission: Submission) -> Result<(), SubmitError> {
        let weight = weight_of(&submission);
        let room = Arc::clone(&self.room).acquire_many_owned(units(weight)).await.map_err(|_| SubmitError::Stopped)?;
        let queued = Queued { submission, weight, room };
        self.queue.send(queued).await.map_err(|_| SubmitError::Stopped)
    }
}

/// Ends a writer that waits for submissions, when something that it depends on has failed. Does not keep it waiting for more.
pub(super) struct WriterStop {
    queue: mpsc::WeakSender<Queued>,
    room: Arc<Semaphore>,
}

impl WriterStop {
    /// A writer that is not waiting, or whose queue is full, finds out by itself.
    pub(super) fn raise(self) {
        if let (Some(queue), Ok(room)) = (self.queue.upgrade(), self.room.try_acquire_many_owned(0)) {
            let _ = queue.try_send(Queued { submission: Submission::Stop, weight: 0, room });
        }
    }
}

fn units(weight: usize) -> u32 {
    u32::try_from(weight.div_ceil(ROOM_UNIT)).unwrap_or(u32::MAX)
}

/// What a submission will take of the queue and of a group, in bytes.
fn weight_of(submission: &Submission) -> usize {
    let bytes = match submission {
        Submission::Lodge(lodge, _) => lodge.contents.iter().map(|(content, _)| content.data.len()).sum(),
        Submission::Act(act, _) => act.text.as_ref().map_or(0, |(content, _)| content.data.len()),
        Submission::Delivery(delivery, _) => delivery.items.iter().map(weight_of_received).sum(),
        Submission::Receipt(_, bytes) | Submission::Seen(_, bytes) => bytes.len(),
        Submission::Witness(newer, _) => newer.iter().map(|(_, note)| note.len()).sum(),
        Submission::RetryItems(..) | Submission::Retry | Submission::Stop => 0,
    };
    bytes + SUBMISSION_OVERHEAD
}

/// What a received item may take of a group: it can be written twice (a leaf, and the record of its refused content), and its local header
/// names the links that it goes to.
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
        for _ in 0..limits::WRITER_QUEUE_SUBMISSIONS {
            handle.try_submit(Submission::Retry).expect("there is room");
        }
        let refused = handle.try_submit(Submission::Retry);
        assert!(matches!(refused, Err(SubmitError::Busy { queued: limits::WRITER_QUEUE_SUBMISSIONS })), "{refused:?}");
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
            refused: Vec::new(),
        };
        let big = || Submission::Receipt(header(), vec![0; limits::FRAME_BYTES]);
        let fits = (0..).take_while(|_| handle.try_submit(big()).is_ok()).count();
        assert!((1..=limits::WRITER_QUEUE_BYTES / limits::FRAME_BYTES).contains(&fits), "{fits} frames");
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
