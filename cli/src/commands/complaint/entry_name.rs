//! The name of an entry as an operator types it: its id in hexadecimal, or an unambiguous start of it.

use std::str::FromStr;

use data_encoding::HEXLOWER;

use crate::failure::Failure;
use crate::view::{ComplaintDetail, TimelineEntry};

/// The minimum length of a start, in characters.
const MIN_LENGTH: usize = 6;
/// The length of a complete id, in characters.
const WHOLE_LENGTH: usize = 64;

/// The start of an entry's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryName(String);

/// The error for a text that cannot be the start of an id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no entry: write its id, or the first {MIN_LENGTH} characters or more, of 0-9 and a-f")]
pub struct EntryNameError(String);

impl FromStr for EntryName {
    type Err = EntryNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.trim().to_ascii_lowercase();
        let hexadecimal = name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if hexadecimal && (MIN_LENGTH..=WHOLE_LENGTH).contains(&name.len()) {
            Ok(Self(name))
        } else {
            Err(EntryNameError(text.chars().take(80).collect()))
        }
    }
}

/// Finds the entry of the complaint with this name.
///
/// # Errors
/// No entry has this name, or several have.
pub(super) fn resolve<'d>(name: &EntryName, detail: &'d ComplaintDetail) -> Result<&'d TimelineEntry, Failure> {
    let mut named = detail.timeline.iter().filter(|entry| entry.entry_id.starts_with(&name.0));
    match (named.next(), named.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Failure::refused(format!("the complaint has no entry {} here", name.0))
            .help("`sinergi complaint timeline ID` shows the start of each entry's id")),
        (Some(first), Some(second)) => {
            let all = [first, second].into_iter().chain(named);
            let all: Vec<String> = all.map(|entry| format!("{} ({})", entry.entry_id, entry.body)).collect();
            Err(Failure::usage(format!(
                "{} is the start of several entries' ids, write more of it: {}",
                name.0,
                all.join(", ")
            )))
        }
    }
}

/// The bytes of an id.
pub(super) fn bytes(entry_id: &str) -> Result<Vec<u8>, Failure> {
    HEXLOWER
        .decode(entry_id.as_bytes())
        .map_err(|error| Failure::failed(format!("the node gave an invalid entry id: {entry_id:?}")).because(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::complaint::fixture::handed_over;
    use crate::failure::Exit;

    fn named(name: &str) -> Result<String, Failure> {
        let mut detail = handed_over();
        detail.timeline[1].entry_id = format!("abcdef00{}", "0".repeat(56));
        detail.timeline[2].entry_id = format!("abcdef11{}", "0".repeat(56));
        resolve(&name.parse().expect("a name"), &detail).map(|entry| entry.body.clone())
    }

    #[test]
    fn an_entry_is_named_by_any_unambiguous_start_of_its_id() {
        assert_eq!(named("abcdef0").expect("one"), "Forwarded");
        assert_eq!(named("ABCDEF1").expect("one"), "Returned");
        assert_eq!(named(&format!("abcdef11{}", "0".repeat(56))).expect("one"), "Returned");
        let ambiguous = named("abcdef").expect_err("two");
        assert_eq!(ambiguous.exit(), Exit::Usage);
        assert!(ambiguous.message().contains("abcdef00") && ambiguous.message().contains("abcdef11"));
        assert_eq!(named("123456").expect_err("none").exit(), Exit::Refused);
    }

    #[test]
    fn the_error_for_a_bad_name_says_what_is_accepted() {
        for bad in ["", "abcde", "entry9", &"a".repeat(65)] {
            let error = bad.parse::<EntryName>().expect_err(bad).to_string();
            assert!(error.contains("first 6 characters"), "{error}");
        }
    }
}
