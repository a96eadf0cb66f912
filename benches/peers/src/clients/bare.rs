//! hyper's connections, without a pool: what the others are compared with.

use std::sync::Arc;

use http::{HeaderValue, Uri, header::HOST};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{Client, read, request};
use crate::work::{Bulk, Job, Outcome, Place, Way};

pub type Http1 = http1::SendRequest<Bulk>;
pub type Http2 = http2::SendRequest<Bulk>;

/// How connections are made.
#[derive(Clone)]
pub struct Dial {
    way: Way,
    tls: Arc<ClientConfig>,
    proxy: Arc<str>,
}

impl Dial {
    pub fn new(way: Way, place: &Place) -> Outcome<Self> {
        Ok(Self { way, tls: super::tls_config(place)?, proxy: place.proxy().into() })
    }

    pub async fn http1(&self, uri: &Uri) -> Outcome<Http1> {
        match self.way {
            Way::Plain => handshake(tcp(authority(uri)?).await?).await,
            Way::Tls => handshake(self.tls(uri, tcp(authority(uri)?).await?).await?).await,
            Way::Connect => handshake(self.tls(uri, self.tunnel(uri).await?).await?).await,
        }
    }

    pub async fn http2(&self, uri: &Uri) -> Outcome<Http2> {
        let io = TokioIo::new(tcp(authority(uri)?).await?);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn tls<I>(&self, uri: &Uri, io: I) -> Outcome<tokio_rustls::client::TlsStream<I>>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(uri.host().ok_or("no host")?.to_owned())?;
        Ok(TlsConnector::from(self.tls.clone()).connect(name, io).await?)
    }

    async fn tunnel(&self, uri: &Uri) -> Outcome<TcpStream> {
        let (mut stream, authority) = (tcp(&self.proxy).await?, authority(uri)?);
        let head = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await?);
        }
        Ok(stream)
    }
}

fn authority(uri: &Uri) -> Outcome<&str> {
    Ok(uri.authority().ok_or("no host")?.as_str())
}

async fn tcp(address: &str) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn handshake<I>(io: I) -> Outcome<Http1>
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(io)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// One that has a connection of its own for each of its jobs.
pub struct BareHttp1 {
    dial: Dial,
    connections: Vec<(Http1, HeaderValue)>,
}

impl BareHttp1 {
    pub fn new(dial: Dial) -> Self {
        Self { dial, connections: Vec::new() }
    }
}

/// hyper adds no `host` to requests of HTTP/1.1.
pub fn with_host(job: &Job, host: HeaderValue) -> http::Request<Bulk> {
    let mut request = request(job, Bulk::new(job.sends()));
    *request.uri_mut() = Uri::from_static(match job.uri.path() {
        "/down" => "/down",
        _ => "/",
    });
    request.headers_mut().insert(HOST, host);
    request
}

pub fn host(job: &Job) -> Outcome<HeaderValue> {
    Ok(authority(&job.uri)?.parse()?)
}

impl Client for BareHttp1 {
    async fn send(&mut self, at: usize, job: &Job) -> Outcome {
        if job.is_new {
            let mut sender = self.dial.http1(&job.uri).await?;
            return read(job, sender.send_request(with_host(job, host(job)?)).await?).await;
        }
        if at >= self.connections.len() {
            self.connections.push((self.dial.http1(&job.uri).await?, host(job)?));
        }
        let (sender, host) = &mut self.connections[at];
        sender.ready().await?;
        read(job, sender.send_request(with_host(job, host.clone())).await?).await
    }
}

/// All share one connection.
#[derive(Clone)]
pub struct BareHttp2(pub Http2);

impl Client for BareHttp2 {
    async fn send(&mut self, _: usize, job: &Job) -> Outcome {
        self.0.ready().await?;
        let response = self.0.send_request(request(job, Bulk::new(job.sends()))).await?;
        read(job, response).await
    }
}
