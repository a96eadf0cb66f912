//! Which callbacks receive the progress of bodies, and until when.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_transport::{
    Body, Error, RequestExt,
    client::{ProgressLayer, RedirectLayer},
    options::{BodyProgress, OnUpload},
};

use super::site::*;

/// The reported progress, in its order.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<Counts>>>);

/// Bytes on the wire, decoded bytes, and how many there will be.
type Counts = (u64, u64, Option<u64>);

impl Reports {
    fn callback(&self) -> impl Fn(BodyProgress) + Send + Sync + 'static + use<> {
        let reports = self.clone();
        move |it| reports.0.lock().unwrap().push((it.bytes(), it.decoded(), it.total()))
    }

    fn take(&self) -> Vec<Counts> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[tokio::test]
async fn each_chunk_of_both_bodies_is_reported_once() {
    let server = service_fn(|request: Request<Body>| async {
        let all = request.into_body().read().await?;
        assert_eq!(all, "12345");
        Ok::<_, Error>(Response::new(Body::iter(["abc", "", "de"])))
    });
    let client = ProgressLayer::new().layer(server);
    let (up, down) = (Reports::default(), Reports::default());
    let request = client
        .request("POST", "http://a.example/")
        .body(Body::iter(["12", "345"]))
        .on_upload(up.callback())
        .on_download(down.callback());
    assert_eq!(request.await.unwrap().body(), "abcde");
    assert_eq!(up.take(), [(2, 2, None), (5, 5, None)]);
    assert_eq!(down.take(), [(3, 3, None), (5, 5, None)]);
}

#[tokio::test]
async fn a_large_body_of_one_piece_makes_progress_and_keeps_its_length() {
    let site = Site::new(|_| ok());
    let client = ProgressLayer::new().layer(site.strict());
    let (up, length) = (Reports::default(), 150_000);
    let request = client.request("PUT", "http://a.example/").body(vec![7; length]);
    request.on_upload(up.callback()).await.unwrap();
    let sent: Vec<_> = up.take().iter().map(|counts| counts.0).collect();
    assert_eq!(sent, [65_536, 131_072, 150_000]);
    assert_eq!(site.seen()[0].body().len(), length);

    let body = Arc::new(Mutex::new(None));
    let kept = body.clone();
    let keeps = service_fn(move |request: Request<Body>| {
        *kept.lock().unwrap() = Some(request.into_body());
        std::future::ready(Ok::<_, Error>(Response::new(Body::empty())))
    });
    let client = ProgressLayer::new().layer(keeps);
    let request = client.stream("PUT", "http://a.example/").body(vec![7; length]);
    let _response = request.on_upload(up.callback()).await.unwrap();
    let mut body = body.lock().unwrap().take().unwrap();
    assert_eq!(body.length(), Some(150_000));
    body.chunk().await.unwrap();
    assert_eq!(body.length(), Some(150_000 - 65_536));
}

