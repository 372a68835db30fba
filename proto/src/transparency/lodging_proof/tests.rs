//! Citizens' receipts: the facts that they prove, and that no byte of them can be changed.

use std::sync::LazyLock;

use bytes::Bytes;
use data_encoding::BASE64;
use proptest::prelude::*;
use signed_note::Note;
use tlog_tiles::{Hash, HashReader, stored_hashes};

use super::{Lodging, NotProven, receipt, verify};
use crate::base::ids::{Epoch, LedgerIndex};
use crate::charter::{Charter, CharterText};
use crate::entry::{ParseError, open};
use crate::fixture::{
    FEDERATION, Federation, MANAGERS, OTHER_CODE, REPLY_CODE, START, Writing, agency, charter_text, code, key,
    member_of, signed_by, written,
};
use crate::tlog::checkpoint::{CheckpointSigner, time_key_name};
use crate::tlog::note;
use crate::tlog::tlog_proof::TlogProof;
use crate::wire;

const SECONDS: u64 = START / 1000;
/// Made once, because parsing its charter is slow.
static FEDERATION_OF_SEVEN: LazyLock<Federation> = LazyLock::new(Federation::new);

/// The Merkle tree of some leaves.
struct Tree {
    stored: Stored,
    size: u64,
}

/// The hashes of a tree, in the order of `tlog_tiles::stored_hash_index`.
struct Stored(Vec<Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        let at = |index: &u64| self.0.get(usize::try_from(*index).expect("small")).copied();
        indexes.iter().map(at).collect::<Option<_>>().ok_or(tlog_tiles::Error::IndexesNotInTree)
    }
}

impl Tree {
    fn of(leaves: impl IntoIterator<Item = Bytes>) -> Self {
        let mut tree = Self { stored: Stored(Vec::new()), size: 0 };
        for leaf in leaves {
            let more = stored_hashes(tree.size, &leaf, &tree.stored).expect("the tree is whole");
            tree.stored.0.extend(more);
            tree.size += 1;
        }
        tree
    }

    fn root(&self) -> [u8; 32] {
        tlog_tiles::tree_hash(self.size, &self.stored).expect("the tree is whole").0
    }

    fn path(&self, index: u64) -> Vec<Hash> {
        tlog_tiles::prove_record(self.size, index, &self.stored).expect("a leaf of the tree")
    }
}

/// A tree of `size` leaves. The leaf `index` is this entry.
fn tree_with(entry: &Writing, index: u64, size: u64) -> Tree {
    let leaf = |n| if n == index { entry.entry().bytes } else { Bytes::from(format!("leaf {n}")) };
    Tree::of((0..size).map(leaf))
}

fn signer_of(id: &str, epoch: u32) -> CheckpointSigner {
    let (checkpoint, time) = (key(&format!("{id} checkpoint")), key(&format!("{id} time")));
    CheckpointSigner::new(FEDERATION, &agency(id), Epoch(epoch), checkpoint, time)
}

fn lodged_at(index: u64) -> Writing {
    FEDERATION_OF_SEVEN.node("kota-bandung").lodges().at_leaf(index)
}

/// The receipt that the city's node gives a minute after the complaint was lodged as leaf `index` of `size`.
fn receipt_of(entry: &Writing, index: u64, size: u64) -> Vec<u8> {
    let tree = tree_with(entry, index, size);
    let note = signer_of("kota-bandung", 1).sign(size, tree.root(), SECONDS + 60);
    receipt(&entry.entry().bytes, LedgerIndex(index), tree.path(index), &note)
}

fn proven(file: &[u8]) -> Lodging {
    verify(file, FEDERATION_OF_SEVEN.charter()).expect("a good receipt")
}

fn refused(file: &[u8]) -> NotProven {
    verify(file, FEDERATION_OF_SEVEN.charter()).expect_err("a bad receipt")
}

