//! What the compiler derives and nobody sees: auto traits, sizes of futures, allocations.

#![cfg(all(feature = "http1", feature = "tokio"))]

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use allocation_counter::measure;
use tower_service::Service;
use tower_transport::{
    Body, Error, RequestExt, Transport, Unpooled,
    auth::{Challenge, Credentials},
    body::Body as BodyByPath,
    connect::{
        ConnectInfo, ConnectRetry, ConnectRetryLayer, MemoryConnector, Recheck, StaticResolver,
        SystemResolver, TcpConnector, UnixConnector,
    },
    events::{Event, Note, Timings},
    http::{
        Http1Config, Http2Config, HttpBody, HttpConnection, Negotiate, NegotiateLayer, Negotiating,
        Upgraded,
    },
    options::{
        ConnectProtocol, ExpectContinue, Listener, OnInformational, Protocols, ProxyOverride,
        RawTarget, ServerName, Timeouts,
    },
    pool::{Checkout, NoFreeStream, Pool, PoolBody, PoolLayer, PoolSlot, SendError, Stats},
    proxy::{
        Forward, ForwardLayer, Proxied, Proxy, ProxyLayer, ProxyRules, ProxyScheme, Socks4,
        Socks4Error, Socks4Layer, Socks5, Socks5Error, Socks5Layer, Tunnel, TunnelLayer,
    },
    rt::{Runtime, Sleep, Task},
    target::{Origin, Route, Target},
    tls::{TlsConfig, TlsLayer},
    transport::{Buffered, RequestBuilder, Requesting, TransportBuilder, TransportFuture},
};

type Connection = HttpConnection<Body>;

macro_rules! all {
    ($check:ident: $($type:ty),+ $(,)?) => { $($check::<$type>();)+ };
}

#[test]
fn services_are_send_and_sync_and_clone() {
    fn is<T: Clone + Send + Sync + 'static>() {}
    all!(is: Transport, Unpooled, Pool<Connection, Body>, PoolLayer<Body>, NegotiateLayer<Body>);
    all!(is: Negotiate<TcpConnector, Body>, TlsLayer, TcpConnector, TcpConnector<StaticResolver>);
    all!(is: UnixConnector, MemoryConnector, ConnectRetry<TcpConnector>, ConnectRetryLayer);
    all!(is: SystemResolver, StaticResolver, Runtime);
    all!(is: ProxyLayer, Proxied, ForwardLayer, Forward<TcpConnector>, TunnelLayer, Tunnel);
    all!(is: Socks4Layer, Socks4<TcpConnector>, Socks5Layer, Socks5<TcpConnector>);
}

#[test]
fn values_are_send_and_sync_and_clone() {
    fn is<T: Clone + Send + Sync + 'static>() {}
    all!(is: Error, Target, Origin, Route, ServerName, Protocols, RawTarget, Timeouts, Recheck);
    all!(is: ConnectInfo, Http1Config, Http2Config, TlsConfig, Stats);
    all!(is: Proxy, ProxyScheme, ProxyOverride, ProxyRules, Credentials, Challenge);
    all!(is: Socks4Error, Socks5Error, NoFreeStream);
    all!(is: ConnectProtocol, ExpectContinue, OnInformational);
    all!(is: Listener, Timings, Event, Note);
}

#[test]
#[cfg(feature = "client")]
fn layers_of_a_client_are_send_and_sync_and_clone_and_their_futures_send() {
    use tower_transport::client::*;

    fn is<T: Clone + Send + Sync + 'static>() {}
    fn goes<T: Send + 'static>() {}
    all!(is: RedirectLayer, Redirect<Transport>, RetryLayer, Retry<Transport>);
    all!(is: AuthLayer, WithAuth<Transport>, DeadlineLayer, WithDeadline<Transport>);
    all!(is: DefaultsLayer, OmittedHeaders, Defaults<Transport>, Auth, AuthRequest);
    all!(is: Visited, Redirected, FinalUrl, NextRequest);
    all!(goes: Redirecting<Transport>, Repeating<Transport>, Answering<Transport>);
    all!(goes: UntilDeadline<TransportFuture>, WithDefaults<TransportFuture>);
    all!(is: Client, ClientStack<Transport>, RecordSent<Transport>, Sent, Link, Links);
    all!(goes: ClientBuilder, ClientFuture<TransportFuture>, RecordingSent<TransportFuture>, Reading<()>, Lines);
    all!(goes: RequestBuilder<Client, Buffered>);
}

