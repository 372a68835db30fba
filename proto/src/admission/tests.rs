//! Authentication by the charter, admission by the ancestors.

mod shown;

use prost::Message;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sha2::Digest;

use super::received::{Received, receive_items};
use super::{Verdict, VerifiedBatches, admit, authenticate, signing_key};
use crate::base::clock::HybridClock;
use crate::base::ids::EntryId;
use crate::base::limits;
use crate::base::refusal::{DeferralCode, RefusalCode};
use crate::charter::MemberStatus;
use crate::entry::{CharterName, Entry, OwnBatch, VERSION, signed_bytes};
use crate::fixture::{
    Case, DAY, FEDERATION, Federation, MINUTE, START, agency, charter_text, entry_key, key, member_of, sealed,
    signed_by, successor_text, written,
};
use crate::wire;

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
    let verdicts = authenticate(&[entry], &federation.charters, &VerifiedBatches::default(), rng());
    assert_eq!(verdicts.len(), 1);
    code(&verdicts[0])
}

fn refused(refusal: RefusalCode) -> Option<u32> {
    Some(refusal.number())
}

fn deferred(deferral: DeferralCode) -> Option<u32> {
    Some(deferral.number())
}

/// The code of an entry whose copy has no envelope that verifies.
const UNSIGNED: Option<u32> = Some(DeferralCode::Unsigned as u32);

/// The same entry with a bit of its signature changed.
fn spoiled(entry: &Entry) -> Entry {
    let mut signed = wire::SignedEntry::decode(entry.signed()).expect("a signed entry");
    let envelope = signed.envelope.as_mut().expect("an envelope");
    let mut signature = envelope.signature.to_vec();
    signature[5] ^= 1;
    envelope.signature = signature.into();
    let spoiled = Entry::parse(signed.encode_to_vec().into(), FEDERATION).expect("the envelope is no part of it");
    assert_ne!(spoiled.envelope, entry.envelope);
    Entry { envelope: spoiled.envelope, ..entry.clone() }
}

#[test]
fn a_bad_signature_in_a_frame_is_deferred_alone() {
    let federation = Federation::new();
    let mut entries: Vec<Entry> =
        ["ombudsman", "ksp", "kominfo", "kota-bandung"].map(|id| federation.node(id).lodges().entry()).into();
    let codes = |entries: &[Entry]| -> Vec<_> {
        let known = VerifiedBatches::default();
        authenticate(entries, &federation.charters, &known, rng()).iter().map(code).collect()
    };
    assert_eq!(codes(&entries), [None; 4]);
    entries[2] = spoiled(&entries[2]);
    assert_eq!(codes(&entries), [None, None, UNSIGNED, None]);
    entries[2].envelope = None;
    assert_eq!(codes(&entries), [None, None, UNSIGNED, None]);
}

#[test]
fn a_batch_of_a_liar_covers_no_entry_of_another_author() {
    let federation = Federation::new();
    // The liar writes an entry in another agency's name, and signs it together with an own one.
    let (mut forged, mut own) =
        (federation.node("ksp").lodges().entry(), federation.node("kominfo").lodges().at_leaf(3).entry());
    let genuine = forged.clone();
    let batch = OwnBatch::sign(&[forged.id, own.id], &entry_key("kominfo"));
    (forged.envelope, own.envelope) = (Some(batch.envelope(0)), Some(batch.envelope(1)));
    // The author itself has signed the entry in a batch of the same size.
    let beside = federation.node("ksp").lodges().at_leaf(1).entry();
    let mut in_a_batch = genuine.clone();
    in_a_batch.envelope = Some(OwnBatch::sign(&[genuine.id, beside.id], &entry_key("ksp")).envelope(0));
    for good in [genuine, in_a_batch] {
        assert_eq!(good.id, forged.id);
        let lie = [forged.clone(), own.clone()];
        let verdicts = |known: &VerifiedBatches, entries: &[Entry]| -> Vec<_> {
            authenticate(entries, &federation.charters, known, rng()).iter().map(code).collect()
        };
        let known = VerifiedBatches::default();
        assert_eq!(verdicts(&known, &lie), [UNSIGNED, None], "the liar is first");
        assert_eq!(verdicts(&known, std::slice::from_ref(&good)), [None]);
        assert_eq!(verdicts(&known, &lie), [UNSIGNED, None], "also when both batches are known");
        let known = VerifiedBatches::default();
        assert_eq!(verdicts(&known, std::slice::from_ref(&good)), [None], "the author is first");
        assert_eq!(verdicts(&known, &lie), [UNSIGNED, None]);
        let together = [forged.clone(), good.clone(), own.clone()];
        assert_eq!(verdicts(&VerifiedBatches::default(), &together), [UNSIGNED, None, None], "in one frame");
    }
}

