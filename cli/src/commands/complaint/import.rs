//! `sinergi complaint import`: lodges the rows of a file. An import can be repeated: each record, named by its source and id, is lodged once.
//!
//! With `--receipts` each complaint gets a reply code, which is written to that file and nowhere else. Without it the complaints have no key of the
//! citizen. If the node goes away, a row may be lodged whose answer is lost. Its reply code is then lost, too, and a repeated import reports the row
//! as already there.
//!
//! Exit code 1 if rows were rejected. They are listed on stderr and written to a file next to the imported one.

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

/// The maximum number of rejected rows that are listed on stderr. The file has all.
const NAMED: u64 = 20;

/// Options of `complaint import`.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// The file: CSV with a header, or JSON Lines
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// The mapping from CSV columns to complaints [default: the built-in one that fits the header]
    #[arg(long, value_name = "FILE")]
    pub mapping: Option<PathBuf>,

    /// Format of the file [default: by its name: jsonl for .jsonl and .ndjson, else csv]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<FileFormat>,

    /// Draw a reply code for each citizen, and write them to this new file; the node never gets them. Without it, no citizen can sign a reply
    #[arg(long, value_name = "FILE")]
    pub receipts: Option<PathBuf>,

    /// Write rejected rows to this file, replacing an earlier one [default: FILE.rejected.csv or .jsonl]
    #[arg(long, value_name = "FILE")]
    pub rejected: Option<PathBuf>,

    /// Read at most this many rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,

    /// The number of rows that are sent at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,
}

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    /// CSV with a header.
    Csv,
    /// One JSON object per line.
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
    let has_codes = args.receipts.is_some();
    let rows = rows.take(limit).map(move |row| row.map(|row| if has_codes { row.with_reply_code() } else { row }));
    let lodged = import::lodge_all(rows, args.concurrency.into(), lodge, |done| report.hear(&done));
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
                "name a mapping of its columns with --mapping; copy and change the built-in one: \
                 cli/data/mappings/nyc311.toml"
            }
            ImportError::MissingColumns { .. } | ImportError::DoubleColumn(_) => {
                "correct the mapping or the header; a wrong `delimiter` in the mapping also causes this error"
            }
            ImportError::Empty | ImportError::Header => "name a CSV file in UTF-8 with a header, or say --format jsonl",
            ImportError::Unreadable(_) => "make sure that the file can be read, then repeat the import",
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
            .help("cli/data/mappings/nyc311.toml documents the format")
    })
}

/// The default file for rejected rows: `a.csv` -> `a.rejected.csv`.
fn rejected_path(file: &Path, format: FileFormat) -> PathBuf {
    file.with_extension(match format {
        FileFormat::Csv => "rejected.csv",
        FileFormat::Jsonl => "rejected.jsonl",
    })
}

/// Reports the results of rows: a progress bar, messages on stderr, and two files.
struct Report {
    bar: ProgressBar,
    rejected: RejectedFile,
    named: u64,
    receipts: Option<(PathBuf, csv::Writer<File>)>,
}

impl Report {
    fn begin(args: &ImportArgs, rows: &Rows<BufReader<File>>, length: u64) -> Result<Self, Failure> {
        let path = args.rejected.clone().unwrap_or_else(|| rejected_path(&args.file, file_format(args)));
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
        // The bar goes to stderr, and is shown only if that is a terminal.
        Ok(Self { bar: ProgressBar::new(length).with_style(style), rejected, named: 0, receipts })
    }

    fn hear(&mut self, done: &Done) -> io::Result<()> {
        match done {
            Done::Lodged { row, reply } => {
                if let Some((_, receipts)) = &mut self.receipts {
                    let complaint = complaint_id(&reply.complaint);
                    let code = row.code.as_ref().map(ToString::to_string).unwrap_or_default();
                    receipts.write_record([row.external_id(), &complaint, &code]).map_err(io::Error::other)?;
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

    /// Prints a message to stderr without breaking the bar.
    fn say(&self, text: &str) {
        self.bar.suspend(|| {
            // If stderr is closed, the message is lost, which does no harm.
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
            output.note("note: no reply codes were drawn, so no citizen can sign a reply; --receipts FILE draws them");
        }
        match &view.rejected_file {
            None => Ok(()),
            Some(file) => Err(Failure::failed(format!("{} rejected, kept in {file}", rows_of(view.rejected)))
                .help("correct the rows there and import that file; lodged rows are not lodged again")),
        }
    }

    fn interrupted(&self, socket: &Path, stopped: Stopped) -> Failure {
        let Stopped { done, cause } = stopped;
        let kept = self.rejected.path().map_or_else(String::new, |path| format!(" (kept in {})", path.display()));
        let message = format!(
            "the import stopped: {} lodged, {} already there, {} rejected{kept} so far",
            done.lodged, done.existed, done.rejected
        );
        let repeat = "repeat the import: lodged rows are not lodged again";
        match cause {
            StopCause::Node(status) => {
                let why = Failure::from_status("lodge a row", &status);
                let help = match why.exit() {
                    Exit::Unreachable => format!("start the node behind {} again, then {repeat}", socket.display()),
                    _ => format!("find out with `sinergi status` what the node needs, then {repeat}"),
                };
                Failure::new(why.exit(), message).because(why.message().to_owned()).help(help)
            }
            cause @ (StopCause::Unreadable(_) | StopCause::Report(_)) => Failure::failed(message)
                .because(cause)
                .help(format!("make sure that the files can be read and written, then {repeat}")),
        }
    }
}

fn new_receipts(path: &Path) -> Result<(PathBuf, csv::Writer<File>), Failure> {
    let name = path.display();
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
        Failure::usage(format!("cannot make the receipts file {name}"))
            .because(error)
            .help("name a new file: a file with reply codes is never overwritten")
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
    fn rejected_rows_go_to_a_file_next_to_the_imported_one() {
        assert_eq!(rejected_path(Path::new("/d/a.csv"), FileFormat::Csv), Path::new("/d/a.rejected.csv"));
        assert_eq!(
            rejected_path(Path::new("/d/a.rejected.csv"), FileFormat::Csv),
            Path::new("/d/a.rejected.rejected.csv")
        );
        assert_eq!(rejected_path(Path::new("a.jsonl"), FileFormat::Jsonl), Path::new("a.rejected.jsonl"));
        assert_eq!(file_format(&args(&["a.JSONL"])), FileFormat::Jsonl);
        assert_eq!(file_format(&args(&["a.txt"])), FileFormat::Csv);
    }

    #[test]
    fn only_the_owner_can_read_the_reply_codes_and_they_are_never_overwritten() {
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
    fn the_summary_counts_the_rows_by_result() {
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
