//! Refusals against the rules, and deferrals without end.

use sha2::{Digest, Sha256};

use super::*;
use crate::base::refusal::{DeferralCode, RefusalCode};
use crate::receipt::{Deferral, ItemOutcome, item_receipt};

/// The receipt of an agency with this outcome for an entry, signed at `at`.
fn receipt(by: &str, entry: &Entry, outcome: ItemOutcome, at: u64) -> Option<wire::ItemReceipt> {
    item_receipt(&Ledger::filled(9).replies(by, entry.id, outcome, at, 1), 0)
}

fn refusal(by: &str, entry: &Entry) -> Option<wire::ItemReceipt> {
    receipt(by, entry, ItemOutcome::Refused(RefusalCode::NoRole.number()), START)
}

#[test]
fn a_refusal_that_the_rules_do_not_give_is_proven_and_one_that_they_give_is_not() {
    let federation = Federation::new();
    let case = federation.case_at(MINISTRY);
    let lodged = federation.node(MINISTRY).lodges().entry();
    let refused = |entry: &Entry, ancestors: &[&Entry]| {
        let ancestors = ancestors.iter().map(|ancestor| signed(ancestor)).collect();
        Kind::RefusedWrongly(wire::RefusedWrongly {
            entry: signed(entry),
            ancestors,
            refusal: refusal(PROVINCE, entry),
        })
    };
    proves(&federation, PROVINCE, refused(&lodged, &[]), Finding::RefusedWrongly);
    let offer = federation.node(MINISTRY).forwards(&case).to(PROVINCE).entry();
    proves(&federation, PROVINCE, refused(&offer, &[&lodged]), Finding::RefusedWrongly);
    let of_node = federation.node(MINISTRY).witnesses().entry();
    proves(&federation, PROVINCE, refused(&of_node, &[]), Finding::RefusedWrongly);
    // Without its ancestors nobody can tell.
    let result = judged(&federation, &against(PROVINCE, refused(&offer, &[])));
    assert!(matches!(result, Err(NotProven::Unreadable { part: "ancestors", .. })), "{result:?}");
    // An agency without a role may not write on the complaint.
    let foreign = federation.node("kota-bandung").remarks(&case).entry();
    contradicts_nothing(&federation, PROVINCE, refused(&foreign, &[&lodged]));
    let by_nobody = federation.node("kemendagri").remarks(&case).signed_with(entry_key("ksp")).entry();
    contradicts_nothing(&federation, PROVINCE, refused(&by_nobody, &[&lodged]));
    let older = federation.node(MINISTRY).forwards(&case).to(PROVINCE).at(START - MINUTE).entry();
    contradicts_nothing(&federation, PROVINCE, refused(&older, &[&lodged]));
}

#[test]
fn a_receipt_that_refuses_nothing_or_something_else_accuses_nobody() {
    let federation = Federation::new();
    let (one, other) = (federation.node(MINISTRY).lodges().entry(), federation.node(CITY).lodges().entry());
    let refused =
        |refusal| Kind::RefusedWrongly(wire::RefusedWrongly { entry: signed(&one), ancestors: vec![], refusal });
    contradicts_nothing(&federation, PROVINCE, refused(refusal(PROVINCE, &other)));
    let deferral = ItemOutcome::Deferred(Deferral::kept(DeferralCode::MissingParent.number()));
    contradicts_nothing(&federation, PROVINCE, refused(receipt(PROVINCE, &one, deferral, START)));
    let result = judged(&federation, &against(PROVINCE, refused(refusal(CITY, &one))));
    assert!(matches!(result, Err(NotProven::ByAnother { .. })), "{result:?}");
    assert!(matches!(judged(&federation, &against(PROVINCE, refused(None))), Err(NotProven::Unreadable { .. })));
}

