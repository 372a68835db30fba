//! Whether the node may sign now, and how it declines what it may not do.

use super::{Answer, CommandError, DeliveryError, Engine, Input};
use crate::transparency::rollback_guard::GuardState;

impl Engine {
    /// The reason why the node may not sign now; `None` if it may.
    pub(super) fn may_not_sign(&self) -> Option<CommandError> {
        match self.guard {
            GuardState::SetBack => return Some(CommandError::SetBack),
            GuardState::KeyRevoked => return Some(CommandError::KeyRevoked),
            GuardState::Waiting => return Some(CommandError::PeersNotHeard),
            GuardState::Unconfirmed => return Some(CommandError::LedgerUnconfirmed),
            GuardState::Clear => {}
        }
        if let Some(problem) = self.own_clock.problem {
            return Some(problem.into());
        }
        self.before_cosigned()
    }

    /// Declines an input while the guard is not clear, because peers may have seen another ledger. Peers send their frames again later.
    pub(super) fn decline(&self, input: &Input) -> Answer {
        let error = match self.guard {
            GuardState::SetBack => CommandError::SetBack,
            GuardState::KeyRevoked => CommandError::KeyRevoked,
            GuardState::Unconfirmed => CommandError::LedgerUnconfirmed,
            GuardState::Waiting | GuardState::Clear => CommandError::PeersNotHeard,
        };
        match input {
            Input::Lodge(_) => Answer::Lodged(Err(error)),
            Input::Act(_) => Answer::Acted(Err(error)),
            Input::Witness(_) => Answer::Witnessed(Err(error)),
            Input::Retry(_) => Answer::Retried(Err(error)),
            Input::Declare(_) => Answer::Declared(Err(error)),
            Input::Deliver(_) => Answer::Delivered(Err(DeliveryError::MayNotSign)),
            _ => Answer::Nothing,
        }
    }
}
