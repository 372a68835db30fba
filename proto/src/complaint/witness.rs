//! Witnesses: agencies whose receipt shows that an act was made when it says.
//!
//! Of two acts on one custody entry, a witnessed one comes before one without a witness ([`super::fold`]). So an addressee that kept its answer
//! back cannot bring it weeks later, nobody gains by a false date, and an answer that reached a witness in time stands.
//!
//! Must not know signatures: [`crate::admission`] has checked them.
//!
//! Invariant: the witnesses of all acts on one custody entry are the same, whatever comes later. They follow from that entry, the state that it
//! left, and the charter that it names.

use super::CustodyState;
use super::fold::{Judged, KnownEntry};
use super::{Complaint, NoEffect};
use crate::base::ids::{AgencyId, EntryId};
use crate::base::limits;
use crate::entry::Proven;

impl Complaint {
    /// Checks that the receipt of a `Proven` makes its act witnessed.
    ///
    /// # Errors
    /// The reason why it does not.
    pub fn check_witness(&self, proven: &Proven) -> Result<(), NoEffect> {
        let act = self.entry(&proven.entry).filter(|act| matches!(act.judged, Judged::Custody { .. }));
        let basis = act.and_then(|act| self.entry(&act.body.basis()?));
        let (Some(act), Some(basis)) = (act, basis) else { return Err(NoEffect::NothingToProve) };
        let receiver = proven.receiver();
        if *receiver == act.author {
            return Err(NoEffect::OwnReceipt);
        }
        if !basis.has_witness(receiver) {
            return Err(NoEffect::NoWitness { agency: receiver.clone() });
        }
        let (seen, dated) = (proven.seconds.saturating_mul(1000), act.clock.millis());
        if u128::from(seen.abs_diff(dated)) > limits::WITNESSED_WITHIN.as_millis() {
            return Err(NoEffect::OtherTime { seen, dated });
        }
        Ok(())
    }

    /// Whether a witness of this act is known.
    pub fn is_witnessed(&self, act: &EntryId) -> bool {
        self.entry(act).is_some_and(|known| known.is_witnessed)
    }

    /// The acts that compete with another act on the same custody entry and have no known witness.
    pub fn acts_without_witness(&self) -> impl Iterator<Item = (EntryId, &KnownEntry)> {
        let acts = self.forks.iter().filter_map(|basis| self.entry(basis)).flat_map(|basis| &basis.children);
        acts.filter_map(|id| Some((*id, self.entry(id)?))).filter(|(_, act)| !act.is_witnessed)
    }

    /// Whether there is any such act.
    pub fn has_acts_without_witness(&self) -> bool {
        self.acts_without_witness().next().is_some()
    }

    /// Whether an agency may be the witness of an act.
    pub fn may_witness(&self, act: &KnownEntry, agency: &AgencyId) -> bool {
        let basis = act.body.basis().and_then(|basis| self.entry(&basis));
        *agency != act.author && basis.is_some_and(|basis| basis.has_witness(agency))
    }
}

impl KnownEntry {
    /// Whether an agency is a witness of the acts on this custody entry: the holder, a parent of holder or addressee, the mediator, or oversight.
    fn has_witness(&self, agency: &AgencyId) -> bool {
        let Judged::Custody { state: CustodyState { holder, offer }, .. } = &self.judged else { return false };
        let charter = &self.charter;
        let mut parties = [Some(holder), offer.as_ref().map(|offer| &offer.to)].into_iter().flatten();
        holder == agency
            || charter.is_oversight(agency)
            || charter.mediator.as_ref() == Some(agency)
            || parties.any(|party| charter.parent(party) == Some(agency))
    }
}
