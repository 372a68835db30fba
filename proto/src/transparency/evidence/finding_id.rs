//! The id of a finding: one dishonest act has one id, however often and by whichever proofs it is found.
//!
//! Must not know proofs: a proof differs from audit to audit, because the ledger grows and is signed again.
//!
//! The id is SHA-256 over these bytes, without separators:
//!
//! | bytes | content |
//! |---|---|
//! | `sinergi/finding/v2\0` | the domain |
//! | 1, then as many | the length of the accused's id, and the id |
//! | 1, then as many | the length of the finding's name, and [`Finding::name`] |
//! | 1 | the kind of the subject, see [`Subject`] |
//! | the rest | the parts of the subject: epochs in 4 bytes and leaf indexes in 8, big-endian; ids in 32; a name as it is |

use sha2::{Digest, Sha256};

use super::Finding;
use crate::base::ids::{AgencyId, EntryId, Epoch, LedgerIndex};

const DOMAIN: &[u8] = b"sinergi/finding/v2\0";

/// The subject of a finding: what the accused did once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject<'a> {
    /// Kind 0: the agency alone. `unresponsive`.
    Agency,
    /// Kind 1: an epoch of the accused's ledger. `forked` by two trees; `rolled_back`, where it is the epoch that was rolled back or begun without
    /// a declaration.
    Epoch(Epoch),
    /// Kind 2: a place in the accused's ledger, as epoch and leaf. `forked` by two entries, or by an entry and the leaf in its place.
    Place(Epoch, LedgerIndex),
    /// Kind 3: an entry, or the offer. `omitted`, `back_dated`, `withheld`, `unsigned`, `undelivered`, `unanswered`,
    /// `refused_wrongly`; `unresponsive` if an entry was deferred for ever.
    Entry(EntryId),
    /// Kind 4: an entry, and the entry that it leaves out. `concealed`.
    LeftOut(EntryId, EntryId),
    /// Kind 5: the `Published` entry, and the name of the figure. `misreported`.
    Figure(EntryId, &'a str),
}

/// The id of a finding about this subject.
pub(super) fn finding_id(accused: &AgencyId, finding: Finding, subject: Subject<'_>) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(DOMAIN);
    for name in [accused.as_str(), finding.name()] {
        // An agency's id has at most 63 bytes, and no name of a finding is longer.
        hash.update([u8::try_from(name.len()).unwrap_or(u8::MAX)]);
        hash.update(name);
    }
    match subject {
        Subject::Agency => hash.update([0]),
        Subject::Epoch(epoch) => {
            hash.update([1]);
            hash.update(epoch.0.to_be_bytes());
        }
        Subject::Place(epoch, index) => {
            hash.update([2]);
            hash.update(epoch.0.to_be_bytes());
            hash.update(index.0.to_be_bytes());
        }
        Subject::Entry(entry) => {
            hash.update([3]);
            hash.update(entry.0);
        }
        Subject::LeftOut(entry, left_out) => {
            hash.update([4]);
            hash.update(entry.0);
            hash.update(left_out.0);
        }
        Subject::Figure(published, figure) => {
            hash.update([5]);
            hash.update(published.0);
            hash.update(figure);
        }
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use data_encoding::HEXLOWER;

    use super::*;
    use crate::fixture::agency;

    #[test]
    fn ids_differ_by_accused_finding_and_subject_and_never_change() {
        let (one, other) = (EntryId([1; 32]), EntryId([2; 32]));
        let (epoch, index) = (Epoch(3), LedgerIndex(4));
        let city = agency("kota-bandung");
        let ids = [
            finding_id(&city, Finding::Unresponsive, Subject::Agency),
            finding_id(&city, Finding::Forked, Subject::Epoch(epoch)),
            finding_id(&city, Finding::RolledBack, Subject::Epoch(epoch)),
            finding_id(&city, Finding::Forked, Subject::Place(epoch, index)),
            finding_id(&agency("kota-bogor"), Finding::Forked, Subject::Place(epoch, index)),
            finding_id(&city, Finding::Omitted, Subject::Entry(one)),
            finding_id(&city, Finding::Omitted, Subject::Entry(other)),
            finding_id(&city, Finding::Concealed, Subject::LeftOut(one, other)),
            finding_id(&city, Finding::Concealed, Subject::LeftOut(other, one)),
            finding_id(&city, Finding::Misreported, Subject::Figure(one, "held")),
        ];
        assert_eq!(BTreeSet::from(ids).len(), ids.len());
        let all = Sha256::digest(ids.concat());
        assert_eq!(HEXLOWER.encode(&all), "89db6e3c7b9b748faad5416201606aa24a817a7f6ffe8752aac24d2b3528e5c8");
    }
}
