//! Carries out the actions of a session.
//!
//! Must not decide which actions are taken: the session does.

use std::sync::Arc;

use futures_util::FutureExt;
use prost::Message;
use sinergi_proto::base::ids::Epoch;
use sinergi_proto::base::limits;
use sinergi_proto::base::refusal::FaultCode;
use sinergi_proto::engine::{ReceiptHeader, SeenHeader};
use sinergi_proto::routing::unsettled::UnsettledItem;
use sinergi_proto::sync::{Action, Done, End, Event, Job, JobId, PeerChange, Reply, SideRecord, Signed, Warning};

use super::{Runner, Waiter, jobs};
use crate::base::alarms::AlarmKind;
use crate::base::time::now_millis;
use crate::writer::Submission;

impl Runner<'_> {
    /// Carries out one action.
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::Start(id, job) => self.start(id, job),
            Action::Store(record) => self.store(record),
            Action::Release(job) => self.rooms.release(job),
            Action::Answer(ask, reply) => match (self.waiters.remove(&ask), reply) {
                // This fails only if the caller has gone.
                (Some(Waiter::Ping(waiter)), Reply::Alive) => drop(waiter.send(())),
                (Some(Waiter::Proof(waiter)), Reply::Proof(proof)) => drop(waiter.send(proof)),
                _ => {}
            },
            Action::Saw(noted) => {
                self.parts.watch.take(&self.peer.agency, noted);
            }
            Action::Warn(Warning::Ahead(reason)) => self.raise_ahead(&reason),
            Action::Warn(Warning::Undeclared(epoch)) => self.raise_undeclared(epoch),
            Action::Peer(change) => self.note(&change),
            Action::Close(close) => {
                self.tell_of_checkpoint(&close.end);
                self.closed = Some(close);
            }
        }
    }

    fn start(&mut self, id: JobId, job: Job) {
        let (parts, peer) = (self.parts, self.peer);
        let mut running = match job {
            Job::LoadPeer => jobs::load_peer(&parts.outgoing, &parts.watch, peer, id),
            Job::Compare { checkpoint, entry } => jobs::compare(&parts.guard, peer, id, checkpoint, entry),
            Job::CheckCheckpoints { notes } => jobs::check_checkpoints(&parts.incoming, &parts.watch, peer, id, notes),
            Job::Gossip { after } => {
                let (notes, reached) = parts.watch.newer_than(after, &peer.agency, limits::GOSSIP_CHECKPOINTS);
                let own = {
                    let head = parts.writer.head();
                    let head = head.borrow();
                    Signed { size: head.size, note: Arc::clone(&head.checkpoint) }
                };
                return self.events.push_back(Event::Done(id, Done::Gossip { own, notes, reached }));
            }
            Job::Reserve { bytes } => jobs::reserve(&parts.incoming, id, bytes, self.rooms.received()),
            Job::Check { items } => jobs::check(&parts.incoming, id, items),
            Job::Commit { cursor, items } => {
                let (submission, running) = jobs::commit(id, peer, cursor, items);
                self.submit(submission);
                running
            }
            Job::SignAck { cursor, results, checkpoint } => {
                jobs::sign_ack(&parts.receipts, peer, id, cursor, results, checkpoint)
            }
            Job::CheckAck(ack) => jobs::check_ack(&parts.receipts, peer, id, ack),
            Job::Read { from, end, give_back } => {
                if let Some(owed) = give_back {
                    self.give_back.get_or_insert_with(|| Arc::new(parts.outgoing.give_back(owed)));
                }
                jobs::read(&parts.outgoing, peer, id, (from, end), self.rooms.sent(), self.give_back.clone())
            }
            Job::Prove(prove) => jobs::prove(&parts.proofs, peer, id, prove),
            Job::Adopt { note, list } => jobs::adopt(&parts.adoption, peer, id, note, list),
        };
        // Many jobs end at once, because there is room, or because they only start something. So this polls the job once.
        match (&mut running).now_or_never() {
            Some(ended) => {
                let event = self.ended(ended);
                self.events.push_back(event);
            }
            None => self.running.push(running),
        }
    }

    /// Raises an alarm that the peer claims, without proof, to have more of this ledger than there is. The node keeps signing: only a
    /// checkpoint or an entry that it has signed itself stops it.
    fn raise_ahead(&self, reason: &str) {
        let agency = &self.peer.agency;
        let text = format!(
            "{agency}: {reason}, and does not prove it. If this node's folder was restored from a copy, stop it and put back the newest one, or run `sinergi recover`; otherwise the peer is wrong"
        );
        self.parts.alarms.raise(format!("ahead {agency}"), text);
    }

    /// Raises an alarm that the peer has begun an epoch of its ledger. The declaration in the first leaf of the epoch replaces the alarm.
    fn raise_undeclared(&self, epoch: Epoch) {
        let agency = &self.peer.agency;
        let text = format!("{agency} has begun epoch {epoch} of its ledger and has not declared why: ask it");
        self.parts.alarms.raise(format!("reset {agency}"), text);
    }

    /// Tells the operator that the link ends because of the checkpoint of one of the two sides.
    fn tell_of_checkpoint(&self, end: &End) {
        let agency = &self.peer.agency;
        let (code, reason, is_ours) = match end {
            End::Fault(code, reason) => (Some(*code), reason, false),
            End::ByPeer { code, reason } => (FaultCode::from_number(*code), reason, true),
            _ => return,
        };
        let Some(code @ (FaultCode::NoCheckpoint | FaultCode::CheckpointTime | FaultCode::CharterBehind)) = code else {
            return;
        };
        if code == FaultCode::NoCheckpoint && !is_ours {
            self.peer.note(|state| state.no_checkpoint = Some((now_millis(), reason.clone())));
        }
        let advice = match (code, is_ours) {
            (FaultCode::CheckpointTime, _) => "until both clocks are right nothing is delivered",
            (FaultCode::CharterBehind, _) => {
                "one of the two nodes lacks a charter: compare them with `sinergi charter show`"
            }
            (_, true) => "it does not accept this node's checkpoints: compare both charters, and ask its operator",
            (_, false) => "nothing is delivered: ask its operator. `sinergi audit` states this as a finding",
        };
        let text = format!("the link with {agency} ended: {reason}. {code}: {advice}");
        self.parts.alarms.raise(AlarmKind::Checkpoint.about(agency), text);
    }

    fn store(&mut self, record: SideRecord) {
        let peer = self.peer.agency.clone();
        let submission = match record {
            SideRecord::Receipt { at, answer, ack } => {
                for UnsettledItem { entry, code, .. } in answer.unsettled.iter().filter(|item| item.is_refused) {
                    tracing::warn!(%peer, ?entry, code, "the peer refused an entry, which is sent again; see `sinergi refused list`");
                }
                Submission::Receipt(ReceiptHeader::of(peer, at, answer), ack.encode_to_vec())
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
            PeerChange::Heard => self.parts.guard.heard(&self.peer.agency),
            PeerChange::Linked => {
                tracing::info!(peer = %self.peer.agency, "linked");
                self.parts.alarms.settle(&AlarmKind::Checkpoint.about(&self.peer.agency));
            }
            _ => {}
        }
    }
}
