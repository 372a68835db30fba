//! The ledger of a running node, for operators: the newest signed checkpoint, and a check of all files.
//!
//! Must not write the ledger.

use std::ops::ControlFlow;

use sinergi_proto::base::ids::{AgencyId, LedgerIndex};
use sinergi_proto::engine::CommandError;
use sinergi_proto::operator_api;
use sinergi_proto::transparency::rollback_guard::GuardState;
use tonic::Status;

use super::{RowSink, submit_status};
use crate::rollback_guard::GuardService;
use crate::storage::ledger::{self, Progress};
use crate::storage::outbox::Outbox;
use crate::writer::{Head, SubmitError, WriterHandle};

/// The number of checked bytes between two progress messages.
const PROGRESS_EVERY: u64 = 4 * 1024 * 1024;

/// The ledger of this node, up to its newest signed checkpoint.
#[derive(Clone)]
pub(super) struct SignedLedger {
    pub(super) own: AgencyId,
    pub(super) outbox: Outbox,
    pub(super) writer: WriterHandle,
    pub(super) guard: GuardService,
}

impl SignedLedger {
    /// Waits until a signed checkpoint covers at least `size` leaves, and returns that state.
    pub(super) async fn signed_head(&self, size: LedgerIndex) -> Result<Head, Status> {
        let mut head = self.writer.head();
        match self.guard.settled().await {
            GuardState::SetBack => return Err(submit_status(&CommandError::SetBack.into())),
            GuardState::KeyRevoked => return Err(submit_status(&CommandError::KeyRevoked.into())),
            GuardState::Unconfirmed => return Err(submit_status(&CommandError::LedgerUnconfirmed.into())),
            GuardState::Waiting | GuardState::Clear => {}
        }
        let signed = head.wait_for(|head| head.is_signed && head.size >= size).await;
        Ok(signed.map_err(|_| submit_status(&SubmitError::Stopped))?.clone())
    }

    /// Takes the operator's word that no newer copy of the ledger was ever used.
    pub(super) fn confirm(&self) -> Result<operator_api::ConfirmLedgerReply, Status> {
        if !self.guard.confirm() {
            return Err(match self.guard.state() {
                GuardState::SetBack => submit_status(&CommandError::SetBack.into()),
                _ => Status::failed_precondition(
                    "this node does not wait for a word about its ledger; nothing was changed",
                ),
            });
        }
        tracing::info!("the operator confirmed the ledger");
        let extent = self.guard.ledger().extent();
        Ok(operator_api::ConfirmLedgerReply { epoch: extent.epoch.0, ledger_size: extent.size })
    }

    /// Checks every record, the tree and the positions. Streams the progress, and at the end the findings.
    pub(super) fn verify(&self, row: RowSink<'_, operator_api::VerifyProgress>) -> Result<(), Status> {
        let mut reported = 0;
        let mut total = 0;
        let findings = ledger::verify(self.outbox.reader(), |progress| {
            let Progress { checked, .. } = progress;
            total = progress.total;
            if checked < reported + PROGRESS_EVERY {
                return ControlFlow::Continue(());
            }
            reported = checked;
            let progress = operator_api::VerifyProgress { checked, total, done: false, findings: Vec::new() };
            if row(progress) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        let findings = findings.into_iter().map(|finding| operator_api::VerifyFinding {
            file: finding.file.display().to_string(),
            offset: finding.offset,
            problem: finding.problem.to_string(),
            advice: finding.advice.to_string(),
        });
        let findings = findings.collect();
        row(operator_api::VerifyProgress { checked: total, total, done: true, findings });
        Ok(())
    }
}
