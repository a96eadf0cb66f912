use http::Request;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower_service::Service;

use super::peer::{
    DATA, END_STREAM, Peer, Received, get, over, poll, run_ready_tasks, runtime, seconds, send,
    silent_pair,
};
use crate::{
    Body,
    connection::{Connection, Progress, SendError},
    http::{http2::Http2, http2::Http2Config},
    options::ConnectProtocol,
    upgrade::upgrade,
};

const ENABLE_CONNECT_PROTOCOL: u16 = 8;

fn chat() -> Request<Body> {
    let request = Request::connect("wss://example.com/chat?room=1");
    let request = request.header("sec-websocket-version", "13");
    request.extension(ConnectProtocol::websocket()).body(Body::empty()).unwrap()
}

/// The error, which comes within a minute.
async fn refused(connection: &mut Http2<Body>) -> SendError<Request<Body>> {
    let limit = Some(seconds(60));
    runtime().within(limit, connection.call(chat())).await.expect("nothing is sent").unwrap_err()
}

/// Nothing was sent, and the error allows another attempt.
async fn is_unsupported(error: SendError<Request<Body>>, peer: &mut Peer) {
    assert_eq!(error.progress, Progress::Unsent);
    assert!(error.request.is_some() && error.is_the_requests_fault());
    let error = error.into_error();
    assert!(error.is_unsupported() && !error.was_sent(), "{error:?}");
    assert_eq!(error.to_string(), "asking for `websocket` by CONNECT of example.com:443");
    assert!(peer.settled().await.iter().all(|frame| frame.stream == 0));
}

#[tokio::test(start_paused = true)]
async fn a_peer_whose_settings_do_not_allow_it_is_not_asked() {
    for settings in [&[][..], &[(3, 100)], &[(ENABLE_CONNECT_PROTOCOL, 0)]] {
        let (mut connection, mut peer) = silent_pair(&Http2Config::new()).await;
        peer.settings(settings).await;
        let error = refused(&mut connection).await;
        is_unsupported(error, &mut peer).await;
        assert!(connection.is_open());
    }
}

#[tokio::test(start_paused = true)]
async fn settings_that_have_not_come_are_waited_for() {
    let (mut connection, mut peer) = silent_pair(&Http2Config::new()).await;
    let mut sending = send(&mut connection, chat()).await;
    let start = runtime().now();
    super::peer::wait(seconds(9)).await;
    assert!(poll(&mut sending).await.is_pending());
    peer.settings(&[(ENABLE_CONNECT_PROTOCOL, 1)]).await;
    let answering = async {
        let stream = peer.request().await;
        peer.fields(stream, 0, &[(":status", "200")]).await;
    };
    let (response, ()) = tokio::join!(sending, answering);
    assert_eq!(response.unwrap().status(), 200);
    assert_eq!(runtime().now() - start, seconds(9));
}

