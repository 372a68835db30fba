//! Golden files: bytes that cross between nodes. The tests check today's code against the files, so old and new nodes understand each other.
//!
//! If a test here fails, other nodes no longer understand this one or compute other hashes. The bytes in `golden/` never change within a
//! protocol version. New ones may be added: `SINERGI_WRITE_GOLDEN=1 cargo test -p sinergi-proto golden` writes the files, and their diff must
//! show added lines only.

use std::path::PathBuf;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use ed25519_zebra::Signature;
use prost::Message;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::ids::{ComplaintId, EntryId, Epoch, LedgerIndex};
use crate::base::key::SigningKey;
use crate::charter::{Charter, Charters};
use crate::citizen::{PublicKeyText, Word};
use crate::entry::content::{Content, TextRole, read_text, serialise_text};
use crate::entry::{ContentClass, Entry, OwnBatch};
use crate::fixture::{
    DAY, FEDERATION, Federation, MANAGERS, MINUTE, REPLY_CODE, agency, charter_text, code, entry_key, key, signed_by,
    successor_text, written,
};
use crate::receipt::Receipt;
use crate::tlog::checkpoint::{Checkpoint, CheckpointSigner};
use crate::transparency::lodging_proof;
use crate::wire::{self, CloseCause, ReplyWord};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct GoldenEntries {
    federation: String,
    entry: Vec<GoldenEntry>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct GoldenEntry {
    body: String,
    author: String,
    public_key: String,
    charter_hash: String,
    entry: String,
    /// The entry's place in the batch that its author signed, and the number of entries of the batch.
    index: u32,
    size: u32,
    /// The audit path, lowest hash first.
    path: Vec<String>,
    signature: String,
    signed_entry: String,
    id: String,
    complaint: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct GoldenContent {
    salt: String,
    bytes: String,
    hash: String,
}

/// A reply code with its key, and a word that the key signs.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct GoldenWord {
    reply_code: String,
    code: String,
    public_key: String,
    public_key_text: String,
    statement: String,
    signature: String,
    text: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct GoldenReceipt {
    public_key: String,
    receipt: String,
    signature: String,
    results: Vec<String>,
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    HEXLOWER.encode(bytes.as_ref())
}

fn unhex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).expect("hex in a golden file")
}

fn public(key: &SigningKey) -> String {
    hex(key.verification_key().as_ref())
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(parts.concat()).into()
}

/// The text of a golden file. It must equal `now`, the text that the code writes today.
fn golden(file: &str, now: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "golden", file].iter().collect();
    if std::env::var_os("SINERGI_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, now).expect("the golden folder is writable");
    }
    let kept = std::fs::read_to_string(&path).expect("a golden file");
    assert_eq!(kept, now, "{file}: the code writes other bytes than other nodes expect");
    kept
}

fn golden_toml<T: Serialize + serde::de::DeserializeOwned>(file: &str, now: &T) -> T {
    let kept = golden(file, &toml::to_string(now).expect("a golden value is TOML"));
    toml::from_str(&kept).expect("a golden file is TOML")
}

/// A text as a content of the fixture.
fn content() -> Content {
    let text = wire::Text {
        title: "Jalan rusak".to_owned(),
        body: "Lubang sedalam 30 cm di depan pasar.".to_owned(),
        location: "Jl. Braga 10".to_owned(),
        ..Default::default()
    };
    let data = serialise_text(&text, TextRole::Complaint).expect("a text within its limits");
    Content { commitment: 0, salt: [0x5a; 32], data }
}

