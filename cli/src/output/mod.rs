//! Shows answers: tables for people, JSON for scripts.
//!
//! Invariants:
//! - results go to stdout, everything else to stderr; if the reader closes stdout early, the program ends without a message;
//! - a table fits [`Output::width`] columns; there is colour only on a terminal without `NO_COLOR`; foreign text is made safe first
//!   ([`crate::safe`]);
//! - JSON does not depend on the terminal, the time zone or the present time.

pub mod columns;
pub mod times;

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::failure::{Exit, Failure};

/// The format of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables and sentences for people.
    #[default]
    Table,
    /// Stable documents for scripts.
    Json,
}

/// The meaning of a text, which its colour shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Headings and names.
    Strong,
    /// Less important text.
    Faint,
    /// Everything is right.
    Good,
    /// The operator should look at it.
    Warning,
    /// The operator must act.
    Alarm,
}

/// The output of a command.
#[derive(Clone, Debug)]
pub struct Output {
    /// The format.
    pub format: Format,
    /// The maximum width of a table, in columns.
    pub width: usize,
    /// Whether to use colours.
    pub colour: bool,
    /// The present time, for relative times.
    pub now: Timestamp,
    /// The time zone for times in tables.
    pub zone: TimeZone,
}

/// The width if the output is not a terminal, and the minimum width.
pub const STANDARD_WIDTH: usize = 80;
/// The maximum width of a text: longer lines are hard to read.
const WIDEST: usize = 132;

impl Output {
    /// The stdout of this process.
    pub fn of_process(format: Format) -> Self {
        let terminal = io::stdout().is_terminal();
        let columns = if terminal {
            comfy_table::Table::new().width().map_or(STANDARD_WIDTH, usize::from)
        } else {
            STANDARD_WIDTH
        };
        let forbidden = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            format,
            width: columns.clamp(STANDARD_WIDTH, WIDEST),
            colour: terminal && !forbidden("NO_COLOR") && !dumb,
            now: Timestamp::now(),
            zone: TimeZone::system(),
        }
    }

    /// An output without a terminal at a fixed time, for tests.
    pub fn fixed(now: Timestamp) -> Self {
        Self { format: Format::Table, width: STANDARD_WIDTH, colour: false, now, zone: TimeZone::UTC }
    }

    /// Shows one document, as JSON or as the text that `table` makes.
    pub fn document<T: Serialize>(&self, document: &T, table: impl FnOnce(&Self, &T) -> String) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.json(document),
            Format::Table => self.text(&table(self, document)),
        }
    }

    /// Shows a listing, as a JSON array of objects or as the text that `table` makes. `nothing` is the text for an empty listing.
    pub fn listing<T: Serialize>(
        &self,
        rows: &[T],
        nothing: &str,
        table: impl FnOnce(&Self, &[T]) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.json(rows),
            Format::Table if rows.is_empty() => self.text(nothing),
            Format::Table => self.text(&table(self, rows)),
        }
    }

    /// Writes a document as JSON in either format.
    pub fn json<T: Serialize + ?Sized>(&self, document: &T) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(document)
            .map_err(|error| Failure::failed("cannot write the answer as JSON").because(error))?;
        self.text(&text)
    }

    /// Writes text to stdout, with a newline at its end.
    pub fn text(&self, text: &str) -> Result<(), Failure> {
        let newline = if text.ends_with('\n') { "" } else { "\n" };
        self.bytes(format!("{text}{newline}").as_bytes())
    }

    /// Writes bytes to stdout as they are.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::new(Exit::ReaderGone, ""),
            _ => Failure::failed("cannot write to stdout").because(error),
        })
    }

    /// Prints a note to stderr that is not part of the answer.
    pub fn note(&self, text: &str) {
        // If stderr is closed, the note is lost, which does no harm.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Prints a note if a listing has reached its limit, so that there may be more rows.
    pub fn note_if_full(&self, rows: usize, limit: u32) {
        if self.format == Format::Table && rows as u64 >= u64::from(limit) {
            self.note(&format!("{rows} shown; there may be more, --limit N shows up to N"));
        }
    }

    /// The text in this tone, if colours are used.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        use clap::builder::styling::{AnsiColor, Style};
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let style = match tone {
            Tone::Strong => Style::new().bold(),
            Tone::Faint => Style::new().dimmed(),
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Warning => AnsiColor::Yellow.on_default(),
            Tone::Alarm => AnsiColor::Red.on_default().bold(),
        };
        format!("{style}{text}{style:#}")
    }
}
