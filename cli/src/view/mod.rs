//! The documents that `--output json` prints. Every table is made from them, too.
//!
//! Invariants, which scripts rely on:
//! - fields are snake_case and never disappear or change their meaning; new ones may be added;
//! - times are RFC 3339 strings in UTC; ids are complete; a value that does not exist is null, never an empty string;
//! - codes are lower-case words joined by `_`;
//! - a listing is an array of objects.

#[macro_use]
mod document;

mod answer;
mod complaint;
mod finding;
mod ledger;
mod node;
mod peer;
mod queue;
mod receipt;
mod timeline;
mod verified;

pub use answer::{Act, CitizenKey, CitizenWord, Import, Lodged, Proposed};
pub use complaint::{Complaint, ComplaintDetail, CustodySpan, Proposal};
pub use finding::{Audited, Finding};
pub use ledger::{Checkpoint, Export, Verification, VerificationFinding};
pub use node::{Alarm, NodeStatus};
pub use peer::{Cursor, Peer, Ping};
pub use queue::{Outgoing, Refused, Retried};
pub use receipt::{ProvenLodging, Receipt, VerifiedReceipt};
pub use timeline::{Content, TimelineEntry};
pub use verified::{Verified, VerifiedEntry};

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use sinergi_proto::base::ids::ComplaintId;
use sinergi_proto::wire::KeyOrigin;

/// Converts a time on the wire: milliseconds since 1970, 0 for none.
pub fn moment(milliseconds: u64) -> Option<Timestamp> {
    let milliseconds = i64::try_from(milliseconds).ok().filter(|&milliseconds| milliseconds != 0)?;
    Timestamp::from_millisecond(milliseconds).ok()
}

/// A complaint's id as text. Bytes that are not an id are shown in hexadecimal.
pub fn complaint_id(bytes: &[u8]) -> String {
    ComplaintId::from_slice(bytes).map_or_else(|| HEXLOWER.encode(bytes), |id| id.to_string())
}

/// The short form of a complaint's id in tables: its end.
pub fn short_id(id: &str) -> &str {
    let cut = id.len().saturating_sub(ComplaintId::SHORT_LENGTH);
    id.get(cut..).unwrap_or(id)
}

/// The short form of an entry's id in tables: its start.
pub fn short_hash(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// How the citizen's key was made: `device` or `drawn`. `None` if there is no key.
fn key_origin(origin: i32) -> Option<String> {
    match KeyOrigin::try_from(origin) {
        Ok(KeyOrigin::Unspecified) => None,
        Ok(origin) => Some(word(origin.as_str_name(), "KEY_ORIGIN_")),
        Err(_) => Some(origin.to_string()),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn present(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// The code of a wire value: `COMPLAINT_KIND_INFORMATION_REQUEST` without its prefix, in lower case.
fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
