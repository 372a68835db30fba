//! Complaints from files of other systems, as a library: the command, the demo, the load tests and the benchmarks read rows here.
//!
//! ```text
//! file ── lines ── csv_rows (records, by a Mapping) ──┐
//!           └───── json_rows ─────────────────────────┴─ Row | Rejected ── lodging (bounded concurrency) ── Done
//! ```
//!
//! Two shapes are read:
//!
//! **CSV** with a header; a [`Mapping`] says which columns make a complaint. A mapping for New York City's 311 service requests
//! ships and is taken when the header has its columns.
//!
//! **JSON Lines**, one object a line, UTF-8:
//!
//! | field | | |
//! |---|---|---|
//! | `source` | mandatory | the system that the record comes from, at most 64 bytes |
//! | `id` | mandatory | the record's own id there, at most 128 bytes: one reference is lodged once |
//! | `category` | mandatory | category code, at most 128 bytes |
//! | `title` | mandatory | one line, at most 512 bytes |
//! | `body` | mandatory | what the citizen says, at most 240 KiB |
//! | `kind` | `complaint` | or `aspiration`, `information-request` |
//! | `class` | `public` | or `confidential`, `identity` |
//! | `area` | | area code, at most 64 bytes |
//! | `location`, `reporter` | | one line each, at most 2 KiB |
//! | `occurred_at` | | RFC 3339 |
//!
//! Invariants:
//! - a [`Row`] passes the node's own rules for texts ([`sinergi_proto::entry::content`]);
//! - every line of the file ends up in exactly one row or one [`Rejected`], but blank ones; a bad line never takes a good one
//!   with it;
//! - nothing here is unbounded: a line, a record, what is in flight.

mod csv_rows;
mod json_rows;
mod lines;
mod lodging;
mod mapping;
mod records;
mod rejected;
mod row;

use std::io::BufRead;

pub use lodging::{Done, StopCause, Stopped, Summary, lodge_all};
pub use mapping::{Coding, Mapping, MappingError};
pub use rejected::{Problem, Rejected, RejectedFile};
pub use row::Row;

/// How a file is to be read.
#[derive(Clone, Debug)]
pub enum Shape {
    /// CSV with this mapping; without one, with the shipped mapping whose columns are in the header.
    Csv(Option<Box<Mapping>>),
    /// JSON Lines of the documented shape.
    JsonLines,
}

/// Why a file cannot be read at all.
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
    /// Columns that the mapping needs are not there.
    #[error("the header has no column {}; it has: {}", quoted(missing), quoted(present))]
    MissingColumns {
        /// What the mapping names.
        missing: Vec<String>,
        /// What the file has.
        present: Vec<String>,
    },
    /// A column that the mapping needs is there twice.
    #[error("the header has the column {0:?} twice: it is not clear which is meant")]
    DoubleColumn(String),
    /// No mapping was named and none that ships fits.
    #[error("no mapping that ships with the program fits the header, which has: {}", quoted(.0))]
    NoMapping(Vec<String>),
}

/// The first few of some names, in quotes.
fn quoted(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut text = names.iter().take(SHOWN).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// The rows of a file, one after the other. After [`Problem::Unreadable`] there are no more.
pub enum Rows<R> {
    /// Of a CSV file.
    Csv(Box<csv_rows::CsvRows<R>>),
    /// Of a JSON Lines file.
    Json(json_rows::JsonRows<R>),
}

/// Begins to read a file.
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
