//! The route to an origin, and the override of one request.

use std::{fmt, path::Path, sync::Arc};

use super::{Protocols, Proxy, Scheme, Target};
use crate::error::Error;

/// The route to an origin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// Undecided: a [`ProxyLayer`](crate::proxy::ProxyLayer) decides; without one it is [`Direct`](Self::Direct).
    #[default]
    Any,
    /// To the address of the host, without a proxy.
    Direct,
    /// To a Unix socket, whatever the host.
    Unix(Arc<Path>),
    /// Through these proxies, the nearest first.
    Proxies(Arc<[Proxy]>),
    /// By the first of these that works.
    FirstOf(Arc<[Self]>),
}

/// The route of one request, instead of its transport's rules: an extension of the request.
///
/// ```
/// use tower_transport::{proxy::Proxy, options::ProxyOverride};
/// # fn example() -> Result<(), tower_transport::Error> {
/// let through = ProxyOverride::to("http://proxy.example:3128".parse::<Proxy>()?);
/// let direct = ProxyOverride::direct();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyOverride(Route);

impl Route {
    /// Through these proxies, the nearest first; direct if there is none. Through more than 16, each request fails with
    /// [`is_builder`](crate::Error::is_builder).
    pub fn through(proxies: impl IntoIterator<Item = Proxy>) -> Self {
        let proxies: Arc<[Proxy]> = proxies.into_iter().collect();
        if proxies.is_empty() { Self::Direct } else { Self::Proxies(proxies) }
    }

    /// By the first of these that works; direct if there is none.
    pub fn first_of(routes: impl IntoIterator<Item = impl Into<Self>>) -> Self {
        let routes = routes.into_iter().map(Into::into);
        let mut flat: Vec<Self> = routes.flat_map(Self::alternatives).collect();
        match flat.len() {
            0 => Self::Direct,
            1 => flat.swap_remove(0),
            _ => Self::FirstOf(flat.into()),
        }
    }

    /// Checks the settings of all its proxies.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Proxies(proxies) => proxies.iter().try_for_each(Proxy::check),
            Self::FirstOf(routes) => routes.iter().try_for_each(Self::check),
            _ => Ok(()),
        }
    }

    /// Whether requests of this kind may be forwarded over a shared HTTP/2 connection to the proxy.
    pub(super) fn may_share(&self, scheme: Scheme, protocols: Protocols) -> bool {
        match self {
            Self::Any | Self::Direct | Self::Unix(_) => false,
            Self::Proxies(proxies) => proxies
                .last()
                .is_some_and(|proxy| proxy.forwards(scheme, protocols) && proxy.may_speak_http2()),
            Self::FirstOf(routes) => routes.iter().any(|route| route.may_share(scheme, protocols)),
        }
    }

    fn alternatives(self) -> Vec<Self> {
        match self {
            Self::FirstOf(routes) => routes.iter().cloned().flat_map(Self::alternatives).collect(),
            other => vec![other],
        }
    }

    /// The last proxy, if it forwards such requests on every alternative.
    fn forwarder(&self, scheme: Scheme, protocols: Protocols) -> Option<&Proxy> {
        let forwards = |proxy: &&Proxy| proxy.forwards(scheme, protocols);
        match self {
            Self::Proxies(proxies) => proxies.last().filter(forwards),
            Self::FirstOf(routes) => {
                let mut forwarders = routes.iter().map(|route| route.forwarder(scheme, protocols));
                let first = forwarders.next()?;
                forwarders.all(|forwarder| forwarder.is_some()).then_some(first).flatten()
            }
            _ => None,
        }
    }
}

impl From<Proxy> for Route {
    fn from(proxy: Proxy) -> Self {
        Self::through([proxy])
    }
}

impl ProxyOverride {
    /// To the address of the host, through no proxy.
    pub fn direct() -> Self {
        Self(Route::Direct)
    }

    /// Uses this route, or this proxy.
    pub fn to(route: impl Into<Route>) -> Self {
        Self(route.into())
    }

    pub(super) fn route(&self) -> &Route {
        &self.0
    }
}

impl Target {
    /// Replaces the origin by the proxy's if the proxy forwards requests, so that one connection serves all origins.
    pub(crate) fn share_by_origins(&mut self) {
        let Self { origin, route, protocols, .. } = self;
        if let Some(proxy) = route.forwarder(origin.scheme(), *protocols) {
            *origin = proxy.origin().clone().with_scheme(Scheme::Http);
        }
    }

    /// The target of a hop: the proxy as the origin, and the proxies before it as the route. Settings of the origin
    /// are left out.
    pub(crate) fn hop(&self, proxy: &Proxy, before: Route) -> Self {
        let mut hop = Self::new(proxy.origin().clone());
        hop.route = before;
        hop.protocols = proxy.allowed_protocols();
        hop.server_name = proxy.server_name_override().cloned();
        hop.tls_identity = proxy.tls_identity().cloned();
        hop.local_address = self.local_address;
        hop
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any | Self::Direct => f.write_str("directly"),
            Self::Unix(path) => write!(f, "at {}", path.display()),
            Self::Proxies(proxies) => listed(f, "through ", proxies, " and "),
            Self::FirstOf(routes) => listed(f, "", routes, " or "),
        }
    }
}

