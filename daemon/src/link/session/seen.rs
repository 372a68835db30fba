//! What each side has seen of the other's ledger: shown in Hello, remembered in our own ledger, compared before anything else is said.
//!
//! Invariants:
//! - what we hold of a peer with its signature outlasts a restart, so that it can be shown to a peer that was set back meanwhile;
//! - a peer's word about our ledger counts only with our own signature under it.

use bytes::Bytes;
use data_encoding::BASE64;
use prost::Message;
use sinergi_proto::checkpoint::Checkpoint;
use sinergi_proto::continuity::Movement;
use sinergi_proto::ids::AgencyId;
use sinergi_proto::limits;
use sinergi_proto::link::Cursor;
use sinergi_proto::receipt::Receipt;
use sinergi_proto::refusal::FaultCode;
use sinergi_proto::wire;

use super::{LinkError, Links, Session};
use crate::case::CaseError;
use crate::continuity::{Proof, Sighting, State};
use crate::headers::SeenHeader;
use crate::link::intake::check_checkpoint;
use crate::link::peer::Peer;
use crate::outbox::GiveBack;
use crate::store::{Newest, PeerCursor, Sight};
use crate::time::now_millis;
use crate::writer::Submission;

/// Checkpoints that a peer shows on one link: in its Hello, and a newer one behind it.
const SHOWN: usize = 2;

/// What we hold of a peer's ledger, and it of ours, by our own records.
pub(super) struct Held {
    /// How far we have its ledger.
    pub(super) received: Option<Cursor>,
    /// Up to where we hold its receipts for ours.
    pub(super) receipted: Option<Cursor>,
    /// Its entry with the highest place.
    pub(super) entry: Bytes,
    /// Its newest `LedgerReset`.
    pub(super) reset: Option<Newest>,
}

/// Reads what we hold of a peer, and notes its newest checkpoint if it is not known in this run of the program.
pub(super) async fn read_held(links: &Links, peer: &Peer) -> Result<Held, LinkError> {
    let known = peer.snapshot().checkpoint.is_some();
    let (links, agency) = (links.clone(), peer.agency.clone());
    let read = move || -> Result<_, CaseError> {
        let (store, reader) = (links.outbox.store(), links.outbox.reader());
        let received = store.cursor(PeerCursor::Received, &agency)?;
        let receipted = store.cursor(PeerCursor::Acknowledged, &agency)?;
        let entry = match store.newest_of(&agency)? {
            Some(newest) => Bytes::from(reader.leaf(newest.leaf)?.body),
            None => Bytes::new(),
        };
        let reset = store.reset_of(&agency)?;
        let seen = if known { None } else { newest_checkpoint(&links, &agency)? };
        Ok((Held { received, receipted, entry, reset }, seen))
    };
    let read = tokio::task::spawn_blocking(read).await;
    let (held, seen) = read.map_err(|error| LinkError::Broken(error.to_string()))??;
    if seen.is_some() {
        peer.note(|state| state.checkpoint = seen);
    }
    Ok(held)
}

/// The newest checkpoint of a peer that our ledger holds: in its newest receipt, or as it showed it.
fn newest_checkpoint(links: &Links, peer: &AgencyId) -> Result<Option<(Checkpoint, Vec<u8>)>, CaseError> {
    let mut newest: Option<(Checkpoint, Vec<u8>)> = None;
    for which in [Sight::Receipt, Sight::Shown] {
        let Some(position) = links.outbox.store().sight(which, peer)? else { continue };
        let body = links.outbox.reader().record(position)?.body;
        let note = match which {
            Sight::Shown => body,
            Sight::Receipt => {
                let receipt = wire::Ack::decode(body.as_slice()).ok().and_then(|ack| Receipt::parse(&ack).ok());
                receipt.map(|receipt| receipt.checkpoint).unwrap_or_default()
            }
        };
        let charters = links.directory.charters();
        let Some(checkpoint) = check_checkpoint(&note, peer, links.federation.as_str(), &charters) else { continue };
        let extent = |checkpoint: &Checkpoint| (checkpoint.epoch, checkpoint.size);
        if newest.as_ref().is_none_or(|(other, _)| extent(other) < extent(&checkpoint)) {
            newest = Some((checkpoint, note));
        }
    }
    Ok(newest)
}

/// What the peer shows of our ledger must be a part of it. If it is more, or another, the ledger was set back or lost.
pub(super) async fn check_seen(links: &Links, peer: &Peer, hello: &wire::Hello) -> Result<(), LinkError> {
    let mut proofs = Vec::new();
    if hello.seen_of_you.len() <= limits::CHECKPOINT_BYTES
        && let Ok(note) = String::from_utf8(hello.seen_of_you.clone())
    {
        proofs.push(Proof::Checkpoint(note));
    }
    proofs.push(Proof::Entry(BASE64.encode(&hello.entry_of_you)));
    let (continuity, by) = (links.continuity.clone(), peer.agency.clone());
    let compare = move || -> Result<Option<String>, CaseError> {
        let mut found = None;
        for proof in proofs {
            let ledger = continuity.ledger();
            let Some(compared) = ledger.compare(&proof)?.filter(|compared| compared.standing.is_conflict()) else {
                continue;
            };
            let sighting = Sighting { by: Some(by.clone()), at: now_millis(), proof };
            found.get_or_insert(sighting.describe(&compared, ledger.extent()));
            continuity.set_back(sighting)?;
        }
        Ok(found)
    };
    let found = tokio::task::spawn_blocking(compare).await;
    match found.map_err(|error| LinkError::Broken(error.to_string()))?? {
        Some(reason) => Err(LinkError::Fault(FaultCode::AheadOfLedger, reason)),
        None => Ok(()),
    }
}

