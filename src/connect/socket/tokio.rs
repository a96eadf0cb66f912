//! Sockets of tokio.

use std::{io, net::SocketAddr};

use socket2::SockRef;
use tokio::{
    net::{TcpSocket, TcpStream},
    runtime::Handle,
};

use super::{RuntimeSocket, SocketKind};

pub(in crate::connect) type Tcp = TcpStream;
#[cfg(unix)]
pub(in crate::connect) type Unix = tokio::net::UnixStream;

/// Connects a socket that `set` has prepared. Dropping the future closes it.
pub(in crate::connect) async fn connect_tcp<S>(
    address: SocketAddr,
    set: impl FnOnce(&SockRef<'_>) -> io::Result<()>,
) -> io::Result<RuntimeSocket<Tcp, S>> {
    require_runtime()?;
    let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
    set(&SockRef::from(&socket))?;
    Ok(socket.connect(address).await?.into())
}

#[cfg(unix)]
pub(in crate::connect) async fn connect_unix<S>(
    path: &std::path::Path,
) -> io::Result<RuntimeSocket<Unix, S>> {
    require_runtime()?;
    Ok(Unix::connect(path).await?.into())
}

/// Outside of a runtime tokio's sockets panic.
fn require_runtime() -> io::Result<()> {
    match Handle::try_current() {
        Ok(_) => Ok(()),
        Err(error) => Err(io::Error::new(io::ErrorKind::Unsupported, error)),
    }
}

impl<S> From<Tcp> for RuntimeSocket<Tcp, S> {
    fn from(socket: Tcp) -> Self {
        Self { kind: SocketKind::Tokio(socket) }
    }
}

#[cfg(unix)]
impl<S> From<Unix> for RuntimeSocket<Unix, S> {
    fn from(socket: Unix) -> Self {
        Self { kind: SocketKind::Tokio(socket) }
    }
}

impl<T, S> RuntimeSocket<T, S> {
    /// The socket of tokio, or this socket if it is smol's.
    pub fn into_tokio(self) -> Result<T, Self> {
        match self.kind {
            SocketKind::Tokio(socket) => Ok(socket),
            SocketKind::Smol(_) => Err(self),
        }
    }
}
