//! The TOML text of a charter, and its parsing into [`Charter`].
//!
//! The raw types (`..Text`) are public because commands write charters with them. All other code works on [`Charter`].
//!
//! Must not know which charter is trusted.
//!
//! Invariants:
//! - every field of a parsed charter is within its limits; an unknown field is refused;
//! - parsing takes linear time, because anybody may send a charter and it is parsed before its signatures are checked.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};

use super::{
    Charter, KeyUse, ListName, Manager, Member, MemberKey, MemberKind, MemberStatus, Revocation, Rules, text_hash,
};
use crate::base::ids::{AgencyId, AgencyIdError};
use crate::base::key::PublicKey;
use crate::base::limits;
use crate::tlog::note::{self, NoteKey, NoteKeyError};

/// A charter as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CharterText {
    /// Name of the federation: its SPIFFE trust domain.
    pub federation: String,
    /// The version, counted from 1.
    pub version: u64,
    /// SHA-256 of the text of the version before, in lower-case hexadecimal digits. Absent in version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<String>,
    /// Start of validity, an RFC 3339 time.
    pub valid_from: String,
    /// End of validity, an RFC 3339 time.
    pub valid_until: String,
    /// Days after `valid_until` in which nodes still work under this charter.
    pub grace_days: u32,
    /// Number of managers who must sign.
    pub threshold: usize,
    /// The member that decides who is competent when others disagree. Absent: an oversight agency does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mediator: Option<AgencyId>,
    /// The numbers by which entries are judged. Absent ones have their default.
    #[serde(default, skip_serializing_if = "RulesText::is_default")]
    pub rules: RulesText,
    /// The managers, who may sign the charter.
    #[serde(default)]
    pub manager: Vec<ManagerText>,
    /// The agencies.
    #[serde(default)]
    pub member: Vec<MemberText>,
    /// The revoked keys, of this and all earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revocation: Vec<RevocationText>,
}

/// The revocation of some keys of an agency, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationText {
    /// The agency.
    pub agency: AgencyId,
    /// The revoked keys: base64 of their 32 bytes.
    pub keys: Vec<String>,
    /// SHA-256 of the list of what stays trusted under them, in lower-case hexadecimal digits.
    pub list: String,
    /// The length of that list in bytes.
    pub list_bytes: usize,
}

/// The numbers by which entries are judged, as they are written. Absent: the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesText {
    /// Longest time to answer an offer, 1 to 366 days. Default: [`limits::ANSWER_BY_DAYS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_by_days: Option<u32>,
    /// Working days of the citizen's silence before a case may be closed, 1 to 366. Default: [`limits::SILENCE_WORKING_DAYS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence_working_days: Option<u32>,
    /// Number of offers of one complaint that raises an alarm, 2 to 100. Default: [`limits::OFFERS_BEFORE_MEDIATION`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offers_before_mediation: Option<u32>,
}

impl RulesText {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    fn parse(&self) -> Result<Rules, CharterError> {
        let within = |name: &'static str, value: Option<u32>, range: RangeInclusive<u32>, default: u32| {
            let value = value.unwrap_or(default);
            match range.contains(&value) {
                true => Ok(value),
                false => Err(field(name, format!("{value}, must be {} to {}", range.start(), range.end()))),
            }
        };
        let default = Rules::default();
        Ok(Rules {
            answer_by_days: within("rules.answer_by_days", self.answer_by_days, 1..=366, default.answer_by_days)?,
            silence_working_days: within(
                "rules.silence_working_days",
                self.silence_working_days,
                1..=366,
                default.silence_working_days,
            )?,
            offers_before_mediation: within(
                "rules.offers_before_mediation",
                self.offers_before_mediation,
                2..=100,
                default.offers_before_mediation,
            )?,
        })
    }
}

/// A manager as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagerText {
    /// Name, unique in the charter.
    pub name: String,
    /// Verifier keys of signed notes, `name+hex(key id)+base64(type || public key)`.
    pub keys: Vec<String>,
}

