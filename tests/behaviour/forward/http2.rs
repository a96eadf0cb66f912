//! The proxy speaks HTTP/2.

use std::sync::Arc;

use futures_util::{future::join_all, stream};
use http::{HeaderName, HeaderValue, Version};
use tower_transport::{
    Body, RequestExt, Transport,
    options::{Protocols, RawTarget},
    proxy::Proxy,
};

use crate::support::{
    forwarding::{Client, Http2Proxy, PROXY, proxy, shared, token},
    scene::predicates,
};

/// A client of a proxy that is known to speak HTTP/2.
fn over_http2(proxy: Proxy, server: &Arc<Http2Proxy>) -> Client {
    shared(&proxy.protocols(Protocols::Http2PriorKnowledge), server.listen())
}

#[tokio::test]
async fn the_pseudo_fields_are_those_of_the_url() {
    let table = [
        ("http://example.com", "http://example.com/"),
        ("http://example.com/a?b#c", "http://example.com/a?b"),
        ("http://example.com?b", "http://example.com/?b"),
        ("http://example.com:80/", "http://example.com/"),
        ("http://example.com:8080/", "http://example.com:8080/"),
        ("http://[::1]:81/a", "http://[::1]:81/a"),
        ("http://[fe80::1%25eth0]/", "http://[fe80::1]/"),
    ];
    let server = Http2Proxy::content();
    let client = over_http2(proxy(PROXY), &server);
    for (url, seen) in table {
        let response = client.request("GET", url).header("host", "other.example").await.unwrap();
        assert_eq!(
            (response.version(), response.body().as_ref()),
            (Version::HTTP_2, &b"hello"[..])
        );
        assert_eq!(server.fields().pop().unwrap(), format!("GET {seen}: "), "{url}");
    }
    assert_eq!(server.opened(), 1, "the key was the same for all");
}

#[tokio::test]
async fn the_proxy_has_its_headers_and_credentials_with_every_request() {
    let proxy = proxy("http://me:secret@proxy.example")
        .header(HeaderName::from_static("x-tag"), HeaderValue::from_static("1"));
    let server = Http2Proxy::content();
    let client = over_http2(proxy, &server);
    let request = client.request("GET", "http://a.example/").header("proxy-connection", "x");
    request.await.unwrap();
    let request = client.request("GET", "http://b.example/").header("x-tag", "mine");
    request.header("proxy-authorization", "Mine").await.unwrap();
    let expected = [
        "GET http://a.example/ x-tag=1 proxy-authorization=Basic bWU6c2VjcmV0: ",
        "GET http://b.example/ x-tag=mine proxy-authorization=Mine: ",
    ];
    assert_eq!(server.fields(), expected);
}

#[tokio::test]
async fn options_for_a_whole_server_names_the_server() {
    let server = Http2Proxy::content();
    let client = over_http2(proxy(PROXY), &server);
    let asterisk = "*".parse::<RawTarget>().unwrap();
    client.request("OPTIONS", "http://a.example/b").extension(asterisk).await.unwrap();
    assert_eq!(server.fields(), ["OPTIONS http://a.example*: "]);
}

#[tokio::test]
async fn a_request_that_is_not_for_every_eye_is_refused_before_a_byte_of_it() {
    let server = Http2Proxy::content();
    let client = over_http2(proxy(PROXY), &server);
    let error = client.request("GET", "https://a.example/").await.unwrap_err();
    assert_eq!(predicates(&error), "builder");
    client.request("GET", "http://a.example/").await.unwrap();
    assert_eq!((server.fields().len(), server.opened()), (1, 1));
}

#[tokio::test]
async fn an_origin_never_receives_what_is_for_proxies() {
    let server = Http2Proxy::content();
    let builder = Transport::builder().connector(server.listen()).http2_prior_knowledge();
    let transport = builder.build().unwrap();
    let request = transport.request("GET", "http://a.example/");
    request.header("proxy-authorization", "x").header("proxy-connection", "x").await.unwrap();
    assert_eq!(server.fields(), ["GET http://a.example/: "]);
}

#[tokio::test]
async fn who_is_asked_answers_over_the_same_connection() {
    let server = Http2Proxy::asking();
    let client = over_http2(proxy(PROXY).authenticate(token()), &server);
    for _ in 0..2 {
        let response = client.request("POST", "http://a.example/").body("12345").await.unwrap();
        assert_eq!(response.body(), "hello");
    }
    let answered =
        "POST http://a.example/ proxy-authorization=Token secret content-length=5: 12345";
    let refused = "POST http://a.example/ content-length=5: 12345";
    assert_eq!(server.fields(), [refused, answered, answered]);
    assert_eq!(server.opened(), 1);
}

#[tokio::test]
async fn many_at_once_are_asked_and_answer_over_one_connection() {
    let server = Http2Proxy::asking();
    let client = over_http2(proxy(PROXY).authenticate(token()), &server);
    let requests = (0..20).map(|n| client.request("GET", format!("http://a{n}.example/")));
    let responses = join_all(requests.map(IntoFuture::into_future)).await;
    assert!(responses.into_iter().all(|response| response.unwrap().body() == "hello"));
    assert_eq!(server.opened(), 1);
}

#[tokio::test]
async fn a_body_that_cannot_be_had_again_is_an_error_that_says_why() {
    let server = Http2Proxy::asking();
    let client = over_http2(proxy(PROXY).authenticate(token()), &server);
    let chunks = || Body::stream(stream::iter([Ok::<_, std::io::Error>("12345")]));
    let error = client.request("POST", "http://a.example/").body(chunks()).await.unwrap_err();
    assert_eq!(predicates(&error), "sent");
    assert_eq!(error.proxy_status().unwrap(), 407);
    let response = client.request("POST", "http://a.example/").body(chunks()).await.unwrap();
    assert_eq!(response.body(), "hello");
    assert_eq!(server.opened(), 1);
}

#[tokio::test]
async fn a_refusal_to_which_nothing_better_can_be_said_is_the_answer() {
    let server = Http2Proxy::asking();
    let response = over_http2(proxy(PROXY), &server).request("GET", "http://a.example/").await;
    let response = response.unwrap();
    assert_eq!((response.status().as_u16(), response.body().as_ref()), (407, &b"refused"[..]));
    assert_eq!(server.fields().len(), 1);
}
