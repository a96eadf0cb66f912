//! A request that is dropped at any moment leaves nothing behind.

use tower::ServiceExt;

use crate::support::{
    moments::{at_every_moment, get, post, queued, second},
    scene::Scene,
    scripted::{
        Script,
        Step::{Head, Serve, Turn},
        first, say,
    },
};

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
