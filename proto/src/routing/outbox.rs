//! What goes over a link: the ledger itself, read on from the link's cursor. What goes where was decided when each leaf was written.
//!
//! Must not know how a ledger is kept: it is read through [`LedgerView`].
//!
//! Invariants:
//! - items go in ledger order, and what is owed before a leaf (routing records, then its complaint's history) goes before it;
//! - that is counted in parts, in an order that never changes, so that a link that was cut goes on where it was;
//! - content goes only as far as the route's access allows, judged by the class that the entry committed to;
//! - a frame stays within its limits, whatever the ledger holds;
//! - what a view recalls goes as it would go if it were read.

mod frame;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::ids::{AgencyId, ComplaintId, Epoch, LedgerIndex};
use crate::charter::Charters;
use crate::entry::Entry;
use crate::entry::content::Content;
use crate::routing::cursor::Cursor;
use crate::routing::route::{Access, Reach, Readers, Route, routes};
use crate::wire;

use frame::Frame;
pub use frame::{Batch, FrameRoom, Prepared};
pub use view::{Leaf, LedgerView, OwnLeaf, Recalled, Step};

/// Leaves looked at in one read, so that a link hears of its cursor now and then.
const LEAVES_A_READ: u64 = 16 * 1024;

/// A peer's ledger has begun a new epoch: what this node got from it before is sent to it too, with everything else.
#[derive(Clone, Debug)]
pub struct GiveBack {
    /// The epoch that it has begun: its own entries of earlier ones are given back.
    pub epoch: Epoch,
    /// What others wrote and it passed on is given back up to this leaf of ours.
    pub before: LedgerIndex,
    /// This agency.
    pub own: AgencyId,
    /// The adjacent peers.
    pub adjacent: BTreeSet<AgencyId>,
    /// By which its access is judged.
    pub charters: Arc<Charters>,
}

impl GiveBack {
    /// The epoch that a peer has begun, and the leaf of ours before which it is given back what came from it. `None`: it is in its first.
    ///
    /// `shown`: the epoch of its newest checkpoint; `declared`: its newest declaration of an epoch, and the leaf where it lies here; `size`:
    /// our leaves. Who has not declared its epoch yet is given back everything.
    pub fn owed(
        shown: Option<Epoch>,
        declared: Option<(Epoch, LedgerIndex)>,
        size: LedgerIndex,
    ) -> Option<(Epoch, LedgerIndex)> {
        let epoch = shown.max(declared.map(|(epoch, _)| epoch)).filter(|epoch| *epoch > Epoch::FIRST)?;
        let before = declared.filter(|(declared, _)| *declared == epoch).map_or(size, |(_, leaf)| leaf);
        Some((epoch, before))
    }

    fn covers(&self, peer: &AgencyId, leaf: &Leaf, entry: &Entry) -> bool {
        let wrote_it = entry.author == *peer && entry.place.epoch < self.epoch;
        wrote_it || (leaf.from.as_ref() == Some(peer) && leaf.index < self.before)
    }
}

/// The next items for `peer` from `from` on, up to `end`, as many as a frame has room for.
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
    if from < end && !walk.recall(end)? {
        walk.read(end)?;
    }
    Ok(walk.frame.finish(walk.cursor))
}

/// The way through the ledger for one frame. What adds to the frame says `false` when the frame is full before that.
struct Walk<'a, L> {
    ledger: &'a L,
    peer: &'a AgencyId,
    give_back: Option<&'a GiveBack>,
    frame: Frame,
    cursor: Cursor,
    /// Parts before the cursor's leaf that were passed in this read.
    owed: u32,
    /// What the peer may have of the complaints that it is given back.
    accesses: BTreeMap<ComplaintId, Access>,
}

