//! Rejected rows: their line, the reason, and the file that they are written to.
//!
//! Invariant: the original row is kept, so that it can be corrected and imported again. A CSV row keeps its header and gets two more columns; a
//! JSON line becomes a field of an object with line and reason.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sinergi_proto::entry::content::TextError;

use super::lines::Line;
use super::records;

/// The column for the line number in the imported file.
const LINE_COLUMN: &str = "rejected_line";
/// The column for the reason.
const REASON_COLUMN: &str = "rejected_reason";

/// The reason why a row is rejected.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A mandatory value is missing.
    #[error("must not be empty")]
    Empty,
    /// A value is too long.
    #[error("has {length} bytes, at most {limit}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A value has a control character.
    #[error("holds the control character U+{character:04X} at character {position}")]
    ControlCharacter {
        /// Its code point.
        character: u32,
        /// Its position in characters, counted from 1.
        position: usize,
    },
    /// A value is not a time.
    #[error("{value:?} is no time {expected}")]
    Time {
        /// The value.
        value: String,
        /// The expected format and the error, in words.
        expected: String,
    },
    /// The mapping has no word for the value.
    #[error("{value:?} is not one of {known}")]
    UnknownValue {
        /// The value.
        value: String,
        /// The values that the mapping knows.
        known: String,
    },
    /// A value is not UTF-8.
    #[error("is not UTF-8 at byte {at}")]
    NotUtf8 {
        /// The position of the first bad byte, counted from 0.
        at: usize,
    },
    /// The row has another number of cells than the header.
    #[error("has {found} cell{} where the header has {expected} (a quote may be missing or too many)", if *found == 1 { "" } else { "s" })]
    Columns {
        /// Cells of the row.
        found: usize,
        /// Cells of the header.
        expected: usize,
    },
    /// A quote is not closed.
    #[error("a quote that opens here is not closed")]
    OpenQuote,
    /// The line is too long.
    #[error("the line is longer than {limit} bytes")]
    LongLine {
        /// The limit in bytes.
        limit: usize,
    },
    /// The line is not a JSON object in the documented format.
    #[error("{0}")]
    Json(String),
    /// The node refused the row.
    #[error("the node refused it: {0}")]
    Refused(String),
    /// The file cannot be read any further.
    #[error("the file cannot be read any further: {0}")]
    Unreadable(io::Error),
}

impl From<TextError> for Problem {
    fn from(error: TextError) -> Self {
        match error {
            TextError::Empty(_) => Self::Empty,
            TextError::TooLong { length, limit, .. } => Self::TooLong { length, limit },
            TextError::ControlCharacter { character, position, .. } => Self::ControlCharacter { character, position },
            TextError::InvalidTime { value, .. } => Self::Time { value, expected: "of RFC 3339".to_owned() },
        }
    }
}

/// A rejected row.
#[derive(Debug)]
pub struct Rejected {
    /// The number of its first line, counted from 1.
    pub line: u64,
    /// The column or field with the problem, if it is a single one.
    pub column: Option<String>,
    /// The reason.
    pub problem: Problem,
    /// Its bytes in the file.
    pub original: Vec<u8>,
    /// Bytes of the file up to its end.
    pub end: u64,
}

impl Rejected {
    pub(super) fn line(line: &Line, problem: Problem) -> Self {
        Self { line: line.number, column: None, problem, original: line.text().to_vec(), end: line.end }
    }

    pub(super) fn unreadable(line: u64, error: io::Error) -> Self {
        Self { line, column: None, problem: Problem::Unreadable(error), original: Vec::new(), end: 0 }
    }

    /// Whether reading stopped at this row.
    pub fn ends_reading(&self) -> bool {
        matches!(self.problem, Problem::Unreadable(_))
    }

    /// The reason with the column, in words.
    pub fn reason(&self) -> String {
        match &self.column {
            Some(column) => format!("{column}: {}", self.problem),
            None => self.problem.to_string(),
        }
    }
}

/// The file for rejected rows. It is created at the first rejected row, and replaces the file of an earlier import.
pub struct RejectedFile {
    path: PathBuf,
    shape: FileShape,
    file: Option<BufWriter<File>>,
}

enum FileShape {
    Csv { header: csv::ByteRecord, delimiter: u8 },
    JsonLines,
}

