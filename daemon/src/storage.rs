//! Everything that a node keeps on its disk, and the caches over it.
//!
//! ```text
//! ledger/          segment files and the Merkle tree: the only truth     <- record_codec: typed records as bytes
//!    |  derivation    the one path from the ledger to the store
//!    v
//! store/           sled; can be thrown away
//!    |
//!    |-- case         loads one complaint
//!    `-- outbox       reads what a link has to send     <- leaf_cache: the newest leaves, in memory
//!
//! charters, keys   files beside the ledger
//! ```

pub mod case;
pub mod charters;
pub mod derivation;
pub mod keys;
pub mod leaf_cache;
pub mod ledger;
pub mod outbox;
pub mod record_codec;
pub mod store;
