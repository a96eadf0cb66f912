//! The innermost part of the default stack: straight to the host by TCP, or to a Unix socket.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{HttpPool, Stack, TransportBuilder, builder::Base};
use crate::{
    connect::{Connect, Connected, Connecting, Resolve, TcpConnector, UnixConnector, UnixIo},
    error::Error,
    io::{Io, delegate_read, delegate_write},
    options::Timeouts,
    rt::Runtime,
    target::{Route, Target},
};

impl TransportBuilder {
    /// Finds addresses by this resolver instead of the system's.
    pub fn resolver<R>(mut self, resolver: R) -> Self
    where
        R: Resolve + Clone + Send + 'static,
    {
        self.resolves = true;
        self.given(Box::new(|mut stack, timeouts, runtime| {
            let tcp = tcp(timeouts, runtime).resolver(resolver.clone());
            stack.proxy = stack.proxy.resolver(resolver);
            stack.over(Direct { tcp, unix: UnixConnector::new() })
        }));
        self
    }
}

pub(super) fn under(stack: Stack, timeouts: Timeouts, runtime: Runtime) -> HttpPool {
    let tcp = tcp(timeouts, runtime);
    stack.over(Direct { tcp, unix: UnixConnector::new() })
}

/// What of the settings excludes what.
pub(super) fn check(_connector_is_given: bool, resolves: bool, base: &Base) -> Result<(), Error> {
    let by_unix = base.unix_socket.is_some();
    let mistake = match (by_unix, base.local_address.is_some(), resolves) {
        (true, true, _) => "a Unix socket has no local address",
        (true, _, true) => "a Unix socket needs no resolver",
        _ => return Ok(()),
    };
    Err(Error::builder(format!("building the transport: {mistake}")))
}

/// The pool bounds every dial by what the request allows, so this plans only.
fn tcp(timeouts: Timeouts, runtime: Runtime) -> TcpConnector {
    TcpConnector::new().planned_time(timeouts.connect).runtime(runtime)
}

/// Goes by the route of the target.
#[derive(Clone)]
struct Direct<T> {
    tcp: T,
    unix: UnixConnector,
}

/// The bytes of either.
enum DirectIo<I> {
    Tcp(I),
    Unix(UnixIo),
}

delegate_read!([I: Io] DirectIo<I>, io in Self::Tcp(io), Self::Unix(io));
delegate_write!([I: Io] DirectIo<I>, io in Self::Tcp(io), Self::Unix(io));

impl<T, I: Io> Service<Target> for Direct<T>
where
    T: Connect<Target, Io = I, Error = Error, Future = Connecting<I>>,
{
    type Response = Connected<DirectIo<I>>;
    type Error = Error;
    type Future = DirectFuture<I>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // The Unix connector is always ready.
        self.tcp.poll_ready(cx)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        match target.route {
            Route::Unix(_) => DirectFuture::Unix(self.unix.call(target)),
            _ => DirectFuture::Tcp(self.tcp.call(target)),
        }
    }
}

/// The future of either.
enum DirectFuture<I> {
    Tcp(Connecting<I>),
    Unix(Connecting<UnixIo>),
}

impl<I: Io> Future for DirectFuture<I> {
    type Output = Result<Connected<DirectIo<I>>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Tcp(tcp) => Pin::new(tcp).poll(cx).map_ok(|it| it.map(DirectIo::Tcp)),
            Self::Unix(unix) => Pin::new(unix).poll(cx).map_ok(|it| it.map(DirectIo::Unix)),
        }
    }
}
