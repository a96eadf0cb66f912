//! A socket that can be read past the runtime's cached readiness.

use std::{
    fmt,
    io::{self, Read as _},
    pin::Pin,
    task::{Context, Poll},
};

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use hyper::rt::Write;
use socket2::SockRef;

use super::{ConnectInfo, Connected};
use crate::io::{
    Recheck, copied_read,
    direct::{DirectRead, DirectReader},
    write_count::{CountedWrites, length_of},
};

/// The most that one kernel read takes: the buffer is zeroed each time and rarely used. While there is more, the next read
/// reads from the kernel again.
const KERNEL_READ: usize = 64;

#[cfg(unix)]
mod descriptor;
#[cfg(not(unix))]
#[path = "socket/no_descriptor.rs"]
mod descriptor;
#[cfg(not(feature = "smol"))]
#[path = "socket/no_socket.rs"]
pub(super) mod smol;
#[cfg(feature = "smol")]
pub(super) mod smol;
#[cfg(not(feature = "tokio"))]
#[path = "socket/no_socket.rs"]
pub(super) mod tokio;
#[cfg(feature = "tokio")]
pub(super) mod tokio;

use descriptor::SocketHandle;

/// The stream of a [`TcpConnector`](super::TcpConnector).
pub type TcpIo = SocketIo<TcpSocket>;

/// The socket of a [`TcpConnector`](super::TcpConnector), of either runtime.
///
/// ```
/// use tower_transport::connect::{TcpIo, TcpSocket, socket2::SockRef};
///
/// struct Link {
///     socket: TcpSocket,
/// }
///
/// impl Link {
///     fn new(io: TcpIo) -> std::io::Result<Self> {
///         let socket = io.into_stream();
///         SockRef::from(&socket).set_recv_buffer_size(1 << 20)?;
///         Ok(Self { socket })
///     }
/// }
/// ```
pub type TcpSocket = RuntimeSocket<tokio::Tcp, smol::Tcp>;

/// A connected socket of tokio or of smol, whichever the connector's [`Runtime`](crate::rt::Runtime) is.
///
/// Its options and addresses are those of a `SockRef` of [`socket2`](super::socket2).
#[derive(Debug)]
pub struct RuntimeSocket<T, S> {
    kind: SocketKind<T, S>,
}

#[derive(Debug)]
enum SocketKind<T, S> {
    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "not built in"))]
    Tokio(T),
    #[cfg_attr(not(feature = "smol"), expect(dead_code, reason = "not built in"))]
    Smol(S),
}

/// A stream with a [`Recheck`].
///
/// After [`Recheck::request`] the next read asks the kernel first, whatever the runtime's cached readiness. So an idle
/// connection finds out that the peer has closed it, or has sent unsolicited bytes, even if the reactor has not turned
/// since. It costs one system call, about 0.4 µs; on smol none, because its reads always ask the kernel.
///
/// It implements hyper's [`Read`](hyper::rt::Read) and [`Write`](hyper::rt::Write); wrap it in `hyper_util::rt::TokioIo` for tokio's
/// traits, or unwrap its [`RuntimeSocket`], which implements them.
pub struct SocketIo<S> {
    io: S,
    recheck: Recheck,
    writes: CountedWrites,
}

/// A stream whose socket can be read without the runtime: sealed, for a [`RuntimeSocket`].
pub trait Kernel: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Reads what is there. [`WouldBlock`](io::ErrorKind::WouldBlock) if there is nothing.
    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize>;
}

impl<S> SocketIo<S> {
    /// Connects a stream with a recheck. The connector also puts that into its
    /// [`ConnectInfo`](super::ConnectInfo::with_recheck). [`connected`](Self::connected) does both, and more.
    pub fn new(stream: impl Into<S>, recheck: Recheck) -> Self {
        let writes = CountedWrites::exact(recheck.write_count());
        Self { io: stream.into(), recheck, writes }
    }

    /// The stream, for its socket's options and addresses.
    pub fn stream(&self) -> &S {
        &self.io
    }

