//! The charter: the signed directory of the federation, parsed into domain types.
//!
//! Must not know entries or complaints.
//!
//! Invariants:
//! - a [`Charter`] exists only for a valid text: members are unique, parents exist and form no cycle, all keys are valid;
//! - a charter is *trusted* only through [`Charters`]. The first is trusted by its pinned hash. Each later one is trusted as the
//!   successor of the one before, signed by the threshold of the old **and** of the new managers (as the root role of TUF);
//! - managers are counted, not keys;
//! - a revoked key never counts again, except for what its [`TrustedList`] names.

mod chain;
mod revocation;
mod text;
mod trust;
mod trusted_list;

pub use chain::{CharterTrustError, Charters, Rival};
pub use revocation::{ListName, Revocation, RevocationError};
pub use text::{CharterError, CharterText, ManagerText, MemberKeyText, MemberText, RevocationText, RulesText};
pub use trusted_list::{Anchor, TrustedList, TrustedListDraft, TrustedListError};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::base::ids::AgencyId;
use crate::base::key::{PublicKey, Scheme, key_id};
use crate::base::limits;
use crate::entry::CharterName;
use crate::tlog::checkpoint::CheckpointKeys;
use crate::tlog::note::NoteKey;

/// One version of the charter.
#[derive(Clone, Debug)]
pub struct Charter {
    /// Name of the federation: its SPIFFE trust domain.
    pub federation: String,
    /// The version, counted from 1.
    pub version: u64,
    /// SHA-256 of the text.
    pub hash: [u8; 32],
    /// Hash of the version before; `None` for the first.
    pub predecessor: Option<[u8; 32]>,
    /// Start of validity, in milliseconds since 1970.
    pub valid_from: u64,
    /// End of validity, in milliseconds since 1970.
    pub valid_until: u64,
    /// Days after `valid_until` in which nodes still work under this charter, and warn.
    pub grace_days: u32,
    /// Number of managers who must sign.
    pub threshold: usize,
    /// The member that decides who is competent when others disagree. `None`: an oversight agency does.
    pub mediator: Option<AgencyId>,
    /// The numbers by which entries that name this charter are judged.
    pub rules: Rules,
    /// The managers, who may sign the charter.
    pub managers: Vec<Manager>,
    /// The revoked keys, of this and all earlier versions.
    pub revocations: Vec<Revocation>,
    members: BTreeMap<AgencyId, Member>,
    /// The members with the oversight flag that are not retired. Kept as a list because every routed entry needs them.
    oversight: Vec<AgencyId>,
    note: Vec<u8>,
    scheme: Option<Arc<dyn Scheme>>,
}

/// The numbers by which entries are judged. All nodes share them, because they are part of the charter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Rules {
    /// Longest time that an addressee may be given to answer an offer, in days.
    pub answer_by_days: u32,
    /// Working days of the citizen's silence after an answer before the case may be closed by silence.
    pub silence_working_days: u32,
    /// With so many offers a complaint goes back and forth: its holder and the holder's supervisor get an alarm.
    pub offers_before_mediation: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            answer_by_days: limits::ANSWER_BY_DAYS,
            silence_working_days: limits::SILENCE_WORKING_DAYS,
            offers_before_mediation: limits::OFFERS_BEFORE_MEDIATION,
        }
    }
}

/// A calendar day, in milliseconds. A working day takes at least so long.
const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;

impl Rules {
    /// Longest time that an addressee may be given to answer an offer, in milliseconds.
    pub fn answer_by_millis(self) -> u64 {
        u64::from(self.answer_by_days) * DAY_MILLIS
    }

    /// Shortest silence of the citizen before the case may be closed by silence, in milliseconds. Calendar days are counted, because the charter
    /// carries no calendar of working days yet.
    pub fn silence_millis(self) -> u64 {
        u64::from(self.silence_working_days) * DAY_MILLIS
    }
}

/// A person or agency that signs charters. A manager with several keys counts once.
#[derive(Clone, Debug)]
pub struct Manager {
    /// Name, unique in the charter.
    pub name: String,
    /// The manager's keys.
    pub keys: Vec<NoteKey>,
}

