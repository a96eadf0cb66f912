//! Retries temporary failures to connect.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{Connect, Connected, is_temporary, poll_connector};
use crate::{
    error::{BoxError, Error},
    rt::{Runtime, Sleep},
    target::Target,
};

/// The wait before the third attempt; it doubles from there.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest wait: by then every deadline has passed.
const LONGEST_WAIT: Duration = Duration::from_secs(64);

/// Retries a connector up to this many times, after 0, 0.5, 1, 2, 4 … s.
///
/// Permanent errors are not retried: a refused certificate, an invalid target. No request has been sent by then, so this
/// is safe for every method. The time of all attempts counts against the caller's deadlines.
///
/// ```
/// use tower::{Layer, ServiceBuilder};
/// use tower_transport::connect::{ConnectRetryLayer, MemoryConnector};
/// # use tower_transport::{connect::Connect, target::Target};
///
/// let (connector, _listener) = MemoryConnector::pair();
/// # #[cfg(feature = "tokio")]
/// let connector = ServiceBuilder::new().layer(ConnectRetryLayer::new(3)).service(connector);
/// # fn connects<C: Connect<Target>>(_: C) {}
/// # connects(connector);
/// ```
#[derive(Clone, Debug)]
pub struct ConnectRetryLayer {
    retries: u32,
    runtime: Runtime,
}

/// The service of a [`ConnectRetryLayer`].
#[derive(Clone, Debug)]
pub struct ConnectRetry<C> {
    inner: C,
    retries: u32,
    runtime: Runtime,
}

impl ConnectRetryLayer {
    /// Retries a failed attempt up to this number of times; any number is allowed.
    pub fn new(retries: u32) -> Self {
        Self { retries, runtime: Runtime::default() }
    }

    /// Sets where the timer runs. Default: tokio, unless the crate is built without it.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }
}

impl<C> Layer<C> for ConnectRetryLayer {
    type Service = ConnectRetry<C>;

    fn layer(&self, inner: C) -> ConnectRetry<C> {
        ConnectRetry { inner, retries: self.retries, runtime: self.runtime.clone() }
    }
}

pin_project! {
    /// The future of [`ConnectRetry`]: all attempts.
    ///
    /// # Cancellation
    ///
    /// As that of the connector below.
    pub struct Reconnecting<C: Service<Target>> {
        target: Target,
        // `None` where there are no retries.
        again: Option<ConnectRetries<C>>,
        #[pin]
        state: ReconnectState<C::Future>,
    }
}

/// The state for further attempts.
struct ConnectRetries<C> {
    connector: C,
    /// Failed attempts so far.
    retry: u32,
    retries: u32,
    runtime: Runtime,
}

pin_project! {
    #[project = ReconnectStateProj]
    enum ReconnectState<F> {
        Connecting { #[pin] attempt: F },
        Pausing { sleep: Sleep },
        GettingReady,
    }
}

impl<C: Connect<Target> + Clone + Send + 'static> Service<Target> for ConnectRetry<C> {
    type Response = Connected<C::Io>;
    type Error = Error;
    type Future = Reconnecting<C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        poll_connector(&mut self.inner, cx)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let again = (self.retries > 0).then(|| ConnectRetries {
            connector: self.inner.clone(),
            retry: 0,
            retries: self.retries,
            runtime: self.runtime.clone(),
        });
        let attempt = self.inner.call(target.clone());
        Reconnecting { target, again, state: ReconnectState::Connecting { attempt } }
    }
}

impl<C: Connect<Target>> Future for Reconnecting<C> {
    type Output = Result<Connected<C::Io>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let target = this.target;
        let failed =
            |error: BoxError| Error::from_connector(error, format!("connecting to {target}"));
        loop {
            let next = match this.state.as_mut().project() {
                ReconnectStateProj::Connecting { attempt } => {
                    let error = match ready!(attempt.poll(cx)) {
                        Ok(connected) => return Poll::Ready(Ok(connected)),
                        Err(error) => error.into(),
                    };
                    let sleep = this.again.as_mut().and_then(|again| again.pause(&error));
                    let Some(sleep) = sleep else { return Poll::Ready(Err(failed(error))) };
                    ReconnectState::Pausing { sleep }
                }
                ReconnectStateProj::Pausing { sleep } => {
                    ready!(Pin::new(sleep).poll(cx));
                    ReconnectState::GettingReady
                }
                ReconnectStateProj::GettingReady => {
                    let Some(again) = this.again else { return Poll::Pending };
                    let ready = ready!(again.connector.poll_ready(cx));
                    ready.map_err(|error| failed(error.into()))?;
                    ReconnectState::Connecting { attempt: again.connector.call(target.clone()) }
                }
            };
            this.state.set(next);
        }
    }
}

impl<C> ConnectRetries<C> {
    /// The wait before the next attempt; `None` if there is none.
    fn pause(&mut self, error: &BoxError) -> Option<Sleep> {
        if self.retry == self.retries || !is_temporary(&**error) {
            return None;
        }
        let wait = wait_before(self.retry);
        self.retry += 1;
        Some(self.runtime.sleep(wait))
    }
}

impl<C: Service<Target>> fmt::Debug for Reconnecting<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnecting").field("target", &self.target).finish_non_exhaustive()
    }
}

/// Zero before the first retry, then half a second, doubled each time.
fn wait_before(retry: u32) -> Duration {
    let Some(doublings) = retry.checked_sub(1) else { return Duration::ZERO };
    FIRST_WAIT.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_double_up_to_about_a_minute() {
        let millis = |retry| wait_before(retry).as_millis();
        assert_eq!([0, 1, 2, 3, 4, 5].map(millis), [0, 500, 1_000, 2_000, 4_000, 8_000]);
        assert_eq!([8, 9, 33, 34, u32::MAX].map(millis), [64_000; 5]);
    }
}
