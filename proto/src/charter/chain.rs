//! Which charters are trusted: the chain from the pinned first one.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::HEXLOWER;

use super::{Charter, CharterError};
use crate::checkpoint::CheckpointKeys;
use crate::ids::AgencyId;
use crate::key::Scheme;
use crate::note;

/// The trusted charters of a federation, without a gap from the first.
#[derive(Clone, Debug)]
pub struct Charters {
    by_version: BTreeMap<u64, Arc<Charter>>,
    newest: Arc<Charter>,
    /// By which members sign instead of Ed25519.
    scheme: Option<Arc<dyn Scheme>>,
}

/// Why a charter is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum CharterTrustError {
    /// Not a charter.
    #[error(transparent)]
    Charter(#[from] CharterError),
    /// The first charter is not the pinned one.
    #[error("the first charter has the hash {found}, this node pins {pinned}")]
    NotPinned {
        /// Its hash.
        found: String,
        /// The configured hash.
        pinned: String,
    },
    /// Not the beginning of a chain.
    #[error("the pinned charter is version {0}; the first is version 1, and every other is reached from it")]
    NotTheFirst(u64),
    /// Too few managers signed.
    #[error(
        "charter version {version} is signed by {signed} of the {managers} managers of version {of}, the threshold is {threshold}"
    )]
    BelowThreshold {
        /// The charter.
        version: u64,
        /// The charter whose managers are counted.
        of: u64,
        /// Managers who signed.
        signed: usize,
        /// Managers in all.
        managers: usize,
        /// How many must.
        threshold: usize,
    },
    /// A known key's signature fails.
    #[error("a signature on charter version {version} does not verify: {source}")]
    BadSignature {
        /// The charter.
        version: u64,
        /// Which one.
        source: signed_note::NoteError,
    },
    /// Not the next one.
    #[error("charter version {found} does not follow version {newest}: {problem}")]
    NotSuccessor {
        /// The offered version.
        found: u64,
        /// The newest that is trusted.
        newest: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// Another charter of a version that is here.
    #[error(transparent)]
    Rival(#[from] Rival),
}

/// A charter that could have been trusted in the place of the one that is: enough managers signed both, and a federation that goes by two
/// falls apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the managers have signed two charters of version {version}: {trusted} is trusted here, {hash} is not")]
pub struct Rival {
    /// The version of both.
    pub version: u64,
    /// The hash of the trusted one, in hexadecimal digits.
    pub trusted: String,
    /// The hash of the other.
    pub hash: String,
}

impl Charters {
    /// Trusts a first charter whose text has the pinned hash and that is signed by the threshold of its own managers.
    ///
    /// # Errors
    /// When it is not the pinned one, or not signed by enough.
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

    /// Trusts a first charter that is signed by the threshold of its own managers: what `charter verify` checks before anybody has
    /// pinned it.
    ///
    /// # Errors
    /// When it is not signed by enough.
    pub fn self_signed(note_bytes: &[u8]) -> Result<Self, CharterTrustError> {
        let charter = Charter::parse(note_bytes)?;
        if charter.version != 1 {
            return Err(CharterTrustError::NotTheFirst(charter.version));
        }
        check_threshold(&charter, &charter)?;
        let newest = Arc::new(charter);
        Ok(Self { by_version: BTreeMap::from([(newest.version, newest.clone())]), newest, scheme: None })
    }

    /// Trusts the successor of the newest charter: version N+1, naming its predecessor, signed by the threshold of the old and of the
    /// new managers.
    ///
    /// # Errors
    /// When it is anything else, a [rival](Rival) of a trusted one among them; the chain stays as it was.
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
        if let Some(scheme) = &self.scheme {
            next.put_under(scheme);
        }
        let next = Arc::new(next);
        self.by_version.insert(next.version, next.clone());
        self.newest = next.clone();
        Ok(next)
    }

    /// The same charters in a simulation, in which members sign by a scheme of its own. Charters that succeed are put under it as well; managers
    /// sign by Ed25519.
    #[must_use]
    pub fn under(self, scheme: Arc<dyn Scheme>) -> Self {
        let put = |(version, charter): (u64, Arc<Charter>)| {
            let mut charter = Arc::unwrap_or_clone(charter);
            charter.put_under(&scheme);
            (version, Arc::new(charter))
        };
        let by_version: BTreeMap<_, _> = self.by_version.into_iter().map(put).collect();
        let newest = Arc::clone(&by_version[&self.newest.version]);
        Self { by_version, newest, scheme: Some(scheme) }
    }

    /// The newest charter.
    pub fn newest(&self) -> &Arc<Charter> {
        &self.newest
    }

    /// The charter of this version, if it is here.
    pub fn version(&self, version: u64) -> Option<&Arc<Charter>> {
        self.by_version.get(&version)
    }

    /// The keys under which an agency's checkpoints ever verified.
    pub fn checkpoint_keys(&self, agency: &AgencyId) -> Option<CheckpointKeys> {
        let mut known: Option<CheckpointKeys> = None;
        for keys in self.by_version.values().rev().filter_map(|charter| charter.checkpoint_keys(agency)) {
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

    /// Whether one of them has the text of this note, whoever signed it.
    pub fn has_text_of(&self, note: &[u8]) -> bool {
        let text = text_of(note);
        text.is_some() && self.after(0).any(|charter| text_of(charter.note()) == text)
    }

    /// All versions after `version`, oldest first.
    pub fn after(&self, version: u64) -> impl Iterator<Item = &Arc<Charter>> {
        self.by_version.range(version.saturating_add(1)..).map(|(_, charter)| charter)
    }
}

/// The next version, naming its predecessor, signed by the threshold of the managers of both.
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

/// Enough of the managers of `of` signed `charter`.
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

/// What the signatures of a note are over; `None`: it is no signed note.
fn text_of(note: &[u8]) -> Option<&[u8]> {
    let end = note.windows(2).rposition(|pair| pair == b"\n\n")?;
    note.get(..end)
}
