//! The kinds of alarms: how grave each is, and whether it is about an event or about a state.
//!
//! Must not know who raises them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How grave an alarm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Somebody should have a look at it. Nothing is lost.
    Notice,
    /// Something does not work, or looks wrong, and may become worse.
    Warning,
    /// An agency is proven or accused to be dishonest, or this node signs nothing.
    Critical,
}

impl Severity {
    /// The stable name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// The kinds of alarms. The first word of an alarm's topic names its kind.
///
/// An alarm about an *event* stays until the operator confirms it, also over restarts. An alarm about a *state* ends with the state: the part that
/// raised it settles it, and raises it again after a restart if the state lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlarmKind {
    /// An audit or the watch accuses an agency of dishonesty.
    Audit,
    /// Managers, which are agencies, have signed two charters of one version. The rival's file is found at each start.
    RivalCharter,
    /// This node's ledger was set back, and it signs nothing. The guard finds its stored proofs at each start.
    SetBack,
    /// A charter revokes a key of this node, and it signs nothing.
    KeyRevoked,
    /// This node's ledger may be an old copy, and it signs nothing.
    LedgerUnconfirmed,
    /// This node's clock is behind a time that it may have cosigned, so it writes nothing.
    CosignedTime,
    /// This node's clock may be wrong, so it writes nothing.
    Clock,
    /// Another agency's ledger seems set back. Its clock may have been, so it is not accused yet.
    Moved,
    /// Another agency has lost its ledger. Most declare it.
    Reset,
    /// A peer claims to have more of this ledger than there is. It does not prove it.
    Ahead,
    /// A peer passes on entries that nobody signed. Nothing of them is kept.
    Unsigned,
    /// Evidence that accuses of no dishonesty could not be kept.
    Evidence,
    /// A link ends because of the checkpoints that one side shows.
    Checkpoint,
    /// A peer is connected, but one of the two nodes is not ready, so nothing is delivered.
    NotReady,
    /// A peer's checkpoints have carried no time for a day, so its receipts prove none.
    WithoutTime,
    /// Nobody has confirmed this node's clock for a day, so its checkpoints carry no time.
    ClockUnconfirmed,
    /// Without the mark, a backup that is restored may go unnoticed.
    LedgerMark,
    /// Entries do not reach an agency. The store knows for whom there is no link.
    NoRoute,
    /// The charter has expired, so that new offers are declined after a while.
    CharterExpired,
    /// The disk is nearly full, or fills up.
    Disk,
    /// The entries of an author use up its share of this disk.
    Share,
    /// Too many items of a peer wait, so no more of them are kept.
    Deferred,
    /// A peer sends so much that is refused that not all of it is recorded.
    Refused,
    /// A complaint has another holder than was shown before.
    Custody,
    /// A newer charter revokes keys or ended powers, and complaints have entries that it is about.
    JudgedAgain,
    /// A complaint goes back and forth. Its supervisors can end this.
    BackAndForth,
    /// Offers were not answered in time.
    OffersOverdue,
    /// An alarm of another version of this program. It is neither lost nor placed above graver ones.
    Other,
}

impl AlarmKind {
    /// All kinds that this version raises.
    pub const ALL: [Self; 27] = [
        Self::Audit,
        Self::RivalCharter,
        Self::SetBack,
        Self::KeyRevoked,
        Self::LedgerUnconfirmed,
        Self::CosignedTime,
        Self::Clock,
        Self::Moved,
        Self::Reset,
        Self::Ahead,
        Self::Unsigned,
        Self::Evidence,
        Self::Checkpoint,
        Self::NotReady,
        Self::WithoutTime,
        Self::ClockUnconfirmed,
        Self::LedgerMark,
        Self::NoRoute,
        Self::CharterExpired,
        Self::Disk,
        Self::Share,
        Self::Deferred,
        Self::Refused,
        Self::Custody,
        Self::JudgedAgain,
        Self::BackAndForth,
        Self::OffersOverdue,
    ];

    /// The kind of the alarm with this topic.
    pub fn of(topic: &str) -> Self {
        let word = topic.split(' ').next();
        Self::ALL.into_iter().find(|kind| Some(kind.word()) == word).unwrap_or(Self::Other)
    }

    /// The first word of its topics.
    pub const fn word(self) -> &'static str {
        self.row().0
    }

    /// The topic of an alarm of this kind about something: an agency, a complaint.
    pub fn about(self, what: impl fmt::Display) -> String {
        format!("{} {what}", self.word())
    }

    /// How grave alarms of this kind are.
    pub fn severity(self) -> Severity {
        self.row().2
    }

    /// Whether it is about an event, which the operator confirms. Otherwise it is about a state.
    pub fn is_event(self) -> bool {
        matches!(self.row().1, About::Event)
    }

    /// The word, the subject and the severity of each kind.
    const fn row(self) -> (&'static str, About, Severity) {
        use About::{Event, State};
        use Severity::{Critical, Notice, Warning};
        match self {
            Self::Audit => ("audit", Event, Critical),
            Self::RivalCharter => ("rival-charter", State, Critical),
            Self::SetBack => ("set-back", State, Critical),
            Self::KeyRevoked => ("key-revoked", State, Critical),
            Self::LedgerUnconfirmed => ("ledger-unconfirmed", State, Critical),
            Self::CosignedTime => ("cosigned-time", State, Critical),
            Self::Clock => ("clock", State, Critical),
            Self::Moved => ("moved", Event, Warning),
            Self::Reset => ("reset", Event, Warning),
            Self::Ahead => ("ahead", Event, Warning),
            Self::Unsigned => ("unsigned", Event, Warning),
            Self::Evidence => ("evidence", Event, Warning),
            Self::Checkpoint => ("checkpoint", State, Warning),
            Self::NotReady => ("not-ready", State, Warning),
            Self::WithoutTime => ("without-time", State, Warning),
            Self::ClockUnconfirmed => ("clock-unconfirmed", State, Warning),
            Self::LedgerMark => ("ledger-mark", State, Warning),
            Self::NoRoute => ("no-route", State, Warning),
            Self::CharterExpired => ("charter-expired", State, Warning),
            Self::Disk => ("disk", State, Warning),
            Self::Share => ("share", State, Warning),
            Self::Deferred => ("deferred", State, Warning),
            Self::Refused => ("refused", State, Warning),
            Self::Custody => ("custody", Event, Notice),
            Self::JudgedAgain => ("judged-again", Event, Notice),
            Self::BackAndForth => ("back-and-forth", Event, Notice),
            Self::OffersOverdue => ("offers-overdue", State, Notice),
            Self::Other => ("other", Event, Warning),
        }
    }
}

/// The subject of an alarm, see [`AlarmKind`].
#[derive(Clone, Copy)]
enum About {
    Event,
    State,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_names_its_kind_by_its_first_word() {
        for kind in AlarmKind::ALL {
            assert_eq!(AlarmKind::of(kind.word()), kind);
            assert_eq!(AlarmKind::of(&kind.about("kota-bandung forked")), kind);
        }
        for other in ["", "audits kota-bandung", "kota-bandung audit"] {
            assert_eq!(AlarmKind::of(other), AlarmKind::Other);
        }
    }
}
