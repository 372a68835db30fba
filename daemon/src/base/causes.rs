//! An error with its causes, in words.
//!
//! Many errors repeat the text of their cause. What was said before is not said again.

use std::error::Error;

/// An error and its causes, outermost first.
pub fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// `first`, then the text of each error that adds something to what stands before it.
pub fn told<'e>(first: String, errors: impl Iterator<Item = &'e (dyn Error + 'static)>) -> Vec<String> {
    let mut told = vec![first];
    for text in errors.map(ToString::to_string) {
        if !told.iter().any(|before| before.contains(&text)) {
            told.push(text);
        }
    }
    told
}

/// An error with its causes, in one line.
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    told(error.to_string(), causes(error).skip(1)).join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Example {
        #[error("cannot start")]
        Silent(#[source] Box<Example>),
        #[error("cannot read a.toml: {0}")]
        Telling(#[source] Box<Example>),
        #[error("disk on fire")]
        Disk,
    }

    #[test]
    fn every_cause_is_told_once() {
        let telling = || Box::new(Example::Telling(Box::new(Example::Disk)));
        assert_eq!(one_line(&Example::Disk), "disk on fire");
        assert_eq!(one_line(&Example::Silent(Box::new(Example::Disk))), "cannot start: disk on fire");
        assert_eq!(one_line(&*telling()), "cannot read a.toml: disk on fire");
        let deep = Example::Silent(telling());
        assert_eq!(one_line(&deep), "cannot start: cannot read a.toml: disk on fire");
        assert_eq!(causes(&deep).count(), 3);
    }

    #[test]
    fn a_cause_that_the_first_words_hold_is_not_told() {
        let deep = Example::Silent(Box::new(Example::Disk));
        let told = told("the disk on fire stops it".to_owned(), causes(&deep));
        assert_eq!(told, ["the disk on fire stops it", "cannot start"]);
    }
}
