//! The list of what stays trusted under the revoked keys of one agency.
//!
//! A charter that revokes keys names the hash of such a list. The list is a file of its own, because it may be much larger than a charter. A node
//! needs it before it adopts the charter, so all nodes judge by the same lists.
//!
//! ```text
//! sinergi-trusted-list/v1
//! federation sinergi.example
//! agency kota-bandung
//! key 6f1c…                          the revoked keys: 32 bytes each
//! anchor ombudsman 1 4711 90ab…      the ledgers that the list was made from: agency, epoch, size, root
//! entries 2
//! 0b3e…                              ids of entries by the agency, under one of the keys
//! c1d2…
//! receipts 1
//! 77aa…                              SHA-256 of the bytes that the agency signed as a receipt
//! ```
//!
//! All hashes are in lower-case hexadecimal digits.
//!
//! Must not know why a key was revoked.
//!
//! Invariants:
//! - a set of names has one text: keys, anchors, entries and receipts stand in ascending order, each once;
//! - the text is kept as it is and searched in place, so a list takes no more memory than its file.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::base::ids::{AgencyId, EntryId, Epoch};
use crate::base::key::{PublicKey, key_id};
use crate::base::limits;

const FIRST_LINE: &str = "sinergi-trusted-list/v1";

/// Length of a line with one hash: 64 digits and the end of the line.
const HASH_LINE: usize = 65;

/// A ledger at one size, named by a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Anchor {
    /// The agency whose ledger it is.
    pub agency: AgencyId,
    /// The epoch of the ledger.
    pub epoch: Epoch,
    /// The number of leaves.
    pub size: u64,
    /// The root hash of these leaves.
    pub root: [u8; 32],
}

/// The content of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedListDraft {
    /// The federation.
    pub federation: String,
    /// The agency whose keys are revoked.
    pub agency: AgencyId,
    /// The revoked keys.
    pub keys: BTreeSet<[u8; 32]>,
    /// The ledgers that the list was made from.
    pub anchors: BTreeSet<Anchor>,
    /// The entries under these keys that stay trusted.
    pub entries: BTreeSet<EntryId>,
    /// The receipts under these keys that stay trusted, by [`crate::receipt::receipt_id`].
    pub receipts: BTreeSet<[u8; 32]>,
}

/// A list, as it was read. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TrustedList(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    text: Bytes,
    hash: [u8; 32],
    federation: String,
    agency: AgencyId,
    keys: BTreeSet<[u8; 32]>,
    anchors: BTreeSet<Anchor>,
    /// The lines of the entries.
    entries: Bytes,
    /// The lines of the receipts.
    receipts: Bytes,
}

/// The reason why a text is no list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustedListError {
    /// Too long.
    #[error("the list of trusted entries has {0} bytes, at most {most}", most = limits::TRUSTED_LIST_BYTES)]
    TooLong(usize),
    /// A line does not have the expected form.
    #[error("line {line} of the list of trusted entries is {found:?}, expected {expected}")]
    Line {
        /// The number of the line, counted from 1.
        line: usize,
        /// The line, cut to 100 characters.
        found: String,
        /// The expected line, in words.
        expected: &'static str,
    },
}

impl TrustedListDraft {
    /// An empty list.
    pub fn new(federation: &str, agency: &AgencyId, keys: impl IntoIterator<Item = [u8; 32]>) -> Self {
        Self {
            federation: federation.to_owned(),
            agency: agency.clone(),
            keys: keys.into_iter().collect(),
            anchors: BTreeSet::new(),
            entries: BTreeSet::new(),
            receipts: BTreeSet::new(),
        }
    }

    /// The list as a text.
    pub fn write(&self) -> String {
        let mut text = format!("{FIRST_LINE}\nfederation {}\nagency {}\n", self.federation, self.agency);
        let mut add = |line: std::fmt::Arguments<'_>| text.write_fmt(line).expect("a string has room");
        for key in &self.keys {
            add(format_args!("key {}\n", HEXLOWER.encode(key)));
        }
        for Anchor { agency, epoch, size, root } in &self.anchors {
            add(format_args!("anchor {agency} {epoch} {size} {}\n", HEXLOWER.encode(root)));
        }
        add(format_args!("entries {}\n", self.entries.len()));
        for entry in &self.entries {
            add(format_args!("{}\n", HEXLOWER.encode(&entry.0)));
        }
        add(format_args!("receipts {}\n", self.receipts.len()));
        for receipt in &self.receipts {
            add(format_args!("{}\n", HEXLOWER.encode(receipt)));
        }
        text
    }
}

