//! What was seen of other agencies' ledgers, kept in this one and committed to.
//!
//! Invariant: the root of a `Witnessed` is over the newest `Seen` record of each agency before it in the ledger, in the order of ids.

use std::collections::BTreeMap;

use sinergi_proto::ids::AgencyId;
use sinergi_proto::tree::root_of;
use sinergi_proto::wire::{self, entry::Body};

use super::{SubmitError, Writer, WriterError};
use crate::case::CaseError;
use crate::headers::{self, SeenHeader};
use crate::ledger::{Group, LedgerReader, RecordKind};
use crate::store::{Sight, Store};
use crate::time::now_millis;

/// The newest note of each agency that the ledger holds.
pub(super) fn load(store: &Store, reader: &LedgerReader) -> Result<BTreeMap<AgencyId, Vec<u8>>, CaseError> {
    let mut seen = BTreeMap::new();
    for (agency, position) in store.sights(Sight::Shown)? {
        seen.insert(agency, reader.record(position)?.body);
    }
    Ok(seen)
}

impl Writer {
    /// Keeps a checkpoint as the newest of its agency.
    pub(super) fn keep_seen(
        &mut self,
        group: &mut Group,
        header: SeenHeader,
        note: Vec<u8>,
    ) -> Result<(), WriterError> {
        self.record(group, RecordKind::Seen, &headers::encode(&header), &note)?;
        self.seen.insert(header.peer, note);
        Ok(())
    }

    /// Keeps these, and commits to the newest of all.
    pub(super) fn witness(
        &mut self,
        group: &mut Group,
        newer: Vec<(AgencyId, Vec<u8>)>,
    ) -> Result<Result<(), SubmitError>, WriterError> {
        if let Some(error) = self.may_not_sign() {
            return Ok(Err(error));
        }
        for (peer, note) in newer {
            self.keep_seen(group, SeenHeader { at: now_millis(), peer }, note)?;
        }
        let root = root_of(self.seen.values().map(Vec::as_slice)).to_vec();
        self.write_of_node(group, Body::Witnessed(wire::Witnessed { root, peers: self.seen.len() as u64 }))
    }
}
