//! HTTP/1.1 in bad weather: what each fault is called, and that the next request works.

use tower_transport::{RequestExt, Transport, connect::StaticResolver};

use crate::support::{
    hosts,
    scene::{Scene, predicates},
    scripted::{
        Script,
        Step::{Finish, Head, Hold, Read, Reset},
        first, say,
    },
};

/// What a GET comes to, as a table says it, when the first connection sees `script`.
async fn fault(script: Script) -> String {
    let scene = Scene::tcp(script);
    let outcome = match scene.get().await {
        Err(error) => scene.predicates(&error),
        Ok(response) => {
            let body = String::from_utf8_lossy(response.body());
            format!("{} {body}", response.status().as_u16())
        }
    };
    scene.assert_usable().await;
    assert!(
        scene.origin.requests_starting("GET / ") <= 1,
        "what fails on a fresh connection is final"
    );
    outcome
}

/// What it comes to when the server answers with `answer` and hangs up.
async fn answered(answer: &str) -> String {
    fault(first([Head, say(answer), Finish])).await
}

/// The same for many answers with one outcome.
async fn all(answers: &[&str], outcome: &str) {
    for answer in answers {
        assert_eq!(answered(answer).await, outcome, "{:?}", &answer[..answer.len().min(100)]);
    }
}

#[tokio::test]
async fn an_end_before_the_head_is_an_io_error_and_one_inside_is_truncation() {
    all(&[""], "io, sent").await;
    let answers = ["HTTP/1.1 20", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Le"];
    all(&answers, "protocol, sent").await;
}

#[tokio::test]
async fn an_end_inside_the_body_is_truncation() {
    let answers = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ];
    all(&answers, "io, protocol, sent").await;
}

#[tokio::test]
async fn a_reset_is_an_io_error_wherever_it_comes() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\n\r\nhel",
    ] {
        let outcome = fault(first([Head, say(answer), Reset])).await;
        assert_eq!(outcome, "io, sent", "{answer:?}");
    }
    assert_eq!(fault(first([Read(1), Reset])).await, "io, sent");
}

#[tokio::test]
async fn a_server_that_lets_go_as_soon_as_it_accepts_is_an_error_that_names_it() {
    // Whether the request or the end is first is for the kernel to say.
    for steps in [vec![], vec![Finish], vec![Reset]] {
        let outcome = fault(first(steps)).await;
        let possible = ["io, sent", "io, canceled", "connect, io"];
        assert!(possible.contains(&&*outcome), "{outcome}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_a_protocol_error() {
    let answers = [
        "Wait, this isn't valid HTTP!\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01",
        "220 mail.example ESMTP\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 99 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nName : 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ];
    all(&answers, "protocol, sent").await;
}

#[tokio::test]
async fn a_body_with_two_ends_or_a_doubtful_one_is_a_protocol_error() {
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: xchunked",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        all(&[&answer], "protocol, sent").await;
    }
}

#[tokio::test]
async fn broken_chunks_are_a_protocol_error() {
    for chunks in [
        "-5\r\nhello",
        "g\r\nhello",
        "5hello",
        "fffffffffffffffff\r\nhello",
        "5\r\nhelloX\r\n0\r\n\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        all(&[&answer], "io, protocol, sent").await;
    }
}

#[tokio::test]
async fn what_has_no_end_is_a_protocol_error() {
    let head = format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(1_000_000));
    let line = format!("HTTP/1.1 200 {}", "x".repeat(3_000_000));
    let informational = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1_000_000);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let trailers = format!("{chunked}0\r\n{}", "X: y\r\n".repeat(1_000_000));
    let extension = format!("{chunked}5;{}", "x".repeat(3_000_000));
    all(&[&head, &line], "protocol, sent").await;
    all(&[&informational, &trailers, &extension], "io, protocol, sent").await;
}

#[tokio::test]
async fn surplus_bytes_are_nobodys_answer() {
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    for (head, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 hello"),
        ("HTTP/1.1 204 No Content\r\n\r\n", "204 "),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 40\r\n\r\n", "304 "),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "200 "),
    ] {
        let outcome = fault(first([Head, say(format!("{head}{evil}")), Hold])).await;
        assert_eq!(outcome, expected);
    }
}

#[tokio::test]
async fn the_body_of_a_head_is_nobodys_answer() {
    let scene = Scene::tcp(first([
        Head,
        say("HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
        Hold,
    ]));
    let response = scene.transport.request("HEAD", scene.url("/")).await.unwrap();
    assert_eq!((response.status().as_u16(), response.body().len()), (200, 0));
    scene.assert_usable().await;
}

#[tokio::test]
async fn nobody_at_the_port_is_a_connect_error() {
    let (_bound, port) = hosts::refusing("127.0.0.1");
    let error =
        Transport::new().request("GET", format!("http://127.0.0.1:{port}/")).await.unwrap_err();
    assert_eq!(predicates(&error), "connect, io");
    assert_eq!(error.to_string(), format!("connecting to 127.0.0.1:{port}"));
}

#[tokio::test]
async fn a_host_that_cannot_be_resolved_is_a_dns_error() {
    let transport = Transport::builder().resolver(StaticResolver::new()).build().unwrap();
    let error = transport.request("GET", "http://nowhere.example/").await.unwrap_err();
    assert_eq!(predicates(&error), "connect, dns");
    assert!(error.to_string().contains("nowhere.example"), "{error}");
}
