//! The points where a liar may deviate. The node calls its lie around the engine and the sessions. An honest node has no lie, and nothing
//! here changes its behaviour.

use std::collections::BTreeMap;

use bytes::Bytes;
use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::complaint::Command;
use sinergi_proto::engine::{Act, Input, LeafHeader, Lodge, OldEntry};
use sinergi_proto::entry::{EntryDraft, Place};
use sinergi_proto::routing::outbox::Prepared;
use sinergi_proto::sync::{Done, End};
use sinergi_proto::tlog::checkpoint::{Checkpoint, CheckpointSigner};
use sinergi_proto::transparency::rollback_guard::OwnTree;
use sinergi_proto::wire::{self, Frame, accusation::Finding, entry::Body as Wire};

use super::disk::Waiter;
use super::{ANSWER_WITHIN, Effect, Node, State};
use crate::sim::ledger::Ledger;
use crate::sim::signatures::Signatures;
use crate::sim::topology::FEDERATION;

/// One deviation of a node. The default methods are honest.
pub trait Lie {
    /// The next action of the liar on its own initiative. Called periodically while the node may sign.
    fn on_tick(&mut self, liar: &Node, now: u64) -> LiarAction {
        let _ = (liar, now);
        LiarAction::Nothing
    }

    /// Returns the frames that are sent instead of this frame of the liar's session.
    fn on_send(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        let _ = (liar, to);
        vec![frame]
    }

    /// Returns the frame that the liar's session gets instead of this received frame.
    fn on_receive(&mut self, liar: &Node, from: &AgencyId, frame: Frame) -> Frame {
        let _ = (liar, from);
        frame
    }

    /// Returns the entries that go to a peer instead of these, which were read from the ledger.
    fn on_deliver(&mut self, liar: &Node, to: &AgencyId, prepared: Prepared) -> Prepared {
        let _ = (liar, to);
        prepared
    }

    /// Returns a false answer to a question about the liar's ledger; `None` for the honest answer.
    fn on_question(&mut self, liar: &Node, to: &AgencyId, question: &wire::Prove) -> Option<wire::Proof> {
        let _ = (liar, to, question);
        None
    }

    /// Whether the node stops when a peer shows that its ledger was set back or differs.
    fn obeys_rollback_guard(&self) -> bool {
        true
    }

    /// The agency whose key the liar has stolen, if it has. The managers revoke the key before the faults end.
    fn victim(&self) -> Option<&AgencyId> {
        None
    }

    /// The honest nodes that must find the lie. Called at the end of the run.
    fn must_find<'a>(&self, liar: &Node, honest: &HonestNodes<'a>) -> Vec<&'a Node>;

    /// Whether this sign of a lie is one of this lie, and of nothing else that happened in the run. A lie that harms nobody has no signs.
    fn shows(&self, liar: &Node, sign: Sign<'_>) -> bool {
        let _ = (liar, sign);
        false
    }

    /// Checks further invariants, which hold only in runs with this lie.
    ///
    /// # Errors
    /// The invariant that does not hold.
    fn must_hold(&self, liar: &Node, honest: &HonestNodes<'_>) -> Result<(), Broken> {
        let _ = (liar, honest);
        Ok(())
    }
}

/// A sign by which an honest node may have found a lie.
#[derive(Clone, Copy, Debug)]
pub enum Sign<'a> {
    /// The node keeps evidence with this finding against the liar.
    Finding(&'a Finding),
    /// The node ended a link with the liar, as a lie of this kind demands.
    EndedLink(&'a EndedLink),
}

/// A link with the liar that an honest node ended because of a fault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndedLink {
    /// The honest node.
    pub by: AgencyId,
    /// The number of the connection. No fault of the network had disturbed it.
    pub connection: u64,
    /// The number of the fault code.
    pub code: u32,
    /// Whether the node itself was set back. Such a node ends all its links.
    pub was_set_back: bool,
}

/// An action of a liar on its own initiative.
pub enum LiarAction {
    /// No action.
    Nothing,
    /// It writes this signed entry into its ledger as one of its own.
    WriteEntry(Bytes),
    /// Its operator lodges a complaint.
    Lodge(wire::Lodged),
    /// Its operator gives a command on a complaint.
    Command(ComplaintId, Command),
    /// It continues with this older copy of its ledger, and does not declare it.
    RestoreCopy(Box<Ledger>),
}

