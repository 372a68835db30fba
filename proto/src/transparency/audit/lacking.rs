//! The leaves of the agency's ledger that the auditing node does not have. Only an oversight agency looks at them: it should have been sent them.
//!
//! Must not know how leaves are asked for.
//!
//! Invariant: at most [`KEPT`] leaves of a kind are kept. A dishonest agency could show any number of leaves.

use std::collections::VecDeque;
use std::sync::Arc;

use super::holdings::Holdings;
use crate::admission::{Verdict, signing_key};
use crate::base::ids::{Epoch, LedgerIndex};
use crate::charter::{Charter, Charters};
use crate::entry::{Entry, Place};

/// Most leaves of a kind that are kept. Further ones say nothing new.
const KEPT: usize = 256;

/// The leaves that this node lacks, in the order of the agency's ledger.
#[derive(Debug, Default)]
pub(super) struct Lacking {
    /// Those to ask for.
    pub(super) to_ask: VecDeque<u64>,
    /// Complete entries that the agency should have passed on.
    pub(super) withheld: Vec<(LedgerIndex, Vec<u8>)>,
    /// Entries that their authors did not sign, as the agency showed them.
    pub(super) unsigned: Vec<(LedgerIndex, Vec<u8>)>,
    /// The newest charter version that the agency's own entries so far name: the agency had adopted it. Somebody else's entry may name an older one,
    /// and so cannot hide itself from a new overseer.
    adopted: u64,
    /// The same before the leaf from which the next audit goes on, and that leaf.
    adopted_before_next: u64,
    next_begin: u64,
    /// Number of the agency's own entries of the holdings that were looked at for `adopted`.
    looked_at: usize,
}

impl Lacking {
    /// None yet. An earlier audit found that the agency had adopted this charter version before the leaves of this one. The next audit will go on from
    /// the leaf `next_begin`.
    pub(super) fn after(adopted: u64, next_begin: u64) -> Self {
        Self { adopted, adopted_before_next: adopted, next_begin, ..Self::default() }
    }

    /// The newest charter version that the agency had adopted before the leaf from which the next audit goes on.
    pub(super) fn adopted_before_next(&self, epoch: Epoch, holdings: &Holdings) -> u64 {
        let [begin, end] = [0, self.next_begin].map(|index| Place { epoch, index: LedgerIndex(index) });
        let own = holdings.authored.iter().filter(|authored| (begin..end).contains(&authored.place));
        own.map(|authored| authored.charter_version).fold(self.adopted_before_next, u64::max)
    }

    /// Takes a leaf whose entry is not among the holdings. The leaves come in the order of the agency's ledger. `is_here` says whether the own ledger
    /// has an entry that an earlier audit has looked at. Returns whether the leaf is kept.
    pub(super) fn take(
        &mut self,
        epoch: Epoch,
        index: LedgerIndex,
        signed: &[u8],
        holdings: &Holdings,
        charters: &Charters,
        mut is_here: impl FnMut(&Entry) -> bool,
    ) -> bool {
        let Ok(entry) = Entry::parse(signed.to_vec().into(), &holdings.federation) else { return false };
        self.adopt_before(Place { epoch, index }, holdings);
        let received = holdings.assignment.received.filter(|received| received.epoch == epoch);
        let is_passed = received.is_some_and(|received| index < received.index);
        // Node entries are not routed.
        let is_withheld = is_passed
            && entry.complaint.is_some()
            && !holdings.turned_away.contains(&entry.id)
            && is_overseer_since(self.adopted.max(entry.charter.version), holdings, charters);
        let verdict = signing_key(&entry, charters).map(|key| entry.verify(&key.public));
        // An unknown key says nothing.
        let is_unsigned = matches!(verdict, Ok(false) | Err(Verdict::Refuse(_)));
        let is_own = entry.author == holdings.assignment.agency && matches!(verdict, Ok(true));
        if is_own && charters.version(entry.charter.version).is_some() {
            self.adopted = self.adopted.max(entry.charter.version);
            if index.0 < self.next_begin {
                self.adopted_before_next = self.adopted_before_next.max(entry.charter.version);
            }
        }
        if !(is_withheld || is_unsigned) || holdings.resume.is_some() && is_here(&entry) {
            return false;
        }
        let mut is_kept = false;
        for (list, _) in
            [(&mut self.withheld, is_withheld), (&mut self.unsigned, is_unsigned)].into_iter().filter(|(_, is)| *is)
        {
            if list.len() < KEPT {
                list.push((index, signed.to_vec()));
                is_kept = true;
            }
        }
        is_kept
    }

    /// Whether there is something to state.
    pub(super) fn has_any(&self) -> bool {
        !self.withheld.is_empty() || !self.unsigned.is_empty()
    }

    fn adopt_before(&mut self, place: Place, holdings: &Holdings) {
        for authored in holdings.authored.iter().skip(self.looked_at).take_while(|authored| authored.place < place) {
            self.looked_at += 1;
            if authored.place.epoch == place.epoch {
                self.adopted = self.adopted.max(authored.charter_version);
            }
        }
    }
}

/// Whether the auditor oversees the agencies by this charter version and by all later ones. The agency may have routed the entry by any of them.
fn is_overseer_since(version: u64, holdings: &Holdings, charters: &Charters) -> bool {
    let oversees = |charter: &Arc<Charter>| charter.is_oversight(&holdings.assignment.auditor);
    charters.version(version).is_some_and(oversees) && charters.after(version).all(oversees)
}