/// A member as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberText {
    /// The agency's id.
    pub id: AgencyId,
    /// Full name, for people.
    pub name: String,
    /// The kind of agency.
    pub kind: MemberKind,
    /// The agency above it, which supervises it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<AgencyId>,
    /// Area code.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub area: String,
    /// The addresses of its node, `host:port`.
    #[serde(default)]
    pub endpoints: Vec<String>,
    /// Whether it may audit everybody.
    #[serde(default)]
    pub oversight: bool,
    /// Whether it takes part.
    pub status: MemberStatus,
    /// The certificate authorities that count for it alone: base64 of their DER certificates.
    pub authorities: Vec<String>,
    /// Its keys.
    #[serde(default)]
    pub key: Vec<MemberKeyText>,
}

/// A member's key as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberKeyText {
    /// The use of the key.
    #[serde(rename = "use")]
    pub key_use: KeyUse,
    /// The public key: base64 of its 32 bytes.
    pub public: String,
    /// Start of validity, an RFC 3339 time.
    pub valid_from: String,
    /// End of validity, an RFC 3339 time.
    pub valid_until: String,
}

/// The reason why a note is no charter.
#[derive(Debug, thiserror::Error)]
pub enum CharterError {
    /// The bytes are no signed note, or too many.
    #[error("the charter is no signed note of at most {limit} bytes: {0}", limit = limits::CHARTER_BYTES)]
    Note(#[from] signed_note::NoteError),
    /// The text is not UTF-8.
    #[error("the charter's text is not UTF-8")]
    NotUtf8,
    /// The text is no TOML, or has a missing, unknown or mistyped field. The message names line and field.
    #[error("the charter's text: {0}")]
    Toml(#[from] toml::de::Error),
    /// A field has a value that is not allowed.
    #[error("charter field {field}: {problem}")]
    Field {
        /// The field, with the member or manager to which it belongs.
        field: String,
        /// The value and the bound that it breaks.
        problem: String,
    },
}

fn field(field: impl Into<String>, problem: impl Into<String>) -> CharterError {
    CharterError::Field { field: field.into(), problem: problem.into() }
}

impl Charter {
    /// Parses a charter without checking a signature. [`super::Charters`] checks them.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(note_bytes: &[u8]) -> Result<Self, CharterError> {
        let note = note::read(note_bytes)?;
        let text = std::str::from_utf8(note.text()).map_err(|_| CharterError::NotUtf8)?;
        Self::parse_text(text, note_bytes)
    }

    pub(super) fn parse_text(text: &str, note: &[u8]) -> Result<Self, CharterError> {
        let raw: CharterText = toml::from_str(text)?;
        check_federation(&raw.federation)?;
        if raw.version == 0 || (raw.version == 1) != raw.predecessor.is_none() {
            return Err(field("version", "counts from 1, and every version but the first names its predecessor"));
        }
        let predecessor = raw.predecessor.as_deref().map(|text| parse_hash("predecessor", text)).transpose()?;
        let valid_from = parse_time("valid_from", &raw.valid_from)?;
        let valid_until = parse_time("valid_until", &raw.valid_until)?;
        if valid_from >= valid_until {
            return Err(field("valid_until", format!("{:?} is not after valid_from", raw.valid_until)));
        }
        let managers = parse_managers(&raw.manager)?;
        if raw.threshold == 0 || raw.threshold > managers.len() {
            return Err(field("threshold", format!("{} of {} managers", raw.threshold, managers.len())));
        }
        let rules = raw.rules.parse()?;
        let members = parse_members(raw.member)?;
        let revocations = parse_revocations(&raw.revocation, &members)?;
        check_mediator(raw.mediator.as_ref(), &members)?;
        let oversees = |member: &&Member| member.oversight && member.status != MemberStatus::Retired;
        let oversight = members.values().filter(oversees).map(|member| member.id.clone()).collect();
        Ok(Self {
            federation: raw.federation,
            version: raw.version,
            hash: text_hash(text.as_bytes()),
            predecessor,
            valid_from,
            valid_until,
            grace_days: raw.grace_days,
            threshold: raw.threshold,
            mediator: raw.mediator,
            rules,
            managers,
            revocations,
            members,
            oversight,
            note: note.to_vec(),
            scheme: None,
        })
    }
}

fn check_federation(name: &str) -> Result<(), CharterError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    if name.is_empty() || name.len() > limits::FEDERATION_BYTES || !name.bytes().all(allowed) {
        return Err(field("federation", format!("{name:?} is no SPIFFE trust domain (1 to 255 of a-z 0-9 . - _)")));
    }
    Ok(())
}

