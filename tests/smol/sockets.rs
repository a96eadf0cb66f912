//! Sockets of smol: races of addresses, stale connections, cancellation, panics.

use std::{
    convert::Infallible,
    future::{Future, IntoFuture},
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::{ServiceExt, service_fn};
use tower_transport::{
    Client, RequestExt, Transport,
    connect::{Name, Resolve, StaticResolver, SystemResolver, TcpConnector, UnixConnector},
    options::Timeouts,
    rt::Runtime,
    target::{Origin, Target},
    transport::TransportBuilder,
};

use crate::net;

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

fn transport() -> TransportBuilder {
    Transport::builder().runtime(Runtime::smol())
}

/// A listener on its own address of the loopback, so that no other test has the port.
fn listening(ip: &str) -> (TcpListener, u16) {
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
}

/// Answers one request on each of so many connections, and then does this.
fn answering(
    ip: &str,
    connections: usize,
    then: impl Fn(TcpStream) + Send + 'static,
) -> (u16, thread::JoinHandle<()>) {
    let (listener, port) = listening(ip);
    let server = thread::spawn(move || {
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().unwrap();
            read_head(&mut stream);
            stream.write_all(RESPONSE).unwrap();
            then(stream);
        }
    });
    (port, server)
}

/// A listener with a full backlog: Linux does not answer the next SYN.
struct BlackHole {
    port: u16,
    _sockets: Vec<Socket>,
}

impl BlackHole {
    /// Port 0 is any that is free.
    fn at(ip: &str, port: u16) -> Self {
        let address = SocketAddr::new(ip.parse().unwrap(), port).into();
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let listener = socket();
        listener.bind(&address).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let port = address.as_socket().unwrap().port();
        let mut sockets = vec![listener];
        for _ in 0..4 {
            let waiting = socket();
            waiting.set_nonblocking(true).unwrap();
            let _ = waiting.connect(&address);
            sockets.push(waiting);
        }
        Self { _sockets: sockets, port }
    }
}

fn named(addresses: &[&str]) -> StaticResolver {
    let addresses = addresses.iter().map(|ip| ip.parse::<IpAddr>().unwrap());
    StaticResolver::new().address("origin.example", addresses.collect::<Vec<_>>())
}

#[test]
fn the_next_address_is_tried_where_one_is_refused_and_where_one_does_not_answer() {
    let (port, server) = answering("127.0.31.3", 1, drop);
    let _hole = BlackHole::at("127.0.31.2", port);
    let resolver = named(&["127.0.31.1", "127.0.31.2", "127.0.31.3"]);
    let began = Instant::now();
    smol::block_on(async {
        let transport = transport().resolver(resolver).build().unwrap();
        let url = format!("http://origin.example:{port}/");
        assert_eq!(transport.request("GET", url).await.unwrap().body(), "hi");
    });
    let spent = began.elapsed();
    assert!(spent >= Duration::from_millis(250) && spent < Duration::from_secs(5), "{spent:?}");
    server.join().unwrap();
}

#[test]
fn an_address_that_does_not_answer_takes_no_longer_than_it_may() {
    let hole = BlackHole::at("127.0.31.4", 0);
    smol::block_on(async {
        let limit = Duration::from_millis(100);
        let transport = transport().timeouts(Timeouts::default().connect(limit)).build().unwrap();
        let url = format!("http://127.0.31.4:{}/", hole.port);
        let error = transport.request("GET", url).await.unwrap_err();
        assert!(error.is_timeout() && !error.was_sent(), "{error:?}");
    });
}

#[test]
fn a_refused_connection_has_the_error_of_the_socket() {
    let (listener, port) = listening("127.0.31.5");
    drop(listener);
    smol::block_on(async {
        let transport = transport().build().unwrap();
        let url = format!("http://127.0.31.5:{port}/");
        let error = transport.request("GET", url).await.unwrap_err();
        let cause: &io::Error = error.cause().unwrap();
        assert_eq!(cause.kind(), io::ErrorKind::ConnectionRefused);
        assert!(error.is_connect());
    });
}

