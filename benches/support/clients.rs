//! What is measured: clients that send the same request again and again, each over connections that are open already.

use bytes::Bytes;
use http::{Uri, Version};
use tokio::{net::TcpStream, runtime::Runtime};

#[path = "bare.rs"]
mod bare;
#[path = "in_memory.rs"]
pub(crate) mod in_memory;
#[path = "ours.rs"]
mod ours;
#[path = "outcome.rs"]
mod outcome;
#[path = "routes.rs"]
mod routes;

use bare::{BareH2, BareHttp1, BareHttp2, BareStreams, Legacy};
use in_memory::IdleConnections;
pub(crate) use in_memory::{IdleOrigins, memory_per_idle_connection};
use ours::{OurPool, OurRequest, OurStream, OurStreams, OurTransport, proxy};
pub(crate) use outcome::{Client, Outcome};
use outcome::{join, read, request, whole};
use routes::Choosing;
pub(crate) use routes::ROUTES;

/// A client over a version of HTTP, and the client that it is compared with.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) version: Version,
    /// The name of the row, of the same version, whose instructions are 1; empty for none.
    pub(crate) compared_with: &'static str,
    /// Whether it has no socket, so no system calls.
    pub(crate) is_in_memory: bool,
}

const fn http1(name: &'static str, compared_with: &'static str) -> Row {
    Row { name, version: Version::HTTP_11, compared_with, is_in_memory: false }
}

const fn http2(name: &'static str, compared_with: &'static str) -> Row {
    Row { name, version: Version::HTTP_2, compared_with, is_in_memory: false }
}

const fn in_memory(name: &'static str, compared_with: &'static str) -> Row {
    Row { is_in_memory: true, ..http1(name, compared_with) }
}

pub(crate) const ALL: &[Row] = &[
    http1("bare hyper", ""),
    http1("hyper-util legacy", "bare hyper"),
    http1("our pool", "bare hyper"),
    http1("our transport", "bare hyper"),
    http1("listener, not interested", "bare hyper"),
    http1("listener", "bare hyper"),
    http1("our stream()", "bare hyper"),
    http1("our request()", "bare hyper"),
    http1("forwarded", "bare hyper"),
    http1("forwarded, Basic", "bare hyper"),
    http1("tunnelled", "bare hyper"),
    http1("bare hyper, POST 1 KiB", ""),
    http1("our transport, POST 1 KiB", "bare hyper, POST 1 KiB"),
    http1("bare hyper, TLS", ""),
    http1("our transport, TLS", "bare hyper, TLS"),
    http1("bare hyper, new connections", ""),
    http1("our transport, new connections", "bare hyper, new connections"),
    in_memory("1 idle connection", ""),
    in_memory("1,000 idle connections", "1 idle connection"),
    in_memory("10,000 idle connections", "1 idle connection"),
    in_memory("1 origin", ""),
    in_memory("1,000 origins", "1 origin"),
    in_memory("10,000 origins", "1 origin"),
    http2("bare hyper", ""),
    http2("bare h2", "bare hyper"),
    http2("hyper-util legacy", "bare hyper"),
    http2("our pool", "bare hyper"),
    http2("our transport", "bare hyper"),
    http2("listener, not interested", "bare hyper"),
    http2("listener", "bare hyper"),
    http2("our stream()", "bare hyper"),
    http2("our request()", "bare hyper"),
    http2("forwarded", "bare hyper"),
    http2("forwarded, Basic", "bare hyper"),
    http2("bare hyper, POST 1 KiB", ""),
    http2("our transport, POST 1 KiB", "bare hyper, POST 1 KiB"),
    http2("bare hyper, 100 streams", ""),
    http2("our transport, 100 streams", "bare hyper, 100 streams"),
];

/// Does something with a client, whichever it is.
pub(crate) trait Measure {
    type Measured;
    fn of(self, runtime: &Runtime, client: impl Client) -> Outcome<Self::Measured>;
}

/// Where the peer is, as `peer.rs` prints it: its address, its address for TLS, the file with its certificate.
struct Peer<'a> {
    address: &'a str,
    tls_address: &'a str,
    certificate: &'a str,
}

impl<'a> Peer<'a> {
    fn parse(text: &'a str) -> Outcome<Self> {
        let mut parts = text.split(' ');
        let mut next = || parts.next().ok_or("the peer did not say where it is");
        Ok(Self { address: next()?, tls_address: next()?, certificate: next()? })
    }

    fn certificate(&self) -> Outcome<Vec<u8>> {
        Ok(std::fs::read(self.certificate)?)
    }
}

