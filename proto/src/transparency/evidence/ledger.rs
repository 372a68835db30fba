//! The rules of the findings in which signatures of the accused contradict each other.
//!
//! Must not know how an accusation was found.

use bytes::Bytes;

use super::finding_id::Subject;
use super::parts::{Judge, NotProven, by, complaint_text, named, no_contradiction};
use super::{Finding, Statement};
use crate::base::clock::rfc3339 as time;
use crate::base::ids::{AgencyId, Epoch, LedgerIndex};
use crate::base::limits;
use crate::entry::{Body, Entry, ParseError, Place, id_in};
use crate::routing::route::reset_of;
use crate::tlog::checkpoint::Checkpoint;
use crate::tlog::tree::{check_consistency, parse_hash};
use crate::wire;

/// Judges `forked`: two entries with one place.
pub(super) fn two_entries(
    judge: &Judge<'_>,
    accused: &AgencyId,
    forked: &wire::TwoEntries,
) -> Result<Statement, NotProven> {
    let one = judge.entry_by("one entry", &forked.one, accused)?;
    let other = judge.entry_by("other entry", &forked.other, accused)?;
    if one.id == other.id {
        return Err(no_contradiction("it is one entry"));
    }
    if one.place != other.place {
        return Err(no_contradiction("the entries have different places"));
    }
    let (index, epoch) = (one.place.index, one.place.epoch);
    let text = format!(
        "{accused} has signed two entries for leaf {index} of epoch {epoch} of its ledger: {} at {}, and {} at {}. \
         A ledger has one entry in each place, so {accused} keeps two ledgers, or has replaced one entry by the other.",
        named(&one),
        time(one.clock.millis()),
        named(&other),
        time(other.clock.millis()),
    );
    let complaint = complaint_text(one.complaint.or(other.complaint));
    Ok(Statement::of(accused, Finding::Forked, Subject::Place(epoch, index), complaint, text))
}

/// Judges `forked`: the smaller of two trees is not the beginning of the larger.
pub(super) fn two_trees(
    judge: &Judge<'_>,
    accused: &AgencyId,
    forked: &wire::TwoTrees,
) -> Result<Statement, NotProven> {
    let smaller = judge.checkpoint(&forked.smaller, accused)?;
    let larger = judge.checkpoint(&forked.larger, accused)?;
    if smaller.epoch != larger.epoch {
        return Err(no_contradiction("the trees are of different epochs"));
    }
    let prefix = parse_hash(&forked.prefix_root)?;
    let proof = forked.consistency.iter().map(|hash| parse_hash(hash)).collect::<Result<Vec<_>, _>>()?;
    check_consistency(smaller.size, prefix, larger.size, larger.root, &proof)?;
    if prefix == smaller.root {
        return Err(no_contradiction("the smaller tree is the beginning of the larger"));
    }
    let text = format!(
        "{accused} has signed its ledger of {} leaves{}, and its ledger of {} leaves{}. The second does not begin with the first: {accused} has \
         shown two different ledgers, or has changed entries after signing them.",
        smaller.size,
        signed_at(&smaller),
        larger.size,
        signed_at(&larger),
    );
    Ok(Statement::of(accused, Finding::Forked, Subject::Epoch(larger.epoch), None, text))
}

/// Judges `forked`: an entry claims a place where the ledger holds another leaf.
pub(super) fn displaced(
    judge: &Judge<'_>,
    accused: &AgencyId,
    forked: &wire::Displaced,
) -> Result<Statement, NotProven> {
    let entry = judge.entry_by("entry", &forked.entry, accused)?;
    let leaf = judge.leaf(forked.leaf.as_ref(), accused)?;
    if (entry.place.epoch, entry.place.index) != (leaf.checkpoint.epoch, leaf.index) {
        return Err(no_contradiction("the entry and the leaf have different places"));
    }
    if leaf.hash == entry.id.0 {
        return Err(no_contradiction("the entry is that leaf"));
    }
    let text = format!(
        "{accused} signed {} at {} as leaf {} of its ledger. Its ledger of {} leaves{} holds another entry there: the first was \
         removed or rewritten.",
        named(&entry),
        time(entry.clock.millis()),
        leaf.index,
        leaf.checkpoint.size,
        signed_at(&leaf.checkpoint),
    );
    let complaint = complaint_text(entry.complaint);
    Ok(Statement::of(accused, Finding::Forked, Subject::Place(leaf.checkpoint.epoch, leaf.index), complaint, text))
}

/// Judges `rolled_back`: fewer leaves at a time that is later by more than a corrected clock explains.
pub(super) fn rolled_back(
    judge: &Judge<'_>,
    accused: &AgencyId,
    back: &wire::RolledBack,
) -> Result<Statement, NotProven> {
    let (earlier, then) = judge.timed(&back.earlier, accused)?;
    let (later, now) = judge.timed(&back.later, accused)?;
    if earlier.epoch != later.epoch || later.size >= earlier.size || !earlier.is_surely_before(&later) {
        return Err(no_contradiction(format!(
            "{} leaves of epoch {} at {}, then {} of epoch {} at {}",
            earlier.size,
            earlier.epoch,
            time(then * 1000),
            later.size,
            later.epoch,
            time(now * 1000)
        )));
    }
    let text = format!(
        "{accused} signed that its ledger had {} leaves at {}, and that it had only {} at {}. A ledger never shrinks: {} leaves were \
         taken away, and no new epoch says why.",
        earlier.size,
        time(then * 1000),
        later.size,
        time(now * 1000),
        earlier.size - later.size,
    );
    Ok(Statement::of(accused, Finding::RolledBack, Subject::Epoch(later.epoch), None, text))
}