fn listed<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    before: &str,
    items: &[T],
    between: &str,
) -> fmt::Result {
    f.write_str(before)?;
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_str(between)?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Origin;

    /// The proxies of a URL each, the nearest first; `direct` is none. Alternatives stand on both sides of an `|`.
    fn route(text: &str) -> Route {
        let one = |text: &str| match text.trim() {
            "direct" => Route::Direct,
            urls => Route::through(urls.split_whitespace().map(|url| Proxy::new(url).unwrap())),
        };
        Route::first_of(text.split('|').map(one))
    }

    fn to(url: &str, route: Route) -> Target {
        let mut target = Target::new(Origin::try_from(&url.parse().unwrap()).unwrap());
        target.route = route;
        target
    }

    /// The origin under which connections are kept.
    fn kept_under(mut target: Target) -> String {
        target.share_by_origins();
        target.origin.to_string()
    }

    #[test]
    fn origins_share_connections_to_a_proxy_that_forwards_and_no_others() {
        let (p, q, socks) = ("http://p:8080", "https://q:8443", "socks5://s:1080");
        let both = format!("{p} {q}");
        let (chain, no_chain) = (format!("{socks} {p}"), format!("{p} {socks}"));
        let (either, or_direct) = (format!("{p} | {q}"), format!("{p} | direct"));
        let (or_socks, twice) = (format!("{p} | {socks}"), format!("{chain} | {q}"));
        let table = [
            ("http://a/", p, "http://p:8080"),
            ("http://a/", q, "http://q:8443"),
            ("http://a/", "http://p", "http://p"),
            ("http://a/", "https://p", "http://p:443"),
            ("https://a/", p, "https://a"),
            ("ws://a/", p, "ws://a"),
            ("wss://a/", p, "wss://a"),
            ("http://a/", "direct", "http://a"),
            ("http://a/", socks, "http://a"),
            ("http://a/", &both, "http://q:8443"),
            ("http://a/", &chain, "http://p:8080"),
            ("http://a/", &no_chain, "http://a"),
            ("http://a/", &either, "http://p:8080"),
            ("http://a/", &twice, "http://p:8080"),
            ("http://a/", &or_direct, "http://a"),
            ("http://a/", &or_socks, "http://a"),
            ("https://a/", &either, "https://a"),
        ];
        for (url, way, origin) in table {
            assert_eq!(kept_under(to(url, route(way))), origin, "{url} {way}");
        }
    }

    #[test]
    fn what_may_be_spoken_decides_whether_it_is_forwarded() {
        use Protocols::{Http1Only, Http2Only, Http2PriorKnowledge, Negotiated};
        let table = [
            (Negotiated, "http://p:8080"),
            (Http1Only, "http://p:8080"),
            (Http2Only, "http://p:8080"),
            (Http2PriorKnowledge, "http://a"),
        ];
        for (protocols, origin) in table {
            let mut target = to("http://a/", route("http://p:8080"));
            target.protocols = protocols;
            assert_eq!(kept_under(target), origin, "{protocols:?}");
        }
    }

    #[test]
    fn a_proxy_that_tunnels_is_not_shared() {
        let proxy = Proxy::new("http://p:8080").unwrap().tunnel_http(true);
        assert_eq!(kept_under(to("http://a/", proxy.into())), "http://a");
    }

    #[test]
    fn undecided_and_local_routes_are_left_alone() {
        for route in [Route::Any, Route::Unix(Path::new("/socket").into())] {
            assert_eq!(kept_under(to("http://a/", route)), "http://a");
        }
    }

    #[test]
    fn all_but_the_origin_stays_part_of_the_key() {
        let proxy = |url| Proxy::new(url).unwrap();
        let shared = |url, proxy: Proxy| {
            let mut target = to(url, proxy.into());
            target.share_by_origins();
            target
        };
        let one = shared("http://a/", proxy("http://me:1@p"));
        assert_eq!(one, shared("http://b:81/", proxy("http://me:1@p")));
        assert_ne!(one, shared("http://a/", proxy("http://me:2@p")));
        assert_ne!(one, shared("http://a/", proxy("http://p")));
        assert_ne!(
            shared("http://a/", proxy("https://p:80")),
            shared("http://a/", proxy("http://p"))
        );
        let mut elsewhere = to("http://a/", proxy("http://me:1@p").into());
        elsewhere.local_address = Some([127, 0, 0, 1].into());
        elsewhere.share_by_origins();
        assert_ne!(one, elsewhere);
    }
}
