//! HTTP/2 in bad weather: what each fault is called, what it costs, and that the next request works.

use futures_util::stream;
use tower_transport::RequestExt;

use crate::support::{
    frames::{
        CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS,
        INTERNAL_ERROR, NO_ERROR, PING, PREFACE, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE,
        REFUSED_STREAM, SETTINGS, WINDOW_UPDATE, answering, data, field, frame, goaway, headers,
        hello, open, reset, send, settings,
    },
    scene::{Scene, wait_idle},
    scripted::{
        Step::{self, Finish, Frame, Hold, Read, Reset, Signal, Wait},
        say,
    },
};

const OK: (&str, &str) = (":status", "200");

/// What a request comes to, as a table says it, and how many connections it and the next one needed.
async fn fault(method: &str, steps: Vec<Step>) -> (String, usize) {
    let scene = Scene::http2(vec![steps]);
    let outcome = match scene.transport.request(method, scene.url("/")).await {
        Err(error) => scene.predicates(&error),
        Ok(response) => String::from_utf8_lossy(response.body()).into_owned(),
    };
    scene.assert_usable().await;
    (outcome, scene.origin.accepted())
}

/// Every one of these answers has this outcome, and the connection is kept.
async fn costs_a_stream(answers: impl IntoIterator<Item = Vec<u8>>, outcome: &str) {
    for (number, answer) in answers.into_iter().enumerate() {
        let fault = fault("POST", answering(answer)).await;
        assert_eq!(fault, (outcome.to_owned(), 1), "answer {number}");
    }
}

/// Every one of these ends the connection, and with it the request: the connection is a fresh one.
async fn costs_the_connection(answers: impl IntoIterator<Item = Vec<u8>>) {
    for (number, answer) in answers.into_iter().enumerate() {
        // Who lets it pass has an answer to show.
        let answer = [answer, hello(1)].concat();
        for method in ["GET", "POST"] {
            let outcome = fault(method, answering(answer.clone())).await;
            assert_eq!(outcome, ("protocol, sent".to_owned(), 2), "answer {number} to a {method}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_reset_costs_only_itself() {
    let reasons = [NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, CANCEL, ENHANCE_YOUR_CALM, 99];
    costs_a_stream(reasons.map(|reason| reset(1, reason)), "protocol, sent").await;
    let inside = |reason| [headers(1, 0, &[OK]), data(1, 0, "hel"), reset(1, reason)].concat();
    costs_a_stream(reasons.map(inside), "protocol, sent").await;
    costs_a_stream([inside(REFUSED_STREAM)], "protocol, sent").await;
}

#[tokio::test]
async fn a_body_that_is_shorter_or_longer_than_it_says_is_an_error() {
    let head = |length| headers(1, 0, &[OK, ("content-length", length)]);
    costs_a_stream(
        [
            [head("10"), data(1, END_STREAM, "hello")].concat(),
            [head("10"), data(1, 0, "hello"), reset(1, NO_ERROR)].concat(),
            [head("4"), data(1, END_STREAM, "hello")].concat(),
            [head("4"), data(1, 0, "hello")].concat(),
            [head("0"), data(1, END_STREAM, "hello")].concat(),
            headers(1, END_STREAM, &[OK, ("content-length", "5")]),
        ],
        "protocol, sent",
    )
    .await;
}

#[tokio::test]
async fn a_malformed_head_is_an_error_of_its_stream() {
    let with = |fields: &[(&str, &str)]| headers(1, END_STREAM, &[&[OK], fields].concat());
    costs_a_stream(
        [
            headers(1, END_STREAM, &[("x", "y")]),
            headers(1, END_STREAM, &[("x", "y"), OK]),
            headers(1, END_STREAM, &[(":status", "101")]),
            with(&[OK]),
            with(&[("connection", "close")]),
            with(&[("transfer-encoding", "chunked")]),
            with(&[("keep-alive", "timeout=5")]),
            with(&[("upgrade", "x")]),
            with(&[("content-length", "0"), ("content-length", "5")]),
            with(&[("content-length", "+0")]),
            with(&[("content-length", "five")]),
        ],
        "protocol, sent",
    )
    .await;
}

#[tokio::test]
async fn what_h2_takes_for_broken_compression_costs_the_connection() {
    let with = |fields: &[(&str, &str)]| headers(1, END_STREAM, &[&[OK], fields].concat());
    costs_the_connection([
        headers(1, END_STREAM, &[(":status", "20")]),
        headers(1, END_STREAM, &[(":status", "abc")]),
        with(&[("x", "a\0b")]),
        with(&[("x", "a\r\nb")]),
        with(&[("Upper", "y")]),
        with(&[(":unknown", "y")]),
        with(&[("two words", "y")]),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 20]),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x80]),
    ])
    .await;
}

