//! `sinergi recover`: begins a new epoch after the ledger was set back or lost. The node must not run.
//!
//! ```text
//! 1 read what peers saw (set-back.json), what the old ledger is, which epoch is the newest known
//! 2 build ledger.recovering: LedgerReset first, then everything that can be read of the old ledger
//! 3 rename: store and ledger aside, ledger.recovering to ledger
//! 4 peers give back the rest when the node runs again (outbox.rs)
//! ```
//!
//! Invariants:
//! - nothing that was there is deleted: the old ledger and its store lie beside the new ones;
//! - an interruption before step 3 changes nothing; one within it is finished by the next start (`finish_recovery`);
//! - the new epoch is later than every one that anybody is known to have seen; where nobody has said anything, the operator names it.

mod old;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sinergi_config::Config;
use sinergi_proto::continuity::Extent;
use sinergi_proto::engine::NotDone;
use sinergi_proto::ids::Epoch;
use sinergi_proto::wire;

use crate::alarms::Alarms;
use crate::case::CaseError;
use crate::causes::one_line;
use crate::continuity::{self, Continuity, OwnKeys, OwnLedger, Proof, SightingsError};
use crate::derivation::Derivation;
use crate::directory::Directory;
use crate::durable;
use crate::keys::SigningKeys;
use crate::ledger::{self, Ledger, LedgerOptions, LedgerReader, OpenError, Salvage};
use crate::node::{NodeError, check_membership, finish_recovery, ledger_path, store_path};
use crate::recent::Recent;
use crate::store::{self, StoreError};
use crate::writer::{Writer, WriterError, WriterParts};

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
    /// Nobody knows which epoch there was.
    #[error(
        "the ledger here is empty, and no peer has said yet what it saw of it: run the node until one was heard (`sinergi status` shows it), \
         stop it and repeat, or name the new epoch with --epoch"
    )]
    NothingKnown,
    /// The ledger that is here may be an old copy: what was begun after it only peers know.
    #[error(
        "nothing shows that the ledger here ({size} leaves in epoch {epoch}) was set back, and a copy does not know which epochs were begun \
         after it: name the new one with --epoch, later than any that a peer has seen (`sinergi peer show` there), {next} if there is none. Or, \
         while all its peers can be reached, run the node: it stops before it signs if it lacks anything, and this command knows of it then",
        size = .0.size,
        epoch = .0.epoch,
        next = .0.epoch.0.saturating_add(1)
    )]
    NothingSeen(Extent),
    /// Nothing of the ledger can be read, so that the node does not even run to hear its peers.
    #[error(
        "nothing of the ledger here can be read ({0}), not even its epoch: ask a peer for it (`sinergi peer show` there) and name the next one \
         with --epoch"
    )]
    NothingReadable(String),
    /// The epoch that was named is not new.
    #[error("epoch {given} is not new: epoch {known} is known already, so it must be at least {}", known.0.saturating_add(1))]
    NotNew {
        /// What was named.
        given: Epoch,
        /// The newest known.
        known: Epoch,
    },
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
    /// The declaration cannot be signed.
    #[error("cannot declare the new epoch: {0}")]
    Declare(#[from] NotDone),
    /// The node's data contradict each other.
    #[error(transparent)]
    Case(#[from] CaseError),
}

/// What will be done, to be confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The newest epoch that is known.
    pub old_epoch: Epoch,
    /// The one that begins.
    pub epoch: Epoch,
    /// How far the ledger that is here reaches; `None`: nothing of it can be read.
    pub here: Option<Extent>,
    /// Why it cannot be opened.
    pub unreadable: Option<String>,
    /// The furthest that peers saw of it.
    pub seen: Option<Extent>,
}

/// The ledger of the epoch that is over; its lock is held.
enum Old {
    Whole(Box<Ledger>),
    Damaged(Salvage),
    Gone,
}