/// A peer that claims to have more, but does not show it, has said nothing: it cannot end the wait either.
pub(super) fn check_claim(links: &Links, peer: &Peer, have: Option<Cursor>) -> Result<(), LinkError> {
    let head = links.writer.head().borrow().clone();
    let Some(have) = have.filter(|have| have.is_beyond(head.epoch, head.size)) else { return Ok(()) };
    let reason = format!("the peer has our ledger up to {have}, it has {} leaves in epoch {}", head.size, head.epoch);
    links.raise_ahead(peer, &reason);
    Err(LinkError::Fault(FaultCode::AheadOfLedger, reason))
}

/// The end of every link of a node whose ledger was set back.
pub(super) fn set_back() -> LinkError {
    let reason = "this node's ledger was set back or lost, as its peers show: it takes and signs nothing until its operator has put back the \
                  newest copy or begun a new epoch";
    LinkError::Fault(FaultCode::AheadOfLedger, reason.to_owned())
}

/// What is to be given back to a peer whose ledger has begun a new epoch: what came from it before.
pub(super) fn give_back(links: &Links, peer: &Peer, reset: Option<Newest>) -> Option<GiveBack> {
    let shown = peer.snapshot().checkpoint.map(|(checkpoint, _)| checkpoint.epoch);
    let declared = reset.map(|reset| (reset.epoch, reset.leaf));
    let (epoch, before) = GiveBack::owed(shown, declared, links.writer.head().borrow().size)?;
    if declared.is_none_or(|(declared, _)| declared != epoch) {
        // Its first leaf declares it, and replaces this.
        let text = format!("{} has begun epoch {epoch} of its ledger and has not declared why: ask it", peer.agency);
        links.alarms.raise(format!("reset {}", peer.agency), text);
    }
    let adjacent = links.peers.iter().map(|peer| peer.agency.clone()).collect();
    Some(GiveBack { epoch, before, own: links.own.clone(), adjacent, charters: links.directory.charters() })
}

impl Session<'_> {
    /// The peer shows its checkpoint: it is remembered durably if it is new, but for what no honest peer shows, which may not fill the disk.
    pub(super) async fn shown(&mut self, note: Vec<u8>) -> Result<(), LinkError> {
        if note.is_empty() || note.len() > limits::CHECKPOINT_BYTES {
            return Ok(());
        }
        let (links, agency, checked) = (self.links.clone(), self.peer.agency.clone(), note.clone());
        let check = move || check_checkpoint(&checked, &agency, links.federation.as_str(), &links.directory.charters());
        let checkpoint = tokio::task::spawn_blocking(check).await;
        let checkpoint = checkpoint.map_err(|error| LinkError::Broken(error.to_string()))?;
        if self.note_checkpoint(checkpoint, note.clone()) && self.shown < SHOWN {
            self.shown += 1;
            let header = SeenHeader { at: now_millis(), peer: self.peer.agency.clone() };
            self.to_writer.submit(Submission::Seen(header, note));
        }
        Ok(())
    }

    /// Keeps the newest checkpoint of the peer that verified, with its note; whether it shows more than was known.
    pub(super) fn note_checkpoint(&self, verified: Option<Checkpoint>, note: Vec<u8>) -> bool {
        let Some(shown) = verified else { return false };
        let seen = self.peer.snapshot().checkpoint.map(|(seen, _)| seen);
        match Movement::of(seen.as_ref(), &shown) {
            Movement::Forward | Movement::NewEpoch => {
                let extent = |checkpoint: &Checkpoint| (checkpoint.epoch, checkpoint.size);
                let is_more = seen.as_ref().is_none_or(|seen| extent(seen) < extent(&shown));
                self.peer.note(|state| state.checkpoint = Some((shown, note)));
                is_more
            }
            Movement::Older => false,
            movement @ (Movement::Back | Movement::Forked) => {
                let Some(seen) = seen else { return false };
                self.alarm_movement(movement, &seen, &shown);
                false
            }
        }
    }

    fn alarm_movement(&self, movement: Movement, seen: &Checkpoint, shown: &Checkpoint) {
        let peer = &self.peer.agency;
        let of = |checkpoint: &Checkpoint| format!("{} leaves in epoch {}", checkpoint.size, checkpoint.epoch);
        let what = match movement {
            Movement::Forked => "and now other leaves in their place",
            _ => "and later signed less, without declaring a new epoch",
        };
        let text = format!(
            "{peer} has signed {}, {what} ({}): its ledger was set back. Ask it to run `sinergi recover`",
            of(seen),
            of(shown)
        );
        self.links.alarms.raise(format!("moved {peer}"), text);
    }

    /// Whether this node may still sign.
    pub(super) fn continuity_changed(&mut self) -> Result<(), LinkError> {
        match *self.continuity.borrow_and_update() {
            State::SetBack => Err(set_back()),
            State::Waiting | State::Clear => Ok(()),
        }
    }
}
