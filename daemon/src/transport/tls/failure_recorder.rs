//! A TLS stream that records why it failed.
//!
//! HTTP/2 turns an I/O error into a kind and a text. The reason that TLS gave (most often: the peer refused our certificate) is lost on the way
//! up. So the code that opens a connection keeps a [`FirstFailure`] and reads it when the connection has failed.
//!
//! Must not know what is sent over the stream.
//!
//! Invariant: only the first failure that TLS explains is recorded. Later ones follow from it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::refusal::explain;

/// The first failure of a stream that TLS explains, in words. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct FirstFailure(Arc<OnceLock<String>>);

impl FirstFailure {
    /// The reason, as [`explain`] words it; `None` if TLS explained no failure.
    pub fn reason(&self) -> Option<String> {
        self.0.get().cloned()
    }

    fn record(&self, error: &io::Error) {
        if let Some(failure) = explain(error) {
            self.0.get_or_init(|| failure.to_string());
        }
    }
}

/// A stream that records its failure in a [`FirstFailure`].
#[derive(Debug)]
pub struct FailureRecorder<S> {
    stream: S,
    failure: FirstFailure,
}

impl<S> FailureRecorder<S> {
    /// Wraps `stream`; its failure goes to `failure`.
    pub fn new(stream: S, failure: FirstFailure) -> Self {
        Self { stream, failure }
    }

    fn recorded<T>(&self, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &poll {
            self.failure.record(error);
        }
        poll
    }
}

impl<S: AsyncRead + Unpin> FailureRecorder<S> {
    /// Reads once more after a failed write. The peer's TLS alert may have arrived already, and nobody reads the stream after this.
    fn read_pending_alert(&mut self, cx: &mut Context<'_>) {
        let mut byte = [0; 1];
        let poll = Pin::new(&mut self.stream).poll_read(cx, &mut ReadBuf::new(&mut byte));
        let _ = self.recorded(poll);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FailureRecorder<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.recorded(poll)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for FailureRecorder<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        if matches!(poll, Poll::Ready(Err(_))) {
            self.read_pending_alert(cx);
        }
        self.recorded(poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        if matches!(poll, Poll::Ready(Err(_))) {
            self.read_pending_alert(cx);
        }
        self.recorded(poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.recorded(poll)
    }
}