#[test]
#[cfg(all(feature = "client", feature = "cookies", feature = "gzip"))]
fn cookies_and_decoders_are_send_and_sync_and_clone_and_their_futures_send() {
    use tower_transport::client::{cookies::*, decode::*, netrc::*};

    fn is<T: Clone + Send + Sync + 'static>() {}
    fn goes<T: Send + 'static>() {}
    all!(is: Jar, Cookie, SameSite, Loaded, CookiesLayer, Cookies<Transport>, CookieOverride);
    all!(is: DecodeLayer, Decode<Transport>, Decoding, Decoded, Coding, Netrc);
    all!(goes: CookiesFuture<TransportFuture>, DecodeFuture<TransportFuture>);
}

#[test]
#[cfg(feature = "blocking")]
fn blocking_handles_are_send_and_sync_and_clone_and_what_is_used_up_is_send() {
    use tower_transport::blocking::{self, Blocking, Canceler, ReaderRequest, Upload};

    fn is<T: Clone + Send + Sync + 'static>() {}
    fn goes<T: Send + 'static>() {}
    fn flows<T: Send + Sync + Unpin + 'static>() {}
    all!(is: blocking::Transport, Blocking<Unpooled>, Canceler);
    all!(goes: TransportBuilder<blocking::Transport>, blocking::RequestBuilder<Transport>);
    all!(goes: ReaderRequest<Transport, Buffered, std::io::Empty>, Upload<blocking::Body>);
    all!(flows: blocking::Body);
}

#[test]
#[cfg(all(feature = "blocking", feature = "client"))]
fn a_blocking_client_is_send_and_sync_and_clone() {
    use tower_transport::{blocking, client::ClientBuilder};

    fn is<T: Clone + Send + Sync + 'static>() {}
    fn goes<T: Send + 'static>() {}
    all!(is: blocking::Client);
    all!(goes: ClientBuilder<blocking::Client>, blocking::Lines);
}

#[test]
fn bodies_are_send_and_sync_and_unpin() {
    fn is<T: Send + Sync + Unpin + 'static>() {}
    all!(is: BodyByPath, HttpBody, PoolBody<HttpBody>);
}

#[test]
fn connections_are_send_and_sync() {
    fn is<T: Send + Sync + 'static>() {}
    all!(is: Connection, HttpConnection<Body>, PoolSlot, SendError<http::Request<Body>>);
}

#[test]
fn what_is_used_up_is_send() {
    fn is<T: Send + 'static>() {}
    all!(is: TransportFuture, Checkout<Connection, Body, Target>, Requesting<Body>, Negotiating<Body>);
    all!(is: RequestBuilder<Transport, Buffered>, TransportBuilder, Upgraded, Sleep, Task);
}

/// Of 64-bit machines. What grows is copied by whoever moves it, with every layer on top.
#[test]
#[cfg(target_pointer_width = "64")]
fn what_is_moved_with_a_request_is_no_larger_than_it_was() {
    let bounds: [(&str, usize, usize); 8] = [
        ("TransportFuture", size_of::<TransportFuture>(), 936),
        ("PoolBody", size_of::<PoolBody<HttpBody>>(), 128),
        ("Response", size_of::<http::Response<Body>>(), 152),
        ("Requesting", size_of::<Requesting<Body>>(), 16),
        ("Negotiating", size_of::<Negotiating<Body>>(), 16),
        ("Body", size_of::<Body>(), 40),
        ("Target", size_of::<Target>(), 128),
        ("Error", size_of::<Error>(), 8),
    ];
    for (name, size, bound) in bounds {
        assert!(size <= bound, "{name} has {size} bytes, {bound} are allowed");
    }
}

