//! The failure of a command: an exit code, a message, the causes, and advice.
//!
//! Invariants:
//! - exit codes are stable: 0 done, 1 failed, 2 wrong usage, 3 node unreachable, 4 refused, 5 a check found something;
//! - a failure is printed to stderr as `error: …`, the chain of causes, `help: …`.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use sinergi_daemon::base::error_chain::{causes, without_repeats};
use tonic::{Code, Status};

use crate::safe;

/// The kind of a failure, which sets the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: the reader of the output has closed it (`sinergi … | head`). Nothing is printed.
    ReaderGone,
    /// 1: the command failed.
    Failed,
    /// 2: the command line or a value in it is wrong.
    Usage,
    /// 3: the node does not answer.
    Unreachable,
    /// 4: the node refused: the agency may not do this, or not in the complaint's state.
    Refused,
    /// 5: a check found a problem.
    Findings,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::ReaderGone => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Refused => 4,
            Self::Findings => 5,
        }
    }
}

/// The failure of a command, as the operator sees it.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
    cause: Option<Box<dyn Error + Send + Sync>>,
    help: Option<String>,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), cause: None, help: None }
    }

    /// The command failed (exit code 1).
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// An argument is wrong (exit code 2).
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The node refused, or the named thing does not exist (exit code 4).
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    /// A check found a problem (exit code 5).
    pub fn findings(message: impl Into<String>) -> Self {
        Self::new(Exit::Findings, message)
    }

    /// Adds the error that caused the failure.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Adds advice: what the operator can do next.
    #[must_use]
    pub fn help(mut self, advice: impl Into<String>) -> Self {
        self.help = Some(advice.into());
        self
    }

    /// Changes the kind, for a command in which the failed step is one of many.
    #[must_use]
    pub fn ending_with(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// The kind of the failure.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The message: what failed.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The advice, if there is any.
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The failure for an error of the node. `what` names the attempt, as in "forward the complaint".
    pub fn from_status(what: &str, status: &Status) -> Self {
        if is_transport(status) {
            return Self::new(Exit::Unreachable, format!("the node went away while it was asked to {what}"))
                .because(innermost(status))
                .help("check with `sinergi status` that the node runs, and whether the command was carried out, then repeat it");
        }
        let said = safe::line(status.message());
        match status.code() {
            Code::InvalidArgument => Self::usage(format!("cannot {what}: {said}"))
                .help("correct that value and repeat the command; nothing was done"),
            Code::NotFound | Code::FailedPrecondition | Code::PermissionDenied => {
                Self::refused(format!("the node refused to {what}: {said}"))
            }
            Code::ResourceExhausted => Self::failed(format!("the node is too busy to {what}: {said}"))
                .help("nothing was done; repeat the command in a moment"),
            Code::Unavailable => {
                Self::new(Exit::Unreachable, format!("the node is stopping and did not {what}: {said}"))
                    .help("wait until `sinergi status` shows that it runs again, then repeat the command")
            }
            Code::Cancelled | Code::DeadlineExceeded => {
                Self::failed(format!("the node did not {what} in time: {said}"))
                    .help("`sinergi status` and the node's log show what it is busy with")
            }
            Code::Unimplemented => Self::failed(format!("the node does not know how to {what}")).help(
                "the node and this program are of different versions; compare `sinergi --version` and `sinergi status`",
            ),
            code => Self::failed(format!("the node could not {what}: {said} ({code:?})"))
                .help("the node's log has the details"),
        }
    }

    /// The text for stderr: message, causes, advice. A cause that is part of the text above it is left out.
    pub fn report(&self) -> String {
        let mut text = String::new();
        if self.exit == Exit::ReaderGone {
            return text;
        }
        let _ = writeln!(text, "error: {}", self.message);
        let all = self.cause.iter().flat_map(|cause| causes(&**cause));
        for cause in without_repeats(self.message.clone(), all).iter().skip(1) {
            let _ = writeln!(text, "  caused by: {}", safe::line(cause));
        }
        if let Some(help) = &self.help {
            let _ = writeln!(text, "help: {help}");
        }
        text
    }
}

impl From<&Failure> for ExitCode {
    fn from(failure: &Failure) -> Self {
        Self::from(failure.exit.code())
    }
}

/// The text of the last error in a chain of causes.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

/// Whether the connection broke, so that the node itself did not answer.
pub fn is_transport(status: &Status) -> bool {
    causes(status).any(|error| error.is::<tonic::transport::Error>() || error.is::<std::io::Error>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_of_the_node_has_its_exit_code() {
        for (code, exit) in [
            (Code::InvalidArgument, 2),
            (Code::NotFound, 4),
            (Code::FailedPrecondition, 4),
            (Code::PermissionDenied, 4),
            (Code::ResourceExhausted, 1),
            (Code::Unavailable, 3),
            (Code::DeadlineExceeded, 1),
            (Code::Unimplemented, 1),
            (Code::Internal, 1),
        ] {
            let failure = Failure::from_status("lodge the complaint", &Status::new(code, "because"));
            assert_eq!(failure.exit().code(), exit, "{code:?}");
        }
    }

    #[test]
    fn a_broken_connection_is_an_unreachable_node_whatever_its_code() {
        let broken = std::io::Error::new(std::io::ErrorKind::BrokenPipe, "broken pipe");
        let failure = Failure::from_status("accept the complaint", &Status::from_error(Box::new(broken)));
        assert_eq!(failure.exit(), Exit::Unreachable);
    }

    #[test]
    fn a_report_names_what_failed_why_and_what_to_do() {
        let failure =
            Failure::failed("cannot read a.csv").because(std::io::Error::other("disk on fire")).help("put it out");
        assert_eq!(failure.report(), "error: cannot read a.csv\n  caused by: disk on fire\nhelp: put it out\n");
    }

    #[test]
    fn a_cause_that_is_part_of_the_text_above_it_is_left_out() {
        #[derive(Debug, thiserror::Error)]
        #[error("the node stops: {0}. Mend it")]
        struct Outer(#[source] std::io::Error);

        let failure = Failure::failed("it does not run").because(Outer(std::io::Error::other("disk on fire")));
        assert_eq!(failure.report(), "error: it does not run\n  caused by: the node stops: disk on fire. Mend it\n");
    }

    #[test]
    fn nothing_is_printed_when_the_reader_of_the_output_has_gone() {
        let failure = Failure::new(Exit::ReaderGone, "");
        assert_eq!((failure.report().as_str(), failure.exit().code()), ("", 0));
    }

    #[test]
    fn control_characters_from_the_node_do_not_reach_the_terminal() {
        let failure = Failure::from_status("lodge", &Status::invalid_argument("bad \x1b[2J title"));
        assert!(!failure.report().contains('\x1b'));
    }
}
