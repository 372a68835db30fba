//! Proofs about ledgers: what the peer asks about ours is answered off the async threads, in the order of its questions; what we ask is
//! matched with the peer's answers.
//!
//! Invariant: at most [`limits::PROVES_WAITING`] questions of a peer are worked on at a time, over however many links they came.

use std::fmt::Display;
use std::sync::Arc;

use sinergi_proto::limits;
use sinergi_proto::refusal::FaultCode;
use sinergi_proto::wire::{self, frame::Kind};

use super::{LinkError, Session};
use crate::link::peer::Question;
use crate::prover;

impl Session<'_> {
    /// The peer asks about our ledger.
    pub(super) fn prove(&mut self, prove: wire::Prove) -> Result<(), LinkError> {
        if self.proving.len() >= limits::PROVES_WAITING {
            let reason = format!("more than {} questions about our ledger at a time", limits::PROVES_WAITING);
            return Err(LinkError::Fault(FaultCode::LimitExceeded, reason));
        }
        let (links, asker, room) = (self.links.clone(), self.peer.agency.clone(), Arc::clone(&self.peer.proving));
        self.proving.push_back(Box::pin(async move {
            let broken = |error: &dyn Display| LinkError::Broken(error.to_string());
            // What was asked over a link that has ended may still be worked on: it counts until then.
            let room = room.acquire_owned().await.map_err(|error| broken(&error))?;
            let answer = move || {
                let _until_it_is_answered = room;
                prover::answer(&links, &asker, prove)
            };
            tokio::task::spawn_blocking(answer).await.map_err(|error| broken(&error))
        }));
        Ok(())
    }

    /// We ask about the peer's ledger.
    pub(super) fn ask(&mut self, question: Question) -> Result<(), LinkError> {
        let Question { mut prove, answer } = question;
        self.asked += 1;
        prove.number = self.asked;
        self.questions.retain(|_, waiting| !waiting.is_closed());
        self.questions.insert(prove.number, answer);
        self.say(Kind::Prove(prove))
    }

    /// The peer answers. An answer that nobody waits for any more is dropped.
    pub(super) fn proved(&mut self, proof: wire::Proof) {
        if let Some(answer) = self.questions.remove(&proof.number) {
            drop(answer.send(proof));
        }
    }
}
