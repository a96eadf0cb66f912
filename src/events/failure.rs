//! Formats a failure for a log: all causes in one line, and the phase it failed in.

use std::{error::Error as StdError, fmt};

use crate::error::{Error, Phase};

/// An error with all its causes, in one line.
pub(super) struct Chain<'a>(pub(super) &'a Error);

/// The phase in which a request failed, named as in [`Phase`]; `build` before it waited for anything.
pub(super) fn phase(error: &Error) -> &'static str {
    match error.timeout_phase() {
        Some(Phase::Pool) => "pool",
        Some(Phase::Connect) => "connect",
        Some(Phase::Read) => "read",
        Some(Phase::Write) => "write",
        Some(Phase::Total) => "total",
        None if error.is_builder() || error.is_unsupported() => "build",
        None if error.is_connect() => "connect",
        None if error.is_body() => "write",
        None if error.was_sent() => "read",
        None if error.is_queue_full() || error.is_closed() || error.is_canceled() => "pool",
        None => "write",
    }
}

impl fmt::Display for Chain<'_> {
    /// Skips a cause whose text the error above it repeats.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut above = self.0.to_string();
        f.write_str(&above)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !above.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            above = text;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn all_causes_are_shown_and_none_twice() {
        let refused = std::io::Error::other(std::io::Error::other("refused"));
        let error = Error::new(Kind::Connect, "connecting to a:80").because(refused);
        let error = error.during("waiting for a connection to a:80");
        let expected = "waiting for a connection to a:80: connecting to a:80: refused";
        assert_eq!(Chain(&error).to_string(), expected);
    }

    #[test]
    fn the_phase_of_a_failure_is_that_of_its_timeout_or_follows_from_its_kind() {
        let timed_out = |phase| Error::new(Kind::Timeout(phase), "asking");
        let of = |kind| Error::new(kind, "asking");
        let table = [
            (timed_out(Phase::Pool), "pool"),
            (timed_out(Phase::Connect), "connect"),
            (timed_out(Phase::Read), "read"),
            (timed_out(Phase::Write), "write"),
            (timed_out(Phase::Total), "total"),
            (of(Kind::Builder), "build"),
            (of(Kind::Unsupported), "build"),
            (of(Kind::Dns), "connect"),
            (of(Kind::Tls), "connect"),
            (of(Kind::Body).sent(true), "write"),
            (of(Kind::Io).sent(true), "read"),
            (of(Kind::Canceled).sent(true), "read"),
            (of(Kind::QueueFull), "pool"),
            (of(Kind::Closed), "pool"),
            (of(Kind::Canceled), "pool"),
            (of(Kind::Io), "write"),
        ];
        for (error, expected) in table {
            assert_eq!(phase(&error), expected, "{error:?}");
        }
    }
}
