//! The ledger as audits read it: its records about other agencies, and the proofs about itself that peers ask for.

use std::convert::Infallible;

use bytes::Bytes;
use prost::Message;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use sinergi_proto::charter::Charters;
use sinergi_proto::engine::Record;
use sinergi_proto::entry::Entry;
use sinergi_proto::receipt::Receipt;
use sinergi_proto::transparency::audit::holdings::{Assignment, Holdings};
use sinergi_proto::transparency::audit::resume::{RecordsUpTo, Resume};
use sinergi_proto::transparency::audit::{HeldCase, ReceiptRef, Records};
use sinergi_proto::transparency::proofs::OwnLeaves;
use sinergi_proto::wire;
use tlog_tiles::HashReader;

use super::Ledger;

/// A record that an audit reads.
#[derive(Clone)]
pub enum AuditRecord {
    /// A leaf.
    Leaf(LedgerIndex),
    /// A peer's receipt.
    Receipt {
        /// The peer.
        peer: AgencyId,
        /// When it came, in milliseconds since 1970.
        at: u64,
        /// The `Ack` as it came.
        ack: Bytes,
    },
    /// A checkpoint of another agency.
    Seen {
        /// The agency.
        agency: AgencyId,
        /// The signed note.
        note: Bytes,
    },
    /// An entry that a peer delivered and this node refused or deferred.
    TurnedAway(EntryId),
    /// Items of a peer were put off at this time, in milliseconds since 1970.
    PutOff(AgencyId, u64),
}

impl AuditRecord {
    /// The part of a new record that audits read, if any. `next` is the index of the next leaf.
    pub(super) fn of(record: &Record, next: LedgerIndex) -> Option<Self> {
        match record {
            Record::Leaf { .. } => Some(Self::Leaf(next)),
            Record::Receipt { header, ack } => {
                Some(Self::Receipt { peer: header.peer.clone(), at: header.at, ack: ack.clone() })
            }
            Record::Seen { header, note } => Some(Self::Seen { agency: header.peer.clone(), note: note.clone() }),
            Record::Refused { header, .. } => Some(Self::TurnedAway(header.entry)),
            Record::Deferred { header, .. } => Some(Self::TurnedAway(header.entry)),
            Record::PutOff(header) => Some(Self::PutOff(header.peer.clone(), header.at)),
            Record::Content { .. }
            | Record::Signature { .. }
            | Record::Cursor(_)
            | Record::Ceiling(_)
            | Record::Judged(_)
            | Record::DeferredDone(_)
            | Record::Routing(_) => None,
        }
    }
}

impl Ledger {
    /// The records that an audit of now looks at.
    pub fn records(&self) -> RecordsUpTo {
        let (leaves, end) = (self.leaves.len() as u64, self.audit_records.len() as u64);
        RecordsUpTo { epoch: self.epoch, leaves, end }
    }

    /// Everything that this ledger holds about the agency to be audited; or as much of it as is new since `resume`, if `goes_on` and the audit may go on
    /// from there.
    pub fn holdings(
        &self,
        assignment: Assignment,
        charters: &Charters,
        resume: Option<Resume>,
        goes_on: bool,
    ) -> Holdings {
        let (RecordsUpTo { epoch, end, .. }, now) = (self.records(), assignment.now);
        let resume = resume.filter(|resume| resume.is_of(epoch, end));
        let fits = |resume: &Resume| resume.fits(&charters.newest().name(), epoch, end, now);
        let resume = match resume {
            Some(resume) if goes_on && fits(&resume) => resume,
            earlier => {
                let mut holdings = Holdings::new(assignment, charters);
                earlier.iter().for_each(|earlier| holdings.add_earlier(earlier));
                return self.filled(holdings, 0);
            }
        };
        let (carried, begin) = (resume.carried().collect::<Vec<_>>(), resume.records.end);
        let mut holdings = Holdings::resumed(assignment, charters, resume);
        carried.into_iter().for_each(|leaf| self.add_leaf(&mut holdings, leaf));
        self.filled(holdings, begin)
    }

    fn filled(&self, mut holdings: Holdings, begin: u64) -> Holdings {
        let from = usize::try_from(begin).expect("a ledger in memory fits into usize");
        for (number, held) in (begin..).zip(&self.audit_records[from..]) {
            match held {
                AuditRecord::Leaf(index) => self.add_leaf(&mut holdings, *index),
                AuditRecord::Receipt { peer, at, ack } => holdings.add_receipt(peer, ack, ReceiptRef(number), *at),
                AuditRecord::Seen { agency, note } => holdings.add_checkpoint(agency, note),
                AuditRecord::TurnedAway(entry) => holdings.add_turned_away(*entry),
                AuditRecord::PutOff(peer, at) => holdings.add_put_off(peer, *at),
            }
        }
        holdings
    }

