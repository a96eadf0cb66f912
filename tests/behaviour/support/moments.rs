//! Drops futures at every point of their execution.

use std::{future::Future, pin::Pin};

use futures_util::{StreamExt, stream};
use tower_transport::RequestExt;

use super::{scene::Scene, tasks::polled};

/// A request and the reading of its answer.
pub(crate) type Sent = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Drops the future of `send` after its first poll, in another scene after its second, until it completes.
async fn at_every_poll(scene: fn() -> Scene, send: fn(&Scene) -> Sent) {
    for times in 1.. {
        let scene = scene();
        let mut future = send(&scene);
        let is_over = polled(&mut future, times).await.is_some();
        drop(future);
        scene.assert_usable().await;
        if is_over {
            return assert!(times > 1, "it was never dropped");
        }
    }
}

/// Drops it after every other task has run once, twice, and so on.
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
        scene.assert_usable().await;
        if is_over {
            return outcome.unwrap();
        }
    }
}

pub(crate) async fn at_every_moment(scene: fn() -> Scene, send: fn(&Scene) -> Sent) {
    at_every_poll(scene, send).await;
    at_every_turn(scene, send).await;
}

pub(crate) fn get(scene: &Scene) -> Sent {
    let request = scene.transport.request("GET", scene.url("/"));
    Box::pin(async move { assert_eq!(request.await.unwrap().body(), "hello") })
}

pub(crate) fn post(scene: &Scene) -> Sent {
    let chunks = stream::iter(["a", "b", "c"]).then(|chunk| async move {
        tokio::task::yield_now().await;
        Ok::<_, std::io::Error>(chunk)
    });
    let request = scene.transport.request("POST", scene.url("/")).body_stream(chunks);
    Box::pin(async move { assert_eq!(request.await.unwrap().body(), "hello") })
}

/// A request over a connection that has served another.
pub(crate) fn second(scene: &Scene) -> Sent {
    let (first, second) = (get(scene), get(scene));
    Box::pin(async move {
        first.await;
        second.await;
    })
}

/// A request that has to wait until another has read its answer.
pub(crate) fn queued(scene: &Scene) -> Sent {
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
