//! The questions of a consistency check, after each kind of answer.

use super::*;
use crate::base::ids::Epoch;
use crate::fixture::ledger::Ledger;
use crate::fixture::{Federation, START, agency};

const CITY: &str = "kota-bandung";

fn answers(ledger: &Ledger, question: &wire::Prove) -> wire::Proof {
    ledger.answers(question, CITY, Epoch::FIRST, START)
}

fn sizes(shown: &ConsistencyStep) -> Vec<u64> {
    match shown {
        ConsistencyStep::Shown(_, beginnings) => beginnings.iter().map(|beginning| beginning.size).collect(),
        ConsistencyStep::AskAgain => panic!("it is asked again"),
    }
}

#[test]
fn an_agency_that_answers_is_asked_once() {
    let (federation, ledger) = (Federation::new(), Ledger::filled(9));
    let mut check = ConsistencyCheck::new(agency(CITY), vec![3, 7]);
    assert_eq!(check.question().sizes, [3, 7]);
    let proof = answers(&ledger, &check.question());
    let shown = check.answer(proof, &federation.charters).expect("it proves both");
    assert_eq!(sizes(&shown), [3, 7]);
    let ConsistencyStep::Shown(tree, _) = shown else { unreachable!("just read") };
    assert_eq!((tree.checkpoint.size, tree.checkpoint.root), (9, ledger.root()));
}

#[test]
fn an_agency_whose_ledger_is_shorter_is_asked_for_its_tree_and_the_sizes_within_it() {
    for (size, left) in [(5, vec![3]), (2, vec![])] {
        let (federation, ledger) = (Federation::new(), Ledger::filled(size));
        let mut check = ConsistencyCheck::new(agency(CITY), vec![3, 7]);
        assert!(check.refused());
        assert_eq!(check.question().sizes, [0; 0], "its present tree alone");
        let proof = answers(&ledger, &check.question());
        let mut shown = check.answer(proof, &federation.charters).expect("a tree");
        if !left.is_empty() {
            assert_eq!((&shown, check.question().sizes), (&ConsistencyStep::AskAgain, left.clone()));
            assert!(!check.clone().refused(), "a second refusal is its answer");
            let proof = answers(&ledger, &check.question());
            shown = check.answer(proof, &federation.charters).expect("it proves the rest");
        }
        assert_eq!(sizes(&shown), left);
    }
}

#[test]
fn an_agency_that_refuses_a_second_time_is_not_asked_again() {
    let mut check = ConsistencyCheck::new(agency(CITY), vec![3]);
    assert!(check.refused());
    assert!(!check.refused());
}

#[test]
fn an_answer_that_another_agency_signed_or_that_proves_nothing_is_an_error() {
    let (federation, ledger) = (Federation::new(), Ledger::filled(9));
    let mut check = ConsistencyCheck::new(agency(CITY), vec![3]);
    let of_another = ledger.answers(&check.question(), "prov-jabar", Epoch::FIRST, START);
    let result = check.answer(of_another, &federation.charters);
    assert!(matches!(result, Err(NoProof::Checkpoint(_))), "{result:?}");
    let mut without = answers(&ledger, &check.question());
    without.nodes.clear();
    let result = check.answer(without, &federation.charters);
    assert!(matches!(result, Err(NoProof::Proof(_))), "{result:?}");
}
