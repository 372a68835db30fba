//! The jobs of a session: what takes time, off the async threads.
//!
//! Invariant: a job that fails ends its link, and nothing else.

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::BASE64;
use futures_util::future::BoxFuture;
use sinergi_proto::checkpoint::Checkpoint;
use sinergi_proto::cursor::Cursor;
use sinergi_proto::engine::Delivery;
use sinergi_proto::ids::{AgencyId, LedgerIndex};
use sinergi_proto::intake::Received;
use sinergi_proto::limits;
use sinergi_proto::receipt::{ItemResult, Receipt};
use sinergi_proto::sync::{Adoption, Done, End, JobId, Looked, Owed, Recalled};
use sinergi_proto::watch::Noted;
use sinergi_proto::wire;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::rooms::Way;
use crate::authentication::{check_checkpoint, check_receipt, receive_items};
use crate::case::CaseError;
use crate::continuity::{Proof, Sighting};
use crate::directory::DirectoryError;
use crate::link::Links;
use crate::link::budget::Share;
use crate::link::dial::quote;
use crate::link::peer::Peer;
use crate::outbox::GiveBack;
use crate::store::PeerCursor;
use crate::time::now_millis;
use crate::tls::Authorities;
use crate::writer::{Delivered, Submission};

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

/// Looks up what this node holds of the peer's ledger, and the peer of its.
pub(super) fn recall(links: &Arc<Links>, peer: &Arc<Peer>, job: JobId) -> Running {
    let (links, peer) = (Arc::clone(links), Arc::clone(peer));
    blocking(job, move || own(recalled(&links, &peer).map(|recalled| Done::Recalled(Box::new(recalled)))))
}

/// Compares what the peer shows of this node's ledger with the ledger.
pub(super) fn compare(links: &Arc<Links>, peer: &Peer, job: JobId, checkpoint: Vec<u8>, entry: Vec<u8>) -> Running {
    let (links, peer) = (Arc::clone(links), peer.agency.clone());
    blocking(job, move || own(conflict(&links, &peer, checkpoint, &entry).map(Done::Compared)))
}

/// Checks checkpoints, and takes those that verify.
pub(super) fn look(links: &Arc<Links>, peer: &Peer, job: JobId, notes: Vec<Vec<u8>>) -> Running {
    let (links, peer) = (Arc::clone(links), peer.agency.clone());
    blocking(job, move || Done::Looked(looked(&links, &peer, notes)))
}

/// Decodes and authenticates the items of a frame.
pub(super) fn check(links: &Arc<Links>, job: JobId, items: Vec<wire::Item>) -> Running {
    let links = Arc::clone(links);
    blocking(job, move || Done::Checked(receive_items(items, links.federation.as_str(), &links.directory.charters())))
}

/// Signs the receipt for a frame.
pub(super) fn sign_ack(
    links: &Arc<Links>,
    peer: &Peer,
    job: JobId,
    cursor: Cursor,
    results: Vec<ItemResult>,
    checkpoint: Vec<u8>,
) -> Running {
    let (links, peer) = (Arc::clone(links), peer.agency.clone());
    blocking(job, move || own(signed(&links, peer, cursor, results, checkpoint).map(Done::Acknowledged)))
}

/// Checks the peer's receipt.
pub(super) fn check_ack(links: &Arc<Links>, peer: &Peer, job: JobId, ack: wire::Ack) -> Running {
    let (links, peer) = (Arc::clone(links), peer.agency.clone());
    blocking(job, move || {
        let charters = links.directory.charters();
        let checked = check_receipt(ack, &links.own, &peer, links.federation.as_str(), &charters);
        Done::CheckedAck(checked.map(Box::new).map_err(|error| error.to_string()))
    })
}

/// Answers a question of the peer, when it has no more than some that are being answered.
pub(super) fn prove(links: &Arc<Links>, peer: &Arc<Peer>, job: JobId, prove: wire::Prove) -> Running {
    let (links, peer) = (Arc::clone(links), Arc::clone(peer));
    Box::pin(async move {
        // What was asked over a link that has ended may still be worked on: it counts until then.
        let room = match Arc::clone(&peer.proving).acquire_owned().await {
            Ok(room) => room,
            Err(error) => return Ended::without_room(job, Done::Failed(End::Broken(error.to_string()))),
        };
        let answer = move || {
            let _until_it_is_answered = room;
            Done::Proved(links.proofs.answer(&peer.agency, &prove))
        };
        blocking(job, answer).await
    })
}

