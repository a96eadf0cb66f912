use super::peer::{
    CANCEL, PING, RST_STREAM, Told, get, pair, poll, seconds, send, silent_pair, turns, wait,
};
use crate::{connection::Connection, http2::Http2Config};

#[tokio::test(start_paused = true)]
async fn a_request_given_up_in_silence_makes_the_connection_suspect() {
    let (mut connection, mut peer) = pair().await;
    let told = Told::by(&connection);
    let sending = send(&mut connection, get()).await;
    peer.request().await;
    drop(sending);
    assert!(!connection.is_open());
    turns().await;
    assert_eq!(told.streams(), [Some(100), None]);
    assert_eq!(peer.next(RST_STREAM).await.code(), CANCEL);
    peer.answer_ping().await;
    turns().await;
    assert!(connection.is_open());
    assert_eq!(told.streams(), [Some(100), None, Some(100)]);
}

#[tokio::test(start_paused = true)]
async fn any_byte_clears_the_suspicion() {
    let (mut connection, mut peer) = pair().await;
    drop(send_and_see(&mut connection, &mut peer).await);
    peer.open_window(0, 1).await;
    turns().await;
    assert!(connection.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stays_silent_is_dead_after_fifteen_seconds() {
    let (mut connection, mut peer) = pair().await;
    let told = Told::by(&connection);
    let mut waiting = send(&mut connection, get()).await;
    drop(send_and_see(&mut connection, &mut peer).await);
    wait(seconds(14)).await;
    assert!(poll(&mut waiting).await.is_pending() && !told.is_closed());
    wait(seconds(2)).await;
    let error = waiting.await.unwrap_err().into_error();
    assert!(error.is_io() && told.is_closed());
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "the peer is silent: no answer to a PING in 15s");
}

#[tokio::test(start_paused = true)]
async fn one_ping_is_enough_for_many_who_give_up() {
    let (mut connection, mut peer) = pair().await;
    let mut requests = Vec::new();
    for _ in 0..5 {
        requests.push(send_and_see(&mut connection, &mut peer).await);
    }
    drop(requests);
    turns().await;
    let frames = peer.settled().await;
    assert_eq!(frames.iter().filter(|frame| frame.kind == PING).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_can_be_asked_again() {
    let (mut connection, mut peer) = pair().await;
    for _ in 0..3 {
        drop(send_and_see(&mut connection, &mut peer).await);
        peer.answer_ping().await;
        turns().await;
        assert!(connection.is_open());
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_given_up_in_silence_makes_the_connection_suspect() {
    let (mut connection, mut peer) = pair().await;
    let sending = send_and_see(&mut connection, &mut peer).await;
    peer.fields(1, 0, &[(":status", "200")]).await;
    let mut body = crate::Body::new(sending.await.unwrap().into_body());
    assert!(poll(&mut Box::pin(body.chunk())).await.is_pending());
    drop(body);
    assert!(!connection.is_open());
}

#[tokio::test]
async fn what_nobody_waited_for_is_no_reason_to_doubt() {
    let (mut connection, mut peer) = pair().await;
    let sending = send_and_see(&mut connection, &mut peer).await;
    peer.fields(1, 0, &[(":status", "200")]).await;
    drop(sending.await.unwrap());
    assert!(connection.is_open());
    drop(tower_service::Service::call(&mut connection, get()));
    assert!(connection.is_open());
}

#[tokio::test]
async fn a_request_that_was_never_written_is_no_reason_to_doubt() {
    let (mut connection, _peer) = pair().await;
    drop(send(&mut connection, get()).await);
    assert!(connection.is_open());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_sent_no_ping() {
    let config = Http2Config::new().keep_alive_interval(seconds(10));
    for config in [Http2Config::new(), config] {
        let (connection, mut peer) = silent_pair(&config).await;
        peer.settings(&[]).await;
        wait(seconds(100)).await;
        assert!(peer.settled().await.iter().all(|frame| frame.kind != PING));
        assert!(connection.is_open());
    }
}

#[tokio::test(start_paused = true)]
async fn the_peer_is_asked_at_intervals_while_there_are_requests() {
    let config = Http2Config::new().keep_alive_interval(seconds(10));
    let (mut connection, mut peer) = silent_pair(&config).await;
    peer.settings(&[]).await;
    let mut sending = send_and_see(&mut connection, &mut peer).await;
    for _ in 0..3 {
        wait(seconds(21)).await;
        peer.answer_ping().await;
        assert!(connection.is_open());
    }
    wait(seconds(40)).await;
    assert!(poll(&mut sending).await.is_ready());
    assert!(!connection.is_open());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_asked_if_that_was_asked_for() {
    let config = Http2Config::new().keep_alive_interval(seconds(10)).keep_alive_while_idle(true);
    let (_connection, mut peer) = silent_pair(&config).await;
    peer.settings(&[]).await;
    peer.answer_ping().await;
}

async fn send_and_see(
    connection: &mut crate::http2::Http2<crate::Body>,
    peer: &mut super::peer::Peer,
) -> std::pin::Pin<Box<crate::http2::Sending<crate::Body>>> {
    let sending = send(connection, get()).await;
    peer.request().await;
    sending
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_polled_again_has_been_waiting_all_along() {
    let (mut connection, mut peer) = pair().await;
    let mut sending = send_and_see(&mut connection, &mut peer).await;
    peer.open_window(0, 1).await;
    turns().await;
    assert!(poll(&mut sending).await.is_pending());
    drop(sending);
    assert!(connection.is_open());
}
