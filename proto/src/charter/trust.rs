//! Which signatures count: all under keys that are not revoked, and of the others those that the lists name.
//!
//! Must not know how a charter becomes trusted.

use super::chain::Charters;
use super::revocation::{Revocation, Revoked};
use super::trusted_list::Anchor;
use crate::base::ids::{AgencyId, EntryId};
use crate::base::key::PublicKey;
use crate::tlog::checkpoint::{Checkpoint, CheckpointError, CheckpointKeys};

impl Charters {
    /// Whether an agency disputes an entry that is signed by its key with this number: the key is revoked, and the list of what stays trusted does not
    /// name the entry. Such an entry proves nothing.
    pub fn disputes_entry(&self, author: &AgencyId, key_id: u32, entry: &EntryId) -> bool {
        self.revoked_entry_key(author, key_id).is_some_and(|revoked| !revoked.list.has_entry(entry))
    }

    /// Like [`Self::disputes_entry`], for a receipt by its [id](crate::receipt::receipt_id). The receipt's signature covers the checkpoint in it, so it
    /// does not matter whether the key of the checkpoint is revoked.
    pub fn disputes_receipt(&self, receiver: &AgencyId, key_id: u32, receipt: &[u8; 32]) -> bool {
        self.revoked_entry_key(receiver, key_id).is_some_and(|revoked| !revoked.list.has_receipt(receipt))
    }

    /// Whether the entry key of an agency with this number is revoked.
    pub fn has_revoked_entry_key(&self, agency: &AgencyId, key_id: u32) -> bool {
        self.revoked_entry_key(agency, key_id).is_some()
    }

    /// The entry key of an agency with this number, if it is revoked. A number names one entry key of a member over all versions; keys of other uses
    /// may have the same number.
    fn revoked_entry_key(&self, agency: &AgencyId, key_id: u32) -> Option<&Revoked> {
        let revoked = self.revoked.of_agency(agency);
        if revoked.is_empty() {
            return None;
        }
        let key = self.after(0).find_map(|charter| charter.entry_key(agency, key_id))?;
        revoked.iter().find(|revoked| revoked.key == key.public)
    }

    /// Whether a key of an agency is revoked.
    pub fn is_revoked(&self, agency: &AgencyId, key: &PublicKey) -> bool {
        self.revoked.of_agency(agency).iter().any(|revoked| revoked.key == *key)
    }

    /// Whether any key of the agency is revoked.
    pub fn has_revoked(&self, agency: &AgencyId) -> bool {
        !self.revoked.of_agency(agency).is_empty()
    }

    /// The agencies whose revocations in the newest charter differ from those in the version before.
    pub fn newly_revoked_agencies(&self) -> impl Iterator<Item = &AgencyId> {
        let newest = self.newest();
        let before = newest.version.checked_sub(1).and_then(|version| self.version(version));
        let had = move |revocation: &&Revocation| before.is_some_and(|before| before.revocations.contains(revocation));
        newest.revocations.iter().filter(move |revocation| !had(revocation)).map(|revocation| &revocation.agency)
    }

    /// The keys under which an agency's checkpoints count: those that any version lists and that are not revoked. `None` for an agency that was
    /// never a member.
    pub fn checkpoint_keys(&self, agency: &AgencyId) -> Option<CheckpointKeys> {
        let mut keys = self.checkpoint_keys_until(agency, u64::MAX)?;
        let is_good = |key: &PublicKey| !self.is_revoked(agency, key);
        keys.statement.retain(is_good);
        keys.time.retain(is_good);
        Some(keys)
    }

    /// Opens a checkpoint of an agency. One under a revoked key counts only if it is an anchor of the list that goes with the key. The time of such an
    /// anchor does not count.
    ///
    /// # Errors
    /// When the agency never was a member, the note does not verify, or it does not count.
    pub fn open_checkpoint(&self, note: &[u8], agency: &AgencyId) -> Result<Checkpoint, CheckpointError> {
        let federation = &self.newest().federation;
        let trusted = self.checkpoint_keys(agency).ok_or_else(|| CheckpointError::Stranger(agency.clone()))?;
        let opened = Checkpoint::open(note, federation, agency, &trusted);
        if opened.is_ok() || !self.has_revoked(agency) {
            return opened;
        }
        let by_any_key = self.open_by_any_key(note, agency)?;
        if self.is_anchor(agency, &by_any_key) {
            return Ok(Checkpoint { seconds: None, ..by_any_key });
        }
        opened
    }

    /// Reads a checkpoint of an agency that was verified when it came. No signature is verified again, unless a key of the agency was revoked.
    ///
    /// # Errors
    /// When it is of another agency, or does not count any more.
    pub fn reread_checkpoint(&self, note: &[u8], agency: &AgencyId) -> Result<Checkpoint, CheckpointError> {
        if self.has_revoked(agency) {
            return self.open_checkpoint(note, agency);
        }
        let keys = self.checkpoint_keys(agency).ok_or_else(|| CheckpointError::Stranger(agency.clone()))?;
        Checkpoint::read(note, &self.newest().federation, agency, &keys)
    }

    /// Opens a checkpoint of an agency under any key that it ever had, revoked or not. The caller has something else that makes it count.
    ///
    /// # Errors
    /// When the agency never was a member, or the note does not verify.
    pub fn open_by_any_key(&self, note: &[u8], agency: &AgencyId) -> Result<Checkpoint, CheckpointError> {
        let stranger = || CheckpointError::Stranger(agency.clone());
        let keys = self.checkpoint_keys_until(agency, u64::MAX).ok_or_else(stranger)?;
        Checkpoint::open(note, &self.newest().federation, agency, &keys)
    }

    fn is_anchor(&self, agency: &AgencyId, checkpoint: &Checkpoint) -> bool {
        let names = |anchor: &Anchor| {
            anchor.agency == *agency
                && (anchor.epoch, anchor.size, anchor.root) == (checkpoint.epoch, checkpoint.size, checkpoint.root)
        };
        self.revoked.of_agency(agency).iter().any(|revoked| revoked.list.anchors().iter().any(names))
    }
}
