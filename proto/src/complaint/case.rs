//! The case: how far the work is. Never moves custody.

use serde::{Deserialize, Serialize};

use crate::content::reply_code_hash;
use crate::entry::{CaseAct, Lodged};
use crate::wire::{CloseCause, ReplyWord};

/// How far the work on a complaint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Lodged; nobody has worked on it.
    Received,
    /// Classified.
    Verified,
    /// Being worked on.
    InProgress,
    /// The citizen was answered.
    Responded,
    /// The work has ended.
    Resolved,
    /// The citizen was dissatisfied.
    Reopened,
    /// The case has ended.
    Closed,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 7] = [
        Self::Received,
        Self::Verified,
        Self::InProgress,
        Self::Responded,
        Self::Resolved,
        Self::Reopened,
        Self::Closed,
    ];

    /// The stable name, in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Verified => "verified",
            Self::InProgress => "in_progress",
            Self::Responded => "responded",
            Self::Resolved => "resolved",
            Self::Reopened => "reopened",
            Self::Closed => "closed",
        }
    }

    /// The phase with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }
}

/// What the case entries say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseState {
    /// How far the work is.
    pub phase: Phase,
    /// The category, as last classified.
    pub category: String,
    /// Closed neither by silence nor on a reply with the citizen's reply code.
    pub self_closed: bool,
    /// Whether the newest reply carried the citizen's reply code and was not a complaint about the answer.
    reply_proven: bool,
}

impl CaseState {
    /// The case of a new complaint.
    pub fn new(lodged: &Lodged) -> Self {
        Self { phase: Phase::Received, category: lodged.category.clone(), self_closed: false, reply_proven: false }
    }

    /// Applies one case entry that has effect. Entries come in the order of (clock, id).
    pub fn apply(&mut self, act: &CaseAct, lodged: &Lodged) {
        let open = !matches!(self.phase, Phase::Resolved | Phase::Closed);
        match act {
            CaseAct::Recalled => {}
            CaseAct::Verified { category, .. } => {
                if self.phase == Phase::Received {
                    self.phase = Phase::Verified;
                }
                if !category.is_empty() {
                    self.category.clone_from(category);
                }
            }
            CaseAct::Progressed { .. } if open => self.phase = Phase::InProgress,
            CaseAct::Responded if open => self.phase = Phase::Responded,
            CaseAct::Resolved { .. } if self.phase != Phase::Closed => self.phase = Phase::Resolved,
            CaseAct::Progressed { .. } | CaseAct::Responded | CaseAct::Resolved { .. } => {}
            CaseAct::Replied { word, reply_code } => {
                self.reply_proven = !reply_code.is_empty()
                    && reply_code_hash(reply_code) == lodged.reply_code_hash
                    && *word != ReplyWord::Dissatisfied;
                if *word == ReplyWord::Dissatisfied {
                    self.phase = Phase::Reopened;
                    self.self_closed = false;
                }
            }
            CaseAct::Closed { cause } => {
                self.phase = Phase::Closed;
                // A cause that is missing or unknown is no way around the mark.
                self.self_closed = *cause != i32::from(CloseCause::Silence) && !self.reply_proven;
            }
        }
    }
}
