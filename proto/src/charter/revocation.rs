//! Revoked keys: which signatures under them still count.
//!
//! A charter revokes a key for all time: also for what was signed before. Only what its [`TrustedList`] names stays trusted. So a thief gains nothing
//! by an old date, and an agency that reports its key stolen cannot take back what others have seen.
//!
//! Must not know entries, receipts or checkpoints beyond their hashes.
//!
//! Invariant: a revoked key stays revoked in every later charter. A later charter may name another list for it.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;

use super::trusted_list::TrustedList;
use super::{Charter, KeyUse, Member};
use crate::base::ids::AgencyId;
use crate::base::key::{PublicKey, key_id};

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
pub(super) struct Revoked {
    pub(super) key: PublicKey,
    id: u32,
    pub(super) list: TrustedList,
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

    /// The revoked keys of an agency.
    pub(super) fn of_agency(&self, agency: &AgencyId) -> &[Revoked] {
        self.0.get(agency).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Checks the keys of a charter that follows `earlier`, all versions before it. `revoked` are the keys that the newest of them revokes.
///
/// # Errors
/// The first rule that it breaks.
pub(super) fn check_keys_of_next(
    revoked: &RevokedKeys,
    earlier: &[&Charter],
    next: &Charter,
) -> Result<(), RevocationError> {
    for (agency, revoked) in &revoked.0 {
        if let Some(Revoked { id, .. }) = revoked.iter().find(|revoked| !next.revokes(agency, &revoked.key)) {
            return Err(RevocationError::TakenBack { agency: agency.clone(), key: *id });
        }
    }
    for Revocation { agency, keys, .. } in &next.revocations {
        let lists = |member: &Member, key: &PublicKey| member.keys.iter().any(|listed| listed.public == *key);
        let is_known = |key: &&PublicKey| {
            let mut members = earlier.iter().filter_map(|charter| charter.member(agency));
            members.any(|member| lists(member, key))
        };
        if let Some(key) = keys.iter().find(|key| !is_known(key)) {
            return Err(RevocationError::UnknownKey { agency: agency.clone(), key: key_id(key) });
        }
    }
    for member in next.members() {
        let with_number = |id: u32| earlier.iter().chain([&next]).find_map(|charter| charter.entry_key(&member.id, id));
        let entry_keys = member.keys.iter().filter(|key| key.key_use == KeyUse::Entry);
        let mut others = entry_keys.filter(|key| with_number(key.id).is_some_and(|other| other.public != key.public));
        if let Some(key) = others.next() {
            return Err(RevocationError::SameNumber { agency: member.id.clone(), key: key.id });
        }
    }
    Ok(())
}

impl Charter {
    fn revokes(&self, agency: &AgencyId, key: &PublicKey) -> bool {
        self.revocations.iter().any(|revocation| revocation.agency == *agency && revocation.keys.contains(key))
    }
}
