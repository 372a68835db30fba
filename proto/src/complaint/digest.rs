//! A digest of a set of entries. Two operators compare it to see whether their nodes have the same entries of a complaint.
//!
//! Must not know what entries say.

use sha2::{Digest, Sha256};

use crate::base::clock::HybridClock;

/// SHA-256 over the clock and the first 16 bytes of the id of each entry of a complaint, in the order of (clock, id). It proves nothing to
/// others, because it is not signed.
#[derive(Clone, Debug, Default)]
pub struct SetDigest(Sha256);

impl SetDigest {
    /// Number of bytes of an entry's id in the digest. Nobody can make two entries of one clock whose ids agree in so many bytes.
    pub const ID_PREFIX: usize = 16;

    /// Adds the next entry.
    pub fn add(&mut self, clock: HybridClock, id_prefix: &[u8]) {
        self.0.update(clock.to_bits().to_be_bytes());
        self.0.update(id_prefix);
    }

    /// The finished digest.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
