//! One run: a transport, its requests, and what must hold whatever happens.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, LazyLock, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::join_all;
use http::{Method, Request};
use rustls::{ServerConfig, pki_types::pem::PemObject};
use tokio_rustls::TlsAcceptor;
use tower_transport::{
    Body, Error, RequestExt, Transport,
    options::Timeouts,
    proxy::{Proxy, ProxyRules},
    tls::TlsConfig,
};

use super::{
    network::Network,
    scheduler::{Random, Scheduler},
    server::{self, Behaviour, Log, NUMBER, Version, data},
    tls_peer::Authority,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Weather {
    /// Servers end connections between requests, clients give up; nothing else goes wrong.
    Calm,
    /// Streams break in every way, hosts crash and are cut off.
    Storm,
}

/// What became of the requests of a run.
#[derive(Default, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    pub(crate) answered: usize,
    pub(crate) failed: usize,
    pub(crate) dropped: usize,
    /// Acted on by more than one server.
    pub(crate) repeated: usize,
    /// In virtual time.
    pub(crate) took: Duration,
    pub(crate) is_over_tls: bool,
}

impl Outcome {
    pub(crate) fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.failed += other.failed;
        self.dropped += other.dropped;
        self.repeated += other.repeated;
        self.took += other.took;
        self.is_over_tls |= other.is_over_tls;
    }
}

const HOSTS: [&str; 3] = ["a.sim", "b.sim", "c.sim"];
const PROXY: &str = "proxy.sim";
const TASKS: u64 = 6;
const REQUESTS: u64 = 6;

/// The client's own tries; one of its requests reaches so many servers at most.
const TRIES: usize = 3;

struct Certified {
    roots: String,
    http1: Arc<ServerConfig>,
    http2: Arc<ServerConfig>,
}

/// Handshakes are dear: one authority for all runs.
static CERTIFIED: LazyLock<Certified> = LazyLock::new(|| {
    let authority = Authority::new();
    let leaf = authority.certify_as("a.sim", |params| {
        params.subject_alt_names =
            HOSTS.map(|host| rcgen::SanType::DnsName(host.try_into().unwrap())).to_vec();
    });
    let server = |alpn: &[u8]| {
        let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes());
        let mut config = ServerConfig::builder_with_provider(super::tls_peer::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der()], key.unwrap())
            .unwrap();
        config.alpn_protocols = vec![alpn.to_vec()];
        Arc::new(config)
    };
    Certified { roots: authority.pem(), http1: server(b"http/1.1"), http2: server(b"h2") }
});

/// A run of one seed. Panics when a law is broken.
pub(crate) fn run(seed: u64, weather: Weather) -> Outcome {
    let scheduler = Scheduler::new(seed);
    let network = Network::new(&scheduler);
    let log = Log::default();
    let world = World::build(&scheduler, &network, &log, weather);
    let outcome = Arc::new(Mutex::new(Outcome::default()));
    let clients = (0..TASKS).map(|task| {
        let (world, outcome) = (world.clone(), outcome.clone());
        async move {
            for request in 0..REQUESTS {
                world.request(task * REQUESTS + request, &outcome).await;
            }
        }
    });
    let (done, is_done) = tokio::sync::oneshot::channel();
    let clients: Vec<_> = clients.collect();
    scheduler.spawn(async move {
        join_all(clients).await;
        let _ = done.send(());
    });
    scheduler.block_on(is_done).unwrap();
    world.check(&network);
    let mut outcome = Arc::into_inner(outcome).unwrap().into_inner().unwrap();
    outcome.repeated = (0..TASKS * REQUESTS).filter(|it| log.acted(*it) > 1).count();
    outcome.took = scheduler.elapsed();
    outcome.is_over_tls = world.scheme == "https";
    outcome
}

#[derive(Clone)]
struct World {
    scheduler: Scheduler,
    log: Log,
    transport: Transport,
    scheme: &'static str,
    weather: Weather,
    /// The limit that the transport keeps.
    most_sockets: usize,
}

