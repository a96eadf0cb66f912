//! One HTTP/2 connection, frame by frame, seen from the transport.

use http::Version;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower_transport::{
    RequestExt, Transport,
    connect::{ConnectInfo, MemoryConnector},
};

use super::script::rows;
use crate::support::{given_runtime, origin::run_ready_tasks};

/// No limit to the streams.
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// `:status: 200`, `content-type: plain/text`, without the number of the stream.
const HEAD: &[u8] = b"\x88\x5f\x87\xae\x81\x9a\xa6\x12\x5f\x29";

const RST_STREAM_1: &[u8] = b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08";

/// The last stream is 1, or none at all.
const GOAWAY_1: &[u8] = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\0";
const GOAWAY_5: &[u8] = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x05\0\0\0\0";
const GOAWAY_0: &[u8] = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0";

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    [&[0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream], payload].concat()
}

fn head(stream: u8) -> Vec<u8> {
    frame(1, 4, stream, HEAD)
}

fn whole(stream: u8) -> Vec<u8> {
    [head(stream), frame(0, 1, stream, b"Hello, world!")].concat()
}

/// Answers the requests of each connection one after the other with these bytes.
fn http2(connections: Vec<Vec<Vec<u8>>>) -> Transport {
    let (connector, mut listener) = MemoryConnector::pair();
    tokio::spawn(async move {
        for answers in connections {
            let Some((io, _)) = listener.accept().await else { return };
            tokio::spawn(answer(io, answers));
        }
    });
    given_runtime::transport().connector(connector).http2_prior_knowledge().build().unwrap()
}

async fn answer(mut io: DuplexStream, answers: Vec<Vec<u8>>) -> std::io::Result<()> {
    io.read_exact(&mut [0; 24]).await?;
    io.write_all(SETTINGS).await?;
    for answer in answers {
        while read_frame(&mut io).await? != 1 {}
        io.write_all(&answer).await?;
    }
    super::script::read_to_end(io).await
}

/// Reads a frame, and says of which kind it was.
async fn read_frame(io: &mut DuplexStream) -> std::io::Result<u8> {
    let mut head = [0; 9];
    io.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    io.read_exact(&mut vec![0; length as usize]).await?;
    Ok(head[3])
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
    let goodbye = [whole(1), GOAWAY_1.to_vec()].concat();
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
    let goodbye = [whole(5), GOAWAY_5.to_vec()].concat();
    let transport = http2(vec![vec![whole(1), whole(3), goodbye], vec![whole(1), whole(3)]]);
    for (stream, turn) in [(1, 1), (3, 2), (5, 3), (1, 1), (3, 2)] {
        assert_eq!(stream_and_turn(&transport).await, (Some(stream), turn));
        run_ready_tasks().await;
    }
    // The stream that GOAWAY leaves out is not the one of the answer.
    let transport = http2(vec![vec![whole(1), GOAWAY_1.to_vec()], vec![whole(1)]]);
    for turn in [(Some(1), 1), (Some(1), 1)] {
        assert_eq!(stream_and_turn(&transport).await, turn);
    }
    assert_eq!(transport.stats().opened, 2);
    let without_content = frame(1, 5, 1, HEAD);
    assert_eq!(stream_and_turn(&http2(vec![vec![without_content]])).await, (Some(1), 1));
}

#[tokio::test]
async fn a_stream_that_is_reset_costs_no_connection() {
    let reset = [head(1), RST_STREAM_1.to_vec()].concat();
    let transport = http2(vec![vec![reset, whole(3)]]);
    let error = transport.request("GET", "http://example.com/").await.unwrap_err();
    assert!(error.is_protocol() && error.was_sent(), "{error:?}");
    let response = transport.request("GET", "http://example.com/").await.unwrap();
    assert_eq!((response.body().len(), transport.stats().opened), (13, 1));
}

#[tokio::test]
async fn a_request_that_goaway_leaves_out_is_sent_again() {
    let transport = http2(vec![vec![GOAWAY_0.to_vec()], vec![whole(1)]]);
    let response = transport.request("POST", "http://example.com/").body("once").await.unwrap();
    assert_eq!((response.body().len(), transport.stats().opened), (13, 2));
}

#[tokio::test]
async fn an_answer_that_goaway_leaves_out_is_no_answer() {
    let denied = [head(1), GOAWAY_0.to_vec()].concat();
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
