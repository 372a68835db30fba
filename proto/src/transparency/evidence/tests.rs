//! The judge confirms every finding against a dishonest agency, and none against an honest agency that looks similar.

mod file;
mod ids;
mod refusals;
mod room;

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;

use super::{Evidence, EvidenceError, Finding, HELD, Judge, NotProven, Opened, Reader, Statement};
use crate::base::ids::{EntryId, Epoch};
use crate::charter::{Charter, TrustedList};
use crate::entry::{Entry, Envelope, signed_bytes};
use crate::fixture::ledger::Ledger;
use crate::fixture::{Case, DAY, Federation, MINUTE, START, Writing, agency, entry_key};
use crate::wire::{self, accusation::Finding as Kind, concealed::KnownBy, unanswered::ReachedBy};

const CITY: &str = "kota-bandung";
const PROVINCE: &str = "prov-jabar";
const MINISTRY: &str = "kemendagri";
/// Time of the accusations.
const LATER: u64 = START + 30 * DAY;

fn against(accused: &str, finding: Kind) -> wire::Accusation {
    wire::Accusation { accused: accused.to_owned(), finding: Some(finding) }
}

fn judged(federation: &Federation, accusation: &wire::Accusation) -> Result<Statement, NotProven> {
    Judge::new(&federation.charters).judge(accusation, LATER)
}

fn proves(federation: &Federation, accused: &str, finding: Kind, expected: Finding) {
    let statement = judged(federation, &against(accused, finding)).expect("it is proven");
    assert_eq!((statement.finding, statement.accused), (expected, agency(accused)));
    assert!(statement.text.matches(['.', '?']).count() >= 2, "two sentences: {}", statement.text);
}

fn contradicts_nothing(federation: &Federation, accused: &str, finding: Kind) {
    let result = judged(federation, &against(accused, finding));
    assert!(matches!(result, Err(NotProven::NoContradiction(_) | NotProven::Proof(_))), "{result:?}");
}

fn signed(entry: &Entry) -> Vec<u8> {
    entry.signed().to_vec()
}

#[test]
fn two_entries_in_one_place_are_a_fork_and_one_entry_or_two_places_are_none() {
    let federation = Federation::new();
    let mut case = federation.case_held_by(CITY, PROVINCE);
    case.later(MINUTE);
    let one = federation.node(PROVINCE).progresses(&case).at_leaf(7).entry();
    let other = federation.node(PROVINCE).responds(&case).at_leaf(7).entry();
    let elsewhere = federation.node(PROVINCE).responds(&case).at_leaf(8).entry();
    let pair =
        |one: &Entry, other: &Entry| Kind::ForkedEntries(wire::TwoEntries { one: signed(one), other: signed(other) });
    proves(&federation, PROVINCE, pair(&one, &other), Finding::Forked);
    contradicts_nothing(&federation, PROVINCE, pair(&one, &one));
    contradicts_nothing(&federation, PROVINCE, pair(&one, &elsewhere));
    let result = judged(&federation, &against(CITY, pair(&one, &other)));
    assert!(matches!(result, Err(NotProven::ByAnother { .. })), "{result:?}");
}

