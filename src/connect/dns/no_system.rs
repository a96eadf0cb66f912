//! The system resolver without sockets: every look-up fails with a clear error.

use std::{
    future::{Ready, ready},
    net::SocketAddr,
    task::{Context, Poll},
    vec,
};

use tower_service::Service;

use super::Name;
use crate::error::Error;

/// The resolver of the operating system, not available without the features `tokio` and `smol`: every question is an
/// error for which [`is_builder`](Error::is_builder) holds.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemResolver;

/// The future of the [`SystemResolver`].
pub type SystemResolving = Ready<Result<vec::IntoIter<SocketAddr>, Error>>;

impl SystemResolver {
    /// The resolver of the operating system.
    pub fn new() -> Self {
        Self
    }
}

impl Service<Name> for SystemResolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Error;
    type Future = SystemResolving;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> SystemResolving {
        let doing = format!(
            "resolving {name}: give a resolver, or build with the feature `tokio` or `smol`"
        );
        ready(Err(Error::builder(doing)))
    }
}
