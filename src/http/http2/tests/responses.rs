use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use tower_service::Service;

use super::peer::{
    CANCEL, END_STREAM, NO_ERROR, RST_STREAM, WINDOW_UPDATE, get, pair, poll, run_ready_tasks,
    seconds, send, silent_pair, text, wait,
};
use crate::{
    Body, Error,
    connection::Connection,
    http::{http2::Http2Config, http2::body::Http2Body},
};

#[tokio::test]
async fn an_answer_is_read_to_its_end() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "200"), ("content-length", "5")]).await;
    peer.data(stream, 0, "Hel").await;
    peer.data(stream, END_STREAM, "lo").await;
    let response = sending.await.unwrap();
    assert_eq!(response.body().size_hint().exact(), Some(5));
    assert_eq!(text(response).await.unwrap(), "Hello");
}

#[tokio::test]
async fn the_connection_says_that_it_speaks_http2() {
    let (connection, _peer) = pair().await;
    assert_eq!(connection.info().unwrap().version(), Some(http::Version::HTTP_2));
}

#[tokio::test]
async fn the_body_is_at_its_end_with_the_last_chunk() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "200")]).await;
    peer.data(stream, END_STREAM, "all").await;
    let mut body = sending.await.unwrap().into_body();
    run_ready_tasks().await;
    assert!(!body.is_end_stream());
    frame(&mut body).await.unwrap().unwrap();
    assert!(body.is_end_stream());
    assert_eq!(connection.conn.state().active(), 0);
}

#[tokio::test]
async fn trailers_of_a_response_are_read() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "200")]).await;
    peer.data(stream, 0, "all").await;
    peer.fields(stream, END_STREAM, &[("x-sum", "7")]).await;
    let body = http_body_util::BodyExt::collect(sending.await.unwrap().into_body()).await.unwrap();
    assert_eq!(body.trailers().unwrap()["x-sum"], "7");
}

#[tokio::test]
async fn the_answer_to_head_has_no_content_whatever_its_length_says() {
    let (mut connection, mut peer) = pair().await;
    let request = http::Request::head("https://example.com/").body(Body::empty()).unwrap();
    let sending = send(&mut connection, request).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "200"), ("content-length", "5")]).await;
    peer.data(stream, END_STREAM, "").await;
    let response = sending.await.unwrap();
    assert_eq!(response.headers()["content-length"], "5");
    assert_eq!(text(response).await.unwrap(), "");
}

#[tokio::test]
async fn no_content_and_not_modified_have_none() {
    for status in ["204", "304"] {
        let (mut connection, mut peer) = pair().await;
        let sending = send(&mut connection, get()).await;
        let stream = peer.request().await;
        let fields = [(":status", status), ("content-length", "5")];
        peer.fields(stream, END_STREAM, &fields).await;
        let response = sending.await.unwrap();
        assert!(response.body().is_end_stream());
        assert_eq!(text(response).await.unwrap(), "");
    }
}

#[tokio::test]
async fn any_reset_before_the_end_is_an_error_that_names_the_reason() {
    for (code, reason) in [(NO_ERROR, "not a result of an error"), (CANCEL, "no longer needed")] {
        let (mut connection, mut peer) = pair().await;
        let sending = send(&mut connection, get()).await;
        let stream = peer.request().await;
        peer.fields(stream, 0, &[(":status", "200"), ("content-length", "10")]).await;
        peer.data(stream, 0, "Hello").await;
        peer.reset(stream, code).await;
        let error = text(sending.await.unwrap()).await.unwrap_err();
        assert!(error.is_protocol() && error.was_sent());
        assert_eq!(error.to_string(), "reading the response body from example.com:443");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(reason), "{cause}");
    }
}

#[tokio::test]
async fn a_body_that_failed_is_over() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "200")]).await;
    peer.reset(stream, CANCEL).await;
    let mut body = sending.await.unwrap().into_body();
    run_ready_tasks().await;
    assert!(!body.is_end_stream());
    assert!(frame(&mut body).await.unwrap().is_err());
    assert!(frame(&mut body).await.is_none());
    assert!(body.is_end_stream());
}

#[tokio::test]
async fn a_connection_that_ends_ends_its_bodies_with_an_error() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "200")]).await;
    let response = sending.await.unwrap();
    drop(peer);
    let error = text(response).await.unwrap_err();
    assert!(error.is_io() && error.was_sent());
    assert!(!connection.is_open());
}

