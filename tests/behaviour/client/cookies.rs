//! Cookies below redirects and authentication: whose they are, on each hop.

use std::time::Duration;

use http::{Uri, header::COOKIE};
use hyper_util::rt::TokioExecutor;
use tower::Layer;
use tower_transport::{
    RequestExt, Transport,
    client::{
        Auth, AuthLayer, Cookie, CookieOverride, Cookies, CookiesLayer, Jar, Redirect,
        RedirectLayer,
    },
    mock::{PausedClock, Script, ScriptedConnector, StrictService},
};

use super::site::*;

type Client = Redirect<Cookies<StrictService<Site>>>;

fn client(jar: &Jar, site: &Site) -> Client {
    RedirectLayer::new().layer(CookiesLayer::new(jar.clone()).layer(site.strict()))
}

fn header(jar: &Jar, url: &str) -> Option<String> {
    let value = jar.header_for(&url.parse().unwrap());
    value.map(|value| value.to_str().unwrap().to_owned())
}

/// The URL of each request so far, and its cookies.
fn sent(site: &Site) -> Vec<String> {
    let seen = site.seen();
    let shown = seen.iter().map(|request| {
        let cookies = request.headers().get(COOKIE).map_or("-", |value| value.to_str().unwrap());
        format!("{} {cookies}", request.uri())
    });
    shown.collect()
}

