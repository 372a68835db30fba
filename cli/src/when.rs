//! Times as an operator types them: RFC 3339, a date in the operator's time zone, or a span from now.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Zoned};
use sinergi_proto::base::limits;

/// The reason why a text is not a usable time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WhenError {
    /// The text is neither RFC 3339 nor a date.
    #[error("{0:?} is no time: write RFC 3339, as in \"2026-03-01T14:05:00+07:00\", or a date, as in \"2026-03-01\"")]
    NotATime(String),
    /// The text is no span.
    #[error("{0:?} is no span of time: write for example \"3d\", \"36h\" or \"1w 2d\"")]
    NotASpan(String),
    /// The deadline of an offer has passed already, or is too far away.
    #[error("answer-by {given} must be after now and at most {} days ahead", limits::ANSWER_BY_MAX.as_secs() / 86_400)]
    OutOfRange {
        /// The given deadline.
        given: Timestamp,
    },
}

/// A time as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// An exact time, with the offset that was written.
    Exact(Zoned),
    /// A whole day.
    Day(Date),
}

impl std::str::FromStr for Moment {
    type Err = WhenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || WhenError::NotATime(text.chars().take(80).collect());
        let text = text.trim();
        if text.len() == "2026-03-01".len() {
            return text.parse().map(Self::Day).map_err(|_| error());
        }
        let timestamp: Timestamp = text.parse().map_err(|_| error())?;
        let offset = jiff::fmt::temporal::Pieces::parse(text)
            .ok()
            .and_then(|pieces| pieces.to_numeric_offset())
            .unwrap_or(jiff::tz::Offset::UTC);
        Ok(Self::Exact(timestamp.to_zoned(TimeZone::fixed(offset))))
    }
}

impl Moment {
    /// The exact time, or the first instant of the day in `zone`.
    pub fn start(&self, zone: &TimeZone) -> Result<Zoned, WhenError> {
        match self {
            Self::Exact(time) => Ok(time.clone()),
            Self::Day(day) => day.to_zoned(zone.clone()).map_err(|_| WhenError::NotATime(day.to_string())),
        }
    }

    /// The exact time, or the last second of the day in `zone`.
    pub fn end(&self, zone: &TimeZone) -> Result<Zoned, WhenError> {
        match self {
            Self::Exact(time) => Ok(time.clone()),
            Self::Day(day) => day
                .tomorrow()
                .and_then(|next| next.to_zoned(zone.clone()))
                .and_then(|midnight| midnight.checked_sub(1.second()))
                .map_err(|_| WhenError::NotATime(day.to_string())),
        }
    }
}

/// A span as typed: `3d`, `36h`, `1w 2d`.
pub fn span(text: &str) -> Result<Span, WhenError> {
    text.trim().parse().map_err(|_| WhenError::NotASpan(text.chars().take(80).collect()))
}

/// The end of a span that starts now. Days are calendar days of `zone`.
pub fn after(now: Timestamp, span: Span, zone: &TimeZone) -> Result<Timestamp, WhenError> {
    let end = now.to_zoned(zone.clone()).checked_add(span).map_err(|_| WhenError::NotASpan(span.to_string()))?;
    Ok(end.timestamp())
}

/// An offer's `answer_by` in milliseconds since 1970, if the protocol allows it.
pub fn answer_by(now: Timestamp, end: Timestamp) -> Result<u64, WhenError> {
    let ahead = end.duration_since(now);
    let within = ahead.is_positive() && ahead.unsigned_abs() <= limits::ANSWER_BY_MAX;
    within.then(|| milliseconds(end)).ok_or(WhenError::OutOfRange { given: end })
}

/// Milliseconds since 1970 on the wire; a time before 1970 is 0.
pub fn milliseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or(0)
}

/// RFC 3339 with the time's own offset, to the second.
pub fn rfc3339(time: &Zoned) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jakarta() -> TimeZone {
        TimeZone::get("Asia/Jakarta").expect("the zone data is built in")
    }

    #[test]
    fn an_exact_time_keeps_its_offset() {
        let moment: Moment = "2026-03-01T14:05:00+07:00".parse().expect("a time");
        let time = moment.start(&TimeZone::UTC).expect("a time");
        assert_eq!(rfc3339(&time), "2026-03-01T14:05:00+07:00");
        let utc: Moment = "2026-03-01T14:05:00Z".parse().expect("a time");
        assert_eq!(rfc3339(&utc.start(&jakarta()).expect("a time")), "2026-03-01T14:05:00+00:00");
    }

    #[test]
    fn a_date_starts_and_ends_in_the_operator_s_zone() {
        let day: Moment = "2026-03-01".parse().expect("a date");
        assert_eq!(rfc3339(&day.start(&jakarta()).expect("a time")), "2026-03-01T00:00:00+07:00");
        assert_eq!(rfc3339(&day.end(&jakarta()).expect("a time")), "2026-03-01T23:59:59+07:00");
    }

    #[test]
    fn the_error_for_a_bad_time_quotes_it_and_names_the_accepted_forms() {
        for bad in [
            "",
            "tomorrow",
            "2026-02-30",
            "2026-03-01 25:00",
            "2026-03-01T14:05:00",
            "01/03/2026",
            "2026-13-01T00:00:00Z",
        ] {
            let error = bad.parse::<Moment>().expect_err(bad).to_string();
            assert!(error.contains("RFC 3339") && error.contains(&format!("{bad:?}")), "{error}");
        }
    }

    #[test]
    fn a_span_starts_now() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().expect("a time");
        for (text, end) in
            [("3d", "2026-03-04T12:00:00Z"), ("36h", "2026-03-03T00:00:00Z"), ("1w 2d", "2026-03-10T12:00:00Z")]
        {
            let after = after(now, span(text).expect(text), &TimeZone::UTC).expect(text);
            assert_eq!(after.to_string(), end);
        }
        assert!(span("soon").is_err());
    }

    #[test]
    fn an_offer_must_end_after_now_and_within_its_bound() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().expect("a time");
        assert!(answer_by(now, now).is_err());
        assert!(answer_by(now, now + jiff::SignedDuration::from_hours(24 * 366)).is_ok());
        assert!(answer_by(now, now + jiff::SignedDuration::from_hours(24 * 367)).is_err());
    }
}
