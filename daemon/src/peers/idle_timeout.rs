//! Ends a connection on which nothing was received for too long, even when no session runs on it.
//!
//! HTTP/2 pings do not help here. They wait after everything that was sent before, so on a slow link with a large frame they come too late,
//! and a working link would count as dead. Any received byte shows that the other side is there.
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
pub(super) struct IdleTimeoutStream<S> {
    stream: S,
    timeout: Duration,
    heard: Instant,
    check: Pin<Box<Sleep>>,
}

impl<S> IdleTimeoutStream<S> {
    /// Wraps a stream. Its timeout is longer than `idle` and the handshake timeout, so that the session can end the link first, with a
    /// reason.
    pub(super) fn new(stream: S, idle: Duration) -> Self {
        let timeout = idle.max(HANDSHAKE_WITHIN) + idle / 3;
        Self { stream, timeout, heard: Instant::now(), check: Box::pin(tokio::time::sleep(timeout)) }
    }

    fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.check.as_mut().poll(cx));
            let end = self.heard + self.timeout;
            if Instant::now() >= end {
                let text = format!("nothing heard for {} s", self.timeout.as_secs());
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            self.check.as_mut().reset(end);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for IdleTimeoutStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(read) => {
                self.heard = Instant::now();
                Poll::Ready(read)
            }
            Poll::Pending => self.poll_timeout(cx).map(Err),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for IdleTimeoutStream<S> {
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
    async fn a_stream_that_receives_nothing_ends_after_the_timeout() {
        let (near, _far) = tokio::io::duplex(64);
        let began = Instant::now();
        let error = IdleTimeoutStream::new(near, IDLE).read_u8().await.expect_err("silence");
        assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::TimedOut, "nothing heard for 80 s".to_owned()));
        assert_eq!(began.elapsed().as_secs(), 80);
    }

    #[tokio::test(start_paused = true)]
    async fn an_occasional_byte_keeps_a_stream_open() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = IdleTimeoutStream::new(near, IDLE);
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
