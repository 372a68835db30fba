//! The possible contents of a disk after a power failure.
//!
//! The rules are those of POSIX, which are weaker than those of most file systems:
//! - a change of a file is durable after an `fsync` or `fdatasync` of the file that began after the change has returned; a change of a name needs
//!   a sync of its folder;
//! - of all other changes any part may be on the disk, in any order, and of a write any of its sectors;
//! - if a sync fails, no later sync writes the changes that it should have made durable;
//! - `sync_file_range` makes nothing durable;
//! - two changes of one name keep their order.
//!
//! Invariant: a state is a function of the trace, the moment and the seed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Op;
use super::trace::{Operation, is_not_data};

/// A folder's content by relative path: the bytes of a file, `None` for a folder.
pub type Image = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// The part of the unsynced changes that is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// All of them, because only the process was killed, or because the disk wrote everything in order.
    Kept,
    /// None of them.
    Lost,
    /// A part that this seed chooses.
    Seed(u64),
}

/// Identifies a file or a folder throughout a trace.
type Object = usize;
/// The root folder.
const ROOT: Object = 0;

/// A change, and the moment when it was durable.
struct Step {
    at: u64,
    synced_at: Option<u64>,
    /// Whether a sync of it has failed.
    is_given_up: bool,
    change: Change,
}

enum Change {
    Write { file: Object, offset: usize, data: Vec<u8> },
    Length { file: Object, length: usize },
    Names(Vec<(Object, String, Option<Object>)>),
}

/// A trace, ready for a power failure at any moment.
pub struct Trace {
    base: Tree,
    steps: Vec<Step>,
    moments: Vec<u64>,
    /// All objects that are folders.
    folders: HashSet<Object>,
}

/// Files and folders.
#[derive(Clone, Default)]
struct Tree {
    folders: HashMap<Object, BTreeMap<String, Object>>,
    files: HashMap<Object, Vec<u8>>,
}

impl Tree {
    fn resolve(&self, path: &Path) -> Option<Object> {
        path.components().try_fold(ROOT, |at, name| {
            self.folders.get(&at)?.get(name.as_os_str().to_str().expect("paths of tests are UTF-8")).copied()
        })
    }

    fn rename(&mut self, changes: &[(Object, String, Option<Object>)]) {
        for (folder, name, object) in changes {
            let names = self.folders.entry(*folder).or_default();
            match object {
                Some(object) => names.insert(name.clone(), *object),
                None => names.remove(name),
            };
        }
    }

    fn image(&self) -> Image {
        let mut image = Image::new();
        let mut open = vec![(ROOT, PathBuf::new())];
        while let Some((folder, path)) = open.pop() {
            for (name, object) in self.folders.get(&folder).into_iter().flatten() {
                let path = path.join(name);
                match self.files.get(object) {
                    Some(bytes) => drop(image.insert(path, Some(bytes.clone()))),
                    None => {
                        image.insert(path.clone(), None);
                        open.push((*object, path));
                    }
                }
            }
        }
        image
    }
}

/// Reads a folder without the files that are not data of the node.
pub fn read(folder: &Path) -> Image {
    let mut image = Image::new();
    walk(folder, Path::new(""), &mut |path, bytes, _| drop(image.insert(path.to_owned(), bytes)));
    image
}

fn walk(root: &Path, below: &Path, found: &mut impl FnMut(&Path, Option<Vec<u8>>, u64)) {
    for entry in fs::read_dir(root.join(below)).expect("a folder") {
        let entry = entry.expect("an entry");
        let (path, inode) = (below.join(entry.file_name()), entry.metadata().expect("an entry").ino());
        if is_not_data(&path) {
            continue;
        }
        if entry.file_type().expect("an entry").is_dir() {
            found(&path, None, inode);
            walk(root, &path, found);
        } else {
            found(&path, Some(fs::read(entry.path()).expect("a file")), inode);
        }
    }
}

/// Puts an image into an empty folder.
pub fn write(image: &Image, folder: &Path) {
    for (path, bytes) in image {
        let path = folder.join(path);
        match bytes {
            None => fs::create_dir(&path).expect("a new folder"),
            Some(bytes) => {
                fs::write(&path, bytes).expect("a new file");
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("an own file");
            }
        }
    }
}

/// A folder as it is before a trace begins. All of it is durable.
pub struct Before {
    tree: Tree,
    inodes: HashMap<u64, Object>,
    next: Object,
}

