//! Runs a command on a terminal of 80 columns.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::program::sinergi;

/// The output of `sinergi --node FOLDER ARGUMENTS` on a terminal, with these environment variables.
pub fn shown_on(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let (ours, terminal) = open();
    let second = terminal.try_clone().expect("a second handle");
    let mut command = on_terminal(folder, arguments);
    command.envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(terminal).stderr(second);
    let mut child = command.spawn().expect("the program runs");
    // Only the child may hold the terminal, or reading from our end would not stop when the child ends.
    drop(command);
    let text = read(File::from(ours));
    assert!(child.wait().expect("it ends").success(), "{text}");
    text
}

/// Runs `sinergi --node FOLDER ARGUMENTS` on a terminal and types an answer. Returns the exit code and the output.
pub fn answered_on(folder: &Path, arguments: &[&str], answer: &str) -> (Option<i32>, String) {
    let (ours, terminal) = open();
    let another = || terminal.try_clone().expect("another handle");
    let mut command = on_terminal(folder, arguments);
    command.stdin(another()).stdout(another()).stderr(another());
    let mut child = command.spawn().expect("the program runs");
    drop((command, terminal));
    let mut ours = File::from(ours);
    // The terminal keeps the typed answer until the program reads it.
    ours.write_all(format!("{answer}\n").as_bytes()).expect("typed");
    let text = read(ours);
    (child.wait().expect("it ends").code(), text)
}

fn on_terminal(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(sinergi());
    command.arg("--node").arg(folder).args(arguments);
    for variable in ["NO_COLOR", "SINERGI_NODE", "SINERGI_SOCKET", "SINERGI_OUTPUT"] {
        command.env_remove(variable);
    }
    command.env("TERM", "xterm");
    command
}

/// Both ends of a new terminal: ours, and the one for the program.
fn open() -> (OwnedFd, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("our own terminal");
    let name = ptsname(&ours, Vec::new()).expect("it has a name");
    let terminal = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("it can be opened");
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&terminal, size).expect("it has a size");
    (ours, terminal)
}

/// Reads until the last program that holds the terminal has ended. Linux reports that as an error.
fn read(mut ours: File) -> String {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = ours.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(bytes).expect("text").replace("\r\n", "\n")
}
