//! Rare events that one view shows. A space that never shows them proves little.

use sinergi_proto::base::ids::EntryId;
use sinergi_proto::complaint::{Complaint, KnownEntry, NoEffect, Standing};
use sinergi_proto::entry::{Body, CaseAct, CustodyAct};
use sinergi_proto::wire::ReturnReason;

/// The rare events that one view shows. Each field is one property of `properties::sights`.
pub struct Sights {
    /// An entry is superseded.
    pub superseded: bool,
    /// One acceptance has effect, and another is superseded.
    pub two_acceptances: bool,
    /// A reassignment by the supervisor is on the path.
    pub reassigned: bool,
    /// A recall and an acceptance of one offer were written without knowledge of each other.
    pub recall_crosses: bool,
    /// A node returned an offer because it was recalled.
    pub recall_answered: bool,
    /// A withdrawal is superseded by an answer that was given in time.
    pub late_answer: bool,
    /// An answer to the citizen moves nothing, because its author was no longer the holder.
    pub answer_crossed: bool,
    /// An entry has no effect because its author had seen another act on the same basis.
    pub lie: bool,
}

/// Finds the rare events that one view shows.
pub(super) fn see(complaint: &Complaint) -> Sights {
    let custody = |act: &'static dyn Fn(&CustodyAct) -> bool| {
        let all = complaint.timeline().filter(|(_, known)| known.custody().is_some());
        all.filter(|(_, known)| matches!(&known.body, Body::Custody { act: done, .. } if act(done)))
    };
    let is_superseded = |id: &EntryId| matches!(complaint.standing(id), Some(Standing::Superseded { .. }));
    let accepted = || custody(&|act| *act == CustodyAct::Accepted);
    let on_path = |act: &'static dyn Fn(&CustodyAct) -> bool| custody(act).any(|(id, _)| !is_superseded(&id));
    let crosses = |(recall, recalled): (EntryId, &KnownEntry)| {
        accepted().any(|(accept, known)| {
            known.body.basis() == recalled.body.basis()
                && !complaint.ancestors(&known.parents).contains(&recall)
                && !complaint.ancestors(&recalled.parents).contains(&accept)
        })
    };
    let case = |wanted: CaseAct| {
        complaint.timeline().filter(move |(_, known)| matches!(&known.body, Body::Case { act, .. } if *act == wanted))
    };
    let recalled: i32 = ReturnReason::Recalled.into();
    Sights {
        superseded: complaint.timeline().any(|(id, _)| is_superseded(&id)),
        two_acceptances: accepted().any(|(id, _)| is_superseded(&id)) && accepted().any(|(id, _)| !is_superseded(&id)),
        reassigned: on_path(&|act| matches!(act, CustodyAct::Reassigned { .. })),
        recall_crosses: case(CaseAct::Recalled).any(crosses),
        recall_answered: custody(&|act| matches!(act, CustodyAct::Returned { .. }))
            .any(|(_, known)| matches!(&known.body, Body::Custody { act: CustodyAct::Returned { reason, .. }, .. } if *reason == recalled)),
        late_answer: custody(&|act| *act == CustodyAct::Withdrawn).any(|(id, _)| is_superseded(&id)),
        answer_crossed: case(CaseAct::Responded).any(|(id, _)| {
            let standing = complaint.standing(&id);
            matches!(standing, Some(Standing::WithoutEffect(NoEffect::BasisSuperseded | NoEffect::Crossed { .. })))
        }),
        lie: complaint
            .timeline()
            .any(|(id, _)| complaint.standing(&id) == Some(Standing::WithoutEffect(NoEffect::BasisActedOn))),
    }
}