/// Judges `rolled_back`: a later epoch does not begin with its declaration.
pub(super) fn undeclared(
    judge: &Judge<'_>,
    accused: &AgencyId,
    begun: &wire::Undeclared,
) -> Result<Statement, NotProven> {
    let leaf = judge.leaf(begun.leaf.as_ref(), accused)?;
    let epoch = leaf.checkpoint.epoch;
    if epoch <= Epoch::FIRST || leaf.index.0 != 0 {
        return Err(no_contradiction(format!("leaf {} of epoch {epoch} declares nothing", leaf.index)));
    }
    if Some(leaf.hash) != id_in(&begun.first).map(|id| id.0) {
        return Err(no_contradiction("the leaf is another entry"));
    }
    // The accused signed that its ledger begins with these bytes, even if they are no entry.
    let first = match Entry::parse(Bytes::copy_from_slice(&begun.first), judge.federation) {
        Err(ParseError::LaterVersion(version)) => {
            let problem = format!("it is of version {version}: a later program can tell whether it declares the epoch");
            return Err(NotProven::Unreadable { part: "first leaf", problem });
        }
        read => read.ok(),
    };
    let what = first
        .as_ref()
        .map_or_else(|| "no entry at all".to_owned(), |first| format!("{} by {}", named(first), first.author));
    // Its envelope does not count: the accused's checkpoint covers the declaration itself, and an accuser could spoil the envelope.
    if first.is_some_and(|first| declares(&first, accused, epoch)) {
        return Err(no_contradiction(format!("epoch {epoch} is declared")));
    }
    let text = format!(
        "{accused} signed epoch {epoch} of its ledger, with {} leaves{}. The first of them is {what}, where it had to declare why the epoch \
         before ended: it began anew, and told nobody.",
        leaf.checkpoint.size,
        signed_at(&leaf.checkpoint),
    );
    Ok(Statement::of(accused, Finding::RolledBack, Subject::Epoch(epoch), None, text))
}

fn declares(first: &Entry, accused: &AgencyId, epoch: Epoch) -> bool {
    let place = Place { epoch, index: LedgerIndex::default() };
    // A later program may know the body.
    let may_declare = reset_of(first).is_some() || first.body == Body::Unknown;
    may_declare && first.author == *accused && first.place == place
}

/// Judges `omitted`: a receipt names a leaf, and the tree holds another leaf there.
pub(super) fn omitted(judge: &Judge<'_>, accused: &AgencyId, omitted: &wire::Omitted) -> Result<Statement, NotProven> {
    let entry = judge.entry("entry", &omitted.entry)?;
    let receipt = judge.receipt(&omitted.receipt, accused)?;
    let acknowledged = judge.checkpoint_in(&receipt)?;
    let leaf = judge.leaf(omitted.leaf.as_ref(), accused)?;
    let named_leaf = receipt.leaves().find(|(id, _)| *id == entry.id);
    let (_, index) = named_leaf.ok_or_else(|| no_contradiction("the receipt names another entry"))?;
    if (acknowledged.epoch, index) != (leaf.checkpoint.epoch, leaf.index) {
        return Err(no_contradiction("the receipt and the leaf name different places"));
    }
    if leaf.hash == entry.id.0 {
        return Err(no_contradiction("the leaf is what the receipt says"));
    }
    let text = format!(
        "{accused} confirmed to {} that it holds {} by {} as leaf {index} of its ledger{}. Its ledger of {} leaves{} holds something \
         else there: what it confirmed was dropped or replaced.",
        receipt.sender,
        named(&entry),
        entry.author,
        signed_at(&acknowledged),
        leaf.checkpoint.size,
        signed_at(&leaf.checkpoint),
    );
    let complaint = complaint_text(entry.complaint);
    Ok(Statement::of(accused, Finding::Omitted, Subject::Entry(entry.id), complaint, text))
}

/// Judges `back_dated`: an entry after a cosigned size has a clock from well before the cosigned time.
pub(super) fn back_dated(
    judge: &Judge<'_>,
    accused: &AgencyId,
    dated: &wire::BackDated,
) -> Result<Statement, NotProven> {
    let entry = judge.entry("entry", &dated.entry)?;
    by("entry", &entry.author, accused)?;
    let (checkpoint, seconds) = judge.timed(&dated.checkpoint, accused)?;
    let (clock, signed) = (entry.clock.millis(), seconds.saturating_mul(1000));
    let margin = u64::try_from(limits::BACK_DATED_BY.as_millis()).unwrap_or(u64::MAX);
    let is_behind = entry.place.epoch == checkpoint.epoch && entry.place.index.0 >= checkpoint.size;
    if !is_behind || clock.saturating_add(margin) >= signed {
        return Err(no_contradiction("the entry is not older than the ledger before it"));
    }
    let text = format!(
        "{accused} wrote {} as leaf {} of its ledger and dated it {}. When it signed its ledger of {} leaves at {}, that leaf was not \
         there yet: the entry is at least {} minutes younger than it says.",
        named(&entry),
        entry.place.index,
        time(clock),
        checkpoint.size,
        time(signed),
        (signed - clock) / 60_000,
    );
    let complaint = complaint_text(entry.complaint);
    Ok(Statement::of(accused, Finding::BackDated, Subject::Entry(entry.id), complaint, text))
}

/// The cosigned time of a checkpoint, as a part of a sentence.
pub(super) fn signed_at(checkpoint: &Checkpoint) -> String {
    checkpoint.seconds.map(|seconds| format!(", signed at {}", time(seconds.saturating_mul(1000)))).unwrap_or_default()
}
