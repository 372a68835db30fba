//! Revocations: which charters with revoked keys are trusted, and what counts under them.

use data_encoding::{BASE64, HEXLOWER};

use super::*;
use crate::base::ids::{EntryId, Epoch};
use crate::charter::{Anchor, ListName, RevocationError, RevocationText, TrustedList, TrustedListDraft};
use crate::fixture::ledger::Ledger;
use crate::fixture::{START, entry_key, key, renewed_key, revoking};

const CITY: &str = "kota-bandung";

fn list_of(of: &str, keys: &[[u8; 32]]) -> TrustedList {
    let draft = TrustedListDraft::new(FEDERATION, &agency(of), keys.iter().copied());
    TrustedList::parse(draft.write()).expect("a list")
}

fn public(name: &str) -> [u8; 32] {
    (&key(name).verification_key()).into()
}

fn entry_of(of: &str) -> [u8; 32] {
    (&entry_key(of).verification_key()).into()
}

/// The result of trusting the second charter, when these lists are here.
fn succeeds(text: &CharterText, lists: &[&TrustedList]) -> Result<(), CharterTrustError> {
    let mut charters = trusted();
    lists.iter().for_each(|list| charters.keep_list((*list).clone()));
    charters.succeed(&signed_by(&MANAGERS[..3], &written(text))).map(drop)
}

fn refused_revocation(result: Result<(), CharterTrustError>) -> RevocationError {
    match result {
        Err(CharterTrustError::Revocation { source, .. }) => source,
        other => panic!("expected a refused revocation, got {other:?}"),
    }
}

#[test]
fn a_charter_that_revokes_keys_is_trusted_only_with_the_list_that_it_names() {
    let list = list_of(CITY, &[entry_of(CITY)]);
    let text = revoking(CITY, &list);
    assert!(succeeds(&text, &[&list]).is_ok());
    let name = ListName { hash: list.hash(), bytes: list.text().len() };
    let other = list_of(CITY, &[entry_of(CITY), public("another key")]);
    for lists in [&[][..], &[&other]] {
        let missing = succeeds(&text, lists);
        assert!(
            matches!(missing, Err(CharterTrustError::MissingList { version: 2, list }) if list == name),
            "{missing:?}"
        );
    }
    let few = Charters::clone(&trusted()).succeed(&signed_by(&MANAGERS[..2], &written(&text))).map(drop);
    assert!(
        matches!(few, Err(CharterTrustError::BelowThreshold { .. })),
        "nobody fetches a list that the managers did not name"
    );
}

#[test]
fn a_list_about_other_keys_or_another_agency_is_refused() {
    for list in [list_of(CITY, &[public("another key")]), list_of("ksp", &[entry_of(CITY)])] {
        let mut text = revoking(CITY, &list_of(CITY, &[entry_of(CITY)]));
        text.revocation[0].list = HEXLOWER.encode(&list.hash());
        text.revocation[0].list_bytes = list.text().len();
        assert!(matches!(refused_revocation(succeeds(&text, &[&list])), RevocationError::OtherList { .. }));
    }
}

#[test]
fn only_a_key_that_the_agency_had_is_revoked_and_it_stays_revoked() {
    let list = list_of(CITY, &[entry_of(CITY)]);
    let text = revoking(CITY, &list);
    let unknown = list_of(CITY, &[public("never listed")]);
    let mut wrong = successor_text(&charter_text());
    let (hash, list_bytes) = (HEXLOWER.encode(&unknown.hash()), unknown.text().len());
    let keys = vec![BASE64.encode(&public("never listed"))];
    wrong.revocation.push(RevocationText { agency: agency(CITY), keys, list: hash, list_bytes });
    assert!(matches!(refused_revocation(succeeds(&wrong, &[&unknown])), RevocationError::UnknownKey { .. }));

    let mut charters = trusted();
    charters.keep_list(list.clone());
    charters.succeed(&signed_by(&MANAGERS[..3], &written(&text))).expect("it revokes");
    let forgets = CharterText { revocation: Vec::new(), ..successor_text(&text) };
    let taken_back = charters.clone().succeed(&signed_by(&MANAGERS[..3], &written(&forgets))).map(drop);
    assert!(matches!(refused_revocation(taken_back), RevocationError::TakenBack { .. }));
    let longer = {
        let mut draft = list.to_draft();
        draft.entries.insert(EntryId([7; 32]));
        TrustedList::parse(draft.write()).expect("a list")
    };
    charters.keep_list(longer.clone());
    let mut corrected = successor_text(&text);
    corrected.revocation[0].list = HEXLOWER.encode(&longer.hash());
    corrected.revocation[0].list_bytes = longer.text().len();
    let number = entry_key(CITY).id();
    assert!(charters.disputes_entry(&agency(CITY), number, &EntryId([7; 32])));
    charters.succeed(&signed_by(&MANAGERS[..3], &written(&corrected))).expect("a later version may name another list");
    assert!(!charters.disputes_entry(&agency(CITY), number, &EntryId([7; 32])));
    assert!(!charters.disputes_entry(&agency(CITY), renewed_key(CITY).id(), &EntryId([8; 32])));
}

