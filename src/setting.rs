//! Checks the ranges of settings: an error names the setting, the value and the range.

use std::{fmt::Display, ops::RangeInclusive, time::Duration};

use crate::error::Error;

/// Checks that a value is in this range, both ends included.
pub(crate) fn in_range<T: PartialOrd + Display>(
    setting: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), Error> {
    let (least, most) = (range.start(), range.end());
    match range.contains(&value) {
        true => Ok(()),
        false => Err(refused(setting, value, format_args!("{least} to {most}"))),
    }
}

/// Checks that a value is not zero.
pub(crate) fn at_least_one(setting: &str, value: u64) -> Result<(), Error> {
    match value {
        0 => Err(refused(setting, value, "1 or more")),
        _ => Ok(()),
    }
}

/// Checks that a duration, if any, is longer than zero.
pub(crate) fn longer_than_zero(
    setting: &str,
    value: impl Into<Option<Duration>>,
) -> Result<(), Error> {
    match value.into() {
        Some(Duration::ZERO) => Err(refused(setting, "0 s", "longer than that")),
        _ => Ok(()),
    }
}

/// Checks that a duration, if any, is at most this.
#[cfg(feature = "_sockets")]
pub(crate) fn at_most(setting: &str, value: Option<Duration>, most: Duration) -> Result<(), Error> {
    match value {
        Some(value) if value > most => {
            let value = format_args!("{value:?}");
            Err(refused(setting, value, format_args!("at most {most:?}")))
        }
        _ => Ok(()),
    }
}

fn refused(setting: &str, value: impl Display, range: impl Display) -> Error {
    Error::builder(format!("the setting `{setting}` is {value}, but has to be {range}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(outcome: Result<(), Error>) -> String {
        outcome.map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn a_value_outside_of_its_range_is_named_with_its_setting_and_the_range() {
        let table = [
            (in_range("size", 1, 1..=9), "fine"),
            (in_range("size", 9, 1..=9), "fine"),
            (in_range("size", 0, 1..=9), "the setting `size` is 0, but has to be 1 to 9"),
            (in_range("size", 10, 1..=9), "the setting `size` is 10, but has to be 1 to 9"),
            (at_least_one("count", 1), "fine"),
            (at_least_one("count", 0), "the setting `count` is 0, but has to be 1 or more"),
            (longer_than_zero("wait", None), "fine"),
            (longer_than_zero("wait", Duration::from_nanos(1)), "fine"),
            (
                longer_than_zero("wait", Duration::ZERO),
                "the setting `wait` is 0 s, but has to be longer than that",
            ),
        ];
        for (outcome, expected) in table {
            assert_eq!(text(outcome), expected);
        }
    }
}
