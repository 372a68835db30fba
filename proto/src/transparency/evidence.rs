//! Accusations, and what convinces a stranger of them: judged from signed bytes and the charter alone.
//!
//! Must not know who asks: an auditor judges what it has found by the same code as the reader of an evidence file, so an auditor reports
//! nothing that its file would not show.
//!
//! ```text
//! file.rs    the evidence file: everything that was used, signed by the accuser
//! judge.rs   opens entries, checkpoints, receipts and proofs, and hands an accusation to its rule
//! ledger.rs  forked, rolled back, omitted, back-dated: the accused's signatures contradict each other
//! custody.rs concealed, misreported: what the accused must have known
//! offers.rs  withheld, undelivered, unanswered, unresponsive: what did not happen
//! ```
//!
//! Invariants:
//! - nothing counts that the accused did not sign, or that its own signed tree does not bind;
//! - what did not happen can be stated, never proved: such findings are marked as the accuser's word beside what is proved of them;
//! - an honest agency, whatever its disk, its clock (within the bounds that stop it) and its links do, is never accused of a proven finding.

mod custody;
mod file;
mod judge;
mod ledger;
mod offers;

pub use custody::{HELD, counts_as_held};
pub use file::{Evidence, EvidenceError, Opened, accusations_of};
pub use judge::{Judge, NotProven};

use std::fmt;

use sha2::{Digest, Sha256};

use crate::base::ids::AgencyId;
use crate::wire;

/// What an audit can find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The ledger shows different pasts.
    Forked,
    /// Fewer leaves at a later cosigned time, or a new epoch that was not declared.
    RolledBack,
    /// An acknowledged entry is not where the receipt says.
    Omitted,
    /// A custody entry hides one that its author had.
    Concealed,
    /// An entry pretends to be older than it is.
    BackDated,
    /// An observer did not get an entry.
    Withheld,
    /// An offer did not arrive.
    Undelivered,
    /// An offer was not answered in time.
    Unanswered,
    /// Published figures are too low.
    Misreported,
    /// No proof was given.
    Unresponsive,
}

impl Finding {
    /// Its name in the design, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forked => "forked",
            Self::RolledBack => "rolled_back",
            Self::Omitted => "omitted",
            Self::Concealed => "concealed",
            Self::BackDated => "back_dated",
            Self::Withheld => "withheld",
            Self::Undelivered => "undelivered",
            Self::Unanswered => "unanswered",
            Self::Misreported => "misreported",
            Self::Unresponsive => "unresponsive",
        }
    }

    /// Whether the accused's own signatures prove it; of the others the accuser states what did not happen.
    pub fn is_proven(self) -> bool {
        matches!(self, Self::Forked | Self::RolledBack | Self::Omitted | Self::Concealed | Self::BackDated)
    }

    /// Whether it accuses of dishonesty, so that the operator is alarmed. The others accuse of being late.
    pub fn is_dishonest(self) -> bool {
        self.is_proven() || matches!(self, Self::Withheld | Self::Misreported)
    }

    /// Whether an audit that nobody ordered keeps it. That an agency did not answer proves nothing, and every later audit finds it again.
    pub fn is_news(self) -> bool {
        self != Self::Unresponsive
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A judged accusation, for people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Statement {
    /// What was found.
    pub finding: Finding,
    /// Against whom.
    pub accused: AgencyId,
    /// The complaint, if it is about one, in full.
    pub complaint: Option<String>,
    /// Two sentences of plain language: what the accused said, and what contradicts it.
    pub text: String,
}

/// A name for an accusation: equal for the same accusation with the same proofs.
pub fn accusation_id(accusation: &wire::Accusation) -> [u8; 32] {
    use prost::Message;
    Sha256::digest(accusation.encode_to_vec()).into()
}

#[cfg(test)]
mod tests;
