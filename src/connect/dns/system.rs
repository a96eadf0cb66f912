//! The resolver of the operating system, away from the threads that drive tasks.

use std::{
    fmt,
    future::Future,
    io,
    net::{SocketAddr, ToSocketAddrs},
    pin::Pin,
    task::{Context, Poll, ready},
    vec,
};

use tower_service::Service;

use super::Name;
use crate::rt::{Unblock, unblock};

/// The resolver of the operating system: `getaddrinfo`, with its hosts file, search domains and caches.
///
/// It caches nothing. The look-up runs on the blocking threads of the tokio runtime in which it is called; outside of one,
/// on those of smol, or on a thread of its own.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemResolver;

/// The future of the [`SystemResolver`].
///
/// # Cancellation
///
/// Dropping it drops the answer, but a look-up that a thread has started runs to its end: the operating system cannot
/// interrupt it.
pub struct SystemResolving {
    lookup: Unblock<io::Result<vec::IntoIter<SocketAddr>>>,
}

impl SystemResolver {
    /// The resolver of the operating system.
    pub fn new() -> Self {
        Self
    }
}

impl Service<Name> for SystemResolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = SystemResolving;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> SystemResolving {
        SystemResolving { lookup: unblock(move || (name.as_str(), 0).to_socket_addrs()) }
    }
}

impl Future for SystemResolving {
    type Output = io::Result<vec::IntoIter<SocketAddr>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.lookup).poll(cx));
        Poll::Ready(answer.unwrap_or_else(|error| Err(io::Error::other(error))))
    }
}

impl fmt::Debug for SystemResolving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemResolving").finish_non_exhaustive()
    }
}