#[test]
fn the_addresses_of_a_connection_are_known_and_options_are_set() {
    let (listener, port) = listening("127.0.31.6");
    smol::block_on(async {
        let connector = TcpConnector::new()
            .runtime(Runtime::smol())
            .local_address("127.0.31.7".parse::<IpAddr>().unwrap())
            .socket_options(|socket| socket.set_recv_buffer_size(1 << 16));
        let connected = connector.oneshot(target("127.0.31.6", port)).await.unwrap();
        let (local, peer) = (connected.info.local_addr(), connected.info.peer_addr());
        assert_eq!(local.unwrap().ip().to_string(), "127.0.31.7");
        assert_eq!(peer.unwrap(), listener.local_addr().unwrap());
        let socket = SockRef::from(connected.io.stream());
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        assert!(socket.recv_buffer_size().unwrap() >= 1 << 16);
        assert_eq!(socket.local_addr().unwrap().as_socket(), local);
        drop(connected.io.into_stream().into_smol().unwrap());
    });
}

fn target(ip: &str, port: u16) -> Target {
    Target::new(Origin::try_from(&format!("http://{ip}:{port}").parse().unwrap()).unwrap())
}

#[test]
fn giving_up_closes_the_socket() {
    let (listener, port) = listening("127.0.31.8");
    let connector = TcpConnector::new().runtime(Runtime::smol());
    let mut connecting = Box::pin(connector.oneshot(target("127.0.31.8", port)));
    assert!(connecting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(connecting);
    let (mut server, _) = listener.accept().unwrap();
    assert_eq!(server.read(&mut [0]).unwrap(), 0);
}

/// The peer closes after the response; the next request is not idempotent: sent on the closed connection, it would fail.
#[test]
fn a_connection_that_was_closed_meanwhile_is_not_used() {
    let (close, closing) = mpsc::channel();
    let (closed, has_closed) = mpsc::channel();
    let closing = std::sync::Mutex::new(closing);
    let (port, server) = answering("127.0.31.9", 2, move |stream| {
        closing.lock().unwrap().recv().unwrap();
        drop(stream);
        closed.send(()).unwrap();
    });
    smol::block_on(async {
        let (transport, url) = (transport().build().unwrap(), format!("http://127.0.31.9:{port}/"));
        for _ in 0..2 {
            assert_eq!(transport.request("POST", &*url).await.unwrap().body(), "hi");
            close.send(()).unwrap();
            has_closed.recv().unwrap();
        }
        assert_eq!(transport.stats().opened, 2);
    });
    server.join().unwrap();
}

#[test]
fn a_stream_that_is_shut_down_is_still_read() {
    let (listener, port) = listening("127.0.31.13");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = String::new();
        stream.read_to_string(&mut request).unwrap();
        stream.write_all(b"answer").unwrap();
        request
    });
    smol::block_on(async {
        let connector = TcpConnector::new().runtime(Runtime::smol());
        let mut io = connector.oneshot(target("127.0.31.13", port)).await.unwrap().io.into_stream();
        io.write_all(b"request").await.unwrap();
        io.shutdown().await.unwrap();
        let mut answer = String::new();
        io.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
    });
    assert_eq!(server.join().unwrap(), "request");
}

#[test]
fn a_stream_that_the_peer_has_reset_is_shut_down_without_an_error() {
    let (listener, port) = listening("127.0.31.14");
    smol::block_on(async {
        let connector = TcpConnector::new().runtime(Runtime::smol());
        let mut io = connector.oneshot(target("127.0.31.14", port)).await.unwrap().io.into_stream();
        let (server, _) = listener.accept().unwrap();
        SockRef::from(&server).set_linger(Some(Duration::ZERO)).unwrap();
        drop(server);
        let error = io.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        io.shutdown().await.unwrap();
    });
}

