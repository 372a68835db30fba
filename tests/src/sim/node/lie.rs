//! Where a liar deviates: the shell around engine and sessions asks its lie. An honest node has none, and nothing here changes what it does.

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
use sinergi_proto::wire::{self, Frame, entry::Body as Wire};

use super::disk::Waiter;
use super::{ANSWER_WITHIN, Effect, Node, State};
use crate::sim::ledger::Ledger;
use crate::sim::topology::FEDERATION;

/// One deviation of a node, asked by the shell around its engine and sessions. What is not overridden is honest.
pub trait Lie {
    /// What the liar does by itself; asked now and then while it may sign.
    fn acts(&mut self, liar: &Node, now: u64) -> Deed {
        let _ = (liar, now);
        Deed::Nothing
    }

    /// A frame of its session is about to leave: the frames that leave instead.
    fn says(&mut self, liar: &Node, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        let _ = (liar, to);
        vec![frame]
    }

    /// A frame has come: what its session hears instead.
    fn hears(&mut self, liar: &Node, from: &AgencyId, frame: Frame) -> Frame {
        let _ = (liar, from);
        frame
    }

    /// Its ledger was read for a peer: what goes to the peer instead.
    fn delivers(&mut self, liar: &Node, to: &AgencyId, prepared: Prepared) -> Prepared {
        let _ = (liar, to);
        prepared
    }

    /// It is asked about its ledger: what it shows instead of the ledger.
    fn shows(&mut self, liar: &Node, to: &AgencyId, question: &wire::Prove) -> Option<wire::Proof> {
        let _ = (liar, to, question);
        None
    }

    /// Whether it stops when a peer shows that its ledger was set back, or is another one.
    fn heeds_its_guard(&self) -> bool {
        true
    }

    /// Whether the lie has reached somebody who must find it, asked when the run is over.
    fn was_told(&self, liar: &Node, others: &Others<'_>) -> bool;

    /// What must hold in this run beside the invariants of all runs.
    ///
    /// # Errors
    /// What does not hold.
    fn must_hold(&self, liar: &Node, others: &Others<'_>) -> Result<(), Broken> {
        let _ = (liar, others);
        Ok(())
    }
}

/// What a liar does by itself.
pub enum Deed {
    /// Nothing.
    Nothing,
    /// It writes this entry, which it has signed, into its ledger as one of its own.
    Writes(Bytes),
    /// Its operator lodges a complaint.
    Lodges(wire::Lodged),
    /// Its operator gives a command.
    Acts(ComplaintId, Command),
    /// It goes on with this older copy of its ledger, and says so to nobody.
    GoesBack(Box<Ledger>),
}

/// An invariant that does not hold, and what was found.
pub type Broken = (&'static str, String);

/// The honest nodes of a run with one liar.
pub struct Others<'a> {
    nodes: &'a BTreeMap<AgencyId, Node>,
    liar: &'a AgencyId,
}

impl<'a> Others<'a> {
    /// All these nodes but the liar.
    pub fn new(nodes: &'a BTreeMap<AgencyId, Node>, liar: &'a AgencyId) -> Self {
        Self { nodes, liar }
    }

    /// All of them.
    pub fn honest(&self) -> impl Iterator<Item = &'a Node> {
        let liar = self.liar;
        self.nodes.values().filter(move |node| node.id != *liar)
    }

    /// Those that audit the liar: its peers.
    pub fn auditors(&self) -> impl Iterator<Item = &'a Node> {
        let liar = self.liar;
        self.honest().filter(move |node| node.adjacent().contains(liar))
    }
}

