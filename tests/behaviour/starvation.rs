//! Whatever goes on, fails or was given up, it does not keep others from being served.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use tower::{ServiceExt, service_fn};
use tower_transport::{
    Body, Error, RequestExt, Transport,
    connect::{MemoryConnector, MemoryListener},
    error::BoxError,
    options::{Protocols, Timeouts},
    target::Target,
};

use crate::support::{
    given_runtime,
    origin::{Origin, run_ready_tasks},
};

const A: &str = "http://a.example/";
const B: &str = "http://b.example/";

/// Serves HTTP/2 to hosts that begin with `h2`, HTTP/1.1 to others. `/events` is a stream without an end, after which the
/// HTTP/2 server says GOAWAY if it `goes_away`.
fn hosts(goes_away: bool) -> MemoryConnector {
    let (connector, listener) = MemoryConnector::pair();
    tokio::spawn(accept(listener, goes_away));
    connector
}

async fn accept(mut listener: MemoryListener, goes_away: bool) {
    while let Some((io, target)) = listener.accept().await {
        match target.origin.host().starts_with("h2") {
            true => drop(tokio::spawn(speak_http2(io, goes_away))),
            false => drop(tokio::spawn(speak_http1(io))),
        }
    }
}

async fn speak_http1(mut io: tokio::io::DuplexStream) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    while io.read(&mut [0; 1000]).await.is_ok_and(|read| read > 0) {
        io.write_all(crate::support::scripted::HELLO.as_bytes()).await.unwrap();
    }
}

async fn speak_http2(io: tokio::io::DuplexStream, goes_away: bool) {
    let mut server = h2::server::handshake(io).await.unwrap();
    let mut streams = Vec::new();
    while let Some(Ok((request, mut respond))) = server.accept().await {
        let mut body = respond.send_response(http::Response::new(()), false).unwrap();
        let is_endless = request.uri().path() == "/events";
        body.send_data(Bytes::from_static(b"hello"), !is_endless).unwrap();
        if is_endless {
            streams.push(body);
            if goes_away {
                server.graceful_shutdown();
            }
        }
    }
}

async fn events(transport: &Transport, host: &str) -> Body {
    let request = transport.stream("GET", format!("http://{host}.example/events"));
    let mut body = request.extension(Protocols::Http2PriorKnowledge).await.unwrap().into_body();
    assert_eq!(body.chunk().await.unwrap().unwrap(), "hello");
    body
}

async fn get_http2(transport: &Transport, host: &str) -> Result<(), Error> {
    let request = transport.request("GET", format!("http://{host}.example/"));
    let response = request.extension(Protocols::Http2PriorKnowledge).await?;
    assert_eq!(response.body(), "hello");
    Ok(())
}

