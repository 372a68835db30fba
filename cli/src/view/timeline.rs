//! The document of an entry, for `complaint timeline`.

use jiff::Timestamp;
use serde::Serialize;
use sinergi_proto::operator_api;

use super::document::FromWire;
use super::{present, word};

document! {
    /// An entry.
    TimelineEntry from operator_api::TimelineRow as row {
        /// The complete id.
        entry_id: String,
        /// Its leaf in this node's ledger.
        leaf_index: u64,
        /// The author's clock.
        at: Option<Timestamp>,
        /// The time at which this node wrote it to its ledger.
        received_at: Option<Timestamp>,
        /// The author.
        author: String,
        /// The peer that delivered it; null if this node wrote it.
        received_from: Option<String>,
        /// The body: `Lodged`, `Forwarded`, …
        body: String,
        /// `effective`, `superseded`, `without_effect` or `kept`.
        standing: String,
        /// The reason why it is not effective.
        standing_reason: Option<String>,
        /// The addressee.
        to: Option<String>,
        /// The deadline for the addressee's answer.
        answer_by: Option<Timestamp>,
        /// The code of its reason, state, outcome or reply.
        code: Option<String>,
        /// The agency that a return suggests.
        suggestion: Option<String>,
        /// The basis: the custody entry that it acts on.
        basis: Option<String>,
        /// Its texts.
        content: Vec<Content>,
        /// The proposal that it answers.
        proposal: Option<String>,
        /// The entry whose receipt it shows.
        proven: Option<String>,
        /// The agency that gave that receipt.
        witness: Option<String>,
        /// The answer that a reply is about.
        answer: Option<String>,
        /// The citizen's score in a reply, from 1 to 5.
        score: Option<u32>,
        /// The number of a reply that carries a signature; null if the agency notes it in its own name.
        word_number: Option<u64>,
        /// The parents: the newest entries that its author knew.
        parents: Vec<String>,
    }
}

/// A text of an entry.
#[derive(Clone, Debug, Serialize)]
pub struct Content {
    /// `public`, `confidential` or `identity`.
    pub class: String,
    /// The length in bytes.
    pub length: u32,
    /// `here`, `withheld`, `awaited` or `erased`.
    pub availability: String,
    /// The reason why it is not here.
    pub why: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// The text; null unless it is here.
    pub text: Option<String>,
    /// The place of the incident.
    pub location: Option<String>,
    /// The reporter.
    pub reporter: Option<String>,
    /// The time of the incident or of the first receipt, as written.
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
