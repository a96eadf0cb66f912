//! `zstd`.

use compression_codecs::{ZstdDecoder, zstd::params::DParameter};

use super::{DecodeFault, Inner};

/// 8 MiB, which is all that a sender may count on (RFC 9659 §3).
const WINDOW_LOG: u32 = 23;

pub(super) fn start(_: &[u8]) -> Result<Inner, DecodeFault> {
    Ok(Box::new(ZstdDecoder::new_with_params(&[DParameter::window_log_max(WINDOW_LOG)])))
}
