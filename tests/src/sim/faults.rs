//! What machines and networks do to a federation.

use rand::RngExt;
use rand::rngs::StdRng;

/// A fault, and how long it lasts, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A link carries nothing, either way.
    Cut,
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
    /// A node's clock is off by minutes.
    Clock,
    /// A node's folder is set back to an older copy.
    Restore,
}

impl Fault {
    const ALL: [Self; 10] = [
        Self::Cut,
        Self::OneWay,
        Self::Break,
        Self::Duplicate,
        Self::Swap,
        Self::Slow,
        Self::Silent,
        Self::Crash,
        Self::Clock,
        Self::Restore,
    ];

    /// A fault and its duration. Some outlast the time to answer an offer.
    pub fn draw(rng: &mut StdRng) -> (Self, u64) {
        let fault = Self::ALL[rng.random_range(0..Self::ALL.len())];
        let minutes = if rng.random_bool(0.2) { rng.random_range(60..180) } else { rng.random_range(1..20) };
        (fault, minutes * 60_000)
    }
}
