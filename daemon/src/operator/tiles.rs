//! Streams the ledger as tiles, file by file. The caller writes them to a folder.
//!
//! Invariants:
//! - one checkpoint covers all files, and it comes last: a caller that has the checkpoint has all files;
//! - memory does not grow with the ledger: a few files are read ahead of the reader.

use sinergi_proto::base::ids::LedgerIndex;
use sinergi_proto::operator_api;
use sinergi_proto::tlog::checkpoint;
use sinergi_proto::tlog::note;
use tlog_tiles::Checkpoint;
use tonic::Status;

use super::ledger::SignedLedger;
use super::{RowSink, Rows, blocking, own, rows_ahead};
use crate::tiles::{CHECKPOINT, Resource};
use crate::writer::Head;

/// The number of files that are read ahead of the reader. The largest file, a bundle of the largest entries, has 4 MiB.
const FILES_AHEAD: usize = 4;

impl SignedLedger {
    /// Streams all files that an earlier export does not have.
    pub(super) async fn tiles(
        &self,
        request: operator_api::ExportTilesRequest,
    ) -> Result<Rows<operator_api::TileFile>, Status> {
        let head = self.signed_head(LedgerIndex(0)).await?;
        let (service, asked) = (self.clone(), head.clone());
        let old = blocking(move || service.exported(&request.checkpoint, &asked)).await?;
        let service = self.clone();
        Ok(rows_ahead(FILES_AHEAD, move |row| service.export(old, &head, row)))
    }

    /// The number of leaves in an earlier export of this ledger.
    fn exported(&self, note: &[u8], head: &Head) -> Result<u64, Status> {
        if note.is_empty() {
            return Ok(0);
        }
        let wrong = |problem: String| {
            Status::failed_precondition(format!("the checkpoint of the earlier export {problem}; name another folder"))
        };
        let note = note::read(note).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let earlier = Checkpoint::from_bytes(note.text()).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let origin = checkpoint::origin(self.outbox.federation(), &self.own, head.epoch);
        if earlier.origin() != origin {
            return Err(wrong(format!("is of {:?}, this ledger is {origin}", earlier.origin())));
        }
        let (size, LedgerIndex(now)) = (earlier.size(), head.size);
        if size > now {
            return Err(wrong(format!("covers {size} leaves, this ledger has {now}")));
        }
        let root = own(self.outbox.reader().root_at(size))?;
        if root != *earlier.hash() {
            return Err(wrong(format!("has another root over {size} leaves than this ledger")));
        }
        Ok(size)
    }

    fn export(&self, old: u64, head: &Head, row: RowSink<'_, operator_api::TileFile>) -> Result<(), Status> {
        let (reader, LedgerIndex(size)) = (self.outbox.reader(), head.size);
        let mut written = old;
        for resource in Resource::between(old, size) {
            let missing = || Status::internal(format!("{resource} is not in the tree of {size} leaves"));
            let data = own(resource.read(reader, size))?.ok_or_else(missing)?;
            written = resource.entries_before_end().unwrap_or(written);
            let (path, is_full) = (resource.to_string(), resource.is_full());
            if !row(operator_api::TileFile { path, data, is_full, written, size }) {
                return Ok(());
            }
        }
        let data = head.checkpoint.to_vec();
        row(operator_api::TileFile { path: CHECKPOINT.to_owned(), data, is_full: false, written: size, size });
        Ok(())
    }
}
