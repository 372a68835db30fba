//! Asks adjacent agencies for proofs that their trees contain the trees that they signed before, and keeps contradictions as evidence.
//!
//! Must not judge checkpoints: proto's watch does.
//!
//! Invariants:
//! - an agency gets one question at a time, and at most [`ASKED`] agencies are asked at a time; rounds are [`node_limits::WATCH_PAUSE`] apart;
//! - an agency that does not answer is asked again. Its silence is a finding of audits, not of these checks;
//! - while this node may not sign, it asks nobody and keeps no evidence.

use std::time::Duration;

use crate::base::node_limits;
use futures_util::StreamExt as _;
use futures_util::stream;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::charter::Charters;
use sinergi_proto::transparency::audit::answer::NoProof;
use sinergi_proto::transparency::audit::consistency::{ConsistencyCheck, ConsistencyStep};
use sinergi_proto::transparency::evidence::Judge;
use sinergi_proto::transparency::rollback_guard::GuardState;
use sinergi_proto::wire::{self, accusation::Finding};
use tokio_util::sync::CancellationToken;

use super::EvidenceFolder;
use crate::base::time::now_millis;
use crate::peers::watch::Watch;
use crate::peers::{Peers, Unanswered};
use crate::rollback_guard::GuardService;
use crate::storage::charters::CharterStore;

/// Agencies that are asked at a time.
const ASKED: usize = 16;
/// Time to wait after a new checkpoint: further ones that come soon are checked with the same question.
const GATHERING: Duration = Duration::from_millis(100);

/// An agency's checkpoints could not be checked this time.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error(transparent)]
    NoProof(#[from] NoProof),
}

/// Checks the checkpoints of agencies against their ledgers.
#[derive(Clone)]
pub struct CheckpointChecks {
    /// The checkpoints that other agencies signed.
    watch: Watch,
    /// The links over which agencies are asked.
    peers: Peers,
    charter_store: CharterStore,
    guard: GuardService,
    evidence: EvidenceFolder,
}

impl CheckpointChecks {
    /// Checks the checkpoints in `watch` while `guard` lets this node sign, and keeps contradictions in `evidence`.
    pub fn new(
        watch: Watch,
        peers: Peers,
        charter_store: CharterStore,
        guard: GuardService,
        evidence: EvidenceFolder,
    ) -> Self {
        Self { watch, peers, charter_store, guard, evidence }
    }

    /// Asks until the node stops.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.watch.work() => {}
            }
            tokio::time::sleep(GATHERING).await;
            let mut guard = self.guard.watch();
            tokio::select! {
                () = stop.cancelled() => return,
                clear = guard.wait_for(|state| *state == GuardState::Clear) => if clear.is_err() {
                    return;
                },
            }
            self.keep_found().await;
            let to_ask = self.watch.to_ask(self.peers.linked());
            if to_ask.is_empty() {
                continue;
            }
            let round = stream::iter(to_ask).for_each_concurrent(ASKED, |(agency, sizes)| async {
                let of = agency;
                if let Err(error) = self.ask(&of, sizes).await {
                    tracing::debug!(peer = %of, "its checkpoints are unchecked yet: {error}");
                }
            });
            tokio::select! {
                () = stop.cancelled() => return,
                () = round => {}
            }
            self.keep_found().await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(node_limits::WATCH_PAUSE) => {}
            }
            // Checkpoints that came meanwhile, and questions without an answer.
            self.watch.look_again();
        }
    }

    async fn ask(&self, agency: &AgencyId, sizes: Vec<u64>) -> Result<(), NoAnswer> {
        let mut recheck = ConsistencyCheck::new(agency.clone(), sizes);
        loop {
            match self.peers.ask(agency, recheck.question()).await {
                Ok(proof) => {
                    if let ConsistencyStep::Shown(tree, beginnings) =
                        recheck.answer(proof, &self.charter_store.charters())?
                    {
                        self.watch.answered(agency, *tree, beginnings);
                        return Ok(());
                    }
                }
                Err(Unanswered::Refused { .. }) if recheck.refused() => {}
                Err(problem) => return Err(problem.into()),
            }
        }
    }

    /// Keeps each contradiction as evidence (both notes), and raises an alarm.
    async fn keep_found(&self) {
        let found = self.watch.take_found();
        if found.is_empty() {
            return;
        }
        let (evidence, charters) = (self.evidence.clone(), self.charter_store.charters());
        let keep = move || found.into_iter().for_each(|found| keep(&evidence, &charters, found));
        if let Err(error) = tokio::task::spawn_blocking(keep).await {
            tracing::error!(%error, "evidence was not kept; this is a defect of the program, please report it");
        }
    }
}

fn keep(evidence: &EvidenceFolder, charters: &Charters, (agency, finding): (AgencyId, Finding)) {
    let accusation = wire::Accusation { accused: agency.to_string(), finding: Some(finding) };
    match Judge::new(charters).judge(&accusation, now_millis()) {
        Ok(statement) => drop(evidence.keep(&accusation, &statement)),
        Err(error) => {
            tracing::error!(peer = %agency, "its checkpoints contradict each other, and prove nothing: {error}")
        }
    }
}
