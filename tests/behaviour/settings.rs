//! Every number that can be set has a range, and a value outside of it is refused before anything is connected to.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use tower::{Layer, ServiceBuilder};
use tower_transport::{
    Body, Error, RequestExt, Transport,
    connect::{MemoryConnector, StaticResolver, TcpConnector},
    http::{Http1Config, Http2Config, NegotiateLayer},
    options::Timeouts,
    pool::PoolLayer,
    proxy::{Proxy, ProxyLayer, TunnelLayer},
    transport::TransportBuilder,
};

use crate::support::{
    origin::Origin,
    scripted::{self, Step::Serve, first},
};

/// A setter of a transport, with values that it refuses and values that it takes: durations are in nanoseconds.
struct Row {
    /// The file below `src`, and the setter; where others share its settings, those are in `ALIKE`.
    setter: &'static str,
    set: fn(TransportBuilder, u64) -> TransportBuilder,
    refused: &'static [u64],
    taken: &'static [u64],
}

const MOST: u64 = u64::MAX;

const fn row(
    setter: &'static str,
    set: fn(TransportBuilder, u64) -> TransportBuilder,
    refused: &'static [u64],
    taken: &'static [u64],
) -> Row {
    Row { setter, set, refused, taken }
}

fn nanos(nanos: u64) -> Duration {
    if nanos == MOST { Duration::MAX } else { Duration::from_nanos(nanos) }
}

fn bytes(value: u64) -> u32 {
    u32::try_from(value).unwrap()
}

fn http1(
    set: impl FnOnce(Http1Config) -> Http1Config,
    builder: TransportBuilder,
) -> TransportBuilder {
    builder.http1(set(Http1Config::new()))
}

fn http2(
    set: impl FnOnce(Http2Config) -> Http2Config,
    builder: TransportBuilder,
) -> TransportBuilder {
    builder.http2(set(Http2Config::new()))
}

fn timeouts(set: impl FnOnce(Timeouts) -> Timeouts, builder: TransportBuilder) -> TransportBuilder {
    builder.timeouts(set(Timeouts::default()))
}

