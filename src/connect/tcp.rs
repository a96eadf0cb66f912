//! Reaches a host by TCP: resolve, race the addresses, hand over the socket.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::net::TcpSocket;
use tower_service::Service;

use super::{
    ConnectInfo, Connected, Connecting, Resolve, SystemResolver, TcpIo,
    dns::lookup,
    eyeballs::Schedule,
    race::{Failures, Race},
};
use crate::{
    error::{Error, Kind, Phase},
    events::{self, Step},
    io::Recheck,
    rt::Runtime,
    setting,
    target::{Route, Target},
};

mod socket;

use socket::{ConnectedSocket, SocketOptions};

/// A host that has not answered three SYNs by then seldom does.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Linux's `MAX_TCP_KEEPIDLE`.
const MAX_KEEPALIVE: Duration = Duration::from_secs(32_767);

/// Connects by TCP to the host and port of a [`Target`] whose route is [`Route::Direct`] or [`Route::Any`].
///
/// A name with several addresses is tried as RFC 8305 says: the families in turn, 250 ms apart, the next one at once
/// when one fails, at most six at a time; the losers are closed. An address as host, also IPv6 with a zone
/// (`[fe80::1%25eth0]`), is never given to a resolver.
///
/// ```
/// use std::time::Duration;
/// use tower_transport::connect::TcpConnector;
///
/// let connector = TcpConnector::new()
///     .connect_timeout(Duration::from_secs(3))
///     .socket_options(|socket| socket.set_send_buffer_size(1 << 20));
/// ```
///
/// # Errors
///
/// [`is_dns`](Error::is_dns) if the name has no address; [`is_connect`](Error::is_connect), with the
/// [`io::Error`] that tells most as its source, if no address answers; [`is_timeout`](Error::is_timeout) if
/// the time runs out; [`is_builder`](Error::is_builder) for a route that is not by TCP, and for a setting outside of its
/// range, before a name is resolved.
#[derive(Clone)]
pub struct TcpConnector<R = SystemResolver> {
    resolver: R,
    settings: Settings,
}

#[derive(Clone)]
struct Settings {
    connect_timeout: Option<Duration>,
    /// What the addresses share where there is no timeout.
    planned_time: Duration,
    local_address: Option<IpAddr>,
    socket: SocketOptions,
    runtime: Runtime,
}

impl TcpConnector {
    /// A connector with the system's resolver, for the tokio runtime in which it is called.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Default for TcpConnector {
    fn default() -> Self {
        let settings = Settings {
            connect_timeout: Some(CONNECT_TIMEOUT),
            planned_time: CONNECT_TIMEOUT,
            local_address: None,
            socket: SocketOptions::default(),
            runtime: Runtime::tokio(),
        };
        Self { resolver: SystemResolver::new(), settings }
    }
}

impl<R> TcpConnector<R> {
    /// Finds addresses by this resolver instead.
    pub fn resolver<S: Resolve>(self, resolver: S) -> TcpConnector<S> {
        TcpConnector { resolver, settings: self.settings }
    }

