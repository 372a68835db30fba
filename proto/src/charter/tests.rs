//! The charter: the texts that parse, and the rules of trust.

mod revocations;
mod text;

use super::{Charter, CharterError, CharterText, CharterTrustError, Charters, MemberStatus, Rival, Rules, RulesText};
use crate::base::ids::AgencyId;
use crate::base::limits;
use crate::fixture::{
    DAY, FEDERATION, Federation, MANAGERS, agency, charter_text, manager, manager_key, member_of, signed_by,
    successor_text, written,
};

fn parse(text: &CharterText) -> Result<Charter, CharterError> {
    Charter::parse(&signed_by(&MANAGERS[..3], &written(text)))
}

fn parse_changed(change: impl FnOnce(&mut CharterText)) -> Result<Charter, CharterError> {
    let mut text = charter_text();
    change(&mut text);
    parse(&text)
}

/// The refused field and the problem with it.
fn refused_field(change: impl FnOnce(&mut CharterText)) -> (String, String) {
    match parse_changed(change) {
        Err(CharterError::Field { field, problem }) => (field, problem),
        other => panic!("expected a refused field, got {other:?}"),
    }
}

/// A charter with `count` members, each the parent of the next.
fn chain_of(count: usize) -> CharterText {
    let mut text = charter_text();
    text.member = (0..count)
        .map(|index| {
            let mut member = crate::fixture::member("ksp", crate::charter::MemberKind::City, None);
            member.id = agency(&format!("a{index}"));
            member.parent = index.checked_sub(1).map(|parent| agency(&format!("a{parent}")));
            member.name = "x".to_owned();
            (member.endpoints, member.authorities, member.key) = Default::default();
            member
        })
        .collect();
    text
}

fn trusted() -> Charters {
    Federation::new().charters
}

fn succeed(text: &CharterText, managers: &[&str]) -> Result<(), CharterTrustError> {
    let mut charters = trusted();
    let result = charters.succeed(&signed_by(managers, &written(text))).map(drop);
    assert_eq!(charters.newest().version, if result.is_ok() { 2 } else { 1 }, "a refused charter changes nothing");
    assert_eq!(charters.version(2).is_some(), result.is_ok());
    result
}

fn below_threshold(result: Result<(), CharterTrustError>) -> (u64, usize) {
    match result {
        Err(CharterTrustError::BelowThreshold { of, signed, .. }) => (of, signed),
        other => panic!("expected too few signatures, got {other:?}"),
    }
}

fn not_successor(result: Result<(), CharterTrustError>) -> &'static str {
    match result {
        Err(CharterTrustError::NotSuccessor { problem, .. }) => problem,
        other => panic!("expected another refusal, got {other:?}"),
    }
}

#[test]
fn a_charter_reads_back_what_was_written() {
    let charter = parse(&charter_text()).expect("a charter");
    assert_eq!((charter.federation.as_str(), charter.version, charter.threshold), (FEDERATION, 1, 3));
    assert_eq!(charter.valid_from, 1_735_689_600_000);
    assert_eq!(charter.members().count(), 7);
    let city = charter.member(&agency("kota-bandung")).expect("a member");
    assert_eq!(city.parent, Some(agency("prov-jabar")));
    assert_eq!(city.status, MemberStatus::Active);
    assert_eq!(city.endpoints, ["kota-bandung.example:7443"]);
    assert_eq!(city.authorities, [b"certificate authority of kota-bandung"]);
    let ancestors: Vec<&AgencyId> = charter.ancestors(&agency("kota-bandung")).collect();
    assert_eq!(ancestors, [&agency("prov-jabar"), &agency("kemendagri")]);
}

