//! Random histories (honest, conflicting and hostile) in random orders of arrival. The state depends on the set of entries alone.

mod commands;
mod definition;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;

use crate::admission::{Verdict, admit};
use crate::base::clock::HybridClock;
use crate::base::ids::{AgencyId, ComplaintId, EntryId};
use crate::citizen::{Reply, Word};
use crate::complaint::case::CaseState;
use crate::complaint::{
    Author, CaseEntry, Command, Complaint, CustodyState, Declined, NewOffer, NoEffect, NotHeard, Standing, decide,
};
use crate::entry::{Body, CaseAct, CustodyAct, Entry};
use crate::fixture::{ANSWER_WITHIN, Case, Federation, MEMBERS, MINUTE, OTHER_CODE, REPLY_CODE, Writing, agency};
use crate::wire::{self, CloseCause, ReplyWord, entry::Body as Wire};
use definition::{check_by_definition, check_that_only_the_entitled_moved_custody};

/// The federation of the histories. A day of silence is enough, so that histories contain closings by silence.
fn federation() -> Federation {
    Federation::changed(|text| text.rules.silence_working_days = Some(1))
}

/// One step of a history: one author writes one entry from its view.
#[derive(Clone, Debug)]
struct Step {
    /// The kind of act, as a number.
    deed: u8,
    /// The author of a hostile step. In an honest step the rules name the author.
    who: Index,
    /// The addressee of offers.
    to: Index,
    /// The entries that the author has seen. `None`: all of them.
    seen: Option<Vec<Index>>,
    /// The custody entry that it names as basis. `None`: the tip of its view.
    basis: Option<Index>,
    /// Whether author and clock do not follow the rules.
    hostile: bool,
    /// Time since the step before, in minutes. A hostile clock may step back.
    minutes: i32,
}

fn step() -> impl Strategy<Value = Step> {
    let minutes = prop_oneof![4 => 0..60_i32, 2 => 60..3000_i32, 1 => 4300..4400_i32, 1 => -6000..0_i32];
    (
        0..36_u8,
        any::<Index>(),
        any::<Index>(),
        prop::option::weighted(0.4, prop::collection::vec(any::<Index>(), 1..4)),
        prop::option::weighted(0.2, any::<Index>()),
        prop::bool::weighted(0.2),
        minutes,
    )
        .prop_map(|(deed, who, to, seen, basis, hostile, minutes)| Step {
            deed,
            who,
            to,
            seen,
            basis,
            hostile,
            minutes,
        })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..28)
}

/// The agency that may do a deed on this custody.
fn entitled(deed: u8, custody: &CustodyState, federation: &Federation, intake: &AgencyId) -> Option<AgencyId> {
    match deed {
        0..=1 => custody.offer.is_none().then(|| custody.holder.clone()),
        2..=4 => custody.offer.as_ref().map(|offer| offer.to.clone()),
        5 => {
            let charter = federation.charter();
            MEMBERS.map(agency).into_iter().find(|id| charter.supervises(id, &custody.holder))
        }
        6..=7 => custody.offer.is_some().then(|| custody.holder.clone()),
        8..=11 => Some(custody.holder.clone()),
        12..=14 | 19 | 26..=28 => Some(intake.clone()),
        29..=30 => Some(custody.holder.clone()),
        16 | 22 => Some(custody.holder.clone()),
        17 | 18 if custody.holder != *intake => Some(intake.clone()),
        17 | 18 => federation.charter().supervisors(intake).next().cloned(),
        23 => Some(intake.clone()),
        24 => custody.offer.as_ref().map(|offer| offer.to.clone()),
        _ => Some(agency("ombudsman")),
    }
}

/// The entries of a history, with the verdict that each got when it was written.
struct History {
    lodged: Entry,
    written: Vec<(Entry, Verdict)>,
    end: u64,
}

