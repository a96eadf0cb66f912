//! What every request of a client has, and which origins receive it.

use std::error::Error as _;

use http::{HeaderMap, HeaderName, HeaderValue};
use tower::Layer;
use tower_transport::{
    Body,
    client::{Auth, AuthLayer, Client, DefaultsLayer, OmittedHeaders, RedirectLayer, ResponseExt},
    options::Redirects,
};

use super::site::*;

fn sensitive(value: &'static str) -> HeaderValue {
    let mut value = HeaderValue::from_static(value);
    value.set_sensitive(true);
    value
}

#[tokio::test]
async fn a_request_without_a_host_goes_to_the_base_url_and_any_other_where_it_says() {
    let site = Site::new(|_| ok());
    let client = DefaultsLayer::new().base_url("https://api.example:8443/v1/").layer(site.strict());
    for (url, expected) in [
        ("/users/1?q=2", "https://api.example:8443/v1/users/1?q=2"),
        ("users", "https://api.example:8443/v1/users"),
        ("http://b.example/x", "http://b.example/x"),
    ] {
        send(&client, get(url)).await.unwrap();
        assert_eq!(site.lines(), [format!("GET {expected}")]);
    }
}

#[tokio::test]
async fn headers_are_added_unless_the_request_has_them() {
    let site = Site::new(|_| ok());
    let headers = HeaderMap::from_iter([("x-a".parse().unwrap(), HeaderValue::from_static("0"))]);
    let layer = DefaultsLayer::new()
        .headers(headers)
        .header("x-a", "1")
        .header("accept", "text/plain")
        .user_agent("old/1")
        .user_agent("me/1");
    let client = layer.layer(site.strict());
    send(&client, request("GET", "http://a/", &[("accept", "*/*")], "")).await.unwrap();
    send(&client, request("GET", "http://a/", &[("user-agent", "own")], "")).await.unwrap();
    let seen = site.seen();
    let values = |name| -> Vec<_> {
        seen[0].headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    };
    assert_eq!(
        (values("x-a"), values("accept"), values("user-agent")),
        (vec!["0", "1"], vec!["*/*"], vec!["me/1"])
    );
    assert_eq!(seen[1].headers()["user-agent"], "own");
}

#[tokio::test]
async fn one_request_goes_without_a_default_header_and_keeps_its_own() {
    let site = Site::new(|_| ok());
    let layer = DefaultsLayer::new().header("x-a", "1").header("x-b", "1").user_agent("me/1");
    let client = layer.layer(site.strict());
    let mut without = request("GET", "http://a/", &[("x-a", "own")], "");
    let names_of = ["x-a", "x-b"].map(HeaderName::from_static);
    without.extensions_mut().insert(OmittedHeaders::new(names_of));
    send(&client, without).await.unwrap();
    send(&client, get("http://a/")).await.unwrap();
    let seen = site.seen();
    assert_eq!(names(seen[0].headers()), ["user-agent", "x-a"]);
    assert_eq!(seen[0].headers()["x-a"], "own");
    assert_eq!(seen[1].headers().len(), 3);

    let builder = Client::builder().header("x-a", "1").header("x-b", "1").user_agent("me/1");
    let client = builder.build_over(site.clone()).unwrap();
    client.get("http://a/").no_header("X-A").no_header("user-agent").await.unwrap();
    let seen = site.seen();
    let is_there = ["x-a", "x-b", "user-agent"].map(|name| seen[0].headers().contains_key(name));
    assert_eq!(is_there, [false, true, false]);
    assert!(client.get("http://a/").no_header("a b").await.unwrap_err().is_builder());
}

#[tokio::test]
async fn another_origin_than_the_base_url_receives_harmless_headers_alone() {
    let site = Site::new(|_| ok());
    let layer = DefaultsLayer::new()
        .base_url("https://api.example/")
        .header("x-api-key", "secret")
        .header("authorization", "Bearer secret")
        .header("accept", sensitive("secret"))
        .user_agent("me/1");
    let client = layer.layer(site.strict());
    for (url, count) in [
        ("/", 4),
        ("https://API.example:443/", 4),
        ("https://b.example/", 1),
        ("http://api.example/", 1),
        ("https://api.example:8443/", 1),
        ("https://x@b.example/", 1),
    ] {
        send(&client, get(url)).await.unwrap();
        assert_eq!(site.seen()[0].headers().len(), count, "{url}");
    }
}

#[tokio::test]
async fn the_user_of_a_url_stays_the_one_on_a_redirect_that_is_followed_by_hand() {
    let site = Site::new(|request| match request.uri().path() {
        "/1" => redirect(302, "/2"),
        _ => ok(),
    });
    let client = Client::builder().auth(Auth::bearer("default")).redirects(Redirects::none());
    let client = client.build_over(site.clone()).unwrap();
    let response = client.get("http://me@a/1").await.unwrap();
    client.send(response.next_request().unwrap().to_request().unwrap()).await.unwrap();
    for request in site.seen() {
        assert_eq!(request.headers()["authorization"], "Basic bWU6", "{}", request.uri());
    }
}

