//! The fold itself: entries in, state out, incrementally.
//!
//! Must not know where entries come from or where they are stored. Adding an entry costs one step, except at a custody fork,
//! where the path is walked again from the fork, and for a case entry that is not the newest, where the case is folded again.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::case::CaseState;
use super::custody::{Actor, CustodyState, NoEffect};
use crate::charter::Charter;
use crate::clock::HybridClock;
use crate::entry::{Body, Entry, Lodged};
use crate::ids::{AgencyId, ComplaintId, EntryId};
use crate::limits;

/// One complaint with all its entries.
#[derive(Clone, Debug)]
pub struct Complaint {
    id: ComplaintId,
    intake: AgencyId,
    lodged: Lodged,
    entries: BTreeMap<EntryId, Known>,
    /// Every entry, in the order in which case entries take effect.
    order: BTreeSet<(HybridClock, EntryId)>,
    /// Entries that are no other's parent.
    heads: BTreeSet<(HybridClock, EntryId)>,
    /// The winning path of custody, from `Lodged` to the tip.
    path: Vec<EntryId>,
    case: CaseState,
    participants: BTreeSet<AgencyId>,
    /// How many entries each author wrote.
    written: BTreeMap<AgencyId, usize>,
}

/// What the fold remembers of an entry.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its author.
    pub author: AgencyId,
    /// Its clock.
    pub clock: HybridClock,
    /// The charter version that it names.
    pub charter_version: u64,
    /// Its parents.
    pub parents: Vec<EntryId>,
    /// What it says.
    pub body: Body,
    /// What it does where it was made. Never changes.
    judged: Judged,
    /// The custody entries that act on it and have effect.
    children: Vec<EntryId>,
}

#[derive(Clone, Debug)]
enum Judged {
    /// A custody entry with effect: the state after it, and its depth in the tree.
    Custody { state: CustodyState, depth: usize },
    /// A case entry with effect.
    Case,
    /// No effect, and why.
    NoEffect(NoEffect),
    /// A body that this version does not act on.
    Kept,
}

/// Where an entry stands in the complaint now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It counts.
    Effective,
    /// A custody entry that another one won over: kept, shown, without effect.
    Superseded {
        /// The entry that won at the fork.
        by: EntryId,
    },
    /// It had no effect where it was made.
    WithoutEffect(NoEffect),
    /// This version keeps and relays it.
    Kept,
}

/// What an insertion did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// The tip that the path had before, if the path was not just extended: both parties must be alarmed.
    pub path_changed_from: Option<EntryId>,
}

impl Complaint {
    /// A new complaint from its `Lodged` entry; `None` for any other body.
    pub fn lodge(entry: &Entry) -> Option<Self> {
        let (Body::Lodged(lodged), Some(id)) = (&entry.body, entry.complaint) else { return None };
        let state = CustodyState { holder: entry.author.clone(), offer: None };
        let known = Known::new(entry, Judged::Custody { state, depth: 0 });
        Some(Self {
            id,
            intake: entry.author.clone(),
            lodged: lodged.clone(),
            entries: BTreeMap::from([(entry.id, known)]),
            order: BTreeSet::from([(entry.clock, entry.id)]),
            heads: BTreeSet::from([(entry.clock, entry.id)]),
            path: vec![entry.id],
            case: CaseState::new(lodged),
            participants: BTreeSet::from([entry.author.clone()]),
            written: BTreeMap::from([(entry.author.clone(), 1)]),
        })
    }

    /// Adds an entry that was admitted ([`crate::admission`]): its parents are here. A duplicate changes nothing.
    pub fn insert(&mut self, entry: &Entry, charter: &Charter) -> Inserted {
        let unchanged = Inserted { path_changed_from: None };
        if self.entries.contains_key(&entry.id) {
            return unchanged;
        }
        let judged = self.judge(entry, charter);
        for parent in &entry.parents {
            if let Some(known) = self.entries.get(parent) {
                self.heads.remove(&(known.clock, *parent));
            }
        }
        let newest = self.order.last().is_none_or(|last| *last < (entry.clock, entry.id));
        self.order.insert((entry.clock, entry.id));
        self.heads.insert((entry.clock, entry.id));
        *self.written.entry(entry.author.clone()).or_default() += 1;
        let is_custody = matches!(judged, Judged::Custody { .. });
        let is_case = matches!(judged, Judged::Case);
        self.entries.insert(entry.id, Known::new(entry, judged));
        if is_custody {
            return self.extend_path(entry);
        }
        if is_case {
            self.apply_case(entry, newest);
        }
        unchanged
    }

