//! The store: what makes the ledger fast to ask. Everything in it is derived and can be thrown away.
//!
//! Must not know how anything is decided. Written by [`crate::apply`] alone; read by anybody, never in an async task (sled blocks).
//!
//! ```text
//! complaint  id -> Row: its Summary, and where its newest entries lie
//! timeline   complaint, clock, id prefix -> leaf        entries that no longer fit into the row; entries of no complaint
//! queue      holder, phase, due, complaint -> ()
//! recalled   complaints whose recalled offer this node has to answer
//! external   source, external id -> complaint
//! peer       receive|acknowledge, agency -> Cursor
//!            receipt|shown, agency -> position of the record with its newest checkpoint
//!            newest|epoch, agency -> its entry with the highest place, its newest LedgerReset
//! refused    position, number -> RefusedRow
//! deferred   hash of peer and item -> position
//! meta       watermark, own clock, figures of the last orderly end
//! ```
//!
//! Invariants:
//! - keys grow with time (random keys cost three times as much), values are under 4 KiB;
//! - the watermark is written after everything that it covers; applying a record twice changes nothing.

mod keys;
mod open;
mod read;
mod summary;
mod write;

pub use open::{StoreOpened, open};
pub use read::{Newest, PeerCursor, Sight};
pub use summary::{OpenOffer, Placed, RefusedRow, Row, Summary};
pub use write::{Changes, Counts};

use std::path::PathBuf;

/// The trees.
#[derive(Clone)]
pub struct Store {
    db: sled::Db,
    timeline: sled::Tree,
    complaint: sled::Tree,
    queue: sled::Tree,
    recalled: sled::Tree,
    external: sled::Tree,
    peer: sled::Tree,
    refused: sled::Tree,
    deferred: sled::Tree,
    meta: sled::Tree,
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// sled says so. Its errors stick until it is opened again.
    #[error("the store failed: {0}; it is derived: start the node again and it is rebuilt from the ledger")]
    Sled(#[from] sled::Error),
    /// A value that this program did not write.
    #[error("the store's tree {tree} holds a value that cannot be read: stop the node and run `sinergid rebuild`")]
    Malformed {
        /// The tree.
        tree: &'static str,
    },
    /// The damaged store cannot be moved aside.
    #[error("cannot move the damaged store {} aside: {source}", path.display())]
    Aside {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests;
