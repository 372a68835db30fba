//! The words of the protocol as they are typed: kebab-case on the command line and in mappings.
//!
//! Invariant: every word has exactly one wire value of the same name; what an operator must not say (for example the return
//! reason `recalled`, which a node gives by itself) has no word here.

use clap::ValueEnum;
use serde::Deserialize;
use sinergi_proto::wire;

/// Defines a set of words and its wire enumeration, variant by variant.
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
    /// What a citizen wants.
    ComplaintKind {
        /// Something is wrong (pengaduan).
        Complaint,
        /// A wish or a proposal (aspirasi).
        Aspiration,
        /// A question (permintaan informasi).
        InformationRequest,
    }
}

words! {
    /// Who may have a text.
    ContentClass {
        /// All participants; may pass through relays.
        Public,
        /// Participants only, over direct links only.
        Confidential,
        /// Stays at the intake agency until it is disclosed.
        Identity,
    }
}

words! {
    /// Why a complaint is offered to another agency.
    ForwardReason {
        /// It is the addressee's matter.
        Competence,
        /// It lies in the addressee's area.
        Territory,
        /// A return named the addressee.
        Suggested,
        /// The addressee coordinates several agencies.
        Coordination,
        /// An earlier offer found no answer.
        Unanswered,
    }
}

words! {
    /// Why an offer is declined.
    ReturnReason {
        /// Not our authority (bukan wewenang).
        NotCompetent,
        /// Outside our area.
        OtherArea,
        /// Too little to work with.
        Incomplete,
        /// Already handled as another complaint.
        Duplicate,
    }
}

words! {
    /// What is being done.
    ProgressState {
        /// Work has begun.
        Started,
        /// The facts are being looked into.
        Investigating,
        /// The citizen has to do something.
        WaitingForCitizen,
        /// Another agency has to do something.
        WaitingForAgency,
    }
}

words! {
    /// How the work ended.
    Outcome {
        /// What was wrong is put right.
        Fixed,
        /// The question is answered.
        Answered,
        /// Nothing was wrong.
        Unfounded,
        /// It cannot be done.
        NotPossible,
    }
}

words! {
    /// What the citizen says to it.
    ReplyWord {
        /// Content with it.
        Satisfied,
        /// Not content: the complaint is reopened.
        Dissatisfied,
        /// Adds information.
        Information,
    }
}

words! {
    /// Why a complaint is put away without an answer.
    ArchiveReason {
        /// Too little to work with, and the citizen does not add to it.
        Incomplete,
        /// Handled as another complaint.
        Duplicate,
        /// Nothing that complaints are for.
        OutOfScope,
        /// A court decides it.
        InCourt,
    }
}

words! {
    /// Why contents have to be destroyed.
    EraseGround {
        /// The person whom the data are about asks for it (UU PDP 27/2022).
        SubjectRequest,
        /// A court orders it.
        CourtOrder,
        /// They were kept as long as they may be.
        RetentionEnded,
    }
}

words! {
    /// How soon a complaint has to be handled.
    Priority {
        /// In its turn.
        Normal,
        /// Before others.
        High,
        /// At once.
        Urgent,
    }
}

words! {
    /// How a complaint is handled.
    Handling {
        /// By the rules of everyday service (normatif).
        Routine,
        /// To be looked into, without a supervision element.
        WithoutSupervision,
        /// To be looked into by those who supervise (berkadar pengawasan).
        WithSupervision,
    }
}

/// How far a complaint has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Phase {
    /// Lodged, nothing else yet.
    Received,
    /// Its category and handling are decided.
    Verified,
    /// Somebody works on it.
    InProgress,
    /// The citizen has an answer.
    Responded,
    /// The work has ended.
    Resolved,
    /// The citizen was not content.
    Reopened,
    /// Ended.
    Closed,
    /// Put away on two signatures.
    Archived,
}

impl Phase {
    /// The name that the operator API uses.
    pub fn wire_name(self) -> String {
        typed(self).replace('-', "_")
    }
}

/// A word as it is typed.
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
    fn a_word_becomes_the_wire_value_of_its_name() {
        assert_eq!(i32::from(ReturnReason::OtherArea), wire::ReturnReason::OtherArea as i32);
        assert_eq!(i32::from(Outcome::NotPossible), wire::Outcome::NotPossible as i32);
    }
}
