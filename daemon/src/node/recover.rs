//! `sinergi recover`: begins a new epoch after the ledger was set back or lost. The node must not run.
//!
//! Executes what [`sinergi_proto::engine::recovery`] decides.
//!
//! ```text
//! 1 read the sightings of peers (set-back.json) and the old ledger, and plan
//! 2 build ledger.recovering: LedgerReset first, then everything that can be read of the old ledger (recover/old.rs)
//! 3 rename: store and ledger aside, ledger.recovering to ledger
//! 4 peers give back the rest when the node runs again (outbox.rs)
//! ```
//!
//! Invariants:
//! - nothing is deleted: the old ledger and its store stay beside the new ones;
//! - an interruption before step 3 changes nothing. After an interruption within step 3, the next start finishes it (`finish_recovery`).

mod old;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sinergi_config::Config;
use sinergi_proto::base::ids::{Epoch, LedgerIndex};
use sinergi_proto::engine::recovery::{self, Part, Plan, PlanError, TakenOver};
use sinergi_proto::engine::{ClockProblem, OwnClock};
use sinergi_proto::transparency::rollback_guard::{Extent, Proof, ShownLedger, Sighting};
use sinergi_proto::wire;

use super::error::NodeError;
use super::folder::{check_membership, finish_recovery, ledger_path, recovering, store_path};
use crate::base::alarms::Alarms;
use crate::base::disk_space::SharedSpace;
use crate::base::error_chain::one_line;
use crate::base::own_clock::SharedClock;
use crate::base::time;
use crate::rollback_guard::{self, GuardService, OwnKeys, OwnLedger, SightingsError};
use crate::storage::charters::CharterStore;
use crate::storage::complaint_loader::OwnDataError;
use crate::storage::derivation::Derivation;
use crate::storage::keys::SigningKeys;
use crate::storage::leaf_cache::LeafCache;
use crate::storage::ledger::{self, Ledger, LedgerOptions, LedgerReader, OpenError, Salvage};
use crate::storage::mark;
use crate::storage::record_codec;
use crate::storage::store::{self, StoreError};
use crate::writer::{DeclareError, Writer, WriterError, WriterParts};

use old::OldLedger;

