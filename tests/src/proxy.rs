//! A small TCP proxy between a node that dials and its peer. It plays the network of a test. The test switches faults while the proxy
//! carries bytes.
//!
//! The bytes are TLS, so this module cuts, swallows, slows down and resets streams. Faults of whole frames are in [`crate::peer`].
//!
//! Invariants:
//! - bytes that pass are unchanged and in order;
//! - after a connection has lost bytes of a direction it carries no more of that direction, because a real network repeats lost bytes or loses
//!   the connection;
//! - the end of a stream is treated like its bytes: if it is swallowed, the other side does not notice it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sinergi_cli::demo::port::Port;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The number of bytes read at a time.
const BUFFER: usize = 64 * 1024;
/// The number of times a second that a throttled direction carries bytes.
const SHARES_A_SECOND: usize = 20;
/// The most time that a throttled direction may be late and catch up on.
const LATENESS: Duration = Duration::from_millis(250);

/// A direction of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the dialler to its peer.
    Out,
    /// From the peer to the dialler.
    Back,
}

/// The treatment of the bytes of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// They pass.
    #[default]
    Pass,
    /// They are lost, without any sign to either side.
    Swallow,
    /// The proxy does not read them until the flow changes, like a peer that does not read or a slow network.
    Hold,
    /// At most this many bytes a second pass.
    Throttle(usize),
}

/// The way in which the proxy ends connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    Closed,
    Reset,
}

/// The proxy. Dropping it ends all its connections.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

/// One direction of all connections.
#[derive(Default)]
struct Lane {
    flow: watch::Sender<Flow>,
    /// The number of bytes that still pass before the connection is reset.
    until_reset: Mutex<Option<usize>>,
    carried: AtomicU64,
    swallowed: AtomicU64,
}

#[derive(Default)]
struct Shared {
    out: Lane,
    back: Lane,
    refusing: watch::Sender<bool>,
    /// The number of orders to end all connections, and the way of the newest.
    ended: watch::Sender<(u64, End)>,
    accepted: AtomicU64,
    resets: AtomicU64,
}

impl Proxy {
    /// A proxy to this address, on a loopback port of its own.
    pub async fn to(target: &str) -> Self {
        let target = target.parse().expect("an address");
        let mut port = Port::take(None).expect("a loopback port");
        let address = port.address();
        port.lend();
        let listener = TcpListener::bind(address).await.expect("the port that is ours");
        let shared = Arc::<Shared>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(Arc::clone(&shared), listener, port, target));
        Self { address, shared, _tasks: tasks }
    }

    /// The address to dial.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the flow of one direction.
    pub fn set(&self, way: Way, flow: Flow) {
        self.shared.lane(way).flow.send_replace(flow);
    }

    /// Sets the flow of both directions.
    pub fn set_both(&self, flow: Flow) {
        self.set(Way::Out, flow);
        self.set(Way::Back, flow);
    }

    /// Refuses new connections, or accepts them again.
    pub fn refuse(&self, refuse: bool) {
        self.shared.refusing.send_replace(refuse);
    }

    /// Closes all connections in an orderly way, so that both sides see the end.
    pub fn cut(&self) {
        self.shared.end_all(End::Closed);
    }

    /// Resets all connections. Bytes in flight are lost.
    pub fn reset(&self) {
        self.shared.end_all(End::Reset);
    }

    /// Lets this many more bytes of one direction pass, and then resets the connection, perhaps within a frame.
    pub fn reset_after(&self, way: Way, bytes: usize) {
        *self.shared.lane(way).until_reset.lock() = Some(bytes);
    }

    /// The number of connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// The number of connections reset so far by [`Self::reset_after`].
    pub fn resets(&self) -> u64 {
        self.shared.resets.load(Ordering::Relaxed)
    }

    /// The number of bytes passed so far.
    pub fn carried(&self, way: Way) -> u64 {
        self.shared.lane(way).carried.load(Ordering::Relaxed)
    }

    /// The number of bytes swallowed so far.
    pub fn swallowed(&self, way: Way) -> u64 {
        self.shared.lane(way).swallowed.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn lane(&self, way: Way) -> &Lane {
        match way {
            Way::Out => &self.out,
            Way::Back => &self.back,
        }
    }

    fn end_all(&self, how: End) {
        self.ended.send_modify(|(count, end)| (*count, *end) = (*count + 1, how));
    }
}

