//! Sockets without the feature `smol`: smol has none.

use std::{io, net::SocketAddr};

use socket2::SockRef;

use super::{RuntimeSocket, no_socket::NoSocket};

pub(in crate::connect) type Tcp = NoSocket;
#[cfg(unix)]
pub(in crate::connect) type Unix = NoSocket;

/// Without smol, no runtime asks for it.
pub(in crate::connect) async fn connect_tcp<T>(
    _: SocketAddr,
    _: impl FnOnce(&SockRef<'_>) -> io::Result<()>,
) -> io::Result<RuntimeSocket<T, Tcp>> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
pub(in crate::connect) async fn connect_unix<T>(
    _: &std::path::Path,
) -> io::Result<RuntimeSocket<T, Unix>> {
    Err(io::ErrorKind::Unsupported.into())
}
