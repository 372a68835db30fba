//! Writing own entries: decide on the state as it is now, sign, and take the same path as a received entry.

use sinergi_proto::admission::{Verdict, signing_key};
use sinergi_proto::clock::HybridClock;
use sinergi_proto::content::Content;
use sinergi_proto::decide::{self, Author};
use sinergi_proto::entry::{ContentClass, Entry, EntryDraft, Place};
use sinergi_proto::ids::{AgencyId, ComplaintId, EntryId, LedgerIndex};
use sinergi_proto::route::next_hop;
use sinergi_proto::wire::{self, entry::Body};

use super::{Act, Acted, Lodge, Lodged, SubmitError, Writer, WriterError};
use crate::headers::External;
use crate::ledger::Group;
use crate::time::now_millis;

/// An own entry before it is signed.
struct Draft {
    complaint: Option<ComplaintId>,
    parents: Vec<EntryId>,
    clock: HybridClock,
    body: Body,
    contents: Vec<(Content, ContentClass)>,
    external: Option<External>,
}

impl Writer {
    /// Lodges a complaint, once for each record of another system.
    pub(super) fn lodge(
        &mut self,
        group: &mut Group,
        lodge: Lodge,
    ) -> Result<Result<Lodged, SubmitError>, WriterError> {
        if let Some(external) = &lodge.external {
            let known = match self.open.imported.get(external) {
                Some(complaint) => Some(*complaint),
                None => self.parts.applier.store().imported(external)?,
            };
            if let Some(complaint) = known {
                return Ok(Ok(Lodged { complaint, existed: true, forward_declined: None }));
            }
        }
        let clock = self.next_clock(HybridClock::default())?;
        let draft = Draft {
            complaint: None,
            parents: Vec::new(),
            clock,
            body: Body::Lodged(lodge.body),
            contents: lodge.contents,
            external: lodge.external.clone(),
        };
        let (entry, _) = match self.write(group, draft)? {
            Ok(written) => written,
            Err(error) => return Ok(Err(error)),
        };
        let complaint = ComplaintId::of_lodged(clock, &entry);
        if let Some(external) = lodge.external {
            self.open.imported.insert(external, complaint);
        }
        let forward_declined = match lodge.forward {
            Some(forward) => {
                let act = wire::act_request::Act::Forward(forward);
                self.act(group, Act { complaint, act, text: None })?.err()
            }
            None => None,
        };
        Ok(Ok(Lodged { complaint, existed: false, forward_declined }))
    }

    /// Writes what an operator does to a complaint, if it has effect now.
    pub(super) fn act(&mut self, group: &mut Group, act: Act) -> Result<Result<Acted, SubmitError>, WriterError> {
        let Some(case) = self.parts.applier.case(&act.complaint)? else {
            return Ok(Err(SubmitError::NoComplaint(act.complaint)));
        };
        let newest = case.complaint.newest_clock();
        let class = case.complaint.lodged().class;
        let clock = self.next_clock(newest)?;
        let (charter, own) = (self.parts.directory.newest(), self.parts.own.clone());
        let author = Author {
            agency: &own,
            millis: clock.millis(),
            charter: &charter,
            answer_within_millis: self.parts.answer_within_millis,
        };
        if let Some(to) = self.without_route(&act.act) {
            return Ok(Err(SubmitError::NoRoute(to)));
        }
        let Some(case) = self.parts.applier.case(&act.complaint)? else {
            return Ok(Err(SubmitError::NoComplaint(act.complaint)));
        };
        let body = match decide::decide(&case.complaint, &act.act, author) {
            Ok(body) => body,
            Err(declined) => return Ok(Err(declined.into())),
        };
        let draft = Draft {
            complaint: Some(act.complaint),
            parents: case.complaint.parents_of_next(),
            clock,
            body,
            contents: act.text.into_iter().map(|(text, given)| (text, given.unwrap_or(class))).collect(),
            external: None,
        };
        Ok(self.write(group, draft)?.map(|(entry, leaf)| Acted { entry, leaf }))
    }

