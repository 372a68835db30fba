//! An error and its causes, as text for people.
//!
//! Many errors repeat the text of their cause. Each text is shown once.

use std::error::Error;

/// The error and its causes, outermost first.
pub fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// `first`, then the text of each error in `errors`, without the texts that an earlier one contains.
pub fn without_repeats<'e>(first: String, errors: impl Iterator<Item = &'e (dyn Error + 'static)>) -> Vec<String> {
    let mut texts = vec![first];
    for text in errors.map(ToString::to_string) {
        if !texts.iter().any(|before| before.contains(&text)) {
            texts.push(text);
        }
    }
    texts
}

/// The error and its causes in one line, joined by ": ".
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    without_repeats(error.to_string(), causes(error).skip(1)).join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Example {
        #[error("cannot start")]
        HidesCause(#[source] Box<Example>),
        #[error("cannot read a.toml: {0}")]
        RepeatsCause(#[source] Box<Example>),
        #[error("disk on fire")]
        Disk,
    }

    #[test]
    fn every_cause_is_shown_once() {
        let repeats = || Box::new(Example::RepeatsCause(Box::new(Example::Disk)));
        assert_eq!(one_line(&Example::Disk), "disk on fire");
        assert_eq!(one_line(&Example::HidesCause(Box::new(Example::Disk))), "cannot start: disk on fire");
        assert_eq!(one_line(&*repeats()), "cannot read a.toml: disk on fire");
        let deep = Example::HidesCause(repeats());
        assert_eq!(one_line(&deep), "cannot start: cannot read a.toml: disk on fire");
        assert_eq!(causes(&deep).count(), 3);
    }

    #[test]
    fn a_cause_that_the_first_text_contains_is_left_out() {
        let deep = Example::HidesCause(Box::new(Example::Disk));
        let texts = without_repeats("the disk on fire stops it".to_owned(), causes(&deep));
        assert_eq!(texts, ["the disk on fire stops it", "cannot start"]);
    }
}
