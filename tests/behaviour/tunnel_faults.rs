//! Proxies in bad weather: what each fault of a tunnel is called, and that nothing is left of it.

use std::time::Duration;

use tokio::time::Instant;
use tower_transport::{
    Error, RequestExt,
    options::{Protocols, Timeouts},
    proxy::Proxy,
};

use crate::support::{
    net::{Behavior, Net},
    proxy::{proxy, tunneling},
    scene::{Scene, predicates, wait_idle},
    scripted::{
        Step::{self, Drain, Finish, Head, Hold, Signal},
        say,
    },
};

/// How errors of tunnels name the proxy.
const PROXY: &str = "http://proxy.example:8080";

/// What a GET comes to when the first connection sees these steps. The error names both ends, and the next GET is fine.
async fn fault(steps: impl Into<Vec<Step>>) -> Error {
    let scene = Scene::tunnel(steps);
    let error = scene.get().await.unwrap_err();
    names_both(&scene, &error);
    scene.assert_usable().await;
    assert_eq!(
        scene.origin.requests_starting("GET / "),
        0,
        "nothing of the request is sent to a proxy"
    );
    error
}

fn names_both(scene: &Scene, error: &Error) {
    let text = error.to_string();
    assert!(text.contains(&scene.host) && text.contains(PROXY), "{text}");
    assert!(error.is_proxy() && error.is_connect() && !error.was_sent(), "{error:?}");
}