#[test]
fn an_unsolicited_response_is_never_that_of_the_next_request() {
    let (sent, has_sent) = mpsc::channel();
    let (port, server) = answering("127.0.31.10", 2, move |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil").unwrap();
        sent.send(stream).unwrap();
    });
    smol::block_on(async {
        let transport = transport().build().unwrap();
        let url = format!("http://127.0.31.10:{port}/");
        for _ in 0..2 {
            assert_eq!(transport.request("POST", &*url).await.unwrap().body(), "hi");
            let _open = has_sent.recv().unwrap();
        }
    });
    server.join().unwrap();
}

#[test]
fn a_panic_in_the_task_of_a_dial_fails_its_request_alone() {
    let has_panicked = Arc::new(AtomicBool::new(false));
    let (port, server) = answering("127.0.31.11", 1, drop);
    smol::block_on(async {
        let resolver = panicking(has_panicked);
        let transport = transport().resolver(resolver).build().unwrap();
        let url = format!("http://origin.example:{port}/");
        let error = transport.request("GET", &*url).await.unwrap_err();
        assert!(error.is_canceled(), "{error:?}");
        assert_eq!(transport.request("GET", url).await.unwrap().body(), "hi");
    });
    server.join().unwrap();
}

/// Panics for the first name.
fn panicking(has_panicked: Arc<AtomicBool>) -> impl Resolve + Clone + Send + 'static {
    service_fn(move |_: Name| {
        let has_panicked = has_panicked.clone();
        async move {
            assert!(has_panicked.swap(true, Ordering::SeqCst), "an expected panic");
            Ok::<_, Infallible>([SocketAddr::from(([127, 0, 31, 11], 0))])
        }
    })
}

/// Wakes a thread: the smallest executor there is.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn a_request_may_be_polled_by_any_executor() {
    let (port, server) = answering("127.0.31.12", 1, drop);
    let transport = transport().build().unwrap();
    let mut request = transport.request("GET", format!("http://127.0.31.12:{port}/")).into_future();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let response = loop {
        match std::pin::Pin::new(&mut request).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(response) => break response.unwrap(),
            Poll::Pending => thread::park(),
        }
    };
    assert_eq!(response.body(), "hi");
    server.join().unwrap();
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_reached_and_a_missing_one_is_named() {
    let path = std::env::temp_dir().join(format!("tower-transport-smol-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 1024];
        assert!(stream.read(&mut head).unwrap() > 0);
        stream.write_all(RESPONSE).unwrap();
    });
    smol::block_on(async {
        let transport = transport().unix_socket(&path).build().unwrap();
        let response = transport.request("GET", "http://anything.example/").await.unwrap();
        assert_eq!(response.body(), "hi");
    });
    server.join().unwrap();
    std::fs::remove_file(&path).unwrap();
    smol::block_on(async {
        let transport = transport().unix_socket(&path).build().unwrap();
        let error = transport.request("GET", "http://anything.example/").await.unwrap_err();
        assert!(error.to_string().contains("tower-transport-smol"), "{error}");
        let cause: &io::Error = error.cause().unwrap();
        assert_eq!(cause.kind(), io::ErrorKind::NotFound);
    });
}

