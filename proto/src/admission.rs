//! Judges received entries: authentication by the charter, then admission by the ancestors.
//!
//! Must not know the state of a complaint. A conflict of state is no refusal; the fold ([`crate::complaint`]) supersedes one of the
//! entries.
//!
//! Invariants:
//! - a refusal depends only on the entry's bytes, its ancestors and the charter version that it names, so every node gives the same;
//! - an entry is deferred and never refused because something is not here yet (a parent, a charter) or because its clock is ahead.

pub mod received;
mod verified_batches;

use std::borrow::Cow;
use std::collections::BTreeSet;

use verified_batches::SignatureClaim;
pub use verified_batches::VerifiedBatches;

use crate::base::ids::{AgencyId, EntryId};
use crate::base::limits;
use crate::base::refusal::{DeferralCode, Refusal, RefusalCode};
use crate::charter::{Charter, Charters, MemberKey, MemberStatus};
use crate::complaint::Complaint;
use crate::entry::{Body, CharterName, Entry, Proven};
use crate::receipt::Receipt;
use crate::tlog::checkpoint::Checkpoint;

/// The verdict on an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The entry is taken into the ledger.
    Admit,
    /// The entry is refused. No later entry or charter makes it right.
    Refuse(Refusal),
    /// The entry is judged again later. It is kept durably until then, except for [`DeferralCode::Unsigned`].
    Defer {
        /// The code of the thing that the entry waits for.
        code: DeferralCode,
        /// The same for people.
        detail: String,
    },
}

impl Verdict {
    fn refuse(code: RefusalCode, detail: impl Into<String>) -> Self {
        Self::Refuse(Refusal::new(code, detail))
    }
}

/// The key that must have signed an entry, by the charter that the entry names.
///
/// # Errors
/// The verdict on the entry, if there is no such key.
pub fn signing_key<'a>(entry: &Entry, charters: &'a Charters) -> Result<&'a MemberKey, Verdict> {
    let charter = charters.named(&entry.charter).ok_or_else(|| missing_charter(entry, charters))?;
    let author = &entry.author;
    match charter.member(author).map(|member| member.status) {
        None => {
            let detail = format!("{author} is no member of charter version {}", charter.version);
            return Err(Verdict::refuse(RefusalCode::UnknownAuthor, detail));
        }
        Some(MemberStatus::Retired) => {
            let detail = format!("{author} is retired in charter version {}", charter.version);
            return Err(Verdict::refuse(RefusalCode::UnknownAuthor, detail));
        }
        Some(MemberStatus::Active | MemberStatus::Suspended) => {}
    }
    let key = charter.entry_key(author, entry.key_id).ok_or_else(|| {
        let detail = format!("{author} has no entry key {:08x} in charter version {}", entry.key_id, charter.version);
        Verdict::refuse(RefusalCode::UnknownKey, detail)
    })?;
    if !key.valid_at(entry.clock.millis()) {
        let detail = format!("key {:08x} of {author} was not valid at {} ms", key.id, entry.clock.millis());
        return Err(Verdict::refuse(RefusalCode::KeyNotValidThen, detail));
    }
    Ok(key)
}

/// The verdict on an entry that names a charter which is not trusted here.
pub(crate) fn missing_charter(entry: &Entry, charters: &Charters) -> Verdict {
    let CharterName { version, hash } = entry.charter;
    let detail = match charters.version(version) {
        Some(_) => format!("names charter version {version} with hash {hash:016x}, another one is trusted here"),
        None => format!("names charter version {version}, the newest here is {}", charters.newest().version),
    };
    Verdict::Defer { code: DeferralCode::MissingCharter, detail }
}

/// Checks the signatures of entries that came from one peer. Verdict `i` is on entry `i`; `Admit` means that the entry is authentic.
///
/// Entries of one batch share one signature, which is checked once. All signatures are checked together. Only if that fails, each is checked
/// alone, so that exactly the entries with a bad one are deferred as unsigned.
pub fn authenticate(
    entries: &[Entry],
    charters: &Charters,
    known: &VerifiedBatches,
    rng: impl rand::CryptoRng,
) -> Vec<Verdict> {
    let claim = |entry: &Entry| {
        let key = signing_key(entry, charters)?;
        let envelope = entry.envelope.as_ref().ok_or_else(|| unsigned(entry, key))?;
        Ok((key, SignatureClaim::of(entry, envelope, key)))
    };
    let claims: Vec<Result<(&MemberKey, SignatureClaim), Verdict>> = entries.iter().map(claim).collect();
    let good = known.verify(claims.iter().flatten().map(|(key, claim)| (&key.public, *claim)), rng);
    let verdict = |(entry, claim): (&Entry, Result<(&MemberKey, SignatureClaim), Verdict>)| match claim {
        Err(verdict) => verdict,
        Ok((_, claim)) if good.contains(&claim) => check_shown(entry, charters).err().unwrap_or(Verdict::Admit),
        Ok((key, _)) => unsigned(entry, key),
    };
    entries.iter().zip(claims).map(verdict).collect()
}

