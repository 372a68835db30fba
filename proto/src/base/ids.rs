//! The ids of agencies, complaints and entries, and the positions in a ledger.
//!
//! Must not know what an entry or a charter says.
//!
//! Invariants:
//! - an [`AgencyId`] has the form of a DNS label, so it can be part of a file name, a SPIFFE id and a checkpoint's origin;
//! - a [`ComplaintId`] is derived from its `Lodged` entry, so nobody can lodge under somebody else's id;
//! - a [`ComplaintId`] begins with the lodging time, so store keys that begin with it are sorted by time.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use data_encoding::{Encoding, HEXLOWER, Specification};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::clock::HybridClock;
use crate::base::limits;

/// An agency (member of the federation), for example `kota-bandung`: 2 to 63 lower-case letters, digits and inner hyphens.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgencyId(Arc<str>);

/// A text that is no agency id: its first 80 characters.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("agency id {0:?} is not 2 to 63 lower-case letters, digits and inner hyphens, as in \"kota-bandung\"")]
pub struct AgencyIdError(String);

impl AgencyId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AgencyId {
    type Err = AgencyIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (2..=limits::AGENCY_ID_BYTES).contains(&text.len())
            && text.bytes().all(allowed)
            && !text.starts_with('-')
            && !text.ends_with('-')
        {
            Ok(Self(text.into()))
        } else {
            Err(AgencyIdError(text.chars().take(80).collect()))
        }
    }
}

impl TryFrom<String> for AgencyId {
    type Error = AgencyIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<AgencyId> for String {
    fn from(id: AgencyId) -> Self {
        id.0.to_string()
    }
}

impl fmt::Display for AgencyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for AgencyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of an entry: SHA-256(`0x00 || entry bytes`), the RFC 6962 hash of its leaf in every ledger. The signature does not count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntryId(pub [u8; 32]);

impl EntryId {
    /// The id of the entry with these bytes.
    pub fn of(entry: &[u8]) -> Self {
        Self(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
    }

    /// The id with these bytes; `None` unless they are 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0[..6]))
    }
}

/// The id of a complaint: the lodging time (48-bit milliseconds) and the first 208 bits of the id of its `Lodged` entry.
/// It is written as 52 characters of lower-case Crockford base32. People see the last 10 of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ComplaintId(pub [u8; 32]);

/// The digits of Crockford's base32 (crockford.com/base32.html), in lower case.
pub(crate) const CROCKFORD_DIGITS: &str = "0123456789abcdefghjkmnpqrstvwxyz";

/// Crockford's base32. Letters that look like a digit are read as that digit.
static CROCKFORD: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str(CROCKFORD_DIGITS);
    spec.translate.from.push_str("ABCDEFGHJKMNPQRSTVWXYZoOiIlL");
    spec.translate.to.push_str("abcdefghjkmnpqrstvwxyz001111");
    spec.encoding().expect("32 distinct symbols and a translation onto them")
});

/// The reason why a text names no complaint.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ComplaintNameError {
    /// Not a whole id and not a part of one: the first 80 characters of the text.
    #[error("{0:?} is no part of a complaint id, which is 6 to 52 characters of 0-9 and a-z without i, l, o and u")]
    NotAPart(String),
}

impl ComplaintId {
    /// Characters of the written form.
    pub const TEXT_LENGTH: usize = 52;
    /// Characters that are shown to people.
    pub const SHORT_LENGTH: usize = 10;

    /// The id of the complaint that this `Lodged` entry creates.
    pub fn of_lodged(clock: HybridClock, lodged: &EntryId) -> Self {
        let mut id = [0; 32];
        id[..6].copy_from_slice(&clock.millis().to_be_bytes()[2..]);
        id[6..].copy_from_slice(&lodged.0[..26]);
        Self(id)
    }

    /// The id with these bytes; `None` unless they are 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The lodging time, in milliseconds since 1970.
    pub fn lodged_millis(&self) -> u64 {
        let mut millis = [0; 8];
        millis[2..].copy_from_slice(&self.0[..6]);
        u64::from_be_bytes(millis)
    }

