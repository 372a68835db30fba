//! Dials peers: one task for each peer that has an endpoint.
//!
//! Must not know what a session does.
//!
//! Invariants:
//! - dialling never gives up. The delay grows up to a minute, with full jitter;
//! - an answer of the peer, or a link that the peer dialled, resets the delay.

use std::sync::Arc;
use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use hyper_util::rt::TokioIo;
use sinergi_config::Endpoint;
use sinergi_proto::base::limits;
use sinergi_proto::sync::{End, HANDSHAKE_WITHIN};
use sinergi_proto::wire::federation_client::FederationClient;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tower::ServiceExt;

use super::accept::STREAM_WINDOW;
use super::failures::{explain, explain_status, mark_trailers};
use super::idle_timeout::IdleTimeoutStream;
use super::peer::{Direction, Peer};
use super::session::{OUTBOUND_FRAMES, Start};
use super::{Connections, LinkError};
use crate::base::node_limits;
use crate::base::time::now_millis;
use crate::transport::tls::{self, FailureRecorder, FirstFailure};

const FIRST_DELAY: Duration = Duration::from_millis(250);
/// With full jitter a delay is up to twice this.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// Keeps one peer linked until the links are told to stop.
pub async fn keep_linked(connections: Connections, peer: Arc<Peer>, endpoint: Endpoint) {
    let mut backoff = ExponentialBackoff {
        initial_interval: FIRST_DELAY,
        current_interval: FIRST_DELAY,
        max_interval: LONGEST_DELAY,
        // Full jitter, so that nodes that lost the same peer do not all dial it at the same time.
        randomization_factor: 1.0,
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    let mut linked = peer.linked();
    while !connections.stop.is_cancelled() {
        tokio::select! {
            () = connections.stop.cancelled() => break,
            free = linked.wait_for(|linked| !linked) => if free.is_err() { break },
        }
        peer.note(|state| (state.connecting, state.next_retry) = (true, 0));
        let ended = tokio::select! {
            () = connections.stop.cancelled() => break,
            ended = link(&connections, &peer, &endpoint) => ended,
        };
        peer.note(|state| state.connecting = false);
        match ended {
            Ok(true) => backoff.reset(),
            Ok(false) => {}
            Err(error) => peer.failed(&error),
        }
        if *linked.borrow_and_update() {
            // The peer has dialled us meanwhile.
            backoff.reset();
            continue;
        }
        let delay = backoff.next_backoff().unwrap_or(LONGEST_DELAY);
        let until = now_millis() + u64::try_from(delay.as_millis()).unwrap_or(0);
        peer.note(|state| state.next_retry = until);
        tokio::select! {
            () = connections.stop.cancelled() => break,
            () = tokio::time::sleep(delay) => {}
            _ = linked.wait_for(|linked| *linked) => backoff.reset(),
        }
        peer.note(|state| state.next_retry = 0);
    }
}

/// Runs one connection from dialling to its end. Returns whether its session was a success.
async fn link(connections: &Connections, peer: &Arc<Peer>, endpoint: &Endpoint) -> Result<bool, LinkError> {
    let failure = FirstFailure::default();
    // If TLS failed, its reason is the cause of the error that HTTP/2 reports.
    let connect = |reason: String| LinkError::Connect {
        endpoint: endpoint.to_string(),
        reason: failure.reason().unwrap_or(reason),
    };
    let channel = connect_channel(connections, peer, endpoint, failure.clone()).await.map_err(connect)?;
    let mut client = FederationClient::new(channel.map_response(mark_trailers))
        .max_decoding_message_size(limits::FRAME_BYTES)
        .max_encoding_message_size(limits::FRAME_BYTES);
    let (outbound, frames) = mpsc::channel(OUTBOUND_FRAMES);
    let call = tokio::time::timeout(HANDSHAKE_WITHIN, client.sync(ReceiverStream::new(frames))).await;
    let inbound = match call {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(status)) if status.code() == tonic::Code::AlreadyExists => {
            return Ok(false);
        }
        Ok(Err(status)) => return Err(connect(explain_status(&status))),
        Err(_) => return Err(connect(format!("no answer within {} s", HANDSHAKE_WITHIN.as_secs()))),
    };
    let Some(hold) = peer.take_slot(&connections.own, Direction::Dialled) else { return Ok(false) };
    let (ended, end) = oneshot::channel();
    let start = Start { peer: Arc::clone(peer), hold, inbound, outbound, ended: Some(ended) };
    connections.sessions.send(start).await.map_err(|_| End::Stopped)?;
    Ok(end.await.map_err(|_| End::Stopped)?)
}

async fn connect_channel(
    connections: &Connections,
    peer: &Arc<Peer>,
    endpoint: &Endpoint,
    failure: FirstFailure,
) -> Result<Channel, String> {
    let config = tls::client_config(&connections.credentials, connections.authorities.clone(), peer.agency.clone());
    let connector = TlsConnector::from(config);
    let (host, port) = (endpoint.host().to_owned(), endpoint.port());
    let (peer, federation, idle) = (Arc::clone(peer), connections.federation.clone(), connections.idle);
    let connect = tower::service_fn(move |_| {
        let (connector, host, peer, federation) =
            (connector.clone(), host.clone(), Arc::clone(&peer), federation.clone());
        let failure = failure.clone();
        async move {
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            stream.set_nodelay(true)?;
            let shaken =
                tokio::time::timeout(node_limits::TLS_HANDSHAKE, connector.connect(tls::server_name(), stream)).await;
            let late = || format!("no TLS handshake within {} s", node_limits::TLS_HANDSHAKE.as_secs());
            let stream = shaken.map_err(|_| std::io::Error::new(std::io::ErrorKind::TimedOut, late()))??;
            let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            if let Some(Ok(identity)) = leaf.map(|leaf| tls::peer_identity(leaf, &federation)) {
                let expires = u64::try_from(identity.certificate.not_after.as_millisecond()).unwrap_or(0);
                peer.note(|state| state.certificate_expires = expires);
            }
            Ok::<_, std::io::Error>(TokioIo::new(FailureRecorder::new(IdleTimeoutStream::new(stream, idle), failure)))
        }
    });
    // The scheme is http because the connector above speaks TLS; https would add a second layer.
    tonic::transport::Endpoint::from_static("http://node.invalid")
        .connect_timeout(HANDSHAKE_WITHIN)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(2 * STREAM_WINDOW)
        .connect_with_connector(connect)
        .await
        .map_err(|error| explain(&error))
}
