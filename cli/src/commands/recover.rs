//! `sinergi recover`: begins a new epoch of a ledger that was set back or lost. It needs the folder of a stopped node.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use serde::Serialize;
use sinergi_config::Config;
use sinergi_daemon::node::recover::{RecoverError, Recovery};
use sinergi_daemon::writer::DeclareError;
use sinergi_proto::base::ids::Epoch;
use sinergi_proto::base::limits;
use sinergi_proto::engine::recovery::{Plan, PlanError};
use sinergi_proto::transparency::rollback_guard::Extent;
use sinergi_proto::wire;

use super::confirm::exact;
use super::question::ask;
use crate::failure::Failure;
use crate::options::Context;
use crate::safe;

/// Options of `recover`.
#[derive(Args, Clone, Debug)]
pub struct RecoverArgs {
    /// The reason; all agencies see it
    #[arg(long, value_enum, default_value = "disk-lost")]
    pub reason: Reason,
    /// Begin this epoch: if nothing shows that the ledger was set back, or if a later epoch than the known ones has begun before
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(2..))]
    pub epoch: Option<u32>,
    /// The time now, from a clock that you trust (RFC 3339): if this machine's clock does not fit the times in the ledger
    #[arg(long, value_name = "TIME", value_parser = exact)]
    pub time: Option<Timestamp>,
    /// Do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
}

/// The reason for a new epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reason {
    /// The ledger, or the newest part of it, was lost
    DiskLost,
    /// The folder was restored from an older copy
    Restored,
}

/// The result of a recovery.
#[derive(Debug, Serialize)]
struct Recovered {
    agency: String,
    old_epoch: u32,
    epoch: u32,
    taken_over: u64,
    left_behind: u64,
    kept: Vec<PathBuf>,
}

