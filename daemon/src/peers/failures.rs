//! Why a call or a stream failed, in words, and whether the peer itself said so.

use http::HeaderValue;
use http_body_util::BodyExt;
use tonic::body::Body;

use crate::base::causes::{causes, told};
use crate::transport::tls;

/// Characters of a peer's words that are told.
const QUOTED: usize = 500;
/// Marks what the peer sent at the end of a call.
const OF_PEER: &str = "sinergi-of-peer";

/// Marks the status with which a peer ends a call: gRPC makes one with the same codes of frames that it cannot read.
pub(super) fn mark_trailers(response: http::Response<Body>) -> http::Response<Body> {
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
pub(super) fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    explain_from(error.to_string(), error)
}

fn explain_from(text: String, error: &(dyn std::error::Error + 'static)) -> String {
    match tls::explain(error) {
        Some(failure) => failure.to_string(),
        None => told(text, causes(error).skip(1)).join(": "),
    }
}
