//! Keys, streams and listeners are a user's: whatever they do when they are dropped or displayed, the pool goes on.

use std::{
    fmt,
    future::ready,
    hash::{Hash, Hasher},
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, mpsc},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::Request;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tower::{Layer, ServiceExt, service_fn};
use tower_transport::{
    Body, Error, RequestExt, Transport,
    connect::Connected,
    http::{HttpConnection, NegotiateLayer},
    options::Timeouts,
    pool::{Pool, PoolLayer},
    target::Target,
};

use crate::support::{given_runtime, origin::run_ready_tasks};

type OwnPool = Pool<HttpConnection<Body>, Body, Key>;

/// Looks at the pool when it is dropped, as a user's value may.
#[derive(Clone)]
struct Key {
    name: String,
    pool: Arc<OnceLock<OwnPool>>,
    panics: bool,
}

impl Drop for Key {
    fn drop(&mut self) {
        thread_local!(static IS_LOOKING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
        if !IS_LOOKING.replace(true) {
            let _ = self.pool.get().map(|pool| pool.stats().opened);
            IS_LOOKING.set(false);
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert!(!self.panics, "a key that cannot be displayed");
        f.write_str(&self.name)
    }
}

/// A pool that keeps connections by the path of a request; every dial fails.
fn failing_pool(panics: bool) -> OwnPool {
    let own: Arc<OnceLock<OwnPool>> = Arc::default();
    let pool = own.clone();
    let key = move |request: &Request<Body>| {
        Ok(Key { name: request.uri().path().to_owned(), pool: own.clone(), panics })
    };
    let make = service_fn(|_: Key| async {
        tokio::task::yield_now().await;
        Err::<HttpConnection<Body>, _>(std::io::Error::other("out of order"))
    });
    let made = PoolLayer::keyed(key).layer(make);
    let _ = pool.set(made.clone());
    made
}

#[test]
fn no_key_is_dropped_under_the_lock() {
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let pool = failing_pool(false);
            // More keys than are remembered, so that some are forgotten.
            for number in 0..1100 {
                let request = Request::get(format!("/{number}")).body(Body::empty()).unwrap();
                assert!(pool.clone().oneshot(request).await.is_err());
            }
        });
        ended.send(()).unwrap();
    });
    end.recv_timeout(Duration::from_secs(60)).expect("the lock was held while a key was dropped");
}

#[tokio::test]
async fn a_key_whose_display_panics_fails_no_more_than_its_texts() {
    let pool = failing_pool(true);
    let request = Request::get("/").body(Body::empty()).unwrap();
    let error = tokio::spawn(pool.clone().oneshot(request)).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("cannot be displayed"), "{error}");
    assert_eq!((pool.stats().queued, pool.stats().connections.len()), (0, 0));
}

/// A stream that asks, when it is closed, how many connections its transport counts.
struct ClosingIo {
    io: DuplexStream,
    transport: Arc<OnceLock<Transport>>,
    counted: Arc<Mutex<Vec<usize>>>,
}

impl Drop for ClosingIo {
    fn drop(&mut self) {
        let counted = self.transport.get().map(|transport| transport.stats().connections.len());
        self.counted.lock().unwrap().extend(counted);
    }
}

impl AsyncRead for ClosingIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ClosingIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_connection_counts_until_its_socket_is_closed() {
    let counted: Arc<Mutex<Vec<usize>>> = Arc::default();
    for http2 in [false, true] {
        let own: Arc<OnceLock<Transport>> = Arc::default();
        let (transport, all) = (own.clone(), counted.clone());
        let connector = service_fn(move |_: Target| {
            let (io, server) = tokio::io::duplex(4096);
            tokio::spawn(serve(server, http2));
            let io = ClosingIo { io, transport: transport.clone(), counted: all.clone() };
            ready(Ok::<_, Error>(Connected::new(hyper_util::rt::TokioIo::new(io))))
        });
        let mut builder = given_runtime::transport().connector(connector);
        if http2 {
            builder = builder.http2_prior_knowledge();
        }
        let made = builder.build().unwrap();
        let _ = own.set(made.clone());
        made.request("GET", "http://a.example/").await.unwrap();
        assert!(made.close().await);
        run_ready_tasks().await;
    }
    assert_eq!(*counted.lock().unwrap(), [1, 1]);
}

async fn serve(io: DuplexStream, http2: bool) {
    use hyper::server::conn;
    let answer = hyper::service::service_fn(|_| async {
        Ok::<_, Error>(http::Response::new(http_body_util::Full::new(bytes::Bytes::from("hello"))))
    });
    let io = hyper_util::rt::TokioIo::new(io);
    let _ = match http2 {
        true => {
            let executor = hyper_util::rt::TokioExecutor::new();
            conn::http2::Builder::new(executor).serve_connection(io, answer).await
        }
        false => conn::http1::Builder::new().serve_connection(io, answer).await,
    };
}

/// How long it takes to begin this many requests for one key, each.
async fn beginning(requests: u32) -> Duration {
    let never = service_fn(|_: Target| async {
        std::future::pending::<Result<Connected<hyper_util::rt::TokioIo<DuplexStream>>, Error>>()
            .await
    });
    let layer = PoolLayer::new().max_connections(100_000).timeouts(Timeouts::none());
    let pool = layer.layer(NegotiateLayer::new().layer(never));
    let before = Instant::now();
    let requests: Vec<_> = (0..requests)
        .map(|_| Box::pin(pool.request("GET", "http://a.example/").into_future()))
        .collect();
    let count = u32::try_from(requests.len()).unwrap();
    let mut begun = Vec::new();
    for mut request in requests {
        assert!(futures_util::poll!(request.as_mut()).is_pending());
        begun.push(request);
    }
    before.elapsed() / count
}

#[tokio::test]
async fn a_crowd_for_one_key_does_not_make_each_request_dearer() {
    beginning(500).await;
    let (few, many) = (beginning(500).await, beginning(16_000).await);
    assert!(many < few * 8, "{few:?} each of 500, {many:?} each of 16,000");
}
