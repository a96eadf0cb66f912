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
    shared::{Key, Shared},
};
use crate::{connection::Connection, error::Error};

mod failure;
mod task;

use task::RequestTask;

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
        Self { sending: None, task: RequestTask::new(pool, request) }
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
        let in_time = match task.has_no_time() {
            true => Poll::Pending,
            false => task.poll(this.sending.as_mut(), cx),
        };
        let outcome = match in_time {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => {
                let is_sent = this.sending.is_some();
                Err(ready!(task.poll_total(is_sent, cx)))
            }
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
        f.debug_struct("Checkout").field("key", &self.task.key_name()).finish_non_exhaustive()
    }
}
