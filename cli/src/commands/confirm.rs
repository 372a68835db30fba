//! Asking before what cannot be undone is done.
//!
//! Invariant: without a terminal nobody is asked, and nothing is done.

use std::io::{self, IsTerminal, Write};

use crate::failure::Failure;

/// Says what will be done, and asks for a yes.
///
/// # Errors
/// There is nobody to ask, or the answer is another one.
pub(super) fn confirm(explanation: &str, question: &str) -> Result<(), Failure> {
    let declined = || Failure::refused("not confirmed: nothing was changed").help("repeat it with --yes to do it");
    let mut said = io::stderr().lock();
    // If stderr is gone there is nobody to ask.
    writeln!(said, "{explanation}").map_err(|_| declined())?;
    if !io::stdin().is_terminal() {
        return Err(declined());
    }
    write!(said, "{question} [y/N]? ").and_then(|()| said.flush()).map_err(|_| declined())?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|_| declined())?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(declined()) }
}
