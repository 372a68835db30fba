//! The stories of the demo: for each row of the file, the agency where it is lodged and the steps that follow.
//!
//! Must not know nodes: a [`Story`] is a pure function of a row and its number, so that every demo plays the same stories.
//!
//! Invariants: each step belongs to the agency that may take it once the earlier steps have arrived; ten rows cover most kinds of stories.

use sinergi_proto::wire::ReplyWord;

use crate::import::Row;

/// The ministry that runs the national system.
pub const KEMENPANRB: &str = "kemenpanrb";
/// The ministry of the interior, which supervises the provinces.
pub const KEMENDAGRI: &str = "kemendagri";
/// The office of the presidential staff, an oversight agency.
pub const KSP: &str = "ksp";
/// The Ombudsman, an oversight agency.
pub const OMBUDSMAN: &str = "ombudsman";
/// The ministry of communication.
pub const KOMINFO: &str = "kominfo";
/// A province.
pub const PROV_JABAR: &str = "prov-jabar";
/// A city in that province.
pub const KOTA_BANDUNG: &str = "kota-bandung";

/// The intake agencies of ten rows.
const INTAKES: [&str; 10] = [
    KOTA_BANDUNG,
    PROV_JABAR,
    KOTA_BANDUNG,
    KOMINFO,
    KOTA_BANDUNG,
    PROV_JABAR,
    KOTA_BANDUNG,
    KOMINFO,
    KEMENDAGRI,
    PROV_JABAR,
];

/// The fates of twelve complaints.
const FATES: [Fate; 12] = [
    Fate::Answered,
    Fate::Returned,
    Fate::Offered,
    Fate::Own,
    Fate::TwoHops,
    Fate::Answered,
    Fate::Dissatisfied,
    Fate::Recalled,
    Fate::Working,
    Fate::Resolved,
    Fate::New,
    Fate::Returned,
];

/// A complaint's history in the federation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Forwarded, accepted, worked on, answered, resolved; the citizen is satisfied; closed.
    Answered,
    /// Returned with a suggestion, forwarded on to the suggested agency, accepted and answered there.
    Returned,
    /// Forwarded; nobody has answered yet.
    Offered,
    /// Answered by the agency where it was lodged.
    Own,
    /// Forwarded, accepted, forwarded on by the new holder, accepted and answered there.
    TwoHops,
    /// Answered; the citizen is not satisfied; resolved again and closed.
    Dissatisfied,
    /// Forwarded, taken back before it was answered, and handled by the agency where it was lodged.
    Recalled,
    /// Forwarded, accepted, answered; the work continues.
    Working,
    /// Forwarded, accepted, worked on and resolved; the citizen has not replied.
    Resolved,
    /// Lodged and classified.
    New,
}

/// One complaint's story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// The intake agency.
    pub intake: &'static str,
    /// Its fate.
    pub fate: Fate,
    /// The steps that follow, in order.
    pub steps: Vec<Step>,
}

/// One act of one agency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The agency.
    pub by: &'static str,
    /// The act.
    pub deed: Deed,
}

