//! The questions that other modules ask about a complaint. Nothing here changes it.

use std::collections::BTreeSet;

use super::ancestors::{ancestors_of, walk_ancestors};
use super::known_entry::{Judged, KnownEntry};
use super::timeline::Timeline;
use super::{CaseState, Complaint, CustodyState, NoEffect, SetDigest};
use crate::base::clock::HybridClock;
use crate::base::ids::{AgencyId, ComplaintId, EntryId};
use crate::base::limits;
use crate::entry::{Body, CaseAct, CustodyAct, Entry, Lodged};
use crate::routing::route::Readers;

/// The standing of an entry in the complaint, with the entries that are here now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The entry has effect.
    Effective,
    /// A custody entry that lost at a fork. It is kept and shown, and has no effect.
    Superseded {
        /// The entry that won at the fork.
        by: EntryId,
    },
    /// The entry has no effect, for this reason.
    WithoutEffect(NoEffect),
    /// This version does not act on such an entry. It is kept and relayed.
    Kept,
}

impl Complaint {
    /// The complaint's id.
    pub fn id(&self) -> ComplaintId {
        self.id
    }

    /// The intake agency.
    pub fn intake(&self) -> &AgencyId {
        &self.intake
    }

    /// The body of the `Lodged` entry.
    pub fn lodged(&self) -> &Lodged {
        &self.lodged
    }

    /// The state of custody now: the holder and the open offer.
    pub fn custody(&self) -> &CustodyState {
        match &self.entries[&self.tip()].judged {
            Judged::Custody { state, .. } => state,
            _ => unreachable!("the path holds custody entries with effect only"),
        }
    }

    /// The state of the case now.
    pub fn case(&self) -> &CaseState {
        self.history.now()
    }

    /// The last custody entry of the path. New entries name it as their basis.
    pub fn tip(&self) -> EntryId {
        *self.path.last().expect("the path begins with Lodged")
    }

    /// Number of offers on the custody path.
    pub fn offers(&self) -> usize {
        let offers =
            |id: &&EntryId| matches!(&self.entries[*id].body, Body::Custody { act, .. } if act.offers_to().is_some());
        self.path.iter().filter(offers).count()
    }

    /// The custody path: the custody entries with effect that won every fork, from `Lodged` to the tip.
    pub fn path(&self) -> impl Iterator<Item = (EntryId, &KnownEntry)> {
        self.path.iter().map(|id| (*id, &*self.entries[id]))
    }

    /// Whether the holder recalled this offer.
    pub fn is_recalled(&self, offer: &EntryId) -> bool {
        self.notices.recalled.contains(offer)
    }

    /// Whether the addressee confirmed that this offer reached it through relays.
    pub fn has_arrived(&self, offer: &EntryId) -> bool {
        self.notices.arrived.contains(offer)
    }

    /// The escalations with effect. Each is a `Deadline`, the custody entry that it is about, and the `Escalated` entry.
    pub fn escalations(&self) -> impl Iterator<Item = (i32, EntryId, EntryId)> {
        let first = |timeline: &Timeline| timeline.first().map(|(_, id)| *id);
        self.notices
            .escalated
            .iter()
            .filter_map(move |((basis, deadline), timeline)| Some((*deadline, *basis, first(timeline)?)))
    }

    /// Whether the contents of an entry that is here are, or must be, destroyed. A disclosed copy is destroyed with its original.
    pub fn is_erased(&self, id: &EntryId) -> bool {
        let discloses_erased = || {
            matches!(&self.entries.get(id).map(|known| &known.body),
                Some(Body::Case { act: CaseAct::Disclosed { entry, .. }, .. }) if self.notices.erased.contains(entry))
        };
        self.notices.erased.contains(id) || discloses_erased()
    }

    /// Like [`Self::is_erased`], for an entry that may not be here yet.
    pub fn erases(&self, entry: &Entry) -> bool {
        let of_erased = match &entry.body {
            Body::Case { act: CaseAct::Disclosed { entry, .. }, .. } => self.notices.erased.contains(entry),
            _ => false,
        };
        self.notices.erased.contains(&entry.id) || of_erased
    }

    /// The entries whose contents are, or must be, destroyed, also those that are not here. Disclosed copies of their contents are among them.
    pub fn erased_entries(&self) -> impl Iterator<Item = EntryId> {
        let is_copy = |id: &EntryId| !self.notices.erased.contains(id) && self.is_erased(id);
        let copies = self.entries.iter().map(|(id, _)| *id).filter(is_copy);
        self.notices.erased.iter().copied().chain(copies)
    }

    /// Whether any content is, or must be, destroyed.
    pub fn has_erasures(&self) -> bool {
        !self.notices.erased.is_empty()
    }

