//! Each setting of a client's builder reaches the layer that it belongs to, and has its effect there.

use http::{HeaderMap, Uri};
use tower_transport::{
    client::{Auth, Client, ClientBuilder, Netrc},
    events::Step,
    mock::{Script, ScriptedConnector},
    target::Origin,
};

use super::site::*;
use crate::support::records::Records;

fn origin(url: &str) -> Origin {
    Origin::try_from(&url.parse::<Uri>().unwrap()).unwrap()
}

/// Sends a request by a client with these settings: what the site saw.
async fn seen(
    site: &Site,
    url: &str,
    set: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Vec<http::Request<bytes::Bytes>> {
    let client = set(Client::builder()).build_over(site.clone()).unwrap();
    client.get(url).header("x-secret", "1").await.unwrap();
    site.seen()
}

fn said<'a>(seen: &'a [http::Request<bytes::Bytes>], name: &str) -> Vec<Option<&'a str>> {
    seen.iter().map(|it| it.headers().get(name).map(|it| it.to_str().unwrap())).collect()
}

#[tokio::test]
async fn default_headers_are_for_requests_without_their_names() {
    let mut headers = HeaderMap::new();
    headers.append("x-many", "1".parse().unwrap());
    headers.append("x-many", "2".parse().unwrap());
    headers.append("x-secret", "of the client".parse().unwrap());
    let seen = seen(&Site::new(|_| ok()), "http://a/", |it| it.headers(headers)).await;
    let many: Vec<_> = seen[0].headers().get_all("x-many").iter().collect();
    assert_eq!(many, ["1", "2"]);
    assert_eq!(said(&seen, "x-secret"), [Some("1")]);
}

#[tokio::test]
async fn nothing_but_https_is_sent_nor_followed_where_nothing_else_is_allowed() {
    let site = from_to("https://a/", "http://a/");
    let client = Client::builder().https_only().build_over(site.clone()).unwrap();
    let error = client.get("http://a/").await.unwrap_err();
    assert!(error.is_builder() && error.is_unsent() && site.lines().is_empty(), "{error:?}");
    assert!(client.get("https://a/").await.unwrap_err().is_redirect());
    assert_eq!(site.lines(), ["GET https://a/"]);
    assert_eq!(client.get("https://a/fine").await.unwrap().status(), 200);
}

#[tokio::test]
async fn credentials_of_an_origin_are_sent_to_it_wherever_it_is_named() {
    let site = from_to("https://a/", "https://b/");
    let set = |it: ClientBuilder| it.auth_for(origin("https://b"), Auth::bearer("b"));
    let seen = seen(&site, "https://a/", set).await;
    assert_eq!(said(&seen, "authorization"), [None, Some("Bearer b")]);
}

#[tokio::test]
async fn the_netrc_of_a_client_is_for_origins_without_other_credentials() {
    let netrc = || Netrc::parse("machine a login user password pass machine b login u").unwrap();
    let site = from_to("https://a/", "https://b/");
    let both =
        |it: ClientBuilder| it.auth_for(origin("https://b"), Auth::bearer("b")).netrc(netrc());
    let (alone, other) = (seen(&site, "https://a/", |it| it.netrc(netrc())).await, both);
    assert_eq!(said(&alone, "authorization"), [Some("Basic dXNlcjpwYXNz"), Some("Basic dTo=")]);
    let both = seen(&site, "https://a/", other).await;
    assert_eq!(said(&both, "authorization"), [Some("Basic dXNlcjpwYXNz"), Some("Bearer b")]);
}

#[tokio::test]
async fn secret_headers_follow_to_a_trusted_origin_alone() {
    let site = from_to("http://a/", "http://b/");
    let plain = seen(&site, "http://a/", |it| it).await;
    assert_eq!(said(&plain, "x-secret"), [Some("1"), None]);
    let trusting = seen(&site, "http://a/", |it| it.trust(origin("http://b"))).await;
    assert_eq!(said(&trusting, "x-secret"), [Some("1"), Some("1")]);
}

#[tokio::test]
async fn a_filter_sees_the_next_request_as_it_will_be_sent_and_may_refuse_it() {
    let site = Site::new(|request| match request.uri().path() {
        "/inside" => redirect(302, "/next"),
        "/outside" => redirect(302, "http://b/next"),
        _ => ok(),
    });
    let keeps =
        |next: &tower_transport::client::NextRequest| next.headers().contains_key("x-secret");
    let client = Client::builder().redirect_filter(keeps).build_over(site.clone()).unwrap();
    let get = |path: &str| client.get(format!("http://a/{path}")).header("x-secret", "1");
    assert_eq!(get("inside").await.unwrap().status(), 200);
    assert!(get("outside").await.unwrap_err().is_redirect());
    assert_eq!(site.lines(), ["GET http://a/inside", "GET http://a/next", "GET http://a/outside"]);
}

#[tokio::test]
async fn the_next_request_of_a_redirect_can_be_changed_and_the_first_is_as_it_was() {
    let set = |it: ClientBuilder| {
        it.on_redirect(|next| {
            next.headers_mut().insert("x-hop", "2".parse().unwrap());
        })
    };
    let seen = seen(&from_to("http://a/", "/next"), "http://a/", set).await;
    assert_eq!(said(&seen, "x-hop"), [None, Some("2")]);
}

#[tokio::test]
async fn a_listener_is_told_of_the_requests_of_the_client() {
    let records = Records::default();
    let script = Script::new().expect_head().respond("HTTP/1.1 204 No Content\r\n\r\n");
    let client = Client::builder()
        .listener(records.clone())
        .configure_transport(|it| it.connector(ScriptedConnector::new([script])))
        .build()
        .unwrap();
    assert_eq!(client.get("http://a/").await.unwrap().status(), 204);
    records.all_ended().await;
    let Step::Request { method, url, .. } = records.end("request").step else {
        panic!("it is no request");
    };
    assert_eq!((method.as_str(), url.as_str()), ("GET", "http://a/"));
}
