//! The layer, over services that answer at once.

use std::{convert::Infallible, sync::Mutex};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use tower::{ServiceExt, service_fn};

use super::*;
use crate::Body;

type Seen = Arc<Mutex<Vec<Option<String>>>>;

/// Answers with this status and these cookies, and records what was sent.
fn server(
    seen: &Seen,
    status: u16,
    cookies: &'static [&'static str],
) -> impl Service<Request<Body>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
+ Clone {
    let seen = seen.clone();
    service_fn(move |request: Request<Body>| {
        let fields: Vec<_> = request.headers().get_all(COOKIE).iter().collect();
        let text = |field: &HeaderValue| String::from_utf8_lossy(field.as_bytes()).into_owned();
        assert!(fields.len() < 2 && fields.iter().all(|field| field.is_sensitive()));
        seen.lock().unwrap().push(fields.first().map(|field| text(field)));
        let mut response = Response::new(Full::from("body"));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for cookie in cookies {
            response.headers_mut().append(SET_COOKIE, HeaderValue::from_static(cookie));
        }
        std::future::ready(Ok(response))
    })
}

fn get(url: &str) -> Request<Body> {
    Request::get(url).body(Body::empty()).unwrap()
}

fn last(seen: &Seen) -> Option<String> {
    seen.lock().unwrap().last().cloned().flatten()
}

#[tokio::test]
async fn cookies_of_a_response_go_with_the_next_request_whatever_its_status() {
    for status in [200, 204, 302, 401, 404, 407, 503] {
        let (seen, jar) = (Seen::default(), Jar::new());
        let service = server(&seen, status, &["a=1; path=/", "b=2; path=/x", "c=3; domain=com"]);
        let service = CookiesLayer::new(jar.clone()).layer(service);
        service.clone().oneshot(get("https://example.com/")).await.unwrap();
        assert_eq!(last(&seen), None);
        service.clone().oneshot(get("https://example.com/x")).await.unwrap();
        assert_eq!(last(&seen).as_deref(), Some("b=2; a=1"));
        service.oneshot(get("https://other.example/x")).await.unwrap();
        assert_eq!(last(&seen), None);
    }
}

#[tokio::test]
async fn the_callers_own_cookies_come_first_and_replace_those_of_their_name() {
    let table: [(&[&'static str], &str); 7] = [
        (&["own=0"], "own=0; a=1; b=2"),
        (&["a=0"], "a=0; b=2"),
        (&["own=0; b=0;"], "own=0; b=0;; a=1"),
        (&["x=1", "y=2"], "x=1; y=2; a=1; b=2"),
        (&[""], "a=1; b=2"),
        (&["ab=1"], "ab=1; a=1; b=2"),
        (&["a"], "a; a=1; b=2"),
    ];
    for (own, expected) in table {
        let (seen, jar) = (Seen::default(), Jar::new());
        jar.set("https://example.com/", "a", "1").unwrap();
        jar.set("https://example.com/", "b", "2").unwrap();
        let service = CookiesLayer::new(jar).layer(server(&seen, 200, &[]));
        let mut request = get("https://example.com/");
        for own in own {
            request.headers_mut().append(COOKIE, HeaderValue::from_static(own));
        }
        service.oneshot(request).await.unwrap();
        assert_eq!(
            last(&seen).as_deref().map(|sent| sent.replace(";;", ";")),
            Some(expected.replace(";;", ";"))
        );
    }
}

#[tokio::test]
async fn a_host_field_of_ones_own_says_whose_cookies_are_meant() {
    let (seen, jar) = (Seen::default(), Jar::new());
    jar.set("http://example.com/", "a", "1").unwrap();
    jar.set("http://127.0.0.1/", "b", "2").unwrap();
    let service = CookiesLayer::new(jar.clone()).layer(server(&seen, 200, &["c=3"]));
    let mut request = get("http://127.0.0.1:8080/");
    request.headers_mut().insert(HOST, HeaderValue::from_static("example.com:80"));
    service.clone().oneshot(request).await.unwrap();
    assert_eq!(last(&seen).as_deref(), Some("a=1"));
    assert_eq!(jar.get("http://example.com/", "c").unwrap().value(), "3");
    let mut request = get("http://127.0.0.1:8080/");
    request.headers_mut().insert(HOST, HeaderValue::from_static("no host"));
    service.oneshot(request).await.unwrap();
    assert_eq!(last(&seen), None, "one that is no host has none");
}

#[tokio::test]
async fn one_request_may_have_another_jar_or_none() {
    let (seen, jar, other) = (Seen::default(), Jar::new(), Jar::new());
    jar.set("https://example.com/", "a", "1").unwrap();
    let service = CookiesLayer::new(jar.clone()).layer(server(&seen, 200, &["b=2"]));
    let mut request = get("https://example.com/");
    request.extensions_mut().insert(CookieOverride::none());
    service.clone().oneshot(request).await.unwrap();
    assert_eq!((last(&seen), jar.len()), (None, 1));
    for expected in [None, Some("b=2")] {
        let mut request = get("https://example.com/");
        request.extensions_mut().insert(CookieOverride::jar(other.clone()));
        service.clone().oneshot(request).await.unwrap();
        assert_eq!(last(&seen).as_deref(), expected);
    }
    assert_eq!((jar.len(), other.len()), (1, 1));
}

#[tokio::test]
async fn a_store_of_ones_own_is_asked_with_the_url() {
    #[derive(Default)]
    struct Log(Mutex<Vec<String>>);

    impl CookieStore for Log {
        fn store(&self, url: &Uri, fields: &mut dyn Iterator<Item = &HeaderValue>) {
            self.0.lock().unwrap().push(format!("store {url} {}", fields.count()));
        }

        fn header_for(&self, url: &Uri) -> Option<HeaderValue> {
            self.0.lock().unwrap().push(format!("header {url}"));
            let mut value = HeaderValue::from_static("own=1");
            value.set_sensitive(true);
            Some(value)
        }
    }

    let (seen, log) = (Seen::default(), Arc::new(Log::default()));
    let service = CookiesLayer::new(log.clone()).layer(server(&seen, 200, &["a=1", "b=2"]));
    service.oneshot(get("https://example.com/x?y")).await.unwrap();
    assert_eq!(last(&seen).as_deref(), Some("own=1"));
    let expected = ["header https://example.com/x?y", "store https://example.com/x?y 2"];
    assert_eq!(*log.0.lock().unwrap(), expected);
}

#[tokio::test]
async fn an_error_of_the_service_below_is_the_error() {
    let service = service_fn(|_: Request<Body>| async { Err::<Response<()>, _>("broken") });
    let service = CookiesLayer::default().layer(service);
    assert_eq!(service.oneshot(get("https://example.com/")).await.unwrap_err(), "broken");
}

#[test]
fn no_text_of_the_layer_shows_a_cookie() {
    let jar = Jar::new();
    jar.set("https://example.com/", "session", "hunter2").unwrap();
    let layer = CookiesLayer::new(jar.clone());
    let seen = Seen::default();
    let mut service = layer.layer(server(&seen, 200, &["b=hunter2"]));
    let future = service.call(get("https://example.com/"));
    let choice = CookieOverride::jar(jar);
    let service = layer.layer(());
    for text in
        [format!("{layer:?}"), format!("{future:?}"), format!("{choice:?}"), format!("{service:?}")]
    {
        assert!(!text.contains("hunter2"), "{text}");
    }
}