impl Old {
    /// How far it reaches; how many leaves a damaged one has is not known.
    fn extent(&self) -> Option<Extent> {
        match self {
            Self::Whole(ledger) => Some(Extent { epoch: ledger.epoch(), size: ledger.size() }),
            Self::Damaged(salvage) => Some(Extent { epoch: salvage.epoch, size: 0 }),
            Self::Gone => None,
        }
    }

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
    /// The newest checkpoint of the old epochs that is known.
    checkpoint: Vec<u8>,
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
        let (old, mut checkpoint, unreadable) = match Ledger::open(&path, LedgerOptions::default()) {
            Ok((ledger, opened)) => (Old::Whole(Box::new(ledger)), opened.signed_note.unwrap_or_default(), None),
            Err(OpenError::InUse { path }) => return Err(RecoverError::Running(path)),
            Err(error) => {
                let old = ledger::salvage(&path)?.map_or(Old::Gone, Old::Damaged);
                (old, Vec::new(), Some(one_line(&error)))
            }
        };
        let here = old.extent();
        let file = continuity::file(&config.data);
        let sightings = continuity::load(&file)?;
        let own = own_keys(config, &directory);
        let reach = |extent: Extent| (extent.epoch, extent.size);
        let mut newest = own.read_checkpoint(&checkpoint).map(|shown| reach(shown.extent));
        let mut seen: Option<Extent> = None;
        for sighting in sightings.iter().filter(|sighting| sighting.by.is_some()) {
            let Some(shown) = own.read(&sighting.proof).map(|shown| shown.extent) else { continue };
            seen = seen.filter(|seen| reach(*seen) >= reach(shown)).or(Some(shown));
            if let Proof::Checkpoint(note) = &sighting.proof
                && newest.is_none_or(|newest| newest < reach(shown))
            {
                (newest, checkpoint) = (Some(reach(shown)), note.as_bytes().to_vec());
            }
        }
        let has_leaves = here.is_some_and(|here| here.size > 0);
        // A whole ledger that nothing contradicts may be a copy that was put back: it does not know what was begun after it.
        let is_known = seen.is_some()
            || here.is_some() && unreadable.is_some()
            || has_leaves && (epoch.is_some() || !sightings.is_empty());
        let known = here.into_iter().chain(seen).map(|extent| extent.epoch).max().filter(|_| is_known);
        let named = epoch.map(|epoch| Epoch(epoch.0.saturating_sub(1)));
        let old_epoch = match (known.or(named), unreadable.clone(), here.filter(|_| has_leaves)) {
            (Some(old_epoch), ..) => old_epoch,
            (None, Some(problem), _) => return Err(RecoverError::NothingReadable(problem)),
            (None, None, Some(here)) => return Err(RecoverError::NothingSeen(here)),
            (None, None, None) => return Err(RecoverError::NothingKnown),
        };
        let epoch = epoch.unwrap_or(Epoch(old_epoch.0.saturating_add(1)));
        if epoch <= old_epoch {
            return Err(RecoverError::NotNew { given: epoch, known: old_epoch });
        }
        let plan = Plan { old_epoch, epoch, here, unreadable, seen };
        Ok(Self { config, directory, keys, old, plan, checkpoint })
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
        mut self,
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
        writer.declare(wire::LedgerReset {
            old_epoch: self.plan.old_epoch.0,
            newest_checkpoint: std::mem::take(&mut self.checkpoint),
            reason: reason.into(),
        })??;
        let mut recovered = Recovered::default();
        if let Some((reader, is_whole)) = self.old.reader() {
            let (federation, directory) = (self.config.federation.to_string(), self.directory.clone());
            let old = OldLedger::new(reader, is_whole, federation, directory);
            (recovered.taken_over, recovered.left_behind) = old.take_over(&mut writer, progress)?;
        }
        writer.finish()?;
        recovered.kept = self.put_in_place()?;
        Ok(recovered)
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
        let continuity = Continuity::clear(own_ledger(config, &self.directory, &ledger), &config.data);
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
            clock_offset: Arc::default(),
            continuity,
            recorded: None,
        };
        Ok(Writer::new(parts, ledger, Recent::default())?.0)
    }

    /// The new ledger takes the old one's place, which is kept beside it.
    fn put_in_place(&self) -> Result<Vec<PathBuf>, RecoverError> {
        let (ledger, store) = (ledger_path(self.config), store_path(self.config));
        let mut kept = Vec::new();
        for folder in [&store, &ledger] {
            if folder.exists() {
                let to = aside(folder, self.plan.old_epoch);
                fs::rename(folder, &to).map_err(|source| RecoverError::Io {
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

fn own_keys(config: &Config, directory: &Directory) -> OwnKeys {
    OwnKeys { agency: config.agency.clone(), federation: config.federation.clone(), directory: directory.clone() }
}

pub(crate) fn own_ledger(config: &Config, directory: &Directory, ledger: &Ledger) -> OwnLedger {
    OwnLedger { keys: own_keys(config, directory), reader: ledger.reader() }
}

/// Puts a new ledger in its place whose old one was moved aside already. Without a ledger the one that was being made is whole: the old one
/// goes last.
///
/// # Errors
/// When it cannot be renamed.
pub(crate) fn put_recovered_in_place(ledger: &Path, store: &Path) -> Result<(), (PathBuf, io::Error)> {
    for folder in [ledger, store] {
        let made = recovering(folder);
        if folder.exists() || !made.exists() {
            // The store is derived: it is made anew if the one that was made has no ledger yet.
            return Ok(());
        }
        fs::rename(&made, folder)
            .and_then(|()| durable::sync_folder_of(folder))
            .map_err(|source| (made.clone(), source))?;
    }
    Ok(())
}

/// Where the new ledger or store is made.
fn recovering(folder: &Path) -> PathBuf {
    folder.with_extension("recovering")
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
