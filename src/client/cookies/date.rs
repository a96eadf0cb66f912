//! Reads the dates of `Expires` the way user agents do (RFC 6265bis §5.1.1): by pieces, in any order.

/// Seconds since 1970 of a date as servers write it; `None` if it is no date.
pub(super) fn parse(text: &[u8]) -> Option<i64> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(|byte| is_delimiter(*byte)).filter(|token| !token.is_empty()) {
        if time.is_none() && fill(&mut time, time_of_day(token)) {
            continue;
        }
        if day.is_none() && fill(&mut day, number(token, 1..=2)) {
            continue;
        }
        if month.is_none() && fill(&mut month, month_number(token)) {
            continue;
        }
        if year.is_none() {
            fill(&mut year, number(token, 2..=4));
        }
    }
    let ((hour, minute, second), year) = (time?, full_year(year?));
    seconds(year, month?, day?, hour * 3600 + minute * 60 + second)
}

fn fill<T>(slot: &mut Option<T>, found: Option<T>) -> bool {
    *slot = found;
    slot.is_some()
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'\t' | 0x20..=0x2f | 0x3b..=0x40 | 0x5b..=0x60 | 0x7b..=0x7e)
}

/// So many digits, and then no further one.
fn number(token: &[u8], lengths: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let digits = token.iter().take_while(|byte| byte.is_ascii_digit()).count();
    lengths.contains(&digits).then(|| {
        token[..digits].iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
    })
}

/// `hh:mm:ss`, of one or two digits each; anything but a digit may follow.
fn time_of_day(token: &[u8]) -> Option<(i64, i64, i64)> {
    let mut parts = token.splitn(3, |byte| *byte == b':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = |part: &[u8]| part.len() <= 2 && part.iter().all(u8::is_ascii_digit);
    if !whole(hour) || !whole(minute) {
        return None;
    }
    let time = (number(hour, 1..=2)?, number(minute, 1..=2)?, number(second, 1..=2)?);
    (time.0 <= 23 && time.1 <= 59 && time.2 <= 59).then_some(time)
}

fn month_number(token: &[u8]) -> Option<i64> {
    const MONTHS: [&[u8]; 12] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov",
        b"dec",
    ];
    let name = token.get(..3)?;
    let month = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))?;
    i64::try_from(month + 1).ok()
}

fn full_year(year: i64) -> i64 {
    match year {
        70..=99 => year + 1900,
        0..=69 => year + 2000,
        _ => year,
    }
}

fn seconds(year: i64, month: i64, day: i64, second: i64) -> Option<i64> {
    if year < 1601 || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    // Days since 1970-03-01 in years that begin in March, so that the leap day is the last of its year.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1;
    const DAYS_TO_1970: i64 = 719_468;
    Some((days - DAYS_TO_1970) * 86_400 + second)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_every_form_that_servers_write() {
        let table = [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
            ("Sun Nov  6 08:49:37 1994", 784_111_777),
            ("Sun Nov  6 08:49:37 1994 GMT", 784_111_777),
            ("06 Nov 1994 08:49:37", 784_111_777),
            ("1994 06 nOV 08:49:37", 784_111_777),
            ("06/November/1994 8:49:37", 784_111_777),
            ("8:49:37x 6th Novel 94", 784_111_777),
            ("Wed, 29 Feb 2012 00:00:00 GMT", 1_330_473_600),
            ("Mon, 10-Dec-2007 17:02:24 GMT", 1_197_306_144),
            ("Thu Apr 18 22:50:12 2007 GMT", 1_176_936_612),
            ("Tue, 19 Jan 2038 03:14:07 UTC", 2_147_483_647),
            ("1-jan-69 0:0:0", 3_124_224_000),
            ("1-jan-70 0:0:0", 0),
            ("Mon, 01 Jan 1601 00:00:00 GMT", -11_644_473_600),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
            ("Sat, 15-Apr-17 21:01:22 GMT", 1_492_290_082),
            ("Thu, 19-Apr-2007 16:00:00 GMT;", 1_176_998_400),
            ("Wed, 3 Jan 2007 08:00:01 PST", 1_167_811_201),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text.as_bytes()), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_lacks_a_piece_or_cannot_be_is_no_date() {
        let table = [
            "",
            "0",
            "-1",
            "Thu, 01 Jan 1970",
            "01 Jan 00:00:00 GMT",
            "Jan 1970 00:00:00",
            "01 1970 00:00:00",
            "Wed, 31 Feb 2010 00:00:00 GMT",
            "Wed, 29 Feb 2011 00:00:00 GMT",
            "Wed, 29 Feb 1900 00:00:00 GMT",
            "32 Jan 2010 00:00:00",
            "0 Jan 2010 00:00:00",
            "1 Jan 2010 24:00:00",
            "1 Jan 2010 00:60:00",
            "1 Jan 2010 00:00:60",
            "1 Jan 2010 00:00",
            "1 Jan 1600 00:00:00",
            "1 Jan 20100 00:00:00",
            "1 Jan 2010 000:00:00",
            "\u{1}",
        ];
        for text in table {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(text: Vec<u8>) {
            parse(&text);
        }

        /// Against counting days one by one.
        #[test]
        fn a_date_has_as_many_seconds_as_days_before_it(year in 1601i64..2400, month in 1i64..13, day in 1i64..32) {
            let count = |from: i64, to: i64| -> i64 {
                (from..to).map(|year| (1..13).map(|month| days_of(year, month)).sum::<i64>()).sum()
            };
            let years = if year >= 1970 { count(1970, year) } else { -count(year, 1970) };
            let months: i64 = (1..month).map(|month| days_of(year, month)).sum();
            let expected = (day <= days_of(year, month)).then(|| (years + months + day - 1) * 86_400 + 7);
            proptest::prop_assert_eq!(seconds(year, month, day, 7), expected);
        }
    }
}
