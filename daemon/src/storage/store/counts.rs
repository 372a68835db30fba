//! Figures over the whole store.

use serde::{Deserialize, Serialize};
use sinergi_proto::base::ids::AgencyId;

use super::{Store, StoreError, Summary};

/// Figures over all complaints, kept up to date while the node runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Complaints.
    pub complaints: u64,
    /// Held by this agency and not ended.
    pub held: u64,
    /// Open offers to this agency.
    pub offered_to_us: u64,
    /// Complaints lodged here whose content was never routed to another agency.
    pub content_only_here: u64,
    /// Deferred items.
    pub deferred: u64,
    /// Items that this node refused.
    pub refused_by_us: u64,
    /// Items that peers refused.
    pub refused_by_peers: u64,
}

impl Counts {
    /// Counts the whole store.
    pub fn of(store: &Store, own: &AgencyId) -> Result<Self, StoreError> {
        let mut counts = Self::default();
        for item in store.complaints() {
            counts.add(&item?.1, own, 1);
        }
        counts.deferred = store.deferred.len() as u64;
        for item in store.refused() {
            let by_us = item?.2.by_us;
            counts.refused_by_us += u64::from(by_us);
            counts.refused_by_peers += u64::from(!by_us);
        }
        Ok(counts)
    }

    pub(super) fn add(&mut self, summary: &Summary, own: &AgencyId, sign: i64) {
        let count = |figure: &mut u64, counts: bool| {
            if counts {
                *figure = figure.saturating_add_signed(sign);
            }
        };
        count(&mut self.complaints, true);
        count(&mut self.held, summary.holder == *own && !summary.phase.is_ended());
        count(&mut self.offered_to_us, summary.offer.as_ref().is_some_and(|offer| offer.to == *own));
        count(&mut self.content_only_here, summary.intake == *own && !summary.content_shared);
    }
}
