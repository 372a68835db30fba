//! Lists the entries and receipts of one agency that this node has. An operator makes the list of trusted entries from them, when the agency's
//! keys are revoked.
//!
//! Must not know which keys are revoked. Blocks, so never in an async task.

use bytes::Bytes;
use prost::Message;
use sinergi_proto::base::ids::{AgencyId, LedgerIndex};
use sinergi_proto::charter::KeyUse;
use sinergi_proto::entry::{Body, Entry};
use sinergi_proto::operator_api::{self, signed_by_row::Row};
use sinergi_proto::receipt::{Receipt, receipt_id};
use sinergi_proto::transparency::rollback_guard::OwnTree;
use sinergi_proto::wire;
use tonic::Status;

use super::ledger::SignedLedger;
use super::{RowSink, own};
use crate::storage::complaint_loader::OwnDataError;
use crate::storage::ledger::{Record, RecordKind};
use crate::storage::record_codec::Header;

impl SignedLedger {
    /// Streams what an agency signed and this node had at a time. The last row names this node's ledger at that time.
    ///
    /// # Errors
    /// The agency is no member, or the ledger cannot be read.
    pub(super) fn signed_by(
        &self,
        request: &operator_api::ListSignedByRequest,
        row: RowSink<'_, operator_api::SignedByRow>,
    ) -> Result<(), Status> {
        let agency: AgencyId =
            request.agency.parse().map_err(|error| Status::invalid_argument(format!("agency: {error}")))?;
        let keys = self.keys_of(&agency)?;
        let bound = |bound: u64| if bound == 0 { u64::MAX } else { bound };
        let (until, most) = (bound(request.until), bound(request.size));
        let reader = self.outbox.reader();
        if request.size > reader.size() {
            let (asked, here) = (request.size, reader.size());
            return Err(Status::invalid_argument(format!("{asked} leaves: the ledger here has {here}")));
        }
        // A single record from a time at which this node's clock was ahead does not end the ledger.
        let most = if until == u64::MAX { most } else { own(self.size_at(until))?.min(most) };
        let mut size = 0;
        for record in reader.records_from(reader.start()) {
            let record = own(record)?;
            if size == most && record.kind == RecordKind::Leaf {
                break;
            }
            size += u64::from(record.kind == RecordKind::Leaf);
            for found in own(self.signed_in(&record, &agency))? {
                if !row(operator_api::SignedByRow { row: Some(found) }) {
                    return Ok(());
                }
            }
        }
        let ledger = self.guard.ledger();
        let ledger = operator_api::LedgerAtSize {
            federation: self.outbox.federation().to_owned(),
            agency: self.own.to_string(),
            epoch: ledger.extent().epoch.0,
            size,
            root: own(ledger.root_at(size))?.to_vec(),
            keys,
        };
        row(operator_api::SignedByRow { row: Some(Row::Ledger(ledger)) });
        Ok(())
    }

    /// Number of leaves up to the last one that this node got by a time, in milliseconds since 1970.
    fn size_at(&self, until: u64) -> Result<u64, OwnDataError> {
        let reader = self.outbox.reader();
        let mut size = 0;
        for record in reader.records_from(reader.start()) {
            let record = record?;
            if let (Some(index), Header::Leaf(header)) = (record.leaf(), Header::of(&record)?)
                && header.at <= until
            {
                size = index.0 + 1;
            }
        }
        Ok(size)
    }

    /// The entry or receipt in a record, if the agency signed it.
    fn signed_in(&self, record: &Record, agency: &AgencyId) -> Result<Vec<Row>, OwnDataError> {
        match record.kind {
            RecordKind::Leaf | RecordKind::Receipt => {}
            _ => return Ok(Vec::new()),
        }
        match Header::of(record)? {
            Header::Leaf(header) => {
                let index = record.leaf().unwrap_or_default();
                self.signed_in_leaf(record, index, header.at, agency)
            }
            Header::Receipt(header) if header.peer == *agency => {
                let ack = wire::Ack::decode(record.body.as_slice()).unwrap_or_default();
                let key_id = Receipt::parse(&ack).map(|receipt| receipt.key_id).unwrap_or_default();
                let receipt =
                    operator_api::SignedReceipt { key_id, id: receipt_id(&ack.receipt).to_vec(), at: header.at };
                Ok(vec![Row::Receipt(receipt)])
            }
            _ => Ok(Vec::new()),
        }
    }

    fn signed_in_leaf(
        &self,
        record: &Record,
        index: LedgerIndex,
        at: u64,
        agency: &AgencyId,
    ) -> Result<Vec<Row>, OwnDataError> {
        let entry = Entry::parse_bare(Bytes::from(record.body.clone()), None, self.outbox.federation())
            .map_err(|source| OwnDataError::Entry { index, source })?;
        let mut found = Vec::new();
        if entry.author == *agency {
            found.push(Row::Entry(operator_api::SignedByAgency {
                key_id: entry.key_id,
                id: entry.id.0.to_vec(),
                at,
                clock: entry.clock.millis(),
                complaint: entry.complaint.map(|id| id.0.to_vec()).unwrap_or_default(),
                body: entry.body.name().to_owned(),
                leaf: index.0,
            }));
        }
        if let Body::Proven(proven) = &entry.body
            && proven.receiver == *agency
        {
            let (key_id, id) = (proven.key_id, proven.receipt_id.to_vec());
            found.push(Row::Receipt(operator_api::SignedReceipt { key_id, id, at }));
        }
        Ok(found)
    }

    /// The keys that any charter version lists for an agency.
    fn keys_of(&self, agency: &AgencyId) -> Result<Vec<operator_api::AgencyKey>, Status> {
        let charters = self.guard.ledger().keys.charter_store.charters();
        let mut members = charters.after(0).filter_map(|charter| charter.member(agency)).peekable();
        if members.peek().is_none() {
            let newest = charters.newest().version;
            return Err(Status::invalid_argument(format!(
                "agency {agency} is no member of any charter up to version {newest}"
            )));
        }
        let key_use = |key_use| match key_use {
            KeyUse::Entry => "entry",
            KeyUse::Checkpoint => "checkpoint",
            KeyUse::Time => "time",
        };
        let mut keys: Vec<operator_api::AgencyKey> = Vec::new();
        for key in members.flat_map(|member| &member.keys) {
            let public = <[u8; 32]>::from(&key.public).to_vec();
            if keys.iter().all(|known| known.public != public) {
                keys.push(operator_api::AgencyKey { public, id: key.id, key_use: key_use(key.key_use).to_owned() });
            }
        }
        Ok(keys)
    }
}
