//! What each error is called over either version of HTTP: all that holds of it, whether anything was sent, and for whom.

use std::{
    future::{IntoFuture, pending},
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, stream};
use http::Response;
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::sleep;
use tower::service_fn;
use tower_transport::{
    Body, Error, RequestExt, Transport,
    connect::{ConnectInfo, Connected, MemoryIo, StaticResolver},
    error::BoxError,
    options::{ConnectProtocol, Protocols, Timeouts},
    proxy::Proxy,
    target::Target,
    tls::TlsConfig,
    transport::TransportBuilder,
};

use crate::support::{
    frames::{HEADERS, PREFACE, PROTOCOL_ERROR, each_http2, headers, open, reset, send, settings},
    net::{Behavior, Net},
    origin::run_ready_tasks,
    proxy::{proxy, tunneling},
    scene::{Scene, predicates},
    scripted::{
        HELLO,
        Step::{self, Frame, Head, Hold, Reset},
        first, say,
    },
    targets::io_kind,
    tls_peer::Authority,
};

/// What is spoken with the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Http1,
    Http2,
}

use Speaks::{Http1, Http2};

const BOTH: [Speaks; 2] = [Http1, Http2];
const ORIGIN: &str = "origin.example:80";
const URL: &str = "http://origin.example/";

impl Speaks {
    fn set(self, builder: TransportBuilder) -> TransportBuilder {
        match self {
            Http1 => builder.http1_only(),
            Http2 => builder.http2_prior_knowledge(),
        }
    }

    /// An origin that hears the head of a request and then does one of these.
    fn scene(self, http1: Step, http2: Step) -> Scene {
        self.scene_with(http1, http2, |builder| builder)
    }

    fn scene_with(
        self,
        http1: Step,
        http2: Step,
        settings: impl FnOnce(TransportBuilder) -> TransportBuilder,
    ) -> Scene {
        Scene::memory_with(self.script(http1, http2), |builder| settings(self.set(builder)))
    }

    fn script(self, http1: Step, http2: Step) -> crate::support::scripted::Script {
        match self {
            Http1 => first([Head, http1, Hold]),
            Http2 => each_http2(vec![[one_stream(), vec![http2, Hold]].concat()]),
        }
    }

    /// An origin that begins an answer and never ends it: its connection has no room for another.
    fn busy(self, settings: impl FnOnce(TransportBuilder) -> TransportBuilder) -> Scene {
        let head = send(headers(1, 0, &[(":status", "200")]));
        self.scene_with(say(HELLO.trim_end_matches("hello")), head, settings)
    }

    /// A transport whose connector does this.
    fn over<F>(self, connect: fn() -> F) -> Transport
    where
        F: Future<Output = Result<Connected<MemoryIo>, BoxError>> + Send + 'static,
    {
        let connector = service_fn(move |_: Target| connect());
        self.set(Transport::builder().connector(connector)).build().unwrap()
    }
}

