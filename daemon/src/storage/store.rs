//! The store: what makes the ledger fast to ask. Everything in it is derived and can be thrown away.
//!
//! Must not know how anything is decided. Only [`crate::storage::derivation`] fills it. Anybody may read it, but never in an async task, because sled blocks.
//!
//! ```text
//! complaint  id -> Row: its Summary, and where its newest entries lie
//! timeline   complaint, clock, id prefix -> leaf        entries that no longer fit into the row; entries of no complaint
//! queue      holder, phase, due, complaint -> ()
//! duty       complaints about which this node has to do something by itself
//! external   source, external id -> complaint
//! peer       receive|acknowledge, agency -> Cursor
//!            receipt|shown, agency -> position of the record with its newest checkpoint
//!            introduced, agency -> ()
//!            newest|epoch, agency -> its entry with the highest place, its newest LedgerReset
//! refused    position, number -> RefusedRow
//! deferred   hash of peer and item -> position
//! spent      position of items that no longer wait and are to be overwritten
//! meta       watermark, own clock, figures of the last orderly end
//! ```
//!
//! Invariants:
//! - keys grow with time (random keys cost three times as much), values are under 4 KiB;
//! - the trees with a row for every complaint, `complaint` and `queue`, keep their rows in pages (`paged.rs`);
//! - the watermark is written after everything that it covers; applying a record twice changes nothing.

mod keys;
mod open;
mod paged;
mod read;
mod summary;
mod tree;
mod write;

pub use open::{StoreOpened, open, set_aside};
pub use read::{Newest, PeerCursor, Sight};
pub use summary::{OpenOffer, Placed, RefusedRow, Row, Summary};
pub use tree::guarded;
pub use write::{Changes, Counts};

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
    refused: Tree,
    deferred: Tree,
    spent: Tree,
    meta: Tree,
}

impl Store {
    /// Waits until the store proves damaged, whoever works with it: what is read or written then says so as well.
    pub async fn damage(&self) -> StoreError {
        self.health.damage().await
    }
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refuses something to sled. Its errors stick until it is opened again.
    #[error(
        "the store failed: {0}; mend the disk (space, permissions, cables), then start the node again: everything is in the ledger, \
         and `sinergid rebuild` makes a new store of it if this one can no longer be read"
    )]
    System(#[source] sled::Error),
    /// sled cannot make sense of its files.
    #[error(
        "the store is damaged: {0}; a node that meets this ends, and makes a new store of the ledger, which has everything, when it starts again"
    )]
    Damaged(#[source] sled::Error),
    /// sled panicked over its files.
    #[error(
        "the store is damaged, sled says {0:?}; a node that meets this ends, and makes a new store of the ledger, which has everything, when \
         it starts again"
    )]
    Panicked(String),
    /// A value that this program did not write.
    #[error("the store's tree {tree} holds a value that cannot be read: stop the node and run `sinergid rebuild`")]
    Malformed {
        /// The tree.
        tree: &'static str,
    },
    /// A store of another version of this program.
    #[error("the store's layout is {found:?}, this program's is {known}")]
    Layout {
        /// What the store says.
        found: Option<u64>,
        /// What this program writes.
        known: u64,
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
    /// What was found, without what to do about it: for who does it.
    pub fn found(&self) -> String {
        match self {
            Self::System(error) | Self::Damaged(error) => error.to_string(),
            Self::Panicked(text) => text.clone(),
            other => other.to_string(),
        }
    }

    /// Whether a new store, built from the ledger, is the remedy. Otherwise the disk is.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged(_) | Self::Panicked(_) | Self::Malformed { .. } | Self::Layout { .. } => true,
            Self::System(_) | Self::Aside { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests;
