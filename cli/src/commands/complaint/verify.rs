//! `sinergi complaint verify`: checks all entries of a complaint: signatures, keys, parents, authority, contents and places in the ledger. Exit
//! code 5 if a check fails.

use clap::Args;
use sinergi_proto::base::ids::ComplaintName;
use sinergi_proto::operator_api::VerifyComplaintRequest;

use super::act;
use crate::failure::Failure;
use crate::options::Context;
use crate::output::columns::rendered;
use crate::output::{Output, Tone};
use crate::safe;
use crate::view::{Verified, VerifiedEntry, short_hash, short_id};

/// Options of `complaint verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// The complaint
    #[arg(value_name = "ID")]
    pub complaint: ComplaintName,
}

/// Runs the command.
pub(super) async fn run(args: VerifyArgs, context: &Context) -> Result<(), Failure> {
    let mut node = context.connect().await?;
    let request = VerifyComplaintRequest { complaint: args.complaint.as_str().to_owned() };
    let answer = node.api.verify_complaint(request).await;
    let verified = Verified::from(answer.map_err(|status| act::refusal("verify the complaint", &status))?.into_inner());
    context.output.document(&verified, page)?;
    if verified.sound {
        return Ok(());
    }
    let unsound = verified.entries.iter().filter(|entry| !entry.problems.is_empty()).count();
    let found = match unsound {
        0 => "does not hold as a whole".to_owned(),
        1 => "has 1 entry that does not hold".to_owned(),
        count => format!("has {count} entries that do not hold"),
    };
    Err(Failure::findings(format!("complaint {} {found}", short_id(&verified.complaint))).help(
        "run `sinergi ledger verify`, keep a copy of the ledger as it is, and compare it with other agencies' ledgers",
    ))
}

fn page(output: &Output, verified: &Verified) -> String {
    let headings = ["LEAF", "ENTRY", "AUTHOR", "WHAT", "CHARTER", "CHECK"];
    let mut table = output.table(&headings, &["LEAF", "ENTRY", "WHAT", "CHARTER"]);
    for entry in &verified.entries {
        table.add_row([
            entry.leaf_index.to_string().into(),
            output.cell(Tone::Faint, short_hash(&entry.entry_id)),
            safe::line(&entry.author).into(),
            safe::line(&entry.body).into(),
            entry.charter_version.to_string().into(),
            check(output, entry),
        ]);
    }
    let count = verified.entries.len();
    let entries = if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") };
    let result = match (&verified.problem, verified.sound) {
        (Some(problem), _) => {
            output.paint(Tone::Alarm, &output.wrapped(&format!("As a whole: {}", safe::line(problem)), ""))
        }
        (None, true) => {
            let text = format!(
                "Complaint {} is sound: signature, parents, authority, contents and place in the ledger of {entries} hold.",
                short_id(&verified.complaint)
            );
            output.paint(Tone::Good, &output.wrapped(&text, ""))
        }
        (None, false) => {
            let unsound = verified.entries.iter().filter(|entry| !entry.problems.is_empty()).count();
            output.paint(Tone::Alarm, &format!("{unsound} of {entries} do not hold."))
        }
    };
    // If the ledger is damaged, there may be no entry to list.
    if count == 0 { result } else { format!("{}\n{result}", rendered(&table)) }
}

fn check(output: &Output, entry: &VerifiedEntry) -> comfy_table::Cell {
    if entry.problems.is_empty() {
        return output.cell(Tone::Good, "holds");
    }
    let problems: Vec<String> = entry.problems.iter().map(|problem| safe::line(problem)).collect();
    output.cell(Tone::Alarm, &format!("does not hold:\n{}", problems.join("\n")))
}

#[cfg(test)]
mod tests {

    use sinergi_proto::operator_api;

    use super::*;

    fn entry(leaf: u64, body: &str, problems: &[&str]) -> operator_api::VerifiedEntry {
        operator_api::VerifiedEntry {
            entry_id: vec![u8::try_from(leaf).expect("small"); 32],
            leaf_index: leaf,
            author: "kota-bandung".to_owned(),
            body: body.to_owned(),
            key_id: 0x5f00_aa17,
            charter_version: 1,
            standing: "effective".to_owned(),
            problems: problems.iter().map(|&problem| problem.to_owned()).collect(),
        }
    }

    fn verified(entries: Vec<operator_api::VerifiedEntry>, problem: &str) -> Verified {
        operator_api::VerifyComplaintReply { complaint: vec![0x5a; 32], entries, problem: problem.to_owned() }.into()
    }

    #[test]
    fn every_entry_is_listed_with_what_does_not_hold() {
        let output = Output::fixed("2026-03-01T12:00:00Z".parse().expect("a time"));
        let bad = "the signature does not verify under entry key 5f00aa17";
        let result = verified(vec![entry(7, "Lodged", &[]), entry(9, "Forwarded", &[bad, "too short"])], "");
        assert!(!result.sound);
        let expected = "\
LEAF  ENTRY         AUTHOR        WHAT       CHARTER  CHECK
7     070707070707  kota-bandung  Lodged     1        holds
9     090909090909  kota-bandung  Forwarded  1        does not hold:
                                                      the signature does not
                                                      verify under entry key
                                                      5f00aa17
                                                      too short

1 of 2 entries do not hold.";
        assert_eq!(page(&output, &result), expected);
    }

    #[test]
    fn a_sound_complaint_says_what_was_checked_and_a_problem_of_the_whole_is_named() {
        let output = Output::fixed("2026-03-01T12:00:00Z".parse().expect("a time"));
        let sound = verified(vec![entry(7, "Lodged", &[])], "");
        assert!(sound.sound);
        let text = page(&output, &sound);
        assert!(text.contains("Complaint d5mpjtb9d0 is sound: signature, parents, authority"), "{text}");
        let unsound = verified(vec![entry(7, "Lodged", &[])], "its digest differs; run `sinergid rebuild`");
        assert!(!unsound.sound);
        assert!(page(&output, &unsound).ends_with("As a whole: its digest differs; run `sinergid rebuild`"));
    }
}