fn parse_hash(name: &str, text: &str) -> Result<[u8; 32], CharterError> {
    HEXLOWER
        .decode(text.as_bytes())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| field(name, format!("{text:?} is not 64 lower-case hex digits")))
}

/// Parses the base64 of a public key.
fn parse_key(name: &str, text: &str) -> Result<PublicKey, CharterError> {
    let bytes = BASE64.decode(text.as_bytes()).ok();
    let key = bytes.and_then(|bytes| PublicKey::try_from(bytes.as_slice()).ok());
    key.ok_or_else(|| field(name, format!("{text:?} is no base64 of an Ed25519 public key")))
}

fn parse_time(name: &str, text: &str) -> Result<u64, CharterError> {
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|_| field(name, format!("{text:?} is no RFC 3339 time, as in \"2026-01-01T00:00:00Z\"")))?;
    u64::try_from(time.as_millisecond()).map_err(|_| field(name, format!("{text:?} is before 1970")))
}

fn parse_managers(raw: &[ManagerText]) -> Result<Vec<Manager>, CharterError> {
    let mut names = BTreeSet::new();
    let mut keys = BTreeSet::new();
    let mut managers = Vec::new();
    for manager in raw {
        if manager.name.is_empty() || !names.insert(&manager.name) {
            return Err(field(format!("manager {:?}", manager.name), "name is empty or stands twice"));
        }
        let parsed: Result<Vec<_>, NoteKeyError> = manager.keys.iter().map(|key| NoteKey::parse(key)).collect();
        let parsed = parsed.map_err(|error| field(format!("manager {:?}", manager.name), error.to_string()))?;
        if parsed.is_empty() {
            return Err(field(format!("manager {:?}", manager.name), "has no key"));
        }
        // The key itself is compared and not its text. Otherwise one key under two names would count as two managers.
        if let Some(twice) = parsed.iter().find(|key| !keys.insert(<[u8; 32]>::from(key.public()))) {
            return Err(field(format!("manager {:?}", manager.name), format!("key {twice} stands twice")));
        }
        managers.push(Manager { name: manager.name.clone(), keys: parsed });
    }
    Ok(managers)
}

fn parse_members(raw: Vec<MemberText>) -> Result<BTreeMap<AgencyId, Member>, CharterError> {
    if raw.len() > limits::MEMBERS {
        return Err(field("member", format!("{} members, at most {}", raw.len(), limits::MEMBERS)));
    }
    let mut members = BTreeMap::new();
    let mut keys = BTreeMap::new();
    for member in raw {
        let member = parse_member(member)?;
        for key in &member.keys {
            let bytes: [u8; 32] = (&key.public).into();
            if let Some(other) = keys.insert(bytes, member.id.clone()) {
                let problem = format!("one key serves two uses, or two members (also {other}): keys must differ");
                return Err(field(format!("member {}", member.id), problem));
            }
        }
        let id = member.id.clone();
        if members.insert(id.clone(), member).is_some() {
            return Err(field(format!("member {id}"), "stands twice"));
        }
    }
    check_parents(&members)?;
    Ok(members)
}

