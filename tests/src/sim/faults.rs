//! What machines and networks do to a federation.

use rand::RngExt;
use rand::rngs::StdRng;

/// A fault, and how long it lasts, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A link carries nothing, either way.
    Cut,
    /// The federation falls in two: no link between the halves carries anything. The bits say which agency is in which half.
    Split(u32),
    /// A link carries nothing one way, and nobody is told.
    OneWay,
    /// The connection of a link breaks and is made anew.
    Break,
    /// A frame of a link comes twice.
    Duplicate,
    /// Two frames of a link change places.
    Swap,
    /// A link takes a hundred times as long.
    Slow,
    /// A peer reads nothing and says nothing.
    Silent,
    /// A node stops at once and starts again.
    Crash,
    /// A machine restarts within moments, and its clock is off by minutes from then on.
    Reboot,
    /// A node's clock jumps, and is off by seconds or minutes.
    Clock,
    /// A node's clock goes too fast or too slow.
    Drift,
    /// A node's clock jumps by up to a year.
    FarClock,
    /// A machine restarts, and its clock is off by up to a year then.
    FarReboot,
    /// A node's folder is set back to an older copy.
    Restore,
}

impl Fault {
    const ALL: [Self; 15] = [
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
    ];

    /// A fault and its duration. Some outlast the time to answer an offer.
    pub fn draw(rng: &mut StdRng) -> (Self, u64) {
        let fault = match Self::ALL[rng.random_range(0..Self::ALL.len())] {
            Self::Split(_) => Self::Split(rng.random()),
            other => other,
        };
        let minutes = if rng.random_bool(0.35) { rng.random_range(30..120) } else { rng.random_range(1..20) };
        (fault, minutes * 60_000)
    }
}
