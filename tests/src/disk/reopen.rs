//! A node's folder, opened as a start opens it, in this process: for the thousands of states for which a process each would take too long.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use sinergi_config::Config;
use sinergi_daemon::node::{Data, NodeError};
use sinergi_daemon::storage::charters::Directory;
use sinergi_daemon::storage::derivation::Derivation;
use sinergi_daemon::storage::ledger::{self, Finding};
use sinergi_daemon::storage::store::{self, PeerCursor, StoreError};
use tempfile::TempDir;

/// A folder for things that are opened and thrown away: in memory, if there is such a place.
pub fn place() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a temporary folder")
}

/// Judges all cases, on all processors; what is wrong with those that are wrong. A panic is wrong.
pub fn judge_all<T: Sync>(cases: &[T], judge: impl Fn(&T) -> Result<(), String> + Sync) -> Vec<String> {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let judged = catch_unwind(AssertUnwindSafe(|| judge(case)));
            let judged = judged.unwrap_or_else(|_| Err("it panics (see above)".to_owned()));
            wrong.lock().extend(judged.err());
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    wrong.into_inner()
}

/// The data of a node, open.
pub struct Reopened {
    /// Ledger, store, and whether it may sign.
    pub data: Data,
    config: Config,
    directory: Directory,
}

impl Reopened {
    /// Opens a folder.
    ///
    /// # Errors
    /// Why the node would not start.
    pub fn open(folder: &Path) -> Result<Self, NodeError> {
        let config = Config::load(folder).expect("a configuration");
        let directory = Directory::load(&config.charter)?;
        let data = Data::open(&config, directory.clone())?;
        Ok(Self { data, config, directory })
    }

    /// The version of its newest charter.
    pub fn charter_version(&self) -> u64 {
        self.directory.newest().version
    }

    /// What a full check of the ledger finds.
    pub fn findings(&self) -> Vec<Finding> {
        ledger::verify(&self.data.ledger.reader(), |_| ControlFlow::Continue(()))
    }

    /// Everything that the store says.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn store(&self) -> Result<String, StoreError> {
        self.contents(&self.data.derivation)
    }

    /// Everything that a new store says that is built from the ledger.
    ///
    /// # Errors
    /// Why it cannot be built.
    pub fn rebuilt_store(&self) -> Result<String, NodeError> {
        let place = place();
        let (store, _) = store::open(&place.path().join("store"), self.config.store.cache_bytes)?;
        let federation = self.config.federation.to_string();
        let own = self.config.agency.clone();
        let mut rebuilt = Derivation::new(own, federation, store, self.data.ledger.reader(), self.directory.clone());
        rebuilt.replay(|_, _| ())?;
        rebuilt.count()?;
        Ok(self.contents(&rebuilt)?)
    }

    fn contents(&self, derivation: &Derivation) -> Result<String, StoreError> {
        let store = derivation.store();
        let mut holders = BTreeMap::<_, BTreeSet<_>>::new();
        let mut text = format!("{:?}\n", derivation.counts());
        let mut line = |line: String| writeln!(text, "{line}").expect("memory");
        for item in store.complaints() {
            let (id, summary) = item?;
            line(format!("{id} {summary:?} {:?}", store.timeline(&id)?));
            holders.entry(summary.holder.clone()).or_default().insert(id);
            if let Some(external) = &summary.external {
                line(format!("{:?}", store.imported(external)?));
            }
        }
        for (holder, ids) in holders {
            let held = store.held_by(&holder)?.into_iter().map(|(id, _)| id);
            assert!(held.collect::<BTreeSet<_>>() == ids, "the queue of {holder} is not what it holds");
        }
        for peer in &self.config.peers {
            for which in [PeerCursor::Received, PeerCursor::Acknowledged] {
                line(format!("{} {which:?} {:?}", peer.agency, store.cursor(which, &peer.agency)?));
            }
        }
        for item in store.refused() {
            line(format!("{:?}", item?));
        }
        for item in store.deferred() {
            line(format!("{:?}", item?));
        }
        line(format!("{:?} {:?} {:?}", store.unreachable()?, store.duties()?, store.own_clock()?));
        Ok(text)
    }
}
