//! Asks the operator before a command that cannot be undone.
//!
//! Invariant: without a terminal there is no question, and the command is not carried out.

use std::io::{self, IsTerminal, Write};

use crate::failure::Failure;

/// Explains the command, and asks for a yes.
///
/// # Errors
/// There is no terminal, or the answer is not yes.
pub(super) fn ask(explanation: &str, question: &str) -> Result<(), Failure> {
    let declined = || {
        Failure::refused("not confirmed: nothing was changed")
            .help("repeat the command with --yes to do it without a question")
    };
    let mut said = io::stderr().lock();
    // If stderr is closed, the operator cannot see the question.
    writeln!(said, "{explanation}").map_err(|_| declined())?;
    if !io::stdin().is_terminal() {
        return Err(declined());
    }
    write!(said, "{question} [y/N]? ").and_then(|()| said.flush()).map_err(|_| declined())?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|_| declined())?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(declined()) }
}
