//! Errors of layers, connectors and connections that are not ours: a kind of their own, and never more than is known.

use std::{error::Error as _, io, time::Duration};

use futures_util::stream;
use http::{Request, Response};
use http_body_util::StreamBody;
use tower::{
    BoxError, ServiceBuilder, buffer::BufferLayer, limit::ConcurrencyLimitLayer, service_fn,
};
use tower_transport::{
    Body, Error, RequestExt, Transport,
    connect::{Connected, MemoryIo},
    error::{Kind, Phase},
    target::Target,
};

use crate::support::{
    scene::{Scene, predicates},
    scripted::{
        HELLO,
        Step::{Head, Hold},
        first, say,
    },
};

const URL: &str = "http://origin.example/";

type Requests = Request<Body>;

/// An error, and the predicates of the error that results from it.
type Case<E> = (fn() -> E, &'static str);

/// A body that fails with an error, and what it is.
type BodyCase = (fn(io::Error) -> Body, &'static str);

/// A service that fails with this.
async fn failing(error: fn() -> BoxError) -> Error {
    let service = service_fn(move |_: Requests| async move { Err::<Response<Body>, _>(error()) });
    service.request("GET", URL).await.unwrap_err()
}

#[tokio::test]
async fn a_filter_that_refuses_is_other_and_neither_sent_nor_unsent() {
    let inner = ServiceBuilder::new().map_err(BoxError::from).service(Transport::new());
    let refuses = |_: Requests| Err::<Requests, _>("no token in the vault");
    let service = ServiceBuilder::new().filter(refuses).service(inner);
    let error = service.request("GET", URL).await.unwrap_err();
    assert_eq!((error.kind(), predicates(&error).as_str()), (Kind::Other, ""));
    assert!(error.is_other() && !error.is_unsent());
    assert_eq!(
        error.to_string(),
        "sending a request to http://origin.example/: no token in the vault"
    );
    assert_eq!(error.source().unwrap().to_string(), "no token in the vault");
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_tower_is_a_timeout_of_everything() {
    let scene = Scene::memory(first([Head, Hold]));
    let slow =
        ServiceBuilder::new().timeout(Duration::from_millis(100)).service(scene.transport.clone());
    let error = slow.request("GET", URL).await.unwrap_err();
    assert_eq!(predicates(&error), "timeout");
    assert_eq!(error.timeout_phase(), Some(Phase::Total));
    assert!(!error.is_unsent(), "the request was sent, for all that is known");
    assert!(error.cause::<tower::timeout::error::Elapsed>().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_tokio_is_a_timeout_of_everything() {
    let slow = service_fn(|_: Requests| async {
        let never = std::future::pending::<Response<Body>>();
        tokio::time::timeout(Duration::from_secs(1), never).await
    });
    assert_eq!(predicates(&slow.request("GET", URL).await.unwrap_err()), "timeout");
}

#[tokio::test]
async fn what_layers_box_or_wrap_keeps_its_predicates() {
    #[derive(Debug)]
    struct Wraps(Error);
    impl std::fmt::Display for Wraps {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("wrapped")
        }
    }
    impl std::error::Error for Wraps {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let ours = || Error::custom(Kind::Tls, "a handshake").with_sent(true);
    assert_eq!(
        predicates(&failing(|| Box::new(Wraps(Error::custom(Kind::Dns, "a name")))).await),
        "connect, dns"
    );
    let service =
        service_fn(move |_: Requests| async move { Err::<Response<Body>, _>(Wraps(ours())) });
    let error = service.request("GET", URL).await.unwrap_err();
    assert_eq!(predicates(&error), "tls, sent");
    assert!(error.cause::<Wraps>().is_some());
}

#[tokio::test]
async fn an_error_through_a_buffer_keeps_its_predicates() {
    let broken = service_fn(|_: Requests| async {
        Err::<Response<Body>, _>(Error::custom(Kind::Builder, "a mistake"))
    });
    let buffered = ServiceBuilder::new()
        .layer(BufferLayer::new(1))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(broken);
    assert_eq!(predicates(&buffered.request("GET", URL).await.unwrap_err()), "builder");
}

#[tokio::test]
async fn a_service_that_never_becomes_ready_has_sent_nothing() {
    let overloaded = ServiceBuilder::new()
        .layer(tower::load_shed::LoadShedLayer::new())
        .layer(ConcurrencyLimitLayer::new(0))
        .service(Transport::new());
    let shed = overloaded.request("GET", URL).await.unwrap_err();
    assert!(shed.is_other() && !shed.was_sent(), "{shed:?}");
    #[derive(Clone)]
    struct Unready;
    impl tower::Service<Requests> for Unready {
        type Response = Response<Body>;
        type Error = BoxError;
        type Future = std::future::Ready<Result<Response<Body>, BoxError>>;
        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), BoxError>> {
            std::task::Poll::Ready(Err("not today".into()))
        }
        fn call(&mut self, _: Requests) -> Self::Future {
            std::future::ready(Err("called unready".into()))
        }
    }
    let error = Unready.request("GET", URL).await.unwrap_err();
    assert!(error.is_other() && error.is_unsent(), "{error:?}");
}

#[tokio::test]
async fn an_io_error_of_a_layer_is_io_and_not_known_to_be_sent() {
    let error = failing(|| io::Error::from(io::ErrorKind::PermissionDenied).into()).await;
    assert_eq!(predicates(&error), "io");
    assert!(error.is_other() && !error.is_unsent());
}

#[tokio::test]
async fn the_body_of_an_answer_that_a_layer_fails_is_other_and_sent() {
    let scene = Scene::memory(first([Head, say(HELLO)]));
    let broken = ServiceBuilder::new()
        .map_response(|response: Response<Body>| {
            response.map(|_| {
                StreamBody::new(stream::iter([Err::<http_body::Frame<bytes::Bytes>, BoxError>(
                    "no gzip".into(),
                )]))
            })
        })
        .service(scene.transport.clone());
    let error = broken.request("GET", scene.url("/")).await.unwrap_err();
    assert_eq!(predicates(&error), "sent");
    assert!(error.is_other(), "{error:?}");
    assert_eq!(error.source().unwrap().to_string(), "no gzip");
}

#[tokio::test]
async fn a_body_of_ours_that_a_layer_answers_with_fails_as_one_of_a_response() {
    let bodies: [BodyCase; 2] = [
        (|error| Body::stream(stream::iter([Ok("x"), Err(error)])), "a stream"),
        (
            |error| {
                let frames = stream::iter([Err::<http_body::Frame<bytes::Bytes>, _>(error)]);
                Body::new(StreamBody::new(frames))
            },
            "a body",
        ),
    ];
    let ours = || io::Error::other(Error::custom(Kind::Connect, "asking for more"));
    let errors: [Case<io::Error>; 3] = [
        (|| io::Error::other("bad crc"), "io, sent"),
        (|| io::Error::new(io::ErrorKind::TimedOut, "late"), "timeout, io, sent"),
        (ours, "connect, io, sent"),
    ];
    for (body, what) in bodies {
        for (error, expected) in errors {
            let scene = Scene::memory(first([Head, say(HELLO)]));
            let broken = ServiceBuilder::new()
                .map_response(move |response: Response<Body>| response.map(|_| body(error())))
                .service(scene.transport.clone());
            let error = broken.request("POST", scene.url("/")).body("order").await.unwrap_err();
            assert_eq!(predicates(&error), expected, "{what}: {error:?}");
            assert_eq!(error.is_other(), expected == "io, sent", "{what}: {error:?}");
            assert_eq!(error.to_string(), "reading the response body", "{what}");
        }
    }
}

/// A transport whose connector fails with this.
async fn over(error: fn() -> BoxError) -> Error {
    let connector =
        service_fn(move |_: Target| async move { Err::<Connected<MemoryIo>, _>(error()) });
    let transport = Transport::builder().connector(connector).build().unwrap();
    transport.request("GET", URL).await.unwrap_err()
}

#[tokio::test]
async fn a_connector_that_wraps_ours_keeps_its_predicates() {
    let tls = || io::Error::other(Error::custom(Kind::Tls, "TLS with a relay")).into();
    assert_eq!(predicates(&over(tls).await), "connect, tls, io");
    let elapsed = || tower::timeout::error::Elapsed::new().into();
    let error = over(elapsed).await;
    assert_eq!(
        (predicates(&error).as_str(), error.timeout_phase()),
        ("timeout, connect", Some(Phase::Connect))
    );
    assert!(error.is_unsent());
}

#[tokio::test]
async fn an_error_of_ours_that_a_connector_makes_is_one_of_connecting() {
    let table: [Case<BoxError>; 8] = [
        (|| Error::custom(Kind::Io, "mine").into(), "connect, io"),
        (|| Error::custom(Kind::Protocol, "mine").into(), "connect, protocol"),
        (|| Error::custom(Kind::Other, "mine").into(), "connect"),
        (|| Error::custom(Kind::Canceled, "mine").into(), "connect, canceled"),
        (|| Error::custom(Kind::Timeout(Phase::Total), "mine").into(), "timeout, connect"),
        (|| Error::custom(Kind::Tls, "mine").into(), "connect, tls"),
        (|| Error::custom(Kind::Builder, "mine").into(), "builder"),
        (|| io::Error::other(Error::custom(Kind::Io, "mine")).into(), "connect, io"),
    ];
    for (error, expected) in table {
        let kind =
            Error::custom(Kind::Io, "asking").because(error()).cause::<Error>().map(Error::kind);
        let error = over(error).await;
        assert_eq!(predicates(&error), expected, "{error:?}");
        assert!(error.is_unsent(), "{error:?}");
        assert_eq!(Some(error.kind()), kind);
    }
}

#[tokio::test]
async fn what_users_make_says_what_they_say() {
    let keyed = tower_transport::pool::PoolLayer::<Body, String>::keyed(|_: &Requests| {
        Err(Error::custom(Kind::Builder, "choosing a tenant").because("no `x-tenant` field"))
    });
    let make = service_fn(|_: String| async {
        Err::<tower_transport::http::HttpConnection<Body>, _>("never asked")
    });
    let pool = ServiceBuilder::new().layer(keyed).service(make);
    let error = pool.request("GET", URL).await.unwrap_err();
    assert_eq!(
        (predicates(&error).as_str(), error.to_string().as_str()),
        ("builder", "choosing a tenant")
    );
    assert_eq!(error.source().unwrap().to_string(), "no `x-tenant` field");
}

/// The kinds, and the predicates of an error of each, before and after it is marked as sent.
#[test]
fn every_predicate_can_be_made() {
    let table = [
        (Kind::Builder, "builder", true, "builder"),
        (Kind::Unsupported, "", true, ""),
        (Kind::Dns, "connect, dns", true, "connect, dns, sent"),
        (Kind::Connect, "connect", true, "connect, sent"),
        (Kind::QueueFull, "queue full", true, "queue full, sent"),
        (Kind::Timeout(Phase::Pool), "timeout", true, "timeout, sent"),
        (Kind::Timeout(Phase::Connect), "timeout, connect", true, "timeout, connect, sent"),
        (Kind::Timeout(Phase::Read), "timeout", false, "timeout, sent"),
        (Kind::Timeout(Phase::Write), "timeout", false, "timeout, sent"),
        (Kind::Timeout(Phase::Total), "timeout", false, "timeout, sent"),
        (Kind::Tls, "connect, tls", false, "tls, sent"),
        (Kind::Io, "io", false, "io, sent"),
        (Kind::Protocol, "protocol", false, "protocol, sent"),
        (Kind::Body, "body", false, "body, sent"),
        (Kind::Canceled, "canceled", false, "canceled, sent"),
        (Kind::Closed, "closed", false, "closed, sent"),
        (Kind::Other, "", false, "sent"),
    ];
    for (kind, before, is_unsent, after) in table {
        let error = Error::custom(kind, "asking");
        assert_eq!(
            (predicates(&error).as_str(), error.is_unsent()),
            (before, is_unsent),
            "{kind:?}"
        );
        assert_eq!(error.kind(), kind);
        assert!(error.clone().with_sent(false).is_unsent(), "{kind:?}");
        let sent = error.clone().with_sent(true);
        assert_eq!(predicates(&sent), after, "{kind:?}");
        assert!(!(sent.was_sent() && sent.is_unsent()));
        assert_eq!(error.with_proxy().is_proxy(), kind != Kind::Builder, "{kind:?}");
    }
}

#[test]
fn a_refusal_of_a_proxy_can_be_made() {
    let answer = Response::builder().status(407).header("proxy-authenticate", "Basic");
    let answer = answer.body(vec![b'x'; 100_000].into()).unwrap();
    let error = Error::proxy_refused("asking a relay", answer);
    assert!(error.is_proxy() && error.is_connect() && error.is_unsent() && !error.is_protocol());
    assert_eq!(error.proxy_status().map(|status| status.as_u16()), Some(407));
    assert_eq!(error.proxy_headers().unwrap()["proxy-authenticate"], "Basic");
    assert_eq!(error.proxy_body().unwrap().len(), 65_536);
}
