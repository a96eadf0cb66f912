//! Facts about a connection, collected by each stage that connects it.

use std::{fmt, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::Version;

use crate::{
    body::Body,
    error::Error,
    io::{Recheck, direct::DirectReader, write_count::WriteCount},
    target::{Origin, Proxy},
};

/// Facts about the connection of a response, by [`ConnectInfo::of`].
///
/// ```
/// # use tower_transport::{Error, RequestExt, Transport, connect::ConnectInfo};
/// # async fn example(transport: Transport) -> Result<(), Error> {
/// let response = transport.request("GET", "https://www.example.com/").await?;
/// if let Some(info) = ConnectInfo::of(&response) {
///     println!("{:?} from {:?}, reused: {}", info.version(), info.peer_addr(), info.is_reused());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct ConnectInfo {
    facts: Arc<ConnectFacts>,
    served: u64,
    stream_id: Option<u32>,
}

/// Constant facts of a connection.
#[derive(Clone, Default)]
struct ConnectFacts {
    local_addr: Option<SocketAddr>,
    peer_addr: Option<SocketAddr>,
    version: Option<Version>,
    alpn: Option<Bytes>,
    encrypted: bool,
    tls_version: Option<&'static str>,
    server_name: Option<Arc<str>>,
    peer_certificates: Vec<Bytes>,
    recheck: Option<Recheck>,
    write_count: Option<WriteCount>,
    reader: Option<DirectReader>,
    proxies: Vec<Proxy>,
    forwards: bool,
    /// A test double plays the inside of TLS, and there is no TLS.
    stands_for_tls: bool,
}

/// A body, or its collected content, that [`ConnectInfo::of`] can ask.
///
/// A layer that wraps the body in its own hides this: ask below the layer, or implement this for its body.
#[diagnostic::on_unimplemented(
    message = "a response with a `{Self}` does not say how it came",
    note = "the body of a transport or a pool does: ask before a layer puts it into a body of its own"
)]
pub trait HasConnectInfo {
    /// The facts; `None` without any.
    fn connect_info(&self) -> Option<&ConnectInfo>;
}

impl HasConnectInfo for Body {
    fn connect_info(&self) -> Option<&ConnectInfo> {
        self.known()?.downcast_ref()
    }
}

/// Collected content has no facts: [`request`](crate::RequestExt::request) puts them into the extensions of its response.
macro_rules! without_facts {
    ($($body:ty),*) => {
        $(impl HasConnectInfo for $body {
            fn connect_info(&self) -> Option<&ConnectInfo> {
                None
            }
        })*
    };
}

without_facts!((), Bytes, Vec<u8>, String);

impl ConnectInfo {
    /// The facts about the connection of this response, from a [`Transport`](crate::Transport), a [`Pool`](crate::pool::Pool)
    /// or [`request`](crate::RequestExt::request). `None` for a response without a connection, or whose connection
    /// [has none](crate::pool::Connection::info).
    ///
    /// The body holds them, because an extension costs several allocations; for a collected body they are an extension. It is also
    /// `None` above a layer that wraps the body, such as `TraceLayer` or `DecompressionLayer` of tower-http: below such a layer,
    /// copy them into the extensions.
    ///
    /// ```
    /// # use http::Response;
    /// # use tower::ServiceBuilder;
    /// # use tower_transport::{Body, Transport, connect::ConnectInfo};
    /// # fn example(transport: Transport) {
    /// let service = ServiceBuilder::new()
    ///     // The layer that wraps the body stands here.
    ///     .map_response(|mut response: Response<Body>| {
    ///         if let Some(info) = ConnectInfo::of(&response).cloned() {
    ///             response.extensions_mut().insert(info);
    ///         }
    ///         response
    ///     })
    ///     .service(transport);
    /// # }
    /// ```
    pub fn of<B: HasConnectInfo>(response: &http::Response<B>) -> Option<&Self> {
        response.body().connect_info().or_else(|| response.extensions().get())
    }

