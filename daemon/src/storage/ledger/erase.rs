//! Erases the body of a content record, or of a deferred item with its contents, in place.
//!
//! Must not know why something is erased.
//!
//! Invariants:
//! - only the body and its checksum change; header, length, chain of contents, leaf and tree stay as they are;
//! - the checksum of zeros is on the disk before a byte of the body is overwritten. So after a crash the content counts as erased,
//!   never as damaged, and erasing it again completes the work.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::files::Files;
use super::record::{BODY_CHECKSUM_OFFSET, PREFIX_BYTES, Prefix, zeros_checksum};
use super::scan::{Bodies, record_at};
use super::{EraseError, Fatal, Ledger, Position, ReadError, Salvage};

impl Ledger {
    /// Overwrites the body of the content or deferred item at `position` with zeros, durably. Returns `false` if it was erased already.
    pub fn erase_body(&mut self, position: Position) -> Result<bool, EraseError> {
        if let Some(cause) = &self.stopped {
            return Err(Fatal::Stopped { cause: cause.clone() }.into());
        }
        let erased = erase_body(&self.files, position);
        if let Err(EraseError::Fatal(fatal)) = &erased {
            self.stop(fatal);
        }
        erased
    }
}

impl Salvage {
    /// Like [`Ledger::erase_body`], in a ledger that is only read.
    ///
    /// # Errors
    /// See [`EraseError`].
    pub fn erase_body(&self, position: Position) -> Result<bool, EraseError> {
        erase_body(&self.reader.files, position)
    }
}

fn erase_body(files: &Arc<Files>, position: Position) -> Result<bool, EraseError> {
    let record = record_at(files, position, Bodies::OfLeaves)?;
    if !record.kind.is_erasable() {
        return Err(EraseError::NotContent { position, kind: record.kind });
    }
    let (prefix, body) = files.raw(position)?;
    let mark = zeros_checksum(prefix.body_length);
    if prefix.body_checksum == mark && body.iter().all(|byte| *byte == 0) {
        return Ok(false);
    }
    // From now on, caches must not give out their copies of bodies.
    files.note_erasure();
    let zeros = vec![0; body.len()];
    files.overwrite(position, &mark.to_le_bytes(), prefix.head_length(), &zeros)?;
    Ok(true)
}

impl Files {
    /// Prefix and body as they lie in the file, whatever the body's checksum says. The header has been checked.
    fn raw(&self, position: Position) -> Result<(Prefix, Vec<u8>), ReadError> {
        let path = self.path(position.segment);
        let file = self.file(position.segment)?;
        let read = |bytes: &mut [u8], offset: u32| {
            let offset = u64::from(position.offset) + u64::from(offset);
            file.read_exact_at(bytes, offset).map_err(|source| ReadError::Io { path: path.clone(), offset, source })
        };
        let mut bytes = [0; PREFIX_BYTES];
        read(&mut bytes, 0)?;
        let damaged = |problem| ReadError::Damaged { path: path.clone(), offset: position.offset.into(), problem };
        let prefix = Prefix::decode(&bytes).map_err(damaged)?;
        let mut body = vec![0; prefix.body_length as usize];
        read(&mut body, prefix.head_length())?;
        Ok((prefix, body))
    }

    fn overwrite(&self, position: Position, mark: &[u8], body_offset: u32, zeros: &[u8]) -> Result<(), Fatal> {
        let path = self.path(position.segment);
        let failed = |action, source| Fatal::Io { action, path: path.clone(), offset: position.offset.into(), source };
        let file: File =
            OpenOptions::new().write(true).open(&path).map_err(|source| failed("open for erasing", source))?;
        let at = u64::from(position.offset);
        file.write_all_at(mark, at + u64::from(BODY_CHECKSUM_OFFSET))
            .map_err(|source| failed("mark as erased", source))?;
        file.sync_data().map_err(|source| failed("sync", source))?;
        // A crash from here on leaves a content that counts as erased and is not overwritten yet.
        file.write_all_at(zeros, at + u64::from(body_offset)).map_err(|source| failed("erase", source))?;
        file.sync_data().map_err(|source| failed("sync", source))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use sinergi_proto::base::ids::LedgerIndex;

    use super::super::RecordKind;
    use super::super::fixture::{Fixture, append};
    use super::super::verify;
    use super::*;

    #[test]
    fn an_erased_body_is_gone_and_checksums_chain_and_tree_stand() {
        let fixture = Fixture::with_segments_of(1000);
        let (mut ledger, _) = fixture.open();
        for _ in 0..4 {
            append(&mut ledger, 5);
        }
        assert!(ledger.end().segment > 1);
        let root = ledger.root();
        for leaf in [2, 19].map(LedgerIndex) {
            let position = ledger.reader().contents(leaf).expect("contents")[0].position;
            assert!(ledger.erase_body(position).expect("erased"));
            assert!(!ledger.erase_body(position).expect("nothing left"), "a second time");
            let file = fs::read(fixture.file(&format!("{:08}.seg", position.segment))).expect("the file");
            let text = format!("text {leaf}");
            assert!(!file.windows(text.len() + 1).any(|window| window == format!("{text}\0").as_bytes()), "{text}");
        }
        drop(ledger);
        let (ledger, opened) = fixture.open();
        assert!(opened.cut.is_none());
        assert_eq!(ledger.root(), root);
        for leaf in (0..20).map(LedgerIndex) {
            let content = &ledger.reader().contents(leaf).expect("contents")[0];
            assert_eq!(content.erased, [2, 19].contains(&leaf.0));
            assert_eq!(content.body.is_empty(), content.erased);
            assert_eq!(content.header, b"content");
        }
        assert_eq!(verify(&ledger.reader(), |_| std::ops::ControlFlow::Continue(())), []);
    }

    #[test]
    fn an_interrupted_erasure_counts_as_erased_and_is_completed_by_the_next() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        append(&mut ledger, 2);
        let content = ledger.reader().contents(LedgerIndex(1)).expect("contents")[0].clone();
        let mark = zeros_checksum(content.body.len() as u32).to_le_bytes();
        ledger.files.overwrite(content.position, &mark, content.length - 8, b"").expect("the first step");
        drop(ledger);
        let (mut ledger, opened) = fixture.open();
        assert!(opened.cut.is_none());
        assert!(ledger.reader().record(content.position).expect("the record").erased);
        assert!(ledger.erase_body(content.position).expect("erased"));
        assert!(!ledger.erase_body(content.position).expect("nothing left"));
    }

    #[test]
    fn only_content_is_erased() {
        let fixture = Fixture::new();
        let (mut ledger, _) = fixture.open();
        append(&mut ledger, 1);
        let position = ledger.reader().leaf(LedgerIndex(0)).expect("the leaf").position;
        assert!(matches!(ledger.erase_body(position), Err(EraseError::NotContent { kind: RecordKind::Leaf, .. })));
        let nowhere = Position { segment: 1, offset: position.offset + 4 };
        assert!(matches!(ledger.erase_body(nowhere), Err(EraseError::Read(_))));
    }
}
