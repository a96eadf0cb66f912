//! Those to compare with: hyper's and h2's connections without a pool, and hyper-util's client.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header::HOST};
use http_body_util::Full;
use hyper::client::conn;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::runtime::Handle;
use tokio_rustls::TlsConnector;

use super::{Client, Outcome, PER_STREAM, POSTED, STREAMS, connect, join, read, request, whole};

type MaybeBody = Full<Bytes>;

pub(super) struct BareHttp1 {
    sender: conn::http1::SendRequest<MaybeBody>,
    host: HeaderValue,
    method: Method,
}

impl BareHttp1 {
    pub(super) async fn connect(uri: Uri) -> Outcome<Self> {
        Self::over(connect(&uri).await?, &uri).await
    }

    pub(super) async fn connect_tls(uri: Uri, certificate: &[u8]) -> Outcome<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(certificate)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(uri.host().ok_or("no host")?.to_owned())?;
        let connector = TlsConnector::from(Arc::new(config));
        Self::over(connector.connect(name, connect(&uri).await?).await?, &uri).await
    }

    async fn over<I>(io: I, uri: &Uri) -> Outcome<Self>
    where
        I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = conn::http1::handshake(TokioIo::new(io)).await?;
        Handle::current().spawn(connection);
        let host = uri.authority().ok_or("no host")?.as_str().parse()?;
        Ok(Self { sender, host, method: Method::GET })
    }

    pub(super) fn posting(self) -> Self {
        Self { method: Method::POST, ..self }
    }
}

impl Client for BareHttp1 {
    async fn send(&mut self) -> Outcome {
        let mut request = Request::new(body(&self.method));
        *request.method_mut() = self.method.clone();
        request.headers_mut().insert(HOST, self.host.clone());
        self.sender.ready().await?;
        read(self.sender.send_request(request).await?).await
    }
}

fn body(method: &Method) -> MaybeBody {
    if method == Method::POST { Full::new(POSTED) } else { Full::default() }
}

/// A connection for each request.
pub(super) struct NewConnections(Uri);

impl NewConnections {
    pub(super) fn new(uri: Uri) -> Self {
        Self(uri)
    }
}

impl Client for NewConnections {
    async fn send(&mut self) -> Outcome {
        BareHttp1::connect(self.0.clone()).await?.send().await
    }
}

#[derive(Clone)]
pub(super) struct BareHttp2 {
    sender: conn::http2::SendRequest<MaybeBody>,
    uri: Uri,
    method: Method,
}

impl BareHttp2 {
    pub(super) async fn connect(uri: Uri) -> Outcome<Self> {
        let io = TokioIo::new(connect(&uri).await?);
        let (sender, connection) = conn::http2::handshake(TokioExecutor::new(), io).await?;
        Handle::current().spawn(connection);
        Ok(Self { sender, uri, method: Method::GET })
    }

    pub(super) fn posting(self) -> Self {
        Self { method: Method::POST, ..self }
    }
}

impl Client for BareHttp2 {
    async fn send(&mut self) -> Outcome {
        let mut request = request(&self.uri, body(&self.method));
        *request.method_mut() = self.method.clone();
        self.sender.ready().await?;
        read(self.sender.send_request(request).await?).await
    }
}

pub(super) struct BareStreams(pub(super) BareHttp2);

impl Client for BareStreams {
    const AT_ONCE: usize = STREAMS * PER_STREAM;

    async fn send(&mut self) -> Outcome {
        let streams = (0..STREAMS).map(|_| {
            let mut stream = self.0.clone();
            Handle::current().spawn(async move {
                for _ in 0..PER_STREAM {
                    stream.send().await?;
                }
                Ok(())
            })
        });
        join(streams).await
    }
}

pub(super) struct BareH2 {
    sender: h2::client::SendRequest<Bytes>,
    uri: Uri,
}

impl BareH2 {
    pub(super) async fn connect(uri: Uri) -> Outcome<Self> {
        let (sender, connection) = h2::client::handshake(connect(&uri).await?).await?;
        Handle::current().spawn(connection);
        Ok(Self { sender, uri })
    }
}

impl Client for BareH2 {
    async fn send(&mut self) -> Outcome {
        std::future::poll_fn(|cx| self.sender.poll_ready(cx)).await?;
        let (response, _) = self.sender.send_request(request(&self.uri, ()), true)?;
        let (mut body, mut length) = (response.await?.into_body(), 0);
        while let Some(chunk) = body.data().await {
            let chunk = chunk?;
            body.flow_control().release_capacity(chunk.len())?;
            length += chunk.len();
        }
        whole(length)
    }
}

pub(super) struct Legacy {
    client: legacy::Client<HttpConnector, MaybeBody>,
    uri: Uri,
}

impl Legacy {
    pub(super) fn new(uri: Uri, is_http2: bool) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        Self { client: builder.http2_only(is_http2).build(connector), uri }
    }
}

impl Client for Legacy {
    async fn send(&mut self) -> Outcome {
        read(self.client.request(request(&self.uri, MaybeBody::default())).await?).await
    }
}
