//! Findings that the accused must have known better: a custody entry that hides another one, and figures that leave complaints out.
//!
//! Must not know how an accusation was found.

use std::collections::BTreeSet;

use super::finding_id::Subject;
use super::parts::{Judge, NotProven, complaint_text, named, no_contradiction};
use super::{Finding, Statement};
use crate::admission::check_shown;
use crate::base::ids::{AgencyId, Epoch, LedgerIndex};
use crate::base::limits;
use crate::complaint::Complaint;
use crate::entry::{Body, Entry};
use crate::wire::{self, concealed::KnownBy, entry::Body as Wire};

/// Name of the figure that counts the complaints that an agency holds and whose work has not ended.
pub const HELD: &str = "held";

/// Judges `concealed`: the ancestors of an entry leave out an entry of the complaint that its author's ledger had before.
///
/// An honest author's entry descends from every entry of the complaint that the author has. If there are more newest entries than an entry has
/// parents, it descends from one of each author (`Complaint::parents_of_next`).
pub(super) fn concealed(
    judge: &Judge<'_>,
    accused: &AgencyId,
    concealed: &wire::Concealed,
) -> Result<Statement, NotProven> {
    let entry = judge.entry_by("entry", &concealed.entry, accused)?;
    let left_out = judge.entry("entry that is left out", &concealed.left_out)?;
    if entry.complaint.is_none() || entry.complaint != left_out.complaint {
        return Err(no_contradiction("they are not two entries of one complaint"));
    }
    let past = judge.past_of(&entry, &concealed.ancestors)?;
    if entry.id == left_out.id || past.iter().any(|ancestor| ancestor.id == left_out.id) {
        return Err(no_contradiction("the entry has it among its ancestors"));
    }
    if has_no_room(&entry, &past) {
        check_room(judge, &entry, &past, &left_out, &concealed.left_out_ancestors)?;
    }
    let (epoch, index) = known_since(judge, accused, &left_out, concealed)?;
    if epoch != entry.place.epoch || index >= entry.place.index {
        return Err(no_contradiction("its ledger did not have it before"));
    }
    let text = format!(
        "{accused} signed {} as leaf {} of its ledger as if it did not know of {} by {}. Its own ledger had that entry before, as leaf {index}: \
         it knew of the entry and hid it.",
        named(&entry),
        entry.place.index,
        left_out.body.name(),
        left_out.author,
    );
    let complaint = complaint_text(entry.complaint);
    Ok(Statement::of(accused, Finding::Concealed, Subject::LeftOut(entry.id, left_out.id), complaint, text))
}

/// The place of the left-out entry in the accused's ledger, shown by a signature of the accused.
fn known_since(
    judge: &Judge<'_>,
    accused: &AgencyId,
    left_out: &Entry,
    concealed: &wire::Concealed,
) -> Result<(Epoch, LedgerIndex), NotProven> {
    match &concealed.known_by {
        Some(KnownBy::Leaf(proof)) => {
            let leaf = judge.leaf(Some(proof), accused)?;
            if leaf.hash != left_out.id.0 {
                return Err(no_contradiction("the leaf is another entry"));
            }
            Ok((leaf.checkpoint.epoch, leaf.index))
        }
        Some(KnownBy::Receipt(ack)) => {
            let receipt = judge.receipt(ack, accused)?;
            let checkpoint = judge.checkpoint_in(&receipt)?;
            let leaf = receipt.leaves().find(|(id, _)| *id == left_out.id);
            let (_, index) = leaf.ok_or_else(|| no_contradiction("the receipt names another entry"))?;
            Ok((checkpoint.epoch, index))
        }
        Some(KnownBy::Own(_)) if left_out.author == *accused => Ok((left_out.place.epoch, left_out.place.index)),
        Some(KnownBy::Own(_)) | None => Err(no_contradiction("nothing shows that its ledger had it")),
    }
}

/// Whether an entry has as many parents as it has room for. A parent from which another one descends takes no room: a liar could pad with such.
fn has_no_room(entry: &Entry, past: &[Entry]) -> bool {
    let further_back: BTreeSet<_> = past.iter().flat_map(|known| &known.parents).collect();
    let parents: BTreeSet<_> = entry.parents.iter().filter(|parent| !further_back.contains(parent)).collect();
    parents.len() >= limits::PARENTS
}

