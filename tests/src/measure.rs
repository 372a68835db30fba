//! Functions for the benchmarks: a load of complaints, and the time, memory and disk space of a node.
//!
//! Times and sizes depend on the machine. No test passes or fails because of them.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sinergi_cli::demo::wait;
use sinergi_cli::lodging::answer_of;
use sinergi_proto::base::ids::ComplaintId;
use sinergi_proto::citizen::ReplyCode;
use sinergi_proto::operator_api;
use sinergi_proto::wire;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::federation::{TestFederation, TestNode};
use crate::memory;

/// The default number of connections that the clients of a load share.
pub const CONNECTIONS: usize = 8;

/// The key of every citizen of a load, so that clients spend no time on curve arithmetic.
static CITIZEN_KEY: LazyLock<[u8; 32]> = LazyLock::new(|| ReplyCode::from([7; 16]).public());

/// A load of complaints that are lodged at one node and forwarded to another.
#[derive(Clone, Debug)]
pub struct Load {
    /// The number of complaints.
    pub complaints: usize,
    /// The length of each text in bytes.
    pub size: usize,
    /// The number of clients. Each has one complaint at a time.
    pub clients: usize,
    /// The number of connections that they share, at most one a client.
    pub connections: usize,
    /// The addressee of every offer.
    pub to: String,
}

impl Load {
    fn request(&self, number: usize) -> operator_api::LodgeRequest {
        let mut body = format!("Laporan {number} ");
        body.push_str(&"x".repeat(self.size.saturating_sub(body.len())));
        operator_api::LodgeRequest {
            kind: wire::ComplaintKind::Complaint.into(),
            category: "road".to_owned(),
            area: "32.73".to_owned(),
            class: wire::ContentClass::Public.into(),
            text: Some(wire::Text { title: format!("Laporan {number}"), body, ..Default::default() }),
            external: None,
            forward: Some(operator_api::Forward { to: self.to.clone(), reason: 1, answer_by: 0 }),
            citizen_key: CITIZEN_KEY.to_vec(),
            key_origin: wire::KeyOrigin::Device.into(),
        }
    }

    /// Lodges one complaint and forwards it, in one call that makes two entries.
    pub async fn hand_over(&self, node: &TestNode, number: usize) -> ComplaintId {
        loop {
            match node.lodges_request(self.request(number)).await {
                Ok(lodged) => return lodged.complaint,
                Err(status) if status.code() == tonic::Code::ResourceExhausted => tokio::task::yield_now().await,
                Err(status) => panic!("{} refuses a complaint: {status}", node.id),
            }
        }
    }

    /// Lodges and forwards all complaints at one node. All clients run at once, over a few connections.
    pub async fn run(&self, federation: &TestFederation, at: &str) {
        let next = Arc::new(AtomicUsize::new(0));
        let connections = self.connections.clamp(1, self.clients.max(1));
        let mut running = JoinSet::new();
        for connection in 0..connections {
            let (node, next, load) = (federation.node(at).await, Arc::clone(&next), self.clone());
            let clients = (connection..self.clients).step_by(connections).count();
            running.spawn(async move { load.lodge_for(clients, &node, &next).await });
        }
        while let Some(done) = running.join_next().await {
            done.expect("a client is served to its end");
        }
    }

    /// Runs the clients of one connection in one call. Each has one complaint under way, and lodges the next after the answer.
    async fn lodge_for(&self, clients: usize, node: &TestNode, next: &AtomicUsize) {
        let (requests, lodged) = mpsc::channel(clients);
        let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < self.complaints);
        let mut under_way = VecDeque::new();
        for number in (0..clients).map_while(|_| take()) {
            requests.send(self.request(number)).await.expect("the call begins");
            under_way.push_back(number);
        }
        let lodged = ReceiverStream::new(lodged);
        let mut results = node.api.clone().lodge_stream(lodged).await.expect("a call").into_inner();
        // The node answers in the order of the requests.
        while let Some(number) = under_way.pop_front() {
            let result = results.message().await.expect("the node runs").expect("an answer to each request");
            let again = match answer_of(result) {
                Ok(_) => None,
                Err(status) if status.code() == tonic::Code::ResourceExhausted => Some(number),
                other => panic!("{} refuses a complaint: {other:?}", node.id),
            };
            if let Some(number) = again.or_else(take) {
                requests.send(self.request(number)).await.expect("the call is open");
                under_way.push_back(number);
            }
        }
    }
}

/// The time that the last entries may take to arrive after the last complaint was lodged.
pub const ARRIVAL: Duration = Duration::from_secs(30 * 60);

/// Waits until `there` has at least `entries` entries and, if `from` is given, until that node has the receipts for everything that it
/// sent.
pub async fn arrived(there: &TestNode, entries: u64, from: Option<&TestNode>) {
    let all = wait::until(ARRIVAL, async || {
        let here = there.status().await.ledger_size >= entries;
        let receipted = match from {
            Some(from) if here => from.status().await.outbox == 0,
            _ => here,
        };
        Ok::<_, Status>(receipted.then_some(()))
    });
    assert!(all.await.expect("the nodes answer").is_some(), "{} never got {entries} entries", there.id);
}

/// Appends `bytes` bytes to a file and syncs it, `times` times with a pause of `pace` before each. Returns the times of write and sync in
/// milliseconds, sorted.
///
/// # Errors
/// The file cannot be written.
pub fn syncs(times: usize, bytes: usize, pace: Duration) -> io::Result<Vec<f64>> {
    let (mut file, bytes) = (tempfile::tempfile()?, vec![0x5A; bytes]);
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        std::thread::sleep(pace);
        file.write_all(&bytes)?;
        let began = Instant::now();
        file.sync_data()?;
        taken.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    taken.sort_unstable_by(f64::total_cmp);
    Ok(taken)
}

/// The percentile of sorted values; 0 if there are none.
pub fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// The largest resident size that a process had, in MiB.
pub fn peak_rss_mib(process: Option<u32>) -> u64 {
    (process.map_or(0, memory::peak) >> 20) as u64
}

/// The processor time that a process has used, in microseconds (`/proc/PID/stat` counts in hundredths of a second).
pub fn processor_micros(process: Option<u32>) -> u64 {
    let stat = process.and_then(|id| std::fs::read_to_string(format!("/proc/{id}/stat")).ok()).unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = |field: usize| after_name.split(' ').nth(field).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    (ticks(11) + ticks(12)) * 10_000
}

/// The size of all files below a folder, in bytes.
pub fn disk_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

/// Reads the program's arguments. Each has a name, a number and a default: `--name N`.
///
/// # Errors
/// An argument is unknown, or its value is not a number. The text lists all names.
pub fn numbers<const N: usize>(defaults: [(&str, usize); N]) -> Result<[usize; N], String> {
    numbers_in(std::env::args().skip(1), defaults)
}

/// Like [`numbers`], for the given arguments.
///
/// # Errors
/// An argument is unknown, or its value is not a number.
pub fn numbers_in<const N: usize>(
    mut arguments: impl Iterator<Item = String>,
    defaults: [(&str, usize); N],
) -> Result<[usize; N], String> {
    let mut values = defaults.map(|(_, value)| value);
    while let Some(name) = arguments.next() {
        let known = defaults.iter().position(|(known, _)| *known == name);
        let names = || defaults.map(|(name, value)| format!("{name} {value}")).join(", ");
        let index = known.ok_or_else(|| format!("{name} is unknown; there are (with their defaults) {}", names()))?;
        let value = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
        values[index] = value.parse().map_err(|_| format!("{name} {value:?} is no number"))?;
    }
    Ok(values)
}
