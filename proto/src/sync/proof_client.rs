//! Questions of this node about the peer's ledger.
//!
//! Invariants:
//! - the peer never has more than [`limits::PROVES_OPEN`] of them to answer, as it would end the link for one more;
//! - a question is answered, or given up after [`limits::PROVE_WITHIN`]. One that was given up still counts until the peer answers it.

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
    /// How many were sent.
    sent: u64,
    /// Those that wait until the peer has answered others.
    waiting: VecDeque<(Asked, wire::Prove)>,
    /// Those that the peer has, by their number; `None`: given up.
    open: BTreeMap<u64, Option<Asked>>,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    ask: AskId,
    /// When it is given up, in nanoseconds of the clock that only goes forward.
    until: u64,
}

impl ProofClient {
    /// Somebody on this node asks.
    pub(super) fn ask(&mut self, ask: AskId, prove: wire::Prove, effects: &mut Effects<'_>) -> Result<(), End> {
        let until = effects.now.after(limits::PROVE_WITHIN);
        self.waiting.push_back((Asked { ask, until }, prove));
        self.send(effects)
    }

    /// Whether one more may ask.
    pub(super) fn takes_questions(&self) -> bool {
        self.waiting.len() < limits::PROVES_OPEN
    }

    /// The peer answers. An answer that nobody waits for is dropped.
    pub(super) fn answered(&mut self, proof: wire::Proof, effects: &mut Effects<'_>) -> Result<(), End> {
        if let Some(Some(asked)) = self.open.remove(&proof.number) {
            effects.act(Action::Answer(asked.ask, Reply::Proof(proof)));
        }
        self.send(effects)
    }

    /// Gives up what was not answered in time.
    pub(super) fn expire(&mut self, effects: &mut Effects<'_>) {
        let now = effects.now.mono_nanos;
        for open in self.open.values_mut() {
            if let Some(asked) = open.take_if(|asked| asked.until <= now) {
                effects.act(Action::Answer(asked.ask, Reply::TimedOut));
            }
        }
        // The oldest come first.
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
            effects.send(Kind::Prove(wire::Prove { number: self.sent, ..prove }))?;
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
