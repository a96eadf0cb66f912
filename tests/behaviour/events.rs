//! The events that a listener receives, their order, and that every start has one end.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Version;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tower_transport::{
    Body, Error, RequestExt, Transport,
    connect::{Connected, StaticResolver},
    events::{Event, EventListener, Note, NoteKind, Step, StepOutcome, Timings},
    options::{Listener, Timed, Timeouts},
    tls::TlsConfig,
    transport::TransportBuilder,
};

use crate::support::{
    frames::open,
    net::{Behavior, Net, Peer},
    origin::{Origin, run_ready_tasks},
    proxy::proxy,
    records::Records,
    scene::{Scene, wait_idle},
    scripted::{
        HELLO,
        Step::{Answer, Head, Hold, Pause, Serve, ServeHttp2, Turn, Wait},
        each, first, say,
    },
    tls_peer::Authority,
};

const COLD: &str = "+request +pool.acquire +connect +connect.dns -connect.dns +connect.tcp -connect.tcp \
    +tls.handshake -tls.handshake +http.handshake -http.handshake -connect -pool.acquire";
const EXCHANGE: &str = "+request.head -request.head +response.head -response.head";
const READ: &str = "+response.body -response.body -request connection.idle";

/// Over real TCP and TLS, to a server that speaks what ALPN chose.
fn https(alpn: &'static str, records: &Records) -> Scene {
    let authority = Authority::new();
    let server = authority.certify("origin.example").server(&[alpn]);
    let steps = match alpn {
        "h2" => [open(), vec![ServeHttp2]].concat(),
        _ => vec![Serve],
    };
    Scene::tls_with(first(steps), &authority, vec![server], |builder| {
        builder.listener(records.clone())
    })
}

fn in_memory(records: &Records, script: crate::support::scripted::Script) -> Scene {
    Scene::memory_with(script, |builder| builder.listener(records.clone()))
}

#[tokio::test]
async fn a_cold_get_over_http1_tells_of_every_step_in_its_order() {
    let records = Records::default();
    let scene = https("http/1.1", &records);
    scene.get().await.unwrap();
    assert_eq!(records.take_line(), format!("{COLD} {EXCHANGE} {READ}"));
    records.are_balanced();
}

#[tokio::test]
async fn a_cold_get_over_http2_tells_the_same() {
    let records = Records::default();
    let scene = https("h2", &records);
    scene.get().await.unwrap();
    assert_eq!(records.take_line(), format!("{COLD} {EXCHANGE} {READ}"));
    records.are_balanced();
}

#[tokio::test]
async fn informational_answers_are_noted_before_the_answer() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let records = Records::default();
    let scene = in_memory(&records, first([Head, say(hints), say(hints), say(HELLO), Serve]));
    scene.get().await.unwrap();
    let noted = "+response.head response.informational response.informational -response.head";
    let line = records.take_line();
    assert!(line.contains(noted), "{line}");
    records.are_balanced();
}

#[tokio::test]
async fn a_warm_get_tells_of_no_connecting() {
    for alpn in ["http/1.1", "h2"] {
        let records = Records::default();
        let scene = https(alpn, &records);
        scene.get().await.unwrap();
        records.take_line();
        scene.get().await.unwrap();
        let expected = format!("+request +pool.acquire -pool.acquire {EXCHANGE} {READ}");
        assert_eq!(records.take_line(), expected, "{alpn}");
        assert_eq!(records.end("pool.acquire").step.to_string(), "pool.acquire");
        assert!(format!("{:?}", records.end("pool.acquire")).contains("reused: Some(true)"));
    }
}

#[tokio::test]
async fn the_details_are_those_of_what_was_done() {
    let records = Records::default();
    let scene = https("h2", &records);
    scene.get().await.unwrap();
    let all: Vec<_> = records.ends().iter().map(|event| format!("{:?}", event.step)).collect();
    for detail in [
        "host: \"origin.example\", addresses: 1",
        "address: 127.0.0.1:",
        "server_name: \"origin.example\", version: Some(\"TLSv1.3\"), alpn: Some(\"h2\")",
        "HttpHandshake { version: HTTP/2.0 }",
        "reused: Some(false)",
        "ResponseHead { status: Some(200) }",
        "ResponseBody { bytes: 5 }",
        "version: Some(HTTP/2.0), status: Some(200)",
    ] {
        assert!(all.iter().any(|step| step.contains(detail)), "{detail} is not in {all:#?}");
    }
    let used = records.end("response.body").connection;
    assert!(used.is_some() && used == records.end("connect").connection);
}

