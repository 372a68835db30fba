//! One entry of a complaint as `complaint timeline` gives it.

use jiff::Timestamp;
use serde::Serialize;
use sinergi_proto::wire;

use super::{hexadecimal, moment, present, word};

/// An entry.
#[derive(Clone, Debug, Serialize)]
pub struct TimelineEntry {
    /// Its whole id.
    pub entry_id: String,
    /// Its place in this node's ledger.
    pub leaf_index: u64,
    /// Its author's clock.
    pub at: Option<Timestamp>,
    /// When this node wrote it down.
    pub received_at: Option<Timestamp>,
    /// The agency that signed it.
    pub author: String,
    /// The peer that it came from; null: written here.
    pub received_from: Option<String>,
    /// What it is: `Lodged`, `Forwarded`, …
    pub body: String,
    /// `effective`, `superseded`, `without_effect` or `kept`.
    pub standing: String,
    /// Why it is not effective.
    pub standing_reason: Option<String>,
    /// The agency that it addresses.
    pub to: Option<String>,
    /// Until when that agency can answer.
    pub answer_by: Option<Timestamp>,
    /// Reason, state, outcome or word.
    pub code: Option<String>,
    /// The agency that a return suggests.
    pub suggestion: Option<String>,
    /// The entry that it acts on.
    pub basis: Option<String>,
    /// Its texts.
    pub content: Vec<Content>,
    /// The proposal that it answers.
    pub proposal: Option<String>,
    /// The entries that it was written after: its author's newest.
    pub parents: Vec<String>,
}

impl From<wire::TimelineRow> for TimelineEntry {
    fn from(row: wire::TimelineRow) -> Self {
        Self {
            entry_id: hexadecimal(&row.entry_id),
            leaf_index: row.leaf_index,
            at: moment(row.at),
            received_at: moment(row.received_at),
            author: row.author,
            received_from: present(row.received_from),
            body: row.body,
            standing: row.standing,
            standing_reason: present(row.standing_reason),
            to: present(row.to),
            answer_by: moment(row.answer_by),
            code: present(row.code),
            suggestion: present(row.suggestion),
            basis: present(hexadecimal(&row.basis)),
            content: row.content.into_iter().map(Into::into).collect(),
            proposal: present(hexadecimal(&row.proposal)),
            parents: row.parents.iter().map(|parent| hexadecimal(parent)).collect(),
        }
    }
}

/// A text of an entry.
#[derive(Clone, Debug, Serialize)]
pub struct Content {
    /// `public`, `confidential` or `identity`.
    pub class: String,
    /// Its length in bytes.
    pub length: u32,
    /// `here`, `withheld`, `awaited` or `erased`.
    pub availability: String,
    /// Why it is not here.
    pub why: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// What it says; null unless it is here.
    pub text: Option<String>,
    /// Where it happened.
    pub location: Option<String>,
    /// Who reported it.
    pub reporter: Option<String>,
    /// When it happened or was first received, as it was written.
    pub occurred_at: Option<String>,
}

impl From<wire::TimelineContent> for Content {
    fn from(content: wire::TimelineContent) -> Self {
        let class = word(content.class().as_str_name(), "CONTENT_CLASS_");
        let text = content.text.unwrap_or_default();
        Self {
            class,
            length: content.length,
            availability: content.availability,
            why: present(content.why),
            title: present(text.title),
            text: present(text.body),
            location: present(text.location),
            reporter: present(text.reporter),
            occurred_at: present(text.occurred_at),
        }
    }
}
