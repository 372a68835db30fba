//! The free space of the disk that holds a node's data. A task measures it, the writer reads it.
//!
//! Must not decide anything: [`sinergi_proto::engine`] does.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sinergi_proto::engine::DiskSpace;

/// The measured space is rounded down to this many bytes, so that the engine need not hear of every small change.
const STEP: u64 = 64 << 20;

/// The space, as it was measured last. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SharedSpace {
    free: Arc<AtomicU64>,
    reserve: u64,
}

impl SharedSpace {
    /// The space of a disk that was not measured yet. The disk is nearly full when less than `reserve` bytes are free.
    pub fn new(reserve: u64) -> Self {
        Self { free: Arc::new(AtomicU64::new(u64::MAX)), reserve }
    }

    /// Measures the disk of this folder. Returns the free bytes.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn measure(&self, folder: &Path) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(folder)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        self.free.store(free, Ordering::Relaxed);
        Ok(free)
    }

    /// The number of free bytes below which the disk is nearly full.
    pub fn reserve(&self) -> u64 {
        self.reserve
    }

    /// The space for the engine. Before it was measured no share grows, and the disk is not full.
    pub fn space(&self) -> DiskSpace {
        match self.free.load(Ordering::Relaxed) {
            u64::MAX => DiskSpace::default(),
            free => DiskSpace { free: free / STEP * STEP, is_low: free < self.reserve },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_with_less_than_the_reserve_is_nearly_full() {
        let folder = tempfile::tempdir().expect("a folder");
        let ample = SharedSpace::new(0);
        assert_eq!(ample.space(), DiskSpace::default());
        let free = ample.measure(folder.path()).expect("measured");
        assert_eq!(ample.space(), DiskSpace { free: free / STEP * STEP, is_low: false });
        let low = SharedSpace::new(u64::MAX);
        low.measure(folder.path()).expect("measured");
        assert!(low.space().is_low);
        assert!(low.measure(&folder.path().join("gone")).is_err());
    }
}
