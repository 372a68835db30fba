//! Whether this node's wall clock can be trusted.
//!
//! A wall clock may be wrong by years, and may jump. A node that dates entries by a wrong clock writes what its peers do not take, and a node that
//! signs a wrong time into a checkpoint makes its later entries look back-dated. So the clock is compared with three things: the clocks of the
//! peers, the times in the own ledger, and the clock of the machine that counts from its start and never jumps.
//!
//! Must not read a clock: the time is always an argument.
//!
//! Invariants:
//! - neither one of several peers nor half of them can contradict the clock, keep it from being confirmed, or confirm it after a jump;
//! - a jump shows at the next reading, before anything is dated by it.

use crate::base::clock::Now;
use crate::base::ids::AgencyId;
use crate::base::limits;

use super::peer_clocks::{PeerClocks, PeersOnClock};

/// The wall clock of this node, with what is known of it.
#[derive(Clone, Debug)]
pub struct OwnClock {
    peers: PeerClocks,
    /// The newest time in the own ledger at the start, in milliseconds since 1970; 0 if there is none.
    newest_in_ledger: u64,
    /// When the clock was last confirmed, or first plausible. `None`: it was neither since the start.
    trusted: Option<Trusted>,
}

/// A moment at which the clock was trusted.
#[derive(Clone, Copy, Debug)]
struct Trusted {
    /// The wall clock less the clock that only goes forward, in milliseconds. While both advance together, this stays the same.
    lead: i64,
    confirmed: Option<ConfirmedBy>,
}

/// Who confirmed the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConfirmedBy {
    Peers,
    Operator,
}

/// The clock as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockState {
    /// Whether the clock is confirmed, so that checkpoints carry its time.
    pub is_confirmed: bool,
    /// The reason why nothing may be dated by the clock; `None` if it may.
    pub problem: Option<ClockProblem>,
}

/// The reason why nothing may be dated by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockProblem {
    /// Most of the peers that were heard contradict it.
    #[error(
        "this node's clock differs by {ahead} s from most of its peers' clocks, at most {} s are allowed: set the clock (NTP). If the peers are \
         wrong, run `sinergi confirm clock TIME` with the time on a clock that you trust",
        limits::CLOCK_AHEAD.as_secs()
    )]
    PeersDiffer {
        /// How far the peers' clocks are ahead, in seconds.
        ahead: i64,
    },
    /// It jumped, and nobody has confirmed it since.
    #[error(
        "this node's clock jumped by {by} s: set the clock (NTP). If it is right now, wait for a peer that agrees, or run `sinergi confirm clock TIME` with the time on a \
         clock that you trust"
    )]
    Jumped {
        /// How far it jumped ahead, in seconds.
        by: i64,
    },
    /// It is far from the newest time in the ledger, and nobody has confirmed it since the start.
    #[error(
        "this node's clock is {after} s after the newest time in its ledger: set the clock (NTP). If it is right, wait for a peer that agrees, \
         or run `sinergi confirm clock TIME` with the time on a clock that you trust"
    )]
    Implausible {
        /// How long after the newest time in the ledger it is, in seconds; negative if it is before.
        after: i64,
    },
}

impl OwnClock {
    /// The clock of a node that starts now. `newest_in_ledger` is the newest time in its ledger, in milliseconds since 1970; 0 if there is none.
    pub fn of_a_start(newest_in_ledger: u64, now: Now) -> Self {
        let mut clock = Self { peers: PeerClocks::default(), newest_in_ledger, trusted: None };
        // From now on, a jump shows.
        let _ = clock.state(now);
        clock
    }

    /// A peer's clock is `offset` milliseconds ahead of this node's wall clock now.
    pub fn heard(&mut self, peer: &AgencyId, offset: i64, now: Now) {
        self.peers.heard(peer, offset, now);
    }

    /// The operator says that the clock is right now.
    pub fn confirm(&mut self, now: Now) {
        self.trusted = Some(Trusted { lead: now.lead_millis(), confirmed: Some(ConfirmedBy::Operator) });
    }

    /// The wall clock, if it is confirmed, in milliseconds since 1970.
    pub fn confirmed_time(&mut self, now: Now) -> Option<u64> {
        self.state(now).is_confirmed.then_some(now.wall_millis)
    }

