//! The file that rejected rows are written to.
//!
//! Invariant: the original row is in the file, so that it can be corrected and imported again. A CSV row keeps its header and gets two more
//! columns; a JSON line becomes a field of an object with line and reason.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::records;
use super::rejected::Rejected;

/// The column for the line number in the imported file.
const LINE_COLUMN: &str = "rejected_line";
/// The column for the reason.
const REASON_COLUMN: &str = "rejected_reason";

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
    use crate::import::rejected::Problem;

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