/// Measures the client of this name.
pub(crate) fn measure<M: Measure>(
    measure: M,
    (name, version): (&str, Version),
    peer: &str,
) -> Outcome<M::Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let of_routes = ROUTES.contains(&name);
    let _inside = runtime.enter();
    match (version == Version::HTTP_2, name) {
        _ if of_routes => measure.of(&runtime, Choosing::of(name)?),
        (is_http2, name) => over_http(measure, &runtime, (name, is_http2), &Peer::parse(peer)?),
    }
}

fn over_http<M: Measure>(
    measure: M,
    runtime: &Runtime,
    (name, is_http2): (&str, bool),
    peer: &Peer<'_>,
) -> Outcome<M::Measured> {
    let uri: Uri = format!("http://{}/", peer.address).parse()?;
    let tls_uri: Uri = format!("https://{}/", peer.tls_address).parse()?;
    match (name, is_http2) {
        ("bare hyper", false) => measure.of(runtime, runtime.block_on(BareHttp1::connect(uri))?),
        ("bare hyper, POST 1 KiB", false) => {
            measure.of(runtime, runtime.block_on(BareHttp1::connect(uri))?.posting())
        }
        ("bare hyper, new connections", false) => {
            measure.of(runtime, bare::NewConnections::new(uri))
        }
        ("bare hyper, TLS", false) => {
            let certificate = peer.certificate()?;
            let connect = BareHttp1::connect_tls(tls_uri, &certificate);
            measure.of(runtime, runtime.block_on(connect)?)
        }
        ("bare hyper", true) => measure.of(runtime, runtime.block_on(BareHttp2::connect(uri))?),
        ("bare hyper, POST 1 KiB", true) => {
            measure.of(runtime, runtime.block_on(BareHttp2::connect(uri))?.posting())
        }
        ("bare hyper, 100 streams", true) => {
            measure.of(runtime, BareStreams(runtime.block_on(BareHttp2::connect(uri))?))
        }
        ("bare h2", _) => measure.of(runtime, runtime.block_on(BareH2::connect(uri))?),
        ("hyper-util legacy", _) => measure.of(runtime, Legacy::new(uri, is_http2)),
        ("our pool", _) => measure.of(runtime, OurPool::new(uri, is_http2)),
        _ => ours(measure, runtime, (name, is_http2), (uri, tls_uri), peer),
    }
}

fn ours<M: Measure>(
    measure: M,
    runtime: &Runtime,
    (name, is_http2): (&str, bool),
    (uri, tls_uri): (Uri, Uri),
    peer: &Peer<'_>,
) -> Outcome<M::Measured> {
    let proxied = |user, is_http2| proxy(peer.address, user, is_http2);
    let transport = match name {
        "our transport" => OurTransport::new(uri, is_http2)?,
        "our transport, POST 1 KiB" => OurTransport::new(uri, is_http2)?.posting(),
        "our transport, new connections" => OurTransport::new_connections(uri)?,
        "our transport, TLS" => OurTransport::over_tls(tls_uri, &peer.certificate()?)?,
        "listener, not interested" => OurTransport::with_listener(uri, is_http2, false)?,
        "listener" => OurTransport::with_listener(uri, is_http2, true)?,
        "forwarded" => OurTransport::through(proxied("", is_http2)?)?,
        "forwarded, Basic" => OurTransport::through(proxied("user:password@", is_http2)?)?,
        "tunnelled" => OurTransport::through(proxied("", false)?.tunnel_http(true))?,
        "our transport, 100 streams" => {
            return measure.of(runtime, OurStreams(OurTransport::new(uri, is_http2)?));
        }
        "our stream()" => return measure.of(runtime, OurStream::new(uri, is_http2)?),
        "our request()" => return measure.of(runtime, OurRequest::new(uri, is_http2)?),
        _ => return without_network(measure, runtime, name),
    };
    measure.of(runtime, transport)
}

fn without_network<M: Measure>(measure: M, runtime: &Runtime, name: &str) -> Outcome<M::Measured> {
    let (number, of_what) = name.split_once(' ').ok_or_else(|| format!("no client `{name}`"))?;
    let number = number.replace(',', "").parse()?;
    match of_what {
        "idle connection" | "idle connections" => {
            measure.of(runtime, runtime.block_on(IdleConnections::open(number))?)
        }
        "origin" | "origins" => measure.of(runtime, runtime.block_on(IdleOrigins::open(number))?),
        _ => Err(format!("no client `{name}`").into()),
    }
}

async fn connect(uri: &Uri) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(uri.authority().ok_or("no host")?.as_str()).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What is posted: 1 KiB that is not copied.
const POSTED: Bytes = Bytes::from_static(&[b'x'; 1024]);

/// 100 streams that are never without a request send this many each for one `send`.
const STREAMS: usize = 100;
const PER_STREAM: usize = 10;
