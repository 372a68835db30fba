//! How the agencies of a run sign.
//!
//! Curve arithmetic would take nearly all of the time of a run, so in most runs a signature is a hash. Everything else is as in the product:
//! who signs what, which bytes are signed, and what is checked when.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use sinergi_proto::base::key::{Scheme, SigningKey};
use sinergi_proto::charter::Charters;

/// How the agencies of a run sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signatures {
    /// By Ed25519, as in the product.
    Ed25519,
    /// By [`Hashed`].
    Hashed,
}

impl Signatures {
    /// Charters whose members sign like this.
    pub fn put_on(self, charters: Charters) -> Charters {
        match self.scheme() {
            Some(scheme) => charters.under(&scheme),
            None => charters,
        }
    }

    /// A member's key, which signs like this.
    pub fn put_on_key(self, key: &SigningKey) -> SigningKey {
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

/// A signature is SHA-256 over public key and message, twice. Anybody could make it, and nobody in a run does it for another.
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
