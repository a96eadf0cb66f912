//! The future of one pooled request: reuse, join or wait; send; retry if that is safe.

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
    shared::{Key, Shared},
};
use crate::{connection::Connection, error::Error};

mod attempt;
mod failure;
mod task;

use attempt::Attempt;
use task::RequestTask;

pin_project! {
    /// The future of a [`Pool`](super::Pool): the response, whose body holds the connection.
    ///
    /// Once polled, it may be given a connection at any time and holds it from then on: poll it until it is ready, or
    /// drop it. [Why it gets a connection and not a permit](super#poll-what-you-have-started).
    ///
    /// # Cancellation
    ///
    /// Dropped while it waits, it leaves the queue; the dial that it caused goes on and its connection is pooled, unless
    /// [`abandon_dials`](super::PoolLayer::abandon_dials) is set. Dropped after the request was started, it closes an
    /// exclusive connection, and resets its stream of a shared one.
    pub struct Checkout<C, B, K>
    where
        C: Connection<Request<B>>,
        B: 'static,
        K: Key,
    {
        // First, because a stream must be dropped before the lease reports it free.
        #[pin]
        attempt: Attempt<C::Future, B>,
        task: RequestTask<C, B, K>,
    }
}

impl<C, B, K> Checkout<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    pub(super) fn new(pool: Arc<Shared<C, B, K>>, request: Request<B>) -> Self {
        let task = RequestTask::new(pool, &request);
        Self { attempt: Attempt::unsent(request), task }
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
        let task = this.task;
        let in_time = match task.is_out_of_time() {
            true => Poll::Pending,
            false => task.poll(this.attempt.as_mut(), cx),
        };
        let outcome = match in_time {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => {
                let is_sent = this.attempt.is_sent();
                Err(ready!(task.poll_total(is_sent, cx)))
            }
        };
        Poll::Ready(outcome.map_err(|error| {
            // Before the lease, which `ended` drops.
            this.attempt.set(Attempt::Over);
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
        let key = self.task.key_name(self.attempt.request());
        f.debug_struct("Checkout").field("key", &key).finish_non_exhaustive()
    }
}
