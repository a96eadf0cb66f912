use super::peer::{HEADERS, RecordingPool, get, pair, run_ready_tasks, send, silent_pair};
use crate::{connection::Connection, http::http2::Http2Config};

#[tokio::test]
async fn a_hundred_streams_are_assumed_until_the_peer_says_otherwise() {
    let (connection, mut peer) = silent_pair(&Http2Config::new()).await;
    let pool = RecordingPool::by(&connection);
    assert_eq!(pool.streams(), [Some(100)]);
    peer.allow_streams(3).await;
    run_ready_tasks().await;
    assert_eq!(pool.streams(), [Some(100), Some(3)]);
}

#[tokio::test]
async fn a_peer_that_names_no_limit_is_assumed_to_mean_a_hundred() {
    let (connection, _peer) = pair().await;
    assert_eq!(RecordingPool::by(&connection).streams(), [Some(100)]);
}

#[tokio::test]
async fn a_limit_may_change_and_may_be_none_at_all() {
    let (connection, mut peer) = pair().await;
    let pool = RecordingPool::by(&connection);
    for streams in [5, 0, 7] {
        peer.allow_streams(streams).await;
        run_ready_tasks().await;
    }
    assert_eq!(pool.streams(), [Some(100), Some(5), Some(0), Some(7)]);
    assert!(connection.is_open());
}

#[tokio::test]
async fn a_slot_that_is_held_late_learns_the_current_limit() {
    let (connection, mut peer) = pair().await;
    peer.allow_streams(9).await;
    run_ready_tasks().await;
    assert_eq!(RecordingPool::by(&connection).streams(), [Some(9)]);
}

#[tokio::test]
async fn a_place_on_a_closed_connection_is_closed() {
    let (connection, peer) = pair().await;
    drop(peer);
    run_ready_tasks().await;
    assert!(RecordingPool::by(&connection).is_closed());
}

#[tokio::test]
async fn a_connection_has_one_place() {
    let (connection, _peer) = pair().await;
    let pool = RecordingPool::by(&connection);
    assert!(connection.hold(pool.slot()).is_some());
}

#[tokio::test]
async fn streams_over_the_limit_wait_for_one_that_is_free() {
    let (mut connection, mut peer) = pair().await;
    peer.allow_streams(1).await;
    run_ready_tasks().await;
    let first = send(&mut connection, get()).await;
    let second = send(&mut connection, get()).await;
    let one = peer.request().await;
    assert!(peer.settled().await.iter().all(|frame| frame.kind != HEADERS));
    peer.answer(one, "200").await;
    assert_eq!(first.await.unwrap().status(), 200);
    let two = peer.request().await;
    peer.answer(two, "204").await;
    assert_eq!(second.await.unwrap().status(), 204);
}

#[tokio::test]
async fn values_that_http2_does_not_know_are_refused() {
    let wrong = [
        Http2Config::new().stream_window(u32::MAX),
        Http2Config::new().connection_window(1 << 31),
        Http2Config::new().max_frame_size(1),
        Http2Config::new().max_send_buffer(0),
        Http2Config::new().keep_alive_interval(std::time::Duration::ZERO),
    ];
    for config in wrong {
        assert!(config.check().unwrap_err().is_builder(), "{config:?}");
    }
}
