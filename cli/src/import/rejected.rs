//! Rejected rows: their line and the reason.
//!
//! Invariant: the original row is kept, so that it can be corrected and imported again.

use std::io;

use sinergi_proto::entry::content::TextError;

use super::lines::Line;

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