/// Every setter of a number that a transport has.
const ROWS: [Row; 26] = [
    row("pool/layer.rs max_connections", |b, n| b.max_connections(n as usize), &[0], &[1, MOST]),
    row(
        "pool/layer.rs max_connections_per_host",
        |b, n| b.max_connections_per_host(n as usize),
        &[0],
        &[1, MOST],
    ),
    row("pool/layer.rs max_idle", |b, n| b.max_idle(n as usize), &[], &[0, MOST]),
    row("pool/layer.rs idle_timeout", |b, n| b.idle_timeout(nanos(n)), &[], &[0, 1, MOST]),
    row("pool/layer.rs max_age", |b, n| b.max_age(nanos(n)), &[], &[0, 1, MOST]),
    row("pool/layer.rs max_requests", |b, n| b.max_requests(n), &[], &[0, 1, MOST]),
    row(
        "transport/builder.rs connect_retries",
        |b, n| b.connect_retries(n as u32),
        &[],
        &[0, MOST],
    ),
    row("transport/builder.rs close_grace", |b, n| b.close_grace(nanos(n)), &[], &[0, MOST]),
    row(
        "http/http1/config.rs max_head_size",
        |b, n| http1(|c| c.max_head_size(n as usize), b),
        &[0, 63, (1 << 30) + 1, MOST],
        &[1024, 1 << 30],
    ),
    row(
        "http/http1/config.rs max_headers",
        |b, n| http1(|c| c.max_headers(n as usize), b),
        &[0, 6001, 1 << 40, MOST],
        &[10, 6000],
    ),
    row(
        "http/http2/config.rs stream_window",
        |b, n| http2(|c| c.stream_window(bytes(n)), b),
        &[0, 1 << 31, (1 << 32) - 1],
        &[1, (1 << 31) - 1],
    ),
    row(
        "http/http2/config.rs connection_window",
        |b, n| http2(|c| c.connection_window(bytes(n)), b),
        &[0, 1 << 31, (1 << 32) - 1],
        &[1, (1 << 31) - 1],
    ),
    row(
        "http/http2/config.rs max_frame_size",
        |b, n| http2(|c| c.max_frame_size(bytes(n)), b),
        &[0, 16_383, 1 << 24],
        &[16_384, (1 << 24) - 1],
    ),
    row(
        "http/http2/config.rs max_header_list_size",
        |b, n| http2(|c| c.max_header_list_size(bytes(n)), b),
        &[0, 63],
        &[1024, (1 << 32) - 1],
    ),
    row(
        "http/http2/config.rs header_table_size",
        |b, n| http2(|c| c.header_table_size(bytes(n)), b),
        &[],
        &[0, (1 << 32) - 1],
    ),
    row(
        "http/http2/config.rs max_send_buffer",
        |b, n| http2(|c| c.max_send_buffer(n as usize), b),
        &[0, 1 << 32, MOST],
        &[1, (1 << 32) - 1],
    ),
    row(
        "http/http2/config.rs small_frame_budget",
        |b, n| http2(|c| c.small_frame_budget(bytes(n)), b),
        &[0, 25_599],
        &[25_600, (1 << 32) - 1],
    ),
    row(
        "http/http2/config.rs keep_alive_interval",
        |b, n| http2(|c| c.keep_alive_interval(nanos(n)), b),
        &[0],
        &[1_000_000, MOST],
    ),
    row(
        "http/http2/config.rs keep_alive_timeout",
        |b, n| http2(|c| c.keep_alive_timeout(nanos(n)), b),
        &[0],
        &[1_000_000, MOST],
    ),
    row("options.rs pool", |b, n| timeouts(|t| t.pool(nanos(n)), b), &[], &[MOST]),
    row("options.rs connect", |b, n| timeouts(|t| t.connect(nanos(n)), b), &[0], &[MOST]),
    row("options.rs read", |b, n| timeouts(|t| t.read(nanos(n)), b), &[0], &[MOST]),
    row("options.rs write", |b, n| timeouts(|t| t.write(nanos(n)), b), &[0], &[MOST]),
    row("options.rs total", |b, n| timeouts(|t| t.total(nanos(n)), b), &[0], &[MOST]),
    row(
        "options.rs min_throughput",
        |b, n| timeouts(|t| t.min_throughput(1, nanos(n)), b),
        &[0],
        &[1_000_000_000, MOST],
    ),
    row(
        "options.rs min_throughput",
        |b, n| timeouts(|t| t.min_throughput(n, Duration::from_secs(9)), b),
        &[],
        &[0, 1],
    ),
];

/// Setters that hand on to those above, or have tests below and elsewhere.
const ALIKE: [&str; 18] = [
    "client/decode.rs limit",
    "connect/retry.rs new",
    "connect/tcp.rs connect_timeout",
    "connect/tcp.rs keepalive",
    "mock/script.rs pause",
    "options/interim.rs within",
    "options/redirects.rs limited",
    "pool/layer.rs max_waiters",
    "proxy/layer.rs attempt_timeout",
    "proxy/layer.rs failure_ttl",
    "proxy/tunnel.rs idle_timeout",
    "transport/builder.rs idle_timeout",
    "transport/builder.rs max_age",
    "transport/builder.rs max_connections",
    "transport/builder.rs max_connections_per_host",
    "transport/builder.rs max_idle",
    "transport/builder.rs max_requests",
    "transport/builder.rs max_waiters",
];

#[test]
fn a_value_outside_of_its_range_is_refused_by_build_with_its_name() {
    for Row { setter, set, refused, .. } in ROWS {
        for value in refused {
            let error = set(Transport::builder(), *value).build().expect_err(setter);
            let (_, name) = setter.split_once(' ').unwrap();
            assert!(error.is_builder() && !error.was_sent(), "{setter} {value}: {error:?}");
            assert!(error.to_string().contains(name), "{setter} {value}: {error}");
        }
    }
}

