//! Shows everything about one complaint: its state, timeline, custody and texts.

use std::collections::BTreeSet;

use sinergi_proto::base::ids::{AgencyId, ComplaintId};
use sinergi_proto::charter::Charter;
use sinergi_proto::complaint::{Complaint, Standing};
use sinergi_proto::engine::Case;
use sinergi_proto::entry::{Body, CaseAct, Commitment, ContentClass, CustodyAct, Entry};
use sinergi_proto::operator_api;
use sinergi_proto::wire;
use tonic::Status;

use super::codes::{archive_reason, code_of, deadline_name, erase_ground};
use super::complaints::Complaints;
use super::own;
use crate::storage::complaint_loader::{self, OwnDataError, ParsedLeaf};
use crate::storage::store::Summary;

impl Complaints {
    /// Everything about one complaint.
    pub(super) fn show(&self, name: &str) -> Result<operator_api::ComplaintDetail, Status> {
        let case = self.case_named(name)?;
        let (outbox, complaint) = (&self.outbox, &case.complaint);
        let mut timeline = Vec::with_capacity(complaint.len());
        for (entry, _) in complaint.timeline() {
            let index = case.leaves.get(&entry).copied().unwrap_or_default();
            let leaf = own(ParsedLeaf::parse(own(outbox.reader().leaf(index))?, outbox.federation()))?;
            timeline.push(self.timeline_row(&case, leaf)?);
        }
        let charters = self.charter_store.charters();
        let charter = charters.newest();
        let (participants, state) = (complaint.participants(), complaint.case());
        let holder = &complaint.custody().holder;
        let offers = complaint.offers();
        let disclosed_to = complaint.readers().disclosed_to;
        Ok(operator_api::ComplaintDetail {
            summary: Some(self.summary(&complaint.id(), Summary::of(&case, &self.own))?),
            timeline,
            participants: names(participants),
            observers: names(charter.observers(participants)),
            custody: custody_spans(complaint),
            offers: u32::try_from(offers).unwrap_or(u32::MAX),
            goes_back_and_forth: offers >= charter.rules.offers_before_mediation as usize,
            supervisors: names(charter.supervisors(holder)),
            reopened: state.reopened,
            resolved_by: state.resolved_by.as_ref().map(ToString::to_string).unwrap_or_default(),
            duplicate_of: state.duplicate_of.map(|id| id.0.to_vec()).unwrap_or_default(),
            proposals: proposals(complaint, charter),
            disclosed_to: names(disclosed_to),
            citizen_key: complaint.lodged().citizen_key.map(|key| key.public.to_vec()).unwrap_or_default(),
            key_origin: complaint.lodged().citizen_key.map(|key| key.origin).unwrap_or_default(),
            word_number: state.word_number,
            answer_to_reply: complaint.answer_to_reply().map(|id| id.0.to_vec()).unwrap_or_default(),
            escalated: complaint.escalations().map(|(deadline, ..)| deadline_name(deadline)).collect(),
        })
    }

    /// Folds the complaint that the name means.
    pub(super) fn case_named(&self, name: &str) -> Result<Case, Status> {
        let id = self.complaint_named(name)?;
        own(self.load_case(&id))?.ok_or_else(|| no_case(&id))
    }

    /// Folds a complaint; `None` if this node has none of its entries.
    pub(super) fn load_case(&self, id: &ComplaintId) -> Result<Option<Case>, OwnDataError> {
        let outbox = &self.outbox;
        let charters = self.charter_store.charters();
        complaint_loader::load(id, outbox.store(), outbox.reader(), outbox.federation(), &charters)
    }

