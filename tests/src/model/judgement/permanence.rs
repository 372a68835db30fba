//! Permanence in one view: no entry disappears, and an acceptance or an answer stays visible as such.

use std::collections::{BTreeSet, HashSet};

use sinergi_proto::base::ids::EntryId;
use sinergi_proto::complaint::{Complaint, NoEffect, Phase, Standing};
use sinergi_proto::entry::{Body, CaseAct};

/// The judgement of permanence in one view. Each field is one property of `properties::permanence`.
pub struct Judgement {
    /// The timeline has exactly the entries that the view was folded from.
    pub complete: bool,
    /// Every honest entry has effect, or is a custody entry that is shown as superseded, or work under a custody that ended.
    pub honest_counts: bool,
    /// The phase of the case is that of the last honest answer with effect.
    pub answered: bool,
}

/// Judges permanence in one view, the fold of `entries`. Entries in `lies` may have no effect.
pub(super) fn judge(complaint: &Complaint, entries: &BTreeSet<EntryId>, lies: &HashSet<EntryId>) -> Judgement {
    let timeline: Vec<EntryId> = complaint.timeline().map(|(id, _)| id).collect();
    let counts = |id: &EntryId| {
        lies.contains(id)
            || match complaint.standing(id) {
                Some(Standing::Effective) => true,
                Some(Standing::Superseded { .. }) => complaint.is_custody(id),
                // Work counts while the custody lasts under which it was made, and stays visible.
                Some(Standing::WithoutEffect(NoEffect::BasisSuperseded | NoEffect::Crossed { .. })) => {
                    !complaint.is_custody(id)
                }
                _ => false,
            }
    };
    Judgement {
        complete: timeline.len() == entries.len() && timeline.iter().all(|id| entries.contains(id)),
        honest_counts: entries.iter().all(counts),
        answered: shows_its_answers(complaint, lies),
    }
}

/// Whether the phase is that of the honest answers with effect. An agency that took over a resolved case may answer again.
fn shows_its_answers(complaint: &Complaint, lies: &HashSet<EntryId>) -> bool {
    let (mut phase, mut resolved_by) = (Phase::Received, None);
    for (id, known) in complaint.timeline() {
        let counts = !lies.contains(&id) && complaint.standing(&id) == Some(Standing::Effective);
        match &known.body {
            Body::Case { act: CaseAct::Resolved { .. }, .. } if counts => {
                (phase, resolved_by) = (Phase::Resolved, Some(&known.author));
            }
            Body::Case { act: CaseAct::Responded, .. }
                if counts && (phase != Phase::Resolved || resolved_by != Some(&known.author)) =>
            {
                phase = Phase::Responded;
            }
            _ => {}
        }
    }
    complaint.case().phase == phase
}
