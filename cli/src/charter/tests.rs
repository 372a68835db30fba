//! Tests of drafts and signatures of charters.

use sinergi_proto::charter::{Charters, ManagerText, MemberKind, MemberStatus};

use super::*;

const MANAGERS: [&str; 3] = ["kemendagri", "ksp", "ombudsman"];

fn federation() -> Federation {
    "lapor.go.id".parse().expect("a name")
}

fn key(manager: &str) -> SigningKey {
    let mut seed = [0; 32];
    seed[..manager.len()].copy_from_slice(manager.as_bytes());
    SigningKey::from(seed)
}

fn manager(name: &str) -> ManagerText {
    let key = verifier_key(&manager_key_name(&federation(), name), &key(name));
    ManagerText { name: name.to_owned(), keys: vec![key.to_string()] }
}

fn member(id: &str, parent: Option<&str>) -> MemberText {
    MemberText {
        id: id.parse().expect("an id"),
        name: id.to_owned(),
        kind: MemberKind::City,
        parent: parent.map(|parent| parent.parse().expect("an id")),
        area: String::new(),
        endpoints: Vec::new(),
        oversight: false,
        status: MemberStatus::Active,
        authorities: Vec::new(),
        key: Vec::new(),
    }
}

fn text() -> CharterText {
    CharterText {
        revocation: Vec::new(),
        federation: federation().to_string(),
        version: 1,
        predecessor: None,
        valid_from: "2026-01-01T00:00:00Z".to_owned(),
        valid_until: "2028-01-01T00:00:00Z".to_owned(),
        grace_days: 30,
        threshold: 2,
        mediator: None,
        rules: Default::default(),
        manager: MANAGERS.map(manager).into(),
        member: vec![member("prov-jabar", None)],
    }
}

fn signed(paper: &Paper, managers: &[&str]) -> Paper {
    managers.iter().fold(paper.clone(), |paper, manager| {
        Paper::read(&paper.sign(Some(manager), &key(manager)).expect("a manager").note).expect("a note")
    })
}

fn refused<T>(result: Result<T, CharterWorkError>) -> String {
    result.err().map(|error| error.to_string()).expect("refused")
}

#[test]
fn a_draft_becomes_a_trusted_charter_when_enough_managers_have_signed() {
    let draft = draft(&text()).expect("a draft");
    assert!(draft.signers().expect("none").is_empty());
    let one = signed(&draft, &["ksp"]);
    Charters::self_signed(one.bytes()).expect_err("one of two");
    let two = signed(&one, &["kemendagri"]);
    assert_eq!(two.signers().expect("read"), ["kemendagri", "ksp"]);
    let charters = Charters::self_signed(two.bytes()).expect("two of two");
    assert_eq!(charters.newest().hash, draft.charter().expect("a charter").hash, "signing does not change the text");
}

#[test]
fn a_second_signature_of_the_same_manager_adds_nothing() {
    let one = signed(&draft(&text()).expect("a draft"), &["ksp"]);
    let again = one.sign(None, &key("ksp")).expect("a manager");
    assert!(again.before);
    assert_eq!(again.note, one.bytes());
}

#[test]
fn only_a_key_that_the_charter_lists_can_sign() {
    let draft = draft(&text()).expect("a draft");
    let error = refused(draft.sign(None, &key("kominfo")));
    assert!(error.contains("none of the keys of its managers (kemendagri, ksp, ombudsman)"), "{error}");
    let error = refused(draft.sign(Some("ombudsman"), &key("ksp")));
    assert!(error.contains("belongs to the manager ksp (as lapor.go.id/manager/ksp), not to ombudsman"), "{error}");
    draft.sign(Some("lapor.go.id/manager/ksp"), &key("ksp")).expect("named by its key");
}

#[test]
fn a_file_that_is_no_charter_cannot_be_signed() {
    for (wrong, said) in [
        ("version = 1\n", "its text is no charter"),
        ("hello\n", "its text is no charter"),
        ("version\t= 1\n", "line 1, column 8 has the control character U+0009"),
        ("a = 1\r\n", "U+000D"),
        ("a = 1\n\n\u{2014} broken\n", "its signature lines cannot be read"),
    ] {
        let error = refused(Paper::read(wrong.as_bytes()).and_then(|paper| paper.sign(None, &key("ksp"))));
        assert!(error.contains(said), "{wrong:?}: {error}");
    }
    assert!(refused(Paper::read(b"\xff")).contains("not UTF-8 at byte 0"));
    assert!(refused(Paper::read(&vec![b'#'; limits::CHARTER_BYTES + 1])).contains("more than"));
}

#[test]
fn a_change_after_signing_is_detected() {
    let note = signed(&draft(&text()).expect("a draft"), &["ksp"]);
    let changed = String::from_utf8(note.bytes().to_vec()).expect("text").replacen("threshold = 2", "threshold = 1", 1);
    let changed = Paper::read(changed.as_bytes()).expect("still a note");
    assert!(refused(changed.signers()).contains("does not verify"));
    assert!(refused(changed.sign(None, &key("ksp"))).contains("does not verify"));
}

#[test]
fn a_successor_names_its_predecessor_and_is_trusted_when_the_managers_have_signed() {
    let first = signed(&draft(&text()).expect("a draft"), &["ksp", "ombudsman"]);
    let mut next = successor(&first).expect("signed");
    assert_eq!((next.version, next.member.len(), next.manager.len()), (2, 1, 3));
    assert!(!add_member(&mut next, member("kota-bandung", Some("prov-jabar")), false).expect("new"));
    let next = signed(&draft(&next).expect("a draft"), &["ksp", "kemendagri"]);
    let mut charters = Charters::self_signed(first.bytes()).expect("trusted");
    assert_eq!(charters.succeed(next.bytes()).expect("its successor").version, 2);
    assert!(refused(successor(&draft(&text()).expect("a draft"))).contains("it is a draft"));
}

#[test]
fn a_member_replaces_another_only_if_that_is_asked_for() {
    let mut text = text();
    assert!(refused(add_member(&mut text, member("prov-jabar", None), false)).contains("listed already"));
    assert!(add_member(&mut text, member("prov-jabar", None), true).expect("replaced"));
    assert_eq!(text.member.len(), 1);
}

#[test]
fn only_a_block_as_init_writes_it_is_accepted() {
    let blocks = toml::to_string(&std::collections::BTreeMap::from([("member", vec![member("ksp", None)])]));
    assert_eq!(member_blocks(&blocks.expect("TOML")).expect("a block").len(), 1);
    assert!(refused(member_blocks("[[member]]\nidd = \"ksp\"\n")).contains("no block of a member"));
}
