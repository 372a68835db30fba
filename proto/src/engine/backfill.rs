//! The backfill: a peer that is configured later gets the older complaints that it takes part in, or is the next hop for.
//!
//! Invariants:
//! - a peer's backfill is complete only when all complaints were looked at. After a crash it starts again; peers recognise duplicates;
//! - it runs in small slices, so that it never delays other work.

use std::collections::BTreeSet;

use crate::base::ids::{AgencyId, ComplaintId, LedgerIndex};

use super::record::{Record, RoutingHeader};
use super::view::View;
use super::{Batch, Engine};

/// The number of complaints in one slice.
const COMPLAINTS_A_SLICE: usize = 64;

/// The progress of the backfill. It runs for all new peers at once.
#[derive(Debug)]
pub(super) struct Backfill {
    /// The peers whose backfill is not complete.
    peers: BTreeSet<AgencyId>,
    /// The last complaint that was looked at.
    after: Option<ComplaintId>,
}

impl Backfill {
    pub(super) fn new(peers: BTreeSet<AgencyId>) -> Self {
        Self { peers, after: None }
    }

    pub(super) fn is_under_way(&self) -> bool {
        !self.peers.is_empty()
    }

    pub(super) fn completed(&mut self, peer: &AgencyId) {
        self.peers.remove(peer);
    }
}

impl Engine {
    /// Routes a slice of complaints to the new peers.
    pub(super) fn backfill_some<V: View>(&mut self, view: &mut V, batch: &mut Batch) -> Result<(), V::Error> {
        if !self.backfill.is_under_way() {
            return Ok(());
        }
        let complaints = view.complaints_after(self.backfill.after, COMPLAINTS_A_SLICE)?;
        for complaint in &complaints {
            // The other half of the batch has room for the routes of one complaint.
            if batch.bytes >= self.config.batch_bytes / 2 {
                return Ok(());
            }
            self.cases.make_room(self.applied);
            self.cases.look_up(complaint, view)?;
            self.backfill_complaint(complaint, batch);
            self.backfill.after = Some(*complaint);
        }
        if complaints.is_empty() {
            for peer in self.backfill.peers.clone() {
                self.record(Record::Routing(RoutingHeader::BackfillDone { peer }), batch);
            }
        }
        Ok(())
    }

    /// Routes every leaf of a complaint to the new peers that should have it and never had anything of it.
    fn backfill_complaint(&mut self, complaint: &ComplaintId, batch: &mut Batch) {
        let Some(case) = self.cases.get(complaint) else { return };
        let routes = case.routes_of_backfill(&self.backfill.peers, self.routing_context());
        if routes.is_empty() {
            return;
        }
        // Leaves of the open batch are left out: they were routed to the new peers when they were appended.
        let before = self.pending.open_from();
        let mut leaves: Vec<LedgerIndex> = case.leaves.values().copied().filter(|leaf| *leaf < before).collect();
        leaves.sort_unstable();
        for leaf in leaves {
            self.route_again(leaf, routes.clone(), batch);
        }
    }
}
