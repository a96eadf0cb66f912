//! A network in memory: proxies and origins by their names, which remember whom they saw and what they were told.

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
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, DuplexStream, duplex},
    sync::Notify,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tower_transport::{
    Transport,
    connect::{Connect, Connected},
    target::Target,
    transport::TransportBuilder,
};

use super::scripted::HELLO;

/// Who can be reached, and who was.
#[derive(Clone, Default)]
pub(crate) struct Net {
    peers: Arc<Mutex<HashMap<String, Arc<Peer>>>>,
    dialed: Arc<Mutex<Vec<Target>>>,
}

/// What a peer does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Does {
    /// Answers every request, over HTTP/2 if it is spoken.
    Serve,
    /// Opens tunnels to others of its network.
    Tunnel,
    /// Answers the first request of each connection with this.
    Say(&'static str),
    /// Takes connections, and says nothing.
    Nothing,
    /// Takes no connections.
    Refuse,
}

/// Somebody with a name.
pub(crate) struct Peer {
    does: Mutex<Does>,
    tls: Option<TlsAcceptor>,
    is_http2: bool,
    opened: AtomicUsize,
    open: AtomicUsize,
    heads: Mutex<Vec<String>>,
    handshakes: Mutex<Vec<Handshake>>,
    hanging_up: Notify,
}

/// What TLS told a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handshake {
    pub(crate) server_name: Option<String>,
    pub(crate) alpn: Option<String>,
    /// The certificate of the client.
    pub(crate) client: Option<Vec<u8>>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

type Wire = BufReader<Box<dyn Stream>>;

impl Net {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Somebody who speaks HTTP/1.1 in plain text.
    pub(crate) fn plain(&self, name: &str, does: Does) -> Arc<Peer> {
        self.add(name, Peer::new(does, None, false))
    }

    /// Somebody who speaks HTTP/2 in plain text.
    pub(crate) fn http2(&self, name: &str, does: Does) -> Arc<Peer> {
        self.add(name, Peer::new(does, None, true))
    }

    /// Somebody who speaks TLS, and HTTP as its ALPN says.
    pub(crate) fn tls(&self, name: &str, does: Does, tls: ServerConfig) -> Arc<Peer> {
        self.add(name, Peer::new(does, Some(tls), false))
    }

