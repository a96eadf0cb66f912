//! Connects by TCP: resolves the name, races the addresses, returns the socket.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use socket2::SockRef;
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
    rt::Runtime,
    setting,
    target::{Route, Target},
};

mod socket;

use socket::{ConnectedSocket, SocketOptions};

/// A host that has not answered three SYNs by then rarely does.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Linux's `MAX_TCP_KEEPIDLE`.
const MAX_KEEPALIVE: Duration = Duration::from_secs(32_767);

/// Connects by TCP to the host and port of a [`Target`] whose route is [`Route::Direct`] or [`Route::Any`].
///
/// Several addresses are tried by RFC 8305: the families alternate, 250 ms apart, the next one at once when one fails, at
/// most six at a time; the losers are closed. A literal address, also IPv6 with a zone (`[fe80::1%25eth0]`), is never
/// given to a resolver.
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
/// [`is_dns`](Error::is_dns) if the name has no address; [`is_connect`](Error::is_connect), with the most informative
/// [`io::Error`] as its source, if no address answers; [`is_timeout`](Error::is_timeout) if the time elapses;
/// [`is_builder`](Error::is_builder) for a route that is not by TCP, and for a setting outside of its range, before a name
/// is resolved.
#[derive(Clone)]
pub struct TcpConnector<R = SystemResolver> {
    resolver: R,
    settings: TcpSettings,
}

#[derive(Clone)]
struct TcpSettings {
    connect_timeout: Option<Duration>,
    /// The time that the addresses share without a timeout.
    planned_time: Duration,
    local_address: Option<IpAddr>,
    socket: SocketOptions,
    runtime: Runtime,
}

impl TcpConnector {
    /// A connector with the system's resolver, for the [default runtime](Runtime::default).
    pub fn new() -> Self {
        Self::default()
    }
}

impl Default for TcpConnector {
    fn default() -> Self {
        let settings = TcpSettings {
            connect_timeout: Some(CONNECT_TIMEOUT),
            planned_time: CONNECT_TIMEOUT,
            local_address: None,
            socket: SocketOptions::default(),
            runtime: Runtime::default(),
        };
        Self { resolver: SystemResolver::new(), settings }
    }
}

impl<R> TcpConnector<R> {
    /// Replaces the resolver.
    pub fn resolver<S: Resolve>(self, resolver: S) -> TcpConnector<S> {
        TcpConnector { resolver, settings: self.settings }
    }

    /// Limits resolving and connecting together, longer than zero; `None` is no limit.
    ///
    /// 10 s by default: a host that has not answered three SYNs by then rarely does. The addresses share the time, so none
    /// can use up what the next ones need. Without a timeout they share 10 s, and the last six may take for ever.
    pub fn connect_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.connect_timeout = limit.into();
        self
    }

    /// Sets the time that the addresses share, without a limit of its own: the limit of a request may be longer or shorter,
    /// and the caller enforces it.
    pub(crate) fn planned_time(mut self, time: Option<Duration>) -> Self {
        self.settings.connect_timeout = None;
        self.settings.planned_time = time.unwrap_or(CONNECT_TIMEOUT);
        self
    }

    /// Sets the address to connect from, unless a [`Target`] has one. Only addresses of its family are tried. A link-local
    /// address is bound in the zone of the address that is tried.
    pub fn local_address(mut self, address: impl Into<Option<IpAddr>>) -> Self {
        self.settings.local_address = address.into();
        self
    }

    /// Sets `TCP_NODELAY`, which sends small writes at once.
    ///
    /// On by default: HTTP is written in whole messages, which Nagle's algorithm together with delayed
    /// acknowledgements would hold back by 40 ms and more.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.settings.socket.nodelay = nodelay;
        self
    }

    /// Sets the idle time, and the interval, of the kernel's keep-alive probes; `None` disables them.
    ///
    /// 60 s by default, as in curl: often enough to keep the state of most firewalls and address translators alive and
    /// to find a dead peer within minutes, rarely enough to cost nothing. Less than 1 s acts as 1 s; more than 32,767 s, the
    /// maximum on Linux, is an error.
    pub fn keepalive(mut self, every: impl Into<Option<Duration>>) -> Self {
        self.settings.socket.keepalive = every.into();
        self
    }

    /// Sets any other option of a socket before it connects: buffer sizes, type of service, device, mark.
    ///
    /// Called for each address that is tried, after the options above and the local address are set; an error ends that
    /// attempt. The socket is shown by a [`SockRef`] of the re-exported [`socket2`], whatever runtime it belongs to:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_transport::connect::TcpConnector;
    /// # #[cfg(target_os = "linux")]
    /// let connector = TcpConnector::new().socket_options(|socket| {
    ///     socket.set_tcp_user_timeout(Some(Duration::from_secs(30)))
    /// });
    /// ```
    pub fn socket_options(
        mut self,
        set: impl Fn(&SockRef<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.settings.socket.custom = Some(Arc::new(set));
        self
    }

    /// Sets the runtime of sockets, timers and time. A runtime by [`Runtime::new`] has the sockets of tokio; without the
    /// feature `tokio`, those of smol. Default: [`Runtime::default`].
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.settings.runtime = runtime;
        self
    }
}

impl<R: Resolve + Clone + Send + 'static> Service<Target> for TcpConnector<R> {
    type Response = Connected<TcpIo>;
    type Error = Error;
    type Future = Connecting<TcpIo>;

    /// Always ready: the wait for the resolver's readiness counts against the connect timeout.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let mut connector = self.clone();
        Connecting::new(async move { connector.connect(&target).await })
    }
}

impl<R: Resolve + Clone> TcpConnector<R> {
    /// Like [`call`](Service::call), without the box of its future.
    pub(crate) async fn connect(&mut self, target: &Target) -> Result<Connected<TcpIo>, Error> {
        let Self { resolver, settings } = self;
        settings.local_address = target.local_address.or(settings.local_address);
        settings.check()?;
        if !matches!(target.route, Route::Any | Route::Direct) {
            return Err(Error::builder(format!(
                "the route to {target} is not a direct TCP connection"
            )));
        }
        // A literal is connected to at once; the large rest is boxed.
        let (host, port) = (target.origin.host(), target.origin.port());
        if let (Some(address), None) = (lookup::literal(host, port), settings.local_address) {
            return settings.reach(address?, settings.connect_timeout, target).await;
        }
        Box::pin(settings.resolve_and_reach(resolver.clone(), target)).await
    }
}

impl TcpSettings {
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
            // One address needs no race.
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

    /// One traced attempt.
    async fn attempt(&self, address: SocketAddr) -> io::Result<ConnectedSocket> {
        let span = events::start(|| Step::Tcp { address });
        let outcome =
            self.socket.connect(self.runtime.reactor(), self.local_address, address).await;
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
        // Without a limit, resolving may have used up the plan: at least half of it is left.
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
    match failures.error_to_report {
        Some(error_to_report) => error.because(error_to_report),
        None => error,
    }
}

fn connected(ConnectedSocket { stream, local, peer }: ConnectedSocket) -> Connected<TcpIo> {
    TcpIo::connected(stream, ConnectInfo::default().with_addrs(local, peer))
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
