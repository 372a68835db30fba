//! An agency's desk: what its operator sees and does at the agency's own node.
//!
//! Invariant: a desk asks only its own node, so it knows only entries that have arrived there.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::ProgressBar;
use sinergi_proto::operator_api::audit_event::Event;
use sinergi_proto::operator_api::operator_client::OperatorClient;
use sinergi_proto::operator_api::{
    ActReply, ActRequest, AuditRequest, ComplaintDetail, ComplaintSummary, ExportEvidenceRequest, GetStatusRequest,
    ListComplaintsRequest, ListPeersRequest, NodeStatus, PeerStatus, ShowComplaintRequest, VerifyLedgerRequest,
    VerifyProgress,
};
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::federation::Federation;
use super::wait;
use crate::client;
use crate::failure::Failure;
use crate::view::Audited;

/// The time for which an act is repeated while the node is busy.
const BUSY: Duration = Duration::from_secs(60);

/// The desks of all agencies.
#[derive(Clone, Debug)]
pub struct Desks(BTreeMap<String, Desk>);

/// One agency's desk.
#[derive(Clone, Debug)]
pub struct Desk {
    /// The agency.
    pub agency: String,
    api: OperatorClient<Channel>,
}

impl Desks {
    /// Connects a desk to each node.
    ///
    /// # Errors
    /// A node does not answer.
    pub async fn of(federation: &Federation) -> Result<Self, Failure> {
        let mut desks = BTreeMap::new();
        for node in federation.nodes() {
            let agency = node.agency().to_string();
            desks.insert(agency.clone(), Desk { agency, api: node.client().await? });
        }
        Ok(Self(desks))
    }

    /// The desk of an agency.
    ///
    /// # Errors
    /// There is no such agency.
    pub fn desk(&self, agency: &str) -> Result<&Desk, Failure> {
        self.0.get(agency).ok_or_else(|| Failure::failed(format!("{agency} has no node in this federation")))
    }

    /// All desks, in the order of their agencies.
    pub fn iter(&self) -> impl Iterator<Item = &Desk> {
        self.0.values()
    }

    /// Checks the ledgers of all nodes at the same time; the bar counts bytes. Returns the problems.
    ///
    /// # Errors
    /// A node does not answer, or stops before the end.
    pub async fn verify_ledgers(&self, bar: &ProgressBar) -> Result<Vec<String>, Failure> {
        let counts: Vec<Cell<(u64, u64)>> = self.iter().map(|_| Cell::default()).collect();
        let verified = self.iter().zip(&counts).map(async |(desk, count)| {
            let found = desk.verify_ledger(|progress| {
                count.set((progress.checked, progress.total));
                bar.set_length(counts.iter().map(|count| count.get().1).sum());
                bar.set_position(counts.iter().map(|count| count.get().0).sum());
            });
            let name = |finding: String| format!("ledger of {}: {finding}", desk.agency);
            Ok::<Vec<_>, Failure>(found.await?.into_iter().map(name).collect())
        });
        Ok(futures_util::future::try_join_all(verified).await?.concat())
    }
}

impl Desk {
    /// The node's operator API.
    pub fn api(&self) -> OperatorClient<Channel> {
        self.api.clone()
    }

