//! Submits from a session to the writer. If the queue is full, submissions wait here, and the session goes on.
//!
//! Invariant: submissions reach the writer in order, and the session gets an event for each that the writer has taken.

use std::collections::VecDeque;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sinergi_proto::sync::Event;

use crate::writer::{Submission, SubmitError, WriterHandle};

/// The submissions of one session that wait for room in the writer's queue.
pub(super) struct ToWriter {
    writer: WriterHandle,
    under_way: Option<BoxFuture<'static, Result<(), SubmitError>>>,
    waiting: VecDeque<Submission>,
}

impl ToWriter {
    pub(super) fn new(writer: WriterHandle) -> Self {
        Self { writer, under_way: None, waiting: VecDeque::new() }
    }

    /// Submits as soon as the queue has room. If it has room now, returns the session's event.
    pub(super) fn submit(&mut self, submission: Submission) -> Option<Event> {
        if self.under_way.is_some() {
            self.waiting.push_back(submission);
            return None;
        }
        let mut under_way = self.start(submission);
        let taken = (&mut under_way).now_or_never().map(|taken| event_of(&taken));
        if taken.is_none() {
            self.under_way = Some(under_way);
        }
        taken
    }

    /// Waits until the writer has taken the oldest waiting submission. Never ends if none waits. Can be dropped and called again.
    pub(super) async fn taken(&mut self) -> Event {
        let Some(under_way) = &mut self.under_way else { return std::future::pending().await };
        let taken = under_way.await;
        self.under_way = self.waiting.pop_front().map(|next| self.start(next));
        event_of(&taken)
    }

    fn start(&self, submission: Submission) -> BoxFuture<'static, Result<(), SubmitError>> {
        let writer = self.writer.clone();
        Box::pin(async move { writer.submit(submission).await })
    }
}

fn event_of(taken: &Result<(), SubmitError>) -> Event {
    if taken.is_ok() { Event::Taken } else { Event::Stop }
}
