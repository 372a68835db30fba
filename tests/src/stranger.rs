//! A stranger who has only an evidence file and the charter.

use crate::federation::TestFederation;
use crate::program::run_on;

/// Asserts that the evidence of a node proves this finding against the accused to a stranger, and that a changed file proves nothing.
pub fn convinces_a_stranger(federation: &TestFederation, accuser: &str, finding: &str, accused: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, charter) = (folder.path().join("bukti"), folder.path().join("piagam"));
    std::fs::write(&charter, federation.charter()).expect("written");
    let file_text = file.display().to_string();
    let exported = run_on(&federation.folder_of(accuser), &["evidence", "export", "--to", &file_text]);
    assert_eq!(exported.code, 0, "{exported:?}");
    let verify = ["evidence", "verify", &file_text, "--charter", &charter.display().to_string()];
    let elsewhere = folder.path().join("nowhere");
    let verified = run_on(&elsewhere, &verify);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(verified.out.contains(&format!("{finding} by {accused}")), "{verified:?}");
    assert!(verified.out.contains(&format!("made by {accuser}")), "{verified:?}");
    let mut bytes = std::fs::read(&file).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
    std::fs::write(&file, bytes).expect("written");
    assert_eq!(run_on(&elsewhere, &verify).code, 5, "a changed file");
}
