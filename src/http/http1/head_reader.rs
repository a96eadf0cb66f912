//! Reads the heads of an exchange from the received bytes: 1xx heads and the final one.

use http::HeaderMap;

use super::{
    config::HeadLimits,
    failure::Http1Failure,
    head::{self, Head, HeadRoom},
    wire::Wire,
};
use crate::http::prepare::RequestKind;

/// The progress over the heads of one exchange.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    /// Bytes of 1xx heads, and of empty lines before a head.
    passed: usize,
    /// Received bytes that hold no complete head.
    incomplete: usize,
}

impl HeadReader {
    /// The next head, if complete. Reuses the map of `recycled`, which is cleared once anything was received.
    pub(super) fn read(
        &mut self,
        wire: &mut Wire,
        limits: HeadLimits,
        kind: RequestKind,
        recycled: &mut HeaderMap,
    ) -> Result<Option<Head>, Http1Failure> {
        let blank = blank_lines(wire.unread());
        if blank > 0 {
            wire.consume(blank);
            (self.passed, self.incomplete) = (self.passed + blank, 0);
        }
        let (bytes, copies) = wire.unread_to_copy();
        let available = bytes.len();
        if available == 0 && self.passed <= limits.size {
            return Ok(None);
        }
        let is_alone = self.passed == 0;
        let too_long = || Http1Failure::HeadTooLong { is_alone };
        let head = match may_be_complete(bytes, self.incomplete) {
            true => {
                recycled.clear();
                let room = HeadRoom { headers: recycled, copies };
                head::parse(bytes, kind, limits, room).map_err(Http1Failure::Malformed)?
            }
            false => None,
        };
        let Some(head) = head else {
            self.incomplete = available;
            return if self.passed + available > limits.size { Err(too_long()) } else { Ok(None) };
        };
        self.incomplete = 0;
        // `length` includes a short body, which the limit on heads does not count.
        self.passed += head.length - head.body.as_ref().map_or(0, bytes::Bytes::len);
        if self.passed > limits.size {
            return Err(too_long());
        }
        wire.consume(head.length);
        Ok(Some(head))
    }
}

/// Whether `bytes` may hold a complete head, if the first `seen` hold none. Prevents a parse for each byte of a slow head.
fn may_be_complete(bytes: &[u8], seen: usize) -> bool {
    if seen == 0 {
        return true;
    }
    // The end of a head may straddle the old and the new bytes.
    let new = &bytes[seen.saturating_sub(2)..];
    new.windows(2).any(|two| two == b"\n\n" || two == b"\n\r")
}

/// Length of the empty lines before a head, which are skipped (RFC 9112 §2.2). The parser would rescan them for each new
/// byte.
fn blank_lines(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let [b'\n', after @ ..] | [b'\r', b'\n', after @ ..] = rest {
        rest = after;
    }
    bytes.len() - rest.len()
}