/// One agency of the federation.
#[derive(Clone, Debug)]
pub struct Member {
    /// The agency's id.
    pub id: AgencyId,
    /// The full name, for people.
    pub name: String,
    /// The kind of agency.
    pub kind: MemberKind,
    /// The agency above it, which supervises it. `None`: the oversight agencies supervise it.
    pub parent: Option<AgencyId>,
    /// Area code, may be empty.
    pub area: String,
    /// The addresses at which its node can be dialled, `host:port`. Empty if it only dials out.
    pub endpoints: Vec<String>,
    /// DER certificates of the certificate authorities that count for this member alone.
    pub authorities: Vec<Vec<u8>>,
    /// Its keys, for all uses.
    pub keys: Vec<MemberKey>,
    /// Whether it may audit everybody.
    pub oversight: bool,
    /// Whether it takes part.
    pub status: MemberStatus,
}

/// The kind of an agency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberKind {
    /// Kementerian.
    Ministry,
    /// Lembaga.
    Institution,
    /// Provinsi.
    Province,
    /// Kabupaten.
    Regency,
    /// Kota.
    City,
}

/// Whether a member takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberStatus {
    /// It takes part.
    Active,
    /// It finishes the complaints that it holds. No complaint is offered to it.
    Suspended,
    /// It has left the federation. Its links are closed.
    Retired,
}

/// The use of a key. One key has one use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyUse {
    /// Signs entries and receipts.
    Entry,
    /// Signs checkpoints.
    Checkpoint,
    /// Cosigns the time of checkpoints.
    Time,
}

/// A key of a member.
#[derive(Clone, Debug)]
pub struct MemberKey {
    /// The use of the key.
    pub key_use: KeyUse,
    /// The public key.
    pub public: PublicKey,
    /// The [number](key_id) that names the key in entries and receipts.
    pub id: u32,
    /// Start of validity, in milliseconds since 1970.
    pub valid_from: u64,
    /// End of validity (exclusive), in milliseconds since 1970.
    pub valid_until: u64,
}

impl MemberKey {
    /// The key, with its id computed.
    pub fn new(key_use: KeyUse, public: PublicKey, valid_from: u64, valid_until: u64) -> Self {
        let id = key_id(&public);
        Self { key_use, public, id, valid_from, valid_until }
    }

    /// Whether the key is valid at a time, in milliseconds since 1970.
    pub fn valid_at(&self, millis: u64) -> bool {
        (self.valid_from..self.valid_until).contains(&millis)
    }
}

