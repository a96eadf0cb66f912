//! The future of this crate's connectors: an opaque type with a name.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use super::Connected;
use crate::{
    error::{Error, Phase},
    rt::Runtime,
    target::Target,
};

/// A stream that is being connected.
///
/// # Cancellation
///
/// Dropping it closes what was opened so far. The tcp, unix and memory connectors leave nothing behind, except a look-up of
/// the system's resolver, whose result is dropped.
pub struct Connecting<I> {
    future: Pin<Box<dyn Future<Output = Result<Connected<I>, Error>> + Send>>,
}

impl<I> Connecting<I> {
    pub(crate) fn new(
        future: impl Future<Output = Result<Connected<I>, Error>> + Send + 'static,
    ) -> Self {
        Self { future: Box::pin(future) }
    }
}

impl<I: Send + 'static> Connecting<I> {
    /// Limits its time.
    pub(crate) fn within(self, limit: Option<Duration>, runtime: Runtime, target: Target) -> Self {
        if limit.is_none() {
            return self;
        }
        Self::new(async move {
            let outcome = runtime.within(limit, self).await;
            outcome.unwrap_or_else(|| Err(too_slow(limit, &target)))
        })
    }
}

/// The error of a connector that took longer than this.
pub(crate) fn too_slow(limit: Option<Duration>, target: &Target) -> Error {
    let doing = format_args!("connecting to {target}");
    Error::timed_out(Phase::Connect, limit.unwrap_or_default(), doing)
}

impl<I> Future for Connecting<I> {
    type Output = Result<Connected<I>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.future.as_mut().poll(cx)
    }
}

impl<I> fmt::Debug for Connecting<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting").finish_non_exhaustive()
    }
}
