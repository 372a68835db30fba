//! A citizen's receipt as `receipt` gives it, and what `receipt --verify` finds in it.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;
use sinergi_proto::charter::Charter;
use sinergi_proto::operator_api;
use sinergi_proto::tlog::checkpoint;
use sinergi_proto::transparency::lodging_proof::Lodging;
use sinergi_proto::wire::ComplaintKind;

use super::{complaint_id, moment, present, word};

/// The receipt of a complaint.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    /// The complaint's whole id.
    pub complaint: String,
    /// Where it was written to; null: nowhere.
    pub file: Option<PathBuf>,
    /// The whole receipt (C2SP `tlog-proof`).
    pub receipt: String,
    /// Whether the reply code is that of the complaint; null if none was named. A wrong one gets no receipt.
    pub reply_code_fits: Option<bool>,
}

impl Receipt {
    /// Reads the node's answer; `None` if that is no text.
    pub fn read(
        proof: &operator_api::LodgingProof,
        file: Option<PathBuf>,
        reply_code_fits: Option<bool>,
    ) -> Option<Self> {
        let receipt = String::from_utf8(proof.file.clone()).ok()?;
        Some(Self { complaint: complaint_id(&proof.complaint), file, receipt, reply_code_fits })
    }
}

/// A receipt that was checked.
#[derive(Clone, Debug, Serialize)]
pub struct VerifiedReceipt {
    /// The receipt.
    pub file: PathBuf,
    /// The charter under whose keys it was checked.
    pub charter_version: u64,
    /// That charter's hash.
    pub charter_hash: String,
    /// What is proven; null if nothing is.
    pub proven: Option<ProvenLodging>,
    /// Whether the reply code is that of the complaint; null if none was named or nothing is proven.
    pub reply_code_fits: Option<bool>,
    /// What is wrong; null if nothing is.
    pub problem: Option<String>,
}

/// What a receipt proves.
#[derive(Clone, Debug, Serialize)]
pub struct ProvenLodging {
    /// The federation, as the charter names it.
    pub federation: String,
    /// The agency with which it was lodged.
    pub agency: String,
    /// Its full name in the charter.
    pub agency_name: String,
    /// The complaint's whole id.
    pub complaint: String,
    /// The whole id of the entry that says so.
    pub entry_id: String,
    /// `complaint`, `aspiration` or `information_request`.
    pub kind: String,
    /// Its category code.
    pub category: String,
    /// Its area code.
    pub area: Option<String>,
    /// Of its text: `public`, `confidential` or `identity`.
    pub class: String,
    /// When it was lodged, by the agency's clock.
    pub lodged_at: Option<Timestamp>,
    /// When the agency signed that its ledger holds it.
    pub in_ledger_at: Option<Timestamp>,
    /// The ledger's origin: `<federation>/<agency>/<epoch>`.
    pub ledger: String,
    /// Its place there.
    pub leaf_index: u64,
    /// Leaves of the ledger when the agency signed.
    pub ledger_size: u64,
}

impl ProvenLodging {
    /// What was proven under this charter.
    pub fn of(lodging: &Lodging, charter: &Charter) -> Self {
        let kind = ComplaintKind::try_from(lodging.lodged.kind)
            .map_or_else(|_| lodging.lodged.kind.to_string(), |kind| word(kind.as_str_name(), "COMPLAINT_KIND_"));
        Self {
            federation: charter.federation.clone(),
            agency: lodging.agency.to_string(),
            agency_name: charter.member(&lodging.agency).map(|member| member.name.clone()).unwrap_or_default(),
            complaint: lodging.complaint.to_string(),
            entry_id: lodging.entry.to_string(),
            kind,
            category: lodging.lodged.category.clone(),
            area: present(lodging.lodged.area.clone()),
            class: word(lodging.lodged.class.to_wire().as_str_name(), "CONTENT_CLASS_"),
            lodged_at: moment(lodging.lodged_at),
            in_ledger_at: moment(lodging.in_ledger_at.saturating_mul(1000)),
            ledger: checkpoint::origin(&charter.federation, &lodging.agency, lodging.epoch),
            leaf_index: lodging.index.0,
            ledger_size: lodging.size,
        }
    }
}
