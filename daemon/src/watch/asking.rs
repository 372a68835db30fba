//! Asks adjacent agencies whether their trees begin with what they signed before, and keeps what contradicts as evidence.
//!
//! Invariants:
//! - one question an agency at a time, and [`ASKED`] at most in all, a round every [`limits::WATCH_PAUSE`];
//! - who does not answer is asked again: its silence is for audits to find.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use sinergi_proto::evidence::Judge;
use sinergi_proto::ids::AgencyId;
use sinergi_proto::limits;
use sinergi_proto::wire::{self, accusation::Finding};

use crate::answer::{Answer, NoAnswer};
use crate::audit::{self, EvidenceFolder};
use crate::link::{Links, Unanswered};
use crate::time::now_millis;

/// Agencies that are asked at a time.
const ASKED: usize = 16;
/// So long what was just shown may be followed by more, which is asked about in one go.
const GATHERING: Duration = Duration::from_millis(100);

/// Asks until the node stops.
pub async fn run(links: Links, folder: EvidenceFolder) {
    loop {
        tokio::select! {
            () = links.stop.cancelled() => return,
            () = links.watch.0.work.notified() => {}
        }
        tokio::time::sleep(GATHERING).await;
        keep_found(&links, &folder).await;
        let to_ask = links.watch.to_ask(&links);
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
        links.watch.0.work.notify_one();
    }
}

async fn ask(links: &Links, agency: &AgencyId, sizes: Vec<u64>) -> Result<(), NoAnswer> {
    let asked = |sizes: &[u64]| wire::Prove { sizes: sizes.to_vec(), ..Default::default() };
    let (answer, within) = match Answer::of(links, agency, asked(&sizes)).await {
        // Its ledger may be shorter now, or begun anew: what it signs now tells, and what of it can be asked.
        Err(NoAnswer::Unanswered(Unanswered::Refused { .. })) => {
            let present = Answer::of(links, agency, asked(&[])).await?;
            let within = within(&sizes, &present);
            (if within.is_empty() { present } else { Answer::of(links, agency, asked(&within)).await? }, within)
        }
        answer => {
            let answer = answer?;
            let within = within(&sizes, &answer);
            (answer, within)
        }
    };
    let beginnings = answer.beginnings(&within)?;
    links.watch.answered(agency, answer.tree, beginnings);
    Ok(())
}

/// The sizes that the shown tree has. One that is too small is found out by what it signs.
fn within(sizes: &[u64], answer: &Answer) -> Vec<u64> {
    sizes.iter().copied().filter(|size| *size <= answer.tree.checkpoint.size).collect()
}

impl super::Watch {
    /// Linked agencies, and the sizes that they are to prove.
    fn to_ask(&self, links: &Links) -> Vec<(AgencyId, Vec<u64>)> {
        let linked = links.peers.iter().filter(|peer| *peer.linked().borrow());
        let ledgers = self.ledgers();
        let sizes = |agency: &AgencyId| ledgers.get(agency).map(|ledger| ledger.watched.to_ask()).unwrap_or_default();
        linked.map(|peer| (peer.agency.clone(), sizes(&peer.agency))).filter(|(_, sizes)| !sizes.is_empty()).collect()
    }
}

/// Keeps what contradicts: both notes, and an alarm.
async fn keep_found(links: &Links, folder: &EvidenceFolder) {
    let found = std::mem::take(&mut *links.watch.lock_found());
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
        Ok(statement) => drop(audit::keep(links, folder, &accusation, &statement)),
        Err(error) => {
            tracing::error!(peer = %agency, "its checkpoints contradict each other, and prove nothing: {error}")
        }
    }
}