impl Node {
    /// A dishonest operator offers a complaint to another from where custody was once: it signs the entry itself and lets its engine take
    /// it for one of its own.
    pub fn go_back(&mut self, complaint: ComplaintId, basis: EntryId, to: &AgencyId, now: u64) {
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
            charter_version: self.charters.newest().version,
            place: Place { epoch: self.ledger.epoch, index: engine.next_leaf() },
            complaint: Some(complaint),
            parents,
            clock,
            content: Vec::new(),
            body: Wire::Forwarded(body),
        };
        let signed = draft.sign(&self.key);
        self.takes_for_its_own(signed.bytes, Waiter::WentBack(signed.id), now);
    }

    /// From now on the node tells this lie.
    pub fn lies(&mut self, lie: Box<dyn Lie>) {
        self.lie = Some(lie);
    }

    /// The lie that it tells.
    pub fn lie(&self) -> Option<&dyn Lie> {
        self.lie.as_deref()
    }

    /// The key with which it signs entries and receipts.
    pub fn entry_key(&self) -> &SigningKey {
        &self.key
    }

    /// Signs checkpoints of its ledger.
    pub fn checkpoint_signer(&self, epoch: Epoch) -> CheckpointSigner {
        self.forged_signer(&self.id, epoch)
    }

    /// Signs checkpoints of another agency's ledger with its own keys.
    pub fn forged_signer(&self, agency: &AgencyId, epoch: Epoch) -> CheckpointSigner {
        let [statement, time] = self.checkpoint_keys.clone();
        CheckpointSigner::new(FEDERATION, agency, epoch, statement, time)
    }

    /// The checkpoint of an agency that a note is, if it verifies.
    pub fn open_checkpoint(&self, note: &[u8], agency: &AgencyId) -> Option<Checkpoint> {
        self.checks.kept(note, agency, &self.charters)
    }

    /// The index of the leaf that it writes next, if it runs.
    pub fn next_leaf(&self) -> Option<LedgerIndex> {
        self.engine.as_ref().map(|engine| engine.next_leaf())
    }

    /// What leaves instead of a frame of the session.
    pub(super) fn said(&mut self, to: &AgencyId, frame: Frame) -> Vec<Frame> {
        match self.lie.take() {
            Some(mut lie) => {
                let said = lie.says(self, to, frame);
                self.lie = Some(lie);
                said
            }
            None => vec![frame],
        }
    }

    /// What the session hears instead of a frame that has come.
    pub(super) fn believed(&mut self, from: &AgencyId, frame: Frame) -> Frame {
        match self.lie.take() {
            Some(mut lie) => {
                let believed = lie.hears(self, from, frame);
                self.lie = Some(lie);
                believed
            }
            None => frame,
        }
    }

    /// What a job comes to instead.
    pub(super) fn bent(&mut self, peer: &AgencyId, done: Done) -> Done {
        match (self.lie.take(), done) {
            (Some(mut lie), Done::Read(prepared)) => {
                let prepared = lie.delivers(self, peer, prepared);
                self.lie = Some(lie);
                Done::Read(prepared)
            }
            (lie, done) => {
                self.lie = lie;
                done
            }
        }
    }

    /// The answer to a question about the own ledger.
    pub(super) fn shown(&mut self, asker: &AgencyId, question: &wire::Prove) -> wire::Proof {
        let lie = self.lie.take();
        let shown = lie.and_then(|mut lie| {
            let shown = lie.shows(self, asker, question);
            self.lie = Some(lie);
            shown
        });
        shown.unwrap_or_else(|| self.prove(asker, question))
    }

    /// Whether it stops when its peers saw another ledger.
    pub(super) fn heeds_its_guard(&self) -> bool {
        self.lie.as_ref().is_none_or(|lie| lie.heeds_its_guard())
    }

    /// Does what the lie does by itself.
    pub(super) fn misbehave(&mut self, now: u64) {
        let Some(mut lie) = self.lie.take() else { return };
        let deed = lie.acts(self, now);
        self.lie = Some(lie);
        match deed {
            Deed::Nothing => {}
            Deed::Writes(signed) => self.takes_for_its_own(signed, Waiter::Nobody, now),
            Deed::Lodges(body) => {
                let lodge = Lodge { body, contents: Vec::new(), external: None, forward: None };
                self.decide(Input::Lodge(Box::new(lodge)), Waiter::Nobody, now);
            }
            Deed::Acts(complaint, command) => {
                let act = Act { complaint, command, text: None };
                self.decide(Input::Act(Box::new(act)), Waiter::Nobody, now);
            }
            Deed::GoesBack(copy) => self.goes_back_to(*copy, now),
        }
    }

    /// The engine takes an entry that was signed outside for one of its own.
    pub(super) fn takes_for_its_own(&mut self, signed_entry: Bytes, waiter: Waiter, now: u64) {
        let header =
            LeafHeader { at: 0, from: None, relays: 0, routes: Vec::new(), unreachable: Vec::new(), external: None };
        let item = wire::Item { signed_entry, ..Default::default() };
        if let Some(received) = self.checks.items(vec![item], &self.charters).pop() {
            let old = OldEntry { header, received };
            self.decide(Input::TakeOver(Box::new(old)), waiter, now);
        }
    }

    /// Goes on with an older copy of the ledger.
    fn goes_back_to(&mut self, copy: Ledger, now: u64) {
        let links: Vec<_> = self.links.iter().map(|(peer, link)| (link.connection, peer.clone())).collect();
        let effects = std::mem::take(&mut self.effects);
        self.crash(false);
        self.effects = effects;
        let ended = links.into_iter().map(|(connection, peer)| Effect::Close(connection, peer, End::Stopped));
        self.effects.extend(ended);
        self.ledger = copy;
        debug_assert_eq!(self.state, State::Down, "it has stopped");
        self.start(now);
    }
}
