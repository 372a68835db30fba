//! Which bytes parse as an entry, and the code with which all others are refused.

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;

use super::{Body, CaseAct, ContentClass, Entry, ParseError, VERSION, id_in, open, signed_bytes};
use crate::base::ids::{ComplaintId, EntryId};
use crate::base::limits;
use crate::base::refusal::RefusalCode;
use crate::fixture::{Case, FEDERATION, Federation, START, Writing, entry_key, sealed};
use crate::wire::{self, entry::Body as Wire};

fn parse(signed: Bytes) -> Result<Entry, RefusalCode> {
    Entry::parse(signed, FEDERATION).map_err(|error| match error {
        ParseError::Refused(refusal) => refusal.code,
        ParseError::LaterVersion(version) => panic!("it is of version {version}"),
    })
}

fn refusal(signed: Bytes) -> RefusalCode {
    parse(signed).expect_err("bytes that are refused")
}

fn edited(writing: &Writing, change: impl FnOnce(&mut wire::Entry)) -> Result<Entry, RefusalCode> {
    parse(writing.edited(change))
}

/// Runs a test on a complaint that the ombudsman lodged and holds.
fn with_case<T>(test: impl FnOnce(&Federation, &Case<'_>) -> T) -> T {
    let federation = Federation::new();
    let case = federation.case_at("ombudsman");
    test(&federation, &case)
}

fn forwarded(change: impl FnOnce(&mut wire::Entry)) -> Result<Entry, RefusalCode> {
    with_case(|federation, case| edited(&federation.node("ombudsman").forwards(case).to("kominfo"), change))
}

fn lodged(change: impl FnOnce(&mut wire::Lodged)) -> Result<Entry, RefusalCode> {
    edited(&Federation::new().node("ombudsman").lodges(), |message| match &mut message.body {
        Some(Wire::Lodged(body)) => change(body),
        other => panic!("{other:?}"),
    })
}

#[test]
fn an_entry_reads_back_what_was_written_and_keeps_its_bytes() {
    with_case(|federation, case| {
        let writing = federation.node("ombudsman").forwards(case).to("kominfo");
        let signed = writing.signed();
        let entry = Entry::parse(signed.bytes.clone(), FEDERATION).expect("an entry");
        assert_eq!(entry.signed(), signed.bytes);
        assert_eq!(entry.id, signed.id);
        assert_eq!(entry.id, EntryId::of(&entry.bytes));
        assert_eq!(entry.complaint, Some(case.complaint.id()));
        assert_eq!(entry.parents, [case.complaint.tip()]);
        assert_eq!(entry.body.basis(), Some(case.complaint.tip()));
        assert_eq!(entry.body.name(), "Forwarded");
        assert!(entry.verify(&entry_key("ombudsman").verification_key()));
    });
}

#[test]
fn a_newly_signed_entry_equals_the_entry_parsed_from_its_bytes() {
    with_case(|federation, case| {
        let node = federation.node("ombudsman");
        for writing in [node.lodges(), node.forwards(case).to("kominfo"), node.responds(case)] {
            let entry = writing.signed_checked().expect("a good entry");
            let read = Entry::parse(entry.signed(), FEDERATION).expect("an entry");
            assert_eq!(format!("{entry:?}"), format!("{read:?}"));
            assert_eq!(entry.signed(), writing.signed().bytes);
        }
    });
}

#[test]
fn a_draft_that_peers_would_refuse_is_refused_when_it_is_signed() {
    with_case(|federation, case| {
        let mut writing = federation.node("ombudsman").forwards(case).to("kominfo");
        writing.draft.parents = vec![EntryId([1; 32]); limits::PARENTS + 1];
        let refusal = writing.signed_checked().expect_err("too many parents");
        assert_eq!(refusal.code, parse(writing.signed().bytes).expect_err("too many parents"));
        writing.draft.parents = Vec::new();
        assert_eq!(writing.signed_checked().expect_err("no parents").code, RefusalCode::NoParents);
    });
}

#[test]
fn the_received_bytes_are_kept_even_when_the_encoding_is_unusual() {
    with_case(|federation, case| {
        let usual = federation.node("ombudsman").responds(case).entry();
        // A field that this version does not know, at the end.
        let unusual = [usual.bytes.as_ref(), &[0xc0, 0x3e, 0x01]].concat();
        let entry = parse(sealed(unusual.clone(), &entry_key("ombudsman"))).expect("an entry of a later version");
        assert_eq!(entry.bytes, unusual);
        assert_eq!(entry.id, EntryId::of(&unusual));
        assert_ne!(entry.id, usual.id);
        assert!(entry.verify(&entry_key("ombudsman").verification_key()));
    });
}

#[test]
fn a_lodged_entry_makes_its_own_complaint_id() {
    let entry = Federation::new().node("ombudsman").lodges().entry();
    let id = entry.complaint.expect("a complaint");
    assert_eq!(id, ComplaintId::of_lodged(entry.clock, &entry.id));
    assert_eq!(id.lodged_millis(), START);
    assert_eq!(id.0[6..], entry.id.0[..26]);
}

#[test]
fn bytes_that_are_no_signed_entry_are_undecodable() {
    assert_eq!(refusal(Bytes::new()), RefusalCode::Undecodable);
    assert_eq!(refusal(Bytes::from_static(b"\xff\xff\xff")), RefusalCode::Undecodable);
    let envelope = || Some(wire::Envelope { size: 1, signature: vec![0; 64].into(), ..Default::default() });
    for entry in [Bytes::new(), Bytes::from_static(&[0xff; 8])] {
        let signed = wire::SignedEntry { entry, envelope: envelope() };
        assert_eq!(refusal(signed.encode_to_vec().into()), RefusalCode::Undecodable);
    }
}

#[test]
fn an_entry_without_an_envelope_that_could_verify_parses_as_well_and_has_none() {
    let entry = Federation::new().node("ombudsman").lodges().entry();
    let envelope = wire::SignedEntry::decode(entry.signed()).expect("a signed entry").envelope.expect("an envelope");
    let with = |envelope| {
        let signed = wire::SignedEntry { entry: entry.bytes.clone(), envelope };
        parse(signed.encode_to_vec().into()).expect("the envelope is no part of the entry")
    };
    assert_eq!(with(Some(envelope.clone())), entry);
    let unusable: [fn(&mut wire::Envelope); 5] = [
        |envelope| envelope.signature = envelope.signature.slice(..63),
        |envelope| envelope.signature.clear(),
        |envelope| envelope.path = vec![0; 32].into(),
        |envelope| envelope.index = 1,
        |envelope| envelope.size = u32::MAX,
    ];
    let changed = unusable.map(|change| {
        let mut envelope = envelope.clone();
        change(&mut envelope);
        Some(envelope)
    });
    for envelope in changed.into_iter().chain([None, Some(wire::Envelope::default())]) {
        let read = with(envelope);
        assert_eq!(read, Entry { envelope: None, ..entry.clone() });
        assert!(!read.verify(&entry_key("ombudsman").verification_key()));
        assert_eq!(read.signed(), signed_bytes(entry.bytes.clone(), None));
    }
}

#[test]
fn an_envelope_in_another_encoding_changes_neither_the_entry_nor_what_is_passed_on() {
    let entry = Federation::new().node("ombudsman").lodges().entry();
    let field = |tag: u8, bytes: &[u8]| {
        let mut field = vec![tag];
        prost::encoding::encode_varint(bytes.len() as u64, &mut field);
        [field.as_slice(), bytes].concat()
    };
    let signature = entry.envelope.as_ref().expect("an envelope").signature();
    // Size 1, and the signature. Index 0 and the empty path are not written.
    let (body, envelope) = (field(0x0A, &entry.bytes), [vec![0x10, 1], field(0x22, signature)].concat());
    assert_eq!(entry.signed(), [body.clone(), field(0x12, &envelope)].concat());
    let long_length = [&[0x12, 0x80 | envelope.len() as u8, 0], envelope.as_slice()].concat();
    let others = [
        vec![field(0x12, &envelope), body.clone()],
        vec![body.clone(), long_length],
        vec![body.clone(), field(0x12, &envelope[..2]), field(0x12, &envelope[2..])],
        vec![body.clone(), field(0x12, &[&[0x08, 0], envelope.as_slice()].concat())],
        vec![field(0x0A, &[8, 2]), body.clone(), field(0x12, &envelope)],
        vec![body, field(0x12, &[envelope.clone(), field(0x3A, b"more")].concat()), field(0x1A, b"more")],
    ];
    for (number, other) in others.into_iter().enumerate() {
        let read = parse(other.concat().into());
        assert_eq!(read.as_ref(), Ok(&entry), "variant {number}");
        assert_eq!(read.map(|read| read.signed()), Ok(entry.signed()), "variant {number}");
    }
}

#[test]
fn an_entry_id_is_the_hash_of_its_leaf_and_does_not_depend_on_the_envelope() {
    let entry = Federation::new().node("ombudsman").lodges().entry();
    assert_eq!(entry.id.0, crate::tlog::tree::leaf_hash(&entry.bytes));
    for signed in [entry.signed(), signed_bytes(entry.bytes.clone(), None)] {
        assert_eq!(id_in(&signed), Some(entry.id));
        assert_eq!(open(signed).map(|(bytes, _)| bytes), Ok(entry.bytes.clone()));
    }
    assert_eq!(id_in(b"\xff"), None);
}

#[test]
fn an_entry_of_the_largest_size_is_taken_and_one_byte_more_is_too_large() {
    with_case(|federation, case| {
        let entry = federation.node("ombudsman").remarks(case).entry();
        // An unknown bytes field (number 1000) as padding: two bytes of tag, three of length.
        let padded = |size: usize| {
            let length = size - entry.bytes.len() - 5;
            let mut bytes = entry.bytes.to_vec();
            prost::encoding::encode_key(1000, prost::encoding::WireType::LengthDelimited, &mut bytes);
            bytes.extend([(length & 0x7f) as u8 | 0x80, (length >> 7 & 0x7f) as u8 | 0x80, (length >> 14) as u8]);
            bytes.resize(size, 0);
            sealed(bytes, &entry_key("ombudsman"))
        };
        assert_eq!(parse(padded(limits::ENTRY_BYTES)).map(|entry| entry.bytes.len()), Ok(limits::ENTRY_BYTES));
        assert_eq!(refusal(padded(limits::ENTRY_BYTES + 1)), RefusalCode::TooLarge);
    });
}

#[test]
fn a_later_version_is_told_apart_even_if_nothing_else_of_the_entry_can_be_read() {
    let writing = Federation::new().node("ombudsman").lodges();
    let later = |signed: Bytes| match Entry::parse(signed, FEDERATION) {
        Err(ParseError::LaterVersion(version)) => version,
        other => panic!("{other:?}"),
    };
    assert_eq!(later(writing.edited(|entry| entry.version = VERSION + 1)), VERSION + 1);
    assert_eq!(later(writing.edited(|entry| entry.version = u32::MAX)), u32::MAX);
    let federation = |entry: &mut wire::Entry| entry.federation = "other.example".to_owned();
    let of_another = |entry: &mut wire::Entry| (federation(entry), entry.version = VERSION + 1).1;
    assert_eq!(later(writing.edited(of_another)), VERSION + 1, "no rule of this version judges it");
    // The federation, a text in this version, is a number, and the body is one, too.
    let unreadable = |version: u8| sealed(vec![0x08, version, 0x10, 7, 0x80, 0x01, 7], &entry_key("ombudsman"));
    assert_eq!(later(unreadable(3)), 3);
    assert_eq!(later(signed_bytes(vec![0x08, 3, 0x10, 7].into(), None)), 3, "no envelope is needed");
    assert_eq!(refusal(unreadable(2)), RefusalCode::Undecodable);
    assert_eq!(refusal(unreadable(1)), RefusalCode::Undecodable);
    // Bytes that are no message have no version.
    assert_eq!(refusal(sealed(vec![0x08, 3, 0xff], &entry_key("ombudsman"))), RefusalCode::Undecodable);
}

#[test]
fn an_earlier_version_or_another_federation_is_refused() {
    for version in [0, 1] {
        assert_eq!(forwarded(|entry| entry.version = version).err(), Some(RefusalCode::UnsupportedVersion));
    }
    let other = forwarded(|entry| entry.federation = "other.example".to_owned());
    assert_eq!(other.err(), Some(RefusalCode::OtherFederation));
}

#[test]
fn a_missing_or_misshapen_field_is_malformed() {
    let malformed = |change: fn(&mut wire::Entry)| {
        assert_eq!(forwarded(change).err(), Some(RefusalCode::Malformed));
    };
    malformed(|entry| entry.author.clear());
    malformed(|entry| entry.author = "Ombudsman".to_owned());
    malformed(|entry| entry.place = None);
    malformed(|entry| entry.place = Some(wire::Place { epoch: 0, index: 0 }));
    malformed(|entry| entry.charter_version = 0);
    malformed(|entry| entry.complaint = vec![1; 31]);
    malformed(|entry| entry.parents = vec![vec![1; 33]]);
    malformed(|entry| entry.content = vec![wire::ContentCommitment { hash: vec![0; 31], length: 1, class: 1 }]);
    malformed(|entry| entry.content = vec![wire::ContentCommitment { hash: vec![0; 32], length: 1, class: 0 }]);
    let body = |change: fn(&mut wire::Forwarded)| {
        let result = forwarded(|entry| match &mut entry.body {
            Some(Wire::Forwarded(body)) => change(body),
            other => panic!("{other:?}"),
        });
        assert_eq!(result.err(), Some(RefusalCode::Malformed));
    };
    body(|body| body.basis.clear());
    body(|body| body.to.clear());
    body(|body| body.to = "kota bandung".to_owned());
}

#[test]
fn a_suggestion_is_an_agency_or_nothing() {
    with_case(|federation, case| {
        let returned = |suggestion: &str| {
            edited(&federation.node("kominfo").returns(case), |message| match &mut message.body {
                Some(Wire::Returned(body)) => body.suggestion = suggestion.to_owned(),
                other => panic!("{other:?}"),
            })
        };
        assert!(returned("").is_ok());
        assert!(returned("kota-bandung").is_ok());
        assert_eq!(returned("?").err(), Some(RefusalCode::Malformed));
    });
}

#[test]
fn the_ground_of_a_closing_is_an_entry_or_nothing() {
    with_case(|federation, case| {
        let closed = |ground: Vec<u8>| {
            edited(&federation.node("ombudsman").closes(case, wire::CloseCause::OwnWord), |message| match &mut message
                .body
            {
                Some(Wire::Closed(body)) => body.ground = ground,
                other => panic!("{other:?}"),
            })
        };
        let ground = |entry: Entry| match entry.body {
            Body::Case { act: CaseAct::Closed { ground, .. }, .. } => ground,
            other => panic!("{other:?}"),
        };
        assert_eq!(closed(Vec::new()).map(ground), Ok(None));
        assert_eq!(closed(vec![7; 32]).map(ground), Ok(Some(EntryId([7; 32]))));
        for length in [1, 31, 33] {
            assert_eq!(closed(vec![7; length]).err(), Some(RefusalCode::Malformed));
        }
    });
}

#[test]
fn the_fields_of_lodged_are_bounded() {
    let too_large = Some(RefusalCode::TooLarge);
    assert!(lodged(|body| body.category = "x".repeat(limits::CATEGORY_BYTES)).is_ok());
    assert_eq!(lodged(|body| body.category = "x".repeat(limits::CATEGORY_BYTES + 1)).err(), too_large);
    assert_eq!(lodged(|body| body.area = "x".repeat(limits::AREA_BYTES + 1)).err(), too_large);
    assert_eq!(lodged(|body| body.category = "a\u{7}".to_owned()).err(), Some(RefusalCode::Malformed));
    assert_eq!(lodged(|body| body.citizen_key = vec![0; 31]).err(), Some(RefusalCode::Malformed));
    assert_eq!(lodged(|body| body.citizen_key.clear()).err(), Some(RefusalCode::Malformed), "an origin without a key");
    assert_eq!(lodged(|body| body.key_origin = 0).err(), Some(RefusalCode::Malformed), "a key without an origin");
    let without = |body: &mut wire::Lodged| (body.citizen_key, body.key_origin) = (Vec::new(), 0);
    assert!(lodged(without).is_ok());
    assert!(lodged(|body| body.key_origin = 4711).is_ok(), "an unknown origin is kept");
    assert_eq!(lodged(|body| body.class = 0).err(), Some(RefusalCode::Malformed));
}

#[test]
fn case_fields_are_bounded() {
    with_case(|federation, case| {
        let node = federation.node("ombudsman");
        let category = |length| parse(node.verifies(case, &"x".repeat(length)).signed().bytes);
        assert!(category(limits::CATEGORY_BYTES).is_ok());
        assert_eq!(category(limits::CATEGORY_BYTES + 1).err(), Some(RefusalCode::TooLarge));
        let reply = |edit: &dyn Fn(&mut wire::Replied)| {
            edited(&node.replies(case, wire::ReplyWord::Satisfied, ""), |message| match &mut message.body {
                Some(Wire::Replied(body)) => edit(body),
                other => panic!("{other:?}"),
            })
        };
        assert!(reply(&|body| (body.score, body.signature) = (5, vec![0; 64])).is_ok());
        let malformed = Some(RefusalCode::Malformed);
        for bytes in [1, 63, 65] {
            assert_eq!(reply(&|body| body.signature = vec![0; bytes]).err(), malformed);
            assert_eq!(reply(&|body| body.answer = vec![0; bytes]).err(), malformed);
        }
        assert_eq!(reply(&|body| body.score = 6).err(), malformed);
    });
}

#[test]
fn parents_and_commitments_are_bounded() {
    let parents = |count: usize| forwarded(|entry| entry.parents = vec![vec![1; 32]; count]);
    assert_eq!(parents(limits::PARENTS).map(|entry| entry.parents.len()), Ok(limits::PARENTS));
    assert_eq!(parents(limits::PARENTS + 1).err(), Some(RefusalCode::TooLarge));
    let commitment = |length: usize| wire::ContentCommitment { hash: vec![0; 32], length: length as u32, class: 1 };
    let commitments = |count: usize| forwarded(|entry| entry.content = vec![commitment(1); count]);
    assert!(commitments(limits::COMMITMENTS).is_ok());
    assert_eq!(commitments(limits::COMMITMENTS + 1).err(), Some(RefusalCode::TooLarge));
    assert!(forwarded(|entry| entry.content = vec![commitment(limits::CONTENT_BYTES)]).is_ok());
    let larger = forwarded(|entry| entry.content = vec![commitment(limits::CONTENT_BYTES + 1)]);
    assert_eq!(larger.err(), Some(RefusalCode::TooLarge));
}

#[test]
fn lodged_alone_has_neither_complaint_nor_parents() {
    let lodges = Federation::new().node("ombudsman").lodges();
    let malformed = Some(RefusalCode::Malformed);
    assert_eq!(edited(&lodges, |entry| entry.complaint = vec![1; 32]).err(), malformed);
    assert_eq!(edited(&lodges, |entry| entry.parents = vec![vec![1; 32]]).err(), malformed);
    assert_eq!(forwarded(|entry| entry.parents.clear()).err(), Some(RefusalCode::NoParents));
    assert_eq!(forwarded(|entry| entry.complaint.clear()).err(), malformed);
}

#[test]
fn a_node_entry_is_of_no_complaint() {
    let witnesses = Federation::new().node("ombudsman").witnesses();
    let entry = witnesses.entry();
    assert_eq!((entry.complaint, entry.body.name()), (None, "Witnessed"));
    assert_eq!(edited(&witnesses, |entry| entry.complaint = vec![1; 32]).err(), Some(RefusalCode::Malformed));
}

#[test]
fn a_body_of_a_later_version_is_kept() {
    with_case(|federation, case| {
        let remark = federation.node("ombudsman").remarks(case);
        // Body number 60, which the schema does not have: an empty message.
        let mut bytes = Vec::new();
        remark.edited(|message| {
            message.body = None;
            bytes = [message.encode_to_vec(), vec![0xe2, 0x03, 0x00]].concat();
        });
        let entry = parse(sealed(bytes.clone(), &entry_key("ombudsman"))).expect("an entry of a later version");
        assert!(matches!(entry.body, Body::Unknown));
        assert_eq!(entry.body.name(), "Unknown");
        assert_eq!(entry.complaint, Some(case.complaint.id()));
        assert_eq!(entry.bytes, bytes);
    });
}

#[test]
fn an_entry_with_an_unknown_body_needs_parents_if_it_names_a_complaint() {
    with_case(|federation, case| {
        let remark = federation.node("ombudsman").remarks(case);
        let without = |entry: &mut wire::Entry| entry.body = None;
        let parentless = edited(&remark, |entry| (without(entry), entry.parents.clear()).1);
        assert_eq!(parentless.err(), Some(RefusalCode::NoParents));
        let of_none = edited(&remark, |entry| (without(entry), entry.complaint.clear()).1).expect("kept");
        assert_eq!(of_none.complaint, None);
    });
}

#[test]
fn an_unknown_code_is_kept_and_an_unknown_word_counts_as_unspecified() {
    let entry = forwarded(|entry| match &mut entry.body {
        Some(Wire::Forwarded(body)) => body.reason = 4711,
        other => panic!("{other:?}"),
    });
    assert!(entry.is_ok());
    with_case(|federation, case| {
        let reply = federation.node("ombudsman").replies(case, wire::ReplyWord::Satisfied, "");
        let entry = edited(&reply, |message| match &mut message.body {
            Some(Wire::Replied(body)) => body.word = 4711,
            other => panic!("{other:?}"),
        });
        let body = entry.expect("a reply").body;
        let Body::Case { act: CaseAct::Replied(reply), .. } = body else { panic!("{body:?}") };
        assert_eq!(reply.word.says, wire::ReplyWord::Unspecified);
    });
}

#[test]
fn an_unknown_content_class_is_taken_as_the_most_restrictive() {
    let class = |number| ContentClass::from_wire(number);
    assert_eq!(class(0), None);
    assert_eq!(class(4711), Some(ContentClass::Identity));
    assert_eq!(class(-1), Some(ContentClass::Identity));
    for known in [ContentClass::Public, ContentClass::Confidential, ContentClass::Identity] {
        assert_eq!(class(known.to_wire().into()), Some(known));
    }
}

#[test]
fn the_largest_entry_that_a_node_writes_is_within_the_limits() {
    with_case(|federation, case| {
        let parents: Vec<EntryId> = (0..limits::PARENTS).map(|n| EntryId([n as u8; 32])).collect();
        let longest = "a".repeat(limits::AGENCY_ID_BYTES);
        let mut writing = federation.node("ombudsman").forwards(case).to(&longest).after(&parents);
        let content = crate::entry::content::Content {
            commitment: 0,
            salt: [0; 32],
            data: vec![0; limits::CONTENT_BYTES].into(),
        };
        for _ in 0..limits::COMMITMENTS {
            writing = writing.committing(&content, ContentClass::Identity);
        }
        assert!(parse(writing.signed().bytes).is_ok());
    });
}

fn bytes_of_every_shape() -> impl Strategy<Value = Vec<u8>> {
    let valid = with_case(|federation, case| federation.node("ombudsman").forwards(case).to("kominfo").signed().bytes);
    let mutated = (proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), 0..40_usize).prop_map(
        move |(changes, cut)| {
            let mut bytes = valid.to_vec();
            for (index, byte) in changes {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(bytes.len() - cut);
            bytes
        },
    );
    prop_oneof![mutated, proptest::collection::vec(any::<u8>(), 0..400)]
}

proptest! {
    #[test]
    fn no_bytes_panic_and_the_same_bytes_get_the_same_answer(bytes in bytes_of_every_shape()) {
        let first = Entry::parse(bytes.clone().into(), FEDERATION);
        let second = Entry::parse(bytes.into(), FEDERATION);
        prop_assert_eq!(first.as_ref().err(), second.as_ref().err());
        if let Ok(entry) = first {
            prop_assert_eq!(entry.id, EntryId::of(&entry.bytes));
            let of_a_complaint = matches!(entry.body, Body::Lodged(_) | Body::Custody { .. } | Body::Case { .. });
            prop_assert!(entry.complaint.is_some() || !of_a_complaint);
            prop_assert!(entry.complaint.is_none() || !matches!(entry.body, Body::Node(_)));
        }
    }

    #[test]
    fn no_entry_bytes_in_a_sound_envelope_panic(bytes in bytes_of_every_shape()) {
        let _ = Entry::parse(sealed(bytes, &entry_key("ombudsman")), FEDERATION);
    }
}