impl Before {
    /// The folder as it is now.
    pub fn of(folder: &Path) -> Self {
        let mut before = Self { tree: Tree::default(), inodes: HashMap::new(), next: ROOT + 1 };
        before.tree.folders.insert(ROOT, BTreeMap::new());
        walk(folder, Path::new(""), &mut |path, bytes, inode| {
            let object = before.next;
            before.next += 1;
            let parent = before.tree.resolve(path.parent().expect("below the root")).expect("visited before");
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
            before.tree.rename(&[(parent, name, Some(object))]);
            match bytes {
                Some(bytes) => {
                    before.tree.files.insert(object, bytes);
                    before.inodes.insert(inode, object);
                }
                None => drop(before.tree.folders.insert(object, BTreeMap::new())),
            }
        });
        before
    }

    /// The trace of the operations on that folder since then.
    pub fn then(self, root: &Path, operations: &[Operation]) -> Trace {
        let Self { tree, inodes, next } = self;
        let mut reading = Reading {
            root: root.canonicalize().expect("a folder"),
            now: tree.clone(),
            inodes,
            next,
            begun: Vec::new(),
            steps: Vec::new(),
        };
        operations.iter().filter(|operation| !is_not_data(&operation.path)).for_each(|op| reading.operation(op));
        let moments = operations.iter().map(|operation| operation.at).collect();
        let folders = reading.now.folders.keys().copied().collect();
        Trace { base: tree, steps: reading.steps, moments, folders }
    }
}

/// Turns operations into steps.
struct Reading {
    root: PathBuf,
    /// The tree as processes see it.
    now: Tree,
    inodes: HashMap<u64, Object>,
    next: Object,
    /// Syncs that have begun: object and moment.
    begun: Vec<(Object, u64)>,
    steps: Vec<Step>,
}

impl Reading {
    fn operation(&mut self, operation: &Operation) {
        let at = operation.at;
        match operation.op {
            Op::Create => {
                let file = self.new_object();
                self.now.files.insert(file, Vec::new());
                self.inodes.insert(operation.inode, file);
                self.names(at, &[(&operation.path, Some(file))]);
            }
            Op::MakeFolder => {
                let folder = self.new_object();
                self.now.folders.insert(folder, BTreeMap::new());
                self.names(at, &[(&operation.path, Some(folder))]);
            }
            Op::Unlink | Op::RemoveFolder => self.names(at, &[(&operation.path, None)]),
            Op::Rename => {
                let to = operation.to.as_ref().expect("a rename has two paths");
                let object = self
                    .resolve(&operation.path)
                    .unwrap_or_else(|| panic!("it was never created: {:?}", operation.path));
                self.names(at, &[(&operation.path, None), (to, Some(object))]);
            }
            Op::Write => {
                let file = self.file(operation);
                let offset = usize::try_from(operation.offset).expect("an offset");
                self.step(at, Change::Write { file, offset, data: operation.data.clone() });
            }
            Op::Truncate => {
                let file = self.file(operation);
                let length = usize::try_from(operation.offset).expect("a length");
                self.step(at, Change::Length { file, length });
            }
            Op::Sync => {
                let object = self.synced_object(operation);
                self.begun.push((object, at));
            }
            Op::Synced => {
                let object = self.synced_object(operation);
                // If two syncs of a file run at the same time, this takes the one that began first, because then less is durable, which is
                // harder for the node.
                let begun = self.begun.iter().position(|(begun, _)| *begun == object).expect("a sync has a begin");
                let (_, begun) = self.begun.remove(begun);
                self.synced(object, begun, at, operation.error == 0);
            }
            Op::Start => self.begun.clear(),
            Op::Open | Op::RangeSync | Op::Read => {}
        }
    }

    fn new_object(&mut self) -> Object {
        self.next += 1;
        self.next - 1
    }

    fn resolve(&self, path: &Path) -> Option<Object> {
        self.now.resolve(path.strip_prefix(&self.root).expect("only operations below the root are recorded"))
    }

    fn file(&self, operation: &Operation) -> Object {
        *self.inodes.get(&operation.inode).unwrap_or_else(|| panic!("it was never opened: {:?}", operation.path))
    }

    /// Finds a folder by its path, and a file by its inode, because the file may have lost its name.
    fn synced_object(&self, operation: &Operation) -> Object {
        match self.resolve(&operation.path) {
            Some(object) if self.now.folders.contains_key(&object) => object,
            _ => self.file(operation),
        }
    }

    fn names(&mut self, at: u64, changes: &[(&Path, Option<Object>)]) {
        let mut named = Vec::new();
        for (path, object) in changes {
            let parent = self.resolve(path.parent().expect("below the root")).expect("its folder is there");
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
            named.push((parent, name, *object));
        }
        self.now.rename(&named);
        self.step(at, Change::Names(named));
    }

