//! What is known about a connection: each stage that it passes adds what it knows.

use std::{fmt, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::Version;

use crate::{
    body::Body,
    error::Error,
    io::{Recheck, write_count::WriteCount},
    target::{Origin, Proxy},
};

/// How a response came: what is known of its connection, by [`ConnectInfo::of`].
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
    way: Arc<Way>,
    served: u64,
    stream_id: Option<u32>,
}

/// What does not change while a connection lives.
#[derive(Clone, Default)]
struct Way {
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
    proxies: Vec<Proxy>,
    forwards: bool,
    /// The bytes are those that are inside of TLS elsewhere: a double plays them, and there is no TLS.
    stands_for_tls: bool,
}

/// A body, or what was read of one, of a response that [`ConnectInfo::of`] is asked about.
///
/// A layer that puts a body of its own around that of a transport hides what that knows: ask below the layer, or implement
/// this for its body.
#[diagnostic::on_unimplemented(
    message = "a response with a `{Self}` does not say how it came",
    note = "the body of a transport or a pool does: ask before a layer puts it into a body of its own"
)]
pub trait HasConnectInfo {
    /// What this knows of the connection; `None` if it knows nothing.
    fn connect_info(&self) -> Option<&ConnectInfo>;
}

impl HasConnectInfo for Body {
    fn connect_info(&self) -> Option<&ConnectInfo> {
        self.known()?.downcast_ref()
    }
}

/// Says nothing by itself: [`request`](crate::RequestExt::request) leaves what is known in the extensions of its response.
macro_rules! says_nothing {
    ($($body:ty),*) => {
        $(impl HasConnectInfo for $body {
            fn connect_info(&self) -> Option<&ConnectInfo> {
                None
            }
        })*
    };
}

says_nothing!((), Bytes, Vec<u8>, String);

impl ConnectInfo {
    /// How this response came, of a [`Transport`](crate::Transport), a [`Pool`](crate::pool::Pool) or
    /// [`request`](crate::RequestExt::request). `None` of one that did not come over a connection, or whose connection
    /// [says nothing](crate::pool::Connection::info) of itself.
    ///
    /// It is kept by the body, because an extension costs several allocations; where the body was read to its end for the
    /// caller it is an extension.
    pub fn of<B: HasConnectInfo>(response: &http::Response<B>) -> Option<&Self> {
        response.body().connect_info().or_else(|| response.extensions().get())
    }

