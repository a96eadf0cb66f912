//! One proxy on the way: its address, who we are to it, and what it is told.

use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher},
    str::FromStr,
    sync::Arc,
};

use foldhash::fast::FixedState;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Origin, Protocols, Scheme, ServerName, Target, TlsIdentity};
use crate::{
    auth::{Authenticate, Authenticator, Credentials},
    error::{BoxError, Error, Kind},
    fields,
};

mod scheme;
mod url;

pub use scheme::ProxyScheme;
use url::Parts;

/// A proxy: its address, who we are to it, and what it is told.
///
/// It is made of a URL, and cheap to clone. Neither `Display` nor `Debug` shows a password.
///
/// ```
/// use tower_transport::proxy::Proxy;
/// # fn main() -> Result<(), tower_transport::Error> {
/// let proxy: Proxy = "http://user:password@proxy.example:3128".parse()?;
/// assert_eq!(proxy.to_string(), "http://***@proxy.example:3128");
/// # Ok(())
/// # }
/// ```
///
/// | scheme | port | how the origin is reached |
/// |---|---|---|
/// | `http` | 80 | requests to `http` are forwarded (RFC 9112 §3.2.2), all others go through a tunnel (RFC 9110 §9.3.6) |
/// | `https` | 443 | the same, over TLS to the proxy |
/// | `socks4` | 1080 | by its IPv4 address, resolved here |
/// | `socks4a` | 1080 | by its name, resolved there |
/// | `socks5` | 1080 | by its address, resolved here (RFC 1928) |
/// | `socks5h` | 1080 | by its name, resolved there |
#[derive(Clone)]
pub struct Proxy {
    settings: Arc<Settings>,
}

/// All of it is part of the key: nothing here may be left out of a comparison.
#[derive(Clone)]
struct Settings {
    scheme: ProxyScheme,
    origin: Origin,
    authenticator: Authenticator,
    headers: HeaderMap,
    connect_headers: Option<Arc<ConnectHeaders>>,
    tls_identity: Option<TlsIdentity>,
    server_name: Option<ServerName>,
    protocols: Protocols,
    tunnels_http: bool,
}

type ConnectHeaders = dyn Fn(&Target) -> Result<HeaderMap, BoxError> + Send + Sync;

