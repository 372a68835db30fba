//! The citizen's receipt: the proof that a complaint stands in this node's ledger as it was lodged.
//!
//! It must not know how a receipt is checked: that is [`sinergi_proto::transparency::lodging_proof`].
//!
//! Invariant: only the agency that took a complaint in gives the receipt; it alone vouches for when and what was lodged.

use sinergi_proto::base::ids::{ComplaintId, LedgerIndex};
use sinergi_proto::entry::Body;
use sinergi_proto::entry::content::reply_code_hash;
use sinergi_proto::operator_api;
use sinergi_proto::transparency::lodging_proof;
use tonic::Status;

use super::complaints::Complaints;
use super::detail::no_case;
use super::ledger::SignedLedger;
use super::{blocking, own};
use crate::storage::case::{CaseError, Leaf};
use crate::storage::ledger::ReadError;
use crate::writer::Head;

/// Gives the receipts of the complaints that this agency took in.
#[derive(Clone)]
pub(super) struct LodgingProofs {
    pub(super) complaints: Complaints,
    pub(super) ledger: SignedLedger,
}

impl LodgingProofs {
    /// The receipt under the newest checkpoint.
    pub(super) async fn lodging_proof(
        &self,
        request: operator_api::GetLodgingProofRequest,
    ) -> Result<operator_api::LodgingProof, Status> {
        let service = self.clone();
        let (complaint, lodged) = blocking(move || service.taken_in(&request)).await?;
        // The store may be a moment ahead of what is signed.
        let head = self.ledger.signed_head(lodged.index.next()).await?;
        let service = self.clone();
        let file = blocking(move || own(service.receipt_of(&lodged, &head))).await?;
        Ok(operator_api::LodgingProof { complaint: complaint.0.to_vec(), file })
    }

    /// The complaint that is meant, if this agency took it in, and its Lodged.
    fn taken_in(&self, request: &operator_api::GetLodgingProofRequest) -> Result<(ComplaintId, Leaf), Status> {
        let id = self.complaints.complaint_named(&request.complaint)?;
        let outbox = &self.complaints.outbox;
        let summary = own(outbox.store().summary(&id))?.ok_or_else(|| no_case(&id))?;
        if summary.intake != self.complaints.own {
            let text =
                format!("complaint {id} was lodged at {}: that agency gives the receipt, ask there", summary.intake);
            return Err(Status::failed_precondition(text));
        }
        let leaf = own(Leaf::parse(own(outbox.reader().leaf(summary.lodged))?, outbox.federation()))?;
        let Body::Lodged(lodged) = &leaf.entry.body else { return own(Err(CaseError::StoreMismatch(id))) };
        let code = &request.reply_code;
        if !code.is_empty() && reply_code_hash(code) != lodged.reply_code_hash {
            let text = format!("complaint {id}: the reply code is not the one that was given for it");
            return Err(Status::failed_precondition(text));
        }
        Ok((id, leaf))
    }

    fn receipt_of(&self, lodged: &Leaf, head: &Head) -> Result<Vec<u8>, ReadError> {
        let (index, LedgerIndex(size)) = (lodged.index, head.size);
        let path = tlog_tiles::prove_record(size, index.0, self.ledger.outbox.reader())
            .map_err(|source| ReadError::Tree { size, source })?;
        Ok(lodging_proof::receipt(&lodged.entry.signed, index, path, &head.checkpoint))
    }
}
