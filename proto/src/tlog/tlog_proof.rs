//! The file format C2SP `tlog-proof`: one leaf of a ledger, with the proof that it is in a signed checkpoint.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>            optional; Sinergi puts the leaf data here, so that the file is complete
//! index <decimal>
//! <base64>                  one hash on each line, from the leaf's sibling up to the root's child
//!                           an empty line
//! <the checkpoint, a signed note>
//! ```
//!
//! Must not know what a leaf means.
//!
//! Invariants:
//! - a file has one form: bytes that parse are written again byte for byte;
//! - parsing proves nothing. The leaf is proven when [`TlogProof::includes`] is true for a checkpoint that verifies.
//!
//! Source: c2sp.org/tlog-proof.

use data_encoding::BASE64;
use tlog_tiles::Hash;

use crate::base::ids::LedgerIndex;
use crate::base::limits;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
const EXTRA: &str = "extra ";
const INDEX: &str = "index ";

/// The parts of a proof file.
#[derive(Clone, Debug, PartialEq)]
pub struct TlogProof {
    /// Extra data, which the format leaves to the application.
    pub extra: Option<Vec<u8>>,
    /// The index of the leaf.
    pub index: LedgerIndex,
    /// The hashes from the leaf's sibling up to the root's child.
    pub path: Vec<Hash>,
    /// The checkpoint, as a signed note.
    pub checkpoint: Vec<u8>,
}

/// The reason why bytes are no proof file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TlogProofError {
    /// The file is larger than any proof.
    #[error("it has {0} bytes, a proof has at most {limit}", limit = limits::TLOG_PROOF_BYTES)]
    TooLong(usize),
    /// A line does not have the form that the format demands.
    #[error("line {number} is {found:?}, expected {expected}")]
    Line {
        /// The line's number, counted from 1.
        number: usize,
        /// The first 60 characters of the line.
        found: String,
        /// The form that the line must have, in words.
        expected: &'static str,
    },
    /// There are more hashes than the highest tree has levels.
    #[error("it has more than {limit} hashes, no ledger's tree is that high", limit = limits::TLOG_PROOF_HASHES)]
    TooManyHashes,
    /// The file ends before the checkpoint.
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

    /// Parses a file. Nothing is proven yet.
    ///
    /// # Errors
    /// When the bytes do not have this format.
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

    /// Whether the proof shows that `leaf` has this index in the tree of `size` leaves with `root`.
    pub fn includes(&self, leaf: &[u8], size: u64, root: [u8; 32]) -> bool {
        let hash = tlog_tiles::record_hash(leaf);
        tlog_tiles::check_record(&self.path, size, Hash(root), self.index.0, hash).is_ok()
    }
}

/// Parses a decimal number without sign and leading zeros, as the format writes it.
fn decimal(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok()?;
    let number: u64 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

/// The part of the file that is not parsed yet, and the number of the last line.
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
    fn a_file_has_the_form_of_the_specification() {
        let expected = "c2sp.org/tlog-proof@v1\nextra AQI=\nindex 7\n\
                        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\norigin\n1\nroot\n\n\u{2014} a b\n";
        assert_eq!(String::from_utf8(sample(Some(vec![1, 2]), 7, 1).to_bytes()).expect("text"), expected);
    }

    #[test]
    fn a_file_of_another_form_is_refused_and_the_wrong_line_is_named() {
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
        fn a_written_proof_is_read_back(extra in any::<Option<Vec<u8>>>(), index in any::<u64>(), hashes in 0..20_usize) {
            let proof = sample(extra, index, hashes);
            prop_assert_eq!(TlogProof::parse(&proof.to_bytes()), Ok(proof));
        }

        #[test]
        fn bytes_that_parse_are_written_again_byte_for_byte(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = sample(Some(vec![1, 2]), 7, 1).to_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(proof) = TlogProof::parse(&bytes) {
                prop_assert_eq!(proof.to_bytes(), bytes);
            }
        }
    }
}
