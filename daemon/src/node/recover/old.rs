//! Reads an old ledger for [`TakeOver`], and gives its entries to the writer of the new ledger, as if peers delivered them.
//!
//! Must not decide which entries are taken, nor their order: [`sinergi_proto::engine::recovery`] does.

use bytes::Bytes;
use prost::Message;
use sinergi_proto::admission::{VerifiedBatches, signing_key};
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::engine::recovery::{LeafContents, OldContent, OldEntry as Given, OldRecord, TakeOver, TakenOver};
use sinergi_proto::engine::{CursorHeader, LeafHeader, OldEntry};
use sinergi_proto::entry::{Entry, Envelope, OwnBatch, signed_bytes};
use sinergi_proto::wire;

use crate::base::node_limits;
use crate::signature_checks::receive_items;
use crate::storage::charters::CharterStore;
use crate::storage::ledger::{LedgerReader, Position, Record};
use crate::storage::record_codec::{ContentHeader, Header};
use crate::storage::signed_leaves::SignedLeaves;
use crate::writer::{Received, Writer, WriterError};

type Taking = TakeOver<LeafHeader, Position>;

/// The ledger of an earlier epoch.
pub(super) struct OldLedger {
    reader: LedgerReader,
    /// Whether it opens, so that leaves and their contents can be looked up.
    is_whole: bool,
    signed_leaves: SignedLeaves,
    federation: String,
    charter_store: CharterStore,
    /// The key that signs own entries whose signature cannot be read.
    key: SigningKey,
    known: VerifiedBatches,
}

impl OldLedger {
    pub(super) fn new(
        reader: LedgerReader,
        is_whole: bool,
        federation: String,
        charter_store: CharterStore,
        key: SigningKey,
    ) -> Self {
        let (signed_leaves, known) = (SignedLeaves::new(reader.clone()), VerifiedBatches::default());
        Self { reader, is_whole, signed_leaves, federation, charter_store, key, known }
    }

    /// Gives all that can be taken over to the writer. `progress` gets the number of entries that were given, and of all entries.
    pub(super) fn take_over(
        &self,
        writer: &mut Writer,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<TakenOver, WriterError> {
        let total = self.reader.size();
        let mut taking = Taking::new(self.is_whole, node_limits::BATCH_BYTES / 4);
        let mut records = self.reader.records_from(self.reader.start());
        while let Some(record) = records.next() {
            match record {
                Ok(record) => taking.read(self.read(record).unwrap_or(OldRecord::Unreadable)),
                Err(error) => {
                    tracing::warn!(%error, "passed over a damaged record of the old ledger");
                    taking.read(OldRecord::Unreadable);
                    if records.pass_over_damage().is_none() && !records.pass_to_next_record() {
                        break;
                    }
                }
            }
            if taking.is_full() {
                self.give(&mut taking, writer)?;
                progress(taking.given(), total);
            }
        }
        self.give(&mut taking, writer)?;
        self.give_waiting(&mut taking, writer)?;
        progress(total, total);
        let taken = taking.end();
        if !taken.cursors.is_empty() {
            let cursors = taken.cursors.iter().cloned().map(|(peer, cursor)| CursorHeader { peer, cursor });
            writer.take_over_cursors(cursors.collect())?;
        }
        Ok(taken)
    }

    /// Decodes a record; `None` if that fails.
    fn read(&self, record: Record) -> Option<OldRecord<LeafHeader, Position>> {
        Some(match Header::of(&record).ok()? {
            Header::Leaf(note) => {
                let leaf = record.leaf()?;
                let (contents, relays) = (self.contents(&record), note.relays);
                let envelope = self.signed_leaves.envelope(&record).ok().flatten();
                let signed_entry = match envelope.or_else(|| self.sign_again(&record)) {
                    Some(envelope) => signed_bytes(Bytes::from(record.body), Some(&envelope)),
                    None => signed_bytes(Bytes::from(record.body), None),
                };
                OldRecord::Leaf { leaf, signed_entry, relays, contents, note }
            }
            Header::Content(_) if !self.is_whole => {
                let leaf = record.leaf()?;
                old_content(&record).map_or(OldRecord::Other, |content| OldRecord::Content(leaf, content))
            }
            Header::Cursor(CursorHeader { peer, cursor }) => OldRecord::Cursor(peer, cursor),
            Header::Deferred(header) => {
                OldRecord::Deferred { item: header.item, peer: header.peer, at: record.position }
            }
            Header::DeferredDone(header) => OldRecord::Settled(header.item),
            _ => OldRecord::Other,
        })
    }

    /// The envelope of an own entry, signed again. In a damaged ledger the signature over its batch may be lost. The entry itself is intact, because
    /// its checksum holds. `None` for an entry of another agency or under an older key; peers have those.
    fn sign_again(&self, record: &Record) -> Option<Envelope> {
        let entry = Entry::parse_bare(Bytes::copy_from_slice(&record.body), None, &self.federation).ok()?;
        let charters = self.charter_store.charters();
        let key = signing_key(&entry, &charters).ok()?;
        (key.public == self.key.verification_key()).then(|| OwnBatch::sign(&[entry.id], &self.key).envelope(0))
    }

    fn contents(&self, leaf: &Record) -> LeafContents {
        let Some(leaf) = leaf.leaf().filter(|_| self.is_whole) else { return LeafContents::CameBefore };
        match self.reader.contents(leaf) {
            Ok(contents) => LeafContents::Found(contents.iter().filter_map(old_content).collect()),
            Err(error) => {
                tracing::warn!(%leaf, %error, "a text of the old ledger cannot be read");
                LeafContents::Unreadable
            }
        }
    }

    fn give(&self, taking: &mut Taking, writer: &mut Writer) -> Result<(), WriterError> {
        let (headers, items): (Vec<_>, Vec<_>) =
            taking.take_group().into_iter().map(|Given { item, note }| (note, item)).unzip();
        let received = self.receive(items);
        let entries = headers.into_iter().zip(received).map(|(header, received)| OldEntry { header, received });
        taking.became_leaves(writer.take_over(entries.collect())?);
        Ok(())
    }

    fn give_waiting(&self, taking: &mut Taking, writer: &mut Writer) -> Result<(), WriterError> {
        for (peer, position) in taking.take_deferred() {
            let item =
                self.reader.record(position).ok().and_then(|record| wire::Item::decode(Bytes::from(record.body)).ok());
            let Some(item) = item else {
                taking.read(OldRecord::Unreadable);
                continue;
            };
            let header = waiting_header(peer, item.relays);
            let received = self.receive(vec![item]).into_iter();
            writer.take_over(received.map(|received| OldEntry { header: header.clone(), received }).collect())?;
        }
        Ok(())
    }

    fn receive(&self, items: Vec<wire::Item>) -> Vec<Received> {
        receive_items(items, &self.federation, &self.charter_store.charters(), &self.known)
    }
}

/// The header of a deferred item, which is not a leaf yet.
fn waiting_header(peer: AgencyId, relays: u32) -> LeafHeader {
    LeafHeader { at: 0, from: Some(peer), relays, routes: Vec::new(), unreachable: Vec::new(), external: None }
}

/// Decodes a content record; `None` if it holds no content.
fn old_content(record: &Record) -> Option<OldContent> {
    let Header::Content(ContentHeader { commitment, .. }) = Header::of(record).ok()? else { return None };
    let (salt, data) = record.body.split_first_chunk::<32>()?;
    let content = wire::Content { commitment, salt: salt.to_vec(), data: Bytes::copy_from_slice(data) };
    Some(OldContent { content, is_erased: record.erased })
}
