//! Revoked keys: which signatures under them still count.
//!
//! A charter revokes a key for all time: also for what was signed before. Only what its [`TrustedList`] names stays trusted. So a thief gains nothing
//! by an old date, and an agency that reports its key stolen cannot take back what others have seen.
//!
//! Must not know entries, receipts or checkpoints beyond their hashes.
//!
//! Invariant: a revoked key stays revoked in every later charter. A later charter may name another list for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::HEXLOWER;

use super::{Charter, Charters, KeyUse, TrustedList};
use crate::base::ids::{AgencyId, EntryId};
use crate::base::key::{PublicKey, key_id};
use crate::tlog::checkpoint::{Checkpoint, CheckpointError, CheckpointKeys};

/// The revocation of some keys of an agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The agency.
    pub agency: AgencyId,
    /// The revoked keys, of any use.
    pub keys: Vec<PublicKey>,
    /// The list of what stays trusted under them.
    pub list: ListName,
}

/// The name of a [`TrustedList`] in a charter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListName {
    /// SHA-256 of its text.
    pub hash: [u8; 32],
    /// The length of its text.
    pub bytes: usize,
}

impl std::fmt::Display for ListName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", HEXLOWER.encode(&self.hash), self.bytes)
    }
}

/// The reason why the revocations of a charter cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    /// A key that was revoked before is not revoked any more.
    #[error("key {key:08x} of {agency} was revoked before, and a revoked key stays revoked")]
    TakenBack {
        /// The agency.
        agency: AgencyId,
        /// The [number](key_id) of the key.
        key: u32,
    },
    /// No earlier charter lists the key.
    #[error("key {key:08x} is revoked, and no earlier version lists it for {agency}")]
    UnknownKey {
        /// The agency.
        agency: AgencyId,
        /// The [number](key_id) of the key.
        key: u32,
    },
    /// Two keys of a member have one number, so an entry could be by either.
    #[error("{agency} gets another key with the number {key:08x}, which an earlier key has: make a new one")]
    SameNumber {
        /// The member.
        agency: AgencyId,
        /// The [number](key_id) of both keys.
        key: u32,
    },
    /// The list is about other keys, or of another federation.
    #[error("the list of trusted entries {list} is not about the revoked keys of {agency}")]
    OtherList {
        /// The agency.
        agency: AgencyId,
        /// The list.
        list: ListName,
    },
}

/// A revoked key with what stays trusted under it.
#[derive(Clone, Debug)]
struct Revoked {
    key: PublicKey,
    id: u32,
    list: TrustedList,
}

/// The revoked keys of all agencies.
#[derive(Clone, Debug, Default)]
pub(super) struct RevokedKeys(BTreeMap<AgencyId, Vec<Revoked>>);

impl RevokedKeys {
    /// The revoked keys of a charter. `list` gives the lists that are here.
    ///
    /// # Errors
    /// The first list that is not here, or [`RevocationError::OtherList`].
    pub(super) fn of(
        charter: &Charter,
        list: impl Fn(&ListName) -> Option<TrustedList>,
    ) -> Result<Self, Result<ListName, RevocationError>> {
        let mut revoked: BTreeMap<AgencyId, Vec<Revoked>> = BTreeMap::new();
        for Revocation { agency, keys, list: name } in &charter.revocations {
            let list = list(name).ok_or(Ok(*name))?;
            let is_about = |key: &PublicKey| list.keys().contains(&<[u8; 32]>::from(key));
            let is_of_agency = list.agency() == agency && list.federation() == charter.federation;
            if !is_of_agency || !keys.iter().all(is_about) {
                return Err(Err(RevocationError::OtherList { agency: agency.clone(), list: *name }));
            }
            let of_agency = revoked.entry(agency.clone()).or_default();
            of_agency.extend(keys.iter().map(|key| Revoked { key: key.clone(), id: key_id(key), list: list.clone() }));
        }
        Ok(Self(revoked))
    }

    fn with_id(&self, agency: &AgencyId, id: u32) -> Option<&Revoked> {
        self.0.get(agency)?.iter().find(|revoked| revoked.id == id)
    }

    fn of_agency(&self, agency: &AgencyId) -> &[Revoked] {
        self.0.get(agency).map(Vec::as_slice).unwrap_or_default()
    }
}

impl Charters {
    /// Whether an agency disputes an entry that is signed by its key with this number: the key is revoked, and the list of what stays trusted does not
    /// name the entry. Such an entry proves nothing.
    pub fn disputes_entry(&self, author: &AgencyId, key_id: u32, entry: &EntryId) -> bool {
        self.revoked.with_id(author, key_id).is_some_and(|revoked| !revoked.list.has_entry(entry))
    }

    /// Like [`Self::disputes_entry`], for a receipt by its [id](crate::receipt::receipt_id). The receipt's signature covers the checkpoint in it, so it
    /// does not matter whether the key of the checkpoint is revoked.
    pub fn disputes_receipt(&self, receiver: &AgencyId, key_id: u32, receipt: &[u8; 32]) -> bool {
        self.revoked.with_id(receiver, key_id).is_some_and(|revoked| !revoked.list.has_receipt(receipt))
    }