/// What a refusal is called. The connection is closed after it.
async fn refused(answer: &str) -> Error {
    let scene = Scene::tunnel([Head, say(answer), Drain, Signal]);
    let error = scene.get().await.unwrap_err();
    names_both(&scene, &error);
    assert_eq!(predicates(&error), "connect", "{answer}");
    let before = Instant::now();
    scene.origin.signaled().await;
    // One that wants to know who we are may be asked again.
    let is_closed = before.elapsed() < Duration::from_secs(1);
    assert!(is_closed || answer.contains(" 407 "), "the connection is kept: {answer}");
    scene.assert_usable().await;
    error
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_reported_with_status_fields_and_body() {
    for (line, status) in [
        ("301 Moved Permanently\r\nLocation: http://origin.example/", 301),
        ("304 Not Modified", 304),
        ("400 Bad Request", 400),
        ("403 Forbidden", 403),
        ("407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"", 407),
        ("407 Proxy Authentication Required", 407),
        ("500 ", 500),
        ("502 Bad Gateway", 502),
        ("503 Service Unavailable\r\nRetry-After: 5", 503),
        ("599 Odd", 599),
    ] {
        let answer = format!("HTTP/1.1 {line}\r\nX-Why: because\r\nContent-Length: 4\r\n\r\nevil");
        let error = refused(&answer).await;
        assert_eq!(error.proxy_status().unwrap().as_u16(), status);
        assert_eq!(error.proxy_headers().unwrap()["x-why"], "because");
        let body = if status == 304 { "" } else { "evil" };
        assert_eq!(error.proxy_body().unwrap(), body, "{line}");
        assert!(error.to_string().contains(&status.to_string()), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_reported_however_its_body_ends() {
    for (framing, body) in [
        ("Transfer-Encoding: chunked", "4\r\nevil\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "4\r\nevil\r\nno chunk"),
        ("Content-Length: 4", "evil and more"),
        ("Content-Length: 5", "evil"),
        ("Connection: close", "evil"),
        ("Connection: close\r\nContent-Length: 4", "evil"),
    ] {
        let answer = format!("HTTP/1.1 403 Forbidden\r\n{framing}\r\n\r\n{body}");
        let error = fault([Head, say(answer), Finish, Drain]).await;
        assert_eq!(error.proxy_body().unwrap(), "evil", "{framing} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_without_an_end_is_reported_with_64_kib_of_it() {
    let endless = say("x".repeat(300_000));
    let answer = say("HTTP/1.1 403 Forbidden\r\n\r\n");
    let error = fault([Head, answer, endless, Hold]).await;
    assert_eq!(error.proxy_body().unwrap().len(), 64 * 1024);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_does_not_come_to_its_end_is_reported_within_a_second() {
    let before = Instant::now();
    let answer = say("HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nbegin");
    let error = fault([Head, answer, Hold]).await;
    assert_eq!(error.proxy_body().unwrap(), "begin");
    assert_eq!(before.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_refusal_is_shown_as_text_of_the_error() {
    let error =
        refused("HTTP/1.1 403 Forbidden\r\nSet-Cookie: secret=1\r\nContent-Length: 4\r\n\r\nevil");
    let error = error.await;
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("secret") && !shown.contains("evil"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn passwords_are_in_no_error() {
    for steps in [vec![Head, say("HTTP/1.1 407 No\r\n\r\n")], vec![Head], vec![]] {
        let proxy = tunneling("http://user:hunter2@proxy.example:8080");
        let error = Scene::tunnel_through(proxy, vec![steps]).get().await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("dXNlcjpodW50ZXIy"), "{shown}");
        assert!(shown.contains("http://***@proxy.example:8080"), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_in_place_of_an_answer_is_an_error() {
    for answer in ["", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nVia"] {
        let error = fault([Head, say(answer), Finish, Drain]).await;
        let expected = if answer.is_empty() { "connect, io" } else { "connect, protocol" };
        assert_eq!(predicates(&error), expected, "{answer:?} {error:?}");
        assert_eq!(error.proxy_status(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_lets_go_at_once_is_an_error() {
    fault([]).await;
    fault([Step::Read(1)]).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_answer_is_a_protocol_error() {
    for answer in [
        "Wait, this isn't valid HTTP!\r\n\r\n",
        "\x05\x00",
        "\x16\x03\x01\x02\x00\x01\x00\x01",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 99 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ] {
        let error = fault([Head, say(answer), Hold]).await;
        assert_eq!(predicates(&error), "connect, protocol", "{answer:?} {error:?}");
        assert_eq!(error.proxy_status(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_an_end_is_a_protocol_error() {
    for answer in [
        format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(1_000_000)),
        format!("HTTP/1.1 200 {}", "x".repeat(3_000_000)),
        "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1_000_000),
    ] {
        let error = fault([Head, say(answer), Hold]).await;
        assert!(error.is_protocol(), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_with_the_connect_timeout_which_names_both_ends() {
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n";
    for steps in [
        vec![Hold],
        vec![Head, Hold],
        vec![Head, say("HTTP/1.1 20"), Hold],
        vec![Head, say(hints), Hold],
    ] {
        let timeouts = Timeouts::none().connect(Duration::from_secs(3));
        let settings = |builder: tower_transport::transport::TransportBuilder| {
            builder.proxy(proxy()).timeouts(timeouts)
        };
        let scene = Scene::tunnel_with(vec![steps], settings);
        let before = Instant::now();
        let error = scene.get().await.unwrap_err();
        assert_eq!(predicates(&error), "timeout, connect");
        let text = error.to_string();
        assert!(text.contains(&scene.host) && text.contains(PROXY), "{text}");
        assert_eq!(before.elapsed().as_secs(), 3);
        scene.assert_usable().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_cannot_be_reached_is_named() {
    let net = Net::new();
    net.plain("origin.example:80", Behavior::Serve);
    for proxy in [proxy(), proxy().protocols(Protocols::Http2PriorKnowledge)] {
        let transport = net.transport().max_connections(1).proxy(proxy).build().unwrap();
        let error = transport.request("GET", "http://origin.example/").await.unwrap_err();
        assert_eq!((predicates(&error).as_str(), error.is_proxy()), ("connect, io", true));
        assert!(error.to_string().contains(PROXY), "{error}");
        wait_idle(&transport).await;
    }
}

/// Over TCP, because memory has no resets.
#[tokio::test]
async fn a_reset_is_an_io_error_wherever_it_comes() {
    for steps in [
        vec![Step::Read(1), Step::Reset],
        vec![Head, Step::Reset],
        vec![Head, say("HTTP/1.1 200 OK\r\n"), Step::Reset],
    ] {
        let scripts = crate::support::proxy::each_tunnel(vec![steps]);
        let scene = Scene::tcp(scripts);
        let error = scene.get_through_its_own_port().await.unwrap_err();
        assert!(error.is_proxy() && error.is_connect() && error.is_io(), "{error:?}");
        assert!(!error.was_sent());
        wait_idle(&scene.transport).await;
        assert_eq!(scene.get_through_its_own_port().await.unwrap().body(), "hello");
    }
}

/// What comes of a refusal by a proxy that speaks HTTP/2.
async fn http2_fault(steps: Vec<Step>) -> Error {
    let proxy: Proxy = proxy().protocols(Protocols::Http2PriorKnowledge);
    let script = Box::new(move |_| steps.clone());
    let scene = Scene::memory_with(script, |builder| builder.proxy(proxy));
    let error = scene.get().await.unwrap_err();
    names_both(&scene, &error);
    wait_idle(&scene.transport).await;
    error
}

mod http2 {
    use super::*;
    use crate::support::{
        frames::{
            DATA, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, INTERNAL_ERROR, data, frame, goaway,
            headers, open, reset, send,
        },
        scripted::Step::Frame,
    };

    /// What comes of these frames in answer to a CONNECT.
    async fn answered(frames: Vec<u8>) -> Error {
        http2_fault([open(), vec![Frame(HEADERS), send(frames), Hold]].concat()).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_reported_with_its_body() {
        let head = headers(1, 0, &[(":status", "403"), ("x-why", "because")]);
        let error = answered([head, data(1, END_STREAM, "evil")].concat()).await;
        assert_eq!(error.proxy_status().unwrap().as_u16(), 403);
        assert_eq!(error.proxy_headers().unwrap()["x-why"], "because");
        assert_eq!(error.proxy_body().unwrap(), "evil");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reset_stream_or_a_closed_connection_is_an_error() {
        for frames in [
            reset(1, INTERNAL_ERROR),
            goaway(0, ENHANCE_YOUR_CALM),
            headers(1, 0, &[("status", "200")]),
            frame(DATA, 0, 1, b"data before the head"),
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        ] {
            let error = answered(frames.clone()).await;
            assert_eq!(error.proxy_status(), None, "{frames:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_of_http1_is_an_error() {
        let steps = vec![Step::Read(24), say("HTTP/1.1 400 Bad Request\r\n\r\n"), Finish, Drain];
        http2_fault(steps).await;
    }
}
