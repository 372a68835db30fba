//! `sinergi confirm …`: vouches for something that the node cannot know by itself, or says that an alarm was seen.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;
use sinergi_proto::operator_api::{ConfirmAlarmRequest, ConfirmClockRequest, ConfirmLedgerRequest};

use super::question::ask;
use crate::failure::Failure;
use crate::options::Context;
use crate::output::Output;
use crate::safe;
use crate::view::moment;
use crate::when::{Moment, milliseconds};

/// The commands that confirm something.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Say that the node's clock is right
    Clock(ClockArgs),
    /// Say that no newer copy of the node's ledger was ever used
    Ledger(LedgerArgs),
    /// Say that you have seen an alarm, so that the node does not show it any more
    Alarm(AlarmArgs),
}

/// Options of `confirm clock`.
#[derive(Args, Clone, Debug)]
#[command(after_help = ABOUT)]
pub struct ClockArgs {
    /// The time now, from a clock that you trust: RFC 3339, as in "2026-03-01T14:05:00+07:00"
    #[arg(value_name = "TIME", value_parser = exact)]
    pub time: Timestamp,
}

const ABOUT: &str = "\
A node compares its clock with its peers' clocks. While no peer confirms it, the node's checkpoints carry no time; after a jump, the node authors
nothing. Where no peer can be reached, the operator can confirm the clock instead. The node checks that its clock shows the given time.";

/// Options of `confirm ledger`.
#[derive(Args, Clone, Debug)]
#[command(after_help = ABOUT_LEDGER)]
pub struct LedgerArgs {
    /// Do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
}

const ABOUT_LEDGER: &str = "\
A node that starts without its mark (a file beside its keys) cannot tell whether its ledger is an old copy. It asks its peers. Where none can be reached,
the operator can confirm the ledger instead. If a newer copy was used before, and peers have seen entries of it, the agency will be proven to have forked
its ledger: then put the newest copy back, or use `sinergi recover`.";

/// Options of `confirm alarm`.
#[derive(Args, Clone, Debug)]
#[command(after_help = ABOUT_ALARM)]
pub struct AlarmArgs {
    /// The topic of the alarm, as `sinergi status` shows it: "audit kota-bandung forked"
    pub topic: String,
}

const ABOUT_ALARM: &str = "\
An alarm about an event stays, also over restarts, until the operator confirms it. An alarm about something that lasts, as a wrong clock, cannot be
confirmed: it goes when its cause is gone.";

/// The confirmed alarm.
#[derive(Debug, Serialize)]
struct ConfirmedAlarm {
    topic: String,
    /// The number of alarms that are left.
    left: u32,
}

/// The confirmed ledger.
#[derive(Debug, Serialize)]
struct ConfirmedLedger {
    epoch: u32,
    ledger_size: u64,
}

/// The confirmed clock.
#[derive(Debug, Serialize)]
struct ConfirmedClock {
    /// The time that the node's clock shows.
    shows: Option<Timestamp>,
}

/// Runs the command.
pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Clock(args) => confirm_clock(&args, context).await,
        Command::Ledger(args) => confirm_ledger(&args, context).await,
        Command::Alarm(args) => confirm_alarm(args, context).await,
    }
}

async fn confirm_clock(args: &ClockArgs, context: &Context) -> Result<(), Failure> {
    let mut node = context.connect().await?;
    let request = ConfirmClockRequest { at: milliseconds(args.time) };
    let answer = node.api.confirm_clock(request).await;
    let reply = answer.map_err(|status| Failure::from_status("confirm the clock", &status))?.into_inner();
    context.output.document(&ConfirmedClock { shows: moment(reply.shows) }, sentence)
}

async fn confirm_ledger(args: &LedgerArgs, context: &Context) -> Result<(), Failure> {
    let mut node = context.connect().await?;
    if !args.yes {
        let explanation = "If a newer copy of this ledger was used before, what peers saw of it proves a fork, which cannot be undone.";
        ask(explanation, "Was no newer copy of this ledger ever used")?;
    }
    let answer = node.api.confirm_ledger(ConfirmLedgerRequest {}).await;
    let reply = answer.map_err(|status| Failure::from_status("confirm the ledger", &status))?.into_inner();
    let confirmed = ConfirmedLedger { epoch: reply.epoch, ledger_size: reply.ledger_size };
    context.output.document(&confirmed, |_, ConfirmedLedger { epoch, ledger_size }| {
        format!("The ledger with {ledger_size} leaves in epoch {epoch} is confirmed. The node signs again.")
    })
}

async fn confirm_alarm(args: AlarmArgs, context: &Context) -> Result<(), Failure> {
    let mut node = context.connect().await?;
    let AlarmArgs { topic } = args;
    let answer = node.api.confirm_alarm(ConfirmAlarmRequest { topic: topic.clone() }).await;
    let reply = answer.map_err(|status| Failure::from_status("confirm the alarm", &status))?.into_inner();
    context.output.document(&ConfirmedAlarm { topic, left: reply.left }, |_, ConfirmedAlarm { topic, left }| {
        format!("The alarm {:?} is confirmed. Alarms that are left: {left}.", safe::line(topic))
    })
}

fn sentence(output: &Output, clock: &ConfirmedClock) -> String {
    let shows = clock.shows.map_or_else(|| "an unknown time".to_owned(), |shows| output.clock_and_zone(shows));
    format!("The node's clock shows {shows} and is confirmed. Its checkpoints carry the time until the clock jumps.")
}

/// An exact time.
pub(crate) fn exact(text: &str) -> Result<Timestamp, String> {
    match text.parse() {
        Ok(Moment::Exact(time)) => Ok(time.timestamp()),
        Ok(Moment::Day(day)) => Err(format!("{day} is a day: write the time as well, as in \"{day}T14:05:00+07:00\"")),
        Err(_) => Err("write RFC 3339 with the zone, as in \"2026-03-01T14:05:00+07:00\"".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_exact_time_confirms_a_clock() {
        assert_eq!(exact("2026-03-01T14:05:00+07:00").map(|time| time.as_second()), Ok(1_772_348_700));
        assert!(exact("2026-03-01").is_err_and(|error| error.contains("2026-03-01T14:05:00+07:00")));
        assert!(exact("noon").is_err());
    }

    #[test]
    fn the_confirmed_time_is_shown() {
        let output = Output::fixed(Timestamp::UNIX_EPOCH);
        let clock = ConfirmedClock { shows: moment(1_772_348_700_000) };
        let expected = "The node's clock shows 2026-03-01 07:05:00 UTC and is confirmed. Its checkpoints carry the time until the clock jumps.";
        assert_eq!(sentence(&output, &clock), expected);
    }
}
