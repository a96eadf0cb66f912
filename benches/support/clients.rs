//! Who is compared: each sends one GET and reads the answer to its end, over a connection that is open already.

use std::error::Error;

use bytes::Bytes;
use http::{Request, Response, Uri, Version};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpStream, runtime::Handle};
use tower::{Service, ServiceBuilder};
use tower_transport::{
    RequestExt, Transport,
    connect::TcpConnector,
    events::EventListener,
    negotiate::{HttpConnection, NegotiateLayer},
    pool::{Pool, PoolLayer},
    proxy::Proxy,
    target::{Protocols, Target},
};

#[path = "routes.rs"]
mod routes;

use routes::Choosing;
pub(crate) use routes::ROUTES;

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

type NoBody = Empty<Bytes>;

/// One that can send a request again and again.
pub(crate) trait Client {
    async fn get(&mut self) -> Outcome;
}

/// What is measured: who, over which version. The first of a version is what the others are compared with.
pub(crate) const ALL: &[(&str, Version)] = &[
    ("bare hyper", Version::HTTP_11),
    ("hyper-util legacy", Version::HTTP_11),
    ("our pool", Version::HTTP_11),
    ("our transport", Version::HTTP_11),
    ("told to nobody", Version::HTTP_11),
    ("told", Version::HTTP_11),
    ("our request()", Version::HTTP_11),
    ("forwarded", Version::HTTP_11),
    ("forwarded, Basic", Version::HTTP_11),
    ("tunnelled", Version::HTTP_11),
    ("bare hyper", Version::HTTP_2),
    ("bare h2", Version::HTTP_2),
    ("hyper-util legacy", Version::HTTP_2),
    ("our pool", Version::HTTP_2),
    ("our transport", Version::HTTP_2),
    ("told to nobody", Version::HTTP_2),
    ("told", Version::HTTP_2),
    ("our request()", Version::HTTP_2),
    ("forwarded", Version::HTTP_2),
    ("forwarded, Basic", Version::HTTP_2),
];

/// Does something with a client, whoever it is.
pub(crate) trait Measure {
    type Measured;
    async fn of(self, client: impl Client) -> Outcome<Self::Measured>;
}

/// Does it with the one of this name.
pub(crate) async fn measure<M: Measure>(
    measure: M,
    (name, version): (&str, Version),
    address: &str,
) -> Outcome<M::Measured> {
    let uri: Uri = format!("http://{address}/").parse()?;
    let is_http2 = version == Version::HTTP_2;
    match (name, is_http2) {
        ("bare hyper", false) => measure.of(BareHttp1::connect(uri).await?).await,
        ("bare hyper", true) => measure.of(BareHttp2::connect(uri).await?).await,
        ("bare h2", _) => measure.of(BareH2::connect(uri).await?).await,
        ("hyper-util legacy", _) => measure.of(Legacy::new(uri, is_http2)).await,
        ("our pool", _) => measure.of(OurPool::new(uri, is_http2)).await,
        ("our transport", _) => measure.of(OurTransport::new(uri, is_http2)?).await,
        ("told to nobody", _) => measure.of(OurTransport::told(uri, is_http2, false)?).await,
        ("told", _) => measure.of(OurTransport::told(uri, is_http2, true)?).await,
        ("our request()", _) => measure.of(OurRequest::new(uri, is_http2)?).await,
        ("forwarded", _) => measure.of(OurTransport::through(proxy(address, "", is_http2)?)?).await,
        ("forwarded, Basic", _) => {
            measure.of(OurTransport::through(proxy(address, "user:password@", is_http2)?)?).await
        }
        ("tunnelled", _) => {
            measure.of(OurTransport::through(proxy(address, "", false)?.tunnel_http(true))?).await
        }
        _ if ROUTES.contains(&name) => measure.of(Choosing::of(name)?).await,
        _ => Err(format!("`{name}` is nobody").into()),
    }
}

/// The answer, to its end.
async fn read<B>(response: Response<B>) -> Outcome
where
    B: HttpBody<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    let (mut body, mut length) = (response.into_body(), 0);
    while let Some(frame) = body.frame().await {
        length += frame.map_err(Into::into)?.data_ref().map_or(0, Bytes::len);
    }
    if length == 12 { Ok(()) } else { Err("the answer is not whole".into()) }
}

fn request<B>(uri: &Uri, body: B) -> Request<B> {
    let mut request = Request::new(body);
    *request.uri_mut() = uri.clone();
    request
}

async fn connect(uri: &Uri) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(uri.authority().ok_or("no host")?.as_str()).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

struct BareHttp1 {
    sender: conn::http1::SendRequest<NoBody>,
    host: http::HeaderValue,
}

impl BareHttp1 {
    async fn connect(uri: Uri) -> Outcome<Self> {
        let io = TokioIo::new(connect(&uri).await?);
        let (sender, connection) = conn::http1::handshake(io).await?;
        Handle::current().spawn(connection);
        Ok(Self { sender, host: uri.authority().ok_or("no host")?.as_str().parse()? })
    }
}

