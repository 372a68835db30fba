//! Shows the receipts that decide between competing acts.
//!
//! A node writes `Proven` by itself, and only if a witness would decide between two acts. A normal hand-over needs none.
//!
//! Invariants:
//! - a receipt that peers would refuse, or that has no effect, is not shown;
//! - a tick looks at a bounded number of acts, however many compete, and comes to all of them in turn.

use std::collections::BTreeMap;

use crate::admission::check_receipt;
use crate::base::ids::{ComplaintId, EntryId, LedgerIndex};
use crate::base::limits;
use crate::complaint::{Complaint, KnownEntry};
use crate::entry::Proven;
use crate::receipt::item_receipt;
use crate::wire;

use super::view::View;
use super::{Batch, Engine, Warning};

/// Most receipts of one agency that are read for one act. More than one is needed only if the act was sent out of order.
const RECEIPTS_READ: usize = 4;
/// Most acts of one complaint that one tick looks at.
const ACTS_A_SLICE: usize = 32;
/// Most complaints that one tick looks at.
const COMPLAINTS_A_TICK: usize = 8;

/// The complaints in which a receipt is looked for, in turn.
#[derive(Debug, Default)]
pub(super) struct Searches {
    open: BTreeMap<ComplaintId, Search>,
    /// The complaint that was looked at last.
    last: Option<ComplaintId>,
}

/// The search in one complaint.
#[derive(Clone, Copy, Debug)]
struct Search {
    /// The number of acts that were looked at in this round.
    done: usize,
    /// The rounds to go before the search ends.
    rounds: u8,
}

impl Searches {
    /// Looks at all acts of the complaint from now on. A search that is under way goes on where it is, and makes one more round.
    pub(super) fn begin(&mut self, complaint: ComplaintId) {
        self.open.entry(complaint).or_insert(Search { done: 0, rounds: 0 }).rounds = 2;
    }

    /// The complaints to look at in one tick, those after the last one first.
    fn turn(&self) -> Vec<ComplaintId> {
        let after = |id: &&ComplaintId| self.last.is_some_and(|last| **id > last);
        let (later, earlier): (Vec<&ComplaintId>, Vec<&ComplaintId>) = self.open.keys().partition(after);
        later.into_iter().chain(earlier).take(COMPLAINTS_A_TICK).copied().collect()
    }

    /// Notes that `acts` acts were looked at. `waits`: a receipt for one of them may still come.
    fn looked_at(&mut self, complaint: ComplaintId, acts: usize, waits: bool) {
        self.last = Some(complaint);
        let Some(search) = self.open.get_mut(&complaint) else { return };
        search.done += acts;
        if acts == ACTS_A_SLICE {
            return;
        }
        *search = Search { done: 0, rounds: search.rounds.saturating_sub(1).max(waits.into()) };
        if search.rounds == 0 {
            self.open.remove(&complaint);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

impl Engine {
    /// Shows receipts for competing acts, as long as the batch has room. The next tick goes on.
    pub(super) fn show_witnesses<V: View>(
        &mut self,
        now: u64,
        view: &mut V,
        batch: &mut Batch,
    ) -> Result<(), V::Error> {
        if self.may_not_sign().is_some() {
            return Ok(());
        }
        for complaint in self.searches.turn() {
            if !self.has_room(batch) {
                break;
            }
            self.cases.make_room(self.applied);
            self.cases.look_up(&complaint, view)?;
            let done = self.searches.open.get(&complaint).map_or(0, |search| search.done);
            let Some(case) = self.cases.get(&complaint) else { continue };
            let acts: Vec<(EntryId, &KnownEntry)> =
                case.complaint.acts_to_witness().skip(done).take(ACTS_A_SLICE).collect();
            let (number, waits) = (acts.len(), acts.iter().any(|(_, act)| awaits_receipt(act, now)));
            let found = self.find_witness(&case.complaint, acts, |act| case.leaves.get(act).copied(), view)?;
            self.searches.looked_at(complaint, number, waits);
            let Some(proven) = found else { continue };
            // It may decide, and then another act may be worth a receipt.
            self.searches.begin(complaint);
            if let Err(error) = self.write_by_itself(complaint, proven.to_wire(), now, batch) {
                batch.warnings.push(Warning::PutOff(complaint, error));
            }
        }
        Ok(())
    }

    /// The first receipt of this node that makes one of these acts witnessed.
    fn find_witness<V: View>(
        &self,
        complaint: &Complaint,
        acts: Vec<(EntryId, &KnownEntry)>,
        leaf_of: impl Fn(&EntryId) -> Option<LedgerIndex>,
        view: &mut V,
    ) -> Result<Option<Proven>, V::Error> {
        let newest = self.charters.newest().name();
        // A receipt was checked when it came. Few are checked again, because few acts compete.
        let counts = |proven: &Proven| {
            complaint.check_witness(proven, &self.charters).is_ok()
                && check_receipt(proven, &newest, &self.charters).is_ok()
        };
        for (id, act) in acts {
            let Some(leaf) = leaf_of(&id) else { continue };
            let own = &self.config.own;
            for witness in complaint.witnesses_of(act).into_iter().filter(|witness| witness != own) {
                let receipts = view.receipts(&witness, leaf, RECEIPTS_READ)?;
                if let Some(proven) = receipts.iter().filter_map(|ack| proof_of(ack, &id)).find(&counts) {
                    return Ok(Some(proven));
                }
            }
        }
        Ok(None)
    }
}

/// The receipt for an entry in the receipt for a frame. `None` if it acknowledges no leaf for the entry, or says no time.
fn proof_of(ack: &wire::Ack, entry: &EntryId) -> Option<Proven> {
    let names = |result: &Vec<u8>| result.windows(entry.0.len()).any(|bytes| bytes == entry.0);
    let index = ack.results.iter().position(names)?;
    Proven::parse(wire::Proven { entry: entry.0.to_vec(), receipt: item_receipt(ack, index) }).ok()
}

/// Whether a receipt that makes an act witnessed may still come: those that witnesses sign now are in time.
fn awaits_receipt(act: &KnownEntry, now: u64) -> bool {
    let within = u64::try_from(2 * limits::WITNESSED_WITHIN.as_millis()).unwrap_or(u64::MAX);
    now < act.clock.millis().saturating_add(within)
}
