//! The one home of the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970. A clock before 1970 reads as 0, and then authors nothing: entries must exceed their parents'.
pub fn now_millis() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "this is its one home")]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
