//! The rules of custody: who may make an act, and the state after it.
//!
//! Must not know the tree of bases: it judges one act on one state.
//!
//! Invariant: until `answer_by` only the addressee can act on an offer. All others can act only from `answer_by` and a margin for clock
//! differences on. So honest nodes fork only if a network partition lasts longer than `answer_by`, or if supervisor and holder act at the
//! same time.

use super::no_effect::{NoEffect, NotHeard, margin_after};
use crate::base::ids::{AgencyId, EntryId};
use crate::charter::{Charter, Charters, MemberStatus};
use crate::citizen::Reply;
use crate::entry::{CaseAct, CustodyAct};
use crate::wire::{Deadline, ReplyWord};

/// The state of custody after one custody entry.
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
    /// The entry that made the offer.
    pub entry: EntryId,
    /// The addressee.
    pub to: AgencyId,
    /// The time until which only the addressee can act on it, in milliseconds since 1970.
    pub answer_by: u64,
}

/// The author of an act, with the time and the charters of the entry.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// The author.
    pub author: &'a AgencyId,
    /// The entry's clock, in milliseconds since 1970.
    pub millis: u64,
    /// The charter that the entry names.
    pub charter: &'a Charter,
    /// All charters. A later one may have ended the author's power.
    pub charters: &'a Charters,
}

impl Actor<'_> {
    /// Checks that the author has a power under the charter that the entry names, and under each later one that had begun more than
    /// [`limits::POWER_ENDS_AFTER`](crate::base::limits::POWER_ENDS_AFTER) before the entry is dated. So nobody keeps a power by naming an old charter.
    fn require_power(
        self,
        has_power: impl Fn(&Charter) -> bool,
        otherwise: impl FnOnce() -> NoEffect,
    ) -> Result<(), NoEffect> {
        if !has_power(self.charter) {
            return Err(otherwise());
        }
        match self.charters.powers_at(self.charter.version, self.millis).find(|later| !has_power(later)) {
            Some(later) => Err(NoEffect::PowerEnded { version: later.version }),
            None => Ok(()),
        }
    }

    /// Checks that the author takes part: it is a member and has not left.
    pub(super) fn require_member(self) -> Result<(), NoEffect> {
        let takes_part = |charter: &Charter| {
            charter.member(self.author).is_some_and(|member| member.status != MemberStatus::Retired)
        };
        self.require_power(takes_part, || NoEffect::PowerEnded { version: self.charter.version })
    }

    /// Checks that the author is a supervisor of this agency.
    fn require_supervisor(self, of: &AgencyId) -> Result<(), NoEffect> {
        let is_supervisor = |charter: &Charter| charter.supervises(self.author, of);
        self.require_power(is_supervisor, || NoEffect::NotSupervisor { agency: of.clone() })
    }
}

