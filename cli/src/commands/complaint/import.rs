//! `sinergi complaint import`: lodges the rows of a file. Repeatable: a record is known by its source and id, and lodged once.
//!
//! A row whose answer was lost, because the node went away, may have been lodged without its reply code having been kept: a
//! repeated import finds it there already.
//!
//! Ends with exit code 1 if rows were rejected; they are named on stderr and kept beside the file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::{Exit, Failure};
use crate::import::{self, Done, ImportError, Mapping, RejectedFile, Rows, Shape, StopCause, Stopped, Summary};
use crate::lodging::LodgeCall;
use crate::options::Context;
use crate::output::Output;
use crate::safe;
use crate::view::{self, complaint_id};

/// Rejected rows that are named on stderr; all are in the file.
const NAMED: u64 = 20;

/// Options of `complaint import`.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// The file: CSV with a header, or JSON Lines
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// How CSV columns become complaints [default: the shipped mapping that fits the header]
    #[arg(long, value_name = "FILE")]
    pub mapping: Option<PathBuf>,

    /// What the file is [default: jsonl if its name ends so, else csv]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<FileFormat>,

    /// Keep the citizens' reply codes in this new file; the node keeps them nowhere
    #[arg(long, value_name = "FILE")]
    pub receipts: Option<PathBuf>,

    /// Keep rejected rows in this file, in place of an earlier one [default: FILE.rejected.csv or .jsonl]
    #[arg(long, value_name = "FILE")]
    pub rejected: Option<PathBuf>,

    /// Read at most this many rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,

    /// Rows that are sent at a time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    /// CSV with a header.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// Runs the command.
pub(super) async fn run(args: ImportArgs, context: &Context) -> Result<(), Failure> {
    let (rows, length) = open(&args)?;
    let node = context.connect().await?;
    let begun = LodgeCall::begin(node.api.clone(), args.concurrency.into()).await;
    let (call, answers) = begun.map_err(|status| Failure::from_status("begin the import", &status))?;
    let mut report = Report::begin(&args, &rows, length)?;
    let limit = args.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let lodge = move |request| {
        let call = call.clone();
        async move { call.lodge(request).await }
    };
    let lodged = import::lodge_all(rows.take(limit), args.concurrency.into(), lodge, |done| report.hear(&done));
    let result = tokio::select! {
        result = lodged => result,
        never = answers.hand_out() => match never {},
    };
    report.bar.finish_and_clear();
    match result {
        Ok(summary) => report.end(&context.output, summary),
        Err(stopped) => Err(report.interrupted(&node.socket, stopped)),
    }
}

fn open(args: &ImportArgs) -> Result<(Rows<BufReader<File>>, u64), Failure> {
    let name = args.file.display();
    let file = File::open(&args.file)
        .map_err(|error| Failure::usage(format!("cannot read {name}")).because(error).help("name a readable file"))?;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let shape = match file_format(args) {
        FileFormat::Jsonl if args.mapping.is_some() => {
            return Err(Failure::usage("a mapping is for CSV files, and this is JSON Lines")
                .help("leave --mapping out, or say --format csv"));
        }
        FileFormat::Jsonl => Shape::JsonLines,
        FileFormat::Csv => Shape::Csv(args.mapping.as_deref().map(read_mapping).transpose()?.map(Box::new)),
    };
    let rows = import::rows(BufReader::new(file), shape).map_err(|error| {
        let help = match &error {
            ImportError::NoMapping(_) => {
                "say with --mapping how its columns become complaints; copy and change the mapping that ships: \
                 cli/data/mappings/nyc311.toml"
            }
            ImportError::MissingColumns { .. } | ImportError::DoubleColumn(_) => {
                "correct the mapping or the header; a wrong `delimiter` in the mapping shows as missing columns too"
            }
            ImportError::Empty | ImportError::Header => "name a CSV file in UTF-8 with a header, or say --format jsonl",
            ImportError::Unreadable(_) => "see that the file can be read, then repeat the import",
        };
        Failure::usage(format!("cannot import {name}")).because(error).help(help)
    })?;
    Ok((rows, length))
}

fn file_format(args: &ImportArgs) -> FileFormat {
    let ending = args.file.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    args.format.unwrap_or(match ending.as_deref() {
        Some("jsonl" | "ndjson") => FileFormat::Jsonl,
        _ => FileFormat::Csv,
    })
}

