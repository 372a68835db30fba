//! The story of a cover-up: an agency drops a complaint that it had accepted, an oversight agency's audit finds it, and the evidence convinces
//! somebody who has nothing but the charter.
//!
//! ```text
//! a complaint that the accused accepted ── the auditor remarks on it ── audit: nothing is found ── the accused's node stops
//!                another program: its keys sign a ledger without the complaint ── audit: findings ── evidence ── judged by a stranger
//! liar.rs        that program
//! account.rs     what is told of it
//! ```
//!
//! Invariants:
//! - the auditor's node runs as any other and knows nothing of the story; all findings are its own;
//! - the lie is told over the link alone: the accused's folder keeps the true ledger.

pub mod account;
pub mod liar;

use std::path::Path;
use std::time::Duration;

use indicatif::ProgressBar;
use sinergi_proto::operator_api::act_request::Act;
use sinergi_proto::operator_api::{ActRequest, ComplaintDetail, Remark};
use sinergi_proto::wire::Text;

use self::account::CoverUp;
use self::liar::{Liar, Lie, Shown};
use super::desk::{Desk, Desks};
use super::federation::Federation;
use super::node::Node;
use super::play::Case;
use super::scenario::{Deed, Fate, OMBUDSMAN, PROV_JABAR, Step, Story};
use super::wait;
use crate::commands::evidence::verify::{VerifyArgs, judged};
use crate::failure::Failure;
use crate::view::{Audited, Finding, moment};

/// Who drops a complaint. It dials the auditor, so that the lie needs no listening socket.
pub const ACCUSED: &str = PROV_JABAR;
/// Whose audit finds it: an oversight agency, which has the entries of all complaints, and a link with everybody.
pub const AUDITOR: &str = OMBUDSMAN;
/// What the bar counts.
pub const SCENES: usize = 5;
/// What a stranger has, in the folder of all nodes.
const STRANGER: &str = "stranger";
const EVIDENCE_FILE: &str = "cover-up.evidence";
const CHARTER_FILE: &str = "charter.note";
/// How long receipts, and the end of a link, may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Plays the story to its end. Who lies goes on to speak as long as the returned [`Liar`] is kept.
///
/// # Errors
/// A node does not answer, or something in the story cannot be done; that nothing is found is no error.
pub async fn play(
    cases: &[Case],
    desks: &Desks,
    federation: &mut Federation,
    folder: &Path,
    bar: &ProgressBar,
) -> Result<(CoverUp, Liar), Failure> {
    let (auditor, case) = (desks.desk(AUDITOR)?, chosen(cases)?);
    remark(auditor, case).await?;
    for desk in [auditor, desks.desk(case.story.intake)?] {
        is_acknowledged(desk).await?;
    }
    bar.inc(1);
    let audit_before = auditor.audit(ACCUSED).await?;
    bar.inc(1);
    let (liar, Shown { leaves, dropped }) = take_over(federation, auditor, case).await?;
    bar.inc(1);
    let audit = auditor.audit(ACCUSED).await?;
    bar.inc(1);
    let stranger = Stranger::of(&folder.join(STRANGER));
    let verified = stranger.is_told(auditor, &audit, case, federation.charter()).await?;
    bar.inc(1);
    let detail = desks.desk(case.story.intake)?.show(&case.complaint).await?.unwrap_or_default();
    let story = CoverUp {
        complaint: case.complaint.clone(),
        title: detail.summary.as_ref().map(|summary| summary.title.clone()).filter(|title| !title.is_empty()),
        intake: case.story.intake.to_owned(),
        accused: ACCUSED.to_owned(),
        auditor: AUDITOR.to_owned(),
        accepted_at: accepted_at(&detail),
        leaves,
        dropped,
        audit_before,
        audit,
        evidence: Some(stranger.args.file),
        charter: Some(stranger.args.charter),
        verified,
    };
    Ok((story, liar))
}

/// The complaint to be dropped: another agency's, that the accused accepted; rather one that it still works on, and rather a new one.
fn chosen(cases: &[Case]) -> Result<&Case, Failure> {
    let worth = |case: &&Case| (matches!(case.story.fate, Fate::Working), case.id.clone());
    cases.iter().filter(|case| is_entrusted(&case.story)).max_by_key(worth).ok_or_else(|| {
        Failure::usage(format!("{ACCUSED} accepts none of these {} complaints", cases.len()))
            .help("lodge more with --complaints N")
    })
}