/// A transport through a proxy, and whom it reaches.
fn through_a_proxy(records: &Records) -> (Transport, Arc<Peer>) {
    let (net, authority) = (Net::new(), Authority::new());
    net.plain("proxy.example:8080", Behavior::Tunnel);
    let server = authority.certify("origin.example").server(&["http/1.1"]);
    let origin = net.tls("origin.example:443", Behavior::Serve, server);
    let tls = TlsConfig::roots_pem(authority.pem()).unwrap();
    let builder = Transport::builder().connector(net.connector()).tls(tls).proxy(proxy());
    (builder.listener(records.clone()).build().unwrap(), origin)
}

#[tokio::test(start_paused = true)]
async fn a_cold_get_through_a_tunnel_tells_of_the_tunnel_as_a_request_of_its_own() {
    let records = Records::default();
    let (transport, _origin) = through_a_proxy(&records);
    transport.request("GET", "https://origin.example/").await.unwrap();
    let tunnel = "+request +pool.acquire +connect +http.handshake -http.handshake -connect \
        -pool.acquire +request.head -request.head +response.head -response.head -request";
    let whole = format!(
        "+request +pool.acquire +connect +proxy.connect {tunnel} -proxy.connect +tls.handshake \
         -tls.handshake +http.handshake -http.handshake -connect -pool.acquire {EXCHANGE} {READ}"
    );
    assert_eq!(records.take_line(), whole);
    records.are_balanced();
}

#[tokio::test(start_paused = true)]
async fn the_request_for_a_tunnel_is_a_part_of_the_way_through_the_proxy() {
    let records = Records::default();
    let (transport, _origin) = through_a_proxy(&records);
    transport.request("GET", "https://origin.example/").await.unwrap();
    let ends = records.ends();
    let tunnel = ends.iter().find(|event| format!("{:?}", event.step).contains("CONNECT")).unwrap();
    let way = records.end("proxy.connect");
    assert_eq!(tunnel.parent, Some(way.id));
    assert!(format!("{:?}", tunnel.step).contains("url: \"origin.example:443\""));
    assert_eq!(way.request, records.end("request").request);
    assert!(!format!("{ends:?}").contains("secret"));
}

#[tokio::test(start_paused = true)]
async fn an_upload_tells_of_its_body_between_the_heads() {
    let records = Records::default();
    let scene = in_memory(&records, first([Serve]));
    scene.transport.request("POST", scene.url("/")).body("four").await.unwrap();
    let line = records.take_line();
    let exchange =
        "+request.head -request.head +response.head +request.body -request.body -response.head";
    assert!(line.contains(exchange), "{line}");
    assert!(format!("{:?}", records.end("request.body").step).contains("bytes: 4"));
}

/// How far a body has come, and how many bytes there will be.
fn progress(records: &Records) -> Vec<(u64, Option<u64>)> {
    let counts = |note: Note| match note.kind {
        NoteKind::UploadProgress { bytes, total, .. }
        | NoteKind::DownloadProgress { bytes, total, .. } => (bytes, total),
        other => panic!("{other}"),
    };
    records.progress().into_iter().map(counts).collect()
}

