//! Writing entries. An own entry is decided on the current state, and signed when its batch is closed. Every entry, own or received, takes the
//! one path of [`Engine::append`]: the fold, the routes, the contents, the leaf.
//!
//! Must not know why a received entry is admitted: the callers have decided that.
//!
//! Invariants:
//! - an own entry that peers would refuse is not written: the same checks run here first;
//! - every entry takes the one path into the ledger.

use super::record::{External, LeafHeader, Record};
use super::view::View;
use super::{Act, Acted, Batch, CommandError, Engine, Lodge, Lodged, Warning};
use crate::admission::{Verdict, signing_key};
use crate::base::clock::HybridClock;
use crate::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use crate::complaint::{Author, Command, Complaint, Declined, NewOffer, decide};
use crate::entry::content::Content;
use crate::entry::{self, ContentClass, Entry, EntryDraft, Place};
use crate::routing::route::{DeliveredBy, Route, next_hop, routes_of_node_entry};
use crate::wire::entry::Body;

/// An own entry before it is written.
struct Draft {
    complaint: Option<ComplaintId>,
    parents: Vec<EntryId>,
    clock: HybridClock,
    body: Body,
    contents: Vec<(Content, ContentClass)>,
    external: Option<External>,
}

/// An own entry that is written and not appended yet, with its contents.
struct Written {
    entry: Entry,
    contents: Vec<Content>,
    external: Option<External>,
}

/// The content that a command discloses, with its class. `None` if this node does not have it, or the command discloses nothing.
type Disclosed = Option<(Content, ContentClass)>;

impl Engine {
    /// Lodges a complaint. A record of another system is lodged only once.
    pub(super) fn gather_imported<V: View>(
        &mut self,
        lodge: &Lodge,
        view: &mut V,
    ) -> Result<Option<ComplaintId>, V::Error> {
        match &lodge.external {
            Some(external) => match self.pending.imported(external) {
                Some(complaint) => Ok(Some(complaint)),
                None => view.imported(external),
            },
            None => Ok(None),
        }
    }

    /// Lodges a complaint, once for each record of another system.
    pub(super) fn decide_lodge(
        &mut self,
        lodge: Lodge,
        known: Option<ComplaintId>,
        now: u64,
        batch: &mut Batch,
    ) -> Result<Lodged, CommandError> {
        if let Some(complaint) = known {
            return Ok(Lodged { complaint, existed: true });
        }
        let wait = if lodge.external.is_some() { self.fair_use.import_waits(now) } else { 0 };
        if wait > 0 {
            return Err(CommandError::ImportWaits { minutes: wait.div_ceil(60_000) });
        }
        let clock = self.next_clock(HybridClock::default(), now)?;
        let draft = Draft {
            complaint: None,
            parents: Vec::new(),
            clock,
            body: Body::Lodged(lodge.body),
            contents: lodge.contents,
            external: lodge.external,
        };
        let lodged = self.write_for(draft, self.next_leaf)?;
        // Nothing is lodged if the offer is impossible. Otherwise the operator would repeat the command, and lodge twice.
        let offer = lodge.forward.map(|offer| self.write_first_offer(&lodged.entry, offer, now)).transpose()?;
        let complaint = ComplaintId::of_lodged(clock, &lodged.entry.id);
        self.append_own(lodged, now, batch);
        if let Some(offer) = offer {
            self.append_own(offer, now, batch);
            self.note_duties(&complaint);
        }
        Ok(Lodged { complaint, existed: false })
    }

    /// Decides and writes the offer that follows `lodged`, which is not appended yet.
    fn write_first_offer(&self, lodged: &Entry, offer: NewOffer, now: u64) -> Result<Written, CommandError> {
        let command = Command::Forward(offer);
        if let Some(error) = self.without_route(&command) {
            return Err(error);
        }
        let complaint = Complaint::lodge(lodged, &self.charters).expect("an entry that lodges begins a complaint");
        let clock =
            HybridClock::next_of_author(now, lodged.clock, lodged.clock).ok_or(CommandError::ClockEnd(lodged.clock))?;
        let draft = Draft {
            complaint: Some(complaint.id()),
            parents: complaint.parents_of_next(),
            clock,
            body: decide(&complaint, &command, self.author_at(clock)).map_err(not_lodged)?,
            contents: Vec::new(),
            external: None,
        };
        self.write_for(draft, self.next_leaf.next())
    }