/// Adopts a charter, when no other link does.
pub(super) fn adopt(links: &Arc<Links>, peer: &Peer, job: JobId, note: Vec<u8>) -> Running {
    let (links, peer) = (Arc::clone(links), peer.agency.clone());
    Box::pin(async move {
        let one_at_a_time = Arc::clone(&links.adopting).lock_owned().await;
        let adopt = move || {
            let _until_it_is_in_force = one_at_a_time;
            Done::Adopted(adopted(&links, &peer, &note))
        };
        blocking(job, adopt).await
    })
}

/// Takes room for a frame that came.
pub(super) fn reserve(links: &Links, job: JobId, bytes: usize, held: usize) -> Running {
    let receiving = links.receiving.clone();
    Box::pin(async move {
        let share = receiving.share(bytes, held).await;
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
    links: &Arc<Links>,
    peer: &Peer,
    job: JobId,
    (from, end): (Cursor, Cursor),
    held: usize,
    give_back: Option<Arc<GiveBack>>,
) -> Running {
    let (links, peer) = (Arc::clone(links), peer.agency.clone());
    Box::pin(async move {
        let mut room = links.sending.share(limits::DELIVER_BYTES, held).await;
        // It may have grown while there was no room.
        let end = links.writer.head().borrow().end().max(end);
        let read = spawn_blocking(move || links.outbox.prepare(&peer, from, end, give_back.as_deref())).await;
        match read {
            Ok(Ok(prepared)) => {
                // What the frame does not need goes back.
                room.shrink_to(prepared.batch.bytes);
                Ended { job, done: Done::Read(prepared), room: Some((Way::Sent, room)) }
            }
            Ok(Err(error)) => Ended::without_room(job, Done::Failed(End::Own(error.to_string()))),
            Err(error) => Ended::without_room(job, Done::Failed(End::Broken(error.to_string()))),
        }
    })
}

/// What is given back to a peer whose ledger has begun a new epoch.
pub(super) fn give_back(links: &Links, owed: Owed) -> GiveBack {
    GiveBack {
        epoch: owed.epoch,
        before: owed.before,
        own: links.own.clone(),
        adjacent: links.peers.iter().map(|peer| peer.agency.clone()).collect(),
        charters: links.directory.charters(),
    }
}

fn blocking(job: JobId, work: impl FnOnce() -> Done + Send + 'static) -> Running {
    Box::pin(async move {
        let done = spawn_blocking(work).await.unwrap_or_else(|error| Done::Failed(End::Broken(error.to_string())));
        Ended::without_room(job, done)
    })
}

/// A node that cannot read its own data ends the link.
fn own(done: Result<Done, CaseError>) -> Done {
    done.unwrap_or_else(|error| Done::Failed(End::Own(error.to_string())))
}

fn recalled(links: &Links, peer: &Peer) -> Result<Recalled, CaseError> {
    let (store, reader, agency) = (links.outbox.store(), links.outbox.reader(), &peer.agency);
    let entry = match store.newest_of(agency)? {
        Some(newest) => Bytes::from(reader.leaf(newest.leaf)?.body),
        None => Bytes::new(),
    };
    let state = peer.snapshot();
    Ok(Recalled {
        received: store.cursor(PeerCursor::Received, agency)?,
        receipted: store.cursor(PeerCursor::Acknowledged, agency)?,
        entry,
        reset: store.reset_of(agency)?.map(|reset| (reset.epoch, reset.leaf)),
        checkpoint: links.watch.newest(agency).map(|newest| newest.note).unwrap_or_default(),
        told: state.told,
        passed_on: state.passed_on,
    })
}

/// What a peer shows of this node's ledger must be a part of it. If it is more, or another, the ledger was set back or lost.
fn conflict(links: &Links, peer: &AgencyId, checkpoint: Vec<u8>, entry: &[u8]) -> Result<Option<String>, CaseError> {
    let note = String::from_utf8(checkpoint).ok().filter(|note| note.len() <= limits::CHECKPOINT_BYTES);
    let proofs = note.map(Proof::Checkpoint).into_iter().chain([Proof::Entry(BASE64.encode(entry))]);
    let mut found = None;
    for proof in proofs {
        let ledger = links.continuity.ledger();
        let Some(compared) = ledger.compare(&proof)?.filter(|compared| compared.standing.is_conflict()) else {
            continue;
        };
        let sighting = Sighting { by: Some(peer.clone()), at: now_millis(), proof };
        found.get_or_insert(sighting.describe(&compared, ledger.extent()));
        links.continuity.set_back(sighting)?;
    }
    Ok(found)
}

/// Takes the checkpoints that verify.
fn looked(links: &Links, peer: &AgencyId, notes: Vec<Vec<u8>>) -> Looked {
    let mut news = Vec::new();
    for (agency, noted) in notes.into_iter().filter_map(|note| check_shown(links, note)) {
        let note = noted.note.clone();
        if links.watch.take(&agency, noted) && agency == *peer {
            news.push(note);
        }
    }
    Looked { news, epoch: links.watch.newest(peer).map(|newest| newest.checkpoint.epoch) }
}

/// Whose newest checkpoint a note is; `None`: it is known, or this node's own, or does not verify.
fn check_shown(links: &Links, note: Vec<u8>) -> Option<(AgencyId, Noted)> {
    let agency = Checkpoint::agency_of(&note, links.federation.as_str())?;
    if agency == links.own || links.watch.knows(&agency, &note) {
        return None;
    }
    let checkpoint = check_checkpoint(&note, &agency, links.federation.as_str(), &links.directory.charters())?;
    Some((agency, Noted { checkpoint, note }))
}

/// Signs the receipt for a frame: it says of every leaf what is there, to the bit.
fn signed(
    links: &Links,
    sender: AgencyId,
    cursor: Cursor,
    results: Vec<ItemResult>,
    checkpoint: Vec<u8>,
) -> Result<wire::Ack, CaseError> {
    let mut receipt = Receipt {
        federation: links.federation.to_string(),
        receiver: links.own.clone(),
        sender,
        key_id: Receipt::key_id_of(&links.entry_key),
        charter_version: links.directory.newest().version,
        cursor,
        results,
        checkpoint,
        leaf_hashes: Vec::new(),
    };
    let leaves: Vec<LedgerIndex> = receipt.leaves().map(|(_, leaf)| leaf).collect();
    let hashes = links.outbox.reader().leaf_hashes(&leaves)?;
    receipt.leaf_hashes = hashes.into_iter().map(|hash| hash.0).collect();
    Ok(receipt.sign(&links.entry_key))
}

/// Adopts a charter that a peer passed on, with the authorities that it names, and has the writer judge again what waited for it.
fn adopted(links: &Links, from: &AgencyId, note: &[u8]) -> Adoption {
    // Several peers may pass it on, and another link may have brought it while this one waited.
    if links.directory.charters().has_text_of(note) {
        return Adoption::InForce;
    }
    let adopted = match links.directory.adopt(note) {
        Ok(adopted) => adopted,
        Err(problem) => return did_not_adopt(links, from, problem),
    };
    let (authorities, bad) = Authorities::of_charter(links.federation.clone(), &adopted);
    bad.iter().for_each(|bad| tracing::warn!("{bad}"));
    links.authorities.replace(authorities);
    tracing::info!(version = adopted.version, %from, "adopted a charter");
    // A writer that is full looks at what waits before long anyway.
    let _ = links.writer.try_submit(Submission::Retry);
    links.directory.announce();
    Adoption::InForce
}

/// Tells the operator that a peer passed on what does not follow the charters here.
fn did_not_adopt(links: &Links, from: &AgencyId, problem: DirectoryError) -> Adoption {
    let tell = |reason: &dyn std::fmt::Display| {
        tracing::warn!(peer = %from, "did not adopt a charter from the peer: {}", quote(&reason.to_string()));
    };
    match problem {
        DirectoryError::NotTrusted { source, .. } => tell(&source),
        DirectoryError::Rival(found) => {
            tell(&found.rival);
            links.alarms.raise(found.topic(), format!("{from} goes by another charter: {}", found.alarm()));
            return Adoption::Rival(found.rival.version);
        }
        own => tracing::error!(%from, "cannot keep a charter: {own}"),
    }
    Adoption::Not
}
