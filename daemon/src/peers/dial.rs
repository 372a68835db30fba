//! Dialling: one task a peer with an endpoint, with backoff without end.
//!
//! Invariants: the delay grows with full jitter up to a minute and never gives up; an answer, or the peer's own contact, resets it.

use std::sync::Arc;
use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use http::HeaderValue;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use sinergi_config::Endpoint;
use sinergi_proto::base::limits;
use sinergi_proto::sync::{End, HANDSHAKE_WITHIN};
use sinergi_proto::wire::federation_client::FederationClient;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::transport::Channel;
use tower::ServiceExt;

use super::accept::STREAM_WINDOW;
use super::idle_timeout::Attentive;
use super::peer::{Direction, Peer};
use super::session::{OUTBOUND_FRAMES, Start};
use super::{LinkError, Links};
use crate::base::causes::{causes, told};
use crate::base::time::now_millis;
use crate::transport::tls::{self, Witness, Witnessed};

/// Characters of a peer's words that are told.
const QUOTED: usize = 500;
/// Marks what the peer sent at the end of a call.
const OF_PEER: &str = "sinergi-of-peer";
const FIRST_DELAY: Duration = Duration::from_millis(250);
/// With full jitter a delay is up to twice this.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// Keeps one peer linked until the links are told to stop.
pub async fn keep_linked(links: Links, peer: Arc<Peer>, endpoint: Endpoint) {
    let mut backoff = ExponentialBackoff {
        initial_interval: FIRST_DELAY,
        current_interval: FIRST_DELAY,
        max_interval: LONGEST_DELAY,
        // Full jitter: nodes that lost the same peer at once do not come back at once.
        randomization_factor: 1.0,
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    let mut linked = peer.linked();
    while !links.stop.is_cancelled() {
        tokio::select! {
            () = links.stop.cancelled() => break,
            free = linked.wait_for(|linked| !linked) => if free.is_err() { break },
        }
        peer.note(|state| (state.connecting, state.next_retry) = (true, 0));
        let ended = tokio::select! {
            () = links.stop.cancelled() => break,
            ended = link(&links, &peer, &endpoint) => ended,
        };
        peer.note(|state| state.connecting = false);
        match ended {
            Ok(true) => backoff.reset(),
            Ok(false) => {}
            Err(error) => peer.failed(&error),
        }
        if *linked.borrow_and_update() {
            // The peer came to us meanwhile.
            backoff.reset();
            continue;
        }
        let delay = backoff.next_backoff().unwrap_or(LONGEST_DELAY);
        let until = now_millis() + u64::try_from(delay.as_millis()).unwrap_or(0);
        peer.note(|state| state.next_retry = until);
        tokio::select! {
            () = links.stop.cancelled() => break,
            () = tokio::time::sleep(delay) => {}
            _ = linked.wait_for(|linked| *linked) => backoff.reset(),
        }
        peer.note(|state| state.next_retry = 0);
    }
}

/// One connection from dialling to its end; whether its session was a success.
async fn link(links: &Links, peer: &Arc<Peer>, endpoint: &Endpoint) -> Result<bool, LinkError> {
    let witness = Witness::default();
    // What TLS said is the cause of whatever HTTP/2 makes of it.
    let connect = |reason: String| LinkError::Connect {
        endpoint: endpoint.to_string(),
        reason: witness.reason().unwrap_or(reason),
    };
    let channel = connect_channel(links, peer, endpoint, witness.clone()).await.map_err(connect)?;
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
    let Some(hold) = peer.take_slot(&links.own, Direction::Dialled) else { return Ok(false) };
    let (ended, end) = oneshot::channel();
    let start = Start { peer: Arc::clone(peer), hold, inbound, outbound, ended: Some(ended) };
    links.sessions.send(start).await.map_err(|_| End::Stopped)?;
    Ok(end.await.map_err(|_| End::Stopped)?)
}

async fn connect_channel(
    links: &Links,
    peer: &Arc<Peer>,
    endpoint: &Endpoint,
    witness: Witness,
) -> Result<Channel, String> {
    let config = tls::client_config(&links.credentials, links.authorities.clone(), peer.agency.clone());
    let connector = TlsConnector::from(config);
    let (host, port) = (endpoint.host().to_owned(), endpoint.port());
    let (peer, federation, idle) = (Arc::clone(peer), links.federation.clone(), links.idle);
    let connect = tower::service_fn(move |_| {
        let (connector, host, peer, federation) =
            (connector.clone(), host.clone(), Arc::clone(&peer), federation.clone());
        let witness = witness.clone();
        async move {
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            stream.set_nodelay(true)?;
            let shaken =
                tokio::time::timeout(limits::TLS_HANDSHAKE, connector.connect(tls::server_name(), stream)).await;
            let late = || format!("no TLS handshake within {} s", limits::TLS_HANDSHAKE.as_secs());
            let stream = shaken.map_err(|_| std::io::Error::new(std::io::ErrorKind::TimedOut, late()))??;
            let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            if let Some(Ok(identity)) = leaf.map(|leaf| tls::peer_identity(leaf, &federation)) {
                let expires = u64::try_from(identity.certificate.not_after.as_millisecond()).unwrap_or(0);
                peer.note(|state| state.certificate_expires = expires);
            }
            Ok::<_, std::io::Error>(TokioIo::new(Witnessed::new(Attentive::new(stream, idle), witness)))
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

/// Marks the status with which a peer ends a call: gRPC makes one with the same codes of frames that it cannot read.
fn mark_trailers(response: http::Response<Body>) -> http::Response<Body> {
    response.map(|body| {
        Body::new(body.map_frame(|mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                trailers.insert(OF_PEER, HeaderValue::from_static("1"));
            }
            frame
        }))
    })
}

/// Whether the peer ended the call with this status.
pub(super) fn is_of_peer(status: &tonic::Status) -> bool {
    status.metadata().contains_key(OF_PEER)
}

/// What a peer may have written: bounded, and on one line.
pub(super) fn quote(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(QUOTED).collect()
}

/// Why a call or a stream failed, as [`explain`] says it.
pub(super) fn explain_status(status: &tonic::Status) -> String {
    let said = if status.message().is_empty() { status.code().description() } else { status.message() };
    explain_from(quote(said), status)
}

/// Down to the certificate if that is the cause, else the whole chain of causes.
fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    explain_from(error.to_string(), error)
}

fn explain_from(text: String, error: &(dyn std::error::Error + 'static)) -> String {
    match tls::explain(error) {
        Some(failure) => failure.to_string(),
        None => told(text, causes(error).skip(1)).join(": "),
    }
}
