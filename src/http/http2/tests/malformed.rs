use super::peer::{END_STREAM, GOAWAY, PROTOCOL_ERROR, Peer, RST_STREAM, get, pair, send, text};
use crate::{Body, Error, connection::Progress, http::http2::Http2};

/// The error of a request whose response has this head, and the connection after it.
async fn refused(flags: u8, fields: &[(&str, &str)]) -> (Error, Http2<Body>, Peer) {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.fields(stream, flags, fields).await;
    let error = sending.await.unwrap_err();
    assert_eq!(error.progress, Progress::Answered, "{fields:?}");
    let reset = peer.next(RST_STREAM).await;
    assert_eq!((reset.stream, reset.code()), (stream, PROTOCOL_ERROR), "{fields:?}");
    (error.into_error(), connection, peer)
}

async fn still_serves(mut connection: Http2<Body>, mut peer: Peer) {
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.answer(stream, "200").await;
    assert_eq!(sending.await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_malformed_head_costs_its_stream_and_not_the_connection() {
    let heads: &[&[(&str, &str)]] = &[
        &[("x-no", "status")],
        &[(":status", "200"), (":status", "200")],
        &[("x-before", "pseudo"), (":status", "200")],
        &[(":status", "200"), ("connection", "close")],
        &[(":status", "200"), ("keep-alive", "timeout=5")],
        &[(":status", "200"), ("proxy-connection", "close")],
        &[(":status", "200"), ("transfer-encoding", "chunked")],
        &[(":status", "200"), ("upgrade", "h2c")],
        &[(":status", "200"), ("content-length", "5"), ("content-length", "6")],
        &[(":status", "200"), ("content-length", "five")],
        &[(":status", "101")],
    ];
    for fields in heads {
        let (error, connection, peer) = refused(0, fields).await;
        assert!(error.is_protocol() && error.was_sent(), "{fields:?}");
        assert_eq!(error.to_string(), "sending a request to example.com:443");
        still_serves(connection, peer).await;
    }
}

#[tokio::test]
async fn a_length_without_content_is_malformed() {
    let fields = [(":status", "200"), ("content-length", "5")];
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.fields(stream, END_STREAM, &fields).await;
    assert!(sending.await.unwrap_err().into_error().is_protocol());
    still_serves(connection, peer).await;
}

#[tokio::test]
async fn the_same_length_twice_is_one() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    let fields = [(":status", "200"), ("content-length", "2"), ("content-length", "2")];
    peer.fields(stream, 0, &fields).await;
    peer.data(stream, END_STREAM, "ok").await;
    assert_eq!(text(sending.await.unwrap()).await.unwrap(), "ok");
}

#[tokio::test]
async fn content_of_another_length_than_declared_is_an_error() {
    for content in ["Hell", "Hello!"] {
        let (mut connection, mut peer) = pair().await;
        let sending = send(&mut connection, get()).await;
        let stream = peer.request().await;
        peer.fields(stream, 0, &[(":status", "200"), ("content-length", "5")]).await;
        let response = sending.await.unwrap();
        peer.data(stream, END_STREAM, content).await;
        assert!(text(response).await.unwrap_err().is_protocol(), "{content}");
        still_serves(connection, peer).await;
    }
}

#[tokio::test]
async fn content_where_there_can_be_none_is_an_error() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "204")]).await;
    peer.data(stream, END_STREAM, "surprise").await;
    assert!(text(sending.await.unwrap()).await.unwrap_err().is_protocol());
    still_serves(connection, peer).await;
}

#[tokio::test]
async fn trailers_that_do_not_end_the_stream_are_an_error() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "200")]).await;
    let response = sending.await.unwrap();
    peer.fields(stream, 0, &[("x-sum", "7")]).await;
    assert!(text(response).await.unwrap_err().is_protocol());
    still_serves(connection, peer).await;
}

#[tokio::test]
async fn informational_answers_have_an_end() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    for _ in 0..65 {
        peer.fields(stream, 0, &[(":status", "103")]).await;
    }
    let error = sending.await.unwrap_err();
    assert_eq!(error.progress, Progress::Answered);
    assert_eq!(peer.next(RST_STREAM).await.code(), PROTOCOL_ERROR);
    still_serves(connection, peer).await;
}

#[tokio::test]
async fn a_head_that_is_too_long_costs_its_stream() {
    let long = "x".repeat(120);
    let mut fields = vec![(":status", "200")];
    fields.extend(std::iter::repeat_n(("x-long", &*long), 100));
    let config = crate::http::http2::Http2Config::new().max_header_list_size(8 << 10);
    let (mut connection, mut peer) = super::peer::silent_pair(&config).await;
    peer.settings(&[]).await;
    let sending = send(&mut connection, get()).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &fields).await;
    assert!(sending.await.unwrap_err().into_error().is_protocol());
    assert_eq!(peer.next(RST_STREAM).await.stream, stream);
    still_serves(connection, peer).await;
}

#[tokio::test]
async fn names_that_no_decoder_takes_cost_the_connection() {
    for fields in [[(":status", "200"), ("Upper", "case")], [(":status", "200"), (":unknown", "x")]]
    {
        let (mut connection, mut peer) = pair().await;
        let sending = send(&mut connection, get()).await;
        let stream = peer.request().await;
        peer.fields(stream, 0, &fields).await;
        assert!(sending.await.unwrap_err().into_error().is_protocol());
        assert_eq!(peer.next(GOAWAY).await.code(), PROTOCOL_ERROR);
    }
}
