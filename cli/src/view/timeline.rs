//! One entry of a complaint as `complaint timeline` gives it.

use jiff::Timestamp;
use serde::Serialize;
use sinergi_proto::operator_api;

use super::document::FromWire;
use super::{present, word};

document! {
    /// An entry.
    TimelineEntry from operator_api::TimelineRow as row {
        /// Its whole id.
        entry_id: String,
        /// Its place in this node's ledger.
        leaf_index: u64,
        /// Its author's clock.
        at: Option<Timestamp>,
        /// When this node wrote it down.
        received_at: Option<Timestamp>,
        /// The agency that signed it.
        author: String,
        /// The peer that it came from; null: written here.
        received_from: Option<String>,
        /// What it is: `Lodged`, `Forwarded`, …
        body: String,
        /// `effective`, `superseded`, `without_effect` or `kept`.
        standing: String,
        /// Why it is not effective.
        standing_reason: Option<String>,
        /// The agency that it addresses.
        to: Option<String>,
        /// Until when that agency can answer.
        answer_by: Option<Timestamp>,
        /// Reason, state, outcome or word.
        code: Option<String>,
        /// The agency that a return suggests.
        suggestion: Option<String>,
        /// The entry that it acts on.
        basis: Option<String>,
        /// Its texts.
        content: Vec<Content>,
        /// The proposal that it answers.
        proposal: Option<String>,
        /// The entries that it was written after: its author's newest.
        parents: Vec<String>,
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

impl FromWire<operator_api::TimelineContent> for Content {
    fn from_wire(content: operator_api::TimelineContent) -> Self {
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
