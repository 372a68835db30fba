//! Free text as an argument: from the command line, a file or stdin.
//!
//! Invariant: every text is checked here by the node's own rules ([`sinergi_proto::entry::content`]), so that a text which is empty, too long
//! or has control characters fails as wrong usage before anything is sent.

use std::fs::File;
use std::io::Read;

use clap::Args;
use sinergi_proto::base::limits;
use sinergi_proto::entry::content::{TextRole, serialise_text};
use sinergi_proto::wire;

use crate::failure::Failure;
use crate::words::ContentClass;

/// A text, from the command line or from a file.
#[derive(Args, Clone, Debug, Default)]
pub struct TextOptions {
    /// The text
    #[arg(long, value_name = "TEXT", conflicts_with = "text_file")]
    pub text: Option<String>,

    /// Read the text from a file; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub text_file: Option<String>,
}

/// A text with its class, for commands on a lodged complaint.
#[derive(Args, Clone, Debug, Default)]
pub struct NoteOptions {
    /// The text, and where it comes from.
    #[command(flatten)]
    pub source: TextOptions,

    /// Class of the text: who may read it [default: the complaint's class]
    #[arg(long, value_enum, value_name = "CLASS")]
    pub class: Option<ContentClass>,
}

impl TextOptions {
    /// The text, if one was given, with `\n` as newline and without white space at the end.
    pub fn read(&self) -> Result<Option<String>, Failure> {
        let text = match (&self.text, self.text_file.as_deref()) {
            (Some(text), _) => text.clone(),
            (None, Some("-")) => read_bounded(std::io::stdin().lock(), "stdin")?,
            (None, Some(path)) => {
                let file = File::open(path).map_err(|error| {
                    Failure::usage(format!("cannot read the text from {path:?}"))
                        .because(error)
                        .help("give the text with --text, or name a readable file with --text-file")
                })?;
                read_bounded(file, path)?
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(text.replace("\r\n", "\n").trim_end().to_owned()))
    }
}

impl NoteOptions {
    /// The text as a note, if one was given.
    pub fn read(&self) -> Result<Option<wire::Text>, Failure> {
        self.source.read()?.map(|body| checked(wire::Text { body, ..Default::default() }, TextRole::Note)).transpose()
    }

    /// The text as a note. It is mandatory.
    pub fn read_required(&self) -> Result<wire::Text, Failure> {
        self.read()?.ok_or_else(missing)
    }
}

/// The failure if a mandatory text is missing.
pub fn missing() -> Failure {
    Failure::usage("the text is missing").help("give it with --text TEXT, or with --text-file FILE (`-` reads stdin)")
}

/// Checks a text by the node's rules.
pub fn checked(text: wire::Text, role: TextRole) -> Result<wire::Text, Failure> {
    match serialise_text(&text, role) {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::usage(format!("the text cannot be sent: {error}"))
            .help("correct that value and repeat the command; nothing was sent")),
    }
}

fn read_bounded(source: impl Read, name: &str) -> Result<String, Failure> {
    let limit = limits::BODY_BYTES as u64;
    let mut bytes = Vec::new();
    source
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::failed(format!("cannot read the text from {name}")).because(error))?;
    if bytes.len() as u64 > limit {
        return Err(Failure::usage(format!("the text in {name} is longer than {limit} bytes"))
            .help("shorten it; a text may have at most that many bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        Failure::usage(format!("the text in {name} is not UTF-8 at byte {}", error.utf8_error().valid_up_to()))
            .help("save it as UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    fn note(text: &str) -> Result<Option<wire::Text>, Failure> {
        let source = TextOptions { text: Some(text.to_owned()), text_file: None };
        NoteOptions { source, class: None }.read()
    }

    #[test]
    fn a_text_that_is_empty_too_long_or_has_control_characters_is_wrong_usage() {
        for bad in ["", "  \n", "bell\u{7}", &"x".repeat(limits::BODY_BYTES + 1)] {
            let failure = note(bad).expect_err("refused here");
            assert_eq!(failure.exit(), Exit::Usage);
        }
        let text = note("line\r\nline\n").expect("fine").expect("given");
        assert_eq!(text.body, "line\nline");
    }

    #[test]
    fn a_text_file_must_be_readable_utf8_within_the_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).expect("written");
            TextOptions { text: None, text_file: Some(path.display().to_string()) }
        };
        assert_eq!(path("good", b"as it is\n").read().expect("read"), Some("as it is".to_owned()));
        assert!(path("latin1", b"caf\xe9").read().expect_err("not UTF-8").message().contains("byte 3"));
        assert!(path("long", &vec![b'x'; limits::BODY_BYTES + 1]).read().is_err());
        let missing = TextOptions { text: None, text_file: Some("no/such/file".to_owned()) };
        assert_eq!(missing.read().expect_err("missing").exit(), Exit::Usage);
    }
}
