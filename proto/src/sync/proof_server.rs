//! The proof server: the peer's questions about this node's ledger.
//!
//! Invariants:
//! - questions are answered in the order in which they came;
//! - a peer with more than [`limits::PROVES_OPEN`] open questions ends the link.

use super::effects::Effects;
use super::end::End;
use super::event::Job;
use super::jobs::{InOrder, JobId};
use crate::base::limits;
use crate::wire::{self, frame::Kind};

/// The questions that are being answered.
#[derive(Clone, Debug, Default)]
pub(super) struct ProofServer {
    answering: InOrder<(), wire::Proof>,
}

impl ProofServer {
    /// Handles a question of the peer.
    pub(super) fn asked(&mut self, prove: wire::Prove, effects: &mut Effects<'_>) -> Result<(), End> {
        if self.answering.len() >= limits::PROVES_OPEN {
            let reason = format!("more than {} questions about our ledger at a time", limits::PROVES_OPEN);
            return Err(End::over_limit(reason));
        }
        self.answering.push(effects.start(Job::Prove(prove)), ());
        Ok(())
    }

    /// Handles an answer that is ready: sends it when it is its turn.
    pub(super) fn proved(&mut self, job: JobId, proof: wire::Proof, effects: &mut Effects<'_>) -> Result<(), End> {
        self.answering.done(job, proof);
        while let Some(((), proof)) = self.answering.pop() {
            effects.send_proof(Kind::Proof(proof))?;
        }
        Ok(())
    }
}