    fn timeline_row(&self, case: &Case, leaf: ParsedLeaf) -> Result<operator_api::TimelineRow, Status> {
        let content = self.timeline_contents(case, &leaf)?;
        let ParsedLeaf { index, header, entry } = leaf;
        let (standing, standing_reason) = standing_of(case, &entry);
        let (to, answer_by) = match &entry.body {
            Body::Custody { act: CustodyAct::Forwarded { to, answer_by, .. }, .. }
            | Body::Custody { act: CustodyAct::Reassigned { to, answer_by, .. }, .. } => (to.to_string(), *answer_by),
            Body::Case { act: CaseAct::Disclosed { to, .. }, .. } => (to.to_string(), 0),
            _ => (String::new(), 0),
        };
        let suggestion = match &entry.body {
            Body::Custody { act: CustodyAct::Returned { suggestion: Some(suggestion), .. }, .. } => {
                suggestion.to_string()
            }
            _ => String::new(),
        };
        let proposal = match &entry.body {
            Body::Case {
                act:
                    CaseAct::ArchiveApproved { proposal }
                    | CaseAct::ArchiveRefused { proposal }
                    | CaseAct::Erased { proposal, .. },
                ..
            } => proposal.0.to_vec(),
            _ => Vec::new(),
        };
        let (proven, witness) = match &entry.body {
            Body::Proven(proven) => (proven.entry.0.to_vec(), proven.receiver.to_string()),
            _ => (Vec::new(), String::new()),
        };
        let reply = match &entry.body {
            Body::Case { act: CaseAct::Replied(reply), .. } => Some(reply),
            _ => None,
        };
        Ok(operator_api::TimelineRow {
            answer: reply.and_then(|reply| reply.word.answer).map(|id| id.0.to_vec()).unwrap_or_default(),
            score: reply.map(|reply| reply.word.score.into()).unwrap_or_default(),
            word_number: reply
                .filter(|reply| reply.signature.is_some())
                .map(|reply| reply.word.number)
                .unwrap_or_default(),
            entry_id: entry.id.0.to_vec(),
            leaf_index: index.0,
            at: entry.clock.millis(),
            received_at: header.at,
            author: entry.author.to_string(),
            received_from: header.from.map(String::from).unwrap_or_default(),
            body: entry.body.name().to_owned(),
            standing,
            standing_reason,
            to,
            answer_by,
            code: code_of(&entry.body),
            suggestion,
            basis: entry.body.basis().map(|basis| basis.0.to_vec()).unwrap_or_default(),
            content,
            proposal,
            proven,
            witness,
            parents: entry.parents.iter().map(|parent| parent.0.to_vec()).collect(),
        })
    }

    fn timeline_contents(&self, case: &Case, leaf: &ParsedLeaf) -> Result<Vec<operator_api::TimelineContent>, Status> {
        let mut texts = self.texts(leaf)?;
        let rows = (0u32..).zip(&leaf.entry.commitments).map(|(number, commitment)| {
            let (availability, text, why) = match texts.remove(&number) {
                Some(Some(text)) => ("here", Some(text), String::new()),
                Some(None) => ("erased", None, "it was erased on two signatures".to_owned()),
                None if case.complaint.is_erased(&leaf.entry.id) => {
                    ("erased", None, "it was erased on two signatures before it came here".to_owned())
                }
                None => self.why_not_here(&case.complaint, &leaf.entry, commitment),
            };
            operator_api::TimelineContent {
                class: commitment.class.to_wire().into(),
                length: commitment.length,
                availability: availability.to_owned(),
                text,
                why,
            }
        });
        Ok(rows.collect())
    }

    /// Whether a missing content is withheld or still to come, and why, in words.
    fn why_not_here(
        &self,
        complaint: &Complaint,
        entry: &Entry,
        commitment: &Commitment,
    ) -> (&'static str, Option<wire::Text>, String) {
        let me = &self.own;
        let (availability, why) = match &entry.body {
            Body::Case { act: CaseAct::Disclosed { to, .. }, .. } if to != me => {
                ("withheld", format!("it was disclosed to {to} alone"))
            }
            Body::Case { act: CaseAct::Disclosed { .. }, .. } => ("awaited", "it has not come yet".to_owned()),
            _ if commitment.class == ContentClass::Identity => {
                let intake = complaint.intake();
                ("withheld", format!("the reporter's name stays with {intake}, unless {intake} discloses it"))
            }
            _ if !complaint.participants().contains(me) => {
                ("withheld", "observers and relays get entries; contents go to participants".to_owned())
            }
            _ if commitment.class == ContentClass::Confidential && !self.links_to_another(complaint.participants()) => {
                let why = "confidential contents come over a direct link to a participant only, and this node has none";
                ("withheld", why.to_owned())
            }
            _ => ("awaited", "it has not come yet".to_owned()),
        };
        (availability, None, why)
    }

