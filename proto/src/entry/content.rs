//! Content: the texts that an entry commits to. The law may order that a content is destroyed, so it is kept apart from the entry.
//!
//! Must not know which agency may have a content.
//!
//! Invariants:
//! - a content is bound to its entry by `SHA-256("sinergi/content/v1\0" || salt || bytes)`;
//! - the salt is destroyed together with the content. Without it nobody can guess a short text from the hash;
//! - a [`wire::Text`] that a person wrote is checked once, by [`serialise_text`], and is within its limits from then on.

use bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::base::limits;
use crate::entry::{Commitment, ContentClass, clip};
use crate::wire;

/// A content with its salt, ready to be stored or sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// The number of the commitment that it fulfils, counted from 0 in its entry.
    pub commitment: u32,
    /// 32 random bytes.
    pub salt: [u8; 32],
    /// A serialised `Text`.
    pub data: Bytes,
}

impl std::fmt::Debug for Content {
    /// Never prints the text: contents must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Content({}, {} bytes)", self.commitment, self.data.len())
    }
}

impl Content {
    /// The hash in the entry's commitment.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::new()
            .chain_update(b"sinergi/content/v1\0")
            .chain_update(self.salt)
            .chain_update(&self.data)
            .finalize()
            .into()
    }

    /// A commitment to this content, for a new entry.
    pub fn commit(&self, class: ContentClass) -> wire::ContentCommitment {
        wire::ContentCommitment {
            hash: self.hash().to_vec(),
            length: u32::try_from(self.data.len()).unwrap_or(u32::MAX),
            class: class.to_wire().into(),
        }
    }

    /// Parses a received content and checks it against the commitments of its entry.
    ///
    /// # Errors
    /// The mismatch in words, as the detail of a [`crate::base::refusal::RefusalCode::ContentMismatch`].
    pub fn parse(message: wire::Content, commitments: &[Commitment]) -> Result<Self, String> {
        let salt = <[u8; 32]>::try_from(message.salt.as_slice())
            .map_err(|_| format!("salt of {} bytes, must be 32", message.salt.len()))?;
        let content = Self { commitment: message.commitment, salt, data: message.data };
        let commitment = commitments.get(content.commitment as usize).ok_or_else(|| {
            format!("content {} of an entry with {} commitments", content.commitment, commitments.len())
        })?;
        if content.data.len() != commitment.length as usize {
            return Err(format!("content of {} bytes, committed to {}", content.data.len(), commitment.length));
        }
        if content.hash() != commitment.hash {
            return Err(format!("content {} does not have the hash that the entry commits to", content.commitment));
        }
        Ok(content)
    }

    /// The wire representation.
    pub fn to_wire(&self) -> wire::Content {
        wire::Content { commitment: self.commitment, salt: self.salt.to_vec(), data: self.data.clone() }
    }
}

/// The reason why a text is not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TextError {
    /// A field that must not be empty is empty.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// A field is longer than its limit.
    #[error("{field} has {length} bytes, at most {limit}")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A field holds a control character. It would disturb terminals and logs.
    #[error("{field} holds the control character U+{character:04X} at character {position}")]
    ControlCharacter {
        /// The field.
        field: &'static str,
        /// The character's code point.
        character: u32,
        /// The character's position in the field, counted from 1.
        position: usize,
    },
    /// A field holds no valid time.
    #[error("{field} {value:?} is no RFC 3339 time, as in \"2026-03-01T14:05:00+07:00\"")]
    InvalidTime {
        /// The field.
        field: &'static str,
        /// The first 80 characters of its value.
        value: String,
    },
}

/// The role of a text. It says which fields must not be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextRole {
    /// A new complaint needs a title and a body.
    Complaint,
    /// A reason, note or answer needs a body.
    Note,
    /// The identity of the reporter needs the reporter's name.
    Reporter,
}

/// Checks a text that a person wrote and serialises it.
///
/// # Errors
/// The first field that is not within its limits.
pub fn serialise_text(text: &wire::Text, role: TextRole) -> Result<Bytes, TextError> {
    if role == TextRole::Complaint && text.title.trim().is_empty() {
        return Err(TextError::Empty("title"));
    }
    if role == TextRole::Reporter && text.reporter.trim().is_empty() {
        return Err(TextError::Empty("reporter"));
    }
    if role != TextRole::Reporter && text.body.trim().is_empty() {
        return Err(TextError::Empty("text"));
    }
    check_line("title", &text.title, limits::TITLE_BYTES)?;
    check_characters("text", &text.body, limits::BODY_BYTES, true)?;
    check_line("location", &text.location, limits::TEXT_FIELD_BYTES)?;
    check_line("reporter", &text.reporter, limits::TEXT_FIELD_BYTES)?;
    check_line("occurred-at", &text.occurred_at, limits::TIME_BYTES)?;
    if !text.occurred_at.is_empty() && text.occurred_at.parse::<jiff::Timestamp>().is_err() {
        return Err(TextError::InvalidTime { field: "occurred-at", value: clip(&text.occurred_at) });
    }
    Ok(text.encode_to_vec().into())
}

