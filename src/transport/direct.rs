//! The innermost part of the default stack: straight to the host by TCP, or to a Unix socket.

use std::task::{Context, Poll};

use tower_service::Service;

use super::{Base, Stack, TransportBuilder};
use crate::{
    body::Body,
    connect::{Connect, Connected, Connecting, Resolve, TcpConnector, UnixConnector},
    error::Error,
    io::Io,
    negotiate::HttpConnection,
    options::Timeouts,
    pool::Pool,
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
        self.given(Box::new(|stack, timeouts, runtime| {
            let tcp = tcp(timeouts, runtime).resolver(resolver);
            stack.over(Direct { tcp, unix: UnixConnector::new() })
        }));
        self
    }
}

pub(super) fn under(
    stack: Stack,
    timeouts: Timeouts,
    runtime: Runtime,
) -> Pool<HttpConnection<Body>, Body> {
    let tcp = tcp(timeouts, runtime);
    stack.over(Direct { tcp, unix: UnixConnector::new() })
}

/// What of the settings excludes what.
pub(super) fn check(_connector_is_given: bool, resolves: bool, base: &Base) -> Result<(), Error> {
    let by_unix = matches!(base.route, Route::Unix(_));
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

impl<T> Service<Target> for Direct<T>
where
    T: Connect<Target, Error = Error, Future = Connecting<<T as Connect<Target>>::Io>>,
{
    type Response = Connected<Box<dyn Io>>;
    type Error = Error;
    type Future = Connecting<Box<dyn Io>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // The Unix connector is always ready.
        self.tcp.poll_ready(cx)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        match target.route {
            Route::Unix(_) => boxed(self.unix.call(target)),
            _ => boxed(self.tcp.call(target)),
        }
    }
}

/// One type for the bytes of either.
fn boxed<I: Io>(connecting: Connecting<I>) -> Connecting<Box<dyn Io>> {
    Connecting::new(async move {
        let Connected { io, info } = connecting.await?;
        Ok(Connected { io: Box::new(io) as Box<dyn Io>, info })
    })
}
