//! Asks adjacent agencies whether their trees begin with what they signed before, and keeps what contradicts as evidence.
//!
//! Invariants:
//! - one question an agency at a time, and [`ASKED`] at most in all, a round every [`node_limits::WATCH_PAUSE`];
//! - who does not answer is asked again: its silence is for audits to find.

use std::time::Duration;

use crate::base::node_limits;
use futures_util::StreamExt as _;
use futures_util::stream;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::charter::Charters;
use sinergi_proto::transparency::audit::answer::NoProof;
use sinergi_proto::transparency::audit::consistency::{ConsistencyCheck, ConsistencyStep};
use sinergi_proto::transparency::evidence::Judge;
use sinergi_proto::wire::{self, accusation::Finding};
use tokio_util::sync::CancellationToken;

use super::EvidenceFolder;
use crate::base::time::now_millis;
use crate::peers::watch::Watch;
use crate::peers::{Peers, Unanswered};
use crate::storage::charters::Directory;

/// Agencies that are asked at a time.
const ASKED: usize = 16;
/// So long what was just shown may be followed by more, which is asked about in one go.
const GATHERING: Duration = Duration::from_millis(100);

/// Why an agency's checkpoints could not be compared with its ledger this time.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error(transparent)]
    NoProof(#[from] NoProof),
}

/// Compares what agencies showed of their ledgers with the ledgers.
#[derive(Clone)]
pub struct CheckpointChecks {
    /// What was seen of other agencies' ledgers.
    watch: Watch,
    /// Whom to ask.
    peers: Peers,
    directory: Directory,
    evidence: EvidenceFolder,
}

impl CheckpointChecks {
    /// Checks what `watch` sees, and keeps what contradicts in `evidence`.
    pub fn new(watch: Watch, peers: Peers, directory: Directory, evidence: EvidenceFolder) -> Self {
        Self { watch, peers, directory, evidence }
    }

    /// Asks until the node stops.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.watch.work() => {}
            }
            tokio::time::sleep(GATHERING).await;
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
            // What came meanwhile, and what was not answered.
            self.watch.look_again();
        }
    }

    async fn ask(&self, agency: &AgencyId, sizes: Vec<u64>) -> Result<(), NoAnswer> {
        let mut recheck = ConsistencyCheck::new(agency.clone(), sizes);
        loop {
            match self.peers.ask(agency, recheck.question()).await {
                Ok(proof) => {
                    if let ConsistencyStep::Shown(tree, beginnings) =
                        recheck.answer(proof, &self.directory.charters())?
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

    /// Keeps what contradicts: both notes, and an alarm.
    async fn keep_found(&self) {
        let found = self.watch.take_found();
        if found.is_empty() {
            return;
        }
        let (evidence, charters) = (self.evidence.clone(), self.directory.charters());
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
