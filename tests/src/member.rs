//! A member without a node. The caller sends its frames, with its keys and certificate, over real mutual TLS.
//!
//! It uses none of the daemon's link code. The caller decides which frames it sends, and whether they are true.

use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use sinergi_config::Config;
use sinergi_daemon::base::error_chain::one_line;
use sinergi_daemon::storage::charters::CharterStore;
use sinergi_daemon::storage::keys::SigningKeys;
use sinergi_daemon::transport::tls::{self, Authorities, Credentials, CredentialsError, SharedAuthorities};
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::limits;
use sinergi_proto::wire::federation_client::FederationClient;
use sinergi_proto::wire::{self, Frame, frame::Kind};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};

use sinergi_cli::failure::Failure;

/// The time that a node may take to send a frame.
const PATIENCE: Duration = Duration::from_secs(20);
/// The most frames that wait for the node to read them.
const OUTBOUND_FRAMES: usize = 64;

/// A member whose node does not run.
pub struct Member {
    /// Its configuration.
    pub config: Config,
    /// Its keys.
    pub keys: SigningKeys,
    /// The charters.
    pub charter_store: CharterStore,
}

/// The reason why there is no link with a node.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The member's own certificate cannot be loaded.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The connection, TLS or the call failed. The text has all causes.
    #[error("{0}")]
    Refused(String),
}

impl Member {
    /// The member whose node lives in this folder.
    ///
    /// # Errors
    /// Its configuration, a key, or its charter cannot be read.
    pub fn of(folder: &Path) -> Result<Self, Failure> {
        let cannot = || Failure::failed(format!("cannot speak for the member in {}", folder.display()));
        let config = Config::load(folder).map_err(|error| cannot().because(error))?;
        let keys = SigningKeys::load(&config.keys).map_err(|errors| {
            let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
            cannot().because(all.join("; "))
        })?;
        let charter_store = CharterStore::load(&config.charter).map_err(|error| cannot().because(error))?;
        Ok(Self { config, keys, charter_store })
    }

    /// Dials a node.
    ///
    /// # Errors
    /// Nothing listens there, or the node refuses the member.
    pub async fn dial(&self, agency: &AgencyId, address: &str) -> Result<Connection, DialError> {
        let credentials = Credentials::load(&self.config.tls)?;
        self.dial_with(&credentials, agency, address).await
    }

    /// Dials a node with another certificate.
    ///
    /// # Errors
    /// Nothing listens there, or the node refuses the member.
    pub async fn dial_with(
        &self,
        credentials: &Credentials,
        agency: &AgencyId,
        address: &str,
    ) -> Result<Connection, DialError> {
        let channel = self.channel(credentials, agency, address).await?;
        let (outbound, frames) = mpsc::channel(OUTBOUND_FRAMES);
        let response = FederationClient::new(channel)
            .max_decoding_message_size(limits::FRAME_BYTES)
            // The node must refuse frames that are too large, so this client must send them.
            .max_encoding_message_size(usize::MAX)
            .sync(ReceiverStream::new(frames))
            .await
            .map_err(|status| DialError::Refused(one_line(&status)))?;
        Ok(Connection { outbound, inbound: response.into_inner() })
    }

    /// A connection without a call.
    ///
    /// # Errors
    /// Nothing listens there, or TLS fails.
    pub async fn channel(
        &self,
        credentials: &Credentials,
        agency: &AgencyId,
        address: &str,
    ) -> Result<Channel, DialError> {
        let (authorities, _) = Authorities::of_charter(self.config.federation.clone(), &self.charter_store.newest());
        let tls = tls::client_config(credentials, SharedAuthorities::new(authorities), agency.clone());
        let (connector, address) = (TlsConnector::from(tls), address.to_owned());
        let connect = tower::service_fn(move |_| {
            let (connector, address) = (connector.clone(), address.clone());
            async move {
                let stream = TcpStream::connect(address).await?;
                Ok::<_, std::io::Error>(TokioIo::new(connector.connect(tls::server_name(), stream).await?))
            }
        });
        let endpoint = Endpoint::from_static("http://node.invalid");
        endpoint.connect_with_connector(connect).await.map_err(|error| DialError::Refused(one_line(&error)))
    }

    /// An honest Hello of a member that has no items of the other's ledger and saw nothing of it.
    pub fn hello(&self) -> wire::Hello {
        let charter = self.charter_store.newest();
        wire::Hello {
            protocol_min: 2,
            protocol_max: 2,
            federation: self.config.federation.to_string(),
            agency: self.config.agency.to_string(),
            charter_version: charter.version,
            have_cursor: None,
            seen_of_you: Vec::new(),
            now: sinergi_daemon::base::time::now_millis(),
            entry_of_you: Vec::new(),
            charter_hash: charter.hash.to_vec(),
        }
    }
}

/// A stream of frames with a node.
pub struct Connection {
    /// Frames to the node.
    pub outbound: mpsc::Sender<Frame>,
    /// Frames from the node.
    pub inbound: Streaming<Frame>,
}

impl Connection {
    /// Sends a frame.
    pub async fn say(&self, kind: Kind) {
        // If the node has ended the link, its last frame tells the reason.
        let _ = self.outbound.send(Frame { kind: Some(kind) }).await;
    }

    /// Says Hello and, with this checkpoint, Ready. Returns the node's Hello, and the frames that came before the node's Ready. If the node does not
    /// get ready, its fault is the last of them.
    ///
    /// # Errors
    /// The link broke, or the node sent nothing for 20 seconds.
    pub async fn greet(
        &mut self,
        hello: wire::Hello,
        checkpoint: Vec<u8>,
    ) -> Result<(Option<wire::Hello>, Vec<Kind>), Status> {
        self.say(Kind::Hello(hello)).await;
        self.say(Kind::Ready(wire::Ready { checkpoint })).await;
        let (mut theirs, mut before) = (None, Vec::new());
        while let Some(kind) = self.next().await? {
            match kind {
                Kind::Hello(hello) => theirs = Some(hello),
                Kind::Ready(_) => break,
                other => {
                    let is_last = matches!(other, Kind::Fault(_));
                    before.push(other);
                    if is_last {
                        break;
                    }
                }
            }
        }
        Ok((theirs, before))
    }

    /// The next frame that is not a ping; `Ok(None)` if the node has closed the stream.
    ///
    /// # Errors
    /// The link broke, or the node sent nothing for 20 seconds.
    pub async fn next(&mut self) -> Result<Option<Kind>, Status> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.inbound.message()).await;
            let message = message.map_err(|_| Status::deadline_exceeded("the node says nothing"))??;
            match message.map(|frame| frame.kind) {
                Some(None) => {}
                Some(Some(Kind::Ping(_))) => {}
                Some(kind) => return Ok(kind),
                None => return Ok(None),
            }
        }
    }
}
