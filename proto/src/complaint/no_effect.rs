//! The reasons why an entry has no effect.
//!
//! Must not know the rules that give these reasons.

use std::fmt;

use super::phase::Phase;
use crate::base::clock::rfc3339 as time;
use crate::base::ids::{AgencyId, EntryId};
use crate::base::limits;

/// The reason why an entry has no effect. Such an entry is kept and shown with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoEffect {
    /// The key that signed it was revoked, and the list of what stays trusted does not name it.
    Disputed {
        /// The agency whose key it was.
        author: AgencyId,
        /// The number of the key.
        key: u32,
    },
    /// The author had lost its power when it wrote the entry, although it names an older charter that gave it the power.
    PowerEnded {
        /// The charter version that ended the power.
        version: u64,
    },
    /// The work was not known to the agency that accepted custody after it.
    Crossed {
        /// The `Accepted` entry.
        by: EntryId,
    },
    /// The case is not closed for this cause.
    UntrueCause,
    /// The charter that the entry names had expired, and its days of grace were over.
    CharterExpired {
        /// The time from which on no offer is made under it, in milliseconds since 1970.
        ended: u64,
    },
    /// The deadline has no date.
    UnknownDeadline {
        /// A `Deadline`.
        deadline: i32,
    },
    /// Only the holder may do this.
    NotHolder {
        /// The holder after the entry's basis.
        holder: AgencyId,
    },
    /// Only the intake agency may do this.
    NotIntake {
        /// The intake agency.
        intake: AgencyId,
    },
    /// The word is not heard as the citizen's.
    NotHeard(NotHeard),
    /// Only the addressee of the offer may answer it.
    NotAddressee {
        /// The addressee.
        to: AgencyId,
    },
    /// Only the supervisor of this agency may do this.
    NotSupervisor {
        /// The agency whose supervisor may do it.
        agency: AgencyId,
    },
    /// Only an oversight agency, or a supervisor of the holder, the intake agency or the addressee, may do this.
    NotOverseer,
    /// There is no open offer to act on.
    NoOpenOffer,
    /// An offer is open. It must be answered or withdrawn first.
    OfferOpen {
        /// The addressee of the open offer.
        to: AgencyId,
        /// The end of its time to answer, in milliseconds since 1970.
        answer_by: u64,
    },
    /// The time to answer has passed.
    AfterAnswerBy {
        /// The end of that time, in milliseconds since 1970.
        answer_by: u64,
        /// The holder, who can take the offer back.
        holder: AgencyId,
    },
    /// The holder and its supervisors can act on the offer only from a margin after `answer_by` on.
    BeforeMargin {
        /// The addressee.
        to: AgencyId,
        /// The end of its time to answer, in milliseconds since 1970.
        answer_by: u64,
    },
    /// The offer is to the agency that holds the complaint.
    OfferToHolder,
    /// The addressee is no active member under the charter that the entry names.
    AddresseeNotActive {
        /// The addressee.
        to: AgencyId,
    },
    /// `answer_by` is not after the entry's clock, or too far after it.
    AnswerByOutOfRange {
        /// The value, in milliseconds since 1970.
        answer_by: u64,
        /// Longest time to answer by the charter that the entry names, in days.
        days: u32,
    },
    /// The basis has no effect itself.
    BasisWithoutEffect,
    /// The author knew that custody had moved on from the basis: an ancestor of the entry acts on the same basis with effect.
    BasisActedOn,
    /// The entry names a proposal that its author had not seen, that had no effect, or that was settled.
    NoProposal,
    /// Custody had moved on since the proposal.
    ProposalOutdated,
    /// The basis was superseded, and this entry needs one on the path.
    BasisSuperseded,
    /// The case had ended.
    CaseEnded {
        /// The phase in which it ended.
        phase: Phase,
    },
    /// Only a case that was closed without the citizen's word may be reopened by others than the intake agency.
    NotSelfClosed,
    /// Another escalation of the same deadline comes first.
    AlreadyEscalated {
        /// The entry that comes first.
        by: EntryId,
    },
    /// The deadline had not passed.
    NotYetDue {
        /// The end of the deadline, in milliseconds since 1970.
        due: u64,
    },
    /// The entry names another time to answer than the offer.
    OtherDue {
        /// The time in the entry, in milliseconds since 1970.
        due: u64,
        /// The time in the offer, in milliseconds since 1970.
        answer_by: u64,
    },
    /// The receipt that it shows does not make an act witnessed.
    NotWitnessed(NotWitnessed),
    /// A complaint is no duplicate of itself.
    DuplicateOfItself,
    /// The entry does not carry the content that it names.
    NotDisclosed,
    /// Only the intake agency discloses the identity of the reporter.
    IdentityOfIntake {
        /// The intake agency.
        intake: AgencyId,
    },
}