    /// The address on this side.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.way.local_addr
    }

    /// The address on the other side.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.way.peer_addr
    }

    /// The version of HTTP that is spoken.
    pub fn version(&self) -> Option<Version> {
        self.way.version
    }

    /// The protocol that ALPN chose (RFC 7301).
    pub fn alpn(&self) -> Option<&[u8]> {
        self.way.alpn.as_deref()
    }

    /// Whether the stream is encrypted up to the origin, or up to the proxy that [forwards](Self::forwarder) requests: TLS
    /// was [spoken](Self::with_tls), or the connector [declares](Self::with_encryption) that it encrypts by itself. What ALPN
    /// chose is no such declaration.
    ///
    /// Requests to `https` and `wss` origins are sent over such a stream only.
    pub fn is_encrypted(&self) -> bool {
        self.way.encrypted
    }

    /// The version of TLS, as `TLSv1.3`.
    pub fn tls_version(&self) -> Option<&'static str> {
        self.way.tls_version
    }

    /// The name that TLS verified.
    pub fn server_name(&self) -> Option<&str> {
        self.way.server_name.as_deref()
    }

    /// The certificates of the peer in DER, its own first.
    pub fn peer_certificates(&self) -> &[Bytes] {
        &self.way.peer_certificates
    }

    /// The proxies on the way, the nearest first.
    pub fn proxies(&self) -> &[Proxy] {
        &self.way.proxies
    }

    /// The last proxy on the way, if it is given requests to forward: the bytes end there.
    pub fn forwarder(&self) -> Option<&Proxy> {
        self.way.proxies.last().filter(|_| self.way.forwards)
    }

    /// Whether the connection had served a request before this one.
    pub fn is_reused(&self) -> bool {
        self.served > 1
    }

    /// How many requests the connection has been given, with this one.
    pub fn served(&self) -> u64 {
        self.served
    }

    /// The id of the stream that the response came on (RFC 9113 §5.1.1); `None` over HTTP/1.1, which has no streams.
    ///
    /// On a new HTTP/2 connection it is 1, and two more for each request: by it a response is found in the logs of a server or
    /// in what was captured of the traffic. A request that was sent again, as after a GOAWAY, has the id of its last stream.
    pub fn stream_id(&self) -> Option<u32> {
        self.stream_id
    }

    /// Says how many requests the connection has been given.
    pub(crate) fn after(&self, served: u64) -> Self {
        Self { way: self.way.clone(), served, stream_id: None }
    }

    /// Says which stream of the connection a response came on.
    pub(crate) fn on_stream(self, stream_id: Option<u32>) -> Self {
        Self { stream_id, ..self }
    }

    /// The switch by which a connection asks its socket to look again.
    pub fn recheck(&self) -> Option<&Recheck> {
        self.way.recheck.as_ref()
    }

    /// Says both addresses.
    pub fn with_addrs(self, local: Option<SocketAddr>, peer: Option<SocketAddr>) -> Self {
        self.with(|way| (way.local_addr, way.peer_addr) = (local, peer))
    }

    /// Says what ALPN chose.
    pub fn with_alpn(self, alpn: impl Into<Option<Bytes>>) -> Self {
        self.with(|way| way.alpn = alpn.into())
    }

    /// Says what TLS agreed on and whom it verified, and with it that the stream is [encrypted](Self::is_encrypted).
    pub fn with_tls(
        self,
        version: Option<&'static str>,
        server_name: impl Into<Arc<str>>,
        peer_certificates: Vec<Bytes>,
    ) -> Self {
        self.with(|way| {
            way.encrypted = true;
            way.tls_version = version;
            way.server_name = Some(server_name.into());
            way.peer_certificates = peer_certificates;
        })
    }

    /// Declares the stream [encrypted](Self::is_encrypted), whatever it is: for a connector that encrypts by itself, and for
    /// doubles in tests that stand for one. Over any other stream, this sends `https` requests in the clear.
    pub fn with_encryption(self) -> Self {
        self.with(|way| way.encrypted = true)
    }

    /// Says that the stream answers to this switch.
    pub fn with_recheck(self, recheck: Recheck) -> Self {
        self.with(|way| way.recheck = Some(recheck))
    }

    /// Says that the way goes on through this proxy. What was agreed on with the proxy, as encryption, TLS and the version of
    /// HTTP, is no longer said: it does not hold for what is behind it.
    pub fn with_proxy(self, proxy: Proxy) -> Self {
        self.with(|way| {
            let Way { local_addr, peer_addr, recheck, write_count, proxies, .. } =
                std::mem::take(way);
            *way = Way { local_addr, peer_addr, recheck, write_count, proxies, ..Way::default() };
            way.proxies.push(proxy);
        })
    }

    /// Says that the way ends at this proxy, which is given requests in absolute-form to forward (RFC 9112 §3.2.2).
    pub fn with_forwarder(self, proxy: Proxy) -> Self {
        self.with(|way| {
            way.proxies.push(proxy);
            way.forwards = true;
        })
    }

    /// The same about bytes that are one stream of many on the socket: nobody here could ask that to look again, and it
    /// counts the bytes of all.
    pub(crate) fn on_a_stream(self, count: Option<WriteCount>) -> Self {
        self.with(|way| (way.recheck, way.write_count) = (None, count))
    }

    /// How many bytes the stream has taken, if it counts them.
    pub(crate) fn write_count(&self) -> Option<&WriteCount> {
        self.way.write_count.as_ref()
    }

    /// Says that the stream counts the bytes that it takes.
    pub(crate) fn with_write_count(self, count: WriteCount) -> Self {
        self.with(|way| way.write_count = Some(count))
    }

    /// Says that these bytes are what is inside of TLS elsewhere, so that none is put over them.
    #[cfg(feature = "mock")]
    pub(crate) fn standing_for_tls(self, server_name: &str, alpn: &'static [u8]) -> Self {
        let info = self.with_tls(None, server_name, Vec::new());
        info.with_alpn(Bytes::from_static(alpn)).with(|way| way.stands_for_tls = true)
    }

    /// Whether TLS is not to be put over the bytes, because a double plays what is inside.
    #[cfg(feature = "_rustls")]
    pub(crate) fn stands_for_tls(&self) -> bool {
        self.way.stands_for_tls
    }

    /// Says which version of HTTP is spoken.
    pub fn with_version(self, version: Version) -> Self {
        self.with(|way| way.version = Some(version))
    }

    /// An error if requests to this origin have to be encrypted and the stream is not. `layer` is what would encrypt it.
    pub(crate) fn check_encryption(&self, origin: &Origin, layer: &str) -> Result<(), Error> {
        // On the stream to a proxy that forwards, each request is checked by itself.
        let end = self.forwarder().map_or(origin, Proxy::origin);
        if self.is_encrypted() || !end.scheme().is_tls() {
            return Ok(());
        }
        let behind = self.way.proxies.last().filter(|_| !self.way.forwards);
        let behind = behind.map(|proxy| format!(" behind the proxy {proxy}")).unwrap_or_default();
        let text = format!("the stream to {end}{behind} is not private: it needs {layer}");
        Err(Error::builder(text))
    }

    /// An error if the URI of a request says that the request has to be encrypted and the stream is not, whatever target the
    /// connection was made for.
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

    fn with(mut self, say: impl FnOnce(&mut Way)) -> Self {
        say(Arc::make_mut(&mut self.way));
        self
    }
}

impl fmt::Debug for ConnectInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectInfo")
            .field("local_addr", &self.way.local_addr)
            .field("peer_addr", &self.way.peer_addr)
            .field("version", &self.way.version)
            .field("alpn", &self.way.alpn)
            .field("encrypted", &self.way.encrypted)
            .field("tls_version", &self.way.tls_version)
            .field("server_name", &self.way.server_name)
            .field("peer_certificates", &self.way.peer_certificates.len())
            .field("proxies", &self.way.proxies)
            .field("forwards", &self.way.forwards)
            .field("stands_for_tls", &self.way.stands_for_tls)
            .field("served", &self.served)
            .finish()
    }
}
