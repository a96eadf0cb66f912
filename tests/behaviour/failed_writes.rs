//! A write fails after part of a request may have gone out: the request is not sent again, and says that it was sent.

use std::{
    io,
    net::Shutdown,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::Response;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tower_transport::{
    Error, RequestExt, Transport,
    connect::{
        Connect, ConnectInfo, Connected, Io, MemoryConnector, MemoryIo, Recheck, TcpConnector,
        TcpIo,
    },
    options::Protocols,
    proxy::Proxy,
    target::{Origin, Target},
    tls::TlsConfig,
    transport::TransportBuilder,
};

use crate::support::{
    net::{Behavior, Net, Peer},
    origin::run_ready_tasks,
    proxy::tunneling,
    scripted::HELLO,
    tls_peer::Authority,
};

/// Lets so many more writes pass; the next fails, as after a RST, and then everything does. Once.
#[derive(Clone, Default)]
struct Fault {
    passes: Arc<Mutex<Option<usize>>>,
    failed: Arc<AtomicUsize>,
    /// Passes half of the failing write on, as TLS does with a write of two records.
    takes_half: bool,
}

/// A stream without vectored writes that has a fault.
struct Faulty<I> {
    io: I,
    fault: Fault,
    is_dead: bool,
    reader: Option<Waker>,
}

impl Fault {
    fn after(&self, writes: usize) {
        *self.passes.lock().unwrap() = Some(writes);
    }

    fn is_due(&self) -> bool {
        let mut passes = self.passes.lock().unwrap();
        let is_due = *passes == Some(0);
        *passes = if is_due { None } else { passes.map(|writes| writes - 1) };
        is_due
    }
}

impl<I: Io> Read for Faulty<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_dead {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        self.reader = Some(cx.waker().clone());
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<I: Io> Write for Faulty<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.is_dead && !self.fault.is_due() {
            return Pin::new(&mut self.io).poll_write(cx, bytes);
        }
        if self.fault.takes_half && !self.is_dead {
            let half = &bytes[..bytes.len() / 2];
            let taken = Pin::new(&mut self.io).poll_write(cx, half)?;
            assert!(matches!(taken, Poll::Ready(1..)), "there is room: {taken:?}");
        }
        self.is_dead = true;
        self.fault.failed.fetch_add(1, SeqCst);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A POST over a connector's stream that is unwrapped and wrapped again, with the `ConnectInfo` of the original.
async fn post_half<C, S>(connector: C, unwrap: fn(C::Io) -> S) -> Error
where
    C: Connect<Target> + Clone + Send + Sync + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connector = tower::service_fn(move |target| {
        let connecting = connector.clone().oneshot(target);
        async move {
            let Connected { io, info } = connecting.await.map_err(Into::into)?;
            let fault = Fault { takes_half: true, ..Fault::default() };
            fault.after(0);
            let io = TokioIo::new(unwrap(io));
            let io = Faulty { io, fault, is_dead: false, reader: None };
            Ok::<_, tower_transport::error::BoxError>(Connected { io, info })
        }
    });
    let transport = Transport::builder().connector(connector).build().unwrap();
    transport.request("POST", "http://127.0.0.1/").body("whole").await.unwrap_err()
}

#[tokio::test]
async fn a_write_to_a_stream_that_was_unwrapped_may_have_sent_a_part_before_it_failed() {
    let (memory, mut server) = MemoryConnector::pair();
    let error = post_half(memory, MemoryIo::into_stream).await;
    assert!(error.was_sent(), "{error:?}");
    let (mut stream, _) = server.accept().await.unwrap();
    assert!(stream.read(&mut [0; 64]).await.unwrap() > 0);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let origin = Origin::try_from(&format!("http://127.0.0.1:{port}").parse().unwrap()).unwrap();
    let tcp = TcpConnector::new().map_request(move |_: Target| Target::new(origin.clone()));
    let error = post_half(tcp, TcpIo::into_stream).await;
    assert!(error.was_sent(), "{error:?}");
    let (mut stream, _) = listener.accept().await.unwrap();
    assert!(stream.read(&mut [0; 64]).await.unwrap() > 0);
}

/// A POST over a socket that takes nothing more, to a peer that says nothing.
async fn post_to_shut_socket(connected: fn(TcpStream) -> Connected<TcpIo>) -> Error {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connector = tower::service_fn(move |_: Target| async move {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        stream.shutdown(Shutdown::Write)?;
        TcpStream::from_std(stream).map(connected)
    });
    let transport = Transport::builder().connector(connector).build().unwrap();
    transport.request("POST", "http://origin.example/").body("whole").await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_has_taken_nothing_of_a_socket_that_a_connector_wraps_with_its_facts() {
    let known = post_to_shut_socket(|io| TcpIo::connected(io, ConnectInfo::default())).await;
    assert!(known.is_unsent(), "{known:?}");
    let unknown = post_to_shut_socket(|io| Connected::new(TcpIo::new(io, Recheck::new()))).await;
    assert!(unknown.was_sent(), "{unknown:?}");
}

/// What connects over faulty streams, and says as much of them as the connector does.
fn faulty<C>(connector: C, fault: &Fault) -> impl Connect<Target> + Clone + Send + 'static
where
    C: Connect<Target> + Clone + Send + 'static,
{
    let fault = fault.clone();
    tower::service_fn(move |target| {
        let (connector, fault) = (connector.clone(), fault.clone());
        async move {
            let Connected { io, info } = connector.oneshot(target).await.map_err(Into::into)?;
            let io = Faulty { io, fault, is_dead: false, reader: None };
            Ok::<_, tower_transport::error::BoxError>(Connected { io, info })
        }
    })
}

/// A way to an origin, of which the bytes nearest to the network have a fault.
struct Way {
    servers: [Arc<Peer>; 2],
    transport: Transport,
    url: &'static str,
    fault: Fault,
}

impl Way {
    fn new(
        url: &'static str,
        alpn: &[&str],
        settings: impl FnOnce(TransportBuilder) -> TransportBuilder,
    ) -> Self {
        let (net, authority, fault) = (Net::new(), Authority::new(), Fault::default());
        let server = |name: &str, alpn: &[&str]| authority.certify(name).server(alpn);
        net.plain("proxy.example:8080", Behavior::Tunnel);
        let forwarder = net.plain("forwarder.example:8080", Behavior::Serve);
        net.tls(
            "proxy.example:443",
            Behavior::Tunnel,
            server("proxy.example", &["h2", "http/1.1"]),
        );
        let origin = match url.starts_with("https") {
            true => net.tls("origin.example:443", Behavior::Serve, server("origin.example", alpn)),
            false => net.plain("origin.example:80", Behavior::Serve),
        };
        let connector = faulty(net.connector(), &fault);
        let tls = TlsConfig::roots_pem(authority.pem()).unwrap();
        let transport = settings(Transport::builder().connector(connector).tls(tls));
        let servers = [origin, forwarder];
        Self { servers, transport: transport.build().unwrap(), url, fault }
    }

    fn through(proxy: Proxy, alpn: &[&str]) -> Self {
        Self::new("https://origin.example/", alpn, |builder| builder.proxy(proxy))
    }

    /// A POST on a connection that has served a request, and of which so many writes pass.
    async fn post(&self, length: usize, writes: usize) -> Result<Response<Bytes>, Error> {
        self.transport.request("GET", self.url).await.unwrap();
        run_ready_tasks().await;
        self.fault.after(writes);
        let outcome = self.transport.request("POST", self.url).body(vec![7; length]).await;
        run_ready_tasks().await;
        outcome
    }

    fn posts(&self) -> usize {
        let heads = self.servers.iter().flat_map(|server| server.heads());
        heads.filter(|head| head.starts_with("POST")).count()
    }
}

type MakeWay = fn() -> Way;

fn http1_proxy(url: &str) -> Proxy {
    tunneling(url).protocols(Protocols::Http1Only)
}

/// Every kind of way, by the name that a failed assertion prints.
fn ways() -> [(&'static str, MakeWay); 10] {
    const HTTPS: &str = "https://origin.example/";
    const H1: &[&str] = &["http/1.1"];
    const H2: &[&str] = &["h2"];
    [
        ("http", || Way::new("http://origin.example/", &[], |builder| builder)),
        ("http over HTTP/2", || {
            Way::new("http://origin.example/", &[], TransportBuilder::http2_prior_knowledge)
        }),
        ("a proxy that forwards", || {
            let forwarder = "http://forwarder.example:8080".parse::<Proxy>().unwrap();
            Way::new("http://origin.example/", &[], |builder| builder.proxy(forwarder))
        }),
        ("https over HTTP/1.1", || Way::new(HTTPS, H1, |builder| builder)),
        ("https over HTTP/2", || Way::new(HTTPS, H2, |builder| builder)),
        ("a tunnel over HTTP/1.1", || Way::through(http1_proxy("http://proxy.example:8080"), H1)),
        ("HTTP/2 in a tunnel over HTTP/1.1", || {
            Way::through(http1_proxy("http://proxy.example:8080"), H2)
        }),
        ("a tunnel over HTTP/2", || {
            let proxy = tunneling("http://proxy.example:8080");
            Way::through(proxy.protocols(Protocols::Http2PriorKnowledge), H1)
        }),
        ("TLS in TLS over HTTP/1.1", || Way::through(http1_proxy("https://proxy.example"), H1)),
        ("TLS in TLS over HTTP/2", || Way::through(tunneling("https://proxy.example"), H1)),
    ]
}

#[tokio::test]
async fn a_post_is_not_sent_again_after_a_write_that_failed_whatever_the_way() {
    for (name, way) in ways() {
        for (length, writes) in
            [(100, 0), (100, 1), (40_000, 1), (40_000, 2), (200_000, 1), (200_000, 4)]
        {
            let way = way();
            let outcome = way.post(length, writes).await;
            let scene = format!("{name}, {length} bytes, {writes} writes pass: {outcome:?}");
            assert!(way.posts() <= 1, "{scene}");
            if let Err(error) = outcome {
                // Nobody knows what a stream that says nothing of itself took of the write that failed.
                assert!(error.was_sent(), "{scene}");
            }
        }
    }
}

/// Serves GET, and hangs up by a reset as soon as it sees the head of a POST, which it remembers.
async fn hangs_up(listener: TcpListener, tls: TlsAcceptor, posts: Arc<Mutex<Vec<String>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, posts) = (tls.clone(), posts.clone());
        tokio::spawn(async move {
            let mut stream = tls.accept(stream).await?;
            let mut buffer = vec![0; 16 * 1024];
            loop {
                let length = stream.read(&mut buffer).await?;
                let head = String::from_utf8_lossy(&buffer[..length]);
                match head.lines().next() {
                    Some(line) if line.starts_with("POST") => {
                        posts.lock().unwrap().push(line.to_owned());
                        stream.get_ref().0.set_zero_linger()?;
                        return Ok(());
                    }
                    Some(_) => stream.write_all(HELLO.as_bytes()).await?,
                    None => return Ok::<_, io::Error>(()),
                }
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_is_acted_on_once_by_a_server_that_hangs_up_over_real_sockets() {
    let authority = Authority::new();
    let server = Arc::new(authority.certify("localhost").server(&["http/1.1"]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let posts = Arc::<Mutex<Vec<String>>>::default();
    tokio::spawn(hangs_up(listener, server.into(), posts.clone()));
    let unknown = tower::service_fn(move |_: Target| async move {
        let io = TokioIo::new(TcpStream::connect(("127.0.0.1", port)).await?);
        let io = Faulty { io, fault: Fault::default(), is_dead: false, reader: None };
        Ok::<_, io::Error>(Connected::new(io))
    });
    let tls = TlsConfig::roots_pem(authority.pem()).unwrap();
    let builder = || Transport::builder().tls(tls.clone());
    let transports = [builder().build().unwrap(), builder().connector(unknown).build().unwrap()];
    for round in 0..80 {
        let url = format!("https://localhost:{port}/{round}");
        let transport = &transports[round % 2];
        transport.request("GET", &url).await.unwrap();
        let outcome = transport.request("POST", &url).body(vec![7; 60_000]).await;
        assert!(outcome.unwrap_err().was_sent());
    }
    let mut seen = posts.lock().unwrap().clone();
    assert_eq!(seen.len(), 80);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 80);
}
