//! The records of a CSV file. Inside quotes a record may span several lines, so with a simple reader a missing quote would swallow the rest
//! of the file.
//!
//! Invariant: if a record of several lines is malformed, only its first line is rejected, and reading continues with its second line. So a bad
//! line spoils no other line.

use std::collections::VecDeque;
use std::io::BufRead;

use super::lines::{LINE_BYTES, Line, Lines, without_line_end};
use super::rejected::{Problem, Rejected};

/// The maximum number of lines of a record.
const RECORD_LINES: usize = 1_000;
/// The maximum size of a record in bytes.
const RECORD_BYTES: usize = 2 * LINE_BYTES;

/// A record with as many cells as the header.
#[derive(Debug)]
pub(super) struct Record {
    /// The number of its first line.
    pub(super) line: u64,
    /// Its cells.
    pub(super) cells: csv::ByteRecord,
    /// Its bytes in the file.
    pub(super) original: Vec<u8>,
    /// Bytes of the file up to its end.
    pub(super) end: u64,
}

pub(super) struct Records<R> {
    lines: Lines<R>,
    /// Lines that were read ahead for a malformed record.
    again: VecDeque<Line>,
    delimiter: u8,
    /// A read error in the middle of a record. It is reported after the lines that were read before it.
    unreadable: Option<Rejected>,
    broken: bool,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(reader: R, delimiter: u8) -> Self {
        Self { lines: Lines::new(reader), again: VecDeque::new(), delimiter, unreadable: None, broken: false }
    }

    /// Sets the byte that separates cells from here on.
    pub(super) fn set_delimiter(&mut self, delimiter: u8) {
        self.delimiter = delimiter;
    }

