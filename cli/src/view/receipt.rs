//! The documents of a citizen's receipt, for `receipt` and `receipt --verify`.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;
use sinergi_proto::charter::Charter;
use sinergi_proto::citizen::PublicKeyText;
use sinergi_proto::operator_api;
use sinergi_proto::tlog::checkpoint;
use sinergi_proto::transparency::lodging_proof::Lodging;
use sinergi_proto::wire::ComplaintKind;

use super::{complaint_id, key_origin, moment, present, word};

/// The receipt of a complaint.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    /// The complaint's complete id.
    pub complaint: String,
    /// The file that it was written to; null if there is none.
    pub file: Option<PathBuf>,
    /// The receipt (C2SP `tlog-proof`).
    pub receipt: String,
    /// Whether the reply code belongs to the complaint; null if none was given. With a wrong code there is no receipt.
    pub reply_code_fits: Option<bool>,
}

impl Receipt {
    /// Reads the node's answer. `None` if the receipt is not text.
    pub fn read(
        proof: &operator_api::LodgingProof,
        file: Option<PathBuf>,
        reply_code_fits: Option<bool>,
    ) -> Option<Self> {
        let receipt = String::from_utf8(proof.file.clone()).ok()?;
        Some(Self { complaint: complaint_id(&proof.complaint), file, receipt, reply_code_fits })
    }
}

/// The result of checking a receipt.
#[derive(Clone, Debug, Serialize)]
pub struct VerifiedReceipt {
    /// The file of the receipt.
    pub file: PathBuf,
    /// The version of the charter whose keys were used.
    pub charter_version: u64,
    /// That charter's hash.
    pub charter_hash: String,
    /// The proven facts; null if there are none.
    pub proven: Option<ProvenLodging>,
    /// Whether the reply code belongs to the complaint; null if none was given or nothing is proven.
    pub reply_code_fits: Option<bool>,
    /// The problem; null if there is none.
    pub problem: Option<String>,
}

/// The facts that a receipt proves.
#[derive(Clone, Debug, Serialize)]
pub struct ProvenLodging {
    /// The federation, as the charter names it.
    pub federation: String,
    /// The agency where the complaint was lodged.
    pub agency: String,
    /// That agency's full name in the charter.
    pub agency_name: String,
    /// The complaint's complete id.
    pub complaint: String,
    /// The complete id of the `Lodged` entry.
    pub entry_id: String,
    /// `complaint`, `aspiration` or `information_request`.
    pub kind: String,
    /// The category code.
    pub category: String,
    /// The area code.
    pub area: Option<String>,
    /// The class of its text: `public`, `confidential` or `identity`.
    pub class: String,
    /// The key under which the citizen signs words; null if there is none.
    pub citizen_key: Option<String>,
    /// The origin of that key: `device` or `drawn`; null if there is none.
    pub citizen_key_origin: Option<String>,
    /// The time of the lodging, by the agency's clock.
    pub lodged_at: Option<Timestamp>,
    /// The time at which the agency signed that its ledger has the entry. `None`: the receipt shows no time, as while the agency's clock is not
    /// confirmed.
    pub in_ledger_at: Option<Timestamp>,
    /// The ledger's origin: `<federation>/<agency>/<epoch>`.
    pub ledger: String,
    /// The leaf of the entry in that ledger.
    pub leaf_index: u64,
    /// The number of leaves of the ledger when the agency signed.
    pub ledger_size: u64,
}

impl ProvenLodging {
    /// The facts that were proven under this charter.
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
            citizen_key: lodging.lodged.citizen_key.map(|key| PublicKeyText(key.public).to_string()),
            citizen_key_origin: lodging.lodged.citizen_key.and_then(|key| key_origin(key.origin)),
            lodged_at: moment(lodging.lodged_at),
            in_ledger_at: lodging.in_ledger_at.and_then(|seconds| moment(seconds.saturating_mul(1000))),
            ledger: checkpoint::origin(&charter.federation, &lodging.agency, lodging.epoch),
            leaf_index: lodging.index.0,
            ledger_size: lodging.size,
        }
    }
}
