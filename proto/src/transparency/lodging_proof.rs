//! The citizen's receipt. It proves that a complaint was lodged with an agency, and the latest time at which it was in that agency's ledger.
//!
//! A receipt is a C2SP `tlog-proof` ([`TlogProof`]) of the `Lodged` leaf in the intake agency's ledger. Its extra line is the leaf: the bare
//! entry. A tool that knows nothing of complaints can check it too: the leaf hash is SHA-256(0x00 || extra). The entry's own signature is not in
//! it, because the agency's checkpoint covers the entry.
//!
//! The citizen's public key is in it, and its secret half is not. A person who has the secret half, or the reply code from which it is made, is the
//! one who lodged the complaint.
//!
//! Must not know the ledger: a charter and the file are enough.
//!
//! Invariants:
//! - the agency that a [`Lodging`] names signed everything in it;
//! - a receipt with a changed byte does not verify. The only exception are signature lines under keys that the charter does not list. A node
//!   does not write such lines, and they have no meaning.

use bytes::Bytes;

use crate::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use crate::base::limits;
use crate::charter::{Charter, KeyUse, Member, MemberKey};
use crate::entry::{Body, Entry, Lodged, ParseError};
use crate::tlog::checkpoint::{Checkpoint, CheckpointError, CheckpointKeys};
use crate::tlog::tlog_proof::{TlogProof, TlogProofError};

/// The facts that a receipt proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lodging {
    /// The intake agency.
    pub agency: AgencyId,
    /// The complaint.
    pub complaint: ComplaintId,
    /// The id of the `Lodged` entry.
    pub entry: EntryId,
    /// The body of that entry.
    pub lodged: Lodged,
    /// The lodging time by the entry's clock, in milliseconds since 1970.
    pub lodged_at: u64,
    /// The epoch of the ledger that holds the entry.
    pub epoch: Epoch,
    /// The leaf of the entry in that ledger.
    pub index: LedgerIndex,
    /// Number of leaves of the ledger when the agency signed the checkpoint.
    pub size: u64,
    /// Time at which the agency signed the checkpoint, in seconds since 1970. `None`: the receipt shows no time, as while the agency's clock is not
    /// confirmed.
    pub in_ledger_at: Option<u64>,
}

impl Lodging {
    /// Whether this is the public half of the citizen's key.
    pub fn has_citizen_key(&self, public: &[u8; 32]) -> bool {
        self.lodged.citizen_key.is_some_and(|key| key.public == *public)
    }
}

/// The reason why a file proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum NotProven {
    /// The file does not have this format.
    #[error("the file is no tlog-proof: {0}")]
    Format(#[from] TlogProofError),
    /// The file has no extra line, so no entry.
    #[error("the file carries no entry: its line `extra` is missing")]
    NoEntry,
    /// The extra line holds no entry of this federation.
    #[error("the entry in it is none of federation {federation}: {source}")]
    Entry {
        /// The charter's federation.
        federation: String,
        /// The reason why the bytes do not parse.
        source: ParseError,
    },
    /// The entry has another body, whose name this is.
    #[error("the entry in it is {0}; only Lodged shows that a complaint was lodged")]
    NotLodged(&'static str),
    /// The charter does not list the author.
    #[error("{agency} is no member of charter version {version}")]
    UnknownAgency {
        /// The author that the entry names.
        agency: AgencyId,
        /// Version of the reader's charter.
        version: u64,
    },
    /// A key was used outside its validity.
    #[error("the {what} key of {agency} was not valid when it signed, {seconds} s after 1970")]
    KeyNotValidThen {
        /// The use of the key, in words.
        what: &'static str,
        /// The agency that owns the key.
        agency: AgencyId,
        /// Time of the signature, in seconds since 1970.
        seconds: u64,
    },
    /// The checkpoint does not verify as one of the agency.
    #[error("the checkpoint is none of {agency}: {source}")]
    Checkpoint {
        /// The author.
        agency: AgencyId,
        /// The error of the checkpoint.
        source: CheckpointError,
    },
    /// The entry names another place than the proof.
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
        /// Number of leaves in the checkpoint.
        size: u64,
    },
    /// The entry is dated after the time of the checkpoint. The value is the difference in seconds.
    #[error("the entry's clock is {0} s after the time at which the ledger is said to hold it")]
    TimesContradict(u64),
}