#[tokio::test]
async fn a_redirect_sends_the_body_again_from_zero_and_only_the_last_response_counts() {
    let site = from_to("http://a.example/", "http://a.example/new");
    let client = ServiceBuilder::new()
        .layer(ProgressLayer::new())
        .layer(RedirectLayer::new())
        .service(site.strict());
    let (up, down) = (Reports::default(), Reports::default());
    let request = client.request("PUT", "http://a.example/").body("12345");
    request.on_upload(up.callback()).on_download(down.callback()).await.unwrap();
    assert_eq!(up.take(), [(5, 5, Some(5)), (5, 5, Some(5))]);
    assert_eq!(down.take(), [(2, 2, Some(2))]);
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn a_decoded_body_counts_on_the_wire_and_decoded() {
    const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xf3H\xcd\xc9\xc9\xd7Q(\xcf/\xcaI\x01\0\xc2\xa9\x9a\xe7\x0c\0\0\0";
    let site = Site::new(|_| {
        let response = Response::builder().header("content-encoding", "gzip");
        let response = response.header("content-length", GZIP.len());
        response.body(http_body_util::Full::new(Bytes::from_static(GZIP))).unwrap()
    });
    let client = ServiceBuilder::new()
        .layer(ProgressLayer::new())
        .layer(tower_transport::client::DecodeLayer::new())
        .service(site.strict());
    let down = Reports::default();
    let request = client.request("GET", "http://a.example/").on_download(down.callback());
    assert_eq!(request.await.unwrap().body(), "Hello, world");
    let coded = GZIP.len() as u64;
    assert_eq!(down.take().last(), Some(&(coded, 12, Some(coded))));
}

#[tokio::test]
async fn a_dropped_request_is_reported_no_more_though_its_body_lives_on() {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let kept = bodies.clone();
    let service = service_fn(move |request: Request<Body>| {
        let is_answered = request.uri().path() == "/answered";
        kept.lock().unwrap().push(request.into_body());
        async move {
            if !is_answered {
                std::future::pending::<()>().await;
            }
            let never = futures_util::stream::pending::<Result<_, Error>>();
            Ok::<_, Error>(Response::new(
                StreamBody::new(never).map_frame(|it: http_body::Frame<Bytes>| it),
            ))
        }
    });
    let client = ProgressLayer::new().layer(service);
    for path in ["waiting", "answered"] {
        let up = Reports::default();
        let url = format!("http://a.example/{path}");
        let request = Request::put(url).extension(OnUpload::new(up.callback()));
        let request = request.body(Body::iter(["1", "2", "3"])).unwrap();
        let mut future = Box::pin(client.clone().oneshot(request));
        let response = (&mut future).now_or_never();
        assert_eq!(response.is_some(), path == "answered");
        let mut body = bodies.lock().unwrap().pop().unwrap();
        body.chunk().await.unwrap();
        assert_eq!(up.take(), [(1, 1, None)], "{path}");
        drop((future, response));
        assert_eq!(body.read().await.unwrap(), "23");
        assert_eq!(up.take(), [], "{path}");
    }
}

#[tokio::test]
async fn a_dropped_request_leaves_nothing_behind() {
    let make = || {
        let site = Site::new(|_| ok());
        (ProgressLayer::new().layer(site.strict()), site)
    };
    at_every_poll(make, || {
        let mut request = request("PUT", "http://a.example/", &[], "12345");
        request.extensions_mut().insert(OnUpload::new(|_| {}));
        request
    })
    .await;
}

#[tokio::test]
async fn trailers_and_errors_of_an_upload_are_passed_on_uncounted() {
    let server = service_fn(|request: Request<Body>| async {
        let collected = request.into_body().collect().await?;
        let sum = collected.trailers().and_then(|it| it.get("x-sum")).cloned().unwrap();
        Ok::<_, Error>(Response::new(Body::from(Bytes::from_owner(sum))))
    });
    let client = ProgressLayer::new().layer(server);
    let up = Reports::default();
    let trailers = http::HeaderMap::from_iter([("x-sum".parse().unwrap(), "3".parse().unwrap())]);
    let frames = [http_body::Frame::data(Bytes::from("abc")), http_body::Frame::trailers(trailers)];
    let body = Body::new(StreamBody::new(futures_util::stream::iter(frames.map(Ok::<_, Error>))));
    let request = client.request("POST", "http://a.example/").body(body);
    assert_eq!(request.on_upload(up.callback()).await.unwrap().body(), "3");
    let broken = Body::stream(futures_util::stream::iter([Ok("abc"), Err("the source failed")]));
    let request = client.request("POST", "http://a.example/").body(broken);
    let error = request.on_upload(up.callback()).await.unwrap_err();
    assert!(format!("{error:?}").contains("the source failed"), "{error:?}");
    assert_eq!(up.take(), [(3, 3, None), (3, 3, None)]);
}

#[tokio::test]
async fn a_counted_response_has_its_length_and_its_end_as_before() {
    let client = ProgressLayer::new().layer(Site::new(|_| ok()).strict());
    let down = Reports::default();
    let request = client.stream("GET", "http://a.example/").on_download(down.callback());
    let mut body = request.await.unwrap().into_body();
    assert_eq!((body.length(), http_body::Body::is_end_stream(&body)), (Some(2), false));
    assert_eq!(body.chunk().await.unwrap().unwrap(), "ok");
    assert_eq!((body.length(), http_body::Body::is_end_stream(&body)), (Some(0), true));
    assert_eq!(down.take(), [(2, 2, Some(2))]);
}