#[test]
fn a_ledger_whose_past_changed_is_a_fork_and_one_that_grew_is_none() {
    let federation = Federation::new();
    let old = Ledger::filled(13);
    let mut grown = old.clone();
    let mut changed = Ledger::default();
    for (number, leaf) in old.leaves.iter().enumerate() {
        changed.push(if number == 4 { b"another" } else { leaf.as_slice() });
    }
    for ledger in [&mut grown, &mut changed] {
        for number in 0..9 {
            ledger.push(format!("new {number}").as_bytes());
        }
    }
    let trees = |larger: &Ledger, smaller: &Ledger| {
        let (prefix, proof) =
            larger.nodes(&[], &[smaller.size()]).consistency(smaller.size(), larger.root()).expect("shown");
        Kind::ForkedTrees(wire::TwoTrees {
            smaller: smaller.signed(PROVINCE, START),
            larger: larger.signed(PROVINCE, START + MINUTE),
            prefix_root: prefix.to_vec(),
            consistency: proof.iter().map(|hash| hash.to_vec()).collect(),
        })
    };
    proves(&federation, PROVINCE, trees(&changed, &old), Finding::Forked);
    contradicts_nothing(&federation, PROVINCE, trees(&grown, &old));
    // Two of one size need no proof.
    let mut other = Ledger::filled(12);
    other.push(b"another");
    proves(&federation, PROVINCE, trees(&other, &old), Finding::Forked);
    contradicts_nothing(&federation, PROVINCE, trees(&old, &old));
    // The prefix must be of the larger tree.
    let Kind::ForkedTrees(mut forged) = trees(&grown, &old) else { unreachable!("just made") };
    forged.prefix_root[0] ^= 1;
    contradicts_nothing(&federation, PROVINCE, Kind::ForkedTrees(forged));
}

#[test]
fn an_own_entry_that_its_ledger_replaced_is_a_fork() {
    let federation = Federation::new();
    let mut case = federation.case_held_by(CITY, PROVINCE);
    case.later(MINUTE);
    let entry = federation.node(PROVINCE).responds(&case).at_leaf(3).entry();
    let mut honest = Ledger::filled(3);
    honest.push_entry(&entry);
    honest.push(b"next");
    let mut rewritten = Ledger::filled(3);
    rewritten.push(b"a milder answer");
    rewritten.push(b"next");
    let displaced = |ledger: &Ledger, index| {
        Kind::ForkedLeaf(wire::Displaced { entry: signed(&entry), leaf: Some(ledger.proves(index, PROVINCE, START)) })
    };
    proves(&federation, PROVINCE, displaced(&rewritten, 3), Finding::Forked);
    contradicts_nothing(&federation, PROVINCE, displaced(&honest, 3));
    contradicts_nothing(&federation, PROVINCE, displaced(&rewritten, 4));
}

#[test]
fn fewer_leaves_at_a_later_time_are_a_roll_back_unless_a_corrected_clock_or_a_new_epoch_explains_it() {
    let federation = Federation::new();
    let (large, small) = (Ledger::filled(20), Ledger::filled(8));
    let back = |earlier: Vec<u8>, later: Vec<u8>| Kind::RolledBack(wire::RolledBack { earlier, later });
    let (before, after) = (START, START + 11 * MINUTE);
    proves(&federation, CITY, back(large.signed(CITY, before), small.signed(CITY, after)), Finding::RolledBack);
    contradicts_nothing(&federation, CITY, back(large.signed(CITY, after), small.signed(CITY, before)));
    // It signed 8 leaves with a clock that was 5 minutes fast, lost its power, and signed 20 with one that was 5 minutes slow.
    let fast = before + 10 * MINUTE;
    contradicts_nothing(&federation, CITY, back(large.signed(CITY, before), small.signed(CITY, fast)));
    contradicts_nothing(&federation, CITY, back(large.signed(CITY, before), small.signed(CITY, before)));
    contradicts_nothing(&federation, CITY, back(small.signed(CITY, before), large.signed(CITY, after)));
    let epoch = Epoch(2);
    contradicts_nothing(&federation, CITY, back(large.signed(CITY, before), small.signed_in(CITY, epoch, after)));
}

