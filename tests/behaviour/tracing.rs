//! What `tracing` receives: spans in their trees, and no secrets.

use std::{
    collections::HashMap,
    fmt::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{Method, Request, request};
use tower::ServiceExt;
use tower_transport::{
    Body, Error, RequestExt, Transport,
    connect::{Connected, MemoryIo, StaticResolver},
    events::TracingListener,
    options::Timeouts,
    proxy::Proxy,
    transport::TransportBuilder,
};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::with_default,
};

use crate::support::{
    origin::run_ready_tasks,
    scene::Scene,
    scripted::{
        HELLO, Script,
        Step::{Answer, Head, Hold, Pause, Serve},
        each, first, say,
    },
};

/// Writes down every span with its parents, and every event.
#[derive(Clone)]
struct Subscribed {
    most: Level,
    next: Arc<AtomicU64>,
    paths: Arc<Mutex<HashMap<u64, String>>>,
    current: Arc<Mutex<Vec<u64>>>,
    lines: Arc<Mutex<Vec<String>>>,
}

/// The fields as text.
struct Text(String);

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {}={value}", field.name());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Subscribed {
    fn to(most: Level) -> Self {
        let (paths, current, lines) = Default::default();
        Self { most, next: Arc::new(AtomicU64::new(1)), paths, current, lines }
    }

    fn tell(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    fn parent(&self) -> Option<u64> {
        self.current.lock().unwrap().last().copied()
    }
}

impl Subscriber for Subscribed {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tower_transport") && *metadata.level() <= self.most
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let parent = if span.is_root() { None } else { self.parent() };
        let mut paths = self.paths.lock().unwrap();
        let above = parent.map(|parent| format!("{}/", paths[&parent])).unwrap_or_default();
        let path = format!("{above}{}", span.metadata().name());
        let mut text = Text(path.clone());
        span.record(&mut text);
        paths.insert(id, path);
        self.tell(text.0);
        span::Id::from_u64(id)
    }

    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        let mut text = Text(self.paths.lock().unwrap()[&span.into_u64()].clone());
        values.record(&mut text);
        self.tell(text.0);
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let (level, target) = (event.metadata().level(), event.metadata().target());
        let mut text = Text(format!("event {level} {target}"));
        event.record(&mut text);
        self.tell(text.0);
    }

    fn enter(&self, span: &span::Id) {
        self.current.lock().unwrap().push(span.into_u64());
    }

    fn exit(&self, _: &span::Id) {
        self.current.lock().unwrap().pop();
    }
}

/// What a subscriber of this level receives of a request.
fn messages(most: Level) -> Vec<String> {
    start_request(most, first([Serve]), |builder| builder, |request| request)
}

/// The same of another script, with settings, of another request; an answer is read to its end.
fn start_request(
    most: Level,
    script: Script,
    settings: impl FnOnce(TransportBuilder) -> TransportBuilder,
    change: impl FnOnce(request::Builder) -> request::Builder,
) -> Vec<String> {
    emitted(TracingListener::new(), most, script, settings, async |scene| {
        let request = change(Request::get(scene.url("/?sig=secret")));
        let request = request.body(Body::empty()).unwrap();
        if let Ok(response) = scene.transport.clone().oneshot(request).await {
            drop(response.into_body().read().await);
        }
    })
}

/// What this listener emits of what is done with a transport.
fn emitted(
    listener: TracingListener,
    most: Level,
    script: Script,
    settings: impl FnOnce(TransportBuilder) -> TransportBuilder,
    act: impl AsyncFnOnce(&Scene),
) -> Vec<String> {
    let subscribed = Subscribed::to(most);
    with_default(subscribed.clone(), || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let settings = |builder| settings(builder).listener(listener);
            let scene = Scene::memory_with(script, settings);
            act(&scene).await;
            run_ready_tasks().await;
        });
    });
    let lines = subscribed.lines.lock().unwrap();
    lines.clone()
}

