//! `sinergi demo`: runs a whole federation on this machine, with real processes, real mTLS and real complaints.
//!
//! ```text
//! federation (folders, charter, processes, links) ── desks (one operator at each node)
//!        │                                              │
//!        │                    scenario (what happens) ── play ── convergence (do all agree?) ── report
//!        │                                                       └ cover_up (one agency drops a complaint) ── a program that lies for it
//!        └ stopped in the end, whatever happened
//! ```
//!
//! [`federation`] and [`node`] know nothing of complaints: tests build their federations with them.
//!
//! Invariants: the demo leaves no process behind, and no folder unless the user keeps it; everything that it shows comes from the nodes.

pub mod convergence;
pub mod cover_up;
pub mod desk;
pub mod federation;
pub mod node;
pub mod place;
pub mod play;
pub mod port;
pub mod process;
pub mod report;
pub mod scenario;
pub mod seven;
pub mod steps;
pub mod wait;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, value_parser};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{Exit, Failure};
use crate::import::{self, Row, Shape};
use crate::options::Context;
use crate::output::{Format, Output};

use cover_up::liar::{self, Liar};
use desk::Desks;
use federation::{Federation, Link};
use place::Place;
use play::Case;
use report::{LinkView, Report, Seconds};
use scenario::{KOTA_BANDUNG, OMBUDSMAN, PROV_JABAR};
use seven::{SEVEN, seven};
use steps::{Part, Steps};

/// The built-in rows.
const ROWS: &[u8] = include_bytes!("../../data/nyc311-200.csv");
/// After a failure, the time within which an ended node is looked for.
const POST_MORTEM: Duration = Duration::from_secs(1);

/// Options of `demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Keep the nodes in this new or empty folder, node X in DIR/X [default: a temporary folder]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// The number of complaints to lodge
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = value_parser!(u32).range(1..=100_000))]
    pub complaints: u32,
    /// Also let an agency drop a complaint, and show how an audit finds and proves this
    #[arg(long)]
    pub cover_up: bool,
    /// Keep the federation running until Ctrl-C
    #[arg(long)]
    pub hold: bool,
}

/// The end of a demo.
enum Ending {
    /// Everything is right.
    Good,
    /// The report names problems.
    Bad,
    /// Ctrl-C or SIGTERM interrupted it.
    Interrupted,
    /// There is no report.
    Failed(Failure),
}

/// Runs the demo.
///
/// # Errors
/// The demo cannot run, or its report names a problem.
pub async fn run(args: DemoArgs, context: &Context) -> Result<(), Failure> {
    let output = &context.output;
    let mut interrupts = Interrupts::listen()?;
    if args.cover_up {
        // Checked before anything is created.
        liar::program()?;
    }
    let mut place = Place::make(args.dir.as_deref())?;
    if args.hold {
        place.keep();
    }
    let mut steps = Steps::default();
    let made = steps.during(Part::Making, SEVEN, async |bar| {
        let federation = seven(place.path())?;
        bar.set_position(SEVEN as u64);
        Ok::<_, Failure>(federation)
    });
    let mut federation = made.await?;
    // The liar continues as long as the federation runs.
    let mut liar = None;
    let mut stage = Stage { federation: &mut federation, steps: &mut steps, place: &place, liar: &mut liar };
    let mut ending = tokio::select! {
        ending = perform(&args, &mut stage, output) => ending.unwrap_or_else(Ending::Failed),
        () = interrupts.next() => Ending::Interrupted,
    };
    if args.hold && matches!(ending, Ending::Good | Ending::Bad) {
        say_how_to_look(&args, &place, output)?;
        tokio::select! {
            () = interrupts.next() => {}
            failure = federation.watch() => ending = Ending::Failed(failure),
        }
    }
    stop(&mut federation, &mut interrupts, output).await;
    if matches!(ending, Ending::Bad | Ending::Failed(_)) {
        place.keep();
    }
    if args.dir.is_none() && place.is_kept() {
        output.note(&format!("The nodes' folders are kept in {}", place.path().display()));
    }
    match ending {
        Ending::Good => Ok(()),
        Ending::Bad => Err(Failure::failed("the demo found problems").help("the report above names them")),
        Ending::Interrupted => Err(Failure::failed("interrupted: the demo is not complete")),
        Ending::Failed(failure) => Err(failure.ending_with(Exit::Failed)),
    }
}

/// The nodes and the folder of a demo.
struct Stage<'a> {
    federation: &'a mut Federation,
    steps: &'a mut Steps,
    place: &'a Place,
    liar: &'a mut Option<Liar>,
}

/// From the first process to the report.
async fn perform(args: &DemoArgs, stage: &mut Stage<'_>, output: &Output) -> Result<Ending, Failure> {
    let Stage { federation, steps, place, liar } = stage;
    let (nodes, links) = (federation.nodes().len(), federation.links().to_vec());
    steps.during(Part::Starting, nodes, async |bar| federation.start(|| bar.inc(1)).await).await?;
    let up = async |bar: &indicatif::ProgressBar| federation.linked(|up| bar.set_position(up as u64)).await;
    steps.during(Part::Linking, links.len(), up).await?;
    let desks = Desks::of(federation).await?;
    let acted = tokio::select! {
        acted = act(args, &desks, &links, steps) => acted,
        failure = federation.watch() => return Err(failure),
    };
    let (mut report, cases) = match acted {
        Ok(acted) => acted,
        // An ended node explains more than the error of a part that could not reach it.
        Err(failure) => {
            return Err(tokio::time::timeout(POST_MORTEM, federation.watch()).await.unwrap_or(failure));
        }
    };
    if args.cover_up {
        let played = async |bar: &_| cover_up::play(&cases, &desks, federation, place.path(), bar).await;
        let (mut story, lies) = steps.during(Part::Auditing, cover_up::SCENES, played).await?;
        **liar = Some(lies);
        if !place.is_kept() {
            (story.evidence, story.charter) = (None, None);
        }
        report.cover_up = Some(story);
        report.seconds = Seconds::of(steps);
    }
    report.folder = place.is_kept().then(|| place.path().to_owned());
    match output.document(&report, report::page) {
        // If the reader of the output has gone, the exit code must still be right.
        Err(failure) if failure.exit() != Exit::ReaderGone => return Err(failure),
        _ => {}
    }
    Ok(if report.is_good() { Ending::Good } else { Ending::Bad })
}

