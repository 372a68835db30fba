//! A member without a node: whoever calls speaks for it, with its own keys and certificate, over real mutual TLS.
//!
//! None of the daemon's link code is in it: what is said, and whether it is true, is the caller's business.

use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use sinergi_config::Config;
use sinergi_daemon::base::causes::one_line;
use sinergi_daemon::storage::charters::Directory;
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

/// How long a node may take to say something.
const PATIENCE: Duration = Duration::from_secs(20);
/// Frames that wait for the node to read them.
const OUTBOUND_FRAMES: usize = 64;

/// A member whose node does not run.
pub struct Member {
    /// Its configuration.
    pub config: Config,
    /// Its keys.
    pub keys: SigningKeys,
    /// The charters.
    pub directory: Directory,
}

/// Why a node was not reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The member's own certificate.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The connection, TLS, or the node's answer, with all causes.
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
        let directory = Directory::load(&config.charter).map_err(|error| cannot().because(error))?;
        Ok(Self { config, keys, directory })
    }

    /// Dials a node.
    ///
    /// # Errors
    /// There is nobody, or the node does not take the member.
    pub async fn dial(&self, agency: &AgencyId, address: &str) -> Result<Connection, DialError> {
        let credentials = Credentials::load(&self.config.tls)?;
        self.dial_with(&credentials, agency, address).await
    }

    /// Dials a node with another certificate.
    ///
    /// # Errors
    /// There is nobody, or the node does not take the member.
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
            // What is too large is for the node to refuse.
            .max_encoding_message_size(usize::MAX)
            .sync(ReceiverStream::new(frames))
            .await
            .map_err(|status| DialError::Refused(one_line(&status)))?;
        Ok(Connection { outbound, inbound: response.into_inner() })
    }

    /// A connection on which nothing is called yet.
    ///
    /// # Errors
    /// There is nobody, or TLS fails.
    pub async fn channel(
        &self,
        credentials: &Credentials,
        agency: &AgencyId,
        address: &str,
    ) -> Result<Channel, DialError> {
        let (authorities, _) = Authorities::of_charter(self.config.federation.clone(), &self.directory.newest());
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

    /// A truthful Hello of a member that has nothing of the other's ledger and shows nothing of its own.
    pub fn hello(&self) -> wire::Hello {
        let charter = self.directory.newest();
        wire::Hello {
            protocol_min: 1,
            protocol_max: 1,
            federation: self.config.federation.to_string(),
            agency: self.config.agency.to_string(),
            charter_version: charter.version,
            have_cursor: None,
            checkpoint: Vec::new(),
            seen_of_you: Vec::new(),
            now: sinergi_daemon::base::time::now_millis(),
            entry_of_you: Vec::new(),
            charter_hash: charter.hash.to_vec(),
        }
    }
}

/// A stream of frames with a node.
pub struct Connection {
    /// What the member says.
    pub outbound: mpsc::Sender<Frame>,
    /// What the node says.
    pub inbound: Streaming<Frame>,
}

impl Connection {
    /// Says a frame.
    pub async fn say(&self, kind: Kind) {
        // A node that has ended the link takes no more: what it said before tells why.
        let _ = self.outbound.send(Frame { kind: Some(kind) }).await;
    }

    /// The next frame that is no ping, within bounds; `Ok(None)`: the node has closed the stream.
    ///
    /// # Errors
    /// The link broke, or the node says nothing for too long.
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
