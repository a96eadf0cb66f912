//! Redirects: what is followed, with which fields, and what is reported of it.

use std::error::Error as _;

use bytes::Bytes;
use http::{HeaderValue, Response, Uri};
use tower::Layer;
use tower_transport::{
    Body, Error, RequestExt,
    client::{AuthLayer, FinalUrl, NextRequest, Redirect, RedirectLayer, Visited},
    mock::StrictService,
    options::{ConnectProtocol, LocalAddress, RawTarget, Redirects, ServerName},
    target::Origin,
};

use super::site::*;

type Client = Redirect<StrictService<Site>>;

fn client(site: &Site) -> Client {
    RedirectLayer::new().layer(site.strict())
}

/// `/301/path` and the like redirect with that status, all else is the result.
fn by_status() -> Site {
    Site::new(|request| {
        let path = request.uri().path().to_owned();
        match path.get(1..4).and_then(|status| status.parse().ok()) {
            Some(status) => redirect(status, "/to"),
            None => ok(),
        }
    })
}

fn origin(url: &str) -> Origin {
    Origin::try_from(&url.parse::<Uri>().unwrap()).unwrap()
}

fn visited<B>(response: &Response<B>) -> Vec<String> {
    let visited = response.extensions().get::<Visited>();
    visited
        .map_or(Vec::new(), |visited| visited.hops().iter().map(|hop| format!("{hop:?}")).collect())
}

#[tokio::test]
async fn a_get_is_followed_and_the_response_tells_the_way() {
    let site = by_status();
    for status in [301, 302, 303, 307, 308] {
        let response = send(&client(&site), get(&format!("http://a/{status}"))).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(
            visited(&response),
            [format!("GET http://a/{status} {}", { http::StatusCode::from_u16(status).unwrap() })]
        );
        let last = response.extensions().get::<FinalUrl>().unwrap();
        assert_eq!(last.uri(), "http://a/to");
        assert_eq!(site.lines(), [format!("GET http://a/{status}"), "GET http://a/to".into()]);
    }
}

#[tokio::test]
async fn each_hop_has_its_method_its_status_and_its_header() {
    let site = by_status();
    let sent = request("POST", "http://a/303", &[], "body");
    let response = send(&client(&site), sent).await.unwrap();
    let hop = &response.extensions().get::<Visited>().unwrap().hops()[0];
    assert_eq!(
        (hop.method().as_str(), hop.url().path(), hop.status().as_u16()),
        ("POST", "/303", 303)
    );
    assert_eq!(hop.headers()["location"], "/to");
}

#[tokio::test]
async fn a_response_that_was_not_redirected_has_no_history() {
    let site = by_status();
    let response = send(&client(&site), get("http://a/plain")).await.unwrap();
    assert!(response.extensions().get::<Visited>().is_none());
    assert!(response.extensions().get::<FinalUrl>().is_none());
}

#[tokio::test]
async fn post_becomes_get_after_301_and_302_and_put_stays_put() {
    let site = by_status();
    for (method, status, expected) in [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("PUT", 302, "PUT"),
        ("PUT", 303, "GET"),
        ("HEAD", 303, "HEAD"),
        ("HEAD", 302, "HEAD"),
        ("POST", 307, "POST"),
        ("DELETE", 308, "DELETE"),
    ] {
        let url = format!("http://a/{status}");
        send(&client(&site), request(method, &url, &[], "")).await.unwrap();
        assert_eq!(site.lines()[1], format!("{expected} http://a/to"), "{method} {status}");
    }
}

#[tokio::test]
async fn a_303_drops_the_body_and_what_was_said_of_it() {
    let site = by_status();
    let headers = [("content-type", "text/plain"), ("content-length", "5"), ("x-a", "1")];
    send(&client(&site), request("POST", "http://a/303", &headers, "hello")).await.unwrap();
    let last = &site.seen()[1];
    assert_eq!((names(last.headers()), last.body().len()), (vec!["x-a"], 0));
}

#[tokio::test]
async fn a_307_and_a_308_send_the_body_again_with_its_length() {
    let site = by_status();
    for status in [307, 308] {
        let headers = [("content-type", "text/plain"), ("content-length", "5")];
        let url = format!("http://a/{status}");
        send(&client(&site), request("POST", &url, &headers, "hello")).await.unwrap();
        let last = &site.seen()[1];
        assert_eq!(
            (last.body(), &last.headers()["content-length"]),
            (&Bytes::from("hello"), &HeaderValue::from(5))
        );
    }
}

