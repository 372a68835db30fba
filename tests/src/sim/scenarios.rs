//! What protocol 1 cannot withstand. Each scenario is named after the reason and happens only where it is asked for
//! (`sim --scenario NAME`); its seed shows what goes wrong then.

use std::fmt;

/// A scenario that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// A clock is off by more than five minutes where too few peers contradict it: alone, cut off, or with one peer. What it writes is dated
    /// wrong, and once it is right its own earlier times prove that it dates back.
    FarClock,
    /// An agency that a charter makes an overseer is not given the complaints from before, unless they go on: nothing is sent because a charter
    /// changed.
    NewOverseer,
    /// The operators of an agency put back a copy from before an epoch that they began, do not remember that epoch, and begin it once more: no
    /// peer that they reach has seen it. The agency has signed two ledgers of one epoch.
    ForgottenEpoch,
    /// The managers sign two charters of one version, and each half of the federation goes by one.
    TwoCharters,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::FarClock, Self::NewOverseer, Self::ForgottenEpoch, Self::TwoCharters];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::FarClock => "far-clock-that-nobody-contradicts",
            Self::NewOverseer => "new-overseer-of-old-complaints",
            Self::ForgottenEpoch => "epoch-that-was-begun-and-forgotten",
            Self::TwoCharters => "two-charters-of-one-version",
        }
    }

    /// The scenario with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }

    /// A seed that shows it, and the invariant that does not hold then.
    pub fn shown_by(self) -> (u64, &'static str) {
        match self {
            Self::FarClock => (0, "nobody_honest_is_accused"),
            Self::NewOverseer => (0, "converged"),
            Self::ForgottenEpoch => (539, "nobody_honest_is_accused"),
            Self::TwoCharters => (0, "nothing_honest_is_refused"),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
