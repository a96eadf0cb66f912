//! A connector that never connects.

use std::{
    future::pending,
    task::{Context, Poll},
};

use tower_service::Service;

use crate::{
    connect::{Connected, Connecting, MemoryIo},
    error::Error,
    target::Target,
};

/// A connector that is always ready and never connects, like a host that drops every packet.
///
/// ```
/// # #[cfg(all(feature = "http1", feature = "tokio"))]
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), tower_transport::Error> {
/// use std::time::Duration;
/// use tower_transport::{RequestExt, Transport, error::Phase, mock::NeverConnects, options::Timeouts};
///
/// let timeouts = Timeouts::none().connect(Duration::from_secs(5));
/// let transport = Transport::builder().connector(NeverConnects).timeouts(timeouts).build()?;
///
/// let error = transport.request("GET", "http://api.example/").await.unwrap_err();
/// assert_eq!(error.timeout_phase(), Some(Phase::Connect));
/// # Ok(())
/// # }
/// # #[cfg(not(all(feature = "http1", feature = "tokio")))]
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NeverConnects;

impl Service<Target> for NeverConnects {
    type Response = Connected<MemoryIo>;
    type Error = Error;
    type Future = Connecting<MemoryIo>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Target) -> Self::Future {
        Connecting::new(pending())
    }
}
