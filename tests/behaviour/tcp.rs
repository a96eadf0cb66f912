//! TCP: options, addresses, errors, and the look past the runtime at what the kernel has.

use std::{
    future::Future,
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    pin::{Pin, pin},
    sync::mpsc,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use hyper::rt::{Read, ReadBuf, Write as _};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tower::ServiceExt;
use tower_transport::{
    connect::{ConnectInfo, TcpConnector, TcpIo},
    target::Route,
};

use crate::support::{
    hosts::{listening, refusing},
    targets::{io_kind, ips, target},
};

/// What one `poll_read` says, with nobody to wake.
fn read_now(io: &mut TcpIo) -> Poll<io::Result<Vec<u8>>> {
    let mut bytes = vec![0; 16 * 1024];
    let mut buffer = ReadBuf::new(&mut bytes);
    let mut cx = Context::from_waker(Waker::noop());
    let read = Pin::new(io).poll_read(&mut cx, buffer.unfilled());
    read.map_ok(|()| buffer.filled().to_vec())
}

fn bytes(read: Poll<io::Result<Vec<u8>>>) -> Option<Vec<u8>> {
    match read {
        Poll::Ready(read) => Some(read.unwrap()),
        Poll::Pending => None,
    }
}

/// A connection that has settled and is idle, to a server thread that does `act` with its end as soon as the sender is
/// used. What comes of it is in the kernel when [`act`](Scene::act) returns, and the reactor has not turned.
struct Scene {
    io: TcpIo,
    info: ConnectInfo,
    go: mpsc::Sender<()>,
    gone: mpsc::Receiver<()>,
}

impl Scene {
    async fn new(act: impl FnOnce(std::net::TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (go, begin) = mpsc::channel();
        let (done, gone) = mpsc::channel();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            begin.recv().unwrap();
            act(stream);
            done.send(()).unwrap();
        });
        let target = target(&format!("http://127.0.0.1:{port}"));
        let connected = TcpConnector::new().oneshot(target).await.unwrap();
        let mut io = connected.io;
        assert!(read_now(&mut io).is_pending());
        Self { io, info: connected.info, go, gone }
    }

    fn act(&self) {
        self.go.send(()).unwrap();
        self.gone.recv().unwrap();
        let socket = SockRef::from(self.io.stream());
        while socket.peek(&mut [std::mem::MaybeUninit::uninit()]).is_err() {
            thread::yield_now();
        }
    }

    fn recheck(&self) {
        self.info.recheck().unwrap().request();
    }
}

#[tokio::test]
async fn bytes_that_the_reactor_has_not_seen_are_found_by_a_recheck() {
    let mut scene = Scene::new(|mut stream| stream.write_all(b"unasked").unwrap()).await;
    scene.act();
    assert_eq!(bytes(read_now(&mut scene.io)), None, "else the test proves nothing");
    scene.recheck();
    assert_eq!(bytes(read_now(&mut scene.io)).as_deref(), Some(&b"unasked"[..]));
}

#[tokio::test]
async fn an_end_that_the_reactor_has_not_seen_is_found_by_a_recheck() {
    let mut scene = Scene::new(drop).await;
    scene.act();
    assert_eq!(bytes(read_now(&mut scene.io)), None, "else the test proves nothing");
    scene.recheck();
    assert_eq!(bytes(read_now(&mut scene.io)).as_deref(), Some(&b""[..]));
}

#[tokio::test]
async fn a_recheck_that_finds_nothing_still_waits_for_more() {
    let mut scene = Scene::new(|mut stream| stream.write_all(b"late").unwrap()).await;
    scene.recheck();
    assert!(read_now(&mut scene.io).is_pending());
    scene.go.send(()).unwrap();
    let mut late = [0; 4];
    TokioIo::new(&mut scene.io).read_exact(&mut late).await.unwrap();
    assert_eq!(&late, b"late");
}

