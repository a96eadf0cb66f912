//! Broken and hostile peers.

use std::pin::Pin;

use hyper::rt::{Read, ReadBufCursor, Write};

use super::*;

#[tokio::test]
async fn a_truncated_answer_is_never_whole() {
    let table: [&[&str]; 9] = [
        &["HTTP/1.1 20"],
        &["HTTP/1.1 200 OK\r\n"],
        &["HTTP/1.1 200 OK\r\nContent-Le"],
        &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"],
        &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"],
        &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
        &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1"],
        &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"],
        &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"],
    ];
    for script in table {
        let error = error_of(script).await;
        assert!(error.is_protocol() && error.was_sent(), "{script:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_body_cut_short_says_whose() {
    let error = error_of(&["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"]).await;
    assert_eq!(error.to_string(), "reading the response body from example.com:443");
}

#[tokio::test]
async fn no_answer_at_all_says_so() {
    let error = error_of(&[]).await;
    assert!(error.is_io() && error.was_sent() && !error.is_protocol(), "{error:?}");
    let expected = "reading the answer of example.com:443: \
                the server closed the connection without an answer";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn what_is_no_answer_is_a_protocol_error() {
    let table = [
        "Wait, this isn't valid HTTP!",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/0.9 200 OK\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 99 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 O\0K\r\n\r\n",
        "HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nName : 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
        "HTTP/1.1 200 OK\r\n folded: first\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
        "220 mail.example ESMTP\r\n\r\n",
    ];
    for answer in table {
        let error = error_of(&[answer]).await;
        assert!(error.is_protocol(), "{answer:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_malformed_head_says_what_is_wrong() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(101));
    let table = [
        ("HTTP/1.2 200 OK\r\n\r\n", "it has a version other than 1.0 and 1.1"),
        ("HTTP/1.1 OK\r\n\r\n", "it has no status"),
        ("HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n", "it has a bad field name"),
        ("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", "it has a bad field value"),
        ("HTTP/1.1 200 OK\r\nX: y\r\n\rz", "its head is malformed"),
        (&many, "it has more fields than allowed"),
        (
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "it has a transfer coding, and HTTP/1.0 has none",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "it has a transfer coding other than chunked",
        ),
    ];
    for (answer, expected) in table {
        let error = error_of(&[answer]).await;
        let expected = format!("reading the answer of example.com:443: {expected}");
        assert_eq!(error.to_string(), expected, "{answer:?}");
    }
}

#[tokio::test]
async fn a_body_with_two_ends_or_a_doubtful_one_is_a_protocol_error() {
    let table = [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: 5\r\n 5",
        "Content-Length: ",
        "Content-Length: 99999999999999999999999",
        "Content-Length: 18446744073709551614",
        "Content-Length: 18446744073709551615",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: \x0bchunked",
    ];
    for framing in table {
        let answer = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        let error = error_of(&[&answer]).await;
        assert!(error.is_protocol(), "{framing:?}: {error:?}");
    }
}

#[tokio::test]
async fn http_1_0_has_no_transfer_codings() {
    let answer = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert!(error_of(&[answer]).await.is_protocol());
}

#[tokio::test]
async fn broken_chunks_are_protocol_errors() {
    let endless_extension = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(100_000));
    let endless_trailers = format!("0\r\n{}\r\n", "X: y\r\n".repeat(100_000));
    let table = [
        "-5\r\nhello\r\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        "5hello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5;x\nhello\r\n0\r\n\r\n",
        "5;x\n\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nbad trailer\r\n\r\n",
        &endless_extension,
        &endless_trailers,
    ];
    for body in table {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let error = error_of(&[head, body]).await;
        assert!(error.is_protocol(), "{:?}: {error:?}", &body[..9]);
    }
}

#[tokio::test]
async fn a_doubtful_answer_costs_the_connection() {
    let (mut connection, mut peer) = connected().await;
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (sent, _) = ask(&mut connection, &mut peer, get(), &[both]).await;
    assert_eq!(sent.unwrap_err().progress, Progress::Answered);
    assert!(!connection.is_open());
    assert_eq!(peer.read_to_end().await.unwrap(), b"");
}

#[tokio::test]
async fn surplus_after_an_answer_is_nobodys_answer() {
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let heads = [
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 40\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    for head in heads {
        let (mut connection, mut peer) = connected().await;
        let both = format!("{head}{evil}");
        let (sent, _) = ask(&mut connection, &mut peer, get(), &[&both]).await;
        read(sent.unwrap()).await.unwrap();
        let error = send(&mut connection, get()).await.unwrap_err();
        assert_eq!(error.progress, Progress::Unsent, "{head}");
        assert!(!connection.is_open(), "{head}");
    }
}

#[tokio::test]
async fn an_answer_nobody_asked_for_gives_the_request_back() {
    let (mut connection, mut peer) = connected().await;
    let (sent, _) = ask(&mut connection, &mut peer, get(), &[OK]).await;
    read(sent.unwrap()).await.unwrap();
    poll_fn(|cx| connection.poll_ready(cx)).await.unwrap();
    // No await from here to the call: the connection cannot have seen the bytes.
    let evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let writing = Pin::new(&mut peer.io);
    let context = &mut Context::from_waker(std::task::Waker::noop());
    assert!(tokio::io::AsyncWrite::poll_write(writing, context, evil).is_ready());
    let error = connection.call(get()).await.unwrap_err();
    assert_eq!(error.progress, Progress::Unsent);
    assert_eq!(error.request.unwrap().uri(), "https://example.com/");
}

#[tokio::test]
async fn a_server_that_speaks_before_it_is_asked_has_one_face() {
    for said in [
        "220 mail.example ESMTP\r\n",
        "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy",
    ] {
        for is_seen in [false, true] {
            let (mut connection, mut peer) = connected().await;
            if !is_seen {
                poll_fn(|cx| connection.poll_ready(cx)).await.unwrap();
            }
            let writing = Pin::new(&mut peer.io);
            let context = &mut Context::from_waker(std::task::Waker::noop());
            let written = tokio::io::AsyncWrite::poll_write(writing, context, said.as_bytes());
            assert!(written.is_ready());
            drop(peer);
            let error = match is_seen {
                true => {
                    tokio::task::yield_now().await;
                    send(&mut connection, get()).await.unwrap_err()
                }
                false => connection.call(get()).await.unwrap_err(),
            };
            assert_eq!(error.progress, Progress::Unsent);
            let error = *error.error.downcast::<Error>().unwrap();
            assert!(error.is_io() && error.is_canceled() && error.is_unsent(), "{error:?}");
            assert!(error.cause::<io::Error>().is_some(), "{error:?}");
            assert!(
                error.to_string().ends_with(": the server spoke before it was asked"),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn a_server_that_hung_up_on_an_idle_connection_gives_the_request_back() {
    let (mut connection, mut peer) = connected().await;
    let (sent, _) = ask(&mut connection, &mut peer, get(), &[OK]).await;
    read(sent.unwrap()).await.unwrap();
    poll_fn(|cx| connection.poll_ready(cx)).await.unwrap();
    drop(peer);
    let error = connection.call(get()).await.unwrap_err();
    assert_eq!(error.progress, Progress::Unsent);
    let request = error.request.unwrap();
    assert!(!request.headers().contains_key("host"));
}

#[tokio::test]
async fn a_reused_connection_asks_its_socket_to_look_again() {
    let recheck = crate::io::Recheck::new();
    let (mut connection, mut peer) = connected().await;
    connection.info = ConnectInfo::default().with_encryption().with_recheck(recheck.clone());
    let (sent, _) = ask(&mut connection, &mut peer, get(), &[OK]).await;
    read(sent.unwrap()).await.unwrap();
    assert!(!recheck.take());
    let (sent, _) = ask(&mut connection, &mut peer, get(), &[OK]).await;
    assert!(sent.is_ok() && recheck.take());
}

#[tokio::test]
async fn switching_protocols_unasked_is_a_protocol_error() {
    let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: evil\r\nConnection: upgrade\r\n\r\n";
    let error = error_of(&[answer]).await;
    assert!(error.is_protocol(), "{error:?}");
}

#[tokio::test]
async fn a_body_that_only_the_end_delimits_needs_the_end_of_tls() {
    let mut connection = torn("HTTP/1.1 200 OK\r\n\r\nhello").await;
    let error = read(send(&mut connection, get()).await.unwrap()).await.unwrap_err();
    assert!(error.is_protocol() && error.is_io(), "{error:?}");
}

#[tokio::test]
async fn a_body_of_known_length_does_not_need_the_end_of_tls() {
    let mut connection = torn(OK).await;
    let response = send(&mut connection, get()).await.unwrap();
    assert_eq!(read(response).await.unwrap(), "hello");
}

/// A server that answers a GET with `answer`, and ends as TLS does without `close_notify`.
async fn torn(answer: &'static str) -> Http1<Body> {
    let hears = "GET / HTTP/1.1\r\nhost: example.com\r\n\r\n".len();
    let io = DeafAfter { hears, answer: answer.as_bytes(), torn: true };
    over(io, "https://example.com", &Http1Config::default()).await
}

#[tokio::test]
async fn what_was_said_before_a_broken_upload_is_the_answer() {
    let answer = "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 37\r\n\r\n\
                  Request body exceeded 1,000,000 bytes";
    let mut connection = broken_upload(answer).await;
    let request = request(Method::POST, "x".repeat(10_000_000));
    let response = send(&mut connection, request).await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(read(response).await.unwrap(), "Request body exceeded 1,000,000 bytes");
    run_ready_tasks().await;
    assert!(!connection.is_open());
}

#[tokio::test]
async fn what_was_said_before_a_reset_over_tcp_is_the_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let answering = async {
        let (mut peer, _) = listener.accept().await.unwrap();
        peer.read_exact(&mut vec![0; 1_000_000]).await.unwrap();
        let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig";
        peer.write_all(answer).await.unwrap();
        // What is dropped unread resets the connection.
        drop(peer);
    };
    let io = TokioIo::new(stream);
    let mut connection = over(io, "https://example.com", &Http1Config::default()).await;
    let request = request(Method::POST, "x".repeat(10_000_000));
    let (response, ()) = tokio::join!(send(&mut connection, request), answering);
    assert_eq!(read(response.unwrap()).await.unwrap(), "big");
}

#[tokio::test]
async fn a_broken_upload_without_an_answer_is_an_io_error() {
    let mut connection = broken_upload("").await;
    let request = request(Method::POST, "x".repeat(10_000_000));
    let error = send(&mut connection, request).await.unwrap_err();
    assert_eq!(error.progress, Progress::Sent);
    let error = error.into_error();
    assert!(error.is_io() && !error.is_protocol(), "{error:?}");
    assert!(error.to_string().ends_with("the server closed the connection without an answer"));
}

async fn broken_upload(answer: &'static str) -> Http1<Body> {
    let io = DeafAfter { hears: 1_000_000, answer: answer.as_bytes(), torn: false };
    over(io, "https://example.com", &Http1Config::default()).await
}

/// A server that reads this many bytes, sends `answer`, closes, cleanly or not, and resets on further bytes.
struct DeafAfter {
    hears: usize,
    answer: &'static [u8],
    torn: bool,
}

impl Read for DeafAfter {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.hears > 0 {
            return Poll::Pending;
        }
        if self.torn && self.answer.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        buffer.put_slice(std::mem::take(&mut self.answer));
        Poll::Ready(Ok(()))
    }
}

impl Write for DeafAfter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.hears == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let heard = bytes.len().min(self.hears);
        self.hears -= heard;
        cx.waker().wake_by_ref();
        Poll::Ready(Ok(heard))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