/// One complaint with many different bodies, and one node entry. New entries are added at the end, so the older ones keep their bytes, and the
/// complaint keeps its digest.
fn entries() -> Vec<Entry> {
    let federation = Federation::new();
    let node = |id: &str| federation.node(id);
    let lodged = node("ombudsman").lodges().committing(&content(), ContentClass::Public).entry();
    let mut case = crate::fixture::Case::lodged(&federation, &lodged);
    let mut entries = vec![lodged];
    let mut leaf = 0;
    let mut write = |case: &mut crate::fixture::Case<'_>, writing: crate::fixture::Writing| {
        leaf += 1;
        let entry = writing.at_leaf(leaf).entry();
        case.learn(&entry);
        case.later(MINUTE);
        entries.push(entry);
    };
    let writing = node("ombudsman").forwards(&case).to("kominfo");
    write(&mut case, writing);
    let writing = node("ombudsman").recalls(&case);
    write(&mut case, writing);
    let writing = node("kominfo").returns(&case);
    write(&mut case, writing);
    let writing = node("ombudsman").forwards(&case).to("kemenpanrb");
    write(&mut case, writing);
    case.later(4 * DAY);
    let writing = node("ombudsman").withdraws(&case);
    write(&mut case, writing);
    let writing = node("ksp").reassigns(&case).to("kota-bandung");
    write(&mut case, writing);
    let writing = node("kota-bandung").accepts(&case);
    write(&mut case, writing);
    let holder = node("kota-bandung");
    let writing = holder.verifies(&case, "jalan");
    write(&mut case, writing);
    let writing = holder.progresses(&case);
    write(&mut case, writing);
    let writing = holder.responds(&case).committing(&content(), ContentClass::Confidential);
    write(&mut case, writing);
    let writing = holder.resolves(&case);
    write(&mut case, writing);
    let writing = node("ombudsman").replies(&case, ReplyWord::Satisfied, REPLY_CODE);
    write(&mut case, writing);
    let writing = node("ombudsman").closes(&case, CloseCause::Reply);
    write(&mut case, writing);
    let writing = node("prov-jabar").remarks(&case);
    write(&mut case, writing);
    let accepted = case.complaint.tip();
    let dated = case.complaint.entry(&accepted).expect("the tip").clock.millis();
    let writing = node("kota-bandung").proves(&case, accepted, "prov-jabar", dated);
    write(&mut case, writing);
    entries.push(node("ombudsman").witnesses().entry());
    entries
}

#[test]
fn golden_entries_are_written_with_the_same_bytes() {
    let now = GoldenEntries { federation: FEDERATION.to_owned(), entry: entries().iter().map(golden_entry).collect() };
    assert_eq!(golden_toml("entries.toml", &now), now);
}

fn golden_entry(entry: &Entry) -> GoldenEntry {
    let signed = wire::SignedEntry::decode(entry.signed()).expect("a signed entry");
    let wire::Envelope { index, size, path, signature } = signed.envelope.expect("an envelope");
    GoldenEntry {
        body: entry.body.name().to_owned(),
        author: entry.author.to_string(),
        public_key: public(&entry_key(entry.author.as_str())),
        charter_hash: format!("{:016x}", entry.charter.hash),
        entry: hex(&entry.bytes),
        index,
        size,
        path: path.chunks(32).map(hex).collect(),
        signature: hex(signature),
        signed_entry: hex(entry.signed()),
        id: entry.id.to_string(),
        complaint: entry.complaint.map(|id| id.to_string()).unwrap_or_default(),
    }
}

/// Seven entries of one agency that it signed as one batch. The tree has two lone hashes at its right edge.
fn batch() -> Vec<Entry> {
    let federation = Federation::new();
    let node = federation.node("kota-bandung");
    let mut entries: Vec<Entry> = (0..6).map(|leaf| node.lodges().at_leaf(leaf).entry()).collect();
    entries.push(node.witnesses().at_leaf(6).entry());
    let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
    let signed = OwnBatch::sign(&ids, &entry_key("kota-bandung"));
    entries.iter_mut().enumerate().for_each(|(index, entry)| entry.envelope = Some(signed.envelope(index)));
    entries
}

