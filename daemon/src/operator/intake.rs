//! Turns an operator's call into a submission. Checks the texts, and draws the salts. The writer does the rest.
//!
//! Must not decide whether a call is allowed.
//!
//! Invariant: the node draws all random numbers of an entry here, because proto's engine has no randomness.

use std::sync::Arc;

use futures_util::{StreamExt, future, stream};
use rand::RngExt;
use sinergi_proto::base::key::PublicKey;
use sinergi_proto::base::limits;
use sinergi_proto::engine::{Act, CommandError, External, Lodge};
use sinergi_proto::entry::ContentClass;
use sinergi_proto::entry::content::{Content, TextRole, serialise_text};
use sinergi_proto::operator_api;
use sinergi_proto::transparency::rollback_guard::GuardState;
use sinergi_proto::wire;
use tokio::sync::oneshot;
use tonic::{Status, Streaming};

use super::complaints::Complaints;
use super::{Rows, blocking, commands, submit_status};
use crate::base::node_limits;
use crate::rollback_guard::GuardService;
use crate::writer::WriterHandle;
use crate::writer::{Submission, SubmitError};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The number of complaints of one stream that are lodged at a time, so that one stream can fill a batch.
const LODGED_AT_A_TIME: usize = node_limits::BATCH_SUBMISSIONS;

/// The largest size of a held call in bytes.
const HELD_CALL_BYTES: usize = limits::CONTENT_BYTES;

/// The calls that write entries: lodging a complaint, and acting on one.
#[derive(Clone)]
pub(super) struct Intake {
    pub(super) submissions: Submissions,
    pub(super) complaints: Complaints,
    pub(super) stop: CancellationToken,
}

/// Submits to the writer, once the node may sign.
#[derive(Clone)]
pub(super) struct Submissions {
    writer: WriterHandle,
    guard: GuardService,
    /// Bounds the calls that are held while the rollback guard waits for peers.
    held_calls: Arc<Semaphore>,
}

impl Intake {
    /// Lodges each complaint of a stream, and streams the answers in the same order. At a stop, the complaints that were read are still answered.
    pub(super) fn lodge_each(
        &self,
        requests: Streaming<operator_api::LodgeRequest>,
    ) -> Rows<operator_api::LodgeResult> {
        let service = Arc::new(self.clone());
        let (stop, stopped) = (self.stop.clone().cancelled_owned(), self.stop.clone());
        let results = requests.take_until(stop).map(move |request| {
            // The request is parsed before it waits, so that a waiting future is small.
            let (service, lodge) = (Arc::clone(&service), request.map(parse_lodge));
            async move {
                Ok(result_of(match lodge? {
                    Ok(lodge) => service.lodge(lodge).await,
                    Err(refused) => Err(refused),
                }))
            }
        });
        let last =
            stream::once(async move { stopped.is_cancelled().then(|| Err(submit_status(&SubmitError::Stopped))) });
        Box::pin(results.buffered(LODGED_AT_A_TIME).chain(last.filter_map(future::ready)))
    }

    pub(super) async fn lodge_complaint(
        &self,
        request: operator_api::LodgeRequest,
    ) -> Result<operator_api::LodgeReply, Status> {
        self.lodge(parse_lodge(request)?).await
    }

    async fn lodge(&self, lodge: Box<Lodge>) -> Result<operator_api::LodgeReply, Status> {
        let (answer, lodged) = oneshot::channel();
        self.submissions.submit(Submission::Lodge(lodge, answer)).await?;
        let lodged = answer_of(lodged).await?;
        Ok(operator_api::LodgeReply { complaint: lodged.complaint.0.to_vec(), existed: lodged.existed })
    }

    pub(super) async fn act_on_complaint(
        &self,
        request: operator_api::ActRequest,
    ) -> Result<operator_api::ActReply, Status> {
        let act = request.act.ok_or_else(|| Status::invalid_argument("the call names no act"))?;
        let given_class = class_of(request.class)?;
        let text = request.text.map(|text| parse_text(&text)).transpose()?;
        let (complaints, name) = (self.complaints.clone(), request.complaint);
        let (complaint, command) = blocking(move || {
            let command = commands::parse(act, |other| complaints.complaint_named(other))?;
            Ok((complaints.complaint_named(&name)?, command))
        })
        .await?;
        let act = Act { complaint, command, text: text.map(|content| (content, given_class)) };
        let (answer, acted) = oneshot::channel();
        self.submissions.submit(Submission::Act(Box::new(act), answer)).await?;
        let acted = answer_of(acted).await?;
        Ok(operator_api::ActReply {
            complaint: complaint.0.to_vec(),
            entry_id: acted.entry.0.to_vec(),
            leaf_index: acted.leaf.0,
            offered_to: acted.offered_to.map(String::from).unwrap_or_default(),
        })
    }
}

impl Submissions {
    /// Submissions go to `writer` as soon as `guard` no longer waits for peers.
    pub(super) fn new(writer: WriterHandle, guard: GuardService) -> Self {
        Self { writer, guard, held_calls: Arc::new(Semaphore::new(node_limits::WRITER_QUEUE_BYTES / HELD_CALL_BYTES)) }
    }

