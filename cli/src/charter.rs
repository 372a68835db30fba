//! Drafts charters, and adds managers' signatures to them.
//!
//! Must not know files or the command line: bytes in, bytes out. [`sinergi_proto::charter`] decides which charter is trusted.
//!
//! Invariants:
//! - every text that this module returns is a charter and can be signed as it is: UTF-8, without control characters except newlines;
//! - signing adds a line and never changes the text; only a manager that the charter lists can sign.

use data_encoding::{BASE64, HEXLOWER};
use serde::Deserialize;
use signed_note::{Note, NoteError, Signature};
use sinergi_config::Federation;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::base::limits;
use sinergi_proto::charter::{Charter, CharterError, CharterText, Manager, MemberText, RevocationText, TrustedList};
use sinergi_proto::tlog::note::{self, KnownKeys, NoteKey, NoteKeyUse};

/// The start of a signature line (c2sp.org/signed-note).
const SIGNATURE_LINE: &str = "\u{2014} ";

/// The reason why a charter cannot be made, changed or signed.
#[derive(Debug, thiserror::Error)]
pub enum CharterWorkError {
    /// The file is longer than a charter may be.
    #[error("it has more than {} bytes, the limit of a charter", limits::CHARTER_BYTES)]
    TooLong,
    /// The file is not text.
    #[error("it is not UTF-8 at byte {0}")]
    NotUtf8(usize),
    /// The text has a character that is not allowed in a signed note.
    #[error(
        "line {line}, column {column} has the control character U+{code:04X}: a signed note may have only newlines"
    )]
    Control {
        /// The line, counted from 1.
        line: usize,
        /// The column in characters, counted from 1.
        column: usize,
        /// The code point of the character.
        code: u32,
    },
    /// The signature lines cannot be read.
    #[error("its signature lines cannot be read")]
    BrokenSignatures(#[source] NoteError),
    /// A signature of a listed key does not verify.
    #[error("a signature on it does not verify: the text or the line was changed afterwards")]
    BadSignature(#[source] NoteError),
    /// The text is not a charter.
    #[error("its text is no charter")]
    Text(#[source] CharterError),
    /// The file is not a member's block.
    #[error("it is no block of a member, as `sinergi init` writes it into member.toml")]
    Block(#[source] toml::de::Error),
    /// The charter cannot be written as TOML.
    #[error("the charter cannot be written as TOML")]
    Unwritable(#[from] toml::ser::Error),
    /// The charter is signed, and a change would make the signatures invalid.
    #[error("it is signed already: a change would make the signatures invalid")]
    Signed,
    /// The charter has no signatures.
    #[error("it is a draft: it has no signatures yet")]
    NotSigned,
    /// The charter lists the member already.
    #[error("member {0} is listed already")]
    Listed(AgencyId),
    /// The key belongs to no manager.
    #[error("the key {key} is none of the keys of its managers ({managers})")]
    UnknownKey {
        /// The public key.
        key: String,
        /// The managers that the charter lists.
        managers: String,
    },
    /// The key belongs to another manager.
    #[error("the key belongs to the manager {manager} (as {key}), not to {named}")]
    OtherManager {
        /// The manager with this key.
        manager: String,
        /// The key's name.
        key: String,
        /// The manager that was named.
        named: String,
    },
}

/// The content of a file: a charter's text, with or without signatures.
#[derive(Clone, Debug)]
pub enum Paper {
    /// The text.
    Draft(String),
    /// The text with at least one signature line.
    Note(Vec<u8>),
}

/// A charter with one more signature.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The signed note.
    pub note: Vec<u8>,
    /// The manager whose key signed.
    pub manager: String,
    /// The name of the key.
    pub key: String,
    /// Whether this key had signed before. Nothing was added then.
    pub before: bool,
}

impl Paper {
    /// Reads the bytes of a file. A draft gets a newline at its end if it has none, because a signed text must have one.
    ///
    /// # Errors
    /// The bytes are not a text that can be signed.
    pub fn read(bytes: &[u8]) -> Result<Self, CharterWorkError> {
        if bytes.len() > limits::CHARTER_BYTES {
            return Err(CharterWorkError::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|error| CharterWorkError::NotUtf8(error.valid_up_to()))?;
        check_characters(text)?;
        let signatures = text.rsplit_once("\n\n").map_or("", |(_, end)| end);
        if signatures.starts_with(SIGNATURE_LINE) {
            note::read(bytes).map_err(CharterWorkError::BrokenSignatures)?;
            return Ok(Self::Note(bytes.to_vec()));
        }
        Ok(Self::Draft(if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }))
    }

    /// Parses the charter. Does not check whether it is trusted.
    ///
    /// # Errors
    /// The text is no charter.
    pub fn charter(&self) -> Result<Charter, CharterWorkError> {
        let parsed = match self {
            Self::Note(note) => Charter::parse(note),
            // `Charter::parse` reads only a signed note. A draft has no signature yet, so one is added that verifies under no key.
            Self::Draft(text) => Charter::parse(&appended(format!("{text}\n").as_bytes(), &nobody())),
        };
        parsed.map_err(CharterWorkError::Text)
    }

    /// The charter's text, field by field.
    ///
    /// # Errors
    /// The text is no charter.
    pub fn text(&self) -> Result<CharterText, CharterWorkError> {
        self.charter()?;
        toml::from_str(self.as_str()).map_err(|error| CharterWorkError::Text(error.into()))
    }

    /// The names of the managers whose signatures verify, each once.
    ///
    /// # Errors
    /// The text is no charter, or a signature of a listed key does not verify.
    pub fn signers(&self) -> Result<Vec<String>, CharterWorkError> {
        let Self::Note(bytes) = self else {
            return Ok(Vec::new());
        };
        let charter = self.charter()?;
        let note = note::read(bytes).map_err(CharterWorkError::BrokenSignatures)?;
        let mut signers = Vec::new();
        for manager in &charter.managers {
            if has_signed(&note, manager.keys.iter().collect())? {
                signers.push(manager.name.clone());
            }
        }
        Ok(signers)
    }

    /// The text without signatures.
    fn as_str(&self) -> &str {
        match self {
            Self::Draft(text) => text,
            Self::Note(note) => {
                let note = std::str::from_utf8(note).unwrap_or_default();
                note.rsplit_once("\n\n").map_or(note, |(text, _)| text)
            }
        }
    }

    /// The bytes for a file.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Draft(text) => text.as_bytes(),
            Self::Note(note) => note,
        }
    }

    /// Adds a signature. If `named` is given, the key must belong to the manager, or have the key name, `named`.
    ///
    /// # Errors
    /// The text is no charter, or the charter does not list the key, or not for that manager.
    pub fn sign(&self, named: Option<&str>, key: &SigningKey) -> Result<Signed, CharterWorkError> {
        let charter = self.charter()?;
        let (manager, listed) = manager_of(&charter, key)?;
        if let Some(named) = named.filter(|named| *named != manager.name && *named != listed.name()) {
            return Err(CharterWorkError::OtherManager {
                manager: manager.name.clone(),
                key: listed.name().to_owned(),
                named: named.to_owned(),
            });
        }
        let (body, before) = match self {
            Self::Draft(text) => (format!("{text}\n").into_bytes(), false),
            Self::Note(bytes) => {
                let note = note::read(bytes).map_err(CharterWorkError::BrokenSignatures)?;
                (bytes.clone(), has_signed(&note, vec![listed])?)
            }
        };
        let note = if before {
            body
        } else {
            let text = note::read(charter.note()).map_err(CharterWorkError::BrokenSignatures)?;
            let line = note::sign_statement(listed.name(), key, text.text());
            appended(&body, &line.map_err(CharterWorkError::BrokenSignatures)?)
        };
        Ok(Signed { note, manager: manager.name.clone(), key: listed.name().to_owned(), before })
    }
}

/// Makes a draft from a charter's text.
///
/// # Errors
/// The text is no charter, or has characters that are not allowed in a signed note.
pub fn draft(text: &CharterText) -> Result<Paper, CharterWorkError> {
    let draft = Paper::read(toml::to_string(text)?.as_bytes())?;
    draft.charter()?;
    Ok(draft)
}

/// The text of the next version of a signed charter, with the same members and managers.
///
/// # Errors
/// `of` is a draft, or its text is no charter.
pub fn successor(of: &Paper) -> Result<CharterText, CharterWorkError> {
    if matches!(of, Paper::Draft(_)) {
        return Err(CharterWorkError::NotSigned);
    }
    let charter = of.charter()?;
    let text = of.text()?;
    Ok(CharterText { version: charter.version + 1, predecessor: Some(HEXLOWER.encode(&charter.hash)), ..text })
}

/// The members of a `member.toml`.
///
/// # Errors
/// The text is not a `member.toml`.
pub fn member_blocks(text: &str) -> Result<Vec<MemberText>, CharterWorkError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Blocks {
        member: Vec<MemberText>,
    }
    toml::from_str(text).map(|blocks: Blocks| blocks.member).map_err(CharterWorkError::Block)
}

