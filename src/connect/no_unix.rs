//! The Unix connector on systems without Unix sockets: every connection fails with a clear error.

use std::{
    path::Path,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{Connected, Connecting, TcpIo, TcpSocket};
use crate::{error::Error, rt::Runtime, target::Target};

/// Connects to Unix sockets, which this system does not have: every connection is an error.
#[derive(Clone, Debug, Default)]
pub struct UnixConnector {}

/// The stream of a Unix socket, never created here.
pub type UnixIo = TcpIo;

/// The socket of a [`UnixConnector`], never created here.
pub type UnixSocket = TcpSocket;

impl UnixConnector {
    /// A connector for targets whose route is a Unix socket.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the runtime, which needs no sockets here.
    pub fn runtime(self, _: Runtime) -> Self {
        self
    }

    /// A connector to one socket.
    pub fn to(_path: impl AsRef<Path>) -> Self {
        Self::default()
    }
}

impl Service<Target> for UnixConnector {
    type Response = Connected<UnixIo>;
    type Error = Error;
    type Future = Connecting<UnixIo>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let error = Error::builder(format!("connecting to {target}: no Unix sockets here"));
        Connecting::new(std::future::ready(Err(error)))
    }
}