    /// The clock as it is now.
    pub fn state(&mut self, now: Now) -> ClockState {
        let lead = now.lead_millis();
        let opinion = self.peers.opinion(now);
        match opinion {
            // After a jump, more than half of the peers must agree. Without a jump, half of them are enough.
            PeersOnClock::Agree { are_most } if are_most || self.goes_on(lead) => self.confirmed_by_peers(lead),
            PeersOnClock::Differ { ahead } => {
                if !self.trusted.is_some_and(|trusted| trusted.is_of_operator(lead)) {
                    self.trusted = self.trusted.map(|trusted| Trusted { confirmed: None, ..trusted });
                    let problem = Some(ClockProblem::PeersDiffer { ahead: ahead / 1000 });
                    return ClockState { is_confirmed: false, problem };
                }
            }
            PeersOnClock::Agree { .. } | PeersOnClock::Undecided => {}
        }
        let Some(trusted) = self.trusted else {
            let after = signed(now.wall_millis).saturating_sub(signed(self.newest_in_ledger));
            if self.newest_in_ledger > 0 && !is_plausible(after) {
                let problem = Some(ClockProblem::Implausible { after: after / 1000 });
                return ClockState { is_confirmed: false, problem };
            }
            self.trusted = Some(Trusted { lead, confirmed: None });
            return ClockState { is_confirmed: false, problem: None };
        };
        let by = lead.saturating_sub(trusted.lead);
        ClockState {
            is_confirmed: trusted.confirmed.is_some() && trusted.advances_with(lead),
            problem: trusted.jumped_to(lead).then_some(ClockProblem::Jumped { by: by / 1000 }),
        }
    }
}

impl OwnClock {
    /// Whether the clock has not jumped since it was trusted.
    fn goes_on(&self, lead: i64) -> bool {
        self.trusted.is_some_and(|trusted| !trusted.jumped_to(lead))
    }

    /// The operator's word stays beside that of the peers: it holds when they change their minds.
    fn confirmed_by_peers(&mut self, lead: i64) {
        if !self.trusted.is_some_and(|trusted| trusted.is_of_operator(lead)) {
            self.trusted = Some(Trusted { lead, confirmed: Some(ConfirmedBy::Peers) });
        }
    }
}

impl Trusted {
    fn jumped_to(self, lead: i64) -> bool {
        u128::from(lead.abs_diff(self.lead)) > limits::CLOCK_AHEAD.as_millis()
    }

    /// Whether both clocks have advanced together since.
    fn advances_with(self, lead: i64) -> bool {
        u128::from(lead.abs_diff(self.lead)) <= limits::CLOCK_STEP.as_millis()
    }

    fn is_of_operator(self, lead: i64) -> bool {
        self.confirmed == Some(ConfirmedBy::Operator) && self.advances_with(lead)
    }
}

