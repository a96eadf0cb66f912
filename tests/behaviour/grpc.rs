//! What the example of gRPC gives to be copied: the status of an error, and the deadline of a call.

use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use tokio::{io::AsyncReadExt, time::Instant};
use tonic::{Code, Status};
use tower::{Service, ServiceExt};
use tower_transport::{
    Transport, connect::MemoryConnector, options::Timeouts, transport::TransportBuilder,
};

use crate::support::{
    origin::Origin,
    scene::Scene,
    scripted::{
        Script,
        Step::{Head, Hold, Serve},
        first, say,
    },
};

#[path = "../../examples/support/grpc.rs"]
mod example;

use example::grpc;

/// A call with this deadline.
fn call(deadline: &str) -> Request<tonic::body::Body> {
    let request = Request::post("http://origin.example/gated").header("grpc-timeout", deadline);
    request.body(tonic::body::Body::empty()).unwrap()
}

/// How a call fails, in its head or in its body.
async fn failure(transport: &Transport, request: Request<tonic::body::Body>) -> Status {
    let mut service = grpc(transport.clone());
    let response = match service.ready().await.unwrap().call(request).await {
        Ok(response) => response,
        Err(status) => return status,
    };
    response.into_body().collect().await.expect_err("a failure")
}

#[tokio::test(start_paused = true)]
async fn a_call_is_over_at_its_deadline() {
    let transport = Origin::new().http2().build().unwrap();
    let table = [
        ("1H", 3_600_000),
        ("2M", 120_000),
        ("99999999m", 99_999_999),
        ("3S", 3_000),
        ("40m", 40),
        ("5000u", 5),
        ("6000000n", 6),
    ];
    for (deadline, millis) in table {
        let began = Instant::now();
        let status = failure(&transport, call(deadline)).await;
        assert_eq!(status.code(), Code::DeadlineExceeded, "{deadline}: {status:?}");
        // A timer of tokio is late by up to a millisecond.
        let late = began.elapsed().saturating_sub(Duration::from_millis(millis));
        assert!(late <= Duration::from_millis(1), "{deadline}: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_deadline_bounds_nothing() {
    let transport = Origin::new().http2().build().unwrap();
    for deadline in ["", "S", "1", "-1S", "+1S", "1 S", "1s", "123456789S"] {
        let day = Duration::from_secs(24 * 3600);
        let outcome = tokio::time::timeout(day, failure(&transport, call(deadline))).await;
        assert!(outcome.is_err(), "{deadline}: {outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_holds_until_the_last_message() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
    let scene = Scene::memory(first([Head, say(half), Hold]));
    let status = failure(&scene.transport, call("7S")).await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn an_error_has_the_status_that_grpc_says() {
    let nowhere = |_| Transport::builder().unix_socket("/nonexistent/socket");
    let same = |builder: TransportBuilder| builder;
    let slow =
        |builder: TransportBuilder| builder.timeouts(Timeouts::none().read(Duration::from_secs(1)));
    type Settings = fn(TransportBuilder) -> TransportBuilder;
    let table: [(Script, Settings, Code); 3] = [
        (first([Serve]), nowhere, Code::Unavailable),
        (first([Head, say("nonsense\r\n\r\n")]), same, Code::Internal),
        (first([Head, Hold]), slow, Code::DeadlineExceeded),
    ];
    for (row, (script, settings, code)) in table.into_iter().enumerate() {
        let scene = Scene::memory_with(script, settings);
        let mut request = call("9S");
        if code == Code::DeadlineExceeded {
            request.extensions_mut().insert(Timeouts::none().read(Duration::from_secs(1)));
        }
        let status = failure(&scene.transport, request).await;
        assert_eq!(status.code(), code, "{row}: {status:?}");
        let source = std::error::Error::source(&status).expect("the error");
        assert!(source.is::<tower_transport::Error>(), "{row}: {status:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_breaks_off_is_unavailable() {
    let (connector, mut listener) = MemoryConnector::pair();
    tokio::spawn(async move {
        while let Some((mut io, _)) = listener.accept().await {
            let _ = io.read(&mut [0; 1024]).await;
        }
    });
    let transport = Transport::builder().connector(connector).http2_prior_knowledge();
    let status = failure(&transport.build().unwrap(), call("9S")).await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
}
