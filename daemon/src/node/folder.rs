//! The node's data folder: where ledger and store are, whether the keys in it belong to this agency, and how a recovered ledger replaces the
//! old one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sinergi_config::Config;
use sinergi_proto::engine::recovery::{self, Found, Part};

use super::error::NodeError;
use crate::base::atomic_file;
use crate::storage::charters::CharterStore;
use crate::storage::keys::SigningKeys;

/// The folder of the ledger.
pub fn ledger_path(config: &Config) -> PathBuf {
    config.data.join("ledger")
}

/// The folder of the store.
pub(super) fn store_path(config: &Config) -> PathBuf {
    config.data.join("store")
}

/// The folder in which `sinergi recover` builds the replacement of `folder`.
pub(super) fn recovering(folder: &Path) -> PathBuf {
    folder.with_extension("recovering")
}

/// Finishes a `sinergi recover` that was interrupted after it had moved the old ledger aside.
pub(super) fn finish_recovery(config: &Config) -> Result<(), NodeError> {
    put_recovered_in_place(&ledger_path(config), &store_path(config))
        .map_err(|(path, source)| NodeError::Recovered { path, source })
}

/// Renames the new ledger and store to their final names, if the old ones were moved aside already. The error names the folder that cannot be
/// renamed.
fn put_recovered_in_place(ledger: &Path, store: &Path) -> Result<(), (PathBuf, io::Error)> {
    let found = |folder: &Path| Found { in_place: folder.exists(), made: recovering(folder).exists() };
    for part in recovery::to_put_in_place(found(ledger), found(store)) {
        let folder = match part {
            Part::Ledger => ledger,
            Part::Store => store,
        };
        let made = recovering(folder);
        fs::rename(&made, folder)
            .and_then(|()| atomic_file::sync_folder_of(folder))
            .map_err(|source| (made.clone(), source))?;
    }
    Ok(())
}

/// Checks that the charter lists this agency with the keys that this node has.
pub(super) fn check_membership(
    config: &Config,
    charter_store: &CharterStore,
    keys: &SigningKeys,
) -> Result<(), NodeError> {
    let charter = charter_store.newest();
    let wrong = |text: String| Err(NodeError::Membership(text));
    if charter.federation != config.federation.as_str() {
        return wrong(format!(
            "the charter is of {}, this node is configured for {}",
            charter.federation, config.federation
        ));
    }
    let Some(member) = charter.member(&config.agency) else {
        return wrong(format!("{} is no member of charter version {}", config.agency, charter.version));
    };
    for (name, key) in [("entry", &keys.entry), ("checkpoint", &keys.checkpoint), ("time", &keys.time)] {
        let public = key.verification_key();
        if !member.keys.iter().any(|listed| listed.public == public) {
            return wrong(format!(
                "charter version {} does not list this node's {name} key for {}: is it another node's folder?",
                charter.version, config.agency
            ));
        }
    }
    for peer in &config.peers {
        if charter.member(&peer.agency).is_none() {
            tracing::warn!(peer = %peer.agency, version = charter.version, "a configured peer is no member of the charter");
        }
    }
    Ok(())
}
