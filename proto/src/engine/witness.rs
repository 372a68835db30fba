//! Shows the receipts that decide between competing acts.
//!
//! A node writes `Proven` by itself, and only when it sees two acts on one custody entry. A normal hand-over needs none.
//!
//! Invariant: a receipt that peers would refuse, or that has no effect, is not shown.

use crate::admission::check_receipt;
use crate::base::ids::{AgencyId, ComplaintId, EntryId, LedgerIndex};
use crate::base::limits;
use crate::complaint::{Complaint, KnownEntry};
use crate::entry::Proven;
use crate::receipt::item_receipt;
use crate::wire;

use super::view::View;
use super::{Batch, Engine, Warning};

/// Most receipts of one peer that are read for one act. More than one is needed only if the act was sent out of order.
const RECEIPTS_READ: usize = 16;

impl Engine {
    /// Shows a receipt for each competing act that has no witness yet. The complaint has been looked up.
    pub(super) fn show_witnesses<V: View>(
        &mut self,
        complaint: ComplaintId,
        now: u64,
        view: &mut V,
        batch: &mut Batch,
    ) -> Result<(), V::Error> {
        for proven in self.find_witnesses(&complaint, view)? {
            // The check was made before an earlier one of them was written.
            let case = self.cases.get(&complaint);
            if case.is_none_or(|case| case.complaint.is_witnessed(&proven.entry)) {
                continue;
            }
            if let Err(error) = self.write_by_itself(complaint, proven.to_wire(), now, batch) {
                batch.warnings.push(Warning::PutOff(complaint, error));
                self.automatic.insert(complaint);
            }
        }
        if self.cases.get(&complaint).is_some_and(|case| awaits_receipts(&case.complaint, now)) {
            self.automatic.insert(complaint);
        }
        Ok(())
    }

    /// A receipt for each competing act without a witness, if this node has one that makes it witnessed.
    fn find_witnesses<V: View>(&self, complaint: &ComplaintId, view: &mut V) -> Result<Vec<Proven>, V::Error> {
        let mut found = Vec::new();
        let Some(case) = self.cases.peek(complaint) else { return Ok(found) };
        for (id, act) in case.complaint.acts_without_witness() {
            let Some(leaf) = case.leaves.get(&id) else { continue };
            found.extend(self.find_witness(&case.complaint, (id, act), *leaf, view)?);
        }
        Ok(found)
    }

    fn find_witness<V: View>(
        &self,
        complaint: &Complaint,
        (id, act): (EntryId, &KnownEntry),
        leaf: LedgerIndex,
        view: &mut V,
    ) -> Result<Option<Proven>, V::Error> {
        let may_witness = |peer: &&AgencyId| complaint.may_witness(act, peer);
        for peer in self.config.adjacent.iter().filter(may_witness) {
            let receipts = view.receipts(peer, leaf, RECEIPTS_READ)?;
            let shown = receipts.iter().filter_map(|ack| proof_of(ack, &id));
            let newest = self.charters.newest().name();
            // A receipt was checked when it came. Few are checked again, because few acts compete.
            let counts = |proven: &Proven| {
                complaint.check_witness(proven).is_ok() && check_receipt(proven, &newest, &self.charters).is_ok()
            };
            if let Some(proven) = shown.into_iter().find(counts) {
                return Ok(Some(proven));
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

/// Whether a receipt that makes a competing act witnessed may still come: those that witnesses sign now are in time.
fn awaits_receipts(complaint: &Complaint, now: u64) -> bool {
    let within = u64::try_from(2 * limits::WITNESSED_WITHIN.as_millis()).unwrap_or(u64::MAX);
    complaint.acts_without_witness().any(|(_, act)| now < act.clock.millis().saturating_add(within))
}
