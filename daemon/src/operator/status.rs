//! The node on one screen.

use sinergi_proto::operator_api;
use sinergi_proto::routing::route::next_hop;
use tonic::Status;

use super::{OperatorService, own};
use crate::base::time::now_millis;

impl OperatorService {
    /// The figures, and what needs somebody to act.
    pub(super) fn status(&self) -> Result<operator_api::NodeStatus, Status> {
        let head = self.links.writer.head().borrow().clone();
        let store = self.links.outbox.store();
        let peers: Vec<_> = self.links.peers.iter().cloned().collect();
        let peers_linked = peers.iter().filter(|peer| peer.snapshot().linked_since > 0).count();
        let (backlogs, unacknowledged) = self.backlogs(&peers)?;
        let now = now_millis();
        let offers_overdue = own(store.overdue(now))?;
        let ledger_bytes = own(self.links.outbox.reader().disk_bytes())?;
        Ok(operator_api::NodeStatus {
            federation: self.links.federation.to_string(),
            agency: self.links.own.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            charter_version: self.links.directory.newest().version,
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
            writer_queue: self.links.writer.queued() as u64,
        })
    }

    fn alarms(&self, offers_overdue: u64) -> Result<Vec<String>, Status> {
        let mut alarms = self.links.alarms.all();
        let charter = self.links.directory.newest();
        if charter.valid_until < now_millis() {
            alarms.push(format!("charter version {} has expired: ask the managers for its successor", charter.version));
        }
        let adjacent = self.links.peers.iter().map(|peer| peer.agency.clone()).collect();
        for (agency, _) in own(self.links.outbox.store().unreachable())? {
            let reachable =
                agency.parse().is_ok_and(|agency| next_hop(&self.links.own, &agency, &adjacent, &charter).is_some());
            let raised = self.links.alarms.is_raised(&format!("no-route {agency}"));
            if !reachable && !raised {
                alarms.push(format!(
                    "no link leads to {agency}, which should get entries: add a [[peer]] toward it and restart"
                ));
            }
        }
        if offers_overdue > 0 {
            alarms.push(format!(
                "{offers_overdue} offers found no answer in time: see `sinergi complaint list --overdue`"
            ));
        }
        Ok(alarms)
    }
}