    /// The local address.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.facts.local_addr
    }

    /// The peer's address.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.facts.peer_addr
    }

    /// The version of HTTP.
    pub fn version(&self) -> Option<Version> {
        self.facts.version
    }

    /// The protocol that ALPN chose (RFC 7301).
    pub fn alpn(&self) -> Option<&[u8]> {
        self.facts.alpn.as_deref()
    }

    /// Whether the stream is encrypted up to the origin, or up to the [forward proxy](Self::forwarder): by
    /// [TLS](Self::with_tls), or by the connector's [declaration](Self::with_encryption). ALPN's choice is no such declaration.
    ///
    /// Requests to `https` and `wss` origins are sent over such a stream only.
    pub fn is_encrypted(&self) -> bool {
        self.facts.encrypted
    }

    /// The version of TLS, such as `TLSv1.3`.
    pub fn tls_version(&self) -> Option<&'static str> {
        self.facts.tls_version
    }

    /// The name that TLS verified.
    pub fn server_name(&self) -> Option<&str> {
        self.facts.server_name.as_deref()
    }

    /// The certificates of the peer in DER, its own first.
    pub fn peer_certificates(&self) -> &[Bytes] {
        &self.facts.peer_certificates
    }

    /// The proxies on the path, the nearest first.
    pub fn proxies(&self) -> &[Proxy] {
        &self.facts.proxies
    }

    /// The forward proxy at the end of the stream, if there is one.
    pub fn forwarder(&self) -> Option<&Proxy> {
        self.facts.proxies.last().filter(|_| self.facts.forwards)
    }

    /// Whether the connection had served an earlier request.
    pub fn is_reused(&self) -> bool {
        self.served > 1
    }

    /// Requests the connection was given, this one included.
    pub fn served(&self) -> u64 {
        self.served
    }

    /// The id of the response's stream (RFC 9113 §5.1.1); `None` over HTTP/1.1, which has no streams.
    ///
    /// It is 1 for the first request of an HTTP/2 connection, and increases by two for each request: find a response by it in
    /// the logs of a server or in a packet capture. A request that was sent again, as after a GOAWAY, has the id of its last
    /// stream.
    pub fn stream_id(&self) -> Option<u32> {
        self.stream_id
    }

    /// With the number of requests so far.
    pub(crate) fn after(&self, served: u64) -> Self {
        Self { facts: self.facts.clone(), served, stream_id: None }
    }

    /// With the stream of a response.
    pub(crate) fn on_stream(self, stream_id: Option<u32>) -> Self {
        Self { stream_id, ..self }
    }

    /// Makes the socket read from the kernel.
    pub fn recheck(&self) -> Option<&Recheck> {
        self.facts.recheck.as_ref()
    }

    /// Sets both addresses.
    pub fn with_addrs(self, local: Option<SocketAddr>, peer: Option<SocketAddr>) -> Self {
        self.with(|facts| (facts.local_addr, facts.peer_addr) = (local, peer))
    }

    /// Sets ALPN's choice.
    pub fn with_alpn(self, alpn: impl Into<Option<Bytes>>) -> Self {
        self.with(|facts| facts.alpn = alpn.into())
    }

    /// Sets the results of TLS, and marks the stream [encrypted](Self::is_encrypted).
    pub fn with_tls(
        self,
        version: Option<&'static str>,
        server_name: impl Into<Arc<str>>,
        peer_certificates: Vec<Bytes>,
    ) -> Self {
        self.with(|facts| {
            facts.encrypted = true;
            facts.tls_version = version;
            facts.server_name = Some(server_name.into());
            facts.peer_certificates = peer_certificates;
        })
    }

    /// Declares the stream [encrypted](Self::is_encrypted): for a connector that encrypts by itself, and for test doubles of
    /// one. Over any other stream, this sends `https` requests in the clear.
    pub fn with_encryption(self) -> Self {
        self.with(|facts| facts.encrypted = true)
    }

    /// Sets the recheck that the stream obeys.
    pub fn with_recheck(self, recheck: Recheck) -> Self {
        self.with(|facts| facts.recheck = Some(recheck))
    }

    /// Continues the path through this proxy. Removes the results negotiated with the proxy (encryption, TLS, the version of
    /// HTTP), which do not hold beyond it.
    pub fn with_proxy(self, proxy: Proxy) -> Self {
        self.with(|facts| {
            let ConnectFacts {
                local_addr, peer_addr, recheck, write_count, reader, proxies, ..
            } = std::mem::take(facts);
            *facts = ConnectFacts {
                local_addr,
                peer_addr,
                recheck,
                write_count,
                reader,
                proxies,
                ..ConnectFacts::default()
            };
            facts.proxies.push(proxy);
        })
    }

    /// Ends the path at this proxy, which gets requests in absolute-form to forward (RFC 9112 §3.2.2).
    pub fn with_forwarder(self, proxy: Proxy) -> Self {
        self.with(|facts| {
            facts.proxies.push(proxy);
            facts.forwards = true;
        })
    }

    /// For one stream of many on a socket: without the recheck, and without the write count of the whole socket.
    pub(crate) fn on_a_stream(self, count: Option<WriteCount>) -> Self {
        self.with(|facts| (facts.recheck, facts.write_count) = (None, count))
    }

    /// Bytes that the stream has taken, if it counts them.
    pub(crate) fn write_count(&self) -> Option<&WriteCount> {
        self.facts.write_count.as_ref()
    }

    /// Sets the stream's count of taken bytes.
    pub(crate) fn with_write_count(self, count: WriteCount) -> Self {
        self.with(|facts| facts.write_count = Some(count))
    }

    /// Recognizes the stream, unless a layer has wrapped it.
    pub(crate) fn reader(&self) -> Option<DirectReader> {
        self.facts.reader
    }

    pub(crate) fn with_reader(self, reader: DirectReader) -> Self {
        self.with(|facts| facts.reader = Some(reader))
    }

    /// Marks the stream as the inside of TLS, so that no TLS is put over it.
    #[cfg(feature = "mock")]
    pub(crate) fn standing_for_tls(self, server_name: &str, alpn: &'static [u8]) -> Self {
        let info = self.with_tls(None, server_name, Vec::new());
        info.with_alpn(Bytes::from_static(alpn)).with(|facts| facts.stands_for_tls = true)
    }

    /// Whether to skip TLS, because a double plays what is inside.
    #[cfg(feature = "_rustls")]
    pub(crate) fn stands_for_tls(&self) -> bool {
        self.facts.stands_for_tls
    }

    /// Sets the version of HTTP.
    pub fn with_version(self, version: Version) -> Self {
        self.with(|facts| facts.version = Some(version))
    }

    /// An error if requests to this origin need encryption and the stream has none. `layer` is what would encrypt it.
    pub(crate) fn check_encryption(&self, origin: &Origin, layer: &str) -> Result<(), Error> {
        // On the stream to a forward proxy, each request is checked by itself.
        let end = self.forwarder().map_or(origin, Proxy::origin);
        if self.is_encrypted() || !end.scheme().is_tls() {
            return Ok(());
        }
        let behind = self.facts.proxies.last().filter(|_| !self.facts.forwards);
        let behind = behind.map(|proxy| format!(" behind the proxy {proxy}")).unwrap_or_default();
        let text = format!("the stream to {end}{behind} is not private: it needs {layer}");
        Err(Error::builder(text))
    }

    /// An error if the URI of a request needs encryption and the stream has none, whatever the connection's target.
    #[cfg(any(feature = "http1", feature = "http2"))]
    pub(crate) fn check_request(&self, uri: &http::Uri) -> Result<(), Error> {
        use crate::request_target::without_user;

        let is_tls = |scheme: &str| {
            scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss")
        };
        let Some(scheme) = uri.scheme_str().filter(|scheme| !self.is_encrypted() && is_tls(scheme))
        else {
            return Ok(());
        };
        let host = uri.authority().map_or("", |authority| without_user(authority.as_str()));
        let text = format!(
            "asking {scheme}://{host}: the connection is not encrypted, it needs a `TlsLayer` and a target of that scheme"
        );
        Err(Error::builder(text))
    }

    fn with(mut self, set: impl FnOnce(&mut ConnectFacts)) -> Self {
        set(Arc::make_mut(&mut self.facts));
        self
    }
}

impl fmt::Debug for ConnectInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectInfo")
            .field("local_addr", &self.facts.local_addr)
            .field("peer_addr", &self.facts.peer_addr)
            .field("version", &self.facts.version)
            .field("alpn", &self.facts.alpn)
            .field("encrypted", &self.facts.encrypted)
            .field("tls_version", &self.facts.tls_version)
            .field("server_name", &self.facts.server_name)
            .field("peer_certificates", &self.facts.peer_certificates.len())
            .field("proxies", &self.facts.proxies)
            .field("forwards", &self.facts.forwards)
            .field("stands_for_tls", &self.facts.stands_for_tls)
            .field("served", &self.served)
            .finish()
    }
}
