//! Decodes chunks (RFC 9112 §7.1).

use http::HeaderMap;

use super::{
    config::HeadLimits,
    head::{Malformed, parse_trailers},
};

/// How far a chunked body has come.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    state: State,
    /// Bytes left of the chunk.
    size: u64,
    /// Bytes of the size line so far.
    line: usize,
    /// Bytes of chunk extensions so far, of all chunks.
    extensions: usize,
    trailers: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    Size,
    /// Behind the digits.
    Blank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// Before a trailer, or before the last end of line.
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    End,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum ChunkEvent {
    /// So many bytes of data, which are there.
    Data(usize),
    Trailers(HeaderMap),
    End,
    /// More bytes are needed.
    Incomplete,
}

/// A size line with its extensions, and all extensions of a body together, may have so many bytes: nobody reads them, so a
/// peer that sends more attacks.
const MAX_EXTENSIONS: usize = 16 * 1024;

impl Decoder {
    /// Reads framing up to the next thing of interest. Returns how many bytes of framing came before it.
    pub(super) fn decode(
        &mut self,
        bytes: &[u8],
        limits: HeadLimits,
    ) -> Result<(usize, ChunkEvent), Malformed> {
        let mut used = 0;
        while let Some(&byte) = bytes.get(used) {
            match self.state {
                State::Data => {
                    return Ok((used, ChunkEvent::Data(self.take_data(bytes.len() - used))));
                }
                State::End => return Ok((used, ChunkEvent::End)),
                _ => {}
            }
            used += 1;
            self.state = self.step(byte, limits)?;
            if self.state == State::End {
                return Ok((used, self.finish(limits)?));
            }
        }
        let decoded =
            if self.state == State::End { ChunkEvent::End } else { ChunkEvent::Incomplete };
        Ok((used, decoded))
    }

    fn take_data(&mut self, available: usize) -> usize {
        let taken = usize::try_from(self.size).map_or(available, |size| size.min(available));
        self.size -= taken as u64;
        if self.size == 0 {
            self.state = State::DataCr;
        }
        taken
    }

    /// The state after one byte of framing.
    fn step(&mut self, byte: u8, limits: HeadLimits) -> Result<State, Malformed> {
        Ok(match (self.state, byte) {
            (State::Start | State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                self.count_line()?;
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                let size = self.size.checked_mul(16).ok_or("it has a chunk that is too large")?;
                self.size = size + u64::from(digit);
                State::Size
            }
            (State::Size | State::Blank, b' ' | b'\t') => {
                self.count_line()?;
                State::Blank
            }
            (State::Size | State::Blank, b';') => State::Extension,
            (State::Size | State::Blank | State::Extension, b'\r') => {
                self.line = 0;
                State::SizeLf
            }
            (State::Extension, byte) if byte != b'\n' => {
                self.extensions += 1;
                if self.extensions >= MAX_EXTENSIONS {
                    return Err("it has more chunk extensions than allowed");
                }
                State::Extension
            }
            (State::SizeLf, b'\n') if self.size == 0 => State::TrailerStart,
            (State::SizeLf, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Start,
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::TrailerStart | State::Trailer, byte) if byte != b'\r' && byte != b'\n' => {
                self.put_trailer(&[byte], limits)?;
                State::Trailer
            }
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerLf, b'\n') => {
                self.put_trailer(b"\r\n", limits)?;
                State::TrailerStart
            }
            (State::EndLf, b'\n') => State::End,
            _ => return Err("its chunks are malformed"),
        })
    }

    /// A size may begin with any number of zeros, and end with any number of blanks.
    fn count_line(&mut self) -> Result<(), Malformed> {
        self.line += 1;
        match self.line > MAX_EXTENSIONS {
            true => Err("it has a chunk size that is longer than allowed"),
            false => Ok(()),
        }
    }

    fn put_trailer(&mut self, bytes: &[u8], limits: HeadLimits) -> Result<(), Malformed> {
        if self.trailers.len() + bytes.len() > limits.size {
            return Err("its trailers are longer than allowed");
        }
        self.trailers.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self, limits: HeadLimits) -> Result<ChunkEvent, Malformed> {
        if self.trailers.is_empty() {
            return Ok(ChunkEvent::End);
        }
        let mut trailers = std::mem::take(&mut self.trailers);
        trailers.extend_from_slice(b"\r\n");
        Ok(ChunkEvent::Trailers(parse_trailers(&trailers, limits)?))
    }
}