impl<L: LedgerView> Walk<'_, L> {
    /// Goes on over leaves that need not be read; `false` if the next one must be.
    fn recall(&mut self, end: Cursor) -> Result<bool, L::Error> {
        // What is given back came from elsewhere: who wrote it must be read.
        if self.give_back.is_some() {
            return Ok(false);
        }
        let leaves = self.ledger.recalled(self.cursor.index, end.index);
        for leaf in &leaves {
            if let Recalled::Own(leaf) = leaf
                && !self.add_own(leaf)?
            {
                break;
            }
            self.passed(self.cursor.index);
        }
        Ok(!leaves.is_empty())
    }

    /// Goes on through the ledger.
    fn read(&mut self, end: Cursor) -> Result<(), L::Error> {
        let last = end.index.min(LedgerIndex(self.cursor.index.0.saturating_add(LEAVES_A_READ)));
        let ledger = self.ledger;
        for step in ledger.steps_from(self.cursor.index)? {
            let added = match step? {
                Step::Routing { .. } if self.cursor >= end => false,
                Step::Routing { leaf, routes } => self.add_routed(leaf, &routes)?,
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

    /// A leaf and all that is owed before it is in the frame, or not for this link.
    fn passed(&mut self, index: LedgerIndex) {
        self.cursor = Cursor { epoch: self.cursor.epoch, index: index.next(), part: 0 };
        self.owed = 0;
    }

    /// Whether the next part was sent in an earlier frame.
    fn was_sent(&mut self) -> bool {
        self.owed += 1;
        self.owed <= self.cursor.part
    }

    /// Adds the leaf that a routing record names, if it goes over this link.
    fn add_routed(&mut self, leaf: LedgerIndex, routes: &[Route]) -> Result<bool, L::Error> {
        if self.was_sent() {
            return Ok(true);
        }
        if let Some(route) = routes.iter().find(|route| route.to == *self.peer)
            && !self.add_old(leaf, route.access)?
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

    /// As [`Self::add_leaf`], of one that need not be read.
    fn add_own(&mut self, leaf: &OwnLeaf) -> Result<bool, L::Error> {
        let Some(route) = leaf.routes.iter().find(|route| route.to == *self.peer) else { return Ok(true) };
        let has_history = !route.history || self.add_history(&leaf.earlier, route.access)?;
        Ok(has_history && self.frame.add(leaf.entry.id, self.item_of_own(leaf, route.access)))
    }

    /// The leaves of an entry's complaint that lie before its leaf, in order.
    fn earlier(&self, index: LedgerIndex, entry: &Entry) -> Result<Vec<LedgerIndex>, L::Error> {
        let Some(complaint) = &entry.complaint else { return Ok(Vec::new()) };
        let mut earlier = self.ledger.leaves_of(complaint)?;
        earlier.retain(|leaf| *leaf < index);
        earlier.sort_unstable();
        Ok(earlier)
    }

    /// Adds what the peer lacks of a complaint's earlier leaves.
    fn add_history(&mut self, earlier: &[LedgerIndex], access: Access) -> Result<bool, L::Error> {
        for &index in earlier {
            // Whatever the peer itself gave us is counted as a part, so that parts mean the same in every read.
            if self.was_sent() {
                continue;
            }
            if !self.add_old(index, access)? {
                return Ok(false);
            }
            self.cursor.part += 1;
        }
        Ok(true)
    }

    /// How much of the content the peer may have of what came from it. What it wrote itself it had whole.
    fn access_of_source(&mut self, give_back: &GiveBack, entry: &Entry) -> Result<Access, L::Error> {
        let Some(complaint) = entry.complaint.filter(|_| entry.author != *self.peer) else {
            return Ok(Access::Confidential);
        };
        if let Some(access) = self.accesses.get(&complaint) {
            return Ok(*access);
        }
        let participants = self.ledger.participants(&complaint, &give_back.charters)?;
        let readers = Readers { participants: &participants, disclosed_to: &BTreeSet::new() };
        let charter = give_back.charters.newest();
        let routes = routes(&give_back.own, &give_back.adjacent, readers, charter, Reach::Relayed);
        let access = routes.links.get(self.peer).copied().unwrap_or(Access::Entries);
        self.accesses.insert(complaint, access);
        Ok(access)
    }

    fn add(&mut self, leaf: &Leaf, entry: &Entry, access: Access) -> Result<bool, L::Error> {
        let item = self.item(leaf, entry, access)?;
        Ok(self.frame.add(entry.id, item))
    }

    /// Adds a leaf from before. What the peer gave us is sent back only with a content, which may have come from another.
    fn add_old(&mut self, index: LedgerIndex, access: Access) -> Result<bool, L::Error> {
        if let Some(leaf) = self.ledger.recalled_leaf(index) {
            return Ok(self.frame.add_or_complete(leaf.entry.id, self.item_of_own(&leaf, access)));
        }
        let leaf = self.ledger.leaf(index)?;
        let entry = self.ledger.entry(&leaf)?;
        let item = self.item(&leaf, &entry, access)?;
        let is_known = leaf.from.as_ref() == Some(self.peer) && item.content.is_empty();
        Ok(is_known || self.frame.add_or_complete(entry.id, item))
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
        Ok(wire::Item { signed_entry: leaf.signed.clone(), content, relays: leaf.relays })
    }

    fn item_of_own(&self, leaf: &OwnLeaf, access: Access) -> wire::Item {
        let OwnLeaf { entry, contents, .. } = leaf;
        let may_go = contents.iter().filter(|content| self.may_have(entry, access, content));
        wire::Item { signed_entry: entry.signed.clone(), content: may_go.map(Content::to_wire).collect(), relays: 0 }
    }

    fn may_have(&self, entry: &Entry, access: Access, content: &Content) -> bool {
        let commitment = entry.commitments.get(content.commitment as usize);
        commitment.is_some_and(|commitment| access.allows_of(entry, commitment, self.peer))
    }
}

#[cfg(test)]
mod tests;
