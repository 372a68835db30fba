//! A disk under the test's control. It records the file operations of a node. On the test's orders it lets them fail or hang, or kills the
//! node.
//!
//! The node is a real process. `shim/disk.c` is preloaded between the node and the C library. This needs Linux and a C compiler, which the
//! build needs anyway.
//!
//! | where | what |
//! |---|---|
//! | here | building the shim, and setting its rules |
//! | [`trace`] | the recorded operations |
//! | [`crash`] | the possible contents of a disk after a power failure at some moment of a trace |
//! | [`reopen`] | a node's folder, opened as a node does when it starts |
//!
//! Invariant: the shim counts each time that a fault is applied, so that no test passes because its fault never happened.

pub mod crash;
pub mod reopen;
pub mod trace;

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use sinergi_cli::demo::wait;
use tempfile::TempDir;

use crate::federation::PATIENCE;
use crate::shim;

/// An operation on a file or a name. The numbers are those of `enum op` in the shim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Creates a file.
    Create = 0,
    /// Opens an existing file to write it.
    Open = 1,
    /// Writes.
    Write = 2,
    /// Sets a file's length.
    Truncate = 3,
    /// Renames.
    Rename = 4,
    /// Removes a file.
    Unlink = 5,
    /// Creates a folder.
    MakeFolder = 6,
    /// Removes a folder.
    RemoveFolder = 7,
    /// `fsync` or `fdatasync`.
    Sync = 8,
    /// The end of a sync. It is only recorded and never fails.
    Synced = 9,
    /// `sync_file_range`, which makes nothing durable.
    RangeSync = 10,
    /// A program starts. It is only recorded.
    Start = 11,
    /// Reads. It is never recorded.
    Read = 12,
}

/// All operations that a read-only file system refuses.
pub const CHANGES: [Op; 9] =
    [Op::Create, Op::Open, Op::Write, Op::Truncate, Op::Rename, Op::Unlink, Op::MakeFolder, Op::RemoveFolder, Op::Sync];

/// `ENOSPC`, the error of a full disk.
pub const NO_SPACE: i32 = 28;
/// `EIO`, the error of a failing disk.
pub const IO_ERROR: i32 = 5;
/// `EROFS`, the error of a file system that was made read-only, usually by the system after a disk error.
pub const READ_ONLY: i32 = 30;

/// The most rules at a time, and the size of one rule in bytes; see `struct rule` in the shim.
const RULES: u64 = 16;
const RULE_BYTES: u64 = 240;
const PATH_BYTES: usize = 191;
const HITS_OFFSET: u64 = 40;

/// The disk under one folder.
pub struct Disk {
    root: PathBuf,
    control: Arc<File>,
    /// Contains the control file and the record, outside of the controlled folder.
    own: TempDir,
    records: bool,
}

impl Disk {
    /// A disk that can be given faults and records nothing.
    pub fn below(root: &Path) -> Self {
        let root = root.canonicalize().expect("a folder");
        let own = tempfile::tempdir().expect("a temporary folder");
        let control =
            OpenOptions::new().read(true).write(true).create_new(true).open(own.path().join("control")).expect("made");
        control.set_len(RULES * RULE_BYTES).expect("room");
        Self { root, control: Arc::new(control), own, records: false }
    }

    /// A disk that also records.
    pub fn recorded_below(root: &Path) -> Self {
        let disk = Self { records: true, ..Self::below(root) };
        File::create(disk.record()).expect("made");
        disk
    }

