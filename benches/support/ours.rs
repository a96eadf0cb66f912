//! The clients of this crate, from the pool alone to a URL as text.

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Empty;
use tokio::runtime::Handle;
use tower::{Service, ServiceBuilder};
use tower_transport::{
    Body, RequestExt, Transport,
    connect::TcpConnector,
    events::EventListener,
    http::{HttpConnection, NegotiateLayer},
    options::Protocols,
    pool::{Pool, PoolLayer},
    proxy::Proxy,
    target::Target,
    tls::TlsConfig,
};

use super::{Client, Outcome, PER_STREAM, POSTED, STREAMS, join, read, request, whole};

type NoBody = Empty<Bytes>;

pub(super) struct OurPool {
    pool: Pool<HttpConnection<NoBody>, NoBody>,
    uri: Uri,
}

impl OurPool {
    pub(super) fn new(uri: Uri, is_http2: bool) -> Self {
        let key = move |request: &Request<NoBody>| {
            let mut target = Target::of(request)?;
            if is_http2 {
                target.protocols = Protocols::Http2PriorKnowledge;
            }
            Ok(target)
        };
        let pool = ServiceBuilder::new()
            .layer(PoolLayer::keyed(key))
            .layer(NegotiateLayer::new())
            .service(TcpConnector::new());
        Self { pool, uri }
    }
}

impl Client for OurPool {
    async fn send(&mut self) -> Outcome {
        read(self.pool.call(request(&self.uri, NoBody::new())).await?).await
    }
}

#[derive(Clone)]
pub(super) struct OurTransport {
    transport: Transport,
    uri: Uri,
    is_posting: bool,
}

impl OurTransport {
    fn of(transport: Transport, uri: Uri) -> Self {
        Self { transport, uri, is_posting: false }
    }

    pub(super) fn new(uri: Uri, is_http2: bool) -> Outcome<Self> {
        let builder = Transport::builder();
        let builder = if is_http2 { builder.http2_prior_knowledge() } else { builder };
        Ok(Self::of(builder.build()?, uri))
    }

    pub(super) fn posting(self) -> Self {
        Self { is_posting: true, ..self }
    }

    /// A connection for each request.
    pub(super) fn new_connections(uri: Uri) -> Outcome<Self> {
        Ok(Self::of(Transport::builder().max_idle(0).build()?, uri))
    }

    pub(super) fn over_tls(uri: Uri, certificate: &[u8]) -> Outcome<Self> {
        let tls = TlsConfig::roots_pem(certificate)?;
        Ok(Self::of(Transport::builder().tls(tls).build()?, uri))
    }

    /// The same with a listener, which is interested or not.
    pub(super) fn with_listener(uri: Uri, is_http2: bool, is_interested: bool) -> Outcome<Self> {
        let builder = Transport::builder().listener(Listens { is_interested });
        let builder = if is_http2 { builder.http2_prior_knowledge() } else { builder };
        Ok(Self::of(builder.build()?, uri))
    }

    pub(super) fn through(proxy: Proxy) -> Outcome<Self> {
        let transport = Transport::builder().proxy(proxy).build()?;
        Ok(Self::of(transport, Uri::from_static("http://origin.example/")))
    }
}

/// Does nothing with the events.
struct Listens {
    is_interested: bool,
}

impl EventListener for Listens {
    fn is_interested(&self) -> bool {
        self.is_interested
    }
}

impl Client for OurTransport {
    async fn send(&mut self) -> Outcome {
        let response = if self.is_posting {
            let mut request = request(&self.uri, Body::from(POSTED));
            *request.method_mut() = http::Method::POST;
            self.transport.call(request).await?
        } else {
            self.transport.call(request(&self.uri, NoBody::new())).await?
        };
        read(response).await
    }
}

/// A proxy that is where the server is, spoken to in this version of HTTP.
pub(super) fn proxy(address: &str, user: &str, is_http2: bool) -> Outcome<Proxy> {
    let proxy: Proxy = format!("http://{user}{address}").parse()?;
    let protocols = if is_http2 { Protocols::Http2PriorKnowledge } else { Protocols::Http1Only };
    Ok(proxy.protocols(protocols))
}

pub(super) struct OurStreams(pub(super) OurTransport);

impl Client for OurStreams {
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

/// A URL as text, the answer in pieces.
pub(super) struct OurStream {
    transport: Transport,
    url: String,
}

impl OurStream {
    pub(super) fn new(uri: Uri, is_http2: bool) -> Outcome<Self> {
        let OurTransport { transport, uri, .. } = OurTransport::new(uri, is_http2)?;
        Ok(Self { transport, url: uri.to_string() })
    }
}

impl Client for OurStream {
    async fn send(&mut self) -> Outcome {
        read(self.transport.stream("GET", &self.url).await?).await
    }
}

/// The whole convenience: a URL as text, the answer as bytes.
pub(super) struct OurRequest(OurStream);

impl OurRequest {
    pub(super) fn new(uri: Uri, is_http2: bool) -> Outcome<Self> {
        Ok(Self(OurStream::new(uri, is_http2)?))
    }
}

impl Client for OurRequest {
    async fn send(&mut self) -> Outcome {
        whole(self.0.transport.request("GET", &self.0.url).await?.body().len())
    }
}
