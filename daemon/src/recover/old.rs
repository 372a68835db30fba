//! What can be read of an old ledger, given to the writer of the new one as if peers delivered it: entries with their contents in the ledger's
//! order, then what still waited, then how far peers' ledgers were had.
//!
//! Invariants: memory does not grow with the ledger; one damaged record costs itself alone where its length is known.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use sinergi_proto::engine::OldEntry;
use sinergi_proto::ids::{AgencyId, LedgerIndex};
use sinergi_proto::limits;
use sinergi_proto::link::Cursor;
use sinergi_proto::wire;

use crate::directory::Directory;
use crate::headers::{self, ContentHeader, CursorHeader, DeferredDoneHeader, DeferredHeader, LeafHeader};
use crate::ledger::{LedgerReader, Position, Record, RecordKind};
use crate::link::receive_items;
use crate::writer::{Received, Writer, WriterError};

/// What is given to the writer at once.
const GROUP_BYTES: usize = limits::GROUP_BYTES / 4;

/// The ledger of an epoch that is over.
pub(super) struct OldLedger {
    reader: LedgerReader,
    /// It opens: its leaves and their contents can be looked up.
    is_whole: bool,
    /// Of one that does not: contents whose leaf comes next.
    early: BTreeMap<LedgerIndex, Vec<wire::Content>>,
    federation: String,
    directory: Directory,
    group: Vec<(LeafHeader, wire::Item)>,
    group_bytes: usize,
    /// What waited, and was not settled.
    waiting: BTreeMap<[u8; 32], (AgencyId, Position)>,
    cursors: BTreeMap<AgencyId, Cursor>,
    taken_over: u64,
    unreadable: u64,
    given: u64,
}

impl OldLedger {
    pub(super) fn new(reader: LedgerReader, is_whole: bool, federation: String, directory: Directory) -> Self {
        Self {
            reader,
            is_whole,
            early: BTreeMap::new(),
            federation,
            directory,
            group: Vec::new(),
            group_bytes: 0,
            waiting: BTreeMap::new(),
            cursors: BTreeMap::new(),
            taken_over: 0,
            unreadable: 0,
            given: 0,
        }
    }

    /// Gives everything to the writer: how many entries it took over, and how many it did not.
    pub(super) fn take_over(
        mut self,
        writer: &mut Writer,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<(u64, u64), WriterError> {
        let total = self.reader.size();
        let mut records = self.reader.records_from(self.reader.start());
        while let Some(record) = records.next() {
            match record {
                Ok(record) => self.read(record),
                Err(error) => {
                    tracing::warn!(%error, "passed over a damaged record of the old ledger");
                    self.unreadable += 1;
                    if records.pass_over_damage().is_none() && !records.pass_to_next_record() {
                        break;
                    }
                }
            }
            if self.group.len() >= limits::FRAME_ITEMS || self.group_bytes >= GROUP_BYTES {
                self.give(writer)?;
                progress(self.given, total);
            }
        }
        self.give(writer)?;
        self.give_waiting(writer)?;
        progress(total, total);
        // Who has lost something must be sent everything once more.
        if self.unreadable == 0 && self.is_whole {
            let cursors = self.cursors.into_iter().map(|(peer, cursor)| CursorHeader { peer, cursor });
            writer.take_over_cursors(cursors.collect())?;
        }
        Ok((self.taken_over, self.given.saturating_sub(self.taken_over) + self.unreadable))
    }

    fn read(&mut self, record: Record) {
        let read = match record.kind {
            RecordKind::Leaf => self.read_leaf(record),
            RecordKind::Content if !self.is_whole => self.read_early(record),
            RecordKind::Cursor => headers::decode(&record.header).ok().map(|header: CursorHeader| {
                let newest = self.cursors.entry(header.peer).or_insert(header.cursor);
                *newest = header.cursor.max(*newest);
            }),
            RecordKind::Deferred => headers::decode(&record.header).ok().map(|header: DeferredHeader| {
                self.waiting.insert(header.item, (header.peer, record.position));
            }),
            RecordKind::DeferredDone => headers::decode(&record.header).ok().map(|header: DeferredDoneHeader| {
                self.waiting.remove(&header.item);
            }),
            _ => Some(()),
        };
        self.unreadable += u64::from(read.is_none());
    }

    fn read_leaf(&mut self, record: Record) -> Option<()> {
        let leaf = record.leaf()?;
        let header: LeafHeader = headers::decode(&record.header).ok()?;
        let mut item = wire::Item {
            signed_entry: Bytes::from(record.body),
            content: Vec::new(),
            relays: header.relays.saturating_sub(1),
        };
        if self.is_whole {
            match self.reader.contents(leaf) {
                Ok(contents) => contents.iter().for_each(|record| add_content(&mut item.content, record)),
                // The entry itself is whole.
                Err(error) => {
                    tracing::warn!(%leaf, %error, "a text of the old ledger cannot be read");
                    self.unreadable += 1;
                }
            }
        } else {
            item.content = self.early.remove(&leaf).unwrap_or_default();
            // Of leaves that are damaged, or that came before.
            self.early = self.early.split_off(&leaf);
        }
        self.group_bytes += item.encoded_len();
        self.group.push((header, item));
        Some(())
    }

    fn read_early(&mut self, record: Record) -> Option<()> {
        add_content(self.early.entry(record.leaf()?).or_default(), &record);
        Some(())
    }

    fn give(&mut self, writer: &mut Writer) -> Result<(), WriterError> {
        let (headers, items): (Vec<_>, Vec<_>) = std::mem::take(&mut self.group).into_iter().unzip();
        self.group_bytes = 0;
        self.given += items.len() as u64;
        let received = self.receive(items);
        let entries = headers.into_iter().zip(received).map(|(header, received)| OldEntry { header, received });
        self.taken_over += writer.take_over(entries.collect())?;
        Ok(())
    }

    fn give_waiting(&mut self, writer: &mut Writer) -> Result<(), WriterError> {
        for (peer, position) in std::mem::take(&mut self.waiting).into_values() {
            let item =
                self.reader.record(position).ok().and_then(|record| wire::Item::decode(Bytes::from(record.body)).ok());
            let Some(item) = item else {
                self.unreadable += 1;
                continue;
            };
            let header = LeafHeader {
                at: 0,
                from: Some(peer),
                relays: item.relays,
                routes: Vec::new(),
                unreachable: Vec::new(),
                external: None,
            };
            let received = self.receive(vec![item]).into_iter();
            writer.take_over(received.map(|received| OldEntry { header: header.clone(), received }).collect())?;
        }
        Ok(())
    }

    fn receive(&self, items: Vec<wire::Item>) -> Vec<Received> {
        receive_items(items, &self.federation, &self.directory.charters())
    }
}

/// Adds a content that was not erased, once for a commitment.
fn add_content(contents: &mut Vec<wire::Content>, record: &Record) {
    let Ok(ContentHeader { commitment, .. }) = headers::decode(&record.header) else { return };
    let Some((salt, data)) = record.body.split_first_chunk::<32>().filter(|_| !record.erased) else { return };
    if contents.iter().all(|other| other.commitment != commitment) {
        let data = Bytes::copy_from_slice(data);
        contents.push(wire::Content { commitment, salt: salt.to_vec(), data });
    }
}