#[test]
fn the_first_charter_needs_the_threshold_of_its_managers() {
    let text = written(&charter_text());
    assert!(Charters::self_signed(&signed_by(&MANAGERS[..3], &text)).is_ok());
    assert!(Charters::self_signed(&signed_by(&MANAGERS, &text)).is_ok());
    let two = Charters::self_signed(&signed_by(&MANAGERS[..2], &text)).map(drop);
    assert_eq!(below_threshold(two), (1, 2));
    let strangers = Charters::self_signed(&signed_by(&["prov-jabar", "kota-bandung", "setneg"], &text)).map(drop);
    assert_eq!(below_threshold(strangers), (1, 0));
}

#[test]
fn a_manager_who_signs_with_two_keys_counts_once() {
    let mut text = charter_text();
    text.manager[0].keys.push(manager_key("second", "second"));
    let note = signed_by(&["kemenpanrb", "second", "kemendagri"], &written(&text));
    assert_eq!(below_threshold(Charters::self_signed(&note).map(drop)), (1, 2));
    let note = signed_by(&["second", "kemendagri", "ksp"], &written(&text));
    assert!(Charters::self_signed(&note).is_ok(), "either key speaks for its manager");
}

#[test]
fn a_repeated_signature_counts_once() {
    let text = written(&charter_text());
    let twice = signed_by(&["kemendagri", "kemendagri", "ksp"], &text);
    assert_eq!(below_threshold(Charters::self_signed(&twice).map(drop)), (1, 2));
}

#[test]
fn a_tampered_text_is_refused() {
    let note = String::from_utf8(signed_by(&MANAGERS[..3], &written(&charter_text()))).expect("utf-8");
    let tampered = note.replacen("threshold = 3", "threshold = 1", 1);
    assert_ne!(tampered, note);
    let result = Charters::self_signed(tampered.as_bytes());
    assert!(matches!(result, Err(CharterTrustError::BadSignature { version: 1, .. })), "{result:?}");
}

#[test]
fn only_the_pinned_charter_can_be_the_first() {
    let note = signed_by(&MANAGERS[..3], &written(&charter_text()));
    let hash = Charter::parse(&note).expect("a charter").hash;
    assert!(Charters::pinned(&note, &hash).is_ok());
    let more_signatures = signed_by(&MANAGERS, &written(&charter_text()));
    assert!(Charters::pinned(&more_signatures, &hash).is_ok(), "the pin is of the text, not of the signatures");
    let mut other = charter_text();
    other.grace_days += 1;
    let other = signed_by(&MANAGERS[..3], &written(&other));
    assert!(matches!(Charters::pinned(&other, &hash), Err(CharterTrustError::NotPinned { .. })));
    let unsigned_enough = signed_by(&MANAGERS[..2], &written(&charter_text()));
    assert!(matches!(Charters::pinned(&unsigned_enough, &hash), Err(CharterTrustError::BelowThreshold { .. })));
}

#[test]
fn a_charter_of_version_2_is_never_the_first_even_if_it_is_pinned() {
    let second = signed_by(&MANAGERS, &written(&successor_text(&charter_text())));
    let hash = Charter::parse(&second).expect("a charter").hash;
    for result in [Charters::pinned(&second, &hash), Charters::self_signed(&second)] {
        assert!(matches!(result, Err(CharterTrustError::NotTheFirst(2))), "{result:?}");
    }
    assert!(trusted().succeed(&second).is_ok(), "it is reached from the first");
}

#[test]
fn a_successor_needs_the_old_and_the_new_managers() {
    let mut text = successor_text(&charter_text());
    text.manager = ["kemenpanrb", "kemendagri", "bpk", "bssn", "bappenas"].map(manager).into();
    assert_eq!(below_threshold(succeed(&text, &["kemenpanrb", "bpk", "bssn", "bappenas"])), (1, 1));
    assert_eq!(below_threshold(succeed(&text, &["kemenpanrb", "kemendagri", "ksp"])), (2, 2));
    assert!(succeed(&text, &["kemenpanrb", "kemendagri", "ksp", "bpk"]).is_ok());
}

