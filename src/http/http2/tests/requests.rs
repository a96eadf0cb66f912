use bytes::Bytes;
use http::{HeaderMap, Method, Request, Version};
use http_body_util::{BodyExt, Full, StreamBody};
use tower_service::Service;

use super::peer::{Received, get, pair, post, served};
use crate::{Body, connection::Progress, options::RawTarget};

async fn received(request: Request<Body>) -> Received {
    let (mut connection, mut received) = served().await;
    connection.call(request).await.unwrap();
    received.recv().await.unwrap()
}

fn field<'a>(received: &'a Received, name: &str) -> Option<&'a str> {
    received.head.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn host_becomes_the_authority() {
    let mut request = get();
    request.headers_mut().insert("host", "other.example:8443".parse().unwrap());
    let received = received(request).await;
    assert_eq!(received.head.uri(), "https://other.example:8443/");
    assert_eq!(field(&received, "host"), None);
}

#[tokio::test]
async fn connection_specific_fields_are_not_sent() {
    let mut request = get();
    let fields = [
        ("connection", "x-hop, Close, te"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("http2-settings", "AAMAAABk"),
        ("x-hop", "one"),
        ("x-end", "all"),
    ];
    for (name, value) in fields {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let received = received(request).await;
    let names: Vec<_> = received.head.headers().keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["x-end"]);
}

#[tokio::test]
async fn a_request_for_an_upgrade_is_refused_before_any_byte() {
    let (mut connection, mut peer) = pair().await;
    let mut request = get();
    request.headers_mut().insert("connection", "upgrade".parse().unwrap());
    request.headers_mut().insert("upgrade", "websocket".parse().unwrap());
    let error = connection.call(request).await.unwrap_err();
    assert_eq!(error.request.as_ref().unwrap().headers()["upgrade"], "websocket");
    let error = error.into_error();
    assert!(error.is_unsupported() && !error.was_sent(), "{error:?}");
    assert_eq!(peer.settled().await, []);
}

#[tokio::test]
async fn codings_that_frames_do_not_stand_for_are_refused_before_any_byte() {
    for (codings, is_unsupported) in
        [("gzip, chunked", true), ("gzip", true), ("chunked, gzip", false)]
    {
        let (mut connection, mut peer) = pair().await;
        let mut request = post("Hello");
        request.headers_mut().insert("transfer-encoding", codings.parse().unwrap());
        let error = connection.call(request).await.unwrap_err().into_error();
        assert_eq!((error.is_unsupported(), error.is_builder()), (is_unsupported, !is_unsupported));
        assert_eq!(peer.settled().await, []);
    }
}

#[tokio::test]
async fn te_says_trailers_or_nothing() {
    for (asked, sent) in [("gzip, Trailers", Some("trailers")), ("deflate", None)] {
        let mut request = get();
        request.headers_mut().insert("te", asked.parse().unwrap());
        assert_eq!(field(&received(request).await, "te"), sent);
    }
}

#[tokio::test]
async fn the_version_is_that_of_the_connection() {
    let mut request = get();
    *request.version_mut() = Version::HTTP_10;
    assert_eq!(received(request).await.head.version(), Version::HTTP_2);
}

#[tokio::test]
async fn the_asterisk_form_reaches_the_server() {
    let mut request = get();
    *request.method_mut() = Method::OPTIONS;
    request.extensions_mut().insert("*".parse::<RawTarget>().unwrap());
    assert_eq!(received(request).await.head.uri().path(), "*");
}

#[tokio::test]
async fn a_known_length_is_sent() {
    let received = received(post("Hello")).await;
    assert_eq!(field(&received, "content-length"), Some("5"));
    assert_eq!(received.content.unwrap(), b"Hello");
}

#[tokio::test]
async fn no_content_is_said_only_where_it_says_something() {
    assert_eq!(field(&received(post("")).await, "content-length"), Some("0"));
    assert_eq!(field(&received(get()).await, "content-length"), None);
}

#[tokio::test]
async fn a_body_of_unknown_length_sends_no_length() {
    let chunks = futures_util::stream::iter(["a", "b"].map(Ok::<_, std::io::Error>));
    let received = received(post(Body::stream(chunks))).await;
    assert_eq!(field(&received, "content-length"), None);
    assert_eq!(received.content.unwrap(), b"ab");
}

#[tokio::test]
async fn trailers_follow_the_content() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    trailers.insert("connection", "close".parse().unwrap());
    let body = Full::new(Bytes::from("Hello"))
        .with_trailers(async { Some(Ok::<_, std::convert::Infallible>(trailers)) });
    let trailers = received(post(Body::new(body))).await.trailers.unwrap();
    assert_eq!(trailers["x-sum"], "7");
    assert!(!trailers.contains_key("connection"));
}

#[tokio::test]
async fn a_body_larger_than_every_window_arrives() {
    let large = vec![7; 3 << 20];
    assert_eq!(received(post(large.clone())).await.content.unwrap(), large);
}

#[tokio::test]
async fn empty_chunks_are_passed_over() {
    let chunks = futures_util::stream::iter(["", "a", "", "b", ""].map(Ok::<_, std::io::Error>));
    assert_eq!(received(post(Body::stream(chunks))).await.content.unwrap(), b"ab");
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_comes_back_before_any_byte() {
    let (mut connection, mut peer) = pair().await;
    let mut request = post("Hello");
    request.headers_mut().insert("content-length", "6".parse().unwrap());
    let error = connection.call(request).await.unwrap_err();
    assert_eq!(error.progress, Progress::Unsent);
    assert_eq!(error.request.as_ref().unwrap().headers()["content-length"], "6");
    assert!(error.into_error().is_builder());
    assert_eq!(peer.settled().await, []);
}

#[tokio::test]
async fn a_body_that_is_shorter_than_declared_resets_the_stream() {
    let (mut connection, mut received) = served().await;
    let frames = futures_util::stream::iter([Ok::<_, std::io::Error>(http_body::Frame::data(
        Bytes::from("Hell"),
    ))]);
    let mut request = post(Body::new(StreamBody::new(frames)));
    request.headers_mut().insert("content-length", "5".parse().unwrap());
    let error = connection.call(request).await.unwrap_err();
    assert!(error.into_error().is_body());
    let error = received.recv().await.unwrap().content.unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::CANCEL));
}
