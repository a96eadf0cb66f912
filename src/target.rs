//! The target of a request: the origin, and everything else that makes one connection differ from another.
//!
//! Connectors receive a [`Target`], and the pool is keyed by it. Everything that changes the peer, or our identity
//! towards it, is a field of it, so a connection never serves a request it was not made for.

use std::{
    fmt,
    hash::{Hash, Hasher},
    net::IpAddr,
};

use http::{Method, header::UPGRADE};

use crate::{
    error::{Error, Kind},
    options::{LocalAddress, Protocols, ServerName, TlsIdentity},
};

pub(crate) mod host;
#[cfg(feature = "idna")]
mod idna;
#[cfg(not(feature = "idna"))]
#[path = "target/no_idna.rs"]
mod idna;
mod origin;
pub(crate) mod proxy;
pub(crate) mod route;

pub(crate) use idna::to_ascii;
pub(crate) use origin::no_scheme;
pub use origin::{Origin, Scheme};
pub use route::Route;

pub(crate) use proxy::{Proxy, ProxyScheme};
pub(crate) use route::ProxyOverride;

/// The input of connectors, and the key of connections.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// The origin.
    pub origin: Origin,
    /// The route to it.
    pub route: Route,
    /// The protocols allowed.
    pub protocols: Protocols,
    /// The name that TLS sends and verifies instead of the host's.
    pub server_name: Option<ServerName>,
    /// The TLS configuration, instead of the layer's.
    pub tls_identity: Option<TlsIdentity>,
    /// The local address to connect from.
    pub local_address: Option<IpAddr>,
}

impl Target {
    /// A target for this origin, reached directly, by any protocol.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            route: Route::default(),
            protocols: Protocols::default(),
            server_name: None,
            tls_identity: None,
            local_address: None,
        }
    }

    /// The target of a request: its URI, its extensions, and whether it asks for an `Upgrade`, which requires
    /// [`Http1Only`](Protocols::Http1Only).
    pub fn of<B>(request: &http::Request<B>) -> Result<Self, Error> {
        let mut target = Self::new(Origin::try_from(request.uri())?);
        target.read_extensions(request);
        target.allow_upgrade(request)?;
        Ok(target)
    }

    /// Whether [`of`](Self::of) makes equal targets of all requests that pass this check and have this one's scheme
    /// and authority: no extension and no `Upgrade` changes the target.
    pub(crate) fn is_by_uri<B>(request: &http::Request<B>) -> bool {
        let extensions = request.extensions();
        let is_plain = extensions.is_empty()
            || extensions.get::<ServerName>().is_none()
                && extensions.get::<Protocols>().is_none()
                && extensions.get::<ProxyOverride>().is_none()
                && extensions.get::<LocalAddress>().is_none()
                && extensions.get::<TlsIdentity>().is_none();
        // Comparing few names is faster than hashing one.
        is_plain && !request.headers().keys().any(|name| name == UPGRADE)
    }

    /// Whether a connection to it serves one request at a time, whatever the peer supports: only HTTP/1.1 is allowed.
    pub(crate) fn is_exclusive(&self) -> bool {
        let (scheme, protocols) = (self.origin.scheme(), self.protocols);
        match (protocols, scheme.is_tls()) {
            (Protocols::Http1Only, _) => true,
            (Protocols::Negotiated, false) => !self.route.may_share(scheme, protocols),
            _ => false,
        }
    }

    /// Restricts a request with `Upgrade` to HTTP/1.1, or returns an error if HTTP/1.1 is not allowed.
    pub(crate) fn allow_upgrade<B>(&mut self, request: &http::Request<B>) -> Result<(), Error> {
        if !asks_for_upgrade(request) {
            return Ok(());
        }
        match self.protocols {
            Protocols::Http1Only => Ok(()),
            // Without TLS and a proxy it is HTTP/1.1 anyway, and can share the connections of other requests.
            Protocols::Negotiated if self.is_in_the_clear() => Ok(()),
            Protocols::Negotiated => {
                self.protocols = Protocols::Http1Only;
                Ok(())
            }
            Protocols::Http2Only | Protocols::Http2PriorKnowledge => {
                Err(no_upgrade_over_http2(&self.origin))
            }
        }
    }

    fn is_in_the_clear(&self) -> bool {
        !self.origin.scheme().is_tls() && matches!(self.route, Route::Direct | Route::Unix(_))
    }

    /// Applies the request's extensions, which override the transport's settings.
    pub(crate) fn read_extensions<B>(&mut self, request: &http::Request<B>) {
        let extensions = request.extensions();
        if extensions.is_empty() {
            return;
        }
        if let Some(name) = extensions.get::<ServerName>() {
            self.server_name = Some(name.clone());
        }
        if let Some(protocols) = extensions.get::<Protocols>() {
            self.protocols = *protocols;
        }
        if let Some(route) = extensions.get::<ProxyOverride>() {
            self.route = route.route().clone();
        }
        if let Some(address) = extensions.get::<LocalAddress>() {
            self.local_address = Some(address.get());
        }
        if let Some(identity) = extensions.get::<TlsIdentity>() {
            self.tls_identity = Some(identity.clone());
        }
    }
}

/// Whether a request asks the server to switch protocols, which only HTTP/1.1 allows (RFC 9110 §7.8, RFC 9113 §8.6).
/// `CONNECT` takes over the connection without it.
pub(crate) fn asks_for_upgrade<B>(request: &http::Request<B>) -> bool {
    request.headers().contains_key(UPGRADE) && request.method() != Method::CONNECT
}

/// The error of a request with `Upgrade` that must use HTTP/2.
pub(crate) fn no_upgrade_over_http2(origin: &Origin) -> Error {
    let text = format!(
        "asking {origin} to switch protocols by `Upgrade`: HTTP/2 has no such, allow HTTP/1.1 or use an extended CONNECT"
    );
    Error::new(Kind::Unsupported, text)
}