#[test]
fn each_step_is_a_span_below_that_of_its_request() {
    let lines = messages(Level::DEBUG).join("\n");
    for line in [
        "request/pool.acquire",
        "request/request.head",
        "request/response.head status=200",
        "request/response.body bytes=5",
        "\nconnect request=",
        "\nconnect/http.handshake",
        "message=connection.idle",
    ] {
        assert!(lines.contains(line), "{line} is not in\n{lines}");
    }
    assert!(!lines.contains("secret"), "{lines}");
}

#[test]
fn a_body_that_takes_long_tells_how_far_it_has_come() {
    let head = say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
    let slowly = first([Head, head, Pause(1), say("one"), Pause(1), say("two")]);
    let lines = start_request(Level::DEBUG, slowly, |builder| builder, |request| request);
    let lines: Vec<_> =
        lines.iter().filter(|line| line.contains("response.body.progress")).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("bytes=3") && lines[0].contains("total=6"), "{lines:?}");
}

#[test]
fn a_subscriber_of_info_sees_requests_alone() {
    let lines = messages(Level::INFO);
    assert!(lines[0].starts_with("request "), "{lines:?}");
    assert!(lines.iter().all(|line| line.starts_with("request ")), "{lines:?}");
}

#[test]
fn a_subscriber_of_errors_sees_nothing_of_a_request_that_succeeds() {
    assert_eq!(messages(Level::ERROR), [""; 0]);
}

/// The one event at INFO of a request that fails.
fn failure(
    script: Script,
    settings: impl FnOnce(TransportBuilder) -> TransportBuilder,
    change: impl FnOnce(request::Builder) -> request::Builder,
) -> String {
    let lines = start_request(Level::INFO, script, settings, change);
    let mut events = lines.into_iter().filter(|line| line.starts_with("event "));
    let event = events.next().expect("an event");
    assert_eq!(events.next(), None, "a second event");
    event
}

#[track_caller]
fn assert_has(event: &str, fields: &[&str]) {
    for field in fields {
        assert!(event.contains(field), "{field} is not in\n{event}");
    }
}

#[test]
fn a_request_that_failed_is_one_event_with_all_its_causes() {
    let nowhere = |_| Transport::builder().unix_socket("/nonexistent/socket").connect_retries(1);
    let event = failure(first([Serve]), nowhere, |request| request.uri("http://[::1]:81/"));
    assert_has(
        &event,
        &[
            "event INFO tower_transport::request",
            "message=request failed",
            "error=connecting to [::1]:81",
            ": No such file or directory",
            "error.type=connect",
            "server.address=::1 server.port=81",
            "phase=connect",
            "was_sent=false",
        ],
    );
}

#[test]
fn the_event_says_what_was_waited_for() {
    let as_it_is = |builder: TransportBuilder| builder;
    let same = |request: request::Builder| request;
    let server = "server.address=origin.example server.port=80";

    let silent = |builder: TransportBuilder| {
        builder.timeouts(Timeouts::none().read(Duration::from_millis(1)))
    };
    let event = failure(first([Head, Hold]), silent, same);
    assert_has(&event, &["error.type=timeout", server, "phase=read", "was_sent=true"]);

    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
    let event = failure(first([Head, say(cut)]), as_it_is, same);
    assert_has(&event, &[server, "phase=read", "was_sent=true"]);

    let event = failure(first([Serve]), as_it_is, |request| request.header("content-length", "x"));
    assert_has(&event, &["error.type=builder", server, "phase=build", "was_sent=false"]);

    let event = failure(first([Serve]), as_it_is, |request| request.uri("ftp://origin.example/"));
    assert_has(&event, &["error.type=builder", "server.address=origin.example", "phase=build"]);

    let refusal = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n";
    let proxied =
        |builder: TransportBuilder| builder.proxy(Proxy::new("http://proxy.example").unwrap());
    let https = |request: request::Builder| request.uri("https://origin.example/");
    let event = failure(first([Head, say(refusal)]), proxied, https);
    assert_has(&event, &["error.type=proxy", "server.port=443", "phase=connect", "was_sent=false"]);
}

