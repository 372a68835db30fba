//! The time of the model: a few moments that matter to an offer, and what each agency's clock shows at them.
//!
//! An offer's `answer_by` is the end of a day of the model. The first moment is the beginning. Then each day has two moments. One minute
//! after its end, slow clocks show a time before the end and fast clocks a time after it, and the margin has passed for no agency. One hour
//! after its end, the margin has passed for all.

use super::members::Agency;

/// When the model begins: 2025-11-24T16:00:00Z, in milliseconds since 1970.
const START: u64 = 1_764_000_000_000;
const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;
/// Longer than the difference of two clocks. An offer that is made later than this before the end of a day gets the end of the next day.
const SOON: u64 = 30 * MINUTE;

/// One moment; the first is 0.
pub type Moment = u8;

/// The time that an agency's clock shows at a moment, milliseconds since 1970.
pub fn shown(moment: Moment, agency: Agency) -> u64 {
    let days = u64::from(moment).div_ceil(2);
    let after_its_end = match moment {
        0 => 0,
        odd if odd % 2 == 1 => MINUTE,
        _ => 60 * MINUTE,
    };
    (START + days * DAY + after_its_end).saturating_add_signed(agency.minutes_ahead() * 60_000)
}

/// The `answer_by` of an offer that is made at a clock time: the end of the day, or of the next day if this one ends soon.
pub fn answer_by(clock: u64) -> u64 {
    START + ((clock + SOON).saturating_sub(START) / DAY + 1) * DAY
}

#[cfg(test)]
mod tests {
    use sinergi_proto::base::limits::{ANSWER_MARGIN, CLOCK_AHEAD};

    use super::*;

    #[test]
    fn just_after_answer_by_a_slow_clock_may_answer_and_a_fast_one_must_wait_for_the_margin() {
        let margin = u64::try_from(ANSWER_MARGIN.as_millis()).expect("minutes");
        for agency in Agency::ALL {
            let until = answer_by(shown(0, agency));
            assert!(shown(1, Agency::Ministry) < until && until < shown(1, Agency::City));
            assert!(shown(1, agency) < until + margin && until + margin < shown(2, agency));
            assert_eq!(answer_by(shown(1, agency)), until + DAY);
            assert_eq!(answer_by(shown(2, agency)), until + DAY);
        }
    }

    #[test]
    fn no_clock_is_ahead_of_another_by_more_than_a_receiver_allows() {
        let ahead = u64::try_from(CLOCK_AHEAD.as_millis()).expect("minutes");
        let shown = Agency::ALL.map(|agency| shown(0, agency));
        assert!(shown.iter().max().expect("four") - shown.iter().min().expect("four") < ahead);
    }
}
