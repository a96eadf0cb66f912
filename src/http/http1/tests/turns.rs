//! Ends, responses and drops between any two turns of a request.

use std::pin::pin;

use super::*;
use crate::tests::script::run;

const END: &[u8] = b"\r\n\r\n";

fn is_ready(connection: &mut Http1<Body>, tasks: &Tasks) -> bool {
    let ready = run(|cx| {
        tasks.poll(cx);
        connection.poll_ready(cx)
    });
    matches!(ready, Some(Ok(())))
}

#[test]
fn an_end_that_comes_while_a_request_is_not_polled_is_seen_after_it() {
    let script = Script::default();
    let (mut connection, tasks) = scripted(&script);
    let sending = connection.call(get());
    script.hang_up();
    run(|cx| -> Poll<()> {
        tasks.poll(cx);
        Poll::Pending
    });
    drop(sending);
    assert!(!is_ready(&mut connection, &tasks));
}

#[test]
fn a_request_that_is_not_polled_lets_the_next_one_go() {
    let (mut connection, _tasks) = scripted(&Script::default());
    let mut sending = Some(connection.call(get()));
    let ready = run(|cx| {
        let ready = connection.poll_ready(cx);
        // Dropped only now that the caller waits.
        sending = None;
        ready
    });
    assert!(matches!(ready, Some(Ok(()))));
}

#[test]
fn the_rest_of_an_upload_ends_with_its_connection() {
    let early = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let script = Script::new(b"x", [&early[..]]).with_room(1000);
    let (mut connection, tasks) = scripted(&script);
    let mut sending = connection.call(request(Method::POST, "x".repeat(1_000_000)));
    let response = run(|cx| pin!(&mut sending).poll(cx)).unwrap().unwrap();
    drop(response);
    assert!(!is_ready(&mut connection, &tasks));
    let mut connection = Some(connection);
    run(|cx| -> Poll<()> {
        tasks.poll(cx);
        connection = None;
        Poll::Pending
    });
    assert_eq!(tasks.left(), 0, "the task was not woken");
}

/// Whether more of an upload is sent after this head, and whether its connection is kept.
fn upload_after(head: &str) -> (bool, bool) {
    let script = Script::new(b"x", [format!("{head}\r\n\r\n")]).with_room(1000);
    let (mut connection, tasks) = scripted(&script);
    let mut sending = connection.call(request(Method::POST, "x".repeat(100_000)));
    let response = run(|cx| pin!(&mut sending).poll(cx)).unwrap().unwrap();
    script.take_everything();
    run(|cx| -> Poll<()> {
        tasks.poll(cx);
        Poll::Pending
    });
    drop(response);
    (script.heard().len() > 1000, is_ready(&mut connection, &tasks))
}

#[test]
fn a_refusal_that_is_the_last_answer_of_its_connection_ends_the_upload() {
    for head in [
        "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0",
        "HTTP/1.1 307 Elsewhere\r\nConnection: close\r\nContent-Length: 0",
        "HTTP/1.0 413 Too Large\r\nContent-Length: 0",
        "HTTP/1.1 413 Too Large",
    ] {
        assert_eq!(upload_after(head), (false, false), "{head}");
    }
}

#[test]
fn the_upload_goes_on_after_a_success_and_where_the_connection_is_kept() {
    let refused = upload_after("HTTP/1.1 413 Too Large\r\nContent-Length: 0");
    assert_eq!(refused, (true, true));
    let last = upload_after("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0");
    assert_eq!(last, (true, false));
}

#[test]
fn a_connection_ends_with_the_task_of_the_rest_of_its_upload() {
    let early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
    let script = Script::new(b"x", [&early[..]]).with_room(1000);
    let (mut connection, tasks) = scripted(&script);
    let mut sending = connection.call(request(Method::POST, "x".repeat(1_000_000)));
    drop(run(|cx| pin!(&mut sending).poll(cx)).unwrap().unwrap());
    let ready = run(|cx| {
        let ready = connection.poll_ready(cx);
        tasks.end();
        ready
    });
    assert!(ready.expect("it waits for ever").is_err());
}

#[test]
fn an_answer_before_the_end_of_the_head_costs_the_connection() {
    let early = b"HTTP/1.1 431 Too Large\r\nContent-Length: 0\r\n\r\n";
    let script = Script::new(b"GET /", [&early[..]]).with_room(5);
    let (mut connection, tasks) = scripted(&script);
    let mut sending = connection.call(get());
    let response = run(|cx| pin!(&mut sending).poll(cx)).unwrap().unwrap();
    assert_eq!(response.status(), 431);
    assert!(!is_ready(&mut connection, &tasks));
}

#[test]
fn an_answer_before_the_head_is_flushed_costs_the_connection() {
    let early = b"HTTP/1.1 431 Too Large\r\nContent-Length: 0\r\n\r\n";
    let script = Script::new(END, [&early[..]]).that_holds_flushes();
    let (mut connection, tasks) = scripted(&script);
    let mut sending = connection.call(get());
    let response = run(|cx| pin!(&mut sending).poll(cx)).unwrap().unwrap();
    assert_eq!(response.status(), 431);
    drop(response);
    assert!(!is_ready(&mut connection, &tasks));
}