#[derive(Serialize)]
struct RejectedLine<'a> {
    line: u64,
    column: Option<&'a str>,
    reason: String,
    row: String,
}

impl RejectedFile {
    /// The file for rows of a CSV file.
    pub fn csv(path: &Path, header: &csv::ByteRecord, delimiter: u8) -> Self {
        Self { path: path.to_owned(), shape: FileShape::Csv { header: header.clone(), delimiter }, file: None }
    }

    /// The file for lines of a JSON Lines file.
    pub fn json_lines(path: &Path) -> Self {
        Self { path: path.to_owned(), shape: FileShape::JsonLines, file: None }
    }

    /// The path of the file; `None` if no row was rejected.
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|_| self.path.as_path())
    }

    /// Keeps a row.
    pub fn keep(&mut self, rejected: &Rejected) -> io::Result<()> {
        let bytes = match &self.shape {
            FileShape::Csv { header, delimiter } => csv_row(rejected, header, *delimiter)?,
            FileShape::JsonLines => json_row(rejected)?,
        };
        if self.file.is_none() {
            let mut file = BufWriter::new(File::create(&self.path)?);
            if let FileShape::Csv { header, delimiter } = &self.shape {
                let more = [LINE_COLUMN.as_bytes(), REASON_COLUMN.as_bytes()];
                file.write_all(&csv_bytes(header.iter().chain(more), *delimiter)?)?;
            }
            self.file = Some(file);
        }
        if let Some(file) = &mut self.file {
            file.write_all(&bytes)?;
            file.flush()?;
        }
        Ok(())
    }
}

fn csv_row(rejected: &Rejected, header: &csv::ByteRecord, delimiter: u8) -> io::Result<Vec<u8>> {
    let cells = records::parse(&rejected.original, delimiter);
    let padding = std::iter::repeat_n(&b""[..], header.len().saturating_sub(cells.len()));
    let (line, reason) = (rejected.line.to_string(), rejected.reason());
    csv_bytes(cells.iter().chain(padding).chain([line.as_bytes(), reason.as_bytes()]), delimiter)
}

fn csv_bytes<'a>(cells: impl Iterator<Item = &'a [u8]>, delimiter: u8) -> io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    writer.write_record(cells).map_err(io::Error::other)?;
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

fn json_row(rejected: &Rejected) -> io::Result<Vec<u8>> {
    let line = RejectedLine {
        line: rejected.line,
        column: rejected.column.as_deref(),
        reason: rejected.problem.to_string(),
        row: String::from_utf8_lossy(&rejected.original).into_owned(),
    };
    let mut bytes = serde_json::to_vec(&line)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(line: u64, original: &[u8]) -> Rejected {
        Rejected {
            line,
            column: Some("Created Date".to_owned()),
            problem: Problem::Empty,
            original: original.to_vec(),
            end: 0,
        }
    }

    #[test]
    fn a_rejected_csv_row_is_kept_byte_for_byte_with_line_and_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.rejected.csv");
        let header = csv::ByteRecord::from(vec!["Key", "Created Date"]);
        let mut file = RejectedFile::csv(&path, &header, b',');
        assert_eq!(file.path(), None);
        file.keep(&rejected(3, b"7,\"a \"\"b\"\"\"")).expect("kept");
        file.keep(&rejected(4, b"caf\xe9")).expect("kept");
        let kept = std::fs::read(&path).expect("made");
        let expected = b"Key,Created Date,rejected_line,rejected_reason\n\
            7,\"a \"\"b\"\"\",3,Created Date: must not be empty\n\
            caf\xe9,,4,Created Date: must not be empty\n";
        assert_eq!(kept, expected);
        assert_eq!(file.path(), Some(path.as_path()));
    }

    #[test]
    fn a_rejected_json_line_is_kept_within_an_object() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.rejected.jsonl");
        let mut file = RejectedFile::json_lines(&path);
        file.keep(&rejected(2, b"{\"id\":")).expect("kept");
        let kept = std::fs::read_to_string(&path).expect("made");
        let expected = r#"{"line":2,"column":"Created Date","reason":"must not be empty","row":"{\"id\":"}"#;
        assert_eq!(kept, format!("{expected}\n"));
    }
}
