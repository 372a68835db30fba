//! The fold: it adds entries to a complaint, one by one, and keeps the state up to date. [`super::query`] reads the state.
//!
//! Usually an entry costs one step. When a fork changes the custody path, the path is followed again from the fork, and all case entries are
//! judged again. When a case entry comes late, the entries after it are judged again as far as their state changes.
//!
//! Must not know where entries come from or where they are stored.
//!
//! Invariant: the state is a function of the set of entries and the charters. The order in which they are inserted makes no difference.
//! [`Complaint::under`] gives the state under newer charters.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use litemap::LiteMap;

use super::NoEffect;
use super::ancestors::ancestors_of;
use super::case::{CaseEntry, CaseState};
use super::case_history::CaseHistory;
use super::custody::{Actor, CustodyState};
use super::known_entry::{EntryView, Judged, KnownEntry};
use super::timeline::Timeline;
use crate::base::ids::{AgencyId, ComplaintId, EntryId};
use crate::charter::{Charter, Charters};
use crate::entry::{Body, CaseAct, Commitment, ContentClass, CustodyAct, Entry, Lodged};

/// One complaint with all its entries.
#[derive(Clone, Debug)]
pub struct Complaint {
    pub(super) id: ComplaintId,
    pub(super) intake: AgencyId,
    pub(super) lodged: Arc<Lodged>,
    /// A sorted vector, because most complaints have few entries. The entries are boxed, so that an insertion moves few bytes and stays fast
    /// even in a complaint with thousands of entries.
    pub(super) entries: LiteMap<EntryId, Box<KnownEntry>>,
    /// All entries.
    pub(super) order: Timeline,
    /// The entries that are no parent of another one.
    pub(super) heads: Timeline,
    /// The custody path, from `Lodged` to the tip.
    pub(super) path: Vec<EntryId>,
    pub(super) history: CaseHistory,
    pub(super) participants: BTreeSet<AgencyId>,
    /// The intake agency and every addressee of an offer, with effect or not.
    pub(super) named: BTreeSet<AgencyId>,
    /// Number of entries of each author.
    pub(super) written: LiteMap<AgencyId, usize>,
    pub(super) notices: Notices,
    /// The custody entries with several acts on them.
    pub(super) forks: BTreeSet<EntryId>,
    /// The memory that the entries take, in bytes. Approximate.
    pub(super) bytes: usize,
}

/// The facts from case entries that do not depend on the order, and that no later entry changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Notices {
    /// Offers that were recalled.
    pub(super) recalled: BTreeSet<EntryId>,
    /// Offers that reached their addressee through relays.
    pub(super) arrived: BTreeSet<EntryId>,
    /// Escalations by their basis and `Deadline`. Only the first of each has effect.
    pub(super) escalated: BTreeMap<(EntryId, i32), Timeline>,
    /// Entries whose contents are to be destroyed.
    pub(super) erased: BTreeSet<EntryId>,
    /// Agencies that a content was disclosed to.
    pub(super) disclosed_to: BTreeSet<AgencyId>,
    /// Agencies to which the complaint was offered under a key that is revoked now. They may hold texts, so they must hear when those are erased.
    pub(super) formerly_offered: BTreeSet<AgencyId>,
    /// Custody entries that are disputed, or act on one that is.
    pub(super) disputed: BTreeSet<EntryId>,
}

/// The result of an insertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// The former tip of the custody path, if the path now runs beside it. The caller then alarms both parties. `None` if the path stayed
    /// or only grew.
    pub path_changed_from: Option<EntryId>,
}

impl Complaint {
    /// A new complaint from its `Lodged` entry. `None` for any other body, or if the charter that the entry names is not known.
    pub fn lodge(entry: &Entry, charters: &Charters) -> Option<Self> {
        let (Body::Lodged(lodged), Some(id)) = (&entry.body, entry.complaint) else { return None };
        let charter = charters.named(&entry.charter)?;
        Some(Self::of_lodged(id, lodged, EntryView::of(entry), charter))
    }

