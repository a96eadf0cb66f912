use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

use super::peer::{
    ACK, CANCEL, PING, Peer, RST_STREAM, RecordingPool, SETTINGS, get, over, pair, poll,
    run_ready_tasks, seconds, send, silent_pair, wait,
};
use crate::{
    Body,
    connection::Connection,
    http::{http2::Http2, http2::Http2Config},
};

#[tokio::test(start_paused = true)]
async fn a_request_given_up_in_silence_makes_the_connection_suspect() {
    let (mut connection, mut peer) = pair().await;
    let pool = RecordingPool::by(&connection);
    let sending = send(&mut connection, get()).await;
    peer.request().await;
    wait(seconds(1)).await;
    drop(sending);
    assert!(!connection.is_open());
    run_ready_tasks().await;
    assert_eq!(pool.streams(), [Some(100), None]);
    assert_eq!(peer.next(RST_STREAM).await.code(), CANCEL);
    peer.answer_ping().await;
    run_ready_tasks().await;
    assert!(connection.is_open());
    assert_eq!(pool.streams(), [Some(100), None, Some(100)]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_falls_silent_after_a_byte_is_suspect_unless_it_answers_a_ping() {
    for (pause, is_suspect) in [(Duration::from_millis(500), false), (seconds(1), true)] {
        let (mut connection, mut peer) = pair().await;
        let sending = send_and_see(&mut connection, &mut peer).await;
        wait(seconds(1)).await;
        peer.open_window(0, 1).await;
        run_ready_tasks().await;
        wait(pause).await;
        drop(sending);
        assert!(connection.is_open(), "the byte may have been the answer");
        wait(seconds(2)).await;
        assert_eq!(connection.is_open(), !is_suspect, "after {pause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_whose_answer_lay_unread_is_not_suspect() {
    for answers_on in [false, true] {
        let (mut connection, mut peer) = pair().await;
        let sending = send_and_see(&mut connection, &mut peer).await;
        peer.answer(1, "200").await;
        run_ready_tasks().await;
        wait(seconds(5)).await;
        drop(sending);
        assert!(connection.is_open());
        if answers_on {
            peer.answer_ping().await;
        }
        wait(seconds(2)).await;
        assert_eq!(connection.is_open(), answers_on);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_is_dead_although_no_request_could_be_written() {
    let (ours, mut theirs) = tokio::io::duplex(1 << 10);
    let mut connection = over(TokioIo::new(ours), &Http2Config::new()).await.unwrap();
    let pool = RecordingPool::by(&connection);
    theirs.write_all(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]).await.unwrap();
    let ping = [&[0, 0, 8, PING, 0, 0, 0, 0, 0][..], b"12345678"].concat();
    let pings = async { while theirs.write_all(&ping).await.is_ok() {} };
    // No more answers can be written, so no more are read.
    tokio::select! { () = pings => panic!("the connection is closed"), () = wait(seconds(1)) => {} }
    let sending = send(&mut connection, get()).await;
    wait(seconds(1)).await;
    drop(sending);
    assert!(!connection.is_open());
    wait(seconds(16)).await;
    assert!(pool.is_closed());
}

#[tokio::test(start_paused = true)]
async fn any_byte_clears_the_suspicion() {
    let (mut connection, mut peer) = pair().await;
    let sending = send_and_see(&mut connection, &mut peer).await;
    wait(seconds(1)).await;
    drop(sending);
    assert!(!connection.is_open());
    peer.open_window(0, 1).await;
    run_ready_tasks().await;
    assert!(connection.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stays_silent_is_dead_after_fifteen_seconds() {
    let (mut connection, mut peer) = pair().await;
    let pool = RecordingPool::by(&connection);
    let mut waiting = send(&mut connection, get()).await;
    drop(send_and_see(&mut connection, &mut peer).await);
    wait(seconds(14)).await;
    assert!(poll(&mut waiting).await.is_pending() && !pool.is_closed());
    wait(seconds(2)).await;
    let error = waiting.await.unwrap_err().into_error();
    assert!(error.is_io() && pool.is_closed());
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
    run_ready_tasks().await;
    let frames = peer.settled().await;
    assert_eq!(frames.iter().filter(|frame| frame.kind == PING).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_can_be_asked_again() {
    let (mut connection, mut peer) = pair().await;
    for _ in 0..3 {
        let sending = send_and_see(&mut connection, &mut peer).await;
        wait(seconds(1)).await;
        drop(sending);
        assert!(!connection.is_open());
        peer.answer_ping().await;
        run_ready_tasks().await;
        assert!(connection.is_open());
        answer_one(&mut connection, &mut peer).await;
    }
}

/// As gRPC servers count: a PING without HEADERS or DATA of theirs before it is a strike, and the third is one too many.
#[tokio::test(start_paused = true)]
async fn requests_given_up_one_after_the_other_are_no_flood_of_pings() {
    let (mut connection, mut peer) = pair().await;
    for _ in 0..2 {
        let mut pings = 0;
        for _ in 0..20 {
            drop(send_and_see(&mut connection, &mut peer).await);
            run_ready_tasks().await;
            for ping in peer.settled().await.iter().filter(|frame| frame.kind == PING) {
                pings += 1;
                peer.frame(PING, ACK, 0, &ping.payload).await;
            }
            run_ready_tasks().await;
        }
        assert_eq!(pings, 2);
        assert!(connection.is_open());
        answer_one(&mut connection, &mut peer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_silence_of_a_peer_that_tolerates_no_more_pings_ends_the_use_of_the_connection() {
    let (mut connection, mut peer) = pair().await;
    let other = send_and_see(&mut connection, &mut peer).await;
    for _ in 0..2 {
        drop(send_and_see(&mut connection, &mut peer).await);
        peer.answer_ping().await;
        run_ready_tasks().await;
    }
    let sending = send_and_see(&mut connection, &mut peer).await;
    drop(send_and_see(&mut connection, &mut peer).await);
    wait(seconds(1)).await;
    assert!(connection.is_open(), "the silence was short");
    drop(sending);
    run_ready_tasks().await;
    assert!(peer.settled().await.iter().all(|frame| frame.kind != PING));
    assert!(!connection.is_open(), "although a byte has come");
    peer.answer(1, "204").await;
    assert_eq!(other.await.unwrap().status(), 204);
}

#[tokio::test(start_paused = true)]
async fn a_body_given_up_in_silence_makes_the_connection_suspect() {
    let (mut connection, mut peer) = pair().await;
    let sending = send_and_see(&mut connection, &mut peer).await;
    peer.fields(1, 0, &[(":status", "200")]).await;
    let mut body = Body::new(sending.await.unwrap().into_body());
    assert!(poll(&mut Box::pin(body.chunk())).await.is_pending());
    wait(seconds(1)).await;
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
    connection: &mut Http2<Body>,
    peer: &mut Peer,
) -> std::pin::Pin<Box<crate::http::exchange::Exchange<crate::http::http2::Http2Exchange<Body>>>> {
    let sending = send(connection, get()).await;
    peer.request().await;
    sending
}

/// A request is answered: after HEADERS or DATA a peer tolerates PINGs again.
async fn answer_one(connection: &mut Http2<Body>, peer: &mut Peer) {
    let sending = send(connection, get()).await;
    let stream = peer.request().await;
    peer.answer(stream, "204").await;
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_polled_again_has_been_waiting_all_along() {
    let (mut connection, mut peer) = pair().await;
    let mut sending = send_and_see(&mut connection, &mut peer).await;
    peer.open_window(0, 1).await;
    run_ready_tasks().await;
    assert!(poll(&mut sending).await.is_pending());
    drop(sending);
    assert!(connection.is_open());
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A connection with a round trip of 60 ms.
async fn far_pair() -> (Http2<Body>, Peer) {
    let (connection, mut peer) = silent_pair(&Http2Config::new()).await;
    run_ready_tasks().await;
    wait(ms(60)).await;
    peer.settings(&[]).await;
    peer.frame(SETTINGS, ACK, 0, &[]).await;
    peer.settled().await;
    (connection, peer)
}

#[tokio::test(start_paused = true)]
async fn requests_given_up_within_a_round_trip_are_no_reason_to_doubt() {
    let (mut connection, mut peer) = far_pair().await;
    let pool = RecordingPool::by(&connection);
    for _ in 0..5 {
        drop(send_and_see(&mut connection, &mut peer).await);
        let ping = peer.next(PING).await;
        for _ in 0..5 {
            let sending = send_and_see(&mut connection, &mut peer).await;
            wait(ms(10)).await;
            drop(sending);
        }
        wait(ms(10)).await;
        peer.frame(PING, ACK, 0, &ping.payload).await;
        run_ready_tasks().await;
        answer_one(&mut connection, &mut peer).await;
    }
    assert!(connection.is_open());
    assert_eq!(pool.streams(), [Some(100)]);
}

#[tokio::test(start_paused = true)]
async fn a_silence_of_more_than_a_usual_round_trip_makes_the_connection_suspect() {
    let (mut connection, mut peer) = far_pair().await;
    let pool = RecordingPool::by(&connection);
    let sending = send_and_see(&mut connection, &mut peer).await;
    wait(ms(10)).await;
    drop(sending);
    run_ready_tasks().await;
    wait(ms(230)).await;
    assert!(connection.is_open());
    wait(ms(20)).await;
    assert!(!connection.is_open());
    assert_eq!(pool.streams(), [Some(100), None]);
    wait(seconds(14)).await;
    assert!(!pool.is_closed());
    wait(seconds(1)).await;
    assert!(pool.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_peer_of_which_no_round_trip_is_known_has_a_second() {
    let (mut connection, mut peer) = pair().await;
    drop(send_and_see(&mut connection, &mut peer).await);
    run_ready_tasks().await;
    wait(ms(990)).await;
    assert!(connection.is_open());
    wait(ms(20)).await;
    assert!(!connection.is_open());
}

#[tokio::test(start_paused = true)]
async fn what_is_usual_follows_the_answers_to_pings() {
    let (mut connection, mut peer) = far_pair().await;
    for _ in 0..5 {
        drop(send_and_see(&mut connection, &mut peer).await);
        run_ready_tasks().await;
        wait(ms(400)).await;
        peer.answer_ping().await;
        run_ready_tasks().await;
        answer_one(&mut connection, &mut peer).await;
    }
    drop(send_and_see(&mut connection, &mut peer).await);
    run_ready_tasks().await;
    wait(ms(500)).await;
    assert!(connection.is_open());
}