#[tokio::test]
async fn a_body_by_a_function_and_a_file_survive_a_308() {
    let site = by_status();
    let file = Body::file("Cargo.toml").await.unwrap();
    let length = file.length().unwrap() as usize;
    for (body, length) in [(Body::again(|| Body::iter(["a", "b"])), 2), (file, length)] {
        send(&client(&site), request("POST", "http://a/308", &[], body)).await.unwrap();
        let seen = site.seen();
        assert_eq!((seen[0].body().len(), seen[1].body().len()), (length, length));
    }
}

#[tokio::test]
async fn a_stream_that_is_needed_again_fails_by_name_with_the_response() {
    let site = by_status();
    let sent = request("POST", "http://a/308", &[], Body::iter(["a"]));
    let error = send(&client(&site), sent).await.unwrap_err();
    assert!(error.is_redirect() && error.was_sent(), "{error:?}");
    assert_eq!(error.to_string(), "following the redirect of http://a/308");
    assert!(error.source().unwrap().to_string().contains("cannot be sent again"));
    assert_eq!((error.status().unwrap().as_u16(), error.url()), (308, Some("http://a/308")));
    assert_eq!(error.response().unwrap().body(), "moved");
    assert_eq!(site.lines().len(), 1);
}

#[tokio::test]
async fn a_stream_that_is_not_needed_again_does_no_harm() {
    let site = by_status();
    let sent = request("POST", "http://a/303", &[], Body::iter(["a"]));
    assert_eq!(send(&client(&site), sent).await.unwrap().status(), 200);
}

/// `/n` redirects to `/n-1`, and `/0` is the end.
fn countdown() -> Site {
    Site::new(|request| match request.uri().path()[1..].parse::<u32>().unwrap() {
        0 => ok(),
        n => redirect(302, &format!("/{}", n - 1)),
    })
}

#[tokio::test]
async fn twenty_redirects_pass_and_the_twenty_first_fails_with_its_response() {
    let site = countdown();
    let response = send(&client(&site), get("http://a/20")).await.unwrap();
    assert_eq!(visited(&response).len(), 20);
    site.seen();
    let error = send(&client(&site), get("http://a/21")).await.unwrap_err();
    assert!(error.is_redirect() && error.source().unwrap().to_string().contains("more than 20"));
    assert_eq!(error.response().unwrap().headers()["location"], "/0");
    assert_eq!(site.lines().len(), 21);
}

#[tokio::test]
async fn any_limit_is_taken() {
    let site = countdown();
    let layer = RedirectLayer::new().redirects(Redirects::limited(usize::MAX)).layer(site.strict());
    assert_eq!(visited(&send(&layer, get("http://a/50")).await.unwrap()).len(), 50);
}

#[tokio::test]
async fn a_loop_ends() {
    let site = Site::new(|_| redirect(302, ""));
    assert!(send(&client(&site), get("http://a/")).await.unwrap_err().is_redirect());
}

#[tokio::test]
async fn a_limit_is_that_of_the_request_or_of_the_layer_and_zero_is_none() {
    let site = countdown();
    let layer = RedirectLayer::new().redirects(Redirects::limited(1)).layer(site.strict());
    assert_eq!(send(&layer, get("http://a/1")).await.unwrap().status(), 200);
    assert!(send(&layer, get("http://a/2")).await.unwrap_err().is_redirect());
    let mut more = get("http://a/2");
    more.extensions_mut().insert(Redirects::limited(2));
    assert_eq!(send(&layer, more).await.unwrap().status(), 200);
    for none in [Redirects::none(), Redirects::limited(0)] {
        let mut sent = get("http://a/2");
        sent.extensions_mut().insert(none);
        assert_eq!(send(&layer, sent).await.unwrap().status(), 302);
    }
}