    /// What the entry does on the state that its basis left.
    fn judge(&self, entry: &Entry, charter: &Charter) -> Judged {
        let actor = Actor { author: &entry.author, millis: entry.clock.millis(), charter };
        let Some(basis) = entry.body.basis() else { return Judged::Kept };
        let Some(Judged::Custody { state, depth }) = self.entries.get(&basis).map(|known| &known.judged) else {
            return Judged::NoEffect(NoEffect::BasisWithoutEffect);
        };
        if self.knew_better(entry, &basis) {
            return Judged::NoEffect(NoEffect::BasisActedOn);
        }
        let judged = match &entry.body {
            Body::Custody { act, .. } => {
                state.after(entry.id, act, actor).map(|state| Judged::Custody { state, depth: depth + 1 })
            }
            Body::Case { act, .. } => state.allows(act, &self.intake, actor).map(|()| Judged::Case),
            Body::Lodged(_) | Body::Node(_) | Body::Kept { .. } => Ok(Judged::Kept),
        };
        judged.unwrap_or_else(Judged::NoEffect)
    }

    /// Whether the author had, when it wrote the entry, another custody entry with effect on the same basis. Without this a former holder
    /// could go on from the time when it held the complaint, as often as it takes to win the fork. Honest authors act on the
    /// tip, on which nobody has acted.
    fn knew_better(&self, entry: &Entry, basis: &EntryId) -> bool {
        let children = self.entries.get(basis).map(|known| known.children.as_slice()).unwrap_or_default();
        if children.is_empty() {
            return false;
        }
        let ancestors = self.ancestors(&entry.parents);
        children.iter().any(|child| ancestors.contains(child))
    }

    /// Takes a custody entry with effect into the tree, and the path along it if it wins.
    fn extend_path(&mut self, entry: &Entry) -> Inserted {
        let Body::Custody { basis, act } = &entry.body else { return Inserted { path_changed_from: None } };
        if let Some(to) = act.offers_to() {
            self.participants.insert(to.clone());
        }
        let basis_known = self.entries.get_mut(basis).expect("the basis was judged, so it is here");
        basis_known.children.push(entry.id);
        let Judged::Custody { depth, .. } = basis_known.judged else { return Inserted { path_changed_from: None } };
        let tip = self.tip();
        if self.path.get(depth) != Some(basis) || self.best_child(basis) != Some(entry.id) {
            return Inserted { path_changed_from: None };
        }
        self.path.truncate(depth + 1);
        let mut next = Some(entry.id);
        while let Some(id) = next {
            self.path.push(id);
            next = self.best_child(&id);
        }
        let extended = tip == *basis;
        Inserted { path_changed_from: (!extended).then_some(tip) }
    }

    /// The child that wins: best rank, then smallest id.
    fn best_child(&self, basis: &EntryId) -> Option<EntryId> {
        let rank = |id: &EntryId| match &self.entries[id].body {
            Body::Custody { act, .. } => act.rank(),
            _ => u8::MAX,
        };
        self.entries.get(basis)?.children.iter().min_by_key(|id| (rank(id), **id)).copied()
    }

    fn apply_case(&mut self, entry: &Entry, newest: bool) {
        if newest {
            if let Body::Case { act, .. } = &entry.body {
                self.case.apply(act, &self.lodged);
            }
            return;
        }
        self.case = CaseState::new(&self.lodged);
        for (_, id) in &self.order {
            let known = &self.entries[id];
            if let (Body::Case { act, .. }, Judged::Case) = (&known.body, &known.judged) {
                self.case.apply(act, &self.lodged);
            }
        }
    }

    /// The complaint's id.
    pub fn id(&self) -> ComplaintId {
        self.id
    }

    /// Where the citizen lodged it.
    pub fn intake(&self) -> &AgencyId {
        &self.intake
    }

    /// What was lodged.
    pub fn lodged(&self) -> &Lodged {
        &self.lodged
    }

    /// Who is accountable now, and what is offered.
    pub fn custody(&self) -> &CustodyState {
        match &self.entries[&self.tip()].judged {
            Judged::Custody { state, .. } => state,
            _ => unreachable!("the path holds custody entries with effect only"),
        }
    }

    /// The case now.
    pub fn case(&self) -> &CaseState {
        &self.case
    }

    /// The newest custody entry of the path: the basis of whatever is written next.
    pub fn tip(&self) -> EntryId {
        *self.path.last().expect("the path begins with Lodged")
    }

    /// The intake agency and every agency that custody was offered to.
    pub fn participants(&self) -> &BTreeSet<AgencyId> {
        &self.participants
    }

    /// How many entries are here.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Never: a complaint has its `Lodged`.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Whether the entry is here.
    pub fn contains(&self, id: &EntryId) -> bool {
        self.entries.contains_key(id)
    }

    /// What the fold remembers of an entry.
    pub fn entry(&self, id: &EntryId) -> Option<&Known> {
        self.entries.get(id)
    }

    /// All entries with their ids, in the order of (clock, id).
    pub fn timeline(&self) -> impl Iterator<Item = (EntryId, &Known)> {
        self.order.iter().map(|(_, id)| (*id, &self.entries[id]))
    }

    /// The newest clock.
    pub fn newest_clock(&self) -> HybridClock {
        self.order.last().map(|(clock, _)| *clock).unwrap_or_default()
    }

