//! Custody entries that leave out what their author knew: concealed.

use super::*;

/// The ministry reassigns the offered complaint before the province accepts it. In the province's ledger the reassignment is the leaf `leaf`, and
/// the acceptance is leaf 9. `names_it`: the acceptance names the reassignment as a parent.
fn reassigned<'f>(federation: &'f Federation, auditor: &'static str, leaf: u64, names_it: bool) -> Scene<'f> {
    let lodged = federation.node("kota-bandung").lodges().at_leaf(0).entry();
    let mut case = Case::lodged(federation, &lodged);
    let mut scene = Scene { auditor, case: case.clone(), ..Scene::honest(federation) };
    (scene.own, scene.seen, scene.shown) = (Memory::default(), Vec::new(), Ledger::filled(2));
    case.later(MINUTE);
    let offer = federation.node("kota-bandung").forwards(&case).to(PROVINCE).at_leaf(1).entry();
    case.complaint.insert(&offer, &federation.charters);
    case.later(MINUTE);
    let reassigned = federation.node(MINISTRY).reassigns(&case).to("kominfo").at_leaf(1).entry();
    case.later(MINUTE);
    let accepted = federation.node(PROVINCE).accepts(&case).at_leaf(9);
    let tip = case.complaint.tip();
    let accepted = if names_it { accepted.after(&[tip, reassigned.id]) } else { accepted };
    let accepted = accepted.entry();
    for number in 2..12 {
        match number {
            9 => scene.shown.push_entry(&accepted),
            number if number == leaf => scene.shown.push_entry(&reassigned),
            number => scene.shown.push(format!("leaf {number}").as_bytes()),
        };
    }
    [lodged, offer, reassigned.clone(), accepted].iter().for_each(|entry| scene.has_beside(entry));
    if auditor == MINISTRY {
        scene.has_receipt(&reassigned, leaf, START + 2 * MINUTE);
    }
    scene
}

#[test]
fn an_acceptance_that_leaves_out_a_reassignment_of_its_ledger_is_concealed() {
    let federation = Federation::new();
    for auditor in [MINISTRY, OVERSIGHT] {
        reassigned(&federation, auditor, 8, false).finds(&[Finding::Concealed]);
        // It names the reassignment, or the reassignment came later.
        reassigned(&federation, auditor, 8, true).finds(&[]);
        reassigned(&federation, auditor, 10, false).finds(&[]);
    }
    // Without a receipt, the hashes of the leaves show that the province had the reassignment.
    let mut unknown = reassigned(&federation, MINISTRY, 8, false);
    unknown.own.receipts.clear();
    unknown.finds(&[Finding::Concealed]);
    // An audit of one complaint does not read them.
    unknown.scope.complaint = Some(unknown.case.complaint.id());
    unknown.finds(&[]);
}

#[test]
fn an_entry_that_leaves_out_an_own_earlier_one_is_concealed() {
    let federation = Federation::new();
    let mut scene = Scene::honest(&federation);
    // A second answer to the same offer, as if there had been none.
    let offer = scene.entry(1);
    let denied = federation.node(PROVINCE).returns(&scene.case).on(offer.id).after(&[offer.id]).at_leaf(8).entry();
    scene.has_beside(&denied);
    scene.shown.push_entry(&denied);
    scene.finds(&[Finding::Concealed]);
}
