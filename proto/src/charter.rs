//! The charter: the signed directory of the federation, parsed into domain types.
//!
//! Invariants:
//! - a [`Charter`] exists only for a text that is whole: members are unique, parents exist and form no cycle, keys are keys;
//! - it is *trusted* only through [`Charters`]: the first by its pinned hash, every other as the signed successor of the one before, by
//!   the threshold of the old **and** the new managers (the root rule of TUF);
//! - managers are counted, not keys.

mod chain;
mod text;

pub use chain::{CharterTrustError, Charters, Rival};
pub use text::{CharterError, CharterText, ManagerText, MemberKeyText, MemberText};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::checkpoint::CheckpointKeys;
use crate::entry::key_id;
use crate::ids::AgencyId;
use crate::key::{PublicKey, Scheme};
use crate::note::NoteKey;

/// One version of the directory.
#[derive(Clone, Debug)]
pub struct Charter {
    /// Name of the federation: its SPIFFE trust domain.
    pub federation: String,
    /// 1 for the first, then one more each.
    pub version: u64,
    /// SHA-256 of the text.
    pub hash: [u8; 32],
    /// Hash of the version before; `None` for the first.
    pub predecessor: Option<[u8; 32]>,
    /// Valid from, milliseconds since 1970.
    pub valid_from: u64,
    /// Valid until, milliseconds since 1970.
    pub valid_until: u64,
    /// Days after `valid_until` in which nodes still work, and warn.
    pub grace_days: u32,
    /// How many managers must sign.
    pub threshold: usize,
    /// Offers of one complaint from which on the holder's supervisor is alarmed: it goes back and forth.
    pub offers_before_alarm: u32,
    /// Who may sign the charter.
    pub managers: Vec<Manager>,
    members: BTreeMap<AgencyId, Member>,
    /// The members with the oversight flag: asked for with every entry.
    oversight: Vec<AgencyId>,
    note: Vec<u8>,
}

/// One who signs charters; may have several keys and counts once.
#[derive(Clone, Debug)]
pub struct Manager {
    /// Name, unique in the charter.
    pub name: String,
    /// Keys of signed notes.
    pub keys: Vec<NoteKey>,
}

/// One agency of the federation.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its id.
    pub id: AgencyId,
    /// Its full name.
    pub name: String,
    /// Where it stands.
    pub kind: MemberKind,
    /// Its supervisor.
    pub parent: Option<AgencyId>,
    /// Area code, may be empty.
    pub area: String,
    /// Where its node can be dialled, `host:port`.
    pub endpoints: Vec<String>,
    /// DER certificates of the authorities under which its TLS certificate is trusted.
    pub authorities: Vec<Vec<u8>>,
    /// Its keys.
    pub keys: Vec<MemberKey>,
    /// Whether it may audit everybody.
    pub oversight: bool,
    /// Whether it takes part.
    pub status: MemberStatus,
}

/// What kind of agency a member is.
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
    /// Takes part.
    Active,
    /// Finishes what it holds; is offered nothing.
    Suspended,
    /// Has left; its links are closed.
    Retired,
}

/// What a key is for. One key serves one use.
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
    /// What it is for.
    pub key_use: KeyUse,
    /// The public key.
    pub public: PublicKey,
    /// Its name in entries and receipts.
    pub id: u32,
    /// Valid from, milliseconds since 1970.
    pub valid_from: u64,
    /// Valid until, milliseconds since 1970.
    pub valid_until: u64,
}

impl MemberKey {
    /// A key with its id.
    pub fn new(key_use: KeyUse, public: PublicKey, valid_from: u64, valid_until: u64) -> Self {
        let id = key_id(&public);
        Self { key_use, public, id, valid_from, valid_until }
    }

    /// Whether the key was valid at a time, in milliseconds since 1970.
    pub fn valid_at(&self, millis: u64) -> bool {
        (self.valid_from..self.valid_until).contains(&millis)
    }
}

/// SHA-256 of a charter's text: what successors name and nodes pin.
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

    /// The signed note that this charter was read from.
    pub fn note(&self) -> &[u8] {
        &self.note
    }

    /// The entry key of an agency with this key id.
    pub fn entry_key(&self, agency: &AgencyId, id: u32) -> Option<&MemberKey> {
        self.member(agency)?.keys.iter().find(|key| key.key_use == KeyUse::Entry && key.id == id)
    }

    /// The keys under which an agency's checkpoints verify.
    pub fn checkpoint_keys(&self, agency: &AgencyId) -> Option<CheckpointKeys> {
        let member = self.member(agency)?;
        let of = |key_use| {
            member.keys.iter().filter(move |key| key.key_use == key_use).map(|key| key.public.clone()).collect()
        };
        Some(CheckpointKeys { statement: of(KeyUse::Checkpoint), time: of(KeyUse::Time) })
    }

    /// The supervisor of an agency: its parent, and oversight for an agency that has none.
    pub fn supervises(&self, supervisor: &AgencyId, agency: &AgencyId) -> bool {
        match self.member(agency).and_then(|member| member.parent.as_ref()) {
            Some(parent) => parent == supervisor,
            None => supervisor != agency && self.is_oversight(supervisor),
        }
    }

    /// Who supervises an agency: its parent, or oversight.
    pub fn supervisors<'a>(&'a self, agency: &'a AgencyId) -> impl Iterator<Item = &'a AgencyId> {
        let parent = self.parent(agency);
        let oversight = self.oversight.iter().filter(move |id| parent.is_none() && *id != agency);
        parent.into_iter().chain(oversight)
    }

    /// Whether an agency may audit everybody.
    pub fn is_oversight(&self, agency: &AgencyId) -> bool {
        self.member(agency).is_some_and(|member| member.oversight)
    }

    /// The observers of a complaint with these participants: their supervisors, and oversight; without the participants themselves.
    pub fn observers<'a>(&'a self, participants: &'a BTreeSet<AgencyId>) -> BTreeSet<&'a AgencyId> {
        self.observers_of_each(participants).collect()
    }

    /// The same in no order, and some more than once: for whom that makes no difference, and who asks with every entry.
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

    /// The agency's ancestors in the hierarchy, nearest first.
    pub fn ancestors(&self, agency: &AgencyId) -> impl Iterator<Item = &AgencyId> {
        std::iter::successors(self.parent(agency), |parent| self.parent(parent))
    }

    /// The agency's parent.
    pub fn parent(&self, agency: &AgencyId) -> Option<&AgencyId> {
        self.member(agency)?.parent.as_ref()
    }

    /// Members sign by this scheme.
    fn put_under(&mut self, scheme: &Arc<dyn Scheme>) {
        for key in self.members.values_mut().flat_map(|member| &mut member.keys) {
            key.public = key.public.under(scheme);
        }
    }

    /// The managers whose signatures on `note` verify. Each is counted once, however many keys it used.
    pub(crate) fn signers<'a>(&'a self, note: &signed_note::Note) -> Result<BTreeSet<&'a str>, signed_note::NoteError> {
        let keys = self.managers.iter().flat_map(|manager| &manager.keys).collect();
        let verified = match note.verify(&crate::note::KnownKeys(keys)) {
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
