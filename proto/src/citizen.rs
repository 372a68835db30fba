//! The citizen's part: the key to which `Lodged` commits, the reply code from which the key is made, and the words that it signs.
//!
//! The secret half of the key exists on the citizen's side only. The reply code is the key in a form that a person can type. Whoever draws it
//! hands it to the citizen once and forgets it.
//!
//! Must not know complaints: [`crate::complaint`] decides the effect of a word.
//!
//! Invariants:
//! - the reply code and the secret half of the key are part of no message and no record;
//! - a signature binds complaint, answer, word, score and number, so no word can be shown in the place of another one.

mod reply_code;
mod typed;
mod word;

pub use reply_code::ReplyCode;
pub use typed::TypedError;
pub use word::{Reply, SIGNATURE_BYTES, SignedWord, Word};

use std::fmt;
use std::str::FromStr;

use crate::base::key::PublicKey;
use typed::Form;

const PUBLIC_KEY: Form = Form { name: "citizen key", domain: b"sinergi/citizen-public-key/v2\0", characters: 56 };

/// The public key under which the citizen of a complaint signs words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CitizenKey {
    /// The 32 bytes of the Ed25519 public key. Nobody has checked that they are a point of the curve: if they are not, no signature verifies.
    pub public: [u8; 32],
    /// How it was made, a `KeyOrigin`.
    pub origin: i32,
}

/// A citizen's public key as text: 14 groups of four characters, which end with a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKeyText(pub [u8; 32]);

/// The reason why a text is no citizen's public key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PublicKeyTextError {
    /// The text was mistyped.
    #[error(transparent)]
    Typed(#[from] TypedError),
    /// The bytes are no Ed25519 public key.
    #[error("the citizen key is no Ed25519 public key")]
    NoKey,
}

impl FromStr for PublicKeyText {
    type Err = PublicKeyTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes: [u8; 32] = PUBLIC_KEY.read(text)?;
        PublicKey::try_from(bytes.as_slice()).map_err(|_| PublicKeyTextError::NoKey)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for PublicKeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&PUBLIC_KEY.write(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_is_read_back_and_anything_else_is_refused() {
        let public: [u8; 32] = (&ReplyCode::from([7; 16]).key().verification_key()).into();
        let text = PublicKeyText(public).to_string();
        assert_eq!(text.parse(), Ok(PublicKeyText(public)));
        let code = ReplyCode::from([7; 16]).to_string();
        assert!(matches!(code.parse::<PublicKeyText>(), Err(PublicKeyTextError::Typed(TypedError::Length { .. }))));
        // 2 is the y coordinate of no point of the curve.
        let mut bytes = [0; 32];
        bytes[0] = 2;
        assert_eq!(PUBLIC_KEY.write(&bytes).parse::<PublicKeyText>(), Err(PublicKeyTextError::NoKey));
    }
}
