//! The cache of complaints that the engine holds in memory.
//!
//! Must not know how a complaint is stored: it reads through the [`View`].
//!
//! Invariants:
//! - a complaint that a batch changed stays in memory until that batch is applied, because the view does not show the change before;
//! - nothing is dropped while an input is being decided;
//! - a complaint is looked up before it is read. Reading one that was not looked up is a defect, and panics where debug assertions are on.

use std::collections::BTreeSet;

use lru::LruCache;

use crate::base::ids::{ComplaintId, LedgerIndex};
use crate::charter::Charters;
use crate::entry::Entry;

use super::batch::BatchNumber;
use super::case::Case;
use super::record::LeafHeader;
use super::view::View;

/// The limits of a [`CaseCache`].
#[derive(Clone, Copy, Debug)]
pub struct CaseCacheLimits {
    /// The number of complaints.
    pub complaints: usize,
    /// The memory of all complaints together, in bytes. Approximate.
    pub bytes: usize,
}

/// The complaints in memory, in the order of their last use.
pub struct CaseCache {
    room: CaseCacheLimits,
    kept: LruCache<ComplaintId, Kept>,
    /// The memory of the complaints, in bytes.
    bytes: usize,
    /// Complaints that were looked up since the last input and do not exist.
    absent: BTreeSet<ComplaintId>,
}

struct Kept {
    case: Box<Case>,
    changed_in: BatchNumber,
}

impl CaseCache {
    /// An empty cache with these limits.
    pub fn new(room: CaseCacheLimits) -> Self {
        Self { room, kept: LruCache::unbounded(), bytes: 0, absent: BTreeSet::new() }
    }

    /// Drops the complaints over the limits, the longest unused first. Called between inputs only. `applied` is the newest batch that the
    /// view shows.
    pub fn make_room(&mut self, applied: BatchNumber) {
        self.absent.clear();
        // The last used complaint stays even if it alone is over the limits, because the next input is likely to need it again.
        while self.kept.len() > 1
            && (self.kept.len() > self.room.complaints || self.bytes > self.room.bytes)
            && self.kept.peek_lru().is_some_and(|(_, oldest)| oldest.changed_in <= applied)
            && let Some((_, dropped)) = self.kept.pop_lru()
        {
            self.bytes -= dropped.case.complaint.bytes();
        }
    }

    /// Brings a complaint into memory, so that it can be decided on. Returns whether it exists.
    ///
    /// # Errors
    /// When the view cannot read it.
    pub fn look_up<V: View>(&mut self, id: &ComplaintId, view: &mut V) -> Result<bool, V::Error> {
        if self.kept.promote(id) {
            return Ok(true);
        }
        if self.absent.contains(id) {
            return Ok(false);
        }
        let Some(case) = view.case(id)? else {
            self.absent.insert(*id);
            return Ok(false);
        };
        self.bytes += case.complaint.bytes();
        self.kept.put(*id, Kept { case, changed_in: BatchNumber::default() });
        Ok(true)
    }

    /// A complaint that was looked up.
    pub fn get(&self, id: &ComplaintId) -> Option<&Case> {
        let kept = self.kept.peek(id);
        debug_assert!(
            kept.is_some() || self.absent.contains(id),
            "complaint {id} was not looked up before it is decided on"
        );
        kept.map(|kept| &*kept.case)
    }

    /// A complaint that was looked up, to note the access that links are owed. That is not in the ledger, so it does not count as a change.
    pub fn get_mut(&mut self, id: &ComplaintId) -> Option<&mut Case> {
        self.kept.peek_mut(id).map(|kept| &mut *kept.case)
    }

    /// A complaint, if it is in memory.
    pub fn peek(&self, id: &ComplaintId) -> Option<&Case> {
        self.kept.peek(id).map(|kept| &*kept.case)
    }

    /// Judges the complaints in memory again on which newer charters may have an effect. Returns these complaints.
    pub fn judge_again(&mut self, charters: &Charters) -> Vec<ComplaintId> {
        let mut judged = Vec::new();
        for (id, kept) in &mut self.kept {
            if kept.case.complaint.may_change_under(charters) {
                kept.case.judge_again(charters);
                judged.push(*id);
            }
        }
        judged
    }

    /// First step of a leaf: adds the entry to the fold. Returns whether the custody path changed other than by growing.
    pub fn fold(&mut self, entry: &Entry, charters: &Charters, batch: BatchNumber) -> bool {
        let Some(id) = &entry.complaint else { return false };
        if let Some(kept) = self.kept.peek_mut(id) {
            let before = kept.case.complaint.bytes();
            let path_changed = kept.case.fold(entry, charters);
            kept.changed_in = batch;
            self.bytes += kept.case.complaint.bytes() - before;
            return path_changed;
        }
        debug_assert!(
            self.absent.contains(id) || matches!(entry.body, crate::entry::Body::Lodged(_)),
            "complaint {id} was not looked up before an entry is added to it"
        );
        if let Some(case) = Case::lodge(entry, charters) {
            self.absent.remove(id);
            self.bytes += case.complaint.bytes();
            self.kept.put(*id, Kept { case: Box::new(case), changed_in: batch });
        }
        false
    }

    /// Second step of a leaf: records its index and its routes.
    pub fn place(&mut self, entry: &Entry, index: LedgerIndex, header: &LeafHeader) {
        if let Some(case) = entry.complaint.as_ref().and_then(|id| self.get_mut(id)) {
            case.place(index, entry, header);
        }
    }
}
