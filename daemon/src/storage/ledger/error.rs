//! The errors of the ledger, one type for each kind of reaction of the caller.
//!
//! Invariants:
//! - [`Fatal`] is the only error after which the node must stop: the disk may or may not hold what was written;
//! - [`OpenError`] and [`ReadError`] change nothing on the disk; each names file, offset and what to do.

use std::io;
use std::path::PathBuf;

use sinergi_proto::base::ids::{Epoch, LedgerIndex};

use super::GROUP_BYTES_MAX;
use super::record::{Position, Problem, RecordKind};

/// A failure after which nothing more may be appended: stop the node, say so, and recover at the next start.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// Writing or syncing failed.
    #[error("cannot {action} {} at offset {offset}; stop, repair the disk (space, cables, SMART), then start again: \
             the tail is checked and written anew", path.display())]
    Io {
        /// The action, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The offset in the file, in bytes.
        offset: u64,
        /// The system's error.
        source: io::Error,
    },
    /// The file that is written to is not the one that a start would find.
    #[error("{} was removed or moved away while the node wrote to it; put it back, or a backup of it and run `sinergi recover`, \
             then start again: what was being written was not acknowledged", path.display())]
    Gone {
        /// The path at which it should be.
        path: PathBuf,
    },
    /// An earlier failure ended this ledger.
    #[error("the ledger stopped after an earlier failure: {cause}")]
    Stopped {
        /// The earlier failure.
        cause: String,
    },
    /// The group was not built on this state of this ledger: a defect of the program.
    #[error("the group cannot be appended: {problem}; this is a defect, please report it")]
    WrongGroup {
        /// The problem.
        problem: &'static str,
    },
}

/// A ledger cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system refused something.
    #[error("cannot {action} {}; mend what the system says (space, rights, the disk), then start again", path.display())]
    Io {
        /// The action, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another process has the ledger.
    #[error("{} is locked: another sinergid uses this ledger; stop it first", path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// A segment is not there.
    #[error("{} is missing, but {evidence}; put it back from a backup or run `sinergi recover`", path.display())]
    MissingSegment {
        /// The file that should be there.
        path: PathBuf,
        /// The evidence that it existed.
        evidence: String,
    },
    /// A segment's header is not one, or not of the place in which it stands.
    #[error("the header of {} (offset 0) is damaged: {problem}; put the file back from a backup or run `sinergi recover`",
            path.display())]
    SegmentHeader {
        /// The segment.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// Written by an older program.
    #[error(
        "{} has format {found}, this program reads format {known} only; run the program that wrote it, or move the folder aside and run \
         `sinergi init`",
        path.display()
    )]
    Older {
        /// The segment.
        path: PathBuf,
        /// Its format version.
        found: u32,
        /// The version that this program reads.
        known: u32,
    },
    /// Written by a newer program.
    #[error("{} has format {found}, this program knows {known}; use the newer program", path.display())]
    Newer {
        /// The segment.
        path: PathBuf,
        /// Its format version.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// A segment of another epoch.
    #[error("{} is of epoch {found}, expected is {expected}; move it aside or correct the configuration", path.display())]
    WrongEpoch {
        /// The segment.
        path: PathBuf,
        /// Its epoch.
        found: Epoch,
        /// The epoch of the configuration, or of the segments before it.
        expected: Epoch,
    },
    /// The leaves before a segment are not those over which it was begun.
    #[error("{} begins at leaf {expected} with root {expected_root}, but the segments before it give {found} leaves with root \
             {found_root}; put the segment before it back from a backup or run `sinergi recover`", path.display())]
    Discontinuous {
        /// The later segment.
        path: PathBuf,
        /// The first leaf that it names.
        expected: u64,
        /// The root that it names.
        expected_root: String,
        /// The leaves before it.
        found: u64,
        /// Their root.
        found_root: String,
    },
    /// Damage that no torn write explains.
    #[error("{} is damaged at offset {offset}: {problem}; it is no torn tail, because {evidence}; \
             put the file back from a backup or run `sinergi recover`", path.display())]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// The offset of the first damaged record, in bytes.
        offset: u32,
        /// The problem.
        problem: Problem,
        /// The evidence that it had been synced.
        evidence: String,
    },
    /// A record below the tail could not be read while the derived files were built.
    #[error("cannot build the derived files; put the file back from a backup or run `sinergi recover`")]
    Read(#[from] ReadError),
    /// Bringing up the derived files failed.
    #[error("cannot bring up the derived files")]
    Derived(#[source] Fatal),
}

/// Something cannot be read. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refused.
    #[error("cannot read {} at offset {offset}; check the disk", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The offset, in bytes.
        offset: u64,
        /// The system's error.
        source: io::Error,
    },
    /// The bytes are not what was written.
    #[error("{} is damaged at offset {offset}: {problem}; run `sinergi ledger verify`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The offset of the record, in bytes.
        offset: u64,
        /// The problem.
        problem: Problem,
    },
    /// No such leaf, or not durable yet.
    #[error("leaf {index} is not below the ledger's size {size}")]
    NoLeaf {
        /// The leaf asked for.
        index: LedgerIndex,
        /// Durable leaves.
        size: u64,
    },
    /// The position is after the durable end, or in no segment.
    #[error("position {position} is not below the ledger's end {end}")]
    BeyondEnd {
        /// The position asked for.
        position: Position,
        /// The durable end.
        end: Position,
    },
    /// A derived file points to something else than it says.
    #[error("{} is wrong for leaf {index} (offset {offset}): {problem}; run `sinergid rebuild`", path.display())]
    Derived {
        /// The derived file.
        path: PathBuf,
        /// The leaf.
        index: LedgerIndex,
        /// The offset in the derived file, in bytes.
        offset: u64,
        /// The problem.
        problem: String,
    },
    /// The tree could not be read.
    #[error("cannot compute the root at size {size}")]
    Tree {
        /// The size asked for.
        size: u64,
        /// The error of the tree.
        source: tlog_tiles::Error,
    },
}

/// A record was not added to a group. The group is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Header or body too large.
    #[error("{what} of {length} bytes in a record of kind {kind:?}, the limit is {bound}")]
    TooLarge {
        /// Header or body.
        what: &'static str,
        /// The kind of the record.
        kind: RecordKind,
        /// Its length in bytes.
        length: usize,
        /// The bound.
        bound: usize,
    },
    /// The group has no room left: commit it and begin another.
    #[error("{length} more bytes do not fit into a group of {GROUP_BYTES_MAX}; commit it first")]
    GroupFull {
        /// Bytes of the record.
        length: usize,
    },
    /// A kind that has its own method, or that this program does not know.
    #[error("records of kind {0:?} are not appended by `record`")]
    NotARecord(RecordKind),
    /// Content of a leaf that neither is there nor comes next.
    #[error("content of leaf {index}, but the next leaf is {next}")]
    NoSuchLeaf {
        /// The leaf named.
        index: LedgerIndex,
        /// The next leaf of the group.
        next: LedgerIndex,
    },
    /// The content before this one could not be looked up.
    #[error("cannot look up the newest content of the leaf")]
    Read(#[from] ReadError),
}

/// A body was not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// Writing or syncing failed; the ledger has stopped.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// The record could not be read.
    #[error("cannot read the content to be erased")]
    Read(#[from] ReadError),
    /// Only contents, and items that waited, can be erased.
    #[error("the record at {position} is of kind {kind:?}; only contents, and items that waited, can be erased")]
    NotContent {
        /// The position given.
        position: Position,
        /// The kind of the record there.
        kind: RecordKind,
    },
}
