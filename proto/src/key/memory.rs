//! A memory of signatures that are known to verify: a simulation shows the same ones to many nodes, and curve arithmetic would take most of
//! its time.
//!
//! It is off unless a thread keeps a [`SignatureMemory`]. No shipped program does: a node sees nearly every signature once.
//!
//! Invariant: it changes no answer. It holds only what verified, and what a [`SigningKey`](super::SigningKey) of this thread signed; key,
//! message and signature are compared to the byte.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use ed25519_zebra::{Signature, VerificationKey};

thread_local! {
    static MEMORY: RefCell<Option<Memory>> = const { RefCell::new(None) };
}

type Memory = HashMap<[u8; 64], Vec<Known>>;

struct Known {
    public: [u8; 32],
    message: Vec<u8>,
}

/// While this lives, its thread does not verify again what it knows to verify.
#[must_use]
pub struct SignatureMemory(());

impl SignatureMemory {
    /// An empty memory for this thread, in place of the one that it has.
    pub fn keep() -> Self {
        MEMORY.with_borrow_mut(|memory| *memory = Some(Memory::new()));
        Self(())
    }
}

impl Drop for SignatureMemory {
    fn drop(&mut self) {
        MEMORY.with_borrow_mut(|memory| *memory = None);
    }
}

/// Whether this thread keeps a memory.
pub(crate) fn is_kept() -> bool {
    MEMORY.with_borrow(Option::is_some)
}

/// Whether the signature is known to verify.
pub(super) fn knows(public: &VerificationKey, message: &[u8], signature: &Signature) -> bool {
    MEMORY.with_borrow(|memory| {
        let all = memory.as_ref().and_then(|memory| memory.get(&signature.to_bytes()));
        all.is_some_and(|all| all.iter().any(|known| known.public == public.as_ref() && known.message == message))
    })
}

/// The signature verifies.
pub(super) fn add(public: &VerificationKey, message: &[u8], signature: &Signature) {
    MEMORY.with_borrow_mut(|memory| {
        let Some(memory) = memory else { return };
        let mut public_bytes = [0; 32];
        public_bytes.copy_from_slice(public.as_ref());
        let known = Known { public: public_bytes, message: message.to_vec() };
        match memory.entry(signature.to_bytes()) {
            Entry::Vacant(place) => drop(place.insert(vec![known])),
            Entry::Occupied(mut all) if !knows_one(all.get(), &known) => all.get_mut().push(known),
            Entry::Occupied(_) => {}
        }
    });
}

fn knows_one(all: &[Known], known: &Known) -> bool {
    all.iter().any(|other| other.public == known.public && other.message == known.message)
}

#[cfg(test)]
mod tests {
    use super::super::{SigningKey, is_known, verify};
    use super::SignatureMemory;

    #[test]
    fn a_memory_knows_what_verified_and_changes_no_answer() {
        let (key, other) = (SigningKey::from([1; 32]), SigningKey::from([2; 32]));
        let signature = key.sign(b"a message");
        let _memory = SignatureMemory::keep();
        let public = key.verification_key();
        assert!(!is_known(&public, b"a message", &signature));
        assert!(verify(&public, b"a message", &signature));
        assert!(is_known(&public, b"a message", &signature));
        assert!(!verify(&public, b"a messagf", &signature));
        assert!(!verify(&other.verification_key(), b"a message", &signature));
        let mut bytes = signature.to_bytes();
        bytes[40] ^= 1;
        assert!(!verify(&public, b"a message", &bytes.into()));
    }

    #[test]
    fn a_memory_knows_what_was_signed_until_it_is_dropped() {
        let key = SigningKey::from([1; 32]);
        let memory = SignatureMemory::keep();
        let signature = key.sign(b"a message");
        assert!(is_known(&key.verification_key(), b"a message", &signature));
        drop(memory);
        assert!(!is_known(&key.verification_key(), b"a message", &signature));
    }
}
