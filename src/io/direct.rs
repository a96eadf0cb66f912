//! Reads streams by tokio's buffers.
//!
//! Safe code cannot fill the cursor of hyper's [`Read`](hyper::rt::Read) in place: it reads elsewhere and copies. So the
//! streams of this crate are also a [`DirectRead`], which protocols use. hyper's traits are for the streams of others.

use std::{
    fmt, io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::rt::ReadBufCursor;
use tokio::io::{AsyncRead, ReadBuf};

use super::{Io, delegate_read, delegate_write, foreign::HyperIo, tokio_write};

/// The size of the stack buffer of a copied read.
const COPIED_READ: usize = 16 * 1024;

/// A stream of this crate.
pub(crate) trait DirectRead: Io {
    /// Like the method of tokio's [`AsyncRead`].
    fn poll_read_direct(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>>;
}

/// Erases the type of a stream of this crate.
pub(crate) trait IntoDirect: Io {
    fn into_direct(self: Box<Self>) -> DirectIo;
}

impl<T: DirectRead> IntoDirect for T {
    fn into_direct(self: Box<Self>) -> DirectIo {
        DirectIo::own(self)
    }
}

/// Recognizes one type of streams. A connector puts one for its streams into their
/// [`ConnectInfo`](crate::connect::ConnectInfo); if a layer above has wrapped the stream, it recognizes nothing.
#[derive(Clone, Copy)]
pub(crate) struct DirectReader {
    recognize: fn(Box<dyn Io>) -> Recognized,
}

/// A stream of another type is given back.
type Recognized = Result<DirectIo, Box<dyn Io>>;

/// Any stream, by tokio's traits and by hyper's.
pub(crate) struct DirectIo {
    kind: DirectKind,
}

enum DirectKind {
    Own(Box<dyn DirectRead>),
    Foreign(HyperIo<Box<dyn Io>>),
}

impl DirectReader {
    pub(crate) fn of<T: IntoDirect>() -> Self {
        Self {
            recognize: |io| {
                if !(*io).as_any().is::<T>() {
                    return Err(io);
                }
                match io.into_any().downcast::<T>() {
                    Ok(own) => Ok(own.into_direct()),
                    Err(_) => unreachable!("its type was tested above"),
                }
            },
        }
    }
}

impl DirectIo {
    /// Wraps a stream that `reader` may recognize.
    pub(crate) fn new<I: Io>(io: I, reader: Option<DirectReader>) -> Self {
        let io = crate::cast::cast::<_, Box<dyn Io>>(io).unwrap_or_else(|io| Box::new(io));
        let known = match reader {
            Some(reader) => (reader.recognize)(io),
            None => Err(io),
        };
        known.unwrap_or_else(|io| Self { kind: DirectKind::Foreign(HyperIo::new(io)) })
    }

    /// Wraps a stream of this crate.
    pub(crate) fn own(io: Box<dyn DirectRead>) -> Self {
        Self { kind: DirectKind::Own(io) }
    }
}

impl AsyncRead for DirectIo {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.kind {
            DirectKind::Own(io) => io.poll_read_direct(cx, buffer),
            DirectKind::Foreign(io) => Pin::new(io).poll_read(cx, buffer),
        }
    }
}

delegate_read!([] DirectIo, io in Self { kind: DirectKind::Own(io) }, Self { kind: DirectKind::Foreign(HyperIo { io, .. }) });
delegate_write!([] DirectIo, io in Self { kind: DirectKind::Own(io) }, Self { kind: DirectKind::Foreign(HyperIo { io, .. }) });
tokio_write!([] DirectIo);

/// Implements hyper's [`Read`](hyper::rt::Read) for a stream of this crate: fills a buffer on the stack, and copies it.
pub(crate) fn read_by_copy(
    io: &mut impl DirectRead,
    cx: &mut Context<'_>,
    mut cursor: ReadBufCursor<'_>,
) -> Poll<io::Result<()>> {
    let mut bytes = [const { MaybeUninit::uninit() }; COPIED_READ];
    let room = cursor.remaining().min(COPIED_READ);
    let mut buffer = ReadBuf::uninit(&mut bytes[..room]);
    ready!(io.poll_read_direct(cx, &mut buffer))?;
    cursor.put_slice(buffer.filled());
    Poll::Ready(Ok(()))
}

impl fmt::Debug for DirectReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectReader").finish_non_exhaustive()
    }
}

impl fmt::Debug for DirectIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectIo").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use hyper::rt::{Read, Write};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Says by which trait it was read.
    struct Echo;

    impl DirectRead for Echo {
        fn poll_read_direct(
            &mut self,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            buffer.put_slice(&b"tokio"[..buffer.remaining().min(5)]);
            Poll::Ready(Ok(()))
        }
    }

    impl Read for Echo {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            mut cursor: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            cursor.put_slice(b"hyper");
            Poll::Ready(Ok(()))
        }
    }

    impl Write for Echo {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// How `io` reads, with a reader for an `Echo`.
    async fn read_by(io: impl Io) -> String {
        let mut direct = DirectIo::new(io, Some(DirectReader::of::<Echo>()));
        direct.write_all(b"any").await.unwrap();
        let mut read = [0; 5];
        direct.read_exact(&mut read).await.unwrap();
        String::from_utf8_lossy(&read).into_owned()
    }

    #[tokio::test]
    async fn a_stream_is_recognized_in_boxes_and_not_inside_of_a_layer() {
        assert_eq!(read_by(Echo).await, "tokio");
        let boxed: Box<dyn Io> = Box::new(Echo);
        assert_eq!(read_by(boxed).await, "tokio");
        let wrapped: Box<dyn Io> = Box::new(Echo);
        assert_eq!(read_by(Box::new(wrapped)).await, "hyper");
    }

    #[test]
    fn a_read_by_copy_takes_no_more_than_there_is_room_for() {
        let mut bytes = [0; 3];
        let mut buffer = hyper::rt::ReadBuf::new(&mut bytes);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(read_by_copy(&mut Echo, &mut cx, buffer.unfilled()).is_ready());
        assert_eq!(buffer.filled(), b"tok");
    }
}
