//! Connects to Unix sockets.

use std::{
    io,
    path::Path,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{
    ConnectInfo, Connected, Connecting,
    socket::{RuntimeSocket, SocketIo, smol, tokio},
};
use crate::{
    error::{Error, Kind},
    rt::{Reactor, Runtime},
    target::{Route, Target},
};

/// The stream of a [`UnixConnector`].
pub type UnixIo = SocketIo<UnixSocket>;

/// The socket of a [`UnixConnector`], of either runtime.
pub type UnixSocket = RuntimeSocket<tokio::Unix, smol::Unix>;

/// Connects to Unix sockets: the target's [`Route::Unix`], or a fixed one.
///
/// Connecting to a Unix socket succeeds or fails at once, so there is no timeout.
///
/// ```
/// use tower_transport::connect::UnixConnector;
///
/// let as_routed = UnixConnector::new();
/// let docker = UnixConnector::to("/var/run/docker.sock");
/// ```
///
/// # Errors
///
/// [`is_connect`](Error::is_connect), naming the path, without a listener; [`is_builder`](Error::is_builder) for a
/// target without a socket, or with a local address, which a Unix socket cannot have.
#[derive(Clone, Debug, Default)]
pub struct UnixConnector {
    fixed: Option<Arc<Path>>,
    runtime: Runtime,
}

impl UnixConnector {
    /// A connector for targets whose route is a Unix socket.
    pub fn new() -> Self {
        Self::default()
    }

    /// A connector to one socket for every host. A route to another socket is refused.
    pub fn to(path: impl AsRef<Path>) -> Self {
        Self { fixed: Some(path.as_ref().into()), runtime: Runtime::default() }
    }

    /// Sets the runtime of the sockets. A runtime by [`Runtime::new`] has those of tokio; without the feature `tokio`, those
    /// of smol. Default: [`Runtime::default`].
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    fn path(&self, target: &Target) -> Result<Arc<Path>, Error> {
        if target.local_address.is_some() {
            return Err(Error::builder(format!(
                "connecting to {target}: a Unix socket has no local address"
            )));
        }
        match (&target.route, &self.fixed) {
            (Route::Any | Route::Direct, Some(fixed)) => Ok(fixed.clone()),
            (Route::Unix(path), Some(fixed)) if path != fixed => {
                let fixed = fixed.display();
                Err(Error::builder(format!(
                    "connecting to {target}: this connector connects to {fixed} only"
                )))
            }
            (Route::Unix(path), _) => Ok(path.clone()),
            _ => Err(Error::builder(format!("the route to {target} is not a Unix socket"))),
        }
    }
}

impl Service<Target> for UnixConnector {
    type Response = Connected<UnixIo>;
    type Error = Error;
    type Future = Connecting<UnixIo>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let (path, reactor) = (self.path(&target), self.runtime.reactor());
        Connecting::new(async move { connect(reactor, &path?, &target).await })
    }
}

async fn connect(
    reactor: Reactor,
    path: &Path,
    target: &Target,
) -> Result<Connected<UnixIo>, Error> {
    let connected: io::Result<UnixSocket> = match reactor {
        Reactor::Tokio => tokio::connect_unix(path).await,
        Reactor::Smol => smol::connect_unix(path).await,
    };
    let stream = connected.map_err(|error| {
        let doing =
            format!("connecting to {} at {}", target.origin.authority_form(), path.display());
        Error::new(Kind::Connect, doing).because(error)
    })?;
    Ok(UnixIo::connected(stream, ConnectInfo::default()))
}
