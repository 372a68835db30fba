//! Does what a session says.

use std::sync::Arc;

use futures_util::FutureExt;
use prost::Message;
use sinergi_proto::base::limits;
use sinergi_proto::engine::{ReceiptHeader, SeenHeader};
use sinergi_proto::sync::{Action, Done, Event, Job, JobId, PeerChange, Reply, SideRecord, Warning};

use super::{Runner, Waiter, jobs};
use crate::writer::Submission;

impl Runner<'_> {
    /// Does one action.
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::Start(id, job) => self.start(id, job),
            Action::Store(record) => self.store(record),
            Action::Release(job) => self.rooms.release(job),
            Action::Answer(ask, reply) => match (self.waiters.remove(&ask), reply) {
                // Who asked may have gone.
                (Some(Waiter::Ping(waiter)), Reply::Alive) => drop(waiter.send(())),
                (Some(Waiter::Proof(waiter)), Reply::Proof(proof)) => drop(waiter.send(proof)),
                _ => {}
            },
            Action::Saw(noted) => {
                self.links.watch.take(&self.peer.agency, noted);
            }
            Action::Warn(Warning::Ahead(reason)) => self.links.raise_ahead(self.peer, &reason),
            Action::Warn(Warning::Undeclared(epoch)) => self.links.raise_undeclared(self.peer, epoch),
            Action::Peer(change) => self.note(&change),
            Action::Close(close) => self.closed = Some(close),
        }
    }

    fn start(&mut self, id: JobId, job: Job) {
        let (links, peer) = (self.links, self.peer);
        let mut running = match job {
            Job::LoadPeer => jobs::load_peer(links, peer, id),
            Job::Compare { checkpoint, entry } => jobs::compare(links, peer, id, checkpoint, entry),
            Job::CheckCheckpoints { notes } => jobs::check_checkpoints(links, peer, id, notes),
            Job::Gossip { after } => {
                let (notes, reached) = links.watch.newer_than(after, &peer.agency, limits::GOSSIP_CHECKPOINTS);
                return self.events.push_back(Event::Done(id, Done::Gossip { notes, reached }));
            }
            Job::Reserve { bytes } => jobs::reserve(links, id, bytes, self.rooms.received()),
            Job::Check { items } => jobs::check(links, id, items),
            Job::Commit { cursor, items } => {
                let (submission, running) = jobs::commit(id, peer, cursor, items);
                self.submit(submission);
                running
            }
            Job::SignAck { cursor, results, checkpoint } => {
                jobs::sign_ack(links, peer, id, cursor, results, checkpoint)
            }
            Job::CheckAck(ack) => jobs::check_ack(links, peer, id, ack),
            Job::Read { from, end, give_back } => {
                if let Some(owed) = give_back {
                    self.give_back.get_or_insert_with(|| Arc::new(jobs::give_back(links, owed)));
                }
                jobs::read(links, peer, id, (from, end), self.rooms.sent(), self.give_back.clone())
            }
            Job::Prove(prove) => jobs::prove(links, peer, id, prove),
            Job::Adopt { note } => jobs::adopt(links, peer, id, note),
        };
        // Many a job waits for nothing: there is room, or it only has to be set off.
        match (&mut running).now_or_never() {
            Some(ended) => {
                let event = self.ended(ended);
                self.events.push_back(event);
            }
            None => self.running.push(running),
        }
    }

    fn store(&mut self, record: SideRecord) {
        let peer = self.peer.agency.clone();
        let submission = match record {
            SideRecord::Receipt { at, cursor, refused, ack } => {
                for (entry, code) in &refused {
                    tracing::warn!(%peer, ?entry, code, "the peer refused an entry; see `sinergi refused list`");
                }
                Submission::Receipt(ReceiptHeader { at, peer, cursor, refused }, ack.encode_to_vec())
            }
            SideRecord::Seen { at, note } => Submission::Seen(SeenHeader { at, peer }, note),
        };
        self.submit(submission);
    }

    fn submit(&mut self, submission: Submission) {
        self.events.extend(self.to_writer.submit(submission));
    }

    fn note(&self, change: &PeerChange) {
        self.peer.apply(change);
        match change {
            PeerChange::Heard => self.links.continuity.heard(&self.peer.agency),
            PeerChange::ClockOffset(_) => self.links.check_clock(),
            PeerChange::Linked { protocol, .. } => tracing::info!(peer = %self.peer.agency, protocol, "linked"),
            _ => {}
        }
    }
}
