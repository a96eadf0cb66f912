//! Fields after the content, both ways, and words of a server's own.

use std::{convert::Infallible, error::Error as StdError};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::{body::Incoming, ext::ReasonPhrase, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tower_transport::{Body, RequestExt, Transport, connect::MemoryConnector};

use crate::support::{
    scene::Scene,
    scripted::{Step::Head, first, say},
};

const SUM: HeaderName = HeaderName::from_static("x-sum");

/// Content, and its sum behind it.
fn summed(content: &'static str, sum: HeaderValue) -> Body {
    let trailers = HeaderMap::from_iter([(SUM, sum)]);
    let frames = [Frame::data(Bytes::from(content)), Frame::trailers(trailers)];
    Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>))))
}

/// Answers with the sum that it was sent.
async fn answer(
    request: Request<Incoming>,
) -> Result<Response<Body>, Box<dyn StdError + Send + Sync>> {
    let collected = request.into_body().collect().await?;
    let sum = collected.trailers().and_then(|trailers| trailers.get(SUM)).cloned();
    let sum = sum.unwrap_or_else(|| HeaderValue::from_static("none"));
    Ok(Response::builder().header("trailer", SUM).body(summed("hello", sum))?)
}

fn served() -> MemoryConnector {
    let (connector, mut listener) = MemoryConnector::pair();
    tokio::spawn(async move {
        while let Some((io, _)) = listener.accept().await {
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                server.serve_connection(TokioIo::new(io), service_fn(answer)).await
            });
        }
    });
    connector
}

/// What came of the content and of the sum.
async fn echoed(
    transport: &Transport,
    fields: &[(&'static str, &'static str)],
) -> (String, String) {
    let mut request = transport.stream("POST", "http://example.com/");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let sum = HeaderValue::from_static("7");
    let mut body = request.body(summed("content", sum)).await.unwrap().into_body();
    let (mut content, mut trailers) = (Vec::new(), HeaderMap::new());
    while let Some(frame) = body.frame().await.unwrap() {
        match frame.into_data() {
            Ok(data) => content.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().unwrap(),
        }
    }
    let sum = trailers.get(SUM).map_or("", |sum| sum.to_str().unwrap());
    (String::from_utf8(content).unwrap(), sum.to_owned())
}

const ANNOUNCED: [(&str, &str); 3] =
    [("trailer", "x-sum"), ("te", "trailers"), ("connection", "te")];

#[tokio::test]
async fn trailers_go_both_ways_over_http1() {
    let transport = Transport::builder().connector(served()).build().unwrap();
    assert_eq!(echoed(&transport, &ANNOUNCED).await, ("hello".into(), "7".into()));
    assert_eq!(echoed(&transport, &ANNOUNCED).await, ("hello".into(), "7".into()));
    assert_eq!(transport.stats().opened, 1);
}

#[tokio::test]
async fn trailers_that_http1_does_not_announce_are_passed_over() {
    let transport = Transport::builder().connector(served()).build().unwrap();
    assert_eq!(echoed(&transport, &ANNOUNCED[1..]).await, ("hello".into(), "none".into()));
}

#[tokio::test]
#[cfg(feature = "http2")]
async fn trailers_go_both_ways_over_http2() {
    let builder = Transport::builder().connector(served()).http2_prior_knowledge();
    let transport = builder.build().unwrap();
    assert_eq!(echoed(&transport, &[]).await, ("hello".into(), "7".into()));
    assert_eq!(echoed(&transport, &ANNOUNCED).await, ("hello".into(), "7".into()));
}

#[tokio::test]
async fn chunks_end_where_the_trailers_begin() {
    let transport = Transport::builder().connector(served()).build().unwrap();
    let request = transport.request("POST", "http://example.com/").body("content");
    assert_eq!(request.header("te", "trailers").await.unwrap().body(), "hello");
}

#[tokio::test]
async fn the_words_of_a_status_are_kept_where_they_are_not_the_usual_ones() {
    let table = [("200 Fine by me", Some("Fine by me")), ("200 OK", None), ("200", Some(""))];
    for (line, reason) in table {
        let answer = format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n");
        let scene = Scene::memory(first([Head, say(answer)]));
        let response = scene.get().await.unwrap();
        let said = response.extensions().get::<ReasonPhrase>().map(ReasonPhrase::as_bytes);
        assert_eq!(said, reason.map(str::as_bytes), "{line}");
    }
}
