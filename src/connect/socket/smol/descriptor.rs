//! Sockets of smol as file descriptors.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use super::SmolSocket;

impl<S: AsFd> AsFd for SmolSocket<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

/// Whether the kernel goes on connecting. `EAGAIN` differs: for lack of a resource nothing has begun.
pub(super) fn is_in_progress(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINPROGRESS)
}
