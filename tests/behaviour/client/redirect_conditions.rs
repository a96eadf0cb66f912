//! What a redirect leaves of the conditions of a request: without one it would do something else.

use http::{StatusCode, Uri};
use tower::Layer;
use tower_transport::{client::RedirectLayer, options::ServerName, target::Origin};

use super::site::*;

const CONDITIONS: [(&str, &str); 7] = [
    ("range", "bytes=3-"),
    ("if-range", "\"old\""),
    ("if-match", "\"v1\""),
    ("if-none-match", "\"v2\""),
    ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("idempotency-key", "k1"),
];

async fn follow(site: &Site, method: &str, headers: &[(&str, &str)]) -> StatusCode {
    let client = RedirectLayer::new().layer(site.strict());
    send(&client, request(method, "http://a/", headers, "")).await.unwrap().status()
}

#[tokio::test]
async fn all_conditions_travel_to_another_origin_with_the_method() {
    for method in ["GET", "PUT", "POST"] {
        let site = from_to("http://a/", "http://b/");
        follow(&site, method, &CONDITIONS).await;
        let seen = site.seen();
        for (name, value) in CONDITIONS {
            assert_eq!(seen[1].headers()[name], value, "{method} {name}");
        }
    }
}

#[tokio::test]
async fn a_download_that_is_resumed_from_another_origin_begins_anew_if_the_file_has_changed() {
    let site = Site::new(|request| match request.uri().host() {
        Some("a") => redirect(302, "https://cdn/file"),
        _ => match request.headers().get("if-range") {
            Some(tag) if tag != "\"new\"" => answer(200, &[], "a new file"),
            _ => answer(206, &[], "of another file"),
        },
    });
    assert_eq!(follow(&site, "GET", &CONDITIONS[..2]).await, 200);
}

#[tokio::test]
async fn conditions_of_a_method_that_becomes_a_get_are_dropped() {
    for (method, status, to) in
        [("PUT", 303, "/to"), ("POST", 302, "/to"), ("DELETE", 303, "http://b/to")]
    {
        let site = Site::new(move |request| match request.uri().path() {
            "/" => redirect(status, to),
            _ => ok(),
        });
        follow(&site, method, &CONDITIONS).await;
        let seen = site.seen();
        let left = names(seen[1].headers());
        assert_eq!(left, ["idempotency-key", "if-range", "range"], "{method} {status}");
    }
}

#[tokio::test]
async fn a_get_and_a_head_keep_their_conditions_through_a_303() {
    for method in ["GET", "HEAD"] {
        let site = Site::new(|request| match request.uri().path() {
            "/" => redirect(303, "/to"),
            _ => ok(),
        });
        follow(&site, method, &CONDITIONS).await;
        assert_eq!(site.seen()[1].headers().len(), CONDITIONS.len(), "{method}");
    }
}

#[tokio::test]
async fn a_trusted_host_is_not_verified_by_the_name_of_the_one_before() {
    let trusted = ["http://b/", "https://a/"];
    for (to, keeps) in [("http://b/", false), ("http://a/to", true), ("https://a/", true)] {
        let site = from_to("http://a/", to);
        let layer = trusted.iter().fold(RedirectLayer::new(), |layer, url| {
            layer.trust(Origin::try_from(&url.parse::<Uri>().unwrap()).unwrap())
        });
        let mut sent = get("http://a/");
        sent.extensions_mut().insert(ServerName::new("internal.a"));
        send(&layer.layer(site.strict()), sent).await.unwrap();
        assert_eq!(site.seen()[1].extensions().get::<ServerName>().is_some(), keeps, "{to}");
    }
}