/// An act of an agency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Offers the complaint to another agency.
    Forward(&'static str),
    /// Offers the complaint to the agency that the newest return suggested.
    ForwardAsSuggested,
    /// Accepts the complaint.
    Accept,
    /// Returns the complaint, and suggests another agency.
    Return(&'static str),
    /// Recalls an offer.
    Recall,
    /// Classifies the complaint.
    Verify,
    /// Records progress.
    Progress,
    /// Answers the citizen.
    Respond,
    /// Records the outcome.
    Resolve,
    /// Records the citizen's reply.
    Reply(ReplyWord),
    /// Closes the complaint.
    Close,
}

/// The agencies that an agency offers complaints to.
struct Ways {
    /// The agency for matters of others.
    next: &'static str,
    /// The agency that the first one forwards to.
    beyond: &'static str,
    /// The agency that gets an offer by mistake.
    wrong: &'static str,
    /// The agency that the mistaken one suggests.
    right: &'static str,
}

/// The story of the row with this number, counted from 0.
pub fn story(number: usize, row: &Row) -> Story {
    let intake = INTAKES[number % INTAKES.len()];
    // Shifted by one every ten rows, so that every intake agency has every fate.
    let fate =
        if sent_elsewhere(row) { Fate::Returned } else { FATES[(number + number / INTAKES.len()) % FATES.len()] };
    Story { intake, fate, steps: steps(intake, fate) }
}

/// Whether another agency was competent, according to the published outcome.
fn sent_elsewhere(row: &Row) -> bool {
    outcome(row).is_some_and(|outcome| outcome.contains("jurisdiction"))
}

/// The outcome that was published with the row.
pub fn outcome(row: &Row) -> Option<&str> {
    let body = &row.request.text.as_ref()?.body;
    body.lines().find_map(|line| line.strip_prefix("Outcome at the source: "))
}

fn ways(intake: &str) -> Ways {
    match intake {
        KOTA_BANDUNG => Ways { next: PROV_JABAR, beyond: KEMENDAGRI, wrong: KOMINFO, right: KEMENDAGRI },
        PROV_JABAR => Ways { next: KEMENDAGRI, beyond: KEMENPANRB, wrong: KOMINFO, right: KOTA_BANDUNG },
        KOMINFO => Ways { next: KEMENPANRB, beyond: PROV_JABAR, wrong: KEMENDAGRI, right: PROV_JABAR },
        _ => Ways { next: PROV_JABAR, beyond: KOTA_BANDUNG, wrong: KOMINFO, right: OMBUDSMAN },
    }
}

fn steps(intake: &'static str, fate: Fate) -> Vec<Step> {
    use Deed::{Accept, Forward, ForwardAsSuggested, Progress, Recall, Respond, Return, Verify};
    let Ways { next, beyond, wrong, right } = ways(intake);
    let by = |by, deeds: &[Deed]| deeds.iter().map(|&deed| Step { by, deed }).collect::<Vec<_>>();
    let mut steps = by(intake, &[Verify]);
    match fate {
        Fate::New => {}
        Fate::Offered => steps.extend(by(intake, &[Forward(next)])),
        Fate::Recalled => {
            steps.extend(by(intake, &[Forward(next), Recall]));
            steps.extend(answered(intake, intake));
        }
        Fate::Own => steps.extend(answered(intake, intake)),
        Fate::Working => {
            steps.extend(by(intake, &[Forward(next)]));
            steps.extend(by(next, &[Accept, Progress, Respond]));
        }
        Fate::Answered => {
            steps.extend(by(intake, &[Forward(next)]));
            steps.extend(by(next, &[Accept]));
            steps.extend(answered(next, intake));
        }
        Fate::Resolved => {
            steps.extend(by(intake, &[Forward(next)]));
            steps.extend(by(next, &[Accept, Progress, Respond, Deed::Resolve]));
        }
        Fate::TwoHops => {
            steps.extend(by(intake, &[Forward(next)]));
            steps.extend(by(next, &[Accept, Forward(beyond)]));
            steps.extend(by(beyond, &[Accept]));
            steps.extend(answered(beyond, intake));
        }
        Fate::Returned => {
            steps.extend(by(intake, &[Forward(wrong)]));
            steps.extend(by(wrong, &[Return(right)]));
            steps.extend(by(intake, &[ForwardAsSuggested]));
            steps.extend(by(right, &[Accept]));
            steps.extend(answered(right, intake));
        }
        Fate::Dissatisfied => {
            steps.extend(by(intake, &[Forward(next)]));
            steps.extend(by(next, &[Accept, Respond, Deed::Resolve]));
            steps.extend(by(intake, &[Deed::Reply(ReplyWord::Dissatisfied)]));
            steps.extend(answered(next, intake));
        }
    }
    steps
}

/// The holder works, answers and resolves; the citizen is satisfied.
fn answered(holder: &'static str, intake: &'static str) -> Vec<Step> {
    let work = [Deed::Progress, Deed::Respond, Deed::Resolve].map(|deed| Step { by: holder, deed });
    let end = [Deed::Reply(ReplyWord::Satisfied), Deed::Close].map(|deed| Step { by: intake, deed });
    work.into_iter().chain(end).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::rows;
    use super::*;

    fn stories(count: usize) -> Vec<Story> {
        let rows = rows(count).expect("the shipped rows");
        rows.iter().enumerate().map(|(number, row)| story(number, row)).collect()
    }

    #[test]
    fn ten_rows_tell_most_kinds_of_stories_and_forty_tell_all() {
        let fates = |count| stories(count).iter().map(|story| story.fate).collect::<BTreeSet<_>>();
        assert!(fates(10).len() >= 6, "{:?}", fates(10));
        assert_eq!(fates(40).len(), 10);
    }

    #[test]
    fn what_was_not_the_agencys_matter_at_the_source_is_returned_here() {
        let rows = rows(200).expect("the shipped rows");
        let elsewhere = rows.iter().enumerate().filter(|(_, row)| sent_elsewhere(row));
        let fates: Vec<Fate> = elsewhere.map(|(number, row)| story(number, row).fate).collect();
        assert!(fates.len() >= 10 && fates.iter().all(|fate| *fate == Fate::Returned), "{fates:?}");
    }

    #[test]
    fn nobody_acts_before_it_was_the_agencys_turn() {
        for story in stories(200) {
            let (mut holder, mut offered, mut suggested) = (story.intake, None, None);
            for Step { by, deed } in &story.steps {
                let by: &str = by;
                match deed {
                    Deed::Forward(to) => {
                        assert!(by == holder && offered.is_none() && *to != holder, "{story:?}");
                        offered = Some(*to);
                    }
                    Deed::ForwardAsSuggested => {
                        assert!(by == holder && offered.is_none(), "{story:?}");
                        offered = suggested;
                    }
                    Deed::Accept => {
                        assert_eq!(offered.take(), Some(by), "{story:?}");
                        holder = by;
                    }
                    Deed::Return(right) => {
                        assert_eq!(offered.take(), Some(by), "{story:?}");
                        suggested = Some(*right);
                    }
                    Deed::Recall => assert!(by == holder && offered.take().is_some(), "{story:?}"),
                    Deed::Verify | Deed::Progress | Deed::Respond | Deed::Resolve => {
                        assert!(by == holder && offered.is_none(), "{story:?}");
                    }
                    Deed::Reply(_) | Deed::Close => assert_eq!(by, story.intake, "{story:?}"),
                }
            }
        }
    }
}
