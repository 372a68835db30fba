//! This node's own ledger and store, as an audit reads them: one pass over the ledger for everything that comes from the audited agency, then
//! single records that evidence quotes.
//!
//! Must not know links. Blocks, so never in an async task.

use bytes::Bytes;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, LedgerIndex};
use sinergi_proto::engine::PeerCursor;
use sinergi_proto::entry::Entry;
use sinergi_proto::transparency::audit::holdings::{Assignment, Holdings};
use sinergi_proto::transparency::audit::resume::{RecordsUpTo, Resume};
use sinergi_proto::transparency::audit::{HeldCase, ReceiptRef, Records, Scope};

use super::Begin;
use crate::base::time::now_millis;
use crate::storage::charters::CharterStore;
use crate::storage::complaint_loader::{self, OwnDataError, ParsedLeaf};
use crate::storage::ledger::{Position, Record, RecordKind};
use crate::storage::outbox::Outbox;
use crate::storage::record_codec::Header;

/// Most receipts that are read to find the one for a leaf, of each order: it is the first one after the leaf, unless the item was sent again.
const RECEIPTS_OF_LEAF: usize = 4;

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

    /// Everything that this node, `own`, has from an agency and that an audit compares with the agency's ledger; or as much of it as is new since
    /// `resume`, if the audit may go on from there.
    ///
    /// # Errors
    /// The own ledger cannot be read.
    pub(super) fn of(
        &self,
        own: &AgencyId,
        agency: &AgencyId,
        scope: &Scope,
        begin: Begin,
        resume: Option<Resume>,
    ) -> Result<Holdings, OwnDataError> {
        let (reader, charters) = (self.outbox.reader(), self.charter_store.charters());
        // Read before the records: so every entry before the cursor is among them.
        let received = self.outbox.store().cursor(PeerCursor::Received, agency)?;
        let end = reader.end();
        let records = RecordsUpTo { epoch: reader.epoch(), leaves: reader.size(), end: end.to_bits() };
        let (auditor, agency, scope) = (own.clone(), agency.clone(), scope.clone());
        let assignment = Assignment { auditor, agency, scope, received, now: now_millis(), records };
        let resume = resume.filter(|resume| resume.is_of(reader.epoch(), end.to_bits()));
        let fits =
            |resume: &Resume| resume.fits(&charters.newest().name(), reader.epoch(), end.to_bits(), now_millis());
        let goes_on = begin == Begin::AfterLast && resume.as_ref().is_some_and(fits);
        let from = resume.as_ref().filter(|_| goes_on).and_then(|resume| Position::from_bits(resume.records.end));
        let mut holdings = match (resume, from) {
            (Some(resume), Some(_)) => {
                let carried: Vec<LedgerIndex> = resume.carried().collect();
                let mut holdings = Holdings::resumed(assignment, &charters, resume);
                for leaf in carried {
                    self.add(&mut holdings, reader.leaf(leaf)?)?;
                }
                holdings
            }
            (earlier, _) => {
                let mut holdings = Holdings::new(assignment, &charters);
                holdings.reserve(usize::try_from(records.leaves).unwrap_or_default());
                earlier.iter().for_each(|earlier| holdings.add_earlier(earlier));
                holdings
            }
        };
        for record in reader.records_from(from.unwrap_or(reader.start())) {
            let record = record?;
            if record.position >= end {
                break;
            }
            self.add(&mut holdings, record)?;
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
                holdings.add_past(self, &entry)?;
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

    fn has(&self, entry: &Entry) -> Result<bool, OwnDataError> {
        let store = self.outbox.store();
        let found = match &entry.complaint {
            Some(complaint) => store.leaf_of(complaint, entry.clock, &entry.id)?,
            None => store.node_entry(entry.clock, &entry.id)?,
        };
        let Some(leaf) = found.filter(|leaf| leaf.0 < self.outbox.reader().size()) else { return Ok(false) };
        Ok(self.outbox.reader().leaf_hashes(&[leaf])?.first().is_some_and(|hash| hash.0 == entry.id.0))
    }

    fn entries_before(
        &self,
        complaint: &ComplaintId,
        leaf: LedgerIndex,
    ) -> Result<Vec<(LedgerIndex, Entry)>, OwnDataError> {
        let timeline = self.outbox.store().timeline(complaint)?;
        let mut leaves: Vec<LedgerIndex> =
            timeline.into_iter().map(|placed| placed.leaf).filter(|placed| *placed < leaf).collect();
        leaves.sort_unstable();
        let parsed =
            |leaf| Ok((leaf, ParsedLeaf::parse(self.outbox.reader().leaf(leaf)?, self.outbox.federation())?.entry));
        leaves.into_iter().map(parsed).collect()
    }

    fn receipts_for(&self, agency: &AgencyId, leaf: LedgerIndex) -> Result<Vec<(ReceiptRef, Vec<u8>)>, OwnDataError> {
        let (store, reader) = (self.outbox.store(), self.outbox.reader());
        let mut found = store.receipts_of_leaf(agency, leaf, RECEIPTS_OF_LEAF)?;
        found.extend(store.receipts_after(agency, reader.epoch(), leaf, RECEIPTS_OF_LEAF)?);
        let read = |position: Position| Ok((ReceiptRef(position.to_bits()), reader.record(position)?.body));
        found.into_iter().map(read).collect()
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