#[test]
fn the_old_threshold_binds_a_successor_that_lowers_it() {
    let mut text = successor_text(&charter_text());
    text.threshold = 1;
    assert_eq!(below_threshold(succeed(&text, &["ksp"])), (1, 1));
    assert!(succeed(&text, &["ksp", "kominfo", "ombudsman"]).is_ok());
}

#[test]
fn the_new_threshold_binds_a_successor_that_raises_it() {
    let mut text = successor_text(&charter_text());
    text.threshold = 5;
    assert_eq!(below_threshold(succeed(&text, &MANAGERS[..3])), (2, 3));
    assert!(succeed(&text, &MANAGERS).is_ok());
}

#[test]
fn no_version_is_skipped_or_replaced() {
    let second = successor_text(&charter_text());
    let mut third = second.clone();
    third.version = 3;
    assert_eq!(not_successor(succeed(&third, &MANAGERS)), "the versions are not consecutive");

    let mut charters = trusted();
    charters.succeed(&signed_by(&MANAGERS, &written(&second))).expect("the successor");
    let first = charters.succeed(&signed_by(&MANAGERS, &written(&charter_text()))).map(drop);
    assert_eq!(not_successor(first), "the versions are not consecutive");
    assert_eq!(charters.newest().grace_days, second.grace_days);
}

#[test]
fn another_charter_of_a_trusted_version_is_its_rival_if_enough_managers_signed_it_too() {
    let second = successor_text(&charter_text());
    let mut charters = trusted();
    charters.succeed(&signed_by(&MANAGERS, &written(&second))).expect("the successor");
    charters.succeed(&signed_by(&MANAGERS, &written(&successor_text(&second)))).expect("its successor");
    let mut other = second.clone();
    other.grace_days += 1;
    match charters.succeed(&signed_by(&MANAGERS[..3], &written(&other))) {
        Err(CharterTrustError::Rival(rival)) => {
            assert_eq!(rival, Rival { version: 2, trusted: hash_of(&second), hash: hash_of(&other) });
        }
        result => panic!("expected a rival, got {result:?}"),
    }
    assert_eq!(charters.version(2).expect("it is here").grace_days, second.grace_days, "nothing is replaced");

    // These are no rivals: a charter that too few signed, the trusted one signed again, and a successor of another first charter.
    let few = charters.succeed(&signed_by(&MANAGERS[..2], &written(&other))).map(drop);
    assert_eq!(not_successor(few), "the versions are not consecutive");
    let again = charters.succeed(&signed_by(&MANAGERS[..3], &written(&second))).map(drop);
    assert_eq!(not_successor(again), "the versions are not consecutive");
    let stranger = successor_text(&{
        let mut first = charter_text();
        first.grace_days += 1;
        first
    });
    let elsewhere = charters.succeed(&signed_by(&MANAGERS, &written(&stranger))).map(drop);
    assert_eq!(not_successor(elsewhere), "the versions are not consecutive");
}

/// The hash of a charter's text, in hexadecimal digits.
fn hash_of(text: &CharterText) -> String {
    data_encoding::HEXLOWER.encode(&Charter::parse(&signed_by(&MANAGERS, &written(text))).expect("a charter").hash)
}

#[test]
fn a_successor_names_the_charter_before_it() {
    let mut other = charter_text();
    other.grace_days += 1;
    let text = successor_text(&other);
    assert_eq!(not_successor(succeed(&text, &MANAGERS)), "it names another predecessor");
}

#[test]
fn a_successor_is_of_the_same_federation() {
    let mut text = successor_text(&charter_text());
    text.federation = "other.example".to_owned();
    assert_eq!(not_successor(succeed(&text, &MANAGERS)), "it is of another federation");
}

#[test]
fn every_version_stays_and_newer_ones_are_listed_in_order() {
    let mut charters = trusted();
    let mut text = charter_text();
    for _ in 0..3 {
        text = successor_text(&text);
        charters.succeed(&signed_by(&MANAGERS[..3], &written(&text))).expect("a successor");
    }
    let after: Vec<u64> = charters.after(1).map(|charter| charter.version).collect();
    assert_eq!(after, [2, 3, 4]);
    assert_eq!(charters.after(u64::MAX).count(), 0);
    assert!(charters.version(1).is_some());
}

