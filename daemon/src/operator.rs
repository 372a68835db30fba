//! The operator API: gRPC on a Unix socket that only the node's owner can open, with health and reflection on it.
//!
//! Parses operators' calls, submits commands to the writer, and answers questions from the store and the ledger. Must not decide anything.
//!
//! Invariants:
//! - reads run in the blocking pool, because sled and the ledger block;
//! - a listing is streamed and stops when its reader goes away;
//! - every error message names the field, the value and the bound; scripts use the status code.

mod audit;
mod clock;
mod codes;
mod commands;
mod complaints;
mod detail;
mod intake;
mod ledger;
mod lodging_proof;
mod names;
mod peers;
mod retry;
mod signed_by;
mod socket;
mod status;
mod tiles;
mod verify;

pub use socket::{SocketError, bind};

use std::pin::Pin;

use sinergi_config::Federation;
use sinergi_proto::base::ids::{AgencyId, LedgerIndex};
use sinergi_proto::engine::CommandError;
use sinergi_proto::operator_api;
use sinergi_proto::operator_api::DESCRIPTORS;
use sinergi_proto::operator_api::operator_server::{Operator, OperatorServer};
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use crate::audit::{Auditor, EvidenceFolder};
use crate::base::alarms::Alarms;
use crate::base::own_clock::SharedClock;
use crate::peers::Peers;
use crate::peers::watch::Watch;
use crate::rollback_guard::GuardService;
use crate::storage::charters::CharterStore;
use crate::storage::complaint_loader::OwnDataError;
use crate::storage::outbox::Outbox;
use crate::writer::{SubmitError, WriterHandle};

use self::audit::Audits;
use self::complaints::Complaints;
use self::intake::{Intake, Submissions};
use self::ledger::SignedLedger;
use self::lodging_proof::LodgingProofs;
use self::peers::PeerQueries;
use self::retry::Retries;
use self::status::Overview;

/// The number of rows of a listing that are read ahead of its reader.
const ROWS_AHEAD: usize = 64;
/// The number of bytes that a connection may send ahead. It must be large enough for the calls of a full queue. Otherwise h2 ends a
/// connection on which many small frames wait, and the caller gets an error that looks like `Busy`, although its calls may have been
/// carried out.
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;
/// The most rows of a listing if the caller names no limit.
const DEFAULT_LIMIT: usize = 100;

/// The parts that the operator API needs.
pub struct OperatorParts {
    /// This agency.
    pub own: AgencyId,
    /// Its federation.
    pub federation: Federation,
    /// When the node started, in milliseconds since 1970.
    pub started_at: u64,
    /// The charters.
    pub charter_store: CharterStore,
    /// Gives access to ledger and store.
    pub outbox: Outbox,
    /// Takes the commands.
    pub writer: WriterHandle,
    /// The rollback guard: it says whether this node may sign.
    pub guard: GuardService,
    /// The adjacent peers.
    pub peers: Peers,
    /// The checkpoints of other agencies.
    pub watch: Watch,
    /// This node's wall clock.
    pub clock: SharedClock,
    /// The alarms that are raised.
    pub alarms: Alarms,
    /// Runs the audits that operators order.
    pub auditor: Auditor,
    /// The folder of evidence.
    pub evidence: EvidenceFolder,
    /// Ends streams when the node stops.
    pub stop: CancellationToken,
}

/// The service. Each field answers one kind of call and has only the parts that it needs.
#[derive(Clone)]
pub struct OperatorService {
    overview: Overview,
    intake: Intake,
    complaints: Complaints,
    lodging_proofs: LodgingProofs,
    peers: PeerQueries,
    retries: Retries,
    ledger: SignedLedger,
    audits: Audits,
}

