//! Adopting a charter that a peer passed on. Blocks.
//!
//! Invariant: one charter is adopted at a time, so that the authorities that hold at the end are the newest charter's.

use std::sync::Arc;

use sinergi_config::Federation;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::sync::Adoption;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::base::alarms::Alarms;
use crate::peers::failures::quote;
use crate::storage::charters::{Directory, DirectoryError};
use crate::transport::tls::{Authorities, SharedAuthorities};
use crate::writer::{Submission, WriterHandle};

/// Adopts charters.
pub struct CharterAdoption {
    federation: Federation,
    directory: Directory,
    authorities: SharedAuthorities,
    writer: WriterHandle,
    alarms: Alarms,
    turn: Arc<Mutex<()>>,
}

impl CharterAdoption {
    /// Charters go to `directory`, the authorities that they name to `authorities`; then `writer` judges again what waited for them.
    pub fn new(
        federation: Federation,
        directory: Directory,
        authorities: SharedAuthorities,
        writer: WriterHandle,
        alarms: Alarms,
    ) -> Self {
        Self { federation, directory, authorities, writer, alarms, turn: Arc::default() }
    }

    /// Waits until no other link adopts a charter. The turn lasts until the guard is dropped.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// Adopts a charter that a peer passed on, with the authorities that it names, and has the writer judge again what waited for it.
    pub(super) fn adopt(&self, from: &AgencyId, note: &[u8]) -> Adoption {
        // Several peers may pass it on, and another link may have brought it while this one waited.
        if self.directory.charters().has_text_of(note) {
            return Adoption::InForce;
        }
        let adopted = match self.directory.adopt(note) {
            Ok(adopted) => adopted,
            Err(problem) => return self.did_not_adopt(from, problem),
        };
        let (authorities, bad) = Authorities::of_charter(self.federation.clone(), &adopted);
        bad.iter().for_each(|bad| tracing::warn!("{bad}"));
        self.authorities.replace(authorities);
        tracing::info!(version = adopted.version, %from, "adopted a charter");
        // A writer that is full looks at what waits before long anyway.
        let _ = self.writer.try_submit(Submission::Retry);
        self.directory.announce();
        Adoption::InForce
    }

    /// Tells the operator that a peer passed on what does not follow the charters here.
    fn did_not_adopt(&self, from: &AgencyId, problem: DirectoryError) -> Adoption {
        let tell = |reason: &dyn std::fmt::Display| {
            tracing::warn!(peer = %from, "did not adopt a charter from the peer: {}", quote(&reason.to_string()));
        };
        match problem {
            DirectoryError::NotTrusted { source, .. } => tell(&source),
            DirectoryError::Rival(found) => {
                tell(&found.rival);
                self.alarms.raise(found.topic(), format!("{from} goes by another charter: {}", found.alarm()));
                return Adoption::Rival(found.rival.version);
            }
            own => tracing::error!(%from, "cannot keep a charter: {own}"),
        }
        Adoption::Not
    }
}
