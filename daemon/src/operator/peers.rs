//! Calls about peers: their links, the entries that wait for them, and the items that were refused or deferred.

use std::sync::Arc;

use sinergi_proto::base::cursor::Cursor;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::{DeferralCode, RefusalCode};
use sinergi_proto::engine::PeerCursor;
use sinergi_proto::entry::{Body, Entry};
use sinergi_proto::operator_api;
use sinergi_proto::wire;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tonic::Status;

use super::complaints::Complaints;
use super::names::optional_agency;
use super::{RowSink, limit_of, own};
use crate::base::node_limits::PING_WITHIN;
use crate::peers::Peers;
use crate::peers::watch::Watch;
use crate::peers::{Peer, PeerSnapshot};
use crate::storage::complaint_loader::{OwnDataError, ParsedLeaf};
use crate::storage::foreign_ledger;
use crate::storage::outbox::Backlog;
use crate::storage::outbox::Outbox;
use crate::storage::record_codec::Header;
use crate::writer::WriterHandle;
use crate::writer::reset_reason;

/// The peers of this node, the entries that wait for them, and the refused and deferred items.
#[derive(Clone)]
pub(super) struct PeerQueries {
    pub(super) peers: Peers,
    pub(super) outbox: Outbox,
    pub(super) watch: Watch,
    pub(super) writer: WriterHandle,
    pub(super) complaints: Complaints,
}

impl PeerQueries {
    /// The peers, or one of them.
    pub(super) fn peers(&self, agency: &str) -> Result<operator_api::ListPeersReply, Status> {
        let wanted = self.wanted_peers(agency)?;
        let (backlogs, _) = self.backlogs(&wanted)?;
        let statuses = wanted.iter().zip(backlogs).map(|(peer, backlog)| self.peer_status(peer, backlog));
        Ok(operator_api::ListPeersReply { peers: statuses.collect::<Result<_, Status>>()? })
    }

    fn wanted_peers(&self, agency: &str) -> Result<Vec<Arc<Peer>>, Status> {
        match optional_agency("peer", agency)? {
            None => Ok(self.peers.iter().cloned().collect()),
            Some(agency) => Ok(vec![self.peer_named(&agency)?]),
        }
    }

    fn peer_named(&self, agency: &AgencyId) -> Result<Arc<Peer>, Status> {
        let unknown = || Status::not_found(format!("{agency} is no peer of this node; `sinergi peer list` shows them"));
        self.peers.get(agency).cloned().ok_or_else(unknown)
    }

    /// The cursor up to which a peer has acknowledged our ledger, from its session or, if that is newer, from its stored receipts.
    pub(super) fn acknowledged(&self, peer: &Peer, state: &PeerSnapshot) -> Result<Cursor, Status> {
        let start = Cursor::start(self.writer.head().borrow().epoch);
        let stored = own(self.outbox.store().cursor(PeerCursor::Receipted, &peer.agency))?;
        let newest = state.acknowledged.max(stored).unwrap_or(start);
        Ok(if newest.epoch == start.epoch { newest } else { start })
    }

    /// The backlog of each of these peers, and the number of complaints with own content that no peer has acknowledged.
    pub(super) fn backlogs(&self, peers: &[Arc<Peer>]) -> Result<(Vec<Backlog>, u64), Status> {
        let acknowledged = |peer: &Arc<Peer>| {
            let cursor = self.acknowledged(peer, &peer.snapshot())?;
            Ok::<_, Status>((peer.agency.clone(), cursor))
        };
        let peers: Vec<_> = peers.iter().map(acknowledged).collect::<Result<_, _>>()?;
        own(self.outbox.backlogs(&peers))
    }

