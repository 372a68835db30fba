//! The kinds of signatures that a run may use.
//!
//! Curve arithmetic would take nearly all of the time of a run, so in most runs a signature is a hash. Everything else is as in the
//! product: the signers, the signed bytes, and the time of each check.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use sinergi_proto::base::key::{Scheme, SigningKey};
use sinergi_proto::charter::Charters;

/// The kind of signatures that the agencies of a run use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signatures {
    /// Ed25519, as in the product.
    Ed25519,
    /// [`Hashed`].
    Hashed,
}

impl Signatures {
    /// The charters, with this kind of signatures for the members.
    pub fn apply_to_charters(self, charters: Charters) -> Charters {
        match self.scheme() {
            Some(scheme) => charters.under(&scheme),
            None => charters,
        }
    }

    /// A member's key that makes this kind of signatures.
    pub fn apply_to_key(self, key: &SigningKey) -> SigningKey {
        match self.scheme() {
            Some(scheme) => key.under(&scheme),
            None => key.clone(),
        }
    }

    fn scheme(self) -> Option<Arc<dyn Scheme>> {
        match self {
            Self::Ed25519 => None,
            Self::Hashed => Some(Arc::new(Hashed)),
        }
    }
}

/// A signature that is the SHA-256 of the public key and the message, repeated to fill 64 bytes. Anybody could forge it, but no node of a
/// run does.
#[derive(Debug)]
pub struct Hashed;

impl Scheme for Hashed {
    fn sign(&self, public: &[u8; 32], message: &[u8]) -> [u8; 64] {
        let hash = Sha256::new().chain_update(public).chain_update(message).finalize();
        std::array::from_fn(|index| hash[index % hash.len()])
    }

    fn verifies(&self, public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        self.sign(public, message) == *signature
    }
}