/// Accepts connections. While the proxy refuses them it has no listener, so the system refuses them.
async fn accept(shared: Arc<Shared>, first: TcpListener, port: Port, target: SocketAddr) {
    let (mut listener, mut connections) = (Some(first), JoinSet::new());
    let mut refusing = shared.refusing.subscribe();
    loop {
        if *refusing.borrow_and_update() {
            listener = None;
        } else if listener.is_none() {
            listener = Some(TcpListener::bind(port.address()).await.expect("the port that is ours"));
        }
        let taken = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Ok((stream, _)) = taken => {
                shared.accepted.fetch_add(1, Ordering::Relaxed);
                connections.spawn(connection(Arc::clone(&shared), stream, target));
            }
            Some(_) = connections.join_next() => {}
            changed = refusing.changed() => if changed.is_err() { break },
        }
    }
}

/// One connection, from its beginning to its end.
async fn connection(shared: Arc<Shared>, mut near: TcpStream, target: SocketAddr) {
    let mut ended = shared.ended.subscribe();
    // If the peer is not there, the connection is closed at once, as a network address translator does.
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    let nodelay = near.set_nodelay(true).and_then(|()| far.set_nodelay(true));
    nodelay.expect("a socket option");
    let end = {
        let (mut from_near, mut to_near) = near.split();
        let (mut from_far, mut to_far) = far.split();
        let out = pump(&shared, &shared.out, ended.clone(), &mut from_near, &mut to_far);
        let back = pump(&shared, &shared.back, ended.clone(), &mut from_far, &mut to_near);
        tokio::select! {
            ended = async { tokio::try_join!(out, back) } => ended.err().unwrap_or_default(),
            Ok(()) = ended.changed() => ended.borrow().1,
        }
    };
    if end == End::Reset {
        // This fails if the other side is gone already.
        let _ = near.set_zero_linger().and_then(|()| far.set_zero_linger());
    }
}

/// Carries one direction of one connection until its end.
async fn pump(
    shared: &Shared,
    lane: &Lane,
    ended: watch::Receiver<(u64, End)>,
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
) -> Result<(), End> {
    let mut flow = lane.flow.subscribe();
    let mut buffer = vec![0; BUFFER];
    let mut lost = false;
    // When the next share is due, while the direction is throttled.
    let mut due: Option<Instant> = None;
    loop {
        let now = *flow.borrow_and_update();
        lost |= now == Flow::Swallow;
        let most = match now {
            Flow::Throttle(a_second) if !lost => (a_second / SHARES_A_SECOND).clamp(1, BUFFER),
            _ => BUFFER,
        };
        let read = async {
            match now {
                Flow::Hold if !lost => std::future::pending().await,
                _ => from.read(&mut buffer[..most]).await,
            }
        };
        let length = tokio::select! {
            // If the other side has reset its socket, both directions end with a reset.
            read = read => read.map_err(|_| End::Reset)?,
            Ok(()) = flow.changed() => continue,
        };
        // The flow may have changed before these bytes came, so it is read again.
        while !lost && *flow.borrow_and_update() == Flow::Hold && flow.changed().await.is_ok() {}
        lost |= *flow.borrow() == Flow::Swallow;
        // Held bytes do not pass if the end was ordered meanwhile. The order may come late, too, so it is checked here.
        if ended.has_changed().is_ok_and(|ordered| ordered) {
            return Err(ended.borrow().1);
        }
        match length {
            // The other side must not notice the end.
            0 if lost => std::future::pending::<()>().await,
            0 => return to.shutdown().await.map_err(|_| End::Closed),
            length if lost => {
                lane.swallowed.fetch_add(length as u64, Ordering::Relaxed);
            }
            length => pass_on(shared, lane, to, &buffer[..length]).await?,
        }
        if let Flow::Throttle(a_second) = now
            && !lost
        {
            let share = Duration::from_secs_f64(length as f64 / a_second.max(1) as f64);
            // A late share does not delay the shares after it.
            let now = Instant::now();
            let at = due.map_or(now + share, |due| (due + share).max(now - LATENESS));
            due = Some(at);
            tokio::select! {
                () = tokio::time::sleep_until(at) => {}
                Ok(()) = flow.changed() => {}
            }
        } else {
            due = None;
        }
    }
}

