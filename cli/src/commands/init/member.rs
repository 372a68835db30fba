//! `member.toml`: the block about a new node, ready to be added to the charter.
//!
//! Invariants: it has only public keys, and it parses as an element of the charter's text.

use clap::{Args, ValueEnum};
use data_encoding::BASE64;
use jiff::Timestamp;
use serde::Serialize;
use sinergi_daemon::storage::keys::SigningKeys;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::charter::{KeyUse, MemberKeyText, MemberKind, MemberStatus, MemberText};

use super::InitArgs;
use crate::pki::Authority;

const SECONDS_A_DAY: i64 = 86_400;
/// Days that the signing keys are valid: five years.
const KEY_DAYS: i64 = 1826;

/// Facts about an agency for the charter, apart from its names and keys.
#[derive(Args, Clone, Debug, Default)]
pub struct MemberDetails {
    /// The agency's full name, for the charter [default: its id]
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// The kind of agency, for the charter [default: by its id, as in kota-…, kab-…, prov-…, kemen…]
    #[arg(long, value_enum)]
    pub kind: Option<Kind>,
    /// The agency's supervisor, for the charter
    #[arg(long, value_name = "ID")]
    pub parent: Option<AgencyId>,
    /// The agency's area code, for the charter
    #[arg(long, value_name = "CODE")]
    pub area: Option<String>,
    /// Make it an oversight agency, which may audit everybody, in the charter
    #[arg(long)]
    pub oversight: bool,
}

/// Kinds of agencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Kementerian
    Ministry,
    /// Lembaga
    Institution,
    /// Provinsi
    Province,
    /// Kabupaten
    Regency,
    /// Kota
    City,
}

impl Kind {
    /// The kind that an id suggests.
    fn suggested(agency: &AgencyId) -> Self {
        let suggestions =
            [("kota-", Self::City), ("kab-", Self::Regency), ("prov-", Self::Province), ("kemen", Self::Ministry)];
        let fits = |(prefix, _): &&(&str, Self)| agency.as_str().starts_with(prefix);
        suggestions.iter().find(fits).map_or(Self::Institution, |(_, kind)| *kind)
    }
}

impl From<Kind> for MemberKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Ministry => Self::Ministry,
            Kind::Institution => Self::Institution,
            Kind::Province => Self::Province,
            Kind::Regency => Self::Regency,
            Kind::City => Self::City,
        }
    }
}

#[derive(Serialize)]
struct MemberFile {
    member: [MemberText; 1],
}

/// The text of `member.toml`.
pub(super) fn render(args: &InitArgs, keys: &SigningKeys, authority: Option<&Authority>, now: Timestamp) -> String {
    // Valid from yesterday's midnight on, so that a peer whose clock is behind accepts entries of the node's first minute.
    let from = now.as_second() - now.as_second().rem_euclid(SECONDS_A_DAY) - SECONDS_A_DAY;
    let at = |seconds| Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX).to_string();
    let key = |key_use, key: &SigningKey| MemberKeyText {
        key_use,
        public: BASE64.encode(key.verification_key().as_ref()),
        valid_from: at(from),
        valid_until: at(from + KEY_DAYS * SECONDS_A_DAY),
    };
    let details = &args.member;
    let member = MemberText {
        id: args.agency.clone(),
        name: details.name.clone().unwrap_or_else(|| args.agency.to_string()),
        kind: details.kind.unwrap_or_else(|| Kind::suggested(&args.agency)).into(),
        parent: details.parent.clone(),
        area: details.area.clone().unwrap_or_default(),
        endpoints: args.endpoints.iter().map(ToString::to_string).collect(),
        oversight: details.oversight,
        status: MemberStatus::Active,
        authorities: authority.map(|authority| BASE64.encode(authority.certificate_der())).into_iter().collect(),
        key: vec![
            key(KeyUse::Entry, &keys.entry),
            key(KeyUse::Checkpoint, &keys.checkpoint),
            key(KeyUse::Time, &keys.time),
        ],
    };
    let text = toml::to_string(&MemberFile { member: [member] }).expect("texts, lists and tables are TOML");
    format!("# What the charter of {} says about {}: for its managers.\n{text}", args.federation, args.agency)
}
