//! Adopts a charter that a peer passed on. Blocks.
//!
//! Must not decide whether a charter is trusted.
//!
//! Invariant: one charter is adopted at a time, so that at the end the authorities are those of the newest charter.

use std::sync::Arc;

use sinergi_config::Federation;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::key::PublicKey;
use sinergi_proto::charter::{TrustedList, TrustedListError};
use sinergi_proto::sync::Adoption;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::base::alarms::Alarms;
use crate::base::node_limits;
use crate::peers::budget::Budget;
use crate::peers::failures::quote;
use crate::peers::watch::Watch;
use crate::rollback_guard::GuardService;
use crate::storage::charters::{CharterStore, CharterStoreError};
use crate::transport::tls::{Authorities, SharedAuthorities};
use crate::writer::{Submission, WriterHandle};

/// The parts of a node that follow a new charter.
pub struct AdoptionParts {
    /// This agency.
    pub own: AgencyId,
    /// The public halves of the keys under which this node signs.
    pub own_keys: [PublicKey; 3],
    /// The federation.
    pub federation: Federation,
    /// Where charters are kept.
    pub charter_store: CharterStore,
    /// The certificate authorities of the newest charter.
    pub authorities: SharedAuthorities,
    /// Judges the deferred items again.
    pub writer: WriterHandle,
    /// Forgets what was seen under revoked keys.
    pub watch: Watch,
    /// Signs nothing any more if a key of this node is revoked.
    pub guard: GuardService,
    /// Tells the operator.
    pub alarms: Alarms,
}

/// Adopts charters.
pub struct CharterAdoption {
    parts: AdoptionParts,
    turn: Arc<Mutex<()>>,
    /// The memory for lists of trusted entries that are being fetched, over all links.
    room_for_lists: Budget,
}

impl CharterAdoption {
    /// Adopts charters with all that depends on them.
    pub fn new(parts: AdoptionParts) -> Self {
        Self { parts, turn: Arc::default(), room_for_lists: Budget::of(node_limits::ROOM_FOR_LISTS_BYTES) }
    }

    /// Waits until no other link adopts a charter, and takes the lock.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// The memory for lists of trusted entries that are being fetched.
    pub(super) fn room_for_lists(&self) -> &Budget {
        &self.room_for_lists
    }

    /// Adopts a charter that a peer passed on, with its authorities, and has the writer judge the deferred items again. `list` is a list of trusted
    /// entries that the charter names.
    pub(super) fn adopt(&self, from: &AgencyId, note: &[u8], list: Option<Vec<u8>>) -> Adoption {
        // Several peers may pass the same charter on, so another link may have adopted it while this one waited.
        if self.parts.charter_store.charters().has_text_of(note) {
            return Adoption::InForce;
        }
        let list = list.and_then(|text| {
            let parsed = TrustedList::parse(text);
            let tell = |error: &TrustedListError| tracing::warn!(peer = %from, "{}", quote(&error.to_string()));
            parsed.inspect_err(tell).ok()
        });
        let adopted = match self.parts.charter_store.adopt(note, list) {
            Ok(adopted) => adopted,
            Err(problem) => return self.did_not_adopt(from, problem),
        };
        let AdoptionParts { own, own_keys, federation, charter_store, authorities, writer, watch, guard, .. } =
            &self.parts;
        let charters = charter_store.charters();
        let (of_charter, bad) = Authorities::of_charter(federation.clone(), &adopted);
        bad.iter().for_each(|bad| tracing::warn!("{bad}"));
        authorities.replace(of_charter);
        watch.forget_revoked(&charters);
        if own_keys.iter().any(|key| charters.is_revoked(own, key)) {
            guard.key_revoked(adopted.version);
        }
        tracing::info!(version = adopted.version, %from, "adopted a charter");
        // If the queue is full, this is not needed: the writer judges deferred items again at regular intervals.
        let _ = writer.try_submit(Submission::Retry);
        charter_store.announce();
        Adoption::InForce
    }

    /// Reports a charter that was not adopted to the operator: in the log, and with an alarm if it is a rival.
    fn did_not_adopt(&self, from: &AgencyId, problem: CharterStoreError) -> Adoption {
        let tell = |reason: &dyn std::fmt::Display| {
            tracing::warn!(peer = %from, "did not adopt a charter from the peer: {}", quote(&reason.to_string()));
        };
        match problem {
            CharterStoreError::NotTrusted { source, .. } => tell(&source),
            CharterStoreError::Rival(found) => {
                tell(&found.rival);
                self.parts.alarms.raise(found.topic(), format!("{from} uses another charter: {}", found.alarm()));
                return Adoption::Rival(found.rival.version);
            }
            CharterStoreError::MissingList(list) => return Adoption::Lacks(list),
            own => tracing::error!(%from, "cannot keep a charter: {own}"),
        }
        Adoption::Not
    }
}
