//! The ledger as a C2SP `tlog-tiles` tree: which resources exist at a size, their paths, and their bytes. Everything is read from the ledger;
//! no tile is stored.
//!
//! ```text
//! checkpoint                      the signed note
//! tile/<level>/<N>[.p/<width>]    256 hashes of the Merkle tree, fewer in a partial tile
//! tile/entries/<N>[.p/<width>]    the signed entries below the tile of level 0: each after its length, 16 bits big-endian
//! ```
//!
//! Must not know where the resources go: into a folder ([`crate::operator`]) or over HTTP ([`http`]).
//!
//! Invariants:
//! - a resource holds entries and hashes, never contents;
//! - no resource reaches beyond the given size, so the checkpoint of that size covers it;
//! - no path causes a panic, and each resource has one path.
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
/// Hashes in a full tile, and entries in a full bundle.
pub const WIDTH: u64 = 1 << HEIGHT;
/// Levels of a tree of 2^64 leaves.
const LEVELS: u8 = 64 / HEIGHT;
/// The longest possible path, in bytes: that of a partial tile with the highest number.
const PATH_BYTES: usize = 64;

/// A tile or a bundle of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resource(Tile);

impl Resource {
    fn new(level: u8, number: u64, width: u64, is_entries: bool) -> Self {
        let width = u32::try_from(width).expect("a tile is at most 256 wide");
        Self(Tile::new(HEIGHT, level, number, width, is_entries))
    }

    /// The resource at this path; `None` if no tree has one there.
    pub fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("tile/").filter(|_| path.len() <= PATH_BYTES)?;
        let (level, number) = rest.split_once('/')?;
        // `Tile::from_path` panics at a level above 63 and at a width of 0, in any spelling.
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

    /// The resources that a copy of the tree of `old` leaves needs to become the tree of `new` leaves: level by level, entries before their hashes.
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

    /// Whether it has its full width, so that it never changes.
    pub fn is_full(self) -> bool {
        u64::from(self.0.width()) == WIDTH
    }

    /// The size of the smallest tree that contains it; `None` if no tree is that large.
    fn end(self) -> Option<u64> {
        let nodes = self.0.level_index().checked_mul(WIDTH)?.checked_add(self.0.width().into())?;
        nodes.checked_mul(1 << (HEIGHT * self.0.level()))
    }

    /// Number of entries before the end of a bundle; `None` for hashes.
    pub fn entries_before_end(self) -> Option<u64> {
        self.end().filter(|_| self.0.is_data())
    }

    /// Its bytes, if it is in the tree of the first `size` leaves; otherwise `None`.
    ///
    /// # Errors
    /// The ledger cannot be read.
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
        // In this format all tiles have one height, and paths do not contain it.
        let path = self.0.path();
        let rest = path.trim_start_matches("tile/8/");
        match rest.strip_prefix("data/") {
            Some(number) => write!(f, "tile/entries/{number}"),
            None => write!(f, "tile/{rest}"),
        }
    }
}

/// `width` leaves from `first` on, each after its length.
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
