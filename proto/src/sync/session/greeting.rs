//! The greeting: what follows the two Hellos until the link is up. Both sides pass on charters, show their clocks with pings, and send Ready when
//! they may sign.
//!
//! Invariants:
//! - charters and clocks are exchanged whatever the ledgers and checkpoints are, so that two honest nodes never lock each other out;
//! - nothing is taken and no receipt is signed before this node may sign, because other peers may have seen more of its ledger;
//! - nothing is delivered before the peer has shown a valid checkpoint.

use std::time::Duration;

use super::{Phase, Ready, Session};
use crate::base::cursor::Cursor;
use crate::base::ids::Epoch;
use crate::base::limits;
use crate::base::refusal::FaultCode;
use crate::routing::outbox::GiveBack;
use crate::sync::charters;
use crate::sync::effects::Effects;
use crate::sync::end::End;
use crate::sync::event::{Action, GiveBackRange, PeerChange, Warning};
use crate::sync::give_backs::GiveBackReason;
use crate::sync::handshake;
use crate::sync::peer_checkpoints::OwnShown;
use crate::sync::reception::Reception;
use crate::sync::timers::Timer;
use crate::transparency::rollback_guard::GuardState;
use crate::wire::frame::Kind;

/// A link that does not come up in this time is made anew, so that both sides show again what they have seen of each other.
pub(super) const READY_WITHIN: Duration = Duration::from_secs(10 * 60);
/// The longest time that this side waits for the newer charters that the peer has said to have.
pub(in crate::sync) const CHARTERS_WITHIN: Duration = Duration::from_secs(30);

impl Session {
    pub(super) fn received_hello(&mut self, kind: Option<Kind>, effects: &mut Effects<'_>) -> Result<(), End> {
        self.handshake.received(kind, &self.config, effects)?;
        self.keepalive.begin(effects);
        if self.peer_has_newer_charters() {
            effects.set(Timer::Charters, effects.now.after(CHARTERS_WITHIN));
        }
        // Charters are passed on without condition. Even a node that is set back gets them.
        let passed_on = self.handshake.stored().passed_on;
        charters::pass_on(&self.config.charters, self.handshake.theirs(), passed_on, effects)
    }

    pub(super) fn received_in_greeting(&mut self, kind: Option<Kind>, effects: &mut Effects<'_>) -> Result<(), End> {
        match kind {
            Some(Kind::Ping(ping)) => self.keepalive.pinged(&ping, effects),
            Some(Kind::Charter(charter)) => {
                self.charters.received(charter.note, &self.config.charters, effects)?;
                self.wait_for_charters(effects);
            }
            Some(Kind::ListRequest(request)) => {
                self.charters.list_server().asked(&request, &self.config.charters, effects)?;
                effects.set(Timer::Shown, effects.now.after(READY_WITHIN));
            }
            Some(Kind::ListPart(part)) => {
                self.charters.list_part(part, effects)?;
                self.wait_for_charters(effects);
            }
            Some(Kind::Ready(ready)) => {
                let Phase::Greeting { theirs, .. } = &mut self.phase else { return Ok(()) };
                if *theirs != Ready::Awaited {
                    return Err(End::unexpected("a second Ready"));
                }
                *theirs = Ready::Checking;
                self.gossip_receiver.shown_in_ready(ready.checkpoint, effects);
            }
            Some(Kind::Fault(fault)) => return Err(End::by_peer(&fault)),
            Some(_) => return Err(End::unexpected("another frame before both sides are ready")),
            // A peer of a later version may send a kind of frame that this version does not know.
            None => {}
        }
        Ok(())
    }

    /// Sends Ready when this node may sign, and begins to deliver when both sides are ready.
    pub(super) fn greet(&mut self, effects: &mut Effects<'_>) -> Result<(), End> {
        let Phase::Greeting { is_ready, .. } = self.phase else { return Ok(()) };
        if self.handshake.is_leaving() {
            return Ok(());
        }
        if self.guard == GuardState::SetBack {
            return self.handshake.leave(handshake::set_back(), &self.config, effects);
        }
        if self.waits_for_charters(effects) {
            return Ok(());
        }
        if let Some(shown) = self.held.take() {
            self.judge_ready(&shown, effects)?;
        }
        let Phase::Greeting { theirs, .. } = self.phase else { return Ok(()) };
        let is_ready = is_ready
            || self.guard == GuardState::Clear
                && self.gossip_sender.send_ready(self.delivery.end().index, &self.config, effects)?;
        match theirs {
            Ready::Accepted(epoch) if is_ready => self.begin(epoch, effects),
            _ => {
                self.phase = Phase::Greeting { is_ready, theirs };
                Ok(())
            }
        }
    }

    /// Judges the peer's own checkpoints that have come.
    pub(super) fn checkpoints_shown(&mut self, own: Vec<OwnShown>, effects: &mut Effects<'_>) -> Result<(), End> {
        if self.is_linked() {
            self.gossip_receiver.store_held(effects);
            let is_behind = self.lacks_a_charter();
            for shown in &own {
                self.peer_checkpoints.judge_newest(shown, is_behind)?;
                self.own_shown(shown, effects);
            }
            return Ok(());
        }
        let shown = own.into_iter().next().unwrap_or_default();
        if !self.waits_for_charters(effects) {
            return self.judge_ready(&shown, effects);
        }
        self.held = Some(shown);
        self.note_theirs(Ready::Held);
        Ok(())
    }

    /// Judges the checkpoint in the peer's Ready.
    fn judge_ready(&mut self, shown: &OwnShown, effects: &mut Effects<'_>) -> Result<(), End> {
        let epoch = self.peer_checkpoints.judge_ready(shown, self.lacks_a_charter())?;
        self.note_shown(shown, effects);
        self.note_theirs(Ready::Accepted(epoch));
        Ok(())
    }