#[test]
fn a_golden_batch_has_one_signature_that_every_entry_leads_to() {
    let now = GoldenEntries { federation: FEDERATION.to_owned(), entry: batch().iter().map(golden_entry).collect() };
    let kept = golden_toml("batch.toml", &now);
    assert_eq!(kept, now);
    // RFC 6962 over the seven ids, written out.
    let ids: Vec<Vec<u8>> = kept.entry.iter().map(|entry| unhex(&entry.id)).collect();
    let node = |left: &[u8], right: &[u8]| sha256(&[&[1], left, right]).to_vec();
    let (ab, cd, ef) = (node(&ids[0], &ids[1]), node(&ids[2], &ids[3]), node(&ids[4], &ids[5]));
    let (abcd, efg) = (node(&ab, &cd), node(&ef, &ids[6]));
    let root = node(&abcd, &efg);
    let message = [b"sinergi/entries/v2\0".as_slice(), &7_u64.to_be_bytes(), &root].concat();
    let paths = [
        vec![&ids[1], &cd, &efg],
        vec![&ids[0], &cd, &efg],
        vec![&ids[3], &ab, &efg],
        vec![&ids[2], &ab, &efg],
        vec![&ids[5], &ids[6], &abcd],
        vec![&ids[4], &ids[6], &abcd],
        vec![&ef, &abcd],
    ];
    for (index, (entry, path)) in kept.entry.iter().zip(paths).enumerate() {
        assert_eq!((entry.index as usize, entry.size), (index, 7));
        assert_eq!(entry.path, path.iter().map(hex).collect::<Vec<_>>(), "{index}");
        assert_eq!(entry.signature, kept.entry[0].signature);
        verifies(entry, &message);
        follows_the_formats(entry);
    }
}

/// Asserts that the signature of a golden entry is over this message.
fn verifies(kept: &GoldenEntry, message: &[u8]) {
    let signature = Signature::from_slice(&unhex(&kept.signature)).expect("64 bytes");
    let key: [u8; 32] = unhex(&kept.public_key).try_into().expect("32 bytes");
    let key = ed25519_zebra::VerificationKey::try_from(key).expect("a key");
    assert!(key.verify(&signature, message).is_ok());
}

/// Asserts that the bytes, the id, the key id and the charter hash of a golden entry are those of the formats, and that today's code reads it.
fn follows_the_formats(kept: &GoldenEntry) {
    let signed = unhex(&kept.signed_entry);
    let entry = Entry::parse(Bytes::from(signed.clone()), FEDERATION).expect("an entry of version 2");
    let bytes = unhex(&kept.entry);
    assert_eq!(entry.bytes, bytes);
    assert_eq!(entry.body.name(), kept.body);
    assert_eq!(entry.author.as_str(), kept.author);
    assert!(entry.verify(&entry_key(&kept.author).verification_key()));

    // The id is the RFC 6962 hash of the leaf.
    assert_eq!(hex(sha256(&[&[0], &bytes])), kept.id);
    assert_eq!(hex(tlog_tiles::record_hash(&bytes).0), kept.id);
    assert_eq!(entry.id.to_string(), kept.id);

    let key = unhex(&kept.public_key);
    let key_id = u32::from_be_bytes(sha256(&[b"sinergi/key/v1\0", &key])[..4].try_into().expect("4 bytes"));
    assert_eq!(entry.key_id, key_id);
    // The charter's text ends before the blank line and the signatures.
    let text = kept_file("charter-1.txt");
    let text = text.rsplit_once("\n\n").expect("text and signatures").0;
    assert_eq!(hex(&sha256(&[text.as_bytes(), b"\n"])[..8]), kept.charter_hash);
    assert_eq!((entry.charter.version, format!("{:016x}", entry.charter.hash)), (1, kept.charter_hash.clone()));
    // Entry: the first field is the version, and fixed64 field 11 has the charter hash, with the lowest byte first.
    assert!(bytes.starts_with(&[0x08, 2]));
    let charter_hash = [vec![0x59], entry.charter.hash.to_le_bytes().to_vec()].concat();
    assert!(bytes.windows(9).any(|window| window == charter_hash));

    // SignedEntry: field 1 is the entry, field 2 the envelope. Envelope: index, size, path, signature. Zero and empty are not written.
    let field = |tag: u8, data: &[u8]| {
        let mut out = vec![tag];
        prost::encoding::encode_varint(data.len() as u64, &mut out);
        [out, data.to_vec()].concat()
    };
    let number =
        |tag: u8, number: u32| if number == 0 { vec![] } else { vec![tag, u8::try_from(number).expect("small")] };
    let path: Vec<u8> = kept.path.iter().flat_map(|hash| unhex(hash)).collect();
    let path = if path.is_empty() { vec![] } else { field(0x1a, &path) };
    let envelope =
        [number(0x08, kept.index), number(0x10, kept.size), path, field(0x22, &unhex(&kept.signature))].concat();
    assert_eq!([field(0x0a, &bytes), field(0x12, &envelope)].concat(), signed);
}

