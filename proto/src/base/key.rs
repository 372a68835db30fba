//! An Ed25519 signing key (RFC 8032), and the number that names a key.
//!
//! Two libraries share the work. aws-lc-rs signs: the TLS stack needs it anyway, and it takes half the time. `ed25519-zebra` verifies,
//! by the ZIP-215 rules. Ed25519 signatures are deterministic, so both libraries make the same signature.
//!
//! Invariant: the secret is never printed.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::Ed25519KeyPair;
use ed25519_zebra::{Signature, VerificationKey, VerificationKeyBytes};
use sha2::{Digest, Sha256};

/// A signing key. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey {
    seed: ed25519_zebra::SigningKey,
    public: VerificationKey,
    pair: Arc<Ed25519KeyPair>,
    id: u32,
}

impl SigningKey {
    /// The 32 secret bytes of the key (RFC 8032), to be written into its file.
    pub fn seed(&self) -> [u8; 32] {
        *self.seed.as_bytes()
    }

    /// The public half.
    pub fn verification_key(&self) -> VerificationKey {
        self.public
    }

    /// The number that names the key in entries and receipts, see [`key_id`].
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature::from_slice(self.pair.sign(message).as_ref()).expect("an Ed25519 signature has 64 bytes")
    }
}

impl From<[u8; 32]> for SigningKey {
    fn from(seed: [u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("any 32 bytes are the seed of a key");
        let seed = ed25519_zebra::SigningKey::from(seed);
        let public = seed.verification_key();
        Self { id: key_id(&public.into()), public, seed, pair: Arc::new(pair) }
    }
}

/// The number that names a key in entries and receipts: the first 4 bytes, big-endian, of SHA-256(`"sinergi/key/v1\0" || public key`).
pub fn key_id(public: &VerificationKeyBytes) -> u32 {
    let digest = Sha256::new().chain_update(b"sinergi/key/v1\0").chain_update(public.as_ref()).finalize();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

impl From<&SigningKey> for VerificationKeyBytes {
    fn from(key: &SigningKey) -> Self {
        key.public.into()
    }
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.public == other.public
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_libraries_make_the_same_key_and_signature_from_a_seed() {
        for number in 0..20 {
            let key = SigningKey::from([number; 32]);
            let message = vec![number; 37 * usize::from(number)];
            assert_eq!(key.sign(&message), key.seed.sign(&message));
            assert!(key.verification_key().verify(&key.sign(&message), &message).is_ok());
        }
    }

    #[test]
    fn a_key_never_shows_its_secret() {
        let text = format!("{:?}", SigningKey::from([0xAB; 32]));
        assert!(!text.contains("171, 171") && !text.to_lowercase().contains("abab"), "{text}");
    }
}