#[tokio::test]
async fn a_lenient_limit_hands_out_the_response_with_the_next_request() {
    let site = countdown();
    let lenient = Redirects::limited(1).lenient();
    let layer = RedirectLayer::new().redirects(lenient).layer(site.strict());
    let sent = request("GET", "http://a/3", &[("x-own", "1")], "");
    let response = send(&layer, sent).await.unwrap();
    assert_eq!((response.status().as_u16(), visited(&response).len()), (302, 1));
    let next = response.extensions().get::<NextRequest>().unwrap();
    assert_eq!(next.url(), "http://a/1");
    assert_eq!(next.headers()["x-own"], "1");
}

#[tokio::test]
async fn the_next_request_can_be_sent_by_hand_until_the_end() {
    let site = countdown();
    let layer = RedirectLayer::new().redirects(Redirects::none()).layer(site.strict());
    let mut response = send(&layer, get("http://a/2")).await.unwrap();
    let mut count = 0;
    while let Some(next) = response.extensions().get::<NextRequest>().cloned() {
        response = send(&layer, next.to_request().unwrap()).await.unwrap();
        count += 1;
    }
    assert_eq!((count, response.status().as_u16()), (2, 200));
}

#[tokio::test]
async fn a_redirect_followed_by_hand_inherits_the_fragment_of_the_one_before() {
    let site = Site::new(|request| match request.uri().path() {
        "/a" => redirect(302, "/b#first"),
        "/b" => redirect(302, "/c"),
        _ => ok(),
    });
    let layer = RedirectLayer::new().redirects(Redirects::none()).layer(site.strict());
    let response = send(&layer, get("http://a/a")).await.unwrap();
    let next = |response: &Response<_>| response.extensions().get::<NextRequest>().unwrap().clone();
    assert_eq!(next(&response).fragment(), Some("first"));
    let response: Answer = send(&layer, next(&response).to_request().unwrap()).await.unwrap();
    assert_eq!((next(&response).url().path(), next(&response).fragment()), ("/c", Some("first")));
}

#[tokio::test]
async fn the_next_request_of_a_stream_says_that_it_cannot_be_sent() {
    let site = by_status();
    let layer = RedirectLayer::new().redirects(Redirects::none()).layer(site.strict());
    let response =
        send(&layer, request("PUT", "http://a/307", &[], Body::iter(["a"]))).await.unwrap();
    let next = response.extensions().get::<NextRequest>().unwrap();
    assert!(!next.can_be_sent() && next.to_request().unwrap_err().is_redirect());
    assert_eq!((next.method().as_str(), next.url().path()), ("PUT", "/to"));
}

#[tokio::test]
async fn what_does_not_redirect_is_handed_out() {
    for (status, headers) in [
        (300, &[("location", "/to")][..]),
        (304, &[("location", "/to")]),
        (305, &[("location", "/to")]),
        (306, &[("location", "/to")]),
        (201, &[("location", "/to")]),
        (301, &[]),
        (308, &[]),
    ] {
        let headers: Vec<_> = headers.to_vec();
        let site = Site::new(move |_| answer(status, &headers, "body"));
        let response = send(&client(&site), get("http://a/")).await.unwrap();
        assert_eq!((response.status().as_u16(), site.lines().len()), (status, 1));
    }
}

#[tokio::test]
async fn a_connect_is_not_redirected() {
    let site = Site::new(|_| redirect(307, "http://b/"));
    let response = send(&client(&site), request("CONNECT", "http://a/", &[], "")).await.unwrap();
    assert_eq!((response.status().as_u16(), site.lines().len()), (307, 1));
}

#[tokio::test]
async fn a_location_that_cannot_be_followed_is_an_error_only_where_it_would_be_followed() {
    for location in
        ["ftp://a/", "file:///etc/passwd", "gopher://a/", "https://:443/", "http://a:0/"]
    {
        let site = Site::new(move |_| redirect(302, location));
        let error = send(&client(&site), get("http://a/")).await.unwrap_err();
        assert!(error.is_redirect() && error.source().is_some(), "{location}: {error:?}");
        assert_eq!(error.response().unwrap().headers()["location"], location);
        for redirects in [Redirects::none(), Redirects::default().lenient()] {
            let mut sent = get("http://a/");
            sent.extensions_mut().insert(redirects);
            let response = send(&client(&site), sent).await.unwrap();
            assert!(response.extensions().get::<NextRequest>().is_none());
        }
    }
}