impl NoEffect {
    /// Says whose turn it is with an offer, and from when.
    fn fmt_turn(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfferOpen { to, answer_by } => write!(
                f,
                "an offer to {to} is open: {to} can accept or return it until {}, and from {} on the holder can withdraw it",
                time(*answer_by),
                time(margin_after(*answer_by))
            ),
            Self::AfterAnswerBy { answer_by, holder } => write!(
                f,
                "the time to answer ended at {}; from {} on {holder} can withdraw the offer, and a supervisor of {holder} can reassign the complaint",
                time(*answer_by),
                time(margin_after(*answer_by))
            ),
            Self::BeforeMargin { to, answer_by } => write!(
                f,
                "{to} can answer the offer until {}, and its answer may be on its way until {}; from then on the holder can withdraw the offer, \
                 and a supervisor can reassign the complaint",
                time(*answer_by),
                time(margin_after(*answer_by))
            ),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for NoEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disputed { author, key } => {
                write!(
                    f,
                    "disputed: key {key:08x} of {author} was revoked, and the list of what stays trusted does not name this entry"
                )
            }
            Self::PowerEnded { version } => {
                write!(
                    f,
                    "its author had no power for it any more: charter version {version} had ended that more than 7 days before"
                )
            }
            Self::NotHolder { holder } => write!(f, "only the holder may do this, and {holder} holds it"),
            Self::NotIntake { intake } => write!(f, "only the intake agency may do this: {intake}"),
            Self::NotHeard(why) => why.fmt(f),
            Self::NotAddressee { to } => write!(f, "only the addressee may answer the offer: {to}"),
            Self::NotSupervisor { agency } => write!(f, "only the supervisor of {agency} may do this"),
            Self::NotOverseer => write!(f, "only supervisors and oversight agencies may do this"),
            Self::NoOpenOffer => write!(f, "there is no open offer"),
            Self::Crossed { by } => write!(f, "custody had moved on when it was written: {by} did not know of it"),
            Self::UntrueCause => write!(f, "the case is not closed for the cause that it names"),
            Self::CharterExpired { ended } => {
                write!(f, "the charter that it names expired, and offers under it ended at {}", time(*ended))
            }
            Self::UnknownDeadline { deadline } => write!(f, "deadline {deadline} has no date"),
            Self::OfferOpen { .. } | Self::AfterAnswerBy { .. } | Self::BeforeMargin { .. } => self.fmt_turn(f),
            Self::OfferToHolder => write!(f, "it is offered to the agency that holds it"),
            Self::AddresseeNotActive { to } => write!(f, "{to} is no active member of the federation"),
            Self::AnswerByOutOfRange { answer_by, days } => {
                write!(
                    f,
                    "answer-by {} is not within {days} days after the offer, as the charter demands",
                    time(*answer_by)
                )
            }
            Self::BasisWithoutEffect => write!(f, "the entry that it acts on has no effect"),
            Self::BasisActedOn => write!(f, "its author knew that custody had moved on from there"),
            Self::NoProposal => write!(f, "it names no open proposal that its author had seen"),
            Self::ProposalOutdated => write!(f, "custody has moved on since the proposal"),
            Self::BasisSuperseded => write!(f, "the custody that it was made under was superseded"),
            Self::CaseEnded { phase } => write!(f, "the case was {}", phase.name()),
            Self::NotSelfClosed => {
                write!(f, "others than the intake agency reopen only a case that was closed without the citizen's word")
            }
            Self::AlreadyEscalated { by } => write!(f, "{by} escalated the same deadline before"),
            Self::NotYetDue { due } => write!(f, "the deadline passes at {}", time(*due)),
            Self::OtherDue { due, answer_by } => {
                write!(f, "the time to answer ends at {}, not at {}", time(*answer_by), time(*due))
            }
            Self::NotWitnessed(why) => why.fmt(f),
            Self::DuplicateOfItself => write!(f, "a complaint is no duplicate of itself"),
            Self::NotDisclosed => write!(f, "it does not carry the content that it names"),
            Self::IdentityOfIntake { intake } => write!(f, "only {intake} discloses the identity of the reporter"),
        }
    }
}