    /// How long resolving and connecting may take together, longer than zero; `None` is for ever.
    ///
    /// 10 s by default: a host that has not answered three SYNs by then seldom does. The time is shared: no address
    /// can use up what the ones after it need. Without a timeout they share 10 s, and the last six may take for ever.
    pub fn connect_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.connect_timeout = limit.into();
        self
    }

    /// Lets the addresses share this time, but leaves it to whoever called to end it all: what one request allows may
    /// be more, or less.
    pub(crate) fn planned_time(mut self, time: Option<Duration>) -> Self {
        self.settings.connect_timeout = None;
        self.settings.planned_time = time.unwrap_or(CONNECT_TIMEOUT);
        self
    }

    /// The address to connect from, where a [`Target`] does not say one. Only addresses of its family are tried.
    pub fn local_address(mut self, address: impl Into<Option<IpAddr>>) -> Self {
        self.settings.local_address = address.into();
        self
    }

    /// Whether small writes are sent at once.
    ///
    /// On by default: HTTP is written in whole messages, which Nagle's algorithm together with delayed
    /// acknowledgements would hold back by 40 ms and more.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.settings.socket.nodelay = nodelay;
        self
    }

    /// After how long a silence, and then how often, the kernel asks whether the peer is still there; `None` is never.
    ///
    /// 60 s by default, as in curl: often enough to keep the state of most firewalls and address translators alive and
    /// to find a dead peer within minutes, seldom enough to cost nothing. Less than 1 s is 1 s, and more than 32,767 s, the most that Linux
    /// knows, is an error.
    pub fn keepalive(mut self, every: impl Into<Option<Duration>>) -> Self {
        self.settings.socket.keepalive = every.into();
        self
    }

    /// Sets any other option of a socket before it connects: buffer sizes, type of service, device, mark.
    ///
    /// It is called for each address that is tried, after the options above and the local address are set; an error
    /// ends that attempt. What tokio's [`TcpSocket`] has no method for, `socket2::SockRef::from(socket)` has:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_transport::connect::TcpConnector;
    /// # #[cfg(target_os = "linux")]
    /// let connector = TcpConnector::new().socket_options(|socket| {
    ///     let unacknowledged = Some(Duration::from_secs(30));
    ///     socket2::SockRef::from(socket).set_tcp_user_timeout(unacknowledged)
    /// });
    /// ```
    pub fn socket_options(
        mut self,
        set: impl Fn(&TcpSocket) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.settings.socket.more = Some(Arc::new(set));
        self
    }

    /// Takes timers and time from this runtime. The sockets are tokio's all the same.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.settings.runtime = runtime;
        self
    }
}

impl<R: Resolve + Clone + Send + 'static> Service<Target> for TcpConnector<R> {
    type Response = Connected<TcpIo>;
    type Error = Error;
    type Future = Connecting<TcpIo>;

    /// Always ready: the resolver's own readiness is waited for within the time for connecting.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let mut connector = self.clone();
        Connecting::new(async move { connector.connect(&target).await })
    }
}

impl<R: Resolve + Clone> TcpConnector<R> {
    /// As [`call`](Service::call), in a future without a name, and so without a box.
    pub(crate) async fn connect(&mut self, target: &Target) -> Result<Connected<TcpIo>, Error> {
        let Self { resolver, settings } = self;
        settings.local_address = target.local_address.or(settings.local_address);
        settings.check()?;
        if !matches!(target.route, Route::Any | Route::Direct) {
            return Err(Error::builder(format!("the way to {target} is not by TCP")));
        }
        // An address is connected to at once; the rest is boxed, for its room.
        let (host, port) = (target.origin.host(), target.origin.port());
        if let (Some(address), None) = (lookup::literal(host, port), settings.local_address) {
            return settings.reach(address?, settings.connect_timeout, target).await;
        }
        Box::pin(settings.resolve_and_reach(resolver.clone(), target)).await
    }
}

impl Settings {
    async fn resolve_and_reach<R: Resolve>(
        &self,
        resolver: R,
        target: &Target,
    ) -> Result<Connected<TcpIo>, Error> {
        let began_at = self.runtime.now();
        let addresses = self.addresses(resolver, target).await?;
        let spent = self.runtime.now().saturating_duration_since(began_at);
        let rest = self.connect_timeout.map(|limit| limit.saturating_sub(spent));
        match addresses[..] {
            // A host with one address needs no race.
            [address] => self.reach(address, rest, target).await,
            _ => self.race(addresses, rest, spent, target).await,
        }
    }

    /// Connects to the only address.
    async fn reach(
        &self,
        address: SocketAddr,
        limit: Option<Duration>,
        target: &Target,
    ) -> Result<Connected<TcpIo>, Error> {
        match self.runtime.within(limit, self.attempt(address)).await {
            Some(Ok(socket)) => Ok(connected(socket)),
            Some(Err(error)) => Err(refused(Failures::of_one(error), target)),
            None => Err(self.too_slow(format!("connecting to {target}"))),
        }
    }

