//! Lodges rows: a bounded number at a time. Repeats a request while the node is busy, and stops if the node goes away.
//!
//! Must not know the source of the rows, the reports, or the connection to a node: `lodge` sends one request, and `done` gets every result once.
//!
//! Invariant: when [`lodge_all`] returns, every row that was sent has been reported, so that the summary is right.

use std::io;
use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use sinergi_proto::operator_api::{LodgeReply, LodgeRequest};
use tokio::task::JoinSet;
use tonic::{Code, Status};

use super::rejected::Rejected;
use super::row::Row;

/// The time for which a request to a busy node is repeated before the import stops.
const PATIENCE: Duration = Duration::from_secs(120);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The result of one row.
#[derive(Debug)]
pub enum Done {
    /// It was lodged.
    Lodged {
        /// The row.
        row: Row,
        /// The complaint.
        reply: LodgeReply,
    },
    /// Its external reference had been lodged before.
    Existed {
        /// The row.
        row: Row,
    },
    /// It was not lodged.
    Rejected(Rejected),
}

/// The numbers of rows by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lodged.
    pub lodged: u64,
    /// Lodged before.
    pub existed: u64,
    /// Not lodged.
    pub rejected: u64,
}

/// The reason why lodging stopped before the last row.
#[derive(Debug, thiserror::Error)]
pub enum StopCause {
    /// The node does not answer, or refuses every row.
    #[error("the node answers: {}", .0.message())]
    Node(Status),
    /// The file cannot be read any further.
    #[error("line {}: {}", .0.line, .0.problem)]
    Unreadable(Rejected),
    /// A result cannot be written to a report.
    #[error("the results cannot be written")]
    Report(#[source] io::Error),
}

/// Lodging stopped before the last row.
#[derive(Debug, thiserror::Error)]
#[error("stopped after {} lodged, {} already there, {} rejected", done.lodged, done.existed, done.rejected)]
pub struct Stopped {
    /// The results so far.
    pub done: Summary,
    /// The reason.
    #[source]
    pub cause: StopCause,
}

/// Lodges all rows, at most `concurrency` at a time.
///
/// # Errors
/// [`Stopped`]: the node went away or refuses everything, the file cannot be read any further, or `done` failed.
pub async fn lodge_all<I, F, A>(
    rows: I,
    concurrency: usize,
    lodge: F,
    mut done: impl FnMut(Done) -> io::Result<()>,
) -> Result<Summary, Stopped>
where
    I: IntoIterator<Item = Result<Row, Rejected>>,
    F: Fn(LodgeRequest) -> A + Clone + Send + 'static,
    A: Future<Output = Result<LodgeReply, Status>> + Send + 'static,
{
    let mut tally = Tally { summary: Summary::default(), stop: None };
    let mut flight: JoinSet<(Row, Result<LodgeReply, Status>)> = JoinSet::new();
    for row in rows {
        match row {
            Ok(row) => {
                let lodge = lodge.clone();
                flight.spawn(async move {
                    let answer = patiently(lodge, &row.request).await;
                    (row, answer)
                });
            }
            Err(rejected) if rejected.ends_reading() => tally.stop(StopCause::Unreadable(rejected)),
            Err(rejected) => tally.count(Done::Rejected(rejected), &mut done),
        }
        while flight.len() >= concurrency.max(1) && tally.stop.is_none() {
            land(&mut flight, &mut tally, &mut done).await;
        }
        if tally.stop.is_some() {
            break;
        }
    }
    while !flight.is_empty() {
        land(&mut flight, &mut tally, &mut done).await;
    }
    match tally.stop {
        None => Ok(tally.summary),
        Some(cause) => Err(Stopped { done: tally.summary, cause }),
    }
}

/// Waits for one answer and counts it.
async fn land(
    flight: &mut JoinSet<(Row, Result<LodgeReply, Status>)>,
    tally: &mut Tally,
    done: &mut impl FnMut(Done) -> io::Result<()>,
) {
    match flight.join_next().await {
        Some(Ok((row, Ok(reply)))) if reply.existed => tally.count(Done::Existed { row }, done),
        Some(Ok((row, Ok(reply)))) => tally.count(Done::Lodged { row, reply }, done),
        Some(Ok((row, Err(status)))) if is_about_the_row(&status) => {
            tally.count(Done::Rejected(row.refused(status.message())), done);
        }
        Some(Ok((_, Err(status)))) => tally.stop(StopCause::Node(status)),
        Some(Err(error)) => tally.stop(StopCause::Report(io::Error::other(error))),
        None => {}
    }
}

/// Whether the node refused only this row, and not every row.
fn is_about_the_row(status: &Status) -> bool {
    matches!(status.code(), Code::InvalidArgument | Code::AlreadyExists | Code::OutOfRange)
}

struct Tally {
    summary: Summary,
    stop: Option<StopCause>,
}

impl Tally {
    fn count(&mut self, row: Done, done: &mut impl FnMut(Done) -> io::Result<()>) {
        match row {
            Done::Lodged { .. } => self.summary.lodged += 1,
            Done::Existed { .. } => self.summary.existed += 1,
            Done::Rejected(_) => self.summary.rejected += 1,
        }
        if let Err(error) = done(row) {
            self.stop(StopCause::Report(error));
        }
    }

