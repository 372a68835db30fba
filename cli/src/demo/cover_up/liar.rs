//! The program that speaks for the accused: found, started, told what to do, and never left behind.
//!
//! It is a program of its own, so that nothing that forges is in the programs that agencies install.
//!
//! Invariant: it ends when its standard input is closed, at the latest when this process ends.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sinergi_proto::base::ids::AgencyId;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use super::ACCUSED;
use crate::failure::Failure;
use crate::view::Cursor;

/// The program's file name.
pub const PROGRAM: &str = "sinergi-liar";
/// How long it may take until the auditor's node has taken the link.
pub const LINKED: Duration = Duration::from_secs(60);

/// The order to the program, given as JSON in its only argument.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lie {
    /// The folder of the accused's node, which does not run.
    pub folder: PathBuf,
    /// The id of the complaint that is missing from the ledger that it shows.
    pub complaint: String,
    /// The agency to which the false ledger is shown.
    pub auditor: AgencyId,
    /// Where the auditor's node listens.
    pub address: SocketAddr,
    /// How far the accused has acknowledged the auditor's ledger.
    pub acknowledged: Option<Cursor>,
}

/// The program's report, one line of JSON, printed when the auditor's node has accepted the link.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Shown {
    /// Leaves of the ledger that it shows: as many as the true one has.
    pub leaves: u64,
    /// Of them, those that are not what they were.
    pub dropped: u64,
}

/// The program while it runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Liar {
    /// Also holds the program's standard input open.
    child: Child,
}

/// Where the program lies: beside this one.
///
/// # Errors
/// It was not built.
pub fn program() -> Result<PathBuf, Failure> {
    let this = std::env::current_exe().map_err(|error| {
        Failure::failed(format!("cannot tell where this program is, to find {PROGRAM} beside it")).because(error)
    })?;
    let program = this.with_file_name(PROGRAM);
    if program.is_file() {
        return Ok(program);
    }
    Err(Failure::failed(format!("{} is missing: it speaks for the agency that lies", program.display())).help(format!(
        "no package has it; in the sources of this program, build both: cargo build --release --bin sinergi --bin {PROGRAM}"
    )))
}

impl Liar {
    /// Starts the program, and waits until the auditor's node has taken the link.
    ///
    /// # Errors
    /// It cannot be started, or not do what it is told.
    pub async fn start(program: &Path, lie: &Lie) -> Result<(Self, Shown), Failure> {
        let cannot = || Failure::failed(format!("{} does not link with {ACCUSED}", lie.auditor));
        let mut command = Command::new(program);
        command.arg(serde_json::to_string(lie).map_err(|error| cannot().because(error))?);
        // In a group of its own: Ctrl-C in the terminal reaches the demo alone, which ends everything in order.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| cannot().because(format!("{}: {error}", program.display())))?;
        let (Some(output), Some(mut errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(cannot().because("it has no output"));
        };
        let mut line = String::new();
        let mut output = BufReader::new(output);
        let said = tokio::time::timeout(2 * LINKED, output.read_line(&mut line)).await;
        said.map_err(|_| cannot().because("it says nothing"))?.map_err(|error| cannot().because(error))?;
        if line.is_empty() {
            let mut why = String::new();
            // What cannot be read of it says nothing either.
            let _ = errors.read_to_string(&mut why).await;
            return Err(cannot().because(why.trim().to_owned()));
        }
        let shown = serde_json::from_str(&line).map_err(|error| cannot().because(error))?;
        Ok((Self { child }, shown))
    }

    /// The id of its process, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.child.id()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::process;
    use super::*;

    async fn started(script: &str) -> Result<(Liar, Shown), Failure> {
        let folder = tempfile::tempdir().expect("a folder");
        let lie = Lie {
            folder: folder.path().to_owned(),
            complaint: "06h0ybgn2x".to_owned(),
            auditor: super::super::AUDITOR.parse().expect("an id"),
            address: SocketAddr::from(([127, 0, 0, 1], 1)),
            acknowledged: None,
        };
        Liar::start(&process::program(folder.path(), script), &lie).await
    }

    #[tokio::test]
    async fn a_liar_that_is_dropped_ends_and_one_that_fails_says_why() {
        let (liar, shown) = started("echo \"{\\\"leaves\\\":40,\\\"dropped\\\":7}\"; exec cat").await.expect("linked");
        assert_eq!((shown.leaves, shown.dropped), (40, 7));
        let id = liar.process_id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
        drop(liar);
        let gone = async || Ok::<_, ()>(rustix::process::test_kill_process(id.expect("an id")).err().map(drop));
        crate::demo::wait::until(Duration::from_secs(10), gone).await.expect("no error").expect("it ended");

        let failure = started("echo because >&2; exit 1").await.expect_err("it links with nobody");
        assert!(failure.report().contains("because"), "{}", failure.report());
    }
}
