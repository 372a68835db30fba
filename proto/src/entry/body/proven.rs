//! A receipt that an entry shows to all who have the complaint.
//!
//! Must not know who may be a witness. [`crate::complaint`] decides that, after [`crate::admission`] has checked the signatures.

use crate::base::ids::{AgencyId, EntryId, LedgerIndex};
use crate::base::limits;
use crate::base::refusal::{Refusal, RefusalCode};
use crate::entry::{malformed, parse_entry_id};
use crate::receipt::{Receipt, receipt_id};
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
    /// The agency that had the entry and gave the receipt.
    pub receiver: AgencyId,
    /// The agency that delivered the entry.
    pub sender: AgencyId,
    /// The charter version that the receipt names.
    pub charter_version: u64,
    /// The number of the receiver's key that signed the receipt.
    pub key_id: u32,
    /// The [name](receipt_id) of the receipt.
    pub receipt_id: [u8; 32],
    /// The receipt as it was signed. [`Self::without_receipt`] leaves it out.
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
        let Receipt { federation, receiver, sender, charter_version, key_id, checkpoint, .. } = receipt;
        if charter_version == 0 {
            return Err(malformed("the receipt names no charter version"));
        }
        if checkpoint.len() > limits::CHECKPOINT_BYTES {
            let (found, most) = (checkpoint.len(), limits::CHECKPOINT_BYTES);
            let detail = format!("the receipt's checkpoint has {found} bytes, at most {most}");
            return Err(Refusal::new(RefusalCode::TooLarge, detail));
        }
        let seconds = Checkpoint::claimed_seconds(&checkpoint, &federation, &receiver);
        let seconds = seconds.ok_or_else(|| malformed("the receipt's checkpoint has no time line of the receiver"))?;
        let receipt_id = receipt_id(&shown.receipt);
        Ok(Self { entry, leaf, seconds, receiver, sender, charter_version, key_id, receipt_id, shown })
    }

    /// The same without the receipt's bytes: what counts after the receipt was checked.
    pub fn without_receipt(&self) -> Self {
        Self { shown: wire::ItemReceipt::default(), ..self.clone() }
    }

    /// The wire body.
    pub fn to_wire(&self) -> wire::entry::Body {
        wire::entry::Body::Proven(wire::Proven { entry: self.entry.0.to_vec(), receipt: Some(self.shown.clone()) })
    }
}