#[test]
fn a_new_epoch_that_begins_with_anything_but_its_declaration_is_a_roll_back() {
    let federation = Federation::new();
    let begins = |epoch: u32| {
        let mut writing = federation.node(CITY).witnesses().at_leaf(0);
        writing.draft.place.epoch = Epoch(epoch);
        let reason = wire::ResetReason::Restored.into();
        writing.draft.body =
            wire::entry::Body::LedgerReset(wire::LedgerReset { old_epoch: 1, reason, ..Default::default() });
        writing
    };
    let begun = |first: &[u8], epoch: u32, index: u64| {
        let mut ledger = Ledger::default();
        ledger.push_signed(first);
        ledger.push(b"next");
        let leaf = Some(ledger.proves_in(Epoch(epoch), index, CITY, START));
        Kind::UndeclaredEpoch(wire::Undeclared { first: first.to_vec(), leaf })
    };
    let declared = signed(&begins(2).entry());
    contradicts_nothing(&federation, CITY, begun(&declared, 2, 0));
    let lodged = signed(&federation.node(CITY).lodges().at_leaf(0).entry());
    proves(&federation, CITY, begun(&lodged, 2, 0), Finding::RolledBack);
    let no_entry = signed_bytes(b"no entry".as_slice().into(), None);
    proves(&federation, CITY, begun(&no_entry, 2, 0), Finding::RolledBack);
    // The first epoch may begin with any leaf, and only the first leaf declares.
    contradicts_nothing(&federation, CITY, begun(&lodged, 1, 0));
    contradicts_nothing(&federation, CITY, begun(&lodged, 2, 1));
    // The declaration of another epoch or of another agency declares nothing.
    proves(&federation, CITY, begun(&declared, 3, 0), Finding::RolledBack);
    let mut of_another = begins(2);
    of_another.draft.author = agency(PROVINCE);
    proves(
        &federation,
        CITY,
        begun(&signed(&of_another.signed_with(entry_key(PROVINCE)).entry()), 2, 0),
        Finding::RolledBack,
    );
    // The accused's checkpoint signs the declaration, whatever key and charter the declaration names.
    contradicts_nothing(&federation, CITY, begun(&signed(&begins(2).signed_with(entry_key(PROVINCE)).entry()), 2, 0));
    contradicts_nothing(&federation, CITY, begun(&signed(&begins(2).under_charter(9).entry()), 2, 0));
    // The leaf is shown whole.
    let Kind::UndeclaredEpoch(mut other) = begun(&declared, 2, 0) else { unreachable!("just made") };
    other.first = lodged;
    contradicts_nothing(&federation, CITY, Kind::UndeclaredEpoch(other));
}

#[test]
fn a_first_leaf_of_a_later_version_may_be_a_declaration() {
    let federation = Federation::new();
    let mut writing = federation.node(CITY).witnesses().at_leaf(0);
    writing.draft.place.epoch = Epoch(2);
    let begun = |signed: Bytes| {
        let mut ledger = Ledger::default();
        ledger.push_signed(&signed);
        let leaf = Some(ledger.proves_in(Epoch(2), 0, CITY, START));
        Kind::UndeclaredEpoch(wire::Undeclared { first: signed.to_vec(), leaf })
    };
    let later_version = begun(writing.edited(|entry| entry.version = 3));
    let judged = judged(&federation, &against(CITY, later_version));
    assert!(matches!(judged, Err(NotProven::Unreadable { .. })), "{judged:?}");
    contradicts_nothing(&federation, CITY, begun(writing.edited(|entry| entry.body = None)));
    proves(&federation, CITY, begun(writing.signed().bytes), Finding::RolledBack);
}

#[test]
fn an_entry_without_its_author_s_signature_is_stated_against_the_ledger_that_shows_it() {
    let federation = Federation::new();
    let entry = federation.node(PROVINCE).lodges().entry();
    let mut ledger = Ledger::filled(3);
    ledger.push_entry(&entry);
    let shown = |envelope: Option<&Envelope>, index| {
        let (entry, leaf) = (signed_bytes(entry.bytes.clone(), envelope), Some(ledger.proves(index, CITY, START)));
        Kind::Unsigned(wire::Unsigned { entry: entry.to_vec(), leaf })
    };
    proves(&federation, CITY, shown(None, 3), Finding::Unsigned);
    let of_another = federation.node(PROVINCE).lodges().at(START + 1).entry();
    proves(&federation, CITY, shown(of_another.envelope.as_ref(), 3), Finding::Unsigned);
    contradicts_nothing(&federation, CITY, shown(entry.envelope.as_ref(), 3));
    contradicts_nothing(&federation, CITY, shown(None, 2));
}

