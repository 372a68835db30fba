//! What the watch asks, by what the agency answers.

use super::*;
use crate::base::ids::Epoch;
use crate::fixture::ledger::Ledger;
use crate::fixture::{Federation, START, agency};

const CITY: &str = "kota-bandung";

fn answers(ledger: &Ledger, question: &wire::Prove) -> wire::Proof {
    ledger.answers(question, CITY, Epoch::FIRST, START)
}

fn sizes(shown: &Rechecked) -> Vec<u64> {
    match shown {
        Rechecked::Shown(_, beginnings) => beginnings.iter().map(|beginning| beginning.size).collect(),
        Rechecked::Again => panic!("it is asked again"),
    }
}

#[test]
fn an_agency_that_answers_is_asked_once() {
    let (federation, ledger) = (Federation::new(), Ledger::filled(9));
    let mut recheck = Recheck::new(agency(CITY), vec![3, 7]);
    assert_eq!(recheck.question().sizes, [3, 7]);
    let proof = answers(&ledger, &recheck.question());
    let shown = recheck.answer(proof, &federation.charters).expect("it proves both");
    assert_eq!(sizes(&shown), [3, 7]);
    let Rechecked::Shown(tree, _) = shown else { unreachable!("just read") };
    assert_eq!((tree.checkpoint.size, tree.checkpoint.root), (9, ledger.root()));
}

#[test]
fn an_agency_whose_ledger_is_shorter_now_is_asked_what_it_has_and_about_what_of_it_is_left() {
    for (size, left) in [(5, vec![3]), (2, vec![])] {
        let (federation, ledger) = (Federation::new(), Ledger::filled(size));
        let mut recheck = Recheck::new(agency(CITY), vec![3, 7]);
        assert!(recheck.refused());
        assert_eq!(recheck.question().sizes, [0; 0], "its present tree alone");
        let proof = answers(&ledger, &recheck.question());
        let mut shown = recheck.answer(proof, &federation.charters).expect("a tree");
        if !left.is_empty() {
            assert_eq!((&shown, recheck.question().sizes), (&Rechecked::Again, left.clone()));
            assert!(!recheck.clone().refused(), "a second refusal is its answer");
            let proof = answers(&ledger, &recheck.question());
            shown = recheck.answer(proof, &federation.charters).expect("it proves the rest");
        }
        assert_eq!(sizes(&shown), left);
    }
}

#[test]
fn an_agency_that_refuses_also_to_show_its_tree_is_not_asked_again() {
    let mut recheck = Recheck::new(agency(CITY), vec![3]);
    assert!(recheck.refused());
    assert!(!recheck.refused());
}

#[test]
fn what_another_signed_or_what_proves_nothing_is_no_answer() {
    let (federation, ledger) = (Federation::new(), Ledger::filled(9));
    let mut recheck = Recheck::new(agency(CITY), vec![3]);
    let of_another = ledger.answers(&recheck.question(), "prov-jabar", Epoch::FIRST, START);
    let result = recheck.answer(of_another, &federation.charters);
    assert!(matches!(result, Err(NoProof::Checkpoint(_))), "{result:?}");
    let mut without = answers(&ledger, &recheck.question());
    without.nodes.clear();
    let result = recheck.answer(without, &federation.charters);
    assert!(matches!(result, Err(NoProof::Proof(_))), "{result:?}");
}
