//! Sockets of smol.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpStream},
    pin::Pin,
    task::{Context, Poll, ready},
};

use smol::{
    Async,
    io::{AsyncRead as FuturesRead, AsyncWrite as FuturesWrite},
};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{RuntimeSocket, SocketKind, descriptor::SocketHandle};
use crate::io::stride::Stride;

pub(in crate::connect) type Tcp = SmolSocket<TcpStream>;
#[cfg(unix)]
pub(in crate::connect) type Unix = SmolSocket<std::os::unix::net::UnixStream>;

/// A socket of smol, by tokio's traits.
#[derive(Debug)]
pub struct SmolSocket<S> {
    io: Async<S>,
    stride: Stride,
}

/// Connects a socket that `set` has prepared. Dropping the future closes it.
pub(in crate::connect) async fn connect_tcp<T>(
    address: SocketAddr,
    set: impl FnOnce(&SockRef<'_>) -> io::Result<()>,
) -> io::Result<RuntimeSocket<T, Tcp>> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    set(&SockRef::from(&socket))?;
    match socket.connect(&address.into()) {
        Err(error) if !is_in_progress(&error) => return Err(error),
        // Registered after the attempt has begun: epoll reports a socket that is not connecting as writable.
        _ => {}
    }
    let stream = Async::new_nonblocking(TcpStream::from(socket))?;
    stream.writable().await?;
    match stream.get_ref().take_error()? {
        Some(error) => Err(error),
        None => Ok(stream.into()),
    }
}

#[cfg(unix)]
pub(in crate::connect) async fn connect_unix<T>(
    path: &std::path::Path,
) -> io::Result<RuntimeSocket<T, Unix>> {
    Ok(Async::<std::os::unix::net::UnixStream>::connect(path).await?.into())
}

#[cfg(unix)]
const IN_PROGRESS: i32 = libc::EINPROGRESS;
/// `WSAEINPROGRESS`.
#[cfg(not(unix))]
const IN_PROGRESS: i32 = 10036;

fn is_in_progress(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(IN_PROGRESS)
}

impl<T, S> From<Async<S>> for RuntimeSocket<T, SmolSocket<S>> {
    fn from(io: Async<S>) -> Self {
        Self { kind: SocketKind::Smol(SmolSocket { io, stride: Stride::new() }) }
    }
}

impl<T, S> RuntimeSocket<T, SmolSocket<S>> {
    /// The socket of smol, or this socket if it is tokio's.
    pub fn into_smol(self) -> Result<Async<S>, Self> {
        match self.kind {
            SocketKind::Smol(socket) => Ok(socket.io),
            SocketKind::Tokio(_) => Err(self),
        }
    }
}

impl<S> AsyncRead for SmolSocket<S>
where
    Async<S>: FuturesRead + Unpin,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { io, stride } = &mut *self;
        stride.read(buffer, |room| Pin::new(io).poll_read(cx, room))
    }
}

impl<S> AsyncWrite for SmolSocket<S>
where
    Async<S>: FuturesWrite + SocketHandle + Unpin,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        match SockRef::from(&self.io).shutdown(Shutdown::Write) {
            // The peer was faster.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            outcome => Poll::Ready(outcome),
        }
    }
}

#[cfg(unix)]
impl<S: std::os::fd::AsFd> std::os::fd::AsFd for SmolSocket<S> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.io.as_fd()
    }
}

#[cfg(windows)]
impl<S: std::os::windows::io::AsSocket> std::os::windows::io::AsSocket for SmolSocket<S> {
    fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
        self.io.as_socket()
    }
}