#[tokio::test]
async fn the_peer_may_send_as_much_again_as_was_taken() {
    let config = Http2Config::new().stream_window(20_000).connection_window(70_000);
    let (mut connection, mut peer) = silent_pair(&config).await;
    peer.settings(&[]).await;
    peer.settled().await;
    // The smaller window counts once the peer has agreed to it.
    peer.frame(super::peer::SETTINGS, super::peer::ACK, 0, &[]).await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "200")]).await;
    peer.data(stream, 0, &"x".repeat(15_000)).await;
    let mut body = Body::new(sending.await.unwrap().into_body());
    let before = peer.settled().await;
    assert!(before.iter().all(|frame| frame.kind != WINDOW_UPDATE || frame.stream == 0));
    body.chunk().await.unwrap();
    assert_eq!(peer.next(WINDOW_UPDATE).await.stream, stream);
}

#[tokio::test]
async fn an_answer_that_nobody_reads_stalls_no_other() {
    let (mut connection, mut peer) = pair().await;
    let unread = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "200")]).await;
    let _unread = unread.await.unwrap();
    let chunk = "x".repeat(16_384);
    for _ in 0..200 {
        peer.data(stream, 0, &chunk).await;
        run_ready_tasks().await;
    }
    let sending = send(&mut connection, get()).await;
    let other = peer.request().await;
    peer.answer(other, "204").await;
    assert_eq!(sending.await.unwrap().status(), 204);
}

#[tokio::test]
async fn a_dropped_body_resets_its_stream_and_no_other() {
    let (mut connection, mut peer) = pair().await;
    let first = send(&mut connection, get()).await;
    let second = send(&mut connection, get()).await;
    let (one, two) = (peer.request().await, peer.request().await);
    peer.fields(one, 0, &[(":status", "200")]).await;
    drop(first.await.unwrap());
    let reset = peer.next(RST_STREAM).await;
    assert_eq!((reset.stream, reset.code()), (one, CANCEL));
    peer.answer(two, "200").await;
    assert_eq!(second.await.unwrap().status(), 200);
}

#[tokio::test]
async fn informational_answers_are_passed_over() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    for _ in 0..64 {
        peer.fields(stream, 0, &[(":status", "103")]).await;
    }
    peer.answer(stream, "200").await;
    assert_eq!(sending.await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn the_connection_is_closed_politely_after_its_last_handle() {
    let (connection, mut peer) = pair().await;
    drop(connection);
    assert_eq!(peer.next(super::peer::GOAWAY).await.code(), NO_ERROR);
    assert_eq!(peer.read().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_body_outlives_the_last_handle() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "200")]).await;
    let response = sending.await.unwrap();
    drop(connection);
    tokio::time::advance(seconds(10)).await;
    peer.data(stream, END_STREAM, "late").await;
    assert_eq!(text(response).await.unwrap(), "late");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_does_not_keep_the_connection_open() {
    let (ours, theirs) = tokio::io::duplex(64);
    let io = hyper_util::rt::TokioIo::new(ours);
    let connection = super::peer::over::<Body>(io, &Http2Config::new()).await.unwrap();
    let pool = super::peer::RecordingPool::by(&connection);
    drop(connection);
    run_ready_tasks().await;
    assert!(!pool.is_closed());
    wait(Duration::from_millis(2100)).await;
    assert!(pool.is_closed());
    drop(theirs);
}

#[tokio::test]
async fn a_request_waits_for_its_answer_as_long_as_it_takes() {
    let (mut connection, mut peer) = pair().await;
    let mut sending = send(&mut connection, get()).await;
    peer.settled().await;
    assert!(poll(&mut sending).await.is_pending());
}

#[tokio::test]
async fn a_shared_handle_serves_as_well() {
    let (connection, mut peer) = pair().await;
    let mut other = connection.share().unwrap();
    drop(connection);
    let sending = other.call(get());
    let answering = async {
        let stream = peer.request().await;
        peer.answer(stream, "200").await;
    };
    let (outcome, ()) = tokio::join!(sending, answering);
    assert_eq!(outcome.unwrap().status(), 200);
}

async fn frame(body: &mut Http2Body) -> Option<Result<Frame<Bytes>, Error>> {
    std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
}