    /// Whether a key of an agency is revoked.
    pub fn is_revoked(&self, agency: &AgencyId, key: &PublicKey) -> bool {
        self.revoked.of_agency(agency).iter().any(|revoked| revoked.key == *key)
    }

    /// Whether any key of the agency is revoked.
    pub fn has_revoked(&self, agency: &AgencyId) -> bool {
        !self.revoked.of_agency(agency).is_empty()
    }

    /// The agencies with revoked keys.
    pub fn revoked_agencies(&self) -> impl Iterator<Item = &AgencyId> {
        self.revoked.0.keys()
    }

    /// The keys under which an agency's checkpoints count: those that any version lists and that are not revoked. `None` for an agency that was
    /// never a member.
    pub fn checkpoint_keys(&self, agency: &AgencyId) -> Option<CheckpointKeys> {
        let mut keys = self.checkpoint_keys_until(agency, u64::MAX)?;
        let is_good = |key: &PublicKey| !self.is_revoked(agency, key);
        keys.statement.retain(is_good);
        keys.time.retain(is_good);
        Some(keys)
    }

    /// Opens a checkpoint of an agency. One under a revoked key counts only if it is an anchor of the list that goes with the key. The time of such an
    /// anchor does not count.
    ///
    /// # Errors
    /// When the agency never was a member, the note does not verify, or it does not count.
    pub fn open_checkpoint(&self, note: &[u8], agency: &AgencyId) -> Result<Checkpoint, CheckpointError> {
        let federation = &self.newest().federation;
        let trusted = self.checkpoint_keys(agency).ok_or_else(|| CheckpointError::Stranger(agency.clone()))?;
        let opened = Checkpoint::open(note, federation, agency, &trusted);
        if opened.is_ok() || !self.has_revoked(agency) {
            return opened;
        }
        let by_any_key = self.open_by_any_key(note, agency)?;
        if self.is_anchor(agency, &by_any_key) {
            return Ok(Checkpoint { seconds: None, ..by_any_key });
        }
        opened
    }

    /// Opens a checkpoint of an agency under any key that it ever had, revoked or not. The caller has something else that makes it count.
    ///
    /// # Errors
    /// When the agency never was a member, or the note does not verify.
    pub fn open_by_any_key(&self, note: &[u8], agency: &AgencyId) -> Result<Checkpoint, CheckpointError> {
        let stranger = || CheckpointError::Stranger(agency.clone());
        let keys = self.checkpoint_keys_until(agency, u64::MAX).ok_or_else(stranger)?;
        Checkpoint::open(note, &self.newest().federation, agency, &keys)
    }

    /// The entry key of an agency under which it may have signed an entry, in any version. A revoked one is found as well.
    pub fn any_entry_key(&self, agency: &AgencyId, id: u32) -> Option<&PublicKey> {
        let key = self.after(0).find_map(|charter| charter.entry_key(agency, id))?;
        Some(&key.public)
    }

    fn is_anchor(&self, agency: &AgencyId, checkpoint: &Checkpoint) -> bool {
        let names = |anchor: &super::Anchor| {
            anchor.agency == *agency
                && (anchor.epoch, anchor.size, anchor.root) == (checkpoint.epoch, checkpoint.size, checkpoint.root)
        };
        self.revoked.of_agency(agency).iter().any(|revoked| revoked.list.anchors().iter().any(names))
    }

    /// Checks the keys of a charter that follows the newest one.
    pub(super) fn check_keys_of_next(&self, next: &Charter) -> Result<(), RevocationError> {
        for (agency, revoked) in &self.revoked.0 {
            let again = |key: &PublicKey| next.revokes(agency, key);
            if let Some(Revoked { id, .. }) = revoked.iter().find(|revoked| !again(&revoked.key)) {
                return Err(RevocationError::TakenBack { agency: agency.clone(), key: *id });
            }
        }
        for Revocation { agency, keys, .. } in &next.revocations {
            if let Some(key) = keys.iter().find(|key| !self.listed(agency, key)) {
                return Err(RevocationError::UnknownKey { agency: agency.clone(), key: key_id(key) });
            }
        }
        for member in next.members() {
            let all = || self.after(0).map(Arc::as_ref).chain([next]);
            let earlier = |id: u32| all().find_map(|charter| charter.entry_key(&member.id, id));
            let entry_keys = member.keys.iter().filter(|key| key.key_use == KeyUse::Entry);
            let mut others = entry_keys.filter(|key| earlier(key.id).is_some_and(|other| other.public != key.public));
            if let Some(key) = others.next() {
                return Err(RevocationError::SameNumber { agency: member.id.clone(), key: key.id });
            }
        }
        Ok(())
    }

    /// Whether any version lists this key for the agency.
    fn listed(&self, agency: &AgencyId, key: &PublicKey) -> bool {
        let mut members = self.after(0).filter_map(|charter| charter.member(agency));
        members.any(|member| member.keys.iter().any(|listed| listed.public == *key))
    }
}

impl Charter {
    fn revokes(&self, agency: &AgencyId, key: &PublicKey) -> bool {
        self.revocations.iter().any(|revocation| revocation.agency == *agency && revocation.keys.contains(key))
    }
}
