//! The service of a pool.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    body::PoolBody,
    checkout::Checkout,
    shared::{Key, Shared},
    stats::Stats,
};
#[cfg(feature = "client")]
use crate::rt::Runtime;
use crate::{connection::Connection, error::Error, target::Target};

/// A service of requests that pools its connections.
///
/// Clones share one pool. `Debug` prints `Pool(2 active, 1 idle, 3 waiting)`.
pub struct Pool<C, B, K = Target>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    shared: Arc<Shared<C, B, K>>,
}

impl<C, B, K> Pool<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    pub(super) fn new(shared: Arc<Shared<C, B, K>>) -> Self {
        Self { shared }
    }

    #[cfg(feature = "client")]
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.shared.settings.runtime
    }

    /// A snapshot of the pool.
    pub fn stats(&self) -> Stats {
        Stats::of(&self.shared)
    }

    /// Takes no more requests, closes idle connections, and waits up to `grace` until the rest has finished; then aborts
    /// what is still open. Waiting requests fail with an error for which [`Error::is_closed`] holds. Returns whether all
    /// finished in time.
    ///
    /// # Cancellation
    ///
    /// The pool stays closed; only the wait ends.
    pub async fn close(&self, grace: Duration) -> bool {
        self.shared.close(grace).await
    }
}

impl<C, B, K, RB> Service<Request<B>> for Pool<C, B, K>
where
    C: Connection<Request<B>, Response = Response<RB>>,
    B: 'static,
    K: Key,
    RB: Body + Unpin + Send + 'static,
{
    type Response = Response<PoolBody<RB>>;
    type Error = Error;
    type Future = Checkout<C, B, K>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Checkout::new(self.shared.clone(), request)
    }
}

impl<C, B, K> Clone for Pool<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<C, B, K> fmt::Debug for Pool<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        let (active, idle) = (stats.active_connections(), stats.idle_connections());
        write!(f, "Pool({active} active, {idle} idle, {} waiting)", stats.queued)
    }
}
