//! The full check of a ledger: every record, the order of leaves and groups, the tree, the positions.
//!
//! It must not know what records mean, changes nothing, and runs while the owner appends: it looks at what was settled when it
//! began.
//!
//! Invariants:
//! - one damaged record is one finding: where its length is known the check goes on behind it, else at the next segment;
//! - memory does not grow with the ledger: findings are bounded.

use std::fs::File;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use sinergi_proto::base::ids::LedgerIndex;
use sinergi_proto::tlog::frontier::Frontier;

use super::derived::PLACE_BYTES;
use super::files::Segment;
use super::record::Own;
use super::scan::{Bodies, Records, SCAN_BYTES, Until, record_at};
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader};
use super::tail::Groups;
use super::{LedgerReader, Position, ReadError, Record, RecordKind};

/// Findings after which a check ends.
const FINDINGS_MAX: usize = 1000;
const SEGMENT_ADVICE: &str =
    "put the file back from a backup, or run `sinergi recover` to fetch the entries from the peers";
const DERIVED_ADVICE: &str = "stop the node and run `sinergid rebuild`";

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// The offset in the file, in bytes.
    pub offset: u64,
    /// The problem.
    pub problem: String,
    /// Advice for the operator.
    pub advice: &'static str,
}

/// The progress of a check, in bytes of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes checked.
    pub checked: u64,
    /// Bytes in all.
    pub total: u64,
}

/// Checks everything that is durable now; at most 1000 findings. `progress` is called about once a mebibyte; it ends the check by
/// `Break`.
pub fn verify(reader: &LedgerReader, progress: impl FnMut(Progress) -> ControlFlow<()>) -> Vec<Finding> {
    let end = reader.end();
    let mut segments = reader.files.segments();
    segments.retain(|segment| segment.header.number <= end.segment);
    if let Some(newest) = segments.last_mut() {
        newest.length = end.offset;
    }
    let total = segments.iter().map(|segment| u64::from(segment.length)).sum();
    let mut check = Check {
        reader,
        progress,
        state: Progress { checked: 0, total },
        reported: 0,
        tree: Frontier::default(),
        end,
        findings: Vec::new(),
    };
    for segment in &segments {
        if check.segment(segment).is_break() || check.findings.len() >= FINDINGS_MAX {
            break;
        }
    }
    check.findings.truncate(FINDINGS_MAX);
    check.findings
}

struct Check<'a, F> {
    reader: &'a LedgerReader,
    progress: F,
    state: Progress,
    reported: u64,
    tree: Frontier,
    end: Position,
    findings: Vec<Finding>,
}