    fn step(&mut self, at: u64, change: Change) {
        self.steps.push(Step { at, synced_at: None, is_given_up: false, change });
    }

    fn synced(&mut self, object: Object, begun: u64, ended: u64, succeeded: bool) {
        for step in &mut self.steps {
            let is_of_it = match &step.change {
                Change::Write { file, .. } | Change::Length { file, .. } => *file == object,
                Change::Names(changes) => changes.iter().any(|(folder, ..)| *folder == object),
            };
            if !is_of_it || step.synced_at.is_some() || step.is_given_up {
                continue;
            }
            if !succeeded {
                step.is_given_up = true;
            } else if step.at <= begun {
                step.synced_at = Some(ended);
            }
        }
    }
}

impl Trace {
    /// The moments just after each operation.
    pub fn moments(&self) -> &[u64] {
        &self.moments
    }

    /// The number of changes up to a moment that were not durable at that moment.
    pub fn unsynced_at(&self, moment: u64) -> usize {
        let is_open = |step: &&Step| step.at <= moment && step.synced_at.is_none_or(|synced| synced > moment);
        self.steps.iter().filter(is_open).count()
    }

    /// The content of the disk if the power fails at this moment.
    pub fn state(&self, moment: u64, unsynced: Unsynced) -> Image {
        let mut luck = Luck::new(unsynced);
        let mut tree = self.base.clone();
        let mut lost_names: HashSet<(Object, &str)> = HashSet::new();
        for step in self.steps.iter().filter(|step| step.at <= moment) {
            let is_safe = step.synced_at.is_some_and(|synced| synced <= moment);
            match &step.change {
                Change::Names(changes) => {
                    for object in changes.iter().filter_map(|(.., object)| *object) {
                        match self.folders.contains(&object) {
                            true => drop(tree.folders.entry(object).or_default()),
                            false => drop(tree.files.entry(object).or_default()),
                        }
                    }
                    let is_lost =
                        |(folder, name, _): &(Object, String, _)| lost_names.contains(&(*folder, name.as_str()));
                    let follows_a_lost_one = changes.iter().any(is_lost);
                    if is_safe || !follows_a_lost_one && luck.keeps_name() {
                        tree.rename(changes);
                    } else {
                        lost_names.extend(changes.iter().map(|(folder, name, _)| (*folder, name.as_str())));
                    }
                }
                Change::Length { file, length } => {
                    if is_safe || luck.keeps(*file) {
                        tree.files.entry(*file).or_default().resize(*length, 0);
                    }
                }
                Change::Write { file, offset, data } => {
                    let bytes = tree.files.entry(*file).or_default();
                    for part in parts(*offset, data.len(), if is_safe { usize::MAX } else { luck.sector }) {
                        if !is_safe && !luck.keeps(*file) {
                            continue;
                        }
                        let end = part.1 + offset;
                        if bytes.len() < end {
                            bytes.resize(end, 0);
                        }
                        bytes[part.0 + offset..end].copy_from_slice(&data[part.0..part.1]);
                    }
                    let end = offset + data.len();
                    if !is_safe && bytes.len() < end && luck.keeps_length() {
                        bytes.resize(end, 0);
                    }
                }
            }
        }
        tree.image()
    }
}

/// Cuts a write into parts at the borders of sectors. Each part is a range within the write.
fn parts(offset: usize, length: usize, sector: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let end = match (offset + from).checked_add(1).and_then(|at| at.checked_next_multiple_of(sector)) {
            Some(next) => length.min(next - offset),
            None => length,
        };
        let part = (from < length).then_some((from, end));
        from = end;
        part
    })
}

/// Decides which unsynced changes are on the disk.
struct Luck {
    random: Option<StdRng>,
    is_kept: bool,
    sector: usize,
    names: f64,
    of_files: BTreeMap<Object, Fate>,
}

/// Decides which unsynced changes of one file are on the disk.
#[derive(Clone, Copy)]
enum Fate {
    /// Each part is there with this probability.
    Parts(f64),
    /// All parts up to some part are there. Each part is the last one with this probability.
    Until(f64),
    Nothing,
}

impl Luck {
    fn new(unsynced: Unsynced) -> Self {
        let (mut random, is_kept) = match unsynced {
            Unsynced::Kept => (None, true),
            Unsynced::Lost => (None, false),
            Unsynced::Seed(seed) => (Some(StdRng::seed_from_u64(seed)), false),
        };
        let sector = random.as_mut().map_or(usize::MAX, |random| [512, 4096, usize::MAX][random.random_range(0..3)]);
        let names = random.as_mut().map_or(0.0, |random| [0.0, 0.5, 0.9, 1.0][random.random_range(0..4)]);
        Self { random, is_kept, sector, names, of_files: BTreeMap::new() }
    }