    fn peer_status(&self, peer: &Peer, backlog: Backlog) -> Result<operator_api::PeerStatus, Status> {
        let state = peer.snapshot();
        let acknowledged = self.acknowledged(peer, &state)?;
        let received = own(self.outbox.store().cursor(PeerCursor::Received, &peer.agency))?;
        let reset = own(self.reset_of(&peer.agency))?;
        let shown = self.watch.newest(&peer.agency);
        let name = match () {
            () if state.linked_since > 0 => "linked",
            () if state.greeted_since > 0 => "greeting",
            () if state.connecting => "connecting",
            () if peer.endpoint.is_some() => "backoff",
            () => "waiting",
        };
        Ok(operator_api::PeerStatus {
            agency: peer.agency.to_string(),
            state: name.to_owned(),
            direction: if peer.endpoint.is_some() { "dials" } else { "waits" }.to_owned(),
            endpoint: peer.endpoint.as_ref().map(ToString::to_string).unwrap_or_default(),
            linked_since: state.linked_since,
            last_success: state.last_success,
            first_failure: state.first_failure,
            last_error: state.last_error,
            next_retry: state.next_retry,
            queue_depth: backlog.entries,
            oldest_queued: backlog.oldest,
            sent: state.sent.map(Cursor::to_wire),
            acknowledged: Some(acknowledged.to_wire()),
            received: received.map(Cursor::to_wire),
            certificate_expires: state.certificate_expires,
            protocol: state.protocol,
            charter_version: state.charter_version,
            sent_entries: state.sent_entries,
            received_entries: state.received_entries,
            clock_offset: state.clock_offset.unwrap_or(0),
            refused: state.refused,
            peer_size: shown.as_ref().map_or(0, |newest| newest.checkpoint.size),
            peer_epoch: shown.map_or(0, |newest| newest.checkpoint.epoch.0),
            reset_at: reset.as_ref().map_or(0, |(at, _)| *at),
            reset_reason: reset.map(|(_, reason)| reason).unwrap_or_default(),
        })
    }

    /// When a peer declared its newest epoch, in milliseconds since 1970, and the reason.
    fn reset_of(&self, peer: &AgencyId) -> Result<Option<(u64, String)>, OwnDataError> {
        let (outbox, charters) = (&self.outbox, self.complaints.charter_store.charters());
        let own = (outbox.store(), outbox.reader(), outbox.federation());
        let Some(newest) = foreign_ledger::reset_of(peer, own, &charters)? else { return Ok(None) };
        let record = self.outbox.reader().leaf(newest.leaf)?;
        let entry = ParsedLeaf::parse(record, self.outbox.federation())?.entry;
        let Body::Node(body) = entry.body else { return Ok(None) };
        let wire::entry::Body::LedgerReset(reset) = *body else { return Ok(None) };
        Ok(Some((entry.clock.millis(), reset_reason(&reset).to_owned())))
    }

    /// Pings a peer over the link that is up.
    pub(super) async fn ping(&self, agency: &str) -> Result<operator_api::PingPeerReply, Status> {
        let agency = optional_agency("peer", agency)?.ok_or_else(|| Status::invalid_argument("peer is empty"))?;
        let peer = self.peer_named(&agency)?;
        let not_linked = || {
            let state = peer.snapshot();
            let reason = if state.last_error.is_empty() { "no contact yet" } else { &state.last_error };
            Status::failed_precondition(format!("{agency} is not linked: {reason}"))
        };
        let pings = peer.pings().ok_or_else(not_linked)?;
        let (asked, answered) = oneshot::channel();
        let began = Instant::now();
        pings.send(asked).await.map_err(|_| not_linked())?;
        match tokio::time::timeout(PING_WITHIN, answered).await {
            Ok(Ok(())) => {
                let round_trip_micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                Ok(operator_api::PingPeerReply { round_trip_micros })
            }
            Ok(Err(_)) => Err(not_linked()),
            Err(_) => {
                Err(Status::deadline_exceeded(format!("{agency} did not answer within {} s", PING_WITHIN.as_secs())))
            }
        }
    }

