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
    /// Event, critical: an audit or the watch accuses an agency of dishonesty.
    Audit,
    /// State, critical: managers, which are agencies, have signed two charters of one version. The rival's file is found at each start.
    RivalCharter,
    /// State, critical: this node's ledger was set back, and it signs nothing. The guard finds its stored proofs at each start.
    SetBack,
    /// State, critical: this node's ledger may be an old copy, and it signs nothing.
    LedgerUnconfirmed,
    /// State, critical: this node's clock is behind a time that it may have cosigned, so it writes nothing.
    CosignedTime,
    /// State, critical: this node's clock may be wrong, so it writes nothing.
    Clock,
    /// Event, warning: another agency's ledger seems set back. Its clock may have been, so it is not accused yet.
    Moved,
    /// Event, warning: another agency has lost its ledger. Most declare it.
    Reset,
    /// Event, warning: a peer claims to have more of this ledger than there is. It does not prove it.
    Ahead,
    /// Event, warning: a peer passes on entries that nobody signed. Nothing of them is kept.
    Unsigned,
    /// Event, warning: evidence that accuses of no dishonesty could not be kept.
    Evidence,
    /// State, warning: a link ends because of the checkpoints that one side shows.
    Checkpoint,
    /// State, warning: a peer is connected, but one of the two nodes is not ready, so nothing is delivered.
    NotReady,
    /// State, warning: a peer's checkpoints have carried no time for a day, so its receipts prove none.
    WithoutTime,
    /// State, warning: nobody has confirmed this node's clock for a day, so its checkpoints carry no time.
    ClockUnconfirmed,
    /// State, warning: without the mark, a backup that is restored may go unnoticed.
    LedgerMark,
    /// State, warning: entries do not reach an agency. The store knows for whom there is no link.
    NoRoute,
    /// State, warning: the charter has expired, so that new offers are declined after a while.
    CharterExpired,
    /// State, warning: a link is held until deferred items are settled.
    Deferred,
    /// State, warning: a peer sends so much that is refused that not all of it is recorded.
    Refused,
    /// Event, notice: a complaint has another holder than was shown before.
    Custody,
    /// Event, notice: a complaint goes back and forth. Its supervisors can end this.
    BackAndForth,
    /// State, notice: offers were not answered in time.
    OffersOverdue,
    /// Event, warning: an alarm of another version of this program. It is neither lost nor placed above graver ones.
    Other,
}

impl AlarmKind {
    /// All kinds that this version raises.
    pub const ALL: [Self; 23] = [
        Self::Audit,
        Self::RivalCharter,
        Self::SetBack,
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
        Self::Deferred,
        Self::Refused,
        Self::Custody,
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
        match self {
            Self::Audit => "audit",
            Self::RivalCharter => "rival-charter",
            Self::SetBack => "set-back",
            Self::LedgerUnconfirmed => "ledger-unconfirmed",
            Self::CosignedTime => "cosigned-time",
            Self::Clock => "clock",
            Self::Moved => "moved",
            Self::Reset => "reset",
            Self::Ahead => "ahead",
            Self::Unsigned => "unsigned",
            Self::Evidence => "evidence",
            Self::Checkpoint => "checkpoint",
            Self::NotReady => "not-ready",
            Self::WithoutTime => "without-time",
            Self::ClockUnconfirmed => "clock-unconfirmed",
            Self::LedgerMark => "ledger-mark",
            Self::NoRoute => "no-route",
            Self::CharterExpired => "charter-expired",
            Self::Deferred => "deferred",
            Self::Refused => "refused",
            Self::Custody => "custody",
            Self::BackAndForth => "back-and-forth",
            Self::OffersOverdue => "offers-overdue",
            Self::Other => "other",
        }
    }

    /// The topic of an alarm of this kind about something: an agency, a complaint.
    pub fn about(self, what: impl fmt::Display) -> String {
        format!("{} {what}", self.word())
    }

    /// How grave alarms of this kind are.
    pub fn severity(self) -> Severity {
        match self {
            Self::Audit
            | Self::RivalCharter
            | Self::SetBack
            | Self::LedgerUnconfirmed
            | Self::CosignedTime
            | Self::Clock => Severity::Critical,
            Self::Moved
            | Self::Reset
            | Self::Ahead
            | Self::Unsigned
            | Self::Evidence
            | Self::Checkpoint
            | Self::NotReady
            | Self::WithoutTime
            | Self::ClockUnconfirmed
            | Self::LedgerMark
            | Self::NoRoute
            | Self::CharterExpired
            | Self::Deferred
            | Self::Refused
            | Self::Other => Severity::Warning,
            Self::Custody | Self::BackAndForth | Self::OffersOverdue => Severity::Notice,
        }
    }

    /// Whether it is about an event, which the operator confirms. Otherwise it is about a state.
    pub fn is_event(self) -> bool {
        match self {
            Self::Audit
            | Self::Moved
            | Self::Reset
            | Self::Ahead
            | Self::Unsigned
            | Self::Evidence
            | Self::Custody
            | Self::BackAndForth
            | Self::Other => true,
            Self::RivalCharter
            | Self::SetBack
            | Self::LedgerUnconfirmed
            | Self::CosignedTime
            | Self::Clock
            | Self::Checkpoint
            | Self::NotReady
            | Self::WithoutTime
            | Self::ClockUnconfirmed
            | Self::LedgerMark
            | Self::NoRoute
            | Self::CharterExpired
            | Self::Deferred
            | Self::Refused
            | Self::OffersOverdue => false,
        }
    }
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
