//! Charters in the making: the text that managers agree on, and the signatures under it.
//!
//! It must not know files or the command line: bytes in, bytes out. Which charter is trusted is decided in
//! [`sinergi_proto::charter`].
//!
//! Invariants:
//! - a text that leaves here is a charter, and stands in a signed note as it is: UTF-8, no control characters but newlines;
//! - signing adds a line and never changes the text; nobody signs whom the charter does not list.

use data_encoding::HEXLOWER;
use serde::Deserialize;
use signed_note::{Note, NoteError, Signature};
use sinergi_config::Federation;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::base::limits;
use sinergi_proto::charter::{Charter, CharterError, CharterText, Manager, MemberText};
use sinergi_proto::tlog::note::{self, KnownKeys, NoteKey, NoteKeyUse};

/// What a line of signature begins with (c2sp.org/signed-note).
const SIGNATURE_LINE: &str = "\u{2014} ";

/// Why a charter cannot be made, changed or signed.
#[derive(Debug, thiserror::Error)]
pub enum CharterWorkError {
    /// Larger than any charter.
    #[error("it has more than {} bytes: no charter is that long", limits::CHARTER_BYTES)]
    TooLong,
    /// Not text.
    #[error("it is not UTF-8 at byte {0}")]
    NotUtf8(usize),
    /// A character that no signed note may hold.
    #[error(
        "line {line}, column {column} holds the control character U+{code:04X}: a signed note may hold none but newlines"
    )]
    Control {
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// The character.
        code: u32,
    },
    /// Signature lines that cannot be read.
    #[error("its signature lines cannot be read")]
    BrokenSignatures(#[source] NoteError),
    /// A listed key's signature fails.
    #[error("a signature on it does not verify: the text or the line was changed afterwards")]
    BadSignature(#[source] NoteError),
    /// The text is no charter.
    #[error("its text is no charter")]
    Text(#[source] CharterError),
    /// Not a member's block.
    #[error("it is no block of a member, as `sinergi init` writes it into member.toml")]
    Block(#[source] toml::de::Error),
    /// It cannot be written as TOML.
    #[error("the charter cannot be written as TOML")]
    Unwritable(#[from] toml::ser::Error),
    /// Changing it would void what was signed.
    #[error("it is signed already: a change would void the signatures")]
    Signed,
    /// It has no signature lines.
    #[error("it is a draft: it has no signatures yet")]
    NotSigned,
    /// The member is there already.
    #[error("member {0} is listed already")]
    Listed(AgencyId),
    /// The key is nobody's.
    #[error("the key {key} is none of the keys of its managers ({managers})")]
    UnknownKey {
        /// The key's public half.
        key: String,
        /// The managers.
        managers: String,
    },
    /// The key is somebody else's.
    #[error("the key belongs to the manager {manager} (as {key}), not to {named}")]
    OtherManager {
        /// Whose it is.
        manager: String,
        /// The key's name.
        key: String,
        /// Whose it was said to be.
        named: String,
    },
}

/// What a file holds: a charter's text alone, or with signatures under it.
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
    /// The manager who signed.
    pub manager: String,
    /// The name of the key.
    pub key: String,
    /// Whether this key had signed before; then nothing was added.
    pub before: bool,
}

impl Paper {
    /// Reads the bytes of a file. A draft without a newline at its end gets one: a signed text ends so.
    ///
    /// # Errors
    /// They are no text that could be signed.
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

    /// The charter, parsed without trusting it.
    ///
    /// # Errors
    /// The text is no charter.
    pub fn charter(&self) -> Result<Charter, CharterWorkError> {
        let parsed = match self {
            Self::Note(note) => Charter::parse(note),
            // Only a note is parsed: a line of nobody stands for the signatures to come.
            Self::Draft(text) => Charter::parse(&appended(format!("{text}\n").as_bytes(), &nobody())),
        };
        parsed.map_err(CharterWorkError::Text)
    }

    /// The charter as it is written.
    ///
    /// # Errors
    /// The text is no charter.
    pub fn text(&self) -> Result<CharterText, CharterWorkError> {
        self.charter()?;
        toml::from_str(self.as_str()).map_err(|error| CharterWorkError::Text(error.into()))
    }

    /// Names of the managers whose signatures verify, each once.
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

    /// The text that is signed, of a draft and of a note.
    fn as_str(&self) -> &str {
        match self {
            Self::Draft(text) => text,
            Self::Note(note) => {
                let note = std::str::from_utf8(note).unwrap_or_default();
                note.rsplit_once("\n\n").map_or(note, |(text, _)| text)
            }
        }
    }

    /// The bytes that a file of it holds.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Draft(text) => text.as_bytes(),
            Self::Note(note) => note,
        }
    }

    /// Signs it. `named` is the manager, or the name of the key, that the key must be of.
    ///
    /// # Errors
    /// It is no charter, or the key is not one that it lists for that manager.
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

/// A charter's text as a draft.
///
/// # Errors
/// It is no charter, or holds what no signed note may hold.
pub fn draft(text: &CharterText) -> Result<Paper, CharterWorkError> {
    let draft = Paper::read(toml::to_string(text)?.as_bytes())?;
    draft.charter()?;
    Ok(draft)
}

/// The text that follows a signed charter: its version one more, its members and managers the same.
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
/// It is something else.
pub fn member_blocks(text: &str) -> Result<Vec<MemberText>, CharterWorkError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Blocks {
        member: Vec<MemberText>,
    }
    toml::from_str(text).map(|blocks: Blocks| blocks.member).map_err(CharterWorkError::Block)
}

/// Adds a member to a text; with `replace`, in the place of one with this id. Says whether it replaced one.
///
/// # Errors
/// It is there and may not be replaced.
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

/// The name of a manager's key in signed notes, as in `lapor.go.id/manager/kemendagri`.
pub fn manager_key_name(federation: &Federation, manager: &str) -> String {
    format!("{federation}/manager/{manager}")
}

/// The verifier key of a manager's signing key (C2SP `signed-note`).
pub fn verifier_key(name: &str, key: &SigningKey) -> NoteKey {
    NoteKey::new(name, NoteKeyUse::Statement, key.verification_key())
}

/// The manager and the listed key that a signing key is.
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

/// A signature that nobody made and nobody will take for one.
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