    fn keeps(&mut self, file: Object) -> bool {
        let Some(random) = &mut self.random else { return self.is_kept };
        let fate = self.of_files.entry(file).or_insert_with(|| match random.random_range(0..6) {
            0 => Fate::Parts(1.0),
            1 => Fate::Parts(0.5),
            2 => Fate::Parts(0.9),
            3 => Fate::Until(0.2),
            4 => Fate::Until(0.02),
            _ => Fate::Nothing,
        });
        match *fate {
            Fate::Parts(probability) => random.random_bool(probability),
            Fate::Nothing => false,
            Fate::Until(probability) => {
                if random.random_bool(probability) {
                    *fate = Fate::Nothing;
                }
                true
            }
        }
    }

    /// Whether a lost write has still made its file longer.
    fn keeps_length(&mut self) -> bool {
        self.random.as_mut().is_some_and(|random| random.random_bool(0.3))
    }

    fn keeps_name(&mut self) -> bool {
        let names = self.names;
        self.random.as_mut().map_or(self.is_kept, |random| random.random_bool(names))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A file `a` is created and written, synced, and written again. At the end its folder is synced or not.
    fn trace(folder_is_synced: bool, sync_fails: bool) -> (Trace, tempfile::TempDir) {
        let root = tempfile::tempdir().expect("a folder");
        let canonical = root.path().canonicalize().expect("a folder");
        let path = canonical.join("a");
        let mut operations: Vec<Operation> = Vec::new();
        let mut then = |op, path: &Path, offset, data: &[u8], error| {
            let (at, data, path) = (operations.len() as u64 + 1, data.to_vec(), path.to_owned());
            operations.push(Operation { at, op, path, to: None, inode: 7, offset, data, error });
        };
        then(Op::Create, &path, 0, b"", 0);
        then(Op::Write, &path, 0, &[1; 1000], 0);
        then(Op::Sync, &path, 0, b"", 0);
        then(Op::Write, &path, 1000, &[2; 1000], 0);
        then(Op::Synced, &path, 0, b"", if sync_fails { 5 } else { 0 });
        if folder_is_synced {
            then(Op::Sync, &canonical, 0, b"", 0);
            then(Op::Synced, &canonical, 0, b"", 0);
        }
        let trace = Before::of(&canonical).then(&canonical, &operations);
        (trace, root)
    }

    fn at_the_end(trace: &Trace, unsynced: Unsynced) -> Option<Vec<u8>> {
        trace.state(u64::MAX, unsynced).remove(Path::new("a")).map(|bytes| bytes.expect("a file"))
    }

    #[test]
    fn synced_bytes_are_on_the_disk_and_any_sectors_of_unsynced_writes() {
        let (trace, _root) = trace(true, false);
        assert_eq!(at_the_end(&trace, Unsynced::Kept).expect("there").len(), 2000);
        assert_eq!(at_the_end(&trace, Unsynced::Lost).expect("there"), [1; 1000]);
        let mut seen = BTreeSet::new();
        for seed in 0..500 {
            let bytes = at_the_end(&trace, Unsynced::Seed(seed)).expect("there");
            assert_eq!(bytes[..1000], [1; 1000], "seed {seed}");
            // Bytes 1000 to 1024, 1024 to 1536, and 1536 to 2000 are each written, or zeros, or after the end of the file.
            let there = [1000, 1024, 1536].map(|at| bytes.get(at).copied().unwrap_or(3));
            seen.insert(there);
            assert_eq!(bytes, trace.state(u64::MAX, Unsynced::Seed(seed))[Path::new("a")].clone().expect("a file"));
        }
        for state in [[2, 2, 2], [3, 3, 3], [2, 0, 0], [0, 0, 2], [0, 2, 2], [2, 3, 3], [0, 0, 0]] {
            assert!(seen.contains(&state), "{state:?} of {seen:?}");
        }
    }

    #[test]
    fn a_name_is_durable_only_after_a_sync_of_its_folder() {
        let (trace, _root) = trace(false, false);
        assert_eq!(at_the_end(&trace, Unsynced::Lost), None);
        assert!((0..50).any(|seed| at_the_end(&trace, Unsynced::Seed(seed)).is_none()));
        assert!((0..50).any(|seed| at_the_end(&trace, Unsynced::Seed(seed)).is_some()));
    }

    #[test]
    fn after_a_failed_sync_a_later_sync_makes_nothing_durable_either() {
        let (trace, _root) = trace(true, true);
        assert_eq!(at_the_end(&trace, Unsynced::Lost), Some(Vec::new()));
    }
}
