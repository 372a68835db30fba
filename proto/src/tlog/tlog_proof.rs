//! The file format C2SP `tlog-proof`: one leaf of a ledger, proven to be in a signed checkpoint. Any tool of that ecosystem reads it.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>            here: the leaf data, so that the file needs nothing beside it; other writers may leave it out
//! index <decimal>
//! <base64>                  one hash a line, from the leaf's sibling up to the root's child
//!                           an empty line
//! <the checkpoint, a signed note>
//! ```
//!
//! Source: c2sp.org/tlog-proof. It must not know what a leaf means; what it reads is proven only when [`TlogProof::includes`] says so
//! under a checkpoint that verifies.
//!
//! Invariant: a file has one form. What parses is written again byte for byte.

use data_encoding::BASE64;
use tlog_tiles::Hash;

use crate::base::ids::LedgerIndex;
use crate::base::limits;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
const EXTRA: &str = "extra ";
const INDEX: &str = "index ";

/// A proof as it stands in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct TlogProof {
    /// Extra data, which the format leaves to the application.
    pub extra: Option<Vec<u8>>,
    /// The leaf.
    pub index: LedgerIndex,
    /// The hashes from the leaf's sibling up to the root's child.
    pub path: Vec<Hash>,
    /// The signed note.
    pub checkpoint: Vec<u8>,
}

/// Why bytes are no proof file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TlogProofError {
    /// Larger than any proof.
    #[error("it has {0} bytes, a proof has at most {limit}", limit = limits::TLOG_PROOF_BYTES)]
    TooLong(usize),
    /// A line that the format does not have there.
    #[error("line {number} is {found:?}, expected {expected}")]
    Line {
        /// Counted from 1.
        number: usize,
        /// The beginning of the line.
        found: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// More hashes than any tree is high.
    #[error("it has more than {limit} hashes, no ledger's tree is that high", limit = limits::TLOG_PROOF_HASHES)]
    TooManyHashes,
    /// The end came too early.
    #[error("it ends without a checkpoint: an empty line and a signed note are missing")]
    NoCheckpoint,
}

impl TlogProof {
    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{FIRST_LINE}\n");
        if let Some(extra) = &self.extra {
            text += &format!("{EXTRA}{}\n", BASE64.encode(extra));
        }
        text += &format!("{INDEX}{}\n", self.index);
        for hash in &self.path {
            text += &format!("{}\n", BASE64.encode(&hash.0));
        }
        text.push('\n');
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.checkpoint);
        bytes
    }

    /// Reads a file. Nothing is proven yet.
    ///
    /// # Errors
    /// When it is no file of this format.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        if bytes.len() > limits::TLOG_PROOF_BYTES {
            return Err(TlogProofError::TooLong(bytes.len()));
        }
        let mut lines = Lines { rest: bytes, number: 0 };
        let first = lines.next()?;
        if first != FIRST_LINE.as_bytes() {
            return Err(lines.wrong(first, "\"c2sp.org/tlog-proof@v1\""));
        }
        let mut line = lines.next()?;
        let extra = match line.strip_prefix(EXTRA.as_bytes()) {
            Some(encoded) => {
                let extra = BASE64.decode(encoded).map_err(|_| lines.wrong(line, "\"extra\" and base64"))?;
                line = lines.next()?;
                Some(extra)
            }
            None => None,
        };
        let index = line.strip_prefix(INDEX.as_bytes()).and_then(decimal);
        let index = index.ok_or_else(|| lines.wrong(line, "\"index\" and a number"))?;
        let mut path = Vec::new();
        loop {
            let line = lines.next()?;
            if line.is_empty() {
                break;
            }
            if path.len() == limits::TLOG_PROOF_HASHES {
                return Err(TlogProofError::TooManyHashes);
            }
            let hash = BASE64.decode(line).ok().and_then(|hash| <[u8; 32]>::try_from(hash).ok());
            path.push(Hash(hash.ok_or_else(|| lines.wrong(line, "the base64 of a SHA-256 hash, or an empty line"))?));
        }
        if lines.rest.is_empty() {
            return Err(TlogProofError::NoCheckpoint);
        }
        Ok(Self { extra, index: LedgerIndex(index), path, checkpoint: lines.rest.to_vec() })
    }

    /// Whether `leaf` is the data of this leaf in the tree of `size` leaves with `root`.
    pub fn includes(&self, leaf: &[u8], size: u64, root: [u8; 32]) -> bool {
        let hash = tlog_tiles::record_hash(leaf);
        tlog_tiles::check_record(&self.path, size, Hash(root), self.index.0, hash).is_ok()
    }
}

