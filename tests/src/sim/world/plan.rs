//! What a run is given, and what it came to.

use std::collections::BTreeSet;
use std::fmt;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sinergi_proto::complaint::Standing;
use sinergi_proto::sync::Window;
use sinergi_proto::transparency::evidence::Finding;

use super::World;
use crate::sim::liars::LieKind;
use crate::sim::node::Broken;
use crate::sim::scenarios::Scenario;

/// What one run is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The most agencies that a plan of this seed may have.
    pub most: usize,
    /// The seed of everything random.
    pub seed: u64,
    /// Agencies.
    pub nodes: usize,
    /// Operations in all.
    pub operations: usize,
    /// Faults in all.
    pub faults: usize,
    /// The lie that one of the agencies tells.
    pub lie: Option<&'static LieKind>,
    /// What happens beside that and cannot be withstood; `None`: nothing.
    pub scenario: Option<Scenario>,
}

impl Plan {
    /// The plan of a seed: 7 agencies mostly, up to `most` now and then; one seed in four has a liar.
    pub fn of(seed: u64, most: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5eed);
        let nodes = if rng.random_ratio(1, 8) { rng.random_range(7..=most.max(7)) } else { rng.random_range(7..=9) };
        let faults = rng.random_range(0..40);
        let lie = rng.random_ratio(1, 4).then(|| LieKind::draw(&mut rng));
        Self { most, seed, nodes, operations: 100 + nodes * 12, faults, lie, scenario: None }
    }

    /// The windows of the links of one node after the other. In half of the runs they are so small that they fill all the time, and those of two
    /// peers differ.
    pub(super) fn windows(self) -> impl FnMut() -> Window {
        let mut rng = StdRng::seed_from_u64(self.seed ^ 0x0f1a);
        move || match self.seed % 2 {
            0 => Window::default(),
            _ => Window { bytes: rng.random_range(512..8192), frames: rng.random_range(1..5) },
        }
    }
}

/// The checks of a run. Each names the invariant that does not hold.
#[derive(Clone, Copy)]
pub struct Invariants {
    /// Hold after every event.
    pub always: fn(&World) -> Result<(), Broken>,
    /// Hold when the network has healed and the time to converge is over.
    pub at_the_end: fn(&World) -> Result<(), Broken>,
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Events.
    pub events: u64,
    /// Entries written by operators and acknowledged.
    pub acknowledged: usize,
    /// Complaints.
    pub complaints: usize,
    /// Entries that were superseded somewhere.
    pub superseded: usize,
    /// Charters that were signed in the middle.
    pub charters: usize,
    /// Ledgers that were set back and recovered.
    pub recovered: usize,
    /// What is proven of agencies that went on with a ledger that was set back.
    pub undeclared: usize,
    /// What became of the lie, if one was told.
    pub told: Option<Told>,
    /// Over everything that happened.
    pub trace: [u8; 32],
}

/// What became of a lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its name.
    pub name: &'static str,
    /// Whether it reached somebody who must find it.
    pub was_told: bool,
    /// What honest nodes keep as evidence against the liar.
    pub findings: BTreeSet<Finding>,
    /// The codes with which they ended links with the liar.
    pub faults: BTreeSet<u32>,
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The plan.
    pub seed: u64,
    /// See [`Plan::most`].
    pub most: usize,
    /// The lie that was told.
    pub lie: Option<&'static str>,
    /// The scenario, if the run had one.
    pub scenario: Option<Scenario>,
    /// Virtual time since the beginning, in milliseconds.
    pub at: u64,
    /// Which.
    pub invariant: &'static str,
    /// What was found.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.at / 1000;
        write!(
            f,
            "seed {} after {seconds} s: {}: {}\n  cargo run --release -p sinergi-tests --bin sim -- --seeds 1 --from {} --most {} --liar {}",
            self.seed,
            self.invariant,
            self.what,
            self.seed,
            self.most,
            self.lie.unwrap_or("none")
        )?;
        self.scenario.map_or(Ok(()), |scenario| write!(f, " --scenario {scenario}"))
    }
}

impl World {
    /// Counts what the run came to.
    pub(super) fn count(&mut self) {
        let mut superseded = BTreeSet::new();
        let mut complaints = BTreeSet::new();
        for case in self.nodes.values().flat_map(|node| node.ledger.cases.values()) {
            complaints.insert(case.complaint.id());
            for (id, _) in case.complaint.timeline() {
                if matches!(case.complaint.standing(&id), Some(Standing::Superseded { .. })) {
                    superseded.insert(id);
                }
            }
        }
        self.report.undeclared = self.found.len();
        (self.report.complaints, self.report.superseded) = (complaints.len(), superseded.len());
        self.report.told = self.told();
    }
}
