//! The options of an offer for `complaint forward` and `complaint reassign`: addressee, reason and deadline.

use clap::Args;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use sinergi_proto::base::ids::AgencyId;

use crate::failure::Failure;
use crate::output::Output;
use crate::when::{self, Moment, WhenError};
use crate::words::ForwardReason;

/// An offer as it is typed.
#[derive(Args, Clone, Debug)]
pub struct OfferOptions {
    /// The agency that gets the offer
    #[arg(long, value_name = "AGENCY")]
    pub to: AgencyId,

    /// The reason for this agency
    #[arg(long, value_enum, value_name = "REASON", default_value = "competence")]
    pub reason: ForwardReason,

    /// The deadline for the answer: RFC 3339, or a date (its end) [default: as the node is configured]
    #[arg(long, value_name = "TIME", conflicts_with = "answer_within")]
    pub answer_by: Option<Moment>,

    /// The time for the answer: 3d, 36h, 1w
    #[arg(long, value_name = "SPAN", value_parser = when::span)]
    pub answer_within: Option<Span>,
}

impl OfferOptions {
    /// The deadline in milliseconds since 1970; 0 for the node's default.
    pub(super) fn answer_by(&self, output: &Output) -> Result<u64, Failure> {
        let chosen = self.chosen(output.now, &output.zone).map_err(|error| {
            Failure::usage(error.to_string())
                .help("leave it out to use the node's own default (forward.answer_by_hours)")
        })?;
        Ok(chosen.unwrap_or(0))
    }

    /// The deadline in milliseconds since 1970, if the operator chose one.
    fn chosen(&self, now: Timestamp, zone: &TimeZone) -> Result<Option<u64>, WhenError> {
        let end = match (&self.answer_by, self.answer_within) {
            (Some(moment), _) => moment.end(zone)?.timestamp(),
            (None, Some(span)) => when::after(now, span, zone)?,
            (None, None) => return Ok(None),
        };
        when::answer_by(now, end).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        offer: OfferOptions,
    }

    fn chosen(options: &str) -> Result<Option<u64>, WhenError> {
        let line = format!("forward --to kemendagri {options}");
        let offer = Line::try_parse_from(line.split_whitespace()).expect("parses").offer;
        let now = "2026-03-01T12:00:00Z".parse().expect("a time");
        offer.chosen(now, &TimeZone::get("Asia/Jakarta").expect("the zone data is built in"))
    }

    #[test]
    fn a_deadline_is_a_time_or_the_end_of_a_day_or_the_end_of_a_span() {
        let millis = |time: &str| Ok(Some(when::milliseconds(time.parse().expect("a time"))));
        assert_eq!(chosen(""), Ok(None));
        assert_eq!(chosen("--answer-by 2026-03-04T09:00:00+07:00"), millis("2026-03-04T02:00:00Z"));
        assert_eq!(chosen("--answer-by 2026-03-04"), millis("2026-03-04T16:59:59Z"));
        assert_eq!(chosen("--answer-within 3d"), millis("2026-03-04T12:00:00Z"));
    }

    #[test]
    fn an_offer_that_nobody_could_answer_is_wrong_usage() {
        assert!(matches!(chosen("--answer-by 2026-02-28"), Err(WhenError::OutOfRange { .. })));
        assert!(matches!(chosen("--answer-within 400d"), Err(WhenError::OutOfRange { .. })));
        for bad in
            ["--answer-by soon", "--answer-within soon", "--answer-within 3d --answer-by 2026-03-04", "--reason whim"]
        {
            let line = format!("forward --to kemendagri {bad}");
            assert_eq!(
                Line::try_parse_from(line.split_whitespace()).err().map(|error| error.exit_code()),
                Some(2),
                "{bad}"
            );
        }
    }
}
