//! Streams after HTTP: upgrades (RFC 9110 §7.8) and tunnels (§9.3.6).

use std::{
    any::Any,
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
};

use http::Response;
use tokio::io::{AsyncRead, ReadBuf};

use crate::{
    error::{Error, Kind},
    io::{
        delegate_read, delegate_write,
        direct::{DirectIo, DirectRead},
    },
    lock,
};

/// Takes the stream out of a response that switched protocols or opened a tunnel.
///
/// Use it for a `101` on HTTP/1.1 and for a `2xx` to `CONNECT` on either version. Bytes that the peer sent right after
/// its response are read first. A request with `Upgrade` offers only HTTP/1.1 to its server. The connection, or on HTTP/2
/// the stream, counts in its pool until the stream is dropped.
///
/// For any other response it fails with an error for which [`Error::is_protocol`] holds.
///
/// # Cancellation
///
/// Dropping the future closes the connection.
pub async fn upgrade<B>(mut response: Response<B>) -> Result<Upgraded, Error> {
    let pending = response.extensions_mut().remove::<Pending>().and_then(|pending| pending.take());
    let Some(PendingStream { bytes, held }) = pending else {
        let message = format!("the {} is no upgrade and no tunnel", response.status());
        return Err(Error::new(Kind::Protocol, message).sent(true));
    };
    Ok(Upgraded { io: bytes.await?, _held: held })
}

/// The stream that follows a response in both directions.
///
/// It implements hyper's [`Read`](hyper::rt::Read) and [`Write`](hyper::rt::Write); wrap it in
/// `hyper_util::rt::TokioIo` for tokio's traits.
pub struct Upgraded {
    io: DirectIo,
    _held: Option<Guard>,
}

/// A stream on its way out of a protocol. Dropped before its guard.
struct PendingStream {
    bytes: Upgrading,
    held: Option<Guard>,
}

type Upgrading = Pin<Box<dyn Future<Output = Result<DirectIo, Error>> + Send>>;
type Guard = Box<dyn Any + Send + Sync>;

/// The extension with the stream of a response. The first `take` gets it.
#[derive(Clone)]
pub(crate) struct Pending(Arc<Mutex<Option<PendingStream>>>);

impl Pending {
    pub(crate) fn new<F>(bytes: F) -> Self
    where
        F: Future<Output = Result<DirectIo, Error>> + Send + 'static,
    {
        Self(Arc::new(Mutex::new(Some(PendingStream { bytes: Box::pin(bytes), held: None }))))
    }

    /// Holds `guard` until the stream is dropped, wherever it moves.
    pub(crate) fn hold(&self, guard: impl Any + Send + Sync) {
        if let Some(switching) = &mut *self.lock() {
            switching.held = Some(Box::new(guard));
        }
    }

    fn take(&self) -> Option<PendingStream> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<PendingStream>> {
        lock::lock(&self.0)
    }
}

delegate_read!([] Upgraded, io in Self { io, .. });
delegate_write!([] Upgraded, io in Self { io, .. });

impl DirectRead for Upgraded {
    fn poll_read_direct(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        AsyncRead::poll_read(Pin::new(&mut self.io), cx, buffer)
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded").finish_non_exhaustive()
    }
}
