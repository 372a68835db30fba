//! What changes in a node while a session runs.

use std::sync::Arc;

use sinergi_proto::sync::{Event, SessionConfig, Signed, Window};
use sinergi_proto::transparency::rollback_guard::GuardState;
use tokio::sync::watch;

use super::SessionParts;
use crate::peers::peer::Peer;
use crate::writer::Head;

/// Follows what a session must hear of.
pub(super) struct Changes {
    head: watch::Receiver<Head>,
    charter: watch::Receiver<u64>,
    guard: watch::Receiver<GuardState>,
    news: watch::Receiver<u64>,
}

impl Changes {
    /// How the node is when a session begins, and what changes from then on.
    pub(super) fn follow(parts: &SessionParts, peer: &Peer) -> (Self, SessionConfig) {
        let (mut head, mut guard) = (parts.writer.head(), parts.guard.watch());
        let (charter, news) = (parts.directory.version(), parts.watch.versions());
        let config = {
            let head = head.borrow_and_update();
            SessionConfig {
                own: parts.own.clone(),
                peer: peer.agency.clone(),
                federation: parts.federation.to_string(),
                idle: parts.idle,
                window: Window::default(),
                charters: parts.directory.charters(),
                end: head.end(),
                checkpoint: Arc::clone(&head.checkpoint),
                is_signed: head.is_signed,
                guard: *guard.borrow_and_update(),
            }
        };
        (Self { head, charter, guard, news }, config)
    }

    /// The next change, and another that follows it at once; [`Event::Stop`] when the node ends. Can be dropped and called again.
    pub(super) async fn next(&mut self, parts: &SessionParts, wants_news: bool) -> (Event, Option<Event>) {
        let changed = tokio::select! {
            changed = self.head.changed() => match changed {
                Ok(()) => return self.grown(),
                Err(error) => Err(error),
            },
            changed = self.charter.changed() => changed.map(|()| Event::Charters(parts.directory.charters())),
            changed = self.guard.changed() => changed.map(|()| Event::Guard(*self.guard.borrow_and_update())),
            changed = self.news.changed(), if wants_news => changed.map(|()| Event::News),
        };
        (changed.unwrap_or(Event::Stop), None)
    }

    /// How the ledger has grown, if it has: a session must know before it hears how far the peer has it.
    pub(super) fn growth(&mut self) -> Option<(Event, Option<Event>)> {
        self.head.has_changed().is_ok_and(|has_changed| has_changed).then(|| self.grown())
    }

    /// The ledger's end, and the checkpoint that covers it if there is one.
    fn grown(&mut self) -> (Event, Option<Event>) {
        let head = self.head.borrow_and_update();
        let signed = || Event::Signed(Signed { size: head.size, note: Arc::clone(&head.checkpoint) });
        (Event::Grown(head.end()), head.is_signed.then(signed))
    }
}
