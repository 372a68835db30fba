//! Reads complaints from files of other systems. The command, the demo, the load tests and the benchmarks use it.
//!
//! ```text
//! file ── lines ── csv_rows (records, by a Mapping) ──┐
//!           └───── json_rows ─────────────────────────┴─ Row | Rejected ── lodging (bounded concurrency) ── Done
//! ```
//!
//! There are two formats:
//!
//! **CSV** with a header. A [`Mapping`] says how columns become a complaint. The mapping for New York City's 311 service requests is part of the
//! program, and is used if the header has its columns.
//!
//! **JSON Lines**, one object per line, UTF-8:
//!
//! | field | | |
//! |---|---|---|
//! | `source` | mandatory | the name of the other system, at most 64 bytes |
//! | `id` | mandatory | the record's id in that system, at most 128 bytes; each record is lodged once |
//! | `category` | mandatory | category code, at most 128 bytes |
//! | `title` | mandatory | one line, at most 512 bytes |
//! | `body` | mandatory | the citizen's text, at most 240 KiB |
//! | `kind` | `complaint` | or `aspiration`, `information-request` |
//! | `class` | `public` | or `confidential`, `identity` |
//! | `area` | | area code, at most 64 bytes |
//! | `location`, `reporter` | | one line each, at most 2 KiB |
//! | `occurred_at` | | RFC 3339 |
//!
//! Invariants:
//! - a [`Row`] passes the node's own rules for texts ([`sinergi_proto::entry::content`]);
//! - every line that is not blank belongs to exactly one row or one [`Rejected`]; a bad line never spoils a good one;
//! - everything is bounded: a line, a record, the rows in flight.

mod csv_rows;
mod json_rows;
mod lines;
mod lodging;
mod mapping;
mod records;
mod rejected;
mod rejected_file;
mod row;

use std::io::BufRead;

pub use lodging::{Done, StopCause, Stopped, Summary, lodge_all};
pub use mapping::{Coding, Mapping, MappingError};
pub use rejected::{Problem, Rejected};
pub use rejected_file::RejectedFile;
pub use row::Row;

/// The format of a file.
#[derive(Clone, Debug)]
pub enum Shape {
    /// CSV with this mapping; if there is none, with the built-in mapping that fits the header.
    Csv(Option<Box<Mapping>>),
    /// JSON Lines in the documented format.
    JsonLines,
}

/// The reason why a file cannot be imported at all.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Reading failed.
    #[error("the file cannot be read")]
    Unreadable(#[from] std::io::Error),
    /// There is no header line.
    #[error("the file is empty: it has no header line")]
    Empty,
    /// The header is no UTF-8 text, or no CSV.
    #[error("the header line is not readable CSV in UTF-8")]
    Header,
    /// Columns that the mapping needs are missing.
    #[error("the header has no column {}; it has: {}", quoted(missing), quoted(present))]
    MissingColumns {
        /// The missing columns.
        missing: Vec<String>,
        /// The columns of the file.
        present: Vec<String>,
    },
    /// A column that the mapping needs exists twice.
    #[error("the header has the column {0:?} twice, so it is not clear which one to use")]
    DoubleColumn(String),
    /// No mapping was named, and no built-in mapping fits.
    #[error("no built-in mapping fits the header, which has: {}", quoted(.0))]
    NoMapping(Vec<String>),
}

/// The first few names, in quotes.
fn quoted(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut text = names.iter().take(SHOWN).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// The rows of a file, one after the other. There are no more rows after [`Problem::Unreadable`].
pub enum Rows<R> {
    /// The rows of a CSV file.
    Csv(Box<csv_rows::CsvRows<R>>),
    /// The rows of a JSON Lines file.
    Json(json_rows::JsonRows<R>),
}

/// Starts to read a file.
///
/// # Errors
/// The file cannot be read, or its header fits no mapping.
pub fn rows<R: BufRead>(reader: R, shape: Shape) -> Result<Rows<R>, ImportError> {
    match shape {
        Shape::Csv(mapping) => csv_rows::CsvRows::new(reader, mapping).map(|rows| Rows::Csv(Box::new(rows))),
        Shape::JsonLines => Ok(Rows::Json(json_rows::JsonRows::new(reader))),
    }
}

impl<R> Rows<R> {
    /// The header and the delimiter of a CSV file.
    pub fn header(&self) -> Option<(&csv::ByteRecord, u8)> {
        match self {
            Self::Csv(rows) => Some(rows.header()),
            Self::Json(_) => None,
        }
    }
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = Result<Row, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Csv(rows) => rows.next(),
            Self::Json(rows) => rows.next(),
        }
    }
}
