//! The store: indexes over the ledger, in sled. Everything in it is derived and can be thrown away.
//!
//! Must not know how anything is decided. Only [`crate::storage::derivation`] fills it. Every part of the daemon may read it, but never in an
//! async task, because sled blocks.
//!
//! ```text
//! complaint  id -> Row: its Summary, and where its newest entries lie
//! timeline   complaint, clock, id prefix -> leaf        entries that no longer fit into the row; entries of no complaint
//! queue      holder, phase, due, complaint -> ()
//! duty       complaints in which this node has to act by itself
//! external   source, external id -> complaint
//! peer       receive|acknowledge, agency -> Cursor
//!            receipt|shown, agency -> position of the record with its newest checkpoint
//!            backfilled, agency -> ()
//!            newest|epoch, agency -> its entry with the highest place, its newest LedgerReset
//! receipt    agency, cursor, position -> ()            the records with receipts, in the order of what they acknowledge
//! refused    position, number -> RefusedRow
//! deferred   hash of peer and item -> position
//! spent      position of items that no longer wait and are to be overwritten
//! meta       watermark, own clock, figures of the last clean shutdown
//! ```
//!
//! Invariants:
//! - keys grow with time (random keys cost three times as much), values are under 4 KiB;
//! - the trees with a row for every complaint, `complaint` and `queue`, keep their rows in pages (`paged.rs`);
//! - the watermark is written after everything that it covers; applying a record twice changes nothing.

mod counts;
mod keys;
mod open;
mod paged;
mod read;
mod summary;
mod tree;
mod unsettled;
mod write;

pub use counts::Counts;
pub use open::{StoreOpened, open, set_aside};
pub use read::{CheckpointSource, ForeignEntry};
pub use summary::{OpenOffer, Placed, RefusedRow, Row, Summary};
pub use tree::guarded;
pub use write::Changes;

use std::path::PathBuf;

use paged::Paged;
use tree::{Health, Tree};

/// The trees.
#[derive(Clone)]
pub struct Store {
    db: sled::Db,
    health: Health,
    timeline: Tree,
    complaint: Paged,
    queue: Paged,
    duty: Tree,
    external: Tree,
    peer: Tree,
    receipt: Tree,
    receipt_of_leaf: Tree,
    refused: Tree,
    unsettled: Tree,
    send_again: Tree,
    deferred: Tree,
    spent: Tree,
    meta: Tree,
}

impl Store {
    /// Waits until any read or write shows that the store is damaged; that call fails too.
    pub async fn damage(&self) -> StoreError {
        self.health.damage().await
    }
}

/// The store cannot be read or written. Every call of the store can return this error, because sled may fail at any time.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A system call of sled failed. sled returns this error for every call until it is opened again.
    #[error(
        "the store failed: {0}; mend the disk (space, permissions, cables), then start the node again: everything is in the ledger, \
         and `sinergid rebuild` makes a new store of it if this one can no longer be read"
    )]
    System(#[source] sled::Error),
    /// sled reports that its files are damaged.
    #[error(
        "the store is damaged: {0}; a node that meets this ends, and makes a new store of the ledger, which has everything, when it starts again"
    )]
    Damaged(#[source] sled::Error),
    /// sled panicked while it read its files.
    #[error(
        "the store is damaged, sled says {0:?}; a node that meets this ends, and makes a new store of the ledger, which has everything, when \
         it starts again"
    )]
    Panicked(String),
    /// A value that this program cannot decode.
    #[error("the store's tree {tree} holds a value that cannot be read: stop the node and run `sinergid rebuild`")]
    Malformed {
        /// The tree.
        tree: &'static str,
    },
    /// Another version of this program wrote the store.
    #[error("the store's layout is {found:?}, this program's is {known}")]
    Layout {
        /// The layout of the store.
        found: Option<u64>,
        /// The layout that this program writes.
        known: u64,
    },
    /// The damaged store cannot be moved aside.
    #[error("cannot move the damaged store {} aside: {source}", path.display())]
    Aside {
        /// The store's folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> Self {
        use std::io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
        let is_damage = match &error {
            // sled's own word for a lock that another process holds is `Other`.
            sled::Error::Io(io) => {
                matches!(io.kind(), InvalidData | InvalidInput | Other | UnexpectedEof)
                    && !io.to_string().contains("could not acquire lock")
            }
            _ => true,
        };
        if is_damage { Self::Damaged(error) } else { Self::System(error) }
    }
}

impl StoreError {
    /// The cause without advice for the operator: for logs of a program that repairs the store itself.
    pub fn found(&self) -> String {
        match self {
            Self::System(error) | Self::Damaged(error) => error.to_string(),
            Self::Panicked(text) => text.clone(),
            other => other.to_string(),
        }
    }

    /// Whether a new store, built from the ledger, solves the problem. Otherwise the operator must repair the disk.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged(_) | Self::Panicked(_) | Self::Malformed { .. } | Self::Layout { .. } => true,
            Self::System(_) | Self::Aside { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests;