#[tokio::test]
async fn a_huge_location_is_an_error() {
    let site = Site::new(|_| redirect(302, &format!("/{}", "a".repeat(1 << 20))));
    assert!(send(&client(&site), get("http://a/")).await.unwrap_err().is_redirect());
}

#[tokio::test]
async fn two_locations_that_differ_are_an_error() {
    let site = Site::new(|_| answer(302, &[("location", "/a"), ("location", "http://evil/")], ""));
    assert!(send(&client(&site), get("http://a/")).await.unwrap_err().is_redirect());
}

#[tokio::test]
async fn a_fragment_is_kept_until_there_is_another_and_is_not_sent() {
    let site = Site::new(|request| match request.uri().path() {
        "/1" => redirect(302, "/2#first"),
        "/2" => redirect(302, "/3"),
        "/3" => redirect(302, "/4#second"),
        _ => ok(),
    });
    for (from, fragment) in [("/1", Some("second")), ("/2", Some("second")), ("/4", None)] {
        let response = send(&client(&site), get(&format!("http://a{from}"))).await.unwrap();
        let last = response.extensions().get::<FinalUrl>();
        assert_eq!(last.and_then(FinalUrl::fragment), fragment);
    }
    let site = Site::new(|request| match request.uri().path() {
        "/1" => redirect(302, "/2#first"),
        "/2" => redirect(302, "/3"),
        _ => ok(),
    });
    let response = send(&client(&site), get("http://a/1")).await.unwrap();
    assert_eq!(response.extensions().get::<FinalUrl>().unwrap().fragment(), Some("first"));
    assert!(site.lines().iter().all(|line| !line.contains('#')));
}

#[tokio::test]
async fn a_redirect_inherits_the_fragment_of_a_url_that_is_text() {
    let site = from_to("http://a/1", "/2");
    let response = client(&site).request("GET", "http://a/1#first").await.unwrap();
    assert_eq!(response.extensions().get::<FinalUrl>().unwrap().fragment(), Some("first"));
    assert_eq!(site.lines(), ["GET http://a/1", "GET http://a/2"]);
}

const SECRETS: [(&str, &str); 6] = [
    ("authorization", "Bearer secret"),
    ("cookie", "a=secret"),
    ("proxy-authorization", "Basic secret"),
    ("x-api-key", "secret"),
    ("accept", "text/plain"),
    ("user-agent", "test"),
];

#[tokio::test]
async fn another_origin_in_any_spelling_receives_harmless_fields_alone() {
    for (from, to) in [
        ("http://a/", "http://b/"),
        ("http://a/", "//b/"),
        ("http://a/", "http://a:81/"),
        ("https://a/", "http://a/"),
        ("http://a/", "https://a:8443/"),
        ("http://a:8080/", "https://a/"),
        ("http://a/", "http://b.a/"),
        ("http://a/", "http://a@b/"),
        ("http://a/", "http://a./"),
    ] {
        let site = from_to(from, to);
        send(&client(&site), request("GET", from, &SECRETS, "")).await.unwrap();
        assert_eq!(names(site.seen()[1].headers()), ["accept", "user-agent"], "{from} {to}");
    }
}

#[tokio::test]
async fn the_same_origin_and_its_tls_receive_all() {
    for (from, to) in [
        ("http://a/", "/b"),
        ("http://a/", "http://A:80/b"),
        ("https://a:443/", "https://a/b"),
        ("http://a/", "https://a/"),
        ("http://a:80/", "https://a:443/"),
    ] {
        let site = from_to(from, to);
        send(&client(&site), request("GET", from, &SECRETS, "")).await.unwrap();
        assert_eq!(site.seen()[1].headers().len(), SECRETS.len(), "{from} {to}");
    }
}

#[tokio::test]
async fn what_was_taken_off_stays_off_when_a_hop_leads_back() {
    let site = Site::new(|request| match request.uri().to_string().as_str() {
        "http://a/" => redirect(302, "http://b/"),
        "http://b/" => redirect(302, "http://a/back"),
        _ => ok(),
    });
    send(&client(&site), request("GET", "http://a/", &SECRETS, "")).await.unwrap();
    let seen = site.seen();
    assert_eq!(
        (seen[2].uri().path(), names(seen[2].headers())),
        ("/back", vec!["accept", "user-agent"])
    );
}