#[test]
fn an_answer_of_any_status_is_no_failure() {
    let answer = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";
    let script = first([Head, say(answer), Serve]);
    let lines = start_request(Level::INFO, script, |builder| builder, |request| request);
    assert!(lines.iter().all(|line| !line.starts_with("event ")), "{lines:?}");
}

#[test]
fn what_fails_below_a_request_is_reported_at_its_place() {
    let refused = |_| Transport::builder();
    let port = crate::support::hosts::refusing("127.0.0.1");
    let url = format!("http://127.0.0.1:{}/", port.1);
    let lines = start_request(Level::DEBUG, first([Serve]), refused, |request| request.uri(url));
    let failed: Vec<_> = lines.iter().filter(|line| line.contains("message=failed")).collect();
    for target in ["connect", "connect", "pool"] {
        let at = format!("event DEBUG tower_transport::{target} ");
        assert!(failed.iter().any(|line| line.starts_with(&at)), "{at} is not in {failed:?}");
    }
    let at_request = "event DEBUG tower_transport::request ";
    assert!(failed.iter().all(|line| !line.starts_with(at_request)), "{failed:?}");
}

#[test]
fn no_span_has_its_connection_twice() {
    let lines = messages(Level::DEBUG);
    let mut spans = HashMap::<_, usize>::new();
    for line in lines.iter().filter(|line| !line.starts_with("event")) {
        let path = line.split(' ').next().unwrap();
        *spans.entry(path).or_default() += line.matches(" connection=").count();
    }
    assert!(spans.values().all(|count| *count == 1), "{spans:?}");
}

#[test]
fn a_method_that_is_not_known_is_other_and_reported_as_it_was() {
    let purge = |request: request::Builder| request.method("PURGE");
    let lines = start_request(Level::INFO, first([Serve]), |builder| builder, purge);
    let other = "http.request.method=_OTHER http.request.method_original=PURGE";
    assert_has(&lines[0], &["method=PURGE", other, "server.address=origin.example server.port=80"]);
    let lines = start_request(Level::INFO, first([Serve]), |builder| builder, |request| request);
    assert!(!lines[0].contains("method_original"), "{}", lines[0]);
}

/// Fails unless each of these is in a line of its own, in this order.
#[track_caller]
fn assert_in_order(lines: &[String], expected: &[&str]) {
    let mut left = lines.iter();
    for text in expected {
        assert!(left.any(|line| line.contains(text)), "{text} is not in its place in\n{lines:#?}");
    }
}

#[test]
fn a_lookup_is_a_span_with_its_name_and_the_number_of_addresses() {
    let (_held, port) = crate::support::hosts::refusing("127.0.0.1");
    let resolver = StaticResolver::new().address("origin.example", [[127, 0, 0, 1]]);
    let resolved = |_| Transport::builder().resolver(resolver);
    let url = format!("http://origin.example:{port}/");
    let lines = start_request(Level::DEBUG, first([Serve]), resolved, |it| it.uri(url));
    let span = "connect/connect.dns";
    assert_in_order(&lines, &[span, "connect/connect.dns addresses=1", "connect/connect.tcp"]);
    assert!(
        lines.iter().any(|line| line.starts_with(span) && line.contains("host=origin.example"))
    );
}

#[cfg(all(feature = "http2", feature = "_rustls"))]
#[test]
fn a_tls_handshake_is_a_span_with_the_name_and_what_was_negotiated() {
    use crate::support::{
        net::{Behavior, Net},
        tls_peer::Authority,
    };
    let (net, authority) = (Net::new(), Authority::new());
    let server = authority.certify("origin.example").server(&["h2"]);
    net.tls("origin.example:443", Behavior::Serve, server);
    let trust = tower_transport::tls::TlsConfig::roots_pem(authority.pem()).unwrap();
    let over_tls = |_| net.transport().tls(trust);
    let https = |request: request::Builder| request.uri("https://origin.example/");
    let lines = start_request(Level::DEBUG, first([Serve]), over_tls, https);
    let span = "connect/tls.handshake";
    assert_in_order(&lines, &["server_name=origin.example", "version=TLSv1.3", "alpn=h2"]);
    assert_eq!(lines.iter().filter(|line| line.starts_with(span)).count(), 3, "{lines:#?}");
}

