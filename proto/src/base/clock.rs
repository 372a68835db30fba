//! Time: the time of one input of a machine ([`Now`]), and the hybrid logical clock ([`HybridClock`]).
//!
//! The hybrid clock is wall-clock milliseconds and a counter. The counter lets the clock of an entry exceed the clocks of its parents even
//! when the wall clock stands still or steps back.
//!
//! Must not read a clock of the system: the time is always an argument.
//!
//! Source: Kulkarni et al., "Logical Physical Clocks", 2014.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::limits;

const NANOS_PER_MILLI: u64 = 1_000_000;

/// The time of one input of a machine: both clocks, read once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The wall clock, in milliseconds since 1970. It may jump.
    pub wall_millis: u64,
    /// A clock that only goes forward, in nanoseconds since some moment. The moment is the same for all inputs of a machine. The clock also counts
    /// the time in which the machine is suspended.
    pub mono_nanos: u64,
}

impl Now {
    /// The wall clock less the clock that only goes forward, in milliseconds. It stays the same while both advance together, and changes when the
    /// wall clock jumps.
    pub fn lead_millis(self) -> i64 {
        let lead = i128::from(self.wall_millis) - i128::from(self.mono_nanos / NANOS_PER_MILLI);
        i64::try_from(lead).unwrap_or(if lead < 0 { i64::MIN } else { i64::MAX })
    }

    /// The moment `wait` later, in nanoseconds on the clock that only goes forward.
    pub fn after(self, wait: Duration) -> u64 {
        later(self.mono_nanos, wait)
    }

    /// Whether at least `wait` has passed since `moment`.
    pub fn is_after(self, moment: u64, wait: Duration) -> bool {
        self.mono_nanos >= later(moment, wait)
    }
}

/// A time in milliseconds since 1970, for people: RFC 3339 in seconds, UTC.
pub fn rfc3339(millis: u64) -> String {
    let at = i64::try_from(millis).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    at.map_or_else(|| format!("{millis} ms"), |at| format!("{at:.0}"))
}

/// The moment `wait` after `moment`, in nanoseconds.
pub fn later(moment: u64, wait: Duration) -> u64 {
    moment.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX))
}

/// 48-bit milliseconds since 1970 and a 16-bit counter, compared as one number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct HybridClock(u64);

impl HybridClock {
    /// Largest number of milliseconds that the clock can hold (the year 10889).
    pub const MAX_MILLIS: u64 = (1 << 48) - 1;

    /// The clock with these parts. More than [`Self::MAX_MILLIS`] milliseconds are taken as [`Self::MAX_MILLIS`].
    pub fn new(millis: u64, counter: u16) -> Self {
        Self(millis.min(Self::MAX_MILLIS) << 16 | u64::from(counter))
    }

    /// The clock with this wire representation.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The wire representation.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// Milliseconds since 1970.
    pub fn millis(self) -> u64 {
        self.0 >> 16
    }

    /// The counter within one millisecond.
    pub fn counter(self) -> u16 {
        (self.0 & 0xffff) as u16
    }

    /// Whether this clock is more than [`limits::CLOCK_AHEAD`] ahead of a wall clock. Honest clocks differ by less.
    pub fn is_ahead_of(self, now_millis: u64) -> bool {
        let most = u64::try_from(limits::CLOCK_AHEAD.as_millis()).unwrap_or(u64::MAX);
        self.millis() > now_millis.saturating_add(most)
    }

    /// The clock of an author's next entry. It exceeds `parents`, the greatest clock of the parents, and `own`, the clock of the
    /// author's last entry. `None` when no greater clock exists.
    ///
    /// An `own` that is far ahead of the wall clock does not count. Otherwise one entry, written while the wall clock was wrong, would
    /// date all later entries of the author into the future.
    pub fn next_of_author(now_millis: u64, own: Self, parents: Self) -> Option<Self> {
        Self::tick(now_millis, if own.is_ahead_of(now_millis) { parents } else { parents.max(own) })
    }

    /// The next clock that exceeds `last`: the wall clock if it does, otherwise `last` with the next counter. `None` when no greater
    /// clock exists.
    pub fn tick(now_millis: u64, last: Self) -> Option<Self> {
        let now = Self::new(now_millis, 0);
        if now > last { Some(now) } else { last.0.checked_add(1).map(Self) }
    }
}

impl fmt::Debug for HybridClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.millis(), self.counter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_beyond_the_end_of_numbers_never_comes_and_does_not_wrap() {
        assert_eq!(Now { wall_millis: 0, mono_nanos: 7 }.after(Duration::MAX), u64::MAX);
    }

    #[test]
    fn the_clock_follows_the_wall_and_never_goes_back() {
        let first = HybridClock::tick(1000, HybridClock::default()).expect("room");
        assert_eq!(first, HybridClock::new(1000, 0));
        let same = HybridClock::tick(1000, first).expect("room");
        assert_eq!(same, HybridClock::new(1000, 1));
        let back = HybridClock::tick(10, same).expect("room");
        assert_eq!(back, HybridClock::new(1000, 2));
        assert_eq!(HybridClock::tick(1001, back), Some(HybridClock::new(1001, 0)));
    }

    #[test]
    fn an_author_follows_its_parents_and_itself_unless_its_clock_was_far_ahead() {
        let (own, parents) = (HybridClock::new(2000, 0), HybridClock::new(1500, 7));
        assert_eq!(HybridClock::next_of_author(1000, own, parents), Some(HybridClock::new(2000, 1)));
        let far = HybridClock::new(10_000_000, 0);
        assert_eq!(HybridClock::next_of_author(1000, far, parents), Some(HybridClock::new(1500, 8)));
        assert_eq!(HybridClock::next_of_author(3000, own, parents), Some(HybridClock::new(3000, 0)));
    }

    #[test]
    fn a_clock_is_ahead_only_beyond_the_difference_of_honest_clocks() {
        let most = u64::try_from(limits::CLOCK_AHEAD.as_millis()).expect("milliseconds");
        assert!(!HybridClock::new(1000 + most, u16::MAX).is_ahead_of(1000));
        assert!(HybridClock::new(1001 + most, 0).is_ahead_of(1000));
        assert!(!HybridClock::from_bits(u64::MAX).is_ahead_of(u64::MAX));
    }

    #[test]
    fn a_full_counter_carries_into_the_milliseconds() {
        let full = HybridClock::new(1000, u16::MAX);
        assert_eq!(HybridClock::tick(1000, full), Some(HybridClock::new(1001, 0)));
        assert_eq!(HybridClock::tick(0, HybridClock::from_bits(u64::MAX)), None);
    }
}
