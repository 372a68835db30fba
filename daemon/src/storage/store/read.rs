//! Reads the store.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::cursor::Cursor;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, ComplaintName, EntryId, Epoch, LedgerIndex};
use sinergi_proto::base::limits;
use sinergi_proto::complaint::SetDigest;
use sinergi_proto::engine::{External, JudgedHeader, PeerCursor};

use super::{Placed, RefusedRow, Row, Store, StoreError, Summary, keys};
use crate::storage::ledger::Position;

/// The kind of record that holds an agency's newest checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointSource {
    /// Its newest receipt.
    Receipt,
    /// A checkpoint that the agency itself or another peer showed.
    Shown,
}

impl CheckpointSource {
    pub(super) fn tag(self) -> u8 {
        match self {
            Self::Receipt => b'k',
            Self::Shown => b's',
        }
    }
}

/// An entry of another agency, by the place that it takes in that agency's ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignEntry {
    /// Epoch of the author's ledger.
    pub epoch: Epoch,
    /// Its leaf in the author's ledger.
    pub index: LedgerIndex,
    /// Its leaf in this node's ledger.
    pub leaf: LedgerIndex,
}

impl ForeignEntry {
    /// Whether its place is the higher one.
    pub fn is_after(&self, other: &Self) -> bool {
        (self.epoch, self.index) > (other.epoch, other.index)
    }
}

impl Store {
    /// The entries of a complaint with their leaves, in the order of (clock, id prefix).
    pub fn timeline(&self, complaint: &ComplaintId) -> Result<Vec<Placed>, StoreError> {
        let Some(Row { summary, recent: mut timeline }) = self.row(complaint)? else { return Ok(Vec::new()) };
        if (summary.entries as usize) > timeline.len() {
            for item in self.timeline.scan_prefix(complaint.0) {
                let (key, value) = item?;
                let malformed = StoreError::Malformed { tree: "timeline" };
                let (clock, id_prefix) = keys::timeline_parts(&key).ok_or(malformed)?;
                timeline.push(Placed { clock, id_prefix, leaf: index_of(&value)? });
            }
        }
        timeline.sort_unstable();
        // A crash between two trees may have left an entry in both.
        timeline.dedup();
        Ok(timeline)
    }

    /// The leaf of an entry of a complaint with this clock and id prefix. Costs two reads, however many entries the complaint has.
    pub fn leaf_of(
        &self,
        complaint: &ComplaintId,
        clock: HybridClock,
        entry: &EntryId,
    ) -> Result<Option<LedgerIndex>, StoreError> {
        let sought = Placed::new(clock, entry, LedgerIndex::default());
        let Some(row) = self.row(complaint)? else { return Ok(None) };
        let is_sought = |placed: &&Placed| (placed.clock, placed.id_prefix) == (sought.clock, sought.id_prefix);
        if let Some(placed) = row.recent.iter().find(is_sought) {
            return Ok(Some(placed.leaf));
        }
        let key = keys::timeline(complaint, sought.clock, &sought.id_prefix);
        self.timeline.get(key)?.map(|value| index_of(&value)).transpose()
    }

    /// The row of a complaint.
    pub fn row(&self, complaint: &ComplaintId) -> Result<Option<Row>, StoreError> {
        let parse =
            |value: sled::IVec| postcard::from_bytes(&value).map_err(|_| StoreError::Malformed { tree: "complaint" });
        self.complaint.get(complaint.0)?.map(parse).transpose()
    }

    /// A digest of the complaint's entries: equal on all nodes that have the same ones.
    pub fn digest(&self, complaint: &ComplaintId) -> Result<[u8; 32], StoreError> {
        let mut digest = SetDigest::default();
        self.timeline(complaint)?.iter().for_each(|placed| digest.add(placed.clock, &placed.id_prefix));
        Ok(digest.finish())
    }

    /// The leaf of an entry that belongs to no complaint.
    pub fn node_entry(&self, clock: HybridClock, entry: &EntryId) -> Result<Option<LedgerIndex>, StoreError> {
        let Placed { clock, id_prefix, .. } = Placed::new(clock, entry, LedgerIndex::default());
        let key = keys::timeline(&keys::NO_COMPLAINT, clock, &id_prefix);
        self.timeline.get(key)?.map(|value| index_of(&value)).transpose()
    }

    /// A complaint's summary.
    pub fn summary(&self, complaint: &ComplaintId) -> Result<Option<Summary>, StoreError> {
        self.complaint.get(complaint.0)?.map(|value| parse_summary(&value)).transpose()
    }

