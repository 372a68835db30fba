//! Finds two facts about another agency's ledger: the agency's entry with the highest place, and the newest epoch that it declared.
//!
//! The store keeps both. The stored one may be disputed: a thief signed it with a key that was revoked later. Then this module searches the node's
//! ledger for the newest one that is not disputed.
//!
//! Must not decide what follows from it. Blocks, so never in an async task.

use sinergi_proto::base::ids::{AgencyId, LedgerIndex};
use sinergi_proto::charter::Charters;
use sinergi_proto::entry::Entry;
use sinergi_proto::routing::route;

use crate::storage::complaint_loader::{OwnDataError, ParsedLeaf};
use crate::storage::ledger::{LedgerReader, RecordKind};
use crate::storage::store::{ForeignEntry, Store};

/// The agency's entry with the highest place in its own ledger.
///
/// # Errors
/// Store or ledger cannot be read.
pub fn newest_of(
    agency: &AgencyId,
    (store, reader, federation): (&Store, &LedgerReader, &str),
    charters: &Charters,
) -> Result<Option<ForeignEntry>, OwnDataError> {
    trusted(store.newest_of(agency)?, agency, (reader, federation), charters, |_| true)
}

/// The newest epoch that the agency has declared.
///
/// # Errors
/// Store or ledger cannot be read.
pub fn reset_of(
    agency: &AgencyId,
    (store, reader, federation): (&Store, &LedgerReader, &str),
    charters: &Charters,
) -> Result<Option<ForeignEntry>, OwnDataError> {
    let is_reset = |entry: &Entry| route::reset_of(entry).is_some();
    trusted(store.reset_of(agency)?, agency, (reader, federation), charters, is_reset)
}

fn trusted(
    stored: Option<ForeignEntry>,
    agency: &AgencyId,
    (reader, federation): (&LedgerReader, &str),
    charters: &Charters,
    is_wanted: impl Fn(&Entry) -> bool,
) -> Result<Option<ForeignEntry>, OwnDataError> {
    let Some(stored) = stored.filter(|_| charters.has_revoked(agency)) else { return Ok(stored) };
    let is_trusted = |entry: &Entry| !charters.disputes_entry(&entry.author, entry.key_id, &entry.id);
    if is_trusted(&ParsedLeaf::parse(reader.leaf(stored.leaf)?, federation)?.entry) {
        return Ok(Some(stored));
    }
    let mut newest: Option<ForeignEntry> = None;
    for record in reader.records_from(reader.start()) {
        let record = record?;
        if record.kind != RecordKind::Leaf {
            continue;
        }
        let leaf = record.leaf().unwrap_or(LedgerIndex::default());
        let entry = ParsedLeaf::parse(record, federation)?.entry;
        let found = ForeignEntry { epoch: entry.place.epoch, index: entry.place.index, leaf };
        let is_newer = newest.is_none_or(|newest| found.is_after(&newest));
        if entry.author == *agency && is_newer && is_wanted(&entry) && is_trusted(&entry) {
            newest = Some(found);
        }
    }
    Ok(newest)
}
