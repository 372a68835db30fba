//! Times and spans in tables. JSON does not use this: there a time is an RFC 3339 string.

use jiff::{SignedDuration, Timestamp};

use super::Output;

impl Output {
    /// "3 min ago", "in 2 d"; "now" within a second.
    pub fn relative(&self, moment: Timestamp) -> String {
        let since = self.now.duration_since(moment);
        let length = span(since);
        match since.as_secs() {
            0 => "now".to_owned(),
            1.. => format!("{length} ago"),
            _ => format!("in {length}"),
        }
    }

    /// Like [`Self::relative`], with a dash if there is no time.
    pub fn relative_or_dash(&self, moment: Option<Timestamp>) -> String {
        moment.map_or_else(|| "-".to_owned(), |moment| self.relative(moment))
    }

    /// Date and time to the second, in the operator's zone: `2026-03-01 12:00:33`.
    pub fn clock(&self, moment: Timestamp) -> String {
        moment.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// Date and time to the second with the zone's name, for text that is also read elsewhere: `2026-03-01 12:00:33 WIB`.
    pub fn clock_and_zone(&self, moment: Timestamp) -> String {
        moment.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
    }

    /// Date and time to the minute, in the operator's zone: `2026-03-01 12:00`.
    pub fn minute(&self, moment: Timestamp) -> String {
        moment.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
    }
}

/// The length of a span in its largest suitable unit, without sign: `34 s`, `5 min`, `2 h`, `90 d`.
pub fn span(length: SignedDuration) -> String {
    let seconds = length.as_secs().unsigned_abs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_its_largest_suitable_unit() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().expect("a time");
        let output = Output::fixed(now);
        for (seconds, told) in [
            (0, "now"),
            (34, "34 s ago"),
            (119, "119 s ago"),
            (180, "3 min ago"),
            (7_200, "2 h ago"),
            (90 * 86_400, "90 d ago"),
            (-34, "in 34 s"),
            (-3 * 86_400, "in 3 d"),
        ] {
            assert_eq!(output.relative(now - SignedDuration::from_secs(seconds)), told);
        }
    }
}