#[tokio::test]
async fn a_field_may_be_let_through_but_no_sensitive_value() {
    let site = from_to("http://a/", "http://b/");
    let layer = RedirectLayer::new().also(["X-Trace", "x-token"]).layer(site.strict());
    let mut sent = request("GET", "http://a/", &[("x-trace", "1"), ("x-token", "secret")], "");
    sent.headers_mut().get_mut("x-token").unwrap().set_sensitive(true);
    send(&layer, sent).await.unwrap();
    assert_eq!(names(site.seen()[1].headers()), ["x-trace"]);
}

#[tokio::test]
async fn a_name_that_is_none_fails_each_request_before_it_is_sent() {
    let site = by_status();
    let layer = RedirectLayer::new().also(["x trace"]).layer(site.strict());
    let error = send(&layer, get("http://a/")).await.unwrap_err();
    assert!(error.is_builder() && error.is_unsent() && site.lines().is_empty());
}

#[tokio::test]
async fn a_trusted_origin_receives_all_and_others_do_not() {
    let site = Site::new(|request| match request.uri().host().unwrap() {
        "a" => redirect(302, "http://trusted/"),
        "trusted" => redirect(302, "http://other/"),
        _ => ok(),
    });
    let layer = RedirectLayer::new().trust(origin("http://trusted")).layer(site.strict());
    send(&layer, request("GET", "http://a/", &SECRETS, "")).await.unwrap();
    let seen = site.seen();
    assert_eq!((seen[1].headers().len(), seen[2].headers().len()), (SECRETS.len(), 2));
}

#[tokio::test]
async fn host_is_the_new_one_unless_the_location_has_none() {
    for (to, expected) in [("/b", Some("virtual")), ("http://a/b", None), ("http://b/", None)] {
        let site = from_to("http://a/", to);
        send(&client(&site), request("GET", "http://a/", &[("host", "virtual")], ""))
            .await
            .unwrap();
        let seen = site.seen();
        let host = seen[1].headers().get("host").map(|host| host.to_str().unwrap());
        assert_eq!(host, expected, "{to}");
    }
}

#[tokio::test]
async fn who_we_are_is_dropped_with_secrets_and_other_settings_travel() {
    for (to, keeps) in [("/b", true), ("http://b/", false)] {
        let site = from_to("http://a/", to);
        let mut sent = get("http://a/");
        let extensions = sent.extensions_mut();
        extensions.insert(ServerName::new("name"));
        extensions.insert(ConnectProtocol::websocket());
        extensions.insert("*".parse::<RawTarget>().unwrap());
        extensions.insert(LocalAddress::new([127, 0, 0, 2]));
        send(&client(&site), sent).await.unwrap();
        let seen = site.seen();
        let next = seen[1].extensions();
        assert_eq!(next.get::<ServerName>().is_some(), keeps);
        assert_eq!(next.get::<ConnectProtocol>().is_some(), keeps);
        assert!(next.get::<LocalAddress>().is_some() && next.get::<RawTarget>().is_none());
    }
}

#[tokio::test]
async fn a_filter_keeps_redirects_from_the_inner_network() {
    let site = from_to("http://a/", "http://169.254.169.254/latest/");
    let layer = RedirectLayer::new().filter(|next| !next.origin().host().starts_with("169."));
    let error = send(&layer.layer(site.strict()), get("http://a/")).await.unwrap_err();
    assert!(error.is_redirect() && error.source().unwrap().to_string().contains("filter"));
    assert_eq!(site.lines(), ["GET http://a/"]);
    let lenient = layer.redirects(Redirects::default().lenient()).layer(site.strict());
    assert_eq!(send(&lenient, get("http://a/")).await.unwrap().status(), 307);
}

#[tokio::test]
async fn the_next_request_can_be_changed_and_what_was_added_is_the_callers() {
    let site = Site::new(|request| match request.uri().path() {
        "/1" => redirect(302, "/2"),
        "/2" => redirect(302, "http://b/3"),
        _ => ok(),
    });
    let layer = RedirectLayer::new().on_redirect(|request| {
        let path = request.uri().path().parse().unwrap();
        request.headers_mut().insert("x-signed", path);
    });
    send(&layer.layer(site.strict()), get("http://a/1")).await.unwrap();
    let seen = site.seen();
    assert_eq!(seen[1].headers()["x-signed"], "/2");
    assert_eq!(seen[2].headers()["x-signed"], "/3");
}

