//! What a session has for the writer. A writer that is full takes it later; meanwhile the session goes on: it answers pings, sends and
//! acknowledges.
//!
//! Invariants: submissions reach the writer in their order; a session that has one waiting makes no other (see [`ToWriter::is_idle`]) but of
//! frames that it reads, and reads none while one of these waits, too ([`ToWriter::has_room`]).

use std::collections::VecDeque;

use futures_util::future::BoxFuture;

use super::LinkError;
use crate::writer::{Submission, SubmitError, WriterHandle};

/// The way from a session to the writer.
pub(super) struct ToWriter {
    writer: WriterHandle,
    under_way: Option<BoxFuture<'static, Result<(), SubmitError>>>,
    behind: VecDeque<Submission>,
}

impl ToWriter {
    pub(super) fn new(writer: WriterHandle) -> Self {
        Self { writer, under_way: None, behind: VecDeque::new() }
    }

    /// Submits as soon as the writer has room.
    pub(super) fn submit(&mut self, submission: Submission) {
        if self.under_way.is_none() {
            self.set_off(submission);
        } else {
            self.behind.push_back(submission);
        }
    }

    /// Nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_none()
    }

    /// At most one waits.
    pub(super) fn has_room(&self) -> bool {
        self.behind.is_empty()
    }

    /// The writer has taken one; never ends while none waits. Can be dropped and called again.
    pub(super) async fn taken(&mut self) -> Result<(), LinkError> {
        let Some(under_way) = &mut self.under_way else { return std::future::pending().await };
        under_way.await.map_err(|_| LinkError::Stopped)?;
        self.under_way = None;
        if let Some(next) = self.behind.pop_front() {
            self.set_off(next);
        }
        Ok(())
    }

    fn set_off(&mut self, submission: Submission) {
        let writer = self.writer.clone();
        self.under_way = Some(Box::pin(async move { writer.submit(submission).await }));
    }
}
