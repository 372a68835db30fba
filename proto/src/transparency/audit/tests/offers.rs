//! Things that did not happen, and figures: withheld, unanswered, undelivered, misreported.

use super::*;

#[test]
fn an_entry_that_oversight_did_not_get_is_withheld_once_later_leaves_were_sent() {
    let federation = Federation::new();
    let (scene, lodged) = keeps_back(&federation);
    scene.finds(&[Finding::Withheld]);
    let upto = |index| Some(Cursor::end(Epoch::FIRST, LedgerIndex(index), 0));
    // The entry may still be on its way.
    Scene { received: upto(8), ..scene.clone() }.finds(&[]);
    Scene { received: None, ..scene.clone() }.finds(&[]);
    Scene { received: Some(Cursor::end(Epoch(2), LedgerIndex(9), 0)), ..scene.clone() }.finds(&[]);
    // The entry came and was refused or deferred.
    Scene { turned_away: vec![lodged.id], ..scene.clone() }.finds(&[]);
    // The entry came.
    let mut has = scene.clone();
    has.has_beside(&lodged);
    has.finds(&[]);
    // An auditor that is no oversight agency does not see the leaf and is not entitled to the entry.
    Scene { auditor: MINISTRY, ..scene }.finds(&[]);
}

/// A federation whose second charter makes the ministry an oversight agency.
fn with_the_ministry_as_overseer() -> Federation {
    Federation::changed(|text| member_of(text, MINISTRY).oversight = true)
}

#[test]
fn an_entry_from_before_the_auditor_became_an_overseer_is_not_withheld() {
    let (before, after) = (Federation::new(), with_the_ministry_as_overseer());
    let (scene, _) = keeps_back(&before);
    Scene { federation: &after, auditor: MINISTRY, ..scene }.finds(&[]);
    let (scene, _) = keeps_back(&after);
    Scene { auditor: MINISTRY, ..scene }.finds(&[Finding::Withheld]);
}

#[test]
fn an_entry_that_names_an_old_charter_is_withheld_if_the_agency_had_adopted_the_overseer_s() {
    let (before, after) = (Federation::new(), with_the_ministry_as_overseer());
    // The agency's own entry before the leaf names the second charter. The auditor holds it, or lacks it as well.
    for is_held in [true, false] {
        let (scene, _) = keeps_back(&before);
        let mut scene = Scene { federation: &after, auditor: MINISTRY, ..scene };
        let own = after.node(PROVINCE).lodges().at(START + 40 * MINUTE).at_leaf(9).entry();
        scene.shown.push_entry(&own);
        if is_held {
            scene.has_beside(&own);
        }
        let old = before.node(MINISTRY).lodges().at(START + 41 * MINUTE).at_leaf(10).entry();
        scene.shown.push_entry(&old);
        scene.received = Some(Cursor::end(Epoch::FIRST, LedgerIndex(11), 0));
        let withheld = scene.audited().findings.len();
        // Leaf 8 was there before, and names the first charter.
        assert_eq!(withheld, if is_held { 1 } else { 2 });
    }
}

#[test]
fn an_entry_is_not_withheld_from_an_auditor_that_oversees_no_longer() {
    let (overseen, after) =
        (Federation::new(), Federation::changed(|text| member_of(text, OVERSIGHT).oversight = false));
    let (scene, _) = keeps_back(&overseen);
    Scene { federation: &after, ..scene }.finds(&[]);
}

#[test]
fn a_node_entry_is_never_withheld() {
    let federation = Federation::new();
    let mut scene = Scene::overseen(&federation);
    scene.shown.push_entry(&federation.node(PROVINCE).witnesses().at_leaf(8).entry());
    scene.received = Some(Cursor::end(Epoch::FIRST, LedgerIndex(9), 0));
    scene.finds(&[]);
}

/// The ministry offered the complaint, and the province has not answered.
fn open_offer<'f>(federation: &'f Federation, is_receipted: bool) -> Scene<'f> {
    let mut scene = Scene::honest(federation);
    scene.own.leaves.truncate(2);
    scene.own.receipts.truncate(if is_receipted { 2 } else { 1 });
    (scene.seen, scene.shown) = (Vec::new(), scene.shown.cut_to(5));
    (5..8).for_each(|number| _ = scene.shown.push(format!("leaf {number}").as_bytes()));
    scene
}