#[tokio::test]
async fn a_user_in_a_location_is_left_out() {
    let site = from_to("http://a/", "http://me:secret@b/");
    let response = send(&client(&site), get("http://a/")).await.unwrap();
    assert_eq!(site.lines()[1], "GET http://b/");
    assert!(!format!("{:?}", response.extensions().get::<FinalUrl>()).contains("secret"));
}

#[tokio::test]
async fn a_base_with_a_user_redirects_to_the_same_origin() {
    let site = from_to("http://me:secret@a/", "/b");
    send(&client(&site), request("GET", "http://me:secret@a/", &[("x-api-key", "1")], ""))
        .await
        .unwrap();
    let seen = site.seen();
    assert_eq!((seen[1].uri().to_string().as_str(), seen[1].headers().len()), ("http://a/b", 1));
}

#[tokio::test]
async fn the_error_of_a_later_hop_says_that_the_request_was_sent() {
    let site = Site::failing(|request| match request.uri().host() {
        Some("a") => Ok(redirect(302, "http://b/")),
        _ => Err(Error::custom(tower_transport::error::Kind::Connect, "connecting to b")),
    });
    let error = send(&client(&site), get("http://a/")).await.unwrap_err();
    assert!(error.was_sent() && error.is_connect(), "{error:?}");
    let error = send(&client(&site), get("http://b/")).await.unwrap_err();
    assert!(error.is_unsent());
}

#[tokio::test]
async fn no_text_of_a_redirect_repeats_a_secret() {
    let site = from_to("http://a/?sig=secret", "ftp://secret:secret@b/?secret");
    let sent = request("GET", "http://me:secret@a/?sig=secret", &[("authorization", "secret")], "");
    let sent = {
        let mut sent = sent;
        *sent.uri_mut() = "http://a/?sig=secret".parse().unwrap();
        sent
    };
    let error = send(&client(&site), sent).await.unwrap_err();
    let source = error.source().unwrap();
    let texts = format!("{error} {error:?} {source} {source:?} {:?}", error.url());
    assert!(error.is_redirect() && !texts.contains("secret"), "{texts}");
    let mut sent = request("GET", "http://a/?sig=secret", &SECRETS, "");
    sent.extensions_mut().insert(Redirects::none());
    let site = from_to("http://a/?sig=secret", "http://b/?sig=secret");
    let response = send(&client(&site), sent).await.unwrap();
    assert!(!format!("{:?}", response.extensions().get::<NextRequest>()).contains("secret"));
}

#[tokio::test]
async fn a_clone_is_not_ready_and_each_hop_waits_until_the_service_is() {
    let site = countdown();
    let client = client(&site);
    let clone = client.clone();
    let (one, other) =
        tokio::join!(send(&client, get("http://a/3")), send(&clone, get("http://a/5")),);
    assert_eq!((visited(&one.unwrap()).len(), visited(&other.unwrap()).len()), (3, 5));
}

#[tokio::test]
async fn a_request_dropped_at_any_poll_sends_nothing_more() {
    let service = || {
        let site = countdown();
        (client(&site), site)
    };
    at_every_poll(service, || get("http://a/2")).await;
}

#[tokio::test]
async fn it_is_a_service_of_requests_by_the_function() {
    let site = countdown();
    let response = client(&site).request("GET", "http://a/1").await.unwrap();
    assert_eq!((response.body().as_ref(), visited(&response).len()), (&b"ok"[..], 1));
}

fn _nameable(redirecting: tower_transport::client::Redirecting<Site>) -> impl Send {
    redirecting
}

#[tokio::test]
async fn no_url_of_the_way_has_a_password() {
    let site = from_to("http://a/", "/next");
    let layer = RedirectLayer::new()
        .on_redirect(|request| *request.uri_mut() = "http://me:secret@a/next".parse().unwrap())
        .layer(AuthLayer::new().layer(site.strict()));
    let response = send(&layer, get("http://me:secret@a/")).await.unwrap();
    let visited = response.extensions().get::<Visited>().unwrap();
    assert_eq!(visited.hops()[0].url(), "http://a/");
    assert_eq!(response.extensions().get::<FinalUrl>().unwrap().uri(), "http://a/next");
}
