//! What changes around an engine, and what of it the engine was told.
//!
//! Invariant: whoever runs an engine tells it [the news](Surroundings::news) before every other input, so that no decision rests on what was.

use std::sync::Arc;

use super::fair_use::DiskSpace;
use super::input::Input;
use super::own_clock::ClockState;
use crate::charter::Charters;
use crate::transparency::rollback_guard::GuardState;

/// What is around an engine now.
#[derive(Clone, Debug)]
pub struct Around {
    /// The charters.
    pub charters: Arc<Charters>,
    /// Whether the node may sign.
    pub guard: GuardState,
    /// The state of this node's wall clock, at the time of the next input.
    pub own_clock: ClockState,
    /// The room on this node's disk.
    pub space: DiskSpace,
}

/// What an engine was told.
#[derive(Clone, Debug)]
pub struct Surroundings {
    told: Around,
}

impl Surroundings {
    /// What an engine knows that was just opened with these charters.
    pub fn of_the_start(charters: Arc<Charters>) -> Self {
        let (own_clock, space) = (ClockState::default(), DiskSpace::default());
        Self { told: Around { charters, guard: GuardState::Waiting, own_clock, space } }
    }

    /// Whether the node may sign, as far as the engine knows.
    pub fn guard(&self) -> GuardState {
        self.told.guard
    }

    /// What the engine must hear before the next input.
    pub fn news(&mut self, around: Around) -> impl Iterator<Item = Input> + use<> {
        let Around { charters, guard, own_clock, space } = around;
        let told = &mut self.told;
        let guard = (std::mem::replace(&mut told.guard, guard) != guard).then_some(Input::Guard(guard));
        let clock = std::mem::replace(&mut told.own_clock, own_clock) != own_clock;
        let clock = clock.then_some(Input::Clock(own_clock));
        let space = (std::mem::replace(&mut told.space, space) != space).then_some(Input::Space(space));
        let charters = (!Arc::ptr_eq(&told.charters, &charters)).then(|| {
            told.charters = Arc::clone(&charters);
            Input::Charters(charters)
        });
        guard.into_iter().chain(clock).chain(space).chain(charters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Federation;

    #[test]
    fn an_engine_hears_of_each_change_once() {
        let charters = Arc::new(Federation::new().charters.clone());
        let mut surroundings = Surroundings::of_the_start(Arc::clone(&charters));
        let mut news = |charters: &Arc<Charters>, guard, is_confirmed| {
            let own_clock = ClockState { is_confirmed, problem: None };
            let space = DiskSpace::default();
            let around = Around { charters: Arc::clone(charters), guard, own_clock, space };
            surroundings
                .news(around)
                .map(|input| format!("{input:?}").chars().take(8).collect())
                .collect::<Vec<String>>()
        };
        assert_eq!(news(&charters, GuardState::Waiting, false), [""; 0], "as at the start");
        assert_eq!(news(&charters, GuardState::Clear, true), ["Guard(Cl", "Clock(Cl"]);
        let newer = Arc::new(Charters::clone(&charters));
        assert_eq!(news(&newer, GuardState::Clear, true), ["Charters"]);
        assert_eq!(news(&newer, GuardState::Clear, true), [""; 0]);
    }
}
