use super::peer::{
    END_HEADERS, HEADERS, PROTOCOL_ERROR, RST_STREAM, fed, get, pair, post, run_ready_tasks, send,
};

const HINT: &[(&str, &str)] = &[(":status", "103"), ("link", "x")];

#[tokio::test]
async fn informational_answers_without_an_end_cost_the_stream_although_nobody_polls() {
    let (_feed, body) = fed();
    for request in [get(), post(body)] {
        let (mut connection, mut peer) = pair().await;
        let flooded = send(&mut connection, request).await;
        let mut other = send(&mut connection, get()).await;
        let (one, two) = (peer.request().await, peer.request().await);
        for _ in 0..1000 {
            peer.fields(one, 0, HINT).await;
            run_ready_tasks().await;
        }
        let reset = peer.next(RST_STREAM).await;
        assert_eq!((reset.stream, reset.code()), (one, PROTOCOL_ERROR));
        peer.answer(two, "200").await;
        assert_eq!((&mut other).await.unwrap().status(), 200);
        let error = flooded.await.unwrap_err();
        assert_eq!(error.progress, crate::connection::Progress::Answered);
        let error = error.into_error();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!((error.is_protocol(), &*cause), (true, "more than 64 answers of 1xx"));
    }
}

#[tokio::test]
async fn as_many_informational_answers_as_are_allowed_may_come_before_the_answer_is_polled() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    for _ in 0..64 {
        peer.fields(stream, 0, HINT).await;
    }
    peer.fields(stream, 0, &[(":status", "200")]).await;
    peer.data(stream, 0, "hel").await;
    peer.data(stream, 0, "lo").await;
    peer.fields(stream, super::peer::END_STREAM, &[("x", "y")]).await;
    run_ready_tasks().await;
    assert_eq!(super::peer::text(sending.await.unwrap()).await.unwrap(), "hello");
}

#[tokio::test]
async fn one_burst_of_too_many_costs_the_stream_alone() {
    let (mut connection, mut peer) = pair().await;
    let flooded = send(&mut connection, get()).await;
    let stream = peer.request().await;
    // `:status` as the static table has no 103, and no more: 20 bytes for each.
    let block = [&[0x08, 3][..], b"103"].concat();
    let mut head = u32::to_be_bytes(block.len() as u32)[1..].to_vec();
    head.extend([HEADERS, END_HEADERS]);
    head.extend(stream.to_be_bytes());
    head.extend(block);
    tokio::io::AsyncWriteExt::write_all(&mut peer.io, &head.repeat(5000)).await.unwrap();
    run_ready_tasks().await;
    assert!(flooded.await.unwrap_err().into_error().is_protocol());
    let next = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.answer(stream, "204").await;
    assert_eq!(next.await.unwrap().status(), 204);
}
