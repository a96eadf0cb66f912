//! Connects again after a failure that may pass.

use std::{
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};

use tower_layer::Layer;
use tower_service::Service;

use super::{Connect, Connected, Connecting, is_temporary, poll_connector, take_polled};
use crate::{
    error::{BoxError, Error},
    rt::Runtime,
    target::Target,
};

/// The wait before the third attempt; it doubles from there.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// No wait is longer: by then every deadline has passed.
const LONGEST_WAIT: Duration = Duration::from_secs(64);

/// Connects up to so many times more, after 0, 0.5, 1, 2, 4 … s.
///
/// Errors that another attempt will not mend are final: a certificate that was refused, a target that is not valid.
/// Nothing of any request has been sent by then, so this is safe for every method. What the first attempts cost counts
/// against the caller's deadlines.
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

/// What a [`ConnectRetryLayer`] makes of a connector.
#[derive(Clone, Debug)]
pub struct ConnectRetry<C> {
    inner: C,
    retries: u32,
    runtime: Runtime,
}

#[cfg(feature = "tokio")]
impl ConnectRetryLayer {
    /// So many retries, any number, that is one attempt more, timed by tokio.
    pub fn new(retries: u32) -> Self {
        Self::on(Runtime::tokio(), retries)
    }
}

impl ConnectRetryLayer {
    /// So many retries, timed by this runtime.
    pub fn on(runtime: Runtime, retries: u32) -> Self {
        Self { retries, runtime }
    }
}

impl<C> Layer<C> for ConnectRetryLayer {
    type Service = ConnectRetry<C>;

    fn layer(&self, inner: C) -> ConnectRetry<C> {
        ConnectRetry { inner, retries: self.retries, runtime: self.runtime.clone() }
    }
}

impl<C: Connect<Target> + Clone + Send + 'static> Service<Target> for ConnectRetry<C> {
    type Response = Connected<C::Io>;
    type Error = Error;
    type Future = Connecting<C::Io>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        poll_connector(&mut self.inner, cx)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let ready = take_polled(&mut self.inner);
        let (retries, runtime) = (self.retries, self.runtime.clone());
        Connecting::new(async move {
            let connected = connect(ready, &target, retries, runtime).await;
            connected
                .map_err(|error| Error::from_connector(error, format!("connecting to {target}")))
        })
    }
}

/// Calls a connector that is ready, and again each time after it has become ready again.
async fn connect<C: Connect<Target>>(
    mut connector: C,
    target: &Target,
    retries: u32,
    runtime: Runtime,
) -> Result<Connected<C::Io>, BoxError> {
    let mut retry = 0;
    loop {
        let error = match connector.call(target.clone()).await.map_err(Into::into) {
            Ok(connected) => return Ok(connected),
            Err(error) => error,
        };
        if retry == retries || !is_temporary(&*error) {
            return Err(error);
        }
        runtime.sleep(wait_before(retry)).await;
        poll_fn(|cx| connector.poll_ready(cx)).await.map_err(Into::into)?;
        retry += 1;
    }
}

/// None before the first retry, then half a second, doubled each time.
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
