//! Moments in Unix seconds. The core has no clock: a shell reads one and passes it in.

use core::fmt;

use crate::prelude::*;

/// Seconds since 1970-01-01T00:00:00Z, as caveats and invoices count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// This moment, `seconds` later; stops at the end of time instead of wrapping.
    #[must_use]
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Whole seconds from `self` until `later`; 0 when that has passed.
    #[must_use]
    pub const fn until(self, later: Self) -> u64 {
        later.0.saturating_sub(self.0)
    }

    /// Reads decimal seconds: digits only, no sign, space, fraction or leading zero (T14).
    #[must_use]
    pub fn from_decimal(text: &str) -> Option<Self> {
        let canonical = text == "0" || !text.starts_with('0');
        (canonical && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| text.parse().ok())
            .flatten()
            .map(Self)
    }

    /// Reads `2026-11-21T09:30:00Z`, the only RFC 3339 form this crate writes.
    ///
    /// ```
    /// use l402::UnixTime;
    /// assert_eq!(UnixTime::from_rfc3339("1970-01-02T00:00:01Z"), Some(UnixTime(86_401)));
    /// assert_eq!(UnixTime::from_rfc3339("yesterday"), None);
    /// ```
    #[must_use]
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let b = text.as_bytes();
        let shape = b.len() == 20
            && b.iter().enumerate().all(|(i, c)| match i {
                4 | 7 => *c == b'-',
                10 => *c == b'T',
                13 | 16 => *c == b':',
                19 => *c == b'Z',
                _ => c.is_ascii_digit(),
            });
        if !shape {
            return None;
        }
        let n = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
        let (year, month, day) = (n(0, 4)?, n(5, 7)?, n(8, 10)?);
        let (hour, minute, second) = (n(11, 13)?, n(14, 16)?, n(17, 19)?);
        if year < 1970 || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let days = days_before(year, month, day)?;
        let time = Self(days * 86_400 + hour * 3_600 + minute * 60 + second);
        (time.to_string() == text).then_some(time)
    }
}

/// RFC 3339 in UTC with whole seconds: `2026-11-21T09:30:00Z`.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0 / 86_400, self.0 % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// The civil date of a day count: Howard Hinnant's `civil_from_days`, for days since 1970 only.
const fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + (month <= 2) as u64, month, day)
}

/// Days from 1970-01-01 to a date; `None` for a month or day no calendar has.
fn days_before(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let y = if month <= 2 { year - 1 } else { year };
    let (era, yoe) = (y / 400, y % 400);
    let mp = (month + 9) % 12;
    let doy = (153 * mp + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    (era * 146_097 + doe).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip_and_match_known_days() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_900_000_000, "2030-03-17T17:46:40Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(UnixTime(seconds).to_string(), text);
            assert_eq!(UnixTime::from_rfc3339(text), Some(UnixTime(seconds)));
        }
    }

    #[test]
    fn a_date_that_no_calendar_has_is_refused() {
        for text in
            ["2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00+00:00", ""]
        {
            assert_eq!(UnixTime::from_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn decimal_seconds_are_strict() {
        assert_eq!(UnixTime::from_decimal("1900000000"), Some(UnixTime(1_900_000_000)));
        for text in ["", "-1", "+1", " 1", "1.0", "1e9", "01", "99999999999999999999"] {
            assert_eq!(UnixTime::from_decimal(text), None, "{text}");
        }
    }
}
