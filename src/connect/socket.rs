//! A socket that can be asked to look past the runtime at what the kernel has.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::io::{
    Recheck,
    write_count::{CountedWrites, WriteCount, length_of},
};

/// How much one look reads at most. Where there is something, the next read looks again, until the kernel has no more;
/// where there is nothing, as almost always, no more than this has to be cleared for it.
const LOOK: usize = 64;

/// The bytes of a [`TcpConnector`](super::TcpConnector).
pub type TcpIo = SocketIo<tokio::net::TcpStream>;

/// A stream of tokio's that answers to a [`Recheck`].
///
/// After [`Recheck::request`] the next read asks the kernel first, whatever the runtime last heard from it. A connection
/// that has been idle so finds out that the peer has closed it, or has sent what nobody asked for, even if the reactor
/// has not turned since: it costs one system call, about 0.4 µs.
///
/// It has hyper's [`Read`] and [`Write`](hyper::rt::Write); `hyper_util::rt::TokioIo` makes tokio's out of them.
pub struct SocketIo<S> {
    io: TokioIo<S>,
    recheck: Recheck,
    writes: CountedWrites,
}

/// A stream whose socket can be read without the runtime: sealed, for tokio's `TcpStream` and `UnixStream`.
pub trait Kernel {
    /// Reads what is there. [`WouldBlock`](io::ErrorKind::WouldBlock) says that nothing is.
    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Whether there is nothing to read, not even an end.
    fn is_quiet(&self) -> bool;
}

impl<S> SocketIo<S> {
    /// Makes a stream answer to a switch, which a connector also puts into its
    /// [`ConnectInfo`](super::ConnectInfo::with_recheck).
    pub fn new(stream: S, recheck: Recheck) -> Self {
        let writes = CountedWrites::exact(recheck.write_count());
        Self { io: TokioIo::new(stream), recheck, writes }
    }

    pub(super) fn write_count(&self) -> WriteCount {
        self.writes.count().clone()
    }

    /// The stream, for its socket's options and addresses.
    pub fn stream(&self) -> &S {
        self.io.inner()
    }

    /// The stream alone.
    pub fn into_stream(self) -> S {
        self.io.into_inner()
    }
}

impl<S: Kernel> SocketIo<S> {
    /// Whoever asked for a look may find that the connection's task had already read, on another thread, and writes now.
    /// What came before the first byte of a request is not its answer, so nothing is written.
    fn look_before_writing(stream: &S, recheck: &Recheck) -> io::Result<()> {
        match recheck.take_before_writing() && !stream.is_quiet() {
            true => Err(io::Error::other("the peer closed the connection, or spoke out of turn")),
            false => Ok(()),
        }
    }

    /// What the kernel says; `None` if it has nothing to say yet.
    fn look(&self, buffer: &mut ReadBufCursor<'_>) -> Option<io::Result<()>> {
        let mut bytes = [0; LOOK];
        let room = buffer.remaining().min(LOOK);
        match self.stream().read_now(&mut bytes[..room]) {
            Ok(read) => {
                buffer.put_slice(&bytes[..read]);
                // The runtime still knows nothing of what is left, and it may be the better part of a TLS record.
                self.recheck.request();
                Some(Ok(()))
            }
            Err(error) if is_passing(&error) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl<S: AsyncRead + Kernel + Unpin> Read for SocketIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > 0
            && self.recheck.take()
            && let Some(seen) = self.look(&mut buffer)
        {
            return Poll::Ready(seen);
        }
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Kernel + Unpin> Write for SocketIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { io, recheck, writes } = &mut *self;
        writes.write(bytes.len(), || {
            Self::look_before_writing(io.inner(), recheck)?;
            Pin::new(io).poll_write(cx, bytes)
        })
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { io, recheck, writes } = &mut *self;
        writes.write(length_of(slices), || {
            Self::look_before_writing(io.inner(), recheck)?;
            Pin::new(io).poll_write_vectored(cx, slices)
        })
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl<S: fmt::Debug> fmt::Debug for SocketIo<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SocketIo").field(self.stream()).finish()
    }
}