impl TrustedList {
    /// Parses a list.
    ///
    /// # Errors
    /// The first line that does not have the expected form.
    pub fn parse(text: impl Into<Bytes>) -> Result<Self, TrustedListError> {
        let text = text.into();
        if text.len() > limits::TRUSTED_LIST_BYTES {
            return Err(TrustedListError::TooLong(text.len()));
        }
        let mut lines = Lines { text: text.clone(), line: 0 };
        lines.take("the first line \"sinergi-trusted-list/v1\"", |line| (line == FIRST_LINE).then_some(()))?;
        let federation =
            lines.take("\"federation NAME\"", |line| Some(line.strip_prefix("federation ")?.to_owned()))?;
        let agency = lines.take("\"agency ID\"", |line| line.strip_prefix("agency ")?.parse().ok())?;
        let keys = lines.set("\"key HASH\", in ascending order", "key ", parse_hash)?;
        if keys.is_empty() {
            return Err(lines.error("\"key HASH\""));
        }
        let anchors = lines.set("\"anchor AGENCY EPOCH SIZE ROOT\", in ascending order", "anchor ", parse_anchor)?;
        let entries = lines.hashes("entries ", "\"entries COUNT\"")?;
        let receipts = lines.hashes("receipts ", "\"receipts COUNT\"")?;
        if !lines.text.is_empty() {
            return Err(lines.error("the end of the list"));
        }
        let hash = Sha256::digest(&text).into();
        Ok(Self(Arc::new(Parsed { text, hash, federation, agency, keys, anchors, entries, receipts })))
    }

    /// The text.
    pub fn text(&self) -> &Bytes {
        &self.0.text
    }

    /// SHA-256 of the text.
    pub fn hash(&self) -> [u8; 32] {
        self.0.hash
    }

    /// The federation.
    pub fn federation(&self) -> &str {
        &self.0.federation
    }

    /// The agency whose keys are revoked.
    pub fn agency(&self) -> &AgencyId {
        &self.0.agency
    }

    /// The revoked keys.
    pub fn keys(&self) -> &BTreeSet<[u8; 32]> {
        &self.0.keys
    }

    /// The [numbers](key_id) of the revoked keys.
    pub fn key_numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.keys.iter().filter_map(|key| PublicKey::try_from(key.as_slice()).ok()).map(|key| key_id(&key))
    }

    /// The ledgers that the list was made from.
    pub fn anchors(&self) -> &BTreeSet<Anchor> {
        &self.0.anchors
    }

    /// The entries that stay trusted, in ascending order.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = EntryId> + '_ {
        hashes_in(&self.0.entries).map(EntryId)
    }

    /// The receipts that stay trusted, in ascending order.
    pub fn receipts(&self) -> impl ExactSizeIterator<Item = [u8; 32]> + '_ {
        hashes_in(&self.0.receipts)
    }

    /// Whether the list names an entry.
    pub fn has_entry(&self, entry: &EntryId) -> bool {
        has_hash(&self.0.entries, &entry.0)
    }

    /// Whether the list names a receipt.
    pub fn has_receipt(&self, receipt: &[u8; 32]) -> bool {
        has_hash(&self.0.receipts, receipt)
    }

    /// The same content, to be changed.
    pub fn to_draft(&self) -> TrustedListDraft {
        TrustedListDraft {
            federation: self.0.federation.clone(),
            agency: self.0.agency.clone(),
            keys: self.0.keys.clone(),
            anchors: self.0.anchors.clone(),
            entries: self.entries().collect(),
            receipts: self.receipts().collect(),
        }
    }
}

fn hashes_in(lines: &Bytes) -> impl ExactSizeIterator<Item = [u8; 32]> + '_ {
    lines.chunks_exact(HASH_LINE).map(|line| {
        let digits = std::str::from_utf8(&line[..HASH_LINE - 1]).expect("digits");
        parse_hash(digits).expect("the digits were checked when the list was parsed")
    })
}