#[test]
fn informational_answers_and_retries_are_events() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let script = each(vec![vec![Answer, Head], vec![Head, say(hints), say(HELLO), Serve]]);
    let twice = async |scene: &Scene| {
        for _ in 0..2 {
            scene.get().await.unwrap();
        }
    };
    let lines = emitted(TracingListener::new(), Level::DEBUG, script, |it| it, twice);
    let event = "event DEBUG tower_transport::request message=";
    let (retry, informational) =
        (format!("{event}request.retry "), format!("{event}response.informational "));
    assert_in_order(&lines, &[&retry, &informational]);
    let line = |text: &str| lines.iter().find(|line| line.contains(text)).unwrap();
    assert!(line(&retry).contains("why=broken"), "{}", line(&retry));
    assert!(line(&informational).contains("status=103"), "{}", line(&informational));
}

#[test]
fn an_upload_is_a_span_and_tells_how_far_it_has_come() {
    let chunks = futures_util::stream::unfold(0, |chunk| async move {
        tokio::time::sleep(Duration::from_millis(60)).await;
        (chunk < 3).then(|| (Ok::<_, Error>("1234"), chunk + 1))
    });
    let post = async |scene: &Scene| {
        let request = scene.transport.request("POST", scene.url("/")).body_stream(chunks);
        request.header("content-length", 12).await.unwrap();
    };
    let lines = emitted(TracingListener::new(), Level::DEBUG, first([Serve]), |it| it, post);
    assert_in_order(
        &lines,
        &[
            "request/request.body request=",
            "request.body.progress",
            "request/request.body bytes=12",
        ],
    );
    let progress = lines.iter().find(|line| line.contains("request.body.progress")).unwrap();
    assert!(progress.contains("bytes=8") && progress.contains("total=12"), "{progress}");
}

/// Gives a request up after a second.
async fn give_up(scene: &Scene) {
    let request = Request::get(scene.url("/")).body(Body::empty()).unwrap();
    let request = scene.transport.clone().oneshot(request);
    assert!(tokio::time::timeout(Duration::from_secs(1), request).await.is_err());
}

#[test]
fn what_is_given_up_is_an_event_of_each_step() {
    let canceled = |script, settings: fn(TransportBuilder) -> TransportBuilder| {
        let lines = emitted(TracingListener::new(), Level::DEBUG, script, settings, give_up);
        let event = |line: &String| {
            let line = line.strip_suffix(" message=canceled")?;
            Some(line.strip_prefix("event DEBUG tower_transport::")?.to_owned())
        };
        let mut targets: Vec<_> = lines.iter().filter_map(event).collect();
        targets.sort();
        targets
    };
    let silent = first([Head, Hold]);
    assert_eq!(canceled(silent, |builder| builder), ["request", "request"]);
    let unreachable = |_| {
        let never =
            tower::service_fn(|_| std::future::pending::<Result<Connected<MemoryIo>, Error>>());
        Transport::builder().connector(never)
    };
    assert_eq!(canceled(first([Serve]), unreachable), ["connect", "pool", "request"]);
}

#[test]
fn methods_that_are_given_are_known_and_no_others() {
    let listener = || TracingListener::new().known_methods([Method::from_bytes(b"PURGE").unwrap()]);
    for (method, name) in [("PURGE", "PURGE"), ("GET", "_OTHER")] {
        let act = async |scene: &Scene| {
            scene.transport.request(method, scene.url("/")).await.unwrap();
        };
        let lines = emitted(listener(), Level::INFO, first([Serve]), |it| it, act);
        assert_has(&lines[0], &[&format!("http.request.method={name}")]);
        assert_eq!(lines[0].contains("method_original=GET"), name == "_OTHER", "{}", lines[0]);
    }
}
