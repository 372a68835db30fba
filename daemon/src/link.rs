//! Links with peers: dialled and waited for, one at a time for each peer, over mutually authenticated TLS.
//!
//! Executes what [`sinergi_proto::sync::Session`] says; decides nothing about entries.
//!
//! ```text
//! accept.rs        TcpListener -> TLS (bounded in time and number) -> gRPC   waited for
//! handshakes.rs    places for connections whose handshake has not ended
//! dial.rs          endpoint -> TLS -> gRPC, with backoff without end         dialled
//! session.rs       runs a session over one stream                            both
//! idle_timeout.rs  a connection on which nothing is heard ends               both
//! intake.rs        decode and authenticate received items, off the async threads
//! budget.rs        room in memory that all links share
//! proof_client.rs  asking a peer about its ledger
//! peer.rs          what is known of a peer: shown to operators, and the slot that one session holds
//! ```
//!
//! Invariants:
//! - the agency comes from the certificate, never from a message;
//! - a peer has one session; a second one takes its place or is turned away by a rule that both sides share;
//! - only an application-level answer (its Hello) counts as success.

mod accept;
mod budget;
mod dial;
mod handshakes;
mod idle_timeout;
mod peer;
mod proof_client;
mod service;
mod session;

pub use accept::{listen, serve};
pub use budget::Budget;
pub use dial::keep_linked;
pub use peer::{Peer, PeerSnapshot, Peers};
pub use proof_client::Unanswered;
pub use session::{Start, run_sessions};

use std::sync::Arc;
use std::time::Duration;

use sinergi_proto::ids::{AgencyId, Epoch};
use sinergi_proto::key::SigningKey;
use sinergi_proto::limits;
use sinergi_proto::sync::End;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::alarms::Alarms;
use crate::continuity::Continuity;
use crate::directory::Directory;
use crate::outbox::Outbox;
use crate::peer_clocks::PeerClocks;
use crate::proof_server::ProofServer;
use crate::tls::{Credentials, SharedAuthorities};
use crate::watch::Watch;
use crate::writer::WriterHandle;

/// What every link works with.
#[derive(Clone)]
pub struct Links {
    /// This agency.
    pub own: AgencyId,
    /// Its federation.
    pub federation: sinergi_config::Federation,
    /// The charters.
    pub directory: Directory,
    /// Whose certificates count.
    pub authorities: SharedAuthorities,
    /// Held while a charter is adopted, so that the authorities that hold at the end are the newest charter's.
    pub adopting: Arc<tokio::sync::Mutex<()>>,
    /// Silence after which a link is taken for dead.
    pub idle: Duration,
    /// Our certificate.
    pub credentials: Credentials,
    /// Signs receipts.
    pub entry_key: SigningKey,
    /// Where received frames go.
    pub writer: WriterHandle,
    /// What is to be sent.
    pub outbox: Outbox,
    /// Answers what peers ask about this node's ledger.
    pub proofs: ProofServer,
    /// The adjacent peers.
    pub peers: Peers,
    /// Room for what is sent and not acknowledged on all links.
    pub sending: Budget,
    /// Room for what was received and is not acknowledged on all links.
    pub receiving: Budget,
    /// What was seen of other agencies' ledgers.
    pub watch: Watch,
    /// Where alarms go.
    pub alarms: Alarms,
    /// What the peers' clocks say of ours.
    pub peer_clocks: PeerClocks,
    /// Whether this node may sign: its peers say whether they saw more of its ledger than there is.
    pub continuity: Continuity,
    /// Where new sessions are handed over to be run.
    pub sessions: mpsc::Sender<Start>,
    /// Ends everything.
    pub stop: CancellationToken,
}

impl Links {
    /// Whether this node's clock agrees with most of its linked peers'.
    fn check_clock(&self) {
        let median = self.peer_clocks.offset();
        let bound = u64::try_from(limits::CLOCK_AHEAD.as_millis()).unwrap_or(u64::MAX);
        if median.unsigned_abs() > bound {
            let seconds = median / 1000;
            let text = format!(
                "this node's clock differs by {seconds} s from most of its peers': it signs nothing until the clock is set (NTP)"
            );
            self.alarms.raise("clock", text);
        } else {
            self.alarms.settle("clock");
        }
    }

    /// A peer says, without proof, that it has more of this ledger than there is. Only a checkpoint that we signed stops the signing.
    fn raise_ahead(&self, peer: &Peer, reason: &str) {
        let text = format!(
            "{}: {reason}, and does not prove it. If this node's folder was restored from a copy, stop it and put back the newest one, or run `sinergi recover`; otherwise the peer is wrong",
            peer.agency
        );
        self.alarms.raise(format!("ahead {}", peer.agency), text);
    }

    /// A peer has begun an epoch of its ledger. The first leaf of the epoch declares why, and replaces this.
    fn raise_undeclared(&self, peer: &Peer, epoch: Epoch) {
        let text = format!("{} has begun epoch {epoch} of its ledger and has not declared why: ask it", peer.agency);
        self.alarms.raise(format!("reset {}", peer.agency), text);
    }
}

/// Why a link ended or did not come about.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No connection.
    #[error("cannot connect to {endpoint}: {reason}")]
    Connect {
        /// Where to.
        endpoint: String,
        /// Why not, down to the certificate.
        reason: String,
    },
    /// It has ended.
    #[error(transparent)]
    Ended(#[from] End),
}
