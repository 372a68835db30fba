//! Witnesses: an act that a witness had in time comes before one that nobody has seen.

use super::*;
use crate::admission::Verdict;
use crate::base::refusal::{Refusal, RefusalCode};
use crate::entry::Entry;
use crate::fixture::ledger::Ledger;
use crate::receipt::item_receipt;
use crate::wire;

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
    let own = Standing::WithoutEffect(NoEffect::NotWitnessed(NotWitnessed::OwnReceipt));
    assert_eq!(by("kota-bandung"), ("kominfo".to_owned(), own), "the author of the act");
    for other in ["kominfo", "kemendagri"] {
        let none = Standing::WithoutEffect(NoEffect::NotWitnessed(NotWitnessed::NoWitness { agency: agency(other) }));
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
        assert_eq!(standing, Standing::WithoutEffect(NoEffect::NotWitnessed(NotWitnessed::OtherTime { seen, dated })));
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
                for index in order {
                    case.learn(given[index]);
                }
                {
                    let standing = |act: &Entry| case.standing(act.id);
                    let acts = [&rivals.accepts, &rivals.withdraws, &reassigns];
                    (case.complaint.custody().clone(), case.complaint.tip(), acts.map(standing))
                }
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
fn a_receipt_for_an_entry_that_is_no_act_on_custody_has_no_effect() {
    let federation = Federation::new();
    let mut case = federation.case_held_by("ksp", "kota-bandung");
    let lodged = case.complaint.lodged_entry();
    let response = case.take(federation.node("kota-bandung").responds(&case));
    for entry in [lodged, response] {
        let proves = federation.node("ombudsman").proves(&case, entry, "ombudsman", case.now);
        assert_eq!(without_effect(&mut case, proves), NoEffect::NotWitnessed(NotWitnessed::NoAct));
    }
}

#[test]
fn a_receipt_under_an_older_charter_than_the_act_shows_nothing() {
    let federation = Federation::changed(|_| ());
    let rivals = Rivals::of(&federation);
    let mut case = rivals.both();
    let at = rivals.withdraws.clock.millis();
    let under = |version: u64| {
        let mut proves = federation.node("ombudsman").proves(&case, rivals.withdraws.id, "ombudsman", at);
        let ack = Ledger::filled(8).acknowledges("ombudsman", rivals.withdraws.id, 7, at, version);
        if let wire::entry::Body::Proven(body) = &mut proves.draft.body {
            body.receipt = item_receipt(&ack, 0);
        }
        proves
    };
    let (old, new) = (under(1), under(2));
    // A key that the charter of the act does not list any more could have signed the older one.
    assert_eq!(
        without_effect(&mut case, old),
        NoEffect::NotWitnessed(NotWitnessed::OlderReceipt { named: 1, of_act: 2 })
    );
    let newest = case.complaint.parents_of_next();
    case.take(new.after(&newest).at(at + MINUTE));
    assert_eq!(case.holder(), "kota-bandung");
}

#[test]
fn an_agency_that_has_left_is_no_witness() {
    let federation = Federation::changed(|text| {
        text.mediator = None;
        member_of(text, "prov-jabar").status = MemberStatus::Retired;
    });
    let rivals = Rivals::of(&federation);
    let (holder, standing) = rivals.proven(&rivals.withdraws, "prov-jabar", rivals.withdraws.clock.millis());
    assert_eq!(holder, "kominfo", "although it is the holder's parent");
    assert_eq!(
        standing,
        Standing::WithoutEffect(NoEffect::NotWitnessed(NotWitnessed::NoWitness { agency: agency("prov-jabar") }))
    );
}

#[test]
fn a_receipt_for_an_act_beyond_the_newest_parents_descends_from_it() {
    let federation = Federation::new();
    let mut case = federation.case_at("kominfo");
    let lodged = case.complaint.tip();
    // A flood of rivals on one basis: more newest entries than an entry has parents.
    let offers =
        |leaf: u64| federation.node("kominfo").forwards(&case).to("ksp").after(&[lodged]).at_leaf(leaf).entry();
    let offers: Vec<Entry> = (1..limits::PARENTS as u64 + 9).map(offers).collect();
    offers.iter().for_each(|offer| assert_eq!(case.judges(offer), Verdict::Admit));
    for offer in &offers {
        case.learn(offer);
    }
    for offer in &offers {
        let parents = case.complaint.parents_of_next_after(&offer.id);
        assert!(parents.len() <= limits::PARENTS && case.complaint.ancestors(&parents).contains(&offer.id));
        let proves = federation.node("ombudsman").proves(&case, offer.id, "ombudsman", START);
        assert_eq!(case.judges(&proves.after(&parents).entry()), Verdict::Admit);
    }
}

#[test]
fn a_receipt_is_shown_by_whoever_has_a_role_and_by_the_agency_that_delivered() {
    let federation = Federation::new();
    let rivals = Rivals::of(&federation);
    let case = rivals.both();
    let answered = rivals.accepts.clock.millis();
    let by = |author: &str, at: u64| match case
        .judges(&federation.node(author).proves(&case, rivals.accepts.id, "ombudsman", at).entry())
    {
        Verdict::Refuse(refusal) => Some(refusal.code),
        verdict => {
            assert_eq!(verdict, Verdict::Admit);
            None
        }
    };
    for author in ["kominfo", "kota-bandung", "prov-jabar", "ombudsman"] {
        assert_eq!((by(author, answered), by(author, case.now)), (None, None), "{author} has a role");
    }
    // The receipts of the fixture are for deliveries of kemendagri.
    let no_role = Some(RefusalCode::NoRole);
    assert_eq!(by("kemendagri", answered), None, "a relay without any role");
    assert_eq!(by("kemendagri", case.now), None, "whether the receipt decides anything may change");
    assert_eq!(by("kemenpanrb", answered), no_role, "it delivered nothing");
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
