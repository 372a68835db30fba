//! The clocks: the only file of the daemon that reads the system's time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sinergi_proto::base::clock::Now;
use tokio::time::Instant;

/// The wall clock, in milliseconds since 1970. A clock before 1970 reads as 0. Such a node authors nothing, because an entry's clock must be
/// greater than its parents'.
pub fn now_millis() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "this is its one home")]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The clocks of a session: the wall clock, and the clock of tokio's timers, which starts with [`Clocks::start`].
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    began: Instant,
}

impl Clocks {
    /// Starts the monotonic clock at zero.
    pub fn start() -> Self {
        Self { began: Instant::now() }
    }

    /// The time of the next input.
    pub fn now(&self) -> Now {
        Now { wall_millis: now_millis(), mono_nanos: self.mono_nanos() }
    }

    /// The monotonic clock, in nanoseconds since the start.
    pub fn mono_nanos(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The moment at which the monotonic clock shows `wait`.
    pub fn after(&self, wait: Duration) -> Instant {
        self.began + wait
    }
}

/// Both clocks now. The one that only goes forward counts from the start of the machine, also while it is suspended: it is the same for the whole
/// program, and only a jump of the wall clock moves the two against each other.
pub fn now() -> Now {
    let since_start = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let nanos = i128::from(since_start.tv_sec) * 1_000_000_000 + i128::from(since_start.tv_nsec);
    Now { wall_millis: now_millis(), mono_nanos: u64::try_from(nanos).unwrap_or(u64::MAX) }
}
