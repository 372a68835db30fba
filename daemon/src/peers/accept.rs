//! Accepts connections of peers. A loop of its own does the handshakes before the gRPC server, because they must be bounded in time and
//! number, and a slow handshake must not delay the next one.
//!
//! Must not know what a session is.
//!
//! Invariants:
//! - a failed handshake costs one log line with the reason, and does not disturb other connections;
//! - accepting never waits: when all places are taken, a new connection displaces one that has not ended its handshake, see [`Handshakes`].

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use sinergi_proto::base::limits;
use sinergi_proto::wire::federation_server::FederationServer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use super::Connections;
use super::handshakes::Handshakes;
use super::idle_timeout::IdleTimeoutStream;
use super::service::{Caller, FederationService};
use crate::base::node_limits;
use crate::transport::tls::{self, HandshakeFailure};

/// The most streams of one connection. A peer needs one.
const STREAMS: u32 = 8;
/// The flow-control window of an HTTP/2 stream in bytes. A whole frame fits, so that sending one needs no window update.
pub(super) const STREAM_WINDOW: u32 = 8 * 1024 * 1024;
/// Time and bytes for which a refused connection is kept open, so that the other side reads the reason.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 64 * 1024;

/// Binds the listening socket.
///
/// # Errors
/// The address cannot be bound.
pub async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Accepts connections and serves peers on them until the links are told to stop.
///
/// # Errors
/// The gRPC server fails.
pub async fn serve(connections: Connections, listener: TcpListener) -> Result<(), tonic::transport::Error> {
    let (accepted, incoming) = mpsc::channel(16);
    let service = FederationServer::new(FederationService { connections: connections.clone() })
        .max_decoding_message_size(limits::FRAME_BYTES)
        .max_encoding_message_size(limits::FRAME_BYTES);
    let server = Server::builder()
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(2 * STREAM_WINDOW)
        .tcp_nodelay(true)
        .add_service(service)
        .serve_with_incoming_shutdown(ReceiverStream::new(incoming), connections.stop.clone().cancelled_owned());
    let accepting = accept(connections, listener, accepted);
    let ((), served) = tokio::join!(accepting, server);
    served
}

async fn accept(connections: Connections, listener: TcpListener, accepted: mpsc::Sender<std::io::Result<Connection>>) {
    let config = tls::server_config(&connections.credentials, connections.authorities.clone());
    let room = Arc::new(Room::default());
    let places = Handshakes::of(node_limits::PENDING_HANDSHAKES);
    let shake = |(), stream, from: SocketAddr| {
        let (connections, config, room) = (connections.clone(), Arc::clone(&config), Arc::clone(&room));
        let (place, accepted) = (places.place(from.ip()), accepted.clone());
        async move {
            let shaken = tokio::select! {
                shaken = handshake(&connections, config, stream, from) => shaken,
                () = place.displaced.cancelled() => {
                    return tracing::warn!(%from, "refused a connection: others came while its TLS handshake had not ended");
                }
            };
            drop(place);
            if let Some((stream, caller)) = shaken {
                hand_over(&connections, stream, caller, from, &room, &accepted).await;
            }
        }
    };
    // Every connection is accepted at once. When all places are taken, an older handshake is displaced.
    crate::transport::accept(&listener, &connections.stop, || std::future::ready(()), shake).await;
}

