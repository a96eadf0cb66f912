use super::peer::{
    CANCEL, END_STREAM, Frame, HEADERS, RST_STREAM, RecordingPool, fed, get, pair, poll, post,
    run_ready_tasks, send, text,
};
use crate::connection::Connection;
use bytes::Bytes;
use tower_service::Service;

/// Whether an opened stream was closed by this side: ended, or reset.
fn is_closed(stream: u32, frames: &[Frame]) -> bool {
    let opened = frames.iter().any(|f| f.kind == HEADERS && f.stream == stream);
    let reset = frames.iter().find(|f| f.kind == RST_STREAM && f.stream == stream);
    reset.is_none_or(|reset| reset.code() == CANCEL) && (!opened || reset.is_some())
}

#[tokio::test]
async fn a_request_dropped_at_any_point_leaves_no_stream_open() {
    for polls in 0..12 {
        let (mut connection, mut peer) = pair().await;
        let (feed, body) = fed();
        let mut sending = Box::pin(connection.call(post(body)));
        for _ in 0..polls {
            assert!(poll(&mut sending).await.is_pending());
            let _ = feed.send(Ok(Bytes::from("chunk")));
            run_ready_tasks().await;
        }
        drop(sending);
        run_ready_tasks().await;
        assert!(is_closed(1, &peer.settled().await), "after {polls} polls");
        assert!(feed.is_closed() && connection.conn.state().active() == 0);
    }
}

#[tokio::test]
async fn a_request_dropped_while_it_waits_for_a_stream_leaves_none_open() {
    let (mut connection, mut peer) = pair().await;
    peer.allow_streams(1).await;
    run_ready_tasks().await;
    let first = send(&mut connection, get()).await;
    let second = send(&mut connection, get()).await;
    let one = peer.request().await;
    drop(second);
    peer.fields(one, END_STREAM, &[(":status", "200")]).await;
    assert_eq!(first.await.unwrap().status(), 200);
    let third = send(&mut connection, get()).await;
    let frames = peer.settled().await;
    assert!(is_closed(3, &frames));
    peer.answer(5, "204").await;
    assert_eq!(third.await.unwrap().status(), 204);
}

#[tokio::test]
async fn a_future_that_is_never_polled_sends_nothing() {
    let (mut connection, mut peer) = pair().await;
    drop(connection.call(post("Hello")));
    assert_eq!(peer.settled().await, []);
}

#[tokio::test]
async fn a_connection_that_is_cut_ends_all_it_is_doing() {
    let (mut connection, mut peer) = pair().await;
    let pool = RecordingPool::by(&connection);
    let sending = send(&mut connection, post("Hello")).await;
    peer.request().await;
    connection.abort_handle().unwrap().abort();
    assert!(sending.await.unwrap_err().into_error().is_closed());
    run_ready_tasks().await;
    assert!(pool.is_closed() && !connection.is_open());
}

/// The peer has not seen a reset yet: h2 ends the connection at the 1,024th frame of a stream that it has forgotten.
#[tokio::test]
async fn many_bodies_given_up_within_a_round_trip_do_not_end_the_connection() {
    let (mut connection, mut peer) = pair().await;
    let pool = RecordingPool::by(&connection);
    let innocent = send(&mut connection, post("once")).await;
    let one = peer.request().await;
    for number in 0..2200 {
        let sending = send(&mut connection, get()).await;
        let stream = peer.request().await;
        peer.fields(stream, 0, &[(":status", "200")]).await;
        drop(sending.await.unwrap());
        peer.data(stream, END_STREAM, "the rest").await;
        run_ready_tasks().await;
        assert!(connection.is_open(), "closed after {number}");
    }
    peer.answer(one, "200").await;
    assert_eq!(text(innocent.await.unwrap()).await.unwrap(), "");
    assert!(!pool.is_closed());
}
