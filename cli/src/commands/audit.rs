//! `sinergi audit`: checks other agencies' ledgers against this node's ledger. Exit code 5 if an audit has a finding.

use std::collections::BTreeSet;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use sinergi_proto::base::ids::{AgencyId, ComplaintName};
use sinergi_proto::operator_api::{AuditRequest, audit_event::Event};

use super::evidence::described;
use crate::failure::Failure;
use crate::options::Context;
use crate::output::columns::rendered;
use crate::output::{Output, Tone};
use crate::safe;
use crate::view::Audited;
use crate::when::{self, Moment};

/// Options of `audit`.
#[derive(Args, Clone, Debug)]
pub struct AuditArgs {
    /// The agencies to audit; they must be linked with this node
    #[arg(value_name = "AGENCY", required_unless_present = "all", conflicts_with = "all")]
    pub agencies: Vec<AgencyId>,

    /// Audit all agencies that are linked with this node
    #[arg(long)]
    pub all: bool,

    /// Check only the entries of this complaint
    #[arg(long, value_name = "ID")]
    pub complaint: Option<ComplaintName>,

    /// Check only entries that this node wrote or received since then: RFC 3339, or a date
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,

    /// Compare the whole ledgers, also the part that earlier audits have compared
    #[arg(long)]
    pub whole: bool,
}

/// Runs the command.
pub(crate) async fn run(args: AuditArgs, context: &Context) -> Result<(), Failure> {
    let what = "audit";
    let since = args.since.map(|moment| moment.start(&context.output.zone)).transpose();
    let since = since.map_err(|error| Failure::usage(error.to_string()))?;
    let request = AuditRequest {
        agencies: args.agencies.iter().map(ToString::to_string).collect(),
        complaint: args.complaint.map(|name| name.as_str().to_owned()).unwrap_or_default(),
        since: since.map_or(0, |time| when::milliseconds(time.timestamp())),
        whole: args.whole,
    };
    let mut node = context.connect().await?;
    let answer = node.api.audit(request).await;
    let mut stream = answer.map_err(|status| Failure::from_status(what, &status))?.into_inner();
    // The bar goes to stderr, and is shown only if that is a terminal.
    let style = ProgressStyle::with_template("auditing {msg} {wide_bar} {pos} of {len} entries, {eta} left")
        .expect("the template is well-formed");
    let bar = ProgressBar::new(0).with_style(style);
    let mut audits = Vec::new();
    while let Some(event) = stream.message().await.map_err(|status| Failure::from_status(what, &status))? {
        match event.event {
            Some(Event::Progress(progress)) => {
                bar.set_message(safe::line(&event.agency));
                bar.set_length(progress.total);
                bar.set_position(progress.checked);
            }
            Some(Event::Result(result)) => audits.push(Audited::new(event.agency, result)),
            None => {}
        }
    }
    bar.finish_and_clear();
    context.output.document(&audits, |output, audits| page(output, audits))?;
    verdict(&audits)
}

fn verdict(audits: &[Audited]) -> Result<(), Failure> {
    let findings: usize = audits.iter().map(|audit| audit.findings.len()).sum();
    if findings > 0 {
        let count = if findings == 1 { "1 finding".to_owned() } else { format!("{findings} findings") };
        return Err(Failure::findings(format!("the audit has {count}")).help(
            "`sinergi evidence export --to FILE` writes the evidence; `sinergi evidence verify` checks it on any machine",
        ));
    }
    for audit in audits {
        let agency = safe::line(&audit.agency);
        if let Some(problem) = &audit.problem {
            return Err(Failure::failed(format!("{agency} was not audited")).because(safe::line(problem)));
        }
        if let Some(reason) = &audit.unfinished {
            return Err(Failure::failed(format!("{agency} was not audited to the end")).because(safe::line(reason)));
        }
    }
    Ok(())
}

fn page(output: &Output, audits: &[Audited]) -> String {
    if audits.is_empty() {
        return "No agency is linked with this node, so there is none to audit.".to_owned();
    }
    let mut table = output.table(&["AGENCY", "LEAVES", "CHECKED", "RESULT"], &["LEAVES", "CHECKED"]);
    for audit in audits {
        let (tone, result) = match (audit.problem.as_ref().or(audit.unfinished.as_ref()), audit.findings.len()) {
            (Some(problem), 0) => (Tone::Alarm, safe::line(problem)),
            (None, 0) => (Tone::Good, "nothing found".to_owned()),
            (_, 1) => (Tone::Alarm, "1 finding".to_owned()),
            (_, count) => (Tone::Alarm, format!("{count} findings")),
        };
        table.add_row([
            safe::line(&audit.agency).into(),
            audit.size.map_or_else(|| "-".to_owned(), |size| size.to_string()).into(),
            audit.checked.to_string().into(),
            output.cell(tone, &result),
        ]);
    }
    let mut parts = vec![rendered(&table)];
    for audit in audits.iter().filter(|audit| audit.checked_before > 0) {
        let (agency, before) = (safe::line(&audit.agency), audit.checked_before);
        let said = format!(
            "Earlier audits found nothing in the first {before} leaves of {agency}. `sinergi audit {agency} --whole` compares them again."
        );
        parts.push(output.wrapped(&said, ""));
    }
    let is_known = |audit: &&Audited| audit.lost > 0 || audit.of_earlier_epochs > 0 && audit.unfinished.is_none();
    for audit in audits.iter().filter(is_known) {
        parts.push(output.wrapped(&of_earlier_epochs(audit), ""));
    }
    parts.extend(audits.iter().flat_map(|audit| &audit.findings).map(|finding| described(output, finding)));
    parts.join("\n")
}

