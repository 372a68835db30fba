//! Items that wait: for a parent, for a charter, for their time. Durable as `Deferred` records; [`sinergi_proto::waiting`] indexes them.

use bytes::Bytes;
use prost::Message;
use sinergi_proto::admission::{Verdict, admit};
use sinergi_proto::entry::Entry;
use sinergi_proto::ids::AgencyId;
use sinergi_proto::limits;
use sinergi_proto::waiting::ItemKey;
use sinergi_proto::wire;

use super::{Received, Selection, Writer, WriterError};
use crate::apply::Applier;
use crate::case::CaseError;
use crate::headers::{self, DeferredDoneHeader, DeferredHeader};
use crate::ledger::{Group, LedgerReader, Position, RecordKind};
use crate::link::receive_items;
use crate::time::now_millis;

/// What waits: where its record lies, and what was noted beside it.
pub(super) type Waiting = sinergi_proto::waiting::Waiting<(Position, DeferredHeader)>;

/// Loads what waits from the store and the ledger.
pub(super) fn load(applier: &Applier, federation: &str) -> Result<Waiting, WriterError> {
    let mut waiting = Waiting::default();
    for item in applier.store().deferred() {
        let (key, position) = item?;
        let (header, body) = read(applier.reader(), position)?;
        let (peer, code) = (header.peer.clone(), header.code);
        waiting.add(key, &peer, code, (position, header), &body, federation);
    }
    waiting.started();
    Ok(waiting)
}

/// The items that wait, or the one whose record lies at a position, of one peer or of all.
pub(super) fn selected(waiting: &Waiting, selection: &Selection) -> Vec<(ItemKey, Position, DeferredHeader)> {
    let is_meant = |peer: &AgencyId, position: Position| {
        selection.position.is_none_or(|selected| selected == position)
            && selection.peer.as_ref().is_none_or(|selected| selected == peer)
    };
    let of =
        |(key, _, (position, header)): (&ItemKey, _, &(Position, DeferredHeader))| (*key, *position, header.clone());
    waiting.iter().filter(|(_, peer, (position, _))| is_meant(peer, *position)).map(of).collect()
}

/// The record of a waiting item.
fn read(reader: &LedgerReader, position: Position) -> Result<(DeferredHeader, Bytes), WriterError> {
    let record = reader.record(position).map_err(CaseError::Ledger)?;
    let header =
        headers::decode(&record.header).map_err(|source| CaseError::Header { index: Default::default(), source })?;
    Ok((header, Bytes::from(record.body)))
}

impl Writer {
    /// Tries what may be possible now, as far as the group has room; the rest waits for the next group.
    pub(super) fn try_unblocked(&mut self, group: &mut Group) -> Result<(), WriterError> {
        let mut not_durable = Vec::new();
        while group.length() < limits::GROUP_BYTES
            && let Some(key) = self.waiting.next_unblocked()
        {
            let Some((position, _)) = self.waiting.get(&key) else { continue };
            // Deferred in this very group: readable when it is durable.
            if *position >= group.start() {
                not_durable.push(key);
                continue;
            }
            self.try_again(group, key)?;
        }
        self.waiting.put_back(not_durable);
        Ok(())
    }

    /// Judges one waiting item again.
    pub(super) fn try_again(&mut self, group: &mut Group, key: ItemKey) -> Result<(), WriterError> {
        let Some((position, _)) = self.waiting.get(&key) else { return Ok(()) };
        let position = *position;
        let (header, body) = read(self.reader()?, position)?;
        // The same path as when it came: it may have been kept before its author's key was known.
        let item = wire::Item::decode(body).unwrap_or_default();
        let charters = self.parts.directory.charters();
        let Some(received) = receive_items(vec![item], &self.parts.federation, &charters).pop() else { return Ok(()) };
        let waits_on = match &received {
            Received::Deferred { .. } => true,
            Received::Authentic(authentic) => self.still_waits(&authentic.entry)?,
            Received::Refused { .. } => false,
        };
        if waits_on {
            return Ok(());
        }
        self.waiting.remove(&key);
        self.has_spent_items = true;
        let done = headers::encode(&DeferredDoneHeader { item: key });
        self.record(group, RecordKind::DeferredDone, &done, &[])?;
        self.receive(group, &header.peer, received)?;
        Ok(())
    }

    fn still_waits(&mut self, entry: &Entry) -> Result<bool, WriterError> {
        let charters = self.parts.directory.charters();
        let Some(charter) = charters.version(entry.charter_version) else { return Ok(true) };
        let case = match &entry.complaint {
            Some(complaint) => self.parts.applier.case(complaint)?,
            None => None,
        };
        let verdict = admit(entry, case.map(|case| &case.complaint), charter, now_millis());
        Ok(matches!(verdict, Verdict::Defer { .. }))
    }
}
