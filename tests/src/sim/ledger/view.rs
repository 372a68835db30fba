//! The ledger as the engine reads it.

use std::convert::Infallible;

use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::engine::{Case, External, ItemKey, View};
use sinergi_proto::entry::content::Content;
use sinergi_proto::routing::unsettled::Unsettled;
use sinergi_proto::wire;

use super::Ledger;

impl View for Ledger {
    type Error = Infallible;

    fn case(&mut self, id: &ComplaintId) -> Result<Option<Box<Case>>, Infallible> {
        Ok(self.cases.get(id).cloned().map(Box::new))
    }

    fn imported(&mut self, external: &External) -> Result<Option<ComplaintId>, Infallible> {
        Ok(self.imported.get(external).copied())
    }

    fn node_entry(&mut self, _: HybridClock, id: &EntryId) -> Result<Option<LedgerIndex>, Infallible> {
        Ok(self.leaf_of(id))
    }

    fn contents(&mut self, leaf: LedgerIndex) -> Result<Vec<Content>, Infallible> {
        Ok(self.leaf(leaf).contents.clone())
    }

    fn declared_epoch(&mut self, agency: &AgencyId) -> Result<Option<Epoch>, Infallible> {
        Ok(self.reset_of(agency).map(|(epoch, _)| epoch))
    }

    fn receipts(&mut self, peer: &AgencyId, leaf: LedgerIndex, most: usize) -> Result<Vec<wire::Ack>, Infallible> {
        Ok(self.receipts_after(peer, leaf).take(most).cloned().collect())
    }

    fn deferred(&mut self, key: &ItemKey) -> Result<Option<wire::Item>, Infallible> {
        let item = self.deferred.get(key).map(|(_, item)| item.as_slice());
        Ok(item.and_then(|item| prost::Message::decode(item).ok()))
    }

    fn unsettled(&mut self, peer: &AgencyId, now: u64, most: usize) -> Result<Vec<Unsettled>, Infallible> {
        let of_peer = self.unsettled.range((peer.clone(), LedgerIndex::default())..);
        let due = of_peer.take_while(|((of, _), _)| of == peer).filter(|(_, unsettled)| unsettled.is_due(now));
        Ok(due.map(|(_, unsettled)| *unsettled).take(most).collect())
    }

    fn complaints_after(&mut self, after: Option<ComplaintId>, most: usize) -> Result<Vec<ComplaintId>, Infallible> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        Ok(self.cases.range((from, Unbounded)).map(|(id, _)| *id).take(most).collect())
    }
}
