//! Cancels a request that another thread waits for.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use tokio::sync::Notify;

use super::Blocking;
use crate::{
    error::{Error, Kind},
    request::RequestBuilder,
};

/// Cancels requests that other threads wait for.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::{net::TcpListener, thread};
/// use tower_transport::blocking::{self, Canceler};
///
/// let silent = TcpListener::bind("127.0.0.1:0")?;
/// let canceler = Canceler::new();
/// let request = blocking::request("GET", format!("http://{}/", silent.local_addr()?));
/// let request = request.canceler(&canceler);
/// let waiting = thread::spawn(|| request.send());
/// canceler.cancel();
/// assert!(waiting.join().unwrap().unwrap_err().is_canceled());
/// # Ok(())
/// # }
/// ```
///
/// One canceler serves any number of requests, before and after they start. Cancelling is final. Clones are the same canceler.
#[derive(Clone, Default)]
pub struct Canceler {
    state: Arc<CancelState>,
}

#[derive(Default)]
struct CancelState {
    is_canceled: AtomicBool,
    canceled: Notify,
}

impl Canceler {
    /// Makes a canceler that is not yet attached to a request.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends all its requests, from any thread, and all that begin later.
    ///
    /// Each fails with an error for which [`is_canceled`](Error::is_canceled) holds, as does the next read of a body. What was sent of
    /// a request may have arrived.
    pub fn cancel(&self) {
        self.state.is_canceled.store(true, Ordering::SeqCst);
        self.state.canceled.notify_waiters();
    }

    /// Whether [`cancel`](Self::cancel) was called.
    pub fn is_canceled(&self) -> bool {
        self.state.is_canceled.load(Ordering::SeqCst)
    }

    async fn canceled(&self) {
        // Before the look, so that a call after it is noticed.
        let canceled = self.state.canceled.notified();
        if !self.is_canceled() {
            canceled.await;
        }
    }
}

/// The output of a future, unless it is canceled before.
pub(super) async fn unless_canceled<F: Future>(
    canceler: Canceler,
    future: F,
) -> Result<F::Output, Error> {
    if canceler.is_canceled() {
        return Err(canceled());
    }
    let (mut future, mut cancel) = (pin!(future), pin!(canceler.canceled()));
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        cancel.as_mut().poll(cx).map(|()| Err(canceled()))
    })
    .await
}

/// Whether the request was sent is not known.
pub(super) fn canceled() -> Error {
    Error::custom(Kind::Canceled, "the request was canceled by its `Canceler`")
}

impl<S, A> RequestBuilder<Blocking<S>, A> {
    /// Lets this canceler end the request, and the reading of its response.
    pub fn canceler(self, canceler: &Canceler) -> Self {
        self.extension(canceler.clone())
    }
}

impl fmt::Debug for Canceler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canceler").field("is_canceled", &self.is_canceled()).finish_non_exhaustive()
    }
}
