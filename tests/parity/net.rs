//! Servers for scenarios: origins and proxies on the loopback, each of its own, in one runtime on threads of its own.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};
use tokio_rustls::TlsAcceptor;
use tower_transport::tls::TlsConfig;

use crate::tls_peer::Authority;

#[path = "../../src/tests/peer.rs"]
#[allow(dead_code, reason = "the tests of behaviour need all of it")]
mod peer;
#[path = "../behaviour/support/socks_server.rs"]
#[allow(dead_code, reason = "the tests of behaviour need all of it")]
mod socks_server;

use peer::Peer;

/// The runtime of all servers: no client is driven by it.
static SERVERS: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);

/// Trusts the origins that speak TLS.
pub(crate) fn trust() -> TlsConfig {
    TlsConfig::roots_pem(AUTHORITY.pem()).unwrap()
}

type Answer = Response<http_body_util::combinators::BoxBody<Bytes, io::Error>>;

/// An origin that answers by the path of each request.
pub(crate) struct Origin {
    pub(crate) port: u16,
    scheme: &'static str,
    seen: Arc<Seen>,
}

/// What a server has seen.
#[derive(Default)]
pub(crate) struct Seen {
    heads: Mutex<Vec<String>>,
    accepted: AtomicUsize,
    open: AtomicUsize,
}

impl Seen {
    fn note(&self, head: String) {
        self.heads.lock().unwrap().push(head);
    }

    /// The first line of each request.
    pub(crate) fn lines(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        heads.iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
    }

    /// Whether a request had this in its head.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.heads.lock().unwrap().iter().any(|head| head.contains(text))
    }

    /// How many connections were accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Waits until so many connections are open.
    pub(crate) fn wait_for_open(&self, open: usize) {
        wait_until(|| self.open.load(Ordering::SeqCst) == open);
    }

    /// Waits until so many requests have come.
    pub(crate) fn wait_for_requests(&self, requests: usize) {
        wait_until(|| self.heads.lock().unwrap().len() >= requests);
    }
}

/// Waits on this thread for what other threads do.
pub(crate) fn wait_until(is_so: impl Fn() -> bool) {
    for _ in 0..20_000 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("it did not come to be so in 20 s");
}

impl Origin {
    /// HTTP/1.1, and HTTP/2 with prior knowledge.
    pub(crate) fn plain() -> Self {
        Self::start("http", None)
    }

    /// HTTP/1.1 and HTTP/2 over TLS, by ALPN.
    pub(crate) fn tls() -> Self {
        Self::start("https", Some(&["h2", "http/1.1"]))
    }

    /// HTTP/1.1 over TLS.
    pub(crate) fn tls_http1() -> Self {
        Self::start("https", Some(&["http/1.1"]))
    }

    /// TLS with a certificate that no one trusts.
    pub(crate) fn untrusted() -> Self {
        let server = crate::tls_peer::Leaf::self_signed("127.0.0.1").server(&[]);
        Self::start_with("https", Some(TlsAcceptor::from(Arc::new(server))))
    }

    fn start(scheme: &'static str, alpn: Option<&[&str]>) -> Self {
        let tls = alpn.map(|alpn| AUTHORITY.certify("127.0.0.1").server(alpn));
        Self::start_with(scheme, tls.map(|config| TlsAcceptor::from(Arc::new(config))))
    }

    fn start_with(scheme: &'static str, tls: Option<TlsAcceptor>) -> Self {
        let seen = Arc::<Seen>::default();
        let port = serve(seen.clone(), move |stream, seen| {
            let tls = tls.clone();
            async move {
                match tls {
                    Some(tls) => speak(tls.accept(stream).await?, seen).await,
                    None => speak(stream, seen).await,
                }
            }
        });
        Self { port, scheme, seen }
    }

