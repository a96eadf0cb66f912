//! The innermost part of the default stack: straight to the host by TCP, or to a Unix socket.

use std::task::{Context, Poll};

use tower_service::Service;

use super::{Base, Connector, Stack, TransportBuilder};
use crate::{
    body::Body,
    connect::{Connect, Connected, Connecting, Resolve, TcpConnector},
    error::Error,
    io::Io,
    negotiate::HttpConnection,
    pool::Pool,
    target::{Route, Target},
};

#[cfg(unix)]
use crate::connect::UnixConnector;

impl TransportBuilder {
    /// Finds addresses by this resolver instead of the system's.
    pub fn resolver<R>(mut self, resolver: R) -> Self
    where
        R: Resolve + Clone + Send + 'static,
    {
        self.resolves = true;
        self.given(Box::new(|stack| {
            let tcp = tcp(&stack).resolver(resolver);
            stack.over(Direct::new(tcp))
        }));
        self
    }
}

pub(super) fn under(stack: Stack) -> Pool<HttpConnection<Body>, Body> {
    let tcp = tcp(&stack);
    stack.over(Direct::new(tcp))
}

/// What the parts cannot do together.
pub(super) fn check(_connector: &Connector, resolves: bool, base: &Base) -> Result<(), Error> {
    let unix = matches!(base.route, Route::Unix(_));
    match (unix, base.local_address.is_some(), resolves) {
        (true, true, _) => Err(mistake("a Unix socket has no local address")),
        (true, _, true) => Err(mistake("a Unix socket needs no resolver")),
        _ => Ok(()),
    }
}

fn mistake(what: &str) -> Error {
    Error::builder(format!("building the transport: {what}"))
}

fn tcp(stack: &Stack) -> TcpConnector {
    TcpConnector::new().connect_timeout(stack.timeouts.connect).runtime(stack.runtime.clone())
}

/// Goes by the route of the target.
#[derive(Clone)]
struct Direct<T> {
    tcp: T,
    #[cfg(unix)]
    unix: UnixConnector,
}

impl<T> Direct<T> {
    fn new(tcp: T) -> Self {
        Self {
            tcp,
            #[cfg(unix)]
            unix: UnixConnector::new(),
        }
    }
}