impl World {
    fn build(scheduler: &Scheduler, network: &Network, log: &Log, weather: Weather) -> Self {
        let (version, is_tls, is_proxied) = scheduler.random(|random| {
            let version = if random.one_in(2) { Version::Http1 } else { Version::Http2 };
            (version, random.one_in(8), random.one_in(4))
        });
        let tls = is_tls.then(|| match version {
            Version::Http1 => TlsAcceptor::from(CERTIFIED.http1.clone()),
            Version::Http2 => TlsAcceptor::from(CERTIFIED.http2.clone()),
        });
        let streams = scheduler.random(|random| 1 + random.below(6) as u32);
        let behaviour = Behaviour { version, tls, is_calm: weather == Weather::Calm, streams };
        for host in HOSTS {
            let (network, behaviour, log) = (network.clone(), behaviour.clone(), log.clone());
            scheduler.spawn(server::serve(host, network, scheduler.clone(), behaviour, log));
        }
        let mut builder = Transport::builder()
            .connector(network.clone())
            .runtime(scheduler.runtime())
            .no_proxy()
            .close_grace(Duration::from_secs(5));
        if is_tls {
            builder = builder.tls(TlsConfig::roots_pem(&CERTIFIED.roots).unwrap());
        } else if version == Version::Http2 {
            builder = builder.http2_prior_knowledge();
        }
        if is_proxied {
            // Without TLS a proxy of HTTP would get requests, and not tunnels.
            let url = if is_tls { "http://proxy.sim:3128" } else { "socks5h://proxy.sim:1080" };
            let proxy: Proxy = url.parse().unwrap();
            builder = builder.proxy(ProxyRules::all(proxy));
            let (network, inner) = (network.clone(), scheduler.clone());
            scheduler.spawn(server::proxy(PROXY, network, inner, !is_tls));
        }
        let (total, per_host, requests) = scheduler.random(|random| {
            (1 + random.below(6) as usize, 1 + random.below(4) as usize, 1 + random.below(40))
        });
        let timeouts = match weather {
            Weather::Calm => Timeouts::none(),
            Weather::Storm => Timeouts::none()
                .connect(Duration::from_secs(10))
                .read(Duration::from_secs(20))
                .write(Duration::from_secs(20))
                .total(Duration::from_secs(120)),
        };
        let transport = builder
            .max_connections(total)
            .max_connections_per_host(per_host)
            // No age: its jitter does not follow from the seed.
            .max_age(None)
            .max_requests(requests)
            .timeouts(timeouts)
            .build()
            .unwrap();
        if weather == Weather::Storm {
            network.set_stormy(true);
            scheduler.spawn(storm(scheduler.clone(), network.clone()));
        }
        let scheme = if is_tls { "https" } else { "http" };
        // Streams that go on after GOAWAY do not stop others: their connections count apart.
        let most_sockets = if version == Version::Http2 { 2 * total } else { total };
        let (scheduler, log) = (scheduler.clone(), log.clone());
        Self { scheduler, log, transport, scheme, weather, most_sockets }
    }

    /// Sends one request, and checks what comes back.
    async fn request(&self, number: u64, outcome: &Mutex<Outcome>) {
        let plan = self.scheduler.random(|random| Plan::choose(number, random));
        self.scheduler.pause(plan.pause).await;
        let request = plan.request(self.scheme);
        let exchange = Box::pin(exchange(self.transport.clone(), request, number));
        let limited = Limited { polls: plan.polls, future: exchange };
        let done = limited.await;
        let mut outcome = outcome.lock().unwrap();
        match done {
            None => outcome.dropped += 1,
            Some(Ok(())) => {
                assert!(self.log.acted(number) > 0, "{number} was answered by nobody");
                outcome.answered += 1;
            }
            Some(Err(error)) => {
                // A connection that a server ends while a POST is on its way may have acted on it.
                let may_fail = self.weather == Weather::Storm
                    || plan.method == Method::POST && error.was_sent();
                assert!(may_fail, "{number}, {} was lost: {error:?}", plan.method);
                outcome.failed += 1;
            }
        }
        let most = if plan.method == Method::POST { 1 } else { TRIES };
        let acted = self.log.acted(number);
        assert!(acted <= most, "{number}, {}: {acted} servers have acted on it", plan.method);
    }

