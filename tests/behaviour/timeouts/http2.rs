//! The same over HTTP/2, where a timeout costs one stream.

use tower_transport::{Body, RequestExt, options::Timeouts};

use super::{READ, WRITE, dictated, failure, predicates_of, seconds, sleep, timed, upload};
use crate::support::{
    frames::{
        ACK, END_STREAM, HEADERS, PING, RST_STREAM, WINDOW_UPDATE, data, frame, headers, hello,
        open, send, settings,
    },
    origin::run_ready_tasks,
    scene::Scene,
    scripted::Step::{self, Frame, Hold, Pause, Read, ServeHttp2, Signal},
};

const OK: &[(&str, &str)] = &[(":status", "200")];

/// The first connection sees the beginning of a request and then this, the others are good ones.
fn scene(steps: impl Into<Vec<Step>>) -> Scene {
    Scene::http2_in_memory(vec![[open(), vec![Frame(HEADERS)], steps.into()].concat()])
}

/// Whoever asks whether it is still there is answered, and all requests from then on.
fn recovers() -> Vec<Step> {
    vec![Frame(PING), send(frame(PING, ACK, 0, &[0; 8])), ServeHttp2]
}

fn room(bytes: u32) -> Step {
    let room = |stream| frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes());
    send([room(0), room(1)].concat())
}

/// A scene whose peer makes room for so many bytes of a body, and goes on like this.
fn narrow(window: u32, steps: impl Into<Vec<Step>>) -> Scene {
    let narrow = vec![Read(24), send(settings(&[(4, window)])), Frame(HEADERS)];
    Scene::http2_in_memory(vec![[narrow, steps.into()].concat()])
}

/// Which frames the peer has seen on the first stream.
fn was_reset(scene: &Scene) -> bool {
    scene.origin.heads().contains(&format!("frame {RST_STREAM} on 1"))
}

