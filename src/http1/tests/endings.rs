//! How a connection ends, and what it takes along.

use super::*;

/// Something that the connection holds, and that counts who does.
fn guarded(connection: &Http1<Body>) -> Arc<()> {
    let alive = Arc::new(());
    connection.line.meter().hold(alive.clone());
    alive
}

fn is_gone(alive: &Arc<()>) -> bool {
    Arc::strong_count(alive) == 1
}

#[tokio::test]
async fn dropping_an_idle_connection_closes_it() {
    let (connection, mut peer) = connected().await;
    drop(connection);
    assert_eq!(peer.hear_all().await, "");
}

#[tokio::test]
async fn dropping_a_connection_whose_server_reads_nothing_ends_it_at_once() {
    let (near, mut far) = tokio::io::duplex(1000);
    let mut connection = over(TokioIo::new(near), "https://example.com", &Http1Config::new()).await;
    let alive = guarded(&connection);
    let early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
    let request = request(Method::POST, "x".repeat(1_000_000));
    let answering = async {
        far.read_u8().await.unwrap();
        far.write_all(early).await.unwrap();
    };
    let (sent, ()) = tokio::join!(send(&mut connection, request), answering);
    read(sent.unwrap()).await.unwrap();
    settle().await;
    assert!(!is_gone(&alive));
    drop(connection);
    settle().await;
    assert!(is_gone(&alive));
}

#[tokio::test]
async fn dropping_a_connection_fails_the_body_that_is_being_read() {
    let (mut connection, mut peer) = connected().await;
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    let (sent, _) = ask(&mut connection, &mut peer, get(), &[half]).await;
    drop(connection);
    let error = read(sent.unwrap()).await.unwrap_err();
    assert!(error.is_canceled(), "{error:?}");
}

#[tokio::test]
async fn dropping_a_request_under_way_costs_the_connection() {
    let (mut connection, mut peer) = connected().await;
    poll_fn(|cx| connection.poll_ready(cx)).await.unwrap();
    let sending = connection.call(get());
    settle().await;
    drop(sending);
    settle().await;
    assert!(!connection.is_open());
    assert!(peer.hear_all().await.starts_with("GET / "));
}

#[tokio::test]
async fn what_a_connection_holds_is_held_until_its_stream_is_gone() {
    let (mut connection, mut peer) = connected().await;
    let alive = guarded(&connection);
    let (sent, _) = ask(&mut connection, &mut peer, get(), &[OK]).await;
    read(sent.unwrap()).await.unwrap();
    assert!(!is_gone(&alive));
    drop(connection);
    settle().await;
    assert!(is_gone(&alive));
}

#[tokio::test]
async fn a_connection_that_is_to_be_closed_takes_no_request() {
    let closing = [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    ];
    for head in closing {
        let (mut connection, mut peer) = connected().await;
        let (sent, _) = ask(&mut connection, &mut peer, get(), &[head]).await;
        read(sent.unwrap()).await.unwrap();
        let error = send(&mut connection, get()).await.unwrap_err();
        assert_eq!(error.progress, Progress::Unsent, "{head}");
        assert!(error.into_error().is_canceled(), "{head}");
    }
}
