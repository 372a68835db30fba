//! Waits for a condition: checks it, pauses, and checks again, until it is true or the timeout is over.

use std::time::Duration;

use tokio::time::Instant;

/// The first pause. Each pause is longer than the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause, and so the longest delay until a true condition is noticed.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Calls `look` until it finds something. `None` if it found nothing within this time.
///
/// # Errors
/// The first error of `look`.
pub async fn until<T, E>(
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let end = Instant::now() + within;
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(found) = look().await? {
            return Ok(Some(found));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 3 / 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_when_the_condition_holds_or_the_time_is_over() {
        let mut looks = 0;
        let found = until(Duration::from_secs(5), async || {
            looks += 1;
            Ok::<_, ()>((looks == 7).then_some(looks))
        });
        assert_eq!(found.await, Ok(Some(7)));
        assert_eq!(until(Duration::from_secs(5), async || Ok::<Option<()>, ()>(None)).await, Ok(None));
        assert_eq!(until(Duration::from_secs(5), async || Err::<Option<()>, _>("broken")).await, Err("broken"));
    }
}