/// Checks the receipt that an entry shows, if it shows one.
///
/// # Errors
/// The verdict on the entry, if the receipt does not verify.
pub fn check_shown(entry: &Entry, charters: &Charters) -> Result<(), Verdict> {
    match &entry.body {
        Body::Proven(proven) => check_receipt(proven, &entry.charter, charters),
        _ => Ok(()),
    }
}

/// Checks the receipt in the body of an entry that names this charter: the receiver signed it and the checkpoint in it, with the time. Every node
/// gives the same verdict, because only keys count that are listed up to the named charter.
///
/// # Errors
/// The verdict on the entry, if the receipt does not verify.
pub fn check_receipt(proven: &Proven, named: &CharterName, charters: &Charters) -> Result<(), Verdict> {
    let Proven { receiver, shown, seconds, .. } = proven;
    let bad = |detail: String| Verdict::refuse(RefusalCode::BadShownReceipt, detail);
    let receipt = Receipt::parse_item(shown).map_err(|error| bad(error.to_string()))?;
    if receipt.charter_version > named.version {
        let (newer, named) = (receipt.charter_version, named.version);
        return Err(bad(format!("the receipt names charter version {newer}, the entry names {named}")));
    }
    // All versions up to a known one are known.
    let unknown = || bad(format!("the receipt names charter version {}", receipt.charter_version));
    let charter = charters.version(receipt.charter_version).ok_or_else(unknown)?;
    if receipt.federation != charter.federation {
        return Err(bad(format!("the receipt is of federation {:?}", receipt.federation)));
    }
    if charter.member(receiver).is_none_or(|member| member.status == MemberStatus::Retired) {
        return Err(bad(format!("{receiver} is no member of charter version {}, or has left", charter.version)));
    }
    let id = receipt.key_id;
    let key = charter.entry_key(receiver, id).filter(|key| key.valid_at(seconds.saturating_mul(1000)));
    let key = key.ok_or_else(|| bad(format!("{receiver} had no entry key {id:08x} when it gave the receipt")))?;
    receipt.verify(&shown.receipt, &shown.signature, &key.public).map_err(|error| bad(error.to_string()))?;
    let open = |note: &[u8]| {
        let keys = charters.checkpoint_keys_until(receiver, named.version)?;
        Checkpoint::open(note, &charter.federation, receiver, &keys).ok()
    };
    let checkpoint = receipt.checkpoint(open).map_err(|error| bad(error.to_string()))?;
    if checkpoint.seconds != Some(*seconds) {
        return Err(bad(format!("the time line of its checkpoint does not verify as one of {receiver}")));
    }
    Ok(())
}

fn unsigned(entry: &Entry, key: &MemberKey) -> Verdict {
    let detail = format!("it came without a signature that verifies under key {:08x} of {}", key.id, entry.author);
    Verdict::Defer { code: DeferralCode::Unsigned, detail }
}

/// Judges an authentic entry by its ancestors.
///
/// `complaint` is this node's copy of the entry's complaint, if it has one. `charter` is the charter that the entry names. `now_millis` is
/// this node's wall clock, in milliseconds since 1970.
pub fn admit(entry: &Entry, complaint: Option<&Complaint>, charter: &Charter, now_millis: u64) -> Verdict {
    if entry.clock.is_ahead_of(now_millis) {
        let ahead = entry.clock.millis().saturating_sub(now_millis) / 1000;
        let detail = format!("its clock is {ahead} s ahead of ours, at most {} s", limits::CLOCK_AHEAD.as_secs());
        return Verdict::Defer { code: DeferralCode::ClockAhead, detail };
    }
    if matches!(entry.body, Body::Lodged(_) | Body::Node(_)) || entry.complaint.is_none() {
        return Verdict::Admit;
    }
    let missing = |parent: &EntryId| Verdict::Defer {
        code: DeferralCode::MissingParent,
        detail: format!("its parent {parent} is not here"),
    };
    let Some(complaint) = complaint else { return missing(&entry.parents[0]) };
    for parent in &entry.parents {
        let Some(known) = complaint.entry(parent) else { return missing(parent) };
        if entry.clock <= known.clock {
            let detail = format!("clock {:?} does not exceed {:?} of its parent {parent}", entry.clock, known.clock);
            return Verdict::refuse(RefusalCode::ClockNotAfterParents, detail);
        }
        // An author that has a parent knows the parent's charter. It must not choose an older one that gave it more rights.
        if entry.charter.version < known.charter.version {
            let (named, newer) = (entry.charter.version, known.charter.version);
            let detail = format!("names charter version {named}, its parent {parent} names {newer}");
            return Verdict::refuse(RefusalCode::OlderCharter, detail);
        }
    }
    match by_ancestors(entry, complaint, charter) {
        Ok(()) => Verdict::Admit,
        Err(refusal) => Verdict::Refuse(refusal),
    }
}