fn pool_timeout(milliseconds: u64) -> Timeouts {
    Timeouts::default().pool(Duration::from_millis(milliseconds))
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_connection_was_asked_to_make_room_is_served_when_nobody_needs_that() {
    let transport = given_runtime::transport()
        .connector(hosts(false))
        .max_connections(1)
        .timeouts(pool_timeout(700))
        .build()
        .unwrap();
    let _stream = events(&transport, "h2").await;
    let error = transport.request("GET", A).await.unwrap_err();
    assert!(error.is_timeout() && !error.was_sent(), "there is no place for it: {error}");
    get_http2(&transport, "h2").await.unwrap();
    assert_eq!(transport.stats().opened, 1);
}

#[tokio::test(start_paused = true)]
async fn a_host_goes_on_while_another_starves_behind_its_long_stream() {
    let transport =
        given_runtime::transport().connector(hosts(false)).max_connections(1).build().unwrap();
    let _stream = events(&transport, "h2").await;
    let starving = tokio::spawn(transport.request("GET", A).into_future());
    run_ready_tasks().await;
    for _ in 0..5 {
        let served = tokio::time::timeout(Duration::from_secs(9), get_http2(&transport, "h2"));
        served.await.expect("the drain ends in time").unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    assert!(starving.await.unwrap().unwrap_err().is_timeout());
}

#[tokio::test(start_paused = true)]
async fn idle_connections_make_room_whatever_else_is_to_leave() {
    for (limit, old) in [(10, 0), (10, 1), (10, 3), (100, 1)] {
        let transport = given_runtime::transport()
            .connector(hosts(false))
            .max_connections(limit)
            .max_age(Duration::from_millis(1500))
            .timeouts(pool_timeout(700))
            .build()
            .unwrap();
        let mut streams = Vec::new();
        for host in 0..old {
            streams.push(events(&transport, &format!("h2-{host}")).await);
        }
        tokio::time::sleep(Duration::from_millis(1800)).await;
        for host in 0..old {
            // It finds the first one's connection of age: that is to leave, and another is made.
            streams.push(events(&transport, &format!("h2-{host}")).await);
        }
        let mut host = 0;
        while transport.stats().connections.len() < limit {
            host += 1;
            transport.request("GET", format!("http://{host}.example/")).await.unwrap();
        }
        let answer = transport.request("GET", A).await;
        assert!(answer.is_ok(), "{limit} {old}: {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_goaway_and_a_stream_that_goes_on_do_not_keep_their_host_from_being_served() {
    let per_host = given_runtime::transport().max_connections_per_host(1);
    let in_all = given_runtime::transport().max_connections(1);
    for builder in [per_host, in_all] {
        let connector = hosts(true);
        let transport = builder.connector(connector).timeouts(pool_timeout(500)).build().unwrap();
        let mut stream = events(&transport, "h2").await;
        run_ready_tasks().await;
        get_http2(&transport, "h2").await.unwrap();
        assert!(futures_util::poll!(std::pin::pin!(stream.chunk())).is_pending());
        assert_eq!(transport.stats().connections.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_only_connection_stays_busy_has_its_turn() {
    let origin = Origin::new();
    let transport = origin.http1().max_connections(2).build().unwrap();
    let busy = tokio::spawn(transport.request("GET", "http://b.example/gated").into_future());
    run_ready_tasks().await;
    let other = tokio::spawn(transport.request("GET", "http://a.example/gated").into_future());
    run_ready_tasks().await;
    let third = tokio::spawn(transport.request("GET", B).into_future());
    run_ready_tasks().await;
    assert_eq!(transport.stats().queued, 1);
    origin.gate.add_permits(1);
    assert_eq!(third.await.unwrap().unwrap().body(), "hello");
    origin.gate.add_permits(1);
    busy.await.unwrap().unwrap();
    other.await.unwrap().unwrap();
}

/// A connector whose `odd` dial, counted from zero, refuses or hangs.
struct Dials {
    transport: Transport,
    count: Arc<AtomicUsize>,
}

fn dials(odd: impl Fn(usize) -> bool + Clone + Send + 'static, hangs: bool) -> Dials {
    let hosts = hosts(false);
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let connector = service_fn(move |target: Target| {
        let is_odd = odd(counted.fetch_add(1, Ordering::SeqCst));
        let hosts = hosts.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            match (is_odd, hangs) {
                (true, true) => std::future::pending().await,
                (true, false) => Err(io::Error::from(io::ErrorKind::ConnectionRefused).into()),
                (false, _) => hosts.oneshot(target).await.map_err(BoxError::from),
            }
        }
    });
    let timeouts = Timeouts::default().connect(Duration::from_secs(1));
    let builder = given_runtime::transport().connector(connector).timeouts(timeouts);
    Dials { transport: builder.build().unwrap(), count }
}

#[tokio::test(start_paused = true)]
async fn one_dial_that_fails_or_hangs_costs_one_request_of_ten() {
    for hangs in [false, true] {
        let Dials { transport, count } = dials(|number| number == 0, hangs);
        let requests = (0..10).map(|_| transport.request("GET", A).into_future());
        let served = join_all(requests).await.into_iter().filter(Result::is_ok).count();
        // One that hangs is made good by a connection that comes back.
        let expected = if hangs { 10 } else { 9 };
        assert_eq!((served, count.load(Ordering::SeqCst)), (expected, 10), "dials in parallel");

        let Dials { transport, count } = dials(|number| number == 0, hangs);
        let requests = (0..10).map(|_| get_http2(&transport, "h2"));
        let served = join_all(requests).await.into_iter().filter(Result::is_ok).count();
        assert_eq!((served, count.load(Ordering::SeqCst)), (9, 2), "the others have one more");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_refuses_costs_a_crowd_two_dials() {
    let Dials { transport, count } = dials(|_| true, false);
    let requests = (0..50).map(|_| get_http2(&transport, "h2"));
    let errors = join_all(requests).await.into_iter().filter(Result::is_err).count();
    assert_eq!((errors, count.load(Ordering::SeqCst)), (50, 2));
}

#[tokio::test(start_paused = true)]
async fn dials_of_requests_that_were_given_up_give_way_to_another_host() {
    let Dials { transport, .. } = dials(|number| number < 100, true);
    let dead = (0..100).map(|_| {
        let request = transport.request("GET", "http://dead.example/").into_future();
        tokio::time::timeout(Duration::from_millis(100), request)
    });
    join_all(dead).await;
    assert_eq!(transport.stats().connections.len(), 100, "they go on while nobody needs them");
    let before = tokio::time::Instant::now();
    transport.request("GET", B).await.unwrap();
    assert!(before.elapsed() < Duration::from_millis(300));
}

#[tokio::test(start_paused = true)]
async fn a_response_without_an_end_that_is_dropped_gives_way_at_once() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    for other in [A, B] {
        let (connector, mut listener) = MemoryConnector::pair();
        tokio::spawn(async move {
            let (mut first, _) = listener.accept().await.unwrap();
            assert_ne!(first.read(&mut [0; 1000]).await.unwrap(), 0);
            let endless = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
            first.write_all(endless.as_bytes()).await.unwrap();
            let (second, _) = listener.accept().await.unwrap();
            speak_http1(second).await;
            drop(first);
        });
        let transport =
            given_runtime::transport().connector(connector).max_connections(1).build().unwrap();
        let body = transport.stream("GET", A).await.unwrap().into_body();
        let before = tokio::time::Instant::now();
        drop(body);
        transport.request("GET", other).await.unwrap();
        assert_eq!(before.elapsed(), Duration::ZERO, "{other}");
    }
}

#[tokio::test]
async fn first_requests_do_not_count_as_waiting_while_their_connections_are_made() {
    for waiters in [0, 2] {
        let origin = Origin::new();
        let transport = origin.http1().max_waiters(waiters).build().unwrap();
        let requests = (0..10).map(|_| transport.request("GET", A).into_future());
        for answer in join_all(requests).await {
            assert_eq!(answer.unwrap().body(), "hello");
        }
    }
}

#[tokio::test]
async fn with_no_waiters_a_request_beyond_the_limit_fails_at_once() {
    let origin = Origin::new();
    let builder = origin.http1().max_connections(1).max_waiters(0);
    let transport = builder.build().unwrap();
    let busy = tokio::spawn(transport.request("GET", "http://a.example/gated").into_future());
    run_ready_tasks().await;
    let error = transport.request("GET", B).await.unwrap_err();
    assert!(error.is_queue_full() && !error.was_sent(), "{error}");
    origin.gate.add_permits(1);
    busy.await.unwrap().unwrap();
    transport.request("GET", B).await.unwrap();
}