    fn of_lodged(id: ComplaintId, lodged: &Arc<Lodged>, entry: EntryView<'_>, charter: &Arc<Charter>) -> Self {
        let intake = entry.author;
        let state = CustodyState { holder: intake.clone(), offer: None };
        let known = entry.judged_as(Judged::Custody { state, depth: 0 }, charter);
        let bytes = known.bytes();
        let mut timeline = Timeline::default();
        timeline.insert((entry.clock, entry.id));
        Self {
            id,
            intake: intake.clone(),
            lodged: Arc::clone(lodged),
            entries: LiteMap::from_iter([(entry.id, Box::new(known))]),
            heads: timeline.clone(),
            order: timeline,
            path: vec![entry.id],
            history: CaseHistory::new(CaseState::new(lodged)),
            participants: BTreeSet::from([intake.clone()]),
            named: BTreeSet::from([intake.clone()]),
            written: LiteMap::from_iter([(intake.clone(), 1)]),
            notices: Notices::default(),
            forks: BTreeSet::new(),
            bytes,
        }
    }

    /// Adds an admitted entry ([`crate::admission`]), whose parents are all here and whose charter is known. A duplicate changes nothing.
    pub fn insert(&mut self, entry: &Entry, charters: &Charters) -> Inserted {
        match charters.named(&entry.charter) {
            Some(charter) if !self.entries.contains_key(&entry.id) => self.add(EntryView::of(entry), charter, charters),
            _ => Inserted { path_changed_from: None },
        }
    }

    /// The same complaint under newer charters: its entries judged again, in the order of their clocks.
    #[must_use]
    pub fn under(&self, charters: &Charters) -> Self {
        let mut entries = self.timeline().map(|(id, known)| (EntryView::of_known(id, known), &known.charter));
        let (lodged, charter) = entries.next().expect("a complaint has its Lodged, which is before all others");
        let mut again = Self::of_lodged(self.id, &self.lodged, lodged, charter);
        for (entry, charter) in entries {
            again.add(entry, charter, charters);
        }
        again
    }

    /// Whether newer charters may change the effect of an entry: they revoke the key that signed it or a receipt that it shows, or a later charter
    /// ended its author's power.
    pub fn may_change_under(&self, charters: &Charters) -> bool {
        self.entries.values().any(|known| {
            let shows_revoked = matches!(&known.body, Body::Proven(proven) if charters.has_revoked(&proven.receiver));
            let has_later = || charters.powers_at(known.charter.version, known.clock.millis()).next().is_some();
            charters.has_revoked(&known.author) || shows_revoked || has_later()
        })
    }

    fn add(&mut self, entry: EntryView<'_>, charter: &Arc<Charter>, charters: &Charters) -> Inserted {
        let unchanged = Inserted { path_changed_from: None };
        let judged = self.judge(entry, charter, charters);
        for parent in entry.parents {
            if let Some(known) = self.entries.get(parent) {
                self.heads.remove(&(known.clock, *parent));
            }
        }
        let key = (entry.clock, entry.id);
        self.order.insert(key);
        self.heads.insert(key);
        *self.written.entry(entry.author.clone()).or_default() += 1;
        if let Body::Custody { basis, act } = entry.body {
            let is_disputed =
                matches!(judged, Judged::NoEffect(NoEffect::Disputed { .. })) || self.notices.disputed.contains(basis);
            if is_disputed {
                self.notices.disputed.insert(entry.id);
            }
            if let Some(to) = act.offers_to() {
                self.named.insert(to.clone());
                if is_disputed {
                    self.notices.formerly_offered.insert(to.clone());
                }
            }
        }
        let effect = match (&judged, entry.body) {
            (Judged::Custody { .. }, _) => Effect::Custody,
            (Judged::Case, _) => Effect::Case,
            (Judged::Witness, Body::Proven(proven)) => Effect::Witness(proven.entry),
            _ => Effect::None,
        };
        let known = entry.judged_as(judged, charter);
        self.bytes += known.bytes();
        self.entries.insert(entry.id, Box::new(known));
        match effect {
            Effect::Custody => self.extend_path(entry),
            Effect::Witness(act) => self.note_witness(&act),
            Effect::Case => {
                self.apply_case(entry);
                unchanged
            }
            Effect::None => unchanged,
        }
    }

