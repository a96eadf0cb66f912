// What a user can see of requests in each world. Included by each: see `main.rs` for its words.

use std::time::Duration;

use tower_transport::{
    ResponseExt,
    client::Auth,
    connect::ConnectInfo,
    error::Phase,
    options::{MaxBody, ProxyOverride, Redirects, Retries, ServerName, Timed, Timeouts},
    proxy::Proxy,
};

use crate::net::{Origin, ProxyPeer};

/// Passes in a test that waits for it.
const SHORT: Duration = Duration::from_millis(60);

const KIB: &str = match std::str::from_utf8(&[b'x'; 1024]) {
    Ok(text) => text,
    Err(_) => "",
};

// Requests and their responses.

test!(a_get_is_answered {
    let origin = Origin::plain();
    let response = go!(transport().build()?.request("GET", origin.url("/")))?;
    assert_eq!((response.status().as_u16(), &response.body()[..]), (200, &b"hello"[..]));
    assert_eq!(response.headers()["content-type"], "text/plain");
});

test!(the_free_function_opens_a_connection_for_one_request {
    let origin = Origin::plain();
    for _ in 0..2 {
        assert_eq!(go!(request("GET", origin.url("/")))?.body(), "hello");
    }
    assert_eq!(origin.seen().accepted(), 2);
    origin.seen().wait_for_open(0);
});

test!(every_method_arrives {
    let (origin, transport) = (Origin::plain(), transport().build()?);
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"] {
        let response = go!(transport.request(method, origin.url("/echo")))?;
        assert!(response.body().starts_with(method.as_bytes()), "{response:?}");
    }
});

test!(a_head_has_no_body {
    let origin = Origin::plain();
    let response = go!(transport().build()?.request("HEAD", origin.url("/large/1000")))?;
    assert_eq!(response.headers()["content-length"], "1000");
    assert!(response.body().is_empty());
});

test!(header_fields_arrive_and_come_back {
    let origin = Origin::plain();
    let transport = transport().build()?;
    let sent = transport.request("GET", origin.url("/echo"));
    let sent = sent.header("x-one", "1").header("x-one", "2");
    let response = go!(sent)?;
    let text = String::from_utf8_lossy(response.body());
    assert!(text.contains("x-one: 1\n") && text.contains("x-one: 2\n"), "{text}");
});

test!(a_body_of_bytes_has_a_length {
    let origin = Origin::plain();
    let transport = transport().build()?;
    let response = go!(transport.request("POST", origin.url("/echo")).body("Hello, world"))?;
    let text = String::from_utf8_lossy(response.body());
    assert!(text.contains("content-length: 12\n") && text.ends_with("\nHello, world"), "{text}");
});

test!(a_request_that_is_complete_is_sent {
    let origin = Origin::plain();
    let complete = http::Request::put(origin.url("/echo")).header("x-a", "b").body("content")?;
    let mut response = wait!(transport().build()?.send(complete))?;
    let body = read!(response.body_mut())?;
    assert!(body.starts_with(b"PUT") && body.ends_with(b"content"), "{body:?}");
});

test!(connections_are_used_again {
    let (origin, transport) = (Origin::plain(), transport().build()?);
    for _ in 0..5 {
        go!(transport.request("GET", origin.url("/")))?;
    }
    assert_eq!(origin.seen().accepted(), 1);
    assert_eq!(transport.stats().idle_connections(), 1);
});

test!(a_clone_shares_connections {
    let (origin, transport) = (Origin::plain(), transport().build()?);
    go!(transport.request("GET", origin.url("/")))?;
    go!(transport.clone().request("GET", origin.url("/")))?;
    assert_eq!(origin.seen().accepted(), 1);
});

test!(a_dropped_transport_closes_its_connections {
    let (origin, transport) = (Origin::plain(), transport().build()?);
    go!(transport.request("GET", origin.url("/")))?;
    origin.seen().wait_for_open(1);
    drop(transport);
    origin.seen().wait_for_open(0);
});

test!(an_idle_connection_is_closed_after_its_time {
    let (origin, transport) = (Origin::plain(), transport().idle_timeout(SHORT).build()?);
    go!(transport.request("GET", origin.url("/")))?;
    origin.seen().wait_for_open(0);
    assert_eq!(transport.stats().idle_connections(), 0);
});

test!(the_connection_is_known {
    let (origin, transport) = (Origin::plain(), transport().build()?);
    let whole = go!(transport.request("GET", origin.url("/")))?;
    let streamed = go!(transport.stream("GET", origin.url("/")))?;
    for info in [ConnectInfo::of(&whole), ConnectInfo::of(&streamed)] {
        assert_eq!(info.unwrap().peer_addr().unwrap().port(), origin.port);
    }
});