fn kept_file(file: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "golden", file].iter().collect();
    std::fs::read_to_string(path).expect("a golden file")
}

fn kept_entries() -> GoldenEntries {
    toml::from_str(&kept_file("entries.toml")).expect("TOML")
}

#[test]
fn golden_entries_are_read_and_their_ids_and_signatures_follow_the_formats() {
    for kept in kept_entries().entry {
        follows_the_formats(&kept);
        // A batch of one entry: the root is the id.
        assert_eq!((kept.index, kept.size, kept.path.len()), (0, 1, 0));
        let message = [b"sinergi/entries/v2\0".as_slice(), &1_u64.to_be_bytes(), &unhex(&kept.id)].concat();
        verifies(&kept, &message);
    }
}

#[test]
fn a_golden_complaint_id_is_its_lodging_time_and_the_id_of_its_lodged_entry() {
    let kept = kept_entries();
    let lodged = &kept.entry[0];
    assert_eq!(lodged.body, "Lodged");
    let millis: u64 = 1_764_000_000_000;
    let id = [&millis.to_be_bytes()[2..], &unhex(&lodged.id)[..26]].concat();
    let id = ComplaintId(id.try_into().expect("32 bytes"));
    assert_eq!(lodged.complaint, id.to_string());
    for entry in &kept.entry {
        let of_none = entry.body == "Witnessed";
        assert_eq!(entry.complaint, if of_none { String::new() } else { id.to_string() }, "{}", entry.body);
    }
}

#[test]
fn a_golden_complaint_folds_to_the_state_that_it_had() {
    let federation = Federation::new();
    let entry = |kept: &GoldenEntry| Entry::parse(unhex(&kept.signed_entry).into(), FEDERATION).expect("an entry");
    let kept = kept_entries();
    let mut case = crate::fixture::Case::lodged(&federation, &entry(&kept.entry[0]));
    for kept in kept.entry[1..].iter().take_while(|kept| kept.body != "Witnessed") {
        case.learn(&entry(kept));
    }
    assert_eq!((case.holder(), case.offered_to()), ("kota-bandung", None));
    assert_eq!(case.complaint.case().phase.name(), "closed");
    assert!(!case.complaint.case().self_closed);
    let digest = hex(case.complaint.digest());
    assert_eq!(golden("digest.txt", &format!("{digest}\n")).trim_end(), digest);
}

#[test]
fn a_golden_content_has_the_hash_of_the_format() {
    let content = content();
    let now = GoldenContent { salt: hex(content.salt), bytes: hex(&content.data), hash: hex(content.hash()) };
    let kept = golden_toml("content.toml", &now);
    let hash = sha256(&[b"sinergi/content/v1\0", &unhex(&kept.salt), &unhex(&kept.bytes)]);
    assert_eq!(hex(hash), kept.hash);
    assert_eq!(read_text(&unhex(&kept.bytes)).expect("a text").title, "Jalan rusak");

    let lodged = &kept_entries().entry[0];
    let entry = Entry::parse(unhex(&lodged.signed_entry).into(), FEDERATION).expect("an entry");
    assert_eq!(hex(entry.commitments[0].hash), kept.hash);
    assert_eq!(Content::parse(content.to_wire(), &entry.commitments), Ok(content));
}

