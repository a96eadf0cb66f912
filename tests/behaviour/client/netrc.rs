//! Users and passwords of a `.netrc`, across origins and redirects.

use tower::Layer;
use tower_transport::{
    client::{Auth, AuthLayer, Netrc, Redirect, RedirectLayer, WithAuth},
    mock::StrictService,
};

use super::site::*;

const USER_A: &str = "Basic dXNlcjphLXBhc3M=";

type Client = Redirect<WithAuth<StrictService<Site>>>;

fn client(site: &Site, text: &str) -> Client {
    let layer = AuthLayer::new().netrc(Netrc::parse(text).unwrap());
    RedirectLayer::new().layer(layer.layer(site.strict()))
}

fn said(site: &Site) -> Vec<String> {
    let seen = site.seen();
    let shown = seen.iter().map(|request| {
        let said =
            request.headers().get("authorization").map_or("-", |value| value.to_str().unwrap());
        format!("{} {said}", request.uri())
    });
    shown.collect()
}

const TEXT: &str = "machine a.example login user password a-pass";

#[tokio::test]
async fn a_host_with_an_entry_receives_it_and_one_without_does_not() {
    let site = Site::new(|_| ok());
    let client = client(&site, TEXT);
    for url in ["https://a.example/", "https://b.example/", "http://a.example/"] {
        send(&client, get(url)).await.unwrap();
    }
    let expected =
        [&*format!("https://a.example/ {USER_A}"), "https://b.example/ -", "http://a.example/ -"];
    assert_eq!(said(&site), expected);
}

#[tokio::test]
async fn what_the_caller_says_goes_first() {
    let site = Site::new(|_| ok());
    let client = client(&site, TEXT);
    let own = request("GET", "https://a.example/", &[("authorization", "own")], "");
    send(&client, own).await.unwrap();
    let mut nothing = get("https://a.example/");
    nothing.extensions_mut().insert(Auth::none());
    send(&client, nothing).await.unwrap();
    assert_eq!(said(&site), ["https://a.example/ own", "https://a.example/ -"]);
}

#[tokio::test]
async fn the_user_of_a_url_has_the_password_of_its_own_entry() {
    let site = Site::new(|_| ok());
    let text = "machine a.example login user password a-pass\nmachine a.example login me password secret\n\
        default login me password other";
    let client = client(&site, text);
    for (url, said_there) in [
        ("https://me@a.example/", "Basic bWU6c2VjcmV0"),
        ("https://m%65@A.EXAMPLE:8443/", "Basic bWU6c2VjcmV0"),
        // Not of another user, and no other host's.
        ("https://you@a.example/", "Basic eW91Og=="),
        ("https://me@b.example/", "Basic bWU6b3RoZXI="),
        // What is said is used.
        ("https://me:own@a.example/", "Basic bWU6b3du"),
        ("https://me:@a.example/", "Basic bWU6"),
        ("http://me@a.example/", "Basic bWU6"),
        ("https://a.example/", USER_A),
    ] {
        send(&client, get(url)).await.unwrap();
        assert_eq!(site.seen()[0].headers()["authorization"], said_there, "{url}");
    }
    let lookup = AuthLayer::new().lookup(|_| Some(Auth::basic("me", "secret")));
    let client = lookup.layer(site.strict());
    send(&client, get("https://me@a.example/")).await.unwrap();
    assert_eq!(site.seen()[0].headers()["authorization"], "Basic bWU6");
}

#[tokio::test]
async fn the_user_of_a_url_keeps_its_password_on_the_same_origin_alone() {
    let site = Site::new(|request| match request.uri().to_string().as_str() {
        "https://a.example/1" => redirect(307, "/2"),
        "https://a.example/2" => redirect(307, "https://b.example/3"),
        "https://b.example/3" => redirect(307, "https://a.example/4"),
        _ => ok(),
    });
    let text = "machine a.example login me password secret\nmachine b.example login me password b";
    send(&client(&site, text), get("https://me@a.example/1")).await.unwrap();
    let expected = [
        "https://a.example/1 Basic bWU6c2VjcmV0",
        "https://a.example/2 Basic bWU6c2VjcmV0",
        // Its own entry, as for a request without a user.
        "https://b.example/3 Basic bWU6Yg==",
        "https://a.example/4 Basic bWU6c2VjcmV0",
    ];
    assert_eq!(said(&site), expected);
}