#[tokio::test]
async fn a_peer_that_breaks_the_rules_of_frames_costs_the_connection() {
    let promised = [&2_u32.to_be_bytes()[..], &field(":path", "/")].concat();
    costs_the_connection([
        data(0, 0, "hello"),
        data(3, 0, "hello"),
        headers(0, END_STREAM, &[OK]),
        headers(2, END_STREAM, &[OK]),
        headers(3, END_STREAM, &[OK]),
        reset(0, CANCEL),
        frame(SETTINGS, 0, 1, &[]),
        frame(SETTINGS, 0, 0, &[0; 5]),
        frame(SETTINGS, 1, 0, &[0; 6]),
        settings(&[(4, 1 << 31)]),
        settings(&[(5, 0)]),
        settings(&[(5, 16_383)]),
        settings(&[(5, 1 << 24)]),
        frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
        frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
        frame(WINDOW_UPDATE, 0, 0, &[0; 3]),
        frame(WINDOW_UPDATE, 0, 1, &[0; 4]),
        frame(PUSH_PROMISE, END_HEADERS, 1, &promised),
        frame(CONTINUATION, END_HEADERS, 1, &[0x88]),
        [frame(HEADERS, 0, 1, &[0x88]), data(1, END_STREAM, "")].concat(),
        frame(DATA, 8, 1, &[5, 0]),
        frame(DATA, 0, 1, &[0; 16_385]),
        frame(GOAWAY, 0, 1, &[0; 8]),
        frame(GOAWAY, 0, 0, &[0; 7]),
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec(),
    ])
    .await;
}

#[tokio::test]
async fn a_stream_that_is_closed_or_idle_is_not_spoken_on() {
    costs_a_stream(
        [[hello(1), data(1, END_STREAM, "evil")].concat(), [hello(1), hello(1)].concat()],
        "hello",
    )
    .await;
}

#[tokio::test]
async fn unknown_frames_and_settings_and_padding_are_ridden_out() {
    let padded = frame(DATA, END_STREAM | 8, 1, b"\x03hello\0\0\0");
    costs_a_stream(
        [
            [frame(99, 255, 1, b"what"), frame(99, 0, 0, &[]), hello(1)].concat(),
            [settings(&[(99, 7), (3, 1)]), hello(1)].concat(),
            [headers(1, 0, &[OK]), padded].concat(),
            [headers(1, 0, &[(":status", "103"), ("link", "x")]), hello(1)].concat(),
        ],
        "hello",
    )
    .await;
}

#[tokio::test]
async fn floods_are_bounded() {
    let continuation = frame(CONTINUATION, 0, 1, &field("x", &"y".repeat(100)));
    let endless_head = [frame(HEADERS, 0, 1, &[0x88]), continuation.repeat(10_000)].concat();
    costs_the_connection([endless_head]).await;
    let informational = headers(1, 0, &[(":status", "103")]).repeat(10_000);
    costs_a_stream([informational], "protocol, sent").await;
    let empty = [headers(1, 0, &[OK]), data(1, 0, "").repeat(1_000_000)].concat();
    assert_eq!(fault("GET", answering(empty)).await, ("protocol, sent".to_owned(), 2));
}