    /// Unwraps the stream. Its recheck is lost, and a [`Connected`](super::Connected) made of it and the same
    /// [`ConnectInfo`](super::ConnectInfo) counts each failed write as sent.
    pub fn into_stream(self) -> S {
        self.writes.count().abandon();
        self.io
    }
}

impl<S: Kernel> SocketIo<S> {
    /// A connected stream, with all that this crate's connectors know of theirs: its recheck, how much a failed write has
    /// sent, and how it is read without a copy.
    ///
    /// ```
    /// use std::{io, net::SocketAddr};
    /// use tower_transport::connect::{ConnectInfo, Connected, TcpIo};
    ///
    /// # #[cfg(feature = "tokio")]
    /// async fn connect(address: SocketAddr) -> io::Result<Connected<TcpIo>> {
    ///     let stream = tokio::net::TcpStream::connect(address).await?;
    ///     let info = ConnectInfo::default().with_addrs(stream.local_addr().ok(), Some(address));
    ///     Ok(TcpIo::connected(stream, info))
    /// }
    /// ```
    pub fn connected(stream: impl Into<S>, info: ConnectInfo) -> Connected<Self> {
        let recheck = Recheck::new();
        let io = Self::new(stream, recheck.clone());
        let info = info.with_recheck(recheck).with_write_count(io.writes.count().clone());
        Connected { io, info: info.with_reader(DirectReader::of::<Self>()) }
    }

    /// Reads from the kernel; `None` if there is nothing yet.
    fn read_kernel(&self, buffer: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
        let mut bytes = [0; KERNEL_READ];
        let room = buffer.remaining().min(KERNEL_READ);
        match self.stream().read_now(&mut bytes[..room]) {
            Ok(read) => {
                buffer.put_slice(&bytes[..read]);
                // The runtime does not know of the rest, which may be most of a TLS record.
                self.recheck.request();
                Some(Ok(()))
            }
            Err(error) if is_transient(&error) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl<S: Kernel> DirectRead for SocketIo<S> {
    fn poll_read_direct(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > 0
            && self.recheck.take()
            && let Some(seen) = self.read_kernel(buffer)
        {
            return Poll::Ready(seen);
        }
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

copied_read!([S: Kernel] SocketIo<S>);

impl<S: Kernel> Write for SocketIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { io, writes, .. } = &mut *self;
        writes.write(bytes.len(), || Pin::new(io).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { io, writes, .. } = &mut *self;
        writes.write(length_of(slices), || Pin::new(io).poll_write_vectored(cx, slices))
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

/// A socket of one runtime.
pub trait OneSocket: AsyncRead + AsyncWrite + SocketHandle + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + SocketHandle + Unpin + Send + 'static> OneSocket for S {}

impl<T: OneSocket, S: OneSocket> Kernel for RuntimeSocket<T, S> {
    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.kind {
            SocketKind::Tokio(socket) => (&*SockRef::from(socket)).read(buffer),
            // Every read of smol's asks the kernel first.
            SocketKind::Smol(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// Calls a method of the socket.
macro_rules! either_socket {
    ($self:ident, $socket:ident => $do:expr) => {
        match &mut $self.get_mut().kind {
            SocketKind::Tokio($socket) => $do,
            SocketKind::Smol($socket) => $do,
        }
    };
}

impl<T: OneSocket, S: OneSocket> AsyncRead for RuntimeSocket<T, S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either_socket!(self, socket => Pin::new(socket).poll_read(cx, buffer))
    }
}

impl<T: OneSocket, S: OneSocket> AsyncWrite for RuntimeSocket<T, S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either_socket!(self, socket => Pin::new(socket).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either_socket!(self, socket => Pin::new(socket).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either_socket!(self, socket => Pin::new(socket).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either_socket!(self, socket => Pin::new(socket).poll_shutdown(cx))
    }
}

impl<S: fmt::Debug> fmt::Debug for SocketIo<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SocketIo").field(self.stream()).finish()
    }
}