#[tokio::test]
async fn an_entry_that_basic_cannot_send_fails_the_requests_to_its_host() {
    let site = Site::new(|_| ok());
    let client = client(&site, &format!("machine b.example login us:er password secret\n{TEXT}"));
    let error = send(&client, get("https://b.example/")).await.unwrap_err();
    assert!(error.is_builder() && error.is_unsent(), "{error:?}");
    send(&client, get("https://a.example/")).await.unwrap();
    assert_eq!(said(&site), [format!("https://a.example/ {USER_A}")]);
}

/// curl CVE-2024-11053 and CVE-2025-0167, requests CVE-2024-47081.
#[tokio::test]
async fn no_password_of_one_host_is_sent_to_another() {
    let site = Site::new(|request| match request.uri().host() {
        Some("a.example") => redirect(302, "https://b.example/"),
        Some("b.example") => redirect(302, "https://evil.example/"),
        _ => ok(),
    });
    let text = format!("{TEXT}\nmachine b.example\nmachine evil.example login other\ndefault");
    send(&client(&site, &text), get("https://a.example/")).await.unwrap();
    let expected = [
        &*format!("https://a.example/ {USER_A}"),
        "https://b.example/ -",
        // Its own user, and no password.
        "https://evil.example/ Basic b3RoZXI6",
    ];
    assert_eq!(said(&site), expected);
}

#[tokio::test]
async fn a_host_is_what_the_request_goes_to_and_not_what_its_url_looks_like() {
    let site = Site::new(|_| ok());
    let client = client(&site, TEXT);
    // The first has a user "a.example", whose password is empty.
    for url in [
        "https://a.example:@evil.example/",
        "https://evil.example/?a.example",
        "https://a.example.evil.example/",
    ] {
        send(&client, get(url)).await.unwrap();
    }
    for said in said(&site) {
        assert!(!said.contains(USER_A), "{said}");
    }
}

#[tokio::test]
async fn after_a_way_over_another_host_it_is_said_again_to_its_own() {
    let site = Site::new(|request| match request.uri().to_string().as_str() {
        "https://a.example/1" => redirect(307, "https://b.example/2"),
        "https://b.example/2" => redirect(307, "https://a.example/3"),
        "https://a.example/3" => redirect(307, "http://a.example/4"),
        _ => ok(),
    });
    send(&client(&site, TEXT), get("https://a.example/1")).await.unwrap();
    let expected = [
        &*format!("https://a.example/1 {USER_A}"),
        "https://b.example/2 -",
        &*format!("https://a.example/3 {USER_A}"),
        "http://a.example/4 -",
    ];
    assert_eq!(said(&site), expected);
}

#[tokio::test]
async fn a_default_is_sent_to_every_host_that_has_no_entry() {
    let site = Site::new(|_| ok());
    let text = "machine a.example\ndefault login user password a-pass";
    let client = client(&site, text);
    for url in ["https://a.example/", "https://b.example/"] {
        send(&client, get(url)).await.unwrap();
    }
    assert_eq!(
        said(&site),
        ["https://a.example/ -".to_owned(), format!("https://b.example/ {USER_A}")]
    );
}

#[tokio::test]
async fn a_request_that_asks_for_no_credentials_has_none_on_any_hop() {
    let site = from_to("https://b.example/", "https://a.example/");
    for text in [TEXT, "default login user password any"] {
        let mut nothing = get("https://b.example/");
        nothing.extensions_mut().insert(Auth::none());
        send(&client(&site, text), nothing).await.unwrap();
        assert_eq!(said(&site), ["https://b.example/ -", "https://a.example/ -"], "{text}");
    }
}