    fn add_leaf(&self, holdings: &mut Holdings, index: LedgerIndex) {
        let leaf = Self::leaf(self, index);
        let Ok(()) = holdings.add_past(self, &leaf.entry);
        holdings.add_entry(&leaf.entry, index, leaf.header.at, &leaf.header.routes);
    }
}

impl Records for Ledger {
    type Error = Infallible;

    fn entry(&self, leaf: LedgerIndex) -> Result<Vec<u8>, Infallible> {
        Ok(Self::leaf(self, leaf).entry.signed().to_vec())
    }

    fn receipt(&self, receipt: ReceiptRef) -> Result<Vec<u8>, Infallible> {
        let number = usize::try_from(receipt.0).expect("a ledger in memory fits into usize");
        match &self.audit_records[number] {
            AuditRecord::Receipt { ack, .. } => Ok(ack.to_vec()),
            AuditRecord::Leaf(_) | AuditRecord::Seen { .. } | AuditRecord::TurnedAway(_) | AuditRecord::PutOff(..) => {
                panic!("record {number} is not a receipt")
            }
        }
    }

    fn held_by(&self, agency: &AgencyId) -> Result<Vec<ComplaintId>, Infallible> {
        let held = self.cases.values().filter(|case| case.complaint.custody().holder == *agency);
        Ok(held.map(|case| case.complaint.id()).collect())
    }

    fn has(&self, entry: &Entry) -> Result<bool, Infallible> {
        Ok(self.leaf_of(&entry.id).is_some())
    }

    fn entries_before(
        &self,
        complaint: &ComplaintId,
        leaf: LedgerIndex,
    ) -> Result<Vec<(LedgerIndex, Entry)>, Infallible> {
        let Some(case) = self.cases.get(complaint) else { return Ok(Vec::new()) };
        let mut leaves: Vec<LedgerIndex> = case.leaves.values().copied().filter(|placed| *placed < leaf).collect();
        leaves.sort_unstable();
        Ok(leaves.into_iter().map(|leaf| (leaf, Self::leaf(self, leaf).entry.clone())).collect())
    }

    fn receipts_for(&self, agency: &AgencyId, leaf: LedgerIndex) -> Result<Vec<(ReceiptRef, Vec<u8>)>, Infallible> {
        let id = Self::leaf(self, leaf).entry.id;
        let receipts = (0..).zip(&self.audit_records).filter_map(|(number, held)| match held {
            AuditRecord::Receipt { peer, ack, .. } if peer == agency => Some((ReceiptRef(number), ack.to_vec())),
            _ => None,
        });
        let names = |(_, ack): &(ReceiptRef, Vec<u8>)| {
            let ack = wire::Ack::decode(ack.as_slice()).expect("a session keeps acks that parse");
            Receipt::parse(&ack).is_ok_and(|receipt| receipt.results.iter().any(|result| result.entry == id))
        };
        Ok(receipts.filter(names).collect())
    }

    fn case(&self, complaint: &ComplaintId) -> Result<Option<HeldCase>, Infallible> {
        let Some(case) = self.cases.get(complaint) else { return Ok(None) };
        let mut leaves: Vec<LedgerIndex> = case.leaves.values().copied().collect();
        leaves.sort_unstable();
        let entries = leaves.into_iter().map(|leaf| Self::leaf(self, leaf).entry.clone()).collect();
        Ok(Some(HeldCase { complaint: case.complaint.clone(), entries }))
    }
}

impl OwnLeaves for Ledger {
    type Error = Infallible;

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn nodes(&self, numbers: &[u64]) -> Result<Vec<[u8; 32]>, Infallible> {
        let hashes = self.read_hashes(numbers).expect("the numbers are within the tree");
        Ok(hashes.into_iter().map(|hash| hash.0).collect())
    }

    fn locate(&self, name: &wire::EntryName) -> Result<Option<LedgerIndex>, Infallible> {
        Ok(EntryId::from_slice(&name.id).and_then(|id| self.leaf_of(&id)))
    }

    fn leaf_hashes(&self, first: LedgerIndex, count: usize) -> Result<Vec<[u8; 32]>, Infallible> {
        let indexes = (first.0..).map(LedgerIndex).take(count);
        Ok(indexes.map(|index| Self::leaf(self, index).entry.id.0).collect())
    }

    fn signed_leaf(&self, index: LedgerIndex) -> Result<Vec<u8>, Infallible> {
        Ok(Self::leaf(self, index).entry.signed().to_vec())
    }
}
