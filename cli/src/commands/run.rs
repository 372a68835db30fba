//! `sinergi run`: runs the node in this process until SIGTERM or Ctrl-C. Does the same as the program `sinergid`.

use clap::Args;

use crate::failure::Failure;
use crate::options::Context;

/// Options of `run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Stop when the parent process, which has this id, ends for any reason
    #[arg(long, value_name = "PID", hide = true)]
    pub with_parent: Option<u32>,
}

/// Runs the node to its end.
pub fn run(args: &RunArgs, context: &Context) -> Result<(), Failure> {
    let (folder, config) = context.target.files()?;
    if let Some(parent) = args.with_parent {
        end_with_parent(parent)?;
    }
    sinergi_daemon::node::run(&config).map_err(|error| {
        Failure::failed(format!("the node of {} in {} cannot run", config.agency, folder.display()))
            .because(error)
            .help(format!("`sinergi --node {} config check` shows the problems of its files", folder.display()))
    })
}

/// Asks the system to send SIGTERM when the parent ends, so that a killed parent leaves no node behind.
#[cfg(any(target_os = "linux", target_os = "freebsd"))]
fn end_with_parent(parent: u32) -> Result<(), Failure> {
    use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::TERM))
        .map_err(|error| Failure::failed("cannot tie this process to its parent").because(error))?;
    // If the parent has ended before the call, no signal comes.
    let now = getppid().and_then(|now| u32::try_from(Pid::as_raw(Some(now))).ok());
    if now == Some(parent) {
        return Ok(());
    }
    Err(Failure::failed(format!("process {parent}, which started this one, has ended already")))
}

/// Other systems have no such signal, so the parent must stop its nodes.
#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
fn end_with_parent(_parent: u32) -> Result<(), Failure> {
    Ok(())
}
