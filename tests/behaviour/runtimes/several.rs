//! One transport used in several runtimes, at once or one after the other, with real threads and sockets.

use std::{
    convert::Infallible,
    future::IntoFuture,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Waker},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt, future::Either, stream};
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};
use tower_transport::{
    Error, RequestExt, Transport, options::Timeouts, transport::TransportBuilder,
};

use super::outside;

/// Longer than anything here takes, shorter than a test may hang.
const LONG: Duration = Duration::from_secs(20);

/// A server in a runtime of its own.
struct Server {
    _runtime: Runtime,
    url: String,
    open: Arc<AtomicUsize>,
    opened: Arc<AtomicUsize>,
}

impl Server {
    fn new() -> Self {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let (open, opened) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        runtime.spawn(serve(listener, open.clone(), opened.clone()));
        Self { _runtime: runtime, url, open, opened }
    }

    /// Waits until so many connections are open.
    fn wait_for_open(&self, connections: usize) {
        let began = Instant::now();
        while self.open.load(Ordering::SeqCst) != connections {
            assert!(began.elapsed() < LONG, "{} are open", self.open.load(Ordering::SeqCst));
            thread::yield_now();
        }
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }
}

async fn serve(listener: TcpListener, open: Arc<AtomicUsize>, opened: Arc<AtomicUsize>) {
    while let Ok((io, _)) = listener.accept().await {
        opened.fetch_add(1, Ordering::SeqCst);
        open.fetch_add(1, Ordering::SeqCst);
        let open = open.clone();
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(io), service_fn(answer)).await;
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

type Frames = Pin<Box<dyn stream::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;

/// `/endless` has an answer that never comes to its end.
async fn answer(request: Request<Incoming>) -> Result<Response<StreamBody<Frames>>, Infallible> {
    let hello = stream::iter([Ok(Frame::data("hello".into()))]);
    let rest = match request.uri().path() {
        "/endless" => Either::Left(stream::pending()),
        _ => Either::Right(stream::empty()),
    };
    Ok(Response::new(StreamBody::new(Box::pin(hello.chain(rest)))))
}

/// One of each version.
fn transports(build: impl Fn(TransportBuilder) -> TransportBuilder) -> Vec<Transport> {
    let patient =
        || build(Transport::builder().timeouts(Timeouts::default().read(LONG).pool(LONG)));
    #[cfg(feature = "http2")]
    let builders = [patient().http1_only(), patient().http2_prior_knowledge()];
    #[cfg(not(feature = "http2"))]
    let builders = [patient().http1_only()];
    builders.into_iter().map(|it| it.build().expect("a transport")).collect()
}

fn http1() -> Transport {
    Transport::builder().http1_only().build().expect("a transport")
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

type Getting = Pin<Box<dyn Future<Output = Result<StatusCode, Error>> + Send>>;

fn get(transport: &Transport, url: &str) -> Getting {
    sending(transport, Method::GET, url)
}

fn sending(transport: &Transport, method: Method, url: &str) -> Getting {
    let request = transport.request(method, url).into_future();
    Box::pin(async move { request.await.map(|response| response.status()) })
}

/// Polls it once in a runtime, of which nothing else runs.
fn begin(runtime: &Runtime, getting: &mut Getting) {
    let _inside = runtime.enter();
    assert!(getting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

/// Drives a runtime until so many connections were opened.
fn drive_until_opened(runtime: &Runtime, transport: &Transport, opened: u64) {
    runtime.block_on(async {
        while transport.stats().opened < opened {
            tokio::task::yield_now().await;
        }
    });
}

/// The whole time is a bound, not a measure.
fn in_time(runtime: &Runtime, getting: Getting) -> Result<StatusCode, Error> {
    runtime.block_on(async { tokio::time::timeout(LONG / 4, getting).await.expect("in time") })
}

#[test]
fn a_body_with_a_limit_is_read_without_a_panic_after_its_runtime_has_ended() {
    let server = Server::new();
    let url = format!("{}endless", server.url);
    for transport in transports(|it| it) {
        let begun = || {
            let first = current_thread();
            let request = transport.stream(Method::GET, &url);
            let request = request.timeouts(Timeouts::default().total(LONG));
            first.block_on(async {
                let mut body = request.await.expect("an answer").into_body();
                assert_eq!(body.chunk().await.expect("a chunk").expect("some"), "hello");
                let chunk = std::future::poll_fn(|cx| {
                    let mut chunk = std::pin::pin!(body.chunk());
                    std::task::Poll::Ready(chunk.as_mut().poll(cx).is_pending())
                });
                assert!(chunk.await, "its timer runs");
                body
            })
        };
        let mut body = begun();
        assert!(current_thread().block_on(body.chunk()).is_err());
        let mut body = begun();
        assert!(outside(body.chunk()).is_err());
        let mut body = begun();
        let ended = {
            let runtime = current_thread();
            runtime.handle().clone()
        };
        let read = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let _inside = ended.enter();
            outside(body.chunk())
        }));
        assert!(read.expect("no panic").is_err());
    }
}

#[test]
fn an_idle_connection_whose_runtime_nobody_drives_is_given_to_nobody_elsewhere() {
    let server = Server::new();
    for transport in transports(|it| it) {
        let (first, second) = (current_thread(), current_thread());
        assert!(first.block_on(get(&transport, &server.url)).is_ok());
        assert!(in_time(&second, get(&transport, &server.url)).is_ok());
        // And each has its own from now on.
        let opened = server.opened();
        assert!(in_time(&first, get(&transport, &server.url)).is_ok());
        assert!(in_time(&second, get(&transport, &server.url)).is_ok());
        assert_eq!(server.opened(), opened);
    }
}

#[test]
fn a_dial_whose_runtime_nobody_drives_keeps_nobody_elsewhere_waiting() {
    let server = Server::new();
    for transport in transports(|it| it) {
        let first = current_thread();
        let mut begun = get(&transport, &server.url);
        begin(&first, &mut begun);
        assert!(in_time(&current_thread(), get(&transport, &server.url)).is_ok());
        assert!(in_time(&first, begun).is_ok());
    }
}

#[test]
fn the_end_of_a_runtime_fails_no_request_in_another() {
    let server = Server::new();
    for transport in transports(|it| it) {
        let (first, second) = (current_thread(), current_thread());
        let mut begun = get(&transport, &server.url);
        begin(&first, &mut begun);
        let mut waiting = get(&transport, &server.url);
        begin(&second, &mut waiting);
        drop(first);
        assert!(in_time(&second, waiting).is_ok());
        drop(second);
        assert!(outside(begun).unwrap_err().is_canceled());
    }
}

#[test]
fn a_request_goes_on_in_the_runtime_in_which_it_is_polled() {
    let server = Server::new();
    for transport in transports(|it| it) {
        let first = current_thread();
        let (mut moved, mut orphaned) =
            (get(&transport, &server.url), get(&transport, &server.url));
        begin(&first, &mut moved);
        begin(&first, &mut orphaned);
        assert!(in_time(&current_thread(), moved).is_ok());
        drop(first);
        assert!(in_time(&current_thread(), orphaned).is_ok());
    }
}

#[test]
#[cfg(feature = "http2")]
fn a_request_of_which_nothing_was_written_survives_the_runtime_of_its_connection() {
    let server = Server::new();
    for transport in transports(|it| it).into_iter().skip(1) {
        // Of a connection that is new, and of one that was used.
        for is_used in [false, true] {
            let first = current_thread();
            if is_used {
                assert!(first.block_on(get(&transport, &server.url)).is_ok());
            }
            let mut queued = sending(&transport, Method::POST, &server.url);
            begin(&first, &mut queued);
            if !is_used {
                let opened = transport.stats().opened + 1;
                drive_until_opened(&first, &transport, opened);
                begin(&first, &mut queued);
            }
            drop(first);
            assert_eq!(in_time(&current_thread(), queued).expect("an answer"), StatusCode::OK);
        }
    }
}

/// HTTP/1.1 writes a request when it is polled, so its answer is lost with the runtime in which it would have come.
#[test]
fn a_request_over_http1_that_was_written_says_so_when_the_runtime_of_its_connection_ends() {
    let server = Server::new();
    for method in [Method::POST, Method::GET] {
        for is_used in [false, true] {
            let (first, transport) = (current_thread(), http1());
            if is_used {
                assert!(first.block_on(get(&transport, &server.url)).is_ok());
            }
            let mut written = sending(&transport, method.clone(), &server.url);
            begin(&first, &mut written);
            if !is_used {
                drive_until_opened(&first, &transport, transport.stats().opened + 1);
                begin(&first, &mut written);
            }
            drop(first);
            match in_time(&current_thread(), written) {
                Ok(status) => assert!(method == Method::GET && status == StatusCode::OK),
                Err(error) => {
                    assert!(error.was_sent() && (method == Method::POST || !is_used), "{error:?}");
                }
            }
        }
    }
}

#[test]
fn a_connection_is_free_for_another_runtime_whether_or_not_its_own_is_driven() {
    let server = Server::new();
    for transport in transports(|it| it.max_connections(1)) {
        let (first, second) = (current_thread(), current_thread());
        for runtime in [&first, &second, &first, &second] {
            assert!(in_time(runtime, get(&transport, &server.url)).is_ok());
            server.wait_for_open(1);
        }
    }
}

#[test]
fn idle_connections_expire_though_the_runtime_that_was_to_close_them_has_ended() {
    let server = Server::new();
    for transport in transports(|it| it.idle_timeout(Duration::from_millis(50))) {
        let (first, second) = (current_thread(), multi_thread());
        assert!(first.block_on(get(&transport, &server.url)).is_ok());
        assert!(second.block_on(get(&transport, &server.url)).is_ok());
        drop(first);
        server.wait_for_open(0);
    }
}

#[test]
fn an_idle_connection_of_a_runtime_that_nobody_drives_expires() {
    let server = Server::new();
    for transport in transports(|it| it) {
        let (first, second) = (current_thread(), current_thread());
        assert!(first.block_on(get(&transport, &server.url)).is_ok());
        second.block_on(async {
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(100)).await;
        });
        begin(&second, &mut get(&transport, "http://127.0.0.1:9/"));
        server.wait_for_open(0);
    }
}

