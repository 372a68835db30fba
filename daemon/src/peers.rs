//! Links with peers over mutual TLS: either side dials, and each peer has one link.
//!
//! Must not decide anything about entries or frames: [`sinergi_proto::sync::Session`] does.
//!
//! ```text
//! accept.rs        TcpListener -> TLS (bounded in time and number) -> gRPC   accepted
//! handshakes.rs    places for connections whose handshake has not ended
//! dial.rs          endpoint -> TLS -> gRPC, with backoff without end         dialled
//! failures.rs      explains in words why a call or a stream failed           both
//! session.rs       runs a session over one stream                            both
//! idle_timeout.rs  ends a connection on which nothing is received            both
//! proof_server.rs  answers peers' questions about this node's ledger
//! watch.rs         watches the checkpoints that peers show and pass on
//! budget.rs        the memory budget that all links share
//! proof_client.rs  asks a peer about its ledger
//! peer.rs          the state of a peer, for operators, and the slot that one session holds
//! ```
//!
//! Invariants:
//! - the agency comes from the certificate, never from a message;
//! - a peer has one session. A second one replaces it or is turned away, by a rule that both sides share;
//! - a connection counts as a success only after an answer of the peer's application (its Hello).

mod accept;
mod budget;
mod dial;
mod failures;
mod handshakes;
mod idle_timeout;
mod peer;
mod proof_client;
pub(crate) mod proof_server;
mod service;
mod session;
pub mod watch;

pub use accept::{listen, serve};
pub use budget::Budget;
pub use dial::keep_linked;
pub use peer::{Peer, PeerSnapshot, Peers};
pub use proof_client::Unanswered;
pub use session::{AdoptionParts, CharterAdoption, Incoming, Outgoing, Receipts, SessionParts, Start, run_sessions};

use std::time::Duration;

use sinergi_config::{Config, Federation};
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::sync::End;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::transport::tls::{Credentials, SharedAuthorities};

/// The parts that accepting and dialling share: this node's certificate, the authorities, the peers, and the channel to the sessions. Cheap to
/// clone.
#[derive(Clone)]
pub struct Connections {
    own: AgencyId,
    federation: Federation,
    idle: Duration,
    credentials: Credentials,
    authorities: SharedAuthorities,
    peers: Peers,
    sessions: mpsc::Sender<Start>,
    stop: CancellationToken,
}

impl Connections {
    /// Connections of this node with `peers`, under its certificate and the `authorities` of the charter. Each new connection goes to
    /// `sessions`.
    pub fn new(
        config: &Config,
        credentials: Credentials,
        authorities: SharedAuthorities,
        peers: Peers,
        sessions: mpsc::Sender<Start>,
        stop: CancellationToken,
    ) -> Self {
        let (own, federation, idle) = (config.agency.clone(), config.federation.clone(), config.link.idle);
        Self { own, federation, idle, credentials, authorities, peers, sessions, stop }
    }
}

/// A link ended, or could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is no connection.
    #[error("cannot connect to {endpoint}: {reason}")]
    Connect {
        /// The address that was dialled.
        endpoint: String,
        /// The reason in words, with the certificate if that is the cause.
        reason: String,
    },
    /// The session has ended.
    #[error(transparent)]
    Ended(#[from] End),
}