/// The facts about an entry that its ancestors show.
struct Ancestry<'a> {
    /// Whether the basis is a custody entry among the ancestors. Also true for an entry without a basis.
    basis_is_custody: bool,
    /// Whether the entry whose receipt is shown is an ancestor. Also true for an entry that shows none.
    has_proven: bool,
    /// The agencies that the ancestors name: the intake agency and the addressee of every offer. It does not matter whether an ancestor has effect,
    /// because that may change.
    named: Cow<'a, BTreeSet<AgencyId>>,
    /// Number of ancestors by the same author.
    written: usize,
}

impl<'a> Ancestry<'a> {
    /// Computes the facts. An honest author usually names this node's newest entries as parents. Then all entries here are ancestors, and
    /// the fold has the facts already. Otherwise the ancestors are walked.
    fn of(entry: &Entry, complaint: &'a Complaint) -> Self {
        let (basis, proven) = (entry.body.basis(), entry.body.proves());
        if complaint.are_heads(&entry.parents) {
            return Self {
                basis_is_custody: basis.is_none_or(|basis| complaint.is_custody(&basis)),
                has_proven: proven.is_none_or(|proven| complaint.contains(&proven)),
                named: Cow::Borrowed(complaint.named()),
                written: complaint.written_by(&entry.author),
            };
        }
        let (mut has_basis, mut has_proven, mut written) = (basis.is_none(), proven.is_none(), 0);
        let mut named = BTreeSet::from([complaint.intake().clone()]);
        complaint.walk_ancestors(&entry.parents, |id, known| {
            has_basis |= basis == Some(*id);
            has_proven |= proven == Some(*id);
            written += usize::from(known.author == entry.author);
            if let Body::Custody { act, .. } = &known.body {
                named.extend(act.offers_to().cloned());
            }
        });
        let basis_is_custody = has_basis && basis.is_none_or(|basis| complaint.is_custody(&basis));
        Self { basis_is_custody, has_proven, named: Cow::Owned(named), written }
    }
}

fn by_ancestors(entry: &Entry, complaint: &Complaint, charter: &Charter) -> Result<(), Refusal> {
    let Ancestry { basis_is_custody, has_proven, named, written } = Ancestry::of(entry, complaint);
    if !basis_is_custody {
        return Err(Refusal::new(RefusalCode::ForeignBasis, "its basis is no custody entry among its ancestors"));
    }
    if !has_proven {
        return Err(Refusal::new(
            RefusalCode::ForeignBasis,
            "the entry whose receipt it shows is not among its ancestors",
        ));
    }
    if written >= limits::ENTRIES_PER_AUTHOR {
        let detail =
            format!("{} has written {written} entries of this complaint, the most that are taken", entry.author);
        return Err(Refusal::new(RefusalCode::AuthorQuota, detail));
    }
    // A relay may show the receipt that it got.
    let may_show = matches!(&entry.body, Body::Proven(proven) if proven.sender == entry.author);
    if !may_show && !has_role(&entry.author, &named, charter) {
        let detail = format!("{} is neither participant nor supervisor, mediator or oversight", entry.author);
        return Err(Refusal::new(RefusalCode::NoRole, detail));
    }
    Ok(())
}

fn has_role(author: &AgencyId, named: &BTreeSet<AgencyId>, charter: &Charter) -> bool {
    named.contains(author)
        || charter.is_oversight(author)
        || charter.mediator.as_ref() == Some(author)
        || named.iter().any(|agency| charter.supervises(author, agency))
}

#[cfg(test)]
mod tests;
