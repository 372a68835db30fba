//! Every entry and view of the explored space, each once. States of the model are small, because they refer to entries and views by number.
//!
//! This module decides nothing. The product's code makes, signs, parses, admits and folds entries, one insertion at a time, in the order in
//! which they arrive at a node. The module remembers the results, because the same step happens in many states.
//!
//! Invariants:
//! - entries with equal bytes are one entry;
//! - views are one view if they have the same set of entries **and** the same answers to all questions about the complaint, so two orders
//!   of arrival with different results give two views of one set ([`View::is_only`]);
//! - the complaint of a view is the first one that a node really had.

use std::collections::{BTreeSet, HashMap, HashSet};

use rand::SeedableRng;
use rand::rngs::StdRng;
use sinergi_proto::admission::{Verdict, VerifiedBatches, admit, authenticate};
use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::complaint::{Complaint, recall_to_answer};
use sinergi_proto::entry::{Body, CaseAct, Entry, EntryDraft, Place};
use sinergi_proto::routing::route::{Reach, routes};
use sinergi_proto::wire::{self, entry::Body as Wire};

use super::acts::{self, Act};
use super::judgement::{Judgement, judge};
use super::members::{Agency, FEDERATION, Members};
use super::time::{self, Moment};

/// The number of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryRef(u32);

/// The number of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewRef(u32);

/// A node's view of the complaint.
pub struct View {
    /// The fold.
    pub complaint: Complaint,
    /// The entries that it was folded from.
    pub entries: BTreeSet<EntryRef>,
    /// The agencies that must get these entries, besides the view's owner.
    pub readers: Vec<Agency>,
    /// Whether no view with this set of entries was seen before.
    pub is_only: bool,
    /// The judgement of the view alone.
    pub judgement: Judgement,
}

/// The outcome of an entry that arrives at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The node accepts it, and then has this view.
    Taken(ViewRef),
    /// It waits for a parent, or until the node's clock is late enough.
    Waits,
    /// It is refused for good.
    Refused,
}

/// The entries and views of a space.
pub struct Book {
    members: Members,
    verified: VerifiedBatches,
    free: bool,
    entries: Vec<Entry>,
    by_id: HashMap<EntryId, EntryRef>,
    lies: HashSet<EntryId>,
    views: Vec<View>,
    by_picture: HashMap<(BTreeSet<EntryRef>, String), ViewRef>,
    sets: HashSet<BTreeSet<EntryRef>>,
    writable: HashMap<(ViewRef, Agency, Moment), Vec<(Act, EntryRef)>>,
    lying: HashMap<(ViewRef, Agency, Moment), Vec<(Act, EntryRef)>>,
    arrivals: HashMap<(Option<ViewRef>, EntryRef, Agency, Moment), Arrival>,
    unions: HashMap<(ViewRef, ViewRef), Option<ViewRef>>,
}

impl Book {
    /// An empty book of a federation. `free` says whether operators try every act (see `Act::of_operators`).
    pub fn new(members: Members, free: bool) -> Self {
        Self {
            members,
            verified: VerifiedBatches::default(),
            free,
            entries: Vec::new(),
            by_id: HashMap::new(),
            lies: HashSet::new(),
            views: Vec::new(),
            by_picture: HashMap::new(),
            sets: HashSet::new(),
            writable: HashMap::new(),
            lying: HashMap::new(),
            arrivals: HashMap::new(),
            unions: HashMap::new(),
        }
    }

    /// The members of the federation.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// How many different entries and views there are.
    pub fn size(&self) -> (usize, usize) {
        (self.entries.len(), self.views.len())
    }

    /// A view.
    pub fn view(&self, view: ViewRef) -> &View {
        &self.views[view.0 as usize]
    }

    /// An entry.
    pub fn entry(&self, entry: EntryRef) -> &Entry {
        &self.entries[entry.0 as usize]
    }

    /// Lodges the complaint.
    pub fn lodge(&mut self, at: Agency, moment: Moment) -> EntryRef {
        let body = Wire::Lodged(wire::Lodged {
            kind: wire::ComplaintKind::Complaint.into(),
            category: "road".to_owned(),
            area: String::new(),
            class: wire::ContentClass::Public.into(),
            citizen_key: vec![1; 32],
            key_origin: 1,
        });
        let clock = HybridClock::new(time::shown(moment, at), 0);
        self.sign(at, None, Vec::new(), clock, LedgerIndex(0), body)
    }

