//! Many clients that work on a node at once, and a record of the answers that they got, to compare with the nodes' data at the end.
//!
//! Invariant: a complaint counts as acknowledged only if the node answered with success.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use sinergi_proto::operator_api;
use sinergi_proto::operator_api::act_request::Act;
use tokio::task::JoinSet;
use tonic::Code;

use crate::federation::{TestNode, complaint_about};

/// The number of clients.
pub const CLIENTS: usize = 32;

/// Lodges and forwards `count` complaints with [`CLIENTS`] clients at once.
pub async fn lodge_and_forward(node: &TestNode, to: &str, count: usize) {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (node, to) = (node.clone(), to.to_owned());
        clients.spawn(async move {
            for number in (client..count).step_by(CLIENTS) {
                let lodged = node.lodges(&format!("Laporan {number}")).await;
                node.forwards(lodged.complaint, &to).await;
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.expect("every client is served");
    }
}

/// The answers that clients got.
#[derive(Debug, Default)]
pub struct Answers {
    /// Complaints that a node has acknowledged.
    pub acknowledged: BTreeSet<Vec<u8>>,
    /// Acknowledged complaints whose forwarding a node has acknowledged too.
    pub forwarded: BTreeSet<Vec<u8>>,
    /// The number of requests to lodge without an answer. Their complaints may exist or not.
    pub unanswered: usize,
}

impl Answers {
    /// Adds the answers of other clients.
    pub fn add(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.forwarded.extend(other.forwarded);
        self.unanswered += other.unanswered;
    }

    /// The problem with the addressee's complaints, if forwarded ones are missing.
    pub fn lacked_by(&self, there: &BTreeSet<Vec<u8>>) -> Option<String> {
        let missing = self.forwarded.difference(there).count();
        (missing > 0).then(|| format!("{missing} acknowledged hand-overs did not arrive"))
    }

    /// The problems with a node's complaints: acknowledged ones are missing, some are there twice, or there are more than were lodged.
    pub fn violated_by(&self, here: &[Vec<u8>]) -> Vec<String> {
        let distinct: BTreeSet<_> = here.iter().cloned().collect();
        let mut violations = Vec::new();
        if distinct.len() < here.len() {
            violations.push(format!("{} complaints are duplicates", here.len() - distinct.len()));
        }
        let missing = self.acknowledged.difference(&distinct).count();
        if missing > 0 {
            violations.push(format!("{missing} acknowledged complaints are missing"));
        }
        let most = self.acknowledged.len() + self.unanswered;
        if distinct.len() > most {
            violations.push(format!("{} complaints, and at most {most} were lodged", distinct.len()));
        }
        violations
    }
}

/// Clients that lodge and forward until they are stopped or their node no longer answers.
pub struct Loaders {
    clients: JoinSet<Answers>,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
}

impl Loaders {
    /// Starts clients of a node that forward to one agency. The titles of their complaints contain `mark`.
    pub fn start(node: &TestNode, to: &str, clients: usize, mark: &str) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut set = JoinSet::new();
        for client in 0..clients {
            let (node, to, mark) = (node.clone(), to.to_owned(), format!("{mark}/{client}"));
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            set.spawn(async move { lodge_until(&stop, &done, &node, &to, &mark).await });
        }
        Self { clients: set, stop, done }
    }

    /// The number of complaints acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Stops the clients, waits for them, and returns the answers that they got.
    pub async fn stop(mut self) -> Answers {
        self.stop.store(true, Ordering::Relaxed);
        let mut answers = Answers::default();
        while let Some(client) = self.clients.join_next().await {
            answers.add(client.expect("a client ends"));
        }
        answers
    }
}

async fn lodge_until(stop: &AtomicBool, done: &AtomicUsize, node: &TestNode, to: &str, mark: &str) -> Answers {
    let mut answers = Answers::default();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        match node.lodges_request(complaint_about(&format!("Laporan {mark}/{number}"))).await {
            Ok(lodged) => {
                answers.acknowledged.insert(lodged.complaint.0.to_vec());
                done.fetch_add(1, Ordering::Relaxed);
                let act = Act::Forward(operator_api::Forward { to: to.to_owned(), reason: 1, answer_by: 0 });
                match node.acts(lodged.complaint, act, None).await {
                    Ok(()) => drop(answers.forwarded.insert(lodged.complaint.0.to_vec())),
                    Err(status) if status.code() == Code::ResourceExhausted => {}
                    Err(_) => break,
                }
            }
            // The node is full and has not lodged it.
            Err(status) if status.code() == Code::ResourceExhausted => tokio::task::yield_now().await,
            Err(_) => {
                answers.unanswered += 1;
                break;
            }
        }
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_duplicate_and_surplus_complaints_are_reported() {
        let answers = Answers { acknowledged: [vec![1], vec![2]].into(), unanswered: 1, forwarded: [vec![2]].into() };
        assert_eq!(answers.violated_by(&[vec![2], vec![1]]), [""; 0]);
        assert_eq!(answers.lacked_by(&[vec![2]].into()), None);
        let lacked = answers.lacked_by(&[vec![1]].into());
        assert_eq!(lacked.as_deref(), Some("1 acknowledged hand-overs did not arrive"));
        assert_eq!(answers.violated_by(&[vec![2], vec![1], vec![3]]), [""; 0], "the unanswered one was lodged");
        assert_eq!(
            answers.violated_by(&[vec![2], vec![2]]),
            ["1 complaints are duplicates", "1 acknowledged complaints are missing"]
        );
        let more = [1, 2, 3, 4].map(|id| vec![id]);
        assert_eq!(answers.violated_by(&more), ["4 complaints, and at most 3 were lodged"]);
    }
}
