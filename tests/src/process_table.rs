//! The processes that run on this machine. Tests use them to assert that a program leaves none behind.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use sinergi_cli::demo::wait;

use crate::federation::PATIENCE;

/// The processes that run a node whose folder lies in `folder`.
pub fn nodes_in(folder: &Path) -> Vec<u32> {
    processes().filter(|id| is_node_in(*id, folder)).collect()
}

/// Waits until no process has `folder` in its command line.
pub async fn no_process_names(folder: &Path) {
    let folder = folder.to_str().expect("a path that is text");
    let names = |id: &u32| String::from_utf8_lossy(&command_line(*id)).contains(folder);
    let nobody = async || Ok::<_, ()>(processes().all(|id| !names(&id)).then_some(()));
    assert!(wait::until(PATIENCE, nobody).await == Ok(Some(())), "a process that knows {folder} is left behind");
}

fn processes() -> impl Iterator<Item = u32> {
    let processes = std::fs::read_dir("/proc").expect("a process table").flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
}

/// The arguments of a process, each ended by a zero byte. Empty if the process has ended.
fn command_line(id: u32) -> Vec<u8> {
    std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default()
}

/// Waits until `count` nodes run in `folder`.
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

/// Whether the process runs a node with a `--node` in the folder.
fn is_node_in(id: u32, folder: &Path) -> bool {
    let line = command_line(id);
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    let names_folder =
        |pair: &[&[u8]]| pair[0] == b"--node" && Path::new(&*String::from_utf8_lossy(pair[1])).starts_with(folder);
    words.contains(&&b"run"[..]) && words.windows(2).any(names_folder)
}
