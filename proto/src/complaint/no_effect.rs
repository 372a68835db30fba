//! The reasons why an entry has no effect. The entry is kept and shown all the same, with its reason.

use std::fmt;

use super::Phase;
use crate::base::ids::{AgencyId, EntryId};
use crate::base::limits;

/// Why an entry has no effect where it was made. It is kept and shown all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoEffect {
    /// Only the holder may do this.
    NotHolder {
        /// Who held the complaint there.
        holder: AgencyId,
    },
    /// Only the intake agency may do this.
    NotIntake {
        /// The intake agency.
        intake: AgencyId,
    },
    /// Only the addressee of the offer may answer it.
    NotAddressee {
        /// The addressee.
        to: AgencyId,
    },
    /// Only the supervisor of this agency may do this.
    NotSupervisor {
        /// Whose supervisor.
        agency: AgencyId,
    },
    /// Only supervisors of those who have to do with the complaint there, and oversight agencies, may do this.
    NotOverseer,
    /// There is no open offer to act on.
    NoOpenOffer,
    /// An offer is open; it must be answered, recalled or withdrawn first.
    OfferOpen {
        /// Its addressee.
        to: AgencyId,
    },
    /// The time to answer has passed.
    AfterAnswerBy {
        /// Until when, milliseconds since 1970.
        answer_by: u64,
    },
    /// Only the addressee can act until then.
    BeforeMargin {
        /// From when on, milliseconds since 1970.
        from: u64,
    },
    /// An offer to the agency that holds the complaint.
    OfferToHolder,
    /// The addressee is no active member of the charter that judges the entry.
    AddresseeNotActive {
        /// The addressee.
        to: AgencyId,
    },
    /// `answer_by` is not after the entry's clock, or too far after it.
    AnswerByOutOfRange {
        /// The value, milliseconds since 1970.
        answer_by: u64,
    },
    /// The entry that it acts on has no effect itself.
    BasisWithoutEffect,
    /// Its author knew that custody had gone on from there: one of the entry's ancestors acts on the same basis with effect.
    BasisActedOn,
    /// It names a proposal that its author had not seen, that had no effect, or that was settled.
    NoProposal,
    /// Custody had moved on since the proposal.
    ProposalOutdated,
    /// The custody entry that it was made under was superseded, and it needs one that counts.
    BasisSuperseded,
    /// The case had ended.
    CaseEnded {
        /// How.
        phase: Phase,
    },
    /// Only a case that was closed without the citizen's word may be reopened by others than the intake agency.
    NotSelfClosed,
    /// Another escalation of the same deadline comes first.
    AlreadyEscalated {
        /// It.
        by: EntryId,
    },
    /// The deadline had not passed.
    NotYetDue {
        /// When it passes, milliseconds since 1970.
        due: u64,
    },
    /// The time to answer is another one.
    OtherDue {
        /// What the entry says, milliseconds since 1970.
        due: u64,
        /// What the offer says, milliseconds since 1970.
        answer_by: u64,
    },
    /// A complaint is no duplicate of itself.
    DuplicateOfItself,
    /// What it says that it discloses is not what it carries.
    NotDisclosed,
    /// Only the intake agency discloses who the reporter is.
    IdentityOfIntake {
        /// The intake agency.
        intake: AgencyId,
    },
}

impl fmt::Display for NoEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHolder { holder } => write!(f, "only the holder may do this, and {holder} holds it"),
            Self::NotIntake { intake } => write!(f, "only the intake agency may do this: {intake}"),
            Self::NotAddressee { to } => write!(f, "only the addressee may answer the offer: {to}"),
            Self::NotSupervisor { agency } => write!(f, "only the supervisor of {agency} may do this"),
            Self::NotOverseer => write!(f, "only supervisors and oversight agencies may do this"),
            Self::NoOpenOffer => write!(f, "there is no open offer"),
            Self::OfferOpen { to } => write!(f, "an offer to {to} is open"),
            Self::AfterAnswerBy { answer_by } => write!(f, "the time to answer ended at {}", time(*answer_by)),
            Self::BeforeMargin { from } => write!(f, "only the addressee can act on the offer until {}", time(*from)),
            Self::OfferToHolder => write!(f, "it is offered to the agency that holds it"),
            Self::AddresseeNotActive { to } => write!(f, "{to} is no active member of the federation"),
            Self::AnswerByOutOfRange { answer_by } => write!(
                f,
                "answer-by {} is not within {} days after the offer",
                time(*answer_by),
                limits::ANSWER_BY_MAX.as_secs() / 86_400
            ),
            Self::BasisWithoutEffect => write!(f, "the entry that it acts on has no effect"),
            Self::BasisActedOn => write!(f, "its author knew that custody had gone on from there"),
            Self::NoProposal => write!(f, "there is no open proposal of that name that its author had seen"),
            Self::ProposalOutdated => write!(f, "custody has moved on since the proposal"),
            Self::BasisSuperseded => write!(f, "the custody that it was made under was superseded"),
            Self::CaseEnded { phase } => write!(f, "the case was {}", phase.name()),
            Self::NotSelfClosed => {
                write!(f, "only a case closed without the citizen's word is reopened by others than the intake agency")
            }
            Self::AlreadyEscalated { by } => write!(f, "{by} escalated the same deadline before"),
            Self::NotYetDue { due } => write!(f, "the deadline passes at {}", time(*due)),
            Self::OtherDue { due, answer_by } => {
                write!(f, "the time to answer ends at {}, not at {}", time(*answer_by), time(*due))
            }
            Self::DuplicateOfItself => write!(f, "a complaint is no duplicate of itself"),
            Self::NotDisclosed => write!(f, "what it carries is not the content that it names"),
            Self::IdentityOfIntake { intake } => write!(f, "only {intake} discloses who reported"),
        }
    }
}

fn time(millis: u64) -> String {
    i64::try_from(millis)
        .ok()
        .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
        .map_or_else(|| format!("{millis} ms"), |time| time.to_string())
}