/// Whether a file that was made from a good receipt is refused, or shows the same without the time line.
fn shows_nothing_else(bad: &[u8], good: &[u8]) -> bool {
    let timeless = Lodging { in_ledger_at: None, ..proven(good) };
    verify(bad, FEDERATION_OF_SEVEN.charter()).map_or(true, |shown| shown == timeless)
}

/// The receipt after a change to its parts.
fn changed(file: &[u8], change: impl FnOnce(&mut TlogProof)) -> Vec<u8> {
    let mut proof = TlogProof::parse(file).expect("a receipt");
    change(&mut proof);
    proof.to_bytes()
}

#[test]
fn a_receipt_names_agency_complaint_category_and_time() {
    let entry = lodged_at(5);
    let lodging = proven(&receipt_of(&entry, 5, 12));
    assert_eq!((lodging.agency.as_str(), lodging.complaint), ("kota-bandung", entry.entry().complaint.expect("an id")));
    assert_eq!(lodging.entry, entry.entry().id);
    assert_eq!((lodging.lodged.category.as_str(), lodging.lodged.area.as_str()), ("jalan", "32.73"));
    assert_eq!((lodging.epoch, lodging.index, lodging.size), (Epoch(1), LedgerIndex(5), 12));
    assert_eq!((lodging.lodged_at, lodging.in_ledger_at), (START, Some(SECONDS + 60)));
    assert!(
        lodging.has_citizen_key(&code(REPLY_CODE).public()) && !lodging.has_citizen_key(&code(OTHER_CODE).public())
    );
}

#[test]
fn a_receipt_holds_for_every_leaf_of_every_small_tree_and_for_no_other_leaf() {
    for size in 1..=24 {
        for index in 0..size {
            let file = receipt_of(&lodged_at(index), index, size);
            assert_eq!((proven(&file).index, proven(&file).size), (LedgerIndex(index), size));
            let moved = changed(&file, |proof| proof.index = LedgerIndex((index + 1) % (size + 1)));
            assert!(matches!(refused(&moved), NotProven::OtherPlace { .. }), "{index} of {size}");
        }
    }
}

#[test]
fn a_receipt_with_a_flipped_bit_shows_nothing_else() {
    let file = receipt_of(&lodged_at(5), 5, 12);
    proven(&file);
    for bit in 0..file.len() * 8 {
        let mut bad = file.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(shows_nothing_else(&bad, &file), "bit {bit} of {:?}", String::from_utf8_lossy(&bad));
    }
}

#[test]
fn a_receipt_with_a_missing_line_or_end_shows_nothing_else() {
    let file = receipt_of(&lodged_at(5), 5, 12);
    let lines: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
    for left_out in 0..lines.len() {
        let rest: Vec<&[u8]> =
            lines.iter().enumerate().filter(|(n, _)| *n != left_out).map(|(_, line)| *line).collect();
        assert!(shows_nothing_else(&rest.concat(), &file), "without line {left_out}");
    }
    for length in 0..file.len() {
        assert!(shows_nothing_else(&file[..length], &file), "{length} bytes");
    }
}

#[test]
fn signature_lines_under_unknown_keys_change_nothing() {
    let file = receipt_of(&lodged_at(5), 5, 12);
    let witnessed = changed(&file, |proof| {
        let note = Note::from_bytes(&proof.checkpoint).expect("a note");
        let witness = note::cosign("witness.example", &key("a witness"), note.text(), 7).expect("a line");
        proof.checkpoint.extend_from_slice(&witness.to_bytes());
    });
    assert_ne!(witnessed, file);
    assert_eq!(proven(&witnessed), proven(&file));
}

#[test]
fn a_receipt_of_a_new_epoch_holds_for_an_entry_of_an_earlier_one() {
    let entry = lodged_at(5);
    let tree = tree_with(&entry, 2, 9);
    let of = |epoch| {
        let note = signer_of("kota-bandung", epoch).sign(9, tree.root(), SECONDS + 60);
        receipt(&entry.entry().bytes, LedgerIndex(2), tree.path(2), &note)
    };
    assert_eq!((proven(&of(2)).epoch, proven(&of(2)).index), (Epoch(2), LedgerIndex(2)));
    assert!(matches!(refused(&of(1)), NotProven::OtherPlace { .. }), "two entries in one place of one epoch");
}