    /// The environment variables that give a process this disk.
    pub fn environment(&self) -> Vec<(String, OsString)> {
        let mut environment = vec![
            ("LD_PRELOAD".to_owned(), shim().into()),
            ("SINERGI_DISK_ROOT".to_owned(), self.root.clone().into()),
            ("SINERGI_DISK_CONTROL".to_owned(), self.own.path().join("control").into()),
        ];
        if self.records {
            environment.push(("SINERGI_DISK_LOG".to_owned(), self.record().into()));
        }
        environment
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file with the record.
    pub fn record(&self) -> PathBuf {
        self.own.path().join("record")
    }

    /// The current moment of the record, in bytes: all operations up to it have happened.
    pub fn now(&self) -> u64 {
        self.record().metadata().expect("a record").len()
    }

    /// Begins a fault in these operations on paths that contain `path`.
    pub fn on(&self, ops: &[Op], path: &str) -> FaultAt {
        assert!(path.len() <= PATH_BYTES);
        let ops = ops.iter().fold(0, |bits, op| bits | 1u32 << *op as u32);
        FaultAt { control: Arc::clone(&self.control), ops, path: path.to_owned(), after: 0, times: 0 }
    }
}

/// A fault that is not set yet, and the operations that it will apply to.
pub struct FaultAt {
    control: Arc<File>,
    ops: u32,
    path: String,
    after: u64,
    times: u64,
}

/// `enum kind` in the shim.
#[derive(Clone, Copy)]
enum Kind {
    Fail = 0,
    Hang = 1,
    Kill = 2,
    Full = 3,
}

impl FaultAt {
    /// Lets this many matching operations succeed first.
    pub fn after(mut self, operations: u64) -> Self {
        self.after = operations;
        self
    }

    /// Applies to one operation only.
    pub fn once(mut self) -> Self {
        self.times = 1;
        self
    }

    /// The operations fail with this `errno`.
    pub fn fails(self, errno: i32) -> Fault {
        self.set(Kind::Fail, errno, 0)
    }

    /// The operations succeed for this many more bytes; the last write may be partial. Then they fail as on a full disk.
    pub fn has_room_for(self, bytes: u64) -> Fault {
        self.set(Kind::Full, NO_SPACE, bytes)
    }

    /// The operations do not return before the fault ends.
    pub fn hangs(self) -> Fault {
        self.set(Kind::Hang, 0, 0)
    }

    /// The process is killed just before such an operation.
    pub fn kills(self) -> Fault {
        self.set(Kind::Kill, 0, 0)
    }

    fn set(self, kind: Kind, errno: i32, space: u64) -> Fault {
        let control = self.control;
        let is_free = |slot: &u64| {
            let mut active = [0; 4];
            control.read_exact_at(&mut active, slot * RULE_BYTES).expect("the control file");
            active == [0; 4]
        };
        let slot = (0..RULES).find(is_free).expect("a free rule");
        let mut bytes = vec![0; RULE_BYTES as usize];
        bytes[4..8].copy_from_slice(&(kind as u32).to_le_bytes());
        bytes[8..12].copy_from_slice(&self.ops.to_le_bytes());
        bytes[12..16].copy_from_slice(&errno.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.after.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.times.to_le_bytes());
        bytes[32..40].copy_from_slice(&space.to_le_bytes());
        bytes[48..48 + self.path.len()].copy_from_slice(self.path.as_bytes());
        control.write_all_at(&bytes, slot * RULE_BYTES).expect("the control file");
        // Written last, so that the shim never applies half a rule.
        control.write_all_at(&1u32.to_le_bytes(), slot * RULE_BYTES).expect("the control file");
        Fault { control, slot }
    }
}

/// A fault that applies until it is dropped or ended.
pub struct Fault {
    control: Arc<File>,
    slot: u64,
}

impl Fault {
    /// The number of operations that it was applied to.
    pub fn hits(&self) -> u64 {
        let mut hits = [0; 8];
        self.control.read_exact_at(&mut hits, self.slot * RULE_BYTES + HITS_OFFSET).expect("the control file");
        u64::from_le_bytes(hits)
    }

    /// Waits until it was applied to an operation.
    pub async fn strikes(&self) {
        let struck = wait::until(PATIENCE, async || Ok::<_, ()>((self.hits() > 0).then_some(())));
        assert_eq!(struck.await, Ok(Some(())), "the fault never struck");
    }

    /// Ends it.
    ///
    /// # Panics
    /// If it was applied to no operation.
    pub fn ends(self) {
        assert!(self.hits() > 0, "the fault never struck");
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        // No panic here: the test may be panicking already, and a second panic would abort it.
        let _ = self.control.write_all_at(&0u32.to_le_bytes(), self.slot * RULE_BYTES);
    }
}

/// The shim, built once in each test binary.
fn shim() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| shim::build("disk"))
}
