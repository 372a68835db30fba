//! Encodes the engine's batch: as bytes of the ledger, as changes of the store, and as leaves for the leaf cache.
//!
//! Must not decide anything, and writes nothing to the disk.

use std::sync::Arc;

use sinergi_proto::base::ids::LedgerIndex;
use sinergi_proto::engine::{BatchNumber, DeferredHeader, LeafHeader, Record, RefusedHeader};
use sinergi_proto::entry::content::Content;
use sinergi_proto::entry::{Entry, Envelope};
use sinergi_proto::routing::outbox::{CachedLeaf, OwnLeaf};

use super::committer::Decided;
use super::{Writer, WriterError};
use crate::storage::ledger::{Group, Tip};
use crate::storage::record_codec;

/// The open batch as bytes.
pub(super) struct Encoding {
    pub(super) group: Group,
    /// The index of the first leaf.
    first: LedgerIndex,
    /// Its leaves, for the leaf cache. A leaf that is `None` must be read from the ledger.
    leaves: Vec<Option<CachedLeaf>>,
    /// Contents of the next leaf: a content comes before its leaf.
    contents: Vec<Content>,
    /// Whether it holds a content of a leaf of an earlier batch.
    late_content: bool,
}

impl Encoding {
    pub(super) fn begin(tip: &Tip) -> Self {
        let group = tip.begin();
        let first = group.next_index();
        Self { group, first, leaves: Vec::new(), contents: Vec::new(), late_content: false }
    }

    /// Gives an own leaf of the batch its envelope.
    fn seal(&mut self, leaf: LedgerIndex, envelope: Envelope) {
        let number = usize::try_from(leaf.0 - self.first.0).expect("batches are bounded");
        if let Some(Some(CachedLeaf::Own(own))) = self.leaves.get_mut(number)
            && let Some(own) = Arc::get_mut(own)
        {
            own.entry.envelope = Some(envelope);
        }
    }
}

impl Writer {
    /// Encodes the engine's decisions since the last call. Meanwhile the commit thread may be writing the batch before.
    pub(super) fn encode_new(&mut self) -> Result<(), WriterError> {
        let number = self.engine.open_batch();
        let mut records = std::mem::take(&mut self.batch.records);
        for record in records.drain(..) {
            self.encode_record(record, number)?;
        }
        self.batch.records = records;
        Ok(())
    }

    /// Takes the closed batch, for the commit thread; `None` if it has no records.
    pub(super) fn encoded(&mut self) -> Option<Decided> {
        let Encoding { group, leaves, late_content, .. } =
            self.encoding.take().filter(|open| !open.group.is_empty())?;
        self.tip.follow(&group);
        let cases = self.batch.touched.iter().filter_map(|id| Some((id, self.engine.case(id)?)));
        let changes = self.derivation.close(cases);
        Some(Decided { group, changes, leaves, late_content, owed: self.owed })
    }

    fn encode_record(&mut self, record: Record, number: BatchNumber) -> Result<(), WriterError> {
        let encoding = self.encoding.get_or_insert_with(|| Encoding::begin(&self.tip));
        let index = encoding.group.next_index();
        let position = record_codec::append(&mut encoding.group, &record)?;
        match record {
            Record::Leaf { header, entry } => {
                let contents = std::mem::take(&mut encoding.contents);
                self.derivation.leaf(&entry, index, &header, number)?;
                self.keep_for_links(index, header, *entry, contents);
            }
            Record::Signature { leaves, signed } => {
                leaves.into_iter().zip(signed.envelopes()).for_each(|(leaf, envelope)| encoding.seal(leaf, envelope));
            }
            Record::Content { leaf, content, .. } if leaf == index => encoding.contents.push(content),
            Record::Content { .. } => encoding.late_content = true,
            Record::Receipt { header, .. } => self.derivation.receipt(&header, position),
            Record::Cursor(header) => self.derivation.cursor(&header),
            Record::Seen { header, .. } => self.derivation.seen(&header, position),
            Record::Refused { header, .. } => {
                let RefusedHeader { peer, entry, code, detail, .. } = &header;
                tracing::warn!(%peer, ?entry, code, "refused an item: {detail}");
                self.derivation.refused(&header, position);
            }
            Record::Deferred { header, .. } => {
                let DeferredHeader { peer, entry, code, detail, .. } = &header;
                tracing::info!(%peer, ?entry, code, detail, "an item waits");
                self.derivation.deferred(&header, position);
            }
            Record::DeferredDone(header) => self.derivation.deferred_done(&header),
            Record::Ceiling(header) => self.derivation.ceiling(&header),
            Record::PutOff(_) => {}
            Record::Judged(header) => self.derivation.judged(&header, self.batch.touched.iter(), number)?,
            Record::Routing(header) => {
                self.derivation.routing(&header);
                self.owed += 1;
            }
        }
        Ok(())
    }

    /// Adds a leaf for the leaf cache, if links can send it without reading the ledger.
    fn keep_for_links(&mut self, index: LedgerIndex, header: LeafHeader, entry: Entry, contents: Vec<Content>) {
        // Routing records before a leaf are in the ledger only.
        let follows_directly = std::mem::take(&mut self.owed) == 0;
        let cached = match header {
            _ if !follows_directly => None,
            LeafHeader { from: None, routes, .. } => {
                let has_history = routes.iter().any(|route| route.history);
                let earlier = if has_history { self.leaves_before(&entry, index) } else { Vec::new() };
                Some(CachedLeaf::Own(Arc::new(OwnLeaf { entry, routes, contents, earlier })))
            }
            header => header.routes.is_empty().then_some(CachedLeaf::NotRouted),
        };
        if let Some(encoding) = &mut self.encoding {
            encoding.leaves.push(cached);
        }
    }

    /// The leaves of the entry's complaint before `index`, in order.
    fn leaves_before(&self, entry: &Entry, index: LedgerIndex) -> Vec<LedgerIndex> {
        let case = entry.complaint.as_ref().and_then(|complaint| self.engine.case(complaint));
        let leaves = case.into_iter().flat_map(|case| case.leaves.values().copied());
        let mut earlier: Vec<LedgerIndex> = leaves.filter(|leaf| *leaf < index).collect();
        earlier.sort_unstable();
        earlier
    }
}
