//! The question of the watch: does an agency's present tree begin with the trees that it signed before?
//!
//! [`Watched::to_ask`](crate::transparency::watch::Watched::to_ask) names the sizes to ask about.
//! [`Watched::answered`](crate::transparency::watch::Watched::answered) takes the result.
//!
//! Must not know how the question travels.
//!
//! Invariant: a check takes at most three questions.

use super::answer::{Answer, NoProof};
use crate::base::ids::AgencyId;
use crate::charter::Charters;
use crate::transparency::watch::{Prefix, VerifiedCheckpoint};
use crate::wire;

/// A consistency check of one agency's ledger, in at most three questions.
#[derive(Clone, Debug)]
pub struct ConsistencyCheck {
    agency: AgencyId,
    sizes: Vec<u64>,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Asks about all sizes.
    Sizes,
    /// Asks for the present tree alone, because the agency refused the first question. Perhaps its ledger is shorter than it was.
    Present,
    /// Asks about the sizes that are within the present tree.
    SizesWithin,
}

/// The step after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsistencyStep {
    /// Ask [`ConsistencyCheck::question`] again.
    AskAgain,
    /// The check is done: the present tree, and the older trees with which it begins.
    Shown(Box<VerifiedCheckpoint>, Vec<Prefix>),
}

impl ConsistencyCheck {
    /// A check of `agency` for these sizes.
    pub fn new(agency: AgencyId, sizes: Vec<u64>) -> Self {
        Self { agency, sizes, step: Step::Sizes }
    }

    /// The next question.
    pub fn question(&self) -> wire::Prove {
        let sizes = if self.step == Step::Present { Vec::new() } else { self.sizes.clone() };
        wire::Prove { sizes, ..Default::default() }
    }

    /// The agency refused the question. Returns whether to ask [`ConsistencyCheck::question`] again.
    ///
    /// After the first refusal the check asks for the present tree, because the ledger may be shorter now or in a new epoch.
    pub fn refused(&mut self) -> bool {
        let is_first = self.step == Step::Sizes;
        if is_first {
            self.step = Step::Present;
        }
        is_first
    }

    /// Takes the agency's answer.
    ///
    /// # Errors
    /// When the answer proves nothing.
    pub fn answer(&mut self, proof: wire::Proof, charters: &Charters) -> Result<ConsistencyStep, NoProof> {
        let answer = Answer::open(proof, &self.agency, charters)?;
        // Sizes beyond the present tree cannot be proved. The watch compares the smaller tree itself.
        self.sizes.retain(|size| *size <= answer.tree.checkpoint.size);
        if self.step == Step::Present && !self.sizes.is_empty() {
            self.step = Step::SizesWithin;
            return Ok(ConsistencyStep::AskAgain);
        }
        let beginnings = answer.prefixes(&self.sizes)?;
        Ok(ConsistencyStep::Shown(Box::new(answer.tree), beginnings))
    }
}

#[cfg(test)]
mod tests;
