//! Which nodes run on this machine, as the system tells: for claims about what a program leaves behind.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use sinergi_cli::demo::wait;

use crate::federation::PATIENCE;

/// The processes that run a node whose folder lies in `folder`.
pub fn nodes_in(folder: &Path) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("a process table").flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| is_node_in(*id, folder)).collect()
}

/// Waits until so many nodes run in `folder`.
pub async fn nodes_run(folder: &Path, count: usize) {
    let mut last = Vec::new();
    let reached = wait::until(PATIENCE, async || {
        last = nodes_in(folder);
        Ok::<_, ()>((last.len() == count).then_some(()))
    });
    assert!(reached.await == Ok(Some(())), "{count} nodes should run in {}: {last:?}", folder.display());
}

/// Sends a signal to one process that the test has started.
pub fn send(id: u32, signal: Signal) {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(id, signal).expect("the process is there");
}

/// Whether the process was told a `--node` in the folder. One that ended meanwhile, or waits to be seen as ended, tells nothing.
fn is_node_in(id: u32, folder: &Path) -> bool {
    let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    let told =
        |pair: &[&[u8]]| pair[0] == b"--node" && Path::new(&*String::from_utf8_lossy(pair[1])).starts_with(folder);
    words.contains(&&b"run"[..]) && words.windows(2).any(told)
}
