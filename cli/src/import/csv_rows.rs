//! The rows of a CSV file, read with a mapping.
//!
//! Invariants: columns are looked up once, in the header; a cell is decoded only if the mapping needs it, so bad bytes in other cells do no harm.

use std::collections::HashMap;
use std::io::BufRead;

use jiff::Zoned;
use jiff::fmt::strtime;
use sinergi_proto::operator_api::LodgeRequest;
use sinergi_proto::wire::Text;

use super::ImportError;
use super::mapping::{Choice, Mapping, Part, Piece, TimeColumn};
use super::records::{Record, Records, parse};
use super::rejected::{Problem, Rejected};
use super::row::{Draft, Row, one_line, several_lines};
use crate::when;

/// The rows of a CSV file.
pub struct CsvRows<R> {
    records: Records<R>,
    header: csv::ByteRecord,
    mapping: Mapping,
    /// The position of every column that the mapping names.
    places: HashMap<String, usize>,
}

impl<R: BufRead> CsvRows<R> {
    pub(super) fn new(reader: R, mapping: Option<Box<Mapping>>) -> Result<Self, ImportError> {
        let mut records = Records::new(reader, b',');
        let line = records.header_line()?.ok_or(ImportError::Empty)?;
        if line.cut {
            return Err(ImportError::Header);
        }
        let read = |delimiter| {
            let header = parse(line.text(), delimiter);
            let names = header.iter().map(|cell| std::str::from_utf8(cell).map(|name| name.trim().to_owned()));
            let names: Result<Vec<String>, _> = names.collect();
            names.map(|names| (header, names)).map_err(|_| ImportError::Header)
        };
        let mapping = match mapping {
            Some(mapping) => *mapping,
            None => {
                let fits = |mapping: &Mapping| {
                    read(mapping.delimiter).is_ok_and(|(_, names)| missing(mapping, &names).is_empty())
                };
                let (_, names) = read(b',')?;
                Mapping::shipped().into_iter().find(fits).ok_or(ImportError::NoMapping(names))?
            }
        };
        let (header, names) = read(mapping.delimiter)?;
        let missing = missing(&mapping, &names);
        if !missing.is_empty() {
            return Err(ImportError::MissingColumns { missing, present: names });
        }
        records.set_delimiter(mapping.delimiter);
        Ok(Self { records, header, places: places(&mapping, &names)?, mapping })
    }
}

impl<R> CsvRows<R> {
    pub(super) fn header(&self) -> (&csv::ByteRecord, u8) {
        (&self.header, self.mapping.delimiter)
    }
}

impl<R: BufRead> Iterator for CsvRows<R> {
    type Item = Result<Row, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = match self.records.next(self.header.len())? {
            Ok(record) => record,
            Err(rejected) => return Some(Err(rejected)),
        };
        let cells = Cells { mapping: &self.mapping, places: &self.places, record: &record };
        Some(match cells.request() {
            Ok(request) => {
                Ok(Row { line: record.line, request, original: record.original, end: record.end, code: None })
            }
            Err((column, problem)) => Err(Rejected {
                line: record.line,
                column: Some(column),
                problem,
                original: record.original,
                end: record.end,
            }),
        })
    }
}

fn missing(mapping: &Mapping, names: &[String]) -> Vec<String> {
    let lacks = |column: &&str| !names.iter().any(|name| name == column);
    mapping.columns().into_iter().filter(lacks).map(str::to_owned).collect()
}

fn places(mapping: &Mapping, names: &[String]) -> Result<HashMap<String, usize>, ImportError> {
    let mut places = HashMap::new();
    for column in mapping.columns() {
        let mut found = names.iter().enumerate().filter(|(_, name)| *name == column).map(|(place, _)| place);
        match (found.next(), found.next()) {
            (Some(place), None) => places.insert(column.to_owned(), place),
            _ => return Err(ImportError::DoubleColumn(column.to_owned())),
        };
    }
    Ok(places)
}

/// The column of a text that is made of one column only. Positions in such a text are positions in the cell.
fn only_column(parts: &[Part]) -> Option<&String> {
    match parts {
        [part] => match part.as_slice() {
            [Piece::Column(column)] => Some(column),
            _ => None,
        },
        _ => None,
    }
}

/// A bad value: its column, or its field if several columns make it, and the problem.
type Fault = (String, Problem);

/// One record, seen through the mapping.
struct Cells<'a> {
    mapping: &'a Mapping,
    places: &'a HashMap<String, usize>,
    record: &'a Record,
}