    /// This node as the author of an entry with this clock.
    fn author_at(&self, clock: HybridClock) -> Author<'_> {
        Author {
            agency: &self.config.own,
            millis: clock.millis(),
            charters: &self.charters,
            answer_within_millis: self.config.answer_within_millis,
        }
    }

    /// Looks the complaint of a command up, and reads the content that the command discloses. `None` for every other command.
    pub(super) fn gather_act<V: View>(&mut self, act: &Act, view: &mut V) -> Result<Disclosed, V::Error> {
        self.cases.look_up(&act.complaint, view)?;
        let Command::Disclose { entry, commitment, .. } = &act.command else { return Ok(None) };
        let Some(case) = self.cases.get(&act.complaint) else { return Ok(None) };
        let entry = entry.unwrap_or_else(|| case.complaint.lodged_entry());
        let committed = case.complaint.entry(&entry).and_then(|known| known.commitments.get(*commitment as usize));
        let (Some(committed), Some(leaf)) = (committed, case.leaves.get(&entry).copied()) else { return Ok(None) };
        // Contents that are being destroyed are not read.
        if case.complaint.is_erased(&entry) {
            return Ok(None);
        }
        let class = committed.class;
        let is_meant = |content: &Content| content.commitment == *commitment;
        let pending = self.pending.contents(leaf).find(|content| is_meant(content)).cloned();
        let held = match pending {
            Some(content) => Some(content),
            None if leaf < self.pending.unapplied_from() => view.contents(leaf)?.into_iter().find(is_meant),
            None => None,
        };
        // The content becomes the first one of the new entry, with the same salt, so that its commitment hash is the same.
        Ok(held.map(|content| (Content { commitment: 0, ..content }, class)))
    }

    /// Decides a command and writes its entry. The complaint has been looked up.
    pub(super) fn decide_act(
        &mut self,
        act: Act,
        disclosed: Disclosed,
        now: u64,
        batch: &mut Batch,
    ) -> Result<Acted, CommandError> {
        let Act { complaint, command, text } = act;
        let case = self.cases.get(&complaint).ok_or(CommandError::NoComplaint(complaint))?;
        let clock = self.next_clock(case.complaint.newest_clock(), now)?;
        if let Some(error) = self.without_route(&command) {
            return Err(error);
        }
        let body = decide(&case.complaint, &command, self.author_at(clock))?;
        let parents = case.complaint.parents_of_next();
        let contents = match &body {
            Body::Disclosed(_) => vec![disclosed.ok_or(CommandError::ContentNotHere)?],
            _ => {
                let class = case.complaint.lodged().class;
                text.into_iter().map(|(text, given)| (text, given.unwrap_or(class))).collect()
            }
        };
        let draft = Draft { complaint: Some(complaint), parents, clock, body, contents, external: None };
        let acted = self.write(draft, now, batch)?;
        self.note_duties(&complaint);
        Ok(acted)
    }

    /// Writes an automatic entry, without a command. The complaint has been looked up.
    pub(super) fn write_by_itself(
        &mut self,
        complaint: ComplaintId,
        body: Body,
        now: u64,
        batch: &mut Batch,
    ) -> Result<Acted, CommandError> {
        let case = self.cases.get(&complaint).ok_or(CommandError::NoComplaint(complaint))?;
        let newest = case.complaint.newest_clock();
        let parents = match &body {
            Body::Proven(proven) => EntryId::from_slice(&proven.entry),
            _ => None,
        };
        let parents =
            parents.map_or_else(|| case.complaint.parents_of_next(), |act| case.complaint.parents_of_next_after(&act));
        let clock = self.next_clock(newest, now)?;
        let draft = Draft { complaint: Some(complaint), parents, clock, body, contents: Vec::new(), external: None };
        self.write(draft, now, batch)
    }

    /// Writes an entry that belongs to no complaint.
    pub(super) fn write_of_node(&mut self, body: Body, now: u64, batch: &mut Batch) -> Result<(), CommandError> {
        let clock = self.next_clock(HybridClock::default(), now)?;
        let draft = Draft { complaint: None, parents: Vec::new(), clock, body, contents: Vec::new(), external: None };
        self.write(draft, now, batch).map(drop)
    }

    /// The error if no link leads to the agency that a command is for.
    fn without_route(&self, command: &Command) -> Option<CommandError> {
        let (to, directly): (&AgencyId, bool) = match command {
            Command::Forward(offer) | Command::Reassign(offer) => (&offer.to, false),
            Command::Disclose { to, .. } => (to, true),
            _ => return None,
        };
        let (own, adjacent, charter) = (&self.config.own, &self.config.adjacent, self.charters.newest());
        if to == own || charter.member(to).is_none() {
            return None;
        }
        if directly {
            return (!adjacent.contains(to)).then(|| CommandError::NoDirectLink(to.clone()));
        }
        next_hop(own, to, adjacent, charter).is_none().then(|| CommandError::NoRoute(to.clone()))
    }

    /// The clock of the next own entry.
    fn next_clock(&self, parents: HybridClock, now: u64) -> Result<HybridClock, CommandError> {
        HybridClock::next_of_author(now, self.clock, parents).ok_or(CommandError::ClockEnd(parents.max(self.clock)))
    }

    /// Writes a draft as an entry and appends it.
    fn write(&mut self, draft: Draft, now: u64, batch: &mut Batch) -> Result<Acted, CommandError> {
        let written = self.write_for(draft, self.next_leaf)?;
        // Peers would refuse it, and then all that descends from it would wait there for ever.
        if let Verdict::Refuse(refusal) = self.judge(&written.entry, now) {
            return Err(refusal.into());
        }
        Ok(self.append_own(written, now, batch))
    }

    /// Writes a draft as the entry of a leaf that comes next.
    fn write_for(&self, draft: Draft, leaf: LedgerIndex) -> Result<Written, CommandError> {
        if let Some(error) = self.may_not_sign() {
            return Err(error);
        }
        let Draft { complaint, parents, clock, body, contents, external } = draft;
        let (commitments, contents): (Vec<_>, Vec<_>) =
            contents.into_iter().map(|(content, class)| (content.commit(class), content)).unzip();
        let entry_draft = EntryDraft {
            federation: self.config.federation.clone(),
            author: self.config.own.clone(),
            charter: self.charters.newest().name(),
            place: Place { epoch: self.epoch, index: leaf },
            complaint,
            parents,
            clock,
            content: commitments,
            body,
        };
        // Peers make the same checks and the same key lookup: what they would refuse is not written.
        let entry = entry_draft.write(&self.config.key)?;
        if let Err(verdict) = signing_key(&entry, &self.charters) {
            return Err(CommandError::OwnKey(reason_of(verdict)));
        }
        Ok(Written { entry, contents, external })
    }

    /// Appends an own entry, which was written for the next leaf. It is signed when the batch is closed.
    fn append_own(&mut self, written: Written, now: u64, batch: &mut Batch) -> Acted {
        let Written { entry, contents, external } = written;
        self.fair_use.wrote(&entry, contents.iter().map(|content| content.data.len()).sum(), now);
        // Even if this clock is less than the last one: that one was made while the wall clock was far ahead.
        self.clock = entry.clock;
        let (entry_id, complaint, leaf) = (entry.id, entry.complaint, self.next_leaf);
        batch.unsigned.push((leaf, entry_id));
        self.append(entry, contents, Source { delivered_by: None, external, declared: None }, now, batch);
        let case = complaint.and_then(|complaint| self.cases.get(&complaint));
        let offer = case.and_then(|case| case.complaint.custody().offer.as_ref());
        Acted { entry: entry_id, leaf, offered_to: offer.map(|offer| offer.to.clone()) }
    }
}