#[tokio::test]
async fn headers_that_a_redirect_takes_off_do_not_come_back() {
    let site = Site::new(|request| match request.uri().host() {
        Some("a") => redirect(307, "http://b/"),
        _ => ok(),
    });
    let layer = DefaultsLayer::new().header("x-api-key", "secret").user_agent("me/1");
    let client = layer.layer(RedirectLayer::new().layer(site.strict()));
    send(&client, get("http://a/")).await.unwrap();
    assert_eq!(names(site.seen()[1].headers()), ["user-agent"]);
}

#[tokio::test]
async fn credentials_are_for_the_base_url_or_for_the_origin_of_each_call() {
    let site = Site::new(|request| match request.uri().host() {
        Some("a") => redirect(302, "http://b/"),
        Some("b") => redirect(302, "http://c/"),
        _ => ok(),
    });
    let below = || RedirectLayer::new().layer(AuthLayer::new().layer(site.strict()));
    let said = || -> Vec<_> {
        site.seen().iter().map(|request| request.headers().contains_key("authorization")).collect()
    };
    let client = DefaultsLayer::new().auth(Auth::bearer("1")).layer(below());
    send(&client, get("http://a/")).await.unwrap();
    assert_eq!(said(), [true, false, false]);
    send(&client, get("http://b/")).await.unwrap();
    assert_eq!(said(), [true, false]);
    let client = DefaultsLayer::new().base_url("http://b/").auth(Auth::bearer("1")).layer(below());
    send(&client, get("http://a/")).await.unwrap();
    assert_eq!(said(), [false, true, false]);
    let own = request("GET", "http://c/", &[("authorization", "Own 1")], "");
    let client = DefaultsLayer::new().auth(Auth::bearer("1")).layer(below());
    send(&client, own).await.unwrap();
    assert_eq!(site.seen()[0].headers()["authorization"], "Own 1");
    send(&client, get("http://me:x@c/")).await.unwrap();
    assert_eq!(site.seen()[0].headers()["authorization"], "Basic bWU6eA==");
}

#[tokio::test]
async fn nothing_but_https_is_sent_where_that_is_asked_for_not_even_by_a_redirect() {
    let site = Site::new(|request| match request.uri().path() {
        "/down" => redirect(302, "http://a/"),
        _ => ok(),
    });
    let client = DefaultsLayer::new().https_only().layer(RedirectLayer::new().layer(site.strict()));
    for url in ["http://a/", "ws://a/", "/", "ftp://a/"] {
        let error = send(&client, get(url)).await.unwrap_err();
        assert!(error.is_builder() && error.is_unsent(), "{url}: {error:?}");
    }
    assert!(site.lines().is_empty());
    assert_eq!(send(&client, get("https://a/")).await.unwrap().status(), 200);
    site.seen();
    let error = send(&client, get("https://a/down")).await.unwrap_err();
    assert!(error.is_redirect() && error.source().unwrap().to_string().contains("https"));
    assert_eq!(site.lines(), ["GET https://a/down"]);
}

#[tokio::test]
async fn a_setting_that_is_not_valid_fails_each_request_and_repeats_no_secret() {
    let site = Site::new(|_| ok());
    for layer in [
        DefaultsLayer::new().base_url("api.example"),
        DefaultsLayer::new().base_url("https://me:secret@api.example/"),
        DefaultsLayer::new().base_url("https://a/\r\nx: secret"),
        DefaultsLayer::new().base_url("ftp://a/"),
        DefaultsLayer::new().base_url("https://a/?secret"),
        DefaultsLayer::new().header("x y", "1"),
        DefaultsLayer::new().header("x-a", "secret\r\nx-b: 1"),
        DefaultsLayer::new().user_agent("secret\n"),
    ] {
        let error = send(&layer.layer(site.strict()), get("http://a/")).await.unwrap_err();
        assert!(error.is_builder() && error.is_unsent(), "{error:?}");
        assert!(!format!("{error} {error:?} {layer:?}").contains("secret"), "{error:?}");
    }
    assert!(site.lines().is_empty());
}

#[tokio::test]
async fn a_base_url_that_is_not_valid_is_named() {
    let site = Site::new(|_| ok());
    for (url, why) in [
        ("api.example", "the URL `api.example` has no scheme: http:// or https://"),
        ("ftp://a/", "unsupported scheme `ftp`: http, https, ws or wss"),
        ("https://a/?q", "it has a query, which no request would be sent with"),
    ] {
        let layer = DefaultsLayer::new().base_url(url);
        let error = send(&layer.layer(site.strict()), get("http://a/")).await.unwrap_err();
        assert_eq!(error.to_string(), format!("setting the base URL: {why}"));
    }
}

#[tokio::test]
async fn no_text_shows_the_values_of_headers() {
    let layer = DefaultsLayer::new().header("x-api-key", "secret").auth(Auth::bearer("secret"));
    let texts = format!("{layer:?} {:?}", layer.layer(()));
    assert!(texts.contains("x-api-key") && !texts.contains("secret"), "{texts}");
}

#[tokio::test]
async fn a_request_dropped_at_any_poll_sends_nothing_more() {
    let service = || {
        let site = Site::new(|_| ok());
        (DefaultsLayer::new().user_agent("me/1").layer(site.strict()), site)
    };
    at_every_poll(service, || request("GET", "http://a/", &[], Body::empty())).await;
}
