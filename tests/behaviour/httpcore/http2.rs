//! One HTTP/2 connection, frame by frame, seen from the transport.

use http::Version;
use tokio::io::AsyncWriteExt;
use tower_transport::{
    RequestExt, Transport,
    connect::{ConnectInfo, MemoryConnector},
};

use super::script::{playing, rows};
use crate::support::{
    frames::{
        CANCEL, END_HEADERS, END_STREAM, HEADERS, NO_ERROR, data, frame, goaway, open, reset, send,
    },
    given_runtime,
    origin::run_ready_tasks,
    scripted::Step,
};

/// `:status: 200`, `content-type: plain/text`.
const HEAD: &[u8] = b"\x88\x5f\x87\xae\x81\x9a\xa6\x12\x5f\x29";

fn head(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, HEAD)
}

fn whole(stream: u32) -> Vec<u8> {
    [head(stream), data(stream, END_STREAM, "Hello, world!")].concat()
}

/// Answers the requests of each connection one after the other with these bytes.
fn http2(connections: Vec<Vec<Vec<u8>>>) -> Transport {
    let scripts = connections.into_iter().map(|answers| {
        let answers = answers.into_iter().flat_map(|answer| [Step::Frame(HEADERS), send(answer)]);
        open().into_iter().chain(answers).collect()
    });
    let builder = given_runtime::transport().connector(playing(scripts.collect()));
    builder.http2_prior_knowledge().build().unwrap()
}

#[tokio::test]
async fn requests_one_after_the_other_share_a_connection() {
    let transport = http2(vec![vec![whole(1), whole(3)]]);
    for served in [1, 2] {
        let response = transport.request("GET", "http://example.com/").await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        assert_eq!(response.body(), "Hello, world!");
        run_ready_tasks().await;
        assert_eq!(rows(&transport), [format!("example.com:80 HTTP/2.0 Idle {served}")]);
    }
}

#[tokio::test]
async fn after_goaway_the_next_request_has_a_connection_of_its_own() {
    let goodbye = [whole(1), goaway(1, NO_ERROR)].concat();
    let transport = http2(vec![vec![goodbye], vec![whole(1)]]);
    for _ in 0..2 {
        let response = transport.request("GET", "http://example.com/").await.unwrap();
        assert_eq!(response.body(), "Hello, world!");
    }
    run_ready_tasks().await;
    assert_eq!(rows(&transport), ["example.com:80 HTTP/2.0 Idle 1"]);
}

/// The stream of the response to a GET, and which request of its connection it was.
async fn stream_and_turn(transport: &Transport) -> (Option<u32>, u64) {
    let response = transport.request("GET", "http://example.com/").await.unwrap();
    let info = ConnectInfo::of(&response).unwrap();
    (info.stream_id(), info.served())
}

#[tokio::test]
async fn each_response_says_its_stream() {
    let goodbye = [whole(5), goaway(5, NO_ERROR)].concat();
    let transport = http2(vec![vec![whole(1), whole(3), goodbye], vec![whole(1), whole(3)]]);
    for (stream, turn) in [(1, 1), (3, 2), (5, 3), (1, 1), (3, 2)] {
        assert_eq!(stream_and_turn(&transport).await, (Some(stream), turn));
        run_ready_tasks().await;
    }
    // The stream that GOAWAY leaves out is not the one of the answer.
    let transport = http2(vec![vec![whole(1), goaway(1, NO_ERROR)], vec![whole(1)]]);
    for turn in [(Some(1), 1), (Some(1), 1)] {
        assert_eq!(stream_and_turn(&transport).await, turn);
    }
    assert_eq!(transport.stats().opened, 2);
    let without_content = frame(HEADERS, END_HEADERS | END_STREAM, 1, HEAD);
    assert_eq!(stream_and_turn(&http2(vec![vec![without_content]])).await, (Some(1), 1));
}

#[tokio::test]
async fn a_stream_that_is_reset_costs_no_connection() {
    let cut = [head(1), reset(1, CANCEL)].concat();
    let transport = http2(vec![vec![cut, whole(3)]]);
    let error = transport.request("GET", "http://example.com/").await.unwrap_err();
    assert!(error.is_protocol() && error.was_sent(), "{error:?}");
    let response = transport.request("GET", "http://example.com/").await.unwrap();
    assert_eq!((response.body().len(), transport.stats().opened), (13, 1));
}

#[tokio::test]
async fn a_request_that_goaway_leaves_out_is_sent_again() {
    let transport = http2(vec![vec![goaway(0, NO_ERROR)], vec![whole(1)]]);
    let response = transport.request("POST", "http://example.com/").body("once").await.unwrap();
    assert_eq!((response.body().len(), transport.stats().opened), (13, 2));
}

#[tokio::test]
async fn an_answer_that_goaway_leaves_out_is_no_answer() {
    let denied = [head(1), goaway(0, NO_ERROR)].concat();
    let transport = http2(vec![vec![denied]]);
    let error = transport.request("GET", "http://example.com/").await.unwrap_err();
    assert!(error.is_protocol() && error.was_sent(), "{error:?}");
}

#[tokio::test]
async fn bytes_of_another_protocol_are_a_protocol_error() {
    let (connector, mut listener) = MemoryConnector::pair();
    let builder = given_runtime::transport().connector(connector);
    let transport = builder.http2_prior_knowledge().build().unwrap();
    tokio::spawn(async move {
        while let Some((mut io, _)) = listener.accept().await {
            io.write_all(b"Wait, this isn't valid HTTP!").await.unwrap();
        }
    });
    let error = transport.request("GET", "http://example.com/").await.unwrap_err();
    assert!(error.is_protocol(), "{error:?}");
    assert_eq!(transport.stats().opened, 1);
}
