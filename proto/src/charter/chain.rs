//! The chain of trusted charters, from the pinned first one on.
//!
//! Must not know the content of a charter, except the fields that form the chain.
//!
//! Invariants:
//! - the versions have no gap and begin with 1;
//! - a trusted charter is never replaced. Another charter of its version is reported as a [`Rival`].

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::HEXLOWER;

use super::Charter;
use super::revocation::{ListName, RevocationError, RevokedKeys, check_keys_of_next};
use super::text::CharterError;
use super::trusted_list::TrustedList;
use crate::base::ids::AgencyId;
use crate::base::key::Scheme;
use crate::entry::CharterName;
use crate::tlog::checkpoint::CheckpointKeys;
use crate::tlog::note;

/// The trusted charters of a federation.
#[derive(Clone, Debug)]
pub struct Charters {
    by_version: BTreeMap<u64, Arc<Charter>>,
    newest: Arc<Charter>,
    /// The lists of trusted entries that are here, by their hashes.
    lists: BTreeMap<[u8; 32], TrustedList>,
    /// The keys that the newest charter revokes.
    pub(super) revoked: Arc<RevokedKeys>,
}

/// The reason why a charter is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum CharterTrustError {
    /// The note is no charter.
    #[error(transparent)]
    Charter(#[from] CharterError),
    /// The first charter is not the pinned one.
    #[error("the first charter has the hash {found}, this node pins {pinned}")]
    NotPinned {
        /// The hash of the given charter.
        found: String,
        /// The pinned hash.
        pinned: String,
    },
    /// The charter that should be the first is not version 1.
    #[error("the pinned charter is version {0}; the first is version 1, and every other is reached from it")]
    NotTheFirst(u64),
    /// Too few managers signed.
    #[error(
        "charter version {version} is signed by {signed} of the {managers} managers of version {of}, the threshold is {threshold}"
    )]
    BelowThreshold {
        /// Version of the given charter.
        version: u64,
        /// Version of the charter whose managers are counted.
        of: u64,
        /// Number of these managers who signed.
        signed: usize,
        /// Number of these managers.
        managers: usize,
        /// Number of these managers who must sign.
        threshold: usize,
    },
    /// A signature under a manager's key does not verify.
    #[error("a signature on charter version {version} does not verify: {source}")]
    BadSignature {
        /// Version of the given charter.
        version: u64,
        /// The error, which names the signature.
        source: signed_note::NoteError,
    },
    /// The charter does not follow the newest trusted one.
    #[error("charter version {found} does not follow version {newest}: {problem}")]
    NotSuccessor {
        /// Version of the given charter.
        found: u64,
        /// Version of the newest trusted charter.
        newest: u64,
        /// The broken rule, in words.
        problem: &'static str,
    },
    /// The charter is a rival of a trusted one.
    #[error(transparent)]
    Rival(#[from] Rival),
    /// The charter revokes keys in a way that cannot be.
    #[error("charter version {version}: {source}")]
    Revocation {
        /// Version of the given charter.
        version: u64,
        /// The broken rule.
        source: RevocationError,
    },
    /// A list of trusted entries is not here. Everything else about the charter is right.
    #[error("charter version {version} revokes keys, and the list of what stays trusted is not here: {list}")]
    MissingList {
        /// Version of the given charter.
        version: u64,
        /// The list.
        list: ListName,
    },
}

/// A charter that enough managers signed, of a version of which another charter is trusted here.
///
/// Nodes that trust different charters of one version no longer agree. So the operator is alarmed and the rival is kept as evidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the managers have signed two charters of version {version}: {trusted} is trusted here, {hash} is not")]
pub struct Rival {
    /// The version of both charters.
    pub version: u64,
    /// The hash of the trusted charter, in hexadecimal digits.
    pub trusted: String,
    /// The hash of the rival, in hexadecimal digits.
    pub hash: String,
}

impl Charters {
    /// Trusts a first charter whose text has the pinned hash and that the threshold of its own managers signed.
    ///
    /// # Errors
    /// When the hash is another one, or too few managers signed.
    pub fn pinned(note_bytes: &[u8], pin: &[u8; 32]) -> Result<Self, CharterTrustError> {
        let charter = Charter::parse(note_bytes)?;
        if charter.hash != *pin {
            return Err(CharterTrustError::NotPinned {
                found: HEXLOWER.encode(&charter.hash),
                pinned: HEXLOWER.encode(pin),
            });
        }
        Self::self_signed(note_bytes)
    }

