//! The begin of a new epoch: declared by our own first leaf, filled with what the old ledger still holds; and what we hear of others'.
//!
//! Invariants:
//! - the first leaf of an epoch after the first is its `LedgerReset`;
//! - what is taken over from an old ledger takes the path of every other entry: authenticated, judged, routed anew. Peers recognise what they
//!   have.

use sinergi_proto::checkpoint::Checkpoint;
use sinergi_proto::entry::Entry;
use sinergi_proto::route::reset_of;
use sinergi_proto::wire::{self, entry::Body};

use super::{Received, SubmitError, Writer, WriterError};
use crate::headers::{self, CursorHeader, LeafHeader};
use crate::ledger::{Group, RecordKind};
use crate::operator::reset_reason;

/// An entry of an old ledger.
pub struct OldEntry {
    /// What this node noted beside it.
    pub header: LeafHeader,
    /// The entry with its contents, as a peer would deliver it.
    pub received: Received,
}

impl Writer {
    /// Declares the epoch, durably: nothing else may be in the ledger yet.
    ///
    /// # Errors
    /// What ends the node. The inner error: why this node may not sign.
    pub fn declare(&mut self, reset: wire::LedgerReset) -> Result<Result<(), SubmitError>, WriterError> {
        let mut group = self.tip.begin();
        let declared = self.write_of_node(&mut group, Body::LedgerReset(reset))?;
        if declared.is_ok() {
            self.end_group(group, Vec::new(), Vec::new())?;
            self.committer.settle()?;
        }
        Ok(declared)
    }

    /// Takes over entries of an old ledger, durably; how many are leaves now that were none.
    ///
    /// # Errors
    /// What ends the node.
    pub fn take_over(&mut self, entries: Vec<OldEntry>) -> Result<u64, WriterError> {
        let mut group = self.tip.begin();
        for entry in entries {
            self.take_over_entry(&mut group, entry)?;
        }
        let leaves = group.next_index().0 - group.first_index().0;
        self.end_group(group, Vec::new(), Vec::new())?;
        self.committer.settle()?;
        Ok(leaves)
    }

    /// Takes over how far the old ledger had those of peers: they need not send again what it held.
    ///
    /// # Errors
    /// What ends the node.
    pub fn take_over_cursors(&mut self, cursors: Vec<CursorHeader>) -> Result<(), WriterError> {
        let mut group = self.tip.begin();
        for cursor in cursors {
            self.record(&mut group, RecordKind::Cursor, &headers::encode(&cursor), &[])?;
        }
        self.end_group(group, Vec::new(), Vec::new())?;
        self.committer.settle()
    }

    /// Records the newest checkpoint and ends.
    ///
    /// # Errors
    /// What ends the node.
    pub fn finish(self) -> Result<(), WriterError> {
        self.committer.end().map(drop)
    }

    fn take_over_entry(&mut self, group: &mut Group, old: OldEntry) -> Result<(), WriterError> {
        let OldEntry { header, received } = old;
        let own = self.parts.own.clone();
        let from = header.from.clone();
        match received {
            // Written here: it keeps the record of another system that it came from, and is owed to everybody who should have it.
            Received::Authentic(authentic) if from.is_none() && self.is_admitted(&authentic.entry)? => {
                let contents = self.check_contents(group, &own, &authentic.entry, authentic.item.content)?;
                self.append(group, &authentic.entry, &contents, None, header.external)?;
                Ok(())
            }
            received => self.receive(group, &from.unwrap_or(own), received).map(drop),
        }
    }

    /// What we hear of another agency's new epoch: its operators declare an honest loss, and everybody sees it.
    pub(super) fn tell_of_reset(&self, entry: &Entry) {
        let Some(reset) = reset_of(entry) else { return };
        if entry.author == self.parts.own {
            return;
        }
        let (author, epoch, old) = (&entry.author, entry.place.epoch, reset.old_epoch);
        let charter = self.parts.directory.newest();
        let before = charter
            .checkpoint_keys(author)
            .and_then(|keys| Checkpoint::open(&reset.newest_checkpoint, &self.parts.federation, author, &keys).ok())
            .map_or_else(|| "shows no checkpoint".to_owned(), |checkpoint| format!("shows {} leaves", checkpoint.size));
        let text = format!(
            "{author} declares that its ledger began epoch {epoch} ({}); of epoch {old} it {before}. What it had is given back to it; ask it \
             if you did not expect this",
            reset_reason(reset)
        );
        self.parts.alarms.raise(format!("reset {author}"), text);
    }
}
