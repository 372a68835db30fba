//! Where a node keeps ledger and store, whom the folder belongs to, and how a new ledger takes the place of an old one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sinergi_config::Config;
use sinergi_proto::engine::recovery::{self, Found, Part};

use super::error::NodeError;
use crate::base::durable;
use crate::storage::charters::Directory;
use crate::storage::keys::SigningKeys;

/// Where a node keeps its ledger.
pub fn ledger_path(config: &Config) -> PathBuf {
    config.data.join("ledger")
}

/// Where a node keeps its store.
pub(super) fn store_path(config: &Config) -> PathBuf {
    config.data.join("store")
}

/// Where a new ledger or store is made, beside the one whose place it takes.
pub(super) fn recovering(folder: &Path) -> PathBuf {
    folder.with_extension("recovering")
}

/// Finishes a `sinergi recover` that was interrupted when the old ledger had been moved aside.
pub(super) fn finish_recovery(config: &Config) -> Result<(), NodeError> {
    put_recovered_in_place(&ledger_path(config), &store_path(config))
        .map_err(|(path, source)| NodeError::Recovered { path, source })
}

/// Puts a new ledger in its place whose old one was moved aside already. The error names what cannot be renamed.
fn put_recovered_in_place(ledger: &Path, store: &Path) -> Result<(), (PathBuf, io::Error)> {
    let found = |folder: &Path| Found { in_place: folder.exists(), made: recovering(folder).exists() };
    for part in recovery::to_put_in_place(found(ledger), found(store)) {
        let folder = match part {
            Part::Ledger => ledger,
            Part::Store => store,
        };
        let made = recovering(folder);
        fs::rename(&made, folder)
            .and_then(|()| durable::sync_folder_of(folder))
            .map_err(|source| (made.clone(), source))?;
    }
    Ok(())
}

/// The charter must know this node, under the keys that it has.
pub(super) fn check_membership(config: &Config, directory: &Directory, keys: &SigningKeys) -> Result<(), NodeError> {
    let charter = directory.newest();
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
