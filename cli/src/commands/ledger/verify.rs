//! `sinergi ledger verify`: checks every record and every hash of the ledger. Exit code 5 if a check fails.

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use sinergi_proto::operator_api::VerifyLedgerRequest;

use crate::failure::Failure;
use crate::options::Context;
use crate::output::{Output, Tone};
use crate::safe;
use crate::view::Verification;

/// Runs the command.
pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let what = "verify its ledger";
    let mut node = context.connect().await?;
    let answer = node.api.verify_ledger(VerifyLedgerRequest {}).await;
    let mut stream = answer.map_err(|status| Failure::from_status(what, &status))?.into_inner();
    // The bar goes to stderr, and is shown only if that is a terminal.
    let style = ProgressStyle::with_template("verifying {wide_bar} {binary_bytes} of {binary_total_bytes}, {eta} left")
        .expect("the template is well-formed");
    let bar = ProgressBar::new(0).with_style(style);
    let mut result = Verification { checked: 0, total: 0, findings: Vec::new() };
    let mut done = false;
    while let Some(progress) = stream.message().await.map_err(|status| Failure::from_status(what, &status))? {
        result.checked = progress.checked;
        result.total = progress.total;
        result.findings.extend(progress.findings.into_iter().map(Into::into));
        done = progress.done;
        bar.set_length(result.total);
        bar.set_position(result.checked);
    }
    bar.finish_and_clear();
    if !done {
        return Err(Failure::failed(format!(
            "the node stopped after {} of {}",
            BinaryBytes(result.checked),
            BinaryBytes(result.total)
        ))
        .help("repeat the command; the node's log has the reason"));
    }
    context.output.document(&result, page)?;
    match result.findings.len() {
        0 => Ok(()),
        count => Err(Failure::findings(format!("the ledger has {count} finding{}", if count == 1 { "" } else { "s" }))
            .help("do what each finding says, and keep a copy of the ledger as it is")),
    }
}

fn page(output: &Output, result: &Verification) -> String {
    if result.findings.is_empty() {
        let text = format!("The ledger is sound: {} checked.", BinaryBytes(result.checked));
        return output.paint(Tone::Good, &text);
    }
    let mut lines = vec![format!("{} of {} checked.", BinaryBytes(result.checked), BinaryBytes(result.total))];
    for finding in &result.findings {
        let place = format!("{} at byte {}", safe::line(&finding.file), finding.offset);
        lines.push(output.paint(Tone::Alarm, &place));
        lines.push(output.wrapped(&safe::line(&finding.problem), "  "));
        lines.push(output.wrapped(&format!("what to do: {}", safe::line(&finding.advice)), "  "));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::VerificationFinding;

    #[test]
    fn a_finding_names_file_place_problem_and_what_to_do() {
        let output = Output::fixed("2026-03-01T12:00:00Z".parse().expect("a time"));
        let finding = VerificationFinding {
            file: "ledger/00000001.seg".to_owned(),
            offset: 4096,
            problem: "checksum differs".to_owned(),
            advice: "stop the node and restore this file".to_owned(),
        };
        let result = Verification { checked: 10, total: 12, findings: vec![finding] };
        let expected = "\
10 B of 12 B checked.
ledger/00000001.seg at byte 4096
  checksum differs
  what to do: stop the node and restore this file";
        assert_eq!(page(&output, &result), expected);
    }
}
