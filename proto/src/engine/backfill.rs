//! The backfill: a peer that is configured later gets what it should have had, the complaints from before that it takes part in or leads to.
//!
//! Invariants:
//! - a peer's backfill counts as complete only when all complaints were looked at: after a crash it begins again, and duplicates are
//!   recognised;
//! - it never holds up other work: a few complaints a slice.

use std::collections::BTreeSet;

use crate::base::ids::{AgencyId, ComplaintId, LedgerIndex};

use super::record::{Record, RoutingHeader};
use super::view::View;
use super::{Batch, Engine};

/// Complaints that one slice looks at.
const COMPLAINTS_A_SLICE: usize = 64;

/// What is still to be done for new peers.
#[derive(Debug)]
pub(super) struct Backfill {
    peers: BTreeSet<AgencyId>,
    /// The complaint that was looked at last.
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
    /// Routes some more complaints to the peers that are new.
    pub(super) fn backfill_some<V: View>(&mut self, view: &mut V, batch: &mut Batch) -> Result<(), V::Error> {
        if !self.backfill.is_under_way() {
            return Ok(());
        }
        let complaints = view.complaints_after(self.backfill.after, COMPLAINTS_A_SLICE)?;
        for complaint in &complaints {
            // The routes of one complaint fit into the other half.
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

    /// Every leaf of a complaint goes to the new peers that should have it and never had any of it.
    fn backfill_complaint(&mut self, complaint: &ComplaintId, batch: &mut Batch) {
        let Some(case) = self.cases.get(complaint) else { return };
        let routes = case.routes_of_backfill(&self.backfill.peers, self.standpoint());
        if routes.is_empty() {
            return;
        }
        // Leaves of the open batch were routed with the new peers among the adjacent ones.
        let before = self.pending.open_from();
        let mut leaves: Vec<LedgerIndex> = case.leaves.values().copied().filter(|leaf| *leaf < before).collect();
        leaves.sort_unstable();
        for leaf in leaves {
            self.route_again(leaf, routes.clone(), batch);
        }
    }
}
