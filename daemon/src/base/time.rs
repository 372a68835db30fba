//! The clocks: the only file of the daemon that reads the system's time.

use std::sync::OnceLock;
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

/// The two clocks that proto's state machines need: the wall clock, and a monotonic clock that starts with [`Clocks::start`].
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

/// Both clocks now, the same for the whole program: the one that only goes forward counts from when it was first asked for.
pub(crate) fn clocks() -> Now {
    static CLOCKS: OnceLock<Clocks> = OnceLock::new();
    CLOCKS.get_or_init(Clocks::start).now()
}