/// The reason why a signed word does not count as the citizen's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotHeard {
    /// Only the intake agency, its supervisor or an oversight agency may carry it.
    NotCarrier {
        /// The intake agency.
        intake: AgencyId,
    },
    /// The complaint was lodged without a key of the citizen, so nobody can sign for the citizen.
    NoKey,
    /// The signature is not the one of the citizen's key over this word.
    NotSigned,
    /// The word is about no answer of the complaint that its carrier had seen.
    NoAnswer,
    /// A word of the citizen with a higher number, or with this one, came before.
    Outdated {
        /// The number of the word.
        number: u64,
        /// The highest number before it.
        highest: u64,
    },
}

impl fmt::Display for NotHeard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCarrier { intake } => write!(
                f,
                "only the intake agency {intake}, its supervisor or an oversight agency may carry the citizen's word"
            ),
            Self::NoKey => write!(f, "the complaint was lodged without a key of the citizen, so no word can be signed"),
            Self::NotSigned => write!(f, "the word is not signed with the citizen's key"),
            Self::NoAnswer => {
                write!(f, "the word is about no answer of this complaint that was known when it was written down")
            }
            Self::Outdated { number, highest } => write!(
                f,
                "it is word number {number} of the citizen, and number {highest} counts already: each word counts once, by rising numbers"
            ),
        }
    }
}

/// The reason why a shown receipt does not make an act witnessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotWitnessed {
    /// The receipt is for an entry that is no act on custody with effect.
    NoAct,
    /// The receipt is of an agency that is no witness of the act: neither the holder, a parent of holder or addressee, the mediator, nor oversight.
    NoWitness {
        /// The agency that gave the receipt.
        agency: AgencyId,
    },
    /// The receipt names an older charter than the act that it is for.
    OlderReceipt {
        /// The version that the receipt names.
        named: u64,
        /// The version that the act names.
        of_act: u64,
    },
    /// The receipt is of an agency about its own act.
    OwnReceipt,
    /// The key that signed the receipt was revoked, and the list of what stays trusted does not name the receipt.
    Disputed {
        /// The agency whose key it was.
        agency: AgencyId,
        /// The number of the key.
        key: u32,
    },
    /// The receipt's time is too far from the clock of the act, so it does not show that the act was made when it says.
    OtherTime {
        /// The time in the receipt, in milliseconds since 1970.
        seen: u64,
        /// The clock of the act, in milliseconds since 1970.
        dated: u64,
    },
}

impl fmt::Display for NotWitnessed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAct => write!(f, "the entry whose receipt it shows is no act on custody with effect"),
            Self::OlderReceipt { named, of_act } => {
                write!(f, "the receipt names charter version {named}, and the act names version {of_act}")
            }
            Self::NoWitness { agency } => write!(f, "{agency}, whose receipt it shows, is no witness of this act"),
            Self::Disputed { agency, key } => {
                write!(
                    f,
                    "disputed: key {key:08x} of {agency} was revoked, and the list of what stays trusted does not name the receipt"
                )
            }
            Self::OwnReceipt => write!(f, "nobody is the witness of its own act"),
            Self::OtherTime { seen, dated } => write!(
                f,
                "the receipt is of {}, and the act is dated {}: more than an hour apart",
                time(*seen),
                time(*dated)
            ),
        }
    }
}

/// The time from which on others than the addressee can act on an offer, in milliseconds since 1970.
pub(super) fn margin_after(answer_by: u64) -> u64 {
    answer_by.saturating_add(u64::try_from(limits::ANSWER_MARGIN.as_millis()).unwrap_or(u64::MAX))
}