#[test]
fn every_version_but_the_first_names_a_predecessor() {
    assert_eq!(refused_field(|text| text.version = 2).0, "version");
    assert_eq!(refused_field(|text| text.version = 0).0, "version");
    assert_eq!(refused_field(|text| text.predecessor = Some("00".repeat(32))).0, "version");
    let short = |text: &mut CharterText| {
        text.version = 2;
        text.predecessor = Some("00".repeat(31));
    };
    assert_eq!(refused_field(short).0, "predecessor");
}

#[test]
fn oversight_supervises_the_agencies_without_a_parent() {
    let federation = Federation::new();
    let supervises = |supervisor: &str, of: &str| federation.charter().supervises(&agency(supervisor), &agency(of));
    assert!(supervises("prov-jabar", "kota-bandung"));
    assert!(!supervises("kemendagri", "kota-bandung"), "the parent's parent is no supervisor");
    assert!(!supervises("ombudsman", "kota-bandung"), "it has a parent");
    assert!(supervises("ombudsman", "kominfo"));
    assert!(supervises("ombudsman", "ksp"));
    assert!(!supervises("ombudsman", "ombudsman"), "nobody supervises himself");
    assert!(!supervises("kominfo", "kemendagri"));
}

#[test]
fn a_retired_agency_has_no_oversight() {
    let federation = Federation::changed(|text| member_of(text, "ombudsman").status = MemberStatus::Retired);
    let charter = federation.charter();
    assert!(!charter.is_oversight(&agency("ombudsman")) && charter.is_oversight(&agency("ksp")));
    assert!(!charter.supervises(&agency("ombudsman"), &agency("kominfo")));
    assert!(charter.supervisors(&agency("kominfo")).all(|supervisor| *supervisor != agency("ombudsman")));
}

#[test]
fn observers_are_the_supervisors_and_oversight_without_the_retired() {
    let observers = |federation: &Federation, participants: &[&str]| -> Vec<String> {
        let participants = participants.iter().copied().map(agency).collect();
        federation.charter().observers(&participants).into_iter().map(ToString::to_string).collect()
    };
    let federation = Federation::new();
    assert_eq!(observers(&federation, &["kota-bandung"]), ["ksp", "ombudsman", "prov-jabar"]);
    assert_eq!(observers(&federation, &["ksp", "prov-jabar"]), ["kemendagri", "ombudsman"]);
    let federation = Federation::changed(|text| member_of(text, "ombudsman").status = MemberStatus::Retired);
    assert_eq!(observers(&federation, &["kota-bandung"]), ["ksp", "prov-jabar"]);
}

proptest::proptest! {
    #[test]
    fn no_note_panics(
        changes in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), proptest::prelude::any::<u8>()), 1..8),
        cut in 0..2000_usize,
    ) {
        let mut note = signed_by(&MANAGERS[..3], &written(&charter_text()));
        for (index, byte) in changes {
            let at = index.index(note.len());
            note[at] = byte;
        }
        note.truncate(note.len() - cut % note.len());
        let _ = Charter::parse(&note);
        let _ = Charters::self_signed(&note);
        let _ = trusted().succeed(&note);
    }
}

#[test]
fn a_long_chain_of_parents_is_walked_once() {
    // Members are checked in the order of their ids. These ids let the deepest member come first, which is the worst case.
    let mut text = chain_of(limits::MEMBERS);
    let name = |index: usize| agency(&format!("a{:05}", limits::MEMBERS - index));
    for (index, member) in text.member.iter_mut().enumerate() {
        member.id = name(index);
        member.parent = index.checked_sub(1).map(name);
    }
    let charter = Charter::parse_text(&written(&text), &[]).expect("no cycle");
    assert_eq!(charter.ancestors(&agency("a00001")).count(), limits::MEMBERS - 1);
}
