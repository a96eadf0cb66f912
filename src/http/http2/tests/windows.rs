use super::peer::{
    END_STREAM, PING, WINDOW_UPDATE, get, pair, poll, run_ready_tasks, seconds, send, silent_pair,
    wait,
};
use crate::{
    Body, Error,
    connection::Connection,
    http::{http2::Http2, http2::Http2Config},
    options::Timeouts,
};

/// The body of a response whose head has come.
async fn begun(connection: &mut Http2<Body>, peer: &mut super::peer::Peer) -> (u32, Body) {
    let sending = send(connection, get()).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "200")]).await;
    (stream, Body::new(sending.await.unwrap().into_body()))
}

#[tokio::test]
async fn the_window_of_a_connection_is_as_large_as_can_be() {
    let (_connection, mut peer) = silent_pair(&Http2Config::new()).await;
    let update = peer.next(WINDOW_UPDATE).await;
    let increment = u32::from_be_bytes(update.payload[..].try_into().unwrap());
    assert_eq!((update.stream, increment + 65_535), (0, (1 << 31) - 1));
}

/// A connection whose window is filled by an unread response, and a body that waits.
async fn stalled(timeouts: Timeouts) -> (Http2<Body>, super::peer::Peer, Body, (u32, Body)) {
    let config = Http2Config::new().connection_window(65_535);
    let (mut connection, mut peer) = silent_pair(&config).await;
    connection.timeouts(timeouts);
    peer.settings(&[]).await;
    let (large, unread) = begun(&mut connection, &mut peer).await;
    let waiting = begun(&mut connection, &mut peer).await;
    for _ in 0..4 {
        peer.data(large, 0, &"x".repeat(16_383)).await;
    }
    peer.data(large, 0, "xxx").await;
    run_ready_tasks().await;
    (connection, peer, unread, waiting)
}

async fn chunk(body: &mut Body) -> Result<Option<bytes::Bytes>, Error> {
    body.chunk().await
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_may_not_send_because_others_are_not_read_is_not_silent() {
    let timeouts = Timeouts::default().read(seconds(1)).min_throughput(1000, seconds(2));
    let (connection, mut peer, mut unread, (stream, mut body)) = stalled(timeouts).await;
    let mut reading = Box::pin(chunk(&mut body));
    for _ in 0..100 {
        assert!(poll(&mut reading).await.is_pending());
        wait(seconds(1)).await;
    }
    // The caller reads at last, and the peer goes on.
    while let std::task::Poll::Ready(chunk) = poll(&mut Box::pin(unread.chunk())).await {
        chunk.unwrap().unwrap();
    }
    let update = peer.next(WINDOW_UPDATE).await;
    assert_eq!(update.stream, 0);
    peer.data(stream, END_STREAM, "hi").await;
    assert_eq!(reading.await.unwrap().unwrap(), "hi");
    assert!(connection.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_may_send_again_and_does_not_is_silent() {
    let timeouts = Timeouts::default().read(seconds(4));
    let (_connection, _peer, unread, (_, mut body)) = stalled(timeouts).await;
    let mut reading = Box::pin(chunk(&mut body));
    for _ in 0..10 {
        assert!(poll(&mut reading).await.is_pending());
        wait(seconds(1)).await;
    }
    drop(unread);
    run_ready_tasks().await;
    assert!(reading.await.unwrap_err().is_timeout());
}

#[tokio::test(start_paused = true)]
async fn a_body_given_up_while_the_peer_may_not_send_is_no_reason_to_doubt() {
    let (connection, mut peer, _unread, (_, mut body)) = stalled(Timeouts::default()).await;
    let mut reading = Box::pin(chunk(&mut body));
    assert!(poll(&mut reading).await.is_pending());
    wait(seconds(5)).await;
    drop(reading);
    drop(body);
    assert!(peer.settled().await.iter().all(|frame| frame.kind != PING));
    assert!(connection.is_open());
}

#[tokio::test]
async fn small_frames_that_nobody_reads_cost_no_more_than_a_stream_holds() {
    let (mut connection, mut peer) = pair().await;
    let (stream, unread) = begun(&mut connection, &mut peer).await;
    for _ in 0..200 {
        let frames = [&[0, 0, 20, 0, 0][..], &stream.to_be_bytes(), &[b'x'; 20]].concat();
        tokio::io::AsyncWriteExt::write_all(&mut peer.io, &frames.repeat(1000)).await.unwrap();
        run_ready_tasks().await;
    }
    let (stream, mut other) = begun(&mut connection, &mut peer).await;
    peer.data(stream, END_STREAM, "hi").await;
    assert_eq!(other.chunk().await.unwrap().unwrap(), "hi");
    drop(unread);
}
