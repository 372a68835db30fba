//! Audits that an operator starts, and the evidence of this node.

use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId};
use sinergi_proto::operator_api;
use sinergi_proto::operator_api::audit_event::Event;
use sinergi_proto::transparency::evidence::Statement;
use tokio::sync::mpsc;
use tonic::Status;

use super::complaints::Complaints;
use super::{ROWS_AHEAD, Rows};
use crate::audit::{Audited, Auditor, Begin, EvidenceFile, EvidenceFolder, FolderError, Progress, Scope};
use tokio_util::sync::CancellationToken;

/// Most lost entries that the result of an audit lists.
const LOST_LISTED: usize = 100;

/// Audits of other agencies, and their evidence.
#[derive(Clone)]
pub(super) struct Audits {
    pub(super) auditor: Auditor,
    pub(super) evidence: EvidenceFolder,
    pub(super) complaints: Complaints,
    pub(super) stop: CancellationToken,
}

impl Audits {
    /// Audits an agency. Streams the progress, and at the end the result.
    pub(super) async fn audit_agencies(
        &self,
        request: operator_api::AuditRequest,
    ) -> Result<Rows<operator_api::AuditEvent>, Status> {
        let mut agencies = Vec::new();
        for id in &request.agencies {
            let malformed = |error| Status::invalid_argument(format!("agency {id:?}: {error}"));
            agencies.push(id.parse::<AgencyId>().map_err(malformed)?);
        }
        if agencies.is_empty() {
            agencies = self.auditor.adjacent().collect();
        }
        let complaint = match request.complaint.as_str() {
            "" => None,
            name => Some(self.named(name.to_owned()).await?),
        };
        let scope = Scope { complaint, since: request.since };
        let begin = if request.whole { Begin::AtStart } else { Begin::AfterLast };
        self.auditor.may_accuse().await.map_err(|error| Status::failed_precondition(error.to_string()))?;
        let (events, rows) = mpsc::channel(ROWS_AHEAD);
        let (auditor, evidence) = (self.auditor.clone(), self.evidence.clone());
        let stop = self.stop.clone();
        let work = async move {
            for agency in agencies {
                let progress_events = events.clone();
                let of = agency.to_string();
                let progress = move |progress: Progress| {
                    let Progress { checked, total } = progress;
                    let event = Some(Event::Progress(operator_api::AuditProgress { checked, total }));
                    // A slow reader misses some progress messages, never the result.
                    !matches!(
                        progress_events.try_send(Ok(operator_api::AuditEvent { agency: of.clone(), event })),
                        Err(mpsc::error::TrySendError::Closed(_))
                    )
                };
                let result = match auditor.audit(&agency, &scope, begin, None, progress).await {
                    Ok(audited) => {
                        let result = keep_findings(&evidence, audited.clone()).await;
                        auditor.keep_resume(&audited).await;
                        result
                    }
                    Err(error) => operator_api::AuditResult { problem: error.to_string(), ..Default::default() },
                };
                let event = Some(Event::Result(result));
                if events.send(Ok(operator_api::AuditEvent { agency: agency.to_string(), event })).await.is_err() {
                    break;
                }
            }
        };
        Ok(super::rows_of_work(rows, work, stop))
    }

    async fn named(&self, name: String) -> Result<ComplaintId, Status> {
        let complaints = self.complaints.clone();
        super::blocking(move || complaints.complaint_named(&name)).await
    }

    /// All evidence of this node.
    pub(super) fn evidence_list(&self) -> Result<operator_api::ListEvidenceReply, Status> {
        let kept = self.evidence.list().map_err(|error| folder_status(&error))?;
        let findings = kept.into_iter().flat_map(|EvidenceFile { id, opened }| {
            let (made_at, accuser) = (opened.made_at, opened.accuser.to_string());
            let finding = move |statement| operator_api::AuditFinding {
                made_at,
                accuser: accuser.clone(),
                ..finding(statement, id.clone())
            };
            opened.statements.into_iter().map(finding)
        });
        Ok(operator_api::ListEvidenceReply { findings: findings.collect() })
    }

    /// One evidence file with the accusations of all named files.
    pub(super) fn evidence_file(&self, request: operator_api::ExportEvidenceRequest) -> Result<Vec<u8>, Status> {
        let mut ids = request.ids;
        if ids.is_empty() {
            let all = self.evidence.list().map_err(|error| folder_status(&error))?;
            ids = all.into_iter().map(|kept| kept.id).collect();
        }
        if ids.is_empty() {
            return Err(Status::not_found("there is no evidence: `sinergi audit` makes some where something is wrong"));
        }
        self.evidence.export(&ids).map_err(|error| folder_status(&error))
    }
}

/// Keeps the findings as evidence, and raises alarms.
async fn keep_findings(evidence: &EvidenceFolder, audited: Audited) -> operator_api::AuditResult {
    let evidence = evidence.clone();
    let kept = tokio::task::spawn_blocking(move || {
        let mut findings = Vec::new();
        for (accusation, statement) in audited.findings {
            let id = evidence.keep(&accusation, &statement);
            findings.push(finding(statement, id.unwrap_or_default()));
        }
        operator_api::AuditResult {
            problem: String::new(),
            size: audited.size.unwrap_or_default(),
            checked: audited.checked,
            checked_before: audited.checked_before,
            of_earlier_epochs: audited.of_earlier_epochs,
            lost: audited.lost.len() as u64,
            lost_entries: audited.lost.iter().take(LOST_LISTED).map(lost_entry).collect(),
            findings,
            unfinished: audited.no_answer.map(|reason| reason.to_string()).unwrap_or_default(),
        }
    });
    let failed =
        |error| operator_api::AuditResult { problem: format!("the audit failed: {error}"), ..Default::default() };
    kept.await.unwrap_or_else(failed)
}

fn lost_entry((entry, complaint): &(EntryId, ComplaintId)) -> operator_api::LostEntry {
    operator_api::LostEntry { entry: entry.to_string(), complaint: complaint.to_string() }
}

fn finding(statement: Statement, evidence: String) -> operator_api::AuditFinding {
    operator_api::AuditFinding {
        finding: statement.finding.name().to_owned(),
        accused: statement.accused.to_string(),
        proven: statement.finding.is_proven(),
        complaint: statement.complaint.unwrap_or_default(),
        text: statement.text,
        evidence,
        ..Default::default()
    }
}

fn folder_status(error: &FolderError) -> Status {
    match error {
        FolderError::Unknown(_) => Status::not_found(error.to_string()),
        FolderError::Io { .. }
        | FolderError::Evidence { .. }
        | FolderError::Full(_)
        | FolderError::FullOfOne { .. } => Status::internal(error.to_string()),
    }
}