/// Does the TLS handshake, and returns the identity of the other side.
async fn handshake(
    connections: &Connections,
    config: Arc<ServerConfig>,
    stream: TcpStream,
    from: SocketAddr,
) -> Option<(TlsStream<TcpStream>, Caller)> {
    // With Nagle's algorithm, a small frame would wait until the frames before it are acknowledged.
    let _ = stream.set_nodelay(true);
    let shaken =
        tokio::time::timeout(node_limits::TLS_HANDSHAKE, TlsAcceptor::from(config).accept(stream).into_fallible())
            .await;
    let stream = match shaken {
        Ok(Ok(stream)) => stream,
        Ok(Err((error, stream))) => {
            report_refusal(connections, from, &error);
            linger(stream).await;
            return None;
        }
        Err(_) => {
            let seconds = node_limits::TLS_HANDSHAKE.as_secs();
            tracing::warn!(%from, "refused a connection: no TLS handshake within {seconds} s");
            return None;
        }
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let Some(identity) = certificate.and_then(|leaf| tls::peer_identity(leaf, &connections.federation).ok()) else {
        tracing::warn!(%from, "refused a connection: its certificate names no agency");
        return None;
    };
    let certificate_expires = u64::try_from(identity.certificate.not_after.as_millisecond()).unwrap_or(0);
    Some((stream, Caller { agency: identity.agency, certificate_expires }))
}

/// Hands an authenticated connection to the gRPC server, if there is room for it.
async fn hand_over(
    connections: &Connections,
    stream: TlsStream<TcpStream>,
    caller: Caller,
    from: SocketAddr,
    room: &Room,
    accepted: &mpsc::Sender<std::io::Result<Connection>>,
) {
    let permits = match room.for_caller(connections, &caller) {
        Ok(permits) => permits,
        Err(full) => return tracing::warn!(%from, peer = %caller.agency, "refused a connection: {full}"),
    };
    // This fails only when the node is stopping.
    let _ = accepted
        .send(Ok(Connection { stream: IdleTimeoutStream::new(stream, connections.idle), caller, _permits: permits }))
        .await;
}

/// Keeps a refused connection open until the other side has read our TLS alert. Closing a socket with unread input resets it, and the alert is
/// lost.
async fn linger(mut stream: TcpStream) {
    let read_to_its_end = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(LINGER_BYTES), &mut tokio::io::sink()).await
    };
    let _ = tokio::time::timeout(LINGER, read_to_its_end).await;
}

/// Bounds the number of connections: of each peer, of all members that are no peers of this node together, and of all.
struct Room {
    all: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

impl Default for Room {
    fn default() -> Self {
        let strangers = Arc::new(Semaphore::new(node_limits::CONNECTIONS_PER_PEER));
        Self { all: Arc::new(Semaphore::new(node_limits::INBOUND_CONNECTIONS)), strangers }
    }
}

impl Room {
    /// Room for one more connection of the caller.
    fn for_caller(&self, connections: &Connections, caller: &Caller) -> Result<[OwnedSemaphorePermit; 2], Full> {
        let (own, full) = match connections.peers.get(&caller.agency) {
            Some(peer) => (&peer.connections, Full::Peer),
            None => (&self.strangers, Full::Strangers),
        };
        let own = Arc::clone(own).try_acquire_owned().map_err(|_| full)?;
        Ok([own, Arc::clone(&self.all).try_acquire_owned().map_err(|_| Full::All)?])
    }
}

/// The bound on connections that is reached.
#[derive(Debug, thiserror::Error)]
enum Full {
    #[error("it has {} connections already", node_limits::CONNECTIONS_PER_PEER)]
    Peer,
    #[error("members that are no peers here have {} connections already", node_limits::CONNECTIONS_PER_PEER)]
    Strangers,
    #[error("there are {} connections already, of all members together", node_limits::INBOUND_CONNECTIONS)]
    All,
}

/// Writes the refused certificate and the reason to the log, and to the state of the peer that the certificate names.
fn report_refusal(connections: &Connections, from: SocketAddr, error: &std::io::Error) {
    let failure = tls::explain(error);
    let reason = failure.as_ref().map_or_else(|| error.to_string(), ToString::to_string);
    tracing::warn!(%from, "refused a connection: {reason}");
    if let Some(HandshakeFailure::Refused(refusal)) = failure
        && let Some(certificate) = refusal.certificate.as_deref()
    {
        let names = |agency| certificate.uris.iter().any(|uri| *uri == tls::spiffe_id(&connections.federation, agency));
        for peer in connections.peers.iter().filter(|peer| names(&peer.agency)) {
            peer.failed(&format!("{from} was refused: {reason}"));
        }
    }
}

/// An authenticated connection.
struct Connection {
    stream: IdleTimeoutStream<TlsStream<TcpStream>>,
    caller: Caller,
    _permits: [OwnedSemaphorePermit; 2],
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
