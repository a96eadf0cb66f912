//! Servers that answer each request by its number, and note which they have acted on.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{BufReader, copy_bidirectional},
    sync::Notify,
};
use tokio_rustls::TlsAcceptor;

use super::{
    network::{Network, SimStream},
    peer::Peer,
    scheduler::Scheduler,
};

/// The field with the number of a request and of its response.
pub(crate) const NUMBER: &str = "x-number";

/// What servers have seen. Clones are the same log.
#[derive(Clone, Default)]
pub(crate) struct Log {
    acted: Arc<Mutex<BTreeMap<u64, usize>>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Version {
    Http1,
    Http2,
}

/// How the servers of a run behave.
#[derive(Clone)]
pub(crate) struct Behaviour {
    pub(crate) version: Version,
    pub(crate) tls: Option<TlsAcceptor>,
    /// Whether connections end only between requests, and bodies are read to their ends.
    pub(crate) is_calm: bool,
    /// The largest number of streams on an HTTP/2 connection.
    pub(crate) streams: u32,
}

impl Log {
    /// How often a server has acted on the request.
    pub(crate) fn acted(&self, number: u64) -> usize {
        self.acted.lock().unwrap().get(&number).copied().unwrap_or(0)
    }

    fn note(&self, number: u64) {
        *self.acted.lock().unwrap().entry(number).or_default() += 1;
    }
}

/// The data of a request or a response: as long and of such bytes as follow from its number.
pub(crate) fn data(number: u64, length: u64) -> Bytes {
    Bytes::from(vec![(number % 251) as u8; length as usize])
}

/// Accepts for ever.
pub(crate) async fn serve(
    host: &'static str,
    network: Network,
    scheduler: Scheduler,
    behaviour: Behaviour,
    log: Log,
) {
    loop {
        let stream = network.accept(host).await;
        let (inner, behaviour, log) = (scheduler.clone(), behaviour.clone(), log.clone());
        scheduler.spawn(async move {
            match &behaviour.tls {
                None => serve_stream(stream, inner, &behaviour, log).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(TokioIo::new(stream)).await {
                        serve_stream(TokioIo::new(stream), inner, &behaviour, log).await;
                    }
                }
            }
        });
    }
}

async fn serve_stream<I>(stream: I, scheduler: Scheduler, behaviour: &Behaviour, log: Log)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let served = Arc::new(Notify::new());
    let life = Duration::from_millis(scheduler.random(|random| random.below(6_000)));
    let service = service_fn(|request| {
        let (scheduler, log, served) = (scheduler.clone(), log.clone(), served.clone());
        let is_calm = behaviour.is_calm;
        async move {
            served.notify_one();
            Ok::<_, Infallible>(answer(request, &scheduler, is_calm, &log).await)
        }
    });
    // Not before it has answered once: what a new connection cannot do, the next one could not do either.
    let (after, first) = (scheduler.clone(), served.clone());
    let end = pin!(async move {
        first.notified().await;
        after.pause(life).await;
    });
    // A broken connection is no fault of the server.
    let _ = match behaviour.version {
        Version::Http1 => {
            let connection = http1::Builder::new()
                .auto_date_header(false)
                .timer(scheduler.clone())
                .serve_connection(stream, service);
            match select(pin!(connection), end).await {
                Either::Left((done, _)) => done,
                Either::Right(((), mut connection)) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }
        Version::Http2 => {
            let connection = http2::Builder::new(scheduler.clone())
                // HPACK makes it longer in some seconds than in others.
                .auto_date_header(false)
                .timer(scheduler.clone())
                .max_concurrent_streams(behaviour.streams)
                .serve_connection(stream, service);
            match select(pin!(connection), end).await {
                Either::Left((done, _)) => done,
                Either::Right(((), mut connection)) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }
    };
}

async fn answer(
    request: Request<Incoming>,
    scheduler: &Scheduler,
    is_calm: bool,
    log: &Log,
) -> Response<Full<Bytes>> {
    let number = request.headers()[NUMBER].clone();
    let id: u64 = number.to_str().unwrap().parse().unwrap();
    log.note(id);
    let (is_early, pause, length) = scheduler
        .random(|random| (!is_calm && random.one_in(8), random.below(3_000), random.below(40_000)));
    if !is_early && let Ok(body) = request.into_body().collect().await {
        let body = body.to_bytes();
        assert_eq!(body, data(id, body.len() as u64), "the data of another request");
    }
    if pause > 1_000 {
        scheduler.pause(Duration::from_millis(pause)).await;
    }
    let mut response = Response::new(Full::new(data(id, length)));
    response.headers_mut().insert(NUMBER, number);
    response
}

/// A proxy for tunnels: by CONNECT, or by SOCKS5 without a password.
pub(crate) async fn proxy(
    host: &'static str,
    network: Network,
    scheduler: Scheduler,
    is_socks: bool,
) {
    loop {
        let stream = network.accept(host).await;
        let network = network.clone();
        scheduler.spawn(async move {
            // A broken stream is no fault of the proxy.
            let _ = match is_socks {
                true => by_socks(stream, &network).await,
                false => by_connect(stream, &network).await,
            };
        });
    }
}

async fn by_connect(stream: SimStream, network: &Network) -> std::io::Result<()> {
    let mut client = Peer::new(BufReader::new(TokioIo::new(stream)));
    let head = client.read_head().await?;
    let target = head.split([' ', ':']).nth(1).unwrap().to_owned();
    match network.connect(&target, false).await {
        Ok(origin) => {
            client.write("HTTP/1.1 200 OK\r\n\r\n").await?;
            copy_bidirectional(&mut client.io, &mut TokioIo::new(origin)).await?;
        }
        Err(_) => client.write("HTTP/1.1 502 No\r\ncontent-length: 0\r\n\r\n").await?,
    }
    Ok(())
}

async fn by_socks(stream: SimStream, network: &Network) -> std::io::Result<()> {
    let mut client = Peer::new(TokioIo::new(stream));
    let asked = client.read_socks().await?;
    match network.connect(&asked.host, false).await {
        Ok(origin) => {
            client.write(asked.granted()).await?;
            copy_bidirectional(&mut client.io, &mut TokioIo::new(origin)).await?;
        }
        Err(_) => client.write(asked.refused()).await?,
    }
    Ok(())
}
