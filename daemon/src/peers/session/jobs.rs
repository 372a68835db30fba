//! The jobs of a session: what takes time, off the async threads.
//!
//! Invariant: a job that fails ends its link, and nothing else.

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::BASE64;
use futures_util::future::BoxFuture;
use sinergi_config::Federation;
use sinergi_proto::admission::received::Received;
use sinergi_proto::base::ids::{AgencyId, LedgerIndex};
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::base::limits;
use sinergi_proto::engine::Delivery;
use sinergi_proto::routing::cursor::Cursor;
use sinergi_proto::sync::{CheckedAck, CheckedCheckpoints, Done, End, JobId, Owed, StoredPeer};
use sinergi_proto::tlog::checkpoint::Checkpoint;
use sinergi_proto::transparency::receipt::{ItemResult, Receipt};
use sinergi_proto::transparency::watch::VerifiedCheckpoint;
use sinergi_proto::wire;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::adoption::CharterAdoption;
use super::rooms::Way;
use crate::base::time::now_millis;
use crate::peers::budget::{Budget, Share};
use crate::peers::peer::{Peer, Peers};
use crate::peers::proof_server::ProofServer;
use crate::peers::watch::Watch;
use crate::rollback_guard::{Continuity, Proof, Sighting};
use crate::signature_checks::{check_checkpoint, check_receipt, receive_items};
use crate::storage::case::CaseError;
use crate::storage::charters::Directory;
use crate::storage::ledger::LedgerReader;
use crate::storage::outbox::{GiveBack, Outbox};
use crate::storage::store::PeerCursor;
use crate::writer::{Delivered, Submission, WriterHandle};

/// A job that is being worked on.
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

/// What comes from peers: how it is checked, and the room for it.
pub struct Incoming {
    own: AgencyId,
    federation: Federation,
    directory: Directory,
    /// Room for what was received and is not acknowledged on all links.
    room: Budget,
}

impl Incoming {
    /// Everything is checked under the charters in `directory`; frames wait for `room`, which all links share.
    pub fn new(own: AgencyId, federation: Federation, directory: Directory, room: Budget) -> Self {
        Self { own, federation, directory, room }
    }

    /// Decodes and authenticates items.
    fn check(&self, items: Vec<wire::Item>) -> Vec<Received> {
        receive_items(items, self.federation.as_str(), &self.directory.charters())
    }

    /// Takes the checkpoints that verify.
    fn check_checkpoints(&self, watch: &Watch, peer: &AgencyId, notes: Vec<Vec<u8>>) -> CheckedCheckpoints {
        let mut news = Vec::new();
        for (agency, noted) in notes.into_iter().filter_map(|note| self.check_shown(watch, note)) {
            let note = noted.note.clone();
            if watch.take(&agency, noted) && agency == *peer {
                news.push(note);
            }
        }
        CheckedCheckpoints { news, epoch: watch.newest(peer).map(|newest| newest.checkpoint.epoch) }
    }

    /// Whose newest checkpoint a note is; `None`: it is known, or this node's own, or does not verify.
    fn check_shown(&self, watch: &Watch, note: Vec<u8>) -> Option<(AgencyId, VerifiedCheckpoint)> {
        let agency = Checkpoint::agency_of(&note, self.federation.as_str())?;
        if agency == self.own || watch.knows(&agency, &note) {
            return None;
        }
        let checkpoint = check_checkpoint(&note, &agency, self.federation.as_str(), &self.directory.charters())?;
        Some((agency, VerifiedCheckpoint { checkpoint, note }))
    }
}

/// What goes to peers: where it is read from, and the room for it.
pub struct Outgoing {
    own: AgencyId,
    peers: Peers,
    directory: Directory,
    outbox: Outbox,
    writer: WriterHandle,
    /// Room for what is sent and not acknowledged on all links.
    room: Budget,
}

impl Outgoing {
    /// Frames are read from `outbox`, up to where `writer` has come, when there is `room`, which all links share.
    pub fn new(
        own: AgencyId,
        peers: Peers,
        directory: Directory,
        outbox: Outbox,
        writer: WriterHandle,
        room: Budget,
    ) -> Self {
        Self { own, peers, directory, outbox, writer, room }
    }

    /// What is given back to a peer whose ledger has begun a new epoch.
    pub(super) fn give_back(&self, owed: Owed) -> GiveBack {
        GiveBack {
            epoch: owed.epoch,
            before: owed.before,
            own: self.own.clone(),
            adjacent: self.peers.iter().map(|peer| peer.agency.clone()).collect(),
            charters: self.directory.charters(),
        }
    }
}

/// Signs the receipts of this node, and checks those of its peers.
pub struct Receipts {
    own: AgencyId,
    federation: Federation,
    key: SigningKey,
    directory: Directory,
    reader: LedgerReader,
}

impl Receipts {
    /// Receipts of `own`, signed with its entry key, over what `reader` shows.
    pub fn new(
        own: AgencyId,
        federation: Federation,
        key: SigningKey,
        directory: Directory,
        reader: LedgerReader,
    ) -> Self {
        Self { own, federation, key, directory, reader }
    }

    /// Signs the receipt for a frame: it says of every leaf what is there, to the bit.
    fn sign(
        &self,
        sender: AgencyId,
        cursor: Cursor,
        results: Vec<ItemResult>,
        checkpoint: Vec<u8>,
    ) -> Result<wire::Ack, CaseError> {
        let mut receipt = Receipt {
            federation: self.federation.to_string(),
            receiver: self.own.clone(),
            sender,
            key_id: Receipt::key_id_of(&self.key),
            charter_version: self.directory.newest().version,
            cursor,
            results,
            checkpoint,
            leaf_hashes: Vec::new(),
        };
        let leaves: Vec<LedgerIndex> = receipt.leaves().map(|(_, leaf)| leaf).collect();
        let hashes = self.reader.leaf_hashes(&leaves)?;
        receipt.leaf_hashes = hashes.into_iter().map(|hash| hash.0).collect();
        Ok(receipt.sign(&self.key))
    }

