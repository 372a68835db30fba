//! The account of a cover-up: the dropped complaint, the findings of the audits before and after, and the judgement on the evidence.
//!
//! Like the documents in [`crate::view`], the JSON fields are stable.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use crate::commands::evidence::described;
use crate::output::{Output, Tone};
use crate::safe;
use crate::view::{Audited, Finding, short_id};

/// The account of a cover-up.
#[derive(Clone, Debug, Serialize)]
pub struct CoverUp {
    /// The complaint.
    pub complaint: String,
    /// Its title.
    pub title: Option<String>,
    /// The agency where the complaint was lodged.
    pub intake: String,
    /// The accused: the agency that accepted the complaint and drops it.
    pub accused: String,
    /// The auditor.
    pub auditor: String,
    /// The time at which the accused accepted the complaint.
    pub accepted_at: Option<Timestamp>,
    /// The number of leaves of the ledger that the accused shows.
    pub leaves: u64,
    /// The number of these leaves that replace the complaint's entries.
    pub dropped: u64,
    /// The audit before the complaint was dropped.
    pub audit_before: Audited,
    /// The audit after it.
    pub audit: Audited,
    /// The file with the evidence about the complaint; null if it was not kept.
    pub evidence: Option<PathBuf>,
    /// The file with the charter for judging the evidence; null if it was not kept.
    pub charter: Option<PathBuf>,
    /// The findings that the evidence proves, judged with only the charter.
    pub verified: Vec<Finding>,
}

impl CoverUp {
    /// Whether no honest agency was accused, and the accused's own signatures prove the loss of the complaint.
    pub fn is_proven(&self) -> bool {
        let proves = |finding: &Finding| {
            finding.proven && finding.accused == self.accused && finding.complaint.as_ref() == Some(&self.complaint)
        };
        self.audit_before.problem.is_none() && self.audit_before.findings.is_empty() && self.verified.iter().any(proves)
    }
}

/// The story as text.
pub fn page(output: &Output, story: &CoverUp) -> String {
    let title = story.title.as_ref().map(|title| format!(", {:?}", safe::line(title))).unwrap_or_default();
    let heading = format!("A cover-up: complaint {}{title}", short_id(&story.complaint));
    let mut parts = vec![output.paint(Tone::Strong, &output.wrapped(&heading, ""))];
    parts.extend(events(output, story).iter().zip(1..).map(|(event, number)| item(output, number, event)));
    parts.push(String::new());
    parts.extend(first_of_each_kind(&story.verified).map(|finding| described(output, finding)));
    if !story.verified.is_empty() {
        parts.push(String::new());
        parts.push(rerun(output, story));
    }
    parts.join("\n").trim_end().to_owned()
}

fn events(output: &Output, story: &CoverUp) -> [String; 5] {
    let CoverUp { intake, accused, auditor, leaves, dropped, .. } = story;
    let at = story.accepted_at.map(|at| format!(" at {}", output.clock_and_zone(at))).unwrap_or_default();
    [
        format!(
            "{intake} lodged it, {accused} accepted it{at}, and {auditor} remarked on it. {accused} has acknowledged \
             what it got with signed receipts, to {intake} and to {auditor}."
        ),
        format!("{auditor} audits {accused}: {}.", result(&story.audit_before)),
        format!(
            "{accused} drops the complaint: its node is stopped, and its keys sign a ledger that has {leaves} leaves as \
             before, but other entries in the {dropped} places of the complaint."
        ),
        format!("{auditor} audits {accused} again: {}.", result(&story.audit)),
        verdict(story),
    ]
}

fn item(output: &Output, number: usize, text: &str) -> String {
    let wrapped = output.wrapped(text, "     ");
    format!("  {number}. {}", wrapped.trim_start())
}

fn result(audit: &Audited) -> String {
    match (&audit.problem, audit.findings.len()) {
        (Some(problem), _) => format!("it cannot, {}", safe::line(problem)),
        (None, 0) => format!("{} leaves checked, nothing found", audit.checked),
        (None, 1) => format!("{} leaves checked, 1 finding", audit.checked),
        (None, count) => format!("{} leaves checked, {count} findings", audit.checked),
    }
}

fn verdict(story: &CoverUp) -> String {
    let proven = story.verified.iter().filter(|finding| finding.proven).count();
    match (story.is_proven(), proven) {
        (true, count) => format!(
            "A stranger who has only the evidence about this complaint and the charter finds that it holds: {} proven \
             against {} by its own signatures.",
            if count == 1 { "1 finding is".to_owned() } else { format!("{count} findings are") },
            story.accused
        ),
        (false, _) if !story.audit_before.findings.is_empty() => {
            "The agency was accused while it was honest.".to_owned()
        }
        (false, _) => "NOTHING PROVES that the complaint was dropped.".to_owned(),
    }
}