/// Whether the accused accepts the complaint from another agency.
fn is_entrusted(story: &Story) -> bool {
    let accepts = |step: &Step| step.by == ACCUSED && matches!(step.deed, Deed::Accept);
    story.intake != ACCUSED && story.steps.iter().any(accepts)
}

/// The auditor leaves a remark, so that it holds a receipt of the accused itself.
async fn remark(auditor: &Desk, case: &Case) -> Result<(), Failure> {
    let body = "What has become of this complaint?".to_owned();
    let request = ActRequest {
        complaint: case.complaint.clone(),
        text: Some(Text { body, ..Default::default() }),
        class: 0,
        act: Some(Act::Remark(Remark {})),
    };
    auditor.act(request).await.map(drop)
}

/// Waits until an agency holds the accused's receipts for all that it sent.
async fn is_acknowledged(desk: &Desk) -> Result<(), Failure> {
    let empty = async || Ok::<_, Failure>((desk.peer(ACCUSED).await?.queue_depth == 0).then_some(()));
    wait::until(PATIENCE, empty).await?.ok_or_else(|| {
        Failure::failed(format!("{ACCUSED} acknowledges nothing to {} within {} s", desk.agency, PATIENCE.as_secs()))
    })
}

/// Stops the accused's node, and lets the liar link with the auditor in its place.
async fn take_over(federation: &mut Federation, auditor: &Desk, case: &Case) -> Result<(Liar, Shown), Failure> {
    let missing = || Failure::failed(format!("{ACCUSED} has no node in this federation"));
    let node = federation.node_mut(ACCUSED).ok_or_else(missing)?;
    node.stop().await;
    let folder = node.folder().to_owned();
    let unlinked = async || Ok::<_, Failure>((auditor.peer(ACCUSED).await?.state != "linked").then_some(()));
    wait::until(PATIENCE, unlinked)
        .await?
        .ok_or_else(|| Failure::failed(format!("{} does not see that {ACCUSED} has stopped", auditor.agency)))?;
    let listens = federation.node(AUDITOR).and_then(Node::listen);
    let address = listens.ok_or_else(|| Failure::failed(format!("{AUDITOR} does not listen")))?;
    let acknowledged = auditor.peer(ACCUSED).await?.acknowledged.map(Into::into);
    let auditor = AUDITOR.parse().expect("the demo's agencies have ids");
    let lie = Lie { folder, complaint: case.complaint.clone(), auditor, address, acknowledged };
    Liar::start(&liar::program()?, &lie).await
}

/// Somebody with an evidence file, the charter, and nothing else.
struct Stranger {
    args: VerifyArgs,
}

impl Stranger {
    fn of(folder: &Path) -> Self {
        Self { args: VerifyArgs { file: folder.join(EVIDENCE_FILE), charter: folder.join(CHARTER_FILE) } }
    }

    /// Gets the evidence about the complaint and judges it; nothing, if there is none.
    async fn is_told(
        &self,
        auditor: &Desk,
        audit: &Audited,
        case: &Case,
        charter: &[u8],
    ) -> Result<Vec<Finding>, Failure> {
        let of_complaint = audit.findings.iter().filter(|finding| finding.complaint.as_ref() == Some(&case.complaint));
        let ids: Vec<String> = of_complaint.filter_map(|finding| finding.evidence.clone()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let file = auditor.evidence(ids).await?;
        for (path, bytes) in [(&self.args.file, file.as_slice()), (&self.args.charter, charter)] {
            let folder = path.parent().unwrap_or(path);
            std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::write(path, bytes))
                .map_err(|error| Failure::failed(format!("cannot write {}", path.display())).because(error))?;
        }
        judged(&self.args)
    }
}

fn accepted_at(detail: &ComplaintDetail) -> Option<jiff::Timestamp> {
    let accepted = detail.timeline.iter().find(|row| row.author == ACCUSED && row.body == "Accepted");
    accepted.and_then(|row| moment(row.at))
}

#[cfg(test)]
mod tests {
    use super::super::rows;
    use super::super::scenario::story;
    use super::*;

    #[test]
    fn a_demo_of_one_complaint_has_one_to_drop() {
        let rows = rows(1).expect("the shipped rows");
        assert!(is_entrusted(&story(0, &rows[0])));
    }
}
