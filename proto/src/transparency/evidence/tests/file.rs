//! Evidence files: who can open one, and what no reader accepts.

use super::*;

fn roll_back() -> wire::Accusation {
    let (earlier, later) = (Ledger::filled(5).signed(CITY, START), Ledger::filled(2).signed(CITY, START + 11 * MINUTE));
    against(CITY, Kind::RolledBack(wire::RolledBack { earlier, later }))
}

fn file(federation: &Federation, accusations: Vec<wire::Accusation>) -> Vec<u8> {
    let (accuser, charters) = (&agency("ombudsman"), &federation.charters);
    Evidence { accuser, made_at: LATER, charters, accusations }.sign(&entry_key("ombudsman"))
}

/// The file as a reader opens it who trusts this charter.
fn judged_by(file: &[u8], charter: &Arc<Charter>) -> Result<Opened, EvidenceError> {
    Opened::judge(file, Reader { charters: &[Arc::clone(charter)], lists: &[] })
}

#[test]
fn a_file_opens_with_nothing_but_the_charter_and_names_accuser_accused_and_finding() {
    let federation = Federation::new();
    let opened = judged_by(&file(&federation, vec![roll_back()]), federation.charter()).expect("it holds");
    assert_eq!((opened.accuser, opened.made_at, opened.statements.len()), (agency("ombudsman"), LATER, 1));
    let expected = "kota-bandung signed that its ledger had 5 leaves at 2025-11-24T16:00:00Z, and that it had only 2 at 2025-11-24T16:11:00Z. \
                    A ledger never shrinks: 3 leaves were taken away, and no new epoch says why.";
    assert_eq!(opened.statements[0].text, expected);
}

#[test]
fn a_file_is_judged_by_any_charter_of_its_chain_and_by_no_other() {
    let federation = Federation::changed(|_| {});
    let first = Federation::new();
    let written = file(&federation, vec![roll_back()]);
    for charter in [federation.charter(), first.charter()] {
        judged_by(&written, charter).expect("both are of one chain");
    }
    judged_by(&file(&first, vec![roll_back()]), federation.charter()).expect("the reader's is the next one");
    let other = Federation::changed(|text| text.grace_days = 31);
    assert!(matches!(judged_by(&written, other.charter()), Err(EvidenceError::OtherCharter { version: 2, .. })));
}

#[test]
fn a_file_that_accuses_nobody_or_falsely_does_not_open() {
    let federation = Federation::new();
    assert!(matches!(judged_by(&file(&federation, vec![]), federation.charter()), Err(EvidenceError::Empty)));
    let (earlier, later) = (Ledger::filled(5).signed(CITY, START), Ledger::filled(9).signed(CITY, START + MINUTE));
    let false_one = against(CITY, Kind::RolledBack(wire::RolledBack { earlier, later }));
    let result = judged_by(&file(&federation, vec![roll_back(), false_one]), federation.charter());
    assert!(matches!(result, Err(EvidenceError::NotProven { number: 2, .. })), "{result:?}");
    let unknown = wire::Accusation { accused: CITY.to_owned(), finding: None };
    assert!(judged_by(&file(&federation, vec![unknown]), federation.charter()).is_err());
}

#[test]
fn no_byte_of_a_file_can_be_changed_dropped_or_added() {
    let federation = Federation::new();
    let written = file(&federation, vec![roll_back()]);
    // The file is long, so only the first and last 200 bytes and every 7th byte are tried.
    for at in (0..written.len()).filter(|at| *at < 200 || at % 7 == 0 || at + 200 > written.len()) {
        let mut changed = written.clone();
        changed[at] ^= 1;
        assert!(judged_by(&changed, federation.charter()).is_err(), "byte {at} changed");
        let mut shorter = written.clone();
        shorter.remove(at);
        assert!(judged_by(&shorter, federation.charter()).is_err(), "byte {at} removed");
    }
    for more in [b"\n".as_slice(), b" ", b"A"] {
        assert!(judged_by(&[&written, more].concat(), federation.charter()).is_err());
    }
}

#[test]
fn evidence_under_a_revoked_key_holds_only_for_what_the_list_names_and_only_by_the_newest_charter() {
    let before = Federation::new();
    let place = |minute: u64| before.node(CITY).witnesses().at(START + minute * MINUTE);
    let (one, other) = (place(0).entry(), place(1).entry());
    let forked = wire::TwoEntries { one: one.signed().to_vec(), other: other.signed().to_vec() };
    let written = file(&before, vec![against(CITY, Kind::ForkedEntries(forked))]);
    judged_by(&written, before.charter()).expect("two entries in one place");
    let by_list = |names: &[&Entry]| {
        let names: Vec<EntryId> = names.iter().map(|entry| entry.id).collect();
        let after = Federation::after_theft(CITY, |list| list.entries.extend(names));
        let lists: Vec<TrustedList> = after.charters.lists().cloned().collect();
        let charters: Vec<Arc<Charter>> = after.charters.after(0).cloned().collect();
        let newest_alone = judged_by(&written, &charters[1]);
        assert!(matches!(newest_alone, Err(EvidenceError::Charters(_))), "it needs the list: {newest_alone:?}");
        Opened::judge(&written, Reader { charters: &charters, lists: &lists })
    };
    let all = by_list(&[&one, &other]).expect("the list names both");
    assert_eq!((all.charter_version, all.statements.len()), (2, 1));
    for names in [&[&one][..], &[]] {
        let judged = by_list(names);
        let is_disputed =
            |source: &NotProven| matches!(source, NotProven::Disputed { part: _, agency } if agency.as_str() == CITY);
        assert!(matches!(&judged, Err(EvidenceError::NotProven { source, .. }) if is_disputed(source)), "{judged:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let federation = Federation::new();
        let file = [b"sinergi evidence v2\n".as_slice(), &bytes].concat();
        prop_assert!(judged_by(&file, federation.charter()).is_err());
        if let Ok(accusation) = wire::Accusation::decode(bytes.as_slice()) {
            let _ = judged(&federation, &accusation);
        }
    }
}
