//! A network in memory: named proxies and origins, which record connections and requests.

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader, DuplexStream, duplex},
    sync::Notify,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tower_transport::{
    Transport,
    connect::{Connect, Connected},
    target::Target,
    transport::TransportBuilder,
};

use super::{peer, scripted::HELLO};

/// The peers by name, and a record of dials.
#[derive(Clone, Default)]
pub(crate) struct Net {
    peers: Arc<Mutex<HashMap<String, Arc<Peer>>>>,
    dialed: Arc<Mutex<Vec<Target>>>,
}

/// The behaviour of a peer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Behavior {
    /// Answers every request, over HTTP/2 if negotiated.
    Serve,
    /// Opens tunnels to others of its network.
    Tunnel,
    /// Answers every request with this.
    Say(&'static str),
    /// Accepts connections, and sends nothing.
    Nothing,
    /// Refuses connections.
    Refuse,
}

/// A named peer.
pub(crate) struct Peer {
    does: Mutex<Behavior>,
    tls: Option<TlsAcceptor>,
    opened: AtomicUsize,
    open: AtomicUsize,
    heads: Mutex<Vec<(usize, String)>>,
    handshakes: Mutex<Vec<Handshake>>,
    hanging_up: Notify,
}

/// The outcome of a peer's TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handshake {
    pub(crate) server_name: Option<String>,
    pub(crate) alpn: Option<String>,
    /// The certificate of the client.
    pub(crate) client: Option<Vec<u8>>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

type Wire = peer::Peer<BufReader<Box<dyn Stream>>>;
type Visiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The first byte of TLS.
const HANDSHAKE: u8 = 22;

/// One connection to a peer.
struct Visit {
    net: Net,
    peer: Arc<Peer>,
    connection: usize,
}

impl Net {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a peer that accepts any protocol but TLS.
    pub(crate) fn plain(&self, name: &str, does: Behavior) -> Arc<Peer> {
        self.add(name, Peer::new(does, None))
    }

    /// Adds a peer that accepts TLS as well.
    pub(crate) fn tls(&self, name: &str, does: Behavior, tls: ServerConfig) -> Arc<Peer> {
        self.add(name, Peer::new(does, Some(tls)))
    }

    /// A connector to the peers by name.
    pub(crate) fn connector(&self) -> impl Connect<Target> + Clone + Send + 'static {
        let net = self.clone();
        tower::service_fn(move |target: Target| {
            let net = net.clone();
            async move { net.dial(target) }
        })
    }

    /// A transport over this network.
    pub(crate) fn transport(&self) -> TransportBuilder {
        Transport::builder().connector(self.connector())
    }

    /// The targets the transport has dialed.
    pub(crate) fn dialed(&self) -> Vec<Target> {
        self.dialed.lock().unwrap().clone()
    }

    /// The same, since the last time.
    pub(crate) fn take_dialed(&self) -> Vec<Target> {
        std::mem::take(&mut self.dialed.lock().unwrap())
    }

    fn add(&self, name: &str, peer: Peer) -> Arc<Peer> {
        let peer = Arc::new(peer);
        self.peers.lock().unwrap().insert(name.to_owned(), peer.clone());
        peer
    }

    fn peer(&self, name: &str) -> Option<Arc<Peer>> {
        let name = name.to_ascii_lowercase();
        let peer = self.peers.lock().unwrap().get(&name).cloned();
        peer.filter(|peer| !matches!(peer.does(), Behavior::Refuse))
    }

    fn dial(&self, target: Target) -> io::Result<Connected<TokioIo<DuplexStream>>> {
        let peer = self.peer(&target.origin.authority_form());
        self.dialed.lock().unwrap().push(target);
        let peer = peer.ok_or(io::ErrorKind::ConnectionRefused)?;
        let (near, far) = duplex(64 * 1024);
        tokio::spawn(self.clone().visit(peer, Box::new(far)));
        Ok(Connected::new(TokioIo::new(near)))
    }

    /// A connection to a peer, or the end of a tunnel to it.
    fn visit(self, peer: Arc<Peer>, stream: Box<dyn Stream>) -> Visiting {
        Box::pin(async move {
            let open = Open::one_more(&peer);
            let visit = Visit { net: self, peer: peer.clone(), connection: open.connection };
            tokio::select! {
                // An error means that the client closed the connection, or refused the server.
                _ = visit.speak(stream) => {}
                () = peer.hanging_up.notified() => {}
            }
        })
    }
}

impl Visit {
    async fn speak(self, stream: Box<dyn Stream>) -> io::Result<()> {
        let mut wire = Wire::new(BufReader::new(stream));
        if let Behavior::Nothing = self.peer.does() {
            return wire.drain().await;
        }
        let is_tls = wire.io.fill_buf().await?.first() == Some(&HANDSHAKE);
        let Some(tls) = self.peer.tls.as_ref().filter(|_| is_tls) else {
            return self.talk(wire).await;
        };
        let stream = tls.accept(wire.io).await?;
        self.peer.handshakes.lock().unwrap().push(Handshake::of(&stream));
        self.talk(Wire::new(BufReader::new(Box::new(stream)))).await
    }