/// Plays the stories and makes the report.
async fn act(
    args: &DemoArgs,
    desks: &Desks,
    links: &[Link],
    steps: &mut Steps,
) -> Result<(Report, Vec<Case>), Failure> {
    let rows = rows(args.complaints as usize)?;
    let lodged = steps.during(Part::Importing, rows.len(), async |bar| play::lodge(rows, desks, bar).await).await?;
    let acts = lodged.iter().map(|case| case.story.steps.len()).sum();
    let cases = steps.during(Part::HandingOver, acts, async |bar| play::play(lodged, desks, bar).await).await?;
    let agreeing = async |bar: &_| convergence::agree(&cases, desks, bar).await;
    let agreement = steps.during(Part::Agreeing, cases.len(), agreeing).await?;
    let (mut statuses, mut peers) = (Vec::new(), Vec::new());
    for desk in desks.iter() {
        statuses.push(desk.status().await?);
        peers.push((desk.agency.as_str(), desk.peers().await?));
    }
    let findings = steps.during(Part::Verifying, 0, async |bar| desks.verify_ledgers(bar).await).await?;
    let seen = |link: &Link| {
        let (_, peers) = peers.iter().find(|(agency, _)| *agency == link.dialler.as_str())?;
        peers.iter().find(|peer| peer.agency == link.waiter.as_str())
    };
    let report = Report {
        agencies: statuses.len(),
        complaints: cases.len(),
        entries: report::entries(&agreement.details),
        converged: agreement.disagreements.is_empty(),
        lost: agreement.lost.len(),
        ledgers_verified: findings.is_empty(),
        links: links.iter().map(|link| LinkView::new(link, seen(link))).collect(),
        by_agency: report::by_agency(&statuses, &agreement.details),
        seconds: Seconds::of(steps),
        problems: Report::problems_of(&agreement, &findings),
        cover_up: None,
        folder: None,
    };
    Ok((report, cases))
}

/// The first rows of the built-in file. If there are too few, the rows are repeated with other ids.
fn rows(count: usize) -> Result<Vec<Row>, Failure> {
    let unreadable = |error: String| Failure::failed("the built-in rows cannot be read").because(error);
    let shipped: Vec<Row> = import::rows(ROWS, Shape::Csv(None))
        .map_err(|error| unreadable(error.to_string()))?
        .map(|row| row.map_err(|rejected| unreadable(rejected.reason())))
        .collect::<Result<_, Failure>>()?;
    let nth = |number: usize| {
        let mut row = shipped[number % shipped.len()].clone();
        if let (round @ 1.., Some(external)) = (number / shipped.len(), &mut row.request.external) {
            external.id = format!("{}-{}", external.id, round + 1);
        }
        row
    };
    Ok((0..count).map(nth).collect())
}

/// Tells the user how to inspect the running federation.
fn say_how_to_look(args: &DemoArgs, place: &Place, output: &Output) -> Result<(), Failure> {
    let program = std::env::args().next().unwrap_or_else(|| "sinergi".to_owned());
    let looks = if args.cover_up {
        [
            (cover_up::AUDITOR, "status"),
            (cover_up::AUDITOR, "evidence list"),
            (cover_up::AUDITOR, "audit --all"),
            (KOTA_BANDUNG, "complaint list"),
        ]
    } else {
        [
            (KOTA_BANDUNG, "status"),
            (KOTA_BANDUNG, "complaint list"),
            (PROV_JABAR, "peer list"),
            (OMBUDSMAN, "ledger verify"),
        ]
    };
    let mut text = "\nThe federation runs until Ctrl-C. Look into it from another terminal:".to_owned();
    for (agency, command) in looks {
        text.push_str(&format!("\n  {program} --node {} {command}", place.path().join(agency).display()));
    }
    match output.format {
        Format::Table => output.text(&text),
        Format::Json => {
            output.note(&text);
            Ok(())
        }
    }
}

/// Stops all nodes; a second Ctrl-C kills them.
async fn stop(federation: &mut Federation, interrupts: &mut Interrupts, output: &Output) {
    let killed = tokio::select! {
        killed = federation.stop() => killed,
        () = interrupts.next() => Vec::new(),
    };
    federation.kill().await;
    for agency in killed {
        output.note(&format!("the node of {agency} did not stop in time and was killed"));
    }
}

/// SIGINT and SIGTERM.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    fn listen() -> Result<Self, Failure> {
        let listen =
            || Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? });
        listen().map_err(|error: io::Error| Failure::failed("cannot listen for signals").because(error))
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_that_ships_can_be_lodged_and_more_have_ids_of_their_own() {
        let rows = rows(450).expect("readable");
        let ids: BTreeSet<&str> = rows.iter().map(Row::external_id).collect();
        assert_eq!((rows.len(), ids.len()), (450, 450));
        assert_eq!(rows[400].external_id(), format!("{}-3", rows[0].external_id()));
    }
}
