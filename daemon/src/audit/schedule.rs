//! Audits without an operator: every linked agency in its turn.
//!
//! Invariants:
//! - one audit at a time;
//! - when each agency was audited last outlasts a restart; an audit that came to no end, or took longer than [`LONGEST`], is begun again
//!   after [`AGAIN`];
//! - every audit looks at everything: what came while the last one ran, or was held back until it was over, is not passed over;
//! - that an agency did not answer is logged, not kept: it proves nothing, and comes again with every audit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sinergi_proto::evidence::{Finding, Statement};
use sinergi_proto::ids::AgencyId;
use tokio_util::sync::CancellationToken;

use super::{Audited, EvidenceFolder, Scope, audit, keep};
use crate::durable;
use crate::link::Links;
use crate::time::now_millis;

/// How often it is looked whether an audit is due.
const LOOK: Duration = Duration::from_secs(1);
/// After so long an audit that failed is tried again, if the schedule is not faster.
const AGAIN: Duration = Duration::from_secs(600);
/// A node that has just started has other things to do first.
const SETTLING: Duration = Duration::from_secs(600);
/// An agency that answers ever so slowly must not keep this node from auditing others.
const LONGEST: Duration = Duration::from_secs(3600);

/// Where a node keeps when it audited whom.
pub fn schedule_file(data: &Path) -> PathBuf {
    data.join("audits.json")
}

struct Schedule {
    every: Duration,
    file: PathBuf,
    /// When each agency's last audit began, milliseconds since 1970.
    last: BTreeMap<AgencyId, u64>,
    /// Audits of this run of the program that came to no end, and when.
    failed: BTreeMap<AgencyId, u64>,
}

/// Audits every linked agency once in `every` until the node stops; `None`: never.
pub async fn keep_auditing(links: Links, folder: EvidenceFolder, every: Option<Duration>, file: PathBuf) {
    let Some(every) = every else { return links.stop.cancelled().await };
    let mut schedule = Schedule::load(every, file);
    if !wait(SETTLING.min(every), &links.stop).await {
        return;
    }
    while wait(LOOK, &links.stop).await {
        let linked = links.peers.iter().filter(|peer| *peer.linked().borrow()).map(|peer| peer.agency.clone());
        let Some(agency) = schedule.due(linked, now_millis()) else { continue };
        let at = now_millis();
        let scope = Scope::default();
        let audited = tokio::select! {
            () = links.stop.cancelled() => return,
            audited = tokio::time::timeout(LONGEST, audit(&links, &agency, &scope, |_| true)) => audited,
        };
        let (is_whole, problem) = match &audited {
            Ok(Ok(audited)) => (audited.is_whole, "it did not answer all questions".to_owned()),
            Ok(Err(error)) => (false, error.to_string()),
            Err(_) => (false, format!("it took over {} s", LONGEST.as_secs())),
        };
        if !is_whole {
            tracing::warn!(peer = %agency, "the audit came to no end: {problem}");
        }
        schedule.ended(&agency, at, is_whole);
        if let Ok(Ok(audited)) = audited {
            keep_all(&links, &folder, audited).await;
        }
    }
}

/// Whether the node still runs after this time.
async fn wait(time: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(time) => true,
    }
}

async fn keep_all(links: &Links, folder: &EvidenceFolder, audited: Audited) {
    let (size, checked, findings) = (audited.size.unwrap_or_default(), audited.checked, audited.findings.len());
    tracing::info!(peer = %audited.agency, size, checked, findings, "audited");
    let (links, folder) = (links.clone(), folder.clone());
    let kept = tokio::task::spawn_blocking(move || {
        let worth_keeping = |(_, statement): &&(_, Statement)| statement.finding != Finding::Unresponsive;
        for (accusation, statement) in audited.findings.iter().filter(worth_keeping) {
            keep(&links, &folder, accusation, statement);
        }
    });
    if let Err(error) = kept.await {
        tracing::error!(%error, "evidence was not kept; this is a defect of the program, please report it");
    }
}

impl Schedule {
    /// A file that cannot be read only costs audits that go over everything again.
    fn load(every: Duration, file: PathBuf) -> Self {
        let last = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!("{}: {error}: everybody is audited anew", file.display());
                BTreeMap::new()
            }),
            Err(_) => BTreeMap::new(),
        };
        Self { every, file, last, failed: BTreeMap::new() }
    }

    /// The agency that waits longest, if it is time.
    fn due(&self, linked: impl Iterator<Item = AgencyId>, now: u64) -> Option<AgencyId> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let next = |agency: &AgencyId| {
            let due = self.last.get(agency).map_or(0, |at| at.saturating_add(millis(self.every)));
            let again = self.failed.get(agency).map_or(0, |at| at.saturating_add(millis(AGAIN.min(self.every))));
            due.max(again)
        };
        linked.map(|agency| (next(&agency), agency)).filter(|(due, _)| *due <= now).min().map(|(_, agency)| agency)
    }

    fn ended(&mut self, agency: &AgencyId, at: u64, is_whole: bool) {
        if !is_whole {
            self.failed.insert(agency.clone(), at);
            return;
        }
        self.failed.remove(agency);
        self.last.insert(agency.clone(), at);
        let bytes = serde_json::to_vec_pretty(&self.last).unwrap_or_default();
        if let Err(error) = durable::replace(&self.file, &bytes) {
            tracing::warn!("{}: {error}: after a restart everybody is audited anew", self.file.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agency(id: &str) -> AgencyId {
        id.parse().expect("an agency id")
    }

    fn schedule(folder: &Path) -> Schedule {
        Schedule::load(Duration::from_secs(86_400), schedule_file(folder))
    }

    #[test]
    fn who_waits_longest_comes_first_and_nobody_before_its_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut schedule, both) = (schedule(folder.path()), [agency("bappenas"), agency("ksp")]);
        let day = 86_400_000;
        let due = |schedule: &Schedule, now| schedule.due(both.iter().cloned(), now);
        assert_eq!(due(&schedule, day), Some(agency("bappenas")));
        schedule.ended(&agency("bappenas"), day, true);
        assert_eq!(due(&schedule, day), Some(agency("ksp")));
        schedule.ended(&agency("ksp"), day + 1, true);
        assert_eq!(due(&schedule, 2 * day - 1), None);
        assert_eq!(due(&schedule, 2 * day + 1), Some(agency("bappenas")));
    }

    #[test]
    fn an_audit_without_an_end_is_tried_again_and_does_not_hold_up_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut schedule, both) = (schedule(folder.path()), [agency("bappenas"), agency("ksp")]);
        schedule.ended(&agency("bappenas"), 1000, false);
        let due = |now| schedule.due(both.iter().cloned(), now);
        assert_eq!(due(1000), Some(agency("ksp")));
        assert_eq!(schedule.due(both[..1].iter().cloned(), 1000), None);
        assert_eq!(schedule.due(both[..1].iter().cloned(), 601_000), Some(agency("bappenas")));
    }

    #[test]
    fn who_was_audited_is_remembered_over_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        schedule(folder.path()).ended(&agency("ksp"), 1000, true);
        let due = |now| schedule(folder.path()).due(std::iter::once(agency("ksp")), now);
        assert_eq!((due(86_400_999), due(86_401_000)), (None, Some(agency("ksp"))));
    }

    #[test]
    fn a_damaged_file_costs_no_more_than_audits_of_everything() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(schedule_file(folder.path()), "{").expect("written");
        assert_eq!(schedule(folder.path()).due(std::iter::once(agency("ksp")), 0), Some(agency("ksp")));
    }
}