/// The stream was reset, the peer was asked whether it is there, and it goes on over the same connection.
async fn cost_a_stream(scene: &Scene) {
    run_ready_tasks().await;
    scene.assert_usable().await;
    let pings = scene.origin.requests_starting(&format!("frame {PING} on 0"));
    assert_eq!((was_reset(scene), pings, scene.origin.accepted()), (true, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_is_a_read_timeout_after_thirty_seconds() {
    let scene = scene(recovers());
    let get = scene.transport.request("GET", scene.url("/"));
    assert_eq!(predicates_of(&scene, get).await, failure(READ, "timeout, sent", 30));
    cost_a_stream(&scene).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_any_more_is_given_no_further_request() {
    let scene = scene([Hold]);
    assert_eq!(predicates_of(&scene, scene.get()).await.0, READ);
    let (outcome, seconds) = timed(scene.assert_usable()).await;
    assert_eq!((outcome, seconds, scene.origin.accepted()), ((), 0, 2));
}

#[tokio::test(start_paused = true)]
async fn the_other_streams_live_on() {
    let scene = scene([Signal, Frame(HEADERS), Pause(10), send(hello(3)), ServeHttp2]);
    let short = Timeouts::default().read(seconds(5));
    let stalled = scene.transport.request("GET", scene.url("/")).timeouts(short);
    let other = async {
        scene.origin.signaled().await;
        timed(scene.transport.request("GET", scene.url("/other"))).await
    };
    let (stalled, other) = tokio::join!(predicates_of(&scene, stalled), other);
    assert_eq!(stalled, failure(READ, "timeout, sent", 5));
    assert_eq!((other.0.unwrap().body(), other.1), (&"hello".into(), 10));
    scene.assert_usable().await;
    assert_eq!((was_reset(&scene), scene.origin.accepted()), (true, 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_midway_is_a_read_timeout_of_the_body() {
    let beginning = [headers(1, 0, OK), data(1, 0, "hel")].concat();
    let scene = scene([vec![send(beginning)], recovers()].concat());
    let mut body = scene.transport.stream("GET", scene.url("/")).await.unwrap().into_body();
    assert_eq!(body.chunk().await.unwrap().unwrap(), "hel");
    let (phase, predicates, seconds) = predicates_of(&scene, body.chunk()).await;
    assert_eq!((phase, &*predicates), (READ, "timeout, sent"));
    assert!((30..=38).contains(&seconds), "{seconds} s");
    assert_eq!(body.chunk().await.unwrap(), None);
    cost_a_stream(&scene).await;
}

#[tokio::test(start_paused = true)]
async fn any_frame_of_a_stream_begins_the_wait_anew() {
    let mut steps = vec![send(headers(1, 0, OK))];
    for text in ["he", "l", "lo"] {
        steps.extend([Pause(25), send(data(1, 0, text))]);
    }
    let scene = scene([steps, vec![send(data(1, END_STREAM, "")), ServeHttp2]].concat());
    assert_eq!(scene.get().await.unwrap().body(), "hello");
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_reads_slowly_is_no_timeout() {
    let beginning = [headers(1, 0, OK), data(1, 0, "hello")].concat();
    let rest = data(1, END_STREAM, "hello");
    let scene = scene([send(beginning), Pause(120), send(rest), ServeHttp2]);
    let mut body = scene.transport.stream("GET", scene.url("/")).await.unwrap().into_body();
    assert_eq!(body.chunk().await.unwrap().unwrap(), "hello");
    sleep(seconds(100)).await;
    assert_eq!(body.read().await.unwrap(), "hello");
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_for_which_the_peer_makes_room_slowly_but_steadily_is_no_timeout() {
    let steps: Vec<_> = (0..9).flat_map(|_| [Pause(25), room(1000)]).collect();
    let scene = narrow(1000, [steps, vec![ServeHttp2]].concat());
    let (response, seconds) = timed(upload(&scene, vec![0; 10_000])).await;
    assert_eq!((response.unwrap().body(), seconds), (&"hello".into(), 225));
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_the_socket_takes_slowly_but_steadily_is_no_timeout() {
    let mut steps = vec![room(1 << 24), Pause(1)];
    (0..8).for_each(|_| steps.extend([Pause(25), Read(20_000)]));
    let scene = narrow(1 << 24, [steps, vec![send(hello(1)), Hold]].concat());
    let (response, seconds) = timed(upload(&scene, vec![0; 200_000])).await;
    assert_eq!((response.unwrap().body(), seconds), (&"hello".into(), 201));
}

#[tokio::test(start_paused = true)]
async fn a_window_that_is_not_opened_any_more_is_a_write_timeout() {
    let scene = narrow(1000, [vec![Pause(10), room(1000)], recovers()].concat());
    let (phase, predicates, seconds) = predicates_of(&scene, upload(&scene, vec![0; 10_000])).await;
    assert_eq!((phase, &*predicates), (WRITE, "timeout, sent"));
    assert!((40..=48).contains(&seconds), "{seconds} s");
    cost_a_stream(&scene).await;
}

/// A connection on which a response of this status begins at once, and ends after 350 s.
fn answered_early(status: &str) -> Scene {
    let beginning = [headers(1, 0, &[(":status", status)]), data(1, 0, "too")].concat();
    scene([send(beginning), Pause(350), send(data(1, END_STREAM, " slow")), Hold])
}

#[tokio::test(start_paused = true)]
async fn an_early_success_may_wait_for_the_callers_body() {
    let scene = answered_early("200");
    let (response, seconds) = timed(upload(&scene, dictated(9, 100))).await;
    assert_eq!((response.unwrap().body(), seconds), (&"too slow".into(), 350));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_stops_midway_is_a_read_timeout_although_the_callers_body_is_pending() {
    let scene = answered_early("413");
    let (phase, predicates, seconds) =
        predicates_of(&scene, upload(&scene, dictated(9, 100))).await;
    assert_eq!((phase, &*predicates), (READ, "timeout, sent"));
    assert!((30..=38).contains(&seconds), "{seconds} s");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_makes_the_body_slowly_is_no_timeout() {
    let scene = scene([ServeHttp2]);
    let (response, seconds) = timed(upload(&scene, dictated(3, 100))).await;
    assert_eq!((response.unwrap().body(), seconds), (&"hello".into(), 400));
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn an_early_answer_that_stops_midway_is_a_read_timeout_whatever_the_upload_does() {
    let beginning = [headers(1, 0, OK), data(1, 0, "too")].concat();
    let scene = narrow(1000, [vec![send(beginning)], recovers()].concat());
    let (phase, predicates, seconds) = predicates_of(&scene, upload(&scene, vec![0; 10_000])).await;
    assert_eq!((phase, &*predicates), (READ, "timeout, sent"));
    assert!((30..=38).contains(&seconds), "{seconds} s");
    cost_a_stream(&scene).await;
}

#[tokio::test(start_paused = true)]
async fn an_early_answer_waits_for_a_caller_who_is_still_speaking() {
    let rest = data(1, END_STREAM, "hello");
    let scene = scene([send(headers(1, 0, OK)), Pause(100), send(rest), ServeHttp2]);
    let silent = Body::stream(futures_util::stream::pending::<Result<&str, std::io::Error>>());
    assert_eq!(upload(&scene, silent).into_future().await.unwrap().body(), "hello");
}

#[tokio::test(start_paused = true)]
async fn the_total_resets_the_stream() {
    let total = Timeouts::none().total(seconds(10));
    let scene = scene(recovers());
    let get = scene.transport.request("GET", scene.url("/")).timeouts(total);
    assert_eq!(predicates_of(&scene, get).await.2, 10);
    cost_a_stream(&scene).await;
}

#[tokio::test(start_paused = true)]
async fn the_total_of_a_body_resets_the_stream() {
    let total = Timeouts::none().total(seconds(10));
    let scene = scene([vec![send(headers(1, 0, OK))], recovers()].concat());
    let get = scene.transport.stream("GET", scene.url("/")).timeouts(total);
    let mut body = get.await.unwrap().into_body();
    assert_eq!(predicates_of(&scene, body.chunk()).await.2, 10);
    cost_a_stream(&scene).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_is_ended_if_that_is_asked_for() {
    let drips = (0..100).flat_map(|_| [Pause(1), send(data(1, 0, "."))]);
    let scene = scene([send(headers(1, 0, OK))].into_iter().chain(drips).collect::<Vec<_>>());
    let least = Timeouts::default().min_throughput(10, seconds(10));
    let get = scene.transport.request("GET", scene.url("/")).timeouts(least);
    let (phase, _, seconds) = predicates_of(&scene, get).await;
    assert_eq!(phase, READ);
    assert!((10..=13).contains(&seconds), "{seconds} s");
}
