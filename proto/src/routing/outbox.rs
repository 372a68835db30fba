//! The outbox of a link: it reads the next frame from the ledger, from the link's cursor on. There is no separate queue.
//!
//! Must not know how a ledger is stored ([`LedgerView`] reads it), and does not choose routes. The routes of a leaf were chosen when it was
//! written, and lie beside it.
//!
//! Invariants:
//! - items go in ledger order. Items that are owed before a leaf go before it: first routing records, then the history of its complaint;
//! - owed items are counted in parts, in an order that never changes, so a broken link goes on where it was;
//! - a content goes only where the route's access allows it, by the class in the entry's commitment;
//! - a frame stays within its limits, whatever the ledger holds;
//! - a cached leaf goes exactly as if it were read from the ledger.

mod frame;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::cursor::Cursor;
use crate::base::ids::{AgencyId, ComplaintId, Epoch, LedgerIndex};
use crate::charter::Charters;
use crate::entry::Entry;
use crate::entry::content::Content;
use crate::routing::route::{Access, Reach, Readers, Route, routes};
use crate::wire;

use frame::Frame;
pub use frame::{FrameRoom, FrameSummary, Prepared, SentEntry};
pub use view::{CachedLeaf, Leaf, LedgerView, OwnLeaf, Step};

/// Most leaves in one read. After a read the peer can learn the new cursor, even if no leaf was for it.
const LEAVES_A_READ: u64 = 16 * 1024;

/// The giving back to a peer whose ledger has begun a new epoch: beside everything else, the peer also gets back what came from it.
#[derive(Clone, Debug)]
pub struct GiveBack {
    /// The epoch that the peer has begun. Its own entries of earlier epochs are given back.
    pub epoch: Epoch,
    /// Entries that the peer passed on are given back if their leaf here lies before this one.
    pub before: LedgerIndex,
    /// This node's agency.
    pub own: AgencyId,
    /// The adjacent peers of this node.
    pub adjacent: BTreeSet<AgencyId>,
    /// The charters by which the peer's access is judged.
    pub charters: Arc<Charters>,
}

impl GiveBack {
    /// The epoch that a peer has begun, and the leaf here before which it is given back what came from it. `None` if it is in its first
    /// epoch.
    ///
    /// `shown` is the epoch of the peer's newest checkpoint. `declared` is the newest epoch that it declared, and the leaf of the declaration
    /// here. `size` is the number of leaves here. A peer that has not declared its epoch yet is given back everything.
    pub fn range(
        shown: Epoch,
        declared: Option<(Epoch, LedgerIndex)>,
        size: LedgerIndex,
    ) -> Option<(Epoch, LedgerIndex)> {
        let epoch = declared.map_or(shown, |(declared, _)| declared.max(shown));
        if epoch == Epoch::FIRST {
            return None;
        }
        let before = declared.filter(|(declared, _)| *declared == epoch).map_or(size, |(_, leaf)| leaf);
        Some((epoch, before))
    }

    fn covers(&self, peer: &AgencyId, leaf: &Leaf, entry: &Entry) -> bool {
        let wrote_it = entry.author == *peer && entry.place.epoch < self.epoch;
        wrote_it || (leaf.from.as_ref() == Some(peer) && leaf.index < self.before)
    }
}

/// The next frame for `peer`: the items from `from` on, up to `end`, as many as it has room for.
///
/// # Errors
/// When the ledger cannot be read.
pub fn prepare<L: LedgerView>(
    ledger: &L,
    peer: &AgencyId,
    from: Cursor,
    end: Cursor,
    give_back: Option<&GiveBack>,
    room: FrameRoom,
) -> Result<Prepared, L::Error> {
    let mut walk =
        Walk { ledger, peer, give_back, frame: Frame::new(room), cursor: from, owed: 0, accesses: BTreeMap::new() };
    if from < end && !walk.walk_cached(end)? {
        walk.read(end)?;
    }
    Ok(walk.frame.finish(walk.cursor))
}

/// The walk through the ledger that fills one frame. Each `add..` method returns `false` if the frame was full before all was added.
struct Walk<'a, L> {
    ledger: &'a L,
    peer: &'a AgencyId,
    give_back: Option<&'a GiveBack>,
    frame: Frame,
    cursor: Cursor,
    /// Owed items before the cursor's leaf that this read has passed.
    owed: u32,
    /// The peer's access to the complaints that it is given back.
    accesses: BTreeMap<ComplaintId, Access>,
}