    /// Judges an entry on the state that its basis left.
    fn judge(&self, entry: EntryView<'_>, charter: &Charter, charters: &Charters) -> Judged {
        if charters.disputes_entry(entry.author, entry.key_id, &entry.id) {
            return Judged::NoEffect(NoEffect::Disputed { author: entry.author.clone(), key: entry.key_id });
        }
        if let Body::Proven(proven) = entry.body {
            return self
                .check_witness(proven, charters)
                .map_or_else(|why| Judged::NoEffect(NoEffect::NotWitnessed(why)), |()| Judged::Witness);
        }
        let actor = Actor { author: entry.author, millis: entry.clock.millis(), charter, charters };
        let Some(basis) = entry.body.basis() else { return Judged::Kept };
        let Some(Judged::Custody { state, depth }) = self.entries.get(&basis).map(|known| &known.judged) else {
            return Judged::NoEffect(NoEffect::BasisWithoutEffect);
        };
        if self.knew_other_act(entry, &basis) {
            return Judged::NoEffect(NoEffect::BasisActedOn);
        }
        if let Err(reason) = actor.require_member() {
            return Judged::NoEffect(reason);
        }
        let judged = match entry.body {
            Body::Custody { act, .. } => {
                state.after(entry.id, act, actor).map(|state| Judged::Custody { state, depth: depth + 1 })
            }
            Body::Case { act, .. } => state
                .allows(act, &self.intake, actor)
                .and_then(|()| self.check_named(entry, act))
                .map(|()| Judged::Case),
            Body::Lodged(_) | Body::Proven(_) | Body::Node(_) | Body::Unknown => Ok(Judged::Kept),
        };
        judged.unwrap_or_else(Judged::NoEffect)
    }

    /// Checks the other entry that a case entry names: it must be an ancestor and of the right kind.
    fn check_named(&self, entry: EntryView<'_>, act: &CaseAct) -> Result<(), NoEffect> {
        match act {
            CaseAct::ArchiveApproved { proposal } | CaseAct::ArchiveRefused { proposal } => {
                self.check_proposal(entry, proposal, |act| matches!(act, CaseAct::ArchiveProposed { .. }))
            }
            CaseAct::Erased { proposal, .. } => {
                self.check_proposal(entry, proposal, |act| matches!(act, CaseAct::EraseProposed { .. }))
            }
            CaseAct::Linked { duplicate_of } if *duplicate_of == self.id => Err(NoEffect::DuplicateOfItself),
            CaseAct::Disclosed { entry: named, commitment, .. } => self.check_disclosed(entry, named, *commitment),
            CaseAct::Replied(reply) => self.check_word(reply, |answer| self.is_ancestor(entry, answer)),
            CaseAct::Recalled
            | CaseAct::Verified { .. }
            | CaseAct::Progressed { .. }
            | CaseAct::Responded
            | CaseAct::Resolved { .. }
            | CaseAct::Closed { .. }
            | CaseAct::ArchiveProposed { .. }
            | CaseAct::EraseProposed { .. }
            | CaseAct::Arrived
            | CaseAct::Escalated { .. }
            | CaseAct::Linked { .. }
            | CaseAct::Remarked => Ok(()),
        }
    }

    fn check_proposal(
        &self,
        entry: EntryView<'_>,
        proposal: &EntryId,
        is_of_kind: impl Fn(&CaseAct) -> bool,
    ) -> Result<(), NoEffect> {
        let known = self.entries.get(proposal).filter(|known| match &known.body {
            Body::Case { act, .. } => is_of_kind(act) && matches!(known.judged, Judged::Case),
            _ => false,
        });
        if known.is_some() && self.is_ancestor(entry, proposal) { Ok(()) } else { Err(NoEffect::NoProposal) }
    }

    /// Checks that a `Disclosed` carries the content that it names, under the same commitment, and no other content.
    fn check_disclosed(&self, entry: EntryView<'_>, named: &EntryId, commitment: u32) -> Result<(), NoEffect> {
        let of_named = self.entries.get(named).and_then(|known| known.commitments.get(commitment as usize));
        let same = |of_named: &Commitment| *entry.commitments == [of_named.clone()];
        if !of_named.is_some_and(same) || !self.is_ancestor(entry, named) {
            return Err(NoEffect::NotDisclosed);
        }
        let is_identity = entry.commitments.iter().any(|own| own.class == ContentClass::Identity);
        if is_identity && *entry.author != self.intake {
            return Err(NoEffect::IdentityOfIntake { intake: self.intake.clone() });
        }
        Ok(())
    }

    pub(super) fn is_ancestor(&self, entry: EntryView<'_>, id: &EntryId) -> bool {
        entry.parents.contains(id)
            || (self.entries.contains_key(id) && self.are_heads(entry.parents))
            || self.ancestors(entry.parents).contains(id)
    }