#[test]
fn an_accuser_who_spoils_the_envelope_of_a_declaration_convicts_nobody() {
    let federation = Federation::new();
    let mut writing = federation.node(CITY).witnesses().at_leaf(0);
    writing.draft.place.epoch = Epoch(2);
    let reason = wire::ResetReason::Restored.into();
    writing.draft.body =
        wire::entry::Body::LedgerReset(wire::LedgerReset { old_epoch: 1, reason, ..Default::default() });
    let declaration = writing.entry();
    let mut ledger = Ledger::default();
    ledger.push_entry(&declaration);
    let leaf = ledger.proves_in(Epoch(2), 0, CITY, START);
    let begun = |change: &dyn Fn(&mut wire::SignedEntry)| {
        let mut first = wire::SignedEntry::decode(declaration.signed()).expect("a signed entry");
        change(&mut first);
        Kind::UndeclaredEpoch(wire::Undeclared { first: first.encode_to_vec(), leaf: Some(leaf.clone()) })
    };
    contradicts_nothing(&federation, CITY, begun(&|_| ()));
    contradicts_nothing(&federation, CITY, begun(&|first| first.envelope = None));
    let spoiled: [fn(&mut wire::Envelope); 3] = [
        |envelope| envelope.signature = [&[envelope.signature[0] ^ 1], &envelope.signature[1..]].concat().into(),
        |envelope| envelope.signature.clear(),
        |envelope| envelope.size = 2,
    ];
    for spoil in spoiled {
        contradicts_nothing(&federation, CITY, begun(&|first| first.envelope.iter_mut().for_each(spoil)));
    }
    // A changed declaration is not the leaf.
    let changed =
        |first: &mut wire::SignedEntry| first.entry = [first.entry.as_ref(), &[0xc0, 0x3e, 1]].concat().into();
    contradicts_nothing(&federation, CITY, begun(&changed));
}

#[test]
fn an_acknowledged_entry_that_is_no_longer_there_is_omitted() {
    let federation = Federation::new();
    let case = federation.case_at(MINISTRY);
    let offer = federation.node(MINISTRY).forwards(&case).to(PROVINCE).entry();
    let mut honest = Ledger::filled(5);
    let index = honest.push_entry(&offer);
    let receipt = honest.receipts(PROVINCE, &offer, index, START);
    honest.push(b"next");
    let mut dropped = Ledger::filled(5);
    dropped.push(b"next");
    dropped.push(b"and more");
    let omitted = |ledger: &Ledger, index| {
        let leaf = Some(ledger.proves(index, PROVINCE, START + MINUTE));
        Kind::Omitted(wire::Omitted { entry: signed(&offer), receipt: receipt.clone(), leaf })
    };
    proves(&federation, PROVINCE, omitted(&dropped, index), Finding::Omitted);
    contradicts_nothing(&federation, PROVINCE, omitted(&honest, index));
    contradicts_nothing(&federation, PROVINCE, omitted(&dropped, index + 1));
    // A receipt of another agency accuses nobody.
    let Kind::Omitted(mut forged) = omitted(&dropped, index) else { unreachable!("just made") };
    forged.receipt = honest.receipts(CITY, &offer, index, START);
    let result = judged(&federation, &against(PROVINCE, Kind::Omitted(forged)));
    assert!(matches!(result, Err(NotProven::ByAnother { .. })), "{result:?}");
}

