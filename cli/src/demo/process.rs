//! Starts, stops and kills the process of a node, and never leaves it behind.
//!
//! Invariants:
//! - a [`Process`] that is dropped is killed, even if its owner panics;
//! - if this process itself is killed, the system ends the node (Linux, FreeBSD);
//! - the node's output goes to [`LOG_FILE`] in its folder; the next run appends to it.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::failure::Failure;

/// The file for a node's output, in its folder.
pub const LOG_FILE: &str = "sinergid.log";
/// The timeout for stopping a node before it is killed: longer than its default time for draining.
const STOP: Duration = Duration::from_secs(20);
/// The number of lines that are shown from a log, and the size of the part that they are searched in.
const TAIL_LINES: usize = 12;
const TAIL_BYTES: u64 = 8 * 1024;

/// A running node.
#[derive(Debug)]
pub struct Process {
    child: Child,
    folder: PathBuf,
}

impl Process {
    /// Starts `program --node folder run`. The calling thread must live as long as the node, because the system ends the node with it.
    ///
    /// # Errors
    /// The program cannot be started, or the log not be written.
    pub fn start(program: &Path, folder: &Path) -> Result<Self, Failure> {
        Self::start_with(program, folder, &[])
    }

    /// Like [`Self::start`], with these environment variables.
    ///
    /// # Errors
    /// The program cannot be started, or the log not be written.
    pub fn start_with(program: &Path, folder: &Path, environment: &[(String, OsString)]) -> Result<Self, Failure> {
        let cannot = || Failure::failed(format!("cannot start the node in {}", folder.display()));
        let log = folder.join(LOG_FILE);
        let output = OpenOptions::new().create(true).append(true).open(&log);
        let output = output.map_err(|error| cannot().because(error))?;
        let errors = output.try_clone().map_err(|error| cannot().because(error))?;
        let mut command = Command::new(program);
        command.arg("--node").arg(folder).arg("run").arg("--with-parent").arg(std::process::id().to_string());
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        // In its own process group, so that Ctrl-C in the terminal reaches only its owner, which stops it in order.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.spawn().map_err(|error| cannot().because(format!("{}: {error}", program.display())))?;
        Ok(Self { child, folder: folder.to_owned() })
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends SIGTERM, and does not wait.
    pub fn terminate(&self) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            // The process may have ended meanwhile, so an error is ignored.
            let _ = kill_process(id, Signal::TERM);
        }
    }

    /// Stops the process with SIGTERM, and with SIGKILL if it does not end in time. Returns `false` if it had to be killed.
    pub async fn stop(mut self) -> bool {
        self.terminate();
        let ended = tokio::time::timeout(STOP, self.child.wait()).await;
        if ended.is_err() {
            self.kill().await;
        }
        ended.is_ok()
    }

    /// Kills the process, as a power failure would, and waits until it is gone.
    pub async fn kill(mut self) {
        // The process may have ended meanwhile, so an error is ignored.
        let _ = self.child.kill().await;
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        log_tail(&self.folder)
    }
}

/// The last lines of the log of the node in `folder`, or the error if the log cannot be read.
pub fn log_tail(folder: &Path) -> String {
    let path = folder.join(LOG_FILE);
    let read = || {
        let mut file = File::open(&path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match read() {
        Ok(text) => {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
        }
        Err(error) => format!("{}: {}", path.display(), std::io::Error::to_string(&error)),
    }
}

/// A script that ignores its arguments and runs these commands.
#[cfg(test)]
pub(super) fn program(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("program");
    // Another process writes the file. If this one did, a process started by another test could inherit the file open for writing, and such
    // a file cannot be executed.
    let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 700 \"$0\"";
    let written = std::process::Command::new("sh").args(["-c", write]).arg(&path).arg(script).status();
    assert!(written.expect("a shell").success());
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_there(id: u32) -> bool {
        let id = i32::try_from(id).ok().and_then(Pid::from_raw).expect("an id");
        rustix::process::test_kill_process(id).is_ok()
    }

    #[tokio::test]
    async fn what_a_process_says_is_in_its_log_and_its_end_is_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut process =
            Process::start(&program(folder.path(), "echo out; echo err >&2; exit 3"), folder.path()).expect("started");
        let status = super::super::wait::until(Duration::from_secs(10), async || Ok::<_, ()>(process.ended()));
        assert_eq!(status.await.expect("no error").expect("ended").code(), Some(3));
        assert_eq!(process.log_tail(), "out\nerr");
    }

    #[tokio::test]
    async fn a_stopped_process_ends_by_itself() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = "trap 'echo stopping; exit 0' TERM; echo up; while :; do sleep 0.05; done";
        let process = Process::start(&program(folder.path(), script), folder.path()).expect("started");
        let up = async || Ok::<_, ()>((log_tail(folder.path()) == "up").then_some(()));
        super::super::wait::until(Duration::from_secs(10), up).await.expect("no error").expect("it came up");
        assert!(process.stop().await, "not killed");
        assert_eq!(log_tail(folder.path()), "up\nstopping");
    }

    #[tokio::test]
    async fn a_dropped_process_is_killed_also_in_a_panic() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = program(folder.path(), "exec sleep 600");
        let process = Process::start(&program, folder.path()).expect("started");
        let id = process.id().expect("running");
        assert!(is_there(id));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _process = process;
            panic!("in the middle");
        }));
        assert!(panicked.is_err());
        let gone = async || Ok::<_, ()>((!is_there(id)).then_some(()));
        super::super::wait::until(Duration::from_secs(10), gone).await.expect("no error").expect("gone");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let failure = Process::start(Path::new("/nonexistent/sinergi"), folder.path()).expect_err("not there");
        assert!(failure.report().contains("/nonexistent/sinergi"), "{}", failure.report());
    }
}
