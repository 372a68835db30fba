//! A peer that is configured later gets what it should have had: the complaints that it takes part in, or leads to, from before.
//!
//! Invariants:
//! - a peer counts as introduced only when all complaints were looked at: after a crash it begins again, and duplicates are recognised;
//! - it never holds up other work: a few complaints a group.

use std::collections::BTreeSet;

use sinergi_proto::ids::{AgencyId, ComplaintId, LedgerIndex};
use sinergi_proto::limits;
use sinergi_proto::route::Standpoint;

use super::{Writer, WriterError};
use crate::case::CaseError;
use crate::headers::{self, RoutingHeader};
use crate::ledger::{Group, LedgerReader, RecordKind};
use crate::store::{Store, StoreError};

/// Complaints looked at in one group.
const COMPLAINTS_A_GROUP: usize = 64;

/// What is still to be done for new peers.
pub(super) struct Introduction {
    peers: BTreeSet<AgencyId>,
    complaints: Vec<ComplaintId>,
}

impl Introduction {
    /// The peers that were never introduced, and all complaints.
    pub(super) fn load(store: &Store, adjacent: &BTreeSet<AgencyId>) -> Result<Self, StoreError> {
        let mut peers = BTreeSet::new();
        for peer in adjacent {
            if !store.is_introduced(peer)? {
                peers.insert(peer.clone());
            }
        }
        let mut complaints = Vec::new();
        if !peers.is_empty() {
            for item in store.complaints() {
                complaints.push(item?.0);
            }
        }
        Ok(Self { peers, complaints })
    }

    pub(super) fn is_under_way(&self) -> bool {
        !self.peers.is_empty()
    }
}

/// Routing records behind the last leaf.
pub(super) fn owed_behind(reader: &LedgerReader) -> Result<u32, CaseError> {
    let mut owed = 0;
    for record in reader.steps_from(LedgerIndex(reader.size()))? {
        record?;
        owed += 1;
    }
    Ok(owed)
}

impl Writer {
    /// Routes some more complaints to the peers that are new.
    pub(super) fn introduce_peers(&mut self, group: &mut Group) -> Result<(), WriterError> {
        if !self.introduction.is_under_way() {
            return Ok(());
        }
        for _ in 0..COMPLAINTS_A_GROUP {
            if group.length() >= limits::GROUP_BYTES / 2 {
                return Ok(());
            }
            let Some(complaint) = self.introduction.complaints.pop() else { break };
            self.introduce(group, complaint)?;
        }
        if self.introduction.complaints.is_empty() {
            for peer in std::mem::take(&mut self.introduction.peers) {
                self.record(group, RecordKind::Routing, &headers::encode(&RoutingHeader::Introduced { peer }), &[])?;
                self.owed += 1;
            }
        }
        Ok(())
    }

    /// Every leaf of a complaint goes to the new peers that should have it and never had any of it.
    fn introduce(&mut self, group: &mut Group, complaint: ComplaintId) -> Result<(), WriterError> {
        let charter = self.parts.directory.newest();
        let Some(case) = self.parts.applier.case(&complaint)? else { return Ok(()) };
        let node = Standpoint { own: &self.parts.own, adjacent: &self.parts.adjacent, charter: &charter };
        let routes = case.routes_of_introduction(&self.introduction.peers, node);
        if routes.is_empty() {
            return Ok(());
        }
        let before = group.first_index();
        let mut leaves: Vec<LedgerIndex> = case.leaves.values().copied().filter(|leaf| *leaf < before).collect();
        leaves.sort_unstable();
        for leaf in leaves {
            self.route_again(group, leaf, routes.clone())?;
        }
        Ok(())
    }
}
