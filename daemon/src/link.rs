//! Links with peers: dialled and waited for, one at a time for each peer, over mutually authenticated TLS.
//!
//! Executes what the state machines of [`sinergi_proto::link`] say; decides nothing about entries.
//!
//! ```text
//! accept.rs     TcpListener -> TLS (bounded in time and number) -> gRPC   waited for
//! handshakes.rs places for connections whose handshake has not ended
//! dial.rs       endpoint -> TLS -> gRPC, with backoff without end         dialled
//! session.rs    one stream: Hello, then frames both ways                  both
//! silence.rs    a connection whose other side says nothing ends           both
//! intake.rs     decode and authenticate received items, off the async threads
//! budget.rs     room in memory that all links share
//! questions.rs  asking a peer about its ledger
//! peer.rs       what is known of a peer: shown to operators, and the slot that one session holds
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
mod intake;
mod peer;
mod questions;
mod service;
mod session;
mod silence;

pub use accept::{listen, serve};
pub use budget::Budget;
pub use dial::keep_linked;
pub(crate) use intake::receive_items;
pub use peer::{Peer, PeerSnapshot, Peers};
pub use questions::Unanswered;
pub use session::{Start, run_sessions};

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use sinergi_proto::ids::AgencyId;
use sinergi_proto::key::SigningKey;
use sinergi_proto::limits;
use sinergi_proto::refusal::FaultCode;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::alarms::Alarms;
use crate::case::CaseError;
use crate::continuity::Continuity;
use crate::directory::Directory;
use crate::outbox::Outbox;
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
    /// By how much the clocks of most peers are ahead of ours, in milliseconds.
    pub clock_offset: Arc<AtomicI64>,
    /// Whether this node may sign: its peers say whether they saw more of its ledger than there is.
    pub continuity: Continuity,
    /// Where new sessions are handed over to be run.
    pub sessions: mpsc::Sender<Start>,
    /// Ends everything.
    pub stop: CancellationToken,
}

impl Links {
    /// Silence after which a side says `Ping`.
    fn ping_after(&self) -> Duration {
        self.idle / limits::PINGS_WITHIN_IDLE
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
    /// The connection broke.
    #[error("the connection ended: {0}")]
    Broken(String),
    /// The peer ended it.
    #[error("the peer ended the link: {}: {reason}", code_name(*code))]
    ByPeer {
        /// Its code, as it sent it.
        code: u32,
        /// Its reason.
        reason: String,
    },
    /// We ended it.
    #[error("ended the link: {0}: {1}")]
    Fault(FaultCode, String),
    /// The node's own data cannot be read.
    #[error("this node's own data: {0}")]
    Own(#[from] CaseError),
    /// The writer has ended.
    #[error("the node is stopping")]
    Stopped,
}

/// The name of a fault that a peer sent, or its number if this version does not know it.
fn code_name(code: u32) -> String {
    FaultCode::from_number(code).map_or_else(|| code.to_string(), |code| code.to_string())
}

impl LinkError {
    /// Whether the link ended in good order, so that nobody has to look at it.
    fn is_orderly(&self) -> bool {
        match self {
            Self::Stopped => true,
            Self::Fault(code, _) => matches!(code, FaultCode::Stopping | FaultCode::Superseded),
            Self::ByPeer { code, .. } => {
                matches!(FaultCode::from_number(*code), Some(FaultCode::Stopping | FaultCode::Superseded))
            }
            Self::Connect { .. } | Self::Broken(_) | Self::Own(_) => false,
        }
    }
}
