//! Sockets as file descriptors.

use std::os::fd::{AsFd, BorrowedFd};

use super::{RuntimeSocket, SocketKind};

/// Shows a socket to [`socket2`].
pub trait SocketHandle: AsFd {}

impl<S: AsFd> SocketHandle for S {}

impl<T: AsFd, S: AsFd> AsFd for RuntimeSocket<T, S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.kind {
            SocketKind::Tokio(socket) => socket.as_fd(),
            SocketKind::Smol(socket) => socket.as_fd(),
        }
    }
}