#[tokio::test]
async fn floods_that_cost_little_are_ridden_out() {
    let floods = [
        settings(&[]).repeat(10_000),
        frame(PING, 0, 0, &[0; 8]).repeat(10_000),
        frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]).repeat(10_000),
    ];
    costs_a_stream(floods.map(|flood| [flood, hello(1)].concat()), "hello").await;
}

#[tokio::test]
async fn an_end_or_a_reset_inside_an_answer_is_an_error() {
    let head = || send(headers(1, 0, &[OK]));
    for steps in [
        vec![Frame(HEADERS), Finish, Hold],
        vec![Frame(HEADERS), Reset],
        vec![Frame(HEADERS), head(), Finish, Hold],
        vec![Frame(HEADERS), head(), Reset],
        vec![Frame(HEADERS), head(), send(data(1, 0, "hel")), Finish, Hold],
        vec![Frame(HEADERS), head(), send(data(1, 0, "hel")), Reset],
    ] {
        let (outcome, accepted) = fault("POST", [open(), steps.clone()].concat()).await;
        // Of a reset inside an answer h2 says now this and now that.
        let is_reset = steps.iter().any(|step| matches!(step, Reset));
        let is_before = !steps.iter().any(|step| matches!(step, Step::Say(_)));
        let expected = outcome == "io, protocol, sent" && !is_before
            || (is_reset || is_before) && outcome == "io, sent";
        assert!(expected && accepted == 2, "{steps:?}: {outcome}");
    }
}

#[tokio::test]
async fn a_get_under_which_a_used_connection_dies_is_sent_again() {
    for (method, expected) in [("GET", "hello"), ("POST", "io, sent")] {
        let steps = vec![Frame(HEADERS), send(hello(1)), Frame(HEADERS), Finish, Hold];
        let scene = Scene::http2(vec![[open(), steps].concat()]);
        scene.get().await.unwrap();
        let outcome = match scene.transport.request(method, scene.url("/")).await {
            Err(error) => scene.predicates(&error),
            Ok(response) => String::from_utf8_lossy(response.body()).into_owned(),
        };
        assert_eq!(outcome, expected);
        scene.assert_usable().await;
        assert_eq!(scene.origin.accepted(), 2);
    }
}

#[tokio::test]
async fn a_server_that_does_not_speak_http2_is_not_asked_for_ever() {
    let answers: [fn() -> Vec<Step>; 4] = [
        || vec![say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), Hold],
        || vec![say("\0\0\0garbage garbage garbage"), Hold],
        || vec![Read(PREFACE), Finish, Hold],
        || vec![Read(PREFACE), Reset],
    ];
    for answer in answers {
        for method in ["GET", "POST"] {
            let scene = Scene::http2(vec![answer(); 2 * TRIES]);
            let error = scene.transport.request(method, scene.url("/")).await.unwrap_err();
            assert!(error.is_protocol() || error.is_io(), "{error:?}");
            assert!(error.to_string().contains(&scene.host), "{error}");
            wait_idle(&scene.transport).await;
            assert!(scene.origin.accepted() <= TRIES + 2);
        }
    }
}

/// How often one request is tried at the most.
const TRIES: usize = 10;