fn write(federation: &Federation, steps: &[Step]) -> History {
    let mut all = federation.case_at("kominfo");
    let lodged = federation.node("kominfo").lodges().entry();
    let mut history = History { lodged: lodged.clone(), written: Vec::new(), end: all.now };
    for (number, step) in steps.iter().enumerate() {
        all.now = all.now.saturating_add_signed(i64::from(step.minutes.max(0)) * 60_000);
        let view = match &step.seen {
            None => all.clone(),
            Some(seen) => view_of(federation, &all, &history, seen),
        };
        let Some(writing) = act(federation, &view, step, number) else { continue };
        let entry = writing.entry();
        let verdict = all.judges(&entry);
        if verdict == Verdict::Admit {
            all.learn(&entry);
        }
        history.written.push((entry, verdict));
    }
    history.end = all.now;
    history
}

/// The view of a node that has these entries and their ancestors, and nothing else.
fn view_of<'f>(federation: &'f Federation, all: &Case<'f>, history: &History, seen: &[Index]) -> Case<'f> {
    let ids: Vec<EntryId> = all.complaint.timeline().map(|(id, _)| id).collect();
    let newest: Vec<EntryId> = seen.iter().map(|index| *index.get(&ids)).collect();
    let below = all.complaint.ancestors(&newest);
    let mut view = Case::lodged(federation, &history.lodged);
    view.now = all.now;
    for (entry, verdict) in &history.written {
        if *verdict == Verdict::Admit && below.contains(&entry.id) {
            view.complaint.insert(entry, &federation.charters);
        }
    }
    view
}

fn act(federation: &Federation, view: &Case<'_>, step: &Step, number: usize) -> Option<Writing> {
    let custody_entries: Vec<EntryId> =
        view.complaint.timeline().map(|(id, _)| id).filter(|id| view.complaint.is_custody(id)).collect();
    let mut basis = step.basis.map_or(view.complaint.tip(), |index| *index.get(&custody_entries));
    let old_parents = is_hidden_work(step.deed).then(|| hidden_since(view, step)).flatten();
    if let Some(entry) = old_parents {
        basis = entry;
    }
    let at_basis = view.complaint.entry(&basis).and_then(|known| known.custody()).unwrap_or(view.complaint.custody());
    let author = match step.hostile {
        true => agency(MEMBERS[step.who.index(MEMBERS.len())]),
        false => entitled(step.deed, at_basis, federation, view.complaint.intake())?,
    };
    let node = federation.node(author.as_str());
    let to = MEMBERS[step.to.index(MEMBERS.len())];
    let mut writing = match step.deed {
        0..=1 => node.forwards(view).to(to),
        2 | 3 => node.accepts(view),
        4 => node.returns(view),
        5 => node.reassigns(view).to(to),
        6 => node.withdraws(view),
        7 => node.recalls(view),
        8 => node.verifies(view, to),
        9 => node.progresses(view),
        10 => node.responds(view),
        11 => node.resolves(view),
        12 => speaks(&node, view, ReplyWord::Dissatisfied, step),
        13 => speaks(&node, view, ReplyWord::Satisfied, step),
        14 | 26..=28 => closes(&node, view, step),
        15 => node.remarks(view),
        29 => node.responds(view),
        30 => node.resolves(view),
        31 => speaks(&node, view, ReplyWord::Satisfied, step),
        32..=35 => proves(&node, view, step),
        deed => node.says(view, rarer(view, deed, step)),
    };
    writing = writing.on(basis).at_leaf(number as u64);
    if let Some(entry) = old_parents {
        writing = writing.after(&[entry]);
    }
    if step.hostile {
        writing = writing.at(view.now.saturating_add_signed(i64::from(step.minutes) * 60_000));
    }
    Some(writing)
}

/// A word of the citizen: mostly a new one on the newest answer, else about any entry, shown again, by another key, or without a signature.
fn speaks(node: &crate::fixture::Node<'_>, view: &Case<'_>, says: ReplyWord, step: &Step) -> Writing {
    let all: Vec<EntryId> = view.complaint.timeline().map(|(id, _)| id).collect();
    let next = view.next_word(says);
    match step.minutes.rem_euclid(8) {
        0 => node.replies(view, says, ""),
        1 => node.carries(view, Word { answer: Some(*step.to.get(&all)), ..next }, REPLY_CODE),
        2 => node.carries(view, Word { number: step.to.index(4) as u64, ..next }, REPLY_CODE),
        3 => node.replies(view, says, OTHER_CODE),
        _ => node.replies(view, says, REPLY_CODE),
    }
}

