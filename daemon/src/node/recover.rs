//! `sinergi recover`: begins a new epoch after the ledger was set back or lost. The node must not run.
//!
//! Executes what [`sinergi_proto::engine::recovery`] decides.
//!
//! ```text
//! 1 read what peers saw (set-back.json) and what the old ledger is, and plan
//! 2 build ledger.recovering: LedgerReset first, then everything that can be read of the old ledger (recover/old.rs)
//! 3 rename: store and ledger aside, ledger.recovering to ledger
//! 4 peers give back the rest when the node runs again (outbox.rs)
//! ```
//!
//! Invariants:
//! - nothing that was there is deleted: the old ledger and its store lie beside the new ones;
//! - an interruption before step 3 changes nothing; one within it is finished by the next start (`finish_recovery`).

mod old;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sinergi_config::Config;
use sinergi_proto::base::ids::Epoch;
use sinergi_proto::engine::recovery::{self, Part, Plan, PlanError, TakenOver};
use sinergi_proto::transparency::rollback_guard::Extent;
use sinergi_proto::wire;

use super::error::NodeError;
use super::folder::{check_membership, finish_recovery, ledger_path, recovering, store_path};
use crate::base::alarms::Alarms;
use crate::base::causes::one_line;
use crate::base::peer_clocks::SharedPeerClocks;
use crate::rollback_guard::{self, Continuity, OwnKeys, OwnLedger, SightingsError};
use crate::storage::case::CaseError;
use crate::storage::charters::Directory;
use crate::storage::derivation::Derivation;
use crate::storage::keys::SigningKeys;
use crate::storage::leaf_cache::Recent;
use crate::storage::ledger::{self, Ledger, LedgerOptions, LedgerReader, OpenError, Salvage};
use crate::storage::store::{self, StoreError};
use crate::writer::{DeclareError, Writer, WriterError, WriterParts};

use old::OldLedger;

/// Why no new epoch was begun. The folder is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// Keys, charter or membership.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The node runs.
    #[error("the node runs: it holds {}; stop it first", .0.display())]
    Running(PathBuf),
    /// No epoch can be begun.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// What peers saw.
    #[error(transparent)]
    Sightings(#[from] SightingsError),
    /// A file or folder.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The files of the old ledger or the new one.
    #[error("a ledger's files: {0}")]
    Ledger(#[from] OpenError),
    /// The new store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The new ledger's writer.
    #[error("cannot fill the new ledger: {0}")]
    Writer(#[from] WriterError),
    /// The new ledger cannot be begun.
    #[error("cannot declare the new epoch: {0}")]
    Declare(#[from] DeclareError),
    /// The node's data contradict each other.
    #[error(transparent)]
    Case(#[from] CaseError),
}

/// The ledger of the epoch that is over; its lock is held.
enum Old {
    Whole(Box<Ledger>),
    Damaged(Salvage),
    Gone,
}

impl Old {
    /// For what can be read of it, and whether that is all.
    fn reader(&self) -> Option<(LedgerReader, bool)> {
        match self {
            Self::Whole(ledger) => Some((ledger.reader(), true)),
            Self::Damaged(salvage) => Some((salvage.reader.clone(), false)),
            Self::Gone => None,
        }
    }
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Entries taken over from the old ledger.
    pub taken_over: u64,
    /// Entries of it that cannot be read, or are not taken: they lie in the old ledger.
    pub left_behind: u64,
    /// Where the old ledger and the old store lie now.
    pub kept: Vec<PathBuf>,
}

/// A recovery that was looked into; nothing is changed yet. Holds the old ledger's lock.
pub struct Recovery<'a> {
    config: &'a Config,
    directory: Directory,
    keys: SigningKeys,
    old: Old,
    plan: Plan,
}

impl<'a> Recovery<'a> {
    /// Looks into the node's folder. `epoch`: the one to begin, if it is not the one after the newest known.
    ///
    /// # Errors
    /// Why no new epoch can be begun.
    pub fn prepare(config: &'a Config, epoch: Option<Epoch>) -> Result<Self, RecoverError> {
        let keys = SigningKeys::load(&config.keys).map_err(NodeError::Keys)?;
        let directory = Directory::load(&config.charter).map_err(NodeError::from)?;
        check_membership(config, &directory, &keys)?;
        finish_recovery(config)?;
        let path = ledger_path(config);
        let (old, here, recorded) = open_old(&path)?;
        let sightings = rollback_guard::load(&rollback_guard::file(&config.data))?;
        let charters = directory.charters();
        let plan =
            Plan::new(&here, recorded, &sightings, OwnKeys::of(config, directory.clone()).signer(&charters), epoch)?;
        Ok(Self { config, directory, keys, old, plan })
    }

    /// What will be done.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Begins the new epoch. `progress` hears how many entries of how many were taken over.
    ///
    /// # Errors
    /// Why it was not begun.
    pub fn carry_out(
        self,
        reason: wire::ResetReason,
        progress: impl FnMut(u64, u64),
    ) -> Result<Recovered, RecoverError> {
        let (ledger, store) = (recovering(&ledger_path(self.config)), recovering(&store_path(self.config)));
        // Of a recovery that was interrupted before it counted.
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
            let (federation, directory) = (self.config.federation.to_string(), self.directory.clone());
            taken = OldLedger::new(reader, is_whole, federation, directory).take_over(&mut writer, progress)?;
        }
        writer.finish()?;
        let kept = self.put_in_place()?;
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
            Derivation::new(own.clone(), federation.clone(), store, ledger.reader(), self.directory.clone());
        let continuity =
            Continuity::clear(OwnLedger::of(config, self.directory.clone(), ledger.reader()), &config.data);
        let adjacent: BTreeSet<_> = config.peers.iter().map(|peer| peer.agency.clone()).collect();
        let parts = WriterParts {
            own,
            federation,
            derivation,
            directory: self.directory.clone(),
            adjacent,
            keys: self.keys.clone(),
            answer_within_millis: 0,
            alarms: Alarms::default(),
            peer_clocks: SharedPeerClocks::default(),
            continuity,
            recorded: None,
        };
        Ok(Writer::new(parts, ledger, Recent::default())?.0)
    }

    /// The new ledger takes the old one's place, which is kept beside it.
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
        // From here on the next start does it, if this does not come about.
        finish_recovery(self.config)?;
        Ok(kept)
    }
}

/// Opens the ledger that is here; what is known of it, and the newest checkpoint that it has recorded.
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

/// A free name beside the folder.
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
