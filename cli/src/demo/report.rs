//! The report at the end of the demo: the agencies' figures, the links, the times and the problems.
//!
//! Like the documents in [`crate::view`], the JSON fields are stable.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use sinergi_proto::operator_api::{ComplaintDetail, NodeStatus, PeerStatus};

use super::convergence::Agreement;
use super::cover_up::account::{self, CoverUp};
use super::federation::Link;
use super::steps::{Part, Steps};
use crate::output::{Output, Tone};
use crate::view::Cursor;

/// The maximum number of problems in the text. JSON has all.
const SHOWN: usize = 20;
const MIB: f64 = 1024.0 * 1024.0;

/// The result of a demo.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The number of agencies.
    pub agencies: usize,
    /// The number of complaints.
    pub complaints: usize,
    /// The number of different entries about them.
    pub entries: u64,
    /// Whether all parties of all complaints have the same entries.
    pub converged: bool,
    /// The number of complaints that a party lacks, or that lack an acknowledged entry.
    pub lost: usize,
    /// Whether all records, hashes and signatures of all ledgers are valid.
    pub ledgers_verified: bool,
    /// The links, as the dialling agencies report them.
    pub links: Vec<LinkView>,
    /// The agencies, in the order of their nodes.
    pub by_agency: Vec<AgencyView>,
    /// The times of the parts, in seconds.
    pub seconds: Seconds,
    /// The problems in words; empty if there are none.
    pub problems: Vec<String>,
    /// The account of the cover-up; null if none was played.
    pub cover_up: Option<CoverUp>,
    /// The folder of the nodes, if it is kept.
    pub folder: Option<PathBuf>,
}

/// One link.
#[derive(Clone, Debug, Serialize)]
pub struct LinkView {
    /// The agency that dials.
    pub from: String,
    /// The agency that is dialled.
    pub to: String,
    /// `linked`, `greeting`, `connecting`, `backoff`, `waiting` or `stopped`.
    pub state: String,
    /// The number of entries that `from` sent.
    pub sent: u64,
    /// The number of entries that `from` received.
    pub received: u64,
    /// The number of entries that `to` has not acknowledged.
    pub queued: u64,
    /// The number of entries that either side refused on this link.
    pub refused: u64,
    /// The position up to which `to` has acknowledged the ledger of `from`.
    pub acknowledged: Option<Cursor>,
}

/// One agency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AgencyView {
    /// The agency.
    pub agency: String,
    /// The number of complaints lodged there.
    pub lodged: u64,
    /// The number of complaints that it holds at the end. Each complaint has one holder, so the sum over all agencies is the number of complaints.
    pub holds: u64,
    /// The number of held complaints that are resolved.
    pub resolved: u64,
    /// The number of held complaints that are closed.
    pub closed: u64,
    /// The number of offers that wait for its answer.
    pub offered: u64,
    /// The number of entries that it signed about complaints.
    pub signed: u64,
    /// The number of leaves of its ledger: its own entries and those of others.
    pub ledger: u64,
    /// The size of its data on the disk, in bytes.
    pub disk_bytes: u64,
}

/// The times of the parts, in seconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the parts are documented where they are defined")]
pub struct Seconds {
    pub making: f64,
    pub starting: f64,
    pub linking: f64,
    pub importing: f64,
    pub handing_over: f64,
    pub agreeing: f64,
    pub verifying: f64,
    pub auditing: f64,
    pub total: f64,
}

impl Seconds {
    /// Takes the times of these parts, rounded to hundredths.
    pub fn of(steps: &Steps) -> Self {
        let rounded = |time: std::time::Duration| (time.as_secs_f64() * 100.0).round() / 100.0;
        let mut seconds = Self { total: rounded(steps.total()), ..Self::default() };
        for (part, time) in steps.times() {
            *match part {
                Part::Making => &mut seconds.making,
                Part::Starting => &mut seconds.starting,
                Part::Linking => &mut seconds.linking,
                Part::Importing => &mut seconds.importing,
                Part::HandingOver => &mut seconds.handing_over,
                Part::Agreeing => &mut seconds.agreeing,
                Part::Verifying => &mut seconds.verifying,
                Part::Auditing => &mut seconds.auditing,
            } = rounded(time);
        }
        seconds
    }
}

impl LinkView {
    /// A link as the dialling agency's node reports it.
    pub fn new(link: &Link, peer: Option<&PeerStatus>) -> Self {
        let peer = peer.cloned().unwrap_or_default();
        Self {
            from: link.dialler.to_string(),
            to: link.waiter.to_string(),
            state: peer.state,
            sent: peer.sent_entries,
            received: peer.received_entries,
            queued: peer.queue_depth,
            refused: peer.refused,
            acknowledged: peer.acknowledged.map(Into::into),
        }
    }
}

