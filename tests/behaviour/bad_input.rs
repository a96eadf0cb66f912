//! What cannot be sent is said to be wrong before a byte of it is written.

use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Request, Uri};
use tower::ServiceExt;
use tower_transport::{Body, Error, RequestExt, options::RawTarget};

use crate::support::{
    scene::{Scene, predicates},
    scripted::first,
};

/// Whether this was refused as a mistake of the caller's, and nobody was connected to.
async fn is_refused(scene: &Scene, result: Result<impl std::fmt::Debug, Error>) {
    let error = result.unwrap_err();
    assert_eq!(predicates(&error), "builder", "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
    assert_eq!(scene.origin.heads(), Vec::<String>::new());
}

fn nobody() -> Scene {
    Scene::memory(Box::new(|_| vec![]))
}

#[tokio::test]
async fn a_url_that_is_none_is_refused() {
    let scene = nobody();
    for url in [
        "",
        "origin.example",
        "/path",
        "://origin.example/",
        "http://",
        "http:///path",
        "http://:80/",
        "ftp://origin.example/",
        "http//origin.example/",
        "http://origin.example:0/",
        "http://origin.example:65536/",
        "http://origin.example:99999999999/",
        "http://origin.example:-1/",
        "http://origin.example:80a/",
        "http://me:secret@origin.example/",
        "http://secret@origin.example/",
        "http://[::1/",
        "http://[origin.example]/",
        "http://origin.example/ ",
        " http://origin.example/",
        "http://origin example/",
        "http://origin.example/\r\nHost: evil.example",
        "http://origin.example\r\n/",
        "http://origin.example/\n",
        "http://origin.example/\0",
        "http://origin\0.example/",
        "http://origin.example/\u{7f}",
        "http://origin.example/\u{85}",
        "http://origin.example\\evil/",
        "http://origin,example/",
        "http://origin.example;evil/",
    ] {
        is_refused(&scene, scene.transport.request("GET", url).await).await;
        is_refused(&scene, scene.transport.stream("GET", url).await).await;
    }
    assert_eq!(scene.origin.accepted(), 0);
}

#[tokio::test]
async fn a_url_is_sent_as_browsers_have_it_however_it_comes() {
    let table = [
        ("", "/"),
        ("#fragment", "/"),
        ("?query#fragment", "/?query"),
        (":/path", "/path"),
        (":#fragment", "/"),
        ("/a b?c d", "/a%20b?c%20d"),
        ("/?q=\"<>", "/?q=%22%3C%3E"),
        ("/^`{}", "/%5E%60%7B%7D"),
        ("/é?é", "/%C3%A9?%C3%A9"),
    ];
    for (rest, path) in table {
        let scene = Scene::memory(first([crate::support::scripted::Step::Serve]));
        let url = format!("http://origin.example{rest}");
        scene.transport.request("GET", &url).await.unwrap();
        scene.transport.request("GET", url.clone()).await.unwrap();
        // What a `Uri` cannot hold, it cannot bring.
        if let Ok(uri) = url.parse::<Uri>() {
            scene.transport.request("GET", &uri).await.unwrap();
            let request = Request::get(uri).body(Body::empty()).unwrap();
            scene.transport.clone().oneshot(request).await.unwrap();
        }
        for head in scene.origin.heads() {
            let expected = format!("GET {path} HTTP/1.1\r\nhost: origin.example\r\n");
            assert!(head.starts_with(&expected), "{url}: {head}");
        }
        assert_eq!(scene.origin.accepted(), 1, "an empty port is the default one: {url}");
    }
}

#[cfg(not(feature = "idna"))]
#[tokio::test]
async fn a_host_that_is_not_ascii_needs_the_feature_idna() {
    let scene = nobody();
    let error = scene.transport.request("GET", "http://bücher.example/").await.unwrap_err();
    assert!(error.to_string().contains("idna"), "{error}");
    is_refused(&scene, Err::<(), _>(error)).await;
}

#[cfg(feature = "idna")]
#[tokio::test]
async fn a_host_that_is_not_ascii_is_sent_as_idna_has_it() {
    let scene = Scene::memory(first([crate::support::scripted::Step::Serve]));
    scene.transport.request("GET", "http://bücher.example/").await.unwrap();
    let head = scene.origin.heads().remove(0);
    assert!(head.to_lowercase().contains("host: xn--bcher-kva.example\r\n"), "{head}");
}

#[tokio::test]
async fn a_uri_without_an_origin_is_refused_from_a_stack_too() {
    let scene = nobody();
    for uri in ["/path", "*", "origin.example:80", "ftp://origin.example/"] {
        let request = Request::get(uri.parse::<Uri>().unwrap()).body(Body::empty()).unwrap();
        is_refused(&scene, scene.transport.clone().oneshot(request).await).await;
    }
    assert_eq!(scene.origin.accepted(), 0);
}

#[tokio::test]
async fn a_method_that_is_none_is_refused() {
    let scene = nobody();
    let url = scene.url("/");
    for method in ["", "GET /", "GE T", "GET\r\nX: y", "G\0T", "GÉT", "GET\t"] {
        is_refused(&scene, scene.transport.request(method, &url).await).await;
    }
    assert_eq!(scene.origin.accepted(), 0);
}

#[tokio::test]
async fn a_header_that_is_none_is_refused() {
    let scene = nobody();
    for (name, value) in [
        ("", "y"),
        ("two words", "y"),
        ("x:", "y"),
        ("x\r\n", "y"),
        ("x\0", "y"),
        ("é", "y"),
        ("x", "secret\r\nX-Injected: y"),
        ("x", "secret\n"),
        ("x", "secret\r"),
        ("x", "secret\0"),
        ("x", "secret\u{7f}"),
    ] {
        let request = scene.transport.request("GET", scene.url("/"));
        is_refused(&scene, request.header(name, value).await).await;
    }
    assert_eq!(scene.origin.accepted(), 0);
}

#[tokio::test]
async fn the_first_of_several_mistakes_is_reported() {
    let scene = nobody();
    let request = scene.transport.request("GET", "nonsense").header("two words", "y");
    let error = request.await.unwrap_err();
    assert!(error.to_string().contains("no scheme"), "{error}");
}

#[test]
fn a_raw_target_that_would_end_the_line_is_none() {
    for target in ["", "/a b", "/a\r\nX: y", "/\0", "/\n", "ü"] {
        assert_eq!(predicates(&target.parse::<RawTarget>().unwrap_err()), "builder", "{target:?}");
    }
}

/// What a POST with these fields and this body comes to.
async fn post(fields: &[(&'static str, &'static str)], body: Body) -> (Scene, Result<(), Error>) {
    let scene = Scene::memory(first([crate::support::scripted::Step::Serve]));
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_static(value));
    }
    let request = scene.transport.request("POST", scene.url("/")).headers(headers).body(body);
    let sent = request.await.map(drop);
    (scene, sent)
}

