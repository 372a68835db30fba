//! The rules of custody: what an entry does to the state that it acts on, and why it may do nothing.
//!
//! Until `answer_by` only the addressee can act on an offer. Afterwards, and after a margin for clocks that differ, only the others can. So honest
//! nodes fork only if a network partition lasts longer than `answer_by`, or if supervisor and holder act at the same time.

use super::no_effect::NoEffect;
use crate::base::ids::{AgencyId, EntryId};
use crate::base::limits;
use crate::charter::{Charter, MemberStatus};
use crate::entry::{CaseAct, CustodyAct};
use crate::wire::{Deadline, ReplyWord};

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
                    return Err(NoEffect::NotSupervisor { agency: self.holder.clone() });
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

    /// Whether the author may make a case entry under this state. What the case itself says to it is judged apart
    /// ([`super::CaseState::after`]).
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
            CaseAct::Verified { .. }
            | CaseAct::Progressed { .. }
            | CaseAct::Responded
            | CaseAct::Resolved { .. }
            | CaseAct::ArchiveProposed { .. }
            | CaseAct::Linked { .. } => self.require_holder(actor),
            CaseAct::Replied { word: ReplyWord::Dissatisfied, .. } if actor.author != intake => {
                if self.oversees(intake, actor) { Ok(()) } else { Err(NoEffect::NotIntake { intake: intake.clone() }) }
            }
            CaseAct::Replied { .. } | CaseAct::Closed { .. } | CaseAct::EraseProposed { .. } => {
                require_intake(intake, actor)
            }
            CaseAct::ArchiveApproved { .. } | CaseAct::ArchiveRefused { .. } => {
                self.require_second_of_archive(intake, actor)
            }
            CaseAct::Erased { .. } => require_second_of_erasure(intake, actor),
            CaseAct::Arrived => self.require_addressee(actor).map(drop),
            CaseAct::Escalated { deadline, due } => self.require_due(*deadline, *due, actor),
            CaseAct::Remarked => {
                if self.oversees(intake, actor) {
                    Ok(())
                } else {
                    Err(NoEffect::NotOverseer)
                }
            }
            CaseAct::Disclosed { to, .. } => {
                if actor.author != intake {
                    self.require_holder(actor)?;
                }
                require_active(to, actor)
            }
        }
    }

    /// Whether the actor is a supervisor of one of the agencies that the state names, or an oversight agency.
    fn oversees(&self, intake: &AgencyId, actor: Actor<'_>) -> bool {
        let (charter, author) = (actor.charter, actor.author);
        let addressee = self.offer.as_ref().map(|offer| &offer.to);
        let mut named = [Some(&self.holder), Some(intake), addressee].into_iter().flatten();
        charter.is_oversight(author) || named.any(|agency| charter.supervises(author, agency))
    }

    /// The intake agency signs for the citizen; if it is the holder itself, its supervisor does.
    fn require_second_of_archive(&self, intake: &AgencyId, actor: Actor<'_>) -> Result<(), NoEffect> {
        if self.holder != *intake {
            return require_intake(intake, actor);
        }
        if *actor.author != self.holder && actor.charter.supervises(actor.author, &self.holder) {
            return Ok(());
        }
        Err(NoEffect::NotSupervisor { agency: self.holder.clone() })
    }

    /// The time to answer an offer is what the offer says; what other deadlines are is the business of a profile.
    fn require_due(&self, deadline: i32, due: u64, actor: Actor<'_>) -> Result<(), NoEffect> {
        if deadline == i32::from(Deadline::Answer) {
            let answer_by = self.require_offer()?.answer_by;
            if due != answer_by {
                return Err(NoEffect::OtherDue { due, answer_by });
            }
        }
        if actor.millis <= due { Err(NoEffect::NotYetDue { due }) } else { Ok(()) }
    }

    fn open_offer(&self, entry: EntryId, to: &AgencyId, answer_by: u64, actor: Actor<'_>) -> Result<Self, NoEffect> {
        if *to == self.holder {
            return Err(NoEffect::OfferToHolder);
        }
        require_active(to, actor)?;
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

    fn require_addressee(&self, actor: Actor<'_>) -> Result<&Offer, NoEffect> {
        let offer = self.require_offer()?;
        if offer.to == *actor.author { Ok(offer) } else { Err(NoEffect::NotAddressee { to: offer.to.clone() }) }
    }

    fn require_answer_in_time(&self, actor: Actor<'_>) -> Result<(), NoEffect> {
        let offer = self.require_addressee(actor)?;
        if actor.millis > offer.answer_by {
            return Err(NoEffect::AfterAnswerBy { answer_by: offer.answer_by });
        }
        Ok(())
    }
}

fn require_intake(intake: &AgencyId, actor: Actor<'_>) -> Result<(), NoEffect> {
    if actor.author == intake { Ok(()) } else { Err(NoEffect::NotIntake { intake: intake.clone() }) }
}

/// Who proposed it cannot be the second one, whatever else it is.
fn require_second_of_erasure(intake: &AgencyId, actor: Actor<'_>) -> Result<(), NoEffect> {
    let (charter, author) = (actor.charter, actor.author);
    if author != intake && (charter.supervises(author, intake) || charter.is_oversight(author)) {
        return Ok(());
    }
    Err(NoEffect::NotSupervisor { agency: intake.clone() })
}

fn require_active(to: &AgencyId, actor: Actor<'_>) -> Result<(), NoEffect> {
    if actor.charter.member(to).is_some_and(|member| member.status == MemberStatus::Active) {
        return Ok(());
    }
    Err(NoEffect::AddresseeNotActive { to: to.clone() })
}

fn require_margin(offer: &Offer, actor: Actor<'_>) -> Result<(), NoEffect> {
    let margin = u64::try_from(limits::ANSWER_MARGIN.as_millis()).unwrap_or(u64::MAX);
    let from = offer.answer_by.saturating_add(margin);
    if actor.millis < from { Err(NoEffect::BeforeMargin { from }) } else { Ok(()) }
}
