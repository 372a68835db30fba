//! Scheduled audits: audits every linked agency in turn, without an operator.
//!
//! Invariants:
//! - one audit at a time; [`sinergi_proto::transparency::audit::schedule`] chooses the agency;
//! - the time of each agency's last audit survives a restart;
//! - an audit that takes longer than [`LONGEST`] asks no more and counts as unfinished; what was answered counts;
//! - every audit goes on from the last one; an entry that came late or was held back meanwhile is checked too;
//! - an agency that did not answer is logged, and no evidence is kept: it proves nothing, and the next audit finds it again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::transparency::audit::schedule::Schedule;
use sinergi_proto::transparency::evidence::Statement;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Audited, Auditor, Begin, EvidenceFolder, Scope};
use crate::base::atomic_file;
use crate::base::time::now_millis;

/// How often the schedule is asked whether an audit is due.
const LOOK: Duration = Duration::from_secs(1);
/// Time after a start without audits: a node that has just started has other work to do.
const SETTLING: Duration = Duration::from_secs(600);
/// Longest time of one audit. An agency that answers slowly must not prevent the audits of others.
const LONGEST: Duration = Duration::from_secs(3600);

/// The file with the time of each agency's last audit, in the node's data folder.
pub fn schedule_file(data: &Path) -> PathBuf {
    data.join("audits.json")
}

/// Audits every linked agency once in `every` until the node stops; never if `every` is `None`.
pub async fn keep_auditing(
    auditor: Auditor,
    evidence: EvidenceFolder,
    every: Option<Duration>,
    file: PathBuf,
    stop: CancellationToken,
) {
    let Some(every) = every else { return stop.cancelled().await };
    let mut schedule = Schedule::new(every, load(&file));
    if !wait(SETTLING.min(every), &stop).await {
        return;
    }
    while wait(LOOK, &stop).await {
        let Some(agency) = schedule.due(auditor.peers.linked(), now_millis()) else { continue };
        let at = now_millis();
        let scope = Scope::default();
        let until = Some(Instant::now() + LONGEST);
        let audited = tokio::select! {
            () = stop.cancelled() => return,
            audited = auditor.audit(&agency, &scope, Begin::AfterLast, until, |_| true) => audited,
        };
        let (is_whole, problem) = match &audited {
            Ok(audited) => {
                let reason = audited.no_answer.as_ref().map(ToString::to_string);
                (reason.is_none(), reason.unwrap_or_default())
            }
            Err(error) => (false, error.to_string()),
        };
        if !is_whole {
            tracing::warn!(peer = %agency, "the audit came to no end: {problem}");
        }
        if schedule.ended(&agency, at, is_whole) {
            keep_schedule(&file, &schedule);
        }
        if let Ok(audited) = audited {
            keep_all(&evidence, &audited).await;
            auditor.keep_resume(&audited).await;
        }
    }
}

/// Waits this time. Returns `false` if the node stops before it is over.
async fn wait(time: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(time) => true,
    }
}

async fn keep_all(evidence: &EvidenceFolder, audited: &Audited) {
    let (size, checked, findings) = (audited.size.unwrap_or_default(), audited.checked, audited.findings.clone());
    tracing::info!(peer = %audited.agency, size, checked, findings = findings.len(), "audited");
    let evidence = evidence.clone();
    let kept = tokio::task::spawn_blocking(move || {
        for (accusation, statement) in findings.iter().filter(|(found, _)| Statement::is_worth_keeping(found)) {
            evidence.keep(accusation, statement);
        }
    });
    if let Err(error) = kept.await {
        tracing::error!(%error, "evidence was not kept; this is a defect of the program, please report it");
    }
}

/// The time of each agency's last audit. If the file cannot be read, all agencies are audited again.
fn load(file: &Path) -> BTreeMap<AgencyId, u64> {
    let Ok(bytes) = std::fs::read(file) else { return BTreeMap::new() };
    serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        tracing::warn!("{}: {error}: everybody is audited anew", file.display());
        BTreeMap::new()
    })
}

fn keep_schedule(file: &Path, schedule: &Schedule) {
    let bytes = serde_json::to_vec_pretty(schedule.last()).unwrap_or_default();
    if let Err(error) = atomic_file::replace(file, &bytes) {
        tracing::warn!("{}: {error}: after a restart everybody is audited anew", file.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_audits_survive_a_restart_and_a_damaged_file_means_new_audits() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = schedule_file(folder.path());
        let (ksp, day) = ("ksp".parse::<AgencyId>().expect("an agency id"), Duration::from_secs(86_400));
        assert!(load(&file).is_empty());
        let mut schedule = Schedule::new(day, BTreeMap::new());
        schedule.ended(&ksp, 1000, true);
        keep_schedule(&file, &schedule);
        assert_eq!(load(&file), BTreeMap::from([(ksp, 1000)]));
        std::fs::write(&file, "{").expect("written");
        assert!(load(&file).is_empty());
    }
}