/// The reason without the name of the complaint, which does not exist.
fn not_lodged(declined: Declined) -> Declined {
    match declined {
        Declined::NoEffect { reason, .. } => Declined::NotLodged { reason },
        other => other,
    }
}

fn reason_of(verdict: Verdict) -> String {
    match verdict {
        Verdict::Refuse(refusal) => refusal.to_string(),
        Verdict::Defer { detail, .. } => detail,
        Verdict::Admit => String::new(),
    }
}

/// The origin of an entry, with the facts about it that are not in the engine's state.
pub(super) struct Source<'a> {
    /// The peer that delivered the entry; `None` if this node wrote it.
    pub(super) delivered_by: Option<DeliveredBy<'a>>,
    /// The record of another system that a complaint is imported from.
    pub(super) external: Option<External>,
    /// The newest epoch that the author has declared before, if the entry belongs to no complaint.
    pub(super) declared: Option<Epoch>,
}

impl Engine {
    /// Appends an admitted entry with its contents, and routes it. Its complaint has been looked up.
    pub(super) fn append(
        &mut self,
        entry: Entry,
        contents: Vec<Content>,
        source: Source<'_>,
        now: u64,
        batch: &mut Batch,
    ) {
        let Source { delivered_by, external, declared } = source;
        let index = self.next_leaf;
        let path_changed = self.cases.fold(&entry, &self.charters, self.open);
        if path_changed {
            self.warn_of_custody_change(&entry, batch);
        }
        self.warn_of_back_and_forth(&entry, batch);
        if delivered_by.is_some_and(|by| by.is_spent()) {
            batch.warnings.push(Warning::RelayLimit(entry.id));
        }
        let (routes, unreachable) = self.routes_of(&entry, delivered_by, declared);
        self.pass_on_to_raised(&entry, delivered_by, batch);
        batch.warnings.extend(unreachable.iter().cloned().map(Warning::NoRoute));
        for content in contents {
            self.record(Record::Content { leaf: index, entry: entry.id, content }, batch);
        }
        let header = LeafHeader {
            at: now,
            from: delivered_by.map(|by| by.peer.clone()),
            relays: delivered_by.map_or(0, |by| by.relays),
            routes,
            unreachable,
            external,
        };
        let complaint = entry.complaint;
        self.record(Record::Leaf { header, entry: Box::new(entry) }, batch);
        if let Some(complaint) = complaint {
            self.destroy_erased(&complaint, batch);
        }
    }