/// Checks that an entry with as many parents as it has room for could have descended from the left-out entry.
///
/// An honest author names the newest entry of each author first. One place may go to the custody entry that it acts on.
fn check_room(
    judge: &Judge<'_>,
    entry: &Entry,
    past: &[Entry],
    left_out: &Entry,
    left_out_ancestors: &[Vec<u8>],
) -> Result<(), NotProven> {
    let authors: BTreeSet<&AgencyId> =
        past.iter().filter(|known| entry.parents.contains(&known.id)).map(|known| &known.author).collect();
    if authors.len() >= limits::PARENTS - 1 {
        return Err(no_contradiction(format!("it has {} parents of {} authors", limits::PARENTS, authors.len())));
    }
    let before: BTreeSet<_> =
        judge.past_of(left_out, left_out_ancestors)?.into_iter().map(|ancestor| ancestor.id).collect();
    if past.iter().any(|known| known.author == left_out.author && !before.contains(&known.id)) {
        return Err(no_contradiction(format!(
            "it has {} parents, and descends from another branch of {}",
            limits::PARENTS,
            left_out.author
        )));
    }
    Ok(())
}

/// Judges `misreported`: a published figure is lower than the number of complaints that the accused held by its own entries at that time.
pub(super) fn misreported(
    judge: &Judge<'_>,
    accused: &AgencyId,
    reported: &wire::Misreported,
) -> Result<Statement, NotProven> {
    let published = judge.entry_by("publication", &reported.published, accused)?;
    let Body::Node(body) = &published.body else { return Err(no_contradiction("nothing is published")) };
    let Wire::Published(figures) = body.as_ref() else { return Err(no_contradiction("nothing is published")) };
    if reported.figure != HELD {
        return Err(no_contradiction(format!("the figure {:?} is not one that is counted", reported.figure)));
    }
    let figure = figures.figures.iter().find(|figure| figure.name == reported.figure);
    let said = figure.ok_or_else(|| no_contradiction("the figure is not among what was published"))?.value;
    let size = figures.ledger_size.min(published.place.index.0);
    let mut counted = BTreeSet::new();
    for case in &reported.cases {
        let entries: Vec<Entry> =
            case.entries.iter().map(|signed| judge.entry("case", signed)).collect::<Result<_, _>>()?;
        let complaint = fold(judge, &entries)?;
        if !counts_as_held(&complaint, &entries, accused, published.place.epoch, size) {
            return Err(no_contradiction(format!("complaint {} does not count", complaint.id().short())));
        }
        counted.insert(complaint.id());
    }
    if counted.len() as u64 <= said {
        return Err(no_contradiction(format!("{said} were published, {} are shown", counted.len())));
    }
    let text = format!(
        "{accused} published that it held {said} complaints when its ledger had {size} leaves. By its own signed entries it had taken on \
         at least {} by then, and the accuser knows of none by which it gave them up or ended the work.",
        counted.len(),
    );
    Ok(Statement::of(accused, Finding::Misreported, Subject::Figure(published.id, &reported.figure), None, text))
}

/// Whether a complaint counts as held by `agency` when its ledger has `size` leaves in `epoch`.
///
/// It counts if the agency took custody by an own entry within these leaves, holds the complaint, the work has not ended, and the agency wrote
/// no later entry of it.
pub fn counts_as_held(complaint: &Complaint, entries: &[Entry], agency: &AgencyId, epoch: Epoch, size: u64) -> bool {
    let is_own = |entry: &&Entry| entry.author == *agency && entry.place.epoch == epoch;
    let wrote_later = entries.iter().filter(is_own).any(|entry| entry.place.index.0 >= size);
    let took_it = entries.iter().filter(is_own).any(|entry| {
        entry.place.index.0 < size
            && matches!(&entry.body, Body::Lodged(_) | Body::Custody { act: crate::entry::CustodyAct::Accepted, .. })
    });
    // The work on a reopened complaint may have been ended when the figures were made, so it does not count.
    let case = complaint.case();
    let was_open = case.phase.is_open() && case.reopened == 0;
    !wrote_later && took_it && complaint.custody().holder == *agency && was_open
}

/// Folds these entries. Each must come after its parents.
pub(super) fn fold(judge: &Judge<'_>, entries: &[Entry]) -> Result<Complaint, NotProven> {
    let unreadable = |problem: String| NotProven::Unreadable { part: "case", problem };
    let (first, rest) = entries.split_first().ok_or_else(|| unreadable("no entries".to_owned()))?;
    let named_by = |entry: &Entry| judge.charters.named(&entry.charter).is_some();
    if let Some(entry) = entries.iter().find(|entry| !named_by(entry)) {
        return Err(unreadable(format!("charter {} is not here", entry.charter.version)));
    }
    let mut complaint = Complaint::lodge(first, judge.charters)
        .ok_or_else(|| unreadable("it does not begin with Lodged".to_owned()))?;
    for entry in rest {
        if entry.complaint != Some(complaint.id()) || !entry.parents.iter().all(|parent| complaint.contains(parent)) {
            return Err(unreadable(format!("{} comes before its parents", named(entry))));
        }
        check_shown(entry, judge.charters)
            .map_err(|verdict| NotProven::Signature { part: "case", problem: format!("{verdict:?}") })?;
        complaint.insert(entry, judge.charters);
    }
    Ok(complaint)
}
