//! The story of a cover-up: an agency drops a complaint that it had accepted, an oversight agency's audit finds the loss, and a stranger with only
//! the charter judges the evidence.
//!
//! ```text
//! a complaint that the accused accepted ── the auditor remarks on it ── audit: nothing is found ── the accused's node stops
//!                another program: its keys sign a ledger without the complaint ── audit: findings ── evidence ── judged by a stranger
//! liar.rs        that program
//! account.rs     the account of the story in the report
//! ```
//!
//! Invariants:
//! - the auditor's node is a normal node, and all findings are its own;
//! - the false ledger is shown only over the link: the accused's folder keeps the true ledger.

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

/// The agency that drops a complaint. It dials the auditor, so that the liar needs no listening socket.
pub const ACCUSED: &str = PROV_JABAR;
/// The agency whose audit finds the loss: an oversight agency, which has the entries of all complaints and a link with everybody.
pub const AUDITOR: &str = OMBUDSMAN;
/// The number of steps on the progress bar.
pub const SCENES: usize = 5;
/// The stranger's folder, in the folder of all nodes.
const STRANGER: &str = "stranger";
const EVIDENCE_FILE: &str = "cover-up.evidence";
const CHARTER_FILE: &str = "charter.note";
/// The timeout for receipts and for the end of a link.
const PATIENCE: Duration = Duration::from_secs(60);

/// Plays the story to its end. The liar continues as long as the returned [`Liar`] is kept.
///
/// # Errors
/// A node does not answer, or a step of the story fails. An audit without findings is no error.
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
        charter: stranger.args.charters.into_iter().next(),
        verified,
    };
    Ok((story, liar))
}

/// Chooses the complaint to drop: one that the accused accepted from another agency, preferably still open, and preferably new.
fn chosen(cases: &[Case]) -> Result<&Case, Failure> {
    let worth = |case: &&Case| (matches!(case.story.fate, Fate::Working), case.id.clone());
    cases.iter().filter(|case| is_entrusted(&case.story)).max_by_key(worth).ok_or_else(|| {
        Failure::usage(format!("{ACCUSED} accepts none of these {} complaints", cases.len()))
            .help("lodge more with --complaints N")
    })
}

/// Whether the accused accepts this complaint from another agency.
fn is_entrusted(story: &Story) -> bool {
    let accepts = |step: &Step| step.by == ACCUSED && matches!(step.deed, Deed::Accept);
    story.intake != ACCUSED && story.steps.iter().any(accepts)
}

/// Lets the auditor write a remark, so that it has a receipt of the accused itself.
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

/// Waits until an agency has the accused's receipts for all its entries.
async fn is_acknowledged(desk: &Desk) -> Result<(), Failure> {
    let empty = async || Ok::<_, Failure>((desk.peer(ACCUSED).await?.queue_depth == 0).then_some(()));
    wait::until(PATIENCE, empty).await?.ok_or_else(|| {
        Failure::failed(format!("{ACCUSED} sent no receipt to {} within {} s", desk.agency, PATIENCE.as_secs()))
    })
}

/// Stops the accused's node, and lets the liar link with the auditor instead.
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

/// A stranger who has only an evidence file and the charter.
struct Stranger {
    args: VerifyArgs,
}

impl Stranger {
    fn of(folder: &Path) -> Self {
        Self {
            args: VerifyArgs {
                file: folder.join(EVIDENCE_FILE),
                charters: vec![folder.join(CHARTER_FILE)],
                lists: Vec::new(),
            },
        }
    }

    /// Gets the evidence about the complaint and judges it. `None` if there is no evidence.
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
        for (path, bytes) in [(&self.args.file, file.as_slice()), (&self.args.charters[0], charter)] {
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
