//! The question of the watch: does an agency's present tree begin with the trees that it signed before.
//!
//! [`Watched::to_ask`](crate::transparency::watch::Watched::to_ask) says which sizes to ask about, and
//! [`Watched::answered`](crate::transparency::watch::Watched::answered) takes what this comes to.

use super::answer::{Answer, NoProof};
use crate::base::ids::AgencyId;
use crate::charter::Charters;
use crate::transparency::watch::{Beginning, Noted};
use crate::wire;

/// A question to one agency, in at most three steps.
#[derive(Clone, Debug)]
pub struct Recheck {
    agency: AgencyId,
    sizes: Vec<u64>,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// All sizes.
    Sizes,
    /// The present tree alone: the agency refused, perhaps because its ledger is shorter than it was.
    Present,
    /// The sizes that the present tree has.
    SizesWithin,
}

/// What an answer leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rechecked {
    /// Ask [`Recheck::question`] again.
    Again,
    /// The present tree, and what it begins with.
    Shown(Box<Noted>, Vec<Beginning>),
}

impl Recheck {
    /// A question to `agency` about these sizes.
    pub fn new(agency: AgencyId, sizes: Vec<u64>) -> Self {
        Self { agency, sizes, step: Step::Sizes }
    }

    /// What to ask.
    pub fn question(&self) -> wire::Prove {
        let sizes = if self.step == Step::Present { Vec::new() } else { self.sizes.clone() };
        wire::Prove { sizes, ..Default::default() }
    }

    /// The agency refused the question; whether to ask [`Recheck::question`] again. The ledger may be shorter now, or begun anew: what it signs
    /// now tells, and how much of it can be asked.
    pub fn refused(&mut self) -> bool {
        let is_first = self.step == Step::Sizes;
        if is_first {
            self.step = Step::Present;
        }
        is_first
    }

    /// The agency answered.
    ///
    /// # Errors
    /// When the answer proves nothing.
    pub fn answer(&mut self, proof: wire::Proof, charters: &Charters) -> Result<Rechecked, NoProof> {
        let answer = Answer::open(proof, &self.agency, charters)?;
        // A tree that is too small is found out by what it signs.
        self.sizes.retain(|size| *size <= answer.tree.checkpoint.size);
        if self.step == Step::Present && !self.sizes.is_empty() {
            self.step = Step::SizesWithin;
            return Ok(Rechecked::Again);
        }
        let beginnings = answer.beginnings(&self.sizes)?;
        Ok(Rechecked::Shown(Box::new(answer.tree), beginnings))
    }
}

#[cfg(test)]
mod tests;
