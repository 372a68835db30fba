//! The evidence file: a line that names the format, then a serialised `SignedEvidence` in base64.
//!
//! Must not know the rules of the findings.
//!
//! Invariants:
//! - the file has one form, so a file with a changed, added or missing byte does not open;
//! - the accuser's signature covers the whole content, so a false accuser is known.

use std::sync::Arc;

use data_encoding::BASE64;
use prost::Message;

use super::Statement;
use super::parts::{Judge, NotProven, agency};
use crate::base::ids::AgencyId;
use crate::base::key::SigningKey;
use crate::base::limits;
use crate::charter::{Charter, CharterTrustError, Charters, TrustedList};
use crate::wire;

const FORMAT: &str = "sinergi evidence v2\n";
const DOMAIN: &[u8] = b"sinergi/evidence/v2\0";
const LINE: usize = 76;

/// Evidence before it is signed.
pub struct Evidence<'a> {
    /// The agency that accuses.
    pub accuser: &'a AgencyId,
    /// Time of the accusation, in milliseconds since 1970.
    pub made_at: u64,
    /// The charters by which it is judged.
    pub charters: &'a Charters,
    /// The accusations.
    pub accusations: Vec<wire::Accusation>,
}

/// The reason why a file is no evidence, or does not hold.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The file is too large.
    #[error("the file has {0} bytes, at most {max}", max = limits::EVIDENCE_BYTES)]
    TooLarge(usize),
    /// The file has another format.
    #[error("the file does not begin with {FORMAT:?}: it is no evidence file, or one of a later version")]
    Format,
    /// The file was changed or damaged.
    #[error("the file is damaged or was changed: {0}")]
    Damaged(String),
    /// The charters in the file do not form a chain.
    #[error("the charters in the file are not trusted: {0}")]
    Charters(#[from] CharterTrustError),
    /// The chain in the file does not contain the reader's charter.
    #[error("the file is judged by other charters than version {version} of {federation} that you trust")]
    OtherCharter {
        /// The federation of the reader's charter.
        federation: String,
        /// The version of the reader's charter.
        version: u64,
    },
    /// The accuser's signature does not verify.
    #[error("the accuser's signature does not verify: {0}")]
    Signature(String),
    /// The accuser's key is revoked, so nobody knows whether the accuser made the file, and a statement in it rests on the accuser's word.
    #[error(
        "key {key:08x} of {accuser}, which signed the file, is revoked: what the file states without proof counts for nothing"
    )]
    RevokedKey {
        /// The accuser.
        accuser: AgencyId,
        /// The number of its key.
        key: u32,
    },
    /// The reader names no charter.
    #[error("no charter is named that the reader trusts")]
    NoCharter,
    /// The file holds no accusation.
    #[error("the file accuses nobody")]
    Empty,
    /// An accusation does not hold.
    #[error("accusation {number} against {accused:?} does not hold: {source}")]
    NotProven {
        /// The number of the accusation, counted from 1.
        number: usize,
        /// The accused, as the file names it.
        accused: String,
        /// The judge's reason.
        source: NotProven,
    },
}

/// The charters and lists that the reader of an evidence file trusts.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// Charters of the federation, oldest first. The reader trusts the last one, whoever signed it. The others are needed only if the file ends more than
    /// one version before it.
    pub charters: &'a [Arc<Charter>],
    /// The lists of what stays trusted under revoked keys that the charters name.
    pub lists: &'a [TrustedList],
}

/// Evidence that was opened and judged. Every accusation in it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The agency that accuses.
    pub accuser: AgencyId,
    /// Time of the accusation, in milliseconds since 1970.
    pub made_at: u64,
    /// The version of the charter by which they were judged: the newest of the file and the reader.
    pub charter_version: u64,
    /// The judged accusations, in the order of the file.
    pub statements: Vec<Statement>,
}

impl Evidence<'_> {
    /// Writes the file.
    pub fn sign(self, key: &SigningKey) -> Vec<u8> {
        let newest = self.charters.newest();
        let charters = self.charters.after(0).map(|charter| charter.note().to_vec()).collect();
        let evidence = wire::Evidence {
            federation: newest.federation.clone(),
            accuser: self.accuser.to_string(),
            key_id: key.id(),
            charter_version: newest.version,
            made_at: self.made_at,
            charters,
            accusations: self.accusations,
        }
        .encode_to_vec();
        let signature = key.sign(&[DOMAIN, &evidence].concat()).to_bytes().to_vec();
        written(&wire::SignedEvidence { evidence, signature })
    }
}

fn written(signed: &wire::SignedEvidence) -> Vec<u8> {
    let text = BASE64.encode(&signed.encode_to_vec());
    let mut file = FORMAT.as_bytes().to_vec();
    for line in text.as_bytes().chunks(LINE) {
        file.extend_from_slice(line);
        file.push(b'\n');
    }
    file
}

