//! How long a request puts up with its peer: which phase, for whom, and what it costs.

use std::{future::IntoFuture, time::Duration};

use bytes::Bytes;
use http::Response;
use tokio::time::{Instant, sleep};
use tower_transport::{Body, Error, RequestExt, error::Phase, options::Timeouts};

use crate::support::{
    scene::{Scene, wait_idle},
    scripted::{
        Step::{self, Answer, Head, Hold, Pause, Read, Serve},
        first, say,
    },
};

#[cfg(feature = "http2")]
mod http2;
mod layers;
#[cfg(all(feature = "http2", feature = "_rustls"))]
mod proxies;
mod throughput;
mod timers;
mod total;

const READ: Option<Phase> = Some(Phase::Read);
const WRITE: Option<Phase> = Some(Phase::Write);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What came of it, and after how many seconds.
async fn timed<T>(future: impl IntoFuture<Output = T>) -> (T, u64) {
    let before = Instant::now();
    let output = future.await;
    (output, before.elapsed().as_secs())
}

/// The phase, the predicates that hold, and the seconds it took.
type Failure = (Option<Phase>, String, u64);

/// What the failure of a request is called.
async fn predicates_of<T: std::fmt::Debug>(
    scene: &Scene,
    request: impl IntoFuture<Output = Result<T, Error>>,
) -> Failure {
    let (outcome, seconds) = timed(request).await;
    let error = outcome.unwrap_err();
    (error.timeout_phase(), scene.predicates(&error), seconds)
}

fn failure(phase: Option<Phase>, predicates: &str, seconds: u64) -> Failure {
    (phase, predicates.to_owned(), seconds)
}

/// A body that says so many words, each after so many seconds.
fn dictated(words: usize, every: u64) -> Body {
    Body::stream(futures_util::stream::unfold(0, move |said| async move {
        sleep(seconds(every)).await;
        (said < words).then_some((Ok::<_, Error>("word"), said + 1))
    }))
}

fn upload(
    scene: &Scene,
    body: impl Into<Body>,
) -> impl IntoFuture<Output = Result<Response<Bytes>, Error>> {
    scene.transport.request("POST", scene.url("/upload")).body(body)
}