/// Adds a member to a text. With `replace` it may replace a member with the same id. Returns whether it replaced one.
///
/// # Errors
/// The text lists the member already, and `replace` is false.
pub fn add_member(text: &mut CharterText, member: MemberText, replace: bool) -> Result<bool, CharterWorkError> {
    match text.member.iter_mut().find(|listed| listed.id == member.id) {
        Some(_) if !replace => Err(CharterWorkError::Listed(member.id)),
        Some(listed) => {
            *listed = member;
            Ok(true)
        }
        None => {
            text.member.push(member);
            Ok(false)
        }
    }
}

/// Revokes the keys that a list names: takes them from the member, and adds the revocation, or gives an earlier one of the same keys this list. Returns
/// the number of keys that the text still lists for the member.
pub fn revoke(text: &mut CharterText, list: &TrustedList) -> usize {
    let keys: Vec<String> = list.keys().iter().map(|key| BASE64.encode(key)).collect();
    let mut left = 0;
    if let Some(member) = text.member.iter_mut().find(|member| member.id == *list.agency()) {
        member.key.retain(|key| !keys.contains(&key.public));
        left = member.key.len();
    }
    text.revocation.retain(|earlier| earlier.agency != *list.agency() || earlier.keys != keys);
    let (hash, list_bytes) = (HEXLOWER.encode(&list.hash()), list.text().len());
    text.revocation.push(RevocationText { agency: list.agency().clone(), keys, list: hash, list_bytes });
    left
}