#[test]
fn a_golden_word_verifies_under_the_key_of_its_reply_code() {
    let complaint = crate::base::ids::ComplaintId([1; 32]);
    let word = Word { says: ReplyWord::Satisfied, answer: Some(EntryId([2; 32])), score: 4, number: 1_764_000_000 };
    let code = code(REPLY_CODE);
    let signed = word.sign(complaint, &code.key());
    let now = GoldenWord {
        reply_code: REPLY_CODE.to_owned(),
        code: hex([0x9f, 0x4a, 0x1c, 0x77, 0xd2, 3, 0x5b, 0xe8, 0x6a, 0x90, 0xf1, 0xc3, 0xe5, 0xb7, 0x1d, 0x24]),
        public_key: hex(code.public()),
        public_key_text: PublicKeyText(code.public()).to_string(),
        statement: hex(signed.word.statement(&complaint)),
        signature: hex(signed.signature),
        text: signed.to_string(),
    };
    let kept = golden_toml("word.toml", &now);
    assert_eq!(kept.text.parse(), Ok(signed));
    assert_eq!(kept.public_key_text.parse(), Ok(PublicKeyText(code.public())));
    // The derivation and the statement, written out.
    let bytes = unhex(&kept.code);
    let key = SigningKey::from(sha256(&[b"sinergi/citizen-key/v2\0", &bytes]));
    assert_eq!(public(&key), kept.public_key);
    let number = 1_764_000_000_u64.to_be_bytes();
    let statement = [b"sinergi/word/v2\0".as_slice(), &[1; 32], &[2; 32], &[1, 4], &number].concat();
    assert_eq!(hex(&statement), kept.statement);
    assert!(key.verification_key().verifies(&statement, &unhex(&kept.signature)));
    // Crockford's base32 of the code and of the first 12 bits of a hash.
    let checksum = sha256(&[b"sinergi/reply-code/v2\0", &bytes]);
    let bits: String = bytes.iter().chain(&checksum).map(|byte| format!("{byte:08b}")).collect();
    let digits = (0..28).map(|at| usize::from_str_radix(&bits[5 * at..5 * at + 5], 2).expect("five bits"));
    let text: String = digits.map(|digit| char::from(b"0123456789abcdefghjkmnpqrstvwxyz"[digit])).collect();
    assert_eq!(text, kept.reply_code.replace('-', ""));
}

#[test]
fn a_golden_receipt_verifies() {
    let key = entry_key("kota-bandung");
    let ack = crate::receipt::tests::receipt().sign(&key);
    let now = GoldenReceipt {
        public_key: public(&key),
        receipt: hex(&ack.receipt),
        signature: hex(&ack.signature),
        results: ack.results.iter().map(hex).collect(),
    };
    let kept = golden_toml("receipt.toml", &now);
    let results: Vec<Vec<u8>> = kept.results.iter().map(|result| unhex(result)).collect();
    let ack = wire::Ack { receipt: unhex(&kept.receipt), signature: unhex(&kept.signature), results };
    let receipt = Receipt::parse(&ack).expect("a receipt of version 2");
    assert_eq!(receipt, crate::receipt::tests::receipt());
    let message = [b"sinergi/receipt/v2\0", ack.receipt.as_slice()].concat();
    assert!(key.verification_key().verifies(&message, &ack.signature));
    // RFC 6962 over the four results, written out.
    let leaf = |result: &Vec<u8>| sha256(&[&[0], result]);
    let [one, two, three, four] = [0, 1, 2, 3].map(|index| leaf(&ack.results[index]));
    let root = sha256(&[&[1], &sha256(&[&[1], &one, &two]), &sha256(&[&[1], &three, &four])]);
    let message: wire::Receipt = prost::Message::decode(ack.receipt.as_slice()).expect("a receipt");
    assert_eq!((message.results_root, message.result_count), (root.to_vec(), 4));
}

