//! A connection dies between two requests, or under the second: who is sent again, and who never.

use bytes::Bytes;
use futures_util::stream;
use http::Response;
use tower_transport::{Body, Error, RequestExt};

use crate::support::{
    scene::Scene,
    scripted::{
        HELLO, Script,
        Step::{self, Finish, Head, Hold, Read, Reset, Serve, Signal, Wait},
        each, first, say,
    },
};

/// The first connection answers one request and dies under the second.
fn dying(death: impl Into<Vec<Step>>) -> Script {
    let mut steps = vec![Head, say(HELLO), Head];
    steps.extend(death.into());
    first(steps)
}

/// Ends that come before any byte of an answer.
fn deaths() -> [Vec<Step>; 2] {
    [vec![Finish, Hold], vec![Reset]]
}

/// A request with a body over a connection that has served one before.
async fn second(
    scene: &Scene,
    method: &'static str,
    header: (&'static str, &'static str),
    body: impl Into<Body>,
) -> Result<Response<Bytes>, Error> {
    scene.get().await.unwrap();
    let request = scene.transport.request(method, scene.url("/second"));
    request.header(header.0, header.1).body(body).await
}

const NO_KEY: (&str, &str) = ("x-key", "1");
const KEY: (&str, &str) = ("idempotency-key", "1");

#[tokio::test]
async fn an_idempotent_request_is_sent_again() {
    for (method, body) in
        [("GET", ""), ("HEAD", ""), ("OPTIONS", ""), ("PUT", "hello"), ("DELETE", "")]
    {
        for death in deaths() {
            let scene = Scene::tcp(dying(death));
            let response = second(&scene, method, NO_KEY, body).await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(scene.origin.requests_starting(&format!("{method} /second")), 2);
            assert_eq!(scene.origin.accepted(), 2);
        }
    }
}

#[tokio::test]
async fn a_post_is_never_sent_again() {
    for death in deaths() {
        let scene = Scene::tcp(dying(death));
        let error = second(&scene, "POST", NO_KEY, "hello").await.unwrap_err();
        assert_eq!(scene.predicates(&error), "io, sent", "{error:?}");
        scene.assert_usable().await;
        assert_eq!(scene.origin.requests_starting("POST"), 1);
    }
}