/// The name of a manager's key in signed notes, as in `lapor.go.id/manager/kemendagri`.
pub fn manager_key_name(federation: &Federation, manager: &str) -> String {
    format!("{federation}/manager/{manager}")
}

/// The verifier key of a manager's signing key (C2SP `signed-note`).
pub fn verifier_key(name: &str, key: &SigningKey) -> NoteKey {
    NoteKey::new(name, NoteKeyUse::Statement, key.verification_key())
}

/// Finds the manager with this signing key, and the key as the charter lists it.
fn manager_of<'c>(charter: &'c Charter, key: &SigningKey) -> Result<(&'c Manager, &'c NoteKey), CharterWorkError> {
    let public = key.verification_key();
    let mut keys = charter.managers.iter().flat_map(|manager| manager.keys.iter().map(move |listed| (manager, listed)));
    keys.find(|(_, listed)| *listed.public() == public).ok_or_else(|| CharterWorkError::UnknownKey {
        key: data_encoding::BASE64.encode(public.as_ref()),
        managers: charter.managers.iter().map(|manager| manager.name.as_str()).collect::<Vec<_>>().join(", "),
    })
}

fn has_signed(note: &Note, keys: Vec<&NoteKey>) -> Result<bool, CharterWorkError> {
    match note.verify(&KnownKeys(keys)) {
        Ok((verified, _)) => Ok(!verified.is_empty()),
        Err(NoteError::UnverifiedNote) => Ok(false),
        Err(error) => Err(CharterWorkError::BadSignature(error)),
    }
}

fn appended(body: &[u8], line: &Signature) -> Vec<u8> {
    [body, &line.to_bytes()].concat()
}

/// A signature that verifies under no key. With it, the text of an unsigned draft has the form of a note and can be parsed.
fn nobody() -> Signature {
    Signature::new("nobody".to_owned(), 0, vec![0]).expect("a plain word is a key name")
}

fn check_characters(text: &str) -> Result<(), CharterWorkError> {
    for (line, content) in text.split('\n').enumerate() {
        if let Some((column, found)) = content.chars().enumerate().find(|(_, c)| *c < ' ') {
            return Err(CharterWorkError::Control { line: line + 1, column: column + 1, code: found.into() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
