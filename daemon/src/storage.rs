//! Everything that a node keeps on its disk, and the caches over it.
//!
//! ```text
//! ledger/          segment files and the Merkle tree: the only truth     <- record_codec: typed records as bytes
//!    |  derivation    the one path from the ledger to the store
//!    v
//! store/           sled; can be thrown away
//!    |
//!    |-- complaint_loader   loads one complaint
//!    |-- foreign_ledger     the newest entry and epoch of another agency
//!    |-- signed_leaves      reads leaves with their authors' signatures
//!    `-- outbox             reads the items that a link has to send   <- leaf_cache: the newest leaves, in memory
//!
//! ledger.epoch-N/  the ledgers of earlier epochs   <- earlier_epochs: overwrites erased texts there
//!
//! charters           the trusted charters: files, and the chain in memory
//! keys               the signing keys: files
//! ```

pub mod charters;
pub mod complaint_loader;
pub mod derivation;
pub mod earlier_epochs;
pub mod foreign_ledger;
pub mod keys;
pub mod leaf_cache;
pub mod ledger;
pub mod mark;
pub mod outbox;
pub mod record_codec;
pub mod signed_leaves;
pub mod store;
