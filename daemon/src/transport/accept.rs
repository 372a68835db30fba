//! Accepting connections: the one loop behind every TCP listener of a node.
//!
//! Must not know what is sent over a connection.
//!
//! Invariants:
//! - each connection is served in a task of its own, so that none holds up the next;
//! - when the system refuses to accept, the loop says so in the log, waits, and goes on.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long to wait after the system refused to accept (too many open files).
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until told to stop; connections that are still served then are cut off.
///
/// `room` is awaited before each connection is accepted, so it can bound their number. `serve` gets the value of `room`, the connection and the
/// address of its other side. It must not block; the future that it returns runs as a task.
pub(crate) async fn accept<Room, Serving>(
    listener: &TcpListener,
    stop: &CancellationToken,
    room: impl Fn() -> Room,
    serve: impl Fn(Room::Output, TcpStream, SocketAddr) -> Serving,
) where
    Room: Future,
    Serving: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = async { (room().await, listener.accept().await) };
        let (room, accepted) = tokio::select! {
            () = stop.cancelled() => return,
            Some(_) = connections.join_next() => continue,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, from)) => {
                connections.spawn(serve(room, stream, from));
            }
            Err(error) => {
                let at = listener.local_addr().ok();
                tracing::warn!(?at, %error, "cannot accept a connection; open files or memory may be short");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