    /// Trusts a first charter that the threshold of its own managers signed, without a pin. `charter verify` uses this before anybody has
    /// pinned the charter.
    ///
    /// # Errors
    /// When too few managers signed.
    pub fn self_signed(note_bytes: &[u8]) -> Result<Self, CharterTrustError> {
        let charter = Charter::parse(note_bytes)?;
        if charter.version != 1 {
            return Err(CharterTrustError::NotTheFirst(charter.version));
        }
        check_threshold(&charter, &charter)?;
        let newest = Arc::new(charter);
        let by_version = BTreeMap::from([(newest.version, newest.clone())]);
        let charters = Self { by_version, newest, lists: BTreeMap::new(), revoked: Arc::default() };
        let keys = check_keys_of_next(&charters.revoked, &[], &charters.newest);
        keys.map_err(|source| CharterTrustError::Revocation { version: 1, source })?;
        Ok(charters)
    }

    /// Trusts the successor of the newest charter. It has the next version, names the hash of its predecessor, and is signed by the
    /// threshold of the old and of the new managers.
    ///
    /// # Errors
    /// When it is no such successor; [`CharterTrustError::Rival`] if it is a rival of a trusted charter. The chain stays as it was.
    pub fn succeed(&mut self, note_bytes: &[u8]) -> Result<Arc<Charter>, CharterTrustError> {
        let mut next = Charter::parse(note_bytes)?;
        if let Some(trusted) = self.version(next.version).filter(|trusted| trusted.hash != next.hash)
            && let Some(before) = self.version(next.version - 1)
            && check_follows(before, &next).is_ok()
        {
            let (trusted, hash) = (HEXLOWER.encode(&trusted.hash), HEXLOWER.encode(&next.hash));
            return Err(Rival { version: next.version, trusted, hash }.into());
        }
        check_follows(&self.newest, &next)?;
        let revoked = self.revoked_by(&next)?;
        if let Some(scheme) = self.newest.scheme() {
            next.put_under(scheme);
        }
        let next = Arc::new(next);
        self.by_version.insert(next.version, next.clone());
        self.newest = next.clone();
        self.revoked = Arc::new(revoked);
        Ok(next)
    }

    /// Keeps a list of trusted entries, so that charters which name it can be trusted.
    pub fn keep_list(&mut self, list: TrustedList) {
        self.lists.insert(list.hash(), list);
    }

    /// A list of trusted entries that is here.
    pub fn list(&self, hash: &[u8; 32]) -> Option<&TrustedList> {
        self.lists.get(hash)
    }

    /// All lists of trusted entries that are here.
    pub fn lists(&self) -> impl Iterator<Item = &TrustedList> {
        self.lists.values()
    }

    fn revoked_by(&self, next: &Charter) -> Result<RevokedKeys, CharterTrustError> {
        let version = next.version;
        let earlier: Vec<&Charter> = self.after(0).map(Arc::as_ref).collect();
        check_keys_of_next(&self.revoked, &earlier, next)
            .map_err(|source| CharterTrustError::Revocation { version, source })?;
        let here = |name: &ListName| self.list(&name.hash).filter(|list| list.text().len() == name.bytes).cloned();
        RevokedKeys::of(next, here).map_err(|problem| match problem {
            Ok(list) => CharterTrustError::MissingList { version, list },
            Err(source) => CharterTrustError::Revocation { version, source },
        })
    }

    /// The same charters for a simulation, whose members sign by this scheme. Successors get it as well. Managers still sign by Ed25519.
    #[must_use]
    pub fn under(self, scheme: &Arc<dyn Scheme>) -> Self {
        let put = |(version, charter): (u64, Arc<Charter>)| {
            let mut charter = Arc::unwrap_or_clone(charter);
            charter.put_under(scheme);
            (version, Arc::new(charter))
        };
        let by_version: BTreeMap<_, _> = self.by_version.into_iter().map(put).collect();
        let newest = Arc::clone(&by_version[&self.newest.version]);
        Self { by_version, newest, ..self }
    }

