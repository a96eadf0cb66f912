//! Pure: undoes the codings of a body, one or two, within a limit.

use super::codec::{Codec, DecodeFault};
use crate::error::{Error, Kind};

/// The bytes decoded at a time.
pub(super) const CHUNK: usize = 16 * 1024;

/// Limits the output of the first of two decoders: 32 bytes for each byte of the second's output, plus 1 MiB. A gzip member
/// with one byte needs 21; without this bound, empty members could keep both decoders busy for ever.
const MOST_PER_BYTE: u64 = 32;
const MOST_BESIDE: u64 = 1 << 20;

/// The decoders of one body. It takes coded bytes as they come and gives decoded ones as they are asked for.
pub(super) struct Pipeline {
    /// Of the coding that was applied last.
    first: Codec,
    second: Option<Box<Second>>,
    /// The bytes that may still come out of the last decoder.
    left: u64,
    limit: u64,
}

/// The decoder behind the first, and what that has put out for it.
struct Second {
    codec: Codec,
    bytes: [u8; CHUNK],
    /// The part of it that is not decoded yet.
    unread: std::ops::Range<usize>,
    /// The bytes that the first decoder may still put out: without this bound it could work for ever on a body whose content
    /// is empty.
    left: u64,
    /// The bytes that it may put out before the second does.
    unearned: u64,
}

impl Pipeline {
    /// Without a limit, `limit` is the greatest number.
    pub(super) fn new(first: Codec, second: Option<Codec>, limit: u64) -> Self {
        let second = second.map(|codec| {
            let (left, unearned) = (limit, MOST_BESIDE);
            Box::new(Second { codec, bytes: [0; CHUNK], unread: 0..0, left, unearned })
        });
        Self { first, second, left: limit, limit }
    }

    /// Takes bytes off the front of `input` and writes what they decode to. No output says that all input is taken.
    pub(super) fn decode(&mut self, input: &mut &[u8], out: &mut [u8]) -> Result<usize, Error> {
        let written = match &mut self.second {
            None => self.first.decode(input, out).map_err(|fault| broken(&self.first, fault))?,
            Some(second) => second.decode(&mut self.first, input, out, self.limit)?,
        };
        self.left = spend(self.left, written, self.limit)?;
        Ok(written)
    }

    /// Nothing more comes: an error if something is missing. Call it when there is no output left.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        self.first.finish().map_err(|fault| broken(&self.first, fault))?;
        match &mut self.second {
            None => Ok(()),
            Some(second) => second.codec.finish().map_err(|fault| broken(&second.codec, fault)),
        }
    }
}

impl Second {
    fn decode(
        &mut self,
        first: &mut Codec,
        input: &mut &[u8],
        out: &mut [u8],
        limit: u64,
    ) -> Result<usize, Error> {
        loop {
            let mut unread = &self.bytes[self.unread.clone()];
            let written = self.codec.decode(&mut unread, out);
            self.unread.start = self.unread.end - unread.len();
            let written = written.map_err(|fault| broken(&self.codec, fault))?;
            if written > 0 {
                let earned = MOST_PER_BYTE.saturating_mul(written as u64);
                self.unearned = self.unearned.saturating_add(earned);
                return Ok(written);
            }
            let filled =
                first.decode(input, &mut self.bytes).map_err(|fault| broken(first, fault))?;
            if filled == 0 {
                return Ok(0);
            }
            self.left = spend(self.left, filled, limit)?;
            self.unearned = self.unearned.checked_sub(filled as u64).ok_or_else(hollow)?;
            self.unread = 0..filled;
        }
    }
}

fn broken(codec: &Codec, fault: DecodeFault) -> Error {
    let coding = codec.coding().as_str();
    Error::new(Kind::Decode, format!("decoding the response body of {coding}"))
        .because(fault)
        .sent(true)
}

fn hollow() -> Error {
    let message = "decoding the response body: its two codings hold next to nothing";
    Error::new(Kind::Decode, message).sent(true)
}

fn spend(left: u64, written: usize, limit: u64) -> Result<u64, Error> {
    left.checked_sub(written as u64).ok_or_else(|| {
        let message = format!(
            "decoding the response body: it has more than {limit} bytes, the limit of `DecodeLayer::limit`"
        );
        Error::new(Kind::Decode, message).sent(true)
    })
}
