//! All ledgers that a node watches: which of their checkpoints to pass on, to ask about, and to witness in the own ledger.
//!
//! Must not know links.
//!
//! Invariant: the version grows by one with every checkpoint that becomes the newest of its agency. So a link knows by one number which
//! checkpoints it has passed on.

use std::collections::BTreeMap;

use super::{Prefix, Taken, VerifiedCheckpoint, Watched};
use crate::base::ids::AgencyId;
use crate::tlog::checkpoint::Checkpoint;
use crate::wire::accusation::Finding;

/// The watched ledgers, by agency.
#[derive(Clone, Debug, Default)]
pub struct WatchedLedgers {
    ledgers: BTreeMap<AgencyId, Ledger>,
    version: u64,
}

#[derive(Clone, Debug, Default)]
struct Ledger {
    watched: Watched,
    /// Its checkpoint to which the own ledger commits.
    witnessed: Option<Checkpoint>,
    /// The version at which its newest checkpoint became the newest.
    changed: u64,
}

impl WatchedLedgers {
    /// The newest checkpoint of an agency that contradicts no other.
    pub fn newest(&self, agency: &AgencyId) -> Option<&VerifiedCheckpoint> {
        self.ledgers.get(agency)?.watched.newest()
    }

    /// Takes a verified checkpoint from a record of the own ledger. `is_own_record` says whether the record holds the checkpoint itself, so that
    /// the own ledger commits to it; otherwise the record is a receipt that carries it.
    pub fn restore(&mut self, agency: &AgencyId, stored: VerifiedCheckpoint, is_own_record: bool) -> Taken {
        if is_own_record {
            self.witnessed(agency, stored.checkpoint.clone());
        }
        self.take(agency, stored)
    }

    /// Takes a verified checkpoint of an agency.
    pub fn take(&mut self, agency: &AgencyId, shown: VerifiedCheckpoint) -> Taken {
        self.change(agency, |watched| watched.take(shown))
    }

    /// Takes an agency's present tree and the older trees with which it begins. The caller has checked the proofs.
    pub fn answered(
        &mut self,
        agency: &AgencyId,
        tree: VerifiedCheckpoint,
        beginnings: Vec<Prefix>,
    ) -> Option<Finding> {
        self.change(agency, |watched| watched.answered(tree, beginnings))
    }

    /// Watches the ledgers of an agency anew, because some of its keys were revoked, see [`Watched::reopened`].
    pub fn reopen(&mut self, agency: &AgencyId, open: impl Fn(&[u8]) -> Option<Checkpoint>) {
        self.change(agency, |watched| *watched = watched.reopened(open));
    }

    /// Records that the own ledger commits to this checkpoint of an agency.
    pub fn witnessed(&mut self, agency: &AgencyId, checkpoint: Checkpoint) {
        self.ledgers.entry(agency.clone()).or_default().witnessed = Some(checkpoint);
    }

    /// The version: the number of times that a checkpoint became the newest of its agency.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The notes that became the newest after `version`, of all agencies except `but`: the oldest change first, at most `most`. Returns also the
    /// version up to which they reach.
    pub fn newer_than(&self, version: u64, but: &AgencyId, most: usize) -> (Vec<Vec<u8>>, u64) {
        let is_newer = |(agency, ledger): &(&AgencyId, &Ledger)| ledger.changed > version && *agency != but;
        let mut newer: Vec<_> = self.ledgers.iter().filter(is_newer).map(|(_, ledger)| ledger).collect();
        newer.sort_unstable_by_key(|ledger| ledger.changed);
        let reached = if newer.len() > most { newer[most - 1].changed } else { self.version };
        let notes = newer.iter().take(most).filter_map(|ledger| Some(ledger.watched.newest()?.note.clone()));
        (notes.collect(), reached)
    }