#[test]
fn a_spoiled_copy_takes_nothing_from_a_batch_that_was_verified_before_or_comes_later() {
    let federation = Federation::new();
    let mut entries: Vec<Entry> = (0..5).map(|leaf| federation.node("ksp").lodges().at_leaf(leaf).entry()).collect();
    let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
    let batch = OwnBatch::sign(&ids, &entry_key("ksp"));
    for (index, entry) in entries.iter_mut().enumerate() {
        entry.envelope = Some(batch.envelope(index));
    }
    let known = VerifiedBatches::default();
    let alone =
        |entry: &Entry| code(&authenticate(std::slice::from_ref(entry), &federation.charters, &known, rng())[0]);
    assert_eq!(alone(&spoiled(&entries[4])), UNSIGNED, "before the batch is known");
    assert_eq!(alone(&entries[0]), None);
    for entry in &entries {
        assert_eq!(alone(&spoiled(entry)), UNSIGNED, "although the same batch was verified");
        let elsewhere = Entry { envelope: entries[2].envelope.clone(), ..entry.clone() };
        assert_eq!(alone(&elsewhere).is_none(), entry.id == ids[2], "an envelope proves one place");
        assert_eq!(alone(entry), None, "the good copy comes afterwards");
    }
}

#[test]
fn an_entry_is_authentic_in_every_envelope_of_its_author() {
    let federation = Federation::new();
    let entry = federation.node("ksp").lodges().entry();
    let other = federation.node("ksp").lodges().at_leaf(1).entry();
    let known = VerifiedBatches::default();
    for (ids, index) in [(vec![entry.id], 0), (vec![entry.id, other.id], 0), (vec![other.id, entry.id], 1)] {
        let envelope = Some(OwnBatch::sign(&ids, &entry_key("ksp")).envelope(index));
        let copy = Entry { envelope, ..entry.clone() };
        assert_eq!(copy.id, entry.id);
        assert_eq!(authenticate(&[copy], &federation.charters, &known, rng()), [Verdict::Admit]);
    }
}

#[test]
fn an_empty_batch_has_no_verdicts() {
    assert_eq!(authenticate(&[], &Federation::new().charters, &VerifiedBatches::default(), rng()), []);
}

#[test]
fn a_changed_entry_does_not_keep_its_signature() {
    let federation = Federation::new();
    let entry = federation.node("ksp").lodges().entry();
    let mut changed = entry.bytes.to_vec();
    *changed.last_mut().expect("not empty") ^= 1;
    let changed = Entry::parse_bare(changed.into(), entry.envelope.clone(), FEDERATION).expect("an entry");
    assert_ne!(changed.id, entry.id);
    assert_eq!(authenticated(&federation, changed), UNSIGNED);
}

#[test]
fn a_signature_for_another_purpose_is_bad() {
    let federation = Federation::new();
    let entry = federation.node("ksp").lodges().entry();
    // Over the entry, over its id, and in the form of version 1.
    let messages: [&[u8]; 3] = [&entry.bytes, &entry.id.0, &[b"sinergi/entry/v1\0".as_slice(), &entry.bytes].concat()];
    for message in messages {
        let signature = entry_key("ksp").sign(message).to_bytes();
        let envelope = Some(OwnBatch::restore(&[entry.id], signature).envelope(0));
        assert_eq!(authenticated(&federation, Entry { envelope, ..entry.clone() }), UNSIGNED);
    }
}

#[test]
fn nobody_signs_with_another_agency_s_key() {
    let federation = Federation::new();
    let own_name_foreign_key = federation.node("ksp").lodges().signed_with(entry_key("kominfo")).entry();
    assert_eq!(authenticated(&federation, own_name_foreign_key), refused(RefusalCode::UnknownKey));
    // The key id of ksp, the signature of kominfo.
    let envelope = federation.node("ksp").lodges().entry();
    let forged = Entry::parse(sealed(envelope.bytes.to_vec(), &entry_key("kominfo")), FEDERATION).expect("an entry");
    assert_eq!(authenticated(&federation, forged), UNSIGNED);
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
    let entry = Federation::changed(|_| ()).node("ksp").lodges().entry();
    assert_eq!(entry.charter.version, 2);
    assert_eq!(authenticated(&federation, entry.clone()), deferred(DeferralCode::MissingCharter));
    let note = signed_by(&["kemendagri", "ksp", "kominfo"], &written(&successor_text(&charter_text())));
    federation.charters.succeed(&note).expect("a successor");
    assert_eq!(authenticated(&federation, entry), None);
}

