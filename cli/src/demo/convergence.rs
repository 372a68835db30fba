//! Checks that all parties of all complaints agree: their digests over the entries are equal, and no acknowledged entry is missing.
//!
//! The intake agency's node names the parties. That is enough: an agency that wrote an entry is a participant by an offer. If the intake agency
//! lacks that offer, the offer's author has it, and the author's digest differs from the intake agency's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use sinergi_proto::operator_api::ComplaintDetail;
use tokio::time::Instant;

use super::desk::Desks;
use super::play::Case;
use crate::failure::Failure;
use crate::view::short_id;

/// If nothing changes for this long, the parties disagree.
const STILL: Duration = Duration::from_secs(60);
/// The pause between two checks.
const PAUSE: Duration = Duration::from_millis(100);
/// The number of complaints that are asked for at the same time.
const AT_A_TIME: usize = 16;

/// The nodes' answers in the end.
#[derive(Debug, Default)]
pub struct Agreement {
    /// The complaints as their intake agencies show them.
    pub details: Vec<ComplaintDetail>,
    /// The disagreements, in words.
    pub disagreements: Vec<String>,
    /// The number of complaints that a party lacks, or that lack an acknowledged entry.
    pub lost: Vec<String>,
}

/// The digest of each complaint at each node.
type Digests = BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>;

/// The result of one check of a complaint.
enum Look<'c> {
    Agreed(Box<ComplaintDetail>),
    Not(&'c Case, Option<Box<ComplaintDetail>>),
}

/// Waits until all parties of all cases agree, or nothing has changed for a minute.
///
/// # Errors
/// A node does not answer.
pub async fn agree(cases: &[Case], desks: &Desks, bar: &ProgressBar) -> Result<Agreement, Failure> {
    let mut agreement = Agreement::default();
    let mut open: Vec<&Case> = cases.iter().collect();
    let mut changed = Instant::now();
    let mut before = Digests::new();
    loop {
        let digests = digests(desks).await?;
        if digests != before {
            changed = Instant::now();
            before = digests;
        }
        let looks: Vec<Look<'_>> = stream::iter(std::mem::take(&mut open))
            .map(|case| look(case, desks, &before))
            .buffer_unordered(AT_A_TIME)
            .try_collect()
            .await?;
        let give_up = changed.elapsed() >= STILL;
        for look in looks {
            match look {
                Look::Agreed(detail) => agreement.details.push(*detail),
                Look::Not(case, detail) if give_up => note(&mut agreement, case, detail, &before),
                Look::Not(case, _) => open.push(case),
            }
        }
        bar.set_position(agreement.details.len() as u64);
        if open.is_empty() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    agreement.lost.extend(lacking_entries(cases, &agreement.details));
    agreement.lost.sort();
    agreement.lost.dedup();
    Ok(agreement)
}

async fn digests(desks: &Desks) -> Result<Digests, Failure> {
    let mut all = Digests::new();
    for desk in desks.iter() {
        let complaints = desk.list().await?;
        all.insert(desk.agency.clone(), complaints.into_iter().map(|one| (one.complaint, one.digest)).collect());
    }
    Ok(all)
}

async fn look<'c>(case: &'c Case, desks: &Desks, digests: &Digests) -> Result<Look<'c>, Failure> {
    // The complete complaint is asked for only if all digests are equal.
    let mut different: BTreeSet<Option<&Vec<u8>>> =
        digests.values().filter_map(|at| at.get(&case.id)).map(Some).collect();
    different.insert(digests.get(case.story.intake).and_then(|at| at.get(&case.id)));
    if different.len() > 1 {
        return Ok(Look::Not(case, None));
    }
    let Some(detail) = desks.desk(case.story.intake)?.show(&case.complaint).await? else {
        return Ok(Look::Not(case, None));
    };
    let agreed = differing(&detail, digests).is_empty();
    Ok(if agreed { Look::Agreed(Box::new(detail)) } else { Look::Not(case, Some(Box::new(detail))) })
}

/// The parties whose digest differs from the one in `detail`, each with whether it has the complaint.
fn differing<'d>(detail: &'d ComplaintDetail, digests: &Digests) -> Vec<(&'d str, bool)> {
    let Some(summary) = &detail.summary else { return Vec::new() };
    let parties = detail.participants.iter().chain(&detail.observers);
    let differs = |party: &'d String| {
        let there = digests.get(party).and_then(|at| at.get(&summary.complaint));
        (there != Some(&summary.digest)).then_some((party.as_str(), there.is_some()))
    };
    parties.filter_map(differs).collect()
}

fn note(agreement: &mut Agreement, case: &Case, detail: Option<Box<ComplaintDetail>>, digests: &Digests) {
    let name = short_id(&case.complaint);
    let problem = match &detail {
        None => {
            let has = |at: &&String| digests.get(*at).is_some_and(|at| at.contains_key(&case.id));
            let all: Vec<&str> = digests.keys().filter(has).map(String::as_str).collect();
            if !all.contains(&case.story.intake) {
                agreement.lost.push(name.to_owned());
            }
            format!("complaint {name}: {} have different entries", all.join(", "))
        }
        Some(detail) => {
            let parties = differing(detail, digests).into_iter().map(|(party, there)| {
                if !there {
                    agreement.lost.push(name.to_owned());
                }
                format!("{party} {}", if there { "has other entries" } else { "lacks it" })
            });
            format!("complaint {name}: {}", parties.collect::<Vec<_>>().join(", "))
        }
    };
    agreement.disagreements.push(problem);
    agreement.details.extend(detail.map(|detail| *detail));
}

/// The complaints that lack an entry that a node acknowledged.
fn lacking_entries(cases: &[Case], details: &[ComplaintDetail]) -> Vec<String> {
    let entries: BTreeMap<&[u8], BTreeSet<&[u8]>> = details
        .iter()
        .filter_map(|detail| Some((detail.summary.as_ref()?, &detail.timeline)))
        .map(|(summary, rows)| (&summary.complaint[..], rows.iter().map(|row| &row.entry_id[..]).collect()))
        .collect();
    let lacks = |case: &&Case| {
        entries.get(&case.id[..]).is_some_and(|there| case.acknowledged.iter().any(|id| !there.contains(&id[..])))
    };
    cases.iter().filter(lacks).map(|case| short_id(&case.complaint).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use sinergi_proto::operator_api::ComplaintSummary;

    use super::*;

    fn detail(digest: u8) -> ComplaintDetail {
        ComplaintDetail {
            summary: Some(ComplaintSummary { complaint: vec![1], digest: vec![digest], ..Default::default() }),
            participants: vec!["a".to_owned(), "b".to_owned()],
            observers: vec!["c".to_owned()],
            ..Default::default()
        }
    }

    fn digests(at: &[(&str, Option<u8>)]) -> Digests {
        let entry = |digest: &Option<u8>| digest.iter().map(|digest| (vec![1], vec![*digest])).collect();
        at.iter().map(|(agency, digest)| ((*agency).to_owned(), entry(digest))).collect()
    }

    #[test]
    fn parties_agree_when_participants_and_observers_have_the_same_entries() {
        let others = digests(&[("a", Some(7)), ("b", Some(7)), ("c", Some(7)), ("d", None)]);
        assert!(differing(&detail(7), &others).is_empty(), "d is no party");
        let others = digests(&[("a", Some(7)), ("b", Some(8)), ("c", None)]);
        assert_eq!(differing(&detail(7), &others), [("b", true), ("c", false)]);
    }
}
