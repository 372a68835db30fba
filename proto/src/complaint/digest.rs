//! A digest that names a set of entries, so that two operators can compare what their nodes have.

use sha2::{Digest, Sha256};

use crate::base::clock::HybridClock;

/// SHA-256 over (clock, first 16 bytes of the id) of a complaint's entries in their order: lets two operators compare what their nodes
/// hold. It convinces nobody else.
#[derive(Clone, Debug, Default)]
pub struct SetDigest(Sha256);

impl SetDigest {
    /// Bytes of an entry's id that count: two entries of one clock that agree in so many cannot be made.
    pub const ID_PREFIX: usize = 16;

    /// Adds the next entry.
    pub fn add(&mut self, clock: HybridClock, id_prefix: &[u8]) {
        self.0.update(clock.to_bits().to_be_bytes());
        self.0.update(id_prefix);
    }

    /// The digest.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
