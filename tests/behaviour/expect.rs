//! A body that is not sent before the server wants it (RFC 9110 §10.1.1).

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use http::Response;
use tokio::time::Instant;
use tower_transport::{
    Body, Error, RequestExt,
    options::OnInformational,
    options::{ExpectContinue, Timeouts},
};

use crate::support::{
    moments::{Sent, at_every_moment},
    origin::run_ready_tasks,
    scene::Scene,
    scripted::{
        CONTINUE, HELLO, Script,
        Step::{self, Answer, Finish, Head, Hold, Read, Serve, Turn, Wait},
        each, first, say,
    },
};

const REFUSED: &str = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno";

/// A body that knows whether anyone has asked for it.
#[derive(Clone, Default)]
struct Asked(Arc<AtomicBool>);

impl Asked {
    fn body(&self) -> Body {
        let asked = self.clone();
        Body::stream(stream::once(async move {
            asked.0.store(true, Ordering::SeqCst);
            Ok::<_, Infallible>("large")
        }))
    }

    fn yet(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Five bytes, in a chunk and its end.
const CHUNKED: usize = "5\r\nlarge\r\n0\r\n\r\n".len();

/// What the server does after the head of an upload.
fn expecting(steps: impl Into<Vec<Step>>) -> Script {
    first([vec![Head], steps.into()].concat())
}

async fn upload(scene: &Scene, body: impl Into<Body>) -> Result<Response<Bytes>, Error> {
    let request = scene.transport.request("PUT", scene.url("/")).header("expect", "100-continue");
    request.body(body).await
}

/// How long it took until the answer came.
async fn answered_after(scene: &Scene) -> Duration {
    let start = Instant::now();
    assert_eq!(upload(scene, "large").await.unwrap().body(), "hello");
    start.elapsed()
}

/// The answer comes before the body, which nobody then ever looks at.
async fn is_refused(scene: &Scene, status: u16, text: &str) {
    let asked = Asked::default();
    let response = upload(scene, asked.body()).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.body()[..]), (status, text.as_bytes()));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(!asked.yet());
    scene.assert_usable().await;
}

/// The body waits for the 100 of the server.
async fn waits_for_100(scene: Scene) {
    let asked = Asked::default();
    let request = scene.transport.request("PUT", scene.url("/")).body(asked.body());
    let request = request.header("expect", "100-Continue").extension(ExpectContinue::within(None));
    let request = request.timeouts(Timeouts::none());
    let asking = tokio::spawn(request.into_future());
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(!asked.yet());
    scene.origin.go();
    assert_eq!(asking.await.unwrap().unwrap().body(), "hello");
    assert!(asked.yet());
    scene.assert_usable().await;
    assert_eq!(scene.origin.accepted(), 1);
}

fn put(scene: &Scene) -> Sent {
    let request = scene.transport.request("PUT", scene.url("/")).header("expect", "100-continue");
    let request = request.body(Asked::default().body());
    Box::pin(async move { drop(request.await.unwrap()) })
}

