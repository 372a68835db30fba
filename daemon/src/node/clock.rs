//! Watches this node's wall clock: logs a problem, and wakes the writer when the clock becomes confirmed, so that the checkpoint that
//! carries no time is followed by one that does. Warns when nobody confirms the clock for long.

use std::mem::discriminant;
use std::time::Duration;

use sinergi_proto::base::limits;
use sinergi_proto::engine::ClockProblem;
use tokio_util::sync::CancellationToken;

use crate::base::alarms::{AlarmKind, Alarms};
use crate::base::own_clock::SharedClock;
use crate::base::time;
use crate::writer::{Submission, WriterHandle};

const EVERY: Duration = Duration::from_secs(1);
const UNCONFIRMED: &str = "for a day no peer has confirmed this node's clock, so its checkpoints carry no time and its receipts prove none: see \
                           `sinergi peer list`, or check the clock and run `sinergi confirm clock TIME`";

/// Watches the clock until `stop`, or until the writer has ended.
pub(super) async fn watch(clock: SharedClock, writer: WriterHandle, alarms: Alarms, stop: CancellationToken) {
    let mut was_confirmed = false;
    let mut confirmed_at = time::now();
    let mut told: Option<ClockProblem> = None;
    loop {
        let now = time::now();
        let state = clock.state(now);
        // The offset changes a little with each message of a peer. Another problem only is logged.
        if state.problem.as_ref().map(discriminant) != told.as_ref().map(discriminant) {
            match &state.problem {
                Some(problem) => tracing::warn!("{problem}"),
                None => tracing::info!("the clock can be trusted again"),
            }
            told = state.problem;
        }
        if state.is_confirmed {
            confirmed_at = now;
            alarms.settle(AlarmKind::ClockUnconfirmed.word());
        } else if now.is_after(confirmed_at.mono_nanos, limits::WITHOUT_TIME) {
            alarms.raise(AlarmKind::ClockUnconfirmed.word(), UNCONFIRMED);
        }
        if !std::mem::replace(&mut was_confirmed, state.is_confirmed)
            && state.is_confirmed
            && writer.submit(Submission::Retry).await.is_err()
        {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