    /// Whether the author knew of another custody entry with effect on the same basis: one is among the entry's ancestors.
    ///
    /// Such an entry has no effect. Otherwise a former holder could act again on the basis on which it held the complaint, as often as it takes
    /// to win the fork by the smallest id. Honest authors act on the tip, on which nobody has acted.
    fn knew_other_act(&self, entry: EntryView<'_>, basis: &EntryId) -> bool {
        let children = self.entries.get(basis).map(|known| known.children.as_slice()).unwrap_or_default();
        if children.is_empty() {
            return false;
        }
        let ancestors = self.ancestors(entry.parents);
        children.iter().any(|child| ancestors.contains(child))
    }

    /// Adds a custody entry with effect to the tree of bases. If it wins at its fork, the path goes through it.
    fn extend_path(&mut self, entry: EntryView<'_>) -> Inserted {
        let Body::Custody { basis, act } = entry.body else { return Inserted { path_changed_from: None } };
        if let Some(to) = act.offers_to() {
            self.participants.insert(to.clone());
        }
        self.put_in_order(basis, &entry.id);
        if self.entries[basis].children.len() > 1 {
            self.forks.insert(*basis);
        }
        self.follow_from(basis)
    }

    /// Puts an act among the acts on its basis, in the order in which they win.
    fn put_in_order(&mut self, basis: &EntryId, act: &EntryId) {
        let order = |id: &EntryId| {
            let known = &self.entries[id];
            (known, known.is_witnessed)
        };
        let (new, is_witnessed) = order(act);
        let comes_before = |other: &EntryId| {
            let (known, is_other_witnessed) = order(other);
            known.order(other, is_other_witnessed) < new.order(act, is_witnessed)
        };
        let at = self.entries[basis].children.partition_point(comes_before);
        let known = self.entries.get_mut(basis).expect("the basis was judged, so it is here");
        known.children.insert(at, *act);
    }

    /// Notes that an act has a witness. It may win at its fork now.
    fn note_witness(&mut self, act: &EntryId) -> Inserted {
        let unchanged = Inserted { path_changed_from: None };
        let known = self.entries.get_mut(act).expect("the act was judged, so it is here");
        let Some(basis) = known.body.basis().filter(|_| !known.is_witnessed) else { return unchanged };
        known.is_witnessed = true;
        let basis_known = self.entries.get_mut(&basis).expect("the basis was judged, so it is here");
        basis_known.children.retain(|child| child != act);
        self.put_in_order(&basis, act);
        self.follow_from(&basis)
    }

    /// Follows the path again from a custody entry, because the acts on it changed.
    fn follow_from(&mut self, basis: &EntryId) -> Inserted {
        let unchanged = Inserted { path_changed_from: None };
        let Some(depth) = self.depth_on_path(basis) else { return unchanged };
        let mut next = self.best_child(basis);
        if next.as_ref() == self.path.get(depth + 1) {
            return unchanged;
        }
        let tip = self.tip();
        self.path.truncate(depth + 1);
        while let Some(id) = next {
            self.path.push(id);
            next = self.best_child(&id);
        }
        let only_grew = tip == *basis;
        // An agency that accepts custody usually knows of all work that was done before.
        let takes_custody = || self.path[depth + 1..].iter().any(|id| is_accepted(&self.entries[id]));
        if only_grew && (self.heads.len() == 1 || !takes_custody()) {
            return unchanged;
        }
        let (history, judge) = self.case_judge();
        history.judge_again(|state, id| judge.judge(state, id));
        Inserted { path_changed_from: (!only_grew).then_some(tip) }
    }

    /// The act that wins on a custody entry.
    fn best_child(&self, basis: &EntryId) -> Option<EntryId> {
        self.entries.get(basis)?.children.first().copied()
    }

    /// The place of a custody entry on the path; `None` if it is beside the path.
    pub(super) fn depth_on_path(&self, id: &EntryId) -> Option<usize> {
        known_depth(&self.entries, id).filter(|depth| self.path.get(*depth) == Some(id))
    }

    /// The history of the case, and the judge of its entries on the present path.
    fn case_judge(&mut self) -> (&mut CaseHistory, CaseJudge<'_>) {
        let Self { entries, path, intake, history, .. } = self;
        (history, CaseJudge { entries, path, intake, known_to: RefCell::default() })
    }

