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
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{RuntimeSocket, SocketKind, descriptor::SocketHandle};
use crate::io::stride::Stride;

#[cfg(unix)]
mod descriptor;
#[cfg(not(unix))]
#[path = "smol/no_descriptor.rs"]
mod descriptor;

use descriptor::is_in_progress;

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
    Ok(connect::<TcpStream>(socket, &address.into()).await?.into())
}

#[cfg(unix)]
pub(in crate::connect) async fn connect_unix<T>(
    path: &std::path::Path,
) -> io::Result<RuntimeSocket<T, Unix>> {
    let address = SockAddr::unix(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(connect::<std::os::unix::net::UnixStream>(socket, &address).await?.into())
}

async fn connect<S: From<Socket> + SocketHandle>(
    socket: Socket,
    address: &SockAddr,
) -> io::Result<Async<S>> {
    match socket.connect(address) {
        Err(error) if !is_in_progress(&error) => return Err(error),
        // Registered after the attempt has begun: epoll reports a socket that is not connecting as writable.
        _ => {}
    }
    let stream = Async::new_nonblocking(S::from(socket))?;
    stream.writable().await?;
    match SockRef::from(&stream).take_error()? {
        Some(error) => Err(error),
        None => Ok(stream),
    }
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