    /// A server that plays these bytes for each request, and then closes.
    pub(crate) fn raw(bytes: &'static str) -> Self {
        let seen = Arc::<Seen>::default();
        let port = serve(seen.clone(), move |stream, seen| async move {
            let mut peer = Peer::new(stream);
            seen.note(peer.read_head().await?);
            peer.write(bytes).await
        });
        Self { port, scheme: "http", seen }
    }

    /// HTTP/1.1 that refuses each request with a megabyte, and takes what is sent until the client closes.
    pub(crate) fn refusing() -> Self {
        let seen = Arc::<Seen>::default();
        let port = serve(seen.clone(), move |stream, seen| async move {
            let mut peer = Peer::new(stream);
            seen.note(peer.read_head().await?);
            peer.write("HTTP/1.1 413 \r\nContent-Length: 1000000\r\n\r\n").await?;
            peer.write(vec![b'x'; 1_000_000]).await?;
            peer.drain().await
        });
        Self { port, scheme: "http", seen }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}{path}", self.scheme, self.port)
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }
}

/// An origin of HTTP/2 that answers a request, that of `/open` with a body without an end, and then sends a `PING` after each
/// answer to one: its URL, and the answers.
pub(crate) fn pinging() -> (String, mpsc::Receiver<()>) {
    let (sender, pongs) = mpsc::channel();
    let port = serve(Arc::default(), move |stream, _| {
        let sender = sender.clone();
        async move {
            let mut connection = h2::server::handshake(stream).await.map_err(io::Error::other)?;
            let mut pings = connection.ping_pong().ok_or(io::ErrorKind::Other)?;
            let Some(Ok((request, mut respond))) = connection.accept().await else { return Ok(()) };
            let has_no_body = request.uri().path() != "/open";
            // Dropping it would reset the stream.
            let _body = respond.send_response(Response::new(()), has_no_body);
            let pinging = async {
                while pings.ping(h2::Ping::opaque()).await.is_ok() && sender.send(()).is_ok() {}
            };
            tokio::join!(pinging, async { while connection.accept().await.is_some() {} });
            Ok(())
        }
    });
    (format!("http://127.0.0.1:{port}/"), pongs)
}

