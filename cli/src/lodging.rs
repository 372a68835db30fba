//! Many complaints lodged in one call to a node (`LodgeStream`): requests go out as they come, answers come back in the same order.
//!
//! Invariants:
//! - every request that was taken is answered: by the node, or with the status with which the call ended;
//! - an answer that takes longer than 60 s is none, as in any other call.

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

/// The call, for those who lodge. Clones lodge in the same call.
#[derive(Clone)]
pub struct LodgeCall {
    requests: mpsc::Sender<(LodgeRequest, Answer)>,
}

/// The call's answers, to be handed out beside the lodging.
pub struct Answers {
    results: Streaming<LodgeResult>,
    /// Who waits for an answer, in the order of the requests.
    waiting: Arc<Mutex<VecDeque<Answer>>>,
}

impl LodgeCall {
    /// Begins a call in which so many complaints are lodged at a time.
    ///
    /// # Errors
    /// When the node does not take it.
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
    /// What a call of its own would end with; why the common one has ended.
    pub async fn lodge(&self, request: LodgeRequest) -> Result<LodgeReply, Status> {
        let ended = || Status::unavailable("the node ended the call");
        let (answer, answered) = oneshot::channel();
        self.requests.send((request, answer)).await.map_err(|_| ended())?;
        let late = |_| Status::deadline_exceeded(format!("no answer within {} s", ANSWER.as_secs()));
        tokio::time::timeout(ANSWER, answered).await.map_err(late)?.map_err(|_| ended())?
    }
}

impl Answers {
    /// Hands out the answers for as long as it is polled.
    pub async fn hand_out(mut self) -> Infallible {
        let end = loop {
            match self.results.message().await {
                Ok(Some(result)) => {
                    if let Some(answer) = self.next() {
                        // Who does not wait any more does not need it.
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

/// What a call of its own would have ended with.
///
/// # Errors
/// The status.
pub fn answer_of(result: LodgeResult) -> Result<LodgeReply, Status> {
    match result.result {
        Some(Kind::Lodged(reply)) => Ok(reply),
        Some(Kind::NotLodged(why)) => Err(Status::new(Code::from_i32(why.code), why.message)),
        None => Err(Status::internal("the node's answer says nothing")),
    }
}