#[tokio::test(start_paused = true)]
async fn a_long_upload_is_noted_every_tenth_of_a_second_below_its_step() {
    let chunks = || {
        futures_util::stream::unfold(0, |chunk| async move {
            tokio::time::sleep(Duration::from_millis(30)).await;
            (chunk < 10).then(|| (Ok::<_, Error>("1234"), chunk + 1))
        })
    };
    for length in [None, Some(40)] {
        let records = Records::default();
        let scene = in_memory(&records, first([Serve]));
        let mut request = scene.transport.request("POST", scene.url("/")).body_stream(chunks());
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        request.await.unwrap();
        assert_eq!(progress(&records), [(16, length), (32, length)]);
        let step = records.end("request.body");
        assert!(format!("{:?}", step.step).contains("bytes: 40"));
        for note in records.progress() {
            assert_eq!((note.parent, note.request), (Some(step.id), step.request));
            assert_eq!(note.kind.to_string(), "request.body.progress");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_download_is_noted_until_it_ends() {
    let records = Records::default();
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n";
    let slowly =
        [Head, say(head), say("one"), Pause(1), say("two"), say("six"), Pause(1), say("ten")];
    let scene = in_memory(&records, first(slowly));
    scene.get().await.unwrap();
    let noted = progress(&records);
    assert_eq!(noted.len(), 1, "the last part is the end: {noted:?}");
    assert!((4..=9).contains(&noted[0].0) && noted[0].1 == Some(12), "{noted:?}");
    let note = &records.progress()[0];
    assert_eq!(note.parent, Some(records.end("response.body").id));
    assert_eq!(note.kind.to_string(), "response.body.progress");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_quick_has_no_progress() {
    let records = Records::default();
    let scene = in_memory(&records, first([Serve]));
    let body = Body::iter(vec!["part"; 1000]);
    scene.transport.request("POST", scene.url("/")).body(body).await.unwrap();
    assert_eq!(progress(&records), []);
}

#[tokio::test(start_paused = true)]
async fn a_listener_of_one_request_receives_its_events_alone() {
    let (all, one) = (Records::default(), Records::default());
    let scene = in_memory(&all, first([Serve]));
    let listener = Listener::new(one.clone());
    scene.transport.request("GET", scene.url("/")).extension(listener).await.unwrap();
    assert_eq!(one.take_line(), all.take_line().replace(" connection.idle", ""));
    scene.get().await.unwrap();
    assert_eq!(one.take_line(), "");
}

#[tokio::test(start_paused = true)]
async fn requests_that_share_a_dial_report_it_once() {
    let (records, origin) = (Records::default(), Origin::new());
    let transport = origin.http1().max_connections(1).listener(records.clone()).build().unwrap();
    let get = || transport.request("GET", "http://example.com/").into_future();
    let (one, other) = tokio::join!(get(), get());
    assert!(one.is_ok() && other.is_ok());
    let line = records.take_line();
    assert_eq!(line.matches("+request ").count(), 2);
    assert_eq!(line.matches("+connect ").count(), 1, "{line}");
    records.are_balanced();
}

#[tokio::test(start_paused = true)]
async fn what_fails_says_so_from_the_inside_out() {
    let records = Records::default();
    let scene = in_memory(&records, each(vec![vec![Head, say("nonsense\r\n\r\n")]]));
    scene.get().await.unwrap_err();
    run_ready_tasks().await;
    let line = records.take_line();
    assert!(line.contains("!response.head") && line.contains("!request"), "{line}");
    assert_eq!(line.matches("connection.close").count(), 1, "{line}");
    records.are_balanced();
}

/// The steps that fail, in their order.
fn failures(records: &Records) -> String {
    let line = records.take_line();
    let failed = line.split(' ').filter(|step| step.starts_with('!'));
    failed.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_name_without_an_address_fails_the_dial() {
    let records = Records::default();
    let builder = Transport::builder().resolver(StaticResolver::new()).listener(records.clone());
    let transport = builder.build().unwrap();
    transport.request("GET", "http://origin.example/").await.unwrap_err();
    assert_eq!(failures(&records), "!connect.dns !connect !pool.acquire !request");
    records.are_balanced();
}

#[tokio::test]
async fn addresses_that_refuse_fail_each_and_then_the_dial() {
    let records = Records::default();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let resolver =
        StaticResolver::new().address("origin.example", [[127, 0, 0, 1], [127, 0, 0, 2]]);
    let builder = Transport::builder().resolver(resolver).listener(records.clone());
    let url = format!("http://origin.example:{}/", closed.port());
    builder.build().unwrap().request("GET", url).await.unwrap_err();
    assert_eq!(failures(&records), "!connect.tcp !connect.tcp !connect !pool.acquire !request");
    records.are_balanced();
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_fails_the_handshake() {
    let (records, known) = (Records::default(), Authority::new());
    let server = Authority::new().certify("origin.example").server(&[]);
    let scene = Scene::tls_with(first([Serve]), &known, vec![server], |builder| {
        builder.listener(records.clone())
    });
    scene.get().await.unwrap_err();
    assert_eq!(failures(&records), "!tls.handshake !connect !pool.acquire !request");
    records.are_balanced();
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_refuses_fails_the_way_through_it() {
    let records = Records::default();
    let refusal = vec![Head, say("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")];
    let scene = Scene::tunnel_with(vec![refusal], |builder| {
        builder.proxy(proxy()).listener(records.clone())
    });
    scene.get().await.unwrap_err();
    assert_eq!(failures(&records), "!proxy.connect !connect !pool.acquire !request");
    records.are_balanced();
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_fails() {
    let records = Records::default();
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe";
    let scene = in_memory(&records, first([Head, say(cut)]));
    scene.get().await.unwrap_err();
    let line = records.take_line();
    assert!(line.contains("!response.body !request"), "{line}");
    records.are_balanced();
}

#[tokio::test(start_paused = true)]
async fn a_retry_says_why() {
    let records = Records::default();
    let scene = in_memory(&records, each(vec![vec![Answer, Head], vec![Serve]]));
    scene.get().await.unwrap();
    records.take_line();
    scene.get().await.unwrap();
    let line = records.take_line();
    assert!(line.contains("!response.head"), "{line}");
    assert!(line.contains("request.retry(broken) +pool.acquire"), "{line}");
    records.are_balanced();
}

#[tokio::test(start_paused = true)]
async fn when_the_time_for_connecting_is_over_the_dial_fails() {
    let records = Records::default();
    let never = tower::service_fn(|_| pending::<Result<Connected<TokioIo<DuplexStream>>, Error>>());
    let timeouts = Timeouts::default().connect(Duration::from_secs(3));
    let builder = Transport::builder().connector(never).timeouts(timeouts);
    let transport = builder.listener(records.clone()).build().unwrap();
    transport.request("GET", "http://origin.example/").await.unwrap_err();
    assert_eq!(
        records.take_line(),
        "+request +pool.acquire +connect !connect !pool.acquire !request"
    );
    assert_eq!(records.end("connect").elapsed(), Duration::from_secs(3));
}

/// What fails when a peer that has taken a request says nothing to it, over both versions.
async fn silence(timeouts: Timeouts) -> [String; 2] {
    let records = [Records::default(), Records::default()];
    let silent = || first([Head, Hold]);
    let http1 = Scene::memory_with(silent(), |builder| builder.listener(records[0].clone()));
    let silent = first([open(), vec![Hold]].concat());
    let http2 = Scene::memory_with(silent, |builder| {
        builder.http2_prior_knowledge().listener(records[1].clone())
    });
    for scene in [http1, http2] {
        let request = scene.transport.request("GET", scene.url("/")).timeouts(timeouts);
        assert!(request.await.unwrap_err().is_timeout());
    }
    records.each_ref().map(failures)
}

#[tokio::test(start_paused = true)]
async fn when_the_peer_is_silent_for_too_long_its_answer_fails() {
    let failed = silence(Timeouts::default().read(Duration::from_secs(3))).await;
    assert_eq!(failed, ["!response.head !request", "!response.head !request"]);
}

#[tokio::test(start_paused = true)]
async fn when_the_time_for_all_of_it_is_over_the_request_fails() {
    let failed = silence(Timeouts::none().total(Duration::from_secs(3))).await;
    assert_eq!(failed, ["!request", "!request"]);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_that_expires_is_reported() {
    let records = Records::default();
    let scene = in_memory(&records, first([Serve]));
    scene.get().await.unwrap();
    records.take_line();
    tokio::time::sleep(Duration::from_secs(91)).await;
    run_ready_tasks().await;
    assert_eq!(records.take_line(), "connection.close(expired)");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_peer_closes_is_reported() {
    let records = Records::default();
    let scene = in_memory(&records, first([Answer, Wait]));
    scene.get().await.unwrap();
    records.take_line();
    scene.origin.go();
    run_ready_tasks().await;
    assert_eq!(records.take_line(), "connection.close(by peer)");
}

#[tokio::test(start_paused = true)]
async fn connections_that_were_open_when_a_transport_went_away_are_reported() {
    let records = Records::default();
    let scene = in_memory(&records, first([Serve]));
    scene.get().await.unwrap();
    records.take_line();
    drop(scene);
    run_ready_tasks().await;
    assert_eq!(records.take_line(), "connection.close(pool closed)");
}

/// Panics at each event.
struct Panics;

impl EventListener for Panics {
    fn is_interested(&self) -> bool {
        panic!("a listener panics")
    }

    fn started(&self, _: &Event) {
        panic!("a listener panics")
    }

    fn completed(&self, _: &Event) {
        panic!("a listener panics")
    }

    fn noted(&self, _: &Note) {
        panic!("a listener panics")
    }
}

/// The same, but only after its first event.
struct PanicsLater;

impl EventListener for PanicsLater {
    fn started(&self, _: &Event) {
        panic!("a listener panics")
    }

    fn completed(&self, _: &Event) {
        panic!("a listener panics")
    }

    fn noted(&self, _: &Note) {
        panic!("a listener panics")
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_panics_takes_nobody_with_it() {
    let records = Records::default();
    let listener = Listener::new(PanicsLater).and(Panics).and(records.clone());
    let settings = |builder: TransportBuilder| builder.listener(listener);
    let scene = Scene::memory_with(first([Serve]), settings);
    scene.get().await.unwrap();
    scene.assert_usable().await;
    records.are_balanced();
    assert!(records.take_line().contains("connection.idle"));
}

/// Wants no events.
struct Elsewhere;

impl EventListener for Elsewhere {
    fn is_interested(&self) -> bool {
        false
    }

    fn started(&self, event: &Event) {
        panic!("{event:?}")
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_is_not_interested_receives_no_event_and_others_do() {
    let records = Records::default();
    let listener = Listener::new(Elsewhere).and(records.clone());
    let scene = Scene::memory_with(first([Serve]), |builder| builder.listener(listener));
    scene.get().await.unwrap();
    assert!(records.take_line().starts_with("+request"));
}

/// Declines the first requests, and is interested in all after them.
#[derive(Clone)]
struct Sampler {
    refused: usize,
    asked: Arc<AtomicUsize>,
    records: Records,
}

impl Sampler {
    fn after(refused: usize) -> Self {
        Self { refused, asked: Arc::default(), records: Records::default() }
    }
}

impl EventListener for Sampler {
    fn is_interested(&self) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst) >= self.refused
    }

    fn started(&self, event: &Event) {
        self.records.started(event);
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_is_asked_once_for_each_request() {
    for refused in [0, usize::MAX] {
        let sampler = Sampler::after(refused);
        let others = Listener::new(Elsewhere).and(sampler.clone()).and(Elsewhere);
        let scene = Scene::memory_with(first([Serve]), |builder| builder.listener(others));
        for requests in 1..3 {
            scene.get().await.unwrap();
            assert_eq!(sampler.asked.load(Ordering::SeqCst), requests);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_is_not_interested_in_a_request_is_not_told_of_its_tunnel() {
    let net = Net::new();
    net.plain("proxy.example:8080", Behavior::Tunnel);
    net.plain("origin.example:80", Behavior::Serve);
    for (refused, expected) in [(1, ""), (0, "+request +pool.acquire +connect")] {
        let sampler = Sampler::after(refused);
        let proxy = proxy().tunnel_http(true);
        let builder = net.transport().listener(sampler.clone()).proxy(proxy);
        let transport = builder.build().unwrap();
        transport.request("GET", "http://origin.example/").await.unwrap();
        assert_eq!(sampler.asked.load(Ordering::SeqCst), 1);
        let line = sampler.records.take_line();
        assert!(line.starts_with(expected) && line.is_empty() == expected.is_empty(), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn timings_are_there_if_they_are_asked_for() {
    let scene = Scene::memory(first([Serve, Turn]));
    let plain = scene.get().await.unwrap();
    assert!(plain.extensions().get::<Timings>().is_none());
    let request = scene.transport.request("GET", scene.url("/")).extension(Timed);
    let response = request.await.unwrap();
    let timings: &Timings = response.extensions().get().unwrap();
    let names: Vec<_> = timings.steps().iter().map(|timed| timed.step.name()).collect();
    let exchange = ["request", "pool.acquire", "request.head", "response.head", "response.body"];
    assert_eq!(names, exchange);
    assert!(timings.of("response.body").is_some());
}

#[tokio::test(start_paused = true)]
async fn timings_of_a_new_connection_have_its_making() {
    let scene = Scene::memory_with(first([Serve]), |builder| builder.timings(true));
    let response = scene.get().await.unwrap();
    let timings: &Timings = response.extensions().get().unwrap();
    let (began, ended) = timings.of("connect").unwrap();
    let (acquiring, acquired) = timings.of("pool.acquire").unwrap();
    assert!(acquiring <= began && ended <= acquired, "{timings:?}");
}

#[tokio::test(start_paused = true)]
async fn a_signed_url_is_reported_without_its_signature() {
    let records = Records::default();
    let scene = in_memory(&records, first([Serve]));
    let url = scene.url("/object?X-Amz-Signature=secret&part=1");
    scene.transport.request("GET", url).await.unwrap();
    let ends = format!("{:?}", records.ends());
    assert!(!ends.contains("secret") && ends.contains("X-Amz-Signature=***&part=1"), "{ends}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_answer_cancels_what_is_left() {
    let records = Records::default();
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nhe";
    let scene = in_memory(&records, first([Head, say(long), Hold]));
    let response: http::Response<Body> =
        scene.transport.stream("GET", scene.url("/")).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_11);
    drop(response);
    let line = records.take_line();
    assert!(line.contains("+response.body ~response.body ~request"), "{line}");
    wait_idle(&scene.transport).await;
    records.are_balanced();
}

#[tokio::test(start_paused = true)]
async fn timings_say_which_steps_were_given_up() {
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nhe";
    let scene = Scene::memory_with(first([Head, say(long), Hold]), |it| it.timings(true));
    let response = scene.transport.stream("GET", scene.url("/")).await.unwrap();
    let timings = response.extensions().get::<Timings>().unwrap().clone();
    let outcome = |name| {
        let steps = timings.steps();
        let step = steps.iter().find(|timed| timed.step.name() == name).unwrap();
        step.ended.map(|(_, outcome)| outcome)
    };
    assert_eq!(outcome("response.body"), None);
    drop(response);
    assert_eq!(outcome("response.head"), Some(StepOutcome::Completed));
    assert_eq!(outcome("response.body"), Some(StepOutcome::Canceled));
    assert_eq!(outcome("request"), Some(StepOutcome::Canceled));
}

#[tokio::test(start_paused = true)]
async fn a_listener_in_an_arc_receives_all_that_it_would_receive_itself() {
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nhe";
    for answer in [HELLO, "nonsense\r\n\r\n", long] {
        let (bare, shared) = (Records::default(), Records::default());
        let scene = Scene::memory_with(first([Head, say(answer), Hold]), |builder| {
            builder.listener(bare.clone()).listener(Arc::new(shared.clone()))
        });
        drop(scene.transport.stream("GET", scene.url("/")).await);
        run_ready_tasks().await;
        let line = bare.take_line();
        assert!(line.contains('!') || line.contains('~'), "{line}");
        assert_eq!(shared.take_line(), line);
        shared.are_balanced();
    }
}

#[test]
fn a_listener_may_be_shared_by_two_and_receives_each_event_once() {
    let listener = Listener::new(Records::default());
    assert_eq!(format!("{:?}", listener.clone().and(listener)), "Listener { listeners: 1 }");
}

#[test]
fn an_error_can_be_reported_to_a_listener_of_yours() {
    struct Counts;
    impl EventListener for Counts {
        fn failed(&self, event: &Event, error: &Error) {
            let _ = (matches!(event.step, Step::Dns { .. }), error.is_dns());
        }
        fn noted(&self, note: &Note) {
            let _ = matches!(note.kind, NoteKind::Idle);
        }
    }
    let _ = Listener::from(Counts);
}
