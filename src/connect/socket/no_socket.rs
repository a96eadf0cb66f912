//! Sockets of a runtime that is not built in, tokio or smol: there are none.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(in crate::connect) type Tcp = NoSocket;
#[cfg(unix)]
pub(in crate::connect) type Unix = NoSocket;

/// No socket.
#[derive(Debug)]
pub enum NoSocket {}

/// Fails: no runtime that is built in asks for it.
pub(in crate::connect) async fn connect_tcp<R>(
    _: SocketAddr,
    _: impl FnOnce(&SockRef<'_>) -> io::Result<()>,
) -> io::Result<R> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
pub(in crate::connect) async fn connect_unix<R>(_: &std::path::Path) -> io::Result<R> {
    Err(io::ErrorKind::Unsupported.into())
}

impl AsyncRead for NoSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match *self {}
    }
}

impl AsyncWrite for NoSocket {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match *self {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for NoSocket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match *self {}
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsSocket for NoSocket {
    fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
        match *self {}
    }
}