    /// The links that an entry goes to, and the agencies that no link leads to.
    fn routes_of(
        &self,
        entry: &Entry,
        delivered_by: Option<DeliveredBy<'_>>,
        declared: Option<Epoch>,
    ) -> (Vec<Route>, Vec<AgencyId>) {
        let Some(complaint) = &entry.complaint else {
            return (routes_of_node_entry(entry, delivered_by, declared, &self.config.adjacent), Vec::new());
        };
        let case = self.cases.get(complaint);
        case.map(|case| case.routes_of(entry, delivered_by, self.routing_context())).unwrap_or_default()
    }

    /// Sends the complaint's leaves over a link whose access rises because its peer wrote this entry or passed it on.
    fn pass_on_to_raised(&mut self, entry: &Entry, delivered_by: Option<DeliveredBy<'_>>, batch: &mut Batch) {
        let (Some(delivered_by), Some(complaint)) = (delivered_by, &entry.complaint) else { return };
        let Some(case) = self.cases.get(complaint) else { return };
        let (raised, leaves) = case.routes_of_raised(entry, delivered_by, self.routing_context());
        if let Some(case) = self.cases.get_mut(complaint) {
            case.note_owed(&raised);
        }
        for leaf in leaves {
            self.route_again(leaf, raised.clone(), batch);
        }
    }

    fn warn_of_custody_change(&self, entry: &Entry, batch: &mut Batch) {
        let Some(complaint) = entry.complaint else { return };
        let Some(case) = self.cases.get(&complaint) else { return };
        // A receipt only shows that another agency's act counts.
        let act = entry.body.proves().and_then(|act| case.complaint.entry(&act));
        let author = act.map_or(&entry.author, |act| &act.author).clone();
        let holder = case.complaint.custody().holder.clone();
        batch.warnings.push(Warning::CustodyChanged { complaint, author, holder });
    }

    /// Warns the holder of a complaint that goes back and forth, and the holder's supervisors.
    fn warn_of_back_and_forth(&self, entry: &Entry, batch: &mut Batch) {
        let (entry::Body::Custody { act, .. }, Some(complaint)) = (&entry.body, entry.complaint) else { return };
        if act.offers_to().is_none() {
            return;
        }
        let (own, charter) = (&self.config.own, self.charters.newest());
        let Some(case) = self.cases.get(&complaint) else { return };
        let (offers, holder) = (case.complaint.offers(), &case.complaint.custody().holder);
        let is_concerned = holder == own || charter.supervises(own, holder);
        if offers < charter.rules.offers_before_mediation as usize || !is_concerned {
            return;
        }
        let supervisors = charter.supervisors(holder).cloned().collect();
        batch.warnings.push(Warning::BackAndForth { complaint, offers, holder: holder.clone(), supervisors });
    }
}
