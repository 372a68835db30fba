//! The connection to a node's operator API, over its Unix socket.
//!
//! Invariant: a node that does not answer becomes a [`Failure`] that names the socket, the reason and how to start the node.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use sinergi_daemon::base::error_chain::causes;
use sinergi_proto::operator_api::operator_client::OperatorClient;
use tokio::net::UnixStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::failure::{Exit, Failure, innermost};

/// The timeout for connecting to a node.
const CONNECT: Duration = Duration::from_secs(5);
/// The timeout for the start of a node's answer.
pub(crate) const ANSWER: Duration = Duration::from_secs(60);
/// The largest answer that is read, in bytes: enough for a complaint with thousands of entries and all their texts.
const ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// A running node.
#[derive(Clone, Debug)]
pub struct Node {
    /// The operator API.
    pub api: OperatorClient<Channel>,
    /// The socket behind it.
    pub socket: PathBuf,
}

impl Node {
    /// Connects to the node behind a socket. `advice` says what to do if it does not answer.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn connect(socket: PathBuf, advice: String) -> Result<Self, Failure> {
        let api = Self::dial(&socket).await.map_err(|error| unreachable(&socket, &error, advice))?;
        Ok(Self { api, socket })
    }

    /// Connects to the operator API behind a socket.
    pub async fn dial(socket: &Path) -> Result<OperatorClient<Channel>, tonic::transport::Error> {
        let path = socket.to_owned();
        let connector = service_fn(move |_| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        // This address is never looked up: the connector uses the socket.
        let channel = Endpoint::from_static("http://node.sinergi.invalid")
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .connect_with_connector(connector)
            .await?;
        Ok(OperatorClient::new(channel).max_decoding_message_size(ANSWER_BYTES))
    }
}

/// Reads all messages of a stream. `what` names the attempt, as in "list complaints".
pub async fn collect<T>(mut stream: Streaming<T>, what: &str) -> Result<Vec<T>, Failure> {
    let mut all = Vec::new();
    while let Some(message) = stream.message().await.map_err(|status| Failure::from_status(what, &status))? {
        all.push(message);
    }
    Ok(all)
}

fn unreachable(socket: &Path, error: &tonic::transport::Error, advice: String) -> Failure {
    let message = format!("the node does not answer at {}", socket.display());
    let (reason, help) = match io_kind(error) {
        Some(io::ErrorKind::NotFound) => ("there is no such socket: the node is not running".to_owned(), advice),
        Some(io::ErrorKind::ConnectionRefused) => ("nobody listens there: the node has stopped".to_owned(), advice),
        Some(io::ErrorKind::PermissionDenied) => (
            "permission denied".to_owned(),
            "the socket belongs to the node's user; run this command as that user".to_owned(),
        ),
        _ => (innermost(error), advice),
    };
    Failure::new(Exit::Unreachable, message).because(reason).help(help)
}

fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    causes(error).find_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_node_that_is_down_is_unreachable_and_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("sinergid.sock");
        let failure = Node::connect(socket, "start it".to_owned()).await.expect_err("nobody is there");
        assert_eq!(failure.exit(), Exit::Unreachable);
        let report = failure.report();
        assert!(report.contains("sinergid.sock"), "{report}");
        assert!(report.contains("the node is not running"), "{report}");
        assert!(report.contains("help: start it"), "{report}");
    }

    #[tokio::test]
    async fn the_socket_of_a_stopped_node_is_reported_differently_from_a_missing_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("left.sock");
        drop(std::os::unix::net::UnixListener::bind(&socket).expect("bound"));
        let failure = Node::connect(socket, "start it".to_owned()).await.expect_err("nobody listens");
        assert_eq!(failure.exit(), Exit::Unreachable);
        assert!(failure.report().contains("has stopped"), "{}", failure.report());
    }
}
