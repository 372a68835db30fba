//! Witnesses: an act that a witness had in time comes before one that nobody has seen.

use super::*;
use crate::admission::Verdict;
use crate::base::refusal::{Refusal, RefusalCode};
use crate::entry::Entry;

/// An offer of `kota-bandung` to `kominfo`, lodged at `ksp`: the accepting entry in time, and the withdrawal after it.
struct Rivals<'f> {
    federation: &'f Federation,
    case: Case<'f>,
    accepts: Entry,
    withdraws: Entry,
}

impl<'f> Rivals<'f> {
    fn of(federation: &'f Federation) -> Self {
        let mut case = federation.case_held_by("ksp", "kota-bandung");
        case.take(federation.node("kota-bandung").forwards(&case).to("kominfo"));
        let accepts = federation.node("kominfo").accepts(&case).entry();
        let withdraws = federation.node("kota-bandung").withdraws(&case).at(answer_by(&case) + MARGIN).entry();
        Self { federation, case, accepts, withdraws }
    }

    /// A view with both acts.
    fn both(&self) -> Case<'f> {
        let mut case = self.case.clone();
        case.now = self.withdraws.clock.millis();
        case.learn(&self.accepts);
        case.learn(&self.withdraws);
        case
    }

    /// What the receipt of `receiver` for `act` at `at` changes in a view with both acts: the holder after it, and its standing.
    fn proven(&self, act: &Entry, receiver: &str, at: u64) -> (String, Standing) {
        let mut case = self.both();
        let proof = case.take(self.federation.node("ombudsman").proves(&case, act.id, receiver, at));
        (case.holder().to_owned(), case.standing(proof))
    }
}

#[test]
fn an_answer_without_a_witness_loses_to_a_withdrawal_with_one() {
    let federation = Federation::new();
    let rivals = Rivals::of(&federation);
    // Nobody knows yet whether the answer was given in time or kept back. The answer wins by its rank.
    assert_eq!(rivals.both().holder(), "kominfo");
    // A witness had the withdrawal when it was made. Nobody had the answer, so it was kept back.
    let at = rivals.withdraws.clock.millis();
    assert_eq!(rivals.proven(&rivals.withdraws, "ombudsman", at), ("kota-bandung".to_owned(), Standing::Effective));
}

#[test]
fn an_answer_that_reached_a_witness_in_time_stands_however_late_the_holder_hears_of_it() {
    let federation = Federation::new();
    let rivals = Rivals::of(&federation);
    let [answered, withdrawn] = [&rivals.accepts, &rivals.withdraws].map(|act| act.clock.millis());
    let mut case = rivals.both();
    let withdrawal = case.take(federation.node("ksp").proves(&case, rivals.withdraws.id, "ombudsman", withdrawn));
    assert_eq!((case.holder(), case.standing(withdrawal)), ("kota-bandung", Standing::Effective));
    case.later(30 * DAY);
    let proof = federation.node("kominfo").proves(&case, rivals.accepts.id, "prov-jabar", answered + MINUTE).entry();
    assert_eq!(case.learn(&proof).path_changed_from, Some(rivals.withdraws.id));
    assert_eq!(case.holder(), "kominfo");
    assert_eq!(case.standing(rivals.withdraws.id), Standing::Superseded { by: rivals.accepts.id });
}

#[test]
fn only_a_witness_makes_an_act_witnessed() {
    let federation = Federation::changed(|text| text.mediator = Some(agency("kemenpanrb")));
    let rivals = Rivals::of(&federation);
    let at = rivals.withdraws.clock.millis();
    let by = |receiver: &str| rivals.proven(&rivals.withdraws, receiver, at);
    let stands = || ("kota-bandung".to_owned(), Standing::Effective);
    // The holder is kota-bandung, its parent is prov-jabar; the addressee, kominfo, has no parent.
    for witness in ["prov-jabar", "ombudsman", "kemenpanrb"] {
        assert_eq!(by(witness), stands(), "{witness}");
    }
    let own = Standing::WithoutEffect(NoEffect::OwnReceipt);
    assert_eq!(by("kota-bandung"), ("kominfo".to_owned(), own), "the author of the act");
    for other in ["kominfo", "kemendagri"] {
        let none = Standing::WithoutEffect(NoEffect::NoWitness { agency: agency(other) });
        assert_eq!(by(other), ("kominfo".to_owned(), none), "{other}");
    }
    // The holder is a witness of the addressee's answer.
    assert_eq!(rivals.proven(&rivals.accepts, "kota-bandung", rivals.accepts.clock.millis()).1, Standing::Effective);
}

#[test]
fn a_receipt_of_another_hour_shows_nothing() {
    let federation = Federation::new();
    let rivals = Rivals::of(&federation);
    let dated = rivals.withdraws.clock.millis();
    let hour = 60 * MINUTE;
    for seen in [dated - hour, dated - 1_000, dated, dated + hour] {
        assert_eq!(rivals.proven(&rivals.withdraws, "ombudsman", seen).1, Standing::Effective, "{seen}");
    }
    for seen in [0, dated - hour - 1_000, dated + hour + 1_000, dated + 30 * DAY] {
        let (holder, standing) = rivals.proven(&rivals.withdraws, "ombudsman", seen);
        assert_eq!(standing, Standing::WithoutEffect(NoEffect::OtherTime { seen, dated }));
        assert_eq!(holder, "kominfo");
    }
}

