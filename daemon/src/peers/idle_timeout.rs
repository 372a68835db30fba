//! Ends a connection on which nothing was received for too long, also before a session runs on it and after.
//!
//! HTTP/2 pings are no help here. They wait behind everything that was sent before, so on a poor link with a large frame they come too late, and
//! a working link is taken for dead. Any received byte shows that the other side is there.
//!
//! Must not know what the bytes are.
//!
//! Invariant: a session has its own idle timeout, which comes first and tells the peer why.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sinergi_proto::sync::HANDSHAKE_WITHIN;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// A stream whose reads fail when nothing was received for some time.
pub(super) struct Attentive<S> {
    stream: S,
    patience: Duration,
    heard: Instant,
    check: Pin<Box<Sleep>>,
}

impl<S> Attentive<S> {
    /// Nothing read for longer than `idle` or a handshake, and some time for the session to say so, ends the stream.
    pub(super) fn new(stream: S, idle: Duration) -> Self {
        let patience = idle.max(HANDSHAKE_WITHIN) + idle / 3;
        Self { stream, patience, heard: Instant::now(), check: Box::pin(tokio::time::sleep(patience)) }
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.check.as_mut().poll(cx));
            let end = self.heard + self.patience;
            if Instant::now() >= end {
                let text = format!("nothing heard for {} s", self.patience.as_secs());
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            self.check.as_mut().reset(end);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Attentive<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(read) => {
                self.heard = Instant::now();
                Poll::Ready(read)
            }
            Poll::Pending => self.poll_silence(cx).map(Err),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Attentive<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_stream_on_which_nothing_comes_ends_after_the_silence() {
        let (near, _far) = tokio::io::duplex(64);
        let began = Instant::now();
        let error = Attentive::new(near, IDLE).read_u8().await.expect_err("silence");
        assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::TimedOut, "nothing heard for 80 s".to_owned()));
        assert_eq!(began.elapsed().as_secs(), 80);
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_now_and_then_keeps_a_stream_however_long_it_lasts() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = Attentive::new(near, IDLE);
        let talking = tokio::task::JoinSet::from_iter([async move {
            for byte in 0..100 {
                tokio::time::sleep(IDLE).await;
                far.write_u8(byte).await.expect("read");
            }
            far
        }]);
        for byte in 0..100 {
            assert_eq!(near.read_u8().await.expect("a byte"), byte);
        }
        drop(talking);
        assert_eq!(near.read_u8().await.expect_err("gone").kind(), io::ErrorKind::UnexpectedEof);
    }
}
