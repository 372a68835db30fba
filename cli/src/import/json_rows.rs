//! The rows of a JSON Lines file: one object per line. [`super`] documents the format.

use std::io::BufRead;

use serde::Deserialize;
use sinergi_proto::operator_api::LodgeRequest;
use sinergi_proto::wire::Text;

use super::lines::{LINE_BYTES, Line, Lines};
use super::rejected::{Problem, Rejected};
use super::row::{Draft, Row, one_line, several_lines};
use crate::words::{ComplaintKind, ContentClass};

/// A line as written. Mandatory fields are checked later, so that the error names the field.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonLine {
    #[serde(default)]
    source: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    area: String,
    #[serde(default = "complaint")]
    kind: ComplaintKind,
    #[serde(default = "public")]
    class: ContentClass,
    #[serde(default)]
    title: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    location: String,
    #[serde(default)]
    reporter: String,
    #[serde(default)]
    occurred_at: String,
}

fn complaint() -> ComplaintKind {
    ComplaintKind::Complaint
}

fn public() -> ContentClass {
    ContentClass::Public
}

/// The rows of a JSON Lines file.
pub struct JsonRows<R> {
    lines: Lines<R>,
    broken: bool,
}

impl<R: BufRead> JsonRows<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { lines: Lines::new(reader), broken: false }
    }
}

impl<R: BufRead> Iterator for JsonRows<R> {
    type Item = Result<Row, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.broken {
            match self.lines.next() {
                Ok(None) => return None,
                Ok(Some(line)) if line.text().trim_ascii().is_empty() => {}
                Ok(Some(line)) => return Some(row(line)),
                Err(error) => {
                    self.broken = true;
                    return Some(Err(Rejected::unreadable(self.lines.number() + 1, error)));
                }
            }
        }
        None
    }
}

fn row(line: Line) -> Result<Row, Rejected> {
    if line.cut {
        return Err(Rejected::line(&line, Problem::LongLine { limit: LINE_BYTES }));
    }
    match request(line.text()) {
        Ok(request) => {
            Ok(Row { line: line.number, request, original: line.text().to_vec(), end: line.end, code: None })
        }
        Err((field, problem)) => Err(Rejected { column: field.map(str::to_owned), ..Rejected::line(&line, problem) }),
    }
}

fn request(line: &[u8]) -> Result<LodgeRequest, (Option<&'static str>, Problem)> {
    let text = std::str::from_utf8(line).map_err(|error| (None, Problem::NotUtf8 { at: error.valid_up_to() }))?;
    let line: JsonLine = serde_json::from_str(text).map_err(|error| (None, Problem::Json(within_line(&error))))?;
    let draft = Draft {
        source: one_line(&line.source),
        id: one_line(&line.id),
        category: one_line(&line.category),
        area: one_line(&line.area),
        kind: line.kind,
        class: line.class,
        text: Text {
            title: one_line(&line.title),
            body: several_lines(&line.body),
            location: one_line(&line.location),
            reporter: one_line(&line.reporter),
            occurred_at: line.occurred_at.trim().to_owned(),
        },
    };
    draft.check().map_err(|(field, problem)| (Some(field), problem))
}

/// The error with its position in the line. The parser sees only one line, so its own text would always name line 1.
fn within_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(text) => format!("{text} (at byte {})", error.column()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{Shape, rows};

    fn read(text: &[u8]) -> Vec<Result<LodgeRequest, (u64, String)>> {
        let rows = rows(text, Shape::JsonLines).expect("readable");
        rows.map(|row| row.map(|row| row.request).map_err(|rejected| (rejected.line, rejected.reason()))).collect()
    }

    #[test]
    fn a_line_of_the_documented_shape_is_a_row() {
        let line = r#"{"source":"lapor","id":"7","category":"road","title":" Deep  hole ","body":"In the street.\r\nDeep.","kind":"information-request","class":"confidential","area":"32.73","occurred_at":"2026-03-01T14:05:00+07:00"}"#;
        let requests = read(format!("\u{feff}{line}\r\n\r\n").as_bytes());
        let [Ok(request)] = &requests[..] else { panic!("{requests:?}") };
        let text = request.text.clone().expect("a text");
        assert_eq!((text.title.as_str(), text.body.as_str()), ("Deep hole", "In the street.\nDeep."));
        assert_eq!((request.kind, request.class), (3, 2));
        assert_eq!(request.external.as_ref().map(|external| external.source.as_str()), Some("lapor"));
    }

    #[test]
    fn a_bad_line_is_rejected_with_field_and_reason_and_the_next_is_read() {
        let good = r#"{"source":"s","id":"1","category":"c","title":"t","body":"b"}"#;
        let bad: [(&[u8], &str); 9] = [
            (b"nonsense", "expected ident"),
            (br#"{"source":"s","titel":"t"}"#, "unknown field `titel`"),
            (br#"{"source":"s","id":"1","category":"c","body":"b"}"#, "title: must not be empty"),
            (br#"{"id":"1","category":"c","title":"t","body":"b"}"#, "source: must not be empty"),
            (br#"{"source":"s","id":1,"category":"c","title":"t","body":"b"}"#, "invalid type: integer"),
            (
                br#"{"source":"s","id":"1","category":"c","title":"t","body":"b\u0007"}"#,
                "body: holds the control character U+0007",
            ),
            (
                br#"{"source":"s","id":"1","category":"c","title":"t","body":"b","kind":"whim"}"#,
                "unknown variant `whim`",
            ),
            (
                br#"{"source":"s","id":"1","category":"c","title":"t","body":"b","occurred_at":"1/3/2026"}"#,
                "occurred_at: \"1/3/2026\" is no time",
            ),
            (b"{\"source\":\"caf\xe9\"}", "is not UTF-8 at byte 14"),
        ];
        let mut file = Vec::new();
        for (line, _) in &bad {
            file.extend_from_slice(line);
            file.push(b'\n');
        }
        file.extend_from_slice(good.as_bytes());
        let read = read(&file);
        assert_eq!(read.len(), bad.len() + 1);
        for (index, (_, reason)) in bad.iter().enumerate() {
            let Err((line, said)) = &read[index] else { panic!("line {} was read", index + 1) };
            assert_eq!(*line, index as u64 + 1);
            assert!(said.contains(reason), "{said} does not say {reason}");
        }
        assert!(read[bad.len()].is_ok());
    }
}