fn chunks<const N: usize>(chunks: [&'static str; N]) -> Body {
    Body::stream(stream::iter(chunks).map(Ok::<_, std::io::Error>))
}

#[tokio::test]
async fn a_length_that_the_body_is_known_not_to_have_is_refused() {
    for fields in [
        &[("content-length", "4")][..],
        &[("content-length", "6")],
        &[("content-length", "five")],
        &[("content-length", "+5")],
        &[("content-length", "-5")],
        &[("content-length", "5, 5")],
        &[("content-length", "")],
        &[("content-length", "99999999999999999999999")],
        &[("content-length", "5"), ("content-length", "6")],
        &[("content-length", "5"), ("content-length", "5")],
        &[("content-length", "5"), ("transfer-encoding", "chunked")],
    ] {
        let (scene, sent) = post(fields, "hello".into()).await;
        is_refused(&scene, sent).await;
        scene.assert_usable().await;
    }
}

#[tokio::test]
async fn a_stream_that_has_another_length_than_it_said_fails() {
    for body in [chunks(["he", "l"]), chunks(["hello", "!"]), chunks(["hello!"]), chunks([])] {
        let (scene, sent) = post(&[("content-length", "5")], body).await;
        let error = sent.unwrap_err();
        assert_eq!(scene.predicates(&error).replace(", sent", ""), "body", "{error:?}");
        scene.assert_usable().await;
    }
}

#[tokio::test]
async fn a_stream_that_should_be_empty_and_is_not_fails() {
    let later = stream::once(tokio::task::yield_now()).map(|()| Ok::<_, std::io::Error>("hello"));
    for body in [chunks(["hello"]), chunks(["", "hello"]), Body::stream(later)] {
        let (scene, sent) = post(&[("content-length", "0")], body).await;
        let error = sent.unwrap_err();
        assert_eq!(scene.predicates(&error).replace(", sent", ""), "body", "{error:?}");
        assert!(format!("{error:?}").contains("longer than declared"), "{error:?}");
        scene.assert_usable().await;
    }
    for body in [chunks([]), chunks(["", ""]), Body::empty()] {
        let (scene, sent) = post(&[("content-length", "0")], body).await;
        sent.unwrap();
        let heads = scene.origin.heads();
        assert!(heads[0].contains("content-length: 0\r\n"), "{heads:?}");
        scene.assert_usable().await;
        assert_eq!(scene.origin.accepted(), 1);
    }
    let (_scene, sent) = post(
        &[("content-length", "0")],
        Body::stream(stream::pending::<Result<&str, std::io::Error>>()),
    )
    .await;
    sent.unwrap();
}

#[tokio::test]
async fn a_body_that_fails_midway_fails_the_request() {
    for before in [0, 1, 100] {
        let failing = stream::repeat_with(|| Ok("hello"))
            .take(before)
            .chain(stream::iter([Err(std::io::Error::other("the disk is gone"))]));
        let (scene, sent) = post(&[], Body::stream(failing)).await;
        let error = sent.unwrap_err();
        assert!(error.is_body(), "{error:?}");
        let mut cause: &dyn std::error::Error = &error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        assert_eq!(cause.to_string(), "the disk is gone");
        scene.assert_usable().await;
    }
}

#[tokio::test]
async fn a_mistake_costs_no_connection() {
    let scene = Scene::memory(first([crate::support::scripted::Step::Serve]));
    scene.get().await.unwrap();
    let request = scene.transport.request("POST", scene.url("/")).header("content-length", "4");
    assert_eq!(predicates(&request.body("hello").await.unwrap_err()), "builder");
    scene.assert_usable().await;
    assert_eq!(scene.origin.accepted(), 1);
}

/// Fields with which no server may accept a request (RFC 9112 §3.2, §6.1).
const UNACCEPTABLE: [&[(&str, &str)]; 15] = [
    &[("host", "a.example"), ("host", "b.example")],
    &[("host", "a.example"), ("host", "a.example")],
    &[("host", "")],
    &[("host", "two words")],
    &[("host", "a.example/path")],
    &[("host", "http://a.example")],
    &[("host", "me:secret@a.example")],
    &[("host", "a.example, b.example")],
    &[("host", "a.example:port")],
    &[("host", "[::1")],
    &[("transfer-encoding", "chunked, gzip")],
    &[("transfer-encoding", "chunked"), ("transfer-encoding", "gzip")],
    &[("transfer-encoding", "chunked, chunked")],
    &[("transfer-encoding", "identity")],
    &[("transfer-encoding", "")],
];

#[tokio::test]
async fn what_no_server_may_accept_is_refused() {
    for fields in UNACCEPTABLE {
        for body in [Body::empty(), "hello".into()] {
            let (scene, sent) = post(fields, body).await;
            is_refused(&scene, sent).await;
            scene.assert_usable().await;
        }
    }
}

#[tokio::test]
async fn a_proxy_that_forwards_is_not_given_it_either() {
    use crate::support::forwarding::{PROXY, proxy, scripted};
    let (client, origin) = scripted(&proxy(PROXY), first([crate::support::scripted::Step::Serve]));
    for fields in UNACCEPTABLE {
        let mut request = client.request("POST", "http://a.example/").body("hello");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        assert!(request.await.unwrap_err().is_builder(), "{fields:?}");
    }
    assert!(origin.heads().is_empty());
}

/// The same where only frames of the connection itself may have been written.
#[cfg(feature = "http2")]
async fn is_refused_on_http2(scene: &Scene, result: Result<impl std::fmt::Debug, Error>) {
    let error = result.unwrap_err();
    assert_eq!(predicates(&error), "builder", "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
    let frames = scene.origin.heads();
    assert!(frames.iter().all(|frame| frame.ends_with("on 0")), "{frames:?}");
    scene.assert_usable().await;
}

#[cfg(feature = "http2")]
#[tokio::test]
async fn http2_is_as_strict() {
    for fields in UNACCEPTABLE {
        let scene = Scene::http2_in_memory(vec![]);
        let mut request = scene.transport.request("POST", scene.url("/")).body("hello");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        is_refused_on_http2(&scene, request.await).await;
    }
}

/// Fields of so many names.
fn names(count: usize) -> HeaderMap {
    let name = |n: usize| format!("x-{n}").parse::<http::HeaderName>().unwrap();
    (0..count).map(|n| (name(n), HeaderValue::from_static("1"))).collect()
}

#[tokio::test]
async fn names_beyond_number_are_refused_and_no_panic() {
    let scene = Scene::memory(first([crate::support::scripted::Step::Serve]));
    let mut request = scene.transport.request("GET", scene.url("/"));
    for (name, value) in names(7000) {
        request = request.header(name.unwrap(), value);
    }
    is_refused(&scene, request.await).await;
    for count in [7000, 24_576] {
        let request = scene.transport.request("GET", scene.url("/"));
        is_refused(&scene, request.headers(names(count)).await).await;
        let mut request = Request::get(scene.url("/")).body(Body::empty()).unwrap();
        *request.headers_mut() = names(count);
        is_refused(&scene, scene.transport.clone().oneshot(request).await).await;
    }
}

#[cfg(feature = "http2")]
#[tokio::test]
async fn http2_refuses_names_beyond_number_too() {
    let scene = Scene::http2_in_memory(vec![]);
    let mut request = Request::post(scene.url("/")).body(Body::from("hello")).unwrap();
    *request.headers_mut() = names(24_576);
    is_refused_on_http2(&scene, scene.transport.clone().oneshot(request).await).await;
}
