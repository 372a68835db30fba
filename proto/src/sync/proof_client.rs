//! The proof client: this node's questions about the peer's ledger.
//!
//! Invariants:
//! - the peer never has more than [`limits::PROVES_OPEN`] open questions, because it would end the link for one more;
//! - a question is answered, or times out after [`limits::PROVE_WITHIN`]. One that has timed out stays open until the peer answers it.

use std::collections::{BTreeMap, VecDeque};

use super::effects::Effects;
use super::end::End;
use super::event::{Action, AskId, Reply};
use super::timers::Timer;
use crate::base::limits;
use crate::wire::{self, frame::Kind};

/// The questions of one link.
#[derive(Clone, Debug, Default)]
pub(super) struct ProofClient {
    /// The number of the last sent question.
    sent: u64,
    /// Questions that wait until the peer has answered others.
    waiting: VecDeque<(Asked, wire::Prove)>,
    /// The peer's open questions, by their number; `None` if the question has timed out.
    open: BTreeMap<u64, Option<Asked>>,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    ask: AskId,
    /// The time at which the question times out, in nanoseconds of the monotonic clock.
    until: u64,
}

impl ProofClient {
    /// Sends a question of this node, or lets it wait.
    pub(super) fn ask(&mut self, ask: AskId, prove: wire::Prove, effects: &mut Effects<'_>) -> Result<(), End> {
        let until = effects.now.after(limits::PROVE_WITHIN);
        self.waiting.push_back((Asked { ask, until }, prove));
        self.send(effects)
    }

    /// Whether there is room for one more question.
    pub(super) fn takes_questions(&self) -> bool {
        self.waiting.len() < limits::PROVES_OPEN
    }

    /// Handles an answer of the peer. An unexpected answer is dropped.
    pub(super) fn answered(&mut self, proof: wire::Proof, effects: &mut Effects<'_>) -> Result<(), End> {
        if let Some(Some(asked)) = self.open.remove(&proof.number) {
            effects.act(Action::Answer(asked.ask, Reply::Proof(proof)));
        }
        self.send(effects)
    }

    /// Times out the questions that were not answered in time.
    pub(super) fn expire(&mut self, effects: &mut Effects<'_>) {
        let now = effects.now.mono_nanos;
        for open in self.open.values_mut() {
            if let Some(asked) = open.take_if(|asked| asked.until <= now) {
                effects.act(Action::Answer(asked.ask, Reply::TimedOut));
            }
        }
        // The oldest question is first, so the loop may stop at the first that has time left.
        while let Some((asked, _)) = self.waiting.front().filter(|(asked, _)| asked.until <= now) {
            effects.act(Action::Answer(asked.ask, Reply::TimedOut));
            self.waiting.pop_front();
        }
        self.set_timer(effects);
    }

    fn send(&mut self, effects: &mut Effects<'_>) -> Result<(), End> {
        while self.open.len() < limits::PROVES_OPEN
            && let Some((asked, prove)) = self.waiting.pop_front()
        {
            self.sent += 1;
            self.open.insert(self.sent, Some(asked));
            effects.send_proof(Kind::Prove(wire::Prove { number: self.sent, ..prove }))?;
        }
        self.set_timer(effects);
        Ok(())
    }

    fn set_timer(&self, effects: &mut Effects<'_>) {
        let open = self.open.values().flatten();
        match open.chain(self.waiting.iter().map(|(asked, _)| asked)).map(|asked| asked.until).min() {
            Some(until) => effects.set(Timer::Question, until),
            None => effects.stop(Timer::Question),
        }
    }
}
