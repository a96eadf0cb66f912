//! Sockets as handles of Windows, where they are no file descriptors.

use std::os::windows::io::{AsSocket, BorrowedSocket};

use super::{RuntimeSocket, SocketKind};

/// Shows a socket to [`socket2`].
pub trait SocketHandle: AsSocket {}

impl<S: AsSocket> SocketHandle for S {}

impl<T: AsSocket, S: AsSocket> AsSocket for RuntimeSocket<T, S> {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        match &self.kind {
            SocketKind::Tokio(socket) => socket.as_socket(),
            SocketKind::Smol(socket) => socket.as_socket(),
        }
    }
}