fn first_of_each_kind(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    findings
        .iter()
        .enumerate()
        .filter(|(at, finding)| findings[..*at].iter().all(|before| before.finding != finding.finding))
        .map(|(_, finding)| finding)
}

/// The command that judges the evidence again. It is not wrapped, so that it can be copied.
fn rerun(output: &Output, story: &CoverUp) -> String {
    let (Some(evidence), Some(charter)) = (&story.evidence, &story.charter) else {
        let advice = "With --dir DIR the evidence stays, and `sinergi evidence verify` judges it again.";
        return output.paint(Tone::Faint, &output.wrapped(advice, ""));
    };
    let program = std::env::args().next().unwrap_or_else(|| "sinergi".to_owned());
    format!(
        "Judge it yourself, here or on any machine with these two files:\n  {program} evidence verify {} --charter {}",
        evidence.display(),
        charter.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(of: Option<&str>, proven: bool) -> Finding {
        Finding {
            finding: if proven { "omitted" } else { "unanswered" }.to_owned(),
            accused: "prov-jabar".to_owned(),
            proven,
            complaint: of.map(str::to_owned),
            text: "It said one thing. Its ledger holds another.".to_owned(),
            evidence: None,
            accuser: Some("ombudsman".to_owned()),
            made_at: None,
        }
    }

    fn audited(findings: Vec<Finding>) -> Audited {
        let agency = "prov-jabar".to_owned();
        let result = sinergi_proto::operator_api::AuditResult { size: 40, checked: 40, ..Default::default() };
        Audited { findings, ..Audited::new(agency, result) }
    }

    fn story(before: Vec<Finding>, verified: Vec<Finding>) -> CoverUp {
        CoverUp {
            complaint: "06h0ybgn2x".to_owned(),
            title: Some("Noise - Park".to_owned()),
            intake: "kota-bandung".to_owned(),
            accused: "prov-jabar".to_owned(),
            auditor: "ombudsman".to_owned(),
            accepted_at: None,
            leaves: 40,
            dropped: 7,
            audit_before: audited(before),
            audit: audited(verified.clone()),
            evidence: Some("/f/cover-up.evidence".into()),
            charter: Some("/f/charter.note".into()),
            verified,
        }
    }

    #[test]
    fn only_a_proven_finding_about_the_complaint_and_no_false_one_before_make_the_story_good() {
        let of_it = || finding(Some("06h0ybgn2x"), true);
        assert!(story(vec![], vec![of_it()]).is_proven());
        assert!(!story(vec![], vec![]).is_proven());
        assert!(!story(vec![], vec![finding(None, true)]).is_proven());
        assert!(!story(vec![], vec![finding(Some("06h0ybgn2x"), false)]).is_proven());
        assert!(!story(vec![of_it()], vec![of_it()]).is_proven(), "it was accused while it was honest");
        let of_another = Finding { accused: "kominfo".to_owned(), ..of_it() };
        assert!(!story(vec![], vec![of_another]).is_proven());
    }

    #[test]
    fn the_page_says_what_happened_what_is_proven_and_how_to_judge_it_again() {
        let output = Output::fixed(Timestamp::UNIX_EPOCH);
        let told =
            page(&output, &story(vec![], vec![finding(Some("06h0ybgn2x"), true), finding(Some("06h0ybgn2x"), true)]));
        let words = told.split_whitespace().collect::<Vec<_>>().join(" ");
        for said in [
            "40 leaves checked, nothing found",
            "40 leaves checked, 2 findings",
            "2 findings are proven against prov-jabar",
        ] {
            assert!(words.contains(said), "{said}: {told}");
        }
        assert_eq!(told.matches("omitted by prov-jabar").count(), 1, "one of each kind: {told}");
        assert!(told.ends_with("evidence verify /f/cover-up.evidence --charter /f/charter.note"), "{told}");
        let nothing = page(&output, &story(vec![], vec![]));
        assert!(nothing.ends_with("NOTHING PROVES that the complaint was dropped."), "{nothing}");
        let lines = |told: &str| told.lines().filter(|line| !line.contains("/f/")).all(|line| line.len() <= 80);
        assert!(lines(&told) && lines(&nothing), "{told}");
    }
}
