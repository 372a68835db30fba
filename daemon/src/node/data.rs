//! Opens a node's data at a start: the ledger, the store, and the rollback guard with all proofs of a longer ledger.
//!
//! Must not know keys, links or operators; signs nothing.
//!
//! Invariants:
//! - this is the path after a crash or a power failure, and after a clean shutdown: there is no separate repair;
//! - a damaged store never prevents a start: it is moved aside and built again, also if sled panics;
//! - if the store shows that the ledger was longer, that proof is stored before the store is built again.

use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sinergi_config::Config;
use sinergi_proto::transparency::rollback_guard::Extent;

use super::error::NodeError;
use super::folder::{finish_recovery, ledger_path, store_path};
use crate::base::alarms::Alarms;
use crate::base::telemetry;
use crate::rollback_guard::{GuardService, OwnLedger, Proof};
use crate::storage::charters::CharterStore;
use crate::storage::complaint_loader::OwnDataError;
use crate::storage::derivation::Derivation;
use crate::storage::ledger::{Ledger, LedgerOptions, Opened, Position};
use crate::storage::mark;
use crate::storage::store::{self, Store, StoreError, StoreOpened};
use crate::writer::WriterError;

/// The data of a node, open.
pub struct Data {
    /// The ledger.
    pub ledger: Ledger,
    /// The store, with all records of the ledger applied.
    pub derivation: Derivation,
    /// The rollback guard: it says whether the node may sign.
    pub guard: GuardService,
    /// The newest checkpoint that the ledger has recorded.
    pub(super) recorded: Option<Vec<u8>>,
    pub(super) alarms: Alarms,
}

impl Data {
    /// Opens the data in the node's folder.
    ///
    /// # Errors
    /// A node with these data cannot start.
    pub fn open(config: &Config, charter_store: CharterStore) -> Result<Self, NodeError> {
        finish_recovery(config)?;
        let (ledger, opened) = open_ledger(config, false)?;
        let marked = marked(config, &opened)?;
        let (store, mut shown) = on_a_sound_store(config, || {
            let store = open_store(config)?;
            let shown = shown_by_own_files(&ledger, &opened, &store)?;
            Ok((store, shown))
        })?;
        let alarms = Alarms::load(&config.data);
        let peers = config.peers.iter().map(|peer| peer.agency.clone());
        let own = OwnLedger::of(config, charter_store.clone(), ledger.reader());
        let may_be_old = marked.may_be_old;
        shown.extend(marked.proof);
        let guard = GuardService::begin(own, &config.data, peers, (shown, may_be_old), alarms.clone())?;
        let mut store = Some(store);
        let derivation = on_a_sound_store(config, || {
            let store = store.take().map_or_else(|| open_store(config), Ok)?;
            open_derivation(config, &ledger, store, charter_store.clone())
        })?;
        Ok(Self { ledger, derivation, guard, recorded: opened.signed_note, alarms })
    }
}

/// Builds the store again from the ledger. The node must not run. Returns the number of entries in the ledger.
///
/// # Errors
/// The ledger or the charters cannot be read, or the store cannot be written.
pub fn rebuild(config: &Config) -> Result<u64, NodeError> {
    telemetry::start(&config.log)?;
    let charter_store = CharterStore::load(&config.charter)?;
    finish_recovery(config)?;
    let (ledger, opened) = open_ledger(config, true)?;
    let path = store_path(config);
    if path.exists() {
        // The store may prove that the ledger was longer: this is stored before the store is removed.
        let look = || Ok(shown_by_own_files(&ledger, &opened, &open_store(config)?)?);
        let local = on_a_sound_store(config, look)?;
        GuardService::begin(
            OwnLedger::of(config, charter_store.clone(), ledger.reader()),
            &config.data,
            [],
            (local, false),
            Alarms::default(),
        )?;
        std::fs::remove_dir_all(&path)?;
    }
    let derivation = open_derivation(config, &ledger, open_store(config)?, charter_store)?;
    Ok(derivation.reader().size())
}

/// Runs `work`, which opens and uses the store. If it meets damage, or sled panics, the store is moved aside, and `work` runs again with a new
/// one.
fn on_a_sound_store<T>(config: &Config, mut work: impl FnMut() -> Result<T, NodeError>) -> Result<T, NodeError> {
    match store::guarded(&mut work) {
        Err(NodeError::Store(error) | NodeError::OwnData(OwnDataError::Store(error))) if error.is_damage() => {
            tell_moved(&store::set_aside(&store_path(config))?, &error.found());
            work()
        }
        done => done,
    }
}