    /// The complaint that was lodged last, by its id.
    pub fn highest_complaint(&self) -> Result<Option<ComplaintId>, StoreError> {
        let malformed = || StoreError::Malformed { tree: "complaint" };
        self.complaint.last_key()?.map(|key| ComplaintId::from_slice(&key).ok_or_else(malformed)).transpose()
    }

    /// The complaints after one (`None`: from the first on) in the order of their ids, at most `most`.
    pub fn complaints_after(&self, after: Option<ComplaintId>, most: usize) -> Result<Vec<ComplaintId>, StoreError> {
        let malformed = || StoreError::Malformed { tree: "complaint" };
        // The smallest key after an id is the id with one more byte.
        let from = after.map_or_else(Vec::new, |after| [&after.0[..], &[0]].concat());
        let keys = self.complaint.keys_from(&from).take(most);
        keys.map(|key| ComplaintId::from_slice(&key?).ok_or_else(malformed)).collect()
    }

    /// All complaints, newest first.
    pub fn complaints(&self) -> impl Iterator<Item = Result<(ComplaintId, Summary), StoreError>> + use<> {
        self.complaint.newest_first().map(|item| {
            let (key, value) = item?;
            let id = ComplaintId::from_slice(&key).ok_or(StoreError::Malformed { tree: "complaint" })?;
            Ok((id, parse_summary(&value)?))
        })
    }

    /// The positions of items that are no longer deferred and may hold contents.
    pub fn spent(&self) -> Result<Vec<Position>, StoreError> {
        let malformed = || StoreError::Malformed { tree: "spent" };
        let position = |key: sled::IVec| {
            let bytes = <[u8; 8]>::try_from(&*key).map_err(|_| malformed())?;
            Position::from_bits(u64::from_be_bytes(bytes)).ok_or_else(malformed)
        };
        self.spent.iter().keys().map(|key| position(key?)).collect()
    }

    /// Whether a peer has got its backfill: the entries from before it was configured.
    pub fn is_backfilled(&self, peer: &AgencyId) -> Result<bool, StoreError> {
        self.peer.contains_key(keys::peer(b'i', peer))
    }

    /// The complaints in which this node has to act by itself.
    pub fn duties(&self) -> Result<BTreeSet<ComplaintId>, StoreError> {
        let malformed = || StoreError::Malformed { tree: "duty" };
        self.duty.iter().keys().map(|key| ComplaintId::from_slice(&key?).ok_or_else(malformed)).collect()
    }

    /// The complaints that an agency holds, newest first.
    pub fn held_by(&self, holder: &AgencyId) -> Result<Vec<(ComplaintId, Summary)>, StoreError> {
        let mut ids = Vec::new();
        let prefix = keys::queue_prefix(holder);
        for key in self.queue.keys_from(&prefix) {
            let key = key?;
            if !key.starts_with(&prefix) {
                break;
            }
            ids.push(keys::queue_complaint(&key).ok_or(StoreError::Malformed { tree: "queue" })?);
        }
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.dedup();
        let mut held = Vec::new();
        for id in ids {
            // A crash between two trees may have left a stale key: the summary decides.
            if let Some(summary) = self.summary(&id)?.filter(|summary| summary.holder == *holder) {
                held.push((id, summary));
            }
        }
        Ok(held)
    }

    /// Number of open offers whose answer was due before `now`, in milliseconds since 1970. It costs one lookup for each holder and phase, and reads
    /// only the offers that it counts.
    pub fn overdue(&self, now: u64) -> Result<u64, StoreError> {
        let malformed = || StoreError::Malformed { tree: "queue" };
        let mut count = 0;
        let mut next = self.queue.keys_from(&[]).next().transpose()?;
        while let Some(key) = next {
            let group = keys::queue_group(&key).ok_or_else(malformed)?;
            for key in self.queue.keys_in(group.to_vec()..keys::queue_due_at(group, now)) {
                key?;
                count += 1;
            }
            next = self.queue.keys_from(&keys::queue_end(group)).next().transpose()?;
        }
        Ok(count)
    }

