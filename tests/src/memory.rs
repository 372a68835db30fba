//! The most memory that a node may use, whatever its peers, its disk and its network do, and the memory that it has used.
//!
//! The bound is derived from the limits, so a queue or a window that grows beyond its limit exceeds it.

use sinergi_config::defaults;
use sinergi_daemon::base::node_limits;
use sinergi_proto::base::limits;

const MIB: usize = 1024 * 1024;

/// The program with its threads and allocator, the edge of the tree, and the caches of the ledger.
const BASE: usize = 64 * MIB;
/// The store: its cache, and as much again for pages that are being written.
const STORE: usize = 2 * defaults::CACHE_MIB.unsigned_abs() as usize * MIB;
/// The writer: its queue, and the group that is being written, once as received and once as written to the disk.
const WRITER: usize = node_limits::WRITER_QUEUE_BYTES + 2 * node_limits::BATCH_BYTES;
/// One direction of a link: its window, the frame that exceeds it, and one frame in the transport.
pub const DIRECTION: usize = limits::LINK_WINDOW_BYTES + FRAMES;
const FRAMES: usize = 2 * limits::FRAME_BYTES;

/// The most memory that a node with `links` links may use, in bytes.
pub const fn most(links: usize) -> usize {
    let windows = links * limits::LINK_WINDOW_BYTES;
    let windows = if windows < node_limits::ALL_WINDOWS_BYTES { windows } else { node_limits::ALL_WINDOWS_BYTES };
    BASE + STORE + WRITER + 2 * (windows + links * FRAMES)
}

/// The largest resident size that a running process has had, in bytes.
pub fn peak(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a running process");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux tells the peak");
    let kib: usize = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("in KiB");
    kib * 1024
}

/// Resets the peak of a running process. Returns its current resident size in bytes.
pub fn reset_peak(process: u32) -> usize {
    std::fs::write(format!("/proc/{process}/clear_refs"), "5").expect("a running process of ours");
    peak(process)
}