    fn apply_case(&mut self, entry: EntryView<'_>) {
        let Body::Case { basis, act } = entry.body else { return };
        match act {
            CaseAct::Recalled => drop(self.notices.recalled.insert(*basis)),
            CaseAct::Arrived => drop(self.notices.arrived.insert(*basis)),
            CaseAct::Escalated { deadline, .. } => {
                let of = self.notices.escalated.entry((*basis, *deadline)).or_default();
                of.insert((entry.clock, entry.id));
            }
            CaseAct::Erased { proposal, .. } => self.erase(entry, proposal),
            CaseAct::Disclosed { to, .. } => drop(self.notices.disclosed_to.insert(to.clone())),
            CaseAct::EraseProposed { .. } | CaseAct::Remarked => {}
            CaseAct::Verified { .. }
            | CaseAct::Progressed { .. }
            | CaseAct::Responded
            | CaseAct::Resolved { .. }
            | CaseAct::Replied(_)
            | CaseAct::Closed { .. }
            | CaseAct::ArchiveProposed { .. }
            | CaseAct::ArchiveApproved { .. }
            | CaseAct::ArchiveRefused { .. }
            | CaseAct::Linked { .. } => {
                let (history, judge) = self.case_judge();
                history.insert((entry.clock, entry.id), |state, id| judge.judge(state, id));
            }
        }
    }

    /// Marks the contents to destroy. They depend only on the proposal and on the ancestors of the second signature, so no later entry adds to
    /// them or takes them back.
    fn erase(&mut self, entry: EntryView<'_>, proposal: &EntryId) {
        let Some(Body::Case { act: CaseAct::EraseProposed { entries, .. }, .. }) =
            self.entries.get(proposal).map(|known| &known.body)
        else {
            return;
        };
        if entries.is_empty() {
            let all = self.ancestors(entry.parents);
            self.notices.erased.extend(all);
        } else {
            let named = entries.clone();
            self.notices.erased.extend(named);
        }
    }
}

/// What an entry changes.
enum Effect {
    Custody,
    Case,
    /// It makes this act witnessed.
    Witness(EntryId),
    None,
}

/// Judges case entries on one custody path.
struct CaseJudge<'a> {
    entries: &'a LiteMap<EntryId, Box<KnownEntry>>,
    path: &'a [EntryId],
    intake: &'a AgencyId,
    /// The ancestors of each `Accepted` that was asked for. Walking them once keeps the judgement of many entries fast.
    known_to: RefCell<BTreeMap<EntryId, BTreeSet<EntryId>>>,
}

impl CaseJudge<'_> {
    /// The state of the case after an entry, from the state before it.
    fn judge(&self, state: &CaseState, id: &EntryId) -> Result<CaseState, NoEffect> {
        let known = &self.entries[id];
        let Body::Case { basis, act } = &known.body else { return Ok(state.clone()) };
        let depth = known_depth(self.entries, basis).filter(|depth| self.path.get(*depth) == Some(basis));
        let crossed_by = depth.filter(|_| act.needs_custody()).and_then(|depth| {
            let accepted = self.path[depth + 1..].iter().find(|id| is_accepted(&self.entries[*id]))?;
            (!self.knew(accepted, id)).then_some(*accepted)
        });
        let (id, basis, clock, rules) = (*id, *basis, known.clock, known.charter.rules);
        let answer = act.answer().and_then(|answer| Some((self.entries.get(&answer)?.clock, answer)));
        let (author, on_path) = (&known.author, depth.is_some());
        let entry = CaseEntry { id, author, clock, basis, answer, on_path, crossed_by, rules, act };
        state.after(entry, self.intake)
    }

    /// Whether the author of `accepted` knew of an entry.
    fn knew(&self, accepted: &EntryId, id: &EntryId) -> bool {
        let mut known_to = self.known_to.borrow_mut();
        known_to
            .entry(*accepted)
            .or_insert_with(|| ancestors_of(self.entries, &self.entries[accepted].parents))
            .contains(id)
    }
}

fn is_accepted(known: &KnownEntry) -> bool {
    matches!(known.body, Body::Custody { act: CustodyAct::Accepted, .. })
}

fn known_depth(entries: &LiteMap<EntryId, Box<KnownEntry>>, id: &EntryId) -> Option<usize> {
    match entries.get(id)?.judged {
        Judged::Custody { depth, .. } => Some(depth),
        _ => None,
    }
}