#[tokio::test]
async fn a_refused_stream_is_sent_again_whatever_its_method() {
    for method in ["GET", "POST"] {
        let sent = fault(method, answering(reset(1, REFUSED_STREAM))).await;
        assert_eq!(sent, ("hello".to_owned(), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_refused_for_ever_is_not_sent_for_ever() {
    let refusals = (0..20).flat_map(|n| [Frame(HEADERS), send(reset(2 * n + 1, REFUSED_STREAM))]);
    let scene =
        Scene::http2_in_memory(vec![open().into_iter().chain(refusals).chain([Hold]).collect()]);
    let error = scene.transport.request("POST", scene.url("/")).await.unwrap_err();
    assert_eq!(scene.predicates(&error), "protocol, sent");
    assert_eq!(scene.origin.requests_starting("frame 1 "), TRIES);
}

#[tokio::test]
async fn what_a_goaway_leaves_out_is_sent_again_whatever_its_method() {
    for method in ["GET", "POST"] {
        let outcome = fault(method, answering(goaway(0, NO_ERROR))).await;
        assert_eq!(outcome, ("hello".to_owned(), 2));
    }
}

#[tokio::test]
async fn what_a_goaway_lets_in_is_finished() {
    for last in [1, 0x7fff_ffff] {
        let answer = [goaway(last, NO_ERROR), hello(1)].concat();
        assert_eq!(fault("POST", answering(answer)).await, ("hello".to_owned(), 2));
    }
    let twice = [goaway(0x7fff_ffff, NO_ERROR), goaway(1, NO_ERROR), hello(1)].concat();
    assert_eq!(fault("POST", answering(twice)).await, ("hello".to_owned(), 2));
}

#[tokio::test(start_paused = true)]
async fn a_goaway_for_ever_makes_no_storm() {
    for reason in [NO_ERROR, ENHANCE_YOUR_CALM] {
        let scene = Scene::http2_in_memory(vec![answering(goaway(0, reason)); 100]);
        let error = scene.transport.request("POST", scene.url("/")).await.unwrap_err();
        assert_eq!(scene.predicates(&error), "protocol, sent");
        assert_eq!(scene.origin.accepted(), TRIES);
    }
}

#[tokio::test]
async fn a_goaway_while_idle_costs_nobody_anything() {
    let steps = vec![Frame(HEADERS), send(hello(1)), Wait, send(goaway(1, NO_ERROR)), Signal, Hold];
    let scene = Scene::http2(vec![[open(), steps].concat()]);
    scene.get().await.unwrap();
    scene.origin.go();
    scene.origin.signaled_while_busy();
    let request = scene.transport.request("POST", scene.url("/")).body("once");
    assert_eq!(request.await.unwrap().body(), "hello");
    assert_eq!(scene.origin.accepted(), 2);
}

#[tokio::test]
async fn a_goaway_that_lies_unread_costs_no_upload_that_can_be_had_once() {
    for is_used in [true, false] {
        let last = || send(goaway(u32::from(is_used), NO_ERROR));
        // A server that shuts down gracefully allows every stream first, and says later which was the last (RFC 9113 §6.8).
        for farewell in [send(goaway(i32::MAX as u32, NO_ERROR)), last(), Finish] {
            let answer = vec![Frame(HEADERS), send(hello(1))];
            let answer = if is_used { answer } else { Vec::new() };
            let end = vec![Wait, farewell, Signal, Frame(DATA), last(), Hold];
            let steps = [open(), answer, end].concat();
            let scene = Scene::http2(vec![steps]);
            match is_used {
                true => drop(scene.get().await.unwrap()),
                false => scene.leave_idle().await,
            }
            scene.origin.go();
            scene.origin.signaled_while_busy();
            let chunks = stream::iter([Ok::<_, std::io::Error>("once")]);
            let request = scene.transport.request("POST", scene.url("/")).body_stream(chunks);
            assert_eq!(request.await.unwrap().body(), "hello");
            assert_eq!(scene.origin.accepted(), 2);
        }
    }
}

#[tokio::test]
async fn an_early_answer_to_an_upload_is_delivered() {
    let refusal = || [headers(1, 0, &[(":status", "413")]), data(1, END_STREAM, "too much")];
    for answer in [refusal().concat(), [refusal().concat(), reset(1, NO_ERROR)].concat()] {
        let scene = Scene::http2(vec![answering(answer)]);
        let request = scene.transport.request("POST", scene.url("/")).body(vec![0; 1 << 20]);
        let response = request.await.unwrap();
        assert_eq!((response.status().as_u16(), &response.body()[..]), (413, &b"too much"[..]));
        scene.assert_usable().await;
        assert_eq!(scene.origin.accepted(), 1);
    }
}
