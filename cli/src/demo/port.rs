//! A loopback port that stays reserved while nobody listens on it: before a node starts, between two of its runs, after it was killed.
//!
//! A bound socket that does not listen reserves the port. The system then does not give it to a process that wants any free port (for an outgoing
//! connection, or a listener on port 0), but still to a process that wants this port and may reuse addresses, like a node's listener.
//!
//! Only Linux shares a port in this way. On other systems the port is released when its node starts for the first time, and another process may
//! take it ([`NotUp::PortTaken`](super::node::NotUp)).

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port of this machine's loopback address.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    held: Option<TcpSocket>,
}

impl Port {
    /// Reserves this port, or any free one.
    ///
    /// # Errors
    /// The port is taken, or no port is free.
    pub fn take(wanted: Option<u16>) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, wanted.unwrap_or(0))))?;
        let address = socket.local_addr()?;
        Ok(Self { address, held: Some(socket) })
    }

    /// Prepares the port for its owner, which is about to listen on it.
    pub fn lend(&mut self) {
        if cfg!(not(target_os = "linux")) {
            self.held = None;
        }
    }

    /// The address with this port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_port_is_refused_to_no_listener_that_wants_it_and_given_to_nobody_who_wants_any() {
        let port = Port::take(None).expect("a free port");
        for _ in 0..2 {
            let listener = TcpListener::bind(port.address()).await.expect("the owner's listener");
            let dialled = TcpStream::connect(port.address()).await.expect("it listens");
            listener.accept().await.expect("it is dialled");
            drop(dialled);
        }
        assert!(TcpStream::connect(port.address()).await.is_err(), "nobody listens now");
        // A listener that does not allow shared addresses gets an error, because the port is reserved.
        let stranger = TcpSocket::new_v4().expect("a socket");
        let error = stranger.bind(port.address()).expect_err("it is held");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn a_port_on_which_somebody_listens_is_not_taken() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let taken = listener.local_addr().expect("bound").port();
        assert_eq!(Port::take(Some(taken)).expect_err("somebody listens").kind(), io::ErrorKind::AddrInUse);
    }
}
