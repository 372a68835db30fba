//! The jobs of a session: work that takes time, in the blocking pool.
//!
//! Must not decide which jobs run: the session does.
//!
//! Invariant: a job that fails ends its link, and nothing else.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use sinergi_config::Federation;
use sinergi_proto::admission::VerifiedBatches;
use sinergi_proto::admission::received::Received;
use sinergi_proto::base::cursor::Cursor;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::base::limits;
use sinergi_proto::charter::Charters;
use sinergi_proto::engine::{Delivery, PeerCursor};
use sinergi_proto::receipt::{ItemResult, ReceiptSigner};
use sinergi_proto::sync::{
    Adoption, CheckedAck, CheckedCheckpoints, CheckpointAccess, Done, End, GiveBackRange, JobId, KeysOf, StoredPeer,
};
use sinergi_proto::tlog::checkpoint::Checkpoint;
use sinergi_proto::transparency::watch::VerifiedCheckpoint;
use sinergi_proto::wire;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::adoption::CharterAdoption;
use super::rooms::Way;
use crate::base::own_clock::SharedClock;
use crate::base::time::now_millis;
use crate::peers::budget::{Budget, Share};
use crate::peers::peer::{Peer, Peers};
use crate::peers::proof_server::ProofServer;
use crate::peers::watch::{Watch, receipt_in};
use crate::rollback_guard::GuardService;
use crate::signature_checks::{check_receipt, open_checkpoint, receive_items};
use crate::storage::charters::CharterStore;
use crate::storage::complaint_loader::OwnDataError;
use crate::storage::foreign_ledger;
use crate::storage::outbox::{GiveBack, Outbox};
use crate::storage::store::CheckpointSource;
use crate::writer::{Delivered, Submission, WriterHandle};

/// A running job.
pub(super) type Running = BoxFuture<'static, Ended>;

/// A job that has ended.
pub(super) struct Ended {
    pub(super) job: JobId,
    pub(super) done: Done,
    /// The room that it took.
    pub(super) room: Option<(Way, Share)>,
}

impl Ended {
    fn without_room(job: JobId, done: Done) -> Self {
        Self { job, done, room: None }
    }
}

/// Checks frames from peers, and bounds the memory for them.
pub struct Incoming {
    own: AgencyId,
    federation: Federation,
    charter_store: CharterStore,
    clock: SharedClock,
    /// The signatures of batches whose entries came lately, over any link.
    verified_batches: VerifiedBatches,
    /// The budget of memory for frames of all links that were received and are not acknowledged.
    room: Budget,
}

impl Incoming {
    /// Frames are checked under the charters in `charter_store`, and checkpoints by `clock`. They wait for `room`, which all links share.
    pub fn new(
        own: AgencyId,
        federation: Federation,
        charter_store: CharterStore,
        clock: SharedClock,
        room: Budget,
    ) -> Self {
        Self { own, federation, charter_store, clock, verified_batches: VerifiedBatches::default(), room }
    }

    /// Decodes and authenticates items.
    fn check(&self, items: Vec<wire::Item>) -> Vec<Received> {
        let charters = self.charter_store.charters();
        receive_items(items, self.federation.as_str(), &charters, &self.verified_batches)
    }

    /// Takes the checkpoints that verify.
    fn check_checkpoints(&self, watch: &Watch, peer: &AgencyId, notes: Vec<Vec<u8>>) -> CheckedCheckpoints {
        let (federation, confirmed) = (self.federation.as_str(), self.clock.confirmed_time());
        let mut access = Access { watch, federation, charters: self.charter_store.charters() };
        CheckedCheckpoints::of_frame(notes, [&self.own, peer], federation, confirmed, &mut access)
    }
}

/// The watch, and the keys of the agencies.
struct Access<'a> {
    watch: &'a Watch,
    federation: &'a str,
    charters: Arc<Charters>,
}

impl CheckpointAccess for Access<'_> {
    fn newest(&self, agency: &AgencyId) -> Option<VerifiedCheckpoint> {
        self.watch.newest(agency)
    }

    fn open(&self, note: &[u8], agency: &AgencyId, keys: KeysOf) -> Option<Checkpoint> {
        open_checkpoint(note, agency, self.federation, &self.charters, keys)
    }

    fn take(&mut self, agency: &AgencyId, shown: VerifiedCheckpoint) -> bool {
        self.watch.take(agency, shown)
    }
}

