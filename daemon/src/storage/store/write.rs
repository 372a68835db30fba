//! Writes the store: collects changes, then writes them tree by tree, the watermark last.
//!
//! A crash between two writes needs no transaction. sled's log keeps the order of the writes, applying the same changes twice gives the same
//! store, and the next start applies the records after the watermark again. Most writes are therefore no sled batch, because a batch seals the
//! log buffer twice, and each seal wakes all of sled's threads.

use std::collections::{BTreeMap, BTreeSet};

use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::cursor::Cursor;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, Epoch, LedgerIndex};
use sinergi_proto::engine::{External, JudgedHeader, PeerCursor, ReceiptHeader};
use sinergi_proto::entry::Place;

use super::tree::encode;
use super::unsettled::UnsettledChange;
use super::{CheckpointSource, Counts, ForeignEntry, Placed, RefusedRow, Row, Store, StoreError, Summary, keys};
use crate::storage::ledger::Position;

/// A changed complaint: its old summary and its new row.
struct Complaint {
    id: ComplaintId,
    old: Option<Summary>,
    row: Row,
}

/// The changes that one group makes in the store.
#[derive(Default)]
pub struct Changes {
    timeline: Vec<(ComplaintId, Placed)>,
    complaints: Vec<Complaint>,
    external: Vec<(Vec<u8>, ComplaintId)>,
    cursors: BTreeMap<(PeerCursor, AgencyId), Cursor>,
    unreachable: BTreeMap<AgencyId, LedgerIndex>,
    backfilled: BTreeSet<AgencyId>,
    checkpoint_records: BTreeMap<(u8, AgencyId), Position>,
    newest: BTreeMap<(u8, AgencyId), ForeignEntry>,
    receipts: Vec<Vec<u8>>,
    receipts_of_leaves: Vec<Vec<u8>>,
    refused: Vec<([u8; 12], RefusedRow)>,
    unsettled: Vec<UnsettledChange>,
    deferred: BTreeMap<[u8; 32], Option<Position>>,
    /// Positions of items that are no longer deferred.
    spent: Vec<Position>,
    own_clock: Option<HybridClock>,
    ceiling: Option<u64>,
    judged: Option<JudgedHeader>,
}

impl Changes {
    /// Adds an entry that belongs to no complaint.
    pub fn node_entry(&mut self, placed: Placed) {
        self.timeline.push((keys::NO_COMPLAINT, placed));
    }

    /// Sets the row of a complaint; `old` is the summary that the store has. Call it once for each complaint.
    pub fn complaint(&mut self, id: ComplaintId, old: Option<Summary>, row: Row) {
        self.complaints.push(Complaint { id, old, row });
    }

    /// Moves entries that no longer fit into the complaint's row to the timeline.
    pub fn no_longer_recent(&mut self, complaint: ComplaintId, placed: impl IntoIterator<Item = Placed>) {
        self.timeline.extend(placed.into_iter().map(|placed| (complaint, placed)));
    }

    /// Notes that a complaint was imported from a record of another system.
    pub fn imported(&mut self, external: &External, complaint: &ComplaintId) {
        self.external.push((keys::external(external), *complaint));
    }

    /// Notes a record with a cursor of a peer.
    pub fn cursor(&mut self, which: PeerCursor, peer: &AgencyId, cursor: Cursor) {
        let newest = self.cursors.entry((which, peer.clone())).or_insert(cursor);
        *newest = which.after(Some(*newest), cursor);
    }

    /// Notes that no route led to an agency for the entry at this leaf.
    pub fn unreachable(&mut self, agency: &AgencyId, leaf: LedgerIndex) {
        self.unreachable.insert(agency.clone(), leaf);
    }

    /// Notes that a new peer has got its backfill: the entries from before it was configured.
    pub fn backfilled(&mut self, peer: &AgencyId) {
        self.backfilled.insert(peer.clone());
    }

    /// Notes that the record at `position` holds the newest checkpoint of a peer.
    pub fn checkpoint_record(&mut self, source: CheckpointSource, peer: &AgencyId, position: Position) {
        self.checkpoint_records.insert((source.tag(), peer.clone()), position);
    }

    /// Notes that the record at `position` holds a peer's receipt up to this cursor.
    pub fn receipt(&mut self, peer: &AgencyId, cursor: Cursor, position: Position) {
        self.receipts.push(keys::receipt(peer, cursor, position));
    }

