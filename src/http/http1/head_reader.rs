//! Reads heads of what has come, one after the other: those of 1xx, and the last.

use http::HeaderMap;

use super::{
    config::HeadLimits,
    failure::Http1Failure,
    head::{self, Head, HeadRoom},
    wire::Wire,
};
use crate::http::prepare::RequestKind;

/// How far the heads of one exchange have come.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    /// Bytes of 1xx heads, and of empty lines before a head.
    passed: usize,
    /// Bytes of a head that are known to be no complete one.
    incomplete: usize,
}

impl HeadReader {
    /// The next head, if it is complete. It takes the room of `recycled`, which is cleared once anything has come.
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
        self.passed += head.length - head.body.as_ref().map_or(0, bytes::Bytes::len);
        if self.passed > limits.size {
            return Err(too_long());
        }
        wire.consume(head.length);
        Ok(Some(head))
    }
}

/// Whether `bytes` may hold a complete head, of which the first `seen` are known to hold none: a head that comes byte by
/// byte is not parsed once for each.
fn may_be_complete(bytes: &[u8], seen: usize) -> bool {
    if seen == 0 {
        return true;
    }
    let new = &bytes[seen.saturating_sub(2)..];
    new.windows(2).any(|two| two == b"\n\n" || two == b"\n\r")
}

/// Bytes of the empty lines before a head, which are passed over (RFC 9112 §2.2). The parser would pass them over anew with each
/// that comes.
fn blank_lines(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let [b'\n', after @ ..] | [b'\r', b'\n', after @ ..] = rest {
        rest = after;
    }
    bytes.len() - rest.len()
}
