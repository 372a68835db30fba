//! Tests of the tree of tiles: complete at every size, under the paths of the specification.

use std::collections::BTreeMap;

use tempfile::TempDir;
use tlog_tiles::{Error, Hash, HashReader, Tile, TileHashReader, TileReader};

use super::{Resource, WIDTH};
use crate::storage::ledger::{Ledger, LedgerOptions};

/// A ledger of so many leaves.
pub(super) fn ledger(leaves: u64) -> (Ledger, TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut ledger, _) = Ledger::open(dir.path(), LedgerOptions::default()).expect("a new ledger");
    let mut group = ledger.begin();
    for _ in 0..leaves {
        let index = group.next_index();
        group.content(index, b"", format!("the secret of {index}").as_bytes()).expect("room");
        group.leaf(b"", &leaf(index.0)).expect("room");
    }
    ledger.commit(group).expect("a commit");
    (ledger, dir)
}

fn leaf(index: u64) -> Vec<u8> {
    format!("signed entry {index} {}", "x".repeat(index as usize % 300)).into_bytes()
}

/// What a client has fetched, by path.
struct Fetched(BTreeMap<String, Vec<u8>>);

impl Fetched {
    fn of(ledger: &Ledger, size: u64) -> Self {
        let reader = ledger.reader();
        let read = |resource: Resource| resource.read(&reader, size).expect("readable").expect("in the tree");
        Self(Resource::between(0, size).map(|resource| (resource.to_string(), read(resource))).collect())
    }

    /// The entries of a bundle.
    fn entries(&self, path: &str) -> Vec<Vec<u8>> {
        let mut rest = self.0[path].as_slice();
        let mut entries = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let (entry, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
            entries.push(entry.to_vec());
            rest = after;
        }
        entries
    }
}

impl TileReader for Fetched {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        tiles.iter().map(|tile| self.0.get(&Resource(*tile).to_string()).cloned().ok_or(Error::InvalidTile)).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

#[test]
fn a_client_of_tiles_proves_every_leaf_and_finds_its_entry() {
    let (ledger, _dir) = ledger(1000);
    for size in [1, 2, 255, 256, 257, 511, 512, 513, 1000] {
        let fetched = Fetched::of(&ledger, size);
        let root = ledger.reader().root_at(size).expect("a root");
        let reader = TileHashReader::new(size, root, &fetched);
        for index in (0..size).step_by(37).chain([size - 1]) {
            let proof = tlog_tiles::prove_record(size, index, &reader).expect("proven from tiles");
            let hash = tlog_tiles::record_hash(&leaf(index));
            tlog_tiles::check_record(&proof, size, root, index, hash).expect("the leaf is there");
        }
        let bundles = fetched.0.keys().filter(|path| path.starts_with("tile/entries/"));
        let entries: Vec<Vec<u8>> = bundles.flat_map(|path| fetched.entries(path)).collect();
        assert_eq!(entries, (0..size).map(leaf).collect::<Vec<_>>(), "{size}");
        let all = fetched.0.values().flatten().copied().collect::<Vec<u8>>();
        assert!(!String::from_utf8_lossy(&all).contains("secret"), "contents are in no tile");
    }
}

#[test]
fn a_tree_of_70_000_has_the_tiles_that_the_specification_lists() {
    let paths: Vec<String> = Resource::between(0, 70_000).map(|resource| resource.to_string()).collect();
    let of = |prefix: &str, partial: bool| {
        paths.iter().filter(|path| path.starts_with(prefix) && path.contains(".p/") == partial).count()
    };
    assert_eq!((of("tile/0/", false), of("tile/1/", false), of("tile/2/", false)), (273, 1, 0));
    assert_eq!(of("tile/entries/", false), 273);
    for partial in ["tile/0/273.p/112", "tile/entries/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"] {
        assert!(paths.iter().any(|path| path == partial), "{partial}");
    }
    assert_eq!(paths.len(), 2 * 274 + 2 + 1);
    let number = Resource::new(0, 1_234_067, WIDTH, false);
    assert_eq!(number.to_string(), "tile/0/x001/x234/067");
}

#[test]
fn between_two_sizes_only_new_and_wider_resources_are_given() {
    for (old, new) in [(0, 1), (1, 1), (1, 255), (255, 256), (256, 257), (256, 65_536), (300, 70_000), (65_535, 65_537)]
    {
        let before: Vec<Resource> = Resource::between(0, old).collect();
        let now: Vec<Resource> = Resource::between(0, new).collect();
        let more: Vec<Resource> = Resource::between(old, new).collect();
        for resource in &now {
            assert_ne!(before.contains(resource), more.contains(resource), "{resource} from {old} to {new}");
        }
        assert!(more.iter().all(|resource| now.contains(resource)), "{old} to {new}");
    }
}

#[test]
fn nothing_beyond_the_size_is_given() {
    let (ledger, _dir) = ledger(600);
    let reader = ledger.reader();
    let given = |path: &str, size| Resource::parse(path).expect(path).read(&reader, size).expect("readable").is_some();
    for (path, end) in [
        ("tile/0/000.p/1", 1),
        ("tile/0/001", 512),
        ("tile/entries/001", 512),
        ("tile/entries/001.p/3", 259),
        ("tile/1/000.p/2", 512),
    ] {
        assert!(given(path, end) && !given(path, end - 1), "{path}");
    }
    for never in ["tile/1/000", "tile/2/000.p/1", "tile/7/000.p/255", "tile/0/x999/x999/x999/x999/x999/x999/999"] {
        assert!(Resource::parse(never).is_none_or(|resource| resource.read(&reader, 600).expect("readable").is_none()));
    }
}

#[test]
fn a_resource_has_one_path_and_no_path_panics() {
    let good = ["tile/0/000", "tile/7/x001/234.p/255", "tile/entries/x001/x234/067", "tile/entries/273.p/1"];
    for path in good {
        assert_eq!(Resource::parse(path).expect(path).to_string(), path);
        for at in 0..path.len() {
            for byte in 0..128_u8 {
                let mut changed = path.as_bytes().to_vec();
                changed[at] = byte;
                let changed = String::from_utf8(changed).expect("ASCII");
                if let Some(resource) = Resource::parse(&changed) {
                    assert_eq!(resource.to_string(), changed);
                }
            }
        }
    }
    for bad in [
        "",
        "checkpoint",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/000.p/0",
        "tile/0/000.p/00",
        "tile/0/000.p/1.p/0",
        "tile/0/000.p/+1",
        "tile/0/000.p/256",
        "tile/8/000",
        "tile/63/000",
        "tile/255/000",
        "tile/00/000",
        "tile/8/0/000",
        "tile/data/000",
        "tile/entries/x000/000",
        "tile/0/../000",
        "/tile/0/000",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert_eq!(Resource::parse(bad), None, "{bad}");
    }
}

#[test]
fn the_hashes_of_a_tile_are_those_of_the_ledger() {
    let (ledger, _dir) = ledger(300);
    let reader = ledger.reader();
    let tile = Resource::parse("tile/1/000.p/1").expect("a path").read(&reader, 300).expect("readable").expect("there");
    let node = reader.read_hashes(&[tlog_tiles::stored_hash_index(8, 0)]).expect("a node");
    assert_eq!(node, [Hash(tile.try_into().expect("one hash"))]);
}
