//! Imports files of other systems into a real node.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sinergi_tests::federation::{TestFederation, province_and_city};
use sinergi_tests::program::{Said, run_on};
use tempfile::TempDir;

/// The real records that ship with the command line.
const ROWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/data/nyc311-200.csv");

/// A mapping for small files.
const MAPPING: &str = r#"
source = "lapor"
id = "id"
title = ["{judul}"]
body = ["{isi}"]
[category]
column = "kategori"
as = "code"
[occurred_at]
column = "tanggal"
format = "%Y-%m-%d %H:%M"
time_zone = "Asia/Jakarta"
"#;

/// A running node, and a folder for the files that are imported.
struct Desk {
    federation: TestFederation,
    files: TempDir,
}

impl Desk {
    async fn open() -> Self {
        let mut federation = TestFederation::make(province_and_city());
        federation.start_node("prov-jabar").await;
        Self { federation, files: tempfile::tempdir().expect("a folder") }
    }

    fn run(&self, arguments: &[&str]) -> Said {
        run_on(&self.federation.folder_of("prov-jabar"), arguments)
    }

    /// Writes a file to be imported.
    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.files.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }

    /// Imports a file. Returns the output, and its JSON answer.
    fn imports(&self, file: &Path, options: &[&str]) -> (Said, Value) {
        let file = file.to_str().expect("a path");
        let said = self.run(&[&["complaint", "import", file, "--output", "json"], options].concat());
        let answer = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
        (said, answer)
    }

    async fn ledger_size(&self) -> u64 {
        self.federation.node("prov-jabar").await.status().await.ledger_size
    }

    fn complaints(&self) -> Vec<Value> {
        let said = self.run(&["complaint", "list", "--limit", "10000", "--output", "json"]);
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
    }
}

/// `(lodged, already there, rejected)` of an answer.
fn counts(answer: &Value) -> (u64, u64, u64) {
    let count = |field: &str| answer[field].as_u64().unwrap_or_else(|| panic!("{field}: {answer}"));
    (count("lodged"), count("already_there"), count("rejected"))
}

#[tokio::test]
async fn two_hundred_real_records_are_lodged_once_however_often_they_are_imported() {
    let desk = Desk::open().await;
    let (said, first) = desk.imports(Path::new(ROWS), &[]);
    assert_eq!((said.code, counts(&first)), (0, (200, 0, 0)), "{said:?}");
    let size = desk.ledger_size().await;
    let complaints = desk.complaints();
    assert_eq!(complaints.len(), 200);
    let known =
        complaints.iter().find(|complaint| complaint["external_id"] == "19937902").expect("a record of the file");
    assert_eq!((&known["external_source"], &known["category"]), (&"nyc311".into(), &"street-sign-missing".into()));
    assert_eq!(known["title"], "Street Sign - Missing: Other/Unknown");

    let (said, second) = desk.imports(Path::new(ROWS), &["--concurrency", "64"]);
    assert_eq!((said.code, counts(&second)), (0, (0, 200, 0)), "{said:?}");
    assert_eq!(desk.ledger_size().await, size, "a second import adds nothing");
    assert_eq!(desk.complaints(), complaints);
}

#[tokio::test]
async fn an_import_that_was_cut_short_is_finished_by_repeating_it_after_a_restart() {
    let mut desk = Desk::open().await;
    let (_, first) = desk.imports(Path::new(ROWS), &["--limit", "77"]);
    assert_eq!(counts(&first), (77, 0, 0));
    desk.federation.process_mut("prov-jabar").kill().await;
    desk.federation.start_node("prov-jabar").await;
    let (_, second) = desk.imports(Path::new(ROWS), &[]);
    assert_eq!(counts(&second), (123, 77, 0));
}

