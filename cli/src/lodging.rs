//! Lodges many complaints in one call to a node (`LodgeStream`). The answers come in the order of the requests.
//!
//! Invariants:
//! - every request gets an answer: the node's, or the status with which the call ended;
//! - a request times out after 60 s, as in any other call.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use futures_util::StreamExt;
use parking_lot::Mutex;
use sinergi_proto::operator_api::lodge_result::Result as Kind;
use sinergi_proto::operator_api::operator_client::OperatorClient;
use sinergi_proto::operator_api::{LodgeReply, LodgeRequest, LodgeResult};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use crate::client::ANSWER;

type Answer = oneshot::Sender<Result<LodgeReply, Status>>;

/// The sending half of a call. Clones use the same call.
#[derive(Clone)]
pub struct LodgeCall {
    requests: mpsc::Sender<(LodgeRequest, Answer)>,
}

/// The receiving half of a call. [`Self::hand_out`] must run while complaints are lodged.
pub struct Answers {
    results: Streaming<LodgeResult>,
    /// The waiting requests, in their order.
    waiting: Arc<Mutex<VecDeque<Answer>>>,
}

impl LodgeCall {
    /// Starts a call in which at most `at_a_time` complaints wait to be sent.
    ///
    /// # Errors
    /// When the node does not accept the call.
    pub async fn begin(mut api: OperatorClient<Channel>, at_a_time: usize) -> Result<(Self, Answers), Status> {
        let (requests, taken) = mpsc::channel(at_a_time);
        let waiting = Arc::new(Mutex::new(VecDeque::new()));
        let sent = Arc::clone(&waiting);
        let taken = ReceiverStream::new(taken).map(move |(request, answer)| {
            sent.lock().push_back(answer);
            request
        });
        let results = api.lodge_stream(taken).await?.into_inner();
        Ok((Self { requests }, Answers { results, waiting }))
    }

    /// Lodges one complaint.
    ///
    /// # Errors
    /// The node's error for this complaint, or the reason why the whole call ended.
    pub async fn lodge(&self, request: LodgeRequest) -> Result<LodgeReply, Status> {
        let ended = || Status::unavailable("the node ended the call");
        let (answer, answered) = oneshot::channel();
        self.requests.send((request, answer)).await.map_err(|_| ended())?;
        let late = |_| Status::deadline_exceeded(format!("no answer within {} s", ANSWER.as_secs()));
        tokio::time::timeout(ANSWER, answered).await.map_err(late)?.map_err(|_| ended())?
    }
}

impl Answers {
    /// Passes each answer to its request. Never returns.
    pub async fn hand_out(mut self) -> Infallible {
        let end = loop {
            match self.results.message().await {
                Ok(Some(result)) => {
                    if let Some(answer) = self.next() {
                        // A request that has timed out does not need its answer any more.
                        let _ = answer.send(answer_of(result));
                    }
                }
                Ok(None) => break Status::unavailable("the node ended the call"),
                Err(status) => break status,
            }
        };
        while let Some(answer) = self.next() {
            let _ = answer.send(Err(end.clone()));
        }
        std::future::pending().await
    }

    fn next(&self) -> Option<Answer> {
        self.waiting.lock().pop_front()
    }
}

/// The result for one complaint, as a call with only this complaint would return it.
///
/// # Errors
/// The node's error for this complaint.
pub fn answer_of(result: LodgeResult) -> Result<LodgeReply, Status> {
    match result.result {
        Some(Kind::Lodged(reply)) => Ok(reply),
        Some(Kind::NotLodged(why)) => Err(Status::new(Code::from_i32(why.code), why.message)),
        None => Err(Status::internal("the node's answer says nothing")),
    }
}
