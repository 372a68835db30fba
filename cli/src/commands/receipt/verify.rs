//! Checks a receipt with only a charter, so that a citizen can check it who has no node and trusts none.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use data_encoding::HEXLOWER;
use sinergi_proto::base::limits;
use sinergi_proto::charter::Charter;
use sinergi_proto::citizen::ReplyCode;
use sinergi_proto::transparency::lodging_proof::{self, Lodging};

use crate::charter::Paper;
use crate::commands::charter::files;
use crate::failure::Failure;
use crate::options::Context;
use crate::output::{Output, Tone};
use crate::safe;
use crate::view::{ProvenLodging, VerifiedReceipt, short_id};

/// Checks a receipt and shows what it proves. Fails if it is not valid.
pub(super) fn run(
    file: &Path,
    charter: &Path,
    reply_code: Option<&ReplyCode>,
    context: &Context,
) -> Result<(), Failure> {
    let charter = trusted(charter)?;
    let verified = verified(file, &read(file)?, &charter, reply_code);
    context.output.document(&verified, page)?;
    match &verified.problem {
        None => Ok(()),
        Some(_) => Err(Failure::findings(format!("{} is not valid", file.display()))
            .help("compare it with the original receipt, and check that the charter is the federation's")),
    }
}

/// The facts that a receipt proves, or the reason why it proves nothing.
fn verified(file: &Path, bytes: &[u8], charter: &Charter, reply_code: Option<&ReplyCode>) -> VerifiedReceipt {
    let (lodging, problem) = match lodging_proof::verify(bytes, charter) {
        Ok(lodging) => (Some(lodging), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let fits = |lodging: &Lodging| reply_code.map(|code| lodging.has_citizen_key(&code.public()));
    let reply_code_fits = lodging.as_ref().and_then(fits);
    let wrong_code = || "the reply code does not belong to this complaint".to_owned();
    VerifiedReceipt {
        file: file.to_owned(),
        charter_version: charter.version,
        charter_hash: HEXLOWER.encode(&charter.hash),
        proven: lodging.map(|lodging| ProvenLodging::of(&lodging, charter)),
        reply_code_fits,
        problem: problem.or_else(|| (reply_code_fits == Some(false)).then(wrong_code)),
    }
}

/// Reads the charter, and checks that enough of its own managers signed it. Whether it is the federation's charter, the reader must know:
/// `charter verify` shows its hash.
fn trusted(path: &Path) -> Result<Charter, Failure> {
    let found = |error| Failure::findings(format!("{} is no charter", path.display())).because(error);
    let paper = Paper::read(&files::read_bytes(path)?).map_err(found)?;
    let charter = paper.charter().map_err(found)?;
    let signers = paper.signers().map_err(found)?.len();
    if signers < charter.threshold {
        let (managers, threshold) = (charter.managers.len(), charter.threshold);
        return Err(Failure::findings(format!(
            "{} is signed by {signers} of its {managers} managers, {threshold} must",
            path.display()
        ))
        .help("get the charter with all its signatures; `sinergi charter verify` shows the details"));
    }
    Ok(charter)
}

/// Reads a file up to one byte beyond the limit of a receipt, so that a longer file is detected.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limits::TLOG_PROOF_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::failed(format!("cannot read {}", path.display())).because(error))?;
    Ok(bytes)
}

fn page(output: &Output, verified: &VerifiedReceipt) -> String {
    let mut parts = Vec::new();
    if let Some(proven) = &verified.proven {
        parts.push(output.facts(&facts(output, verified, proven)));
        let sentence = format!(
            "{} signed that complaint {} was lodged with it at {}, and {}.",
            safe::line(&proven.agency_name),
            short_id(&proven.complaint),
            moment(output, proven.lodged_at),
            match proven.in_ledger_at {
                Some(at) => format!("had it in its ledger at {} at the latest", output.clock_and_zone(at)),
                None =>
                    "had it in its ledger; the receipt does not prove at which time, as while the agency's clock is not confirmed"
                        .to_owned(),
            }
        );
        parts.push(output.paint(Tone::Good, &output.wrapped(&sentence, "")));
    }
    if let Some(problem) = &verified.problem {
        let meaning = if verified.proven.is_none() { "It proves nothing" } else { "It is not your complaint" };
        let text = format!("{meaning}: {}.", safe::line(problem));
        parts.push(output.paint(Tone::Alarm, &output.wrapped(&text, "")));
    }
    parts.join("\n\n")
}

fn facts(output: &Output, verified: &VerifiedReceipt, proven: &ProvenLodging) -> Vec<(&'static str, String)> {
    let code = match verified.reply_code_fits {
        Some(true) => "belongs to the complaint",
        Some(false) => "does not belong to the complaint",
        None => "",
    };
    vec![
        ("complaint", proven.complaint.clone()),
        ("lodged with", format!("{} ({})", safe::line(&proven.agency_name), proven.agency)),
        ("kind", format!("{}, {}", proven.kind.replace('_', " "), safe::line(&proven.category))),
        ("area", proven.area.as_deref().map(safe::line).unwrap_or_default().to_string()),
        ("lodged at", moment(output, proven.lodged_at)),
        (
            "in its ledger",
            proven.in_ledger_at.map_or_else(
                || "at a time that is not proven".to_owned(),
                |at| format!("{} at the latest", output.clock_and_zone(at)),
            ),
        ),
        ("leaf", format!("{} of {} in {}", proven.leaf_index, proven.ledger_size, proven.ledger)),
        ("citizen key", proven.citizen_key.clone().unwrap_or_default()),
        ("key made by", key_maker(proven)),
        ("reply code", code.to_owned()),
        ("charter", format!("version {} of {}", verified.charter_version, proven.federation)),
        ("charter hash", verified.charter_hash.clone()),
    ]
}

/// Says who made the citizen's key: the citizen or the agency.
fn key_maker(proven: &ProvenLodging) -> String {
    match proven.citizen_key_origin.as_deref() {
        Some("device") => "the citizen".to_owned(),
        Some("drawn") => "the agency, which had it once".to_owned(),
        Some(other) => safe::line(other).to_string(),
        None => "nobody: no word can be signed".to_owned(),
    }
}

fn moment(output: &Output, moment: Option<jiff::Timestamp>) -> String {
    moment.map_or_else(|| "an unknown time".to_owned(), |moment| output.clock_and_zone(moment))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A golden file of the crate that defines the format.
    const RECEIPT: &[u8] = include_bytes!("../../../../proto/golden/lodging.tlog-proof");
    const CHARTER: &[u8] = include_bytes!("../../../../proto/golden/charter-1.txt");
    const REPLY_CODE: &str = "KX51 RXYJ 0DDY GTMG Y71Y BDRX 4GKM";

    fn output() -> Output {
        Output::fixed("2026-03-01T12:00:00Z".parse().expect("a time"))
    }

    fn shown(bytes: &[u8], reply_code: Option<&str>) -> String {
        let charter = Charter::parse(CHARTER).expect("a charter");
        let code = reply_code.map(|code| code.parse().expect("a reply code"));
        page(&output(), &verified("r.tlog-proof".as_ref(), bytes, &charter, code.as_ref()))
    }

    #[test]
    fn a_valid_receipt_shows_agency_complaint_and_times() {
        let expected = "\
complaint      06dbd5z80161es1xbt75rqrptxyc6dswfp2ajk62f2gc7sab04hg
lodged with    Agency kota-bandung (kota-bandung)
kind           complaint, jalan
area           32.73
lodged at      2025-11-24 16:00:00 UTC
in its ledger  2025-11-24 16:02:03 UTC at the latest
leaf           0 of 2 in sinergi.example/kota-bandung/1
citizen key    bqqq-fbna-7a15-t7za-k58b-4cf7-d4fq-8hqj-xz1r-qwvd-1wry-gdyz-c26w-
               t9c5
key made by    the agency, which had it once
reply code     belongs to the complaint
charter        version 1 of sinergi.example
charter hash   0966e3431ea70bf3437b343d617ee2b733a70a79864e114ed14cd3a8feaa9d36

Agency kota-bandung signed that complaint gc7sab04hg was lodged with it at
2025-11-24 16:00:00 UTC, and had it in its ledger at 2025-11-24 16:02:03 UTC at
the latest.";
        assert_eq!(shown(RECEIPT, Some(REPLY_CODE)), expected);
        assert!(!shown(RECEIPT, None).contains("reply code"), "no code was given");
    }

    #[test]
    fn a_changed_receipt_and_a_wrong_reply_code_give_different_messages() {
        let changed = String::from_utf8(RECEIPT.to_vec()).expect("text").replacen("index 0", "index 1", 1);
        let text = shown(changed.as_bytes(), Some(REPLY_CODE));
        assert!(text.starts_with("It proves nothing: the entry was signed for leaf 0"), "{text}");
        let text = shown(RECEIPT, Some("0000-0000-0000-0000-0000-0000-002x"));
        assert!(text.contains("It is not your complaint: the reply code does not belong"), "{text}");
    }

    #[test]
    fn a_charter_that_its_managers_did_not_sign_is_a_finding() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = String::from_utf8(CHARTER.to_vec()).expect("text");
        let at = folder.path().join("charter.note");
        std::fs::write(&at, CHARTER).expect("written");
        trusted(&at).expect("three of five signed it");
        let (unsigned, _) = text.trim_end().rsplit_once('\n').expect("lines");
        std::fs::write(&at, format!("{unsigned}\n")).expect("written");
        let failure = trusted(&at).expect_err("one is missing");
        assert_eq!(failure.exit().code(), 5);
        assert!(failure.report().contains("signed by 2 of its 5 managers, 3 must"), "{}", failure.report());
    }
}
