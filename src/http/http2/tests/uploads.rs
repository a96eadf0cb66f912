use std::{future::pending, task::Poll, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http::Request;
use hyper_util::rt::TokioIo;
use tower_service::Service;

use super::peer::{
    CANCEL, DATA, END_STREAM, Frame, HEADERS, NO_ERROR, Peer, RST_STREAM, RecordingPool, fed, get,
    over, pair, poll, post, run_ready_tasks, runtime, seconds, send, silent_pair, text, wait,
};
use crate::{
    Body, Error,
    connection::{Connection, Progress},
    http::http2::Http2Config,
    options::Timeouts,
};

#[tokio::test]
async fn an_early_answer_is_delivered_whole() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, post(vec![7; 1 << 20])).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "413")]).await;
    peer.data(stream, END_STREAM, "too large").await;
    peer.reset(stream, NO_ERROR).await;
    let response = sending.await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(text(response).await.unwrap(), "too large");
    run_ready_tasks().await;
    assert_eq!(connection.conn.state().active(), 0);
}

#[tokio::test]
async fn the_rest_of_a_request_is_sent_while_its_answer_is_read() {
    let (mut connection, mut peer) = pair().await;
    let (feed, body) = fed();
    let sending = send(&mut connection, post(body)).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "200")]).await;
    let mut answer = Body::new(sending.await.unwrap().into_body());
    for word in ["ping", "pong"] {
        feed.send(Ok(Bytes::from(word))).unwrap();
        assert_eq!(peer.next(DATA).await.payload, word);
        peer.data(stream, 0, word).await;
        assert_eq!(answer.chunk().await.unwrap().unwrap(), word);
    }
    drop(feed);
    assert!(peer.next(DATA).await.ends());
}

#[tokio::test]
async fn a_complete_answer_ends_the_request() {
    let (mut connection, mut peer) = pair().await;
    let (feed, body) = fed();
    let sending = send(&mut connection, post(body)).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "200")]).await;
    peer.data(stream, END_STREAM, "enough").await;
    assert_eq!(text(sending.await.unwrap()).await.unwrap(), "enough");
    assert_eq!(peer.next(RST_STREAM).await.code(), NO_ERROR);
    run_ready_tasks().await;
    assert!(feed.is_closed());
}

#[tokio::test]
async fn an_answer_without_content_ends_the_request() {
    let (mut connection, mut peer) = pair().await;
    let (feed, body) = fed();
    let sending = send(&mut connection, post(body)).await;
    let stream = peer.request().await;
    peer.answer(stream, "403").await;
    assert_eq!(sending.await.unwrap().status(), 403);
    assert_eq!(peer.next(RST_STREAM).await.code(), NO_ERROR);
    assert!(feed.is_closed());
}

#[tokio::test]
async fn an_answer_that_is_dropped_cancels_the_rest_of_the_request() {
    let (mut connection, mut peer) = pair().await;
    let (feed, body) = fed();
    let sending = send(&mut connection, post(body)).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "200")]).await;
    drop(sending.await.unwrap());
    assert_eq!(peer.next(RST_STREAM).await.code(), CANCEL);
    run_ready_tasks().await;
    assert!(feed.is_closed());
}

#[tokio::test]
async fn a_body_that_fails_resets_the_stream_and_is_the_error() {
    let (mut connection, mut peer) = pair().await;
    let (feed, body) = fed();
    let sending = send(&mut connection, post(body)).await;
    peer.request().await;
    feed.send(Err(Error::new(crate::error::Kind::Body, "the disk is gone"))).unwrap();
    let error = sending.await.unwrap_err();
    assert_eq!(error.progress, Progress::Sent);
    let error = error.into_error();
    assert!(error.is_body() && error.to_string().ends_with("example.com:443"), "{error}");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the disk is gone");
    assert_eq!(peer.next(RST_STREAM).await.code(), CANCEL);
    assert!(connection.is_open());
}

#[tokio::test]
async fn a_body_that_fails_after_the_head_is_the_error_of_the_answer() {
    let (mut connection, mut peer) = pair().await;
    let (feed, body) = fed();
    let sending = send(&mut connection, post(body)).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "200")]).await;
    let response = sending.await.unwrap();
    feed.send(Err(Error::new(crate::error::Kind::Body, "the disk is gone"))).unwrap();
    assert!(text(response).await.unwrap_err().is_body());
    assert_eq!(peer.next(RST_STREAM).await.code(), CANCEL);
}

#[tokio::test]
async fn no_more_is_sent_than_the_window_holds() {
    let (mut connection, mut peer) = pair().await;
    let mut sending = send(&mut connection, post(vec![7; 200_000])).await;
    let stream = peer.request().await;
    assert!(poll(&mut sending).await.is_pending());
    assert_eq!(content(&peer.settled().await), 65_535);
    peer.open_window(stream, 200_000).await;
    peer.open_window(0, 200_000).await;
    run_ready_tasks().await;
    assert!(poll(&mut sending).await.is_pending());
    assert_eq!(65_535 + content(&peer.settled().await), 200_000);
}

#[tokio::test]
async fn a_window_that_is_never_opened_stalls_no_other_stream() {
    let (mut connection, mut peer) = pair().await;
    let mut stalled = send(&mut connection, post(vec![7; 200_000])).await;
    peer.request().await;
    assert!(poll(&mut stalled).await.is_pending());
    answers(&mut connection, &mut peer).await;
}

#[tokio::test]
async fn a_stream_that_is_reset_while_it_waits_for_a_window_ends() {
    let (mut connection, mut peer) = pair().await;
    let mut sending = send(&mut connection, post(vec![7; 200_000])).await;
    let stream = peer.request().await;
    assert!(poll(&mut sending).await.is_pending());
    peer.settled().await;
    peer.reset(stream, CANCEL).await;
    assert_eq!(sending.await.unwrap_err().progress, Progress::Answered);
}

