//! Own entries: what operators command, what the node does by itself, and what a dishonest operator tries.

use sinergi_proto::clock::HybridClock;
use sinergi_proto::complaint::{Author, Command, Complaint, decide, recall_to_answer};
use sinergi_proto::content::Content;
use sinergi_proto::entry::{ContentClass, Entry, EntryDraft, Place};
use sinergi_proto::ids::{AgencyId, ComplaintId, EntryId};
use sinergi_proto::route::next_hop;
use sinergi_proto::wire::{self, entry::Body as Wire};

use super::{ANSWER_WITHIN, Effect, Node};
use crate::sim::topology::FEDERATION;

impl Node {
    /// Writes what an operator commands, if it is not declined.
    pub(super) fn carry_out(
        &mut self,
        complaint: ComplaintId,
        command: &Command,
        text: Option<(Content, ContentClass)>,
        now: u64,
    ) -> Option<EntryId> {
        if self.cannot_reach(command) {
            return None;
        }
        let case = self.cases.get(&complaint)?;
        let clock = HybridClock::of_next(self.wall(now), self.clock, case.complaint.newest_clock())?;
        let charter = self.charters.newest();
        let author = Author { agency: &self.id, millis: clock.millis(), charter, answer_within_millis: ANSWER_WITHIN };
        let body = decide(&case.complaint, command, author).ok()?;
        let contents = match &body {
            Wire::Disclosed(disclosed) => vec![self.content_to_disclose(&complaint, disclosed)?],
            _ => text.into_iter().collect(),
        };
        self.write(Some(complaint), body, contents, now)
    }

    /// Whether no link leads to the agency that a command is for.
    fn cannot_reach(&self, command: &Command) -> bool {
        match command {
            Command::Forward(offer) | Command::Reassign(offer) => {
                let charter = self.charters.newest();
                offer.to != self.id && next_hop(&self.id, &offer.to, &self.adjacent, charter).is_none()
            }
            Command::Disclose { to, .. } => !self.adjacent.contains(to),
            _ => false,
        }
    }

    fn content_to_disclose(
        &self,
        complaint: &ComplaintId,
        disclosed: &wire::Disclosed,
    ) -> Option<(Content, ContentClass)> {
        let entry = EntryId::from_slice(&disclosed.entry)?;
        let known = self.cases.get(complaint)?.complaint.entry(&entry)?;
        let class = known.commitments.get(disclosed.commitment as usize)?.class;
        let contents = &self.ledger.leaf(self.ledger.leaf_of(&entry)?).contents;
        let held = contents.iter().find(|content| content.commitment == disclosed.commitment)?;
        Some((Content { commitment: 0, ..held.clone() }, class))
    }

    /// Signs a body and takes it as any entry.
    pub(super) fn write(
        &mut self,
        complaint: Option<ComplaintId>,
        body: Wire,
        contents: Vec<(Content, ContentClass)>,
        now: u64,
    ) -> Option<EntryId> {
        let case = complaint.and_then(|id| self.cases.get(&id)).map(|case| &case.complaint);
        let parents = case.map(Complaint::parents_of_next).unwrap_or_default();
        let newest = case.map(Complaint::newest_clock).unwrap_or_default();
        let clock = HybridClock::of_next(self.wall(now), self.clock, newest)?;
        let draft = EntryDraft {
            federation: FEDERATION.to_owned(),
            author: self.id.clone(),
            charter_version: self.charters.newest().version,
            place: Place { epoch: self.ledger.epoch, index: self.ledger.next_index() },
            complaint,
            parents,
            clock,
            content: contents.iter().map(|(content, class)| content.commit(*class)).collect(),
            body,
        };
        let entry = draft.sign_checked(&self.key).expect("an own entry is well-formed");
        self.clock = clock;
        self.append(&entry, contents.into_iter().map(|(content, _)| content).collect(), None);
        self.note_duties(&entry);
        Some(entry.id)
    }

    /// A former holder offers the complaint from where it held it, knowing that custody has gone on.
    pub(super) fn write_from_the_past(&mut self, complaint: ComplaintId, basis: EntryId, to: &AgencyId, now: u64) {
        let Some(case) = self.cases.get(&complaint) else { return };
        let answer_by = case.complaint.newest_clock().millis().max(self.wall(now)) + ANSWER_WITHIN;
        let reason = wire::ForwardReason::Competence.into();
        let body = wire::Forwarded { basis: basis.0.to_vec(), to: to.to_string(), reason, answer_by };
        let written = self.write(Some(complaint), Wire::Forwarded(body), Vec::new(), now);
        self.effects.extend(written.map(Effect::WentBack));
    }

    /// Remembers what is to be done about the complaint of an entry.
    fn note_duties(&mut self, entry: &Entry) {
        let Some(id) = entry.complaint else { return };
        let duties = self.cases.get(&id).map(|case| case.duties(&self.id)).unwrap_or_default();
        if duties.recall || duties.arrival {
            self.duties.insert(id);
        }
    }

    /// What this node does by itself when an entry is here, new or again.
    pub(super) fn react(&mut self, entry: &Entry, now: u64) {
        self.note_duties(entry);
        if let Some(id) = entry.complaint.filter(|id| self.duties.remove(id)) {
            self.do_duty(id, now);
        }
    }

    pub(super) fn do_duties(&mut self, now: u64) {
        for id in std::mem::take(&mut self.duties) {
            self.do_duty(id, now);
        }
    }

    fn do_duty(&mut self, id: ComplaintId, now: u64) {
        if let Some(body) = self.cases.get(&id).and_then(|case| case.arrival(&self.id)) {
            self.write(Some(id), body, Vec::new(), now);
        }
        let Some(case) = self.cases.get(&id) else { return };
        if recall_to_answer(&case.complaint, &self.id).is_some() {
            let give_back = Command::Return { reason: wire::ReturnReason::Recalled.into(), suggestion: None };
            self.carry_out(id, &give_back, None, now);
        }
    }
}