    /// The readers of the complaint, beside supervisors and oversight.
    pub fn readers(&self) -> Readers<'_> {
        Readers {
            participants: &self.participants,
            disclosed_to: &self.notices.disclosed_to,
            formerly_offered: &self.notices.formerly_offered,
        }
    }

    /// The entry that the citizen's next word is about: the newest answer, or the end of a case that nobody answered. `None`: there is neither.
    pub fn answer_to_reply(&self) -> Option<EntryId> {
        let ends = |known: &KnownEntry| {
            matches!(&known.body, Body::Case { act: CaseAct::Closed { .. } | CaseAct::ArchiveApproved { .. }, .. })
        };
        let end = || {
            let newest_first = self.order.iter().rev().map(|(_, id)| *id);
            newest_first.filter(|id| ends(&self.entries[id])).find(|id| self.standing(id) == Some(Standing::Effective))
        };
        self.case().newest_answer.map(|(_, answer)| answer).or_else(end)
    }

    /// The proposals to erase that have effect and were not approved.
    pub fn erase_proposals(&self) -> BTreeSet<EntryId> {
        let mut open = BTreeSet::new();
        for (id, known) in self.timeline().filter(|(_, known)| matches!(known.judged, Judged::Case)) {
            match &known.body {
                Body::Case { act: CaseAct::EraseProposed { .. }, .. } => drop(open.insert(id)),
                Body::Case { act: CaseAct::Erased { proposal, .. }, .. } => drop(open.remove(proposal)),
                _ => {}
            }
        }
        open
    }

    /// The id of the `Lodged` entry.
    pub fn lodged_entry(&self) -> EntryId {
        *self.path.first().expect("the path begins with Lodged")
    }

    /// The intake agency and every agency that custody was offered to.
    pub fn participants(&self) -> &BTreeSet<AgencyId> {
        &self.participants
    }

    /// The intake agency and the addressee of every offer, with effect or not.
    pub fn named(&self) -> &BTreeSet<AgencyId> {
        &self.named
    }

    /// The memory that the complaint takes, in bytes. Approximate.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of entries that are here.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Always `false`: a complaint has its `Lodged`.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Whether the entry is here.
    pub fn contains(&self, id: &EntryId) -> bool {
        self.entries.contains_key(id)
    }

    /// An entry as the fold keeps it; `None` if it is not here.
    pub fn entry(&self, id: &EntryId) -> Option<&KnownEntry> {
        self.entries.get(id).map(Box::as_ref)
    }

    /// All entries with their ids, in the order of (clock, id).
    pub fn timeline(&self) -> impl Iterator<Item = (EntryId, &KnownEntry)> {
        self.order.iter().map(|(_, id)| (*id, &*self.entries[id]))
    }

    /// The clock of the newest entry.
    pub fn newest_clock(&self) -> HybridClock {
        self.order.last().map(|(clock, _)| *clock).unwrap_or_default()
    }

    /// The parents of the next entry: the newest entries.
    ///
    /// If there are more than an entry has room for, the newest entry of each author comes first, then the custody entries that nothing acts on, and then
    /// the rest. No parent descends from another one. So an entry descends from the newest work of every author, even if somebody floods the complaint,
    /// and it conceals nothing (see [`crate::transparency::evidence`]).
    pub fn parents_of_next(&self) -> Vec<EntryId> {
        self.parents_of_next_after(&self.tip())
    }

    /// Like [`Self::parents_of_next`], for an entry that must descend from this one instead of the tip.
    pub fn parents_of_next_after(&self, needed: &EntryId) -> Vec<EntryId> {
        let newest = || self.heads.iter().rev().map(|(_, id)| *id);
        if self.heads.len() <= limits::PARENTS {
            return newest().collect();
        }
        let mut authors: BTreeSet<&AgencyId> = BTreeSet::new();
        let is_newest_of_author = |id: &EntryId| authors.insert(&self.entries[id].author);
        let of_authors = self.order.iter().rev().map(|(_, id)| *id).filter(is_newest_of_author);
        let custody = self.ends_of_custody().into_iter().rev();
        let mut chosen: Vec<EntryId> = Vec::new();
        for id in [*needed].into_iter().chain(of_authors).chain(custody).chain(newest()) {
            if chosen.len() < limits::PARENTS && !self.ancestors(&chosen).contains(&id) {
                chosen.push(id);
            }
        }
        // An entry that was chosen later may descend from one that was chosen before. There are more heads than places, so each place gets one.
        loop {
            let further_back = self.ancestors(&self.parents_of(&chosen));
            let before = chosen.len();
            chosen.retain(|id| !further_back.contains(id));
            if chosen.len() == before {
                return chosen;
            }
            let heads = newest().filter(|id| !chosen.contains(id)).take(limits::PARENTS - chosen.len());
            let heads: Vec<EntryId> = heads.collect();
            chosen.extend(heads);
        }
    }

    /// The parents of these entries.
    fn parents_of(&self, entries: &[EntryId]) -> Vec<EntryId> {
        entries.iter().flat_map(|id| self.entries[id].parents.iter().copied()).collect()
    }

    /// The custody entries that no other custody entry descends from, with effect or not, oldest first.
    fn ends_of_custody(&self) -> Vec<EntryId> {
        let custody: Vec<EntryId> = self.order.iter().map(|(_, id)| *id).filter(|id| self.is_custody(id)).collect();
        let behind: Vec<EntryId> = custody.iter().flat_map(|id| self.entries[id].parents.clone()).collect();
        let behind = self.ancestors(&behind);
        custody.into_iter().filter(|id| !behind.contains(id)).collect()
    }

    /// The given entries and all their ancestors, as far as they are here.
    pub fn ancestors(&self, parents: &[EntryId]) -> BTreeSet<EntryId> {
        ancestors_of(&self.entries, parents)
    }

    /// Visits the given entries and all their ancestors, as far as they are here, each once.
    pub fn walk_ancestors<'a>(&'a self, parents: &[EntryId], visit: impl FnMut(&EntryId, &'a KnownEntry)) {
        walk_ancestors(&self.entries, parents, visit);
    }

    /// The authors of the entries that are here.
    pub fn authors(&self) -> impl Iterator<Item = &AgencyId> {
        self.written.iter().map(|(author, _)| author)
    }

    /// Number of entries that an agency wrote in this complaint.
    pub fn written_by(&self, author: &AgencyId) -> usize {
        self.written.get(author).copied().unwrap_or(0)
    }

    /// Whether `parents` are exactly the newest entries. Then every entry here is one of them or an ancestor.
    pub fn are_heads(&self, parents: &[EntryId]) -> bool {
        self.heads.len() == parents.len() && self.heads.iter().all(|(_, id)| parents.contains(id))
    }

    /// Whether an entry is `Lodged` or a custody entry, with effect or not.
    pub fn is_custody(&self, id: &EntryId) -> bool {
        matches!(self.entries.get(id).map(|known| &known.body), Some(Body::Lodged(_) | Body::Custody { .. }))
    }

    /// Whether an entry that is here was signed under a revoked key, and the list of what stays trusted does not name it.
    pub fn is_disputed(&self, id: &EntryId) -> bool {
        let judged = self.entries.get(id).map(|known| &known.judged);
        matches!(judged, Some(Judged::NoEffect(NoEffect::Disputed { .. })))
    }

    /// Whether an entry is disputed, or was made under a custody entry that is or that acts on one.
    pub fn rests_on_disputed(&self, entry: &Entry) -> bool {
        let is_of_disputed = |basis: EntryId| self.notices.disputed.contains(&basis);
        self.is_disputed(&entry.id) || entry.body.basis().is_some_and(is_of_disputed)
    }

    /// The standing of an entry; `None` if it is not here.
    pub fn standing(&self, id: &EntryId) -> Option<Standing> {
        Some(match &self.entries.get(id)?.judged {
            Judged::Witness => Standing::Effective,
            Judged::Case => self.standing_of_case(id),
            Judged::Kept => Standing::Kept,
            Judged::NoEffect(reason) => Standing::WithoutEffect(reason.clone()),
            Judged::Custody { depth, .. } if self.path.get(*depth) == Some(id) => Standing::Effective,
            Judged::Custody { .. } => Standing::Superseded { by: self.winner_over(id) },
        })
    }

    fn standing_of_case(&self, id: &EntryId) -> Standing {
        let known = &self.entries[id];
        if let Some(Err(reason)) = self.history.outcome(&(known.clock, *id)) {
            return Standing::WithoutEffect(reason.clone());
        }
        if let Body::Case { basis, act: CaseAct::Escalated { deadline, .. } } = &known.body
            && let Some((_, by)) =
                self.notices.escalated.get(&(*basis, *deadline)).and_then(|timeline| timeline.first())
            && by != id
        {
            return Standing::WithoutEffect(NoEffect::AlreadyEscalated { by: *by });
        }
        Standing::Effective
    }

    /// The entry that won at the fork where the branch of `id` left the path.
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

    /// The digest of the set of entries; see [`SetDigest`].
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = SetDigest::default();
        self.order.iter().for_each(|(clock, id)| digest.add(*clock, &id.0[..SetDigest::ID_PREFIX]));
        digest.finish()
    }

    /// Panics if the state breaks an invariant of this module. For tests.
    pub fn check_invariants(&self) {
        let custody = self.custody();
        let held_by_own_entry = self.path.iter().any(|id| {
            let known = &self.entries[id];
            known.author == custody.holder
                && matches!(known.body, Body::Lodged(_) | Body::Custody { act: CustodyAct::Accepted, .. })
        });
        assert!(held_by_own_entry, "{} holds {:?} without an own Lodged or Accepted", custody.holder, self.id);
        if let Some(offer) = &custody.offer {
            assert_eq!(offer.entry, self.tip(), "an open offer is the tip of the path");
        }
        assert_eq!(self.order.len(), self.entries.len(), "every entry is in the timeline");
    }
}
