//! Servers that stall, break off and restart, and a proxy for tunnels. They note what they have acted on.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    error::Error,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
    time,
};
use tokio_rustls::TlsAcceptor;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// A connection is broken off once it has answered so many: nothing of its first requests, which may not be sent again, is
/// under way by then.
const OLD: u64 = 2_000;

/// One request in so many ends its connection, once.
const BREAKS: u64 = 400;

pub(crate) struct Servers {
    pub(crate) plain: SocketAddr,
    pub(crate) http1: SocketAddr,
    pub(crate) http2: SocketAddr,
    pub(crate) proxy: SocketAddr,
    pub(crate) roots: String,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    acted: Mutex<HashMap<u64, u32>>,
    doubled: AtomicU64,
    repeated: AtomicU64,
    broken: Mutex<HashSet<u64>>,
    restarts: AtomicU64,
}

/// The data of a request or a response.
pub(crate) fn data(number: u64, length: usize) -> Bytes {
    Bytes::from(vec![(number % 251) as u8; length])
}

impl Servers {
    pub(crate) async fn start() -> Outcome<Self> {
        let log = Arc::new(Log::default());
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let tls = |alpn: &[u8]| -> Outcome<TlsAcceptor> {
            let key =
                PrivateKeyDer::from_pem_slice(certified.signing_key.serialize_pem().as_bytes())?;
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let mut config = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_single_cert(vec![certified.cert.der().clone()], key)?;
            config.alpn_protocols = vec![alpn.to_vec()];
            Ok(TlsAcceptor::from(Arc::new(config)))
        };
        Ok(Self {
            plain: serve(None, log.clone()).await?,
            http1: serve(Some(tls(b"http/1.1")?), log.clone()).await?,
            http2: serve(Some(tls(b"h2")?), log.clone()).await?,
            proxy: proxy().await?,
            roots: certified.cert.pem(),
            log,
        })
    }

    /// POSTs that were acted on more than once.
    pub(crate) fn doubled(&self) -> u64 {
        self.log.doubled.load(Ordering::Relaxed)
    }

    /// GETs that were acted on more than once, which is allowed.
    pub(crate) fn repeated(&self) -> u64 {
        self.log.repeated.load(Ordering::Relaxed)
    }

    pub(crate) fn broken(&self) -> usize {
        self.log.broken.lock().expect("no panic").len()
    }

    pub(crate) fn restarts(&self) -> u64 {
        self.log.restarts.load(Ordering::Relaxed)
    }
}

impl Log {
    fn note(&self, is_post: bool, number: u64) {
        let mut acted = self.acted.lock().expect("no panic");
        let times = acted.entry(number).or_default();
        *times += 1;
        if *times == 2 {
            let count = if is_post { &self.doubled } else { &self.repeated };
            count.fetch_add(1, Ordering::Relaxed);
        }
        // The log must not be what grows: no request comes again after so many others.
        if acted.len() > 200_000 {
            acted.retain(|known, _| known + 100_000 > number);
        }
    }
}

/// A server that restarts every few seconds: it stops to listen, lets go of its connections, and listens again.
async fn serve(tls: Option<TlsAcceptor>, log: Arc<Log>) -> Outcome<SocketAddr> {
    let mut listener = TcpListener::bind("127.0.0.1:0").await?;
    let place = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            let (restart, restarting) = watch::channel(false);
            let _ = time::timeout(Duration::from_millis(3_700), async {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(connection(stream, tls.clone(), log.clone(), restarting.clone()));
                }
            })
            .await;
            drop(listener);
            let _ = restart.send(true);
            log.restarts.fetch_add(1, Ordering::Relaxed);
            time::sleep(Duration::from_millis(50)).await;
            listener = loop {
                match TcpListener::bind(place).await {
                    Ok(listener) => break listener,
                    Err(_) => time::sleep(Duration::from_millis(20)).await,
                }
            };
        }
    });
    Ok(place)
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    log: Arc<Log>,
    mut restarting: watch::Receiver<bool>,
) {
    let (broken, mut breaks) = watch::channel(false);
    let broken = Arc::new(broken);
    let served = Arc::new(AtomicU64::new(0));
    let answering = service_fn(move |request: Request<Incoming>| {
        let (log, broken, served) = (log.clone(), broken.clone(), served.clone());
        async move { Ok::<_, Infallible>(answer(request, &log, &broken, &served).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    macro_rules! run {
        ($io:expr) => {{
            let mut connection = pin!(builder.serve_connection(TokioIo::new($io), answering));
            tokio::select! {
                _ = connection.as_mut() => {}
                _ = breaks.changed() => {}
                _ = restarting.changed() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = time::timeout(Duration::from_secs(5), connection).await;
                }
            }
        }};
    }
    match tls {
        None => run!(stream),
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                run!(stream)
            }
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    log: &Log,
    broken: &watch::Sender<bool>,
    served: &AtomicU64,
) -> Response<Full<Bytes>> {
    let is_post = *request.method() == Method::POST;
    let number: u64 = request.uri().path()[1..].parse().expect("a number");
    let may_break = served.fetch_add(1, Ordering::Relaxed) > OLD && number % BREAKS == 17;
    if may_break && log.broken.lock().expect("no panic").insert(number) {
        let _ = broken.send(true);
        return std::future::pending().await;
    }
    log.note(is_post, number);
    if let Ok(body) = request.into_body().collect().await {
        let body = body.to_bytes();
        assert_eq!(body, data(number, body.len()), "the data of another request");
    }
    if number % 50 == 3 {
        time::sleep(Duration::from_millis(number % 200)).await;
    }
    let mut response = Response::new(Full::new(data(number, (number * 104_729 % 30_000) as usize)));
    response.headers_mut().insert("x-number", number.into());
    response
}

/// Tunnels by CONNECT.
async fn proxy() -> Outcome<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let place = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A broken tunnel is no fault of the proxy.
            tokio::spawn(async move { tunnel(stream).await.ok() });
        }
    });
    Ok(place)
}

async fn tunnel(stream: TcpStream) -> std::io::Result<()> {
    let mut client = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if client.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let target = head.split(' ').nth(1).unwrap_or_default();
    match TcpStream::connect(target).await {
        Ok(mut origin) => {
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            copy_bidirectional(&mut client, &mut origin).await?;
        }
        Err(_) => client.write_all(b"HTTP/1.1 502 Down\r\nContent-Length: 0\r\n\r\n").await?,
    }
    Ok(())
}
