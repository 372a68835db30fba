//! Keys of C2SP signed notes, on top of the `signed_note` library.
//!
//! There are two types of keys: Ed25519 (type 1) signs charters and checkpoints, `cosignature/v1` (type 4) signs the time.
//!
//! Must not know what a note says.
//!
//! Source: c2sp.org/signed-note, c2sp.org/tlog-cosignature.

use data_encoding::BASE64;
use signed_note::{Note, NoteError, VerificationError, Verifier, Verifiers};

use crate::base::key::{PublicKey, SigningKey};

const ED25519: u8 = 0x01;
const COSIGNATURE_V1: u8 = 0x04;

/// The meaning of a key's signature in a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKeyUse {
    /// The signer states the text.
    Statement,
    /// The signer has seen the text at a time.
    Cosignature,
}

/// A verifier key of signed notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteKey {
    name: String,
    id: u32,
    key_use: NoteKeyUse,
    public: PublicKey,
}

/// A text that is no verifier key: its first 120 characters.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("verifier key {0:?} is not \"name+8 hex digits+base64\" of an Ed25519 key with that id")]
pub struct NoteKeyError(String);

impl NoteKey {
    /// The verifier key of this name and public key.
    pub fn new(name: impl Into<String>, key_use: NoteKeyUse, public: PublicKey) -> Self {
        let name = name.into();
        let id = signed_note::key_id(&name, &typed(key_use, &public));
        Self { name, id, key_use, public }
    }

    /// Parses the text form `name+hex(key id)+base64(type || public key)` of a [`NoteKeyUse::Statement`] key.
    ///
    /// # Errors
    /// When the text has another form, or the id is not that of the key.
    pub fn parse(text: &str) -> Result<Self, NoteKeyError> {
        let error = || NoteKeyError(text.chars().take(120).collect());
        let (name, rest) = text.split_once('+').ok_or_else(error)?;
        let (_, encoded) = rest.split_once('+').ok_or_else(error)?;
        let typed = BASE64.decode(encoded.as_bytes()).map_err(|_| error())?;
        let public = match typed.split_first() {
            Some((&ED25519, key)) => PublicKey::try_from(key).map_err(|_| error())?,
            _ => return Err(error()),
        };
        let key = Self::new(name, NoteKeyUse::Statement, public);
        if signed_note::is_key_name_valid(name) && key.to_string() == text { Ok(key) } else { Err(error()) }
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of the key, as signature lines name it.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The public key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }
}

impl std::fmt::Display for NoteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{:08x}+{}", self.name, self.id, BASE64.encode(&typed(self.key_use, &self.public)))
    }
}

fn typed(key_use: NoteKeyUse, public: &PublicKey) -> Vec<u8> {
    let kind = match key_use {
        NoteKeyUse::Statement => ED25519,
        NoteKeyUse::Cosignature => COSIGNATURE_V1,
    };
    let mut typed = vec![kind];
    typed.extend_from_slice(public.as_ref());
    typed
}

impl Verifier for NoteKey {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        match self.key_use {
            NoteKeyUse::Statement => self.public.verifies(text, signature),
            NoteKeyUse::Cosignature => match split_cosignature(signature) {
                Some((seconds, signature)) => self.public.verifies(&cosigned(text, seconds), signature),
                None => false,
            },
        }
    }
}

fn cosigned(text: &[u8], seconds: u64) -> Vec<u8> {
    [format!("cosignature/v1\ntime {seconds}\n").as_bytes(), text].concat()
}

fn split_cosignature(signature: &[u8]) -> Option<(u64, &[u8])> {
    let (seconds, signature) = signature.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*seconds), signature))
}

/// The time in a cosignature, in seconds since 1970. The caller has verified the signature.
pub fn cosignature_seconds(signature: &signed_note::Signature) -> Option<u64> {
    split_cosignature(signature.signature()).map(|(seconds, _)| seconds)
}

/// Signs the text of a note as a statement.
///
/// # Errors
/// When `name` is no key name.
pub fn sign_statement(name: &str, key: &SigningKey, text: &[u8]) -> Result<signed_note::Signature, NoteError> {
    let id = NoteKey::new(name, NoteKeyUse::Statement, key.verification_key()).id;
    signed_note::Signature::new(name.to_owned(), id, key.sign(text).to_bytes().to_vec())
}

/// Signs the text of a note as seen at a time, in seconds since 1970.
///
/// # Errors
/// When `name` is no key name.
pub fn cosign(name: &str, key: &SigningKey, text: &[u8], seconds: u64) -> Result<signed_note::Signature, NoteError> {
    let id = NoteKey::new(name, NoteKeyUse::Cosignature, key.verification_key()).id;
    let signature = key.sign(&cosigned(text, seconds)).to_bytes();
    signed_note::Signature::new(name.to_owned(), id, [&seconds.to_be_bytes()[..], &signature].concat())
}

/// The known keys under which a note is opened.
pub struct KnownKeys<'a>(pub Vec<&'a NoteKey>);

impl Verifiers for KnownKeys<'_> {
    fn verifier(&self, name: &str, id: u32) -> Result<&dyn Verifier, VerificationError> {
        self.0
            .iter()
            .find(|key| key.name == name && key.id == id)
            .map(|key| *key as &dyn Verifier)
            .ok_or_else(|| VerificationError::UnknownKey { name: name.to_owned(), id })
    }
}

/// The signature lines of a note, in order. Nothing is checked.
pub fn signature_lines(note: &[u8]) -> impl Iterator<Item = signed_note::Signature> {
    let lines = std::str::from_utf8(note).ok().and_then(|note| note.rsplit_once("\n\n")).map(|(_, lines)| lines);
    lines.unwrap_or_default().lines().filter_map(|line| signed_note::Signature::from_bytes(line.as_bytes()).ok())
}

/// Reads a note's text without checking any signature.
///
/// # Errors
/// When the bytes are no signed note.
pub fn read(note: &[u8]) -> Result<Note, NoteError> {
    Note::from_bytes(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    #[test]
    fn the_published_example_note_verifies_and_a_changed_one_does_not() {
        let key = NoteKey::parse(VKEY).expect("a published key");
        assert_eq!(key.to_string(), VKEY);
        assert!(read(NOTE.as_bytes()).expect("a note").verify(&KnownKeys(vec![&key])).is_ok());
        let changed = NOTE.replacen("example", "Example", 1);
        assert!(read(changed.as_bytes()).expect("a note").verify(&KnownKeys(vec![&key])).is_err());
    }

    #[test]
    fn a_verifier_key_with_a_wrong_id_is_refused() {
        assert!(NoteKey::parse(&VKEY.replace("530d903a", "530d903b")).is_err());
        assert!(NoteKey::parse("example.com/foo").is_err());
    }
}