#[test]
fn closing_ends_the_connections_of_runtimes_that_nobody_drives() {
    let server = Server::new();
    for transport in transports(|it| it) {
        let (first, second) = (current_thread(), current_thread());
        assert!(first.block_on(get(&transport, &server.url)).is_ok());
        let mut dialing = get(&transport, "http://127.0.0.1:9/");
        begin(&first, &mut dialing);
        let closed = async { tokio::time::timeout(LONG / 4, transport.close()).await };
        assert!(second.block_on(closed).expect("in time"), "all had finished");
        server.wait_for_open(0);
    }
}

#[test]
fn a_transport_that_is_gone_leaves_no_connection_to_a_runtime_that_nobody_drives() {
    let server = Server::new();
    for transport in transports(|it| it) {
        let first = current_thread();
        assert!(first.block_on(get(&transport, &server.url)).is_ok());
        server.wait_for_open(1);
        drop(transport);
        server.wait_for_open(0);
    }
}

/// So many that fail, of six threads that send so many requests each, each in a new runtime.
fn lost(
    server: &Server,
    transport: &Transport,
    requests: usize,
    runtime: fn() -> Runtime,
) -> usize {
    let thread = || {
        (0..requests).filter(|_| runtime().block_on(get(transport, &server.url)).is_err()).count()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(thread)).collect();
        threads.into_iter().map(|it| it.join().expect("no panic")).sum()
    })
}

#[test]
fn a_runtime_for_each_request_loses_none() {
    let server = Server::new();
    for transport in transports(|it| it) {
        assert_eq!(lost(&server, &transport, 50, current_thread), 0);
        assert_eq!(lost(&server, &transport, 10, multi_thread), 0);
    }
    for transport in transports(|it| it.max_connections(3)) {
        assert_eq!(lost(&server, &transport, 10, current_thread), 0);
        assert_eq!(lost(&server, &transport, 10, multi_thread), 0);
    }
}

#[test]
fn threads_with_runtimes_of_their_own_share_the_limit() {
    let server = Server::new();
    for transport in transports(|it| it.max_connections(2)) {
        let thread = || {
            let runtime = current_thread();
            (0..50).filter(|_| runtime.block_on(get(&transport, &server.url)).is_err()).count()
        };
        let lost: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(thread)).collect();
            threads.into_iter().map(|it| it.join().expect("no panic")).sum()
        });
        assert_eq!(lost, 0);
    }
}