    /// Answers recalls of offers to this agency that are still open: custody goes back by itself. What cannot be answered now is tried
    /// again.
    pub(super) fn answer_recalls(&mut self, group: &mut Group) -> Result<(), WriterError> {
        for complaint in std::mem::take(&mut self.recalls) {
            let own = self.parts.own.clone();
            let Some(case) = self.parts.applier.case(&complaint)? else { continue };
            if decide::recall_to_answer(&case.complaint, &own).is_none() {
                continue;
            }
            let reason = wire::ReturnReason::Recalled.into();
            let give_back = wire::Return { reason, suggestion: String::new() };
            let act = Act { complaint, act: wire::act_request::Act::Return(give_back), text: None };
            let short = complaint.short();
            match self.act(group, act)? {
                Ok(acted) => tracing::info!(complaint = short, entry = ?acted.entry, "returned a recalled offer"),
                Err(error) => {
                    tracing::warn!(complaint = short, %error, "cannot answer a recall now");
                    self.recalls.insert(complaint);
                }
            }
        }
        Ok(())
    }

    /// Writes the declaration of a new epoch.
    pub(super) fn write_reset(
        &mut self,
        group: &mut Group,
        reset: wire::LedgerReset,
    ) -> Result<Result<(), SubmitError>, WriterError> {
        let clock = self.next_clock(HybridClock::default())?;
        let body = Body::LedgerReset(reset);
        let draft = Draft { complaint: None, parents: Vec::new(), clock, body, contents: Vec::new(), external: None };
        Ok(self.write(group, draft)?.map(drop))
    }

    /// The addressee of an offer, if no link leads to it.
    fn without_route(&self, act: &wire::act_request::Act) -> Option<AgencyId> {
        let wire::act_request::Act::Forward(forward) = act else { return None };
        let to: AgencyId = forward.to.parse().ok()?;
        let charter = self.parts.directory.newest();
        let is_member = to != self.parts.own && charter.member(&to).is_some();
        (is_member && next_hop(&self.parts.own, &to, &self.parts.adjacent, &charter).is_none()).then_some(to)
    }

    /// The clock of the next own entry: after every parent's, and after the last own one, unless that was written while the machine's clock was far
    /// ahead. That must not put everything written since off into the future.
    fn next_clock(&self, parents: HybridClock) -> Result<HybridClock, WriterError> {
        let now = now_millis();
        let last = if self.clock.is_ahead_of(now) { parents } else { parents.max(self.clock) };
        HybridClock::tick(now, last).ok_or(WriterError::Clock(last))
    }

    /// Signs a draft and appends it.
    fn write(
        &mut self,
        group: &mut Group,
        draft: Draft,
    ) -> Result<Result<(EntryId, LedgerIndex), SubmitError>, WriterError> {
        if let Some(error) = self.may_not_sign() {
            return Ok(Err(error));
        }
        let Draft { complaint, parents, clock, body, contents, external } = draft;
        let (commitments, contents): (Vec<_>, Vec<_>) =
            contents.into_iter().map(|(content, class)| (content.commit(class), content)).unzip();
        let signed = EntryDraft {
            federation: self.parts.federation.clone(),
            author: self.parts.own.clone(),
            charter_version: self.parts.directory.newest().version,
            place: Place { epoch: self.parts.ledger.epoch(), index: group.next_index() },
            complaint,
            parents,
            clock,
            content: commitments,
            body,
        }
        .sign(&self.parts.keys.entry);
        // What peers would refuse is not written: the same parser and the same key lookup say so here.
        let entry = match Entry::parse(signed.bytes, &self.parts.federation) {
            Ok(entry) => entry,
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        if let Err(verdict) = signing_key(&entry, &self.parts.directory.charters()) {
            return Ok(Err(SubmitError::OwnKey(reason_of(verdict))));
        }
        self.clock = clock;
        let leaf = self.append(group, &entry, &contents, None, external)?;
        Ok(Ok((entry.id, leaf)))
    }
}

fn reason_of(verdict: Verdict) -> String {
    match verdict {
        Verdict::Refuse(refusal) => refusal.to_string(),
        Verdict::Defer { detail, .. } => detail,
        Verdict::Admit => String::new(),
    }
}
