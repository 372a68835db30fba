//! A TLS stream that remembers why it failed.
//!
//! HTTP/2 turns an I/O error into a kind and a text, so the reason that TLS gave (above all: the peer refused our certificate) would be
//! lost on its way up. Whoever made the connection keeps the [`Witness`] and asks it afterwards.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::refusal::explain;

/// What TLS said when the stream failed, in words.
#[derive(Clone, Debug, Default)]
pub struct Witness(Arc<OnceLock<String>>);

impl Witness {
    /// The first failure that TLS explained.
    pub fn reason(&self) -> Option<String> {
        self.0.get().cloned()
    }

    fn note(&self, error: &io::Error) {
        if let Some(failure) = explain(error) {
            self.0.get_or_init(|| failure.to_string());
        }
    }
}

/// A stream whose failures a [`Witness`] sees.
#[derive(Debug)]
pub struct Witnessed<S> {
    stream: S,
    witness: Witness,
}

impl<S> Witnessed<S> {
    /// The stream, seen by the witness.
    pub fn new(stream: S, witness: Witness) -> Self {
        Self { stream, witness }
    }

    fn seen<T>(&self, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &poll {
            self.witness.note(error);
        }
        poll
    }
}

impl<S: AsyncRead + Unpin> Witnessed<S> {
    /// After a failed write: the peer's last word may lie there unread, and nobody would read it any more.
    fn hear_last_word(&mut self, cx: &mut Context<'_>) {
        let mut byte = [0; 1];
        let last_word = Pin::new(&mut self.stream).poll_read(cx, &mut ReadBuf::new(&mut byte));
        let _ = self.seen(last_word);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Witnessed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.seen(poll)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Witnessed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        if matches!(poll, Poll::Ready(Err(_))) {
            self.hear_last_word(cx);
        }
        self.seen(poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        if matches!(poll, Poll::Ready(Err(_))) {
            self.hear_last_word(cx);
        }
        self.seen(poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.seen(poll)
    }
}
