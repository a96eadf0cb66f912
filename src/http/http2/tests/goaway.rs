use super::peer::{END_STREAM, RecordingPool, get, pair, run_ready_tasks, send, text};
use crate::connection::{Connection, Progress};

const ENHANCE_YOUR_CALM: u32 = 11;

#[tokio::test]
async fn after_goaway_there_are_no_new_streams() {
    for code in [0, ENHANCE_YOUR_CALM] {
        let (mut connection, mut peer) = pair().await;
        let pool = RecordingPool::by(&connection);
        let sending = send(&mut connection, get()).await;
        let stream = peer.request().await;
        peer.goaway(stream, code).await;
        run_ready_tasks().await;
        assert!(!connection.is_open());
        assert_eq!(pool.streams(), [Some(100), None]);
        assert!(!pool.is_closed());
        drop(sending);
    }
}

#[tokio::test]
async fn a_request_after_goaway_comes_back() {
    let (mut connection, mut peer) = pair().await;
    let _first = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.goaway(stream, 0).await;
    run_ready_tasks().await;
    let error = tower_service::Service::call(&mut connection, get()).await.unwrap_err();
    assert_eq!(error.progress, Progress::Unsent);
    assert!(error.request.is_some());
}

#[tokio::test]
async fn what_is_under_way_finishes_and_then_the_connection_closes() {
    let (mut connection, mut peer) = pair().await;
    let pool = RecordingPool::by(&connection);
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.goaway(stream, 0).await;
    peer.fields(stream, 0, &[(":status", "200")]).await;
    let response = sending.await.unwrap();
    peer.data(stream, END_STREAM, "whole").await;
    assert_eq!(text(response).await.unwrap(), "whole");
    run_ready_tasks().await;
    assert!(pool.is_closed());
}

#[tokio::test]
async fn a_goaway_in_two_steps_refuses_what_the_second_leaves_out() {
    let (mut connection, mut peer) = pair().await;
    let first = send(&mut connection, get()).await;
    let second = send(&mut connection, get()).await;
    let (one, _) = (peer.request().await, peer.request().await);
    peer.goaway((1 << 31) - 1, 0).await;
    run_ready_tasks().await;
    assert!(!connection.is_open());
    peer.goaway(one, 0).await;
    assert_eq!(second.await.unwrap_err().progress, Progress::Refused);
    peer.answer(one, "200").await;
    assert_eq!(first.await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_idle_connection_closes_with_its_goaway() {
    let (connection, mut peer) = pair().await;
    let pool = RecordingPool::by(&connection);
    peer.goaway(0, 0).await;
    run_ready_tasks().await;
    assert!(pool.is_closed());
}