    async fn talk(self, mut wire: Wire) -> io::Result<()> {
        match wire.io.fill_buf().await? {
            [4 | 5, ..] => self.talk_socks(wire).await,
            bytes if bytes.starts_with(b"PRI") => self.talk_http2(wire).await,
            _ => self.talk_http1(wire).await,
        }
    }

    /// Opens a tunnel by SOCKS.
    async fn talk_socks(self, mut peer: Wire) -> io::Result<()> {
        let asked = peer.read_socks().await?;
        let name = asked.authority();
        self.note(name.clone());
        let next = self.net.peer(&name).ok_or(io::ErrorKind::HostUnreachable)?;
        peer.write(asked.granted()).await?;
        self.net.visit(next, Box::new(peer.io)).await;
        Ok(())
    }

    async fn talk_http1(self, mut wire: Wire) -> io::Result<()> {
        loop {
            let head = wire.read_head().await?;
            let name = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
            let next = name.map(|name| self.net.peer(name));
            self.note(head);
            let answer = match (self.peer.does(), &next) {
                (Behavior::Serve, _) | (Behavior::Tunnel, None) => HELLO,
                (Behavior::Tunnel, Some(Some(_))) => "HTTP/1.1 200 OK\r\n\r\n",
                (Behavior::Tunnel, Some(None)) => {
                    "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
                }
                (Behavior::Say(answer), _) => answer,
                (Behavior::Nothing | Behavior::Refuse, _) => return wire.drain().await,
            };
            wire.write(answer).await?;
            match (self.peer.does(), next) {
                (Behavior::Serve | Behavior::Say(_), _) | (Behavior::Tunnel, None | Some(None)) => {
                }
                (Behavior::Tunnel, Some(Some(next))) => {
                    self.net.visit(next, Box::new(wire.io)).await;
                    return Ok(());
                }
                _ => return wire.drain().await,
            }
        }
    }

    async fn talk_http2(self, wire: Wire) -> io::Result<()> {
        let answer =
            service_fn(|request| std::future::ready(Ok::<_, Infallible>(self.answer(request))));
        let server = http2::Builder::new(TokioExecutor::new());
        server.serve_connection(TokioIo::new(wire.io), answer).await.map_err(io::Error::other)
    }

    fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.note(format!("{} {} {:?}", request.method(), request.uri(), request.headers()));
        let mut response = Response::new(Full::default());
        if let (Behavior::Tunnel, &Method::CONNECT) = (self.peer.does(), request.method()) {
            match (self.net.clone(), self.net.peer(&request.uri().to_string())) {
                (net, Some(next)) => drop(tokio::spawn(async move {
                    let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
                    net.visit(next, Box::new(TokioIo::new(upgraded))).await;
                })),
                (_, None) => *response.status_mut() = StatusCode::BAD_GATEWAY,
            }
        } else {
            *response.body_mut() = Full::new("hello".into());
        }
        response
    }

    fn note(&self, head: String) {
        self.peer.heads.lock().unwrap().push((self.connection, head));
    }
}

impl Peer {
    fn new(does: Behavior, tls: Option<ServerConfig>) -> Self {
        Self {
            does: Mutex::new(does),
            tls: tls.map(|config| TlsAcceptor::from(Arc::new(config))),
            opened: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            heads: Mutex::default(),
            handshakes: Mutex::default(),
            hanging_up: Notify::new(),
        }
    }

    fn does(&self) -> Behavior {
        *self.does.lock().unwrap()
    }

    /// Changes its behaviour.
    pub(crate) fn set_behavior(&self, does: Behavior) {
        *self.does.lock().unwrap() = does;
    }

    /// Ends all its connections.
    pub(crate) fn close_all(&self) {
        self.hanging_up.notify_waiters();
    }

    /// The number of connections and tunnels accepted.
    pub(crate) fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    /// The number of open ones.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// The heads of all requests received.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().iter().map(|(_, head)| head.clone()).collect()
    }

    /// The connection of each request, in order.
    pub(crate) fn request_connections(&self) -> Vec<usize> {
        self.heads.lock().unwrap().iter().map(|(connection, _)| *connection).collect()
    }

    /// Whether any request contained this text, ignoring case.
    pub(crate) fn received_text(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        self.heads().iter().any(|head| head.to_ascii_lowercase().contains(&text))
    }

    pub(crate) fn handshakes(&self) -> Vec<Handshake> {
        self.handshakes.lock().unwrap().clone()
    }
}

impl Handshake {
    fn of<S>(stream: &TlsStream<S>) -> Self {
        let session = stream.get_ref().1;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let client = session.peer_certificates().and_then(|chain| chain.first());
        Self {
            server_name: session.server_name().map(str::to_owned),
            alpn: session.alpn_protocol().map(text),
            client: client.map(|certificate| certificate.to_vec()),
        }
    }
}

/// A connection that counts as open.
struct Open {
    peer: Arc<Peer>,
    connection: usize,
}

impl Open {
    fn one_more(peer: &Arc<Peer>) -> Self {
        let connection = peer.opened.fetch_add(1, Ordering::SeqCst);
        peer.open.fetch_add(1, Ordering::SeqCst);
        Self { peer: peer.clone(), connection }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.peer.open.fetch_sub(1, Ordering::SeqCst);
    }
}
