//! How responses are handled.

use std::sync::Mutex;

use http::StatusCode;

use super::*;
use crate::options::OnInformational;

const B200: [&str; 5] = [
    "HTTP/1.1 200 OK\r\n",
    "Content-Type: plain/text\r\n",
    "Content-Length: 13\r\n",
    "\r\n",
    "Hello, world!",
];

#[tokio::test]
async fn an_answer_in_pieces_is_put_together() {
    let (response, body) = exchange(get(), &B200).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "plain/text");
    assert_eq!(body.unwrap(), "Hello, world!");
}

#[tokio::test]
async fn an_answer_of_single_bytes_is_put_together() {
    let bytes: Vec<String> = B200.concat().chars().map(String::from).collect();
    let script: Vec<&str> = bytes.iter().map(String::as_str).collect();
    let (_, body) = exchange(get(), &script).await.unwrap();
    assert_eq!(body.unwrap(), "Hello, world!");
}

#[tokio::test]
async fn an_answer_may_be_cut_in_two_anywhere() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Sum: 7\r\n\r\n";
    for (first, second) in (1..chunked.len()).map(|at| chunked.split_at(at)) {
        let (_, body) = exchange(get(), &[first, second]).await.unwrap();
        assert_eq!(body.unwrap(), "hello world", "{second:?}");
    }
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let (mut connection, mut peer) = connected().await;
    for _ in 0..3 {
        let (response, _) = ask(&mut connection, &mut peer, get(), &[OK]).await;
        assert_eq!(read(response.unwrap()).await.unwrap(), "hello");
        assert!(connection.is_open());
    }
}

#[tokio::test]
async fn a_connection_is_ready_only_after_the_body_was_read() {
    let (mut connection, mut peer) = connected().await;
    let (response, _) = ask(&mut connection, &mut peer, get(), &[&OK[..40]]).await;
    run_ready_tasks().await;
    assert!(ready_now(&mut connection).is_pending());
    peer.write_each([&OK[40..]]).await.unwrap();
    read(response.unwrap()).await.unwrap();
    run_ready_tasks().await;
    assert!(ready_now(&mut connection).is_ready());
}

#[tokio::test]
async fn informational_answers_are_passed_over() {
    for informational in ["100 Continue", "102 Processing", "103 Early Hints\r\nLink: </a>"] {
        let head = format!("HTTP/1.1 {informational}\r\n\r\n");
        let (response, body) = exchange(get(), &[&head, &head, OK]).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(body.unwrap(), "hello");
    }
}

#[tokio::test]
async fn informational_answers_are_reported_to_a_callback() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let mut request = get();
    let hearing = heard.clone();
    request.extensions_mut().insert(OnInformational::new(move |response| {
        hearing.lock().unwrap().push(response.status().as_u16());
    }));
    let script = ["HTTP/1.1 103 Early Hints\r\n\r\n", OK];
    let (response, _) = exchange(request, &script).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(*heard.lock().unwrap(), [103]);
}

