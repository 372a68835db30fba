//! `sinergi peer ping`: pings a peer over its link and measures the time of its answer.

use clap::Args;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::operator_api::PingPeerRequest;

use crate::failure::Failure;
use crate::options::Context;
use crate::view::Ping;

/// Options of `peer ping`.
#[derive(Args, Clone, Debug)]
pub struct PingArgs {
    /// The agency at the other end
    #[arg(value_name = "AGENCY")]
    pub agency: AgencyId,
}

/// Runs the command.
pub(super) async fn run(args: PingArgs, context: &Context) -> Result<(), Failure> {
    let mut node = context.connect().await?;
    let request = PingPeerRequest { agency: args.agency.to_string() };
    let answer = node.api.ping_peer(request).await;
    let reply = answer.map_err(|status| Failure::from_status("ping the peer", &status))?.into_inner();
    let ping = Ping { agency: args.agency.into(), round_trip_micros: reply.round_trip_micros };
    context.output.document(&ping, |_, ping| sentence(ping))
}

fn sentence(ping: &Ping) -> String {
    format!("{} answered in {}.{:03} ms", ping.agency, ping.round_trip_micros / 1000, ping.round_trip_micros % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_is_shown_in_milliseconds() {
        assert_eq!(sentence(&Ping { agency: "ksp".to_owned(), round_trip_micros: 1_042 }), "ksp answered in 1.042 ms");
    }
}
