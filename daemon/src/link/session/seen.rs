//! What each side has seen of the other's ledger: shown in Hello, remembered in our own ledger, compared before anything else is said.
//!
//! Invariants:
//! - what we hold of a peer with its signature outlasts a restart, so that it can be shown to a peer that was set back meanwhile;
//! - a peer's word about our ledger counts only with our own signature under it.

use bytes::Bytes;
use data_encoding::BASE64;
use sinergi_proto::checkpoint::Checkpoint;
use sinergi_proto::ids::AgencyId;
use sinergi_proto::limits;
use sinergi_proto::link::Cursor;
use sinergi_proto::refusal::FaultCode;
use sinergi_proto::watch::Noted;
use sinergi_proto::wire;
use tokio::time::Instant;

use super::{LinkError, Links, Session};
use crate::case::CaseError;
use crate::continuity::{Proof, Sighting, State};
use crate::headers::SeenHeader;
use crate::link::intake::check_checkpoint;
use crate::link::peer::Peer;
use crate::outbox::GiveBack;
use crate::store::{Newest, PeerCursor};
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

/// Reads what we hold of a peer.
pub(super) async fn read_held(links: &Links, peer: &Peer) -> Result<Held, LinkError> {
    let (links, agency) = (links.clone(), peer.agency.clone());
    let read = move || -> Result<Held, CaseError> {
        let (store, reader) = (links.outbox.store(), links.outbox.reader());
        let received = store.cursor(PeerCursor::Received, &agency)?;
        let receipted = store.cursor(PeerCursor::Acknowledged, &agency)?;
        let entry = match store.newest_of(&agency)? {
            Some(newest) => Bytes::from(reader.leaf(newest.leaf)?.body),
            None => Bytes::new(),
        };
        Ok(Held { received, receipted, entry, reset: store.reset_of(&agency)? })
    };
    let read = tokio::task::spawn_blocking(read).await;
    Ok(read.map_err(|error| LinkError::Broken(error.to_string()))??)
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
    let shown = links.watch.newest(&peer.agency).map(|newest| newest.checkpoint.epoch);
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

/// How many frames of checkpoints may come now.
pub(super) struct Hearing {
    frames: u64,
    /// When one more was last allowed.
    since: Instant,
}

impl Hearing {
    pub(super) fn from(now: Instant) -> Self {
        Self { frames: limits::CHECKPOINT_FRAMES_AHEAD, since: now }
    }

    fn allows(&mut self, now: Instant) -> bool {
        while now.duration_since(self.since) >= limits::TELL_PAUSE && self.frames < limits::CHECKPOINT_FRAMES_AHEAD {
            self.frames += 1;
            self.since += limits::TELL_PAUSE;
        }
        if self.frames == limits::CHECKPOINT_FRAMES_AHEAD {
            self.since = now;
        }
        let allows = self.frames > 0;
        self.frames = self.frames.saturating_sub(1);
        allows
    }
}

impl Session<'_> {
    /// The peer sends checkpoints. Each frame costs signature checks, whatever is in it.
    pub(super) async fn told(&mut self, notes: Vec<Vec<u8>>) -> Result<(), LinkError> {
        if !self.hearing.allows(Instant::now()) {
            let (most, seconds) = (limits::CHECKPOINT_FRAMES_AHEAD, limits::TELL_PAUSE.as_secs());
            let reason = format!("too many frames of checkpoints: one each {seconds} s, and {most} that come together");
            return Err(LinkError::Fault(FaultCode::LimitExceeded, reason));
        }
        self.shown(notes).await
    }

    /// The peer shows its checkpoint, or others'.
    pub(super) async fn shown(&mut self, notes: Vec<Vec<u8>>) -> Result<(), LinkError> {
        if notes.len() > limits::CHECKPOINTS_TOLD + 1 {
            let reason = format!("{} checkpoints in a frame, at most {}", notes.len(), limits::CHECKPOINTS_TOLD + 1);
            return Err(LinkError::Fault(FaultCode::LimitExceeded, reason));
        }
        let links = self.links.clone();
        let check = move || notes.into_iter().filter_map(|note| check_shown(&links, note)).collect::<Vec<_>>();
        let checked = tokio::task::spawn_blocking(check).await;
        for (agency, noted) in checked.map_err(|error| LinkError::Broken(error.to_string()))? {
            let is_own = agency == self.peer.agency;
            let note = noted.note.clone();
            let is_more = self.links.watch.take(&agency, noted);
            // At once, so that it can be shown to a peer that is set back; but for what no honest peer shows, which may not fill the disk.
            if is_own && is_more && self.shown < SHOWN {
                self.shown += 1;
                self.to_writer.submit(Submission::Seen(SeenHeader { at: now_millis(), peer: agency }, note));
            }
        }
        Ok(())
    }

    /// Whether this node may still sign.
    pub(super) fn continuity_changed(&mut self) -> Result<(), LinkError> {
        match *self.continuity.borrow_and_update() {
            State::SetBack => Err(set_back()),
            State::Waiting | State::Clear => Ok(()),
        }
    }
}

/// Whose newest checkpoint a note is; `None`: it is known, or this node's own, or does not verify.
fn check_shown(links: &Links, note: Vec<u8>) -> Option<(AgencyId, Noted)> {
    if note.len() > limits::CHECKPOINT_BYTES {
        return None;
    }
    let agency = Checkpoint::agency_of(&note, links.federation.as_str())?;
    if agency == links.own || links.watch.knows(&agency, &note) {
        return None;
    }
    let checkpoint = check_checkpoint(&note, &agency, links.federation.as_str(), &links.directory.charters())?;
    Some((agency, Noted { checkpoint, note }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_frames_may_come_together_and_then_one_each_pause_however_long_the_silence_was() {
        let began = Instant::now();
        let mut hearing = Hearing::from(began);
        for after in [0, 30 * 24 * 60] {
            let now = began + limits::TELL_PAUSE * after;
            let together = (0..100).take_while(|_| hearing.allows(now)).count();
            assert_eq!(together as u64, limits::CHECKPOINT_FRAMES_AHEAD);
            assert!(!hearing.allows(now + limits::TELL_PAUSE / 2));
            assert!(hearing.allows(now + limits::TELL_PAUSE) && !hearing.allows(now + limits::TELL_PAUSE));
        }
    }
}