/// Makes the report.
pub fn by_agency(statuses: &[NodeStatus], details: &[ComplaintDetail]) -> Vec<AgencyView> {
    let mut views: BTreeMap<&str, AgencyView> = BTreeMap::new();
    let mut at = |agency: &str, count: fn(&mut AgencyView)| {
        if let Some(status) = statuses.iter().find(|status| status.agency == agency) {
            count(views.entry(&status.agency).or_default());
        }
    };
    for ComplaintDetail { summary, timeline, .. } in details {
        let Some(summary) = summary else { continue };
        at(&summary.intake, |view| view.lodged += 1);
        at(&summary.holder, |view| view.holds += 1);
        at(&summary.offered_to, |view| view.offered += 1);
        match summary.phase.as_str() {
            "resolved" => at(&summary.holder, |view| view.resolved += 1),
            "closed" => at(&summary.holder, |view| view.closed += 1),
            _ => {}
        }
        timeline.iter().for_each(|row| at(&row.author, |view| view.signed += 1));
    }
    let complete = |status: &NodeStatus| AgencyView {
        agency: status.agency.clone(),
        ledger: status.ledger_size,
        disk_bytes: status.disk_bytes,
        ..views.get(status.agency.as_str()).cloned().unwrap_or_default()
    };
    statuses.iter().map(complete).collect()
}

/// The number of entries of these complaints.
pub fn entries(details: &[ComplaintDetail]) -> u64 {
    details.iter().filter_map(|detail| detail.summary.as_ref()).map(|summary| summary.entries).sum()
}

impl Report {
    /// Whether there is no problem.
    pub fn is_good(&self) -> bool {
        let is_found = self.cover_up.as_ref().is_none_or(CoverUp::is_proven);
        self.converged && self.lost == 0 && self.ledgers_verified && is_found
    }

    /// The problems from the check of agreement and the check of the ledgers.
    pub fn problems_of(agreement: &Agreement, findings: &[String]) -> Vec<String> {
        let lost = agreement.lost.iter().map(|name| format!("complaint {name}: an acknowledged entry is missing"));
        agreement.disagreements.iter().cloned().chain(lost).chain(findings.iter().cloned()).collect()
    }
}

/// The report as text. With a cover-up it is only that story.
pub fn page(output: &Output, report: &Report) -> String {
    if let Some(cover_up) = &report.cover_up {
        return format!("{}\n\n{}", headline(output, report), account::page(output, cover_up));
    }
    [
        headline(output, report),
        agencies(output, &report.by_agency),
        links(output, &report.links),
        times(output, &report.seconds),
    ]
    .join("\n\n")
}

fn headline(output: &Output, report: &Report) -> String {
    let count = format!(
        "{} complaints, {} entries, {} agencies: {}, {}, {}.",
        report.complaints,
        report.entries,
        report.agencies,
        if report.converged { "all parties agree" } else { "the parties do not agree" },
        if report.lost == 0 { "nothing is missing".to_owned() } else { format!("{} LOST", report.lost) },
        if report.ledgers_verified { "all ledgers verify" } else { "NOT ALL LEDGERS VERIFY" },
    );
    let tone = if report.is_good() { Tone::Good } else { Tone::Alarm };
    let mut text = output.paint(tone, &output.wrapped(&count, ""));
    for problem in report.problems.iter().take(SHOWN) {
        text.push_str(&format!("\n{}", output.wrapped(problem, "  ")));
    }
    if report.problems.len() > SHOWN {
        text.push_str(&format!("\n  and {} more; --output json has all", report.problems.len() - SHOWN));
    }
    text
}

fn agencies(output: &Output, views: &[AgencyView]) -> String {
    let heading = format!(
        "{:<14}{:>6}{:>7}{:>10}{:>8}{:>9}{:>8}{:>8}{:>10}",
        "AGENCY", "LODGED", "HOLDS", "RESOLVED", "CLOSED", "OFFERED", "SIGNED", "LEDGER", "DISK"
    );
    let mut lines = vec![output.paint(Tone::Faint, &heading)];
    let mut sum = AgencyView::default();
    for view in views {
        sum.lodged += view.lodged;
        sum.holds += view.holds;
        sum.resolved += view.resolved;
        sum.closed += view.closed;
        sum.offered += view.offered;
        sum.signed += view.signed;
        sum.ledger += view.ledger;
        sum.disk_bytes += view.disk_bytes;
        lines.push(row(&output.paint(Tone::Strong, &format!("{:<14}", view.agency)), view));
    }
    lines.push(row(&format!("{:<14}", "all"), &sum));
    lines.join("\n")
}