    /// The complaints that the name matches, at most `most`.
    pub fn named(&self, name: &ComplaintName, most: usize) -> Result<Vec<ComplaintId>, StoreError> {
        if let Some(id) = name.whole() {
            return Ok(self.complaint.contains_key(id.0)?.then_some(id).into_iter().collect());
        }
        let mut found = Vec::new();
        for item in self.complaint.newest_first() {
            let id = ComplaintId::from_slice(&item?.0).ok_or(StoreError::Malformed { tree: "complaint" })?;
            if name.names(&id) {
                found.push(id);
                if found.len() >= most {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The complaint that was imported from a record of another system.
    pub fn imported(&self, external: &External) -> Result<Option<ComplaintId>, StoreError> {
        let malformed = StoreError::Malformed { tree: "external" };
        match self.external.get(keys::external(external))? {
            Some(value) => Ok(Some(ComplaintId::from_slice(&value).ok_or(malformed)?)),
            None => Ok(None),
        }
    }

    /// A cursor of a peer.
    pub fn cursor(&self, which: PeerCursor, peer: &AgencyId) -> Result<Option<Cursor>, StoreError> {
        let value = self.peer.get(keys::peer(keys::cursor_tag(which), peer))?;
        value.map(|value| postcard::from_bytes(&value).map_err(|_| StoreError::Malformed { tree: "peer" })).transpose()
    }

    /// The record that holds a peer's newest checkpoint.
    pub fn checkpoint_record(&self, source: CheckpointSource, peer: &AgencyId) -> Result<Option<Position>, StoreError> {
        let value = self.peer.get(keys::peer(source.tag(), peer))?;
        Ok(value.and_then(|v| v.as_ref().try_into().ok()).map(u64::from_be_bytes).and_then(Position::from_bits))
    }

    /// The records that hold the newest checkpoint of each agency.
    pub fn checkpoint_records(&self, source: CheckpointSource) -> Result<Vec<(AgencyId, Position)>, StoreError> {
        let malformed = || StoreError::Malformed { tree: "peer" };
        let mut found = Vec::new();
        for item in self.peer.scan_prefix([source.tag()]) {
            let (key, value) = item?;
            let agency = std::str::from_utf8(&key[1..]).ok().and_then(|agency| agency.parse().ok());
            let position = value.as_ref().try_into().ok().map(u64::from_be_bytes).and_then(Position::from_bits);
            found.push((agency.ok_or_else(malformed)?, position.ok_or_else(malformed)?));
        }
        Ok(found)
    }

    /// The records of a peer's receipts for this epoch whose cursor is after a leaf, in the order of their cursors, at most `most`.
    pub fn receipts_after(
        &self,
        peer: &AgencyId,
        epoch: Epoch,
        leaf: LedgerIndex,
        most: usize,
    ) -> Result<Vec<Position>, StoreError> {
        let first = keys::receipts_from(peer, Cursor { epoch, index: leaf.next(), part: 0 });
        let of_peer = keys::of_peer(peer);
        let mut found = Vec::new();
        for item in self.receipt.range(first..) {
            let (key, _) = item?;
            if found.len() == most || !key.starts_with(&of_peer) {
                break;
            }
            found.push(keys::receipt_position(&key).ok_or(StoreError::Malformed { tree: "receipt" })?);
        }
        Ok(found)
    }

    /// The records of a peer's receipts for a leaf that was sent again, oldest first, at most `most`.
    pub fn receipts_of_leaf(
        &self,
        peer: &AgencyId,
        leaf: LedgerIndex,
        most: usize,
    ) -> Result<Vec<Position>, StoreError> {
        let malformed = || StoreError::Malformed { tree: "receipt_of_leaf" };
        let keys = self.receipt_of_leaf.scan_prefix(keys::unsettled(peer, leaf)).keys().take(most);
        keys.map(|key| keys::receipt_position(&key?).ok_or_else(malformed)).collect()
    }

    /// The entry with the highest place that an agency other than this one has signed.
    pub fn newest_of(&self, author: &AgencyId) -> Result<Option<ForeignEntry>, StoreError> {
        self.newest(b'n', author)
    }

    /// The newest `LedgerReset` of another agency.
    pub fn reset_of(&self, author: &AgencyId) -> Result<Option<ForeignEntry>, StoreError> {
        self.newest(b'e', author)
    }

    pub(super) fn newest(&self, tag: u8, author: &AgencyId) -> Result<Option<ForeignEntry>, StoreError> {
        let value = self.peer.get(keys::peer(tag, author))?;
        value.map(|value| postcard::from_bytes(&value).map_err(|_| StoreError::Malformed { tree: "peer" })).transpose()
    }

    /// The agencies to which no route led, each with the number of entries that should have gone to it.
    pub fn unreachable(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let malformed = || StoreError::Malformed { tree: "peer" };
        let mut found = Vec::new();
        for item in self.peer.scan_prefix(b"u") {
            let (key, value) = item?;
            let agency = std::str::from_utf8(&key[1..]).map_err(|_| malformed())?.to_owned();
            let index: LedgerIndex = index_of(&value)?;
            found.push((agency, index.0));
        }
        Ok(found)
    }

    /// Refused items, newest first, with their keys.
    pub fn refused(&self) -> impl Iterator<Item = Result<(String, Position, RefusedRow), StoreError>> + use<> {
        self.refused.iter().rev().map(|item| {
            let malformed = || StoreError::Malformed { tree: "refused" };
            let (key, value) = item?;
            let bits = key.first_chunk::<8>().map(|bits| u64::from_be_bytes(*bits)).ok_or_else(malformed)?;
            let number = key.last_chunk::<4>().map(|n| u32::from_be_bytes(*n)).ok_or_else(malformed)?;
            let position = Position::from_bits(bits).ok_or_else(malformed)?;
            let row = postcard::from_bytes(&value).map_err(|_| malformed())?;
            Ok((format!("{}-{}-{number}", position.segment, position.offset), position, row))
        })
    }

    /// The deferred items, each as the hash of peer and item with the position of its record.
    pub fn deferred(&self) -> impl Iterator<Item = Result<([u8; 32], Position), StoreError>> + use<> {
        self.deferred.iter().map(|item| {
            let malformed = || StoreError::Malformed { tree: "deferred" };
            let (key, value) = item?;
            let item = key.as_ref().try_into().map_err(|_| malformed())?;
            let bits = value.as_ref().try_into().map(u64::from_be_bytes).map_err(|_| malformed())?;
            Ok((item, Position::from_bits(bits).ok_or_else(malformed)?))
        })
    }

    /// The position of the record of a deferred item.
    pub fn deferred_at(&self, item: &[u8; 32]) -> Result<Option<Position>, StoreError> {
        let malformed = || StoreError::Malformed { tree: "deferred" };
        let Some(value) = self.deferred.get(item)? else { return Ok(None) };
        let bits = value.as_ref().try_into().map(u64::from_be_bytes).map_err(|_| malformed())?;
        Position::from_bits(bits).ok_or_else(malformed).map(Some)
    }

    /// The position up to which the ledger was applied.
    pub fn watermark(&self) -> Result<Option<Position>, StoreError> {
        let value = self.meta.get("watermark")?;
        Ok(value.and_then(|v| v.as_ref().try_into().ok()).map(u64::from_be_bytes).and_then(Position::from_bits))
    }

    /// The newest clock of an own entry.
    pub fn own_clock(&self) -> Result<HybridClock, StoreError> {
        let value = self.meta.get("clock")?;
        let bits = value.and_then(|value| value.as_ref().try_into().ok()).map(u64::from_be_bytes);
        Ok(bits.map(HybridClock::from_bits).unwrap_or_default())
    }

    /// The latest time that may have been cosigned in this epoch, in seconds since 1970; 0 if none was.
    pub fn ceiling(&self) -> Result<u64, StoreError> {
        let value = self.meta.get("ceiling")?;
        Ok(value.and_then(|value| value.as_ref().try_into().ok()).map(u64::from_be_bytes).unwrap_or_default())
    }

    /// How far the complaints were judged again under a newer charter; `None` if they never were.
    pub fn judged(&self) -> Result<Option<JudgedHeader>, StoreError> {
        let Some(value) = self.meta.get("judged")? else { return Ok(None) };
        let Some((version, last)) = value.split_first_chunk() else { return Ok(None) };
        Ok(Some(JudgedHeader { version: u64::from_be_bytes(*version), unfinished: ComplaintId::from_slice(last) }))
    }

    /// The newest time in the ledger, in milliseconds since 1970; 0 if there is none.
    pub fn newest_time(&self) -> Result<u64, StoreError> {
        let cosigned = self.ceiling()?.saturating_sub(limits::CEILING_AHEAD.as_secs()).saturating_mul(1000);
        Ok(self.own_clock()?.millis().max(cosigned))
    }

    /// Bytes on the disk.
    pub fn disk_bytes(&self) -> Result<u64, StoreError> {
        self.health.judged(|| self.db.size_on_disk())
    }
}

fn index_of(value: &[u8]) -> Result<LedgerIndex, StoreError> {
    let bytes = value.try_into().map_err(|_| StoreError::Malformed { tree: "timeline" })?;
    Ok(LedgerIndex(u64::from_be_bytes(bytes)))
}

fn parse_summary(value: &[u8]) -> Result<Summary, StoreError> {
    let parsed = postcard::take_from_bytes(value).map_err(|_| StoreError::Malformed { tree: "complaint" })?;
    Ok(parsed.0)
}