impl Proxy {
    /// The proxy at this URL. Without a scheme it is `http://`; without a port, that of the scheme. User and password are
    /// percent-decoded: `@`, `/` and `%` are best written as `%40`, `%2F` and `%25` (RFC 3986 §2.1).
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder), and the text never repeats the user or the password.
    pub fn new(url: &str) -> Result<Self, Error> {
        let Parts { scheme, origin, credentials } = url.parse()?;
        let mut authenticator = Authenticator::default();
        if let Some(credentials) = credentials {
            authenticator.set_credentials(credentials);
        }
        Ok(Self {
            settings: Arc::new(Settings {
                scheme,
                origin,
                authenticator,
                headers: HeaderMap::new(),
                connect_headers: None,
                tls_identity: None,
                server_name: None,
                protocols: Protocols::default(),
                tunnels_http: false,
            }),
        })
    }

    /// Who we are to it. Those of the URL are replaced.
    ///
    /// HTTP proxies are told [unasked](Self::preemptive), in the Basic scheme (RFC 7617), and asked again in the scheme that
    /// they answer with; SOCKS 5 as RFC 1929 has it; SOCKS 4 knows a user only.
    pub fn credentials(self, credentials: Credentials) -> Self {
        self.with(|settings| settings.authenticator.set_credentials(credentials))
    }

    /// Another scheme of authentication than Basic and Digest, for HTTP proxies. It goes before the credentials.
    pub fn authenticate(self, scheme: impl Authenticate) -> Self {
        self.with(|settings| settings.authenticator.set_scheme(Arc::new(scheme)))
    }

    /// Whether an HTTP proxy is told credentials before it asks for them. By default it is, in the Basic scheme, which
    /// saves a round trip.
    ///
    /// Basic sends the password in the clear to a plain-text proxy; `false` waits until the proxy asks, and never sends
    /// Basic if it offers Digest. With a [scheme of your own](Self::authenticate), credentials are never said unasked.
    ///
    /// ```
    /// # use tower_transport::proxy::Proxy;
    /// # fn main() -> Result<(), tower_transport::Error> {
    /// let proxy = Proxy::new("http://user:password@proxy.example:3128")?.preemptive(false);
    /// # Ok(())
    /// # }
    /// ```
    pub fn preemptive(self, preemptive: bool) -> Self {
        self.with(|settings| settings.authenticator.set_preemptive(preemptive))
    }

    /// A header field that an HTTP proxy is told: with `CONNECT`, or with each request that is forwarded, unless that has
    /// a field of this name. It is never told to an origin through a tunnel.
    pub fn header(self, name: HeaderName, value: HeaderValue) -> Self {
        self.with(|settings| {
            // One that finds no room is missed when the proxy is used: there are too many before.
            let _ = fields::append(&mut settings.headers, name, value);
        })
    }

    /// Header fields of `CONNECT` that depend on the target, like a token for it. They replace the
    /// [fixed ones](Self::header) of the same names. An error ends the attempt before anyone is connected to: it is the source
    /// of one for which [`is_builder`](Error::is_builder) holds.
    pub fn connect_headers<F>(self, headers: F) -> Self
    where
        F: Fn(&Target) -> Result<HeaderMap, BoxError> + Send + Sync + 'static,
    {
        self.with(|settings| settings.connect_headers = Some(Arc::new(headers)))
    }

    /// Whom TLS to the proxy trusts, and who we are to it: a [`TlsConfig`](crate::tls::TlsConfig). By default it trusts
    /// whom the layer trusts that connects to it, and shows no client certificate. For a proxy that is not `https` it is an
    /// error to set it, told when the proxy is used.
    pub fn tls(self, tls: impl Into<TlsIdentity>) -> Self {
        self.with(|settings| settings.tls_identity = Some(tls.into()))
    }

    /// The name that TLS to the proxy sends and verifies instead of its host. As [`tls`](Self::tls), for `https` alone.
    pub fn server_name(self, name: ServerName) -> Self {
        self.with(|settings| settings.server_name = Some(name))
    }

    /// Which versions of HTTP are spoken with an HTTP proxy: by default HTTP/2 or HTTP/1.1 as it chooses by ALPN, and
    /// HTTP/1.1 without TLS. What is spoken with the origin through a tunnel is another matter.
    pub fn protocols(self, protocols: Protocols) -> Self {
        self.with(|settings| settings.protocols = protocols)
    }

    /// Whether requests to `http` origins go through a tunnel, too, and are not forwarded. By default they are not: most
    /// HTTP proxies let tunnels through to port 443 alone.
    pub fn tunnel_http(self, tunnel: bool) -> Self {
        self.with(|settings| settings.tunnels_http = tunnel)
    }

    /// What it speaks.
    pub fn scheme(&self) -> ProxyScheme {
        self.settings.scheme
    }

    /// Its host, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        self.settings.origin.host()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.settings.origin.port()
    }

    /// Where it is; `https` if TLS is spoken with it.
    pub(crate) fn origin(&self) -> &Origin {
        &self.settings.origin
    }

    pub(crate) fn authenticator(&self) -> &Authenticator {
        &self.settings.authenticator
    }

    /// What it is told with every request.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.settings.headers
    }

    /// What it is told with `CONNECT` to this target.
    pub(crate) fn headers_for(&self, target: &Target) -> Result<HeaderMap, Error> {
        let mut headers = self.settings.headers.clone();
        if let Some(more) = &self.settings.connect_headers {
            // A map that goes into another replaces what is there under the same name.
            let doing = || {
                let origin = target.origin.authority_form();
                format!("choosing what the proxy {self} is told of {origin}")
            };
            let more = more(target).map_err(|error| Error::builder(doing()).because(error))?;
            fields::replace(&mut headers, more).map_err(|error| error.during(doing()))?;
        }
        Ok(headers)
    }

    /// The setter of something that was set and that what is spoken with this proxy has no place for.
    pub(crate) fn setting_without_use(&self) -> Option<&'static str> {
        // Taken apart without `..`, so that a new field cannot be forgotten.
        let Settings {
            scheme,
            origin: _,
            authenticator,
            headers,
            connect_headers,
            tls_identity,
            server_name,
            protocols,
            tunnels_http: _,
        } = &*self.settings;
        let (http, tls) = (scheme.is_http(), *scheme == ProxyScheme::Https);
        // SOCKS 5 proxies always ask before they are told who we are.
        let may_wait = http || matches!(scheme, ProxyScheme::Socks5 | ProxyScheme::Socks5h);
        let settings = [
            ("authenticate", http, authenticator.has_scheme()),
            ("preemptive", may_wait, !authenticator.is_preemptive()),
            ("header", http, !headers.is_empty()),
            ("connect_headers", http, connect_headers.is_some()),
            ("tls", tls, tls_identity.is_some()),
            ("server_name", tls, server_name.is_some()),
            ("protocols", http, *protocols != Protocols::default()),
        ];
        let mut without_use = settings.into_iter().filter(|(_, has_use, _)| !has_use);
        without_use.find_map(|(setter, _, is_set)| is_set.then_some(setter))
    }

    /// An error if more fields were set than it can be told, or something that has no use: whoever sets TLS for a proxy that is spoken to in plain text believes
    /// that it is private.
    pub(crate) fn check(&self) -> Result<(), Error> {
        fields::check_room(&self.settings.headers, 1)
            .map_err(|error| error.during(format!("choosing what the proxy {self} is told")))?;
        self.setting_without_use().map_or(Ok(()), |setting| {
            let version = self.settings.scheme.version();
            let message = format!("{version} has no place for `{setting}` of the proxy {self}");
            Err(Error::builder(message))
        })
    }

    pub(super) fn tls_identity(&self) -> Option<&TlsIdentity> {
        self.settings.tls_identity.as_ref()
    }

    pub(super) fn server_name_override(&self) -> Option<&ServerName> {
        self.settings.server_name.as_ref()
    }

    pub(crate) fn allowed_protocols(&self) -> Protocols {
        self.settings.protocols
    }

    /// Whether HTTP/2 may be spoken with it: if it is set, or may be agreed on by ALPN.
    pub(super) fn may_speak_http2(&self) -> bool {
        match self.settings.protocols {
            Protocols::Http1Only => false,
            Protocols::Negotiated => self.settings.scheme == ProxyScheme::Https,
            Protocols::Http2Only | Protocols::Http2PriorKnowledge => true,
        }
    }

    /// Whether a request of this scheme, in these versions of HTTP, is forwarded by it rather than sent through a tunnel.
    pub(crate) fn forwards(&self, scheme: Scheme, protocols: Protocols) -> bool {
        self.settings.scheme.is_http()
            && scheme == Scheme::Http
            && protocols != Protocols::Http2PriorKnowledge
            && !self.settings.tunnels_http
    }

    /// Which versions of HTTP may be spoken with it about a request for which these are allowed.
    pub(crate) fn forwarding_protocols(&self, allowed: Protocols) -> Result<Protocols, Error> {
        use Protocols::{Http1Only, Http2Only, Http2PriorKnowledge};
        match (allowed, self.settings.protocols) {
            (Http1Only, Http2Only | Http2PriorKnowledge) => {
                let text = format!(
                    "{self} is to speak HTTP/2, and the request HTTP/1.1 alone, as one with `Upgrade` does"
                );
                Err(Error::new(Kind::Unsupported, text))
            }
            (Http1Only, _) => Ok(Http1Only),
            (_, own) => Ok(own),
        }
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }
}

