//! A proxy: its address, credentials and settings.

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
use url::ProxyUrlParts;

/// A proxy: its address, credentials and settings.
///
/// Made from a URL, and cheap to clone. Neither `Display` nor `Debug` shows a password.
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
/// | scheme | port | connection to the origin |
/// |---|---|---|
/// | `http` | 80 | requests to `http` are forwarded (RFC 9112 §3.2.2), all others use a tunnel (RFC 9110 §9.3.6) |
/// | `https` | 443 | the same, over TLS to the proxy |
/// | `socks4` | 1080 | by its IPv4 address, resolved here |
/// | `socks4a` | 1080 | by its name, resolved there |
/// | `socks5` | 1080 | by its address, resolved here (RFC 1928) |
/// | `socks5h` | 1080 | by its name, resolved there |
#[derive(Clone)]
pub struct Proxy {
    settings: Arc<ProxySettings>,
}

/// All fields are part of the key: comparisons must include each of them.
#[derive(Clone)]
struct ProxySettings {
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
    /// Parses the URL of a proxy. Without a scheme it is `http://`; without a port, that of the scheme. User and
    /// password are percent-decoded: write `@`, `/` and `%` as `%40`, `%2F` and `%25` (RFC 3986 §2.1). A host
    /// that is not ASCII is converted by IDNA with the feature `idna`, and is an error without it.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder); the text never contains the user or the password.
    pub fn new(url: &str) -> Result<Self, Error> {
        let ProxyUrlParts { scheme, origin, credentials } = url.parse()?;
        let mut authenticator = Authenticator::default();
        if let Some(credentials) = credentials {
            authenticator.set_credentials(credentials);
        }
        Ok(Self {
            settings: Arc::new(ProxySettings {
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

    /// Sets the credentials, instead of those of the URL.
    ///
    /// HTTP proxies receive them [in advance](Self::preemptive) in the Basic scheme (RFC 7617), and again in the
    /// scheme of their challenge; SOCKS 5 proxies by RFC 1929; SOCKS 4 proxies receive the user only.
    pub fn credentials(self, credentials: Credentials) -> Self {
        self.with(|settings| settings.authenticator.set_credentials(credentials))
    }

    /// Sets an authentication scheme other than Basic and Digest, for HTTP proxies. It takes precedence over the
    /// credentials.
    pub fn authenticate(self, scheme: impl Authenticate) -> Self {
        self.with(|settings| settings.authenticator.set_scheme(Arc::new(scheme)))
    }

    /// Sets whether an HTTP proxy receives credentials before it asks. Default: true, in the Basic scheme, which
    /// saves a round trip.
    ///
    /// Basic sends the password in the clear to a plain-text proxy; `false` waits for a challenge, and never sends
    /// Basic if the proxy offers Digest. With a [scheme of your own](Self::authenticate), credentials are never sent
    /// in advance.
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

    /// Adds a header field for an HTTP proxy: in `CONNECT`, or in each forwarded request without a field of this
    /// name. It never reaches an origin through a tunnel.
    pub fn header(self, name: HeaderName, value: HeaderValue) -> Self {
        self.with(|settings| {
            // A field beyond the limit is reported when the proxy is used: by then there are too many.
            let _ = fields::append(&mut settings.headers, name, value);
        })
    }

    /// Sets header fields of `CONNECT` that depend on the target, such as a token for it. They replace the [fixed
    /// ones](Self::header) of the same names. An error fails the attempt before anything is connected: it is the
    /// source of one for which [`is_builder`](Error::is_builder) holds.
    pub fn connect_headers<F>(self, headers: F) -> Self
    where
        F: Fn(&Target) -> Result<HeaderMap, BoxError> + Send + Sync + 'static,
    {
        self.with(|settings| settings.connect_headers = Some(Arc::new(headers)))
    }

    /// Sets a [`TlsConfig`](crate::tls::TlsConfig) for TLS to the proxy. Default: the trusted roots of the layer that
    /// connects to it, and no client certificate. For a proxy that is not `https`, using the proxy is an error.
    pub fn tls(self, tls: impl Into<TlsIdentity>) -> Self {
        self.with(|settings| settings.tls_identity = Some(tls.into()))
    }

    /// Sets the name that TLS to the proxy sends and verifies instead of its host. For `https` only, like
    /// [`tls`](Self::tls).
    pub fn server_name(self, name: ServerName) -> Self {
        self.with(|settings| settings.server_name = Some(name))
    }

    /// Sets the HTTP versions for an HTTP proxy. Default: HTTP/2 or HTTP/1.1 by ALPN, and HTTP/1.1 without TLS. The
    /// protocol with the origin through a tunnel is independent.
    pub fn protocols(self, protocols: Protocols) -> Self {
        self.with(|settings| settings.protocols = protocols)
    }

    /// Sets whether requests to `http` origins use a tunnel as well, instead of being forwarded. Default: false,
    /// because most HTTP proxies allow tunnels to port 443 only.
    pub fn tunnel_http(self, tunnel: bool) -> Self {
        self.with(|settings| settings.tunnels_http = tunnel)
    }

    /// The scheme.
    pub fn scheme(&self) -> ProxyScheme {
        self.settings.scheme
    }

    /// The host, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        self.settings.origin.host()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.settings.origin.port()
    }

    /// Its origin; `https` if it uses TLS.
    pub(crate) fn origin(&self) -> &Origin {
        &self.settings.origin
    }

    pub(crate) fn authenticator(&self) -> &Authenticator {
        &self.settings.authenticator
    }

    /// The header fields sent with every request.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.settings.headers
    }

    /// The header fields of `CONNECT` to this target.
    pub(crate) fn headers_for(&self, target: &Target) -> Result<HeaderMap, Error> {
        let mut headers = self.settings.headers.clone();
        if let Some(more) = &self.settings.connect_headers {
            // Extending a map replaces the values of equal names.
            let doing = || {
                let origin = target.origin.authority_form();
                format!("choosing what the proxy {self} is told of {origin}")
            };
            let more = more(target).map_err(|error| Error::builder(doing()).because(error))?;
            fields::replace(&mut headers, more).map_err(|error| error.during(doing()))?;
        }
        Ok(headers)
    }

    /// The setter of a setting that does not apply to the proxy's scheme, if any was called.
    pub(crate) fn setting_without_use(&self) -> Option<&'static str> {
        // Destructured without `..`, so that a new field cannot be forgotten.
        let ProxySettings {
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
        // SOCKS 5 proxies always ask before they receive credentials.
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

    /// Checks the number of header fields, and that every setting applies: a TLS setting on a plain-text proxy would
    /// suggest privacy that is not there.
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

    /// Whether HTTP/2 is set, or may be chosen by ALPN.
    pub(super) fn may_speak_http2(&self) -> bool {
        match self.settings.protocols {
            Protocols::Http1Only => false,
            Protocols::Negotiated => self.settings.scheme == ProxyScheme::Https,
            Protocols::Http2Only | Protocols::Http2PriorKnowledge => true,
        }
    }

    /// Whether it forwards a request of this scheme and these HTTP versions, rather than tunnel it.
    pub(crate) fn forwards(&self, scheme: Scheme, protocols: Protocols) -> bool {
        self.settings.scheme.is_http()
            && scheme == Scheme::Http
            && protocols != Protocols::Http2PriorKnowledge
            && !self.settings.tunnels_http
    }

    /// The HTTP versions for forwarding a request that allows these.
    pub(crate) fn forwarding_protocols(&self, allowed: Protocols) -> Result<Protocols, Error> {
        use Protocols::{Http1Only, Http2Only, Http2PriorKnowledge};
        match (allowed, self.settings.protocols) {
            (Http1Only, Http2Only | Http2PriorKnowledge) => {
                let text = format!(
                    "the settings of {self} ask for HTTP/2, but the request allows only HTTP/1.1, as one with `Upgrade` does"
                );
                Err(Error::new(Kind::Unsupported, text))
            }
            (Http1Only, _) => Ok(Http1Only),
            (_, own) => Ok(own),
        }
    }

    fn with(mut self, set: impl FnOnce(&mut ProxySettings)) -> Self {
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
    /// Hashes all fields, because users vary any of them per request.
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Destructured without `..`, so that a new field cannot be forgotten.
        let ProxySettings {
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
        // Combined independently of their order.
        let pairs = headers.iter().map(|pair| FixedState::default().hash_one(pair));
        pairs.fold(0, u64::wrapping_add).hash(state);
    }
}

impl PartialEq for ProxySettings {
    fn eq(&self, other: &Self) -> bool {
        // Destructured without `..`, so that a new field cannot be forgotten.
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
        let ProxySettings { scheme, origin, authenticator, .. } = &*self.settings;
        let user = if authenticator.credentials().is_some() { "***@" } else { "" };
        write!(f, "{}://{user}{}", scheme.as_str(), origin.authority_form())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}
