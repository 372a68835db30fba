//! The ledger as a C2SP `tlog-tiles` tree: which resources there are at a size, under which paths, and what each of them holds. Read from
//! the ledger itself; nothing is kept for it.
//!
//! ```text
//! checkpoint                      the signed note
//! tile/<level>/<N>[.p/<width>]    256 hashes of the Merkle tree, fewer in a partial tile
//! tile/entries/<N>[.p/<width>]    the signed entries below the tile of level 0: each behind its length, 16 bits big-endian
//! ```
//!
//! It must not know where they go: into a folder ([`crate::operator`]) or over HTTP ([`http`]). It holds entries and never contents.
//!
//! Invariants:
//! - nothing beyond the signed size is given, so whatever is given is under the checkpoint that goes with it;
//! - no path makes it panic, and each resource has one path.
//!
//! Source: c2sp.org/tlog-tiles.

pub mod http;

use std::fmt;

use sinergi_proto::base::ids::LedgerIndex;
use tlog_tiles::Tile;

use crate::storage::ledger::{LedgerReader, ReadError};

/// The path of the signed note.
pub const CHECKPOINT: &str = "checkpoint";
/// Binary logarithm of the width of a full tile.
const HEIGHT: u8 = 8;
/// Hashes of a full tile, entries of a full bundle.
pub const WIDTH: u64 = 1 << HEIGHT;
/// Levels that a tree of 2^64 leaves has.
const LEVELS: u8 = 64 / HEIGHT;
/// The longest path there is: a partial tile of the highest number.
const PATH_BYTES: usize = 64;

/// A tile or a bundle of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resource(Tile);

impl Resource {
    fn new(level: u8, number: u64, width: u64, is_entries: bool) -> Self {
        let width = u32::try_from(width).expect("a tile is at most 256 wide");
        Self(Tile::new(HEIGHT, level, number, width, is_entries))
    }

    /// The resource under this path, `None` if there can be none.
    pub fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("tile/").filter(|_| path.len() <= PATH_BYTES)?;
        let (level, number) = rest.split_once('/')?;
        // What `Tile::from_path` panics at: a level above 63, and a width of 0 in whatever writing.
        let is_level = level.parse::<u8>().is_ok_and(|level| level < LEVELS);
        let is_width = |width: &str| width.starts_with(|digit: char| ('1'..='9').contains(&digit));
        if number.rsplit_once(".p/").is_some_and(|(_, width)| !is_width(width)) {
            return None;
        }
        let level = match level {
            "entries" => "data",
            level if is_level => level,
            _ => return None,
        };
        Tile::from_path(&format!("tile/{HEIGHT}/{level}/{number}")).ok().map(Self)
    }

    /// What must be given to go from the tree of `old` leaves to that of `new`: level by level, entries before the hashes of them.
    pub fn between(old: u64, new: u64) -> impl Iterator<Item = Self> + Send {
        let nodes = |size: u64, level: u8| size >> (HEIGHT * level);
        let changed = (0..LEVELS).filter(move |level| nodes(old, *level) != nodes(new, *level));
        changed.flat_map(move |level| {
            let (old, new) = (nodes(old, level), nodes(new, level));
            let tiles = (old / WIDTH..new.div_ceil(WIDTH)).map(move |number| (number, WIDTH.min(new - number * WIDTH)));
            tiles.flat_map(move |(number, width)| {
                let hashes = Self::new(level, number, width, false);
                let entries = (level == 0).then(|| Self::new(level, number, width, true));
                entries.into_iter().chain([hashes])
            })
        })
    }

    /// Whether it is as wide as it will ever be, so that it never changes.
    pub fn is_full(self) -> bool {
        u64::from(self.0.width()) == WIDTH
    }

    /// Leaves below it and below all before it on its level; `None` if no tree has so many.
    fn end(self) -> Option<u64> {
        let nodes = self.0.level_index().checked_mul(WIDTH)?.checked_add(self.0.width().into())?;
        nodes.checked_mul(1 << (HEIGHT * self.0.level()))
    }

    /// Entries of a bundle that come before its end; `None` for hashes.
    pub fn entries_before_end(self) -> Option<u64> {
        self.end().filter(|_| self.0.is_data())
    }

    /// What it holds in the tree of the first `size` leaves; `None` if it is not in that tree.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn read(self, reader: &LedgerReader, size: u64) -> Result<Option<Vec<u8>>, ReadError> {
        if self.end().is_none_or(|end| end > size) {
            return Ok(None);
        }
        if self.0.is_data() {
            return bundle(reader, self.0.level_index() * WIDTH, self.0.width()).map(Some);
        }
        self.0.read_data(reader).map(Some).map_err(|source| ReadError::Tree { size, source })
    }
}

impl fmt::Display for Resource {
    /// Its path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The format has one height and leaves it out.
        let path = self.0.path();
        let rest = path.trim_start_matches("tile/8/");
        match rest.strip_prefix("data/") {
            Some(number) => write!(f, "tile/entries/{number}"),
            None => write!(f, "tile/{rest}"),
        }
    }
}

/// `width` leaves from `first` on, each behind its length.
fn bundle(reader: &LedgerReader, first: u64, width: u32) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    let mut leaves = reader.leaves_from(LedgerIndex(first))?;
    for index in first..first + u64::from(width) {
        let missing = || ReadError::NoLeaf { index: LedgerIndex(index), size: reader.size() };
        let leaf = leaves.next().ok_or_else(missing)??;
        let length = u16::try_from(leaf.body.len()).ok().filter(|_| leaf.leaf() == Some(LedgerIndex(index)));
        bytes.extend_from_slice(&length.ok_or_else(missing)?.to_be_bytes());
        bytes.extend_from_slice(&leaf.body);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