test!(timings_are_those_of_the_request {
    let origin = Origin::plain();
    let response = go!(transport().build()?.request("GET", origin.url("/")).extension(Timed))?;
    assert!(response.timings().is_some());
});

test!(a_request_can_be_cloned_before_it_is_sent {
    let origin = Origin::plain();
    let one = transport().build()?.request("POST", origin.url("/echo")).body("same");
    let other = one.try_clone().unwrap();
    assert_eq!(go!(one)?.body(), go!(other)?.body());
});

// Streamed responses.

test!(chunks_come_one_by_one {
    let origin = Origin::plain();
    let mut body = go!(transport().build()?.stream("GET", origin.url("/chunks")))?.into_body();
    let mut text = String::new();
    while let Some(chunk) = wait!(body.chunk())? {
        text.push_str(std::str::from_utf8(&chunk)?);
    }
    assert_eq!(text, "onetwothree");
    assert!(wait!(body.chunk())?.is_none());
});

test!(the_length_of_a_body_is_what_is_left {
    let origin = Origin::plain();
    let response = go!(transport().build()?.stream("GET", origin.url("/large/100000")))?;
    let mut body = response.into_body();
    assert_eq!(body.length(), Some(100_000));
    let first = wait!(body.chunk())?.unwrap().len() as u64;
    assert_eq!(body.length(), Some(100_000 - first));
    assert_eq!(read!(body)?.len() as u64, 100_000 - first);
    assert_eq!(body.length(), Some(0));
});

