//! Reads into memory that has to be initialized first.

use std::{
    io,
    task::{Poll, ready},
};

use tokio::io::ReadBuf;

/// The size of the next read of a stream that needs initialized memory.
///
/// Zeroing memory costs time, so it is only as much as recent reads filled. Memory that is initialized already is used whole.
#[derive(Debug)]
pub(crate) struct Stride(usize);

/// The initial size: more than most heads, and short enough that zeroing it costs next to nothing.
const INITIAL: usize = 1024;
/// The largest size.
const MAX: usize = 256 * 1024;

impl Stride {
    pub(crate) fn new() -> Self {
        Self(INITIAL)
    }

    /// Reads once, by a function that returns the number of bytes.
    pub(crate) fn read(
        &mut self,
        buffer: &mut ReadBuf<'_>,
        read: impl FnOnce(&mut [u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        let Self(stride) = self;
        let initialized = buffer.initialized().len() - buffer.filled().len();
        let room = buffer.remaining().min((*stride).max(initialized));
        let read = ready!(read(buffer.initialize_unfilled_to(room)))?.min(room);
        buffer.advance(read);
        if read >= *stride {
            *stride = (*stride * 2).min(MAX);
        } else if read < *stride / 4 {
            *stride = (*stride / 2).max(INITIAL);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_grow_while_the_peer_fills_them_and_shrink_again() {
        const LARGE: usize = 1 << 20;
        let mut stride = Stride::new();
        let mut read = |piece: usize| {
            let mut bytes = Box::new_uninit_slice(LARGE);
            let mut buffer = ReadBuf::uninit(&mut bytes);
            let poll = stride.read(&mut buffer, |room| Poll::Ready(Ok(piece.min(room.len()))));
            poll.map_ok(|()| buffer.filled().len())
        };
        // What is there → what is read
        let table = [
            (LARGE, INITIAL),
            (LARGE, 2 * INITIAL),
            (LARGE, 4 * INITIAL),
            (9, 9),
            (LARGE, 4 * INITIAL),
            (0, 0),
        ];
        for (piece, expected) in table {
            let outcome = read(piece);
            assert!(matches!(outcome, Poll::Ready(Ok(read)) if read == expected), "{outcome:?}");
        }
    }

    #[test]
    fn memory_that_is_initialized_already_is_filled_at_once() {
        const RECORD: usize = 4 * INITIAL;
        let mut stride = Stride::new();
        let mut bytes = [0; RECORD];
        let mut buffer = ReadBuf::new(&mut bytes);
        buffer.put_slice(b"head");
        let outcome = stride.read(&mut buffer, |room| Poll::Ready(Ok(room.len())));
        assert!(matches!(outcome, Poll::Ready(Ok(()))));
        assert_eq!(buffer.filled().len(), RECORD);
    }
}
