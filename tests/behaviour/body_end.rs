//! What becomes of the connection when a body is read to its end, dropped before, or fails.

use std::time::Duration;

use tower_transport::RequestExt;

use crate::support::{
    scene::{Scene, wait_idle},
    scripted::{
        Step::{self, Finish, Head, Hold, Serve, Wait},
        first, say,
    },
};

/// The head of an answer with a body of this length, or in chunks.
fn head(length: impl Into<Option<usize>>) -> String {
    match length.into() {
        Some(length) => format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"),
        None => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
    }
}

fn chunk(length: usize) -> String {
    format!("{length:x}\r\n{}\r\n", "x".repeat(length))
}

/// How many connections two requests need, if the body of the first answer is dropped unread.
async fn needed_after_dropping(mut steps: Vec<Step>) -> usize {
    steps.insert(0, Head);
    let scene = Scene::memory(first(steps));
    drop(scene.transport.stream("GET", scene.url("/")).await.unwrap());
    scene.assert_usable().await;
    scene.origin.accepted()
}

#[tokio::test(start_paused = true)]
async fn a_small_rest_is_read_away_and_the_connection_kept() {
    let small = "x".repeat(1 << 20);
    for steps in [
        vec![say(head(1 << 20)), say(&*small), Serve],
        vec![say(head(5)), say("hello"), Serve],
        vec![say(head(None)), say(chunk(5)), say(chunk(1 << 19)), say("0\r\n\r\n"), Serve],
    ] {
        assert_eq!(needed_after_dropping(steps).await, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_rest_costs_the_connection() {
    for steps in [
        vec![say(head((1 << 20) + 1)), say("x".repeat(1000)), Hold],
        vec![say(head(None)), say(chunk(1 << 20)), say(chunk(1)), Hold],
    ] {
        let before = tokio::time::Instant::now();
        assert_eq!(needed_after_dropping(steps).await, 2);
        assert!(before.elapsed().is_zero(), "nobody waits for a rest that is not wanted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rest_that_does_not_come_within_two_seconds_costs_the_connection() {
    for steps in [vec![say(head(5)), say("hell"), Hold], vec![say(head(None)), Hold]] {
        let scene = Scene::memory(first([vec![Head], steps].concat()));
        drop(scene.transport.stream("GET", scene.url("/")).await.unwrap());
        tokio::time::sleep(Duration::from_millis(1990)).await;
        assert_eq!(scene.transport.stats().active, 1);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(scene.transport.stats().connections.is_empty());
        scene.assert_usable().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rest_that_comes_late_but_in_time_keeps_the_connection() {
    let scene = Scene::memory(first([Head, say(head(5)), say("hell"), Wait, say("o"), Serve]));
    drop(scene.transport.stream("GET", scene.url("/")).await.unwrap());
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.origin.go();
    scene.assert_usable().await;
    assert_eq!(scene.origin.accepted(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_in_line_gets_the_connection_when_the_rest_is_read_away() {
    let scene = Scene::memory(first([Head, say(head(5)), Wait, say("hello"), Serve]));
    drop(scene.transport.stream("GET", scene.url("/")).await.unwrap());
    scene.origin.go();
    let response = scene.transport.request("GET", scene.url("/next")).await.unwrap();
    assert_eq!((response.body(), scene.origin.accepted()), (&"hello".into(), 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_midway_costs_the_connection() {
    let scene = Scene::memory(first([Head, say(head(5)), say("hell"), Finish]));
    let mut body = scene.transport.stream("GET", scene.url("/")).await.unwrap().into_body();
    assert_eq!(body.chunk().await.unwrap().unwrap(), "hell");
    assert_eq!(scene.predicates(&body.chunk().await.unwrap_err()), "io, protocol, sent");
    // The body is still there, and holds nothing.
    scene.assert_usable().await;
    assert_eq!(scene.origin.accepted(), 2);
    drop(body);
}

#[tokio::test(start_paused = true)]
async fn a_rest_that_fails_costs_the_connection() {
    assert_eq!(needed_after_dropping(vec![say(head(5)), say("hell"), Finish]).await, 2);
    assert_eq!(needed_after_dropping(vec![say(head(None)), say("nonsense"), Hold]).await, 2);
}

#[tokio::test(start_paused = true)]
async fn the_last_byte_gives_the_connection_back_though_the_body_is_kept() {
    for steps in [
        vec![Head, say(head(5)), say("hello"), Serve],
        vec![Head, say(head(None)), say(chunk(5)), say("0\r\n\r\n"), Serve],
    ] {
        let scene = Scene::memory(first(steps));
        let mut body = scene.transport.stream("GET", scene.url("/")).await.unwrap().into_body();
        while body.chunk().await.unwrap().is_some() {}
        scene.assert_usable().await;
        assert_eq!(scene.origin.accepted(), 1);
        drop(body);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_body_gives_the_connection_back_at_once() {
    for (method, answer) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let scene = Scene::memory(first([Head, say(answer), Serve]));
        let kept = scene.transport.stream(method, scene.url("/")).await.unwrap();
        wait_idle(&scene.transport).await;
        scene.assert_usable().await;
        assert_eq!(scene.origin.accepted(), 1, "{answer}");
        drop(kept);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_only_the_end_delimits_ends_the_connection() {
    let scene = Scene::memory(first([Head, say("HTTP/1.1 200 OK\r\n\r\nhello"), Finish]));
    assert_eq!(scene.get().await.unwrap().body(), "hello");
    scene.assert_usable().await;
    assert_eq!(scene.origin.accepted(), 2);
}
