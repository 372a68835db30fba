//! What changes in a node while a session runs.

use std::sync::Arc;

use sinergi_proto::sync::{Event, GuardState, Opening, Signed, Window};
use tokio::sync::watch;

use crate::continuity::State;
use crate::link::Links;
use crate::link::peer::Peer;
use crate::writer::Head;

/// Follows what a session must hear of.
pub(super) struct Changes {
    head: watch::Receiver<Head>,
    charter: watch::Receiver<u64>,
    guard: watch::Receiver<State>,
    news: watch::Receiver<u64>,
}

impl Changes {
    /// How the node is when a session begins, and what changes from then on.
    pub(super) fn follow(links: &Links, peer: &Peer) -> (Self, Opening) {
        let (mut head, mut guard) = (links.writer.head(), links.continuity.watch());
        let (charter, news) = (links.directory.version(), links.watch.versions());
        let opening = {
            let head = head.borrow_and_update();
            Opening {
                own: links.own.clone(),
                peer: peer.agency.clone(),
                federation: links.federation.to_string(),
                idle: links.idle,
                window: Window::default(),
                charters: links.directory.charters(),
                end: head.end(),
                checkpoint: Arc::clone(&head.checkpoint),
                is_signed: head.is_signed,
                guard: guard_state(*guard.borrow_and_update()),
            }
        };
        (Self { head, charter, guard, news }, opening)
    }

    /// The next change, and another that follows it at once; [`Event::Stop`] when the node ends. Can be dropped and called again.
    pub(super) async fn next(&mut self, links: &Links, wants_news: bool) -> (Event, Option<Event>) {
        let changed = tokio::select! {
            changed = self.head.changed() => match changed {
                Ok(()) => return self.grown(),
                Err(error) => Err(error),
            },
            changed = self.charter.changed() => changed.map(|()| Event::Charters(links.directory.charters())),
            changed = self.guard.changed() => {
                changed.map(|()| Event::Guard(guard_state(*self.guard.borrow_and_update())))
            }
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

fn guard_state(state: State) -> GuardState {
    match state {
        State::Waiting => GuardState::Waiting,
        State::Clear => GuardState::Clear,
        State::SetBack => GuardState::SetBack,
    }
}