/// Reads frames for peers, and bounds the memory for them.
pub struct Outgoing {
    own: AgencyId,
    peers: Peers,
    charter_store: CharterStore,
    outbox: Outbox,
    writer: WriterHandle,
    /// The budget of memory for frames of all links that were sent and are not acknowledged.
    room: Budget,
}

impl Outgoing {
    /// Frames are read from `outbox`, up to the durable end in `writer`. They wait for `room`, which all links share.
    pub fn new(
        own: AgencyId,
        peers: Peers,
        charter_store: CharterStore,
        outbox: Outbox,
        writer: WriterHandle,
        room: Budget,
    ) -> Self {
        Self { own, peers, charter_store, outbox, writer, room }
    }

    /// The entries to give back to a peer whose ledger has begun a new epoch.
    pub(super) fn give_back(&self, range: GiveBackRange) -> GiveBack {
        GiveBack {
            epoch: range.epoch,
            before: range.before,
            own: self.own.clone(),
            adjacent: self.peers.iter().map(|peer| peer.agency.clone()).collect(),
            charters: self.charter_store.charters(),
        }
    }
}

/// Signs the receipts of this node, and checks those of its peers.
pub struct Receipts {
    own: AgencyId,
    federation: Federation,
    key: SigningKey,
    charter_store: CharterStore,
    clock: SharedClock,
}

impl Receipts {
    /// Receipts of `own`, signed with its entry key. Those of peers are checked by `clock`.
    pub fn new(
        own: AgencyId,
        federation: Federation,
        key: SigningKey,
        charter_store: CharterStore,
        clock: SharedClock,
    ) -> Self {
        Self { own, federation, key, charter_store, clock }
    }

    /// Signs the receipt for a frame. It names the leaf of every accepted item in this node's ledger.
    fn sign(&self, sender: &AgencyId, cursor: Cursor, results: Vec<ItemResult>, checkpoint: Vec<u8>) -> wire::Ack {
        let charters = self.charter_store.charters();
        let signer = ReceiptSigner {
            federation: self.federation.as_str(),
            receiver: &self.own,
            key: &self.key,
            charter_version: charters.newest().version,
        };
        signer.sign(sender, cursor, results, checkpoint)
    }

    /// Checks the receipt of a peer. The error names the problem in words.
    fn check(&self, peer: &AgencyId, ack: wire::Ack) -> Result<Box<CheckedAck>, String> {
        let charters = self.charter_store.charters();
        let checked =
            check_receipt(ack, &self.own, peer, self.federation.as_str(), &charters, self.clock.confirmed_time());
        checked.map(Box::new).map_err(|error| error.to_string())
    }
}

/// Loads the stored state of the peer: how far this node has the peer's ledger, how far the peer has this node's, and the newest proofs of
/// the peer's ledger.
pub(super) fn load_peer(outgoing: &Arc<Outgoing>, watch: &Watch, peer: &Arc<Peer>, job: JobId) -> Running {
    let (outgoing, watch, peer) = (Arc::clone(outgoing), watch.clone(), Arc::clone(peer));
    blocking(job, move || {
        own(stored_peer(&outgoing.outbox, &watch, &outgoing.charter_store.charters(), &peer)
            .map(|stored| Done::PeerLoaded(Box::new(stored))))
    })
}

/// Compares the peer's proof about this node's ledger with the ledger.
pub(super) fn compare(guard: &GuardService, peer: &Peer, job: JobId, checkpoint: Vec<u8>, entry: Vec<u8>) -> Running {
    let (guard, peer) = (guard.clone(), peer.agency.clone());
    blocking(job, move || own(conflict(&guard, &peer, checkpoint, &entry).map(Done::Compared)))
}

/// Checks checkpoints, and takes those that verify.
pub(super) fn check_checkpoints(
    incoming: &Arc<Incoming>,
    watch: &Watch,
    peer: &Peer,
    job: JobId,
    notes: Vec<Vec<u8>>,
) -> Running {
    let (incoming, watch, peer) = (Arc::clone(incoming), watch.clone(), peer.agency.clone());
    blocking(job, move || Done::CheckpointsChecked(incoming.check_checkpoints(&watch, &peer, notes)))
}