    /// One attempt, of which is told from its start to its end.
    async fn attempt(&self, address: SocketAddr) -> io::Result<ConnectedSocket> {
        let span = events::start(|| Step::Tcp { address });
        let outcome = self.socket.connect(self.local_address, address).await;
        match &outcome {
            Ok(_) => span.complete(),
            Err(error) => span.fail(|| {
                let cause = io::Error::new(error.kind(), error.to_string());
                Error::new(Kind::Connect, format!("connecting to {address}")).because(cause)
            }),
        }
        outcome
    }

    /// Requires each setting to be in its range.
    fn check(&self) -> Result<(), Error> {
        setting::longer_than_zero("TcpConnector::connect_timeout", self.connect_timeout)?;
        setting::at_most("TcpConnector::keepalive", self.socket.keepalive, MAX_KEEPALIVE)
    }

    async fn addresses<R: Resolve>(
        &self,
        resolver: R,
        target: &Target,
    ) -> Result<Vec<SocketAddr>, Error> {
        let (host, port) = (target.origin.host(), target.origin.port());
        let lookup = lookup::addresses(resolver, host, port);
        let Some(addresses) = self.runtime.within(self.connect_timeout, lookup).await else {
            return Err(self.too_slow(format!("resolving {host}")));
        };
        let Some(local) = self.local_address else { return addresses };
        let mut addresses = addresses?;
        addresses.retain(|address| address.is_ipv6() == local.is_ipv6());
        if addresses.is_empty() {
            let error = Error::new(Kind::Connect, format!("connecting to {target} from {local}"));
            return Err(error.because("the host has no address of that family"));
        }
        Ok(addresses)
    }

    async fn race(
        &self,
        addresses: Vec<SocketAddr>,
        rest: Option<Duration>,
        spent: Duration,
        target: &Target,
    ) -> Result<Connected<TcpIo>, Error> {
        // Resolving may outlast a plan that ends nothing: half of it is left in any case.
        let planned = rest.unwrap_or(self.planned_time - spent.min(self.planned_time / 2));
        let schedule = Schedule::new(addresses, planned, self.runtime.now());
        let mut race = Race::new(self.runtime.clone(), schedule, |address| self.attempt(address));
        match self.runtime.within(rest, race.winner()).await {
            Some(Some(socket)) => Ok(connected(socket)),
            Some(None) => Err(refused(race.into_failures(), target)),
            None => Err(self.too_slow(format!("connecting to {target}"))),
        }
    }

    fn too_slow(&self, doing: String) -> Error {
        let limit = self.connect_timeout.unwrap_or(Duration::MAX);
        Error::timed_out(Phase::Connect, limit, doing)
    }
}

fn refused(failures: Failures, target: &Target) -> Error {
    let doing = match failures.tried {
        1 => format!("connecting to {target}"),
        tried => format!("connecting to {target}, {tried} addresses tried"),
    };
    let error = Error::new(Kind::Connect, doing);
    match failures.telling {
        Some(telling) => error.because(telling),
        None => error,
    }
}

fn connected(ConnectedSocket { stream, local, peer }: ConnectedSocket) -> Connected<TcpIo> {
    let recheck = Recheck::new();
    let info = ConnectInfo::default().with_addrs(local, peer).with_recheck(recheck.clone());
    let io = TcpIo::new(stream, recheck);
    let info = info.with_write_count(io.write_count());
    Connected { io, info }
}

impl<R: fmt::Debug> fmt::Debug for TcpConnector<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConnector")
            .field("resolver", &self.resolver)
            .field("connect_timeout", &self.settings.connect_timeout)
            .field("local_address", &self.settings.local_address)
            .field("socket", &self.settings.socket)
            .finish_non_exhaustive()
    }
}