/// A receipt for an act, mostly for one that competes with another. Its receiver may be no witness, and its time too early or too late.
fn proves(node: &crate::fixture::Node<'_>, view: &Case<'_>, step: &Step) -> Writing {
    let competing: Vec<EntryId> = view.complaint.acts_to_witness().map(|(id, _)| id).collect();
    let all: Vec<EntryId> = view.complaint.timeline().map(|(id, _)| id).collect();
    let act = *step.to.get(if competing.is_empty() || step.minutes % 5 == 0 { &all } else { &competing });
    let dated = view.complaint.entry(&act).map_or(view.now, |known| known.clock.millis());
    let receiver = MEMBERS[step.who.index(MEMBERS.len())];
    node.proves(view, act, receiver, dated.saturating_add_signed(i64::from(step.minutes % 90) * 60_000))
}

/// Whether the deed is work whose author hides what it knows, or did not know it.
fn is_hidden_work(deed: u8) -> bool {
    (29..=30).contains(&deed)
}

/// A custody entry of the path on which an `Accepted` follows. Work on it, and with it as its only parent, crosses with that acceptance.
fn hidden_since(view: &Case<'_>, step: &Step) -> Option<EntryId> {
    let path: Vec<_> = view.complaint.path().collect();
    let is_accepted = |body: &Body| matches!(body, Body::Custody { act: CustodyAct::Accepted, .. });
    let last = path.iter().rposition(|(_, known)| is_accepted(&known.body))?;
    Some(step.to.get(&path[..last]).0)
}

/// A closing for one of the causes. Most name the ground that the case gives in the author's view, some another entry or none.
fn closes(node: &crate::fixture::Node<'_>, view: &Case<'_>, step: &Step) -> Writing {
    let causes = match view.complaint.case().citizens_word {
        Some(_) => [CloseCause::Reply, CloseCause::Reply, CloseCause::Silence, CloseCause::OwnWord],
        None => [CloseCause::Reply, CloseCause::Silence, CloseCause::Silence, CloseCause::OwnWord],
    };
    let all: Vec<EntryId> = view.complaint.timeline().map(|(id, _)| id).collect();
    let closes = node.closes(view, causes[step.who.index(causes.len())]);
    match step.minutes % 6 {
        1 => closes.on_ground(Some(*step.to.get(&all))),
        3 => closes.on_ground(None),
        _ => closes,
    }
}

/// The bodies that need a second signature, and those that do not depend on the order.
fn rarer(view: &Case<'_>, deed: u8, step: &Step) -> Wire {
    let all: Vec<EntryId> = view.complaint.timeline().map(|(id, _)| id).collect();
    let any = step.to.get(&all).0.to_vec();
    let archive = view.complaint.case().archive_proposal.map_or(any.clone(), |open| open.entry.0.to_vec());
    let erase = view.complaint.erase_proposals().first().map_or(any.clone(), |open| open.0.to_vec());
    let answer_by = view.complaint.custody().offer.as_ref().map_or(0, |offer| offer.answer_by);
    match deed {
        16 => Wire::ArchiveProposed(wire::ArchiveProposed { reason: 1, ..Default::default() }),
        17 => Wire::ArchiveApproved(wire::ArchiveApproved { proposal: archive, ..Default::default() }),
        18 => Wire::ArchiveRefused(wire::ArchiveRefused { proposal: archive, ..Default::default() }),
        19 if step.minutes % 2 == 0 => Wire::EraseProposed(wire::EraseProposed { ground: 1, ..Default::default() }),
        19 => Wire::EraseProposed(wire::EraseProposed { ground: 1, entries: vec![any], ..Default::default() }),
        20 => Wire::Erased(wire::Erased { proposal: erase, ground: 1, ..Default::default() }),
        21 => Wire::Escalated(wire::Escalated { deadline: 1, due: answer_by, ..Default::default() }),
        22 => Wire::Linked(wire::Linked { duplicate_of: vec![7; 32], ..Default::default() }),
        23 => Wire::Disclosed(wire::Disclosed { entry: any, to: "kota-bandung".to_owned(), ..Default::default() }),
        24 => Wire::Arrived(wire::Arrived::default()),
        _ => Wire::Replied(wire::Replied { word: ReplyWord::Dissatisfied.into(), ..Default::default() }),
    }
}

