//! Byte streams below HTTP.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use hyper::rt::{Read, Write};

pub(crate) mod closed;
#[cfg(feature = "_rustls")]
pub(crate) mod counted;
pub(crate) mod direct;
pub(crate) mod foreign;
#[cfg(any(feature = "http1", feature = "http2"))]
pub(crate) mod greeting;
#[cfg(feature = "http2")]
pub(crate) mod metered;
pub(crate) mod stride;
pub(crate) mod write_count;

/// A byte stream in both directions: an alias for hyper's [`Read`] and [`Write`], never implemented by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a stream of bytes for a connection",
    label = "hyper's `Read` and `Write` are missing here, or `Unpin`, `Send` or `'static`",
    note = "wrap a stream of tokio (`AsyncRead` and `AsyncWrite`) in `hyper_util::rt::TokioIo`"
)]
pub trait Io: Read + Write + Unpin + Send + 'static {
    #[doc(hidden)]
    fn as_any(&self) -> &dyn Any;

    #[doc(hidden)]
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

#[diagnostic::do_not_recommend]
impl<T: Read + Write + Unpin + Send + 'static> Io for T {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

/// Implements hyper's [`Read`] by an inner stream, which each of the patterns binds to the name.
macro_rules! delegate_read {
    ([$($bounds:tt)*] $type:ty, $io:ident in $($pattern:pat),+) => {
        impl<$($bounds)*> hyper::rt::Read for $type {
            fn poll_read(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffer: hyper::rt::ReadBufCursor<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                match &mut *self {
                    $($pattern => hyper::rt::Read::poll_read(std::pin::Pin::new($io), cx, buffer)),+
                }
            }
        }
    };
}

/// Implements hyper's [`Read`] by the type's own [`DirectRead`](direct::DirectRead).
macro_rules! copied_read {
    ([$($bounds:tt)*] $type:ty) => {
        impl<$($bounds)*> hyper::rt::Read for $type {
            fn poll_read(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffer: hyper::rt::ReadBufCursor<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                $crate::io::direct::read_by_copy(&mut *self, cx, buffer)
            }
        }
    };
}

/// Like [`delegate_read`] for [`Write`]; vectored writes stay vectored.
macro_rules! delegate_write {
    ([$($bounds:tt)*] $type:ty, $io:ident in $($pattern:pat),+) => {
        impl<$($bounds)*> hyper::rt::Write for $type {
            fn poll_write(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bytes: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                match &mut *self {
                    $($pattern => hyper::rt::Write::poll_write(std::pin::Pin::new($io), cx, bytes)),+
                }
            }

            fn poll_flush(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                match &mut *self {
                    $($pattern => hyper::rt::Write::poll_flush(std::pin::Pin::new($io), cx)),+
                }
            }

            fn poll_shutdown(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                match &mut *self {
                    $($pattern => hyper::rt::Write::poll_shutdown(std::pin::Pin::new($io), cx)),+
                }
            }

            fn is_write_vectored(&self) -> bool {
                match self {
                    $($pattern => hyper::rt::Write::is_write_vectored($io)),+
                }
            }

            fn poll_write_vectored(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                slices: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                match &mut *self {
                    $($pattern => hyper::rt::Write::poll_write_vectored(std::pin::Pin::new($io), cx, slices)),+
                }
            }
        }
    };
}

/// Implements tokio's `AsyncWrite` by the type's own [`Write`].
macro_rules! tokio_write {
    ([$($bounds:tt)*] $type:ty) => {
        impl<$($bounds)*> tokio::io::AsyncWrite for $type {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bytes: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                hyper::rt::Write::poll_write(self, cx, bytes)
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                hyper::rt::Write::poll_flush(self, cx)
            }

            fn poll_shutdown(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                hyper::rt::Write::poll_shutdown(self, cx)
            }

            fn is_write_vectored(&self) -> bool {
                hyper::rt::Write::is_write_vectored(self)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                slices: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                hyper::rt::Write::poll_write_vectored(self, cx, slices)
            }
        }
    };
}

pub(crate) use {copied_read, delegate_read, delegate_write, tokio_write};

/// Makes a socket read from the kernel instead of relying on the runtime's cached readiness.
///
/// A runtime reports a socket readable only after its reactor has turned. Between the end of one response and the
/// next request on the same connection a busy task may not let it, and then unsolicited bytes, or the end of the
/// stream, are not seen. A connector that can bypass the runtime shares a `Recheck` between its stream and its
/// [`ConnectInfo`](crate::connect::ConnectInfo): an HTTP/1.1 connection that is about to be reused, or an HTTP/2
/// connection that was idle for a millisecond, calls [`request`](Self::request), and the stream's next `poll_read`, if
/// [`take`](Self::take) returns true, reads from the kernel first.
#[derive(Clone, Debug, Default)]
pub struct Recheck {
    state: Arc<RecheckState>,
}

#[derive(Debug, Default)]
struct RecheckState {
    with_next_read: AtomicBool,
    /// Bytes taken by the stream. Here, so that a stream with a recheck needs one allocation for both.
    written: AtomicU64,
}

impl Recheck {
    /// A recheck without a request.
    pub fn new() -> Self {
        Self::default()
    }

    /// The count of bytes that the same stream takes.
    #[cfg_attr(not(feature = "_sockets"), allow(dead_code, reason = "sockets are rechecked"))]
    pub(crate) fn write_count(&self) -> write_count::WriteCount {
        write_count::WriteCount::of(self.state.clone())
    }

    /// Requests a kernel read with the next read.
    pub fn request(&self) {
        self.state.with_next_read.store(true, Ordering::Release);
    }

    /// Whether it was requested since the last call.
    pub fn take(&self) -> bool {
        let flag = &self.state.with_next_read;
        flag.load(Ordering::Acquire) && flag.swap(false, Ordering::AcqRel)
    }
}