    /// Connects to those by their names.
    pub(crate) fn connector(&self) -> impl Connect<Target> + Clone + Send + 'static {
        let net = self.clone();
        tower::service_fn(move |target: Target| {
            let net = net.clone();
            async move { net.dial(target) }
        })
    }

    /// A transport whose only way is this network.
    pub(crate) fn transport(&self) -> TransportBuilder {
        Transport::builder().connector(self.connector())
    }

    /// Everything that the transport connected to itself.
    pub(crate) fn dialed(&self) -> Vec<Target> {
        self.dialed.lock().unwrap().clone()
    }

    fn add(&self, name: &str, peer: Peer) -> Arc<Peer> {
        let peer = Arc::new(peer);
        self.peers.lock().unwrap().insert(name.to_owned(), peer.clone());
        peer
    }

    fn peer(&self, name: &str) -> Option<Arc<Peer>> {
        let peer = self.peers.lock().unwrap().get(name).cloned();
        peer.filter(|peer| !matches!(peer.does(), Does::Refuse))
    }

    fn dial(&self, target: Target) -> io::Result<Connected<TokioIo<DuplexStream>>> {
        let peer = self.peer(&target.origin.authority_form());
        self.dialed.lock().unwrap().push(target);
        let peer = peer.ok_or(io::ErrorKind::ConnectionRefused)?;
        let (near, far) = duplex(64 * 1024);
        tokio::spawn(self.clone().visit(peer, Box::new(far)));
        Ok(Connected::new(TokioIo::new(near)))
    }

    /// The end of a connection to a peer, or of a tunnel to it.
    fn visit(
        self,
        peer: Arc<Peer>,
        stream: Box<dyn Stream>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let _open = Open::one_more(&peer);
            tokio::select! {
                // An error says that the client has hung up, or refused the server.
                _ = self.speak(&peer, stream) => {}
                () = peer.hanging_up.notified() => {}
            }
        })
    }

    async fn speak(self, peer: &Arc<Peer>, stream: Box<dyn Stream>) -> io::Result<()> {
        let Some(tls) = &peer.tls else {
            return self.talk(peer, stream, peer.is_http2).await;
        };
        if let Does::Nothing = peer.does() {
            return std::future::pending().await;
        }
        let stream = tls.accept(stream).await?;
        let handshake = Handshake::of(&stream);
        let is_http2 = handshake.alpn.as_deref() == Some("h2");
        peer.handshakes.lock().unwrap().push(handshake);
        self.talk(peer, Box::new(stream), is_http2).await
    }

    async fn talk(
        self,
        peer: &Arc<Peer>,
        stream: Box<dyn Stream>,
        is_http2: bool,
    ) -> io::Result<()> {
        match is_http2 {
            true => self.talk_http2(peer, stream).await,
            false => self.talk_http1(peer, BufReader::new(stream)).await,
        }
    }

    async fn talk_http1(self, peer: &Arc<Peer>, mut wire: Wire) -> io::Result<()> {
        loop {
            let head = head(&mut wire).await?;
            let name = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
            let next = name.map(|name| self.peer(name));
            peer.heads.lock().unwrap().push(head);
            let answer = match (peer.does(), &next) {
                (Does::Serve, _) => HELLO,
                (Does::Tunnel, Some(Some(_))) => "HTTP/1.1 200 OK\r\n\r\n",
                (Does::Tunnel, _) => "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
                (Does::Say(answer), _) => answer,
                (Does::Nothing | Does::Refuse, _) => return std::future::pending().await,
            };
            wire.write_all(answer.as_bytes()).await?;
            wire.flush().await?;
            match (peer.does(), next.flatten()) {
                (Does::Serve, _) => {}
                (Does::Tunnel, Some(next)) => {
                    self.visit(next, Box::new(wire)).await;
                    return Ok(());
                }
                _ => return wait_for_end(wire).await,
            }
        }
    }

    async fn talk_http2(self, peer: &Arc<Peer>, stream: Box<dyn Stream>) -> io::Result<()> {
        let answer = service_fn(|request: Request<Incoming>| {
            let (net, peer) = (self.clone(), peer.clone());
            async move { Ok::<_, Infallible>(net.answer_http2(&peer, request)) }
        });
        let server = http2::Builder::new(TokioExecutor::new());
        server.serve_connection(TokioIo::new(stream), answer).await.map_err(io::Error::other)
    }

    fn answer_http2(self, peer: &Peer, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let text = format!("{} {} {:?}", request.method(), request.uri(), request.headers());
        peer.heads.lock().unwrap().push(text);
        let mut response = Response::new(Full::default());
        if let (Does::Tunnel, &Method::CONNECT) = (peer.does(), request.method()) {
            match self.peer(&request.uri().to_string()) {
                Some(next) => drop(tokio::spawn(async move {
                    let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
                    self.visit(next, Box::new(TokioIo::new(upgraded))).await;
                })),
                None => *response.status_mut() = StatusCode::BAD_GATEWAY,
            }
        } else {
            *response.body_mut() = Full::new("hello".into());
        }
        response
    }
}

impl Peer {
    fn new(does: Does, tls: Option<ServerConfig>, is_http2: bool) -> Self {
        Self {
            does: Mutex::new(does),
            tls: tls.map(|config| TlsAcceptor::from(Arc::new(config))),
            is_http2,
            opened: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            heads: Mutex::default(),
            handshakes: Mutex::default(),
            hanging_up: Notify::new(),
        }
    }

    fn does(&self) -> Does {
        *self.does.lock().unwrap()
    }

    /// From now on it does this.
    pub(crate) fn now_does(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    /// Ends all its connections.
    pub(crate) fn hang_up(&self) {
        self.hanging_up.notify_waiters();
    }

    /// Connections that came, and tunnels that ended here.
    pub(crate) fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    /// Those that are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Everything that it was asked, and by which fields.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// Whether it was ever told this, whatever the case.
    pub(crate) fn was_told(&self, text: &str) -> bool {
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
struct Open(Arc<Peer>);

impl Open {
    fn one_more(peer: &Arc<Peer>) -> Self {
        peer.opened.fetch_add(1, Ordering::SeqCst);
        peer.open.fetch_add(1, Ordering::SeqCst);
        Self(peer.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn head(wire: &mut Wire) -> io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if wire.read_line(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

async fn wait_for_end(mut wire: Wire) -> io::Result<()> {
    tokio::io::copy(&mut wire, &mut tokio::io::sink()).await.map(drop)
}
