//! The texts that are refused: what is wrong in them is named.

use super::*;

#[test]
fn a_cycle_of_parents_is_refused() {
    let cycle = |text: &mut CharterText| {
        member_of(text, "kemendagri").parent = Some(agency("kota-bandung"));
    };
    assert_eq!(refused_field(cycle).1, "the parents form a cycle");
    let itself = |text: &mut CharterText| member_of(text, "ksp").parent = Some(agency("ksp"));
    assert_eq!(refused_field(itself), ("member ksp: parent".to_owned(), "the parents form a cycle".to_owned()));
}

#[test]
fn a_parent_that_is_no_member_is_refused() {
    let (field, problem) = refused_field(|text| member_of(text, "ksp").parent = Some(agency("setneg")));
    assert_eq!((field.as_str(), problem.as_str()), ("member ksp: parent", "setneg is no member"));
}

#[test]
fn an_unknown_field_is_refused_and_named() {
    for place in ["federation = ", "[[member]]\n", "[[manager]]\n", "[[member.key]]\n"] {
        let text = written(&charter_text());
        let field =
            if place.ends_with('\n') { format!("{place}thresold = 3\n") } else { format!("thresold = 3\n{place}") };
        let text = text.replacen(place, &field, 1);
        let error = Charter::parse(&signed_by(&MANAGERS[..3], &text)).expect_err("an unknown field");
        assert!(matches!(error, CharterError::Toml(_)));
        assert!(error.to_string().contains("thresold"), "{error}");
    }
}

#[test]
fn a_key_serves_one_member_and_one_use() {
    let two_members = |text: &mut CharterText| {
        let key = member_of(text, "ksp").key[0].clone();
        member_of(text, "kominfo").key[0] = key;
    };
    assert_eq!(refused_field(two_members).0, "member kominfo");
    let two_uses = |text: &mut CharterText| {
        let member = member_of(text, "ksp");
        member.key[1].public = member.key[0].public.clone();
    };
    assert_eq!(refused_field(two_uses).0, "member ksp");
}

#[test]
fn a_manager_s_key_is_listed_once_even_under_another_name() {
    let same_text = |text: &mut CharterText| {
        let key = text.manager[0].keys[0].clone();
        text.manager[1].keys.push(key);
    };
    assert_eq!(refused_field(same_text).0, "manager \"kemendagri\"");
    // One person could otherwise count as two managers.
    let other_name = |text: &mut CharterText| text.manager[1].keys = vec![manager_key("kemendagri", "kemenpanrb")];
    assert_eq!(refused_field(other_name).0, "manager \"kemendagri\"");
}

#[test]
fn a_member_or_manager_that_is_listed_twice_is_refused() {
    let twice = |text: &mut CharterText| {
        let mut again = text.member[0].clone();
        again.key.clear();
        text.member.push(again);
    };
    assert_eq!(refused_field(twice), ("member kemenpanrb".to_owned(), "stands twice".to_owned()));
    let twice = |text: &mut CharterText| text.manager[1].name = "kemenpanrb".to_owned();
    assert_eq!(refused_field(twice).0, "manager \"kemenpanrb\"");
    assert_eq!(refused_field(|text| text.manager[1].keys.clear()).1, "has no key");
}

#[test]
fn the_threshold_lies_within_the_managers() {
    assert_eq!(refused_field(|text| text.threshold = 0).0, "threshold");
    assert_eq!(refused_field(|text| text.threshold = 6).1, "6 of 5 managers");
    assert!(parse_changed(|text| text.threshold = 5).is_ok());
}

#[test]
fn a_rule_out_of_its_range_is_refused_with_its_name_and_range() {
    type Change = fn(&mut RulesText, u32);
    let rules: [(&str, Change, u32, u32); 3] = [
        ("answer_by_days", |rules, value| rules.answer_by_days = Some(value), 1, 366),
        ("silence_working_days", |rules, value| rules.silence_working_days = Some(value), 1, 366),
        ("offers_before_mediation", |rules, value| rules.offers_before_mediation = Some(value), 2, 100),
    ];
    for (name, change, least, most) in rules {
        for value in [0, least - 1, most + 1, u32::MAX] {
            let (field, problem) = refused_field(|text| change(&mut text.rules, value));
            assert_eq!(field, format!("rules.{name}"));
            assert_eq!(problem, format!("{value}, must be {least} to {most}"));
        }
        for value in [least, most] {
            assert!(parse_changed(|text| change(&mut text.rules, value)).is_ok(), "{name} {value}");
        }
    }
}

#[test]
fn absent_rules_have_their_defaults_and_are_not_written() {
    let rules = parse(&charter_text()).expect("a charter").rules;
    assert_eq!(rules, Rules { answer_by_days: 14, silence_working_days: 10, offers_before_mediation: 3 });
    assert_eq!(rules, Rules::default());
    assert!(!written(&charter_text()).contains("rules"));
    let one = parse_changed(|text| text.rules.silence_working_days = Some(7)).expect("a charter").rules;
    assert_eq!(one, Rules { silence_working_days: 7, ..Rules::default() });
    assert_eq!((one.answer_by_millis(), one.silence_millis()), (14 * DAY, 7 * DAY));
}

