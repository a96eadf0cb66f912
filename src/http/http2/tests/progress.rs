use futures_util::future::join_all;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tower_service::Service;

use super::peer::{
    CANCEL, END_STREAM, GOAWAY, REFUSED_STREAM, collecting, fed, get, over, pair, poll, post,
    run_ready_tasks, send,
};
use crate::{
    Body,
    connection::{Connection, Progress},
    http::http2::Http2Config,
};

#[tokio::test]
async fn a_request_on_a_connection_that_the_peer_left_comes_back() {
    let (mut connection, peer) = pair().await;
    drop(peer);
    let (_feed, body) = fed();
    let mut request = post(body);
    request.headers_mut().insert("x-mine", "yes".parse().unwrap());
    request.extensions_mut().insert(7_u8);
    // The end of the stream is there to be read, but was not read yet.
    let sending = send(&mut connection, request).await;
    let error = sending.await.unwrap_err();
    assert_eq!(error.progress, Progress::Unsent);
    let request = error.request.unwrap();
    assert_eq!(request.uri(), "https://example.com/");
    assert_eq!(request.headers()["x-mine"], "yes");
    assert_eq!(request.extensions().get::<u8>(), Some(&7));
}

#[tokio::test]
async fn a_body_that_can_be_had_again_does_not_come_back() {
    let (mut connection, peer) = pair().await;
    drop(peer);
    let error = send(&mut connection, post("Hello")).await.await.unwrap_err();
    assert_eq!(error.progress, Progress::Unsent);
    assert!(error.request.is_none());
    assert!(!error.into_error().was_sent());
}

#[tokio::test]
async fn a_request_on_a_closed_connection_comes_back_whole() {
    let (mut connection, peer) = pair().await;
    drop(peer);
    run_ready_tasks().await;
    assert!(!connection.is_open());
    let error = connection.call(post("Hello")).await.unwrap_err();
    assert_eq!(error.progress, Progress::Unsent);
    assert!(error.request.is_some());
}

#[tokio::test]
async fn a_request_that_was_written_and_not_answered_is_unknown() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, get()).await;
    peer.request().await;
    drop(peer);
    let error = sending.await.unwrap_err();
    assert_eq!(error.progress, Progress::Sent);
    let error = error.into_error();
    assert!(error.was_sent() && error.is_io() && !error.is_protocol());
    let expected = "reading the answer of example.com:443: \
                the server closed the connection without an answer";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_refused_stream_was_not_acted_on() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.reset(stream, REFUSED_STREAM).await;
    let error = sending.await.unwrap_err();
    assert_eq!(error.progress, Progress::Refused);
    assert!(error.into_error().cause::<h2::Error>().is_some());
    assert!(connection.is_open());
}

#[tokio::test]
async fn a_refused_request_comes_back_if_nobody_looked_into_its_body() {
    let (mut connection, mut peer) = pair().await;
    peer.settings(&[(4, 0)]).await;
    run_ready_tasks().await;
    let (_feed, body) = fed();
    let sending = send(&mut connection, post(body)).await;
    let stream = peer.request().await;
    peer.reset(stream, REFUSED_STREAM).await;
    let error = sending.await.unwrap_err();
    assert_eq!(error.progress, Progress::Refused);
    assert_eq!(error.request.unwrap().method(), "POST");
}

#[tokio::test]
async fn another_reset_is_an_answer_of_a_kind() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.reset(stream, CANCEL).await;
    let error = sending.await.unwrap_err();
    assert_eq!(error.progress, Progress::Answered);
    assert!(error.into_error().is_protocol());
}

#[tokio::test]
async fn a_refusal_after_an_informational_answer_is_not_believed() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "103")]).await;
    peer.reset(stream, REFUSED_STREAM).await;
    assert_eq!(sending.await.unwrap_err().progress, Progress::Answered);
}

#[tokio::test]
async fn streams_above_the_last_of_a_goaway_were_not_acted_on() {
    let (mut connection, mut peer) = pair().await;
    let first = send(&mut connection, get()).await;
    let second = send(&mut connection, get()).await;
    let (one, _two) = (peer.request().await, peer.request().await);
    peer.goaway(one, 0).await;
    assert_eq!(second.await.unwrap_err().progress, Progress::Refused);
    peer.fields(one, END_STREAM, &[(":status", "200")]).await;
    assert_eq!(first.await.unwrap().status(), 200);
}

#[tokio::test]
async fn streams_that_a_goaway_promised_may_have_been_acted_on() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.goaway(stream, 0).await;
    drop(peer);
    assert_eq!(sending.await.unwrap_err().progress, Progress::Sent);
}

#[tokio::test]
async fn bytes_of_another_protocol_are_an_error_at_once() {
    for bytes in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\x15\x03\x01\x00\x02\x02\x46 garbage"]
    {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        let mut connection = over(TokioIo::new(ours), &Http2Config::new()).await.unwrap();
        theirs.write_all(bytes).await.unwrap();
        let error = connection.call(get()).await.unwrap_err().into_error();
        assert!(error.is_protocol(), "{error:?}");
        assert!(!connection.is_open());
    }
}

#[tokio::test]
async fn an_end_after_the_preface_is_an_error_at_once() {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let mut connection = over(TokioIo::new(ours), &Http2Config::new()).await.unwrap();
    drop(theirs);
    let error = connection.call(get()).await.unwrap_err();
    assert_eq!(error.progress, Progress::Unsent);
    assert!(error.into_error().is_io());
}

#[tokio::test]
async fn the_end_of_the_runtime_is_not_blamed_on_the_peer() {
    let (ours, _theirs) = tokio::io::duplex(1 << 16);
    let (mut tasks, executor) = collecting();
    let runtime = crate::rt::Runtime::new(executor, hyper_util::rt::TokioTimer::new());
    let target = super::peer::target();
    let io = TokioIo::new(ours);
    let config = Http2Config::new();
    let info = crate::connect::ConnectInfo::default().with_encryption();
    let mut connection =
        crate::http::http2::handshake::<_, Body>(io, info, &target, &config, &runtime)
            .await
            .unwrap();
    let mut sending = connection.call(get());
    assert!(poll(&mut sending).await.is_pending());
    drop(tasks.recv().await.unwrap());
    assert!(sending.await.unwrap_err().into_error().is_canceled());
}

#[tokio::test]
async fn one_broken_connection_fails_all_its_requests() {
    let (mut connection, mut peer) = pair().await;
    let mut requests = Vec::new();
    for _ in 0..10 {
        requests.push(send(&mut connection, get()).await);
    }
    peer.request().await;
    peer.io.write_all(&[0xff; 64]).await.unwrap();
    let outcomes = join_all(requests).await;
    assert!(outcomes.into_iter().all(|outcome| outcome.unwrap_err().into_error().is_protocol()));
    peer.next(GOAWAY).await;
}