fn read_mapping(path: &Path) -> Result<Mapping, Failure> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("cannot read the mapping {name}")).because(error).help("name a readable TOML file")
    })?;
    Mapping::parse(&text).map_err(|error| {
        Failure::usage(format!("cannot use the mapping {name}"))
            .because(error)
            .help("cli/data/mappings/nyc311.toml shows and explains the form")
    })
}

/// Where rejected rows go unless the operator says so: `a.csv` -> `a.rejected.csv`.
fn beside(file: &Path, format: FileFormat) -> PathBuf {
    file.with_extension(match format {
        FileFormat::Csv => "rejected.csv",
        FileFormat::Jsonl => "rejected.jsonl",
    })
}

/// What is told and kept of the rows as they are done.
struct Report {
    bar: ProgressBar,
    rejected: RejectedFile,
    named: u64,
    receipts: Option<(PathBuf, csv::Writer<File>)>,
}

impl Report {
    fn begin(args: &ImportArgs, rows: &Rows<BufReader<File>>, length: u64) -> Result<Self, Failure> {
        let path = args.rejected.clone().unwrap_or_else(|| beside(&args.file, file_format(args)));
        if path == args.file {
            return Err(Failure::usage(format!("rejected rows would be written over {}", path.display()))
                .help("name another file with --rejected"));
        }
        let rejected = match rows.header() {
            Some((header, delimiter)) => RejectedFile::csv(&path, header, delimiter),
            None => RejectedFile::json_lines(&path),
        };
        let receipts = args.receipts.as_deref().map(new_receipts).transpose()?;
        let style = ProgressStyle::with_template("importing {wide_bar} {bytes} of {total_bytes}, {msg}, {eta} left")
            .expect("the template is well-formed");
        // On stderr, and nothing at all unless that is a terminal.
        Ok(Self { bar: ProgressBar::new(length).with_style(style), rejected, named: 0, receipts })
    }

    fn hear(&mut self, done: &Done) -> io::Result<()> {
        match done {
            Done::Lodged { row, reply } => {
                if let Some((_, receipts)) = &mut self.receipts {
                    let complaint = complaint_id(&reply.complaint);
                    receipts
                        .write_record([row.external_id(), &complaint, &reply.reply_code])
                        .map_err(io::Error::other)?;
                    receipts.flush()?;
                }
                self.advance(row.end);
            }
            Done::Existed { row } => self.advance(row.end),
            Done::Rejected(rejected) => {
                self.rejected.keep(rejected)?;
                self.named += 1;
                if self.named <= NAMED {
                    self.say(&format!("line {}: {}", rejected.line, safe::line(&rejected.reason())));
                } else if self.named == NAMED + 1 {
                    self.say("more rows are rejected; all of them are kept with their reasons");
                }
                self.advance(rejected.end);
            }
        }
        Ok(())
    }

    fn advance(&self, end: u64) {
        if end > self.bar.position() {
            self.bar.set_position(end);
        }
    }

    /// Says something on stderr without tearing the bar.
    fn say(&self, text: &str) {
        self.bar.suspend(|| {
            // If stderr is gone there is nobody left to tell.
            let _ = writeln!(io::stderr().lock(), "{text}");
        });
    }

    fn view(&self, summary: Summary) -> view::Import {
        let text = |path: &Path| path.display().to_string();
        view::Import {
            lodged: summary.lodged,
            already_there: summary.existed,
            rejected: summary.rejected,
            rejected_file: self.rejected.path().map(text),
            receipts_file: self.receipts.as_ref().map(|(path, _)| text(path)),
        }
    }

    fn end(&self, output: &Output, summary: Summary) -> Result<(), Failure> {
        let view = self.view(summary);
        output.document(&view, |_, view| sentence(view))?;
        if view.receipts_file.is_none() && view.lodged > 0 && io::stderr().is_terminal() {
            output.note("note: the reply codes were not kept; --receipts FILE would have kept them for the citizens");
        }
        match &view.rejected_file {
            None => Ok(()),
            Some(file) => Err(Failure::failed(format!("{} rejected, kept in {file}", rows_of(view.rejected)))
                .help("correct them there and import that file; what was lodged is not lodged again")),
        }
    }

