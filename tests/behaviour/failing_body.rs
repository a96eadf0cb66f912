//! A body that fails, and can be had again: it would fail again.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::{StreamExt, future::join_all, stream};
use tower_transport::{Body, RequestExt};

use crate::support::{
    scene::Scene,
    scripted::{
        Step::{Answer, Drain},
        each,
    },
};

/// Fails at once, or after some chunks. Counts how often it was made.
fn failing(made: &Arc<AtomicUsize>, chunks: usize) -> Body {
    let made = made.clone();
    Body::again(move || {
        made.fetch_add(1, Ordering::SeqCst);
        let fails = stream::once(async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            Err(std::io::Error::other("the disk is gone"))
        });
        Body::stream(stream::iter(vec!["hello"; chunks]).map(Ok).chain(fails))
    })
}

async fn put(scene: &Scene, chunks: usize) -> usize {
    let made = Arc::default();
    let put = scene.transport.request("PUT", scene.url("/")).body(failing(&made, chunks));
    assert!(put.await.unwrap_err().is_body());
    made.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_body_that_fails_is_made_once_and_costs_no_other_connection() {
    for chunks in [0, 1] {
        let answers = each(vec![vec![Answer, Drain]; 6]);
        let scene = Scene::memory_with(answers, |builder| builder.max_connections(6));
        for got in join_all((0..5).map(|_| scene.get())).await {
            got.unwrap();
        }
        assert_eq!(put(&scene, chunks).await, 1);
        assert!(scene.transport.stats().idle_connections() >= 4);
        assert_eq!(scene.origin.accepted(), 5);
    }
}

#[cfg(feature = "http2")]
#[tokio::test]
async fn a_body_that_fails_is_made_once_over_http2() {
    use crate::support::{
        frames::{HEADERS, hello, open, send},
        scripted::Step::{Frame, Hold},
    };
    for chunks in [0, 1] {
        let steps = vec![Frame(HEADERS), send(hello(1)), Frame(HEADERS), Hold];
        let scene = Scene::http2_in_memory(vec![[open(), steps].concat()]);
        scene.get().await.unwrap();
        assert_eq!(put(&scene, chunks).await, 1);
    }
}