impl Hash for Target {
    /// Hashes only the fields that usually differ. Every field that users vary per request is included: many targets
    /// with equal hashes would turn each lookup into a search.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { origin, route, protocols, server_name, tls_identity, local_address } = self;
        origin.hash(state);
        if *protocols != Protocols::Negotiated {
            protocols.hash(state);
        }
        if let Some(address) = local_address {
            address.hash(state);
        }
        if !matches!(route, Route::Any | Route::Direct) {
            route.hash(state);
        }
        if let Some(name) = server_name {
            name.hash(state);
        }
        if let Some(identity) = tls_identity {
            identity.hash(state);
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.write_authority_form(f)?;
        match &self.route {
            Route::Any | Route::Direct => Ok(()),
            route => write!(f, " {route}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, hash::BuildHasher, sync::Arc};

    use foldhash::fast::FixedState;

    use super::*;

    fn target() -> Target {
        Target::new(Origin::try_from(&"http://a.example".parse().unwrap()).unwrap())
    }

    /// Targets that differ in one thing that users vary from request to request.
    fn varied(vary: impl Fn(&mut Target, u8)) -> usize {
        let targets = (0..=255).map(|number| {
            let mut target = target();
            vary(&mut target, number);
            target
        });
        // All of them at once, because what is equal by its address may be at the same one later.
        let targets: Vec<_> = targets.collect();
        let hashes = targets.iter().map(|target| FixedState::default().hash_one(target));
        hashes.collect::<HashSet<_>>().len()
    }

    fn through(target: &mut Target, proxy: Proxy) {
        target.route = Route::from(proxy);
    }

    #[test]
    fn targets_that_differ_in_one_field_have_different_hashes() {
        let proxy =
            |number: u8| Proxy::new(&format!("http://user:{number}@proxy.example")).unwrap();
        let name = || http::HeaderName::from_static("x-session");
        assert_eq!(varied(|it, n| it.local_address = Some([10, 0, 0, n].into())), 256);
        assert_eq!(varied(|it, n| it.server_name = Some(ServerName::new(n.to_string()))), 256);
        assert_eq!(varied(|it, n| it.tls_identity = Some(TlsIdentity::new(Arc::new(n)))), 256);
        assert_eq!(varied(|it, n| through(it, proxy(n))), 256);
        let with_header = |n: u8| proxy(0).header(name(), http::HeaderValue::from(u16::from(n)));
        assert_eq!(varied(|it, n| through(it, with_header(n))), 256);
        let with_hook = |n: u8| proxy(0).connect_headers(move |_| Err(n.to_string().into()));
        assert_eq!(varied(|it, n| through(it, with_hook(n))), 256);
    }

    #[test]
    fn proxies_are_equal_if_they_have_the_same_hook_and_not_another_or_none() {
        let plain = || Proxy::new("http://proxy.example").unwrap();
        let hooked = || plain().connect_headers(|_| Ok(http::HeaderMap::new()));
        let one = hooked();
        // Set anew, so that it is equal by its settings and not because it shares them.
        let same = one.clone().tunnel_http(true).tunnel_http(false);
        assert_eq!(one, same);
        assert_eq!(FixedState::default().hash_one(&one), FixedState::default().hash_one(&same));
        assert_ne!(one, hooked());
        assert_ne!(one, plain());
        assert_eq!(plain(), plain());
    }

    #[test]
    fn an_upgrade_is_spoken_over_http1_or_is_an_error() {
        use Protocols::{Http1Only, Http2Only, Http2PriorKnowledge, Negotiated};
        let table = [
            ("http://a", Negotiated, Ok(Negotiated)),
            ("https://a", Negotiated, Ok(Http1Only)),
            ("http://a", Http1Only, Ok(Http1Only)),
            ("https://a", Http1Only, Ok(Http1Only)),
            ("https://a", Http2Only, Err(())),
            ("http://a", Http2PriorKnowledge, Err(())),
        ];
        for (url, protocols, expected) in table {
            let request = http::Request::get(url).header(UPGRADE, "websocket");
            let request = request.header("connection", "upgrade").body(()).unwrap();
            let mut target = Target::new(Origin::try_from(request.uri()).unwrap());
            (target.protocols, target.route) = (protocols, Route::Direct);
            let allowed = target.allow_upgrade(&request).map(|()| target.protocols);
            let allowed = allowed.map_err(|error| assert!(error.is_unsupported(), "{error:?}"));
            assert_eq!(allowed, expected, "{url} {protocols:?}");
            let plain = http::Request::get(url).body(()).unwrap();
            assert!(target.allow_upgrade(&plain).is_ok());
        }
    }

    #[test]
    fn where_only_http1_can_be_spoken_a_connection_is_exclusive() {
        let table = [
            ("http://a", Protocols::Negotiated, true),
            ("ws://a", Protocols::Negotiated, true),
            ("http://a", Protocols::Http2PriorKnowledge, false),
            ("https://a", Protocols::Negotiated, false),
            ("https://a", Protocols::Http1Only, true),
        ];
        for (url, protocols, expected) in table {
            let mut target = Target::new(Origin::try_from(&url.parse().unwrap()).unwrap());
            target.protocols = protocols;
            assert_eq!(target.is_exclusive(), expected, "{url} {protocols:?}");
        }
        for (proxy, expected) in [("http://p", true), ("https://p", false), ("socks5://p", true)] {
            let mut target = target();
            through(&mut target, Proxy::new(proxy).unwrap());
            assert_eq!(target.is_exclusive(), expected, "{proxy}");
        }
    }
}
