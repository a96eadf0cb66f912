//! `gzip`.

use compression_codecs::GzipDecoder;

use super::{DecodeFault, Inner};

pub(super) fn start(_: &[u8]) -> Result<Inner, DecodeFault> {
    Ok(Box::new(GzipDecoder::new()))
}