/// An entry that the province deferred with this deferral, for the first time at the start, and again `after` milliseconds later.
fn endless(entry: &Entry, deferral: Deferral, after: u64, parents: Vec<wire::ItemReceipt>) -> Kind {
    let answer = |at| receipt(PROVINCE, entry, ItemOutcome::Deferred(deferral), at);
    let (first, last) = (answer(START), answer(START + after));
    Kind::EndlessDeferral(wire::EndlessDeferral { entry: signed(entry), first, last, parents, parent_entries: vec![] })
}

/// The same, with these entries as the parents.
fn with_parents(kind: Kind, parents: &[&Entry]) -> Kind {
    let Kind::EndlessDeferral(mut deferral) = kind else { unreachable!("an endless deferral") };
    deferral.parent_entries = parents.iter().map(|parent| signed(parent)).collect();
    Kind::EndlessDeferral(deferral)
}

#[test]
fn an_entry_that_is_deferred_for_a_week_for_a_reason_that_does_not_hold_is_a_finding() {
    let federation = Federation::new();
    let case = federation.case_at(MINISTRY);
    let lodged = federation.node(MINISTRY).lodges().entry();
    let offer = federation.node(MINISTRY).forwards(&case).to(PROVINCE).entry();
    let missing_parent = Deferral::kept(DeferralCode::MissingParent.number());
    let has_parent = |leaf: u64| item_receipt(&Ledger::filled(12).acknowledges(PROVINCE, lodged.id, leaf, START, 1), 0);
    let parents: Vec<_> = has_parent(8).into_iter().collect();
    let late: Vec<_> = has_parent(9).into_iter().collect();
    let week = 7 * DAY;
    let stated = |after, parents| with_parents(endless(&offer, missing_parent, after, parents), &[&lodged]);
    proves(&federation, PROVINCE, stated(week, parents.clone()), Finding::Unresponsive);
    contradicts_nothing(&federation, PROVINCE, stated(week - 1000, parents.clone()));
    contradicts_nothing(&federation, PROVINCE, stated(week, vec![]));
    // The parent came after the first answer, and perhaps after the last one.
    contradicts_nothing(&federation, PROVINCE, stated(week, late));
    // A parent of another complaint is missing for ever. Here nothing shows the complaint.
    contradicts_nothing(&federation, PROVINCE, endless(&offer, missing_parent, week, parents.clone()));
    let mut foreign = federation.node(MINISTRY).remarks(&case).after(&[lodged.id]);
    foreign.draft.complaint = Some(federation.case_at(CITY).complaint.id());
    let foreign = foreign.entry();
    let kind = with_parents(endless(&foreign, missing_parent, week, parents), &[&lodged]);
    contradicts_nothing(&federation, PROVINCE, kind);
    for (code, holds) in [
        (DeferralCode::MissingCharter, false),
        (DeferralCode::ClockAhead, true),
        (DeferralCode::LaterVersion, false),
        (DeferralCode::OverShare, false),
    ] {
        let kind = endless(&offer, Deferral::kept(code.number()), week, vec![]);
        match holds {
            true => proves(&federation, PROVINCE, kind, Finding::Unresponsive),
            false => contradicts_nothing(&federation, PROVINCE, kind),
        }
    }
    // The clock of the accused had not passed the entry's.
    let ahead = federation.node(MINISTRY).forwards(&case).to(PROVINCE).at(START + 8 * DAY).entry();
    contradicts_nothing(&federation, PROVINCE, endless(&ahead, Deferral::kept(603), week, vec![]));
    let copy = |of: &Entry| Some(Sha256::digest(of.signed()).into());
    let unsigned = |copy| Deferral { code: DeferralCode::Unsigned.number(), kept: false, copy };
    proves(&federation, PROVINCE, endless(&offer, unsigned(copy(&offer)), week, vec![]), Finding::Unresponsive);
    contradicts_nothing(&federation, PROVINCE, endless(&offer, unsigned(copy(&lodged)), week, vec![]));
}