#[test]
fn a_file_that_proves_no_lodging_is_refused_with_the_reason() {
    let file = receipt_of(&lodged_at(5), 5, 12);
    assert!(matches!(refused(&changed(&file, |proof| proof.extra = None)), NotProven::NoEntry));
    assert!(matches!(refused(b"something else\n"), NotProven::Format(_)));

    let other = changed(&file, |proof| proof.extra = Some(lodged_at(6).entry().bytes.to_vec()));
    assert!(matches!(refused(&other), NotProven::OtherPlace { .. }));
    let other = lodged_at(5).at(START + 1).entry().bytes.to_vec();
    assert!(matches!(refused(&changed(&file, |proof| proof.extra = Some(other))), NotProven::NotIncluded { .. }));

    let federation = &FEDERATION_OF_SEVEN;
    let case = federation.case_at("kota-bandung");
    let forwarded = federation.node("kota-bandung").forwards(&case).to("prov-jabar").at_leaf(5);
    assert!(matches!(refused(&receipt_of(&forwarded, 5, 12)), NotProven::NotLodged("Forwarded")));

    let with = |change: fn(&mut wire::Entry)| {
        let (entry, _) = open(lodged_at(5).edited(change)).expect("a signed entry");
        refused(&changed(&file, |proof| proof.extra = Some(entry.to_vec())))
    };
    assert!(matches!(with(|entry| entry.federation = "elsewhere.example".to_owned()), NotProven::Entry { .. }));
    assert!(matches!(with(|entry| entry.version += 1), NotProven::Entry { source: ParseError::LaterVersion(_), .. }));
    assert!(matches!(with(|entry| entry.author = "kota-lain".to_owned()), NotProven::UnknownAgency { .. }));
    assert!(matches!(with(|entry| entry.clock += 1), NotProven::NotIncluded { .. }));
    let with_envelope = lodged_at(5).signed().bytes.to_vec();
    let enveloped = refused(&changed(&file, |proof| proof.extra = Some(with_envelope)));
    assert!(matches!(enveloped, NotProven::Entry { .. }), "the leaf is the bare entry");
}

#[test]
fn the_agency_s_checkpoint_alone_signs_the_entry_in_a_receipt() {
    // The entry names a key that no charter lists. The agency put it into its ledger and answers for it.
    let entry = lodged_at(5).signed_with(key("somebody"));
    assert_eq!(proven(&receipt_of(&entry, 5, 12)).entry, entry.entry().id);
    let tree = tree_with(&entry, 5, 12);
    let by_another = signer_of("prov-jabar", 1).sign(12, tree.root(), SECONDS);
    let file = receipt(&entry.entry().bytes, LedgerIndex(5), tree.path(5), &by_another);
    assert!(matches!(refused(&file), NotProven::Checkpoint { .. }), "no other agency's checkpoint does");
}

#[test]
fn a_checkpoint_of_another_agency_or_before_the_entry_is_refused_and_one_without_a_time_shows_none() {
    let entry = lodged_at(5);
    let tree = tree_with(&entry, 5, 12);
    let with = |note: &[u8]| receipt(&entry.entry().bytes, LedgerIndex(5), tree.path(5), note);

    let others = signer_of("prov-jabar", 1).sign(12, tree.root(), SECONDS);
    assert!(matches!(refused(&with(&others)), NotProven::Checkpoint { .. }));

    let timeless = signer_of("kota-bandung", 1).sign(12, tree.root(), None);
    assert_eq!(proven(&with(&timeless)).in_ledger_at, None);
    // A time line of another text, added to a checkpoint without one.
    let other =
        note::cosign(&time_key_name(FEDERATION, &agency("kota-bandung")), &key("kota-bandung time"), b"other", SECONDS);
    let damaged = [&timeless[..], &other.expect("a line").to_bytes()].concat();
    let damaged = with(&damaged);
    assert!(matches!(refused(&damaged), NotProven::Checkpoint { .. }));

    let at = |seconds| with(&signer_of("kota-bandung", 1).sign(12, tree.root(), seconds));
    assert!(matches!(refused(&at(SECONDS - 301)), NotProven::TimesContradict(301)));
    assert_eq!(proven(&at(SECONDS - 300)).in_ledger_at, Some(SECONDS - 300), "honest clocks may differ by so much");
}

