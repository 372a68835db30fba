//! The mapping from CSV columns to complaints: a small TOML file that a user can replace. The built-in mapping for New York City's 311 service
//! requests documents the format: `cli/data/mappings/nyc311.toml`.
//!
//! Invariant: every [`Mapping`] is consistent: its templates are parsed, its time format and zone are known, its source is within its limit.
//! Whether a file has the columns is checked when the header is read.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use sinergi_daemon::base::node_limits;

use crate::words::{ComplaintKind, ContentClass};

/// The built-in mappings, by name.
const SHIPPED: [(&str, &str); 1] = [("nyc311.toml", include_str!("../../data/mappings/nyc311.toml"))];

/// The reason why a text is not a mapping.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// The text is not TOML, or has not the fields of a mapping.
    #[error("the mapping is not of the documented form")]
    Form(#[from] toml::de::Error),
    /// The source's name is empty or too long.
    #[error("source {0:?} must have 1 to {limit} bytes", limit = node_limits::EXTERNAL_SOURCE_BYTES)]
    Source(String),
    /// A mandatory text has no parts.
    #[error("{0} has no parts: name at least one, as in [\"{{Column}}\"]")]
    NoParts(&'static str),
    /// A brace is not closed or not opened.
    #[error("the part {0:?} has a single brace: write {{Column}}")]
    Brace(String),
    /// The delimiter is not one ASCII character.
    #[error("delimiter {0:?} must be one ASCII character, as in \",\" or \";\"")]
    Delimiter(String),
    /// The time zone does not exist.
    #[error("time_zone {0:?} is not in the time zone database, as \"Asia/Jakarta\" is")]
    Zone(String),
    /// The time format cannot be used.
    #[error("format {format:?} is no strftime format: {reason}")]
    TimeFormat {
        /// The format.
        format: String,
        /// The error, in words.
        reason: String,
    },
}

/// A mapping as written in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMapping {
    source: String,
    id: String,
    #[serde(default = "comma")]
    delimiter: String,
    #[serde(default)]
    empty: Vec<String>,
    title: Vec<String>,
    body: Vec<String>,
    #[serde(default)]
    location: Vec<String>,
    reporter: Option<String>,
    category: RawCode,
    area: Option<RawCode>,
    #[serde(default)]
    kind: RawChoice<ComplaintKind>,
    #[serde(default)]
    class: RawChoice<ContentClass>,
    occurred_at: Option<RawTime>,
}

