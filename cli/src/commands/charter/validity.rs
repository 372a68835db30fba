//! The validity of a charter at a given time.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sinergi_proto::charter::Charter;

use crate::output::{Output, Tone};
use crate::view::moment;

/// The state of a charter's validity at a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Validity {
    /// The validity has not started.
    NotYet,
    /// The charter is valid.
    Valid,
    /// The validity has ended; nodes still work, and warn.
    Grace,
    /// The validity and the days of grace have ended.
    Ended,
}

impl Validity {
    /// The state at the time `now`.
    pub(super) fn at(charter: &Charter, now: Timestamp) -> Self {
        let (from, until) = (moment(charter.valid_from), moment(charter.valid_until));
        let grace = SignedDuration::from_hours(24 * i64::from(charter.grace_days));
        let end_of_grace = until.and_then(|until| until.checked_add(grace).ok());
        if from.is_some_and(|from| now < from) {
            Self::NotYet
        } else if until.is_none_or(|until| now < until) {
            Self::Valid
        } else if end_of_grace.is_none_or(|end| now < end) {
            Self::Grace
        } else {
            Self::Ended
        }
    }

    /// The problem in words, if there is one.
    pub(super) fn problem(self) -> Option<&'static str> {
        match self {
            Self::NotYet => Some("it is not valid yet"),
            Self::Ended => Some("its validity and its days of grace have ended"),
            Self::Valid | Self::Grace => None,
        }
    }
}

/// Validity in words: `2026-03-01 00:00 to 2028-02-29 00:00, ends in 364 d`.
pub(super) fn told(output: &Output, charter: &Charter) -> String {
    let minute = |millis| moment(millis).map_or_else(|| "1970".to_owned(), |time| output.minute(time));
    let relative = |millis| output.relative_or_dash(moment(millis));
    let validity = Validity::at(charter, output.now);
    let (tone, now) = match validity {
        Validity::NotYet => (Tone::Warning, format!("begins {}", relative(charter.valid_from))),
        Validity::Valid => (Tone::Good, format!("ends {}", relative(charter.valid_until))),
        Validity::Grace => (
            Tone::Warning,
            format!("ended {}, in its {} days of grace", relative(charter.valid_until), charter.grace_days),
        ),
        Validity::Ended => (Tone::Alarm, format!("ended {}", relative(charter.valid_until))),
    };
    format!("{} to {}, {}", minute(charter.valid_from), minute(charter.valid_until), output.paint(tone, &now))
}