    fn note_theirs(&mut self, now: Ready) {
        if let Phase::Greeting { theirs, .. } = &mut self.phase {
            *theirs = now;
        }
    }

    /// Gives charters and lists that are coming more time, however slow the link is.
    fn wait_for_charters(&self, effects: &mut Effects<'_>) {
        if self.awaits_charters() {
            effects.set(Timer::Shown, effects.now.after(READY_WITHIN));
            self.handshake.wait_for_charters(effects);
        }
    }

    /// Whether newer charters of the peer are on their way. One of them may revoke the key of this node's own checkpoint, or list the key of the
    /// peer's.
    fn waits_for_charters(&self, effects: &Effects<'_>) -> bool {
        // The peer may deliver as soon as it has this side's Ready.
        if matches!(self.phase, Phase::Greeting { is_ready: true, .. }) {
            return false;
        }
        self.awaits_charters() || (effects.is_set(Timer::Charters) && !self.charters.has_come())
    }

    /// Takes an accepted checkpoint of the peer's own ledger on a link that is up.
    pub(super) fn own_shown(&mut self, shown: &OwnShown, effects: &mut Effects<'_>) {
        self.note_shown(shown, effects);
        effects.set(Timer::Shown, effects.now.after(limits::CHECKPOINT_WITHIN));
    }

    /// Whether the peer goes by a charter that this node lacks. A peer that names another charter passes its own on, so the name alone does not
    /// count.
    pub(super) fn lacks_a_charter(&self) -> bool {
        self.handshake.names_another_charter(&self.config) && self.charters.has_come()
    }

    /// Begins to deliver and to read. The peer's ledger is in this epoch.
    fn begin(&mut self, epoch: Epoch, effects: &mut Effects<'_>) -> Result<(), End> {
        self.phase = Phase::Linked { since: effects.now.mono_nanos };
        effects.note(PeerChange::Linked);
        let stored = self.handshake.stored();
        self.reception = Reception::new(stored.received, self.config.window);
        let give_back = self.give_back_range(epoch);
        if let Some(GiveBackRange { epoch, .. }) = give_back
            && stored.reset.is_none_or(|(declared, _)| declared != epoch)
        {
            effects.act(Action::Warn(Warning::Undeclared(epoch)));
        }
        self.gossip_receiver.store_held(effects);
        self.gossip_sender.begin(stored.gossiped, effects);
        effects.set(Timer::Shown, effects.now.after(limits::CHECKPOINT_WITHIN));
        self.undelivered = Some(give_back);
        Ok(())
    }

    /// Begins to deliver on a link that has just come up. What a peer is given back has to wait if it was given back everything too often.
    pub(super) fn begin_to_deliver(&mut self, effects: &mut Effects<'_>) -> Result<(), End> {
        let Some(give_back) = self.undelivered else { return Ok(()) };
        let stored = self.handshake.stored();
        // Receipts of an earlier epoch prove nothing about the peer's present ledger. So the peer gets everything again, and receipts it.
        let are_present = give_back.is_none_or(|range| stored.receipted_in >= Some(range.epoch));
        let receipted = stored.receipted.filter(|_| are_present);
        if let Some(reason) = self.gives_back_because(give_back, receipted) {
            let wait = stored.gave_back.wait(reason, effects.now.wall_millis);
            if !wait.is_zero() {
                effects.set(Timer::GiveBack, effects.now.after(wait));
                return Ok(());
            }
            effects.note(PeerChange::GivesBack(reason));
        }
        self.undelivered = None;
        self.delivery.begin(self.handshake.have(), receipted, give_back, effects)
    }

    /// Why the peer gets entries once more that it has acknowledged, if it does. `receipted`: what it has acknowledged in its present epoch.
    fn gives_back_because(
        &self,
        give_back: Option<GiveBackRange>,
        receipted: Option<Cursor>,
    ) -> Option<GiveBackReason> {
        let own = self.delivery.end().epoch;
        let have = self.handshake.have().filter(|have| have.epoch >= own);
        let claims_less = receipted.is_some_and(|receipted| receipted.epoch == own && have < Some(receipted));
        match give_back {
            _ if claims_less => Some(GiveBackReason::Less),
            Some(range) => Some(GiveBackReason::Epoch(range.epoch)),
            None => None,
        }
    }

    /// Whether the peer passes on a charter that this node lacks. Only that charter may list the keys of its receipts, and the link is made anew
    /// when the charter comes into force.
    pub(super) fn awaits_charters(&self) -> bool {
        self.peer_has_newer_charters() && self.charters.may_change()
    }

    fn peer_has_newer_charters(&self) -> bool {
        self.handshake.theirs().charter_version > self.config.charters.newest().version
    }

    /// The entries that came from the peer before its ledger began a new epoch, if it has. They are sent back to it.
    fn give_back_range(&self, shown: Epoch) -> Option<GiveBackRange> {
        let (reset, size) = (self.handshake.stored().reset, self.delivery.end().index);
        GiveBack::range(shown, reset, size).map(|(epoch, before)| GiveBackRange { epoch, before })
    }

    /// Reports whether the peer's checkpoints have a time, if this is a change.
    fn note_shown(&mut self, shown: &OwnShown, effects: &mut Effects<'_>) {
        if let Some(has_time) = self.peer_checkpoints.has_time(shown) {
            effects.note(PeerChange::Shown { has_time });
        }
    }
}

/// The end of a link on which one of the two sides did not get ready. This is no fault: its node waits for its peers or for its operator.
pub(super) fn not_ready() -> End {
    let reason = format!("one of the two nodes was not ready within {} s: link again", READY_WITHIN.as_secs());
    End::Fault(FaultCode::Superseded, reason)
}
