//! The resolver of the operating system, on tokio's blocking threads.

use std::{
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use tower_service::Service;

use super::Name;

/// The resolver of the operating system: `getaddrinfo`, with its hosts file, search domains and caches.
///
/// It caches nothing. Call it within a tokio runtime, whose blocking threads run the look-up.
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
    future: Pin<Box<dyn Future<Output = io::Result<vec::IntoIter<SocketAddr>>> + Send>>,
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
        let future = async move {
            let addresses = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(addresses.collect::<Vec<_>>().into_iter())
        };
        SystemResolving { future: Box::pin(future) }
    }
}

impl Future for SystemResolving {
    type Output = io::Result<vec::IntoIter<SocketAddr>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.future.as_mut().poll(cx)
    }
}

impl fmt::Debug for SystemResolving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemResolving").finish_non_exhaustive()
    }
}
