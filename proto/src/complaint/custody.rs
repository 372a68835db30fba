//! The rules of custody: what an entry does to the state that it acts on.
//!
//! Until `answer_by` only the addressee can act on an offer; after it, and after a margin for clocks that differ, only the others. So honest
//! nodes meet a fork only when a partition outlasts `answer_by`, or when supervisor and holder act at once.

use std::fmt;

use crate::charter::Charter;
use crate::entry::{CaseAct, CustodyAct};
use crate::ids::{AgencyId, EntryId};
use crate::limits;

/// Who is accountable, and what is offered to whom, after one custody entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustodyState {
    /// The one accountable agency.
    pub holder: AgencyId,
    /// The open offer, if there is one.
    pub offer: Option<Offer>,
}

/// An offer that has not been answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The entry that made it.
    pub entry: EntryId,
    /// Who may answer.
    pub to: AgencyId,
    /// Until when; milliseconds since 1970.
    pub answer_by: u64,
}

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
    /// Only the holder's supervisor may do this.
    NotSupervisor {
        /// Who held the complaint there.
        holder: AgencyId,
    },
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
}

impl fmt::Display for NoEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHolder { holder } => write!(f, "only the holder may do this, and {holder} holds it"),
            Self::NotIntake { intake } => write!(f, "only the intake agency may do this: {intake}"),
            Self::NotAddressee { to } => write!(f, "only the addressee may answer the offer: {to}"),
            Self::NotSupervisor { holder } => write!(f, "only the supervisor of the holder {holder} may do this"),
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
        }
    }
}

fn time(millis: u64) -> String {
    i64::try_from(millis)
        .ok()
        .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
        .map_or_else(|| format!("{millis} ms"), |time| time.to_string())
}

/// Who acts, when, and under which charter.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// The author.
    pub author: &'a AgencyId,
    /// The entry's clock, milliseconds since 1970.
    pub millis: u64,
    /// The charter that the entry names.
    pub charter: &'a Charter,
}

impl CustodyState {
    /// The state after `act`, made by `actor` in the entry `entry`, on this state.
    ///
    /// # Errors
    /// Why the act has no effect here.
    pub fn after(&self, entry: EntryId, act: &CustodyAct, actor: Actor<'_>) -> Result<Self, NoEffect> {
        match act {
            CustodyAct::Forwarded { to, answer_by, .. } => {
                self.require_holder(actor)?;
                self.require_no_offer()?;
                self.open_offer(entry, to, *answer_by, actor)
            }
            CustodyAct::Reassigned { to, answer_by, .. } => {
                if !actor.charter.supervises(actor.author, &self.holder) {
                    return Err(NoEffect::NotSupervisor { holder: self.holder.clone() });
                }
                if let Some(offer) = &self.offer {
                    require_margin(offer, actor)?;
                }
                self.open_offer(entry, to, *answer_by, actor)
            }
            CustodyAct::Accepted => {
                self.require_answer_in_time(actor)?;
                Ok(Self { holder: actor.author.clone(), offer: None })
            }
            CustodyAct::Returned { .. } => {
                self.require_answer_in_time(actor)?;
                Ok(Self { holder: self.holder.clone(), offer: None })
            }
            CustodyAct::Withdrawn => {
                self.require_holder(actor)?;
                require_margin(self.require_offer()?, actor)?;
                Ok(Self { holder: self.holder.clone(), offer: None })
            }
        }
    }

    /// Whether a case entry takes effect under this state.
    ///
    /// # Errors
    /// Why not.
    pub fn allows(&self, act: &CaseAct, intake: &AgencyId, actor: Actor<'_>) -> Result<(), NoEffect> {
        match act {
            CaseAct::Recalled => {
                self.require_holder(actor)?;
                let offer = self.require_offer()?;
                if actor.millis >= offer.answer_by {
                    return Err(NoEffect::AfterAnswerBy { answer_by: offer.answer_by });
                }
                Ok(())
            }
            CaseAct::Verified { .. } | CaseAct::Progressed { .. } | CaseAct::Responded | CaseAct::Resolved { .. } => {
                self.require_holder(actor)
            }
            CaseAct::Replied { .. } | CaseAct::Closed { .. } => {
                if actor.author == intake {
                    Ok(())
                } else {
                    Err(NoEffect::NotIntake { intake: intake.clone() })
                }
            }
        }
    }

    fn open_offer(&self, entry: EntryId, to: &AgencyId, answer_by: u64, actor: Actor<'_>) -> Result<Self, NoEffect> {
        use crate::charter::MemberStatus;
        if *to == self.holder {
            return Err(NoEffect::OfferToHolder);
        }
        if actor.charter.member(to).is_none_or(|member| member.status != MemberStatus::Active) {
            return Err(NoEffect::AddresseeNotActive { to: to.clone() });
        }
        let longest = u64::try_from(limits::ANSWER_BY_MAX.as_millis()).unwrap_or(u64::MAX);
        if answer_by <= actor.millis || answer_by - actor.millis > longest {
            return Err(NoEffect::AnswerByOutOfRange { answer_by });
        }
        Ok(Self { holder: self.holder.clone(), offer: Some(Offer { entry, to: to.clone(), answer_by }) })
    }

    fn require_holder(&self, actor: Actor<'_>) -> Result<(), NoEffect> {
        if *actor.author == self.holder {
            return Ok(());
        }
        Err(NoEffect::NotHolder { holder: self.holder.clone() })
    }

    fn require_no_offer(&self) -> Result<(), NoEffect> {
        match &self.offer {
            None => Ok(()),
            Some(offer) => Err(NoEffect::OfferOpen { to: offer.to.clone() }),
        }
    }

    fn require_offer(&self) -> Result<&Offer, NoEffect> {
        self.offer.as_ref().ok_or(NoEffect::NoOpenOffer)
    }

    fn require_answer_in_time(&self, actor: Actor<'_>) -> Result<(), NoEffect> {
        let offer = self.require_offer()?;
        if offer.to != *actor.author {
            return Err(NoEffect::NotAddressee { to: offer.to.clone() });
        }
        if actor.millis > offer.answer_by {
            return Err(NoEffect::AfterAnswerBy { answer_by: offer.answer_by });
        }
        Ok(())
    }
}

fn require_margin(offer: &Offer, actor: Actor<'_>) -> Result<(), NoEffect> {
    let margin = u64::try_from(limits::ANSWER_MARGIN.as_millis()).unwrap_or(u64::MAX);
    let from = offer.answer_by.saturating_add(margin);
    if actor.millis < from { Err(NoEffect::BeforeMargin { from }) } else { Ok(()) }
}
