//! The citizen's receipt: the proof that a complaint was lodged, with whom, and when at the latest it stood in that agency's ledger.
//!
//! A receipt is a C2SP `tlog-proof` ([`TlogProof`]) of the leaf of `Lodged` in the intake agency's ledger, with the `SignedEntry`, which is
//! the leaf data, as its extra line. Its version is that of the `tlog-proof` line and of the entry inside. A tool that knows nothing of
//! complaints checks it as well: the leaf is SHA-256(0x00 || extra).
//!
//! The reply code does not stand in it: who holds the receipt and the code is the one who lodged.
//!
//! Invariants:
//! - what [`verify`] returns was signed by the agency that it names, and nothing of it comes from bytes that no signature covers;
//! - every byte of a receipt that a node gives counts: a changed one verifies no more. Only lines of signatures under keys that the charter
//!   does not know, which a node does not write, can come, go and change, and then say nothing.

use bytes::Bytes;

use crate::charter::{Charter, KeyUse, Member, MemberKey};
use crate::checkpoint::{Checkpoint, CheckpointError, CheckpointKeys};
use crate::content::reply_code_hash;
use crate::entry::{Body, Entry, Lodged};
use crate::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use crate::limits;
use crate::refusal::Refusal;
use crate::tlog_proof::{TlogProof, TlogProofError};

/// What a receipt proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lodging {
    /// With whom it was lodged.
    pub agency: AgencyId,
    /// The complaint.
    pub complaint: ComplaintId,
    /// The entry that says so.
    pub entry: EntryId,
    /// The entry's body.
    pub lodged: Lodged,
    /// When the agency says that it was lodged, by the entry's clock: milliseconds since 1970.
    pub lodged_at: u64,
    /// The epoch of the ledger that it stands in.
    pub epoch: Epoch,
    /// Its leaf there.
    pub index: LedgerIndex,
    /// Leaves of the ledger when the agency signed for it.
    pub size: u64,
    /// When the agency signed that the ledger holds it: seconds since 1970.
    pub in_ledger_at: u64,
}

impl Lodging {
    /// Whether this is the code that was given to who lodged the complaint.
    pub fn has_reply_code(&self, code: &str) -> bool {
        reply_code_hash(code) == self.lodged.reply_code_hash
    }
}

/// Why a file proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum NotProven {
    /// Not a file of this format.
    #[error("the file is no tlog-proof: {0}")]
    Format(#[from] TlogProofError),
    /// There is no entry.
    #[error("the file carries no entry: its line `extra` is missing")]
    NoEntry,
    /// What it carries is no entry.
    #[error("the entry in it is none of federation {federation}: {refusal}")]
    Entry {
        /// The charter's federation.
        federation: String,
        /// What a node would say.
        refusal: Refusal,
    },
    /// Another entry.
    #[error("the entry in it is {0}; only Lodged shows that a complaint was lodged")]
    NotLodged(&'static str),
    /// The charter does not know the author.
    #[error("{agency} is no member of charter version {version}")]
    UnknownAgency {
        /// The author that the entry names.
        agency: AgencyId,
        /// The charter.
        version: u64,
    },
    /// The charter does not know the author's key.
    #[error(
        "{agency} has no entry key {key:08x} in charter version {version}; the entry names version {named}: verify under that one"
    )]
    UnknownKey {
        /// The author.
        agency: AgencyId,
        /// The key that the entry names.
        key: u32,
        /// The charter.
        version: u64,
        /// The charter that the entry names.
        named: u64,
    },
    /// A key was used outside its time.
    #[error("the {what} key of {agency} was not valid when it signed, {seconds} s after 1970")]
    KeyNotValidThen {
        /// Its use.
        what: &'static str,
        /// Whose.
        agency: AgencyId,
        /// When it signed.
        seconds: u64,
    },
    /// The author did not sign the entry.
    #[error("the signature of the entry does not verify under key {key:08x} of {agency}")]
    BadSignature {
        /// The key that it names.
        key: u32,
        /// The author.
        agency: AgencyId,
    },
    /// The checkpoint is not the agency's.
    #[error("the checkpoint is none of {agency}: {source}")]
    Checkpoint {
        /// The author.
        agency: AgencyId,
        /// Why not.
        source: CheckpointError,
    },
    /// The checkpoint has no time.
    #[error("the checkpoint has no time line under a key of {0}")]
    NoTime(AgencyId),
    /// The agency signed another place.
    #[error(
        "the entry was signed for leaf {signed} of epoch {signed_epoch}, the proof is of leaf {index} of epoch {epoch}"
    )]
    OtherPlace {
        /// The leaf in the entry.
        signed: LedgerIndex,
        /// The epoch in the entry.
        signed_epoch: Epoch,
        /// The leaf in the file.
        index: LedgerIndex,
        /// The epoch of the checkpoint.
        epoch: Epoch,
    },
    /// The hashes do not lead to the root.
    #[error("the hashes do not lead from the entry as leaf {index} to the root of the {size} leaves of the checkpoint")]
    NotIncluded {
        /// The leaf in the file.
        index: LedgerIndex,
        /// Leaves under the checkpoint.
        size: u64,
    },
    /// The ledger held it before it was made.
    #[error("the entry's clock is {0} s after the time at which the ledger is said to hold it")]
    TimesContradict(u64),
}

