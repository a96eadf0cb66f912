//! `zstd`.

use std::io;

use compression_codecs::{
    DecodeV2, ZstdDecoder,
    core::util::{PartialBuffer, WriteBuffer},
    zstd::params::DParameter,
};

use super::{DecodeFault, Inner};

/// 8 MiB, which is all that a sender may count on (RFC 9659 §3).
const WINDOW_LOG: u32 = 23;

const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

/// The longest header of a frame: magic number, descriptor, window, dictionary, content size (RFC 8878 §3.1.1).
const LONGEST_HEADER: usize = 18;

/// Decodes a frame, and checks the content size that its header declares: libzstd omits this check where the last block is
/// empty and the frame comes in pieces.
struct FrameDecoder {
    inner: ZstdDecoder,
    /// The beginning of the frame.
    header: Vec<u8>,
    written: u64,
}

pub(super) fn start(_: &[u8]) -> Result<Inner, DecodeFault> {
    let inner = ZstdDecoder::new_with_params(&[DParameter::window_log_max(WINDOW_LOG)]);
    let header = Vec::with_capacity(LONGEST_HEADER);
    Ok(Box::new(FrameDecoder { inner, header, written: 0 }))
}

impl DecodeV2 for FrameDecoder {
    fn reinit(&mut self) -> io::Result<()> {
        self.header.clear();
        self.written = 0;
        self.inner.reinit()
    }

    fn decode(
        &mut self,
        input: &mut PartialBuffer<&[u8]>,
        output: &mut WriteBuffer<'_>,
    ) -> io::Result<bool> {
        let (read, written) = (input.written_len(), output.written_len());
        let has_ended = self.inner.decode(input, output)?;
        let missing = LONGEST_HEADER - self.header.len();
        self.header.extend(input.written()[read..].iter().take(missing));
        self.written += (output.written_len() - written) as u64;
        let is_wrong = |size| size != self.written;
        if has_ended && content_size(&self.header).is_some_and(is_wrong) {
            let text = "a frame of zstd does not have the content size that its header declares";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(has_ended)
    }

    fn flush(&mut self, output: &mut WriteBuffer<'_>) -> io::Result<bool> {
        self.inner.flush(output)
    }

    fn finish(&mut self, output: &mut WriteBuffer<'_>) -> io::Result<bool> {
        self.inner.finish(output)
    }
}

/// `Frame_Content_Size` (RFC 8878 §3.1.1.1.4). `None` if the header declares none, is incomplete, or begins a
/// skippable frame.
fn content_size(header: &[u8]) -> Option<u64> {
    let (&descriptor, rest) = header.strip_prefix(&MAGIC)?.split_first()?;
    let is_single_segment = descriptor & 0x20 != 0;
    let window = usize::from(!is_single_segment);
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let rest = rest.get(window + dictionary..)?;
    let (length, least) = match descriptor >> 6 {
        0 if is_single_segment => (1, 0),
        0 => return None,
        1 => (2, 256),
        2 => (4, 0),
        _ => (8, 0),
    };
    let mut size = [0; 8];
    size[..length].copy_from_slice(rest.get(..length)?);
    Some(u64::from_le_bytes(size).saturating_add(least))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_a_frame_says_its_content_size() {
        let size = |rest: &[u8]| content_size(&[&MAGIC, rest].concat());
        assert_eq!(size(b"\x20\x05"), Some(5));
        assert_eq!(size(b"\x00\x58"), None);
        assert_eq!(size(b"\x40\x58\x00\x01"), Some(512));
        assert_eq!(size(b"\x63dict\x01\x00"), Some(257));
        assert_eq!(size(b"\x81\x58d\x01\x02\x03\x04"), Some(0x0403_0201));
        assert_eq!(size(b"\xe0\xff\xff\xff\xff\xff\xff\xff\xff"), Some(u64::MAX));
        assert_eq!(size(b"\xe0\xff"), None);
        assert_eq!(content_size(b"\x50\x2a\x4d\x18\x04\0\0\0skip"), None);
    }
}