    /// A complaint, if the node has it.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn show(&self, complaint: &str) -> Result<Option<ComplaintDetail>, Failure> {
        let request = ShowComplaintRequest { complaint: complaint.to_owned() };
        match self.api().show_complaint(request).await {
            Ok(detail) => Ok(Some(detail.into_inner())),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(self.failure("show a complaint", &status)),
        }
    }

    /// The node's status.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn status(&self) -> Result<NodeStatus, Failure> {
        let answer = self.api().get_status(GetStatusRequest {}).await;
        answer.map(tonic::Response::into_inner).map_err(|status| self.failure("tell its status", &status))
    }

    /// The node's links.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn peers(&self) -> Result<Vec<PeerStatus>, Failure> {
        let answer = self.api().list_peers(ListPeersRequest::default()).await;
        answer.map(|reply| reply.into_inner().peers).map_err(|status| self.failure("list its peers", &status))
    }

    /// All complaints that the node has.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn list(&self) -> Result<Vec<ComplaintSummary>, Failure> {
        let request = ListComplaintsRequest { limit: u32::MAX, ..Default::default() };
        let answer = self.api().list_complaints(request).await;
        let stream = answer.map_err(|status| self.failure("list its complaints", &status))?;
        client::collect(stream.into_inner(), "list its complaints").await
    }

    /// Carries out an act, and repeats it while the node is busy.
    ///
    /// # Errors
    /// The node does not answer, refuses, or is busy for too long.
    pub async fn act(&self, request: ActRequest) -> Result<ActReply, Failure> {
        let done = wait::until(BUSY, async || match self.api().act(request.clone()).await {
            Ok(reply) => Ok(Some(reply.into_inner())),
            Err(status) if status.code() == Code::ResourceExhausted => Ok(None),
            Err(status) => Err(self.failure("act on a complaint", &status)),
        });
        done.await?.ok_or_else(|| Failure::failed(format!("{} is busy for {} s", self.agency, BUSY.as_secs())))
    }

    /// Checks the node's whole ledger. `checked` gets the progress.
    ///
    /// # Errors
    /// The node does not answer, or stops before the end.
    pub async fn verify_ledger(&self, mut checked: impl FnMut(&VerifyProgress)) -> Result<Vec<String>, Failure> {
        let failed = |status: Status| self.failure("verify its ledger", &status);
        let mut stream = self.api().verify_ledger(VerifyLedgerRequest {}).await.map_err(failed)?.into_inner();
        let (mut findings, mut done) = (Vec::new(), false);
        while let Some(progress) = stream.message().await.map_err(failed)? {
            checked(&progress);
            done = progress.done;
            findings.extend(progress.findings.iter().map(|finding| format!("{}: {}", finding.file, finding.problem)));
        }
        if !done {
            return Err(Failure::failed(format!("{} stopped before it had verified its ledger", self.agency)));
        }
        Ok(findings)
    }

    /// The node's link with another agency.
    ///
    /// # Errors
    /// The node does not answer, or has no such peer.
    pub async fn peer(&self, agency: &str) -> Result<PeerStatus, Failure> {
        let peer = self.peers().await?.into_iter().find(|peer| peer.agency == agency);
        peer.ok_or_else(|| Failure::failed(format!("{agency} is no peer of {}", self.agency)))
    }

    /// Audits another agency.
    ///
    /// # Errors
    /// The node does not answer, or stops before the end.
    pub async fn audit(&self, agency: &str) -> Result<Audited, Failure> {
        let what = "audit another agency";
        let failed = |status: Status| self.failure(what, &status);
        let request = AuditRequest { agencies: vec![agency.to_owned()], ..Default::default() };
        let mut stream = self.api().audit(request).await.map_err(failed)?.into_inner();
        while let Some(event) = stream.message().await.map_err(failed)? {
            if let Some(Event::Result(result)) = event.event {
                return Ok(Audited::new(event.agency, result));
            }
        }
        Err(Failure::failed(format!("{} stopped before it had audited {agency}", self.agency)))
    }

    /// Exports these pieces of evidence as one file.
    ///
    /// # Errors
    /// The node does not answer, or has no such evidence.
    pub async fn evidence(&self, ids: Vec<String>) -> Result<Vec<u8>, Failure> {
        let answer = self.api().export_evidence(ExportEvidenceRequest { ids }).await;
        answer.map(|reply| reply.into_inner().file).map_err(|status| self.failure("export evidence", &status))
    }

    fn failure(&self, what: &str, status: &Status) -> Failure {
        let failure = Failure::from_status(what, status);
        Failure::new(failure.exit(), format!("{}: {}", self.agency, failure.message()))
    }
}