/// The head of an answer with a body of this length, and the beginning of that.
fn beginning(length: usize, body: &str) -> Step {
    say(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"))
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_is_a_read_timeout_after_thirty_seconds() {
    let scene = Scene::memory(first([Head, Hold]));
    let get = scene.transport.request("GET", scene.url("/"));
    assert_eq!(predicates_of(&scene, get).await, failure(READ, "timeout, sent", 30));
    scene.assert_usable().await;
    assert_eq!(scene.origin.accepted(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_error_says_what_was_waited_for_and_its_cause_how_long() {
    let scene = Scene::memory(first([Head, Hold]));
    let error = scene.get().await.unwrap_err();
    let doing = format!("waiting for the answer of {}", scene.host);
    assert_eq!(error.to_string(), format!("{doing}: timed out after 30 s (read timeout)"));
    let cause = std::error::Error::source(&error).unwrap();
    assert_eq!(cause.to_string(), "nothing came for 30 s");
}

#[tokio::test(start_paused = true)]
async fn any_byte_of_a_head_begins_the_wait_anew() {
    let bytes = crate::support::scripted::HELLO.chars();
    let dribbled = bytes.flat_map(|byte| [Pause(29), say(byte)]);
    let scene = Scene::memory(first([Head].into_iter().chain(dribbled).collect::<Vec<_>>()));
    let (response, seconds) = timed(scene.get()).await;
    assert_eq!(response.unwrap().body(), "hello");
    assert!(seconds > 1000);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_stops_midway_is_a_read_timeout() {
    let scene = Scene::memory(first([Head, Pause(20), say("HTTP/1.1 20"), Hold]));
    let (phase, predicates, seconds) = predicates_of(&scene, scene.get()).await;
    assert_eq!((phase, &*predicates), (READ, "timeout, sent"));
    assert!((50..=58).contains(&seconds), "{seconds} s");
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_midway_is_a_read_timeout_of_the_body() {
    let scene = Scene::memory(first([Head, beginning(5, "hel"), Hold]));
    let mut body = scene.transport.stream("GET", scene.url("/")).await.unwrap().into_body();
    assert_eq!(body.chunk().await.unwrap().unwrap(), "hel");
    let (phase, predicates, seconds) = predicates_of(&scene, body.chunk()).await;
    assert_eq!((phase, &*predicates), (READ, "timeout, sent"));
    assert!((30..=38).contains(&seconds), "{seconds} s");
    // The body is still there, and holds nothing.
    scene.assert_usable().await;
    assert_eq!(scene.origin.accepted(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_reads_slowly_is_no_timeout() {
    let steps = [Head, beginning(10, "hello"), Pause(120), say("hello"), Serve];
    let scene = Scene::memory(first(steps));
    let mut body = scene.transport.stream("GET", scene.url("/")).await.unwrap().into_body();
    assert_eq!(body.chunk().await.unwrap().unwrap(), "hello");
    sleep(seconds(100)).await;
    assert_eq!(body.read().await.unwrap(), "hello");
    scene.assert_usable().await;
    assert_eq!(scene.origin.accepted(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_begins_to_wait_has_the_whole_time() {
    let scene = Scene::memory(first([Head, beginning(10, "hello"), Hold]));
    let mut body = scene.transport.stream("GET", scene.url("/")).await.unwrap().into_body();
    assert_eq!(body.chunk().await.unwrap().unwrap(), "hello");
    sleep(seconds(100)).await;
    let (phase, _, seconds) = predicates_of(&scene, body.chunk()).await;
    assert_eq!(phase, READ);
    assert!((30..=38).contains(&seconds), "{seconds} s");
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_the_peer_takes_slowly_but_steadily_is_no_timeout() {
    let mut steps = vec![Head];
    (0..6).for_each(|_| steps.extend([Pause(25), Read(20_000)]));
    // The rest is in the pipe, or fits into it.
    steps.extend([Read(80_000), say(crate::support::scripted::HELLO), Serve]);
    let scene = Scene::memory(first(steps));
    let (response, seconds) = timed(upload(&scene, vec![0; 200_000])).await;
    assert_eq!((response.unwrap().body(), seconds), (&"hello".into(), 150));
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_taking_an_upload_is_a_write_timeout() {
    let scene = Scene::memory(first([Head, Pause(10), Read(20_000), Hold]));
    let (phase, predicates, seconds) =
        predicates_of(&scene, upload(&scene, vec![0; 200_000])).await;
    assert_eq!((phase, &*predicates), (WRITE, "timeout, sent"));
    assert!((40..=48).contains(&seconds), "{seconds} s");
    scene.assert_usable().await;
    assert_eq!(scene.origin.accepted(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_at_all_was_sent_nothing() {
    let (connector, mut listener) = tower_transport::connect::MemoryConnector::pair();
    let full = tower::service_fn(move |target| {
        let connector = connector.clone();
        async move {
            use tokio::io::AsyncWriteExt;
            let connected = tower::ServiceExt::oneshot(connector, target).await?;
            let mut stream = connected.io.into_stream();
            stream.write_all(&[0; 64 * 1024]).await?;
            let io = hyper_util::rt::TokioIo::new(stream);
            Ok::<_, tower_transport::error::BoxError>(tower_transport::connect::Connected::new(io))
        }
    });
    let transport = tower_transport::Transport::builder().connector(full).build().unwrap();
    let get = transport.request("GET", "http://origin.example/").into_future();
    let (error, _held) = tokio::join!(get, listener.accept());
    let error = error.unwrap_err();
    assert_eq!((error.timeout_phase(), error.was_sent()), (WRITE, false), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_makes_the_body_slowly_is_no_timeout() {
    let scene = Scene::memory(first([Serve]));
    let (response, seconds) = timed(upload(&scene, dictated(3, 100))).await;
    assert_eq!((response.unwrap().body(), seconds), (&"hello".into(), 400));
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn the_answer_is_waited_for_once_the_body_is_sent() {
    let scene = Scene::memory(first([Head, Hold]));
    let (phase, predicates, seconds) = predicates_of(&scene, upload(&scene, dictated(1, 50))).await;
    assert_eq!((phase, &*predicates), (READ, "timeout, sent"));
    assert!((130..=138).contains(&seconds), "{seconds} s");
}

#[tokio::test(start_paused = true)]
async fn an_early_answer_that_stops_midway_is_a_read_timeout_whatever_the_upload_does() {
    let scene = Scene::memory(first([Head, beginning(8, "too"), Hold]));
    let (phase, predicates, seconds) =
        predicates_of(&scene, upload(&scene, vec![0; 200_000])).await;
    assert_eq!((phase, &*predicates), (READ, "timeout, sent"));
    assert!((30..=38).contains(&seconds), "{seconds} s");
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn an_early_success_may_wait_for_the_callers_body() {
    let scene = Scene::memory(first([Head, beginning(8, "too"), Pause(350), say(" slow"), Hold]));
    let (response, seconds) = timed(upload(&scene, dictated(9, 100))).await;
    assert_eq!((response.unwrap().body(), seconds), (&"too slow".into(), 350));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_stops_midway_is_a_read_timeout_although_the_callers_body_is_pending() {
    let refusal = say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\n\r\ntoo");
    let scene = Scene::memory(first([Head, refusal, Hold]));
    let (phase, predicates, seconds) =
        predicates_of(&scene, upload(&scene, dictated(9, 100))).await;
    assert_eq!((phase, &*predicates), (READ, "timeout, sent"));
    assert!((30..=38).contains(&seconds), "{seconds} s");
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_timed_out_is_not_sent_again() {
    let scene = Scene::memory(first([Answer, Head, Hold]));
    scene.get().await.unwrap();
    assert_eq!(predicates_of(&scene, scene.get()).await, failure(READ, "timeout, sent", 30));
    assert_eq!((scene.origin.requests_starting("GET"), scene.origin.accepted()), (2, 1));
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_may_have_other_timeouts_than_its_transport() {
    let short = Timeouts::default().read(seconds(2)).write(seconds(3));
    let scene = Scene::memory_with(first([Head, Hold]), |builder| builder.timeouts(short));
    assert_eq!(predicates_of(&scene, scene.get()).await.2, 2);

    let scene = Scene::memory(first([Head, Hold]));
    let get = scene.transport.request("GET", scene.url("/")).timeouts(short);
    assert_eq!(predicates_of(&scene, get).await.2, 2);

    let scene = Scene::memory(first([Head, Hold]));
    let post = scene.transport.request("POST", scene.url("/")).timeouts(short);
    let (phase, _, seconds) = predicates_of(&scene, post.body(vec![0; 200_000])).await;
    assert_eq!((phase, seconds), (WRITE, 3));
}

#[tokio::test(start_paused = true)]
async fn without_timeouts_a_request_waits_for_ever() {
    let steps = [Head, Pause(1_000_000), beginning(5, "hel"), Pause(1_000_000), say("lo"), Serve];
    let scene = Scene::memory(first(steps));
    let get = scene.transport.request("GET", scene.url("/")).timeouts(Timeouts::none());
    assert_eq!(get.await.unwrap().body(), "hello");
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_is_bounded_by_nothing() {
    use tokio::io::AsyncReadExt;
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let scene = Scene::memory(first([Head, say(switch), Pause(1000), say("late"), Hold]));
    let request = scene
        .transport
        .stream("GET", scene.url("/"))
        .timeouts(Timeouts::default().total(seconds(100)).min_throughput(1000, seconds(10)));
    let response = request.header("connection", "upgrade").header("upgrade", "x").await.unwrap();
    let upgraded = tower_transport::http::upgrade(response).await.unwrap();
    let mut late = [0; 4];
    hyper_util::rt::TokioIo::new(upgraded).read_exact(&mut late).await.unwrap();
    assert_eq!(&late, b"late");
    wait_idle(&scene.transport).await;
}