impl OperatorService {
    /// The service of a node.
    pub fn new(parts: OperatorParts) -> Self {
        let OperatorParts { own, federation, started_at, charter_store, outbox, writer, guard, alarms, stop, .. } =
            parts;
        let submissions = Submissions::new(writer.clone(), guard.clone());
        let complaints = Complaints {
            own: own.clone(),
            peers: parts.peers.clone(),
            outbox: outbox.clone(),
            charter_store: charter_store.clone(),
        };
        let ledger = SignedLedger { own: own.clone(), outbox: outbox.clone(), writer: writer.clone(), guard };
        let peers = PeerQueries {
            peers: parts.peers,
            outbox: outbox.clone(),
            watch: parts.watch,
            writer,
            complaints: complaints.clone(),
        };
        Self {
            overview: Overview {
                own,
                federation: federation.to_string(),
                started_at,
                charter_store: charter_store.clone(),
                alarms,
                clock: parts.clock,
                peers: peers.clone(),
            },
            intake: Intake { submissions: submissions.clone(), complaints: complaints.clone(), stop: stop.clone() },
            lodging_proofs: LodgingProofs { complaints: complaints.clone(), ledger: ledger.clone() },
            retries: Retries { outbox, charter_store, submissions },
            audits: Audits { auditor: parts.auditor, evidence: parts.evidence, complaints: complaints.clone(), stop },
            complaints,
            peers,
            ledger,
        }
    }
}

type Rows<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Serves the operator API until told to stop.
///
/// # Errors
/// The gRPC server fails.
pub async fn serve(
    service: OperatorService,
    listener: UnixListener,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<OperatorServer<OperatorService>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .build_v1()
        .expect("the compiled schema is a descriptor set");
    let stopping = {
        let (stop, health) = (stop.clone(), health.clone());
        async move {
            stop.cancelled().await;
            health.set_not_serving::<OperatorServer<OperatorService>>().await;
        }
    };
    Server::builder()
        .initial_connection_window_size(CONNECTION_WINDOW)
        .add_service(OperatorServer::new(service))
        .add_service(health_service)
        .add_service(reflection)
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), stopping)
        .await
}

#[tonic::async_trait]
impl Operator for OperatorService {
    type LodgeStreamStream = Rows<operator_api::LodgeResult>;
    type AuditStream = Rows<operator_api::AuditEvent>;
    type ListComplaintsStream = Rows<operator_api::ComplaintSummary>;
    type ListOutboxStream = Rows<operator_api::OutboxItem>;
    type ListRefusedStream = Rows<operator_api::RefusedItem>;
    type VerifyLedgerStream = Rows<operator_api::VerifyProgress>;
    type ListSignedByStream = Rows<operator_api::SignedByRow>;
    type ExportTilesStream = Rows<operator_api::TileFile>;

    async fn get_status(
        &self,
        _: Request<operator_api::GetStatusRequest>,
    ) -> Result<Response<operator_api::NodeStatus>, Status> {
        let overview = self.overview.clone();
        blocking(move || overview.status()).await.map(Response::new)
    }

    async fn confirm_clock(
        &self,
        request: Request<operator_api::ConfirmClockRequest>,
    ) -> Result<Response<operator_api::ConfirmClockReply>, Status> {
        clock::confirm(&self.overview.clock, &request.into_inner()).map(Response::new)
    }

    async fn confirm_ledger(
        &self,
        _: Request<operator_api::ConfirmLedgerRequest>,
    ) -> Result<Response<operator_api::ConfirmLedgerReply>, Status> {
        self.ledger.confirm().map(Response::new)
    }

    async fn confirm_alarm(
        &self,
        request: Request<operator_api::ConfirmAlarmRequest>,
    ) -> Result<Response<operator_api::ConfirmAlarmReply>, Status> {
        let overview = self.overview.clone();
        blocking(move || overview.confirm_alarm(&request.into_inner())).await.map(Response::new)
    }

    async fn lodge(
        &self,
        request: Request<operator_api::LodgeRequest>,
    ) -> Result<Response<operator_api::LodgeReply>, Status> {
        self.intake.lodge_complaint(request.into_inner()).await.map(Response::new)
    }

    async fn lodge_stream(
        &self,
        request: Request<Streaming<operator_api::LodgeRequest>>,
    ) -> Result<Response<Self::LodgeStreamStream>, Status> {
        Ok(Response::new(self.intake.lodge_each(request.into_inner())))
    }

    async fn act(
        &self,
        request: Request<operator_api::ActRequest>,
    ) -> Result<Response<operator_api::ActReply>, Status> {
        self.intake.act_on_complaint(request.into_inner()).await.map(Response::new)
    }

