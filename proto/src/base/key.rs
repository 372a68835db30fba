//! Ed25519 keys (RFC 8032): the signing key, the public key, and the number that names a key.
//!
//! Two libraries share the work. aws-lc-rs signs: the TLS stack needs it anyway, and it takes half the time. `ed25519-zebra` verifies,
//! by the ZIP-215 rules. Ed25519 signatures are deterministic, so both libraries make the same signature.
//!
//! A simulation can bring a [`Scheme`] of its own, because curve arithmetic would take nearly all of its time.
//!
//! Invariants:
//! - the secret is never printed;
//! - a public key that was read from bytes verifies by Ed25519. The product has no other scheme, and a test of the workspace says so.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::Ed25519KeyPair;
use ed25519_zebra::{Signature, VerificationKey, VerificationKeyBytes};
use sha2::{Digest, Sha256};

/// Makes and checks signatures in place of Ed25519, in simulations.
pub trait Scheme: fmt::Debug + Send + Sync {
    /// The signature of whoever has this public key.
    fn sign(&self, public: &[u8; 32], message: &[u8]) -> [u8; 64];

    /// Whether it is that signature.
    fn verifies(&self, public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool;
}

/// A public key.
#[derive(Clone)]
pub struct PublicKey {
    ed25519: VerificationKey,
    scheme: Option<Arc<dyn Scheme>>,
}

impl PublicKey {
    /// Whether a signature of the message verifies under the key. A signature that has not 64 bytes does not.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = <[u8; 64]>::try_from(signature) else { return false };
        match &self.scheme {
            None => self.ed25519.verify(&Signature::from_bytes(&signature), message).is_ok(),
            Some(scheme) => scheme.verifies(&self.ed25519.into(), message, &signature),
        }
    }

    /// The key for a check of many signatures at once, which finds the same as [`Self::verifies`]; `None`: a scheme of its own checks its
    /// signatures, one by one.
    pub(crate) fn for_batch(&self) -> Option<VerificationKeyBytes> {
        self.scheme.is_none().then(|| self.ed25519.into())
    }

    /// The same key, whose signatures are checked by a scheme.
    pub(crate) fn under(&self, scheme: &Arc<dyn Scheme>) -> Self {
        Self { ed25519: self.ed25519, scheme: Some(Arc::clone(scheme)) }
    }
}

impl From<VerificationKey> for PublicKey {
    fn from(ed25519: VerificationKey) -> Self {
        Self { ed25519, scheme: None }
    }
}

impl TryFrom<&[u8]> for PublicKey {
    type Error = ed25519_zebra::Error;

    /// The Ed25519 key with these 32 bytes.
    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        Ok(VerificationKey::try_from(bytes)?.into())
    }
}

impl From<&PublicKey> for [u8; 32] {
    fn from(key: &PublicKey) -> Self {
        key.ed25519.into()
    }
}

impl AsRef<[u8]> for PublicKey {
    fn as_ref(&self) -> &[u8] {
        self.ed25519.as_ref()
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.ed25519 == other.ed25519
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ed25519.fmt(f)
    }
}

/// A signing key. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey {
    seed: ed25519_zebra::SigningKey,
    public: PublicKey,
    pair: Arc<Ed25519KeyPair>,
    id: u32,
}

impl SigningKey {
    /// The 32 secret bytes of the key (RFC 8032), to be written into its file.
    pub fn seed(&self) -> [u8; 32] {
        *self.seed.as_bytes()
    }

    /// The public half.
    pub fn verification_key(&self) -> PublicKey {
        self.public.clone()
    }

    /// The number that names the key in entries and receipts, see [`key_id`].
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Signature {
        match &self.public.scheme {
            None => Signature::from_slice(self.pair.sign(message).as_ref()).expect("an Ed25519 signature has 64 bytes"),
            Some(scheme) => scheme.sign(&(&self.public).into(), message).into(),
        }
    }

    /// The same key, which signs by a scheme.
    #[must_use]
    pub fn under(&self, scheme: &Arc<dyn Scheme>) -> Self {
        Self { public: self.public.under(scheme), ..self.clone() }
    }
}

impl From<[u8; 32]> for SigningKey {
    fn from(seed: [u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("any 32 bytes are the seed of a key");
        let seed = ed25519_zebra::SigningKey::from(seed);
        let public = seed.verification_key().into();
        Self { id: key_id(&public), public, seed, pair: Arc::new(pair) }
    }
}

/// The number that names a key in entries and receipts: the first 4 bytes, big-endian, of SHA-256(`"sinergi/key/v1\0" || public key`).
pub fn key_id(public: &PublicKey) -> u32 {
    let digest = Sha256::new().chain_update(b"sinergi/key/v1\0").chain_update(public.as_ref()).finalize();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

impl From<&SigningKey> for VerificationKeyBytes {
    fn from(key: &SigningKey) -> Self {
        key.public.ed25519.into()
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
            assert!(key.verification_key().verifies(&message, &key.sign(&message).to_bytes()));
        }
    }

    #[test]
    fn a_key_never_shows_its_secret() {
        let text = format!("{:?}", SigningKey::from([0xAB; 32]));
        assert!(!text.contains("171, 171") && !text.to_lowercase().contains("abab"), "{text}");
    }
}