#[tokio::test(start_paused = true)]
async fn the_body_waits_until_the_server_wants_it() {
    let steps = [Wait, say(CONTINUE), Read(CHUNKED), say(HELLO), Serve];
    waits_for_100(Scene::memory(expecting(steps))).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_second_without_a_word_the_body_is_sent() {
    let scene = Scene::memory(expecting([Read(5), say(HELLO), Serve]));
    assert_eq!(answered_after(&scene).await, Duration::from_secs(1));
    scene.assert_usable().await;
    assert_eq!(scene.origin.accepted(), 1);
}

#[tokio::test(start_paused = true)]
async fn other_1xx_are_no_reason_to_send_it() {
    let hints = say("HTTP/1.1 103 Early Hints\r\n\r\n");
    let scene = Scene::memory(expecting([hints, Read(5), say(HELLO)]));
    assert_eq!(answered_after(&scene).await, Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_request_may_say_how_long_its_body_waits() {
    let scene = Scene::memory(expecting([Read(5), say(HELLO)]));
    let start = Instant::now();
    let request = scene.transport.request("PUT", scene.url("/")).header("expect", "100-continue");
    let patience = ExpectContinue::within(Duration::from_millis(70));
    request.extension(patience).body("large").await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(70));
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_place_of_100_ends_the_request() {
    let empty = say("HTTP/1.1 204 No Content\r\n\r\n");
    for (answer, status, text) in [(say(REFUSED), 417, "no"), (empty, 204, "")] {
        let scene = Scene::memory(expecting([answer, Hold]));
        is_refused(&scene, status, text).await;
        assert_eq!(scene.origin.accepted(), 2, "a body was promised to the first");
    }
}

#[tokio::test(start_paused = true)]
async fn the_place_of_a_refused_upload_is_free_at_once() {
    let scene = Scene::memory(expecting([say(REFUSED), Hold]));
    let start = Instant::now();
    upload(&scene, "large").await.unwrap();
    scene.get().await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_said_100_gets_the_body_though_the_answer_came_with_it() {
    let both = [CONTINUE, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"].concat();
    let scene = Scene::memory(expecting([say(both), Read(5), say("hello"), Serve]));
    assert_eq!(answered_after(&scene).await, Duration::ZERO);
    scene.assert_usable().await;
    assert_eq!(scene.origin.accepted(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_body_waits_for_nothing() {
    let scene = Scene::memory(expecting([say(HELLO), Serve]));
    assert_eq!(upload(&scene, "").await.unwrap().body(), "hello");
    scene.assert_usable().await;
    assert_eq!(scene.origin.accepted(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_of_http_1_0_gets_the_body_at_once() {
    let old = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n";
    let scene = Scene::memory(first([Head, say(old), Head, Read(5), say(HELLO)]));
    scene.get().await.unwrap();
    assert_eq!(answered_after(&scene).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_sent_again_waits_again() {
    let scene = Scene::memory(each(vec![
        vec![Answer, Head, Finish],
        vec![Head, say(CONTINUE), Read(5), say(HELLO), Serve],
    ]));
    scene.get().await.unwrap();
    assert_eq!(answered_after(&scene).await, Duration::ZERO);
    let expecting = scene.origin.heads().into_iter().filter(|head| head.contains("100-continue"));
    assert_eq!(expecting.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_listener_receives_the_100_that_the_body_waits_for() {
    let scene = Scene::memory(expecting([say(CONTINUE), Read(5), say(HELLO)]));
    let asked = Asked::default();
    let received = asked.clone();
    let listener = OnInformational::new(move |_| received.0.store(true, Ordering::SeqCst));
    let request = scene.transport.request("PUT", scene.url("/")).header("expect", "100-continue");
    request.extension(listener).body("large").await.unwrap();
    assert!(asked.yet());
}

#[tokio::test(start_paused = true)]
async fn an_upload_dropped_at_any_moment_leaves_nothing_behind() {
    at_every_moment(|| Scene::memory(first([Turn, Turn, Serve])), put).await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_is_not_wanted_leaves_nothing_behind_either() {
    at_every_moment(|| Scene::memory(expecting([Turn, Turn, say(HELLO), Hold])), put).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_up_instead_of_an_answer_is_an_error() {
    let scene = Scene::memory(expecting([Finish]));
    let error = upload(&scene, "large").await.unwrap_err();
    assert_eq!(scene.predicates(&error), "io, sent");
    run_ready_tasks().await;
    scene.assert_usable().await;
}

#[cfg(feature = "http2")]
mod http2 {
    use super::*;
    use crate::support::{
        frames::{
            DATA, END_STREAM, HEADERS, NO_ERROR, RST_STREAM, data, goaway, headers, hello, open,
            send,
        },
        scripted::Step::{Frame, ServeHttp2},
    };

    fn expecting(steps: impl Into<Vec<Step>>) -> Scene {
        let steps = [open(), vec![Frame(HEADERS)], steps.into(), vec![ServeHttp2]].concat();
        Scene::http2_in_memory(vec![steps])
    }

    fn proceed() -> Step {
        send(headers(1, 0, &[(":status", "100")]))
    }

    fn refused() -> Step {
        send([headers(1, 0, &[(":status", "417")]), data(1, END_STREAM, "no")].concat())
    }

    #[tokio::test(start_paused = true)]
    async fn the_body_waits_until_the_server_wants_it() {
        waits_for_100(expecting([Wait, proceed(), Frame(DATA), send(hello(1))])).await;
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_second_without_a_word_the_body_is_sent() {
        let scene = expecting([Frame(DATA), send(hello(1))]);
        assert_eq!(answered_after(&scene).await, Duration::from_secs(1));
        scene.assert_usable().await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_in_place_of_100_ends_the_stream_and_no_other() {
        let empty = send(headers(1, END_STREAM, &[(":status", "413")]));
        for (answer, status, text) in [(refused(), 417, "no"), (empty, 413, "")] {
            let scene = expecting([answer, Frame(RST_STREAM)]);
            is_refused(&scene, status, text).await;
            let data = format!("frame {DATA} on 1");
            assert_eq!((scene.origin.accepted(), scene.origin.requests_starting(&data)), (1, 0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_was_held_back_is_there_for_the_next_try() {
        let leaves = [open(), vec![Frame(HEADERS), send(goaway(0, NO_ERROR)), Hold]].concat();
        let stays = [open(), vec![Frame(HEADERS), proceed(), Frame(DATA), send(hello(1))]].concat();
        let scene = Scene::http2_in_memory(vec![leaves, stays]);
        let asked = Asked::default();
        assert_eq!(upload(&scene, asked.body()).await.unwrap().body(), "hello");
        assert!(asked.yet());
    }

    #[tokio::test(start_paused = true)]
    async fn who_said_100_gets_the_body_though_the_answer_came_with_it() {
        let head = headers(1, 0, &[(":status", "200")]);
        let both = [headers(1, 0, &[(":status", "100")]), head].concat();
        let end = send(data(1, END_STREAM, "hello"));
        let scene = expecting([send(both), Frame(DATA), end]);
        assert_eq!(answered_after(&scene).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_dropped_at_any_moment_leaves_nothing_behind() {
        at_every_moment(|| Scene::http2_in_memory(vec![]), put).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_is_not_wanted_leaves_nothing_behind_either() {
        at_every_moment(|| expecting([Turn, Turn, send(hello(1))]), put).await;
    }
}
