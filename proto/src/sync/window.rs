//! The window of a link, each way: how much may be under way before one side waits for the other.

use crate::base::limits;

/// How much is sent and not acknowledged, or received and not durable, before no more of it is sent, or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Bytes of `Deliver` frames.
    pub bytes: usize,
    /// `Deliver` frames.
    pub frames: usize,
}

impl Window {
    /// Whether it has no room for one more frame when this much is under way.
    pub(super) fn is_full(self, bytes: usize, frames: usize) -> bool {
        bytes >= self.bytes || frames >= self.frames
    }
}

impl Default for Window {
    /// The window of every node.
    fn default() -> Self {
        Self { bytes: limits::LINK_WINDOW_BYTES, frames: limits::LINK_WINDOW_FRAMES }
    }
}