impl<L: LedgerView> Walk<'_, L> {
    /// Walks over cached leaves. `false` if the next leaf is not cached.
    fn walk_cached(&mut self, end: Cursor) -> Result<bool, L::Error> {
        // The cache does not know the authors of others' leaves, so giving back reads every leaf.
        if self.give_back.is_some() {
            return Ok(false);
        }
        let leaves = self.ledger.cached_leaves(self.cursor.index, end.index);
        for leaf in &leaves {
            if let CachedLeaf::Own(leaf) = leaf
                && !self.add_own(leaf)?
            {
                break;
            }
            self.passed(self.cursor.index);
        }
        Ok(!leaves.is_empty())
    }

    /// Walks over leaves and routing records that are read from the ledger.
    fn read(&mut self, end: Cursor) -> Result<(), L::Error> {
        let last = end.index.min(LedgerIndex(self.cursor.index.0.saturating_add(LEAVES_A_READ)));
        let ledger = self.ledger;
        for step in ledger.steps_from(self.cursor.index)? {
            let added = match step? {
                Step::Routing { .. } if self.cursor >= end => false,
                Step::Routing { leaf, routes, is_again } => self.add_routed(leaf, &routes, is_again)?,
                Step::Leaf(leaf) if leaf.index >= last => false,
                Step::Leaf(leaf) => {
                    let added = self.add_leaf(&leaf)?;
                    if added {
                        self.passed(leaf.index);
                    }
                    added
                }
            };
            if !added {
                break;
            }
        }
        Ok(())
    }

    /// Moves the cursor past a leaf. The leaf and the items owed before it are in the frame, or not for this link.
    fn passed(&mut self, index: LedgerIndex) {
        self.cursor = Cursor { epoch: self.cursor.epoch, index: index.next(), part: 0 };
        self.owed = 0;
    }

    /// Counts one more owed item. Whether it was sent in an earlier frame.
    fn was_sent(&mut self) -> bool {
        self.owed += 1;
        self.owed <= self.cursor.part
    }

    /// Adds the leaf that a routing record names, if it goes over this link.
    fn add_routed(&mut self, leaf: LedgerIndex, routes: &[Route], is_again: bool) -> Result<bool, L::Error> {
        if self.was_sent() {
            return Ok(true);
        }
        if let Some(route) = routes.iter().find(|route| route.to == *self.peer)
            && !self.add_old(leaf, route.access, is_again)?
        {
            return Ok(false);
        }
        self.cursor.part += 1;
        Ok(true)
    }

    /// Adds a leaf and the history that is owed before it, if it goes over this link.
    fn add_leaf(&mut self, leaf: &Leaf) -> Result<bool, L::Error> {
        if let Some(route) = leaf.routes.iter().find(|route| route.to == *self.peer) {
            let entry = self.ledger.entry(leaf)?;
            let has_history = !route.history || {
                let earlier = self.earlier(leaf.index, &entry)?;
                self.add_history(&earlier, route.access)?
            };
            return Ok(has_history && self.add(leaf, &entry, route.access)?);
        }
        if let Some(give_back) = self.give_back.filter(|_| leaf.from.is_some()) {
            let entry = self.ledger.entry(leaf)?;
            if give_back.covers(self.peer, leaf, &entry) {
                let access = self.access_of_source(give_back, &entry)?;
                return self.add(leaf, &entry, access);
            }
        }
        Ok(true)
    }

    /// Like [`Self::add_leaf`], for a cached leaf.
    fn add_own(&mut self, leaf: &OwnLeaf) -> Result<bool, L::Error> {
        let Some(route) = leaf.routes.iter().find(|route| route.to == *self.peer) else { return Ok(true) };
        let has_history = !route.history || self.add_history(&leaf.earlier, route.access)?;
        Ok(has_history
            && self.frame.add(in_order(&leaf.entry, self.cursor.index), self.item_of_own(leaf, route.access)))
    }

    /// The leaves of an entry's complaint that lie before its leaf, in order.
    fn earlier(&self, index: LedgerIndex, entry: &Entry) -> Result<Vec<LedgerIndex>, L::Error> {
        let Some(complaint) = &entry.complaint else { return Ok(Vec::new()) };
        let mut earlier = self.ledger.leaves_of(complaint)?;
        earlier.retain(|leaf| *leaf < index);
        earlier.sort_unstable();
        Ok(earlier)
    }

    /// Adds the earlier leaves of a complaint.
    fn add_history(&mut self, earlier: &[LedgerIndex], access: Access) -> Result<bool, L::Error> {
        for &index in earlier {
            // A leaf that came from the peer is counted too, although it is not sent. So parts mean the same in every read.
            if self.was_sent() {
                continue;
            }
            if !self.add_old(index, access, false)? {
                return Ok(false);
            }
            self.cursor.part += 1;
        }
        Ok(true)
    }

    /// The peer's access to an entry that came from it. Of its own entries it had all contents.
    fn access_of_source(&mut self, give_back: &GiveBack, entry: &Entry) -> Result<Access, L::Error> {
        let Some(complaint) = entry.complaint.filter(|_| entry.author != *self.peer) else {
            return Ok(Access::Confidential);
        };
        if let Some(access) = self.accesses.get(&complaint) {
            return Ok(*access);
        }
        let participants = self.ledger.participants(&complaint, &give_back.charters)?;
        let readers =
            Readers { participants: &participants, disclosed_to: &BTreeSet::new(), formerly_offered: &BTreeSet::new() };
        let charter = give_back.charters.newest();
        let routes = routes(&give_back.own, &give_back.adjacent, readers, charter, Reach::Relayed);
        let access = routes.links.get(self.peer).copied().unwrap_or(Access::Entries);
        self.accesses.insert(complaint, access);
        Ok(access)
    }

    fn add(&mut self, leaf: &Leaf, entry: &Entry, access: Access) -> Result<bool, L::Error> {
        let item = self.item(leaf, entry, access)?;
        Ok(self.frame.add(in_order(entry, leaf.index), item))
    }

    /// Adds an earlier leaf. A leaf that came from the peer goes back only with a content, because the content may have come from another
    /// peer; or if it goes to the peer again that did not take it.
    fn add_old(&mut self, index: LedgerIndex, access: Access, is_again: bool) -> Result<bool, L::Error> {
        if let Some(leaf) = self.ledger.cached_leaf(index) {
            return Ok(self.frame.add_or_complete(owed(&leaf.entry, index, is_again), self.item_of_own(&leaf, access)));
        }
        let leaf = self.ledger.leaf(index)?;
        let entry = self.ledger.entry(&leaf)?;
        let item = self.item(&leaf, &entry, access)?;
        let is_known = !is_again && leaf.from.as_ref() == Some(self.peer) && item.content.is_empty();
        Ok(is_known || self.frame.add_or_complete(owed(&entry, index, is_again), item))
    }

    fn item(&self, leaf: &Leaf, entry: &Entry, access: Access) -> Result<wire::Item, L::Error> {
        let mut content: Vec<wire::Content> = Vec::new();
        if entry.commitments.iter().any(|commitment| access.allows_of(entry, commitment, self.peer)) {
            for held in self.ledger.contents(leaf.index)? {
                let is_twice = content.iter().any(|other| other.commitment == held.commitment);
                if !is_twice && self.may_have(entry, access, &held) {
                    content.push(held.to_wire());
                }
            }
        }
        Ok(wire::Item { signed_entry: entry.signed(), content, relays: leaf.relays })
    }

    fn item_of_own(&self, leaf: &OwnLeaf, access: Access) -> wire::Item {
        let OwnLeaf { entry, contents, .. } = leaf;
        let may_go = contents.iter().filter(|content| self.may_have(entry, access, content));
        wire::Item { signed_entry: entry.signed(), content: may_go.map(Content::to_wire).collect(), relays: 0 }
    }

    fn may_have(&self, entry: &Entry, access: Access, content: &Content) -> bool {
        let commitment = entry.commitments.get(content.commitment as usize);
        commitment.is_some_and(|commitment| access.allows_of(entry, commitment, self.peer))
    }
}

fn in_order(entry: &Entry, leaf: LedgerIndex) -> SentEntry {
    SentEntry { id: entry.id, leaf, complaint: entry.complaint, is_again: false }
}

fn owed(entry: &Entry, leaf: LedgerIndex, is_again: bool) -> SentEntry {
    SentEntry { is_again, ..in_order(entry, leaf) }
}

#[cfg(test)]
mod tests;