#[test]
fn keys_count_only_within_their_validity_and_a_retired_member_s_receipts_still_hold() {
    let file = receipt_of(&lodged_at(5), 5, 12);
    let under = |change: &dyn Fn(&mut CharterText)| {
        let mut text = charter_text();
        change(&mut text);
        Charter::parse(&signed_by(&MANAGERS[..3], &written(&text))).expect("a charter")
    };
    let until = |n: usize, time: &'static str| {
        under(&move |text| member_of(text, "kota-bandung").key[n].valid_until = time.to_owned())
    };
    // The entry is of 16:00:00, the checkpoint of 16:01:00.
    for (n, what) in [(1, "checkpoint"), (2, "time")] {
        let error = verify(&file, &until(n, "2025-11-24T16:01:00Z")).expect_err("the key was not valid any more");
        assert!(matches!(error, NotProven::KeyNotValidThen { what: named, .. } if named == what), "{what}: {error}");
        verify(&file, &until(n, "2025-11-24T16:01:01Z")).expect("it was valid when it signed");
    }
    verify(&file, &until(0, "2025-11-24T16:00:00Z")).expect("the entry key does not count");
    let left = under(&|text| member_of(text, "kota-bandung").status = crate::charter::MemberStatus::Retired);
    verify(&file, &left).expect("it was a member when it signed");
}

proptest! {
    #[test]
    fn a_receipt_with_changed_bytes_shows_nothing_else(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let file = receipt_of(&lodged_at(5), 5, 12);
        let mut bad = file.clone();
        for (index, byte) in changes {
            let at = index.index(bad.len());
            bad[at] = byte;
        }
        prop_assume!(bad != file);
        prop_assert!(shows_nothing_else(&bad, &file));
    }

    #[test]
    fn a_changed_audit_path_proves_nothing(
        size in 2..200_u64,
        index in any::<prop::sample::Index>(),
        hash in any::<prop::sample::Index>(),
        bit in 0..256_usize,
    ) {
        let index = index.index(usize::try_from(size).expect("small")) as u64;
        let file = receipt_of(&lodged_at(index), index, size);
        let flipped = changed(&file, |proof| {
            let hash = hash.index(proof.path.len());
            proof.path[hash].0[bit / 8] ^= 1 << (bit % 8);
        });
        let not_included = |file: &[u8]| matches!(refused(file), NotProven::NotIncluded { .. });
        prop_assert!(not_included(&flipped));
        prop_assert!(not_included(&changed(&file, |proof| proof.path.truncate(proof.path.len() - 1))));
        prop_assert!(not_included(&changed(&file, |proof| proof.path.push(Hash([0; 32])))));
    }

    #[test]
    fn no_bytes_panic(
        entry in prop::collection::vec(any::<u8>(), 0..64),
        index in any::<u64>(),
        size in any::<u64>(),
        hashes in 0..64_usize,
    ) {
        // The agency itself signs, because it may be the dishonest one.
        let note = signer_of("kota-bandung", 1).sign(size, [7; 32], SECONDS);
        let good = lodged_at(index).entry().bytes;
        let path = vec![Hash([1; 32]); hashes];
        let _ = verify(&receipt(&good, LedgerIndex(index), path.clone(), &note), FEDERATION_OF_SEVEN.charter());
        let _ = verify(&receipt(&entry, LedgerIndex(index), path, &note), FEDERATION_OF_SEVEN.charter());
        let _ = verify(BASE64.encode(&entry).as_bytes(), FEDERATION_OF_SEVEN.charter());
    }
}