    /// Notes that the record at `position` holds a peer's receipt for this leaf, which was sent again.
    pub fn receipt_of_leaf(&mut self, peer: &AgencyId, leaf: LedgerIndex, position: Position) {
        self.receipts_of_leaves.push(keys::receipt_of_leaf(peer, leaf, position));
    }

    /// Notes that the entry with this place in another agency's ledger is at this leaf.
    pub fn authored(&mut self, author: &AgencyId, place: Place, leaf: LedgerIndex) {
        self.newer(b'n', author, ForeignEntry { epoch: place.epoch, index: place.index, leaf });
    }

    /// Notes that another agency declared this epoch with the entry at this leaf.
    pub fn reset(&mut self, author: &AgencyId, epoch: Epoch, leaf: LedgerIndex) {
        self.newer(b'e', author, ForeignEntry { epoch, index: LedgerIndex::default(), leaf });
    }

    fn newer(&mut self, tag: u8, author: &AgencyId, found: ForeignEntry) {
        match self.newest.get_mut(&(tag, author.clone())) {
            Some(newest) if !found.is_after(newest) => {}
            Some(newest) => *newest = found,
            None => drop(self.newest.insert((tag, author.clone()), found)),
        }
    }

    /// Adds a refused item; `position` and `number` make its key.
    pub fn refused(&mut self, position: Position, number: u32, row: RefusedRow) {
        self.refused.push((keys::refused(position, number), row));
    }

    /// Notes the answer of a peer. Its record lies at `position`.
    pub fn answered(&mut self, receipt: &ReceiptHeader, position: Position) {
        self.unsettled.extend(UnsettledChange::of_receipt(receipt, position));
    }

    /// Notes that an unsettled item is on its way to its peer again, for the time with this number.
    pub fn sent_again(&mut self, peer: &AgencyId, leaf: LedgerIndex, number: u32) {
        self.unsettled.push(UnsettledChange::SentAgain(peer.clone(), leaf, number));
    }

    /// Adds a deferred item.
    pub fn deferred(&mut self, item: [u8; 32], position: Position) {
        self.deferred.insert(item, Some(position));
    }

    /// Removes an item that is no longer deferred.
    pub fn settled(&mut self, item: [u8; 32]) {
        if let Some(Some(position)) = self.deferred.insert(item, None) {
            self.spent.push(position);
        }
    }

    /// Notes the clock of an own entry.
    pub fn own_clock(&mut self, clock: HybridClock) {
        self.own_clock = self.own_clock.max(Some(clock));
    }

    /// The latest time that may be cosigned from now on, in seconds since 1970.
    pub fn ceiling(&mut self, seconds: u64) {
        self.ceiling = self.ceiling.max(Some(seconds));
    }

    /// How far the complaints were judged again under a newer charter.
    pub fn judged(&mut self, header: JudgedHeader) {
        self.judged = Some(header);
    }
}

impl Store {
    /// Writes the changes, then the watermark: the position up to which the ledger is applied. Updates `counts`.
    ///
    /// # Errors
    /// sled fails. The store then lacks a part of the changes. The next start applies the records after the watermark again.
    pub fn write(
        &self,
        mut changes: Changes,
        watermark: Position,
        own: &AgencyId,
        counts: &mut Counts,
    ) -> Result<(), StoreError> {
        for (complaint, placed) in &changes.timeline {
            let key = keys::timeline(complaint, placed.clock, &placed.id_prefix);
            self.timeline.insert(key, &placed.leaf.0.to_be_bytes())?;
        }
        for (key, complaint) in &changes.external {
            self.external.insert(key, &complaint.0)?;
        }
        self.write_complaints(std::mem::take(&mut changes.complaints), own, counts)?;
        self.write_peers(&changes)?;
        for (key, row) in &changes.refused {
            if self.refused.insert(key, encode(row))?.is_none() {
                counts.refused_by_us += u64::from(row.by_us);
                counts.refused_by_peers += u64::from(!row.by_us);
            }
        }
        self.write_unsettled(&changes.unsettled, counts)?;
        for (item, position) in &changes.deferred {
            let old = match position {
                Some(position) => self.deferred.insert(item, &position.to_bits().to_be_bytes())?,
                None => {
                    let old = self.deferred.remove(item)?;
                    if let Some(position) = &old {
                        self.spent.insert(position, &[])?;
                    }
                    old
                }
            };
            let (was, is) = (u64::from(old.is_some()), u64::from(position.is_some()));
            counts.deferred = (counts.deferred + is).saturating_sub(was);
        }
        for position in &changes.spent {
            self.spent.insert(position.to_bits().to_be_bytes(), &[])?;
        }
        if let Some(clock) = changes.own_clock.filter(|clock| self.own_clock().is_ok_and(|old| *clock > old)) {
            self.meta.insert("clock", &clock.to_bits().to_be_bytes())?;
        }
        if let Some(ceiling) = changes.ceiling {
            self.meta.insert("ceiling", &ceiling.to_be_bytes())?;
        }
        if let Some(JudgedHeader { version, unfinished }) = changes.judged {
            let last = unfinished.map(|complaint| complaint.0.to_vec()).unwrap_or_default();
            self.meta.insert("judged", [version.to_be_bytes().to_vec(), last].concat().as_slice())?;
        }
        self.meta.insert("watermark", &watermark.to_bits().to_be_bytes())?;
        Ok(())
    }

