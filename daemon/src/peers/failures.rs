//! Explains in words why a call or a stream failed, and says whether the peer itself ended it.

use http::HeaderValue;
use http_body_util::BodyExt;
use tonic::body::Body;

use crate::base::error_chain::{causes, without_repeats};
use crate::transport::tls;

/// The most characters of a peer's text that are shown.
const QUOTED: usize = 500;
/// The metadata key that marks the trailers that the peer sent at the end of a call.
const OF_PEER: &str = "sinergi-of-peer";

/// Marks a status that the peer sent. Without the mark, it looks like a status that gRPC itself makes when it cannot read a frame.
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

/// A peer's text, made safe to show: bounded, and on one line.
pub(super) fn quote(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(QUOTED).collect()
}

/// The reason of a failed call or stream, as [`explain`] words it.
pub(super) fn explain_status(status: &tonic::Status) -> String {
    let said = if status.message().is_empty() { status.code().description() } else { status.message() };
    explain_from(quote(said), status)
}

/// The reason in words: the certificate if that is the cause, otherwise the whole chain of causes.
pub(super) fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    explain_from(error.to_string(), error)
}

fn explain_from(text: String, error: &(dyn std::error::Error + 'static)) -> String {
    match tls::explain(error) {
        Some(failure) => failure.to_string(),
        None => without_repeats(text, causes(error).skip(1)).join(": "),
    }
}
