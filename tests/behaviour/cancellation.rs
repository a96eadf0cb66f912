//! A request that is dropped at any moment leaves nothing behind.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

use futures_util::{FutureExt, StreamExt, stream};
use tower::ServiceExt;
use tower_transport::RequestExt;

use crate::support::{
    scene::Scene,
    scripted::{
        Script,
        Step::{Head, Serve, Turn},
        first, say,
    },
};

/// A request and the reading of its answer.
type Sent = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Polls a future to its end, or so often; and says whether it came to its end.
async fn polled(future: &mut Sent, times: usize) -> bool {
    let mut left = times;
    poll_fn(|cx| {
        left -= 1;
        match future.poll_unpin(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Drops what `send` does after its first poll, in another scene after its second, until it comes to its end.
async fn at_every_poll(scene: fn() -> Scene, send: fn(&Scene) -> Sent) {
    for times in 1.. {
        let scene = scene();
        let mut future = send(&scene);
        let is_over = polled(&mut future, times).await;
        drop(future);
        scene.goes_on().await;
        if is_over {
            return assert!(times > 1, "it was never dropped");
        }
    }
}

/// Drops it after every other task has had one turn, two turns, and so on.
async fn at_every_turn(scene: fn() -> Scene, send: fn(&Scene) -> Sent) {
    for turns in 1.. {
        let scene = scene();
        let task = tokio::spawn(send(&scene));
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        let is_over = task.is_finished();
        task.abort();
        let outcome = task.await;
        scene.goes_on().await;
        if is_over {
            return outcome.unwrap();
        }
    }
}

async fn at_every_moment(scene: fn() -> Scene, send: fn(&Scene) -> Sent) {
    at_every_poll(scene, send).await;
    at_every_turn(scene, send).await;
}

fn get(scene: &Scene) -> Sent {
    let request = scene.transport.request("GET", scene.url("/"));
    Box::pin(async move { assert_eq!(request.await.unwrap().body(), "hello") })
}

fn post(scene: &Scene) -> Sent {
    let chunks = stream::iter(["a", "b", "c"]).then(|chunk| async move {
        tokio::task::yield_now().await;
        Ok::<_, std::io::Error>(chunk)
    });
    let request = scene.transport.request("POST", scene.url("/")).body_stream(chunks);
    Box::pin(async move { assert_eq!(request.await.unwrap().body(), "hello") })
}

/// A request over a connection that has served one.
fn second(scene: &Scene) -> Sent {
    let (first, second) = (get(scene), get(scene));
    Box::pin(async move {
        first.await;
        second.await;
    })
}

/// A request that has to wait until another has read its answer.
fn queued(scene: &Scene) -> Sent {
    let (other, mine) = (scene.transport.stream("GET", scene.url("/")), get(scene));
    Box::pin(async move {
        let mut other = other.await.unwrap().into_body();
        let reading = async move {
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            other.read().await.unwrap();
        };
        tokio::join!(mine, reading);
    })
}

/// An answer that comes in pieces.
fn piecemeal() -> Script {
    let pieces = ["HTTP/1.1 20", "0 OK\r\nContent-", "Length: 5\r\n\r\n", "he", "l", "lo"];
    let steps = pieces.into_iter().flat_map(|piece| [Turn, Turn, Turn, say(piece)]);
    first([Head].into_iter().chain(steps).chain([Serve]).collect::<Vec<_>>())
}

fn http1() -> Scene {
    Scene::memory(piecemeal())
}

/// Connections that take their time.
fn slow() -> Scene {
    Scene::memory_over(piecemeal(), |connector| {
        tower::service_fn(move |target| {
            let connector = connector.clone();
            async move {
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                connector.oneshot(target).await
            }
        })
    })
}

#[tokio::test(start_paused = true)]
async fn a_request_over_http1_leaves_nothing_behind() {
    at_every_moment(http1, get).await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_over_http1_leaves_nothing_behind() {
    at_every_moment(http1, post).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_over_a_reused_connection_leaves_nothing_behind() {
    at_every_moment(http1, second).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_in_line_leaves_nothing_behind() {
    at_every_moment(http1, queued).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_a_dial_leaves_nothing_behind() {
    at_every_moment(slow, get).await;
}

#[cfg(feature = "http2")]
mod http2 {
    use super::*;
    use crate::support::{
        frames::{END_STREAM, HEADERS, data, headers, open, send, settings},
        scripted::Step::{Frame, ServeHttp2},
    };

    /// An answer that comes in pieces.
    fn http2() -> Scene {
        let pieces = [
            settings(&[]),
            headers(1, 0, &[(":status", "200")]),
            data(1, 0, "he"),
            data(1, 0, "llo"),
            data(1, END_STREAM, ""),
        ];
        let steps = pieces.into_iter().flat_map(|piece| [Turn, Turn, Turn, send(piece)]);
        let steps = open().into_iter().chain([Frame(HEADERS)]).chain(steps).chain([ServeHttp2]);
        Scene::http2_in_memory(vec![steps.collect()])
    }

    /// A server that allows one request at a time.
    fn one_stream() -> Scene {
        let steps = open().into_iter().chain([send(settings(&[(3, 1)])), ServeHttp2]);
        Scene::http2_in_memory(vec![steps.collect()])
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_over_http2_leaves_nothing_behind() {
        at_every_moment(http2, get).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_over_http2_leaves_nothing_behind() {
        at_every_moment(one_stream, post).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_over_a_shared_connection_leaves_nothing_behind() {
        at_every_moment(http2, second).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_line_for_a_stream_leaves_nothing_behind() {
        at_every_moment(one_stream, queued).await;
    }
}
