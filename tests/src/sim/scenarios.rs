//! Troubles that the protocol cannot withstand yet. A scenario happens only on request (`sim --scenario NAME`). Each has a seed that shows the
//! failure.

use std::fmt;

/// A scenario that breaks an invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// A charter makes an agency an overseer. It does not get the older complaints until they get a new entry, because a change of the
    /// charter sends nothing.
    NewOverseer,
    /// The managers sign two charters with the same version, and each half of the federation uses one of them.
    TwoCharters,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::NewOverseer, Self::TwoCharters];

    /// The name for `--scenario`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NewOverseer => "new-overseer-of-old-complaints",
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
            Self::TwoCharters => (0, "accusations_can_be_judged"),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
