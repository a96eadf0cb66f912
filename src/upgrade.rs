//! A connection that has stopped speaking HTTP: upgraded (RFC 9110 §7.8) or a tunnel (§9.3.6).

use std::{
    any::Any,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
};

use http::Response;

use crate::{
    error::{Error, Kind},
    io::{Io, delegate_read, delegate_write},
    lock,
};

/// Takes the bytes out of a response that switched protocols or opened a tunnel.
///
/// It is for a `101` on HTTP/1.1 and for a `2xx` to `CONNECT` on either protocol. What the peer sent right behind its
/// answer comes first. A request with `Upgrade` offers HTTP/1.1 alone to its server. The connection, or on HTTP/2 the stream, counts in its pool until the bytes are dropped.
///
/// A response that did neither gives an error for which [`Error::is_protocol`] holds.
///
/// # Cancellation
///
/// Dropping the future closes the connection.
pub async fn upgrade<B>(mut response: Response<B>) -> Result<Upgraded, Error> {
    let pending = response.extensions_mut().remove::<Pending>().and_then(|pending| pending.take());
    let Some(Switching { bytes, held }) = pending else {
        let message = format!("the {} is no upgrade and no tunnel", response.status());
        return Err(Error::new(Kind::Protocol, message).sent(true));
    };
    Ok(Upgraded { io: bytes.await?, _held: held })
}

/// Bytes in both directions, where a response used to be.
///
/// It has hyper's [`Read`](hyper::rt::Read) and [`Write`](hyper::rt::Write); `hyper_util::rt::TokioIo` makes tokio's out of them.
pub struct Upgraded {
    io: Box<dyn Io>,
    _held: Option<Guard>,
}

/// Bytes on their way out of a protocol. They go before what is held for them.
struct Switching {
    bytes: Upgrading,
    held: Option<Guard>,
}

type Upgrading = Pin<Box<dyn Future<Output = Result<Box<dyn Io>, Error>> + Send>>;
type Guard = Box<dyn Any + Send + Sync>;

/// The extension by which a protocol hands over its bytes: the first to take them has them.
#[derive(Clone)]
pub(crate) struct Pending(Arc<Mutex<Option<Switching>>>);

impl Pending {
    pub(crate) fn new<F>(bytes: F) -> Self
    where
        F: Future<Output = Result<Box<dyn Io>, Error>> + Send + 'static,
    {
        Self(Arc::new(Mutex::new(Some(Switching { bytes: Box::pin(bytes), held: None }))))
    }

    /// Keeps `guard` until the bytes are dropped, whoever has them then.
    pub(crate) fn hold(&self, guard: impl Any + Send + Sync) {
        if let Some(switching) = &mut *self.lock() {
            switching.held = Some(Box::new(guard));
        }
    }

    fn take(&self) -> Option<Switching> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Switching>> {
        lock::lock(&self.0)
    }
}

delegate_read!([] Upgraded, io in Self { io, .. });
delegate_write!([] Upgraded, io in Self { io, .. });

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded").finish_non_exhaustive()
    }
}
