//! The keys of the trees. Numbers are big-endian, so that keys sort as they grow.

use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::cursor::Cursor;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, LedgerIndex};
use sinergi_proto::complaint::{Phase, SetDigest};
use sinergi_proto::engine::{External, PeerCursor};

use crate::storage::ledger::Position;

/// Stands in the timeline keys of entries that belong to no complaint.
pub(super) const NO_COMPLAINT: ComplaintId = ComplaintId([0; 32]);

/// Bytes of an entry's id in a timeline key.
pub(super) const ID_PREFIX: usize = SetDigest::ID_PREFIX;

pub(super) type TimelineKey = [u8; 40 + ID_PREFIX];

pub(super) fn timeline(complaint: &ComplaintId, clock: HybridClock, id_prefix: &[u8; ID_PREFIX]) -> TimelineKey {
    let mut key = [0; 40 + ID_PREFIX];
    key[..32].copy_from_slice(&complaint.0);
    key[32..40].copy_from_slice(&clock.to_bits().to_be_bytes());
    key[40..].copy_from_slice(id_prefix);
    key
}

/// The clock and the id prefix of a timeline key.
pub(super) fn timeline_parts(key: &[u8]) -> Option<(HybridClock, [u8; ID_PREFIX])> {
    let clock = key.get(32..40)?.try_into().ok()?;
    Some((HybridClock::from_bits(u64::from_be_bytes(clock)), key.get(40..)?.try_into().ok()?))
}

pub(super) fn queue(holder: &AgencyId, phase: Phase, due: u64, complaint: &ComplaintId) -> Vec<u8> {
    let mut key = Vec::with_capacity(holder.as_str().len() + 2 + 8 + 32);
    key.extend(holder.as_str().as_bytes());
    key.push(0);
    key.push(phase as u8);
    key.extend(due.to_be_bytes());
    key.extend(complaint.0);
    key
}

pub(super) fn queue_prefix(holder: &AgencyId) -> Vec<u8> {
    [holder.as_str().as_bytes(), &[0]].concat()
}

/// The common prefix of the queue keys of one holder and phase.
pub(super) fn queue_group(key: &[u8]) -> Option<&[u8]> {
    key.len().checked_sub(8 + 32).map(|length| &key[..length])
}

/// The first key of a group that is due at `millis` (milliseconds since 1970) or later.
pub(super) fn queue_due_at(group: &[u8], millis: u64) -> Vec<u8> {
    [group, &millis.to_be_bytes()].concat()
}

/// A key after all keys of the group.
pub(super) fn queue_end(group: &[u8]) -> Vec<u8> {
    [group, &[0xFF; 8 + 32], &[0]].concat()
}

/// The complaint of a queue key.
pub(super) fn queue_complaint(key: &[u8]) -> Option<ComplaintId> {
    key.last_chunk::<32>().map(|id| ComplaintId(*id))
}

pub(super) fn external(external: &External) -> Vec<u8> {
    [external.source.as_bytes(), &[0], external.id.as_bytes()].concat()
}

/// The tag of a peer's cursor, for [`peer`].
pub(super) fn cursor_tag(which: PeerCursor) -> u8 {
    match which {
        PeerCursor::Received => b'r',
        PeerCursor::Receipted => b'a',
    }
}

pub(super) fn peer(what: u8, agency: &AgencyId) -> Vec<u8> {
    [&[what], agency.as_str().as_bytes()].concat()
}

/// The key of a receipt: the peer that gave it, the cursor up to which it acknowledges, and its record.
pub(super) fn receipt(peer: &AgencyId, cursor: Cursor, position: Position) -> Vec<u8> {
    let mut key = receipts_from(peer, cursor);
    key.extend(position.to_bits().to_be_bytes());
    key
}

/// The common prefix of the keys of a peer's receipts up to this cursor. Those up to later cursors come after it.
pub(super) fn receipts_from(peer: &AgencyId, cursor: Cursor) -> Vec<u8> {
    let mut key = of_peer(peer);
    key.extend(cursor.epoch.0.to_be_bytes());
    key.extend(cursor.index.0.to_be_bytes());
    key.extend(cursor.part.to_be_bytes());
    key
}

/// The key of a receipt for a leaf that was sent again: the peer that gave it, the leaf, and its record.
pub(super) fn receipt_of_leaf(peer: &AgencyId, leaf: LedgerIndex, position: Position) -> Vec<u8> {
    [unsettled(peer, leaf).as_slice(), &position.to_bits().to_be_bytes()].concat()
}

/// The common prefix of the keys of a peer.
pub(super) fn of_peer(peer: &AgencyId) -> Vec<u8> {
    [peer.as_str().as_bytes(), &[0]].concat()
}

/// The record of a receipt's key.
pub(super) fn receipt_position(key: &[u8]) -> Option<Position> {
    key.last_chunk::<8>().and_then(|position| Position::from_bits(u64::from_be_bytes(*position)))
}

/// The key of an item that a peer did not take.
pub(super) fn unsettled(peer: &AgencyId, leaf: LedgerIndex) -> Vec<u8> {
    [&of_peer(peer), leaf.0.to_be_bytes().as_slice()].concat()
}

/// The key of an item that is sent again at `due`, in milliseconds since 1970.
pub(super) fn send_again(peer: &AgencyId, due: u64, leaf: LedgerIndex) -> Vec<u8> {
    [&of_peer(peer), due.to_be_bytes().as_slice(), leaf.0.to_be_bytes().as_slice()].concat()
}

/// The leaf of such a key.
pub(super) fn last_leaf(key: &[u8]) -> Option<LedgerIndex> {
    key.last_chunk::<8>().map(|leaf| LedgerIndex(u64::from_be_bytes(*leaf)))
}

pub(super) fn refused(position: Position, number: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&position.to_bits().to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}
