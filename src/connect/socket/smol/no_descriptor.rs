//! Sockets of smol as handles of Windows.

use std::{
    io,
    os::windows::io::{AsSocket, BorrowedSocket},
};

use super::SmolSocket;

impl<S: AsSocket> AsSocket for SmolSocket<S> {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.io.as_socket()
    }
}

/// Whether the kernel goes on connecting: its code for that is `WSAEWOULDBLOCK`.
pub(super) fn is_in_progress(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}