impl Cells<'_> {
    fn request(&self) -> Result<LodgeRequest, Fault> {
        let mapping = self.mapping;
        let code = |column: &str| self.cell(column).map(one_line);
        let draft = Draft {
            source: mapping.source.clone(),
            id: code(&mapping.id)?,
            category: mapping.category.1.of(&code(&mapping.category.0)?),
            area: match &mapping.area {
                Some((column, coding)) => coding.of(&code(column)?),
                None => String::new(),
            },
            kind: self.choose(&mapping.kind)?,
            class: self.choose(&mapping.class)?,
            text: Text {
                title: one_line(&self.text(&mapping.title, ": ")?),
                body: several_lines(&self.text(&mapping.body, "\n")?),
                location: one_line(&self.text(&mapping.location, ", ")?),
                reporter: match &mapping.reporter {
                    Some(column) => code(column)?,
                    None => String::new(),
                },
                occurred_at: match &mapping.occurred_at {
                    Some(column) => self.time(column)?,
                    None => String::new(),
                },
            },
        };
        draft.check().map_err(|(field, problem)| (self.named(field), problem))
    }

    /// The cell of a column. A word that the mapping counts as empty gives an empty cell.
    fn cell(&self, column: &str) -> Result<&str, Fault> {
        let place = self.places.get(column).copied().unwrap_or(usize::MAX);
        let bytes = self.record.cells.get(place).unwrap_or_default();
        let cell = std::str::from_utf8(bytes)
            .map_err(|error| (column.to_owned(), Problem::NotUtf8 { at: error.valid_up_to() }))?;
        let cell = cell.trim();
        Ok(if self.mapping.empty.iter().any(|word| word == cell) { "" } else { cell })
    }

    /// Joins the parts none of whose cells is empty.
    fn text(&self, parts: &[Part], joint: &str) -> Result<String, Fault> {
        let mut texts = Vec::new();
        for part in parts {
            let mut text = String::new();
            let mut complete = true;
            for piece in part {
                match piece {
                    Piece::Words(words) => text.push_str(words),
                    Piece::Column(column) => {
                        let cell = self.cell(column)?;
                        complete &= !cell.is_empty();
                        text.push_str(cell);
                    }
                }
            }
            if complete {
                texts.push(text);
            }
        }
        Ok(texts.join(joint))
    }

    fn choose<W: Copy>(&self, choice: &Choice<W>) -> Result<W, Fault> {
        let Some((column, values)) = &choice.column else { return Ok(choice.default) };
        match self.cell(column)? {
            "" => Ok(choice.default),
            cell => values.get(cell).copied().ok_or_else(|| {
                let known = values.keys().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(", ");
                (column.clone(), Problem::UnknownValue { value: cell.to_owned(), known })
            }),
        }
    }

    /// The time of a cell as RFC 3339; an empty text for an empty cell.
    fn time(&self, time: &TimeColumn) -> Result<String, Fault> {
        let cell = self.cell(&time.column)?;
        if cell.is_empty() {
            return Ok(String::new());
        }
        let parsed = read_time(cell, time).map_err(|error| {
            let expected = format!("of the form {:?}: {error}", time.format);
            (time.column.clone(), Problem::Time { value: cell.chars().take(80).collect(), expected })
        })?;
        Ok(when::rfc3339(&parsed))
    }

    /// The column of a field, or the field's own name if several columns make it.
    fn named(&self, field: &str) -> String {
        let mapping = self.mapping;
        let column = match field {
            "id" => Some(&mapping.id),
            "category" => Some(&mapping.category.0),
            "area" => mapping.area.as_ref().map(|area| &area.0),
            "reporter" => mapping.reporter.as_ref(),
            "occurred_at" => mapping.occurred_at.as_ref().map(|time| &time.column),
            "title" => only_column(&mapping.title),
            "body" => only_column(&mapping.body),
            "location" => only_column(&mapping.location),
            _ => None,
        };
        column.map_or(field, String::as_str).to_owned()
    }
}

