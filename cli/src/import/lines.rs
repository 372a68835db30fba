//! The lines of a file as bytes, numbered from 1.
//!
//! Invariants: a line has at most [`LINE_BYTES`], and the rest of a longer one is skipped; a byte order mark at the start of the file is not part
//! of the first line.

use std::io::{self, BufRead, Read};

use sinergi_proto::base::limits;

/// The maximum size of a line in bytes: the longest text with every character escaped.
pub(super) const LINE_BYTES: usize = 6 * limits::CONTENT_BYTES;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: u64,
    /// Its bytes, including the newline if there is one.
    pub(super) bytes: Vec<u8>,
    /// Bytes of the file up to its end.
    pub(super) end: u64,
    /// Whether the line was longer and was cut.
    pub(super) cut: bool,
}

impl Line {
    /// The bytes without the line end.
    pub(super) fn text(&self) -> &[u8] {
        without_line_end(&self.bytes)
    }
}

/// Removes a newline, and a carriage return before it, from the end.
pub(super) fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

pub(super) struct Lines<R> {
    reader: R,
    number: u64,
    end: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, number: 0, end: 0 }
    }

    /// The number of the last line that was read.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        let limit = LINE_BYTES as u64;
        let read = (&mut self.reader).take(limit).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(None);
        }
        let mut passed = 0;
        let full = read == LINE_BYTES && !bytes.ends_with(b"\n");
        if full {
            passed = self.skip_line()?;
        }
        self.number += 1;
        self.end += read as u64 + passed;
        if self.number == 1 && bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(Some(Line { number: self.number, bytes, end: self.end, cut: full && passed > 0 }))
    }

    /// Skips the rest of a line.
    fn skip_line(&mut self) -> io::Result<u64> {
        let mut passed = 0;
        loop {
            let buffer = self.reader.fill_buf()?;
            let (count, ended) = match buffer.iter().position(|&byte| byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.reader.consume(count);
            passed += count as u64;
            if ended {
                return Ok(passed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<Line> {
        let mut lines = Lines::new(bytes);
        std::iter::from_fn(|| lines.next().expect("memory can be read")).collect()
    }

    #[test]
    fn lines_are_numbered_and_lose_the_byte_order_mark() {
        let lines = all(b"\xef\xbb\xbfa,b\r\n\nc");
        let texts: Vec<_> = lines.iter().map(|line| (line.number, line.text())).collect();
        assert_eq!(texts, [(1, &b"a,b"[..]), (2, b""), (3, b"c")]);
        assert_eq!(lines[2].end, 10);
    }

    #[test]
    fn an_endless_line_is_cut_and_the_next_one_is_read() {
        let mut bytes = vec![b'x'; LINE_BYTES + 100_000];
        bytes.extend_from_slice(b"\nnext\n");
        let lines = all(&bytes);
        assert_eq!((lines.len(), lines[0].bytes.len(), lines[0].cut), (2, LINE_BYTES, true));
        assert_eq!((lines[1].text(), lines[1].end, lines[1].cut), (&b"next"[..], bytes.len() as u64, false));
    }
}