fn has_hash(lines: &Bytes, hash: &[u8; 32]) -> bool {
    let digits = HEXLOWER.encode(hash);
    let (mut low, mut high) = (0, lines.len() / HASH_LINE);
    while low < high {
        let middle = usize::midpoint(low, high);
        let line = &lines[middle * HASH_LINE..(middle + 1) * HASH_LINE - 1];
        match line.cmp(digits.as_bytes()) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    false
}

/// Reads the lines of a list, one after the other.
struct Lines {
    /// The lines that were not read yet.
    text: Bytes,
    /// The number of lines that were read.
    line: usize,
}

impl Lines {
    /// The next line, without its end. `None` if there is none, or it is not ended or no text.
    fn peek(&self) -> Option<&str> {
        let end = self.text.iter().position(|byte| *byte == b'\n')?;
        std::str::from_utf8(&self.text[..end]).ok()
    }

    fn skip(&mut self, bytes: usize) -> Bytes {
        self.line += 1;
        self.text.split_to(bytes)
    }

    fn take<T>(
        &mut self,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, TrustedListError> {
        let parsed = self.peek().and_then(|line| Some((parse(line)?, line.len() + 1)));
        let (value, bytes) = parsed.ok_or_else(|| self.error(expected))?;
        self.skip(bytes);
        Ok(value)
    }

    /// All lines that begin with `prefix`, in ascending order.
    fn set<T: Ord>(
        &mut self,
        expected: &'static str,
        prefix: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<BTreeSet<T>, TrustedListError> {
        let mut found = BTreeSet::new();
        while self.peek().is_some_and(|line| line.starts_with(prefix)) {
            let parse_next = |line: &str| {
                let value = parse(line.strip_prefix(prefix)?)?;
                found.last().is_none_or(|last| *last < value).then_some(value)
            };
            let value = self.take(expected, parse_next)?;
            found.insert(value);
        }
        Ok(found)
    }

    /// A line with a count, and that many hashes in ascending order. Returns their lines.
    fn hashes(&mut self, prefix: &str, expected: &'static str) -> Result<Bytes, TrustedListError> {
        let count = self.take(expected, |line| parse_number(line.strip_prefix(prefix)?))?;
        let begin = self.text.clone();
        let mut last: Option<[u8; 32]> = None;
        for _ in 0..count {
            let parse_next = |line: &str| parse_hash(line).filter(|hash| last.is_none_or(|last| last < *hash));
            last = Some(self.take("a hash of 64 lower-case hex digits, in ascending order", parse_next)?);
        }
        Ok(begin.slice(..begin.len() - self.text.len()))
    }

    fn error(&self, expected: &'static str) -> TrustedListError {
        let line = self.text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let found = String::from_utf8_lossy(&line[..line.len().min(400)]).chars().take(100).collect();
        TrustedListError::Line { line: self.line + 1, found, expected }
    }
}

fn parse_hash(digits: &str) -> Option<[u8; 32]> {
    HEXLOWER.decode(digits.as_bytes()).ok()?.try_into().ok()
}

/// A number in its one form: without sign and leading zeros.
fn parse_number(digits: &str) -> Option<u64> {
    digits.parse().ok().filter(|number: &u64| number.to_string() == digits)
}

fn parse_anchor(text: &str) -> Option<Anchor> {
    let mut words = text.split(' ');
    let agency = words.next()?.parse().ok()?;
    let epoch = Epoch(u32::try_from(parse_number(words.next()?)?).ok()?);
    let size = parse_number(words.next()?)?;
    let root = parse_hash(words.next()?)?;
    words.next().is_none().then_some(Anchor { agency, epoch, size, root })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::agency;

    fn draft() -> TrustedListDraft {
        let mut draft = TrustedListDraft::new("sinergi.test", &agency("kota-bandung"), [[7; 32], [3; 32]]);
        let anchor = |size| Anchor { agency: agency("ksp"), epoch: Epoch(2), size, root: [9; 32] };
        draft.anchors = BTreeSet::from([anchor(100), anchor(20)]);
        draft.entries = (0..50_u8).map(|number| EntryId([number.wrapping_mul(37); 32])).collect();
        draft.receipts = BTreeSet::from([[5; 32], [0xff; 32]]);
        draft
    }

    #[test]
    fn a_list_reads_back_what_was_written_and_finds_each_name() {
        let draft = draft();
        let list = TrustedList::parse(draft.write()).expect("a list");
        assert_eq!(list.to_draft(), draft);
        assert_eq!(list.to_draft().write().as_bytes(), list.text());
        assert!(draft.entries.iter().all(|entry| list.has_entry(entry)));
        assert!(!list.has_entry(&EntryId([1; 32])) && !list.has_entry(&EntryId([0xfe; 32])));
        assert!(list.has_receipt(&[5; 32]) && list.has_receipt(&[0xff; 32]) && !list.has_receipt(&[6; 32]));
        let empty = TrustedListDraft::new("sinergi.test", &agency("kota-bandung"), [[7; 32]]);
        let empty = TrustedList::parse(empty.write()).expect("a list that names nothing");
        assert!(!empty.has_entry(&EntryId([7; 32])));
    }

    #[test]
    fn a_set_of_names_has_one_text() {
        let text = draft().write();
        let lines: Vec<&str> = text.lines().collect();
        let swapped = |one: usize, other: usize| {
            let mut lines = lines.clone();
            lines.swap(one, other);
            lines.join("\n") + "\n"
        };
        let twice = |line: usize| {
            let mut lines = lines.clone();
            lines.insert(line, lines[line]);
            lines.join("\n") + "\n"
        };
        let changed = [
            swapped(3, 4),
            swapped(5, 6),
            swapped(10, 11),
            twice(4),
            twice(6),
            twice(12),
            text.to_uppercase(),
            text.trim_end().to_owned(),
            text.clone() + "\n",
            text.replace("entries 50", "entries 050"),
            text.replace("entries 50", "entries 51"),
            text.replace(" 20 ", " +20 "),
        ];
        for changed in changed {
            assert!(TrustedList::parse(changed.clone()).is_err(), "{changed}");
        }
    }

    #[test]
    fn an_error_names_the_line_and_what_is_expected() {
        let text = draft().write().replace("agency kota-bandung", "agency Kota");
        let error = TrustedList::parse(text).expect_err("no agency id").to_string();
        assert!(error.contains("line 3") && error.contains("agency Kota") && error.contains("agency ID"), "{error}");
        let without_key = "sinergi-trusted-list/v1\nfederation f\nagency ksp\nentries 0\nreceipts 0\n";
        assert!(TrustedList::parse(without_key).is_err(), "a list is about keys");
    }
}