    /// Submits a command. While the rollback guard waits for peers (some seconds after a start), calls are held, as many as fit into the queue.
    pub(super) async fn submit(&self, submission: Submission) -> Result<(), Status> {
        if self.guard.state() == GuardState::Waiting {
            let _held =
                self.held_calls.try_acquire().map_err(|_| submit_status(&CommandError::PeersNotHeard.into()))?;
            self.guard.settled().await;
        }
        self.writer.try_submit(submission).map_err(|error| submit_status(&error))
    }
}

pub(super) async fn answer_of<T>(answer: oneshot::Receiver<Result<T, CommandError>>) -> Result<T, Status> {
    match answer.await {
        Ok(result) => result.map_err(|error| submit_status(&error.into())),
        // The writer ended before it answered. Nobody knows whether the entry is durable.
        Err(_) => {
            Err(Status::unavailable("the node stopped before it answered; look whether it was done when it runs again"))
        }
    }
}

fn result_of(answer: Result<operator_api::LodgeReply, Status>) -> operator_api::LodgeResult {
    use operator_api::lodge_result::Result as Kind;
    let result = answer.map_or_else(
        |status| {
            Kind::NotLodged(operator_api::NotLodged {
                code: status.code().into(),
                message: status.message().to_owned(),
            })
        },
        Kind::Lodged,
    );
    operator_api::LodgeResult { result: Some(result) }
}

fn parse_lodge(request: operator_api::LodgeRequest) -> Result<Box<Lodge>, Status> {
    let kind = request.kind();
    if kind == wire::ComplaintKind::Unspecified {
        let text = format!("kind {}: must be complaint, aspiration or information-request", request.kind);
        return Err(Status::invalid_argument(text));
    }
    let class = class_of(request.class)?.unwrap_or(ContentClass::Public);
    if class == ContentClass::Identity {
        return Err(Status::invalid_argument("class identity: a complaint's text is public or confidential"));
    }
    check_code("category", &request.category, limits::CATEGORY_BYTES, true)?;
    check_code("area", &request.area, limits::AREA_BYTES, false)?;
    check_citizen_key(&request.citizen_key, request.key_origin)?;
    let mut text = request.text.ok_or_else(|| Status::invalid_argument("text: a complaint needs title and text"))?;
    let mut contents = Vec::new();
    let reporter = std::mem::take(&mut text.reporter);
    contents.push((content(0, serialise(&text, TextRole::Complaint)?), class));
    if !reporter.is_empty() {
        // The reporter's identity is a content of its own, because it is never sent together with the complaint's text.
        let identity = wire::Text { reporter, ..Default::default() };
        contents.push((content(1, serialise(&identity, TextRole::Reporter)?), ContentClass::Identity));
    }
    let body = wire::Lodged {
        kind: kind.into(),
        category: request.category,
        area: request.area,
        class: class.to_wire().into(),
        citizen_key: request.citizen_key,
        key_origin: request.key_origin,
    };
    let external = request.external.map(parse_external).transpose()?;
    let forward = request.forward.map(commands::offer).transpose()?;
    Ok(Box::new(Lodge { body, contents, external, forward }))
}

/// Checks the citizen's key: a point of the curve with a known origin, or neither.
fn check_citizen_key(public: &[u8], origin: i32) -> Result<(), Status> {
    let origin = wire::KeyOrigin::try_from(origin)
        .map_err(|_| Status::invalid_argument(format!("key origin {origin}: must be device or drawn")))?;
    match (public.is_empty(), origin == wire::KeyOrigin::Unspecified) {
        (true, true) => Ok(()),
        (false, false) if PublicKey::try_from(public).is_ok() => Ok(()),
        (false, false) => Err(Status::invalid_argument("citizen key: it is no Ed25519 public key")),
        _ => Err(Status::invalid_argument("citizen key: a key and its origin need each other")),
    }
}

fn parse_external(external: operator_api::ExternalReference) -> Result<External, Status> {
    check_code("source", &external.source, node_limits::EXTERNAL_SOURCE_BYTES, true)?;
    check_code("external id", &external.id, node_limits::EXTERNAL_ID_BYTES, true)?;
    Ok(External { source: external.source, id: external.id })
}

fn parse_text(text: &wire::Text) -> Result<Content, Status> {
    Ok(content(0, serialise(text, TextRole::Note)?))
}

fn serialise(text: &wire::Text, role: TextRole) -> Result<bytes::Bytes, Status> {
    serialise_text(text, role).map_err(|error| Status::invalid_argument(error.to_string()))
}

fn content(commitment: u32, data: bytes::Bytes) -> Content {
    Content { commitment, salt: rand::rng().random(), data }
}

fn class_of(number: i32) -> Result<Option<ContentClass>, Status> {
    match wire::ContentClass::try_from(number) {
        Ok(_) => Ok(ContentClass::from_wire(number)),
        Err(_) => Err(Status::invalid_argument(format!("class {number}: must be public, confidential or identity"))),
    }
}

/// Checks a code: at most `bytes` bytes, without control characters, and not empty if it is `required`.
fn check_code(field: &str, text: &str, bytes: usize, required: bool) -> Result<(), Status> {
    if required && text.is_empty() {
        return Err(Status::invalid_argument(format!("{field} is empty")));
    }
    if text.len() > bytes {
        return Err(Status::invalid_argument(format!("{field} has {} bytes, at most {bytes}", text.len())));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(Status::invalid_argument(format!("{field} holds the control character U+{:04X}", u32::from(c)))),
        None => Ok(()),
    }
}