    fn write_complaints(
        &self,
        complaints: Vec<Complaint>,
        own: &AgencyId,
        counts: &mut Counts,
    ) -> Result<(), StoreError> {
        let (mut queue, mut rows) = (Vec::with_capacity(complaints.len()), Vec::with_capacity(complaints.len()));
        for Complaint { id, old, row } in complaints {
            let summary = &row.summary;
            let queued = keys::queue(&summary.holder, summary.phase, summary.due(), &id);
            let was_queued = old.as_ref().map(|old| keys::queue(&old.holder, old.phase, old.due(), &id));
            if was_queued.as_ref() != Some(&queued) {
                queue.extend(was_queued.map(|was_queued| (was_queued, None)));
                queue.push((queued, Some(Vec::new())));
            }
            match (old.as_ref().is_some_and(|old| old.duties.any()), summary.duties.any()) {
                (false, true) => drop(self.duty.insert(id.0, &[])?),
                (true, false) => drop(self.duty.remove(id.0)?),
                _ => {}
            }
            if let Some(old) = &old {
                counts.add(old, own, -1);
            }
            counts.add(summary, own, 1);
            rows.push((id.0.to_vec(), Some(encode(&row))));
        }
        self.queue.write(queue)?;
        // The rows are written last. After a crash before this, the old row makes the next start do the other writes again.
        self.complaint.write(rows)
    }

    fn write_peers(&self, changes: &Changes) -> Result<(), StoreError> {
        for ((which, agency), cursor) in &changes.cursors {
            let old = self.cursor(*which, agency)?;
            let cursor = which.after(old, *cursor);
            if old != Some(cursor) {
                self.peer.insert(keys::peer(keys::cursor_tag(*which), agency), encode(&cursor))?;
            }
        }
        for ((tag, agency), position) in &changes.checkpoint_records {
            self.peer.insert(keys::peer(*tag, agency), &position.to_bits().to_be_bytes())?;
        }
        for key in &changes.receipts {
            self.receipt.insert(key, &[])?;
        }
        for key in &changes.receipts_of_leaves {
            self.receipt_of_leaf.insert(key, &[])?;
        }
        for ((tag, agency), found) in &changes.newest {
            if self.newest(*tag, agency)?.is_none_or(|old| found.is_after(&old)) {
                self.peer.insert(keys::peer(*tag, agency), encode(found))?;
            }
        }
        for agency in &changes.backfilled {
            self.peer.insert(keys::peer(b'i', agency), &[])?;
        }
        for (agency, leaf) in &changes.unreachable {
            self.peer.insert(keys::peer(b'u', agency), &leaf.0.to_be_bytes())?;
        }
        Ok(())
    }

    /// Keeps the figures for the next start. They hold as long as nothing more is applied.
    pub fn remember_counts(&self, counts: &Counts) -> Result<(), StoreError> {
        if let Some(watermark) = self.watermark()? {
            self.meta.insert("counts", encode(&(watermark.to_bits(), counts)))?;
        }
        Ok(())
    }

    /// The figures that were kept, if nothing was applied since.
    pub fn remembered_counts(&self) -> Result<Option<Counts>, StoreError> {
        let Some(value) = self.meta.get("counts")? else { return Ok(None) };
        let malformed = |_| StoreError::Malformed { tree: "meta" };
        let (watermark, counts): (u64, Counts) = postcard::from_bytes(&value).map_err(malformed)?;
        Ok((self.watermark()?.map(Position::to_bits) == Some(watermark)).then_some(counts))
    }