#[tokio::test]
async fn bad_rows_are_reported_by_line_column_and_reason_and_kept_and_the_rest_is_lodged() {
    let desk = Desk::open().await;
    let mapping = desk.file("lapor.toml", MAPPING.as_bytes());
    let long = "x".repeat(513);
    let rows: [(&[u8], &str); 8] = [
        (b"1,Jalan rusak,Berlubang,Jalan,2026-03-01 10:00", ""),
        (b"2,Lampu mati,Gelap,Jalan,2026-02-30 10:00", "line 3: tanggal: \"2026-02-30 10:00\" is no time"),
        (b"3,,Gelap,Jalan,2026-03-01 10:00", "line 4: judul: must not be empty"),
        (b"4,LONG,Gelap,Jalan,2026-03-01 10:00", "line 5: judul: has 513 bytes, at most 512"),
        (b"5,Lampu\x07 mati,Gelap,Jalan,2026-03-01 10:00", "line 6: judul: holds the control character U+0007"),
        (b"6,Lampu mati,Gel\xe4p,Jalan,2026-03-01 10:00", "line 7: isi: is not UTF-8 at byte 3"),
        (b"7,Lampu mati,Gelap", "line 8: has 3 cells where the header has 5"),
        (b"8,Sampah,Menumpuk,Kebersihan,2026-03-01 10:00", ""),
    ];
    let mut file = b"id,judul,isi,kategori,tanggal\n".to_vec();
    for (row, _) in rows {
        let text = [row, b"\n"].concat();
        match row.starts_with(b"4,") {
            true => file.extend(String::from_utf8_lossy(&text).replace("LONG", &long).bytes()),
            false => file.extend(text),
        }
    }
    let path = desk.file("lapor.csv", &file);
    let options = ["--mapping", mapping.to_str().expect("a path")];
    let (said, answer) = desk.imports(&path, &options);
    assert_eq!((said.code, counts(&answer)), (1, (2, 0, 6)), "{said:?}");
    for (_, reason) in rows.iter().filter(|(_, reason)| !reason.is_empty()) {
        assert!(said.err.contains(reason), "{reason} is not reported: {}", said.err);
    }
    let kept = desk.files.path().join("lapor.rejected.csv");
    assert_eq!(answer["rejected_file"], kept.to_str().expect("a path"));
    assert!(said.err.contains(&format!("6 rows were rejected, kept in {}", kept.display())), "{}", said.err);
    let mut lodged: Vec<String> = desk.complaints().iter().map(|row| row["external_id"].to_string()).collect();
    lodged.sort_unstable();
    assert_eq!(lodged, ["\"1\"", "\"8\""]);

    let mut reader = csv::Reader::from_path(&kept).expect("a CSV file");
    let header = reader.byte_headers().expect("a header").clone();
    assert_eq!(header, "id,judul,isi,kategori,tanggal,rejected_line,rejected_reason".split(',').collect::<Vec<_>>());
    let records: Vec<csv::ByteRecord> = reader.byte_records().collect::<Result<_, _>>().expect("rows of one length");
    let lines: Vec<&[u8]> = records.iter().map(|record| &record[5]).collect();
    assert_eq!(lines, [b"3", b"4", b"5", b"6", b"7", b"8"]);
    assert_eq!(&records[4][2], b"Gel\xe4p", "an unreadable row is kept byte for byte");

    // The operator corrects the rejected file in place and imports it as it is. Complaints that were lodged before stay as they are.
    let mut corrected = csv::Writer::from_writer(Vec::new());
    corrected.write_byte_record(&header).expect("in memory");
    for record in &records {
        let good = [&record[0], b"Lampu mati", b"Gelap", b"Jalan", b"2026-03-01 10:00", &record[5], &record[6]];
        corrected.write_record(good).expect("in memory");
    }
    std::fs::write(&kept, corrected.into_inner().expect("in memory")).expect("written");
    let (said, answer) = desk.imports(&kept, &options);
    assert_eq!((said.code, counts(&answer)), (0, (6, 0, 0)), "{said:?}");
    assert_eq!(desk.complaints().len(), 8);
}