    /// Lists the entries that peers have not acknowledged, oldest first.
    pub(super) fn outbox(
        &self,
        request: &operator_api::ListOutboxRequest,
        row: RowSink<'_, operator_api::OutboxItem>,
    ) -> Result<(), Status> {
        let only = match request.complaint.as_str() {
            "" => None,
            name => Some(self.complaints.complaint_named(name)?),
        };
        let mut left = limit_of(request.limit);
        for peer in self.wanted_peers(&request.peer)? {
            let state = peer.snapshot();
            let acknowledged = self.acknowledged(&peer, &state)?;
            let sent = state.sent.unwrap_or(acknowledged);
            let listed = self.outbox.queued(&peer.agency, acknowledged, |queued| {
                if only.is_some() && queued.entry.complaint != only {
                    return true;
                }
                let in_flight = state.linked_since > 0 && queued.leaf < sent.index;
                let item = operator_api::OutboxItem {
                    peer: peer.agency.to_string(),
                    leaf_index: queued.leaf.0,
                    entry_id: queued.entry.id.0.to_vec(),
                    complaint: queued.entry.complaint.map(|id| id.0.to_vec()).unwrap_or_default(),
                    body: queued.entry.body.name().to_owned(),
                    author: queued.entry.author.to_string(),
                    at: queued.entry.clock.millis(),
                    bytes: u32::try_from(queued.bytes).unwrap_or(u32::MAX),
                    state: if in_flight { "in_flight" } else { "queued" }.to_owned(),
                };
                left -= 1;
                row(item) && left > 0
            });
            own(listed)?;
            if left == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Lists the refused items, newest first, or the deferred items.
    pub(super) fn refused(
        &self,
        request: &operator_api::ListRefusedRequest,
        row: RowSink<'_, operator_api::RefusedItem>,
    ) -> Result<(), Status> {
        let peer = optional_agency("peer", &request.peer)?;
        if !matches!(request.direction.as_str(), "" | "by_us" | "by_peer") {
            return Err(Status::invalid_argument(format!(
                "direction {:?}: must be by_us or by_peer",
                request.direction
            )));
        }
        let limit = limit_of(request.limit);
        if request.deferred {
            return self.deferred(peer.as_ref(), limit, row);
        }
        let mut left = limit;
        for item in self.outbox.store().refused() {
            let (number, position, refused) = own(item)?;
            let direction = if refused.by_us { "by_us" } else { "by_peer" };
            if peer.as_ref().is_some_and(|peer| *peer != refused.peer)
                || (!request.direction.is_empty() && request.direction != direction)
            {
                continue;
            }
            let entry = if refused.by_us { own(self.outbox.shown_entry(position))? } else { None };
            let code_name = RefusalCode::from_number(refused.code).map_or("unknown", RefusalCode::name);
            let item = operator_api::RefusedItem {
                number,
                peer: refused.peer.to_string(),
                direction: direction.to_owned(),
                entry_id: refused.entry.to_vec(),
                code: refused.code,
                code_name: code_name.to_owned(),
                reason: refused.detail,
                at: refused.at,
                ..shown(entry.as_ref())
            };
            left -= 1;
            if !row(item) || left == 0 {
                break;
            }
        }
        Ok(())
    }

    fn deferred(
        &self,
        peer: Option<&AgencyId>,
        limit: usize,
        row: RowSink<'_, operator_api::RefusedItem>,
    ) -> Result<(), Status> {
        let mut left = limit;
        for item in self.outbox.store().deferred() {
            let (_, position) = own(item)?;
            let record = own(self.outbox.reader().record(position))?;
            let Header::Deferred(header) = own(Header::of(&record).map_err(OwnDataError::from))? else { continue };
            if peer.is_some_and(|peer| *peer != header.peer) {
                continue;
            }
            let entry = own(self.outbox.shown_entry(position))?;
            let code_name = DeferralCode::from_number(header.code).map_or("unknown", DeferralCode::name);
            let item = operator_api::RefusedItem {
                number: format!("{}-{}-0", position.segment, position.offset),
                peer: header.peer.to_string(),
                direction: "by_us".to_owned(),
                entry_id: header.entry.0.to_vec(),
                code: header.code,
                code_name: code_name.to_owned(),
                reason: header.detail,
                at: header.at,
                ..shown(entry.as_ref())
            };
            left -= 1;
            if !row(item) || left == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// A row with the columns about the entry. They are empty if the entry cannot be read.
fn shown(entry: Option<&Entry>) -> operator_api::RefusedItem {
    let Some(entry) = entry else { return operator_api::RefusedItem::default() };
    operator_api::RefusedItem {
        complaint: entry.complaint.map(|id| id.0.to_vec()).unwrap_or_default(),
        author: entry.author.to_string(),
        body: entry.body.name().to_owned(),
        ..Default::default()
    }
}
