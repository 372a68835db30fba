//! Permanence in one view: no entry disappears, and an acceptance or an answer stays visible as such.

use std::collections::{BTreeSet, HashSet};

use sinergi_proto::base::ids::EntryId;
use sinergi_proto::complaint::{Complaint, Phase, Standing};
use sinergi_proto::entry::{Body, CaseAct};

/// The judgement of permanence in one view. Each field is one property of `properties::permanence`.
pub struct Judgement {
    /// The timeline has exactly the entries that the view was folded from.
    pub complete: bool,
    /// Every honest entry has effect, or is a custody entry that is shown as superseded.
    pub honest_counts: bool,
    /// The phase of the case is that of the last honest answer.
    pub answered: bool,
}

/// Judges permanence in one view, the fold of `entries`. Entries in `lies` may have no effect.
pub(super) fn judge(complaint: &Complaint, entries: &BTreeSet<EntryId>, lies: &HashSet<EntryId>) -> Judgement {
    let timeline: Vec<EntryId> = complaint.timeline().map(|(id, _)| id).collect();
    let counts = |id: &EntryId| {
        lies.contains(id)
            || match complaint.standing(id) {
                Some(Standing::Effective) => true,
                // Only custody entries can be superseded. An answer stays an answer.
                Some(Standing::Superseded { .. }) => complaint.is_custody(id),
                _ => false,
            }
    };
    Judgement {
        complete: timeline.len() == entries.len() && timeline.iter().all(|id| entries.contains(id)),
        honest_counts: entries.iter().all(counts),
        answered: shows_its_answers(complaint, lies),
    }
}

/// Whether the phase is that of the honest answers. Nothing in the model reopens a case, so `Resolved` outlasts `Responded`.
fn shows_its_answers(complaint: &Complaint, lies: &HashSet<EntryId>) -> bool {
    let says = |wanted: fn(&CaseAct) -> bool| {
        let mut honest = complaint.timeline().filter(|(id, _)| !lies.contains(id));
        honest.any(|(_, known)| matches!(&known.body, Body::Case { act, .. } if wanted(act)))
    };
    let (resolved, responded) =
        (says(|act| matches!(act, CaseAct::Resolved { .. })), says(|act| *act == CaseAct::Responded));
    let expected = match (resolved, responded) {
        (true, _) => Phase::Resolved,
        (false, true) => Phase::Responded,
        (false, false) => Phase::Received,
    };
    complaint.case().phase == expected
}
