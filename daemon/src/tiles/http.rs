//! Serves the tree of tiles over HTTP/1 to everybody, if that is configured: `GET /<epoch>/checkpoint`, `/<epoch>/tile/…`.
//!
//! The path contains the epoch, because tiles are cached for ever, and a ledger of a later epoch has other tiles under the same names. A reverse
//! proxy can put the federation and the agency before it; then the origin of the checkpoint is the address of the tree.
//!
//! Must not know peers or operators.
//!
//! Invariants:
//! - read-only, and entries only: no path leads to a content;
//! - a slow or silent client takes one connection for two minutes at most. Links and operators never wait for one;
//! - memory is bounded by a few answers, each released when it is sent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use sinergi_proto::base::ids::LedgerIndex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::{CHECKPOINT, Resource};
use crate::storage::ledger::LedgerReader;
use crate::transport;
use crate::writer::Head;

/// Connections at a time; further ones wait.
const CONNECTIONS: usize = 64;
/// Answers in memory at a time. The largest, a bundle of the largest entries, has 4 MiB.
const ANSWERS: usize = 8;
/// Time for the head of a request. Between two requests on a connection the same time is allowed.
const HEAD: Duration = Duration::from_secs(10);
/// Longest life of a connection. The largest answer needs 35 KiB/s to be sent in this time.
const CONNECTION_LIFE: Duration = Duration::from_secs(120);
/// Largest head of a request, in bytes.
const HEAD_BYTES: usize = 16 * 1024;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const BINARY: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// A tile of one width never changes.
const FOR_GOOD: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const FRESH: HeaderValue = HeaderValue::from_static("no-cache");

/// The server of tiles. Cheap to clone.
#[derive(Clone)]
pub struct Tiles {
    reader: LedgerReader,
    head: watch::Receiver<Head>,
    answers: Arc<Semaphore>,
}

impl Tiles {
    /// Serves the ledger of `reader`, up to the signed size in `head`.
    pub fn new(reader: LedgerReader, head: watch::Receiver<Head>) -> Self {
        Self { reader, head, answers: Arc::new(Semaphore::new(ANSWERS)) }
    }

    /// Serves until `stop`. Answers that are being sent then are cut off.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let serve = |place, stream, from| {
            let tiles = self.clone();
            async move {
                let _place = place;
                tiles.connection(stream, from).await;
            }
        };
        transport::accept(&listener, &stop, || Arc::clone(&places).acquire_owned(), serve).await;
    }

    async fn connection(&self, stream: TcpStream, from: SocketAddr) {
        let service = service_fn(async |request: Request<_>| Ok::<_, Infallible>(self.answer(&request).await));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        match tokio::time::timeout(CONNECTION_LIFE, connection).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%from, %error, "a reader of tiles went wrong"),
            Err(_) => tracing::debug!(%from, "a reader of tiles took too long"),
        }
    }

    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "read only\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let head = self.head.borrow().clone();
        let Some(path) = within(request.uri().path(), &head) else { return not_found() };
        if !head.is_signed {
            let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "the ledger is not signed for yet\n");
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("10"));
            return response;
        }
        if path == CHECKPOINT {
            return found(TEXT, FRESH, Bytes::copy_from_slice(&head.checkpoint));
        }
        match Resource::parse(path) {
            Some(resource) => self.tile(resource, head.size).await,
            None => not_found(),
        }
    }

    async fn tile(&self, resource: Resource, LedgerIndex(size): LedgerIndex) -> Response<Full<Bytes>> {
        let (reader, room) = (self.reader.clone(), Arc::clone(&self.answers));
        let read = async {
            let permit = room.acquire_owned().await?;
            let read = tokio::task::spawn_blocking(move || resource.read(&reader, size)).await??;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(read.map(|bytes| Answer { bytes, _permit: permit }))
        };
        match read.await {
            Ok(Some(answer)) => found(BINARY, FOR_GOOD, Bytes::from_owner(answer)),
            Ok(None) => not_found(),
            Err(error) => {
                tracing::error!(%error, %resource, "cannot read the node's own ledger");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "the ledger cannot be read\n")
            }
        }
    }
}

/// The part of a path after the epoch; `None` if the path does not begin with the present epoch.
fn within<'p>(path: &'p str, head: &Head) -> Option<&'p str> {
    let (epoch, rest) = path.strip_prefix('/')?.split_once('/')?;
    (epoch == head.epoch.to_string()).then_some(rest)
}

/// The bytes of an answer, with the permit that bounds the answers in memory.
struct Answer {
    bytes: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn found(kind: HeaderValue, cache: HeaderValue, bytes: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(bytes));
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response.headers_mut().insert(CACHE_CONTROL, cache);
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = found(TEXT, FRESH, Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    response
}

fn not_found() -> Response<Full<Bytes>> {
    plain(StatusCode::NOT_FOUND, "there is no such tile\n")
}

#[cfg(test)]
mod tests;