/// Accepts connections for ever; returns the port.
fn serve<F>(seen: Arc<Seen>, talk: impl Fn(TcpStream, Arc<Seen>) -> F + Send + 'static) -> u16
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    SERVERS.spawn(async move {
        let listener = TcpListener::from_std(listener).unwrap();
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            stream.set_nodelay(true).unwrap();
            seen.accepted.fetch_add(1, Ordering::SeqCst);
            seen.open.fetch_add(1, Ordering::SeqCst);
            let (talking, seen) = (talk(stream, seen.clone()), seen.clone());
            tokio::spawn(async move {
                // An error says that the client has gone, which is for the test to judge.
                let _ = talking.await;
                seen.open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    port
}

async fn speak<S>(stream: S, seen: Arc<Seen>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let tries = Arc::<Mutex<HashMap<String, usize>>>::default();
    let service = service_fn(move |request| answer(request, seen.clone(), tries.clone()));
    let server = auto::Builder::new(TokioExecutor::new());
    server.serve_connection(TokioIo::new(stream), service).await.map_err(io::Error::other)
}

fn whole(body: impl Into<Bytes>) -> Answer {
    let body = http_body_util::Full::new(body.into()).map_err(|never| match never {});
    Response::new(body.boxed())
}

fn streamed(frames: Vec<io::Result<Frame<Bytes>>>) -> Answer {
    framed(stream::iter(frames))
}

fn framed(
    frames: impl futures_util::Stream<Item = io::Result<Frame<Bytes>>> + Send + 'static,
) -> Answer {
    Response::new(BodyExt::boxed(StreamBody::new(SyncStream(Mutex::new(frames.boxed())))))
}

/// A boxed body is to be `Sync`.
struct SyncStream(Mutex<BoxStream<'static, io::Result<Frame<Bytes>>>>);

impl futures_util::Stream for SyncStream {
    type Item = io::Result<Frame<Bytes>>;

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.get_mut().0.get_mut().unwrap().as_mut().poll_next(cx)
    }
}

fn data(text: &'static str) -> io::Result<Frame<Bytes>> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

fn with(mut answer: Answer, status: u16, headers: &[(&'static str, &str)]) -> Answer {
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        answer.headers_mut().append(*name, value.parse().unwrap());
    }
    answer
}

async fn answer(
    request: Request<Incoming>,
    seen: Arc<Seen>,
    tries: Arc<Mutex<HashMap<String, usize>>>,
) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let shown = shown(&head.headers);
    seen.note(format!("{} {path} {:?}\n{shown}", head.method, head.version));
    let parts: Vec<&str> = path.trim_start_matches('/').splitn(2, '/').collect();
    let rest = parts.get(1).copied().unwrap_or_default();
    let number = || rest.parse::<usize>().unwrap_or_default();
    Ok(match parts[0] {
        "" => with(whole("hello"), 200, &[("content-type", "text/plain")]),
        "echo" => match body.collect().await {
            Ok(body) => {
                let trailers = body.trailers().map(|it| format!("{it:?}")).unwrap_or_default();
                let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
                let query = head.uri.query().unwrap_or_default();
                whole(format!("{} {path}?{query}\n{shown}\n{body}{trailers}", head.method))
            }
            Err(error) => with(whole(error.to_string()), 400, &[]),
        },
        "count" => match body.collect().await {
            Ok(body) => whole(body.to_bytes().len().to_string()),
            Err(error) => with(whole(error.to_string()), 400, &[]),
        },
        "progress" => {
            let (mut body, mut received) = (body, 0);
            while let Some(Ok(frame)) = body.frame().await {
                received += frame.data_ref().map_or(0, Bytes::len);
                seen.note(format!("progress {received}"));
            }
            whole(received.to_string())
        }
        "counting" => framed(counted(body, seen)),
        "refuse" => with(whole(vec![b'x'; number()]), 413, &[]),
        "status" => with(whole("a status"), number() as u16, &[]),
        "large" => whole(vec![b'x'; number()]),
        "chunks" => streamed(vec![data("one"), data("two"), data("three")]),
        "trailers" => {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", "3".parse().unwrap());
            let answer = streamed(vec![data("body"), Ok(Frame::trailers(trailers))]);
            with(answer, 200, &[("trailer", "x-sum")])
        }
        "lines" => streamed(vec![data("one\ntw"), data("o\r\nthr"), data("ee")]),
        "endless" => {
            framed(stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[b'x'; 64 * 1024])))))
        }
        "stall" => std::future::pending().await,
        // More than is drained.
        "stall-body" => {
            let answer = framed(stream::iter([data("beginning")]).chain(stream::pending()));
            with(answer, 200, &[("content-length", "100000000")])
        }
        "break" => {
            // Once the beginning was written.
            let broken = stream::once(async {
                tokio::task::yield_now().await;
                Err(io::Error::other("broken"))
            });
            framed(stream::iter([data("beginning")]).chain(broken))
        }
        "early" => with(whole("too large"), 413, &[("connection", "close")]),
        "redirect" if number() == 0 => whole("arrived"),
        "redirect" => with(whole(""), 302, &[("location", &format!("/redirect/{}", number() - 1))]),
        "again" => with(whole(""), 307, &[("location", "/echo")]),
        "away" => with(whole(""), 302, &[("location", &format!("http://127.0.0.1:{rest}/echo"))]),
        "set-cookie" => {
            with(whole(""), 303, &[("location", "/echo"), ("set-cookie", "a=1; Path=/")])
        }
        "json" => {
            with(whole(r#"{"name":"x","n":3}"#), 200, &[("content-type", "application/json")])
        }
        "gzip" => with(whole(GZIP), 200, &[("content-encoding", "gzip")]),
        "latin1" => {
            with(whole(&b"caf\xe9"[..]), 200, &[("content-type", "text/plain; charset=iso-8859-1")])
        }
        "auth" => match head.headers.get(header::AUTHORIZATION) {
            Some(given) if given == "Basic dTpw" => whole("welcome"),
            _ => with(whole("who?"), 401, &[("www-authenticate", "Basic realm=\"r\"")]),
        },
        "flaky" => {
            let mut tries = tries.lock().unwrap();
            let tried = tries.entry(path.clone()).or_default();
            *tried += 1;
            match *tried {
                1 => with(whole("not yet"), 503, &[("retry-after", "0")]),
                _ => whole("at last"),
            }
        }
        _ => with(whole("unknown"), 404, &[]),
    })
}

/// Answers at once, and says at the end how many bytes came.
fn counted(
    body: Incoming,
    seen: Arc<Seen>,
) -> impl futures_util::Stream<Item = io::Result<Frame<Bytes>>> + Send + 'static {
    let count = async move {
        let (mut body, mut received) = (body, 0);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(io::Error::other)?;
            received += frame.data_ref().map_or(0, Bytes::len);
            seen.note(format!("progress {received}"));
        }
        Ok(Frame::data(received.to_string().into()))
    };
    stream::iter([data("counted ")]).chain(stream::once(count))
}

/// "hello" as gzip.
const GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcbH\xcd\xc9\xc9\x07\x00\x86\xa6\x106\x05\x00\x00\x00";

fn shown(headers: &HeaderMap) -> String {
    let line = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()))
    };
    headers.iter().map(line).collect()
}

