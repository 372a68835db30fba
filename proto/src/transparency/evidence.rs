//! Accusations and their judge. An accusation is judged from signed bytes and the charter alone, so it convinces a stranger.
//!
//! Must not know who asks. An auditor and the reader of an evidence file use the same judge, so an auditor reports nothing that its evidence
//! file does not show.
//!
//! ```text
//! file.rs       the evidence file: everything that the judge needs, signed by the accuser
//! judge.rs      passes an accusation to its rule
//! parts.rs      opens and verifies entries, checkpoints, receipts and proofs
//! ledger.rs     forked, rolled back, omitted, back-dated: signatures of the accused contradict each other
//! custody.rs    concealed, misreported: the accused must have known better
//! offers.rs     withheld, unsigned, undelivered, unanswered, unresponsive: something did not happen
//! refusals.rs   refused wrongly, deferred for ever: an answer to a delivery that the rules do not give
//! finding_id.rs the id of a finding, by which it is kept once
//! ```
//!
//! Invariants:
//! - bytes count only if the accused signed them, or if its own signed tree binds them;
//! - an omission can be stated but not proved: such findings are marked as the accuser's word;
//! - an honest agency is never accused of a proven finding, whatever happens to its disk, its links, and its clock within the bounds that stop it.

mod custody;
mod file;
mod finding_id;
mod judge;
mod ledger;
mod offers;
mod parts;
mod refusals;

pub use custody::{HELD, counts_as_held};
pub use file::{Evidence, EvidenceError, Opened, Reader, accusations_of};
pub use parts::{Judge, NotProven};

use std::fmt;

use self::finding_id::{Subject, finding_id};
use crate::base::ids::AgencyId;
use crate::wire;

/// The kinds of findings of an audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The accused signed two different pasts of its ledger.
    Forked,
    /// The ledger had fewer leaves at a later cosigned time, or a new epoch was not declared.
    RolledBack,
    /// An acknowledged entry is not at the leaf that the receipt names.
    Omitted,
    /// A custody entry hides another one that its author had.
    Concealed,
    /// An entry is dated earlier than it was written.
    BackDated,
    /// An entry was refused, and the rules do not refuse it.
    RefusedWrongly,
    /// An observer did not get an entry.
    Withheld,
    /// The ledger has an entry without its author's signature.
    Unsigned,
    /// An offer did not arrive.
    Undelivered,
    /// An offer was not answered in time.
    Unanswered,
    /// A published figure is too low.
    Misreported,
    /// The accused gave no proof, or never took an entry.
    Unresponsive,
}

impl Finding {
    const ALL: [Self; 12] = [
        Self::Forked,
        Self::RolledBack,
        Self::Omitted,
        Self::Concealed,
        Self::BackDated,
        Self::RefusedWrongly,
        Self::Withheld,
        Self::Unsigned,
        Self::Undelivered,
        Self::Unanswered,
        Self::Misreported,
        Self::Unresponsive,
    ];

    /// The kind with this [`Self::name`].
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|finding| finding.name() == name)
    }

    /// The stable name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forked => "forked",
            Self::RolledBack => "rolled_back",
            Self::Omitted => "omitted",
            Self::Concealed => "concealed",
            Self::BackDated => "back_dated",
            Self::RefusedWrongly => "refused_wrongly",
            Self::Withheld => "withheld",
            Self::Unsigned => "unsigned",
            Self::Undelivered => "undelivered",
            Self::Unanswered => "unanswered",
            Self::Misreported => "misreported",
            Self::Unresponsive => "unresponsive",
        }
    }

    /// Whether the accused's own signatures prove it. The others rest on the word of the accuser.
    pub fn is_proven(self) -> bool {
        matches!(
            self,
            Self::Forked | Self::RolledBack | Self::Omitted | Self::Concealed | Self::BackDated | Self::RefusedWrongly
        )
    }

    /// Whether it accuses of dishonesty, so that the operator is alarmed. The others accuse of being late.
    pub fn is_dishonest(self) -> bool {
        self.is_proven() || matches!(self, Self::Withheld | Self::Unsigned | Self::Misreported)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A judged accusation, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The id of the finding. It is made of the accused, the kind of finding, and the entries, places or epochs that it is about; see
    /// `finding_id.rs`. It is not made of proofs, so a finding that is found again, by whomever, has the same id.
    pub id: [u8; 32],
    /// The kind of finding.
    pub finding: Finding,
    /// The accused agency.
    pub accused: AgencyId,
    /// The whole id of the complaint, if the finding is about one.
    pub complaint: Option<String>,
    /// Two sentences for people: the statement of the accused, and its contradiction.
    pub text: String,
}

impl Statement {
    /// Whether a scheduled audit keeps this accusation as evidence. That an agency gave no answer proves nothing, and a later audit finds it again.
    pub fn is_worth_keeping(accusation: &wire::Accusation) -> bool {
        !matches!(accusation.finding, Some(wire::accusation::Finding::Unresponsive(_)))
    }

    fn of(accused: &AgencyId, finding: Finding, subject: Subject<'_>, complaint: Option<String>, text: String) -> Self {
        let id = finding_id(accused, finding, subject);
        Self { id, finding, accused: accused.clone(), complaint, text }
    }
}

#[cfg(test)]
mod tests;