#[tokio::test]
async fn what_a_recheck_leaves_is_read_after_it() {
    let sent: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
    let expected = sent.clone();
    let mut scene = Scene::new(move |mut stream| stream.write_all(&sent).unwrap()).await;
    scene.act();
    scene.recheck();
    let mut read = bytes(read_now(&mut scene.io)).unwrap();
    assert!((1..=4096).contains(&read.len()), "{} bytes at one look", read.len());
    TokioIo::new(&mut scene.io).read_to_end(&mut read).await.unwrap();
    assert_eq!(read, expected);
}

#[tokio::test]
async fn both_addresses_are_known() {
    let (listener, port) = listening("127.0.0.1").await;
    let target = target(&format!("http://127.0.0.1:{port}"));
    let connected = TcpConnector::new().oneshot(target).await.unwrap();
    let (_server, seen_by_server) = listener.accept().await.unwrap();
    assert_eq!(connected.info.local_addr(), Some(seen_by_server));
    assert_eq!(connected.info.peer_addr(), Some(listener.local_addr().unwrap()));
}

#[tokio::test]
async fn an_ipv6_address_is_a_host() {
    let (listener, port) = listening("::1").await;
    let target = target(&format!("http://[::1]:{port}"));
    let connected = TcpConnector::new().oneshot(target).await.unwrap();
    assert_eq!(connected.info.peer_addr(), Some(listener.local_addr().unwrap()));
}

#[tokio::test]
async fn a_refused_connection_says_by_whom() {
    let (_held, port) = refusing("127.0.0.1");
    let target = target(&format!("http://127.0.0.1:{port}"));
    let error = TcpConnector::new().oneshot(target).await.unwrap_err();
    assert_eq!(error.to_string(), format!("connecting to 127.0.0.1:{port}"));
    assert_eq!(io_kind(&error), Some(io::ErrorKind::ConnectionRefused));
    assert!(error.is_connect() && error.is_io() && !error.was_sent());
}

/// Whether small writes go at once and whether silence is probed, once connected.
async fn options(connector: TcpConnector) -> (bool, bool) {
    let (_listener, port) = listening("127.0.0.1").await;
    let target = target(&format!("http://127.0.0.1:{port}"));
    let io = connector.oneshot(target).await.unwrap().io;
    let socket = SockRef::from(io.stream());
    (socket.tcp_nodelay().unwrap(), socket.keepalive().unwrap())
}

#[tokio::test]
async fn options_have_defaults_and_can_be_turned_off() {
    assert_eq!(options(TcpConnector::new()).await, (true, true));
    assert_eq!(options(TcpConnector::new().nodelay(false).keepalive(None)).await, (false, false));
}

#[tokio::test]
async fn a_keepalive_too_short_for_the_kernel_is_made_a_second() {
    assert_eq!(
        options(TcpConnector::new().keepalive(Duration::from_millis(1))).await,
        (true, true)
    );
}

#[tokio::test]
async fn other_options_are_set_before_connecting() {
    let (_listener, port) = listening("127.0.0.1").await;
    let (seen, peers) = mpsc::channel();
    let connector = TcpConnector::new().socket_options(move |socket| {
        let _ = seen.send(socket.peer_addr().is_ok());
        socket.set_reuse_address(true)
    });
    let target = target(&format!("http://127.0.0.1:{port}"));
    let io = connector.oneshot(target).await.unwrap().io;
    assert!(SockRef::from(io.stream()).reuse_address().unwrap());
    assert_eq!(peers.try_iter().collect::<Vec<_>>(), [false]);
}

