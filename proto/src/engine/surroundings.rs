//! What changes around an engine, and what of it the engine was told.
//!
//! Invariant: whoever runs an engine tells it [the news](Surroundings::news) before every other input, so that no decision rests on what was.

use std::sync::Arc;

use super::input::Input;
use crate::charter::Charters;
use crate::transparency::rollback_guard::GuardState;

/// A change of the peers' clocks that the engine need not hear of, in milliseconds: two clocks are never read at once.
const JITTER: u64 = 1_000;

/// What is around an engine now.
#[derive(Clone, Debug)]
pub struct Around {
    /// The charters.
    pub charters: Arc<Charters>,
    /// Whether the node may sign.
    pub guard: GuardState,
    /// By how much the clocks of most peers are ahead of this node's, in milliseconds.
    pub peers_ahead: i64,
}

/// What an engine was told.
#[derive(Clone, Debug)]
pub struct Surroundings {
    told: Around,
}

impl Surroundings {
    /// What an engine knows that was just opened with these charters.
    pub fn of_the_start(charters: Arc<Charters>) -> Self {
        Self { told: Around { charters, guard: GuardState::Waiting, peers_ahead: 0 } }
    }

    /// Whether the node may sign, as far as the engine knows.
    pub fn guard(&self) -> GuardState {
        self.told.guard
    }

    /// What the engine must hear before the next input.
    pub fn news(&mut self, around: Around) -> impl Iterator<Item = Input> + use<> {
        let Around { charters, guard, peers_ahead } = around;
        let told = &mut self.told;
        let guard = (std::mem::replace(&mut told.guard, guard) != guard).then_some(Input::Guard(guard));
        let clocks = (told.peers_ahead.abs_diff(peers_ahead) >= JITTER).then(|| {
            told.peers_ahead = peers_ahead;
            Input::PeerClocks(peers_ahead)
        });
        let charters = (!Arc::ptr_eq(&told.charters, &charters)).then(|| {
            told.charters = Arc::clone(&charters);
            Input::Charters(charters)
        });
        guard.into_iter().chain(clocks).chain(charters)
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
        let mut news = |charters: &Arc<Charters>, guard, peers_ahead| {
            let around = Around { charters: Arc::clone(charters), guard, peers_ahead };
            surroundings
                .news(around)
                .map(|input| format!("{input:?}").chars().take(8).collect())
                .collect::<Vec<String>>()
        };
        assert_eq!(news(&charters, GuardState::Waiting, 999), [""; 0], "two clocks are never read at once");
        assert_eq!(news(&charters, GuardState::Clear, -1_000), ["Guard(Cl", "PeerCloc"]);
        let newer = Arc::new(Charters::clone(&charters));
        assert_eq!(news(&newer, GuardState::Clear, -1_500), ["Charters"]);
        assert_eq!(news(&newer, GuardState::Clear, -1_500), [""; 0]);
    }
}