    /// The parents of the next entry: the newest entries, bounded, and always the tip's descendants or the tip itself, so that the
    /// basis is among the ancestors.
    pub fn parents_of_next(&self) -> Vec<EntryId> {
        let mut parents: Vec<EntryId> = self.heads.iter().rev().take(limits::PARENTS).map(|(_, id)| *id).collect();
        if self.heads.len() > limits::PARENTS && !parents.contains(&self.tip()) {
            parents.pop();
            parents.push(self.tip());
        }
        parents
    }

    /// The entries that `parents` descend from, and `parents` themselves.
    pub fn ancestors(&self, parents: &[EntryId]) -> BTreeSet<EntryId> {
        let mut found = BTreeSet::new();
        let mut next: Vec<EntryId> = parents.to_vec();
        while let Some(id) = next.pop() {
            if let Some(known) = self.entries.get(&id)
                && found.insert(id)
            {
                next.extend(&known.parents);
            }
        }
        found
    }

    /// How many entries of the complaint an agency wrote.
    pub fn written_by(&self, author: &AgencyId) -> usize {
        self.written.get(author).copied().unwrap_or(0)
    }

    /// Whether `parents` are the newest entries: everything here is an ancestor.
    pub fn are_heads(&self, parents: &[EntryId]) -> bool {
        self.heads.len() == parents.len() && self.heads.iter().all(|(_, id)| parents.contains(id))
    }

    /// Whether an entry is a custody entry that acts on one, with effect or not.
    pub fn is_custody(&self, id: &EntryId) -> bool {
        matches!(self.entries.get(id).map(|known| &known.body), Some(Body::Lodged(_) | Body::Custody { .. }))
    }

    /// Where an entry stands now; `None` if it is not here.
    pub fn standing(&self, id: &EntryId) -> Option<Standing> {
        Some(match &self.entries.get(id)?.judged {
            Judged::Case => Standing::Effective,
            Judged::Kept => Standing::Kept,
            Judged::NoEffect(reason) => Standing::WithoutEffect(reason.clone()),
            Judged::Custody { depth, .. } if self.path.get(*depth) == Some(id) => Standing::Effective,
            Judged::Custody { .. } => Standing::Superseded { by: self.winner_over(id) },
        })
    }

    /// The entry of the path at the fork where `id` left it.
    fn winner_over(&self, id: &EntryId) -> EntryId {
        let mut at = *id;
        loop {
            let Some(basis) = self.entries.get(&at).and_then(|known| known.body.basis()) else { return self.path[0] };
            if let Some(position) = self.path.iter().position(|on_path| *on_path == basis) {
                return self.path.get(position + 1).copied().unwrap_or(basis);
            }
            at = basis;
        }
    }

    /// Equal on nodes that hold the same set; see [`SetDigest`].
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = SetDigest::default();
        self.order.iter().for_each(|(clock, id)| digest.add(*clock, &id.0[..SetDigest::ID_PREFIX]));
        digest.finish()
    }

    /// Panics if the state contradicts itself. For tests of every kind.
    pub fn check_invariants(&self) {
        let custody = self.custody();
        let held_by_own_entry = self.path.iter().any(|id| {
            let known = &self.entries[id];
            known.author == custody.holder
                && matches!(known.body, Body::Lodged(_) | Body::Custody { act: crate::entry::CustodyAct::Accepted, .. })
        });
        assert!(held_by_own_entry, "{} holds {:?} without an own Lodged or Accepted", custody.holder, self.id);
        if let Some(offer) = &custody.offer {
            assert_eq!(offer.entry, self.tip(), "an open offer is the tip of the path");
        }
        assert_eq!(self.order.len(), self.entries.len(), "every entry is in the timeline");
    }
}

/// SHA-256 over (clock, first 16 bytes of the id) of a complaint's entries in their order: lets two operators compare what their nodes
/// hold. It convinces nobody else.
#[derive(Clone, Debug, Default)]
pub struct SetDigest(Sha256);

impl SetDigest {
    /// Bytes of an entry's id that count: two entries of one clock that agree in so many cannot be made.
    pub const ID_PREFIX: usize = 16;

    /// Adds the next entry.
    pub fn add(&mut self, clock: HybridClock, id_prefix: &[u8]) {
        self.0.update(clock.to_bits().to_be_bytes());
        self.0.update(id_prefix);
    }

    /// The digest.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

impl Known {
    fn new(entry: &Entry, judged: Judged) -> Self {
        Self {
            author: entry.author.clone(),
            clock: entry.clock,
            charter_version: entry.charter_version,
            parents: entry.parents.clone(),
            body: entry.body.clone(),
            judged,
            children: Vec::new(),
        }
    }

    /// The custody after this entry, if it is a custody entry with effect.
    pub fn custody(&self) -> Option<&CustodyState> {
        match &self.judged {
            Judged::Custody { state, .. } => Some(state),
            _ => None,
        }
    }
}
