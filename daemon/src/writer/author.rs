//! Writing own entries: decide on the state as it is now, sign, and take the same path as a received entry.

use std::sync::Arc;

use sinergi_proto::admission::{Verdict, signing_key};
use sinergi_proto::clock::HybridClock;
use sinergi_proto::complaint::{Author, Command, decide};
use sinergi_proto::content::Content;
use sinergi_proto::entry::{ContentClass, Entry, EntryDraft, Place};
use sinergi_proto::ids::{ComplaintId, EntryId, LedgerIndex};
use sinergi_proto::outbox::{OwnLeaf, Recalled};
use sinergi_proto::route::next_hop;
use sinergi_proto::wire::{self, entry::Body};

use super::receive::Appended;
use super::{Act, Acted, Lodge, Lodged, SubmitError, Writer, WriterError};
use crate::case::CaseError;
use crate::headers::{self, ContentHeader, External};
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
                None => self.store()?.imported(external)?,
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
            Some(offer) => self.act(group, Act { complaint, command: Command::Forward(offer), text: None })?.err(),
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
        if let Some(error) = self.without_route(&act.command) {
            return Ok(Err(error));
        }
        let Some(case) = self.parts.applier.case(&act.complaint)? else {
            return Ok(Err(SubmitError::NoComplaint(act.complaint)));
        };
        let body = match decide(&case.complaint, &act.command, author) {
            Ok(body) => body,
            Err(declined) => return Ok(Err(declined.into())),
        };
        let parents = case.complaint.parents_of_next();
        let contents = match &body {
            Body::Disclosed(disclosed) => match self.content_to_disclose(&act.complaint, disclosed)? {
                Ok(content) => vec![content],
                Err(error) => return Ok(Err(error)),
            },
            _ => act.text.into_iter().map(|(text, given)| (text, given.unwrap_or(class))).collect(),
        };
        let draft = Draft { complaint: Some(act.complaint), parents, clock, body, contents, external: None };
        let written = self.write(group, draft)?;
        self.note_duties(&act.complaint)?;
        Ok(written.map(|(entry, leaf)| Acted { entry, leaf }))
    }

    /// Writes a body that nobody commanded and that has effect.
    pub(super) fn write_by_itself(
        &mut self,
        group: &mut Group,
        complaint: ComplaintId,
        body: Body,
    ) -> Result<Result<EntryId, SubmitError>, WriterError> {
        let Some(case) = self.parts.applier.case(&complaint)? else {
            return Ok(Err(SubmitError::NoComplaint(complaint)));
        };
        let (newest, parents) = (case.complaint.newest_clock(), case.complaint.parents_of_next());
        let clock = self.next_clock(newest)?;
        let draft = Draft { complaint: Some(complaint), parents, clock, body, contents: Vec::new(), external: None };
        Ok(self.write(group, draft)?.map(|(entry, _)| entry))
    }

    /// A copy of the content that is disclosed, under the same commitment.
    fn content_to_disclose(
        &mut self,
        complaint: &ComplaintId,
        disclosed: &wire::Disclosed,
    ) -> Result<Result<(Content, ContentClass), SubmitError>, WriterError> {
        let Some(entry) = EntryId::from_slice(&disclosed.entry) else {
            return Ok(Err(SubmitError::ContentNotHere));
        };
        let Some(case) = self.parts.applier.case(complaint)? else {
            return Ok(Err(SubmitError::NoComplaint(*complaint)));
        };
        let known = case.complaint.entry(&entry);
        let class = known.and_then(|known| Some(known.commitments.get(disclosed.commitment as usize)?.class));
        let leaf = case.leaves.get(&entry).copied();
        let reader = self.reader()?;
        let leaf = leaf.filter(|leaf| leaf.0 < reader.size());
        let (Some(class), Some(leaf)) = (class, leaf) else { return Ok(Err(SubmitError::ContentNotHere)) };
        for record in reader.contents(leaf).map_err(CaseError::Ledger)? {
            let header: ContentHeader =
                headers::decode(&record.header).map_err(|source| CaseError::Header { index: leaf, source })?;
            if header.commitment == disclosed.commitment
                && !record.erased
                && let Some((salt, data)) = record.body.split_first_chunk::<32>()
            {
                let content = Content { commitment: 0, salt: *salt, data: data.to_vec().into() };
                return Ok(Ok((content, class)));
            }
        }
        Ok(Err(SubmitError::ContentNotHere))
    }

    /// Writes an entry of no complaint.
    pub(super) fn write_of_node(
        &mut self,
        group: &mut Group,
        body: Body,
    ) -> Result<Result<(), SubmitError>, WriterError> {
        let clock = self.next_clock(HybridClock::default())?;
        let draft = Draft { complaint: None, parents: Vec::new(), clock, body, contents: Vec::new(), external: None };
        Ok(self.write(group, draft)?.map(drop))
    }

    /// Why a command cannot reach the agency that it is for, if it cannot.
    fn without_route(&self, command: &Command) -> Option<SubmitError> {
        let (to, directly) = match command {
            Command::Forward(offer) | Command::Reassign(offer) => (&offer.to, false),
            Command::Disclose { to, .. } => (to, true),
            _ => return None,
        };
        let charter = self.parts.directory.newest();
        if *to == self.parts.own || charter.member(to).is_none() {
            return None;
        }
        if directly {
            return (!self.parts.adjacent.contains(to)).then(|| SubmitError::NoDirectLink(to.clone()));
        }
        let hop = next_hop(&self.parts.own, to, &self.parts.adjacent, &charter);
        hop.is_none().then(|| SubmitError::NoRoute(to.clone()))
    }

    /// The clock of the next own entry.
    fn next_clock(&self, parents: HybridClock) -> Result<HybridClock, WriterError> {
        HybridClock::of_next(now_millis(), self.clock, parents).ok_or(WriterError::Clock(parents.max(self.clock)))
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
        let draft = EntryDraft {
            federation: self.parts.federation.clone(),
            author: self.parts.own.clone(),
            charter_version: self.parts.directory.newest().version,
            place: Place { epoch: self.epoch, index: group.next_index() },
            complaint,
            parents,
            clock,
            content: commitments,
            body,
        };
        // What peers would refuse is not written: the same checks and the same key lookup say so here.
        let entry = match draft.sign_checked(&self.parts.keys.entry) {
            Ok(entry) => entry,
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        if let Err(verdict) = signing_key(&entry, &self.parts.directory.charters()) {
            return Ok(Err(SubmitError::OwnKey(reason_of(verdict))));
        }
        self.clock = clock;
        let appended = self.append(group, &entry, &contents, None, external)?;
        let (id, leaf) = (entry.id, appended.index);
        self.keep_for_links(entry, contents, appended)?;
        Ok(Ok((id, leaf)))
    }

    /// Keeps the leaf that was appended last for the links.
    fn keep_for_links(&mut self, entry: Entry, contents: Vec<Content>, appended: Appended) -> Result<(), WriterError> {
        let Appended { index: leaf, header, follows_directly } = appended;
        if !follows_directly {
            return Ok(());
        }
        let mut earlier = Vec::new();
        if header.routes.iter().any(|route| route.history)
            && let Some(complaint) = &entry.complaint
            && let Some(case) = self.parts.applier.case(complaint)?
        {
            earlier.extend(case.leaves.values().copied().filter(|index| *index < leaf));
            earlier.sort_unstable();
        }
        if let Some(last) = self.open.leaves.last_mut() {
            let routes = header.routes;
            *last = Some(Recalled::Own(Arc::new(OwnLeaf { entry, routes, contents, earlier })));
        }
        Ok(())
    }
}

fn reason_of(verdict: Verdict) -> String {
    match verdict {
        Verdict::Refuse(refusal) => refusal.to_string(),
        Verdict::Defer { detail, .. } => detail,
        Verdict::Admit => String::new(),
    }
}
