//! The name of the federation, and keys by name. A module of its own because the charters, the members and the checks all need it.

use std::cell::RefCell;
use std::collections::HashMap;

use sha2::{Digest, Sha256};
use sinergi_proto::base::key::SigningKey;

/// The name of the federation.
pub const FEDERATION: &str = "sim.example";

/// The signing key with this name. The same name always gives the same key.
pub(super) fn key(name: &str) -> SigningKey {
    thread_local! {
        // Key generation is slow, and all runs use the same keys.
        static MADE: RefCell<HashMap<String, SigningKey>> = RefCell::default();
    }
    let make = || SigningKey::from(<[u8; 32]>::from(Sha256::digest(format!("sinergi simulation key {name}"))));
    MADE.with_borrow_mut(|made| made.entry(name.to_owned()).or_insert_with(make).clone())
}