async fn answers(connection: &mut crate::http::http2::Http2<Body>, peer: &mut Peer) {
    let answering = async {
        let stream = peer.request().await;
        peer.answer(stream, "200").await;
    };
    let (outcome, ()) = tokio::join!(connection.call(get()), answering);
    assert_eq!(outcome.unwrap().status(), 200);
}

fn content(frames: &[Frame]) -> usize {
    frames.iter().filter(|frame| frame.kind == DATA).map(|frame| frame.payload.len()).sum()
}

/// Whether a request has been written; skips other frames.
async fn has_written_a_request(peer: &mut Peer) -> bool {
    peer.settled().await.iter().any(|frame| frame.kind == HEADERS)
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_cannot_be_repeated_waits_for_what_the_peer_allows() {
    let (mut connection, mut peer) = silent_pair(&Http2Config::new()).await;
    let pool = RecordingPool::by(&connection);
    let (bodies, mut uploads): (Vec<_>, Vec<_>) = (0..3).map(|_| fed()).unzip();
    let one = send(&mut connection, post(uploads.pop().unwrap())).await;
    let mut two = send(&mut connection, post(uploads.pop().unwrap())).await;
    wait(Duration::from_millis(900)).await;
    let mut one = one;
    assert!(poll(&mut one).await.is_pending());
    peer.allow_streams(1).await;
    run_ready_tasks().await;
    assert_eq!(pool.streams(), [Some(100), Some(1)]);
    assert!(poll(&mut one).await.is_pending());
    let stream = peer.request().await;
    let Poll::Ready(Err(given_back)) = poll(&mut two).await else { panic!("it is sent") };
    assert!(given_back.lacks_only_a_stream() && given_back.request.is_some());
    assert!(connection.is_open());
    peer.answer(stream, "200").await;
    assert_eq!(one.await.unwrap().status(), 200);
    drop(bodies);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_allows_the_number_assumed_before_its_settings_is_not_waited_for() {
    let (mut connection, mut peer) = silent_pair(&Http2Config::new()).await;
    let pool = RecordingPool::by(&connection);
    let (_feed, body) = fed();
    let mut sending = send(&mut connection, post(body)).await;
    assert!(poll(&mut sending).await.is_pending());
    peer.allow_streams(101).await;
    run_ready_tasks().await;
    assert_eq!(pool.streams(), [Some(100), Some(101)]);
    assert!(poll(&mut sending).await.is_pending());
    assert!(has_written_a_request(&mut peer).await);
}

#[tokio::test(start_paused = true)]
async fn what_can_be_repeated_waits_for_nothing() {
    let (mut connection, mut peer) = silent_pair(&Http2Config::new()).await;
    let _get = send(&mut connection, get()).await;
    peer.request().await;
    let _post = send(&mut connection, post("again")).await;
    peer.request().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_nothing_before_the_first_request_has_an_upload_after_a_second() {
    let (mut connection, mut peer) = silent_pair(&Http2Config::new()).await;
    let (_feed, body) = fed();
    let mut sending = send(&mut connection, post(body)).await;
    assert!(!has_written_a_request(&mut peer).await);
    wait(seconds(1)).await;
    assert!(poll(&mut sending).await.is_pending());
    let stream = peer.request().await;
    peer.settings(&[]).await;
    peer.answer(stream, "200").await;
    assert_eq!(sending.await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn an_upload_on_a_connection_that_ends_before_its_settings_comes_back() {
    let (mut connection, peer) = silent_pair(&Http2Config::new()).await;
    let (_feed, body) = fed();
    let sending = send(&mut connection, post(body)).await;
    drop(peer);
    let error = sending.await.unwrap_err();
    assert_eq!((error.progress, error.request.is_some()), (Progress::Unsent, true));
}

/// The server takes all that is sent, and never answers this request.
#[tokio::test(start_paused = true)]
async fn an_answer_is_waited_for_no_longer_because_another_request_uploads() {
    for (asked, is_uploading) in [(get(), false), (get(), true), (post("once"), true)] {
        let (ours, theirs) = tokio::io::duplex(16 << 10);
        let mut connection = over(TokioIo::new(ours), &Http2Config::new()).await.unwrap();
        let mut peer = Peer::silent(theirs).await;
        peer.settings(&[(4, i32::MAX as u32)]).await;
        peer.open_window(0, (1 << 31) - 1 - 65_535).await;
        run_ready_tasks().await;
        let limited = |mut request: Request<Body>| {
            let limit = seconds(5);
            request.extensions_mut().insert(Timeouts::none().read(limit).write(limit));
            request
        };
        let asking = connection.call(limited(asked));
        let chunk = || Ok::<_, Error>(Bytes::from(vec![0; 16 << 10]));
        let upload = limited(post(Body::stream(stream::repeat_with(chunk))));
        let uploading = async {
            match is_uploading {
                true => drop(connection.call(upload).await),
                false => pending().await,
            }
        };
        let reading = async {
            while peer.read().await.is_some() {
                wait(Duration::from_millis(100)).await;
            }
        };
        let runtime = runtime();
        let outcome = tokio::select! {
            biased;
            outcome = runtime.within(Some(seconds(300)), asking) => outcome,
            () = uploading => panic!("the upload has ended"),
            () = reading => panic!("the connection has ended"),
        };
        let error = outcome.expect("it waits longer than its read timeout").unwrap_err();
        assert!(error.into_error().is_timeout());
    }
}
