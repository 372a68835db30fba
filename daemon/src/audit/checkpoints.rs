//! Asks adjacent agencies whether their trees begin with what they signed before, and keeps what contradicts as evidence.
//!
//! Invariants:
//! - one question an agency at a time, and [`ASKED`] at most in all, a round every [`limits::WATCH_PAUSE`];
//! - who does not answer is asked again: its silence is for audits to find.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::limits;
use sinergi_proto::transparency::audit::answer::NoProof;
use sinergi_proto::transparency::audit::consistency::{ConsistencyCheck, ConsistencyStep};
use sinergi_proto::transparency::evidence::Judge;
use sinergi_proto::wire::{self, accusation::Finding};

use super::EvidenceFolder;
use crate::base::time::now_millis;
use crate::peers::{Links, Unanswered};

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

/// Asks until the node stops.
pub async fn keep_checking_checkpoints(links: Links, folder: EvidenceFolder) {
    loop {
        tokio::select! {
            () = links.stop.cancelled() => return,
            () = links.watch.work() => {}
        }
        tokio::time::sleep(GATHERING).await;
        keep_found(&links, &folder).await;
        let linked = links.peers.iter().filter(|peer| *peer.linked().borrow()).map(|peer| peer.agency.clone());
        let to_ask = links.watch.to_ask(linked);
        if to_ask.is_empty() {
            continue;
        }
        let round = stream::iter(to_ask).for_each_concurrent(ASKED, |(agency, sizes)| {
            let links = &links;
            async move {
                if let Err(error) = ask(links, &agency, sizes).await {
                    tracing::debug!(peer = %agency, "its checkpoints are unchecked yet: {error}");
                }
            }
        });
        tokio::select! {
            () = links.stop.cancelled() => return,
            () = round => {}
        }
        keep_found(&links, &folder).await;
        tokio::select! {
            () = links.stop.cancelled() => return,
            () = tokio::time::sleep(limits::WATCH_PAUSE) => {}
        }
        // What came meanwhile, and what was not answered.
        links.watch.look_again();
    }
}

async fn ask(links: &Links, agency: &AgencyId, sizes: Vec<u64>) -> Result<(), NoAnswer> {
    let mut recheck = ConsistencyCheck::new(agency.clone(), sizes);
    loop {
        match links.ask(agency, recheck.question()).await {
            Ok(proof) => {
                if let ConsistencyStep::Shown(tree, beginnings) = recheck.answer(proof, &links.directory.charters())? {
                    links.watch.answered(agency, *tree, beginnings);
                    return Ok(());
                }
            }
            Err(Unanswered::Refused { .. }) if recheck.refused() => {}
            Err(problem) => return Err(problem.into()),
        }
    }
}

/// Keeps what contradicts: both notes, and an alarm.
async fn keep_found(links: &Links, folder: &EvidenceFolder) {
    let found = links.watch.take_found();
    if found.is_empty() {
        return;
    }
    let (links, folder) = (links.clone(), folder.clone());
    let kept = tokio::task::spawn_blocking(move || found.into_iter().for_each(|found| keep(&links, &folder, found)));
    if let Err(error) = kept.await {
        tracing::error!(%error, "evidence was not kept; this is a defect of the program, please report it");
    }
}

fn keep(links: &Links, folder: &EvidenceFolder, (agency, finding): (AgencyId, Finding)) {
    let charters = links.directory.charters();
    let accusation = wire::Accusation { accused: agency.to_string(), finding: Some(finding) };
    match Judge::new(&charters).judge(&accusation, now_millis()) {
        Ok(statement) => drop(super::keep(links, folder, &accusation, &statement)),
        Err(error) => {
            tracing::error!(peer = %agency, "its checkpoints contradict each other, and prove nothing: {error}")
        }
    }
}
