//! The status of the node on one screen: its figures and its alarms.

use sinergi_proto::operator_api;
use sinergi_proto::routing::route::next_hop;
use tonic::Status;

use super::own;
use super::peers::PeerQueries;
use crate::base::alarms::Alarms;
use crate::base::own_clock::SharedClock;
use crate::base::time::{self, now_millis};
use crate::storage::charters::CharterStore;
use sinergi_proto::base::ids::AgencyId;

/// The figures of this node, and its alarms.
#[derive(Clone)]
pub(super) struct Overview {
    pub(super) own: AgencyId,
    pub(super) federation: String,
    /// When the node started, in milliseconds since 1970.
    pub(super) started_at: u64,
    pub(super) charter_store: CharterStore,
    pub(super) alarms: Alarms,
    pub(super) clock: SharedClock,
    pub(super) peers: PeerQueries,
}

impl Overview {
    /// The figures, and the alarms that need an operator.
    pub(super) fn status(&self) -> Result<operator_api::NodeStatus, Status> {
        let head = self.peers.writer.head().borrow().clone();
        let store = self.peers.outbox.store();
        let peers: Vec<_> = self.peers.peers.iter().cloned().collect();
        let peers_linked = peers.iter().filter(|peer| peer.snapshot().linked_since > 0).count();
        let (backlogs, unacknowledged) = self.peers.backlogs(&peers)?;
        let now = now_millis();
        let offers_overdue = own(store.overdue(now))?;
        let ledger_bytes = own(self.peers.outbox.reader().disk_bytes())?;
        Ok(operator_api::NodeStatus {
            federation: self.federation.clone(),
            agency: self.own.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            charter_version: self.charter_store.newest().version,
            started_at: self.started_at,
            epoch: head.epoch.0,
            ledger_size: head.size.0,
            ledger_root: data_encoding::BASE64.encode(&head.root),
            complaints: head.counts.complaints,
            held: head.counts.held,
            offered_to_us: head.counts.offered_to_us,
            offers_overdue,
            peers: u32::try_from(peers.len()).unwrap_or(u32::MAX),
            peers_linked: u32::try_from(peers_linked).unwrap_or(u32::MAX),
            outbox: backlogs.iter().map(|backlog| backlog.entries).sum(),
            deferred: head.counts.deferred,
            refused_by_us: head.counts.refused_by_us,
            refused_by_peers: head.counts.refused_by_peers,
            content_only_here: head.counts.content_only_here + unacknowledged,
            disk_bytes: ledger_bytes + own(store.disk_bytes())?,
            alarms: self.alarms(offers_overdue)?,
            writer_queue: self.peers.writer.queued() as u64,
            clock_confirmed: self.clock.state(time::now()).is_confirmed,
        })
    }

    fn alarms(&self, offers_overdue: u64) -> Result<Vec<String>, Status> {
        let mut alarms = self.alarms.all();
        if let Some(problem) = self.clock.state(time::now()).problem {
            alarms.push(format!("{problem}. Until then this node authors nothing"));
        }
        let charter = self.charter_store.newest();
        if charter.valid_until < now_millis() {
            alarms.push(format!("charter version {} has expired: ask the managers for its successor", charter.version));
        }
        let adjacent = self.peers.peers.iter().map(|peer| peer.agency.clone()).collect();
        for (agency, _) in own(self.peers.outbox.store().unreachable())? {
            let reachable =
                agency.parse().is_ok_and(|agency| next_hop(&self.own, &agency, &adjacent, &charter).is_some());
            let raised = self.alarms.is_raised(&format!("no-route {agency}"));
            if !reachable && !raised {
                alarms.push(format!(
                    "no link leads to {agency}, which should get entries: add a [[peer]] toward it and restart"
                ));
            }
        }
        if offers_overdue > 0 {
            alarms.push(format!(
                "{offers_overdue} offers were not answered in time: see `sinergi complaint list --overdue`"
            ));
        }
        Ok(alarms)
    }
}
