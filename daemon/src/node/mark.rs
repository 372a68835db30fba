//! Keeps the mark of the ledger: writes it when the ledger has grown, at most once a second, and when the node stops.
//!
//! Invariant: the mark is written only while the node may sign. Otherwise a node whose ledger was set back would destroy the proof of it.

use std::path::PathBuf;

use sinergi_config::Config;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::transparency::rollback_guard::{Extent, GuardState};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::base::alarms::{AlarmKind, Alarms};
use crate::rollback_guard::GuardService;
use crate::storage::mark;
use crate::writer::Head;

/// The topic of the alarm.
const TOPIC: &str = AlarmKind::LedgerMark.word();

/// Keeps the mark.
#[derive(Clone)]
pub(super) struct MarkKeeper {
    path: PathBuf,
    own: AgencyId,
    head: watch::Receiver<Head>,
    guard: GuardService,
    alarms: Alarms,
    /// The extent that was written last.
    written: Option<Extent>,
}

impl MarkKeeper {
    /// The keeper of the mark of a node with this configuration.
    pub(super) fn new(config: &Config, head: watch::Receiver<Head>, guard: GuardService, alarms: Alarms) -> Self {
        Self { path: config.ledger.mark.clone(), own: config.agency.clone(), head, guard, alarms, written: None }
    }

    /// Writes the mark until `stop`, or until the writer has ended.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                grown = self.head.changed() => if grown.is_err() {
                    return;
                },
            }
            // The file system may take long, and the runtime must not wait for it.
            let keeper = tokio::task::spawn_blocking(move || {
                self.write();
                self
            });
            let Ok(keeper) = keeper.await else { return };
            self = keeper;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(mark::EVERY) => {}
            }
        }
    }

    /// Writes the mark, if the ledger has grown. Blocks.
    pub(super) fn write(&mut self) {
        let extent = {
            let head = self.head.borrow_and_update();
            Extent { epoch: head.epoch, size: head.size.0 }
        };
        if self.guard.state() != GuardState::Clear || self.written == Some(extent) {
            return;
        }
        match mark::write(&self.path, &self.own, extent) {
            Ok(()) => {
                self.written = Some(extent);
                self.alarms.settle(TOPIC);
            }
            // The node works on. Without the mark a restored backup may not be noticed.
            Err(error) => self.alarms.raise(
                TOPIC,
                format!(
                    "cannot write {}, which says how far this node's ledger has come: {error}; mend what the system says (rights, the disk, \
                     `ledger.mark` in sinergid.toml)",
                    self.path.display()
                ),
            ),
        }
    }
}