#[test]
fn a_golden_checkpoint_opens_under_the_charter_s_keys() {
    let (checkpoint_key, time_key) = (key("kota-bandung checkpoint"), key("kota-bandung time"));
    let city = agency("kota-bandung");
    let signer = CheckpointSigner::new(FEDERATION, &city, Epoch::FIRST, checkpoint_key, time_key.clone());
    let root = sha256(&[b"a root"]);
    let note = String::from_utf8(signer.sign(8, root, 1_764_000_123)).expect("a note is UTF-8");
    let kept = golden("checkpoint.txt", &note);
    let keys = Federation::new().charter().checkpoint_keys(&city).expect("a member");
    let opened = Checkpoint::open(kept.as_bytes(), FEDERATION, &city, &keys).expect("a checkpoint");
    assert_eq!(opened, Checkpoint { epoch: Epoch::FIRST, size: 8, root, seconds: Some(1_764_000_123) });

    // C2SP cosignature/v1: the signed message and the bytes of the line, written out.
    let text = format!("{FEDERATION}/kota-bandung/1\n8\n{}\n", data_encoding::BASE64.encode(&root));
    assert!(kept.starts_with(&format!("{text}\n")));
    let line = kept.lines().last().expect("two lines");
    let encoded = line.strip_prefix("\u{2014} sinergi.example/kota-bandung/time ").expect("the time line");
    let bytes = data_encoding::BASE64.decode(encoded.as_bytes()).expect("base64");
    let name = b"sinergi.example/kota-bandung/time";
    let id = sha256(&[name, b"\n", &[4], time_key.verification_key().as_ref()]);
    assert_eq!(bytes[..4], id[..4]);
    assert_eq!(bytes[4..12], 1_764_000_123_u64.to_be_bytes());
    let message = format!("cosignature/v1\ntime 1764000123\n{text}");
    assert!(time_key.verification_key().verifies(message.as_bytes(), &bytes[12..]));
}

#[test]
fn a_golden_citizen_s_receipt_verifies() {
    let federation = Federation::new();
    let lodged = federation.node("kota-bandung").lodges();
    let (leaf, sibling) = (lodged.entry().bytes, tlog_tiles::record_hash(b"the next leaf"));
    // RFC 6962, written out.
    let root = sha256(&[&[1], &sha256(&[&[0], &leaf]), &sibling.0]);
    let (checkpoint_key, time_key) = (key("kota-bandung checkpoint"), key("kota-bandung time"));
    let signer =
        CheckpointSigner::new(FEDERATION, &agency("kota-bandung"), Epoch::FIRST, checkpoint_key, time_key.clone());
    let note = signer.sign(2, root, 1_764_000_123);
    let now = lodging_proof::receipt(&leaf, LedgerIndex(0), vec![sibling], &note);
    let kept = golden("lodging.tlog-proof", &String::from_utf8(now).expect("a receipt is UTF-8"));
    let proven = lodging_proof::verify(kept.as_bytes(), federation.charter()).expect("a citizen's receipt");
    assert_eq!(
        (proven.complaint, proven.in_ledger_at),
        (lodged.entry().complaint.expect("an id"), Some(1_764_000_123))
    );
    assert!(proven.has_citizen_key(&code(REPLY_CODE).public()));
}

#[test]
fn golden_charters_are_trusted_in_turn() {
    let first = String::from_utf8(signed_by(&MANAGERS[..3], &written(&charter_text()))).expect("a note is UTF-8");
    let mut text = successor_text(&charter_text());
    text.manager.pop();
    let second = String::from_utf8(signed_by(&MANAGERS[..4], &written(&text))).expect("a note is UTF-8");
    let (first, second) = (golden("charter-1.txt", &first), golden("charter-2.txt", &second));

    let body = first.rsplit_once("\n\n").expect("text and signatures").0;
    let hash = sha256(&[body.as_bytes(), b"\n"]);
    let mut charters = Charters::pinned(first.as_bytes(), &hash).expect("the pinned charter");
    let next = charters.succeed(second.as_bytes()).expect("its successor");
    assert_eq!(next.predecessor, Some(hash));
    assert_eq!(next.managers.len(), 4);
    assert_eq!(Charter::parse(second.as_bytes()).expect("a charter").hash, next.hash);
}

#[test]
fn an_entry_id_does_not_depend_on_the_envelope() {
    let entry = batch().swap_remove(4);
    let mut other = wire::SignedEntry::decode(entry.signed()).expect("a signed entry");
    let reread =
        |signed: &wire::SignedEntry| Entry::parse(signed.encode_to_vec().into(), FEDERATION).expect("an entry").id;
    assert_eq!(reread(&other), entry.id);
    other.envelope.as_mut().expect("an envelope").signature = vec![1; 64].into();
    assert_eq!(reread(&other), entry.id);
    other.envelope = None;
    assert_eq!(reread(&other), entry.id);
    assert_ne!(EntryId::of(&[entry.bytes.as_ref(), &[0]].concat()), entry.id);
}