impl Client for BareHttp1 {
    async fn get(&mut self) -> Outcome {
        let mut request = Request::new(NoBody::new());
        request.headers_mut().insert(http::header::HOST, self.host.clone());
        self.sender.ready().await?;
        read(self.sender.send_request(request).await?).await
    }
}

struct BareHttp2 {
    sender: conn::http2::SendRequest<NoBody>,
    uri: Uri,
}

impl BareHttp2 {
    async fn connect(uri: Uri) -> Outcome<Self> {
        let io = TokioIo::new(connect(&uri).await?);
        let (sender, connection) = conn::http2::handshake(TokioExecutor::new(), io).await?;
        Handle::current().spawn(connection);
        Ok(Self { sender, uri })
    }
}

impl Client for BareHttp2 {
    async fn get(&mut self) -> Outcome {
        self.sender.ready().await?;
        read(self.sender.send_request(request(&self.uri, NoBody::new())).await?).await
    }
}

struct BareH2 {
    sender: h2::client::SendRequest<Bytes>,
    uri: Uri,
}

impl BareH2 {
    async fn connect(uri: Uri) -> Outcome<Self> {
        let (sender, connection) = h2::client::handshake(connect(&uri).await?).await?;
        Handle::current().spawn(connection);
        Ok(Self { sender, uri })
    }
}

impl Client for BareH2 {
    async fn get(&mut self) -> Outcome {
        std::future::poll_fn(|cx| self.sender.poll_ready(cx)).await?;
        let (response, _) = self.sender.send_request(request(&self.uri, ()), true)?;
        let (mut body, mut length) = (response.await?.into_body(), 0);
        while let Some(chunk) = body.data().await {
            let chunk = chunk?;
            body.flow_control().release_capacity(chunk.len())?;
            length += chunk.len();
        }
        if length == 12 { Ok(()) } else { Err("the answer is not whole".into()) }
    }
}

struct Legacy {
    client: legacy::Client<HttpConnector, NoBody>,
    uri: Uri,
}

impl Legacy {
    fn new(uri: Uri, is_http2: bool) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        Self { client: builder.http2_only(is_http2).build(connector), uri }
    }
}

impl Client for Legacy {
    async fn get(&mut self) -> Outcome {
        read(self.client.request(request(&self.uri, NoBody::new())).await?).await
    }
}

struct OurPool {
    pool: Pool<HttpConnection<NoBody>, NoBody>,
    uri: Uri,
}

impl OurPool {
    fn new(uri: Uri, is_http2: bool) -> Self {
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
    async fn get(&mut self) -> Outcome {
        read(self.pool.call(request(&self.uri, NoBody::new())).await?).await
    }
}

struct OurTransport {
    transport: Transport,
    uri: Uri,
}

impl OurTransport {
    fn new(uri: Uri, is_http2: bool) -> Outcome<Self> {
        let builder = Transport::builder();
        let builder = if is_http2 { builder.http2_prior_knowledge() } else { builder };
        Ok(Self { transport: builder.build()?, uri })
    }

    /// The same with a listener, who wants to be told or not.
    fn told(uri: Uri, is_http2: bool, is_interested: bool) -> Outcome<Self> {
        let builder = Transport::builder().listener(Listens { is_interested });
        let builder = if is_http2 { builder.http2_prior_knowledge() } else { builder };
        Ok(Self { transport: builder.build()?, uri })
    }
}

/// Does nothing with what it is told.
struct Listens {
    is_interested: bool,
}

impl EventListener for Listens {
    fn is_interested(&self) -> bool {
        self.is_interested
    }
}

impl Client for OurTransport {
    async fn get(&mut self) -> Outcome {
        read(self.transport.call(request(&self.uri, NoBody::new())).await?).await
    }
}

/// A proxy that is where the server is. It is asked in this version of HTTP.
fn proxy(address: &str, user: &str, is_http2: bool) -> Outcome<Proxy> {
    let proxy: Proxy = format!("http://{user}{address}").parse()?;
    let protocols = if is_http2 { Protocols::Http2PriorKnowledge } else { Protocols::Http1Only };
    Ok(proxy.protocols(protocols))
}

impl OurTransport {
    fn through(proxy: Proxy) -> Outcome<Self> {
        let transport = Transport::builder().proxy(proxy).build()?;
        Ok(Self { transport, uri: Uri::from_static("http://origin.example/") })
    }
}

/// The whole convenience: a URL as text, the answer as bytes.
struct OurRequest {
    transport: Transport,
    url: String,
}

impl OurRequest {
    fn new(uri: Uri, is_http2: bool) -> Outcome<Self> {
        let OurTransport { transport, uri } = OurTransport::new(uri, is_http2)?;
        Ok(Self { transport, url: uri.to_string() })
    }
}

impl Client for OurRequest {
    async fn get(&mut self) -> Outcome {
        let response = self.transport.request("GET", &self.url).await?;
        if response.body().len() == 12 { Ok(()) } else { Err("the answer is not whole".into()) }
    }
}