/// SHA-256 of a charter's text. The successor names this hash, and nodes pin it for the first charter.
pub fn text_hash(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

impl Charter {
    /// The member with this id.
    pub fn member(&self, agency: &AgencyId) -> Option<&Member> {
        self.members.get(agency)
    }

    /// All members, in the order of their ids.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// The time after which offers under this charter have no effect: the end of its validity and of the days of grace, in milliseconds since 1970.
    pub fn offers_end(&self) -> u64 {
        self.valid_until.saturating_add(u64::from(self.grace_days) * DAY_MILLIS)
    }

    /// The time until which powers of earlier charters last, in milliseconds since 1970. `None` if that is after the end of time.
    pub(crate) fn powers_end(&self) -> Option<u64> {
        let after = u64::try_from(limits::POWER_ENDS_AFTER.as_millis()).ok()?;
        self.valid_from.checked_add(after)
    }

    /// The name of this charter in entries.
    pub fn name(&self) -> CharterName {
        let first = self.hash.first_chunk().expect("a hash has 32 bytes");
        CharterName { version: self.version, hash: u64::from_be_bytes(*first) }
    }

    /// The signed note that this charter was read from.
    pub fn note(&self) -> &[u8] {
        &self.note
    }

    /// The entry key of an agency with this key id.
    pub fn entry_key(&self, agency: &AgencyId, id: u32) -> Option<&MemberKey> {
        self.member(agency)?.keys.iter().find(|key| key.key_use == KeyUse::Entry && key.id == id)
    }

    /// The keys under which an agency's checkpoints verify. `None` for an agency that is no member.
    pub fn checkpoint_keys(&self, agency: &AgencyId) -> Option<CheckpointKeys> {
        let member = self.member(agency)?;
        let of = |key_use| {
            member.keys.iter().filter(move |key| key.key_use == key_use).map(|key| key.public.clone()).collect()
        };
        Some(CheckpointKeys { statement: of(KeyUse::Checkpoint), time: of(KeyUse::Time) })
    }

    /// Whether an agency supervises another: it is the parent of the other. Oversight supervises an agency without a parent.
    pub fn supervises(&self, supervisor: &AgencyId, agency: &AgencyId) -> bool {
        match self.member(agency).and_then(|member| member.parent.as_ref()) {
            Some(parent) => parent == supervisor,
            None => supervisor != agency && self.is_oversight(supervisor),
        }
    }

    /// The supervisors of an agency: its parent, or all oversight agencies if it has no parent.
    pub fn supervisors<'a>(&'a self, agency: &'a AgencyId) -> impl Iterator<Item = &'a AgencyId> {
        let parent = self.parent(agency);
        let oversight = self.oversight.iter().filter(move |id| parent.is_none() && *id != agency);
        parent.into_iter().chain(oversight)
    }

    /// Whether an agency may audit everybody. A retired agency may not.
    pub fn is_oversight(&self, agency: &AgencyId) -> bool {
        self.oversight.contains(agency)
    }

    /// The observers of a complaint with these participants: the parents of the participants, and the oversight agencies. Participants and
    /// retired members are left out.
    pub fn observers<'a>(&'a self, participants: &'a BTreeSet<AgencyId>) -> BTreeSet<&'a AgencyId> {
        self.observers_of_each(participants).collect()
    }

    /// Like [`Self::observers`], but unordered and possibly duplicated. Avoids an allocation for every routed entry.
    pub(crate) fn observers_of_each<'a>(
        &'a self,
        participants: &'a BTreeSet<AgencyId>,
    ) -> impl Iterator<Item = &'a AgencyId> {
        let supervisors = participants.iter().filter_map(|agency| self.parent(agency));
        supervisors
            .chain(&self.oversight)
            .filter(|agency| !participants.contains(*agency))
            .filter(|agency| self.member(agency).is_some_and(|member| member.status != MemberStatus::Retired))
    }

    /// The ancestors of an agency in the hierarchy, nearest first.
    pub fn ancestors(&self, agency: &AgencyId) -> impl Iterator<Item = &AgencyId> {
        std::iter::successors(self.parent(agency), |parent| self.parent(parent))
    }

    /// The agency's parent.
    pub fn parent(&self, agency: &AgencyId) -> Option<&AgencyId> {
        self.member(agency)?.parent.as_ref()
    }

    /// The scheme by which members sign in a simulation. `None` is Ed25519.
    pub(crate) fn scheme(&self) -> Option<&Arc<dyn Scheme>> {
        self.scheme.as_ref()
    }

    /// Makes the members sign by this scheme.
    fn put_under(&mut self, scheme: &Arc<dyn Scheme>) {
        self.scheme = Some(Arc::clone(scheme));
        for key in self.members.values_mut().flat_map(|member| &mut member.keys) {
            key.public = key.public.under(scheme);
        }
    }

    /// The names of the managers whose signatures on `note` verify. A manager with several signatures is named once.
    pub(crate) fn signers<'a>(&'a self, note: &signed_note::Note) -> Result<BTreeSet<&'a str>, signed_note::NoteError> {
        let keys = self.managers.iter().flat_map(|manager| &manager.keys).collect();
        let verified = match note.verify(&crate::tlog::note::KnownKeys(keys)) {
            Ok((verified, _)) => verified,
            Err(signed_note::NoteError::UnverifiedNote) => Vec::new(),
            Err(error) => return Err(error),
        };
        let signed = |manager: &&Manager| {
            let has = |key: &NoteKey| {
                verified.iter().any(|line| line.name() == key.name() && line.id() == signed_note::Verifier::key_id(key))
            };
            manager.keys.iter().any(has)
        };
        Ok(self.managers.iter().filter(signed).map(|manager| manager.name.as_str()).collect())
    }
}

#[cfg(test)]
mod tests;
