//! The parameters of a run, and its results.

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

/// The parameters of a run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The upper limit that the number of agencies was drawn with.
    pub most: usize,
    /// The seed of all random numbers.
    pub seed: u64,
    /// Number of agencies.
    pub nodes: usize,
    /// Number of operators' commands.
    pub operations: usize,
    /// Number of faults.
    pub faults: usize,
    /// The lie that one of the agencies tells.
    pub lie: Option<&'static LieKind>,
    /// A trouble that protocol 1 cannot withstand, if the run has one.
    pub scenario: Option<Scenario>,
}

impl Plan {
    /// The plan of a seed. Most plans have 7 to 9 agencies, and one in eight has up to `most`. One plan in four has a liar.
    pub fn of(seed: u64, most: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5eed);
        let nodes = if rng.random_ratio(1, 8) { rng.random_range(7..=most.max(7)) } else { rng.random_range(7..=9) };
        let faults = rng.random_range(0..40);
        let lie = rng.random_ratio(1, 4).then(|| LieKind::draw(&mut rng));
        Self { most, seed, nodes, operations: 100 + nodes * 12, faults, lie, scenario: None }
    }

    /// Returns a function that gives the window of one node after the other. In half of the runs the windows are so small that they are
    /// often full, and differ between peers.
    pub(super) fn windows(self) -> impl FnMut() -> Window {
        let mut rng = StdRng::seed_from_u64(self.seed ^ 0x0f1a);
        move || match self.seed % 2 {
            0 => Window::default(),
            _ => Window { bytes: rng.random_range(512..8192), frames: rng.random_range(1..5) },
        }
    }
}

/// The checks of a run. Each returns the invariant that does not hold.
#[derive(Clone, Copy)]
pub struct Invariants {
    /// Checks after every event.
    pub always: fn(&World) -> Result<(), Broken>,
    /// Checks when the network has healed and the time to converge is over.
    pub at_the_end: fn(&World) -> Result<(), Broken>,
}

/// The results of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Number of events.
    pub events: u64,
    /// Number of entries of operators that nodes acknowledged.
    pub acknowledged: usize,
    /// Number of complaints.
    pub complaints: usize,
    /// Number of entries that are superseded at some node.
    pub superseded: usize,
    /// Number of charters signed during the run.
    pub charters: usize,
    /// Number of new epochs after a ledger was set back.
    pub recovered: usize,
    /// Number of proven accusations against agencies that continued with a ledger that was set back.
    pub undeclared: usize,
    /// The outcome of the lie, if there was a liar.
    pub lie: Option<LieOutcome>,
    /// Hash over the course of the run.
    pub trace: [u8; 32],
}

/// The outcome of a lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LieOutcome {
    /// The name of the lie.
    pub name: &'static str,
    /// Whether the lie reached a node that must find it.
    pub is_detectable: bool,
    /// The findings against the liar of which honest nodes keep evidence.
    pub findings: BTreeSet<Finding>,
    /// The fault codes with which honest nodes ended links with the liar.
    pub faults: BTreeSet<u32>,
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed of the run.
    pub seed: u64,
    /// See [`Plan::most`].
    pub most: usize,
    /// The lie of the run, if it had one.
    pub lie: Option<&'static str>,
    /// The scenario of the run, if it had one.
    pub scenario: Option<Scenario>,
    /// Virtual time since the start of the run, in milliseconds.
    pub at: u64,
    /// The name of the invariant.
    pub invariant: &'static str,
    /// Description of the failure.
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
    /// Fills in the figures of the report.
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
        self.report.undeclared = self.findings.len();
        (self.report.complaints, self.report.superseded) = (complaints.len(), superseded.len());
        self.report.lie = self.lie_outcome();
    }
}