/// Sends each path of `http://a.example` to the location and with the cookies of its row.
fn site(rows: &'static [(&'static str, &'static str, &'static [&'static str])]) -> Site {
    Site::new(|request| {
        let row = rows.iter().find(|(url, ..)| request.uri() == *url);
        let Some((_, location, cookies)) = row else { return ok() };
        let mut fields: Vec<_> = cookies.iter().map(|cookie| ("set-cookie", *cookie)).collect();
        fields.push(("location", location));
        answer(if location.is_empty() { 200 } else { 302 }, &fields, "")
    })
}

#[tokio::test]
async fn a_cookie_of_one_hop_goes_with_the_next() {
    let site = site(&[("http://a.example/login", "/home", &["session=1; path=/"])]);
    let jar = Jar::new();
    send(&client(&jar, &site), get("http://a.example/login")).await.unwrap();
    assert_eq!(sent(&site), ["http://a.example/login -", "http://a.example/home session=1"]);
}

#[tokio::test]
async fn a_cookie_that_ends_on_a_hop_is_not_sent_to_the_next() {
    let site = site(&[
        ("http://a.example/login", "", &["session=1; path=/"]),
        (
            "http://a.example/logout",
            "/home",
            &[
                "session=gone; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT; httponly; samesite=lax",
            ],
        ),
    ]);
    let (jar, lines) = (Jar::new(), |site: &Site| sent(site).join(", "));
    let client = client(&jar, &site);
    send(&client, get("http://a.example/login")).await.unwrap();
    send(&client, get("http://a.example/home")).await.unwrap();
    assert_eq!(lines(&site), "http://a.example/login -, http://a.example/home session=1");
    send(&client, get("http://a.example/logout")).await.unwrap();
    assert_eq!(lines(&site), "http://a.example/logout session=1, http://a.example/home -");
    assert!(jar.is_empty());
}

#[tokio::test]
async fn from_a_to_b_and_back_each_has_its_own_cookies() {
    let site = site(&[
        ("https://a.example/1", "https://b.example/2", &["a=1", "for=b; domain=b.example"]),
        ("https://b.example/2", "https://a.example/3", &["b=2", "a=evil; domain=a.example"]),
    ]);
    let jar = Jar::new();
    let mut request = get("https://a.example/1");
    request.headers_mut().insert(COOKIE, "own=0".parse().unwrap());
    send(&client(&jar, &site), request).await.unwrap();
    // What the caller wrote for A is dropped on the way to B, and stays dropped. The jar's cookies are A's again.
    let expected =
        ["https://a.example/1 own=0", "https://b.example/2 -", "https://a.example/3 a=1"];
    assert_eq!(sent(&site), expected);
    assert_eq!(header(&jar, "https://b.example/").as_deref(), Some("b=2"));
}

#[tokio::test]
async fn a_secure_cookie_is_not_sent_after_a_redirect_to_http() {
    let site = site(&[("https://a.example/1", "http://a.example/2", &["s=1; secure", "p=2"])]);
    send(&client(&Jar::new(), &site), get("https://a.example/1")).await.unwrap();
    assert_eq!(sent(&site), ["https://a.example/1 -", "http://a.example/2 p=2"]);
}

#[tokio::test]
async fn a_redirect_between_sites_of_one_suffix_carries_no_cookies_over() {
    for (domain, other) in
        [("co.uk", "b.co.uk"), ("CO.UK", "b.co.uk"), ("github.io", "b.github.io")]
    {
        let (from, to) =
            (format!("https://{}/", other.replace('b', "a")), format!("https://{other}/"));
        let (location, cookie) = (to.clone(), format!("x=1; domain={domain}"));
        let site = Site::new(move |request| match request.uri().host() == Some(other) {
            true => ok(),
            false => answer(302, &[("location", &location), ("set-cookie", &cookie)], ""),
        });
        send(&client(&Jar::new(), &site), get(&from)).await.unwrap();
        assert_eq!(sent(&site), [format!("{from} -"), format!("{to} -")], "{domain}");
    }
}

#[tokio::test]
async fn a_cookie_of_a_401_goes_with_the_answer_to_it() {
    let site = Site::new(|request| match request.headers().contains_key("authorization") {
        true => ok(),
        false => {
            let fields = [
                ("www-authenticate", "Digest realm=\"r\", nonce=\"n\", qop=\"auth\""),
                ("set-cookie", "a=1"),
            ];
            answer(401, &fields, "")
        }
    });
    let client = AuthLayer::new().layer(CookiesLayer::default().layer(site.strict()));
    let mut request = get("http://a.example/");
    request.extensions_mut().insert(Auth::digest("user", "password"));
    let response = send(&client, request).await.unwrap();
    assert_eq!(response.status().as_u16(), if cfg!(feature = "digest") { 200 } else { 401 });
    let expected: &[_] = if cfg!(feature = "digest") {
        &["http://a.example/ -", "http://a.example/ a=1"]
    } else {
        &["http://a.example/ -"]
    };
    assert_eq!(sent(&site), expected);
}

#[tokio::test]
async fn a_request_without_cookies_has_none_on_any_hop() {
    let site = site(&[("http://a.example/1", "/2", &["a=1"])]);
    let jar = Jar::new();
    let mut request = get("http://a.example/1");
    request.extensions_mut().insert(CookieOverride::none());
    send(&client(&jar, &site), request).await.unwrap();
    assert_eq!(sent(&site), ["http://a.example/1 -", "http://a.example/2 -"]);
    assert!(jar.is_empty());
}

#[tokio::test]
async fn a_dropped_request_stores_nothing_and_the_jar_goes_on() {
    let make = || {
        let site = site(&[("http://a.example/", "", &["a=1"])]);
        (CookiesLayer::default().layer(site.strict()), site)
    };
    at_every_poll(make, || get("http://a.example/")).await;
}

#[tokio::test]
async fn cookies_go_over_a_transport_with_what_the_caller_adds() {
    let script = Script::new()
        .expect("GET /a HTTP/1.1\r\nhost: a.example\r\n\r\n")
        .respond(
            "HTTP/1.1 200 OK\r\nset-cookie: x=1\r\nset-cookie: y=2\r\ncontent-length: 0\r\n\r\n",
        )
        .expect("GET /b HTTP/1.1\r\nhost: a.example\r\ncookie: own=0; x=1; y=2\r\n\r\n")
        .respond("HTTP/1.1 204 No Content\r\n\r\n");
    let transport =
        Transport::builder().connector(ScriptedConnector::new([script])).build().unwrap();
    let client = CookiesLayer::default().layer(transport);
    client.request("GET", "http://a.example/a").await.unwrap();
    let last = client.request("GET", "http://a.example/b").header("cookie", "own=0").await.unwrap();
    assert_eq!(last.status(), 204);
}

#[tokio::test]
async fn no_text_of_a_request_shows_a_cookie() {
    let site = Site::new(|request| {
        assert!(request.headers().contains_key(COOKIE));
        assert!(!format!("{request:?}").contains("hunter2"), "{request:?}");
        answer(200, &[("set-cookie", "b=2")], "")
    });
    let jar = Jar::new();
    jar.insert(Cookie::new("a.example", "a", "hunter2").unwrap()).unwrap();
    let client = client(&jar, &site);
    send(&client, get("http://a.example/")).await.unwrap();
    assert!(!format!("{jar:?} {:?}", jar.iter()).contains("hunter2"));
}

#[test]
fn threads_share_a_jar() {
    let jar = Jar::new();
    let url: Uri = "http://a.example/".parse().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (jar, url) = (jar.clone(), &url);
            scope.spawn(move || {
                for n in 0..100 {
                    jar.set("http://a.example/", format!("t{thread}-{}", n % 10), "1").unwrap();
                    assert!(jar.header_for(url).is_some());
                }
            });
        }
    });
    assert_eq!(jar.len(), 40);
}

#[tokio::test]
async fn the_jar_of_a_client_goes_by_the_clock_of_the_client() {
    let clock = PausedClock::new(TokioExecutor::new());
    let site = Site::new(|_| answer(200, &[("set-cookie", "a=1; max-age=10")], ""));
    let client = tower_transport::client::Client::builder().runtime(clock.runtime());
    let client = client.build_over(site.strict()).unwrap();
    client.get("http://a.example/").await.unwrap();
    let jar = client.cookies().unwrap();
    assert_eq!(header(jar, "http://a.example/").as_deref(), Some("a=1"));
    clock.advance(Duration::from_secs(11));
    assert_eq!(header(jar, "http://a.example/"), None);
}