#[test]
fn a_clone_of_a_transport_does_not_allocate() {
    let transport = Transport::new();
    let counted = measure(|| drop(transport.clone()));
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_clone_of_a_target_does_not_allocate() {
    let mut target =
        Target::new(Origin::try_from(&"https://example.com/".parse().unwrap()).unwrap());
    target.server_name = Some(ServerName::new("other.example"));
    let counted = measure(|| drop(target.clone()));
    assert_eq!(counted.count_total, 0);
}

/// A layer more or a copy more in the path of a request shows here before it shows in any time.
#[test]
fn a_request_on_a_warm_http1_connection_allocates_little() {
    let transport = Transport::new();
    assert!(per_request(transport, serve_http1) <= 13);
}

#[test]
#[cfg(feature = "http2")]
fn a_request_on_a_warm_http2_connection_allocates_little() {
    let transport = Transport::builder().http2_prior_knowledge().build().unwrap();
    assert!(per_request(transport, serve_http2) <= 12);
}

#[test]
fn waiting_for_a_request_allocates_its_future_only_once() {
    let transport = Transport::new();
    let builder = transport.request("GET", "http://example.com/");
    let counted = measure(|| drop(builder.into_future()));
    assert_eq!(counted.count_total, 1);
}

#[test]
#[cfg(feature = "client")]
fn a_request_of_a_client_allocates_nothing_before_it_is_sent() {
    let client = tower_transport::client::Client::new();
    let uri = http::Uri::from_static("http://example.com/");
    let counted = measure(|| drop(client.get(uri.clone())));
    assert_eq!(counted.count_total, 0);
}

/// Redirects need a copy of the header, which is two allocations and one for each text in it that was not shared before; a
/// header field that is added to none is two. All else needs nothing until it comes to that.
#[test]
#[cfg(feature = "client")]
fn a_plain_200_through_the_layers_of_a_client_allocates_at_most_four_times_more() {
    use http::HeaderValue;
    use tower::{Layer, service_fn};
    use tower_transport::{
        client::{AuthLayer, DeadlineLayer, DefaultsLayer, RedirectLayer, RetryLayer},
        options::Retries,
    };

    let answer = |_: http::Request<Body>| {
        std::future::ready(Ok::<_, Error>(http::Response::new(Body::empty())))
    };
    let auth = AuthLayer::new().layer(service_fn(answer));
    let redirect = RedirectLayer::new().layer(RetryLayer::new(Retries::none()).layer(auth));
    let limited = DeadlineLayer::new(None).layer(redirect);
    let mut client = DefaultsLayer::new().user_agent("me/1").layer(limited);
    let mut send = |request: http::request::Builder| {
        let request = request.uri("http://example.com/").body(Body::empty()).unwrap();
        let counted = measure(|| {
            let mut future = std::pin::pin!(client.call(request));
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(future.as_mut().poll(&mut cx).is_ready());
        });
        counted.count_total
    };
    let plain = || http::Request::get("/");
    let with_header = || plain().header("accept", HeaderValue::from_static("*/*"));
    send(plain());
    assert_eq!((send(plain()), send(with_header())), (4, 2));
}

/// An empty jar and a body without a coding need nothing; `Accept-Encoding` has room beside another field.
#[test]
#[cfg(all(feature = "client", feature = "cookies", feature = "gzip"))]
fn a_plain_200_through_all_seven_layers_allocates_at_most_four_times_more() {
    use tower::{Layer, service_fn};
    use tower_transport::{client::*, options::Retries};

    let answer = |_: http::Request<Body>| {
        std::future::ready(Ok::<_, Error>(http::Response::new(Body::from("text"))))
    };
    let cookies = CookiesLayer::default().layer(DecodeLayer::new().layer(service_fn(answer)));
    let auth = AuthLayer::new().layer(cookies);
    let redirect = RedirectLayer::new().layer(RetryLayer::new(Retries::none()).layer(auth));
    let limited = DeadlineLayer::new(None).layer(redirect);
    let mut client = DefaultsLayer::new().user_agent("me/1").layer(limited);
    let mut send = || {
        let request = http::Request::get("http://example.com/").body(Body::empty()).unwrap();
        let counted = measure(|| {
            let mut future = std::pin::pin!(client.call(request));
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(future.as_mut().poll(&mut cx).is_ready());
        });
        counted.count_total
    };
    send();
    assert_eq!(send(), 4);
}

/// Allocations of a request on a warm connection. The server has a thread of its own, and what it does is not counted.
fn per_request(mut transport: Transport, serve: fn(TcpListener)) -> u64 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri: http::Uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    thread::spawn(move || serve(listener));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut send = || {
        let request = http::Request::get(uri.clone()).body(Body::empty()).unwrap();
        runtime.block_on(async {
            let body = transport.call(request).await.unwrap().into_body().read().await;
            assert_eq!(body.unwrap(), "Hello");
        });
    };
    (0..20).for_each(|_| send());
    let counted = measure(|| (0..100).for_each(|_| send()));
    counted.count_total / 100
}

fn serve_http1(listener: TcpListener) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello").unwrap();
    }
}

#[cfg(feature = "http2")]
fn serve_http2(listener: TcpListener) {
    use http_body_util::Full;
    use hyper::{server::conn::http2::Builder, service::service_fn};
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let io = TokioIo::new(listener.accept().await.unwrap().0);
        let answer = service_fn(async |_| {
            Ok::<_, Error>(http::Response::new(Full::<bytes::Bytes>::from("Hello")))
        });
        // The connection ends when the test does.
        let _ = Builder::new(TokioExecutor::new()).serve_connection(io, answer).await;
    });
}
