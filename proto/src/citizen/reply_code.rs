//! The reply code: the secret of a citizen who made no key. It is printed on the citizen's receipt, and the key is made from it.
//!
//! Must not know where the random bits come from.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::typed::{Form, TypedError};
use crate::base::key::SigningKey;

const FORM: Form = Form { name: "reply code", domain: b"sinergi/reply-code/v2\0", characters: 28 };

/// 128 random bits. As text: seven groups of four characters, whose last 12 bits are a checksum.
#[derive(Clone, PartialEq, Eq)]
pub struct ReplyCode([u8; 16]);

impl ReplyCode {
    /// The citizen's key. Its seed (RFC 8032) is SHA-256(`"sinergi/citizen-key/v2\0" || the 16 bytes`).
    pub fn key(&self) -> SigningKey {
        let seed: [u8; 32] =
            Sha256::new().chain_update(b"sinergi/citizen-key/v2\0").chain_update(self.0).finalize().into();
        SigningKey::from(seed)
    }

    /// The public half of the key.
    pub fn public(&self) -> [u8; 32] {
        (&self.key().verification_key()).into()
    }
}

impl From<[u8; 16]> for ReplyCode {
    /// The code of 16 random bytes.
    fn from(random: [u8; 16]) -> Self {
        Self(random)
    }
}

impl FromStr for ReplyCode {
    type Err = TypedError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        FORM.read(text).map(Self)
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&FORM.write(&self.0))
    }
}

impl fmt::Debug for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_gives_the_same_key_however_it_is_typed_and_is_never_printed() {
        let code = ReplyCode::from([0xAB; 16]);
        let typed: ReplyCode = code.to_string().to_uppercase().replace('-', " ").parse().expect("the code");
        assert_eq!(typed.key(), code.key());
        assert_ne!(ReplyCode::from([0xAC; 16]).key(), code.key());
        assert_eq!(format!("{code:?}"), "ReplyCode(..)");
    }
}