impl Opened {
    /// Opens an evidence file and judges all that it says, by the charters that the reader trusts.
    ///
    /// # Errors
    /// When anything in it does not hold.
    pub fn judge(file: &[u8], reader: Reader<'_>) -> Result<Self, EvidenceError> {
        let (signed, evidence) = read(file)?;
        let charters = open_charters(&evidence, reader)?;
        let damaged = |error: NotProven| EvidenceError::Damaged(error.to_string());
        let accuser = agency("name of the accuser", &evidence.accuser).map_err(damaged)?;
        check_signature(&signed, &evidence, &accuser, &charters)?;
        if evidence.accusations.is_empty() {
            return Err(EvidenceError::Empty);
        }
        let judge = Judge::new(&charters);
        let judged = evidence.accusations.iter().enumerate().map(|(at, accusation)| {
            judge.judge(accusation, evidence.made_at).map_err(|source| {
                let accused = accusation.accused.chars().take(limits::AGENCY_ID_BYTES).collect();
                EvidenceError::NotProven { number: at + 1, accused, source }
            })
        });
        let statements: Vec<Statement> = judged.collect::<Result<_, _>>()?;
        let is_stated = statements.iter().any(|statement| !statement.finding.is_proven());
        if is_stated && charters.has_revoked_entry_key(&accuser, evidence.key_id) {
            return Err(EvidenceError::RevokedKey { accuser, key: evidence.key_id });
        }
        Ok(Self { accuser, made_at: evidence.made_at, charter_version: charters.newest().version, statements })
    }
}

/// The accusations of a file without judging them, so that they can be put into another file.
///
/// # Errors
/// When it is no evidence file.
pub fn accusations_of(file: &[u8]) -> Result<Vec<wire::Accusation>, EvidenceError> {
    Ok(read(file)?.1.accusations)
}

fn read(file: &[u8]) -> Result<(wire::SignedEvidence, wire::Evidence), EvidenceError> {
    let damaged = |problem: &dyn std::fmt::Display| EvidenceError::Damaged(problem.to_string());
    if file.len() > limits::EVIDENCE_BYTES {
        return Err(EvidenceError::TooLarge(file.len()));
    }
    let body = file.strip_prefix(FORMAT.as_bytes()).ok_or(EvidenceError::Format)?;
    let text: Vec<u8> = body.iter().copied().filter(|byte| *byte != b'\n').collect();
    let bytes = BASE64.decode(&text).map_err(|error| damaged(&error))?;
    let signed = wire::SignedEvidence::decode(bytes.as_slice()).map_err(|error| damaged(&error))?;
    if written(&signed) != file {
        return Err(damaged(&"its content does not have the one allowed form"));
    }
    let evidence = wire::Evidence::decode(signed.evidence.as_slice()).map_err(|error| damaged(&error))?;
    if evidence.accusations.len() > limits::ACCUSATIONS {
        return Err(damaged(&format!("{} accusations, at most {}", evidence.accusations.len(), limits::ACCUSATIONS)));
    }
    Ok((signed, evidence))
}

/// The chain of charters in the file, continued by the later ones that the reader gives. The charter that the reader trusts must be one of them.
fn open_charters(evidence: &wire::Evidence, reader: Reader<'_>) -> Result<Charters, EvidenceError> {
    let trusted = reader.charters.last().ok_or(EvidenceError::NoCharter)?;
    let other = || EvidenceError::OtherCharter { federation: trusted.federation.clone(), version: trusted.version };
    let (first, later) = evidence.charters.split_first().ok_or_else(other)?;
    let mut charters = Charters::self_signed(first)?;
    reader.lists.iter().for_each(|list| charters.keep_list(list.clone()));
    for note in later {
        charters.succeed(note)?;
    }
    if let Some(scheme) = trusted.scheme() {
        charters = charters.under(scheme);
    }
    for charter in reader.charters {
        let newest = charters.newest();
        if charter.version == newest.version + 1 && charter.predecessor == Some(newest.hash) {
            charters.succeed(charter.note())?;
        }
    }
    match charters.version(trusted.version) {
        Some(charter) if charter.hash == trusted.hash => Ok(charters),
        _ => Err(other()),
    }
}

fn check_signature(
    signed: &wire::SignedEvidence,
    evidence: &wire::Evidence,
    accuser: &AgencyId,
    charters: &Charters,
) -> Result<(), EvidenceError> {
    let fails = |problem: String| EvidenceError::Signature(problem);
    let charter = charters
        .version(evidence.charter_version)
        .ok_or_else(|| fails(format!("charter version {} is not in the file", evidence.charter_version)))?;
    let key = charter
        .entry_key(accuser, evidence.key_id)
        .ok_or_else(|| fails(format!("{accuser} has no entry key {:08x}", evidence.key_id)))?;
    let verifies = key.public.verifies(&[DOMAIN, &signed.evidence].concat(), &signed.signature);
    verifies.then_some(()).ok_or_else(|| fails(format!("under key {:08x} of {accuser}", evidence.key_id)))
}
