//! The operator's word that the node's clock is right.

use sinergi_proto::base::clock::rfc3339;
use sinergi_proto::base::limits;
use sinergi_proto::operator_api;
use tonic::Status;

use crate::base::own_clock::SharedClock;
use crate::base::time;

/// Confirms the clock, if it shows the time that the operator's clock shows.
pub(super) fn confirm(
    clock: &SharedClock,
    request: &operator_api::ConfirmClockRequest,
) -> Result<operator_api::ConfirmClockReply, Status> {
    let now = time::now();
    let (shows, at) = (now.wall_millis, request.at);
    if u128::from(shows.abs_diff(at)) > limits::CLOCK_AHEAD.as_millis() {
        let seconds = limits::CLOCK_AHEAD.as_secs();
        return Err(Status::failed_precondition(format!(
            "this node's clock shows {}, and yours {}: more than {seconds} s apart. Set the node's clock (NTP), then confirm it; nothing was changed",
            rfc3339(shows),
            rfc3339(at)
        )));
    }
    clock.confirm(now);
    tracing::info!("the operator confirmed the clock");
    Ok(operator_api::ConfirmClockReply { shows })
}