/// The name of an invariant that does not hold, and a description of the failure.
pub type Broken = (&'static str, String);

/// The honest nodes of a run with one liar.
pub struct HonestNodes<'a> {
    nodes: &'a BTreeMap<AgencyId, Node>,
    liar: &'a AgencyId,
}

impl<'a> HonestNodes<'a> {
    /// All of these nodes except the liar.
    pub fn new(nodes: &'a BTreeMap<AgencyId, Node>, liar: &'a AgencyId) -> Self {
        Self { nodes, liar }
    }

    /// All honest nodes.
    pub fn all(&self) -> impl Iterator<Item = &'a Node> {
        let liar = self.liar;
        self.nodes.values().filter(move |node| node.id != *liar)
    }

    /// The honest nodes that audit the liar: its peers.
    pub fn auditors(&self) -> impl Iterator<Item = &'a Node> {
        let liar = self.liar;
        self.all().filter(move |node| node.adjacent().contains(liar))
    }
}

impl Node {
    /// A dishonest operator forwards a complaint from an earlier custody step. The engine would reject the command, so the entry is signed
    /// here and the engine admits it as one of its own.
    pub fn forward_from_old_custody(&mut self, complaint: ComplaintId, basis: EntryId, to: &AgencyId, now: u64) {
        // Even the own node refuses an entry under a key that has expired.
        if !self.has_valid_key(now) {
            return;
        }
        let Some(engine) = self.engine.as_ref().filter(|_| self.state == State::Clear) else { return };
        let case = engine.case(&complaint).or_else(|| self.ledger.cases.get(&complaint));
        let Some(case) = case.map(|case| &case.complaint) else { return };
        let (newest, parents) = (case.newest_clock(), case.parents_of_next());
        let Some(clock) = HybridClock::tick(self.wall(now), newest) else { return };
        let answer_by = clock.millis() + ANSWER_WITHIN;
        let reason = wire::ForwardReason::Competence.into();
        let body = wire::Forwarded { basis: basis.0.to_vec(), to: to.to_string(), reason, answer_by };
        let draft = EntryDraft {
            federation: FEDERATION.to_owned(),
            author: self.id.clone(),
            charter: self.charters.newest().name(),
            place: Place { epoch: self.ledger.epoch, index: engine.next_leaf() },
            complaint: Some(complaint),
            parents,
            clock,
            content: Vec::new(),
            body: Wire::Forwarded(body),
        };
        let signed = draft.sign(&self.key);
        self.admit_own_entry(signed.bytes, Waiter::StaleAct(signed.id), now);
    }

    /// Makes the node tell this lie from now on.
    pub fn set_lie(&mut self, lie: Box<dyn Lie>) {
        self.lie = Some(lie);
    }

    /// The lie that the node tells, if any.
    pub fn lie(&self) -> Option<&dyn Lie> {
        self.lie.as_deref()
    }

    /// How this run signs.
    pub fn signatures(&self) -> Signatures {
        self.signatures
    }

    /// The node's key for entries and receipts.
    pub fn entry_key(&self) -> &SigningKey {
        &self.key
    }

    /// A signer of checkpoints of the node's own ledger.
    pub fn checkpoint_signer(&self, epoch: Epoch) -> CheckpointSigner {
        self.forged_signer(&self.id, epoch)
    }

    /// A signer of checkpoints of another agency's ledger, with this node's keys.
    pub fn forged_signer(&self, agency: &AgencyId, epoch: Epoch) -> CheckpointSigner {
        let [statement, time] = self.checkpoint_keys.clone();
        CheckpointSigner::new(FEDERATION, agency, epoch, statement, time)
    }

    /// Opens a note with a checkpoint of an agency. `None` if it does not verify.
    pub fn open_checkpoint(&self, note: &[u8], agency: &AgencyId) -> Option<Checkpoint> {
        self.checks.open_with_any_keys(note, agency, &self.charters)
    }

    /// The index of the leaf that the node writes next, if it runs.
    pub fn next_leaf(&self) -> Option<LedgerIndex> {
        self.engine.as_ref().map(|engine| engine.next_leaf())
    }

