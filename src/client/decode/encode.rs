//! Codes bodies, for tests.

use compression_codecs::{
    BrotliEncoder, DeflateEncoder, EncodeV2, GzipEncoder, ZlibEncoder, ZstdEncoder,
    brotli::params::EncoderParams,
    core::{
        Level,
        util::{PartialBuffer, WriteBuffer},
    },
    zstd::params::CParameter,
};

/// Every coding by the name of its field, and `raw`, which is deflate without its frame.
pub(super) const ALL: [&str; 5] = ["gzip", "deflate", "raw", "br", "zstd"];

pub(super) fn encode(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let level = || Level::Default.into();
    match coding {
        "gzip" => all(GzipEncoder::new(level()), bytes),
        "deflate" => all(ZlibEncoder::new(level()), bytes),
        "raw" => all(DeflateEncoder::new(level()), bytes),
        "br" => br_with_window(22, bytes),
        "zstd" => all(ZstdEncoder::new(3), bytes),
        other => panic!("{other}"),
    }
}

/// With a window of two to the power of this.
pub(super) fn br_with_window(log: i32, bytes: &[u8]) -> Vec<u8> {
    let parameters = EncoderParams::default().quality(Level::Precise(5)).window_size(log);
    all(BrotliEncoder::new(parameters), bytes)
}

/// With a window of two to the power of this.
pub(super) fn zstd_with_window(log: u32, bytes: &[u8]) -> Vec<u8> {
    let parameters = [CParameter::window_log(log), CParameter::content_size_flag(false)];
    all(ZstdEncoder::new_with_params(1, &parameters), bytes)
}

fn all(mut encoder: impl EncodeV2, bytes: &[u8]) -> Vec<u8> {
    let (mut input, mut out, mut room) = (PartialBuffer::new(bytes), Vec::new(), [0; 4096]);
    loop {
        let mut output = WriteBuffer::new_initialized(&mut room);
        let is_done = match input.unwritten().is_empty() {
            false => encoder.encode(&mut input, &mut output).map(|()| false).unwrap(),
            true => encoder.finish(&mut output).unwrap(),
        };
        out.extend_from_slice(output.written());
        if is_done {
            return out;
        }
    }
}
