//! The innermost connector of the default stack: TCP to the host, or a Unix socket.

use tower_service::Service;

use super::{HttpPool, Stack, TransportBuilder, builder::TargetTemplate};
use crate::{
    connect::{Connected, Resolve, TcpConnector, UnixConnector},
    error::Error,
    options::Timeouts,
    rt::Runtime,
    target::Route,
};

impl<T> TransportBuilder<T> {
    /// Resolves names by this resolver instead of the system's.
    pub fn resolver<R>(mut self, resolver: R) -> Self
    where
        R: Resolve + Clone + Send + 'static,
    {
        self.resolves = true;
        self.given(Box::new(|mut stack, timeouts, runtime| {
            let tcp = tcp(timeouts, runtime.clone()).resolver(resolver.clone());
            stack.proxy = stack.proxy.resolver(resolver);
            stack.over_direct(tcp, runtime)
        }));
        self
    }
}

pub(super) fn under(stack: Stack, timeouts: Timeouts, runtime: Runtime) -> HttpPool {
    let tcp = tcp(timeouts, runtime.clone());
    stack.over_direct(tcp, runtime)
}

/// Checks for settings that exclude each other.
pub(super) fn check(
    _connector_is_given: bool,
    resolves: bool,
    template: &TargetTemplate,
) -> Result<(), Error> {
    let by_unix = template.unix_socket.is_some();
    let conflict = match (by_unix, template.local_address.is_some(), resolves) {
        (true, true, _) => "`unix_socket` and `local_address` exclude each other",
        (true, _, true) => "`unix_socket` and `resolver` exclude each other",
        _ => return Ok(()),
    };
    Err(Error::builder(format!("building the transport: {conflict}")))
}

/// The pool limits every dial by the request's timeouts; this limit only spreads the attempts.
fn tcp(timeouts: Timeouts, runtime: Runtime) -> TcpConnector {
    TcpConnector::new().planned_time(timeouts.connect).runtime(runtime)
}

/// Connects by the route of the target.
#[derive(Clone)]
struct DirectConnector<R> {
    tcp: TcpConnector<R>,
    unix: UnixConnector,
}

impl Stack {
    fn over_direct<R: Resolve + Clone + Send + 'static>(
        self,
        tcp: TcpConnector<R>,
        runtime: Runtime,
    ) -> HttpPool {
        let direct = DirectConnector { tcp, unix: UnixConnector::new().runtime(runtime) };
        // Not an `async fn`, which would store its arguments twice.
        let proxied = self.proxy.over(direct, |mut direct, target| async move {
            match target.route {
                // Always ready.
                Route::Unix(_) => direct.unix.call(target).await.map(Connected::boxed),
                _ => direct.tcp.connect(&target).await.map(Connected::boxed),
            }
        });
        self.over_proxied(proxied)
    }
}