/// The receipt of the leaf `index`, whose data are `signed`: the bytes of the file.
pub fn receipt(signed: &[u8], index: LedgerIndex, path: Vec<tlog_tiles::Hash>, checkpoint: &[u8]) -> Vec<u8> {
    TlogProof { extra: Some(signed.to_vec()), index, path, checkpoint: checkpoint.to_vec() }.to_bytes()
}

/// Checks a receipt with nothing but a charter, which the caller trusts.
///
/// # Errors
/// The first check that fails.
pub fn verify(file: &[u8], charter: &Charter) -> Result<Lodging, NotProven> {
    let proof = TlogProof::parse(file)?;
    let signed = Bytes::from(proof.extra.clone().ok_or(NotProven::NoEntry)?);
    let entry = Entry::parse(signed, &charter.federation)
        .map_err(|refusal| NotProven::Entry { federation: charter.federation.clone(), refusal })?;
    let (Body::Lodged(lodged), Some(complaint)) = (&entry.body, entry.complaint) else {
        return Err(NotProven::NotLodged(entry.body.name()));
    };
    let agency = entry.author.clone();
    let member = charter.member(&agency).ok_or_else(|| {
        let agency = agency.clone();
        NotProven::UnknownAgency { agency, version: charter.version }
    })?;
    check_author(&entry, charter)?;
    let (checkpoint, in_ledger_at) = open_checkpoint(&proof.checkpoint, &charter.federation, member)?;
    let Checkpoint { epoch, size, root, .. } = checkpoint;
    // An agency that lost its ledger takes its older entries over into the next epoch, at other leaves.
    let is_place = entry.place.epoch < epoch || (entry.place.epoch == epoch && entry.place.index == proof.index);
    if !is_place {
        let (signed, signed_epoch) = (entry.place.index, entry.place.epoch);
        return Err(NotProven::OtherPlace { signed, signed_epoch, index: proof.index, epoch });
    }
    if !proof.includes(&entry.signed, size, root) {
        return Err(NotProven::NotIncluded { index: proof.index, size });
    }
    let ahead = (entry.clock.millis() / 1000).saturating_sub(in_ledger_at);
    if ahead > limits::CLOCK_AHEAD.as_secs() {
        return Err(NotProven::TimesContradict(ahead));
    }
    Ok(Lodging {
        agency,
        complaint,
        entry: entry.id,
        lodged: Lodged::clone(lodged),
        lodged_at: entry.clock.millis(),
        epoch,
        index: proof.index,
        size,
        in_ledger_at,
    })
}

/// The author signed the entry, with a key that the charter lists for it and that was valid then. Whether the agency still takes part
/// does not matter: what it took in it took in.
fn check_author(entry: &Entry, charter: &Charter) -> Result<(), NotProven> {
    let agency = entry.author.clone();
    let Some(key) = charter.entry_key(&agency, entry.key_id) else {
        let (version, named) = (charter.version, entry.charter_version);
        return Err(NotProven::UnknownKey { agency, key: entry.key_id, version, named });
    };
    if !key.valid_at(entry.clock.millis()) {
        return Err(NotProven::KeyNotValidThen { what: "entry", agency, seconds: entry.clock.millis() / 1000 });
    }
    if !entry.verify(&key.public) {
        return Err(NotProven::BadSignature { key: key.id, agency });
    }
    Ok(())
}

/// The checkpoint under keys of the agency that were valid at its time, and that time.
fn open_checkpoint(note: &[u8], federation: &str, member: &Member) -> Result<(Checkpoint, u64), NotProven> {
    let agency = &member.id;
    let open = |keys: &CheckpointKeys| {
        Checkpoint::open(note, federation, agency, keys)
            .map_err(|source| NotProven::Checkpoint { agency: agency.clone(), source })
    };
    let of = |key_use: KeyUse, at: Option<u64>| {
        let keys = member.keys.iter().filter(|key| key.key_use == key_use);
        keys.filter(|key| at.is_none_or(|at| covers(key, at))).map(|key| key.public.clone()).collect()
    };
    let all = CheckpointKeys { statement: of(KeyUse::Checkpoint, None), time: of(KeyUse::Time, None) };
    let seconds = open(&all)?.seconds.ok_or_else(|| NotProven::NoTime(agency.clone()))?;
    let valid =
        CheckpointKeys { statement: of(KeyUse::Checkpoint, Some(seconds)), time: of(KeyUse::Time, Some(seconds)) };
    let not_valid = |what| NotProven::KeyNotValidThen { what, agency: agency.clone(), seconds };
    match open(&valid) {
        Ok(checkpoint) if checkpoint.seconds == Some(seconds) => Ok((checkpoint, seconds)),
        Ok(_) => Err(not_valid("time")),
        Err(_) => Err(not_valid("checkpoint")),
    }
}

/// Whether a key was valid at a time that has no part of a second.
fn covers(key: &MemberKey, seconds: u64) -> bool {
    (key.valid_from / 1000..key.valid_until.div_ceil(1000)).contains(&seconds)
}

#[cfg(test)]
mod tests;
