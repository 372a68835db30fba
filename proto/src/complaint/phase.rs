//! The phases of the work on a complaint, with their stable names.

use serde::{Deserialize, Serialize};

/// The phase of the work on a complaint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// The complaint was lodged. Nobody has worked on it.
    Received,
    /// The holder has classified it.
    Verified,
    /// The holder works on it.
    InProgress,
    /// The holder has answered the citizen.
    Responded,
    /// The holder has ended the work.
    Resolved,
    /// The citizen was dissatisfied. The work goes on.
    Reopened,
    /// The case has ended.
    Closed,
    /// The case has ended: it was archived on two signatures.
    Archived,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 8] = [
        Self::Received,
        Self::Verified,
        Self::InProgress,
        Self::Responded,
        Self::Resolved,
        Self::Reopened,
        Self::Closed,
        Self::Archived,
    ];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Verified => "verified",
            Self::InProgress => "in_progress",
            Self::Responded => "responded",
            Self::Resolved => "resolved",
            Self::Reopened => "reopened",
            Self::Closed => "closed",
            Self::Archived => "archived",
        }
    }

    /// The phase with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }

    /// Whether the case has ended. Only the citizen's word reopens it.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Closed | Self::Archived)
    }

    /// Whether the holder has work to do.
    pub fn is_open(self) -> bool {
        self != Self::Resolved && !self.is_ended()
    }
}