    /// The first line that is not blank.
    pub(super) fn header_line(&mut self) -> std::io::Result<Option<Line>> {
        while let Some(line) = self.lines.next()? {
            if !line.text().is_empty() {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// The next record, which must have `columns` cells; `None` at the end of the file.
    pub(super) fn next(&mut self, columns: usize) -> Option<Result<Record, Rejected>> {
        let first = loop {
            match self.line()? {
                Ok(line) if line.text().is_empty() => {}
                Ok(line) => break line,
                Err(rejected) => return Some(Err(rejected)),
            }
        };
        if first.cut {
            let problem = Problem::LongLine { limit: LINE_BYTES };
            return Some(Err(Rejected::line(&first, problem)));
        }
        Some(self.assemble(first, columns))
    }

    fn line(&mut self) -> Option<Result<Line, Rejected>> {
        if let Some(line) = self.again.pop_front() {
            return Some(Ok(line));
        }
        if self.broken {
            return self.unreadable.take().map(Err);
        }
        match self.lines.next() {
            Ok(line) => line.map(Ok),
            Err(error) => {
                self.broken = true;
                Some(Err(Rejected::unreadable(self.lines.number() + 1, error)))
            }
        }
    }

    /// Reads a record from its first line to its end.
    fn assemble(&mut self, first: Line, columns: usize) -> Result<Record, Rejected> {
        let mut quotes = Quotes::new(self.delimiter);
        quotes.read(&first.bytes);
        let mut length = first.bytes.len();
        let mut lines = vec![first];
        while quotes.open() && !quotes.stray && lines.len() < RECORD_LINES && length < RECORD_BYTES {
            match self.line() {
                Some(Ok(line)) if !line.cut => {
                    quotes.read(&line.bytes);
                    length += line.bytes.len();
                    lines.push(line);
                }
                Some(Ok(line)) => {
                    self.again.push_front(line);
                    break;
                }
                Some(Err(rejected)) => {
                    self.unreadable = Some(rejected);
                    break;
                }
                None => break,
            }
        }
        // A stray quote within one line is harmless. Over several lines it shows that a quote is missing.
        if quotes.open() || (quotes.stray && lines.len() > 1) {
            return Err(self.give_up(lines, Problem::OpenQuote));
        }
        let bytes: Vec<u8> = lines.iter().flat_map(|line| &line.bytes).copied().collect();
        let original = without_line_end(&bytes).to_vec();
        let cells = parse(&original, self.delimiter);
        if cells.len() != columns {
            let problem = Problem::Columns { found: cells.len(), expected: columns };
            return Err(self.give_up(lines, problem));
        }
        let end = lines.last().map_or(0, |line| line.end);
        Ok(Record { line: lines[0].number, cells, original, end })
    }

    /// Rejects the first line, and returns the others to be read again.
    fn give_up(&mut self, lines: Vec<Line>, problem: Problem) -> Rejected {
        let mut lines = lines.into_iter();
        let first = lines.next().expect("a record has a first line");
        for line in lines.rev() {
            self.again.push_front(line);
        }
        Rejected::line(&first, problem)
    }
}

/// The cells of one record.
pub(super) fn parse(record: &[u8], delimiter: u8) -> csv::ByteRecord {
    let mut cells = csv::ByteRecord::new();
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .buffer_capacity(record.len().clamp(64, 1 << 16))
        .from_reader(record);
    // Reading from memory cannot fail, and a flexible reader accepts any number of cells.
    let _ = reader.read_byte_record(&mut cells);
    cells
}

/// The state of the quotes of a record, from line to line.
struct Quotes {
    delimiter: u8,
    place: Place,
    /// Whether a byte other than a delimiter came after a closing quote.
    stray: bool,
}

/// The position of the next byte in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the start of a cell: only here a quote opens a quoted cell.
    CellStart,
    /// In a cell without quotes.
    Bare,
    /// In a quoted cell: a newline belongs to the cell.
    Quoted,
    /// After a quote in a quoted cell: either the end of the cell, or the first half of a doubled quote.
    Closing,
}

impl Quotes {
    fn new(delimiter: u8) -> Self {
        Self { delimiter, place: Place::CellStart, stray: false }
    }

    /// Whether the record continues on the next line.
    fn open(&self) -> bool {
        self.place == Place::Quoted
    }

    fn read(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.place = match (self.place, byte) {
                (Place::CellStart | Place::Closing, b'"') => Place::Quoted,
                (Place::Quoted, b'"') => Place::Closing,
                (Place::Quoted, _) => Place::Quoted,
                (_, byte) if byte == self.delimiter => Place::CellStart,
                (place, b'\r' | b'\n') => place,
                (place, _) => {
                    self.stray |= place == Place::Closing;
                    Place::Bare
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record's line and cells, or a rejected line and its reason.
    type Told = Result<(u64, Vec<String>), (u64, String)>;

    fn all(text: &str, columns: usize) -> Vec<Told> {
        let mut records = Records::new(text.as_bytes(), b',');
        std::iter::from_fn(|| records.next(columns))
            .map(|record| match record {
                Ok(record) => {
                    let cells = record.cells.iter().map(|cell| String::from_utf8_lossy(cell).into_owned());
                    Ok((record.line, cells.collect()))
                }
                Err(rejected) => Err((rejected.line, rejected.problem.to_string())),
            })
            .collect()
    }

    fn cells(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn a_quoted_cell_may_hold_newlines_quotes_and_delimiters() {
        let records = all("a,\"b\r\nb, \"\"b\"\"\",c\r\n\r\nd,5\" pipe,f", 3);
        assert_eq!(records, [Ok((1, cells(&["a", "b\r\nb, \"b\"", "c"]))), Ok((4, cells(&["d", "5\" pipe", "f"]))),]);
    }

    #[test]
    fn a_missing_quote_spoils_only_its_own_line() {
        let records = all("1,\"lost\n2,b\n3,\"fine\nfine\"\n4,d\n", 2);
        assert_eq!(records.len(), 4, "{records:?}");
        assert!(matches!(&records[0], Err((1, _))), "{records:?}");
        assert_eq!(
            records[1..],
            [Ok((2, cells(&["2", "b"]))), Ok((3, cells(&["3", "fine\nfine"]))), Ok((5, cells(&["4", "d"]))),]
        );
    }

    #[test]
    fn a_quote_that_is_open_at_the_end_of_the_file_is_reported() {
        let records = all("1,a\n2,\"open\n3,c\n", 2);
        assert_eq!(records[0], Ok((1, cells(&["1", "a"]))));
        assert!(matches!(&records[1], Err((2, reason)) if reason.contains("quote")), "{records:?}");
        assert_eq!(records[2], Ok((3, cells(&["3", "c"]))));
    }

    #[test]
    fn a_row_with_another_number_of_cells_is_rejected_with_both_numbers() {
        let records = all("1\n2,b,c\n", 2);
        assert!(
            matches!(&records[0], Err((1, reason)) if reason.contains("1 cell") && reason.contains('2')),
            "{records:?}"
        );
        assert!(matches!(&records[1], Err((2, reason)) if reason.contains("3 cells")), "{records:?}");
    }

    #[test]
    fn many_missing_quotes_cost_bounded_work() {
        for line in ["x,\"y\n", "\"x,y\n\"\"\"\n"] {
            let text = line.repeat(2 * RECORD_LINES);
            assert_eq!(all(&text, 3).len(), text.lines().count(), "each line is reported once");
        }
    }
}
