//! One request's way through a pool, as a future: reuse, join or wait; send; and, if that is safe, once more.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;

use super::{
    body::PoolBody,
    local_key::LocalKey,
    shared::{Key, Shared, name_of},
};
use crate::{connection::Connection, error::Error};

mod task;

use task::{RequestTask, polled_again};

pin_project! {
    /// The future of a [`Pool`](super::Pool): the response, whose body holds the connection.
    ///
    /// Once it was polled it may be given a connection at any time, and holds it from then on: poll it until it is ready, or
    /// drop it. [Why it is given more than a permission](super#poll-what-you-have-started).
    ///
    /// # Cancellation
    ///
    /// Dropped while it waits, it leaves the line; a connection that was being made for it is kept for others, unless
    /// [`abandon_dials`](super::PoolLayer::abandon_dials) says otherwise. Dropped after the request was begun, it costs
    /// an exclusive connection, and a stream of a shared one.
    pub struct Checkout<C, B, K>
    where
        C: Connection<Request<B>>,
        B: 'static,
        K: Key,
    {
        // Beside the steps and not in one of them, because it is large: so it is not moved with them. It comes first,
        // because a stream must be given up before the lease says that it is free.
        #[pin]
        sending: Option<C::Future>,
        task: Result<RequestTask<C, B, K>, Option<Error>>,
    }
}

impl<C, B, K> Checkout<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    pub(super) fn new(pool: Arc<Shared<C, B, K>>, request: Request<B>) -> Self {
        let task = match (pool.key)(&request) {
            Ok(key) => {
                let runtime = pool.runtime.current();
                Ok(RequestTask::new(pool, LocalKey { key, runtime }, request))
            }
            Err(error) => {
                if let Some(told) = pool.audience.told_of(&request, &pool.runtime) {
                    told.request.fail(|| error.clone());
                }
                Err(Some(error))
            }
        };
        Self { sending: None, task }
    }
}

impl<C, B, K, RB> Future for Checkout<C, B, K>
where
    C: Connection<Request<B>, Response = Response<RB>>,
    B: 'static,
    K: Key,
    RB: Body + Unpin + Send + 'static,
{
    type Output = Result<Response<PoolBody<RB>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let task = match this.task {
            Ok(task) => task,
            Err(error) => return Poll::Ready(Err(error.take().unwrap_or_else(polled_again))),
        };
        let in_time = match task.has_no_time() {
            true => Poll::Pending,
            false => task.poll(this.sending.as_mut(), cx),
        };
        let outcome = match in_time {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Err(ready!(task.poll_total(cx))),
        };
        Poll::Ready(outcome.map_err(|error| {
            this.sending.set(None);
            task.ended(error)
        }))
    }
}

impl<C, B, K> fmt::Debug for Checkout<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.task.as_ref().ok().map(|task| name_of(&task.key));
        f.debug_struct("Checkout").field("key", &key).finish_non_exhaustive()
    }
}