    async fn list_complaints(
        &self,
        request: Request<operator_api::ListComplaintsRequest>,
    ) -> Result<Response<Self::ListComplaintsStream>, Status> {
        let filter = complaints::Filter::parse(request.into_inner())?;
        let complaints = self.complaints.clone();
        Ok(Response::new(rows(move |row| complaints.list(&filter, row))))
    }

    async fn show_complaint(
        &self,
        request: Request<operator_api::ShowComplaintRequest>,
    ) -> Result<Response<operator_api::ComplaintDetail>, Status> {
        let complaints = self.complaints.clone();
        blocking(move || complaints.show(&request.into_inner().complaint)).await.map(Response::new)
    }

    async fn verify_complaint(
        &self,
        request: Request<operator_api::VerifyComplaintRequest>,
    ) -> Result<Response<operator_api::VerifyComplaintReply>, Status> {
        let complaints = self.complaints.clone();
        blocking(move || complaints.verify_one(&request.into_inner().complaint)).await.map(Response::new)
    }

    async fn get_lodging_proof(
        &self,
        request: Request<operator_api::GetLodgingProofRequest>,
    ) -> Result<Response<operator_api::LodgingProof>, Status> {
        self.lodging_proofs.lodging_proof(request.into_inner()).await.map(Response::new)
    }

    async fn list_peers(
        &self,
        request: Request<operator_api::ListPeersRequest>,
    ) -> Result<Response<operator_api::ListPeersReply>, Status> {
        let peers = self.peers.clone();
        blocking(move || peers.peers(&request.into_inner().agency)).await.map(Response::new)
    }

    async fn ping_peer(
        &self,
        request: Request<operator_api::PingPeerRequest>,
    ) -> Result<Response<operator_api::PingPeerReply>, Status> {
        self.peers.ping(&request.into_inner().agency).await.map(Response::new)
    }

    async fn list_outbox(
        &self,
        request: Request<operator_api::ListOutboxRequest>,
    ) -> Result<Response<Self::ListOutboxStream>, Status> {
        let peers = self.peers.clone();
        Ok(Response::new(rows(move |row| peers.outbox(&request.into_inner(), row))))
    }

    async fn list_refused(
        &self,
        request: Request<operator_api::ListRefusedRequest>,
    ) -> Result<Response<Self::ListRefusedStream>, Status> {
        let peers = self.peers.clone();
        Ok(Response::new(rows(move |row| peers.refused(&request.into_inner(), row))))
    }

    async fn retry_refused(
        &self,
        request: Request<operator_api::RetryRefusedRequest>,
    ) -> Result<Response<operator_api::RetryRefusedReply>, Status> {
        self.retries.retry_items(request.into_inner()).await.map(Response::new)
    }

    async fn get_checkpoint(
        &self,
        _: Request<operator_api::GetCheckpointRequest>,
    ) -> Result<Response<operator_api::CheckpointReply>, Status> {
        let note = self.ledger.signed_head(LedgerIndex(0)).await?.checkpoint.to_vec();
        Ok(Response::new(operator_api::CheckpointReply { note }))
    }

    async fn verify_ledger(
        &self,
        _: Request<operator_api::VerifyLedgerRequest>,
    ) -> Result<Response<Self::VerifyLedgerStream>, Status> {
        let ledger = self.ledger.clone();
        Ok(Response::new(rows(move |row| ledger.verify(row))))
    }

    async fn list_signed_by(
        &self,
        request: Request<operator_api::ListSignedByRequest>,
    ) -> Result<Response<Self::ListSignedByStream>, Status> {
        let (ledger, request) = (self.ledger.clone(), request.into_inner());
        Ok(Response::new(rows(move |row| ledger.signed_by(&request, row))))
    }

    async fn audit(&self, request: Request<operator_api::AuditRequest>) -> Result<Response<Self::AuditStream>, Status> {
        self.audits.audit_agencies(request.into_inner()).await.map(Response::new)
    }

    async fn list_evidence(
        &self,
        _: Request<operator_api::ListEvidenceRequest>,
    ) -> Result<Response<operator_api::ListEvidenceReply>, Status> {
        let audits = self.audits.clone();
        blocking(move || audits.evidence_list()).await.map(Response::new)
    }

