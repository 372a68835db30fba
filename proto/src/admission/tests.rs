//! Authentication by the charter, admission by the ancestors.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Verdict, admit, authenticate, signing_key};
use crate::base::clock::HybridClock;
use crate::base::ids::EntryId;
use crate::base::limits;
use crate::base::refusal::{DeferralCode, RefusalCode};
use crate::charter::MemberStatus;
use crate::entry::Entry;
use crate::fixture::{
    Case, DAY, FEDERATION, Federation, MINUTE, START, agency, charter_text, entry_key, key, member_of, sealed,
    signed_by, successor_text, written,
};

fn rng() -> StdRng {
    StdRng::seed_from_u64(7)
}

fn code(verdict: &Verdict) -> Option<u32> {
    match verdict {
        Verdict::Admit => None,
        Verdict::Refuse(refusal) => Some(refusal.code.number()),
        Verdict::Defer { code, .. } => Some(code.number()),
    }
}

fn authenticated(federation: &Federation, entry: Entry) -> Option<u32> {
    let verdicts = authenticate(&[entry], &federation.charters, rng());
    assert_eq!(verdicts.len(), 1);
    code(&verdicts[0])
}

fn refused(refusal: RefusalCode) -> Option<u32> {
    Some(refusal.number())
}

fn deferred(deferral: DeferralCode) -> Option<u32> {
    Some(deferral.number())
}

#[test]
fn a_bad_signature_in_a_batch_is_refused_alone() {
    let federation = Federation::new();
    let mut entries: Vec<Entry> =
        ["ombudsman", "ksp", "kominfo", "kota-bandung"].map(|id| federation.node(id).lodges().entry()).into();
    assert!(authenticate(&entries, &federation.charters, rng()).iter().all(|verdict| *verdict == Verdict::Admit));
    entries[2].signature[5] ^= 1;
    let codes: Vec<_> = authenticate(&entries, &federation.charters, rng()).iter().map(code).collect();
    assert_eq!(codes, [None, None, refused(RefusalCode::BadSignature), None]);
}

#[test]
fn an_empty_batch_has_no_verdicts() {
    assert_eq!(authenticate(&[], &Federation::new().charters, rng()), []);
}

#[test]
fn a_changed_entry_does_not_keep_its_signature() {
    let federation = Federation::new();
    let mut entry = federation.node("ksp").lodges().entry();
    let mut changed = entry.bytes.to_vec();
    *changed.last_mut().expect("not empty") ^= 1;
    entry.bytes = changed.into();
    assert_eq!(authenticated(&federation, entry), refused(RefusalCode::BadSignature));
}

#[test]
fn a_signature_for_another_purpose_is_bad() {
    let federation = Federation::new();
    let mut entry = federation.node("ksp").lodges().entry();
    entry.signature = entry_key("ksp").sign(&entry.bytes).to_bytes();
    assert_eq!(authenticated(&federation, entry), refused(RefusalCode::BadSignature));
}

#[test]
fn nobody_signs_with_another_agency_s_key() {
    let federation = Federation::new();
    let own_name_foreign_key = federation.node("ksp").lodges().signed_with(entry_key("kominfo")).entry();
    assert_eq!(authenticated(&federation, own_name_foreign_key), refused(RefusalCode::UnknownKey));
    // The key id of ksp, the signature of kominfo.
    let envelope = federation.node("ksp").lodges().entry();
    let forged = Entry::parse(sealed(envelope.bytes.to_vec(), &entry_key("kominfo")), FEDERATION).expect("an entry");
    assert_eq!(authenticated(&federation, forged), refused(RefusalCode::BadSignature));
    let checkpoint_key = federation.node("ksp").lodges().signed_with(key("ksp checkpoint")).entry();
    assert_eq!(authenticated(&federation, checkpoint_key), refused(RefusalCode::UnknownKey));
}

#[test]
fn a_key_signs_only_within_its_validity() {
    let federation = Federation::new();
    let at = |millis| authenticated(&federation, federation.node("ksp").lodges().at(millis).entry());
    let (from, until) = (1_735_689_600_000, 2_082_758_400_000);
    assert_eq!(at(from), None);
    assert_eq!(at(from - 1), refused(RefusalCode::KeyNotValidThen));
    assert_eq!(at(until - 1), None);
    assert_eq!(at(until), refused(RefusalCode::KeyNotValidThen));
    assert_eq!(at(HybridClock::MAX_MILLIS), refused(RefusalCode::KeyNotValidThen));
}

#[test]
fn a_charter_that_is_not_here_defers_the_entry_until_it_has_come() {
    let mut federation = Federation::new();
    let entry = federation.node("ksp").lodges().under_charter(2).entry();
    assert_eq!(authenticated(&federation, entry.clone()), deferred(DeferralCode::MissingCharter));
    let note = signed_by(&["kemendagri", "ksp", "kominfo"], &written(&successor_text(&charter_text())));
    federation.charters.succeed(&note).expect("a successor");
    assert_eq!(authenticated(&federation, entry), None);
}