    /// Keeps the first cause, because later ones follow from it.
    fn stop(&mut self, cause: StopCause) {
        self.stop.get_or_insert(cause);
    }
}

/// Sends a request, and repeats it while the node is busy.
async fn patiently<F, A>(lodge: F, request: &LodgeRequest) -> Result<LodgeReply, Status>
where
    F: Fn(LodgeRequest) -> A,
    A: Future<Output = Result<LodgeReply, Status>>,
{
    let mut pauses = ExponentialBackoff {
        initial_interval: FIRST_PAUSE,
        current_interval: FIRST_PAUSE,
        max_interval: LONGEST_PAUSE,
        max_elapsed_time: Some(PATIENCE),
        ..ExponentialBackoff::default()
    };
    loop {
        match lodge(request.clone()).await {
            Err(status) if status.code() == Code::ResourceExhausted => match pauses.next_backoff() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(status),
            },
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::import::{Shape, rows};

    fn file(count: usize) -> String {
        (0..count)
            .map(|id| {
                format!("{{\"source\":\"s\",\"id\":\"{id}\",\"category\":\"c\",\"title\":\"t\",\"body\":\"b\"}}\n")
            })
            .collect()
    }

    fn id(request: &LodgeRequest) -> String {
        request.external.as_ref().map_or_else(String::new, |external| external.id.clone())
    }

    async fn import(
        file: &str,
        lodge: impl Fn(LodgeRequest) -> Result<LodgeReply, Status> + Clone + Send + 'static,
    ) -> (Result<Summary, Stopped>, Vec<Done>) {
        let mut all = Vec::new();
        let rows = rows(file.as_bytes(), Shape::JsonLines).expect("readable");
        let send = move |request| std::future::ready(lodge(request));
        let result = lodge_all(rows, 4, send, |done| {
            all.push(done);
            Ok(())
        })
        .await;
        (result, all)
    }

    #[tokio::test]
    async fn each_row_is_lodged_or_existed_or_rejected() {
        let text = file(10) + "nonsense\n";
        let (result, all) = import(&text, |request| match id(&request).as_str() {
            "3" => Ok(LodgeReply { existed: true, ..Default::default() }),
            "5" => Err(Status::invalid_argument("not here")),
            _ => Ok(LodgeReply::default()),
        })
        .await;
        assert_eq!(result.expect("to the end"), Summary { lodged: 8, existed: 1, rejected: 2 });
        assert_eq!(all.len(), 11);
        let refused = all.iter().find_map(|done| match done {
            Done::Rejected(rejected) if rejected.line == 6 => Some(rejected),
            _ => None,
        });
        assert!(
            refused.is_some_and(|rejected| rejected.reason().contains("not here") && !rejected.original.is_empty())
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_node_is_asked_again() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let (result, _) = import(&file(5), move |_| match counted.fetch_add(1, Ordering::Relaxed) {
            0..3 => Err(Status::resource_exhausted("Busy")),
            _ => Ok(LodgeReply::default()),
        })
        .await;
        assert_eq!(result.expect("to the end").lodged, 5);
        assert_eq!(calls.load(Ordering::Relaxed), 8);
    }

    #[tokio::test]
    async fn a_node_that_goes_away_stops_the_import_with_what_was_done() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let (result, all) = import(&file(1_000), move |_| match counted.fetch_add(1, Ordering::Relaxed) {
            0..10 => Ok(LodgeReply::default()),
            _ => Err(Status::unavailable("stopping")),
        })
        .await;
        let stopped = result.expect_err("the node went away");
        assert!(matches!(stopped.cause, StopCause::Node(_)));
        assert_eq!(stopped.done.lodged, 10);
        assert_eq!(all.len(), 10);
        assert!(calls.load(Ordering::Relaxed) < 20, "the rest is spared");
    }

    #[tokio::test]
    async fn no_more_rows_are_in_flight_than_allowed() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, highest) = (Arc::clone(&now), Arc::clone(&most));
        let text = file(100);
        let rows = rows(text.as_bytes(), Shape::JsonLines).expect("readable");
        let send = move |_| {
            let (count, highest) = (Arc::clone(&count), Arc::clone(&highest));
            async move {
                highest.fetch_max(count.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                count.fetch_sub(1, Ordering::Relaxed);
                Ok(LodgeReply::default())
            }
        };
        let summary = lodge_all(rows, 4, send, |_| Ok(())).await.expect("to the end");
        assert_eq!(summary.lodged, 100);
        assert!((2..=4).contains(&most.load(Ordering::Relaxed)));
    }
}