    async fn export_evidence(
        &self,
        request: Request<operator_api::ExportEvidenceRequest>,
    ) -> Result<Response<operator_api::ExportEvidenceReply>, Status> {
        let (audits, request) = (self.audits.clone(), request.into_inner());
        let file = blocking(move || audits.evidence_file(request)).await?;
        Ok(Response::new(operator_api::ExportEvidenceReply { file }))
    }

    async fn export_tiles(
        &self,
        request: Request<operator_api::ExportTilesRequest>,
    ) -> Result<Response<Self::ExportTilesStream>, Status> {
        self.ledger.tiles(request.into_inner()).await.map(Response::new)
    }
}

/// Runs blocking work in the blocking pool.
async fn blocking<T: Send + 'static>(ask: impl FnOnce() -> Result<T, Status> + Send + 'static) -> Result<T, Status> {
    tokio::task::spawn_blocking(ask).await.map_err(|error| Status::internal(format!("the question failed: {error}")))?
}

/// Takes a row of a listing. Returns `false` if the reader has gone.
type RowSink<'a, T> = &'a mut dyn FnMut(T) -> bool;

/// Streams the rows of `list`, which runs in the blocking pool, at most [`ROWS_AHEAD`] rows ahead of the reader.
fn rows<T: Send + 'static>(list: impl FnOnce(RowSink<'_, T>) -> Result<(), Status> + Send + 'static) -> Rows<T> {
    rows_ahead(ROWS_AHEAD, list)
}

/// Like [`rows`], with this number of rows ahead of the reader.
fn rows_ahead<T: Send + 'static>(
    ahead: usize,
    list: impl FnOnce(RowSink<'_, T>) -> Result<(), Status> + Send + 'static,
) -> Rows<T> {
    let (sender, receiver) = mpsc::channel(ahead);
    let listing = tokio::task::spawn_blocking(move || {
        let mut sink = |row| sender.blocking_send(Ok(row)).is_ok();
        if let Err(status) = list(&mut sink) {
            // This fails only if the reader has gone.
            let _ = sender.blocking_send(Err(status));
        }
    });
    // The stream ends when the sender is dropped. A panic in the listing must end it with an error, not as a short listing.
    let ended = futures_util::stream::once(listing).filter_map(|end| match end {
        Ok(()) => None,
        Err(error) => Some(Err(Status::internal(format!("the listing failed: {error}")))),
    });
    Box::pin(ReceiverStream::new(receiver).chain(ended))
}

/// Streams the rows that `work` sends. `work` ends when the reader goes away or the node stops.
fn rows_of_work<T: Send + 'static>(
    receiver: mpsc::Receiver<Result<T, Status>>,
    work: impl Future<Output = ()> + Send + 'static,
    stop: CancellationToken,
) -> Rows<T> {
    let work = futures_util::stream::once(work).filter_map(|()| None);
    let rows = futures_util::stream::select(ReceiverStream::new(receiver), work);
    Box::pin(futures_util::StreamExt::take_until(rows, stop.cancelled_owned()))
}

fn limit_of(limit: u32) -> usize {
    if limit == 0 { DEFAULT_LIMIT } else { usize::try_from(limit).unwrap_or(usize::MAX) }
}

/// The cause is a defect of the program or a damaged disk, and not the caller.
impl From<OwnDataError> for Status {
    fn from(error: OwnDataError) -> Self {
        tracing::error!(%error, "cannot read the node's own data");
        Self::internal(error.to_string())
    }
}

/// Maps a failure to read the node's own data to an internal error.
fn own<T, E: Into<OwnDataError>>(result: Result<T, E>) -> Result<T, Status> {
    result.map_err(|error| Status::from(error.into()))
}

fn submit_status(error: &SubmitError) -> Status {
    let text = error.to_string();
    match error {
        SubmitError::Busy { .. } | SubmitError::CommandError(CommandError::PeersNotHeard) => {
            Status::resource_exhausted(text)
        }
        SubmitError::Stopped => Status::unavailable(text),
        SubmitError::NoItem(_) | SubmitError::CommandError(CommandError::NoComplaint(_)) => Status::not_found(text),
        SubmitError::CommandError(CommandError::Declined(declined)) if declined.is_usage() => {
            Status::invalid_argument(text)
        }
        SubmitError::CommandError(CommandError::Refused(_)) => Status::invalid_argument(text),
        SubmitError::CommandError(_) => Status::failed_precondition(text),
    }
}