fn row(name: &str, view: &AgencyView) -> String {
    format!(
        "{name}{:>6}{:>7}{:>10}{:>8}{:>9}{:>8}{:>8}{:>10}",
        view.lodged,
        view.holds,
        view.resolved,
        view.closed,
        view.offered,
        view.signed,
        view.ledger,
        format!("{:.1} MiB", view.disk_bytes as f64 / MIB)
    )
}

fn links(output: &Output, links: &[LinkView]) -> String {
    let heading = format!(
        "{:<14}{:<14}{:<12}{:>8}{:>10}{:>8}{:>9}",
        "FROM", "TO", "LINK", "SENT", "RECEIVED", "QUEUED", "REFUSED"
    );
    let mut lines = vec![output.paint(Tone::Faint, &heading)];
    for link in links {
        let tone = if link.state == "linked" { Tone::Good } else { Tone::Warning };
        lines.push(format!(
            "{:<14}{:<14}{}{:>8}{:>10}{:>8}{:>9}",
            link.from,
            link.to,
            output.paint(tone, &format!("{:<12}", link.state)),
            link.sent,
            link.received,
            link.queued,
            link.refused
        ));
    }
    lines.join("\n")
}

fn times(output: &Output, seconds: &Seconds) -> String {
    let parts = [
        (Part::Making, seconds.making),
        (Part::Starting, seconds.starting),
        (Part::Linking, seconds.linking),
        (Part::Importing, seconds.importing),
        (Part::HandingOver, seconds.handing_over),
        (Part::Agreeing, seconds.agreeing),
        (Part::Verifying, seconds.verifying),
    ];
    let told: Vec<String> = parts.iter().map(|(part, time)| format!("{} {time:.1} s", part.label())).collect();
    format!("{}\n{}", output.joined(&told, ""), output.paint(Tone::Strong, &format!("{:.1} s in all", seconds.total)))
}

#[cfg(test)]
mod tests {
    use sinergi_proto::operator_api::{ComplaintSummary, TimelineRow};

    use super::*;

    fn report() -> Report {
        let status = |agency: &str| NodeStatus {
            agency: agency.to_owned(),
            ledger_size: 12_345,
            disk_bytes: 3_500_000,
            ..Default::default()
        };
        let summary = |holder: &str, offered_to: &str, phase: &str| ComplaintDetail {
            summary: Some(ComplaintSummary {
                intake: "kota-bandung".to_owned(),
                holder: holder.to_owned(),
                offered_to: offered_to.to_owned(),
                phase: phase.to_owned(),
                entries: 2,
                ..Default::default()
            }),
            timeline: vec![TimelineRow { author: "kota-bandung".to_owned(), ..Default::default() }],
            ..Default::default()
        };
        let details = [summary("prov-jabar", "", "closed"), summary("kota-bandung", "prov-jabar", "verified")];
        let link =
            Link { dialler: "kota-bandung".parse().expect("an id"), waiter: "prov-jabar".parse().expect("an id") };
        let peer = PeerStatus { state: "linked".to_owned(), sent_entries: 1_234, ..Default::default() };
        Report {
            agencies: 2,
            complaints: 2,
            entries: entries(&details),
            converged: true,
            lost: 0,
            ledgers_verified: true,
            links: vec![LinkView::new(&link, Some(&peer))],
            by_agency: by_agency(&[status("prov-jabar"), status("kota-bandung")], &details),
            seconds: Seconds { total: 12.3, ..Seconds::default() },
            problems: Vec::new(),
            cover_up: None,
            folder: None,
        }
    }

    #[test]
    fn every_complaint_has_one_holder_and_the_page_fits_eighty_columns() {
        let report = report();
        assert_eq!(report.by_agency.iter().map(|view| view.holds).sum::<u64>(), 2);
        assert_eq!((report.by_agency[0].offered, report.by_agency[0].closed, report.by_agency[1].signed), (1, 1, 2));
        let page = page(&Output::fixed(jiff::Timestamp::UNIX_EPOCH), &report);
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
        assert!(
            page.starts_with("2 complaints, 4 entries, 2 agencies: all parties agree, nothing is missing"),
            "{page}"
        );
    }

    #[test]
    fn a_demo_is_good_only_if_nothing_is_wrong() {
        assert!(report().is_good());
        assert!(!Report { converged: false, ..report() }.is_good());
        assert!(!Report { lost: 1, ..report() }.is_good());
        assert!(!Report { ledgers_verified: false, ..report() }.is_good());
    }

    #[test]
    fn json_has_the_promised_fields() {
        let json = serde_json::to_value(report()).expect("JSON");
        for field in ["agencies", "complaints", "entries", "converged", "lost", "ledgers_verified", "links"] {
            assert!(!json[field].is_null(), "{field}");
        }
        for field in ["from", "to", "state", "sent", "received"] {
            assert!(!json["links"][0][field].is_null(), "{field}");
        }
    }
}
