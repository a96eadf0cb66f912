//! Decodes one coding, over compression-codecs: the only file that knows it.

use std::{fmt, io};

use compression_codecs::{
    DecodeV2,
    core::util::{PartialBuffer, WriteBuffer},
};

use super::Coding;

#[cfg(feature = "brotli")]
mod brotli;
#[cfg(feature = "deflate")]
mod deflate;
#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "zstd")]
mod zstd;

type Inner = Box<dyn DecodeV2 + Send + Sync>;

/// Makes a decoder from the first `start_len` bytes.
type Start = fn(&[u8]) -> Result<Inner, DecodeFault>;

/// How the decoders of this build differ.
struct Traits {
    coding: Coding,
    start: Start,
    /// How many bytes decide which decoder it is.
    start_len: usize,
    /// Another member or frame may follow.
    has_members: bool,
    /// Without input, `flush` returns the rest of the output, and `decode` fails.
    flushes: bool,
}

const KNOWN: &[Traits] = &[
    #[cfg(feature = "gzip")]
    Traits {
        coding: Coding::Gzip,
        start: gzip::start,
        start_len: 1,
        has_members: true,
        flushes: true,
    },
    #[cfg(feature = "deflate")]
    Traits {
        coding: Coding::Deflate,
        start: deflate::start,
        start_len: 2,
        has_members: false,
        flushes: true,
    },
    #[cfg(feature = "brotli")]
    Traits {
        coding: Coding::Brotli,
        start: brotli::start,
        start_len: 1,
        has_members: false,
        flushes: false,
    },
    #[cfg(feature = "zstd")]
    Traits {
        coding: Coding::Zstd,
        start: zstd::start,
        start_len: 1,
        has_members: true,
        flushes: false,
    },
];

/// The codings that this build decodes, as `Accept-Encoding` lists them.
pub(super) fn known() -> impl Iterator<Item = Coding> {
    KNOWN.iter().map(|traits| traits.coding)
}

/// A decoder of one coding.
pub(super) struct Codec {
    traits: &'static Traits,
    state: MemberState,
    /// The last output was as long as there was room: there may be more.
    has_more: bool,
}

enum MemberState {
    /// Nothing has come, or too little to say which decoder it takes.
    Start(Option<u8>),
    Inside(Inner),
    /// A member or frame is complete.
    Ended(Inner),
}

/// Why bytes are not what their coding says.
#[derive(Debug)]
pub(super) enum DecodeFault {
    /// The decoder says so.
    Broken(io::Error),
    Truncated,
    /// Bytes follow that are not part of it.
    Surplus,
}

impl Codec {
    /// `None` if this build has no decoder of this coding.
    pub(super) fn new(coding: Coding) -> Option<Self> {
        let traits = KNOWN.iter().find(|traits| traits.coding == coding)?;
        Some(Self { traits, state: MemberState::Start(None), has_more: false })
    }

    pub(super) fn coding(&self) -> Coding {
        self.traits.coding
    }

    /// Takes bytes off the front of `input` and writes what they decode to: as much as there is room for. No output says that
    /// all input is taken.
    pub(super) fn decode(
        &mut self,
        input: &mut &[u8],
        out: &mut [u8],
    ) -> Result<usize, DecodeFault> {
        loop {
            if input.is_empty() && !self.has_more {
                return Ok(0);
            }
            let (before, was_inside) = (input.len(), self.is_inside());
            let written = self.step(input, out)?;
            self.has_more = written == out.len() && self.is_inside();
            if written > 0 {
                return Ok(written);
            }
            let is_stuck = was_inside && self.is_inside() && input.len() == before && before > 0;
            if is_stuck {
                return Err(DecodeFault::Broken(io::ErrorKind::InvalidData.into()));
            }
        }
    }

    /// Nothing more comes: an error if something is missing.
    pub(super) fn finish(&mut self) -> Result<(), DecodeFault> {
        match &mut self.state {
            MemberState::Start(None) | MemberState::Ended(_) => Ok(()),
            MemberState::Start(Some(_)) => Err(DecodeFault::Truncated),
            // Of some decoders the end is found only where no input is left.
            MemberState::Inside(inner) => {
                match inner.finish(&mut WriteBuffer::new_initialized(&mut [0])) {
                    Ok(true) if self.traits.flushes => Ok(()),
                    _ => Err(DecodeFault::Truncated),
                }
            }
        }
    }

    fn is_inside(&self) -> bool {
        matches!(self.state, MemberState::Inside(_))
    }

    fn step(&mut self, input: &mut &[u8], out: &mut [u8]) -> Result<usize, DecodeFault> {
        match &mut self.state {
            MemberState::Start(held) => match (held.take(), *input) {
                (None, &[first]) if self.traits.start_len > 1 => {
                    (self.state, *input) = (MemberState::Start(Some(first)), &[]);
                    Ok(0)
                }
                (None, start) => self.begin(start),
                (Some(first), rest) => {
                    let start: Vec<u8> =
                        std::iter::once(first).chain(rest.first().copied()).collect();
                    self.begin(&start)?;
                    self.run(&mut &[first][..], out)
                }
            },
            MemberState::Inside(_) => self.run(input, out),
            MemberState::Ended(_) => self.begin_again(),
        }
    }

    fn begin(&mut self, start: &[u8]) -> Result<usize, DecodeFault> {
        self.state = MemberState::Inside((self.traits.start)(start)?);
        Ok(0)
    }

    /// There is input behind the end.
    fn begin_again(&mut self) -> Result<usize, DecodeFault> {
        if !self.traits.has_members {
            return Err(DecodeFault::Surplus);
        }
        let MemberState::Ended(mut inner) =
            std::mem::replace(&mut self.state, MemberState::Start(None))
        else {
            return Ok(0);
        };
        inner.reinit().map_err(DecodeFault::Broken)?;
        self.state = MemberState::Inside(inner);
        Ok(0)
    }

    fn run(&mut self, input: &mut &[u8], out: &mut [u8]) -> Result<usize, DecodeFault> {
        let MemberState::Inside(inner) = &mut self.state else { return Ok(0) };
        let (mut from, mut to) = (PartialBuffer::new(*input), WriteBuffer::new_initialized(out));
        let outcome = match input.is_empty() && self.traits.flushes {
            true => inner.flush(&mut to).map(|_| false),
            false => inner.decode(&mut from, &mut to),
        };
        *input = from.unwritten_rest();
        let written = to.written_len();
        if outcome.map_err(DecodeFault::Broken)? {
            self.end();
        }
        Ok(written)
    }

    fn end(&mut self) {
        self.state = match std::mem::replace(&mut self.state, MemberState::Start(None)) {
            MemberState::Inside(inner) => MemberState::Ended(inner),
            other => other,
        };
    }
}

/// What is left, for as long as the bytes are there.
trait UnwrittenRest<'a> {
    fn unwritten_rest(self) -> &'a [u8];
}

impl<'a> UnwrittenRest<'a> for PartialBuffer<&'a [u8]> {
    fn unwritten_rest(self) -> &'a [u8] {
        let written = self.written_len();
        &self.into_inner()[written..]
    }
}

impl fmt::Display for DecodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broken(_) => "the bytes are not in this coding",
            Self::Truncated => "its end is missing",
            Self::Surplus => "bytes follow its end",
        })
    }
}

impl std::error::Error for DecodeFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Broken(error) => Some(error),
            _ => None,
        }
    }
}
