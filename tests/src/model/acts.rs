//! The entries that an agency may write: operators' commands through [`sinergi_proto::complaint`], and the lies that the model allows.
//!
//! Must not know the rules of custody: the product's code decides whether an act is allowed.

use sinergi_proto::base::ids::EntryId;
use sinergi_proto::complaint::{Actor, Author, Command, Complaint, NewOffer, decide};
use sinergi_proto::entry::CustodyAct;
use sinergi_proto::wire::{self, entry::Body};

use super::members::{Agency, Members};
use super::time;

/// An act of an operator, or of a node automatically.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// Lodges the complaint.
    Lodge,
    /// Offers custody.
    Forward(Agency),
    /// Takes custody.
    Accept,
    /// Returns an offer.
    Return,
    /// The node returns an offer that was recalled.
    ReturnRecalled,
    /// Withdraws an offer that was not answered in time.
    Withdraw,
    /// Recalls an offer.
    Recall,
    /// Offers custody in the holder's place.
    Reassign(Agency),
    /// Answers the citizen.
    Respond,
    /// Ends the work.
    Resolve,
}

impl Act {
    /// Whether it answers an offer.
    pub fn is_answer(self) -> bool {
        matches!(self, Self::Accept | Self::Return | Self::ReturnRecalled)
    }

    /// Whether it acts on an open offer without being its addressee's answer.
    pub fn overrides_offer(self) -> bool {
        matches!(self, Self::Withdraw | Self::Reassign(_))
    }

    /// The acts that an operator of an agency tries. If `free`, these are all acts. If not, they are a selection that covers most rules
    /// with few entries: the city forwards to the ministry, the ministry answers the citizen or forwards to the city, and the supervisors
    /// reassign to the province.
    pub(super) fn of_operators(by: Agency, members: &Members, free: bool) -> Vec<Self> {
        let mut acts = vec![Self::Accept, Self::Return, Self::Withdraw, Self::Recall];
        if free {
            acts.extend([Self::Respond, Self::Resolve]);
            acts.extend(members.all().flat_map(|to| [Self::Forward(to), Self::Reassign(to)]));
            return acts;
        }
        match by {
            Agency::City => acts.push(Self::Forward(Agency::Ministry)),
            Agency::Ministry => acts.extend([Self::Respond, Self::Resolve, Self::Forward(Agency::City)]),
            Agency::Province | Agency::Ombudsman => acts.push(Self::Reassign(Agency::Province)),
        }
        acts
    }

    fn command(self, members: &Members, clock: u64) -> Command {
        let offer = |to| {
            let reason = wire::ForwardReason::Competence.into();
            NewOffer { to: members.id(to).clone(), reason, answer_by: Some(time::answer_by(clock)) }
        };
        let returned = |reason: wire::ReturnReason| Command::Return { reason: reason.into(), suggestion: None };
        match self {
            Self::Lodge => unreachable!("the model begins with the only Lodged"),
            Self::Forward(to) => Command::Forward(offer(to)),
            Self::Reassign(to) => Command::Reassign(offer(to)),
            Self::Accept => Command::Accept,
            Self::Return => returned(wire::ReturnReason::NotCompetent),
            Self::ReturnRecalled => returned(wire::ReturnReason::Recalled),
            Self::Withdraw => Command::Withdraw,
            Self::Recall => Command::Recall,
            Self::Respond => Command::Respond,
            Self::Resolve => Command::Resolve { outcome: wire::Outcome::Fixed.into() },
        }
    }
}

/// The body of an act, if it is allowed now. `clock` is the entry's clock in milliseconds.
pub(super) fn body(members: &Members, complaint: &Complaint, by: Agency, act: Act, clock: u64) -> Option<Body> {
    let (agency, charters) = (members.id(by), members.charters());
    let author = Author { agency, millis: clock, charters, answer_within_millis: 0 };
    decide(complaint, &act.command(members, clock), author).ok()
}

/// The lies of an agency, each with its basis. A lie acts on a custody entry although the agency knows a later act on it. The agency was entitled
/// to the act before that later act.
pub(super) fn lies(members: &Members, complaint: &Complaint, by: Agency, clock: u64) -> Vec<(Act, EntryId, Body)> {
    let mut lies = Vec::new();
    let (charter, charters) = (members.charter(), members.charters());
    let actor = Actor { author: members.id(by), millis: clock, charter, charters };
    for (basis, known) in complaint.timeline().filter(|(id, _)| *id != complaint.tip()) {
        let Some(state) = known.custody() else { continue };
        for (act, custody, body) in stale(members, basis, clock) {
            if state.after(EntryId([0; 32]), &custody, actor).is_ok() {
                lies.push((act, basis, body));
            }
        }
    }
    lies
}

/// Every custody act on a basis.
fn stale(members: &Members, basis: EntryId, clock: u64) -> Vec<(Act, CustodyAct, Body)> {
    let (answer_by, reason) = (time::answer_by(clock), 1);
    let mut acts = vec![
        (Act::Accept, CustodyAct::Accepted),
        (Act::Return, CustodyAct::Returned { reason, suggestion: None }),
        (Act::Withdraw, CustodyAct::Withdrawn),
    ];
    for agency in members.all() {
        let to = || members.id(agency).clone();
        acts.push((Act::Forward(agency), CustodyAct::Forwarded { to: to(), reason, answer_by }));
        acts.push((Act::Reassign(agency), CustodyAct::Reassigned { to: to(), reason, answer_by }));
    }
    let with_body = |(act, custody): (Act, CustodyAct)| {
        let body = custody.to_wire(basis);
        (act, custody, body)
    };
    acts.into_iter().map(with_body).collect()
}