    fn interrupted(&self, socket: &Path, stopped: Stopped) -> Failure {
        let Stopped { done, cause } = stopped;
        let kept = self.rejected.path().map_or_else(String::new, |path| format!(" (kept in {})", path.display()));
        let message = format!(
            "the import stopped: {} lodged, {} already there, {} rejected{kept} so far",
            done.lodged, done.existed, done.rejected
        );
        let repeat = "repeat the import: what was lodged is not lodged again";
        match cause {
            StopCause::Node(status) => {
                let why = Failure::from_status("lodge a row", &status);
                let help = match why.exit() {
                    Exit::Unreachable => format!("start the node behind {} again, then {repeat}", socket.display()),
                    _ => format!("see with `sinergi status` what the node needs, then {repeat}"),
                };
                Failure::new(why.exit(), message).because(why.message().to_owned()).help(help)
            }
            cause @ (StopCause::Unreadable(_) | StopCause::Report(_)) => Failure::failed(message)
                .because(cause)
                .help(format!("see that the files can be read and written, then {repeat}")),
        }
    }
}

fn new_receipts(path: &Path) -> Result<(PathBuf, csv::Writer<File>), Failure> {
    let name = path.display();
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
        Failure::usage(format!("cannot make the receipts file {name}"))
            .because(error)
            .help("name a file that does not exist yet: receipts are never written over")
    })?;
    let mut writer = csv::Writer::from_writer(file);
    writer
        .write_record(["external_id", "complaint", "reply_code"])
        .and_then(|()| writer.flush().map_err(Into::into))
        .map_err(|error| Failure::failed(format!("cannot write to the receipts file {name}")).because(error))?;
    Ok((path.to_owned(), writer))
}

fn sentence(view: &view::Import) -> String {
    let mut text = format!("{} lodged, {} already there, {} rejected.", view.lodged, view.already_there, view.rejected);
    if let Some(file) = &view.receipts_file {
        text.push_str(&format!("\nThe citizens' reply codes are in {}.", safe::line(file)));
    }
    text
}

fn rows_of(count: u64) -> String {
    if count == 1 { "1 row was".to_owned() } else { format!("{count} rows were") }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ImportArgs,
    }

    fn args(line: &[&str]) -> ImportArgs {
        Line::try_parse_from(std::iter::once("import").chain(line.iter().copied())).expect("parses").args
    }

    #[test]
    fn rejected_rows_are_kept_beside_the_file() {
        assert_eq!(beside(Path::new("/d/a.csv"), FileFormat::Csv), Path::new("/d/a.rejected.csv"));
        assert_eq!(beside(Path::new("/d/a.rejected.csv"), FileFormat::Csv), Path::new("/d/a.rejected.rejected.csv"));
        assert_eq!(beside(Path::new("a.jsonl"), FileFormat::Jsonl), Path::new("a.rejected.jsonl"));
        assert_eq!(file_format(&args(&["a.JSONL"])), FileFormat::Jsonl);
        assert_eq!(file_format(&args(&["a.txt"])), FileFormat::Csv);
    }

    #[test]
    fn receipts_are_readable_by_their_owner_alone_and_never_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("receipts.csv");
        drop(new_receipts(&path).expect("made"));
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(new_receipts(&path).map(drop).expect_err("there already").exit(), Exit::Usage);
    }

    #[test]
    fn a_file_that_cannot_be_imported_is_wrong_usage_with_advice() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.csv");
        fs::write(&path, "Name,Age\nx,1\n").expect("written");
        let name = path.display().to_string();
        for line in [vec!["no/such.csv"], vec![&name], vec![&name, "--mapping", "no/such.toml"]] {
            let failure = open(&args(&line)).map(drop).expect_err("not importable");
            assert_eq!(failure.exit(), Exit::Usage, "{line:?}");
            assert!(failure.advice().is_some(), "{line:?}");
        }
    }

    #[test]
    fn the_summary_says_what_became_of_the_rows() {
        let view = view::Import {
            lodged: 198,
            already_there: 1,
            rejected: 1,
            rejected_file: Some("a.rejected.csv".to_owned()),
            receipts_file: None,
        };
        assert_eq!(sentence(&view), "198 lodged, 1 already there, 1 rejected.");
    }
}