/// A number in the one way in which the format writes it.
fn decimal(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok()?;
    let number: u64 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

/// What has not been read yet.
struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Lines<'a> {
    /// The next line, which must end with a newline.
    fn next(&mut self) -> Result<&'a [u8], TlogProofError> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').ok_or(TlogProofError::NoCheckpoint)?;
        let line = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        self.number += 1;
        Ok(line)
    }

    fn wrong(&self, line: &[u8], expected: &'static str) -> TlogProofError {
        let found = String::from_utf8_lossy(line).chars().take(60).collect();
        TlogProofError::Line { number: self.number, found, expected }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(extra: Option<Vec<u8>>, index: u64, hashes: usize) -> TlogProof {
        let path = (0..hashes).map(|n| Hash([u8::try_from(n).expect("few"); 32])).collect();
        TlogProof {
            extra,
            index: LedgerIndex(index),
            path,
            checkpoint: b"origin\n1\nroot\n\n\xe2\x80\x94 a b\n".to_vec(),
        }
    }

    #[test]
    fn a_file_looks_as_the_specification_says() {
        let expected = "c2sp.org/tlog-proof@v1\nextra AQI=\nindex 7\n\
                        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\norigin\n1\nroot\n\n\u{2014} a b\n";
        assert_eq!(String::from_utf8(sample(Some(vec![1, 2]), 7, 1).to_bytes()).expect("text"), expected);
    }

    #[test]
    fn a_file_with_another_form_is_refused_with_the_line_that_has_it() {
        let good = String::from_utf8(sample(Some(vec![1, 2]), 7, 1).to_bytes()).expect("text");
        for (from, to, number) in [
            ("@v1", "@v2", 1),
            ("AQI=", "AQJ=", 2),
            ("AQI=", "AQI", 2),
            ("AQI=", "AQ\rI=", 2),
            ("index 7", "index 07", 3),
            ("index 7", "index +7", 3),
            ("index 7", "index ", 3),
            ("index 7", "index 18446744073709551616", 3),
            ("extra AQI=\n", "extra AQI=\nextra AQI=\n", 3),
            ("AAAAAAA=\n", "AAAAAAB=\n", 4),
            ("AAAAAAA=\n", "AAAA\n", 4),
        ] {
            let bad = good.replacen(from, to, 1);
            match TlogProof::parse(bad.as_bytes()) {
                Err(TlogProofError::Line { number: at, .. }) => assert_eq!(at, number, "{bad}"),
                other => panic!("{other:?} of {bad}"),
            }
        }
    }

    #[test]
    fn a_file_that_ends_early_or_is_too_long_is_refused() {
        for bytes in [&b""[..], b"c2sp.org/tlog-proof@v1", b"c2sp.org/tlog-proof@v1\nindex 0\n\n"] {
            assert_eq!(TlogProof::parse(bytes), Err(TlogProofError::NoCheckpoint));
        }
        let long = vec![b'\n'; limits::TLOG_PROOF_BYTES + 1];
        assert_eq!(TlogProof::parse(&long), Err(TlogProofError::TooLong(long.len())));
        let high = sample(None, 0, limits::TLOG_PROOF_HASHES + 1).to_bytes();
        assert_eq!(TlogProof::parse(&high), Err(TlogProofError::TooManyHashes));
        let highest = sample(None, 0, limits::TLOG_PROOF_HASHES);
        assert_eq!(TlogProof::parse(&highest.to_bytes()), Ok(highest));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(extra in any::<Option<Vec<u8>>>(), index in any::<u64>(), hashes in 0..20_usize) {
            let proof = sample(extra, index, hashes);
            prop_assert_eq!(TlogProof::parse(&proof.to_bytes()), Ok(proof));
        }

        #[test]
        fn what_is_read_has_that_one_form(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = sample(Some(vec![1, 2]), 7, 1).to_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(proof) = TlogProof::parse(&bytes) {
                prop_assert_eq!(proof.to_bytes(), bytes);
            }
        }
    }
}
