//! The history of a case: its entries in the order of (clock, id), each with the state after it.
//!
//! A late entry is judged at its position in the order. The entries after it are judged again until a state comes out as it was before.
//! Usually that is at once.
//!
//! Must not know what entries say: the caller passes the function that judges.
//!
//! Invariant: the states are the same as if all entries had been judged in order from the first.

use std::collections::BTreeMap;

use super::timeline::TimelineKey;
use super::{CaseState, NoEffect};
use crate::base::ids::EntryId;

/// The outcome of an entry, and the state after it.
#[derive(Clone, Debug)]
struct Step {
    outcome: Result<(), NoEffect>,
    after: CaseState,
}

/// The entries of a case with their states.
#[derive(Clone, Debug)]
pub(super) struct CaseHistory {
    begin: CaseState,
    steps: BTreeMap<TimelineKey, Step>,
}

impl CaseHistory {
    /// A case without entries.
    pub(super) fn new(begin: CaseState) -> Self {
        Self { begin, steps: BTreeMap::new() }
    }

    /// The state after all entries.
    pub(super) fn now(&self) -> &CaseState {
        self.steps.values().next_back().map_or(&self.begin, |step| &step.after)
    }

    /// The outcome of an entry. `None` if the entry is not in the history.
    pub(super) fn outcome(&self, key: &TimelineKey) -> Option<&Result<(), NoEffect>> {
        self.steps.get(key).map(|step| &step.outcome)
    }

    /// Adds an entry. Returns the number of entries that were judged.
    ///
    /// `judge` computes the state after an entry from the state before it.
    pub(super) fn insert(
        &mut self,
        key: TimelineKey,
        judge: impl Fn(&CaseState, &EntryId) -> Result<CaseState, NoEffect>,
    ) -> usize {
        let before = self.steps.range(..key).next_back().map_or(&self.begin, |(_, step)| &step.after);
        let step = take(before, judge(before, &key.1));
        let changes_nothing = step.after == *before;
        let mut state = step.after.clone();
        self.steps.insert(key, step);
        let mut judged = 1;
        if changes_nothing {
            return judged;
        }
        for (key, step) in self.steps.range_mut((std::ops::Bound::Excluded(key), std::ops::Bound::Unbounded)) {
            let again = take(&state, judge(&state, &key.1));
            let settled = again.after == step.after;
            *step = again;
            judged += 1;
            if settled {
                break;
            }
            state.clone_from(&step.after);
        }
        judged
    }

    /// Judges all entries again. Needed when the custody path has changed.
    pub(super) fn judge_again(&mut self, judge: impl Fn(&CaseState, &EntryId) -> Result<CaseState, NoEffect>) {
        let mut state = self.begin.clone();
        for (key, step) in &mut self.steps {
            *step = take(&state, judge(&state, &key.1));
            state.clone_from(&step.after);
        }
    }
}

fn take(before: &CaseState, judged: Result<CaseState, NoEffect>) -> Step {
    match judged {
        Ok(after) => Step { outcome: Ok(()), after },
        Err(reason) => Step { outcome: Err(reason), after: before.clone() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::HybridClock;
    use crate::complaint::Phase;
    use crate::entry::{ContentClass, Lodged};

    fn begin() -> CaseState {
        CaseState::new(&Lodged {
            kind: 1,
            category: String::new(),
            area: String::new(),
            class: ContentClass::Public,
            citizen_key: None,
        })
    }

    fn key(millis: u64) -> TimelineKey {
        (HybridClock::new(millis, 0), EntryId([u8::try_from(millis).expect("small"); 32]))
    }

    /// Each entry counts one more, except that entry 5 sets the count to 0 and entry 7 has no effect.
    fn judge(state: &CaseState, id: &EntryId) -> Result<CaseState, NoEffect> {
        let mut next = state.clone();
        match id.0[0] {
            7 => return Err(NoEffect::NotSelfClosed),
            5 => (next.reopened, next.phase) = (0, Phase::Reopened),
            _ => next.reopened += 1,
        }
        Ok(next)
    }

    #[test]
    fn a_late_entry_costs_as_many_steps_as_it_changes() {
        let mut history = CaseHistory::new(begin());
        for millis in [2, 3, 5, 6, 7, 8] {
            assert_eq!(history.insert(key(millis), judge), 1, "the newest costs one step");
        }
        assert_eq!(
            history.insert(key(1), judge),
            4,
            "the entry itself, two after it, and the one that sets the count to 0"
        );
        assert_eq!(history.insert(key(0), |state, _| Ok(state.clone())), 1, "it changes nothing");
        let mut whole = CaseHistory::new(begin());
        for millis in [0, 1, 2, 3, 5, 6, 7, 8] {
            whole.insert(key(millis), |state, id| if id.0[0] == 0 { Ok(state.clone()) } else { judge(state, id) });
        }
        assert_eq!(history.now(), whole.now());
        assert_eq!(history.outcome(&key(7)), Some(&Err(NoEffect::NotSelfClosed)));
        history.judge_again(|state, id| if id.0[0] == 0 { Ok(state.clone()) } else { judge(state, id) });
        assert_eq!(history.now(), whole.now());
    }
}