#[test]
fn a_successor_keeps_the_rules_that_its_text_keeps() {
    let mut text = charter_text();
    text.rules = RulesText { answer_by_days: Some(3), silence_working_days: None, offers_before_mediation: Some(9) };
    let rules = parse(&text).expect("a charter").rules;
    assert_eq!(rules, Rules { answer_by_days: 3, silence_working_days: 10, offers_before_mediation: 9 });
    let read: CharterText = toml::from_str(&written(&text)).expect("a charter's text");
    assert_eq!(read.rules, text.rules, "a text reads back what was written");
    let mut charters = Charters::self_signed(&signed_by(&MANAGERS, &written(&text))).expect("the first");
    let next = charters.succeed(&signed_by(&MANAGERS, &written(&successor_text(&text)))).expect("its successor");
    assert_eq!((next.version, next.rules), (2, rules));
}

#[test]
fn the_mediator_is_an_active_member() {
    let of = |id: &str| parse_changed(|text| text.mediator = Some(agency(id))).map(|charter| charter.mediator);
    assert_eq!(of("ksp").expect("a member"), Some(agency("ksp")));
    assert_eq!(parse(&charter_text()).expect("a charter").mediator, None);
    assert!(of("setneg").is_err());
    let (field, problem) = refused_field(|text| {
        text.mediator = Some(agency("ksp"));
        member_of(text, "ksp").status = MemberStatus::Suspended;
    });
    assert_eq!((field.as_str(), problem.as_str()), ("mediator", "ksp is no active member"));
}

#[test]
fn a_misspelled_rule_is_refused_and_named() {
    let text = written(&charter_text()).replacen("[[manager]]", "[rules]\nsilence_days = 3\n\n[[manager]]", 1);
    let error = Charter::parse(&signed_by(&MANAGERS[..3], &text)).expect_err("an unknown field");
    assert!(matches!(error, CharterError::Toml(_)));
    assert!(error.to_string().contains("silence_days"), "{error}");
}

#[test]
fn times_are_rfc_3339_and_in_order() {
    assert_eq!(refused_field(|text| text.valid_from = "2025-01-01".to_owned()).0, "valid_from");
    assert_eq!(refused_field(|text| text.valid_from = "1969-12-31T23:59:59Z".to_owned()).0, "valid_from");
    assert_eq!(refused_field(|text| text.valid_until = text.valid_from.clone()).0, "valid_until");
}

#[test]
fn a_malformed_key_or_authority_is_refused_and_named() {
    let bad_key = |text: &mut CharterText| member_of(text, "ksp").key[0].public = "AAAA".to_owned();
    assert_eq!(refused_field(bad_key).0, "member ksp: key");
    let bad_authority = |text: &mut CharterText| member_of(text, "ksp").authorities = vec!["%".to_owned()];
    assert_eq!(refused_field(bad_authority).0, "member ksp: authorities");
    let bad_manager_key = |text: &mut CharterText| text.manager[0].keys[0].push('=');
    assert_eq!(refused_field(bad_manager_key).0, "manager \"kemenpanrb\"");
    let reversed = |text: &mut CharterText| {
        let key = &mut member_of(text, "ksp").key[0];
        std::mem::swap(&mut key.valid_from, &mut key.valid_until);
    };
    assert_eq!(refused_field(reversed).0, "member ksp: key valid_until");
}

#[test]
fn names_are_bounded_and_printable() {
    let long = "x".repeat(limits::TITLE_BYTES + 1);
    assert_eq!(refused_field(|text| member_of(text, "ksp").name = long).0, "member ksp: name");
    assert_eq!(refused_field(|text| member_of(text, "ksp").name.clear()).0, "member ksp: name");
    let escape = |text: &mut CharterText| member_of(text, "ksp").name = "\u{1b}[2J".to_owned();
    assert_eq!(refused_field(escape).0, "member ksp: name");
    let area = "x".repeat(limits::AREA_BYTES + 1);
    assert_eq!(refused_field(|text| member_of(text, "ksp").area = area).0, "member ksp: area");
    let long = "a".repeat(limits::FEDERATION_BYTES + 1);
    assert_eq!(refused_field(|text| text.federation = long).0, "federation");
    assert_eq!(refused_field(|text| text.federation = "Sinergi/Example".to_owned()).0, "federation");
}

#[test]
fn the_members_are_bounded() {
    let parse_text = |text: &CharterText| Charter::parse_text(&written(text), &[]);
    assert!(parse_text(&chain_of(limits::MEMBERS)).is_ok());
    match parse_text(&chain_of(limits::MEMBERS + 1)) {
        Err(CharterError::Field { field, .. }) => assert_eq!(field, "member"),
        other => panic!("expected a refused field, got {other:?}"),
    }
}

#[test]
fn a_note_over_the_limit_is_no_charter() {
    let note = vec![b'x'; limits::CHARTER_BYTES + 1];
    assert!(matches!(Charter::parse(&note), Err(CharterError::Note(_))));
}
