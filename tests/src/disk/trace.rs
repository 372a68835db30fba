//! The recorded file operations, in the order in which they took effect.

use std::path::{Path, PathBuf};

use super::{Disk, Op};

/// Bytes of `struct head` in the shim.
const HEAD_BYTES: usize = 40;

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// The moment when it was complete; see [`Disk::now`].
    pub at: u64,
    /// The kind of operation.
    pub op: Op,
    /// The path of the file or folder.
    pub path: PathBuf,
    /// The new path of a `Rename`.
    pub to: Option<PathBuf>,
    /// The file's number in its file system.
    pub inode: u64,
    /// The position of a `Write`, or the new length of a `Truncate`, in bytes.
    pub offset: u64,
    /// The bytes of a `Write`.
    pub data: Vec<u8>,
    /// The `errno` of a `Synced`; 0 if it succeeded.
    pub error: i32,
}

/// All recorded operations.
pub fn read(disk: &Disk) -> Vec<Operation> {
    let bytes = std::fs::read(disk.record()).expect("a record");
    let mut operations = Vec::new();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let (head, body) = rest.split_at(HEAD_BYTES);
        let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes"));
        let long = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        let (path, body) = body.split_at(word(4) as usize);
        let (data, after) = body.split_at(usize::try_from(long(24)).expect("a length"));
        rest = after;
        let mut paths = path
            .split(|byte| *byte == 0)
            .map(|path| PathBuf::from(std::str::from_utf8(path).expect("paths of tests are UTF-8")));
        operations.push(Operation {
            at: (bytes.len() - rest.len()) as u64,
            op: op(word(0)),
            path: paths.next().unwrap_or_default(),
            to: paths.next(),
            inode: long(8),
            offset: long(16),
            data: data.to_vec(),
            error: word(32) as i32,
        });
    }
    operations
}

fn op(number: u32) -> Op {
    const ALL: [Op; 13] = [
        Op::Create,
        Op::Open,
        Op::Write,
        Op::Truncate,
        Op::Rename,
        Op::Unlink,
        Op::MakeFolder,
        Op::RemoveFolder,
        Op::Sync,
        Op::Synced,
        Op::RangeSync,
        Op::Start,
        Op::Read,
    ];
    ALL[number as usize]
}

/// Whether a path is not part of a node's data: its log, which the harness opens, or its socket, which is bound under another name first.
pub fn is_not_data(path: &Path) -> bool {
    ["sinergid.log", "sinergid.sock", "sinergid.new"].iter().any(|name| path.ends_with(name))
}