#[test]
fn a_non_member_and_a_retired_member_are_unknown_authors() {
    let federation = Federation::changed(|text| {
        member_of(text, "kominfo").status = MemberStatus::Retired;
        member_of(text, "ksp").status = MemberStatus::Suspended;
    });
    let by = |id: &str| authenticated(&federation, federation.node(id).lodges().signed_with(entry_key(id)).entry());
    assert_eq!(by("setneg"), refused(RefusalCode::UnknownAuthor));
    assert_eq!(by("kominfo"), refused(RefusalCode::UnknownAuthor));
    assert_eq!(by("ksp"), None, "a suspended member finishes what it holds");
    let before = federation.node("kominfo").lodges().under_charter(1).entry();
    assert_eq!(authenticated(&federation, before), None, "the charter that the entry names judges it");
}

#[test]
fn the_signing_key_is_the_one_that_the_entry_names() {
    let federation = Federation::new();
    let entry = federation.node("ksp").lodges().entry();
    let found = signing_key(&entry, &federation.charters).expect("a key");
    assert_eq!(found.public, entry_key("ksp").verification_key());
    assert_eq!(found.id, entry.key_id);
}

#[test]
fn a_parent_that_is_not_here_defers() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let unseen = EntryId([9; 32]);
    let mut parents = case.complaint.parents_of_next();
    parents.push(unseen);
    let entry = federation.node("ombudsman").responds(&case).after(&parents).entry();
    assert_eq!(code(&case.judges(&entry)), deferred(DeferralCode::MissingParent));

    let response = federation.node("ombudsman").responds(&case).entry();
    case.learn(&response);
    let progress = federation.node("ombudsman").progresses(&case).entry();
    let other = federation.case_at("ombudsman");
    assert_eq!(code(&other.judges(&progress)), deferred(DeferralCode::MissingParent));
    assert_eq!(case.judges(&progress), Verdict::Admit);
}

#[test]
fn an_entry_of_a_complaint_that_is_not_here_waits_for_it() {
    let federation = Federation::new();
    let case = federation.case_at("ombudsman");
    let entry = federation.node("ombudsman").responds(&case).entry();
    assert_eq!(code(&admit(&entry, None, federation.charter(), case.now)), deferred(DeferralCode::MissingParent));
}

#[test]
fn a_clock_exceeds_every_parent_s() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let node = federation.node("ombudsman");
    assert_eq!(code(&case.judges(&node.responds(&case).at(START).entry())), refused(RefusalCode::ClockNotAfterParents));
    let earlier = node.responds(&case).at(START - DAY).entry();
    assert_eq!(code(&case.judges(&earlier)), refused(RefusalCode::ClockNotAfterParents));
    let response = node.responds(&case).entry();
    assert_eq!(response.clock, HybridClock::new(START, 1), "the counter alone exceeds");
    assert_eq!(case.judges(&response), Verdict::Admit);

    case.later(DAY);
    let newest = case.take(node.progresses(&case));
    let lodged = case.complaint.timeline().next().expect("Lodged").0;
    let one_of_two = node.responds(&case).after(&[lodged, newest]).at(START + MINUTE).entry();
    assert_eq!(code(&case.judges(&one_of_two)), refused(RefusalCode::ClockNotAfterParents));
}

#[test]
fn an_entry_names_no_older_charter_than_any_of_its_parents() {
    let federation = Federation::changed(|_| ());
    let node = federation.node("ombudsman");
    let mut case = Case::lodged(&federation, &node.lodges().under_charter(1).entry());
    let lodged = case.complaint.tip();
    let older = case.take(node.responds(&case).under_charter(1));
    let newer = case.take(node.progresses(&case).after(&[lodged]).under_charter(2));
    let older_charter = refused(RefusalCode::OlderCharter);
    for parents in [vec![newer], vec![older, newer], vec![newer, older]] {
        let writing = node.remarks(&case).after(&parents);
        assert_eq!(code(&case.judges(&writing.clone().under_charter(1).entry())), older_charter, "{parents:?}");
        assert_eq!(case.judges(&writing.under_charter(2).entry()), Verdict::Admit);
    }
    for parents in [vec![lodged], vec![older]] {
        let beside = node.remarks(&case).after(&parents).under_charter(1).entry();
        assert_eq!(case.judges(&beside), Verdict::Admit, "an author without the newer charter may name the older one");
    }
}

