//! The configuration of a node as the rest of the program uses it.
//!
//! It must not know how it was written.
//!
//! Invariants: values are within [`bounds`]; paths are joined to the data directory; peers are distinct and none of them
//! is the node's own agency.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sinergi_proto::base::ids::AgencyId;

use crate::names::{CharterPin, Endpoint, Federation};

/// What values may be. Ranges are inclusive.
pub mod bounds {
    use std::ops::RangeInclusive;

    use sinergi_proto::base::limits;

    /// `ledger.segment_mib`: offsets in a segment are 32 bits wide.
    pub const SEGMENT_MIB: RangeInclusive<i64> = 1..=1024;
    /// `store.cache_mib`: below it the store rereads pages all the time, above it a small node runs out of memory.
    pub const CACHE_MIB: RangeInclusive<i64> = 16..=4096;
    /// `forward.answer_by_hours`: up to the longest offer of the protocol.
    pub const ANSWER_BY_HOURS: RangeInclusive<i64> = 1..=8784;
    /// `link.idle_seconds`: below it a busy peer is taken for a dead one, above it nobody notices that it is gone.
    pub const IDLE_SECONDS: RangeInclusive<i64> = 5..=3600;
    /// `watch.witness_seconds`: below it the entries of all agencies would beget each other.
    pub const WITNESS_SECONDS: RangeInclusive<i64> = 1..=86_400;
    /// `watch.audit_seconds`: 0 is never.
    pub const AUDIT_SECONDS: RangeInclusive<i64> = 0..=31_536_000;
    /// `shutdown.drain_seconds`: packaging/sinergid.service waits longer than the upper end.
    pub const DRAIN_SECONDS: RangeInclusive<i64> = 1..=300;
    /// Path of a Unix socket: `sockaddr_un.sun_path` holds 108 bytes with the final zero.
    pub const SOCKET_PATH_BYTES: usize = 107;
    /// Peers of one node: no more than a charter has members.
    pub const PEERS: usize = limits::MEMBERS;
    /// The configuration file itself.
    pub const FILE_BYTES: u64 = 4 * 1024 * 1024;

    const _: () = assert!(*ANSWER_BY_HOURS.end() as u64 * 3600 == limits::ANSWER_BY_MAX.as_secs());
}

/// What holds when nothing is written.
pub mod defaults {
    /// The configuration file of a node directory.
    pub const FILE: &str = "sinergid.toml";
    /// `data`.
    pub const DATA: &str = ".";
    /// `charter.directory`.
    pub const CHARTER_DIRECTORY: &str = "charter";
    /// `keys.entry`.
    pub const ENTRY_KEY: &str = "keys/entry.pem";
    /// `keys.checkpoint`.
    pub const CHECKPOINT_KEY: &str = "keys/checkpoint.pem";
    /// `keys.time`.
    pub const TIME_KEY: &str = "keys/time.pem";
    /// `tls.certificate`.
    pub const TLS_CERTIFICATE: &str = "keys/tls.crt";
    /// `tls.key`.
    pub const TLS_KEY: &str = "keys/tls.key";
    /// `operator.socket`.
    pub const SOCKET: &str = "sinergid.sock";
    /// `ledger.segment_mib`.
    pub const SEGMENT_MIB: i64 = 64;
    /// `store.cache_mib`.
    pub const CACHE_MIB: i64 = 64;
    /// `forward.answer_by_hours`.
    pub const ANSWER_BY_HOURS: i64 = 72;
    /// `link.idle_seconds`.
    pub const IDLE_SECONDS: i64 = 60;
    /// `watch.witness_seconds`.
    pub const WITNESS_SECONDS: i64 = 3600;
    /// `watch.audit_seconds`.
    pub const AUDIT_SECONDS: i64 = 86_400;
    /// `log.filter`.
    pub const LOG_FILTER: &str = "info";
    /// `shutdown.drain_seconds`.
    pub const DRAIN_SECONDS: i64 = 10;
}

/// The configuration of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The agency that this node speaks for.
    pub agency: AgencyId,
    /// The federation that it belongs to.
    pub federation: Federation,
    /// Where peers may dial in; absent: the node only dials out.
    pub listen: Option<SocketAddr>,
    /// The data directory: ledger, store, and the base of every relative path below.
    pub data: PathBuf,
    /// The federation's directory of members.
    pub charter: Charter,
    /// Signing keys.
    pub keys: Keys,
    /// The certificate shown to peers.
    pub tls: Tls,
    /// The operator API.
    pub operator: Operator,
    /// The ledger's files.
    pub ledger: Ledger,
    /// The embedded store.
    pub store: Store,
    /// Offers to other agencies.
    pub forward: Forward,
    /// Links with peers.
    pub link: Link,
    /// The watch over other agencies' ledgers.
    pub watch: Watch,
    /// Log output.
    pub log: Log,
    /// The ledger for everybody to read.
    pub tiles: Tiles,
    /// How the node stops.
    pub shutdown: Shutdown,
    /// The agencies that this node links with, in the order written.
    pub peers: Vec<Peer>,
}

/// `[charter]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charter {
    /// Holds every version: `00000001.note` and on.
    pub directory: PathBuf,
    /// Hash of the first version's text. Absent until the node has been given a charter; it does not run before.
    pub pin: Option<CharterPin>,
}

impl Charter {
    /// The file of a version.
    pub fn file(&self, version: u64) -> PathBuf {
        self.directory.join(format!("{version:08}.note"))
    }
}

/// `[keys]`: PKCS#8 PEM files of Ed25519 keys, one for each use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Signs entries.
    pub entry: PathBuf,
    /// Signs checkpoints.
    pub checkpoint: PathBuf,
    /// Cosigns checkpoints with their time.
    pub time: PathBuf,
}

/// `[tls]`: PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, followed by intermediate ones if there are any.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// `[operator]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Unix socket of the operator API.
    pub socket: PathBuf,
}

/// `[ledger]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Size at which a segment is sealed and the next one begun, in bytes.
    pub segment_bytes: u32,
}

/// `[store]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store {
    /// Cache of the embedded store, in bytes.
    pub cache_bytes: u64,
}

/// `[forward]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// How long the addressee of an offer has to answer, unless the operator says otherwise.
    pub answer_by: Duration,
}

/// `[link]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Silence after which a link is taken for dead.
    pub idle: Duration,
}

/// `[watch]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// At most so often this node commits to what it saw of other ledgers.
    pub witness_every: Duration,
    /// So often each adjacent agency is audited; `None`: only on an operator's order.
    pub audit_every: Option<Duration>,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// What is logged, in the syntax of `tracing-subscriber`'s `Targets`.
    pub filter: String,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// `[tiles]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Where the ledger is served over HTTP, read-only, entries without contents; absent: nowhere.
    pub listen: Option<SocketAddr>,
}

/// `[shutdown]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// How long links and operator calls may take to end once the node was told to stop.
    pub drain: Duration,
}

/// `[[peer]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The agency at the other end.
    pub agency: AgencyId,
    /// Where to dial it; absent: it is waited for.
    pub endpoint: Option<Endpoint>,
}
