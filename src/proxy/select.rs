//! Selects the route to an origin: by host, by scheme, by the environment, or by a function.

use std::{env, fmt, sync::Arc};

use crate::{
    error::Error,
    target::{Proxy, Route, Target},
};

mod environment;
mod pattern;
#[cfg(feature = "system-proxy")]
mod system;
#[cfg(test)]
mod tests;

use environment::Environment;
use pattern::{HostPattern, PatternHost};

/// Rules for the route of each origin: one proxy for all, by host and scheme, or by the environment.
///
/// ```
/// use tower_transport::{proxy::{Proxy, ProxyRules}, target::Route};
/// # fn main() -> Result<(), tower_transport::Error> {
/// let outer: Proxy = "http://proxy.example:3128".parse()?;
/// let inner: Proxy = "socks5h://inner.example".parse()?;
/// let rules = ProxyRules::all(outer)
///     .host("*.intranet.example", inner)?
///     .no_proxy("localhost, 10.0.0.0/8")?;
/// # Ok(())
/// # }
/// ```
///
/// The first row that matches decides, whatever the order of the calls:
///
/// | | set by |
/// |---|---|
/// | hosts that are reached directly | [`no_proxy`](Self::no_proxy) |
/// | hosts with a route of their own, of which the first match counts | [`host`](Self::host) |
/// | a route for the scheme | [`http`](Self::http), [`https`](Self::https) |
/// | a route for the rest | the constructor: [`none`](Self::none), [`all`](Self::all), [`from_env`](Self::from_env) … |
///
/// Where the environment or the system decides, loopback addresses and `localhost` are reached directly, as in Go.
/// Explicit rules apply to them as well.
///
/// The patterns of [`no_proxy`](Self::no_proxy), [`host`](Self::host) and the variable `NO_PROXY`:
///
/// | pattern | matches |
/// |---|---|
/// | `example.com` | that host and its subdomains, such as `www.example.com` |
/// | `.example.com`, `*.example.com` | its subdomains only |
/// | `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]` | that address |
/// | `192.0.2.0/24`, `2001:db8::/32` | the addresses of that network (RFC 4632 §3.1) |
/// | `example.com:8443`, `192.0.2.1:80`, `[2001:db8::1]:80` | the same, at this port only |
/// | `*` | every host |
///
/// Case and a trailing dot are ignored; an IPv4 address equals its IPv6-mapped form; the zone of an address is
/// ignored. A name never matches an address, and no name is resolved. Names that are not ASCII need the feature
/// `idna`.
#[derive(Clone)]
pub struct ProxyRules {
    rules: Arc<Rules>,
}

#[derive(Clone, Debug)]
struct Rules {
    no_proxy: Vec<HostPattern>,
    hosts: Vec<(HostPattern, Route)>,
    http: Choice,
    https: Choice,
}

/// The choice for one scheme.
#[derive(Clone)]
enum Choice {
    Route(Route),
    Environment(Arc<Environment>),
    Function(Arc<Choose>),
}

type Choose = dyn Fn(&Target) -> Result<Route, Error> + Send + Sync;

impl ProxyRules {
    /// All directly: a start for rules that name their hosts, and the default.
    pub fn none() -> Self {
        Self::all(Route::Direct)
    }

    /// All by this route or through this proxy, `localhost` included.
    pub fn all(route: impl Into<Route>) -> Self {
        Self::made_of(Choice::Route(decided(route.into())))
    }

    /// Reads the environment now, and never again.
    ///
    /// The rules are those of Go's `httpproxy`:
    ///
    /// | variable | |
    /// |---|---|
    /// | `HTTP_PROXY` | the proxy for `http` and `ws` |
    /// | `HTTPS_PROXY` | the proxy for `https` and `wss` |
    /// | `ALL_PROXY` | the proxy for those without a variable of their own; unknown to Go |
    /// | `NO_PROXY` | the hosts reached directly, separated by commas; invalid entries are ignored |
    /// | `REQUEST_METHOD` | if not empty, `HTTP_PROXY` is ignored: in a CGI script a client can set it, by a header `Proxy` (CVE-2016-5386) |
    ///
    /// Each name may be in lower case; if both are set and not empty, upper case wins. A proxy is given as for
    /// [`Proxy::new`], with or without a scheme. Loopback addresses and `localhost` never use it.
    ///
    /// An invalid proxy is no error here. A request that needs it fails, with an error for which
    /// [`is_builder`](Error::is_builder) holds and that names the variable, not its value.
    ///
    /// Go differs:
    ///
    /// * it ignores an invalid proxy and connects directly, and takes one with a path or a query, which is invalid here;
    /// * it leaves names to the proxy for `socks5://`; here they are resolved first, as by curl, and `socks5h://` leaves them to it;
    /// * it fails where `HTTP_PROXY` is ignored;
    /// * it does not treat `LOCALHOST`, `localhost.` and `localhost` alike;
    /// * it takes an IPv6 address in brackets only with a port.
    pub fn from_env() -> Self {
        Self::from_vars(variable)
    }

    /// Like [`from_env`](Self::from_env), with variables from this function: of a settings file, or of a test.
    ///
    /// ```
    /// # use tower_transport::proxy::ProxyRules;
    /// let rules = ProxyRules::from_vars(|name| match name {
    ///     "ALL_PROXY" => Some("socks5h://127.0.0.1:9050".to_owned()),
    ///     _ => None,
    /// });
    /// ```
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Self {
        Self::made_of(Choice::Environment(Arc::new(Environment::new(var))))
    }

    /// Calls this function.
    ///
    /// It must return the same route for equal targets, always: connections are keyed by target, and one made by
    /// another route is reused. Hosts compare without regard to case. It is called often and must not block.
    pub fn from_fn<F>(choose: F) -> Self
    where
        F: Fn(&Target) -> Route + Send + Sync + 'static,
    {
        Self::asking(move |target| Ok(decided(choose(target))))
    }