#[test]
fn a_supervisor_without_a_witness_loses_to_an_answer_with_one_and_wins_among_equals() {
    let federation = Federation::new();
    let rivals = Rivals::of(&federation);
    let mut case = rivals.case.clone();
    let late = rivals.withdraws.clock.millis();
    let reassigns = federation.node("prov-jabar").reassigns(&case).to("kemendagri").at(late).answer_by(late + DAY);
    let reassigns = reassigns.entry();
    case.now = late;
    case.learn(&rivals.accepts);
    case.learn(&reassigns);
    assert_eq!(case.offered_to(), Some("kemendagri"), "no witness on either side");
    let answered = rivals.accepts.clock.millis();
    case.take(federation.node("kominfo").proves(&case, rivals.accepts.id, "ombudsman", answered));
    assert_eq!((case.holder(), case.offered_to()), ("kominfo", None));
    case.take(federation.node("prov-jabar").proves(&case, reassigns.id, "ombudsman", late));
    assert_eq!((case.holder(), case.offered_to()), ("kota-bandung", Some("kemendagri")), "a witness on both sides");
}

#[test]
fn the_receipts_of_competing_acts_give_one_state_in_every_order() {
    let federation = Federation::new();
    let rivals = Rivals::of(&federation);
    let late = rivals.withdraws.clock.millis();
    let mut all = rivals.both();
    let reassigns = federation.node("prov-jabar").reassigns(&rivals.case).to("ksp").at(late).answer_by(late + DAY);
    let reassigns = reassigns.entry();
    all.learn(&reassigns);
    let proof = |act: &Entry, at: u64| federation.node("ombudsman").proves(&all, act.id, "ombudsman", at).entry();
    let of_answer = proof(&rivals.accepts, rivals.accepts.clock.millis());
    let [of_withdrawal, of_supervisor] = [&rivals.withdraws, &reassigns].map(|act| proof(act, late));
    let proofs = [of_answer, of_withdrawal, of_supervisor];
    for subset in 0..8_usize {
        let given: Vec<&Entry> = (0..3).filter(|index| subset >> index & 1 == 1).map(|index| &proofs[index]).collect();
        let states: Vec<_> = orders(given.len())
            .into_iter()
            .map(|order| {
                let mut case = all.clone();
                order.into_iter().for_each(|index| drop(case.learn(given[index])));
                (case.complaint.custody().clone(), case.complaint.tip(), case.complaint.digest())
            })
            .collect();
        assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "{subset:03b}");
        let winner = [(0b100, &reassigns), (0b001, &rivals.accepts), (0b010, &rivals.withdraws)];
        let winner = winner.into_iter().find(|(bit, _)| subset & bit != 0).map_or(&reassigns, |(_, act)| act);
        assert_eq!(states[0].1, winner.id, "{subset:03b}");
    }
}

fn orders(count: usize) -> Vec<Vec<usize>> {
    match count {
        0 => vec![Vec::new()],
        1 => vec![vec![0]],
        2 => vec![vec![0, 1], vec![1, 0]],
        _ => vec![vec![0, 1, 2], vec![0, 2, 1], vec![1, 0, 2], vec![1, 2, 0], vec![2, 0, 1], vec![2, 1, 0]],
    }
}

#[test]
fn a_receipt_for_an_entry_that_competes_with_none_has_no_effect() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ksp", "kota-bandung");
    let lodged = case.complaint.lodged_entry();
    let response = case.take(federation.node("kota-bandung").responds(&case));
    for entry in [lodged, response] {
        let proves = federation.node("ombudsman").proves(&case, entry, "ombudsman", case.now);
        assert_eq!(without_effect(&mut case, proves), NoEffect::NothingToProve);
    }
}

#[test]
fn a_receipt_is_shown_by_whoever_has_a_role_and_by_the_agency_that_delivered() {
    let federation = Federation::new();
    let rivals = Rivals::of(&federation);
    let case = rivals.both();
    let by = |author: &str| {
        case.judges(&federation.node(author).proves(&case, rivals.accepts.id, "ombudsman", case.now).entry())
    };
    for author in ["kominfo", "kota-bandung", "prov-jabar", "ombudsman"] {
        assert_eq!(by(author), Verdict::Admit, "{author}");
    }
    // The receipts of the fixture are for deliveries of kemendagri.
    assert_eq!(by("kemendagri"), Verdict::Admit, "a relay without any role");
    assert!(matches!(by("kemenpanrb"), Verdict::Refuse(refusal) if refusal.code == RefusalCode::NoRole));
}

#[test]
fn a_receipt_for_an_entry_that_is_no_ancestor_is_refused() {
    let federation = Federation::new();
    let rivals = Rivals::of(&federation);
    let case = rivals.both();
    let proves = federation.node("ombudsman").proves(&case, rivals.accepts.id, "ombudsman", case.now);
    let blind = proves.clone().after(&[rivals.withdraws.id]).entry();
    let detail = "the entry whose receipt it shows is not among its ancestors";
    assert_eq!(case.judges(&blind), Verdict::Refuse(Refusal::new(RefusalCode::ForeignBasis, detail)));
    assert_eq!(case.judges(&proves.entry()), Verdict::Admit);
}