#[tokio::test]
async fn an_option_that_cannot_be_set_is_the_cause() {
    let connector =
        TcpConnector::new().socket_options(|_| Err(io::ErrorKind::PermissionDenied.into()));
    let error = connector.oneshot(target("http://127.0.0.1/")).await.unwrap_err();
    assert!(error.is_connect());
    assert_eq!(io_kind(&error), Some(io::ErrorKind::PermissionDenied));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_targets_local_address_goes_before_the_connectors() {
    let (_listener, port) = listening("127.0.0.1").await;
    let [ours, its] = ips(["127.0.0.3", "127.0.0.4"]);
    let connector = TcpConnector::new().local_address(ours);
    let mut target = target(&format!("http://127.0.0.1:{port}"));
    let connected = connector.clone().oneshot(target.clone()).await.unwrap();
    assert_eq!(connected.info.local_addr().map(|local| local.ip()), Some(ours));
    target.local_address = Some(its);
    let connected = connector.oneshot(target).await.unwrap();
    assert_eq!(connected.info.local_addr().map(|local| local.ip()), Some(its));
}

#[cfg(all(target_os = "linux", feature = "http1"))]
#[tokio::test]
async fn a_request_may_have_a_local_address_of_its_own_and_a_connection_for_it() {
    use tower_transport::{RequestExt, connect::ConnectInfo, options::LocalAddress};

    let scene = crate::support::scene::Scene::tcp(Box::new(|_| {
        vec![crate::support::scripted::Step::Serve]
    }));
    let get = async |last: u8| {
        let url = scene.url("/").replace("origin.example", "127.0.0.1");
        let request = scene.transport.request("GET", url);
        let request = request.extension(LocalAddress::new([127, 0, 0, last]));
        let response = request.await.unwrap();
        let info = ConnectInfo::of(&response).unwrap();
        (info.local_addr().unwrap().ip(), info.is_reused())
    };
    let [two, three] = ips(["127.0.0.2", "127.0.0.3"]);
    assert_eq!(get(2).await, (two, false));
    assert_eq!(get(2).await, (two, true));
    assert_eq!(get(3).await, (three, false));
}

#[tokio::test]
async fn a_local_address_of_another_family_is_an_error() {
    let [local] = ips(["::1"]);
    let connector = TcpConnector::new().local_address(local);
    let error = connector.oneshot(target("http://127.0.0.1/")).await.unwrap_err();
    assert!(error.is_connect());
    assert_eq!(error.to_string(), "connecting to 127.0.0.1:80 from ::1");
}

#[tokio::test]
async fn a_route_that_is_not_by_tcp_is_refused() {
    let mut target = target("http://example.com/");
    target.route = Route::Unix(std::path::Path::new("/run/x.sock").into());
    let error = TcpConnector::new().oneshot(target).await.unwrap_err();
    assert!(error.is_builder() && !error.was_sent());
    assert!(error.to_string().contains("/run/x.sock"), "{error}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_socket_that_meets_itself_is_refused() {
    // An address of its own, so that no other test takes the port in between.
    let (held, port) = refusing("127.0.0.77");
    drop(held);
    let itself = SocketAddr::from(([127, 0, 0, 77], port));
    let connector = TcpConnector::new().socket_options(move |socket| socket.bind(&itself.into()));
    let error = connector.oneshot(target(&format!("http://{itself}"))).await.unwrap_err();
    assert_eq!(io_kind(&error), Some(io::ErrorKind::ConnectionRefused));
}

#[tokio::test]
async fn giving_up_closes_the_socket() {
    let (listener, port) = listening("127.0.0.1").await;
    let mut connecting =
        Box::pin(TcpConnector::new().oneshot(target(&format!("http://127.0.0.1:{port}"))));
    assert!(connecting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(connecting);
    let (mut server, _) = listener.accept().await.unwrap();
    let mut rest = Vec::new();
    assert!(!matches!(server.read_to_end(&mut rest).await, Ok(1..)));
}

#[tokio::test]
async fn slices_are_written_together() {
    let (listener, port) = listening("127.0.0.1").await;
    let target = target(&format!("http://127.0.0.1:{port}"));
    let mut io = TcpConnector::new().oneshot(target).await.unwrap().io;
    assert!(io.is_write_vectored());
    let slices = [io::IoSlice::new(b"one"), io::IoSlice::new(b"two")];
    let written = std::future::poll_fn(|cx| Pin::new(&mut io).poll_write_vectored(cx, &slices));
    assert_eq!(pin!(written).await.unwrap(), 6);
    drop(listener);
}