/// Decodes and authenticates the items of a frame.
pub(super) fn check(incoming: &Arc<Incoming>, job: JobId, items: Vec<wire::Item>) -> Running {
    let incoming = Arc::clone(incoming);
    blocking(job, move || Done::Checked(incoming.check(items)))
}

/// Signs the receipt for a frame.
pub(super) fn sign_ack(
    receipts: &Arc<Receipts>,
    peer: &Peer,
    job: JobId,
    cursor: Cursor,
    results: Vec<ItemResult>,
    checkpoint: Vec<u8>,
) -> Running {
    let (receipts, peer) = (Arc::clone(receipts), peer.agency.clone());
    blocking(job, move || Done::Acknowledged(receipts.sign(&peer, cursor, results, checkpoint)))
}

/// Checks the peer's receipt.
pub(super) fn check_ack(receipts: &Arc<Receipts>, peer: &Peer, job: JobId, ack: wire::Ack) -> Running {
    let (receipts, peer) = (Arc::clone(receipts), peer.agency.clone());
    blocking(job, move || Done::CheckedAck(receipts.check(&peer, ack)))
}

/// Answers a question of the peer, when the number of its questions that are being answered is below the bound.
pub(super) fn prove(proofs: &ProofServer, peer: &Arc<Peer>, job: JobId, prove: wire::Prove) -> Running {
    let (proofs, peer) = (proofs.clone(), Arc::clone(peer));
    Box::pin(async move {
        // A question of a link that has ended may still be in work. It counts until its answer is made.
        let room = match Arc::clone(&peer.proving).acquire_owned().await {
            Ok(room) => room,
            Err(error) => return Ended::without_room(job, Done::Failed(End::Broken(error.to_string()))),
        };
        let answer = move || {
            let _until_it_is_answered = room;
            Done::Proved(proofs.answer(&peer.agency, &prove))
        };
        blocking(job, answer).await
    })
}

/// Adopts a charter, when no other link does.
pub(super) fn adopt(
    adoption: &Arc<CharterAdoption>,
    peer: &Peer,
    job: JobId,
    note: Vec<u8>,
    list: Option<Vec<u8>>,
) -> Running {
    let (adoption, peer) = (Arc::clone(adoption), peer.agency.clone());
    Box::pin(async move {
        let note = Arc::new(note);
        let ended = adopt_in_turn(&adoption, &peer, job, &note, list).await;
        let Done::Adopted(Adoption::Lacks(list)) = ended.done else { return ended };
        let share = adoption.room_for_lists().share(list.bytes, 0).await;
        // Another link may have brought the list while this one waited for room.
        let ended = adopt_in_turn(&adoption, &peer, job, &note, None).await;
        Ended { room: Some((Way::List, share)), ..ended }
    })
}

async fn adopt_in_turn(
    adoption: &Arc<CharterAdoption>,
    peer: &AgencyId,
    job: JobId,
    note: &Arc<Vec<u8>>,
    list: Option<Vec<u8>>,
) -> Ended {
    let turn = adoption.turn().await;
    let (adoption, peer, note) = (Arc::clone(adoption), peer.clone(), Arc::clone(note));
    let adopt = move || {
        let _until_it_is_in_force = turn;
        Done::Adopted(adoption.adopt(&peer, &note, list))
    };
    blocking(job, adopt).await
}

/// Takes room for a received frame.
pub(super) fn reserve(incoming: &Incoming, job: JobId, bytes: usize, held: usize) -> Running {
    let room = incoming.room.clone();
    Box::pin(async move {
        let share = room.share(bytes, held).await;
        Ended { job, done: Done::Reserved, room: Some((Way::Received, share)) }
    })
}

