//! Checks a peer's receipt by the charter.
//!
//! Must not know what was sent.

use crate::base::ids::AgencyId;
use crate::charter::Charters;
use crate::receipt::{Receipt, ReceiptError, receipt_id};
use crate::wire;

impl Receipt {
    /// Parses a receipt and checks that `peer` signed it for a delivery of `own`.
    ///
    /// # Errors
    /// When it is malformed, of other parties, or the signature does not verify.
    pub fn open(
        ack: &wire::Ack,
        own: &AgencyId,
        peer: &AgencyId,
        federation: &str,
        charters: &Charters,
    ) -> Result<Self, ReceiptError> {
        let receipt = Self::parse(ack)?;
        if receipt.receiver != *peer || receipt.sender != *own || receipt.federation != federation {
            return Err(ReceiptError::OtherLink {
                found: format!("{} to {} in {}", receipt.sender, receipt.receiver, receipt.federation),
                expected: format!("{own} to {peer} in {federation}"),
            });
        }
        let unknown = || ReceiptError::BadSignature(receipt.key_id);
        // If the peer names a newer charter than is trusted here, its key is looked up in the newest one here.
        let charter = charters.version(receipt.charter_version).unwrap_or(charters.newest());
        let key = charter.entry_key(peer, receipt.key_id).ok_or_else(unknown)?;
        receipt.verify(&ack.receipt, &ack.signature, &key.public)?;
        if charters.disputes_receipt(peer, receipt.key_id, &receipt_id(&ack.receipt)) {
            return Err(ReceiptError::RevokedKey(receipt.key_id));
        }
        Ok(receipt)
    }
}