/// No new epoch was begun. The folder is unchanged, unless step 3 was interrupted: then the next start finishes it.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// Keys, charter or membership are wrong.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The node is running.
    #[error("the node runs: it holds {}; stop it first", .0.display())]
    Running(PathBuf),
    /// The clock does not fit the times in the old ledger.
    #[error(
        "this machine's clock is {after} s after the newest time in the old ledger: set the clock (NTP). If it is right, repeat the command with \
         --time and the time that your own clock shows"
    )]
    Clock {
        /// How long after the newest time in the ledger it is, in seconds; negative if it is before.
        after: i64,
    },
    /// The plan for a new epoch is not possible.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The stored sightings cannot be read.
    #[error(transparent)]
    Sightings(#[from] SightingsError),
    /// A file or folder cannot be changed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The action, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The old or the new ledger cannot be opened.
    #[error("a ledger's files: {0}")]
    Ledger(#[from] OpenError),
    /// The new store cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The new ledger cannot be written.
    #[error("cannot fill the new ledger: {0}")]
    Writer(#[from] WriterError),
    /// The new epoch cannot be declared.
    #[error("cannot declare the new epoch: {0}")]
    Declare(#[from] DeclareError),
    /// The node's own data cannot be read, or contradict each other.
    #[error(transparent)]
    OwnData(#[from] OwnDataError),
}

/// The ledger of the old epoch. Its lock is held.
enum Old {
    Whole(Box<Ledger>),
    Damaged(Salvage),
    Gone,
}

impl Old {
    /// The time of the newest leaf, in milliseconds since 1970, if it can be read.
    fn newest_time(&self) -> Option<u64> {
        let (reader, _) = self.reader()?;
        let last = reader.size().checked_sub(1)?;
        let leaf = reader.leaf(LedgerIndex(last)).ok()?;
        Some(record_codec::leaf_header(&leaf).ok()?.at)
    }

    /// A reader for the readable part, and whether that is the whole ledger.
    fn reader(&self) -> Option<(LedgerReader, bool)> {
        match self {
            Self::Whole(ledger) => Some((ledger.reader(), true)),
            Self::Damaged(salvage) => Some((salvage.reader.clone(), false)),
            Self::Gone => None,
        }
    }
}

/// The result of a recovery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Entries taken over from the old ledger.
    pub taken_over: u64,
    /// Entries of the old ledger that cannot be read or were not taken. They are still in the old ledger.
    pub left_behind: u64,
    /// The present paths of the old ledger and the old store.
    pub kept: Vec<PathBuf>,
}

/// A planned recovery; nothing is changed yet. Holds the old ledger's lock.
pub struct Recovery<'a> {
    config: &'a Config,
    charter_store: CharterStore,
    keys: SigningKeys,
    old: Old,
    plan: Plan,
}

impl<'a> Recovery<'a> {
    /// Reads the node's folder and plans. `epoch` is the epoch to begin; `None` means the one after the newest known. With `trusts_clock` the operator
    /// says that the clock is right; otherwise it must fit the times in the old ledger.
    ///
    /// # Errors
    /// No new epoch can be begun.
    pub fn prepare(config: &'a Config, epoch: Option<Epoch>, trusts_clock: bool) -> Result<Self, RecoverError> {
        let keys = SigningKeys::load(&config.keys).map_err(NodeError::Keys)?;
        let charter_store = CharterStore::load(&config.charter).map_err(NodeError::from)?;
        check_membership(config, &charter_store, &keys)?;
        finish_recovery(config)?;
        let path = ledger_path(config);
        let (old, here, recorded) = open_old(&path)?;
        let mut sightings = rollback_guard::load(&rollback_guard::file(&config.data))?;
        sightings.extend(by_mark(config, &here)?);
        let charters = charter_store.charters();
        let own_keys = OwnKeys::of(config, charter_store.clone());
        let plan = Plan::new(&here, recorded, &sightings, own_keys.signer(&charters), epoch)?;
        if !trusts_clock {
            let signed_at = ShownLedger::by_checkpoint(&plan.checkpoint, own_keys.signer(&charters))
                .and_then(|shown| u64::try_from(shown.signed_at?.as_millisecond()).ok());
            check_clock(old.newest_time().max(signed_at))?;
        }
        Ok(Self { config, charter_store, keys, old, plan })
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Begins the new epoch. `progress` gets the number of entries that were taken over, and of all entries.
    ///
    /// # Errors
    /// No new epoch was begun.
    pub fn carry_out(
        self,
        reason: wire::ResetReason,
        progress: impl FnMut(u64, u64),
    ) -> Result<Recovered, RecoverError> {
        let (ledger, store) = (recovering(&ledger_path(self.config)), recovering(&store_path(self.config)));
        // They are left over from a recovery that was interrupted before step 3.
        for folder in [&ledger, &store] {
            remove_if_there(folder).map_err(|source| RecoverError::Io {
                action: "remove",
                path: folder.clone(),
                source,
            })?;
        }
        let mut writer = self.new_writer(&ledger, &store)?;
        writer.declare(self.plan.declaration(reason))?;
        let mut taken = TakenOver::default();
        if let Some((reader, is_whole)) = self.old.reader() {
            let (federation, charter_store) = (self.config.federation.to_string(), self.charter_store.clone());
            let key = self.keys.entry.clone();
            taken =
                OldLedger::new(reader, is_whole, federation, charter_store, key).take_over(&mut writer, progress)?;
        }
        writer.finish()?;
        let kept = self.put_in_place()?;
        let path = &self.config.ledger.mark;
        if let Err(error) = mark::write(path, &self.config.agency, Extent { epoch: self.plan.epoch, size: 1 }) {
            // The epoch has begun. The node raises an alarm if it cannot write the mark either.
            tracing::warn!(path = %path.display(), %error, "cannot write the mark of the new ledger");
        }
        Ok(Recovered { taken_over: taken.entries, left_behind: taken.left_behind, kept })
    }

    fn new_writer(&self, ledger: &Path, store: &Path) -> Result<Writer, RecoverError> {
        let config = self.config;
        let segment_bytes = config.ledger.segment_bytes;
        let options = LedgerOptions { epoch: Some(self.plan.epoch), segment_bytes, rebuild_derived: false };
        let (ledger, _) = Ledger::open(ledger, options)?;
        let (store, _) = store::open(store, config.store.cache_bytes)?;
        let (own, federation) = (config.agency.clone(), config.federation.to_string());
        let derivation =
            Derivation::new(own.clone(), federation.clone(), store, ledger.reader(), self.charter_store.clone());
        let guard =
            GuardService::clear(OwnLedger::of(config, self.charter_store.clone(), ledger.reader()), &config.data);
        let adjacent: BTreeSet<_> = config.peers.iter().map(|peer| peer.agency.clone()).collect();
        let parts = WriterParts {
            own,
            federation,
            derivation,
            charter_store: self.charter_store.clone(),
            adjacent,
            keys: self.keys.clone(),
            answer_within_millis: 0,
            alarms: Alarms::default(),
            clock: SharedClock::of_a_start(0),
            space: SharedSpace::new(0),
            guard,
            recorded: None,
        };
        Ok(Writer::new(parts, ledger, LeafCache::default())?.0)
    }

    /// Step 3: moves the old ledger and store aside and renames the new ones. Returns the new paths of the old ones.
    fn put_in_place(&self) -> Result<Vec<PathBuf>, RecoverError> {
        let mut kept = Vec::new();
        for part in recovery::MOVED_ASIDE {
            let folder = match part {
                Part::Ledger => ledger_path(self.config),
                Part::Store => store_path(self.config),
            };
            if folder.exists() {
                let to = aside(&folder, self.plan.old_epoch);
                fs::rename(&folder, &to).map_err(|source| RecoverError::Io {
                    action: "move aside",
                    path: folder.clone(),
                    source,
                })?;
                kept.push(to);
            }
        }
        // If a crash prevents this, the next start does it.
        finish_recovery(self.config)?;
        Ok(kept)
    }
}

/// The sighting by the mark, if the mark is beyond the ledger.
fn by_mark(config: &Config, here: &recovery::OldLedger) -> Result<Option<Sighting>, RecoverError> {
    let path = &config.ledger.mark;
    let mark = mark::read(path, &config.agency).map_err(|source| RecoverError::Io {
        action: "read",
        path: path.clone(),
        source,
    })?;
    let reach = |extent: Extent| (extent.epoch, extent.size);
    let is_beyond = |mark: &Extent| here.extent().is_none_or(|here| reach(here) < reach(*mark));
    // The mark of a node that has never run says nothing.
    let mark = mark.filter(|mark| is_beyond(mark) && reach(*mark) > (Epoch::FIRST, 0));
    Ok(mark.map(|mark| Sighting { by: None, at: time::now_millis(), proof: Proof::by_mark(mark) }))
}

/// Checks that the clock fits `newest`, the newest time that is known of the old ledger, in milliseconds since 1970.
fn check_clock(newest: Option<u64>) -> Result<(), RecoverError> {
    let now = time::now();
    match OwnClock::of_a_start(newest.unwrap_or_default(), now).state(now).problem {
        Some(ClockProblem::Implausible { after }) => Err(RecoverError::Clock { after }),
        _ => Ok(()),
    }
}

/// Opens the old ledger. Returns it, a description of it for the plan, and its newest recorded checkpoint (empty if there is none).
fn open_old(path: &Path) -> Result<(Old, recovery::OldLedger, Vec<u8>), RecoverError> {
    let problem = match Ledger::open(path, LedgerOptions::default()) {
        Ok((ledger, opened)) => {
            let here = Extent { epoch: ledger.epoch(), size: ledger.size() };
            let recorded = opened.signed_note.unwrap_or_default();
            return Ok((Old::Whole(Box::new(ledger)), recovery::OldLedger::Whole(here), recorded));
        }
        Err(OpenError::InUse { path }) => return Err(RecoverError::Running(path)),
        Err(error) => one_line(&error),
    };
    let (old, here) = match ledger::salvage(path)? {
        Some(salvage) => {
            let epoch = salvage.epoch;
            (Old::Damaged(salvage), recovery::OldLedger::Damaged { epoch, problem })
        }
        None => (Old::Gone, recovery::OldLedger::Unreadable { problem }),
    };
    Ok((old, here, Vec::new()))
}

/// A path beside the folder that does not exist yet.
fn aside(folder: &Path, epoch: Epoch) -> PathBuf {
    let name = |number: u32| match number {
        1 => folder.with_extension(format!("epoch-{epoch}")),
        _ => folder.with_extension(format!("epoch-{epoch}-{number}")),
    };
    (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(1))
}

fn remove_if_there(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
