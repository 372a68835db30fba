//! The ledger as links read it.

use std::collections::BTreeSet;
use std::convert::Infallible;

use sinergi_proto::base::ids::{AgencyId, ComplaintId, LedgerIndex};
use sinergi_proto::charter::Charters;
use sinergi_proto::engine::LeafHeader;
use sinergi_proto::entry::Entry;
use sinergi_proto::entry::content::Content;
use sinergi_proto::routing::outbox::{self, LedgerView, Step};

use super::{Leaf, Ledger, number};

impl LedgerView for Ledger {
    type Error = Infallible;

    fn steps_from(
        &self,
        index: LedgerIndex,
    ) -> Result<impl Iterator<Item = Result<Step, Infallible>> + '_, Infallible> {
        let ledger = self;
        let first = ledger.routing_records.partition_point(|record| record.before < number(index));
        let mut records = ledger.routing_records[first..].iter().peekable();
        let mut next = number(index);
        Ok(std::iter::from_fn(move || {
            if let Some(record) = records.next_if(|record| record.before == next) {
                let (leaf, routes, is_again) = (record.leaf, record.routes.clone(), record.is_again);
                return Some(Ok(Step::Routing { leaf, routes, is_again }));
            }
            let leaf = ledger.leaves.get(next)?;
            next += 1;
            Some(Ok(Step::Leaf(as_links_see(next - 1, leaf))))
        }))
    }

    fn leaf(&self, index: LedgerIndex) -> Result<outbox::Leaf, Infallible> {
        Ok(as_links_see(number(index), Self::leaf(self, index)))
    }

    fn entry(&self, leaf: &outbox::Leaf) -> Result<Entry, Infallible> {
        Ok(Self::leaf(self, leaf.index).entry.clone())
    }

    fn contents(&self, index: LedgerIndex) -> Result<Vec<Content>, Infallible> {
        Ok(Self::leaf(self, index).contents.clone())
    }

    fn leaves_of(&self, complaint: &ComplaintId) -> Result<Vec<LedgerIndex>, Infallible> {
        Ok(self.cases.get(complaint).map(|case| case.leaves.values().copied().collect()).unwrap_or_default())
    }

    fn participants(&self, complaint: &ComplaintId, _: &Charters) -> Result<BTreeSet<AgencyId>, Infallible> {
        Ok(self.cases.get(complaint).map(|case| case.complaint.participants().clone()).unwrap_or_default())
    }
}

fn as_links_see(number: usize, leaf: &Leaf) -> outbox::Leaf {
    let LeafHeader { from, relays, routes, .. } = leaf.header.clone();
    outbox::Leaf {
        index: LedgerIndex(number as u64),
        from,
        relays,
        routes,
        bytes: leaf.entry.bytes.clone(),
        envelope: leaf.entry.envelope.clone(),
    }
}