test!(trailers_come_last {
    let origin = Origin::plain();
    let sent = transport().build()?.stream("GET", origin.url("/trailers")).header("te", "trailers");
    let mut body = go!(sent)?.into_body();
    let (mut data, mut trailers) = (Vec::new(), None);
    while let Some(frame) = wait!(body.frame())? {
        match frame.into_data() {
            Ok(chunk) => data.extend(chunk),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    assert_eq!(data, b"body");
    assert_eq!(trailers.unwrap()["x-sum"], "3");
});

test!(a_connection_is_used_again_after_the_end_of_a_streamed_body {
    let (origin, transport) = (Origin::plain(), transport().build()?);
    for _ in 0..3 {
        read!(go!(transport.stream("GET", origin.url("/large/50000")))?.into_body())?;
    }
    assert_eq!(origin.seen().accepted(), 1);
});

test!(a_large_body_comes_whole {
    let origin = Origin::plain();
    let response = go!(transport().build()?.request("GET", origin.url("/large/3000000")))?;
    assert_eq!(response.body().len(), 3_000_000);
});

test!(a_dropped_body_gives_its_connection_up {
    let (origin, transport) = (Origin::plain(), transport().build()?);
    drop(go!(transport.stream("GET", origin.url("/stall-body")))?);
    origin.seen().wait_for_open(0);
    assert_eq!(go!(transport.request("GET", origin.url("/")))?.body(), "hello");
});

test!(a_body_that_breaks_off_is_an_error {
    let (origin, transport) = (Origin::plain(), transport().build()?);
    let error = go!(transport.request("GET", origin.url("/break"))).unwrap_err();
    assert!(error.is_protocol() || error.is_io(), "{error:?}");
    assert!(error.was_sent());
    let mut body = go!(transport.stream("GET", origin.url("/break")))?.into_body();
    let error = read!(body).unwrap_err();
    assert!(error.was_sent(), "{error:?}");
});

test!(a_body_larger_than_its_limit_is_an_error {
    let (origin, transport) = (Origin::plain(), transport().build()?);
    let sent = transport.request("GET", origin.url("/large/1000")).extension(MaxBody::new(999));
    let error = go!(sent).unwrap_err();
    assert!(error.is_decode() && error.to_string().contains("999 bytes"));
    assert_eq!(error.url(), Some(&*origin.url("/large/1000")));
    let sent = transport.request("GET", origin.url("/large/1000")).max_body(1000);
    assert_eq!(go!(sent)?.body().len(), 1000);
});

// Uploads.

test!(chunks_are_sent_as_they_come {
    let origin = Origin::plain();
    let sent = transport().build()?.request("POST", origin.url("/echo"));
    let response = upload!(sent, ["one", "two", "three"])?;
    let text = String::from_utf8_lossy(response.body());
    assert!(text.contains("transfer-encoding: chunked") && text.ends_with("onetwothree"), "{text}");
});

test!(chunks_with_a_declared_length_are_held_to_it {
    let (origin, transport) = (Origin::plain(), transport().build()?);
    let post = |length| {
        transport.request("POST", origin.url("/echo")).header("content-length", length)
    };
    let response = upload!(post("6"), ["one", "two"])?;
    assert!(response.body().ends_with(b"onetwo"), "{response:?}");
    for wrong in ["5", "7"] {
        let error = upload!(post(wrong), ["one", "two"]).unwrap_err();
        assert!(error.is_body(), "{wrong}: {error:?}");
    }
    assert_eq!(go!(transport.request("GET", origin.url("/")))?.body(), "hello");
});

test!(a_large_upload_arrives {
    let origin = Origin::plain();
    let sent = transport().build()?.request("POST", origin.url("/count"));
    let response = upload!(sent, std::iter::repeat_n(KIB, 3000))?;
    assert_eq!(response.body(), "3072000");
});

test!(an_early_refusal_ends_the_upload_and_is_the_response {
    let (origin, transport) = (Origin::plain(), transport().build()?);
    let sent = transport.request("POST", origin.url("/early"));
    let response = upload!(sent, std::iter::repeat_n(KIB, 2000))?;
    assert_eq!((response.status().as_u16(), &response.body()[..]), (413, &b"too large"[..]));
    assert_eq!(go!(transport.request("GET", origin.url("/")))?.body(), "hello");
});

test!(a_source_that_fails_is_the_error {
    let (origin, transport) = (Origin::plain(), transport().build()?);
    let error = upload_that_fails!(transport.request("POST", origin.url("/echo"))).unwrap_err();
    assert!(error.is_body(), "{error:?}");
    assert_eq!(error.cause::<io::Error>().unwrap().to_string(), "the source failed");
    assert_eq!(go!(transport.request("GET", origin.url("/")))?.body(), "hello");
});

test!(a_file_is_sent_with_its_length_and_again_after_a_redirect {
    let origin = Origin::plain();
    let length = std::fs::metadata("Cargo.toml")?.len();
    let body = file_body!("Cargo.toml")?;
    assert_eq!(body.length(), Some(length));
    let response = go!(client().build()?.put(origin.url("/again")).body(body))?;
    assert!(response.text().contains(&format!("content-length: {length}\n")));
    assert!(response.text().contains("name = \"tower-transport\""));
});

test!(a_file_that_is_none_is_an_error {
    assert!(file_body!("no such file").unwrap_err().is_body());
});

test!(a_response_is_passed_on_as_a_request {
    let (origin, transport) = (Origin::plain(), transport().build()?);
    let body = go!(transport.stream("GET", origin.url("/large/200000")))?.into_body();
    let response = go!(transport.request("POST", origin.url("/count")).body(body))?;
    assert_eq!(response.body(), "200000");
});

// TLS and HTTP/2.

test!(tls_speaks_http2_by_alpn {
    let (origin, transport) = (Origin::tls(), transport().build()?);
    for _ in 0..3 {
        let response = go!(transport.request("GET", origin.url("/")))?;
        assert_eq!(response.version(), http::Version::HTTP_2);
        assert_eq!(response.body(), "hello");
        assert!(ConnectInfo::of(&response).unwrap().is_encrypted());
    }
    assert_eq!(origin.seen().accepted(), 1);
});

test!(tls_speaks_http1_where_the_server_does {
    let origin = Origin::tls_http1();
    let response = go!(transport().build()?.request("GET", origin.url("/")))?;
    assert_eq!(response.version(), http::Version::HTTP_11);
});

test!(http2_is_spoken_with_prior_knowledge {
    let origin = Origin::plain();
    let transport = transport().http2_prior_knowledge().build()?;
    let response = go!(transport.request("GET", origin.url("/")))?;
    assert_eq!(response.version(), http::Version::HTTP_2);
});

test!(http2_alone_is_refused_where_the_server_lacks_it {
    let origin = Origin::tls_http1();
    let error = go!(transport().http2_only().build()?.request("GET", origin.url("/"))).unwrap_err();
    assert!(error.is_unsent(), "{error:?}");
});

test!(http2_streams_bodies_both_ways {
    let (origin, transport) = (Origin::tls(), transport().build()?);
    let sent = transport.request("POST", origin.url("/echo"));
    assert!(upload!(sent, ["one", "two"])?.body().ends_with(b"onetwo"));
    let mut body = go!(transport.stream("GET", origin.url("/large/500000")))?.into_body();
    assert_eq!(read!(body)?.len(), 500_000);
});

test!(http2_trailers_come_last {
    let origin = Origin::tls();
    let mut body = go!(transport().build()?.stream("GET", origin.url("/trailers")))?.into_body();
    let mut trailers = None;
    while let Some(frame) = wait!(body.frame())? {
        trailers = trailers.or(frame.into_trailers().ok());
    }
    assert_eq!(trailers.unwrap()["x-sum"], "3");
});

test!(a_certificate_that_nobody_trusts_is_refused {
    let origin = Origin::untrusted();
    let error = go!(transport().build()?.request("GET", origin.url("/"))).unwrap_err();
    assert!(error.is_tls() && error.is_connect() && error.is_unsent(), "{error:?}");
});

test!(a_certificate_of_another_name_is_refused {
    let origin = Origin::tls();
    let sent = transport().build()?.request("GET", origin.url("/"));
    let error = go!(sent.extension(ServerName::new("other.example"))).unwrap_err();
    assert!(error.is_tls(), "{error:?}");
});

test!(https_to_a_server_without_tls_fails {
    let origin = Origin::plain();
    let url = origin.url("/").replace("http:", "https:");
    let error = go!(transport().build()?.request("GET", url)).unwrap_err();
    assert!(error.is_connect() && error.is_unsent(), "{error:?}");
});

// Proxies.

test!(a_proxy_forwards_http {
    let (origin, proxy) = (Origin::plain(), ProxyPeer::http(None));
    let transport = transport().proxy(proxy.url("http").parse::<Proxy>()?).build()?;
    assert_eq!(go!(transport.request("GET", origin.url("/")))?.body(), "hello");
    assert_eq!(proxy.seen().lines(), [format!("GET {} HTTP/1.1", origin.url("/"))]);
});

test!(a_proxy_opens_a_tunnel_for_https {
    let (origin, proxy) = (Origin::tls(), ProxyPeer::http(None));
    let transport = transport().proxy(proxy.url("http").parse::<Proxy>()?).build()?;
    let response = go!(transport.request("GET", origin.url("/")).header("x-secret", "s"))?;
    assert_eq!((response.version(), &response.body()[..]), (http::Version::HTTP_2, &b"hello"[..]));
    assert_eq!(proxy.seen().lines(), [format!("CONNECT 127.0.0.1:{} HTTP/1.1", origin.port)]);
    assert!(!proxy.seen().has("x-secret"));
});

test!(credentials_answer_the_challenge_of_a_proxy {
    let (origin, proxy) = (Origin::tls_http1(), ProxyPeer::http(Some("Basic dTpw")));
    let url = format!("http://u:p@127.0.0.1:{}", proxy.port);
    let transport = transport().proxy(url.parse::<Proxy>()?).build()?;
    assert_eq!(go!(transport.request("GET", origin.url("/")))?.body(), "hello");
});

test!(a_proxy_that_refuses_says_so {
    let (origin, proxy) = (Origin::tls(), ProxyPeer::http(Some("Basic dTpw")));
    let transport = transport().proxy(proxy.url("http").parse::<Proxy>()?).build()?;
    let error = go!(transport.request("GET", origin.url("/"))).unwrap_err();
    assert!(error.is_proxy() && error.is_unsent(), "{error:?}");
    assert_eq!(error.proxy_status().unwrap().as_u16(), 407);
});

test!(a_socks5_proxy_reaches_the_origin {
    for origin in [Origin::plain(), Origin::tls()] {
        let proxy = ProxyPeer::socks5();
        let transport = transport().proxy(proxy.url("socks5").parse::<Proxy>()?).build()?;
        assert_eq!(go!(transport.request("GET", origin.url("/")))?.body(), "hello");
        assert_eq!(proxy.seen().lines(), [format!("SOCKS5 127.0.0.1:{}", origin.port)]);
    }
});

test!(proxies_are_chained {
    let (origin, near, far) = (Origin::tls(), ProxyPeer::http(None), ProxyPeer::socks5());
    let chain = [near.url("http").parse::<Proxy>()?, far.url("socks5").parse()?];
    let transport = transport().proxy_chain(chain).build()?;
    assert_eq!(go!(transport.request("GET", origin.url("/")))?.body(), "hello");
    assert_eq!(near.seen().lines(), [format!("CONNECT 127.0.0.1:{} HTTP/1.1", far.port)]);
    assert_eq!(far.seen().lines(), [format!("SOCKS5 127.0.0.1:{}", origin.port)]);
});

test!(a_request_chooses_its_proxy {
    let (origin, proxy) = (Origin::plain(), ProxyPeer::http(None));
    let transport = transport().build()?;
    go!(transport.request("GET", origin.url("/")))?;
    assert!(proxy.seen().lines().is_empty());
    let by_proxy = ProxyOverride::to(proxy.url("http").parse::<Proxy>()?);
    go!(transport.request("GET", origin.url("/")).extension(by_proxy))?;
    assert_eq!(proxy.seen().lines().len(), 1);
});

test!(a_proxy_that_is_not_there_is_the_failure {
    let origin = Origin::plain();
    let transport = transport().proxy("http://127.0.0.1:1".parse::<Proxy>()?).build()?;
    let error = go!(transport.request("GET", origin.url("/"))).unwrap_err();
    assert!(error.is_proxy() && error.is_connect() && error.is_unsent(), "{error:?}");
});

// Timeouts and cancellation.

test!(a_response_that_does_not_come_times_out {
    let transport = transport().timeouts(Timeouts::none().read(SHORT)).build()?;
    let origin = Origin::plain();
    let error = go!(transport.request("GET", origin.url("/stall"))).unwrap_err();
    assert_eq!(error.timeout_phase(), Some(Phase::Read));
    assert!(error.was_sent());
    assert_eq!(go!(transport.request("GET", origin.url("/")))?.body(), "hello");
});

test!(a_body_that_does_not_go_on_times_out {
    let origin = Origin::plain();
    let transport = transport().build()?;
    let sent = transport.stream("GET", origin.url("/stall-body"));
    let sent = sent.timeouts(Timeouts::none().read(SHORT));
    let mut body = go!(sent)?.into_body();
    assert_eq!(wait!(body.chunk())?.unwrap(), "beginning");
    assert!(wait!(body.chunk()).unwrap_err().is_timeout());
});

test!(the_total_limits_a_request {
    let origin = Origin::plain();
    let transport = transport().build()?;
    let sent = transport.request("GET", origin.url("/stall-body"));
    let sent = sent.timeouts(Timeouts::none().total(SHORT));
    let error = go!(sent).unwrap_err();
    assert_eq!(error.timeout_phase(), Some(Phase::Total));
});

test!(a_timeout_over_http2_costs_one_stream {
    let (origin, transport) = (Origin::tls(), transport().build()?);
    go!(transport.request("GET", origin.url("/")))?;
    let sent = transport.request("GET", origin.url("/stall"));
    let sent = sent.timeouts(Timeouts::none().read(SHORT));
    assert!(go!(sent).unwrap_err().is_timeout());
    go!(transport.request("GET", origin.url("/")))?;
    assert_eq!(origin.seen().accepted(), 1);
});

test!(a_request_waits_for_a_connection_no_longer_than_it_may {
    let (origin, transport) = (Origin::plain(), transport().max_connections(1).build()?);
    let held = go!(transport.stream("GET", origin.url("/stall-body")))?;
    let sent = transport.request("GET", origin.url("/")).timeouts(Timeouts::none().pool(SHORT));
    let error = go!(sent).unwrap_err();
    assert_eq!(error.timeout_phase(), Some(Phase::Pool));
    drop(held);
    assert_eq!(go!(transport.request("GET", origin.url("/")))?.body(), "hello");
});

test!(a_canceled_request_closes_its_connection {
    let (origin, transport) = (Origin::plain(), transport().build()?);
    let sent = transport.request("GET", origin.url("/stall"));
    assert!(cancel!(sent, origin.seen().wait_for_requests(1)));
    origin.seen().wait_for_open(0);
    assert_eq!(go!(transport.request("GET", origin.url("/")))?.body(), "hello");
});

test!(a_canceled_request_over_http2_ends_its_stream_alone {
    let (origin, transport) = (Origin::tls(), transport().build()?);
    go!(transport.request("GET", origin.url("/")))?;
    let sent = transport.request("GET", origin.url("/stall"));
    assert!(cancel!(sent, origin.seen().wait_for_requests(2)));
    go!(transport.request("GET", origin.url("/")))?;
    assert_eq!(origin.seen().accepted(), 1);
});

test!(a_canceled_request_gives_its_place_in_the_queue_up {
    let (origin, transport) = (Origin::plain(), transport().max_connections(1).build()?);
    let held = go!(transport.stream("GET", origin.url("/stall-body")))?;
    let sent = transport.request("GET", origin.url("/"));
    let queue = transport.clone();
    let is_queued = || crate::net::wait_until(|| queue.to_string().contains("1 queued"));
    assert!(cancel!(sent, is_queued()));
    drop(held);
    assert_eq!(go!(transport.request("GET", origin.url("/")))?.body(), "hello");
    assert!(transport.to_string().contains("0 queued"));
});

// Errors.

test!(a_wrong_url_is_an_error_of_the_builder {
    let transport = transport().build()?;
    for url in ["no scheme", "http://", "http://a b/", "ftp://example.com/"] {
        let error = go!(transport.request("GET", url)).unwrap_err();
        assert!(error.is_builder() && error.is_unsent(), "{url}: {error:?}");
    }
});

test!(a_wrong_header_is_an_error_of_the_builder {
    let origin = Origin::plain();
    let sent = transport().build()?.request("GET", origin.url("/")).header("a b", "c");
    assert!(go!(sent).unwrap_err().is_builder());
    assert_eq!(origin.seen().accepted(), 0);
});

test!(a_wrong_setting_is_an_error_of_build {
    let error = transport().max_connections(0).build().unwrap_err();
    assert!(error.is_builder() && error.to_string().contains("max_connections"), "{error}");
});

test!(a_refused_connection_is_an_error_of_connecting {
    let error = go!(transport().build()?.request("GET", "http://127.0.0.1:1/")).unwrap_err();
    assert!(error.is_connect() && error.is_unsent() && error.is_io(), "{error:?}");
});

test!(a_name_that_does_not_exist_is_an_error_of_dns {
    let resolver = tower_transport::connect::StaticResolver::new();
    let transport = transport().resolver(resolver).build()?;
    let error = go!(transport.request("GET", "http://nowhere.invalid/")).unwrap_err();
    assert!(error.is_dns() && error.is_unsent(), "{error:?}");
});

test!(bytes_that_are_no_http_are_an_error_of_the_protocol {
    let origin = Origin::raw("this is not HTTP\r\n\r\n");
    let error = go!(transport().build()?.request("GET", origin.url("/"))).unwrap_err();
    assert!(error.is_protocol() && error.was_sent(), "{error:?}");
});

test!(a_connection_closed_before_the_response_is_an_error {
    let origin = Origin::raw("");
    let error = go!(transport().build()?.request("POST", origin.url("/")).body("x")).unwrap_err();
    assert!(error.is_io() && error.was_sent(), "{error:?}");
});

test!(a_closed_transport_refuses_requests {
    let (origin, transport) = (Origin::plain(), transport().build()?);
    go!(transport.request("GET", origin.url("/")))?;
    assert!(close!(transport));
    origin.seen().wait_for_open(0);
    assert!(go!(transport.request("GET", origin.url("/"))).unwrap_err().is_closed());
});

// The client.

test!(each_verb_of_a_client_is_its_method {
    let (origin, client) = (Origin::plain(), client().build()?);
    let url = || origin.url("/echo");
    for (request, method) in [
        (client.get(url()), "GET"),
        (client.options(url()), "OPTIONS"),
        (client.post(url()), "POST"),
        (client.put(url()), "PUT"),
        (client.patch(url()), "PATCH"),
        (client.delete(url()), "DELETE"),
        (client.request("QUERY", url()), "QUERY"),
    ] {
        let text = go!(request)?.text();
        assert!(text.starts_with(&format!("{method} /echo?")), "{method}: {text}");
    }
    let response = go!(client.head(origin.url("/large/1000")))?;
    assert_eq!((&response.headers()["content-length"], response.body().len()), (&"1000".parse()?, 0));
});

test!(a_client_prepares_a_request_without_sending_it {
    let origin = Origin::plain();
    let client = client().base_url(origin.url("/")).header("x-a", "1").build()?;
    let prepared = client.prepare(http::Request::put("/echo").body("content")?)?;
    assert_eq!((prepared.uri().to_string(), &prepared.headers()["x-a"]), (origin.url("/echo"), &"1".parse()?));
    assert!(origin.seen().lines().is_empty());
    let text = go!(client.send(prepared))?.text();
    assert!(text.starts_with("PUT /echo?") && text.ends_with("\ncontent"), "{text}");
});

test!(a_client_follows_redirects {
    let (origin, client) = (Origin::plain(), client().build()?);
    let response = go!(client.get(origin.url("/redirect/3")))?;
    assert_eq!((response.text().as_str(), response.history().len()), ("arrived", 3));
    assert_eq!(response.url().unwrap().path(), "/redirect/0");
});

test!(a_client_follows_as_many_redirects_as_it_may {
    let (origin, client) = (Origin::plain(), client().redirects(Redirects::limited(2)).build()?);
    assert!(go!(client.get(origin.url("/redirect/3"))).unwrap_err().is_redirect());
    let response = go!(client.get(origin.url("/redirect/3")).redirects(Redirects::none()))?;
    assert_eq!(response.status().as_u16(), 302);
    let next = response.next_request().unwrap().to_request()?;
    assert_eq!(go!(client.send(next).redirects(Redirects::limited(2)))?.text(), "arrived");
});

test!(secrets_do_not_follow_to_another_origin {
    let (origin, other, client) = (Origin::plain(), Origin::plain(), client().build()?);
    let sent = client.get(origin.url(&format!("/away/{}", other.port))).bearer_auth("planted");
    let response = go!(sent.header("x-key", "planted"))?;
    assert!(origin.seen().has("planted"));
    assert!(!response.text().contains("planted"), "{}", response.text());
});

test!(a_client_keeps_cookies {
    let (origin, client) = (Origin::plain(), client().build()?);
    assert!(go!(client.get(origin.url("/set-cookie")))?.text().contains("cookie: a=1"));
    assert!(go!(client.get(origin.url("/echo")))?.text().contains("cookie: a=1"));
    assert!(client.cookies().unwrap().iter().any(|cookie| cookie.name() == "a"));
});

test!(a_client_decodes_bodies {
    let origin = Origin::plain();
    let response = go!(client().build()?.get(origin.url("/gzip")))?;
    assert_eq!(response.text(), "hello");
});

test!(json_goes_both_ways {
    let (origin, client) = (Origin::plain(), client().build()?);
    let read: serde_json::Value = go!(client.get(origin.url("/json")))?.json()?;
    assert_eq!(read["n"], 3);
    let response = go!(client.post(origin.url("/echo")).json(&read))?;
    assert!(response.text().contains("content-type: application/json\n"));
    assert!(response.text().ends_with(r#"{"n":3,"name":"x"}"#), "{}", response.text());
});

test!(queries_and_forms_are_encoded {
    let (origin, client) = (Origin::plain(), client().build()?);
    let sent = client.post(origin.url("/echo?a=0")).query(&[("b", "1 2")]).form(&[("c", "3&4")]);
    let text = go!(sent)?.text();
    assert!(text.starts_with("POST /echo?a=0&b=1+2\n") && text.ends_with("c=3%264"), "{text}");
});

test!(a_base_url_and_defaults_are_for_each_request {
    let origin = Origin::plain();
    let client = client().base_url(origin.url("/"));
    let client = client.user_agent("scenario/1").header("x-d", "d").build()?;
    let text = go!(client.get("echo"))?.text();
    assert!(text.contains("user-agent: scenario/1\n") && text.contains("x-d: d\n"), "{text}");
});

test!(credentials_answer_a_challenge {
    let origin = Origin::plain();
    let client = client().auth(Auth::basic("u", "p")).build()?;
    assert_eq!(go!(client.get(origin.url("/auth")))?.text(), "welcome");
    let refused = go!(client.get(origin.url("/auth")).no_auth())?;
    assert_eq!((refused.status().as_u16(), refused.text().as_str()), (401, "who?"));
});

test!(a_request_that_failed_is_sent_again_if_asked_for {
    let origin = Origin::plain();
    let client = client().retries(Retries::new(3)).build()?;
    assert_eq!(go!(client.get(origin.url("/flaky")))?.text(), "at last");
    assert_eq!(origin.seen().lines().len(), 2);
});

test!(a_status_becomes_an_error_where_it_is_asked_for {
    let (origin, client) = (Origin::plain(), client().build()?);
    let error = go!(client.get(origin.url("/status/404")))?.error_for_status().unwrap_err();
    assert!(error.is_status());
    assert_eq!(error.response().unwrap().body(), "a status");
    let streamed = go!(client.get(origin.url("/status/500")).streamed())?;
    let error = wait!(streamed.error_for_status()).unwrap_err();
    assert_eq!(error.response().unwrap().body(), "a status");
});

test!(text_is_read_in_its_charset {
    let (origin, client) = (Origin::plain(), client().build()?);
    let response = go!(client.get(origin.url("/latin1")))?;
    assert_eq!(response.text(), "café");
    assert_eq!(response.charset().as_deref(), Some("iso-8859-1"));
    let streamed = go!(client.stream("GET", origin.url("/latin1")))?;
    assert_eq!(wait!(StreamedResponseExt::text(streamed))?, "café");
});

test!(lines_come_one_by_one {
    let origin = Origin::plain();
    let response = go!(client().build()?.stream("GET", origin.url("/lines")))?;
    assert_eq!(lines!(response), ["one", "two", "three"]);
});

test!(a_line_longer_than_its_limit_is_an_error {
    let (origin, client) = (Origin::plain(), client().build()?);
    let response = go!(client.stream("GET", origin.url("/lines")))?;
    assert!(next_line!(response.lines().max_line(2)).is_err_and(|error| error.is_data()));
    let response = go!(client.stream("GET", origin.url("/lines")))?;
    let mut lines = response.lines().max_line(3);
    for line in [Some("one"), Some("two")] {
        assert_eq!(next_line!(lines)?.as_deref(), line);
    }
    // It is the third that has more.
    assert!(next_line!(lines).is_err_and(|error| error.is_data()));
});

test!(a_body_is_saved_to_a_file {
    let origin = Origin::plain();
    let path = std::env::temp_dir().join(format!("parity-{}-{}", std::process::id(), origin.port));
    let response = go!(client().build()?.stream("GET", origin.url("/large/300000")))?;
    assert_eq!(wait!(response.save_to(&path))?, 300_000);
    assert_eq!(std::fs::metadata(&path)?.len(), 300_000);
    std::fs::remove_file(&path)?;
});

test!(a_streamed_body_is_read_up_to_a_limit {
    let (origin, client) = (Origin::plain(), client().build()?);
    let response = go!(client.stream("GET", origin.url("/large/1000")))?;
    assert!(wait!(response.read_up_to(999)).unwrap_err().is_decode());
    let response = go!(client.stream("GET", origin.url("/json")))?;
    let value: serde_json::Value = wait!(StreamedResponseExt::json(response))?;
    assert_eq!(value["name"], "x");
});

test!(a_client_limits_bodies_that_are_read_whole {
    let (origin, client) = (Origin::plain(), client().max_body(1000).build()?);
    assert!(go!(client.get(origin.url("/large/1001"))).unwrap_err().is_decode());
    assert_eq!(go!(client.get(origin.url("/large/1001")).max_body(None))?.body().len(), 1001);
});

test!(a_form_with_a_file_is_sent {
    use tower_transport::client::multipart::{Form, Part};
    let origin = Origin::plain();
    let part = Part::body(file_body!("Cargo.toml")?).file_name("c.toml");
    let form = Form::new().text("title", "a text").part("file", part);
    let text = go!(client().build()?.post(origin.url("/echo")).multipart(form))?.text();
    assert!(text.contains("name=\"title\"") && text.contains("filename=\"c.toml\""), "{text}");
    assert!(text.contains("name = \"tower-transport\""));
});

test!(one_limit_is_over_all_redirects {
    let origin = Origin::plain();
    let sent = client().timeout(SHORT).build()?.get(origin.url("/stall"));
    let error = go!(sent).unwrap_err();
    assert_eq!(error.timeout_phase(), Some(Phase::Total));
});

test!(a_client_uses_a_transport_that_it_is_given {
    let (origin, transport) = (Origin::plain(), transport().build()?);
    go!(transport.request("GET", origin.url("/")))?;
    let client = Client::builder().transport(transport).build()?;
    assert_eq!(go!(client.get(origin.url("/")))?.text(), "hello");
    assert_eq!(origin.seen().accepted(), 1);
    assert_eq!(client.service().stats().idle_connections(), 1);
});

test!(a_client_over_a_service_needs_no_network {
    let router = axum::Router::new().route("/", axum::routing::get(|| async { "routed" }));
    let client = Client::over(router);
    assert_eq!(go!(client.get("http://any.example/"))?.text(), "routed");
});

test!(a_client_with_settings_over_a_service_has_no_transport_to_set {
    let echo = |headers: http::HeaderMap| async move { format!("{:?}", headers.get("x-a")) };
    let router = axum::Router::new().route("/", axum::routing::get(echo));
    let client = Client::builder().header("x-a", "b").build_over(router.clone())?;
    assert_eq!(go!(client.get("http://any.example/"))?.text(), "Some(\"b\")");
    assert!(Client::builder().max_connections(1).build_over(router).unwrap_err().is_builder());
});

test!(a_closed_client_refuses_requests {
    let (origin, client) = (Origin::plain(), client().build()?);
    go!(client.get(origin.url("/")))?;
    assert!(close!(client));
    assert!(go!(client.get(origin.url("/"))).unwrap_err().is_closed());
});
