//! The faults of machines and networks.

use rand::RngExt;
use rand::rngs::StdRng;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A link carries nothing in either direction.
    Cut,
    /// The federation splits in two, and no link between the halves carries anything. Each bit puts one agency into a half.
    Split(u32),
    /// A link carries nothing in one direction, without an error on either side.
    OneWay,
    /// The connection of a link breaks, and the nodes connect again.
    Break,
    /// A frame of a link arrives twice.
    Duplicate,
    /// Two frames of a link arrive in the wrong order.
    Swap,
    /// The latency of a link is a hundred times as high.
    Slow,
    /// A peer reads nothing and sends nothing.
    Silent,
    /// A node stops at once, and starts again later.
    Crash,
    /// A machine restarts within seconds, and its clock is wrong by minutes afterwards.
    Reboot,
    /// A node's clock jumps, and is wrong by seconds or minutes.
    Clock,
    /// A node's clock runs too fast or too slow.
    Drift,
    /// A node's clock jumps by up to a year.
    FarClock,
    /// A machine restarts, and its clock is wrong by up to a year afterwards.
    FarReboot,
    /// A node's folder is set back to an older copy.
    Restore,
    /// A node's disk is nearly full.
    LowDisk,
}

impl Fault {
    const ALL: [Self; 16] = [
        Self::Cut,
        Self::Split(0),
        Self::OneWay,
        Self::Break,
        Self::Duplicate,
        Self::Swap,
        Self::Slow,
        Self::Silent,
        Self::Crash,
        Self::Reboot,
        Self::Clock,
        Self::Drift,
        Self::FarClock,
        Self::FarReboot,
        Self::Restore,
        Self::LowDisk,
    ];

    /// Draws a fault and its duration in milliseconds. Some faults last longer than the time to answer an offer.
    pub fn draw(rng: &mut StdRng) -> (Self, u64) {
        let fault = match Self::ALL[rng.random_range(0..Self::ALL.len())] {
            Self::Split(_) => Self::Split(rng.random()),
            other => other,
        };
        let minutes = if rng.random_bool(0.35) { rng.random_range(30..120) } else { rng.random_range(1..20) };
        (fault, minutes * 60_000)
    }
}