#[tokio::test]
async fn answers_without_a_body_end_with_their_head() {
    let table = [
        (Method::HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
        (Method::HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (Method::GET, "HTTP/1.1 204 No Content\r\n\r\n"),
        (Method::GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n"),
    ];
    for (method, head) in table {
        let (mut connection, mut peer) = connected().await;
        let request = request(method, "");
        let (response, _) = ask(&mut connection, &mut peer, request, &[head]).await;
        assert_eq!(read(response.unwrap()).await.unwrap(), "", "{head}");
        let (response, _) = ask(&mut connection, &mut peer, get(), &[OK]).await;
        assert_eq!(read(response.unwrap()).await.unwrap(), "hello", "{head}");
    }
}

#[tokio::test]
async fn a_body_without_a_length_ends_with_the_connection() {
    for version in ["1.0", "1.1"] {
        let head = format!("HTTP/{version} 200 OK\r\n\r\n");
        let (_, body) = exchange(get(), &[&head, "hello ", "world"]).await.unwrap();
        assert_eq!(body.unwrap(), "hello world");
    }
}

#[tokio::test]
async fn chunks_are_put_together_whatever_their_extensions() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let script = [head, "5;ext=\"a;b\"\r\nhel", "lo\r\n", "006 ;x\r\n world\r\n0\r\n\r\n"];
    let (_, body) = exchange(get(), &script).await.unwrap();
    assert_eq!(body.unwrap(), "hello world");
}

#[tokio::test]
async fn trailers_come_after_the_body() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (mut connection, mut peer) = connected().await;
    let script = [head, "2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n"];
    let (response, _) = ask(&mut connection, &mut peer, get(), &script).await;
    let collected = http_body_util::BodyExt::collect(response.unwrap().into_body()).await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-sum"], "7");
}

#[tokio::test]
async fn what_rfc_9112_lets_pass_passes() {
    let table = [
        "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
        "\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\r\n",
        "HTTP/1.1 600 Odd\r\nContent-Length: 5\r\n\r\nhello",
    ];
    for answer in table {
        let (_, body) = exchange(get(), &[answer]).await.expect(answer);
        assert_eq!(body.unwrap(), "hello", "{answer}");
    }
}

#[tokio::test]
async fn a_folded_line_is_joined_by_a_space() {
    let script = ["HTTP/1.1 204 No\r\nX: a\r\n\t b\r\n\r\n"];
    let (response, _) = exchange(get(), &script).await.unwrap();
    assert_eq!(response.headers()["x"], "a b");
}

#[tokio::test]
async fn a_reason_of_its_own_is_kept() {
    let script = ["HTTP/1.1 200 Fine\r\nContent-Length: 0\r\n\r\n"];
    let (response, _) = exchange(get(), &script).await.unwrap();
    let reason = response.extensions().get::<hyper::ext::ReasonPhrase>().unwrap();
    assert_eq!(reason.as_bytes(), b"Fine");
}

#[tokio::test]
async fn keep_alive_says_how_long() {
    let (mut connection, mut peer) = connected().await;
    let answer = "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=9\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(connection.keep_alive(), None);
    let (sent, _) = ask(&mut connection, &mut peer, get(), &[answer]).await;
    sent.unwrap();
    assert_eq!(connection.keep_alive(), Some(Duration::from_secs(5)));
}

#[tokio::test]
async fn the_info_names_the_version() {
    let (connection, _peer) = connected().await;
    assert_eq!(connection.info().unwrap().version(), Some(Version::HTTP_11));
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_is_the_answer() {
    let endless = Body::stream(stream::pending::<Result<Bytes, io::Error>>());
    let (mut connection, mut peer) = connected().await;
    let request = request(Method::POST, endless);
    let script = ["HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"];
    let (response, _) = ask(&mut connection, &mut peer, request, &script).await;
    let response = response.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(read(response).await.unwrap(), "big");
}

/// Answers an upload whose body then waits. The body fails with this error once the receiver is told.
async fn answered_early(
    answer: &str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
) -> (Http1<Body>, Peer<DuplexStream>, Body, tokio::sync::oneshot::Sender<()>) {
    let (mut connection, mut peer) = connected().await;
    let (fail, failing) = tokio::sync::oneshot::channel();
    let failed = stream::once(async {
        failing.await.unwrap();
        Err(io::Error::other(error))
    });
    let body = Body::stream(stream::iter([Ok("hello")]).chain(failed));
    let (sent, _) = ask(&mut connection, &mut peer, request(Method::POST, body), &[answer]).await;
    (connection, peer, Body::new(sent.unwrap().into_body()), fail)
}

#[tokio::test]
async fn a_body_that_fails_after_the_head_is_the_error_of_the_answer() {
    for status in ["200 OK", "400 Bad"] {
        let half = format!("HTTP/1.1 {status}\r\nContent-Length: 10\r\n\r\nhello");
        let (connection, mut peer, mut body, fail) =
            answered_early(&half, "the disk is gone").await;
        let failing = async {
            run_ready_tasks().await;
            fail.send(()).unwrap();
        };
        let reading = async { (body.chunk().await, body.chunk().await) };
        let ((first, second), ()) = tokio::join!(reading, failing);
        assert_eq!(first.unwrap().unwrap(), "hello");
        let error = second.unwrap_err();
        assert!(error.is_body() && error.was_sent() && !error.is_canceled(), "{error:?}");
        assert!(format!("{error:?}").contains("the disk is gone"), "{error:?}");
        assert!(!connection.is_open());
        peer.read_to_end().await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_is_here_survives_a_body_that_fails() {
    let long = "x".repeat(10_000);
    let whole = format!("HTTP/1.1 400 Bad\r\nContent-Length: 10000\r\n\r\n{long}");
    let (mut connection, _peer, mut body, fail) = answered_early(&whole, "the disk is gone").await;
    fail.send(()).unwrap();
    run_ready_tasks().await;
    assert_eq!(body.read().await.unwrap(), long);
    assert!(matches!(ready_now(&mut connection), Poll::Ready(Err(_))), "half of a request is sent");
}

#[tokio::test]
async fn a_busy_task_does_not_take_an_answer_that_is_here_for_a_missing_one() {
    let long = "x".repeat(10_000);
    let whole = format!("HTTP/1.1 400 Bad\r\nContent-Length: 10000\r\n\r\n{long}");
    let (_connection, _peer, mut body, fail) = answered_early(&whole, "the disk is gone").await;
    fail.send(()).unwrap();
    run_ready_tasks().await;
    let mut reading = std::pin::pin!(body.read());
    let outcome = poll_fn(|cx| {
        while let Poll::Ready(turn) = tokio::task::coop::poll_proceed(cx) {
            turn.made_progress();
        }
        Poll::Ready(reading.as_mut().poll(cx))
    });
    assert!(outcome.await.is_pending());
    assert_eq!(reading.await.unwrap(), long);
}

#[tokio::test]
async fn the_error_of_a_body_is_dropped_outside_of_the_lock() {
    /// Needs the lock to be dropped.
    #[derive(Debug)]
    struct Reentrant(Arc<std::sync::OnceLock<Arc<ConnShared>>>);

    impl fmt::Display for Reentrant {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Ok(())
        }
    }

    impl std::error::Error for Reentrant {}

    impl Drop for Reentrant {
        fn drop(&mut self) {
            drop(self.0.get().unwrap().lock());
        }
    }

    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
    ] {
        let shared = Arc::default();
        let (connection, mut peer, body, fail) =
            answered_early(answer, Reentrant(Arc::clone(&shared))).await;
        shared.set(connection.shared.clone()).unwrap();
        fail.send(()).unwrap();
        run_ready_tasks().await;
        drop(body);
        peer.read_to_end().await.unwrap();
        assert_eq!(Arc::strong_count(&shared), 1, "the error is kept");
    }
}

#[tokio::test]
async fn http_1_0_is_kept_alive_if_it_says_so_but_has_no_chunks() {
    let (mut connection, mut peer) = connected().await;
    let old = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n";
    let (sent, _) = ask(&mut connection, &mut peer, get(), &[old]).await;
    sent.unwrap();
    let refused = send(&mut connection, request(Method::POST, chunks(["hi"]))).await.unwrap_err();
    assert_eq!(refused.progress, Progress::Unsent);
    assert!(refused.request.is_some());
    let (sent, _) = ask(&mut connection, &mut peer, get(), &[old]).await;
    assert_eq!(sent.unwrap().status(), 200);
}

#[tokio::test]
async fn a_head_and_its_1xx_may_have_a_size_and_not_more() {
    let config = Http1Config::new().max_head_size(1000);
    for (filling, passes) in [(900, true), (1000, false)] {
        let (mut connection, mut peer) = connected_to("https://example.com", &config).await;
        let head =
            format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(filling));
        let (sent, _) = ask(&mut connection, &mut peer, get(), &[&head]).await;
        assert_eq!(sent.is_ok(), passes, "{filling}");
    }
}

#[tokio::test]
async fn a_head_may_have_the_whole_size() {
    let config = Http1Config::new().max_head_size(1000);
    let (mut connection, mut peer) = connected_to("https://example.com", &config).await;
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: ";
    let head = format!("{head}{}\r\n\r\n", "x".repeat(1000 - head.len() - 4));
    let asking = async { read(send(&mut connection, get()).await.unwrap()).await };
    let script = [&*head, "hello"];
    let (body, _) = tokio::join!(asking, peer.answer(&script));
    assert_eq!(body.unwrap(), "hello");
}

#[tokio::test]
async fn a_body_in_the_same_read_is_no_part_of_the_head() {
    let config = Http1Config::new().max_head_size(100);
    let (mut connection, mut peer) = connected_to("https://example.com", &config).await;
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{}", "x".repeat(5000));
    let (sent, _) = ask(&mut connection, &mut peer, get(), &[&answer]).await;
    assert_eq!(read(sent.unwrap()).await.unwrap().len(), 5000);
}

#[tokio::test]
async fn a_large_body_is_read_however_large_a_head_may_be() {
    let config = Http1Config::new().max_head_size(100);
    let (mut connection, mut peer) = connected_to("https://example.com", &config).await;
    let piece = "x".repeat(100_000);
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n";
    let asking = async { read(send(&mut connection, get()).await.unwrap()).await };
    let (body, _) = tokio::join!(asking, async {
        peer.answer(&[head, &piece, &piece, &piece, &piece, &piece]).await
    });
    assert_eq!(body.unwrap().len(), 500_000);
}

/// Whether the next request may be sent, without waiting for it.
fn ready_now(connection: &mut Http1<Body>) -> Poll<Result<(), SendError<Request<Body>>>> {
    connection.poll_ready(&mut Context::from_waker(std::task::Waker::noop()))
}