/// One request at a time, up to its head.
fn one_stream() -> Vec<Step> {
    vec![Step::Read(PREFACE), send(settings(&[(3, 1)])), Frame(HEADERS)]
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Every predicate that holds, the phase, and the status of a proxy.
fn all(error: &Error) -> String {
    let phase = error.timeout_phase().map(|phase| format!("{phase:?}"));
    let proxy = error.is_proxy().then(|| match error.proxy_status() {
        Some(status) => format!("proxy {}", status.as_u16()),
        None => "proxy".to_owned(),
    });
    let unsupported = error.is_unsupported().then(|| "unsupported".to_owned());
    let words = [Some(predicates(error)), phase, proxy, unsupported].into_iter().flatten();
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ")
}

/// The same of what failed, and that its text says for whom.
fn named<T: std::fmt::Debug>(outcome: Result<T, Error>, host: &str) -> String {
    let error = outcome.unwrap_err();
    assert!(error.to_string().contains(host), "{error} does not name {host}");
    all(&error)
}

async fn get(transport: &Transport) -> String {
    named(transport.request("GET", URL).await, ORIGIN)
}

/// An answer whose body nobody reads yet.
async fn held(scene: &Scene) -> Response<Body> {
    scene.transport.stream("GET", URL).await.unwrap()
}

/// What a request comes to that stands in line for so long.
async fn queued(scene: &Scene, timeouts: Timeouts) -> String {
    named(scene.transport.request("GET", URL).timeouts(timeouts).await, ORIGIN)
}

#[tokio::test(start_paused = true)]
async fn is_timeout_of_the_pool() {
    for speaks in BOTH {
        let scene = speaks.busy(|builder| builder);
        let _held = held(&scene).await;
        let predicates = queued(&scene, Timeouts::default().pool(seconds(1))).await;
        assert_eq!(predicates, "timeout, Pool", "{speaks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn is_timeout_of_connecting() {
    for speaks in BOTH {
        assert_eq!(get(&speaks.over(pending)).await, "timeout, connect, Connect", "{speaks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn is_timeout_of_reading_a_head_or_a_body() {
    for speaks in BOTH {
        let scene = speaks.scene(Hold, Hold);
        assert_eq!(get(&scene.transport).await, "timeout, sent, Read", "{speaks:?}");
        let scene = speaks.busy(|builder| builder);
        assert_eq!(get(&scene.transport).await, "timeout, sent, Read", "{speaks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn is_timeout_of_writing() {
    for speaks in BOTH {
        let scene = speaks.scene(Hold, Hold);
        let post = scene.transport.request("POST", URL).body(vec![0; 200_000]);
        assert_eq!(named(post.await, ORIGIN), "timeout, sent, Write", "{speaks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn is_timeout_of_everything_before_and_after_it_was_sent() {
    for speaks in BOTH {
        let scene = speaks.busy(|builder| builder);
        let _held = held(&scene).await;
        let total = Timeouts::default().total(seconds(1));
        assert_eq!(queued(&scene, total).await, "timeout, Total", "{speaks:?}");
        let scene = speaks.scene(Hold, Hold);
        assert_eq!(queued(&scene, total).await, "timeout, sent, Total", "{speaks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn is_connect_and_is_io_where_nobody_listens() {
    for speaks in BOTH {
        let refused = || async { Err(io::Error::from(io::ErrorKind::ConnectionRefused).into()) };
        assert_eq!(get(&speaks.over(refused)).await, "connect, io", "{speaks:?}");
        let foreign = || async { Err("out of order".into()) };
        assert_eq!(get(&speaks.over(foreign)).await, "connect", "{speaks:?}");
    }
}

/// A stream that says nothing and takes nothing.
struct FailsToWrite;

impl Read for FailsToWrite {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl Write for FailsToWrite {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::StorageFull.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn is_connect_and_io_where_http2_cannot_be_opened() {
    let connector = service_fn(|_: Target| async {
        Ok::<_, Error>(Connected { io: FailsToWrite, info: ConnectInfo::default() })
    });
    let builder = Transport::builder().connector(connector).http2_prior_knowledge();
    let error = builder.build().unwrap().request("GET", URL).await.unwrap_err();
    assert_eq!(all(&error), "connect, io");
    assert_eq!(io_kind(&error), Some(io::ErrorKind::StorageFull));
    assert!(format!("{error:?}").contains("opening HTTP/2 with origin.example:80"), "{error:?}");
}

#[tokio::test]
async fn is_io_of_a_connection_that_is_reset() {
    for speaks in BOTH {
        let script = speaks.script(Reset, Reset);
        let scene = Scene::tcp_with(script, |builder| speaks.set(builder));
        let get = scene.transport.request("GET", scene.url("/"));
        let predicates = named(get.await, &scene.host);
        // Whether h2 reads or writes first is for the kernel to say: what it could not write is a broken connection.
        let is_broken = speaks == Http2 && predicates == "io, protocol, sent";
        assert!(is_broken || predicates == "io, sent", "{speaks:?}: {predicates}");
    }
}

#[tokio::test(start_paused = true)]
async fn is_dns() {
    for speaks in BOTH {
        let builder = Transport::builder().resolver(StaticResolver::new());
        let transport = speaks.set(builder).build().unwrap();
        let get = transport.request("GET", URL).await;
        assert_eq!(named(get, "origin.example"), "connect, dns", "{speaks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn is_tls() {
    for protocols in [Protocols::Http1Only, Protocols::Http2Only] {
        let (net, stranger) = (Net::new(), Authority::new().certify("origin.example"));
        net.tls("origin.example:443", Behavior::Serve, stranger.server(&["h2", "http/1.1"]));
        let tls = TlsConfig::roots_pem(Authority::new().pem()).unwrap();
        let transport = match protocols {
            Protocols::Http1Only => net.transport().http1_only(),
            _ => net.transport().http2_only(),
        };
        let transport = transport.tls(tls).build().unwrap();
        let get = transport.request("GET", "https://origin.example/");
        assert_eq!(named(get.await, "origin.example:443"), "connect, tls", "{protocols:?}");
    }
}

/// What a GET comes to through a proxy that does this; the proxy is named.
async fn through(speaks: Speaks, proxy: Proxy, does: Behavior) -> String {
    let net = Net::new();
    net.plain("proxy.example:8080", does);
    let transport = speaks.set(net.transport().proxy(proxy)).build().unwrap();
    named(transport.request("GET", URL).await, "proxy.example:8080")
}

#[tokio::test(start_paused = true)]
async fn is_proxy_with_the_status_of_its_refusal() {
    for speaks in BOTH {
        for (answer, predicates) in [
            ("HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n", "connect, proxy 407"),
            ("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "connect, proxy 403"),
            ("HTTP/1.1 502 Gone\r\nContent-Length: 0\r\n\r\n", "connect, proxy 502"),
            ("nonsense\r\n\r\n", "connect, protocol, proxy"),
        ] {
            assert_eq!(
                through(speaks, proxy(), Behavior::Say(answer)).await,
                predicates,
                "{speaks:?}"
            );
        }
        let http2 = proxy().protocols(Protocols::Http2PriorKnowledge);
        let predicates = through(speaks, http2, Behavior::Tunnel).await;
        assert_eq!(predicates, "connect, proxy 502", "{speaks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn is_proxy_of_one_that_is_not_there_or_silent() {
    for speaks in BOTH {
        for proxy in [proxy(), tunneling("socks5h://proxy.example:8080")] {
            let predicates = through(speaks, proxy, Behavior::Refuse).await;
            assert_eq!(predicates, "connect, io, proxy", "{speaks:?}");
        }
        let net = Net::new();
        net.plain("proxy.example:8080", Behavior::Nothing);
        let transport = speaks.set(net.transport().proxy(proxy())).build().unwrap();
        assert_eq!(get(&transport).await, "timeout, connect, Connect, proxy", "{speaks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn is_proxy_and_sent_of_one_that_forwards_and_asks_for_what_cannot_be_had_again() {
    let who = "HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n";
    let net = Net::new();
    net.plain("proxy.example:8080", Behavior::Say(who));
    let proxy: Proxy = "http://user:password@proxy.example:8080".parse().unwrap();
    let transport = net.transport().proxy(proxy.preemptive(false)).build().unwrap();
    let once = Body::stream(stream::iter([Ok::<_, io::Error>("hello")]));
    let post = transport.request("POST", URL).body(once).await;
    assert_eq!(named(post, "proxy.example:8080"), "sent, proxy 407");
}

#[tokio::test(start_paused = true)]
async fn is_protocol() {
    for speaks in BOTH {
        let scene = speaks.scene(say("nonsense\r\n\r\n"), send(reset(1, PROTOCOL_ERROR)));
        assert_eq!(get(&scene.transport).await, "protocol, sent", "{speaks:?}");
    }
}

#[test]
fn is_canceled_without_a_runtime() {
    for speaks in BOTH {
        let transport = speaks.set(Transport::builder()).build().unwrap();
        let mut request = Box::pin(transport.request("GET", URL).into_future());
        let outcome = loop {
            let polled = request.poll_unpin(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready(outcome) = polled {
                break outcome;
            }
        };
        assert_eq!(named(outcome, ORIGIN), "canceled", "{speaks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn is_closed_of_a_request_that_comes_too_late_or_is_in_line() {
    for speaks in BOTH {
        let scene = speaks.busy(|builder| builder);
        let held = held(&scene).await;
        let waiting = tokio::spawn(scene.transport.request("GET", URL).into_future());
        run_ready_tasks().await;
        let (_, late) = tokio::join!(scene.transport.close(), async {
            run_ready_tasks().await;
            get(&scene.transport).await
        });
        assert_eq!(late, "closed", "{speaks:?}");
        assert_eq!(named(waiting.await.unwrap(), ORIGIN), "closed", "{speaks:?}");
        drop(held);
    }
}

#[tokio::test(start_paused = true)]
async fn is_closed_or_canceled_and_sent_of_one_that_closing_cuts_off() {
    for (speaks, predicates) in [(Http1, "canceled, sent"), (Http2, "closed, sent")] {
        let scene = speaks.scene_with(Hold, Hold, |builder| builder.close_grace(seconds(5)));
        let request = tokio::spawn(scene.transport.request("GET", URL).into_future());
        run_ready_tasks().await;
        assert!(!scene.transport.close().await);
        assert_eq!(named(request.await.unwrap(), ORIGIN), predicates, "{speaks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn is_builder_before_a_byte_is_sent() {
    for speaks in BOTH {
        let scene = speaks.scene(Hold, Hold);
        let request = scene.transport.request("POST", URL).header("content-length", "4");
        let error = request.body("hello").await.unwrap_err();
        assert_eq!(all(&error), "builder", "{speaks:?}");
        assert!(!scene.origin.heads().iter().any(|head| is_request(head)));
    }
}

#[tokio::test(start_paused = true)]
async fn is_body_of_one_that_fails_at_once_or_later() {
    for (speaks, before, expected) in [
        (Http1, 0, "body"),
        (Http1, 1, "body, sent"),
        (Http2, 0, "body, sent"),
        (Http2, 1, "body, sent"),
    ] {
        let later = stream::once(async {
            sleep(seconds(1)).await;
            Err::<&str, BoxError>("gone".into())
        });
        let at_once = stream::once(async { Err("gone".into()) });
        let chunks = match before {
            0 => at_once.boxed(),
            _ => stream::iter([Ok("hello")]).chain(later).boxed(),
        };
        let scene = speaks.scene(Hold, Hold);
        let post = scene.transport.request("POST", URL).body_stream(chunks).await;
        let predicates = named(post, ORIGIN);
        run_ready_tasks().await;
        let heard = scene.origin.heads().iter().any(|head| is_request(head));
        assert!(predicates.contains("sent") || !heard, "{predicates}");
        assert_eq!(predicates, expected, "{speaks:?} after {before}");
    }
}

/// The head of one, in either version.
fn is_request(heard: &str) -> bool {
    heard.starts_with("POST") || heard.starts_with(&format!("frame {HEADERS}"))
}

#[tokio::test(start_paused = true)]
async fn is_queue_full() {
    for speaks in BOTH {
        let scene = speaks.busy(|builder| builder.max_waiters(1));
        let _held = held(&scene).await;
        let _waiting = tokio::spawn(scene.transport.request("GET", URL).into_future());
        run_ready_tasks().await;
        assert_eq!(get(&scene.transport).await, "queue full", "{speaks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn is_unsupported() {
    for speaks in BOTH {
        let script = match speaks {
            Http1 => first([Hold]),
            Http2 => each_http2(vec![[open(), vec![Hold]].concat()]),
        };
        let scene = Scene::memory_with(script, |builder| speaks.set(builder));
        let request = scene.transport.stream("CONNECT", URL);
        let predicates = named(request.extension(ConnectProtocol::websocket()).await, ORIGIN);
        assert_eq!(predicates, "unsupported", "{speaks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_text_of_a_timeout_names_it_and_its_limit() {
    for speaks in BOTH {
        let error = speaks.over(pending).request("GET", URL).await.unwrap_err();
        let expected = "connecting to origin.example:80: timed out after 10 s (connect timeout)";
        assert_eq!(error.to_string(), expected, "{speaks:?}");
        let scene = speaks.busy(|builder| builder);
        let _held = held(&scene).await;
        for (timeouts, expected) in [
            (Timeouts::default().pool(seconds(2)), "timed out after 2 s (pool timeout)"),
            (
                Timeouts::none().total(Duration::from_millis(1500)),
                "timed out after 1.5 s (total timeout)",
            ),
        ] {
            let request = scene.transport.request("GET", URL).timeouts(timeouts);
            let error = request.await.unwrap_err();
            let expected = format!("waiting for a connection to origin.example:80: {expected}");
            assert_eq!(error.to_string(), expected, "{speaks:?}");
        }
        let scene = speaks.scene(Hold, Hold);
        let read = scene.transport.request("GET", URL).timeouts(Timeouts::none().read(seconds(3)));
        assert_eq!(
            read.await.unwrap_err().to_string(),
            "waiting for the answer of origin.example:80: timed out after 3 s (read timeout)"
        );
        let scene = speaks.scene(Hold, Hold);
        let write = scene.transport.request("POST", URL).body(vec![0; 200_000]);
        let error = write.timeouts(Timeouts::none().write(seconds(4))).await.unwrap_err();
        assert!(error.to_string().ends_with("timed out after 4 s (write timeout)"), "{error}");
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("nothing was taken for 4 s"), "{speaks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_text_of_a_connect_timeout_says_what_was_waited_for() {
    for (proxy, is_proxy) in [
        (Some(proxy()), true),
        (Some(tunneling("socks5h://proxy.example:8080")), true),
        (Some(tunneling("socks4a://proxy.example:8080")), true),
        (None, false),
    ] {
        let net = Net::new();
        net.plain("proxy.example:8080", Behavior::Nothing);
        net.plain("origin.example:443", Behavior::Nothing);
        let builder = match proxy {
            Some(proxy) => net.transport().proxy(proxy),
            None => net.transport(),
        };
        let transport = builder.build().unwrap();
        let error = transport.request("GET", "https://origin.example/").await.unwrap_err();
        assert_eq!(error.is_proxy(), is_proxy, "{error:?}");
        assert!(error.is_timeout() && error.is_connect() && error.is_unsent(), "{error:?}");
        let waited = match is_proxy {
            true => "waiting for the proxy ",
            false => "in the TLS handshake with origin.example",
        };
        assert!(error.to_string().contains(waited), "{error}");
        assert!(error.to_string().ends_with("timed out after 10 s (connect timeout)"), "{error}");
    }
}