fn read_time(cell: &str, time: &TimeColumn) -> Result<Zoned, jiff::Error> {
    let parsed = strtime::parse(&time.format, cell)?;
    if parsed.offset().is_some() {
        return Ok(parsed.to_timestamp()?.to_zoned(time.zone.clone()));
    }
    let local = if parsed.hour().is_some() { parsed.to_datetime()? } else { parsed.to_date()?.at(0, 0, 0, 0) };
    local.to_zoned(time.zone.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{Shape, rows};

    const SAMPLE: &str = include_str!("../../data/nyc311-200.csv");

    const MAPPING: &str = r#"
source = "s"
id = "Id"
empty = ["N/A"]
title = ["{Type}", "{What}"]
body = ["{Text}"]
location = ["{Street}", "{City}"]
category = { column = "Type" }
kind = { column = "Kind", values = { Q = "information-request" } }
occurred_at = { column = "Date", format = "%m/%d/%Y %I:%M:%S %p", time_zone = "America/New_York" }
"#;
    const HEADER: &str = "Id,Type,What,Text,Street,City,Kind,Date,Other";

    fn read(bytes: &[u8]) -> Vec<Result<LodgeRequest, (u64, String)>> {
        let mapping = Mapping::parse(MAPPING).expect("a mapping");
        let rows = rows(bytes, Shape::Csv(Some(Box::new(mapping)))).expect("a header");
        rows.map(|row| row.map(|row| row.request).map_err(|rejected| (rejected.line, rejected.reason()))).collect()
    }

    #[test]
    fn the_published_file_is_read_whole_by_the_shipped_mapping() {
        let all: Vec<_> = rows(SAMPLE.as_bytes(), Shape::Csv(None)).expect("the header fits").collect();
        assert_eq!(all.len(), 200);
        for row in &all {
            assert!(row.is_ok(), "{row:?}");
        }
    }

    #[test]
    fn a_row_of_the_published_file_becomes_a_complaint() {
        let mut rows = rows(SAMPLE.as_bytes(), Shape::Csv(None)).expect("the header fits").flatten();
        let row = rows.find(|row| row.external_id() == "19937945").expect("a hand-over");
        let text = row.request.text.expect("a text");
        assert_eq!(row.request.category, "heap-assistance");
        assert_eq!(row.request.area, "queens");
        assert_eq!(text.title, "HEAP Assistance");
        assert!(text.body.contains("referred to the Human Resources Administration."), "{}", text.body);
        assert_eq!(text.location, "RIDGEWOOD, 11385");
        assert_eq!(text.occurred_at, "2011-03-01T12:13:46-05:00");
    }

    #[test]
    fn byte_order_mark_carriage_returns_and_quoted_newlines_are_read() {
        let file = format!("\u{feff}{HEADER}\r\n1,Road,Hole,\"Deep.\r\nVery.\",,Bandung,,03/01/2011 02:27:57 PM,x\r\n");
        let rows = read(file.as_bytes());
        let [Ok(request)] = &rows[..] else { panic!("{rows:?}") };
        let text = request.text.clone().expect("a text");
        assert_eq!(text.body, "Deep.\nVery.");
        assert_eq!(text.location, "Bandung");
        assert_eq!(text.occurred_at, "2011-03-01T14:27:57-05:00");
    }

    #[test]
    fn a_bad_row_is_rejected_with_line_column_and_reason_and_the_next_is_read() {
        let long = format!("7,Road,{},Text,,,,,", "x".repeat(600));
        let bad: [(&[u8], &str); 10] = [
            (b",Road,Hole,Text,,,,,", "Id: must not be empty"),
            (b"2,N/A,Hole,Text,,,,,", "Type: must not be empty"),
            (b"3,Road,Hole,,,,,,", "Text: must not be empty"),
            (b"4,Road,Hole,Text,,,,02/30/2011 02:27:57 PM,", "Date: \"02/30/2011 02:27:57 PM\" is no time of the form"),
            (b"5,Road,Hole,Text,,,,yesterday,", "Date: \"yesterday\" is no time"),
            (b"6,Road,Hole,Te\x07xt,,,,,", "Text: holds the control character U+0007 at character 3"),
            (long.as_bytes(), "title: has 606 bytes, at most 512"),
            (b"8,Road,caf\xe9,Text,,,,,", "What: is not UTF-8 at byte 3"),
            (b"9,Road,Hole,Text,,,W,,", "Kind: \"W\" is not one of \"Q\""),
            (b"10,Road,Hole", "has 3 cells where the header has 9"),
        ];
        let mut file = format!("{HEADER}\n").into_bytes();
        for (row, _) in &bad {
            file.extend_from_slice(row);
            file.push(b'\n');
        }
        file.extend_from_slice(b"11,Road,Hole,Text,,,Q,,\xff\n");
        let read = read(&file);
        assert_eq!(read.len(), bad.len() + 1);
        for (index, (_, reason)) in bad.iter().enumerate() {
            let Err((line, said)) = &read[index] else { panic!("row {} was read", index + 1) };
            assert_eq!(*line, index as u64 + 2);
            assert!(said.starts_with(reason), "{said} does not say {reason}");
        }
        assert!(read[bad.len()].is_ok(), "what the mapping does not need may be anything");
    }

    #[test]
    fn the_error_for_a_header_that_does_not_fit_names_missing_and_present_columns() {
        let error = |text: &str, mapping: Option<Mapping>| {
            rows(text.as_bytes(), Shape::Csv(mapping.map(Box::new)))
                .map(drop)
                .expect_err("no header that fits")
                .to_string()
        };
        let mapping = || Mapping::parse(MAPPING).ok();
        assert!(error("", mapping()).contains("empty"));
        assert!(error("Id,Name\n1,x\n", None).ends_with("which has: \"Id\", \"Name\""));
        let missing = error("Id,Type,What,Text,Street,City\n", mapping());
        assert!(missing.contains("no column \"Date\", \"Kind\""), "{missing}");
        assert!(error(&format!("{HEADER},Id\n"), mapping()).contains("\"Id\" twice"));
    }
}