/// A proxy, with what it has seen.
pub(crate) struct ProxyPeer {
    pub(crate) port: u16,
    seen: Arc<Seen>,
}

impl ProxyPeer {
    /// Forwards requests, and opens tunnels by `CONNECT`; for clients with this `Proxy-Authorization`, if there is one.
    pub(crate) fn http(authorization: Option<&'static str>) -> Self {
        let seen = Arc::<Seen>::default();
        let port = serve(seen.clone(), move |stream, seen| pass_on(stream, seen, authorization));
        Self { port, seen }
    }

    /// Opens tunnels by SOCKS 5, without a password.
    pub(crate) fn socks5() -> Self {
        let seen = Arc::<Seen>::default();
        let port = serve(seen.clone(), socks5);
        Self { port, seen }
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }
}

async fn pass_on(
    stream: TcpStream,
    seen: Arc<Seen>,
    authorization: Option<&'static str>,
) -> io::Result<()> {
    let mut client = Peer::new(stream);
    loop {
        let head = client.read_head().await?;
        seen.note(head.clone());
        if authorization.is_some_and(|it| !head.contains(it)) {
            let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\n\
                Proxy-Authenticate: Basic realm=\"p\"\r\nContent-Length: 0\r\n\r\n";
            client.write(refusal).await?;
            continue;
        }
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let target = target.trim_start_matches("http://");
        let (authority, _) = target.split_once('/').unwrap_or((target, ""));
        let mut next = TcpStream::connect(authority).await?;
        match method {
            "CONNECT" => client.write("HTTP/1.1 200 OK\r\n\r\n").await?,
            _ => {
                let origin_form = head.replacen(&format!("http://{authority}"), "", 1);
                next.write_all(origin_form.as_bytes()).await?;
            }
        }
        return copy_bidirectional(&mut client.io, &mut next).await.map(drop);
    }
}

async fn socks5(stream: TcpStream, seen: Arc<Seen>) -> io::Result<()> {
    let mut client = Peer::new(stream);
    let asked = client.read_socks().await?;
    seen.note(format!("SOCKS{} {}", asked.version, asked.authority()));
    let mut next = TcpStream::connect((&*asked.host, asked.port)).await?;
    client.write(asked.granted()).await?;
    copy_bidirectional(&mut client.io, &mut next).await.map(drop)
}