    /// Those of the given agencies that have something to prove, with the sizes to ask about.
    pub fn to_ask(&self, agencies: impl IntoIterator<Item = AgencyId>) -> Vec<(AgencyId, Vec<u64>)> {
        let sizes = |agency: &AgencyId| self.ledgers.get(agency).map(|ledger| ledger.watched.to_ask());
        let asked = agencies.into_iter().filter_map(|agency| Some((sizes(&agency)?, agency)));
        asked.filter(|(sizes, _)| !sizes.is_empty()).map(|(sizes, agency)| (agency, sizes)).collect()
    }

    /// At most `most` of the newest checkpoints that the own ledger does not commit to yet.
    pub fn to_witness(&self, most: usize) -> Vec<(AgencyId, VerifiedCheckpoint)> {
        let newest =
            self.ledgers.iter().filter_map(|(agency, ledger)| Some((agency, ledger, ledger.watched.newest()?)));
        let new = newest.filter(|(_, ledger, newest)| ledger.witnessed.as_ref() != Some(&newest.checkpoint));
        new.map(|(agency, _, newest)| (agency.clone(), newest.clone())).take(most).collect()
    }

    fn change<T>(&mut self, agency: &AgencyId, change: impl FnOnce(&mut Watched) -> T) -> T {
        let ledger = self.ledgers.entry(agency.clone()).or_default();
        // A later time is no change, but the first one is: without it nobody can prove a roll-back.
        let news =
            |watched: &Watched| watched.newest().map(|newest| (newest.extent(), newest.checkpoint.seconds.is_some()));
        let before = news(&ledger.watched);
        let result = change(&mut ledger.watched);
        if news(&ledger.watched) != before {
            self.version += 1;
            ledger.changed = self.version;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::Epoch;
    use crate::fixture::agency;

    fn noted(size: u64, seconds: u64) -> VerifiedCheckpoint {
        let root = [u8::try_from(size).expect("small"); 32];
        let checkpoint = Checkpoint { epoch: Epoch(1), size, root, seconds: Some(seconds) };
        VerifiedCheckpoint { checkpoint, note: format!("{size} {seconds}").into_bytes() }
    }

    fn three() -> WatchedLedgers {
        let mut ledgers = WatchedLedgers::default();
        for (id, size) in [("ksp", 5), ("kominfo", 7), ("kemendagri", 9)] {
            assert_eq!(ledgers.take(&agency(id), noted(size, 100)), Taken::Newest);
        }
        ledgers
    }

    fn notes(told: &[Vec<u8>]) -> Vec<&str> {
        told.iter().map(|note| std::str::from_utf8(note).expect("text")).collect()
    }

    #[test]
    fn a_peer_gets_each_change_once_in_order_and_no_checkpoint_of_its_own() {
        let mut ledgers = three();
        let (told, reached) = ledgers.newer_than(0, &agency("kominfo"), 16);
        assert_eq!((notes(&told), reached), (vec!["5 100", "9 100"], 3));
        assert_eq!(ledgers.newer_than(reached, &agency("kominfo"), 16), (Vec::new(), 3));
        ledgers.take(&agency("ksp"), noted(6, 200));
        let (told, reached) = ledgers.newer_than(reached, &agency("kominfo"), 16);
        assert_eq!((notes(&told), reached, ledgers.version()), (vec!["6 200"], 4, 4));
    }

    #[test]
    fn changes_beyond_the_limit_come_in_the_next_frame() {
        let ledgers = three();
        let (first, reached) = ledgers.newer_than(0, &agency("ombudsman"), 2);
        assert_eq!((notes(&first), reached), (vec!["5 100", "7 100"], 2));
        let (rest, reached) = ledgers.newer_than(reached, &agency("ombudsman"), 2);
        assert_eq!((notes(&rest), reached), (vec!["9 100"], 3));
    }

    #[test]
    fn a_restored_checkpoint_counts_as_witnessed_only_if_the_ledger_holds_it_itself() {
        let mut ledgers = WatchedLedgers::default();
        assert_eq!(ledgers.restore(&agency("ksp"), noted(5, 100), true), Taken::Newest);
        assert_eq!(ledgers.restore(&agency("kominfo"), noted(7, 100), false), Taken::Newest);
        assert_eq!(ledgers.to_witness(16), [(agency("kominfo"), noted(7, 100))]);
    }

    #[test]
    fn a_later_time_of_the_same_tree_is_no_change_and_the_first_time_is_one() {
        let mut ledgers = three();
        ledgers.take(&agency("ksp"), noted(5, 200));
        assert_eq!(ledgers.version(), 3);
        let mut timeless = noted(6, 0);
        timeless.checkpoint.seconds = None;
        ledgers.take(&agency("ksp"), timeless);
        ledgers.take(&agency("ksp"), noted(6, 300));
        assert_eq!(ledgers.version(), 5);
    }

    #[test]
    fn only_agencies_with_unchecked_sizes_are_asked() {
        let mut ledgers = three();
        let linked = ["ksp", "kominfo", "prov-jabar"].map(agency);
        assert_eq!(ledgers.to_ask(linked.clone()), [], "the first checkpoint of a ledger needs no proof");
        ledgers.take(&agency("ksp"), noted(6, 200));
        ledgers.take(&agency("kemendagri"), noted(10, 200));
        assert_eq!(ledgers.to_ask(linked.clone()), [(agency("ksp"), vec![5, 6])]);
        let beginning = |size: u8| Prefix { size: size.into(), root: [size; 32], proof: Vec::new() };
        assert_eq!(ledgers.answered(&agency("ksp"), noted(6, 200), vec![beginning(5), beginning(6)]), None);
        assert_eq!(ledgers.to_ask(linked), []);
    }

    /// Opens the notes of [`noted`], except this one.
    fn open_all_but(revoked: &str) -> impl Fn(&[u8]) -> Option<Checkpoint> {
        move |note| {
            let text = std::str::from_utf8(note).ok().filter(|text| *text != revoked)?;
            let (size, seconds) = text.split_once(' ')?;
            Some(noted(size.parse().ok()?, seconds.parse().ok()?).checkpoint)
        }
    }

    #[test]
    fn checkpoints_under_a_revoked_key_are_forgotten_and_the_others_are_still_watched() {
        let mut ledgers = three();
        let ksp = agency("ksp");
        let other_root = |mut noted: VerifiedCheckpoint| {
            noted.checkpoint.root = [99; 32];
            noted
        };
        assert_eq!(ledgers.take(&ksp, noted(7, 300)), Taken::Newest);
        ledgers.reopen(&ksp, open_all_but("7 300"));
        assert_eq!(ledgers.newest(&ksp), Some(&noted(5, 100)), "the thief's checkpoint is forgotten");
        assert_eq!(
            ledgers.take(&ksp, other_root(noted(7, 400))),
            Taken::Newest,
            "so the honest one contradicts nothing"
        );
        assert!(
            matches!(ledgers.take(&ksp, other_root(noted(5, 500))), Taken::Contradicts(_)),
            "the others still count"
        );
        ledgers.reopen(&ksp, open_all_but(""));
        assert_eq!(ledgers.take(&ksp, noted(8, 600)), Taken::Newest, "an epoch that was contradicted is watched again");
    }

    #[test]
    fn a_witnessed_checkpoint_is_not_witnessed_again_before_it_changes() {
        let mut ledgers = three();
        assert_eq!(ledgers.to_witness(2).len(), 2);
        for (agency, noted) in ledgers.to_witness(16) {
            ledgers.witnessed(&agency, noted.checkpoint);
        }
        assert_eq!(ledgers.to_witness(16), []);
        ledgers.take(&agency("ksp"), noted(5, 200));
        assert_eq!(ledgers.to_witness(16), [(agency("ksp"), noted(5, 200))], "a later time is new");
    }
}
