//! Connections that switch to another protocol.

use super::*;
use crate::upgrade::upgrade;

const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: custom\r\n\r\n";

fn upgrading() -> Request<Body> {
    let mut request = get();
    request.headers_mut().insert("connection", "upgrade".parse().unwrap());
    request.headers_mut().insert("upgrade", "custom".parse().unwrap());
    request
}

#[tokio::test]
async fn the_bytes_behind_a_101_come_first() {
    let (mut connection, mut peer) = connected().await;
    let script = [&*format!("{SWITCH}foobar"), "baz"];
    let (sent, _) = ask(&mut connection, &mut peer, upgrading(), &script).await;
    let response = sent.unwrap();
    assert_eq!(response.status(), 101);
    let mut io = TokioIo::new(upgrade(response).await.unwrap());
    for expected in ["foo", "bar", "baz"] {
        let mut three = [0; 3];
        io.read_exact(&mut three).await.unwrap();
        assert_eq!(three, expected.as_bytes());
    }
    io.write_all(b"spam").await.unwrap();
    drop(io);
    assert_eq!(peer.read_to_end().await.unwrap(), b"spam");
}

#[tokio::test]
async fn an_upgraded_connection_outlives_its_handle() {
    let (mut connection, mut peer) = connected().await;
    let (sent, _) = ask(&mut connection, &mut peer, upgrading(), &[SWITCH]).await;
    assert!(!connection.is_open());
    drop(connection);
    run_ready_tasks().await;
    let mut io = TokioIo::new(upgrade(sent.unwrap()).await.unwrap());
    peer.write_each(["hi"]).await.unwrap();
    assert_eq!(io.read_u16().await.unwrap(), u16::from_be_bytes(*b"hi"));
}

#[tokio::test]
async fn any_2xx_to_connect_is_a_tunnel_whatever_its_framing_says() {
    let framed = "HTTP/1.1 299 Sure\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\nhi";
    let empty = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nhi";
    for answer in ["HTTP/1.1 200 OK\r\n\r\nhi", "HTTP/1.0 202 Yes\r\n\r\nhi", framed, empty] {
        let (mut connection, mut peer) = connected().await;
        let request = request(Method::CONNECT, "");
        let (sent, _) = ask(&mut connection, &mut peer, request, &[answer]).await;
        let mut io = TokioIo::new(upgrade(sent.unwrap()).await.unwrap());
        assert_eq!(io.read_u16().await.unwrap(), u16::from_be_bytes(*b"hi"), "{answer}");
    }
}

#[tokio::test]
async fn a_refused_tunnel_is_an_answer_with_a_body() {
    let answer = "HTTP/1.1 407 Who?\r\nContent-Length: 5\r\n\r\nhello";
    let (_, body) = exchange(request(Method::CONNECT, ""), &[answer]).await.unwrap();
    assert_eq!(body.unwrap(), "hello");
}

#[tokio::test]
async fn an_answer_that_switches_nothing_cannot_be_upgraded() {
    let (mut connection, mut peer) = connected().await;
    let (sent, _) = ask(&mut connection, &mut peer, upgrading(), &[OK]).await;
    assert!(upgrade(sent.unwrap()).await.unwrap_err().is_protocol());
}

#[tokio::test]
async fn a_tunnel_that_cannot_be_written_to_says_so() {
    let (mut connection, mut peer) = connected().await;
    let (sent, _) = ask(&mut connection, &mut peer, upgrading(), &[SWITCH]).await;
    let mut io = TokioIo::new(upgrade(sent.unwrap()).await.unwrap());
    drop(peer);
    let error = io.write_all(b"spam").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}
