//! A type-erased resolver.

use std::{
    fmt,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use tower_service::Service;

use super::{Name, Resolve};
use crate::{error::BoxError, lock};

/// Any resolver. Each question goes to a clone of it.
#[derive(Clone)]
pub(crate) struct AnyResolver {
    resolve: Arc<dyn Fn(Name) -> Resolving + Send + Sync>,
}

type Resolving = Pin<Box<dyn Future<Output = Result<Vec<SocketAddr>, BoxError>> + Send>>;

impl AnyResolver {
    pub(crate) fn new<R: Resolve + Clone + Send + 'static>(resolver: R) -> Self {
        // The mutex makes a service that is only `Send` `Sync`; only a clone is made under it.
        let resolver = Mutex::new(resolver);
        let resolve = move |name| -> Resolving {
            let mut resolver = lock::lock(&resolver).clone();
            Box::pin(async move {
                std::future::poll_fn(|cx| resolver.poll_ready(cx)).await.map_err(Into::into)?;
                let answer = resolver.call(name).await.map_err(Into::into)?;
                Ok(answer.into_iter().collect())
            })
        };
        Self { resolve: Arc::new(resolve) }
    }
}

impl Service<Name> for AnyResolver {
    type Response = Vec<SocketAddr>;
    type Error = BoxError;
    type Future = Resolving;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Resolving {
        (self.resolve)(name)
    }
}

impl fmt::Debug for AnyResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyResolver").finish_non_exhaustive()
    }
}