/// As tokio reports it. The kernel has begun nothing, so the socket must not count as one that connects.
#[cfg(target_os = "linux")]
#[test]
fn a_unix_socket_with_a_full_backlog_refuses_at_once() {
    let path = std::env::temp_dir().join(format!("tower-transport-full-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    let address = socket2::SockAddr::unix(&path).unwrap();
    listener.bind(&address).unwrap();
    listener.listen(0).unwrap();
    let waiting: Vec<Socket> = (0..4)
        .map(|_| {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address);
            socket
        })
        .collect();
    smol::block_on(async {
        let connector = UnixConnector::to(&path).runtime(Runtime::smol());
        let error = connector.oneshot(target("127.0.0.1", 1)).await.unwrap_err();
        let cause: &io::Error = error.cause().unwrap();
        assert_eq!(cause.kind(), io::ErrorKind::WouldBlock, "{error:?}");
    });
    drop((listener, waiting));
    std::fs::remove_file(&path).unwrap();
}

/// Its layers have timers, too.
#[test]
fn a_client_over_a_transport_has_the_runtime_of_that() {
    let origin = net::Origin::plain();
    smol::block_on(async {
        let transport = transport().build().unwrap();
        let limit = Duration::from_millis(60);
        let client = Client::builder().transport(transport).timeout(limit).build().unwrap();
        let error = client.get(origin.url("/stall")).await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
    });
}

#[test]
fn many_requests_at_once_are_all_answered() {
    let origin = net::Origin::plain();
    smol::block_on(async {
        let transport = transport().max_connections(8).build().unwrap();
        let requests: Vec<_> = (0..200)
            .map(|_| smol::spawn(transport.request("GET", origin.url("/")).into_future()))
            .collect();
        for request in requests {
            assert_eq!(request.await.unwrap().body(), "hello");
        }
        assert!(transport.stats().opened <= 8);
        assert!(transport.close().await);
        origin.seen().wait_for_open(0);
    });
}

#[test]
fn a_resolver_of_the_system_finds_the_loopback() {
    smol::block_on(async {
        let answer = SystemResolver::new().oneshot(Name::new("localhost")).await.unwrap();
        let addresses: Vec<SocketAddr> = answer.collect();
        assert!(addresses.iter().all(|address| address.ip().is_loopback()), "{addresses:?}");
        assert!(!addresses.is_empty());
    });
}

/// Where both are built in, each transport has its own.
#[cfg(feature = "tokio")]
#[tokio::test]
async fn transports_of_both_runtimes_work_side_by_side() {
    let origin = net::Origin::tls();
    for runtime in [Runtime::smol(), Runtime::tokio(), Runtime::smol()] {
        let transport = Transport::builder().runtime(runtime).tls(net::trust()).build().unwrap();
        assert_eq!(transport.request("GET", origin.url("/")).await.unwrap().body(), "hello");
    }
    let io = TcpConnector::new().oneshot(target("127.0.0.1", origin.port)).await.unwrap().io;
    assert!(io.into_stream().into_tokio().is_ok(), "the default is tokio's");
}

/// The connector was left at its default runtime.
#[cfg(feature = "tokio")]
#[test]
fn sockets_of_tokio_outside_of_tokio_are_an_error() {
    let origin = net::Origin::plain();
    smol::block_on(async {
        let error =
            TcpConnector::new().oneshot(target("127.0.0.1", origin.port)).await.unwrap_err();
        assert!(error.is_connect(), "{error:?}");
        let transport = transport().connector(TcpConnector::new()).build().unwrap();
        let error = transport.request("GET", origin.url("/")).await.unwrap_err();
        assert!(error.is_connect() && !error.was_sent(), "{error:?}");
        let cause: &io::Error = error.cause().unwrap();
        assert_eq!(cause.kind(), io::ErrorKind::Unsupported);
    });
}

#[cfg(all(unix, feature = "tokio"))]
#[test]
fn a_unix_socket_of_tokio_outside_of_tokio_is_an_error() {
    let connector = UnixConnector::to("/nowhere");
    let error = smol::block_on(connector.oneshot(target("127.0.0.1", 1))).unwrap_err();
    let cause: &io::Error = error.cause().unwrap();
    assert_eq!(cause.kind(), io::ErrorKind::Unsupported);
}

#[cfg(not(feature = "tokio"))]
#[test]
fn smol_is_the_default_where_it_is_alone() {
    let origin = net::Origin::plain();
    let response =
        smol::block_on(tower_transport::request("GET", origin.url("/")).into_future()).unwrap();
    assert_eq!(response.body(), "hello");
    let transport = Transport::new();
    let response = smol::block_on(transport.request("GET", origin.url("/")).into_future());
    assert_eq!(response.unwrap().body(), "hello");
}
