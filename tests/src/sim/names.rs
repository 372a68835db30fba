//! The federation's name and the keys of a run, by name. Below the modules that make charters, members and checks.

use sha2::{Digest, Sha256};
use sinergi_proto::base::key::SigningKey;

/// The name of the federation.
pub const FEDERATION: &str = "sim.example";

/// The signing key with this name: the same in every run.
pub(super) fn key(name: &str) -> SigningKey {
    SigningKey::from(<[u8; 32]>::from(Sha256::digest(format!("sinergi simulation key {name}"))))
}