    /// After the last request, with a network that works again.
    fn check(&self, network: &Network) {
        network.set_stormy(false);
        HOSTS.iter().chain(&[PROXY]).for_each(|host| network.restart(host));
        // Longer than any limit: what was cut off is noticed by then.
        self.scheduler.run_for(Duration::from_secs(300));
        assert!(network.most_open() <= self.most_sockets, "{} sockets", network.most_open());
        let stats = self.transport.stats();
        assert_eq!(stats.active, 0, "{stats:?}");
        assert_eq!(stats.queued, 0, "{stats:?}");
        for (host, number) in HOSTS.iter().zip(1_000_000..) {
            let mut request = Request::new(Body::empty());
            *request.uri_mut() = format!("{}://{host}/", self.scheme).parse().unwrap();
            request.headers_mut().insert(NUMBER, number.into());
            self.scheduler.block_on(exchange(self.transport.clone(), request, number)).unwrap();
        }
        self.scheduler.block_on(self.transport.close());
        self.scheduler.run_for(Duration::from_secs(60));
        let stats = self.transport.stats();
        assert!(stats.connections.is_empty(), "{stats:?}");
        assert_eq!(network.open(), 0, "sockets are left open");
    }
}

/// One request, decided in advance.
struct Plan {
    number: u64,
    method: Method,
    host: &'static str,
    length: u64,
    pause: Duration,
    /// It is dropped after so many polls.
    polls: u64,
}

impl Plan {
    fn choose(number: u64, random: &mut Random) -> Self {
        let method = if random.one_in(3) { Method::POST } else { Method::GET };
        let length = match method {
            Method::POST => random.below(60_000),
            _ => 0,
        };
        Self {
            number,
            method,
            host: HOSTS[random.below(3) as usize],
            length,
            pause: Duration::from_millis(random.below(4_000)),
            polls: if random.one_in(6) { random.below(12) } else { u64::MAX },
        }
    }

    fn request(&self, scheme: &str) -> Request<Body> {
        let mut request = Request::new(Body::from(data(self.number, self.length)));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = format!("{scheme}://{}/{}", self.host, self.number).parse().unwrap();
        request.headers_mut().insert(NUMBER, self.number.into());
        request
    }
}

/// Sends a request and reads its response: the answer to this one, whole, or an error.
async fn exchange(transport: Transport, request: Request<Body>, number: u64) -> Result<(), Error> {
    let response = transport.send(request).await?;
    let got: u64 = response.headers()[NUMBER].to_str().unwrap().parse().unwrap();
    assert_eq!(got, number, "the answer to another request");
    let mut body = response.into_body();
    while let Some(chunk) = body.chunk().await? {
        assert_eq!(chunk, data(number, chunk.len() as u64), "the data of another response");
    }
    Ok(())
}

/// A future that is dropped after so many polls: `None`.
struct Limited<F> {
    polls: u64,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Limited<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        let poll = self.future.as_mut().poll(cx).map(Some);
        if poll.is_pending() && self.polls == 0 {
            cx.waker().wake_by_ref();
        }
        poll
    }
}

/// Hosts crash and come back, or are cut off for a while.
async fn storm(scheduler: Scheduler, network: Network) {
    while network.is_stormy() {
        let (host, kind, pause, time) = scheduler.random(|random| {
            let host = [HOSTS[0], HOSTS[1], HOSTS[2], PROXY][random.below(4) as usize];
            let time = Duration::from_millis(random.below(8_000));
            (host, random.below(2), Duration::from_millis(random.below(6_000)), time)
        });
        scheduler.pause(pause).await;
        if kind == 0 {
            network.crash(host);
            scheduler.pause(time).await;
            network.restart(host);
        } else {
            network.partition(host, time);
        }
    }
}