#[test]
fn the_basis_is_a_custody_entry_among_the_ancestors() {
    let federation = Federation::new();
    let mut case = federation.case_at("ombudsman");
    let node = federation.node("ombudsman");
    let lodged = case.complaint.tip();
    let response = case.take(node.responds(&case));
    let foreign = refused(RefusalCode::ForeignBasis);
    assert_eq!(code(&case.judges(&node.progresses(&case).on(response).entry())), foreign, "a case entry");
    assert_eq!(code(&case.judges(&node.progresses(&case).on(EntryId([3; 32])).entry())), foreign, "an unknown entry");

    let offer = case.take(node.forwards(&case).to("kominfo"));
    let beside = federation.node("kominfo").accepts(&case).on(offer).after(&[lodged]).entry();
    assert_eq!(code(&case.judges(&beside)), foreign, "here, but no ancestor");
    let below = federation.node("kominfo").accepts(&case).on(offer).entry();
    assert_eq!(case.judges(&below), Verdict::Admit);
}

#[test]
fn an_author_has_a_role_in_the_complaint() {
    let federation = Federation::new();
    let mut case = federation.case_at("kominfo");
    let by = |case: &Case<'_>, id: &str| code(&case.judges(&federation.node(id).remarks(case).entry()));
    let no_role = refused(RefusalCode::NoRole);
    assert_eq!(by(&case, "kominfo"), None, "the intake agency");
    assert_eq!(by(&case, "ombudsman"), None, "oversight");
    for stranger in ["kota-bandung", "prov-jabar", "kemendagri", "kemenpanrb"] {
        assert_eq!(by(&case, stranger), no_role, "{stranger}");
    }
    case.take(federation.node("kominfo").forwards(&case).to("kota-bandung"));
    assert_eq!(by(&case, "kota-bandung"), None, "custody was offered to it");
    assert_eq!(by(&case, "prov-jabar"), None, "the supervisor of a participant");
    assert_eq!(by(&case, "kemendagri"), no_role, "the supervisor's supervisor");
}

#[test]
fn a_role_comes_from_the_ancestors_and_not_from_other_entries() {
    let federation = Federation::new();
    let mut case = federation.case_at("kominfo");
    let lodged = case.complaint.tip();
    case.take(federation.node("kominfo").forwards(&case).to("kota-bandung"));
    let blind = federation.node("kota-bandung").remarks(&case).on(lodged).after(&[lodged]).entry();
    assert_eq!(code(&case.judges(&blind)), refused(RefusalCode::NoRole));
}

#[test]
fn an_offer_without_effect_gives_no_role() {
    let federation = Federation::new();
    let mut case = federation.case_at("kominfo");
    case.take(federation.node("ombudsman").forwards(&case).to("kota-bandung"));
    let remark = federation.node("kota-bandung").remarks(&case).entry();
    assert_eq!(code(&case.judges(&remark)), refused(RefusalCode::NoRole));
}

#[test]
fn an_entry_with_a_clock_ahead_is_deferred_until_its_time() {
    let federation = Federation::new();
    let lodged = federation.node("ksp").lodges().entry();
    let ahead = u64::try_from(limits::CLOCK_AHEAD.as_millis()).expect("five minutes");
    let at = |now| code(&admit(&lodged, None, federation.charter(), now));
    assert_eq!(at(START - ahead), None);
    assert_eq!(at(START - ahead - 1), deferred(DeferralCode::ClockAhead));
    assert_eq!(at(0), deferred(DeferralCode::ClockAhead));
    assert_eq!(at(u64::MAX), None);
}

#[test]
fn a_node_entry_needs_no_complaint() {
    let federation = Federation::new();
    let entry = federation.node("ksp").witnesses().entry();
    assert_eq!(admit(&entry, None, federation.charter(), START), Verdict::Admit);
}

#[test]
fn an_author_writes_a_bounded_number_of_entries_of_one_complaint() {
    let federation = Federation::new();
    let mut case = federation.case_at("ksp");
    let node = federation.node("ksp");
    // Lodged is the first of the entries. The copies have no valid signatures, which the fold does not check.
    let model = node.remarks(&case).entry();
    let mut parent = case.complaint.tip();
    for index in 1..limits::ENTRIES_PER_AUTHOR as u64 {
        let mut entry = model.clone();
        let number = index.to_be_bytes();
        entry.id = EntryId([number, number, number, number].concat().try_into().expect("32 bytes"));
        entry.parents = vec![parent];
        entry.clock = HybridClock::new(START + index, 0);
        parent = entry.id;
        case.complaint.insert(&entry, federation.charter());
    }
    assert_eq!(case.complaint.len(), limits::ENTRIES_PER_AUTHOR);
    case.later(DAY);
    assert_eq!(code(&case.judges(&node.remarks(&case).entry())), refused(RefusalCode::AuthorQuota));
    let other = federation.node("ombudsman").remarks(&case).entry();
    assert_eq!(case.judges(&other), Verdict::Admit, "the quota is the author's own");
    assert!(case.complaint.contains(&parent));
    assert_eq!(case.complaint.participants().len(), 1);
    assert_eq!(case.complaint.intake(), &agency("ksp"));
}