    /// The record of an item that no longer waits was overwritten.
    pub fn overwritten(&self, position: Position) -> Result<(), StoreError> {
        self.spent.remove(position.to_bits().to_be_bytes())?;
        Ok(())
    }

    /// Hands what is in memory to the disk, without waiting for it to be safe there: the ledger is.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.health.judged(|| self.db.flush())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(store: &Store, change: impl FnOnce(&mut Changes)) {
        let mut changes = Changes::default();
        change(&mut changes);
        let own = "kota-bandung".parse().expect("an id");
        let watermark = Position { segment: 1, offset: 64 };
        store.write(changes, watermark, &own, &mut Counts::default()).expect("the store is writable");
    }

    #[test]
    fn of_another_agency_s_entries_the_one_with_the_highest_place_is_remembered_whatever_the_order_of_arrival() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, _) = super::super::open(&folder.path().join("store"), 16 << 20).expect("a store");
        let author: AgencyId = "ksp".parse().expect("an id");
        let place = |epoch, index| Place { epoch: Epoch(epoch), index: LedgerIndex(index) };
        written(&store, |changes| {
            changes.authored(&author, place(1, 7), LedgerIndex(0));
            changes.authored(&author, place(1, 5), LedgerIndex(1));
        });
        let newest = || store.newest_of(&author).expect("readable").map(|n| (n.epoch.0, n.index.0, n.leaf.0));
        assert_eq!(newest(), Some((1, 7, 0)));
        written(&store, |changes| changes.authored(&author, place(1, 6), LedgerIndex(2)));
        assert_eq!(newest(), Some((1, 7, 0)));
        written(&store, |changes| changes.authored(&author, place(2, 0), LedgerIndex(3)));
        assert_eq!(newest(), Some((2, 0, 3)), "a later epoch is after every place of an earlier one");
        assert_eq!(store.newest_of(&"ombudsman".parse().expect("an id")).expect("readable"), None);
    }

    #[test]
    fn the_newest_record_with_a_peer_s_checkpoint_is_remembered_by_its_kind() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, _) = super::super::open(&folder.path().join("store"), 16 << 20).expect("a store");
        let peer: AgencyId = "ksp".parse().expect("an id");
        let at = |offset| Position { segment: 2, offset };
        written(&store, |changes| changes.checkpoint_record(CheckpointSource::Receipt, &peer, at(64)));
        written(&store, |changes| {
            changes.checkpoint_record(CheckpointSource::Receipt, &peer, at(128));
            changes.checkpoint_record(CheckpointSource::Shown, &peer, at(96));
        });
        assert_eq!(store.checkpoint_record(CheckpointSource::Receipt, &peer).expect("readable"), Some(at(128)));
        assert_eq!(store.checkpoint_record(CheckpointSource::Shown, &peer).expect("readable"), Some(at(96)));
    }

    #[test]
    fn the_receipts_after_a_leaf_come_in_the_order_of_what_they_acknowledge() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, _) = super::super::open(&folder.path().join("store"), 16 << 20).expect("a store");
        let [ksp, ksp_2]: [AgencyId; 2] = ["ksp", "ksp-2"].map(|id| id.parse().expect("an id"));
        let cursor = |epoch, index| Cursor { epoch: Epoch(epoch), index: LedgerIndex(index), part: 0 };
        let at = |offset| Position { segment: 2, offset };
        written(&store, |changes| {
            for (peer, cursor, offset) in [
                (&ksp, cursor(1, 300), 192),
                (&ksp, cursor(1, 5), 64),
                (&ksp, cursor(1, 7), 128),
                // The same frame again, after a break of the link.
                (&ksp, cursor(1, 7), 160),
                (&ksp, cursor(2, 1), 224),
                (&ksp_2, cursor(1, 6), 256),
            ] {
                changes.receipt(peer, cursor, at(offset));
            }
        });
        let after = |peer, epoch, leaf, most| {
            let found = store.receipts_after(peer, Epoch(epoch), LedgerIndex(leaf), most).expect("readable");
            found.into_iter().map(|position| position.offset).collect::<Vec<_>>()
        };
        assert_eq!(after(&ksp, 1, 4, 9), [64, 128, 160, 192, 224]);
        assert_eq!(after(&ksp, 1, 5, 2), [128, 160], "cursor 5 is before leaf 5");
        assert_eq!(after(&ksp, 2, 0, 9), [224]);
        assert_eq!(after(&ksp, 2, 1, 9), [0; 0]);
        assert_eq!(after(&ksp_2, 1, 0, 9), [256]);
    }
}
