//! This node's own ledger and store, as an audit reads them: one pass over the ledger for everything that comes from the audited agency, then
//! single records that evidence quotes.
//!
//! Must not know links. Blocks, so never in an async task.

use bytes::Bytes;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, LedgerIndex};
use sinergi_proto::engine::PeerCursor;
use sinergi_proto::entry::Entry;
use sinergi_proto::transparency::audit::holdings::{Assignment, Holdings};
use sinergi_proto::transparency::audit::{HeldCase, ReceiptRef, Records, Scope};

use crate::base::time::now_millis;
use crate::storage::charters::CharterStore;
use crate::storage::complaint_loader::{self, OwnDataError, ParsedLeaf};
use crate::storage::ledger::{Position, Record, RecordKind};
use crate::storage::outbox::Outbox;
use crate::storage::record_codec::Header;

/// This node's own records.
#[derive(Clone)]
pub(super) struct OwnRecords {
    outbox: Outbox,
    charter_store: CharterStore,
}

impl OwnRecords {
    pub(super) fn new(outbox: Outbox, charter_store: CharterStore) -> Self {
        Self { outbox, charter_store }
    }

    /// Everything that this node, `own`, has from an agency and that an audit compares with the agency's ledger.
    ///
    /// # Errors
    /// The own ledger cannot be read.
    pub(super) fn of(&self, own: &AgencyId, agency: &AgencyId, scope: &Scope) -> Result<Holdings, OwnDataError> {
        let assignment = Assignment {
            auditor: own.clone(),
            agency: agency.clone(),
            scope: scope.clone(),
            // Read before the records: so every entry before the cursor is among them.
            received: self.outbox.store().cursor(PeerCursor::Received, agency)?,
            now: now_millis(),
        };
        let mut holdings = Holdings::new(assignment, &self.charter_store.charters());
        let reader = self.outbox.reader();
        holdings.reserve(usize::try_from(reader.size()).unwrap_or_default());
        for record in reader.records_from(reader.start()) {
            self.add(&mut holdings, record?)?;
        }
        Ok(holdings)
    }

    fn add(&self, holdings: &mut Holdings, record: Record) -> Result<(), OwnDataError> {
        match record.kind {
            // They are many, and an audit does not need them.
            RecordKind::Content | RecordKind::Routing | RecordKind::Cursor | RecordKind::Signature => return Ok(()),
            _ => {}
        }
        match Header::of(&record)? {
            Header::Leaf(header) => {
                let index = record.leaf().unwrap_or_default();
                let entry = Entry::parse_bare(Bytes::from(record.body), None, self.outbox.federation())
                    .map_err(|source| OwnDataError::Entry { index, source })?;
                holdings.add_entry(&entry, index, header.at, &header.routes);
            }
            Header::Receipt(header) => {
                let receipt = ReceiptRef(record.position.to_bits());
                holdings.add_receipt(&header.peer, &record.body, receipt, header.at);
            }
            Header::Seen(header) => holdings.add_checkpoint(&header.peer, &record.body),
            Header::PutOff(header) => holdings.add_put_off(&header.peer, header.at),
            Header::Refused(header) => holdings.add_turned_away(header.entry),
            Header::Deferred(header) => holdings.add_turned_away(header.entry),
            _ => {}
        }
        Ok(())
    }
}

impl Records for OwnRecords {
    type Error = OwnDataError;

    fn entry(&self, leaf: LedgerIndex) -> Result<Vec<u8>, OwnDataError> {
        Ok(self.outbox.signed_leaves().signed(leaf)?.into())
    }

    fn receipt(&self, receipt: ReceiptRef) -> Result<Vec<u8>, OwnDataError> {
        let position = Position::from_bits(receipt.0).expect("a receipt is named by the position of its record");
        Ok(self.outbox.reader().record(position)?.body)
    }

    fn held_by(&self, agency: &AgencyId) -> Result<Vec<ComplaintId>, OwnDataError> {
        let held = self.outbox.store().held_by(agency)?;
        Ok(held.into_iter().map(|(complaint, _)| complaint).collect())
    }

    fn case(&self, complaint: &ComplaintId) -> Result<Option<HeldCase>, OwnDataError> {
        let (outbox, charters) = (&self.outbox, self.charter_store.charters());
        let case = complaint_loader::load(complaint, outbox.store(), outbox.reader(), outbox.federation(), &charters)?;
        let Some(case) = case else { return Ok(None) };
        let mut leaves: Vec<LedgerIndex> = case.leaves.values().copied().collect();
        leaves.sort_unstable();
        // The entries become evidence, so each needs its envelope.
        let entry = |leaf| {
            let record = outbox.reader().leaf(leaf)?;
            let envelope = outbox.signed_leaves().envelope(&record)?;
            Ok(Entry { envelope, ..ParsedLeaf::parse(record, outbox.federation())?.entry })
        };
        let entries = leaves.into_iter().map(entry).collect::<Result<_, OwnDataError>>()?;
        Ok(Some(HeldCase { complaint: case.complaint.clone(), entries }))
    }
}
