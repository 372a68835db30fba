//! Starts and stops the program that plays the accused.
//!
//! It is a separate program, so that the programs that agencies install have no code that forges.
//!
//! Invariant: the program ends when its standard input is closed, that is, when this process ends at the latest.

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
/// The timeout for linking with the auditor's node.
pub const LINKED: Duration = Duration::from_secs(60);

/// The order to the program, given as JSON in its only argument.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lie {
    /// The folder of the accused's node, which is stopped.
    pub folder: PathBuf,
    /// The id of the complaint that the false ledger lacks.
    pub complaint: String,
    /// The agency that the program shows the false ledger to.
    pub auditor: AgencyId,
    /// The address of the auditor's node.
    pub address: SocketAddr,
    /// The position up to which the accused has acknowledged the auditor's ledger.
    pub acknowledged: Option<Cursor>,
}

/// The program's report, one line of JSON, printed when the auditor's node has accepted the link.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Shown {
    /// The number of leaves of the false ledger, which is that of the true one.
    pub leaves: u64,
    /// The number of leaves that differ from the true ledger.
    pub dropped: u64,
}

/// The running program. It is killed when this is dropped.
#[derive(Debug)]
pub struct Liar {
    /// Also holds the program's standard input open.
    child: Child,
}

/// The path of the program, which must be in the same folder as this one.
///
/// # Errors
/// The program was not built.
pub fn program() -> Result<PathBuf, Failure> {
    let this = std::env::current_exe().map_err(|error| {
        Failure::failed(format!("cannot find out the folder of this program, where {PROGRAM} must be")).because(error)
    })?;
    let program = this.with_file_name(PROGRAM);
    if program.is_file() {
        return Ok(program);
    }
    Err(Failure::failed(format!("{} is missing: this program plays the agency that lies", program.display())).help(format!(
        "no package has it; in the sources of this program, build both: cargo build --release --bin sinergi --bin {PROGRAM}"
    )))
}

impl Liar {
    /// Starts the program, and waits until it is linked with the auditor's node.
    ///
    /// # Errors
    /// The program cannot be started, or fails.
    pub async fn start(program: &Path, lie: &Lie) -> Result<(Self, Shown), Failure> {
        let cannot = || Failure::failed(format!("{} does not link with {ACCUSED}", lie.auditor));
        let mut command = Command::new(program);
        command.arg(serde_json::to_string(lie).map_err(|error| cannot().because(error))?);
        // In its own process group, so that Ctrl-C in the terminal reaches only the demo, which stops everything in order.
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
            // If its output cannot be read, there is no message to show.
            let _ = errors.read_to_string(&mut why).await;
            return Err(cannot().because(why.trim().to_owned()));
        }
        let shown = serde_json::from_str(&line).map_err(|error| cannot().because(error))?;
        Ok((Self { child }, shown))
    }

    /// The process id of the program, while it runs.
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