fn open_store(config: &Config) -> Result<Store, NodeError> {
    let (store, opened) = store::open(&store_path(config), config.store.cache_bytes)?;
    if let StoreOpened::MovedAside { to, reason } = opened {
        tell_moved(&to, &reason);
    }
    Ok(store)
}

fn tell_moved(to: &Path, reason: &str) {
    tracing::warn!(to = %to.display(), reason, "moved a damaged store aside; it is rebuilt from the ledger");
}

/// Adds the path to an error of the store. A store that proved damaged while the node ran may look intact when it is opened, so it is moved aside
/// here, and the next start makes a new one.
pub(super) fn after_a_failed_store(config: &Config, error: NodeError) -> NodeError {
    let path = store_path(config);
    let source = match error {
        NodeError::Store(source)
        | NodeError::OwnData(OwnDataError::Store(source))
        | NodeError::Writer(WriterError::Store(source) | WriterError::OwnData(OwnDataError::Store(source))) => source,
        other => return other,
    };
    if source.is_damage() {
        match store::set_aside(&path) {
            Ok(to) => {
                tracing::warn!(to = %to.display(), "moved the damaged store aside; the next start makes a new one from the ledger")
            }
            Err(error) => tracing::warn!("{error}"),
        }
    }
    NodeError::StoreFailed { path, source }
}

/// The proofs in this node's derived files that its ledger was longer. Derived files are written after the ledger, so they can only be ahead of
/// a ledger that was set back.
fn shown_by_own_files(ledger: &Ledger, opened: &Opened, store: &Store) -> Result<Vec<Proof>, StoreError> {
    let ours = Extent { epoch: ledger.epoch(), size: ledger.size() };
    let applied = store.watermark()?.map(Position::to_bits);
    Ok(Proof::by_own_files(ours, ledger.end().to_bits(), applied, opened.lost_leaves))
}

/// The result of reading the mark.
struct Marked {
    /// The proof of how far the ledger had come.
    proof: Option<Proof>,
    /// Whether nothing shows that the ledger is no old copy.
    may_be_old: bool,
}

fn marked(config: &Config, opened: &Opened) -> Result<Marked, NodeError> {
    let path = &config.ledger.mark;
    let mark = mark::read(path, &config.agency).map_err(|source| NodeError::Mark { path: path.clone(), source })?;
    let lost_more = opened.cut.as_ref().is_some_and(|cut| cut.is_more_than_one);
    if lost_more {
        // The cut is done, and the next start would not see it. A mark that is missing asks for a word again.
        mark::remove(path).map_err(|source| NodeError::Mark { path: path.clone(), source })?;
    }
    Ok(Marked { proof: mark.map(Proof::by_mark), may_be_old: mark.is_none() || lost_more })
}

fn open_ledger(config: &Config, rebuild_derived: bool) -> Result<(Ledger, Opened), NodeError> {
    let options = LedgerOptions { epoch: None, segment_bytes: config.ledger.segment_bytes, rebuild_derived };
    let (ledger, opened) = Ledger::open(&ledger_path(config), options)?;
    let Opened { cut, removed, rebuilt_from, .. } = &opened;
    if let Some(cut) = cut {
        tracing::warn!(?cut, "cut a group that a crash left half written; nobody was told of it");
    }
    if let Some(removed) = removed {
        tracing::warn!(file = %removed.display(), "removed a segment that a crash left half made");
    }
    if let Some(index) = rebuilt_from {
        tracing::warn!(from = index.0, "built the tree and the positions anew from the segments");
    }
    Ok((ledger, opened))
}

/// Applies the ledger's records to the store, with a progress bar on a terminal.
fn open_derivation(
    config: &Config,
    ledger: &Ledger,
    store: Store,
    charter_store: CharterStore,
) -> Result<Derivation, NodeError> {
    // A watermark beyond the ledger's end belongs to a longer ledger, so the store is built again. The rollback guard has that proof already.
    let store = match store.watermark()? {
        Some(watermark) if watermark > ledger.end() => {
            tracing::warn!("the store is ahead of the ledger; it is rebuilt");
            drop(store);
            std::fs::remove_dir_all(store_path(config))?;
            store::open(&store_path(config), config.store.cache_bytes)?.0
        }
        _ => store,
    };
    let federation = config.federation.to_string();
    let mut derivation = Derivation::new(config.agency.clone(), federation, store, ledger.reader(), charter_store);
    let bar = ProgressBar::with_draw_target(Some(ledger.size()), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("rebuilding the store {bar:30} {pos}/{len} entries {eta}") {
        bar.set_style(style);
    }
    let applied = derivation.replay(|done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    if applied > 0 {
        tracing::info!(entries = applied, "brought the store up to the ledger");
    }
    derivation.count()?;
    Ok(derivation)
}