/// Every answer that a complaint gives.
#[derive(Debug, PartialEq)]
struct Picture {
    custody: CustodyState,
    tip: EntryId,
    case: CaseState,
    participants: BTreeSet<AgencyId>,
    digest: [u8; 32],
    standings: BTreeMap<EntryId, Standing>,
    parents_of_next: Vec<EntryId>,
    erased: BTreeSet<EntryId>,
    escalations: Vec<(i32, EntryId, EntryId)>,
    disclosed_to: BTreeSet<AgencyId>,
}

fn picture(complaint: &Complaint) -> Picture {
    let standing = |id: &EntryId| complaint.standing(id).expect("an entry of the timeline");
    Picture {
        custody: complaint.custody().clone(),
        tip: complaint.tip(),
        case: complaint.case().clone(),
        participants: complaint.participants().clone(),
        digest: complaint.digest(),
        standings: complaint.timeline().map(|(id, _)| (id, standing(&id))).collect(),
        parents_of_next: complaint.parents_of_next(),
        erased: complaint.timeline().map(|(id, _)| id).filter(|id| complaint.is_erased(id)).collect(),
        escalations: complaint.escalations().collect(),
        disclosed_to: complaint.readers().disclosed_to.clone(),
    }
}

/// Inserts the entries of a history in some order of arrival. Each is judged when its parents are here.
fn arrive(federation: &Federation, history: &History, order: &[usize]) -> (Complaint, BTreeMap<EntryId, Verdict>) {
    let mut complaint = Complaint::lodge(&history.lodged, &federation.charters).expect("Lodged");
    let mut verdicts = BTreeMap::new();
    let mut waiting: Vec<&Entry> = Vec::new();
    for &index in order {
        waiting.push(&history.written[index].0);
        loop {
            let before = waiting.len();
            waiting.retain(|entry| match admit(entry, Some(&complaint), federation.charter(), u64::MAX) {
                Verdict::Defer { .. } => true,
                verdict => {
                    if verdict == Verdict::Admit {
                        complaint.insert(entry, &federation.charters);
                        complaint.check_invariants();
                        check_by_definition(&complaint);
                        check_that_only_the_entitled_moved_custody(&complaint, federation);
                    }
                    verdicts.insert(entry.id, verdict);
                    false
                }
            });
            if waiting.len() == before {
                break;
            }
        }
    }
    (complaint, verdicts)
}

fn shuffled(count: usize, priorities: &[u64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|index| priorities[index % priorities.len()].rotate_left(*index as u32));
    order
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn the_state_depends_on_the_set_and_not_on_the_order_of_arrival(
        steps in steps(),
        priorities in prop::collection::vec(prop::collection::vec(any::<u64>(), 28), 3),
    ) {
        let federation = federation();
        let history = write(&federation, &steps);
        let in_order: Vec<usize> = (0..history.written.len()).collect();
        let (expected, verdicts) = arrive(&federation, &history, &in_order);
        for (entry, verdict) in &history.written {
            prop_assert_eq!(&verdicts[&entry.id], verdict, "the verdict of the writer's own node");
        }
        for priorities in &priorities {
            let order = shuffled(history.written.len(), priorities);
            let (complaint, theirs) = arrive(&federation, &history, &order);
            prop_assert_eq!(&theirs, &verdicts, "refusals depend on ancestors alone");
            prop_assert_eq!(picture(&complaint), picture(&expected));
        }
    }

    #[test]
    fn duplicates_change_nothing(steps in steps()) {
        let federation = federation();
        let history = write(&federation, &steps);
        let in_order: Vec<usize> = (0..history.written.len()).collect();
        let (mut complaint, verdicts) = arrive(&federation, &history, &in_order);
        let before = picture(&complaint);
        complaint.insert(&history.lodged, &federation.charters);
        for (entry, _) in history.written.iter().filter(|(entry, _)| verdicts[&entry.id] == Verdict::Admit) {
            prop_assert_eq!(complaint.insert(entry, &federation.charters).path_changed_from, None);
        }
        prop_assert_eq!(picture(&complaint), before);
    }

    #[test]
    fn a_path_that_changed_is_reported_and_one_that_grew_is_not(steps in steps(), priorities in prop::collection::vec(any::<u64>(), 28)) {
        let federation = federation();
        let history = write(&federation, &steps);
        let order = shuffled(history.written.len(), &priorities);
        let mut complaint = Complaint::lodge(&history.lodged, &federation.charters).expect("Lodged");
        for _ in 0..2 {
            for &index in &order {
                let entry = &history.written[index].0;
                if admit(entry, Some(&complaint), federation.charter(), u64::MAX) != Verdict::Admit {
                    continue;
                }
                let old_tip = complaint.tip();
                let inserted = complaint.insert(entry, &federation.charters);
                let still_there = complaint.standing(&old_tip) == Some(Standing::Effective);
                prop_assert_eq!(inserted.path_changed_from, (!still_there).then_some(old_tip));
            }
        }
    }
}

