//! The gRPC service that peers call. It takes the caller's identity from the connection, and starts a session on the stream.

use std::pin::Pin;
use std::sync::Arc;

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::wire::Frame;
use sinergi_proto::wire::federation_server::Federation;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::Connections;
use super::peer::Direction;
use super::peer::Peer;
use super::session::{OUTBOUND_FRAMES, Start};

/// The identity of the other side of a connection. The accept loop takes it from the certificate.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The agency.
    pub(super) agency: AgencyId,
    /// When its certificate expires, in milliseconds since 1970.
    pub(super) certificate_expires: u64,
}

/// The service.
#[derive(Clone)]
pub(super) struct FederationService {
    pub(super) connections: Connections,
}

impl FederationService {
    fn caller(&self, request: &Request<Streaming<Frame>>) -> Result<(Caller, Arc<Peer>), Status> {
        let caller = request
            .extensions()
            .get::<Caller>()
            .cloned()
            .ok_or_else(|| Status::unauthenticated("no certificate identifies the caller"))?;
        match self.connections.peers.get(&caller.agency) {
            Some(peer) => Ok((caller, Arc::clone(peer))),
            None => {
                let text =
                    format!("{} does not list {} as a peer: add a [[peer]] there", self.connections.own, caller.agency);
                tracing::warn!(peer = %caller.agency, "a member that is not configured as a peer called; add a [[peer]] to accept it");
                Err(Status::permission_denied(text))
            }
        }
    }
}

#[tonic::async_trait]
impl Federation for FederationService {
    type SyncStream = Pin<Box<dyn Stream<Item = Result<Frame, Status>> + Send>>;

    async fn sync(&self, request: Request<Streaming<Frame>>) -> Result<Response<Self::SyncStream>, Status> {
        let (caller, peer) = self.caller(&request)?;
        let Some(hold) = peer.take_slot(&self.connections.own, Direction::Accepted) else {
            return Err(Status::already_exists(format!("{} has dialled already", self.connections.own)));
        };
        peer.note(|state| state.certificate_expires = caller.certificate_expires);
        let (outbound, frames) = mpsc::channel(OUTBOUND_FRAMES);
        let start = Start { peer, hold, inbound: request.into_inner(), outbound, ended: None };
        self.connections.sessions.send(start).await.map_err(|_| Status::unavailable("the node is stopping"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(frames).map(Ok))))
    }
}