    /// Checks the receipt of a peer; what is wrong with it, in words.
    fn check(&self, peer: &AgencyId, ack: wire::Ack) -> Result<Box<CheckedAck>, String> {
        let charters = self.directory.charters();
        let checked = check_receipt(ack, &self.own, peer, self.federation.as_str(), &charters);
        checked.map(Box::new).map_err(|error| error.to_string())
    }
}

/// Looks up what this node holds of the peer's ledger, and the peer of its.
pub(super) fn load_peer(outgoing: &Arc<Outgoing>, watch: &Watch, peer: &Arc<Peer>, job: JobId) -> Running {
    let (outgoing, watch, peer) = (Arc::clone(outgoing), watch.clone(), Arc::clone(peer));
    blocking(job, move || {
        own(stored_peer(&outgoing.outbox, &watch, &peer).map(|stored| Done::PeerLoaded(Box::new(stored))))
    })
}

/// Compares what the peer shows of this node's ledger with the ledger.
pub(super) fn compare(guard: &Continuity, peer: &Peer, job: JobId, checkpoint: Vec<u8>, entry: Vec<u8>) -> Running {
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
    blocking(job, move || own(receipts.sign(peer, cursor, results, checkpoint).map(Done::Acknowledged)))
}

/// Checks the peer's receipt.
pub(super) fn check_ack(receipts: &Arc<Receipts>, peer: &Peer, job: JobId, ack: wire::Ack) -> Running {
    let (receipts, peer) = (Arc::clone(receipts), peer.agency.clone());
    blocking(job, move || Done::CheckedAck(receipts.check(&peer, ack)))
}

/// Answers a question of the peer, when it has no more than some that are being answered.
pub(super) fn prove(proofs: &ProofServer, peer: &Arc<Peer>, job: JobId, prove: wire::Prove) -> Running {
    let (proofs, peer) = (proofs.clone(), Arc::clone(peer));
    Box::pin(async move {
        // What was asked over a link that has ended may still be worked on: it counts until then.
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
pub(super) fn adopt(adoption: &Arc<CharterAdoption>, peer: &Peer, job: JobId, note: Vec<u8>) -> Running {
    let (adoption, peer) = (Arc::clone(adoption), peer.agency.clone());
    Box::pin(async move {
        let turn = adoption.turn().await;
        let adopt = move || {
            let _until_it_is_in_force = turn;
            Done::Adopted(adoption.adopt(&peer, &note))
        };
        blocking(job, adopt).await
    })
}

/// Takes room for a frame that came.
pub(super) fn reserve(incoming: &Incoming, job: JobId, bytes: usize, held: usize) -> Running {
    let room = incoming.room.clone();
    Box::pin(async move {
        let share = room.share(bytes, held).await;
        Ended { job, done: Done::Reserved, room: Some((Way::Received, share)) }
    })
}

/// The submission of a frame, and the wait until it is durable.
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
        // It may have grown while there was no room.
        let end = outgoing.writer.head().borrow().end().max(end);
        let read = spawn_blocking(move || outgoing.outbox.prepare(&peer, from, end, give_back.as_deref())).await;
        match read {
            Ok(Ok(prepared)) => {
                // What the frame does not need goes back.
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

/// A node that cannot read its own data ends the link.
fn own(done: Result<Done, CaseError>) -> Done {
    done.unwrap_or_else(|error| Done::Failed(End::OwnData(error.to_string())))
}

fn stored_peer(outbox: &Outbox, watch: &Watch, peer: &Peer) -> Result<StoredPeer, CaseError> {
    let (store, reader, agency) = (outbox.store(), outbox.reader(), &peer.agency);
    let entry = match store.newest_of(agency)? {
        Some(newest) => Bytes::from(reader.leaf(newest.leaf)?.body),
        None => Bytes::new(),
    };
    let state = peer.snapshot();
    Ok(StoredPeer {
        received: store.cursor(PeerCursor::Received, agency)?,
        receipted: store.cursor(PeerCursor::Acknowledged, agency)?,
        entry,
        reset: store.reset_of(agency)?.map(|reset| (reset.epoch, reset.leaf)),
        checkpoint: watch.newest(agency).map(|newest| newest.note).unwrap_or_default(),
        gossiped: state.told,
        passed_on: state.passed_on,
    })
}

/// What a peer shows of this node's ledger must be a part of it. If it is more, or another, the ledger was set back or lost.
fn conflict(
    guard: &Continuity,
    peer: &AgencyId,
    checkpoint: Vec<u8>,
    entry: &[u8],
) -> Result<Option<String>, CaseError> {
    let note = String::from_utf8(checkpoint).ok().filter(|note| note.len() <= limits::CHECKPOINT_BYTES);
    let proofs = note.map(Proof::Checkpoint).into_iter().chain([Proof::Entry(BASE64.encode(entry))]);
    let mut found = None;
    for proof in proofs {
        let ledger = guard.ledger();
        let Some(compared) = ledger.compare(&proof)?.filter(|compared| compared.relation.is_conflict()) else {
            continue;
        };
        let sighting = Sighting { by: Some(peer.clone()), at: now_millis(), proof };
        found.get_or_insert(sighting.describe(&compared, ledger.extent()));
        guard.set_back(sighting)?;
    }
    Ok(found)
}