/// Those of a client and its layers, which take any value or refuse it in `build`: `client/whole.rs`, `client/retries.rs` and
/// their neighbours try the ends of the ranges.
const OF_CLIENT: [&str; 16] = [
    "blocking/response.rs max_line",
    "blocking/upload.rs length",
    "client/builder.rs max_body",
    "client/builder.rs max_connections",
    "client/builder.rs timeout",
    "client/deadline.rs new",
    "client/multipart.rs length",
    "client/request.rs timeout",
    "client/response/lines.rs max_line",
    "options/max_body.rs new",
    "options/total_timeout.rs new",
    "request/build.rs max_body",
    "options/redirects.rs limited",
    "options/retries.rs backoff",
    "options/retries.rs max_retry_after",
    "options/retries.rs new",
];

#[tokio::test(start_paused = true)]
async fn a_transport_with_a_value_at_the_end_of_its_range_serves() {
    for Row { setter, set, taken, .. } in ROWS {
        for value in taken {
            for prior_knowledge in [false, true] {
                let origin = Origin::new();
                let builder = if prior_knowledge { origin.http2() } else { origin.http1() };
                let transport = set(builder, *value).build().expect(setter);
                for _ in 0..3 {
                    let answer = transport.request("GET", "http://origin.example/").await;
                    let answer =
                        answer.unwrap_or_else(|error| panic!("{setter} {value}: {error:?}"));
                    assert_eq!(answer.body(), "hello", "{setter} {value}");
                }
            }
        }
    }
}

/// What a stack without `build` says to a request, and how many connections it has asked for.
async fn refused_by(pool: PoolLayer<Body>, negotiate: NegotiateLayer<Body>) -> (Error, usize) {
    let origin = scripted::ScriptedPeer::new(first([Serve]));
    let stack = ServiceBuilder::new().layer(pool).layer(negotiate).service(origin.listen());
    let error = stack.request("GET", "http://origin.example/").await.unwrap_err();
    (error, origin.accepted())
}

#[tokio::test]
async fn a_layer_without_build_refuses_every_request_before_it_connects() {
    let (pool, negotiate) = (PoolLayer::new, NegotiateLayer::new);
    let table = [
        (pool().max_connections(0), negotiate(), "max_connections"),
        (pool().max_connections_per_host(0), negotiate(), "max_connections_per_host"),
        (pool().timeouts(Timeouts::none().connect(Duration::ZERO)), negotiate(), "connect"),
        (pool(), negotiate().http1(Http1Config::new().max_headers(1 << 40)), "max_headers"),
        (pool(), negotiate().http1(Http1Config::new().max_head_size(0)), "max_head_size"),
        (pool(), negotiate().http2(Http2Config::new().max_frame_size(1)), "max_frame_size"),
    ];
    for (pool, negotiate, name) in table {
        let (error, connections) = refused_by(pool, negotiate).await;
        assert!(error.is_builder() && !error.was_sent(), "{name}: {error:?}");
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(connections, 0, "{name}");
    }
}