#[test]
fn a_revocation_in_a_text_names_each_key_once_and_none_that_a_member_has() {
    let revocation = |keys: &[[u8; 32]], bytes| RevocationText {
        agency: agency(CITY),
        keys: keys.iter().map(|key| BASE64.encode(key)).collect(),
        list: HEXLOWER.encode(&[1; 32]),
        list_bytes: bytes,
    };
    let problem = |revocation: RevocationText| refused_field(|text| text.revocation.push(revocation)).1;
    assert!(problem(revocation(&[entry_of(CITY)], 1)).contains("is still a key of a member"));
    assert!(problem(revocation(&[public("x"), public("x")], 1)).contains("stands twice"));
    assert!(problem(revocation(&[], 1)).contains("names no key"));
    for bytes in [0, limits::TRUSTED_LIST_BYTES + 1] {
        assert!(problem(revocation(&[public("x")], bytes)).contains(&bytes.to_string()));
    }
    let first = refused_revocation(
        Charters::self_signed(&signed_by(&MANAGERS[..3], &{
            let mut text = charter_text();
            text.revocation.push(revocation(&[public("x")], 1));
            written(&text)
        }))
        .map(drop),
    );
    assert!(matches!(first, RevocationError::UnknownKey { .. }), "the first version has none before it");
}

#[test]
fn a_checkpoint_under_a_revoked_key_counts_only_as_an_anchor_of_the_list_and_without_its_time() {
    let old = public(&format!("{CITY} checkpoint"));
    let ledger = Ledger::filled(5);
    let note = ledger.signed(CITY, START);
    let before = trusted();
    let opened = before.open_checkpoint(&note, &agency(CITY)).expect("the key is good");
    let with_anchors = |anchors: Vec<Anchor>| {
        let mut draft = TrustedListDraft::new(FEDERATION, &agency(CITY), [old]);
        draft.anchors.extend(anchors);
        let list = TrustedList::parse(draft.write()).expect("a list");
        let mut text = successor_text(&charter_text());
        let (hash, list_bytes) = (HEXLOWER.encode(&list.hash()), list.text().len());
        member_of(&mut text, CITY).key.retain(|key| key.public != BASE64.encode(&old));
        text.revocation.push(RevocationText {
            agency: agency(CITY),
            keys: vec![BASE64.encode(&old)],
            list: hash,
            list_bytes,
        });
        let mut charters = trusted();
        charters.keep_list(list);
        charters.succeed(&signed_by(&MANAGERS[..3], &written(&text))).expect("it revokes");
        charters.open_checkpoint(&note, &agency(CITY))
    };
    let anchor = Anchor { agency: agency(CITY), epoch: Epoch(1), size: opened.size, root: opened.root };
    let kept = with_anchors(vec![anchor.clone()]).expect("the list names it");
    assert_eq!((kept.size, kept.root, kept.seconds), (opened.size, opened.root, None));
    assert!(with_anchors(Vec::new()).is_err());
    assert!(
        with_anchors(vec![Anchor { size: 4, ..anchor.clone() }, Anchor { agency: agency("ksp"), ..anchor }]).is_err()
    );
}
