//! Listens at the address of the impostor's node, so that nodes dial the impostor.

use std::convert::Infallible;
use std::task::{Context, Poll};

use crate::member;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, PollNext, select_with_strategy};
use prost::Message;
use sinergi_daemon::transport::tls::{self, Authorities, Credentials, SharedAuthorities};
use sinergi_proto::wire::Frame;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::{AsIs, Connection, Impostor};
use crate::federation::PATIENCE;

/// The size of the buffer between TLS and HTTP/2 in bytes.
const BUFFER: usize = 64 * 1024;
/// The most messages that wait for the node to read them.
const OUTBOUND: usize = 64;

impl Impostor {
    /// Listens at its node's address. A node that dials waits until the test accepts it.
    pub async fn listen(&self) -> Listening {
        let address = self.member.config.listen.expect("a member that listens");
        let listener = TcpListener::bind(address).await.expect("its own port");
        let credentials = Credentials::load(&self.member.config.tls).expect("the folder's certificate");
        let (authorities, _) =
            Authorities::of_charter(self.member.config.federation.clone(), &self.member.charter_store.newest());
        let acceptor = TlsAcceptor::from(tls::server_config(&credentials, SharedAuthorities::new(authorities)));
        Listening { listener, acceptor, window: None, connections: JoinSet::new() }
    }
}

/// A listener for nodes that dial the impostor. Dropping it ends all its connections.
pub struct Listening {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    window: Option<u32>,
    connections: JoinSet<()>,
}

impl Listening {
    /// Sets the most bytes that a node may have in flight before the test reads them.
    pub fn with_window(self, bytes: u32) -> Self {
        Self { window: Some(bytes), ..self }
    }

    /// The next call of a node, before any frame. Connections that end before a call are skipped.
    pub async fn dialled(&mut self) -> Dialled {
        let called = async {
            loop {
                let (stream, _) = self.listener.accept().await.expect("it listens");
                if let Some(call) = self.serve(stream).await {
                    return call;
                }
            }
        };
        timeout(PATIENCE, called).await.expect("a node dials")
    }

    async fn serve(&mut self, stream: TcpStream) -> Option<Dialled> {
        let mut stream = self.acceptor.accept(stream).await.ok()?;
        let (near, mut far) = tokio::io::duplex(BUFFER);
        let (calls, mut called) = mpsc::channel(1);
        self.connections.spawn(async move {
            // The test sees the end on the stream of frames.
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut far).await;
        });
        let server = Server::builder().initial_stream_window_size(self.window).add_service(Called(calls));
        let incoming = tokio_stream::once(Ok::<_, Infallible>(near)).chain(tokio_stream::pending());
        self.connections.spawn(async move {
            let _ = server.serve_with_incoming(incoming).await;
        });
        called.recv().await
    }
}

/// A stream of frames with a node that has dialled. Dropping it ends the call without an error.
pub struct Dialled {
    /// The stream of frames.
    pub connection: Connection,
    raw: mpsc::Sender<Result<Bytes, Status>>,
}

impl Dialled {
    /// Sends these bytes as a message, after all frames so far.
    pub async fn say_bytes(&self, message: Bytes) {
        // If the node has ended the link, its last frame tells the reason.
        let _ = self.raw.send(Ok(message)).await;
    }

    /// Ends the call with a status, after all frames so far.
    pub async fn end_with(&self, status: Status) {
        let _ = self.raw.send(Err(status)).await;
    }
}

/// The service that nodes call.
#[derive(Clone)]
struct Called(mpsc::Sender<Dialled>);

impl NamedService for Called {
    const NAME: &'static str = "sinergi.v2.Federation";
}

impl tower::Service<http::Request<Body>> for Called {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let called = self.clone();
        Box::pin(async move { Ok(Grpc::new(AsIs).streaming(called, request).await) })
    }
}

impl StreamingService<Frame> for Called {
    type Response = Bytes;
    type ResponseStream = BoxStream<'static, Result<Bytes, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Frame>>) -> Self::Future {
        let calls = self.0.clone();
        Box::pin(async move {
            let (outbound, frames) = mpsc::channel::<Frame>(OUTBOUND);
            let (raw, messages) = mpsc::channel(OUTBOUND);
            let connection = Connection::over(member::Connection { outbound, inbound: request.into_inner() });
            calls.send(Dialled { connection, raw }).await.map_err(|_| Status::unavailable("nobody is here"))?;
            let frames = ReceiverStream::new(frames).map(|frame| Ok(frame.encode_to_vec().into()));
            let said = select_with_strategy(frames, ReceiverStream::new(messages), |_: &mut ()| PollNext::Left);
            Ok(Response::new(said.boxed()))
        })
    }
}