impl FromStr for Proxy {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self, Error> {
        Self::new(url)
    }
}

impl PartialEq for Proxy {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.settings, &other.settings) || *self.settings == *other.settings
    }
}

impl Eq for Proxy {}

impl Hash for Proxy {
    /// Hashes everything that is compared, because users vary any of it from request to request.
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Taken apart without `..`, so that a new field cannot be forgotten.
        let Settings {
            scheme,
            origin,
            authenticator,
            headers,
            connect_headers,
            tls_identity,
            server_name,
            protocols,
            tunnels_http,
        } = &*self.settings;
        (scheme, origin, authenticator, tls_identity, server_name).hash(state);
        (protocols, tunnels_http).hash(state);
        connect_headers.as_ref().map(|hook| Arc::as_ptr(hook).cast::<()>()).hash(state);
        // Their order makes no difference.
        let pairs = headers.iter().map(|pair| FixedState::default().hash_one(pair));
        pairs.fold(0, u64::wrapping_add).hash(state);
    }
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        // Taken apart without `..`, so that a new field cannot be forgotten.
        let Self {
            scheme,
            origin,
            authenticator,
            headers,
            connect_headers,
            tls_identity,
            server_name,
            protocols,
            tunnels_http,
        } = self;
        let same_hook = match (connect_headers, &other.connect_headers) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        same_hook
            && *scheme == other.scheme
            && *origin == other.origin
            && *authenticator == other.authenticator
            && *headers == other.headers
            && *tls_identity == other.tls_identity
            && *server_name == other.server_name
            && *protocols == other.protocols
            && *tunnels_http == other.tunnels_http
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { scheme, origin, authenticator, .. } = &*self.settings;
        let user = if authenticator.credentials().is_some() { "***@" } else { "" };
        write!(f, "{}://{user}{}", scheme.as_str(), origin.authority_form())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}