#[tokio::test(start_paused = true)]
async fn settings_that_come_in_pieces_are_read_to_their_end() {
    let settings = [&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0][..], &[8, 0, 0, 0, 1]].concat();
    for cut in 1..settings.len() {
        let (mut connection, mut peer) = silent_pair(&Http2Config::new()).await;
        let mut sending = send(&mut connection, chat()).await;
        for piece in [&settings[..cut], &settings[cut..]] {
            peer.io.write_all(piece).await.unwrap();
            run_ready_tasks().await;
            assert!(poll(&mut sending).await.is_pending(), "cut at {cut}");
        }
        let answering = async {
            let stream = peer.request().await;
            peer.fields(stream, 0, &[(":status", "200")]).await;
        };
        let (response, ()) = tokio::join!(sending, answering);
        assert_eq!(response.unwrap().status(), 200, "cut at {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn settings_that_do_not_come_are_not_waited_for_for_ever() {
    let (mut connection, mut peer) = silent_pair(&Http2Config::new()).await;
    let start = runtime().now();
    let error = refused(&mut connection).await;
    assert_eq!(runtime().now() - start, seconds(10));
    peer.settings(&[]).await;
    is_unsupported(error, &mut peer).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_before_its_settings_is_no_reason_to_wait() {
    let (mut connection, peer) = silent_pair(&Http2Config::new()).await;
    let sending = send(&mut connection, chat()).await;
    drop(peer);
    let error = sending.await.unwrap_err();
    assert_eq!(error.progress, Progress::Unsent);
    assert!(error.request.is_some() && !error.into_error().is_unsupported());
}

#[tokio::test(start_paused = true)]
async fn a_request_dropped_while_it_waits_for_settings_sends_nothing() {
    let (mut connection, mut peer) = silent_pair(&Http2Config::new()).await;
    drop(send(&mut connection, chat()).await);
    peer.settings(&[(ENABLE_CONNECT_PROTOCOL, 1)]).await;
    assert!(peer.settled().await.iter().all(|frame| frame.stream == 0));
    assert_eq!(connection.conn.state().active(), 0);
}

#[tokio::test]
async fn the_server_receives_the_protocol_and_the_whole_url() {
    let (mut connection, server) = allowing().await;
    let (sent, head) = tokio::join!(connection.call(chat()), server);
    let (head, mut bytes) = (head.head, TokioIo::new(upgrade(sent.unwrap()).await.unwrap()));
    let protocol = head.extensions().get::<h2::ext::Protocol>().unwrap();
    assert_eq!((head.method().as_str(), protocol.as_str()), ("CONNECT", "websocket"));
    assert_eq!(head.uri(), "https://example.com/chat?room=1");
    assert_eq!(head.headers()["sec-websocket-version"], "13");
    let mut early = [0; 5];
    bytes.read_exact(&mut early).await.unwrap();
    assert_eq!(&early, b"early");
}

#[tokio::test]
async fn a_refusal_is_an_answer_with_a_body() {
    let (mut connection, mut peer) = silent_pair(&Http2Config::new()).await;
    peer.settings(&[(ENABLE_CONNECT_PROTOCOL, 1)]).await;
    run_ready_tasks().await;
    let sending = send(&mut connection, chat()).await;
    run_ready_tasks().await;
    let stream = {
        let mut sending = sending;
        assert!(poll(&mut sending).await.is_pending());
        let stream = peer.request().await;
        peer.fields(stream, 0, &[(":status", "403")]).await;
        peer.data(stream, END_STREAM, "no").await;
        let response = sending.await.unwrap();
        assert_eq!(response.status(), 403);
        assert_eq!(super::peer::text(response).await.unwrap(), "no");
        stream
    };
    let end = peer.next(DATA).await;
    assert!(end.ends() && end.stream == stream);
}

#[tokio::test]
async fn a_usual_tunnel_names_an_authority_alone_and_waits_for_nothing() {
    let (mut connection, mut peer) = silent_pair(&Http2Config::new()).await;
    let request = Request::connect("https://example.com").body(Body::empty()).unwrap();
    let _sending = send(&mut connection, request).await;
    assert!(!peer.next(super::peer::HEADERS).await.ends());
    let _other = send(&mut connection, get()).await;
}

/// A connection to h2's own server, which takes one extended CONNECT and sends early.
async fn allowing() -> (Http2<Body>, impl Future<Output = Received>) {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let (sender, receiver) = tokio::sync::oneshot::channel();
    runtime().spawn(allow(theirs, sender));
    let connection = over(TokioIo::new(ours), &Http2Config::new()).await.unwrap();
    (connection, async { receiver.await.unwrap() })
}

async fn allow(io: DuplexStream, tell: tokio::sync::oneshot::Sender<Received>) {
    let mut server = h2::server::Builder::new();
    let mut server =
        server.enable_connect_protocol().handshake::<_, bytes::Bytes>(io).await.unwrap();
    let (request, mut respond) = server.accept().await.unwrap().unwrap();
    let head = Request::from_parts(request.into_parts().0, ());
    let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
    stream.send_data("early".into(), false).unwrap();
    let _ = tell.send(Received { head, content: Ok(Vec::new()), trailers: None });
    while server.accept().await.is_some() {}
}
