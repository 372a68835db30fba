//! A cache of batch signatures that verified, so that the signature of a batch is checked once, although its entries come in many frames.
//!
//! Must not know entries or charters beyond the key that a signature must verify under.
//!
//! Invariants:
//! - only successes are cached. A bad signature takes nothing from a good one over the same batch;
//! - a success counts for the same key, batch and signature only. So a batch of one author says nothing about entries of another author in it,
//!   and an entry is never stored beside a signature that was not checked.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

use ed25519_zebra::{Signature, batch};
use lru::LruCache;
use parking_lot::Mutex;

use crate::base::key::PublicKey;
use crate::charter::MemberKey;
use crate::entry::{Entry, Envelope, SignedBatch};

/// Most cached signatures: about 150 bytes each.
const CACHED: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// The claim that a key signed a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SignatureClaim {
    key: [u8; 32],
    batch: SignedBatch,
    signature: [u8; 64],
}

impl SignatureClaim {
    /// The claim of an entry's envelope, under the key that must have signed it.
    pub(super) fn of(entry: &Entry, envelope: &Envelope, key: &MemberKey) -> Self {
        Self { key: (&key.public).into(), batch: envelope.batch_of(&entry.id), signature: *envelope.signature() }
    }
}

/// The batch signatures that verified most recently. Clones share them.
#[derive(Clone, Debug)]
pub struct VerifiedBatches(Arc<Mutex<LruCache<SignatureClaim, ()>>>);

impl Default for VerifiedBatches {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(LruCache::new(CACHED))))
    }
}

impl VerifiedBatches {
    /// The claims that hold. Those that are not cached are checked, and are cached if they hold.
    pub(super) fn verify<'a>(
        &self,
        claims: impl Iterator<Item = (&'a PublicKey, SignatureClaim)>,
        rng: impl rand::CryptoRng,
    ) -> BTreeSet<SignatureClaim> {
        let (mut good, mut open) = (BTreeSet::new(), BTreeMap::new());
        self.with(|cache| {
            for (key, claim) in claims {
                match cache.get(&claim) {
                    Some(()) => drop(good.insert(claim)),
                    None => drop(open.insert(claim, key)),
                }
            }
        });
        if open.is_empty() {
            return good;
        }
        let checked = check(open, rng);
        self.with(|cache| checked.iter().for_each(|claim| _ = cache.put(*claim, ())));
        good.extend(checked);
        good
    }

    fn with<T>(&self, change: impl FnOnce(&mut LruCache<SignatureClaim, ()>) -> T) -> T {
        change(&mut self.0.lock())
    }
}

/// The claims that hold, of these.
fn check(claims: BTreeMap<SignatureClaim, &PublicKey>, rng: impl rand::CryptoRng) -> Vec<SignatureClaim> {
    let (mut verifier, mut together, mut alone) = (batch::Verifier::new(), Vec::new(), Vec::new());
    for (claim, key) in claims {
        match key.for_batch() {
            Some(bytes) => {
                let message = claim.batch.message();
                verifier.queue((bytes, Signature::from_bytes(&claim.signature), message.as_slice()));
                together.push((claim, key));
            }
            None => alone.push((claim, key)),
        }
    }
    // Even the check of no signature takes curve arithmetic.
    if !together.is_empty() && verifier.verify(rng).is_err() {
        alone.append(&mut together);
    }
    alone.retain(|(claim, key)| key.verifies(&claim.batch.message(), &claim.signature));
    together.into_iter().chain(alone).map(|(claim, _)| claim).collect()
}