#[test]
fn the_random_histories_contain_every_kind_of_entry_and_standing() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let federation = federation();
    let mut seen = BTreeMap::<&str, usize>::new();
    for _ in 0..600 {
        let steps = steps().new_tree(&mut runner).expect("a value").current();
        let history = write(&federation, &steps);
        let in_order: Vec<usize> = (0..history.written.len()).collect();
        let (complaint, verdicts) = arrive(&federation, &history, &in_order);
        for verdict in verdicts.values() {
            *seen.entry(if *verdict == Verdict::Admit { "admitted" } else { "refused" }).or_default() += 1;
        }
        for (id, known) in complaint.timeline() {
            let standing = match complaint.standing(&id).expect("here") {
                Standing::Effective => "effective",
                Standing::Superseded { .. } => "superseded",
                Standing::WithoutEffect(NoEffect::BasisActedOn) => "knew better",
                Standing::WithoutEffect(NoEffect::Crossed { .. }) => "crossed",
                Standing::WithoutEffect(NoEffect::BasisSuperseded) => "basis superseded",
                Standing::WithoutEffect(NoEffect::UntrueCause) => "untrue cause",
                Standing::WithoutEffect(NoEffect::NotHeard(NotHeard::NotSigned)) => "not the citizen's word",
                Standing::WithoutEffect(NoEffect::NotHeard(NotHeard::NoAnswer)) => "no answer",
                Standing::WithoutEffect(NoEffect::NotHeard(NotHeard::Outdated { .. })) => "outdated word",
                Standing::WithoutEffect(_) => "without effect",
                Standing::Kept => "kept",
            };
            *seen.entry(standing).or_default() += 1;
            if let (Body::Case { act: CaseAct::Closed { cause, .. }, .. }, "effective") = (&known.body, standing) {
                let cause = CloseCause::try_from(*cause).expect("only a known cause is true");
                *seen.entry(cause.as_str_name()).or_default() += 1;
            }
            let counts = known.custody().is_some() || complaint.standing(&id) == Some(Standing::Effective);
            if counts && known.body.name() != "Lodged" {
                *seen.entry(known.body.name()).or_default() += 1;
            }
        }
    }
    for what in [
        "admitted",
        "refused",
        "effective",
        "superseded",
        "without effect",
        "knew better",
        "crossed",
        "untrue cause",
        "not the citizen's word",
        "no answer",
        "outdated word",
        "CLOSE_CAUSE_SILENCE",
        "CLOSE_CAUSE_OWN_WORD",
        "Forwarded",
        "Accepted",
        "Returned",
        "Reassigned",
        "Withdrawn",
        "Proven",
        "ArchiveProposed",
        "EraseProposed",
        "Linked",
        "Remarked",
        "Replied",
    ] {
        assert!(seen.get(what).copied().unwrap_or_default() >= 10, "{what}: {seen:?}");
    }
    for rare in
        ["CLOSE_CAUSE_REPLY", "basis superseded", "ArchiveApproved", "ArchiveRefused", "Erased", "Arrived", "Escalated"]
    {
        assert!(seen.contains_key(rare), "{rare}: {seen:?}");
    }
}
