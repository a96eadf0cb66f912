//! What is measured, by the names of OpenTelemetry's conventions.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use http::{Method, Request};
use metrics::{
    Counter, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit, with_local_recorder,
};
use tower::ServiceExt;
use tower_transport::{
    Body, Transport, connect::StaticResolver, events::MetricsListener, proxy::Proxy,
    transport::TransportBuilder,
};

use crate::support::{
    hosts::refusing,
    origin::run_ready_tasks,
    scene::Scene,
    scripted::{
        Script,
        Step::{Head, Hold, Serve},
        first, say,
    },
};

/// Keeps every gauge, and how often each histogram was recorded in.
#[derive(Clone, Default)]
struct Measured(Arc<Mutex<BTreeMap<String, f64>>>);

struct Cell(Measured, String);

impl Measured {
    /// The values whose names and labels begin like this.
    fn of(&self, name: &str) -> Vec<(String, f64)> {
        let all = self.0.lock().unwrap();
        let named = all.iter().filter(|(key, _)| key.starts_with(&format!("{name} ")));
        named.map(|(key, value)| (key[name.len() + 1..].to_owned(), *value)).collect()
    }

    fn cell(&self, key: &Key) -> Arc<Cell> {
        let labels: Vec<_> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        Arc::new(Cell(self.clone(), format!("{} {}", key.name(), labels.join(" "))))
    }
}

impl Cell {
    fn add(&self, more: f64) {
        *self.0.0.lock().unwrap().entry(self.1.clone()).or_default() += more;
    }
}

impl GaugeFn for Cell {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, _: f64) {}
}

impl HistogramFn for Cell {
    fn record(&self, _: f64) {
        self.add(1.0);
    }
}

impl Recorder for Measured {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.cell(key))
    }
}

/// What was measured when a request of this script has ended, and then when its transport is gone.
fn measured(script: Script) -> (Measured, Measured) {
    measured_with(script, |builder| builder, Request::get("http://origin.example/"))
}

/// The same with settings, of this request.
fn measured_with(
    script: Script,
    settings: impl FnOnce(TransportBuilder) -> TransportBuilder,
    request: http::request::Builder,
) -> (Measured, Measured) {
    measured_by(MetricsListener::new(), script, settings, async |transport| {
        let request = request.body(Body::empty()).unwrap();
        if let Ok(response) = transport.oneshot(request).await {
            drop(response.into_body().read().await);
        }
    })
}

/// The same by this listener, of what is done with the transport.
fn measured_by(
    listener: MetricsListener,
    script: Script,
    settings: impl FnOnce(TransportBuilder) -> TransportBuilder,
    act: impl AsyncFnOnce(Transport),
) -> (Measured, Measured) {
    let recorder = Measured::default();
    let before = with_local_recorder(&recorder, || {
        let builder = tokio::runtime::Builder::new_current_thread().enable_all().build();
        builder.unwrap().block_on(async {
            let settings = |builder| settings(builder).listener(listener);
            let scene = Scene::memory_with(script, settings);
            act(scene.transport.clone()).await;
            run_ready_tasks().await;
            let before = Measured(Arc::new(Mutex::new(recorder.0.lock().unwrap().clone())));
            drop(scene);
            run_ready_tasks().await;
            before
        })
    });
    (before, recorder)
}

const SERVER: &str = "server.address=origin.example server.port=80";

#[test]
fn a_request_is_measured_by_what_it_was_and_what_came_of_it() {
    let (ended, _) = measured(first([Serve]));
    let labels = format!(
        "http.request.method=GET {SERVER} network.protocol.version=1.1 \
         http.response.status_code=200"
    );
    assert_eq!(ended.of("http.client.request.duration"), [(labels, 1.0)]);
    let active = format!("http.request.method=GET {SERVER}");
    assert_eq!(ended.of("http.client.active_requests"), [(active, 0.0)]);
    assert_eq!(ended.of("http.client.request.time_in_queue").len(), 1);
}

#[test]
fn a_connection_is_counted_where_it_is_until_it_is_closed() {
    let (ended, gone) = measured(first([Serve]));
    let states = |active, idle| {
        [("active", active), ("idle", idle)]
            .map(|(state, count)| (format!("{SERVER} http.connection.state={state}"), count))
    };
    assert_eq!(ended.of("http.client.open_connections"), states(0.0, 1.0));
    assert_eq!(gone.of("http.client.open_connections"), states(0.0, 0.0));
    assert_eq!(gone.of("http.client.connection.duration"), [(SERVER.to_owned(), 1.0)]);
}

#[test]
fn a_wait_that_failed_says_for_which_server() {
    // A Unix socket that is not there; the connector in memory reaches everything.
    let nowhere = |_| Transport::builder().unix_socket("/nonexistent/socket");
    let (ended, _) = measured_with(first([Serve]), nowhere, Request::get("http://[::1]:81/"));
    let labels = "server.address=::1 server.port=81 error.type=connect".to_owned();
    assert_eq!(ended.of("http.client.request.time_in_queue"), [(labels, 1.0)]);
}

