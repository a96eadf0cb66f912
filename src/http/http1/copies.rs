//! Copies of heads, in a buffer that a connection reuses.

use bytes::{Bytes, BytesMut};

/// Copies short pieces without an allocation for each.
///
/// A copy keeps the buffer alive, so the buffer is small: a long-lived copy holds no more than [`ROOM`]. Once all copies are
/// dropped, usually before the next response, the buffer is reused from its start.
#[derive(Debug, Default)]
pub(super) struct Copies(BytesMut);

/// Room for the heads of a few responses.
const ROOM: usize = 1024;

impl Copies {
    pub(super) fn copy(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.len() > ROOM / 2 {
            return Bytes::copy_from_slice(bytes);
        }
        if self.0.capacity() < bytes.len() {
            self.0.reserve(ROOM);
        }
        self.0.extend_from_slice(bytes);
        self.0.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_that_are_dropped_make_room_for_the_next() {
        let mut copies = Copies::default();
        let first = copies.copy(&[1; 400]);
        let start = first.as_ptr();
        drop(first);
        let mut seen = 0;
        for round in 0..100_u8 {
            let copy = copies.copy(&[round; 400]);
            assert_eq!(copy, &[round; 400][..]);
            seen += usize::from(copy.as_ptr() == start);
        }
        assert!(seen > 30, "{seen} copies at the start of the same buffer");
    }

    #[test]
    fn a_copy_that_is_kept_stays_as_it_is() {
        let mut copies = Copies::default();
        let kept: Vec<_> = (0..50_u8).map(|byte| copies.copy(&[byte; 333])).collect();
        let long = copies.copy(&[7; 4000]);
        for (byte, copy) in (0..50_u8).zip(&kept) {
            assert_eq!(*copy, &[byte; 333][..]);
        }
        assert_eq!(long, &[7; 4000][..]);
    }
}