#[test]
fn an_expectation_beside_others_holds_the_body_back() {
    for expected in ["100-continue, ", "x-other, 100-Continue"] {
        let script = Script::default();
        let (mut connection, _tasks) = scripted(&script);
        let mut request = request(Method::PUT, "hello");
        request.headers_mut().insert("expect", expected.parse().unwrap());
        let mut sending = connection.call(request);
        assert!(run(|cx| pin!(&mut sending).poll(cx)).is_none());
        assert!(script.heard().ends_with(END));
    }
}

#[test]
fn what_comes_before_the_first_byte_of_a_request_is_not_its_answer() {
    for hangs_up in [true, false] {
        let script = Script::default().with_room(0);
        let (mut connection, _tasks) = scripted(&script);
        let mut sending = connection.call(get());
        assert!(run(|cx| pin!(&mut sending).poll(cx)).is_none());
        match hangs_up {
            true => script.hang_up(),
            false => script.say(OK.as_bytes()),
        }
        script.take_everything();
        let error = run(|cx| pin!(&mut sending).poll(cx)).unwrap().unwrap_err();
        assert_eq!(error.progress, Progress::Unsent);
        assert_eq!(script.heard(), b"");
    }
}

#[test]
fn a_peer_that_took_everything_in_the_end_is_waited_for_to_answer() {
    let script = Script::default().that_holds_flushes();
    let (mut connection, _tasks) = scripted(&script);
    let mut sending = connection.call(get());
    assert!(run(|cx| pin!(&mut sending).poll(cx)).is_none());
    assert!(connection.shared.lock().wire.is_full);
    script.take_everything();
    assert!(run(|cx| pin!(&mut sending).poll(cx)).is_none());
    assert!(!connection.shared.lock().wire.is_full, "the wrong limit holds");
}

#[test]
fn switching_protocols_in_the_middle_of_a_request_is_a_protocol_error() {
    let switch = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
    let script = Script::new(b"x", [&switch[..]]).with_room(1000);
    let (mut connection, _tasks) = scripted(&script);
    let mut request = request(Method::POST, "x".repeat(100_000));
    request.headers_mut().insert("upgrade", HeaderValue::from_static("other"));
    let mut sending = connection.call(request);
    let error = run(|cx| pin!(&mut sending).poll(cx)).unwrap().unwrap_err();
    assert!(error.into_error().is_protocol());
    assert!(!connection.is_open());
}

#[test]
fn an_idle_connection_holds_no_more_than_it_needs() {
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n".to_vec();
    answer.extend(vec![b'x'; 3_000_000]);
    let script = Script::new(END, [&answer[..]]);
    let (mut connection, tasks) = scripted(&script);
    let mut request = get();
    let long = HeaderValue::from_str(&"x".repeat(100_000)).unwrap();
    request.headers_mut().insert("x-long", long);
    let mut sending = connection.call(request);
    let response = run(|cx| pin!(&mut sending).poll(cx)).unwrap().unwrap();
    let mut body = response.into_body();
    while run(|cx| http_body::Body::poll_frame(pin!(&mut body), cx)).unwrap().is_some() {}
    assert!(is_ready(&mut connection, &tasks));
    let room = connection.shared.lock().wire.room();
    assert!(room <= 32 * 1024, "{room}");
}

#[tokio::test]
async fn a_busy_task_sees_an_end_as_well() {
    let (mut connection, peer) = connected().await;
    drop(peer);
    let mut sending = connection.call(get());
    let outcome = poll_fn(|cx| {
        while let Poll::Ready(turn) = tokio::task::coop::poll_proceed(cx) {
            turn.made_progress();
        }
        Poll::Ready(pin!(&mut sending).poll(cx))
    });
    assert!(outcome.await.is_pending());
    let error = sending.await.unwrap_err();
    assert!(error.request.is_some(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_polled_after_its_end_does_not_touch_the_next_request() {
    // Too little room for the head of a request at once.
    let (near, far) = tokio::io::duplex(16);
    let mut peer = Peer::new(far);
    let mut connection =
        over(TokioIo::new(near), "https://example.com", &Http1Config::default()).await;
    poll_fn(|cx| connection.poll_ready(cx)).await.unwrap();
    let mut first = connection.call(get());
    let (response, _) = tokio::join!(&mut first, peer.answer([OK]));
    read(response.unwrap()).await.unwrap();
    poll_fn(|cx| connection.poll_ready(cx)).await.unwrap();
    let (runtime, second) = (Runtime::tokio(), connection.call(get()));
    let (done, answered) = tokio::sync::oneshot::channel();
    runtime.spawn(async move { done.send(second.await.is_ok()).unwrap() });
    run_ready_tasks().await;
    // By another task, whose waker would take the place of the one that waits for room.
    let polled = poll_fn(|cx| Poll::Ready(pin!(&mut first).poll(cx)));
    assert!(polled.await.is_pending());
    let began = runtime.now();
    peer.answer([OK]).await.unwrap();
    assert!(answered.await.unwrap());
    assert_eq!(runtime.now(), began, "woken by a timer, not by the room");
}