/// Decodes the text in a content. `None` if the bytes are no `Text`.
pub fn read_text(data: &[u8]) -> Option<wire::Text> {
    wire::Text::decode(data).ok()
}

fn check_line(field: &'static str, text: &str, limit: usize) -> Result<(), TextError> {
    check_characters(field, text, limit, false)
}

fn check_characters(field: &'static str, text: &str, limit: usize, multi_line: bool) -> Result<(), TextError> {
    if text.len() > limit {
        return Err(TextError::TooLong { field, length: text.len(), limit });
    }
    // Most texts are plain ASCII, and a check of bytes is much cheaper than a check of characters.
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Ok(());
    }
    let allowed = |c: char| !c.is_control() || (multi_line && matches!(c, '\n' | '\r' | '\t'));
    match text.chars().enumerate().find(|&(_, c)| !allowed(c)) {
        Some((index, c)) => Err(TextError::ControlCharacter { field, character: c.into(), position: index + 1 }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(title: &str, body: &str) -> wire::Text {
        wire::Text { title: title.to_owned(), body: body.to_owned(), ..Default::default() }
    }

    #[test]
    fn a_content_fits_its_own_commitment_and_no_other() {
        let content = Content { commitment: 0, salt: [7; 32], data: Bytes::from_static(b"jalan rusak") };
        let wire = content.commit(ContentClass::Public);
        let commitment = Commitment { hash: content.hash(), length: wire.length, class: ContentClass::Public };
        assert_eq!(Content::parse(content.to_wire(), std::slice::from_ref(&commitment)), Ok(content.clone()));

        let mut other = content.to_wire();
        other.salt[0] ^= 1;
        assert!(Content::parse(other, std::slice::from_ref(&commitment)).is_err());
        let mut longer = content.to_wire();
        longer.data = Bytes::from_static(b"jalan rusak!");
        assert!(Content::parse(longer, std::slice::from_ref(&commitment)).is_err());
        let mut elsewhere = content.to_wire();
        elsewhere.commitment = 1;
        assert!(Content::parse(elsewhere, &[commitment]).is_err());
    }

    #[test]
    fn a_field_that_is_empty_too_long_or_with_control_characters_is_refused() {
        assert_eq!(serialise_text(&text(" ", "x"), TextRole::Complaint), Err(TextError::Empty("title")));
        assert_eq!(serialise_text(&text("", " \n"), TextRole::Note), Err(TextError::Empty("text")));
        let long = "x".repeat(limits::TITLE_BYTES + 1);
        assert_eq!(
            serialise_text(&text(&long, "x"), TextRole::Complaint),
            Err(TextError::TooLong { field: "title", length: 513, limit: 512 })
        );
        assert_eq!(
            serialise_text(&text("ab\u{1b}[2J", "x"), TextRole::Complaint),
            Err(TextError::ControlCharacter { field: "title", character: 0x1b, position: 3 })
        );
        assert!(serialise_text(&text("a", "line\nline\tx\r\n"), TextRole::Complaint).is_ok());
        let mut dated = text("a", "b");
        dated.occurred_at = "2026-02-30T00:00:00Z".to_owned();
        assert!(matches!(serialise_text(&dated, TextRole::Complaint), Err(TextError::InvalidTime { .. })));
    }

    #[test]
    fn a_text_of_the_largest_size_fits_into_a_content_and_no_field_is_without_bound() {
        let line = "x".repeat(limits::TEXT_FIELD_BYTES);
        let mut largest = wire::Text {
            title: "x".repeat(limits::TITLE_BYTES),
            body: "x".repeat(limits::BODY_BYTES),
            location: line.clone(),
            reporter: line,
            occurred_at: "2026-03-01T14:05:00+07:00".to_owned(),
        };
        let data = serialise_text(&largest, TextRole::Complaint).expect("every field at its bound");
        assert!(data.len() <= limits::CONTENT_BYTES);
        assert_eq!(read_text(&data), Some(largest.clone()));
        // RFC 9557 allows any number of annotations after a time, so the length needs a bound of its own.
        largest.occurred_at =
            format!("2026-03-01T14:05:00+07:00{}", "[u-ca=iso8601]".repeat(limits::CONTENT_BYTES / 14));
        assert!(matches!(
            serialise_text(&largest, TextRole::Complaint),
            Err(TextError::TooLong { field: "occurred-at", .. })
        ));
    }

    #[test]
    fn a_printed_content_does_not_show_its_text() {
        let content = Content { commitment: 0, salt: [7; 32], data: Bytes::from_static(b"jalan rusak") };
        assert_eq!(format!("{content:?}"), "Content(0, 11 bytes)");
    }
}
