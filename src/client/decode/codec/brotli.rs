//! `br`.

use std::io;

use compression_codecs::BrotliDecoder;

use super::{DecodeFault, Inner};

/// Large windows are no part of RFC 7932, but the decoder takes them, up to 1 GiB: a header that asks for one is refused.
pub(super) fn start(start: &[u8]) -> Result<Inner, DecodeFault> {
    match start.first() {
        Some(first) if first & 0x7f == 0x11 => {
            Err(DecodeFault::Broken(io::Error::other("it asks for more memory than it may")))
        }
        _ => Ok(Box::new(BrotliDecoder::new())),
    }
}
