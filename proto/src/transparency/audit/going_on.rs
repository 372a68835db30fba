//! Makes the point from which the next audit goes on.
//!
//! Must not decide whether the next audit may go on.

use super::Scope;
use super::holdings::{Assignment, Holdings};
use super::lacking::Lacking;
use super::own_checkpoints::{NoteRef, OwnCheckpoint};
use super::own_entries::Number;
use super::plan::Plan;
use super::resume::Resume;
use super::shown::Shown;
use crate::tlog::frontier::Frontier;

/// The point after an audit that compared the leaves up to this frontier. `None` if the auditor may have looked away: it put items off itself.
pub(super) fn resume_after(
    holdings: &Holdings,
    shown: &Shown,
    lacking: &Lacking,
    plan: &Plan,
    frontier: &Frontier,
    held_again: u64,
    lost: &[Number],
) -> Option<Resume> {
    let Assignment { records, scope, .. } = &holdings.assignment;
    let shown_at = shown.newest().and_then(|tree| tree.checkpoint.seconds);
    if *scope != Scope::default() || holdings.may_lack_entries(shown_at) {
        return None;
    }
    let mut checkpoints = holdings.checkpoints.to_keep(plan.epoch, plan.size, holdings.assignment.now);
    let now = shown.trees.iter().find(|tree| tree.extent() == (plan.epoch, plan.size));
    checkpoints.extend(now.map(|tree| OwnCheckpoint {
        checkpoint: tree.checkpoint.clone(),
        note: NoteRef::Note(tree.note.clone()),
        is_kept: true,
    }));
    Some(Resume {
        records: *records,
        whole_at: holdings.resume.as_ref().map_or(holdings.assignment.now, |resume| resume.whole_at),
        charter: holdings.charter(),
        epoch: plan.epoch,
        size: frontier.size(),
        peaks: frontier.peaks(),
        root: frontier.root().0,
        checkpoints,
        carried: holdings.to_carry(plan.epoch, plan.size, frontier.size(), lost),
        adopted: lacking.adopted_before_next(plan.epoch, holdings),
        held_again,
        put_off: holdings.put_off(),
    })
}
