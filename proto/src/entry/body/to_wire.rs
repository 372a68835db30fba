//! Makes the body of a wire message from an act. This is the inverse of parsing.

use super::{CaseAct, CustodyAct};
use crate::base::ids::EntryId;
use crate::citizen::{Reply, Word};
use crate::wire::{self, entry::Body as Wire};

impl CustodyAct {
    /// The wire body of this act on the custody entry `basis`.
    pub fn to_wire(&self, basis: EntryId) -> Wire {
        let basis = bytes(basis);
        match self {
            Self::Forwarded { to, reason, answer_by } => {
                let (to, reason, answer_by) = (to.to_string(), *reason, *answer_by);
                Wire::Forwarded(wire::Forwarded { basis, to, reason, answer_by })
            }
            Self::Accepted => Wire::Accepted(wire::Accepted { basis }),
            Self::Returned { reason, suggestion } => {
                let suggestion = suggestion.as_ref().map(ToString::to_string).unwrap_or_default();
                Wire::Returned(wire::Returned { basis, reason: *reason, suggestion })
            }
            Self::Reassigned { to, reason, answer_by } => {
                let (to, reason, answer_by) = (to.to_string(), *reason, *answer_by);
                Wire::Reassigned(wire::Reassigned { basis, to, reason, answer_by })
            }
            Self::Withdrawn => Wire::Withdrawn(wire::Withdrawn { basis }),
        }
    }
}

impl CaseAct {
    /// The wire body of this act under the custody entry `basis`.
    pub fn to_wire(&self, basis: EntryId) -> Wire {
        let basis = bytes(basis);
        match self {
            Self::Recalled => Wire::Recalled(wire::Recalled { basis }),
            Self::Verified { category, priority, class, handling } => {
                let (category, priority, class, handling) = (category.clone(), *priority, *class, *handling);
                Wire::Verified(wire::Verified { basis, category, priority, class, handling })
            }
            Self::Progressed { state } => Wire::Progressed(wire::Progressed { basis, state: *state }),
            Self::Responded => Wire::Responded(wire::Responded { basis }),
            Self::Resolved { outcome } => Wire::Resolved(wire::Resolved { basis, outcome: *outcome }),
            Self::Replied(reply) => Wire::Replied(replied(basis, reply)),
            Self::Closed { cause, ground } => {
                let ground = ground.map(|id| id.0.to_vec()).unwrap_or_default();
                Wire::Closed(wire::Closed { basis, cause: *cause, ground })
            }
            Self::ArchiveProposed { reason } => Wire::ArchiveProposed(wire::ArchiveProposed { basis, reason: *reason }),
            Self::ArchiveApproved { proposal } => {
                Wire::ArchiveApproved(wire::ArchiveApproved { basis, proposal: bytes(*proposal) })
            }
            Self::ArchiveRefused { proposal } => {
                Wire::ArchiveRefused(wire::ArchiveRefused { basis, proposal: bytes(*proposal) })
            }
            Self::EraseProposed { ground, entries } => {
                let entries = entries.iter().copied().map(bytes).collect();
                Wire::EraseProposed(wire::EraseProposed { basis, ground: *ground, entries })
            }
            Self::Erased { proposal, ground } => {
                Wire::Erased(wire::Erased { basis, proposal: bytes(*proposal), ground: *ground })
            }
            Self::Arrived => Wire::Arrived(wire::Arrived { basis }),
            Self::Escalated { deadline, due } => {
                Wire::Escalated(wire::Escalated { basis, deadline: *deadline, due: *due })
            }
            Self::Linked { duplicate_of } => {
                Wire::Linked(wire::Linked { basis, duplicate_of: duplicate_of.0.to_vec() })
            }
            Self::Remarked => Wire::Remarked(wire::Remarked { basis }),
            Self::Disclosed { entry, commitment, to } => {
                let (entry, to) = (bytes(*entry), to.to_string());
                Wire::Disclosed(wire::Disclosed { basis, entry, commitment: *commitment, to })
            }
        }
    }
}

fn replied(basis: Vec<u8>, reply: &Reply) -> wire::Replied {
    let Word { says, answer, score, number } = &reply.word;
    wire::Replied {
        basis,
        word: (*says).into(),
        answer: answer.map(bytes).unwrap_or_default(),
        score: (*score).into(),
        number: *number,
        signature: reply.signature.map(Vec::from).unwrap_or_default(),
    }
}

fn bytes(id: EntryId) -> Vec<u8> {
    id.0.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::ComplaintId;
    use crate::entry::Body;
    use crate::fixture::agency;
    use crate::wire::ReplyWord;

    const BASIS: EntryId = EntryId([1; 32]);

    #[test]
    fn every_custody_act_is_read_back_as_it_was() {
        let to = || agency("kominfo");
        for act in [
            CustodyAct::Forwarded { to: to(), reason: 2, answer_by: 3 },
            CustodyAct::Accepted,
            CustodyAct::Returned { reason: 4711, suggestion: None },
            CustodyAct::Returned { reason: 1, suggestion: Some(to()) },
            CustodyAct::Reassigned { to: to(), reason: 2, answer_by: 3 },
            CustodyAct::Withdrawn,
        ] {
            assert_eq!(Body::parse(Some(act.to_wire(BASIS))), Ok(Body::Custody { basis: BASIS, act }));
        }
    }

    #[test]
    fn every_case_act_is_read_back_as_it_was() {
        let (proposal, other) = (EntryId([2; 32]), EntryId([3; 32]));
        let replied = |word: Word, signature| CaseAct::Replied(Box::new(Reply { word, signature }));
        for act in [
            CaseAct::Recalled,
            CaseAct::Verified { category: "jalan".to_owned(), priority: 2, class: 1, handling: 3 },
            CaseAct::Progressed { state: 2 },
            CaseAct::Responded,
            CaseAct::Resolved { outcome: 4711 },
            replied(Word { says: ReplyWord::Dissatisfied, answer: Some(other), score: 1, number: 7 }, Some([5; 64])),
            replied(Word { says: ReplyWord::Information, answer: None, score: 0, number: 0 }, None),
            CaseAct::Closed { cause: 2, ground: Some(EntryId([7; 32])) },
            CaseAct::Closed { cause: 3, ground: None },
            CaseAct::ArchiveProposed { reason: 1 },
            CaseAct::ArchiveApproved { proposal },
            CaseAct::ArchiveRefused { proposal },
            CaseAct::EraseProposed { ground: 2, entries: vec![proposal, other] },
            CaseAct::Erased { proposal, ground: 2 },
            CaseAct::Arrived,
            CaseAct::Escalated { deadline: 1, due: 7 },
            CaseAct::Linked { duplicate_of: ComplaintId([4; 32]) },
            CaseAct::Remarked,
            CaseAct::Disclosed { entry: other, commitment: 1, to: agency("ksp") },
        ] {
            assert_eq!(Body::parse(Some(act.to_wire(BASIS))), Ok(Body::Case { basis: BASIS, act }));
        }
    }
}