#[tokio::test]
async fn a_connector_refuses_a_value_outside_of_its_range_before_it_connects() {
    let target = || crate::support::targets::target("http://127.0.0.1:9/");
    let proxy = || Proxy::new("http://proxy.example").unwrap();
    let tcp = TcpConnector::new;
    let (connector, _listener) = MemoryConnector::pair();
    let mut too_long = tcp().keepalive(Duration::from_secs(32_768));
    let mut at_once = tcp().connect_timeout(Duration::ZERO);
    let mut proxied =
        ProxyLayer::new(proxy()).attempt_timeout(Duration::ZERO).layer(connector.clone());
    let http1 = Http1Config::new().max_headers(0);
    let mut tunnel = TunnelLayer::new(proxy()).http1(http1).layer(connector.clone());
    let http2 = Http2Config::new().max_frame_size(1);
    let mut multiplexed = TunnelLayer::new(proxy()).http2(http2).layer(connector);
    use tower::Service;
    let outcomes = [
        ("keepalive", too_long.call(target()).await.err()),
        ("connect_timeout", at_once.call(target()).await.err()),
        ("attempt_timeout", proxied.call(target()).await.err()),
        ("max_headers", tunnel.call(target()).await.err()),
        ("max_frame_size", multiplexed.call(target()).await.err()),
    ];
    for (name, error) in outcomes {
        let error = error.expect(name);
        assert!(error.is_builder(), "{name}: {error:?}");
        assert!(format!("{error:?}").contains(name), "{error:?}");
    }
}

#[test]
fn settings_that_exclude_each_other_are_refused_by_build() {
    let connector = || MemoryConnector::pair().0;
    let (protocols, given) = (
        "`http1_only`, `http2_only` and `http2_prior_knowledge` exclude each other",
        "`connector` and `resolver` exclude each other, and are set once",
    );
    let (builder, resolver) = (Transport::builder, StaticResolver::new);
    let table = [
        (builder().http1_only().http2_only(), protocols),
        (builder().http2_only().http2_prior_knowledge(), protocols),
        (builder().http2_prior_knowledge().http1_only(), protocols),
        (builder().connector(connector()).connector(connector()), given),
        (builder().connector(connector()).resolver(resolver()), given),
        (builder().resolver(resolver()).connector(connector()), given),
        (builder().resolver(resolver()).resolver(resolver()), given),
        (
            builder().unix_socket("/socket").resolver(resolver()),
            "`unix_socket` and `resolver` exclude each other",
        ),
    ];
    for (builder, text) in table {
        let error = builder.build().expect_err(text);
        assert!(error.is_builder() && !error.was_sent(), "{error:?}");
        assert_eq!(error.to_string(), format!("building the transport: {text}"));
    }
    assert!(builder().http1_only().http1_only().build().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_time_of_nothing_for_one_request_is_over_and_no_panic() {
    let origin = Origin::new();
    let transport = origin.http1().build().unwrap();
    let (none, nothing) = (Timeouts::none, Duration::ZERO);
    for timeouts in [none().pool(nothing), none().read(nothing), none().total(nothing)] {
        let get = transport.request("GET", "http://origin.example/gated").timeouts(timeouts);
        assert!(get.await.unwrap_err().is_timeout(), "{timeouts:?}");
    }
}

#[test]
fn every_setter_of_a_number_is_in_a_table_here() {
    let listed = ROWS.iter().map(|row| row.setter).chain(ALIKE).chain(OF_CLIENT);
    let listed: BTreeSet<_> = listed.collect();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    setters(&source, &source, &mut found);
    let found: BTreeSet<_> = found.iter().map(String::as_str).collect();
    assert_eq!(found, listed);
}

/// Public functions that take a number and return what they are set on, as `pool/layer.rs max_idle`.
fn setters(source: &Path, folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            setters(source, &path, found);
        } else {
            let name = path.strip_prefix(source).unwrap().display().to_string();
            // Some are within a macro.
            let text = fs::read_to_string(&path)
                .unwrap()
                .replace("\n            pub fn ", "\n    pub fn ");
            for function in text.split("\n    pub fn ").skip(1) {
                let signature = function.split('{').next().unwrap();
                let is_number = ["usize", "u32", "u64", "Duration"].iter().any(|kind| {
                    let (_, parameters) = signature.split_once('(').unwrap_or_default();
                    parameters.split("->").next().unwrap().contains(kind)
                });
                if is_number && signature.contains("-> Self") {
                    let setter = signature.split(['(', '<']).next().unwrap();
                    found.insert(format!("{name} {setter}"));
                }
            }
        }
    }
}