    /// Sets the route of `http` and `ws` origins, instead of the constructor's.
    pub fn http(self, route: impl Into<Route>) -> Self {
        self.with(|rules| rules.http = Choice::Route(decided(route.into())))
    }

    /// Sets the route of `https` and `wss` origins, instead of the constructor's.
    pub fn https(self, route: impl Into<Route>) -> Self {
        self.with(|rules| rules.https = Choice::Route(decided(route.into())))
    }

    /// Sets the route of the hosts that match, for every scheme: `example.com`, `*.example.com:8443`, `10.0.0.0/8` …
    /// The first match given wins.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for a pattern that can match no host.
    pub fn host(self, pattern: &str, route: impl Into<Route>) -> Result<Self, Error> {
        let pattern = pattern.trim().parse()?;
        Ok(self.with(|rules| rules.hosts.push((pattern, decided(route.into())))))
    }

    /// Sets the hosts reached directly, before all other rules, as patterns separated by commas. They add to those
    /// given before and those of the environment.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for an entry that can match no host. In the environment it would be ignored.
    pub fn no_proxy(self, hosts: &str) -> Result<Self, Error> {
        let hosts: Vec<_> = pattern::list(hosts).collect::<Result<_, _>>()?;
        Ok(self.with(|rules| rules.no_proxy.extend(hosts)))
    }

    /// The route to this target; never [`Route::Any`].
    ///
    /// It applies to a target whose own route is [`Route::Any`]. A target with another route, such as that of a
    /// [`ProxyOverride`](crate::options::ProxyOverride), does not consult the rules.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) if the environment or the system names an invalid proxy for it.
    pub fn route(&self, target: &Target) -> Result<Route, Error> {
        let Rules { no_proxy, hosts, http, https } = &*self.rules;
        let place = PatternHost::of(&target.origin);
        if no_proxy.iter().any(|pattern| pattern.fits(&place)) {
            return Ok(Route::Direct);
        }
        if let Some((_, route)) = hosts.iter().find(|(pattern, _)| pattern.fits(&place)) {
            return Ok(route.clone());
        }
        let choice = if target.origin.scheme().is_tls() { https } else { http };
        choice.route(target)
    }

    /// Checks the settings of all proxies known in advance.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Rules { no_proxy: _, hosts, http, https } = &*self.rules;
        let chosen = [http, https].into_iter().filter_map(Choice::known);
        chosen.chain(hosts.iter().map(|(_, route)| route)).try_for_each(Route::check)
    }

    /// Whether every target has the same route.
    pub(crate) fn is_static(&self) -> bool {
        let Rules { no_proxy: _, hosts: _, http, https } = &*self.rules;
        ![http, https].into_iter().any(|choice| matches!(choice, Choice::Function(_)))
    }

    fn asking(choose: impl Fn(&Target) -> Result<Route, Error> + Send + Sync + 'static) -> Self {
        Self::made_of(Choice::Function(Arc::new(choose)))
    }

    fn made_of(choice: Choice) -> Self {
        let (http, https) = (choice.clone(), choice);
        let rules = Rules { no_proxy: Vec::new(), hosts: Vec::new(), http, https };
        Self { rules: Arc::new(rules) }
    }

    fn with(mut self, set: impl FnOnce(&mut Rules)) -> Self {
        set(Arc::make_mut(&mut self.rules));
        self
    }
}

impl Choice {
    /// The route shared by all targets, if there is one.
    fn known(&self) -> Option<&Route> {
        match self {
            Self::Route(route) => Some(route),
            Self::Environment(_) | Self::Function(_) => None,
        }
    }

    fn route(&self, target: &Target) -> Result<Route, Error> {
        match self {
            Self::Route(route) => Ok(route.clone()),
            Self::Environment(environment) => {
                environment.route(&target.origin).unwrap_or(Ok(Route::Direct))
            }
            Self::Function(choose) => choose(target),
        }
    }
}

/// A value that is not Unicode is kept, lossily: it is no valid URL, and an error where it is needed.
fn variable(name: &str) -> Option<String> {
    Some(env::var_os(name)?.to_string_lossy().into_owned())
}

/// Resolves every open alternative to direct.
fn decided(route: Route) -> Route {
    match route {
        Route::Any => Route::Direct,
        Route::Proxies(proxies) if proxies.is_empty() => Route::Direct,
        Route::FirstOf(routes) if routes.is_empty() || routes.iter().any(is_open) => {
            Route::first_of(routes.iter().cloned().map(decided))
        }
        other => other,
    }
}

/// Whether an alternative is open, or a list itself.
fn is_open(route: &Route) -> bool {
    match route {
        Route::Any | Route::FirstOf(_) => true,
        Route::Proxies(proxies) => proxies.is_empty(),
        _ => false,
    }
}

impl Default for ProxyRules {
    /// All directly: a library must not let its user's environment route requests unless asked to.
    fn default() -> Self {
        Self::none()
    }
}

impl From<Route> for ProxyRules {
    fn from(route: Route) -> Self {
        Self::all(route)
    }
}

impl From<Proxy> for ProxyRules {
    fn from(proxy: Proxy) -> Self {
        Self::all(proxy)
    }
}

impl fmt::Debug for ProxyRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rules { no_proxy, hosts, http, https } = &*self.rules;
        f.debug_struct("ProxyRules")
            .field("no_proxy", no_proxy)
            .field("hosts", hosts)
            .field("http", http)
            .field("https", https)
            .finish()
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route(route) => route.fmt(f),
            Self::Environment(environment) => environment.fmt(f),
            Self::Function(_) => f.write_str("Function"),
        }
    }
}