#[test]
fn an_entry_that_names_another_charter_of_a_trusted_version_is_deferred() {
    let federation = Federation::changed(|_| ());
    let rival = Federation::changed(|text| member_of(text, "ksp").status = MemberStatus::Retired);
    let (here, there) = (federation.charter().name(), rival.charter().name());
    assert_eq!((here.version, there.version), (2, 2));
    assert_ne!(here.hash, there.hash);
    let missing = deferred(DeferralCode::MissingCharter);
    for hash in [there.hash, 0, here.hash ^ 1, federation.charters.version(1).expect("the first").name().hash] {
        let mut writing = federation.node("ksp").lodges();
        assert_eq!(authenticated(&federation, writing.entry()), None);
        writing.draft.charter = CharterName { version: 2, hash };
        assert_eq!(authenticated(&federation, writing.entry()), missing, "{hash:016x}");
        assert_eq!(authenticated(&federation, spoiled(&writing.entry())), missing, "its key is not known");
    }
}

#[test]
fn every_item_of_a_frame_is_authentic_or_deferred_or_refused_with_the_id_that_its_sender_computes() {
    let federation = Federation::new();
    let writing = federation.node("ksp").lodges();
    let (good, bad) = (writing.entry(), spoiled(&writing.entry()));
    let bare = signed_bytes(good.bytes.clone(), None);
    let later = writing.edited(|entry| entry.version = VERSION + 1);
    let earlier = writing.edited(|entry| entry.version = VERSION - 1);
    let stranger = federation.node("setneg").lodges().signed().bytes;
    let noise = bytes::Bytes::from_static(b"\xff\xff");
    let like_a_leaf = bytes::Bytes::from([&[0], good.bytes.as_ref()].concat());
    let no_entry = |bytes: &bytes::Bytes| {
        let name = sha2::Sha256::new().chain_update(b"sinergi/no-entry/v2\0").chain_update(bytes);
        EntryId(name.finalize().into())
    };
    assert_eq!(EntryId(sha2::Sha256::digest(&like_a_leaf).into()), good.id);
    let id = |signed: &bytes::Bytes| crate::entry::id_in(signed).expect("an entry");
    let rows = [
        (good.signed(), None, good.id),
        (bad.signed(), UNSIGNED, good.id),
        (bare, UNSIGNED, good.id),
        (later.clone(), deferred(DeferralCode::LaterVersion), id(&later)),
        (earlier.clone(), refused(RefusalCode::UnsupportedVersion), id(&earlier)),
        (stranger.clone(), refused(RefusalCode::UnknownAuthor), id(&stranger)),
        (noise.clone(), refused(RefusalCode::Undecodable), no_entry(&noise)),
        // A liar must not get a refusal that names an entry. Its id is the hash of a zero byte and its bytes.
        (like_a_leaf.clone(), refused(RefusalCode::Undecodable), no_entry(&like_a_leaf)),
        (good.bytes.clone(), refused(RefusalCode::Undecodable), no_entry(&good.bytes)),
    ];
    let items = rows.iter().map(|(signed, _, _)| wire::Item { signed_entry: signed.clone(), ..Default::default() });
    let known = VerifiedBatches::default();
    let received = receive_items(items.clone().collect(), FEDERATION, &federation.charters, &known, rng());
    assert_eq!(received.len(), rows.len());
    for ((received, sent), (_, expected, id)) in received.into_iter().zip(items).zip(&rows) {
        let found = match received {
            Received::Authentic(authentic) => {
                assert_eq!(authentic.item, sent);
                (None, authentic.entry.id)
            }
            Received::Deferred { entry, code, item, .. } => {
                assert_eq!(item, sent, "the whole item, so that it can be kept or named");
                (Some(code.number()), entry)
            }
            Received::Refused { entry, refusal, bytes } => {
                assert_eq!(bytes, sent.signed_entry);
                (Some(refusal.code.number()), entry)
            }
        };
        assert_eq!(found, (*expected, *id));
    }
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
fn the_charter_s_mediator_always_has_a_role() {
    let federation = Federation::changed(|text| text.mediator = Some(agency("kemenpanrb")));
    let case = federation.case_at("kominfo");
    let by = |id: &str| code(&case.judges(&federation.node(id).remarks(&case).entry()));
    assert_eq!(by("kemenpanrb"), None);
    assert_eq!(by("kemendagri"), refused(RefusalCode::NoRole));
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
fn an_offer_gives_a_role_with_effect_or_not() {
    let federation = Federation::new();
    let mut case = federation.case_at("kominfo");
    case.take(federation.node("ombudsman").forwards(&case).to("kota-bandung"));
    let remark = federation.node("kota-bandung").remarks(&case).entry();
    assert_eq!(code(&case.judges(&remark)), None, "effect may change, and a refusal may not");
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
        case.complaint.insert(&entry, &federation.charters);
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