    /// The acts that an agency may do now, with their entries, except those that it has done already.
    pub fn writable(&mut self, view: ViewRef, by: Agency, moment: Moment) -> &[(Act, EntryRef)] {
        if !self.writable.contains_key(&(view, by, moment)) {
            let mut written = Vec::new();
            for act in Act::of_operators(by, &self.members, self.free) {
                if let Some(entry) = self.write(view, by, moment, act)
                    && !self.is_already_written(view, entry)
                {
                    written.push((act, entry));
                }
            }
            self.writable.insert((view, by, moment), written);
        }
        &self.writable[&(view, by, moment)]
    }

    /// The lies that an agency may tell now. Each gives two entries: one with its true parents, and one with only its basis as a parent, as
    /// if the agency had seen nothing later.
    pub fn lying(&mut self, view: ViewRef, by: Agency, moment: Moment) -> &[(Act, EntryRef)] {
        if !self.lying.contains_key(&(view, by, moment)) {
            let clock = self.next_clock(view, by, moment);
            let complaint = &self.view(view).complaint;
            let (id, leaf) = (complaint.id(), LedgerIndex(self.view(view).entries.len() as u64));
            let mut told = Vec::new();
            for (act, basis, body) in acts::lies(&self.members, complaint, by, clock.millis()) {
                told.push((act, self.sign_next(view, by, clock, body.clone())));
                told.push((act, self.sign(by, Some(id), vec![basis], clock, leaf, body)));
            }
            self.lies.extend(told.iter().map(|(_, entry)| self.entries[entry.0 as usize].id));
            self.lying.insert((view, by, moment), told);
        }
        &self.lying[&(view, by, moment)]
    }

    /// The answer to a recall, which a node writes automatically.
    pub fn answer_to_recall(&mut self, view: ViewRef, by: Agency, moment: Moment) -> Option<EntryRef> {
        recall_to_answer(&self.view(view).complaint, self.members.id(by))?;
        self.write(view, by, moment, Act::ReturnRecalled)
    }

    /// The outcome of an entry at a node.
    pub fn arrives(&mut self, view: Option<ViewRef>, entry: EntryRef, at: Agency, moment: Moment) -> Arrival {
        let key = (view, entry, at, moment);
        if let Some(known) = self.arrivals.get(&key) {
            return *known;
        }
        let arrival = self.judge_arrival(view, entry, time::shown(moment, at));
        self.arrivals.insert(key, arrival);
        arrival
    }

    fn judge_arrival(&mut self, view: Option<ViewRef>, entry: EntryRef, now: u64) -> Arrival {
        let received = self.entry(entry);
        let seen = view.map(|view| self.view(view));
        match admit(received, seen.map(|seen| &seen.complaint), self.members.charter(), now) {
            Verdict::Defer { .. } => return Arrival::Waits,
            Verdict::Refuse(_) => return Arrival::Refused,
            Verdict::Admit => {}
        }
        let mut entries = seen.map(|seen| seen.entries.clone()).unwrap_or_default();
        entries.insert(entry);
        let complaint = match seen {
            Some(seen) => {
                let mut complaint = seen.complaint.clone();
                complaint.insert(received, self.members.charters());
                Some(complaint)
            }
            None => Complaint::lodge(received, self.members.charters()),
        };
        let Some(complaint) = complaint else { return Arrival::Refused };
        Arrival::Taken(self.intern(complaint, entries))
    }

    /// The view of a node that gets all entries of another view, in the order of their clocks; `None` if the node does not accept one of
    /// them.
    pub fn union(&mut self, view: ViewRef, with: ViewRef) -> Option<ViewRef> {
        if let Some(known) = self.unions.get(&(view, with)) {
            return *known;
        }
        let mut lacking: Vec<EntryRef> =
            self.view(with).entries.difference(&self.view(view).entries).copied().collect();
        lacking.sort_by_key(|entry| (self.entry(*entry).clock, self.entry(*entry).id));
        let mut union = Some(view);
        for entry in lacking {
            let now = self.entry(entry).clock.millis();
            union = match self.judge_arrival(union, entry, now) {
                Arrival::Taken(next) => Some(next),
                Arrival::Waits | Arrival::Refused => None,
            };
            if union.is_none() {
                break;
            }
        }
        self.unions.insert((view, with), union);
        union
    }

