//! The codes of the protocol as an operator types them: in kebab-case, on the command line and in mappings.
//!
//! Invariant: every word has exactly one wire value of the same name. Values that an operator must not use have no word (for example the return
//! reason `recalled`, which only a node uses, automatically).

use clap::ValueEnum;
use serde::Deserialize;
use sinergi_proto::wire;

/// Defines a set of words, with the conversion to the wire enumeration of the same name.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$meaning:meta])* $word:ident),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$meaning])* $word),+ }

        impl From<$name> for wire::$name {
            fn from(word: $name) -> Self {
                match word { $($name::$word => Self::$word),+ }
            }
        }

        impl From<$name> for i32 {
            fn from(word: $name) -> Self {
                wire::$name::from(word) as i32
            }
        }
    };
}

words! {
    /// The kind of a complaint.
    ComplaintKind {
        /// A report that something is wrong (pengaduan).
        Complaint,
        /// A wish or a proposal (aspirasi).
        Aspiration,
        /// A question (permintaan informasi).
        InformationRequest,
    }
}

words! {
    /// The class of a text: who may read it.
    ContentClass {
        /// All participants; relays may pass it on.
        Public,
        /// Participants only; goes over direct links only.
        Confidential,
        /// The intake agency only, until it discloses the text.
        Identity,
    }
}

words! {
    /// The reason why a complaint is offered to another agency.
    ForwardReason {
        /// The addressee is competent.
        Competence,
        /// The complaint is about the addressee's area.
        Territory,
        /// An agency that returned the complaint suggested the addressee.
        Suggested,
        /// The addressee coordinates several agencies.
        Coordination,
        /// Nobody answered an earlier offer.
        Unanswered,
    }
}

words! {
    /// The reason why an offer is returned.
    ReturnReason {
        /// The agency is not competent (bukan wewenang).
        NotCompetent,
        /// The complaint is about another area.
        OtherArea,
        /// The complaint has too little information.
        Incomplete,
        /// The same matter is another complaint already.
        Duplicate,
    }
}

words! {
    /// The progress of the work.
    ProgressState {
        /// The work has started.
        Started,
        /// The agency investigates the facts.
        Investigating,
        /// The agency waits for the citizen.
        WaitingForCitizen,
        /// The agency waits for another agency.
        WaitingForAgency,
    }
}

words! {
    /// The outcome of the work.
    Outcome {
        /// The problem is fixed.
        Fixed,
        /// The question is answered.
        Answered,
        /// There was no problem.
        Unfounded,
        /// The request cannot be met.
        NotPossible,
    }
}

words! {
    /// The citizen's reply to an answer.
    ReplyWord {
        /// The citizen is satisfied.
        Satisfied,
        /// The citizen is not satisfied: the complaint is reopened.
        Dissatisfied,
        /// The citizen adds information.
        Information,
    }
}

words! {
    /// The reason why a complaint is archived without an answer.
    ArchiveReason {
        /// It has too little information, and the citizen adds none.
        Incomplete,
        /// The same matter is another complaint.
        Duplicate,
        /// It is not a matter for complaints.
        OutOfScope,
        /// A court decides the matter.
        InCourt,
    }
}

words! {
    /// The legal ground for destroying contents.
    EraseGround {
        /// The data subject requests it (UU PDP 27/2022).
        SubjectRequest,
        /// A court orders it.
        CourtOrder,
        /// The retention period has ended.
        RetentionEnded,
    }
}

words! {
    /// The priority of a complaint.
    Priority {
        /// In its turn.
        Normal,
        /// Before normal ones.
        High,
        /// Immediately.
        Urgent,
    }
}

words! {
    /// The handling of a complaint.
    Handling {
        /// Everyday service (normatif).
        Routine,
        /// An investigation without a supervision element.
        WithoutSupervision,
        /// An investigation by the supervisors (berkadar pengawasan).
        WithSupervision,
    }
}

/// The phase of a complaint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Phase {
    /// Lodged only.
    Received,
    /// The category and the handling are decided.
    Verified,
    /// An agency works on it.
    InProgress,
    /// The citizen has an answer.
    Responded,
    /// The work has ended.
    Resolved,
    /// The citizen was not satisfied, or an overseer reopened it.
    Reopened,
    /// Closed.
    Closed,
    /// Archived on two signatures.
    Archived,
}

impl Phase {
    /// The name that the operator API uses.
    pub fn wire_name(self) -> String {
        typed(self).replace('-', "_")
    }
}

/// The word as an operator types it.
pub fn typed(word: impl ValueEnum) -> String {
    word.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_typed_in_kebab_case() {
        assert_eq!(ProgressState::from_str("waiting-for-citizen", false), Ok(ProgressState::WaitingForCitizen));
        assert_eq!(ComplaintKind::from_str("information-request", false), Ok(ComplaintKind::InformationRequest));
        assert!(ReturnReason::from_str("recalled", false).is_err());
    }

    #[test]
    fn a_phase_is_named_as_the_protocol_names_it() {
        let named: Vec<String> = Phase::value_variants().iter().map(|phase| phase.wire_name()).collect();
        assert_eq!(named, sinergi_proto::complaint::Phase::ALL.map(|phase| phase.name().to_owned()));
    }

    #[test]
    fn a_word_is_converted_to_the_wire_value_of_the_same_name() {
        assert_eq!(i32::from(ReturnReason::OtherArea), wire::ReturnReason::OtherArea as i32);
        assert_eq!(i32::from(Outcome::NotPossible), wire::Outcome::NotPossible as i32);
    }
}
