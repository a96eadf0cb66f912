//! Connections and streams that stop speaking HTTP: they count until they are closed.

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_transport::{RequestExt, Transport, upgrade::upgrade};

use crate::support::{
    origin::settle,
    scene::Scene,
    scripted::{
        Step::{Drain, Head},
        first, say,
    },
};

const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: custom\r\n\r\nearly";
const TUNNEL: &str = "HTTP/1.1 200 OK\r\n\r\nearly";

/// What a transport of one connection shows while that speaks something else.
const TAKEN: &str = "Transport [requests: 1 active, 0 queued | connections: 1 active, 0 idle]";

/// Somebody waits for the connection, and has it when the other has gone.
async fn is_counted(transport: &Transport, url: String, bytes: impl Send) {
    assert_eq!(transport.to_string(), TAKEN);
    let next = tokio::spawn(transport.request("GET", url).into_future());
    settle().await;
    assert_eq!(transport.stats().queued, 1);
    drop(bytes);
    assert_eq!(next.await.unwrap().unwrap().body(), "hello");
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_counts_until_its_bytes_are_dropped() {
    let scene = Scene::memory(first([Head, say(SWITCH), Drain]));
    let request = scene.transport.request("GET", scene.url("/"));
    let response =
        request.header("connection", "upgrade").header("upgrade", "custom").await.unwrap();
    let mut io = TokioIo::new(upgrade(response).await.unwrap());
    let mut early = [0; 5];
    io.read_exact(&mut early).await.unwrap();
    assert_eq!(&early, b"early");
    is_counted(&scene.transport, scene.url("/"), io).await;
}

#[tokio::test(start_paused = true)]
async fn hypers_own_upgrade_counts_as_well() {
    let scene = Scene::memory(first([Head, say(SWITCH), Drain]));
    let request = scene.transport.stream("GET", scene.url("/"));
    let response =
        request.header("connection", "upgrade").header("upgrade", "custom").await.unwrap();
    let mut io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let mut early = [0; 5];
    io.read_exact(&mut early).await.unwrap();
    assert_eq!(&early, b"early");
    is_counted(&scene.transport, scene.url("/"), io).await;
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_counts_until_its_bytes_are_dropped() {
    let scene = Scene::memory(first([Head, say(TUNNEL), Drain]));
    let response = scene.transport.request("CONNECT", scene.url("")).await.unwrap();
    assert!(scene.origin.heads()[0].starts_with("CONNECT origin.example:80 HTTP/1.1\r\n"));
    let mut io = TokioIo::new(upgrade(response).await.unwrap());
    io.write_all(b"ping").await.unwrap();
    let mut early = [0; 5];
    io.read_exact(&mut early).await.unwrap();
    assert_eq!(&early, b"early");
    is_counted(&scene.transport, scene.url("/"), io).await;
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_nobody_takes_frees_its_place() {
    let scene = Scene::memory(first([Head, say(TUNNEL), Drain]));
    let response = scene.transport.request("CONNECT", scene.url("")).await.unwrap();
    is_counted(&scene.transport, scene.url("/"), response).await;
}

#[cfg(feature = "http2")]
mod http2 {
    use super::*;
    use crate::support::{
        frames::{HEADERS, PREFACE, data, headers, send, settings},
        scripted::Step::{Frame, Read, ServeHttp2},
    };

    /// One stream at once, of which the first is a tunnel.
    fn tunnel() -> Scene {
        let opened = [headers(1, 0, &[(":status", "200")]), data(1, 0, "early")].concat();
        Scene::http2_in_memory(vec![vec![
            Read(PREFACE),
            send(settings(&[(3, 1)])),
            Frame(HEADERS),
            send(opened),
            ServeHttp2,
        ]])
    }

    #[tokio::test(start_paused = true)]
    async fn a_tunnel_counts_as_a_stream_until_its_bytes_are_dropped() {
        let scene = tunnel();
        let response = scene.transport.stream("CONNECT", scene.url("")).await.unwrap();
        let mut io = TokioIo::new(upgrade(response).await.unwrap());
        let mut early = [0; 5];
        io.read_exact(&mut early).await.unwrap();
        assert_eq!(&early, b"early");
        is_counted(&scene.transport, scene.url("/"), io).await;
        assert_eq!(scene.origin.accepted(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_tunnel_counts_though_the_empty_body_of_its_answer_was_read() {
        let scene = tunnel();
        let response = scene.transport.request("CONNECT", scene.url("")).await.unwrap();
        assert!(response.body().is_empty());
        let io = upgrade(response.map(|_| ())).await.unwrap();
        is_counted(&scene.transport, scene.url("/"), io).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_tunnel_that_nobody_takes_frees_its_stream() {
        let scene = tunnel();
        let response = scene.transport.request("CONNECT", scene.url("")).await.unwrap();
        is_counted(&scene.transport, scene.url("/"), response).await;
    }
}
