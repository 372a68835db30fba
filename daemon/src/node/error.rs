//! Why a node does not start, or stopped.

use std::path::PathBuf;

use crate::base::telemetry::TelemetryError;
use crate::operator::SocketError;
use crate::rollback_guard::ContinuityError;
use crate::storage::case::CaseError;
use crate::storage::charters::DirectoryError;
use crate::storage::keys::KeyError;
use crate::storage::ledger::OpenError;
use crate::storage::store::StoreError;
use crate::transport::tls::CredentialsError;
use crate::writer::WriterError;

/// Why a node does not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The log settings.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The signing keys; all problems at once.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Keys(Vec<KeyError>),
    /// The charters.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// What the configuration says and what the charter says.
    #[error("{0}")]
    Membership(String),
    /// The certificate.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store, at its place.
    #[error("the store in {} cannot be used, nothing acknowledged is lost: {source}", path.display())]
    StoreFailed {
        /// Its folder.
        path: PathBuf,
        /// Why not.
        source: StoreError,
    },
    /// A new epoch's ledger.
    #[error("cannot put {} in its place: {source}", path.display())]
    Recovered {
        /// Where it was made.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Whether peers saw another ledger.
    #[error(transparent)]
    Continuity(#[from] ContinuityError),
    /// The data contradict each other.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// The listening socket.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The operator socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A gRPC server.
    #[error("a server failed: {0}")]
    Server(#[from] tonic::transport::Error),
    /// The writer.
    #[error("the node stops, nothing acknowledged is lost: {0}. Mend the cause and start it again")]
    Writer(#[from] WriterError),
    /// The disk hangs.
    #[error(
        "the writer did not end within {seconds} s: the disk hangs; nothing acknowledged is lost, what was not answered may not be written"
    )]
    Drain {
        /// The configured time.
        seconds: u64,
    },
    /// A defect.
    #[error("a task failed: {0}; this is a defect of the program, please report it")]
    Task(#[from] tokio::task::JoinError),
    /// The system.
    #[error("the system refuses to start the node: {0}")]
    System(#[from] std::io::Error),
}
