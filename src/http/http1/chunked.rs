//! Decodes the chunked coding (RFC 9112 §7.1).

use http::HeaderMap;

use super::{
    config::HeadLimits,
    head::{Malformed, parse_trailers},
};

/// The state of a chunked body.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    state: ChunkState,
    /// Bytes left in the chunk.
    size: u64,
    /// Bytes of the size line so far.
    line: usize,
    /// Bytes of chunk extensions so far, of all chunks.
    extensions: usize,
    trailers: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ChunkState {
    #[default]
    Start,
    Size,
    /// After the digits.
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

/// A decoded part.
#[derive(Debug)]
pub(super) enum ChunkEvent {
    /// This many bytes of data follow in the buffer.
    Data(usize),
    Trailers(HeaderMap),
    End,
    /// More bytes are needed.
    Incomplete,
}

/// The limit on a size line, and on all extensions of a body together: extensions are ignored, so more is an attack.
const MAX_EXTENSIONS: usize = 16 * 1024;

impl Decoder {
    /// Consumes framing up to the next event. Returns the number of framing bytes before it. The last event is the trailers or
    /// the end: nothing is decoded after it.
    pub(super) fn decode(
        &mut self,
        bytes: &[u8],
        limits: HeadLimits,
    ) -> Result<(usize, ChunkEvent), Malformed> {
        let mut used = 0;
        // Framing is read byte by byte, data in one piece.
        while let Some(&byte) = bytes.get(used) {
            if self.state == ChunkState::Data {
                return Ok((used, ChunkEvent::Data(self.take_data(bytes.len() - used))));
            }
            used += 1;
            self.state = self.step(byte, limits)?;
            if self.state == ChunkState::End {
                return Ok((used, self.finish(limits)?));
            }
        }
        Ok((used, ChunkEvent::Incomplete))
    }

    fn take_data(&mut self, available: usize) -> usize {
        let taken = usize::try_from(self.size).map_or(available, |size| size.min(available));
        self.size -= taken as u64;
        if self.size == 0 {
            self.state = ChunkState::DataCr;
        }
        taken
    }

    /// The state after one byte of framing.
    fn step(&mut self, byte: u8, limits: HeadLimits) -> Result<ChunkState, Malformed> {
        Ok(match (self.state, byte) {
            (ChunkState::Start | ChunkState::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                self.count_line()?;
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                // A chunk starts with zero: `take_data` has counted the last one down.
                let size = self.size.checked_mul(16).ok_or("it has a chunk that is too large")?;
                self.size = size + u64::from(digit);
                ChunkState::Size
            }
            (ChunkState::Size | ChunkState::Blank, b' ' | b'\t') => {
                self.count_line()?;
                ChunkState::Blank
            }
            (ChunkState::Size | ChunkState::Blank, b';') => ChunkState::Extension,
            (ChunkState::Size | ChunkState::Blank | ChunkState::Extension, b'\r') => {
                self.line = 0;
                ChunkState::SizeLf
            }
            (ChunkState::Extension, byte) if byte != b'\n' => {
                self.extensions += 1;
                if self.extensions >= MAX_EXTENSIONS {
                    return Err("it has more chunk extensions than allowed");
                }
                ChunkState::Extension
            }
            (ChunkState::SizeLf, b'\n') if self.size == 0 => ChunkState::TrailerStart,
            (ChunkState::SizeLf, b'\n') => ChunkState::Data,
            (ChunkState::DataCr, b'\r') => ChunkState::DataLf,
            (ChunkState::DataLf, b'\n') => ChunkState::Start,
            (ChunkState::TrailerStart, b'\r') => ChunkState::EndLf,
            (ChunkState::TrailerStart | ChunkState::Trailer, byte)
                if byte != b'\r' && byte != b'\n' =>
            {
                self.put_trailer(&[byte], limits)?;
                ChunkState::Trailer
            }
            (ChunkState::Trailer, b'\r') => ChunkState::TrailerLf,
            (ChunkState::TrailerLf, b'\n') => {
                self.put_trailer(b"\r\n", limits)?;
                ChunkState::TrailerStart
            }
            (ChunkState::EndLf, b'\n') => ChunkState::End,
            _ => return Err("its chunks are malformed"),
        })
    }

    /// Limits the leading zeros of a size and the blanks after it.
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
        // The parser needs the empty line that ends the fields.
        trailers.extend_from_slice(b"\r\n");
        Ok(ChunkEvent::Trailers(parse_trailers(&trailers, limits)?))
    }
}