#[test]
fn an_offer_that_arrived_and_was_not_answered_in_time_is_unanswered() {
    let federation = Federation::new();
    let scene = open_offer(&federation, true);
    scene.finds(&[Finding::Unanswered]);
    // The receipt is from before the scope. It counts all the same, because it shows that the offer arrived.
    Scene { scope: Scope { since: START + 20 * MINUTE, ..Scope::default() }, ..scene.clone() }
        .finds(&[Finding::Unanswered]);
    // The time to answer ended before the scope begins.
    Scene { scope: Scope { since: START + DAY + 1, ..Scope::default() }, ..scene.clone() }.finds(&[]);
    // The province returned the offer.
    let mut returned = scene.clone();
    let answer = federation.node(PROVINCE).returns(&scene.case).on(scene.entry(1).id).at_leaf(ACCEPTED).entry();
    returned.own.leaves.push((answer.clone(), START + 5 * MINUTE));
    returned.rewrites(ACCEPTED, &answer.bytes);
    returned.finds(&[]);
}

#[test]
fn an_offer_without_any_receipt_is_undelivered_for_its_author_alone() {
    let federation = Federation::new();
    let scene = open_offer(&federation, false);
    scene.finds(&[Finding::Undelivered]);
    // A relay may have acknowledged and dropped it.
    Scene { is_relayed: true, ..scene.clone() }.finds(&[]);
    // Another auditor cannot know which receipts the author got.
    Scene { auditor: OVERSIGHT, own: Memory { receipts: Vec::new(), ..scene.own.clone() }, ..scene }.finds(&[]);
}

#[test]
fn an_offer_that_its_addressee_confirmed_is_unanswered_without_a_receipt() {
    let federation = Federation::new();
    let mut scene = open_offer(&federation, false);
    let offer = scene.entry(1);
    let arrived = wire::entry::Body::Arrived(wire::Arrived::default());
    let arrived = federation.node(PROVINCE).says(&scene.case, arrived).on(offer.id).at_leaf(8).entry();
    scene.has_beside(&arrived);
    scene.shown.push_entry(&arrived);
    scene.finds(&[Finding::Unanswered]);
}

#[test]
fn an_offer_whose_time_is_not_over_accuses_nobody() {
    let federation = Federation::new();
    let mut scene = open_offer(&federation, false);
    let lodged = scene.entry(0);
    let case = Case::lodged(&federation, &lodged);
    let offer = federation.node(MINISTRY).forwards(&case).to(PROVINCE).answer_by(LATER).at_leaf(1).entry();
    scene.own.leaves[1].0 = offer;
    scene.finds(&[]);
}

#[test]
fn a_published_figure_below_the_agency_s_own_entries_is_misreported() {
    let federation = Federation::new();
    let published = |held: u64| {
        let mut scene = Scene::honest(&federation);
        let mut writing = federation.node(PROVINCE).witnesses().at(START + 31 * MINUTE).at_leaf(8);
        let figures = vec![wire::Figure { name: crate::transparency::evidence::HELD.to_owned(), value: held }];
        writing.draft.body =
            wire::entry::Body::Published(wire::Published { ledger_size: 8, profile: String::new(), figures });
        let published = writing.entry();
        scene.has_beside(&published);
        scene.shown.push_entry(&published);
        let entries = scene.own.leaves.iter().take(4).map(|(entry, _)| entry.clone()).collect();
        scene.own.cases = vec![HeldCase { complaint: scene.case.complaint.clone(), entries }];
        scene
    };
    published(1).finds(&[]);
    published(0).finds(&[Finding::Misreported]);
    // An entry before the publication that has not arrived yet could have ended the complaint.
    Scene { received: Some(Cursor::end(Epoch::FIRST, LedgerIndex(7), 0)), ..published(0) }.finds(&[]);
    Scene { received: None, ..published(0) }.finds(&[]);
}