/// Makes the submission of a frame, and the job that waits until the frame is durable.
pub(super) fn commit(job: JobId, peer: &Peer, cursor: Cursor, items: Vec<Received>) -> (Submission, Running) {
    let (answer, delivered) = oneshot::channel();
    let running = Box::pin(async move {
        let done = match delivered.await {
            Ok(Delivered { results, checkpoint }) => Done::Committed { results, checkpoint },
            Err(_) => Done::Failed(End::Stopped),
        };
        Ended::without_room(job, done)
    });
    (Submission::Delivery(Delivery { peer: peer.agency.clone(), cursor, items }, answer), running)
}

/// Reads the next frame from the ledger when there is room in all windows together.
pub(super) fn read(
    outgoing: &Arc<Outgoing>,
    peer: &Peer,
    job: JobId,
    (from, end): (Cursor, Cursor),
    held: usize,
    give_back: Option<Arc<GiveBack>>,
) -> Running {
    let (outgoing, peer) = (Arc::clone(outgoing), peer.agency.clone());
    Box::pin(async move {
        let mut room = outgoing.room.share(limits::DELIVER_BYTES, held).await;
        // The ledger may have grown while there was no room.
        let end = outgoing.writer.head().borrow().end().max(end);
        let read = spawn_blocking(move || outgoing.outbox.prepare(&peer, from, end, give_back.as_deref())).await;
        match read {
            Ok(Ok(prepared)) => {
                // The room that the frame does not need is given back.
                room.shrink_to(prepared.summary.bytes);
                Ended { job, done: Done::Read(prepared), room: Some((Way::Sent, room)) }
            }
            Ok(Err(error)) => Ended::without_room(job, Done::Failed(End::OwnData(error.to_string()))),
            Err(error) => Ended::without_room(job, Done::Failed(End::Broken(error.to_string()))),
        }
    })
}

fn blocking(job: JobId, work: impl FnOnce() -> Done + Send + 'static) -> Running {
    Box::pin(async move {
        let done = spawn_blocking(work).await.unwrap_or_else(|error| Done::Failed(End::Broken(error.to_string())));
        Ended::without_room(job, done)
    })
}

/// Turns an error into the end of the link, because this node cannot read its own data.
fn own(done: Result<Done, OwnDataError>) -> Done {
    done.unwrap_or_else(|error| Done::Failed(End::OwnData(error.to_string())))
}

fn stored_peer(outbox: &Outbox, watch: &Watch, charters: &Charters, peer: &Peer) -> Result<StoredPeer, OwnDataError> {
    let (store, reader, agency) = (outbox.store(), outbox.reader(), &peer.agency);
    // Entries under a stolen key do not count here. Otherwise a thief could pretend that the agency's ledger is longer, or has a new epoch.
    let own = (store, reader, outbox.federation());
    let entry = match foreign_ledger::newest_of(agency, own, charters)? {
        Some(newest) => outbox.signed_leaves().signed(newest.leaf)?,
        None => Bytes::new(),
    };
    let reset = foreign_ledger::reset_of(agency, own, charters)?.map(|reset| (reset.epoch, reset.leaf));
    let receipted_in = match store.checkpoint_record(CheckpointSource::Receipt, agency)? {
        Some(position) => receipt_in(&reader.record(position)?.body).and_then(|receipt| receipt.epoch()),
        None => None,
    };
    let state = peer.snapshot();
    Ok(StoredPeer {
        received: store.cursor(PeerCursor::Received, agency)?,
        receipted: store.cursor(PeerCursor::Receipted, agency)?,
        receipted_in,
        entry,
        reset,
        checkpoint: watch.newest(agency),
        gossiped: state.gossiped,
        passed_on: state.passed_on,
        gave_back: state.gave_back,
    })
}

/// Checks a peer's proof about this node's ledger. The ledger must contain what the proof shows. Otherwise the ledger was set back or lost.
/// Returns a description of the first conflict.
fn conflict(
    guard: &GuardService,
    peer: &AgencyId,
    checkpoint: Vec<u8>,
    entry: &[u8],
) -> Result<Option<String>, OwnDataError> {
    let ledger = guard.ledger();
    let mut found = None;
    for (sighting, compared) in ledger.conflicts_shown_by(peer, now_millis(), checkpoint, entry)? {
        found.get_or_insert(sighting.describe(&compared, ledger.extent()));
        guard.set_back(sighting)?;
    }
    Ok(found)
}