/// Makes the receipt of the leaf `index`, which is this bare entry. Returns the bytes of the file.
pub fn receipt(entry: &[u8], index: LedgerIndex, path: Vec<tlog_tiles::Hash>, checkpoint: &[u8]) -> Vec<u8> {
    TlogProof { extra: Some(entry.to_vec()), index, path, checkpoint: checkpoint.to_vec() }.to_bytes()
}

/// Checks a receipt with nothing but a charter that the caller trusts.
///
/// # Errors
/// The first check that fails.
pub fn verify(file: &[u8], charter: &Charter) -> Result<Lodging, NotProven> {
    let proof = TlogProof::parse(file)?;
    let bytes = Bytes::from(proof.extra.clone().ok_or(NotProven::NoEntry)?);
    let entry = Entry::parse_bare(bytes, None, &charter.federation)
        .map_err(|source| NotProven::Entry { federation: charter.federation.clone(), source })?;
    let (Body::Lodged(body), Some(complaint)) = (&entry.body, entry.complaint) else {
        return Err(NotProven::NotLodged(entry.body.name()));
    };
    let agency = entry.author.clone();
    let member = charter.member(&agency).ok_or_else(|| {
        let agency = agency.clone();
        NotProven::UnknownAgency { agency, version: charter.version }
    })?;
    let lodged_at = entry.clock.millis() / 1000;
    let (checkpoint, in_ledger_at) = open_checkpoint(&proof.checkpoint, &charter.federation, member, lodged_at)?;
    let Checkpoint { epoch, size, root, .. } = checkpoint;
    // An agency that lost its ledger copies its older entries into the next epoch, at other leaves.
    let is_place = entry.place.epoch < epoch || (entry.place.epoch == epoch && entry.place.index == proof.index);
    if !is_place {
        let (signed, signed_epoch) = (entry.place.index, entry.place.epoch);
        return Err(NotProven::OtherPlace { signed, signed_epoch, index: proof.index, epoch });
    }
    if !proof.includes(&entry.bytes, size, root) {
        return Err(NotProven::NotIncluded { index: proof.index, size });
    }
    let ahead = in_ledger_at.map_or(0, |signed| lodged_at.saturating_sub(signed));
    if ahead > limits::CLOCK_AHEAD.as_secs() {
        return Err(NotProven::TimesContradict(ahead));
    }
    Ok(Lodging {
        agency,
        complaint,
        entry: entry.id,
        lodged: Lodged::clone(body),
        lodged_at: entry.clock.millis(),
        epoch,
        index: proof.index,
        size,
        in_ledger_at,
    })
}

/// Opens the checkpoint under keys of the agency that were valid at its time. Returns that time as well, in seconds since 1970. Without a time, the
/// keys count that were valid when the entry was lodged, by its clock, `lodged_at`, in seconds since 1970.
fn open_checkpoint(
    note: &[u8],
    federation: &str,
    member: &Member,
    lodged_at: u64,
) -> Result<(Checkpoint, Option<u64>), NotProven> {
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
    let claimed = open(&all)?.seconds;
    let seconds = claimed.unwrap_or(lodged_at);
    let valid =
        CheckpointKeys { statement: of(KeyUse::Checkpoint, Some(seconds)), time: of(KeyUse::Time, Some(seconds)) };
    let not_valid = |what| NotProven::KeyNotValidThen { what, agency: agency.clone(), seconds };
    match open(&valid) {
        Ok(checkpoint) if checkpoint.seconds == claimed => Ok((checkpoint, claimed)),
        Ok(_) => Err(not_valid("time")),
        Err(_) => Err(not_valid("checkpoint")),
    }
}

/// Whether a key was valid at some moment of this second.
fn covers(key: &MemberKey, seconds: u64) -> bool {
    (key.valid_from / 1000..key.valid_until.div_ceil(1000)).contains(&seconds)
}

#[cfg(test)]
mod tests;
