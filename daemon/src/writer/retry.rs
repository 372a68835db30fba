//! Judging again, at an operator's word, what this node refused or what waits: a charter was put right, a clock set, a peer has sent what was
//! missing.
//!
//! Invariant: the same path as when the item came. A refusal that stands is told and not recorded a second time.

use bytes::Bytes;
use sinergi_proto::admission::Verdict;
use sinergi_proto::ids::EntryId;
use sinergi_proto::limits;
use sinergi_proto::receipt::ItemOutcome;
use sinergi_proto::wire;

use super::deferred::selected;
use super::{Received, Retried, Selection, SubmitError, Writer, WriterError};
use crate::case::CaseError;
use crate::headers::{self, RefusedHeader};
use crate::ledger::{Group, Position, RecordKind};
use crate::link::receive_items;

/// Refused items of one call: the newest ones.
const REFUSED_MOST: usize = 1_000;

impl Writer {
    /// Judges the selected items again; what became of each.
    pub(super) fn retry_items(
        &mut self,
        group: &mut Group,
        selection: &Selection,
    ) -> Result<Result<Vec<Retried>, SubmitError>, WriterError> {
        let mut retried = Vec::new();
        for (key, position, header) in selected(&self.waiting, selection) {
            if position >= group.start() || group.length() >= limits::GROUP_BYTES {
                break;
            }
            self.try_again(group, key)?;
            let outcome = match self.waiting.contains(&key) {
                true => ItemOutcome::Deferred(header.code),
                false => self.outcome_of(&header.entry, position)?,
            };
            let reason = if matches!(outcome, ItemOutcome::Leaf(_)) { String::new() } else { header.detail };
            retried.push(Retried { position, entry: header.entry, outcome, reason });
        }
        for position in self.refused_by_us(selection)? {
            if group.length() >= limits::GROUP_BYTES {
                break;
            }
            retried.extend(self.retry_refused(group, selection, position)?);
        }
        Ok(match selection.position {
            Some(position) if retried.is_empty() => Err(SubmitError::NoItem(position)),
            _ => Ok(retried),
        })
    }

    fn refused_by_us(&mut self, selection: &Selection) -> Result<Vec<Position>, WriterError> {
        if let Some(position) = selection.position {
            return Ok(vec![position]);
        }
        let mut positions = Vec::new();
        for item in self.store()?.refused().take(REFUSED_MOST) {
            let (_, position, row) = item?;
            if row.by_us {
                positions.push(position);
            }
        }
        Ok(positions)
    }

    fn retry_refused(
        &mut self,
        group: &mut Group,
        selection: &Selection,
        position: Position,
    ) -> Result<Option<Retried>, WriterError> {
        let Ok(record) = self.reader()?.record(position) else { return Ok(None) };
        if record.kind != RecordKind::Refused {
            return Ok(None);
        }
        let header: RefusedHeader = headers::decode(&record.header)
            .map_err(|source| CaseError::Header { index: Default::default(), source })?;
        if selection.peer.as_ref().is_some_and(|peer| *peer != header.peer) {
            return Ok(None);
        }
        let item = wire::Item { signed_entry: Bytes::from(record.body), ..Default::default() };
        let charters = self.parts.directory.charters();
        let Some(received) = receive_items(vec![item], &self.parts.federation, &charters).pop() else {
            return Ok(None);
        };
        let refused = |code, reason| {
            let outcome = ItemOutcome::Refused(code);
            Some(Retried { position, entry: header.entry, outcome, reason })
        };
        let authentic = match &received {
            Received::Refused { refusal, .. } => {
                return Ok(refused(refusal.code.number(), refusal.detail.clone()));
            }
            Received::Authentic(authentic) => Some(authentic),
            Received::Deferred { .. } => None,
        };
        if let Some(authentic) = authentic
            && let Verdict::Refuse(refusal) = self.judge(&authentic.entry)?
        {
            return Ok(refused(refusal.code.number(), refusal.detail));
        }
        let result = self.receive(group, &header.peer, received)?;
        let reason = match result.outcome {
            ItemOutcome::Leaf(_) => String::new(),
            ItemOutcome::Refused(_) | ItemOutcome::Deferred(_) => header.detail,
        };
        Ok(Some(Retried { position, entry: result.entry, outcome: result.outcome, reason }))
    }

    /// What became of an item that no longer waits.
    fn outcome_of(&mut self, entry: &EntryId, position: Position) -> Result<ItemOutcome, WriterError> {
        let item = self.reader()?.record(position).map_err(CaseError::Ledger)?;
        let entry_here = {
            use prost::Message;
            let item = wire::Item::decode(Bytes::from(item.body)).unwrap_or_default();
            sinergi_proto::entry::Entry::parse(item.signed_entry, &self.parts.federation).ok()
        };
        let leaf = match entry_here.filter(|here| here.id == *entry) {
            Some(here) => self.leaf_of(&here)?,
            None => None,
        };
        Ok(leaf.map_or(ItemOutcome::Refused(0), ItemOutcome::Leaf))
    }
}
