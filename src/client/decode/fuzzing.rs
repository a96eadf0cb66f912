//! What the fuzz targets in `fuzz/` check of private parts. It exists only for them and for tests.

use http::{HeaderMap, HeaderValue, header::CONTENT_ENCODING};

use super::{
    codec::{self, Codec},
    coding::{self, Coding, CodingList},
    pipeline::Pipeline,
};
use crate::error::Error;

/// Small, so that a bomb is found to be one soon.
const LIMIT: u64 = 1 << 20;

/// Reads lines as `Content-Encoding`. Never more than two codings are undone, and each is one of this build.
///
/// # Panics
///
/// If that does not hold.
pub fn codings(input: &[u8]) {
    let values =
        input.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    let headers: HeaderMap = values.take(20).map(|value| (CONTENT_ENCODING, value)).collect();
    let is_known = |coding| codec::known().any(|known| known == coding);
    match coding::read(&headers, is_known) {
        CodingList::Coded(last, before) => assert!(is_known(last) && before.is_none_or(is_known)),
        CodingList::Untouched | CodingList::TooMany => {}
    }
}

/// Decodes the bytes after the second. The first byte names the codings, the second the cut. Neither the cut nor the room
/// changes the result, and nothing exceeds the limit.
///
/// # Panics
///
/// If that does not hold.
pub fn decode(input: &[u8]) {
    let [codings, cut, bytes @ ..] = input else { return };
    let named = |index: u8| {
        [None, Some(Coding::Gzip), Some(Coding::Deflate), Some(Coding::Brotli), Some(Coding::Zstd)]
            [usize::from(index % 5)]
    };
    let Some(first) = named(codings & 0x0f) else { return };
    let second = named(codings >> 4);
    let cut = usize::from(*cut) % (bytes.len() + 1);
    let (whole, outcome) = run(first, second, &[bytes], 16 * 1024);
    let (in_pieces, other) = run(first, second, &[&bytes[..cut], &bytes[cut..]], 100);
    assert_eq!(outcome.is_ok(), other.is_ok(), "{outcome:?} {other:?}");
    assert!(whole.len() as u64 <= LIMIT && in_pieces.len() as u64 <= LIMIT);
    match outcome {
        Ok(()) => assert!(whole == in_pieces),
        Err(error) => {
            assert!(error.is_decode() && error.was_sent());
            assert!(whole.starts_with(&in_pieces) || in_pieces.starts_with(&whole));
        }
    }
}

/// What the pieces decode to, and whether that is all.
pub(super) fn run(
    first: Coding,
    second: Option<Coding>,
    pieces: &[&[u8]],
    room: usize,
) -> (Vec<u8>, Result<(), Error>) {
    let Some(codec) = Codec::new(first) else { return (Vec::new(), Ok(())) };
    let mut pipeline = Pipeline::new(codec, second.and_then(Codec::new), LIMIT);
    let (mut out, mut room) = (Vec::new(), vec![0; room]);
    for piece in pieces {
        let mut rest = *piece;
        loop {
            match pipeline.decode(&mut rest, &mut room) {
                Ok(0) => break assert!(rest.is_empty()),
                Ok(written) => out.extend_from_slice(&room[..written]),
                Err(error) => return (out, Err(error)),
            }
        }
    }
    (out, pipeline.finish())
}

#[cfg(test)]
mod tests {
    use crate::corpus::replay;

    #[test]
    fn the_corpus_of_coding_lists_holds() {
        replay("codings", super::codings);
    }

    #[test]
    fn the_corpus_of_coded_bodies_holds() {
        replay("decode", super::decode);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused_the_same_however_they_are_cut(input: Vec<u8>) {
            super::decode(&input);
        }

        #[test]
        fn any_lines_are_lists_or_none(input in "((x-)?gzip|deflate|br|zstd|identity|[a-z]|,| |\n){0,12}") {
            super::codings(input.as_bytes());
        }
    }
}
