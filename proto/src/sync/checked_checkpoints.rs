//! The check of a frame of checkpoints: which keys count for each, and which go to the watch.
//!
//! Must not know how signatures are verified, or where the watch is: [`CheckpointAccess`] does.
//!
//! Invariants:
//! - every checkpoint that verifies goes to the watch, whatever its time;
//! - a note that is known is not verified again.

use super::peer_checkpoints::OwnShown;
use crate::base::ids::AgencyId;
use crate::tlog::checkpoint::Checkpoint;
use crate::transparency::watch::VerifiedCheckpoint;

/// The result of checking a frame of checkpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckedCheckpoints {
    /// Notes of the peer's own ledger that show more than was known.
    pub news: Vec<Vec<u8>>,
    /// The peer's own checkpoints among the notes, in their order, verified or not. They verify under any key that the peer ever had.
    pub own: Vec<OwnShown>,
}

/// The keys under which a checkpoint must verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysOf {
    /// Those of any charter. The peer itself may not know yet that a charter has replaced its key.
    AnyCharter,
    /// Those of the newest charter.
    NewestCharter,
}

/// The parts of a node that the check needs.
pub trait CheckpointAccess {
    /// The newest checkpoint of an agency.
    fn newest(&self, agency: &AgencyId) -> Option<VerifiedCheckpoint>;

    /// Opens a note with a checkpoint of an agency. `None` if it does not verify under these keys.
    fn open(&self, note: &[u8], agency: &AgencyId, keys: KeysOf) -> Option<Checkpoint>;

    /// Gives a checkpoint of an agency to the watch. Returns whether it is newer than the known ones.
    fn take(&mut self, agency: &AgencyId, shown: VerifiedCheckpoint) -> bool;
}

impl CheckedCheckpoints {
    /// Checks the notes of a frame that `peer` sent to `own`. `confirmed` is this node's wall clock if it is confirmed, in milliseconds since 1970.
    pub fn of_frame(
        notes: Vec<Vec<u8>>,
        [own, peer]: [&AgencyId; 2],
        federation: &str,
        confirmed: Option<u64>,
        access: &mut impl CheckpointAccess,
    ) -> Self {
        let mut checked = Self::default();
        for note in notes {
            let Some((agency, _)) = Checkpoint::ledger_of(&note, federation) else { continue };
            if agency == *own {
                continue;
            }
            let keys = if agency == *peer { KeysOf::AnyCharter } else { KeysOf::NewestCharter };
            let known = access.newest(&agency).filter(|newest| newest.note == note);
            let shown = known.map(|known| known.checkpoint).or_else(|| access.open(&note, &agency, keys));
            if agency == *peer {
                checked.own.push(OwnShown { checkpoint: shown.clone(), confirmed });
            }
            let Some(checkpoint) = shown else { continue };
            let is_news = access.take(&agency, VerifiedCheckpoint { checkpoint, note: note.clone() });
            if is_news && agency == *peer {
                checked.news.push(note);
            }
        }
        checked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::Epoch;
    use crate::fixture::agency;

    /// Opens every note that ends in `good`, and remembers what was asked.
    #[derive(Default)]
    struct Access {
        known: Option<VerifiedCheckpoint>,
        taken: Vec<AgencyId>,
        opened: std::cell::RefCell<Vec<(AgencyId, KeysOf)>>,
    }

    const CHECKPOINT: Checkpoint = Checkpoint { epoch: Epoch(1), size: 7, root: [1; 32], seconds: None };

    impl CheckpointAccess for Access {
        fn newest(&self, _: &AgencyId) -> Option<VerifiedCheckpoint> {
            self.known.clone()
        }

        fn open(&self, note: &[u8], agency: &AgencyId, keys: KeysOf) -> Option<Checkpoint> {
            self.opened.borrow_mut().push((agency.clone(), keys));
            note.ends_with(b"good").then_some(CHECKPOINT)
        }

        fn take(&mut self, agency: &AgencyId, _: VerifiedCheckpoint) -> bool {
            self.taken.push(agency.clone());
            true
        }
    }

    fn checked(notes: &[&str], access: &mut Access) -> CheckedCheckpoints {
        let notes = notes.iter().map(|note| note.as_bytes().to_vec()).collect();
        CheckedCheckpoints::of_frame(notes, [&agency("ksp"), &agency("kominfo")], "fed", Some(9), access)
    }

    #[test]
    fn own_notes_of_the_peer_are_reported_and_all_that_verify_go_to_the_watch() {
        let mut access = Access::default();
        let peers = "fed/kominfo/1\ngood";
        let notes = [peers, "fed/kominfo/1\nbad", "fed/kemendagri/1\ngood", "fed/ksp/1\ngood", "other/kominfo/1\ngood"];
        let found = checked(&notes, &mut access);
        let own = |checkpoint| OwnShown { checkpoint, confirmed: Some(9) };
        assert_eq!(found.own, [own(Some(CHECKPOINT)), own(None)]);
        assert_eq!(found.news, [peers.as_bytes()]);
        assert_eq!(access.taken, [agency("kominfo"), agency("kemendagri")]);
        let (any, newest) = (KeysOf::AnyCharter, KeysOf::NewestCharter);
        let opened = [(agency("kominfo"), any), (agency("kominfo"), any), (agency("kemendagri"), newest)];
        assert_eq!(*access.opened.borrow(), opened);
    }

    #[test]
    fn a_known_note_is_not_verified_again_and_still_counts_as_shown() {
        let note = "fed/kominfo/1\nknown";
        let known = VerifiedCheckpoint { checkpoint: CHECKPOINT, note: note.as_bytes().to_vec() };
        let mut access = Access { known: Some(known), ..Access::default() };
        assert_eq!(checked(&[note], &mut access).own.len(), 1);
        assert!(access.opened.borrow().is_empty());
    }
}