/// A sentence about the entries that an agency acknowledged in earlier epochs of its ledger: whether it holds them again.
fn of_earlier_epochs(audit: &Audited) -> String {
    let (agency, all) = (safe::line(&audit.agency), audit.of_earlier_epochs);
    if audit.lost == 0 {
        return format!("{agency} acknowledged {all} entries in earlier epochs of its ledger, and holds them again.");
    }
    let complaints: BTreeSet<String> = audit.lost_entries.iter().map(|lost| safe::line(&lost.complaint)).collect();
    let more = if audit.lost > audit.lost_entries.len() as u64 { ", and more" } else { "" };
    format!(
        "{agency} acknowledged {all} entries in earlier epochs of its ledger, and does not hold {} of them any more. They are given back to it \
         while it is linked; if some are missing for long, ask it why. Complaints: {}{more}.",
        audit.lost,
        complaints.into_iter().collect::<Vec<_>>().join(", ")
    )
}

#[cfg(test)]
mod tests {

    use sinergi_proto::operator_api;

    use super::*;

    fn audited(findings: Vec<operator_api::AuditFinding>) -> Audited {
        let result = operator_api::AuditResult { size: 40, checked: 12, findings, ..Default::default() };
        Audited::new("kota-bandung".to_owned(), result)
    }

    fn omitted() -> operator_api::AuditFinding {
        operator_api::AuditFinding {
            finding: "omitted".to_owned(),
            accused: "kota-bandung".to_owned(),
            proven: true,
            text: "It said one thing. Its ledger holds another.".to_owned(),
            evidence: "kota-bandung-omitted-00ff".to_owned(),
            ..Default::default()
        }
    }

    #[test]
    fn an_audit_shows_the_checked_leaves_the_findings_and_the_evidence() {
        let output = Output::fixed("2026-03-01T12:00:00Z".parse().expect("a time"));
        assert!(verdict(&[audited(vec![])]).is_ok());
        let audits = vec![audited(vec![omitted()])];
        let expected = "\
AGENCY        LEAVES  CHECKED  RESULT
kota-bandung  40      12       1 finding

omitted by kota-bandung (proven)
  It said one thing. Its ledger holds another.
  evidence: kota-bandung-omitted-00ff";
        assert_eq!(page(&output, &audits), expected);
        let failure = verdict(&audits).expect_err("a finding");
        assert_eq!(failure.exit(), crate::failure::Exit::Findings);
    }

    #[test]
    fn an_audit_that_went_on_from_an_earlier_one_says_so() {
        let output = Output::fixed("2026-03-01T12:00:00Z".parse().expect("a time"));
        let audits = [Audited { checked_before: 28, ..audited(vec![]) }];
        let expected = "\
AGENCY        LEAVES  CHECKED  RESULT
kota-bandung  40      12       nothing found

Earlier audits found nothing in the first 28 leaves of kota-bandung. `sinergi
audit kota-bandung --whole` compares them again.";
        assert_eq!(page(&output, &audits), expected);
    }

    #[test]
    fn an_agency_that_could_not_be_audited_is_a_failure_and_not_a_finding() {
        let result = operator_api::AuditResult { problem: "no link".to_owned(), ..Default::default() };
        let failure = verdict(&[Audited::new("ksp".to_owned(), result)]).expect_err("it was not audited");
        assert_eq!(failure.exit(), crate::failure::Exit::Failed);
        assert!(failure.report().contains("ksp was not audited"), "{}", failure.report());
    }

    #[test]
    fn an_audit_that_came_to_no_end_is_a_failure_unless_it_has_a_finding() {
        let output = Output::fixed("2026-03-01T12:00:00Z".parse().expect("a time"));
        let unfinished = |findings| Audited { unfinished: Some("the link ended".to_owned()), ..audited(findings) };
        let failure = verdict(&[unfinished(vec![])]).expect_err("it came to no end");
        assert_eq!(failure.exit(), crate::failure::Exit::Failed);
        assert!(page(&output, &[unfinished(vec![])]).contains("the link ended"));
        let failure = verdict(&[unfinished(vec![omitted()])]).expect_err("a finding");
        assert_eq!(failure.exit(), crate::failure::Exit::Findings);
    }
}