impl CustodyState {
    /// The state after `act` on this state. `entry` is the id of the entry that records the act.
    ///
    /// # Errors
    /// The reason why the act has no effect on this state.
    pub fn after(&self, entry: EntryId, act: &CustodyAct, actor: Actor<'_>) -> Result<Self, NoEffect> {
        match act {
            CustodyAct::Forwarded { to, answer_by, .. } => {
                self.require_holder(actor)?;
                self.require_no_offer()?;
                self.open_offer(entry, to, *answer_by, actor)
            }
            CustodyAct::Reassigned { to, answer_by, .. } => {
                actor.require_supervisor(&self.holder)?;
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

    /// Checks that the author may make a case entry under this state. [`super::CaseState::after`] judges its effect on the case.
    ///
    /// # Errors
    /// The reason why the author may not.
    pub fn allows(&self, act: &CaseAct, intake: &AgencyId, actor: Actor<'_>) -> Result<(), NoEffect> {
        match act {
            CaseAct::Recalled => {
                self.require_holder(actor)?;
                let offer = self.require_offer()?;
                if actor.millis >= offer.answer_by { Err(self.after_answer_by(offer)) } else { Ok(()) }
            }
            CaseAct::Verified { .. }
            | CaseAct::Progressed { .. }
            | CaseAct::Responded
            | CaseAct::Resolved { .. }
            | CaseAct::ArchiveProposed { .. }
            | CaseAct::Linked { .. } => self.require_holder(actor),
            CaseAct::Replied(reply) => self.require_carrier(reply, intake, actor),
            CaseAct::Closed { .. } | CaseAct::EraseProposed { .. } => require_intake(intake, actor),
            CaseAct::ArchiveApproved { .. } | CaseAct::ArchiveRefused { .. } => {
                self.require_second_of_archive(intake, actor)
            }
            CaseAct::Erased { .. } => require_second_of_erasure(intake, actor),
            CaseAct::Arrived => self.require_addressee(actor).map(drop),
            CaseAct::Escalated { deadline, due } => self.require_due(*deadline, *due, actor),
            CaseAct::Remarked => self.require_overseer(intake, actor, || NoEffect::NotOverseer),
            CaseAct::Disclosed { to, .. } => {
                if actor.author != intake {
                    self.require_holder(actor)?;
                }
                require_active(to, actor)
            }
        }
    }

    /// Checks the author of a reply. The citizen's signed word may come through others than the intake agency, so that it cannot be withheld.
    /// Without a signature, others can only reopen a case that the intake agency closed on its own word.
    fn require_carrier(&self, reply: &Reply, intake: &AgencyId, actor: Actor<'_>) -> Result<(), NoEffect> {
        let author = actor.author;
        let not_intake = || NoEffect::NotIntake { intake: intake.clone() };
        let may_carry = |charter: &Charter| charter.supervises(author, intake) || charter.is_oversight(author);
        match reply.signature {
            _ if author == intake => Ok(()),
            Some(_) => {
                actor.require_power(may_carry, || NoEffect::NotHeard(NotHeard::NotCarrier { intake: intake.clone() }))
            }
            None if reply.word.says == ReplyWord::Dissatisfied => self.require_overseer(intake, actor, not_intake),
            None => Err(not_intake()),
        }
    }

    /// Checks that the actor is a supervisor of one of the agencies that the state names, or an oversight agency.
    fn require_overseer(
        &self,
        intake: &AgencyId,
        actor: Actor<'_>,
        otherwise: impl FnOnce() -> NoEffect,
    ) -> Result<(), NoEffect> {
        let author = actor.author;
        let addressee = self.offer.as_ref().map(|offer| &offer.to);
        let oversees = |charter: &Charter| {
            let mut named = [Some(&self.holder), Some(intake), addressee].into_iter().flatten();
            charter.is_oversight(author) || named.any(|agency| charter.supervises(author, agency))
        };
        actor.require_power(oversees, otherwise)
    }

    /// Checks the second signature of an archiving. The intake agency gives it for the citizen. If it holds the complaint itself, its supervisor
    /// gives it.
    fn require_second_of_archive(&self, intake: &AgencyId, actor: Actor<'_>) -> Result<(), NoEffect> {
        if self.holder != *intake {
            return require_intake(intake, actor);
        }
        if *actor.author == self.holder {
            return Err(NoEffect::NotSupervisor { agency: self.holder.clone() });
        }
        actor.require_supervisor(&self.holder)
    }

    /// Checks the deadline in an `Escalated`: its date must be the one that the entries give, and must have passed by the margin. Only the time to
    /// answer the open offer has a date in this version.
    fn require_due(&self, deadline: i32, due: u64, actor: Actor<'_>) -> Result<(), NoEffect> {
        if deadline != i32::from(Deadline::Answer) {
            return Err(NoEffect::UnknownDeadline { deadline });
        }
        let answer_by = self.require_offer()?.answer_by;
        if due != answer_by {
            return Err(NoEffect::OtherDue { due, answer_by });
        }
        if actor.millis < margin_after(due) { Err(NoEffect::NotYetDue { due: margin_after(due) }) } else { Ok(()) }
    }

    fn open_offer(&self, entry: EntryId, to: &AgencyId, answer_by: u64, actor: Actor<'_>) -> Result<Self, NoEffect> {
        if *to == self.holder {
            return Err(NoEffect::OfferToHolder);
        }
        require_active(to, actor)?;
        let (rules, ended) = (actor.charter.rules, actor.charter.offers_end());
        if answer_by <= actor.millis || answer_by - actor.millis > rules.answer_by_millis() {
            return Err(NoEffect::AnswerByOutOfRange { answer_by, days: rules.answer_by_days });
        }
        // Answers to earlier offers stay allowed, so that a charter that expired takes nothing from anybody.
        if actor.millis > ended {
            return Err(NoEffect::CharterExpired { ended });
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
            Some(offer) => Err(NoEffect::OfferOpen { to: offer.to.clone(), answer_by: offer.answer_by }),
        }
    }

    fn require_offer(&self) -> Result<&Offer, NoEffect> {
        self.offer.as_ref().ok_or(NoEffect::NoOpenOffer)
    }

    fn after_answer_by(&self, offer: &Offer) -> NoEffect {
        NoEffect::AfterAnswerBy { answer_by: offer.answer_by, holder: self.holder.clone() }
    }

    fn require_addressee(&self, actor: Actor<'_>) -> Result<&Offer, NoEffect> {
        let offer = self.require_offer()?;
        if offer.to == *actor.author { Ok(offer) } else { Err(NoEffect::NotAddressee { to: offer.to.clone() }) }
    }

    fn require_answer_in_time(&self, actor: Actor<'_>) -> Result<(), NoEffect> {
        let offer = self.require_addressee(actor)?;
        if actor.millis > offer.answer_by {
            return Err(self.after_answer_by(offer));
        }
        Ok(())
    }
}

fn require_intake(intake: &AgencyId, actor: Actor<'_>) -> Result<(), NoEffect> {
    if actor.author == intake { Ok(()) } else { Err(NoEffect::NotIntake { intake: intake.clone() }) }
}

/// Checks the second signature of an erasure: a supervisor of the intake agency or an oversight agency, and not the intake agency itself, which
/// made the proposal.
fn require_second_of_erasure(intake: &AgencyId, actor: Actor<'_>) -> Result<(), NoEffect> {
    let author = actor.author;
    let may_approve =
        |charter: &Charter| author != intake && (charter.supervises(author, intake) || charter.is_oversight(author));
    actor.require_power(may_approve, || NoEffect::NotSupervisor { agency: intake.clone() })
}

fn require_active(to: &AgencyId, actor: Actor<'_>) -> Result<(), NoEffect> {
    if actor.charter.member(to).is_some_and(|member| member.status == MemberStatus::Active) {
        return Ok(());
    }
    Err(NoEffect::AddresseeNotActive { to: to.clone() })
}

fn require_margin(offer: &Offer, actor: Actor<'_>) -> Result<(), NoEffect> {
    if actor.millis >= margin_after(offer.answer_by) {
        return Ok(());
    }
    Err(NoEffect::BeforeMargin { to: offer.to.clone(), answer_by: offer.answer_by })
}