/// Runs the command.
pub fn run(args: &RecoverArgs, context: &Context) -> Result<(), Failure> {
    let (folder, config) = context.target.files()?;
    if let Some(time) = args.time {
        fits(context.output.now, time)?;
    }
    let recovery = Recovery::prepare(&config, args.epoch.map(Epoch), args.time.is_some());
    let recovery = recovery.map_err(|error| failure(&config, error))?;
    let plan = recovery.plan().clone();
    if !args.yes {
        ask(&question(&config, &plan), &format!("Begin epoch {}", plan.epoch))?;
    }
    let reason = match args.reason {
        Reason::DiskLost => wire::ResetReason::DiskLost,
        Reason::Restored => wire::ResetReason::Restored,
    };
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("taking over the old ledger {bar:30} {pos}/{len} entries {eta}") {
        bar.set_style(style);
    }
    let done = recovery.carry_out(reason, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let done = done.map_err(|error| failure(&config, error))?;
    let recovered = Recovered {
        agency: config.agency.to_string(),
        old_epoch: plan.old_epoch.0,
        epoch: plan.epoch.0,
        taken_over: done.taken_over,
        left_behind: done.left_behind,
        kept: done.kept,
    };
    context.output.document(&recovered, |_, recovered| page(folder.display().to_string(), recovered))
}

/// Checks that this machine's clock shows the time that the operator's clock shows.
fn fits(shows: Timestamp, time: Timestamp) -> Result<(), Failure> {
    let apart = shows.duration_since(time).unsigned_abs();
    if apart > limits::CLOCK_AHEAD {
        let most = limits::CLOCK_AHEAD.as_secs();
        let what = format!("this machine's clock shows {shows:.0}, and yours {time:.0}: more than {most} s apart");
        return Err(Failure::refused(what).help("set the machine's clock (NTP), then repeat the command"));
    }
    Ok(())
}

fn page(folder: String, recovered: &Recovered) -> String {
    let Recovered { agency, epoch, taken_over, left_behind, kept, .. } = recovered;
    let mut text = format!(
        "{agency} has begun epoch {epoch} of its ledger; {taken_over} entries were taken over from the old one\n"
    );
    if *left_behind > 0 {
        text += &format!(
            "{left_behind} entries of the old ledger could not be read or were not taken over; peers may have them\n"
        );
    }
    for kept in kept {
        text += &format!("kept: {}\n", safe::line(&kept.display().to_string()));
    }
    text + &format!(
        "Start the node with `sinergi --node {folder} run`: its peers send back the entries that they have."
    )
}

/// The question before a recovery: the present ledger, the peers' view of it, and the new epoch.
fn question(config: &Config, plan: &Plan) -> String {
    let of = |extent: Option<Extent>| {
        extent.map_or_else(|| "nothing".to_owned(), |e| format!("{} leaves in epoch {}", e.size, e.epoch))
    };
    let here = match &plan.unreadable {
        Some(problem) => format!("cannot be opened: {}", safe::line(problem)),
        None => of(plan.here),
    };
    format!(
        "the ledger of {} here:  {here}\nwhat peers saw of it:  {}\nEpoch {} will begin, and all agencies will see it. The present ledger is kept \
         in another folder, and everything readable of it is taken over.",
        config.agency,
        of(plan.seen),
        plan.epoch
    )
}

fn failure(config: &Config, error: RecoverError) -> Failure {
    let what = format!("{} cannot begin a new epoch", config.agency);
    match error {
        RecoverError::Plan(PlanError::NotNew { .. }) => Failure::usage(what).because(error),
        RecoverError::Running(_)
        | RecoverError::Clock { .. }
        | RecoverError::Plan(_)
        | RecoverError::Declare(DeclareError::Command(_)) => Failure::refused(what).because(error),
        error => Failure::failed(what)
            .because(error)
            .help("the old ledger was not changed; remove the cause and repeat the command"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(epoch: u32, size: u64) -> Extent {
        Extent { epoch: Epoch(epoch), size }
    }

    #[test]
    fn the_question_shows_the_present_ledger_the_peers_view_and_the_new_epoch() {
        let config = "agency = \"kota-bandung\"\nfederation = \"lapor.example\"\n";
        let config = Config::parse(config, std::path::Path::new("/n/sinergid.toml")).expect("a configuration");
        let plan = Plan {
            old_epoch: Epoch(3),
            epoch: Epoch(4),
            here: Some(extent(2, 17)),
            unreadable: None,
            seen: Some(extent(3, 512)),
            checkpoint: Vec::new(),
        };
        let text = question(&config, &plan);
        assert!(text.contains("the ledger of kota-bandung here:  17 leaves in epoch 2\n"), "{text}");
        assert!(text.contains("what peers saw of it:  512 leaves in epoch 3\nEpoch 4 will begin"), "{text}");
        let plan = Plan { here: None, unreadable: Some("bad".to_owned()), seen: None, ..plan };
        let text = question(&config, &plan);
        assert!(text.contains("cannot be opened: bad") && text.contains("saw of it:  nothing"), "{text}");
    }

    #[test]
    fn a_running_node_is_refused_and_an_old_epoch_is_wrong_usage() {
        let config = "agency = \"kota-bandung\"\nfederation = \"lapor.example\"\n";
        let config = Config::parse(config, std::path::Path::new("/n/sinergid.toml")).expect("a configuration");
        let running = failure(&config, RecoverError::Running("/n/ledger/lock".into()));
        assert_eq!(running.exit(), crate::failure::Exit::Refused);
        assert!(running.report().contains("stop it first"), "{}", running.report());
        let unheard = failure(&config, PlanError::NothingSeen(extent(3, 17)).into());
        assert_eq!(unheard.exit(), crate::failure::Exit::Refused);
        assert!(unheard.report().contains("17 leaves in epoch 3") && unheard.report().contains("--epoch"));
        let not_new = failure(&config, PlanError::NotNew { given: Epoch(2), known: Epoch(5) }.into());
        assert_eq!(not_new.exit(), crate::failure::Exit::Usage);
        assert!(not_new.report().contains("at least 6"), "{}", not_new.report());
    }
}
