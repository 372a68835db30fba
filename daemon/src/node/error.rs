//! The errors that keep a node from starting, or end it.

use std::path::PathBuf;

use crate::base::telemetry::TelemetryError;
use crate::operator::SocketError;
use crate::rollback_guard::GuardError;
use crate::storage::charters::CharterStoreError;
use crate::storage::complaint_loader::OwnDataError;
use crate::storage::keys::KeyError;
use crate::storage::ledger::OpenError;
use crate::storage::store::StoreError;
use crate::transport::tls::CredentialsError;
use crate::writer::WriterError;

/// A failure that keeps a node from starting, or ends it.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The mark of the ledger cannot be read or written.
    #[error(
        "cannot use {}, which says how far this node's ledger has come: {source}; mend what the system says (rights, the disk, `ledger.mark` in \
         sinergid.toml)",
        path.display()
    )]
    Mark {
        /// The file.
        path: std::path::PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The log settings are wrong.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The signing keys cannot be used; holds all problems at once.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Keys(Vec<KeyError>),
    /// The charters cannot be loaded.
    #[error(transparent)]
    Charters(#[from] CharterStoreError),
    /// Configuration and charter contradict each other.
    #[error("{0}")]
    Membership(String),
    /// The certificate cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store cannot be read or written; names its folder.
    #[error("the store in {} cannot be used, nothing acknowledged is lost: {source}", path.display())]
    StoreFailed {
        /// The store's folder.
        path: PathBuf,
        /// The store's error.
        source: StoreError,
    },
    /// The ledger or store that `sinergi recover` built cannot be renamed to its final name.
    #[error("cannot put {} in its place: {source}", path.display())]
    Recovered {
        /// The folder in which it was built.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The rollback guard cannot start.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The node's own data cannot be read, or contradict each other.
    #[error(transparent)]
    OwnData(#[from] OwnDataError),
    /// The node cannot listen.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The configured address.
        address: std::net::SocketAddr,
        /// The system's error.
        source: std::io::Error,
    },
    /// The operator socket cannot be used.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A gRPC server failed.
    #[error("a server failed: {0}")]
    Server(#[from] tonic::transport::Error),
    /// The writer failed.
    #[error("the node stops, nothing acknowledged is lost: {0}. Mend the cause and start it again")]
    Writer(#[from] WriterError),
    /// The writer did not end in time at a stop.
    #[error(
        "the writer did not end within {seconds} s: the disk hangs; nothing acknowledged is lost, what was not answered may not be written"
    )]
    Drain {
        /// The configured time, in seconds.
        seconds: u64,
    },
    /// A task panicked: a defect of the program.
    #[error("a task failed: {0}; this is a defect of the program, please report it")]
    Task(#[from] tokio::task::JoinError),
    /// A system call failed.
    #[error("the system refuses to start the node: {0}")]
    System(#[from] std::io::Error),
}
