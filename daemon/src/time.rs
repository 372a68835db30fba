//! The one home of the clocks.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use sinergi_proto::sync::Now;

/// Milliseconds since 1970. A clock before 1970 reads as 0, and then authors nothing: entries must exceed their parents'.
pub fn now_millis() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "this is its one home")]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Both clocks now. The one that only goes forward counts from when it was first asked for.
pub(crate) fn clocks() -> Now {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "this is its one home")]
    let began = *BEGAN.get_or_init(Instant::now);
    let mono_nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    Now { wall_millis: now_millis(), mono_nanos }
}