#[test]
fn an_entry_dated_before_a_cosigned_size_is_back_dated_and_one_within_the_margin_is_not() {
    let federation = Federation::new();
    let mut case = federation.case_held_by(CITY, PROVINCE);
    case.later(MINUTE);
    let ledger = Ledger::filled(9);
    let checkpoint = ledger.signed(PROVINCE, START + DAY);
    let dated = |writing: &Writing| {
        Kind::BackDated(wire::BackDated { entry: signed(&writing.entry()), checkpoint: checkpoint.clone() })
    };
    let answer = federation.node(PROVINCE).responds(&case);
    proves(&federation, PROVINCE, dated(&answer.clone().at_leaf(9).at(START + DAY - 11 * MINUTE)), Finding::BackDated);
    contradicts_nothing(&federation, PROVINCE, dated(&answer.clone().at_leaf(9).at(START + DAY - 10 * MINUTE)));
    contradicts_nothing(&federation, PROVINCE, dated(&answer.clone().at_leaf(8).at(START + DAY - 11 * MINUTE)));
}

/// The city offers its complaint to the province. Then the complaint is reassigned to the ministry.
struct Hidden<'f> {
    case: Case<'f>,
    /// The reassignment, which the province's ledger has.
    reassigned: Entry,
    /// The entries before it.
    past: Vec<Vec<u8>>,
}

fn hidden(federation: &Federation) -> Hidden<'_> {
    let lodged = federation.node(CITY).lodges().entry();
    let mut case = Case::lodged(federation, &lodged);
    case.later(MINUTE);
    let offer = federation.node(CITY).forwards(&case).to(PROVINCE).entry();
    case.complaint.insert(&offer, &federation.charters);
    case.later(MINUTE);
    let reassigned = federation.node(PROVINCE).reassigns(&case).to(MINISTRY).at_leaf(11).entry();
    Hidden { case, reassigned, past: vec![signed(&lodged), signed(&offer)] }
}

#[test]
fn an_acceptance_that_hides_a_reassignment_which_its_ledger_had_is_concealed() {
    let federation = Federation::new();
    let Hidden { mut case, reassigned, past } = hidden(&federation);
    case.later(MINUTE);
    let accepted = federation.node(PROVINCE).accepts(&case).at_leaf(12).entry();
    let mut ledger = Ledger::filled(11);
    let index = ledger.push_entry(&reassigned);
    let concealed = |entry: &Entry, ancestors: &[Vec<u8>], known_by| {
        let (ancestors, left_out) = (ancestors.to_vec(), signed(&reassigned));
        Kind::Concealed(wire::Concealed { entry: signed(entry), ancestors, left_out, known_by, ..Default::default() })
    };
    let receipt = || Some(KnownBy::Receipt(ledger.receipts(PROVINCE, &reassigned, index, START)));
    let leaf = || Some(KnownBy::Leaf(ledger.proves(index, PROVINCE, START)));
    for known_by in [receipt(), leaf(), Some(KnownBy::Own(true))] {
        proves(&federation, PROVINCE, concealed(&accepted, &past, known_by), Finding::Concealed);
    }
    contradicts_nothing(&federation, PROVINCE, concealed(&accepted, &past, None));
    // The acceptance was written before the reassignment came.
    let before = federation.node(PROVINCE).accepts(&case).at_leaf(10).entry();
    contradicts_nothing(&federation, PROVINCE, concealed(&before, &past, receipt()));
    // The acceptance names the reassignment.
    let honest =
        federation.node(PROVINCE).accepts(&case).after(&[case.complaint.tip(), reassigned.id]).at_leaf(12).entry();
    let whole = [past.clone(), vec![signed(&reassigned)]].concat();
    contradicts_nothing(&federation, PROVINCE, concealed(&honest, &whole, receipt()));
    // An ancestor that is not shown may have named it.
    let result = judged(&federation, &against(PROVINCE, concealed(&honest, &past, receipt())));
    assert!(matches!(result, Err(NotProven::Unreadable { .. })), "{result:?}");
}

