//! All layers in their order, over a service of others and over a transport.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceBuilder, service_fn};
use tower_transport::{
    Body, RequestExt, Transport,
    client::{Auth, AuthLayer, DeadlineLayer, DefaultsLayer, RedirectLayer, RetryLayer, Visited},
    mock::{Script, ScriptedConnector},
    options::Retries,
};

use super::site::*;

macro_rules! client {
    ($service:expr) => {
        ServiceBuilder::new()
            .layer(DefaultsLayer::new().base_url("http://a/v1/").auth(Auth::basic("user", "pass")))
            .layer(DeadlineLayer::new(Duration::from_secs(30)))
            .layer(RedirectLayer::new())
            .layer(RetryLayer::new(Retries::new(3)))
            .layer(AuthLayer::new())
            .service($service)
    };
}

#[tokio::test(start_paused = true)]
async fn a_request_is_retried_redirected_and_authorized_where_it_is_meant() {
    let tries = std::sync::atomic::AtomicUsize::new(0);
    let site = Site::new(move |request| match request.uri().to_string().as_str() {
        "http://a/v1/one" if tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 => {
            answer(503, &[("retry-after", "1")], "")
        }
        "http://a/v1/one" => redirect(307, "http://b/two"),
        "http://b/two" => redirect(307, "http://a/three"),
        _ => ok(),
    });
    let client = client!(site.strict());
    let response = send(&client, request("PUT", "/one", &[], "body")).await.unwrap();
    assert_eq!(response.extensions().get::<Visited>().unwrap().hops().len(), 2);
    let seen = site.seen();
    let said: Vec<_> = seen.iter().map(|it| it.headers().contains_key("authorization")).collect();
    assert_eq!(said, [true, true, false, true]);
    assert!(seen.iter().all(|request| request.body() == "body"));
}

#[tokio::test]
async fn a_strangers_service_with_a_body_of_its_own_is_a_client() {
    let service = service_fn(|request: Request<Body>| async move {
        Ok::<_, Infallible>(Response::new(Full::new(bytes::Bytes::from(request.uri().to_string()))))
    });
    let response = client!(service).request("GET", "http://a/x").await.unwrap();
    assert_eq!(response.body(), "http://a/x");
}

#[tokio::test]
async fn a_router_of_axum_is_a_client_without_a_network() {
    use axum::{Router, response::Redirect, routing::get as on_get};
    let router = Router::new()
        .route("/v1/old", on_get(|| async { Redirect::permanent("/v1/new") }))
        .route("/v1/new", on_get(|| async { "hello" }));
    let router = tower::util::MapRequestLayer::new(|request: Request<Body>| {
        request.map(axum::body::Body::new)
    })
    .layer(router);
    let response = client!(router).request("GET", "http://a/v1/old").await.unwrap();
    assert_eq!(response.body(), "hello");
}

#[tokio::test]
async fn a_transport_follows_on_the_same_connection() {
    let script = Script::new()
        .expect_head()
        .respond("HTTP/1.1 302 Found\r\nlocation: /b\r\ncontent-length: 5\r\n\r\nmoved")
        .expect_head()
        .respond("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let connector = ScriptedConnector::new([script]);
    let transport = Transport::builder().connector(connector.clone()).build().unwrap();
    let response = client!(transport).request("GET", "http://a/").await.unwrap();
    assert_eq!(response.body(), "ok");
    connector.assert_done();
}

#[tokio::test]
async fn futures_are_send_and_can_be_spawned() {
    let site = Site::new(|_| ok());
    let client = client!(site.strict());
    let response = tokio::spawn(async move { send(&client, get("/")).await }).await.unwrap();
    assert_eq!(response.unwrap().status(), 200);
}

/// A channel of tonic to a server in the same process, which answers with the credentials that it received.
fn channel() -> tonic::transport::Channel {
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let connect = service_fn(|_: http::Uri| async {
        let (io, server) = tokio::io::duplex(1 << 16);
        let answer = |request: Request<hyper::body::Incoming>| async move {
            let said = request.headers().get("authorization").cloned();
            let said = said.map_or(bytes::Bytes::new(), |said| said.as_bytes().to_vec().into());
            Ok::<_, Infallible>(Response::new(Full::new(said)))
        };
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(server), hyper::service::service_fn(answer));
        tokio::spawn(server);
        Ok::<_, std::io::Error>(TokioIo::new(io))
    });
    tonic::transport::Endpoint::from_static("http://a").connect_with_connector_lazy(connect)
}

#[tokio::test]
async fn a_channel_of_tonic_sends_our_credentials() {
    let to_tonic = |request: Request<Body>| request.map(tonic::body::Body::new);
    let channel = tower::util::MapRequestLayer::new(to_tonic).layer(channel());
    let response = client!(channel).request("GET", "http://a/v1/x").await.unwrap();
    assert_eq!(response.body(), "Basic dXNlcjpwYXNz");
}

#[tokio::test(start_paused = true)]
async fn the_error_of_a_strangers_service_names_the_origin_that_was_asked_last() {
    async fn strange(request: Request<Body>) -> Result<Answer, tower::BoxError> {
        match request.uri().host() {
            Some("a") => Ok(redirect(302, "http://b/?key=secret")),
            _ => Err("strange".into()),
        }
    }
    let service = service_fn(strange);
    let error = send(&RedirectLayer::new().layer(service), get("http://a/")).await.unwrap_err();
    assert_eq!(error.to_string(), "sending a request to http://b/: strange");
    assert!(error.was_sent());
    let mut authorized = get("http://b/x");
    authorized.extensions_mut().insert(Auth::basic("user", "pass"));
    for error in [
        send(&RedirectLayer::new().layer(service), get("http://b/x")).await.unwrap_err(),
        send(&RetryLayer::new(Retries::new(2)).layer(service), get("http://b/x"))
            .await
            .unwrap_err(),
        send(&AuthLayer::new().layer(service), authorized).await.unwrap_err(),
        send(&DeadlineLayer::new(Duration::from_secs(1)).layer(service), get("http://b/x"))
            .await
            .unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "sending a request to http://b/: strange");
    }
}
