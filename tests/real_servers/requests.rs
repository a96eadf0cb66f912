//! What is asked of every server.

use bytes::Bytes;
use futures_util::{StreamExt, future::join_all, stream};
use http::{Response, StatusCode, Version};
use tower_transport::{Body, Error, RequestExt, Transport, connect::ConnectInfo};

/// A transport with nothing under way.
const AT_REST: &str = "requests: 0 active, 0 queued";

/// Asks for `url` and expects the greeting, by this version. Says how it came.
pub(crate) async fn greeted(transport: &Transport, url: &str, version: Version) -> ConnectInfo {
    let mut response = transport.request("GET", url).await.unwrap();
    assert_eq!((response.status(), response.version()), (StatusCode::OK, version));
    assert_eq!(response.body(), "Hello, world!");
    response.extensions_mut().remove().unwrap()
}

/// So many requests at once: all are answered.
pub(crate) async fn at_once(transport: &Transport, url: &str, requests: usize) {
    let all = join_all((0..requests).map(|_| transport.request("GET", url).into_future())).await;
    all.into_iter().for_each(assert_greeting);
    assert!(transport.to_string().contains(AT_REST), "{transport}");
}

/// So many requests, some at a time: all are answered.
pub(crate) async fn some_at_a_time(
    transport: &Transport,
    url: &str,
    requests: usize,
    at_a_time: usize,
) {
    let requests = stream::iter(0..requests).map(|_| transport.request("GET", url).into_future());
    requests.buffer_unordered(at_a_time).map(assert_greeting).collect::<()>().await;
    assert!(transport.to_string().contains(AT_REST), "{transport}");
}

/// Reads a body as it comes, and counts.
pub(crate) async fn length(transport: &Transport, url: &str) -> u64 {
    let mut body = transport.stream("GET", url).await.unwrap().into_body();
    let mut length = 0;
    while let Some(chunk) = body.chunk().await.unwrap() {
        length += chunk.len() as u64;
    }
    length
}

/// A body in pieces, of undeclared length.
pub(crate) fn pieces(count: usize, size: usize) -> Body {
    let piece = Bytes::from(vec![b'x'; size]);
    Body::stream(stream::iter((0..count).map(move |_| Ok::<_, Error>(piece.clone()))))
}

fn assert_greeting(response: Result<Response<Bytes>, Error>) {
    let response = response.unwrap();
    assert_eq!((response.status(), &response.body()[..]), (StatusCode::OK, &b"Hello, world!"[..]));
}
