//! The citizen's receipt: a proof that the `Lodged` entry of a complaint is in this node's ledger.
//!
//! Must not know how a receipt is checked: [`sinergi_proto::transparency::lodging_proof`] does.
//!
//! Invariant: only the intake agency gives the receipt, because only its ledger shows when the complaint was lodged.

use sinergi_proto::base::ids::{ComplaintId, LedgerIndex};
use sinergi_proto::entry::Body;
use sinergi_proto::operator_api;
use sinergi_proto::transparency::lodging_proof;
use tonic::Status;

use super::complaints::Complaints;
use super::detail::no_case;
use super::ledger::SignedLedger;
use super::{blocking, own};
use crate::storage::complaint_loader::{OwnDataError, ParsedLeaf};
use crate::storage::ledger::ReadError;
use crate::writer::Head;

/// A complaint that was lodged at this agency.
struct Lodging {
    complaint: ComplaintId,
    /// The citizen's public key; empty if there is none.
    citizen_key: Vec<u8>,
    /// The `Lodged` entry.
    leaf: ParsedLeaf,
}

/// Makes receipts for the complaints that were lodged at this agency.
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
        let Lodging { complaint, citizen_key, leaf: lodged } = blocking(move || service.lodged_here(&request)).await?;
        // The store may be ahead of the newest signed checkpoint for a moment.
        let head = self.ledger.signed_head(lodged.index.next()).await?;
        let service = self.clone();
        let file = blocking(move || own(service.receipt_of(&lodged, &head))).await?;
        Ok(operator_api::LodgingProof { complaint: complaint.0.to_vec(), file, citizen_key })
    }

    /// The complaint that the request names, if it was lodged at this agency, and its `Lodged` entry.
    fn lodged_here(&self, request: &operator_api::GetLodgingProofRequest) -> Result<Lodging, Status> {
        let id = self.complaints.complaint_named(&request.complaint)?;
        let outbox = &self.complaints.outbox;
        let summary = own(outbox.store().summary(&id))?.ok_or_else(|| no_case(&id))?;
        if summary.intake != self.complaints.own {
            let text =
                format!("complaint {id} was lodged at {}: that agency gives the receipt, ask there", summary.intake);
            return Err(Status::failed_precondition(text));
        }
        let leaf = own(ParsedLeaf::parse(own(outbox.reader().leaf(summary.lodged))?, outbox.federation()))?;
        let Body::Lodged(lodged) = &leaf.entry.body else { return own(Err(OwnDataError::StoreMismatch(id))) };
        let key = lodged.citizen_key.map(|key| key.public.to_vec()).unwrap_or_default();
        Ok(Lodging { complaint: id, citizen_key: key, leaf })
    }

    fn receipt_of(&self, lodged: &ParsedLeaf, head: &Head) -> Result<Vec<u8>, ReadError> {
        let (index, LedgerIndex(size)) = (lodged.index, head.size);
        let path = tlog_tiles::prove_record(size, index.0, self.ledger.outbox.reader())
            .map_err(|source| ReadError::Tree { size, source })?;
        Ok(lodging_proof::receipt(&lodged.entry.bytes, index, path, &head.checkpoint))
    }
}