/// Whether a clock may be right that is `after` milliseconds after the newest time in the ledger.
fn is_plausible(after: i64) -> bool {
    let millis = |bound: std::time::Duration| i64::try_from(bound.as_millis()).unwrap_or(i64::MAX);
    (-millis(limits::CLOCK_AHEAD)..=millis(limits::LEDGER_SILENT)).contains(&after)
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::agency;

    const WALL: i64 = 1_764_000_000_000;
    const SECOND: i64 = 1_000;
    const MINUTE: i64 = 60 * SECOND;
    const DAY: i64 = 24 * 60 * MINUTE;
    const RIGHT: ClockState = ClockState { is_confirmed: true, problem: None };
    const UNCONFIRMED: ClockState = ClockState { is_confirmed: false, problem: None };

    /// `passed` milliseconds after the start, with a wall clock that is `ahead` of the right time.
    fn at(passed: i64, ahead: i64) -> Now {
        let wall_millis = u64::try_from(WALL + passed + ahead).expect("after 1970");
        Now { wall_millis, mono_nanos: u64::try_from(passed).expect("after the start") * 1_000_000 }
    }

    fn problem(problem: ClockProblem) -> ClockState {
        ClockState { is_confirmed: false, problem: Some(problem) }
    }

    /// A clock whose ledger was written until now.
    fn clock() -> OwnClock {
        started(at(0, 0))
    }

    /// A clock whose node starts at this time, and whose ledger was written until [`WALL`].
    fn started(now: Now) -> OwnClock {
        OwnClock::of_a_start(u64::try_from(WALL).expect("after 1970"), now)
    }

    /// A clock that a peer confirmed at the start.
    fn confirmed() -> OwnClock {
        let mut clock = clock();
        clock.heard(&agency("prov-jabar"), 0, at(0, 0));
        assert_eq!(clock.state(at(0, 0)), RIGHT);
        clock
    }

    #[test]
    fn a_clock_that_nobody_confirms_stops_no_work_and_is_not_cosigned() {
        let mut clock = clock();
        assert_eq!(clock.state(at(0, 0)), UNCONFIRMED);
        assert_eq!(clock.state(at(30 * DAY, 0)), UNCONFIRMED);
    }

    #[test]
    fn a_confirmed_clock_stays_so_for_weeks_while_it_advances_with_the_machine() {
        let mut clock = confirmed();
        assert_eq!(clock.state(at(30 * DAY, 9 * SECOND)), RIGHT);
        assert_eq!(clock.state(at(30 * DAY, 11 * SECOND)), UNCONFIRMED);
        assert_eq!(clock.state(at(30 * DAY, 0)), RIGHT, "it went back to where it was confirmed");
    }

    #[test]
    fn a_jump_stops_authoring_until_somebody_confirms_the_clock() {
        for ahead in [6 * MINUTE, 30 * DAY, -6 * MINUTE] {
            let mut clock = confirmed();
            let later = at(20 * MINUTE, ahead);
            assert_eq!(clock.state(later), problem(ClockProblem::Jumped { by: ahead / SECOND }));
            let mut asked = clock.clone();
            clock.confirm(later);
            assert_eq!(clock.state(later), RIGHT, "by the operator");
            asked.heard(&agency("prov-jabar"), 0, later);
            assert_eq!(asked.state(later), RIGHT, "by a peer");
        }
    }

    #[test]
    fn small_jumps_add_up() {
        let mut clock = confirmed();
        assert_eq!(clock.state(at(20 * MINUTE, 4 * MINUTE)), UNCONFIRMED);
        assert_eq!(clock.state(at(21 * MINUTE, 8 * MINUTE)), problem(ClockProblem::Jumped { by: 8 * 60 }));
    }

    #[test]
    fn most_peers_contradict_a_confirmed_clock_but_not_the_operator() {
        let mut clock = confirmed();
        let contradict = |clock: &mut OwnClock, now: Now| {
            for peer in ["prov-jabar", "kemendagri"] {
                clock.heard(&agency(peer), 20 * MINUTE, now);
            }
        };
        contradict(&mut clock, at(MINUTE, 0));
        assert_eq!(clock.state(at(MINUTE, 0)), problem(ClockProblem::PeersDiffer { ahead: 20 * 60 }));
        assert_eq!(clock.state(at(20 * MINUTE, 0)), UNCONFIRMED, "the contradiction is over, the confirmation too");
        clock.confirm(at(21 * MINUTE, 0));
        contradict(&mut clock, at(22 * MINUTE, 0));
        assert_eq!(clock.state(at(22 * MINUTE, 0)), RIGHT);
        contradict(&mut clock, at(23 * MINUTE, MINUTE));
        let differs = problem(ClockProblem::PeersDiffer { ahead: 20 * 60 });
        assert_eq!(clock.state(at(23 * MINUTE, MINUTE)), differs, "the clock is another one since the operator looked");
    }

    #[test]
    fn half_of_the_peers_do_not_confirm_a_jump() {
        let mut clock = confirmed();
        let later = at(MINUTE, 30 * DAY);
        let hears = |clock: &mut OwnClock, peer: &str, ahead: i64| clock.heard(&agency(peer), ahead, later);
        hears(&mut clock, "prov-jabar", -30 * DAY);
        hears(&mut clock, "kemendagri", 0);
        assert_eq!(clock.state(later), problem(ClockProblem::Jumped { by: 30 * DAY / SECOND }), "one echoes the clock");
        hears(&mut clock, "ksp", 0);
        assert_eq!(clock.state(later), RIGHT, "most say that it was set right");
    }

    #[test]
    fn peers_that_agree_for_a_while_do_not_undo_the_operators_word() {
        let mut clock = confirmed();
        clock.confirm(at(0, 0));
        let says = |clock: &mut OwnClock, ahead: [i64; 2], now: Now| {
            ["prov-jabar", "kemendagri"]
                .iter()
                .zip(ahead)
                .for_each(|(peer, ahead)| clock.heard(&agency(peer), ahead, now));
            clock.state(now)
        };
        assert_eq!(says(&mut clock, [0, 20 * MINUTE], at(MINUTE, 0)), RIGHT);
        assert_eq!(says(&mut clock, [20 * MINUTE, 20 * MINUTE], at(2 * MINUTE, 0)), RIGHT);
    }

    #[test]
    fn one_peer_alone_neither_confirms_a_far_clock_nor_stops_it() {
        let mut clock = confirmed();
        clock.heard(&agency("prov-jabar"), 20 * MINUTE, at(MINUTE, 0));
        assert_eq!(clock.state(at(MINUTE, 0)), RIGHT);
    }

    #[test]
    fn a_clock_that_does_not_fit_the_ledger_waits_for_a_confirmation() {
        for (ahead, fits) in
            [(-5 * MINUTE, true), (-6 * MINUTE, false), (7 * DAY, true), (8 * DAY, false), (-WALL, false)]
        {
            let now = at(0, ahead);
            let mut clock = started(now);
            let implausible = problem(ClockProblem::Implausible { after: ahead / SECOND });
            assert_eq!(clock.state(now), if fits { UNCONFIRMED } else { implausible }, "{ahead}");
            clock.confirm(now);
            assert_eq!(clock.state(now), RIGHT);
        }
        assert_eq!(
            OwnClock::of_a_start(0, at(0, -WALL)).state(at(0, -WALL)),
            UNCONFIRMED,
            "an empty ledger says nothing"
        );
    }

    #[test]
    fn a_clock_that_did_not_fit_is_trusted_as_soon_as_it_is_set() {
        let mut clock = started(at(0, 30 * DAY));
        assert!(clock.state(at(0, 30 * DAY)).problem.is_some());
        assert_eq!(clock.state(at(MINUTE, 0)), UNCONFIRMED);
        assert_eq!(clock.state(at(9 * DAY, 0)), UNCONFIRMED, "a ledger may be silent while the node runs");
    }
}
