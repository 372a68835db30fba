//! The configuration of a node as the rest of the program uses it.
//!
//! It must not know the syntax of the file.
//!
//! Invariants: values are within [`bounds`]; paths are joined to the data directory; peers are distinct, and none of them
//! is the node's own agency.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sinergi_proto::base::ids::AgencyId;

use crate::names::{CharterPin, Endpoint, Federation};

/// The bounds of values. Ranges are inclusive.
pub mod bounds {
    use std::ops::RangeInclusive;

    use sinergi_proto::base::limits;

    /// `ledger.segment_mib`: offsets in a segment are 32 bits wide.
    pub const SEGMENT_MIB: RangeInclusive<i64> = 1..=1024;
    /// `ledger.reserve_mib`: 0 means that peers' entries are taken until the disk is full.
    pub const RESERVE_MIB: RangeInclusive<i64> = 0..=1_048_576;
    /// `store.cache_mib`: with less the store rereads pages all the time; with more a small node runs out of memory.
    pub const CACHE_MIB: RangeInclusive<i64> = 16..=4096;
    /// `forward.answer_by_hours`: up to the longest offer of the protocol.
    pub const ANSWER_BY_HOURS: RangeInclusive<i64> = 1..=8784;
    /// `link.idle_seconds`: with less a busy peer counts as dead; with more a dead peer goes unnoticed.
    pub const IDLE_SECONDS: RangeInclusive<i64> = 5..=3600;
    /// `watch.witness_seconds`: with less each such entry would soon cause others at all peers.
    pub const WITNESS_SECONDS: RangeInclusive<i64> = 1..=86_400;
    /// `watch.audit_seconds`: 0 means never.
    pub const AUDIT_SECONDS: RangeInclusive<i64> = 0..=31_536_000;
    /// `shutdown.drain_seconds`: packaging/sinergid.service waits longer than the upper end.
    pub const DRAIN_SECONDS: RangeInclusive<i64> = 1..=300;
    /// Longest path of a Unix socket: `sockaddr_un.sun_path` has 108 bytes, one of them for the final zero.
    pub const SOCKET_PATH_BYTES: usize = 107;
    /// Most peers of one node: the most members of a charter.
    pub const PEERS: usize = limits::MEMBERS;
    /// Most bytes of the configuration file.
    pub const FILE_BYTES: u64 = 4 * 1024 * 1024;

    const _: () = assert!(*ANSWER_BY_HOURS.end() as u64 * 3600 == limits::ANSWER_BY_MAX.as_secs());
}

/// The values of settings that the file leaves out.
pub mod defaults {
    /// The name of the configuration file in a node's directory.
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
    /// Name of the ledger's mark, beside the entry key.
    pub const MARK: &str = "ledger-mark";
    /// `tls.certificate`.
    pub const TLS_CERTIFICATE: &str = "keys/tls.crt";
    /// `tls.key`.
    pub const TLS_KEY: &str = "keys/tls.key";
    /// `operator.socket`.
    pub const SOCKET: &str = "sinergid.sock";
    /// `ledger.segment_mib`.
    pub const SEGMENT_MIB: i64 = 64;
    /// `ledger.reserve_mib`.
    pub const RESERVE_MIB: i64 = 512;
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
    /// The address where peers can dial the node. If absent, the node only dials out.
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
    /// Comparing and auditing other agencies' ledgers.
    pub watch: Watch,
    /// Log output.
    pub log: Log,
    /// The public copy of the ledger.
    pub tiles: Tiles,
    /// How the node stops.
    pub shutdown: Shutdown,
    /// The agencies that this node links with, in the order of the file.
    pub peers: Vec<Peer>,
}

/// `[charter]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charter {
    /// Has every version, `00000001.note` and so on, and the lists of trusted entries that they name, `HASH.list`.
    pub directory: PathBuf,
    /// Hash of the first version's text. Absent until the node gets a charter; the node does not run without one.
    pub pin: Option<CharterPin>,
}

impl Charter {
    /// The path of the file with a list of trusted entries that a version names by its hash.
    pub fn list_file(&self, hash: &[u8; 32]) -> PathBuf {
        let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        self.directory.join(format!("{digits}.list"))
    }

    /// The path of a version's file.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Size at which a segment is sealed and the next one begun, in bytes.
    pub segment_bytes: u32,
    /// While less of the disk is free, in bytes, entries of peers are put off.
    pub reserve_bytes: u64,
    /// The file that says how far the ledger has come. It should be outside the data folder.
    pub mark: PathBuf,
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
    /// The time that the addressee of an offer has to answer, unless the operator sets another.
    pub answer_by: Duration,
}

/// `[link]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The idle timeout: the node ends a link after so long a silence.
    pub idle: Duration,
}

/// `[watch]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The shortest time between two entries that commit to the checkpoints seen of others.
    pub witness_every: Duration,
    /// The time between two audits of an adjacent agency. If `None`, only an operator starts audits.
    pub audit_every: Option<Duration>,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The format of a line.
    pub format: LogFormat,
    /// The levels that are logged, in the syntax of `tracing-subscriber`'s `Targets`.
    pub filter: String,
}

/// The format of a log line.
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
    /// The address where the ledger is served over HTTP, read-only, entries without contents. If absent, it is not served.
    pub listen: Option<SocketAddr>,
}

/// `[shutdown]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// The time that links and operator calls get to end when the node stops.
    pub drain: Duration,
}

/// `[[peer]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The agency at the other end.
    pub agency: AgencyId,
    /// The address to dial. If absent, the peer must dial this node.
    pub endpoint: Option<Endpoint>,
}
