//! The ledger of a node: an append-only file log of records with a Merkle tree over its leaves. The only truth of a node.
//!
//! Must not know what an entry, a content or a receipt means: bodies and local headers are bytes. It decides nothing and signs
//! nothing. It makes records durable, keeps their order, and gives the hashes for proofs.
//!
//! ```text
//! DIR/00000001.seg   segment: header, then groups of records; sealed at 64 MiB       segment.rs, record.rs
//!     00000002.seg   the newest segment, the only one that is appended to
//!     hashes         32 bytes a node of the tree, tlog stored-hash order   derived   derived.rs
//!     positions      24 bytes a leaf: its record, newest content, signature derived   derived.rs
//!     lock           held by the process that writes
//!
//! Tip::begin (tip.rs) -> Group (group.rs) -> Ledger::commit (writer.rs): one write, one fdatasync, then the derived files
//! Ledger::open (open.rs): find segments, scan the newest (tail.rs), cut or stop, sync, bring up the derived files (derive.rs)
//! LedgerReader (reader.rs): cheap clones for other threads; Records (scan.rs): everything in order; verify (verify.rs)
//! ```
//!
//! Invariants:
//! - a group is on the disk as a whole or not at all: its first record, the *group head* (kind `Signed`), says how long it is;
//! - nothing is visible to a reader before the fdatasync of its group has returned;
//! - everything before a group head was synced before that head was written, so damage before an intact head is never a torn tail;
//! - a record is never moved or changed. Only the body of a content record can be overwritten with zeros;
//! - one owner writes ([`Ledger`]); a failed write ends it ([`Fatal`]).

mod derive;
mod derived;
mod erase;
mod error;
mod files;
#[cfg(test)]
mod fixture;
mod group;
mod open;
mod reader;
mod record;
mod scan;
mod segment;
mod tail;
mod tip;
mod verify;
mod writer;

use crate::base::node_limits;
use sinergi_proto::base::ids::Epoch;
use sinergi_proto::base::limits;

pub use error::{AppendError, EraseError, Fatal, OpenError, ReadError};
pub use group::Group;
pub use open::{Cut, Opened, Salvage, salvage};
pub use reader::{Leaves, LedgerReader, Steps};
pub use record::{Position, Problem, Record, RecordKind};
pub use scan::Records;
pub use tip::Tip;
pub use verify::{Finding, Progress, verify};
pub use writer::{Committed, Ledger};

/// Size at which a segment is sealed, unless the options say otherwise, in bytes.
pub const SEGMENT_BYTES: u32 = 64 * 1024 * 1024;
/// Largest size at which a segment can be sealed, in bytes: offsets are 32 bits wide.
pub const SEGMENT_BYTES_MAX: u32 = 1024 * 1024 * 1024;
/// Largest group, in bytes; also how much of the tail is written again at open.
pub const GROUP_BYTES_MAX: usize = 2 * node_limits::BATCH_BYTES;
/// Largest body of a record, in bytes. A greater length in a file is damage, never an allocation.
pub const BODY_BYTES_MAX: usize = limits::FRAME_BYTES;
/// Largest leaf, in bytes: the u16 length of a tlog-tiles entry bundle.
pub const LEAF_BYTES_MAX: usize = u16::MAX as usize;
/// Largest local header of a record, in bytes.
pub const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Largest signed note in a group head, in bytes.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;

const _: () = assert!(limits::ENTRY_BYTES < LEAF_BYTES_MAX, "an entry is a leaf");
const _: () = assert!(4 * limits::SIGNED_BATCH < HEADER_BYTES_MAX, "the leaves of one signature fit into its header");
const _: () = assert!(BODY_BYTES_MAX + HEADER_BYTES_MAX + NOTE_BYTES_MAX + 1024 < GROUP_BYTES_MAX);
const _: () = assert!(SEGMENT_BYTES_MAX as u64 + GROUP_BYTES_MAX as u64 <= u32::MAX as u64);

/// Options for opening a ledger.
#[derive(Clone, Copy, Debug)]
pub struct LedgerOptions {
    /// The epoch that the segments must have. `None` accepts any epoch, and means [`Epoch::FIRST`] for a new ledger.
    pub epoch: Option<Epoch>,
    /// Size at which a segment is sealed, in bytes; at most [`SEGMENT_BYTES_MAX`].
    pub segment_bytes: u32,
    /// Build `hashes` and `positions` again from all segments, even if they are intact.
    pub rebuild_derived: bool,
}

impl Default for LedgerOptions {
    fn default() -> Self {
        Self { epoch: None, segment_bytes: SEGMENT_BYTES, rebuild_derived: false }
    }
}