#[test]
fn a_figure_below_the_number_of_held_complaints_is_misreported_and_an_ended_complaint_does_not_count() {
    let federation = Federation::new();
    let published = |value: u64| {
        let figures = vec![wire::Figure { name: HELD.to_owned(), value }];
        let mut writing = federation.node(PROVINCE).witnesses().at_leaf(50);
        writing.draft.body = wire::entry::Body::Published(wire::Published {
            ledger_size: 50,
            profile: "sp4n-lapor".to_owned(),
            figures,
        });
        signed(&writing.entry())
    };
    let history = |category: &str, gives_away: bool| {
        let mut lodged = federation.node(CITY).lodges();
        if let wire::entry::Body::Lodged(body) = &mut lodged.draft.body {
            body.category = category.to_owned();
        }
        let mut entries = vec![lodged.entry()];
        let mut case = Case::lodged(&federation, &entries[0]);
        let mut take = |case: &mut Case<'_>, writing: Writing| {
            let entry = writing.entry();
            case.complaint.insert(&entry, &federation.charters);
            case.later(MINUTE);
            entries.push(entry);
        };
        let offer = federation.node(CITY).forwards(&case).to(PROVINCE);
        take(&mut case, offer);
        let accepted = federation.node(PROVINCE).accepts(&case).at_leaf(20);
        take(&mut case, accepted);
        if gives_away {
            let resolved = federation.node(PROVINCE).resolves(&case).at_leaf(30);
            take(&mut case, resolved);
        }
        wire::CaseHistory { entries: entries.iter().map(signed).collect() }
    };
    let reported = |value, cases| {
        Kind::Misreported(wire::Misreported { published: published(value), figure: HELD.to_owned(), cases })
    };
    let two = || vec![history("jalan", false), history("air", false)];
    proves(&federation, PROVINCE, reported(1, two()), Finding::Misreported);
    contradicts_nothing(&federation, PROVINCE, reported(2, two()));
    let same_twice = vec![history("jalan", false), history("jalan", false)];
    contradicts_nothing(&federation, PROVINCE, reported(1, same_twice));
    contradicts_nothing(&federation, PROVINCE, reported(1, vec![history("jalan", false), history("air", true)]));
}

#[test]
fn an_offer_is_unanswered_only_if_it_arrived_in_time_and_the_time_is_over() {
    let federation = Federation::new();
    let case = federation.case_at(MINISTRY);
    let offer = federation.node(MINISTRY).forwards(&case).to(PROVINCE).answer_by(START + DAY).entry();
    let mut ledger = Ledger::filled(2);
    let index = ledger.push_entry(&offer);
    let unanswered = |at| {
        let reached_by = Some(ReachedBy::Receipt(ledger.receipts(PROVINCE, &offer, index, at)));
        Kind::Unanswered(wire::Unanswered { offer: signed(&offer), reached_by })
    };
    proves(&federation, PROVINCE, unanswered(START + MINUTE), Finding::Unanswered);
    contradicts_nothing(&federation, PROVINCE, unanswered(START + 2 * DAY));
    let early = Judge::new(&federation.charters).judge(&against(PROVINCE, unanswered(START)), START + MINUTE);
    assert!(matches!(early, Err(NotProven::NoContradiction(_))), "{early:?}");
    proves(&federation, PROVINCE, Kind::Undelivered(wire::Undelivered { offer: signed(&offer) }), Finding::Undelivered);
    let to_another = Kind::Undelivered(wire::Undelivered { offer: signed(&offer) });
    contradicts_nothing(&federation, CITY, to_another);
}

#[test]
fn a_withheld_entry_is_shown_to_be_in_the_ledger() {
    let federation = Federation::new();
    let entry = federation.node(CITY).lodges().at_leaf(4).entry();
    let mut ledger = Ledger::filled(4);
    ledger.push_entry(&entry);
    let withheld =
        |index| Kind::Withheld(wire::Withheld { entry: signed(&entry), leaf: Some(ledger.proves(index, CITY, START)) });
    proves(&federation, CITY, withheld(4), Finding::Withheld);
    contradicts_nothing(&federation, CITY, withheld(3));
    let silence = wire::Unresponsive { asked_at: START, answer: "no\nthing".to_owned() };
    proves(&federation, CITY, Kind::Unresponsive(silence), Finding::Unresponsive);
}