    /// The frames that are sent instead of a frame of the session.
    pub(super) fn frames_to_send(&mut self, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        match self.lie.take() {
            Some(mut lie) => {
                let frames = lie.on_send(self, to, frame);
                self.lie = Some(lie);
                frames
            }
            None => vec![frame],
        }
    }

    /// The frame that the session gets instead of a received frame.
    pub(super) fn received_frame(&mut self, from: &AgencyId, frame: Frame) -> Frame {
        match self.lie.take() {
            Some(mut lie) => {
                let received = lie.on_receive(self, from, frame);
                self.lie = Some(lie);
                received
            }
            None => frame,
        }
    }

    /// The result of a job, as the lie changes it.
    pub(super) fn job_result(&mut self, peer: &AgencyId, done: Done) -> Done {
        match (self.lie.take(), done) {
            (Some(mut lie), Done::Read(prepared)) => {
                let prepared = lie.on_deliver(self, peer, prepared);
                self.lie = Some(lie);
                Done::Read(prepared)
            }
            (lie, done) => {
                self.lie = lie;
                done
            }
        }
    }

    /// The answer to a peer's question about the node's ledger.
    pub(super) fn answer_question(&mut self, asker: &AgencyId, question: &wire::Prove) -> wire::Proof {
        let lie = self.lie.take();
        let false_proof = lie.and_then(|mut lie| {
            let shown = lie.on_question(self, asker, question);
            self.lie = Some(lie);
            shown
        });
        false_proof.unwrap_or_else(|| self.prove(asker, question))
    }

    /// Whether the node stops when a peer shows that its ledger was set back or differs.
    pub(super) fn obeys_rollback_guard(&self) -> bool {
        self.lie.as_ref().is_none_or(|lie| lie.obeys_rollback_guard())
    }

    /// From now on the lie takes no more actions on its own initiative. What it has told it still maintains.
    pub fn begin_no_more_lies(&mut self) {
        self.lie_rests = true;
    }

    /// Carries out the lie's next action.
    pub(super) fn misbehave(&mut self, now: u64) {
        if self.lie_rests {
            return;
        }
        let Some(mut lie) = self.lie.take() else { return };
        let action = lie.on_tick(self, now);
        self.lie = Some(lie);
        match action {
            LiarAction::Nothing => {}
            LiarAction::WriteEntry(signed) => self.admit_own_entry(signed, Waiter::Nobody, now),
            LiarAction::Lodge(body) => {
                let lodge = Lodge { body, contents: Vec::new(), external: None, forward: None };
                self.decide(Input::Lodge(Box::new(lodge)), Waiter::Nobody, now);
            }
            LiarAction::Command(complaint, command) => {
                let act = Act { complaint, command, text: None };
                self.decide(Input::Act(Box::new(act)), Waiter::Nobody, now);
            }
            LiarAction::RestoreCopy(copy) => self.restart_with_copy(*copy, now),
        }
    }

    /// The engine admits an entry that was signed outside of it as one of the node's own.
    pub(super) fn admit_own_entry(&mut self, signed_entry: Bytes, waiter: Waiter, now: u64) {
        let header =
            LeafHeader { at: 0, from: None, relays: 0, routes: Vec::new(), unreachable: Vec::new(), external: None };
        let item = wire::Item { signed_entry, ..Default::default() };
        if let Some(received) = self.checks.items(vec![item], &self.charters).pop() {
            let old = OldEntry { header, received };
            self.decide(Input::TakeOver(Box::new(old)), waiter, now);
        }
    }

    /// Restarts with an older copy of the ledger.
    fn restart_with_copy(&mut self, copy: Ledger, now: u64) {
        let links: Vec<_> = self.links.iter().map(|(peer, link)| (link.connection, peer.clone())).collect();
        let effects = std::mem::take(&mut self.effects);
        self.crash(false);
        self.effects = effects;
        let ended = links.into_iter().map(|(connection, peer)| Effect::Close(connection, peer, End::Stopped));
        self.effects.extend(ended);
        self.mark = Some(OwnTree::extent(&copy));
        self.ledger = copy;
        debug_assert_eq!(self.state, State::Down, "a node restarts only after it has stopped");
        self.start(now);
    }
}