fn comma() -> String {
    ",".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCode {
    column: String,
    #[serde(rename = "as", default)]
    coding: Coding,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChoice<W> {
    default: Option<W>,
    column: Option<String>,
    #[serde(default = "BTreeMap::new")]
    values: BTreeMap<String, W>,
}

impl<W> Default for RawChoice<W> {
    fn default() -> Self {
        Self { default: None, column: None, values: BTreeMap::new() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTime {
    column: String,
    format: String,
    time_zone: String,
}

/// The conversion of a cell to a code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coding {
    /// In lower case, with hyphens in place of all characters except letters and digits.
    #[default]
    Code,
    /// Unchanged.
    Text,
}

impl Coding {
    /// The code that a cell gives.
    pub fn of(self, cell: &str) -> String {
        match self {
            Self::Text => cell.to_owned(),
            Self::Code => cell
                .split(|c: char| !c.is_alphanumeric())
                .filter(|word| !word.is_empty())
                .map(str::to_lowercase)
                .collect::<Vec<_>>()
                .join("-"),
        }
    }
}

/// The mapping from the columns of a CSV file to complaints.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub(super) source: String,
    pub(super) id: String,
    pub(super) delimiter: u8,
    pub(super) empty: Vec<String>,
    pub(super) title: Vec<Part>,
    pub(super) body: Vec<Part>,
    pub(super) location: Vec<Part>,
    pub(super) reporter: Option<String>,
    pub(super) category: (String, Coding),
    pub(super) area: Option<(String, Coding)>,
    pub(super) kind: Choice<ComplaintKind>,
    pub(super) class: Choice<ContentClass>,
    pub(super) occurred_at: Option<TimeColumn>,
}

/// The same word for all rows, or a word that depends on a column.
#[derive(Clone, Debug)]
pub(super) struct Choice<W> {
    pub(super) default: W,
    pub(super) column: Option<(String, BTreeMap<String, W>)>,
}

/// A column with a time, and its format.
#[derive(Clone, Debug)]
pub(super) struct TimeColumn {
    pub(super) column: String,
    pub(super) format: String,
    pub(super) zone: TimeZone,
}

/// A part of a text: words and columns.
pub(super) type Part = Vec<Piece>;

/// A piece of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Fixed words.
    Words(String),
    /// The cell of this column.
    Column(String),
}

impl Mapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// The text is not in the documented format, or a value in it cannot be used.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let raw: RawMapping = toml::from_str(text)?;
        if raw.source.trim().is_empty() || raw.source.len() > node_limits::EXTERNAL_SOURCE_BYTES {
            return Err(MappingError::Source(raw.source));
        }
        let delimiter = match raw.delimiter.as_bytes() {
            [byte] if byte.is_ascii() && *byte != b'"' && *byte != b'\n' && *byte != b'\r' => *byte,
            _ => return Err(MappingError::Delimiter(raw.delimiter)),
        };
        Ok(Self {
            source: raw.source.trim().to_owned(),
            id: raw.id,
            delimiter,
            empty: raw.empty,
            title: required("title", &raw.title)?,
            body: required("body", &raw.body)?,
            location: parts(&raw.location)?,
            reporter: raw.reporter,
            category: (raw.category.column, raw.category.coding),
            area: raw.area.map(|area| (area.column, area.coding)),
            kind: choice(raw.kind, ComplaintKind::Complaint),
            class: choice(raw.class, ContentClass::Public),
            occurred_at: raw.occurred_at.map(time_column).transpose()?,
        })
    }

    /// The built-in mappings.
    pub fn shipped() -> Vec<Self> {
        SHIPPED.iter().map(|(_, text)| Self::parse(text).expect("the shipped mappings are tested")).collect()
    }

    /// All columns that the mapping names, each once.
    pub fn columns(&self) -> Vec<&str> {
        let mut columns = vec![self.id.as_str(), self.category.0.as_str()];
        columns.extend(self.area.iter().map(|area| area.0.as_str()));
        columns.extend(self.reporter.as_deref());
        columns.extend(self.kind.column.iter().map(|(column, _)| column.as_str()));
        columns.extend(self.class.column.iter().map(|(column, _)| column.as_str()));
        columns.extend(self.occurred_at.iter().map(|time| time.column.as_str()));
        for part in self.title.iter().chain(&self.body).chain(&self.location) {
            columns.extend(part.iter().filter_map(|piece| match piece {
                Piece::Column(column) => Some(column.as_str()),
                Piece::Words(_) => None,
            }));
        }
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}

fn choice<W>(raw: RawChoice<W>, default: W) -> Choice<W> {
    Choice { default: raw.default.unwrap_or(default), column: raw.column.map(|column| (column, raw.values)) }
}

fn time_column(raw: RawTime) -> Result<TimeColumn, MappingError> {
    let zone = TimeZone::get(&raw.time_zone).map_err(|_| MappingError::Zone(raw.time_zone.clone()))?;
    let sample = Timestamp::UNIX_EPOCH.to_zoned(zone.clone());
    let written = strtime::format(&raw.format, &sample);
    if let Err(error) = written.and_then(|written| strtime::parse(&raw.format, written).map(drop)) {
        return Err(MappingError::TimeFormat { format: raw.format, reason: error.to_string() });
    }
    Ok(TimeColumn { column: raw.column, format: raw.format, zone })
}

fn required(name: &'static str, texts: &[String]) -> Result<Vec<Part>, MappingError> {
    if texts.is_empty() { Err(MappingError::NoParts(name)) } else { parts(texts) }
}

fn parts(texts: &[String]) -> Result<Vec<Part>, MappingError> {
    texts.iter().map(|text| part(text)).collect()
}

fn part(text: &str) -> Result<Part, MappingError> {
    let error = || MappingError::Brace(text.to_owned());
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        let close = rest[open..].strip_prefix('{').and_then(|inner| inner.find('}')).ok_or_else(error)?;
        let column = &rest[open + 1..open + 1 + close];
        if column.is_empty() || column.contains('{') {
            return Err(error());
        }
        if open > 0 {
            pieces.push(Piece::Words(rest[..open].to_owned()));
        }
        pieces.push(Piece::Column(column.to_owned()));
        rest = &rest[open + close + 2..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Words(rest.to_owned()));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str =
        "source = \"s\"\nid = \"Id\"\ntitle = [\"{T}\"]\nbody = [\"{B}\"]\ncategory = { column = \"C\" }\n";

    #[test]
    fn the_built_in_mappings_can_be_parsed() {
        let shipped = Mapping::shipped();
        assert!(shipped.iter().any(|mapping| mapping.source == "nyc311"));
        assert!(shipped[0].columns().contains(&"Resolution Description"));
    }

    #[test]
    fn a_part_is_split_into_words_and_columns() {
        let pieces = part("{A} and {B}.").expect("a part");
        let column = |name: &str| Piece::Column(name.to_owned());
        let words = |text: &str| Piece::Words(text.to_owned());
        assert_eq!(pieces, [column("A"), words(" and "), column("B"), words(".")]);
        for bad in ["{A", "A}", "{}", "{A{B}}", "a } b {C}"] {
            assert!(matches!(part(bad), Err(MappingError::Brace(_))), "{bad}");
        }
    }

    #[test]
    fn the_error_for_a_bad_mapping_names_the_bad_value() {
        assert!(Mapping::parse(SMALL).is_ok());
        for (more, said) in [
            ("titel = 1\n", "documented form"),
            ("delimiter = \"tab\"\n", "one ASCII character"),
            ("[occurred_at]\ncolumn = \"D\"\nformat = \"%Y-%m-%d\"\ntime_zone = \"Asia/Bandung\"\n", "Asia/Bandung"),
            ("[occurred_at]\ncolumn = \"D\"\nformat = \"%Y-%!\"\ntime_zone = \"Asia/Jakarta\"\n", "strftime"),
        ] {
            let error = Mapping::parse(&format!("{SMALL}{more}")).expect_err(said).to_string();
            assert!(error.contains(said), "{error}");
        }
        let long = SMALL.replace("\"s\"", &format!("{:?}", "s".repeat(65)));
        assert!(matches!(Mapping::parse(&long), Err(MappingError::Source(_))));
        assert!(matches!(Mapping::parse(&SMALL.replace("[\"{B}\"]", "[]")), Err(MappingError::NoParts("body"))));
    }

    #[test]
    fn a_code_is_lower_case_with_hyphens() {
        assert_eq!(Coding::Code.of("Noise - Residential"), "noise-residential");
        assert_eq!(Coding::Code.of("DOF Property - Payment Issue"), "dof-property-payment-issue");
        assert_eq!(Coding::Code.of("--"), "");
        assert_eq!(Coding::Text.of("Noise - Residential"), "Noise - Residential");
    }
}
