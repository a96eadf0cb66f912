//! Sockets without the feature `tokio`: tokio has none.

use std::{io, net::SocketAddr};

use socket2::SockRef;

use super::{RuntimeSocket, no_socket::NoSocket};

pub(in crate::connect) type Tcp = NoSocket;
#[cfg(unix)]
pub(in crate::connect) type Unix = NoSocket;

/// Without tokio, no runtime asks for it.
pub(in crate::connect) async fn connect_tcp<S>(
    _: SocketAddr,
    _: impl FnOnce(&SockRef<'_>) -> io::Result<()>,
) -> io::Result<RuntimeSocket<Tcp, S>> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
pub(in crate::connect) async fn connect_unix<S>(
    _: &std::path::Path,
) -> io::Result<RuntimeSocket<Unix, S>> {
    Err(io::ErrorKind::Unsupported.into())
}