/// Parses the revoked keys. A member may not have one of them any more, and each is revoked once, so that one list decides.
fn parse_revocations(
    raw: &[RevocationText],
    members: &BTreeMap<AgencyId, Member>,
) -> Result<Vec<Revocation>, CharterError> {
    let held = members.values().flat_map(|member| &member.keys).map(|key| <[u8; 32]>::from(&key.public));
    let held: BTreeSet<[u8; 32]> = held.collect();
    let mut revoked = BTreeSet::new();
    let mut revocations = Vec::new();
    for RevocationText { agency, keys, list, list_bytes } in raw {
        let of = |name: &str| format!("revocation of {agency}: {name}");
        if keys.is_empty() {
            return Err(field(of("keys"), "names no key"));
        }
        let keys: Vec<PublicKey> = keys.iter().map(|key| parse_key(&of("keys"), key)).collect::<Result<_, _>>()?;
        for key in keys.iter().map(<[u8; 32]>::from) {
            if held.contains(&key) {
                return Err(field(of("keys"), format!("{} is still a key of a member", BASE64.encode(&key))));
            }
            if !revoked.insert(key) {
                return Err(field(of("keys"), format!("{} stands twice", BASE64.encode(&key))));
            }
        }
        if !(1..=limits::TRUSTED_LIST_BYTES).contains(list_bytes) {
            let problem = format!("{list_bytes}, must be 1 to {}", limits::TRUSTED_LIST_BYTES);
            return Err(field(of("list_bytes"), problem));
        }
        let list = ListName { hash: parse_hash(&of("list"), list)?, bytes: *list_bytes };
        revocations.push(Revocation { agency: agency.clone(), keys, list });
    }
    Ok(revocations)
}

fn check_mediator(mediator: Option<&AgencyId>, members: &BTreeMap<AgencyId, Member>) -> Result<(), CharterError> {
    let is_active = |id: &AgencyId| members.get(id).is_some_and(|member| member.status == MemberStatus::Active);
    match mediator.filter(|id| !is_active(id)) {
        Some(id) => Err(field("mediator", format!("{id} is no active member"))),
        None => Ok(()),
    }
}

fn parse_member(raw: MemberText) -> Result<Member, CharterError> {
    let of = |name: &str| format!("member {}: {name}", raw.id);
    let authorities: Result<Vec<_>, _> = raw.authorities.iter().map(|text| BASE64.decode(text.as_bytes())).collect();
    let authorities = authorities.map_err(|error| field(of("authorities"), format!("no base64: {error}")))?;
    let mut keys = Vec::new();
    for key in &raw.key {
        let public = parse_key(&of("key"), &key.public)?;
        let valid_from = parse_time(&of("key valid_from"), &key.valid_from)?;
        let valid_until = parse_time(&of("key valid_until"), &key.valid_until)?;
        if valid_from >= valid_until {
            return Err(field(of("key valid_until"), format!("{:?} is not after valid_from", key.valid_until)));
        }
        keys.push(MemberKey::new(key.key_use, public, valid_from, valid_until));
    }
    if raw.name.is_empty() || raw.name.len() > limits::TITLE_BYTES || raw.name.chars().any(char::is_control) {
        return Err(field(of("name"), format!("must be 1 to {} bytes, printable", limits::TITLE_BYTES)));
    }
    if raw.area.len() > limits::AREA_BYTES {
        return Err(field(of("area"), format!("{} bytes, at most {}", raw.area.len(), limits::AREA_BYTES)));
    }
    Ok(Member {
        id: raw.id,
        name: raw.name,
        kind: raw.kind,
        parent: raw.parent,
        area: raw.area,
        endpoints: raw.endpoints,
        authorities,
        keys,
        oversight: raw.oversight,
        status: raw.status,
    })
}

/// Checks that every parent exists and that no agency is its own ancestor. Visits each member once, so a hostile charter costs no more time
/// than an honest one.
fn check_parents(members: &BTreeMap<AgencyId, Member>) -> Result<(), CharterError> {
    let mut checked = BTreeSet::new();
    for member in members.values() {
        let mut above = BTreeSet::new();
        let mut at = member;
        while !checked.contains(&at.id) {
            if !above.insert(&at.id) {
                return Err(field(format!("member {}: parent", member.id), "the parents form a cycle"));
            }
            let Some(parent) = &at.parent else { break };
            at = members
                .get(parent)
                .ok_or_else(|| field(format!("member {}: parent", at.id), format!("{parent} is no member")))?;
        }
        checked.append(&mut above);
    }
    Ok(())
}

impl From<AgencyIdError> for CharterError {
    fn from(error: AgencyIdError) -> Self {
        field("id", error.to_string())
    }
}
