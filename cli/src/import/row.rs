//! One parsed row of a file: the request that lodges it, and its bytes in the file.

use sinergi_proto::base::limits;
use sinergi_proto::citizen::ReplyCode;
use sinergi_proto::entry::content::{TextError, TextRole, serialise_text};
use sinergi_proto::operator_api::{ExternalReference, LodgeRequest};
use sinergi_proto::wire::Text;

use super::rejected::{Problem, Rejected};
use crate::citizen;
use crate::words::{ComplaintKind, ContentClass};
use sinergi_daemon::base::node_limits;

/// A complaint to be lodged.
#[derive(Clone, Debug)]
pub struct Row {
    /// The number of its first line, counted from 1.
    pub line: u64,
    /// The request that lodges it.
    pub request: LodgeRequest,
    /// Its bytes in the file.
    pub original: Vec<u8>,
    /// Bytes of the file up to its end.
    pub end: u64,
    /// The citizen's reply code, if one was drawn.
    pub code: Option<ReplyCode>,
}

impl Row {
    /// The row with a reply code for its citizen, whose key goes into the request.
    #[must_use]
    pub fn with_reply_code(mut self) -> Self {
        let code = citizen::draw();
        citizen::commit(&mut self.request, &code);
        Self { code: Some(code), ..self }
    }

    /// The record's id at its source.
    pub fn external_id(&self) -> &str {
        self.request.external.as_ref().map_or("", |external| &external.id)
    }

    /// Turns the row into a rejected one, because the node refused it.
    pub fn refused(self, reason: &str) -> Rejected {
        Rejected {
            line: self.line,
            column: None,
            problem: Problem::Refused(reason.to_owned()),
            original: self.original,
            end: self.end,
        }
    }
}

/// The values of a row before the check.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) source: String,
    pub(super) id: String,
    pub(super) category: String,
    pub(super) area: String,
    pub(super) kind: ComplaintKind,
    pub(super) class: ContentClass,
    pub(super) text: Text,
}

/// A bad value: its field and the problem.
pub(super) type Fault = (&'static str, Problem);

impl Draft {
    /// The request, if every value is within its limits.
    pub(super) fn check(self) -> Result<LodgeRequest, Fault> {
        code("source", &self.source, node_limits::EXTERNAL_SOURCE_BYTES)?;
        code("id", &self.id, node_limits::EXTERNAL_ID_BYTES)?;
        code("category", &self.category, limits::CATEGORY_BYTES)?;
        if !self.area.is_empty() {
            code("area", &self.area, limits::AREA_BYTES)?;
        }
        serialise_text(&self.text, TextRole::Complaint).map_err(|error| (field(&error), error.into()))?;
        Ok(LodgeRequest {
            kind: self.kind.into(),
            category: self.category,
            area: self.area,
            class: self.class.into(),
            text: Some(self.text),
            external: Some(ExternalReference { source: self.source, id: self.id }),
            ..Default::default()
        })
    }
}

/// Makes a value of one line: replaces white space by single spaces.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Makes a value of several lines: uses a line feed as newline, and removes white space at the end.
pub(super) fn several_lines(text: &str) -> String {
    text.replace("\r\n", "\n").trim_end().to_owned()
}

fn code(field: &'static str, value: &str, limit: usize) -> Result<(), Fault> {
    if value.is_empty() {
        return Err((field, Problem::Empty));
    }
    if value.len() > limit {
        return Err((field, Problem::TooLong { length: value.len(), limit }));
    }
    match value.chars().enumerate().find(|(_, c)| c.is_control()) {
        Some((index, c)) => Err((field, Problem::ControlCharacter { character: c.into(), position: index + 1 })),
        None => Ok(()),
    }
}

/// The field of a row that a text's error is about.
fn field(error: &TextError) -> &'static str {
    let (TextError::Empty(field)
    | TextError::TooLong { field, .. }
    | TextError::ControlCharacter { field, .. }
    | TextError::InvalidTime { field, .. }) = error;
    match *field {
        "text" => "body",
        "occurred-at" => "occurred_at",
        other => other,
    }
}
