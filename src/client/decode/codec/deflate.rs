//! `deflate`: by RFC 9110 §8.4.1.2 within the frame of zlib, which some servers leave out.

use compression_codecs::{DeflateDecoder, ZlibDecoder};

use super::{DecodeFault, Inner};

pub(super) fn start(start: &[u8]) -> Result<Inner, DecodeFault> {
    Ok(match *start {
        [first, second, ..] if is_zlib(first, second) => Box::new(ZlibDecoder::new()),
        _ => Box::new(DeflateDecoder::new()),
    })
}

/// RFC 1950 §2.2: the method is 8, the window 32 KiB at the most, and both bytes together are a multiple of 31. Without the frame
/// the first byte would be that of a stored block whose padding is not zero, which no encoder writes.
fn is_zlib(first: u8, second: u8) -> bool {
    first & 0x0f == 8 && first >> 4 <= 7 && u16::from_be_bytes([first, second]).is_multiple_of(31)
}