    /// The newest charter.
    pub fn newest(&self) -> &Arc<Charter> {
        &self.newest
    }

    /// The trusted charter of this version, if there is one.
    pub fn version(&self, version: u64) -> Option<&Arc<Charter>> {
        self.by_version.get(&version)
    }

    /// The trusted charter that an entry names: it has the version and the hash. `None` also if the managers signed two charters of one version
    /// and the entry names the other one.
    pub fn named(&self, name: &CharterName) -> Option<&Arc<Charter>> {
        self.version(name.version).filter(|charter| charter.name() == *name)
    }

    /// The keys under which an agency's checkpoints verify in any version up to this one, revoked or not. `None` for an agency that was never a member.
    pub fn checkpoint_keys_until(&self, agency: &AgencyId, version: u64) -> Option<CheckpointKeys> {
        let mut known: Option<CheckpointKeys> = None;
        for keys in self.by_version.range(..=version).rev().filter_map(|(_, charter)| charter.checkpoint_keys(agency)) {
            let all = known.get_or_insert_with(|| CheckpointKeys { statement: Vec::new(), time: Vec::new() });
            for (all, new) in [(&mut all.statement, keys.statement), (&mut all.time, keys.time)] {
                for key in new {
                    if !all.contains(&key) {
                        all.push(key);
                    }
                }
            }
        }
        known
    }

    /// Whether the text of this note is the text of a trusted charter. The signatures on the note do not count.
    pub fn has_text_of(&self, note: &[u8]) -> bool {
        let text = text_of(note);
        text.is_some() && self.after(0).any(|charter| text_of(charter.note()) == text)
    }

    /// The charters after `version` under which an entry of this time needs its author's power as well. `millis`: the entry's clock, in milliseconds
    /// since 1970.
    pub fn powers_at(&self, version: u64, millis: u64) -> impl Iterator<Item = &Charter> {
        let is_old = move |charter: &&Arc<Charter>| charter.powers_end().is_some_and(|ended| ended < millis);
        self.after(version).filter(is_old).map(Arc::as_ref)
    }

    /// Whether the charters after `version` may change the effect of entries that are dated up to `latest`, in milliseconds since 1970.
    pub fn may_change_since(&self, version: u64, latest: u64) -> bool {
        let before = self.version(version).map(|charter| &charter.revocations);
        before != Some(&self.newest.revocations) || self.powers_at(version, latest).next().is_some()
    }

    /// All versions after `version`, oldest first.
    pub fn after(&self, version: u64) -> impl Iterator<Item = &Arc<Charter>> {
        self.by_version.range(version.saturating_add(1)..).map(|(_, charter)| charter)
    }
}

/// Checks that `next` has the next version, names `before` as its predecessor, and is signed by the threshold of the managers of both.
fn check_follows(before: &Charter, next: &Charter) -> Result<(), CharterTrustError> {
    let wrong = |problem| CharterTrustError::NotSuccessor { found: next.version, newest: before.version, problem };
    if next.version != before.version + 1 {
        return Err(wrong("the versions are not consecutive"));
    }
    if next.federation != before.federation {
        return Err(wrong("it is of another federation"));
    }
    if next.predecessor != Some(before.hash) {
        return Err(wrong("it names another predecessor"));
    }
    check_threshold(before, next)?;
    check_threshold(next, next)
}

/// Checks that the threshold of the managers of `of` signed `charter`.
fn check_threshold(of: &Charter, charter: &Charter) -> Result<(), CharterTrustError> {
    let signature = |source| CharterTrustError::BadSignature { version: charter.version, source };
    let note = note::read(charter.note()).map_err(signature)?;
    let signed = of.signers(&note).map_err(signature)?.len();
    if signed < of.threshold {
        return Err(CharterTrustError::BelowThreshold {
            version: charter.version,
            of: of.version,
            signed,
            managers: of.managers.len(),
            threshold: of.threshold,
        });
    }
    Ok(())
}

/// The text of a note, over which its signatures are. `None` if the bytes are no signed note.
fn text_of(note: &[u8]) -> Option<&[u8]> {
    let end = note.windows(2).rposition(|pair| pair == b"\n\n")?;
    note.get(..end)
}