#[tokio::test]
async fn a_post_with_an_idempotency_key_is_sent_again() {
    for death in deaths() {
        let scene = Scene::tcp(dying(death));
        let response = second(&scene, "POST", KEY, "hello").await.unwrap();
        assert_eq!(response.body(), "hello");
        assert_eq!(scene.origin.requests_starting("POST"), 2);
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_had_again_is_not_sent_again() {
    let scene = Scene::tcp(dying([Read(15), Reset]));
    let chunks = stream::iter([Ok::<_, std::io::Error>("hello")]);
    let error = second(&scene, "PUT", KEY, Body::stream(chunks)).await.unwrap_err();
    assert!(error.was_sent(), "{error:?}");
    scene.assert_usable().await;
    assert_eq!(scene.origin.requests_starting("PUT"), 1);
}

#[tokio::test]
async fn a_body_by_a_function_and_a_file_are_sent_again() {
    for body in [Body::again(|| Body::iter(["he", "llo"])), Body::file("Cargo.toml").await.unwrap()]
    {
        let scene = Scene::tcp(dying([Read(15), Reset]));
        let response = second(&scene, "PUT", KEY, body).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(scene.origin.requests_starting("PUT"), 2);
    }
}

#[tokio::test]
async fn after_a_byte_of_an_answer_nothing_is_sent_again() {
    let scene = Scene::tcp(dying([say("H"), Finish, Hold]));
    let error = second(&scene, "GET", NO_KEY, "").await.unwrap_err();
    assert_eq!(scene.predicates(&error), "protocol, sent");
    scene.assert_usable().await;
    assert_eq!(scene.origin.requests_starting("GET /second"), 1);
}

#[tokio::test]
async fn a_fresh_connection_that_dies_too_is_the_end_of_it() {
    let scene = Scene::tcp(each(vec![
        vec![Head, say(HELLO), Head, Finish, Hold],
        vec![Head, Finish, Hold],
    ]));
    let error = second(&scene, "GET", NO_KEY, "").await.unwrap_err();
    assert_eq!(scene.predicates(&error), "io, sent");
    assert_eq!(scene.origin.requests_starting("GET /second"), 2);
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_sent_once_was_sent_though_there_is_no_second_connection() {
    let dials = std::sync::atomic::AtomicUsize::new(0);
    let dials = std::sync::Arc::new(dials);
    let scene = Scene::memory_over(dying([Finish]), |connector| {
        tower::service_fn(move |target| {
            let is_first = dials.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
            let connector = connector.clone();
            async move {
                match is_first {
                    true => tower::ServiceExt::oneshot(connector, target).await.map_err(Into::into),
                    false => Err(tower_transport::error::BoxError::from("no more")),
                }
            }
        })
    });
    let error = second(&scene, "GET", NO_KEY, "").await.unwrap_err();
    assert_eq!(scene.predicates(&error), "connect, sent");
}

/// What a server may do to a connection that nobody uses.
fn poisons(evil: &'static str) -> [Vec<Step>; 4] {
    [vec![say(evil)], vec![say("x")], vec![Finish], vec![Reset]]
}

const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

/// Every connection answers one request, and is then poisoned when the test says so.
fn poisoned(poison: Vec<Step>) -> Script {
    Box::new(move |_| {
        let mut steps = vec![Head, say(HELLO), Wait];
        steps.extend(poison.clone());
        match poison[0] {
            Reset => steps.extend([Signal]),
            _ => steps.extend([Signal, Hold]),
        }
        steps
    })
}

/// After every answer the connection is poisoned while the client's thread is busy: the next request neither fails nor
/// sees any of it.
async fn survives(scene: Scene, rounds: usize) {
    for round in 1..=rounds {
        let request = scene.transport.request("POST", scene.url("/")).body("once");
        let response = request.await.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
        assert_eq!(response.body(), "hello", "round {round}");
        assert_eq!(
            (scene.origin.accepted(), scene.origin.requests_starting("POST")),
            (round, round)
        );
        scene.origin.go();
        scene.origin.signaled_while_busy();
    }
}

/// Runs rounds over a current-thread runtime, and over several threads.
fn on_every_runtime(rounds: usize, scene: fn(Script) -> Scene) {
    for poison in poisons(EVIL) {
        let alone = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        alone.block_on(survives(scene(poisoned(poison.clone())), rounds));
        for threads in [1, 2, 4] {
            let mut several = tokio::runtime::Builder::new_multi_thread();
            let several = several.worker_threads(threads).enable_all().build().unwrap();
            let surviving = several.spawn(survives(scene(poisoned(poison.clone())), rounds));
            several.block_on(surviving).unwrap();
        }
    }
}

#[test]
fn what_happens_to_an_idle_connection_is_seen_by_a_busy_thread() {
    on_every_runtime(100, Scene::tcp);
}

#[cfg(all(feature = "http2", feature = "_rustls"))]
#[test]
fn what_happens_to_an_idle_connection_is_seen_through_tls() {
    on_every_runtime(20, Scene::tls);
}

#[cfg(all(feature = "http2", feature = "_rustls"))]
#[tokio::test]
async fn a_session_ticket_on_an_idle_connection_is_no_poison() {
    let scene = Scene::tls(first([Serve]));
    for _ in 0..100 {
        scene.get().await.unwrap();
    }
    assert_eq!(scene.origin.accepted(), 1);
}

#[tokio::test]
async fn a_stray_line_end_on_an_idle_connection_is_no_answer() {
    let scene = Scene::tcp(first([Head, say(HELLO), Wait, say("\r\n"), Signal, Serve]));
    scene.get().await.unwrap();
    scene.origin.go();
    scene.origin.signaled().await;
    scene.assert_usable().await;
}

#[tokio::test]
async fn a_timeout_said_on_an_idle_connection_is_nobodys_answer() {
    let said = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let scene = Scene::tcp(first([Head, say(HELLO), Wait, say(said), Finish, Signal, Hold]));
    scene.get().await.unwrap();
    scene.origin.go();
    scene.origin.signaled_while_busy();
    scene.assert_usable().await;
    assert_eq!(scene.origin.accepted(), 2);
}

#[tokio::test]
async fn a_stream_that_was_never_begun_goes_over_another_connection() {
    let scene = Scene::tcp(first([Head, say(HELLO), Wait, Finish, Signal, Hold]));
    scene.get().await.unwrap();
    scene.origin.go();
    scene.origin.signaled_while_busy();
    let chunks = stream::iter([Ok::<_, std::io::Error>("hello")]);
    let request = scene.transport.request("POST", scene.url("/")).body_stream(chunks);
    assert_eq!(request.await.unwrap().body(), "hello");
    assert_eq!((scene.origin.accepted(), scene.origin.requests_starting("POST")), (2, 1));
}

/// A connection that was made for a request that had been given up, and has rested since.
async fn with_an_unused_connection(script: Script) -> Scene {
    let scene = Scene::tcp(script);
    scene.leave_idle().await;
    scene
}

#[tokio::test]
async fn what_is_said_on_a_connection_that_was_never_used_is_nobodys_answer() {
    let said = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    for steps in [vec![Wait, say(said), Finish, Signal, Hold], vec![Wait, Finish, Signal, Hold]] {
        for method in ["GET", "POST"] {
            let scene = with_an_unused_connection(first(steps.clone())).await;
            scene.origin.go();
            scene.origin.signaled_while_busy();
            let response = scene.transport.request(method, scene.url("/")).await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!((scene.origin.accepted(), scene.origin.requests_starting(method)), (2, 1));
        }
    }
}

#[tokio::test]
async fn an_unused_connection_that_ends_under_a_request_is_a_reused_one() {
    for death in deaths() {
        let script = || first([vec![Head], death.clone()].concat());
        let scene = with_an_unused_connection(script()).await;
        assert_eq!(scene.get().await.unwrap().status(), 200);
        let scene = with_an_unused_connection(script()).await;
        let error = scene.transport.request("POST", scene.url("/")).await.unwrap_err();
        assert!(error.was_sent(), "{error:?}");
        assert_eq!(scene.origin.requests_starting("POST"), 1);
    }
}
