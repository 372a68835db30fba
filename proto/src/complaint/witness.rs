//! Witnesses: agencies whose receipt shows that an act was made when it says.
//!
//! Of two acts on one custody entry, a witnessed one comes before one without a witness ([`super::fold`]). So an addressee that kept its answer
//! back cannot bring it weeks later, nobody gains by a false date, and an answer that reached a witness in time stands.
//!
//! Must not know signatures: [`crate::admission`] has checked them.
//!
//! Invariant: the witnesses of all acts on one custody entry are the same, whatever comes later. They follow from that entry, the state that it
//! left, and the charter that it names.

use std::collections::BTreeSet;

use super::known_entry::{Judged, KnownEntry};
use super::{Complaint, CustodyState, NotWitnessed};
use crate::base::ids::{AgencyId, EntryId};
use crate::base::limits;
use crate::charter::{Charters, MemberStatus};
use crate::entry::{Body, Proven};

impl Complaint {
    /// Checks that the receipt of a `Proven` makes its act witnessed.
    ///
    /// # Errors
    /// The reason why it does not.
    pub fn check_witness(&self, proven: &Proven, charters: &Charters) -> Result<(), NotWitnessed> {
        let act = self.entry(&proven.entry).filter(|act| matches!(act.judged, Judged::Custody { .. }));
        let basis = act.and_then(|act| self.entry(&act.body.basis()?));
        let (Some(act), Some(basis)) = (act, basis) else { return Err(NotWitnessed::NoAct) };
        let receiver = &proven.receiver;
        if *receiver == act.author {
            return Err(NotWitnessed::OwnReceipt);
        }
        if !basis.witnesses().contains(receiver) {
            return Err(NotWitnessed::NoWitness { agency: receiver.clone() });
        }
        // A node admits an act only if it has the charter that the act names.
        if proven.charter_version < act.charter.version {
            let (named, of_act) = (proven.charter_version, act.charter.version);
            return Err(NotWitnessed::OlderReceipt { named, of_act });
        }
        let key = proven.key_id;
        if charters.disputes_receipt(receiver, key, &proven.receipt_id) {
            return Err(NotWitnessed::Disputed { agency: receiver.clone(), key });
        }
        let (seen, dated) = (proven.seconds.saturating_mul(1000), act.clock.millis());
        if u128::from(seen.abs_diff(dated)) > limits::WITNESSED_WITHIN.as_millis() {
            return Err(NotWitnessed::OtherTime { seen, dated });
        }
        Ok(())
    }

    /// Whether a witness of this act is known.
    pub fn is_witnessed(&self, act: &EntryId) -> bool {
        self.entry(act).is_some_and(|known| known.is_witnessed)
    }

    /// The acts for which a witness would decide: each competes on the path with another act, has no known witness, and would win with one. The
    /// best of each fork come first.
    pub fn acts_to_witness(&self) -> impl Iterator<Item = (EntryId, &KnownEntry)> {
        self.forks.iter().filter(|basis| self.depth_on_path(basis).is_some()).flat_map(|basis| {
            // The acts are in the order in which they win, those with a witness first.
            let acts = self.entries[basis].children.iter().map(|id| (*id, &*self.entries[id]));
            let winner = acts.clone().next().filter(|(_, act)| act.is_witnessed);
            let wins = move |(id, act): &(EntryId, &KnownEntry)| {
                winner.as_ref().is_none_or(|(other, winner)| act.order(id, true) < winner.order(other, true))
            };
            acts.skip_while(|(_, act)| act.is_witnessed).take_while(wins)
        })
    }

    /// Whether there is any such act.
    pub fn has_acts_to_witness(&self) -> bool {
        self.acts_to_witness().next().is_some()
    }

    /// The agencies that may be the witness of an act.
    pub fn witnesses_of(&self, act: &KnownEntry) -> BTreeSet<AgencyId> {
        let basis = act.body.basis().and_then(|basis| self.entry(&basis));
        let mut witnesses = basis.map(KnownEntry::witnesses).unwrap_or_default();
        witnesses.remove(&act.author);
        witnesses
    }
}

impl KnownEntry {
    /// The witnesses of the acts on this custody entry: the holder, the parents of holder and addressee, the mediator, and oversight. An agency that
    /// has left is none.
    fn witnesses(&self) -> BTreeSet<AgencyId> {
        let Judged::Custody { state: CustodyState { holder, offer }, .. } = &self.judged else {
            return BTreeSet::new();
        };
        let charter = &self.charter;
        let parties = [Some(holder), offer.as_ref().map(|offer| &offer.to)].into_iter().flatten();
        let parents = parties.filter_map(|party| charter.parent(party));
        let oversight = charter.members().filter(|member| member.oversight).map(|member| &member.id);
        let is_here = |id: &&AgencyId| charter.member(id).is_some_and(|member| member.status != MemberStatus::Retired);
        parents.chain(&charter.mediator).chain(oversight).chain([holder]).filter(is_here).cloned().collect()
    }

    /// The order in which the acts on one custody entry win: one with a witness, the best rank, then author, place and id. An author cannot choose its
    /// place as it can choose an id, by trying.
    pub(super) fn order<'a>(&'a self, id: &'a EntryId, is_witnessed: bool) -> impl Ord + use<'a> {
        let rank = match &self.body {
            Body::Custody { act, .. } => act.rank(),
            _ => u8::MAX,
        };
        (!is_witnessed, rank, &self.author, self.place, id)
    }
}