    /// The last ten characters, for people.
    pub fn short(&self) -> String {
        let text = self.to_string();
        text[Self::TEXT_LENGTH - Self::SHORT_LENGTH..].to_owned()
    }
}

impl fmt::Display for ComplaintId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&CROCKFORD.encode(&self.0))
    }
}

impl fmt::Debug for ComplaintId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl FromStr for ComplaintId {
    type Err = ComplaintNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        CROCKFORD
            .decode(text.as_bytes())
            .ok()
            .and_then(|bytes| Self::from_slice(&bytes))
            .ok_or_else(|| ComplaintNameError::NotAPart(text.chars().take(80).collect()))
    }
}

/// A complaint as a person names it: its id, or any part of the id with at least 6 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComplaintName(String);

impl ComplaintName {
    /// Shortest part that is accepted.
    pub const MIN_LENGTH: usize = 6;

    /// The name in lower case, with `o`, `i` and `l` replaced by the digits that they look like.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id, if the name is a whole id and not a part of one.
    pub fn whole(&self) -> Option<ComplaintId> {
        self.0.parse().ok()
    }

    /// Whether this name is the id of the complaint, or a part of it.
    pub fn names(&self, id: &ComplaintId) -> bool {
        id.to_string().contains(&self.0)
    }
}

impl FromStr for ComplaintName {
    type Err = ComplaintNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let canonical: String = text
            .trim()
            .chars()
            .map(|c| match c.to_ascii_lowercase() {
                'o' => '0',
                'i' | 'l' => '1',
                other => other,
            })
            .collect();
        let is_symbol = |c: char| c.is_ascii_digit() || (c.is_ascii_lowercase() && c != 'u');
        if (Self::MIN_LENGTH..=ComplaintId::TEXT_LENGTH).contains(&canonical.len()) && canonical.chars().all(is_symbol)
        {
            Ok(Self(canonical))
        } else {
            Err(ComplaintNameError::NotAPart(text.chars().take(80).collect()))
        }
    }
}

/// The index of a leaf in one epoch of a ledger, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LedgerIndex(pub u64);

impl LedgerIndex {
    /// The index after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for LedgerIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The epoch of a ledger. The first is 1. Each declared loss begins the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The epoch of a new ledger.
    pub const FIRST: Self = Self(1);

    /// The number of the latest epoch that an honest agency may have begun after this one, see [`limits::EPOCHS_AHEAD`].
    pub fn latest_to_believe(self) -> u32 {
        self.0.saturating_add(limits::EPOCHS_AHEAD)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agency_id_is_a_lower_case_label() {
        for good in ["kota-bandung", "ksp", "d1"] {
            assert_eq!(good.parse::<AgencyId>().map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", "k", "Kota", "kota_bandung", "-ksp", "ksp-", "a/b", &"a".repeat(64)] {
            assert!(bad.parse::<AgencyId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_complaint_id_holds_its_lodging_time_and_is_read_back_as_written() {
        let clock = HybridClock::new(1_764_000_000_123, 7);
        let id = ComplaintId::of_lodged(clock, &EntryId([0xab; 32]));
        assert_eq!(id.lodged_millis(), 1_764_000_000_123);
        let text = id.to_string();
        assert_eq!(text.len(), ComplaintId::TEXT_LENGTH);
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.to_uppercase().parse(), Ok(id));
        assert!(text.ends_with(&id.short()));
    }

    #[test]
    fn a_complaint_is_named_by_any_part_of_six_characters() {
        let id = ComplaintId::of_lodged(HybridClock::new(1_764_000_000_123, 0), &EntryId([0x5c; 32]));
        let text = id.to_string();
        let name: ComplaintName = text[20..26].to_uppercase().parse().expect("six symbols");
        assert!(name.names(&id));
        assert!(name.whole().is_none());
        assert!("abcde".parse::<ComplaintName>().is_err());
        assert!("abcdeu".parse::<ComplaintName>().is_err());
        assert!("abc/def".parse::<ComplaintName>().is_err());
    }
}
