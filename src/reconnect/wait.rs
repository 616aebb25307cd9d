//! How long to wait, also as a response requests it ([RFC 9110 §10.2.3]).
//!
//! [RFC 9110 §10.2.3]: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3

use alloc::vec::Vec;
use core::time::Duration;

use crate::handshake::Headers;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// How long to wait before another attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wait {
    /// The next delay of the sequence.
    #[default]
    Backoff,
    /// The next delay of the sequence, added to this duration, as `Retry-After` requests ([RFC 9110 §10.2.3]).
    ///
    /// [RFC 9110 §10.2.3]: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
    AtLeast(Duration),
    /// A random delay from 5 s to 30 s, or the next delay of the sequence if that is longer, as close code 1012
    /// (service restart) requests.
    Restart,
    /// The longest delay of the sequence, at once. Close code 1013 (try again later) asks clients to leave an
    /// overloaded service alone until a user wants to connect, or to use another address of it.
    Longest,
}

impl Wait {
    /// Returns the wait that `Retry-After` requests, in seconds or with a date. An invalid value counts as no field.
    ///
    /// There is no clock here: a date is compared with the `Date` of the same response, which also removes the error of
    /// the client's clock. Without a `Date`, the server is left alone for the longest delay.
    pub(super) fn requested_by(headers: &Headers) -> Self {
        let Some(value) = headers.get("retry-after") else {
            return Self::Backoff;
        };
        if let Some(seconds) = number(value) {
            return Self::AtLeast(Duration::from_secs(seconds));
        }
        let Some(date) = seconds_since_1970(value) else {
            return Self::Backoff;
        };
        match headers.get("date").and_then(seconds_since_1970) {
            Some(now) => Self::AtLeast(Duration::from_secs(date.saturating_sub(now))),
            None => Self::Longest,
        }
    }
}

/// Parses decimal digits. A number that is too large counts as the largest.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// Parses a date in one of the three formats of [RFC 9110 §5.6.7], all of which recipients must accept. The day of the
/// week is ignored.
///
/// [RFC 9110 §5.6.7]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7
fn seconds_since_1970(date: &str) -> Option<u64> {
    let words: Vec<_> = date
        .split([' ', ',', '-'])
        .filter(|word| !word.is_empty())
        .take(7)
        .collect();
    let (day, month, year, time) = match words[..] {
        // Sun, 06 Nov 1994 08:49:37 GMT, or Sunday, 06-Nov-94 08:49:37 GMT
        [_, day, month, year, time, "GMT"] => (day, month, year, time),
        // Sun Nov  6 08:49:37 1994
        [_, month, day, time, year] => (day, month, year, time),
        _ => return None,
    };
    let month = MONTHS.iter().position(|&name| name == month)? as u64 + 1;
    let day = number(day).filter(|day| (1..=31).contains(day))?;
    let year = match (year.len(), number(year)?) {
        (2, year @ 0..70) => 2000 + year,
        (2, year) => 1900 + year,
        (4, year @ 1970..) => year,
        _ => return None,
    };
    let mut parts = time.split(':').map(number);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    // A leap second is 60.
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Returns the number of days from 1 January 1970 to a date of the Gregorian calendar, which is not earlier.
const fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    // From 1 March of the year 0.
    let days = year * 365 + leap_days + (153 * month + 2) / 5 + day - 1;
    days - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CL-30: dates in each format, and what is none.
    #[test]
    fn dates_of_all_three_formats() {
        for (date, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Fri, 31 Dec 1999 23:59:59 GMT", Some(946_684_799)),
            ("Tue, 29 Feb 2000 12:00:00 GMT", Some(951_825_600)),
            ("Wed, 01 Mar 2000 00:00:00 GMT", Some(951_868_800)),
            ("Sat, 31 Dec 2016 23:59:60 GMT", Some(1_483_228_800)),
            ("Friday, 01-Jan-38 00:00:00 GMT", Some(2_145_916_800)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799)),
            ("Sun, 06 Nov 1994 08:49:37", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 06 Nov 1994 08:49:37 GMT GMT", None),
            ("Sun, 06 nov 1994 08:49:37 GMT", None),
            ("Sun, 00 Nov 1994 08:49:37 GMT", None),
            ("Sun, 32 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1969 08:49:37 GMT", None),
            ("Sun, 06 Nov 94000 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 24:00:00 GMT", None),
            ("Sun, 06 Nov 1994 08:60:00 GMT", None),
            ("Sun, 06 Nov 1994 08:49:61 GMT", None),
            ("Sun, 06 Nov 1994 08:49 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37:01 GMT", None),
            ("Sun, 06 Nov 1994 99999999999999999999:49:37 GMT", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(seconds_since_1970(date), expected, "{date}");
        }
    }

    #[test]
    fn days_follow_one_another() {
        let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut days = 0;
        for year in 1970..2110 {
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            for (month, length) in (1..).zip(lengths) {
                for day in 1..=length + u64::from(is_leap && month == 2) {
                    assert_eq!(days_since_1970(year, month, day), days, "{year}-{month}-{day}");
                    days += 1;
                }
            }
        }
    }
}
