//! Opens a node's folder in this process, as a node does when it starts. Starting a process for each of thousands of states would take too
//! long.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use sinergi_config::Config;
use sinergi_daemon::node::{Data, NodeError};
use sinergi_daemon::storage::charters::CharterStore;
use sinergi_daemon::storage::derivation::Derivation;
use sinergi_daemon::storage::ledger::{self, Finding};
use sinergi_daemon::storage::store::{self, StoreError};
use sinergi_proto::engine::PeerCursor;
use tempfile::TempDir;

/// A temporary folder, in memory if the system has a file system there.
pub fn temp_folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a temporary folder")
}

/// Judges all cases on all processors. Returns the problems of the cases that fail. A panic is a failure.
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
    /// The ledger, the store and the rollback guard.
    pub data: Data,
    config: Config,
    charter_store: CharterStore,
}

impl Reopened {
    /// Opens a folder.
    ///
    /// # Errors
    /// The reason why the node would not start.
    pub fn open(folder: &Path) -> Result<Self, NodeError> {
        let config = Config::load(folder).expect("a configuration");
        let charter_store = CharterStore::load(&config.charter)?;
        let data = Data::open(&config, charter_store.clone())?;
        Ok(Self { data, config, charter_store })
    }

    /// The version of its newest charter.
    pub fn charter_version(&self) -> u64 {
        self.charter_store.newest().version
    }

    /// The findings of a full check of the ledger.
    pub fn findings(&self) -> Vec<Finding> {
        ledger::verify(&self.data.ledger.reader(), |_| ControlFlow::Continue(()))
    }

    /// The whole content of the store as text.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn store(&self) -> Result<String, StoreError> {
        self.contents(&self.data.derivation)
    }

    /// The whole content, as text, of a new store that is built from the ledger.
    ///
    /// # Errors
    /// The store cannot be built.
    pub fn rebuilt_store(&self) -> Result<String, NodeError> {
        let place = temp_folder();
        let (store, _) = store::open(&place.path().join("store"), self.config.store.cache_bytes)?;
        let federation = self.config.federation.to_string();
        let own = self.config.agency.clone();
        let mut rebuilt =
            Derivation::new(own, federation, store, self.data.ledger.reader(), self.charter_store.clone());
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
            assert!(held.collect::<BTreeSet<_>>() == ids, "the index of held complaints of {holder} is wrong");
        }
        for peer in &self.config.peers {
            for which in [PeerCursor::Received, PeerCursor::Receipted] {
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