    fn links_to_another(&self, participants: &BTreeSet<AgencyId>) -> bool {
        participants.iter().any(|agency| *agency != self.own && self.peers.get(agency).is_some())
    }
}

pub(super) fn no_case(id: &ComplaintId) -> Status {
    Status::not_found(format!("there is no complaint {id} here"))
}

fn names<'a>(agencies: impl IntoIterator<Item = &'a AgencyId>) -> Vec<String> {
    agencies.into_iter().map(ToString::to_string).collect()
}

/// The holders of the complaint, each with the time at which its custody began.
fn custody_spans(complaint: &Complaint) -> Vec<operator_api::CustodySpan> {
    let mut spans: Vec<operator_api::CustodySpan> = Vec::new();
    for (id, known) in complaint.path() {
        let Some(custody) = known.custody() else { continue };
        let holder = custody.holder.to_string();
        if spans.last().is_none_or(|last| last.holder != holder) {
            let from = known.clock.millis();
            if let Some(last) = spans.last_mut() {
                last.until = from;
            }
            spans.push(operator_api::CustodySpan { holder, from, until: 0, entry_id: id.0.to_vec() });
        }
    }
    spans
}

/// The proposals that need a second signature, each with the agencies that may sign.
fn proposals(complaint: &Complaint, charter: &Charter) -> Vec<operator_api::Proposal> {
    let (intake, holder) = (complaint.intake(), &complaint.custody().holder);
    let archive = complaint.case().archive_proposal.map(|open| {
        let second = if holder == intake { names(charter.supervisors(holder)) } else { vec![intake.to_string()] };
        (open.entry, "archive", archive_reason(open.reason), second)
    });
    let erase = complaint.erase_proposals().into_iter().map(|entry| {
        let ground = match complaint.entry(&entry).map(|known| &known.body) {
            Some(Body::Case { act: CaseAct::EraseProposed { ground, .. }, .. }) => erase_ground(*ground),
            _ => String::new(),
        };
        let mut second: BTreeSet<&AgencyId> = charter.supervisors(intake).collect();
        second.extend(charter.members().filter(|member| member.oversight && member.id != *intake).map(|m| &m.id));
        (entry, "erase", ground, names(second))
    });
    let proposal = |(entry, kind, code, second): (sinergi_proto::base::ids::EntryId, &str, String, Vec<String>)| {
        let author = complaint.entry(&entry).map(|known| known.author.to_string()).unwrap_or_default();
        operator_api::Proposal { entry_id: entry.0.to_vec(), kind: kind.to_owned(), code, author, second }
    };
    archive.into_iter().chain(erase).map(proposal).collect()
}

pub(super) fn standing_of(case: &Case, entry: &Entry) -> (String, String) {
    let (standing, reason) = match case.complaint.standing(&entry.id) {
        Some(Standing::Effective) => ("effective", String::new()),
        Some(Standing::Superseded { by }) => {
            let winner = case.complaint.entry(&by).map(|known| format!("{} of {}", known.body.name(), known.author));
            ("superseded", format!("{} stands instead ({by})", winner.unwrap_or_default()))
        }
        Some(Standing::WithoutEffect(reason)) => ("without_effect", reason.to_string()),
        Some(Standing::Kept) | None => ("kept", "this version does not act on it".to_owned()),
    };
    (standing.to_owned(), reason)
}