impl<F: FnMut(Progress) -> ControlFlow<()>> Check<'_, F> {
    fn segment(&mut self, segment: &Segment) -> ControlFlow<()> {
        let header = &segment.header;
        let start = Position { segment: header.number, offset: SEGMENT_HEADER_BYTES };
        self.segment_header(header);
        self.fill_up_to(header.first_leaf);
        if self.tree.size() != header.first_leaf || self.tree.root() != header.root {
            let problem =
                format!("the leaves before it do not give the root over {} leaves that it names", header.first_leaf);
            self.in_segment(start.segment, 0, problem);
        }
        let before = self.state.checked;
        let mut groups = Groups::new(header.first_leaf);
        let files = Arc::clone(&self.reader.files);
        let mut records = Records::new(files, start, Bodies::All, Until::EndOf(start.segment), SCAN_BYTES);
        // What the owner appended since is left out.
        while records.position().offset < segment.length && self.findings.len() < FINDINGS_MAX {
            let Some(next) = records.next() else { break };
            let (record, is_damaged) = match next {
                Ok(record) => (record, false),
                Err(error) => {
                    self.read_error(&error);
                    match records.pass_over_damage() {
                        Some(record) => (record, true),
                        None => break,
                    }
                }
            };
            if let Err(problem) = groups.accept(&record) {
                self.in_segment(start.segment, record.position.offset, problem.to_string());
                break;
            }
            self.record(&record, is_damaged);
            self.state.checked = before + u64::from(record.end().offset);
            if self.state.checked - self.reported >= u64::from(SCAN_BYTES) {
                self.report()?;
            }
        }
        if records.position().offset == segment.length && groups.boundary() != segment.length {
            self.in_segment(start.segment, segment.length, "the last group is not complete".to_owned());
        }
        self.state.checked = before + u64::from(segment.length);
        self.report()
    }

    fn report(&mut self) -> ControlFlow<()> {
        self.reported = self.state.checked;
        (self.progress)(self.state)
    }

    /// The header in the file is still the one that was read at open.
    fn segment_header(&mut self, header: &SegmentHeader) {
        let mut bytes = [0; SEGMENT_HEADER_BYTES as usize];
        let read = File::open(self.reader.files.path(header.number)).and_then(|file| file.read_exact_at(&mut bytes, 0));
        if read.is_err() || SegmentHeader::decode(&bytes).as_ref() != Ok(header) {
            self.in_segment(header.number, 0, "the segment's header is damaged or cannot be read".to_owned());
        }
    }

    /// A record whose checksums are right, or whose body alone is damaged.
    fn record(&mut self, record: &Record, is_damaged: bool) {
        match record.own {
            Own::Leaf { index } => {
                self.fill_up_to(index);
                self.leaf(index, record, is_damaged);
            }
            Own::Content { index, previous } => {
                let named = self.reader.files.derived.places(LedgerIndex(index)).map(|places| places.content);
                // The newest content was named last; if this is not it, it is one behind.
                let is_named = named.is_ok_and(|named| named >= Some(record.position));
                if !is_named {
                    let problem = format!(
                        "the newest content of leaf {index} is not the one at {} or behind it",
                        record.position
                    );
                    self.in_positions(index, 8, problem);
                }
                if previous.is_some_and(|previous| previous >= record.position || !self.is_content_of(previous, index))
                {
                    let problem = format!("it names an older content of leaf {index} that is none");
                    self.in_segment(record.position.segment, record.position.offset, problem);
                }
            }
            Own::Signature { .. } => {
                for leaf in record.signed_leaves() {
                    let named = self.reader.files.derived.places(leaf).map(|places| places.signature);
                    if !named.is_ok_and(|named| named == Some(record.position)) {
                        let problem = format!("leaf {leaf} is signed at {}, not where it says", record.position);
                        self.in_positions(leaf.0, 16, problem);
                    }
                }
            }
            Own::Group { .. } | Own::None => {}
        }
    }

    fn leaf(&mut self, index: u64, record: &Record, is_damaged: bool) {
        let derived = &self.reader.files.derived;
        match derived.places(LedgerIndex(index)) {
            Ok(places) => {
                if places.leaf != Some(record.position) {
                    self.in_positions(index, 0, format!("leaf {index} is at {}, not where it says", record.position));
                }
                if places.content.is_some_and(|content| !self.is_content_of(content, index)) {
                    self.in_positions(index, 8, format!("the record that it names is no content of leaf {index}"));
                }
                if places.signature.is_some_and(|signature| !self.signs(signature, index)) {
                    self.in_positions(index, 16, format!("the record that it names does not sign leaf {index}"));
                }
            }
            Err(error) => self.read_error(&error),
        }
        let first = tlog_tiles::stored_hash_index(0, index);
        let stored = derived.hash(first);
        let hash = match &stored {
            // Of a damaged leaf the stored hash is the best that is known.
            Ok(stored) if is_damaged => *stored,
            _ => tlog_tiles::record_hash(&record.body),
        };
        for (node, number) in self.tree.push(hash).into_iter().zip(first..) {
            match self.reader.files.derived.hash(number) {
                Ok(stored) if stored == node => {}
                Ok(_) => {
                    let (level, nth) = tlog_tiles::split_stored_hash_index(number);
                    let problem = format!("node {nth} of level {level} is not the hash of the leaves below it");
                    let file = self.reader.files.derived.hashes_path.clone();
                    self.findings.push(Finding { file, offset: number * 32, problem, advice: DERIVED_ADVICE });
                }
                Err(error) => self.read_error(&error),
            }
        }
    }

    /// Takes leaves that could not be read from `hashes`, so that what follows can be checked.
    fn fill_up_to(&mut self, size: u64) {
        while self.tree.size() < size {
            match self.reader.files.derived.hash(tlog_tiles::stored_hash_index(0, self.tree.size())) {
                Ok(hash) => drop(self.tree.push(hash)),
                Err(_) => break,
            }
        }
    }

    /// Whether there is a content of this leaf; one that was appended since the check began is taken for one.
    fn is_content_of(&self, position: Position, leaf: u64) -> bool {
        let is = |record: Record| record.kind == RecordKind::Content && record.leaf() == Some(LedgerIndex(leaf));
        position >= self.end || record_at(&self.reader.files, position, Bodies::OfLeaves).is_ok_and(is)
    }

    /// Whether the record at a position signs this leaf, as far as it can be read. A damaged signature is found when it is read in its turn, and so
    /// are leaves that do not name their signature.
    fn signs(&self, position: Position, leaf: u64) -> bool {
        let is = |record: Record| record.signed_leaves().any(|signed| signed.0 == leaf);
        position >= self.end || record_at(&self.reader.files, position, Bodies::OfLeaves).map_or(true, is)
    }

    fn in_segment(&mut self, number: u32, offset: u32, problem: String) {
        let file = self.reader.files.path(number);
        self.findings.push(Finding { file, offset: offset.into(), problem, advice: SEGMENT_ADVICE });
    }

    fn in_positions(&mut self, leaf: u64, within: u64, problem: String) {
        let file = self.reader.files.derived.positions_path.clone();
        self.findings.push(Finding { file, offset: leaf * PLACE_BYTES + within, problem, advice: DERIVED_ADVICE });
    }

    fn read_error(&mut self, error: &ReadError) {
        let derived = &self.reader.files.derived;
        let (file, offset, problem) = match error {
            ReadError::Damaged { path, offset, problem } => (path.clone(), *offset, problem.to_string()),
            ReadError::Io { path, offset, source } => (path.clone(), *offset, format!("it cannot be read: {source}")),
            other => (self.reader.files.dir.clone(), 0, other.to_string()),
        };
        let is_derived = file == derived.hashes_path || file == derived.positions_path;
        let advice = if is_derived { DERIVED_ADVICE } else { SEGMENT_ADVICE };
        self.findings.push(Finding { file, offset, problem, advice });
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, append};
    use super::*;

    fn ledger() -> Fixture {
        let fixture = Fixture::with_segments_of(1500);
        let (mut ledger, _) = fixture.open();
        for _ in 0..12 {
            append(&mut ledger, 5);
        }
        assert!(ledger.end().segment > 3);
        fixture
    }

    fn check(fixture: &Fixture) -> Vec<Finding> {
        let (ledger, _) = fixture.open();
        verify(&ledger.reader(), |_| ControlFlow::Continue(()))
    }

    #[test]
    fn a_flipped_bit_in_a_sealed_segment_is_found_and_named() {
        let fixture = ledger();
        let (ledger, _) = fixture.open();
        let records: Vec<_> = ledger
            .reader()
            .records_from(ledger.reader().start())
            .map(|record| record.expect("intact"))
            .take_while(|record| record.position.segment == 1)
            .collect();
        drop(ledger);
        for record in records {
            for byte in (0..record.length).step_by(3) {
                let damaged = fixture.copy();
                damaged.flip("00000001.seg", u64::from(record.position.offset + byte));
                let findings = check(&damaged);
                assert_eq!(findings.len(), 1, "{findings:?}");
                assert_eq!(findings[0].file, damaged.file("00000001.seg"));
                assert_eq!(findings[0].offset, u64::from(record.position.offset));
            }
        }
    }

    #[test]
    fn a_flipped_bit_in_the_tree_or_the_positions_is_found_and_named() {
        let fixture = ledger();
        for (name, width) in [("hashes", 32), ("positions", 8)] {
            for offset in (0..600).step_by(7) {
                let damaged = fixture.copy();
                damaged.flip(name, offset);
                // Open heals what it looks at; then there is nothing to find.
                let (ledger, opened) = damaged.open();
                let findings = verify(&ledger.reader(), |_| ControlFlow::Continue(()));
                if opened.rebuilt_from.is_some() {
                    assert_eq!(findings, []);
                } else {
                    let found = findings
                        .iter()
                        .any(|finding| finding.file == damaged.file(name) && finding.offset == offset / width * width);
                    assert!(found, "{name} at {offset}: {findings:?}");
                }
            }
        }
    }

    #[test]
    fn a_damaged_segment_header_is_found() {
        let fixture = ledger();
        let (ledger, _) = fixture.open();
        fixture.flip("00000002.seg", 50);
        let findings = verify(&ledger.reader(), |_| ControlFlow::Continue(()));
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!((&findings[0].file, findings[0].offset), (&fixture.file("00000002.seg"), 0));
    }

    #[test]
    fn a_check_reports_how_far_it_is_and_can_be_ended() {
        let fixture = ledger();
        let (ledger, _) = fixture.open();
        let mut reports = Vec::new();
        verify(&ledger.reader(), |progress| {
            reports.push(progress);
            ControlFlow::Continue(())
        });
        let last = reports.last().expect("a report");
        assert_eq!(last.checked, last.total);
        assert!(reports.is_sorted_by_key(|progress| progress.checked));
        let mut calls = 0;
        verify(&ledger.reader(), |_| {
            calls += 1;
            ControlFlow::Break(())
        });
        assert_eq!(calls, 1);
    }
}