#[test]
fn a_way_that_a_proxy_refuses_is_one_wait_for_the_server_behind_it() {
    let refusal = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n";
    let proxied =
        |builder: TransportBuilder| builder.proxy(Proxy::new("http://proxy.example:3128").unwrap());
    let request = Request::get("https://origin.example/");
    let (ended, _) = measured_with(first([Head, say(refusal), Serve]), proxied, request);
    let labels = "server.address=origin.example server.port=443 error.type=proxy".to_owned();
    assert_eq!(ended.of("http.client.request.time_in_queue"), [(labels, 1.0)]);
    let open = ended.of("http.client.open_connections");
    let proxy = "server.address=proxy.example server.port=3128 http.connection.state=";
    assert!(
        !open.is_empty() && open.iter().all(|(labels, _)| labels.starts_with(proxy)),
        "{open:?}"
    );
}

#[test]
fn a_method_that_is_not_known_is_other() {
    for (method, name) in [("PURGE", "_OTHER"), ("get", "_OTHER"), ("PATCH", "PATCH")] {
        let request = Request::builder().method(method).uri("http://origin.example/");
        let (ended, _) = measured_with(first([Serve]), |builder| builder, request);
        for metric in ["http.client.request.duration", "http.client.active_requests"] {
            let measured = ended.of(metric);
            let labels = format!("http.request.method={name} {SERVER}");
            assert!(measured.len() == 1 && measured[0].0.starts_with(&labels), "{measured:?}");
        }
    }
}

#[test]
fn what_went_wrong_is_said_in_one_word() {
    for (answer, word) in [
        ("nonsense\r\n\r\n", "error.type=protocol"),
        ("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "error.type=503"),
    ] {
        let (ended, _) = measured(first([Head, say(answer), Serve]));
        let durations = ended.of("http.client.request.duration");
        assert!(durations[0].0.ends_with(word), "{durations:?}");
    }
}

#[test]
fn a_request_that_is_given_up_is_measured_as_canceled() {
    let listener = MetricsListener::new();
    let (ended, _) = measured_by(
        listener,
        first([Head, Hold]),
        |it| it,
        async |transport| {
            let request = Request::get("http://origin.example/").body(Body::empty()).unwrap();
            let request = tokio::spawn(transport.oneshot(request));
            run_ready_tasks().await;
            request.abort();
            assert!(request.await.unwrap_err().is_cancelled());
        },
    );
    let labels = format!("http.request.method=GET {SERVER} error.type=canceled");
    assert_eq!(ended.of("http.client.request.duration"), [(labels, 1.0)]);
    let active = format!("http.request.method=GET {SERVER}");
    assert_eq!(ended.of("http.client.active_requests"), [(active, 0.0)]);
}

#[test]
fn a_lookup_is_measured_by_its_name_and_what_came_of_it() {
    let (_held, port) = refusing("127.0.0.1");
    for (known, error) in [("origin.example", ""), ("other.example", " error.type=dns")] {
        let resolver = StaticResolver::new().address(known, [std::net::Ipv4Addr::LOCALHOST]);
        let resolved = |_| Transport::builder().resolver(resolver);
        let request = Request::get(format!("http://origin.example:{port}/"));
        let (ended, _) = measured_with(first([Serve]), resolved, request);
        let labels = format!("dns.question.name=origin.example{error}");
        assert_eq!(ended.of("dns.lookup.duration"), [(labels, 1.0)]);
        assert_eq!(ended.of("http.client.open_connections"), []);
    }
}

#[test]
fn the_version_is_the_one_that_the_peer_has_answered_in() {
    let old = first([Head, say("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"), Hold]);
    let (ended, _) = measured(old);
    let durations = ended.of("http.client.request.duration");
    assert!(durations[0].0.contains(" network.protocol.version=1.0 "), "{durations:?}");
}

#[cfg(feature = "http2")]
#[test]
fn a_request_over_http2_is_measured_as_one() {
    use crate::support::{frames::open, scripted::Step::ServeHttp2};
    let script = first([open(), vec![ServeHttp2]].concat());
    let request = Request::get("http://origin.example/");
    let (ended, _) = measured_with(script, TransportBuilder::http2_prior_knowledge, request);
    let durations = ended.of("http.client.request.duration");
    assert!(durations[0].0.contains(" network.protocol.version=2 "), "{durations:?}");
}

#[test]
fn methods_that_are_given_are_known_and_no_others() {
    for (method, name) in [("PURGE", "PURGE"), ("GET", "_OTHER")] {
        let listener =
            MetricsListener::new().known_methods([Method::from_bytes(b"PURGE").unwrap()]);
        let (ended, _) = measured_by(
            listener,
            first([Serve]),
            |it| it,
            async |transport| {
                let request = Request::builder().method(method).uri("http://origin.example/");
                transport.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            },
        );
        let durations = ended.of("http.client.request.duration");
        let labels = format!("http.request.method={name} {SERVER}");
        assert!(durations[0].0.starts_with(&labels), "{durations:?}");
    }
}
