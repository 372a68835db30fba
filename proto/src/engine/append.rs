//! Appends an entry, own or received: the fold, the routes, the contents, the leaf.
//!
//! Must not know why an entry is admitted: the callers have decided that.
//!
//! Invariant: every entry takes this path into the ledger.

use crate::base::ids::{AgencyId, Epoch};
use crate::entry::content::Content;
use crate::entry::{Body, Entry};
use crate::routing::route::{Origin, Route, routes_of_node_entry};

use super::record::{External, LeafHeader, Record};
use super::{Batch, Engine, Warning};

/// The origin of an entry, with the facts about it that are not in the engine's state.
pub(super) struct Source<'a> {
    /// The peer that delivered the entry; `None` if this node wrote it.
    pub(super) origin: Option<Origin<'a>>,
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
        let Source { origin, external, declared } = source;
        let index = self.next_leaf;
        let path_changed = self
            .charters
            .version(entry.charter_version)
            .is_some_and(|charter| self.cases.fold(&entry, charter, self.open));
        if path_changed {
            self.warn_of_custody_change(&entry, batch);
        }
        self.warn_of_back_and_forth(&entry, batch);
        if origin.is_some_and(|origin| origin.is_spent()) {
            batch.warnings.push(Warning::RelayLimit(entry.id));
        }
        let (routes, unreachable) = self.routes_of(&entry, origin, declared);
        self.pass_on_to_raised(&entry, origin, batch);
        batch.warnings.extend(unreachable.iter().cloned().map(Warning::NoRoute));
        for content in contents {
            self.record(Record::Content { leaf: index, entry: entry.id, content }, batch);
        }
        let header = LeafHeader {
            at: now,
            from: origin.map(|origin| origin.peer.clone()),
            relays: origin.map_or(0, |origin| origin.relays),
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
        origin: Option<Origin<'_>>,
        declared: Option<Epoch>,
    ) -> (Vec<Route>, Vec<AgencyId>) {
        let Some(complaint) = &entry.complaint else {
            return (routes_of_node_entry(entry, origin, declared, &self.config.adjacent), Vec::new());
        };
        let case = self.cases.get(complaint);
        case.map(|case| case.routes_of(entry, origin, self.standpoint())).unwrap_or_default()
    }

    /// Sends the complaint's leaves over a link whose access rises because its peer wrote this entry or passed it on.
    fn pass_on_to_raised(&mut self, entry: &Entry, origin: Option<Origin<'_>>, batch: &mut Batch) {
        let (Some(origin), Some(complaint)) = (origin, &entry.complaint) else { return };
        let Some(case) = self.cases.get(complaint) else { return };
        let (raised, leaves) = case.routes_of_raised(entry, origin, self.standpoint());
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
        let (author, holder) = (entry.author.clone(), case.complaint.custody().holder.clone());
        batch.warnings.push(Warning::CustodyChanged { complaint, author, holder });
    }

    /// Warns the holder of a complaint that goes back and forth, and the holder's supervisors.
    fn warn_of_back_and_forth(&self, entry: &Entry, batch: &mut Batch) {
        let (Body::Custody { act, .. }, Some(complaint)) = (&entry.body, entry.complaint) else { return };
        if act.offers_to().is_none() {
            return;
        }
        let (own, charter) = (&self.config.own, self.charters.newest());
        let Some(case) = self.cases.get(&complaint) else { return };
        let (offers, holder) = (case.complaint.offers(), &case.complaint.custody().holder);
        let is_concerned = holder == own || charter.supervises(own, holder);
        if offers < charter.offers_before_alarm as usize || !is_concerned {
            return;
        }
        let supervisors = charter.supervisors(holder).cloned().collect();
        batch.warnings.push(Warning::BackAndForth { complaint, offers, holder: holder.clone(), supervisors });
    }
}
