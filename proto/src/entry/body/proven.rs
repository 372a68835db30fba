//! A receipt that an entry shows to all who have the complaint.
//!
//! Must not know who may be a witness. [`crate::complaint`] decides that, after [`crate::admission`] has checked the signatures.

use crate::base::ids::{AgencyId, EntryId, LedgerIndex};
use crate::base::refusal::Refusal;
use crate::entry::{malformed, parse_entry_id};
use crate::receipt::Receipt;
use crate::tlog::checkpoint::Checkpoint;
use crate::wire;

/// The body of a `Proven`: another agency had an entry at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Proven {
    /// The entry that was received.
    pub entry: EntryId,
    /// The leaf at which the receiver has it.
    pub leaf: LedgerIndex,
    /// The time that the receiver cosigned over that leaf, in seconds since 1970.
    pub seconds: u64,
    /// The receipt, with the result for this entry alone.
    pub receipt: Receipt,
    /// The same as it was signed.
    pub shown: wire::ItemReceipt,
}

impl Proven {
    /// Parses the body. No signature is checked.
    ///
    /// # Errors
    /// The refusal with which every node answers it, if it shows no receipt for this entry with a leaf and a time.
    pub fn parse(body: wire::Proven) -> Result<Self, Refusal> {
        let entry = parse_entry_id("entry", &body.entry)?;
        let shown = body.receipt.ok_or_else(|| malformed("Proven without a receipt"))?;
        let receipt = Receipt::parse_item(&shown).map_err(|error| malformed(error.to_string()))?;
        let leaf = receipt.leaves().find(|(received, _)| *received == entry).map(|(_, leaf)| leaf);
        let leaf = leaf.ok_or_else(|| malformed("the receipt names no leaf for the entry"))?;
        let seconds = Checkpoint::claimed_seconds(&receipt.checkpoint, &receipt.federation, &receipt.receiver);
        let seconds = seconds.ok_or_else(|| malformed("the receipt's checkpoint has no time line of the receiver"))?;
        Ok(Self { entry, leaf, seconds, receipt, shown })
    }

    /// The agency that had the entry.
    pub fn receiver(&self) -> &AgencyId {
        &self.receipt.receiver
    }

    /// The wire body.
    pub fn to_wire(&self) -> wire::entry::Body {
        wire::entry::Body::Proven(wire::Proven { entry: self.entry.0.to_vec(), receipt: Some(self.shown.clone()) })
    }
}
