//! The ledger that is here, as the rollback guard compares it with what was seen of it. Blocks.

use std::sync::Arc;

use sinergi_config::{Config, Federation};
use sinergi_proto::base::ids::{AgencyId, EntryId, LedgerIndex};
use sinergi_proto::charter::Charters;
use sinergi_proto::transparency::rollback_guard::{Compared, Extent, OwnTree, Proof, Signer};

use crate::storage::case::{CaseError, Leaf};
use crate::storage::charters::Directory;
use crate::storage::ledger::LedgerReader;

/// How this agency's signatures are known.
#[derive(Clone)]
pub struct OwnKeys {
    /// This agency.
    pub agency: AgencyId,
    /// Its federation.
    pub federation: Federation,
    /// The charters, which hold its keys.
    pub directory: Directory,
}

/// The ledger that is here, and whose it is.
#[derive(Clone)]
pub struct OwnLedger {
    /// Whose.
    pub keys: OwnKeys,
    /// The ledger.
    pub reader: LedgerReader,
}

impl OwnKeys {
    /// The keys of the agency that a node is configured for.
    pub fn of(config: &Config, directory: Directory) -> Self {
        Self { agency: config.agency.clone(), federation: config.federation.clone(), directory }
    }

    /// This agency under these charters.
    pub fn signer<'a>(&'a self, charters: &'a Arc<Charters>) -> Signer<'a> {
        Signer { agency: &self.agency, charters }
    }
}

impl OwnLedger {
    /// The ledger of the agency that a node is configured for.
    pub fn of(config: &Config, directory: Directory, reader: LedgerReader) -> Self {
        Self { keys: OwnKeys::of(config, directory), reader }
    }

    /// How far it reaches.
    pub fn extent(&self) -> Extent {
        Extent { epoch: self.reader.epoch(), size: self.reader.size() }
    }

    /// Compares a proof with it; `None`: the proof does not bear this agency's signature. Blocks.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn compare(&self, proof: &Proof) -> Result<Option<Compared>, CaseError> {
        let charters = self.keys.directory.charters();
        Compared::of(proof, self.keys.signer(&charters), self)
    }
}

impl OwnTree for OwnLedger {
    type Error = CaseError;

    fn extent(&self) -> Extent {
        Self::extent(self)
    }

    fn end(&self) -> u64 {
        self.reader.end().to_bits()
    }

    fn root_at(&self, size: u64) -> Result<[u8; 32], CaseError> {
        Ok(self.reader.root_at(size)?.0)
    }

    fn entry_at(&self, leaf: LedgerIndex) -> Result<EntryId, CaseError> {
        let record = self.reader.leaf(leaf)?;
        Ok(Leaf::parse(record, self.keys.federation.as_str())?.entry.id)
    }
}