#[tokio::test]
async fn bad_lines_of_json_are_reported_by_line_and_field_and_kept_and_the_rest_is_lodged() {
    let desk = Desk::open().await;
    let good = |id: &str| {
        format!(r#"{{"source":"lapor","id":"{id}","category":"road","title":"Jalan rusak","body":"Berlubang"}}"#)
    };
    let with = |id: &str, from: &str, to: &str| good(id).replace(from, to);
    let lines: [(String, &str); 9] = [
        (good("1"), ""),
        (with("2", r#""title":"Jalan rusak","#, ""), "line 2: title: must not be empty"),
        (with("3", "Jalan rusak", &"x".repeat(600)), "line 3: title: has 600 bytes, at most 512"),
        (with("4", "Berlubang", r"Ber\u0000lubang"), "line 4: body: holds the control character U+0000"),
        (with("5", r#""body""#, r#""occurred_at":"2026-02-30T00:00:00Z","body""#), "line 5: occurred_at: "),
        (with("6", r#""body""#, r#""colour":"red","body""#), "line 6: "),
        ("{\"source\":".to_owned(), "line 7: "),
        ("[]".to_owned(), "line 8: "),
        (good("9"), ""),
    ];
    let mut bytes: Vec<u8> = lines.iter().flat_map(|(line, _)| format!("{line}\n").into_bytes()).collect();
    bytes.extend_from_slice(b"{\"source\":\"caf\xe9\"}\n");
    let path = desk.file("lapor.jsonl", &bytes);
    let (said, answer) = desk.imports(&path, &[]);
    assert_eq!((said.code, counts(&answer)), (1, (2, 0, 8)), "{said:?}");
    for reason in lines.iter().map(|(_, reason)| *reason).chain(["line 10: is not UTF-8 at byte 14"]) {
        assert!(said.err.contains(reason), "{reason} is not reported: {}", said.err);
    }
    let kept = std::fs::read_to_string(desk.files.path().join("lapor.rejected.jsonl")).expect("kept");
    let kept: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(
        kept.iter().map(|row| row["line"].as_u64()).collect::<Vec<_>>(),
        (2..=8).chain([10]).map(Some).collect::<Vec<_>>()
    );
    assert_eq!(kept[0]["row"], lines[1].0.as_str());
    assert!(kept.iter().all(|row| row["reason"].as_str().is_some_and(|reason| !reason.is_empty())), "{kept:?}");

    let size = desk.ledger_size().await;
    let (said, again) = desk.imports(&path, &[]);
    assert_eq!((said.code, counts(&again)), (1, (0, 2, 8)), "{said:?}");
    assert_eq!(desk.ledger_size().await, size, "a second import adds nothing");
}

#[tokio::test]
async fn only_the_owner_can_read_the_receipts_file_and_its_codes_confirm_a_citizen_s_reply() {
    let desk = Desk::open().await;
    let receipts = desk.files.path().join("receipts.csv");
    let name = receipts.to_str().expect("a path");
    let (said, answer) = desk.imports(Path::new(ROWS), &["--limit", "20", "--receipts", name]);
    assert_eq!((said.code, answer["receipts_file"].as_str()), (0, Some(name)), "{said:?}");
    assert_eq!(std::fs::metadata(&receipts).expect("made").permissions().mode() & 0o7777, 0o600);
    let mut reader = csv::Reader::from_path(&receipts).expect("a CSV file");
    assert_eq!(reader.headers().expect("a header"), vec!["external_id", "complaint", "reply_code"]);
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("rows");
    assert_eq!(rows.len(), 20);
    let (complaint, code, other) = (&rows[0][1], &rows[0][2], &rows[1][2]);

    let resolved = desk.run(&["complaint", "resolve", complaint, "--outcome", "fixed", "--text", "Sudah diperbaiki."]);
    assert_eq!(resolved.code, 0, "{resolved:?}");
    let reply = |code| desk.run(&["complaint", "reply", complaint, "--word", "satisfied", "--code", code]);
    let wrong = reply(other);
    assert_eq!(wrong.code, 4, "another citizen's code is not this one's: {wrong:?}");
    assert!(wrong.err.contains("the reply code is not the one of this complaint's citizen"), "{wrong:?}");
    let right = reply(code);
    assert_eq!(right.code, 0, "{right:?}");

    let again = desk.run(&["complaint", "import", ROWS, "--receipts", name]);
    assert_eq!(again.code, 2, "receipts are never written over: {again:?}");
    assert_eq!(std::fs::read_to_string(&receipts).expect("there").lines().count(), 21);
}

#[tokio::test]
async fn a_file_that_cannot_be_imported_at_all_is_wrong_usage_and_lodges_nothing() {
    let desk = Desk::open().await;
    let before = desk.ledger_size().await;
    let empty = desk.file("empty.csv", b"");
    let foreign = desk.file("foreign.csv", b"Name,Age\nSiti,30\n");
    let broken = desk.file("broken.toml", b"sauce = \"lapor\"\n");
    let text = |path: &Path| path.to_str().expect("a path").to_owned();
    for (arguments, words) in [
        (vec![text(&empty)], "it has no header line"),
        (vec![text(&foreign)], "fits the header, which has: \"Name\", \"Age\""),
        (vec![text(&foreign), "--mapping".to_owned(), text(&broken)], "sauce"),
        (vec![text(&desk.files.path().join("nothing.csv"))], "nothing.csv"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let said = desk.run(&[&["complaint", "import"], &arguments[..]].concat());
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{arguments:?}: {said:?}");
        assert!(said.err.contains(words) && said.err.contains("help: "), "{words}: {said:?}");
    }
    assert_eq!(desk.ledger_size().await, before);
}

#[tokio::test]
async fn an_import_into_a_node_that_is_down_is_exit_code_3_and_leaves_no_files() {
    let mut desk = Desk::open().await;
    desk.federation.stop_node("prov-jabar").await;
    let receipts = desk.files.path().join("receipts.csv");
    let said = desk.run(&["complaint", "import", ROWS, "--receipts", receipts.to_str().expect("a path")]);
    assert_eq!((said.code, said.out.as_str()), (3, ""), "{said:?}");
    assert!(!receipts.exists(), "a repeated import would find it in its way");
}
