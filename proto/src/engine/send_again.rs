//! Sends items again that a peer did not take, see [`crate::routing::unsettled`].
//!
//! Must not know links: an item that is sent again is a routing record, and goes the way of all entries.
//!
//! Invariant: at most [`ITEMS_A_TICK`] items of a peer are sent again at a time, so that they never delay other work.

use super::record::{Record, RoutingHeader};
use super::view::View;
use super::{Batch, Engine};
use crate::base::ids::{AgencyId, ComplaintId};
use crate::routing::route::{Access, Route};
use crate::routing::unsettled::Unsettled;

/// Most items of a peer that one tick sends again.
const ITEMS_A_TICK: usize = 64;

impl Engine {
    /// Sends the unsettled items again that are due at `now`, in milliseconds since 1970.
    pub(super) fn send_again<V: View>(&mut self, now: u64, view: &mut V, batch: &mut Batch) -> Result<(), V::Error> {
        // Until the view shows the last round, it shows items as due that are on their way.
        if self.sent_again_in > self.applied {
            return Ok(());
        }
        for peer in self.config.adjacent.clone() {
            for Unsettled { item, sent_again, .. } in view.unsettled(&peer, now, ITEMS_A_TICK)? {
                if !self.has_room(batch) {
                    return Ok(());
                }
                let access = self.access_now(&peer, item.complaint, view)?;
                let route = Route { to: peer.clone(), access, history: false };
                self.record(
                    Record::Routing(RoutingHeader::Again {
                        leaf: item.leaf,
                        route,
                        number: sent_again.saturating_add(1),
                    }),
                    batch,
                );
                self.sent_again_in = self.open;
            }
        }
        Ok(())
    }

    /// The content that a peer may have of a complaint now. A peer that is no reader any more gets the entry alone.
    fn access_now<V: View>(
        &mut self,
        peer: &AgencyId,
        complaint: Option<ComplaintId>,
        view: &mut V,
    ) -> Result<Access, V::Error> {
        let Some(complaint) = complaint else { return Ok(Access::Entries) };
        self.cases.make_room(self.applied);
        self.cases.look_up(&complaint, view)?;
        let case = self.cases.get(&complaint);
        Ok(case.map_or(Access::Entries, |case| case.access_now(peer, self.routing_context())))
    }
}
