//! The kinds of errors, and the phases of timeouts.

use std::time::Duration;

/// The kind of an [`Error`](super::Error): what [`Error::kind`](super::Error::kind) returns and
/// [`Error::custom`](super::Error::custom) takes.
///
/// Each kind has a predicate of its name on [`Error`](super::Error). An error has one kind, but more than one predicate may
/// hold: [`is_connect`](super::Error::is_connect) also holds for `Dns`, for example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The request or the configuration is not valid.
    Builder,
    /// A host name could not be resolved.
    Dns,
    /// The peer could not be reached.
    Connect,
    /// TLS failed, or a certificate was refused.
    Tls,
    /// A timeout of this phase passed.
    Timeout(Phase),
    /// Reading or writing a connection failed, or the peer closed it.
    Io,
    /// The peer violated its protocol.
    Protocol,
    /// The body of the request failed.
    Body,
    /// The peer does not support what the request asks for.
    Unsupported,
    /// The work ended before its result: its runtime or its task ended, or its connection was closed before the request
    /// began.
    Canceled,
    /// The transport was closed.
    Closed,
    /// Too many requests are waiting.
    QueueFull,
    /// A redirect could not be followed.
    Redirect,
    /// A response with a status of 4xx or 5xx was made an error.
    Status,
    /// The body of a response could not be decoded, or is larger than allowed.
    Decode,
    /// The content of a body does not parse as expected.
    Data,
    /// Any other error, of a layer, service or body that is not of this crate.
    Other,
}

/// The phase of a timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Waiting for a connection of the pool, or a free stream on one.
    Pool,
    /// Making a new connection: DNS, TCP, proxies, TLS and the HTTP handshake together.
    Connect,
    /// Waiting for a peer that has the request to send its response.
    Read,
    /// Waiting for a peer to accept the request.
    Write,
    /// The whole request, in any phase. Also the phase of a foreign layer's timeout.
    Total,
}

impl Phase {
    /// The name of the timeout in error texts.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::Connect => "connect",
            Self::Read => "read",
            Self::Write => "write",
            Self::Total => "total",
        }
    }
}

/// Formats a limit: `10 s`, `250 ms`, `1.5 s`.
pub(crate) fn limit_shown(limit: Duration) -> String {
    match limit {
        whole if whole.subsec_nanos() == 0 => format!("{} s", whole.as_secs()),
        short if short < Duration::from_secs(1) => format!("{} ms", short.as_micros() as f64 / 1e3),
        long => format!("{} s", long.as_millis() as f64 / 1e3),
    }
}

impl Kind {
    /// Whether this kind can only occur before anything of a request is sent.
    pub(super) fn is_before_sending(self) -> bool {
        match self {
            Self::Builder | Self::Dns | Self::Connect | Self::Unsupported | Self::QueueFull => true,
            Self::Timeout(phase) => matches!(phase, Phase::Pool | Phase::Connect),
            Self::Tls | Self::Io | Self::Protocol | Self::Body => false,
            Self::Canceled | Self::Closed | Self::Other => false,
            Self::Redirect | Self::Status | Self::Decode | Self::Data => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_reads_as_people_write_it() {
        let table =
            [(10_000_000, "10 s"), (250_000, "250 ms"), (1_500_000, "1.5 s"), (500, "0.5 ms")];
        for (microseconds, expected) in table {
            assert_eq!(limit_shown(Duration::from_micros(microseconds)), expected);
        }
    }
}
