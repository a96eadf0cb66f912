//! Bytes: what a connection is made of before it speaks HTTP.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use hyper::rt::{Read, Write};

#[cfg(feature = "_rustls")]
pub(crate) mod counted;
#[cfg(any(feature = "http1", feature = "http2"))]
pub(crate) mod greeting;
#[cfg(feature = "http2")]
pub(crate) mod metered;
pub(crate) mod write_count;

/// A stream of bytes in both directions: an alias for hyper's [`Read`] and [`Write`], never implemented by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a stream of bytes for a connection",
    label = "hyper's `Read` and `Write` are missing here, or `Unpin`, `Send` or `'static`",
    note = "wrap a stream of tokio (`AsyncRead` and `AsyncWrite`) in `hyper_util::rt::TokioIo`"
)]
pub trait Io: Read + Write + Unpin + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Read + Write + Unpin + Send + 'static> Io for T {}

/// Implements hyper's [`Read`] for a type by the stream inside it, which each of the patterns binds to the name.
macro_rules! delegate_read {
    ([$($bounds:tt)*] $type:ty, $io:ident in $($pattern:pat),+) => {
        impl<$($bounds)*> hyper::rt::Read for $type {
            fn poll_read(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffer: hyper::rt::ReadBufCursor<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                match &mut *self {
                    $($pattern => std::pin::Pin::new($io).poll_read(cx, buffer)),+
                }
            }
        }
    };
}

/// As [`delegate_read`], but [`Write`]; what can write slices together still does.
macro_rules! delegate_write {
    ([$($bounds:tt)*] $type:ty, $io:ident in $($pattern:pat),+) => {
        impl<$($bounds)*> hyper::rt::Write for $type {
            fn poll_write(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bytes: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                match &mut *self {
                    $($pattern => std::pin::Pin::new($io).poll_write(cx, bytes)),+
                }
            }

            fn poll_flush(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                match &mut *self {
                    $($pattern => std::pin::Pin::new($io).poll_flush(cx)),+
                }
            }

            fn poll_shutdown(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                match &mut *self {
                    $($pattern => std::pin::Pin::new($io).poll_shutdown(cx)),+
                }
            }

            fn is_write_vectored(&self) -> bool {
                match self {
                    $($pattern => $io.is_write_vectored()),+
                }
            }

            fn poll_write_vectored(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                slices: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                match &mut *self {
                    $($pattern => std::pin::Pin::new($io).poll_write_vectored(cx, slices)),+
                }
            }
        }
    };
}

pub(crate) use {delegate_read, delegate_write};

/// Asks a socket to look at what the kernel has, not at what the runtime last heard of it.
///
/// A runtime reports a socket readable only after its reactor has turned. Between the end of one response and the
/// next request on the same connection a busy task may not let it, and then an answer nobody asked for, or the end of
/// the stream, is not seen. A connector that can read past the runtime's memory shares a `Recheck` between its stream
/// and its [`ConnectInfo`](crate::connect::ConnectInfo): an HTTP/1.1 connection that is about to be used again, or one of
/// HTTP/2 that has rested for a millisecond, calls [`request`](Self::request), and the stream's next `poll_read`, if
/// [`take`](Self::take) says so, asks the kernel first.
#[derive(Clone, Debug, Default)]
pub struct Recheck {
    wanted: Arc<Wanted>,
}

#[derive(Debug, Default)]
struct Wanted {
    by_the_next_read: AtomicBool,
    before_a_write: AtomicBool,
    /// What the stream has taken: a stream that answers to a recheck counts that as well.
    written: AtomicU64,
}

impl Recheck {
    /// A recheck that nobody has asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A count of what the same stream takes.
    #[cfg_attr(not(feature = "tokio"), allow(dead_code, reason = "sockets are tokio's"))]
    pub(crate) fn write_count(&self) -> write_count::WriteCount {
        write_count::WriteCount::of(self.wanted.clone())
    }

    /// Asks for a look at the kernel with the next read.
    pub fn request(&self) {
        self.wanted.by_the_next_read.store(true, Ordering::Release);
    }

    /// Asks for it, and that nothing is written before, where what comes unasked is nobody's: for HTTP/1.1. The task that
    /// reads and writes may, on another thread, be past its read already.
    pub fn request_before_writing(&self) {
        self.wanted.before_a_write.store(true, Ordering::Release);
        self.request();
    }

    /// Whether a look was asked for since the last time; for a read.
    pub fn take(&self) -> bool {
        if !take(&self.wanted.by_the_next_read) {
            return false;
        }
        take(&self.wanted.before_a_write);
        true
    }

    /// Whether a look was asked for that no read has taken; for a write.
    pub fn take_before_writing(&self) -> bool {
        take(&self.wanted.before_a_write)
    }
}

fn take(wanted: &AtomicBool) -> bool {
    wanted.load(Ordering::Acquire) && wanted.swap(false, Ordering::AcqRel)
}
