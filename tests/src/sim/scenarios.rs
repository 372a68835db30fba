//! Troubles that the protocol cannot withstand yet. A scenario happens only on request (`sim --scenario NAME`). Each has a seed that shows the
//! failure.

use std::fmt;

/// A scenario that breaks an invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// A charter makes an agency an overseer. It does not get the older complaints until they get a new entry, because a change of the
    /// charter sends nothing.
    NewOverseer,
    /// The operators of an agency begin an epoch, restore a copy from before it, and forget the epoch. No peer that they reach has seen it,
    /// so they begin it again. The agency has signed two ledgers of one epoch.
    ForgottenEpoch,
    /// The managers sign two charters with the same version, and each half of the federation uses one of them.
    TwoCharters,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::NewOverseer, Self::ForgottenEpoch, Self::TwoCharters];

    /// The name for `--scenario`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NewOverseer => "new-overseer-of-old-complaints",
            Self::ForgottenEpoch => "epoch-that-was-begun-and-forgotten",
            Self::TwoCharters => "two-charters-of-one-version",
        }
    }

    /// The scenario with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }

    /// A seed that shows the failure, and the invariant that breaks.
    pub fn shown_by(self) -> (u64, &'static str) {
        match self {
            Self::NewOverseer => (0, "converged"),
            Self::ForgottenEpoch => (3, "nobody_honest_is_accused"),
            Self::TwoCharters => (3, "no_honest_link_is_at_fault"),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
