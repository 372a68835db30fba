//! Sends items again that a peer did not take, see [`crate::routing::unsettled`].
//!
//! Must not know links: an item that is sent again is a routing record, and goes the way of all entries.
//!
//! Invariant: at most [`ITEMS_A_TICK`] items of a peer are sent again at a time, so that they never delay other work.

use std::collections::BTreeSet;

use super::record::{Record, RoutingHeader};
use super::view::View;
use super::{Batch, Engine};
use crate::base::ids::{AgencyId, ComplaintId};
use crate::routing::route::{Access, Route};
use crate::routing::unsettled::{Unsettled, UnsettledItem};

/// Most items of a peer that one tick sends again.
const ITEMS_A_TICK: usize = 64;
/// Most complaints that one tick reads for this, over all peers: a complaint may be large.
const COMPLAINTS_A_TICK: usize = 256;
/// Most of these for one peer.
const COMPLAINTS_OF_A_PEER: usize = 64;

impl Engine {
    /// Sends the unsettled items again that are due at `now`, in milliseconds since 1970. Peers take turns.
    pub(super) fn send_again<V: View>(&mut self, now: u64, view: &mut V, batch: &mut Batch) -> Result<(), V::Error> {
        // Until the view shows the last round, it shows items as due that are on their way.
        if self.sent_again_in > self.applied {
            return Ok(());
        }
        let last = self.sent_again_to.clone();
        let is_later = |peer: &&AgencyId| last.as_ref().is_none_or(|last| *peer > last);
        let (later, others): (Vec<_>, Vec<_>) = self.config.adjacent.iter().partition(is_later);
        let peers: Vec<AgencyId> = later.into_iter().chain(others).cloned().collect();
        let mut read = 0;
        for peer in peers {
            let mut complaints: BTreeSet<ComplaintId> = BTreeSet::new();
            self.sent_again_to = Some(peer.clone());
            for Unsettled { item, sent_again, .. } in view.unsettled(&peer, now, ITEMS_A_TICK)? {
                complaints.extend(item.complaint);
                if complaints.len() > COMPLAINTS_OF_A_PEER {
                    break;
                }
                if read + complaints.len() > COMPLAINTS_A_TICK || !self.has_room(batch) {
                    return Ok(());
                }
                let access = self.access_now(&peer, &item, view)?;
                let route = Route { to: peer.clone(), access, history: false };
                let number = sent_again.saturating_add(1);
                self.record(Record::Routing(RoutingHeader::Again { leaf: item.leaf, route, number }), batch);
                self.sent_again_in = self.open;
            }
            read += complaints.len();
        }
        Ok(())
    }

    /// The content that a peer may have of an entry now. A peer that is no reader any more gets the entry alone.
    fn access_now<V: View>(&mut self, peer: &AgencyId, item: &UnsettledItem, view: &mut V) -> Result<Access, V::Error> {
        let Some(complaint) = item.complaint else { return Ok(Access::Entries) };
        self.cases.make_room(self.applied);
        self.cases.look_up(&complaint, view)?;
        let case = self.cases.get(&complaint);
        Ok(case.map_or(Access::Entries, |case| case.access_now(peer, &item.entry, self.routing_context())))
    }
}