    fn intern(&mut self, complaint: Complaint, entries: BTreeSet<EntryRef>) -> ViewRef {
        let key = (entries, picture(&complaint));
        if let Some(view) = self.by_picture.get(&key) {
            return *view;
        }
        let view = ViewRef(u32::try_from(self.views.len()).expect("as many views as memory holds"));
        self.by_picture.insert(key.clone(), view);
        let entries = key.0;
        let is_only = self.sets.insert(entries.clone());
        let ids = entries.iter().map(|entry| self.entry(*entry).id).collect();
        let judgement = judge(&complaint, &ids, &self.lies);
        let adjacent: BTreeSet<AgencyId> = self.members.all().map(|agency| self.members.id(agency).clone()).collect();
        // All agencies are linked with each other, so all have the same readers. The routes of the intake agency do not name the agency
        // itself, so it is added.
        let links = routes(complaint.intake(), &adjacent, complaint.readers(), self.members.charter(), Reach::Relayed);
        let readers =
            links.links.keys().copied().chain([complaint.intake()]).map(|id| self.members.agency(id)).collect();
        self.views.push(View { complaint, entries, readers, is_only, judgement });
        view
    }

    fn write(&mut self, view: ViewRef, by: Agency, moment: Moment, act: Act) -> Option<EntryRef> {
        let clock = self.next_clock(view, by, moment);
        let body = acts::body(&self.members, &self.view(view).complaint, by, act, clock.millis())?;
        Some(self.sign_next(view, by, clock, body))
    }

    /// Whether the timeline has the same act already. A recall is the same only on the same basis.
    fn is_already_written(&self, view: ViewRef, entry: EntryRef) -> bool {
        let body = &self.entry(entry).body;
        let is_same = |known: &Body| match (known, body) {
            (Body::Case { act: CaseAct::Recalled, .. }, _) => known == body,
            (Body::Case { act: known, .. }, Body::Case { act, .. }) => known == act,
            _ => false,
        };
        self.view(view).complaint.timeline().any(|(_, known)| is_same(&known.body))
    }

    fn next_clock(&self, view: ViewRef, by: Agency, moment: Moment) -> HybridClock {
        HybridClock::tick(time::shown(moment, by), self.view(view).complaint.newest_clock()).expect("far from its end")
    }

    /// Signs an entry as a node would: its parents are the newest entries, and its place is the next leaf of a ledger with only this complaint.
    fn sign_next(&mut self, view: ViewRef, by: Agency, clock: HybridClock, body: Wire) -> EntryRef {
        let View { complaint, entries, .. } = self.view(view);
        let (id, parents, leaf) = (complaint.id(), complaint.parents_of_next(), LedgerIndex(entries.len() as u64));
        self.sign(by, Some(id), parents, clock, leaf, body)
    }

    fn sign(
        &mut self,
        by: Agency,
        complaint: Option<ComplaintId>,
        parents: Vec<EntryId>,
        clock: HybridClock,
        leaf: LedgerIndex,
        body: Wire,
    ) -> EntryRef {
        let draft = EntryDraft {
            federation: FEDERATION.to_owned(),
            author: self.members.id(by).clone(),
            charter: self.members.charter().name(),
            place: Place { epoch: Epoch::FIRST, index: leaf },
            complaint,
            parents,
            clock,
            content: Vec::new(),
            body,
        };
        let signed = draft.sign(self.members.key(by));
        if let Some(known) = self.by_id.get(&signed.id) {
            return *known;
        }
        let entry = Entry::parse(signed.bytes, FEDERATION).expect("a node's own entry is well-formed");
        let authentic = authenticate(
            std::slice::from_ref(&entry),
            self.members.charters(),
            &self.verified,
            StdRng::seed_from_u64(0),
        );
        assert_eq!(authentic, [Verdict::Admit], "a node's own entry must be authentic");
        let number = EntryRef(u32::try_from(self.entries.len()).expect("as many entries as memory holds"));
        self.by_id.insert(entry.id, number);
        self.entries.push(entry);
        number
    }
}

/// The answers to all questions about a complaint, as text.
fn picture(complaint: &Complaint) -> String {
    let path: Vec<EntryId> = complaint.path().map(|(id, _)| id).collect();
    let timeline: Vec<_> = complaint
        .timeline()
        .map(|(id, known)| (id, complaint.standing(&id), known.custody(), complaint.is_recalled(&id)))
        .collect();
    let whole = (complaint.custody(), path, complaint.case(), timeline, complaint.participants());
    format!("{whole:?} {:?} {:?}", complaint.parents_of_next(), complaint.digest())
}
