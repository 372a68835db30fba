//! The status of the node on one screen: its figures and its alarms.

use std::cmp::Reverse;
use std::time::Duration;

use sinergi_proto::base::limits;
use sinergi_proto::operator_api;
use sinergi_proto::routing::route::next_hop;
use tonic::Status;

use super::own;
use super::peers::PeerQueries;
use crate::base::alarms::{Alarm, AlarmKind, Alarms, NotConfirmed};
use crate::base::own_clock::SharedClock;
use crate::base::time::{self, now_millis};
use crate::storage::charters::CharterStore;
use sinergi_proto::base::ids::AgencyId;

/// The operator is told of a peer whose connections have led to no link for so long.
const READY_WITHIN: Duration = Duration::from_secs(60);

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
            alarms: self.alarms()?.into_iter().map(message).collect(),
            alarms_dropped: self.alarms.dropped(),
            writer_queue: self.peers.writer.queued() as u64,
            clock_confirmed: self.clock.state(time::now()).is_confirmed,
        })
    }

    /// Notes that the operator has seen an alarm. Blocks.
    pub(super) fn confirm_alarm(
        &self,
        request: &operator_api::ConfirmAlarmRequest,
    ) -> Result<operator_api::ConfirmAlarmReply, Status> {
        match self.alarms.confirm(&request.topic) {
            Err(NotConfirmed::Unknown(topic)) if self.states()?.iter().any(|state| state.topic == topic) => {
                Err(NotConfirmed::Lasts(topic))
            }
            confirmed => confirmed,
        }
        .map_err(|error| match error {
            NotConfirmed::Unknown(_) => Status::not_found(error.to_string()),
            NotConfirmed::Lasts(_) => Status::failed_precondition(error.to_string()),
        })?;
        self.alarms.store();
        let left = u32::try_from(self.alarms()?.len()).unwrap_or(u32::MAX);
        Ok(operator_api::ConfirmAlarmReply { left })
    }

    /// All alarms: the gravest first, then the oldest first.
    fn alarms(&self) -> Result<Vec<Alarm>, Status> {
        let mut alarms = [self.alarms.all(), self.states()?].concat();
        alarms.sort_by_key(|alarm| Reverse(alarm.severity));
        Ok(alarms)
    }

    /// The alarms about states that nobody raises, because they can be read at any time.
    fn states(&self) -> Result<Vec<Alarm>, Status> {
        let mut states = Vec::new();
        let mut state = |kind: AlarmKind, topic: String, since: u64, text: String| {
            states.push(Alarm { topic, severity: kind.severity(), since, text });
        };
        if let Some(problem) = self.clock.state(time::now()).problem {
            let text = format!("{problem}. Until then this node authors nothing");
            state(AlarmKind::Clock, AlarmKind::Clock.word().to_owned(), 0, text);
        }
        let (charter, now) = (self.charter_store.newest(), now_millis());
        if charter.valid_until < now {
            let text = format!("charter version {} has expired: ask the managers for its successor", charter.version);
            state(
                AlarmKind::CharterExpired,
                AlarmKind::CharterExpired.about(charter.version),
                charter.valid_until,
                text,
            );
        }
        let adjacent = self.peers.peers.iter().map(|peer| peer.agency.clone()).collect();
        for (agency, _) in own(self.peers.outbox.store().unreachable())? {
            let reachable =
                agency.parse().is_ok_and(|agency| next_hop(&self.own, &agency, &adjacent, &charter).is_some());
            if !reachable {
                let text = format!(
                    "no link leads to {agency}, which should get entries: add a [[peer]] toward it and restart"
                );
                state(AlarmKind::NoRoute, AlarmKind::NoRoute.about(&agency), 0, text);
            }
        }
        let overdue = own(self.peers.outbox.store().overdue(now))?;
        if overdue > 0 {
            let text = format!("{overdue} offers were not answered in time: see `sinergi complaint list --overdue`");
            state(AlarmKind::OffersOverdue, AlarmKind::OffersOverdue.word().to_owned(), 0, text);
        }
        for peer in self.peers.peers.iter() {
            let (agency, peer) = (&peer.agency, peer.snapshot());
            let is_over =
                |since: u64, time: Duration| since > 0 && u128::from(now.saturating_sub(since)) > time.as_millis();
            if is_over(peer.not_ready_since, READY_WITHIN) {
                let text = format!(
                    "{agency} is connected, and one of the two nodes is not ready, so nothing is delivered: its node or this one waits for its \
                     peers or its operator"
                );
                state(AlarmKind::NotReady, AlarmKind::NotReady.about(agency), peer.not_ready_since, text);
            }
            if peer.linked_since > 0 && is_over(peer.without_time_since, limits::WITHOUT_TIME) {
                let text = format!(
                    "the checkpoints of {agency} carry no time, so its receipts prove none: nobody confirms its clock. Its operator can, with \
                     `sinergi confirm clock`"
                );
                state(AlarmKind::WithoutTime, AlarmKind::WithoutTime.about(agency), peer.without_time_since, text);
            }
        }
        Ok(states)
    }
}

fn message(alarm: Alarm) -> operator_api::Alarm {
    let Alarm { topic, severity, since, text } = alarm;
    operator_api::Alarm { topic, severity: severity.name().to_owned(), since, text }
}
