//! Problems of a configuration file. Each names its place, so that the operator finds it at once.
//!
//! It must not know the meaning of fields.
//!
//! Invariants: a [`ConfigError::Wrong`] holds at least one problem, in the order of the file.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use crate::model::bounds;

/// The reason why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{} cannot be read: give the node's directory with --node, or make a node with `sinergi init`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is too long for a configuration.
    #[error("{} has {bytes} bytes: must be at most {}", path.display(), bounds::FILE_BYTES)]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        bytes: u64,
    },
    /// The file was read, and has these problems.
    #[error("{}", Lines(.0))]
    Wrong(Vec<Problem>),
}

impl ConfigError {
    /// The problems as text for an operator, one string each.
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::Unreadable { source, .. } => vec![format!("{self}: {source}")],
            Self::TooLong { .. } => vec![self.to_string()],
            Self::Wrong(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }
}

/// One thing that is wrong: `sinergid.toml:12: store.cache_mib = 5: must be 16 to 4096`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The path of the file, as the caller named it.
    pub path: PathBuf,
    /// The line, counted from 1; absent if a setting is missing.
    pub line: Option<usize>,
    /// Field, value and bound.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.text)
    }
}

struct Lines<'a>(&'a [Problem]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// Collects problems while a file is read.
pub(crate) struct Problems<'a> {
    path: PathBuf,
    text: &'a str,
    found: Vec<Problem>,
}

impl<'a> Problems<'a> {
    pub(crate) fn new(path: PathBuf, text: &'a str) -> Self {
        Self { path, text, found: Vec::new() }
    }

    /// Records a problem at a place in the text.
    pub(crate) fn at(&mut self, span: Range<usize>, text: impl Into<String>) {
        let line = Some(self.line_of(span.start));
        self.found.push(Problem { path: self.path.clone(), line, text: text.into() });
    }

    /// Records a problem without a place, such as a missing setting.
    pub(crate) fn missing(&mut self, text: impl Into<String>) {
        self.found.push(Problem { path: self.path.clone(), line: None, text: text.into() });
    }

    /// Records that the text is not TOML, or has unknown fields or wrong types.
    pub(crate) fn shape(&mut self, error: &toml::de::Error) {
        let message = error.message().replace('\n', ", ");
        match error.span() {
            Some(span) => {
                let line = self.text.lines().nth(self.line_of(span.start) - 1).unwrap_or_default().trim();
                let quoted: String = line.chars().take(80).collect();
                self.at(span, format!("`{quoted}`: {message}"));
            }
            None => self.missing(message),
        }
    }

    pub(crate) fn into_result<T>(mut self, value: Option<T>) -> Result<T, ConfigError> {
        self.found.sort_by_key(|problem| problem.line);
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => Err(ConfigError::Wrong(self.found)),
        }
    }

    fn line_of(&self, offset: usize) -> usize {
        self.text.as_bytes()[..offset.min(self.text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
    }
}