/// Writes bytes to the other side, up to the point where the connection must be reset.
async fn pass_on(shared: &Shared, lane: &Lane, to: &mut WriteHalf<'_>, bytes: &[u8]) -> Result<(), End> {
    let (passed, is_last) = {
        let mut until_reset = lane.until_reset.lock();
        match &mut *until_reset {
            Some(left) if *left <= bytes.len() => (until_reset.take().unwrap_or_default(), true),
            Some(left) => {
                *left -= bytes.len();
                (bytes.len(), false)
            }
            None => (bytes.len(), false),
        }
    };
    let written: io::Result<()> = to.write_all(&bytes[..passed]).await;
    lane.carried.fetch_add(passed as u64, Ordering::Relaxed);
    if is_last {
        shared.resets.fetch_add(1, Ordering::Relaxed);
        return Err(End::Reset);
    }
    written.map_err(|_| End::Reset)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use sinergi_cli::demo::wait;

    use super::*;

    /// Both ends of a connection through a proxy.
    async fn connected() -> (Proxy, TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let proxy = Proxy::to(&listener.local_addr().expect("bound").to_string()).await;
        let near = TcpStream::connect(proxy.address()).await.expect("the proxy listens");
        let (far, _) = listener.accept().await.expect("the proxy dials");
        (proxy, near, far)
    }

    async fn read(stream: &mut TcpStream, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).await.expect("that many bytes");
        bytes
    }

    #[tokio::test]
    async fn bytes_and_the_end_of_a_stream_pass_in_both_directions() {
        let (proxy, mut near, mut far) = connected().await;
        near.write_all(b"out").await.expect("written");
        assert_eq!(read(&mut far, 3).await, b"out");
        near.shutdown().await.expect("ended");
        assert_eq!(far.read(&mut [0]).await.expect("the end"), 0);
        far.write_all(b"back").await.expect("written");
        assert_eq!(read(&mut near, 4).await, b"back");
        assert_eq!((proxy.carried(Way::Out), proxy.carried(Way::Back)), (3, 4));
    }

    #[tokio::test]
    async fn held_bytes_come_late_and_after_swallowed_ones_no_more_bytes_come() {
        let (proxy, mut near, mut far) = connected().await;
        proxy.set(Way::Out, Flow::Hold);
        near.write_all(b"late").await.expect("written");
        far.write_all(b"x").await.expect("written");
        read(&mut near, 1).await;
        assert_eq!(proxy.carried(Way::Out), 0, "held");
        proxy.set(Way::Out, Flow::Pass);
        assert_eq!(read(&mut far, 4).await, b"late");

        proxy.set(Way::Out, Flow::Swallow);
        near.write_all(b"lost").await.expect("written");
        let swallowed = async || Ok::<_, ()>((proxy.swallowed(Way::Out) == 4).then_some(()));
        assert_eq!(wait::until(Duration::from_secs(10), swallowed).await, Ok(Some(())));
        proxy.set(Way::Out, Flow::Pass);
        near.shutdown().await.expect("ended");
        far.write_all(b"y").await.expect("the other direction goes on");
        read(&mut near, 1).await;
        assert_eq!(proxy.carried(Way::Out), 4, "nothing more");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn bytes_that_are_held_when_the_connection_ends_never_come() {
        for _ in 0..50 {
            let (proxy, mut near, mut far) = connected().await;
            proxy.set(Way::Out, Flow::Hold);
            near.write_all(b"held").await.expect("written");
            proxy.reset();
            proxy.set(Way::Out, Flow::Pass);
            assert_eq!(far.read(&mut [0]).await.map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionReset));
            assert_eq!(proxy.carried(Way::Out), 0);
        }
    }

    #[tokio::test]
    async fn a_connection_is_reset_after_the_given_number_of_bytes() {
        let (proxy, mut near, mut far) = connected().await;
        proxy.reset_after(Way::Out, 5);
        near.write_all(b"a frame that is longer").await.expect("written");
        let mut seen = Vec::new();
        let error = loop {
            match far.read_u8().await {
                Ok(byte) => seen.push(byte),
                Err(error) => break error,
            }
        };
        // A reset may also lose bytes from before it.
        assert!(b"a fra".starts_with(&seen), "{seen:?}");
        assert_eq!((error.kind(), proxy.resets()), (io::ErrorKind::ConnectionReset, 1));
    }

    #[tokio::test]
    async fn both_sides_see_a_cut_and_the_dialler_sees_a_refusal() {
        let (proxy, mut near, mut far) = connected().await;
        proxy.cut();
        assert_eq!((near.read(&mut [0]).await.ok(), far.read(&mut [0]).await.ok()), (Some(0), Some(0)));
        proxy.refuse(true);
        let refused = async || match TcpStream::connect(proxy.address()).await {
            Ok(_) => Ok::<_, ()>(None),
            Err(error) => Ok((error.kind() == io::ErrorKind::ConnectionRefused).then_some(())),
        };
        assert_eq!(wait::until(Duration::from_secs(10), refused).await, Ok(Some(())));
        proxy.refuse(false);
        let taken = async || Ok::<_, ()>(TcpStream::connect(proxy.address()).await.ok());
        assert!(matches!(wait::until(Duration::from_secs(10), taken).await, Ok(Some(_))));
    }

    #[tokio::test]
    async fn a_throttled_direction_carries_the_given_bytes_a_second() {
        let (proxy, mut near, mut far) = connected().await;
        proxy.set(Way::Out, Flow::Throttle(5));
        let began = tokio::time::Instant::now();
        near.write_all(b"slowly").await.expect("written");
        assert_eq!(read(&mut far, 6).await, b"slowly");
        assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    }
}
