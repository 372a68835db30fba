//! This node's ledger, as the rollback guard compares it with sightings. Every call blocks.

use std::sync::Arc;

use sinergi_config::{Config, Federation};
use sinergi_proto::base::ids::{AgencyId, EntryId, LedgerIndex};
use sinergi_proto::charter::Charters;
use sinergi_proto::transparency::rollback_guard::{Compared, Extent, OwnTree, Proof, Sighting, Signer};

use crate::storage::charters::CharterStore;
use crate::storage::complaint_loader::{OwnDataError, ParsedLeaf};
use crate::storage::ledger::LedgerReader;

/// The keys that verify this agency's own signatures.
#[derive(Clone)]
pub struct OwnKeys {
    /// This agency.
    pub agency: AgencyId,
    /// Its federation.
    pub federation: Federation,
    /// The charters, which list its keys.
    pub charter_store: CharterStore,
}

/// This node's ledger, with the keys that verify its signatures.
#[derive(Clone)]
pub struct OwnLedger {
    /// The keys of the agency that owns the ledger.
    pub keys: OwnKeys,
    /// The ledger.
    pub reader: LedgerReader,
}

impl OwnKeys {
    /// The keys of the agency that a node is configured for.
    pub fn of(config: &Config, charter_store: CharterStore) -> Self {
        Self { agency: config.agency.clone(), federation: config.federation.clone(), charter_store }
    }

    /// This agency, as a signer under these charters.
    pub fn signer<'a>(&'a self, charters: &'a Arc<Charters>) -> Signer<'a> {
        Signer { agency: &self.agency, charters }
    }
}

impl OwnLedger {
    /// The ledger of the agency that a node is configured for.
    pub fn of(config: &Config, charter_store: CharterStore, reader: LedgerReader) -> Self {
        Self { keys: OwnKeys::of(config, charter_store), reader }
    }

    /// Epoch and size.
    pub fn extent(&self) -> Extent {
        Extent { epoch: self.reader.epoch(), size: self.reader.size() }
    }

    /// Compares a proof with the ledger. `None` if the proof does not have this agency's signature, and therefore does not count.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn compare(&self, proof: &Proof) -> Result<Option<Compared>, OwnDataError> {
        let charters = self.keys.charter_store.charters();
        Compared::of(proof, self.keys.signer(&charters), self)
    }

    /// Like [`Sighting::conflicts_shown_by`].
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn conflicts_shown_by(
        &self,
        peer: &AgencyId,
        at: u64,
        checkpoint: Vec<u8>,
        entry: &[u8],
    ) -> Result<Vec<(Sighting, Compared)>, OwnDataError> {
        let charters = self.keys.charter_store.charters();
        Sighting::conflicts_shown_by(peer, at, checkpoint, entry, self.keys.signer(&charters), self)
    }
}

impl OwnTree for OwnLedger {
    type Error = OwnDataError;

    fn extent(&self) -> Extent {
        Self::extent(self)
    }

    fn end(&self) -> u64 {
        self.reader.end().to_bits()
    }

    fn root_at(&self, size: u64) -> Result<[u8; 32], OwnDataError> {
        Ok(self.reader.root_at(size)?.0)
    }

    fn entry_at(&self, leaf: LedgerIndex) -> Result<EntryId, OwnDataError> {
        let record = self.reader.leaf(leaf)?;
        Ok(ParsedLeaf::parse(record, self.keys.federation.as_str())?.entry.id)
    }
}
